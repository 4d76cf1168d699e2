const NULL_LENGTH = 0xffffffff;
const JSONB_VERSION = 1;
/** Of digits to the base of 10,000, of which PostgreSQL's numeric is made. */
const DECIMALS_A_DIGIT = 4;
/** 2000-01-01T00:00:00Z, where PostgreSQL's timestamps begin, in microseconds since 1970. */
const POSTGRES_EPOCH_MICROS = 946_684_800_000_000;

/**
 * Values one after the other as PostgreSQL takes them in binary, in arrays and by COPY: of each its length (int32, -1 for
 * NULL) and its bytes. Nothing is escaped here nor parsed there.
 */
export class BinaryValues {
  protected buffer: Buffer<ArrayBuffer>;
  protected end: number;
  protected count = 0;
  protected hasNull = 0;

  /** `headerBytes` are left free before the first value. For more than `firstBytes` in all, larger memory is taken. */
  constructor(headerBytes: number, firstBytes: number) {
    this.buffer = Buffer.allocUnsafeSlow(firstBytes);
    this.end = headerBytes;
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

  /** A JSON text in UTF-8. */
  jsonbBytes(value: Uint8Array | null): void {
    if (value === null) return this.null();
    this.grow(5 + value.length);
    this.buffer[this.end + 4] = JSONB_VERSION;
    this.buffer.set(value, this.end + 5);
    this.finish(1 + value.length);
  }

  /** A bytea; also a text in UTF-8, or a UUID. */
  bytes(value: Uint8Array | null): void {
    if (value === null) return this.null();
    this.grow(4 + value.length);
    this.buffer.set(value, this.end + 4);
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

  /** From -2^63 to 2^63 - 1. */
  int8(value: bigint): void {
    this.grow(12);
    this.buffer.writeBigInt64BE(value, this.end + 4);
    this.finish(8);
  }

  /** For a numeric without fraction: decimal digits, without a sign. */
  numeric(value: string | null): void {
    if (value === null) return this.null();
    const digits = Math.ceil(value.length / DECIMALS_A_DIGIT);
    this.grow(12 + digits * 2);
    let at = this.buffer.writeInt16BE(digits, this.end + 4);
    at = this.buffer.writeInt16BE(digits - 1, at); // the power of 10,000 of the first one
    at = this.buffer.writeInt32BE(0, at); // positive; no digit of a fraction
    for (let i = digits; i > 0; i--) {
      const last = value.length - (i - 1) * DECIMALS_A_DIGIT;
      at = this.buffer.writeInt16BE(Number(value.slice(Math.max(0, last - DECIMALS_A_DIGIT), last)), at);
    }
    this.finish(at - this.end - 4);
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

  protected null(): void {
    this.grow(4);
    this.buffer.writeUInt32BE(NULL_LENGTH, this.end);
    this.end += 4;
    this.count += 1;
    this.hasNull = 1;
  }

  protected finish(length: number): void {
    this.buffer.writeInt32BE(length, this.end);
    this.end += 4 + length;
    this.count += 1;
  }

  protected grow(bytes: number): void {
    if (this.end + bytes <= this.buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.buffer.length * 2, this.end + bytes));
    this.buffer.copy(larger, 0, 0, this.end);
    this.buffer = larger;
  }
}
