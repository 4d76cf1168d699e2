import type pg from 'pg';
import { readJson, type JsonObject } from '../integrity/strict-json.js';
import type { BrokenRule } from '../transaction-reports/feedback.js';
import type { Submission } from '../transaction-reports/submissions.js';
import type { RecordPlace } from '../transaction-reports/transaction-report-file.js';
import type { ReportNote } from './report-notes.js';
import type { Act, ActKind, AdvisedRecord, FilePart, NotedReport, WrittenRecord } from './reporting-events.js';

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
         (maker, executing_entity, transaction_reference, status, digest, message_id, event_id, trading_time,
          file_from, file_bytes)
       SELECT maker, executing_entity, transaction_reference, status, decode(digest, 'hex'), message_id, event_id,
              trading_time, file_from, file_bytes
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::uuid[], $8::text[],
                     $9::bigint[], $10::integer[])
           AS w (maker, executing_entity, transaction_reference, status, digest, message_id, event_id, trading_time,
                 file_from, file_bytes)`,
    [
      of(({ maker }) => maker),
      of(({ record }) => record.executingEntity),
      of(({ record }) => record.transactionReference),
      of(({ record }) => record.status),
      of(({ record }) => record.digest),
      of(({ record }) => record.messageId),
      of(({ record }) => record.eventId),
      of(({ record }) => record.tradingTime),
      of(({ record }) => record.place.from),
      of(({ record }) => record.place.bytes),
    ],
  );
}

export async function insertNotes(
  client: pg.ClientBase,
  all: readonly { maker: string; note: NotedReport }[],
): Promise<void> {
  const of = <T>(value: (each: NotedReport) => T): T[] => all.map(({ note }) => value(note));
  await client.query(
    `INSERT INTO reporting_notes (maker, ledger, executing_entity, transaction_reference, event_id, noted, why, to_mend,
                                  values_digest)
       SELECT maker, ledger, executing_entity, transaction_reference, event_id, noted, why, to_mend, decode(digest, 'hex')
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::text[],
                     $9::text[])
           AS n (maker, ledger, executing_entity, transaction_reference, event_id, noted, why, to_mend, digest)`,
    [
      all.map(({ maker }) => maker),
      ...[of(({ ledger }) => ledger), of(({ executingEntity }) => executingEntity)],
      ...[of(({ transactionReference }) => transactionReference), of(({ eventId }) => eventId)],
      ...[of(({ noted }) => noted), of(({ why }) => why), of(({ toMend }) => toMend)],
      of(({ valuesDigest }) => valuesDigest),
    ],
  );
}

/** What was noted last of a report, and of which execution it is. */
export interface LastNote extends ReportNote {
  transactionReference: string;
  eventId: string;
}

/** What was noted last of reports of some executions of a ledger for an executing entity, as it stood after an act. */
export async function lastNotes(
  database: Database,
  { ledger, executingEntity, eventIds }: { ledger: string; executingEntity: string; eventIds: readonly string[] },
  upToAct: number,
): Promise<LastNote[]> {
  const { rows } = await database.query<{
    transaction_reference: string;
    event_id: string;
    noted: ReportNote['noted'];
    why: ReportNote['why'];
    to_mend: string | null;
    digest: string | null;
  }>(
    `SELECT DISTINCT ON (transaction_reference)
            transaction_reference, event_id, noted, why, to_mend, encode(values_digest, 'hex') AS digest
       FROM reporting_notes
       WHERE event_id = ANY ($1::uuid[]) AND executing_entity = $2 AND ledger = $3 AND act <= $4
       ORDER BY transaction_reference, act DESC`,
    [eventIds, executingEntity, ledger, upToAct],
  );
  return rows.map((row) => ({
    ...{ transactionReference: row.transaction_reference, eventId: row.event_id, noted: row.noted, why: row.why },
    ...{ toMend: row.to_mend, valuesDigest: row.digest },
  }));
}

/** A part of a zip, and the event that holds it. */
export interface StoredPart extends FilePart {
  ledger: string;
  sequence: string;
}

export async function insertParts(
  client: pg.ClientBase,
  all: readonly { maker: string; part: StoredPart }[],
): Promise<void> {
  const of = <T>(value: (each: (typeof all)[number]) => T): T[] => all.map(value);
  await client.query(
    `INSERT INTO reporting_parts (maker, part, ledger, sequence, message_id, file_from, file_bytes)
       SELECT * FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::bigint[], $5::text[], $6::bigint[], $7::integer[])`,
    [
      of(({ maker }) => maker),
      ...[of(({ part }) => part.part), of(({ part }) => part.ledger), of(({ part }) => part.sequence)],
      of(({ part }) => part.content?.messageId),
      ...[of(({ part }) => part.content?.from), of(({ part }) => part.content?.bytes)],
    ],
  );
}

interface PartRow {
  part: number;
  ledger: string;
  sequence: string;
  message_id: string | null;
  file_from: string | null;
  file_bytes: number | null;
}

const PART_COLUMNS = 'part, ledger, sequence, message_id, file_from, file_bytes';

function partOf({ part, ledger, sequence, message_id: messageId, ...row }: PartRow): StoredPart {
  const content = messageId === null ? undefined : { messageId, from: Number(row.file_from), bytes: row.file_bytes! };
  return { part, ledger, sequence, content };
}

/** Parts of the zip of a maker after one of them, in order. */
export async function partsAfter(
  database: Database,
  maker: string,
  after: number,
  limit: number,
): Promise<StoredPart[]> {
  const { rows } = await database.query<PartRow>(
    `SELECT ${PART_COLUMNS} FROM reporting_parts WHERE maker = $1 AND part > $2 ORDER BY part LIMIT $3`,
    [maker, after, limit],
  );
  return rows.map(partOf);
}

/** Those that hold a place of a file, in order. */
export async function partsWithin(
  database: Database,
  maker: string,
  messageId: string,
  { from, bytes }: RecordPlace,
): Promise<StoredPart[]> {
  const { rows } = await database.query<PartRow>(
    `SELECT ${PART_COLUMNS} FROM reporting_parts
       WHERE maker = $1 AND message_id = $2 AND file_from < $4 AND file_from + file_bytes > $3 ORDER BY file_from`,
    [maker, messageId, from, from + bytes],
  );
  return rows.map(partOf);
}

/** The `raw` of events that are in the database, by sequence. */
export async function rawOfEvents(
  client: pg.ClientBase,
  ledger: string,
  sequences: readonly string[],
): Promise<[sequence: string, bytes: Buffer][]> {
  if (sequences.length === 0) return [];
  const { rows } = await client.query<{ sequence: string; raw_data: Buffer }>(
    `SELECT sequence, raw_data FROM audit_events
       WHERE ledger = $1 AND sequence = ANY ($2::bigint[]) AND raw_data IS NOT NULL`,
    [ledger, sequences],
  );
  return rows.map(({ sequence, raw_data: bytes }) => [sequence, bytes]);
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
  await client.query('UPDATE reporting_notes SET act = $2 WHERE maker = $1', [maker, act]);
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

/** The last one: feedback may be one again. */
export async function findAct(database: Database, kind: ActKind, subject: string): Promise<RecordedAct | undefined> {
  const { rows } = await database.query<ActRow>(
    `SELECT ${ACT_COLUMNS} FROM reporting_acts WHERE kind = $1 AND subject = $2 ORDER BY act DESC LIMIT 1`,
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

/** LEIs of all firms for which there was a submission of a ledger, up to an act. */
export async function submittedFirms(database: Database, ledger: string, upToAct: number): Promise<string[]> {
  const { rows } = await database.query<{ firm: string }>(
    `SELECT DISTINCT summary->>'executing_entity' AS firm FROM reporting_acts
       WHERE kind = 'submission' AND summary->>'ledger' = $1 AND act <= $2`,
    [ledger, upToAct],
  );
  return rows.map(({ firm }) => firm);
}

/** The number of the last file that a sender sent to a receiver; 0 before the first. */
export async function lastFileNumber(
  database: Database,
  { sender, receiver }: { sender: string; receiver: string },
): Promise<number> {
  const { rows } = await database.query<{ number: string | null }>(
    `SELECT summary->>'last_file' AS number FROM reporting_acts
       WHERE kind = 'submission' AND summary->>'last_file' IS NOT NULL
         -- before acts had these two all files were numbered in one line
         AND coalesce(summary->>'sender', $1) = $1 AND coalesce(summary->>'receiver', $2) = $2
       ORDER BY act DESC LIMIT 1`,
    [sender, receiver],
  );
  return Number(rows[0]?.number ?? 0);
}

/** Whether a record was ever sent for an executing entity. */
export async function hasSentFor(database: Database, executingEntity: string): Promise<boolean> {
  const { rows } = await database.query<{ has: boolean }>(
    'SELECT EXISTS (SELECT FROM reporting_records WHERE executing_entity = $1 AND act IS NOT NULL) AS has',
    [executingEntity],
  );
  return rows[0]!.has;
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
  /** in its file */
  place: RecordPlace;
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
  file_from: string;
  file_bytes: number;
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
            r.message_id, r.event_id, r.trading_time, r.file_from, r.file_bytes,
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
    ...{ act: row.act, place: { from: Number(row.file_from), bytes: row.file_bytes } },
    ...(row.contradicted && { isContradicted: true }),
    state: row.state ?? 'sent',
    rules: row.rules === null ? [] : (readJson(row.rules) as unknown as BrokenRule[]),
  }));
}

/** Records that count as sent of one maker, after a transaction reference, by these. */
export async function writtenAfter(
  database: Database,
  { maker, executingEntity, after }: { maker: string; executingEntity: string; after: string },
  limit: number,
): Promise<Pick<SentRecord, 'transactionReference' | 'digest' | 'messageId' | 'eventId' | 'place'>[]> {
  const { rows } = await database.query<
    Pick<SentRow, 'transaction_reference' | 'digest' | 'message_id' | 'event_id' | 'file_from' | 'file_bytes'>
  >(
    `SELECT transaction_reference, encode(digest, 'hex') AS digest, message_id, event_id, file_from, file_bytes
       FROM reporting_records
       WHERE maker = $1 AND executing_entity = $2 AND transaction_reference > $3 AND act IS NOT NULL
       ORDER BY transaction_reference LIMIT $4`,
    [maker, executingEntity, after, limit],
  );
  return rows.map((row) => ({
    ...{ transactionReference: row.transaction_reference, digest: row.digest },
    ...{ messageId: row.message_id, eventId: row.event_id },
    place: { from: Number(row.file_from), bytes: row.file_bytes },
  }));
}

/**
 * What was sent of some executions of a ledger, whoever executed them; and of events of the same ids in other ledgers,
 * which are others, what was sent for the same executing entities: their references are taken. As it stood after an act, in
 * order.
 */
export async function sentOfExecutions(
  database: Database,
  { ledger, firms, eventIds }: { ledger: string; firms: readonly string[]; eventIds: readonly string[] },
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
    return firms.includes(record.executingEntity) ? [{ ...record, isOfOtherLedger: true as const }] : [];
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

/** Who sent a file to whom, by its message id; undefined where no such file was sent up to an act, or that does not say it. */
export async function sendingOfMessage(
  database: Database,
  messageId: string,
  upToAct: number,
): Promise<{ sender: string; receiver: string } | undefined> {
  const { rows } = await database.query<{ sender: string; receiver: string }>(
    `SELECT summary->>'sender' AS sender, summary->>'receiver' AS receiver FROM reporting_acts
       WHERE act = (SELECT act FROM reporting_records WHERE message_id = $1 AND act <= $2 LIMIT 1)
         AND summary ? 'sender'`,
    [messageId, upToAct],
  );
  return rows[0];
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

/** What a submission decided, and by whom. */
export interface Decided {
  run: string;
  maker: string;
  executingEntity: string;
  /** by whom its files are numbered; undefined where it has none */
  numberedBy: { sender: string; receiver: string } | undefined;
}

/**
 * Whether an act after one is about what a submission decided. A submission is where it is the same one, of the same firm,
 * numbers its files in the same line, or sent something of an execution that was decided about; feedback where it is on a
 * record of such an execution. What has neither a draft nor a live report is not kept as decided: feedback makes something
 * of that only by a contradiction, so each on a record of the firm counts.
 */
export async function actsAreAbout(database: Database, decided: Decided, after: number): Promise<boolean> {
  const { run, maker, executingEntity, numberedBy } = decided;
  const { rows } = await database.query<{ isAbout: boolean; hasRecords: boolean }>(
    `WITH later AS MATERIALIZED (SELECT kind, subject, maker, summary FROM reporting_acts WHERE act > $1)
     SELECT EXISTS (
              SELECT FROM later
                WHERE kind = 'submission'
                  AND (subject = $2 OR summary->>'executing_entity' = $3
                       OR $4::text IS NOT NULL AND summary->>'last_file' IS NOT NULL
                          AND coalesce(summary->>'sender', $4) = $4 AND coalesce(summary->>'receiver', $5) = $5)
            ) OR EXISTS (
              SELECT FROM later JOIN reporting_advices AS a USING (maker)
                WHERE a.executing_entity = $3
                  AND EXISTS (SELECT FROM reporting_advices AS c
                                WHERE c.message_id = a.message_id AND c.executing_entity = a.executing_entity
                                  AND c.transaction_reference = a.transaction_reference AND c.act IS NOT NULL
                                  AND c.contradicts)
            ) AS "isAbout",
            EXISTS (SELECT FROM later JOIN reporting_advices USING (maker))
              OR EXISTS (SELECT FROM later JOIN reporting_records USING (maker)) AS "hasRecords"`,
    [after, run, executingEntity, numberedBy?.sender, numberedBy?.receiver],
  );
  const { isAbout, hasRecords } = rows[0]!;
  if (isAbout || !hasRecords) return isAbout;
  // by each execution that was decided about: the index leads from it, and a limit keeps the plan so
  const { rows: found } = await database.query(
    `SELECT FROM reporting_decisions AS d
       CROSS JOIN LATERAL (
         SELECT FROM reporting_records AS r
           WHERE r.event_id = d.event_id AND r.act IS NOT NULL
             AND (r.act > $1
                  OR EXISTS (SELECT FROM reporting_advices AS a
                               WHERE a.message_id = r.message_id AND a.executing_entity = r.executing_entity
                                 AND a.transaction_reference = r.transaction_reference AND a.act > $1))
           LIMIT 1
       ) AS r
       WHERE d.run = $2 AND d.maker = $3 LIMIT 1`,
    [after, run, maker],
  );
  return found.length > 0;
}
