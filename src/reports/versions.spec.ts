import { correctionsInForce } from '../events/corrections.js';
import { versionsOf } from './versions.js';

const event = (id: string, corrects: string | null = null) => ({ event_id: id, corrects });

describe('the versions of an event', () => {
  it.each([
    ['nothing corrects', [], ['e']],
    ['is corrected, and its correction again', [event('a', 'e'), event('b', 'a')], ['e', 'a', 'b']],
    ['is corrected twice', [event('a', 'e'), event('b', 'e')], ['e', 'a', 'b']],
    [
      'has a correction that is corrected too late',
      [event('a', 'e'), event('b', 'e'), event('c', 'a')],
      ['e', 'a', 'b'],
    ],
  ])('that %s', (_, corrections, ids) => {
    expect(versionsOf(event('e'), corrections).map(({ event_id: id }) => id)).toEqual(ids);
  });

  it('are what is in force after each correction, whatever corrects what', () => {
    let seed = 7;
    const below = (bound: number): number => (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0) % bound;
    for (let round = 0; round < 300; round++) {
      const ids = ['e'];
      const corrections = Array.from({ length: 1 + below(6) }, (_, i) => {
        const correction = event(`c${i}`, ids[below(ids.length)]);
        ids.push(correction.event_id);
        return correction;
      });
      const expected = ['e'];
      for (let upTo = 1; upTo <= corrections.length; upTo++) {
        const known = corrections.slice(0, upTo).map((each, i) => ({ ...each, sequence: String(i + 2) }));
        const held = correctionsInForce(known)({ event_id: 'e', sequence: '1' })!;
        if (held !== expected.at(-1)) expected.push(held);
      }
      expect(versionsOf(event('e'), corrections).map(({ event_id: id }) => id)).toEqual(expected);
    }
  });
});
