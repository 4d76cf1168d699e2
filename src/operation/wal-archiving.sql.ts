import type pg from 'pg';

/** What the server says of its WAL. Times in seconds since 1970. */
export interface WalArchiver {
  /** whether it archives at all */
  archives: boolean;
  /** by the trail's clock */
  now: number;
  /** up to where WAL was written, or is about to be */
  position: string;
  segment_bytes: string;
  /** the file that was archived last; null for none since the statistics were reset */
  last_name: string | null;
  /** when; where there is none, when the statistics were reset, or the server started */
  last_at: number;
  /** attempts since the statistics were reset */
  failed: string;
}

/** What anybody may ask: no right is granted for it. Undefined for a server that follows another. */
export async function readWalArchiver(pool: pg.Pool): Promise<WalArchiver | undefined> {
  const { rows } = await pool.query<WalArchiver>(
    `SELECT current_setting('archive_mode') <> 'off' AS archives,
            extract(epoch FROM trail_now())::float8 AS now,
            (CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') END)::text AS position,
            (SELECT setting FROM pg_settings WHERE name = 'wal_segment_size') AS segment_bytes,
            last_archived_wal AS last_name,
            extract(epoch FROM coalesce(last_archived_time, stats_reset, pg_postmaster_start_time()))::float8 AS last_at,
            failed_count::text AS failed
       FROM pg_stat_archiver
       WHERE NOT pg_is_in_recovery()`,
  );
  return rows[0];
}

/**
 * Age in seconds of the first event of any ledger that was recorded after a time, in seconds since 1970; 0 when there is
 * none. Times never fall along a ledger, and no index has them: each ledger is halved until it is found.
 */
export async function ageOfFirstEventAfter(pool: pg.Pool, time: number): Promise<number> {
  const { rows } = await pool.query<{ age: number }>(
    `WITH RECURSIVE halves (ledger, low, high) AS (
       SELECT ledger, archived_to, size FROM ledger_heads WHERE recorded_at > to_timestamp($1) AND size > archived_to
       UNION ALL
       SELECT h.ledger, CASE WHEN m.is_after THEN h.low ELSE h.middle END, CASE WHEN m.is_after THEN h.middle ELSE h.high END
         FROM (SELECT ledger, low, high, (low + high) / 2 AS middle FROM halves WHERE high - low > 1) AS h
         CROSS JOIN LATERAL (
           SELECT e.recorded_at > to_timestamp($1) AS is_after FROM audit_events AS e
             WHERE e.ledger = h.ledger AND e.sequence BETWEEN h.middle AND h.middle ORDER BY e.sequence LIMIT 1) AS m
     )
     SELECT coalesce(max(extract(epoch FROM trail_now() - f.recorded_at)), 0)::float8 AS age
       FROM halves AS h
       CROSS JOIN LATERAL (
         SELECT e.recorded_at FROM audit_events AS e
           WHERE e.ledger = h.ledger AND e.sequence BETWEEN h.high AND h.high ORDER BY e.sequence LIMIT 1) AS f
       WHERE h.high - h.low = 1 AND f.recorded_at > to_timestamp($1)`,
    [time],
  );
  return Math.max(0, rows[0]!.age);
}
