import { readFileSync } from 'node:fs';
import { canonicalize, canonicalString, canonicalWithPart, plainDecimal, type JsonValue } from './canonical-json.js';
import { readJson } from './strict-json.js';

const vectors = JSON.parse(readFileSync(new URL('../../test/vectors/numbers.json', import.meta.url), 'utf8')) as {
  cases: { double: string; canonical: string | null; plain: string | null }[];
};

describe('numbers', () => {
  test.each(vectors.cases)('$double is $canonical', ({ double, canonical, plain }) => {
    const value = Buffer.from(double, 'hex').readDoubleBE();
    if (canonical === null || plain === null) {
      expect(() => canonicalize(value)).toThrow(TypeError);
      expect(() => plainDecimal(value)).toThrow(TypeError);
      return;
    }
    expect(canonicalize(value)).toBe(canonical);
    expect(plainDecimal(value)).toBe(plain);
    expect(readJson(canonical)).toBe(value + 0); // -0 prints as 0
    expect(readJson(plain, { form: 'stored' })).toBe(value + 0);
  });
});

describe('names', () => {
  test('are put in order wherever they come from', () => {
    const names = ['b', 'a', '10', '2', 'B', '\uffff', '\u{10000}', '', 'ab', 'é', 'e\u0301'];
    const sorted = [...names].sort();
    for (let shift = 0; shift < names.length; shift++) {
      const turned = [...names.slice(shift), ...names.slice(0, shift)];
      const object = Object.fromEntries(turned.map((name) => [name, name]));
      expect(canonicalize(object)).toBe(
        '{' + sorted.map((name) => JSON.stringify(name) + ':' + JSON.stringify(name)).join() + '}',
      );
    }
  });

  test('of an object without a prototype too', () => {
    expect(canonicalize(Object.assign(Object.create(null) as object, { b: 1, a: [] }) as JsonValue)).toBe(
      '{"a":[],"b":1}',
    );
  });
});

describe('what JSON does not have', () => {
  const cases: [what: string, value: unknown][] = [
    ['undefined', undefined],
    ['undefined in an object', { a: undefined }],
    ['undefined in an array', [undefined]],
    ['a hole in an array', new Array(1)],
    ['a function', () => 1],
    ['a symbol', Symbol('a')],
    ['a bigint', 1n],
    ['NaN', [NaN]],
    ['an infinity', { a: -Infinity }],
    ['a Date', new Date(0)],
    ['a Buffer', { a: Buffer.from('a') }],
    ['half a pair in a short string', 'a\ud800'],
    ['half a pair in a long string', 'a'.repeat(100) + '\udc00'],
    ['half a pair beside an escape', '\n\ud800'],
    ['half a pair in a name', { '\ude00': 1 }],
    ['half a pair in a name beside an escape', { '"\ud83d': 1 }],
    ['two halves in two strings', ['\ud83d', '\ude00']],
  ];
  test.each(cases)('is an error: %s', (_what, value) => {
    expect(() => canonicalize(value as JsonValue)).toThrow(TypeError);
  });

  test('a member called toJSON that is data is data', () => {
    expect(canonicalize({ toJSON: 'x' })).toBe('{"toJSON":"x"}');
  });
});

describe('canonicalString', () => {
  test('is canonicalize of a string', () => {
    for (const text of ['', 'a', 'a"b\\c', '\u0000\u001f\u007f', 'é😀\u2028/', 'x'.repeat(100) + '\n']) {
      expect(canonicalString(text)).toBe(canonicalize(text));
    }
    expect(() => canonicalString('a\ud800')).toThrow(TypeError);
    expect(() => canonicalString('"\ud800')).toThrow(TypeError);
  });
});

describe('canonicalWithPart', () => {
  test('is canonicalize, of all and of a part', () => {
    const object = { b: [1, { z: null, a: -0 }], '\u20ac': 'x"\n', a: {}, '\ud83d\ude00': '😀', 1: true };
    const { a, b } = object;
    const { text, part } = canonicalWithPart(object, (name) => name === 'a' || name === 'b');
    expect(text).toBe(canonicalize(object));
    expect(part).toBe(canonicalize({ b, a }));
    expect(canonicalWithPart({}, () => true)).toEqual({ text: '{}', part: '{}' });
    expect(canonicalWithPart({ a: 1 }, () => false).part).toBe('{}');
  });

  test('refuses what canonicalize refuses', () => {
    for (const bad of [{ a: '\ud800' }, { '\ud800': 1 }, { a: NaN }, { a: undefined }, { a: new Date(0) }]) {
      expect(() => canonicalWithPart(bad as never, () => true)).toThrow(TypeError);
    }
  });
});
