import { createHash } from 'node:crypto';
import { canonicalize, type JsonObject } from '../integrity/canonical-json.js';
import type { Content } from '../integrity/event.js';
import { parseTimestamp } from '../integrity/timestamp.js';
import { cellOf } from './cell.js';
import { add, compare, formatDecimal, parseDecimal, subtract, ZERO, type Decimal } from './decimal.js';
import type { EventPlace } from './event-place.js';
import { executedAt, OrderTerms, termsOf, type Terms } from './order-terms.js';

/** A number as an event states it. */
export interface StatedNumber {
  /** as sent */
  text: string;
  /** undefined when it cannot be read */
  value: Decimal | undefined;
}

/** What a rule looks at of one event. */
export interface Step extends EventPlace {
  action: string;
  /** canonical event time */
  timestamp: string;
  time: EventTime;
  /** of the system that sent it; the empty text for events that name none, which count as of one source */
  source: string;
  /** metadata.execution_id of an execution */
  executionId: string | undefined;
  quantity: StatedNumber | undefined;
  price: StatedNumber | undefined;
  remaining: StatedNumber | undefined;
  /** the order as it was, by previous_state */
  before: { quantity: StatedNumber | undefined; price: StatedNumber | undefined };
  /** what it says of the order, or an execution of itself */
  terms: Terms;
  /** of an execution when it was executed, in nanoseconds since 1970 */
  executedAt: bigint | undefined;
  /** equal for two events whose contents are equal but for event_id and corrects */
  digest: string;
}

/** An instant as fine as its source declared. */
export interface EventTime {
  /** since 1970 */
  nanoseconds: bigint;
  /** nanoseconds of its last digit */
  granularity: bigint;
}

/** A correction that corrects nothing (FORMAT.md, "corrects"). */
export interface VainCorrection {
  correction: EventPlace;
  /** the event_id that it names */
  names: string;
  why: 'unknown' | 'later' | 'other-entity' | 'circle';
  /** the event named, where there is one */
  target: EventPlace | undefined;
}

/** A correction of a correction that another had taken the place of: what it says never held. */
export interface OutdatedCorrection {
  correction: EventPlace;
  /** the event_id that it names */
  names: string;
  why: 'outdated';
  /** what holds instead */
  target: EventPlace;
}

/** What is known of an order from the steps so far. */
export interface OrderSoFar {
  create: Step | undefined;
  /** the first step of any kind, the first fill, and how many there were */
  first: Step | undefined;
  firstFill: Step | undefined;
  steps: number;
  fills: number;
  /** the order's, as created and modified; undefined while it is not known */
  quantity: Decimal | undefined;
  price: Decimal | undefined;
  /** executed so far; undefined once an execution's quantity is not known */
  filled: Decimal | undefined;
  /** what is open: undefined while it cannot be calculated */
  open: Decimal | undefined;
  /** by which nothing is open any more */
  end: Step | undefined;
  /** the fill of the latest event time */
  lastFill: Step | undefined;
  /** of each source the step of the latest event time */
  latest: ReadonlyMap<string, Step>;
  /** what was seen already, by its digest */
  seen: ReadonlyMap<string, EventPlace>;
  /** the first one of each source and execution_id, by `executionKey` */
  executions: ReadonlyMap<string, EventPlace>;
  /** what was said of it, and which executions may not fit that */
  terms: OrderTerms<ExecutionPlace>;
}

/** Of an execution that may not fit its order. */
export interface ExecutionPlace extends EventPlace {
  /** whether the order had ended before */
  isPastEnd: boolean;
}

const FILLS: readonly string[] = ['fill', 'partial_fill'];
const ENDS: readonly string[] = ['cancel', 'reject', 'expire'];

/** The same for two executions that one source calls the same; undefined where it has no id. */
export function executionKey({ source, executionId }: Step): string | undefined {
  return executionId === undefined ? undefined : JSON.stringify([source, executionId]);
}

export function isFill({ action }: Pick<Step, 'action'>): boolean {
  return FILLS.includes(action);
}

/** Whether it ends an order whatever is open. */
export function isEnd({ action }: Pick<Step, 'action'>): boolean {
  return ENDS.includes(action);
}

/** The step that an event is. `place` is the event's whose content it is. */
export function stepOf(content: Content, sequence: string): Step {
  const { event_id: eventId, corrects: _, ...rest } = content;
  const { new_state: state, previous_state: before } = content;
  const { canonical, micros, nanos } = parseTimestamp(content.timestamp);
  const digits = /\.([0-9]+)Z$/.exec(canonical)?.[1]?.length ?? 0;
  return {
    sequence,
    event_id: eventId,
    action: content.action,
    timestamp: canonical,
    time: {
      nanoseconds: BigInt(micros) * 1_000n + BigInt(nanos),
      granularity: 10n ** BigInt(9 - digits),
    },
    source: content.source ?? '',
    executionId: FILLS.includes(content.action) ? textOf(content.metadata, 'execution_id') : undefined,
    quantity: numberOf(state, 'quantity'),
    price: numberOf(state, 'price'),
    remaining: numberOf(state, 'remaining_quantity'),
    terms: termsOf(content),
    executedAt: FILLS.includes(content.action) ? executedAt(content) : undefined,
    before: { quantity: numberOf(before, 'quantity'), price: numberOf(before, 'price') },
    digest: createHash('sha256')
      .update(canonicalize(rest as unknown as JsonObject))
      .digest('base64url')
      .slice(0, 22),
  };
}

function numberOf(state: JsonObject | null, name: string): StatedNumber | undefined {
  const text = textOf(state, name);
  return text === undefined ? undefined : { text, value: parseDecimal(text) };
}

function textOf(members: JsonObject | null, name: string): string | undefined {
  return members && Object.hasOwn(members, name) ? (cellOf(members[name]) ?? undefined) : undefined;
}

/** Whether an instant lies before another whatever the digits that either of them does not have. */
export function isCertainlyBefore(a: EventTime, b: EventTime): boolean {
  const granularity = a.granularity > b.granularity ? a.granularity : b.granularity;
  return a.nanoseconds / granularity < b.nanoseconds / granularity;
}

/** Of one source the order of recording says what came after what, of two sources their times. */
export function happenedAfter(step: Step, earlier: Step): boolean {
  return step.source === earlier.source || !isCertainlyBefore(step.time, earlier.time);
}

/** Whether the order had ended: of what comes then no quantities are checked. */
export function isPastEnd({ end }: OrderSoFar, step: Step): boolean {
  return end !== undefined && happenedAfter(step, end);
}

/** An execution's quantity that can be calculated with: a decimal above zero. */
export function executedQuantity({ quantity }: Step): Decimal | undefined {
  const value = quantity?.value;
  return value && compare(value, ZERO) > 0 ? value : undefined;
}

/** What should be open after a fill or a change; undefined where it cannot be calculated. May be less than nothing. */
export function openAfter(order: OrderSoFar, step: Step): Decimal | undefined {
  if (!order.open) return undefined;
  if (isFill(step)) {
    const executed = executedQuantity(step);
    return executed && subtract(order.open, executed);
  }
  const wanted = step.quantity?.value;
  if (!step.quantity) return order.open;
  return wanted && order.quantity && add(order.open, subtract(wanted, order.quantity));
}

/** Whether a change says by `quantity` what is open, as market data do, and not what the order is for. */
export function saysWhatIsOpen({ action, quantity, remaining }: Step): boolean {
  return (
    action === 'modify' && !!quantity?.value && !!remaining?.value && compare(quantity.value, remaining.value) === 0
  );
}

/** Whether another order begins at a step, which has the id of one that was over: ids may be used again each day. */
export function isAnotherOrder({ create, end }: OrderSoFar, { action, timestamp }: Step): boolean {
  const dayOf = (time: string): string => time.slice(0, 10);
  return action === 'create' && create !== undefined && end !== undefined && dayOf(timestamp) > dayOf(end.timestamp);
}

export function newOrder(): OrderSoFar {
  return {
    create: undefined,
    first: undefined,
    firstFill: undefined,
    steps: 0,
    fills: 0,
    quantity: undefined,
    price: undefined,
    filled: ZERO,
    open: undefined,
    end: undefined,
    lastFill: undefined,
    latest: new Map(),
    seen: new Map(),
    executions: new Map(),
    terms: new OrderTerms(),
  };
}

/**
 * The order after a step. What the step says of the order is believed from here on, so that one mistake is told of once:
 * `remaining_quantity` goes before what would be open by calculation.
 */
export function orderAfter(order: OrderSoFar, step: Step): OrderSoFar {
  const latestOfSource = order.latest.get(step.source);
  // grows along one order's life alone: a copy for each step would cost the square of its length
  const place = { sequence: step.sequence, event_id: step.event_id };
  (order.seen as Map<string, EventPlace>).set(step.digest, place);
  const key = executionKey(step);
  if (key !== undefined && !order.executions.has(key)) (order.executions as Map<string, EventPlace>).set(key, place);
  if (!latestOfSource || !isCertainlyBefore(step.time, latestOfSource.time)) {
    (order.latest as Map<string, Step>).set(step.source, step);
  }
  if (step.executedAt !== undefined) {
    const { terms: own, source, executedAt: time, price } = step;
    order.terms.execute({ ...place, isPastEnd: isPastEnd(order, step) }, { own, source, time, price: price?.value });
  }
  order.terms.state(step.action, step.terms, step.time.nanoseconds, step.source);
  const next = { ...order, first: order.first ?? step, steps: order.steps + 1 };
  if (isFill(step)) return afterFill(next, step);
  if (isEnd(step)) return { ...next, end: order.end ?? step };
  const { quantity, price, remaining } = step;
  if (step.action === 'create') {
    const asked = quantity?.value;
    return {
      ...next,
      create: order.create ?? step,
      quantity: order.quantity ?? asked,
      price: order.price ?? price?.value,
      open: order.open ?? remaining?.value ?? (asked && order.filled && atLeastNothing(subtract(asked, order.filled))),
    };
  }
  if (step.action === 'modify') {
    const calculated = openAfter(order, step);
    return {
      ...next,
      quantity: quantity ? quantity.value : order.quantity,
      price: price ? price.value : order.price,
      open: remaining?.value ?? (calculated && atLeastNothing(calculated)),
    };
  }
  return next;
}

function afterFill(order: OrderSoFar, step: Step): OrderSoFar {
  const executed = executedQuantity(step);
  const calculated = openAfter(order, step);
  const stated = step.remaining?.value;
  const open = stated ?? (calculated && atLeastNothing(calculated));
  const isLatest = !order.lastFill || !isCertainlyBefore(step.time, order.lastFill.time);
  const isComplete = step.action === 'fill' ? !open || compare(open, ZERO) === 0 : open && compare(open, ZERO) === 0;
  return {
    ...order,
    firstFill: order.firstFill ?? step,
    fills: order.fills + 1,
    lastFill: isLatest ? step : order.lastFill,
    filled: order.filled && executed && add(order.filled, executed),
    open,
    end: order.end ?? (isComplete ? step : undefined),
  };
}

function atLeastNothing(value: Decimal): Decimal {
  return compare(value, ZERO) < 0 ? ZERO : value;
}

/** For people: the decimal, or that it is not known. */
export function shown(value: Decimal | undefined): string {
  return value ? formatDecimal(value) : 'unknown';
}
