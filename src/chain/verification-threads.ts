import { Thread as WorkerThread } from '../threads/thread.js';
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
  carrier: WorkerThread<WorkerRequest, WorkerAnswer>;
  /** somebody has it */
  isTaken: boolean;
  /** set while it works */
  settle: { resolve: (result: unknown) => void; reject: (error: Error) => void } | undefined;
  idle: NodeJS.Timeout | undefined;
}

/** Threads that do the tasks of verifications, each with a connection of its own; made when needed, ended when idle. */
export class VerificationThreads {
  private readonly threads = new Set<Thread>();
  private readonly waiting: ((thread: Thread) => void)[] = [];
  private isClosed = false;

  /** `mayWork` says how many of the `size` threads may work at the moment; at least one. */
  constructor(
    private readonly size: number,
    private readonly mayWork: () => number,
    private readonly settings: WorkerSettings,
  ) {}

  /** Does a task on the next thread that is free. Rejects with TaskError. */
  async run<T extends VerificationTask>(subject: VerificationSubject, task: T): Promise<ResultOf<T>> {
    const thread = await this.take();
    try {
      return await new Promise<ResultOf<T>>((resolve, reject) => {
        thread.settle = { resolve: resolve as (result: unknown) => void, reject };
        thread.carrier.postMessage({ subject, task });
      });
    } finally {
      thread.settle = undefined;
      this.giveBack(thread);
    }
  }

  /** Ends the threads that are idle, and the others after their task. */
  close(): void {
    this.isClosed = true;
    for (const thread of this.threads) if (!thread.isTaken) this.end(thread);
  }

  private async take(): Promise<Thread> {
    return this.takeFree() ?? new Promise((resolve) => this.waiting.push(resolve));
  }

  private takeFree(): Thread | undefined {
    const all = [...this.threads];
    const taken = all.filter(({ isTaken }) => isTaken).length;
    if (taken >= this.mayWork()) return undefined;
    const thread = all.find(({ isTaken }) => !isTaken) ?? (all.length < this.size ? this.start() : undefined);
    if (!thread) return undefined;
    clearTimeout(thread.idle);
    thread.idle = undefined;
    thread.isTaken = true;
    return thread;
  }

  private giveBack(thread: Thread): void {
    thread.isTaken = false;
    while (this.waiting.length > 0) {
      const free = this.takeFree();
      if (!free) break;
      this.waiting.shift()!(free);
    }
    if (thread.isTaken || !this.threads.has(thread)) return; // it has more to do, or has died
    if (this.isClosed) this.end(thread);
    else thread.idle = setTimeout(() => this.end(thread), IDLE_MS).unref();
  }

  private start(): Thread {
    const thread: Thread = {
      carrier: new WorkerThread<WorkerRequest, WorkerAnswer>(
        this.settings,
        { file: 'chain/verification-worker.js', name: 'verification' },
        {
          onMessage: ({ result, error }) => {
            if (error) thread.settle?.reject(new TaskError(error.message, error.code, error.reach));
            else thread.settle?.resolve(result);
          },
          onEnd: (error) => {
            this.threads.delete(thread);
            clearTimeout(thread.idle);
            thread.settle?.reject(new TaskError(error.message, undefined, 'connection-lost'));
          },
        },
      ),
      isTaken: false,
      settle: undefined,
      idle: undefined,
    };
    this.threads.add(thread);
    return thread;
  }

  private end(thread: Thread): void {
    this.threads.delete(thread);
    clearTimeout(thread.idle);
    thread.carrier.giveBack();
  }
}
