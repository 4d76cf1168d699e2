import { hash, type X509Certificate } from 'node:crypto';
import type pg from 'pg';
import type { ListedVersion, ObjectStore } from '../archive/object-store.js';
import {
  COSIGNATURE_PREFIX,
  CosignatureObjectError,
  parseCosignatureObject,
  type StoredCosignature,
} from '../integrity/cosignature-object.js';
import { cosignatureTime, NoteError, parseNote, parseSignature, VerifierKey } from '../integrity/signed-note.js';
import {
  MAX_REPLY_BYTES,
  TIMESTAMP_PREFIX,
  TimestampError,
  verifyTimestampReply,
} from '../integrity/timestamp-reply.js';
import { findAnchor } from './anchors.sql.js';
import * as sql from './attestations.sql.js';
import { keepCosignatures } from './cosignatures.sql.js';
import { keepTimestamp } from './timestamps.sql.js';

/** Name in the metadata of a time stamp's object: the authority that was asked. */
export const AUTHORITY_URL_METADATA = 'authority-url';
/** Where time stamps were written without saying whom. */
const UNKNOWN_AUTHORITY = 'unknown';
/** Of the largest object of cosignatures: see cosignature-storing.job.ts. */
const MAX_OBJECT_BYTES = 64 * 1024 * 1024;
const KEPT_AT_ONCE = 1_000;

/** What others have said of checkpoints and anchors, as it stands in the store: below these names. */
export const ATTESTATION_PREFIXES: readonly string[] = [TIMESTAMP_PREFIX, COSIGNATURE_PREFIX];

/** An object of the store that is not what its name says; `message` is a sentence that says why. */
export class AttestationError extends Error {
  override readonly name = 'AttestationError';
}

export interface TakenAttestations {
  timestamps: number;
  cosignatures: number;
  /** objects that are none, or of another history */
  refused: { key: string; reason: string }[];
  /** time stamps that nobody could verify, as there are no roots */
  unverifiable: number;
}

/**
 * Takes up time stamps and cosignatures that are in the store and not in the database: after a rebuild, and after a
 * backup was restored. The anchors have to be taken up before. Each is verified, time stamps by `roots`. Throws
 * StoreUnavailable.
 */
export async function takeUpAttestations(
  pool: pg.Pool,
  store: ObjectStore,
  roots: readonly X509Certificate[],
): Promise<TakenAttestations> {
  const taken: TakenAttestations = { timestamps: 0, cosignatures: 0, refused: [], unverifiable: 0 };
  const known = await sql.listCataloguedAttestations(pool);
  for (const prefix of ATTESTATION_PREFIXES) {
    let lastKey = '';
    for await (const version of store.list(prefix)) {
      if (version.isDeleteMarker || version.key === lastKey) continue; // the oldest version of a name counts
      lastKey = version.key;
      if (known.has(version.key)) continue;
      if (prefix === TIMESTAMP_PREFIX && roots.length === 0) {
        taken.unverifiable += 1;
        continue;
      }
      try {
        if (prefix === TIMESTAMP_PREFIX) {
          await takeUpTimestamp(pool, store, version, roots);
          taken.timestamps += 1;
        } else taken.cosignatures += await takeUpCosignatures(pool, store, version);
      } catch (error) {
        if (!(error instanceof AttestationError)) throw error;
        taken.refused.push({ key: version.key, reason: error.message });
      }
    }
  }
  return taken;
}

async function takeUpTimestamp(
  pool: pg.Pool,
  store: ObjectStore,
  version: ListedVersion,
  roots: readonly X509Certificate[],
): Promise<void> {
  const [, digits, digest] = /^timestamps\/([0-9]{12,18})-([0-9a-f]{16})\.tsr$/.exec(version.key) ?? [];
  if (digits === undefined) throw new AttestationError('its name is not that of a time stamp');
  const reply = await bytesOf(store, version, MAX_REPLY_BYTES);
  if (hash('sha256', reply).slice(0, 16) !== digest) throw new AttestationError('its bytes are not those of its name');
  const anchor = BigInt(digits);
  const known = await findAnchor(pool, anchor);
  if (!known) throw new AttestationError(`there is no anchor ${anchor}`);
  const { genTime, authority } = verifiedTimestamp(reply, known.sha256, roots);
  const { metadata } = await store.describe(version);
  await keepTimestamp(pool, {
    anchor,
    anchorSha256: known.sha256,
    reply,
    authorityUrl: metadata[AUTHORITY_URL_METADATA] ?? UNKNOWN_AUTHORITY,
    authority,
    stampedAt: genTime,
    location: store.location,
    objectKey: version.key,
    versionId: version.versionId,
  });
}

/** The number of cosignatures in it. */
async function takeUpCosignatures(pool: pg.Pool, store: ObjectStore, version: ListedVersion): Promise<number> {
  const bytes = await bytesOf(store, version, MAX_OBJECT_BYTES);
  const cosignatures = cosignaturesIn(version.key, bytes);
  const notes = await sql.findNotes(pool, cosignatures);
  const verified = cosignatures.map(({ anchor, origin, witnessKey, line }, at) => {
    const { ledger, note } = notes[at]!;
    if (ledger === null || note === null) throw new AttestationError(`anchor ${anchor} has no checkpoint of ${origin}`);
    return { ledger, anchor, witnessKey, line, cosignedAt: verifiedCosignature(witnessKey, line, note) };
  });
  for (let at = 0; at < verified.length; at += KEPT_AT_ONCE) {
    const chunk = verified.slice(at, at + KEPT_AT_ONCE);
    await keepCosignatures(
      pool,
      chunk.map((each) => ({ ...each, anchor: String(each.anchor) })),
    );
  }
  await sql.catalogueCosignatureObject(pool, {
    objectKey: version.key,
    sha256: hash('sha256', bytes, 'buffer'),
    bytes: bytes.length,
    location: store.location,
    versionId: version.versionId,
    cosignatures: verified,
  });
  return verified.length;
}

/** What an object of cosignatures holds, by its name and bytes. Throws AttestationError. */
export function cosignaturesIn(key: string, bytes: Buffer): StoredCosignature[] {
  const [, digest] = /^cosignatures\/[0-9]{12,18}-([0-9a-f]{16})\.json$/.exec(key) ?? [];
  if (digest === undefined) throw new AttestationError('its name is not that of cosignatures');
  if (hash('sha256', bytes).slice(0, 16) !== digest) throw new AttestationError('its bytes are not those of its name');
  try {
    return parseCosignatureObject(bytes);
  } catch (cause) {
    if (!(cause instanceof CosignatureObjectError)) throw cause;
    throw new AttestationError(cause.message, { cause });
  }
}

/** What a reply says, verified over a SHA-256. Throws AttestationError. */
export function verifiedTimestamp(
  reply: Buffer,
  imprint: Buffer,
  roots: readonly X509Certificate[],
): { genTime: string; authority: string } {
  try {
    return verifyTimestampReply(reply, imprint, roots);
  } catch (cause) {
    if (!(cause instanceof TimestampError)) throw cause;
    throw new AttestationError(cause.message, { cause });
  }
}

/** When a witness says that it has cosigned a checkpoint, POSIX seconds, verified by its key. Throws AttestationError. */
export function verifiedCosignature(witnessKey: string, line: string, note: string): bigint {
  try {
    const key = VerifierKey.parse(witnessKey);
    const signature = parseSignature(line.slice(0, -1));
    const isIts = line.endsWith('\n') && key.isNamedBy(signature) && key.verifies(parseNote(note).text, signature);
    if (!isIts) throw new AttestationError(`the cosignature by ${key.name} does not verify`);
    return cosignatureTime(signature);
  } catch (cause) {
    if (!(cause instanceof NoteError)) throw cause;
    throw new AttestationError(cause.message, { cause });
  }
}

/** Throws AttestationError for one that is too large to be one. */
export async function bytesOf(store: ObjectStore, version: ListedVersion, most: number): Promise<Buffer> {
  if (version.bytes > most) throw new AttestationError(`it has ${version.bytes} bytes: too many`);
  const chunks: Buffer[] = [];
  for await (const chunk of store.read(version)) chunks.push(chunk);
  return Buffer.concat(chunks);
}
