import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import type { ArchiveTask } from './archive-tasks.js';
import type { ArchiveThread } from './archive-thread.js';
import { SharedThreads } from './shared-threads.js';

/** A thread that ends a task when it is told to. */
class ToldThread {
  static begun: number[] = [];
  static end = new Map<number, (result: unknown) => void>();

  run(task: unknown): Promise<unknown> {
    const { file } = task as { file: string };
    ToldThread.begun.push(Number(file));
    return new Promise((resolve, reject) =>
      ToldThread.end.set(Number(file), (result) => (result instanceof Error ? reject(result) : resolve(result))),
    );
  }
}

const MAX = 100;

function shared(threads: number): SharedThreads {
  ToldThread.begun = [];
  const told = Array.from({ length: threads }, () => new ToldThread() as Pick<ArchiveThread, 'run'>);
  return new SharedThreads(told, MAX, (result) => result as number);
}

const task = (number: number) => ({ kind: 'verify', file: String(number) }) as ArchiveTask;

async function end(number: number, result: unknown): Promise<void> {
  ToldThread.end.get(number)!(result);
  await turn();
}

describe('threads that share tasks', () => {
  it('begin them in their order, and none while too much of what is done is not taken', async () => {
    const threads = shared(2);
    const results = [1, 2, 3, 4, 5, 6].map((number) => threads.run(task(number)));
    await turn();
    expect(ToldThread.begun).toEqual([1, 2]);
    await end(2, MAX);
    expect(ToldThread.begun).toEqual([1, 2, 3]); // no more than may be held
    await end(3, 1);
    expect(ToldThread.begun).toEqual([1, 2, 3]);
    await end(1, 50);
    expect(ToldThread.begun).toEqual([1, 2, 3]);
    threads.taken(await results[0]);
    await turn();
    expect(ToldThread.begun).toEqual([1, 2, 3]);
    threads.taken(await results[1]);
    await turn();
    expect(ToldThread.begun).toEqual([1, 2, 3, 4, 5]);
  });

  it('go on after one that fails, and hold nothing for it', async () => {
    const threads = shared(1);
    const [first, second] = [threads.run(task(1)), threads.run(task(2))];
    await turn();
    await Promise.all([expect(first).rejects.toThrow('no'), end(1, new Error('no'))]);
    await end(2, 7);
    expect(await second).toBe(7);
  });

  it('let nobody wait once they are closed, also where too much is held', async () => {
    const threads = shared(1);
    const [first, second] = [threads.run(task(1)), threads.run(task(2))];
    const third = threads.run(task(3));
    await turn();
    await end(1, MAX + 1);
    await first;
    const refused = [second, third].map((each) => expect(each).rejects.toThrow('closed'));
    await threads.close();
    await Promise.all([...refused, expect(threads.run(task(4))).rejects.toThrow('closed')]);
    expect(ToldThread.begun).toEqual([1]);
  });
});
