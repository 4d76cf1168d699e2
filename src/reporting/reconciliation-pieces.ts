import type pg from 'pg';
import type { ArchivedEvents } from '../archive/archived-events.js';
import { readPage } from '../events/read-transaction.js';
import type { Piece, ReadTotals } from '../long-reads/long-read.js';
import { piecesOfRun } from '../reports/report-pieces.js';
import { formatOf } from '../reports/report-formats.js';
import type { ReportRun } from '../reports/report.js';
import { MessageFileError } from '../transaction-reports/message-document.js';
import { RecordsToMeet } from '../transaction-reports/reconciliation.js';
import { takeReportRecords } from '../transaction-reports/report-records.js';
import type { ReconciliationRead } from './reconciliation-read.js';
import { RECONCILIATION } from './reconciliation-report.js';
import { Reconciliation } from './reconciliation-rows.js';
import { refusedFile } from './refused-file.js';
import { SentFiles } from './sent-files.js';

/**
 * The answer of a reconciliation in pieces. Throws invalid-body where the sample is no file of reports, and what
 * piecesOfRun throws.
 */
export async function* piecesOfReconciliation(
  pool: pg.Pool,
  archive: ArchivedEvents,
  timeoutMs: number,
  plan: ReconciliationRead,
  gone: AbortSignal,
): AsyncGenerator<Piece, ReadTotals> {
  const { ledger, asOf, period, deleted, parameters, executingEntity, positions } = plan;
  const { sample, messageId } = readSample(plan.sample);
  const run: ReportRun = {
    ...{ ledger, asOf, period, deleted, parameters, archive },
    read: (work, other = ledger) => readPage(pool, timeoutMs, other, work, gone),
  };
  const files = new SentFiles((name, work) => readPage(pool, timeoutMs, name, work, gone), archive, pool);
  const reconciliation = new Reconciliation(run, { executingEntity, sample, positions, files });
  const report = { ...RECONCILIATION, rows: () => reconciliation.rows() };
  const { rows } = yield* piecesOfRun(pool, report, formatOf(plan.format), run);
  return { rows, reconciliation: { counts: reconciliation.counts, records: sample?.size ?? 0, messageId } };
}

function readSample(file: Uint8Array | undefined): {
  sample: RecordsToMeet | undefined;
  messageId: string | undefined;
} {
  if (!file) return { sample: undefined, messageId: undefined };
  const sample = new RecordsToMeet();
  try {
    return { sample, messageId: takeReportRecords(file, (record) => sample.add(record)) };
  } catch (error) {
    throw error instanceof MessageFileError ? refusedFile(error, 'sample') : error;
  }
}
