import { closeSync, fstatSync, openSync, readdirSync, readSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import type { AsyncBuffer } from 'hyparquet';
import { ArchiveObjectError, type ArchivedRange } from '../archive/archive-format.js';
import { readColumns, readFooter, verifyObject, type ObjectFooter } from '../archive/archive-object.js';
import { loadCompression } from '../archive/parquet-file.js';
import { leafHash } from '../integrity/event.js';
import { MerkleTree } from '../integrity/merkle-tree.js';
import type { AnchoredLedger, ArchiveReport } from './archive-report.js';

/** A row group of an object and what of a ledger it holds. */
interface Piece {
  object: OpenObject;
  group: number;
  from: bigint;
  /** included */
  to: bigint;
}

interface OpenObject {
  name: string;
  file: FileBuffer;
  footer: ObjectFooter;
  ranges: readonly ArchivedRange[];
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
  try {
    for (const name of listObjects(folder)) {
      const object = await openObject(folder, name, report);
      if (object) objects.push(object);
    }
    const verifiedTo = new Map<string, bigint>();
    for (const ledger of ledgers.values()) {
      verifiedTo.set(ledger.origin, await verifyLedger(ledger, objects, report));
    }
    return verifiedTo;
  } finally {
    for (const { file } of objects) file.close();
  }
}

function listObjects(folder: string): string[] {
  return ['early', 'month'].flatMap((kind) => {
    const path = join(folder, kind);
    if (!existsSync(path)) return [];
    return readdirSync(path)
      .filter((name) => name.endsWith('.parquet'))
      .sort()
      .map((name) => join(kind, name));
  });
}

/** Recomputed as a whole; undefined for one that is not as it was written, which is reported. */
async function openObject(folder: string, name: string, report: ArchiveReport): Promise<OpenObject | undefined> {
  const file = new FileBuffer(join(folder, name));
  try {
    const { ranges } = (await verifyObject(file)).manifest;
    return { name, file, footer: await readFooter(file), ranges };
  } catch (error) {
    file.close();
    if (!(error instanceof ArchiveObjectError)) throw error;
    report.find('object', `${name}: ${error.message}`);
    return undefined;
  }
}

async function verifyLedger(
  { origin, roots }: AnchoredLedger,
  objects: readonly OpenObject[],
  report: ArchiveReport,
): Promise<bigint> {
  const ranges = objects.flatMap(({ name, ranges: all }) =>
    all.filter((range) => range.origin === origin).map((range) => ({ name, range })),
  );
  /** event hashes at the ends of all ranges, as the first object that holds them has it */
  const ends = new Map<bigint, string>();
  const wanted = new Set(ranges.flatMap(({ range }) => [BigInt(range.from_sequence) - 1n, BigInt(range.to_sequence)]));
  const tree = new MerkleTree();
  let next = 1n;
  let verifiedTo = 0n;
  for (const { object, group, from, to } of piecesOf(origin, objects)) {
    if (to < next) continue;
    if (from > next) break;
    const { event_hash: hashes } = await readColumns(object.file, object.footer, group, ['event_hash']);
    for (let sequence = next; sequence <= to; sequence += 1n) {
      const hash = Buffer.from(hashes![Number(sequence - from)] as Uint8Array);
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
  const pieces = objects.flatMap((object) => {
    const ledger = object.ranges.find((range) => range.origin === origin)?.ledger;
    return object.footer.manifest.row_groups.flatMap((each, group): Piece[] => {
      if (each.ledger !== ledger) return [];
      const from = BigInt(each.from_sequence);
      return [{ object, group, from, to: from + BigInt(each.events) - 1n }];
    });
  });
  return pieces.sort((a, b) => Number(a.from - b.from) || Number(b.to - a.to));
}

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

  close(): void {
    closeSync(this.descriptor);
  }
}
