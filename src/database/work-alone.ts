import type pg from 'pg';
import { sqlState, SqlState } from './sqlstate.js';

/** What only one process may do with a database at a time. */
export type WorkAlone = 'rebuild' | 'recover';

const lockOf = (work: WorkAlone): string => `hashtextextended('truetrail.${work}', 0)`;

/**
 * Takes a database for a work until the session ends, however that comes. What was killed just now is waited for, for as
 * long as the session waits for locks. Throws an Error for the operator while another session is at the same work, or,
 * for a recovery, rebuilds the database.
 */
export async function takeAlone(client: pg.ClientBase, work: WorkAlone): Promise<void> {
  if (work !== 'rebuild') await refuseDuringRebuild(client);
  try {
    await client.query(`SELECT pg_advisory_lock(${lockOf(work)})`);
  } catch (error) {
    if (sqlState(error) !== SqlState.lockNotAvailable) throw error;
    throw isAtWork(work, error);
  }
}

/**
 * Throws an Error for the operator while a rebuild is at work, whose transaction is not yet to be seen: to anybody else
 * the database is empty, and a service that began a trail of its own there would be in its way.
 */
export async function refuseDuringRebuild(database: pg.Pool | pg.ClientBase): Promise<void> {
  // let go of as soon as the statement ends
  const { rows } = await database.query<{ free: boolean }>(
    `SELECT pg_try_advisory_xact_lock_shared(${lockOf('rebuild')}) AS free`,
  );
  if (!rows[0]!.free) throw isAtWork('rebuild');
}

function isAtWork(work: WorkAlone, cause?: unknown): Error {
  return new Error(
    `\`truetrail ${work}\` is at work on this database (pg_stat_activity has its session): nothing was changed. ` +
      'Begin again when that has ended',
    { cause },
  );
}
