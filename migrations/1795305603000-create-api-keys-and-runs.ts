import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What the service writes by itself and what is no part of the trail: API keys, runs of jobs, verifications. */
export class CreateApiKeysAndRuns1795305603000 implements MigrationInterface {
  name = 'CreateApiKeysAndRuns1795305603000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE api_keys (
        id uuid NOT NULL,
        name text NOT NULL,
        secret_hash bytea NOT NULL,
        scopes text[] COLLATE "C" NOT NULL,
        ledgers text[] COLLATE "C" NOT NULL,
        created_at timestamptz NOT NULL,
        created_by text COLLATE "C" NOT NULL,
        expires_at timestamptz,
        revoked_at timestamptz,
        revoked_by text COLLATE "C",
        CONSTRAINT api_keys_pkey PRIMARY KEY (id),
        CONSTRAINT api_keys_secret_hash_key UNIQUE (secret_hash),
        CONSTRAINT api_keys_secret_hash_check CHECK (octet_length(secret_hash) = 32),
        CONSTRAINT api_keys_name_check CHECK (length(name) BETWEEN 1 AND 100),
        CONSTRAINT api_keys_revoked_check CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
      )`);
    await runner.query(`COMMENT ON TABLE api_keys IS 'Who may call; the secret itself is never stored'`);
    await runner.query(`COMMENT ON COLUMN api_keys.secret_hash IS 'SHA-256 of the key'`);
    await runner.query(`COMMENT ON COLUMN api_keys.ledgers IS 'Slugs, or * for every ledger'`);

    await runner.query(`
      CREATE TABLE job_runs (
        id uuid NOT NULL,
        job text COLLATE "C" NOT NULL,
        status text COLLATE "C" NOT NULL,
        requested_by text COLLATE "C" NOT NULL,
        scheduled_for timestamptz,
        created_at timestamptz NOT NULL,
        started_at timestamptz,
        finished_at timestamptz,
        outcome jsonb,
        CONSTRAINT job_runs_pkey PRIMARY KEY (id),
        CONSTRAINT job_runs_scheduled_for_key UNIQUE (job, scheduled_for),
        CONSTRAINT job_runs_status_check CHECK (status IN ('queued', 'running', 'done', 'failed')),
        CONSTRAINT job_runs_finished_check CHECK ((status IN ('done', 'failed')) = (finished_at IS NOT NULL))
      )`);
    await runner.query(`COMMENT ON TABLE job_runs IS 'A row for each run of a job: what it did and how it ended'`);
    await runner.query(
      `COMMENT ON COLUMN job_runs.scheduled_for IS 'The time of its schedule for which it runs, once over all replicas; null when it was asked for'`,
    );
    await runner.query(`CREATE INDEX job_runs_job_idx ON job_runs (job, created_at DESC)`);
    await runner.query(`CREATE INDEX job_runs_open_idx ON job_runs (job) WHERE status IN ('queued', 'running')`);

    await runner.query(`
      CREATE TABLE verifications (
        id uuid NOT NULL,
        ledger text COLLATE "C" NOT NULL,
        from_sequence bigint NOT NULL,
        to_sequence bigint NOT NULL,
        to_head boolean NOT NULL,
        status text COLLATE "C" NOT NULL,
        verdict text COLLATE "C",
        next_sequence bigint NOT NULL,
        checked bigint NOT NULL DEFAULT 0,
        findings jsonb NOT NULL DEFAULT '[]',
        findings_total bigint NOT NULL DEFAULT 0,
        unread jsonb NOT NULL DEFAULT '[]',
        deleted jsonb NOT NULL DEFAULT '[]',
        error text,
        requested_by text COLLATE "C" NOT NULL,
        job_run uuid,
        runner uuid,
        created_at timestamptz NOT NULL,
        started_at timestamptz,
        progress_at timestamptz,
        finished_at timestamptz,
        CONSTRAINT verifications_pkey PRIMARY KEY (id),
        CONSTRAINT verifications_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers (ledger),
        CONSTRAINT verifications_range_check CHECK (from_sequence >= 1 AND to_sequence >= from_sequence - 1),
        CONSTRAINT verifications_status_check CHECK (status IN ('queued', 'running', 'done', 'failed', 'cancelled')),
        CONSTRAINT verifications_verdict_check CHECK (verdict IN ('valid', 'invalid', 'undecided')),
        CONSTRAINT verifications_done_check CHECK ((status = 'done') = (verdict IS NOT NULL)),
        CONSTRAINT verifications_running_check CHECK ((status = 'running') = (runner IS NOT NULL))
      )`);
    await runner.query(
      `COMMENT ON TABLE verifications IS 'Runs of verification over a range of a ledger, both ends included'`,
    );
    await runner.query(
      `COMMENT ON COLUMN verifications.to_head IS 'The range ends where the ledger ended when it was asked for'`,
    );
    await runner.query(
      `COMMENT ON COLUMN verifications.next_sequence IS 'Everything before it is verified; a run that is taken up again goes on here'`,
    );
    await runner.query(`COMMENT ON COLUMN verifications.job_run IS 'The run of the daily job that asked for it'`);
    await runner.query(`COMMENT ON COLUMN verifications.runner IS 'The replica that runs it'`);
    await runner.query(
      `COMMENT ON COLUMN verifications.progress_at IS 'Last sign of life; a run silent for long is taken up by another replica'`,
    );
    await runner.query(`CREATE INDEX verifications_ledger_idx ON verifications (ledger, created_at DESC)`);
    await runner.query(
      `CREATE INDEX verifications_status_idx ON verifications (status) WHERE status IN ('queued', 'running')`,
    );

    await runner.query(`GRANT SELECT, INSERT ON api_keys TO truetrail_service`);
    await runner.query(`GRANT UPDATE (revoked_at, revoked_by) ON api_keys TO truetrail_service`);
    await runner.query(`GRANT SELECT, INSERT, UPDATE ON job_runs, verifications TO truetrail_service`);
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }
}
