import pg from 'pg';
import { connectionOptions } from '../database/connection.js';
import { cutOff } from '../database/silent-connections.js';

/** For the server's farewell; one that is gone never gives it. */
const RELEASE_TIMEOUT_MS = 5_000;

/**
 * A job's turn over all replicas: an advisory lock of a session of its own, which PostgreSQL gives up when the session
 * ends, however that came. Between statements the session holds no snapshot.
 */
export class JobLock {
  private constructor(private readonly client: pg.Client) {}

  /** The lock, or undefined when somebody else has it. `onLost` is called when the session ends before `release`. */
  static async tryTake(url: string, job: string, onLost: (error: Error) => void): Promise<JobLock | undefined> {
    const client = new pg.Client(
      connectionOptions({ url, asService: true, applicationName: `truetrail job ${job}`, lockTimeoutMs: 0 }),
    );
    let isHeld = false;
    client.on('error', (error) => {
      if (isHeld) onLost(error);
      isHeld = false;
    });
    try {
      await client.connect();
      const { rows } = await client.query<{ taken: boolean }>(
        `SELECT pg_try_advisory_lock(hashtextextended('truetrail.job.' || $1, 0)) AS taken`,
        [job],
      );
      isHeld = rows[0]!.taken;
    } finally {
      if (!isHeld) await client.end().catch(() => undefined);
    }
    return isHeld ? new JobLock(client) : undefined;
  }

  async release(): Promise<void> {
    const timer = setTimeout(() => cutOff(this.client, 'the server takes no leave'), RELEASE_TIMEOUT_MS);
    await this.client.end().catch(() => undefined); // a lost session has released it
    clearTimeout(timer);
  }
}
