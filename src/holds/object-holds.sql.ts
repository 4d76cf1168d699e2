import type pg from 'pg';

/** An archive object of which the store has yet to be told, or asked again. */
export interface OpenObject {
  number: string;
  object_key: string;
  version_id: string;
  /** whether a hold touches it; otherwise it is to be freed */
  wanted: boolean;
  /** the store has said before that it holds it */
  confirmed: boolean;
}

/** Objects after a number, in order: those that are not as they should be, and those last confirmed `recheckS` ago. */
export async function listOpenObjects(
  pool: pg.Pool,
  after: string,
  recheckS: number,
  limit: number,
): Promise<OpenObject[]> {
  const { rows } = await pool.query<OpenObject>(
    `SELECT number, object_key, version_id, wanted, confirmed FROM open_object_holds($1, $2 * interval '1 second', $3)`,
    [after, recheckS, limit],
  );
  return rows;
}

/** The store is about to be asked to hold them; it says that it does; it says that it does not any more. */
export type Step = 'begun' | 'held' | 'freed';

export async function noteObjects(pool: pg.Pool, numbers: readonly string[], step: Step): Promise<void> {
  if (numbers.length > 0) await pool.query('SELECT note_object_holds($1, $2)', [numbers, step]);
}

/** How many objects the store holds, and of how many it has yet to say so. */
export async function countObjects(pool: pg.Pool): Promise<{ held: number; open: number }> {
  const { rows } = await pool.query<{ held: string; open: string }>(
    `SELECT count(x.confirmed_at) AS held, count(*) FILTER (WHERE n.number IS NOT NULL AND x.confirmed_at IS NULL) AS open
       FROM archive_object_holds AS x FULL JOIN objects_under_hold(NULL) AS n (number) ON n.number = x.number`,
  );
  return { held: Number(rows[0]!.held), open: Number(rows[0]!.open) };
}
