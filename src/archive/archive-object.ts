import { stat } from 'node:fs/promises';
import { parquetRead, type AsyncBuffer, type SchemaElement } from 'hyparquet';
import type { ColumnSource } from 'hyparquet-writer';
import type { StoredRow } from '../integrity/stored-event.js';
import {
  ARCHIVE_FORMAT,
  ArchiveObjectError,
  isManifest,
  nonceOf,
  type ArchivedRange,
  type EventsKind,
  type Manifest,
} from './archive-format.js';
import { ArchivedRangeCheck, type RangeStart } from './archived-range-check.js';
import { EntitySums, type KeyedSums } from './entity-sums.js';
import type { LateExecutions } from './late-executions.js';
import type { RecordContents } from './record-contents.js';
import { withFile } from './local-file.js';
import type { ParquetMetadata } from './parquet-metadata.js';
import { DESCRIBED } from './format-description.js';
import {
  asObjectError,
  assertColumns,
  assertStatistics,
  BYTES,
  DECODING,
  fixed,
  groupOf,
  INT32,
  INT64,
  loadCompression,
  MICROS,
  ParquetFile,
  RAW_DECODING,
  readParquetFooter,
  TEXT,
  toValue,
  UUID,
  type WrittenFile,
} from './parquet-file.js';

/**
 * Rows of a row group, which is what is read to get at one of them: about 250 kB of order events. In the trial of
 * docs/decisions/0006, 1,024 rows cost 2 % more bytes and 8,192 saved 2 %.
 */
export const ROW_GROUP_ROWS = 2_048;
/** Larger rows make smaller groups, so that one fits into memory whatever it holds. */
const ROW_GROUP_BYTES = 8_388_608;

type Cell = string | number | bigint | Uint8Array | null;

interface ColumnFormat {
  element: Omit<SchemaElement, 'name' | 'repetition_type'>;
  isOptional?: boolean;
  /** least and greatest value of each row group in the footer */
  hasStatistics?: boolean;
  /** random bytes: kept as they are */
  isRandom?: boolean;
  /** each value lies near the one before */
  isDelta?: boolean;
  cell: (row: StoredRow<number>, texts: JsonTexts, ledger: string) => Cell;
}

interface JsonTexts {
  previousState: string | null;
  newState: string;
  metadata: string;
}

/**
 * The columns, in order. previous_event_hash is none of them: it is the event_hash of the row before, and at the
 * beginning of a row group it stands in the manifest. JSON stands in its canonical form (RFC 8785).
 */
const COLUMNS: Readonly<Record<string, ColumnFormat>> = {
  ledger: { element: TEXT, hasStatistics: true, cell: (_row, _texts, ledger) => ledger },
  sequence: { isDelta: true, element: INT64, hasStatistics: true, cell: (row) => BigInt(row.sequence) },
  recorded_at: { isDelta: true, element: MICROS, hasStatistics: true, cell: (row) => BigInt(row.recorded_at) },
  timestamp: { isDelta: true, element: MICROS, hasStatistics: true, cell: (row) => BigInt(row.timestamp) },
  timestamp_nanos: { element: INT32, cell: (row) => row.timestamp_nanos },
  timestamp_digits: { element: INT32, cell: (row) => row.timestamp_digits },
  event_id: { element: UUID, hasStatistics: true, cell: (row) => uuidBytes(row.event_id) },
  corrects: {
    element: UUID,
    isOptional: true,
    cell: (row) => (row.corrects === null ? null : uuidBytes(row.corrects)),
  },
  event_type: { element: TEXT, hasStatistics: true, cell: (row) => row.event_type },
  entity_type: { element: TEXT, hasStatistics: true, cell: (row) => row.entity_type },
  entity_id: { element: TEXT, hasStatistics: true, cell: (row) => row.entity_id },
  action: { element: TEXT, hasStatistics: true, cell: (row) => row.action },
  user_id: { element: TEXT, hasStatistics: true, cell: (row) => row.user_id },
  previous_state: { element: TEXT, isOptional: true, cell: (_row, texts) => texts.previousState },
  new_state: { element: TEXT, cell: (_row, texts) => texts.newState },
  metadata: { element: TEXT, cell: (_row, texts) => texts.metadata },
  source: { element: TEXT, isOptional: true, cell: (row) => row.source },
  source_session: { element: TEXT, isOptional: true, cell: (row) => row.source_session },
  source_sequence: { element: TEXT, isOptional: true, cell: (row) => row.source_sequence },
  raw_media_type: { element: TEXT, isOptional: true, cell: (row) => row.raw_media_type },
  raw_data: { element: BYTES, isOptional: true, cell: (row) => row.raw_data },
  recorded_by: { element: TEXT, cell: (row) => row.recorded_by },
  salt: { element: fixed(16), isRandom: true, cell: (row) => row.salt },
  content_hash: { element: fixed(32), isRandom: true, cell: (row) => row.content_hash },
  event_hash: { element: fixed(32), isRandom: true, cell: (row) => row.event_hash },
};
const NAMES = Object.keys(COLUMNS);
const REQUIRED = NAMES.filter((name) => !COLUMNS[name]!.isOptional);
const FORMATS = NAMES.map((name) => COLUMNS[name]!);

const SCHEMA: SchemaElement[] = [
  { name: 'events', num_children: NAMES.length },
  ...NAMES.map((name): SchemaElement => {
    const { element, isOptional } = COLUMNS[name]!;
    return { name, ...element, repetition_type: isOptional ? 'OPTIONAL' : 'REQUIRED' };
  }),
];

/** A finished object, in a file. */
export interface EncodedObject extends WrittenFile, HeldEvents {
  manifest: Manifest;
}

/** What an object says of itself, and what of its events that does not. */
export interface HeldEvents {
  manifest: Manifest;
  contents: RecordContents[];
  /** of their entities, where they were asked for */
  keyedSums?: KeyedSums;
  /** by ledger, where they were asked for */
  lateExecutions?: LateExecutions[];
}

/**
 * Writes an object to a file: Parquet, zstd, rows of one ledger after the other. The same rows give the same bytes. Holds
 * one row group in memory. Every row is recomputed on its way: what is not as it was recorded is never archived.
 */
export class ArchiveObjectWriter {
  private readonly file: ParquetFile;
  private readonly ranges: ArchivedRange[] = [];
  private readonly contents: RecordContents[] = [];
  private readonly rowGroups: Manifest['row_groups'] = [];
  private check: ArchivedRangeCheck | undefined;
  private ledger = '';
  private cells: Cell[][] = NAMES.map(() => []);
  private cellBytes = 0;

  constructor(
    path: string,
    private readonly about: { kind: EventsKind; number: bigint; nonce?: string | undefined },
  ) {
    this.file = new ParquetFile(path, SCHEMA);
  }

  /** Written so far, and what waits to be, uncompressed. */
  get bytes(): number {
    return this.file.bytes + this.cellBytes;
  }

  /** Begins a ledger's rows; those of the one before are over. */
  begin(start: RangeStart): void {
    this.endRange();
    this.check = new ArchivedRangeCheck(start);
    this.ledger = start.ledger;
  }

  /** Throws ArchiveObjectError for a row that is not as it was recorded. */
  add(row: StoredRow<number>): void {
    const check = this.check!;
    const before = check.previousEventHash;
    const texts = check.take(row);
    if (this.cells[0]!.length === 0) {
      this.rowGroups.push({
        ledger: this.ledger,
        from_sequence: row.sequence,
        events: '0',
        previous_event_hash: before === null ? null : before.toString('hex'),
      });
    }
    for (let i = 0; i < FORMATS.length; i++) this.cells[i]!.push(FORMATS[i]!.cell(row, texts, this.ledger));
    this.cellBytes += texts.text.length + (row.raw_data?.length ?? 0);
    if (this.cells[0]!.length === ROW_GROUP_ROWS || this.cellBytes >= ROW_GROUP_BYTES) this.writeRowGroup();
  }

  /** The bytes are durable once it returns. */
  finish(): EncodedObject {
    this.endRange();
    const manifest: Manifest = {
      format: ARCHIVE_FORMAT,
      kind: this.about.kind,
      number: String(this.about.number),
      ...nonceOf(this.about),
      ranges: this.ranges,
      row_groups: this.rowGroups,
      ...DESCRIBED,
    };
    return { manifest, contents: this.contents, ...this.file.finish(manifest) };
  }

  /** Gives the file up; it is left as it is. */
  abandon(): void {
    this.file.abandon();
  }

  private endRange(): void {
    if (!this.check) return;
    this.writeRowGroup();
    this.ranges.push(this.check.finish());
    this.contents.push(...this.check.contents());
    this.check = undefined;
  }

  private writeRowGroup(): void {
    const rows = this.cells[0]!.length;
    if (rows === 0) return;
    this.rowGroups.at(-1)!.events = String(rows);
    const columnData = NAMES.map((name, i): ColumnSource => {
      const { hasStatistics, isRandom, isDelta } = COLUMNS[name]!;
      return {
        name,
        data: this.cells[i]!,
        statistics: hasStatistics === true,
        ...(isDelta ? ({ encoding: 'DELTA_BINARY_PACKED' } as const) : {}),
        ...(isRandom ? ({ codec: 'UNCOMPRESSED', encoding: 'PLAIN' } as const) : {}),
      };
    });
    this.file.writeRowGroup(columnData, rows);
    this.cells = NAMES.map(() => []);
    this.cellBytes = 0;
  }
}

/** An object's footer: what it says of itself, and where its row groups are. */
export interface ObjectFooter {
  manifest: Manifest;
  metadata: ParquetMetadata;
}

/**
 * Reads the footer, out of `endBytes` of the file's end where these are enough. Throws ArchiveObjectError for what is no
 * archive object of a format that is known here.
 */
export async function readFooter(file: AsyncBuffer, endBytes?: number): Promise<ObjectFooter> {
  const { metadata, manifest } = await readParquetFooter(file, endBytes);
  if (!isManifest(manifest)) throw new ArchiveObjectError(`its manifest is not of the format ${ARCHIVE_FORMAT}`);
  assertColumns(metadata, SCHEMA);
  if (manifest.row_groups.length !== metadata.rowCounts.length) {
    throw new ArchiveObjectError('its manifest has not the row groups that are there');
  }
  return { manifest, metadata };
}

/** Columns of a row group: of each as many values as it has rows. */
export type GroupColumns = Readonly<Record<string, ArrayLike<unknown>>>;

/** Some columns of a row group. Throws ArchiveObjectError when they cannot be decoded. */
export async function readColumns(
  file: AsyncBuffer,
  { metadata }: Pick<ObjectFooter, 'metadata'>,
  group: number,
  names: readonly string[],
  decoding: typeof DECODING | typeof RAW_DECODING = DECODING,
): Promise<GroupColumns> {
  const rows = metadata.rowCounts[group]!;
  const columns: Record<string, ArrayLike<unknown>> = {};
  const counts: Record<string, number> = Object.fromEntries(names.map((name) => [name, 0]));
  try {
    await parquetRead({
      file,
      metadata: groupOf(metadata, group),
      rowStart: 0,
      rowEnd: rows,
      columns: [...names],
      ...(decoding as typeof DECODING),
      onChunk: ({ columnName, columnData, rowStart: start }) => {
        counts[columnName]! += columnData.length;
        if (start === 0 && columnData.length === rows) columns[columnName] = columnData;
        else {
          const column = (columns[columnName] ??= new Array<unknown>(rows)) as unknown[];
          for (let i = 0; i < columnData.length; i++) column[start + i] = columnData[i];
        }
      },
    });
  } catch (error) {
    throw asObjectError(error, `its row group ${group} cannot be read`);
  }
  const short = names.find((name) => counts[name] !== rows);
  if (short !== undefined) throw new ArchiveObjectError(`its row group ${group} has too few values of ${short}`);
  return columns;
}

/**
 * Rows of a row group, in order, previous_event_hash included: all, or those at some places from 0 on. Of those, values
 * are made of the wanted ones alone. Throws ArchiveObjectError when it cannot be decoded.
 */
export async function readRowGroup(
  file: AsyncBuffer,
  { manifest, metadata }: ObjectFooter,
  group: number,
  places?: readonly number[],
): Promise<StoredRow<number>[]> {
  if (places?.length === 0) return [];
  const all = await readColumns(file, { metadata }, group, NAMES, places ? RAW_DECODING : DECODING);
  return rowsOf(all, manifest, group, places);
}

/** A row group as it is stored: texts and UUIDs as their bytes, numbers and times as bigint or number. */
export interface RawGroup {
  columns: GroupColumns;
  rows: number;
  /** of the row before the first one */
  previousEventHash: Buffer | null;
}

/** Checks no more than that every row has what each one has, and is of the ledger. Throws ArchiveObjectError. */
export async function readRawGroup(
  file: AsyncBuffer,
  { manifest, metadata }: ObjectFooter,
  group: number,
): Promise<RawGroup> {
  const columns = await readColumns(file, { metadata }, group, NAMES, RAW_DECODING);
  assertRequired(columns, group);
  const { ledger, previous_event_hash: previous } = manifest.row_groups[group]!;
  const expected = Buffer.from(ledger);
  let same: unknown;
  for (const name of Array.from(columns.ledger as ArrayLike<Uint8Array>)) {
    // a dictionary gives all rows one and the same
    if (name !== same && !expected.equals(name)) {
      throw new ArchiveObjectError(`its row group ${group} has rows of another ledger`);
    }
    same = name;
  }
  return {
    columns,
    rows: columns.ledger!.length,
    previousEventHash: previous === null ? null : Buffer.from(previous, 'hex'),
  };
}

function assertRequired(columns: GroupColumns, group: number): void {
  for (const name of REQUIRED) {
    const column = columns[name]!;
    for (let i = 0; i < column.length; i++) {
      if ((column[i] ?? null) === null) {
        throw new ArchiveObjectError(`its row group ${group} has rows without ${name}`);
      }
    }
  }
}

/** Of all columns of a row group, raw where only some places are wanted. */
function rowsOf(all: GroupColumns, manifest: Manifest, group: number, places?: readonly number[]): StoredRow<number>[] {
  const { ledger, previous_event_hash } = manifest.row_groups[group]!;
  const first = previous_event_hash === null ? null : Buffer.from(previous_event_hash, 'hex');
  const columns = places ? valuesAt(all, group, places) : all;
  const count = columns.ledger!.length;
  assertRequired(columns, group);
  const rowAt = rowReader(columns);
  return Array.from({ length: count }, (_, i) => {
    if (columns.ledger![i] !== ledger)
      throw new ArchiveObjectError(`its row group ${group} has rows of another ledger`);
    if (!places) return rowAt(i, i === 0 ? first : bufferOf(all.event_hash![i - 1]));
    // a copy: a row that is kept must not keep the memory of all the others
    return rowAt(i, places[i] === 0 ? first : Buffer.from(all.event_hash![places[i]! - 1] as Uint8Array));
  });
}

/** Of a row group's raw columns the values at some places. */
function valuesAt(columns: GroupColumns, group: number, places: readonly number[]): GroupColumns {
  try {
    return Object.fromEntries(
      NAMES.map((name) => [name, places.map((place) => toValue(columns[name]![place], COLUMNS[name]!.element))]),
    );
  } catch (error) {
    throw asObjectError(error, `its row group ${group} cannot be read`);
  }
}

/** Makes rows of columns. What each of them is called is looked up once. */
function rowReader(columns: GroupColumns): (place: number, previous: Buffer | null) => StoredRow<number> {
  const texts = (name: string): ArrayLike<string> => columns[name] as ArrayLike<string>;
  const textsOrNull = (name: string): ArrayLike<string | null | undefined> => texts(name);
  const numbers = (name: string): ArrayLike<number> => columns[name] as ArrayLike<number>;
  const buffers = (name: string): ArrayLike<Uint8Array> => columns[name] as ArrayLike<Uint8Array>;
  const sequence = columns.sequence!;
  const [recordedAt, timestamp] = [numbers('recorded_at'), numbers('timestamp')];
  const [nanos, digits] = [numbers('timestamp_nanos'), numbers('timestamp_digits')];
  const [eventId, corrects] = [texts('event_id'), textsOrNull('corrects')];
  const [eventType, entityType, entityId] = [texts('event_type'), texts('entity_type'), texts('entity_id')];
  const [action, userId, recordedBy] = [texts('action'), texts('user_id'), texts('recorded_by')];
  const [previousState, newState, metadata] = [textsOrNull('previous_state'), texts('new_state'), texts('metadata')];
  const source = textsOrNull('source');
  const [sourceSession, sourceSequence] = [textsOrNull('source_session'), textsOrNull('source_sequence')];
  const [rawMediaType, rawData] = [textsOrNull('raw_media_type'), buffers('raw_data')];
  const [salt, contentHash, eventHash] = [buffers('salt'), buffers('content_hash'), buffers('event_hash')];
  return (place, previous) => ({
    jsonForm: 'canonical',
    sequence: String(sequence[place]),
    recorded_at: recordedAt[place]!,
    timestamp: timestamp[place]!,
    timestamp_nanos: nanos[place]!,
    timestamp_digits: digits[place]!,
    event_id: eventId[place]!,
    corrects: corrects[place] ?? null,
    event_type: eventType[place]!,
    entity_type: entityType[place]!,
    entity_id: entityId[place]!,
    action: action[place]!,
    user_id: userId[place]!,
    previous_state: previousState[place] ?? null,
    new_state: newState[place]!,
    metadata: metadata[place]!,
    source: source[place] ?? null,
    source_session: sourceSession[place] ?? null,
    source_sequence: sourceSequence[place] ?? null,
    raw_media_type: rawMediaType[place] ?? null,
    raw_data: rawData[place] === undefined || rawData[place] === null ? null : bufferOf(rawData[place]),
    recorded_by: recordedBy[place]!,
    salt: bufferOf(salt[place]),
    content_hash: bufferOf(contentHash[place]),
    previous_event_hash: previous,
    event_hash: bufferOf(eventHash[place]),
  });
}

/** The same bytes. */
function bufferOf(bytes: unknown): Buffer {
  const { buffer, byteOffset, byteLength } = bytes as Uint8Array<ArrayBuffer>;
  return Buffer.from(buffer, byteOffset, byteLength);
}

/**
 * Reads an object as a whole and recomputes all of it: every content and link, and that manifest and statistics say what
 * is there. Keyed sums of entities come with a key alone; `onRow` is given each row that was found right. Throws
 * ArchiveObjectError. Holds one row group in memory.
 */
export async function verifyObject(
  file: AsyncBuffer,
  listingKey?: string,
  onRow?: (ledger: string, row: StoredRow<number>) => void,
): Promise<HeldEvents> {
  const contents: RecordContents[] = [];
  const keyedSums = new Map<string, string>();
  const footer = await readFooter(file);
  const { manifest } = footer;
  let group = 0;
  for (const range of manifest.ranges) {
    const start = {
      ledger: range.ledger,
      origin: range.origin,
      fromSequence: BigInt(range.from_sequence),
      previousEventHash: range.previous_event_hash === null ? null : Buffer.from(range.previous_event_hash, 'hex'),
    };
    const check = new ArchivedRangeCheck(start, listingKey);
    for (; manifest.row_groups[group]?.ledger === range.ledger; group++) {
      const { from_sequence, events, previous_event_hash } = manifest.row_groups[group]!;
      const before = check.previousEventHash?.toString('hex') ?? null;
      if (from_sequence !== String(check.nextSequence) || previous_event_hash !== before) {
        throw new ArchiveObjectError(`its manifest says what is not so of row group ${group}`);
      }
      const columns = await readColumns(file, footer, group, NAMES);
      assertStatistics(footer.metadata, group, NAMES, columns);
      const rows = rowsOf(columns, manifest, group);
      if (String(rows.length) !== events) throw new ArchiveObjectError(`row group ${group} has ${rows.length} rows`);
      for (const row of rows) {
        check.take(row);
        onRow?.(range.ledger, row);
      }
    }
    const found = check.finish();
    contents.push(...check.contents());
    const keyed = check.keyedSum();
    if (keyed !== undefined) keyedSums.set(range.ledger, keyed);
    for (const name of Object.keys(found) as (keyof ArchivedRange)[]) {
      if (found[name] !== range[name]) {
        throw new ArchiveObjectError(
          `its manifest says that ${name} of ${range.ledger} is ${range[name]}: ${found[name]}`,
        );
      }
    }
  }
  if (group !== manifest.row_groups.length)
    throw new ArchiveObjectError('it has rows that its manifest has no range for');
  return { manifest, contents, ...(listingKey === undefined ? {} : { keyedSums }) };
}

/** The event_hash of an event of an object in a file; undefined when it does not hold it. */
export async function readEventHash(path: string, ledger: string, sequence: bigint): Promise<Buffer | undefined> {
  await loadCompression();
  const { size } = await stat(path);
  return withFile(path, size, async (file) => {
    const footer = await readFooter(file);
    for (const [group, { ledger: its, from_sequence, events }] of footer.manifest.row_groups.entries()) {
      const place = sequence - BigInt(from_sequence);
      if (its !== ledger || place < 0n || place >= BigInt(events)) continue;
      const { event_hash: column } = await readColumns(file, footer, group, ['event_hash']);
      return bufferOf(column![Number(place)]);
    }
    return undefined;
  });
}

/** Keyed sums of the entities of an object whose bytes were recomputed before: its columns are taken as they are. */
export async function sumEntities(file: AsyncBuffer, listingKey: string): Promise<KeyedSums> {
  const footer = await readFooter(file);
  const sums = new Map<string, EntitySums>();
  for (const [group, { ledger }] of footer.manifest.row_groups.entries()) {
    const columns = await readColumns(file, footer, group, ['sequence', 'entity_type', 'entity_id', 'corrects']);
    const [types, ids] = [columns.entity_type, columns.entity_id] as ArrayLike<string>[];
    const [sequence, corrects] = [columns.sequence!, columns.corrects!];
    const ofLedger = sums.get(ledger) ?? new EntitySums(listingKey);
    sums.set(ledger, ofLedger);
    for (let i = 0; i < sequence.length; i++) {
      ofLedger.add(types![i]!, ids![i]!, String(sequence[i]), (corrects[i] ?? null) !== null);
    }
  }
  return new Map([...sums].map(([ledger, each]) => [ledger, each.keyedSum()!]));
}

function uuidBytes(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}
