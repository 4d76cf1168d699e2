import type { JsonObject } from './canonical-json.js';

/**
 * `complete-range`: every event of a range is there. `as-found`: these were found, and nothing proves that there are no
 * more. `as-found-in-range`: likewise, and of all other events of a range the envelopes are there.
 */
export type Completeness = 'complete-range' | 'as-found' | 'as-found-in-range';
export const COMPLETENESS = ['complete-range', 'as-found', 'as-found-in-range'] as const satisfies Completeness[];

/** Sequences, both ends included; `to` is `from` − 1 for none. */
export interface SequenceRange {
  from: bigint;
  to: bigint;
}

/** What a bundle says that it is. */
export interface BundleClaims {
  ledger: string;
  origin: string;
  /** events past it were not looked at */
  asOf: bigint;
  /** as it was asked for, of a kind that kindOfAsked knows */
  asked: JsonObject;
  completeness: Completeness;
  /** null for `as-found` and no other */
  range: SequenceRange | null;
  /** whether the events are there or only their envelopes */
  contents: boolean;
  /** of `as-found`, what is not there any more and might have been found, in order; none of the others */
  deleted: readonly DeletedEvents[];
}

/** Events that were deleted at the end of their retention, as the service says. Sequences, both ends included. */
export interface DeletedEvents extends SequenceRange {
  /** in which they were recorded: its first day, YYYY-MM-DD */
  month: string;
  /** id of the act */
  deletion: string;
  /** record class of the policy that had kept them for the longest, and its years */
  policy: string;
  years: number;
  /** RFC 3339 */
  deletedAt: string;
}

/** As answers tell of them. */
export function shownDeleted({ from, to, deletedAt, ...rest }: DeletedEvents): JsonObject {
  return { from_sequence: String(from), to_sequence: String(to), deleted_at: deletedAt, ...rest };
}

/** What people are told of them. */
export function deletedText({ from, to, month, deletion, policy, years, deletedAt }: DeletedEvents): string {
  return `sequences ${from} to ${to}, recorded in ${month.slice(0, 7)}, deleted at ${deletedAt} under the policy ${policy} (${years} years), deletion ${deletion}`;
}

/** An RFC 3161 reply over the SHA-256 of an anchor's bytes. It dates what that anchor holds and all before it. */
export interface BundleTimestamp {
  anchor: bigint;
  reply: Buffer;
}

/** By what was asked, each with the members that say it. */
const ASKED_BY = {
  ids: ['event_ids'],
  order: ['order_id'],
  search: ['search'],
  sequences: ['from_sequence', 'to_sequence'],
  recorded: ['recorded_from', 'recorded_to'],
  time: ['from', 'to'],
} as const;

export type AskedKind = keyof typeof ASKED_BY;

/** What was asked by; undefined unless that is one thing, and all of its members say so. */
export function kindOfAsked(asked: JsonObject): AskedKind | undefined {
  const names = Object.keys(asked);
  const kinds = (Object.keys(ASKED_BY) as AskedKind[]).filter((kind) => names.some((name) => isOf(kind, name)));
  const [kind] = kinds;
  return kind !== undefined && kinds.length === 1 && names.every((name) => isOf(kind, name)) ? kind : undefined;
}

function isOf(kind: AskedKind, name: string): boolean {
  return (ASKED_BY[kind] as readonly string[]).includes(name);
}

/** What an envelope tells of an event, and how a search is ordered. */
const TOLD_BY_ENVELOPES: ReadonlySet<string> = new Set([
  ...['from_sequence', 'to_sequence', 'recorded_from', 'recorded_to'],
  ...['sort', 'order'],
]);

/**
 * Of a range that is complete, why it may end before what was asked for does: what the ledger got after as_of is not in a
 * bundle, and where the range ends there no event after it shows that it is the last of its time. undefined for a range
 * that is all of what was asked for, whatever came later: of sequences, or with the event after it; and for what is as found.
 */
export function openEnd({ asked, asOf, completeness, range }: BundleClaims): string | undefined {
  if (completeness !== 'complete-range' || !range) return undefined;
  const { to_sequence: to, recorded_to: recordedTo } = asked;
  if (to !== undefined || range.to < asOf) return undefined;
  const end = `the range ends at as_of, sequence ${asOf}`;
  return typeof recordedTo !== 'string'
    ? `${end}: it was asked for without an end, and what the ledger got after that is not here`
    : `${end}, and no event that was recorded at ${recordedTo} or later is here: that the ledger got none after it within the time asked for is not shown`;
}

/** The names of what was asked for that only the content of an event can tell, in their order. */
export function askedOfContents(asked: JsonObject): string[] {
  const { search } = asked;
  if (Object.hasOwn(asked, 'event_ids')) return [];
  const filters = typeof search === 'object' && search !== null && !Array.isArray(search) ? search : asked;
  return Object.keys(filters).filter((name) => !TOLD_BY_ENVELOPES.has(name));
}
