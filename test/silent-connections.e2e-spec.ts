import pg from 'pg';
import { connectionOptions } from '../src/database/connection.js';
import { createTestDatabase, type TestDatabase } from './support/database.js';
import { FaultProxy } from './support/fault-proxy.js';

/** Longer than the service waits before it asks the server about a query (src/database/silent-connections.ts). */
const LONG_S = 9;
/** By TCP alone a connection counts as lost after a quarter of an hour. */
const PATIENCE_MS = 20_000;

describe('a query that nothing is heard of', () => {
  let database: TestDatabase;
  let proxy: FaultProxy;
  let pool: pg.Pool;
  beforeAll(async () => {
    database = await createTestDatabase();
    proxy = await FaultProxy.start(Number(new URL(database.serviceUrl).port));
    const url = Object.assign(new URL(database.serviceUrl), { port: String(proxy.port) }).href;
    pool = new pg.Pool(
      connectionOptions({ url, asService: true, applicationName: 'truetrail silent test', lockTimeoutMs: 1_000 }),
    );
    pool.on('error', () => undefined);
  });
  afterAll(async () => {
    await pool.end();
    await proxy.close();
    await database.drop();
  });

  it('is left alone while the server is at it, and cut off when it knows nothing of it', async () => {
    const lost = pool.query('SELECT pg_sleep(1)').then(
      () => 'answered',
      (error: NodeJS.ErrnoException) => error.code,
    );
    await untilAsleep(1);
    const began = performance.now();
    proxy.silence();
    const { rows } = await pool.query<{ slept: string }>(`SELECT pg_sleep($1)::text || 'slept' AS slept`, [LONG_S]);
    expect(rows).toEqual([{ slept: 'slept' }]);
    expect(await lost).toBe('ETIMEDOUT');
    expect(performance.now() - began).toBeLessThan(PATIENCE_MS);
    // what is connected from now on works
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  async function untilAsleep(count: number): Promise<void> {
    const admin = new pg.Client({ connectionString: database.adminUrl });
    await admin.connect();
    try {
      for (;;) {
        const { rows } = await admin.query<{ asleep: number }>(
          `SELECT count(*)::integer AS asleep FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'truetrail silent test' AND wait_event = 'PgSleep'`,
        );
        if (rows[0]!.asleep === count) return;
      }
    } finally {
      await admin.end();
    }
  }
});
