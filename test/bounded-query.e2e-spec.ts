import pg from 'pg';
import { queryBounded } from '../src/database/bounded-query.js';
import { createTestDatabase, type TestDatabase } from './support/database.js';

describe('a read bounded in bytes', () => {
  let database: TestDatabase;
  let client: pg.Client;
  beforeAll(async () => {
    database = await createTestDatabase();
    client = new pg.Client({ connectionString: database.serviceUrl });
    client.on('error', () => undefined);
    await client.connect();
  });
  afterAll(async () => {
    await client.end();
    await database.drop();
  });
  /** 1,000 rows of 1,000 bytes; dividing by zero at the row given */
  const statement = (failAt = 0, name?: string) => ({
    ...(name === undefined ? {} : { name }),
    text: `SELECT i, repeat('x', 1000) AS text, 1 / (i - $1::integer) AS ok FROM generate_series(1, 1000) AS i LIMIT $2`,
    values: [failAt, 1000] as unknown[],
  });
  const usable = async (): Promise<void> => {
    const { rows } = await client.query('SELECT 1 AS one');
    expect(rows).toEqual([{ one: 1 }]);
  };

  it('reads all that is within the bound', async () => {
    const { rows, bytes, cut } = await queryBounded<{ i: number }>(client, statement(), 1_000, 10_000_000);
    expect([rows.length, rows[999]!.i, cut]).toEqual([1_000, 1_000, false]);
    expect(bytes).toBeGreaterThan(1_000_000);
  });

  it.each([
    ['plain', undefined],
    ['prepared', 'a'],
  ])('leaves a statement at the bound, and the connection is ready for the next: %s', async (_, name) => {
    for (let i = 0; i < 3; i++) {
      const { rows, bytes, cut } = await queryBounded<{ i: number }>(client, statement(0, name), 1_000, 100_000);
      expect(cut).toBe(true);
      expect(bytes).toBeGreaterThanOrEqual(100_000);
      expect(rows.length).toBeLessThan(150);
      await usable();
    }
    await client.query('BEGIN');
    const { cut } = await queryBounded(client, statement(0, name), 1_000, 100_000);
    await client.query('COMMIT');
    expect(cut).toBe(true);
  });

  it('fails with the statement, wherever that fails, and the connection is ready for the next', async () => {
    for (const failAt of [1, 500]) {
      for (const maxRows of [1_000, 100]) {
        await expect(queryBounded(client, statement(failAt), maxRows, 10_000_000)).rejects.toThrow('division by zero');
        await usable();
      }
    }
    const nonsense = { text: 'SELECT nothing_of_that_name', values: [] };
    await expect(queryBounded(client, nonsense, 1_000, 1)).rejects.toThrow('nothing_of_that_name');
    await usable();
  });

  it('fails with the connection', async () => {
    const admin = new pg.Client({ connectionString: database.adminUrl });
    await admin.connect();
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    const slow = { text: `SELECT pg_sleep(0.02), i FROM generate_series(1, 1000) AS i LIMIT $1`, values: [1000] };
    const reading = expect(queryBounded(client, slow, 1_000, 10_000_000)).rejects.toThrow();
    await admin.query('SELECT pg_sleep(0.2), pg_terminate_backend($1)', [rows[0]!.pid]);
    await reading;
    await admin.end();
  });
});
