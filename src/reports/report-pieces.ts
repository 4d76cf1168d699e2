import type pg from 'pg';
import type { ArchivedEvents } from '../archive/archived-events.js';
import { readDeletedSpans, spansWithin, type DeletedRange } from '../archive/deleted-ranges.js';
import { readPage } from '../events/read-transaction.js';
import type { Piece } from '../long-reads/long-read.js';
import { ReadRanges, type ReadRange } from './read-ranges.js';
import type { Report, ReportRun } from './report.js';
import { formOf } from './report-forms.js';
import { formatOf, type ReportFormat } from './report-formats.js';
import { REPORTS } from './reports.js';

/** An answer is made in pieces of about this many characters, or bytes. */
const PIECE_SIZE = 65_536;

/** A run of a report as data; `report` and `format` are names that are known, `parameters` right for them. */
export interface ReportRead extends Omit<ReportRun, 'read' | 'readRanges' | 'archive'> {
  report: string;
  format: string;
}

/**
 * The answer of a run in pieces, at least one; returns how many rows it has, and what was read. Throws read-timeout, DamagedRowError, the
 * database's errors, and the reason of `gone` once that is aborted.
 */
export async function* piecesOfReport(
  pool: pg.Pool,
  archive: ArchivedEvents,
  timeoutMs: number,
  { report: reportName, format: formatName, ledger, asOf, period, deleted, parameters }: ReportRead,
  gone: AbortSignal,
): AsyncGenerator<Piece, { rows: number; readRanges: ReadRange[] }> {
  const report = formOf(
    REPORTS.find(({ name }) => name === reportName)!,
    parameters,
  )!;
  const readRanges = new ReadRanges();
  const run: ReportRun = {
    ledger,
    asOf,
    period,
    deleted,
    parameters,
    archive,
    readRanges,
    read: (work, other = ledger) => readPage(pool, timeoutMs, other, work, gone),
  };
  const { rows } = yield* piecesOfRun(pool, report, formatOf(formatName), run);
  return { rows, readRanges: readRanges.ranges() };
}

/** As piecesOfReport, of a report that need not be one of REPORTS. */
export async function* piecesOfRun(
  pool: pg.Pool,
  report: Report,
  format: ReportFormat,
  run: ReportRun,
): AsyncGenerator<Piece, { rows: number }> {
  const { ledger, asOf, deleted } = run;
  const writer = format.begin(report, run);
  const piece = new PieceInMaking(String(asOf));
  let rows = 0;
  for await (const row of report.rows(run)) {
    piece.add(writer.row(row));
    rows += 1;
    if (piece.size >= PIECE_SIZE) yield piece.take();
  }
  // what was deleted while it ran is not in it, and is not told of: half of it would look whole
  if ((await deletedUpTo(pool, ledger, asOf)).length !== deleted.length) {
    throw new Error('a month was deleted while the report ran: ask again');
  }
  piece.add(writer.end());
  yield piece.take();
  return { rows };
}

/** What is to go out next. */
class PieceInMaking {
  /** characters or bytes */
  size = 0;
  private text = '';
  private bytes: Uint8Array[] = [];

  constructor(private readonly asOf: string) {}

  /** All of an answer is text, or all of it bytes. */
  add(part: string | Uint8Array): void {
    this.size += part.length;
    if (typeof part === 'string') this.text += part;
    else this.bytes.push(part);
  }

  take(): Piece {
    const { asOf } = this;
    const piece: Piece =
      this.bytes.length === 0 ? { text: this.text, asOf } : { bytes: new Uint8Array(Buffer.concat(this.bytes)), asOf };
    this.size = 0;
    this.text = '';
    this.bytes = [];
    return piece;
  }
}

/**
 * What was deleted of a ledger, up to a sequence. Of any time: a row may follow from what an order's events said long
 * before the period, or from a correction long after it.
 */
export async function deletedUpTo(pool: pg.Pool, ledger: string, asOf: bigint): Promise<DeletedRange[]> {
  return spansWithin(await readDeletedSpans(pool, ledger), 1n, asOf);
}
