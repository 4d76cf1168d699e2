import type { LastVersions } from './correction-story.js';
import { formatDecimal, parseDecimal } from './decimal.js';
import { grouped } from './grouped.js';

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
  /** whether that is when a copy was made, which does not say when it was executed */
  isTimeOfCopy: boolean;
  orderId: string;
  eventId: string;
  sequence: string;
  /** the contents of it that held */
  versions: LastVersions;
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

/** Executions of one id that are held against each other at once. */
const MOST_OF_AN_ID = 100;
/** Pairs of executions that are alike and near each other in time, of which the best are looked for. */
const MOST_PAIRS = 1_000_000;

/** Matches executions by their ids as they come, and those that are left over by what they say. */
export class ExecutionMatching {
  private readonly unmatched: [Set<ToldExecution>, Set<ToldExecution>] = [new Set(), new Set()];
  private readonly byId = [0, 1].map(() => new Map<string, Set<ToldExecution>>()) as [ById, ById];

  /**
   * The one that it is matched with by an id: the first that came, has no other, and tells of the same. An id may be used
   * again, and that of a transaction is one for both of its sides.
   */
  add(told: ToldExecution): Match | undefined {
    const other = told.side === 0 ? 1 : 0;
    for (const [by, key] of idsOf(told)) {
      let tried = 0;
      for (const found of this.byId[other].get(key) ?? []) {
        if (++tried > MOST_OF_AN_ID) break;
        const pair = told.side === 0 ? ([told, found] as const) : ([found, told] as const);
        if (contradictions(pair).length > 0) continue;
        this.forget(found);
        return { by, pair };
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
   * Of those that are left, those of one id: what differs least first, then what is nearest in time. In parts, as the
   * others are below, so that whoever takes them can let others have their turn in between.
   */
  *matchByIds(tolerance: bigint): Generator<Match[]> {
    for (const by of IDS) {
      const [ours, theirs] = [0, 1].map((side) =>
        grouped(
          [...this.unmatched[side as 0 | 1]].filter((told) => idOf(told, by) !== null),
          (told) => idOf(told, by)!,
        ),
      ) as [Map<string, ToldExecution[]>, Map<string, ToldExecution[]>];
      for (const [id, all] of ours) yield* this.matchOfId(by, all, theirs.get(id) ?? [], tolerance);
    }
  }

  private *matchOfId(
    by: Match['by'],
    ours: ToldExecution[],
    theirs: ToldExecution[],
    tolerance: bigint,
  ): Generator<Match[]> {
    let [a, b] = [ours, theirs];
    while (a.length > 0 && b.length > 0) {
      const matches: Match[] = [];
      const pairs = a.slice(0, MOST_OF_AN_ID).flatMap((x) =>
        b.slice(0, MOST_OF_AN_ID).map((y) => {
          const pair = [x, y] as const;
          return { pair, differing: differencesOf(pair, tolerance).length, apart: apartOf(x, y) };
        }),
      );
      // a stable sort: of those that are alike in all the first
      pairs.sort((x, y) => x.differing - y.differing || Number(x.apart - y.apart));
      const taken = new Set<ToldExecution>();
      for (const { pair } of pairs) {
        if (pair.some((told) => taken.has(told))) continue;
        for (const told of pair) {
          taken.add(told);
          this.forget(told);
        }
        matches.push({ by, pair });
      }
      [a, b] = [a, b].map((all) => all.filter((told) => !taken.has(told))) as [ToldExecution[], ToldExecution[]];
      yield matches;
    }
  }

  /**
   * Of those that are left, what is of the same order, quantity and price, and not further away in time than so many
   * nanoseconds: in the order of time, so that none are crossed; as many as can be, and of all ways to pair so many the one
   * in which they are least far apart in all.
   */
  *matchByTerms(tolerance: bigint): Generator<Match[]> {
    for (const alike of groupsOfTerms([...this.unmatched[0], ...this.unmatched[1]])) {
      for (const near of groupsOfTime(alike, tolerance)) {
        const ours = near.filter(({ side }) => side === 0);
        const theirs = near.filter(({ side }) => side === 1);
        if (ours.length === 0 || theirs.length === 0) continue;
        const pairs =
          ours.length * theirs.length > MOST_PAIRS
            ? firstWithFirst(ours, theirs, tolerance)
            : bestPairs(ours, theirs, tolerance);
        for (const told of pairs.flat()) this.forget(told);
        yield pairs.map((pair) => ({ by: 'order-quantity-price-time', pair }));
      }
    }
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
export function differencesOf(pair: Match['pair'], tolerance: bigint): string[] {
  const [a, b] = pair;
  const differing = contradictions(pair);
  if (differ(a.currency, b.currency)) differing.push('currency');
  if (differ(a.venue, b.venue)) differing.push('venue');
  // when a copy was made says no more than that it was executed before
  const isLater = (x: ToldExecution, y: ToldExecution): boolean => x.isTimeOfCopy && x.nanos > y.nanos;
  if (!isNear(a, b, tolerance) && !isLater(a, b) && !isLater(b, a)) differing.push('time');
  return differing;
}

/** In what they cannot be one, by what makes an execution that one. */
function contradictions([a, b]: Match['pair']): string[] {
  const differing: string[] = [];
  if (!isOfOneOrder(a, b)) differing.push('order');
  const sameIsin = a.isin !== null && a.isin === b.isin;
  if (differ(a.isin, b.isin) || (!sameIsin && differ(a.instrument, b.instrument))) differing.push('instrument');
  if (differ(a.orderSide, b.orderSide)) differing.push('side');
  const [ours, theirs] = [decimalsOf(a), decimalsOf(b)];
  if (differ(ours.quantity, theirs.quantity)) differing.push('quantity');
  if (differ(ours.price, theirs.price)) differing.push('price');
  return differing;
}

function differ(x: string | null, y: string | null): boolean {
  return x !== null && y !== null && x !== y;
}

function isOfOneOrder(a: ToldExecution, b: ToldExecution): boolean {
  return a.orderNames.some((name) => b.orderNames.includes(name));
}

/** Executions that may be of one order by their names, those of others in between, with the same quantity and price. */
function groupsOfTerms(all: readonly ToldExecution[]): ToldExecution[][] {
  const roots = new Map<string, string>();
  const rootOf = (key: string): string => {
    let root = key;
    while (roots.get(root) !== undefined && roots.get(root) !== root) root = roots.get(root)!;
    for (let at = key; at !== root;) {
      const next = roots.get(at)!;
      roots.set(at, root);
      at = next;
    }
    return root;
  };
  for (const told of all) {
    const [first, ...others] = termsOf(told);
    if (first !== undefined) for (const key of others) roots.set(rootOf(key), rootOf(first));
  }
  const withTerms = all.filter((told) => termsOf(told).length > 0);
  return [...grouped(withTerms, (told) => rootOf(termsOf(told)[0]!)).values()];
}

/** In the order of time; parts between which nothing is near enough. */
function groupsOfTime(all: readonly ToldExecution[], tolerance: bigint): ToldExecution[][] {
  const groups: ToldExecution[][] = [];
  let last: bigint | undefined;
  for (const told of all.toSorted(compareInTime)) {
    if (last === undefined || told.nanos - last > tolerance) groups.push([]);
    groups.at(-1)!.push(told);
    last = told.nanos;
  }
  return groups;
}

function compareInTime(a: ToldExecution, b: ToldExecution): number {
  if (a.nanos !== b.nanos) return a.nanos < b.nanos ? -1 : 1;
  return Number(BigInt(a.sequence) - BigInt(b.sequence));
}

/** Where there are too many to look at all ways: each with the first that is left. */
function firstWithFirst(
  ours: readonly ToldExecution[],
  theirs: readonly ToldExecution[],
  tolerance: bigint,
): Match['pair'][] {
  const pairs: Match['pair'][] = [];
  let from = 0;
  for (const a of ours) {
    while (from < theirs.length && a.nanos - theirs[from]!.nanos > tolerance) from += 1;
    const b = theirs[from];
    if (!b || !isNear(a, b, tolerance) || !isOfOneOrder(a, b)) continue;
    pairs.push([a, b]);
    from += 1;
  }
  return pairs;
}

/** The most pairs without a crossing, of those that are least far apart; of equal ones those that come first. */
function bestPairs(
  ours: readonly ToldExecution[],
  theirs: readonly ToldExecution[],
  tolerance: bigint,
): Match['pair'][] {
  const width = theirs.length + 1;
  const [PAIR, SKIP_OURS, SKIP_THEIRS] = [1, 2, 3];
  const steps = new Uint8Array((ours.length + 1) * width);
  // from the end: how many pairs the rest gives, and how far apart they are; `here` of this row, `below` of the next one
  let [pairsBelow, apartBelow] = [new Int32Array(width), new Array<bigint>(width).fill(0n)];
  let [pairsHere, apartHere] = [new Int32Array(width), new Array<bigint>(width).fill(0n)];
  for (let i = ours.length - 1; i >= 0; i--) {
    const a = ours[i]!;
    pairsHere[theirs.length] = 0;
    apartHere[theirs.length] = 0n;
    steps[i * width + theirs.length] = SKIP_OURS!;
    for (let j = theirs.length - 1; j >= 0; j--) {
      const b = theirs[j]!;
      let [pairs, apart, step] = [pairsBelow[j]!, apartBelow[j]!, SKIP_OURS];
      const isBetter = pairsHere[j + 1]! > pairs || (pairsHere[j + 1] === pairs && apartHere[j + 1]! < apart);
      if (isBetter) [pairs, apart, step] = [pairsHere[j + 1]!, apartHere[j + 1]!, SKIP_THEIRS];
      // with fewer pairs it is no better, however near they are
      if (pairsBelow[j + 1]! + 1 >= pairs) {
        const between = apartOf(a, b);
        if (between <= tolerance && isOfOneOrder(a, b)) {
          const paired = apartBelow[j + 1]! + between;
          if (pairsBelow[j + 1]! + 1 > pairs || paired <= apart) {
            [pairs, apart, step] = [pairsBelow[j + 1]! + 1, paired, PAIR];
          }
        }
      }
      pairsHere[j] = pairs;
      apartHere[j] = apart;
      steps[i * width + j] = step;
    }
    [pairsBelow, pairsHere] = [pairsHere, pairsBelow];
    [apartBelow, apartHere] = [apartHere, apartBelow];
  }
  const found: Match['pair'][] = [];
  for (let i = 0, j = 0; i < ours.length && j < theirs.length;) {
    const step = steps[i * width + j];
    if (step === PAIR) found.push([ours[i]!, theirs[j]!]);
    if (step !== SKIP_THEIRS) i += 1;
    if (step !== SKIP_OURS) j += 1;
  }
  return found;
}

function apartOf(a: ToldExecution, b: ToldExecution): bigint {
  return a.nanos > b.nanos ? a.nanos - b.nanos : b.nanos - a.nanos;
}

function isNear(a: ToldExecution, b: ToldExecution, tolerance: bigint): boolean {
  return apartOf(a, b) <= tolerance;
}

const IDS = ['execution_id', 'venue_transaction_id'] as const;

function idOf({ executionId, transactionId }: ToldExecution, by: (typeof IDS)[number]): string | null {
  return by === 'execution_id' ? executionId : transactionId;
}

/** Each with the key by which it is known. */
function idsOf(told: ToldExecution): [(typeof IDS)[number], string][] {
  return IDS.flatMap((by) => {
    const id = idOf(told, by);
    return id === null ? [] : [[by, `${by} ${id}`] as [(typeof IDS)[number], string]];
  });
}

/** Keys of order, quantity and price; none of an execution that lacks one of them. */
function termsOf(told: ToldExecution): string[] {
  const { quantity, price } = decimalsOf(told);
  return quantity === null || price === null ? [] : told.orderNames.map((name) => `${quantity}\n${price}\n${name}`);
}

const decimals = new WeakMap<ToldExecution, { quantity: string | null; price: string | null }>();

/** Read once of each: it is held against many. */
function decimalsOf(told: ToldExecution): { quantity: string | null; price: string | null } {
  const known = decimals.get(told);
  if (known) return known;
  const read = { quantity: decimalText(told.quantity), price: decimalText(told.price) };
  decimals.set(told, read);
  return read;
}

/** Equal for equal numbers; what is no decimal as it is. */
function decimalText(text: string | null): string | null {
  const value = text === null ? undefined : parseDecimal(text);
  return value ? formatDecimal(value) : text;
}
