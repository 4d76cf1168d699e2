import pg from 'pg';
import { losslessTypes } from '../../src/database/connection.js';
import { readStoredRows } from '../../src/events/stored-events.js';
import { canonicalContent, contentHash, eventHash } from '../../src/integrity/event.js';
import { contentOf, envelopeOf, type StoredRow } from '../../src/integrity/stored-event.js';
import { TEST_ORIGIN } from './app.js';
import type { TestDatabase } from './database.js';

/**
 * What a superuser would do to change the user of an event so that nothing is inconsistent: statements that give it, and
 * all after it, the hashes that they then must have. The last one is about the head.
 */
export async function rewriting(database: TestDatabase, ledger: string, sequence: bigint): Promise<string[]> {
  const admin = new pg.Client({
    connectionString: database.adminUrl,
    options: '-c TimeZone=UTC -c DateStyle=ISO',
    types: losslessTypes,
  });
  await admin.connect();
  try {
    const rows = await readStoredRows(admin, ledger, sequence, 1_000n, 1_000);
    const statements: string[] = [];
    let previous: Buffer | null = rows[0]!.previous_event_hash;
    for (const [i, row] of rows.entries()) {
      const changed: StoredRow = { ...row, user_id: i === 0 ? 'mallory' : row.user_id, previous_event_hash: previous };
      changed.content_hash = contentHash(changed.salt, canonicalContent(contentOf(changed)).text);
      changed.event_hash = eventHash(envelopeOf(changed, `${TEST_ORIGIN}/${ledger}`));
      previous = changed.event_hash;
      const hex = (value: Buffer | null): string => (value === null ? 'NULL' : `'\\x${value.toString('hex')}'`);
      statements.push(
        `UPDATE audit_events SET user_id = '${changed.user_id}', content_hash = ${hex(changed.content_hash)},
           previous_event_hash = ${hex(changed.previous_event_hash)}, event_hash = ${hex(changed.event_hash)}
           WHERE ledger = '${ledger}' AND sequence = ${changed.sequence}`,
      );
    }
    return [
      ...statements,
      `UPDATE ledger_heads SET event_hash = '\\x${previous!.toString('hex')}' WHERE ledger = '${ledger}'`,
    ];
  } finally {
    await admin.end();
  }
}
