import type { JsonObject } from '../integrity/strict-json.js';

/** Of an object's bytes, in its manifest and in the catalogue. docs/archive.md describes it. */
export const ARCHIVE_FORMAT = 'truetrail-archive/1';

/** Of an object that says where the events of each entity are. */
export const ENTITIES_FORMAT = 'truetrail-entities/1';

/** Of an object that holds the event hashes of an object of events, and outlives it. */
export const DIGESTS_FORMAT = 'truetrail-digests/1';

/** Objects of events: what was new in all ledgers, and what a sealed month holds. */
export type EventsKind = 'early' | 'month';
/** The kinds of objects there are, in the order in which each makes what the next one is made of. */
export const ARCHIVE_KINDS = ['early', 'month', 'entities', 'digests'] as const;
export type ArchiveKind = (typeof ARCHIVE_KINDS)[number];

export function isEventsKind(kind: ArchiveKind): kind is EventsKind {
  return kind === 'early' || kind === 'month';
}

/** What an object is about, of a ledger. Sequences and counts in decimal, hashes in hex, times RFC 3339 with microseconds. */
export interface RangeFacts {
  ledger: string;
  origin: string;
  from_sequence: string;
  /** included */
  to_sequence: string;
  least_timestamp: string;
  greatest_timestamp: string;
  least_recorded_at: string;
  greatest_recorded_at: string;
  /** of the event before the first; null at sequence 1 */
  previous_event_hash: string | null;
  last_event_hash: string;
  /** MultisetHash over every event of its entity_type, entity_id, sequence, and `correction` or nothing, joined by line feeds */
  entities_hash: string;
}

/** What an object holds of a ledger. */
export interface ArchivedRange extends RangeFacts {
  /** of the tree of RFC 6962 over the range's own event hashes */
  merkle_root: string;
}

/** What an object says of itself. */
export interface Manifest {
  format: typeof ARCHIVE_FORMAT;
  kind: EventsKind;
  /** of the object in the archive, decimal */
  number: string;
  /** random, in hex, where somebody had put something under the name that the object would have without it */
  nonce?: string;
  /** a ledger each, in the order of the rows */
  ranges: ArchivedRange[];
  /** a row group each, in order: whose it is, where it begins, and the event_hash before that, so that it verifies alone */
  row_groups: { ledger: string; from_sequence: string; events: string; previous_event_hash: string | null }[];
  /** where the format is written down: a key of the store; of older objects, in words */
  described_in: string;
  /** of those bytes, hex; older objects have none */
  description_sha256?: string;
}

/** What an object of entities says of itself. */
export interface EntitiesManifest {
  format: typeof ENTITIES_FORMAT;
  kind: 'entities';
  number: string;
  nonce?: string;
  /** whose events are listed, a ledger each, in the order of the rows */
  ranges: RangeFacts[];
  described_in: string;
  description_sha256?: string;
}

/** What an object of digests says of itself. */
export interface DigestsManifest {
  format: typeof DIGESTS_FORMAT;
  kind: 'digests';
  number: string;
  nonce?: string;
  /** the object of a month whose events these are the hashes of: its number in decimal, its SHA-256 in hex */
  digests_of: { number: string; sha256: string };
  /** as that object has them, by ledger in the order of its bytes */
  ranges: ArchivedRange[];
  described_in: string;
  description_sha256?: string;
}

export type AnyManifest = Manifest | EntitiesManifest | DigestsManifest;

/** An object does not hold what it says, or not what it should. */
export class ArchiveObjectError extends Error {
  override name = 'ArchiveObjectError';
  constructor(
    message: string,
    /** the first event that is wrong, where it is one */
    readonly at?: { ledger: string; sequence: string },
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

const TEXT = (value: unknown): boolean => typeof value === 'string' && value !== '';
const COUNT = (value: unknown): boolean => typeof value === 'string' && /^[1-9][0-9]{0,18}$/.test(value);
const HASH = (value: unknown): boolean => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
const HASH_OR_NULL = (value: unknown): boolean => value === null || HASH(value);
const RANGE_FACTS = {
  ledger: TEXT,
  origin: TEXT,
  from_sequence: COUNT,
  to_sequence: COUNT,
  least_timestamp: TEXT,
  greatest_timestamp: TEXT,
  least_recorded_at: TEXT,
  greatest_recorded_at: TEXT,
  previous_event_hash: HASH_OR_NULL,
  last_event_hash: HASH,
  entities_hash: HASH,
};
const RANGE = { ...RANGE_FACTS, merkle_root: HASH };
const ROW_GROUP = { ledger: TEXT, from_sequence: COUNT, events: COUNT, previous_event_hash: HASH_OR_NULL };

/** Whether a value is a manifest of this format, whatever it says. */
export function isManifest(value: unknown): value is Manifest & JsonObject {
  const { format, kind, number, ranges, row_groups } = (value ?? {}) as Partial<Manifest>;
  return (
    format === ARCHIVE_FORMAT &&
    (kind === 'early' || kind === 'month') &&
    COUNT(number) &&
    isListOf(ranges, RANGE) &&
    isListOf(row_groups, ROW_GROUP)
  );
}

/** Whether a value is a manifest of an object of entities, whatever it says. */
export function isEntitiesManifest(value: unknown): value is EntitiesManifest & JsonObject {
  const { format, kind, number, ranges } = (value ?? {}) as Partial<EntitiesManifest>;
  return format === ENTITIES_FORMAT && kind === 'entities' && COUNT(number) && isListOf(ranges, RANGE_FACTS);
}

/** Whether a value is a manifest of an object of digests, whatever it says. */
export function isDigestsManifest(value: unknown): value is DigestsManifest & JsonObject {
  const { format, kind, number, digests_of: of, ranges } = (value ?? {}) as Partial<DigestsManifest>;
  return (
    format === DIGESTS_FORMAT &&
    kind === 'digests' &&
    COUNT(number) &&
    COUNT(of?.number) &&
    HASH(of?.sha256) &&
    isListOf(ranges, RANGE)
  );
}

/** As a manifest has it: nothing where there is none. */
export function nonceOf({ nonce }: { nonce?: string | undefined }): { nonce?: string } {
  return nonce === undefined ? {} : { nonce };
}

/** The name of an object: its number, so that the next is found by it, and its bytes, so that two never share one. */
export function objectKey({ manifest, sha256 }: { manifest: AnyManifest; sha256: Buffer }): string {
  const { kind, number } = manifest;
  const ending = kind === 'digests' ? 'digests' : 'parquet';
  return `${kind}/${paddedNumber(number)}-${sha256.toString('hex').slice(0, 16)}.${ending}`;
}

export function paddedNumber(number: string | bigint): string {
  return String(number).padStart(12, '0');
}

/** An event as the hash over entities takes it: no text of an event has a control character. */
export function entityPlace(entityType: string, entityId: string, sequence: string, isCorrection: boolean): string {
  return `${entityType}\n${entityId}\n${sequence}\n${isCorrection ? 'correction' : ''}`;
}

function isListOf(list: unknown, members: Record<string, (value: unknown) => boolean>): boolean {
  if (!Array.isArray(list) || list.length === 0) return false;
  return (list as Record<string, unknown>[]).every((each) =>
    Object.entries(members).every(([name, holds]) => holds(each?.[name])),
  );
}
