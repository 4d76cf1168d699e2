import { parseTimestamp } from '../integrity/timestamp.js';
import { compare, parseDecimal } from '../reports/decimal.js';
import { REPORT_FIELDS, valuesOf } from './fields.js';
import type { ReportField } from './report-field.js';
import type { ReportRecord } from './report-records.js';
import type { TransactionReport } from './transaction-report.js';

/** A value that is another there. Undefined where one side has none. */
export interface FieldDifference {
  /** 1 to 65 */
  field: number;
  name: string;
  path: string;
  ours: string | undefined;
  theirs: string | undefined;
}

/** One transaction reference, as the front office's records and the other side have it. */
export type Reconciled =
  | { is: 'same' | 'missing' | 'extra'; transactionReference: string }
  | { is: 'different'; transactionReference: string; differences: readonly FieldDifference[] };

/**
 * Reports made of the front office's records against records that were sent, or that the authority gives as a sample:
 * Delegated Regulation (EU) 2017/590, Article 15(3). `missing`: the other side does not have it, `extra`: nothing of ours
 * has its reference, or it is there more often. In the order of `ours`, then of `theirs`. Equal numbers and times are the
 * same however they are written.
 */
export function* reconciled(
  ours: Iterable<TransactionReport>,
  theirs: readonly ReportRecord[],
): Generator<Reconciled, void, undefined> {
  const unmet = new Map<string, ReportRecord[]>();
  for (const record of theirs) {
    const same = unmet.get(keyOf(record));
    if (same) same.push(record);
    else unmet.set(keyOf(record), [record]);
  }
  for (const report of ours) {
    const { transactionReference } = report;
    const record = unmet.get(keyOf(report))?.shift();
    if (!record) {
      yield { is: 'missing', transactionReference };
      continue;
    }
    const differences = differencesOf(report, record);
    if (differences.length === 0) yield { is: 'same', transactionReference };
    else yield { is: 'different', transactionReference, differences };
  }
  for (const { transactionReference } of [...unmet.values()].flat()) yield { is: 'extra', transactionReference };
}

/** By number of the field. */
function differencesOf(report: TransactionReport, { status, values }: ReportRecord): FieldDifference[] {
  if (report.status !== status) {
    return [{ field: 1, name: 'report_status', path: '.', ours: report.status, theirs: status }];
  }
  const met = new Set<string>();
  const differences: FieldDifference[] = [];
  for (const field of REPORT_FIELDS.slice(1)) {
    const stated = [...valuesOf(field, report)];
    for (const { path } of stated) met.add(path);
    const theirsAlone = pathsOf(field, values).filter((path) => !met.has(path));
    for (const path of theirsAlone) met.add(path);
    for (const { path, text } of [...stated, ...theirsAlone.map((path) => ({ path, text: undefined }))]) {
      const theirs = values.get(path);
      if (isSame(field, text, theirs)) continue;
      differences.push({ field: field.number, name: field.name, path, ours: text, theirs });
    }
  }
  return differences;
}

/** Paths of the record that are places of the field. */
function pathsOf({ paths }: ReportField, values: ReadonlyMap<string, string>): string[] {
  return [...values.keys()].filter((path) => paths.includes(path.replace(/^New\//, '').replace(/\[[0-9]+\]/g, '')));
}

function isSame({ format }: ReportField, ours: string | undefined, theirs: string | undefined): boolean {
  if (ours === theirs) return true;
  if (ours === undefined || theirs === undefined) return false;
  if (format.startsWith('DEC')) {
    const [a, b] = [parseDecimal(ours), parseDecimal(theirs)];
    return a !== undefined && b !== undefined && compare(a, b) === 0;
  }
  return format === 'DTM' && microsOf(ours) === microsOf(theirs);
}

/** What is no time of ours is the same as nothing else. */
function microsOf(text: string): number {
  try {
    return parseTimestamp(text).micros;
  } catch {
    return NaN;
  }
}

function keyOf({
  executingEntity,
  transactionReference,
}: Pick<TransactionReport, 'executingEntity' | 'transactionReference'>) {
  return `${executingEntity ?? ''} ${transactionReference}`;
}
