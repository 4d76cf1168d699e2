import type { MigrationInterface, QueryRunner } from 'typeorm';

const TIMES = ['created_at', 'started_at', 'progress_at', 'finished_at', 'expires_at'];

/**
 * Transaction reports that were sent, and what authorities answered, read out of the ledger `_reporting` so that they can
 * be looked up; and the runs that write their files. Only the ledger is the record: the tables whose names begin with
 * reporting_ and hold what it says are made again from it where they are lost, but for runs and their kept files.
 */
export class KeepTransactionReporting1797300000100 implements MigrationInterface {
  name = 'KeepTransactionReporting1797300000100';

  async up(runner: QueryRunner): Promise<void> {
    await this.createIndexOfLedger(runner);
    await this.createRuns(runner);
  }

  private async createIndexOfLedger(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE reporting_progress (
        ledger text COLLATE "C" NOT NULL,
        sequence bigint NOT NULL,
        CONSTRAINT reporting_progress_pkey PRIMARY KEY (ledger),
        CONSTRAINT reporting_progress_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers (ledger)
      )`);
    await runner.query(
      `COMMENT ON TABLE reporting_progress IS 'Up to which event each ledger of the line _reporting was read'`,
    );
    await runner.query(`
      CREATE TABLE reporting_acts (
        act integer NOT NULL,
        kind text COLLATE "C" NOT NULL,
        subject text COLLATE "C" NOT NULL,
        maker uuid NOT NULL,
        principal text COLLATE "C" NOT NULL,
        ledger text COLLATE "C" NOT NULL,
        sequence bigint NOT NULL,
        recorded_at timestamptz NOT NULL,
        summary jsonb NOT NULL,
        CONSTRAINT reporting_acts_pkey PRIMARY KEY (act),
        CONSTRAINT reporting_acts_subject_key UNIQUE (kind, subject),
        CONSTRAINT reporting_acts_maker_key UNIQUE (maker),
        CONSTRAINT reporting_acts_act_check CHECK (act >= 1),
        CONSTRAINT reporting_acts_kind_check CHECK (kind IN ('submission', 'feedback'))
      )`);
    await runner.query(
      `COMMENT ON TABLE reporting_acts IS 'Submissions and feedback in their order: each is one event that makes those before it count'`,
    );
    await runner.query(
      `COMMENT ON COLUMN reporting_acts.act IS 'From 1, without a gap; its event''s id follows from it'`,
    );
    await runner.query(
      `COMMENT ON COLUMN reporting_acts.subject IS 'Of a submission the id of its run, of feedback the SHA-256 of the file in hex'`,
    );
    await runner.query(
      `COMMENT ON COLUMN reporting_acts.maker IS 'Names the events of single reports that belong to it; those of a maker without an act count for nothing'`,
    );
    await runner.query(`COMMENT ON COLUMN reporting_acts.summary IS 'new_state of the event'`);
    await runner.query(`
      CREATE TABLE reporting_records (
        maker uuid NOT NULL,
        act integer,
        executing_entity text COLLATE "C" NOT NULL,
        transaction_reference text COLLATE "C" NOT NULL,
        status text COLLATE "C" NOT NULL,
        digest bytea NOT NULL,
        message_id text COLLATE "C" NOT NULL,
        event_id uuid NOT NULL,
        trading_time text COLLATE "C",
        sent_at timestamptz,
        CONSTRAINT reporting_records_pkey PRIMARY KEY (maker, executing_entity, transaction_reference),
        CONSTRAINT reporting_records_act_fkey FOREIGN KEY (act) REFERENCES reporting_acts (act),
        CONSTRAINT reporting_records_status_check CHECK (status IN ('NEWT', 'CANC')),
        CONSTRAINT reporting_records_digest_check CHECK (octet_length(digest) = 32),
        CONSTRAINT reporting_records_sent_check CHECK ((act IS NULL) = (sent_at IS NULL))
      )`);
    await runner.query(`COMMENT ON TABLE reporting_records IS 'Records of files of transaction reports'`);
    await runner.query(
      `COMMENT ON COLUMN reporting_records.act IS 'The submission by which it counts as sent; null: it was written and never sent'`,
    );
    await runner.query(
      `COMMENT ON COLUMN reporting_records.digest IS 'SHA-256 of the record as it stands in the file'`,
    );
    await runner.query(
      `COMMENT ON COLUMN reporting_records.event_id IS 'The execution or allocation, as first recorded'`,
    );
    await runner.query(
      `CREATE INDEX reporting_records_reference_idx
         ON reporting_records (executing_entity, transaction_reference, act) WHERE act IS NOT NULL`,
    );
    await runner.query(
      `CREATE INDEX reporting_records_event_idx ON reporting_records (event_id, executing_entity) WHERE act IS NOT NULL`,
    );
    await runner.query(
      `CREATE INDEX reporting_records_message_idx
         ON reporting_records (message_id, executing_entity, transaction_reference) WHERE act IS NOT NULL`,
    );
    await runner.query(`
      CREATE TABLE reporting_advices (
        maker uuid NOT NULL,
        number integer NOT NULL,
        act integer,
        executing_entity text COLLATE "C" NOT NULL,
        transaction_reference text COLLATE "C" NOT NULL,
        message_id text COLLATE "C" NOT NULL,
        state text COLLATE "C" NOT NULL,
        rules jsonb NOT NULL,
        contradicts boolean NOT NULL,
        CONSTRAINT reporting_advices_pkey PRIMARY KEY (maker, number),
        CONSTRAINT reporting_advices_act_fkey FOREIGN KEY (act) REFERENCES reporting_acts (act),
        CONSTRAINT reporting_advices_state_check CHECK (state IN ('pending', 'accepted', 'rejected'))
      )`);
    await runner.query(`COMMENT ON TABLE reporting_advices IS 'What feedback said of single records that was news'`);
    await runner.query(
      `COMMENT ON COLUMN reporting_advices.contradicts IS 'The record has a final state already, and keeps it'`,
    );
    await runner.query(
      `CREATE INDEX reporting_advices_record_idx
         ON reporting_advices (message_id, executing_entity, transaction_reference, act) WHERE act IS NOT NULL`,
    );
    await runner.query(`GRANT SELECT, INSERT, UPDATE ON reporting_progress TO truetrail_service`);
    await runner.query(`GRANT SELECT, INSERT ON reporting_acts TO truetrail_service`);
    await runner.query(`GRANT SELECT, INSERT, UPDATE ON reporting_records, reporting_advices TO truetrail_service`);
  }

  private async createRuns(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE reporting_runs (
        id uuid NOT NULL,
        ledger text COLLATE "C" NOT NULL,
        executing_entity text COLLATE "C" NOT NULL,
        parameters jsonb NOT NULL,
        as_of bigint NOT NULL,
        made_by text COLLATE "C" NOT NULL,
        status text COLLATE "C" NOT NULL,
        attempts integer NOT NULL DEFAULT 0,
        decided_by uuid,
        rows bigint,
        bytes bigint NOT NULL DEFAULT 0,
        sha256 bytea,
        pieces integer NOT NULL DEFAULT 0,
        packed_bytes bigint NOT NULL DEFAULT 0,
        error text,
        requested_by text COLLATE "C" NOT NULL,
        runner uuid,
        ${TIMES.map((name) => `${name} timestamptz${name === 'created_at' ? ' NOT NULL' : ''}`).join(',\n        ')},
        CONSTRAINT reporting_runs_pkey PRIMARY KEY (id),
        CONSTRAINT reporting_runs_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers (ledger),
        CONSTRAINT reporting_runs_status_check
          CHECK (status IN ('queued', 'running', 'done', 'failed', 'cancelled', 'expired')),
        CONSTRAINT reporting_runs_running_check CHECK ((status = 'running') = (runner IS NOT NULL)),
        CONSTRAINT reporting_runs_sha256_check CHECK (octet_length(sha256) = 32),
        CONSTRAINT reporting_runs_done_check
          CHECK (status NOT IN ('done', 'expired') OR rows IS NOT NULL AND sha256 IS NOT NULL),
        CONSTRAINT reporting_runs_expires_check CHECK ((status IN ('done', 'expired')) = (expires_at IS NOT NULL))
      )`);
    await runner.query(
      `COMMENT ON TABLE reporting_runs IS 'A row for each submission of transaction reports that was asked for'`,
    );
    await runner.query(`COMMENT ON COLUMN reporting_runs.decided_by IS 'Under which maker what it decided stands'`);
    await runner.query(`COMMENT ON COLUMN reporting_runs.rows IS 'Records in its files'`);
    await runner.query(`COMMENT ON COLUMN reporting_runs.bytes IS 'Of the zip of its files, as far as it is made'`);
    await runner.query(`COMMENT ON COLUMN reporting_runs.sha256 IS 'Of the whole zip'`);
    await runner.query(`COMMENT ON COLUMN reporting_runs.packed_bytes IS 'What its pieces take'`);
    await runner.query(
      `COMMENT ON COLUMN reporting_runs.attempts IS 'How often it was begun and not put back for no fault of its own'`,
    );
    await runner.query(
      `COMMENT ON COLUMN reporting_runs.progress_at IS 'Last sign of life; a run silent for long is begun again by another replica'`,
    );
    await runner.query(`CREATE INDEX reporting_runs_ledger_idx ON reporting_runs (ledger, created_at DESC)`);
    await runner.query(
      `CREATE INDEX reporting_runs_open_idx ON reporting_runs (created_at) WHERE status IN ('queued', 'running')`,
    );
    await runner.query(`CREATE INDEX reporting_runs_expires_idx ON reporting_runs (expires_at) WHERE status = 'done'`);
    await runner.query(`
      CREATE TABLE reporting_run_pieces (
        run uuid NOT NULL,
        piece integer NOT NULL,
        bytes bytea NOT NULL,
        CONSTRAINT reporting_run_pieces_pkey PRIMARY KEY (run, piece),
        CONSTRAINT reporting_run_pieces_run_fkey FOREIGN KEY (run) REFERENCES reporting_runs (id),
        CONSTRAINT reporting_run_pieces_piece_check CHECK (piece >= 1)
      )`);
    await runner.query(
      `COMMENT ON TABLE reporting_run_pieces IS 'Kept zips of files, in order; each piece in the format of gzip, and stored in it as it is'`,
    );
    await runner.query(`ALTER TABLE reporting_run_pieces ALTER COLUMN bytes SET STORAGE EXTERNAL`);
    await runner.query(`
      CREATE TABLE reporting_decisions (
        run uuid NOT NULL,
        maker uuid NOT NULL,
        number integer NOT NULL,
        transaction_reference text COLLATE "C" NOT NULL,
        status text COLLATE "C" NOT NULL,
        decision text COLLATE "C" NOT NULL,
        to_mend text COLLATE "C",
        digest bytea,
        message_id text COLLATE "C",
        order_id text COLLATE "C" NOT NULL,
        event_id uuid NOT NULL,
        version integer NOT NULL,
        leg integer NOT NULL,
        trading_time text COLLATE "C",
        CONSTRAINT reporting_decisions_pkey PRIMARY KEY (run, maker, number),
        CONSTRAINT reporting_decisions_run_fkey FOREIGN KEY (run) REFERENCES reporting_runs (id),
        CONSTRAINT reporting_decisions_status_check CHECK (status IN ('NEWT', 'CANC')),
        CONSTRAINT reporting_decisions_sent_check
          CHECK ((decision = 'send') = (digest IS NOT NULL) AND (decision = 'send') = (message_id IS NOT NULL))
      )`);
    await runner.query(
      `COMMENT ON TABLE reporting_decisions IS 'What a submission did about each transaction reference of its period'`,
    );
    await runner.query(`COMMENT ON COLUMN reporting_decisions.decision IS 'send, or why it was not sent'`);
    await runner.query(
      `COMMENT ON COLUMN reporting_decisions.to_mend IS 'Of what is held: fields and causes, as in the report transactions'`,
    );
    await runner.query(`GRANT SELECT, INSERT, UPDATE ON reporting_runs TO truetrail_service`);
    await runner.query(`GRANT SELECT, INSERT, DELETE ON reporting_run_pieces TO truetrail_service`);
    await runner.query(`GRANT SELECT, INSERT, DELETE ON reporting_decisions TO truetrail_service`);
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }
}
