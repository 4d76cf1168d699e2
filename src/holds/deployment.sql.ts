import type pg from 'pg';

/** The database's id, which its store must have as well. */
export async function readDeploymentId(pool: pg.Pool): Promise<string> {
  const { rows } = await pool.query<{ id: string }>('SELECT id FROM deployment');
  return rows[0]!.id;
}
