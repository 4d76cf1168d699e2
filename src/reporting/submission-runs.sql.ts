import type pg from 'pg';
import type { Parameters } from '../http/parameters.js';
import { readJson } from '../integrity/strict-json.js';
import * as kept from '../runs/kept-run-rows.js';
import type { RunStatus, RunTables } from '../runs/kept-run-rows.js';
import type { Submission } from '../transaction-reports/submissions.js';
import type { RecordPlace } from '../transaction-reports/transaction-report-file.js';
import type { Noted } from './report-notes.js';

export const REPORTING_RUNS: RunTables = { runs: 'reporting_runs', pieces: 'reporting_run_pieces', isKept: 'true' };

/** A submission that was asked for. Sequences and counts are decimal strings, hashes lower-case hex, times RFC 3339. */
export interface StoredRun {
  id: string;
  ledger: string;
  executing_entity: string;
  /** who sends its files to which authority; null of runs of releases that kept them with the act alone */
  sender: string | null;
  receiver: string | null;
  /** canonical; with as_of, what it is made of */
  parameters: Parameters;
  as_of: string;
  made_by: string;
  status: RunStatus;
  /** under which maker its decisions stand; null before they do */
  decided_by: string | null;
  /** how often acts of others outdated what was decided, until it was to be recorded */
  overtaken: number;
  /** records in its files */
  rows: string | null;
  bytes: string;
  sha256: string | null;
  error: string | null;
  requested_by: string;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
}

const time = (column: string): string =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS ${column}`;
const COLUMNS = `id, ledger, executing_entity, sender, receiver, parameters, as_of, made_by, status, decided_by, overtaken, rows, bytes,
  encode(sha256, 'hex') AS sha256, error, requested_by,
  ${['created_at', 'started_at', 'finished_at'].map(time).join(', ')}`;

/** As pg gives it: jsonb is text. */
type Row = Omit<StoredRun, 'parameters'> & { parameters: string };

function runOf(row: Row): StoredRun {
  return { ...row, parameters: readJson(row.parameters) as Parameters };
}

export interface NewRun {
  id: string;
  ledger: string;
  executingEntity: string;
  sender: string | null;
  receiver: string | null;
  parameters: Parameters;
  asOf: bigint;
  madeBy: string;
  requestedBy: string;
}

export async function insertRun(pool: pg.Pool, run: NewRun): Promise<StoredRun> {
  const { rows } = await pool.query<Row>(
    `INSERT INTO reporting_runs (id, ledger, executing_entity, parameters, as_of, made_by, requested_by, sender, receiver,
                                 status, created_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'queued', trail_now())
       RETURNING ${COLUMNS}`,
    [
      ...[run.id, run.ledger, run.executingEntity, JSON.stringify(run.parameters), String(run.asOf)],
      ...[run.madeBy, run.requestedBy, run.sender, run.receiver],
    ],
  );
  return runOf(rows[0]!);
}

/** What a run is made of now. */
export async function fixRun(
  pool: pg.Pool,
  id: string,
  { parameters, asOf }: Pick<NewRun, 'parameters' | 'asOf'>,
): Promise<void> {
  await pool.query('UPDATE reporting_runs SET parameters = $2, as_of = $3 WHERE id = $1', [
    ...[id, JSON.stringify(parameters), String(asOf)],
  ]);
}

/** That acts of others outdated what was decided. */
export async function countOvertaking(pool: pg.Pool, id: string): Promise<void> {
  await pool.query('UPDATE reporting_runs SET overtaken = overtaken + 1 WHERE id = $1', [id]);
}

/** What an operator is to be told of all runs. */
export interface RunsStanding {
  /** within a week, without one of the same firm, period and wishes that was asked for since and is done */
  failed: number;
  /** since the oldest that is not over was asked for; 0 for none */
  oldestSeconds: number;
}

export async function standingOfRuns(pool: pg.Pool): Promise<RunsStanding> {
  const asked = (run: string): string => `${run}.parameters - ARRAY['reference_as_of', 'executing_entity']`;
  const { rows } = await pool.query<RunsStanding>(
    `SELECT count(*) FILTER (WHERE status = 'failed')::integer AS failed,
            coalesce(extract(epoch FROM trail_now() - min(created_at) FILTER (WHERE status <> 'failed')), 0)::float8
              AS "oldestSeconds"
       FROM reporting_runs AS r
       WHERE status IN ('queued', 'running')
          OR status = 'failed' AND finished_at > trail_now() - interval '7 days'
             AND NOT EXISTS (SELECT FROM reporting_runs AS later
                               WHERE later.ledger = r.ledger AND later.executing_entity = r.executing_entity
                                 AND later.status = 'done' AND later.created_at > r.created_at
                                 AND ${asked('later')} = ${asked('r')})`,
  );
  return rows[0]!;
}

/** What is known of a run by its act alone. */
export type RunOfAct = Pick<
  NewRun,
  'id' | 'ledger' | 'executingEntity' | 'sender' | 'receiver' | 'parameters' | 'asOf' | 'madeBy' | 'requestedBy'
> & {
  /** canonical */
  createdAt: string;
  records: number;
  /** of the zip of its files */
  bytes: number;
  /** hex */
  sha256: string;
};

/**
 * The run of an act whose row is lost, as in a database that was rebuilt from the archive. Nothing where its ledger is not
 * there any more. Where the row is there it stays, but for one that failed before the act came in: it is begun again, to be
 * brought to its end.
 */
export async function insertRunOfAct(client: pg.ClientBase, run: RunOfAct): Promise<void> {
  await client.query(
    `INSERT INTO reporting_runs (id, ledger, executing_entity, parameters, as_of, made_by, requested_by, status, rows,
                                 created_at, bytes, sha256, sender, receiver)
       SELECT $1, ledger, $3, $4, $5, $6, $7, 'done', $8, $9, $10, decode($11, 'hex'), $12, $13
         FROM ledgers WHERE ledger = $2
       ON CONFLICT (id) DO UPDATE SET status = 'queued', attempts = 0, error = NULL, finished_at = NULL
         WHERE reporting_runs.status = 'failed'`,
    [
      ...[run.id, run.ledger, run.executingEntity, JSON.stringify(run.parameters), String(run.asOf), run.madeBy],
      ...[run.requestedBy, run.records, run.createdAt, run.bytes, run.sha256],
      ...[run.sender, run.receiver],
    ],
  );
}

export async function findRun(
  pool: pg.Pool,
  { ledger, id }: Pick<StoredRun, 'ledger' | 'id'>,
): Promise<StoredRun | undefined> {
  const { rows } = await pool.query<Row>(`SELECT ${COLUMNS} FROM reporting_runs WHERE ledger = $1 AND id = $2`, [
    ledger,
    id,
  ]);
  return rows[0] && runOf(rows[0]);
}

/** The latest ones first. */
export async function listRuns(pool: pg.Pool, ledger: string, limit: number): Promise<StoredRun[]> {
  const { rows } = await pool.query<Row>(
    `SELECT ${COLUMNS} FROM reporting_runs AS r WHERE ledger = $1 ORDER BY r.created_at DESC, id DESC LIMIT $2`,
    [ledger, limit],
  );
  return rows.map(runOf);
}

/** As takeRun of all runs that are kept. */
export async function takeRun(pool: pg.Pool, runner: string, silentMs: number): Promise<StoredRun | undefined> {
  const row = await kept.takeRun<Row>(pool, REPORTING_RUNS, COLUMNS, runner, silentMs);
  return row && runOf(row);
}

/** What was decided about a transaction reference. */
export interface Decision {
  /** from 1, in the order of the report `transactions` */
  number: number;
  transactionReference: string;
  status: Submission['status'];
  /** `send`, or why not */
  decision: string;
  toMend: string | null;
  /** hex; of what is sent, as the next one */
  digest: string | null;
  messageId: string | null;
  /** in that file */
  place: RecordPlace | null;
  orderId: string;
  eventId: string;
  version: number;
  leg: number;
  tradingTime: string | null;
  /** what is news of a report that is not sent */
  noted: Noted | null;
  /** of what is held or drafted, where that is news; hex */
  valuesDigest: string | null;
}

export async function insertDecisions(
  pool: pg.Pool,
  run: string,
  maker: string,
  all: readonly Decision[],
): Promise<void> {
  const of = <T>(value: (each: Decision) => T): T[] => all.map(value);
  await pool.query(
    `INSERT INTO reporting_decisions (run, maker, number, transaction_reference, status, decision, to_mend, digest,
                                      message_id, order_id, event_id, version, leg, trading_time, file_from, file_bytes,
                                      noted, values_digest)
       SELECT $1, $2, number, reference, status, decision, to_mend, decode(digest, 'hex'), message_id, order_id, event_id,
              version, leg, trading_time, file_from, file_bytes, noted, decode(values_digest, 'hex')
         FROM unnest($3::integer[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
                     $11::uuid[], $12::integer[], $13::integer[], $14::text[], $15::bigint[], $16::integer[],
                     $17::text[], $18::text[])
           AS d (number, reference, status, decision, to_mend, digest, message_id, order_id, event_id, version, leg,
                 trading_time, file_from, file_bytes, noted, values_digest)`,
    [
      ...[run, maker],
      ...[of(({ number }) => number), of(({ transactionReference }) => transactionReference)],
      ...[of(({ status }) => status), of(({ decision }) => decision), of(({ toMend }) => toMend)],
      ...[of(({ digest }) => digest), of(({ messageId }) => messageId), of(({ orderId }) => orderId)],
      ...[of(({ eventId }) => eventId), of(({ version }) => version), of(({ leg }) => leg)],
      ...[of(({ tradingTime }) => tradingTime), of(({ place }) => place?.from), of(({ place }) => place?.bytes)],
      ...[of(({ noted }) => noted), of(({ valuesDigest }) => valuesDigest)],
    ],
  );
}

interface DecisionRow {
  number: number;
  transaction_reference: string;
  status: Submission['status'];
  decision: string;
  to_mend: string | null;
  digest: string | null;
  message_id: string | null;
  order_id: string;
  event_id: string;
  version: number;
  leg: number;
  trading_time: string | null;
  file_from: string | null;
  file_bytes: number | null;
  noted: Noted | null;
  values_digest: string | null;
}

/**
 * Decisions of a maker after a number, in their order; those of one kind alone where `decision` says so, and what is
 * recorded in the ledger alone where `isRecorded` does.
 */
export async function decisionsAfter(
  pool: pg.Pool,
  {
    run,
    maker,
    after,
    limit,
    decision,
    isRecorded = false,
  }: { run: string; maker: string; after: number; limit: number; decision?: string; isRecorded?: boolean },
): Promise<Decision[]> {
  const { rows } = await pool.query<DecisionRow>(
    `SELECT number, transaction_reference, status, decision, to_mend, encode(digest, 'hex') AS digest, message_id,
            order_id, event_id, version, leg, trading_time, file_from, file_bytes, noted,
            encode(values_digest, 'hex') AS values_digest
       FROM reporting_decisions
       WHERE run = $1 AND maker = $2 AND number > $3 AND ($5::text IS NULL OR decision = $5)
         AND (NOT $6 OR decision = 'send' OR noted IS NOT NULL)
       ORDER BY number LIMIT $4`,
    [run, maker, after, limit, decision ?? null, isRecorded],
  );
  return rows.map((row) => ({
    number: row.number,
    transactionReference: row.transaction_reference,
    status: row.status,
    decision: row.decision,
    toMend: row.to_mend,
    digest: row.digest,
    messageId: row.message_id,
    orderId: row.order_id,
    eventId: row.event_id,
    version: row.version,
    leg: row.leg,
    tradingTime: row.trading_time,
    noted: row.noted,
    valuesDigest: row.values_digest,
    place: row.file_from === null ? null : { from: Number(row.file_from), bytes: row.file_bytes! },
  }));
}

/**
 * Whose decisions are those of a run; those of attempts that came to nothing go. False, with nothing changed, when the run
 * is not this replica's any more.
 */
export async function settleDecisions(pool: pg.Pool, run: string, runner: string, maker: string): Promise<boolean> {
  const { rows } = await pool.query(
    `WITH own AS (
       UPDATE reporting_runs SET decided_by = $3 WHERE id = $1 AND runner = $2 AND status = 'running' RETURNING id
     ), emptied AS (
       DELETE FROM reporting_decisions WHERE run IN (SELECT id FROM own) AND maker <> $3
     )
     SELECT id FROM own`,
    [run, runner, maker],
  );
  return rows.length === 1;
}
