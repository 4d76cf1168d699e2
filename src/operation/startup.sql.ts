import type pg from 'pg';

/** Settings by which a commit may be lost in a crash, as `fsync = off`; none where all is as it should be. */
export async function unsafeSettings(pool: pg.Pool): Promise<string[]> {
  const { rows } = await pool.query<{ setting: string }>({
    name: 'unsafe_settings',
    text: `SELECT name || ' = ' || current_setting(name) AS setting FROM unnest(ARRAY['fsync', 'full_page_writes']) AS name
             WHERE current_setting(name) <> 'on'`,
  });
  return rows.map(({ setting }) => setting);
}

export async function recordedConfigDigest(pool: pg.Pool): Promise<Buffer | null> {
  const { rows } = await pool.query<{ config_digest: Buffer | null }>('SELECT config_digest FROM deployment');
  return rows[0]?.config_digest ?? null;
}

export async function recordConfigDigest(pool: pg.Pool, digest: Buffer): Promise<void> {
  await pool.query('SELECT record_config_digest($1)', [digest]);
}
