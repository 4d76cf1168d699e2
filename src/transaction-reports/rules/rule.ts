import { REPORT_FIELDS, valuesOf } from '../fields.js';
import type { FieldValue } from '../report-field.js';
import type { Cancellation, NewReport, TransactionReport } from '../transaction-report.js';

/** The first day of MiFID II, and of the first transactions that were reported by Delegated Regulation (EU) 2017/590. */
export const FIRST_DAY = '2018-01-03';

/** What reference data say of a venue. */
export interface VenueFacts {
  /** a trading venue of the EEA, a systematic internaliser, or an organised platform outside of the EEA */
  kind: 'trading-venue' | 'systematic-internaliser' | 'outside-eea';
}

/** What reference data say of an instrument. */
export interface InstrumentFacts {
  /** CFI */
  classification?: string | undefined;
}

/** What the rules may know beside the report. What is absent is not judged. */
export interface RuleContext {
  /** on which it is judged, in UTC; a cancellation is held against the rules of this day */
  today: string;
  /** a market identifier code on a day; null: it was not valid then; undefined: its kind is not known */
  venueOn?: (mic: string, day: string) => VenueFacts | null | undefined;
  /**
   * an instrument on a day, of the list of the authorities; null: it is not there; 'pending': not there yet, and may still
   * come; undefined: not known
   */
  instrumentOn?: (isin: string, day: string) => InstrumentFacts | null | 'pending' | undefined;
  /** whether the clock that timed the execution may be as coarse as a second, by the activity that it was for */
  isClockBySeconds?: boolean;
  /** whether a report was sent under a number and was neither cancelled nor rejected since */
  isLive?: (executingEntity: string, transactionReference: string) => boolean;
}

/** A report, the day that counts for it, and what is known beside it. */
export interface Judged<Report extends TransactionReport = NewReport> {
  report: Report;
  /** of trading, in UTC; where that cannot be read, the day on which it is judged */
  day: string;
  context: RuleContext;
}

/** What breaks a rule. */
export interface Offence {
  /** the element concerned, below `Tx`; absent where it is the report as a whole, or something is missing */
  path?: string | undefined;
  /** as it stands there */
  value?: string | undefined;
}

interface RuleData {
  /** `CON-` and digits where the authorities have the rule by this id; `TR-` of ours, with the field's number */
  id: string;
  /** the first is the one to mend */
  fields: readonly [number, ...number[]];
  /** a sentence that says what must be */
  text: string;
  /** error: the report is held back; hint: it may be right, and somebody should look */
  severity: 'error' | 'hint';
  /** the first day for which it holds */
  from: string;
  /** the first day for which it does not hold any more */
  to?: string;
}

/** A rule on new reports, or on cancellations. */
export type Rule =
  | (RuleData & { of: 'new'; check: (judged: Judged) => readonly Offence[] })
  | (RuleData & { of: 'cancellation'; check: (judged: Judged<Cancellation>) => readonly Offence[] });

type More = Partial<Pick<RuleData, 'severity' | 'from' | 'to'>>;

const COMMON = { severity: 'error', from: FIRST_DAY } as const;

/** A rule on a report as a whole: broken where `isBroken`. The value told is that of the first field. */
export function rule(
  id: string,
  fields: readonly [number, ...number[]],
  text: string,
  isBroken: (judged: Judged) => boolean,
  more: More = {},
): Rule {
  const check = (judged: Judged): readonly Offence[] => (isBroken(judged) ? [toldBy(fields[0], judged.report)] : []);
  return { ...COMMON, ...more, of: 'new', id, fields, text, check };
}

/** A rule on each value that a field has. */
export function valueRule(
  id: string,
  field: number,
  text: string,
  isRight: (text: string, path: string, judged: Judged) => boolean,
  more: More & { others?: readonly number[] } = {},
): Rule {
  const { others = [], ...rest } = more;
  const check = (judged: Judged): readonly Offence[] =>
    present(field, judged.report)
      .filter((value) => !isRight(value.text, value.path, judged))
      .map(({ path, text: value }) => ({ path, value }));
  return { ...COMMON, ...rest, of: 'new', id, fields: [field, ...others], text, check };
}

/** A field that must have a value, always or under a condition. */
export function requiredRule(
  id: string,
  fields: readonly [number, ...number[]],
  text: string,
  isRequired: (judged: Judged) => boolean = () => true,
  more: More = {},
): Rule {
  return rule(id, fields, text, (judged) => !has(fields[0], judged.report) && isRequired(judged), more);
}

/** A field that must have no value under a condition. */
export function forbiddenRule(
  id: string,
  fields: readonly [number, ...number[]],
  text: string,
  isForbidden: (judged: Judged) => boolean,
  more: More = {},
): Rule {
  return rule(id, fields, text, (judged) => has(fields[0], judged.report) && isForbidden(judged), more);
}

/** A rule that itself finds the elements that break it. */
export function elementRule(
  id: string,
  fields: readonly [number, ...number[]],
  text: string,
  check: (judged: Judged) => readonly Offence[],
  more: More = {},
): Rule {
  return { ...COMMON, ...more, of: 'new', id, fields, text, check };
}

/** A rule on cancellations. */
export function cancellationRule(
  id: string,
  field: number,
  text: string,
  isRight: (text: string | undefined, judged: Judged<Cancellation>) => boolean,
): Rule {
  const check = (judged: Judged<Cancellation>): readonly Offence[] => {
    const [value] = valuesOf(REPORT_FIELDS[field - 1]!, judged.report);
    return isRight(value?.text, judged) ? [] : [{ path: value?.path, value: value?.text }];
  };
  return { ...COMMON, of: 'cancellation', id, fields: [field], text, check };
}

/** The values that a field has. */
export function present(field: number, report: NewReport): (FieldValue & { text: string })[] {
  return valuesOf(REPORT_FIELDS[field - 1]!, report).filter(
    (value): value is FieldValue & { text: string } => value.text !== undefined,
  );
}

export function has(field: number, report: NewReport): boolean {
  return present(field, report).length > 0;
}

function toldBy(field: number, report: NewReport): Offence {
  const [value] = present(field, report);
  return { path: value?.path, value: value?.text };
}
