import { canonicalize, type JsonObject, type JsonValue } from './canonical-json.js';
import { canonicalOfStored, isSurelyCanonical } from './canonical-scan.js';
import { storedJson } from './stored-json.js';
import { readJson } from './strict-json.js';
import { cpuMsOf } from '../../test/support/cpu-time.js';

describe('texts that are seen to be canonical', () => {
  it('are never others than reading and writing them gives', () => {
    const random = randomOf(1);
    let sure = 0;
    for (let i = 0; i < 4_000; i++) {
      const text = canonicalize(randomObject(random, 1));
      if (isSurelyCanonical(text)) sure += 1;
      for (const changed of changesOf(random, text)) {
        if (isSurelyCanonical(changed)) expect(canonicalFormOf(changed)).toBe(changed);
      }
    }
    expect(sure).toBeGreaterThan(1_000);
  });

  it.each([
    '{}',
    '{"a":1,"b":[true,false,null,{}],"c":{"d":"é","e":-0.5}}',
    '{"":"","a":123456789012345,"a ":0.000001,"b":0}',
    '{"10":1,"9":2}',
  ])('%s is', (text) => {
    expect(canonicalFormOf(text)).toBe(text);
    expect(isSurelyCanonical(text)).toBe(true);
  });

  it.each([
    ...['', '[]', '"a"', '{', '{"a":1}}', '{"a":1,}', '{"a" :1}', '{"a": 1}', ' {}', '{"b":1,"a":2}', '{"a":1,"a":1}'],
    ...[
      '{"a":01}',
      '{"a":1.0}',
      '{"a":-0}',
      '{"a":1e2}',
      '{"a":0.0000001}',
      '{"a":1.}',
      '{"a":.5}',
      '{"a":-}',
      '{"a":+1}',
    ],
    ...[
      '{"a":1234567890123456}',
      '{"a":0.1234567890123456}',
      '{"a":tru}',
      '{"a":nullx}',
      '{"__proto__":1}',
      '{"a":"\u001f"}',
    ],
    ...[
      '{"a":"\\u0041"}',
      '{"a":"\ud800"}',
      '{"a":"\u{1f600}"}',
      '{"a":"b',
      '{"a"',
      `${'{"a":'.repeat(33)}1${'}'.repeat(33)}`,
    ],
  ])('%j is not, or not surely', (text) => {
    expect(isSurelyCanonical(text)).toBe(false);
  });
});

describe('the canonical form of what is stored', () => {
  it('is what reading and writing it gives, or not given', () => {
    const random = randomOf(2);
    let given = 0;
    for (let i = 0; i < 4_000; i++) {
      const value = randomObject(random, 1);
      const text = asJsonb(value);
      const canonical = canonicalOfStored(text);
      if (canonical !== undefined) {
        given += 1;
        expect(canonical).toBe(canonicalize(value));
      }
      for (const changed of changesOf(random, text)) {
        const other = canonicalOfStored(changed);
        if (other !== undefined) expect(other).toBe(canonicalize(readJson(changed, { form: 'stored' })));
      }
    }
    expect(given).toBeGreaterThan(1_000);
  });

  it('takes no longer than reading and writing, in whatever order the members stand', () => {
    // as large as an event may be; in jsonb shorter names come first
    const names = Array.from({ length: 22_000 }, (_, i) => `${i < 11_000 ? 'z' : 'aa'}${(1_300 + i).toString(36)}`);
    const text = `{${names.map((name) => `"${name}": 1`).join(', ')}}`;
    const value = readJson(text);
    expect(cpuMsOf(() => expect(canonicalOfStored(text)).toBe(canonicalize(value)))).toBeLessThan(900);
  });

  it.each([
    ['{"b": 1, "aa": 2}', '{"aa":2,"b":1}'],
    ['{"a": [], "b": {}, "c": [1, {"z": 0.25, "aa": null}]}', '{"a":[],"b":{},"c":[1,{"aa":null,"z":0.25}]}'],
  ])('%s', (text, canonical) => {
    expect(canonicalOfStored(text)).toBe(canonical);
  });

  it.each(['{"a":1}', '{"a": 1,"b": 2}', '{"a": 1.0}', '{"a": "\\n"}', '{"a": 1} ', '[1]', '{"a": 1, "a": 1}'])(
    'is not given of %j',
    (text) => {
      expect(canonicalOfStored(text)).toBeUndefined();
    },
  );
});

function canonicalFormOf(text: string): string {
  return canonicalize(readJson(text));
}

/** As PostgreSQL prints it: a blank behind each comma and colon that is not in a string. */
function asJsonb(value: JsonValue): string {
  return storedJson(value).replace(/"(?:[^"\\]|\\.)*"|[,:]/g, (part) => (part.startsWith('"') ? part : `${part} `));
}

/** The same numbers from 0 up to 1 in every run (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const STRINGS = ['', 'a', 'b', 'aa', 'A', '10', '9', 'é', '€', 'ﬀ', 'a"b', '\\', '\n', '\u{1f600}', 'x'.repeat(70)];
const NUMBERS = [0, 1, -1, 0.5, -0.25, 1e-6, 1e-7, 123.456, 1e15, 1e21, 999999999999999, 0.1 + 0.2, 2 ** 53];

function randomObject(random: () => number, depth: number): JsonObject {
  const object: JsonObject = {};
  for (let left = Math.floor(random() * 5); left > 0; left--)
    object[pick(random, STRINGS)] = randomValue(random, depth);
  return object;
}

function randomValue(random: () => number, depth: number): JsonValue {
  const kind = Math.floor(random() * (depth < 4 ? 7 : 4));
  if (kind < 2) return pick(random, STRINGS);
  if (kind < 3) return pick(random, NUMBERS);
  if (kind < 4) return pick<JsonValue>(random, [null, true, false]);
  if (kind < 6) return randomObject(random, depth + 1);
  return Array.from({ length: Math.floor(random() * 4) }, () => randomValue(random, depth + 1));
}

function pick<T>(random: () => number, list: readonly T[]): T {
  return list[Math.floor(random() * list.length)]!;
}

/** Somebody's changes of a text: a character left out, doubled, or another in its place. */
function changesOf(random: () => number, text: string): string[] {
  const at = Math.floor(random() * text.length);
  const other = pick(random, ['"', ',', ':', ' ', '0', '1', '.', '-', 'e', '{', '}', '[', ']', '\\', 'a', '\ud800']);
  return [
    text.slice(0, at) + text.slice(at + 1),
    text.slice(0, at) + text[at] + text.slice(at),
    text.slice(0, at) + other + text.slice(at + 1),
  ];
}
