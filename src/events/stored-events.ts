import type { StoredRow } from '../integrity/stored-event.js';

/** Something that runs a statement: a pool, or a connection of one's own. */
export interface Queryable {
  query<R extends object>(query: { name?: string; text: string; values: unknown[] }): Promise<{ rows: R[] }>;
}

/** The columns of a StoredRow, for every SELECT over the trail. */
export const STORED_COLUMNS = `sequence, recorded_at, "timestamp", timestamp_nanos, timestamp_digits, event_id, corrects,
  event_type, entity_type, entity_id, action, user_id, previous_state, new_state, metadata,
  source, source_session, source_sequence, raw_media_type, raw_data,
  recorded_by, salt, content_hash, previous_event_hash, event_hash`;

/** Rows of a ledger with sequences from `from` to `to`, both included, in order, `limit` at most. */
export async function readStoredRows(
  database: Queryable,
  ledger: string,
  from: bigint,
  to: bigint,
  limit: number,
): Promise<StoredRow[]> {
  const { rows } = await database.query<StoredRow>({
    name: 'read_stored_rows',
    text: `SELECT ${STORED_COLUMNS} FROM audit_events
             WHERE ledger = $1 AND sequence BETWEEN $2 AND $3 ORDER BY sequence LIMIT $4`,
    values: [ledger, String(from), String(to), limit],
  });
  return rows;
}
