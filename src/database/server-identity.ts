import type pg from 'pg';

/**
 * Of which history of which server a connection is: the system identifier is made with a cluster, and each promotion and
 * each recovery to a point in time begins a timeline. What was restored from a file copy alone looks the same. A standby
 * has no timeline of its own yet.
 */
export async function readServerIdentity(client: pg.ClientBase): Promise<string> {
  const { rows } = await client.query<{ identity: string }>(
    `SELECT (SELECT system_identifier FROM pg_control_system()) || '/' ||
            CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS identity`,
  );
  return rows[0]!.identity;
}
