import type pg from 'pg';

/**
 * Runs whose answers are kept in pieces, of one kind: their tables, which have these columns in common: of runs id,
 * status, runner, attempts, rows, bytes, sha256, pieces, packed_bytes, error, created_at, started_at, progress_at,
 * finished_at, expires_at; of pieces run, piece, bytes. All are names in SQL, never anything that came from outside.
 */
export interface RunTables {
  readonly runs: 'report_runs' | 'evidence_runs' | 'reporting_runs';
  readonly pieces: 'report_run_pieces' | 'evidence_run_pieces' | 'reporting_run_pieces';
  /** of a run, whether its answer is kept */
  readonly isKept: 'is_kept' | 'true';
}

export type RunStatus = 'queued' | 'running' | 'done' | 'failed' | 'cancelled' | 'expired';

/** Of one principal, in all ledgers, that are not over: more would keep others waiting and fill the room that they share. */
export const MAX_OPEN_RUNS = 20;

/** How many runs of a principal wait or are being made. */
export async function countOpenRuns(pool: pg.Pool, { runs, isKept }: RunTables, principal: string): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    `SELECT count(*)::integer AS count FROM ${runs}
       WHERE ${isKept} AND requested_by = $1 AND status IN ('queued', 'running')`,
    [principal],
  );
  return rows[0]!.count;
}

/** Whether one that was put back for a reason may be begun again: 5 s after the first, then each time after four times as long. */
const HAS_WAITED = `coalesce(progress_at < trail_now() - 5 * power(4, attempts - 1) * interval '1 second', true)`;

/**
 * Gives this replica the run to be kept that has waited longest, of principals in turn: a new one, or one whose replica has been silent for so
 * long that it must have died. What was made of it is thrown away. Undefined when there is none. `columns` are what comes.
 */
export async function takeRun<Row extends pg.QueryResultRow>(
  database: pg.Pool | pg.ClientBase,
  { runs, pieces, isKept }: RunTables,
  columns: string,
  runner: string,
  silentMs: number,
): Promise<Row | undefined> {
  const { rows } = await database.query<Row>(
    `WITH taken AS (
       SELECT id FROM ${runs} AS next
         WHERE ${isKept}
           AND (status = 'queued' AND (error IS NULL OR ${HAS_WAITED})
                OR status = 'running' AND progress_at < trail_now() - $2 * interval '1 millisecond')
         ORDER BY (SELECT count(*) FROM ${runs} AS earlier
                     WHERE ${isKept} AND earlier.requested_by = next.requested_by
                       AND earlier.status IN ('queued', 'running') AND earlier.created_at < next.created_at),
                  created_at
         LIMIT 1 FOR UPDATE SKIP LOCKED
     ), emptied AS (
       DELETE FROM ${pieces} WHERE run IN (SELECT id FROM taken)
     )
     UPDATE ${runs} AS r
       SET status = 'running', runner = $1, attempts = r.attempts + 1,
           started_at = coalesce(r.started_at, trail_now()), progress_at = trail_now(),
           pieces = 0, packed_bytes = 0, bytes = 0
       WHERE id IN (SELECT id FROM taken)
       RETURNING ${columns}`,
    [runner, silentMs],
  );
  return rows[0];
}

const EXHAUSTED = `attempts >= $1
  AND (status = 'queued' OR status = 'running' AND progress_at < trail_now() - $2 * interval '1 millisecond')`;

/** The ids of those that `endExhausted` ends. */
export async function listExhausted(
  pool: pg.Pool,
  { runs, isKept }: RunTables,
  most: number,
  silentMs: number,
): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(`SELECT id FROM ${runs} WHERE ${isKept} AND ${EXHAUSTED}`, [
    most,
    silentMs,
  ]);
  return rows.map(({ id }) => id);
}

/**
 * Ends as failed what was begun so many times and never came to an end: what takes its replica down would do so for ever,
 * and whatever was asked for later would wait for it. With why it was put back last, where it was, and what
 * counts of it all the same. False where it is none any more.
 */
export async function endExhausted(
  pool: pg.Pool,
  { runs, pieces, isKept }: RunTables,
  run: { id: string; counts: string },
  most: number,
  silentMs: number,
): Promise<boolean> {
  const { rowCount } = await pool.query(
    `WITH ended AS (
       UPDATE ${runs}
         SET status = 'failed',
             error = 'it was begun ' || attempts || ' times, and '
               || coalesce('came to no end: ' || error, 'each time its replica ended before it was made') || $4,
             runner = NULL, finished_at = trail_now(), pieces = 0, packed_bytes = 0, bytes = 0
         WHERE ${isKept} AND ${EXHAUSTED} AND id = $3
         RETURNING id
     ), emptied AS (
       DELETE FROM ${pieces} WHERE run IN (SELECT id FROM ended)
     )
     SELECT id FROM ended`,
    [most, silentMs, run.id, run.counts],
  );
  return rowCount === 1;
}

/** Signs of life of all that this replica has under way, or of one of its runs. */
export async function keepAlive(pool: pg.Pool, { runs }: RunTables, runner: string, id?: string): Promise<void> {
  await pool.query(
    `UPDATE ${runs} SET progress_at = trail_now()
       WHERE runner = $1 AND status = 'running' AND ($2::uuid IS NULL OR id = $2)`,
    [runner, id ?? null],
  );
}

/** Keeps the next piece of an answer. False when the run is not this replica's any more. */
export async function keepPiece(
  pool: pg.Pool,
  { runs, pieces }: RunTables,
  id: string,
  runner: string,
  piece: { number: number; packed: Buffer; bytesSoFar: number },
): Promise<boolean> {
  const { rowCount } = await pool.query(
    `WITH run AS (
       UPDATE ${runs}
         SET pieces = $3, packed_bytes = packed_bytes + octet_length($4::bytea), bytes = $5, progress_at = trail_now()
         WHERE id = $1 AND runner = $2 AND status = 'running'
         RETURNING id
     )
     INSERT INTO ${pieces} (run, piece, bytes) SELECT id, $3, $4 FROM run`,
    [id, runner, piece.number, piece.packed, piece.bytesSoFar],
  );
  return rowCount === 1;
}

export async function readPiece(
  pool: pg.Pool,
  { pieces }: RunTables,
  id: string,
  piece: number,
): Promise<Buffer | undefined> {
  const { rows } = await pool.query<{ bytes: Buffer }>(`SELECT bytes FROM ${pieces} WHERE run = $1 AND piece = $2`, [
    id,
    piece,
  ]);
  return rows[0]?.bytes;
}

/** What all kept answers of this kind take, packed, in bytes. */
export async function keptBytes(pool: pg.Pool, { runs, isKept }: RunTables): Promise<number> {
  const { rows } = await pool.query<{ bytes: string }>(
    `SELECT coalesce(sum(packed_bytes), 0) AS bytes FROM ${runs} WHERE ${isKept} AND status IN ('running', 'done')`,
  );
  return Number(rows[0]!.bytes);
}

/** Throws away what this replica has kept of an answer that stands elsewhere. */
export async function dropPieces(
  pool: pg.Pool,
  { runs, pieces }: RunTables,
  id: string,
  runner: string,
): Promise<void> {
  await pool.query(
    `WITH emptied AS (
       UPDATE ${runs} SET pieces = 0, packed_bytes = 0 WHERE id = $1 AND runner = $2 AND status = 'running' RETURNING id
     )
     DELETE FROM ${pieces} WHERE run IN (SELECT id FROM emptied)`,
    [id, runner],
  );
}

/**
 * False when the run is not this replica's any more. `keepMs` is how long a kept answer can be fetched; undefined for one
 * that stands elsewhere, and stays there.
 */
export async function finishRun(
  pool: pg.Pool,
  { runs, isKept }: RunTables,
  id: string,
  runner: string,
  { rows, bytes, sha256, keepMs }: { rows: number; bytes: number; sha256: Buffer; keepMs: number | undefined },
): Promise<boolean> {
  const { rowCount } = await pool.query(
    `UPDATE ${runs}
       SET status = 'done', error = NULL, runner = NULL, rows = $3, bytes = $4, sha256 = $5, finished_at = trail_now(),
           expires_at = CASE WHEN ${isKept} THEN trail_now() + $6 * interval '1 millisecond' END
       WHERE id = $1 AND runner = $2 AND status = 'running'`,
    [id, runner, rows, bytes, sha256, keepMs ?? null],
  );
  return rowCount === 1;
}

/** Ends a run of this replica without an answer: `failed` with what went wrong, or `cancelled`. */
export async function endRun(
  pool: pg.Pool,
  { runs, pieces, isKept }: RunTables,
  id: string,
  runner: string,
  { status, error, bytes }: { status: 'failed' | 'cancelled'; error: string; bytes: number },
): Promise<void> {
  await pool.query(
    `WITH ended AS (
       UPDATE ${runs}
         SET status = $3, error = $4, runner = NULL, finished_at = trail_now(), pieces = 0, packed_bytes = 0,
             bytes = CASE WHEN ${isKept} THEN 0 ELSE $5::bigint END
         WHERE id = $1 AND runner = $2 AND status = 'running'
         RETURNING id
     )
     DELETE FROM ${pieces} WHERE run IN (SELECT id FROM ended)`,
    [id, runner, status, error, bytes],
  );
}

/**
 * Puts a run back, for another replica or the next start to begin again. `isAttempt`: it may be the reason itself. `why`: what it
 * fails with, if it comes to that; then others go first for a while.
 */
export async function requeueRun(
  pool: pg.Pool,
  { runs }: RunTables,
  id: string,
  runner: string,
  { isAttempt, why }: { isAttempt: boolean; why?: string },
): Promise<void> {
  await pool.query(
    `UPDATE ${runs}
       SET status = 'queued', runner = NULL, attempts = attempts - $3, error = coalesce($4, error), progress_at = trail_now()
       WHERE id = $1 AND runner = $2 AND status = 'running'`,
    [id, runner, isAttempt ? 0 : 1, why ?? null],
  );
}

/** Cancels a run to be kept that is not over; nothing else changes. */
export async function cancelRun(pool: pg.Pool, { runs, pieces, isKept }: RunTables, id: string): Promise<void> {
  await pool.query(
    `WITH ended AS (
       UPDATE ${runs}
         SET status = 'cancelled', runner = NULL, finished_at = trail_now(), pieces = 0, packed_bytes = 0, bytes = 0
         WHERE id = $1 AND ${isKept} AND status IN ('queued', 'running')
         RETURNING id
     )
     DELETE FROM ${pieces} WHERE run IN (SELECT id FROM ended)`,
    [id],
  );
}

/** Throws a kept answer away before its time; what the run says of it stays. Nothing else changes. */
export async function discardAnswer(pool: pg.Pool, { runs, pieces, isKept }: RunTables, id: string): Promise<void> {
  await pool.query(
    `WITH discarded AS (
       UPDATE ${runs}
         SET status = 'expired', expires_at = trail_now(), pieces = 0, packed_bytes = 0
         WHERE id = $1 AND ${isKept} AND status = 'done'
         RETURNING id
     )
     DELETE FROM ${pieces} WHERE run IN (SELECT id FROM discarded)`,
    [id],
  );
}

/** Throws away answers whose time is over, and pieces that belong to none. How many answers. */
export async function expireRuns(pool: pg.Pool, { runs, pieces }: RunTables): Promise<number> {
  const { rowCount } = await pool.query(
    `UPDATE ${runs} SET status = 'expired', pieces = 0, packed_bytes = 0
       WHERE status = 'done' AND expires_at <= trail_now()`,
  );
  await pool.query(
    `DELETE FROM ${pieces} AS p USING ${runs} AS r
       WHERE r.id = p.run AND r.status NOT IN ('running', 'done')`,
  );
  return rowCount ?? 0;
}
