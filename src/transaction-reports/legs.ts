import { readJson, type JsonObject } from '../integrity/strict-json.js';
import { cellOf } from '../reports/cell.js';
import { clientIdOf, isAggregate, type Execution } from './execution.js';
import { allocationsOf, isFill } from './transactions.js';

/** Who is on a side of a transaction. */
export type Role =
  /** the executing entity */
  | { is: 'firm' }
  /** INTC */
  | { is: 'aggregate' }
  /** one client; undefined: events do not name the one that there must be */
  | { is: 'client'; id: string | undefined; isOfOrder: boolean }
  /** who the market has on the other side: counterparty, central counterparty, venue */
  | { is: 'market' };

/** What one client got of an aggregated execution, as events have it. */
export interface Allocation {
  /** place in `allocations`, from 0 */
  index: number;
  quantity: string | undefined;
  price: string | undefined;
}

/** One transaction of an execution: one report. */
export interface Leg {
  /** 0: the market side; 1: a client side; from 2 on: the allocations in their order */
  leg: number;
  /** who does what `side` says */
  own: Role;
  other: Role;
  /** where the execution was: fields 3, 37, 61 are of this leg alone */
  isMarketSide: boolean;
  /** whether it is where the execution was; otherwise off venue */
  isAtPlace: boolean;
  allocation?: Allocation;
}

/**
 * The transactions of an execution or allocation (Annex I, fields 7, 16 and 29; that an order in another capacity than
 * on own account is one report, that clients of an aggregate are off venue, and when, is not in its letters, but how
 * fields 3, 36, 37 and 61 speak of the market side):
 *
 * | Capacity | Order of | Other side | Reports: who does what `side` says, and the other |
 * | --- | --- | --- | --- |
 * | own account | no client | venue or counterparty | 0: firm, market |
 * | own account | one client | none: off venue, or the firm itself is the internaliser | 1: client, firm |
 * | own account | one client | venue or another counterparty | 0: firm, market; 1 (off venue): client, firm |
 * | own account | several clients | venue or counterparty | 0: firm, market; from 2 on (off venue): each client, firm |
 * | matched principal, any other | one client | venue or counterparty | 0: client, market |
 * | matched principal, any other | several clients | venue or counterparty | 0: INTC, market; from 2 on (off venue): each client, INTC |
 *
 * Several clients: `client_id_type` aggregated or pending_allocation, `aggregated`, or `allocations` and no client. What
 * event states `allocations` reports them; a fill that does so has both. Where no capacity is stated an order with a
 * client is taken for one in any other capacity, and field 29 is to be mended.
 */
export function legsOf(execution: Execution): readonly Leg[] {
  const { at } = execution;
  const isOwn = isOnOwnAccount(execution);
  const isForSeveral = isAggregate(execution);
  const executed = isFill(at) ? executedLegs(execution, isOwn, isForSeveral) : [];
  return [...executed, ...(isForSeveral || !isFill(at) ? allocationLegs(execution, isOwn) : [])];
}

/** An order without a capacity and without a client is taken for one on own account. */
export function isOnOwnAccount(execution: Execution): boolean {
  const capacity = execution.facts.text('trading_capacity');
  if (capacity !== undefined) return capacity === 'own_account';
  return clientIdOf(execution) === undefined && !isAggregate(execution);
}

function executedLegs(execution: Execution, isOwn: boolean, isForSeveral: boolean): readonly Leg[] {
  const { facts, place, firm } = execution;
  const clientId = clientIdOf(execution);
  const client: Role = { is: 'client', id: clientId, isOfOrder: true };
  const market = { leg: 0, other: { is: 'market' }, isMarketSide: true, isAtPlace: true } as const;
  if (!isOwn) return [{ ...market, own: isForSeveral ? { is: 'aggregate' } : client }];
  const ofMarket: Leg = { ...market, own: { is: 'firm' } };
  if (isForSeveral || clientId === undefined) return [ofMarket];
  const counterparty = facts.text('counterparty_id');
  const isInternaliser = place.kind === 'systematic-internaliser' && place.entry?.attributes.lei === firm;
  const isWithClient =
    counterparty === clientId || (counterparty === undefined && (place.kind === 'off-venue' || isInternaliser));
  const ofClient = { leg: 1, own: client, other: { is: 'firm' } } as const;
  return isWithClient
    ? [{ ...ofClient, isMarketSide: false, isAtPlace: true }]
    : [ofMarket, { ...ofClient, isMarketSide: false, isAtPlace: false }];
}

function allocationLegs(execution: Execution, isOwn: boolean): readonly Leg[] {
  const stated = allocationsOf(execution.at);
  if (!stated) return [];
  return recordsIn(stated.text).map((record, index) => {
    const text = (name: string): string | undefined => cellOf(record[name]) ?? undefined;
    return {
      ...{ leg: 2 + index, isMarketSide: false, isAtPlace: false },
      own: { is: 'client', id: text('client_id'), isOfOrder: false },
      other: { is: isOwn ? 'firm' : 'aggregate' },
      allocation: { index, quantity: text('quantity'), price: text('price') },
    };
  });
}

/** What is no list of records is one record that says nothing, so that it is told. */
function recordsIn(text: string): readonly JsonObject[] {
  const value = text.startsWith('[') ? readJson(text) : undefined;
  const isObject = (item: unknown): item is JsonObject =>
    item !== null && typeof item === 'object' && !Array.isArray(item);
  return Array.isArray(value) ? value.map((item) => (isObject(item) ? item : {})) : [{}];
}
