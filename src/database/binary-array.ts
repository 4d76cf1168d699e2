import { BinaryValues } from './binary-values.js';

/** Object ids of the element types, as in PostgreSQL's pg_type.dat. */
const OID = { bytea: 17, int2: 21, int4: 23, text: 25, timestamptz: 1184, uuid: 2950, jsonb: 3802 } as const;

export type ElementType = keyof typeof OID;

const HEADER_BYTES = 20;
const FIRST_BYTES = 4_096;
/** A column of one large batch is not kept for ever. */
const MAX_KEPT_BYTES = 4_194_304;

/** Writes a one-dimensional array in PostgreSQL's binary format (array_send in arrayfuncs.c), which pg sends as it stands. */
export class BinaryArray extends BinaryValues {
  constructor(private readonly type: ElementType) {
    super(HEADER_BYTES, FIRST_BYTES);
  }

  /** Begins anew, in the same memory: what `toBuffer` returned before is no longer good. */
  clear(): void {
    if (this.buffer.length > MAX_KEPT_BYTES) this.buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
    this.end = HEADER_BYTES;
    this.count = 0;
    this.hasNull = 0;
  }

  /** The finished array, as a view of this array's own memory. */
  toBuffer(): Buffer {
    this.buffer.writeInt32BE(this.count === 0 ? 0 : 1, 0);
    this.buffer.writeInt32BE(this.hasNull, 4);
    this.buffer.writeInt32BE(OID[this.type], 8);
    if (this.count === 0) return this.buffer.subarray(0, 12);
    this.buffer.writeInt32BE(this.count, 12);
    this.buffer.writeInt32BE(1, 16);
    return this.buffer.subarray(0, this.end);
  }
}
