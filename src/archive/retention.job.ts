import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type pg from 'pg';
import { CONFIG, type Config } from '../config/config.js';
import { POOL } from '../database/tokens.js';
import { ServiceLedger } from '../events/service-ledger.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { JobRunner } from '../jobs/job-runner.js';
import type { Job, JobContext } from '../jobs/job.js';
import { PartitionManager } from '../partitions/partition-manager.js';
import { objectsToVerify } from './archive-catalogue.sql.js';
import { ArchiveVerifier } from './archive-verifier.js';
import { ObjectRetention } from './object-retention.js';

/** Of early objects that stay, in a run's outcome. */
const LISTED_OBJECTS = 100;

/**
 * Keeps locks as long as the policies say, has months leave PostgreSQL once they are old enough and archived, and what is
 * archived of them was just read again, and removes early objects that these have made superfluous. What is wrong with
 * one object keeps its own months and early copies, and holds up nothing else.
 */
@Injectable()
export class Retention implements Job, OnModuleInit {
  readonly name = 'retention';
  readonly summary: string;
  readonly schedule = '20 * * * *';

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(POOL) private readonly pool: pg.Pool,
    private readonly partitions: PartitionManager,
    private readonly verifier: ArchiveVerifier,
    private readonly objects: ObjectRetention,
    private readonly serviceLedger: ServiceLedger,
    private readonly runner: JobRunner,
  ) {
    this.summary = `Moves locks on to what the retention policies say; retires and drops months that ended ${config.ONLINE_MONTHS} months ago, once their objects in the archive were read and found right; removes early objects that the objects of months have superseded`;
  }

  onModuleInit(): void {
    if (this.config.ARCHIVE_URL !== 'off') this.runner.register(this);
  }

  async run(context: JobContext): Promise<JsonObject> {
    const { extended, short } = await this.objects.extendLocks(context);
    const listed = short.slice(0, LISTED_OBJECTS).map((each) => ({ ...each }));
    if (short.length > 0) {
      context.log.error({ objects: listed.slice(0, 10), alarm: 'archive-invalid' }, 'locks could not be moved on');
    }
    const months = await this.dropMonths(context);
    const superseded = await this.removeSuperseded(context);
    return { extended, short_total: short.length, short: listed, ...months, superseded };
  }

  /** What holds the same as an early object is read again before that goes, and found right: it is the last copy then. */
  private async removeSuperseded(context: JobContext): Promise<JsonObject> {
    const numbers = await this.objects.toBeVerified(null);
    const { findings, read } = await this.verifier.verifyObjects(numbers, context.signal);
    if (findings.length > 0) {
      const first = findings.slice(0, 10);
      context.log.error({ findings: first, alarm: 'archive-invalid' }, 'what supersedes early objects is not right');
    }
    const { removed, left, held, last } = await this.objects.removeSuperseded(context);
    for (const { object_key, reason } of left)
      context.log.warn({ object: object_key, reason }, 'an early object stays for now');
    const listed = left.slice(0, LISTED_OBJECTS).map((each) => ({ ...each }));
    return { objects_read: read, findings_total: findings.length, removed, held, last, left: listed };
  }

  private async dropMonths({ signal, log, requestedBy }: JobContext): Promise<JsonObject> {
    const months = await this.partitions.leaving(this.config.ONLINE_MONTHS);
    const numbers = await objectsToVerify(this.pool, months);
    const verified = numbers.size > 0 ? await this.verifier.verifyObjects(numbers, signal) : undefined;
    const findings = verified?.findings ?? [];
    const figures = { objects_read: verified?.read ?? 0, findings_total: findings.length };
    if (findings.length > 0) {
      const first = findings.slice(0, 10);
      log.error(
        { findings: first, alarm: 'archive-invalid' },
        'what is archived of a month that was to leave is not right',
      );
      const reason = `${findings.length} findings in its objects, or in those of a month that leaves before it`;
      const listed = first.map((each) => ({ ...each }));
      return {
        retired: [],
        dropped: [],
        kept: months.map((month) => ({ month, reason })),
        ...figures,
        findings: listed,
      };
    }
    const { retired, dropped, kept } = await this.partitions.retireAndDrop(
      this.config.ONLINE_MONTHS,
      signal,
      (month, action) => this.record(month, action, requestedBy),
    );
    for (const { month, reason } of kept) log.warn({ month, reason }, 'a month stays in PostgreSQL for now');
    return { retired, dropped, kept: kept.map((each) => ({ ...each })), ...figures, findings: [] };
  }

  private async record(month: string, action: 'retire' | 'drop', requestedBy: string): Promise<void> {
    await this.serviceLedger.record({
      event_type: 'retention',
      entity_type: 'month',
      entity_id: month,
      action,
      user_id: requestedBy.slice(0, 255),
      new_state: { online_months: this.config.ONLINE_MONTHS },
    });
  }
}
