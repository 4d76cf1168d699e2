import { Worker } from 'node:worker_threads';
import { threadFile } from '../operation/thread-file.js';
import type { UncosignedCheckpoint } from './cosignatures.sql.js';
import type { AskedWitness, Offered } from './offering.js';
import type { WitnessWorkerAnswer, WitnessWorkerSettings, WitnessWorkerTask } from './witness-worker.js';

const MAX_HEAP_MB = 256;

interface Waiting {
  resolve: (offered: Offered[]) => void;
  reject: (error: Error) => void;
}

/**
 * A thread that asks witnesses: proofs, requests and signatures of ten thousand ledgers are most of a minute of a
 * processor, which those who post events must not wait for. To be closed.
 */
export class WitnessThread {
  private readonly worker: Worker;
  private readonly waiting = new Map<number, Waiting>();
  private failure: Error | undefined;
  private next = 0;

  constructor(settings: WitnessWorkerSettings) {
    this.worker = new Worker(threadFile('checkpoints/witness-worker.js'), {
      workerData: settings,
      name: 'witnesses',
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
    });
    this.worker.on('message', ({ id, offered, error }: WitnessWorkerAnswer) => {
      const asked = this.waiting.get(id);
      this.waiting.delete(id);
      if (offered) asked?.resolve(offered);
      else asked?.reject(new Error(error));
    });
    const died = (error: Error): void => {
      this.failure ??= error;
      for (const { reject } of this.waiting.values()) reject(error);
      this.waiting.clear();
    };
    this.worker.on('error', died);
    this.worker.on('exit', () => died(new Error('the thread has ended')));
    this.worker.unref();
  }

  get hasEnded(): boolean {
    return this.failure !== undefined;
  }

  /** Offers checkpoints to a witness; several may be asked at once. Rejects when the thread ends. */
  offerAll(witness: AskedWitness, checkpoints: readonly UncosignedCheckpoint[]): Promise<Offered[]> {
    if (this.failure) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => {
      const id = this.next++;
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, witness, checkpoints } satisfies WitnessWorkerTask);
    });
  }

  async close(): Promise<void> {
    await this.worker.terminate();
  }
}
