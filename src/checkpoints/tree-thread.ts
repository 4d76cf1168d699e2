import { Thread } from '../threads/thread.js';
import type { WantedRoot } from './tree-growth.js';
import type { TreeWorkerAnswer, TreeWorkerSettings } from './tree-worker.js';

const MAX_HEAP_MB = 512;

/** A thread that grows trees: hashing a minute of events takes seconds at full load, during which nobody could post. To be closed. */
export class TreeThread {
  private readonly thread: Thread<readonly WantedRoot[], TreeWorkerAnswer>;
  private failure: Error | undefined;
  private settle: { resolve: (answer: TreeWorkerAnswer) => void; reject: (error: Error) => void } | undefined;

  constructor(settings: TreeWorkerSettings) {
    this.thread = new Thread<readonly WantedRoot[], TreeWorkerAnswer>(
      settings,
      { file: 'checkpoints/tree-worker.js', name: 'checkpoints', maxHeapMb: MAX_HEAP_MB },
      {
        onMessage: (answer) => this.settle?.resolve(answer),
        onEnd: (error) => {
          this.failure ??= error;
          this.settle?.reject(error);
        },
      },
    );
  }

  /** The root of each tree, grown to the size that is wanted, in the same order. Rejects when something could not be read. */
  async findRoots(wanted: readonly WantedRoot[]): Promise<({ rootHash: Buffer } | { fault: string })[]> {
    if (this.failure) throw this.failure;
    const { roots, error } = await new Promise<TreeWorkerAnswer>((resolve, reject) => {
      this.settle = { resolve, reject };
      this.thread.postMessage(wanted);
    }).finally(() => (this.settle = undefined));
    if (error) throw Object.assign(new Error(error.message), { code: error.code });
    // a Buffer comes out of a message as a bare array
    return roots!.map((each) => ('fault' in each ? each : { rootHash: Buffer.from(each.rootHash) }));
  }

  async close(): Promise<void> {
    if (this.settle) await this.thread.end();
    else this.thread.giveBack();
  }
}
