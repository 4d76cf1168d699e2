import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { completeParts, consistencyPath, inclusionPath, isConsistent, isIncluded } from './merkle-proof.js';
import {
  GrowingTree,
  hashesAt,
  inclusionProof,
  consistencyProof,
  parseTilePath,
  rootFromTiles,
  tilePath,
  tileWidth,
  type Tile,
} from './tiles.js';

interface Vectors {
  leaves: string[];
  roots: string[];
  inclusion: { index: number; size: number; path: string[] };
  consistency: { from: number; to: number; path: string[] }[];
}
const vectors = JSON.parse(readFileSync(new URL('../../test/vectors/tlog.json', import.meta.url), 'utf8')) as Vectors;
const hex = (text: string): Buffer => Buffer.from(text, 'hex');
const sha256 = (...parts: Buffer[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();

/** RFC 6962, section 2.1, word by word, over hashes of leaves. */
function mth(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return leaves[0]!;
  const k = powerBelow(leaves.length);
  return sha256(Buffer.of(1), mth(leaves.slice(0, k)), mth(leaves.slice(k)));
}
function path(m: number, leaves: readonly Buffer[]): Buffer[] {
  if (leaves.length === 1) return [];
  const k = powerBelow(leaves.length);
  return m < k
    ? [...path(m, leaves.slice(0, k)), mth(leaves.slice(k))]
    : [...path(m - k, leaves.slice(k)), mth(leaves.slice(0, k))];
}
function subproof(m: number, leaves: readonly Buffer[], isWhole: boolean): Buffer[] {
  if (m === leaves.length) return isWhole ? [] : [mth(leaves)];
  const k = powerBelow(leaves.length);
  return m <= k
    ? [...subproof(m, leaves.slice(0, k), isWhole), mth(leaves.slice(k))]
    : [...subproof(m - k, leaves.slice(k), false), mth(leaves.slice(0, k))];
}
function powerBelow(n: number): number {
  let k = 1;
  while (2 * k < n) k *= 2;
  return k;
}

/** The same definition over [start, end) of leaves, which keeps the hashes of complete subtrees: for thousands of sizes. */
class RecursiveTree {
  private readonly known = new Map<string, Buffer>();

  constructor(private readonly leaves: readonly Buffer[]) {}

  mth(start: number, end: number): Buffer {
    if (start === end) return sha256();
    if (end - start === 1) return this.leaves[start]!;
    const name = `${start} ${end}`;
    const isComplete = Number.isInteger(Math.log2(end - start));
    const found = isComplete ? this.known.get(name) : undefined;
    if (found) return found;
    const k = powerBelow(end - start);
    const hash = sha256(Buffer.of(1), this.mth(start, start + k), this.mth(start + k, end));
    if (isComplete) this.known.set(name, hash);
    return hash;
  }

  path(m: number, start: number, end: number): Buffer[] {
    if (end - start === 1) return [];
    const k = powerBelow(end - start);
    return m < k
      ? [...this.path(m, start, start + k), this.mth(start + k, end)]
      : [...this.path(m - k, start + k, end), this.mth(start, start + k)];
  }

  subproof(m: number, start: number, end: number, isWhole: boolean): Buffer[] {
    if (m === end - start) return isWhole ? [] : [this.mth(start, end)];
    const k = powerBelow(end - start);
    return m <= k
      ? [...this.subproof(m, start, start + k, isWhole), this.mth(start + k, end)]
      : [...this.subproof(m - k, start + k, end, false), this.mth(start, start + k)];
  }
}

/** A tree that keeps its tiles, grown to each of some sizes, in one or more goes. */
class KeptTree {
  private readonly tiles = new Map<string, Buffer>();
  readonly leaves: Buffer[] = [];
  private tree = new GrowingTree(0n, []);

  grow(size: number): Buffer {
    while (this.leaves.length < size) {
      const leaf = sha256(Buffer.of(0), sha256(Buffer.from(String(this.leaves.length))));
      this.leaves.push(leaf);
      this.tree.append(leaf);
    }
    for (const { level, index, hashes } of this.tree.takeGrown()) this.tiles.set(`${level}/${index}`, hashes);
    return this.tree.root();
  }

  /** Goes on as another process would: from tiles alone. */
  restart(): void {
    const size = BigInt(this.leaves.length);
    const open: Buffer[][] = [];
    for (let level = 0; hashesAt(level, size) > 0n; level++) {
      const index = hashesAt(level, size) / 256n;
      const width = tileWidth(level, index, size);
      const hashes = width === 0 ? Buffer.alloc(0) : this.read({ level, index, width });
      open.push(Array.from({ length: width }, (_, at) => hashes.subarray(32 * at, 32 * at + 32)));
    }
    this.tree = new GrowingTree(size, open);
  }

  readonly readTiles = (tiles: readonly Tile[]) => Promise.resolve(tiles.map((tile) => this.read(tile)));

  private read({ level, index, width }: Tile): Buffer {
    const from = Number(index) * 256;
    const hashes =
      level === 0 ? Buffer.concat(this.leaves.slice(from, from + width)) : this.tiles.get(`${level}/${index}`)!;
    return hashes.subarray(0, 32 * width);
  }
}

describe('proofs of the Merkle tree', () => {
  it('are those of the published vectors', () => {
    const { leaves, roots, inclusion, consistency } = vectors;
    const leaf = sha256(Buffer.of(0), hex(leaves[inclusion.index]!));
    const proof = inclusion.path.map(hex);
    const root = hex(roots[inclusion.size]!);
    expect(isIncluded(leaf, 5n, 8n, proof, root)).toBe(true);
    const all = leaves.map((each) => sha256(Buffer.of(0), hex(each)));
    expect(path(5, all)).toEqual(proof);
    for (const { from, to, path: proof } of consistency) {
      expect(isConsistent(BigInt(from), hex(roots[from]!), BigInt(to), hex(roots[to]!), proof.map(hex))).toBe(true);
      expect(subproof(from, all.slice(0, to), true)).toEqual(proof.map(hex));
    }
  });

  it('are refused when anything about them is wrong', () => {
    const { leaves, roots, inclusion } = vectors;
    const leaf = sha256(Buffer.of(0), hex(leaves[5]!));
    const proof = inclusion.path.map(hex);
    const root = hex(roots[8]!);
    const [a, b, c] = proof as [Buffer, Buffer, Buffer];
    for (const wrong of [[b, a, c], [a, b], [a, b, c, c], [], [a, b, c.subarray(1)]]) {
      expect(isIncluded(leaf, 5n, 8n, wrong, root)).toBe(false);
    }
    expect(isIncluded(leaf, 4n, 8n, proof, root)).toBe(false);
    expect(isIncluded(leaf, 5n, 9n, proof, root)).toBe(false);
    expect(isIncluded(leaf, 5n, 4n, proof, root)).toBe(false);
    expect(isIncluded(leaf, 8n, 8n, proof, root)).toBe(false);
    expect(isIncluded(leaf, -1n, 8n, proof, root)).toBe(false);
    expect(isIncluded(sha256(hex(leaves[5]!)), 5n, 8n, proof, root)).toBe(false);
    expect(isConsistent(0n, hex(roots[0]!), 8n, root, [])).toBe(true);
    expect(isConsistent(0n, hex(roots[0]!), 8n, root, [a])).toBe(false);
    expect(isConsistent(8n, root, 8n, root, [])).toBe(true);
    expect(isConsistent(8n, root, 8n, a, [])).toBe(false);
    expect(isConsistent(4n, hex(roots[4]!), 8n, root, [])).toBe(false);
    expect(isConsistent(9n, root, 8n, root, [])).toBe(false);
  });

  it('agree with the recursive definition, at sizes and places of every kind, grown in goes and by others', async () => {
    const tree = new KeptTree();
    const sizes = [0, 1, 2, 3, 7, 8, 100, 255, 256, 257, 511, 512, 513, 700, 1023, 1025, 2000, 2560, 2561];
    let random = 12345;
    const below = (n: number): number => (random = (random * 1103515245 + 12345) % 2147483648) % n;
    let cases = 0;
    for (const size of sizes) {
      const root = tree.grow(size);
      expect(root).toEqual(mth(tree.leaves));
      expect(await rootFromTiles(BigInt(size), tree.readTiles)).toEqual(root);
      for (let i = 0; i < (size <= 60 ? size : size <= 600 ? 20 : 5); i++) {
        const index = size <= 60 ? i : below(size);
        const proof = await inclusionProof(BigInt(index), BigInt(size), tree.readTiles);
        expect(proof).toEqual(path(index, tree.leaves));
        expect(isIncluded(tree.leaves[index]!, BigInt(index), BigInt(size), proof, root)).toBe(true);
        const from = size <= 60 ? i + 1 : 1 + below(size);
        const old = mth(tree.leaves.slice(0, from));
        const consistency = await consistencyProof(BigInt(from), BigInt(size), tree.readTiles);
        expect(consistency).toEqual(subproof(from, tree.leaves, true));
        expect(isConsistent(BigInt(from), old, BigInt(size), root, consistency)).toBe(true);
        if (from < size) expect(isConsistent(BigInt(from), sha256(old), BigInt(size), root, consistency)).toBe(false);
        cases += 2;
      }
      tree.restart();
    }
    expect(cases).toBeGreaterThan(300);
  });

  it('agree with it at thousands of random sizes and places', async () => {
    const tree = new KeptTree();
    tree.grow(20_000);
    const recursive = new RecursiveTree(tree.leaves);
    let random = 4711;
    const below = (n: number): number => (random = (random * 1103515245 + 12345) % 2147483648) % n;
    for (let i = 0; i < 2_000; i++) {
      const size = 1 + below(20_000);
      const [index, from] = [below(size), 1 + below(size)];
      const root = recursive.mth(0, size);
      expect((await rootFromTiles(BigInt(size), tree.readTiles)).equals(root)).toBe(true);
      const proof = await inclusionProof(BigInt(index), BigInt(size), tree.readTiles);
      expect(proof).toEqual(recursive.path(index, 0, size));
      expect(isIncluded(tree.leaves[index]!, BigInt(index), BigInt(size), proof, root)).toBe(true);
      const consistency = await consistencyProof(BigInt(from), BigInt(size), tree.readTiles);
      expect(consistency).toEqual(recursive.subproof(from, 0, size, true));
      const old = recursive.mth(0, from);
      expect(isConsistent(BigInt(from), old, BigInt(size), root, consistency)).toBe(true);
    }
  }, 60_000);

  it('convince the verifier of @sigstore/verify, which goes about it another way', async () => {
    const { verifyMerkleInclusion } = createRequire(import.meta.url)(
      join(dirname(createRequire(import.meta.url).resolve('@sigstore/verify')), 'tlog/merkle.js'),
    ) as { verifyMerkleInclusion: (entry: object, checkpoint: object) => void };
    const tree = new KeptTree();
    for (const size of [1, 2, 5, 8, 255, 256, 257, 300, 777]) {
      const root = tree.grow(size);
      for (const index of new Set([0, size >> 1, size - 1, Math.min(size - 1, 255)])) {
        const hashes = await inclusionProof(BigInt(index), BigInt(size), tree.readTiles);
        const entry = (body: Buffer, proof: readonly Buffer[]) => ({
          canonicalizedBody: body,
          inclusionProof: { logIndex: String(index), hashes: proof },
        });
        const leafData = sha256(Buffer.from(String(index)));
        const checkpoint = { logSize: BigInt(size), logHash: root };
        expect(() => verifyMerkleInclusion(entry(leafData, hashes), checkpoint)).not.toThrow();
        expect(() => verifyMerkleInclusion(entry(sha256(leafData), hashes), checkpoint)).toThrow();
        if (size > 1) expect(() => verifyMerkleInclusion(entry(leafData, hashes.slice(1)), checkpoint)).toThrow();
      }
    }
  });

  it('grows past two levels of tiles', () => {
    const tree = new KeptTree();
    expect(tree.grow(65_536 + 300)).toEqual(mth(tree.leaves));
    tree.restart();
    expect(tree.grow(65_536 + 700)).toEqual(mth(tree.leaves));
  }, 60_000);

  it('consist of the right subtrees past 2^32 and 2^53', () => {
    for (const size of [2n ** 32n, 2n ** 32n + 1n, 2n ** 40n - 1n, 2n ** 53n + 7n, 2n ** 62n + 12_345n]) {
      for (const index of [0n, 1n, size / 2n, size / 3n, size - 2n, size - 1n]) {
        const parts = inclusionPath(index, size);
        expect(parts.length).toBeLessThanOrEqual(63);
        // together with the leaf they are the whole tree, without a gap
        const all = [...parts, { start: index, end: index + 1n }].sort((a, b) => (a.start < b.start ? -1 : 1));
        expect(all[0]!.start).toBe(0n);
        expect(all.at(-1)!.end).toBe(size);
        all.slice(1).forEach(({ start }, at) => expect(start).toBe(all[at]!.end));
        const from = index + 1n;
        const subtrees = consistencyPath(from, size);
        const last = subtrees.map(({ end }) => end).reduce((most, end) => (end > most ? end : most), from);
        expect(last).toBe(size);
        for (const part of [...parts, ...subtrees]) {
          const leaves = completeParts(part).reduce((sum, { level }) => sum + (1n << BigInt(level)), 0n);
          expect(leaves).toBe(part.end - part.start);
        }
      }
    }
    expect(() => inclusionPath(8n, 8n)).toThrow(RangeError);
    expect(() => consistencyPath(9n, 8n)).toThrow(RangeError);
  });
});

describe('tiles', () => {
  it('have the paths of tlog-tiles', () => {
    const paths: [bigint, string][] = [
      [0n, '000'],
      [999n, '999'],
      [1000n, 'x001/000'],
      [1234067n, 'x001/x234/067'],
    ];
    for (const [index, path] of paths) {
      expect(tilePath({ level: 1, index, width: 256 })).toBe(`1/${path}`);
      expect(tilePath({ level: 0, index, width: 112 })).toBe(`0/${path}.p/112`);
      expect(parseTilePath(`1/${path}`)).toEqual({ level: 1, index, width: 256, isEntries: false });
      expect(parseTilePath(`entries/${path}.p/7`)).toEqual({ level: 0, index, width: 7, isEntries: true });
    }
    for (const wrong of [
      '1/1000',
      '1/x000/001',
      '01/000',
      '64/000',
      '1/000.p/0',
      '1/000.p/256',
      '1/000.p/01',
      '1/00',
      '1',
      '1/000/',
    ]) {
      expect(parseTilePath(wrong)).toBeUndefined();
    }
  });

  it('have the widths of tlog-tiles', () => {
    expect([0n, 272n, 273n, 274n].map((index) => tileWidth(0, index, 70_000n))).toEqual([256, 256, 112, 0]);
    expect([0n, 1n, 2n].map((index) => tileWidth(1, index, 70_000n))).toEqual([256, 17, 0]);
    expect([0n, 1n].map((index) => tileWidth(2, index, 70_000n))).toEqual([1, 0]);
    expect(tileWidth(1, 0n, 256n)).toBe(1);
  });

  it('that do not fit the size are not begun with', () => {
    expect(() => new GrowingTree(3n, [[]])).toThrow(RangeError);
    expect(() => new GrowingTree(256n, [])).toThrow(RangeError);
  });
});
