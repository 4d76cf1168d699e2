import type pg from 'pg';
import type { StoredRow } from '../integrity/stored-event.js';

/** An act on something, as an event of one of the service's own ledgers. */
export type RecordedAct = Pick<StoredRow, 'entity_id' | 'action' | 'user_id' | 'new_state' | 'metadata'>;

/** The acts that one of the service's ledgers has in the database, after a sequence, in their order. */
export async function readActs(
  pool: pg.Pool,
  ledger: string,
  { entityType, ids }: { entityType: string; ids: readonly string[] },
  after: bigint,
): Promise<RecordedAct[]> {
  const { rows } = await pool.query<RecordedAct>(
    `SELECT entity_id, action, user_id, new_state::text AS new_state, metadata::text AS metadata FROM audit_events
       WHERE ledger = $1 AND entity_type = $2 AND entity_id = ANY ($3) AND sequence > $4 ORDER BY sequence`,
    [ledger, entityType, ids, String(after)],
  );
  return rows;
}
