/** Which segment a file of WAL must be. */
export interface WalPlace {
  timeline: number;
  segment: number;
  segmentBytes: number;
  /** of the server; null where it is not known */
  systemIdentifier: string | null;
}

/** XLogLongPageHeaderData of PostgreSQL (src/include/access/xlog_internal.h), as little-endian machines with an alignment of 8 write it. */
const HEADER_BYTES = 40;
const MAGIC_LEAST = 0xd000;
const MAGIC_GREATEST = 0xd1ff;
const LONG_HEADER = 0x0002;

/** Whether a file of WAL is whole, and the one that its name says. Whether its records are right, its replay shows. */
export class WalCheck {
  private head = Buffer.alloc(0);
  private bytes = 0;

  constructor(private readonly place: WalPlace) {}

  push(chunk: Buffer): void {
    if (this.head.length < HEADER_BYTES) {
      this.head = Buffer.concat([this.head, chunk.subarray(0, HEADER_BYTES - this.head.length)]);
    }
    this.bytes += chunk.length;
  }

  /** What is wrong with it, once all of it was pushed; null for nothing. */
  end(): string | null {
    const { timeline, segment, segmentBytes, systemIdentifier } = this.place;
    const { head } = this;
    if (this.bytes !== segmentBytes) return `it has ${this.bytes} bytes, and a segment has ${segmentBytes}`;
    const magic = head.readUInt16LE(0);
    if (magic < MAGIC_LEAST || magic > MAGIC_GREATEST || (head.readUInt16LE(2) & LONG_HEADER) === 0) {
      return 'it does not begin as WAL does';
    }
    // a timeline's first segment may begin with a copy of the one that it goes on from
    if (head.readUInt32LE(4) > timeline) return `it is of timeline ${head.readUInt32LE(4)}`;
    if (head.readBigUInt64LE(8) !== BigInt(segment) * BigInt(segmentBytes)) return 'it is another segment than its name says';
    const identifier = String(head.readBigUInt64LE(24));
    if (systemIdentifier !== null && identifier !== systemIdentifier) {
      return `it is of another server, whose system identifier is ${identifier}`;
    }
    return null;
  }
}
