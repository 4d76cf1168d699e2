import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { parseCheckpoint, type Checkpoint } from '../integrity/checkpoint.js';
import { HASH_BYTES, isStrictBase64, leafHash } from '../integrity/event.js';
import { signedByReached } from '../integrity/key-succession.js';
import { isConsistent } from '../integrity/merkle-proof.js';
import { NoteError, parseNote, type VerifierKey } from '../integrity/signed-note.js';
import { readJson, StrictJsonError, type JsonObject } from '../integrity/strict-json.js';
import {
  GrowingTree,
  hashesAt,
  hashesOf,
  rootFromTiles,
  TILE_WIDTH,
  tilePath,
  tileWidth,
  type ReadTiles,
  type Tile,
} from '../integrity/tiles.js';

export interface WatchOptions {
  /** of the ledger: `https://host/v1/ledgers/<slug>` */
  url: string;
  keys: readonly VerifierKey[];
  /** made at the first look */
  stateFile: string;
  token?: string | undefined;
  /** whether the tiles of what has come since the last look, at the first one of all, are read and recomputed */
  tiles?: boolean | undefined;
}

export interface WatchFinding {
  kind: 'key' | 'origin' | 'shrunk' | 'fork' | 'tile' | 'damaged';
  detail: string;
}

export interface WatchOutcome {
  verdict: 'valid' | 'invalid' | 'undecided';
  /** for people, a line each */
  summary: string[];
  findings: WatchFinding[];
  findings_total: number;
  checkpoint: { origin: string; size: string; root_hash: string } | null;
  remembered: { size: string; root_hash: string } | null;
}

const STATE_FORMAT = 'truetrail-monitor/1';
const TIMEOUT_MS = 30_000;
/** Of the problem by which a service says that a record, or a tile, is not what was signed. */
const DAMAGED = '/docs/problems/damaged-record';
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/** The service did not say what was asked, so that nothing is known of its ledger. */
class NoAnswer extends Error {}

/** What the service says is wrong whatever it says next. */
class Found extends Error {
  constructor(readonly finding: WatchFinding) {
    super(finding.detail);
  }
}

/**
 * Looks at a ledger from outside: its checkpoint must be signed, and extend the one that was seen before. What was seen is
 * remembered only when all is well; a checkpoint that contradicts it is kept beside the state as evidence, since the
 * ledger's own key has signed both. Throws the file system's errors.
 */
export async function watchLedger(options: WatchOptions): Promise<WatchOutcome> {
  const outcome: WatchOutcome = {
    verdict: 'valid',
    summary: [],
    findings: [],
    findings_total: 0,
    checkpoint: null,
    remembered: null,
  };
  const state = readState(options.stateFile);
  if (state) outcome.remembered = shown(state.checkpoint);
  try {
    const askBytes = (path: string): Promise<Buffer> =>
      askFor(`${options.url.replace(/\/+$/, '')}/${path}`, options.token);
    const ask = async (path: string): Promise<string> => (await askBytes(path)).toString('utf8');
    const note = await ask('checkpoint');
    const checkpoint = read(() => parseCheckpoint(parseNote(note).text));
    outcome.checkpoint = { origin: checkpoint.origin, ...shown(checkpoint) };
    await checkSignature(note, checkpoint, options.keys, ask);
    if (!state) {
      outcome.summary.push(`first look: size ${checkpoint.size} is remembered; there was nothing to compare it with`);
    } else {
      try {
        await compare(state.checkpoint, checkpoint, ask);
      } catch (error) {
        if (error instanceof Found) outcome.summary.push(keepEvidence(options.stateFile, note));
        throw error;
      }
      outcome.summary.push(`size ${checkpoint.size} extends size ${state.checkpoint.size}, which was seen before`);
    }
    if (options.tiles) {
      const from = state?.checkpoint;
      await compareTiles(from, checkpoint, askBytes);
      const since = from ? `since size ${from.size} ` : '';
      outcome.summary.push(`tiles and entries of what came ${since}lead to its root`);
    }
    await compareEnd(checkpoint, askBytes);
    writeState(options.stateFile, note);
  } catch (error) {
    if (error instanceof Found) {
      outcome.verdict = 'invalid';
      outcome.findings.push(error.finding);
      outcome.findings_total = 1;
    } else if (error instanceof NoAnswer) {
      outcome.verdict = 'undecided';
      outcome.summary.push(error.message);
    } else throw error;
  }
  return outcome;
}

type Ask = (path: string) => Promise<string>;

async function checkSignature(
  note: string,
  { origin, size }: Checkpoint,
  keys: readonly VerifierKey[],
  ask: Ask,
): Promise<void> {
  const trusted = keys.filter(({ name }) => name === origin);
  if (trusted.length === 0) {
    throw new Found({
      kind: 'origin',
      detail: `the ledger says that it is ${origin}: none of the keys given is for it`,
    });
  }
  const signed = parseNote(note);
  const attempt = (successions: readonly string[]): string | undefined => {
    try {
      signedByReached(signed, size, trusted, successions);
      return undefined;
    } catch (error) {
      if (error instanceof NoteError) return error.message;
      throw error;
    }
  };
  // also where the key given has signed it: its term may be over
  const fault = attempt(successionsIn(await ask('keys/history')));
  if (fault !== undefined) {
    throw new Found({
      kind: 'key',
      detail: `the checkpoint is not signed with a key reached from the one given: ${fault}`,
    });
  }
}

/** Throws Found unless `now` extends `seen`. */
async function compare(seen: Checkpoint, now: Checkpoint, ask: Ask): Promise<void> {
  if (now.origin !== seen.origin) {
    throw new Found({ kind: 'origin', detail: `the ledger was ${seen.origin} and is now ${now.origin}` });
  }
  if (now.size < seen.size) {
    throw new Found({ kind: 'shrunk', detail: `the ledger had ${seen.size} events and now has ${now.size}` });
  }
  if (now.size === seen.size) {
    if (now.rootHash.equals(seen.rootHash)) return;
    throw new Found({ kind: 'fork', detail: `there are two checkpoints of size ${now.size} with different roots` });
  }
  const hashes = proofIn(await ask(`consistency?from=${seen.size}&to=${now.size}`));
  if (!isConsistent(seen.size, seen.rootHash, now.size, now.rootHash, hashes)) {
    const detail = `the ledger of ${now.size} events is not shown to extend the one of ${seen.size} that was seen before`;
    throw new Found({ kind: 'fork', detail });
  }
}

/**
 * Reads the last events of a tree and what stands before them: whoever cut them off cannot give them, though the checkpoint
 * is still the one that was seen. Throws Found unless the root that is signed comes out.
 */
async function compareEnd({ size, rootHash }: Checkpoint, ask: (path: string) => Promise<Buffer>): Promise<void> {
  if (size === 0n) return;
  const index = (size - 1n) / BigInt(TILE_WIDTH);
  const before = index * BigInt(TILE_WIDTH);
  const tree = new GrowingTree(
    before,
    await openHashes(before, (tiles) => Promise.all(tiles.map((tile) => readTile(tile, ask)))),
  );
  for (const leaf of await readLeaves({ level: 0, index, width: Number(size - before) }, ask)) tree.append(leaf);
  if (tree.root().equals(rootHash)) return;
  throw lyingTile(`the tiles at the end of the tree of ${size} events lead to another root than its checkpoint`);
}

/** Tiles of level 0, and entries, that are asked for at once. */
const TILES_AT_ONCE = 8;

/**
 * Reads tiles and entries of a tree from the size at which it was seen before, and grows it again from them. Throws Found
 * unless the roots that were seen and are signed now, and every tile above the leaves, come out.
 */
async function compareTiles(
  seen: Checkpoint | undefined,
  now: Checkpoint,
  ask: (path: string) => Promise<Buffer>,
): Promise<void> {
  const read: ReadTiles = (tiles) => Promise.all(tiles.map((tile) => readTile(tile, ask)));
  const size = seen?.size ?? 0n;
  if (seen && !(await rootFromTiles(size, read)).equals(seen.rootHash)) {
    throw lyingTile(`the tiles at the end of the tree of ${size} events lead to another root than the one seen before`);
  }
  const open = await openHashes(size, read);
  const known = open[0] ?? [];
  const tree = new GrowingTree(
    size,
    open.map((each) => [...each]),
  );
  const wanted: Tile[] = [];
  for (let index = size / BigInt(TILE_WIDTH); tileWidth(0, index, now.size) > 0; index++) {
    wanted.push({ level: 0, index, width: tileWidth(0, index, now.size) });
  }
  for (let at = 0; at < wanted.length; at += TILES_AT_ONCE) {
    const page = wanted.slice(at, at + TILES_AT_ONCE);
    const leaves = await Promise.all(page.map((tile) => readLeaves(tile, ask)));
    for (const [i, each] of leaves.entries()) {
      const before = at + i === 0 ? known : [];
      if (!before.every((leaf, place) => each[place]?.equals(leaf))) {
        throw lyingTile(`tile ${tilePath(page[i]!)} is another than it was with ${before.length} hashes`);
      }
      for (const leaf of each.slice(before.length)) tree.append(leaf);
    }
  }
  if (!tree.root().equals(now.rootHash)) {
    const what = size === 0n ? 'the tiles' : `the tiles of what came after ${size} events`;
    throw lyingTile(`${what} lead to another root than the checkpoint of ${now.size}`);
  }
  for (const { hashes, ...tile } of tree.takeGrown()) {
    if ((await readTile(tile, ask)).equals(hashes)) continue;
    throw lyingTile(`tile ${tilePath(tile)} is not made of those below it, which lead to the root that is signed`);
  }
}

/** At each level the hashes of a tree past its last full tile. */
async function openHashes(size: bigint, read: ReadTiles): Promise<Buffer[][]> {
  const open: Buffer[][] = [];
  for (let level = 0; hashesAt(level, size) > 0n; level++) {
    const index = hashesAt(level, size) / BigInt(TILE_WIDTH);
    const width = tileWidth(level, index, size);
    const [hashes] = width === 0 ? [] : await read([{ level, index, width }]);
    open.push(hashes ? hashesOf(hashes) : []);
  }
  return open;
}

async function readTile(tile: Tile, ask: (path: string) => Promise<Buffer>): Promise<Buffer> {
  const path = `tile/${tilePath(tile)}`;
  const hashes = await ask(path);
  if (hashes.length === tile.width * HASH_BYTES) return hashes;
  throw lyingTile(`${path} has ${hashes.length} bytes, where ${tile.width} hashes should be`);
}

/** The leaves of a tile of level 0, which must be those of its entries. */
async function readLeaves(tile: Tile, ask: (path: string) => Promise<Buffer>): Promise<Buffer[]> {
  const path = `tile/${tilePath(tile).replace(/^0/, 'entries')}`;
  const [leaves, entries] = await Promise.all([readTile(tile, ask), ask(path)]);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(HASH_BYTES);
  const bytes = HASH_BYTES + length.length;
  const isOfEntries = hashesOf(leaves).every((leaf, at) => {
    const entry = entries.subarray(at * bytes, (at + 1) * bytes);
    return entry.subarray(0, 2).equals(length) && leafHash(entry.subarray(2)).equals(leaf);
  });
  if (isOfEntries && entries.length === tile.width * bytes) return hashesOf(leaves);
  throw lyingTile(`${path} has other event hashes than those that the tile is of`);
}

function lyingTile(detail: string): Found {
  return new Found({ kind: 'tile', detail });
}

async function askFor(url: string, token: string | undefined): Promise<Buffer> {
  let response: Response;
  let bytes: Buffer;
  try {
    response = await fetch(url, {
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    bytes = await readBounded(response);
  } catch (error) {
    const { message, cause } = error as Error;
    const reason = cause instanceof Error ? cause.message : message;
    throw new NoAnswer(`${url}: ${reason}`, { cause: error });
  }
  if (!response.ok) {
    const said = `${url}: ${response.status} ${bytes.toString('utf8').slice(0, 300)}`;
    // it refuses to give what is not what was signed
    if (response.status === 500 && said.includes(DAMAGED)) throw new Found({ kind: 'damaged', detail: said });
    throw new NoAnswer(said);
  }
  return bytes;
}

async function readBounded(response: Response): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += (chunk as Uint8Array).length;
    if (bytes > MAX_ANSWER_BYTES) throw new Error('the answer is too long');
    chunks.push(chunk as Uint8Array);
  }
  return Buffer.concat(chunks);
}

/** The notes of successions in the answer of keys/history. */
function successionsIn(text: string): string[] {
  const { successions } = objectIn(text);
  if (!Array.isArray(successions)) throw new NoAnswer('the history of keys has no list of successions');
  return successions.flatMap((each) => {
    const note = typeof each === 'object' && each !== null && !Array.isArray(each) ? each.note : undefined;
    return typeof note === 'string' ? [note] : [];
  });
}

function proofIn(text: string): Buffer[] {
  const { hashes } = objectIn(text);
  if (!Array.isArray(hashes)) throw new NoAnswer('the proof of consistency has no list of hashes');
  return hashes.map((hash) => {
    const bytes = typeof hash === 'string' && isStrictBase64(hash) ? Buffer.from(hash, 'base64') : undefined;
    if (bytes?.length !== HASH_BYTES) throw new NoAnswer('a hash of the proof of consistency is no base64 of 32 bytes');
    return bytes;
  });
}

function objectIn(text: string): JsonObject {
  try {
    const value = readJson(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
  }
  throw new NoAnswer('the answer is no JSON object');
}

function read(parse: () => Checkpoint): Checkpoint {
  try {
    return parse();
  } catch (error) {
    if (error instanceof NoteError) throw new NoAnswer(`what the service answers is no checkpoint: ${error.message}`);
    throw error;
  }
}

/** What was seen before; undefined at the first look. Throws for a file that is none of ours. */
function readState(file: string): { checkpoint: Checkpoint } | undefined {
  if (!existsSync(file)) return undefined;
  const note = rememberedNote(readFileSync(file));
  if (note === undefined) throw new Error(`${file} is not what this program remembers`);
  return { checkpoint: parseCheckpoint(parseNote(note).text) };
}

/** The checkpoint in the bytes of a state file; undefined where they are none of one. */
export function rememberedNote(bytes: Buffer): string | undefined {
  try {
    const { format, note } = objectIn(bytes.toString());
    return format === STATE_FORMAT && typeof note === 'string' ? note : undefined;
  } catch (error) {
    if (error instanceof NoAnswer) return undefined;
    throw error;
  }
}

/** By rename, so that the file is whole at every moment. */
function writeState(file: string, note: string): void {
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, `${JSON.stringify({ format: STATE_FORMAT, note }, null, 2)}\n`, { flush: true });
  renameSync(temporary, file);
}

/** Says where the checkpoint is kept. */
function keepEvidence(file: string, note: string): string {
  const kept = `${file}.conflict-${createHash('sha256').update(note).digest('hex').slice(0, 16)}`;
  writeFileSync(kept, note, { flush: true });
  return `the checkpoint that contradicts ${file} is kept in ${kept}: both are signed by the ledger's key`;
}

function shown({ size, rootHash }: Checkpoint): { size: string; root_hash: string } {
  return { size: String(size), root_hash: rootHash.toString('hex') };
}
