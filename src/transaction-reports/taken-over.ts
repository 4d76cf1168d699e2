import { compare, formatDecimal, ZERO, type Decimal } from '../reports/decimal.js';
import type { FactName } from '../reports/regimes/regime.js';
import { DECIDED_BY_THE_LATER, clientNamedOtherwise, isOfAnother } from '../reports/subjects.js';
import { partsIn, totalOf } from './allocation-list.js';
import { type HeldContent, type HeldFill, isExecution, isBeforehand } from './held-content.js';
import { type Unlike, isPositive } from './open-executions.js';
import type { Stated } from './trace.js';
import { type TransmissionThen, wentToAnother, transmissionTo, changeIn } from './transmission.js';

/** What was known of an order at a sequence: the latest that was stated by name, and the last execution. */
export interface KnownThen {
  facts: ReadonlyMap<FactName, Stated>;
  /** Not one that allocates itself; of no account to executions. */
  lastFill: LastFill | undefined;
  /** Whether another order had the id before, and executions of it for several clients are not allocated. */
  isFormerOpen: boolean;
}

/** The last execution, and how its order was transmitted. */
type LastFill = HeldFill &
  TransmissionThen & {
    /** what was known of the order before it */
    facts: ReadonlyMap<FactName, Stated>;
    /** in what the executions since the allocation before are not alike */
    unlike: Unlike;
    /** whether all of them were for several clients, or for none that was named by then */
    isForSeveral: boolean;
    /** what was executed and is not allocated; undefined where a quantity is not known */
    left: Decimal | undefined;
    /** actions of corrections that do not say what became of those before it */
    undecided: readonly string[];
  };

/** By what an execution says where it took place. */
const OF_PLACE: readonly FactName[] = ['segment_mic', 'exchange'];

/** What holds for the execution that states it alone, and is not taken over by the next one. */
export const OF_ONE_EXECUTION: ReadonlySet<FactName> = new Set<FactName>([
  ...(['price', 'price_absent', 'quantity', 'remaining_quantity', 'execution_id', 'execution_time'] as const),
  ...(['venue_transaction_id', 'waivers', 'otc_flags', 'net_amount', 'accrued_interest', 'upfront_payment'] as const),
  ...(['upfront_payment_currency', 'notional_change', 'complex_trade_id', 'counterparty_id', 'allocations'] as const),
  ...(['transaction_nature', 'sftr_exempt', 'short_sale', 'firm_short_sale', 'executing_entity'] as const),
  ...(['trading_capacity', 'currency', 'order_receiver'] as const),
  ...OF_PLACE,
  'central_counterparty',
]);

/** What an execution or allocation states itself; where an allocation was, the execution says. */
export function ownFacts(held: HeldContent, { lastFill }: KnownThen): ReadonlyMap<FactName, Stated> {
  const facts = held.stated?.facts ?? new Map<FactName, Stated>();
  if (isExecution(held) || !lastFill) return facts;
  return new Map([...facts].filter(([name]) => !OF_PLACE.includes(name) && name !== 'central_counterparty'));
}

/**
 * What an execution or allocation takes over of its order: what was known then, but of where it took place nothing where
 * it says that itself, and nothing that was said of another instrument, client or decision maker than it names. An
 * allocation is of the last execution, with all that this says of itself, as the order was then.
 */
export function takenOver(held: HeldContent, known: KnownThen): ReadonlyMap<FactName, Stated> {
  const { lastFill } = known;
  const isAllocation = !isExecution(held) && lastFill !== undefined;
  const facts = isAllocation ? knownToAllocation(known.facts, lastFill) : known.facts;
  const taken = new Map(facts);
  const dropOfOthers = (own: ReadonlyMap<FactName, Stated>): void => {
    const before = new Map(taken);
    for (const [name, stated] of before) {
      if (own.has(name)) continue;
      const same = whereOfTheSame(name, stated, own, (each) => before.get(each));
      if (same) taken.set(name, same);
      else taken.delete(name);
    }
  };
  if (isAllocation) {
    dropOfOthers(lastFill.stated.facts);
    for (const [name, stated] of lastFill.stated.facts) if (!OF_ONE_EXECUTION.has(name)) taken.set(name, stated);
  }
  dropOfOthers(ownFacts(held, known));
  const fill = isExecution(held) ? held : lastFill;
  if (!fill) return taken;
  const { transmission, receiver } = fill === lastFill ? lastFill : transmissionTo(fill, facts.get('transmission'));
  if (transmission && !wentToAnother(fill, receiver ?? facts.get('order_receiver')))
    taken.set('transmission', transmission);
  else taken.delete('transmission');
  if (receiver) taken.set('order_receiver', receiver);
  const own = fill.stated.facts;
  const place = (of: ReadonlyMap<FactName, Stated>) => OF_PLACE.map((name) => of.get(name)).find((each) => each);
  if (place(own)) {
    for (const name of OF_PLACE) taken.delete(name);
    // one that was named for another venue, or another segment of the same
    const [there, ccp] = [place(facts)?.text, facts.get('central_counterparty')];
    if (place(own)!.text !== there) taken.delete('central_counterparty');
    if (place(own)!.text !== there && there !== undefined && ccp)
      taken.set('central_counterparty', { ...ccp, namedAt: there });
  }
  for (const name of OF_ONE_EXECUTION) {
    const stated = name === 'allocations' ? undefined : own.get(name);
    if (stated) taken.set(name, stated);
  }
  return taken;
}

/** What was known of the order when it was executed; and of what nothing was known then, what was said of the same since. */
function knownToAllocation(
  now: ReadonlyMap<FactName, Stated>,
  { facts: then, isForSeveral }: LastFill,
): ReadonlyMap<FactName, Stated> {
  const known = new Map(now);
  for (const [name, stated] of now) {
    if (then.has(name)) continue;
    // of a client who is named since, while the parts say whose they are
    const isOfClient = isForSeveral && name.startsWith('client_');
    // whose an execution is, what it is, where, and to whom it was sent: said later, it is of the rest
    const isOfTheRest = OF_ONE_EXECUTION.has(name) || name === 'transmission';
    const same = isOfClient || isOfTheRest ? undefined : whereOfTheSame(name, stated, then, (each) => now.get(each));
    if (same) known.set(name, same);
    else known.delete(name);
  }
  for (const [name, stated] of then) known.set(name, stated);
  return known;
}

/** What was known by a name, after an event that does not state it: nothing, where that names another one of whom it was said. */
export function whereOfTheSame(
  name: FactName,
  before: Stated,
  own: ReadonlyMap<FactName, Stated> | undefined,
  known: (name: FactName) => Stated | undefined,
): Stated | undefined {
  if (isOfAnother(name, own, known)) return undefined;
  const client = before.saidOf === undefined ? clientNamedOtherwise(name, own, known) : undefined;
  return client === undefined ? before : { ...before, saidOf: client };
}

/** Whether the same is known by both. */
export function saysTheSame(a: KnownThen['facts'], b: KnownThen['facts']): boolean {
  return a.size === b.size && [...a].every(([name, stated]) => isSaidAgain(stated, b.get(name)));
}

/** Whether both say the same, also of when a transmission changed, and of what held before. */
export function isSaidAgain(a: Stated | undefined, b: Stated | undefined): boolean {
  if (a && DECIDED_BY_THE_LATER.has(a.name) && a.sequence !== b?.sequence) return false;
  return a?.text === b?.text && a?.saidOf === b?.saidOf && changeIn(a)?.meaning === changeIn(b)?.meaning;
}

/** What an allocation comes to where that is more than what was executed and not allocated before, and that; as texts. */
export function overAllocationBy(held: HeldContent, { lastFill }: KnownThen): OverAllocation | undefined {
  const stated = held.stated?.facts.get('allocations');
  if (isExecution(held) || !stated || !lastFill?.left) return undefined;
  if (isBeforehand(held.stated!.content)) return undefined;
  const total = totalOf(partsIn(stated.text));
  if (compare(total, lastFill.left) <= 0) return undefined;
  return { allocated: formatDecimal(total), executed: formatDecimal(isPositive(lastFill.left) ? lastFill.left : ZERO) };
}

export interface OverAllocation {
  allocated: string;
  executed: string;
}
