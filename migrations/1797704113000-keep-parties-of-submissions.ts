import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Who sends the files of a submission to which authority, from when it is asked for. Adds columns without a default, which
 * does not rewrite the table; submissions before it, and those that replicas before this one are asked for, have none.
 */
export class KeepPartiesOfSubmissions1797704113000 implements MigrationInterface {
  name = 'KeepPartiesOfSubmissions1797704113000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE reporting_runs ADD COLUMN sender text, ADD COLUMN receiver text');
    await runner.query(
      `COMMENT ON COLUMN reporting_runs.sender IS 'Who sends its files, as it stood when it was asked for; null of runs older than this column'`,
    );
    await runner.query(
      `COMMENT ON COLUMN reporting_runs.receiver IS 'Which authority gets them; null of runs older than this column'`,
    );
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }
}
