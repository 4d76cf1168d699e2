import { jest } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { ArchiveThread } from '../src/archive/archive-thread.js';
import { createTestDatabase, type TestDatabase } from './support/database.js';
import { query } from './support/keys.js';

/** What is behind a thread's interface: which of the process's threads it is. */
interface Carried {
  thread: { carrier: { worker: { threadId: number } } };
}

describe('a thread', () => {
  let databases: TestDatabase[];
  beforeAll(async () => {
    databases = [await createTestDatabase(), await createTestDatabase()];
  });
  afterAll(() => Promise.all(databases.map((database) => database.drop())));

  const made = (database: TestDatabase): ArchiveThread =>
    new ArchiveThread({ url: database.serviceUrl, lockTimeoutMs: 1_000 });
  const idOf = (thread: ArchiveThread): number => (thread as unknown as Carried).thread.carrier.worker.threadId;

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

  async function vacated(): Promise<void> {
    while ((await connections()).some((count) => count > 0)) await pause(20);
    await pause(100); // and says so
  }

  it('is had by one after another, each with a database of their own', async () => {
    const [first, second] = [made(databases[0]!), made(databases[1]!)];
    await work(first);
    expect(await connections()).toEqual([1, 0]);
    const id = idOf(first);
    await first.close();
    await vacated();
    await work(second);
    expect(idOf(second)).toBe(id);
    expect(await connections()).toEqual([0, 1]);
    await expect(first.run({ kind: 'verify', file: '/dev/null' })).rejects.toThrow('the thread is closed');

    const third = made(databases[0]!);
    await work(third);
    expect(idOf(third)).not.toBe(id); // the second still has it
    await Promise.all([second.close(), third.close()]);
    await vacated();
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
    await next.close();
    await vacated();
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
