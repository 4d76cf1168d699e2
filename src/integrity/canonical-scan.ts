/**
 * What most JSON texts of the trail are, seen without taking them apart. Both functions are sure of what they answer, and
 * answer nothing for whatever is rare: escapes, half a surrogate pair or a whole one, exponents, long numbers, deep
 * nesting, and all that is wrong. For those there is readJson, whose rules these are a part of, and canonicalize.
 */

import { isBeforeInJsonb } from './jsonb-order.js';

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const BLANK = 0x20;
const NOT_SURE = -1;

/** As deep as readJson goes unless told otherwise. */
const MAX_DEPTH = 32;
/** Every decimal of at most so many digits has a double of its own, whose shortest form is that decimal again. */
const MAX_DIGITS = 15;
/** From 1e-7 on ECMAScript writes an exponent. */
const MAX_LEADING_ZEROS = 5;

/** Whether a text is that of an object in canonical form (RFC 8785); false when it is not, or not surely. */
export function isSurelyCanonical(text: string): boolean {
  return text.charCodeAt(0) === OPEN_OBJECT && endOfObject(text, 0, 1) === text.length;
}

/**
 * The canonical form of an object that stands as jsonb prints it, with numbers as they were put in: what readJson with
 * `form: 'stored'` and then canonicalize make of it. Undefined when that is not surely so.
 */
export function canonicalOfStored(text: string): string | undefined {
  if (text.charCodeAt(0) !== OPEN_OBJECT) return undefined;
  const reader = new StoredReader(text);
  const canonical = reader.object(1);
  return reader.isAtEnd ? canonical : undefined;
}

/** Where the value that begins at `at` ends, or NOT_SURE. */
function endOfValue(text: string, at: number, depth: number): number {
  switch (text.charCodeAt(at)) {
    case OPEN_OBJECT:
      return depth === MAX_DEPTH ? NOT_SURE : endOfObject(text, at, depth + 1);
    case OPEN_ARRAY:
      return depth === MAX_DEPTH ? NOT_SURE : endOfArray(text, at, depth + 1);
    default:
      return endOfScalar(text, at);
  }
}

function endOfObject(text: string, start: number, depth: number): number {
  let at = start + 1;
  if (text.charCodeAt(at) === CLOSE_OBJECT) return at + 1;
  for (let lastName = 0, lastEnd = 0; ; at++) {
    const name = at;
    at = endOfString(text, name);
    if (at === NOT_SURE || text.charCodeAt(at) !== COLON || isForbidden(text, name, at)) return NOT_SURE;
    if (lastEnd > 0 && !isBefore(text, lastName, lastEnd, name, at)) return NOT_SURE;
    [lastName, lastEnd] = [name, at];
    at = endOfValue(text, at + 1, depth);
    if (at === NOT_SURE) return NOT_SURE;
    const unit = text.charCodeAt(at);
    if (unit === CLOSE_OBJECT) return at + 1;
    if (unit !== COMMA) return NOT_SURE;
  }
}

function endOfArray(text: string, start: number, depth: number): number {
  let at = start + 1;
  if (text.charCodeAt(at) === CLOSE_ARRAY) return at + 1;
  for (; ; at++) {
    at = endOfValue(text, at, depth);
    if (at === NOT_SURE) return NOT_SURE;
    const unit = text.charCodeAt(at);
    if (unit === CLOSE_ARRAY) return at + 1;
    if (unit !== COMMA) return NOT_SURE;
  }
}

/** Of a string, number or literal that is written in the same way as canonical JSON and as jsonb. */
function endOfScalar(text: string, at: number): number {
  const unit = text.charCodeAt(at);
  if (unit === QUOTE) return endOfString(text, at);
  if (unit === MINUS || isDigit(unit)) return endOfNumber(text, at);
  if (text.startsWith('true', at) || text.startsWith('null', at)) return at + 4;
  return text.startsWith('false', at) ? at + 5 : NOT_SURE;
}

/** Past its closing quote. */
function endOfString(text: string, start: number): number {
  if (text.charCodeAt(start) !== QUOTE) return NOT_SURE;
  for (let at = start + 1; ; at++) {
    const unit = text.charCodeAt(at);
    if (unit === QUOTE) return at + 1;
    // NaN, past the end, is none of those that are taken
    if (!(unit >= BLANK && unit < 0xd800) && !(unit > 0xdfff)) return NOT_SURE;
    if (unit === BACKSLASH) return NOT_SURE;
  }
}

function endOfNumber(text: string, start: number): number {
  const isNegative = text.charCodeAt(start) === MINUS;
  const whole = isNegative ? start + 1 : start;
  let at = whole;
  while (isDigit(text.charCodeAt(at))) at++;
  const isZero = text.charCodeAt(whole) === ZERO;
  if (at === whole || (isZero && at > whole + 1)) return NOT_SURE;
  let digits = at - whole;
  if (text.charCodeAt(at) === POINT) {
    const decimals = at + 1;
    at = decimals;
    while (isDigit(text.charCodeAt(at))) at++;
    if (at === decimals || text.charCodeAt(at - 1) === ZERO) return NOT_SURE;
    if (isZero && at - decimals > MAX_LEADING_ZEROS && isAllZeros(text, decimals, decimals + MAX_LEADING_ZEROS + 1)) {
      return NOT_SURE;
    }
    digits += at - decimals;
  } else if (isZero && isNegative) return NOT_SURE;
  const unit = text.charCodeAt(at);
  return digits > MAX_DIGITS || unit === 0x65 || unit === 0x45 ? NOT_SURE : at;
}

function isAllZeros(text: string, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (text.charCodeAt(at) !== ZERO) return false;
  return true;
}

function isDigit(unit: number): boolean {
  return unit >= ZERO && unit <= NINE;
}

/** Whether a name, quotes included, is one that no JSON here may have. */
function isForbidden(text: string, start: number, end: number): boolean {
  return end - start === 11 && text.startsWith('"__proto__"', start);
}

/** Whether one name comes before another by UTF-16 code units, quotes included in the places. */
function isBefore(text: string, a: number, aEnd: number, b: number, bEnd: number): boolean {
  const length = Math.min(aEnd - a, bEnd - b) - 1;
  for (let i = 1; i < length; i++) {
    const difference = text.charCodeAt(a + i) - text.charCodeAt(b + i);
    if (difference !== 0) return difference < 0;
  }
  return aEnd - a < bEnd - b;
}

/** So many members are put in order fastest by insertion. */
const FEW = 32;

/** Members in the order of their names, undefined when one is there twice. Both arrays are changed. */
function inOrder(names: string[], members: string[]): string[] | undefined {
  if (names.length > FEW) return sorted(names, members);
  for (let i = 1; i < names.length; i++) {
    const [name, member] = [names[i]!, members[i]!];
    let place = i;
    while (place > 0 && names[place - 1]! > name) {
      names[place] = names[place - 1]!;
      members[place] = members[place - 1]!;
      place -= 1;
    }
    if (place > 0 && names[place - 1] === name) return undefined;
    names[place] = name;
    members[place] = member;
  }
  return members;
}

/** The same of as many as one event can have: somebody's tens of thousands must not take seconds. */
function sorted(names: readonly string[], members: readonly string[]): string[] | undefined {
  const places = names
    .map((_, place) => place)
    .sort((a, b) => (names[a]! < names[b]! ? -1 : Number(names[a]! > names[b]!)));
  if (places.some((place, i) => i > 0 && names[place] === names[places[i - 1]!])) return undefined;
  return places.map((place) => members[place]!);
}

const ASCII = /^[\0-\x7f]*$/;

/** Reads text as jsonb prints it; each method returns the canonical form of what stood there. */
class StoredReader {
  private at = 0;
  /** Most texts are; then the order of names is seen without counting their bytes. */
  private readonly isAscii: boolean;

  constructor(private readonly text: string) {
    this.isAscii = ASCII.test(text);
  }

  get isAtEnd(): boolean {
    return this.at === this.text.length;
  }

  object(depth: number): string | undefined {
    const { text } = this;
    const names: string[] = [];
    const members: string[] = [];
    let isInOrder = true;
    this.at += 1;
    if (text.charCodeAt(this.at) !== CLOSE_OBJECT) {
      for (;;) {
        const nameAt = this.at;
        const end = endOfString(text, nameAt);
        if (end === NOT_SURE || isForbidden(text, nameAt, end)) return undefined;
        if (text.charCodeAt(end) !== COLON || text.charCodeAt(end + 1) !== BLANK) return undefined;
        this.at = end + 2;
        const value = this.value(depth);
        if (value === undefined) return undefined;
        const name = text.slice(nameAt + 1, end - 1);
        if (names.length > 0) {
          const last = names[names.length - 1]!;
          if (!this.isBefore(last, name)) return undefined;
          if (last > name) isInOrder = false;
        }
        names.push(name);
        members.push(`${text.slice(nameAt, end)}:${value}`);
        const unit = text.charCodeAt(this.at);
        if (unit === CLOSE_OBJECT) break;
        if (unit !== COMMA || text.charCodeAt(this.at + 1) !== BLANK) return undefined;
        this.at += 2;
      }
    }
    this.at += 1;
    const ordered = isInOrder ? members : inOrder(names, members);
    return ordered && `{${ordered.join(',')}}`;
  }

  private isBefore(a: string, b: string): boolean {
    if (!this.isAscii) return isBeforeInJsonb(a, b);
    return a.length === b.length ? a < b : a.length < b.length;
  }

  private value(depth: number): string | undefined {
    const { text, at } = this;
    const unit = text.charCodeAt(at);
    if (unit === OPEN_OBJECT) return depth === MAX_DEPTH ? undefined : this.object(depth + 1);
    if (unit === OPEN_ARRAY) return depth === MAX_DEPTH ? undefined : this.array(depth + 1);
    const end = endOfScalar(text, at);
    if (end === NOT_SURE) return undefined;
    this.at = end;
    return text.slice(at, end);
  }

  private array(depth: number): string | undefined {
    const { text } = this;
    const values: string[] = [];
    this.at += 1;
    if (text.charCodeAt(this.at) !== CLOSE_ARRAY) {
      for (;;) {
        const value = this.value(depth);
        if (value === undefined) return undefined;
        values.push(value);
        const unit = text.charCodeAt(this.at);
        if (unit === CLOSE_ARRAY) break;
        if (unit !== COMMA || text.charCodeAt(this.at + 1) !== BLANK) return undefined;
        this.at += 2;
      }
    }
    this.at += 1;
    return `[${values.join(',')}]`;
  }
}
