import { createHash } from 'node:crypto';
import { CursorError, decodeCursor, encodeCursor, type Cursor } from './cursor.js';

const CURSOR: Cursor = {
  kind: 'search',
  ledger: 'main',
  query: { entity_type: 'order', 'metadata.client_id': 'é "x"', order: 'asc', sort: 'sequence' },
  as_of: '9223372036854775807',
  after: { recorded_at: '2026-06-02T08:15:30.123456Z', sequence: '17' },
};

/** A cursor of any text, with the digest that makes it look given out. */
function forged(text: string): string {
  const digest = createHash('sha256').update(text).digest().subarray(0, 8);
  return Buffer.concat([digest, Buffer.from(text)]).toString('base64url');
}

describe('a cursor', () => {
  it('comes back as it was, from text that a URL can hold as it stands', () => {
    const text = encodeCursor(CURSOR);
    expect(text).toMatch(/^[\w-]+$/);
    expect(decodeCursor(text)).toEqual(CURSOR);
  });

  it('is read by later builds: the form is fixed', () => {
    const text =
      '{"after":{"recorded_at":"2026-06-02T08:15:30.123456Z","sequence":"17"},"as_of":"20","kind":"search","ledger":"main","query":{"order":"asc","sort":"sequence"},"v":1}';
    expect(decodeCursor(forged(text))).toEqual({
      kind: 'search',
      ledger: 'main',
      query: { order: 'asc', sort: 'sequence' },
      as_of: '20',
      after: { recorded_at: '2026-06-02T08:15:30.123456Z', sequence: '17' },
    });
    expect(encodeCursor(decodeCursor(forged(text)))).toBe(forged(text));
  });

  it('is refused with any one character changed, left out or added', () => {
    const text = encodeCursor(CURSOR);
    for (let i = 0; i < text.length; i++) {
      const other = text[i] === 'A' ? 'B' : 'A';
      for (const bad of [text.slice(0, i) + other + text.slice(i + 1), text.slice(0, i) + text.slice(i + 1)]) {
        expect(() => decodeCursor(bad)).toThrow(CursorError);
      }
    }
    for (const bad of ['', 'x', `${text}A`, `${text}=`, ` ${text}`, text.slice(0, -4), '!!!!']) {
      expect(() => decodeCursor(bad)).toThrow(CursorError);
    }
  });

  it('is refused in a form that encodeCursor does not make', () => {
    const good = { after: {}, as_of: '1', kind: 'search', ledger: 'main', query: {}, v: 1 };
    expect(() => decodeCursor(forged(JSON.stringify(good)))).not.toThrow();
    for (const bad of [
      'not JSON',
      '[]',
      'null',
      JSON.stringify(good, null, 1),
      JSON.stringify({ ...good, kind: 'other' }),
      JSON.stringify({ ...good, as_of: 1 }),
      JSON.stringify({ ...good, after: { sequence: 1 } }),
      JSON.stringify({ ...good, query: [] }),
      JSON.stringify({ ...good, query: null }),
      JSON.stringify({ ...good, extra: 'x' }),
      '{"after":{},"as_of":"1","kind":"search","ledger":"main","v":1}',
    ]) {
      expect(() => decodeCursor(forged(bad))).toThrow('exactly as it was given out');
    }
    expect(() => decodeCursor(forged(JSON.stringify({ ...good, v: 2 })))).toThrow('another version');
  });
});
