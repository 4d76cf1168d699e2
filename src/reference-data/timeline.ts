import type { Attributes } from './kinds.js';

/** What holds of an entry for a time, after all that was said of it. Times as in Change; they compare as texts. */
export interface Span {
  valid_from: string;
  /** null: from then on */
  valid_to: string | null;
  attributes: Attributes | null;
}

/** Later than every time there is. */
const EVER = '~';

const endOf = ({ valid_to: to }: Pick<Span, 'valid_to'>): string => to ?? EVER;

/**
 * What holds of one entry when: of two changes about the same time, the one that was said later. Whatever was said, the
 * next change costs little: a file may have thousands of one entry.
 */
export class Timeline {
  private readonly held: Span[] = [];

  /** In the order of time, without overlap; neighbours that say the same are one. Times that nothing was said of are in none. */
  get spans(): readonly Span[] {
    return this.held;
  }

  say({ valid_from: from, valid_to: to, attributes }: Span): void {
    // those before that are touched, too: they may say the same
    const first = firstIndex(this.held, (span) => endOf(span) >= from);
    const rest = firstIndex(this.held, (span) => span.valid_from > (to ?? EVER));
    const touched = this.held.slice(first, rest);
    const before = touched.filter((span) => span.valid_from < from).map((span) => cut(span, span.valid_from, from));
    const after =
      to === null ? [] : touched.filter((span) => endOf(span) > to).map((span) => cut(span, to, span.valid_to));
    const change = { valid_from: from, valid_to: to, attributes };
    this.held.splice(first, rest - first, ...joined([...before, change, ...after]));
  }
}

/** The part of a span from a time on up to another; of one that ends before the other, up to its end. */
function cut({ valid_from: begin, valid_to: end, attributes }: Span, from: string, to: string | null): Span {
  return {
    valid_from: begin > from ? begin : from,
    valid_to: end !== null && (to === null || end < to) ? end : to,
    attributes,
  };
}

/** What holds when, by changes of one entry in the order in which they were recorded. */
export function timelineOf(changes: readonly Span[]): readonly Span[] {
  const timeline = new Timeline();
  for (const change of changes) timeline.say(change);
  return timeline.spans;
}

/** Whether a change says nothing that does not hold already. */
export function isKnown(spans: readonly Span[], change: Span): boolean {
  const about = spans.slice(
    firstIndex(spans, (span) => endOf(span) > change.valid_from),
    firstIndex(spans, (span) => span.valid_from >= endOf(change)),
  );
  if (change.attributes === null) return about.every(({ attributes }) => attributes === null);
  const [only] = about;
  return (
    about.length === 1 &&
    only!.valid_from <= change.valid_from &&
    endOf(only!) >= endOf(change) &&
    isSame(only!.attributes, change.attributes)
  );
}

/** The last span that begins at a time or before it, and is one of those wanted. */
export function lastBegunBy(spans: readonly Span[], time: string, isWanted: (span: Span) => boolean): Span | undefined {
  for (let at = firstIndex(spans, (span) => span.valid_from > time) - 1; at >= 0; at--) {
    if (isWanted(spans[at]!)) return spans[at];
  }
  return undefined;
}

/** The place of the first of which it is true, in spans of which it is true of all that follow; else their number. */
function firstIndex(spans: readonly Span[], isTrue: (span: Span) => boolean): number {
  let [low, high] = [0, spans.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isTrue(spans[middle]!)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function joined(spans: readonly Span[]): Span[] {
  const all: Span[] = [];
  for (const span of spans) {
    const last = all.at(-1);
    if (last?.valid_to === span.valid_from && isSame(last.attributes, span.attributes)) {
      all[all.length - 1] = { ...last, valid_to: span.valid_to };
    } else all.push(span);
  }
  return all;
}

function isSame(a: Attributes | null, b: Attributes | null): boolean {
  if (a === null || b === null) return a === b;
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
