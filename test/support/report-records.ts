import { differencesOf, RecordsToMeet, type FieldDifference } from '../../src/transaction-reports/reconciliation.js';
import { takeReportRecords, type ReportRecord } from '../../src/transaction-reports/report-records.js';
import type { TransactionReport } from '../../src/transaction-reports/transaction-report.js';

/** All records of a file. */
export function readReportRecords(file: Uint8Array): ReportRecord[] {
  const records: ReportRecord[] = [];
  takeReportRecords(file, (record) => records.push(record));
  return records;
}

/** One transaction reference, as both sides have it. */
export type Reconciled =
  | { is: 'same' | 'missing' | 'extra'; transactionReference: string }
  | { is: 'different'; transactionReference: string; differences: readonly FieldDifference[] };

/** Reports against the records of a file: in the order of `ours`, then of `theirs`. */
export function* reconciled(
  ours: Iterable<TransactionReport>,
  theirs: readonly ReportRecord[],
): Generator<Reconciled, void, undefined> {
  const records = new RecordsToMeet();
  for (const record of theirs) records.add(record);
  for (const report of ours) {
    const { transactionReference } = report;
    const record = records.take(report);
    if (!record) {
      yield { is: 'missing', transactionReference };
      continue;
    }
    const differences = differencesOf(report, record);
    if (differences.length === 0) yield { is: 'same', transactionReference };
    else yield { is: 'different', transactionReference, differences };
  }
  for (const { transactionReference } of records.rest()) yield { is: 'extra', transactionReference };
}
