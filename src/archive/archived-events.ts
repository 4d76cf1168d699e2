import type { BoundedRows } from '../database/bounded-query.js';
import type { SearchQuery } from '../events/search-request.js';
import type { StoredRow } from '../integrity/stored-event.js';
import type { Timestamp } from '../integrity/timestamp.js';

export type Instant = Pick<Timestamp, 'micros' | 'nanos'>;

/** Which archived events are looked for: a search, of which no event after `upTo` is looked at. Plain data. */
export interface ArchivedSearch {
  ledger: string;
  query: Omit<SearchQuery, 'parameters' | 'from' | 'to'> & { from: Instant | undefined; to: Instant | undefined };
  upTo: bigint;
  /** the last event that was given out */
  after: { sequence: bigint; timestamp: Instant } | undefined;
  maxRows: number;
  maxBytes: number;
}

/** A part of an entity's life. */
export interface EntityLife {
  entityType: string;
  entityId: string;
  /** sequences after this one */
  after: bigint;
  /** included; must be archived */
  upTo: bigint;
  /** of those only the ones that mean to correct another */
  correctionsAlone?: boolean;
}

/**
 * Events that have left PostgreSQL, as they are in the archive. The hashes of every event that is handed out are
 * recomputed. All reject with archive-unavailable, read-timeout, and DamagedRowError for an event that is not as it was
 * recorded; never with a part of what was asked for.
 */
export interface ArchivedEvents {
  /** The events at sequences, all of which must be archived, in the same order. */
  at(ledger: string, sequences: readonly string[]): Promise<StoredRow[]>;
  /**
   * The hashes of events, both ends included, all of which must be archived, 32 bytes each: also of those that were
   * deleted. They come from digests, and are for whoever holds them against what was signed.
   */
  hashes(ledger: string, from: bigint, to: bigint): Promise<Buffer>;
  /** The first events in the query's order that match. */
  search(search: ArchivedSearch): Promise<BoundedRows<StoredRow>>;
  /** Of each life its first events, by sequence, `limit` at most. */
  lives(ledger: string, lives: readonly EntityLife[], limit: number): Promise<StoredRow[][]>;
  /** Fetches events from the store itself, not from a cache, and recomputes each; by sequence. */
  audit(ledger: string, sequences: readonly string[]): Promise<AuditedEvent[]>;
}

/** What became of one event of an audit. */
export interface AuditedEvent {
  sequence: string;
  /** null when it is not there */
  event_id: string | null;
  /** null when no object has it */
  object_key: string | null;
  version_id: string | null;
  /** from asking the store for its row group until it was recomputed */
  ms: number;
  /** what is wrong; null when it is as it was recorded */
  fault: string | null;
}

/** Nest's token for the ArchivedEvents. */
export const ARCHIVED_EVENTS = Symbol('ArchivedEvents');
