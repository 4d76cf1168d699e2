import { earlyRetention, planEntities, planObject, type OpenLedger } from './archive-plan.js';

const open = (ledger: string, archived: bigint, size: bigint): OpenLedger => ({
  ledger,
  origin: `o/${ledger}`,
  size,
  archived,
  archivedHash: null,
});

describe('the plan of an index of entities', () => {
  const time = (hour: number): string => `2026-06-01T${String(hour).padStart(2, '0')}:00:00.000000Z`;
  const held = (number: number, ledger: string, from: number, to: number) => ({
    number: String(number),
    range: {
      ...{ ledger, origin: `o/${ledger}`, from_sequence: String(from), to_sequence: String(to) },
      ...{ least_timestamp: time(20 - number), greatest_timestamp: time(20 - number) },
      ...{ least_recorded_at: time(number), greatest_recorded_at: time(number) },
      ...{ previous_event_hash: from === 1 ? null : `hash ${from - 1}`, last_event_hash: `hash ${to}` },
    },
  });
  const shown = (unlisted: Parameters<typeof planEntities>[0], max: bigint) =>
    planEntities(unlisted, max).map(({ ledger, from_sequence: from, to_sequence: to }) => `${ledger} ${from}-${to}`);
  const month = [held(1, 'b', 1, 10), held(1, 'a', 5, 9), held(2, 'b', 11, 30), held(3, 'b', 31, 40)];

  it('takes whole objects as far as there is room, and one at least', () => {
    expect(shown(month, 1_000n)).toEqual(['a 5-9', 'b 1-40']);
    expect(shown(month, 35n)).toEqual(['a 5-9', 'b 1-30']);
    expect(shown(month, 34n)).toEqual(['a 5-9', 'b 1-10']);
    expect(shown(month, 1n)).toEqual(['a 5-9', 'b 1-10']);
    expect(shown(month.slice(2), 29n)).toEqual(['b 11-30']);
    expect(shown([], 1_000n)).toEqual([]);
  });

  it('says of what it takes of a ledger where it begins and ends, and its times', () => {
    expect(planEntities(month, 1_000n)[1]).toEqual({
      ...{ ledger: 'b', origin: 'o/b', from_sequence: '1', to_sequence: '40' },
      ...{ previous_event_hash: null, last_event_hash: 'hash 40' },
      ...{ least_timestamp: time(17), greatest_timestamp: time(19) },
      ...{ least_recorded_at: time(1), greatest_recorded_at: time(3) },
    });
  });
});

describe('the plan of an object', () => {
  const shown = (ledgers: OpenLedger[], max: bigint) =>
    planObject(ledgers, max).map(({ ledger, from, to }) => `${ledger} ${from}-${to}`);

  it('takes what is open of each ledger, as far as there is room', () => {
    const ledgers = [open('a', 0n, 3n), open('b', 5n, 5n), open('c', 10n, 20n)];
    expect(shown(ledgers, 100n)).toEqual(['a 1-3', 'c 11-20']);
    expect(shown(ledgers, 5n)).toEqual(['a 1-3', 'c 11-12']);
    expect(shown(ledgers, 3n)).toEqual(['a 1-3']);
    expect(shown(ledgers, 2n)).toEqual(['a 1-2']);
    expect(shown([open('a', 3n, 3n)], 2n)).toEqual([]);
  });
});

describe('retention', () => {
  it("of an early object ends 60 days after its month's end, and no sooner than 60 days from now", () => {
    expect(earlyRetention('2026-12-31T23:59:59.999999Z', new Date('2026-12-31T23:59:59Z'))).toEqual(
      new Date('2027-03-02T00:00:00Z'),
    );
    expect(earlyRetention('2026-01-15T00:00:00.000000Z', new Date('2026-11-26T10:00:00.5Z'))).toEqual(
      new Date('2027-01-25T10:00:01Z'),
    );
  });
});
