import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What each run of a report asked the trail for, for its manifest. Adds a column without a default, which does not rewrite the
 * table; runs before it, and of replicas before this one, have none.
 */
export class KeepWhatReportsRead1797638400000 implements MigrationInterface {
  name = 'KeepWhatReportsRead1797638400000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE report_runs ADD COLUMN read_ranges jsonb');
    await runner.query(
      `COMMENT ON COLUMN report_runs.read_ranges IS 'Which ranges of which ledgers were read, and how many events each had; null of runs that are not done, or older than this column'`,
    );
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }
}
