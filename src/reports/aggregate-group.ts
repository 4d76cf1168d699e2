import type { JsonObject, JsonValue } from '../integrity/canonical-json.js';
import { contentOf, type StoredRow } from '../integrity/stored-event.js';
import type { TermName } from '../vocabulary/order-vocabulary.js';
import { cellOf } from './cell.js';
import { add, compare, multiply, parseDecimal, subtract, ZERO, type Decimal } from './decimal.js';
import { factsOf } from './order-facts.js';
import { isCopy } from './order-members.js';
import { FILLS, type FactName } from './regimes/regime.js';
import { ORDER_LIFECYCLE, type OrderLife } from './whole-lives.js';

/** What of an execution went to whom, as one event states it. */
export interface Allocation {
  orderId: string;
  client: string | null;
  account: string | null;
  quantity: string | null;
  price: string | null;
  event: Pick<StoredRow, 'event_id' | 'sequence'>;
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
}

/** Reads an order along its life. Throws DamagedRowError. */
export async function groupOrder(life: OrderLife): Promise<GroupOrder> {
  const facts = new Map<FactName, string>();
  const allocations: Allocation[] = [];
  let executed: Decimal | undefined = ZERO;
  let value: Decimal | undefined = ZERO;
  for await (const event of life.events()) {
    if (event.kind === 'correction' || event.stated.action === 'void') continue;
    const { action, event_type: type, timestamp, new_state, metadata } = contentOf(event.stated);
    if (type !== ORDER_LIFECYCLE) continue;
    if (isCopy({ metadata })) continue;
    const own = factsOf(action, timestamp, new_state, metadata);
    for (const [name, text] of own) facts.set(name, text);
    if (FILLS.includes(action)) {
      const [quantity, price] = [decimalOf(own.get('quantity')), decimalOf(own.get('price'))];
      executed = executed && quantity && add(executed, quantity);
      value = value && quantity && price && add(value, multiply(quantity, price));
    }
    allocations.push(...allocationsOf(life.orderId, metadata.allocations, event.stated));
  }
  const aggregate: (readonly [TermName, string])[] = [
    ['aggregated', 'true'],
    ['client_id_type', 'aggregated'],
    ['client_id_type', 'pending_allocation'],
  ];
  const isAggregate = allocations.length > 0 || aggregate.some(([name, text]) => facts.get(name) === text);
  return { orderId: life.orderId, facts, isAggregate, executed, value, allocations };
}

/** Of a value that is no list of objects, one allocation of which nothing is known. */
function allocationsOf(orderId: string, value: JsonValue | undefined, row: StoredRow): Allocation[] {
  if (cellOf(value) === null) return [];
  const event = { event_id: row.event_id, sequence: row.sequence };
  return (Array.isArray(value) ? value : [null]).map((each) => {
    const members: JsonObject = each !== null && typeof each === 'object' && !Array.isArray(each) ? each : {};
    const text = (name: string): string | null => (Object.hasOwn(members, name) ? cellOf(members[name]) : null);
    return {
      ...{ orderId, client: text('client_id'), account: text('account') },
      ...{ quantity: text('quantity'), price: text('price'), event },
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

/** Adds up a group of at least one order. */
export function sumsOf(orders: readonly GroupOrder[]): GroupSums {
  const aggregates = orders.filter(({ isAggregate }) => isAggregate);
  const clientOrders = orders.filter(({ isAggregate }) => !isAggregate);
  const executing = aggregates.length > 0 ? aggregates : clientOrders;
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
  if (valueDiffers(executing, allocations, executed, allocated)) found.push('value-differs');
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
  return [...new Set(names)].sort().map((client) => {
    const orders = clientOrders.filter(({ facts }) => facts.get('client_id') === client);
    const own = allocations.filter((allocation) => allocation.client === client);
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

/**
 * Whether what was allocated is worth something else than what was executed, although the quantities are the same. An
 * allocation's price may be an average, so each may be off by half of its last digit.
 */
function valueDiffers(
  executing: readonly GroupOrder[],
  allocations: readonly Allocation[],
  executed: Decimal | undefined,
  allocated: Decimal | undefined,
): boolean {
  const value = sum(executing.map((order) => order.value));
  if (!value || !executed || !allocated || allocations.length === 0 || compare(executed, allocated) !== 0) return false;
  let difference = value;
  let rounding = ZERO;
  for (const { quantity, price } of allocations) {
    const [q, p] = [decimalOf(quantity), decimalOf(price)];
    if (!q || !p) return false;
    difference = subtract(difference, multiply(q, p));
    rounding = add(rounding, multiply(absolute(q), { unscaled: 5n, scale: p.scale + 1 }));
  }
  return compare(absolute(difference), rounding) > 0;
}

function absolute({ unscaled, scale }: Decimal): Decimal {
  return { unscaled: unscaled < 0n ? -unscaled : unscaled, scale };
}

function sum(parts: readonly (Decimal | undefined)[]): Decimal | undefined {
  return parts.reduce((all, part) => all && part && add(all, part), ZERO);
}
