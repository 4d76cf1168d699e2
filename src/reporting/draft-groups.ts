import type { Draft, NotReportable } from '../transaction-reports/draft.js';
import type { DraftsOfFirms } from '../transaction-reports/drafts.js';
import { grouped } from '../reports/grouped.js';
import { planOf, type DecidedBy, type ReferencePlan } from '../transaction-reports/submission-plan.js';
import { isLive } from '../transaction-reports/submissions.js';
import type { ReportNote } from './report-notes.js';
import type { LastNote, SentRecord } from './reporting-book.sql.js';

/** So many executions are looked up at once. */
const GROUPS_AT_ONCE = 100;
/** Drafts of several firms that are held for that, some 10 kB each. */
const DRAFTS_AT_ONCE = 1_000;

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
  derived: readonly (Draft | NotReportable)[];
}

type ByRequest = Pick<DecidedBy, 'isRepeatingRejected' | 'isCancellingUnderived' | 'isCorrectingDiffering' | 'day'>;

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
  by: ByRequest = {},
  notesOf: (eventIds: readonly string[]) => Promise<readonly LastNote[]> = () => Promise.resolve([]),
): AsyncGenerator<OfReference> {
  for await (const groups of atOnce(inGroups(all))) {
    const eventIds = groups.map(({ eventId }) => eventId);
    const ofEvent = grouped(await sentOf(eventIds), (record) => record.eventId);
    const notedOf = grouped(await notesOf(eventIds), (note) => note.eventId);
    for (const group of groups) {
      const { orderId, eventId, derived } = group;
      const notes = new Map((notedOf.get(eventId) ?? []).map((note) => [note.transactionReference, note]));
      for (const of of referencesOf(group, ofEvent.get(eventId) ?? [], executingEntity, by)) {
        const note = notes.get(of.transactionReference);
        notes.delete(of.transactionReference);
        yield { ...of, ...(note && { note }) };
      }
      for (const [transactionReference, note] of notes) {
        const decision = { is: 'not-sent', why: 'as-sent' } as const;
        yield { transactionReference, drafts: [], sent: [], decision, orderId, eventId, derived, note };
      }
    }
  }
}

/** The same for several firms, execution by execution, with whose each is: what was sent is looked up once for all of these. */
export async function* byReferenceOfFirms(
  all: AsyncIterable<DraftsOfFirms>,
  firms: readonly string[],
  sentOf: (eventIds: readonly string[]) => Promise<readonly SentRecord[]>,
): AsyncGenerator<OfReference & { executingEntity: string }> {
  for await (const executions of atOnce(all, draftsOfAll)) {
    const ofEvent = grouped(await sentOf(executions.flatMap(eventIdOf)), (record) => record.eventId);
    for (const ofFirms of executions) {
      for (const [i, derived] of ofFirms.entries()) {
        if (derived.length === 0) continue;
        const { orderId, eventId } = derived[0]!;
        const everywhere = ofEvent.get(eventId) ?? [];
        const executingEntity = firms[i]!;
        for (const of of referencesOf({ orderId, eventId, derived }, everywhere, executingEntity, {})) {
          yield { ...of, executingEntity };
        }
      }
    }
  }
}

function draftsOfAll(ofFirms: DraftsOfFirms): number {
  return ofFirms.reduce((sum, derived) => sum + derived.filter(({ is }) => is === 'draft').length, 0);
}

function eventIdOf(ofFirms: DraftsOfFirms): string[] {
  const [first] = ofFirms.find((derived) => derived.length > 0) ?? [];
  return first ? [first.eventId] : [];
}

/** The references of an execution that was sent, or is to be, for a firm; `everywhere` is what was sent of it, for whomever. */
function* referencesOf(
  { orderId, eventId, derived }: Group,
  everywhere: readonly SentRecord[],
  executingEntity: string,
  by: ByRequest,
): Generator<OfReference> {
  const own = everywhere.filter((each) => !each.isOfOtherLedger && each.executingEntity === executingEntity);
  const sent = grouped(own, (record) => record.transactionReference);
  for (const plan of planOf(derived, sent, { ...by, ...claimsOf(everywhere, executingEntity) })) {
    yield { ...plan, orderId, eventId, derived };
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

async function* inGroups(all: AsyncIterable<Draft | NotReportable>): AsyncGenerator<Group> {
  let group: (Group & { derived: (Draft | NotReportable)[] }) | undefined;
  for await (const each of all) {
    if (group?.eventId !== each.eventId) {
      if (group) yield group;
      group = { orderId: each.orderId, eventId: each.eventId, derived: [] };
    }
    group.derived.push(each);
  }
  if (group) yield group;
}

/** So many of them as are looked up at once; fewer where these have many drafts. */
async function* atOnce<T>(all: AsyncIterable<T>, draftsIn: (each: T) => number = () => 0): AsyncGenerator<T[]> {
  let some: T[] = [];
  let drafts = 0;
  for await (const each of all) {
    some.push(each);
    drafts += draftsIn(each);
    if (some.length < GROUPS_AT_ONCE && drafts < DRAFTS_AT_ONCE) continue;
    yield some;
    [some, drafts] = [[], 0];
  }
  if (some.length > 0) yield some;
}
