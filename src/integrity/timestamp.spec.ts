import { readFileSync } from 'node:fs';
import { formatMicros, formatTimestamp, parseTimestamp, TimestampError } from './timestamp.js';

const vectors = JSON.parse(readFileSync(new URL('../../test/vectors/timestamps.json', import.meta.url), 'utf8')) as {
  accepted: { text: string; micros: string; nanos: number; digits: number; canonical: string }[];
  refused: { text: string; rule: string }[];
};

function refusal(call: () => unknown): TimestampError {
  try {
    call();
  } catch (error) {
    if (error instanceof TimestampError) return error;
    throw error;
  }
  throw new Error('it was taken');
}

describe('the vectors', () => {
  test.each(vectors.accepted)('$text', ({ text, micros, nanos, digits, canonical }) => {
    expect(parseTimestamp(text)).toEqual({ micros: Number(micros), nanos, digits, canonical });
    expect(formatTimestamp(Number(micros), nanos, digits)).toBe(canonical);
    expect(parseTimestamp(canonical)).toEqual({ micros: Number(micros), nanos, digits, canonical });
  });

  test.each(vectors.refused)('$text is refused', ({ text, rule }) => {
    expect(refusal(() => parseTimestamp(text)).rule).toBe(rule);
  });
});

describe('a refusal says what is wrong', () => {
  test.each([
    ['2026-02-30T00:00:00Z', 'must be a real date; there is no 2026-02-30'],
    ['2026-06-02T24:00:00Z', 'must have a time from 00:00:00 to 23:59:59; there is no 24:00:00'],
    ['2026-06-02T08:15:30-00:00', 'must not have the offset -00:00; UTC is Z or +00:00'],
    ['2026-06-02T08:15:30+14:01', 'must have an offset from -14:00 to +14:00'],
    ['2026-06-02T08:15:30.1234567890Z', 'must have at most nine fractional digits'],
    ['1969-12-31T23:59:59Z', 'must be from 1970-01-01T00:00:00Z to 2199-12-31T23:59:59.999999999Z'],
    ['yesterday', 'must be YYYY-MM-DDThh:mm:ss, then up to nine decimals, then Z or an offset ±hh:mm'],
  ])('%s', (text, message) => {
    expect(refusal(() => parseTimestamp(text)).message).toBe(message);
  });

  test('and of a leap second what to do', () => {
    const { rule, message } = refusal(() => parseTimestamp('2016-12-31T23:59:60Z'));
    expect(rule).toBe('leap-second');
    expect(message).toMatch(/leap second/);
  });
});

describe('every day from 1970 to 2199', () => {
  test('is where Date has it', () => {
    for (let day = 0; day < 84_006; day++) {
      const text = new Date(day * 86_400_000).toISOString().slice(0, 10);
      const { micros } = parseTimestamp(text + 'T12:34:56Z');
      if (micros !== (day * 86_400 + 45_296) * 1_000_000) throw new Error(text);
      if (formatTimestamp(micros, 0, 0) !== text + 'T12:34:56Z') throw new Error(text);
    }
  });

  test('every offset by the quarter of an hour', () => {
    for (let minutes = -840; minutes <= 840; minutes += 15) {
      const clock = `${String(Math.floor(Math.abs(minutes) / 60)).padStart(2, '0')}:${String(Math.abs(minutes) % 60).padStart(2, '0')}`;
      const text = `2024-02-29T12:00:00.5${minutes < 0 ? '-' : '+'}${clock}`;
      expect(parseTimestamp(text).micros).toBe(Date.parse(text) * 1000);
    }
  });
});

describe('formatTimestamp', () => {
  test.each([
    ['micros finer than the digits', 1_100_001, 0, 1],
    ['micros finer than no digits', 1_000_001, 0, 0],
    ['micros finer than five digits', 11, 0, 5],
    ['nanos with six digits', 0, 1, 6],
    ['nanos finer than seven digits', 0, 110, 7],
    ['nanos finer than eight digits', 0, 111, 8],
    ['a negative micros', -1, 0, 6],
    ['the year 2200', 7_258_118_400_000_000, 0, 0],
    ['half a microsecond', 0.5, 0, 9],
    ['no number', NaN, 0, 0],
    ['1,000 nanos', 0, 1000, 9],
    ['negative nanos', 0, -1, 9],
    ['ten digits', 0, 0, 10],
    ['minus one digits', 0, 0, -1],
  ])('refuses what no text gives: %s', (_what, micros, nanos, digits) => {
    expect(refusal(() => formatTimestamp(micros, nanos, digits)).rule).toBe('timestamp');
  });
});

describe('formatMicros', () => {
  test.each([
    [0, '1970-01-01T00:00:00.000000Z'],
    [1, '1970-01-01T00:00:00.000001Z'],
    [1_780_388_130_123_456, '2026-06-02T08:15:30.123456Z'],
    [1_780_388_130_000_000, '2026-06-02T08:15:30.000000Z'],
    [7_258_118_399_999_999, '2199-12-31T23:59:59.999999Z'],
  ])('%d', (micros, text) => {
    expect(formatMicros(micros)).toBe(text);
    expect(parseTimestamp(text)).toMatchObject({ micros, nanos: 0, digits: 6 });
  });

  test('refuses times that are none', () => {
    expect(() => formatMicros(-1)).toThrow(TimestampError);
    expect(() => formatMicros(2 ** 53)).toThrow(TimestampError);
  });
});
