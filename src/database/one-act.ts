import pg from 'pg';
import { connectionOptions } from './connection.js';

/** Whoever else acts on the same is done once its record is durable. */
const LOCK_TIMEOUT_MS = 10_000;

/**
 * Does an act and its record in one transaction of the database: the act first, so that nothing is recorded that the
 * database refuses; then the record, durable in the service's ledger; then the commit. A crash between the last two
 * leaves the record of an act that never took effect. Over a connection of its own: one of the pool's, held while the
 * record is made, could be the last.
 */
export async function inOneAct<T>(
  url: string,
  applicationName: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client(
    connectionOptions({ url, asService: true, applicationName, lockTimeoutMs: LOCK_TIMEOUT_MS }),
  );
  client.on('error', () => undefined); // the query that meets it fails
  try {
    await client.connect();
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } finally {
    await client.end().catch(() => undefined); // without a commit nothing has happened
  }
}
