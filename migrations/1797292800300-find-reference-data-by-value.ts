import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Entries of reference data are found by what they have: clients by LEI, instruments by symbol. The index is made while
 * nobody can write reference data; entries are few beside events.
 */
export class FindReferenceDataByValue1797292800300 implements MigrationInterface {
  name = 'FindReferenceDataByValue1797292800300';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      'CREATE INDEX reference_changes_attributes_idx ON reference_changes USING gin (attributes jsonb_path_ops)',
    );
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }
}
