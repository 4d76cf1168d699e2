import { split, type Subtree } from './merkle-proof.js';
import { emptyRoot, nodeHash } from './merkle-tree.js';

/**
 * One proof for many leaves of a tree: the hashes of its largest subtrees that hold none of them, from left to right. By
 * the recursion of RFC 6962, section 2.1: a subtree without a proven leaf is one hash; a leaf that is proven is its own;
 * any other is the hash over its two halves. A run of leaves that are neighbours needs no more than two paths, and all
 * leaves of a tree need none.
 */

/** The largest subtrees of the tree of `size` leaves that lie within the leaves [start, end), from left to right. */
export function subtreesWithin(start: bigint, end: bigint, size: bigint): Subtree[] {
  const found: Subtree[] = [];
  const collect = (node: Subtree): void => {
    if (node.end <= start || node.start >= end) return;
    if (start <= node.start && node.end <= end) {
      found.push(node);
      return;
    }
    const middle = node.start + split(node.end - node.start);
    collect({ start: node.start, end: middle });
    collect({ start: middle, end: node.end });
  };
  if (start < end) collect({ start: 0n, end: size });
  return found;
}

/** Says, leaf by leaf, of which subtrees the proof needs the hashes. */
export class MultiproofPath {
  private at = 0n;

  constructor(private readonly size: bigint) {}

  /** The subtrees before the next leaf that is proven. Throws RangeError unless it is in the tree and past the one before. */
  before(index: bigint): Subtree[] {
    assertNext(index, this.at, this.size);
    const subtrees = subtreesWithin(this.at, index, this.size);
    this.at = index + 1n;
    return subtrees;
  }

  /** Those after the last leaf. */
  rest(): Subtree[] {
    return subtreesWithin(this.at, this.size, this.size);
  }
}

/** Computes the root that leaves and a proof lead to, from left to right. Keeps one hash a level of the tree. */
export class MultiproofRoot {
  private readonly edge: (Subtree & { hash: Buffer })[] = [];
  private at = 0n;

  /** `nextHash` hands out the proof's next hash of 32 bytes; what it throws when there is none, the methods throw. */
  constructor(
    private readonly size: bigint,
    private readonly nextHash: () => Buffer,
  ) {}

  /** The next leaf by its index and hash. Throws RangeError unless it is in the tree and past the one before. */
  append(index: bigint, leafHash: Buffer): void {
    assertNext(index, this.at, this.size);
    this.passTo(index);
    this.put({ start: index, end: index + 1n, hash: leafHash });
    this.at = index + 1n;
  }

  /** The root, once all leaves are in. Whether the proof had hashes left is for the caller to see. */
  root(): Buffer {
    this.passTo(this.size);
    this.at = this.size;
    return this.edge[0]?.hash ?? emptyRoot();
  }

  private passTo(index: bigint): void {
    if (this.at === index) return;
    for (const subtree of subtreesWithin(this.at, index, this.size)) this.put({ ...subtree, hash: this.nextHash() });
  }

  private put(node: Subtree & { hash: Buffer }): void {
    for (let left = this.edge.at(-1); left && this.areHalves(left, node); left = this.edge.at(-1)) {
      this.edge.pop();
      node = { start: left.start, end: node.end, hash: nodeHash(left.hash, node.hash) };
    }
    this.edge.push(node);
  }

  /** A left half is always complete; a right one ends with it or, at the right edge, with the tree. */
  private areHalves(left: Subtree, right: Subtree): boolean {
    const leaves = left.end - left.start;
    if (left.start % (2n * leaves) !== 0n) return false;
    const rightLeaves = right.end - right.start;
    return rightLeaves === leaves || (right.end === this.size && rightLeaves < leaves);
  }
}

function assertNext(index: bigint, at: bigint, size: bigint): void {
  if (index < at || index >= size) throw new RangeError(`leaf ${index} is not one from ${at} to ${size - 1n}`);
}
