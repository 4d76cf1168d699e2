import { NO_VERSIONS } from './correction-story.js';
import { ExecutionMatching, type ToldExecution } from './execution-matching.js';
import { cpuMsOf } from '../../test/support/cpu-time.js';

function told(side: 0 | 1, number: number, nanos: bigint, more: Partial<ToldExecution> = {}): ToldExecution {
  return {
    ...{ side, isListed: true, orderNames: ['O-1'], executionId: null, transactionId: null, instrument: null },
    ...{ isin: null, orderSide: null, venue: null, currency: null, quantity: '1', price: '5', time: '', nanos },
    isTimeOfCopy: false,
    versions: NO_VERSIONS,
    ...{ orderId: 'O-1', eventId: `${side}-${number}`, sequence: String(number), ...more },
  };
}

function matched(all: readonly ToldExecution[], tolerance: bigint): string[] {
  const matching = new ExecutionMatching();
  for (const each of all) matching.add(each);
  return [...matching.matchByTerms(tolerance)].flat().map(({ pair: [a, b] }) => `${a.eventId} ${b.eventId}`);
}

/** The most pairs that there can be without a crossing, and how far apart they are at least: all ways are tried. */
function bestOf(ours: readonly ToldExecution[], theirs: readonly ToldExecution[], tolerance: bigint): [number, bigint] {
  const [a, ...rest] = ours;
  if (!a) return [0, 0n];
  let best = bestOf(rest, theirs, tolerance);
  for (const [j, b] of theirs.entries()) {
    const apart = a.nanos > b.nanos ? a.nanos - b.nanos : b.nanos - a.nanos;
    if (apart > tolerance || !a.orderNames.some((name) => b.orderNames.includes(name))) continue;
    const [pairs, all] = bestOf(rest, theirs.slice(j + 1), tolerance);
    if (pairs + 1 > best[0] || (pairs + 1 === best[0] && all + apart < best[1])) best = [pairs + 1, all + apart];
  }
  return best;
}

let seed = 5;
const random = (below: number): number => {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((seed / 2 ** 32) * below);
};

describe('executions without ids', () => {
  it('are matched in the order of time, as many as can be and as near as can be', () => {
    for (let round = 0; round < 400; round++) {
      const all = Array.from({ length: 12 }, (_, i) =>
        told(random(2) as 0 | 1, i, BigInt(random(30)), { orderNames: random(3) ? ['V-1'] : ['V-2', 'V-1'] }),
      ).sort((x, y) => Number(x.nanos - y.nanos) || Number(x.sequence) - Number(y.sequence));
      const tolerance = BigInt(random(9));
      const matching = new ExecutionMatching();
      for (const each of all) matching.add(each);
      const pairs = [...matching.matchByTerms(tolerance)].flat().map(({ pair }) => pair);
      const apart = pairs.reduce(
        (sum, [a, b]) => sum + (a.nanos > b.nanos ? a.nanos - b.nanos : b.nanos - a.nanos),
        0n,
      );
      const [ours, theirs] = [0, 1].map((wanted) => all.filter(({ side }) => side === wanted));
      expect([pairs.length, apart]).toEqual(bestOf(ours!, theirs!, tolerance));
    }
  });

  it('are not matched with the copy of another one, however wide the tolerance', () => {
    const second = 1_000_000_000n;
    // the first has no copy
    expect(matched([told(0, 1, 0n), told(0, 2, 9n), told(1, 3, 10n)], second)).toEqual(['0-2 1-3']);
    // all copies come as late as the next execution
    const late = [0n, 10n, 20n].flatMap((nanos, i) => [told(0, i, nanos), told(1, i, nanos + 9n)]);
    expect(matched(late, second)).toEqual(['0-0 1-0', '0-1 1-1', '0-2 1-2']);
  });

  it('are matched first with first where there are too many that are alike', () => {
    const all = Array.from({ length: 2_100 }, (_, i) => [
      told(0, i, BigInt(i) * 10n),
      told(1, i, BigInt(i) * 10n + 4n),
    ]);
    expect(matched(all.flat(), 5n)).toEqual(all.map((_, i) => `0-${i} 1-${i}`));
  });

  it('are matched in a short time, and many groups of them one by one', () => {
    const groups = ['O-1', 'O-2', 'O-3'];
    const matching = new ExecutionMatching();
    for (const name of groups) {
      for (let i = 0; i < 990; i++) {
        for (const side of [0, 1] as const) matching.add(told(side, i, BigInt(2 * i + side), { orderNames: [name] }));
      }
    }
    const cost = cpuMsOf(() => {
      const parts = [...matching.matchByTerms(1_000_000n)];
      expect(parts.map((part) => part.length)).toEqual([990, 990, 990]);
    });
    expect(cost).toBeLessThan(3_000);
  });

  it('are not gone through for each other, however many are alike and far apart', () => {
    const hour = 3_600_000_000_000n; // a source that is in another time zone
    const all = Array.from({ length: 20_000 }, (_, i) => [
      told(0, i, BigInt(i) * 1_000_000n),
      told(1, i, BigInt(i) * 1_000_000n + hour),
    ]).flat();
    expect(cpuMsOf(() => expect(matched(all, 1_000_000_000n)).toEqual([]))).toBeLessThan(5_000);
  });
});

describe('executions of one id', () => {
  const of = (side: 0 | 1, number: number, nanos: bigint, orderName: string, orderSide: string) =>
    told(side, number, nanos, { transactionId: 'TV-1', orderNames: [orderName], orderSide });

  it('are matched with those of the same order, also where both sides of a trade are the own', () => {
    const all = [
      of(0, 1, 1n, 'O-1', 'buy'),
      of(1, 4, 2n, 'O-2', 'sell'),
      of(1, 3, 3n, 'O-1', 'buy'),
      of(0, 2, 4n, 'O-2', 'sell'),
    ];
    const matching = new ExecutionMatching();
    const found = all.flatMap((each) => matching.add(each) ?? []);
    expect(found.map(({ pair: [a, b] }) => `${a.eventId} ${b.eventId}`)).toEqual(['0-1 1-3', '0-2 1-4']);
    expect(matching.size).toBe(0);
  });

  it('are matched in the end with what differs least', () => {
    const all = [
      of(0, 1, 1n, 'O-1', 'buy'),
      of(1, 2, 2n, 'V-2', 'sell'),
      of(1, 3, 3n, 'V-1', 'buy'),
      of(0, 4, 4n, 'O-2', 'sell'),
    ];
    const matching = new ExecutionMatching();
    expect(all.flatMap((each) => matching.add(each) ?? [])).toEqual([]);
    const pairs = [...matching.matchByIds(10n)].flat().map(({ pair: [a, b] }) => `${a.eventId} ${b.eventId}`);
    expect(pairs.sort()).toEqual(['0-1 1-3', '0-4 1-2']);
  });

  it('are gone through in parts, however many have one', () => {
    const all = Array.from({ length: 3_000 }, (_, i) => [
      of(0, i, 0n, 'O-1', 'buy'),
      of(1, i, 0n, 'V-1', 'buy'),
    ]).flat();
    const matching = new ExecutionMatching();
    for (const each of all) matching.add(each);
    const parts = [...matching.matchByIds(0n)];
    expect(parts.flat()).toHaveLength(3_000);
    // nobody else has a turn while one is gone through
    expect(Math.max(...parts.map((part) => part.length))).toBeLessThanOrEqual(100);
  });
});
