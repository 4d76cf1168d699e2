import { canonicalize } from './canonical-json.js';
import { canonicalOfStored, isSurelyCanonical } from './canonical-scan.js';
import {
  FORMAT,
  HASH_BYTES,
  isEventId,
  isEventText,
  isSourceSequence,
  joinContent,
  MAX_CODE_POINTS,
  SALT_BYTES,
} from './event.js';
import type { CanonicalContent, CanonicalParts, Content, ContentTexts, Envelope } from './event.js';
import { readJson, StrictJsonError, type JsonObject } from './strict-json.js';
import { formatMicros, formatTimestamp, parseTimestamp, TimestampError } from './timestamp.js';

/**
 * A row of the trail as it is stored: jsonb as its text, int8 as text, times as PostgreSQL's ISO text in UTC or, where a
 * reader takes them in binary, as microseconds since 1970.
 */
export interface StoredRow<Time extends string | number = string> {
  /** of its three JSON texts: canonical (RFC 8785), as the archive holds them; absent: as jsonb prints them */
  jsonForm?: 'canonical';
  sequence: string;
  recorded_at: Time;
  timestamp: Time;
  timestamp_nanos: number;
  timestamp_digits: number;
  event_id: string;
  corrects: string | null;
  event_type: string;
  entity_type: string;
  entity_id: string;
  action: string;
  user_id: string;
  previous_state: string | null;
  new_state: string;
  metadata: string;
  source: string | null;
  source_session: string | null;
  source_sequence: string | null;
  raw_media_type: string | null;
  raw_data: Buffer | null;
  recorded_by: string;
  salt: Buffer;
  content_hash: Buffer;
  previous_event_hash: Buffer | null;
  event_hash: Buffer;
}

/** A row from either reader. */
type AnyStoredRow = StoredRow<string | number>;

/** An event as the API shows it: content and envelope in one flat object. */
export type EventRecord = Content & Envelope & { salt: string; event_hash: string };

/** A row that no accepted event gives: somebody changed it. `column` is where it shows. */
export class DamagedRowError extends Error {
  override name = 'DamagedRowError';
  constructor(
    readonly sequence: string,
    readonly column: string,
    readonly detail: string,
    options?: ErrorOptions,
  ) {
    super(`event ${sequence}, ${column}: ${detail}`, options);
  }
}

/**
 * The content that a row stands for, rebuilt from the very columns that people search. Throws DamagedRowError for
 * values that the door would not have let in, above all numbers whose digits no hash would see.
 */
export function contentOf(row: AnyStoredRow): Content {
  return membersOf<JsonObject>(row, {
    previous_state: row.previous_state === null ? null : objectOf(row, 'previous_state', row.previous_state),
    new_state: objectOf(row, 'new_state', row.new_state),
    metadata: objectOf(row, 'metadata', row.metadata),
  });
}

/** canonicalContent(contentOf(row)), without taking apart what is seen to be canonical. Throws DamagedRowError. */
export function canonicalContentOf(row: AnyStoredRow): CanonicalContent {
  const parts: CanonicalParts = {
    previousState: row.previous_state === null ? null : canonicalTextOf(row, 'previous_state', row.previous_state),
    newState: canonicalTextOf(row, 'new_state', row.new_state),
    metadata: canonicalTextOf(row, 'metadata', row.metadata),
  };
  return joinContent(
    membersOf<string>(row, {
      previous_state: parts.previousState,
      new_state: parts.newState,
      metadata: parts.metadata,
    }),
    parts,
  );
}

/** The members of a content, with its objects in whatever form they are given. */
function membersOf<T>(
  row: AnyStoredRow,
  objects: { previous_state: T | null; new_state: T; metadata: T },
): ContentTexts & typeof objects {
  const content: ContentTexts & typeof objects = {
    event_id: row.event_id,
    timestamp: timestampOf(row),
    event_type: textOf(row, 'event_type'),
    entity_type: textOf(row, 'entity_type'),
    entity_id: textOf(row, 'entity_id'),
    action: textOf(row, 'action'),
    user_id: textOf(row, 'user_id'),
    previous_state: objects.previous_state,
    new_state: objects.new_state,
    metadata: objects.metadata,
  };
  if (!isEventId(row.event_id)) throw new DamagedRowError(row.sequence, 'event_id', 'is no id of an event');
  if (row.source !== null) content.source = textOf(row, 'source');
  if (row.source_session !== null) content.source_session = textOf(row, 'source_session');
  if (row.source_sequence !== null) {
    if (!isSourceSequence(row.source_sequence)) {
      throw new DamagedRowError(row.sequence, 'source_sequence', 'is no counter of a source');
    }
    content.source_sequence = row.source_sequence;
  }
  if (row.corrects !== null) content.corrects = row.corrects;
  if (row.raw_media_type !== null || row.raw_data !== null) {
    if (row.raw_media_type === null || row.raw_data === null) {
      throw new DamagedRowError(row.sequence, 'raw', 'has a media type or data, but not both');
    }
    content.raw = { media_type: row.raw_media_type, data: row.raw_data.toString('base64') };
  }
  return content;
}

/** The envelope that a row stands for. `origin` is its ledger's. Throws DamagedRowError. */
export function envelopeOf(row: AnyStoredRow, origin: string): Envelope {
  return {
    format: FORMAT,
    origin,
    sequence: row.sequence,
    event_id: row.event_id,
    recorded_at: recordedAtOf(row),
    recorded_by: row.recorded_by,
    content_hash: hex(row, 'content_hash', row.content_hash, HASH_BYTES),
    previous_event_hash:
      row.previous_event_hash === null ? null : hex(row, 'previous_event_hash', row.previous_event_hash, HASH_BYTES),
  };
}

/** The flat object of the API. Recomputes no hash. Throws DamagedRowError. */
export function eventRecordOf(row: AnyStoredRow, origin: string): EventRecord {
  // Spread into a new object, so many members cost 20 µs an event; assigned, one.
  return Object.assign(contentOf(row), envelopeOf(row, origin), {
    salt: hex(row, 'salt', row.salt, SALT_BYTES),
    event_hash: hex(row, 'event_hash', row.event_hash, HASH_BYTES),
  });
}

type TextColumn = 'event_type' | 'entity_type' | 'entity_id' | 'action' | 'user_id' | 'source' | 'source_session';

function textOf(row: AnyStoredRow, column: TextColumn): string {
  const value = row[column];
  if (!isEventText(value, MAX_CODE_POINTS[column])) {
    throw new DamagedRowError(row.sequence, column, 'holds what no event may hold');
  }
  return value;
}

function canonicalTextOf(row: AnyStoredRow, column: string, text: string): string {
  if (row.jsonForm === 'canonical') {
    return isSurelyCanonical(text) ? text : canonicalize(objectOf(row, column, text));
  }
  return canonicalOfStored(text) ?? canonicalize(objectOf(row, column, text));
}

function objectOf(row: AnyStoredRow, column: string, text: string): JsonObject {
  try {
    const isCanonical = row.jsonForm === 'canonical';
    const value = readJson(text, isCanonical ? {} : { form: 'stored' });
    if (isCanonical && canonicalize(value) !== text) {
      throw new DamagedRowError(row.sequence, column, 'is not in its canonical form');
    }
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    throw new DamagedRowError(row.sequence, column, error.message, { cause: error });
  }
  throw new DamagedRowError(row.sequence, column, 'is no object');
}

function timestampOf(row: AnyStoredRow): string {
  try {
    return formatTimestamp(microsOf(row.timestamp), row.timestamp_nanos, row.timestamp_digits);
  } catch (error) {
    if (!(error instanceof TimestampError)) throw error;
    throw new DamagedRowError(row.sequence, 'timestamp', error.message, { cause: error });
  }
}

/** RFC 3339 with six digits. */
function recordedAtOf(row: AnyStoredRow): string {
  try {
    return formatMicros(microsOf(row.recorded_at));
  } catch (error) {
    if (!(error instanceof TimestampError)) throw error;
    throw new DamagedRowError(row.sequence, 'recorded_at', error.message, { cause: error });
  }
}

/** Of a row's time. Throws TimestampError for one that no event has. */
export function microsOf(time: string | number): number {
  return typeof time === 'number' ? time : parseTimestamp(isoOf(time)).micros;
}

/** `2026-06-02 08:15:30.1+00` as `2026-06-02T08:15:30.1Z`; other texts come out as something no reader takes. */
function isoOf(text: string): string {
  return text.endsWith('+00') && text.charCodeAt(10) === 0x20 ? `${text.slice(0, 10)}T${text.slice(11, -3)}Z` : text;
}

function hex(row: AnyStoredRow, column: string, value: Buffer, bytes: number): string {
  if (value.length !== bytes)
    throw new DamagedRowError(row.sequence, column, `has ${value.length} bytes, not ${bytes}`);
  return value.toString('hex');
}
