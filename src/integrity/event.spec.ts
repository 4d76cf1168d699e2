import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { canonicalize, type JsonObject, type JsonValue } from './canonical-json.js';
import {
  canonicalContent,
  CONTENT_MEMBERS,
  contentHash,
  decodedBase64Length,
  ENVELOPE_MEMBERS,
  envelopeText,
  eventHash,
  isEventId,
  isEventText,
  isSourceSequence,
  isStrictBase64,
  leafHash,
  MAX_CODE_POINTS,
  MAX_RAW_BYTES,
  SALT_BYTES,
  toContent,
  type Content,
  type Envelope,
  type SentContent,
} from './event.js';
import { readJson, StrictJsonError } from './strict-json.js';
import { parseTimestamp, TimestampError } from './timestamp.js';

interface TextCase {
  name?: string;
  text?: string;
  utf16?: string;
  times?: number;
  then?: string;
}
interface ContentCase {
  name: string;
  with?: Record<string, string>;
  without?: string[];
  sent?: string;
}

const strings = vectors<{
  texts: (TextCase & { max: number; taken: boolean })[];
  event_ids: { text: string; canonical: string | null }[];
  source_sequences: { text: string; taken: boolean }[];
}>('strings');
const base64 = vectors<{ cases: (TextCase & { length: number | null; hex?: string })[] }>('base64');
const contents = vectors<{
  base: Record<string, string>;
  accepted: (ContentCase & { salt: string; canonical: string; content_hash: string })[];
  refused: (ContentCase & { pointer: string; rule?: string })[];
  chain: {
    canonical: string;
    salt: string;
    envelope: Envelope;
    envelope_text: string;
    event_hash: string;
    leaf_hash: string;
  }[];
}>('content');

function vectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../test/vectors/${name}.json`, import.meta.url), 'utf8')) as T;
}

function textOf({ text, utf16, times = 1, then = '' }: TextCase): string {
  if (text !== undefined) return text.repeat(times) + then;
  return Buffer.from(utf16!, 'hex').swap16().toString('utf16le');
}

describe('texts', () => {
  test.each(strings.texts)('$name', (vector) => {
    expect(isEventText(textOf(vector), vector.max)).toBe(vector.taken);
  });

  test('are strings', () => {
    for (const value of [undefined, null, 1, ['a'], { length: 1 }, new String('a')]) {
      expect(isEventText(value, 50)).toBe(false);
    }
  });

  test('have no character of the category Cc, and may have every other', () => {
    for (let point = 0; point <= 0x10ffff; point++) {
      const half = point >= 0xd800 && point <= 0xdfff;
      const character = String.fromCodePoint(point);
      if (isEventText(character, 1) === (half || /\p{Cc}/u.test(character))) throw new Error(point.toString(16));
    }
  });
});

describe('event ids', () => {
  test.each(strings.event_ids)('$text', ({ text, canonical }) => {
    expect(isEventId(text)).toBe(canonical !== null);
    if (canonical !== null) expect(text.toLowerCase()).toBe(canonical);
  });

  test('are strings', () => {
    expect(isEventId(['018f0000-0000-7000-8000-00000000000a'])).toBe(false);
    expect(isEventId(undefined)).toBe(false);
  });
});

describe('source sequences', () => {
  test.each(strings.source_sequences)('$text', ({ text, taken }) => {
    expect(isSourceSequence(text)).toBe(taken);
  });

  test('are strings', () => {
    expect(isSourceSequence(1)).toBe(false);
  });
});

describe('base64', () => {
  test.each(base64.cases)('$text', (vector) => {
    const text = textOf(vector);
    expect(isStrictBase64(text)).toBe(vector.length !== null);
    if (vector.length !== null) expect(decodedBase64Length(text)).toBe(vector.length);
    if (vector.hex !== undefined) expect(Buffer.from(text, 'base64').toString('hex')).toBe(vector.hex);
  });

  test('of every length', () => {
    for (let length = 0; length < 100; length++) {
      const text = Buffer.alloc(length, 0xa5).toString('base64');
      expect([isStrictBase64(text), decodedBase64Length(text)]).toEqual([true, length]);
    }
    expect(isStrictBase64(undefined)).toBe(false);
  });
});

describe('contents', () => {
  test.each(contents.accepted)('$name', (vector) => {
    const sent = readJson(Buffer.from(sentText(vector)));
    expect(blamed(sentText(vector))).toBeNull();
    const { content, timestamp } = toContent(sent as unknown as SentContent);
    const canonical = canonicalContent(content);
    expect(canonical.text).toBe(vector.canonical);
    expect(canonical.text).toBe(canonicalize(content as unknown as JsonObject));
    expect(contentHash(Buffer.from(vector.salt, 'hex'), canonical.text).toString('hex')).toBe(vector.content_hash);
    expect(timestamp).toEqual(parseTimestamp(content.timestamp));
    expect(canonical.newState).toBe(canonicalize(content.new_state));
    expect(canonical.metadata).toBe(canonicalize(content.metadata));
    expect(canonical.previousState).toBe(content.previous_state && canonicalize(content.previous_state));
    // What is canonical is its own canonical form.
    expect(toContent(content).content).toEqual(content);
  });

  test.each(contents.refused)('refused: $name', (vector) => {
    expect(blamed(sentText(vector))).toEqual({ pointer: vector.pointer, ...(vector.rule && { rule: vector.rule }) });
  });

  test('leave nothing behind that only JavaScript has', () => {
    const { content } = toContent(JSON.parse(sentText({ name: 'plain' })) as SentContent);
    expect(Object.keys(content)).toHaveLength(10);
    expect(() => canonicalContent({ ...content, metadata: { at: new Date(0) as unknown as JsonValue } })).toThrow(
      TypeError,
    );
    expect(() => canonicalContent({ ...content, user_id: '\ud800' })).toThrow(TypeError);
  });

  test('random ones have the text that canonicalize gives', () => {
    let seed = 1;
    const below = (n: number) => (seed = (seed * 48_271) % 2_147_483_647) % n;
    const text = () => Array.from({ length: 1 + below(6) }, () => 'a"\\é😀\n1Z_'[below(9)]!).join('');
    const wellFormed = () => text().toWellFormed();
    const object = () =>
      Object.fromEntries(
        Array.from({ length: below(4) }, () => [wellFormed(), below(2) ? below(1000) / 8 : wellFormed()]),
      );
    for (let i = 0; i < 2_000; i++) {
      const content: Content = {
        user_id: wellFormed(),
        event_id: wellFormed(),
        timestamp: wellFormed(),
        event_type: wellFormed(),
        entity_type: wellFormed(),
        entity_id: wellFormed(),
        action: wellFormed(),
        previous_state: below(2) ? null : object(),
        new_state: object(),
        metadata: object(),
        ...(below(2) && { source: wellFormed() }),
        ...(below(2) && { source_session: wellFormed() }),
        ...(below(2) && { source_sequence: wellFormed() }),
        ...(below(2) && { corrects: wellFormed() }),
        ...(below(2) && { raw: { media_type: wellFormed(), data: wellFormed() } }),
      };
      expect(canonicalContent(content).text).toBe(canonicalize(content as unknown as JsonObject));
    }
  });
});

describe('envelopes', () => {
  test.each(contents.chain)('$envelope.sequence', (vector) => {
    const content = readJson(vector.canonical) as unknown as Content;
    const salt = Buffer.from(vector.salt, 'hex');
    expect(contentHash(salt, canonicalContent(content).text).toString('hex')).toBe(vector.envelope.content_hash);
    expect(envelopeText(vector.envelope)).toBe(vector.envelope_text);
    expect(envelopeText(vector.envelope)).toBe(canonicalize({ ...vector.envelope }));
    expect(eventHash(vector.envelope).toString('hex')).toBe(vector.event_hash);
    // A receipt is an envelope and more.
    expect(eventHash({ ...vector.envelope, salt: vector.salt, event_hash: vector.event_hash } as Envelope)).toEqual(
      eventHash(vector.envelope),
    );
    expect(leafHash(Buffer.from(vector.event_hash, 'hex')).toString('hex')).toBe(vector.leaf_hash);
  });

  test('are linked', () => {
    let previous: string | null = null;
    for (const { envelope, event_hash } of contents.chain) {
      expect(envelope.previous_event_hash).toBe(previous);
      previous = event_hash;
    }
  });

  test('are escaped, so that no value can pass for another member', () => {
    const envelope = { ...contents.chain[0]!.envelope, recorded_by: 'service","sequence":"2' };
    expect(envelopeText(envelope)).toBe(canonicalize({ ...envelope }));
  });
});

describe('the names of contents and envelopes', () => {
  test('are in canonical order', () => {
    expect([...CONTENT_MEMBERS].sort()).toEqual(CONTENT_MEMBERS);
    expect([...ENVELOPE_MEMBERS].sort()).toEqual(ENVELOPE_MEMBERS);
  });

  // Neither can be taken for the other, so that no hash of one is ever a hash of the other.
  test('share the event id alone', () => {
    const inBoth = ENVELOPE_MEMBERS.filter((name) => (CONTENT_MEMBERS as readonly string[]).includes(name));
    expect(inBoth).toEqual(['event_id']);
    for (const name of ['format', 'origin', 'previous_event_hash']) {
      expect(CONTENT_MEMBERS).not.toContain(name);
      expect(ENVELOPE_MEMBERS).toContain(name);
    }
    expect(CONTENT_MEMBERS).toContain('event_type');
    expect(ENVELOPE_MEMBERS).not.toContain('event_type');
  });
});

describe('hashes', () => {
  test('need a salt of 16 bytes, and leaves an event hash of 32', () => {
    expect(() => contentHash(randomBytes(SALT_BYTES - 1), '{}')).toThrow(RangeError);
    expect(() => contentHash(randomBytes(SALT_BYTES + 1), '{}')).toThrow(RangeError);
    expect(() => leafHash(randomBytes(31))).toThrow(RangeError);
  });

  test('are Buffers of their own', () => {
    const first = eventHash(contents.chain[0]!.envelope);
    const second = eventHash(contents.chain[1]!.envelope);
    expect(first).toHaveLength(32);
    expect(first.equals(second)).toBe(false);
  });
});

function sentText({ sent, with: changed = {}, without = [] }: ContentCase): string {
  if (sent !== undefined) return sent;
  const members = Object.entries({ ...contents.base, ...changed }).filter(([name]) => !without.includes(name));
  return '{' + members.map(([name, text]) => `${JSON.stringify(name)}:${text}`).join() + '}';
}

/** The place that a sent content is refused for, by the predicates, and the rule where a reader named one. */
function blamed(text: string): { pointer: string; rule?: string } | null {
  let sent: JsonValue;
  try {
    sent = readJson(Buffer.from(text));
  } catch (error) {
    if (error instanceof StrictJsonError) return { pointer: error.pointer, rule: error.rule };
    throw error;
  }
  if (!isObject(sent)) return { pointer: '' };
  for (const [name, value] of Object.entries(sent)) {
    const place = blamedMember(name, value);
    if (place !== null) return place;
  }
  const required = [
    'event_id',
    'timestamp',
    'event_type',
    'entity_type',
    'entity_id',
    'action',
    'user_id',
    'new_state',
  ];
  const missing = required.find((name) => !Object.hasOwn(sent, name));
  return missing === undefined ? null : { pointer: '/' + missing };
}

function blamedMember(name: string, value: JsonValue): { pointer: string; rule?: string } | null {
  const pointer = '/' + name;
  const wrong = { pointer };
  switch (name as keyof Content) {
    case 'event_id':
    case 'corrects':
      return isEventId(value) ? null : wrong;
    case 'timestamp':
      if (typeof value !== 'string') return wrong;
      try {
        parseTimestamp(value);
        return null;
      } catch (error) {
        return { pointer, rule: (error as TimestampError).rule };
      }
    case 'event_type':
    case 'entity_type':
    case 'entity_id':
    case 'action':
    case 'user_id':
    case 'source':
    case 'source_session':
      return isEventText(value, MAX_CODE_POINTS[name as keyof typeof MAX_CODE_POINTS]) ? null : wrong;
    case 'source_sequence':
      return isSourceSequence(value) ? null : wrong;
    case 'previous_state':
      return value === null || isObject(value) ? null : wrong;
    case 'new_state':
    case 'metadata':
      return isObject(value) ? null : wrong;
    case 'raw': {
      if (!isObject(value)) return wrong;
      const { media_type: mediaType, data, ...others } = value;
      if (!isEventText(mediaType, MAX_CODE_POINTS.media_type)) return { pointer: '/raw/media_type' };
      if (!isStrictBase64(data) || decodedBase64Length(data) > MAX_RAW_BYTES) return { pointer: '/raw/data' };
      const [unknown] = Object.keys(others);
      return unknown === undefined ? null : { pointer: `/raw/${unknown}` };
    }
    default:
      return wrong;
  }
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
