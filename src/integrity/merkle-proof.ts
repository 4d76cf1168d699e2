import { HASH_BYTES } from './event.js';
import { nodeHash } from './merkle-tree.js';

/**
 * Which subtrees a proof consists of, and whether one is right: RFC 6962, section 2.1, and RFC 9162, sections 2.1.3.2
 * and 2.1.4.2. Indexes and sizes are bigints: they may pass 2^32, and need not stop at 2^53.
 */

/** The leaves [start, end) of a tree, whose hash is MTH(D[start:end]). */
export interface Subtree {
  start: bigint;
  end: bigint;
}

/** A complete subtree: the leaves [index · 2^level, (index + 1) · 2^level). */
export interface CompleteSubtree {
  level: number;
  index: bigint;
}

/**
 * The subtrees whose hashes prove that leaf `index` (from 0) is in the tree of `size` leaves, the leaf's sibling first.
 * Throws RangeError unless 0 ≤ index < size.
 */
export function inclusionPath(index: bigint, size: bigint): Subtree[] {
  if (index < 0n || index >= size) throw new RangeError(`a tree of ${size} leaves has no leaf ${index}`);
  const path: Subtree[] = [];
  let [start, end] = [0n, size];
  while (end - start > 1n) {
    const middle = start + split(end - start);
    if (index < middle) {
      path.push({ start: middle, end });
      end = middle;
    } else {
      path.push({ start, end: middle });
      start = middle;
    }
  }
  return path.reverse();
}

/**
 * The subtrees whose hashes prove that the first `from` of `to` leaves are a tree that was there before. None when from
 * is 0 or equals `to`. Throws RangeError unless 0 ≤ from ≤ to.
 */
export function consistencyPath(from: bigint, to: bigint): Subtree[] {
  if (from < 0n || from > to) throw new RangeError(`a tree of ${to} leaves has had no ${from}`);
  if (from === 0n || from === to) return [];
  const path: Subtree[] = [];
  let [start, end] = [0n, to];
  let isOldTree = true; // whether [start, from) is still all of the old tree, whose root the verifier has
  while (from < end) {
    const middle = start + split(end - start);
    if (from <= middle) {
      path.push({ start: middle, end });
      end = middle;
    } else {
      path.push({ start, end: middle });
      start = middle;
      isOldTree = false;
    }
  }
  if (!isOldTree) path.push({ start, end });
  return path.reverse();
}

/** The complete subtrees that a subtree of a tree consists of, the largest first; one for a complete one. */
export function completeParts({ start, end }: Subtree): CompleteSubtree[] {
  const parts: CompleteSubtree[] = [];
  for (let at = start; at < end;) {
    let level = 0;
    while (at + (2n << BigInt(level)) <= end && at % (2n << BigInt(level)) === 0n) level += 1;
    parts.push({ level, index: at >> BigInt(level) });
    at += 1n << BigInt(level);
  }
  return parts;
}

/** The hash of a subtree from those of its completeParts, at least one. */
export function joinParts(hashes: readonly Buffer[]): Buffer {
  return hashes.reduceRight((right, left) => nodeHash(left, right));
}

/** The largest power of two that is less than n, n at least 2. */
export function split(n: bigint): bigint {
  return 1n << BigInt((n - 1n).toString(2).length - 1);
}

/**
 * Whether a path of hashes, the leaf's sibling first, leads from a leaf's hash to the root of the tree of `size` leaves.
 * False for whatever is not a proof of that, whatever it is.
 */
export function isIncluded(leaf: Buffer, index: bigint, size: bigint, path: readonly Buffer[], root: Buffer): boolean {
  if (index < 0n || index >= size || !areHashes([leaf, root, ...path])) return false;
  let [node, last] = [index, size - 1n];
  let hash = leaf;
  for (const sibling of path) {
    if (last === 0n) return false;
    if (node % 2n === 1n || node === last) {
      hash = nodeHash(sibling, hash);
      while (node % 2n === 0n && node !== 0n) [node, last] = [node >> 1n, last >> 1n];
    } else {
      hash = nodeHash(hash, sibling);
    }
    [node, last] = [node >> 1n, last >> 1n];
  }
  return last === 0n && hash.equals(root);
}

/** Whether `path` proves that the tree of `from` leaves and root `fromRoot` is the beginning of that of `to` and `toRoot`. */
export function isConsistent(
  from: bigint,
  fromRoot: Buffer,
  to: bigint,
  toRoot: Buffer,
  path: readonly Buffer[],
): boolean {
  if (from < 0n || from > to || !areHashes([fromRoot, toRoot, ...path])) return false;
  if (from === to) return path.length === 0 && fromRoot.equals(toRoot);
  if (from === 0n) return path.length === 0;
  if (path.length === 0) return false;
  const isPowerOfTwo = (from & (from - 1n)) === 0n;
  const [first, ...rest] = isPowerOfTwo ? [fromRoot, ...path] : path;
  let [node, last] = [from - 1n, to - 1n];
  while (node % 2n === 1n) [node, last] = [node >> 1n, last >> 1n];
  let [old, now] = [first!, first!];
  for (const hash of rest) {
    if (last === 0n) return false;
    if (node % 2n === 1n || node === last) {
      old = nodeHash(hash, old);
      now = nodeHash(hash, now);
      while (node % 2n === 0n && node !== 0n) [node, last] = [node >> 1n, last >> 1n];
    } else {
      now = nodeHash(now, hash);
    }
    [node, last] = [node >> 1n, last >> 1n];
  }
  return last === 0n && old.equals(fromRoot) && now.equals(toRoot);
}

function areHashes(hashes: readonly Buffer[]): boolean {
  return hashes.every((hash) => hash.length === HASH_BYTES);
}
