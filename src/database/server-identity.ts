import type pg from 'pg';

/** Where a connection leads to. */
export interface Server {
  /**
   * Of which history of which server: the system identifier is made with a cluster, and each promotion and each recovery
   * to a point in time begins a timeline. What was restored from a file copy alone looks the same. A standby has no
   * timeline of its own yet.
   */
  identity: string;
  /** the identity, and when this server was started: files can be put in its place only while it does not run */
  start: string;
}

export async function readServer(client: pg.ClientBase): Promise<Server> {
  const { rows } = await client.query<Server>(
    `SELECT identity, identity || '/' || extract(epoch FROM pg_postmaster_start_time()) AS start
       FROM (
         SELECT (SELECT system_identifier FROM pg_control_system()) || '/' ||
                CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS identity
       ) AS server`,
  );
  return rows[0]!;
}
