import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What jobs did is kept for 90 days, and of each job its last 1,000 runs: those that run each minute would fill a table
 * of their own size in some years, and every scrape asks it. The service may not say otherwise. Makes an index on
 * job_runs: on an installation of years that takes seconds, in which no job begins or ends a run.
 */
export class ForgetJobRuns1797379200000 implements MigrationInterface {
  name = 'ForgetJobRuns1797379200000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE INDEX job_runs_done_idx ON job_runs (job, finished_at DESC) WHERE status = 'done'`);
    await runner.query(`
      CREATE FUNCTION forget_job_runs(p_jobs text[]) RETURNS bigint
        LANGUAGE sql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
          WITH old AS (
            SELECT r.id
              FROM unnest(p_jobs) AS j (job)
              CROSS JOIN LATERAL (
                SELECT created_at FROM job_runs WHERE job = j.job ORDER BY created_at DESC OFFSET 1000 LIMIT 1) AS last
              JOIN job_runs AS r ON r.job = j.job AND r.created_at <= last.created_at
              WHERE r.finished_at < trail_now() - interval '90 days' AND r.created_at < trail_now() - interval '90 days'
              LIMIT 50000),
          forgotten AS (DELETE FROM job_runs USING old WHERE job_runs.id = old.id RETURNING 1)
          SELECT count(*) FROM forgotten
        $$`);
    await runner.query(
      `COMMENT ON FUNCTION forget_job_runs(text[]) IS 'Forgets runs of these jobs that ended 90 days ago or earlier, but of each job its last 1,000; at most 50,000 at a time'`,
    );
    await runner.query('REVOKE ALL ON FUNCTION forget_job_runs(text[]) FROM PUBLIC');
    await runner.query('GRANT EXECUTE ON FUNCTION forget_job_runs(text[]) TO truetrail_service');
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }
}
