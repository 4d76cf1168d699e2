import { queryBounded, type Statement } from '../database/bounded-query.js';
import { STREAM_PAGE_BYTES } from '../events/event-search.js';
import { STORED_COLUMNS } from '../events/stored-events.js';
import { microsOf, type StoredRow } from '../integrity/stored-event.js';
import { parseTimestamp } from '../integrity/timestamp.js';
import type { Instant, ReportRun } from './report.js';

/** Which events a report goes through. */
export interface Scan {
  /** has an index that begins with it and goes on with event time */
  by: { column: 'event_type' | 'user_id'; value: string };
  /** what of those is handed out; the rest never leaves the database */
  keep?: { entityType: string; actions: readonly string[] };
}

/** Rows that one statement looks at, so that it stays short also where it finds nothing to keep. */
const SCAN_ROWS = 2_000;

type ScannedRow = StoredRow & { place: string };

/** A part of a scan: its rows in order, and whether there may be more after the last of them. */
interface Part {
  rows: StoredRow[];
  isUnfinished: boolean;
}

/** The events of a run's period in the order of (timestamp, nanos, sequence), a page at a time. No page is empty. */
export async function* eventsInPeriod(run: ReportRun, scan: Scan): AsyncGenerator<StoredRow[]> {
  let after: StoredRow | undefined;
  for (;;) {
    const { archivedTo, ...online } = await readOnline(run, scan, after);
    const parts: Part[] = [online, await readArchived(run, scan, after, archivedTo)];
    // what a part has after its last row is not known, and so nothing of the other after that is its turn yet
    const ends = parts.flatMap(({ rows, isUnfinished }) => (isUnfinished ? rows.slice(-1) : []));
    const rows = parts
      .flatMap((part) => part.rows)
      .filter((row) => ends.every((end) => compareInTime(row, end) <= 0))
      .sort(compareInTime);
    const kept = rows.filter((row) => isKept(row, scan));
    if (kept.length > 0) yield kept;
    after = rows.at(-1);
    if (ends.length === 0) return;
  }
}

async function readOnline(
  run: ReportRun,
  scan: Scan,
  after: StoredRow | undefined,
): Promise<Part & { archivedTo: bigint }> {
  return run.read(async (client, { archivedTo }) => {
    const statement = scanStatement(run, scan, after, archivedTo);
    const { rows, cut } = await queryBounded<ScannedRow>(client, statement, SCAN_ROWS, STREAM_PAGE_BYTES);
    return { rows, isUnfinished: cut || rows.at(-1)?.place === String(SCAN_ROWS), archivedTo };
  });
}

async function readArchived(
  { ledger, asOf, period, archive }: ReportRun,
  { by, keep }: Scan,
  after: StoredRow | undefined,
  archivedTo: bigint,
): Promise<Part> {
  const upTo = archivedTo < asOf ? archivedTo : asOf;
  if (upTo === 0n) return { rows: [], isUnfinished: false };
  const instant = ({ time, nanos }: Instant) => ({ micros: parseTimestamp(time).micros, nanos });
  const { rows, cut } = await archive.search({
    ledger,
    query: {
      equal: [[by.column, by.value], ...(keep ? [['entity_type', keep.entityType] as ['entity_type', string]] : [])],
      metadata: [],
      from: instant(period.from),
      to: instant(period.to),
      recordedFrom: undefined,
      recordedTo: undefined,
      fromSequence: 1n,
      toSequence: upTo,
      sort: 'timestamp',
      order: 'asc',
    },
    upTo,
    after: after && {
      sequence: BigInt(after.sequence),
      timestamp: { micros: microsOf(after.timestamp), nanos: after.timestamp_nanos },
    },
    maxRows: SCAN_ROWS,
    maxBytes: STREAM_PAGE_BYTES,
  });
  return { rows, isUnfinished: cut || rows.length === SCAN_ROWS };
}

function compareInTime(a: StoredRow, b: StoredRow): number {
  const byTime = microsOf(a.timestamp) - microsOf(b.timestamp) || a.timestamp_nanos - b.timestamp_nanos;
  return byTime || Number(BigInt(a.sequence) - BigInt(b.sequence));
}

function isKept(row: StoredRow, { keep }: Scan): boolean {
  return !keep || (row.entity_type === keep.entityType && keep.actions.includes(row.action));
}

/** What is kept of the next SCAN_ROWS events, and the last of them in any case: from there it goes on. */
function scanStatement(
  run: ReportRun,
  { by, keep }: Scan,
  after: StoredRow | undefined,
  archivedTo: bigint,
): Statement {
  const { ledger, asOf, period } = run;
  const values: unknown[] = [];
  const $ = (value: unknown): string => `$${values.push(value)}`;
  const conditions = [
    `ledger = ${$(ledger)}`,
    `${by.column} = ${$(by.value)}`,
    `sequence BETWEEN ${$(String(archivedTo + 1n))} AND ${$(String(asOf))}`,
    `("timestamp", timestamp_nanos) < (${$(period.to.time)}::timestamptz, ${$(period.to.nanos)}::smallint)`,
    after
      ? `("timestamp", timestamp_nanos, sequence) >
           (${$(after.timestamp)}::timestamptz, ${$(after.timestamp_nanos)}::smallint, ${$(after.sequence)}::bigint)`
      : `("timestamp", timestamp_nanos) >= (${$(period.from.time)}::timestamptz, ${$(period.from.nanos)}::smallint)`,
  ];
  const limit = $(SCAN_ROWS);
  const kept = keep
    ? `WHERE place = ${limit} OR (entity_type = ${$(keep.entityType)} AND action = ANY (${$(keep.actions)}::text[]))`
    : '';
  return {
    text: `SELECT * FROM (
             SELECT row_number() OVER (ORDER BY "timestamp", timestamp_nanos, sequence) AS place, ${STORED_COLUMNS}
               FROM (
                 SELECT * FROM audit_events
                   WHERE ${conditions.join('\n                     AND ')}
                   ORDER BY "timestamp", timestamp_nanos, sequence LIMIT ${limit}
               ) AS scanned
           ) AS numbered ${kept}
           ORDER BY "timestamp", timestamp_nanos, sequence`,
    values,
  };
}
