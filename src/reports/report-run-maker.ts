import { createHash, randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type pg from 'pg';
import type { Logger } from 'pino';
import { CONFIG, type Config } from '../config/config.js';
import { POOL } from '../database/tokens.js';
import { isDatabaseUnavailable, toProblem } from '../http/problem.filter.js';
import { Problem } from '../http/problem.js';
import { LongReads } from '../long-reads/long-reads.js';
import { LOGGER } from '../operation/logger.js';
import { readReportRequest } from './report-parameters.js';
import { ReportRecords } from './report-records.js';
import * as sql from './report-runs.sql.js';
import type { StoredRun } from './report-runs.sql.js';
import { REPORTS } from './reports.js';

/** How often replicas look for runs that were asked for elsewhere, or whose replica has died. */
const POLL_MS = 5_000;
const HEARTBEAT_MS = 5_000;
/** A run without a sign of life for this long has lost its replica. */
export const SILENT_MS = 30_000;
/** Bytes of an answer that are packed and kept at once. */
const PIECE_BYTES = 1024 * 1024;
const DAY_MS = 86_400_000;
const MIB = 1024 * 1024;

const pack = promisify(gzip);

/**
 * Makes the answers that are kept: one at a time on each replica, beside what others wait for. A run whose replica has
 * died is begun again by another: the same run has the same bytes.
 */
@Injectable()
export class ReportRunMaker implements OnModuleInit, OnModuleDestroy {
  /** This replica, in the rows of its runs. */
  private readonly runner = randomUUID();
  private readonly stopping = new AbortController();
  private working: Promise<void> | undefined;
  private moreWork = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly longReads: LongReads,
    private readonly records: ReportRecords,
  ) {}

  onModuleInit(): void {
    this.timer = setInterval(() => this.wake(), POLL_MS).unref();
  }

  /** What is under way is put back. */
  async onModuleDestroy(): Promise<void> {
    clearInterval(this.timer);
    this.stopping.abort(new Problem('shutting-down', 'The replica is stopping'));
    await this.working;
  }

  /** Takes runs as long as there are any; returns at once. */
  wake(): void {
    this.moreWork = true;
    this.working ??= this.takeRuns()
      .catch((error: unknown) => this.logger.warn({ err: error }, 'runs of reports could not be taken'))
      .finally(() => {
        this.working = undefined;
        if (this.moreWork && !this.stopping.signal.aborted) this.wake(); // asked for as the last one was found to be none
      });
  }

  private async takeRuns(): Promise<void> {
    while (this.moreWork) {
      this.moreWork = false;
      for (;;) {
        if (this.stopping.signal.aborted) return;
        const run = await sql.takeRun(this.pool, this.runner, SILENT_MS);
        if (!run || !(await this.make(run))) break;
      }
    }
  }

  /** False when it cannot be made now, and was put back. */
  private async make(run: StoredRun): Promise<boolean> {
    const log = this.logger.child({ run: run.id, report: run.report, ledger: run.ledger });
    const alive = setInterval(() => {
      sql
        .keepAlive(this.pool, this.runner)
        .catch((error: unknown) => log.warn({ err: error }, 'signs of life of a report could not be written'));
    }, HEARTBEAT_MS).unref();
    try {
      const made = await this.keep(run);
      await this.records.done(run, run.requested_by, made);
      const keepMs = this.config.REPORT_RUN_DAYS * DAY_MS;
      if (!(await sql.finishRun(this.pool, run.id, this.runner, { ...made, keepMs }))) throw new RunLost();
      log.info({ rows: made.rows, bytes: made.bytes }, 'a report was made and kept');
      return true;
    } catch (error) {
      return await this.giveUp(run, error, log);
    } finally {
      clearInterval(alive);
    }
  }

  private async giveUp(run: StoredRun, error: unknown, log: Logger): Promise<boolean> {
    if (error instanceof RunLost) {
      log.info('a report was cancelled, or taken up elsewhere');
      return true;
    }
    if (isDatabaseUnavailable(error)) {
      // It stays this replica's until it has been silent for long, and is then begun again here or elsewhere.
      log.warn({ err: error }, 'the database went away while a report was made');
      return false;
    }
    const problem = toProblem(error);
    if (this.stopping.signal.aborted || problem.slug === 'reads-overloaded') {
      await sql.requeueRun(this.pool, run.id, this.runner);
      return false;
    }
    log.error({ err: error, alarm: 'report-failed' }, 'a report failed');
    await sql.endRun(this.pool, run.id, this.runner, { status: 'failed', error: problem.message, bytes: 0 });
    return true;
  }

  /** Makes the answer and keeps it, piece by piece. */
  private async keep(run: StoredRun): Promise<{ rows: number; bytes: number; sha256: Buffer }> {
    const report = REPORTS.find(({ name }) => name === run.report);
    if (report?.version !== run.report_version) {
      const detail = `${run.report} is not in version ${run.report_version} in this version of the service: ask again`;
      throw new Problem('report-not-found', detail);
    }
    const { period, parameters } = readReportRequest(report, run.parameters);
    const { ledger, format, deleted } = run;
    const read = { ledger, report: report.name, format, asOf: BigInt(run.as_of), period, deleted, parameters };
    const { signal } = this.stopping;
    const pieces = this.longReads.pieces({ kind: 'report', ...read }, signal, () => Promise.resolve());
    const digest = createHash('sha256');
    let waiting: Uint8Array[] = [];
    let [bytes, waitingBytes, number] = [0, 0, 0];
    const keepWaiting = async (): Promise<void> => {
      await this.assertRoom();
      number += 1;
      const packed = await pack(Buffer.concat(waiting), { level: 6 });
      if (!(await sql.keepPiece(this.pool, run.id, this.runner, { number, packed, bytesSoFar: bytes }))) {
        throw new RunLost();
      }
      waiting = [];
      waitingBytes = 0;
    };
    try {
      for (;;) {
        const next = await pieces.next();
        if (next.done) {
          if (waitingBytes > 0 || number === 0) await keepWaiting();
          return { rows: next.value.rows ?? 0, bytes, sha256: digest.digest() };
        }
        digest.update(next.value);
        bytes += next.value.length;
        waiting.push(next.value);
        waitingBytes += next.value.length;
        if (waitingBytes >= PIECE_BYTES) await keepWaiting();
      }
    } finally {
      await pieces.return({});
    }
  }

  /** Throws reports-full. */
  private async assertRoom(): Promise<void> {
    const { REPORT_RUNS_MAX_MB: most } = this.config;
    if ((await sql.keptBytes(this.pool)) < most * MIB) return;
    throw new Problem('reports-full', `Kept answers take more than ${most} MiB (REPORT_RUNS_MAX_MB)`);
  }
}

/** The run is not this replica's any more: cancelled, or taken up by another. */
class RunLost extends Error {}
