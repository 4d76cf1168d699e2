import type pg from 'pg';
import type { DeletedRange } from '../archive/deleted-ranges.js';
import { readJson } from '../integrity/strict-json.js';
import type { RecordedFinding } from './findings.js';
import type { Unread, Verdict } from './range-verification.js';

export type VerificationStatus = 'queued' | 'running' | 'done' | 'failed' | 'cancelled';

/** A run of verification. Sequences and counts are decimal strings, times RFC 3339. Both ends of the range are included. */
export interface Verification {
  id: string;
  ledger: string;
  from_sequence: string;
  to_sequence: string;
  to_head: boolean;
  status: VerificationStatus;
  verdict: Verdict | null;
  next_sequence: string;
  checked: string;
  findings: RecordedFinding[];
  findings_total: string;
  unread: Unread[];
  deleted: DeletedRange[];
  error: string | null;
  requested_by: string;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
}

const time = (column: string): string =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS ${column}`;

const COLUMNS = `id, ledger, from_sequence, to_sequence, to_head, status, verdict, next_sequence, checked,
  findings, findings_total, unread, deleted, error, requested_by,
  ${time('created_at')}, ${time('started_at')}, ${time('finished_at')}`;

/** As pg gives it: jsonb is text. */
type Row = Omit<Verification, 'findings' | 'unread' | 'deleted'> & Record<'findings' | 'unread' | 'deleted', string>;

function verificationOf(row: Row): Verification {
  return {
    ...row,
    findings: readJson(row.findings) as unknown as RecordedFinding[],
    unread: readJson(row.unread) as unknown as Unread[],
    deleted: readJson(row.deleted) as unknown as DeletedRange[],
  };
}

export interface NewVerification {
  id: string;
  ledger: string;
  from: bigint;
  to: bigint;
  toHead: boolean;
  requestedBy: string;
  /** the run of the daily job that asks for it */
  jobRun: string | null;
}

export async function insertVerification(pool: pg.Pool, run: NewVerification): Promise<Verification> {
  const { rows } = await pool.query<Row>(
    `INSERT INTO verifications (id, ledger, from_sequence, to_sequence, to_head, status, next_sequence, requested_by, job_run, created_at)
       VALUES ($1, $2, $3, $4, $5, 'queued', $3, $6, $7, trail_now())
       RETURNING ${COLUMNS}`,
    [run.id, run.ledger, String(run.from), String(run.to), run.toHead, run.requestedBy, run.jobRun],
  );
  return verificationOf(rows[0]!);
}

export async function findVerification(pool: pg.Pool, ledger: string, id: string): Promise<Verification | undefined> {
  const { rows } = await pool.query<Row>(`SELECT ${COLUMNS} FROM verifications WHERE ledger = $1 AND id = $2`, [
    ledger,
    id,
  ]);
  return rows[0] && verificationOf(rows[0]);
}

/** The latest ones first. */
export async function listVerifications(pool: pg.Pool, ledger: string, limit: number): Promise<Verification[]> {
  const { rows } = await pool.query<Row>(
    `SELECT ${COLUMNS} FROM verifications AS v WHERE ledger = $1 ORDER BY v.created_at DESC, id DESC LIMIT $2`,
    [ledger, limit],
  );
  return rows.map(verificationOf);
}

/** Whether any that a run of the daily job asked for is not over. */
export async function hasOpenVerifications(pool: pg.Pool, jobRun: string): Promise<boolean> {
  const { rows } = await pool.query(
    `SELECT 1 FROM verifications WHERE status IN ('queued', 'running') AND job_run = $1 LIMIT 1`,
    [jobRun],
  );
  return rows.length > 0;
}

/** Those that a run of the daily job asked for. */
export async function listVerificationsOfJob(pool: pg.Pool, jobRun: string): Promise<Verification[]> {
  const { rows } = await pool.query<Row>(`SELECT ${COLUMNS} FROM verifications WHERE job_run = $1 ORDER BY ledger`, [
    jobRun,
  ]);
  return rows.map(verificationOf);
}

/** Who asked for a run: somebody who waits for it, or the daily job. */
export type Origin = 'request' | 'job';

/**
 * Gives this replica the run that has waited longest: a new one, or one whose replica has been silent for so long that
 * it must have died. Undefined when there is none.
 */
export async function takeVerification(
  pool: pg.Pool,
  runner: string,
  origin: Origin,
  silentMs: number,
): Promise<Verification | undefined> {
  const { rows } = await pool.query<Row>(
    `UPDATE verifications AS v
       SET status = 'running', runner = $1, started_at = coalesce(v.started_at, trail_now()), progress_at = trail_now()
       WHERE id = (
         SELECT id FROM verifications
           WHERE (status = 'queued' OR status = 'running' AND progress_at < trail_now() - $2 * interval '1 millisecond')
             AND (job_run IS NOT NULL) = $3
           ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
       RETURNING ${COLUMNS}`,
    [runner, silentMs, origin === 'job'],
  );
  return rows[0] && verificationOf(rows[0]);
}

/** What is kept of a run under way. */
export interface KeptProgress {
  next: bigint;
  checked: bigint;
  findings: { readonly listed: readonly RecordedFinding[]; readonly total: number };
  unread: readonly Unread[];
}

const PROGRESS = `next_sequence = $3, checked = $4, findings = $5, findings_total = $6, unread = $7, progress_at = trail_now()`;

function progressValues(progress: KeptProgress): unknown[] {
  const { next, checked, findings, unread } = progress;
  return [String(next), String(checked), JSON.stringify(findings.listed), findings.total, JSON.stringify(unread)];
}

/** False when the run is not this replica's any more: cancelled, or taken up by another. */
export async function keepProgress(
  pool: pg.Pool,
  id: string,
  runner: string,
  progress: KeptProgress,
): Promise<boolean> {
  const { rowCount } = await pool.query(
    `UPDATE verifications SET ${PROGRESS} WHERE id = $1 AND runner = $2 AND status = 'running'`,
    [id, runner, ...progressValues(progress)],
  );
  return rowCount === 1;
}

/** Puts a run back, for another replica or the next start to go on with. */
export async function requeueVerification(
  pool: pg.Pool,
  id: string,
  runner: string,
  progress: KeptProgress,
): Promise<void> {
  await pool.query(
    `UPDATE verifications SET ${PROGRESS}, status = 'queued', runner = NULL
       WHERE id = $1 AND runner = $2 AND status = 'running'`,
    [id, runner, ...progressValues(progress)],
  );
}

/** False when the run is not this replica's any more. */
export async function finishVerification(
  pool: pg.Pool,
  id: string,
  runner: string,
  end: KeptProgress & { verdict: Verdict; error: string | null; deleted: readonly DeletedRange[] },
): Promise<boolean> {
  const { rowCount } = await pool.query(
    `UPDATE verifications
       SET ${PROGRESS}, status = 'done', verdict = $8, error = $9, deleted = $10, runner = NULL, finished_at = trail_now()
       WHERE id = $1 AND runner = $2 AND status = 'running'`,
    [id, runner, ...progressValues(end), end.verdict, end.error, JSON.stringify(end.deleted)],
  );
  return rowCount === 1;
}

export async function failVerification(
  pool: pg.Pool,
  id: string,
  runner: string,
  progress: KeptProgress,
  error: string,
): Promise<void> {
  const values = [id, runner, ...progressValues(progress), error];
  await pool.query(
    `UPDATE verifications SET ${PROGRESS}, status = 'failed', error = $${values.length}, runner = NULL, finished_at = trail_now()
       WHERE id = $1 AND runner = $2 AND status = 'running'`,
    values,
  );
}

/** Cancels a run that is not over; nothing else changes. */
export async function cancelVerification(pool: pg.Pool, ledger: string, id: string): Promise<void> {
  await pool.query(
    `UPDATE verifications SET status = 'cancelled', runner = NULL, finished_at = trail_now()
       WHERE ledger = $1 AND id = $2 AND status IN ('queued', 'running')`,
    [ledger, id],
  );
}

export interface LastVerification {
  ledger: string;
  /** of a ledger that was closed with something missing: whether it came to the same as the first one after that; null of an open one */
  as_closed: boolean | null;
  verdict: Verdict;
  findings_total: string;
  /** of the findings those that nobody has acknowledged */
  unacknowledged: string;
  /** whether a run that came to the very same was acknowledged */
  is_acknowledged: boolean;
  /** ranges that could not be read */
  unread_ranges: number;
}

/** The last finished verification of each ledger as a whole. */
export async function lastWholeVerifications(pool: pg.Pool): Promise<LastVerification[]> {
  const { rows } = await pool.query<LastVerification>(
    `SELECT l.ledger, last.verdict, last.findings_total, jsonb_array_length(last.unread) AS unread_ranges,
            CASE WHEN last.findings_total = 0 OR EXISTS (
              SELECT FROM finding_acknowledgements AS a
                WHERE a.ledger = l.ledger AND a.findings_total = last.findings_total AND a.findings = last.findings) THEN 0
            ELSE last.findings_total - (
              SELECT count(*) FROM jsonb_array_elements(last.findings) AS f (finding)
                WHERE EXISTS (
                  SELECT FROM finding_acknowledgements AS a CROSS JOIN LATERAL jsonb_array_elements(a.findings) AS k (known)
                    WHERE a.ledger = l.ledger AND k.known = f.finding)) END AS unacknowledged,
            EXISTS (
              SELECT FROM finding_acknowledgements AS a JOIN verifications AS v ON v.id = a.run
                WHERE a.ledger = l.ledger
                  AND (v.verdict, v.to_sequence, v.findings_total, v.findings) = (last.verdict, last.to_sequence, last.findings_total, last.findings)) AS is_acknowledged,
            CASE WHEN l.state <> 'open' THEN coalesce((
              SELECT (v.verdict, v.to_sequence, v.findings_total, v.findings) = (last.verdict, last.to_sequence, last.findings_total, last.findings)
                FROM verifications AS v
                WHERE v.ledger = l.ledger AND v.status = 'done' AND v.to_head AND v.from_sequence = 1 AND v.verdict <> 'undecided'
                  AND v.created_at > (SELECT min(n.noted_at) FROM ledger_successions AS n WHERE n.predecessor = l.ledger)
                ORDER BY v.created_at LIMIT 1), true) END AS as_closed
       FROM ledgers AS l CROSS JOIN LATERAL (
         SELECT v.verdict, v.to_sequence, v.findings_total, v.findings, v.unread
           FROM verifications AS v
           WHERE v.ledger = l.ledger AND v.status = 'done' AND v.to_head AND v.from_sequence = 1
           ORDER BY v.created_at DESC LIMIT 1) AS last`,
  );
  return rows;
}

/**
 * For each ledger how long ago a verification of it as a whole finished; where none did, how long ago it was
 * made, if verifications are scheduled. Not of ledgers without events.
 */
export async function verificationAges(
  pool: pg.Pool,
  isScheduled: boolean,
): Promise<{ ledger: string; age_seconds: number }[]> {
  const { rows } = await pool.query<{ ledger: string; age_seconds: number }>(
    `SELECT l.ledger, extract(epoch FROM trail_now() - coalesce(last.finished_at, l.created_at))::float8 AS age_seconds
       FROM ledgers AS l JOIN ledger_heads AS h ON h.ledger = l.ledger AND h.size > 0
       LEFT JOIN LATERAL (
         SELECT v.finished_at FROM verifications AS v
           WHERE v.ledger = l.ledger AND v.status = 'done' AND v.to_head AND v.from_sequence = 1
           ORDER BY v.created_at DESC LIMIT 1) AS last ON true
       WHERE $1 OR last.finished_at IS NOT NULL`,
    [isScheduled],
  );
  return rows;
}
