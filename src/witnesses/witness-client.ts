import {
  cosignatureTime,
  NoteError,
  parseSignature,
  type NoteSignature,
  type VerifierKey,
} from '../integrity/signed-note.js';
import { NoAnswer, postBytes, type Answer } from './bounded-post.js';

/** A checkpoint that is offered to a witness. */
export interface Offer {
  /** what is signed */
  text: string;
  /** the note with our own signatures */
  note: string;
  size: bigint;
  /** what the witness is believed to have cosigned last; 0 for nothing */
  sizeBefore: bigint;
  /** The hashes that prove the tree of the first `from` leaves the beginning of this one; 0 < from < size. */
  prove: (from: bigint) => Promise<readonly Buffer[]>;
}

export interface WitnessAddress {
  key: VerifierKey;
  /** the submission prefix, without a slash at its end */
  url: string;
}

/**
 * Why a witness has not cosigned. `no-answer`, `busy`, `failed`: it may do so later. `unknown-log`, `key-refused`: it has
 * to be told of this ledger, or of its key. `unusable`: what it answered is no cosignature of it. `conflict`: it says
 * that it has cosigned what this checkpoint does not continue, and an alarm it is, whichever of us is wrong.
 * `no-proof`: it is we who have nothing to show.
 */
export type WitnessFailure =
  'no-answer' | 'busy' | 'failed' | 'unknown-log' | 'key-refused' | 'refused' | 'unusable' | 'conflict' | 'no-proof';

export class WitnessError extends Error {
  override readonly name = 'WitnessError';
  constructor(
    readonly failure: WitnessFailure,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

const TIMEOUT_MS = 10_000;
/** Cosignatures of ML-DSA are 5 kB, and a witness may have several keys. */
const MAX_ANSWER_BYTES = 65_536;
/** Once to hear what it has, once with the proof from there, and once more for somebody else who was faster. */
const MAX_TRIES = 3;
/** tlog-witness; a tree of 2^63 leaves needs no more. */
const MAX_PROOF_HASHES = 63;
/** A cosignature of another time is an old one, or by a clock that nobody sets. */
const CLOCK_TOLERANCE_S = 300n;
const SIZE_TYPE = 'text/x.tlog.size';

/**
 * Has a witness cosign a checkpoint: C2SP tlog-witness, add-checkpoint. The cosignature verifies, and is of now. Throws
 * WitnessError, the signal's reason, and what `prove` throws.
 */
export async function requestCosignature(
  { key, url }: WitnessAddress,
  offer: Offer,
  options: { signal: AbortSignal; timeoutMs?: number },
): Promise<NoteSignature> {
  let from = offer.sizeBefore > offer.size ? 0n : offer.sizeBefore;
  for (let tries = 1; ; tries++) {
    const answer = await post(`${url}/add-checkpoint`, await bodyOf(offer, from), options);
    if (answer.status === 200) return readCosignature(answer, key, offer.text);
    if (answer.status !== 409) throw errorOf(answer);
    const size = readSize(answer);
    if (size === from) {
      throw new WitnessError('conflict', `it has cosigned another tree of ${size} leaves than ours`);
    }
    if (size > offer.size) {
      throw new WitnessError('conflict', `it has cosigned a tree of ${size} leaves, and ours has ${offer.size}`);
    }
    if (tries === MAX_TRIES) throw new WitnessError('failed', `it has another size each time, and now ${size}`);
    from = size;
  }
}

async function bodyOf({ note, size, prove }: Offer, from: bigint): Promise<Buffer> {
  const proof = from === 0n || from === size ? [] : await prove(from);
  if (proof.length > MAX_PROOF_HASHES) throw new RangeError(`a proof has at most ${MAX_PROOF_HASHES} hashes`);
  return Buffer.from(`old ${from}\n${proof.map((hash) => `${hash.toString('base64')}\n`).join('')}\n${note}`);
}

async function post(
  url: string,
  body: Buffer,
  { signal, timeoutMs = TIMEOUT_MS }: { signal: AbortSignal; timeoutMs?: number },
): Promise<Answer> {
  try {
    return await postBytes(url, body, { contentType: 'text/plain', timeoutMs, maxBytes: MAX_ANSWER_BYTES, signal });
  } catch (error) {
    if (error instanceof NoAnswer) throw new WitnessError('no-answer', error.message, { cause: error });
    throw error;
  }
}

function errorOf(answer: Answer): WitnessError {
  const { status } = answer;
  const said = `status ${status}${answer.body.length === 0 ? '' : `: ${quote(answer)}`}`;
  switch (status) {
    case 403:
      return new WitnessError('key-refused', `it does not trust the key that signed it (${said})`);
    case 404:
      return new WitnessError('unknown-log', `it does not know the ledger's origin (${said})`);
    case 422:
      return new WitnessError('conflict', `what it has cosigned does not lead to our tree (${said})`);
    case 429:
    case 503:
      return new WitnessError('busy', `it has too much to do (${said})`);
    default:
      return new WitnessError(status >= 500 ? 'failed' : 'refused', said);
  }
}

function readSize(answer: Answer): bigint {
  const [, size] = /^(0|[1-9][0-9]{0,18})\n$/.exec(answer.body.toString('latin1')) ?? [];
  if (size === undefined || answer.contentType !== SIZE_TYPE) {
    throw new WitnessError('unusable', `status 409 without the size that it has: ${quote(answer)}`);
  }
  return BigInt(size);
}

/** The lines of all its keys may come; the one that counts is the one that was agreed upon. */
function readCosignature(answer: Answer, key: VerifierKey, text: string): NoteSignature {
  const lines = answer.body.toString('utf8').split('\n');
  if (lines.pop() !== '') throw new WitnessError('unusable', `what it answered does not end in a newline`);
  let found: string | undefined;
  for (const line of lines) {
    const signature = readSignature(line);
    if (!key.isNamedBy(signature)) continue;
    if (!key.verifies(text, signature)) {
      found = 'its cosignature does not verify: it is of another checkpoint, or by another key';
      continue;
    }
    const now = BigInt(Math.floor(Date.now() / 1000));
    const time = cosignatureTime(signature);
    if (time >= now - CLOCK_TOLERANCE_S && time <= now + CLOCK_TOLERANCE_S) return signature;
    found = `its cosignature is of second ${time}, and it is ${now}`;
  }
  throw new WitnessError('unusable', found ?? `it answered without a cosignature by ${key.toString()}`);
}

function readSignature(line: string): NoteSignature {
  try {
    return parseSignature(line);
  } catch (error) {
    if (error instanceof NoteError) {
      throw new WitnessError('unusable', `what it answered are no signatures: ${error.message}`, { cause: error });
    }
    throw error;
  }
}

/** What somebody else has written, for a line of a log. */
function quote({ body }: Answer): string {
  return JSON.stringify(body.subarray(0, 200).toString('utf8'));
}
