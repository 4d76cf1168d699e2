import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Runs of reports: what each was, and for some days the answers of those that were asked for to be fetched later. */
export class KeepReportRuns1796860800000 implements MigrationInterface {
  name = 'KeepReportRuns1796860800000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE report_runs (
        id uuid NOT NULL,
        ledger text COLLATE "C" NOT NULL,
        report text COLLATE "C" NOT NULL,
        report_version integer NOT NULL,
        tables jsonb NOT NULL,
        format text COLLATE "C" NOT NULL,
        parameters jsonb NOT NULL,
        as_of bigint NOT NULL,
        as_of_event_hash bytea,
        archived_to bigint NOT NULL,
        deleted jsonb NOT NULL,
        made_by text COLLATE "C" NOT NULL,
        is_kept boolean NOT NULL,
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
        CONSTRAINT report_runs_pkey PRIMARY KEY (id),
        CONSTRAINT report_runs_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers (ledger),
        CONSTRAINT report_runs_status_check
          CHECK (status IN ('queued', 'running', 'done', 'failed', 'cancelled', 'expired')),
        CONSTRAINT report_runs_running_check CHECK ((status = 'running') = (runner IS NOT NULL)),
        CONSTRAINT report_runs_sha256_check CHECK (octet_length(sha256) = 32),
        CONSTRAINT report_runs_done_check
          CHECK (status NOT IN ('done', 'expired') OR rows IS NOT NULL AND sha256 IS NOT NULL),
        CONSTRAINT report_runs_expires_check
          CHECK ((is_kept AND status IN ('done', 'expired')) = (expires_at IS NOT NULL))
      )`);
    await runner.query(
      `COMMENT ON TABLE report_runs IS 'A row for each answer of a report that was asked for: what its manifest says'`,
    );
    await runner.query(
      `COMMENT ON COLUMN report_runs.report_version IS 'Of how its cells follow from events, and of the tables that they follow from besides'`,
    );
    await runner.query(
      `COMMENT ON COLUMN report_runs.as_of_event_hash IS 'Hash of the event at as_of, which binds all before it; null at 0 and where that event was deleted'`,
    );
    await runner.query(
      `COMMENT ON COLUMN report_runs.is_kept IS 'Whether the answer is kept to be fetched; otherwise it went out as it was made'`,
    );
    await runner.query(`COMMENT ON COLUMN report_runs.sha256 IS 'Of the whole answer, unpacked'`);
    await runner.query(
      `COMMENT ON COLUMN report_runs.progress_at IS 'Last sign of life; a run silent for long is begun again by another replica'`,
    );
    await runner.query(`CREATE INDEX report_runs_report_idx ON report_runs (ledger, report, created_at DESC)`);
    await runner.query(
      `CREATE INDEX report_runs_open_idx ON report_runs (created_at) WHERE status IN ('queued', 'running')`,
    );
    await runner.query(`CREATE INDEX report_runs_expires_idx ON report_runs (expires_at) WHERE status = 'done'`);

    await runner.query(`
      CREATE TABLE report_run_pieces (
        run uuid NOT NULL,
        piece integer NOT NULL,
        bytes bytea NOT NULL,
        CONSTRAINT report_run_pieces_pkey PRIMARY KEY (run, piece),
        CONSTRAINT report_run_pieces_run_fkey FOREIGN KEY (run) REFERENCES report_runs (id),
        CONSTRAINT report_run_pieces_piece_check CHECK (piece >= 1)
      )`);
    await runner.query(
      `COMMENT ON TABLE report_run_pieces IS 'Kept answers, in order; each piece packed by gzip for itself'`,
    );
    await runner.query(`ALTER TABLE report_run_pieces ALTER COLUMN bytes SET STORAGE EXTERNAL`);
    await runner.query(`GRANT SELECT, INSERT, UPDATE ON report_runs TO truetrail_service`);
    await runner.query(`GRANT SELECT, INSERT, DELETE ON report_run_pieces TO truetrail_service`);
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }
}
