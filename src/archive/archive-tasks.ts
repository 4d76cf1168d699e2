import { open } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type pg from 'pg';
import type { AsyncBuffer } from 'hyparquet';
import { copyStoredRows, type CopiedRow } from '../events/stored-events.js';
import { ArchiveObjectError, type ArchiveKind, type Manifest } from './archive-format.js';
import { ArchiveObjectWriter, loadCompression, verifyObject, type EncodedObject } from './archive-object.js';

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
  | { kind: 'encode'; file: string; object: { kind: ArchiveKind; number: bigint }; ranges: PlannedRange[] }
  | { kind: 'verify'; file: string };

export interface ArchiveTaskResults {
  /** it may hold less than was planned, from the beginning on; its manifest says what */
  encode: EncodedObject;
  /** what the file holds, all of it recomputed; and its digests */
  verify: EncodedObject;
}

/** Where an object ends before its plan does: events may be large, and S3 takes 5 GiB at once. */
const MAX_OBJECT_BYTES = 268_435_456;
/** Rows of one statement: a short snapshot. */
const PAGE_ROWS = 10_000n;

/** Rejects with ArchiveObjectError when rows or file are not as they were recorded, and with the database's errors. */
export async function runArchiveTask<T extends ArchiveTask>(
  connect: () => Promise<pg.ClientBase>,
  task: T,
): Promise<ArchiveTaskResults[T['kind']]> {
  await loadCompression();
  return task.kind === 'encode' ? encode(await connect(), task) : verify(task.file);
}

async function encode(
  client: pg.ClientBase,
  { file, object, ranges }: Extract<ArchiveTask, { kind: 'encode' }>,
): Promise<EncodedObject> {
  const writer = new ArchiveObjectWriter(file, object);
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

async function verify(path: string): Promise<EncodedObject> {
  const [sha256, md5] = [createHash('sha256'), createHash('md5')];
  let bytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    sha256.update(chunk as Buffer);
    md5.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
  }
  const manifest: Manifest = await withFile(path, bytes, verifyObject);
  return { manifest, bytes, sha256: sha256.digest(), md5: md5.digest() };
}

async function withFile<T>(path: string, byteLength: number, work: (file: AsyncBuffer) => Promise<T>): Promise<T> {
  const handle = await open(path, 'r');
  try {
    return await work({
      byteLength,
      slice: async (start, end = byteLength) => {
        const bytes = new Uint8Array(Math.max(0, end - start));
        const { bytesRead } = await handle.read(bytes, 0, bytes.length, start);
        return bytes.buffer.slice(0, bytesRead);
      },
    });
  } finally {
    await handle.close();
  }
}
