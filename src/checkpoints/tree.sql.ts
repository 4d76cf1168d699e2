import type pg from 'pg';
import { HASH_BYTES } from '../integrity/event.js';
import { hashesOf, type Tile } from '../integrity/tiles.js';

type Database = pg.Pool | pg.ClientBase;

/** How far a tree has grown, and the last tile of each level where it is not full. */
export interface GrownTree {
  size: bigint;
  /** at each level from 0, the hashes past its last full tile */
  open: Buffer[][];
}

/** The trees of some ledgers; a ledger whose tree has no leaf yet is not among them. */
export async function readTrees(database: Database, ledgers: readonly string[]): Promise<Map<string, GrownTree>> {
  const { rows } = await database.query<{ ledger: string; size: string; level: number; hashes: Buffer }>(
    `SELECT t.ledger, t.size, 0 AS level, t.open_leaves AS hashes FROM trees AS t WHERE t.ledger = ANY ($1)
     UNION ALL
     SELECT t.ledger, t.size, n.level, n.hashes FROM trees AS t
       CROSS JOIN generate_series(1, 7) AS l (level)
       JOIN tree_tiles AS n ON n.ledger = t.ledger AND n.level = l.level
         AND n.tile_index = t.size >> (8 * (l.level + 1))
       WHERE t.ledger = ANY ($1)
     ORDER BY ledger, level`,
    [ledgers],
  );
  const trees = new Map<string, GrownTree>();
  for (const { ledger, size, level, hashes } of rows) {
    let tree = trees.get(ledger);
    if (!tree) trees.set(ledger, (tree = { size: BigInt(size), open: [] }));
    while (tree.open.length < level) tree.open.push([]);
    tree.open[level] = hashesOf(hashes);
  }
  return trees;
}

/** What a tree has grown by. */
export interface Growth {
  ledger: string;
  from: bigint;
  to: bigint;
  openLeaves: Buffer;
  tiles: (Tile & { hashes: Buffer })[];
}

/** Fails with TT040 when a tree has not the size that it is said to grow from. */
export async function growTrees(database: Database, growths: readonly Growth[]): Promise<void> {
  const tiles = growths.flatMap(({ ledger, tiles: each }) => each.map((tile) => ({ ledger, ...tile })));
  await database.query('SELECT grow_trees($1, $2, $3, $4, $5, $6, $7, $8)', [
    growths.map(({ ledger }) => ledger),
    growths.map(({ from }) => String(from)),
    growths.map(({ to }) => String(to)),
    growths.map(({ openLeaves }) => openLeaves),
    tiles.map(({ ledger }) => ledger),
    tiles.map(({ level }) => level),
    tiles.map(({ index }) => String(index)),
    tiles.map(({ hashes }) => hashes),
  ]);
}

export async function forgetTree(database: Database, ledger: string): Promise<void> {
  await database.query('SELECT forget_tree($1)', [ledger]);
}

/** The hashes of tiles of levels 1 and up, in their order; undefined for one that is not there. */
export async function readTiles(
  database: Database,
  ledger: string,
  tiles: readonly Tile[],
): Promise<(Buffer | undefined)[]> {
  const found: (Buffer | undefined)[] = tiles.map(() => undefined);
  const { rows } = await database.query<{ place: string; hashes: Buffer }>({
    name: 'read_tree_tiles',
    text: `SELECT a.place, t.hashes
             FROM unnest($2::smallint[], $3::bigint[]) WITH ORDINALITY AS a (level, tile_index, place)
             JOIN tree_tiles AS t ON t.ledger = $1 AND t.level = a.level AND t.tile_index = a.tile_index`,
    values: [ledger, tiles.map(({ level }) => level), tiles.map(({ index }) => String(index))],
  });
  for (const { place, hashes } of rows) found[Number(place) - 1] = hashes;
  return found;
}

/** A range of sequences, both ends included. */
export interface SequenceRange {
  ledger: string;
  from: bigint;
  to: bigint;
}

/**
 * The hashes of events that are in the database, of each range in order of sequence. To be called in a transaction that
 * has locked the parent of the months: see readPage.
 */
export async function readEventHashes(database: Database, ranges: readonly SequenceRange[]): Promise<Buffer[][]> {
  // by name, since planning over all months takes longer than the rows do
  const { rows } = await database.query<{ place: string; first: string; sequences: string; hashes: Buffer }>({
    name: 'read_event_hashes',
    text: `SELECT r.place, coalesce(min(e.sequence), 0) AS first, count(e.sequence) AS sequences,
            string_agg(e.event_hash, ''::bytea ORDER BY e.sequence) AS hashes
       FROM unnest($1::text[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS r (ledger, first, last, place)
       CROSS JOIN LATERAL (
         SELECT a.sequence, a.event_hash FROM audit_events AS a
           WHERE a.ledger = r.ledger AND a.sequence BETWEEN r.first AND r.last ORDER BY a.sequence) AS e
       GROUP BY r.place`,
    values: [
      ranges.map(({ ledger }) => ledger),
      ranges.map(({ from }) => String(from)),
      ranges.map(({ to }) => String(to)),
    ],
  });
  const found: Buffer[][] = ranges.map(() => []);
  for (const { place, first, sequences, hashes } of rows) {
    const { from, to } = ranges[Number(place) - 1]!;
    const isWhole =
      BigInt(first) === from &&
      BigInt(sequences) === to - from + 1n &&
      hashes.length === Number(sequences) * HASH_BYTES;
    if (isWhole) found[Number(place) - 1] = hashesOf(hashes);
  }
  return found;
}

/** How far the ledgers' events have left the database. */
export async function readArchivedTo(database: Database, ledgers: readonly string[]): Promise<Map<string, bigint>> {
  const { rows } = await database.query<{ ledger: string; archived_to: string }>(
    'SELECT ledger, archived_to FROM ledger_heads WHERE ledger = ANY ($1)',
    [ledgers],
  );
  return new Map(rows.map(({ ledger, archived_to }) => [ledger, BigInt(archived_to)]));
}

/** How many events a ledger has; undefined where it has no head. */
export async function readSize(database: Database, ledger: string): Promise<bigint | undefined> {
  const { rows } = await database.query<{ size: string }>('SELECT size FROM ledger_heads WHERE ledger = $1', [ledger]);
  return rows[0] && BigInt(rows[0].size);
}
