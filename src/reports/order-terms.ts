import type { JsonValue } from '../integrity/canonical-json.js';
import type { Content } from '../integrity/event.js';
import { parseTimestamp, TimestampError } from '../integrity/timestamp.js';
import { cellOf, shortened } from './cell.js';
import { compare, formatDecimal, parseDecimal, ZERO, type Decimal } from './decimal.js';
import { CLOCKS_APART_NANOS } from './order-lives.js';
import type { FactName } from './regimes/regime.js';
import { endedBy } from './subjects.js';
import { Statements, type Statement } from './term-statements.js';
import { tradeTimeOf } from './trade-time.js';

/** What of an order its executions are held against, or tells that they cannot be. */
const IN_NEW_STATE = [
  ...(['side', 'isin', 'symbol', 'exchange', 'limit_price', 'additional_limit_price', 'order_type'] as const),
  ...(['price_notation', 'currency', 'validity', 'valid_until', 'notional_change', 'transaction_nature'] as const),
] as const satisfies readonly FactName[];
const IN_METADATA = ['complex_trade_id', 'strategy_linked_order_id'] as const satisfies readonly FactName[];
export type TermName = (typeof IN_NEW_STATE)[number] | (typeof IN_METADATA)[number];

/** What one event says of an order, or an execution of itself. */
export type Terms = ReadonlyMap<TermName, { text: string }>;

/** These say what the order is; `decide`, `route` and `acknowledge` tell of what others were asked. */
const STATING: readonly string[] = ['create', 'modify', 'trigger', 'change_status'];
/** These an execution states of its order as well. */
const LIMITS: readonly TermName[] = ['limit_price', 'additional_limit_price'];
const WITH_A_LIMIT: readonly string[] = ['limit', 'stop_limit', 'quote'];
/** Prices of which the lower is not the better one for whoever buys. */
const TURNED_ROUND: readonly string[] = ['yield', 'basis_points'];
/** Values of `validity` that end by `valid_until`. */
export const GOOD_TILL: readonly string[] = ['good_till_time', 'good_till_date', 'good_till_date_time'];
const SIDES: readonly string[] = ['buy', 'sell'];
const HOUR = 3_600_000_000_000n;

/** An execution, as far as it is held against its order. */
export interface ExecutionTerms {
  /** when it was executed, in nanoseconds since 1970 */
  time: bigint;
  price: Decimal | undefined;
  source: string;
  own: Terms;
}

/** In what an execution does not fit its order. */
export type Misfit = 'side' | 'instrument' | 'limit' | 'validity';
/** With these what was recorded was not compared any further: the execution did not fit it, whatever else there is. */
const UNCOMPARED_BESIDE: Readonly<Record<Misfit, readonly Misfit[]>> = {
  validity: [],
  instrument: [],
  side: ['instrument'],
  limit: ['instrument', 'side'],
};
type Misfits = ReadonlyMap<Misfit, { expected: string; found: string }>;

/** An execution that does not fit, and in what. */
interface Told<Place> {
  place: Place;
  misfit: Misfit;
  expected: string;
  found: string;
}

/** The values that a term may have had; of symbols, which each source has of its own, those of the execution's source. */
type Candidates = (name: TermName) => readonly (string | undefined)[];

/** The terms that an event states. */
export function termsOf({ action, new_state: state, metadata }: Content): Terms {
  const terms = new Map<TermName, { text: string }>();
  const take = (name: TermName, value: JsonValue | undefined): void => {
    const text = cellOf(value);
    if (text !== null) terms.set(name, { text });
  };
  for (const name of IN_NEW_STATE) if (Object.hasOwn(state, name)) take(name, state[name]);
  for (const name of IN_METADATA) if (Object.hasOwn(metadata, name)) take(name, metadata[name]);
  const isOfOrder = STATING.includes(action) && !terms.has('limit_price');
  if (isOfOrder && Object.hasOwn(state, 'price')) take('limit_price', state.price);
  return terms;
}

/** When an execution was executed, in nanoseconds since 1970. */
export function executedAt(content: Content): bigint {
  return nanosOf(tradeTimeOf(content).time);
}

/**
 * What was said of one order, and which of its executions do not fit it. Grows with the changes of the order and with the
 * executions that do not fit what had been recorded up to them; which of these fit nothing that the order was at their
 * time is known at the end, since a change may be recorded after the execution that it is for.
 */
export class OrderTerms<Place> {
  private readonly statements = new Map<string, Statements>();
  private readonly latest = new Map<TermName, { text: string }>();
  private readonly doubtful: { place: Place; execution: ExecutionTerms; by: Misfits | undefined }[] = [];
  private readonly symbols = new Map<string, string>();
  private creates = 0;
  /** of all that was said, once it was asked for */
  private told: readonly Told<Place>[] | undefined;

  /** Takes what an event says of the order from its time on. */
  state(action: string, terms: Terms, time: bigint, source: string): void {
    this.told = undefined;
    if (action === 'create') this.creates += 1;
    const stated = STATING.includes(action) ? terms : new Map([...terms].filter(([name]) => LIMITS.includes(name)));
    for (const name of endedBy(stated, this.latest) as readonly TermName[]) {
      this.latest.delete(name);
      if (name !== 'symbol') this.add(name, { time, text: undefined });
      else for (const each of this.symbols.keys()) this.add(keyOf(name, each), { time, text: undefined });
      if (name === 'symbol') this.symbols.clear();
    }
    for (const [name, { text }] of stated) {
      this.latest.set(name, { text });
      if (name === 'symbol') this.symbols.set(source, text);
      this.add(keyOf(name, source), { time, text });
    }
  }

  /** Takes an execution, before what it says itself of the order. */
  execute(place: Place, execution: ExecutionTerms): void {
    this.told = undefined;
    const recorded: Candidates = (name) => {
      const text = this.known(name, execution.source);
      return text === undefined ? [] : [text];
    };
    // before its create what was recorded tells nothing
    const by = this.creates > 0 ? misfitsOf(execution, recorded) : undefined;
    if (by === undefined || by.size > 0) this.doubtful.push({ place, execution, by });
  }

  /** What was recorded last of the order by a name; of symbols by the same source. */
  known(name: TermName, source: string): string | undefined {
    return name === 'symbol' ? this.symbols.get(source) : this.latest.get(name)?.text;
  }

  /**
   * The executions that do not fit their order: neither what it was by what was recorded before them, nor anything that it
   * was by the times of events, as far as clocks may be apart. None where the order was created twice.
   */
  misfits(): readonly Told<Place>[] {
    return (this.told ??= [...this.allMisfits()]);
  }

  private *allMisfits(): Generator<Told<Place>> {
    if (this.creates > 1) return;
    for (const { place, execution, by } of this.doubtful) {
      const atItsTime = misfitsOf(execution, (name) => this.around(name, execution));
      for (const [misfit, says] of atItsTime) {
        const isOther = !by || by.has(misfit) || UNCOMPARED_BESIDE[misfit].some((each) => by.has(each));
        if (isOther) yield { place, misfit, ...says };
      }
    }
  }

  private add(key: string, statement: Statement): void {
    const known = this.statements.get(key);
    if (known) known.add(statement);
    else this.statements.set(key, new Statements(statement));
  }

  /** What held by event time at any moment from as long before as clocks may be apart to as long after, each text once. */
  private around(name: TermName, { source, time }: ExecutionTerms): readonly (string | undefined)[] {
    const all = this.statements.get(keyOf(name, source));
    const [from, to] = [time - CLOCKS_APART_NANOS, time + CLOCKS_APART_NANOS];
    if (!all) return [];
    return name === 'limit_price' ? all.limitsBetween(from, to) : all.between(from, to);
  }
}

function keyOf(name: TermName, source: string): string {
  return name === 'symbol' ? `${name}\n${source}` : name;
}

/** What is not known, or cannot be read, contradicts nothing. */
function misfitsOf(execution: ExecutionTerms, of: Candidates): Misfits {
  const misfits = new Map<Misfit, { expected: string; found: string }>();
  const validity = beyondValidity(execution, of);
  if (validity) misfits.set('validity', validity);
  if (isOfStrategy(execution, of)) return misfits;
  const instrument = otherInstrument(execution, of);
  if (instrument) return misfits.set('instrument', instrument);
  const own = execution.own.get('side')?.text;
  const sides = of('side');
  const isSide = (text: string | undefined): boolean => text !== undefined && SIDES.includes(text);
  const isChange = execution.own.has('notional_change'); // then its side is that of the trade that is changed
  if (isChange || !sides.every(isSide) || (own !== undefined && !isSide(own))) return misfits;
  if (own !== undefined && sides.length > 0 && !sides.includes(own)) {
    return misfits.set('side', { expected: `side ${sides[0]}`, found: `side ${own}` });
  }
  const side = own ?? (new Set(sides).size === 1 ? sides[0] : undefined);
  const limit = side === undefined ? undefined : beyondLimit(execution, side, of);
  if (limit) misfits.set('limit', limit);
  return misfits;
}

/** Whether it may be of one leg of several, of which each has its own instrument, side and price. */
function isOfStrategy({ own }: ExecutionTerms, of: Candidates): boolean {
  return IN_METADATA.some((name) => own.has(name) || of(name).length > 0);
}

/** By its ISIN; where it states none by its symbol, which each source has of its own. */
function otherInstrument({ own }: ExecutionTerms, of: Candidates): { expected: string; found: string } | undefined {
  const name = own.has('isin') ? 'isin' : 'symbol';
  const said = own.get(name)?.text;
  const known = of(name);
  if (said === undefined || known.length === 0 || known.includes(undefined) || known.includes(said)) return undefined;
  return { expected: `${name} ${shortened(known[0]!)}`, found: `${name} ${shortened(said)}` };
}

function beyondLimit(
  { price, own }: ExecutionTerms,
  side: string,
  of: Candidates,
): { expected: string; found: string } | undefined {
  const types = of('order_type');
  const notations = [...of('price_notation'), own.get('price_notation')?.text];
  const currencies = [...of('currency'), own.get('currency')?.text];
  const areDifferent = (texts: readonly (string | undefined)[]): boolean =>
    new Set(texts.filter((text) => text !== undefined)).size > 1;
  const isIncomparable =
    !types.every((type) => type !== undefined && WITH_A_LIMIT.includes(type)) ||
    of('additional_limit_price').length > 0 ||
    own.has('additional_limit_price') ||
    notations.some((text) => text !== undefined && TURNED_ROUND.includes(text)) ||
    areDifferent(notations) ||
    areDifferent(currencies) ||
    (own.get('transaction_nature')?.text ?? 'trade') !== 'trade';
  if (isIncomparable || !price) return undefined;
  const ofOrder = of('limit_price');
  const stated = own.has('limit_price') ? [...ofOrder, own.get('limit_price')!.text] : ofOrder;
  const limits = stated.map((text) => (text === undefined ? undefined : parseDecimal(text)));
  // market orders have a price of 0 with some, who do not say that it is none
  const isRead = (limit: Decimal | undefined): limit is Decimal =>
    limit !== undefined && (types.length > 0 || compare(limit, ZERO) !== 0);
  if (limits.length === 0 || !limits.every(isRead)) return undefined;
  const sign = side === 'buy' ? 1 : -1;
  const furthest = limits.reduce((a, b) => (compare(b, a) * sign > 0 ? b : a));
  if (compare(price, furthest) * sign <= 0) return undefined;
  return {
    expected: `a price of at ${side === 'buy' ? 'most' : 'least'} ${formatDecimal(furthest)}`,
    found: `price ${formatDecimal(price)}`,
  };
}

function beyondValidity({ time }: ExecutionTerms, of: Candidates): { expected: string; found: string } | undefined {
  const validities = of('validity');
  if (!validities.every((text) => text !== undefined && GOOD_TILL.includes(text))) return undefined;
  const untils = of('valid_until');
  const isOfDay = validities.length === 0 || validities.includes('good_till_date');
  const ends = untils.map((text) => endOfValidity(text, isOfDay));
  const isRead = (end: bigint | undefined): end is bigint => end !== undefined;
  if (ends.length === 0 || !ends.every(isRead)) return undefined;
  const last = ends.reduce((a, b) => (b > a ? b : a));
  if (time <= last + CLOCKS_APART_NANOS) return undefined;
  return { expected: `none after valid_until ${untils[ends.indexOf(last)]}`, found: 'executed' };
}

/**
 * By when an order is over that is good until a time, or to the end of the day that this is in. The day is the venue's: it
 * is over everywhere half a day after that of UTC, and a day after any moment in it. In nanoseconds since 1970; undefined
 * where it cannot be read.
 */
export function endOfValidity(text: string | undefined, isOfDay: boolean): bigint | undefined {
  if (text === undefined) return undefined;
  let until: bigint;
  try {
    until = nanosOf(parseTimestamp(text).canonical);
  } catch (error) {
    if (!(error instanceof TimestampError)) throw error;
    return undefined;
  }
  if (!isOfDay) return until;
  const everywhere = (until / (24n * HOUR)) * 24n * HOUR + 36n * HOUR;
  return everywhere > until + 24n * HOUR ? everywhere : until + 24n * HOUR;
}

function nanosOf(timestamp: string): bigint {
  const { micros, nanos } = parseTimestamp(timestamp);
  return BigInt(micros) * 1_000n + BigInt(nanos);
}
