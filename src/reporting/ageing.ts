import { isReady, isToBeMended } from '../transaction-reports/draft.js';
import type { ReportingCalendar } from '../transaction-reports/reporting-calendar.js';
import { isContradicted, stateOf, type Submissions } from '../transaction-reports/submissions.js';
import { ageingOf, type Reported } from '../transaction-reports/timeliness.js';
import type { OfReference } from './draft-groups.js';
import type { SentRecord } from './reporting-book.sql.js';

/**
 * How a transaction reference stands, what is most pressing first: the timeliness of what must be reported, and
 * - `contradicted`: the authority said both that it has a report and that it has not
 * - `over-reported`: nothing is to be reported of it any more, and the authority has it, or may have it
 * - `cancelled`: nothing is to be reported of it any more, and the authority took it back
 * - `other-entity`: it was reported for another executing entity, and no event says who executed it
 * - `other-ledger`: an event of the same id was reported of another ledger before
 */
export const STANDINGS = [
  ...(['contradicted', 'overdue', 'over-reported', 'unanswered', 'due', 'awaiting'] as const),
  ...(['late', 'in-time', 'cancelled'] as const),
  ...(['other-entity', 'other-ledger'] as const),
];
export type Standing = (typeof STANDINGS)[number];

/** Of an execution of somebody who is no investment firm of the reference data: no firm here reports it. */
export const NO_FIRM = 'no-firm';
/** The same with what is no report of anybody. */
export const LISTED_STANDINGS = [...STANDINGS.slice(0, 4), NO_FIRM, ...STANDINGS.slice(4)] as const;

/** The states of a report, what needs somebody first; `unsent` is told apart by whether it could be sent. */
export const AGEING_STATES = [
  ...(['held', 'rejected', 'drafted', 'cancelled', 'cancelling', 'pending', 'sent', 'accepted'] as const),
];
export type AgeingState = (typeof AGEING_STATES)[number];

/** Its number among the 65. */
const TRADING_TIME = 28;

export interface Aged {
  standing: Standing;
  state: AgeingState;
  /** the first instant at which it is late, canonical; null where nothing is to be reported (any more) */
  deadline: string | null;
  workingDaysLate: number | null;
  /** field 28, or the time of the event where it is not there; null of what is not derived any more */
  tradingTime: string | null;
  /** when the last new report was sent */
  sentAt: string | null;
  /** what the next submission would do: `send`, or why not, as it is said of a submission */
  next: string;
  /** ids of the authority's rules by which it was last rejected, or is pending */
  rules: readonly string[];
}

/**
 * How a reference stands at a time, by the days of the authority that count for what was executed at a time. Undefined
 * where nothing is to be reported of it, and the authority never had it. Throws TimestampError.
 */
export function agedOf(
  { decision, sent }: Pick<OfReference, 'decision' | 'sent'>,
  at: string,
  calendarAt: (time: string) => ReportingCalendar,
): Aged | undefined {
  const state = stateOf(sent);
  const lastNew = sent.findLast(({ status }) => status === 'NEWT');
  const told = sent.findLast((each) => each.state === 'rejected' || each.state === 'pending');
  const common = { sentAt: lastNew?.sentAt ?? null, rules: told?.rules.map(({ id }) => id) ?? [] };
  const next = decision.is === 'send' ? 'send' : decision.why;
  const { draft } = decision;
  const report = draft?.report;
  if (isContradicted(sent) && state !== 'unsent') {
    const tradingTime = (report?.status === 'NEWT' ? report.tradingTime : undefined) ?? lastNew?.tradingTime ?? null;
    return { ...common, standing: 'contradicted', state, next, tradingTime, deadline: null, workingDaysLate: null };
  }
  if (!draft || report?.status !== 'NEWT') {
    if (state === 'unsent' || state === 'rejected') return undefined;
    const standing = state === 'cancelled' ? 'cancelled' : 'over-reported';
    const tradingTime = lastNew?.tradingTime ?? null;
    return { ...common, standing, state, next, tradingTime, deadline: null, workingDaysLate: null };
  }
  const { time } = draft;
  const tradingTime = report.tradingTime ?? time;
  const shown = state === 'unsent' ? (isReady(draft) ? 'drafted' : 'held') : state;
  if (next === 'other-entity' || next === 'other-ledger') {
    return { ...common, standing: next, state: shown, next, tradingTime, deadline: null, workingDaysLate: null };
  }
  // a year mistyped must not put off the deadline
  const dueBy = isToBeMended(draft, TRADING_TIME) ? time : tradingTime;
  const reported = { tradingTime: dueBy, state: stateBeforeCancelling(sent), sentAt: lastNew?.sentAt };
  const { timeliness, deadline, workingDaysLate } = ageingOf(reported, at, calendarAt(dueBy));
  return { ...common, standing: timeliness, state: shown, deadline, workingDaysLate, tradingTime, next };
}

/** Of a report: a cancellation on its way changes nothing yet. */
export function stateBeforeCancelling(sent: readonly SentRecord[]): Reported['state'] {
  let submissions: Submissions = sent;
  for (;;) {
    const state = stateOf(submissions);
    if (state !== 'cancelling') return state;
    submissions = submissions.slice(0, -1);
  }
}
