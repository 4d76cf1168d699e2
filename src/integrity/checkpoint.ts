import { HASH_BYTES, isStrictBase64 } from './event.js';
import { emptyRoot } from './merkle-tree.js';
import { isKeyName, NoteError } from './signed-note.js';

/** A signed statement of a ledger's size and root: C2SP tlog-checkpoint, the text of a note. */
export interface Checkpoint {
  origin: string;
  /** how many leaves: the sequence of the last event, 0 for none */
  size: bigint;
  /** 32 bytes */
  rootHash: Buffer;
}

/** The text that is signed. */
export function checkpointText({ origin, size, rootHash }: Checkpoint): string {
  return `${origin}\n${size}\n${rootHash.toString('base64')}\n`;
}

/** Of a note's text; lines of extensions are passed over. Throws NoteError. */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin = '', size = '', root = '', ...rest] = text.split('\n');
  const extensions = rest.slice(0, -1);
  if (!text.endsWith('\n') || !isKeyName(origin) || rest.length === 0 || extensions.includes('')) {
    throw new NoteError('a checkpoint is an origin, a size and a root hash, a line each');
  }
  if (!/^(0|[1-9][0-9]{0,18})$/.test(size)) throw new NoteError('the size of a checkpoint is a decimal number');
  const rootHash = Buffer.from(root, 'base64');
  if (!isStrictBase64(root) || rootHash.length !== HASH_BYTES) {
    throw new NoteError('the root hash of a checkpoint is the base64 of 32 bytes');
  }
  if (size === '0' && !rootHash.equals(emptyRoot())) {
    throw new NoteError('the root hash of the tree without leaves is SHA-256 of nothing');
  }
  return { origin, size: BigInt(size), rootHash };
}
