import type pg from 'pg';
import { readJson, type JsonObject } from '../integrity/strict-json.js';

export type JobRunStatus = 'queued' | 'running' | 'done' | 'failed';

/** A run of a job. Times are RFC 3339. */
export interface JobRun {
  id: string;
  job: string;
  status: JobRunStatus;
  requested_by: string;
  /** null when it was asked for */
  scheduled_for: string | null;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  outcome: JsonObject | null;
}

const time = (column: string): string =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS ${column}`;
const COLUMNS = `id, job, status, requested_by, ${time('scheduled_for')}, ${time('created_at')},
  ${time('started_at')}, ${time('finished_at')}, outcome`;

type Row = Omit<JobRun, 'outcome'> & { outcome: string | null };

function runOf(row: Row): JobRun {
  return { ...row, outcome: row.outcome === null ? null : (readJson(row.outcome) as JsonObject) };
}

const fromMs = (parameter: string): string => `timestamptz 'epoch' + ${parameter} * interval '1 millisecond'`;

export async function insertQueuedRun(pool: pg.Pool, id: string, job: string, requestedBy: string): Promise<JobRun> {
  const { rows } = await pool.query<Row>(
    `INSERT INTO job_runs (id, job, status, requested_by, created_at) VALUES ($1, $2, 'queued', $3, trail_now())
       RETURNING ${COLUMNS}`,
    [id, job, requestedBy],
  );
  return runOf(rows[0]!);
}

export async function findRun(pool: pg.Pool, job: string, id: string): Promise<JobRun | undefined> {
  const { rows } = await pool.query<Row>(`SELECT ${COLUMNS} FROM job_runs WHERE job = $1 AND id = $2`, [job, id]);
  return rows[0] && runOf(rows[0]);
}

/** The latest ones first. */
export async function listRuns(pool: pg.Pool, job: string, limit: number): Promise<JobRun[]> {
  const { rows } = await pool.query<Row>(
    `SELECT ${COLUMNS} FROM job_runs AS r WHERE job = $1 ORDER BY r.created_at DESC, id DESC LIMIT $2`,
    [job, limit],
  );
  return rows.map(runOf);
}

/** Clocks of database and service are never that far apart. */
const CLOCKS_APART = '1 day';

/**
 * The time of its schedule, in ms, up to which a job has been run, as of `dueMs`; without a run, when the installation was
 * made: what was due before that is not made up for. What is dated past `dueMs`, and an installation of tomorrow, are
 * left out: a clock that ran ahead, or somebody who can write here, would otherwise have the job run no more until then.
 */
export async function lastScheduledMs(pool: pg.Pool, job: string, dueMs: number): Promise<number> {
  const { rows } = await pool.query<{ ms: string }>(
    `SELECT (extract(epoch FROM coalesce(
         (SELECT max(scheduled_for) FROM job_runs WHERE job = $1 AND scheduled_for <= ${fromMs('$2::bigint')}),
         (SELECT created_at FROM deployment WHERE created_at <= ${fromMs('$3::bigint')} + interval '${CLOCKS_APART}'),
         timestamptz 'epoch'
       )) * 1000)::bigint AS ms`,
    [job, dueMs, Date.now()],
  );
  return Number(rows[0]!.ms);
}

/** Whether runs of a job wait, and whether one is said to be in progress, on whichever replica. */
export async function openRuns(pool: pg.Pool, job: string): Promise<{ queued: boolean; running: boolean }> {
  const { rows } = await pool.query<{ queued: boolean; running: boolean }>(
    `SELECT coalesce(bool_or(status = 'queued'), false) AS queued, coalesce(bool_or(status = 'running'), false) AS running
       FROM job_runs WHERE job = $1 AND status IN ('queued', 'running')`,
    [job],
  );
  return rows[0]!;
}

/** The jobs that have such runs. */
export async function jobsWithOpenRuns(pool: pg.Pool): Promise<string[]> {
  const { rows } = await pool.query<{ job: string }>(
    `SELECT DISTINCT job FROM job_runs WHERE status IN ('queued', 'running')`,
  );
  return rows.map((row) => row.job);
}

/** Of the job's last run that ended well; what is dated in the future speaks for none. */
export async function lastOutcome(pool: pg.Pool, job: string): Promise<JsonObject | undefined> {
  const { rows } = await pool.query<{ outcome: string }>(
    `SELECT outcome FROM job_runs WHERE job = $1 AND status = 'done' AND created_at <= trail_now()
       ORDER BY created_at DESC LIMIT 1`,
    [job],
  );
  return rows[0] && (readJson(rows[0].outcome) as JsonObject);
}

/** Asks for a run unless one waits already; for what every replica asks for when it starts. */
export async function ensureQueuedRun(pool: pg.Pool, id: string, job: string, requestedBy: string): Promise<void> {
  await pool.query(
    `INSERT INTO job_runs (id, job, status, requested_by, created_at)
       SELECT $1, $2, 'queued', $3, trail_now()
         WHERE NOT EXISTS (SELECT FROM job_runs WHERE job = $2 AND status = 'queued')`,
    [id, job, requestedBy],
  );
}

/** Adds a run for a time of its schedule; nothing when there is one already, made by any replica. */
export async function insertScheduledRun(
  pool: pg.Pool,
  id: string,
  job: string,
  scheduledMs: number,
  requestedBy: string,
): Promise<void> {
  await pool.query(
    `INSERT INTO job_runs (id, job, status, requested_by, scheduled_for, created_at)
       VALUES ($1, $2, 'queued', $3, ${fromMs('$4::bigint')}, trail_now())
       ON CONFLICT ON CONSTRAINT job_runs_scheduled_for_key DO NOTHING`,
    [id, job, requestedBy, scheduledMs],
  );
}

/** The run that has waited longest, as one that runs. To be called by the holder of the job's lock alone. */
export async function startNextRun(pool: pg.Pool, job: string): Promise<JobRun | undefined> {
  const { rows } = await pool.query<Row>(
    `UPDATE job_runs AS r SET status = 'running', started_at = trail_now()
       WHERE id = (SELECT id FROM job_runs WHERE job = $1 AND status = 'queued' ORDER BY created_at, id LIMIT 1)
       RETURNING ${COLUMNS}`,
    [job],
  );
  return rows[0] && runOf(rows[0]);
}

/** Marks what the job's last holder left running as failed, and returns how many. For the holder of the lock alone. */
export async function failAbandonedRuns(pool: pg.Pool, job: string, outcome: JsonObject): Promise<number> {
  const { rowCount } = await pool.query(
    `UPDATE job_runs SET status = 'failed', finished_at = trail_now(), outcome = $2 WHERE job = $1 AND status = 'running'`,
    [job, JSON.stringify(outcome)],
  );
  return rowCount ?? 0;
}

export async function finishRun(
  pool: pg.Pool,
  id: string,
  status: 'done' | 'failed',
  outcome: JsonObject,
): Promise<void> {
  await pool.query(
    `UPDATE job_runs SET status = $2, finished_at = trail_now(), outcome = $3 WHERE id = $1 AND status = 'running'`,
    [id, status, JSON.stringify(outcome)],
  );
}

/** Puts a run back that was stopped, to be run again. */
export async function requeueRun(pool: pg.Pool, id: string): Promise<void> {
  await pool.query(`UPDATE job_runs SET status = 'queued', started_at = NULL WHERE id = $1 AND status = 'running'`, [
    id,
  ]);
}

/** Forgets what these jobs did long ago, as the owner's function has it; how many runs. */
export async function forgetRuns(pool: pg.Pool, jobs: readonly string[]): Promise<number> {
  const { rows } = await pool.query<{ forgotten: number }>('SELECT forget_job_runs($1)::integer AS forgotten', [jobs]);
  return rows[0]!.forgotten;
}

/** How long ago a run of each job last ended well; where none did, how long ago the installation was made. */
export async function successAges(
  pool: pg.Pool,
  jobs: readonly string[],
): Promise<{ job: string; age_seconds: number }[]> {
  const { rows } = await pool.query<{ job: string; age_seconds: number }>(
    `SELECT j.job, extract(epoch FROM trail_now() - coalesce(
         (SELECT finished_at FROM job_runs AS r WHERE r.job = j.job AND r.status = 'done' AND finished_at <= trail_now()
            ORDER BY finished_at DESC LIMIT 1),
         (SELECT created_at FROM deployment), trail_now()))::float8 AS age_seconds
       FROM unnest($1::text[]) AS j (job)`,
    [jobs],
  );
  return rows;
}
