import type { Cancellation, NewReport } from './transaction-report.js';

/** A field of a report, as text, and where in the file it stands. */
export interface FieldValue {
  /** below the element `Tx`; of elements that repeat with the number, from 1: `New/Buyr/AcctOwnr[2]/CtryOfBrnch` */
  path: string;
  /** in the format of the field; undefined where this one of several has none, as the second owner without a branch */
  text: string | undefined;
}

/** A field of Annex I, Table 2. */
export interface ReportField {
  /** 1 to 65 */
  number: number;
  /** of the field in records and as a column: `buyer_id` */
  name: string;
  /** as the regulation words it, in short */
  title: string;
  /** below `Tx/New` of the file; several where the value says which element it goes into */
  paths: readonly string[];
  /** in the symbols of Annex I, Table 1 */
  format: string;
  /** its values in a new report; none where the report does not have the field */
  read: (report: NewReport) => readonly FieldValue[];
  /** the same of a cancellation, where it has the field */
  readCancellation?: (report: Cancellation) => readonly FieldValue[];
}

/** One value of an element, or none where there is no text. */
export function at(path: string, text: string | undefined, root: 'New' | 'Cxl' = 'New'): readonly FieldValue[] {
  return text === undefined ? [] : [{ path: `${root}/${path}`, text }];
}

/** Values of an element that repeats. */
export function each(path: string, texts: readonly string[]): readonly FieldValue[] {
  return texts.map((text, i) => ({ path: `New/${path}[${i + 1}]`, text }));
}

export function booleanText(value: boolean | undefined): string | undefined {
  return value === undefined ? undefined : String(value);
}

/** A time as the file has it: DTM, the microsecond that a finer one is in. */
export function reportedTime(time: string): string {
  return time.replace(/(\.[0-9]{6})[0-9]+(?=Z$)/, '$1');
}

/** A decimal without its sign, and whether it is less than zero, as elements `Amt` and `Sgn` have them. */
export function unsigned(decimal: string): { amount: string; isNegative: boolean } {
  const isNegative = decimal.startsWith('-');
  return { amount: isNegative ? decimal.slice(1) : decimal, isNegative };
}
