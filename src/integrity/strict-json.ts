/// <reference lib="es2024.string" />
import { isUtf8 } from 'node:buffer';
import { plainDecimal, type JsonObject, type JsonValue } from './canonical-json.js';
import { isBeforeInJsonb } from './jsonb-order.js';

export type { JsonObject, JsonValue };

export type StrictJsonRule =
  | 'syntax' // not the grammar of RFC 8259; a byte order mark
  | 'utf-8'
  | 'nesting'
  | 'duplicate-name' // compared after unescaping
  | 'forbidden-name' // __proto__
  | 'nul' // \u0000, which PostgreSQL's text cannot hold
  | 'lone-surrogate'
  | 'number-precision' // more digits than a double keeps
  | 'number-range' // past the largest double, or below the smallest
  | 'number-not-canonical' // only in stored text: the right value, written otherwise than we write it
  | 'member-order'; // only in stored text: names that stand otherwise than jsonb keeps them

/** Why a text was refused, and where. `message` is a sentence for people; the rest is for programs. */
export class StrictJsonError extends Error {
  override readonly name = 'StrictJsonError';

  constructor(
    readonly rule: StrictJsonRule,
    message: string,
    /** RFC 6901; '' is the whole text. The object or array itself where none of its members can be blamed. */
    readonly pointer: string,
    /** In bytes if a Buffer was read, otherwise in UTF-16 code units. */
    readonly offset: number,
  ) {
    super(message);
  }
}

export interface ReadJsonOptions {
  /** How deep objects and arrays may nest, the outermost being 1. 32 unless told; MAX_DEPTH at most. */
  maxDepth?: number;
  /**
   * `wire` (the default): a number is taken if the shortest form of its double has the value of the digits sent.
   * `stored`: the text is what PostgreSQL printed of a jsonb, and a number must stand there as we put it in: the plain
   * decimal form of its canonical form; and names in the order of jsonb, or look-ups by one of them fail where no hash
   * would show it. Everything else in jsonb was put there by somebody else.
   */
  form?: 'wire' | 'stored';
}

/** The reader recurses; at this depth it uses a small part of the default stack. */
export const MAX_DEPTH = 500;

/**
 * Reads one JSON text and refuses whatever two readers could understand differently, or a double or jsonb would change:
 * FORMAT.md, "Canonical content". Objects are plain `{}`; `__proto__` is never among their names. V8 keeps the longer
 * strings as views of the text, so that whoever keeps one of them keeps all of it.
 *
 * Throws StrictJsonError, and nothing else whatever the text; RangeError if maxDepth is no depth.
 */
export function readJson(input: Buffer | string, options: ReadJsonOptions = {}): JsonValue {
  const { maxDepth = 32, form = 'wire' } = options;
  if (!Number.isInteger(maxDepth) || maxDepth < 1 || maxDepth > MAX_DEPTH) {
    throw new RangeError(`maxDepth is a whole number from 1 to ${MAX_DEPTH}`);
  }
  if (typeof input !== 'string' && !isUtf8(input)) throw notUtf8(input);
  // Decoding keeps a byte order mark as U+FEFF, which the grammar then refuses.
  return new Reader(input, maxDepth, form === 'stored').readText();
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

class Reader {
  private readonly text: string;
  private readonly ofBytes: boolean;
  /** Only a string can hold a raw half pair; valid UTF-8 cannot. */
  private readonly checkEveryString: boolean;
  private at = 0;
  private depth = 0;
  /** By depth, the name or index being read; undefined between members. Read by `fail` alone. */
  private readonly path: (string | number | undefined)[] = [];

  constructor(
    input: Buffer | string,
    private readonly maxDepth: number,
    private readonly stored: boolean,
  ) {
    this.ofBytes = typeof input !== 'string';
    this.text = typeof input === 'string' ? input : input.toString('utf8');
    this.checkEveryString = !this.ofBytes && !this.text.isWellFormed();
  }

  readText(): JsonValue {
    if (this.text.charCodeAt(0) === 0xfeff) this.fail('syntax', 'A byte order mark is refused', 0);
    this.skipBlanks();
    const value = this.readValue();
    this.skipBlanks();
    if (this.at < this.text.length) this.unexpected('the end');
    return value;
  }

  private readValue(): JsonValue {
    switch (this.text.charCodeAt(this.at)) {
      case QUOTE:
        return this.readString();
      case 0x7b:
        return this.readObject();
      case 0x5b:
        return this.readArray();
      case 0x74:
        return this.readLiteral('true', true);
      case 0x66:
        return this.readLiteral('false', false);
      case 0x6e:
        return this.readLiteral('null', null);
      case 0x2d:
      case 0x30:
      case 0x31:
      case 0x32:
      case 0x33:
      case 0x34:
      case 0x35:
      case 0x36:
      case 0x37:
      case 0x38:
      case 0x39:
        return this.readNumber();
      default:
        return this.unexpected('a value');
    }
  }

  private readObject(): JsonObject {
    const level = this.enter();
    const object: JsonObject = {};
    let last: string | undefined;
    this.skipBlanks();
    if (this.text.charCodeAt(this.at) !== 0x7d) {
      for (;;) {
        const nameAt = this.at;
        if (this.text.charCodeAt(nameAt) !== QUOTE) this.unexpected('a member name in double quotes');
        const name = this.readString();
        this.path[level] = name;
        if (name === '__proto__') this.fail('forbidden-name', 'The member name "__proto__" is refused', nameAt);
        if (Object.hasOwn(object, name)) {
          this.fail('duplicate-name', `The member name ${shown(name)} stands twice in one object`, nameAt);
        }
        if (this.stored && last !== undefined && !isBeforeInJsonb(last, name)) {
          this.fail('member-order', `The member name ${shown(name)} should stand before ${shown(last)}`, nameAt);
        }
        last = name;
        this.skipBlanks();
        if (this.text.charCodeAt(this.at) !== 0x3a) this.unexpected('":"');
        this.at++;
        this.skipBlanks();
        object[name] = this.readValue();
        this.path[level] = undefined;
        this.skipBlanks();
        const unit = this.text.charCodeAt(this.at);
        if (unit === 0x7d) break;
        if (unit !== 0x2c) this.unexpected('"," or "}"');
        this.at++;
        this.skipBlanks();
      }
    }
    this.at++;
    this.depth = level;
    return object;
  }

  private readArray(): JsonValue[] {
    const level = this.enter();
    const array: JsonValue[] = [];
    this.skipBlanks();
    if (this.text.charCodeAt(this.at) !== 0x5d) {
      for (;;) {
        this.path[level] = array.length;
        array.push(this.readValue());
        this.path[level] = undefined;
        this.skipBlanks();
        const unit = this.text.charCodeAt(this.at);
        if (unit === 0x5d) break;
        if (unit !== 0x2c) this.unexpected('"," or "]"');
        this.at++;
        this.skipBlanks();
      }
    }
    this.at++;
    this.depth = level;
    return array;
  }

  /** Steps past an opening bracket; returns the place in `path` that belongs to what it opened. */
  private enter(): number {
    const level = this.depth;
    if (level === this.maxDepth) {
      this.fail('nesting', `Objects and arrays nest deeper than ${this.maxDepth}`, this.at);
    }
    this.at++;
    this.path[level] = undefined;
    this.depth = level + 1;
    return level;
  }

  private readLiteral<T extends boolean | null>(word: string, value: T): T {
    if (!this.text.startsWith(word, this.at)) this.unexpected('a value');
    this.at += word.length;
    return value;
  }

  private readString(): string {
    const { text } = this;
    const { length } = text;
    const start = this.at + 1;
    let at = start;
    while (at < length) {
      const unit = text.charCodeAt(at);
      if (unit === QUOTE) {
        this.at = at + 1;
        const value = text.slice(start, at);
        if (this.checkEveryString && !value.isWellFormed()) this.halfPair(start - 1);
        return value;
      }
      if (unit === BACKSLASH || unit < 0x20) break;
      at++;
    }
    return this.readEscapedString(start, at);
  }

  /** The rest of a string whose first unit that does not stand for itself is at `at`. */
  private readEscapedString(start: number, at: number): string {
    const { text } = this;
    const { length } = text;
    let value = '';
    let from = start;
    let surrogates = false;
    while (at < length) {
      const unit = text.charCodeAt(at);
      if (unit === QUOTE) {
        value += text.slice(from, at);
        this.at = at + 1;
        if (surrogates && !value.isWellFormed()) this.halfPair(start - 1);
        // Also where a raw half meets an escaped one: no reader of bytes would see that pair.
        if (this.checkEveryString && !text.slice(start, at).isWellFormed()) this.halfPair(start - 1);
        return value;
      }
      if (unit < 0x20) {
        this.fail('syntax', `The control character ${codePoint(unit)} must be escaped in a string`, at);
      }
      if (unit !== BACKSLASH) {
        at++;
        continue;
      }
      value += text.slice(from, at);
      if (text.charCodeAt(at + 1) === 0x75) {
        const escapedUnit = this.hexUnit(at);
        if (escapedUnit === 0) this.fail('nul', 'The character \\u0000 is refused', at);
        if (escapedUnit >= 0xd800 && escapedUnit <= 0xdfff) surrogates = true;
        value += String.fromCharCode(escapedUnit);
        at += 6;
      } else {
        const character = SHORT_ESCAPES.get(text.charAt(at + 1));
        if (character === undefined) this.fail('syntax', 'A backslash begins no escape that JSON has', at);
        value += character;
        at += 2;
      }
      from = at;
    }
    return this.fail('syntax', 'A string has no end', start - 1);
  }

  /** The code unit that the `\uXXXX` at `at` stands for. */
  private hexUnit(at: number): number {
    let unit = 0;
    for (let i = at + 2; i < at + 6; i++) {
      const digit = hexDigit(this.text.charCodeAt(i));
      if (digit < 0) this.fail('syntax', 'The escape \\u is not followed by four hexadecimal digits', at);
      unit = unit * 16 + digit;
    }
    return unit;
  }

  private readNumber(): number {
    const { text } = this;
    const start = this.at;
    let at = start;
    let unit = text.charCodeAt(at);
    const negative = unit === 0x2d;
    if (negative) unit = text.charCodeAt(++at);

    // The digits as one whole number, right while there are at most 15 of them, and how many stand behind the point.
    let whole = 0;
    let digits = 0;
    let decimals = 0;
    if (unit === 0x30) {
      unit = text.charCodeAt(++at);
      if (isDigit(unit)) this.fail('syntax', 'A number begins with a zero too many', start);
    } else {
      if (!isDigit(unit)) this.badNumber(at);
      do {
        whole = whole * 10 + (unit - 0x30);
        digits++;
        unit = text.charCodeAt(++at);
      } while (isDigit(unit));
    }
    let last = 0x31;
    if (unit === 0x2e) {
      unit = text.charCodeAt(++at);
      if (!isDigit(unit)) this.badNumber(at);
      do {
        whole = whole * 10 + (unit - 0x30);
        if (whole > 0) digits++;
        decimals++;
        last = unit;
        unit = text.charCodeAt(++at);
      } while (isDigit(unit));
    }
    let plain = true;
    if (unit === 0x65 || unit === 0x45) {
      plain = false;
      unit = text.charCodeAt(++at);
      if (unit === 0x2b || unit === 0x2d) unit = text.charCodeAt(++at);
      if (!isDigit(unit)) this.badNumber(at);
      do unit = text.charCodeAt(++at);
      while (isDigit(unit));
    }
    this.at = at;

    // Every decimal of at most 15 digits has a double of its own, whose shortest form is that decimal again; and both
    // operands of the division are exact doubles, so its result is the nearest one.
    if (plain && digits <= 15 && decimals <= 22 && !(this.stored && (last === 0x30 || (negative && whole === 0)))) {
      const value = decimals === 0 ? whole : whole / POWERS_OF_TEN[decimals]!;
      return negative ? -value : value;
    }
    return this.checkedNumber(start, text.slice(start, at));
  }

  private checkedNumber(start: number, written: string): number {
    const value = Number(written);
    const sent = decimalOf(written);
    if (!Number.isFinite(value) || (value === 0 && sent.digits !== '')) {
      this.fail(
        'number-range',
        `The number ${clipped(written)} is out of a double's range; send it as a string`,
        start,
      );
    }
    const kept = decimalOf(String(value));
    if (sent.digits !== kept.digits || sent.exponent !== kept.exponent) {
      this.fail('number-precision', `The number ${clipped(written)} would become ${value}; send it as a string`, start);
    }
    if (this.stored) {
      const canonical = plainDecimal(value);
      if (written !== canonical) {
        this.fail(
          'number-not-canonical',
          `The number ${clipped(written)} should stand as ${clipped(canonical)}`,
          start,
        );
      }
    }
    return value;
  }

  private skipBlanks(): void {
    const { text } = this;
    let unit = text.charCodeAt(this.at);
    while (unit === 0x20 || unit === 0x0a || unit === 0x0d || unit === 0x09) unit = text.charCodeAt(++this.at);
  }

  private halfPair(at: number): never {
    return this.fail('lone-surrogate', 'A string holds half a surrogate pair', at);
  }

  private badNumber(at: number): never {
    this.at = at;
    return this.unexpected('a digit');
  }

  private unexpected(wanted: string): never {
    const point = this.text.codePointAt(this.at);
    const found = point === undefined ? 'the end' : codePoint(point);
    return this.fail('syntax', `Expected ${wanted}, found ${found}`, this.at);
  }

  private fail(rule: StrictJsonRule, what: string, at: number): never {
    let pointer = '';
    for (const step of this.path.slice(0, this.depth)) {
      if (step === undefined) break;
      pointer += '/' + String(step).replaceAll('~', '~0').replaceAll('/', '~1');
    }
    const offset = this.ofBytes ? Buffer.byteLength(this.text.slice(0, at)) : at;
    throw refusal(rule, what, pointer, offset, this.ofBytes);
  }
}

/** What a backslash and one more character stand for. */
const SHORT_ESCAPES = new Map([
  ['"', '"'],
  ['\\', '\\'],
  ['/', '/'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
]);

const POWERS_OF_TEN = Array.from({ length: 23 }, (_, power) => Number(`1e${power}`));

function isDigit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39;
}

function hexDigit(unit: number): number {
  if (isDigit(unit)) return unit - 0x30;
  const lower = unit | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** A decimal's value: its digits as a whole number without zeros at either end ('' for zero), times a power of ten. */
function decimalOf(written: string): { digits: string; exponent: number } {
  const e = written.search(/[eE]/);
  const mantissa = e < 0 ? written : written.slice(0, e);
  const point = mantissa.indexOf('.');
  const all = mantissa.replace('-', '').replace('.', '');
  let from = 0;
  let to = all.length;
  while (from < to && all.charCodeAt(from) === 0x30) from++;
  if (from === to) return { digits: '', exponent: 0 };
  while (all.charCodeAt(to - 1) === 0x30) to--;
  const decimals = point < 0 ? 0 : mantissa.length - point - 1;
  // An exponent too long for a double to be exact about has already made the number zero or infinite.
  const exponent = (e < 0 ? 0 : Number(written.slice(e + 1))) - decimals + (all.length - to);
  return { digits: all.slice(from, to), exponent };
}

function notUtf8(input: Buffer): StrictJsonError {
  const text = input.toString('utf8');
  // The decoder puts U+FFFD for what it cannot decode; the first one that the bytes do not hold is the place.
  let offset = 0;
  let from = 0;
  for (let at = text.indexOf('\ufffd'); at >= 0; at = text.indexOf('\ufffd', from)) {
    offset += Buffer.byteLength(text.slice(from, at));
    if (!input.subarray(offset, offset + 3).equals(REPLACEMENT)) break;
    offset += 3;
    from = at + 1;
  }
  return refusal('utf-8', 'The bytes are not UTF-8', '', offset, true);
}

const REPLACEMENT = Buffer.from('\ufffd');

function refusal(
  rule: StrictJsonRule,
  what: string,
  pointer: string,
  offset: number,
  ofBytes: boolean,
): StrictJsonError {
  const place = pointer === '' ? '' : `, at ${shown(pointer, 200).slice(1, -1)}`;
  return new StrictJsonError(rule, `${what}${place} (${ofBytes ? 'byte' : 'character'} ${offset})`, pointer, offset);
}

function clipped(text: string, limit = 40): string {
  return text.length <= limit ? text : `${text.slice(0, limit)}…`;
}

/** Quoted and escaped, so that nothing in a name can break a line of a log. */
function shown(text: string, limit = 40): string {
  return JSON.stringify(clipped(text, limit));
}

function codePoint(point: number): string {
  return point > 0x20 && point < 0x7f
    ? `"${String.fromCharCode(point)}"`
    : `U+${point.toString(16).toUpperCase().padStart(4, '0')}`;
}
