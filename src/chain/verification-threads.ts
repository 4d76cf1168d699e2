import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { ResultOf, VerificationSubject, VerificationTask } from './verification-tasks.js';
import type { Reach, WorkerAnswer, WorkerRequest, WorkerSettings } from './verification-worker.js';

/** A task could not be done. */
export class TaskError extends Error {
  override name = 'TaskError';
  constructor(
    message: string,
    /** the SQLSTATE, where the database said one */
    readonly code: string | undefined,
    readonly reach: Reach,
  ) {
    super(message);
  }
}

/** How long a thread without work is kept: the next verification of a ledger after another begins at once. */
const IDLE_MS = 10_000;

interface Thread {
  worker: Worker;
  /** set while it works */
  settle: { resolve: (result: unknown) => void; reject: (error: Error) => void } | undefined;
  idle: NodeJS.Timeout | undefined;
}

/** Threads that do the tasks of verifications, each with a connection of its own; made when needed, ended when idle. */
export class VerificationThreads {
  private readonly threads = new Set<Thread>();
  private readonly waiting: ((thread: Thread) => void)[] = [];
  private isClosed = false;

  constructor(
    private readonly size: number,
    private readonly settings: WorkerSettings,
  ) {}

  /** Does a task on the next thread that is free. Rejects with TaskError. */
  async run<T extends VerificationTask>(subject: VerificationSubject, task: T): Promise<ResultOf<T>> {
    const thread = await this.take();
    try {
      return await new Promise<ResultOf<T>>((resolve, reject) => {
        thread.settle = { resolve: resolve as (result: unknown) => void, reject };
        thread.worker.postMessage({ subject, task } satisfies WorkerRequest);
      });
    } finally {
      thread.settle = undefined;
      this.giveBack(thread);
    }
  }

  /** Ends the threads that are idle, and the others after their task. */
  close(): void {
    this.isClosed = true;
    for (const thread of this.threads) if (thread.settle === undefined) this.end(thread);
  }

  private async take(): Promise<Thread> {
    for (const thread of this.threads) {
      if (thread.idle === undefined) continue;
      clearTimeout(thread.idle);
      thread.idle = undefined;
      return thread;
    }
    if (this.threads.size < this.size) return this.start();
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  private giveBack(thread: Thread): void {
    if (!this.threads.has(thread)) {
      // it has died; whoever waits gets a new one
      const next = this.waiting.shift();
      if (next) next(this.start());
      return;
    }
    const next = this.waiting.shift();
    if (next) next(thread);
    else if (this.isClosed) this.end(thread);
    else thread.idle = setTimeout(() => this.end(thread), IDLE_MS).unref();
  }

  private start(): Thread {
    const worker = new Worker(workerFile(), { workerData: this.settings, name: 'verification' });
    const thread: Thread = { worker, settle: undefined, idle: undefined };
    const died = (error: Error): void => {
      this.threads.delete(thread);
      clearTimeout(thread.idle);
      thread.settle?.reject(new TaskError(error.message, undefined, 'connection-lost'));
    };
    worker.on('message', ({ result, error }: WorkerAnswer) => {
      if (error) thread.settle?.reject(new TaskError(error.message, error.code, error.reach));
      else thread.settle?.resolve(result);
    });
    worker.on('error', died);
    worker.on('exit', () => died(new Error('the thread has ended')));
    worker.unref();
    this.threads.add(thread);
    return thread;
  }

  private end(thread: Thread): void {
    this.threads.delete(thread);
    clearTimeout(thread.idle);
    thread.worker.postMessage(null);
  }
}

/**
 * The worker's file beside this one. A thread cannot load TypeScript: where the sources themselves run, as under Jest,
 * it comes from the build of them that TRUETRAIL_BUILD names.
 */
function workerFile(): URL {
  const name = 'verification-worker.js';
  if (!import.meta.url.endsWith('.ts')) return new URL(`./${name}`, import.meta.url);
  const build = process.env.TRUETRAIL_BUILD;
  if (build === undefined) throw new Error('TRUETRAIL_BUILD is not set: threads need the build of these sources');
  return pathToFileURL(join(build, 'src', 'chain', name));
}
