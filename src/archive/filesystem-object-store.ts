import { createReadStream } from 'node:fs';
import { chmod, copyFile, link, mkdir, open, readdir, readFile, stat, unlink, writeFile } from 'node:fs/promises';
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
/** What is kept of an object beside its bytes: metadata, retention, hold; from its second change on with a number. */
const LOCK_FILE = /\.lock\.json(\.[0-9]+)?$/;
const TEMPORARY_FOLDER = '.incoming';
const DAY_MS = 86_400_000;

interface Lock {
  retain_until: string;
  legal_hold: boolean;
  metadata: Record<string, string>;
  /** it is being removed: the lock locks nothing any more */
  removed?: boolean;
}

/**
 * A folder, for laptops and for file systems that are write-once themselves. An ordinary file system keeps nobody with
 * its rights from removing a file: retention here binds this service alone, and `inspect` says so.
 *
 * A file is written aside, synced, made read-only and then linked to its name, which fails when there is one: so a name
 * has whole and durable bytes behind it, or nothing. Its lock is written before; a lock without a file means nothing.
 *
 * Nothing is ever written over, locks included: a change of a lock is a file of its own, with the next number, and the
 * last number counts. Who finds that number taken looks again and decides anew. So no change of two processes at once is
 * lost, nobody waits for one that has died, and a write-once file system takes it. (A lock file to wait for would have
 * to be taken from the dead, and so, sooner or later, from one that was only slow.)
 */
export class FilesystemObjectStore implements ObjectStore {
  readonly location: string;
  readonly isChangeable = true;
  readonly endpoint = undefined;
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
      const temporary = this.temporary();
      await mkdir(dirname(temporary), { recursive: true });
      await mkdir(dirname(path), { recursive: true });
      try {
        await copyFile(object.file, temporary);
        await chmod(temporary, 0o444);
        await sync(temporary);
        const ours = {
          retain_until: object.retainUntil.toISOString(),
          legal_hold: false,
          metadata: { ...object.metadata, [SHA256_METADATA]: object.sha256.toString('hex') },
        };
        await this.changeLock(object.key, (locks) => {
          const there = locks.at(-1);
          return there && there.removed !== true ? { ...stricter(there, ours), metadata: ours.metadata } : ours;
        });
        if (await linkOnce(temporary, path)) {
          await this.syncFolders(dirname(path));
          return { key: object.key, versionId: VERSION_ID, existed: false };
        }
        // another replica was faster, and the bytes decide whose lock it is
        const sha256 = await digestOf(path);
        await this.changeLock(object.key, (locks) => {
          const last = locks.at(-1)!;
          const right = locks.find(({ metadata }) => metadata[SHA256_METADATA] === sha256);
          if (!right || last.metadata[SHA256_METADATA] === sha256) return undefined;
          return { ...stricter(last, right), metadata: right.metadata };
        });
        if (sha256 === ours.metadata[SHA256_METADATA]) {
          return { key: object.key, versionId: VERSION_ID, existed: true };
        }
        throw this.conflict(object.key);
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
      throw await this.unlessVacant(toStoreError(error, key));
    }
  }

  describe({ key }: ObjectVersion): Promise<ObjectDescription> {
    return this.attempt(async () => {
      const { size, mtime } = await stat(this.pathOf(key)).catch(missing(key));
      const { retain_until, legal_hold, metadata } = await this.readLock(key);
      return {
        bytes: size,
        writtenAt: mtime,
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

  versionsOf(key: string): Promise<ListedVersion[]> {
    return this.attempt(async () => {
      const file = await stat(this.pathOf(key)).catch(ifMissing(undefined));
      if (!file?.isFile()) return [];
      return [{ key, versionId: VERSION_ID, isDeleteMarker: false, isLatest: true, bytes: file.size }];
    });
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
      else if (entry.isFile() && !LOCK_FILE.test(key)) found.push(key);
    }
    return found;
  }

  extendRetention({ key }: ObjectVersion, until: Date): Promise<void> {
    return this.changeObject(key, (lock) => {
      if (until.getTime() < Date.parse(lock.retain_until)) {
        throw new RetentionRefused(`${key} is locked until ${lock.retain_until}, and that cannot be shortened`);
      }
      return { ...lock, retain_until: until.toISOString() };
    });
  }

  setLegalHold({ key }: ObjectVersion, on: boolean): Promise<void> {
    return this.changeObject(key, (lock) => ({ ...lock, legal_hold: on }));
  }

  remove({ key }: ObjectVersion): Promise<void> {
    return this.attempt(async () => {
      const path = this.pathOf(key);
      let isRepeated = false;
      // durable from here on: no change is made any more, and a removal that a crash ends can be repeated
      const number = await this.changeLock(key, (locks) => {
        const lock = locks.at(-1);
        if (!lock) throw new ObjectMissing(`there is no object ${key}`);
        if (lock.legal_hold) throw new RetentionRefused(`${key} is under a legal hold`);
        if (this.now().getTime() < Date.parse(lock.retain_until)) {
          throw new RetentionRefused(`${key} is locked until ${lock.retain_until}`);
        }
        isRepeated = lock.removed === true;
        return { ...lock, removed: true };
      });
      await unlink(path).catch(isRepeated ? ifMissing(undefined) : missing(key));
      // from the last on, so that what a crash leaves has no gap
      for (let at = number; at > 0; at--) await unlink(this.lockOf(key, at)).catch(ifMissing(undefined));
      await sync(dirname(path));
    });
  }

  async inspect(): Promise<StoreFault[]> {
    try {
      await mkdir(join(this.root, TEMPORARY_FOLDER), { recursive: true });
      const probe = this.temporary();
      await writeFile(probe, '', { flush: true });
      await unlink(probe);
      await this.clearTemporaries();
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
    if (!OBJECT_KEY.test(key) || LOCK_FILE.test(key) || !path.startsWith(this.root + sep)) {
      throw new Error(`${key} is no key of an object`);
    }
    return path;
  }

  /** What processes that were killed have left; nothing takes a day to be put. */
  private async clearTemporaries(): Promise<void> {
    const folder = join(this.root, TEMPORARY_FOLDER);
    for (const name of await readdir(folder)) {
      const { mtimeMs } = await stat(join(folder, name));
      if (mtimeMs < Date.now() - DAY_MS) await unlink(join(folder, name));
    }
  }

  private lockOf(key: string, number: number): string {
    return `${this.pathOf(key)}.lock.json${number === 1 ? '' : `.${number}`}`;
  }

  private temporary(): string {
    return join(this.root, TEMPORARY_FOLDER, randomUUID());
  }

  /** Throws ObjectMissing. */
  private async readLock(key: string): Promise<Lock> {
    return present(key, await this.locks(key));
  }

  /** All that an object has had; the last one counts. */
  private async locks(key: string): Promise<Lock[]> {
    const locks: Lock[] = [];
    for (;;) {
      const text = await readFile(this.lockOf(key, locks.length + 1), 'utf8').catch(ifMissing(undefined));
      if (text === undefined) return locks;
      locks.push(readJson(text) as JsonObject as unknown as Lock);
    }
  }

  /** Adds what `change` makes of an object's locks, if anything; how many there are then. Its errors end it. */
  private async changeLock(key: string, change: (locks: readonly Lock[]) => Lock | undefined): Promise<number> {
    const temporary = this.temporary();
    for (;;) {
      const locks = await this.locks(key);
      const changed = change(locks);
      if (!changed) return locks.length;
      try {
        await writeFile(temporary, `${JSON.stringify(changed)}\n`, { flush: true, mode: 0o444 });
        const path = this.lockOf(key, locks.length + 1);
        if (await linkOnce(temporary, path)) {
          await sync(dirname(path));
          return locks.length + 1;
        }
      } finally {
        await unlink(temporary).catch(() => undefined);
      }
    }
  }

  /** Changes the lock of an object that is there. Throws ObjectMissing. */
  private changeObject(key: string, change: (lock: Lock) => Lock): Promise<void> {
    return this.attempt(async () => {
      const number = await this.changeLock(key, (locks) => change(present(key, locks)));
      await stat(this.pathOf(key)).catch(async (error: unknown) => {
        // removed meanwhile, with the locks that were there
        if (codeOf(error) === 'ENOENT') await unlink(this.lockOf(key, number)).catch(ifMissing(undefined));
        return missing(key)(error);
      });
    });
  }

  /** A new folder is durable when its parent is synced. */
  private async syncFolders(folder: string): Promise<void> {
    for (let at = folder; at.startsWith(this.root); at = dirname(at)) await sync(at);
  }

  private async attempt<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw await this.unlessVacant(toStoreError(error));
    }
  }

  /** Of a folder with nothing in it nobody can say that an object is missing: its volume is. */
  private async unlessVacant(error: unknown): Promise<unknown> {
    if (!(error instanceof ObjectMissing)) return error;
    const names = await readdir(this.root).catch(ifMissing([] as string[]));
    if (names.length > 0) return error;
    return new StoreUnavailable(`the archive's folder does not work: ${ADVICE.ENOENT} (nothing is in it)`, {
      cause: error,
    });
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

async function digestOf(path: string): Promise<string> {
  const digest = createHash('sha256');
  for await (const chunk of createReadStream(path)) digest.update(chunk as Buffer);
  return digest.digest('hex');
}

/** Gives a file another name, durable when its folder is; false where there is a file of that name. */
async function linkOnce(file: string, path: string): Promise<boolean> {
  try {
    await link(file, path);
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    return (await stat(file)).nlink > 1; // over NFS the answer to a request that was sent twice is that of the second
  }
}

/** The lock that counts. Throws ObjectMissing. */
function present(key: string, locks: readonly Lock[]): Lock {
  const last = locks.at(-1);
  if (!last || last.removed === true) throw new ObjectMissing(`there is no object ${key}`);
  return last;
}

/** Held if either is, for as long as the longer of the two. */
function stricter(a: Lock, b: Lock): Pick<Lock, 'retain_until' | 'legal_hold'> {
  const isLonger = Date.parse(a.retain_until) > Date.parse(b.retain_until);
  return { retain_until: (isLonger ? a : b).retain_until, legal_hold: a.legal_hold || b.legal_hold };
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | null)?.code;
}

function ifMissing<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (codeOf(error) === 'ENOENT') return value;
    throw error;
  };
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
