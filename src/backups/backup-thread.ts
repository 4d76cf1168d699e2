import { Worker } from 'node:worker_threads';
import { ObjectMissing, StoreUnavailable } from '../archive/object-store.js';
import type { S3Settings } from '../archive/s3-object-store.js';
import { threadFile } from '../operation/thread-file.js';
import type { BackupWorkerAnswer } from './backup-worker.js';
import type { ReadObject, ReadTask } from './object-reading.js';

/** Parts of 8 MiB, some of them waiting to be collected. */
const MAX_HEAP_MB = 256;

/** A thread that reads objects of backups and decompresses them, one at a time. To be closed. */
export class BackupThread {
  private readonly worker: Worker;
  private failure: Error | undefined;
  private settle: { resolve: (answer: BackupWorkerAnswer) => void; reject: (error: Error) => void } | undefined;

  constructor(settings: S3Settings) {
    this.worker = new Worker(threadFile('backups/backup-worker.js'), {
      workerData: settings,
      name: 'backups',
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
    });
    this.worker.on('message', (answer: BackupWorkerAnswer) => this.settle?.resolve(answer));
    const died = (error: Error): void => {
      this.failure ??= error;
      this.settle?.reject(error);
    };
    this.worker.on('error', died);
    this.worker.on('exit', () => died(new Error('the thread has ended')));
    this.worker.unref();
  }

  /** Rejects with ObjectMissing or StoreUnavailable, and with the signal's reason, after which the thread is closed. */
  async read(task: ReadTask, signal: AbortSignal): Promise<ReadObject> {
    signal.throwIfAborted();
    if (this.failure) throw this.failure;
    const stop = (): void => void this.close();
    signal.addEventListener('abort', stop, { once: true });
    try {
      const { read, error } = await new Promise<BackupWorkerAnswer>((resolve, reject) => {
        this.settle = { resolve, reject };
        this.worker.postMessage(task);
      });
      if (error?.kind === 'missing') throw new ObjectMissing(error.message);
      if (error?.kind === 'unavailable') throw new StoreUnavailable(error.message);
      if (error) throw new Error(error.message);
      // a Buffer comes out of a message as a bare array
      return { ...read!, sha256: Buffer.from(read!.sha256), contentSha256: Buffer.from(read!.contentSha256) };
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener('abort', stop);
      this.settle = undefined;
    }
  }

  async close(): Promise<void> {
    await this.worker.terminate();
  }
}
