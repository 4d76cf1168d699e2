import type pg from 'pg';

/** The settings without which a commit may be lost in a crash. */
export async function durabilitySettings(pool: pg.Pool): Promise<{ name: string; setting: string }[]> {
  const { rows } = await pool.query<{ name: string; setting: string }>(
    `SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes')`,
  );
  return rows;
}

export async function recordedConfigDigest(pool: pg.Pool): Promise<Buffer | null> {
  const { rows } = await pool.query<{ config_digest: Buffer | null }>('SELECT config_digest FROM deployment');
  return rows[0]?.config_digest ?? null;
}

export async function recordConfigDigest(pool: pg.Pool, digest: Buffer): Promise<void> {
  await pool.query('SELECT record_config_digest($1)', [digest]);
}
