import { later, lesser } from '../events/sequences.js';
import type { SequenceRange } from '../integrity/evidence-claims.js';

/** What a sample of a ledger is of. */
export type SampleOf = 'recent' | 'random' | 'archived' | 'asked';

export interface SampleRange extends SequenceRange {
  of: SampleOf;
}

/** Of a ledger, what samples can be of. */
export interface Extent {
  /** of the checkpoint: up to it there is a proof */
  size: bigint;
  /** up to it events are read from the archive, having left the database; 0 for none */
  archivedTo: bigint;
  /** in order; nothing of it can be shown any more */
  deleted: readonly SequenceRange[];
}

/**
 * Ranges of `events` sequences at most, none of which touches what was deleted: the last ones, some from anywhere, and
 * some from what only the archive has. One alone where that is all there is. `draw` gives a number from 0 to below its
 * argument, each as likely as any other.
 */
export function sampleRanges(
  { size, archivedTo, deleted }: Extent,
  events: bigint,
  draw: (below: bigint) => bigint,
): SampleRange[] {
  const runs = runsBetween(deleted, size);
  const last = runs.at(-1);
  if (!last) return [];
  const recent: SampleRange = { of: 'recent', from: later(last.from, last.to - events + 1n), to: last.to };
  if (runs.length === 1 && recent.from === last.from) return [recent];
  const within = (of: SampleOf, among: readonly SequenceRange[]): SampleRange[] => {
    const total = among.reduce((sum, { from, to }) => sum + (to - from + 1n), 0n);
    if (total === 0n) return [];
    let place = draw(total);
    const run = among.find(({ from, to }) => {
      const length = to - from + 1n;
      if (place < length) return true;
      place -= length;
      return false;
    })!;
    // around what was drawn, and not cut short where that is near an end: no event is less likely than another
    const from = later(run.from, lesser(run.from + place - events / 2n, run.to - events + 1n));
    return [{ of, from, to: lesser(from + events - 1n, run.to) }];
  };
  return [recent, ...within('random', runs), ...within('archived', runsBetween(deleted, lesser(size, archivedTo)))];
}

/** The sequences from 1 to `size` but for these. */
function runsBetween(deleted: readonly SequenceRange[], size: bigint): SequenceRange[] {
  const runs: SequenceRange[] = [];
  let next = 1n;
  for (const { from, to } of [...deleted, { from: size + 1n, to: size }]) {
    const end = lesser(from - 1n, size);
    if (next <= end) runs.push({ from: next, to: end });
    next = later(next, to + 1n);
  }
  return runs;
}
