import type pg from 'pg';
import type { DeletedRange } from '../archive/deleted-ranges.js';
import type { Parameters } from '../http/query-parameters.js';
import { readJson } from '../integrity/strict-json.js';
import type { VersionedTable } from './report.js';

export type ReportRunStatus = 'queued' | 'running' | 'done' | 'failed' | 'cancelled' | 'expired';

/** A run of a report. Sequences and counts are decimal strings, hashes lower-case hex, times RFC 3339. */
export interface StoredRun {
  id: string;
  ledger: string;
  report: string;
  report_version: number;
  tables: VersionedTable[];
  format: string;
  parameters: Parameters;
  as_of: string;
  as_of_event_hash: string | null;
  archived_to: string;
  deleted: DeletedRange[];
  made_by: string;
  is_kept: boolean;
  status: ReportRunStatus;
  rows: string | null;
  bytes: string;
  sha256: string | null;
  pieces: number;
  packed_bytes: string;
  error: string | null;
  requested_by: string;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  expires_at: string | null;
}

const time = (column: string): string =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS ${column}`;

const COLUMNS = `id, ledger, report, report_version, tables, format, parameters, as_of,
  encode(as_of_event_hash, 'hex') AS as_of_event_hash, archived_to, deleted, made_by, is_kept, status, rows, bytes,
  encode(sha256, 'hex') AS sha256, pieces, packed_bytes, error, requested_by,
  ${['created_at', 'started_at', 'finished_at', 'expires_at'].map(time).join(', ')}`;

/** As pg gives it: jsonb is text. */
type Row = Omit<StoredRun, 'tables' | 'parameters' | 'deleted'> & Record<'tables' | 'parameters' | 'deleted', string>;

function runOf(row: Row): StoredRun {
  return {
    ...row,
    tables: readJson(row.tables) as unknown as VersionedTable[],
    parameters: readJson(row.parameters) as unknown as Parameters,
    deleted: readJson(row.deleted) as unknown as DeletedRange[],
  };
}

export interface NewRun {
  id: string;
  ledger: string;
  report: string;
  reportVersion: number;
  tables: readonly VersionedTable[];
  format: string;
  parameters: Parameters;
  asOf: bigint;
  /** hex */
  asOfEventHash: string | null;
  archivedTo: bigint;
  deleted: readonly DeletedRange[];
  madeBy: string;
  requestedBy: string;
  /** the replica that hands the answer out as it makes it; null: whichever takes it makes it, to be kept */
  handedOutBy: string | null;
}

export async function insertRun(pool: pg.Pool, run: NewRun): Promise<StoredRun> {
  const { rows } = await pool.query<Row>(
    `INSERT INTO report_runs (id, ledger, report, report_version, tables, format, parameters, as_of, as_of_event_hash,
                              archived_to, deleted, made_by, requested_by, is_kept, status, runner, created_at,
                              started_at, progress_at)
       SELECT $1, $2, $3, $4, $5, $6, $7, $8, decode($9, 'hex'), $10, $11, $12, $13, handed_out_by IS NULL,
              CASE WHEN handed_out_by IS NULL THEN 'queued' ELSE 'running' END, handed_out_by, now,
              CASE WHEN handed_out_by IS NOT NULL THEN now END, CASE WHEN handed_out_by IS NOT NULL THEN now END
         FROM (SELECT $14::uuid AS handed_out_by, trail_now() AS now) AS it
       RETURNING ${COLUMNS}`,
    [
      run.id,
      run.ledger,
      run.report,
      run.reportVersion,
      JSON.stringify(run.tables),
      run.format,
      JSON.stringify(run.parameters),
      String(run.asOf),
      run.asOfEventHash,
      String(run.archivedTo),
      JSON.stringify(run.deleted),
      run.madeBy,
      run.requestedBy,
      run.handedOutBy,
    ],
  );
  return runOf(rows[0]!);
}

export async function findRun(
  pool: pg.Pool,
  { ledger, report, id }: Pick<StoredRun, 'ledger' | 'report' | 'id'>,
): Promise<StoredRun | undefined> {
  const { rows } = await pool.query<Row>(
    `SELECT ${COLUMNS} FROM report_runs WHERE ledger = $1 AND report = $2 AND id = $3`,
    [ledger, report, id],
  );
  return rows[0] && runOf(rows[0]);
}

/** The latest ones first. */
export async function listRuns(pool: pg.Pool, ledger: string, report: string, limit: number): Promise<StoredRun[]> {
  const { rows } = await pool.query<Row>(
    `SELECT ${COLUMNS} FROM report_runs AS r
       WHERE ledger = $1 AND report = $2 ORDER BY r.created_at DESC, id DESC LIMIT $3`,
    [ledger, report, limit],
  );
  return rows.map(runOf);
}

/**
 * Gives this replica the run to be kept that has waited longest: a new one, or one whose replica has been silent for so
 * long that it must have died. What was made of it is thrown away. Undefined when there is none.
 */
export async function takeRun(pool: pg.Pool, runner: string, silentMs: number): Promise<StoredRun | undefined> {
  const { rows } = await pool.query<Row>(
    `WITH taken AS (
       SELECT id FROM report_runs
         WHERE is_kept
           AND (status = 'queued' OR status = 'running' AND progress_at < trail_now() - $2 * interval '1 millisecond')
         ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED
     ), emptied AS (
       DELETE FROM report_run_pieces WHERE run IN (SELECT id FROM taken)
     )
     UPDATE report_runs AS r
       SET status = 'running', runner = $1, started_at = coalesce(r.started_at, trail_now()), progress_at = trail_now(),
           pieces = 0, packed_bytes = 0, bytes = 0
       WHERE id IN (SELECT id FROM taken)
       RETURNING ${COLUMNS}`,
    [runner, silentMs],
  );
  return rows[0] && runOf(rows[0]);
}

/** Signs of life of all that this replica has under way. */
export async function keepAlive(pool: pg.Pool, runner: string): Promise<void> {
  await pool.query(`UPDATE report_runs SET progress_at = trail_now() WHERE runner = $1 AND status = 'running'`, [
    runner,
  ]);
}

/** Keeps the next piece of an answer. False when the run is not this replica's any more. */
export async function keepPiece(
  pool: pg.Pool,
  id: string,
  runner: string,
  piece: { number: number; packed: Buffer; bytesSoFar: number },
): Promise<boolean> {
  const { rowCount } = await pool.query(
    `WITH run AS (
       UPDATE report_runs
         SET pieces = $3, packed_bytes = packed_bytes + octet_length($4::bytea), bytes = $5, progress_at = trail_now()
         WHERE id = $1 AND runner = $2 AND status = 'running'
         RETURNING id
     )
     INSERT INTO report_run_pieces (run, piece, bytes) SELECT id, $3, $4 FROM run`,
    [id, runner, piece.number, piece.packed, piece.bytesSoFar],
  );
  return rowCount === 1;
}

export async function readPiece(pool: pg.Pool, id: string, piece: number): Promise<Buffer | undefined> {
  const { rows } = await pool.query<{ bytes: Buffer }>(
    `SELECT bytes FROM report_run_pieces WHERE run = $1 AND piece = $2`,
    [id, piece],
  );
  return rows[0]?.bytes;
}

/** What all kept answers take, packed, in bytes. */
export async function keptBytes(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ bytes: string }>(
    `SELECT coalesce(sum(packed_bytes), 0) AS bytes FROM report_runs WHERE is_kept AND status IN ('running', 'done')`,
  );
  return Number(rows[0]!.bytes);
}

/** False when the run is not this replica's any more. `keepMs` is how long a kept answer can be fetched. */
export async function finishRun(
  pool: pg.Pool,
  id: string,
  runner: string,
  { rows, bytes, sha256, keepMs }: { rows: number; bytes: number; sha256: Buffer; keepMs: number },
): Promise<boolean> {
  const { rowCount } = await pool.query(
    `UPDATE report_runs
       SET status = 'done', runner = NULL, rows = $3, bytes = $4, sha256 = $5, finished_at = trail_now(),
           expires_at = CASE WHEN is_kept THEN trail_now() + $6 * interval '1 millisecond' END
       WHERE id = $1 AND runner = $2 AND status = 'running'`,
    [id, runner, rows, bytes, sha256, keepMs],
  );
  return rowCount === 1;
}

/** Ends a run of this replica without an answer: `failed` with what went wrong, or `cancelled`. */
export async function endRun(
  pool: pg.Pool,
  id: string,
  runner: string,
  { status, error, bytes }: { status: 'failed' | 'cancelled'; error: string; bytes: number },
): Promise<void> {
  await pool.query(
    `WITH ended AS (
       UPDATE report_runs
         SET status = $3, error = $4, runner = NULL, finished_at = trail_now(), pieces = 0, packed_bytes = 0,
             bytes = CASE WHEN is_kept THEN 0 ELSE $5::bigint END
         WHERE id = $1 AND runner = $2 AND status = 'running'
         RETURNING id
     )
     DELETE FROM report_run_pieces WHERE run IN (SELECT id FROM ended)`,
    [id, runner, status, error, bytes],
  );
}

/** Puts a run back, for another replica or the next start to begin again. */
export async function requeueRun(pool: pg.Pool, id: string, runner: string): Promise<void> {
  await pool.query(
    `UPDATE report_runs SET status = 'queued', runner = NULL WHERE id = $1 AND runner = $2 AND status = 'running'`,
    [id, runner],
  );
}

/** Cancels a run to be kept that is not over; nothing else changes. */
export async function cancelRun(pool: pg.Pool, id: string): Promise<void> {
  await pool.query(
    `WITH ended AS (
       UPDATE report_runs
         SET status = 'cancelled', runner = NULL, finished_at = trail_now(), pieces = 0, packed_bytes = 0, bytes = 0
         WHERE id = $1 AND is_kept AND status IN ('queued', 'running')
         RETURNING id
     )
     DELETE FROM report_run_pieces WHERE run IN (SELECT id FROM ended)`,
    [id],
  );
}

/** Throws away answers whose time is over, and pieces that belong to none. How many answers. */
export async function expireRuns(pool: pg.Pool): Promise<number> {
  const { rowCount } = await pool.query(
    `UPDATE report_runs SET status = 'expired', pieces = 0, packed_bytes = 0
       WHERE status = 'done' AND expires_at <= trail_now()`,
  );
  await pool.query(
    `DELETE FROM report_run_pieces AS p USING report_runs AS r
       WHERE r.id = p.run AND r.status NOT IN ('running', 'done')`,
  );
  return rowCount ?? 0;
}

/** Ends what a replica handed out and did not finish before it died. How many. */
export async function endAbandoned(pool: pg.Pool, silentMs: number): Promise<number> {
  const { rowCount } = await pool.query(
    `UPDATE report_runs
       SET status = 'failed', runner = NULL, finished_at = trail_now(),
           error = 'the replica that handed the answer out ended before it was whole'
       WHERE NOT is_kept AND status = 'running' AND progress_at < trail_now() - $1 * interval '1 millisecond'`,
    [silentMs],
  );
  return rowCount ?? 0;
}

/** Of an event that is online, its hash as hex and when it was recorded; undefined where it is not, or was never. */
export async function findEvent(
  client: pg.ClientBase,
  ledger: string,
  sequence: bigint,
): Promise<{ event_hash: string; recorded_at: string } | undefined> {
  const { rows } = await client.query<{ event_hash: string; recorded_at: string }>(
    `SELECT encode(event_hash, 'hex') AS event_hash, ${time('recorded_at')} FROM audit_events WHERE ledger = $1 AND sequence = $2`,
    [ledger, String(sequence)],
  );
  return rows[0];
}
