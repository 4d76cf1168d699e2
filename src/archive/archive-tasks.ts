import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readFile, writeFile } from 'node:fs/promises';
import type pg from 'pg';
import { copyStoredRows, type CopiedRow } from '../events/stored-events.js';
import {
  ArchiveObjectError,
  isEntitiesManifest,
  isManifest,
  type AnyManifest,
  type EventsKind,
} from './archive-format.js';
import { readEntityPlaces } from './archive-catalogue.sql.js';
import {
  ArchiveObjectWriter,
  readColumns,
  readFooter,
  sumEntities,
  verifyObject,
  type EncodedObject,
} from './archive-object.js';
import { beginsDigests, encodeDigests, verifyDigests, type EncodedDigests } from './digests-object.js';
import {
  EntityIndexWriter,
  verifyEntities,
  type EncodedEntities,
  type EntitiesRange,
  type EntityEntry,
} from './entity-index.js';
import type { KeyedSums } from './entity-sums.js';
import { LateExecutionsTally } from './late-executions.js';
import { withFile } from './local-file.js';
import { encodeRowsToCopy, type GroupToCopy, type RowsToCopy } from './rows-to-copy.js';
import { loadCompression, readParquetFooter, type WrittenFile } from './parquet-file.js';

/** A range of a ledger that is to be archived. */
export interface PlannedRange {
  ledger: string;
  origin: string;
  from: bigint;
  /** included */
  to: bigint;
  /** null at sequence 1 */
  previousEventHash: Uint8Array | null;
}

/** What takes processor time, as data: it is done on a thread of its own. */
export type ArchiveTask =
  | EncodingTask
  | { kind: 'verify'; file: string; listingKey?: string; withLateExecutions?: boolean }
  | { kind: 'sum-entities'; file: string; sha256: string; listingKey: string }
  | { kind: 'rows-to-copy'; file: string; bytes: number; groups: readonly GroupToCopy[] }
  | { kind: 'read-manifest'; end: FileEnd };

/** Writes an object to `file`. The same events give the same bytes, but for a `nonce` (hex), which stands in the manifest. */
export type EncodingTask = { file: string; nonce?: string } & (
  | { kind: 'encode'; object: { kind: EventsKind; number: bigint }; ranges: readonly PlannedRange[] }
  | { kind: 'encode-entities'; number: bigint; ranges: readonly EntitiesRange[]; listingKey: string }
  | { kind: 'encode-digests'; number: bigint; object: { file: string; number: string; sha256: string } }
);

/** The last bytes of a file of `byteLength`: its footer, or as much of it as somebody hoped would do. */
export interface FileEnd {
  byteLength: number;
  bytes: Uint8Array;
}

export interface ArchiveTaskResults {
  /** it may hold less than was planned, from the beginning on; its manifest says what */
  encode: EncodedObject;
  'encode-entities': EncodedEntities;
  /** of a month's object that is in a file, whose SHA-256 must be the one that is known */
  'encode-digests': EncodedDigests;
  /** what the file holds, all of it recomputed; and its digests; of events of a month their late executions, if asked for */
  verify: AnyEncoded;
  /** of an object of events in a file, whose SHA-256 must be the one that is known: of bytes that were recomputed before */
  'sum-entities': KeyedSums;
  /** of some row groups of an object of events in a file whose bytes were recomputed before */
  'rows-to-copy': RowsToCopy;
  /** undefined when more of the end is needed */
  'read-manifest': AnyManifest | undefined;
}

export type AnyEncoded = EncodedObject | EncodedEntities | EncodedDigests;
export type ResultOf<T extends ArchiveTask> = ArchiveTaskResults[T['kind']];

/** Where an object ends before its plan does: events may be large, and S3 takes 5 GiB at once. */
const MAX_OBJECT_BYTES = 268_435_456;
/** Rows of one statement: a short snapshot. */
const PAGE_ROWS = 10_000n;

/** Rejects with ArchiveObjectError when rows or file are not as they were recorded, and with the database's errors. */
export async function runArchiveTask<T extends ArchiveTask>(
  connect: () => Promise<pg.ClientBase>,
  task: T,
): Promise<ResultOf<T>> {
  await loadCompression();
  const run = async (): Promise<ArchiveTaskResults[ArchiveTask['kind']]> => {
    switch (task.kind) {
      case 'encode':
        return encode(await connect(), task);
      case 'encode-entities':
        return encodeEntities(await connect(), task);
      case 'encode-digests':
        return encodeDigestsOf(task);
      case 'verify':
        return verify(task);
      case 'sum-entities':
        return sumEntitiesOf(task);
      case 'rows-to-copy':
        return withFile(task.file, task.bytes, (source) => encodeRowsToCopy(source, task.groups));
      case 'read-manifest':
        return readManifest(task.end);
    }
  };
  return (await run()) as ResultOf<T>;
}

async function encode(
  client: pg.ClientBase,
  { file, nonce, object, ranges }: Extract<ArchiveTask, { kind: 'encode' }>,
): Promise<EncodedObject> {
  const writer = new ArchiveObjectWriter(file, { ...object, nonce });
  try {
    for (const { ledger, origin, from, to, previousEventHash } of ranges) {
      writer.begin({
        ledger,
        origin,
        fromSequence: from,
        previousEventHash: previousEventHash === null ? null : Buffer.from(previousEventHash),
      });
      let taken = from;
      let isFull = false;
      for (let at = from; at <= to; at += PAGE_ROWS) {
        const end = at + PAGE_ROWS - 1n < to ? at + PAGE_ROWS - 1n : to;
        await copyStoredRows(client, { ledger, from: at, to: end, keySeed: 0n }, (row: CopiedRow) => {
          if (isFull) return;
          writer.add(row);
          taken += 1n;
          isFull = writer.bytes >= MAX_OBJECT_BYTES;
        });
        if (isFull) break;
        if (taken !== end + 1n) {
          throw new ArchiveObjectError(`event ${taken} of ${ledger} is missing`, { ledger, sequence: String(taken) });
        }
      }
      if (isFull) break; // what is left goes into the next object
    }
    return writer.finish();
  } catch (error) {
    writer.abandon();
    throw error;
  }
}

async function encodeEntities(
  client: pg.ClientBase,
  { file, nonce, number, ranges, listingKey }: Extract<ArchiveTask, { kind: 'encode-entities' }>,
): Promise<EncodedEntities> {
  const writer = new EntityIndexWriter(file, { number, nonce }, listingKey);
  try {
    for (const range of ranges) {
      writer.begin(range);
      let after: EntityEntry | undefined;
      for (;;) {
        const page: EntityEntry[] = await readEntityPlaces(client, range, after, Number(PAGE_ROWS));
        for (const entry of page) writer.add(entry);
        after = page.at(-1);
        if (page.length < Number(PAGE_ROWS)) break;
      }
    }
    return writer.finish();
  } catch (error) {
    writer.abandon();
    throw error;
  }
}

/** The bytes are those that were recomputed as a whole before they were catalogued: their hashes are taken as they are. */
async function encodeDigestsOf({
  file,
  nonce,
  number,
  object,
}: Extract<ArchiveTask, { kind: 'encode-digests' }>): Promise<EncodedDigests> {
  const { bytes: byteLength, sha256 } = await digestFile(object.file);
  if (sha256.toString('hex') !== object.sha256) {
    throw new ArchiveObjectError(`object ${object.number} has not the bytes that were catalogued`);
  }
  const digestsOf = { number: object.number, sha256: object.sha256 };
  return withFile(object.file, byteLength, async (source) => {
    const footer = await readFooter(source);
    const hashes = new Map<string, Buffer[]>(footer.manifest.ranges.map(({ ledger }) => [ledger, []]));
    for (const [group, { ledger }] of footer.manifest.row_groups.entries()) {
      const { event_hash: column } = await readColumns(source, footer, group, ['event_hash']);
      hashes.get(ledger)?.push(Buffer.concat(Array.from(column as ArrayLike<Uint8Array>)));
    }
    const held = footer.manifest.ranges.map((range) => ({ range, hashes: Buffer.concat(hashes.get(range.ledger)!) }));
    const { encoded, bytes } = encodeDigests({ number, nonce, digestsOf }, held);
    await writeFile(file, bytes);
    return encoded;
  });
}

async function sumEntitiesOf({
  file,
  sha256,
  listingKey,
}: Extract<ArchiveTask, { kind: 'sum-entities' }>): Promise<KeyedSums> {
  const written = await digestFile(file);
  if (written.sha256.toString('hex') !== sha256) {
    throw new ArchiveObjectError('an object whose events it lists has not the bytes that were catalogued');
  }
  return withFile(file, written.bytes, (source) => sumEntities(source, listingKey));
}

async function verify({
  file: path,
  listingKey,
  withLateExecutions = false,
}: Extract<ArchiveTask, { kind: 'verify' }>): Promise<AnyEncoded> {
  const written = await digestFile(path);
  if (await isDigestsFile(path)) return verifyDigests(await readFile(path));
  return withFile(path, written.bytes, async (file) => {
    const { manifest: given } = await readParquetFooter(file);
    if (isEntitiesManifest(given)) return { ...(await verifyEntities(file, listingKey)), contents: [], ...written };
    if (!withLateExecutions || !isManifest(given) || given.kind !== 'month') {
      return { ...(await verifyObject(file, listingKey)), ...written };
    }
    const late = new LateExecutionsTally();
    const held = await verifyObject(file, listingKey, (ledger, row) => late.take(ledger, row));
    return { ...held, lateExecutions: late.list(), ...written };
  });
}

async function isDigestsFile(path: string): Promise<boolean> {
  const handle = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(1), 0, 1, 0);
    return beginsDigests(buffer.subarray(0, bytesRead));
  } finally {
    await handle.close();
  }
}

async function digestFile(path: string): Promise<WrittenFile> {
  const [sha256, md5] = [createHash('sha256'), createHash('md5')];
  let bytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    sha256.update(chunk as Buffer);
    md5.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
  }
  return { bytes, sha256: sha256.digest(), md5: md5.digest() };
}

const FOOTER_LENGTH_BYTES = 8;

async function readManifest({ byteLength, bytes }: FileEnd): Promise<AnyManifest | undefined> {
  const end = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = byteLength - end.length;
  if (end.length < FOOTER_LENGTH_BYTES) throw new ArchiveObjectError('it is too short');
  if (start > 0 && end.readUInt32LE(end.length - FOOTER_LENGTH_BYTES) + FOOTER_LENGTH_BYTES > end.length)
    return undefined;
  const slice = (from: number, to = byteLength): ArrayBuffer => {
    const part = end.subarray(Math.max(0, from - start), to - start);
    return part.buffer.slice(part.byteOffset, part.byteOffset + part.length) as ArrayBuffer;
  };
  const { manifest } = await readParquetFooter({ byteLength, slice });
  if (isManifest(manifest) || isEntitiesManifest(manifest)) return manifest;
  throw new ArchiveObjectError('its manifest is of no format that is known here');
}
