import type { Timestamp } from '../integrity/timestamp.js';
import { invalidParameters, queryError, type Parameters } from '../http/parameters.js';

export const DEFAULT_SEARCH_LIMIT = 100;
export const MAX_SEARCH_LIMIT = 1_000;
export const MAX_HISTORY_LIMIT = 10_000;
/** More would be no search for anything, and each costs planning. */
export const MAX_METADATA_FILTERS = 20;
/** Of all filters together, bytes of canonical JSON: the cursor that holds them must still fit into a URL. */
export const MAX_QUERY_BYTES = 4_096;

export const MAX_SEQUENCE = 2n ** 63n - 1n;
export const EQUALITIES = ['entity_type', 'entity_id', 'user_id', 'event_type', 'action', 'source'] as const;

/** What is searched for. Beginnings are included; ends are not, but for `toSequence`. */
export interface SearchQuery {
  equal: [column: (typeof EQUALITIES)[number], value: string][];
  metadata: [key: string, value: string][];
  from: Timestamp | undefined;
  to: Timestamp | undefined;
  recordedFrom: Timestamp | undefined;
  recordedTo: Timestamp | undefined;
  fromSequence: bigint;
  toSequence: bigint;
  sort: 'timestamp' | 'sequence';
  order: 'asc' | 'desc';
  /** the same in canonical form, sort and order always among them: what a cursor and the record of a read hold */
  parameters: Parameters;
}

/** The last event that a walk has given out. */
export interface Position {
  sequence: bigint;
  timestamp: Timestamp;
  /** RFC 3339 with six digits; recorded times never fall along a ledger */
  recordedAt: string;
}

/** A page that is asked for. */
export interface SearchRequest {
  query: SearchQuery;
  limit: number | undefined;
  /** for all pages but the first */
  walk: { asOf: bigint; after: Position } | undefined;
}

/** A page of an order's history that is asked for. */
export interface HistoryRequest {
  from: Timestamp | undefined;
  to: Timestamp | undefined;
  limit: number | undefined;
  walk: { asOf: bigint; after: { sequence: bigint; ordinal: number; recordedAt: string } } | undefined;
  /** canonical: what a cursor and the record of a read hold */
  parameters: Parameters;
}

export function isSequence(value: unknown): value is string {
  return typeof value === 'string' && /^[1-9][0-9]{0,18}$/.test(value) && BigInt(value) <= MAX_SEQUENCE;
}

/** The problem of a cursor whose contents cannot be. */
export function cursorProblem(rest: string): Error {
  return invalidParameters([queryError('cursor', 'cursor', rest)]);
}
