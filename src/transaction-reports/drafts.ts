import { ReferenceTimelines } from '../reference-data/reference-timelines.js';
import { clockLimitOn } from '../reports/clock-rules.js';
import { isWithin } from '../reports/periods.js';
import { recordedAt } from '../reports/recorded-at.js';
import type { ReportRun } from '../reports/report.js';
import { ordersInPeriod } from '../reports/whole-lives.js';
import type { StoredRow } from '../integrity/stored-event.js';
import type { Draft, EventReference, NotReportable } from './draft.js';
import { ineligible } from './eligibility.js';
import { executionOf, isFirmStated, type Execution } from './execution.js';
import { legsOf } from './legs.js';
import { cancellation, newReport, submittedBy } from './new-report.js';
import { venueKindOf } from './place.js';
import type { RuleContext } from './rules/rule.js';
import { findingsOf, type Finding } from './rules/rts22-rules.js';
import { ToldElsewhere } from './told-elsewhere.js';
import { Trace } from './trace.js';
import {
  isSameOverAllocation,
  isSameUnlike,
  transactionsOf,
  type Transaction,
  type TransactionVersion,
} from './transactions.js';

/** What reports are derived from, whosever they are. */
export interface DraftsRun extends ReportRun {
  /** up to which changes of reference data count */
  referenceRevision: bigint;
  /** RFC 3339: when they are submitted; by whom, the firm's entry says for that time */
  submittedAt: string;
}

/** The same of one firm. */
export interface DraftRun extends DraftsRun {
  /** LEI of the firm whose reports they are: of executions that no event says another entity made */
  executingEntity: string;
}

/** What is to be reported of an execution or allocation, or why nothing is, as each of several firms has it, in their order. */
export type DraftsOfFirms = readonly (readonly (Draft | NotReportable)[])[];

/**
 * The reports of all executions and allocations that have a version with its event time in the period: by order, along
 * the order's life, each with all versions that it had, of these by leg. What a version reported the next one takes back,
 * and reports anew unless nothing is left to report; what was corrected elsewhere in the order counts where it makes a
 * difference. Reference data are those of the time of the execution. The same run gives the same ones.
 *
 * Whether a report was ever sent is not known here. Throws DamagedRowError.
 */
export async function* draftsOf(run: DraftRun): AsyncGenerator<Draft | NotReportable> {
  for await (const [drafts] of draftsOfFirms(run, [run.executingEntity])) yield* drafts!;
}

/** The same for several firms, execution by execution: what they are derived from is read once for all of these. */
export async function* draftsOfFirms(run: DraftsRun, firms: readonly string[]): AsyncGenerator<DraftsOfFirms> {
  const timelines = new ReferenceTimelines((work) => run.read((client) => work(client)), run.referenceRevision);
  const others = new ToldElsewhere(run);
  for await (const life of ordersInPeriod(run)) {
    for await (const transaction of transactionsOf(life, others)) {
      if (!transaction.versions.some(({ row }) => isWithin(row, run.period))) continue;
      yield await wholeDrafts(transaction, firms, run.submittedAt, timelines);
    }
  }
}

/** With all reference data that they need. */
async function wholeDrafts(
  transaction: Transaction,
  firms: readonly string[],
  submittedAt: string,
  timelines: ReferenceTimelines,
): Promise<DraftsOfFirms> {
  const derive = () => firms.map((firm) => draftsOfTransaction(transaction, firm, timelines, submittedAt));
  let drafts = derive();
  while (await timelines.readWanted()) drafts = derive();
  timelines.forgetIfMany();
  return drafts;
}

/** All that is to be reported of a transaction, or why nothing is, by the reference data that were read. */
export function draftsOfTransaction(
  transaction: Transaction,
  firm: string,
  timelines: Pick<ReferenceTimelines, 'at'>,
  submittedAt: string,
): (Draft | NotReportable)[] {
  const { orderId, eventId } = transaction;
  const named = timelines.at(submittedAt).valuesEver('legal-entity', firm, 'submitting_entity');
  const submitters = [firm, ...named];
  const made: (Draft | NotReportable)[] = [];
  let last: readonly (Draft | NotReportable)[] = [];
  let derived: TransactionVersion | undefined;
  for (const [i, at] of transaction.versions.entries()) {
    if (derived && at.content && givesTheSame(derived, at)) continue;
    derived = at.content && at;
    const next = at.content ? ofVersion(at, i + 1) : [];
    // what an earlier event was corrected to may be of no account for this one
    if (at.cause !== at.row && saysTheSame(last, next)) {
      // the report is the same; whose it is may be stated now, or no more
      for (const [i, each] of last.entries()) {
        const now = next[i]!;
        if (each.is === 'draft' && now.is === 'draft') each.isFirmStated = now.isFirmStated;
      }
      continue;
    }
    for (const each of last) {
      if (each.is === 'draft') made.push(cancelled(each, at.cause));
      else if (next.length === 0) each.endedBy = referenceTo(at.cause);
    }
    made.push(...next);
    last = next;
  }
  return made;

  function ofVersion(at: TransactionVersion, version: number): readonly (Draft | NotReportable)[] {
    const execution = executionOf(transaction, version, at, firm, timelines, submittedAt);
    const statedBy = referenceTo(at.row);
    const base = { orderId, eventId, version, statedBy, time: at.content.timestamp, cause: referenceTo(at.cause) };
    const why = ineligible(execution);
    if (why) return [{ is: 'not-reportable', ...base, ...why, ...submittedBy(execution) }];
    const context = contextOf(execution, at.cause);
    return legsOf(execution).map((leg) => {
      const trace = new Trace();
      const report = newReport(execution, leg, trace);
      const findings = execution.fill
        ? findingsOf(report, context).filter((each) => !isOfUnknown(each, execution))
        : [];
      return {
        is: 'draft',
        ...base,
        leg: leg.leg,
        isFirmStated: isFirmStated(execution),
        ...{ report, submitters },
        ...traced(trace),
        // where there is no execution all that is missing follows from that
        ...(!execution.fill && { toMend: trace.toMend.filter(({ field }) => field === 1 || field === 28) }),
        findings,
      };
    });
  }

  function cancelled(draft: Draft, by: StoredRow): Draft {
    const execution = executionOf(transaction, draft.version, versionAt(draft.version), firm, timelines, submittedAt);
    const trace = new Trace();
    const taken = cancellation(execution, draft.leg, trace);
    const findings = findingsOf(taken, { today: dayOf(by) });
    return { ...draft, cause: referenceTo(by), report: taken, ...traced(trace), findings };
  }

  function versionAt(version: number) {
    const at = transaction.versions[version - 1]!;
    if (!at.content) throw new Error(`version ${version} of ${eventId} was reported and is no transaction`);
    return at;
  }
}

/**
 * Whether the same comes of a later version as of one that was derived: of all that this was made of nothing was corrected.
 * To look costs microseconds, to derive it half a millisecond, and an order's versions can be many times its executions.
 */
function givesTheSame(derived: TransactionVersion, later: TransactionVersion): boolean {
  const { row, cause, fill, unlike, isForSeveral, facts } = later;
  return (
    row === derived.row &&
    fill?.row === derived.fill?.row &&
    isSameUnlike(unlike, derived.unlike) &&
    isForSeveral === derived.isForSeveral &&
    later.isOfFormer === derived.isOfFormer &&
    later.isPerhapsOfFormer === derived.isPerhapsOfFormer &&
    later.toldBefore?.eventId === derived.toldBefore?.eventId &&
    isSameOverAllocation(later.overAllocation, derived.overAllocation) &&
    String(later.undecided) === String(derived.undecided) &&
    dayOf(cause) === dayOf(derived.cause) &&
    derived.facts.isAnsweredBy(facts)
  );
}

/** Whether it finds that something is missing which nobody can know of an instrument that nobody knows: field 41 tells of that. */
function isOfUnknown({ fields: [field], value }: Finding, { instrument }: Execution): boolean {
  return instrument.isUnknown && value === undefined && OF_THE_INSTRUMENT.has(field!);
}

/** The currencies of quantity, price and payment, and what the instrument is. */
const OF_THE_INSTRUMENT: ReadonlySet<number> = new Set([31, 34, 39, ...Array.from({ length: 15 }, (_, i) => 42 + i)]);

/** The day on which it was recorded, by which reports are judged. */
function dayOf(row: StoredRow): string {
  return recordedAt(row).slice(0, 10);
}

/** Whether both are the same but for the numbers of reports and where values come from. */
function saysTheSame(a: readonly (Draft | NotReportable)[], b: readonly (Draft | NotReportable)[]): boolean {
  const said = (each: Draft | NotReportable): unknown =>
    each.is === 'draft'
      ? [each.leg, { ...each.report, transactionReference: '' }, each.toMend, each.findings]
      : [each.reason, each.rule];
  return JSON.stringify(a.map(said)) === JSON.stringify(b.map(said));
}

function referenceTo({ event_id, sequence }: StoredRow): EventReference {
  return { event_id, sequence };
}

function traced({ lineage, toMend }: Trace): Pick<Draft, 'lineage' | 'toMend'> {
  return { lineage, toMend };
}

/** What the rules may know: the reference data of the time of the execution, and the day on which the event was recorded. */
function contextOf({ reference, facts, day }: Execution, row: StoredRow): RuleContext {
  // another event's clock may be another
  const clockClass = facts.isOwn('clock_class') ? facts.text('clock_class') : undefined;
  return {
    today: dayOf(row),
    isClockBySeconds: clockClass !== undefined && clockLimitOn(day, clockClass)?.digits === 0,
    venueOn: (mic, day) => {
      const entry = reference.find('venue', mic);
      const kind = entry && venueKindOf(entry, day);
      return kind && { kind };
    },
    instrumentOn: (isin, day) => {
      const attributes = reference.find('instrument', isin)?.attributes;
      if (!attributes) return undefined;
      const { cfi: classification, listed_from: from, listed_to: to } = attributes;
      const isListed = from !== undefined && from <= day && (to === undefined || day <= to);
      return isListed ? { classification } : null;
    },
  };
}
