import { ReadRanges } from './read-ranges.js';

const DAY = {
  from: { time: '2026-06-02T00:00:00.000000Z', nanos: 0 },
  to: { time: '2026-06-03T00:00:00.000000Z', nanos: 1 },
};

describe('ranges that were read', () => {
  it('count the events of each range, in the order in which they were asked for', () => {
    const read = new ReadRanges();
    const asked = { ledger: 'main', of: 'event_type order_lifecycle', asOf: 9n, period: DAY };
    read.scan(asked).add(['7', '3']);
    read.lookUp({ ...asked, of: 'corrections', period: undefined });
    read.scan(asked).add(['5']);
    read.lookUp(asked);
    const range = { ledger: 'main', from_sequence: '1', to_sequence: '9' };
    expect(read.ranges()).toEqual([
      {
        ...{ ...range, of: 'event_type order_lifecycle' },
        ...{ from: '2026-06-02T00:00:00.000000000Z', to: '2026-06-03T00:00:00.000000001Z' },
        ...{ events: '3', first_sequence: '3', last_sequence: '7' },
      },
      { ...range, of: 'corrections', from: null, to: null, events: null, first_sequence: null, last_sequence: null },
    ]);
  });

  it('of an empty ledger, and up to the end of time, have no ends', () => {
    const read = new ReadRanges();
    const period = { ...DAY, to: { time: 'infinity', nanos: 0 } };
    read.scan({ ledger: 'main', of: 'all events', asOf: 0n, period });
    expect(read.ranges()).toMatchObject([
      { from_sequence: '0', to_sequence: '0', to: null, events: '0', first_sequence: null, last_sequence: null },
    ]);
  });
});
