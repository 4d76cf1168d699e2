import { randomUUID } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type pg from 'pg';
import type { Logger } from 'pino';
import { archiveReadSettings } from '../archive/archive-reading.js';
import { ARCHIVED_EVENTS, type ArchivedEvents } from '../archive/archived-events.js';
import { readDeletedSpans, spanAt } from '../archive/deleted-ranges.js';
import { CONFIG, type Config } from '../config/config.js';
import { DATABASE_URL, POOL } from '../database/tokens.js';
import { uuidv7 } from '../database/uuidv7.js';
import { Appender } from '../events/appender.js';
import { ServiceLedger } from '../events/service-ledger.js';
import { isDatabaseUnavailable } from '../database/availability.js';
import { Problem } from '../http/problem.js';
import { microsOf } from '../integrity/stored-event.js';
import { reasonOf } from '../jobs/verification-run.js';
import { LOGGER } from '../operation/logger.js';
import { Metrics } from '../operation/metrics.js';
import { HEARTBEAT_MS, RunLoop, SILENT_MS } from '../runs/run-loop.js';
import { verifyRange, VerificationStopped, type Outcome, type Progress } from './range-verification.js';
import { recordedDeletions } from './recorded-deletions.js';
import { sequencesRecorded, type RecordedEvent } from './recorded-range.js';
import * as trail from './trail.sql.js';
import { VerificationThreads } from './verification-threads.js';
import { shownFinding } from './findings.js';
import * as sql from './verifications.sql.js';
import type { Verification } from './verifications.sql.js';

export type { Verification };

/** The part of a ledger that is asked for; nothing for all of it. Times are microseconds since 1970. */
export interface AskedRange {
  fromSequence?: bigint;
  /** included */
  toSequence?: bigint;
  recordedFrom?: number;
  /** not included */
  recordedTo?: number;
}

/** Progress is written at most this often. */
const PROGRESS_MS = 500;
const LOCK_TIMEOUT_MS = 10_000;
/**
 * What a replica runs at once, on the threads that all of them share: somebody who asks about a few events does not wait
 * for the whole ledger of somebody else, nor for the daily run.
 */
const LANES: readonly sql.Origin[] = ['request', 'request', 'job'];
/** Of a run's findings, in its event: well within what an event may have. The run itself has more. */
const RECORDED_FINDINGS = 100;
/** Sequences are numbers where rows are checked. No ledger gets here; an edited head might. */
const MAX_TO = BigInt(Number.MAX_SAFE_INTEGER) - 1n;

/**
 * Runs of verification. A run is a row: any replica may take it, and goes on where the last one stopped. Whatever was
 * found is written before the row says so.
 */
@Injectable()
export class Verifications implements OnModuleInit, OnModuleDestroy {
  /** This replica, in the rows of its runs. */
  private readonly runner = randomUUID();
  private readonly threads: VerificationThreads;
  private readonly lanes: readonly RunLoop[] = LANES.map((origin) => {
    const lane: RunLoop = new RunLoop(
      () => this.takeOne(origin, lane),
      (error) => this.logger.warn({ err: error }, 'runs of verification could not be taken'),
    );
    return lane;
  });

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(DATABASE_URL) url: string,
    appender: Appender,
    private readonly serviceLedger: ServiceLedger,
    private readonly metrics: Metrics,
    @Inject(ARCHIVED_EVENTS) private readonly archive: ArchivedEvents,
  ) {
    const { VERIFICATION_WORKERS: size } = config;
    // A processor is left to those who post events, as long as there are any: whoever verifies can wait.
    const mayWork = (): number => (appender.isInUse ? Math.max(1, Math.min(size, availableParallelism() - 1)) : size);
    this.threads = new VerificationThreads(size, mayWork, {
      url,
      lockTimeoutMs: LOCK_TIMEOUT_MS,
      archive: { ...archiveReadSettings(config), ARCHIVE_CACHE_MB: 0 }, // the store is verified, not a copy
    });
  }

  onModuleInit(): void {
    this.publishMetrics();
    for (const lane of this.lanes) lane.start();
  }

  /** Stops between two pieces; what is under way is put back. */
  async onModuleDestroy(): Promise<void> {
    await Promise.all(this.lanes.map((lane) => lane.stop()));
    this.threads.close();
  }

  /**
   * Asks for a verification, up to the ledger's size at this moment. Throws ledger-not-found, and invalid-body for a
   * range that begins after its end or beyond the ledger.
   */
  async request(
    ledger: string,
    asked: AskedRange,
    requestedBy: string,
    jobRun: string | null = null,
  ): Promise<Verification> {
    const range = await this.rangeOf(ledger, asked);
    const run = await sql.insertVerification(this.pool, { id: uuidv7(), ledger, ...range, requestedBy, jobRun });
    for (const lane of this.lanes) lane.wake();
    return run;
  }

  /** Throws verification-not-found. */
  async find(ledger: string, id: string): Promise<Verification> {
    const run = await sql.findVerification(this.pool, ledger, id);
    if (!run) throw new Problem('verification-not-found', 'There is no such verification in this ledger');
    return run;
  }

  /** The latest ones first. Throws ledger-not-found. */
  async list(ledger: string, limit: number): Promise<Verification[]> {
    const runs = await sql.listVerifications(this.pool, ledger, limit);
    if (runs.length === 0 && !(await trail.readLedgerFacts(this.pool, ledger))) throw ledgerNotFound();
    return runs;
  }

  /** Cancels a run that is not over. Throws verification-not-found. */
  async cancel(ledger: string, id: string): Promise<Verification> {
    await sql.cancelVerification(this.pool, ledger, id);
    return this.find(ledger, id);
  }

  /** Whether any that a run of a job has asked for is not over. */
  hasOpenOfJob(jobRun: string): Promise<boolean> {
    return sql.hasOpenVerifications(this.pool, jobRun);
  }

  /** Those that a run of a job has asked for. */
  listOfJob(jobRun: string): Promise<Verification[]> {
    return sql.listVerificationsOfJob(this.pool, jobRun);
  }

  private async rangeOf(ledger: string, asked: AskedRange): Promise<{ from: bigint; to: bigint; toHead: boolean }> {
    const facts = await trail.readLedgerFacts(this.pool, ledger);
    if (!facts) throw ledgerNotFound();
    let size = BigInt(facts.size ?? (await trail.readLedgerEnds(this.pool, ledger)).last_sequence ?? 0);
    if (size > MAX_TO) size = MAX_TO;
    let from = asked.fromSequence ?? 1n;
    let to = asked.toSequence ?? size;
    if (asked.recordedFrom !== undefined || asked.recordedTo !== undefined) {
      const { recordedFrom = null, recordedTo = null } = asked;
      if (recordedFrom !== null && recordedTo !== null && recordedFrom >= recordedTo)
        throw invalidRange('recorded_to', 'recorded_to must lie after recorded_from');
      ({ from, to } = await sequencesRecorded(recordedFrom, recordedTo, size, (sequence) =>
        this.findRecordedAt(ledger, sequence),
      ));
    } else if (asked.toSequence !== undefined && from > asked.toSequence) {
      throw invalidRange('to_sequence', 'to_sequence must not lie before from_sequence');
    } else if (asked.fromSequence !== undefined && from > size) {
      throw invalidRange('from_sequence', `from_sequence lies beyond the ledger, which has ${size} events`);
    }
    if (to > size) to = size;
    return { from, to, toHead: to === size };
  }

  private async findRecordedAt(ledger: string, sequence: bigint): Promise<RecordedEvent | undefined> {
    if (sequence <= (await trail.readArchivedTo(this.pool, ledger))) {
      // of what is deleted the times of its ends are known
      const deleted = spanAt(await readDeletedSpans(this.pool, ledger), sequence);
      if (deleted) return { sequence, recordedAt: deleted.recorded[1] };
      const [row] = await this.archive.at(ledger, [String(sequence)]);
      return row && { sequence, recordedAt: microsOf(row.recorded_at) };
    }
    const found = await trail.findRecordedAt(this.pool, ledger, sequence);
    const hasLeft = sequence <= (await trail.readArchivedTo(this.pool, ledger)); // since it was looked at
    return hasLeft ? this.findRecordedAt(ledger, sequence) : found;
  }

  private async takeOne(origin: sql.Origin, lane: RunLoop): Promise<boolean> {
    const run = await sql.takeVerification(this.pool, this.runner, origin, SILENT_MS);
    if (run) await this.execute(run, lane.signal);
    return run !== undefined;
  }

  private async execute(run: Verification, stopping: AbortSignal): Promise<void> {
    const lost = new AbortController();
    const kept = new KeptRun(this.pool, run, this.runner, this.logger, () => lost.abort());
    const log = this.logger.child({ verification: run.id, ledger: run.ledger });
    let found: Outcome['findings'] | undefined;
    try {
      const outcome = await verifyRange(
        {
          ledger: run.ledger,
          from: BigInt(run.from_sequence),
          to: BigInt(run.to_sequence),
          toHead: run.to_head,
        },
        {
          pool: this.pool,
          run: (subject, task) => this.threads.run(subject, task),
          parallel: this.config.VERIFICATION_WORKERS,
          signal: AbortSignal.any([stopping, lost.signal]),
          recordedDeletions: (ids) => recordedDeletions(this.pool, this.archive, ids),
          onProgress: (progress) => kept.keep(progress),
          onFailed: (all) => (found = all),
        },
        run.next_sequence === run.from_sequence ? undefined : progressOf(run),
      );
      await kept.stop();
      const error = await this.report(run, outcome, log);
      const end = { ...outcome, next: BigInt(run.to_sequence) + 1n, error };
      if (!(await sql.finishVerification(this.pool, run.id, this.runner, end)))
        log.info('a verification has ended that was cancelled or taken up elsewhere meanwhile');
    } catch (error) {
      await kept.stop();
      if (error instanceof VerificationStopped) {
        if (stopping.aborted) await sql.requeueVerification(this.pool, run.id, this.runner, kept.progress);
      } else if (isDatabaseUnavailable(error)) {
        // It stays this replica's until it has been silent for long, and then goes on here or elsewhere.
        log.warn({ err: error }, 'the database went away during a verification');
      } else {
        log.error({ err: error, alarm: 'verification-failed' }, 'a verification failed');
        // what it had found is told and kept all the same
        const progress = { ...kept.progress, findings: found ?? kept.progress.findings };
        const { checked, findings, unread } = progress;
        if (findings.total > 0) {
          const outcome: Outcome = { verdict: 'invalid', checked, findings, unread, deleted: [] };
          await this.report(run, outcome, log, reasonOf(error)).catch((failure: unknown) =>
            log.error({ err: failure }, 'findings of a verification that failed are not on record'),
          );
        }
        const reason = 'the service failed; its log has the cause';
        await sql.failVerification(this.pool, run.id, this.runner, progress, reason);
      }
    }
  }

  /**
   * Tells everybody who must know, before the run is over: a crash in between tells it twice, never not at all. Returns
   * what could not be done. `stoppedBy`: what ended it before its time.
   */
  private async report(run: Verification, outcome: Outcome, log: Logger, stoppedBy?: string): Promise<string | null> {
    const { verdict, checked, findings, unread, deleted } = outcome;
    const counts = { findings: findings.total, unread: unread.length, deleted: deleted.length };
    const summary = { verdict, checked: String(checked), ...counts };
    if (verdict === 'valid') log.info(summary, 'verified');
    else if (verdict === 'undecided')
      log.error(
        { ...summary, alarm: 'verification-undecided', ranges: unread.slice(0, 10) },
        'a part of the trail could not be read',
      );
    else
      log.error(
        { ...summary, alarm: 'verification-invalid', first: findings.listed.slice(0, 10) },
        'the trail is damaged',
      );
    for (const { kind } of findings.listed) this.metrics.countFinding(run.ledger, kind);
    try {
      await this.serviceLedger.record({
        event_type: 'verification',
        entity_type: 'verification',
        entity_id: run.id,
        action: stoppedBy === undefined ? 'done' : 'stopped',
        user_id: run.requested_by.slice(0, 255),
        new_state: {
          ledger: run.ledger,
          from_sequence: run.from_sequence,
          to_sequence: run.to_sequence,
          verdict,
          checked: String(checked),
          findings_total: String(findings.total),
          findings: findings.listed.slice(0, RECORDED_FINDINGS).map(shownFinding),
          unread: unread.slice(0, RECORDED_FINDINGS).map((range) => ({ ...range })),
          deleted: deleted.slice(0, RECORDED_FINDINGS).map((range) => ({ ...range })),
          ...(stoppedBy === undefined ? {} : { stopped_by: stoppedBy }),
        },
      });
      return null;
    } catch (error) {
      if (isDatabaseUnavailable(error)) throw error;
      log.error({ err: error }, "the result of a verification could not be recorded in the service's own ledger");
      return "the result could not be recorded in the service's own ledger";
    }
  }

  private publishMetrics(): void {
    type Last = sql.LastVerification;
    const whole =
      (read: (last: Last) => number, isOf: (last: Last) => boolean = () => true) =>
      async () => {
        const all = (await sql.lastWholeVerifications(this.pool)).filter(isOf);
        return all.map((last) => ({ labels: { ledger: last.ledger }, value: read(last) }));
      };
    this.metrics.gauge(
      'truetrail_verification_valid',
      'Whether the last finished verification of the whole ledger said valid; 0: invalid or undecided; not of closed ones',
      ['ledger'],
      whole(
        ({ verdict }) => (verdict === 'valid' ? 1 : 0),
        ({ as_closed }) => as_closed === null,
      ),
    );
    this.metrics.gauge(
      'truetrail_verification_unsettled',
      'Of the last finished verification of the whole ledger: findings that nobody has acknowledged, and ranges that it could not read; not of closed ones',
      ['ledger'],
      whole(
        ({ unacknowledged, unread_ranges: unread }) => Number(unacknowledged) + unread,
        ({ as_closed }) => as_closed === null,
      ),
    );
    this.metrics.gauge(
      'truetrail_closed_ledger_changed',
      'Whether the last finished verification of a closed ledger as a whole came to something else than the first one after it was closed, which nobody has acknowledged, or could not read it',
      ['ledger'],
      whole(
        ({ as_closed, is_acknowledged: isAcknowledged, verdict }) =>
          (as_closed || isAcknowledged) && verdict !== 'undecided' ? 0 : 1,
        ({ as_closed }) => as_closed !== null,
      ),
    );
    this.metrics.gauge(
      'truetrail_verification_age_seconds',
      'Time since a verification of the whole ledger finished; of one that was never verified, since it was made',
      ['ledger'],
      async () =>
        // where none is scheduled, there is none to wait for
        (await sql.verificationAges(this.pool, this.config.VERIFICATION_SCHEDULE !== 'off')).map(
          ({ ledger, age_seconds: value }) => ({
            labels: { ledger },
            value,
          }),
        ),
    );
    this.metrics.gauge(
      'truetrail_verification_last_findings',
      'Findings of the last finished verification of the whole ledger',
      ['ledger'],
      whole(({ findings_total }) => Number(findings_total)),
    );
  }
}

/** Keeps a run's row up to date, in the background. */
class KeptRun {
  progress: Progress;
  private readonly timer: NodeJS.Timeout;
  private writing: Promise<void> | undefined;
  private writtenAt = 0;

  constructor(
    private readonly pool: pg.Pool,
    private readonly run: Verification,
    private readonly runner: string,
    private readonly logger: Logger,
    /** called when the run turns out not to be ours any more */
    private readonly onLost: () => void,
  ) {
    this.progress = progressOf(run);
    this.timer = setInterval(() => this.write(), HEARTBEAT_MS).unref();
  }

  keep(progress: Progress): void {
    // a copy: the lists go on growing, and what is written must be of one moment
    const { findings, unread } = progress;
    this.progress = {
      ...progress,
      findings: { listed: [...findings.listed], total: findings.total },
      unread: [...unread],
    };
    if (performance.now() - this.writtenAt >= PROGRESS_MS) this.write();
  }

  /** Resolves when nothing is written any more. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    while (this.writing) await this.writing;
  }

  private write(): void {
    if (this.writing) return;
    this.writtenAt = performance.now();
    this.writing = sql
      .keepProgress(this.pool, this.run.id, this.runner, this.progress)
      .then(
        (isOurs) => {
          if (!isOurs) this.onLost();
        },
        (error: unknown) => this.logger.warn({ err: error }, 'the progress of a verification could not be written'),
      )
      .finally(() => (this.writing = undefined));
  }
}

function progressOf(run: Verification): Progress {
  return {
    next: BigInt(run.next_sequence),
    checked: BigInt(run.checked),
    findings: { listed: run.findings, total: Number(run.findings_total) },
    unread: run.unread,
  };
}

function ledgerNotFound(): Problem {
  return new Problem('ledger-not-found', 'There is no such ledger, or these credentials are not for it');
}

function invalidRange(member: string, detail: string): Problem {
  return new Problem('invalid-body', detail, { errors: [{ pointer: `/${member}`, rule: 'range', detail }] });
}
