import type pg from 'pg';
import type { ArchivedEvents } from '../archive/archived-events.js';
import { readDeletedSpans, spansWithin, type DeletedRange } from '../archive/deleted-ranges.js';
import { readPage } from '../events/read-transaction.js';
import type { Period, ReportRun } from './report.js';
import { REPORT_FORMATS } from './report-formats.js';
import { REPORTS } from './reports.js';

/** An answer is made in pieces of about this many characters. */
const PIECE_CHARACTERS = 65_536;

/** A run of a report as data; `report` and `format` are names that are known. */
export interface ReportRead extends Omit<ReportRun, 'read' | 'archive'> {
  report: string;
  format: string;
}

/**
 * The answer of a run in pieces, at least one. Throws read-timeout, DamagedRowError, the database's errors, and the reason of `gone`
 * once that is aborted.
 */
export async function* piecesOfReport(
  pool: pg.Pool,
  archive: ArchivedEvents,
  timeoutMs: number,
  { report: reportName, format: formatName, ledger, asOf, period, deleted, parameters }: ReportRead,
  gone: AbortSignal,
): AsyncGenerator<{ text: string; asOf: string }> {
  const report = REPORTS.find(({ name }) => name === reportName)!;
  const format = REPORT_FORMATS.find(({ name }) => name === formatName)!;
  const run: ReportRun = {
    ledger,
    asOf,
    period,
    deleted,
    parameters,
    archive,
    read: (work) => readPage(pool, timeoutMs, ledger, work, gone),
  };
  let text = format.head(report, run);
  let rows = 0;
  for await (const row of report.rows(run)) {
    text += format.row(report, row, rows);
    rows += 1;
    if (text.length < PIECE_CHARACTERS) continue;
    yield { text, asOf: String(asOf) };
    text = '';
  }
  // what was deleted while it ran is not in it, and is not told of: half of it would look whole
  if ((await deletedInPeriod(pool, ledger, period, asOf)).length !== deleted.length) {
    throw new Error('a month that the report is about was deleted while it ran');
  }
  yield { text: text + format.tail(run, rows), asOf: String(asOf) };
}

/** What was deleted, up to a sequence, of events of a period. */
export async function deletedInPeriod(
  pool: pg.Pool,
  ledger: string,
  { from, to }: Period,
  asOf: bigint,
): Promise<DeletedRange[]> {
  const spans = await readDeletedSpans(pool, ledger);
  // to the millisecond: rather one too many is told of than one too few; the end of the last day is past what events may have
  const micros = (time: string, ms: number): { micros: number } => ({ micros: (Date.parse(time) + ms) * 1000 });
  return spansWithin(spans, 1n, asOf, { from: micros(from.time, 0), to: micros(to.time, 1) });
}
