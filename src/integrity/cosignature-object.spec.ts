import { hash } from 'node:crypto';
import {
  cosignatureObjectBytes,
  cosignatureObjectKey,
  parseCosignatureObject,
  type StoredCosignature,
} from './cosignature-object.js';

const one: StoredCosignature = {
  anchor: 7n,
  origin: 'audit.example.com/truetrail/main',
  witnessKey: 'north.example/w1+44295065+BCmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X',
  line: '— north.example/w1 KnZM6wAAAABo\n',
};
const earlier: StoredCosignature = { ...one, anchor: 3n };
const other: StoredCosignature = { ...one, origin: 'audit.example.com/truetrail/desk-1' };

describe('objects of cosignatures', () => {
  it('are the same bytes in whatever order their cosignatures come, and are read back', () => {
    const bytes = cosignatureObjectBytes([one, earlier, other]);
    expect(cosignatureObjectBytes([other, one, earlier]).equals(bytes)).toBe(true);
    expect(parseCosignatureObject(bytes)).toEqual([earlier, other, one]);
    expect(cosignatureObjectKey([earlier, one], bytes)).toBe(
      `cosignatures/000000000007-${hash('sha256', bytes).slice(0, 16)}.json`,
    );
  });

  it.each([
    ['no JSON', '{', 'it is no JSON'],
    ['another format', '{"cosignatures":[],"format":"x"}', 'its format is not'],
    ['none', '{"cosignatures":[],"format":"truetrail-cosignatures/1"}', 'it has none'],
    ['a member too many', '{"cosignatures":[],"format":"truetrail-cosignatures/1","x":1}', 'an object of 2 members'],
    [
      'a number',
      '{"cosignatures":[{"anchor":7,"line":"","origin":"","witness_key":""}],"format":"truetrail-cosignatures/1"}',
      'no decimal number',
    ],
    ['blanks', ` ${cosignatureObjectBytes([one]).toString()}`, 'not in canonical form'],
  ])('are not %s', (_, text, message) => {
    expect(() => parseCosignatureObject(Buffer.from(text))).toThrow(message);
  });

  it('are refused out of their order', () => {
    const [first, second] = [one, earlier].map((each) => JSON.parse(cosignatureObjectBytes([each]).toString()));
    first.cosignatures.push(...second.cosignatures);
    expect(() => parseCosignatureObject(Buffer.from(JSON.stringify(first)))).toThrow('not in canonical form');
  });
});
