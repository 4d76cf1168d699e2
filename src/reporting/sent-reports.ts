import type pg from 'pg';
import type { ArchivedEvents } from '../archive/archived-events.js';
import { readPage } from '../events/read-transaction.js';
import type { Piece, ReadTotals } from '../long-reads/long-read.js';
import { formatOf } from '../reports/report-formats.js';
import { piecesOfRun } from '../reports/report-pieces.js';
import type { Report, ReportRun, Row } from '../reports/report.js';
import { fieldSetOn, fieldsOfAll, nameOf } from '../transaction-reports/field-sets.js';
import { RecordFields } from '../transaction-reports/record-fields.js';
import { takeReportRecords } from '../transaction-reports/report-records.js';
import { RTS22 } from '../transaction-reports/rules/rts22-rules.js';
import { bareDocument } from '../transaction-reports/transaction-report-file.js';
import * as sql from './reporting-book.sql.js';
import { SentFiles } from './sent-files.js';
import type { SentReportsRead } from './sent-reports-read.js';

/** Records that are looked up at once. */
const AT_ONCE = 500;

/** Asked of a submission, by no period of its own; its rows are read from the files that were sent. */
const SENT_REPORTS: Omit<Report, 'rows'> = {
  name: 'transaction-reports-as-sent',
  version: 1,
  tables: [{ name: `${RTS22.regime}-transaction-reports`, version: String(RTS22.version) }],
  title: 'Transaction reports as they were sent',
  question: 'What did a submission report, field by field?',
  parameters: [],
  columns: [
    { name: 'message_id', description: 'of the file that the report is in' },
    { name: 'event_id', description: 'of the execution or allocation as first recorded' },
    ...fieldsOfAll().map((field) => ({
      name: nameOf(field),
      description: `${field.title} (${RTS22.source}, field ${field.number}); of several | between them`,
    })),
  ],
};

/**
 * The reports of a submission in pieces, by transaction reference: each is read from its file, and is the one that was sent by
 * its digest. Throws event-deleted once the retention of a file is over, archive-unavailable, and what piecesOfRun throws.
 */
export async function* piecesOfSentReports(
  pool: pg.Pool,
  archive: ArchivedEvents,
  timeoutMs: number,
  plan: SentReportsRead,
  gone: AbortSignal,
): AsyncGenerator<Piece, ReadTotals> {
  const { ledger, asOf, period, deleted, parameters } = plan;
  const run: ReportRun = {
    ...{ ledger, asOf, period, deleted, parameters, archive },
    read: (work, other = ledger) => readPage(pool, timeoutMs, other, work, gone),
  };
  const files = new SentFiles((name, work) => readPage(pool, timeoutMs, name, work, gone), archive, pool);
  const report = { ...SENT_REPORTS, rows: () => rowsOf(pool, files, plan, gone) };
  return yield* piecesOfRun(pool, report, formatOf(plan.format), run);
}

async function* rowsOf(
  pool: pg.Pool,
  files: SentFiles,
  { maker, executingEntity, sentOn }: SentReportsRead,
  gone: AbortSignal,
): AsyncGenerator<Row> {
  if (maker === undefined) return;
  const { fields } = fieldSetOn(sentOn);
  for (let after = ''; ;) {
    gone.throwIfAborted();
    const page = await sql.writtenAfter(pool, { maker, executingEntity, after }, AT_ONCE);
    for (const written of page) {
      const xml = await files.record({ ...written, maker }, written.place);
      const { messageId: message_id, eventId: event_id } = written;
      const values: Record<string, string | null> = { message_id, event_id };
      takeReportRecords(bareDocument(xml), (record) => {
        const there = new RecordFields(record);
        for (const field of fields) values[nameOf(field)] = there.textOf(field) ?? null;
      });
      yield values;
    }
    if (page.length < AT_ONCE) return;
    after = page.at(-1)!.transactionReference;
  }
}
