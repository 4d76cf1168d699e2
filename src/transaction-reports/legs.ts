import type { JsonObject } from '../integrity/strict-json.js';
import { cellOf } from '../reports/cell.js';
import { compare, formatDecimal, parseDecimal } from '../reports/decimal.js';
import type { FactName } from '../reports/regimes/regime.js';
import { partsIn, totalOf } from './allocation-list.js';
import { clientIdOf, isAggregate, leiOf, type Execution } from './execution.js';
import type { Stated } from './trace.js';
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

/** What an event says of one part of an aggregated execution. */
export type Allocation = ReadonlyMap<FactName, Stated>;

/** What may be said of a part; the client is the leg's. */
const OF_ALLOCATION = [
  ...(['quantity', 'price', 'net_amount', 'accrued_interest', 'short_sale', 'transmitting_firm'] as const),
  ...(['investment_decision_maker', 'investment_decision_maker_type', 'upfront_payment', 'price_absent'] as const),
  ...(['commodity_risk_reducing'] as const),
];

/** What the whole says of these is no part's. */
const OF_THE_WHOLE: readonly FactName[] = ['quantity', 'net_amount', 'accrued_interest', 'upfront_payment'];
/** A part of an execution was at its price; who allocates later says at which, or that there is none yet. */
const OF_A_FILL: readonly FactName[] = ['price'];

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
  /** where a fill is allocated itself: what its allocations come to, if that is more than was executed */
  overAllocated?: string;
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
 * | own account | one client | the firm that an order was transmitted to, without details | 0: firm, market; 1 (off venue): client, firm |
 * | own account | several clients | venue or counterparty | 0: firm, market; from 2 on (off venue): each client, firm |
 * | matched principal, any other | one client | venue or counterparty | 0: client, market |
 * | matched principal, any other | several clients | venue or counterparty | 0: INTC, market; from 2 on (off venue): each client, INTC |
 *
 * Several clients: `client_id_type` aggregated or pending_allocation, `aggregated`, or `allocations` and no client. What
 * event states `allocations` reports them; a fill that does so has both. A part that the firm itself gets is on own
 * account: of an order on own account nothing more than leg 0, of another one it is between the firm and INTC. Where no
 * capacity is stated an order with a client is taken for one in any other capacity, and field 29 is to be mended.
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
  const { facts, place, firm, reference } = execution;
  const clientId = clientIdOf(execution);
  const client: Role = { is: 'client', id: clientId, isOfOrder: true };
  const market = { leg: 0, other: { is: 'market' }, isMarketSide: true, isAtPlace: true } as const;
  if (!isOwn) return [{ ...market, own: isForSeveral ? { is: 'aggregate' } : client }];
  const ofMarket: Leg = { ...market, own: { is: 'firm' } };
  if (isForSeveral || clientId === undefined) return [ofMarket];
  const counterparty = facts.text('counterparty_id');
  const isInternaliser = place.kind === 'systematic-internaliser' && place.entry?.attributes.lei === firm;
  const isWithClient =
    counterparty === undefined
      ? place.kind === 'off-venue' || isInternaliser
      : isSame(counterparty, clientId) || isSame(counterparty, firm);
  const ofClient = { leg: 1, own: client, other: { is: 'firm' } } as const;
  return isWithClient && facts.text('transmission') !== 'incomplete'
    ? [{ ...ofClient, isMarketSide: true, isAtPlace: true }]
    : [ofMarket, { ...ofClient, isMarketSide: false, isAtPlace: false }];

  function isSame(one: string, other: string): boolean {
    const lei = leiOf(one, reference);
    return one === other || (lei !== undefined && lei === leiOf(other, reference));
  }
}

function allocationLegs(execution: Execution, isOwn: boolean): readonly Leg[] {
  const stated = allocationsOf(execution.at);
  if (!stated) return [];
  const records = partsIn(stated.text);
  const overAllocated = overAllocation(execution, records);
  return records.flatMap((record, index): Leg[] => {
    const text = (name: string): string | undefined => cellOf(record[name]) ?? undefined;
    const id = text('client_id');
    const isOfFirm = id !== undefined && leiOf(id, execution.reference) === execution.firm;
    if (isOfFirm && isOwn) return [];
    const said = OF_ALLOCATION.flatMap((name): [FactName, Stated][] => {
      const value = text(name);
      return value === undefined ? [] : [[name, { ...stated, text: value, name: `allocations/${index}/${name}` }]];
    });
    return [
      {
        ...{ leg: 2 + index, isMarketSide: false, isAtPlace: false },
        own: isOfFirm ? { is: 'firm' } : { is: 'client', id, isOfOrder: false },
        other: { is: isOwn ? 'firm' : 'aggregate' },
        allocation: new Map(said),
        ...(overAllocated !== undefined && { overAllocated }),
      },
    ];
  });
}

/** Of what is allocated by other events than fills the report aggregation-allocation tells. */
function overAllocation({ at, facts }: Execution, records: readonly JsonObject[]): string | undefined {
  const executed = isFill(at) ? parseDecimal(facts.text('quantity') ?? '') : undefined;
  if (!executed) return undefined;
  const total = totalOf(records);
  return compare(total, executed) > 0 ? formatDecimal(total) : undefined;
}

/** What is known of the execution to the report of a leg: of an allocation by what is said of that part. */
export function executionOfLeg(execution: Execution, { allocation }: Leg): Execution {
  if (!allocation) return execution;
  const notOfPart = new Set([...OF_THE_WHOLE, ...(isFill(execution.at) ? [] : OF_A_FILL)]);
  // that a part has no price yet is said of it, whatever the whole has
  if (allocation.has('price_absent') && !allocation.has('price')) notOfPart.add('price');
  // who decided on this part is told apart from who decided on the whole
  if (allocation.has('investment_decision_maker')) notOfPart.add('investment_decision_maker_type');
  return { ...execution, facts: execution.facts.ofPart(allocation, notOfPart) };
}

/** To whom an event allocates something beside the one client whom its order names: on own account the firm may be among them. */
export function othersThanClient(execution: Execution): readonly string[] {
  const { at, firm, reference } = execution;
  const client = clientIdOf(execution);
  const stated = allocationsOf(at);
  if (client === undefined || !stated || isAggregate(execution)) return [];
  const lei = leiOf(client, reference);
  const isOwn = isOnOwnAccount(execution);
  return partsIn(stated.text).flatMap((record) => {
    const id = cellOf(record.client_id) ?? undefined;
    const isOther = id !== undefined && id !== client && (lei === undefined || leiOf(id, reference) !== lei);
    return isOther && !(isOwn && leiOf(id, reference) === firm) ? [id] : [];
  });
}

/** Whether events themselves say that all of an allocation goes to the firm, and no reference data. */
export function namesFirmAlone({ at, firm }: Execution): boolean {
  return partsIn(allocationsOf(at)?.text ?? '[]').every(({ client_id: id }) => id === firm);
}
