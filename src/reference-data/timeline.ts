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
 * What holds when, by changes of one entry in the order in which they were recorded: of two about the same time, the
 * later one. Spans in the order of time, without overlap; neighbours that say the same are one. Times that nothing was
 * said of are in none.
 */
export function timelineOf<S extends Span>(changes: readonly S[]): Span[] {
  let spans: Span[] = [];
  for (const { valid_from: from, valid_to: to, attributes } of changes) {
    const end = to ?? EVER;
    const kept = spans.flatMap((span) => {
      if (endOf(span) <= from || span.valid_from >= end) return [span];
      const before = span.valid_from < from ? [{ ...span, valid_to: from }] : [];
      const after = to !== null && endOf(span) > to ? [{ ...span, valid_from: to }] : [];
      return [...before, ...after];
    });
    spans = [...kept, { valid_from: from, valid_to: to, attributes }].sort((a, b) =>
      a.valid_from < b.valid_from ? -1 : 1,
    );
  }
  return joined(spans);
}

/** Whether a change says nothing that does not hold already. */
export function isKnown(timeline: readonly Span[], change: Span): boolean {
  const about = timeline.filter((span) => endOf(span) > change.valid_from && span.valid_from < endOf(change));
  if (change.attributes === null) return about.every(({ attributes }) => attributes === null);
  const [only] = about;
  return (
    about.length === 1 &&
    only!.valid_from <= change.valid_from &&
    endOf(only!) >= endOf(change) &&
    isSame(only!.attributes, change.attributes)
  );
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
