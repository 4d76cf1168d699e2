import { sequencesRecorded, type FindEvent } from './recorded-range.js';

/** A ledger whose events have these times; undefined where one is missing. */
function ledger(times: readonly (number | undefined)[]): FindEvent {
  return (from) => {
    for (let i = Number(from) - 1; i < times.length; i++) {
      const recordedAt = times[i];
      if (recordedAt !== undefined) return Promise.resolve({ sequence: BigInt(i + 1), recordedAt });
    }
    return Promise.resolve(undefined);
  };
}

async function range(
  from: number | null,
  to: number | null,
  times: readonly (number | undefined)[],
): Promise<[number, number]> {
  const found = await sequencesRecorded(from, to, BigInt(times.length), ledger(times));
  return [Number(found.from), Number(found.to)];
}

describe('the events of a range of recorded time', () => {
  const TIMES = [10, 20, 20, 30, 40, 50];

  it('are those within it and one on each side', async () => {
    expect(await range(20, 40, TIMES)).toEqual([1, 5]);
    expect(await range(30, 31, TIMES)).toEqual([3, 5]);
    expect(await range(21, 29, TIMES)).toEqual([3, 4]); // none, between these two
    expect(await range(null, 20, TIMES)).toEqual([1, 2]);
    expect(await range(40, null, TIMES)).toEqual([4, 6]);
    expect(await range(0, 5, TIMES)).toEqual([1, 1]);
    expect(await range(60, 70, TIMES)).toEqual([6, 6]);
    expect(await range(null, null, TIMES)).toEqual([1, 6]);
  });

  it('are none in an empty ledger', async () => {
    expect(await range(1, 2, [])).toEqual([1, 0]);
  });

  it('include what was taken away at an end', async () => {
    expect(await range(20, 40, [10, undefined, undefined, 30, undefined, 50])).toEqual([1, 6]);
    expect(await range(30, 40, [10, 20, undefined, undefined, 40, 50])).toEqual([2, 5]);
  });

  it('include every event of the range, or the one whose changed time hides some', async () => {
    for (let changed = 1; changed <= TIMES.length; changed++) {
      for (const time of [0, 1_000, NaN]) {
        const times = TIMES.with(changed - 1, time);
        const [from, to] = await range(20, 40, times);
        const isWhole = from <= 2 && to >= 4;
        const showsIt = from <= changed && changed <= to;
        expect([changed, time, isWhole || showsIt]).toEqual([changed, time, true]);
      }
    }
  });
});
