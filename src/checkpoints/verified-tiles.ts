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

  /** What is in memory, hashes alone. */
  get bytes(): number {
    return this.keptBytes;
  }

  /** Reads tiles of a ledger's tree, none of them twice; what it has read is kept from `keep` on, and not before. */
  over(ledger: string, read: ReadTiles): { read: ReadTiles; keep: () => void } {
    const used = new Map<string, Buffer>();
    const nameOf = ({ level, index, width }: Tile): string => `${ledger}/${level}/${index}/${width}`;
    return {
      read: async (tiles) => {
        const wanted: Tile[] = [];
        for (const tile of tiles) {
          const name = nameOf(tile);
          const known = used.get(name) ?? this.kept.get(name);
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
          this.keptBytes += hashes.length;
        }
        for (const name of this.kept.keys()) {
          if (this.kept.size <= this.limit) break;
          this.forget(name);
        }
      },
    };
  }

  private forget(name: string): void {
    this.keptBytes -= this.kept.get(name)?.length ?? 0;
    this.kept.delete(name);
  }
}
