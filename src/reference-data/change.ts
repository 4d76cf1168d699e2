import { isEventText } from '../integrity/event.js';
import { formatMicros, parseTimestamp, TimestampError } from '../integrity/timestamp.js';
import type { Attributes, Field, Kind } from './kinds.js';

const MAX_REASON = 1_000;

/** What is said of an entry for a time: what it is then, or that there is none. Times RFC 3339 with microseconds, UTC. */
export interface Change {
  entry_id: string;
  /** included */
  valid_from: string;
  /** not included; null: from then on */
  valid_to: string | null;
  /** null: at that time there is no such entry */
  attributes: Attributes | null;
  reason: string | null;
}

/** A value that breaks a rule: the column's name begins the sentence. */
export interface ColumnMistake {
  column: string;
  rule: string;
  detail: string;
}

/** How a change is told in a flat record. */
export const CHANGES = ['set', 'end'] as const;
/** Columns that every kind has, after its own. */
export const COMMON_COLUMNS = ['valid_from', 'valid_to', 'change', 'reason'] as const;

/** All columns of a kind, in the order of its CSV. */
export function columnsOf(kind: Kind): string[] {
  return [kind.id.name, ...kind.fields.map(({ name }) => name), ...COMMON_COLUMNS];
}

/** Texts by column; an absent or empty one says nothing. */
export type FlatChange = Readonly<Record<string, string | undefined>>;

/** Reads a change of a kind; every mistake of it at once. Unknown columns are for the caller to refuse. */
export function readChange(kind: Kind, given: FlatChange): { change?: Change; mistakes: ColumnMistake[] } {
  const mistakes: ColumnMistake[] = [];
  const wrong = (column: string, rule: string, rest: string): void =>
    void mistakes.push({ column, rule, detail: `${column} ${rest}` });
  const textOf = (column: string): string | undefined => (given[column] === '' ? undefined : given[column]);
  const read = ({ name, required, mistake }: Field, isNeeded = required): string | undefined => {
    const value = textOf(name);
    if (value === undefined) {
      if (isNeeded) wrong(name, 'required', 'is required');
      return undefined;
    }
    const found = mistake(value);
    if (found) wrong(name, found.rule, found.rest);
    return value;
  };

  const what = textOf('change') ?? 'set';
  if (!CHANGES.some((each) => each === what)) wrong('change', 'code', `must be ${CHANGES.join(' or ')}`);
  const isEnd = what === 'end';
  const id = read(kind.id);
  const attributes: Record<string, string> = {};
  for (const each of kind.fields) {
    const value = read(each, each.required && !isEnd);
    if (value === undefined) continue;
    if (isEnd) wrong(each.name, 'end', 'must be left out where change is end');
    attributes[each.name] = value;
  }
  if (mistakes.length === 0 && !isEnd) {
    for (const { column, rule, rest } of kind.together?.(id!, attributes) ?? []) wrong(column, rule, rest);
  }
  const time = (column: string): string | undefined => {
    const value = textOf(column);
    if (value === undefined) return undefined;
    const read = readInstant(value);
    if ('mistake' in read) wrong(column, 'time', read.mistake);
    return 'mistake' in read ? undefined : read.time;
  };
  const from = time('valid_from');
  if (textOf('valid_from') === undefined) wrong('valid_from', 'required', 'is required');
  const to = time('valid_to') ?? null;
  if (from !== undefined && to !== null && to <= from) wrong('valid_to', 'range', 'must be later than valid_from');
  const reason = textOf('reason') ?? null;
  if (reason !== null && !isEventText(reason, MAX_REASON)) {
    wrong('reason', 'text', `must have 1 to ${MAX_REASON} characters, none of control`);
  }
  if (mistakes.length > 0) return { mistakes };
  const change = { entry_id: id!, valid_from: from!, valid_to: to, attributes: isEnd ? null : attributes, reason };
  return { change, mistakes };
}

/** A day, which stands for its beginning in UTC, or a time, as RFC 3339 in UTC with six decimals. */
export function readInstant(text: string): { time: string } | { mistake: string } {
  const isDay = /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(text);
  try {
    const { micros, nanos } = parseTimestamp(isDay ? `${text}T00:00:00Z` : text);
    if (nanos > 0) return { mistake: 'must have six decimals at most' };
    return { time: formatMicros(micros) };
  } catch (error) {
    if (!(error instanceof TimestampError)) throw error;
    return { mistake: isDay ? error.message : 'must be a day YYYY-MM-DD, or a time such as 2026-06-02T08:00:00Z' };
  }
}

/** A change in the texts of its columns; `readChange` reads it back as it is. */
export function flatten(kind: Kind, { entry_id, valid_from, valid_to, attributes, reason }: Change): FlatChange {
  return {
    [kind.id.name]: entry_id,
    ...attributes,
    valid_from,
    valid_to: valid_to ?? undefined,
    change: attributes === null ? 'end' : 'set',
    reason: reason ?? undefined,
  };
}
