import { createHash, type Hash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { canonicalize } from '../integrity/canonical-json.js';
import { LISTING_FILE, LISTING_FORMAT } from '../verify/archive-listing.js';
import { isArchiveName } from '../verify/archive-names.js';
import type { ListedVersion, ObjectStore } from './object-store.js';

export interface CopiedArchive {
  /** keys of which the oldest version was copied, those that were there already among them */
  objects: number;
  bytes: number;
  /** versions and delete markers after the first of a key, and keys that were not copied */
  others: number;
}

/** In the folder while the copy is made: what is not whole yet, where no object of an archive is copied to. */
const UNFINISHED = '.unfinished';

/**
 * Copies an archive from a store into a folder, of each key the oldest version, which counts; and writes what else stands
 * there, under whatever key, into a file beside it, LISTING_FILE, which the verifier of archives reads. Only keys that an
 * archive has are copied: who may write to the store says nothing of other files. It lists and reads, and nothing more.
 * Broken off, it goes on when it is called again. Throws an Error for a folder that holds anything else, and the store's.
 */
export async function copyArchive(store: ObjectStore, folder: string): Promise<CopiedArchive> {
  await assertOurs(folder);
  const unfinished = join(folder, UNFINISHED);
  await mkdir(unfinished, { recursive: true });
  const partial = join(unfinished, LISTING_FILE);
  await writeFile(partial, `${canonicalize({ format: LISTING_FORMAT, location: store.location })}\n`);
  const listing = await open(partial, 'a');
  const copied: CopiedArchive = { objects: 0, bytes: 0, others: 0 };
  try {
    let key: string | undefined;
    for await (const version of store.list('')) {
      const isOldest = version.key !== key;
      key = version.key;
      const isCopied = isOldest && !version.isDeleteMarker && isArchiveName(key);
      const sha256 = isCopied ? await copyVersion(store, version, folder) : null;
      if (isCopied) {
        copied.objects += 1;
        copied.bytes += version.bytes;
      } else copied.others += 1;
      const { versionId, isDeleteMarker, isLatest, bytes } = version;
      const line = {
        ...{ key, version_id: versionId, is_delete_marker: isDeleteMarker, is_latest: isLatest },
        ...{ bytes: String(bytes), sha256 },
      };
      await listing.writeFile(`${canonicalize(line)}\n`);
    }
    await listing.sync();
  } finally {
    await listing.close();
  }
  await rename(partial, join(folder, LISTING_FILE));
  await rm(unfinished, { recursive: true });
  return copied;
}

/** A new or empty folder, or one that a copy has begun. */
async function assertOurs(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const names = await readdir(folder);
  const isOurs = names.length === 0 || names.some((name) => name === LISTING_FILE || name === UNFINISHED);
  if (!isOurs) throw new Error(`${folder} holds something else than a copy of an archive: name a new folder`);
}

/** The SHA-256 of the version in hex; what is there of the same size is not fetched again, and hashed as it is. */
async function copyVersion(store: ObjectStore, version: ListedVersion, folder: string): Promise<string> {
  const path = join(folder, version.key);
  const digest = createHash('sha256');
  if (existsSync(path) && (await stat(path)).size === version.bytes) return digestOf(path, digest);
  await mkdir(dirname(path), { recursive: true });
  const partial = join(folder, UNFINISHED, 'object');
  const file = await open(partial, 'w');
  try {
    for await (const chunk of store.read(version)) {
      digest.update(chunk);
      await file.writeFile(chunk);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(partial, path);
  return digest.digest('hex');
}

async function digestOf(path: string, digest: Hash): Promise<string> {
  for await (const chunk of createReadStream(path)) digest.update(chunk as Buffer);
  return digest.digest('hex');
}
