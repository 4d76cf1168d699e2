import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Files of transaction reports stand in the ledger `_reporting` as they were sent, in parts: where each part is, and which
 * record is where in its file, read out of the ledger. Files are not thrown away any more, so that no submission has a day
 * until which they are kept.
 */
export class KeepFilesAsSent1797552000000 implements MigrationInterface {
  name = 'KeepFilesAsSent1797552000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const table of ['reporting_records', 'reporting_decisions']) {
      await runner.query(`
        ALTER TABLE ${table}
          ADD COLUMN file_from bigint,
          ADD COLUMN file_bytes integer`);
      await runner.query(`COMMENT ON COLUMN ${table}.file_from IS 'Bytes of the file before the record'`);
      await runner.query(`COMMENT ON COLUMN ${table}.file_bytes IS 'Bytes of the record in the file'`);
    }
    await runner.query(`
      CREATE TABLE reporting_parts (
        maker uuid NOT NULL,
        part integer NOT NULL,
        ledger text COLLATE "C" NOT NULL,
        sequence bigint NOT NULL,
        message_id text COLLATE "C",
        file_from bigint,
        file_bytes integer,
        CONSTRAINT reporting_parts_pkey PRIMARY KEY (maker, part),
        CONSTRAINT reporting_parts_part_check CHECK (part >= 1),
        CONSTRAINT reporting_parts_content_check
          CHECK ((message_id IS NULL) = (file_from IS NULL) AND (message_id IS NULL) = (file_bytes IS NULL))
      )`);
    await runner.query(
      `COMMENT ON TABLE reporting_parts IS 'Parts of the zips of files that were sent: in which event of the line _reporting each stands'`,
    );
    await runner.query(
      `COMMENT ON COLUMN reporting_parts.message_id IS 'The file of which it holds a piece; null: it holds what the zip has besides'`,
    );
    await runner.query(`COMMENT ON COLUMN reporting_parts.file_from IS 'Bytes of the file before the piece'`);
    await runner.query(`COMMENT ON COLUMN reporting_parts.file_bytes IS 'Bytes of the piece, unpacked'`);
    await runner.query(`CREATE INDEX reporting_parts_file_idx ON reporting_parts (maker, message_id, file_from)`);
    await runner.query(`GRANT SELECT, INSERT ON reporting_parts TO truetrail_service`);
    await runner.query(`ALTER TABLE reporting_runs DROP CONSTRAINT reporting_runs_expires_check`);
    await runner.query(`
      ALTER TABLE reporting_runs ADD CONSTRAINT reporting_runs_expires_check
        CHECK (expires_at IS NULL OR status IN ('done', 'expired'))`);
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }
}
