import type pg from 'pg';

export interface Snapshots {
  /** Age of the oldest snapshot that another session holds, seconds; 0 when none does. */
  oldestSeconds: number;
  /** Sessions that hold one whose age this login may not see; not what a standby holds, whose age nobody sees here. */
  hidden: number;
}

/**
 * The snapshots that keep VACUUM from clearing up in this database. The service's role may not look at other sessions;
 * the login behind it may at its own ones, and with pg_read_all_stats at all. Both statements go as one message, which
 * is one transaction: the role is back at its end, whatever happens.
 */
export async function snapshots(pool: pg.Pool): Promise<Snapshots> {
  const results = (await pool.query(
    `SET LOCAL ROLE NONE;
     SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8 AS oldest,
            count(*) FILTER (WHERE xact_start IS NULL AND backend_type IS DISTINCT FROM 'walsender')::integer AS hidden
       FROM pg_stat_activity
       WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid()
         AND (datname = current_database() OR datname IS NULL)
         AND backend_type IS DISTINCT FROM 'autovacuum worker'`,
  )) as unknown as pg.QueryResult<{ oldest: number; hidden: number }>[];
  const row = results.at(-1)!.rows[0]!;
  return { oldestSeconds: row.oldest, hidden: row.hidden };
}
