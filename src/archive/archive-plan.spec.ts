import { earlyRetention, planObject, type OpenLedger } from './archive-plan.js';

const open = (ledger: string, archived: bigint, size: bigint): OpenLedger => ({
  ledger,
  origin: `o/${ledger}`,
  size,
  archived,
  archivedHash: null,
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
