import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { Logger } from 'pino';
import { CONFIG, type Config } from '../config/config.js';
import { OperationPool } from '../database/operation-pool.js';
import { LOGGER } from './logger.js';
import { RepeatingLook } from './repeating-look.js';

/**
 * Compares the service's clock with the database's, once a second. Half the round trip is the measurement's own
 * uncertainty and is not held against the clocks.
 */
@Injectable()
export class ClockMonitor implements OnModuleInit, OnModuleDestroy {
  private looks: RepeatingLook | undefined;
  /** service minus database, ms, as far as it is certain; undefined before the first measurement */
  differenceMs: number | undefined;
  private withinTolerance = true;

  constructor(
    private readonly connections: OperationPool,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.measure();
    this.looks = new RepeatingLook(() => this.measure(), 'the clocks could not be compared', this.logger);
  }

  onModuleDestroy(): void {
    this.looks?.stop();
  }

  /** Whether the clocks agreed at the last measurement. */
  get agrees(): boolean {
    return this.withinTolerance;
  }

  async measure(): Promise<void> {
    const before = Date.now();
    const { rows } = await this.connections.pool.query<{ ms: string }>({
      name: 'database_clock',
      text: `SELECT (extract(epoch FROM trail_now()) * 1000)::bigint AS ms`,
    });
    const after = Date.now();
    const uncertaintyMs = Math.abs(after - before) / 2;
    const measuredMs = (before + after) / 2 - Number(rows[0]!.ms);
    this.differenceMs = Math.sign(measuredMs) * Math.max(0, Math.abs(measuredMs) - uncertaintyMs);
    const agrees = Math.abs(this.differenceMs) <= this.config.CLOCK_TOLERANCE;
    if (agrees !== this.withinTolerance) {
      this.logger[agrees ? 'info' : 'error'](
        { differenceMs: this.differenceMs, toleranceMs: this.config.CLOCK_TOLERANCE },
        agrees
          ? 'the clocks agree again: appends are open'
          : 'the clocks of service and database disagree: appends are refused',
      );
    }
    this.withinTolerance = agrees;
  }
}
