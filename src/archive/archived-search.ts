import { canonicalize } from '../integrity/canonical-json.js';
import { DamagedRowError, type StoredRow } from '../integrity/stored-event.js';
import { readJson } from '../integrity/strict-json.js';
import type { ArchivedSearch, Instant } from './archived-events.js';

type Row = StoredRow<number>;

/** What of a row a search looks at. */
export type SearchedRow = Pick<Row, 'sequence' | 'recorded_at' | 'timestamp' | 'timestamp_nanos'> &
  Partial<Pick<Row, 'metadata' | ArchivedSearch['query']['equal'][number][0]>>;

/** The columns that a search looks at. */
export function searchedColumns({ query }: ArchivedSearch): (keyof SearchedRow)[] {
  return [
    ...(['sequence', 'recorded_at', 'timestamp', 'timestamp_nanos'] as const),
    ...new Set(query.equal.map(([column]) => column)),
    ...(query.metadata.length > 0 ? (['metadata'] as const) : []),
  ];
}

/** Whether a row is one that a search looks for: what events/event-search.ts says in SQL. */
export function matches(row: SearchedRow, { query, upTo, after }: ArchivedSearch): boolean {
  const sequence = BigInt(row.sequence);
  if (sequence > upTo || sequence < query.fromSequence || sequence > query.toSequence) return false;
  for (const [column, value] of query.equal) if (row[column] !== value) return false;
  if (query.from && compareTime(row, query.from) < 0) return false;
  if (query.to && compareTime(row, query.to) >= 0) return false;
  if (query.recordedFrom && isBefore(row.recorded_at, query.recordedFrom)) return false;
  if (query.recordedTo && !isBefore(row.recorded_at, query.recordedTo)) return false;
  if (after && (query.order === 'asc' ? -1 : 1) * compareTo(row, query.sort, after) >= 0) return false;
  return query.metadata.length === 0 || hasMembers(row, query.metadata);
}

/** By (timestamp, nanos). */
function compareTime(row: Pick<Row, 'timestamp' | 'timestamp_nanos'>, { micros, nanos }: Instant): number {
  return row.timestamp - micros || row.timestamp_nanos - nanos;
}

function compareTo(
  row: SearchedRow,
  sort: 'timestamp' | 'sequence',
  after: NonNullable<ArchivedSearch['after']>,
): number {
  const bySequence = Number(BigInt(row.sequence) - after.sequence);
  return sort === 'sequence' ? bySequence : compareTime(row, after.timestamp) || bySequence;
}

/** recorded_at has microseconds, and the bound may lie between two of them. */
function isBefore(recordedAt: number, { micros, nanos }: Instant): boolean {
  return recordedAt < micros || (recordedAt === micros && nanos > 0);
}

/** A top-level member that is a string equal to the value, or a number, boolean or null with that JSON text. */
function hasMembers(row: SearchedRow, filters: readonly [key: string, value: string][]): boolean {
  const metadata = readJson(row.metadata!);
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) {
    throw new DamagedRowError(row.sequence, 'metadata', 'is no object');
  }
  return filters.every(([key, value]) => {
    if (!Object.hasOwn(metadata, key)) return false;
    const member = metadata[key]!;
    if (typeof member === 'string') return member === value;
    return (typeof member !== 'object' || member === null) && canonicalize(member) === value;
  });
}

/** Compares two rows by what a search is sorted by, ascending. */
export function compareRows(sort: 'timestamp' | 'sequence', a: Row, b: Row): number {
  const bySequence = Number(BigInt(a.sequence) - BigInt(b.sequence));
  if (sort === 'sequence') return bySequence;
  return a.timestamp - b.timestamp || a.timestamp_nanos - b.timestamp_nanos || bySequence;
}

/** About what a row takes, as PostgreSQL would send it. */
export function bytesOf(row: Row): number {
  return (
    400 +
    row.new_state.length +
    row.metadata.length +
    (row.previous_state?.length ?? 0) +
    (row.raw_data?.length ?? 0) +
    row.entity_id.length
  );
}

/**
 * The first rows in an order, out of many that come in any: no more than `maxRows`, and no more than reach `maxBytes`.
 */
export class FirstRows {
  private rows: Row[] = [];
  private cut = false;
  private limit: Row | undefined;

  constructor(
    private readonly compare: (a: Row, b: Row) => number,
    private readonly maxRows: number,
    private readonly maxBytes: number,
  ) {}

  add(row: Row): void {
    if (this.limit && this.compare(row, this.limit) > 0) return;
    this.rows.push(row);
    if (this.rows.length >= 2 * this.maxRows + 64) this.trim();
  }

  /** The last row that would be kept as things are; undefined while there is room for more. */
  last(): Row | undefined {
    this.trim();
    return this.limit;
  }

  result(): { rows: Row[]; bytes: number; cut: boolean } {
    this.trim();
    return { rows: this.rows, bytes: this.rows.reduce((sum, row) => sum + bytesOf(row), 0), cut: this.cut };
  }

  private trim(): void {
    this.rows.sort(this.compare);
    let bytes = 0;
    let kept = 0;
    while (kept < this.rows.length && kept < this.maxRows && bytes < this.maxBytes)
      bytes += bytesOf(this.rows[kept++]!);
    this.cut ||= bytes >= this.maxBytes;
    if (kept === this.maxRows || bytes >= this.maxBytes) this.limit = this.rows[kept - 1];
    this.rows.length = kept;
  }
}
