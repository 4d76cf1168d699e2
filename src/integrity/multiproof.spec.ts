import { createHash, randomInt } from 'node:crypto';
import { MultiproofPath, MultiproofRoot, subtreesWithin } from './multiproof.js';
import { GrowingTree, subtreeHashes, type ReadTiles } from './tiles.js';

const sha256 = (...parts: Buffer[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();
const LEAVES = Array.from({ length: 700 }, (_, at) => sha256(Buffer.from(`leaf ${at}`)));

function half(n: number): number {
  let k = 1;
  while (2 * k < n) k *= 2;
  return k;
}

/** RFC 6962, section 2.1, word by word, over hashes of leaves. */
function mth(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return leaves[0]!;
  const k = half(leaves.length);
  return sha256(Buffer.of(1), mth(leaves.slice(0, k)), mth(leaves.slice(k)));
}

/** The definition of a multiproof, word by word. */
function naive(proven: ReadonlySet<number>, start: number, end: number): Buffer[] {
  if (start === end) return [];
  if (![...proven].some((index) => index >= start && index < end)) return [mth(LEAVES.slice(start, end))];
  if (end - start === 1) return [];
  const middle = start + half(end - start);
  return [...naive(proven, start, middle), ...naive(proven, middle, end)];
}

function rootOf(size: number, indexes: readonly number[], proof: readonly Buffer[], leaves = LEAVES): Buffer {
  const left = [...proof];
  const tree = new MultiproofRoot(BigInt(size), () => {
    const hash = left.shift();
    if (!hash) throw new Error('the proof is too short');
    return hash;
  });
  for (const index of indexes) tree.append(BigInt(index), leaves[index]!);
  const root = tree.root();
  if (left.length > 0) throw new Error('the proof is too long');
  return root;
}

const plainHashes = (size: number, indexes: readonly number[]): Buffer[] => {
  const path = new MultiproofPath(BigInt(size));
  return [...indexes.flatMap((index) => path.before(BigInt(index))), ...path.rest()].map(({ start, end }) =>
    mth(LEAVES.slice(Number(start), Number(end))),
  );
};

function randomSet(size: number, density: number): number[] {
  return Array.from({ length: size }, (_, at) => at).filter(() => randomInt(1000) < density * 1000);
}

describe('a proof for many leaves', () => {
  it('is the definition, and leads to the root, for every set of leaves of every small tree', () => {
    for (let size = 0; size <= 9; size++) {
      for (let bits = 0; bits < 1 << size; bits++) {
        const indexes = Array.from({ length: size }, (_, at) => at).filter((at) => (bits >> at) & 1);
        const proof = plainHashes(size, indexes);
        expect(proof).toEqual(naive(new Set(indexes), 0, size));
        expect(rootOf(size, indexes, proof)).toEqual(mth(LEAVES.slice(0, size)));
      }
    }
  });

  it('is so for random sets of larger trees', () => {
    for (let round = 0; round < 300; round++) {
      const size = randomInt(1, LEAVES.length);
      const indexes = randomSet(size, [0.005, 0.05, 0.5, 0.95][round % 4]!);
      const proof = plainHashes(size, indexes);
      expect(proof).toEqual(naive(new Set(indexes), 0, size));
      expect(rootOf(size, indexes, proof)).toEqual(mth(LEAVES.slice(0, size)));
    }
  });

  it('comes from tiles as well', async () => {
    const size = 700;
    const levels: Buffer[][] = [LEAVES];
    const tree = new GrowingTree(0n, []);
    for (const leaf of LEAVES) tree.append(leaf);
    const grown = tree.takeGrown();
    levels[1] = grown.filter(({ level }) => level === 1).map(({ hashes }) => hashes);
    const read: ReadTiles = (tiles) =>
      Promise.resolve(
        tiles.map(({ level, index, width }) =>
          Buffer.concat(levels[level]!).subarray(Number(index) * 8192, Number(index) * 8192 + 32 * width),
        ),
      );
    for (let round = 0; round < 50; round++) {
      const indexes = randomSet(size, [0.01, 0.3][round % 2]!);
      const path = new MultiproofPath(BigInt(size));
      const subtrees = [...indexes.flatMap((index) => path.before(BigInt(index))), ...path.rest()];
      expect(await subtreeHashes(subtrees, BigInt(size), read)).toEqual(plainHashes(size, indexes));
    }
  });

  it('needs few hashes for neighbours: none for all, two paths at most for a range', () => {
    const all = LEAVES.map((_, at) => at);
    expect(plainHashes(700, all)).toEqual([]);
    for (let round = 0; round < 100; round++) {
      const [from, to] = [randomInt(700), randomInt(700)].sort((a, b) => a - b) as [number, number];
      expect(plainHashes(700, all.slice(from, to + 1)).length).toBeLessThanOrEqual(20);
    }
  });

  it('leads elsewhere with a leaf changed, left out, moved or put in, and with hashes changed, swapped, left out or put in', () => {
    for (let round = 0; round < 100; round++) {
      const size = randomInt(20, LEAVES.length);
      const indexes = [...new Set([randomInt(size), ...randomSet(size, 0.05)])].sort((a, b) => a - b);
      const proof = plainHashes(size, indexes);
      const root = mth(LEAVES.slice(0, size));
      const expectElsewhere = (attempt: () => Buffer): void => {
        let result: Buffer | undefined;
        try {
          result = attempt();
        } catch {
          return;
        }
        expect(result).not.toEqual(root);
      };
      const at = randomInt(indexes.length);
      const other = LEAVES.with(indexes[at]!, sha256());
      expectElsewhere(() => rootOf(size, indexes, proof, other));
      expectElsewhere(() => rootOf(size, indexes.toSpliced(at, 1), proof));
      const absent = Array.from({ length: size }, (_, index) => index).filter((index) => !indexes.includes(index));
      if (absent.length > 0) {
        const more = absent[randomInt(absent.length)]!;
        expectElsewhere(() =>
          rootOf(
            size,
            [...indexes, more].sort((a, b) => a - b),
            proof,
          ),
        );
      }
      if (proof.length > 0) {
        const place = randomInt(proof.length);
        expectElsewhere(() => rootOf(size, indexes, proof.with(place, sha256())));
        expectElsewhere(() => rootOf(size, indexes, proof.toSpliced(place, 1)));
      }
      if (proof.length > 1) expectElsewhere(() => rootOf(size, indexes, [proof[1]!, proof[0]!, ...proof.slice(2)]));
      expectElsewhere(() => rootOf(size, indexes, [...proof, sha256()]));
    }
  });

  it('takes leaves in order, each once, and none past the end', () => {
    const tree = new MultiproofRoot(5n, () => sha256());
    tree.append(2n, sha256());
    expect(() => tree.append(2n, sha256())).toThrow(RangeError);
    expect(() => tree.append(1n, sha256())).toThrow(RangeError);
    expect(() => tree.append(5n, sha256())).toThrow(RangeError);
    const path = new MultiproofPath(5n);
    path.before(2n);
    expect(() => path.before(2n)).toThrow(RangeError);
    expect(() => path.before(5n)).toThrow(RangeError);
  });

  it('works past 2^53 leaves', () => {
    const size = 2n ** 60n + 5n;
    expect(subtreesWithin(2n ** 60n + 4n, size, size)).toEqual([{ start: 2n ** 60n + 4n, end: size }]);
    expect(subtreesWithin(2n ** 60n, size, size)).toEqual([{ start: 2n ** 60n, end: size }]);
    expect(subtreesWithin(0n, 2n ** 60n + 1n, size)).toHaveLength(2);
  });
});
