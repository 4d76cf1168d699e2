import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * That a recovery has closed a ledger was recorded by the command that closed it, or never: killed before, or while the
 * ledger of the service lacked events itself, the record was lost. It waits with the other ones now, from the transaction
 * on that closes the ledger. Adds a column with a default to a table that only the owner sees.
 */
export class KeepUnrecordedCloses1797671357000 implements MigrationInterface {
  name = 'KeepUnrecordedCloses1797671357000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE unrecorded_recoveries
        ADD COLUMN action text COLLATE "C" NOT NULL DEFAULT 'recover',
        ADD CONSTRAINT unrecorded_recoveries_action_check CHECK (action IN ('recover', 'close'))
    `);
    await runner.query(`
      COMMENT ON COLUMN unrecorded_recoveries.action IS
        'recover: events came back into the ledger; close: it was closed, and is recorded once it has a successor'
    `);
    await runner.query(`
      COMMENT ON TABLE unrecorded_recoveries IS
        'What recoveries have brought back into ledgers, and which they have closed, that is not on record in the ledger of the service yet'
    `);
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }
}
