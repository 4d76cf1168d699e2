import type { StoredRow } from '../integrity/stored-event.js';
import { ContentsTally } from './record-contents.js';

const row = (event_type: string, recorded_at: number): StoredRow<number> =>
  ({ entity_type: 'order', event_type, recorded_at }) as StoredRow<number>;

describe('what an object holds by class', () => {
  it('is how many events of each kind, and when the first and last were recorded', () => {
    const tally = new ContentsTally('main');
    for (const [type, at] of [
      ['a', 1],
      ['b', 2],
      ['a', 3_000_000],
    ] as const)
      tally.take(row(type, at));
    expect(tally.list()).toEqual([
      {
        ledger: 'main',
        entity_type: 'order',
        event_type: 'a',
        events: '2',
        least_recorded_at: '1970-01-01T00:00:00.000001Z',
        greatest_recorded_at: '1970-01-01T00:00:03.000000Z',
      },
      {
        ledger: 'main',
        entity_type: 'order',
        event_type: 'b',
        events: '1',
        least_recorded_at: '1970-01-01T00:00:00.000002Z',
        greatest_recorded_at: '1970-01-01T00:00:00.000002Z',
      },
    ]);
  });

  it('is one number once there are too many kinds', () => {
    const tally = new ContentsTally('main');
    for (let i = 1; i <= 2_500; i++) tally.take(row(`type-${i}`, i));
    expect(tally.list()).toEqual([
      {
        ledger: 'main',
        entity_type: null,
        event_type: null,
        events: '2500',
        least_recorded_at: '1970-01-01T00:00:00.000001Z',
        greatest_recorded_at: '1970-01-01T00:00:00.002500Z',
      },
    ]);
  });
});
