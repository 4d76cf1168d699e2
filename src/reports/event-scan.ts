import { queryBounded, type Statement } from '../database/bounded-query.js';
import { STREAM_PAGE_BYTES } from '../events/event-search.js';
import { STORED_COLUMNS } from '../events/stored-events.js';
import type { StoredRow } from '../integrity/stored-event.js';
import type { ReportRun } from './report.js';

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

/** The events of a run's period in the order of (timestamp, nanos, sequence), a page at a time. No page is empty. */
export async function* eventsInPeriod(run: ReportRun, scan: Scan): AsyncGenerator<StoredRow[]> {
  let after: ScannedRow | undefined;
  for (;;) {
    const statement = scanStatement(run, scan, after);
    const { rows, cut } = await run.read((client) =>
      queryBounded<ScannedRow>(client, statement, SCAN_ROWS, STREAM_PAGE_BYTES),
    );
    const kept = rows.filter((row) => isKept(row, scan));
    if (kept.length > 0) yield kept;
    after = rows.at(-1);
    if (!cut && after?.place !== String(SCAN_ROWS)) return;
  }
}

function isKept(row: StoredRow, { keep }: Scan): boolean {
  return !keep || (row.entity_type === keep.entityType && keep.actions.includes(row.action));
}

/** What is kept of the next SCAN_ROWS events, and the last of them in any case: from there it goes on. */
function scanStatement(run: ReportRun, { by, keep }: Scan, after: ScannedRow | undefined): Statement {
  const { ledger, asOf, period } = run;
  const values: unknown[] = [];
  const $ = (value: unknown): string => `$${values.push(value)}`;
  const conditions = [
    `ledger = ${$(ledger)}`,
    `${by.column} = ${$(by.value)}`,
    `sequence <= ${$(String(asOf))}`,
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
