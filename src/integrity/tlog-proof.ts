import { HASH_BYTES, isStrictBase64 } from './event.js';
import { NoteError } from './signed-note.js';

/** A leaf's inclusion in a checkpoint as one text that verifies offline: C2SP tlog-proof. */
export interface TlogProof {
  /** what it takes to rebuild the leaf, unauthenticated; absent for nothing */
  extra?: Buffer;
  /** the leaf's, from 0 */
  index: bigint;
  /** the leaf's sibling first, 32 bytes each */
  hashes: Buffer[];
  /** the checkpoint's note as it was signed and cosigned */
  note: string;
}

const HEADING = 'c2sp.org/tlog-proof@v1';
/** RFC 6962: as long as the path of a tree of 2^64 leaves. */
const MAX_HASHES = 64;

export function formatTlogProof({ extra, index, hashes, note }: TlogProof): string {
  const lines = [HEADING];
  if (extra) lines.push(`extra ${extra.toString('base64')}`);
  lines.push(`index ${index}`, ...hashes.map((hash) => hash.toString('base64')), '', note);
  return lines.join('\n');
}

/** Reads a proof, and verifies nothing of it. Throws NoteError. */
export function parseTlogProof(text: string): TlogProof {
  const end = text.indexOf('\n\n');
  const lines = end < 0 ? [] : text.slice(0, end).split('\n');
  if (lines.shift() !== HEADING)
    throw new NoteError(`a proof begins with ${HEADING} and has an empty line before its checkpoint`);
  const proof: Pick<TlogProof, 'extra'> = {};
  if (lines[0]?.startsWith('extra ')) {
    const base64 = lines.shift()!.slice('extra '.length);
    if (!isStrictBase64(base64)) throw new NoteError('the extra of a proof is base64');
    proof.extra = Buffer.from(base64, 'base64');
  }
  const [, index] = /^index (0|[1-9][0-9]{0,18})$/.exec(lines.shift() ?? '') ?? [];
  if (index === undefined) throw new NoteError('a proof has a line `index <decimal>`');
  if (lines.length > MAX_HASHES) throw new NoteError(`a proof has at most ${MAX_HASHES} hashes`);
  const hashes = lines.map((line) => {
    const hash = Buffer.from(line, 'base64');
    if (!isStrictBase64(line) || hash.length !== HASH_BYTES)
      throw new NoteError('a hash of a proof is the base64 of 32 bytes');
    return hash;
  });
  return { ...proof, index: BigInt(index), hashes, note: text.slice(end + 2) };
}
