import type { ReadTiles, Tile } from '../integrity/tiles.js';

/**
 * Tiles from which a signed root was recomputed, in memory. A tile of its width never changes, so what is kept here is
 * what was signed, whatever becomes of the rows that it was made of: a proof from it is right or is not given. The tile at
 * a tree's end, which every proof needs until the next round, is nearly always here, and so are those of upper levels.
 */
export class VerifiedTiles {
  /** by name, the one that was used last at the end */
  private readonly kept = new Map<string, Buffer>();
  private keptBytes = 0;

  /** `limit`: tiles of up to 8 KiB. */
  constructor(private readonly limit: number) {}

  /** What is in memory: hashes, and of levels 1 and up about as much again for the nodes over them (integrity/tiles.ts). */
  get bytes(): number {
    return this.keptBytes;
  }

  /**
   * Reads tiles of a ledger's tree, none of them twice; what it has read is kept from `keep` on, and not before. `isKept`
   * says of a tile, before it is read, whether it comes from here, or from what it is made of now.
   */
  over(ledger: string, read: ReadTiles): { read: ReadTiles; keep: () => void; isKept: (tile: Tile) => boolean } {
    const used = new Map<string, Buffer>();
    const fresh = new Set<string>();
    const nameOf = ({ level, index, width }: Tile): string => `${ledger}/${level}/${index}/${width}`;
    return {
      isKept: (tile) => {
        const name = nameOf(tile);
        const known = this.kept.get(name);
        if (known) used.set(name, known);
        else fresh.add(name);
        return known !== undefined;
      },
      read: async (tiles) => {
        const wanted: Tile[] = [];
        for (const tile of tiles) {
          const name = nameOf(tile);
          const known = used.get(name) ?? (fresh.has(name) ? undefined : this.kept.get(name));
          if (known) used.set(name, known);
          else wanted.push(tile);
        }
        const contents = wanted.length === 0 ? [] : await read(wanted);
        wanted.forEach((tile, at) => used.set(nameOf(tile), contents[at]!));
        return tiles.map((tile) => used.get(nameOf(tile))!);
      },
      keep: () => {
        for (const [name, hashes] of used) {
          this.forget(name);
          this.kept.set(name, hashes);
          this.keptBytes += bytesOf(name, hashes);
        }
        for (const name of this.kept.keys()) {
          if (this.kept.size <= this.limit) break;
          this.forget(name);
        }
      },
    };
  }

  private forget(name: string): void {
    const hashes = this.kept.get(name);
    if (hashes) this.keptBytes -= bytesOf(name, hashes);
    this.kept.delete(name);
  }
}

function bytesOf(name: string, { length }: Buffer): number {
  return /\/0\/[0-9]+\/[0-9]+$/.test(name) ? length : 2 * length;
}
