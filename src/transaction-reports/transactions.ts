import type { Content } from '../integrity/event.js';
import type { StoredRow } from '../integrity/stored-event.js';
import { FILLS, type FactName } from '../reports/regimes/regime.js';
import type { LifeEvent, OrderLife } from '../reports/whole-lives.js';
import { coursesOf, intentionIn, type Intention } from './intended-allocations.js';
import {
  BEGIN,
  contentsOf,
  type HeldContent,
  type HeldFill,
  isBeforehand,
  isExecution,
  type ToldBefore,
} from './held-content.js';
import { type Unlike } from './open-executions.js';
import { OrderPast } from './order-past.js';
import {
  overAllocationBy,
  type OverAllocation,
  ownFacts,
  saysTheSame,
  takenOver,
  type KnownThen,
} from './taken-over.js';
import type { Timeline } from './timeline.js';
import { ToldExecutions, toldOnceMore } from './told-executions.js';
import { DECIDED_BY_THE_LATER, INSTRUMENT_NAMES } from '../reports/subjects.js';
import type { Stated } from './trace.js';

/** Of these only what the execution itself states counts. */
const NEVER_LOOKED_UP: ReadonlySet<FactName> = new Set<FactName>([
  ...(['price', 'price_absent', 'quantity'] as const),
  ...(['execution_time', 'venue_transaction_id', 'net_amount', 'accrued_interest', 'drop_copy'] as const),
]);

/** What is known of an order at one of its events: what the event states, then the latest that was stated before. */
export class Facts {
  constructor(
    private readonly own: ReadonlyMap<FactName, Stated>,
    private readonly before: ReadonlyMap<FactName, Stated>,
    private readonly asked = new Set<FactName>(),
    private readonly askedBefore = new Set<FactName>(),
  ) {}

  get(name: FactName): Stated | undefined {
    this.asked.add(name);
    const stated = this.own.get(name) ?? this.taken(name);
    return stated?.namedAt === undefined ? stated : undefined;
  }

  /** What the order says of another place than that of the execution. */
  namedElsewhere(name: FactName): (Stated & { namedAt: string }) | undefined {
    this.asked.add(name);
    const stated = this.taken(name);
    return stated?.namedAt === undefined ? undefined : { ...stated, namedAt: stated.namedAt };
  }

  /** Whether the event states it itself. */
  isOwn(name: FactName): boolean {
    return this.own.has(name);
  }

  /** Of several names the first that the event states itself, else the first that was stated before. */
  nearest(...names: readonly FactName[]): Stated | undefined {
    const own = names.find((name) => this.own.has(name));
    return own ? this.own.get(own) : names.map((name) => this.get(name)).find((stated) => stated !== undefined);
  }

  text(name: FactName): string | undefined {
    return this.get(name)?.text;
  }

  /**
   * Of a part of an execution: what is said of the part itself, and of the whole all but some names. What these are asked
   * for, the whole was asked for.
   */
  ofPart(part: ReadonlyMap<FactName, Stated>, notOfPart: ReadonlySet<FactName>): Facts {
    const rest = (of: ReadonlyMap<FactName, Stated>) => [...of].filter(([name]) => !notOfPart.has(name));
    return new Facts(new Map([...rest(this.own), ...part]), new Map(rest(this.before)), this.asked, this.askedBefore);
  }

  /** Without what was said of a client whom the order names otherwise since, unless it is the same one. */
  ofSameClient(isSame: (saidOf: string) => boolean): Facts {
    const before = [...this.before].filter(([, { saidOf }]) => saidOf === undefined || isSame(saidOf));
    return before.length === this.before.size
      ? this
      : new Facts(this.own, new Map(before), this.asked, this.askedBefore);
  }

  /** What was said of a client whom the order names otherwise since, and is not stated by the event itself. */
  saidOfPerhapsAnother(): readonly (readonly [name: FactName, saidOf: string])[] {
    return [...this.before].flatMap(([name, { saidOf }]) => {
      if (saidOf === undefined || this.own.has(name)) return [];
      this.asked.add(name);
      return [[name, saidOf] as const];
    });
  }

  /** Whether others, of the same content, say the same by every name that these were asked for so far: not who says so. */
  isAnsweredBy(others: Facts): boolean {
    for (const name of this.asked) {
      const [own, other] = [this.taken(name), others.taken(name)];
      if (own?.text !== other?.text || own?.namedAt !== other?.namedAt || own?.saidOf !== other?.saidOf) return false;
      if (DECIDED_BY_THE_LATER.has(name) && own?.sequence !== other?.sequence) return false;
    }
    for (const name of this.askedBefore) {
      if (this.before.get(name)?.text !== others.before.get(name)?.text) return false;
    }
    return true;
  }

  /** What the order, or the execution that is allocated, says, whatever the event states itself. */
  takenText(name: FactName): string | undefined {
    this.askedBefore.add(name);
    return this.before.get(name)?.text;
  }

  /** What is taken over of the order, where the event does not state it. */
  private taken(name: FactName): Stated | undefined {
    return this.own.has(name) || NEVER_LOOKED_UP.has(name) ? undefined : this.before.get(name);
  }
}

/** The content that an event had for a time, with what was known of its order then. */
export interface TransactionVersion {
  row: StoredRow;
  content: Content;
  facts: Facts;
  /** what brought it about: `row`, or the correction of an earlier event of the order, or its void */
  cause: StoredRow;
  /** the execution itself, or the last one before an allocation; undefined where there was none */
  fill: { row: StoredRow; content: Content } | undefined;
  /** of an allocation: in what the executions that it may be of are not alike */
  unlike: Unlike;
  /** of an allocation: whether all of these were for several clients, or for nobody who was named, whomever the order names since */
  isForSeveral: boolean;
  /** whether it, or what it allocates, was executed before the order began, whose id another had before */
  isOfFormer?: boolean;
  /** of an allocation: whether it may be of the order that had the id before, and does not say of which it is */
  isPerhapsOfFormer?: boolean;
  /** of an allocation by another event: what it comes to, if that is more than was executed and is not allocated before */
  overAllocation?: OverAllocation | undefined;
  /** of an allocation: actions of corrections that do not say what became of one of the executions before the last one */
  undecided?: readonly string[];
  /** the event that tells of the same execution before it */
  toldBefore?: ToldBefore;
  /** of an allocation before which nothing was executed: what came of it */
  intention?: Intention;
  /** what was said of the event last, and never held: a correction of what another had taken the place of */
  outdated?: OutdatedWord;
}

/** A correction that changed nothing, as the last word on an event. */
export interface OutdatedWord {
  eventId: string;
  /** what it corrects */
  corrects: string;
  /** what holds, and would have to be corrected */
  holds: string;
}

/** From this event on it was no transaction: it never happened, or was something else. */
export interface NoTransaction {
  row: StoredRow;
  content?: undefined;
  cause: StoredRow;
}

/** An execution, or the allocation of executions, with all that was ever said of it. */
export interface Transaction {
  orderId: string;
  /** of the event as first recorded */
  eventId: string;
  /** one after the other: with each correction of the event, and of an earlier one of the order that was recorded later */
  versions: readonly (TransactionVersion | NoTransaction)[];
}

/** What other orders tell of the executions of an order. */
export interface OtherOrders {
  /** The events of a life, once it is known of them which orders may tell of the same. */
  events(life: OrderLife): AsyncIterable<LifeEvent>;
  /** What is told before an event by other orders, as known at any sequence; nothing in most cases. */
  toldBefore(transaction: Transaction): Promise<Timeline<ToldBefore | undefined>>;
}

/**
 * The executions and allocations along an order's life, with all their versions. Of executions that other orders tell of
 * before nothing is known without these. Throws DamagedRowError.
 */
export async function* transactionsOf(life: OrderLife, others?: OtherOrders): AsyncGenerator<Transaction> {
  const { orderId } = life;
  const past = new OrderPast();
  const told = new ToldExecutions();
  let courses: Awaited<ReturnType<typeof coursesOf>> | undefined;
  for await (const event of others?.events(life) ?? life.events()) {
    if (event.kind === 'correction') continue;
    const all = contentsOf(event.versions);
    if (past.begin(all)) told.beginAnew();
    let contents = told.add(all, event.row);
    if (contents.some(isTransaction)) {
      const eventId = event.row.event_id;
      let versions = versionsOf(contents, past);
      const elsewhere = (await others?.toldBefore({ orderId, eventId, versions })) ?? [];
      if (elsewhere.length > 0) {
        contents = toldOnceMore(contents, elsewhere);
        versions = versionsOf(contents, past);
      }
      // to know it, what comes later must be read: of few orders that is asked
      if (versions.some(isIntended)) courses ??= await coursesOf(life);
      const intention = courses && intentionIn(courses, event.row);
      const outdated = outdatedWord(event);
      const more = (each: TransactionVersion | NoTransaction) => ({
        ...each,
        ...(intention && isIntended(each) && { intention }),
        ...(outdated && { outdated }),
      });
      yield { ...{ orderId, eventId }, versions: intention || outdated ? versions.map(more) : versions };
    }
    past.add(contents);
  }
}

/** What was said of an event after all that ever held of it; of all its versions, so that it makes no version of its own. */
function outdatedWord(event: Exclude<LifeEvent, { kind: 'correction' }>): OutdatedWord | undefined {
  const last = event.kind === 'event' ? event.outdated?.at(-1) : undefined;
  if (!last || BigInt(last.sequence) < BigInt(event.stated.sequence)) return undefined;
  return { eventId: last.event_id, corrects: last.corrects!, holds: event.stated.event_id };
}

/** Whether it allocates, and nothing was executed before it, or it tells what is to be. */
function isIntended(version: TransactionVersion | NoTransaction): version is TransactionVersion {
  return version.content !== undefined && (version.fill === undefined || isBeforehand(version.content));
}

/** An execution, and not the allocation of some alone. */
export function isFill({ content }: TransactionVersion): boolean {
  return FILLS.includes(content.action);
}

/**
 * Of what the executions that an allocation may be of do not say the same, and it does not say itself that it is of the last
 * one: whose report it is, or whether there is one, is not known then.
 */
export function unknownOfAllocation(version: TransactionVersion, firm: string): ReadonlySet<FactName> {
  const { unlike, facts } = version;
  const unknown = new Set<FactName>();
  for (const [name, texts] of unlike) {
    // who executed it is the firm where nobody is named
    const meant = (text: string | undefined) => (name === 'executing_entity' ? text || firm : (text ?? ''));
    const said = new Set(texts.map(meant));
    // where it says it, it must be what the execution says whose time and price it has: the last one
    const isOfLast = facts.isOwn(name) && meant(facts.text(name)) === meant(facts.takenText(name));
    if (said.size > 1 && !isOfLast) unknown.add(name);
  }
  for (const name of contradictedByAllocation(version, firm)) unknown.add(name);
  return unknown;
}

/** What an allocation must not state otherwise than what it allocates, with what it means that nothing is said. */
const AS_EXECUTED: Readonly<Partial<Record<FactName, string>>> = {
  ...{
    isin: '',
    side: '',
    trading_capacity: '',
    notional_change: '',
    sftr_exempt: 'false',
    transaction_nature: 'trade',
    financial_instrument: 'true',
    venue_traded: 'true',
  },
};

/** In what an allocation says something else of what was executed than the execution, or its order then. */
export function contradictedByAllocation(version: TransactionVersion, firm: string): readonly FactName[] {
  const { facts, fill } = version;
  if (fill === undefined || isFill(version)) return [];
  const meanings = { ...AS_EXECUTED, executing_entity: firm };
  return (Object.keys(meanings) as FactName[]).filter((name) => {
    if (!facts.isOwn(name)) return false;
    const executed = facts.takenText(name) ?? meanings[name]!;
    return executed !== '' && facts.text(name) !== executed;
  });
}

const ALL_ALIKE: Unlike = new Map();
const NOTHING: KnownThen['facts'] = new Map();

/** Whether executions are not alike in the same, and say the same of it. */
export function isSameUnlike(a: Unlike, b: Unlike): boolean {
  return JSON.stringify([...a]) === JSON.stringify([...b]);
}

/** What it states itself of who got what. */
export function allocationsOf({ content, facts }: TransactionVersion): Stated | undefined {
  const allocations = facts.get('allocations');
  return allocations?.event_id === content.event_id ? allocations : undefined;
}

function isTransaction(held: HeldContent): boolean {
  return isExecution(held) || held.stated?.facts.has('allocations') === true;
}

function versionsOf(contents: readonly HeldContent[], past: OrderPast): (TransactionVersion | NoTransaction)[] {
  const first = contents[0]!;
  const isAlwaysExecution = contents.every((held) => !held.stated || isExecution(held));
  const changes = [...contents.slice(1), ...past.changesAfter(first.from, isAlwaysExecution)];
  const versions: (TransactionVersion | NoTransaction)[] = [];
  let [held, known] = [first, past.at(first.from, isAlwaysExecution)];
  const isOfFormer = (of: HeldContent, then: KnownThen, sequence: bigint): boolean => {
    // an allocation may say itself of when it is
    const isTimed = of.stated?.facts.has('execution_time') === true;
    const executions = isExecution(of)
      ? [of]
      : [...(isTimed ? [of as HeldFill] : []), ...(then.lastFill ? [then.lastFill] : [])];
    return executions.some((each) => past.isOfFormer(each, sequence));
  };
  versions.push(versionOf(held, known, held.row, isOfFormer(held, known, first.from)));
  for (const change of changes.sort((a, b) => Number(a.from - b.from))) {
    const [before, knownBefore] = [held, known];
    held = contents.findLast(({ from }) => from <= change.from) ?? first;
    known = past.at(change.from, isAlwaysExecution);
    if (held === before && (!isTransaction(held) || isSame(held, known, knownBefore))) continue;
    const cause = change.cause ?? change.row;
    versions.push(versionOf(held, known, cause, isOfFormer(held, known, change.from)));
  }
  return versions;
}

function versionOf(
  held: HeldContent,
  known: KnownThen,
  cause: StoredRow,
  isOfFormer: boolean,
): TransactionVersion | NoTransaction {
  const { row, stated, toldBefore } = held;
  if (!stated || !isTransaction(held)) return { row, cause };
  const fill = isExecution(held) ? held : known.lastFill;
  const { content } = stated;
  return {
    ...{ row, content, cause, facts: new Facts(ownFacts(held, known), takenOver(held, known)) },
    fill: fill && { row: fill.row, content: fill.stated.content },
    unlike: isExecution(held) || !known.lastFill ? ALL_ALIKE : known.lastFill.unlike,
    isForSeveral: !isExecution(held) && known.lastFill?.isForSeveral === true,
    ...(!isExecution(held) && { overAllocation: overAllocationBy(held, known), undecided: undecidedIn(known) }),
    ...(isOfFormer && { isOfFormer }),
    ...(toldBefore && { toldBefore }),
    ...(known.isFormerOpen && !isExecution(held) && !saysOfWhich(stated) && { isPerhapsOfFormer: true }),
  };
}

/** Whether an allocation says by time or instrument of which order it is, or begins that. */
function saysOfWhich({ content, facts }: NonNullable<HeldContent['stated']>): boolean {
  if (content.action === BEGIN) return true;
  return (['execution_time', ...INSTRUMENT_NAMES] as const).some((name) => facts.has(name));
}

function undecidedIn({ lastFill }: KnownThen): readonly string[] {
  return lastFill?.undecided ?? [];
}

/** Whether both come to the same, of the same. */
export function isSameOverAllocation(a: OverAllocation | undefined, b: OverAllocation | undefined): boolean {
  return a?.allocated === b?.allocated && a?.executed === b?.executed;
}

/** Whether the same comes of it; to an execution the one before it is of no account. */
function isSame(held: HeldContent, a: KnownThen, b: KnownThen): boolean {
  const toExecution = isExecution(held);
  const isSameFill =
    a.lastFill?.row === b.lastFill?.row &&
    a.lastFill?.transmission?.text === b.lastFill?.transmission?.text &&
    a.lastFill?.receiver?.text === b.lastFill?.receiver?.text &&
    a.lastFill?.isForSeveral === b.lastFill?.isForSeveral &&
    saysTheSame(a.lastFill?.facts ?? NOTHING, b.lastFill?.facts ?? NOTHING) &&
    isSameUnlike(a.lastFill?.unlike ?? ALL_ALIKE, b.lastFill?.unlike ?? ALL_ALIKE) &&
    isSameOverAllocation(overAllocationBy(held, a), overAllocationBy(held, b)) &&
    String(undecidedIn(a)) === String(undecidedIn(b));
  return (toExecution || (isSameFill && a.isFormerOpen === b.isFormerOpen)) && saysTheSame(a.facts, b.facts);
}
