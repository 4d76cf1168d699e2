import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * How often a submission of transaction reports was made anew, because acts of others were about what it had decided: so
 * that it goes first in the end, whichever replica makes it.
 * A constant default does not rewrite the table.
 */
export class CountOvertakings1797760000000 implements MigrationInterface {
  name = 'CountOvertakings1797760000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE reporting_runs ADD COLUMN overtaken integer NOT NULL DEFAULT 0');
    await runner.query(
      `COMMENT ON COLUMN reporting_runs.overtaken IS 'How often acts of others outdated what it decided before that was recorded'`,
    );
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }
}
