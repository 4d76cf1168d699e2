import { canonicalize, type JsonValue } from './canonical-json.js';
import { canonicalLine, readCanonicalLine } from './evidence-lines.js';
import { readJson } from './strict-json.js';

const nested = (depth: number): string => '{"a":'.repeat(depth) + '1' + '}'.repeat(depth);

describe('readCanonicalLine', () => {
  test('reads what is canonical as readJson does, with the content beside it', () => {
    for (const text of [
      '{}',
      '{"action":"fill","event_hash":"00","metadata":{"a":[1,2.5,"é😀"]},"salt":"x"}',
      '{"1":1e+21,"10":-0.5,"2":null,"z":"\\"\\\\\\n\\u001f{[{["}',
      nested(32),
    ]) {
      const read = readCanonicalLine(Buffer.from(text))!;
      expect(read.line).toEqual(readJson(text));
      expect(canonicalize(read.line)).toBe(text);
      expect(read.contentText).toBe(canonicalLine(read.line).contentText);
    }
    const { contentText } = readCanonicalLine(Buffer.from('{"action":"fill","event_hash":"00","metadata":{}}'))!;
    expect(contentText).toBe('{"action":"fill","metadata":{}}');
  });

  test('leaves to readJson whatever is not canonical, or what readJson refuses', () => {
    for (const text of [
      ...['', '[]', '1', 'null', '{', '{"a":1}x', '\ufeff{}', ' {}', '{"a": 1}', '{"b":1,"a":1}', '{"a":1,"a":1}'],
      ...['{"a":1.0}', '{"a":-0}', '{"a":1e400}', '{"a":1e-400}', '{"a":12345678901234567890}', '{"a":"\\u0041"}'],
      ...[
        '{"__proto__":1}',
        '{"a":{"__proto__":1}}',
        '{"a":"\\u0000"}',
        '{"a":"\\ud800"}',
        nested(33),
        nested(100_000),
      ],
    ]) {
      expect([text.slice(0, 40), readCanonicalLine(Buffer.from(text))]).toEqual([text.slice(0, 40), undefined]);
    }
    expect(readCanonicalLine(Buffer.from('{"a":"\xff"}', 'latin1'))).toBeUndefined();
  });

  test('reads nothing that readJson refuses', () => {
    const values: JsonValue[] = [1, '"', { a: [] }, [null, true], '\u2028', 5e-324, 1e23, 0.1, 123456789.125];
    for (const value of values) {
      const text = canonicalize({ value });
      expect(readCanonicalLine(Buffer.from(text))!.line).toEqual(readJson(text));
    }
  });
});
