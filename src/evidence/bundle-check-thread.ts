import type { BundleReport } from '../integrity/evidence-verifier.js';
import { Thread } from '../threads/thread.js';
import type { BundleCheckAnswer, BundleCheckTask } from './bundle-check-worker.js';

/** A piece of events and one of the proof, as objects. */
const MAX_HEAP_MB = 256;

interface Waiting {
  resolve: (report: BundleReport) => void;
  reject: (error: Error) => void;
}

/** A thread that verifies bundles by public keys alone: to recompute one of a thousand events takes tens of ms. To be closed. */
export class BundleCheckThread {
  private readonly thread: Thread<BundleCheckTask, BundleCheckAnswer>;
  private readonly waiting = new Map<number, Waiting>();
  private failure: Error | undefined;
  private next = 0;

  constructor() {
    this.thread = new Thread<BundleCheckTask, BundleCheckAnswer>(
      null,
      { file: 'evidence/bundle-check-worker.js', name: 'bundles', maxHeapMb: MAX_HEAP_MB },
      {
        onMessage: ({ id, report, error }) => {
          const asked = this.waiting.get(id);
          this.waiting.delete(id);
          if (report) asked?.resolve(report);
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

  /** What an outsider makes of the bundle. Rejects when the file cannot be read, or the thread ends. */
  verify(task: Omit<BundleCheckTask, 'id'>): Promise<BundleReport> {
    if (this.failure) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => {
      const id = this.next++;
      this.waiting.set(id, { resolve, reject });
      this.thread.postMessage({ id, ...task });
    });
  }

  async close(): Promise<void> {
    this.failure ??= new Error('the thread is closed');
    if (this.waiting.size > 0) await this.thread.end();
    else this.thread.giveBack();
  }
}
