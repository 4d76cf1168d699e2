/** DER (ITU-T X.690), as much of it as time stamps and certificates are written in, and nothing that is merely BER. */

/** Bytes that are no DER, or not what was to come there; `message` is a sentence that says which. */
export class DerError extends Error {
  override readonly name = 'DerError';
}

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** `[number]` of a structure: constructed, or as primitive as what it replaces. */
export function contextTag(number: number, constructed = true): number {
  return 0x80 | (constructed ? 0x20 : 0) | number;
}

export interface DerValue {
  tag: number;
  content: Buffer;
  /** with tag and length */
  bytes: Buffer;
}

/** 2^32 - 1 bytes are more than any of it has. */
const MAX_LENGTH_BYTES = 4;

/** Reads values one after the other. Every method throws DerError for bytes that are no DER. */
export class DerReader {
  private at = 0;

  constructor(private readonly bytes: Buffer) {}

  /** The elements of a value that has some. */
  static of(value: DerValue): DerReader {
    return new DerReader(value.content);
  }

  get isAtEnd(): boolean {
    return this.at === this.bytes.length;
  }

  /** The next value, which has to have this tag; any, if none is given. */
  next(tag?: number): DerValue {
    const value = this.read();
    if (tag !== undefined && value.tag !== tag) {
      throw new DerError(`where tag ${hexOf(tag)} should be is ${hexOf(value.tag)}`);
    }
    return value;
  }

  /** The next value if it has this tag. */
  optional(tag: number): DerValue | undefined {
    return this.bytes[this.at] === tag ? this.read() : undefined;
  }

  /** The elements of the next value. */
  enter(tag: number = TAG.sequence): DerReader {
    return DerReader.of(this.next(tag));
  }

  /** Everything up to the end. */
  rest(): DerValue[] {
    const values: DerValue[] = [];
    while (!this.isAtEnd) values.push(this.read());
    return values;
  }

  /** Throws DerError if there is anything more. */
  end(): void {
    if (!this.isAtEnd) throw new DerError('there is more than there should be');
  }

  private read(): DerValue {
    const start = this.at;
    const tag = this.byte();
    if ((tag & 0x1f) === 0x1f) throw new DerError('a tag has more than one byte');
    const length = this.length();
    const contentAt = this.at;
    if (length > this.bytes.length - contentAt) throw new DerError('a value ends before it should');
    this.at += length;
    return { tag, content: this.bytes.subarray(contentAt, this.at), bytes: this.bytes.subarray(start, this.at) };
  }

  private length(): number {
    const first = this.byte();
    if (first < 0x80) return first;
    const bytes = first & 0x7f;
    if (bytes === 0) throw new DerError('a length is indefinite, which is BER and not DER');
    if (bytes > MAX_LENGTH_BYTES) throw new DerError(`a length has ${bytes} bytes`);
    let length = 0;
    for (let count = 0; count < bytes; count++) length = length * 256 + this.byte();
    if (length < 0x80 || length < 256 ** (bytes - 1)) throw new DerError('a length is longer than it must be');
    return length;
  }

  private byte(): number {
    const byte = this.bytes[this.at];
    if (byte === undefined) throw new DerError('the bytes end before they should');
    this.at += 1;
    return byte;
  }
}

/** The one value that some bytes are. Throws DerError. */
export function readDer(bytes: Buffer, tag: number = TAG.sequence): DerValue {
  const reader = new DerReader(bytes);
  const value = reader.next(tag);
  reader.end();
  return value;
}

/** Of an INTEGER. Throws DerError. */
export function integerOf({ content }: DerValue): bigint {
  const [first, second = 0] = content;
  if (first === undefined) throw new DerError('a number has no bytes');
  if (content.length > 1 && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) {
    throw new DerError('a number is longer than it must be');
  }
  return BigInt.asIntN(content.length * 8, BigInt(`0x${content.toString('hex')}`));
}

/** Of an OBJECT IDENTIFIER: numbers with points. Throws DerError. */
export function identifierOf({ content }: DerValue): string {
  const numbers: bigint[] = [];
  let number = 0n;
  let isWithin = false;
  for (const byte of content) {
    if (!isWithin && byte === 0x80) throw new DerError('an identifier is longer than it must be');
    number = (number << 7n) | BigInt(byte & 0x7f);
    isWithin = byte >= 0x80;
    if (isWithin) continue;
    numbers.push(number);
    number = 0n;
  }
  const [first] = numbers;
  if (first === undefined || isWithin) throw new DerError('an identifier does not end');
  const top = first < 80n ? first / 40n : 2n;
  return [top, first - top * 40n, ...numbers.slice(1)].join('.');
}

/** Of a BOOLEAN. Throws DerError. */
export function booleanOf({ content }: DerValue): boolean {
  if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) throw new DerError('a truth value is neither');
  return content[0] === 0xff;
}

/** Of a BIT STRING: its bits, the first one first. Throws DerError. */
export function bitsOf({ content }: DerValue): boolean[] {
  const unused = content[0];
  if (unused === undefined || unused > 7 || (content.length === 1 && unused > 0)) {
    throw new DerError('a string of bits has no such length');
  }
  const count = (content.length - 1) * 8 - unused;
  return Array.from({ length: count }, (_, at) => (content[1 + (at >> 3)]! & (0x80 >> (at & 7))) !== 0);
}

/** `YYYY-MM-DDThh:mm:ss.ffffffZ` of a UTCTime or GeneralizedTime in UTC, cut to microseconds. Throws DerError. */
export function timeOf({ tag, content }: DerValue): string {
  const text = content.toString('latin1');
  const isShort = tag === TAG.utcTime;
  if (!isShort && tag !== TAG.generalizedTime) throw new DerError('where a time should be is something else');
  const match = /^(\d{4}|\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(?:\.(\d*[1-9]))?Z$/.exec(text);
  const [, digits = '', month, day, hour, minute, second, fraction = ''] = match ?? [];
  if (digits.length !== (isShort ? 2 : 4) || (isShort && fraction !== '')) {
    throw new DerError(`${JSON.stringify(text)} is no time`);
  }
  const year = isShort ? `${digits < '50' ? '20' : '19'}${digits}` : digits; // RFC 5280, section 4.1.2.5.1
  const whole = `${year}-${month}-${day}T${hour}:${minute}:${second}`;
  // Date turns 30 February into a day of March
  const date = new Date(`${whole}Z`);
  if (Number.isNaN(date.getTime()) || date.toISOString() !== `${whole}.000Z`) {
    throw new DerError(`${JSON.stringify(text)} is no time`);
  }
  return `${whole}.${fraction.slice(0, 6).padEnd(6, '0')}Z`;
}

/** A value of DER. */
export function derOf(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const length = content.length;
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), content]);
  const bytes = evenHex(length.toString(16));
  return Buffer.concat([Buffer.of(tag, 0x80 | bytes.length), bytes, content]);
}

/** An INTEGER that is not negative. */
export function derInteger(value: bigint): Buffer {
  const bytes = evenHex(value.toString(16));
  return derOf(TAG.integer, bytes[0]! >= 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes);
}

/** An OBJECT IDENTIFIER of numbers with points. */
export function derIdentifier(text: string): Buffer {
  const [top = 0, second = 0, ...others] = text.split('.').map(Number);
  const bytes = [top * 40 + second, ...others].flatMap((number) => {
    const groups = [number & 0x7f];
    for (let left = Math.floor(number / 128); left > 0; left = Math.floor(left / 128)) {
      groups.unshift(0x80 | (left & 0x7f));
    }
    return groups;
  });
  return derOf(TAG.objectIdentifier, Buffer.from(bytes));
}

function evenHex(hex: string): Buffer {
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
}

function hexOf(tag: number): string {
  return `0x${tag.toString(16).padStart(2, '0')}`;
}
