import { REPORT_FIELDS } from './fields.js';
import type { ReportField } from './report-field.js';
import { transactionXml } from './transaction-report-xml.js';
import type { TransactionReport } from './transaction-report.js';

/** The fields of a report, how a record of a file has them, and the days on which files are sent so. */
export interface FieldSet {
  version: string;
  /** the first day of sending */
  from: string;
  /** the first day for which it does not hold any more */
  to?: string;
  fields: readonly ReportField[];
  /** The element `Tx` of a report. Throws UnwritableReportError. */
  xml: (report: TransactionReport) => string;
}

/** By their days, without a gap. */
export const FIELD_SETS: readonly FieldSet[] = [
  { version: '2017/590', from: '2018-01-03', fields: REPORT_FIELDS, xml: transactionXml },
];

/** The set for what is sent on a day; the first one for a day before it. */
export function fieldSetOn(day: string, sets: readonly FieldSet[] = FIELD_SETS): FieldSet {
  return sets.findLast(({ from }) => from <= day) ?? sets[0]!;
}

/** The fields of all sets, each once: of those with one number and name the first. */
export function fieldsOfAll(sets: readonly FieldSet[] = FIELD_SETS): ReportField[] {
  const all = new Map<string, ReportField>();
  for (const field of sets.flatMap(({ fields }) => fields)) {
    const name = nameOf(field);
    if (!all.has(name)) all.set(name, field);
  }
  return [...all.values()].sort((a, b) => a.number - b.number);
}

/** Its column in reports. */
export function nameOf({ number, name }: ReportField): string {
  return `f${number}_${name}`;
}
