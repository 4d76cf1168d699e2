import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { init, compress, decompress } from '@bokuweb/zstd-wasm';
import type { AsyncBuffer, SchemaElement } from 'hyparquet';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { canonicalize, type JsonObject } from '../integrity/canonical-json.js';
import { readJson, type JsonValue } from '../integrity/strict-json.js';
import { ArchiveObjectError } from './archive-format.js';
import { readMetadata, type ParquetMetadata } from './parquet-metadata.js';

/** Most footers fit into so much of a file's end, so that one request brings them. */
export const FOOTER_BYTES = 262_144;
/** In the trial of docs/decisions/0006, 3 cost 3 % more bytes; 19 saved 3 % and took eighteen times as long. */
const ZSTD_LEVEL = 6;
const CREATED_BY = 'truetrail version 1 (build hyparquet-writer)';
/** More than any text of an event that has statistics: they are never cut, which readers would have to allow for. */
const STATISTICS_BYTES = 4_096;
/** The name of the manifest in a file's key-value metadata. */
const MANIFEST_KEY = 'truetrail.manifest';

export const TEXT = { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } } as const;
export const BOOLEAN = { type: 'BOOLEAN' } as const;
export const BYTES = { type: 'BYTE_ARRAY' } as const;
export const MICROS = {
  type: 'INT64',
  logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' },
} as const;
export const INT64 = { type: 'INT64' } as const;
export const INT32 = { type: 'INT32' } as const;
export const UUID = { type: 'FIXED_LEN_BYTE_ARRAY', type_length: 16, logical_type: { type: 'UUID' } } as const;
export const fixed = (length: number) => ({ type: 'FIXED_LEN_BYTE_ARRAY', type_length: length }) as const;

let loading: Promise<void> | undefined;

/** To be awaited before anything is written or read. */
export async function loadCompression(): Promise<void> {
  await (loading ??= init()); // a second call would break it
}

/** A finished file, and digests of its bytes. */
export interface WrittenFile {
  bytes: number;
  /** 32 bytes */
  sha256: Buffer;
  /** 16 bytes */
  md5: Buffer;
}

/** A Parquet file that is being written: zstd, statistics where a column asks for them, a manifest at its end. */
export class ParquetFile {
  private readonly sink: FileSink;
  private readonly parquet: ParquetWriter;

  constructor(path: string, schema: SchemaElement[]) {
    this.sink = new FileSink(path);
    this.parquet = new ParquetWriter({
      writer: this.sink,
      schema,
      codec: 'ZSTD',
      compressors: { ZSTD: (bytes: Uint8Array) => compress(bytes, ZSTD_LEVEL) },
      statistics: false,
      statisticsTruncateLength: STATISTICS_BYTES,
      createdBy: CREATED_BY,
    });
  }

  /** Written so far. */
  get bytes(): number {
    return this.sink.size;
  }

  writeRowGroup(columnData: Parameters<ParquetWriter['write']>[0]['columnData'], rows: number): void {
    void this.parquet.write({ columnData, rowGroupSize: rows });
  }

  /** The bytes are durable once it returns. */
  finish(manifest: object): WrittenFile {
    this.parquet.kvMetadata = [{ key: MANIFEST_KEY, value: canonicalize(manifest as JsonObject) }];
    void this.parquet.finish();
    return this.sink.result();
  }

  /** Gives the file up; it is left as it is. */
  abandon(): void {
    this.sink.close();
  }
}

/** A Parquet writer's bytes, into a file and two digests of it, in one pass. */
class FileSink extends ByteWriter {
  private readonly descriptor: number;
  private readonly sha256 = createHash('sha256');
  private readonly md5 = createHash('md5');
  private written = 0;
  private isOpen = true;

  constructor(file: string) {
    super(1 << 20);
    this.descriptor = openSync(file, 'w', 0o600);
  }

  flush(): void {
    const bytes = this.getBytes();
    for (let at = 0; at < bytes.length;) at += writeSync(this.descriptor, bytes, at);
    this.sha256.update(bytes);
    this.md5.update(bytes);
    this.written += bytes.length;
    this.index = 0;
  }

  override finish(): void {
    this.flush();
    fsyncSync(this.descriptor);
    this.close();
  }

  close(): void {
    if (this.isOpen) closeSync(this.descriptor);
    this.isOpen = false;
  }

  get size(): number {
    return this.written;
  }

  result(): WrittenFile {
    return { bytes: this.written, sha256: this.sha256.digest(), md5: this.md5.digest() };
  }
}

/**
 * Where a file's row groups are, and the value of its manifest; `endBytes` of its end are read at first. Throws
 * ArchiveObjectError.
 */
export async function readParquetFooter(
  file: AsyncBuffer,
  endBytes = FOOTER_BYTES,
): Promise<{ metadata: ParquetMetadata; manifest: JsonValue }> {
  try {
    const metadata = await readMetadata(file, { parsers: PARSERS, initialFetchSize: endBytes });
    const text = metadata.file.key_value_metadata?.find(({ key }) => key === MANIFEST_KEY)?.value;
    if (text === undefined) throw new ArchiveObjectError('it has no manifest');
    return { metadata, manifest: readJson(text) };
  } catch (error) {
    throw asObjectError(error, 'it cannot be read');
  }
}

/** Throws ArchiveObjectError unless a file's columns are those of a schema. */
export function assertColumns(metadata: ParquetMetadata, schema: readonly SchemaElement[]): void {
  if (shapeOf(metadata.file.schema) !== shapeOf(schema)) throw new ArchiveObjectError('it has other columns');
}

/** What the columns are called and are made of. */
function shapeOf(schema: readonly SchemaElement[]): string {
  return JSON.stringify(
    schema.map(({ name, type, type_length, repetition_type, num_children, logical_type }) => [
      ...[name, type, type_length, num_children, logical_type?.type],
      num_children === undefined ? repetition_type : undefined,
    ]),
  );
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const REPLACEMENT = '\ufffd';

/**
 * Exact where the defaults are not: microseconds, a byte order mark, bytes that are no UTF-8. Of texts by Buffer, which is
 * faster than TextDecoder: what it could not decode shows as U+FFFD, and is then looked at strictly.
 */
const PARSERS = {
  timestampFromMicroseconds: (micros: bigint) => Number(micros),
  stringFromBytes: (bytes: Uint8Array | undefined) => {
    if (!bytes) return bytes;
    const text = asBuffer(bytes).toString('utf8');
    return text.includes(REPLACEMENT) ? utf8.decode(bytes) : text;
  },
  uuidFromBytes: (bytes: Uint8Array | undefined) => {
    if (!bytes) return bytes;
    const hex = asBuffer(bytes).toString('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  },
};

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
}

/** How values are read. */
export const DECODING = {
  utf8: false,
  compressors: { ZSTD: (bytes: Uint8Array) => decompress(bytes) },
  parsers: PARSERS,
};

/** How values are read of which few are wanted: texts and UUIDs as their bytes, times as they stand, for toValue. */
export const RAW_DECODING = {
  ...DECODING,
  parsers: {
    timestampFromMicroseconds: (micros: bigint) => micros,
    stringFromBytes: (bytes: Uint8Array | undefined) => bytes,
    uuidFromBytes: (bytes: Uint8Array | undefined) => bytes,
  },
};

/** What DECODING makes of a value that was read raw, with bytes of its own. */
export function toValue(raw: unknown, element: Pick<SchemaElement, 'logical_type'>): unknown {
  const type = element.logical_type?.type;
  if (type === 'STRING') return PARSERS.stringFromBytes(raw as Uint8Array | undefined);
  if (type === 'UUID') return PARSERS.uuidFromBytes(raw as Uint8Array | undefined);
  if (type === 'TIMESTAMP') return PARSERS.timestampFromMicroseconds(raw as bigint);
  return raw instanceof Uint8Array ? Buffer.from(raw) : raw;
}

/** An error of reading: what decoders throw at bytes that make no sense as ArchiveObjectError, all others as they are. */
export function asObjectError(error: unknown, what: string): Error {
  if (error instanceof ArchiveObjectError) return error;
  const { name, syscall, message } = error as Error & { syscall?: unknown };
  const isBytesNotHad = syscall !== undefined || name === 'StoreUnavailable' || name === 'ObjectMissing';
  return isBytesNotHad
    ? (error as Error)
    : new ArchiveObjectError(`${what}: ${message}`, undefined, { cause: error as Error });
}

/** The bytes of a row group: where its columns begin, and where the last one ends. Throws ArchiveObjectError. */
export function bytesOfGroup(metadata: ParquetMetadata, group: number): { start: number; end: number } {
  let start = Infinity;
  let end = 0;
  for (const { meta_data } of groupOf(metadata, group).row_groups[0]!.columns) {
    if (!meta_data) throw new ArchiveObjectError(`row group ${group} has a column without metadata`);
    const first = Number(meta_data.dictionary_page_offset ?? meta_data.data_page_offset);
    start = Math.min(start, first);
    end = Math.max(end, first + Number(meta_data.total_compressed_size));
  }
  return { start, end };
}

/** A row group as the only one of its file. Throws ArchiveObjectError. */
export function groupOf(metadata: ParquetMetadata, group: number): ReturnType<ParquetMetadata['group']> {
  try {
    return metadata.group(group);
  } catch (error) {
    throw asObjectError(error, `its row group ${group} cannot be read`);
  }
}

/**
 * Throws ArchiveObjectError unless what a row group says of its columns is so: that they are these and no others, that all
 * values lie between the least and the greatest, and how many there are none of. `columns`: as readColumns has them. What
 * lies in a part of which this is false would be read by whoever reads all of it and found by nobody who searches, here or
 * with another program. Indexes of pages and Bloom filters, by which others leave parts out as well, none of ours has.
 */
export function assertStatistics(
  metadata: ParquetMetadata,
  group: number,
  names: readonly string[],
  columns: Readonly<Record<string, ArrayLike<unknown>>>,
): void {
  const chunks = groupOf(metadata, group).row_groups[0]!.columns;
  const wrong = (what: string): ArchiveObjectError => new ArchiveObjectError(`its row group ${group} ${what}`);
  if (chunks.length !== names.length) throw wrong('has other columns');
  for (const [i, name] of names.entries()) {
    const { meta_data: about, file_path: path, column_index_offset: pages } = chunks[i]!;
    if (about?.path_in_schema.length !== 1 || about.path_in_schema[0] !== name || path)
      throw wrong('has other columns');
    if (pages !== undefined || about.bloom_filter_offset !== undefined) throw wrong(`has an index of ${name}`);
    const { statistics } = about;
    if (!statistics) continue;
    const values = columns[name]!;
    const bounds = [
      [statistics.min_value, statistics.max_value],
      [statistics.min, statistics.max],
    ];
    for (const [least, greatest] of bounds) {
      if (hasBelow(values, least) || hasAbove(values, greatest)) {
        throw wrong(`has values of ${name} that are not between those which it says are the least and the greatest`);
      }
    }
    if (statistics.null_count !== undefined && Number(statistics.null_count) !== countNulls(values)) {
      throw wrong(`has another number of rows without ${name} than it says`);
    }
  }
}

function hasBelow(values: ArrayLike<unknown>, least: unknown): boolean {
  return least !== undefined && hasAny(values, compareTo(least), (order) => !(order >= 0));
}

function hasAbove(values: ArrayLike<unknown>, greatest: unknown): boolean {
  return greatest !== undefined && hasAny(values, compareTo(greatest), (order) => !(order <= 0));
}

function hasAny(
  values: ArrayLike<unknown>,
  compare: (value: unknown) => number,
  isOutside: (order: number) => boolean,
): boolean {
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value !== undefined && value !== null && isOutside(compare(value))) return true;
  }
  return false;
}

function countNulls(values: ArrayLike<unknown>): number {
  let count = 0;
  for (let i = 0; i < values.length; i++) if ((values[i] ?? null) === null) count += 1;
  return count;
}

/** The order of a value and a bound, as Parquet has it: of texts that of their UTF-8. NaN for what is of another type. */
function compareTo(bound: unknown): (value: unknown) => number {
  if (bound instanceof Uint8Array) {
    return (value) => (value instanceof Uint8Array ? Buffer.compare(value, bound) : NaN);
  }
  if (typeof bound === 'string' && /[\ud800-\uffff]/.test(bound)) {
    // where UTF-16 has another order
    const bytes = Buffer.from(bound);
    return (value) => (typeof value === 'string' ? Buffer.compare(Buffer.from(value), bytes) : NaN);
  }
  const type = typeof bound;
  const other = bound as string;
  return (value) => (typeof value !== type ? NaN : (value as string) < other ? -1 : Number(value !== bound));
}
