import type pg from 'pg';
import { HASH_BYTES, leafHash } from '../integrity/event.js';
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
    const leaves = tiles.filter(({ level }) => level === 0);
    const stored = upper.length === 0 ? [] : await sql.readTiles(database, ledger, upper);
    const events =
      leaves.length === 0 ? [] : await readHashesAnywhere(database, ledger, archived, leaves.map(sequencesOf));
    return tiles.map((tile) => {
      const hashes = tile.level > 0 ? stored[upper.indexOf(tile)] : events[leaves.indexOf(tile)]?.map(leafHash);
      const name = `tile ${tile.level}/${tile.index} of ${ledger}`;
      if (!hashes) throw new TileMissingError(`${name} is not there`);
      const bytes = Buffer.isBuffer(hashes) ? hashes : Buffer.concat(hashes);
      if (bytes.length < tile.width * HASH_BYTES) throw new TileMissingError(`${name} lacks hashes`);
      return bytes;
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
  const here = await sql.readEventHashes(
    database,
    ranges.map(({ from, to }) => ({ ledger, from, to })),
  );
  const found: (Buffer[] | undefined)[] = [];
  for (const [at, range] of ranges.entries()) {
    found.push(here[at]!.length > 0 ? here[at] : await readHashesInParts(database, ledger, archived, range));
  }
  return found;
}

/** Of a range that is not all here. A month may leave between two statements: then the border has moved. */
async function readHashesInParts(
  database: pg.Pool | pg.ClientBase,
  ledger: string,
  archived: ReadArchivedHashes,
  { from, to }: { from: bigint; to: bigint },
): Promise<Buffer[] | undefined> {
  for (let known = -1n; ;) {
    const border = (await sql.readArchivedTo(database, [ledger])).get(ledger) ?? 0n;
    if (border === known) return undefined;
    known = border;
    const last = to < border ? to : border;
    const before = from <= last ? await archived(ledger, from, last) : [];
    const next = from + BigInt(before.length);
    if (next > to) return before;
    const [rest] = await sql.readEventHashes(database, [{ ledger, from: next, to }]);
    if (rest!.length > 0) return [...before, ...rest!];
  }
}
