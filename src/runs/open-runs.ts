import type pg from 'pg';
import { Problem } from '../http/problem.js';
import { countOpenRuns, MAX_OPEN_RUNS, type RunStatus, type RunTables } from './kept-run-rows.js';

const RETRY_AFTER_SECONDS = 30;

/** Whether a run waits or is being made. */
export function isOpen({ status }: { status: RunStatus }): boolean {
  return status === 'queued' || status === 'running';
}

/** Throws too-many-runs. Requests at the same moment may pass it together: it keeps lanes and room, not a promise. */
export async function assertRoomForRun(pool: pg.Pool, tables: RunTables, principal: string): Promise<void> {
  if ((await countOpenRuns(pool, tables, principal)) < MAX_OPEN_RUNS) return;
  throw new Problem('too-many-runs', `You have ${MAX_OPEN_RUNS} runs that wait or are being made`, {
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  });
}
