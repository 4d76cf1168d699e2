import type pg from 'pg';
import { leafHash } from '../integrity/event.js';
import { TILE_WIDTH, type ReadTiles, type Tile } from '../integrity/tiles.js';
import * as sql from './tree.sql.js';

/** Hashes of events that have left the database, by sequence, both ends included; all of them or none. */
export type ReadArchivedHashes = (ledger: string, from: bigint, to: bigint) => Promise<Buffer[]>;

/** A tile that a tree must have is not there, or lacks hashes. */
export class TileMissingError extends Error {
  override name = 'TileMissingError';
}

/**
 * Reads the tiles of a ledger's tree: those of level 0 are made of its events. Rejects with TileMissingError.
 *
 * On a pool each statement stands by itself. A month that leaves between two of them is looked for once more in the
 * archive.
 */
export function tileReader(database: pg.Pool | pg.ClientBase, ledger: string, archived: ReadArchivedHashes): ReadTiles {
  return async (tiles) => {
    const upper = tiles.filter(({ level }) => level > 0);
    const stored = upper.length === 0 ? [] : await sql.readTiles(database, ledger, upper);
    const leaves = tiles.filter(({ level }) => level === 0);
    const events =
      leaves.length === 0 ? [] : await readHashesAnywhere(database, ledger, archived, leaves.map(sequencesOf));
    return tiles.map((tile) => {
      const hashes = tile.level > 0 ? stored[upper.indexOf(tile)] : events[leaves.indexOf(tile)]?.map(leafHash);
      if (!hashes) throw new TileMissingError(`tile ${tile.level}/${tile.index} of ${ledger} is not there`);
      return Buffer.isBuffer(hashes) ? hashes : Buffer.concat(hashes);
    });
  };
}

/** The events whose leaves a tile of level 0 has. */
export function sequencesOf({ index, width }: Tile): { from: bigint; to: bigint } {
  const from = index * BigInt(TILE_WIDTH) + 1n;
  return { from, to: from + BigInt(width) - 1n };
}

/**
 * The hashes of events at ranges of sequences, both ends included, wherever they are; undefined for a range that is not
 * whole.
 */
export async function readHashesAnywhere(
  database: pg.Pool | pg.ClientBase,
  ledger: string,
  archived: ReadArchivedHashes,
  ranges: readonly { from: bigint; to: bigint }[],
): Promise<(Buffer[] | undefined)[]> {
  const border = (await sql.readArchivedTo(database, [ledger])).get(ledger) ?? 0n;
  const here = await sql.readEventHashes(
    database,
    ranges.map(({ from, to }) => ({ ledger, from: from > border ? from : border + 1n, to })),
  );
  const found: (Buffer[] | undefined)[] = [];
  for (const [at, { from, to }] of ranges.entries()) {
    let hashes = here[at]!;
    const expected = Number(to - from + 1n);
    if (hashes.length < expected) {
      const now = (await sql.readArchivedTo(database, [ledger])).get(ledger) ?? 0n;
      const last = to < now ? to : now;
      const before = from <= last ? await archived(ledger, from, last) : [];
      hashes = [...before, ...hashes.slice(Math.max(0, before.length + hashes.length - expected))];
    }
    found.push(hashes.length === expected ? hashes : undefined);
  }
  return found;
}
