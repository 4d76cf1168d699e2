import { add, compare, formatDecimal, parseDecimal, subtract, ZERO, type Decimal } from '../reports/decimal.js';
import type { FactName } from '../reports/regimes/regime.js';
import { partsIn, totalOf } from './allocation-list.js';
import { OF_SEVERAL, WITHOUT_CLIENT_ID } from './client-types.js';
import { type HeldContent, type HeldFill, undecidedOf, isBeforehand } from './held-content.js';
import type { Timeline } from './timeline.js';
import type { Stated } from './trace.js';
import { transmissionOf } from './transmission.js';

/** An execution, and how the order was transmitted before it. */
export interface PastFill {
  fill: HeldFill;
  /** what was known of the order before it */
  stated: ReadonlyMap<FactName, Timeline<Stated | undefined>>;
  transmissions: Timeline<Stated | undefined>;
  /** what it and those before it that may not be allocated yet say, by the names of ALIKE, in their order; '' for nothing */
  said: readonly (readonly string[])[];
  isAllocated: boolean;
  /** by itself, all of it: no later event allocates it */
  isAllocatedByItself: boolean;
  /** whether something was allocated, by itself or later, and not all */
  hasRest: boolean;
  /** what it and those before it come to, less what is allocated of them; undefined where a quantity is not known */
  left: Decimal | undefined;
  /** actions of corrections that do not say what became of one of them */
  undecided: readonly string[];
}

/**
 * In what executions must be alike to be allocated together: whose they are, whether they are any, who reports them, and
 * what was done; with what it means that nothing is said.
 */
const ALIKE = {
  aggregated: 'false',
  client_id: undefined,
  client_id_type: undefined,
  currency: undefined,
  executing_entity: undefined,
  financial_instrument: 'true',
  isin: undefined,
  notional_change: undefined,
  received_currency: undefined,
  sftr_exempt: 'false',
  side: undefined,
  swap_role: undefined,
  symbol: undefined,
  trading_capacity: undefined,
  transaction_nature: 'trade',
  transmission: 'none',
  venue_traded: 'true',
} as const satisfies Partial<Record<FactName, string | undefined>>;

export const ALIKE_NAMES = Object.keys(ALIKE) as (keyof typeof ALIKE)[];

/** What executions that may be allocated together say that is not the same, by name; '' for nothing. */
export type Unlike = ReadonlyMap<FactName, readonly string[]>;

/** Whether executions that may be allocated together all say the same by a name. */
export function areAll({ said }: PastFill, name: keyof typeof ALIKE, meaning: string): boolean {
  return said[ALIKE_NAMES.indexOf(name)]!.every((text) => text === meaning);
}

export function isSaidForSeveral(fills: PastFill): boolean {
  return areAll(fills, 'aggregated', 'true') || areAll(fills, 'client_id_type', 'several');
}

/** Whether there are executions that are open to be allocated, and for others than the firm. */
export function isToBeAllocated(fills: PastFill | undefined): boolean {
  if (fills === undefined || !isToCome(fills)) return false;
  if (isSaidForSeveral(fills)) return true;
  return areAll(fills, 'client_id', '') && !areAll(fills, 'trading_capacity', 'own_account');
}

/** Whether some of what was executed may be allocated yet. */
function isToCome({ isAllocated, hasRest }: PastFill): boolean {
  return !isAllocated || hasRest;
}

/** What an execution does not allocate of itself; undefined where its quantity is not known. */
function restOf({ stated: { facts } }: HeldFill): Decimal | undefined {
  const executed = parseDecimal(facts.get('quantity')?.text ?? '');
  const allocations = facts.get('allocations');
  if (!executed || !allocations) return executed;
  const rest = subtract(executed, totalOf(partsIn(allocations.text)));
  return isPositive(rest) ? rest : ZERO;
}

function sumOf(a: Decimal | undefined, b: Decimal | undefined): Decimal | undefined {
  return a && b && add(a, b);
}

export function isPositive(decimal: Decimal): boolean {
  return compare(decimal, ZERO) > 0;
}

/** What an execution says of itself, else what is known of its order, by the names of ALIKE. */
export function saidOf(
  fill: HeldFill,
  order: ReadonlyMap<FactName, Stated | undefined> | undefined,
): readonly string[] {
  const own = fill.stated.facts;
  const saidBy = (name: FactName): string | undefined => (own.get(name) ?? order?.get(name))?.text;
  return ALIKE_NAMES.map((name) => {
    // the ISIN decides; each source has symbols of its own
    if (name === 'symbol' && saidBy('isin') !== undefined) return '';
    const type = saidBy('client_id_type') ?? '';
    if (name === 'client_id_type') return OF_SEVERAL.includes(type) ? 'several' : '';
    // whether one is named; who decides of what an allocation is, and not which
    if (name === 'client_id') return saidBy(name) === undefined || WITHOUT_CLIENT_ID.includes(type) ? '' : 'one';
    const text = name === 'transmission' ? transmissionOf(fill, order) : saidBy(name);
    return text === undefined || text === ALIKE[name] ? '' : text;
  });
}

/** What was executed of an order and may be allocated together. */
export class OpenExecutions {
  /** the same for the same, while an event is added */
  private readonly pastFills = new Map<HeldContent, Map<string, PastFill>>();

  nextEvent(): void {
    this.pastFills.clear();
  }

  /**
   * One that allocates itself is of no account to others: what is allocated later is what was executed before it, if that is open;
   * if nothing is, what it leaves of itself. What earlier allocations leave is allocated with what was executed since.
   */
  fillAfter(
    { said, ...past }: Pick<PastFill, 'fill' | 'stated' | 'transmissions'> & { said: readonly string[] },
    before: PastFill | undefined,
  ): PastFill {
    const earlier = before !== undefined && isToCome(before) ? before : undefined;
    const rest = restOf(past.fill);
    const isByItself = past.fill.stated.facts.has('allocations');
    const hasRest = isByItself && rest !== undefined && isPositive(rest);
    if (isByItself && earlier && !earlier.isAllocated)
      return hasRest ? this.same({ ...earlier, left: sumOf(earlier.left, rest) }) : earlier;
    if (isByItself && earlier && !hasRest) return earlier;
    const own = undecidedOf(past.fill);
    return this.same({
      ...past,
      said: said.map((text, i) => [...new Set([...(earlier?.said[i] ?? []), text])].sort()),
      ...{ isAllocated: isByItself, isAllocatedByItself: isByItself && !hasRest, hasRest },
      left: sumOf(earlier ? earlier.left : ZERO, rest),
      undecided: [...new Set([...(earlier?.undecided ?? []), ...(own === undefined ? [] : [own])])].sort(),
    });
  }

  /** After an event that may allocate what was executed before it. */
  allocatedBy({ stated }: HeldContent, before: PastFill | undefined): PastFill | undefined {
    if (!before || !stated?.facts.has('allocations')) return before;
    const { content, facts } = stated;
    // what is intended is none of it
    const allocated = isBeforehand(content) ? ZERO : totalOf(partsIn(facts.get('allocations')!.text));
    const left = before.left && subtract(before.left, allocated);
    return this.same({ ...before, isAllocated: true, hasRest: left !== undefined && isPositive(left), left });
  }

  private same(pastFill: PastFill): PastFill {
    const ofFill = this.pastFills.get(pastFill.fill) ?? new Map<string, PastFill>();
    this.pastFills.set(pastFill.fill, ofFill);
    const { said, isAllocated, isAllocatedByItself, hasRest, left, undecided } = pastFill;
    const quantity = left && formatDecimal(left);
    const key = JSON.stringify([said, isAllocated, isAllocatedByItself, hasRest, quantity, undecided]);
    const same = ofFill.get(key) ?? pastFill;
    ofFill.set(key, same);
    return same;
  }
}
