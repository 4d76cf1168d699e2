import { createHash } from 'node:crypto';
import { isReady, type Draft } from './draft.js';
import { isLive, stateOf, type Submissions } from './submissions.js';
import { transactionXml } from './transaction-report-xml.js';

/**
 * What keeps a report from being sent now.
 * - `held`: something is to be mended first
 * - `as-sent`: it was sent so already
 * - `differs`: another content was sent under the same reference, because reference data were corrected since: a person
 *   decides whether it is cancelled and reported anew
 * - `cancelling`: a cancellation must be answered first
 * - `not-there`: it is to be cancelled, and the authority has none
 * - `rejected`: it was rejected, and says the same still
 * - `other-entity`: the execution was reported for another entity before, and no event says who executed it
 * - `other-ledger`: an event of the same id was reported of another ledger before
 */
export const UNSENT = [
  ...(['held', 'as-sent', 'differs', 'cancelling', 'not-there', 'rejected', 'other-entity', 'other-ledger'] as const),
];
export type Unsent = (typeof UNSENT)[number];

export type Decision = { is: 'send'; draft: Draft; digest: string } | { is: 'not-sent'; draft: Draft; why: Unsent };

/** SHA-256 of the record as it is written into a file, hex. Throws UnwritableReportError. */
export function recordDigest({ report }: Pick<Draft, 'report'>): string {
  return createHash('sha256').update(transactionXml(report)).digest('hex');
}

/**
 * What is to be done about one transaction reference: `drafts` are those of it, in their order, of which the last one says
 * what the authority must have in the end. So a report that was corrected before it was sent is never sent.
 *
 * The same drafts and submissions give the same decision, and after it was carried out there is nothing left to send.
 * `isToBeRepeated`: a rejected record is sent again though it says the same. `isReportedForOther`: the same execution is
 * another executing entity's, as long as no event says whose. `isReportedElsewhere`: an event of the same id was
 * reported of another ledger first.
 */
export function decide(
  drafts: readonly [Draft, ...Draft[]],
  submissions: Submissions,
  { isToBeRepeated = false, isReportedForOther = false, isReportedElsewhere = false } = {},
): Decision {
  const draft = drafts.at(-1)!;
  const why = isReportedElsewhere ? 'other-ledger' : draft.report.status === 'CANC' ? cancelling() : reporting();
  return why === undefined ? { is: 'send', draft, digest: recordDigest(draft) } : { is: 'not-sent', draft, why };

  function reporting(): Unsent | undefined {
    const state = stateOf(submissions);
    if (state === 'cancelling') return 'cancelling';
    if (!isLive(submissions) && isReportedForOther && !draft.isFirmStated) return 'other-entity';
    if (!isReady(draft)) return 'held';
    if (state === 'unsent' || state === 'cancelled') return undefined;
    const isSame = submissions.findLast(({ status }) => status === 'NEWT')?.digest === recordDigest(draft);
    if (state === 'rejected') return isSame && !isToBeRepeated ? 'rejected' : undefined;
    return isSame ? 'as-sent' : 'differs';
  }

  function cancelling(): Unsent | undefined {
    const state = stateOf(submissions);
    if (state === 'unsent' || state === 'rejected') return 'not-there';
    if (state === 'cancelling' || state === 'cancelled') return 'as-sent';
    // the report is as it was before a cancellation that was rejected
    if (submissions.at(-1)?.status === 'CANC' && !isToBeRepeated) return 'rejected';
    return isReady(draft) ? undefined : 'held';
  }
}
