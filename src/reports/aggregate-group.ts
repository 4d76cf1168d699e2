import type { JsonObject, JsonValue } from '../integrity/canonical-json.js';
import { contentOf, type StoredRow } from '../integrity/stored-event.js';
import type { TermName } from '../vocabulary/order-vocabulary.js';
import { cellOf } from './cell.js';
import { add, compare, multiply, parseDecimal, subtract, ZERO, type Decimal } from './decimal.js';
import { lastVersions, type LastVersions } from './correction-story.js';
import type { EventPlace } from './event-place.js';
import { factsOf } from './order-facts.js';
import { grouped } from './grouped.js';
import { isCopy } from './order-members.js';
import { compareTimes, instantAt, justAfter, keyOfRow, type TimeKey } from './periods.js';
import { FILLS, type FactName } from './regimes/regime.js';
import type { Period } from './report.js';
import { OF_NO_NAMED_CLIENT } from './subjects.js';
import { ORDER_LIFECYCLE, type OrderLife } from './whole-lives.js';

/** What of an execution went to whom, as one event states it. */
export interface Allocation {
  orderId: string;
  client: string | null;
  account: string | null;
  quantity: string | null;
  price: string | null;
  event: EventPlace;
  versions: LastVersions;
}

/** An order of a group, as it stands at the end of its life; corrected. */
export interface GroupOrder {
  orderId: string;
  facts: ReadonlyMap<FactName, string>;
  isAggregate: boolean;
  /** quantities of its executions; undefined where one cannot be read */
  executed: Decimal | undefined;
  /** quantities times prices; undefined where one cannot be read */
  value: Decimal | undefined;
  allocations: readonly Allocation[];
  /** from its first event to its last, by event time; without copies */
  life: Period | undefined;
}

/** Reads an order along its life. Throws DamagedRowError. */
export async function groupOrder(life: OrderLife): Promise<GroupOrder> {
  const facts = new Map<FactName, string>();
  const allocations: Allocation[] = [];
  let executed: Decimal | undefined = ZERO;
  let value: Decimal | undefined = ZERO;
  let [first, last]: TimeKey[] = [];
  for await (const event of life.events()) {
    if (event.kind === 'correction' || event.stated.action === 'void') continue;
    const { action, event_type: type, timestamp, new_state, metadata } = contentOf(event.stated);
    if (type !== ORDER_LIFECYCLE) continue;
    if (isCopy({ metadata })) continue;
    const at = keyOfRow(event.stated);
    if (!first || compareTimes(at, first) < 0) first = at;
    if (!last || compareTimes(at, last) > 0) last = at;
    const own = factsOf(action, timestamp, new_state, metadata);
    for (const [name, text] of own) facts.set(name, text);
    if (FILLS.includes(action)) {
      const [quantity, price] = [decimalOf(own.get('quantity')), decimalOf(own.get('price'))];
      executed = executed && quantity && add(executed, quantity);
      value = value && quantity && price && add(value, multiply(quantity, price));
    }
    allocations.push(...allocationsOf(life.orderId, metadata.allocations, event.stated, event.versions));
  }
  const aggregate: (readonly [TermName, string])[] = [
    ['aggregated', 'true'],
    ['client_id_type', 'aggregated'],
    ['client_id_type', 'pending_allocation'],
  ];
  const isAggregate = allocations.length > 0 || aggregate.some(([name, text]) => facts.get(name) === text);
  const span = first && last ? { from: instantAt(first), to: justAfter(last) } : undefined;
  return { orderId: life.orderId, facts, isAggregate, executed, value, allocations, life: span };
}

/** Of a value that is no list of objects, one allocation of which nothing is known. */
function allocationsOf(
  orderId: string,
  value: JsonValue | undefined,
  row: StoredRow,
  held: readonly StoredRow[],
): Allocation[] {
  const versions = lastVersions(held);
  if (cellOf(value) === null) return [];
  const event = { event_id: row.event_id, sequence: row.sequence };
  return (Array.isArray(value) ? value : [null]).map((each) => {
    const members: JsonObject = each !== null && typeof each === 'object' && !Array.isArray(each) ? each : {};
    const text = (name: string): string | null => (Object.hasOwn(members, name) ? cellOf(members[name]) : null);
    return {
      ...{ orderId, client: text('client_id'), account: text('account') },
      ...{ quantity: text('quantity'), price: text('price'), event, versions },
    };
  });
}

export function decimalOf(text: string | null | undefined): Decimal | undefined {
  return text === null || text === undefined ? undefined : parseDecimal(text);
}

/** What one client ordered and got. */
export interface ClientShare {
  client: string;
  /** of client orders; undefined where one cannot be read */
  ordered: Decimal | undefined;
  /** executions on the client orders themselves; undefined where one cannot be read */
  executed: Decimal | undefined;
  /** undefined where one cannot be read */
  allocated: Decimal | undefined;
  hasOrder: boolean;
  hasAllocation: boolean;
}

/** A group and what is said of it. */
export interface GroupSums {
  executed: Decimal | undefined;
  allocated: Decimal | undefined;
  /** what was allocated less what the aggregates executed; undefined without aggregates */
  difference: Decimal | undefined;
  clients: readonly ClientShare[];
  verdict: 'adds-up' | 'does-not-add-up' | 'open' | 'undecided';
  /** what does not add up, each a name and what it is about */
  found: readonly string[];
}

/** The orders of a group by what they are to it. */
export interface GroupParts {
  clientOrders: readonly GroupOrder[];
  aggregates: readonly GroupOrder[];
  /** orders in which an aggregate went to the market, and those in which these did */
  slices: readonly GroupOrder[];
}

/** Whether an order may be a slice of another: it names that as its parent, and no client. */
export function mayBeSlice({ facts }: GroupOrder): boolean {
  const isOfClient = facts.has('client_id') && !OF_NO_NAMED_CLIENT.includes(facts.get('client_id_type') ?? '');
  return facts.has('parent_order_id') && !isOfClient;
}

/** Parts orders by what they are to their group; in their order. */
export function partsOf(orders: readonly GroupOrder[]): GroupParts {
  const byId = new Map(orders.map((order) => [order.orderId, order]));
  const isSlice = (order: GroupOrder): boolean => {
    let isOfAggregate = false;
    const seen = new Set<GroupOrder>();
    for (let at: GroupOrder | undefined = order; at && mayBeSlice(at);) {
      if (seen.has(at)) return false; // in a circle none is the whole
      seen.add(at);
      at = byId.get(at.facts.get('parent_order_id')!);
      isOfAggregate ||= at?.isAggregate ?? false;
    }
    return isOfAggregate;
  };
  const slices = orders.filter(isSlice);
  const others = orders.filter((order) => !slices.includes(order));
  return {
    clientOrders: others.filter(({ isAggregate }) => !isAggregate),
    aggregates: others.filter(({ isAggregate }) => isAggregate),
    slices,
  };
}

/** Adds up a group of at least one order. `tolerance`: as far as prices may be from those of the executions. */
export function sumsOf({ clientOrders, aggregates, slices }: GroupParts, tolerance?: Decimal): GroupSums {
  const orders = [...clientOrders, ...aggregates, ...slices];
  const executing = aggregates.length > 0 ? [...aggregates, ...slices] : clientOrders;
  const allocations = orders.flatMap((order) => order.allocations);
  const executed = sum(executing.map((order) => order.executed));
  const allocated = sum(allocations.map(({ quantity }) => decimalOf(quantity)));
  const clients = sharesOf(clientOrders, allocations);
  const found: string[] = [];
  const difference = aggregates.length > 0 && executed && allocated ? subtract(allocated, executed) : undefined;
  if (difference && difference.unscaled < 0n) {
    found.push(allocations.length === 0 ? 'not-allocated' : 'under-allocated');
  }
  if (difference && difference.unscaled > 0n) found.push('over-allocated');
  if (aggregates.length === 0 && executed?.unscaled !== 0n) found.push('no-aggregate');
  if (allocations.some(({ client }) => client === null)) found.push('allocation-without-client');
  for (const share of clients) found.push(...findingsOf(share, clientOrders.length > 0, allocations.length > 0));
  const stated = [...new Set(aggregates.flatMap(({ facts }) => facts.get('aggregated_clients') ?? []))];
  for (const count of stated) {
    if (clients.length > 0 && count !== String(clients.length)) found.push(`clients-differ ${count}`);
  }
  found.push(...otherTerms(executing, orders));
  if (executed && allocated && allocations.length > 0 && compare(executed, allocated) === 0) {
    const value = sum(executing.map((order) => order.value));
    if (value && valueDiffers(value, allocations, executed, tolerance)) found.push('value-differs');
    if (value && tolerance) found.push(...pricesThatDiffer(clients, allocations, { executed, value, tolerance }));
  }
  const isUnreadable = !executed || !allocated || clients.some(({ ordered }) => !ordered);
  if (isUnreadable) found.push('unreadable-quantity');
  const isOpen = executed?.unscaled === 0n && allocations.length === 0;
  const verdict = isUnreadable ? 'undecided' : found.length > 0 ? 'does-not-add-up' : isOpen ? 'open' : 'adds-up';
  return { executed, allocated, difference, clients, verdict, found };
}

function findingsOf(share: ClientShare, hasClientOrders: boolean, hasAllocations: boolean): string[] {
  const { client, ordered, executed, allocated } = share;
  const found: string[] = [];
  if (hasClientOrders && !share.hasOrder) found.push(`client-without-order ${client}`);
  if (hasAllocations && !share.hasAllocation) found.push(`client-without-allocation ${client}`);
  if (!share.hasOrder || !share.hasAllocation || !allocated) return found;
  if (ordered && compare(allocated, ordered) > 0) found.push(`more-than-ordered ${client}`);
  if (executed && executed.unscaled !== 0n && compare(allocated, executed) !== 0) {
    found.push(`executed-differs ${client}`);
  }
  return found;
}

function sharesOf(clientOrders: readonly GroupOrder[], allocations: readonly Allocation[]): ClientShare[] {
  const ofOrders = clientOrders.map(({ facts }) => facts.get('client_id'));
  const names = [...ofOrders, ...allocations.map(({ client }) => client)].filter((name) => typeof name === 'string');
  const ordersOf = grouped(clientOrders, ({ facts }) => facts.get('client_id'));
  const allocationsTo = grouped(allocations, ({ client }) => client);
  return [...new Set(names)].sort().map((client) => {
    const [orders, own] = [ordersOf.get(client) ?? [], allocationsTo.get(client) ?? []];
    return {
      client,
      ordered: sum(orders.map(({ facts }) => decimalOf(facts.get('order_quantity')))),
      executed: sum(orders.map((order) => order.executed)),
      allocated: sum(own.map(({ quantity }) => decimalOf(quantity))),
      hasOrder: orders.length > 0,
      hasAllocation: own.length > 0,
    };
  });
}

/** Orders with another side or instrument than the first that executes and has one. */
function otherTerms(executing: readonly GroupOrder[], orders: readonly GroupOrder[]): string[] {
  const of = (name: FactName, { facts }: GroupOrder): string | undefined => facts.get(name);
  const side = executing.map((order) => of('side', order)).find((each) => each !== undefined);
  const [first] = executing.filter((order) => of('isin', order) ?? of('symbol', order));
  const isOther = (name: FactName, order: GroupOrder): boolean => {
    const [wanted, own] = [first && of(name, first), of(name, order)];
    return wanted !== undefined && own !== undefined && wanted !== own;
  };
  const otherSide = orders.filter((order) => side !== undefined && (of('side', order) ?? side) !== side);
  const otherInstrument = orders.filter((order) =>
    isOther(first && of('isin', first) && of('isin', order) ? 'isin' : 'symbol', order),
  );
  return [
    ...otherSide.map(({ orderId }) => `side-differs ${orderId}`),
    ...otherInstrument.map(({ orderId }) => `instrument-differs ${orderId}`),
  ];
}

/**
 * Whether what was allocated is worth something else than what was executed, of the same quantity. An allocation's price
 * may be an average, so each may be off by half of its last digit, or by the tolerance where that is more.
 */
function valueDiffers(
  value: Decimal,
  allocations: readonly Allocation[],
  executed: Decimal,
  tolerance: Decimal | undefined,
): boolean {
  const given = valueOf(allocations);
  if (!given) return false;
  const rounding = allocations.reduce((all, { quantity, price }) => {
    const [q, p] = [decimalOf(quantity)!, decimalOf(price)!];
    return add(all, multiply(absolute(q), { unscaled: 5n, scale: p.scale + 1 }));
  }, ZERO);
  const difference = absolute(subtract(value, given));
  return compare(difference, rounding) > 0 && !(tolerance && compare(difference, multiply(tolerance, executed)) <= 0);
}

/** Clients that paid, on average, another price than was executed on average, by more than the tolerance. */
function pricesThatDiffer(
  clients: readonly ClientShare[],
  allocations: readonly Allocation[],
  { executed, value, tolerance }: { executed: Decimal; value: Decimal; tolerance: Decimal },
): string[] {
  const allocationsTo = grouped(allocations, ({ client }) => client);
  return clients.flatMap(({ client, allocated }) => {
    const paid = valueOf(allocationsTo.get(client) ?? []);
    if (!paid || !allocated || compare(allocated, ZERO) <= 0 || compare(executed, ZERO) <= 0) return [];
    // paid / allocated and value / executed, both times both quantities
    const difference = absolute(subtract(multiply(paid, executed), multiply(value, allocated)));
    const allowed = multiply(tolerance, multiply(executed, allocated));
    return compare(difference, allowed) > 0 ? [`price-differs ${client}`] : [];
  });
}

/** Quantities times prices; undefined where one cannot be read. */
function valueOf(allocations: readonly Allocation[]): Decimal | undefined {
  return sum(
    allocations.map(({ quantity, price }) => {
      const [q, p] = [decimalOf(quantity), decimalOf(price)];
      return q && p && multiply(q, p);
    }),
  );
}

function absolute({ unscaled, scale }: Decimal): Decimal {
  return { unscaled: unscaled < 0n ? -unscaled : unscaled, scale };
}

function sum(parts: readonly (Decimal | undefined)[]): Decimal | undefined {
  return parts.reduce((all, part) => all && part && add(all, part), ZERO);
}
