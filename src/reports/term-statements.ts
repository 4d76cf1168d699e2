import { compare, parseDecimal, ZERO, type Decimal } from './decimal.js';

/** What was said by one name. */
export interface Statement {
  /** in nanoseconds since 1970 */
  time: bigint;
  /** undefined where nothing is known any more */
  text: string | undefined;
}

/** So many are looked at one by one. */
const FEW = 32;

interface Limit {
  text: string;
  value: Decimal;
}

/** Of several limits what tells which is the furthest, whichever way, and whether all of them can be read. */
interface Limits {
  least: Limit | undefined;
  most: Limit | undefined;
  /** one each of what is no decimal and of what is zero, where there is one */
  unread: { text: string | undefined } | undefined;
  zero: Limit | undefined;
}

/**
 * What was said of an order by one name, by event time. An order of a market maker may be changed thousands of times within
 * the seconds that clocks may be apart: what held in them is found without looking at each.
 */
export class Statements {
  /** ascending in time, of the same time as they came */
  private readonly all: Statement[];
  /** where each text stands; made when it is asked for, and again after a further statement */
  private places: Map<string | undefined, number[]> | undefined;
  /** of a heap of 2n nodes: its leaves are the statements, and each other node says it of the two below it */
  private limits: Limits[] | undefined;

  constructor(first: Statement) {
    this.all = [first];
  }

  add(statement: Statement): void {
    this.all.splice(this.placeAfter(statement.time), 0, statement);
    this.places = undefined;
    this.limits = undefined;
  }

  /** What held at any moment between two times, both included: each text once, in the order of time. */
  between(from: bigint, to: bigint): (string | undefined)[] {
    const [first, end] = this.range(from, to);
    this.places ??= end - first > FEW ? this.placesOfTexts() : undefined;
    if (!this.places || end - first <= Math.max(FEW, this.places.size)) {
      return [...new Set(this.all.slice(first, end).map(({ text }) => text))];
    }
    const found: { text: string | undefined; place: number }[] = [];
    for (const [text, places] of this.places) {
      const place = places[firstFrom(places, first)];
      if (place !== undefined && place < end) found.push({ text, place });
    }
    return found.sort((a, b) => a.place - b.place).map(({ text }) => text);
  }

  /** Of the limits that held then no more than tell of all: the least, the greatest, one that cannot be read, and a zero. */
  limitsBetween(from: bigint, to: bigint): (string | undefined)[] {
    const [first, end] = this.range(from, to);
    if (end - first <= FEW) return this.between(from, to);
    const nodes = (this.limits ??= this.limitsOfAll());
    let found = NO_LIMITS;
    for (let [low, high] = [first + this.all.length, end + this.all.length]; low < high; low >>= 1, high >>= 1) {
      if (low % 2 === 1) found = together(found, nodes[low++]!);
      if (high % 2 === 1) found = together(found, nodes[--high]!);
    }
    const { least, most, unread, zero } = found;
    return [...new Set([least, most, unread, zero].flatMap((each) => (each ? [each.text] : [])))];
  }

  /** The places of what held between two times, the last one not included. */
  private range(from: bigint, to: bigint): [first: number, end: number] {
    return [Math.max(0, this.placeAfter(from - 1n) - 1), this.placeAfter(to)];
  }

  /** The place after those of a time. */
  private placeAfter(time: bigint): number {
    const { all } = this;
    if (all.length === 0 || all.at(-1)!.time <= time) return all.length; // most come in the order of time
    let low = 0;
    for (let high = all.length; low < high;) {
      const middle = (low + high) >>> 1;
      if (all[middle]!.time <= time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private placesOfTexts(): Map<string | undefined, number[]> {
    const places = new Map<string | undefined, number[]>();
    for (const [place, { text }] of this.all.entries()) {
      const known = places.get(text);
      if (known) known.push(place);
      else places.set(text, [place]);
    }
    return places;
  }

  private limitsOfAll(): Limits[] {
    const { length } = this.all;
    const nodes = new Array<Limits>(2 * length).fill(NO_LIMITS);
    for (const [place, { text }] of this.all.entries()) nodes[length + place] = limitsOf(text);
    for (let i = length - 1; i > 0; i--) nodes[i] = together(nodes[2 * i]!, nodes[2 * i + 1]!);
    return nodes;
  }
}

const NO_LIMITS: Limits = { least: undefined, most: undefined, unread: undefined, zero: undefined };

function limitsOf(text: string | undefined): Limits {
  const value = text === undefined ? undefined : parseDecimal(text);
  if (text === undefined || !value) return { ...NO_LIMITS, unread: { text } };
  const limit = { text, value };
  return { least: limit, most: limit, unread: undefined, zero: compare(value, ZERO) === 0 ? limit : undefined };
}

function together(a: Limits, b: Limits): Limits {
  return {
    least: a.least && b.least && compare(b.least.value, a.least.value) < 0 ? b.least : (a.least ?? b.least),
    most: a.most && b.most && compare(b.most.value, a.most.value) > 0 ? b.most : (a.most ?? b.most),
    unread: a.unread ?? b.unread,
    zero: a.zero ?? b.zero,
  };
}

/** The first place in an ascending list that holds no less than a number. */
function firstFrom(ascending: readonly number[], least: number): number {
  let low = 0;
  for (let high = ascending.length; low < high;) {
    const middle = (low + high) >>> 1;
    if (ascending[middle]! < least) low = middle + 1;
    else high = middle;
  }
  return low;
}
