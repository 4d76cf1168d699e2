import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import { Readable, Writable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { ObjectStore, ObjectVersion } from '../archive/object-store.js';
import { compressionOf } from './backup-names.js';
import { TarCheck } from './tar-check.js';
import { WalCheck, type WalPlace } from './wal-check.js';

/** What to look for in an object. */
export type ObjectForm = { form: 'wal'; place: WalPlace } | { form: 'tar' } | { form: 'text' };

export type ReadTask = ObjectVersion & ObjectForm;

export interface ReadObject {
  bytes: number;
  /** of the object as the store has it, 32 */
  sha256: Buffer;
  /** of what is in it, 32: decompressed, where it is compressed by gzip */
  contentSha256: Buffer;
  /** what is wrong with what is in it; null for nothing, or where it cannot be looked into */
  fault: string | null;
  /** of a tar file */
  files: number;
  /** of ESSENTIAL_FILES those that are in it */
  found: string[];
  /** of `text` alone */
  text: string;
}

/** Without one of these no server starts from a base backup. */
export const ESSENTIAL_FILES: readonly string[] = ['PG_VERSION', 'backup_label', 'global/pg_control'];
/** Histories, labels and `backup.info` are far smaller. */
const MAX_TEXT_BYTES = 1 << 20;

/** Reads an object as a whole. Rejects as ObjectStore.read does; what is wrong with its content is in the answer. */
export async function readObject(store: ObjectStore, task: ReadTask): Promise<ReadObject> {
  const compression = compressionOf(task.key);
  const stored = new Digest();
  const content = new Digest();
  const tar = task.form === 'tar' && compression !== 'other' ? new TarCheck(new Set(ESSENTIAL_FILES)) : undefined;
  const check = task.form === 'wal' && compression !== 'other' ? new WalCheck(task.place) : tar;
  const text: Buffer[] = [];
  async function* asStored(): AsyncGenerator<Buffer> {
    for await (const part of store.read(task)) {
      stored.push(part);
      yield part;
    }
  }
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      content.push(chunk);
      check?.push(chunk);
      if (task.form === 'text' && content.bytes <= MAX_TEXT_BYTES) text.push(chunk);
      done();
    },
  });
  const source = Readable.from(asStored(), { objectMode: false });
  try {
    await (compression === 'gzip' ? pipeline(source, createGunzip(), sink) : pipeline(source, sink));
  } catch (error) {
    const { code = '' } = error as { code?: string };
    if (!/^Z_(DATA|BUF)_ERROR$/.test(code)) throw error;
    const digest = await digestOf(store, task);
    return { ...digest, contentSha256: digest.sha256, fault: 'it is no whole gzip file', files: 0, found: [], text: '' };
  }
  const { bytes, sha256 } = stored.end();
  return {
    bytes,
    sha256,
    contentSha256: content.end().sha256,
    fault: check?.end() ?? null,
    files: tar?.files ?? 0,
    found: tar ? [...tar.found] : [],
    text: Buffer.concat(text).toString('utf8'),
  };
}

async function digestOf(store: ObjectStore, version: ObjectVersion): Promise<{ bytes: number; sha256: Buffer }> {
  const digest = new Digest();
  for await (const part of store.read(version)) digest.push(part);
  return digest.end();
}

class Digest {
  bytes = 0;
  private readonly hash = createHash('sha256');

  push(part: Buffer): void {
    this.hash.update(part);
    this.bytes += part.length;
  }

  end(): { bytes: number; sha256: Buffer } {
    return { bytes: this.bytes, sha256: this.hash.digest() };
  }
}
