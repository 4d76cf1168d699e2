import pg from 'pg';

/** Longer than any test moves the clock: for CLOCK_TOLERANCE, in ms. */
export const ANY_DIFFERENCE_MS = 200 * 365 * 86_400_000;

/** Moves the time that SQL goes by: to the given one, or by what it is away from now; it goes on from there. */
export async function moveTrailClock(admin: pg.ClientBase, to: Date): Promise<void> {
  const seconds = (to.getTime() - Date.now()) / 1000;
  await admin.query(`
    CREATE OR REPLACE FUNCTION trail_now() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE
      SET search_path = pg_catalog AS $$ SELECT clock_timestamp() + ${seconds} * interval '1 second' $$`);
}
