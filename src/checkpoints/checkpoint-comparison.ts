import type pg from 'pg';
import { leafHash } from '../integrity/event.js';
import { parseCheckpoint } from '../integrity/checkpoint.js';
import { ED25519, NoteError, parseNote, VerifierKey, verifyNote } from '../integrity/signed-note.js';
import { GrowingTree, hashesAt, TILE_WIDTH, tileWidth, type Tile } from '../integrity/tiles.js';
import { HASH_BYTES } from '../integrity/event.js';
import * as anchors from './anchors.sql.js';
import { readHashesAnywhere, type ReadArchivedHashes } from './tree-tiles.js';
import * as sql from './tree.sql.js';

/**
 * Where events are not those that were signed (`checkpoint`), or a tile of the stored tree is not made of events that are
 * (`tile`). `sequence` is the first event that may be another, or that the wrong hash of the tile is over.
 */
export interface CheckpointFinding {
  kind: 'checkpoint' | 'tile';
  sequence: bigint;
  detail: string;
}

export interface ComparedRange {
  ledger: string;
  origin: string;
  /** both included */
  from: bigint;
  to: bigint;
  /** whether `to` is the last event that the ledger has: then nothing after it may have been signed */
  toHead: boolean;
}

/** So many events are read at once. */
const PAGE_EVENTS = 25_600n;
const PAGE_CHECKPOINTS = 1_000;
/** Tiles of 8 KiB that are read at once. */
const PAGE_TILES = 64;
const MAX_TILE_FINDINGS = 1_000;

/**
 * Level 2 of verification: a range of a ledger's events, as they are now, against every checkpoint of it that was signed.
 * The tree is grown again over their hashes; that these are the hashes of the events is level 1's to say. What lies
 * before the range is taken from the tiles of the tree, and where it begins the ledger, or where those tiles do not lead to
 * what was signed and the events do, from nothing at all. Tiles that are stored of what has grown are compared with it.
 *
 * Gives the first finding of events: whatever was signed later holds the same event. An event that is not there ends it, as
 * level 1 has told of that. Of tiles it gives each, up to MAX_TILE_FINDINGS.
 */
export async function compareWithCheckpoints(
  client: pg.ClientBase,
  archived: ReadArchivedHashes,
  range: ComparedRange,
): Promise<CheckpointFinding[]> {
  const { ledger, toHead } = range;
  const findings: CheckpointFinding[] = [];
  const latest = await anchors.findLatestCheckpoint(client, ledger);
  if (!latest) return findings;
  // later than what was signed: events that have come meanwhile are signed as well
  const size = toHead ? await sql.readSize(client, ledger) : undefined;
  if (size !== undefined && BigInt(latest.size) > size) {
    const missing = { from: size + 1n, to: BigInt(latest.size) };
    findings.push({
      kind: 'checkpoint',
      sequence: missing.from,
      detail: `${latest.size} events were signed (anchor ${latest.anchor}), and the ledger ends at ${size}: events ${missing.from} to ${missing.to} were cut off`,
    });
  }
  const tiles: CheckpointFinding[] = [];
  const changed = await firstChange(client, archived, range, tiles);
  if (changed) findings.push(changed);
  return [...findings, ...tiles.slice(0, MAX_TILE_FINDINGS)];
}

async function firstChange(
  client: pg.ClientBase,
  archived: ReadArchivedHashes,
  range: ComparedRange,
  tiles: CheckpointFinding[],
): Promise<CheckpointFinding | undefined> {
  const { ledger, to } = range;
  let tree = await treeBefore(client, ledger, range.from);
  let isOfEvents = tree.size === 0n;
  let right = range.from - 1n; // up to here the events are those that were signed, or not looked at
  for await (const checkpoint of checkpointsOf(client, ledger, range.from, to)) {
    const size = BigInt(checkpoint.size);
    if (!(await grow(client, archived, ledger, tree, size))) return undefined;
    if (!tree.root().equals(checkpoint.root_hash) && !isOfEvents) {
      // it may be the tiles before the range that were changed, and not the events of it
      const anew = new GrowingTree(0n, []);
      if (!(await grow(client, archived, ledger, anew, size))) return undefined;
      if (anew.root().equals(checkpoint.root_hash)) [tree, isOfEvents] = [anew, true];
    }
    if (!tree.root().equals(checkpoint.root_hash)) {
      const events =
        right + 1n === size
          ? `event ${size} is not the one that was`
          : `events ${right + 1n} to ${size} are not those that were`;
      return {
        kind: 'checkpoint',
        sequence: right + 1n,
        detail: `${events} signed (checkpoint of ${size} in anchor ${checkpoint.anchor})`,
      };
    }
    right = size;
    if (tiles.length < MAX_TILE_FINDINGS) tiles.push(...(await wrongTiles(client, ledger, tree)));
  }
  return signatureFault(client, range);
}

/** Appends events up to a size; false where one of them is not there. */
async function grow(
  client: pg.ClientBase,
  archived: ReadArchivedHashes,
  ledger: string,
  tree: GrowingTree,
  size: bigint,
): Promise<boolean> {
  while (tree.size < size) {
    const page = { from: tree.size + 1n, to: tree.size + PAGE_EVENTS < size ? tree.size + PAGE_EVENTS : size };
    const [hashes] = await readHashesAnywhere(client, ledger, archived, [page]);
    if (!hashes) return false;
    for (const hash of hashes) tree.append(leafHash(hash));
  }
  return true;
}

/**
 * Of the tiles by which a tree has grown that has the root that was signed, those that are stored otherwise. None while
 * the stored tree is being made anew, or has not come so far: it is not read then.
 */
async function wrongTiles(client: pg.ClientBase, ledger: string, tree: GrowingTree): Promise<CheckpointFinding[]> {
  const findings: CheckpointFinding[] = [];
  const grown = tree.takeGrown();
  for (let at = 0; at < grown.length; at += PAGE_TILES) {
    const page = grown.slice(at, at + PAGE_TILES);
    const stored = await sql.readTiles(client, ledger, page);
    for (const [i, { level, index, width, hashes }] of page.entries()) {
      const wrong = firstWrongHash(hashes, stored[i], width);
      if (wrong === undefined) continue;
      const leavesEach = BigInt(TILE_WIDTH) ** BigInt(level);
      const first = (index * BigInt(TILE_WIDTH) + BigInt(wrong)) * leavesEach + 1n;
      const what =
        stored[i] === undefined || stored[i].length < width * HASH_BYTES
          ? 'is not there as a whole'
          : `has another hash of the events ${first} to ${first + leavesEach - 1n}, which are those that were signed`;
      const detail = `tile ${level}/${index} of the stored tree ${what}: proofs that take it are not given`;
      findings.push({ kind: 'tile', sequence: first, detail });
    }
  }
  if (findings.length === 0) return findings;
  const storedSize = (await sql.readTrees(client, [ledger])).get(ledger)?.size ?? 0n;
  return storedSize < tree.size ? [] : findings;
}

function firstWrongHash(hashes: Buffer, stored: Buffer | undefined, width: number): number | undefined {
  for (let at = 0; at < width; at++) {
    const [start, end] = [at * HASH_BYTES, (at + 1) * HASH_BYTES];
    if (!stored?.subarray(start, end).equals(hashes.subarray(start, end))) return at;
  }
  return undefined;
}

/** What is wrong with the last checkpoint of the range itself: somebody may have changed what it says together with the events. */
async function signatureFault(
  client: pg.ClientBase,
  { ledger, origin, from, to }: ComparedRange,
): Promise<CheckpointFinding | undefined> {
  const last = await anchors.findLastCheckpointWithin(client, ledger, from, to);
  if (!last) return undefined;
  const keys = (await anchors.readSigningKeys(client)).map((key) => new VerifierKey(origin, ED25519, key));
  const where = `the checkpoint of ${last.size} in anchor ${last.anchor}`;
  try {
    const note = parseNote(last.note);
    verifyNote(note, keys);
    const said = parseCheckpoint(note.text);
    if (said.origin === origin && said.size === BigInt(last.size) && said.rootHash.equals(last.root_hash))
      return undefined;
    return { kind: 'checkpoint', sequence: BigInt(last.size), detail: `${where} is not what its note says` };
  } catch (error) {
    if (!(error instanceof NoteError)) throw error;
    return { kind: 'checkpoint', sequence: BigInt(last.size), detail: `${where} is not signed: ${error.message}` };
  }
}

/** The tree up to the last full tile before a sequence; an empty one where there is nothing to begin with. */
async function treeBefore(client: pg.ClientBase, ledger: string, from: bigint): Promise<GrowingTree> {
  const start = from - 1n - ((from - 1n) % BigInt(TILE_WIDTH));
  const tiles: Tile[] = [];
  for (let level = 1; hashesAt(level, start) > 0n; level++) {
    const index = hashesAt(level, start) / BigInt(TILE_WIDTH);
    tiles.push({ level, index, width: tileWidth(level, index, start) });
  }
  const wanted = tiles.filter(({ width }) => width > 0);
  const stored = wanted.length === 0 ? [] : await sql.readTiles(client, ledger, wanted);
  const open: Buffer[][] = [[]];
  for (const tile of tiles) {
    const hashes = stored[wanted.indexOf(tile)];
    if (tile.width > 0 && (hashes?.length ?? 0) < tile.width * HASH_BYTES) return new GrowingTree(0n, []);
    open.push(Array.from({ length: tile.width }, (_, at) => hashes!.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES)));
  }
  return new GrowingTree(start, start === 0n ? [] : open);
}

/** The checkpoints of sizes in a range, by size, one of each size. */
async function* checkpointsOf(
  client: pg.ClientBase,
  ledger: string,
  from: bigint,
  to: bigint,
): AsyncGenerator<anchors.SignedRow> {
  for (let next = from; next <= to;) {
    const page = await anchors.listCheckpointSizes(client, ledger, next, to, PAGE_CHECKPOINTS);
    yield* page;
    if (page.length < PAGE_CHECKPOINTS) return;
    next = BigInt(page.at(-1)!.size) + 1n;
  }
}
