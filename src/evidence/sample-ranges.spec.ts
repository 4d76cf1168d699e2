import { sampleRanges, type SampleRange } from './sample-ranges.js';

const shown = (ranges: readonly SampleRange[]): string[] => ranges.map(({ of, from, to }) => `${of} ${from}–${to}`);
const drawing =
  (...numbers: bigint[]) =>
  (below: bigint): bigint => {
    const next = numbers.shift();
    if (next === undefined || next >= below) throw new Error(`${next} is not below ${below}`);
    return next;
  };

describe('samples of a ledger', () => {
  it('are one where that is all there is, and none of nothing', () => {
    expect(sampleRanges({ size: 0n, archivedTo: 0n, deleted: [] }, 10n, drawing())).toEqual([]);
    expect(shown(sampleRanges({ size: 10n, archivedTo: 4n, deleted: [] }, 10n, drawing()))).toEqual(['recent 1–10']);
    const allGone = { size: 10n, archivedTo: 10n, deleted: [{ from: 1n, to: 10n }] };
    expect(sampleRanges(allGone, 10n, drawing())).toEqual([]);
  });

  it('are the last events, some from anywhere, and some of what has left the database', () => {
    const extent = { size: 100n, archivedTo: 0n, deleted: [] };
    expect(shown(sampleRanges(extent, 10n, drawing(49n)))).toEqual(['recent 91–100', 'random 45–54']);
    expect(shown(sampleRanges(extent, 10n, drawing(0n)))).toEqual(['recent 91–100', 'random 1–10']);
    expect(shown(sampleRanges(extent, 10n, drawing(99n)))).toEqual(['recent 91–100', 'random 91–100']);
    expect(shown(sampleRanges({ ...extent, archivedTo: 30n }, 10n, drawing(49n, 29n)))).toEqual([
      'recent 91–100',
      'random 45–54',
      'archived 21–30',
    ]);
  });

  it('touch nothing that was deleted', () => {
    const deleted = [
      { from: 1n, to: 20n },
      { from: 41n, to: 95n },
    ];
    const extent = { size: 100n, archivedTo: 97n, deleted };
    for (let drawn = 0n; drawn < 25n; drawn++) {
      for (const { of, from, to } of sampleRanges(extent, 10n, drawing(drawn, drawn % 22n))) {
        const isWithin = (from >= 21n && to <= 40n) || (from >= 96n && to <= (of === 'archived' ? 97n : 100n));
        expect([drawn, of, from, to, isWithin && from <= to && to - from < 10n]).toEqual([drawn, of, from, to, true]);
      }
    }
    expect(shown(sampleRanges({ ...extent, size: 60n }, 50n, drawing(3n, 3n)))[0]).toBe('recent 21–40');
  });

  it('leave no event out for good', () => {
    const met = new Set<bigint>();
    for (let drawn = 0n; drawn < 37n; drawn++) {
      const [, random] = sampleRanges({ size: 37n, archivedTo: 0n, deleted: [] }, 7n, drawing(drawn));
      for (let sequence = random!.from; sequence <= random!.to; sequence++) met.add(sequence);
    }
    expect(met.size).toBe(37);
  });
});
