import type pg from 'pg';

/** A key as it may be shown: everything but the key itself. Times are RFC 3339, UTC. */
export interface ApiKey {
  id: string;
  name: string;
  scopes: string[];
  ledgers: string[];
  created_at: string;
  created_by: string;
  expires_at: string | null;
  revoked_at: string | null;
  revoked_by: string | null;
}

export interface NewApiKey {
  name: string;
  scopes: readonly string[];
  ledgers: readonly string[];
  /** RFC 3339; absent: never */
  expires_at?: string | undefined;
}

export interface UsableKey {
  id: string;
  scopes: string[];
  ledgers: string[];
  /** null: never */
  expires_in_ms: string | null;
}

const COLUMNS = `id, name, scopes, ledgers, created_by, revoked_by,
  to_char(created_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_at,
  to_char(expires_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS expires_at,
  to_char(revoked_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS revoked_at`;

/** A key that works now, by the SHA-256 of it. */
export async function findUsableKey(pool: pg.Pool, hash: Buffer): Promise<UsableKey | undefined> {
  const { rows } = await pool.query<UsableKey>({
    name: 'find_usable_key',
    text: `SELECT id, scopes, ledgers, extract(epoch FROM expires_at - trail_now()) * 1000 AS expires_in_ms
             FROM api_keys
             WHERE secret_hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > trail_now())`,
    values: [hash],
  });
  return rows[0];
}

/**
 * Names of keys that will all have expired within 30 days, or have within the last 7, the first ones to do so: of several
 * keys of one name the one that lives longest counts, so that a successor ends it. Not those that are made for less than
 * 14 days, which somebody renews all the time.
 */
export async function soonestExpiries(pool: pg.Pool): Promise<{ name: string; seconds: number }[]> {
  const { rows } = await pool.query<{ name: string; seconds: number }>({
    name: 'soonest_key_expiries',
    text: `SELECT name, extract(epoch FROM last - trail_now())::float8 AS seconds
             FROM (SELECT name, max(coalesce(expires_at, 'infinity')) AS last,
                          max(CASE WHEN expires_at IS NULL THEN interval '14 days' ELSE expires_at - created_at END) AS lives
                     FROM api_keys
                     WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > trail_now() - interval '7 days')
                     GROUP BY name) AS named
             WHERE last > trail_now() - interval '7 days' AND last < trail_now() + interval '30 days'
               AND lives >= interval '14 days'
             ORDER BY last, name LIMIT 100`,
  });
  return rows;
}

export async function insertKey(
  pool: pg.Pool,
  key: NewApiKey & { id: string; hash: Buffer; createdBy: string },
): Promise<ApiKey> {
  const { rows } = await pool.query<ApiKey>(
    `INSERT INTO api_keys (id, name, secret_hash, scopes, ledgers, expires_at, created_by, created_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, trail_now())
       RETURNING ${COLUMNS}`,
    [key.id, key.name, key.hash, key.scopes, key.ledgers, key.expires_at ?? null, key.createdBy],
  );
  return rows[0]!;
}

/** Whether there is, or was, a key with this SHA-256; with any at all when none is given. */
export async function keyExists(pool: pg.Pool, hash: Buffer | undefined): Promise<boolean> {
  const { rows } = await pool.query('SELECT 1 FROM api_keys WHERE secret_hash = $1 OR $1::bytea IS NULL LIMIT 1', [
    hash ?? null,
  ]);
  return rows.length > 0;
}

/** Oldest first. */
export async function listKeys(pool: pg.Pool): Promise<ApiKey[]> {
  const { rows } = await pool.query<ApiKey>(`SELECT ${COLUMNS} FROM api_keys ORDER BY id`);
  return rows;
}

export async function findKey(pool: pg.Pool, id: string): Promise<ApiKey | undefined> {
  const { rows } = await pool.query<ApiKey>(`SELECT ${COLUMNS} FROM api_keys WHERE id = $1`, [id]);
  return rows[0];
}

/** Revokes a key for good; of two revocations the first stays. */
export async function revokeKey(pool: pg.Pool, id: string, revokedBy: string): Promise<ApiKey | undefined> {
  const { rows } = await pool.query<ApiKey>(
    `UPDATE api_keys
       SET revoked_at = coalesce(revoked_at, trail_now()), revoked_by = coalesce(revoked_by, $2)
       WHERE id = $1
       RETURNING ${COLUMNS}`,
    [id, revokedBy],
  );
  return rows[0];
}

/** One at a time over all replicas, until the connection ends. */
export async function waitForFirstKeyTurn(client: pg.ClientBase): Promise<void> {
  await client.query(`SELECT pg_advisory_lock(hashtextextended('truetrail.first_key', 0))`);
}
