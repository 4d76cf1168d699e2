import { createHash } from 'node:crypto';
import { grouped } from '../reports/grouped.js';
import { isReady, type Draft, type NotReportable } from './draft.js';
import { findingsOf } from './rules/rts22-rules.js';
import { isContradicted, isLive, stateOf, type Submission, type Submissions } from './submissions.js';
import { partsOfReference } from './transaction-reference.js';
import { FIELD_SETS, fieldSetOn, type FieldSet } from './field-sets.js';

/**
 * What keeps a report from being sent now.
 * - `held`: something is to be mended first
 * - `as-sent`: it was sent so already
 * - `differs`: another content was sent under the same reference, because reference data were corrected since: a person
 *   decides whether it is cancelled, and then reported anew
 * - `cancelling`: a cancellation must be answered first
 * - `uncancelled`: another report of the execution holds no more, and cannot be cancelled yet
 * - `not-there`: it is to be cancelled, and the authority has none
 * - `rejected`: it was rejected, and says the same still
 * - `contradicted`: the authority said both that it has this report and that it has not, or has said so of another one of the
 *   execution: its next answer decides
 * - `underived`: it was sent, and by reference data that were corrected since nothing is to be reported of it: a person decides
 * - `other-entity`: the execution was reported for another entity before, and no event says who executed it
 * - `other-ledger`: an event of the same id was reported of another ledger before
 */
export const UNSENT = [
  ...(['held', 'as-sent', 'differs', 'cancelling', 'uncancelled', 'not-there', 'rejected', 'contradicted'] as const),
  ...(['underived', 'other-entity', 'other-ledger'] as const),
];
export type Unsent = (typeof UNSENT)[number];

export type Decision = { is: 'send'; draft: Draft; digest: string } | { is: 'not-sent'; draft?: Draft; why: Unsent };

/** How it is decided. */
export interface DecidedBy {
  /** a rejected record is sent again though it says the same */
  isRepeatingRejected?: boolean;
  /** what nothing is to be reported of any more, by reference data, is cancelled */
  isCancellingUnderived?: boolean;
  /** what the authority has with another content, by reference data, is cancelled, so that it can be reported anew */
  isCorrectingDiffering?: boolean;
  /** the same execution is another executing entity's, as long as no event says whose */
  isReportedForOther?: boolean;
  /** an event of the same id was reported of another ledger first */
  isReportedElsewhere?: boolean;
  /** the day on which it is sent; the last set of fields when left out */
  day?: string;
  fieldSets?: readonly FieldSet[];
}

/** What is to be done about one transaction reference. */
export interface ReferencePlan<Sent extends Submission = Submission> {
  transactionReference: string;
  /** the last one says what the authority must have in the end; none where nothing is derived any more */
  drafts: readonly Draft[];
  sent: readonly Sent[];
  decision: Decision;
}

/** SHA-256 of the record as it is written into a file, hex. Throws UnwritableReportError. */
export function recordDigest(
  { report }: Pick<Draft, 'report'>,
  form: Pick<FieldSet, 'xml'> = FIELD_SETS.at(-1)!,
): string {
  return createHash('sha256').update(form.xml(report)).digest('hex');
}

/** Whether a draft was sent as a record of a digest, whoever submitted for the firm then, and with whichever fields. */
export function wasSentAs(
  { report, submitters = [] }: Pick<Draft, 'report' | 'submitters'>,
  digest: string,
  sets: readonly FieldSet[] = FIELD_SETS,
): boolean {
  const others = submitters.filter((each) => each !== report.submittingEntity);
  return [report, ...others.map((submittingEntity) => ({ ...report, submittingEntity }))].some((each) =>
    sets.some((set) => recordDigest({ report: each }, set) === digest),
  );
}

/**
 * What is to be done about an execution or allocation: `derived` is all that its versions give, in order, `sent` what was
 * sent of it by transaction reference. After it was carried out, and answered well, the authority has one report of each
 * of its legs, and nothing is left to send. The same gives the same.
 *
 * - A report that was corrected before it was sent is never sent.
 * - What is live and is no more to be had is cancelled, again with each submission until the authority takes it. Nothing
 *   else of the execution is reported before, or without it.
 * - Reference data that were corrected since may have made a version of what was none, or the other way round. What is live
 *   under a later version then is the report of what is derived now.
 */
export function planOf<Sent extends Submission>(
  derived: readonly (Draft | NotReportable)[],
  sent: ReadonlyMap<string, readonly Sent[]>,
  by: DecidedBy = {},
): ReferencePlan<Sent>[] {
  const references = withWhatIsLive(derived, sent, by);
  const isUnsure = [...sent.values()].some(isContradicted);
  const plans = [...references].map(([transactionReference, drafts]): ReferencePlan<Sent> => {
    const records = sent.get(transactionReference) ?? [];
    const decision = decide(drafts, records, by);
    // of the others nothing is sent
    const isHeldUp = isContradicted(records) || (isUnsure && decision.is === 'send');
    return { transactionReference, drafts, sent: records, decision: isHeldUp ? contradicted(drafts) : decision };
  });
  return plans.map((plan) => {
    const { decision, drafts } = plan;
    const draft = drafts.at(-1);
    if (decision.is !== 'send' || draft?.report.status !== 'NEWT') return plan;
    const isInTheWay = plans.some((other) => other !== plan && staysThough(other));
    // what cannot be reported anew is not taken back
    const why = decision.draft === draft ? 'uncancelled' : 'differs';
    return isInTheWay ? { ...plan, decision: { is: 'not-sent', draft, why } } : plan;
  });
}

/** Whether a report is had that is not one of those to be had, and is not being cancelled. */
function staysThough({ sent, decision }: ReferencePlan): boolean {
  if (!isLive(sent) || decision.draft?.report.status === 'NEWT') return false;
  return decision.is !== 'send' && stateOf(sent) !== 'cancelling';
}

function contradicted(drafts: readonly Draft[]): Decision {
  const draft = drafts.at(-1);
  return { is: 'not-sent', ...(draft && { draft }), why: 'contradicted' };
}

/**
 * What was sent and has no draft, then drafts by reference: of what is live with the draft that says what is to become of
 * it. Cancellations come before what is reported instead, and in the same order again when files are made once more.
 */
function withWhatIsLive(
  derived: readonly (Draft | NotReportable)[],
  sent: ReadonlyMap<string, Submissions>,
  { isCancellingUnderived = false }: DecidedBy,
): Map<string, Draft[]> {
  const drafts = derived.filter((each) => each.is === 'draft');
  const ofReference = grouped(drafts, ({ report }) => report.transactionReference);
  const withoutDraft = [...sent.keys()].filter((reference) => !ofReference.has(reference));
  const references = new Map([...withoutDraft.map((each): [string, Draft[]] => [each, []]), ...ofReference]);
  const current = [...ofReference.values()].flatMap((all) => {
    const last = all.at(-1)!;
    return last.report.status === 'NEWT' ? [last] : [];
  });
  const last = derived.at(-1);
  const isOver = last?.is === 'draft' || last?.endedBy !== undefined || last?.isByEvents === true;
  for (const reference of withoutDraft) {
    if (!isLive(sent.get(reference)!) || !last) continue;
    const { version, leg } = partsOfReference(reference);
    const now = current.find((each) => each.leg === leg && each.version < version);
    const nowReference = now?.report.transactionReference ?? '';
    if (now && isLive(sent.get(nowReference) ?? [])) {
      // two of one leg: the one that is derived stays
      references.set(reference, [cancellationOf(last, reference)]);
    } else if (now) {
      // it goes by the reference that the authority has
      const report = { ...now.report, transactionReference: reference };
      references.set(reference, [{ ...now, version, report }]);
      const before = references.get(nowReference)!.slice(0, -1);
      if (before.length > 0 || sent.has(nowReference)) references.set(nowReference, before);
      else references.delete(nowReference);
      current.splice(current.indexOf(now), 1);
    } else if (current.some((each) => each.version > version) || (current.length === 0 && isOver)) {
      references.set(reference, [cancellationOf(last, reference)]);
    } else if (isCancellingUnderived) {
      references.set(reference, [cancellationOf(last, reference)]);
    }
  }
  return references;
}

/** The cancellation of a report of an execution that its versions do not give any more. */
export function cancellationOf(of: Draft | NotReportable, transactionReference: string): Draft {
  const { orderId, eventId, statedBy, time, cause } = of;
  const { executingEntity, submittingEntity } = of.is === 'draft' ? of.report : of;
  const report = { status: 'CANC' as const, transactionReference, executingEntity, submittingEntity };
  return {
    ...{ is: 'draft', orderId, eventId, ...partsOfReference(transactionReference), statedBy, time, cause },
    ...{ isFirmStated: false, report, lineage: [], toMend: [] },
    findings: findingsOf(report, { today: time.slice(0, 10) }),
  };
}

/**
 * What is to be done about one transaction reference, by what was sent under it. The same drafts and submissions give the
 * same decision.
 */
export function decide(drafts: readonly Draft[], submissions: Submissions, by: DecidedBy = {}): Decision {
  const draft = drafts.at(-1);
  const { fieldSets: sets = FIELD_SETS, day } = by;
  const form = day === undefined ? sets.at(-1)! : fieldSetOn(day, sets);
  if (!draft) {
    return {
      is: 'not-sent',
      why: by.isReportedElsewhere ? 'other-ledger' : isLive(submissions) ? 'underived' : 'as-sent',
    };
  }
  const why = by.isReportedElsewhere
    ? 'other-ledger'
    : draft.report.status === 'CANC'
      ? cancelling(draft)
      : reporting(draft);
  if (why === 'differs' && by.isCorrectingDiffering) {
    // the reference is free again once the authority took this
    const cancellation = cancellationOf(draft, draft.report.transactionReference);
    if (isReady(cancellation)) return sending(cancellation, form);
  }
  return why === undefined ? sending(draft, form) : { is: 'not-sent', draft, why };

  function reporting(draft: Draft): Unsent | undefined {
    const state = stateOf(submissions);
    if (state === 'cancelling') return 'cancelling';
    if (!isLive(submissions) && by.isReportedForOther && !draft.isFirmStated) return 'other-entity';
    if (!isReady(draft)) return 'held';
    if (state === 'unsent' || state === 'cancelled') return undefined;
    const { digest } = submissions.findLast(({ status }) => status === 'NEWT')!;
    // what was rejected is another one if somebody else submits it
    if (state === 'rejected')
      return digest === recordDigest(draft, form) && !by.isRepeatingRejected ? 'rejected' : undefined;
    return wasSentAs(draft, digest, sets) ? 'as-sent' : 'differs';
  }

  function cancelling(draft: Draft): Unsent | undefined {
    const state = stateOf(submissions);
    if (state === 'unsent' || state === 'rejected') return 'not-there';
    if (state === 'cancelling' || state === 'cancelled') return 'as-sent';
    return isReady(draft) ? undefined : 'held';
  }
}

function sending(draft: Draft, form: FieldSet): Decision {
  return { is: 'send', draft, digest: recordDigest(draft, form) };
}
