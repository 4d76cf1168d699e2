import type { AsyncBuffer } from 'hyparquet';
import { CopyRows } from '../database/copy-in.js';
import { formatMicros } from '../integrity/timestamp.js';
import { monthOf, type Month } from '../partitions/months.js';
import { readFooter, readRawGroup } from './archive-object.js';

/** A row group, and the sequences from which on keys and rows of it are wanted. */
export interface GroupToCopy {
  group: number;
  keysFrom: bigint;
  rowsFrom: bigint;
}

/** What COPY takes into event_keys, and into the tables of months, in their order. */
export interface RowsToCopy {
  keys: Uint8Array<ArrayBuffer>;
  months: { month: Month; rows: Uint8Array<ArrayBuffer> }[];
  /** of those whose keys alone are taken */
  telling: TellingEvent[];
}

/** An event that names an execution, and may say that it was on another day than its own. */
export interface TellingEvent {
  ledger: string;
  sequence: bigint;
  /** canonical JSON */
  metadata: string;
  /** microseconds since 1970 */
  timestamp: number;
}

export function isRowsToCopy(result: unknown): result is RowsToCopy {
  return typeof result === 'object' && result !== null && 'keys' in result && 'months' in result;
}

/** What rows take in memory; 0 of another result. */
export function bytesOfRows(result: unknown): number {
  if (!isRowsToCopy(result)) return 0;
  return result.months.reduce((sum, { rows }) => sum + rows.length, result.keys.length);
}

type Raw = Uint8Array | bigint | number | null;
type Write = (rows: CopyRows, raw: Raw) => void;

const asBytes: Write = (rows, raw) => rows.bytes(raw as Uint8Array | null);
const asJson: Write = (rows, raw) => rows.jsonbBytes(raw as Uint8Array | null);
const asTime: Write = (rows, raw) => rows.timestamptz(Number(raw));
const asInt2: Write = (rows, raw) => rows.int2(raw as number);
const asInt8: Write = (rows, raw) => rows.int8(raw as bigint);
const asNumeric: Write = (rows, raw) => {
  if (raw === null) rows.numeric(null);
  else rows.numeric(Buffer.from(raw as Uint8Array).toString('latin1'));
};

/** The columns of an object, all but previous_event_hash, which stands in the row before, and how COPY takes each. */
const COLUMNS: Readonly<Record<string, Write>> = {
  ledger: asBytes,
  sequence: asInt8,
  recorded_at: asTime,
  timestamp: asTime,
  timestamp_nanos: asInt2,
  timestamp_digits: asInt2,
  event_id: asBytes,
  corrects: asBytes,
  event_type: asBytes,
  entity_type: asBytes,
  entity_id: asBytes,
  action: asBytes,
  user_id: asBytes,
  previous_state: asJson,
  new_state: asJson,
  metadata: asJson,
  source: asBytes,
  source_session: asBytes,
  source_sequence: asNumeric,
  raw_media_type: asBytes,
  raw_data: asBytes,
  recorded_by: asBytes,
  salt: asBytes,
  content_hash: asBytes,
  event_hash: asBytes,
};
const ORDER = Buffer.from('order');
const ORDER_LIFECYCLE = Buffer.from('order_lifecycle');
const EXECUTION_TIME = /"execution_time": ?"([0-9]{4}-[0-9]{2}-[0-9]{2})T[^"]*Z"/;
/** More than most take: memory that has to grow is copied. */
const ROW_BYTES = 1_024;
const KEY_BYTES = 64;
const NAMES = Object.keys(COLUMNS);
const WRITE = Object.values(COLUMNS);

/** As COPY is to name them. */
export const EVENT_COLUMNS: readonly string[] = [...NAMES, 'previous_event_hash'];
export const KEY_COLUMNS: readonly string[] = ['ledger', 'event_id', 'sequence'];

/**
 * Of row groups of an object whose events were recomputed. Bytes go as they stand: that they are UTF-8, JSON and what the
 * columns take is PostgreSQL's to see. Throws ArchiveObjectError when they cannot be decoded.
 */
export async function encodeRowsToCopy(file: AsyncBuffer, groups: readonly GroupToCopy[]): Promise<RowsToCopy> {
  const footer = await readFooter(file);
  const rowsInAll = groups.reduce((sum, { group }) => sum + footer.metadata.rowCounts[group]!, 0);
  const expected = { keys: rowsInAll * KEY_BYTES, rows: rowsInAll * ROW_BYTES };
  const keys = new CopyRows(KEY_COLUMNS.length, expected.keys);
  const months = new Map<Month, CopyRows>();
  const telling: TellingEvent[] = [];
  for (const { group, keysFrom, rowsFrom } of groups) {
    const { columns, rows: count, previousEventHash } = await readRawGroup(file, footer, group);
    const raw = NAMES.map((name) => columns[name] as ArrayLike<Raw | undefined>);
    const sequences = columns.sequence as ArrayLike<bigint>;
    const recordedAt = columns.recorded_at as ArrayLike<bigint>;
    const [ledgers, ids, hashes] = [columns.ledger, columns.event_id, columns.event_hash] as ArrayLike<Uint8Array>[];
    let month: MonthRows | undefined;
    for (let i = 0; i < count; i++) {
      const sequence = sequences[i]!;
      if (sequence < keysFrom) continue;
      keys.row();
      keys.bytes(ledgers![i]!);
      keys.bytes(ids![i]!);
      keys.int8(sequence);
      if (sequence < rowsFrom) {
        const told = tellingEvent(columns as Readonly<Record<string, ArrayLike<Raw | undefined>>>, i);
        if (told) telling.push(told);
        continue;
      }
      const at = Number(recordedAt[i]);
      if (!month || at < month.from || at >= month.to) month = rowsOfMonth(months, at, expected.rows);
      const { rows } = month;
      rows.row();
      for (let column = 0; column < WRITE.length; column++) WRITE[column]!(rows, raw[column]![i] ?? null);
      rows.bytes(i === 0 ? previousEventHash : hashes![i - 1]!);
    }
  }
  return {
    keys: keys.finished(),
    months: [...months].map(([month, rows]) => ({ month, rows: rows.finished() })),
    telling,
  };
}

/** Undefined for one that names no execution, or says in UTC that it was on its own day, as most do: PostgreSQL is asked of the rest. */
function tellingEvent(
  columns: Readonly<Record<string, ArrayLike<Raw | undefined>>>,
  i: number,
): TellingEvent | undefined {
  if (!ORDER.equals(columns.entity_type![i] as Uint8Array)) return undefined;
  if (!ORDER_LIFECYCLE.equals(columns.event_type![i] as Uint8Array)) return undefined;
  const stated = columns.metadata![i] as Uint8Array | null | undefined;
  const metadata = stated ? textOf(stated) : '';
  if (!metadata.includes('"execution_id"')) return undefined;
  const timestamp = Number(columns.timestamp![i]);
  const isOnce = metadata.indexOf('"execution_time"') === metadata.lastIndexOf('"execution_time"');
  if (isOnce && EXECUTION_TIME.exec(metadata)?.[1] === formatMicros(timestamp).slice(0, 10)) return undefined;
  const ledger = textOf(columns.ledger![i] as Uint8Array);
  return { ledger, sequence: columns.sequence![i] as bigint, metadata, timestamp };
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();
}

/** The rows of a month, and when it begins and ends: microseconds since 1970. */
interface MonthRows {
  rows: CopyRows;
  from: number;
  to: number;
}

/** The rows of the month that a time, in microseconds, lies in, and when that begins and ends. */
function rowsOfMonth(months: Map<Month, CopyRows>, at: number, expectedBytes: number): MonthRows {
  const month = monthOf(formatMicros(at));
  const [year, number] = [Number(month.slice(0, 4)), Number(month.slice(5, 7))];
  let rows = months.get(month);
  if (!rows) months.set(month, (rows = new CopyRows(EVENT_COLUMNS.length, expectedBytes)));
  return { rows, from: Date.UTC(year, number - 1) * 1000, to: Date.UTC(year, number) * 1000 };
}
