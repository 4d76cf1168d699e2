/** Of two sequences the one that comes later. */
export function later(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

/** Of two sequences the one that comes first. */
export function lesser(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
