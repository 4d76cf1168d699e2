import { formatDecimal, parseDecimal } from './decimal.js';

/** An execution as one of the two sources tells of it. */
export interface ToldExecution {
  /** 0: the source, 1: the other */
  side: 0 | 1;
  /** what the source calls the order: entity_id, client_order_id, venue_order_id */
  orderNames: readonly string[];
  executionId: string | null;
  transactionId: string | null;
  instrument: string | null;
  isin: string | null;
  orderSide: string | null;
  venue: string | null;
  currency: string | null;
  quantity: string | null;
  price: string | null;
  /** canonical, and in nanoseconds since 1970 */
  time: string;
  nanos: bigint;
  orderId: string;
  eventId: string;
  sequence: string;
  /** whether it happened in the period: others are there to be matched with */
  isListed: boolean;
}

export const MATCHED_BY = ['execution_id', 'venue_transaction_id', 'order-quantity-price-time'] as const;

/** Two executions that are one. */
export interface Match {
  by: (typeof MATCHED_BY)[number];
  pair: readonly [ToldExecution, ToldExecution];
}

type ById = Map<string, Set<ToldExecution>>;

/** Matches executions by their ids as they come, and those that are left over by what they say. */
export class ExecutionMatching {
  private readonly unmatched: [Set<ToldExecution>, Set<ToldExecution>] = [new Set(), new Set()];
  private readonly byId = [0, 1].map(() => new Map<string, Set<ToldExecution>>()) as [ById, ById];

  /** The one that it is matched with by an id: the first that came and has no other. */
  add(told: ToldExecution): Match | undefined {
    const other = told.side === 0 ? 1 : 0;
    for (const [by, key] of idsOf(told)) {
      for (const found of this.byId[other].get(key) ?? []) {
        this.forget(found);
        return { by, pair: told.side === 0 ? [told, found] : [found, told] };
      }
    }
    this.unmatched[told.side].add(told);
    for (const [, key] of idsOf(told)) {
      const all = this.byId[told.side].get(key) ?? new Set();
      this.byId[told.side].set(key, all.add(told));
    }
    return undefined;
  }

  /** How many have no match. */
  get size(): number {
    return this.unmatched[0].size + this.unmatched[1].size;
  }

  /**
   * Of those that are left, in the order in which they came: what is of the same order, quantity and price, and not
   * further away in time than so many nanoseconds.
   */
  matchByTerms(tolerance: bigint): Match[] {
    // by spans of time as wide as the tolerance: thousands that are alike but for their times are not gone through for each
    const width = tolerance + 1n;
    const keysOf = (told: ToldExecution, ...apart: readonly bigint[]): string[] => {
      const span = told.nanos / width;
      return termsOf(told).flatMap((terms) => apart.map((spans) => `${terms}\n${span + spans}`));
    };
    const others = new Map<string, Set<ToldExecution>>();
    for (const told of this.unmatched[1]) {
      for (const key of keysOf(told, 0n)) others.set(key, (others.get(key) ?? new Set()).add(told));
    }
    const place = new Map([...this.unmatched[1]].map((told, i) => [told, i]));
    const matches: Match[] = [];
    for (const told of [...this.unmatched[0]]) {
      const candidates = keysOf(told, -1n, 0n, 1n)
        .flatMap((key) => firstNear(others.get(key) ?? [], told, tolerance) ?? [])
        .sort((a, b) => place.get(a)! - place.get(b)!);
      const [found] = candidates;
      if (!found) continue;
      for (const key of keysOf(found, 0n)) others.get(key)!.delete(found);
      this.forget(told);
      this.forget(found);
      matches.push({ by: 'order-quantity-price-time', pair: [told, found] });
    }
    return matches;
  }

  /** Those without a match, of both sides. */
  rest(): ToldExecution[] {
    return [...this.unmatched[0], ...this.unmatched[1]];
  }

  private forget(told: ToldExecution): void {
    this.unmatched[told.side].delete(told);
    for (const [, key] of idsOf(told)) {
      const all = this.byId[told.side].get(key);
      all?.delete(told);
      if (all?.size === 0) this.byId[told.side].delete(key);
    }
  }
}

/** Names of the fields in which two executions differ. What one of them does not say is no difference. */
export function differencesOf([a, b]: Match['pair'], tolerance: bigint): string[] {
  const differ = (x: string | null, y: string | null): boolean => x !== null && y !== null && x !== y;
  const differing: string[] = [];
  if (!a.orderNames.some((name) => b.orderNames.includes(name))) differing.push('order');
  const sameIsin = a.isin !== null && a.isin === b.isin;
  if (differ(a.isin, b.isin) || (!sameIsin && differ(a.instrument, b.instrument))) differing.push('instrument');
  if (differ(a.orderSide, b.orderSide)) differing.push('side');
  if (differ(decimalText(a.quantity), decimalText(b.quantity))) differing.push('quantity');
  if (differ(decimalText(a.price), decimalText(b.price))) differing.push('price');
  if (differ(a.currency, b.currency)) differing.push('currency');
  if (differ(a.venue, b.venue)) differing.push('venue');
  if (!isNear(a, b, tolerance)) differing.push('time');
  return differing;
}

/** Copies nothing: many executions can be alike. */
function firstNear(all: Iterable<ToldExecution>, told: ToldExecution, tolerance: bigint): ToldExecution | undefined {
  for (const each of all) if (isNear(each, told, tolerance)) return each;
  return undefined;
}

function isNear(a: ToldExecution, b: ToldExecution, tolerance: bigint): boolean {
  const apart = a.nanos - b.nanos;
  return (apart < 0n ? -apart : apart) <= tolerance;
}

function idsOf({ executionId, transactionId }: ToldExecution): ['execution_id' | 'venue_transaction_id', string][] {
  return [
    ...(executionId === null ? [] : [['execution_id', `execution ${executionId}`] as const]),
    ...(transactionId === null ? [] : [['venue_transaction_id', `transaction ${transactionId}`] as const]),
  ].map(([by, key]) => [by, key]);
}

/** Keys of order, quantity and price; none of an execution that lacks one of them. */
function termsOf({ orderNames, quantity, price }: ToldExecution): string[] {
  const [q, p] = [decimalText(quantity), decimalText(price)];
  return q === null || p === null ? [] : orderNames.map((name) => `${q}\n${p}\n${name}`);
}

/** Equal for equal numbers; what is no decimal as it is. */
function decimalText(text: string | null): string | null {
  const value = text === null ? undefined : parseDecimal(text);
  return value ? formatDecimal(value) : text;
}
