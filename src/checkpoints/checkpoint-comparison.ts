import type pg from 'pg';
import { leafHash } from '../integrity/event.js';
import { parseCheckpoint } from '../integrity/checkpoint.js';
import { ED25519, NoteError, parseNote, VerifierKey, verifyNote } from '../integrity/signed-note.js';
import { GrowingTree, hashesAt, TILE_WIDTH, tileWidth, type Tile } from '../integrity/tiles.js';
import { HASH_BYTES } from '../integrity/event.js';
import * as anchors from './anchors.sql.js';
import { readHashesAnywhere, type ReadArchivedHashes } from './tree-tiles.js';
import * as sql from './tree.sql.js';

/** Where events are not those that were signed; `sequence` is the first one that may be another. */
export interface CheckpointFinding {
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

/**
 * Level 2 of verification: a range of a ledger's events, as they are now, against every checkpoint of it that was signed.
 * The tree is grown again over their hashes; that these are the hashes of the events is level 1's to say. What lies
 * before the range is taken from the tiles of the tree, and where it begins the ledger from nothing at all.
 *
 * Gives the first finding: whatever was signed later holds the same event. An event that is not there ends it, as level 1
 * has told of that.
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
      sequence: missing.from,
      detail: `${latest.size} events were signed (anchor ${latest.anchor}), and the ledger ends at ${size}: events ${missing.from} to ${missing.to} were cut off`,
    });
  }
  const changed = await firstChange(client, archived, range);
  if (changed) findings.push(changed);
  return findings;
}

async function firstChange(
  client: pg.ClientBase,
  archived: ReadArchivedHashes,
  range: ComparedRange,
): Promise<CheckpointFinding | undefined> {
  const { ledger, to } = range;
  const tree = await treeBefore(client, ledger, range.from);
  let right = range.from - 1n; // up to here the events are those that were signed, or not looked at
  for await (const checkpoint of checkpointsOf(client, ledger, range.from, to)) {
    const size = BigInt(checkpoint.size);
    while (tree.size < size) {
      const page = { from: tree.size + 1n, to: tree.size + PAGE_EVENTS < size ? tree.size + PAGE_EVENTS : size };
      const [hashes] = await readHashesAnywhere(client, ledger, archived, [page]);
      if (!hashes) return undefined;
      for (const hash of hashes) tree.append(leafHash(hash));
    }
    if (!tree.root().equals(checkpoint.root_hash)) {
      const events =
        right + 1n === size
          ? `event ${size} is not the one that was`
          : `events ${right + 1n} to ${size} are not those that were`;
      return {
        sequence: right + 1n,
        detail: `${events} signed (checkpoint of ${size} in anchor ${checkpoint.anchor})`,
      };
    }
    right = size;
  }
  return signatureFault(client, range);
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
    return { sequence: BigInt(last.size), detail: `${where} is not what its note says` };
  } catch (error) {
    if (!(error instanceof NoteError)) throw error;
    return { sequence: BigInt(last.size), detail: `${where} is not signed: ${error.message}` };
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
