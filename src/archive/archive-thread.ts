import { Thread } from '../threads/thread.js';
import { ArchiveObjectError } from './archive-format.js';
import type { ArchiveTask, ResultOf } from './archive-tasks.js';
import type { ArchiveWorkerAnswer, ArchiveWorkerSettings } from './archive-worker.js';

/** A row group of the largest events several times over, and the footer of the largest object. */
const MAX_HEAP_MB = 512;

/** A thread that encodes and verifies objects, one task at a time; made when there is a first task. To be closed. */
export class ArchiveThread {
  private thread: Thread<ArchiveTask, ArchiveWorkerAnswer> | undefined;
  private failure: Error | undefined;
  private settle: { resolve: (result: unknown) => void; reject: (error: Error) => void } | undefined;

  constructor(private readonly settings: ArchiveWorkerSettings) {}

  /** Rejects with ArchiveObjectError, or the database's error with its SQLSTATE. */
  async run<T extends ArchiveTask>(task: T): Promise<ResultOf<T>> {
    if (this.failure) throw this.failure;
    const thread = (this.thread ??= this.start());
    const result = (await new Promise((resolve, reject) => {
      this.settle = { resolve, reject };
      thread.postMessage(task);
    }).finally(() => (this.settle = undefined))) as ResultOf<T>;
    if (result === undefined || !('sha256' in result)) return result;
    // a Buffer comes out of a message as a bare array
    return { ...result, sha256: Buffer.from(result.sha256), md5: Buffer.from(result.md5) };
  }

  async close(): Promise<void> {
    this.failure ??= new Error('the thread is closed');
    if (this.settle) await this.thread?.end();
    else this.thread?.giveBack();
  }

  private start(): Thread<ArchiveTask, ArchiveWorkerAnswer> {
    return new Thread<ArchiveTask, ArchiveWorkerAnswer>(
      this.settings,
      { file: 'archive/archive-worker.js', name: 'archive', maxHeapMb: MAX_HEAP_MB, isAwaited: true },
      {
        onMessage: ({ result, error }) => {
          if (!error) this.settle?.resolve(result);
          else if (error.isDamage) this.settle?.reject(new ArchiveObjectError(error.message, error.at));
          else this.settle?.reject(Object.assign(new Error(error.message), { code: error.code }));
        },
        onEnd: (error) => {
          this.failure ??= error;
          this.settle?.reject(error);
        },
      },
    );
  }
}
