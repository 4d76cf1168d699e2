import type { Cancellation, NewReport, TransactionReport } from '../transaction-report.js';
import { DECISION_RULES } from './decision-rules.js';
import { isTime } from './formats.js';
import { IDENTIFICATION_RULES } from './identification-rules.js';
import { INDICATOR_RULES } from './indicator-rules.js';
import { INSTRUMENT_RULES } from './instrument-rules.js';
import { PARTY_RULES } from './party-rules.js';
import { FIRST_DAY, type Judged, type Offence, type Rule, type RuleContext } from './rule.js';
import { TRANSACTION_RULES } from './transaction-rules.js';

/** The rules of a regime. */
export interface RuleTable {
  regime: string;
  /** changed with every change of what is found */
  version: number;
  title: string;
  /** the regulation, and where its fields stand */
  source: string;
  rules: readonly Rule[];
}

export const RTS22: RuleTable = {
  regime: 'rts22',
  version: 3,
  title: 'Transaction reports (RTS 22)',
  source: 'Delegated Regulation (EU) 2017/590, Annex I, Table 2',
  rules: [
    ...IDENTIFICATION_RULES,
    ...PARTY_RULES,
    ...TRANSACTION_RULES,
    ...INSTRUMENT_RULES,
    ...DECISION_RULES,
    ...INDICATOR_RULES,
  ].sort((a, b) => a.fields[0] - b.fields[0] || (a.id < b.id ? -1 : 1)),
};

/** What is wrong, or may be wrong, with a report. */
export interface Finding extends Offence {
  rule: string;
  severity: 'error' | 'hint';
  /** the first is the one to mend */
  fields: readonly number[];
  /** what must be */
  text: string;
}

/** What the rules in force on the day of trading find; of a cancellation, those in force on the day it is judged on. */
export function findingsOf(report: TransactionReport, context: RuleContext, table: RuleTable = RTS22): Finding[] {
  const day = dayOf(report, context);
  return table.rules
    .filter(({ from, to }) => from <= day && (to === undefined || day < to))
    .flatMap((rule) =>
      offencesOf(rule, report, day, context).map((offence) => ({
        rule: rule.id,
        severity: rule.severity,
        fields: rule.fields,
        text: rule.text,
        ...offence,
      })),
    );
}

/** That a report may be sent: nothing but hints is found. */
export function isSendable(findings: readonly Finding[]): boolean {
  return findings.every(({ severity }) => severity === 'hint');
}

function offencesOf(rule: Rule, report: TransactionReport, day: string, context: RuleContext): readonly Offence[] {
  if (report.status === 'CANC') {
    return rule.of === 'cancellation' ? rule.check({ report, day, context } satisfies Judged<Cancellation>) : [];
  }
  return rule.of === 'new' ? rule.check({ report, day, context } satisfies Judged<NewReport>) : [];
}

/** A time before the rules began is judged by them all the same, and found. */
function dayOf(report: TransactionReport, { today }: RuleContext): string {
  const time = report.status === 'CANC' ? undefined : report.tradingTime;
  if (time === undefined || !isTime(time)) return today;
  const day = time.slice(0, 10);
  return day < FIRST_DAY ? FIRST_DAY : day;
}
