import { readFileSync } from 'node:fs';
import { canonicalize, plainDecimal } from './canonical-json.js';
import { MAX_DEPTH, readJson, StrictJsonError, type JsonValue, type StrictJsonRule } from './strict-json.js';
import { cpuMsOf } from '../../test/support/cpu-time.js';

interface JsonCase {
  name: string;
  text?: string;
  hex?: string;
  times?: number;
  max_depth?: number;
  wire: string;
  stored: string;
  canonical?: string;
}

const vectors = JSON.parse(readFileSync(new URL('../../test/vectors/json.json', import.meta.url), 'utf8')) as {
  cases: JsonCase[];
};

/** 'taken', or the rule that refused. */
function outcome(input: Buffer | string, form: 'wire' | 'stored', maxDepth?: number): [string, JsonValue?] {
  try {
    return ['taken', readJson(input, maxDepth === undefined ? { form } : { form, maxDepth })];
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    return [error.rule];
  }
}

function refusal(input: Buffer | string, form: 'wire' | 'stored' = 'wire'): StrictJsonError {
  try {
    readJson(input, { form });
  } catch (error) {
    if (error instanceof StrictJsonError) return error;
    throw error;
  }
  throw new Error('it was taken');
}

describe('the vectors', () => {
  test.each(vectors.cases.map((vector) => [vector.name, vector] as const))('%s', (_name, vector) => {
    const text = vector.text?.repeat(vector.times ?? 1);
    const inputs = text === undefined ? [Buffer.from(vector.hex!, 'hex')] : [Buffer.from(text), text];
    for (const form of ['wire', 'stored'] as const) {
      for (const input of inputs) {
        const [rule, value] = outcome(input, form, vector.max_depth);
        expect(rule).toBe(vector[form]);
        if (rule === 'taken' && vector.canonical !== undefined) expect(canonicalize(value!)).toBe(vector.canonical);
      }
    }
  });
});

describe('a refusal says where', () => {
  const cases: [text: string, rule: StrictJsonRule, pointer: string, offset: number][] = [
    ['', 'syntax', '', 0],
    ['{"a":1} x', 'syntax', '', 8],
    ['{"a":1 "b":2}', 'syntax', '', 7],
    ['{"a":{"b" 1}}', 'syntax', '/a/b', 10],
    ['{"a":[1,2,x]}', 'syntax', '/a/2', 10],
    ['{"a":[1,2 3]}', 'syntax', '/a', 10],
    ['{"a":[1,{"b":"', 'syntax', '/a/1/b', 13],
    ['{"a":1,"b":{"c":2,"d":3,"c":4}}', 'duplicate-name', '/b/c', 24],
    ['{"é":{"__proto__":1}}', 'forbidden-name', '/é/__proto__', 6],
    ['{"a/b":{"~":1e400}}', 'number-range', '/a~1b/~0', 12],
    ['{"":[[],[9007199254740993]]}', 'number-precision', '//1/0', 9],
    ['{"a":[{"x\\u0000":1}]}', 'nul', '/a/0', 9],
    ['{"a":1,"b":"\\ud800"}', 'lone-surrogate', '/b', 11],
    ['[[[[]]],[01]]', 'syntax', '/1/0', 9],
  ];
  test.each(cases)('%s', (text, rule, pointer, offset) => {
    const bytesBefore = Buffer.byteLength(text.slice(0, offset));
    expect(refusal(text)).toMatchObject({ rule, pointer, offset });
    expect(refusal(Buffer.from(text))).toMatchObject({ rule, pointer, offset: bytesBefore });
  });

  test('in a sentence', () => {
    expect(refusal('{"new_state":{"price":9007199254740993}}').message).toBe(
      'The number 9007199254740993 would become 9007199254740992; send it as a string, at /new_state/price (character 22)',
    );
    expect(refusal(Buffer.from('{"a":1,"a":2}')).message).toBe(
      'The member name "a" stands twice in one object, at /a (byte 7)',
    );
    expect(refusal('[1.0]', 'stored').message).toBe('The number 1.0 should stand as 1, at /0 (character 1)');
    expect(refusal('{"a":1').message).toBe('Expected "," or "}", found the end (character 6)');
  });

  test('without letting a name break a line or fill a log', () => {
    const name = 'x\n' + 'y'.repeat(100_000);
    const { message, pointer } = refusal(JSON.stringify({ [name]: 0 }).replace('0', '01'));
    expect(message).not.toContain('\n');
    expect(message.length).toBeLessThan(400);
    expect(pointer).toBe('/' + name);
  });

  test.each([
    ['ff', 0],
    ['22ff22', 1],
    ['22c3a9efbfbdefbfbdc322', 9],
    ['22efbf', 1],
    ['22efbfbdeda08022', 4],
  ])('the first byte that is not UTF-8: %s', (hex, offset) => {
    expect(refusal(Buffer.from(hex, 'hex'))).toMatchObject({ rule: 'utf-8', pointer: '', offset });
  });
});

describe('a string as input', () => {
  test.each([
    ['"\ud800"', ''],
    ['{"\udc00":1}', ''],
    ['{"a":["ok","\ud83d\\ude00"]}', '/a/1'],
    ['{"a":"\\ud83d\ude00"}', '/a'],
  ])('is searched for raw halves of a pair: %j', (text, pointer) => {
    expect(refusal(text)).toMatchObject({ rule: 'lone-surrogate', pointer });
  });

  test('may hold raw pairs', () => {
    expect(readJson('{"😀":"\\ud83d\\ude00😀"}')).toEqual({ '😀': '😀😀' });
  });

  test('may begin with no byte order mark', () => {
    expect(refusal('\ufeff{}').message).toBe('A byte order mark is refused (character 0)');
  });
});

describe('objects', () => {
  test('are plain, also with names that every object has', () => {
    const value = readJson('{"toString":1,"constructor":2,"hasOwnProperty":3,"valueOf":4,"__defineGetter__":5}');
    expect(Object.keys(value as object)).toEqual([
      'toString',
      'constructor',
      'hasOwnProperty',
      'valueOf',
      '__defineGetter__',
    ]);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  test('never touch the prototype', () => {
    expect(refusal('{"a":{"\\u005f_proto__":{"polluted":true}}}').rule).toBe('forbidden-name');
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

describe('maxDepth', () => {
  test.each([0, -1, 1.5, NaN, MAX_DEPTH + 1])('cannot be %d', (maxDepth) => {
    expect(() => readJson('1', { maxDepth })).toThrow(RangeError);
  });

  test('at its most leaves the stack alone', () => {
    const nested = (depth: number) => '[{"a":'.repeat(depth / 2) + '1' + '}]'.repeat(depth / 2);
    expect(outcome(nested(MAX_DEPTH), 'wire', MAX_DEPTH)[0]).toBe('taken');
    expect(outcome(nested(MAX_DEPTH + 2), 'wire', MAX_DEPTH)[0]).toBe('nesting');
    expect(outcome('['.repeat(100_000), 'wire', MAX_DEPTH)[0]).toBe('nesting');
  });
});

// Each takes some milliseconds; a scanner that went over anything twice per member or digit would take minutes.
describe('the worst of 256 KiB is read in a moment', () => {
  const many = (member: (i: number) => string) =>
    '{' + Array.from({ length: 20_000 }, (_, i) => member(i)).join() + '}';
  const cases: [what: string, text: string, outcome: string][] = [
    ['20,000 members', many((i) => `"name${i}":${i}`), 'taken'],
    ['20,000 members with numbers for names', many((i) => `"${i * 1021}":1`), 'taken'],
    ['20,000 members, the last twice', many((i) => `"name${Math.min(i, 19_998)}":1`), 'duplicate-name'],
    ['40,000 escapes', '"' + '\\u0041'.repeat(40_000) + '"', 'taken'],
    ['20,000 escaped pairs', '"' + '\\ud83d\\ude00'.repeat(20_000) + '"', 'taken'],
    ['130,000 short escapes', '"' + '\\n'.repeat(130_000) + '"', 'taken'],
    ['100,000 digits', '9'.repeat(100_000), 'number-range'],
    ['100,000 decimals', '0.' + '3'.repeat(100_000), 'number-precision'],
    ['100,000 zeros between two digits', '0.1' + '0'.repeat(100_000) + '1', 'number-precision'],
    ['100,000 zeros behind one', '0.1' + '0'.repeat(100_000), 'taken'],
    ['100,000 zeros undone by the exponent', '0.' + '0'.repeat(99_999) + '1e100000', 'taken'],
    ['an exponent of 100,000 digits', '1e' + '9'.repeat(100_000), 'number-range'],
    ['a zero with such an exponent', '0e' + '9'.repeat(100_000), 'taken'],
    ['36,000 numbers with exponents', '[' + '0.1e-1,'.repeat(36_000) + '1]', 'taken'],
    ['260,000 blanks', ' '.repeat(260_000) + '1', 'taken'],
    ['a string without an end', '"' + 'x'.repeat(260_000), 'syntax'],
  ];
  test.each(cases)('%s', (_what, text, wanted) => {
    const cost = cpuMsOf(() => {
      const [rule, value] = outcome(Buffer.from(text), 'wire');
      if (rule === 'taken') canonicalize(value!);
      expect(rule).toBe(wanted);
    });
    expect(cost).toBeLessThan(2_000);
  });
});

describe('random', () => {
  const random = mulberry32(20260602);
  const below = (n: number) => Math.floor(random() * n);
  const pick = <T>(values: readonly T[]): T => values[below(values.length)]!;

  const bits = new DataView(new ArrayBuffer(8));
  function randomDouble(): number {
    for (;;) {
      bits.setUint32(0, below(2 ** 32));
      bits.setUint32(4, below(2 ** 32));
      const value = bits.getFloat64(0);
      if (Number.isFinite(value) && !Object.is(value, -0)) return value;
    }
  }
  const randomDecimal = () =>
    (random() < 0.5 ? '-' : '') + below(1_000_000) + '.' + String(below(10_000)).padStart(4, '0');
  const characters = [
    ...'aAbB019 /~"\\\b\t\n\f\r\u0001\u001f\u007f\u0080é€ﬀ\u2028\ue000\uffff\u{10000}😀\u{10ffff}',
    'e\u0301',
  ];
  const randomString = () => Array.from({ length: below(8) }, () => pick(characters)).join('');
  const names = ['a', 'b', 'toString', 'constructor', 'hasOwnProperty', '1', '10', '2', '', '-1', 'length'];

  function randomValue(depth: number): JsonValue {
    switch (below(depth > 4 ? 5 : 8)) {
      case 0:
        return pick([null, true, false]);
      case 1:
        return pick([0, 1, -1, 0.1, 585.33, 1e21, 1e-7, 2 ** 53, 100]);
      case 2:
        return randomDouble();
      case 3:
        return Number(randomDecimal()) + 0; // never -0
      case 4:
        return randomString();
      case 5:
        return Array.from({ length: below(5) }, () => randomValue(depth + 1));
      default: {
        const object: Record<string, JsonValue> = {};
        for (let i = below(6); i > 0; i--)
          object[random() < 0.5 ? pick(names) : randomString()] = randomValue(depth + 1);
        return object;
      }
    }
  }

  test('values come back from their canonical form, which is a fixed point', () => {
    for (let i = 0; i < 3_000; i++) {
      const value = randomValue(0);
      const text = canonicalize(value);
      const read = readJson(Buffer.from(text));
      expect(read).toEqual(value);
      expect(canonicalize(read)).toBe(text);
      expect(JSON.parse(text)).toEqual(value);
    }
  });

  test('values come back from what JSON.stringify prints of them, and as JSON.parse reads it', () => {
    for (let i = 0; i < 3_000; i++) {
      const value = randomValue(0);
      const text = JSON.stringify(value, null, pick([0, 1, '\t', '\r\n ']));
      expect(readJson(text)).toEqual(JSON.parse(text));
    }
  });

  test('doubles come back in both forms', () => {
    for (let i = 0; i < 20_000; i++) {
      const value = randomDouble();
      const plain = plainDecimal(value);
      if (readJson(String(value)) !== value || readJson(plain) !== value) throw new Error(`wire: ${value}`);
      if (readJson(plain, { form: 'stored' }) !== value) throw new Error(`stored: ${plain}`);
      if (String(value).includes('e') && outcome(String(value), 'stored')[0] !== 'number-not-canonical') {
        throw new Error(`stored: ${value}`);
      }
    }
  });

  // The short way for a number of at most 15 digits, against an arithmetic that is exact.
  test('decimals are taken if and only if their double has their value', () => {
    let taken = 0;
    for (let i = 0; i < 20_000; i++) {
      const whole = String(below(10 ** below(10)));
      const decimals = Array.from({ length: below(12) }, () => pick('0123456789'.split(''))).join('');
      const exponent = random() < 0.3 ? `e${below(40) - 20}` : '';
      const text = (random() < 0.3 ? '-' : '') + whole + (decimals && '.' + decimals) + exponent;
      const exact = sameValue(text, String(Number(text)));
      const [rule, value] = outcome(text, 'wire');
      if (rule !== (exact ? 'taken' : 'number-precision')) throw new Error(`${text}: ${rule}`);
      if (exact && !Object.is(value, Number(text))) throw new Error(`${text} became ${canonicalize(value!)}`);
      const stored = exact && text === plainDecimal(Number(text));
      if ((outcome(text, 'stored')[0] === 'taken') !== stored) throw new Error(`stored: ${text}`);
      if (exact) taken++;
    }
    expect(taken).toBeGreaterThan(10_000);
  });

  test('damage is refused or read as JSON.parse reads it, and nothing else is ever thrown', () => {
    const splinters = [
      '"',
      '\\',
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '0',
      '-',
      '.',
      'e',
      '\\u',
      '\\ud800',
      '\0',
      '\ud800',
      'null',
      ' ',
    ];
    let refused = 0;
    for (let i = 0; i < 10_000; i++) {
      const text = JSON.stringify(randomValue(0));
      const at = below(text.length + 1);
      const damaged = text.slice(0, at) + (random() < 0.7 ? pick(splinters) : '') + text.slice(at + below(3));
      for (const input of [damaged, Buffer.from(damaged, pick(['utf8', 'latin1', 'utf16le'] as const))]) {
        const [rule, value] = outcome(input, 'wire');
        if (rule !== 'taken') refused++;
        else expect(value).toEqual(JSON.parse(input.toString()));
      }
    }
    expect(refused).toBeGreaterThan(10_000);
  });
});

/** Have two decimals the same value? By whole numbers of any size. */
function sameValue(a: string, b: string): boolean {
  const parts = (text: string): [bigint, number] => {
    const [mantissa = '', exponent = '0'] = text.split('e');
    const [whole = '', decimals = ''] = mantissa.split('.');
    return [BigInt(whole + decimals), Number(exponent) - decimals.length];
  };
  const [m, p] = parts(a);
  const [n, q] = parts(b);
  const least = Math.min(p, q);
  return m * 10n ** BigInt(p - least) === n * 10n ** BigInt(q - least);
}

/** Numbers from 0 to below 1, the same at every run. */
function mulberry32(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
