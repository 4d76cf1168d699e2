import { createHash } from 'node:crypto';
import { isReady } from '../transaction-reports/draft.js';
import { recordOfReport } from '../transaction-reports/reconciliation.js';
import type { Decision, Unsent } from '../transaction-reports/submission-plan.js';
import { toldOf } from '../transaction-reports/told-of-drafts.js';
import type { TransactionReport } from '../transaction-reports/transaction-report.js';

/**
 * What a submission finds of a report that it does not send.
 * - `held`: something is to be mended first
 * - `drafted`: it could be sent, and something else is in the way
 * - `released`: it was held or drafted before, and is no more
 */
export const NOTED = ['held', 'drafted', 'released'] as const;
export type Noted = (typeof NOTED)[number];

/** A report of which nothing is derived any more. */
export const OVER = 'over';

export interface ReportNote {
  noted: Noted;
  /** the decision; of what was let go what became of it */
  why: Unsent | 'send' | typeof OVER;
  /** as it is told of decisions, of what is held */
  toMend: string | null;
  /** of the values of what is held or drafted, hex */
  valuesDigest: string | null;
}

/** By which nothing is waiting: it was sent so, or never needs to be. */
const SETTLED: readonly Unsent[] = ['as-sent', 'not-there', 'underived'];

/**
 * What is to be noted of a reference, if it is another thing than what was noted last; undefined for nothing. The same
 * gives the same.
 */
export function newsOf(decision: Decision, last: ReportNote | undefined): ReportNote | undefined {
  const note = noteOf(decision);
  const isWaiting = last !== undefined && last.noted !== 'released';
  if (note.noted === 'released') return isWaiting ? note : undefined;
  const isSame =
    last?.noted === note.noted &&
    last.why === note.why &&
    last.toMend === note.toMend &&
    last.valuesDigest === note.valuesDigest;
  return isSame ? undefined : note;
}

function noteOf(decision: Decision): ReportNote {
  const why = decision.is === 'send' ? 'send' : decision.why;
  const { draft } = decision;
  if (decision.is === 'send' || !draft)
    return { noted: 'released', why: draft ? why : OVER, toMend: null, valuesDigest: null };
  const valuesDigest = digestOfValues(draft.report);
  if (decision.why === 'held') return { noted: 'held', why, toMend: toldOf(draft).toMend, valuesDigest };
  if (SETTLED.includes(decision.why) || !isReady(draft) || draft.report.status === 'CANC') {
    return { noted: 'released', why, toMend: null, valuesDigest: null };
  }
  return { noted: 'drafted', why, toMend: null, valuesDigest };
}

/** SHA-256 of the values of a report, hex: of JSON, a list of path and text for each, in the order of the fields. */
export function digestOfValues(report: TransactionReport): string {
  return createHash('sha256')
    .update(JSON.stringify([...recordOfReport(report).values]))
    .digest('hex');
}
