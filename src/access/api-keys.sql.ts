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
  expires_at?: string | undefined;
}

const COLUMNS = `id, name, scopes, ledgers, created_by, revoked_by,
  to_char(created_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_at,
  to_char(expires_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS expires_at,
  to_char(revoked_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS revoked_at`;

type StoredKey = NewApiKey & { id: string; hash: Buffer; createdBy: string };

/** Keys that work now; `expires_in_ms` is null for one without an end. */
export async function findUsableKey(
  pool: pg.Pool,
  hash: Buffer,
): Promise<{ id: string; scopes: string[]; ledgers: string[]; expires_in_ms: string | null } | null> {
  const { rows } = await pool.query<{ id: string; scopes: string[]; ledgers: string[]; expires_in_ms: string | null }>({
    name: 'find_usable_key',
    text: `SELECT id, scopes, ledgers, extract(epoch FROM expires_at - trail_now()) * 1000 AS expires_in_ms
             FROM api_keys
             WHERE secret_hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > trail_now())`,
    values: [hash],
  });
  return rows[0] ?? null;
}

const INSERT = `INSERT INTO api_keys (id, name, secret_hash, scopes, ledgers, expires_at, created_by, created_at)
  VALUES ($1, $2, $3, $4, $5, $6, $7, trail_now())`;

function insertValues(key: StoredKey): unknown[] {
  return [key.id, key.name, key.hash, key.scopes, key.ledgers, key.expires_at ?? null, key.createdBy];
}

export async function insertKey(pool: pg.Pool, key: StoredKey): Promise<ApiKey> {
  const { rows } = await pool.query<ApiKey>(`${INSERT} RETURNING ${COLUMNS}`, insertValues(key));
  return rows[0]!;
}

/** False when the same key is there already, made by another replica at this moment. */
export async function insertKeyOnce(pool: pg.Pool, key: StoredKey): Promise<boolean> {
  const { rowCount } = await pool.query(
    `${INSERT} ON CONFLICT ON CONSTRAINT api_keys_secret_hash_key DO NOTHING`,
    insertValues(key),
  );
  return rowCount === 1;
}

export async function keyExists(pool: pg.Pool, hash: Buffer): Promise<boolean> {
  const { rows } = await pool.query('SELECT 1 FROM api_keys WHERE secret_hash = $1', [hash]);
  return rows.length > 0;
}

export async function anyKey(pool: pg.Pool): Promise<boolean> {
  const { rows } = await pool.query('SELECT 1 FROM api_keys LIMIT 1');
  return rows.length > 0;
}

export async function listKeys(pool: pg.Pool): Promise<ApiKey[]> {
  const { rows } = await pool.query<ApiKey>(`SELECT ${COLUMNS} FROM api_keys ORDER BY id`);
  return rows;
}

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
