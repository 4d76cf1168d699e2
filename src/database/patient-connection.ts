import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { isDatabaseUnavailable, isLoginRefused } from './availability.js';

const PAUSE_MS = 1_000;
/** How often it is said what is waited for. */
const SAY_MS = 15_000;

/** A standby took the connection: nothing can be written there. */
class StandbyError extends Error {
  /** PostgreSQL's own for a write on it */
  readonly code = '25006';
}

/**
 * Connects to a primary. A server that cannot be reached, has no room, is starting up or follows another one is tried
 * again for `patienceMs`: after a failover, or when a whole cluster starts, it comes back by itself, and whoever ends
 * meanwhile is started again ever later. Rejects with the last error, and with any other one at once.
 */
export async function connectPatiently(
  config: pg.ClientConfig,
  { patienceMs, log }: { patienceMs: number; log: (message: string) => void },
): Promise<pg.Client> {
  const deadline = Date.now() + patienceMs;
  let saidAt = -Infinity;
  for (;;) {
    const client = new pg.Client(config);
    client.on('error', () => undefined); // the query that meets it fails
    try {
      await client.connect();
      await assertPrimary(client);
      return client;
    } catch (error) {
      await client.end().catch(() => undefined);
      const leftMs = deadline - Date.now();
      const isAway = error instanceof StandbyError || (isDatabaseUnavailable(error) && !isLoginRefused(error));
      if (!isAway || leftMs <= 0) throw error;
      if (Date.now() - saidAt >= SAY_MS) {
        saidAt = Date.now();
        const { message, code } = error as Error & { code?: string }; // of several addresses there is no one message
        log(`no database yet (${message || code}): trying for another ${Math.ceil(leftMs / 1000)} s`);
      }
      await pause(Math.min(PAUSE_MS, leftMs));
    }
  }
}

async function assertPrimary(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ follows: boolean }>('SELECT pg_is_in_recovery() AS follows');
  if (rows[0]!.follows) throw new StandbyError('the server follows another one');
}
