import type pg from 'pg';
import { readJson, type JsonObject } from '../integrity/strict-json.js';
import type { BrokenRule } from '../transaction-reports/feedback.js';
import type { Submission } from '../transaction-reports/submissions.js';
import type { Act, ActKind, AdvisedRecord, WrittenRecord } from './reporting-events.js';

type Database = pg.Pool | pg.ClientBase;

/** Up to which event of a ledger was read; '0' for none. Holds the row, so that one at a time goes on. */
export async function lockProgress(client: pg.ClientBase, ledger: string): Promise<string> {
  await client.query('INSERT INTO reporting_progress (ledger, sequence) VALUES ($1, 0) ON CONFLICT DO NOTHING', [
    ledger,
  ]);
  const { rows } = await client.query<{ sequence: string }>(
    'SELECT sequence FROM reporting_progress WHERE ledger = $1 FOR UPDATE',
    [ledger],
  );
  return rows[0]!.sequence;
}

export async function readProgress(database: Database, ledger: string): Promise<string> {
  const { rows } = await database.query<{ sequence: string }>(
    'SELECT sequence FROM reporting_progress WHERE ledger = $1',
    [ledger],
  );
  return rows[0]?.sequence ?? '0';
}

export async function moveProgress(client: pg.ClientBase, ledger: string, sequence: string): Promise<void> {
  await client.query('UPDATE reporting_progress SET sequence = $2 WHERE ledger = $1', [ledger, sequence]);
}

/** The number of the last act; 0 when there is none. */
export async function lastAct(database: Database): Promise<number> {
  const { rows } = await database.query<{ act: number }>('SELECT coalesce(max(act), 0) AS act FROM reporting_acts');
  return rows[0]!.act;
}

export async function insertWritten(
  client: pg.ClientBase,
  all: readonly { maker: string; record: WrittenRecord }[],
): Promise<void> {
  const of = <T>(value: (each: { maker: string; record: WrittenRecord }) => T): T[] => all.map(value);
  await client.query(
    `INSERT INTO reporting_records
         (maker, executing_entity, transaction_reference, status, digest, message_id, event_id, trading_time)
       SELECT maker, executing_entity, transaction_reference, status, decode(digest, 'hex'), message_id, event_id,
              trading_time
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::uuid[], $8::text[])
           AS w (maker, executing_entity, transaction_reference, status, digest, message_id, event_id, trading_time)`,
    [
      of(({ maker }) => maker),
      of(({ record }) => record.executingEntity),
      of(({ record }) => record.transactionReference),
      of(({ record }) => record.status),
      of(({ record }) => record.digest),
      of(({ record }) => record.messageId),
      of(({ record }) => record.eventId),
      of(({ record }) => record.tradingTime),
    ],
  );
}

export async function insertAdvised(
  client: pg.ClientBase,
  all: readonly { maker: string; number: number; record: AdvisedRecord }[],
): Promise<void> {
  const of = <T>(value: (each: (typeof all)[number]) => T): T[] => all.map(value);
  await client.query(
    `INSERT INTO reporting_advices
         (maker, number, executing_entity, transaction_reference, message_id, state, rules, contradicts)
       SELECT * FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::text[], $7::jsonb[],
                            $8::boolean[])`,
    [
      of(({ maker }) => maker),
      of(({ number }) => number),
      of(({ record }) => record.executingEntity),
      of(({ record }) => record.transactionReference),
      of(({ record }) => record.messageId),
      of(({ record }) => record.state),
      of(({ record }) => JSON.stringify(record.rules)),
      of(({ record }) => record.contradicts),
    ],
  );
}

/** Takes an act in: from now on the events of its maker count. */
export async function insertAct(
  client: pg.ClientBase,
  { act, kind, subject, maker, principal, summary }: Act,
  place: { ledger: string; sequence: string; recordedAt: string },
): Promise<void> {
  await client.query(
    `INSERT INTO reporting_acts (act, kind, subject, maker, principal, ledger, sequence, recorded_at, summary)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [act, kind, subject, maker, principal, place.ledger, place.sequence, place.recordedAt, JSON.stringify(summary)],
  );
  await client.query('UPDATE reporting_records SET act = $2, sent_at = $3 WHERE maker = $1', [
    maker,
    act,
    place.recordedAt,
  ]);
  await client.query('UPDATE reporting_advices SET act = $2 WHERE maker = $1', [maker, act]);
}

/** An act as it was recorded. */
export interface RecordedAct extends Act {
  ledger: string;
  sequence: string;
  /** RFC 3339 */
  recordedAt: string;
}

type ActRow = Omit<RecordedAct, 'summary' | 'recordedAt'> & { summary: string; recorded_at: string };

const RFC_3339 = `'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'`;
const ACT_COLUMNS = `act, kind, subject, maker, principal, ledger, sequence, summary,
  to_char(recorded_at AT TIME ZONE 'UTC', ${RFC_3339}) AS recorded_at`;

function actOf({ summary, recorded_at: recordedAt, ...row }: ActRow): RecordedAct {
  return { ...row, recordedAt, summary: readJson(summary) as JsonObject };
}

export async function findAct(database: Database, kind: ActKind, subject: string): Promise<RecordedAct | undefined> {
  const { rows } = await database.query<ActRow>(
    `SELECT ${ACT_COLUMNS} FROM reporting_acts WHERE kind = $1 AND subject = $2`,
    [kind, subject],
  );
  return rows[0] && actOf(rows[0]);
}

/** The latest ones first. */
export async function listActs(database: Database, kind: ActKind, limit: number): Promise<RecordedAct[]> {
  const { rows } = await database.query<ActRow>(
    `SELECT ${ACT_COLUMNS} FROM reporting_acts WHERE kind = $1 ORDER BY act DESC LIMIT $2`,
    [kind, limit],
  );
  return rows.map(actOf);
}

/** The number of the last file of all that were sent; 0 before the first. */
export async function lastFileNumber(database: Database): Promise<number> {
  const { rows } = await database.query<{ number: string | null }>(
    `SELECT summary->>'last_file' AS number FROM reporting_acts WHERE kind = 'submission' ORDER BY act DESC LIMIT 1`,
  );
  return Number(rows[0]?.number ?? 0);
}

/** Those of some message ids that a file that was sent has. */
export async function sentMessages(database: Database, messageIds: readonly string[]): Promise<Set<string>> {
  const { rows } = await database.query<{ message_id: string }>(
    `SELECT id AS message_id FROM unnest($1::text[]) AS u (id)
       WHERE EXISTS (SELECT FROM reporting_records AS r WHERE r.message_id = u.id AND r.act IS NOT NULL)`,
    [messageIds],
  );
  return new Set(rows.map(({ message_id: id }) => id));
}

/** A record that was sent, with what is known of it. */
export interface SentRecord extends Submission {
  /** of the submission that sent it */
  maker: string;
  executingEntity: string;
  transactionReference: string;
  eventId: string;
  tradingTime: string | null;
  /** RFC 3339 */
  sentAt: string;
  /** by which it counts as sent */
  act: number;
  /** where that is so: of another ledger than the one that is asked for, which has an event of the same id */
  isOfOtherLedger?: true;
}

interface SentRow {
  act: number;
  maker: string;
  executing_entity: string;
  transaction_reference: string;
  status: Submission['status'];
  digest: string;
  message_id: string;
  event_id: string;
  trading_time: string | null;
  sent_at: string;
  state: Submission['state'] | null;
  rules: string | null;
  /** whether the last answer contradicts the state */
  contradicted: boolean;
}

/**
 * What was sent of some references of an executing entity, or of some executions, whoever executed them: as it stood after
 * an act, in order.
 */
export async function sentRecords(
  database: Database,
  by: { executingEntity: string; references: readonly string[] } | { eventIds: readonly string[] },
  upToAct: number,
): Promise<SentRecord[]> {
  const [condition, values] =
    'references' in by
      ? ['r.executing_entity = $2 AND r.transaction_reference = ANY ($3::text[])', [by.executingEntity, by.references]]
      : ['r.event_id = ANY ($2::uuid[])', [by.eventIds]];
  const { rows } = await database.query<SentRow>(
    `SELECT r.act, r.maker, r.executing_entity, r.transaction_reference, r.status, encode(r.digest, 'hex') AS digest,
            r.message_id, r.event_id, r.trading_time,
            to_char(r.sent_at AT TIME ZONE 'UTC', ${RFC_3339}) AS sent_at, a.state, a.rules, coalesce(c.is_last, false) AS contradicted
       FROM reporting_records AS r
       LEFT JOIN LATERAL (
         SELECT a.state, a.rules FROM reporting_advices AS a
           WHERE a.message_id = r.message_id AND a.executing_entity = r.executing_entity
             AND a.transaction_reference = r.transaction_reference AND NOT a.contradicts AND a.act <= $1
           ORDER BY a.act DESC, a.number DESC LIMIT 1
       ) AS a ON true
       LEFT JOIN LATERAL (
         SELECT c.contradicts AS is_last FROM reporting_advices AS c
           WHERE c.message_id = r.message_id AND c.executing_entity = r.executing_entity
             AND c.transaction_reference = r.transaction_reference AND c.act <= $1
           ORDER BY c.act DESC, c.number DESC LIMIT 1
       ) AS c ON true
       WHERE ${condition} AND r.act <= $1
       ORDER BY r.act, r.transaction_reference`,
    [upToAct, ...values],
  );
  return rows.map((row) => ({
    ...{ maker: row.maker, executingEntity: row.executing_entity },
    ...{ transactionReference: row.transaction_reference, status: row.status, digest: row.digest },
    ...{ messageId: row.message_id, eventId: row.event_id, tradingTime: row.trading_time, sentAt: row.sent_at },
    act: row.act,
    ...(row.contradicted && { isContradicted: true }),
    state: row.state ?? 'sent',
    rules: row.rules === null ? [] : (readJson(row.rules) as unknown as BrokenRule[]),
  }));
}

/**
 * What was sent of some executions of a ledger, whoever executed them; and of events of the same ids in other ledgers,
 * which are others, what was sent for the same executing entity: their references are taken. As it stood after an act, in
 * order.
 */
export async function sentOfExecutions(
  database: Database,
  { ledger, executingEntity, eventIds }: { ledger: string; executingEntity: string; eventIds: readonly string[] },
  upToAct: number,
): Promise<SentRecord[]> {
  const all = await sentRecords(database, { eventIds }, upToAct);
  if (all.length === 0) return all;
  const acts = await actsOfLedger(
    database,
    all.map(({ act }) => act),
    ledger,
  );
  return all.flatMap((record) => {
    if (acts.has(record.act)) return [record];
    return record.executingEntity === executingEntity ? [{ ...record, isOfOtherLedger: true as const }] : [];
  });
}

/** The references of a file that was sent, and whose they are; none where no such file was. */
export async function referencesOfMessage(
  database: Database,
  messageId: string,
  upToAct: number,
): Promise<{ executingEntity: string; references: Set<string> } | undefined> {
  const { rows } = await database.query<{ executing_entity: string; transaction_reference: string }>(
    'SELECT executing_entity, transaction_reference FROM reporting_records WHERE message_id = $1 AND act <= $2',
    [messageId, upToAct],
  );
  if (rows.length === 0) return undefined;
  return {
    executingEntity: rows[0]!.executing_entity,
    references: new Set(rows.map(({ transaction_reference: reference }) => reference)),
  };
}

/** How many records a submission sent. */
export async function countOfMaker(database: Database, maker: string): Promise<number> {
  const { rows } = await database.query<{ count: string }>(
    'SELECT count(*) AS count FROM reporting_records WHERE maker = $1 AND act IS NOT NULL',
    [maker],
  );
  return Number(rows[0]!.count);
}

/** The time by which acts are recorded, RFC 3339. */
export async function now(database: Database): Promise<string> {
  const { rows } = await database.query<{ now: string }>(
    `SELECT to_char(trail_now() AT TIME ZONE 'UTC', ${RFC_3339}) AS now`,
  );
  return rows[0]!.now;
}

/** The number of the last act that was recorded by a time; 0 when there is none. */
export async function lastActUpTo(database: Database, at: string): Promise<number> {
  const { rows } = await database.query<{ act: number }>(
    'SELECT coalesce(max(act), 0) AS act FROM reporting_acts WHERE recorded_at <= $1',
    [at],
  );
  return rows[0]!.act;
}

/** Where an act stands. */
export async function placeOfAct(
  database: Database,
  act: number,
): Promise<{ ledger: string; sequence: string } | undefined> {
  const { rows } = await database.query<{ ledger: string; sequence: string }>(
    'SELECT ledger, sequence FROM reporting_acts WHERE act = $1',
    [act],
  );
  return rows[0];
}

/** The revision of the reference data of which a submission was made; '0' for none. */
export async function referenceRevisionOfAct(database: Database, act: number): Promise<string> {
  const { rows } = await database.query<{ revision: string | null }>(
    `SELECT summary->'parameters'->>$2 AS revision FROM reporting_acts WHERE act = $1`,
    [act, 'reference_as_of'],
  );
  return rows[0]?.revision ?? '0';
}

/** The acts of some makers, up to one. */
export async function actsOfMakers(
  database: Database,
  makers: readonly string[],
  upToAct: number,
): Promise<Pick<RecordedAct, 'act' | 'kind' | 'subject' | 'maker' | 'ledger' | 'sequence'>[]> {
  const { rows } = await database.query<
    Pick<RecordedAct, 'act' | 'kind' | 'subject' | 'maker' | 'ledger' | 'sequence'>
  >(
    'SELECT act, kind, subject, maker, ledger, sequence FROM reporting_acts WHERE maker = ANY ($1::uuid[]) AND act <= $2',
    [makers, upToAct],
  );
  return rows;
}

/** The ledgers that were read, in the order in which they succeed each other. */
export async function readLedgers(database: Database): Promise<string[]> {
  const { rows } = await database.query<{ ledger: string }>(
    'SELECT ledger FROM reporting_progress ORDER BY length(ledger), ledger',
  );
  return rows.map(({ ledger }) => ledger);
}

/** Those of some acts by which reports of a ledger were sent. */
export async function actsOfLedger(
  database: Database,
  acts: readonly number[],
  ledger: string,
): Promise<ReadonlySet<number>> {
  const { rows } = await database.query<{ act: number }>(
    `SELECT act FROM reporting_acts WHERE act = ANY ($1::integer[]) AND summary->>'ledger' = $2`,
    [[...new Set(acts)], ledger],
  );
  return new Set(rows.map(({ act }) => act));
}
