import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalize, type JsonObject } from '../integrity/canonical-json.js';
import { readJson, StrictJsonError } from '../integrity/strict-json.js';
import type { ArchiveReport } from './archive-report.js';

/** What a copy of an archive says of the store that it was made of: a line of canonical JSON a version, after one of its own. */
export const LISTING_FILE = 'listing.ndjson';
export const LISTING_FORMAT = 'truetrail-copy/1';

const PIECE_BYTES = 1_048_576;
/** A key has 1,024 bytes at most, and each of them six in JSON. */
const MAX_LINE_BYTES = 65_536;
const LINE_FEED = 0x0a;

/**
 * Holds a copy against its listing, if it has one: each key’s oldest version is there with its bytes, nothing stands over
 * it in the store, and no file came besides. `files` are all files of the folder but the listing, relative to it. Returns where
 * it was copied from; undefined without a listing, as of a folder that is the store itself. A listing may be of any length:
 * a line is kept no longer than those of its key.
 */
export function verifyListing(folder: string, files: readonly string[], report: ArchiveReport): string | undefined {
  const path = join(folder, LISTING_FILE);
  if (!existsSync(path)) return undefined;
  const isListed = new Map(files.map((name) => [name, false]));
  let location: string | undefined;
  let lines = 0;
  let of: KeyOfStore | undefined;
  for (const line of linesOf(path)) {
    if (line.isCut || (lines === 0 && (location = locationIn(line.text)) === undefined)) {
      report.find('file', `${LISTING_FILE} is none of ${LISTING_FORMAT}, or is cut off`);
      return undefined;
    }
    lines += 1;
    if (lines === 1) continue;
    const { key, sha256, is_delete_marker: isMarker } = objectIn(line.text);
    if (typeof key !== 'string') {
      report.find('file', `a line of ${LISTING_FILE} names no key`);
      continue;
    }
    if (of?.key !== key) {
      if (of) tellOfHidden(of, isListed, report);
      of = { key, isCopied: false, versions: 0, markers: 0 };
    }
    if (typeof sha256 === 'string') {
      of.isCopied = true;
      if (!isListed.has(key)) report.find('missing', `${key} was copied, and is not there`);
      else {
        isListed.set(key, true);
        if (sha256Of(join(folder, key)) !== sha256) report.find('file', `${key} is not the file that was copied`);
      }
    } else if (isMarker === true) of.markers += 1;
    else of.versions += 1;
  }
  if (lines === 0) report.find('file', `${LISTING_FILE} is none of ${LISTING_FORMAT}, or is cut off`);
  if (location === undefined) return undefined;
  if (of) tellOfHidden(of, isListed, report);
  for (const [name, listed] of isListed) {
    if (!listed) report.find('file', `${name} is not in ${LISTING_FILE}`);
  }
  return location;
}

/** What the listing has of one key, besides the version that was copied. */
interface KeyOfStore {
  key: string;
  isCopied: boolean;
  versions: number;
  markers: number;
}

function tellOfHidden(of: KeyOfStore, isListed: ReadonlyMap<string, boolean>, report: ArchiveReport): void {
  const { key, isCopied, versions, markers } = of;
  if (versions === 0 && markers === 0) return;
  const what = [
    ...(versions > 0 ? [`${versions} version${versions === 1 ? '' : 's'}`] : []),
    ...(markers > 0 ? [`${markers} delete marker${markers === 1 ? '' : 's'}`] : []),
  ].join(' and ');
  if (isCopied || isListed.get(key) === true) {
    report.find('hidden', `${key}: ${what} came over it in the store, and hide it`);
  } else report.find('hidden', `${key}: ${what} in the store, and no object of an archive under it`);
}

/** Where a copy was made of, as the first line of its listing says; undefined for what is none. */
export function locationIn(line: string): string | undefined {
  const { format, location } = objectIn(line);
  return format === LISTING_FORMAT && typeof location === 'string' ? location : undefined;
}

/**
 * The lines of a listing, a piece of it in memory at a time. The last one is cut, and has no text, where the file does not
 * end with a line feed or a line is longer than any of a listing is.
 */
export function* linesOf(path: string): Generator<{ text: string; isCut: boolean }> {
  const descriptor = openSync(path, 'r');
  try {
    const piece = Buffer.allocUnsafe(PIECE_BYTES);
    let kept = 0; // bytes of a line that is not whole yet, at the beginning of the piece
    for (;;) {
      const count = readSync(descriptor, piece, kept, PIECE_BYTES - kept, null);
      const end = kept + count;
      if (count === 0) break;
      let start = 0;
      for (let at = piece.indexOf(LINE_FEED, kept); at >= 0 && at < end; at = piece.indexOf(LINE_FEED, start)) {
        yield { text: piece.toString('utf8', start, at), isCut: false };
        start = at + 1;
      }
      kept = end - start;
      if (kept > MAX_LINE_BYTES) break;
      piece.copyWithin(0, start, end);
    }
    if (kept > 0) yield { text: '', isCut: true };
  } finally {
    closeSync(descriptor);
  }
}

/** A line of canonical JSON; an empty object for what is none. */
export function objectIn(line: string): JsonObject {
  try {
    const value = readJson(line);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject && canonicalize(value) === line ? value : {};
  } catch (error) {
    if (error instanceof StrictJsonError) return {};
    throw error;
  }
}

/** Of a file, in hex. */
export function sha256Of(path: string): string {
  const digest = createHash('sha256');
  const descriptor = openSync(path, 'r');
  try {
    const piece = Buffer.allocUnsafe(PIECE_BYTES);
    for (let count = readSync(descriptor, piece); count > 0; count = readSync(descriptor, piece)) {
      digest.update(piece.subarray(0, count));
    }
  } finally {
    closeSync(descriptor);
  }
  return digest.digest('hex');
}
