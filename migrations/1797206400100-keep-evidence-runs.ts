import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Bundles of evidence that are made in the background: what each was, and for some days the bundle itself. */
export class KeepEvidenceRuns1797206400100 implements MigrationInterface {
  name = 'KeepEvidenceRuns1797206400100';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE evidence_runs (
        id uuid NOT NULL,
        ledger text COLLATE "C" NOT NULL,
        asked jsonb NOT NULL,
        contents boolean NOT NULL,
        envelopes boolean NOT NULL,
        as_of bigint NOT NULL,
        made_by text COLLATE "C" NOT NULL,
        status text COLLATE "C" NOT NULL,
        rows bigint,
        bytes bigint NOT NULL DEFAULT 0,
        sha256 bytea,
        pieces integer NOT NULL DEFAULT 0,
        packed_bytes bigint NOT NULL DEFAULT 0,
        error text,
        requested_by text COLLATE "C" NOT NULL,
        runner uuid,
        created_at timestamptz NOT NULL,
        started_at timestamptz,
        progress_at timestamptz,
        finished_at timestamptz,
        expires_at timestamptz,
        CONSTRAINT evidence_runs_pkey PRIMARY KEY (id),
        CONSTRAINT evidence_runs_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers (ledger),
        CONSTRAINT evidence_runs_status_check
          CHECK (status IN ('queued', 'running', 'done', 'failed', 'cancelled', 'expired')),
        CONSTRAINT evidence_runs_running_check CHECK ((status = 'running') = (runner IS NOT NULL)),
        CONSTRAINT evidence_runs_sha256_check CHECK (octet_length(sha256) = 32),
        CONSTRAINT evidence_runs_done_check
          CHECK (status NOT IN ('done', 'expired') OR rows IS NOT NULL AND sha256 IS NOT NULL),
        CONSTRAINT evidence_runs_expires_check CHECK ((status IN ('done', 'expired')) = (expires_at IS NOT NULL))
      )`);
    await runner.query(
      `COMMENT ON TABLE evidence_runs IS 'A row for each bundle of evidence that was asked for as a run'`,
    );
    await runner.query(
      `COMMENT ON COLUMN evidence_runs.asked IS 'What was asked for, as in the manifest of the bundle'`,
    );
    await runner.query(`COMMENT ON COLUMN evidence_runs.rows IS 'Lines of events in the bundle: events and envelopes'`);
    await runner.query(`COMMENT ON COLUMN evidence_runs.bytes IS 'Of the bundle, as far as it is made'`);
    await runner.query(`COMMENT ON COLUMN evidence_runs.sha256 IS 'Of the whole bundle'`);
    await runner.query(`COMMENT ON COLUMN evidence_runs.packed_bytes IS 'What its pieces take'`);
    await runner.query(
      `COMMENT ON COLUMN evidence_runs.progress_at IS 'Last sign of life; a run silent for long is begun again by another replica'`,
    );
    await runner.query(`CREATE INDEX evidence_runs_ledger_idx ON evidence_runs (ledger, created_at DESC)`);
    await runner.query(
      `CREATE INDEX evidence_runs_open_idx ON evidence_runs (created_at) WHERE status IN ('queued', 'running')`,
    );
    await runner.query(`CREATE INDEX evidence_runs_expires_idx ON evidence_runs (expires_at) WHERE status = 'done'`);

    await runner.query(`
      CREATE TABLE evidence_run_pieces (
        run uuid NOT NULL,
        piece integer NOT NULL,
        bytes bytea NOT NULL,
        CONSTRAINT evidence_run_pieces_pkey PRIMARY KEY (run, piece),
        CONSTRAINT evidence_run_pieces_run_fkey FOREIGN KEY (run) REFERENCES evidence_runs (id),
        CONSTRAINT evidence_run_pieces_piece_check CHECK (piece >= 1)
      )`);
    await runner.query(
      `COMMENT ON TABLE evidence_run_pieces IS 'Kept bundles, in order; each piece in the format of gzip, and stored in it as it is'`,
    );
    await runner.query(`ALTER TABLE evidence_run_pieces ALTER COLUMN bytes SET STORAGE EXTERNAL`);
    await runner.query(`GRANT SELECT, INSERT, UPDATE ON evidence_runs TO truetrail_service`);
    await runner.query(`GRANT SELECT, INSERT, DELETE ON evidence_run_pieces TO truetrail_service`);
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }
}
