/// <reference lib="es2024.string" />
import { createPublicKey, hash, sign, verify, type KeyObject } from 'node:crypto';
import { isUtf8 } from 'node:buffer';
import { isStrictBase64 } from './event.js';

/** Signed notes of C2SP signed-note, with Ed25519 signatures, and the cosignatures of C2SP tlog-cosignature on them. */

export interface SignedNote {
  /** What is signed: lines, each with its newline, the last one's included. */
  text: string;
  signatures: NoteSignature[];
}

export interface NoteSignature {
  name: string;
  /** 4 bytes: which key, as a hint */
  keyId: Buffer;
  /** what follows the key id */
  signature: Buffer;
}

/** What is no note, no key, or a note that does not verify; `message` is a sentence that says which. */
export class NoteError extends Error {
  override readonly name = 'NoteError';
}

/** Algorithms by their byte in a verifier key. */
export const ED25519 = 1;
export const COSIGNATURE_ED25519 = 4;

const EM_DASH = '\u2014';
const KEY_ID_BYTES = 4;
const ED25519_KEY_BYTES = 32;
const ED25519_SIGNATURE_BYTES = 64;
const COSIGNATURE_TIME_BYTES = 8;
/** signed-note: 16 at least must be taken, and there should be a bound. */
const MAX_SIGNATURES = 100;
const MAX_NOTE_CHARACTERS = 1_000_000;
/** SubjectPublicKeyInfo of an Ed25519 key up to the key itself: RFC 8410. */
const ED25519_SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/** A name that a key may have: not empty, no blank of Unicode, no plus, no control character. */
export function isKeyName(name: string): boolean {
  return name !== '' && name.isWellFormed() && !/[\s+\p{Cc}\p{Z}]/u.test(name);
}

/** A public key under a name: what verifies a log's or a witness's signatures. */
export class VerifierKey {
  readonly keyId: Buffer;

  /** Throws NoteError for a name that no key may have and a key that is not of Ed25519. */
  constructor(
    readonly name: string,
    readonly algorithm: typeof ED25519 | typeof COSIGNATURE_ED25519,
    /** raw, 32 bytes */
    readonly publicKey: Buffer,
  ) {
    if (!isKeyName(name)) throw new NoteError(`${JSON.stringify(name)} is no name of a key`);
    if (publicKey.length !== ED25519_KEY_BYTES) throw new NoteError('an Ed25519 key has 32 bytes');
    const identity = Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(algorithm), publicKey]);
    this.keyId = hash('sha256', identity, 'buffer').subarray(0, KEY_ID_BYTES);
  }

  /** Of `<name>+<key id in hex>+<base64>`. Throws NoteError. */
  static parse(text: string): VerifierKey {
    const [, name, id, base64] = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text) ?? [];
    if (name === undefined || !isStrictBase64(base64)) {
      throw new NoteError('a verifier key is <name>+<eight hex digits>+<base64>');
    }
    const blob = Buffer.from(base64, 'base64');
    const algorithm = blob[0];
    if (algorithm !== ED25519 && algorithm !== COSIGNATURE_ED25519) {
      throw new NoteError(`${name} is a key of algorithm ${algorithm}: only Ed25519 is known here`);
    }
    const key = new VerifierKey(name, algorithm, blob.subarray(1));
    if (key.keyId.toString('hex') !== id) throw new NoteError(`the key id of ${name} is not that of its key`);
    return key;
  }

  /** `<name>+<key id in hex>+<base64>` */
  toString(): string {
    const blob = Buffer.concat([Buffer.of(this.algorithm), this.publicKey]);
    return `${this.name}+${this.keyId.toString('hex')}+${blob.toString('base64')}`;
  }

  /** Whether this is the key, of the name and id, that a signature says it is by. */
  isNamedBy({ name, keyId }: NoteSignature): boolean {
    return name === this.name && keyId.equals(this.keyId);
  }

  /** Whether the signature is this key's of the text. */
  verifies(text: string, { signature }: NoteSignature): boolean {
    const isCosignature = this.algorithm === COSIGNATURE_ED25519;
    const timeBytes = isCosignature ? COSIGNATURE_TIME_BYTES : 0;
    if (signature.length !== timeBytes + ED25519_SIGNATURE_BYTES) return false;
    const message = isCosignature ? cosignedMessage(text, signature.readBigUInt64BE()) : text;
    const key = createPublicKey({
      key: Buffer.concat([ED25519_SPKI_PREFIX, this.publicKey]),
      format: 'der',
      type: 'spki',
    });
    return verify(null, Buffer.from(message), key, signature.subarray(timeBytes));
  }
}

/** When a cosignature says it was made: POSIX seconds. */
export function cosignatureTime({ signature }: NoteSignature): bigint {
  return signature.readBigUInt64BE();
}

/** What a witness signs of a checkpoint: C2SP tlog-cosignature. */
function cosignedMessage(text: string, time: bigint): string {
  return `cosignature/v1\ntime ${time}\n${text}`;
}

/** Reads a note, and verifies nothing of it. Throws NoteError. */
export function parseNote(note: string | Buffer): SignedNote {
  if (typeof note !== 'string') {
    if (!isUtf8(note)) throw new NoteError('a note is UTF-8');
    note = note.toString('utf8');
  }
  if (note.length > MAX_NOTE_CHARACTERS) throw new NoteError(`a note has at most ${MAX_NOTE_CHARACTERS} characters`);
  if (/[\u0000-\u0009\u000b-\u001f]/.test(note)) throw new NoteError('a note has no control characters but newlines');
  const end = note.lastIndexOf('\n\n');
  if (end < 0 || !note.endsWith('\n')) throw new NoteError('a note is lines, an empty line, and lines of signatures');
  const text = note.slice(0, end + 1);
  const lines = note.slice(end + 2, -1).split('\n');
  if (lines.length > MAX_SIGNATURES) throw new NoteError(`a note has at most ${MAX_SIGNATURES} signatures`);
  return { text, signatures: lines.map(parseSignature) };
}

/** Of a line `— <name> <base64>`, without its newline. Throws NoteError. */
export function parseSignature(line: string): NoteSignature {
  const [dash, name = '', base64, more] = line.split(' ');
  if (dash !== EM_DASH || !isKeyName(name) || !isStrictBase64(base64) || more !== undefined) {
    throw new NoteError('a line of a signature is an em dash, a name and base64, with single blanks');
  }
  const blob = Buffer.from(base64, 'base64');
  if (blob.length <= KEY_ID_BYTES) throw new NoteError(`the signature by ${name} is too short`);
  return { name, keyId: blob.subarray(0, KEY_ID_BYTES), signature: blob.subarray(KEY_ID_BYTES) };
}

/** `— <name> <base64>` and a newline. */
export function formatSignature({ name, keyId, signature }: NoteSignature): string {
  return `${EM_DASH} ${name} ${Buffer.concat([keyId, signature]).toString('base64')}\n`;
}

export function formatNote({ text, signatures }: SignedNote): string {
  return `${text}\n${signatures.map(formatSignature).join('')}`;
}

/** An Ed25519 signature of a text under the name of its key. Throws NoteError for another kind of key. */
export function signText(text: string, name: string, privateKey: KeyObject): NoteSignature {
  const { keyId } = verifierKey(name, privateKey);
  return { name, keyId, signature: sign(null, Buffer.from(text), privateKey) };
}

/** A witness's cosignature of a checkpoint's text at a time, POSIX seconds. */
export function cosignText(text: string, name: string, privateKey: KeyObject, time: bigint): NoteSignature {
  const { keyId } = verifierKey(name, privateKey, COSIGNATURE_ED25519);
  const timeBytes = Buffer.alloc(COSIGNATURE_TIME_BYTES);
  timeBytes.writeBigUInt64BE(time);
  const signature = sign(null, Buffer.from(cosignedMessage(text, time)), privateKey);
  return { name, keyId, signature: Buffer.concat([timeBytes, signature]) };
}

/** What verifies the signatures of a private or public Ed25519 key under a name. Throws NoteError. */
export function verifierKey(
  name: string,
  key: KeyObject,
  algorithm: typeof ED25519 | typeof COSIGNATURE_ED25519 = ED25519,
): VerifierKey {
  if (key.asymmetricKeyType !== 'ed25519') throw new NoteError('only Ed25519 keys sign notes');
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  return new VerifierKey(name, algorithm, spki.subarray(-ED25519_KEY_BYTES));
}

/**
 * The keys of those given whose signatures the note bears. As C2SP signed-note has it: signatures of keys that are not
 * known are passed over; a known one that is wrong, or none of a known key, is a NoteError.
 */
export function verifyNote({ text, signatures }: SignedNote, keys: readonly VerifierKey[]): VerifierKey[] {
  const verified = new Set<VerifierKey>();
  for (const signature of signatures) {
    const key = keys.find((each) => each.isNamedBy(signature));
    if (!key) continue;
    if (!key.verifies(text, signature)) throw new NoteError(`the signature by ${key.name} does not verify`);
    verified.add(key);
  }
  if (verified.size === 0) throw new NoteError('no signature is by a known key');
  return [...verified];
}
