import type pg from 'pg';
import { HASH_BYTES, leafHash } from '../integrity/event.js';
import { completeRoot, GrowingTree, rootFromTiles, TILE_WIDTH } from '../integrity/tiles.js';
import * as sql from './tree.sql.js';
import { TileMissingError, tileReader, type ReadArchivedHashes } from './tree-tiles.js';

/** A tree that is to have a size, and what was last signed of it. */
export interface WantedRoot {
  ledger: string;
  /** at most that of the ledger */
  size: bigint;
  /** of which the tree must be an extension */
  signed: { size: bigint; rootHash: Uint8Array } | null;
}

/** The root of a tree at the size that was wanted, or why there is none to be had. */
export type FoundRoot = { ledger: string; rootHash: Uint8Array } | { ledger: string; fault: string };

/** So many ledgers, and so many events, are worked on at once: some MB of hashes. */
const MAX_LEDGERS = 500;
const MAX_EVENTS = 50_000n;

/**
 * Grows trees by events as they stand in the database now, read back for this, and finds their roots. A tree that does
 * not have the root that was signed is made anew from the events once: then they are what does not. Rejects when
 * something could not be read.
 */
export async function findRoots(
  client: pg.ClientBase,
  archived: ReadArchivedHashes,
  wanted: readonly WantedRoot[],
): Promise<FoundRoot[]> {
  const found: FoundRoot[] = [];
  for (let at = 0; at < wanted.length; at += MAX_LEDGERS) {
    const part = wanted.slice(at, at + MAX_LEDGERS);
    const ledgers = part.map(({ ledger }) => ledger);
    const before = await sql.readTrees(client, ledgers);
    const faults = await growAll(client, archived, part);
    const after = await sql.readTrees(client, ledgers);
    for (const each of part) {
      const { ledger, size, signed } = each;
      const trees = [before.get(ledger), after.get(ledger)];
      let fault = faults.get(ledger);
      if (fault !== undefined || (signed && !(await hasRoot(client, archived, ledger, trees, signed)))) {
        fault = await doubt(client, archived, each);
        trees.length = 0; // they are not what is stored any more
      }
      found.push(
        fault === undefined
          ? { ledger, rootHash: await rootOf(client, archived, ledger, trees, size) }
          : { ledger, fault },
      );
    }
  }
  return found;
}

/** Why the events of a ledger do not lead from what was signed to what is wanted; undefined when only its tree did not. */
async function doubt(
  client: pg.ClientBase,
  archived: ReadArchivedHashes,
  wanted: WantedRoot,
): Promise<string | undefined> {
  const { ledger, size, signed } = wanted;
  if (signed && signed.size > size) return `it was signed with ${signed.size} events, and has ${size}`;
  await sql.forgetTree(client, ledger);
  const fault = (await growAll(client, archived, [wanted])).get(ledger);
  if (fault !== undefined) return fault;
  if (!signed || (await hasRoot(client, archived, ledger, [], signed))) return undefined;
  return `its first ${signed.size} events are not those that were signed`;
}

async function hasRoot(
  client: pg.ClientBase,
  archived: ReadArchivedHashes,
  ledger: string,
  trees: readonly (sql.GrownTree | undefined)[],
  { size, rootHash }: { size: bigint; rootHash: Uint8Array },
): Promise<boolean> {
  try {
    return (await rootOf(client, archived, ledger, trees, size)).equals(rootHash);
  } catch (error) {
    if (error instanceof TileMissingError || error instanceof RangeError) return false;
    throw error;
  }
}

/** The root at a size: of one of the trees that are at hand, if it has that size, otherwise from tiles. */
async function rootOf(
  client: pg.ClientBase,
  archived: ReadArchivedHashes,
  ledger: string,
  trees: readonly (sql.GrownTree | undefined)[],
  size: bigint,
): Promise<Buffer> {
  const stored = trees.find((each) => each?.size === size);
  const tree = stored && GrowingTree.stored(size, stored.open);
  if (tree) return tree.root();
  return rootFromTiles(size, tileReader(client, ledger, archived));
}

/** Grows each tree to the size that is wanted, in steps that are stored one by one; why not, for those that could not. */
async function growAll(
  client: pg.ClientBase,
  archived: ReadArchivedHashes,
  wanted: readonly WantedRoot[],
): Promise<Map<string, string>> {
  const faults = new Map<string, string>();
  for (;;) {
    const trees = await sql.readTrees(
      client,
      wanted.map(({ ledger }) => ledger),
    );
    const ranges: sql.SequenceRange[] = [];
    let room = MAX_EVENTS;
    for (const { ledger, size } of wanted) {
      const from = trees.get(ledger)?.size ?? 0n;
      if (from >= size || room === 0n || faults.has(ledger)) continue;
      const to = size - from <= room ? size : from + room;
      ranges.push({ ledger, from: from + 1n, to });
      room -= to - from;
    }
    if (ranges.length === 0) return faults;
    // with what the tree ended with: whoever has rewritten the past has changed that as well
    const overlaps = ranges.map(({ ledger }) => overlapOf(trees.get(ledger)));
    const hashes = await readHashes(
      client,
      archived,
      ranges.map((range, at) => ({ ...range, from: range.from - BigInt(overlaps[at]!) })),
    );
    const growths: sql.Growth[] = [];
    for (const [at, { ledger, from, to }] of ranges.entries()) {
      const grown = trees.get(ledger);
      const tree = GrowingTree.stored(grown?.size ?? 0n, grown?.open ?? []);
      if (!tree) {
        faults.set(ledger, `what is stored of its tree is not a tree of ${grown?.size} events`);
        continue;
      }
      const [before, added] = [hashes[at]!.slice(0, overlaps[at]), hashes[at]!.slice(overlaps[at])];
      if (added.length === 0) {
        faults.set(ledger, `events from ${from} to ${to} are not all there`);
        continue;
      }
      if (grown && !(await endsWith(client, ledger, grown, before))) {
        faults.set(ledger, `its first ${grown.size} events are not those that were signed, or that its tree is of`);
        continue;
      }
      for (const hash of added) tree.append(leafHash(hash));
      growths.push({ ledger, from: from - 1n, to, openLeaves: tree.openLeaves(), tiles: tree.takeGrown() });
    }
    if (growths.length > 0) await sql.growTrees(client, growths);
  }
}

/** How many events before those that are new are read again: the last one, or those of the last tile when that is full. */
function overlapOf(tree: sql.GrownTree | undefined): number {
  if (!tree) return 0;
  return tree.size % BigInt(TILE_WIDTH) === 0n ? TILE_WIDTH : 1;
}

/** Whether a tree ends with the leaves of these events. */
async function endsWith(
  client: pg.ClientBase,
  ledger: string,
  { size, open }: sql.GrownTree,
  hashes: readonly Buffer[],
): Promise<boolean> {
  const leaves = hashes.map(leafHash);
  if (leaves.length === 1) return open[0]!.at(-1)!.equals(leaves[0]!);
  const last = size / BigInt(TILE_WIDTH) - 1n;
  const width = Number(last % BigInt(TILE_WIDTH)) + 1;
  const [tile] = await sql.readTiles(client, ledger, [{ level: 1, index: last / BigInt(TILE_WIDTH), width }]);
  return (
    tile?.subarray((width - 1) * HASH_BYTES, width * HASH_BYTES).equals(completeRoot(Buffer.concat(leaves))) ?? false
  );
}

/** The hashes of events, wherever they are; none for a range that is not whole. */
async function readHashes(
  client: pg.ClientBase,
  archived: ReadArchivedHashes,
  ranges: readonly sql.SequenceRange[],
): Promise<Buffer[][]> {
  await client.query('BEGIN READ ONLY; LOCK TABLE ONLY audit_events IN ACCESS SHARE MODE');
  let here: Buffer[][];
  let borders: Map<string, bigint>;
  try {
    borders = await sql.readArchivedTo(
      client,
      ranges.map(({ ledger }) => ledger),
    );
    const online = ranges.map(({ ledger, from, to }) => {
      const border = borders.get(ledger) ?? 0n;
      return { ledger, from: from > border ? from : border + 1n, to };
    });
    here = await sql.readEventHashes(client, online);
  } finally {
    await client.query('COMMIT');
  }
  const hashes: Buffer[][] = [];
  for (const [at, { ledger, from, to }] of ranges.entries()) {
    const border = borders.get(ledger) ?? 0n;
    const last = to < border ? to : border;
    const before = from <= last ? await archived(ledger, from, last) : [];
    const all = [...before, ...here[at]!];
    hashes.push(BigInt(all.length) === to - from + 1n ? all : []);
  }
  return hashes;
}
