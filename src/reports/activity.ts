import { VOCABULARY_VERSION } from '../vocabulary/order-vocabulary.js';
import { add, divide, formatDecimal, parseDecimal, subtract, ZERO, type Decimal } from './decimal.js';
import { grouped } from './grouped.js';
import { clientOf, factAt, heldEvents, userOf, type HeldEvent } from './held-events.js';
import { FILLS, type FactName } from './regimes/regime.js';
import { defineReport } from './report.js';

/** What activity is counted by, and the name whose value at an event says it; of a user the event itself. */
const BY = {
  algorithm: 'execution_decision_maker',
  investment_decision_maker: 'investment_decision_maker',
  desk: 'desk',
  client: 'client_id',
  venue: 'exchange',
  /** where there is none, by ISIN */
  instrument: 'symbol',
  user: undefined,
} as const satisfies Readonly<Record<string, FactName | undefined>>;

type By = keyof typeof BY;

/** Pairs of a group and an instrument that are counted apart: some 20 MB. The rest share a row. */
const MOST_TALLIES = 50_000;
const OTHERS = '(others)';
/** Digits of ratios after the point. */
const RATIO_DIGITS = 4;

/** What was counted of a group in an instrument. */
interface Tally {
  group: string | null;
  instrument: string | null;
  isin: string | null;
  orders: number;
  modifications: number;
  cancels: number;
  expiries: number;
  rejects: number;
  executions: number;
  others: number;
  /** what counts as orders in RTS 9 */
  messages: number;
  /** quantities of orders, and of modifications what the order's is after each */
  submitted: Decimal;
  ordered: Decimal;
  executed: Decimal;
  unread: number;
}

export const activity = defineReport({
  name: 'activity',
  version: 2,
  tables: [{ name: 'order-vocabulary', version: String(VOCABULARY_VERSION) }],
  title: 'Activity',
  question: 'Who did how much: orders, changes, cancels and executions, and how many orders for each execution?',
  parameters: [
    {
      name: 'by',
      description: `What is counted apart: ${Object.keys(BY).join(', ')}`,
      example: 'algorithm',
      required: true,
      mistake: (value) =>
        Object.hasOwn(BY, value) ? undefined : { rule: 'one-of', rest: `must be one of ${Object.keys(BY).join(', ')}` },
    },
  ],
  columns: [
    { name: 'group', description: 'whose activity, by the parameter by; empty where nothing says it' },
    { name: 'instrument', description: 'new_state.symbol, looked up; empty in rows of all instruments' },
    { name: 'isin', description: 'new_state.isin, looked up; what differs in it is counted apart' },
    { name: 'level', description: 'instrument, or all: the group in all instruments, without quantities' },
    { name: 'orders', description: 'create' },
    { name: 'modifications', description: 'modify' },
    { name: 'cancels', description: 'cancel' },
    { name: 'expiries', description: 'expire' },
    { name: 'rejects', description: 'reject' },
    { name: 'executions', description: 'fill and partial_fill' },
    { name: 'others', description: 'all other actions' },
    { name: 'ordered_quantity', description: 'sum of the quantities of orders' },
    { name: 'executed_quantity', description: 'sum of the quantities of executions' },
    { name: 'unread_quantities', description: 'events whose quantity is missing or no decimal: in no sum' },
    { name: 'cancel_ratio', description: 'cancels for each order' },
    {
      name: 'messages',
      description: 'orders as RTS 9 counts them: 1 a create, 2 a modify, 1 a cancel, none of them by the venue',
    },
    { name: 'order_to_trade_number', description: 'messages for each execution, less 1 (RTS 9, Article 3(1)(b))' },
    {
      name: 'order_to_trade_volume',
      description: 'quantity of orders and of modified orders for each executed, less 1 (RTS 9, Article 3(1)(a))',
    },
  ],
  async *rows(run) {
    const tallies = new Tallies();
    const tallyOf = (event: HeldEvent): Tally =>
      tallies.of(groupOf(event, run.parameters.by as By), factAt(event, 'symbol'), factAt(event, 'isin'));
    for await (const page of heldEvents(run)) {
      for (const event of page) count(tallyOf(event), event);
    }
    const all = tallies.sorted();
    for (const ofGroup of grouped(all, ({ group }) => group).values()) {
      yield* ofGroup.map((tally) => rowOf(tally, 'instrument'));
      if (run.parameters.by !== 'instrument') yield rowOf(together(ofGroup), 'all');
    }
  },
});

function groupOf(event: HeldEvent, by: By): string | null {
  const name = BY[by];
  if (name === undefined) return userOf(event);
  if (name === 'client_id') return clientOf(event);
  return factAt(event, name) ?? (name === 'symbol' ? factAt(event, 'isin') : null);
}

function count(tally: Tally, event: HeldEvent): void {
  const { action } = event.content;
  const isByVenue = event.own.get('initiated_by')?.startsWith('venue_') === true;
  const quantity = (text: string | null | undefined): Decimal => {
    const value = text === null || text === undefined ? undefined : parseDecimal(text);
    if (!value) tally.unread += 1;
    return value ?? ZERO;
  };
  if (FILLS.includes(action)) {
    tally.executions += 1;
    tally.executed = add(tally.executed, quantity(event.own.get('quantity')));
  } else if (action === 'create') {
    tally.orders += 1;
    if (!isByVenue) tally.messages += 1;
    const ordered = quantity(event.own.get('order_quantity'));
    tally.ordered = add(tally.ordered, ordered);
    if (!isByVenue) tally.submitted = add(tally.submitted, ordered);
  } else if (action === 'modify') {
    tally.modifications += 1;
    if (isByVenue) return;
    tally.messages += 2;
    tally.submitted = add(tally.submitted, quantity(factAt(event, 'order_quantity')));
  } else if (action === 'cancel') {
    tally.cancels += 1;
    if (!isByVenue) tally.messages += 1;
  } else if (action === 'expire') tally.expiries += 1;
  else if (action === 'reject') tally.rejects += 1;
  else tally.others += 1;
}

function rowOf(tally: Tally, level: 'instrument' | 'all') {
  const { group, instrument, isin, orders, modifications, cancels, expiries, rejects, executions, others } = tally;
  const withQuantities = level === 'instrument' && instrument !== OTHERS;
  const number = (value: number): Decimal => ({ unscaled: BigInt(value), scale: 0 });
  return {
    ...{ group, instrument, isin, level, orders: String(orders), modifications: String(modifications) },
    ...{ cancels: String(cancels), expiries: String(expiries), rejects: String(rejects) },
    ...{ executions: String(executions), others: String(others) },
    ordered_quantity: withQuantities ? formatDecimal(tally.ordered) : null,
    executed_quantity: withQuantities ? formatDecimal(tally.executed) : null,
    unread_quantities: String(tally.unread),
    cancel_ratio: ratio(number(cancels), number(orders)),
    messages: String(tally.messages),
    order_to_trade_number: ratio(subtract(number(tally.messages), number(executions)), number(executions)),
    order_to_trade_volume:
      withQuantities && tally.unread === 0 ? ratio(subtract(tally.submitted, tally.executed), tally.executed) : null,
  };
}

/** With four digits after the point at most; null of nothing. */
function ratio(dividend: Decimal, divisor: Decimal): string | null {
  return divisor.unscaled === 0n ? null : formatDecimal(divide(dividend, divisor, RATIO_DIGITS));
}

function newTally(group: string | null, instrument: string | null, isin: string | null): Tally {
  return {
    ...{ group, instrument, isin, orders: 0, modifications: 0, cancels: 0, expiries: 0, rejects: 0, executions: 0 },
    ...{ others: 0, messages: 0, submitted: ZERO, ordered: ZERO, executed: ZERO, unread: 0 },
  };
}

/** Of one group, its counts. */
function together(tallies: readonly Tally[]): Tally {
  const all = newTally(tallies[0]!.group, null, null);
  for (const tally of tallies) {
    for (const name of ['orders', 'modifications', 'cancels', 'expiries', 'rejects'] as const) all[name] += tally[name];
    for (const name of ['executions', 'others', 'messages', 'unread'] as const) all[name] += tally[name];
  }
  return all;
}

class Tallies {
  private readonly byKey = new Map<string, Tally>();

  of(group: string | null, instrument: string | null, isin: string | null): Tally {
    const key = JSON.stringify([group, instrument, isin]);
    const known = this.byKey.get(key);
    if (known) return known;
    if (this.byKey.size >= MOST_TALLIES && group !== OTHERS) return this.of(OTHERS, OTHERS, null);
    const tally = newTally(group, instrument, isin);
    this.byKey.set(key, tally);
    return tally;
  }

  /** By group and instrument, nothing first. */
  sorted(): Tally[] {
    return [...this.byKey.values()].sort(
      (a, b) =>
        compareTexts(a.group, b.group) || compareTexts(a.instrument, b.instrument) || compareTexts(a.isin, b.isin),
    );
  }
}

function compareTexts(a: string | null, b: string | null): number {
  if (a === null || b === null) return Number(b === null) - Number(a === null);
  return a < b ? -1 : Number(a > b);
}
