import type pg from 'pg';
import { copyStoredRows, type CopiedRow } from '../events/stored-events.js';
import { canonicalContent, contentHash, eventHash } from '../integrity/event.js';
import { contentOf, DamagedRowError, envelopeOf } from '../integrity/stored-event.js';
import { FindingList, type RecordedFinding } from './findings.js';
import * as sql from './trail.sql.js';
import { RangeVerifier, type MonthBounds } from './verifier.js';

/** What every task of one verification is about. Plain data: it crosses threads. */
export interface VerificationSubject {
  ledger: string;
  origin: string;
  usualOrigin: string | null;
  /** by object id */
  months: ReadonlyMap<number, MonthBounds>;
  headRecordedAt: number | null;
  /** random, made for the run: of the sums by which rows and keys are compared */
  keySeed: bigint;
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

/** A piece of a verification, small enough to be done in a short transaction and thrown away when it fails. */
export type VerificationTask =
  | ({
      kind: 'rows';
      /** nothing before it is verified, so a missing predecessor is told here */ isFirst: boolean;
    } & SequenceRange)
  | ({ kind: 'keys' } & KeyBlocks)
  | ({ kind: 'keyless-events' } & SequenceRange)
  | ({ kind: 'orphan-keys'; /** of the ledger, when the range reaches its head */ size: bigint | null } & KeyBlocks);

/** Findings as data. */
export interface TaskFindings {
  listed: RecordedFinding[];
  total: number;
}

export interface TaskResults {
  rows: TaskFindings & { checked: number; keySum: bigint };
  keys: { sum: bigint; least: bigint | null; greatest: bigint | null };
  'keyless-events': TaskFindings;
  'orphan-keys': TaskFindings;
}

export type ResultOf<T extends VerificationTask> = TaskResults[T['kind']];

/** Does a task on a connection. Rejects with the database's error. */
export async function runTask<T extends VerificationTask>(
  client: pg.ClientBase,
  subject: VerificationSubject,
  task: T,
): Promise<ResultOf<T>> {
  const run = async (): Promise<TaskResults[VerificationTask['kind']]> => {
    switch (task.kind) {
      case 'rows':
        return verifyRows(client, subject, task, task.isFirst);
      case 'keys':
        return sql.sumKeys(client, { ledger: subject.ledger, ...task }, subject.keySeed);
      case 'keyless-events':
        return findKeylessEvents(client, subject, task);
      case 'orphan-keys':
        return findOrphanKeys(client, subject, task, task.size);
    }
  };
  return (await run()) as ResultOf<T>;
}

/** The rows of a range, each by itself and against its neighbours. */
async function verifyRows(
  client: pg.ClientBase,
  subject: VerificationSubject,
  { from, to }: SequenceRange,
  isFirst: boolean,
): Promise<TaskResults['rows']> {
  const verifier = new RangeVerifier({
    from: Number(from),
    to: Number(to),
    origin: subject.origin,
    usualOrigin: subject.usualOrigin,
    months: subject.months,
    headRecordedAt: subject.headRecordedAt,
    needsPredecessor: isFirst,
  });
  let high = 0;
  let low = 0;
  const first = Number(from);
  const last = Number(to);
  await copyStoredRows(
    client,
    { ledger: subject.ledger, from: from - 1n, to: to + 1n, keySeed: subject.keySeed },
    (row) => {
      verifier.take(row);
      const sequence = Number(row.sequence);
      if (sequence < first || sequence > last) return;
      high += row.keyHashHigh;
      low += row.keyHashLow;
    },
  );
  const { checked, findings } = verifier.finish();
  return {
    checked,
    listed: findings.listed,
    total: findings.total,
    keySum: BigInt.asUintN(64, (BigInt(high) << 32n) + BigInt(low)),
  };
}

const LISTED_BY_TASK = 1_000;
/** Rows that are read once more to say what was changed. */
const EXPLAINED_BY_TASK = 50;

async function findKeylessEvents(
  client: pg.ClientBase,
  subject: VerificationSubject,
  range: SequenceRange,
): Promise<TaskFindings> {
  const events = await sql.findKeylessEvents(client, { ledger: subject.ledger, ...range }, LISTED_BY_TASK);
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
  return { listed: findings.listed, total: Number(events[0]?.total ?? 0) };
}

async function findOrphanKeys(
  client: pg.ClientBase,
  subject: VerificationSubject,
  blocks: KeyBlocks,
  size: bigint | null,
): Promise<TaskFindings> {
  const keys = await sql.findOrphanKeys(client, { ledger: subject.ledger, ...blocks }, LISTED_BY_TASK, size);
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
  return { listed: findings.listed, total: Number(keys[0]?.total ?? 0) };
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
