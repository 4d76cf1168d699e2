import { Thread } from '../threads/thread.js';
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
  private readonly thread: Thread<WitnessWorkerTask, WitnessWorkerAnswer>;
  private readonly waiting = new Map<number, Waiting>();
  private failure: Error | undefined;
  private next = 0;

  constructor(settings: WitnessWorkerSettings) {
    this.thread = new Thread<WitnessWorkerTask, WitnessWorkerAnswer>(
      settings,
      { file: 'checkpoints/witness-worker.js', name: 'witnesses', maxHeapMb: MAX_HEAP_MB },
      {
        onMessage: ({ id, offered, error }) => {
          const asked = this.waiting.get(id);
          this.waiting.delete(id);
          if (offered) asked?.resolve(offered);
          else asked?.reject(new Error(error));
        },
        onEnd: (error) => {
          this.failure ??= error;
          for (const { reject } of this.waiting.values()) reject(error);
          this.waiting.clear();
        },
      },
    );
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
      this.thread.postMessage({ id, witness, checkpoints });
    });
  }

  async close(): Promise<void> {
    if (this.waiting.size > 0) await this.thread.end();
    else this.thread.giveBack();
  }
}
