import type { JsonObject, JsonValue } from './canonical-json.js';
import {
  decodedBase64Length,
  isEventId,
  isEventText,
  isSourceSequence,
  isStrictBase64,
  MAX_CODE_POINTS,
  MAX_RAW_BYTES,
} from './event.js';
import { parseTimestamp, TimestampError } from './timestamp.js';

const TEXTS = ['event_type', 'entity_type', 'entity_id', 'action', 'user_id', 'source', 'source_session'] as const;
/** Of a content these are always there. */
const REQUIRED = [
  ...['action', 'entity_id', 'entity_type', 'event_id', 'event_type', 'metadata', 'new_state', 'previous_state'],
  ...['timestamp', 'user_id'],
] as const;

/**
 * Why a flat object's members that are a content's are no canonical content (FORMAT.md), whatever their hash says: one that
 * the door never takes, or would have written otherwise. Undefined if they are. Other members are not looked at, nor is
 * how deep it nests: who read the object has seen to that.
 */
export function contentFault(line: JsonObject): string | undefined {
  const absent = REQUIRED.find((name) => !Object.hasOwn(line, name));
  if (absent !== undefined) return `it has no ${absent}`;
  const wrong = memberFault(line);
  return wrong === undefined ? undefined : `its ${wrong} is none that a canonical content has`;
}

/** The name of the first member of a content that no canonical content has so. */
function memberFault(line: JsonObject): string | undefined {
  const { event_id: id, previous_state: previous, new_state: state, metadata, timestamp } = line;
  if (!isCanonicalId(id)) return 'event_id';
  if (!isCanonicalTime(timestamp)) return 'timestamp';
  const text = TEXTS.find((name) => Object.hasOwn(line, name) && !isEventText(line[name], MAX_CODE_POINTS[name]));
  if (text !== undefined) return text;
  if (previous !== null && !isObject(previous)) return 'previous_state';
  if (!isObject(state)) return 'new_state';
  if (!isObject(metadata)) return 'metadata';
  if (Object.hasOwn(line, 'source_sequence') && !isSourceSequence(line.source_sequence)) return 'source_sequence';
  if (Object.hasOwn(line, 'corrects') && !isCanonicalId(line.corrects)) return 'corrects';
  if (Object.hasOwn(line, 'raw') && !isRaw(line.raw)) return 'raw';
  return undefined;
}

/** An event's id as it is recorded: in lower case. */
export function isCanonicalId(value: JsonValue | undefined): value is string {
  return isEventId(value) && !/[A-F]/.test(value);
}

/** A time as it is recorded: in UTC with `Z`, of any granularity. */
export function isCanonicalTime(value: JsonValue | undefined): value is string {
  if (typeof value !== 'string') return false;
  try {
    return parseTimestamp(value).canonical === value;
  } catch (error) {
    if (error instanceof TimestampError) return false;
    throw error;
  }
}

function isRaw(value: JsonValue | undefined): boolean {
  if (!isObject(value) || Object.keys(value).length !== 2) return false;
  const { media_type: mediaType, data } = value;
  return (
    isEventText(mediaType, MAX_CODE_POINTS.media_type) &&
    isStrictBase64(data) &&
    decodedBase64Length(data) <= MAX_RAW_BYTES
  );
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
