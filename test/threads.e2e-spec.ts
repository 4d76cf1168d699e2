import { jest } from '@jest/globals';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { ArchiveThread } from '../src/archive/archive-thread.js';
import { createTestDatabase, type TestDatabase } from './support/database.js';
import { query } from './support/keys.js';

/** What is behind a thread's interface: which of the process's threads it is. */
interface Carried {
  thread: { carrier: { worker: Worker } };
}

describe('a thread', () => {
  let databases: TestDatabase[];
  beforeAll(async () => {
    databases = [await createTestDatabase(), await createTestDatabase()];
  });
  afterAll(() => Promise.all(databases.map((database) => database.drop())));

  const made = (database: TestDatabase): ArchiveThread =>
    new ArchiveThread({ url: database.serviceUrl, lockTimeoutMs: 1_000 });
  const workerOf = (thread: ArchiveThread): Worker => (thread as unknown as Carried).thread.carrier.worker;
  const idOf = (thread: ArchiveThread): number => workerOf(thread).threadId;

  /** A task that needs the database, and fails there. */
  async function work(thread: ArchiveThread): Promise<void> {
    const range = { ledger: 'main', origin: 'example.com', from: 1n, to: 1n, previousEventHash: null };
    const task = {
      kind: 'encode' as const,
      file: '/dev/null',
      object: { kind: 'early' as const, number: 1n },
      ranges: [range],
    };
    await expect(thread.run(task)).rejects.toThrow();
  }

  /** Connections of threads to each of the databases. */
  async function connections(): Promise<number[]> {
    const text = `SELECT count(*)::integer AS count FROM pg_stat_activity
                   WHERE datname = current_database() AND application_name = 'truetrail archive'`;
    const rows = await Promise.all(databases.map((each) => query<{ count: number }>(each, text)));
    return rows.map(([row]) => row!.count);
  }

  /** Closes it, and waits for its thread to say that it is vacant. */
  async function vacate(thread: ArchiveThread): Promise<void> {
    const said = once(workerOf(thread), 'message');
    await thread.close();
    await said;
  }

  it('is had by one after another, each with a database of their own', async () => {
    const [first, second] = [made(databases[0]!), made(databases[1]!)];
    await work(first);
    expect(await connections()).toEqual([1, 0]);
    const id = idOf(first);
    await vacate(first);
    while ((await connections())[0]! > 0) await pause(20); // PostgreSQL's side of it ends a little later
    await work(second);
    expect(idOf(second)).toBe(id);
    expect(await connections()).toEqual([0, 1]);
    await expect(first.run({ kind: 'verify', file: '/dev/null' })).rejects.toThrow('the thread is closed');

    const third = made(databases[0]!);
    await work(third);
    expect(idOf(third)).not.toBe(id); // the second still has it
    await Promise.all([vacate(second), vacate(third)]);
  });

  it('is ended when it is left at work, and nobody gets it then', async () => {
    const thread = made(databases[0]!);
    const task = work(thread);
    const id = idOf(thread);
    await thread.close();
    await task;
    const next = made(databases[0]!);
    await work(next);
    expect(idOf(next)).not.toBe(id);
    await vacate(next);
  });

  it('is ended when nobody has wanted it for ten seconds', async () => {
    const thread = made(databases[0]!);
    await work(thread);
    const id = idOf(thread);
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
    try {
      await thread.close();
      await jest.advanceTimersByTimeAsync(10_000);
    } finally {
      jest.useRealTimers();
    }
    const next = made(databases[0]!);
    await work(next);
    expect(idOf(next)).not.toBe(id);
    await next.close();
  });
});
