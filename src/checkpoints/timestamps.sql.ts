import type pg from 'pg';

/** What an authority has stamped last. */
export interface LastTimestamp {
  authority_url: string;
  anchor: string;
  /** since its genTime, by the database's clock */
  age_seconds: number;
}

export async function readLastTimestamps(pool: pg.Pool, urls: readonly string[]): Promise<LastTimestamp[]> {
  const { rows } = await pool.query<LastTimestamp>(
    `SELECT u.authority_url, t.anchor, extract(epoch FROM trail_now() - t.stamped_at)::float8 AS age_seconds
       FROM unnest($1::text[]) AS u (authority_url)
       CROSS JOIN LATERAL (
         SELECT s.anchor, s.stamped_at FROM timestamps AS s
           WHERE s.authority_url = u.authority_url ORDER BY s.anchor DESC, s.stamped_at DESC LIMIT 1) AS t`,
    [urls],
  );
  return rows;
}

/** For each authority the age of the first anchor that no time stamp of its covers, seconds; 0 when all are covered. */
export async function readUnstampedAges(
  pool: pg.Pool,
  urls: readonly string[],
): Promise<{ authority_url: string; age_seconds: number }[]> {
  const { rows } = await pool.query<{ authority_url: string; age_seconds: number }>(
    `SELECT u.authority_url,
            coalesce(extract(epoch FROM trail_now() - (
              SELECT a.catalogued_at FROM anchors AS a
                WHERE a.number > coalesce((SELECT max(s.anchor) FROM timestamps AS s WHERE s.authority_url = u.authority_url), 0)
                ORDER BY a.number LIMIT 1)), 0)::float8 AS age_seconds
       FROM unnest($1::text[]) AS u (authority_url)`,
    [urls],
  );
  return rows;
}

/** A time stamp that is in the store, to be catalogued. */
export interface NewTimestamp {
  anchor: bigint;
  anchorSha256: Buffer;
  reply: Buffer;
  authorityUrl: string;
  authority: string;
  /** `YYYY-MM-DDThh:mm:ss.ffffffZ` */
  stampedAt: string;
  location: string;
  objectKey: string;
  versionId: string;
}

/** Fails with TT042 when the anchor is another one than was stamped. */
export async function keepTimestamp(pool: pg.Pool, timestamp: NewTimestamp): Promise<void> {
  await pool.query('SELECT keep_timestamp($1, $2, $3, $4, $5, $6, $7, $8, $9)', [
    String(timestamp.anchor),
    timestamp.anchorSha256,
    timestamp.reply,
    timestamp.authorityUrl,
    timestamp.authority,
    timestamp.stampedAt,
    timestamp.location,
    timestamp.objectKey,
    timestamp.versionId,
  ]);
}

export interface StoredTimestamp {
  anchor: string;
  authority_url: string;
  authority: string;
  reply: Buffer;
}

/** Of each authority the first time stamp over an anchor or a later one, which cover it by the chain of anchors. */
export async function findTimestampsFrom(pool: pg.Pool, anchor: bigint): Promise<StoredTimestamp[]> {
  const { rows } = await pool.query<StoredTimestamp>(
    `SELECT DISTINCT ON (authority_url) anchor, authority_url, authority, reply
       FROM timestamps WHERE anchor >= $1 ORDER BY authority_url, anchor, stamped_at`,
    [String(anchor)],
  );
  return rows;
}
