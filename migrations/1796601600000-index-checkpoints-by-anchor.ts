import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Finds the checkpoints of an anchor without a look at all of them. It keeps rounds of signing waiting while it is made,
 * and nothing else: appends and reads of events do not touch the table.
 */
export class IndexCheckpointsByAnchor1796601600000 implements MigrationInterface {
  name = 'IndexCheckpointsByAnchor1796601600000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE INDEX checkpoints_anchor_idx ON checkpoints (anchor, ledger)');
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }
}
