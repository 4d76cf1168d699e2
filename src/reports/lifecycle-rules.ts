import { shortened } from './cell.js';
import { compare, formatDecimal, subtract, ZERO, type Decimal } from './decimal.js';
import type { EventPlace } from './event-place.js';
import {
  executedQuantity,
  executionKey,
  happenedAfter,
  isCertainlyBefore,
  isEnd,
  isFill,
  isPastEnd,
  openAfter,
  saysWhatIsOpen,
  shown,
  type OrderSoFar,
  type Step,
  type StatedNumber,
  type OutdatedCorrection,
  type VainCorrection,
} from './lifecycle-steps.js';
import type { Misfit } from './order-terms.js';

/** `error`: records contradict each other. `warning`: they may. `info`: nothing is wrong, and yet somebody should know. */
export const SEVERITIES = ['error', 'warning', 'info'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** What a rule found. */
export interface Finding {
  /** the one that it is about first */
  events: readonly EventPlace[];
  expected: string;
  found: string;
}

/** What the end of a life is held against. */
export interface LifeEnd {
  /** end of the period, not included, in nanoseconds since 1970 */
  periodEnd: bigint;
  /** of what is known of the order, why some of it may be missing; empty when nothing was deleted */
  deleted: string;
}

/** A rule for the records of one order. It looks at values alone, so that it can be tried on any. */
export interface LifecycleRule {
  id: string;
  severity: Severity;
  /** what it means, for whoever reads the report */
  text: string;
  /** at a step of the order, before which it was `order` */
  atStep?: (order: OrderSoFar, step: Step) => Finding | undefined;
  /** at the end of all that is known of the order */
  atEnd?: (order: OrderSoFar, end: LifeEnd) => Finding | readonly Finding[] | undefined;
  atVainCorrection?: (vain: VainCorrection | OutdatedCorrection) => Finding | undefined;
}

/** All rules, in the order in which their findings at one event are listed. */
export const LIFECYCLE_RULES: readonly LifecycleRule[] = [
  // what an event must state
  {
    id: 'unreadable-decimal',
    severity: 'error',
    text: 'A quantity or price is no decimal, so nothing can be calculated with it',
    atStep: (_, step) => {
      const unreadable = Object.entries({
        quantity: step.quantity,
        price: step.price,
        remaining_quantity: step.remaining,
        'previous_state.quantity': step.before.quantity,
        'previous_state.price': step.before.price,
      }).flatMap(([name, stated]) => (stated && !stated.value ? [`${name} ${shortened(stated.text)}`] : []));
      return found(unreadable.length > 0, [step], 'a decimal such as 585.33', unreadable.join(', '));
    },
  },
  {
    id: 'fill-without-quantity',
    severity: 'error',
    text: 'An execution without a quantity',
    atStep: (_, step) => found(isFill(step) && !step.quantity, [step], 'new_state.quantity', 'nothing'),
  },
  {
    id: 'fill-without-price',
    severity: 'error',
    text: 'An execution without a price',
    atStep: (_, step) => found(isFill(step) && !step.price, [step], 'new_state.price', 'nothing'),
  },
  {
    id: 'fill-quantity-not-positive',
    severity: 'error',
    text: 'An execution of nothing, or of less',
    atStep: (_, step) => {
      const quantity = step.quantity?.value;
      const isWrong = isFill(step) && quantity !== undefined && compare(quantity, ZERO) <= 0;
      return found(isWrong, [step], 'a quantity above 0', `quantity ${stated(step.quantity)}`);
    },
  },
  {
    id: 'execution-twice',
    severity: 'warning',
    text: 'An execution with the execution_id that the same source gave to an earlier one of the order',
    atStep: (order, step) => {
      const key = executionKey(step);
      const first = key === undefined ? undefined : order.executions.get(key);
      return (
        first && finding([step, first], 'an execution_id of its own', `execution_id ${shortened(step.executionId!)}`)
      );
    },
  },
  // what came when
  {
    id: 'time-backwards',
    severity: 'warning',
    text: 'Recorded after an event of the same source, and said to have happened before it',
    atStep: (order, step) => {
      const latest = order.latest.get(step.source);
      if (!latest || !isCertainlyBefore(step.time, latest.time)) return undefined;
      return finding([step, latest], `not before ${latest.timestamp}`, step.timestamp);
    },
  },
  {
    id: 'created-twice',
    severity: 'warning',
    text: 'An order that exists already is created again, with other content',
    atStep: (order, step) => {
      const { create } = order;
      if (step.action !== 'create' || !create) return undefined;
      return finding([step, create], 'one create', 'another create');
    },
  },
  {
    id: 'fill-after-end',
    severity: 'error',
    text: 'An execution after the order was filled, cancelled, rejected or expired',
    atStep: (order, step) => {
      const { end, lastFill } = order;
      if (isFill(step) && end && happenedAfter(step, end)) {
        return finding([step, end], `nothing after ${end.action}`, step.action);
      }
      // the execution was recorded first, by another source, and happened last
      const isLate = lastFill && lastFill.source !== step.source && isCertainlyBefore(step.time, lastFill.time);
      if (!isEnd(step) || end || !isLate) return undefined;
      return finding([lastFill, step], `nothing after ${step.action}`, lastFill.action);
    },
  },
  {
    id: 'modify-after-end',
    severity: 'error',
    text: 'A change of an order that was filled, cancelled, rejected or had expired',
    atStep: (order, step) => {
      const { end } = order;
      if (step.action !== 'modify' || !end || !happenedAfter(step, end)) return undefined;
      return finding([step, end], `nothing after ${end.action}`, step.action);
    },
  },
  {
    id: 'ended-twice',
    severity: 'warning',
    text: 'An order that had ended is cancelled, rejected or expires',
    atStep: (order, step) => {
      const { end } = order;
      if (!isEnd(step) || !end || !happenedAfter(step, end)) return undefined;
      return finding([step, end], `nothing after ${end.action}`, step.action);
    },
  },
  // quantities
  {
    id: 'over-fill',
    severity: 'error',
    text: 'More was executed than was open',
    atStep: (order, step) => {
      if (step.action === 'create') {
        // executions that were recorded before the order
        const { filled, create, firstFill } = order;
        const asked = step.quantity?.value;
        const isOver = !create && firstFill && asked && filled && compare(filled, asked) > 0;
        if (!isOver) return undefined;
        return finding([firstFill, step], `at most ${formatDecimal(asked)}`, `${formatDecimal(filled)} executed`);
      }
      if (!isOverFill(order, step)) return undefined;
      return finding([step], `at most ${shown(order.open)} open`, `${stated(step.quantity)} executed`);
    },
  },
  {
    id: 'remaining-differs',
    severity: 'error',
    text: 'What an event says is open does not follow from the quantities before it',
    atStep: (order, step) => {
      const said = step.remaining?.value;
      if (!(isFill(step) || step.action === 'modify') || !said || isPastEnd(order, step)) return undefined;
      if (isOverFill(order, step) || saysWhatIsOpen(step)) return undefined;
      const calculated = openAfter(order, step);
      if (!calculated || compare(calculated, ZERO) < 0 || compare(calculated, said) === 0) return undefined;
      return finding([step], `remaining_quantity ${formatDecimal(calculated)}`, stated(step.remaining));
    },
  },
  {
    id: 'fill-incomplete',
    severity: 'error',
    text: 'An execution said to be the last leaves something open',
    atStep: (order, step) => {
      if (step.action !== 'fill' || isPastEnd(order, step)) return undefined;
      const calculated = openAfter(order, step);
      const said = step.remaining?.value;
      // where both are known and differ, remaining-differs says so
      if (said && calculated && compare(said, calculated) !== 0) return undefined;
      const open = said ?? calculated;
      return found(!!open && compare(open, ZERO) > 0, [step], 'nothing open', `${shown(open)} open`);
    },
  },
  {
    id: 'modified-below-filled',
    severity: 'error',
    text: 'An order is changed to less than was executed of it',
    atStep: (order, step) => {
      if (step.action !== 'modify' || isPastEnd(order, step) || saysWhatIsOpen(step)) return undefined;
      const calculated = openAfter(order, step);
      const { quantity, open } = order;
      if (!calculated || compare(calculated, ZERO) >= 0 || !quantity || !open) return undefined;
      const least = formatDecimal(subtract(quantity, open));
      return finding([step], `a quantity of at least ${least}`, `quantity ${stated(step.quantity)}`);
    },
  },
  {
    id: 'previous-state-differs',
    severity: 'warning',
    text: 'A change begins at another quantity or price than the order had',
    atStep: (order, step) => {
      if (step.action !== 'modify' || isPastEnd(order, step)) return undefined;
      const { quantity, price } = step.before;
      const differences = [
        ...differing('quantity', quantity, [order.quantity, order.open]),
        ...differing('price', price, [order.price]),
      ];
      const expected = differences.map(([wanted]) => wanted).join(', ');
      return found(differences.length > 0, [step], expected, differences.map(([, said]) => said).join(', '));
    },
  },
  // executions and the order as it was at their time, which the end of the life tells
  {
    id: 'fill-of-another-instrument',
    severity: 'error',
    text: 'An execution in another instrument than the order',
    atEnd: (order) => misfitting(order, 'instrument'),
  },
  {
    id: 'fill-of-another-side',
    severity: 'error',
    text: 'An execution on another side than the order',
    atEnd: (order) => misfitting(order, 'side'),
  },
  {
    id: 'fill-beyond-limit',
    severity: 'error',
    text: 'An execution at a worse price than the limit of the order',
    atEnd: (order) => misfitting(order, 'limit'),
  },
  {
    id: 'fill-after-validity',
    severity: 'error',
    text: 'An execution after the order was over by its own validity',
    atEnd: (order) => misfitting(order, 'validity'),
  },
  // the life as a whole
  {
    id: 'fill-without-order',
    severity: 'error',
    text: 'Executions of an order that was never created',
    atEnd: ({ create, firstFill, fills }, { deleted }) => {
      if (create || !firstFill) return undefined;
      return finding([firstFill], 'a create', `none${deleted}; executions: ${fills}`);
    },
  },
  {
    id: 'step-without-order',
    severity: 'warning',
    text: 'Events of an order that was never created, none of them an execution',
    atEnd: ({ create, first, firstFill, steps }, { deleted }) => {
      if (create || firstFill || !first) return undefined;
      return finding([first], 'a create', `none${deleted}; events: ${steps}`);
    },
  },
  {
    id: 'open-at-period-end',
    severity: 'info',
    text: 'At the end of the period the order had not ended',
    atEnd: ({ create, first, end }, { periodEnd }) => {
      const begun = create ?? first;
      if (!begun || begun.time.nanoseconds >= periodEnd) return undefined;
      if (end && end.time.nanoseconds < periodEnd) return undefined;
      const age = formatAge(periodEnd - begun.time.nanoseconds);
      const later = end ? `, then ${end.action} at ${end.timestamp}` : '';
      return finding(end ? [begun, end] : [begun], 'an end in the period', `open for ${age}${later}`);
    },
  },
  // corrections
  {
    id: 'correction-target-unknown',
    severity: 'error',
    text: 'A correction of an event that is not there: it corrects nothing',
    atVainCorrection: (vain) => vainly(vain, 'unknown', 'an earlier event of the order'),
  },
  {
    id: 'correction-target-later',
    severity: 'error',
    text: 'A correction of an event that was recorded after it: it corrects nothing',
    atVainCorrection: (vain) => vainly(vain, 'later', 'an earlier event of the order'),
  },
  {
    id: 'correction-of-another-entity',
    severity: 'error',
    text: 'A correction of an event of another order or entity: it corrects nothing',
    atVainCorrection: (vain) => vainly(vain, 'other-entity', 'an event of the same order'),
  },
  {
    id: 'correction-circle',
    severity: 'error',
    text: 'Corrections that lead back to themselves: they correct nothing',
    atVainCorrection: (vain) => vainly(vain, 'circle', 'corrections that end at an event'),
  },
  {
    id: 'correction-outdated',
    severity: 'error',
    text: 'A correction of a correction that another had taken the place of: it changes nothing',
    atVainCorrection: (vain) => vainly(vain, 'outdated', 'a correction of what holds, or of the event itself'),
  },
];

/** Not a rule of one step like the others: what it finds is looked at by none of them, or it would be told of twice. */
export const DUPLICATE_RULE: LifecycleRule = {
  id: 'duplicate-event',
  severity: 'warning',
  text: 'The same content was recorded before under another event_id; it is counted once',
  atStep: (order, step) => {
    const first = order.seen.get(step.digest);
    return first && finding([step, first], 'one event', 'the same content again');
  },
};

/** Not a rule of one order like the others. */
export const SHARED_EXECUTION_RULE: LifecycleRule = {
  id: 'execution-of-another-order',
  severity: 'warning',
  text: 'An execution with the execution_id that the same source gave to one of another order on that day',
};

/** Every rule there is, for lists and parameters. */
export const ALL_RULES: readonly LifecycleRule[] = [DUPLICATE_RULE, SHARED_EXECUTION_RULE, ...LIFECYCLE_RULES];

/** By the order of recording. */
function misfitting({ terms }: OrderSoFar, wanted: Misfit): readonly Finding[] {
  return terms
    .misfits()
    .filter(({ place, misfit }) => misfit === wanted && !(misfit === 'validity' && place.isPastEnd))
    .map(({ place: { sequence, event_id }, expected, found: says }) =>
      finding([{ sequence, event_id }], expected, says),
    );
}

function finding(events: readonly EventPlace[], expected: string, says: string): Finding {
  return { events, expected, found: says };
}

function found(isSo: boolean, events: readonly EventPlace[], expected: string, says: string): Finding | undefined {
  return isSo ? finding(events, expected, says) : undefined;
}

function vainly(
  { correction, names, why, target }: VainCorrection | OutdatedCorrection,
  wanted: (VainCorrection | OutdatedCorrection)['why'],
  expected: string,
): Finding | undefined {
  const events = target && target.event_id !== correction.event_id ? [correction, target] : [correction];
  return found(why === wanted, events, expected, `corrects ${names}`);
}

/** Whether an execution is of more than is open; not asked once the order has ended. */
function isOverFill(order: OrderSoFar, step: Step): boolean {
  if (!isFill(step) || isPastEnd(order, step) || !executedQuantity(step)) return false;
  const open = openAfter(order, step);
  return open !== undefined && compare(open, ZERO) < 0;
}

function differing(
  name: string,
  said: StatedNumber | undefined,
  known: readonly (Decimal | undefined)[],
): [expected: string, found: string][] {
  const value = said?.value;
  const [first] = known;
  if (!value || !first || known.some((each) => each && compare(each, value) === 0)) return [];
  return [[`${name} ${formatDecimal(first)}`, `${name} ${stated(said)}`]];
}

function stated(value: StatedNumber | undefined): string {
  return value ? shortened(value.text) : 'nothing';
}

const NANOSECONDS = 1_000_000_000n;

/** Whole seconds, ISO 8601: P3DT4H0M1S. */
function formatAge(nanoseconds: bigint): string {
  const seconds = nanoseconds / NANOSECONDS;
  const [days, hours, minutes] = [seconds / 86_400n, (seconds / 3_600n) % 24n, (seconds / 60n) % 60n];
  return `P${days}DT${hours}H${minutes}M${seconds % 60n}S`;
}
