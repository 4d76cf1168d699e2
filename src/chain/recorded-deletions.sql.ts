import type pg from 'pg';
import type { StoredRow } from '../integrity/stored-event.js';

type Act = Pick<StoredRow, 'action' | 'entity_id' | 'entity_type'>;

/** What is recorded of some deletions, of events that are in the database. */
export async function deletionActs(
  pool: pg.Pool,
  ledgers: readonly { ledger: string }[],
  entityType: string,
  ids: readonly string[],
): Promise<Act[]> {
  const { rows } = await pool.query<Act>(
    `SELECT action, entity_id, entity_type FROM audit_events
       WHERE ledger = ANY ($1) AND entity_type = $2 AND entity_id = ANY ($3)
         AND event_type = 'retention' AND recorded_by = 'service'`,
    [ledgers.map(({ ledger }) => ledger), entityType, ids],
  );
  return rows;
}

/** Records that were carried on, of events that are in the database. */
export async function carriedRecords(
  pool: pg.Pool,
  ledgers: readonly { ledger: string }[],
  entityType: string,
): Promise<{ new_state: string }[]> {
  const { rows } = await pool.query<{ new_state: string }>(
    `SELECT new_state::text AS new_state FROM audit_events
       WHERE ledger = ANY ($1) AND entity_type = $2 AND action = 'carry'
         AND event_type = 'retention' AND recorded_by = 'service'`,
    [ledgers.map(({ ledger }) => ledger), entityType],
  );
  return rows;
}
