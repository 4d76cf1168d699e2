import { createHash } from 'node:crypto';
import type { ReadTotals } from './long-read.js';

/** What was made of an answer so far. */
export class AnswerDigest {
  bytes = 0;
  private readonly hash = createHash('sha256');

  add(piece: Uint8Array): void {
    this.hash.update(piece);
    this.bytes += piece.length;
  }

  /** Of all of it; nothing can be added after that. */
  sha256(): Buffer {
    return this.hash.digest();
  }
}

/**
 * The pieces of an answer, counted by `digest`. The last one is held back until `record` is done, so that nobody has the
 * whole answer before what it came to is on record. Throws what the pieces and `record` throw.
 */
export async function* lastOnRecord(
  pieces: AsyncGenerator<Uint8Array, ReadTotals>,
  digest: AnswerDigest,
  record: (totals: ReadTotals) => Promise<void>,
): AsyncGenerator<Uint8Array, void> {
  let held: Uint8Array | undefined;
  try {
    for (;;) {
      const next = await pieces.next();
      if (next.done) {
        await record(next.value);
        if (held) yield held;
        return;
      }
      digest.add(next.value);
      if (held) yield held;
      held = next.value;
    }
  } finally {
    await pieces.return({});
  }
}
