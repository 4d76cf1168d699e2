import { factsOf } from '../reports/order-facts.js';
import type { Content } from '../integrity/event.js';
import { contentOf, type StoredRow } from '../integrity/stored-event.js';
import { parseTimestamp } from '../integrity/timestamp.js';
import { FILLS, type FactName } from '../reports/regimes/regime.js';
import { ORDER_LIFECYCLE } from '../reports/whole-lives.js';
import { ACTIONS } from '../vocabulary/order-vocabulary.js';
import type { Stated } from './trace.js';

/** A content that an event had. */
export interface HeldContent {
  row: StoredRow;
  /** sequence from which on it was the event's content */
  from: bigint;
  /** what it states; undefined where it never happened, or is no event of an order's life */
  stated: { content: Content; facts: ReadonlyMap<FactName, Stated> } | undefined;
  /** the event that tells of the same execution before it: as long as it does, this one counts as a copy */
  toldBefore?: ToldBefore;
  /** what brought it about, where that is no content of its own: from then on another event tells of the same, or none does */
  cause?: StoredRow;
}

/** An event that tells of an execution. */
export interface ToldBefore {
  eventId: string;
  /** where it is of another order */
  orderId?: string;
}

/**
 * The contents that an event had, one after the other. What corrects an execution and does not say what became of it has the
 * action of that in its content, and in its row its own. Throws DamagedRowError.
 */
export function contentsOf(versions: readonly StoredRow[]): readonly HeldContent[] {
  const contents: HeldContent[] = [];
  /** the last one that did not say that it never happened */
  let last: HeldContent | undefined;
  for (const row of versions) {
    const [own, before] = [BigInt(row.sequence), contents.at(-1)?.from ?? 0n];
    const corrected = last;
    const stated = statedIn(row);
    const isOpen = isExecution(corrected) && stated !== undefined && leavesOpen(stated);
    const held = {
      ...{ row, from: own > before ? own : before },
      stated: isOpen ? statedIn(row, corrected.stated.content.action) : stated,
    };
    contents.push(held);
    if (held.stated) last = held;
  }
  return contents;
}

/**
 * Whether what corrects an execution leaves open what became of it: by an action that the vocabulary does not have, or one of an
 * order that names the execution and does not end anything.
 */
function leavesOpen({ content: { action }, facts }: NonNullable<HeldContent['stated']>): boolean {
  if (!Object.hasOwn(ACTIONS, action)) return true;
  return !FILLS.includes(action) && !ENDS.includes(action) && OF_EXECUTIONS.some((name) => facts.has(name));
}

/** By what an event names an execution. */
const OF_EXECUTIONS: readonly FactName[] = ['execution_id', 'venue_transaction_id'];

/** An execution that holds, or held. */
export type HeldFill = HeldContent & { stated: NonNullable<HeldContent['stated']> };

export function isExecution(held: HeldContent | undefined): held is HeldFill {
  return held?.stated !== undefined && FILLS.includes(held.stated.content.action);
}

/** A copy of another's event is as if it had never happened. */
export function withoutCopies(contents: readonly HeldContent[]): readonly HeldContent[] {
  return contents.map((held) => (isCopy(held) ? { ...held, stated: undefined } : held));
}

/** Whether it is of a drop copy, or tells once more of an execution that others tell of. */
export function isCopy({ stated, toldBefore }: HeldContent): boolean {
  return toldBefore !== undefined || stated?.facts.get('drop_copy')?.text === 'true';
}

/** Of whom there are several. */
const LISTS: ReadonlySet<FactName> = new Set<FactName>(['allocations', 'client_representative_ids']);

function statedIn(row: StoredRow, as = row.action): HeldContent['stated'] {
  if (row.action === 'void' || row.event_type !== ORDER_LIFECYCLE) return undefined;
  const content = { ...contentOf(row), action: as };
  const { action, timestamp, new_state: state, metadata, event_id } = content;
  const facts = [...factsOf(action, timestamp, state, metadata)].map(([name, text]): [FactName, Stated] => [
    name,
    { text, name, event_id, sequence: row.sequence },
  ]);
  // a list of nobody says nothing
  return { content, facts: new Map(facts.filter(([name, { text }]) => !LISTS.has(name) || text !== '[]')) };
}

/** With this an order begins. */
export const BEGIN = 'create';

/** Whether an event tells what is to be, whenever it is recorded. */
export function isBeforehand({ action }: Pick<Content, 'action'>): boolean {
  return action === BEGIN || action === 'decide';
}

/** Whether an order is over by an event. */
export function isOver({ action }: Content): boolean {
  return action === 'fill' || ENDS.includes(action);
}

/** When an order is over by what an event says, in nanoseconds since 1970; undefined where it is not. */
export function endOf(content: Content): bigint | undefined {
  return isOver(content) ? nanosOf(content.timestamp) : undefined;
}

/** With these the order is over: whoever it was sent to may have executed it before it knew, or it is executed otherwise. */
export const ENDS: readonly string[] = ['cancel', 'expire', 'reject'];

/** Nanoseconds since 1970 of a time by RFC 3339. */
export function nanosOf(time: string): bigint {
  const { micros, nanos } = parseTimestamp(time);
  return BigInt(micros) * 1_000n + BigInt(nanos);
}

/** The day of a time, UTC: as texts are ordered. */
export function dayOf(timestamp: string): string {
  return parseTimestamp(timestamp).canonical.slice(0, 10);
}

/** The action of the correction of an execution that does not say what became of it. */
export function undecidedOf({ row, stated: { content } }: HeldFill): string | undefined {
  return row.action === content.action ? undefined : row.action;
}
