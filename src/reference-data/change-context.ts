import type { Change, ColumnMistake } from './change.js';
import type { Attributes, Kind } from './kinds.js';
import { isKnown, lastBegunBy, Timeline, timelineOf, type Span } from './timeline.js';

/** What is known already, as far as changes of a kind are held against it. */
export interface Known {
  /** what was said of an entry of the kind itself, in its order */
  changesOf: (id: string) => readonly Span[];
  /** whether anything is known of a kind at all */
  has: (kind: string) => boolean;
  /** what was said of an entry of another kind, in its order */
  changesOfOther: (kind: string, id: string) => readonly Span[];
}

/** What a change would do: nothing, since it is known; or what forbids it. */
export interface Judged {
  isKnown: boolean;
  mistakes: ColumnMistake[];
}

/** Judges changes one after the other, each after those before it. */
export function judgeChanges(kind: Kind, changes: readonly Change[], known: Known): Judged[] {
  const timelines = new Map<string, Timeline>();
  const others = new Map<string, readonly Span[]>();
  const timelineOfOther = (name: string, id: string): readonly Span[] => {
    const key = `${name}\n${id}`;
    const spans = others.get(key) ?? timelineOf(known.changesOfOther(name, id));
    others.set(key, spans);
    return spans;
  };
  return changes.map((change) => {
    const { entry_id: id } = change;
    let timeline = timelines.get(id);
    if (!timeline) {
      timeline = new Timeline();
      for (const before of known.changesOf(id)) timeline.say(before);
      timelines.set(id, timeline);
    }
    const { spans } = timeline;
    const mistakes = [...ofItself(kind, change, spans), ...ofOthers(kind, change, known, timelineOfOther)];
    const judged = { isKnown: spans.length > 0 && isKnown(spans, change), mistakes };
    timeline.say(change);
    return judged;
  });
}

const holds = ({ attributes }: Span): boolean => attributes !== null;

function ofItself(kind: Kind, { entry_id: id, valid_from: from, attributes }: Change, timeline: readonly Span[]) {
  const column = kind.id.name;
  if (attributes === null) {
    if (timeline.some(holds)) return [];
    return [{ column, rule: 'known', detail: `${column} ${id} is not known: there is nothing to end` }];
  }
  if (!kind.idsAreUnique) return [];
  const last = lastBegunBy(timeline, from, holds);
  if (!last || last.valid_to === null || last.valid_to >= from) return [];
  const detail = `${column} ${id} ended at ${last.valid_to}: an id that was given up is not used again`;
  return [{ column, rule: 'unique-over-time', detail }];
}

function ofOthers(
  kind: Kind,
  { entry_id: id, valid_from: from, valid_to: to, attributes }: Change,
  known: Known,
  timelineOfOther: (kind: string, id: string) => readonly Span[],
): ColumnMistake[] {
  return referencesOf(kind, id, attributes).flatMap(({ column, kind: other, id: value }) => {
    if (!known.has(other)) return [];
    const isThere = timelineOfOther(other, value).some(
      (span) =>
        holds(span) && (to === null || span.valid_from < to) && (span.valid_to === null || span.valid_to > from),
    );
    if (isThere) return [];
    const named = column === kind.id.name && value !== id ? `${column} names ${value}, which` : `${column} ${value}`;
    const detail = `${named} is not known as ${other} at any time of this validity`;
    return [{ column, rule: 'known', detail }];
  });
}

/** Entries of other kinds that a change names; none where it ends an entry. */
export function referencesOf(
  { id: { name: idColumn }, fields, idRefersTo }: Kind,
  id: string,
  attributes: Attributes | null,
): { column: string; kind: string; id: string }[] {
  if (attributes === null) return [];
  return [
    ...(idRefersTo?.(id) ?? []).map((named) => ({ column: idColumn, ...named })),
    ...fields.flatMap(({ name, refersTo }) => {
      const value = attributes[name];
      return value === undefined || refersTo === undefined ? [] : [{ column: name, kind: refersTo, id: value }];
    }),
  ];
}
