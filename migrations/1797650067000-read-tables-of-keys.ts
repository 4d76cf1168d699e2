import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Verification compares each table of keys with its own index, for which it reads that table and not their parent. The role
 * of the service could read all of it before, through the parent; months' tables have this right as well. Locks each of
 * the eight for a moment.
 */
export class ReadTablesOfKeys1797650067000 implements MigrationInterface {
  name = 'ReadTablesOfKeys1797650067000';

  async up(runner: QueryRunner): Promise<void> {
    for (let i = 0; i < 8; i++) await runner.query(`GRANT SELECT ON event_keys_${i} TO truetrail_service`);
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }
}
