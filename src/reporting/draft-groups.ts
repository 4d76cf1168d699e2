import type { Draft, NotReportable } from '../transaction-reports/draft.js';
import { grouped } from '../reports/grouped.js';
import { isLive } from '../transaction-reports/submissions.js';
import type { SentRecord } from './reporting-book.sql.js';

/** So many executions are looked up at once. */
const GROUPS_AT_ONCE = 100;

/** All that events say of one transaction reference, and what was sent under it, both in their order. */
export interface OfReference {
  transactionReference: string;
  orderId: string;
  eventId: string;
  /** none of one that was sent, and that nothing is to be reported of any more, by reference data that were changed */
  drafts: readonly Draft[];
  sent: readonly SentRecord[];
  /** as far as no event says whose it is, the execution is another executing entity's */
  isReportedForOther: boolean;
  /** the first report of an event of its id was sent of another ledger */
  isReportedElsewhere: boolean;
}

/** What was made of one execution or allocation. */
interface Group {
  orderId: string;
  eventId: string;
  drafts: Draft[];
}

/**
 * Drafts by their transaction references, of each the drafts and what was sent; and after them references that were sent
 * for the same executions, are live still, and have no draft. `sentOf` gives what was sent of some executions, in order,
 * also for other executing entities, and of other ledgers.
 */
export async function* byReference(
  all: AsyncIterable<Draft | NotReportable>,
  executingEntity: string,
  sentOf: (eventIds: readonly string[]) => Promise<readonly SentRecord[]>,
): AsyncGenerator<OfReference> {
  for await (const groups of inGroups(all)) {
    const eventIds = groups.map(({ eventId }) => eventId);
    const everywhere = await sentOf(eventIds);
    const records = everywhere.filter(({ isOfOtherLedger }) => !isOfOtherLedger);
    const ownOfEvent = grouped(
      everywhere.filter((record) => record.executingEntity === executingEntity),
      (record) => record.eventId,
    );
    const own = records.filter((record) => record.executingEntity === executingEntity);
    const sent = grouped(own, (record) => record.transactionReference);
    const ofEvent = grouped(records, (record) => record.eventId);
    for (const { orderId, eventId, drafts } of groups) {
      const isReportedForOther = isForOther(ofEvent.get(eventId) ?? [], executingEntity);
      const isReportedElsewhere = ownOfEvent.get(eventId)?.[0]?.isOfOtherLedger === true;
      const of = { orderId, eventId, isReportedForOther, isReportedElsewhere };
      const references = new Map<string, Draft[]>();
      for (const draft of drafts) {
        const { transactionReference } = draft.report;
        references.set(transactionReference, [...(references.get(transactionReference) ?? []), draft]);
      }
      for (const [transactionReference, ofReference] of references) {
        const records = sent.get(transactionReference) ?? [];
        yield { ...of, transactionReference, drafts: ofReference, sent: records };
      }
      for (const [transactionReference, records] of sent) {
        if (records[0]!.eventId !== eventId || references.has(transactionReference) || !isLive(records)) continue;
        yield { ...of, transactionReference, drafts: [], sent: records };
      }
    }
  }
}

/**
 * Whose an execution is, by its records in order: the firm's that has a live report, of several the last one that was
 * sent; else, also once that was rejected or cancelled, the first one's that it was reported for.
 */
function isForOther(records: readonly SentRecord[], executingEntity: string): boolean {
  const nameOf = (record: SentRecord): string => `${record.executingEntity} ${record.transactionReference}`;
  const live = new Set([...grouped(records, nameOf)].flatMap(([name, ofReport]) => (isLive(ofReport) ? [name] : [])));
  const having = records.findLast((record) => live.has(nameOf(record))) ?? records[0];
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
      group = { orderId: each.orderId, eventId: each.eventId, drafts: [] };
      groups.push(group);
    }
    if (each.is === 'draft') group.drafts.push(each);
  }
  if (groups.length > 0) yield groups;
}
