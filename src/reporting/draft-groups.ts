import type { Draft, NotReportable } from '../transaction-reports/draft.js';
import { grouped } from '../reports/grouped.js';
import { planOf, type DecidedBy, type ReferencePlan } from '../transaction-reports/submission-plan.js';
import { isLive } from '../transaction-reports/submissions.js';
import type { ReportNote } from './report-notes.js';
import type { LastNote, SentRecord } from './reporting-book.sql.js';

/** So many executions are looked up at once. */
const GROUPS_AT_ONCE = 100;

/** What is to be done about one transaction reference, of which execution or allocation. */
export interface OfReference extends ReferencePlan<SentRecord> {
  orderId: string;
  eventId: string;
  /** all that its versions give */
  derived: readonly (Draft | NotReportable)[];
  /** what submissions noted of it last, where that is asked for */
  note?: ReportNote | undefined;
}

/** What was made of one execution or allocation: at least one. */
interface Group {
  orderId: string;
  eventId: string;
  derived: (Draft | NotReportable)[];
}

/**
 * Drafts by their transaction references, of each the drafts and what was sent; and after them references that were sent
 * for the same executions, and have no draft. `sentOf` gives what was sent of some executions, in order, also for other
 * executing entities, and of other ledgers; `notesOf` what submissions noted of their reports, also of references that
 * nothing has any more: these come after the others of their execution.
 */
export async function* byReference(
  all: AsyncIterable<Draft | NotReportable>,
  executingEntity: string,
  sentOf: (eventIds: readonly string[]) => Promise<readonly SentRecord[]>,
  by: Pick<DecidedBy, 'isRepeatingRejected' | 'isCancellingUnderived' | 'isCorrectingDiffering' | 'day'> = {},
  notesOf: (eventIds: readonly string[]) => Promise<readonly LastNote[]> = () => Promise.resolve([]),
): AsyncGenerator<OfReference> {
  for await (const groups of inGroups(all)) {
    const eventIds = groups.map(({ eventId }) => eventId);
    const ofEvent = grouped(await sentOf(eventIds), (record) => record.eventId);
    const notedOf = grouped(await notesOf(eventIds), (note) => note.eventId);
    for (const { orderId, eventId, derived } of groups) {
      const everywhere = ofEvent.get(eventId) ?? [];
      const own = everywhere.filter((each) => !each.isOfOtherLedger && each.executingEntity === executingEntity);
      const sent = grouped(own, (record) => record.transactionReference);
      const notes = new Map((notedOf.get(eventId) ?? []).map((note) => [note.transactionReference, note]));
      for (const plan of planOf(derived, sent, { ...by, ...claimsOf(everywhere, executingEntity) })) {
        const note = notes.get(plan.transactionReference);
        notes.delete(plan.transactionReference);
        yield { ...plan, orderId, eventId, derived, ...(note && { note }) };
      }
      for (const [transactionReference, note] of notes) {
        const decision = { is: 'not-sent', why: 'as-sent' } as const;
        yield { transactionReference, drafts: [], sent: [], decision, orderId, eventId, derived, note };
      }
    }
  }
}

/**
 * Whether others have an execution, by its records in order. It is the ledger's of which it was reported first for the
 * firm. In a ledger it is the firm's that has a live report, of several the last one that was sent; else, also once that
 * was rejected or cancelled, the last one's for whom the authority took a report, and where it took none the first one's
 * that it was reported for.
 */
export function claimsOf(
  everywhere: readonly SentRecord[],
  executingEntity: string,
): Required<Pick<DecidedBy, 'isReportedForOther' | 'isReportedElsewhere'>> {
  const records = everywhere.filter(({ isOfOtherLedger }) => !isOfOtherLedger);
  const firstOwn = everywhere.find((record) => record.executingEntity === executingEntity);
  return {
    isReportedForOther: isForOther(records, executingEntity),
    isReportedElsewhere: firstOwn?.isOfOtherLedger === true,
  };
}

function isForOther(records: readonly SentRecord[], executingEntity: string): boolean {
  const nameOf = (record: SentRecord): string => `${record.executingEntity} ${record.transactionReference}`;
  const live = new Set([...grouped(records, nameOf)].flatMap(([name, ofReport]) => (isLive(ofReport) ? [name] : [])));
  const news = records.filter(({ status }) => status === 'NEWT');
  const having =
    news.findLast((record) => live.has(nameOf(record))) ??
    news.findLast(({ state }) => state !== 'rejected') ??
    records[0];
  return having !== undefined && having.executingEntity !== executingEntity;
}

async function* inGroups(all: AsyncIterable<Draft | NotReportable>): AsyncGenerator<Group[]> {
  let groups: Group[] = [];
  for await (const each of all) {
    let group = groups.at(-1);
    if (group?.eventId !== each.eventId) {
      if (groups.length >= GROUPS_AT_ONCE) {
        yield groups;
        groups = [];
      }
      group = { orderId: each.orderId, eventId: each.eventId, derived: [] };
      groups.push(group);
    }
    group.derived.push(each);
  }
  if (groups.length > 0) yield groups;
}
