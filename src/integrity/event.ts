import { hash } from 'node:crypto';
import { canonicalize, canonicalString, type JsonObject } from './canonical-json.js';
import { parseTimestamp, type Timestamp } from './timestamp.js';

export const FORMAT = 'truetrail/1';

/** What the submitter wrote, in the canonical form of FORMAT.md. */
export interface Content {
  /** Lower case. */
  event_id: string;
  /** UTC with `Z`, and as many fractional digits as were sent. */
  timestamp: string;
  event_type: string;
  entity_type: string;
  entity_id: string;
  action: string;
  user_id: string;
  previous_state: JsonObject | null;
  new_state: JsonObject;
  metadata: JsonObject;
  source?: string;
  source_session?: string;
  source_sequence?: string;
  /** Lower case. */
  corrects?: string;
  raw?: RawMessage;
}

export interface RawMessage {
  media_type: string;
  /** base64 */
  data: string;
}

/** What the service adds. All of it text, as it is hashed: sequences in decimal, hashes in lower-case hex. */
export interface Envelope {
  format: typeof FORMAT;
  origin: string;
  sequence: string;
  event_id: string;
  /** Always six fractional digits: formatMicros. */
  recorded_at: string;
  recorded_by: string;
  content_hash: string;
  /** Null at sequence 1 and nowhere else. */
  previous_event_hash: string | null;
}

/** With the content, all that is needed to compute both hashes again. `salt` is in hex. */
export interface Receipt extends Envelope {
  salt: string;
  event_hash: string;
}

/** The names that a submitter may send, in canonical order. None of them is one of the envelope's but `event_id`. */
export const CONTENT_MEMBERS = [
  'action',
  'corrects',
  'entity_id',
  'entity_type',
  'event_id',
  'event_type',
  'metadata',
  'new_state',
  'previous_state',
  'raw',
  'source',
  'source_sequence',
  'source_session',
  'timestamp',
  'user_id',
] as const satisfies readonly (keyof Content)[];

/** The names of an envelope, all of them always there, in canonical order. */
export const ENVELOPE_MEMBERS = [
  'content_hash',
  'event_id',
  'format',
  'origin',
  'previous_event_hash',
  'recorded_at',
  'recorded_by',
  'sequence',
] as const satisfies readonly (keyof Envelope)[];

export const SALT_BYTES = 16;
export const HASH_BYTES = 32;

/** Of `raw.data`, decoded. */
export const MAX_RAW_BYTES = 65_536;

/** How many code points each text may have, for isEventText; the least is one everywhere. */
export const MAX_CODE_POINTS = {
  event_type: 100,
  entity_type: 50,
  entity_id: 255,
  action: 50,
  user_id: 255,
  source: 255,
  source_session: 255,
  media_type: 255,
} as const;

/** Objects and arrays may nest this deep in an event, its own braces being 1. */
export const MAX_EVENT_DEPTH = 32;

/**
 * Is this a text that an event's member may have: a string of 1 to `maxCodePoints` code points, without control
 * characters (Unicode's category Cc: up to U+001F, and U+007F to U+009F) and without half a surrogate pair?
 */
export function isEventText(value: unknown, maxCodePoints: number): value is string {
  if (typeof value !== 'string' || value.length === 0 || value.length > 2 * maxCodePoints) return false;
  let codePoints = value.length;
  for (let i = 0; i < value.length; i++) {
    const unit = value.charCodeAt(i);
    if (unit < 0x20 || (unit >= 0x7f && unit <= 0x9f)) return false;
    if (unit >= 0xd800 && unit <= 0xdfff) {
      const low = value.charCodeAt(++i); // NaN past the end, which no comparison holds for
      if (unit > 0xdbff || !(low >= 0xdc00 && low <= 0xdfff)) return false;
      codePoints--;
    }
  }
  return codePoints <= maxCodePoints;
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const NIL_OR_MAX_UUID = /^[0-]+$|^[f-]+$/i;

/** Is this a UUID in hyphens, of any version and either case, that is neither the nil nor the max UUID? */
export function isEventId(value: unknown): value is string {
  return typeof value === 'string' && UUID.test(value) && !NIL_OR_MAX_UUID.test(value);
}

const SOURCE_SEQUENCE = /^(?:0|[1-9][0-9]{0,18})$/;

export function isSourceSequence(value: unknown): value is string {
  return typeof value === 'string' && SOURCE_SEQUENCE.test(value);
}

/**
 * Is this the base64 of RFC 4648, section 4, padded, with zeros for the unused bits and nothing else in it? The empty
 * text is, for no bytes.
 *
 * Decoding forgives all that is forbidden here, and encoding does none of it, so what survives both is strict: 6 µs for
 * 64 KiB, where a regular expression takes 360 and still leaves the unused bits to look at.
 */
export function isStrictBase64(value: unknown): value is string {
  return typeof value === 'string' && Buffer.from(value, 'base64').toString('base64') === value;
}

/** How many bytes a strict base64 text stands for. */
export function decodedBase64Length(text: string): number {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  return (text.length / 4) * 3 - padding;
}

/** A content as it may be sent: what may be absent is, and the rest is valid but not yet in canonical form. */
export type SentContent = Omit<Content, 'previous_state' | 'metadata'> & {
  previous_state?: JsonObject | null;
  metadata?: JsonObject;
};

/**
 * The canonical content of one that was sent and found valid, and its timestamp taken apart for the columns. Fills in
 * and re-writes what FORMAT.md says and nothing beyond it; `eventId` goes before what it has. Throws TimestampError.
 */
export function toContent(
  sent: SentContent,
  eventId: string = sent.event_id,
): { content: Content; timestamp: Timestamp } {
  const timestamp = parseTimestamp(sent.timestamp);
  const content: Content = {
    event_id: eventId.toLowerCase(),
    timestamp: timestamp.canonical,
    event_type: sent.event_type,
    entity_type: sent.entity_type,
    entity_id: sent.entity_id,
    action: sent.action,
    user_id: sent.user_id,
    previous_state: sent.previous_state ?? null,
    new_state: sent.new_state,
    metadata: sent.metadata ?? {},
  };
  if (sent.source !== undefined) content.source = sent.source;
  if (sent.source_session !== undefined) content.source_session = sent.source_session;
  if (sent.source_sequence !== undefined) content.source_sequence = sent.source_sequence;
  if (sent.corrects !== undefined) content.corrects = sent.corrects.toLowerCase();
  if (sent.raw !== undefined) content.raw = { media_type: sent.raw.media_type, data: sent.raw.data };
  return { content, timestamp };
}

/** A content's RFC 8785 form, and of it the parts that are stored by themselves, as jsonb. */
export interface CanonicalContent {
  text: string;
  previousState: string | null;
  newState: string;
  metadata: string;
}

/** The canonical forms of the three objects in a content. */
export type CanonicalParts = Omit<CanonicalContent, 'text'>;
/** What of a content is no object. */
export type ContentTexts = Omit<Content, 'previous_state' | 'new_state' | 'metadata'>;

/**
 * The same text as canonicalize(content), with the members put in their order by hand, so that the parts need not be
 * made twice. Throws TypeError as canonicalize does.
 */
export function canonicalContent(content: Content): CanonicalContent {
  return joinContent(content, {
    previousState: content.previous_state === null ? null : canonicalize(content.previous_state),
    newState: canonicalize(content.new_state),
    metadata: canonicalize(content.metadata),
  });
}

/** The canonical content of a content whose objects are in their canonical form already. Throws as canonicalize does. */
export function joinContent(content: ContentTexts, parts: CanonicalParts): CanonicalContent {
  const { corrects, raw, source, source_sequence: sourceSequence, source_session: sourceSession } = content;
  const { previousState, newState, metadata } = parts;
  let text = '{"action":' + canonicalString(content.action);
  if (corrects !== undefined) text += ',"corrects":' + canonicalString(corrects);
  text += ',"entity_id":' + canonicalString(content.entity_id);
  text += ',"entity_type":' + canonicalString(content.entity_type);
  text += ',"event_id":' + canonicalString(content.event_id);
  text += ',"event_type":' + canonicalString(content.event_type);
  text += ',"metadata":' + metadata;
  text += ',"new_state":' + newState;
  text += ',"previous_state":' + (previousState ?? 'null');
  if (raw !== undefined) {
    text += ',"raw":{"data":' + canonicalString(raw.data) + ',"media_type":' + canonicalString(raw.media_type) + '}';
  }
  if (source !== undefined) text += ',"source":' + canonicalString(source);
  if (sourceSequence !== undefined) text += ',"source_sequence":' + canonicalString(sourceSequence);
  if (sourceSession !== undefined) text += ',"source_session":' + canonicalString(sourceSession);
  text += ',"timestamp":' + canonicalString(content.timestamp);
  text += ',"user_id":' + canonicalString(content.user_id) + '}';
  return { text, previousState, newState, metadata };
}

/**
 * Where salt and content are put together to be hashed: two Buffers an event cost more in garbage collection than the
 * hash itself. Larger contents than any event's go another way.
 */
const scratch = Buffer.allocUnsafeSlow(SALT_BYTES + 3 * 100_000);

/** SHA-256(salt ‖ canonical content). Throws RangeError unless the salt has its 16 bytes. */
export function contentHash(salt: Buffer, canonicalText: string): Buffer {
  if (salt.length !== SALT_BYTES) throw new RangeError(`a salt has ${SALT_BYTES} bytes, not ${salt.length}`);
  if (canonicalText.length * 3 > scratch.length - SALT_BYTES) {
    return sha256(Buffer.concat([salt, Buffer.from(canonicalText)]));
  }
  salt.copy(scratch);
  const end = SALT_BYTES + scratch.write(canonicalText, SALT_BYTES, 'utf8');
  return sha256(scratch.subarray(0, end));
}

/** The envelope's RFC 8785 form; members that are not an envelope's are left out. */
export function envelopeText(envelope: Envelope): string {
  const previous = envelope.previous_event_hash;
  return (
    '{"content_hash":' +
    canonicalString(envelope.content_hash) +
    ',"event_id":' +
    canonicalString(envelope.event_id) +
    ',"format":' +
    canonicalString(envelope.format) +
    ',"origin":' +
    canonicalString(envelope.origin) +
    ',"previous_event_hash":' +
    (previous === null ? 'null' : canonicalString(previous)) +
    ',"recorded_at":' +
    canonicalString(envelope.recorded_at) +
    ',"recorded_by":' +
    canonicalString(envelope.recorded_by) +
    ',"sequence":' +
    canonicalString(envelope.sequence) +
    '}'
  );
}

/** SHA-256(canonical envelope); a Receipt may be given as it is. */
export function eventHash(envelope: Envelope): Buffer {
  return sha256(envelopeText(envelope));
}

/** The leaf of an event hash in its ledger's tree: RFC 6962, section 2.1. Throws RangeError unless given 32 bytes. */
export function leafHash(leafData: Buffer): Buffer {
  if (leafData.length !== HASH_BYTES)
    throw new RangeError(`an event hash has ${HASH_BYTES} bytes, not ${leafData.length}`);
  leafData.copy(LEAF, 1);
  return sha256(LEAF);
}

/** What is hashed of a leaf: its prefix and the event's hash. */
const LEAF = Buffer.alloc(1 + HASH_BYTES);

/**
 * Measured for a content of 600 bytes: createHash with two updates 1.10 µs, crypto.hash with the result as 'buffer' 1.17,
 * with the result as a string that is copied into a pooled Buffer 0.89.
 */
function sha256(data: Buffer | string): Buffer {
  return Buffer.from(hash('sha256', data, 'binary'), 'latin1');
}
