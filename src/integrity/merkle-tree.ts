import { hash } from 'node:crypto';

/** The hash of a tree's node over its two subtrees: SHA-256(0x01 ‖ left ‖ right). RFC 6962, section 2.1. */
export function nodeHash(left: Buffer, right: Buffer): Buffer {
  return hash('sha256', Buffer.concat([NODE_PREFIX, left, right]), 'buffer');
}

const NODE_PREFIX = Buffer.of(1);

/** The root of the tree without leaves: SHA-256 of nothing. */
export function emptyRoot(): Buffer {
  return hash('sha256', Buffer.alloc(0), 'buffer');
}

/**
 * The Merkle tree of RFC 6962 over leaves that come one by one. Keeps only the roots of its complete subtrees, one a set
 * bit of its size, so memory is that of 53 hashes whatever the size.
 */
export class MerkleTree {
  /** roots of complete subtrees, the largest first, each with its number of leaves */
  private readonly edge: { leaves: number; root: Buffer }[] = [];
  private leaves = 0;

  /** A safe integer. */
  get size(): number {
    return this.leaves;
  }

  /** Appends a leaf by its hash, 32 bytes. */
  append(leafHash: Buffer): void {
    let added = { leaves: 1, root: leafHash };
    while (this.edge.at(-1)?.leaves === added.leaves) {
      added = { leaves: 2 * added.leaves, root: nodeHash(this.edge.pop()!.root, added.root) };
    }
    this.edge.push(added);
    this.leaves += 1;
  }

  /** The root of the tree as it is now; of no leaves SHA-256 of nothing. */
  root(): Buffer {
    const last = this.edge.at(-1);
    if (!last) return emptyRoot();
    return this.edge.slice(0, -1).reduceRight((right, { root: left }) => nodeHash(left, right), last.root);
  }
}
