import { hash } from 'node:crypto';
import { canonicalize, type JsonValue } from './canonical-json.js';
import { readJson, StrictJsonError } from './strict-json.js';

/** What a witness has said of a checkpoint, and where that checkpoint is: with the anchor it can be verified for ever. */
export interface StoredCosignature {
  /** number of the anchor that holds the checkpoint */
  anchor: bigint;
  origin: string;
  /** verifier key of the witness (C2SP signed-note) */
  witnessKey: string;
  /** C2SP tlog-cosignature, with its newline */
  line: string;
}

export const COSIGNATURES_FORMAT = 'truetrail-cosignatures/1';
/** What the keys of all objects of cosignatures begin with. */
export const COSIGNATURE_PREFIX = 'cosignatures/';

/** What is no object of cosignatures; `message` is a sentence that says why. */
export class CosignatureObjectError extends Error {
  override readonly name = 'CosignatureObjectError';
}

/**
 * The bytes that are stored: the JCS of `{"format", "cosignatures": [{"anchor", "origin", "witness_key", "line"}]}`, sorted
 * by anchor, origin and key.
 */
export function cosignatureObjectBytes(cosignatures: readonly StoredCosignature[]): Buffer {
  const sorted = [...cosignatures].sort(
    (a, b) => Number(a.anchor - b.anchor) || compare(a.origin, b.origin) || compare(a.witnessKey, b.witnessKey),
  );
  return Buffer.from(
    canonicalize({
      format: COSIGNATURES_FORMAT,
      cosignatures: sorted.map(({ anchor, origin, witnessKey, line }) => ({
        anchor: String(anchor),
        origin,
        witness_key: witnessKey,
        line,
      })),
    }),
  );
}

/** `cosignatures/<number of the last anchor in it, twelve digits>-<sixteen hex digits of the SHA-256>.json` */
export function cosignatureObjectKey(cosignatures: readonly StoredCosignature[], bytes: Buffer): string {
  const last = cosignatures.reduce((most, { anchor }) => (anchor > most ? anchor : most), 0n);
  return `${COSIGNATURE_PREFIX}${String(last).padStart(12, '0')}-${hash('sha256', bytes).slice(0, 16)}.json`;
}

/** Reads an object's bytes, which must be exactly those that cosignatureObjectBytes would make; verifies no signature. Throws CosignatureObjectError. */
export function parseCosignatureObject(bytes: Buffer): StoredCosignature[] {
  let value: JsonValue;
  try {
    value = readJson(bytes);
  } catch (error) {
    if (error instanceof StrictJsonError) throw new CosignatureObjectError(`it is no JSON: ${error.message}`);
    throw error;
  }
  const { format, cosignatures } = members(value, 2);
  if (format !== COSIGNATURES_FORMAT) throw new CosignatureObjectError(`its format is not ${COSIGNATURES_FORMAT}`);
  if (!Array.isArray(cosignatures) || cosignatures.length === 0) throw new CosignatureObjectError('it has none');
  const read = cosignatures.map((each): StoredCosignature => {
    const { anchor, origin, witness_key: witnessKey, line } = members(each, 4);
    if (typeof anchor !== 'string' || !/^[1-9][0-9]{0,17}$/.test(anchor)) {
      throw new CosignatureObjectError('an anchor is no decimal number from 1');
    }
    if (typeof origin !== 'string' || typeof witnessKey !== 'string' || typeof line !== 'string') {
      throw new CosignatureObjectError('an origin, witness_key or line is no text');
    }
    return { anchor: BigInt(anchor), origin, witnessKey, line };
  });
  if (!cosignatureObjectBytes(read).equals(bytes)) throw new CosignatureObjectError('it is not in canonical form');
  return read;
}

function members(value: JsonValue, count: number): Record<string, JsonValue | undefined> {
  if (value === null || typeof value !== 'object' || Array.isArray(value) || Object.keys(value).length !== count) {
    throw new CosignatureObjectError(`where an object of ${count} members should be is something else`);
  }
  return value;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
