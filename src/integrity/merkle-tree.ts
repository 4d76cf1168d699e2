import { hash } from 'node:crypto';

/** What is hashed of a node, in one place, filled anew for each: its prefix and two hashes. */
const NODE = Buffer.alloc(1 + 2 * 32, 1);

/** The hash of a tree's node over its two subtrees: SHA-256(0x01 ‖ left ‖ right). RFC 6962, section 2.1. */
export function nodeHash(left: Buffer, right: Buffer): Buffer {
  left.copy(NODE, 1, 0, 32);
  right.copy(NODE, 33, 0, 32);
  return hash('sha256', NODE, 'buffer');
}

/** The hashes of the nodes over each two of some hashes, which stand one after the other; one that is left over is not used. */
export function nodesOver(hashes: Buffer): Buffer {
  const nodes = Buffer.allocUnsafe((hashes.length >> 6) * 32);
  for (let at = 0; at < nodes.length; at += 32) {
    hashes.copy(NODE, 1, 2 * at, 2 * at + 64);
    hash('sha256', NODE, 'buffer').copy(nodes, at);
  }
  return nodes;
}

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
