import { HASH_BYTES } from './event.js';
import {
  completeParts,
  consistencyPath,
  inclusionPath,
  isIncluded,
  joinParts,
  type CompleteSubtree,
  type Subtree,
} from './merkle-proof.js';
import { emptyRoot, nodeHash, nodesOver } from './merkle-tree.js';

/**
 * The Merkle tree in tiles of C2SP tlog-tiles: hash `i` of tile `n` at level `l` is MTH(D[(256n + i)·256^l : (256n + i + 1)·256^l]),
 * at level 0 that is a leaf's hash. Pure: whoever keeps tiles hands them in.
 */

const TILE_HEIGHT = 8;
export const TILE_WIDTH = 1 << TILE_HEIGHT;
/** tlog-tiles: levels are 0 to 63; 2^64 leaves need no more than eight. */
const MAX_LEVEL = 63;

export interface Tile {
  level: number;
  index: bigint;
  /** hashes in it, 1 to 256 */
  width: number;
}

/** Hands in tiles: each at least `width` hashes of 32 bytes, in the order asked for. */
export type ReadTiles = (tiles: readonly Tile[]) => Promise<readonly Buffer[]>;

/** How many hashes the tree of `size` leaves has at a level. */
export function hashesAt(level: number, size: bigint): bigint {
  return size >> BigInt(TILE_HEIGHT * level);
}

/** How many hashes of a tile the tree of `size` leaves has: 0 for a tile that is not there. */
export function tileWidth(level: number, index: bigint, size: bigint): number {
  const open = hashesAt(level, size) - index * BigInt(TILE_WIDTH);
  return open <= 0n ? 0 : open > BigInt(TILE_WIDTH) ? TILE_WIDTH : Number(open);
}

/** `<level>/<index>` or `<level>/<index>.p/<width>`, the index in groups of three digits: tlog-tiles. */
export function tilePath({ level, index, width }: Tile): string {
  return `${level}/${tileIndexPath(index)}${width === TILE_WIDTH ? '' : `.p/${width}`}`;
}

/** 1234067 is `x001/x234/067`. */
function tileIndexPath(index: bigint): string {
  const digits = String(index);
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/[0-9]{3}/g)!;
  return groups.map((group, at) => (at < groups.length - 1 ? `x${group}` : group)).join('/');
}

/** The tile of a path as tilePath writes it, the level's place taken by `entries` read as level 0; undefined for any other text. */
export function parseTilePath(path: string): (Tile & { isEntries: boolean }) | undefined {
  const [, levelText, indexText, widthText] =
    /^(0|[1-9][0-9]?|entries)\/((?:x[0-9]{3}\/)*[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/.exec(path) ?? [];
  if (levelText === undefined || indexText === undefined || indexText.length > 48) return undefined;
  const isEntries = levelText === 'entries';
  const level = isEntries ? 0 : Number(levelText);
  const index = BigInt(indexText.replace(/[x/]/g, ''));
  const width = widthText === undefined ? TILE_WIDTH : Number(widthText);
  if (level > MAX_LEVEL || (widthText !== undefined && width >= TILE_WIDTH)) return undefined;
  return tileIndexPath(index) === indexText ? { level, index, width, isEntries } : undefined;
}

/** The root of the tree of `size` leaves. */
export async function rootFromTiles(size: bigint, read: ReadTiles): Promise<Buffer> {
  if (size === 0n) return emptyRoot();
  const [root] = await subtreeHashes([{ start: 0n, end: size }], size, read);
  return root!;
}

/** The hashes that prove leaf `index` in the tree of `size` leaves. Throws RangeError as inclusionPath does. */
export function inclusionProof(index: bigint, size: bigint, read: ReadTiles): Promise<Buffer[]> {
  return subtreeHashes(inclusionPath(index, size), size, read);
}

/** The hashes that prove the tree of `from` leaves the beginning of that of `to`. Throws RangeError as consistencyPath does. */
export function consistencyProof(from: bigint, to: bigint, read: ReadTiles): Promise<Buffer[]> {
  return subtreeHashes(consistencyPath(from, to), to, read);
}

/**
 * Whether a tile is, with all hashes that it has in the tree of `size` leaves, one of the tree with this root. `read` is
 * asked for it as well as for those that prove it. Throws RangeError where the tree has no such tile.
 */
export async function isTileOf(
  { level, index }: Omit<Tile, 'width'>,
  size: bigint,
  root: Buffer,
  read: ReadTiles,
): Promise<boolean> {
  const width = tileWidth(level, index, size);
  if (width === 0) throw new RangeError(`a tree of ${size} leaves has no tile ${level}/${index}`);
  // one that is not full is at the tree's end, and all of its hashes go into the root
  if (width < TILE_WIDTH) return (await rootFromTiles(size, read)).equals(root);
  const [hashes] = await read([{ level, index, width }]);
  // a full one is a complete subtree: of the path of its first leaf, what is above it
  const height = TILE_HEIGHT * (level + 1);
  const above = inclusionPath(index << BigInt(height), size).slice(height);
  const path = await subtreeHashes(above, size, read);
  const last = ((size - 1n) >> BigInt(height)) + 1n;
  return isIncluded(completeRoot(hashes!.subarray(0, TILE_WIDTH * HASH_BYTES)), index, last, path, root);
}

/** The hashes of subtrees of the tree of `size` leaves, from tiles that are read at once. */
export async function subtreeHashes(subtrees: readonly Subtree[], size: bigint, read: ReadTiles): Promise<Buffer[]> {
  const parts = subtrees.map(completeParts);
  const wanted = new Map<string, Tile>();
  for (const part of parts.flat()) {
    const { level, index } = placeOf(part);
    wanted.set(`${level}/${index}`, { level, index, width: tileWidth(level, index, size) });
  }
  const tiles = [...wanted.values()];
  const contents = await read(tiles);
  const found = new Map(tiles.map((tile, at) => [`${tile.level}/${tile.index}`, contents[at]!]));
  return parts.map((each) =>
    joinParts(
      each.map((part) => {
        const { level, index, first, count } = placeOf(part);
        const hashes = found.get(`${level}/${index}`)!;
        if (hashes.length < (first + count) * HASH_BYTES) {
          throw new RangeError(
            `tile ${level}/${index} has ${hashes.length} bytes, too few for the tree of ${size} leaves`,
          );
        }
        return level === 0
          ? completeRoot(hashes.subarray(first * HASH_BYTES, (first + count) * HASH_BYTES))
          : nodeOf(hashes, first, count);
      }),
    ),
  );
}

/** Where in which tile the hashes lie that a complete subtree is the root of. */
function placeOf({ level, index }: CompleteSubtree): { level: number; index: bigint; first: number; count: number } {
  const tileLevel = Math.floor(level / TILE_HEIGHT);
  const height = level % TILE_HEIGHT;
  const first = index << BigInt(height);
  return {
    level: tileLevel,
    index: first / BigInt(TILE_WIDTH),
    first: Number(first % BigInt(TILE_WIDTH)),
    count: 1 << height,
  };
}

/** Hashes that stand one after the other, 32 bytes each. */
export function hashesOf(hashes: Buffer): Buffer[] {
  return Array.from({ length: hashes.length / HASH_BYTES }, (_, at) =>
    hashes.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES),
  );
}

/** The root over 2^n hashes, one after the other. */
export function completeRoot(hashes: Buffer): Buffer {
  let level = hashes;
  while (level.length > HASH_BYTES) level = nodesOver(level);
  return level;
}

/**
 * The nodes over the hashes of tiles of levels 1 and up, level by level: whoever keeps such a tile in memory asks for
 * other parts of it time and again. They go with the tile; tiles do not change.
 */
const NODES = new WeakMap<Buffer, Buffer[]>();

/** The root over `count` hashes of a tile, a power of two, from `first` on, a multiple of it. */
function nodeOf(tile: Buffer, first: number, count: number): Buffer {
  let levels = NODES.get(tile);
  if (!levels) NODES.set(tile, (levels = [tile]));
  let height = 0;
  for (; 1 << height < count; height++) levels[height + 1] ??= nodesOver(levels[height]!);
  return levels[height]!.subarray((first >> height) * HASH_BYTES, ((first >> height) + 1) * HASH_BYTES);
}

/**
 * A tree that grows, and the tiles of levels 1 and up that it grows by. Begins with the hashes of its last tile at each
 * level, fewer than 256 of them; keeps no more.
 */
export class GrowingTree {
  private readonly grown = new Map<string, Tile & { hashes: Buffer[] }>();

  /** `open`: at each level from 0 the hashes past its last full tile, as many as tileWidth says. Throws RangeError otherwise. */
  constructor(
    private leaves: bigint,
    private readonly open: Buffer[][],
  ) {
    for (let level = 0; level < open.length || hashesAt(level, leaves) > 0n; level++) {
      const width = Number(hashesAt(level, leaves) % BigInt(TILE_WIDTH));
      if ((open[level]?.length ?? 0) !== width) {
        throw new RangeError(
          `level ${level} of the tree of ${leaves} leaves has ${width} hashes past its last full tile`,
        );
      }
      open[level] ??= [];
    }
  }

  /** The tree that was stored, or undefined where what was stored is not a tree of that size. */
  static stored(size: bigint, open: readonly (readonly Buffer[])[]): GrowingTree | undefined {
    try {
      return new GrowingTree(
        size,
        open.map((each) => [...each]),
      );
    } catch (error) {
      if (error instanceof RangeError) return undefined;
      throw error;
    }
  }

  get size(): bigint {
    return this.leaves;
  }

  append(leafHash: Buffer): void {
    this.leaves += 1n;
    let hash = leafHash;
    for (let level = 0; ; level++) {
      const tile = (this.open[level] ??= []);
      tile.push(hash);
      if (level > 0) this.remember(level, tile);
      if (tile.length < TILE_WIDTH) return;
      hash = completeRoot(Buffer.concat(tile));
      this.open[level] = [];
    }
  }

  root(): Buffer {
    let root: Buffer | undefined;
    for (const hashes of this.open) {
      // complete subtrees of 2^n hashes, the smallest and last one first
      for (let end = hashes.length; end > 0; end -= end & -end) {
        const part = completeRoot(Buffer.concat(hashes.slice(end - (end & -end), end)));
        root = root ? nodeHash(part, root) : part;
      }
    }
    return root ?? emptyRoot();
  }

  /** The hashes of the leaves past the last full tile of level 0. */
  openLeaves(): Buffer {
    return Buffer.concat(this.open[0] ?? []);
  }

  /** The tiles of levels 1 and up that have changed since the last call, each with all its hashes as they are now. */
  takeGrown(): (Tile & { hashes: Buffer })[] {
    const tiles = [...this.grown.values()].map(({ level, index, hashes }) => ({
      level,
      index,
      width: hashes.length,
      hashes: Buffer.concat(hashes),
    }));
    this.grown.clear();
    return tiles;
  }

  private remember(level: number, hashes: Buffer[]): void {
    const index = (hashesAt(level, this.leaves) - 1n) / BigInt(TILE_WIDTH);
    this.grown.set(`${level}/${index}`, { level, index, width: hashes.length, hashes });
  }
}
