import { isLei } from '../identifiers/lei.js';
import type { Content } from '../integrity/event.js';
import { contentOf, type StoredRow } from '../integrity/stored-event.js';
import { parseTimestamp } from '../integrity/timestamp.js';
import { add, compare, formatDecimal, parseDecimal, subtract, ZERO, type Decimal } from '../reports/decimal.js';
import { factsOf } from '../reports/order-facts.js';
import { OF_A_DAY } from '../reports/life-so-far.js';
import { FILLS, type FactName } from '../reports/regimes/regime.js';
import { tradeTimeOf } from '../reports/trade-time.js';
import { ORDER_LIFECYCLE } from '../reports/whole-lives.js';
import {
  DECIDED_BY_THE_LATER,
  clientNamedOtherwise,
  CLIENT_NAMES,
  DESCRIBED_BY,
  describesAnother,
  INSTRUMENT_NAMES,
  isForAnotherClient,
  isOfAnother,
  NAMED_AFTER_NOBODY,
  mayNameAnotherInstrument,
  namesOfSubjects,
  OF_THAT_CLIENT,
  OF_THAT_INSTRUMENT,
  saidOfSubjects,
} from '../reports/subjects.js';
import { ACTIONS } from '../vocabulary/order-vocabulary.js';
import { partsIn, totalOf } from './allocation-list.js';
import type { Stated } from './trace.js';

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

/** A content that an event had. */
export interface HeldContent {
  row: StoredRow;
  /** sequence from which on it was the event's content */
  from: bigint;
  /** what it states; undefined where it never happened, or is no event of an order's life */
  stated: { content: Content; facts: ReadonlyMap<FactName, Stated> } | undefined;
}

/**
 * The contents that an event had, one after the other. What corrects an execution and does not say what became of it has the
 * action of that in its content, and in its row its own. Throws DamagedRowError.
 */
export function contentsOf(versions: readonly StoredRow[]): readonly HeldContent[] {
  const contents: HeldContent[] = [];
  /** the last one that did not say that it never happened */
  let last: HeldContent | undefined;
  for (const row of versions) {
    const [own, before] = [BigInt(row.sequence), contents.at(-1)?.from ?? 0n];
    const corrected = last;
    const stated = statedIn(row);
    const isOpen = isExecution(corrected) && stated !== undefined && leavesOpen(stated);
    const held = {
      ...{ row, from: own > before ? own : before },
      stated: isOpen ? statedIn(row, corrected.stated.content.action) : stated,
    };
    contents.push(held);
    if (held.stated) last = held;
  }
  return contents;
}

/**
 * Whether what corrects an execution leaves open what became of it: by an action that the vocabulary does not have, or one of an
 * order that names the execution and does not end anything.
 */
function leavesOpen({ content: { action }, facts }: NonNullable<HeldContent['stated']>): boolean {
  if (!Object.hasOwn(ACTIONS, action)) return true;
  return !FILLS.includes(action) && !ENDS.includes(action) && OF_EXECUTIONS.some((name) => facts.has(name));
}

/** By what an event names an execution. */
const OF_EXECUTIONS: readonly FactName[] = ['execution_id', 'venue_transaction_id'];

/** An execution that holds, or held. */
export type HeldFill = HeldContent & { stated: NonNullable<HeldContent['stated']> };

export function isExecution(held: HeldContent | undefined): held is HeldFill {
  return held?.stated !== undefined && FILLS.includes(held.stated.content.action);
}

/** That an order is transmitted no more, or otherwise, since when, and what held before. */
interface TransmissionChange extends Stated {
  since: string;
  /** whether the order ended, or was refused: what was executed at that instant was before */
  isEnd: boolean;
  /** `since` in nanoseconds since 1970 */
  sinceNanos: bigint;
  before: Stated | undefined;
  /** to whom it was transmitted before */
  receiver: Stated | undefined;
  /** the same of all that say the same, also of what held before: an order may have had many changes, each of them corrected */
  meaning: number;
  /** the same of what is one statement, or one change by the same event */
  identity: number;
}

/** Numbers for texts, the same for the same. */
class Numbered {
  private readonly numbers = new Map<string, number>();

  of(...parts: readonly unknown[]): number {
    const text = JSON.stringify(parts);
    const known = this.numbers.get(text) ?? this.numbers.size;
    this.numbers.set(text, known);
    return known;
  }
}

/** How an order was transmitted to what was executed at some time, and to whom; `receiver` only where that changed since. */
interface TransmissionThen {
  transmission: Stated | undefined;
  receiver: Stated | undefined;
}

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

/** A value that holds from the sequence of a content on, which brought it about. */
interface Step<T> {
  by: HeldContent;
  value: T;
}

/** A value as it was known from one sequence on to the next; each step is another than the one before. */
type Timeline<T> = readonly Step<T>[];

/** An execution, and how the order was transmitted before it. */
interface PastFill {
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
} as const satisfies Partial<Record<FactName, string | undefined>>;
const ALIKE_NAMES = Object.keys(ALIKE) as (keyof typeof ALIKE)[];

/** Values of `client_id_type` of what is for several clients: one like the other. */
export const OF_SEVERAL: readonly string[] = ['aggregated', 'pending_allocation'];
/** Values of `client_id_type` with which there is a `client_id`. */
export const OF_ONE_CLIENT: readonly string[] = ['legal_entity', 'natural_person'];
/** Values of `client_id_type` with which there is no `client_id`. */
export const WITHOUT_CLIENT_ID: readonly string[] = ['none', ...OF_SEVERAL];

/** What executions that may be allocated together say that is not the same, by name; '' for nothing. */
export type Unlike = ReadonlyMap<FactName, readonly string[]>;

/**
 * The events of an order up to one of them, as they were known at any sequence from then on: what was corrected counts as
 * it was before the correction was recorded. Holds of each name what may count still. What an event states hides all that
 * earlier ones said of it, their corrections among them; so it costs little to ask, however many were corrected.
 */
export class OrderPast {
  private readonly stated = new Map<FactName, Timeline<Stated | undefined>>();
  private fills: Timeline<PastFill | undefined> = [];
  /** when the order was over, as far as it was; in nanoseconds since 1970 */
  private ends: Timeline<bigint | undefined> = [];
  /** the day on which the order was last said to begin, UTC */
  private days: Timeline<string | undefined> = [];
  /** when the order began, of one whose id another had before */
  private begins: Timeline<bigint | undefined> = [];
  /** whether executions of the order that had the id before were to be allocated when it began */
  private formerOpens: Timeline<boolean> = [];
  /** ids of the events that say as executions for whom they are */
  private readonly namedByExecution = new Set<string>();
  private readonly changes = new Numbered();
  /** the same for the same, while an event is added */
  private readonly pastFills = new Map<HeldContent, Map<string, PastFill>>();

  /** The event after those that were added before, with all its contents, once it may have begun. A copy says nothing new. */
  add(all: readonly HeldContent[]): void {
    const contents = withoutCopies(all);
    for (const held of contents) {
      if (isExecution(held) && CLIENT_NAMES.some((name) => held.stated.facts.has(name)))
        this.namedByExecution.add(held.stated.content.event_id);
    }
    if (contents.some(({ stated }) => stated && endOf(stated.content) !== undefined)) {
      this.ends = continued(this.ends, contents, ({ stated }, end) => (stated && endOf(stated.content)) ?? end);
    }
    const transmissions = this.timelineOf('transmission');
    const fills = this.fills;
    if (contents.some((held) => isExecution(held) || held.stated?.facts.has('allocations'))) {
      this.pastFills.clear();
      const order = this.timelinesOf([...ALIKE_NAMES, 'order_receiver']);
      const known = combined(this.fills, order, (before, order) => ({ before, order }));
      const stated = new Map(this.stated);
      this.fills = continued(known, contents, (held, then) =>
        isExecution(held)
          ? this.fillAfter({ fill: held, stated, transmissions, said: saidOf(held, then?.order) }, then?.before)
          : this.allocatedBy(held, then?.before),
      );
    }
    if (contents.some(maySayTransmission)) {
      const receivers = this.timelineOf('order_receiver');
      const orders = combined(transmissions, receivers, (transmission, receiver) => ({ transmission, receiver }));
      // what allocates earlier executions says it of the allocation alone
      const before = combined(orders, fills, (order, fill) => ({
        ...{ transmission: order?.transmission, receiver: order?.receiver },
        hasFill: fill !== undefined,
      }));
      const after = (held: HeldContent, known: (typeof before)[number]['value'] | undefined): Stated | undefined =>
        known?.hasFill && held.stated?.facts.has('allocations')
          ? known.transmission
          : transmissionAfter(held, known, this.changes);
      this.stated.set('transmission', continued(before, contents, after, areOne));
    }
    const anew = new Map<FactName, Timeline<Stated | undefined>>();
    const perhapsOfAnother = this.perhapsOfAnother(contents);
    const isAllocating = contents.some((held) => isOfAllocation(held, true));
    for (const name of new Set([...contents.flatMap(namesOfOrder), ...perhapsOfAnother])) {
      if (name === 'transmission') continue;
      const ofDecision: FactName[] = OF_DECISIONS.has(name) ? ['trading_capacity'] : [];
      const subjects = [...namesOfSubjects(name), ...ofDecision];
      const others = [
        ...subjects,
        ...(subjects.length > 0 || OF_THAT_INSTRUMENT.has(name) ? INSTRUMENT_NAMES : []),
        ...(OF_THAT_INSTRUMENT.has(name) ? DESCRIBED_BY : []),
        ...(OF_THAT_CLIENT.has(name) ? CLIENT_NAMES : []),
      ];
      const named = others.length === 0 ? [] : this.timelinesOf(others);
      // whether what is allocated was executed by then, as far as was known
      const stated = combined(this.timelineOf(name), isAllocating ? fills : [], (stated, fill) => ({
        ...{ stated, hasFill: fill !== undefined },
      }));
      const known = combined(stated, named, (then, others) => ({ then, others }));
      const after = (held: HeldContent, { then, others }: NonNullable<(typeof known)[number]['value']>) => {
        const before = then?.stated;
        if (name !== 'allocations' && isOfAllocation(held, then?.hasFill ?? false)) return before;
        const stated = (other: FactName): Stated | undefined => (other === name ? before : others?.get(other));
        // of another instrument an execution says it of itself alone
        const isOfIt = isExecution(held) && OF_THAT_INSTRUMENT.has(name);
        if (
          isOfIt &&
          (mayNameAnotherInstrument(held.stated.facts, stated) || describesAnother(held.stated.facts, stated))
        )
          return before;
        // and so it does for another client
        if (isExecution(held) && OF_THAT_CLIENT.has(name) && this.isForAnotherClient(held, stated)) return before;
        // and in another capacity of who decided
        if (isExecution(held) && OF_DECISIONS.has(name) && isInAnotherCapacity(held, others)) return before;
        const own = ofOrder(held, name, then?.hasFill ?? false);
        // where an execution took place says nothing of where the order is
        const isOfPlace = name === 'segment_mic' || name === 'central_counterparty';
        if (isOfPlace && !isOfOrder(held, 'exchange', then?.hasFill ?? false)) return own ?? before;
        return own ?? (before && whereOfTheSame(name, before, held.stated?.facts, stated));
      };
      anew.set(
        name,
        continued(
          known,
          contents,
          (held, then) => after(held, then ?? { then: undefined, others: undefined }),
          areOneOfClient,
        ),
      );
    }
    for (const [name, timeline] of anew) this.stated.set(name, timeline);
  }

  /** Where with the next event another order begins than had the id before, forgets that; whether it does, as the event holds. */
  begin(all: readonly HeldContent[]): boolean {
    const contents = withoutCopies(all);
    return contents.some((held) => held.stated?.content.action === BEGIN) && this.beginAnew(contents);
  }

  /** Whether by a content of the next event, which was recorded at a sequence, another order begins. */
  private beginsAnew(recorded: bigint): (held: HeldContent) => boolean {
    // as it was known when the next one began: what is taken back of the former later does not make one order of both
    const end = valueAt(this.ends, recorded);
    const day = valueAt(this.days, recorded);
    // one that was good for a day is over on the next, also where nobody has said so
    const isOfDay = OF_A_DAY.includes(valueAt(this.timelineOf('validity'), recorded)?.text ?? '');
    return ({ stated }) => {
      if (stated?.content.action !== BEGIN) return false;
      const { timestamp } = stated.content;
      return end === undefined ? isOfDay && day !== undefined && dayOf(timestamp) > day : nanosOf(timestamp) >= end;
    };
  }

  /** The id of an order that is over may be used again, as each day: of the order before nothing holds for the next. */
  private beginAnew(contents: readonly HeldContent[]): boolean {
    const isAnew = this.beginsAnew(contents[0]!.from);
    this.days = continued(this.days, contents, ({ stated }, before) =>
      stated?.content.action === BEGIN ? dayOf(stated.content.timestamp) : before,
    );
    if (!contents.some(isAnew)) return false;
    const begins = continued<unknown, boolean>([], contents, isAnew);
    this.begins = continued(this.begins, contents, (held, before) =>
      isAnew(held) ? nanosOf(held.stated!.content.timestamp) : before,
    );
    const former = combined(this.fills, this.formerOpens, (fill, isOpen) => ({ fill, isOpen }));
    this.formerOpens = continued(former, contents, (held, then) =>
      isAnew(held) ? isToBeAllocated(then?.fill) : then?.isOpen === true,
    );
    const unlessAnew = <T>(timeline: Timeline<T>): Timeline<T | undefined> =>
      continued(
        combined(timeline, begins, (value, begin) => ({ value, begin })),
        contents,
        (_held, then) => (then?.begin ? undefined : then?.value),
      );
    for (const [name, timeline] of this.stated) this.stated.set(name, unlessAnew(timeline));
    this.fills = unlessAnew<PastFill | undefined>(this.fills);
    this.ends = unlessAnew<bigint | undefined>(this.ends);
    return isAnew(contents.at(-1)!);
  }

  /** Names by which something is known that may hold no more after an event: it names another one of whom that was said. */
  private perhapsOfAnother(contents: readonly HeldContent[]): ReadonlySet<FactName> {
    const others = new Set<FactName>();
    for (const { stated } of contents) {
      for (const [name, { text }] of stated?.facts ?? []) {
        const timeline = this.timelineOf(name);
        const isAnother = timeline.length === 0 || timeline.some(({ value }) => value?.text !== text);
        if (isAnother || NAMED_AFTER_NOBODY.has(name)) others.add(name);
      }
    }
    if (others.size === 0) return others;
    const names = saidOfSubjects(others).filter((name) => this.timelineOf(name).length > 0);
    // what an execution in another instrument states of itself alone
    const isOfInstrument = [...INSTRUMENT_NAMES, ...DESCRIBED_BY].some((name) => others.has(name));
    const stated = isOfInstrument ? contents.flatMap((held) => [...(held.stated?.facts.keys() ?? [])]) : [];
    return new Set([...names, ...stated.filter((name) => OF_THAT_INSTRUMENT.has(name))]);
  }

  /** What was known by several names, whenever one of it changes. */
  private timelinesOf(names: readonly FactName[]): Timeline<ReadonlyMap<FactName, Stated | undefined>> {
    return [...new Set(names)].reduce<Timeline<ReadonlyMap<FactName, Stated | undefined>>>(
      (all, name) => combined(all, this.timelineOf(name), (known, stated) => new Map(known).set(name, stated)),
      [],
    );
  }

  /**
   * The corrections of these events that were recorded after a sequence and may have changed what is known, in no order;
   * for an execution, to which others are of no account, without those that changed the last one alone.
   */
  changesAfter(sequence: bigint, isForExecution: boolean): Iterable<HeldContent> {
    const changes = new Set<HeldContent>();
    const note = <T>(timeline: Timeline<T>, isSame: (a: T, b: T) => boolean): void => {
      for (let i = timeline.length - 1; i > 0 && timeline[i]!.by.from > sequence; i -= 1) {
        if (!isSame(timeline[i]!.value, timeline[i - 1]!.value)) changes.add(timeline[i]!.by);
      }
    };
    for (const timeline of this.stated.values()) note(timeline, isSaidAgain);
    if (isForExecution) return changes;
    note(this.fills, () => false);
    note(this.formerOpens, Object.is);
    for (const { value } of this.fills) {
      if (!value) continue;
      note(value.transmissions, () => false);
      for (const timeline of value.stated.values()) note(timeline, isSaidAgain);
    }
    return changes;
  }

  /** Whether an execution was before the order began whose id it has: it is of the order that had the id before. */
  isOfFormer({ stated: { content } }: HeldFill, sequence: bigint): boolean {
    const begin = valueAt(this.begins, sequence);
    return begin !== undefined && nanosOf(tradeTimeOf(content).time) < begin;
  }

  at(sequence: bigint, isForExecution: boolean): KnownThen {
    const facts = factsAt(this.stated, sequence);
    const isFormerOpen = !isForExecution && valueAt(this.formerOpens, sequence) === true;
    const last = isForExecution ? undefined : valueAt(this.fills, sequence);
    if (!last || last.isAllocatedByItself) return { facts, lastFill: undefined, isFormerOpen };
    const { fill, transmissions, said, left } = last;
    const unlike = new Map(ALIKE_NAMES.flatMap((name, i) => ((said[i]?.length ?? 0) > 1 ? [[name, said[i]!]] : [])));
    const isForSeveral = isSaidForSeveral(last) || areAll(last, 'client_id', '');
    const then = transmissionTo(fill, valueAt(transmissions, sequence));
    const undecided = last.undecided.filter((action) => action !== undecidedOf(fill));
    const lastFill = { ...fill, ...then, facts: factsAt(last.stated, sequence), unlike, isForSeveral, left, undecided };
    return { facts, lastFill, isFormerOpen };
  }

  /**
   * One that allocates itself is of no account to others: what is allocated later is what was executed before it, if that is open;
   * if nothing is, what it leaves of itself. What earlier allocations leave is allocated with what was executed since.
   */
  private fillAfter(
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

  private allocatedBy({ stated }: HeldContent, before: PastFill | undefined): PastFill | undefined {
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

  /** Whether an execution is for another client than its order, where that is said by others than executions. */
  private isForAnotherClient({ stated: { facts } }: HeldFill, known: (name: FactName) => Stated | undefined): boolean {
    const isSaid = CLIENT_NAMES.map(known).some((stated) => stated && !this.namedByExecution.has(stated.event_id));
    return isSaid && isForAnotherClient(facts, known);
  }

  private timelineOf(name: FactName): Timeline<Stated | undefined> {
    return this.stated.get(name) ?? [];
  }
}

/** A copy of another's event is as if it had never happened. */
function withoutCopies(contents: readonly HeldContent[]): readonly HeldContent[] {
  return contents.map((held) => (isCopy(held) ? { ...held, stated: undefined } : held));
}

/** Whether executions that may be allocated together all say the same by a name. */
function areAll({ said }: PastFill, name: keyof typeof ALIKE, meaning: string): boolean {
  return said[ALIKE_NAMES.indexOf(name)]!.every((text) => text === meaning);
}

function isSaidForSeveral(fills: PastFill): boolean {
  return areAll(fills, 'aggregated', 'true') || areAll(fills, 'client_id_type', 'several');
}

/** Whether there are executions that are open to be allocated, and for others than the firm. */
function isToBeAllocated(fills: PastFill | undefined): boolean {
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

function isPositive(decimal: Decimal): boolean {
  return compare(decimal, ZERO) > 0;
}

/** The action of the correction of an execution that does not say what became of it. */
function undecidedOf({ row, stated: { content } }: HeldFill): string | undefined {
  return row.action === content.action ? undefined : row.action;
}

/** Whether an event tells what is to be, whenever it is recorded. */
export function isBeforehand({ action }: Pick<Content, 'action'>): boolean {
  return action === BEGIN || action === 'decide';
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

/** What an execution says of itself, else what is known of its order, by the names of ALIKE. */
function saidOf(fill: HeldFill, order: ReadonlyMap<FactName, Stated | undefined> | undefined): readonly string[] {
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

/** How the order was transmitted to an execution, by what is known of the order. */
function transmissionOf(
  fill: HeldFill,
  order: ReadonlyMap<FactName, Stated | undefined> | undefined,
): string | undefined {
  const { transmission, receiver } = transmissionTo(fill, order?.get('transmission'));
  return wentToAnother(fill, receiver ?? order?.get('order_receiver')) ? undefined : transmission?.text;
}

/** Whether an execution says that it was sent to somebody else than the order, and not how: then nobody has said how. */
function wentToAnother({ stated: { facts } }: HeldFill, receiver: Stated | undefined): boolean {
  const own = facts.get('order_receiver');
  return !facts.has('transmission') && own !== undefined && receiver !== undefined && own.text !== receiver.text;
}

/** What an execution in another capacity than the order's says of itself alone. */
const OF_DECISIONS: ReadonlySet<FactName> = new Set<FactName>([
  ...(['investment_decision_maker', 'investment_decision_maker_type'] as const),
  ...(['execution_decision_maker', 'execution_decision_maker_type'] as const),
]);

function isInAnotherCapacity(
  { stated: { facts } }: HeldFill,
  order: ReadonlyMap<FactName, Stated | undefined> | undefined,
): boolean {
  const [own, known] = [facts.get('trading_capacity'), order?.get('trading_capacity')];
  return own !== undefined && own.text !== known?.text;
}

function factsAt(
  timelines: ReadonlyMap<FactName, Timeline<Stated | undefined>>,
  sequence: bigint,
): ReadonlyMap<FactName, Stated> {
  const facts = new Map<FactName, Stated>();
  for (const [name, timeline] of timelines) {
    const stated = valueAt(timeline, sequence);
    if (stated) facts.set(name, stated);
  }
  return facts;
}

function valueAt<T>(timeline: Timeline<T>, sequence: bigint): T | undefined {
  let [low, high] = [0, timeline.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (timeline[middle]!.by.from <= sequence) low = middle + 1;
    else high = middle;
  }
  return timeline[low - 1]?.value;
}

/** A timeline after an event, from which on it is asked: what comes of each of its contents and of what was known before. */
function continued<B, T>(
  before: Timeline<B>,
  contents: readonly HeldContent[],
  valueAfter: (held: HeldContent, known: B | undefined) => T,
  isSame?: (a: T, b: T) => boolean,
): Timeline<T> {
  const first = contents[0]!;
  const held = contents.map((each) => ({ by: each, value: each }));
  const known = [{ by: first, value: valueAt(before, first.from) }, ...before.filter(({ by }) => by.from > first.from)];
  return combined(held, known, (content, value) => valueAfter(content!, value), isSame);
}

/** What comes of two values, whenever one of them changes. */
function combined<A, B, T>(
  a: Timeline<A>,
  b: Timeline<B>,
  valueOf: (a: A | undefined, b: B | undefined) => T,
  isSame: (a: T, b: T) => boolean = Object.is,
): Timeline<T> {
  const steps: Step<T>[] = [];
  let [ofA, ofB] = [0, 0];
  while (ofA < a.length || ofB < b.length) {
    const [nextA, nextB] = [a[ofA]?.by, b[ofB]?.by];
    const by = nextA && !(nextB && nextB.from < nextA.from) ? nextA : nextB!;
    while (ofA < a.length && a[ofA]!.by.from <= by.from) ofA += 1;
    while (ofB < b.length && b[ofB]!.by.from <= by.from) ofB += 1;
    const value = valueOf(a[ofA - 1]?.value, b[ofB - 1]?.value);
    if (steps.length === 0 || !isSame(steps.at(-1)!.value, value)) steps.push({ by, value });
  }
  return steps;
}

/** By what names an event says something of its order, or may. */
function namesOfOrder(held: HeldContent): readonly FactName[] {
  return [...(held.stated?.facts.keys() ?? [])].filter((name) => isOfOrder(held, name, false));
}

/** What an event says of its order, and not of itself alone. */
function ofOrder(held: HeldContent, name: FactName, hasFill: boolean): Stated | undefined {
  return isOfOrder(held, name, hasFill) ? held.stated?.facts.get(name) : undefined;
}

/** An execution says some things of itself alone, and what allocates earlier ones all of the allocation. */
function isOfOrder(held: HeldContent, name: FactName, hasFill: boolean): boolean {
  if (isExecution(held)) return !OF_ONE_EXECUTION.has(name);
  return name === 'allocations' || !isOfAllocation(held, hasFill);
}

function isOfAllocation(held: HeldContent, hasFill: boolean): boolean {
  return hasFill && !isExecution(held) && held.stated?.facts.has('allocations') === true;
}

/** With this an order begins. */
export const BEGIN = 'create';

/** The day of a time, UTC: as texts are ordered. */
function dayOf(timestamp: string): string {
  return parseTimestamp(timestamp).canonical.slice(0, 10);
}

/** When an order is over by what an event says, in nanoseconds since 1970; undefined where it is not. */
function endOf(content: Content): bigint | undefined {
  return isOver(content) ? nanosOf(content.timestamp) : undefined;
}

/** Whether an order is over by an event. */
export function isOver({ action }: Content): boolean {
  return action === 'fill' || ENDS.includes(action);
}

/** With these the order is over: whoever it was sent to may have executed it before it knew, or it is executed otherwise. */
const ENDS: readonly string[] = ['cancel', 'expire', 'reject'];
/** How an order that was transmitted is after it was cancelled, refused or ran out: nobody has said. */
export const ENDED = 'ended';
/** How it is transmitted to another firm that it goes to now: nobody has said. */
export const UNSAID = 'unsaid';

/** Whether an event says, or ends, how its order was transmitted, or may by what was known before. */
function maySayTransmission({ stated }: HeldContent): boolean {
  if (!stated) return false;
  const { content, facts } = stated;
  if (FILLS.includes(content.action)) return false;
  return facts.has('transmission') || ENDS.includes(content.action) || facts.has('order_receiver');
}

/**
 * How the order is transmitted after an event: as it says; not, where it goes to a venue now, or somebody else who is no firm
 * by an LEI; to another firm, or again to one after an end, nobody has said how, nor of what was transmitted and then cancelled,
 * refused or ran out; otherwise as before.
 */
function transmissionAfter(
  { row: { sequence }, stated }: HeldContent,
  known: TransmissionThen | undefined,
  changes: Numbered,
): Stated | TransmissionChange | undefined {
  const before = known?.transmission;
  if (!stated) return before;
  const { content, facts } = stated;
  const { action, event_id, timestamp: since } = content;
  if (FILLS.includes(action)) return before;
  const said = facts.get('transmission');
  const receiver = facts.get('order_receiver');
  const isToAnother = known?.receiver !== undefined && receiver !== undefined && receiver.text !== known.receiver.text;
  const isNone = !before || before.text === 'none';
  const toChange = (stated: Stated, isEnd = false): TransmissionChange => changed(stated, since, isEnd, known, changes);
  if (said) {
    if (isToAnother || (before && said.text !== before.text)) return toChange(said);
    // what is first said of it, and what is said again, is so whenever it was executed; but for what was so since a change
    return changeIn(before) ?? said;
  }
  const isEnd = ENDS.includes(action);
  const isSentAnew =
    receiver !== undefined && isLei(receiver.text) && (isToAnother || changeIn(before)?.isEnd === true);
  if (!isEnd && isSentAnew) return toChange({ text: UNSAID, name: 'transmission', event_id, sequence });
  if (!isEnd && !isToAnother) return before;
  // it had ended by then, or never was; whoever received it without a word of how has it no more
  const isUnsaid = before === undefined && known?.receiver !== undefined;
  if (isNone && !isUnsaid && !(changeIn(before) && changeIn(before)!.sinceNanos > nanosOf(since))) return before;
  const wasSent = before ? !isNone : known?.receiver !== undefined && isLei(known.receiver.text);
  const isUndecided = isEnd && !isToAnother && wasSent;
  const text = isUndecided ? ENDED : 'none';
  return toChange({ text, name: 'transmission', event_id, sequence }, isEnd);
}

function changed(
  stated: Stated,
  since: string,
  isEnd: boolean,
  known: TransmissionThen | undefined,
  changes: Numbered,
): TransmissionChange {
  const [before, receiver] = [known?.transmission, known?.receiver];
  const earlier = changeIn(before);
  return {
    ...{ ...stated, since, isEnd, sinceNanos: nanosOf(since), before, receiver },
    meaning: changes.of(stated.text, since, isEnd, receiver?.text, before?.text, earlier?.meaning),
    identity: changes.of(
      stated.sequence,
      stated.text,
      since,
      isEnd,
      receiver?.sequence,
      before?.sequence,
      earlier?.identity,
    ),
  };
}

/** To an execution: as it says itself, or as it was at its time. What changed later counts for later executions. */
function transmissionTo(
  { stated: { content, facts } }: HeldFill,
  stated: Stated | TransmissionChange | undefined,
): TransmissionThen {
  const own = facts.get('transmission');
  if (own) return { transmission: own, receiver: undefined };
  const time = nanosOf(tradeTimeOf(content).time);
  let then: TransmissionThen = { transmission: stated, receiver: undefined };
  let change = changeIn(stated);
  while (change && isLater(change, time)) {
    then = { transmission: change.before, receiver: change.receiver };
    change = changeIn(change.before);
  }
  return then;
}

function isLater(change: TransmissionChange | undefined, nanos: bigint): boolean {
  return change !== undefined && (change.isEnd ? change.sinceNanos >= nanos : change.sinceNanos > nanos);
}

/** Nanoseconds since 1970 of a time by RFC 3339. */
function nanosOf(time: string): bigint {
  const { micros, nanos } = parseTimestamp(time);
  return BigInt(micros) * 1_000n + BigInt(nanos);
}

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
function whereOfTheSame(
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

function changeIn(stated: Stated | TransmissionChange | undefined): TransmissionChange | undefined {
  return stated && 'since' in stated ? stated : undefined;
}

/** Whether both are one statement, or one change by the same event. */
function areOne(a: Stated | undefined, b: Stated | undefined): boolean {
  return a === b || (changeIn(a) !== undefined && changeIn(a)?.identity === changeIn(b)?.identity);
}

/** Whether both are one statement, of the same client. */
function areOneOfClient(a: Stated | undefined, b: Stated | undefined): boolean {
  return a === b || (a?.saidOf !== undefined && a.saidOf === b?.saidOf && a.sequence === b.sequence);
}

/** Whether both say the same, also of when a transmission changed, and of what held before. */
function isSaidAgain(a: Stated | undefined, b: Stated | undefined): boolean {
  if (a && DECIDED_BY_THE_LATER.has(a.name) && a.sequence !== b?.sequence) return false;
  return a?.text === b?.text && a?.saidOf === b?.saidOf && changeIn(a)?.meaning === changeIn(b)?.meaning;
}

/** Whether it is of a drop copy. */
export function isCopy({ stated }: HeldContent): boolean {
  return stated?.facts.get('drop_copy')?.text === 'true';
}

/** Of whom there are several. */
const LISTS: ReadonlySet<FactName> = new Set<FactName>(['allocations', 'client_representative_ids']);

function statedIn(row: StoredRow, as = row.action): HeldContent['stated'] {
  if (row.action === 'void' || row.event_type !== ORDER_LIFECYCLE) return undefined;
  const content = { ...contentOf(row), action: as };
  const { action, timestamp, new_state: state, metadata, event_id } = content;
  const facts = [...factsOf(action, timestamp, state, metadata)].map(([name, text]): [FactName, Stated] => [
    name,
    { text, name, event_id, sequence: row.sequence },
  ]);
  // a list of nobody says nothing
  return { content, facts: new Map(facts.filter(([name, { text }]) => !LISTS.has(name) || text !== '[]')) };
}
