import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import { readDeletedSpans, spansWithin, type DeletedRange, type DeletedSpan } from '../archive/deleted-ranges.js';
import { sqlState } from '../database/sqlstate.js';
import { later, lesser } from '../events/sequences.js';
import {
  FindingList,
  inOrderOfSequence,
  MAX_LISTED_FINDINGS,
  missingFinding,
  type RecordedFinding,
} from './findings.js';
import { IndexComparison } from './index-comparison.js';
import * as sql from './trail.sql.js';
import type { EntriesOfTable, ResultOf, VerificationSubject, VerificationTask } from './verification-tasks.js';
import { TaskError } from './verification-threads.js';

/** A range of sequences, both ends included, that could not be read, and why. */
export interface Unread {
  from_sequence: string;
  to_sequence: string;
  reason: string;
}

/** How far a verification has come. All of it is about the sequences before `next`. */
export interface Progress {
  next: bigint;
  checked: bigint;
  findings: { readonly listed: readonly RecordedFinding[]; readonly total: number };
  unread: readonly Unread[];
}

export type Verdict = 'valid' | 'invalid' | 'undecided';

export interface Outcome extends Omit<Progress, 'next'> {
  verdict: Verdict;
  /** what was deleted at the end of its retention: it is not missing, and its chain ends are held against their neighbours */
  deleted: readonly DeletedRange[];
}

/** What is verified. Both ends included; `to` is `from - 1` for nothing at all. */
export interface VerifiedRange {
  ledger: string;
  from: bigint;
  to: bigint;
  /** it ends where the ledger ended when it was asked for: head and last event are compared, too */
  toHead: boolean;
}

export interface VerificationMeans {
  pool: pg.Pool;
  run<T extends VerificationTask>(subject: VerificationSubject, task: T): Promise<ResultOf<T>>;
  /** how many tasks there may be at once */
  parallel: number;
  signal: AbortSignal;
  /** of deletions of months those that are recorded; of a database that was just made of such records it is not asked */
  recordedDeletions?: (ids: readonly string[]) => Promise<ReadonlySet<string>>;
  /** Called as the part that is done grows; everything before it need not be done again. */
  onProgress(progress: Progress): void;
  /** Called before it rejects, with all that was found by then, also of what is compared beside the rows. */
  onFailed?: (findings: Progress['findings']) => void;
}

/** 0.1 to 0.2 s of one worker: long enough that a statement's own cost does not show, short enough for a snapshot. */
const ROWS_PER_TASK = 10_000n;
/** Of each of event_keys' partitions; about a million keys. */
const KEY_BLOCKS_PER_TASK = 1_024;
/**
 * Between attempts. A server that cannot be reached is waited for; one that ends the connection over a piece again and
 * again, or does not give a lock, is not: that piece counts as unread.
 */
const RETRY_PAUSES_MS = [200, 1_000, 3_000, 10_000];
/** Corruption is narrowed down to rows, as long as there is not too much of it. */
const MAX_UNREAD_RANGES = 100;
/** How many of the listed findings may be about head and keys, when those about rows alone would fill the list. */
const RESERVED_FINDINGS = 250;

/** The verification was asked to stop; what is done was reported. */
export class VerificationStopped extends Error {
  override name = 'VerificationStopped';
}

/**
 * Verifies a range of a ledger against itself: level 1 of DESIGN.md. Rows are read and checked in pieces, on as many
 * threads as there are, in no particular order; findings come out in the order of their sequences. Nothing is kept of a
 * piece but its findings, so memory does not depend on the range.
 *
 * Keys are compared by a sum over rows and one over keys, which do not depend on the order; only when these differ is
 * every key looked up. (A look-up for each event takes 2.8 µs of PostgreSQL's time, where
 * reading the event takes as much; the sums 0.4.)
 *
 * `resumed` is what an earlier attempt reported. Rejects with VerificationStopped once `signal` is aborted, or with the
 * database's error when not even the head can be read.
 */
export async function verifyRange(
  range: VerifiedRange,
  means: VerificationMeans,
  resumed?: Progress,
): Promise<Outcome> {
  const facts = await sql.readLedgerFacts(means.pool, range.ledger);
  if (facts === undefined) throw new Error(`there is no ledger ${range.ledger}`);
  const months = await sql.readMonthTables(means.pool);
  const spans = await readDeletedSpans(means.pool, range.ledger);
  const subject: VerificationSubject = {
    ledger: range.ledger,
    origin: facts.origin,
    usualOrigin: facts.usual_origin === facts.origin ? null : facts.usual_origin,
    months: new Map(months.map(({ oid, from, to }) => [oid, { from, to }])),
    headRecordedAt: facts.recorded_at === null ? null : Number(facts.recorded_at),
    deleted: spans.map(({ from, to, previousEventHash, lastEventHash }) => ({
      ...{ from, to, previousHash: previousEventHash?.toString('hex') ?? null },
      lastHash: lastEventHash.toString('hex'),
    })),
    keySeed: randomBytes(8).readBigInt64BE(),
  };
  const verification = new RangeVerification(range, subject, means, resumed);
  await verification.requireRecords(spans);
  const outcome = await verification.run();
  return { ...outcome, deleted: spansWithin(spans, range.from, range.to) };
}

interface Piece {
  done?: { checked: number; listed: readonly RecordedFinding[]; total: number; unread: readonly Unread[] };
  from: bigint;
  to: bigint;
}

class RangeVerification {
  private readonly findings: FindingList;
  /** about head and keys */
  private readonly others = new FindingList();
  private readonly unread: Unread[];
  private checked: bigint;
  /** the first sequence that no piece has */
  private cursor: bigint;
  private next: bigint;
  /** pieces that are being done, or wait for one before them */
  private pieces: Piece[] = [];
  private rowSum = 0n;
  /** what the indexes of each table should have of its rows, by object id */
  private readonly entries = new Map<number, EntriesOfTable>();

  constructor(
    private readonly range: VerifiedRange,
    private readonly subject: VerificationSubject,
    private readonly means: VerificationMeans,
    private readonly resumed: Progress | undefined,
  ) {
    this.findings = new FindingList(resumed?.findings.listed, resumed?.findings.total);
    this.unread = [...(resumed?.unread ?? [])];
    this.checked = resumed?.checked ?? 0n;
    this.cursor = this.next = resumed?.next ?? range.from;
  }

  /** What is said to be deleted must have been, by the records of the service's own ledgers: else it is missing. */
  async requireRecords(spans: readonly DeletedSpan[]): Promise<void> {
    const asked = spans.filter(({ from, to }) => from <= this.range.to && to >= this.range.from);
    if (asked.length === 0 || !this.means.recordedDeletions) return;
    const ids = [...new Set(asked.map(({ shown }) => shown.deletion))];
    let recorded: ReadonlySet<string>;
    try {
      recorded = await this.means.recordedDeletions(ids);
    } catch (error) {
      const reason = `whether it was deleted is not known: ${(error as Error).message}`;
      for (const { from, to } of asked) {
        const range = { from_sequence: String(from), to_sequence: String(to) };
        // an attempt before this one may have met the same
        if (!this.unread.some((each) => each.from_sequence === range.from_sequence && each.reason === reason))
          this.unread.push({ ...range, reason });
      }
      return;
    }
    for (const { from, to, shown } of asked.filter((span) => !recorded.has(span.shown.deletion))) {
      const detail = `the database says that the events ${from} to ${to} were deleted with the month ${shown.month.slice(0, 7)} (deletion ${shown.deletion}), and the service's own ledger has no record of that`;
      this.others.add({ kind: 'missing', sequence: String(from), event_id: null, detail });
    }
  }

  async run(): Promise<Omit<Outcome, 'deleted'>> {
    try {
      return await this.verify();
    } catch (error) {
      this.means.onFailed?.(this.allFindings());
      throw error;
    }
  }

  private async verify(): Promise<Omit<Outcome, 'deleted'>> {
    const isSomething = this.range.from <= this.range.to || this.range.toHead;
    // one task of one thread, and a long one: beside the rows, so that the other threads do not wait for it at the end
    const comparison = isSomething ? this.compareCheckpoints() : undefined;
    comparison?.catch(() => undefined); // it is awaited below, unless the rows could not be verified
    await this.inParallel(
      () => this.takePiece(),
      (piece) => this.verifyPiece(piece),
    );
    this.verifyDeleted();
    if (this.range.toHead) await this.verifyEnds();
    if (isSomething) await this.verifyKeysAndIndexes();
    await comparison?.then((reason) => reason === undefined || this.couldNotRead(reason));
    return {
      verdict: this.verdict(),
      checked: this.checked,
      findings: this.allFindings(),
      unread: this.unread,
    };
  }

  private verdict(): Verdict {
    if (this.findings.total + this.others.total > 0) return 'invalid';
    return this.unread.length > 0 ? 'undecided' : 'valid';
  }

  private allFindings(): { listed: RecordedFinding[]; total: number } {
    const others = this.others.listed;
    const room = MAX_LISTED_FINDINGS - Math.min(others.length, RESERVED_FINDINGS);
    const own = this.findings.listed.slice(0, room);
    return {
      listed: inOrderOfSequence([...own, ...others.slice(0, MAX_LISTED_FINDINGS - own.length)]),
      total: this.findings.total + this.others.total,
    };
  }

  /** Does pieces on all threads until `take` has no more. */
  private async inParallel<P>(take: () => P | undefined, work: (piece: P) => Promise<void>): Promise<void> {
    const lane = async (): Promise<void> => {
      for (let piece = take(); piece !== undefined; piece = take()) await work(piece);
    };
    const lanes = await Promise.allSettled(Array.from({ length: this.means.parallel }, lane));
    for (const result of lanes) if (result.status === 'rejected') throw result.reason;
    if (this.means.signal.aborted) throw new VerificationStopped('the verification was stopped');
  }

  private takePiece(): Piece | undefined {
    this.passDeleted();
    if (this.means.signal.aborted || this.cursor > this.range.to) return undefined;
    const end = this.cursor + ROWS_PER_TASK - 1n;
    const piece: Piece = { from: this.cursor, to: lesser(end, this.endBeforeDeleted()) };
    this.cursor = piece.to + 1n;
    this.pieces.push(piece);
    return piece;
  }

  /** Past what was deleted: a piece in which nothing is to be done. */
  private passDeleted(): void {
    for (const { from, to } of this.subject.deleted) {
      if (this.cursor < from || this.cursor > to || this.cursor > this.range.to) continue;
      const end = lesser(to, this.range.to);
      this.pieces.push({ from: this.cursor, to: end, done: { checked: 0, listed: [], total: 0, unread: [] } });
      this.cursor = end + 1n;
    }
  }

  /** The last sequence of the range before the next one that was deleted. */
  private endBeforeDeleted(): bigint {
    const next = this.subject.deleted.find(({ from }) => from > this.cursor);
    return next ? lesser(this.range.to, next.from - 1n) : this.range.to;
  }

  /** Months that were deleted next to each other; those that are there look at their own neighbours. */
  private verifyDeleted(): void {
    this.subject.deleted.forEach((deleted, i) => {
      const before = this.subject.deleted[i - 1];
      if (before?.to !== deleted.from - 1n || deleted.from <= this.range.from || deleted.from > this.range.to) return;
      if (before.lastHash === deleted.previousHash) return;
      const detail = 'the first event of a deleted month did not follow the last one of the deleted month before';
      this.others.add({ kind: 'link', sequence: String(deleted.from), event_id: null, detail });
    });
  }

  private async verifyPiece(piece: Piece): Promise<void> {
    const findings = new FindingList();
    const unread: Unread[] = [];
    let checked = 0;
    await this.readThrough(piece.from, piece.to, unread, async (from, to) => {
      const isFirst = from === this.range.from;
      const result = await this.means.run(this.subject, { kind: 'rows', from, to, isFirst });
      findings.append(result);
      checked += result.checked;
      this.rowSum += result.keySum;
      for (const [oid, part] of result.entries) this.addEntries(oid, part);
    });
    piece.done = { checked, listed: findings.listed, total: findings.total, unread };
    if (checked === 0 && unread.length === 0) await this.leap();
    this.settle();
  }

  private addEntries(oid: number, part: EntriesOfTable): void {
    const before = this.entries.get(oid) ?? { ...part, sum: 0n };
    this.entries.set(oid, {
      sum: BigInt.asUintN(64, before.sum + part.sum),
      least: lesser(before.least, part.least),
      greatest: later(before.greatest, part.greatest),
    });
  }

  /** Past a piece without a single event there may be billions of such: a number is soon changed. */
  private async leap(): Promise<void> {
    this.passDeleted();
    const from = this.cursor;
    if (from > this.range.to) return;
    const there = await sql.findNextSequence(this.means.pool, this.range.ledger, from, this.range.to);
    const end = lesser(there === undefined ? this.range.to : there - 1n, this.endBeforeDeleted());
    if (this.cursor !== from || end < from) return; // somebody else has gone on meanwhile
    this.cursor = end + 1n;
    this.pieces.push({ from, to: end, done: { checked: 0, ...gap(from, end), unread: [] } });
  }

  /** Reports the pieces that are done and have none before them that is not. */
  private settle(): void {
    while (this.pieces[0]?.done !== undefined) {
      const { done, to } = this.pieces.shift()!;
      this.checked += BigInt(done!.checked);
      this.findings.append(done!);
      this.unread.push(...done!.unread);
      this.next = to + 1n;
    }
    const { next, checked, findings, unread } = this;
    this.means.onProgress({ next, checked, findings, unread });
  }

  /**
   * Reads a range, and after an error that lies in the data its halves, down to the sequences that cannot be read. What
   * is left unread is put down with the reason.
   */
  private async readThrough(
    from: bigint,
    to: bigint,
    unread: Unread[],
    read: (from: bigint, to: bigint) => Promise<void>,
  ): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        await read(from, to);
        return;
      } catch (error) {
        if (!(error instanceof TaskError)) throw error;
        const { signal } = this.means;
        if (signal.aborted) throw new VerificationStopped('the verification was stopped', { cause: error });
        if (error.reach === 'not-connected' || (mayPass(error) && attempt < RETRY_PAUSES_MS.length)) {
          const ms = RETRY_PAUSES_MS[Math.min(attempt, RETRY_PAUSES_MS.length - 1)];
          await pause(ms, undefined, { signal }).catch(() => undefined);
          continue;
        }
        if (from < to && liesInData(error) && this.unread.length + unread.length < MAX_UNREAD_RANGES) {
          const middle = (from + to) / 2n;
          await this.readThrough(from, middle, unread, read);
          await this.readThrough(middle + 1n, to, unread, read);
        } else {
          unread.push({ from_sequence: String(from), to_sequence: String(to), reason: error.message });
        }
        return;
      }
    }
  }

  /** The head against the last event, and events where the ledger has no place. */
  private async verifyEnds(): Promise<void> {
    let ends: Awaited<ReturnType<typeof sql.readLedgerEnds>>;
    try {
      ends = await sql.readLedgerEnds(this.means.pool, this.range.ledger);
    } catch (error) {
      if (sqlState(error) === undefined) throw error;
      this.couldNotRead(`the head could not be compared: ${(error as Error).message}`);
      return;
    }
    for (const { sequence, event_id } of ends.misplaced) {
      const detail =
        ends.size === null ? 'the ledger has no such place' : `the ledger's head says that it has ${ends.size} events`;
      this.others.add({ kind: 'sequence', sequence, event_id, detail });
    }
    if (ends.size === null) {
      const detail = 'the ledger has no head';
      this.others.add({ kind: 'sequence', sequence: null, event_id: null, detail });
      return;
    }
    const last = { sequence: ends.last_sequence, event_id: ends.last_event_id };
    if (ends.last_sequence !== ends.size) return; // events are missing, or the head is empty: told already
    if (!(ends.head_hash && ends.last_hash?.equals(ends.head_hash))) {
      this.others.add({ kind: 'link', ...last, detail: "the head's event_hash is not that of the last event" });
    }
    const floor = ends.head_recorded_at === null ? -Infinity : Number(ends.head_recorded_at);
    if (!(ends.last_recorded_at !== null && Number(ends.last_recorded_at) <= floor)) {
      this.others.add({
        kind: 'recorded_time',
        ...last,
        detail: "the head's recorded_at lies before the last event's",
      });
    }
  }

  /** Level 2: the events of the range against what was signed of them. Why that could not be read, if so. */
  private async compareCheckpoints(): Promise<string | undefined> {
    const { from, to, toHead } = this.range;
    const unread: Unread[] = [];
    await this.readThrough(from, from, unread, async () => {
      this.others.append(await this.means.run(this.subject, { kind: 'checkpoints', from, to, toHead }));
    });
    return unread[0] && `checkpoints: ${unread[0].reason}`;
  }

  private async verifyKeysAndIndexes(): Promise<void> {
    const blocks = await sql.countKeyBlocks(this.means.pool);
    // The sums over rows are whole only when all of them were read, and by this attempt.
    const isWhole = this.resumed === undefined && this.unread.length === 0;
    const isShort =
      this.findings.total > this.findings.listed.length || this.findings.countByKind().missing !== undefined;
    const keys = isWhole ? await this.sumKeys(blocks) : null;
    if (!keys?.agree) await this.compareEachKey(blocks);
    const indexes = new IndexComparison({
      pool: this.means.pool,
      subject: this.subject,
      range: this.range,
      run: (task) => this.means.run(this.subject, task),
      inParallel: (take, work) => this.inParallel(() => (this.means.signal.aborted ? undefined : take()), work),
      orUnread: (what, from, to, work) => this.orUnread(what, from, to, work),
      countUnread: () => this.unread.length,
      signal: this.means.signal,
      found: this.others,
    });
    const isAll = this.range.from === 1n && this.range.toHead && this.unread.length === 0;
    if (isAll && this.resumed) await this.sumRowsBefore(this.resumed.next);
    await indexes.compareMonths(isAll && this.unread.length === 0 ? this.entries : null, isShort);
    await indexes.compareKeys(keys?.sum ?? null, blocks, KEY_BLOCKS_PER_TASK);
  }

  /** What an earlier attempt has read, for what its rows say of the indexes: that has gone with it. */
  private async sumRowsBefore(end: bigint): Promise<void> {
    let next = this.range.from;
    await this.inParallel(
      () => {
        if (this.means.signal.aborted || next >= end) return undefined;
        const from = next;
        next = lesser(from + ROWS_PER_TASK, end);
        return { kind: 'row-entries' as const, from, to: next - 1n };
      },
      (task) =>
        this.orUnread('rows', task.from, task.to, async () => {
          for (const [oid, part] of await this.means.run(this.subject, task)) this.addEntries(oid, part);
        }),
    );
  }

  /** Whether the sums over rows and keys agree, and that over keys; null when not all keys could be read. */
  private async sumKeys(blocks: number): Promise<{ agree: boolean; sum: bigint } | null> {
    let sum = 0n;
    let least: bigint | null = null;
    let greatest: bigint | null = null;
    await this.overKeyBlocks(blocks, async (part) => {
      const keys = await this.means.run(this.subject, { kind: 'keys', ...part });
      sum += keys.sum;
      if (keys.least !== null && (least === null || keys.least < least)) least = keys.least;
      if (keys.greatest !== null && (greatest === null || keys.greatest > greatest)) greatest = keys.greatest;
    });
    if (this.unread.length > 0) return null;
    const size = await this.sizeNow();
    const areAllPlaced = size === null || ((least ?? 1n) >= 1n && (greatest ?? 0n) <= size);
    return { agree: areAllPlaced && BigInt.asUintN(64, sum) === BigInt.asUintN(64, this.rowSum), sum };
  }

  /** Of the ledger, when the range reaches its head: keys beyond are then nobody's. Later than what was seen of keys. */
  private async sizeNow(): Promise<bigint | null> {
    if (!this.range.toHead) return null;
    const facts = await sql.readLedgerFacts(this.means.pool, this.range.ledger);
    return facts?.size === undefined || facts.size === null ? null : BigInt(facts.size);
  }

  private async compareEachKey(blocks: number): Promise<void> {
    const size = await this.sizeNow();
    const found = new FindingList();
    let from = this.range.from;
    await this.inParallel(
      () => {
        if (this.means.signal.aborted || from > this.range.to) return undefined;
        const end = from + ROWS_PER_TASK - 1n;
        const part = { from, to: end < this.range.to ? end : this.range.to };
        from = part.to + 1n;
        return part;
      },
      async (part) => {
        await this.orUnread('keys of events', part.from, part.to, async () => {
          found.append(await this.means.run(this.subject, { kind: 'keyless-events', ...part }));
        });
      },
    );
    await this.overKeyBlocks(blocks, async (part) => {
      found.append(await this.means.run(this.subject, { kind: 'orphan-keys', size, ...part }));
    });
    this.others.append({ listed: inOrderOfSequence(found.listed), total: found.total });
  }

  private async overKeyBlocks(
    blocks: number,
    work: (part: { from: bigint; to: bigint; firstBlock: number; endBlock: number }) => Promise<void>,
  ): Promise<void> {
    const { from, to } = this.range;
    let block = 0;
    await this.inParallel(
      () => {
        if (this.means.signal.aborted || block >= blocks) return undefined;
        const firstBlock = block;
        block += KEY_BLOCKS_PER_TASK;
        return { from, to, firstBlock, endBlock: block };
      },
      (part) => this.orUnread('keys', from, to, () => work(part)),
    );
  }

  private async orUnread(what: string, from: bigint, to: bigint, work: () => Promise<void>): Promise<void> {
    const unread: Unread[] = [];
    await this.readThrough(from, from, unread, work);
    if (unread.length > 0) this.couldNotRead(`${what}: ${unread[0]!.reason}`, from, to);
  }

  private couldNotRead(reason: string, from = this.range.from, to = this.range.to): void {
    if (this.unread.length >= 2 * MAX_UNREAD_RANGES) return; // undecided it is
    this.unread.push({ from_sequence: String(from), to_sequence: String(to), reason });
  }
}

/** A lost connection, a server that is busy, going down or starting, a lock or a conflict. */
function mayPass(error: TaskError): boolean {
  return error.reach === 'connection-lost' || /^(08|40|53|55|57)/.test(error.code ?? '');
}

/** Corruption, files that cannot be read, and values that a function chokes on. */
function liesInData(error: TaskError): boolean {
  return /^(22|58|XX)/.test(error.code ?? '');
}

function gap(from: bigint, through: bigint): { listed: RecordedFinding[]; total: number } {
  return { listed: [missingFinding(from, through)], total: 1 };
}
