import { setTimeout as pause } from 'node:timers/promises';
import { KeptConnection } from '../src/database/kept-connection.js';
import { createTestDatabase, type TestDatabase } from './support/database.js';
import { query } from './support/keys.js';

const NAME = 'truetrail kept connection';

describe('a connection of a thread', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());

  const options = () => ({ connectionString: database.serviceUrl, application_name: NAME });
  const sessions = async (): Promise<number> => {
    const text = 'SELECT pid FROM pg_stat_activity WHERE application_name = $1';
    return (await query(database, text, [NAME])).length;
  };
  async function untilThereAre(count: number): Promise<void> {
    for (const end = Date.now() + 10_000; (await sessions()) !== count; await pause(50)) {
      if (Date.now() > end) throw new Error(`there are ${await sessions()} sessions and not ${count}`);
    }
  }

  it('is one for all that ask, and another once it was lost', async () => {
    const connection = new KeptConnection(options(), database.serviceUrl);
    const first = await connection.connected();
    expect([await connection.connected(), connection.has(first)]).toEqual([first, true]);
    await query(database, 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1', [NAME]);
    for (const end = Date.now() + 10_000; connection.has(first) && Date.now() < end;) await pause(20);
    const next = await connection.connected();
    expect([next === first, connection.has(next)]).toEqual([false, true]);
    await connection.end();
    await untilThereAre(0);
  });

  it('is closed where it could not be prepared', async () => {
    let tries = 0;
    const connection = new KeptConnection(options(), database.serviceUrl, (client) => {
      tries += 1;
      return client.query(tries === 1 ? 'SELECT 1 / 0' : 'SELECT 1');
    });
    await expect(connection.connected()).rejects.toThrow('division by zero');
    await untilThereAre(0);
    expect(connection.has(await connection.connected())).toBe(true);
    await connection.end();
  });
});
