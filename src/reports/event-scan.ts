import type { Instant as ArchivedInstant } from '../archive/archived-events.js';
import { queryBounded, type Statement } from '../database/bounded-query.js';
import { STREAM_PAGE_BYTES } from '../events/event-search.js';
import { readInIndexOrder } from '../events/read-transaction.js';
import { STORED_COLUMNS } from '../events/stored-events.js';
import { microsOf, type StoredRow } from '../integrity/stored-event.js';
import { parseTimestamp } from '../integrity/timestamp.js';
import { readAhead } from './read-ahead.js';
import type { Instant, ReportRun } from './report.js';

/** Which events a report goes through. */
export interface Scan {
  /** has an index that begins with it and goes on with event time; absent: all events, by that of event time */
  by?: { column: 'event_type' | 'user_id'; value: string };
  /** what of those is handed out, of `by` what this user did, and all corrections; the rest never leaves the database */
  keep?: { entityType: string; actions?: readonly string[]; by?: string };
}

/** Rows that one statement looks at, so that it stays short also where it finds nothing to keep. */
const SCAN_ROWS = 2_000;

/** What a scan itself looks at of a row. */
type Scanned = Pick<StoredRow, 'sequence' | 'timestamp' | 'timestamp_nanos' | 'entity_type' | 'action'> &
  Partial<Pick<StoredRow, 'user_id' | 'corrects'>>;

/** A part of a scan: its rows in order, and whether there may be more after the last of them. */
interface Part<R> {
  rows: R[];
  isUnfinished: boolean;
}

/** The events of a run's period in the order of (timestamp, nanos, sequence), a page at a time. No page is empty. */
export function eventsInPeriod(run: ReportRun, scan: Scan): AsyncGenerator<StoredRow[]> {
  return scanPeriod<StoredRow>(run, scan, STORED_COLUMNS);
}

/** The same with no more of each event than R, which `columns` selects; of archived events all is read anyway. */
export async function* scanPeriod<R extends Scanned>(run: ReportRun, scan: Scan, columns: string): AsyncGenerator<R[]> {
  const { ledger, asOf, period } = run;
  const count = run.readRanges?.scan({ ledger, of: eventsOfScan(scan), asOf, period });
  for await (const page of readAhead(pagesOf<R>(run, scan, columns))) {
    count?.add(page.map(({ sequence }) => sequence));
    yield page;
  }
}

async function* pagesOf<R extends Scanned>(run: ReportRun, scan: Scan, columns: string): AsyncGenerator<R[]> {
  let after: R | undefined;
  for (;;) {
    const { archivedTo, ...online } = await readOnline<R>(run, scan, columns, after);
    // a whole row is one of all columns
    const archived = (await readArchived(run, scan, after, archivedTo)) as Part<Scanned> as Part<R>;
    const parts: Part<R>[] = [online, archived];
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

/** Which events a scan hands out, as manifests tell. */
function eventsOfScan({ by, keep }: Scan): string {
  const parts = [
    ...(by ? [`${by.column} ${by.value}`] : []),
    ...(keep ? [`entity_type ${keep.entityType}`] : []),
    ...(keep?.actions ? [`action ${keep.actions.join(' or ')}`] : []),
    ...(keep?.by === undefined ? [] : [`user_id ${keep.by}, and corrections`]),
  ];
  return parts.length === 0 ? 'all events' : parts.join(', ');
}

async function readOnline<R extends Scanned>(
  run: ReportRun,
  scan: Scan,
  columns: string,
  after: Scanned | undefined,
): Promise<Part<R> & { archivedTo: bigint }> {
  return run.read(async (client, { archivedTo }) => {
    await readInIndexOrder(client);
    const statement = scanStatement(run, scan, columns, after, archivedTo);
    const { rows, cut } = await queryBounded<R & { place: string }>(client, statement, SCAN_ROWS, STREAM_PAGE_BYTES);
    return { rows, isUnfinished: cut || rows.at(-1)?.place === String(SCAN_ROWS), archivedTo };
  });
}

async function readArchived(
  { ledger, asOf, period, archive }: ReportRun,
  { by, keep }: Scan,
  after: Scanned | undefined,
  archivedTo: bigint,
): Promise<Part<StoredRow>> {
  const upTo = archivedTo < asOf ? archivedTo : asOf;
  if (upTo === 0n) return { rows: [], isUnfinished: false };
  const { rows, cut } = await archive.search({
    ledger,
    query: {
      equal: [
        ...(by ? [[by.column, by.value] as ['event_type' | 'user_id', string]] : []),
        ...(keep ? [['entity_type', keep.entityType] as ['entity_type', string]] : []),
      ],
      metadata: [],
      from: searchedInstant(period.from),
      to: searchedInstant(period.to),
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

/** As the archive is searched by; the end of all time is no bound. */
export function searchedInstant({ time, nanos }: Instant): ArchivedInstant | undefined {
  return time === 'infinity' ? undefined : { micros: parseTimestamp(time).micros, nanos };
}

function compareInTime(a: Scanned, b: Scanned): number {
  const byTime = microsOf(a.timestamp) - microsOf(b.timestamp) || a.timestamp_nanos - b.timestamp_nanos;
  return byTime || Number(BigInt(a.sequence) - BigInt(b.sequence));
}

function isKept(row: Scanned, { keep }: Scan): boolean {
  if (!keep) return true;
  if (row.entity_type !== keep.entityType || (keep.actions && !keep.actions.includes(row.action))) return false;
  return keep.by === undefined || row.user_id === keep.by || row.corrects !== null;
}

/** What is kept of the next SCAN_ROWS events, and the last of them in any case: from there it goes on. */
function scanStatement(
  run: ReportRun,
  { by, keep }: Scan,
  columns: string,
  after: Scanned | undefined,
  archivedTo: bigint,
): Statement {
  const { ledger, asOf, period } = run;
  const values: unknown[] = [];
  const $ = (value: unknown): string => `$${values.push(value)}`;
  const conditions = [
    `ledger = ${$(ledger)}`,
    ...(by ? [`${by.column} = ${$(by.value)}`] : []),
    `sequence BETWEEN ${$(String(archivedTo + 1n))} AND ${$(String(asOf))}`,
    `("timestamp", timestamp_nanos) < (${$(period.to.time)}::timestamptz, ${$(period.to.nanos)}::smallint)`,
    after
      ? `("timestamp", timestamp_nanos, sequence) >
           (${$(after.timestamp)}::timestamptz, ${$(after.timestamp_nanos)}::smallint, ${$(after.sequence)}::bigint)`
      : `("timestamp", timestamp_nanos) >= (${$(period.from.time)}::timestamptz, ${$(period.from.nanos)}::smallint)`,
  ];
  const limit = $(SCAN_ROWS);
  const actions = keep?.actions ? ` AND action = ANY (${$(keep.actions)}::text[])` : '';
  const users = keep?.by === undefined ? '' : ` AND (user_id = ${$(keep.by)} OR corrects IS NOT NULL)`;
  const kept = keep ? `WHERE place = ${limit} OR (entity_type = ${$(keep.entityType)}${actions}${users})` : '';
  return {
    text: `SELECT * FROM (
             SELECT row_number() OVER (ORDER BY "timestamp", timestamp_nanos, sequence) AS place, ${columns}
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
