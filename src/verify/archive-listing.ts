import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalize, type JsonObject } from '../integrity/canonical-json.js';
import { readJson, StrictJsonError } from '../integrity/strict-json.js';
import type { ArchiveReport } from './archive-report.js';

/** What a copy of an archive says of the store that it was made of: a line of canonical JSON a version, after one of its own. */
export const LISTING_FILE = 'listing.ndjson';
export const LISTING_FORMAT = 'truetrail-copy/1';

const PIECE_BYTES = 1_048_576;

/**
 * Holds a copy against its listing, if it has one: each key’s oldest version is there with its bytes, nothing stands over
 * it in the store, and no file came besides. `files` are all files of the folder but the listing, relative to it. Returns where
 * it was copied from; undefined without a listing, as of a folder that is the store itself.
 */
export function verifyListing(folder: string, files: readonly string[], report: ArchiveReport): string | undefined {
  const path = join(folder, LISTING_FILE);
  if (!existsSync(path)) return undefined;
  const [head, ...lines] = readFileSync(path, 'utf8').split('\n');
  const { format, location } = objectIn(head ?? '');
  if (format !== LISTING_FORMAT || typeof location !== 'string' || lines.pop() !== '') {
    report.find('file', `${LISTING_FILE} is none of ${LISTING_FORMAT}, or is cut off`);
    return undefined;
  }
  const copied = new Set<string>();
  const hidden = new Map<string, { versions: number; markers: number }>();
  const there = new Set(files);
  for (const line of lines) {
    const { key, sha256, is_delete_marker: isMarker } = objectIn(line);
    if (typeof key !== 'string') {
      report.find('file', `a line of ${LISTING_FILE} names no key`);
    } else if (typeof sha256 === 'string') {
      copied.add(key);
      if (!there.has(key)) report.find('missing', `${key} was copied, and is not there`);
      else if (sha256Of(join(folder, key)) !== sha256) report.find('file', `${key} is not the file that was copied`);
    } else {
      const over = hidden.get(key) ?? { versions: 0, markers: 0 };
      if (isMarker === true) over.markers += 1;
      else over.versions += 1;
      hidden.set(key, over);
    }
  }
  for (const [key, { versions, markers }] of hidden) {
    const what = [
      ...(versions > 0 ? [`${versions} version${versions === 1 ? '' : 's'}`] : []),
      ...(markers > 0 ? [`${markers} delete marker${markers === 1 ? '' : 's'}`] : []),
    ].join(' and ');
    if (copied.has(key)) report.find('hidden', `${key}: ${what} came over it in the store, and hide it`);
    else report.find('hidden', `${key}: ${what} in the store, and no object of an archive under it`);
  }
  for (const name of files) {
    if (!copied.has(name)) report.find('file', `${name} is not in ${LISTING_FILE}`);
  }
  return location;
}

/** A line of canonical JSON; an empty object for what is none. */
function objectIn(line: string): JsonObject {
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
