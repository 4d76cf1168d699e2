import { Random } from '../../test/support/random.js';
import { compare, parseDecimal, type Decimal } from './decimal.js';
import { Statements, type Statement } from './term-statements.js';

/** What held from one time to another, by looking at each. */
function heldBetween(all: readonly Statement[], from: bigint, to: bigint): (string | undefined)[] {
  const sorted = all.toSorted((a, b) => Number(a.time - b.time));
  const before = sorted.filter(({ time }) => time < from).slice(-1);
  const within = sorted.filter(({ time }) => time >= from && time <= to);
  return [...before, ...within].map(({ text }) => text);
}

describe('statements of one name', () => {
  it('are those that held at some moment of a time, each once, also of many and in any order', () => {
    const random = new Random(5);
    for (let run = 0; run < 60; run++) {
      const texts = [undefined, ...Array.from({ length: 1 + random.below(60) }, (_, i) => `T${i}`)];
      const all: Statement[] = [];
      let statements: Statements | undefined;
      for (let i = 0; i < 150; i++) {
        const statement = { time: BigInt(random.below(400)), text: random.of(texts) };
        all.push(statement);
        if (statements) statements.add(statement);
        else statements = new Statements(statement);
        if (!random.chance(10)) continue;
        const from = BigInt(random.below(400));
        const to = from + BigInt(random.below(400));
        expect(statements.between(from, to)).toEqual([...new Set(heldBetween(all, from, to))]);
      }
    }
  });

  it('as limits come down to the least, the greatest, one that cannot be read and a zero', () => {
    const random = new Random(6);
    const texts = ['0', '-0.0', '1', '1.0', '-3', '12.5', '12.50', '7e-3', 'y', '', undefined];
    const told = (limits: readonly (string | undefined)[]) => {
      const values = limits.map((text) => (text === undefined ? undefined : parseDecimal(text)));
      const read = values.filter((value): value is Decimal => value !== undefined).sort(compare);
      const zero = { unscaled: 0n, scale: 0 };
      const isSame = (a: Decimal | undefined, b: Decimal | undefined) => a && b && compare(a, b) === 0;
      return {
        isReadable: read.length === values.length,
        hasZero: read.some((value) => compare(value, zero) === 0),
        isEmpty: limits.length === 0,
        furthest: (other: (Decimal | undefined)[]) =>
          isSame(read[0], other[0]) !== false && isSame(read.at(-1), other[1]) !== false,
        ends: [read[0], read.at(-1)],
      };
    };
    for (let run = 0; run < 200; run++) {
      const all = Array.from({ length: 1 + random.below(200) }, () => ({
        time: BigInt(random.below(300)),
        text: random.of(random.chance(3) ? texts : texts.slice(0, 8)),
      }));
      const statements = new Statements(all[0]!);
      for (const each of all.slice(1)) statements.add(each);
      const from = BigInt(random.below(300));
      const to = from + BigInt(random.below(300));
      const [expected, found] = [told(heldBetween(all, from, to)), told(statements.limitsBetween(from, to))];
      expect([found.isReadable, found.hasZero, found.isEmpty]).toEqual([
        expected.isReadable,
        expected.hasZero,
        expected.isEmpty,
      ]);
      expect(found.furthest(expected.ends)).toBe(true);
    }
  });
});
