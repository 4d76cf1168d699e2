import type pg from 'pg';
import type { DeletedRange } from '../archive/deleted-ranges.js';
import type { Parameters } from '../http/parameters.js';
import { readJson } from '../integrity/strict-json.js';
import * as kept from '../runs/kept-run-rows.js';
import type { RunStatus, RunTables } from '../runs/kept-run-rows.js';
import type { ReadRange } from './read-ranges.js';
import type { VersionedTable } from './report.js';

export const REPORT_RUNS: RunTables = { runs: 'report_runs', pieces: 'report_run_pieces', isKept: 'is_kept' };

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
  /** null where it is not done, or was made before this was kept */
  read_ranges: ReadRange[] | null;
  made_by: string;
  is_kept: boolean;
  status: RunStatus;
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
  encode(as_of_event_hash, 'hex') AS as_of_event_hash, archived_to, deleted, read_ranges, made_by, is_kept, status, rows, bytes,
  encode(sha256, 'hex') AS sha256, pieces, packed_bytes, error, requested_by,
  ${['created_at', 'started_at', 'finished_at', 'expires_at'].map(time).join(', ')}`;

/** As pg gives it: jsonb is text. */
type Row = Omit<StoredRun, 'tables' | 'parameters' | 'deleted' | 'read_ranges'> &
  Record<'tables' | 'parameters' | 'deleted', string> & { read_ranges: string | null };

function runOf(row: Row): StoredRun {
  return {
    ...row,
    tables: readJson(row.tables) as unknown as VersionedTable[],
    parameters: readJson(row.parameters) as unknown as Parameters,
    deleted: readJson(row.deleted) as unknown as DeletedRange[],
    read_ranges: row.read_ranges === null ? null : (readJson(row.read_ranges) as unknown as ReadRange[]),
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

/** What a run read, before it is done. */
export async function noteRead(pool: pg.Pool, id: string, ranges: readonly ReadRange[]): Promise<void> {
  await pool.query('UPDATE report_runs SET read_ranges = $2 WHERE id = $1', [id, JSON.stringify(ranges)]);
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

/** As takeRun of all runs that are kept. */
export async function takeRun(pool: pg.Pool, runner: string, silentMs: number): Promise<StoredRun | undefined> {
  const row = await kept.takeRun<Row>(pool, REPORT_RUNS, COLUMNS, runner, silentMs);
  return row && runOf(row);
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
