import type pg from 'pg';
import type { ArchiveReader } from '../archive/archive-reader.js';
import { readDeletedSpans } from '../archive/deleted-ranges.js';
import { compareWithCheckpoints } from '../checkpoints/checkpoint-comparison.js';
import { later, lesser } from '../events/sequences.js';
import { sqlState, SqlState } from '../database/sqlstate.js';
import { copyStoredRows, type CopiedRow } from '../events/stored-events.js';
import { TRAIL_INDEXES } from '../events/trail-indexes.js';
import { canonicalContent, contentHash, eventHash } from '../integrity/event.js';
import { contentOf, DamagedRowError, envelopeOf, type StoredRow } from '../integrity/stored-event.js';
import { hashesOf } from '../integrity/tiles.js';
import { FindingList, type RecordedFinding } from './findings.js';
import * as indexes from './index-comparison.sql.js';
import * as sql from './trail.sql.js';
import { IN_ARCHIVE, RangeVerifier, type MonthBounds } from './verifier.js';

/** What every task of one verification is about. Plain data: it crosses threads. */
export interface VerificationSubject {
  ledger: string;
  origin: string;
  usualOrigin: string | null;
  /** by object id */
  months: ReadonlyMap<number, MonthBounds>;
  headRecordedAt: number | null;
  /** in order */
  deleted: readonly DeletedSequences[];
  /** random, made for the run: of the sums by which rows and keys are compared */
  keySeed: bigint;
}

/** Events that were deleted at the end of their retention. */
export interface DeletedSequences extends SequenceRange {
  /** event_hash of the event before the first, in hex; null at 1 */
  previousHash: string | null;
  /** of the last event, in hex */
  lastHash: string;
}

interface SequenceRange {
  /** both included */
  from: bigint;
  to: bigint;
}

/** Some keys of a range: those in blocks `firstBlock` up to and without `endBlock` of every table of keys. */
interface KeyBlocks extends SequenceRange {
  firstBlock: number;
  endBlock: number;
}

/** A page of an index of a month's table; which, by its place in TRAIL_INDEXES. */
interface IndexPage extends SequenceRange {
  table: string;
  index: number;
  after: indexes.EntryKey;
}

/** A piece of a verification, small enough to be done in a short transaction and thrown away when it fails. */
export type VerificationTask =
  | ({
      kind: 'rows';
      /** nothing before it is verified, so a missing predecessor is told here */ isFirst: boolean;
    } & SequenceRange)
  | ({ kind: 'keys' } & KeyBlocks)
  | ({ kind: 'keyless-events' } & SequenceRange)
  | ({ kind: 'checkpoints'; /** `to` is the last event of the ledger */ toHead: boolean } & SequenceRange)
  | ({ kind: 'row-entries' } & SequenceRange)
  | ({ kind: 'index-entries' } & IndexPage)
  | ({ kind: 'stray-entries' } & IndexPage)
  | ({
      kind: 'unindexed-events';
      /** months' tables; null: those that have events of the range */ tables: string[] | null;
    } & SequenceRange)
  | ({ kind: 'key-entries'; table: string; after: indexes.EntryKey } & SequenceRange)
  | ({ kind: 'unindexed-keys'; tables: string[] } & KeyBlocks)
  | ({ kind: 'orphan-keys'; /** of the ledger, when the range reaches its head */ size: bigint | null } & KeyBlocks);

/** Findings as data. */
export interface TaskFindings {
  listed: RecordedFinding[];
  total: number;
}

export interface TaskResults {
  rows: TaskFindings & { checked: number; keySum: bigint; entries: ReadonlyMap<number, EntriesOfTable> };
  keys: { sum: bigint; least: bigint | null; greatest: bigint | null };
  'keyless-events': TaskFindings;
  checkpoints: TaskFindings;
  'row-entries': ReadonlyMap<number, EntriesOfTable>;
  'index-entries': { sum: bigint; last: indexes.EntryKey };
  'stray-entries': { strays: indexes.StrayEntry[]; last: indexes.EntryKey };
  'unindexed-events': TaskFindings;
  'key-entries': { agree: boolean; sum: bigint; last: indexes.EntryKey };
  'unindexed-keys': TaskFindings;
  'orphan-keys': TaskFindings;
}

/** What the rows of a range say that the indexes of a month's table should have. */
export interface EntriesOfTable {
  /** of the hashes of all their entries, modulo 2^64 */
  sum: bigint;
  least: bigint;
  greatest: bigint;
}

export type ResultOf<T extends VerificationTask> = TaskResults[T['kind']];

/** Does a task on a connection. Rejects with the database's error. */
export async function runTask<T extends VerificationTask>(
  client: pg.ClientBase,
  archive: ArchiveReader | undefined,
  subject: VerificationSubject,
  task: T,
): Promise<ResultOf<T>> {
  const trail = { client, archive, subject };
  const run = async (): Promise<TaskResults[VerificationTask['kind']]> => {
    switch (task.kind) {
      case 'rows':
        return verifyRows(trail, task, task.isFirst);
      case 'keys':
        return sql.sumKeys(client, { ledger: subject.ledger, ...task }, subject.keySeed, subject.deleted);
      case 'keyless-events':
        return findKeylessEvents(trail, task);
      case 'checkpoints':
        return compareCheckpoints(trail, task);
      case 'row-entries':
        return indexes.sumRows(client, { ledger: subject.ledger, ...task }, subject.keySeed);
      case 'index-entries':
        return orGone(trail, task.table, { sum: 0n, last: null }, () =>
          indexes.sumEntries(client, { ledger: subject.ledger, ...task }, TRAIL_INDEXES[task.index]!, {
            ...{ after: task.after, limit: ENTRIES_PER_PAGE, seed: subject.keySeed },
          }),
        );
      case 'stray-entries':
        return orGone(trail, task.table, { strays: [], last: null }, () => findStrayEntries(trail, task));
      case 'unindexed-events':
        return findUnindexedEvents(trail, task, task.tables);
      case 'key-entries':
        return indexes.sumKeyEntries(
          client,
          { ledger: subject.ledger, gaps: subject.deleted, ...task },
          { after: task.after, limit: ENTRIES_PER_PAGE, seed: subject.keySeed },
        );
      case 'unindexed-keys':
        return findUnindexedKeys(trail, task, task.tables);
      case 'orphan-keys':
        return findOrphanKeys(trail, task, task.size);
    }
  };
  const result = await run();
  if ('total' in result && result.total > 0) await assertNothingDeleted(trail, undefined);
  return result as ResultOf<T>;
}

/** What a task reads: the database, and the archive for what has left it. */
interface Trail {
  client: pg.ClientBase;
  archive: ArchiveReader | undefined;
  subject: VerificationSubject;
}

/** The rows of a range, each by itself and against its neighbours. */
async function verifyRows(trail: Trail, { from, to }: SequenceRange, isFirst: boolean): Promise<TaskResults['rows']> {
  const { client, subject } = trail;
  const { ledger, keySeed } = subject;
  const before = subject.deleted.find((deleted) => deleted.to === from - 1n);
  const after = subject.deleted.find((deleted) => deleted.from === to + 1n);
  return onBothSides(trail, async (archivedTo) => {
    const verifier = new RangeVerifier({
      from: Number(from),
      to: Number(to),
      origin: subject.origin,
      usualOrigin: subject.usualOrigin,
      months: subject.months,
      headRecordedAt: subject.headRecordedAt,
      needsPredecessor: isFirst,
      predecessorHash: before && Buffer.from(before.lastHash, 'hex'),
    });
    let sum = 0n;
    const begin = from > 1n && !before ? from - 1n : from;
    const end = lesser(after ? to : to + 1n, archivedTo);
    let lastHash: Buffer | undefined;
    const noteLast = ({ sequence, event_hash }: StoredRow<number>): void => {
      if (sequence === String(to)) lastHash = event_hash;
    };
    try {
      for await (const rows of archivedRows(trail, begin, end)) {
        for (const row of rows) {
          verifier.take({ ...row, tableOid: IN_ARCHIVE });
          noteLast(row);
        }
        const own = rows.filter(({ sequence }) => BigInt(sequence) >= from && BigInt(sequence) <= to);
        sum += await sql.sumKeysOfEvents(client, own, keySeed);
      }
    } catch (error) {
      if (!isArchiveDamage(error)) throw error;
      const detail = `events ${begin} to ${end} have left the database, and not all are in the archive: ${(error as Error).message}`;
      const finding = { kind: 'missing' as const, sequence: String(begin), event_id: null, detail };
      return { checked: 0, listed: [finding], total: 1, keySum: 0n, entries: new Map() };
    }
    let high = 0;
    let low = 0;
    const tables = new Map<number, TableSums>();
    const first = Number(from);
    const last = Number(to);
    const online = { ledger, from: later(from - 1n, archivedTo + 1n), to: to + 1n, keySeed, hashesEntries: true };
    if (online.from <= online.to) {
      await copyStoredRows(client, online, (row) => {
        verifier.take(row);
        noteLast(row);
        const sequence = Number(row.sequence);
        if (sequence < first || sequence > last) return;
        high += row.keyHashHigh;
        low += row.keyHashLow;
        let table = tables.get(row.tableOid);
        if (table === undefined)
          tables.set(row.tableOid, (table = { high: 0, low: 0, least: sequence, greatest: sequence }));
        table.high += row.entriesHashHigh;
        table.low += row.entriesHashLow;
        table.greatest = sequence;
      });
    }
    const { checked, findings } = verifier.finish();
    if (after && lastHash && lastHash.toString('hex') !== after.previousHash) {
      const detail = `the events from ${after.from} on, which are deleted, did not follow this one`;
      findings.add({ kind: 'link', sequence: String(to), event_id: null, detail });
    }
    sum += sumOfHalves(high, low);
    const entries = new Map(
      [...tables].map(([oid, { high, low, least, greatest }]) => [
        oid,
        { sum: BigInt.asUintN(64, sumOfHalves(high, low)), least: BigInt(least), greatest: BigInt(greatest) },
      ]),
    );
    return { checked, listed: findings.listed, total: findings.total, keySum: BigInt.asUintN(64, sum), entries };
  });
}

/** As numbers, which are exact for as many rows as a piece has: sums of halves of 32 bits. */
interface TableSums {
  high: number;
  low: number;
  least: number;
  greatest: number;
}

function sumOfHalves(high: number, low: number): bigint {
  return (BigInt(high) << 32n) + BigInt(low);
}

/** Whether the events are those that were signed; of what was deleted, whether its digests are. */
async function compareCheckpoints(trail: Trail, range: SequenceRange & { toHead: boolean }): Promise<TaskFindings> {
  const { client, subject } = trail;
  const { ledger, origin } = subject;
  const archived = (_: string, from: bigint, to: bigint): Promise<Buffer[]> => archivedHashes(trail, from, to);
  try {
    const found = await compareWithCheckpoints(client, archived, { ledger, origin, ...range });
    const listed = found.map(({ kind, sequence, detail }) => ({
      kind,
      sequence: String(sequence),
      event_id: null,
      detail,
    }));
    return { listed, total: listed.length };
  } catch (error) {
    if (error instanceof DigestsLost) {
      const finding = {
        kind: 'checkpoint' as const,
        sequence: String(error.sequence),
        event_id: null,
        detail: error.message,
      };
      return { listed: [finding], total: 1 };
    }
    if (!isArchiveDamage(error)) throw error;
    await assertNothingDeleted(trail, error);
    return { listed: [], total: 0 }; // what is not there was told of with its rows
  }
}

/** The digests of deleted events are not to be had: nothing says any more what they were. */
class DigestsLost extends Error {
  override name = 'DigestsLost';
  constructor(
    readonly sequence: bigint,
    message: string,
    options: ErrorOptions,
  ) {
    super(message, options);
  }
}

/**
 * The hashes of archived events, both ends included: of the events themselves as long as they are there, so that these
 * are what is held against the checkpoints, and from their digests once they were deleted.
 */
async function archivedHashes(trail: Trail, from: bigint, to: bigint): Promise<Buffer[]> {
  const { archive, subject } = trail;
  const hashes: Buffer[] = [];
  for (let next = from; next <= to;) {
    const gap = subject.deleted.find((each) => each.to >= next);
    const isDeleted = gap !== undefined && gap.from <= next;
    const last = lesser(to, isDeleted ? gap.to : gap ? gap.from - 1n : to);
    if (isDeleted && archive) hashes.push(...(await digestsOf(archive, subject.ledger, next, last)));
    else {
      for await (const rows of archivedRows(trail, next, last)) {
        for (const row of rows) hashes.push(Buffer.from(row.event_hash));
      }
    }
    next = last + 1n;
    if (BigInt(hashes.length) === next - from) continue;
    await assertNothingDeleted(trail, undefined);
    return []; // not whole, as was told with the rows
  }
  return hashes;
}

async function digestsOf(archive: ArchiveReader, ledger: string, from: bigint, to: bigint): Promise<Buffer[]> {
  try {
    return hashesOf(await archive.readHashes(ledger, from, to));
  } catch (cause) {
    if (!isArchiveDamage(cause)) throw cause;
    const detail = `the events ${from} to ${to} were deleted, and their digests cannot be read: ${(cause as Error).message}`;
    throw new DigestsLost(from, detail, { cause });
  }
}

/** Throws when a month was deleted since the verification began: what it meets is then no damage. */
async function assertNothingDeleted({ client, subject }: Trail, cause: unknown): Promise<void> {
  const deletedNow = await readDeletedSpans(client, subject.ledger);
  if (deletedNow.length === subject.deleted.length) return;
  throw new Error('events were deleted while they were verified: verify again', { cause });
}

/** Whether an error says that archived events are lost or changed, and not that they could not be had. */
function isArchiveDamage(error: unknown): boolean {
  const { name } = error as Error; // not of one class where tests run sources beside a build
  return name === 'ArchiveObjectError' || name === 'ObjectMissing' || name === 'DamagedRowError';
}

/** Does something that reads both sides of the border again for as long as that has moved meanwhile. */
async function onBothSides<T>(trail: Trail, work: (archivedTo: bigint) => Promise<T>): Promise<T> {
  for (;;) {
    const archivedTo = await sql.readArchivedTo(trail.client, trail.subject.ledger);
    const result = await work(archivedTo);
    if ((await sql.readArchivedTo(trail.client, trail.subject.ledger)) === archivedTo) return result;
  }
}

/** Archived rows of a range, which may be empty, in order. */
function archivedRows({ archive, subject }: Trail, from: bigint, to: bigint): AsyncGenerator<StoredRow<number>[]> {
  if (from <= to && !archive) throw new Error(`events up to ${to} have left the database, and ARCHIVE_URL is off`);
  return archive && from <= to ? archive.range(subject.ledger, from, to) : nothing();
}

/** An empty iteration. */
async function* nothing(): AsyncGenerator<never> {}

const LISTED_BY_TASK = 1_000;
/** Rows that are read once more to say what was changed. */
const EXPLAINED_BY_TASK = 50;

async function findKeylessEvents(trail: Trail, range: SequenceRange): Promise<TaskFindings> {
  const { client, subject } = trail;
  const { ledger } = subject;
  const { archived, found } = await onBothSides(trail, async (archivedTo) => {
    const left: sql.KeylessEvent[] = [];
    for await (const rows of archivedRows(trail, range.from, lesser(range.to, archivedTo))) {
      left.push(...(await sql.findKeylessAmong(client, ledger, rows)));
    }
    const online = { ledger, ...range, from: later(range.from, archivedTo + 1n) };
    return { archived: left, found: await sql.findKeylessEvents(client, online, LISTED_BY_TASK) };
  });
  const events = [...archived, ...found].slice(0, LISTED_BY_TASK);
  const total = archived.length + Number(found[0]?.total ?? 0);
  const findings = new FindingList();
  for (const [i, event] of events.entries()) {
    const other = event.key_sequence;
    let detail = 'the event has no key';
    if (other !== null) {
      detail = `the key of the event names sequence ${other}`;
      if (
        i < EXPLAINED_BY_TASK &&
        (await wasAtSequence(client, subject, BigInt(event.sequence), event.event_id, other))
      )
        detail += ', and so does its event_hash: its sequence was changed';
    }
    findings.add({ kind: 'key', sequence: event.sequence, event_id: event.event_id, detail });
  }
  return { listed: findings.listed, total };
}

async function findOrphanKeys(trail: Trail, blocks: KeyBlocks, size: bigint | null): Promise<TaskFindings> {
  const { client, subject } = trail;
  const page = { ledger: subject.ledger, ...blocks };
  const { archived, found } = await onBothSides(trail, async (archivedTo) => ({
    archived: await findArchivedOrphans(trail, page, archivedTo),
    found: await sql.findOrphanKeys(client, page, archivedTo, LISTED_BY_TASK, size),
  }));
  const keys = [...archived, ...found].slice(0, LISTED_BY_TASK);
  const total = archived.length + Number(found[0]?.total ?? 0);
  const findings = new FindingList();
  for (const [i, key] of keys.entries()) {
    let detail = 'there is a key, but no event';
    if (key.stored_id !== null) {
      detail = `there is a key for a sequence that is event ${key.stored_id}'s`;
      if (i < EXPLAINED_BY_TASK && (await hadEventId(client, subject, BigInt(key.sequence), key.event_id)))
        detail += ', whose hashes are right with the id of the key: its event_id was changed';
    }
    findings.add({ kind: 'key', sequence: key.sequence, event_id: key.event_id, detail });
  }
  return { listed: findings.listed, total };
}

/** Keys whose event has left the database and is another one in the archive. */
async function findArchivedOrphans(trail: Trail, page: sql.KeyPage, archivedTo: bigint): Promise<sql.OrphanKey[]> {
  const all = await sql.listKeys(trail.client, { ...page, to: lesser(page.to, archivedTo) });
  const { deleted } = trail.subject;
  const isKept = ({ sequence }: sql.Misplaced): boolean =>
    !deleted.some(({ from, to }) => from <= BigInt(sequence) && BigInt(sequence) <= to);
  const keys = all.filter(isKept);
  const [first, last] = [keys[0], keys.at(-1)];
  if (!first || !last) return [];
  const found: sql.OrphanKey[] = [];
  let at = 0;
  for await (const rows of archivedRows(trail, BigInt(first.sequence), BigInt(last.sequence))) {
    for (const { sequence, event_id } of rows) {
      for (; keys[at]?.sequence === sequence; at++) {
        const key = keys[at]!;
        if (key.event_id !== event_id) found.push({ ...key, stored_id: event_id, total: '0' });
      }
    }
  }
  return found;
}

/**
 * Of an index at a time: 10 to 50 ms, and up to 0.3 s where its rows were not vacuumed yet and are looked at one by one; a
 * snapshot as short as that of a piece of rows.
 */
const ENTRIES_PER_PAGE = 50_000;

/** What a month's table has nothing of any more once it was dropped: no error then, but `nothing`. */
async function orGone<T>({ client }: Trail, table: string, nothing: T, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (sqlState(error) !== SqlState.undefinedTable) throw error;
    const attached = await indexes.listPartitions(client, 'audit_events');
    if (attached.some(({ name }) => name === table)) throw error;
    return nothing;
  }
}

async function findStrayEntries(trail: Trail, page: IndexPage): Promise<TaskResults['stray-entries']> {
  const { client, subject } = trail;
  const index = TRAIL_INDEXES[page.index]!;
  const events = { ledger: subject.ledger, ...page };
  const part = { after: page.after, limit: ENTRIES_PER_PAGE };
  const { last } = await indexes.sumEntries(client, events, index, { ...part, seed: subject.keySeed });
  return { strays: await indexes.findEntriesWithoutEvent(client, events, index, part, LISTED_BY_TASK), last };
}

async function findUnindexedEvents(trail: Trail, range: SequenceRange, of: string[] | null): Promise<TaskFindings> {
  const { client, subject } = trail;
  const { ledger } = subject;
  return onBothSides(trail, async (archivedTo) => {
    const findings = new FindingList();
    const online = { ledger, from: later(range.from, archivedTo + 1n), to: range.to };
    if (online.from > online.to) return findings;
    for (const table of of ?? (await indexes.listTablesOf(client, online))) {
      // by the first one the rows themselves are read
      for (const index of TRAIL_INDEXES.slice(1)) {
        const found = await orGone(trail, table, [], () =>
          indexes.findEventsWithoutEntry(client, { ...online, table }, index, LISTED_BY_TASK),
        );
        for (const { sequence, event_id } of found) {
          const detail = `${table}_${index.suffix} does not have the event: reads by this index leave it out`;
          findings.add({ kind: 'index', sequence, event_id, detail });
        }
        findings.total += Number(found[0]?.total ?? 0) - found.length;
      }
    }
    return findings;
  });
}

async function findUnindexedKeys(
  { client, subject }: Trail,
  range: KeyBlocks,
  tables: string[],
): Promise<TaskFindings> {
  const blocks = { first: range.firstBlock, end: range.endBlock };
  const findings = new FindingList();
  for (const table of tables) {
    const keys = { ledger: subject.ledger, gaps: subject.deleted, from: range.from, to: range.to, table };
    const found = await indexes.findKeysWithoutEntry(client, keys, blocks, LISTED_BY_TASK);
    for (const { sequence, event_id } of found) {
      const detail = `${table}_pkey does not have the key of the event: it is not found by its id, and could be recorded twice`;
      findings.add({ kind: 'index', sequence, event_id, detail });
    }
    findings.total += Number(found[0]?.total ?? 0) - found.length;
  }
  return findings;
}

/** Whether the event at a sequence has the hash that it would have at another. */
async function wasAtSequence(
  client: pg.ClientBase,
  subject: VerificationSubject,
  sequence: bigint,
  eventId: string,
  other: string,
): Promise<boolean> {
  const rows = await readRow(client, subject, sequence);
  return rows.some(
    (row) =>
      row.event_id === eventId &&
      holds(() => eventHash(envelopeOf({ ...row, sequence: other }, subject.origin)).equals(row.event_hash)),
  );
}

/** Whether the event at a sequence has the hashes that it would have with another id. */
async function hadEventId(
  client: pg.ClientBase,
  subject: VerificationSubject,
  sequence: bigint,
  eventId: string,
): Promise<boolean> {
  const rows = await readRow(client, subject, sequence);
  return rows.some((row) => {
    const was = { ...row, event_id: eventId };
    return holds(
      () =>
        contentHash(was.salt, canonicalContent(contentOf(was)).text).equals(row.content_hash) &&
        eventHash(envelopeOf(was, subject.origin)).equals(row.event_hash),
    );
  });
}

async function readRow(client: pg.ClientBase, subject: VerificationSubject, sequence: bigint): Promise<CopiedRow[]> {
  const rows: CopiedRow[] = [];
  const { ledger, keySeed } = subject;
  await copyStoredRows(client, { ledger, from: sequence, to: sequence, keySeed }, (row) => rows.push(row));
  return rows;
}

/** False for a row that is damaged beyond what the question is about. */
function holds(question: () => boolean): boolean {
  try {
    return question();
  } catch (error) {
    if (error instanceof DamagedRowError || error instanceof RangeError) return false;
    throw error;
  }
}
