import { hash } from 'node:crypto';
import { KeptTree } from '../../test/support/evidence.js';
import { hashesAt, isTileOf, TILE_WIDTH, tileWidth, type ReadTiles, type Tile } from './tiles.js';

const LEAVES = Array.from({ length: 66_000 }, (_, at) => hash('sha256', String(at), 'buffer'));

describe('a tile of a tree', () => {
  it.each([1, 2, 255, 256, 257, 511, 512, 600, 1_280, 65_535, 65_536, 65_537, 66_000])(
    'is one of the tree of %s leaves as it is, and not with any hash changed',
    async (size) => {
      const tree = new KeptTree(LEAVES.slice(0, size));
      const { root } = tree;
      for (let level = 0; hashesAt(level, tree.size) > 0n; level++) {
        const last = (hashesAt(level, tree.size) - 1n) / BigInt(TILE_WIDTH);
        for (const index of new Set([0n, last / 2n, last > 0n ? last - 1n : 0n, last])) {
          const width = tileWidth(level, index, tree.size);
          expect(await isTileOf({ level, index }, tree.size, root, tree.read)).toBe(true);
          for (const place of new Set([0, width >> 1, width - 1])) {
            const isRight = await isTileOf(
              { level, index },
              tree.size,
              root,
              lying(tree.read, { level, index }, place),
            );
            expect([level, index, place, isRight]).toEqual([level, index, place, false]);
          }
        }
      }
      const beyond = hashesAt(0, tree.size) / BigInt(TILE_WIDTH) + 1n;
      await expect(isTileOf({ level: 0, index: beyond }, tree.size, root, tree.read)).rejects.toThrow(RangeError);
    },
  );
});

/** Reads tiles of which one has another hash at a place. */
function lying(read: ReadTiles, of: Omit<Tile, 'width'>, place: number): ReadTiles {
  return async (tiles) => {
    const contents = await read(tiles);
    return contents.map((hashes, at) => {
      if (tiles[at]!.level !== of.level || tiles[at]!.index !== of.index) return hashes;
      const changed = Buffer.from(hashes);
      changed[place * 32]! ^= 1;
      return changed;
    });
  };
}
