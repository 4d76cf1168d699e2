import type pg from 'pg';

/** A range of a ledger whose month is deleted, as the catalogue has it. Times are microseconds since 1970. */
export interface DeletedRow {
  month: string;
  from_sequence: string;
  to_sequence: string;
  least_timestamp: string;
  greatest_timestamp: string;
  least_recorded_at: string;
  greatest_recorded_at: string;
  previous_event_hash: Buffer | null;
  last_event_hash: Buffer;
  deletion: string;
  record_class: string;
  years: number;
  /** RFC 3339 */
  deleted_at: string;
}

const TIMES = ['least_timestamp', 'greatest_timestamp', 'least_recorded_at', 'greatest_recorded_at'];

/** In the order of sequence. */
export async function listDeletedRanges(database: pg.Pool | pg.ClientBase, ledger: string): Promise<DeletedRow[]> {
  const { rows } = await database.query<DeletedRow>({
    name: 'list_deleted_ranges',
    text: `SELECT r.month::text AS month, r.from_sequence, r.to_sequence,
                  ${TIMES.map((name) => `(extract(epoch FROM r.${name}) * 1000000)::bigint AS ${name}`).join(', ')},
                  r.previous_event_hash, r.last_event_hash, d.id AS deletion, p.record_class, p.years,
                  to_char(d.begun_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS deleted_at
             FROM month_deletions AS d
             JOIN month_ranges AS r ON r.month = d.month AND r.ledger = $1
             JOIN retention_policies AS p ON p.id = d.policy
             WHERE d.begun_at IS NOT NULL ORDER BY r.from_sequence`,
    values: [ledger],
  });
  return rows;
}
