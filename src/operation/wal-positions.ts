/** As many scrapes as of some weeks; past that every second one is forgotten. */
const MOST = 16_384;

/** How far WAL had been written at moments of which this replica knows, and so how old what is not archived may be. */
export class WalPositions {
  private readonly seen: { position: bigint; at: number }[] = [];

  /** `at` in seconds since 1970. A position before an earlier one is of another server: what was known is forgotten. */
  note(position: bigint, at: number): void {
    const last = this.seen.at(-1);
    if (last && position < last.position) this.seen.length = 0;
    if (last && position === last.position) last.at = Math.max(last.at, at);
    else this.seen.push({ position, at });
    if (this.seen.length > MOST) this.seen.splice(0, this.seen.length, ...this.seen.filter((_, i) => i % 2 === 0));
  }

  /** The last moment at which all that was written lay before `end`; undefined when it is not known of any. Forgets those before. */
  writtenUpTo(end: bigint): number | undefined {
    const after = this.seen.findIndex(({ position }) => position > end);
    const index = (after === -1 ? this.seen.length : after) - 1;
    if (index > 0) this.seen.splice(0, index);
    return index < 0 ? undefined : this.seen[0]!.at;
  }
}

/**
 * The position at which a segment of WAL ends, by its name (PostgreSQL's XLogFileName: timeline, and the segment's number in
 * two parts). Undefined for files that are none: histories, labels of base backups, what a timeline left half full.
 */
export function endOfSegment(name: string, segmentBytes: bigint): bigint | undefined {
  const [, high, low] = /^[0-9A-F]{8}([0-9A-F]{8})([0-9A-F]{8})$/.exec(name) ?? [];
  if (high === undefined || low === undefined) return undefined;
  return (BigInt(`0x${high}`) << 32n) + (BigInt(`0x${low}`) + 1n) * segmentBytes;
}
