import { OF_A_DAY } from '../reports/life-so-far.js';
import type { FactName } from '../reports/regimes/regime.js';
import {
  CLIENT_NAMES,
  DESCRIBED_BY,
  describesAnother,
  INSTRUMENT_NAMES,
  isForAnotherClient,
  NAMED_AFTER_NOBODY,
  mayNameAnotherInstrument,
  OF_THAT_CLIENT,
  OF_THAT_INSTRUMENT,
  namesOfSubjects,
  saidOfSubjects,
} from '../reports/subjects.js';
import { tradeTimeOf } from '../reports/trade-time.js';
import {
  type HeldContent,
  type HeldFill,
  isExecution,
  withoutCopies,
  undecidedOf,
  BEGIN,
  dayOf,
  endOf,
  nanosOf,
} from './held-content.js';
import {
  type PastFill,
  ALIKE_NAMES,
  areAll,
  isSaidForSeveral,
  isToBeAllocated,
  saidOf,
  OpenExecutions,
} from './open-executions.js';
import { OF_ONE_EXECUTION, type KnownThen, whereOfTheSame, isSaidAgain } from './taken-over.js';
import { type Timeline, factsAt, valueAt, continued, combined } from './timeline.js';
import type { Stated } from './trace.js';
import { Numbered, maySayTransmission, transmissionAfter, transmissionTo, areOne } from './transmission.js';

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
  private readonly open = new OpenExecutions();

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
      this.open.nextEvent();
      const order = this.timelinesOf([...ALIKE_NAMES, 'order_receiver']);
      const known = combined(this.fills, order, (before, order) => ({ before, order }));
      const stated = new Map(this.stated);
      this.fills = continued(known, contents, (held, then) =>
        isExecution(held)
          ? this.open.fillAfter({ fill: held, stated, transmissions, said: saidOf(held, then?.order) }, then?.before)
          : this.open.allocatedBy(held, then?.before),
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

  /** Whether an execution is for another client than its order, where that is said by others than executions. */
  private isForAnotherClient({ stated: { facts } }: HeldFill, known: (name: FactName) => Stated | undefined): boolean {
    const isSaid = CLIENT_NAMES.map(known).some((stated) => stated && !this.namedByExecution.has(stated.event_id));
    return isSaid && isForAnotherClient(facts, known);
  }

  private timelineOf(name: FactName): Timeline<Stated | undefined> {
    return this.stated.get(name) ?? [];
  }
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

/** Whether both are one statement, of the same client. */
function areOneOfClient(a: Stated | undefined, b: Stated | undefined): boolean {
  return a === b || (a?.saidOf !== undefined && a.saidOf === b?.saidOf && a.sequence === b.sequence);
}
