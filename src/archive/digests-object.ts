import { hash } from 'node:crypto';
import { canonicalize, type JsonObject } from '../integrity/canonical-json.js';
import { HASH_BYTES, leafHash } from '../integrity/event.js';
import { MerkleTree } from '../integrity/merkle-tree.js';
import { readJson } from '../integrity/strict-json.js';
import {
  ArchiveObjectError,
  DIGESTS_FORMAT,
  isDigestsManifest,
  nonceOf,
  type ArchivedRange,
  type DigestsManifest,
} from './archive-format.js';
import { DESCRIBED } from './format-description.js';
import type { WrittenFile } from './parquet-file.js';

const LINE_FEED = 0x0a;

/** A finished object of digests. */
export interface EncodedDigests extends WrittenFile {
  manifest: DigestsManifest;
  /** as of every object; the record classes are those of the events */
  contents: [];
  /** nor what would be listed */
  keyedSums?: undefined;
}

/**
 * An object of digests: its manifest in canonical JSON, a line feed, and then the event hashes of its ranges, 32 bytes
 * each, one range after the other. `hashes` holds those of each range. Throws ArchiveObjectError when they are not those
 * that a range is of.
 */
export function encodeDigests(
  about: { number: bigint; nonce?: string | undefined; digestsOf: { number: string; sha256: string } },
  held: readonly { range: ArchivedRange; hashes: Buffer }[],
): { encoded: EncodedDigests; bytes: Buffer } {
  const sorted = [...held].sort((a, b) => (a.range.ledger < b.range.ledger ? -1 : 1));
  for (const { range, hashes } of sorted) assertHashes(range, hashes);
  const manifest: DigestsManifest = {
    format: DIGESTS_FORMAT,
    kind: 'digests',
    number: String(about.number),
    ...nonceOf(about),
    digests_of: about.digestsOf,
    ranges: sorted.map(({ range }) => range),
    ...DESCRIBED,
  };
  const line = `${canonicalize(manifest as unknown as JsonObject)}\n`;
  const bytes = Buffer.concat([Buffer.from(line), ...sorted.map(({ hashes }) => hashes)]);
  return { encoded: { manifest, contents: [], ...digestsOfBytes(bytes) }, bytes };
}

/** Whether bytes are the beginning of an object of digests, and not of a Parquet file. */
export function beginsDigests(bytes: Buffer): boolean {
  return bytes.subarray(0, 1).toString() === '{';
}

/** The manifest, and the hashes of each of its ranges; all recomputed. Throws ArchiveObjectError. */
export function readDigests(bytes: Buffer): { manifest: DigestsManifest; hashes: Buffer[] } {
  const end = bytes.indexOf(LINE_FEED);
  const manifest = readManifest(bytes.subarray(0, Math.max(0, end)));
  const hashes: Buffer[] = [];
  let at = end + 1;
  manifest.ranges.forEach((range, i) => {
    if (i > 0 && manifest.ranges[i - 1]!.ledger >= range.ledger) {
      throw new ArchiveObjectError('its ranges are not in the order of their ledgers');
    }
    const length = Number(BigInt(range.to_sequence) - BigInt(range.from_sequence) + 1n) * HASH_BYTES;
    hashes.push(bytes.subarray(at, at + length));
    at += length;
    assertHashes(range, hashes[i]!);
  });
  if (at !== bytes.length) throw new ArchiveObjectError('it has other bytes than its manifest says');
  return { manifest, hashes };
}

/** What an object of digests is, all of it recomputed. Throws ArchiveObjectError. */
export function verifyDigests(bytes: Buffer): EncodedDigests {
  return { manifest: readDigests(bytes).manifest, contents: [], ...digestsOfBytes(bytes) };
}

function readManifest(line: Buffer): DigestsManifest {
  let manifest: unknown;
  try {
    manifest = readJson(line.toString('utf8'));
  } catch (cause) {
    throw new ArchiveObjectError('its first line is no manifest', undefined, { cause });
  }
  if (!isDigestsManifest(manifest)) {
    throw new ArchiveObjectError(`its manifest is not of the format ${DIGESTS_FORMAT}`);
  }
  return manifest;
}

function assertHashes({ ledger, from_sequence: sequence, ...range }: ArchivedRange, hashes: Buffer): void {
  const count = Number(BigInt(range.to_sequence) - BigInt(sequence) + 1n);
  const at = { ledger, sequence };
  if (hashes.length !== count * HASH_BYTES) {
    throw new ArchiveObjectError(`it has not the ${count} hashes of ${ledger} that its manifest says`, at);
  }
  const tree = new MerkleTree();
  for (let i = 0; i < count; i++) tree.append(leafHash(hashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES)));
  if (tree.root().toString('hex') !== range.merkle_root) {
    throw new ArchiveObjectError(`its hashes of ${ledger} have another merkle_root than its manifest says`, at);
  }
  if (hashes.subarray(-HASH_BYTES).toString('hex') !== range.last_event_hash) {
    throw new ArchiveObjectError(`its hashes of ${ledger} end otherwise than its manifest says`, at);
  }
}

function digestsOfBytes(bytes: Buffer): WrittenFile {
  return { bytes: bytes.length, sha256: hash('sha256', bytes, 'buffer'), md5: hash('md5', bytes, 'buffer') };
}
