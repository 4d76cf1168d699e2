import type { FactName } from '../reports/regimes/regime.js';
import type { HeldContent } from './held-content.js';
import type { Stated } from './trace.js';

/** A value that holds from the sequence of a content on, which brought it about. */
interface Step<T> {
  by: HeldContent;
  value: T;
}

/** A value as it was known from one sequence on to the next; each step is another than the one before. */
export type Timeline<T> = readonly Step<T>[];

export function valueAt<T>(timeline: Timeline<T>, sequence: bigint): T | undefined {
  let [low, high] = [0, timeline.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (timeline[middle]!.by.from <= sequence) low = middle + 1;
    else high = middle;
  }
  return timeline[low - 1]?.value;
}

export function factsAt(
  timelines: ReadonlyMap<FactName, Timeline<Stated | undefined>>,
  sequence: bigint,
): ReadonlyMap<FactName, Stated> {
  const facts = new Map<FactName, Stated>();
  for (const [name, timeline] of timelines) {
    const stated = valueAt(timeline, sequence);
    if (stated) facts.set(name, stated);
  }
  return facts;
}

/** A timeline after an event, from which on it is asked: what comes of each of its contents and of what was known before. */
export function continued<B, T>(
  before: Timeline<B>,
  contents: readonly HeldContent[],
  valueAfter: (held: HeldContent, known: B | undefined) => T,
  isSame?: (a: T, b: T) => boolean,
): Timeline<T> {
  const first = contents[0]!;
  const held = contents.map((each) => ({ by: each, value: each }));
  const known = [{ by: first, value: valueAt(before, first.from) }, ...before.filter(({ by }) => by.from > first.from)];
  return combined(held, known, (content, value) => valueAfter(content!, value), isSame);
}

/** What comes of two values, whenever one of them changes. */
export function combined<A, B, T>(
  a: Timeline<A>,
  b: Timeline<B>,
  valueOf: (a: A | undefined, b: B | undefined) => T,
  isSame: (a: T, b: T) => boolean = Object.is,
): Timeline<T> {
  const steps: Step<T>[] = [];
  let [ofA, ofB] = [0, 0];
  while (ofA < a.length || ofB < b.length) {
    const [nextA, nextB] = [a[ofA]?.by, b[ofB]?.by];
    const by = nextA && !(nextB && nextB.from < nextA.from) ? nextA : nextB!;
    while (ofA < a.length && a[ofA]!.by.from <= by.from) ofA += 1;
    while (ofB < b.length && b[ofB]!.by.from <= by.from) ofB += 1;
    const value = valueOf(a[ofA - 1]?.value, b[ofB - 1]?.value);
    if (steps.length === 0 || !isSame(steps.at(-1)!.value, value)) steps.push({ by, value });
  }
  return steps;
}
