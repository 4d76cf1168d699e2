import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Which reports submissions found held back or drafted, why, and since when: read out of the ledger `_reporting`, so that a
 * submission records what has changed and no more.
 */
export class KeepHeldReports1797552100000 implements MigrationInterface {
  name = 'KeepHeldReports1797552100000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE reporting_decisions
        ADD COLUMN noted text COLLATE "C",
        ADD COLUMN values_digest bytea,
        ADD CONSTRAINT reporting_decisions_noted_check CHECK (noted IN ('held', 'drafted', 'released'))`);
    await runner.query(
      `COMMENT ON COLUMN reporting_decisions.noted IS 'What is news of a report that is not sent, and is recorded; null: nothing is'`,
    );
    await runner.query(
      `COMMENT ON COLUMN reporting_decisions.values_digest IS 'SHA-256 of the values of a report that is noted as held or drafted'`,
    );
    await runner.query(`
      CREATE TABLE reporting_notes (
        maker uuid NOT NULL,
        act integer,
        ledger text COLLATE "C" NOT NULL,
        executing_entity text COLLATE "C" NOT NULL,
        transaction_reference text COLLATE "C" NOT NULL,
        event_id uuid NOT NULL,
        noted text COLLATE "C" NOT NULL,
        why text COLLATE "C" NOT NULL,
        to_mend text COLLATE "C",
        values_digest bytea,
        CONSTRAINT reporting_notes_pkey PRIMARY KEY (maker, transaction_reference),
        CONSTRAINT reporting_notes_act_fkey FOREIGN KEY (act) REFERENCES reporting_acts (act),
        CONSTRAINT reporting_notes_noted_check CHECK (noted IN ('held', 'drafted', 'released')),
        CONSTRAINT reporting_notes_digest_check CHECK (octet_length(values_digest) = 32)
      )`);
    await runner.query(
      `COMMENT ON TABLE reporting_notes IS 'What submissions found of reports that they did not send, each time that it was another than before'`,
    );
    await runner.query(
      `COMMENT ON COLUMN reporting_notes.act IS 'The submission that found it so; null: it came to nothing'`,
    );
    await runner.query(
      `COMMENT ON COLUMN reporting_notes.why IS 'The decision: held, or why a report that could be sent was not, or what let go of it'`,
    );
    await runner.query(
      `CREATE INDEX reporting_notes_event_idx ON reporting_notes (event_id, executing_entity) WHERE act IS NOT NULL`,
    );
    await runner.query(`GRANT SELECT, INSERT, UPDATE ON reporting_notes TO truetrail_service`);
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }
}
