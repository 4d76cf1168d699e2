import { Worker } from 'node:worker_threads';
import { threadFile } from '../operation/thread-file.js';
import { ArchiveObjectError } from './archive-format.js';
import type { ArchiveTask, ResultOf } from './archive-tasks.js';
import type { ArchiveWorkerAnswer, ArchiveWorkerSettings } from './archive-worker.js';

/** A row group of the largest events several times over, and the footer of the largest object. */
const MAX_HEAP_MB = 512;

/** A thread that encodes and verifies objects, one task at a time; made when there is a first task. To be closed. */
export class ArchiveThread {
  private worker: Worker | undefined;
  private failure: Error | undefined;
  private settle: { resolve: (result: unknown) => void; reject: (error: Error) => void } | undefined;

  constructor(private readonly settings: ArchiveWorkerSettings) {}

  /** Rejects with ArchiveObjectError, or the database's error with its SQLSTATE. */
  async run<T extends ArchiveTask>(task: T): Promise<ResultOf<T>> {
    if (this.failure) throw this.failure;
    const worker = (this.worker ??= this.start());
    const result = (await new Promise((resolve, reject) => {
      this.settle = { resolve, reject };
      worker.postMessage(task);
    }).finally(() => (this.settle = undefined))) as ResultOf<T>;
    if (result === undefined || !('sha256' in result)) return result;
    // a Buffer comes out of a message as a bare array
    return { ...result, sha256: Buffer.from(result.sha256), md5: Buffer.from(result.md5) };
  }

  async close(): Promise<void> {
    this.failure ??= new Error('the thread is closed');
    await this.worker?.terminate();
  }

  private start(): Worker {
    const worker = new Worker(threadFile('archive/archive-worker.js'), {
      workerData: this.settings,
      name: 'archive',
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
    });
    worker.on('message', ({ result, error }: ArchiveWorkerAnswer) => {
      if (!error) this.settle?.resolve(result);
      else if (error.isDamage) this.settle?.reject(new ArchiveObjectError(error.message, error.at));
      else this.settle?.reject(Object.assign(new Error(error.message), { code: error.code }));
    });
    const died = (error: Error): void => {
      this.failure ??= error;
      this.settle?.reject(error);
    };
    worker.on('error', died);
    worker.on('exit', () => died(new Error('the thread has ended')));
    return worker;
  }
}
