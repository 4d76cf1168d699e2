import type pg from 'pg';
import { readJson, type JsonObject } from '../integrity/strict-json.js';
import * as kept from '../runs/kept-run-rows.js';
import type { RunStatus, RunTables } from '../runs/kept-run-rows.js';

export const EVIDENCE_RUNS: RunTables = { runs: 'evidence_runs', pieces: 'evidence_run_pieces', isKept: 'true' };

/** A bundle that is made and kept. Sequences and counts are decimal strings, hashes lower-case hex, times RFC 3339. */
export interface StoredRun {
  id: string;
  ledger: string;
  /** as in the bundle's manifest */
  asked: JsonObject;
  contents: boolean;
  envelopes: boolean;
  as_of: string;
  made_by: string;
  status: RunStatus;
  /** lines of events in the bundle */
  rows: string | null;
  bytes: string;
  sha256: string | null;
  pieces: number;
  error: string | null;
  requested_by: string;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  expires_at: string | null;
}

const time = (column: string): string =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS ${column}`;

/** Of the ids that were asked for, in a list: of a thousand runs all of them could be 200 MB. */
export const LISTED_IDS = 10;

const COLUMNS = columnsWith('asked');
const LISTED_COLUMNS = columnsWith(
  `CASE WHEN asked ? 'event_ids'
        THEN jsonb_set(asked, '{event_ids}', jsonb_path_query_array(asked, '$.event_ids[0 to ${LISTED_IDS - 1}]'))
        ELSE asked END AS asked`,
);

function columnsWith(asked: string): string {
  return `id, ledger, ${asked}, contents, envelopes, as_of, made_by, status, rows, bytes,
  encode(sha256, 'hex') AS sha256, pieces, error, requested_by,
  ${['created_at', 'started_at', 'finished_at', 'expires_at'].map(time).join(', ')}`;
}

/** As pg gives it: jsonb is text. */
type Row = Omit<StoredRun, 'asked'> & { asked: string };

function runOf(row: Row): StoredRun {
  return { ...row, asked: readJson(row.asked) as JsonObject };
}

export interface NewRun {
  id: string;
  ledger: string;
  asked: JsonObject;
  contents: boolean;
  envelopes: boolean;
  asOf: bigint;
  madeBy: string;
  requestedBy: string;
}

export async function insertRun(pool: pg.Pool, run: NewRun): Promise<StoredRun> {
  const { rows } = await pool.query<Row>(
    `INSERT INTO evidence_runs (id, ledger, asked, contents, envelopes, as_of, made_by, requested_by, status, created_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'queued', trail_now())
       RETURNING ${COLUMNS}`,
    [
      run.id,
      run.ledger,
      JSON.stringify(run.asked),
      run.contents,
      run.envelopes,
      String(run.asOf),
      run.madeBy,
      run.requestedBy,
    ],
  );
  return runOf(rows[0]!);
}

export async function findRun(
  pool: pg.Pool,
  { ledger, id }: Pick<StoredRun, 'ledger' | 'id'>,
): Promise<StoredRun | undefined> {
  const { rows } = await pool.query<Row>(`SELECT ${COLUMNS} FROM evidence_runs WHERE ledger = $1 AND id = $2`, [
    ledger,
    id,
  ]);
  return rows[0] && runOf(rows[0]);
}

/** The latest ones first, with LISTED_IDS of the ids that each asked for. */
export async function listRuns(pool: pg.Pool, ledger: string, limit: number): Promise<StoredRun[]> {
  const { rows } = await pool.query<Row>(
    `SELECT ${LISTED_COLUMNS} FROM evidence_runs AS r WHERE ledger = $1 ORDER BY r.created_at DESC, id DESC LIMIT $2`,
    [ledger, limit],
  );
  return rows.map(runOf);
}

/** As takeRun of all runs that are kept. */
export async function takeRun(pool: pg.Pool, runner: string, silentMs: number): Promise<StoredRun | undefined> {
  const row = await kept.takeRun<Row>(pool, EVIDENCE_RUNS, COLUMNS, runner, silentMs);
  return row && runOf(row);
}
