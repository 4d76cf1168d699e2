import { parquetMetadata, type AsyncBuffer, type FileMetaData, type MetadataOptions } from 'hyparquet';
import { ArchiveObjectError } from './archive-format.js';

/** Length of the metadata, and the magic bytes, at the very end of a file. */
const TAIL_BYTES = 8;
const ROW_GROUPS_FIELD = 4;
const NUM_ROWS_FIELD = 3;
/** A list of so many elements or more has its length behind its header. */
const LONG_LIST = 15;

/** Types of Thrift's compact protocol, in which Parquet's metadata stands. */
const STOP = 0;
const TRUE = 1;
const FALSE = 2;
const BYTE = 3;
const I16 = 4;
const I32 = 5;
const I64 = 6;
const DOUBLE = 7;
const BINARY = 8;
const LIST = 9;
const SET = 10;
const MAP = 11;
const STRUCT = 12;

/**
 * The metadata of a Parquet file, of which a row group is parsed when somebody wants it: all 62 of a file of 127,000
 * events take 6 ms, and whoever wants one event needs one of them.
 */
export class ParquetMetadata {
  /** all but its row groups */
  readonly file: FileMetaData;
  /** rows of each row group, in order */
  readonly rowCounts: readonly number[];
  private readonly groups: { start: number; end: number; parsed?: FileMetaData }[] = [];
  private readonly listAt: number;

  /** `bytes` are the metadata alone. Throws an Error when they are none. */
  constructor(
    private readonly bytes: Buffer,
    private readonly options: MetadataOptions,
  ) {
    const skipper = new ThriftSkipper(bytes);
    const field = skipper.enterField(ROW_GROUPS_FIELD);
    if (field !== LIST) throw new Error('its metadata has no row groups');
    this.listAt = skipper.at;
    const { type, length } = skipper.listHeader();
    if (length > 0 && type !== STRUCT) throw new Error('its metadata has row groups of another type');
    const rowCounts: number[] = [];
    for (let i = 0; i < length; i++) {
      const start = skipper.at;
      rowCounts.push(skipper.skipStructReading(NUM_ROWS_FIELD));
      this.groups.push({ start, end: skipper.at });
    }
    this.rowCounts = rowCounts;
    this.file = this.parse(Buffer.of(STRUCT), bytes.subarray(skipper.at));
    // of two lists other readers take the second one, and what they would read nobody has looked at
    if (this.file.row_groups.length > 0) throw new Error('its metadata has row groups twice');
    const rows = rowCounts.reduce((sum, count) => sum + count, 0);
    if (Number(this.file.num_rows) !== rows)
      throw new Error('its metadata has another number of rows than its row groups');
  }

  /** The metadata as though the file had this row group and no other. Throws an Error when it makes no sense. */
  group(group: number): FileMetaData {
    const place = this.groups[group];
    if (!place) throw new Error(`there is no row group ${group}`);
    place.parsed ??= this.parse(
      Buffer.concat([Buffer.of((1 << 4) | STRUCT), this.bytes.subarray(place.start, place.end)]),
      Buffer.of(STOP),
    );
    return place.parsed;
  }

  private parse(rowGroups: Buffer, rest: Buffer): FileMetaData {
    const head = this.bytes.subarray(0, this.listAt);
    const tail = Buffer.alloc(TAIL_BYTES, 'PAR1');
    tail.writeUInt32LE(head.length + rowGroups.length + rest.length);
    return parquetMetadata(new Uint8Array(Buffer.concat([head, rowGroups, rest, tail])), this.options);
  }
}

/** Reads the metadata from a file's end. Throws an Error when there is none, and what the file throws. */
export async function readMetadata(
  file: AsyncBuffer,
  options: MetadataOptions & { initialFetchSize: number },
): Promise<ParquetMetadata> {
  const start = Math.max(0, file.byteLength - options.initialFetchSize);
  const end = Buffer.from(await file.slice(start, file.byteLength));
  if (end.length < TAIL_BYTES || end.toString('latin1', end.length - 4) !== 'PAR1') {
    throw new ArchiveObjectError('it is no Parquet file, or its end is missing');
  }
  const length = end.readUInt32LE(end.length - TAIL_BYTES);
  const from = file.byteLength - TAIL_BYTES - length;
  if (from < 0) throw new ArchiveObjectError('its metadata is longer than it is');
  const before = from < start ? Buffer.from(await file.slice(from, start)) : Buffer.alloc(0);
  const bytes = Buffer.concat([before, end.subarray(Math.max(0, from - start), end.length - TAIL_BYTES)]);
  return new ParquetMetadata(bytes, options);
}

/** Steps over values of the compact protocol without making anything of them. */
class ThriftSkipper {
  at = 0;

  constructor(private readonly bytes: Buffer) {}

  /** Steps to the value of a field of the struct that begins here; its type, or STOP when there is none. */
  enterField(wanted: number): number {
    for (let id = 0; ;) {
      const header = this.byte();
      const type = header & 0x0f;
      if (type === STOP) return STOP;
      id = header >> 4 === 0 ? this.zigZag() : id + (header >> 4);
      if (id === wanted) return type;
      this.skip(type);
    }
  }

  /** Steps over a struct; the integer that one of its fields has. */
  skipStructReading(wanted: number): number {
    let found = NaN;
    for (let id = 0; ;) {
      const header = this.byte();
      const type = header & 0x0f;
      if (type === STOP) return found;
      id = header >> 4 === 0 ? this.zigZag() : id + (header >> 4);
      if (id === wanted && (type === I32 || type === I64)) found = this.zigZag();
      else this.skip(type);
    }
  }

  listHeader(): { type: number; length: number } {
    const header = this.byte();
    const length = header >> 4 === LONG_LIST ? this.varint() : header >> 4;
    this.requireRoom(length);
    return { type: header & 0x0f, length };
  }

  private skip(type: number): void {
    switch (type) {
      case TRUE:
      case FALSE:
        return; // the field's type is its value
      case BYTE:
        this.at += 1;
        return;
      case I16:
      case I32:
      case I64:
        while (this.byte() >= 0x80);
        return;
      case DOUBLE:
        this.at += 8;
        return;
      case BINARY: {
        const length = this.varint();
        this.at += length;
        return;
      }
      case LIST:
      case SET: {
        const { type: of, length } = this.listHeader();
        for (let i = 0; i < length; i++) this.skipElement(of);
        return;
      }
      case MAP: {
        const length = this.varint();
        if (length === 0) return;
        const types = this.byte();
        this.requireRoom(length);
        for (let i = 0; i < length; i++) {
          this.skipElement(types >> 4);
          this.skipElement(types & 0x0f);
        }
        return;
      }
      case STRUCT:
        this.skipStructReading(0);
        return;
      default:
        throw new Error(`its metadata has a value of type ${type}, which Thrift has not`);
    }
  }

  /** In lists and maps a boolean is a byte. */
  private skipElement(type: number): void {
    if (type === TRUE || type === FALSE) this.at += 1;
    else this.skip(type);
  }

  /** Each element has a byte at least: whoever counts more of them than there are would be stepped over for years. */
  private requireRoom(elements: number): void {
    if (elements > this.bytes.length - this.at)
      throw new Error('its metadata has a list that is longer than what is left of it');
  }

  private byte(): number {
    const byte = this.bytes[this.at++];
    if (byte === undefined) throw new Error('its metadata ends too early');
    return byte;
  }

  private varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) break;
    }
    if (!Number.isSafeInteger(value)) throw new Error('its metadata has a number that is too large');
    return value;
  }

  private zigZag(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
}
