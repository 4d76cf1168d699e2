import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * How often each run was begun: one that ends whoever makes it is not begun for ever. Adds a column with a constant
 * default to two tables, which rewrites neither; replicas before this one begin runs without counting.
 */
export class CountAttemptsOfRuns1797292800400 implements MigrationInterface {
  name = 'CountAttemptsOfRuns1797292800400';

  async up(runner: QueryRunner): Promise<void> {
    for (const table of ['report_runs', 'evidence_runs']) {
      await runner.query(`ALTER TABLE ${table} ADD COLUMN attempts integer NOT NULL DEFAULT 0`);
      await runner.query(
        `COMMENT ON COLUMN ${table}.attempts IS 'How often it was begun and not put back for no fault of its own'`,
      );
    }
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }
}
