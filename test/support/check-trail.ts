import pg from 'pg';
import { losslessTypes } from '../../src/database/connection.js';
import { readStoredRows } from '../../src/events/stored-events.js';
import { canonicalContent, contentHash, eventHash } from '../../src/integrity/event.js';
import { contentOf, envelopeOf, type StoredRow } from '../../src/integrity/stored-event.js';

/** What a ledger was found to hold: sequences by event id. */
export interface CheckedTrail {
  size: bigint;
  sequences: Map<string, bigint>;
  rows: Map<string, StoredRow>;
}

/**
 * Recomputes a whole ledger from the database, by none of the service's own reading or verifying, and throws at the
 * first thing that is wrong: a gap, a hash, a link, a time that falls, a key too few or too many, a head elsewhere.
 */
export async function checkTrail(databaseUrl: string, ledger = 'main'): Promise<CheckedTrail> {
  const client = new pg.Client({
    connectionString: databaseUrl,
    options: '-c TimeZone=UTC -c DateStyle=ISO',
    types: losslessTypes,
  });
  await client.connect();
  try {
    const { rows: heads } = await client.query<{ origin: string; size: string; event_hash: Buffer | null }>(
      `SELECT l.origin, h.size, h.event_hash FROM ledgers l JOIN ledger_heads h USING (ledger) WHERE l.ledger = $1`,
      [ledger],
    );
    const head = heads[0]!;
    const size = BigInt(head.size);
    const { rows: keys } = await client.query<{ event_id: string; sequence: string }>(
      `SELECT event_id, sequence FROM event_keys WHERE ledger = $1`,
      [ledger],
    );
    const sequences = new Map(keys.map((key) => [key.event_id, BigInt(key.sequence)]));
    if (BigInt(keys.length) !== size) throw new Error(`${keys.length} keys for ${size} events`);
    const found = new Map<string, StoredRow>();
    let previous: StoredRow | undefined;
    for (let from = 1n; ; from += 1000n) {
      const page = await readStoredRows(client, ledger, from, from + 999n, 2000);
      for (const row of page) {
        checkRow(row, previous, head.origin);
        if (sequences.get(row.event_id) !== BigInt(row.sequence))
          throw new Error(`the key of event ${row.sequence} points elsewhere`);
        found.set(row.event_id, row);
        previous = row;
      }
      if (from + 999n >= size) break;
    }
    if (BigInt(found.size) !== size) throw new Error(`${found.size} events in a ledger of size ${size}`);
    if ((previous?.event_hash.toString('hex') ?? null) !== (head.event_hash?.toString('hex') ?? null))
      throw new Error('the head has another hash');
    const { rows: beyond } = await client.query(
      `SELECT 1 FROM audit_events WHERE ledger = $1 AND sequence > $2 LIMIT 1`,
      [ledger, head.size],
    );
    if (beyond.length > 0) throw new Error('there are events beyond the head');
    return { size, sequences, rows: found };
  } finally {
    await client.end();
  }
}

function checkRow(row: StoredRow, previous: StoredRow | undefined, origin: string): void {
  const expected = BigInt(previous?.sequence ?? '0') + 1n;
  if (BigInt(row.sequence) !== expected) throw new Error(`event ${row.sequence} stands where ${expected} should`);
  const content = contentHash(row.salt, canonicalContent(contentOf(row)).text);
  if (!content.equals(row.content_hash)) throw new Error(`event ${row.sequence}: content_hash`);
  if (!eventHash(envelopeOf(row, origin)).equals(row.event_hash)) throw new Error(`event ${row.sequence}: event_hash`);
  if ((row.previous_event_hash?.toString('hex') ?? null) !== (previous?.event_hash.toString('hex') ?? null)) {
    throw new Error(`event ${row.sequence}: previous_event_hash`);
  }
  if (previous && row.recorded_at < previous.recorded_at && row.recorded_at.length === previous.recorded_at.length) {
    throw new Error(`event ${row.sequence}: recorded before its predecessor`);
  }
}
