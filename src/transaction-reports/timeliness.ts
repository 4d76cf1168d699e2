import { parseTimestamp } from '../integrity/timestamp.js';
import type { ReportingCalendar } from './reporting-calendar.js';
import type { ReportState } from './submissions.js';

const PENDING_DAYS = 7n;
const DAY_MICROS = 86_400_000_000n;

/**
 * - `in-time`: the authority accepted it, and it was sent before its deadline
 * - `late`: it accepted it, sent after its deadline
 * - `awaiting`: it was sent before the deadline and is not answered finally
 * - `unanswered`: the same, and an answer should have come: by the end of the working day after the one on which it was
 *   sent; a final one of what is pending within seven days
 * - `due`: the authority has none, and the deadline is yet to come
 * - `overdue`: it has none that was sent in time, and accepted none: what was sent and is not answered, too
 */
export type Timeliness = 'in-time' | 'late' | 'awaiting' | 'unanswered' | 'due' | 'overdue';

export interface Ageing {
  timeliness: Timeliness;
  /** the first instant at which it is late, canonical */
  deadline: string;
  /** working days after the day on which it was due: until it was sent, where it was accepted, else until now */
  workingDaysLate: number;
}

/** A report of a transaction that must be reported, and when the last new report of it was sent, if any was. */
export interface Reported {
  tradingTime: string;
  /** before a cancellation that is on its way */
  state: Exclude<ReportState, 'cancelling'>;
  sentAt?: string | undefined;
}

/**
 * How a report stands against its deadline (MiFIR, Article 26(1)). One that was rejected or cancelled was not reported,
 * however early it was sent: Delegated Regulation (EU) 2017/590, Article 15(1)(h). `now` is a time of the same clock.
 *
 * Throws TimestampError.
 */
export function ageingOf({ tradingTime, state, sentAt }: Reported, now: string, calendar: ReportingCalendar): Ageing {
  const deadline = calendar.deadlineOf(tradingTime);
  const isSentInTime = sentAt !== undefined && isBefore(sentAt, deadline);
  const isOpen = state === 'sent' || state === 'pending';
  if (state === 'accepted' && sentAt !== undefined) {
    const workingDaysLate = calendar.workingDaysLate(tradingTime, sentAt);
    return { timeliness: isSentInTime ? 'in-time' : 'late', deadline, workingDaysLate };
  }
  if (isOpen && isSentInTime) {
    const isAwaited = state === 'sent' ? isBefore(now, calendar.deadlineOf(sentAt)) : isWithinDays(sentAt, now);
    return { timeliness: isAwaited ? 'awaiting' : 'unanswered', deadline, workingDaysLate: 0 };
  }
  const timeliness = isBefore(now, deadline) ? 'due' : 'overdue';
  return { timeliness, deadline, workingDaysLate: calendar.workingDaysLate(tradingTime, now) };
}

/** Within the days in which an authority judges what is pending anew. */
function isWithinDays(sentAt: string, now: string): boolean {
  return parseTimestamp(now).micros - parseTimestamp(sentAt).micros < PENDING_DAYS * DAY_MICROS;
}

function isBefore(a: string, b: string): boolean {
  return parseTimestamp(a).micros < parseTimestamp(b).micros;
}
