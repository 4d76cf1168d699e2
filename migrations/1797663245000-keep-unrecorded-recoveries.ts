import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What a recovery has brought back is recorded in the ledger of the service afterwards, which may lack events itself. Killed
 * in between, or while that ledger could take nothing, the record was lost. Now it waits here, from the transaction on in
 * which the events came back. A new table that only the owner sees.
 */
export class KeepUnrecordedRecoveries1797663245000 implements MigrationInterface {
  name = 'KeepUnrecordedRecoveries1797663245000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE unrecorded_recoveries (
        event_id uuid NOT NULL,
        ledger text COLLATE "C" NOT NULL,
        operator text COLLATE "C" NOT NULL,
        state jsonb NOT NULL,
        recovered_at timestamptz NOT NULL,
        CONSTRAINT unrecorded_recoveries_pkey PRIMARY KEY (event_id)
      )
    `);
    await runner.query(`
      COMMENT ON TABLE unrecorded_recoveries IS
        'What recoveries have brought back into ledgers and is not on record in the ledger of the service yet'
    `);
    for (const [column, comment] of [
      ['event_id', 'Of the event that will record it: recorded twice, it counts once'],
      ['operator', 'Who ran the recovery'],
      ['state', 'What that event will say'],
    ] as const) {
      await runner.query(`COMMENT ON COLUMN unrecorded_recoveries.${column} IS '${comment}'`);
    }
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }
}
