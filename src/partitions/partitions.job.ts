import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type pg from 'pg';
import { POOL } from '../database/tokens.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { JobRunner } from '../jobs/job-runner.js';
import type { Job, JobContext } from '../jobs/job.js';
import { ClockMonitor } from '../operation/clock-monitor.js';
import { Metrics } from '../operation/metrics.js';
import { MONTHS_AHEAD } from './months.js';
import { PartitionManager } from './partition-manager.js';
import { monthsAhead } from './partitions.sql.js';

/** Makes months before they are needed, closes and seals those that are over. */
@Injectable()
export class PartitionMaintenance implements Job, OnModuleInit {
  readonly name = 'partition-maintenance';
  readonly summary = `Makes the months that appends will need, ${MONTHS_AHEAD} ahead; closes and seals those that are over`;
  readonly schedule = '0 * * * *';
  readonly atStart = true;

  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    private readonly partitions: PartitionManager,
    private readonly runner: JobRunner,
    private readonly metrics: Metrics,
    private readonly clocks: ClockMonitor,
  ) {}

  onModuleInit(): void {
    this.runner.register(this);
    this.metrics.gauge(
      'truetrail_months_ahead',
      `Months that are there after the clock's, without a gap; under ${MONTHS_AHEAD} the maintenance of partitions is behind`,
      [],
      async () => [{ value: await monthsAhead(this.pool) }],
    );
  }

  async run({ log, signal }: JobContext): Promise<JsonObject> {
    const made = await this.partitions.ensureMonths();
    const ahead = await monthsAhead(this.pool);
    if (ahead < MONTHS_AHEAD)
      log.error({ ahead, alarm: 'months-ahead' }, 'there are too few months ahead of the clock');
    if (!this.clocks.agrees) {
      // a month that is closed by a clock that ran ahead would keep appends out until the time has come
      log.warn('the clocks of service and database disagree: no month is closed');
      return { made, months_ahead: ahead, closed: [], sealed: [] };
    }
    const { closed, sealed, stuck } = await this.partitions.closeAndSeal(signal);
    if (stuck.length > 0) {
      log.error({ months: stuck, alarm: 'month-damaged' }, 'a month is not moved on; the others are');
      throw new Error(stuck.map(({ reason }) => reason).join('; '));
    }
    return { made, months_ahead: ahead, closed, sealed };
  }
}
