import { ExecutionMatching, type ToldExecution } from './execution-matching.js';

function told(side: 0 | 1, number: number, nanos: bigint, more: Partial<ToldExecution> = {}): ToldExecution {
  return {
    ...{ side, isListed: true, orderNames: ['O-1'], executionId: null, transactionId: null, instrument: null },
    ...{ isin: null, orderSide: null, venue: null, currency: null, quantity: '1', price: '5', time: '', nanos },
    ...{ orderId: 'O-1', eventId: `${side}-${number}`, sequence: String(number), ...more },
  };
}

function matched(all: readonly ToldExecution[], tolerance: bigint): string[] {
  const matching = new ExecutionMatching();
  for (const each of all) matching.add(each);
  return matching.matchByTerms(tolerance).map(({ pair: [a, b] }) => `${a.eventId} ${b.eventId}`);
}

/** The same, said as it is meant: of those that are left the first that is alike and near. */
function plainlyMatched(all: readonly ToldExecution[], tolerance: bigint): string[] {
  const left = all.filter(({ side }) => side === 1);
  return all.flatMap((a) => {
    if (a.side === 1) return [];
    const found = left.find((b) => {
      const apart = a.nanos - b.nanos;
      const isNear = apart <= tolerance && -apart <= tolerance;
      return isNear && a.quantity === b.quantity && a.orderNames.some((name) => b.orderNames.includes(name));
    });
    if (!found) return [];
    left.splice(left.indexOf(found), 1);
    return [`${a.eventId} ${found.eventId}`];
  });
}

describe('executions without ids', () => {
  it('are matched with the first of the same order, quantity and price that is near in time', () => {
    let seed = 5;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    for (let round = 0; round < 300; round++) {
      const all = Array.from({ length: 30 }, (_, i) =>
        told(random(2) as 0 | 1, i, BigInt(random(40)), {
          quantity: String(random(2)),
          orderNames: [`O-${random(3)}`, `V-${random(3)}`],
        }),
      );
      const tolerance = BigInt(random(6));
      expect(matched(all, tolerance)).toEqual(plainlyMatched(all, tolerance));
    }
  });

  it('are not gone through for each other, however many are alike and far apart', () => {
    const hour = 3_600_000_000_000n; // a source that is in another time zone
    const all = Array.from({ length: 20_000 }, (_, i) => [
      told(0, i, BigInt(i) * 1_000_000n),
      told(1, i, BigInt(i) * 1_000_000n + hour),
    ]).flat();
    const began = performance.now();
    expect(matched(all, 1_000_000_000n)).toEqual([]);
    expect(performance.now() - began).toBeLessThan(5_000);
  });
});
