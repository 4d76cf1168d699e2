import { createHash, randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type pg from 'pg';
import type { Logger } from 'pino';
import { toProblem } from '../http/problem.filter.js';
import { Problem, type ProblemSlug } from '../http/problem.js';
import type { ReadTotals } from '../long-reads/long-read.js';
import * as sql from './kept-run-rows.js';
import { HEARTBEAT_MS, RunLoop, SILENT_MS } from './run-loop.js';

/** Bytes of an answer that are packed and kept at once. */
const PIECE_BYTES = 1024 * 1024;
const DAY_MS = 86_400_000;
const MIB = 1024 * 1024;
/** How often a run is begun that each time ends whoever makes it, or cannot be put on record: with seven minutes of waits between. */
const MOST_ATTEMPTS = 5;

const pack = promisify(gzip);

/** What an answer was made from is not so any more: thrown by `recordDone`, it has the run made anew. */
export class RunOutdated extends Error {
  override readonly name = 'RunOutdated';
}

/** The run is not this replica's any more: cancelled, or taken up by another. */
export class RunLost extends Error {
  override readonly name = 'RunLost';
}

/**
 * What was made cannot be put on record at the moment, or nobody knows yet whether it is: thrown by `recordDone`, it has the run
 * begun again later, MOST_ATTEMPTS times in all. Its message is why the run failed then.
 */
export class RunUnsettled extends Error {
  override readonly name = 'RunUnsettled';
}

/** An answer that was made and kept. */
export interface MadeAnswer {
  rows: number;
  bytes: number;
  sha256: Buffer;
  totals: ReadTotals;
}

/** One kind of runs: what they are called, where they are kept and how they are made. */
export interface RunKind<Run extends { id: string }> {
  /** in the log, with its article */
  what: string;
  /** of the log, when one fails */
  alarm: string;
  tables: sql.RunTables;
  /** of gzip, for each piece: 0 for what is packed already */
  packLevel: 0 | 6;
  /** how long an answer can be fetched; undefined where `recordDone` puts it where it stays: then its pieces go */
  keepDays: number | undefined;
  /** what all answers of this kind may take, packed; past it runs fail */
  maxMb: number;
  /** the problem that they fail with, and the name of the setting */
  full: { slug: ProblemSlug; setting: string };
  /** The next run, or one that has been silent for so long, given to `runner`; undefined when there is none. */
  take: (runner: string, silentMs: number) => Promise<Run | undefined>;
  /** what the log tells of a run */
  named: (run: Run) => Record<string, string>;
  /** The answer. The same run gives the same each time. */
  pieces: (run: Run, signal: AbortSignal) => AsyncGenerator<Uint8Array, ReadTotals>;
  /**
   * Puts on record what was made, before anybody can fetch it. What the run says of it then, where that is something else.
   * `runner` is this replica, in the row of the run. Throws RunOutdated, RunUnsettled and RunLost.
   */
  recordDone: (run: Run, made: MadeAnswer, runner: string) => Promise<MadeAnswer | void>;
  /** Called when this replica is done with making a run, however that ended. Does not reject. */
  over?: (run: Run) => Promise<void>;
  /** Of a run that comes to no end what counts of it all the same, a sentence: the run says so when it fails. */
  onRecord?: (id: string) => Promise<string | undefined>;
}

/**
 * Makes the answers of one kind that are kept: one at a time on each replica, beside what others wait for. A run whose
 * replica has died is begun again by another, so many times; so is one that cannot be put on record at the moment.
 */
export class KeptRunMaker<Run extends { id: string }> {
  /** This replica, in the rows of its runs. */
  private readonly runner = randomUUID();
  private readonly loop: RunLoop;

  constructor(
    private readonly pool: pg.Pool,
    private readonly logger: Logger,
    private readonly kind: RunKind<Run>,
  ) {
    this.loop = new RunLoop(
      async () => {
        await this.endExhausted();
        const run = await kind.take(this.runner, SILENT_MS);
        return run !== undefined && (await this.make(run));
      },
      (error) => logger.warn({ err: error }, `runs of ${kind.tables.runs} could not be taken`),
    );
  }

  start(): void {
    this.loop.start();
  }

  /** What is under way is put back. */
  stop(): Promise<void> {
    return this.loop.stop();
  }

  /** Takes runs as long as there are any; returns at once. */
  wake(): void {
    this.loop.wake();
  }

  /** False when it cannot be made now, and was put back. */
  private async make(run: Run): Promise<boolean> {
    const { what, tables, keepDays, named, recordDone } = this.kind;
    const log = this.logger.child({ run: run.id, ...named(run) });
    const alive = setInterval(() => {
      sql
        .keepAlive(this.pool, tables, this.runner, run.id) // what was given up stays silent, whatever is made now
        .catch((error: unknown) => log.warn({ err: error }, `signs of life of ${what} could not be written`));
    }, HEARTBEAT_MS).unref();
    try {
      const kept = await this.keep(run);
      const made = (await recordDone(run, kept, this.runner)) ?? kept;
      const keepMs = keepDays === undefined ? undefined : keepDays * DAY_MS;
      if (keepMs === undefined) await sql.dropPieces(this.pool, tables, run.id, this.runner);
      if (!(await sql.finishRun(this.pool, tables, run.id, this.runner, { ...made, keepMs }))) throw new RunLost();
      log.info({ rows: made.rows, bytes: made.bytes }, `${what} was made and kept`);
      return true;
    } catch (error) {
      return await this.giveUp(run, error, log);
    } finally {
      clearInterval(alive);
      await this.kind.over?.(run);
    }
  }

  private async giveUp(run: Run, error: unknown, log: Logger): Promise<boolean> {
    const { what, alarm, tables } = this.kind;
    if (error instanceof RunLost) {
      log.info(`${what} was cancelled, or taken up elsewhere`);
      return true;
    }
    if (error instanceof RunOutdated) {
      log.info(`${what} is made anew: ${error.message}`);
      await sql.requeueRun(this.pool, tables, run.id, this.runner, { isAttempt: false });
      return true;
    }
    if (error instanceof RunUnsettled) {
      log.warn({ err: error }, `${what} is begun again: ${error.message}`);
      await sql.requeueRun(this.pool, tables, run.id, this.runner, { isAttempt: true, why: error.message });
      return true; // which others do not wait for
    }
    const problem = toProblem(error);
    if (problem.slug === 'database-unavailable') {
      // It stays this replica's until it has been silent for long, and is then begun again here or elsewhere.
      log.warn({ err: error }, `the database went away while ${what} was made`);
      return false;
    }
    if (this.loop.signal.aborted || problem.slug === 'reads-overloaded') {
      // with a cause: the thread has ended, and nobody knows whose fault that was
      const isAttempt = !this.loop.signal.aborted && problem.cause !== undefined;
      await sql.requeueRun(this.pool, tables, run.id, this.runner, { isAttempt });
      return false;
    }
    const failure = `${problem.message}${await this.whatCounts(run.id)}`;
    log.error({ err: error, alarm }, `${what} failed`);
    await sql.endRun(this.pool, tables, run.id, this.runner, { status: 'failed', error: failure, bytes: 0 });
    return true;
  }

  private async endExhausted(): Promise<void> {
    const { what, alarm, tables } = this.kind;
    for (const id of await sql.listExhausted(this.pool, tables, MOST_ATTEMPTS, SILENT_MS)) {
      const run = { id, counts: await this.whatCounts(id) };
      if (!(await sql.endExhausted(this.pool, tables, run, MOST_ATTEMPTS, SILENT_MS))) continue;
      this.logger.error(
        { run: id, alarm },
        `${what} was begun ${MOST_ATTEMPTS} times and never came to an end: it failed`,
      );
    }
  }

  /** What a run that fails says besides. */
  private async whatCounts(id: string): Promise<string> {
    const counts = await this.kind.onRecord?.(id);
    return counts === undefined ? '' : `. ${counts}`;
  }

  /** Makes the answer and keeps it, piece by piece. */
  private async keep(run: Run): Promise<MadeAnswer> {
    const { tables, packLevel } = this.kind;
    const pieces = this.kind.pieces(run, this.loop.signal);
    const digest = createHash('sha256');
    let waiting: Uint8Array[] = [];
    let [bytes, waitingBytes, number] = [0, 0, 0];
    const keepWaiting = async (): Promise<void> => {
      await this.assertRoom();
      number += 1;
      const packed = await pack(Buffer.concat(waiting), { level: packLevel });
      if (!(await sql.keepPiece(this.pool, tables, run.id, this.runner, { number, packed, bytesSoFar: bytes }))) {
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
          const { value: totals } = next;
          return { rows: totals.rows ?? 0, bytes, sha256: digest.digest(), totals };
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

  /** Throws the problem of this kind for answers that take all the room they may. */
  private async assertRoom(): Promise<void> {
    const { tables, maxMb, full } = this.kind;
    if ((await sql.keptBytes(this.pool, tables)) < maxMb * MIB) return;
    throw new Problem(full.slug, `Kept answers take more than ${maxMb} MiB (${full.setting})`);
  }
}
