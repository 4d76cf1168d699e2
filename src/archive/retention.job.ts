import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type pg from 'pg';
import { CONFIG, type Config } from '../config/config.js';
import { POOL } from '../database/tokens.js';
import { ServiceLedger } from '../events/service-ledger.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { JobRunner } from '../jobs/job-runner.js';
import type { Job, JobContext } from '../jobs/job.js';
import { LOGGED_FINDINGS } from '../jobs/verification-run.js';
import { PartitionManager } from '../partitions/partition-manager.js';
import { objectsToVerify } from './archive-catalogue.sql.js';
import { ArchiveVerifier, nothingVerified, type ArchiveVerificationOutcome } from './archive-verifier.js';
import { ObjectRetention, type Extensions } from './object-retention.js';

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
    const extensions: Extensions = { extended: 0, short: [] };
    const months: MonthsStep = { verified: nothingVerified(), outcome: {} };
    const early: EarlyStep = { verified: nothingVerified(), outcome: {} };
    const soFar = (): JsonObject => ({
      extended: extensions.extended,
      short_total: extensions.short.length,
      short: extensions.short.slice(0, LISTED_OBJECTS).map((each) => ({ ...each })),
      ...figuresOf(months.verified),
      findings: firstFindings(months.verified),
      ...months.outcome,
      superseded: { ...figuresOf(early.verified), ...early.outcome },
    });
    context.keepIfFailed(soFar);
    await this.objects.extendLocks(context, extensions);
    if (extensions.short.length > 0) {
      const first = extensions.short.slice(0, LOGGED_FINDINGS);
      context.log.error({ objects: first, alarm: 'archive-invalid' }, 'locks could not be moved on');
    }
    await this.dropMonths(context, months);
    await this.removeSuperseded(context, early);
    return soFar();
  }

  /** What holds the same as an early object is read again before that goes, and found right: it is the last copy then. */
  private async removeSuperseded(context: JobContext, step: EarlyStep): Promise<void> {
    const numbers = await this.objects.toBeVerified(null);
    await this.verify(numbers, step.verified, context, 'what supersedes early objects is not right');
    const { removed, left, held, last } = await this.objects.removeSuperseded(context);
    for (const { object_key, reason } of left)
      context.log.warn({ object: object_key, reason }, 'an early object stays for now');
    const listed = left.slice(0, LISTED_OBJECTS).map((each) => ({ ...each }));
    step.outcome = { removed, held, last, left: listed };
  }

  private async dropMonths(context: JobContext, step: MonthsStep): Promise<void> {
    const { signal, log, requestedBy } = context;
    const leaving = await this.partitions.leaving(this.config.ONLINE_MONTHS);
    const numbers = await objectsToVerify(this.pool, leaving);
    await this.verify(numbers, step.verified, context, 'what is archived of a month that was to leave is not right');
    const { length } = step.verified.findings;
    if (length > 0) {
      const reason = `${length} findings in its objects, or in those of a month that leaves before it`;
      step.outcome = { retired: [], dropped: [], kept: leaving.map((month) => ({ month, reason })) };
      return;
    }
    const { retired, dropped, kept } = await this.partitions.retireAndDrop(
      this.config.ONLINE_MONTHS,
      signal,
      (month, action) => this.record(month, action, requestedBy),
    );
    for (const { month, reason } of kept) log.warn({ month, reason }, 'a month stays in PostgreSQL for now');
    step.outcome = { retired, dropped, kept: kept.map((each) => ({ ...each })) };
  }

  /** What was found is told also when something else ends it. */
  private async verify(
    numbers: ReadonlySet<string>,
    verified: ArchiveVerificationOutcome,
    { signal, log }: JobContext,
    message: string,
  ): Promise<void> {
    try {
      if (numbers.size > 0) await this.verifier.verifyObjects(numbers, signal, verified);
    } finally {
      const findings = firstFindings(verified);
      if (findings.length > 0) log.error({ findings, alarm: 'archive-invalid' }, message);
    }
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

/** What a step has read and found, and what it did. */
interface Step<T> {
  verified: ArchiveVerificationOutcome;
  outcome: Partial<T>;
}

type MonthsStep = Step<{ retired: string[]; dropped: string[]; kept: { month: string; reason: string }[] }>;
type EarlyStep = Step<JsonObject>;

function figuresOf({ read, findings }: ArchiveVerificationOutcome) {
  return { objects_read: read, findings_total: findings.length };
}

function firstFindings({ findings }: ArchiveVerificationOutcome) {
  return findings.slice(0, LOGGED_FINDINGS).map((each) => ({ ...each }));
}
