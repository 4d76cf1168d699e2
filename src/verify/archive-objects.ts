import { createHash, hash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readdirSync, readFileSync, readSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import type { AsyncBuffer } from 'hyparquet';
import { ArchiveObjectError, type ArchivedRange } from '../archive/archive-format.js';
import { readColumns, readFooter, verifyObject, type ObjectFooter } from '../archive/archive-object.js';
import { readDigests } from '../archive/digests-object.js';
import { verifyEntities } from '../archive/entity-index.js';
import { newListingKey } from '../archive/entity-sums.js';
import { isDescriptionKey, isDescriptionOf } from '../archive/format-description.js';
import { loadCompression } from '../archive/parquet-file.js';
import { leafHash } from '../integrity/event.js';
import { MerkleTree } from '../integrity/merkle-tree.js';
import { MultisetHash } from '../integrity/multiset-hash.js';
import { hashesOf } from '../integrity/tiles.js';
import type { AnchoredLedger, ArchiveReport } from './archive-report.js';

/** Event hashes of a ledger from one sequence to another, and what they are read from. */
interface Piece {
  from: bigint;
  /** included */
  to: bigint;
  read: () => Promise<Buffer[]>;
}

/** An object of digests: of what the events were that are no longer there. */
interface DigestsObject {
  name: string;
  ranges: readonly ArchivedRange[];
}

interface OpenObject {
  name: string;
  file: FileBuffer;
  footer: ObjectFooter;
  ranges: readonly OpenRange[];
}

/** What an object holds of a ledger, with the keyed sum of its entities. */
interface OpenRange extends ArchivedRange {
  keyedSum: string;
}

/**
 * Recomputes every object of events in a folder, and the tree of every anchored ledger from them. Where objects hold the
 * same events, each must end and begin as the others do: whole chains that end alike are alike. Returns of each ledger, by
 * origin, the size of the last checkpoint whose root its events lead to: what comes after it nothing proves.
 */
export async function verifyObjects(
  folder: string,
  ledgers: ReadonlyMap<string, AnchoredLedger>,
  report: ArchiveReport,
): Promise<Map<string, bigint>> {
  await loadCompression();
  const objects: OpenObject[] = [];
  const listingKey = newListingKey();
  try {
    for (const name of listObjects(folder, ['early', 'month'], '.parquet')) {
      const object = await openObject(folder, name, listingKey, report);
      if (object) objects.push(object);
    }
    verifyDescriptions(folder, objects, report);
    for (const { name, ranges } of objects) {
      for (const origin of new Set(ranges.map((range) => range.origin).filter((each) => !ledgers.has(each)))) {
        report.unchecked.push(`${name}: it holds events of ${origin}, of which no anchor says anything`);
      }
    }
    const digests = listObjects(folder, ['digests'], '.digests').flatMap((name) => openDigests(folder, name, report));
    for (const name of listObjects(folder, ['entities'], '.parquet'))
      await checkEntities(folder, name, listingKey, objects, report);
    const verifiedTo = new Map<string, bigint>();
    for (const ledger of ledgers.values()) {
      verifiedTo.set(ledger.origin, await verifyLedger(folder, ledger, objects, digests, report));
    }
    return verifiedTo;
  } finally {
    for (const { file } of objects) file.close();
  }
}

function listObjects(folder: string, kinds: readonly string[], ending: string): string[] {
  return kinds.flatMap((kind) => {
    const path = join(folder, kind);
    if (!existsSync(path)) return [];
    return readdirSync(path)
      .filter((name) => name.endsWith(ending))
      .sort()
      .map((name) => join(kind, name));
  });
}

/** What describes the formats, which objects name: a reader of them goes by it. */
function verifyDescriptions(folder: string, objects: readonly OpenObject[], report: ArchiveReport): void {
  for (const name of listObjects(folder, ['format'], '.md')) {
    if (!isDescriptionOf(name, readFileSync(join(folder, name))))
      report.find('object', `${name}: its SHA-256 is not that of its name`);
  }
  const described = new Set(objects.map(({ footer }) => footer.manifest.described_in).filter(isDescriptionKey));
  for (const name of described) {
    if (!existsSync(join(folder, name))) report.find('missing', `${name}, which describes the objects, is not there`);
  }
}

/** Recomputed as a whole; undefined for one that is not as it was written, which is reported. */
async function openObject(
  folder: string,
  name: string,
  listingKey: string,
  report: ArchiveReport,
): Promise<OpenObject | undefined> {
  const file = new FileBuffer(join(folder, name));
  try {
    const digest = file.sha256();
    if (!name.endsWith(`-${digest.slice(0, DIGITS_IN_NAME)}.parquet`)) {
      throw new ArchiveObjectError(`its SHA-256 is ${digest}, and not that of its name`);
    }
    const { manifest, keyedSums } = await verifyObject(file, listingKey);
    manifest.ranges.forEach(requireOwnName);
    const ranges = manifest.ranges.map((range) => ({ ...range, keyedSum: keyedSums!.get(range.ledger)! }));
    return { name, file, footer: await readFooter(file), ranges };
  } catch (error) {
    file.close();
    if (!(error instanceof ArchiveObjectError)) throw error;
    report.find('object', `${name}: ${error.message}`);
    return undefined;
  }
}

/** The index of a month: recomputed as a whole, and held against the objects whose events it lists, as far as they are here. */
async function checkEntities(
  folder: string,
  name: string,
  listingKey: string,
  objects: readonly OpenObject[],
  report: ArchiveReport,
): Promise<void> {
  const file = new FileBuffer(join(folder, name));
  try {
    const digest = file.sha256();
    if (!name.endsWith(`-${digest.slice(0, DIGITS_IN_NAME)}.parquet`)) {
      throw new ArchiveObjectError(`its SHA-256 is ${digest}, and not that of its name`);
    }
    const all = objects.filter((each) => each.name.startsWith('month')).flatMap((each) => each.ranges);
    const { manifest, keyedSums } = await verifyEntities(file, listingKey);
    for (const range of manifest.ranges) {
      const [from, to] = [BigInt(range.from_sequence), BigInt(range.to_sequence)];
      const parts = all.filter(
        (each) => each.origin === range.origin && BigInt(each.from_sequence) >= from && BigInt(each.to_sequence) <= to,
      );
      requireOwnName(range);
      const count = parts.reduce((sum, each) => sum + BigInt(each.to_sequence) - BigInt(each.from_sequence) + 1n, 0n);
      if (count !== to - from + 1n) {
        report.unchecked.push(`${name}: not all objects whose events of ${range.origin} it lists are in this folder`);
        continue;
      }
      const held = new MultisetHash();
      for (const { keyedSum } of parts) held.addSet(keyedSum);
      if (held.hex() !== keyedSums!.get(range.ledger)) {
        throw new ArchiveObjectError(`it lists other entities of ${range.origin} than the objects beside it hold`);
      }
      const facts = factsOf(parts);
      const other = (Object.keys(facts) as (keyof typeof facts)[]).find((each) => facts[each] !== range[each]);
      if (other !== undefined) {
        throw new ArchiveObjectError(`${other} of ${range.origin} is not that of the objects beside it`);
      }
    }
  } catch (error) {
    if (!(error instanceof ArchiveObjectError)) throw error;
    report.find('object', `${name}: ${error.message}`);
  } finally {
    file.close();
  }
}

/** What objects say of a range that they make up, as one that lists the same events has to say it. */
function factsOf(parts: readonly ArchivedRange[]) {
  const inOrder = [...parts].sort((a, b) => Number(BigInt(a.from_sequence) - BigInt(b.from_sequence)));
  // times with six digits and Z are in the order of their texts
  const [least, greatest] = [
    (times: string[]): string => times.reduce((a, b) => (b < a ? b : a)),
    (times: string[]): string => times.reduce((a, b) => (b > a ? b : a)),
  ];
  return {
    least_timestamp: least(parts.map((each) => each.least_timestamp)),
    greatest_timestamp: greatest(parts.map((each) => each.greatest_timestamp)),
    least_recorded_at: least(parts.map((each) => each.least_recorded_at)),
    greatest_recorded_at: greatest(parts.map((each) => each.greatest_recorded_at)),
    previous_event_hash: inOrder[0]!.previous_event_hash,
    last_event_hash: inOrder.at(-1)!.last_event_hash,
  };
}

/** An origin ends with its ledger's name, by which the rows of an object go. Throws ArchiveObjectError. */
function requireOwnName({ origin, ledger }: { origin: string; ledger: string }): void {
  if (origin.slice(origin.lastIndexOf('/') + 1) === ledger) return;
  throw new ArchiveObjectError(`it says that ${origin} is the ledger ${ledger}`);
}

/** Hexadecimal digits of a file's SHA-256 that stand in its name. */
const DIGITS_IN_NAME = 16;

/** Its ranges, recomputed; nothing for one that is not as it was written, which is reported. */
function openDigests(folder: string, name: string, report: ArchiveReport): DigestsObject[] {
  try {
    const bytes = readFileSync(join(folder, name));
    const digest = hash('sha256', bytes, 'hex');
    if (!name.endsWith(`-${digest.slice(0, DIGITS_IN_NAME)}.digests`)) {
      throw new ArchiveObjectError(`its SHA-256 is ${digest}, and not that of its name`);
    }
    const { ranges } = readDigests(bytes).manifest;
    ranges.forEach(requireOwnName);
    return [{ name, ranges }];
  } catch (error) {
    if (!(error instanceof ArchiveObjectError)) throw error;
    report.find('object', `${name}: ${error.message}`);
    return [];
  }
}

/** Events count before digests, which are read where there is no event, and told of. */
async function verifyLedger(
  folder: string,
  { origin, roots }: AnchoredLedger,
  objects: readonly OpenObject[],
  digests: readonly DigestsObject[],
  report: ArchiveReport,
): Promise<bigint> {
  const ranges = [...objects, ...digests].flatMap(({ name, ranges: all }) =>
    all.filter((range) => range.origin === origin).map((range) => ({ name, range })),
  );
  /** event hashes at the ends of all ranges, as the first object that holds them has it */
  const ends = new Map<bigint, string>();
  const wanted = new Set(ranges.flatMap(({ range }) => [BigInt(range.from_sequence) - 1n, BigInt(range.to_sequence)]));
  const tree = new MerkleTree();
  let next = 1n;
  let verifiedTo = 0n;
  const events = piecesOf(origin, objects);
  const digested = digestPiecesOf(folder, origin, digests);
  for (;;) {
    const event = pieceAt(events, next);
    const piece = event ?? pieceAt(digested, next);
    if (!piece) break;
    const hashes = await piece.read();
    const to = event ? piece.to : endBefore(events, piece);
    if (!event) {
      report.unchecked.push(
        `${origin}: of the events from ${next} to ${to} there are digests alone in this folder, as of months that were deleted`,
      );
    }
    for (let sequence = next; sequence <= to; sequence += 1n) {
      const hash = hashes[Number(sequence - piece.from)]!;
      tree.append(leafHash(hash));
      if (wanted.has(sequence)) ends.set(sequence, hash.toString('hex'));
      const root = roots.get(sequence);
      if (!root) continue;
      if (tree.root().equals(root)) verifiedTo = sequence;
      else {
        report.find(
          'tree',
          `${origin}: the events up to ${sequence} have another root than the checkpoint that was signed`,
        );
      }
    }
    next = to + 1n;
  }
  for (const { name, range } of ranges) {
    const [before, end] = [BigInt(range.from_sequence) - 1n, BigInt(range.to_sequence)];
    const isOther = (sequence: bigint, hash: string | null): boolean =>
      ends.has(sequence) && ends.get(sequence) !== hash;
    if (isOther(before, range.previous_event_hash) || isOther(end, range.last_event_hash)) {
      report.find('object', `${name}: it holds other events of ${origin} than the objects beside it`);
    }
  }
  return verifiedTo;
}

/** By where they begin, and of those that begin alike the longest first. */
function piecesOf(origin: string, objects: readonly OpenObject[]): Piece[] {
  const pieces = objects.flatMap(({ file, footer, ranges }) => {
    const ledger = ranges.find((range) => range.origin === origin)?.ledger;
    return footer.manifest.row_groups.flatMap((each, group): Piece[] => {
      if (each.ledger !== ledger) return [];
      const from = BigInt(each.from_sequence);
      const read = async (): Promise<Buffer[]> => {
        const { event_hash: hashes } = await readColumns(file, footer, group, ['event_hash']);
        return Array.from(hashes as ArrayLike<Uint8Array>, (hash) => Buffer.from(hash));
      };
      return [{ from, to: from + BigInt(each.events) - 1n, read }];
    });
  });
  return inOrder(pieces);
}

function digestPiecesOf(folder: string, origin: string, digests: readonly DigestsObject[]): Piece[] {
  const pieces = digests.flatMap(({ name, ranges }) =>
    ranges.flatMap((range, i): Piece[] => {
      if (range.origin !== origin) return [];
      const read = (): Promise<Buffer[]> =>
        Promise.resolve(hashesOf(readDigests(readFileSync(join(folder, name))).hashes[i]!));
      return [{ from: BigInt(range.from_sequence), to: BigInt(range.to_sequence), read }];
    }),
  );
  return inOrder(pieces);
}

function inOrder(pieces: Piece[]): Piece[] {
  return pieces.sort((a, b) => Number(a.from - b.from) || Number(b.to - a.to));
}

/** The first piece that holds a sequence. What ends before it is taken out: it is asked for ever greater ones. */
function pieceAt(pieces: Piece[], sequence: bigint): Piece | undefined {
  while (pieces.length > 0 && pieces[0]!.to < sequence) pieces.shift();
  return pieces[0] && pieces[0].from <= sequence ? pieces[0] : undefined;
}

/** The last sequence of a piece of digests before the next event that is there. */
function endBefore(events: readonly Piece[], { to }: Piece): bigint {
  const next = events[0]?.from;
  return next !== undefined && next <= to ? next - 1n : to;
}

const PIECE_BYTES = 1_048_576;

/** A file as the Parquet reader wants it. */
class FileBuffer implements AsyncBuffer {
  private readonly descriptor: number;
  readonly byteLength: number;

  constructor(path: string) {
    this.descriptor = openSync(path, 'r');
    this.byteLength = fstatSync(this.descriptor).size;
  }

  slice(start: number, end = this.byteLength): ArrayBuffer {
    const bytes = new Uint8Array(end - start);
    for (let done = 0; done < bytes.length;) {
      const count = readSync(this.descriptor, bytes, done, bytes.length - done, start + done);
      if (count === 0) throw new ArchiveObjectError('it ends before it should');
      done += count;
    }
    return bytes.buffer;
  }

  /** Of the whole file, in hexadecimal digits. */
  sha256(): string {
    const digest = createHash('sha256');
    for (let start = 0; start < this.byteLength; start += PIECE_BYTES) {
      digest.update(new Uint8Array(this.slice(start, Math.min(start + PIECE_BYTES, this.byteLength))));
    }
    return digest.digest('hex');
  }

  close(): void {
    closeSync(this.descriptor);
  }
}
