import type { ArchiveTask, ResultOf } from './archive-tasks.js';
import type { ArchiveThread } from './archive-thread.js';

/**
 * Gives each task to the first thread that is free, in their order. Results that nobody has taken yet are held: while they
 * are more than so many bytes no further task begins, so that memory does not grow with the threads.
 */
export class SharedThreads {
  private readonly free: Pick<ArchiveThread, 'run'>[];
  private readonly waiting: { begin: (thread: Pick<ArchiveThread, 'run'>) => void; give: (error: Error) => void }[] =
    [];
  private readonly running = new Set<Promise<unknown>>();
  private heldBytes = 0;
  private isClosed = false;

  constructor(
    threads: readonly Pick<ArchiveThread, 'run'>[],
    private readonly maxHeldBytes: number,
    private readonly bytesOf: (result: unknown) => number,
  ) {
    this.free = [...threads];
  }

  /** Rejects with what the thread's `run` does, or once these are closed. Whoever gets a result says so by `taken`. */
  run<T extends ArchiveTask>(task: T): Promise<ResultOf<T>> {
    const running = this.runOnOne(task);
    this.running.add(running);
    void running.catch(() => undefined).then(() => this.running.delete(running));
    return running;
  }

  /** Of a result that is held no more: results are to be taken in the order of their tasks, as those that wait may wait for it. */
  taken(result: unknown): void {
    this.heldBytes -= this.bytesOf(result);
    this.beginWaiting();
  }

  /** No further task begins, and those that wait reject. Resolves once nothing is under way any more, however it ended. */
  async close(): Promise<void> {
    this.isClosed = true;
    for (const { give } of this.waiting.splice(0)) give(new Error('the threads are closed'));
    await Promise.allSettled(this.running);
  }

  private async runOnOne<T extends ArchiveTask>(task: T): Promise<ResultOf<T>> {
    const thread = await new Promise<Pick<ArchiveThread, 'run'>>((begin, give) => {
      this.waiting.push({ begin, give });
      if (this.isClosed) void this.close();
      else this.beginWaiting();
    });
    try {
      const result = await thread.run(task);
      this.heldBytes += this.bytesOf(result);
      return result;
    } finally {
      this.free.push(thread);
      this.beginWaiting();
    }
  }

  private beginWaiting(): void {
    while (this.free.length > 0 && this.waiting.length > 0 && this.heldBytes <= this.maxHeldBytes) {
      this.waiting.shift()!.begin(this.free.pop()!);
    }
  }
}
