import { hash } from 'node:crypto';
import { parseAnchor } from './anchor.js';
import { canonicalize, type JsonObject, type JsonValue } from './canonical-json.js';
import { parseCheckpoint } from './checkpoint.js';
import { leafHash } from './event.js';
import {
  COMPLETENESS,
  kindOfAsked,
  shownDeleted,
  type BundleClaims,
  type BundleTimestamp,
  type DeletedEvents,
  type SequenceRange,
} from './evidence-claims.js';
import { BundleLineCheck, canonicalLine, lineOf } from './evidence-lines.js';
import { EvidencePage } from './evidence-page.js';
import type { Subtree } from './merkle-proof.js';
import { MultiproofPath, MultiproofRoot } from './multiproof.js';
import { parseNote } from './signed-note.js';
import type { EventRecord } from './stored-event.js';
import { readJson, StrictJsonError } from './strict-json.js';
import { deflateEntry, ZipWriter } from './zip.js';

/**
 * Events, the proof that they stand in a ledger's signed and anchored tree, and all that it takes to see it without a
 * network: one zip, described in docs/evidence.md. Whatever was the same when it was made again is the same to the byte.
 */

export const BUNDLE_FORMAT = 'truetrail-bundle/1';

export interface BundleFile {
  name: string;
  bytes: bigint;
  /** SHA-256 in hex */
  sha256: string;
  /** as it stands in the zip */
  packedBytes: bigint;
  packedSha256: string;
}

export interface BundleManifest extends BundleClaims {
  /** how many events were found */
  events: bigint;
  /** how many envelopes stand beside them, of events that were not asked for */
  envelopes: bigint;
  /** of the proof */
  hashes: bigint;
  /** in the order of the zip, all but the manifest itself */
  files: BundleFile[];
}

/** What proves and explains, beside the events. */
export interface BundlePapers {
  /** the note, with the signatures of witnesses after the ledger's own */
  checkpoint: string;
  /** the bytes of the anchor that holds it, and of those that follow, up to the last one that was stamped; at least one */
  anchors: readonly Buffer[];
  timestamps: readonly BundleTimestamp[];
  /** verifier keys of the ledger, the present one first */
  keys: readonly string[];
  /** notes of key-succession.ts */
  successions: readonly string[];
  /** of the archive's catalogue, the objects that hold these events */
  archive: readonly JsonObject[];
}

/** An event of a bundle. */
export interface BundleEvent {
  record: EventRecord;
  /** false for one that was not asked for, whose envelope alone goes in */
  isFound: boolean;
}

export interface BundleSource {
  claims: BundleClaims;
  /** in the order of their sequences, a page at a time */
  pages: AsyncIterable<readonly BundleEvent[]>;
  /** the hashes of subtrees of the checkpoint's tree, in their order */
  hashesOf: (subtrees: readonly Subtree[]) => Promise<readonly Buffer[]>;
  checkpoint: string;
  /** asked for once all events are in */
  papers: () => Promise<Omit<BundlePapers, 'checkpoint'>>;
  /**
   * true: events go in as they are, and what is wrong with them is for whoever verifies the bundle to say, all of it and
   * in its words. Such a bundle is handed to nobody
   */
  isUnchecked?: boolean;
}

/** A bundle that cannot be made, since it would not verify; `message` is a sentence that says why. */
export class BundleError extends Error {
  override readonly name = 'BundleError';
}

export const FILES = {
  events: (number: number) => `events/${String(number).padStart(6, '0')}.ndjson`,
  proof: (number: number) => `proof/${String(number).padStart(6, '0')}.hashes`,
  checkpoint: 'checkpoint',
  anchor: (number: bigint) => `anchors/${String(number).padStart(12, '0')}.json`,
  timestamp: (anchor: bigint, number: number) => `timestamps/${String(anchor).padStart(12, '0')}-${number}.tsr`,
  keys: 'keys.json',
  archive: 'archive.ndjson',
  page: 'index.html',
  manifest: 'manifest.json',
} as const;

/** A piece of events ends with the line that makes it this long; one is held in memory. */
const PIECE_BYTES = 4 * 1024 * 1024;
/** Of a piece of the proof, 65 bytes each. */
const PIECE_HASHES = 65_536;
/** A line of events is shorter: a content is sent in 256 KiB at most, and written in canonical form takes at most six times that. */
const MAX_LINE_BYTES = 2 * 1024 * 1024;
/** What a file of a bundle may have, unpacked, for those that are read line by line or whose members are tried one by one. */
export const MAX_FILE_BYTES = {
  events: PIECE_BYTES + MAX_LINE_BYTES,
  proof: PIECE_HASHES * 65,
  /** thousands of keys and successions */
  keys: 1024 * 1024,
} as const;

/**
 * The bytes of a bundle, one after the other. Everything in it is checked on its way as a verifier would, signatures
 * apart, unless it is made to be verified: throws BundleError for what would not verify, and what the source throws.
 */
export async function* writeBundle(source: BundleSource): AsyncGenerator<Buffer> {
  const { claims, isUnchecked = false } = source;
  const checkpoint = parseCheckpoint(parseNote(source.checkpoint).text);
  if (checkpoint.origin !== claims.origin) throw new BundleError(`the checkpoint is of ${checkpoint.origin}`);
  if (claims.asOf > checkpoint.size) throw new BundleError(`the checkpoint ends at ${checkpoint.size}`);

  const zip = new BundleZip();
  const page = new EvidencePage(claims);
  const check = new BundleLineCheck(claims, ({ sequence, detail }) => {
    if (!isUnchecked) throw new BundleError(`event ${sequence}: ${detail}`);
  });
  const proof = new ProofPieces(zip);
  const path = new MultiproofPath(checkpoint.size);
  const waiting: Buffer[] = [];
  const tree = new MultiproofRoot(checkpoint.size, () => waiting.shift()!);
  const lines = new EventPieces(zip);

  for await (const events of source.pages) {
    const subtrees = events.flatMap(({ record: { sequence } }) => subtreesBefore(path, sequence));
    const hashes = subtrees.length === 0 ? [] : await source.hashesOf(subtrees);
    waiting.push(...hashes);
    for (const { record, isFound } of events) {
      const line = lineOf(record, isFound && claims.contents);
      const { text: lineText, contentText } = canonicalLine(line);
      const eventHash = check.take(line, contentText);
      if (!isUnchecked) tree.append(BigInt(record.sequence) - 1n, leafHash(eventHash!));
      page.take(line);
      lines.add(lineText);
      if (lines.isFull) yield* lines.next();
    }
    if (hashes.length > 0) {
      yield* lines.whole();
      yield* proof.add(hashes);
    }
  }
  check.end();
  yield* lines.end();
  const rest = path.rest();
  const hashes = rest.length === 0 ? [] : await source.hashesOf(rest);
  waiting.push(...hashes);
  yield* proof.add(hashes);
  yield* proof.end();
  if (!isUnchecked && !tree.root().equals(checkpoint.rootHash)) {
    throw new BundleError('the events and hashes do not lead to the root of the checkpoint');
  }

  const papers: BundlePapers = { ...(await source.papers()), checkpoint: source.checkpoint };
  yield* zip.add(FILES.checkpoint, Buffer.from(papers.checkpoint));
  for (const anchor of papers.anchors) yield* zip.add(FILES.anchor(parseAnchor(anchor).number), anchor);
  const counted = new Map<bigint, number>();
  for (const { anchor, reply } of papers.timestamps) {
    const number = (counted.get(anchor) ?? 0) + 1;
    counted.set(anchor, number);
    yield* zip.add(FILES.timestamp(anchor, number), reply);
  }
  yield* zip.add(FILES.keys, Buffer.from(keysText(papers.keys, papers.successions)));
  yield* zip.add(FILES.archive, Buffer.from(papers.archive.map((entry) => `${canonicalize(entry)}\n`).join('')));
  const counts = { events: check.events, envelopes: check.envelopes };
  yield* zip.add(FILES.page, Buffer.from(page.render({ ...counts, ...papers })));
  yield* zip.end(manifestText({ ...claims, ...counts, hashes: proof.count, files: zip.files }));
}

/** Those of the proof before an event. Throws BundleError for one that has no place in the tree after the one before. */
function subtreesBefore(path: MultiproofPath, sequence: string): Subtree[] {
  try {
    return path.before(BigInt(sequence) - 1n);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new BundleError(`event ${sequence}: it has no place there in the tree of the checkpoint`, { cause });
  }
}

/** Lines of events. A piece is deflated on another thread while the next one is put together. */
class EventPieces {
  private pieces = 0;
  /** the piece in the making, as far as `at`, and the one that was before it */
  private bytes = Buffer.allocUnsafeSlow(MAX_FILE_BYTES.events);
  private other = Buffer.allocUnsafeSlow(MAX_FILE_BYTES.events);
  private at = 0;
  private deflating: { content: Buffer; packed: Promise<Buffer> } | undefined;

  constructor(private readonly zip: BundleZip) {}

  get isFull(): boolean {
    return this.at >= PIECE_BYTES;
  }

  /** Throws BundleError for a line longer than any event's. */
  add(line: string): void {
    const room = this.bytes.length - this.at - 1;
    if (line.length * 3 > room && Buffer.byteLength(line) > room) throw new BundleError('a line is too long');
    this.at += this.bytes.write(line, this.at);
    this.bytes[this.at++] = 0x0a;
  }

  /** Begins the next piece; what comes of the zip is the one before, once that is deflated. */
  async *next(): AsyncGenerator<Buffer> {
    yield* this.whole();
    const content = this.bytes.subarray(0, this.at);
    const packed = deflateEntry(content);
    packed.catch(() => undefined); // whoever awaits it is told
    this.deflating = { content, packed };
    [this.bytes, this.other] = [this.other, this.bytes];
    this.at = 0;
  }

  /** All pieces that were begun. */
  async *whole(): AsyncGenerator<Buffer> {
    if (!this.deflating) return;
    const { content, packed } = this.deflating;
    this.deflating = undefined;
    yield* this.zip.addDeflated(FILES.events(++this.pieces), content, await packed);
  }

  /** All pieces, the last one whatever it has. */
  async *end(): AsyncGenerator<Buffer> {
    if (this.at > 0) yield* this.next();
    yield* this.whole();
  }
}

/** Hashes in the order of the proof, a line each in hex. */
class ProofPieces {
  count = 0n;
  private lines: string[] = [];
  private pieces = 0;

  constructor(private readonly zip: BundleZip) {}

  *add(hashes: readonly Buffer[]): Generator<Buffer> {
    for (const each of hashes) {
      this.lines.push(`${each.toString('hex')}\n`);
      this.count += 1n;
      if (this.lines.length === PIECE_HASHES) yield* this.end();
    }
  }

  *end(): Generator<Buffer> {
    if (this.lines.length === 0) return;
    yield* this.zip.add(FILES.proof(++this.pieces), Buffer.from(this.lines.join('')));
    this.lines = [];
  }
}

/** A zip whose last entry, stored as it is, has the digests of all others. */
class BundleZip {
  readonly files: BundleFile[] = [];
  private readonly zip = new ZipWriter();

  add(name: string, content: Buffer): Buffer[] {
    return this.listed(name, content, this.zip.add(name, content, { isDeflated: true }));
  }

  addDeflated(name: string, content: Buffer, packed: Buffer): Buffer[] {
    return this.listed(name, content, this.zip.addDeflated(name, content, packed));
  }

  private listed(name: string, content: Buffer, { header, packed }: { header: Buffer; packed: Buffer }): Buffer[] {
    this.files.push({
      name,
      bytes: BigInt(content.length),
      sha256: hash('sha256', content, 'hex'),
      packedBytes: BigInt(packed.length),
      packedSha256: hash('sha256', packed, 'hex'),
    });
    return [header, packed];
  }

  end(manifest: string): Buffer[] {
    const { header, packed } = this.zip.add(FILES.manifest, Buffer.from(manifest), { isDeflated: false });
    return [header, packed, this.zip.end()];
  }
}

export function keysText(keys: readonly string[], successions: readonly string[]): string {
  return canonicalize({ keys: [...keys], successions: [...successions] });
}

/** The JCS of a manifest. */
export function manifestText(manifest: BundleManifest): string {
  const { ledger, origin, asOf, asked, completeness, range, contents, deleted } = manifest;
  const { events, envelopes, hashes, files } = manifest;
  return canonicalize({
    format: BUNDLE_FORMAT,
    ledger,
    origin,
    as_of: String(asOf),
    asked,
    completeness,
    range: range && { from_sequence: String(range.from), to_sequence: String(range.to) },
    contents,
    deleted: deleted.map(shownDeleted),
    events: String(events),
    envelopes: String(envelopes),
    hashes: String(hashes),
    files: files.map(({ name, bytes, sha256, packedBytes, packedSha256 }) => ({
      name,
      bytes: String(bytes),
      sha256,
      packed_bytes: String(packedBytes),
      packed_sha256: packedSha256,
    })),
  });
}

/** Reads a manifest's bytes, which must be exactly those that manifestText would make. Throws BundleError. */
export function parseManifest(bytes: Buffer): BundleManifest {
  const manifest = readManifest(readBundleJson(bytes));
  if (!Buffer.from(manifestText(manifest)).equals(bytes)) throw new BundleError('it is not in canonical form');
  return manifest;
}

/** Whether a manifest is of this format at all, so that another one is told from a damaged one. */
export function bundleFormat(bytes: Buffer): string | undefined {
  const value = readBundleJson(bytes);
  const format = isObject(value) ? value.format : undefined;
  return typeof format === 'string' ? format : undefined;
}

/** The keys and successions of keys.json. Throws BundleError. */
export function parseKeys(bytes: Buffer): { keys: string[]; successions: string[] } {
  const value = members(readBundleJson(bytes), 2);
  const { keys, successions } = value;
  if (!isTexts(keys) || !isTexts(successions)) throw new BundleError('it has no lists of keys and successions');
  if (keysText(keys, successions) !== bytes.toString()) throw new BundleError('it is not in canonical form');
  return { keys, successions };
}

function readBundleJson(bytes: Buffer): JsonValue {
  try {
    return readJson(bytes);
  } catch (error) {
    if (error instanceof StrictJsonError) throw new BundleError(`it is no JSON: ${error.message}`);
    throw error;
  }
}

function readManifest(value: JsonValue): BundleManifest {
  const read = members(value, 13);
  if (read.format !== BUNDLE_FORMAT) throw new BundleError(`its format is not ${BUNDLE_FORMAT}`);
  const { ledger, origin, asked, contents, deleted, files } = read;
  if (typeof ledger !== 'string' || typeof origin !== 'string') throw new BundleError('it names no ledger and origin');
  if (!isObject(asked) || kindOfAsked(asked) === undefined) {
    throw new BundleError('it does not say what was asked for');
  }
  if (typeof contents !== 'boolean') throw new BundleError('it does not say whether it has contents');
  const completeness = COMPLETENESS.find((each) => each === read.completeness);
  if (completeness === undefined) throw new BundleError('it does not say how complete it is');
  if ((read.range === null) !== (completeness === 'as-found')) {
    throw new BundleError('it has a range, or none, against what it says of its completeness');
  }
  if (completeness === 'as-found-in-range' && !contents) {
    throw new BundleError('without contents it cannot be seen in a range what was found');
  }
  if (!Array.isArray(deleted)) throw new BundleError('it does not say what was deleted');
  if (!Array.isArray(files)) throw new BundleError('it lists no files');
  return {
    ledger,
    origin,
    asOf: decimal(read.as_of),
    asked,
    completeness,
    range: read.range === null ? null : readRange(read.range),
    contents,
    deleted: deleted.map(readDeleted),
    events: decimal(read.events),
    envelopes: decimal(read.envelopes),
    hashes: decimal(read.hashes),
    files: files.map(readFile),
  };
}

function readRange(value: JsonValue | undefined): SequenceRange {
  const { from_sequence: from, to_sequence: to } = members(value, 2);
  return { from: decimal(from), to: decimal(to) };
}

function readDeleted(value: JsonValue): DeletedEvents {
  const read = members(value, 7);
  const { from_sequence: from, to_sequence: to, month, deletion, policy, years, deleted_at: deletedAt } = read;
  if (typeof month !== 'string' || typeof deletion !== 'string' || typeof policy !== 'string') {
    throw new BundleError('what was deleted has no month, deletion or policy');
  }
  if (typeof years !== 'number' || typeof deletedAt !== 'string') {
    throw new BundleError('what was deleted has no years, or no time');
  }
  return { from: decimal(from), to: decimal(to), month, deletion, policy, years, deletedAt };
}

function readFile(value: JsonValue): BundleFile {
  const { name, bytes, sha256, packed_bytes: packedBytes, packed_sha256: packedSha256 } = members(value, 5);
  if (typeof name !== 'string' || !isSha256(sha256) || !isSha256(packedSha256)) {
    throw new BundleError('one of its files has no name or no digest');
  }
  return { name, bytes: decimal(bytes), sha256, packedBytes: decimal(packedBytes), packedSha256 };
}

function members(value: JsonValue | undefined, count: number): Record<string, JsonValue | undefined> {
  if (!isObject(value) || Object.keys(value).length !== count) {
    throw new BundleError(`where an object of ${count} members should be is something else`);
  }
  return value;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTexts(value: JsonValue | undefined): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

function isSha256(value: JsonValue | undefined): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
}

function decimal(value: JsonValue | undefined): bigint {
  if (typeof value !== 'string' || !/^(0|[1-9][0-9]{0,18})$/.test(value)) {
    throw new BundleError('where a decimal number should be is something else');
  }
  return BigInt(value);
}
