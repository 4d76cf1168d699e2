import type pg from 'pg';
import { STORED_COLUMNS } from '../events/stored-events.js';
import type { StoredRow } from '../integrity/stored-event.js';

/** Where events are, by id; those that the ledger does not hold are left out. */
export async function findSequences(
  database: pg.Pool,
  ledger: string,
  ids: readonly string[],
): Promise<Map<string, bigint>> {
  const { rows } = await database.query<{ event_id: string; sequence: string }>(
    'SELECT event_id, sequence FROM event_keys WHERE ledger = $1 AND event_id = ANY ($2::uuid[])',
    [ledger, ids],
  );
  return new Map(rows.map(({ event_id: id, sequence }) => [id, BigInt(sequence)]));
}

/** The last event of an order past a sequence, of those that are in the database; undefined where there is none. */
export async function findLastOfOrder(
  database: pg.Pool,
  ledger: string,
  orderId: string,
  after: bigint,
): Promise<bigint | undefined> {
  const { rows } = await database.query<{ last: string | null }>(
    `SELECT max(sequence) AS last FROM audit_events
       WHERE ledger = $1 AND entity_type = 'order' AND entity_id = $2 AND sequence > $3`,
    [ledger, orderId, String(after)],
  );
  return rows[0]?.last ? BigInt(rows[0].last) : undefined;
}

/** The rows at some sequences, in their order, of those that are in the database. For readPage. */
export async function readRowsAt(
  client: pg.ClientBase,
  ledger: string,
  sequences: readonly string[],
): Promise<StoredRow[]> {
  const { rows } = await client.query<StoredRow>(
    `SELECT ${STORED_COLUMNS} FROM audit_events
       WHERE ledger = $1 AND sequence = ANY ($2::bigint[]) ORDER BY sequence`,
    [ledger, sequences],
  );
  return rows;
}

/** Up to which sequence a ledger's events have left the database for the archive; 0 for none. */
export async function readArchivedTo(database: pg.Pool, ledger: string): Promise<bigint> {
  const { rows } = await database.query<{ archived_to: string }>(
    'SELECT archived_to FROM ledger_heads WHERE ledger = $1',
    [ledger],
  );
  return BigInt(rows[0]?.archived_to ?? 0);
}
