import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm, writeFile, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { canonicalize } from '../integrity/canonical-json.js';
import { LISTING_FILE, LISTING_FORMAT, linesOf, locationIn, objectIn, sha256Of } from '../verify/archive-listing.js';
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
/** What the copies before this one, which were broken off, have listed. */
const LISTED_BEFORE = 'listed-before.ndjson';

/**
 * Copies an archive from a store into a folder, of each key the oldest version, which counts; and writes what else stands
 * there, under whatever key, into a file beside it, LISTING_FILE, which the verifier of archives reads. Only keys that an
 * archive has are copied: who may write to the store says nothing of other files. It lists and reads, and nothing more.
 * Broken off, it goes on when it is called again: what was copied of the same version is not fetched again as long as its
 * file has the SHA-256 that it had. Throws an Error for a folder that holds anything else, a finished copy or the beginning
 * of one of another store, and the store's.
 */
export async function copyArchive(store: ObjectStore, folder: string): Promise<CopiedArchive> {
  const unfinished = join(folder, UNFINISHED);
  await begin(folder, store.location);
  const before = new CopiedBefore(join(unfinished, LISTED_BEFORE));
  const partial = join(unfinished, LISTING_FILE);
  await writeFile(partial, headOf(store.location));
  const listing = await open(partial, 'a');
  const copied: CopiedArchive = { objects: 0, bytes: 0, others: 0 };
  try {
    let last: string | undefined;
    for await (const version of store.list('')) {
      const { key } = version;
      // a delete marker is never the oldest version, whatever was put before it
      const isCopied = key !== last && !version.isDeleteMarker && isArchiveName(key);
      let sha256: string | null = null;
      if (isCopied) {
        last = key;
        const known = before.sha256Of(version);
        const isThere = known !== undefined && existsSync(join(folder, key)) && sha256Of(join(folder, key)) === known;
        sha256 = isThere ? known : await copyVersion(store, version, folder);
        copied.objects += 1;
        copied.bytes += version.bytes;
      } else copied.others += 1;
      await listing.writeFile(lineOf(version, sha256));
    }
    await listing.sync();
  } finally {
    before.close();
    await listing.close();
  }
  await rename(partial, join(folder, LISTING_FILE));
  await rm(unfinished, { recursive: true });
  return copied;
}

function headOf(location: string): string {
  return `${canonicalize({ format: LISTING_FORMAT, location })}\n`;
}

function lineOf({ key, versionId, isDeleteMarker, isLatest, bytes }: ListedVersion, sha256: string | null): string {
  const line = {
    ...{ key, version_id: versionId, is_delete_marker: isDeleteMarker, is_latest: isLatest },
    ...{ bytes: String(bytes), sha256 },
  };
  return `${canonicalize(line)}\n`;
}

/** Takes a new or empty folder, or one in which a copy of this store was broken off. Throws an Error for another one. */
async function begin(folder: string, location: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const names = await readdir(folder);
  if (names.includes(LISTING_FILE)) {
    throw new Error(`${folder} holds a copy that is finished: name a new folder, a copy is made as a whole`);
  }
  if (names.length > 0 && !names.includes(UNFINISHED)) {
    throw new Error(`${folder} holds something else than a copy of an archive: name a new folder`);
  }
  const unfinished = join(folder, UNFINISHED);
  await mkdir(unfinished, { recursive: true });
  const [partial, before] = [join(unfinished, LISTING_FILE), join(unfinished, LISTED_BEFORE)];
  for (const path of [partial, before]) {
    const other = existsSync(path) ? locationOf(path) : undefined;
    if (other !== undefined && other !== location) {
      throw new Error(`${folder} holds the beginning of a copy of ${other}, not of ${location}: name a new folder`);
    }
  }
  if (!existsSync(partial)) return;
  // what was listed last, and of the time before what comes after it: it may have been broken off earlier
  const next = join(unfinished, 'next.ndjson');
  const file = await open(next, 'w');
  try {
    await file.writeFile(headOf(location));
    const last = await keepCopied(partial, file, undefined);
    if (existsSync(before)) await keepCopied(before, file, last);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(next, before);
}

function locationOf(listing: string): string | undefined {
  for (const { text } of linesOf(listing)) return locationIn(text);
  return undefined;
}

/** Appends the lines of a listing that are of copied versions and come after a key; the last key of what was appended. */
async function keepCopied(listing: string, to: FileHandle, after: string | undefined): Promise<string | undefined> {
  let last = after;
  for (const { key, line } of copiedIn(listing)) {
    if (last !== undefined && key <= last) continue;
    await to.writeFile(`${line}\n`);
    last = key;
  }
  return last;
}

interface CopiedLine {
  key: string;
  versionId: string;
  bytes: string;
  sha256: string;
  line: string;
}

/** Whole lines alone: the last one of a copy that was broken off may not be. */
function* copiedIn(listing: string): Generator<CopiedLine> {
  for (const { text: line, isCut } of linesOf(listing)) {
    if (isCut) return;
    const { key, version_id: versionId, bytes, sha256 } = objectIn(line);
    if (typeof key !== 'string' || typeof versionId !== 'string') continue;
    if (typeof bytes === 'string' && typeof sha256 === 'string') yield { key, versionId, bytes, sha256, line };
  }
}

/** What was copied before, asked for in the order of keys, which is that of its lines: one of them in memory at a time. */
class CopiedBefore {
  private readonly lines: Generator<CopiedLine> | undefined;
  private next: CopiedLine | undefined;

  constructor(path: string) {
    this.lines = existsSync(path) ? copiedIn(path) : undefined;
    this.advance();
  }

  /** In hex; undefined for a version that was not copied. */
  sha256Of({ key, versionId, bytes }: ListedVersion): string | undefined {
    while (this.next && this.next.key < key) this.advance();
    const { next } = this;
    const isSame = next?.key === key && next.versionId === versionId && next.bytes === String(bytes);
    return isSame ? next.sha256 : undefined;
  }

  close(): void {
    this.lines?.return(undefined);
  }

  private advance(): void {
    const result = this.lines?.next();
    this.next = result?.done === false ? result.value : undefined;
  }
}

/** The SHA-256 of the version in hex. */
async function copyVersion(store: ObjectStore, version: ListedVersion, folder: string): Promise<string> {
  const path = join(folder, version.key);
  const digest = createHash('sha256');
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
