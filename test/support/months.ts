import pg from 'pg';
import { takeTurn } from './app.js';
import type { TestDatabase } from './database.js';
import { appendEvents } from '../../src/events/appender.sql.js';
import { prepareEvent } from '../../src/events/prepared-event.js';
import { toContent, type SentContent } from '../../src/integrity/event.js';

/**
 * Records events as if it were done at earlier times, so that a test has several months: each group at its own time,
 * which must not fall. Months are made as needed. The service that runs on the database is not disturbed: its clock
 * stays the real one. Only its maintenance of partitions waits: by its clock these months are over, and it would close
 * them before there is anything in them.
 */
export async function recordInThePast(
  database: TestDatabase,
  ledger: string,
  groups: readonly { at: string; events: readonly object[] }[],
): Promise<void> {
  const admin = new pg.Client({ connectionString: database.adminUrl, options: '-c TimeZone=UTC' });
  await admin.connect();
  const turn = await takeTurn({ database }, 'partition-maintenance');
  try {
    await admin.query(`
      CREATE OR REPLACE FUNCTION trail_now() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE
        SET search_path = pg_catalog
        AS $$ SELECT coalesce(nullif(current_setting('test.now', true), '')::timestamptz, clock_timestamp()) $$`);
    for (const { at, events } of groups) {
      await admin.query('SELECT create_month($1::date)', [`${at.slice(0, 7)}-01`]);
      await admin.query(`SELECT set_config('test.now', $1, false)`, [at]);
      const prepared = events.map((event) => prepareEvent(toContent(event as SentContent), 'service'));
      const requests = prepared.map((_, i) => i);
      await appendEvents(admin, { ledger, maxAheadMs: 1_000, events: prepared, requests });
    }
  } finally {
    await turn.release();
    await admin.end();
  }
}
