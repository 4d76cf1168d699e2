import { createReadStream } from 'node:fs';
import {
  chmod,
  copyFile,
  link,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  stat,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { createHash, randomUUID } from 'node:crypto';
import { dirname, join, resolve, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { readJson, type JsonObject } from '../integrity/strict-json.js';
import {
  OBJECT_KEY,
  ObjectConflict,
  ObjectMissing,
  RetentionRefused,
  SHA256_METADATA,
  StoreUnavailable,
  type ListedVersion,
  type NewObject,
  type ObjectDescription,
  type ObjectStore,
  type ObjectVersion,
  type PutResult,
  type StoreFault,
} from './object-store.js';

/** The only version that a file has. */
const VERSION_ID = 'file';
/** What is kept of an object beside its bytes: metadata, retention, hold. */
const LOCK_SUFFIX = '.lock.json';
const TEMPORARY_FOLDER = '.incoming';

interface Lock {
  retain_until: string;
  legal_hold: boolean;
  metadata: Record<string, string>;
}

/**
 * A folder, for laptops and for file systems that are write-once themselves. An ordinary file system keeps nobody with
 * its rights from removing a file: retention here binds this service alone, and `inspect` says so.
 *
 * A file is written aside, synced, made read-only and then linked to its name, which fails when there is one: so a name
 * has whole and durable bytes behind it, or nothing. Its lock is written before; a lock without a file means nothing.
 */
export class FilesystemObjectStore implements ObjectStore {
  readonly location: string;
  private readonly root: string;

  constructor(
    folder: string,
    private readonly now: () => Date = () => new Date(),
  ) {
    this.root = resolve(folder);
    this.location = `${pathToFileURL(this.root).href}/`;
  }

  /** What the operating system has begun cannot be ended. */
  within(): this {
    return this;
  }

  put(object: NewObject): Promise<PutResult> {
    return this.attempt(async () => {
      const path = this.pathOf(object.key);
      if (await this.isThere(object)) return { key: object.key, versionId: VERSION_ID, existed: true };
      const temporary = join(this.root, TEMPORARY_FOLDER, randomUUID());
      await mkdir(dirname(temporary), { recursive: true });
      await mkdir(dirname(path), { recursive: true });
      try {
        await copyFile(object.file, temporary);
        await chmod(temporary, 0o444);
        await sync(temporary);
        await this.writeLock(object.key, {
          retain_until: object.retainUntil.toISOString(),
          legal_hold: false,
          metadata: { ...object.metadata, [SHA256_METADATA]: object.sha256.toString('hex') },
        });
        try {
          await link(temporary, path);
        } catch (error) {
          if (codeOf(error) !== 'EEXIST') throw error;
          // another replica was faster, and its lock has been written over by ours: the bytes decide whose it is
          if (!(await this.holds(path, object.sha256))) throw this.conflict(object.key);
          return { key: object.key, versionId: VERSION_ID, existed: true };
        }
        await this.syncFolders(dirname(path));
        return { key: object.key, versionId: VERSION_ID, existed: false };
      } finally {
        await unlink(temporary).catch(() => undefined);
      }
    });
  }

  /** Whether the object's bytes are there. Throws ObjectConflict when others are. */
  private async isThere(object: NewObject): Promise<boolean> {
    const path = this.pathOf(object.key);
    const there = await stat(path).catch(() => undefined);
    if (!there) return false;
    const lock = await this.readLock(object.key);
    if (there.size === object.bytes && lock.metadata[SHA256_METADATA] === object.sha256.toString('hex')) return true;
    throw this.conflict(object.key);
  }

  private async holds(path: string, sha256: Buffer): Promise<boolean> {
    const digest = createHash('sha256');
    for await (const chunk of createReadStream(path)) digest.update(chunk as Buffer);
    return digest.digest().equals(sha256);
  }

  private conflict(key: string): ObjectConflict {
    return new ObjectConflict(`${this.location}${key} holds other bytes`);
  }

  readRange({ key }: ObjectVersion, offset: number, length: number): Promise<Buffer> {
    return this.attempt(async () => {
      const file = await open(this.pathOf(key), 'r').catch(missing(key));
      try {
        const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, offset);
        return buffer.subarray(0, bytesRead);
      } finally {
        await file.close();
      }
    });
  }

  async *read({ key }: ObjectVersion): AsyncGenerator<Buffer> {
    const path = this.pathOf(key);
    try {
      for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) yield chunk as Buffer;
    } catch (error) {
      throw toStoreError(error, key);
    }
  }

  describe({ key }: ObjectVersion): Promise<ObjectDescription> {
    return this.attempt(async () => {
      const { size } = await stat(this.pathOf(key)).catch(missing(key));
      const { retain_until, legal_hold, metadata } = await this.readLock(key);
      return {
        bytes: size,
        metadata,
        retainUntil: new Date(retain_until),
        isCompliance: true,
        legalHold: legal_hold,
      };
    });
  }

  async *list(prefix: string): AsyncGenerator<ListedVersion> {
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    const paths = await this.attempt(() => this.filesBelow(folder));
    for (const key of paths.filter((path) => path.startsWith(prefix)).sort()) {
      const { size } = await this.attempt(() => stat(join(this.root, key)).catch(missing(key)));
      yield { key, versionId: VERSION_ID, isDeleteMarker: false, isLatest: true, bytes: size };
    }
  }

  private async filesBelow(folder: string): Promise<string[]> {
    const entries = await readdir(join(this.root, folder), { withFileTypes: true }).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return [];
      throw error;
    });
    const found: string[] = [];
    for (const entry of entries) {
      const key = `${folder}${entry.name}`;
      if (entry.isDirectory() && entry.name !== TEMPORARY_FOLDER) found.push(...(await this.filesBelow(`${key}/`)));
      else if (entry.isFile() && !key.endsWith(LOCK_SUFFIX)) found.push(key);
    }
    return found;
  }

  extendRetention({ key }: ObjectVersion, until: Date): Promise<void> {
    return this.attempt(async () => {
      const lock = await this.readLock(key);
      if (until.getTime() < Date.parse(lock.retain_until)) {
        throw new RetentionRefused(`${key} is locked until ${lock.retain_until}, and that cannot be shortened`);
      }
      await this.writeLock(key, { ...lock, retain_until: until.toISOString() });
    });
  }

  setLegalHold({ key }: ObjectVersion, on: boolean): Promise<void> {
    return this.attempt(async () => this.writeLock(key, { ...(await this.readLock(key)), legal_hold: on }));
  }

  remove({ key }: ObjectVersion): Promise<void> {
    return this.attempt(async () => {
      const { retain_until, legal_hold } = await this.readLock(key);
      if (legal_hold) throw new RetentionRefused(`${key} is under a legal hold`);
      if (this.now().getTime() < Date.parse(retain_until)) {
        throw new RetentionRefused(`${key} is locked until ${retain_until}`);
      }
      await unlink(this.pathOf(key)).catch(missing(key));
      await unlink(this.pathOf(key) + LOCK_SUFFIX);
      await sync(dirname(this.pathOf(key)));
    });
  }

  async inspect(): Promise<StoreFault[]> {
    try {
      await mkdir(join(this.root, TEMPORARY_FOLDER), { recursive: true });
      const probe = join(this.root, TEMPORARY_FOLDER, randomUUID());
      await writeFile(probe, '', { flush: true });
      await unlink(probe);
    } catch (error) {
      return [{ rule: 'access', detail: `the folder cannot be written to: ${(error as Error).message}` }];
    }
    return [
      {
        rule: 'object-lock',
        detail:
          'a folder is locked by no more than its file system: use S3 with Object Lock, or a write-once file system',
      },
    ];
  }

  private pathOf(key: string): string {
    const path = join(this.root, key);
    if (!OBJECT_KEY.test(key) || key.endsWith(LOCK_SUFFIX) || !path.startsWith(this.root + sep)) {
      throw new Error(`${key} is no key of an object`);
    }
    return path;
  }

  private async readLock(key: string): Promise<Lock> {
    const text = await readFile(this.pathOf(key) + LOCK_SUFFIX, 'utf8').catch(missing(key));
    return readJson(text) as JsonObject as unknown as Lock;
  }

  private async writeLock(key: string, lock: Lock): Promise<void> {
    const path = this.pathOf(key) + LOCK_SUFFIX;
    const temporary = join(this.root, TEMPORARY_FOLDER, randomUUID());
    try {
      await writeFile(temporary, `${JSON.stringify(lock)}\n`, { flush: true, mode: 0o444 });
      await rename(temporary, path);
    } finally {
      await unlink(temporary).catch(() => undefined); // where it was not moved
    }
    await sync(dirname(path));
  }

  /** A new folder is durable when its parent is synced. */
  private async syncFolders(folder: string): Promise<void> {
    for (let at = folder; at.startsWith(this.root); at = dirname(at)) await sync(at);
  }

  private async attempt<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw toStoreError(error);
    }
  }
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | null)?.code;
}

function missing(key: string): (error: unknown) => never {
  return (error) => {
    if (codeOf(error) === 'ENOENT') throw new ObjectMissing(`there is no object ${key}`, { cause: error });
    throw error;
  };
}

/** Errors of the operating system are those of the store: a full disk, a folder that is gone, a mount that hangs. */
function toStoreError(error: unknown, key?: string): unknown {
  const code = codeOf(error);
  if (key !== undefined && code === 'ENOENT') {
    return new ObjectMissing(`there is no object ${key}`, { cause: error });
  }
  if (code === undefined) return error;
  const advice = ADVICE[code] ?? 'see to its file system';
  const message = `the archive's folder does not work: ${advice} (${(error as Error).message})`;
  return new StoreUnavailable(message, { cause: error });
}

const ADVICE: Record<string, string> = {
  ENOSPC: 'it is full; make room there',
  EDQUOT: 'it is full; raise its quota',
  EROFS: 'it can only be read; mount it for writing',
  EACCES: 'the service may not write there; give its user the right to',
  EPERM: 'the service may not write there; give its user the right to',
  ENOENT: 'it is gone; mount it again, or correct ARCHIVE_URL',
  ENOTDIR: 'it is no folder; correct ARCHIVE_URL',
};
