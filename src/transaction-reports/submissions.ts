import type { BrokenRule } from './feedback.js';

/** What is known of one record of a file that was sent. Only the last two are final. */
export type SubmissionState = 'sent' | 'pending' | 'accepted' | 'rejected';

/** A record of a file that was sent: a new report or a cancellation. */
export interface Submission {
  /** of the file */
  messageId: string;
  status: 'NEWT' | 'CANC';
  /** SHA-256 of the record as it was written, hex */
  digest: string;
  state: SubmissionState;
  /** why it is pending or rejected */
  rules: readonly BrokenRule[];
  /** where that is so: after its final state the authority said the other one, and nothing since */
  isContradicted?: boolean;
}

/** All that was sent under one transaction reference of one executing entity, in the order of sending. */
export type Submissions = readonly Submission[];

/**
 * Where a report stands. `cancelling`: a cancellation was sent, and is not answered yet. `rejected` and `cancelled`: the
 * authority has no report under this reference, so that it counts as not reported.
 */
export type ReportState = 'unsent' | SubmissionState | 'cancelling' | 'cancelled';

/** What would put two live reports under one reference, or cancel one that is not there. */
export class SubmissionError extends Error {
  override readonly name = 'SubmissionError';

  constructor(
    /** of the authority's validation rules, as ESMA numbers them */
    readonly rule: 'CON-023' | 'CON-024',
    message: string,
  ) {
    super(message);
  }
}

/** A rejected cancellation leaves the report as it was. */
export function stateOf(submissions: Submissions): ReportState {
  const last = submissions.at(-1);
  if (!last) return 'unsent';
  if (last.status === 'NEWT') return last.state;
  if (last.state === 'rejected') return stateOf(submissions.slice(0, -1));
  return last.state === 'accepted' ? 'cancelled' : 'cancelling';
}

/** Whether the authority has a report under this reference, or may have. */
export function isLive(submissions: Submissions): boolean {
  return ['sent', 'pending', 'accepted', 'cancelling'].includes(stateOf(submissions));
}

/** Whether the authority said both that it has one of these and that it has not, and nothing since. */
export function isContradicted(submissions: Submissions): boolean {
  return submissions.some((each) => each.isContradicted === true);
}

/** With one more that was sent. Throws SubmissionError where that may not be. */
export function withSent(
  submissions: Submissions,
  sent: Pick<Submission, 'messageId' | 'status' | 'digest'>,
): Submissions {
  const state = stateOf(submissions);
  if (sent.status === 'NEWT' && isLive(submissions)) {
    throw new SubmissionError('CON-023', `the reference is in use: its report is ${state}`);
  }
  if (sent.status === 'CANC' && !['sent', 'pending', 'accepted'].includes(state)) {
    throw new SubmissionError('CON-024', `there is nothing to cancel: the report is ${state}`);
  }
  return [...submissions, { ...sent, state: 'sent', rules: [] }];
}

/** What an answer of the authority did. */
export interface Advised {
  submissions: Submissions;
  /**
   * `none`: it says what was known, or what was true before. `contradicts`: a final state is to be another: nothing is
   * changed, and the next answer of another file decides. `unknown`: no such file has this reference.
   */
  change: 'changed' | 'none' | 'contradicts' | 'unknown';
}

/** As the authority answers on the record of a file: answers may come twice and in any order. */
export function withAdvice(
  submissions: Submissions,
  messageId: string,
  advised: Pick<Submission, 'state' | 'rules'>,
): Advised {
  // a file holds a reference once
  const index = submissions.findIndex((each) => each.messageId === messageId);
  const current = submissions[index];
  if (!current) return { submissions, change: 'unknown' };
  const { state, rules } = advised;
  const saysFinally = state === 'accepted' || state === 'rejected';
  const isFinal = current.state === 'accepted' || current.state === 'rejected';
  if (isFinal && saysFinally && state !== current.state && !current.isContradicted) {
    return { submissions: submissions.with(index, { ...current, isContradicted: true }), change: 'contradicts' };
  }
  const isNews = isFinal ? saysFinally && current.isContradicted === true : !saysTheSame(current, advised);
  if (!isNews || state === 'sent') return { submissions, change: 'none' };
  const { isContradicted: _, ...known } = current;
  return { submissions: submissions.with(index, { ...known, state, rules }), change: 'changed' };
}

function saysTheSame(a: Pick<Submission, 'state' | 'rules'>, b: Pick<Submission, 'state' | 'rules'>): boolean {
  return JSON.stringify([a.state, a.rules]) === JSON.stringify([b.state, b.rules]);
}
