import type pg from 'pg';
import { readJson, type JsonObject } from '../integrity/strict-json.js';

/** What the findings are of: a ledger that was verified, or a job that verifies something. */
export type Subject = { ledger: string; job: null } | { ledger: null; job: string };

/** Counts are decimal strings, times RFC 3339. */
export type Acknowledgement = Subject & {
  id: string;
  run: string;
  findings: JsonObject[];
  findings_total: string;
  reason: string;
  acknowledged_by: string;
  acknowledged_at: string;
};

const COLUMNS = `id, ledger, job, run, findings, findings_total, reason, acknowledged_by,
  to_char(acknowledged_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS acknowledged_at`;

type Row = Omit<Acknowledgement, 'findings'> & { findings: string };

function acknowledgementOf(row: Row): Acknowledgement {
  return { ...row, findings: readJson(row.findings) as unknown as JsonObject[] } as Acknowledgement;
}

export async function insertAcknowledgement(
  pool: pg.Pool,
  { id, ledger, job, run, findings, findings_total, reason, acknowledged_by }: Omit<Acknowledgement, 'acknowledged_at'>,
): Promise<Acknowledgement> {
  const { rows } = await pool.query<Row>(
    `INSERT INTO finding_acknowledgements
         (id, ledger, job, run, findings, findings_total, reason, acknowledged_by, acknowledged_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, trail_now())
       RETURNING ${COLUMNS}`,
    [id, ledger, job, run, JSON.stringify(findings), findings_total, reason, acknowledged_by],
  );
  return acknowledgementOf(rows[0]!);
}

/** The latest ones first; `before` is the last one of the page before. */
export async function listAcknowledgements(
  pool: pg.Pool,
  before: string | undefined,
  limit: number,
): Promise<Acknowledgement[]> {
  const { rows } = await pool.query<Row>(
    `SELECT ${COLUMNS} FROM finding_acknowledgements
       WHERE ($1::uuid IS NULL OR id < $1) ORDER BY id DESC LIMIT $2`,
    [before ?? null, limit],
  );
  return rows.map(acknowledgementOf);
}

/** A finding of a verification of the archive that is one of the store's, not of the object. */
export const UNREADABLE = 'object-unreadable';

/**
 * Of each job that verifies something, how many findings nobody has acknowledged: of its last run that ended well, or of
 * one that failed after it and had found more by then. What could not be read is no finding here: it has an alarm of its
 * own, which ends when it can be.
 */
export async function unacknowledgedOfJobs(
  pool: pg.Pool,
  jobs: readonly string[],
): Promise<{ job: string; findings: string }[]> {
  const { rows } = await pool.query<{ job: string; findings: string }>(
    `SELECT j.job,
            max(CASE WHEN last.total = 0 OR EXISTS (
              SELECT FROM finding_acknowledgements AS a
                WHERE a.job = j.job AND a.findings_total = last.all_of_them AND a.findings = last.findings
                  AND last.all_of_them < ${MOST_COUNTED}) THEN 0
            ELSE last.total - (
              SELECT count(*) FROM jsonb_array_elements(last.findings) AS f (finding)
                WHERE f.finding ->> 'kind' IS DISTINCT FROM '${UNREADABLE}' AND EXISTS (
                  SELECT FROM finding_acknowledgements AS a CROSS JOIN LATERAL jsonb_array_elements(a.findings) AS k (known)
                    WHERE a.job = j.job AND k.known = f.finding)) END) AS findings
       FROM unnest($1::text[]) AS j (job)
       CROSS JOIN LATERAL (
         SELECT coalesce(max(r.created_at), '-infinity') AS created_at FROM job_runs AS r
           WHERE r.job = j.job AND r.status = 'done' AND r.created_at <= trail_now()) AS done
       CROSS JOIN LATERAL (
         SELECT outcome FROM job_runs AS r
           WHERE r.job = j.job AND r.created_at >= done.created_at AND r.created_at <= trail_now()
             AND (r.status = 'done' OR (r.status = 'failed' AND r.outcome ? 'verdict'))
           ORDER BY r.created_at DESC LIMIT ${RUNS_LOOKED_AT}) AS run
       CROSS JOIN LATERAL (
         SELECT coalesce(run.outcome -> 'findings', '[]') AS findings, (run.outcome ->> 'findings_total')::bigint AS all_of_them,
                (run.outcome ->> 'findings_total')::bigint - coalesce((run.outcome ->> 'unreadable')::bigint, 0) AS total) AS last
       WHERE last.total IS NOT NULL AND run.outcome ? 'verdict'
       GROUP BY j.job`,
    [jobs],
  );
  return rows;
}

/** A job that fails again and again: what its last runs found is enough to tell of. */
const RUNS_LOOKED_AT = 100;
/** Verifiers that stop at so many do not know how many there are: the next one could not be told from these. */
const MOST_COUNTED = 1_000;
