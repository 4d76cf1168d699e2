/** Object ids of the element types, as in PostgreSQL's pg_type.dat. */
const OID = { bytea: 17, int2: 21, int4: 23, text: 25, timestamptz: 1184, uuid: 2950, jsonb: 3802 } as const;

export type ElementType = keyof typeof OID;

const HEADER_BYTES = 20;
const FIRST_BYTES = 4_096;
/** A column of one large batch is not kept for ever. */
const MAX_KEPT_BYTES = 4_194_304;
const NULL_LENGTH = 0xffffffff;
const JSONB_VERSION = 1;
/** 2000-01-01T00:00:00Z, where PostgreSQL's timestamps begin, in microseconds since 1970. */
const POSTGRES_EPOCH_MICROS = 946_684_800_000_000;

/**
 * Writes a one-dimensional array in PostgreSQL's binary format (array_send in arrayfuncs.c), which pg sends as it stands.
 * Nothing is escaped here nor parsed there.
 */
export class BinaryArray {
  private buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  private end = HEADER_BYTES;
  private count = 0;
  private hasNull = 0;

  constructor(private readonly type: ElementType) {}

  /** Begins anew, in the same memory: what `toBuffer` returned before is no longer good. */
  clear(): void {
    if (this.buffer.length > MAX_KEPT_BYTES) this.buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
    this.end = HEADER_BYTES;
    this.count = 0;
    this.hasNull = 0;
  }

  /** null is SQL's NULL. */
  text(value: string | null): void {
    if (value === null) return this.null();
    const room = value.length * 3; // of UTF-16 units, at most three bytes each
    this.grow(4 + room);
    const length = this.buffer.write(value, this.end + 4, 'utf8');
    this.finish(length);
  }

  /** A JSON text. */
  jsonb(value: string | null): void {
    if (value === null) return this.null();
    this.grow(5 + value.length * 3);
    this.buffer[this.end + 4] = JSONB_VERSION;
    this.finish(1 + this.buffer.write(value, this.end + 5, 'utf8'));
  }

  bytea(value: Buffer | null): void {
    if (value === null) return this.null();
    this.grow(4 + value.length);
    value.copy(this.buffer, this.end + 4);
    this.finish(value.length);
  }

  /** 8-4-4-4-12 */
  uuid(value: string | null): void {
    if (value === null) return this.null();
    this.grow(20);
    const hex = value.slice(0, 8) + value.slice(9, 13) + value.slice(14, 18) + value.slice(19, 23) + value.slice(24);
    this.buffer.write(hex, this.end + 4, 'hex');
    this.finish(16);
  }

  int2(value: number): void {
    this.grow(6);
    this.buffer.writeInt16BE(value, this.end + 4);
    this.finish(2);
  }

  int4(value: number): void {
    this.grow(8);
    this.buffer.writeInt32BE(value, this.end + 4);
    this.finish(4);
  }

  /** Microseconds since 1970-01-01T00:00:00Z, a safe integer. */
  timestamptz(micros: number): void {
    this.grow(12);
    const value = micros - POSTGRES_EPOCH_MICROS;
    const high = Math.floor(value / 0x1_0000_0000);
    this.buffer.writeInt32BE(high, this.end + 4);
    this.buffer.writeUInt32BE(value - high * 0x1_0000_0000, this.end + 8);
    this.finish(8);
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

  private null(): void {
    this.grow(4);
    this.buffer.writeUInt32BE(NULL_LENGTH, this.end);
    this.end += 4;
    this.count += 1;
    this.hasNull = 1;
  }

  private finish(length: number): void {
    this.buffer.writeInt32BE(length, this.end);
    this.end += 4 + length;
    this.count += 1;
  }

  private grow(bytes: number): void {
    if (this.end + bytes <= this.buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.buffer.length * 2, this.end + bytes));
    this.buffer.copy(larger, 0, 0, this.end);
    this.buffer = larger;
  }
}
