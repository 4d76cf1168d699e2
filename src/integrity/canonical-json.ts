/// <reference lib="es2024.string" />

export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject;
export interface JsonObject {
  [name: string]: JsonValue;
}

/**
 * The canonical form of RFC 8785 (JCS): no blanks, member names in the order of their UTF-16 code units, numbers and
 * strings as ECMAScript prints them. Hash its UTF-8 encoding.
 *
 * Takes plain data. Throws TypeError for what JSON does not have (undefined, a function, NaN, an infinity, an object
 * with a `toJSON` such as a Date) and for half a surrogate pair: every one of these would print as something else, and
 * two different values would have one hash.
 */
export function canonicalize(value: JsonValue): string {
  const text = canonicalValue(value);
  // Strings that need escapes were looked at one by one; a half pair in any other is still there to be seen.
  if (!text.isWellFormed()) throw new TypeError(HALF_PAIR);
  return text;
}

/**
 * canonicalize(object), and beside it what that is of the object that has only some of its members: put together from the
 * same pieces. Throws as canonicalize does.
 */
export function canonicalWithPart(
  object: JsonObject,
  isInPart: (name: string) => boolean,
): { text: string; part: string } {
  let text = '{';
  let part = '{';
  for (const name of inOrder(object)) {
    const member = quoted(name) + ':' + canonicalValue(object[name] as JsonValue);
    text += text.length > 1 ? ',' + member : member;
    if (isInPart(name)) part += part.length > 1 ? ',' + member : member;
  }
  text += '}';
  if (!text.isWellFormed()) throw new TypeError(HALF_PAIR);
  return { text, part: part + '}' };
}

/** A string as RFC 8785 prints it, quotes included. Throws TypeError for half a surrogate pair. */
export function canonicalString(text: string): string {
  if (!text.isWellFormed()) throw new TypeError(HALF_PAIR);
  return quoted(text);
}

/**
 * The plain decimal expansion of a number's RFC 8785 form: `1e-7` is `0.0000001`, `1e+21` is a one and 21 zeros. This is
 * how PostgreSQL prints the numeric that it made of that form. Throws TypeError for NaN and the infinities.
 */
export function plainDecimal(n: number): string {
  const text = canonicalNumber(n);
  const e = text.indexOf('e');
  if (e < 0) return text;
  const sign = text.startsWith('-') ? '-' : '';
  const point = text.indexOf('.');
  const digits = text.slice(sign.length, e).replace('.', '');
  const wholeDigits = (point < 0 ? digits.length : point - sign.length) + Number(text.slice(e + 1));
  if (wholeDigits <= 0) return `${sign}0.${'0'.repeat(-wholeDigits)}${digits}`;
  // ECMAScript writes an exponent from 1e+21 on and a double has 17 digits at most, so the point is past the last one.
  return sign + digits.padEnd(wholeDigits, '0');
}

const HALF_PAIR = 'half a surrogate pair has no UTF-8 form';

function canonicalValue(value: JsonValue): string {
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'number') return canonicalNumber(value);
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value !== 'object') throw new TypeError(`JSON has no ${typeof value}`);
  return Array.isArray(value) ? canonicalArray(value) : canonicalObject(value);
}

function canonicalArray(values: JsonValue[]): string {
  let text = '[';
  for (let i = 0; i < values.length; i++) {
    if (i > 0) text += ',';
    text += canonicalValue(values[i] as JsonValue);
  }
  return text + ']';
}

function canonicalObject(object: JsonObject): string {
  const names = inOrder(object);
  let text = '{';
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as string;
    text += (i > 0 ? ',' : '') + quoted(name) + ':' + canonicalValue(object[name] as JsonValue);
  }
  return text + '}';
}

/** The names of an object's members in the order of their UTF-16 code units. */
function inOrder(object: JsonObject): string[] {
  if (typeof object.toJSON === 'function') throw new TypeError('an object with a toJSON method is not plain data');
  const names = Object.keys(object);
  // What we read back was mostly written in this order, so looking is cheaper than sorting.
  for (let i = 1; i < names.length; i++) {
    if ((names[i] as string) < (names[i - 1] as string)) {
      names.sort();
      break;
    }
  }
  return names;
}

function canonicalNumber(n: number): string {
  if (!Number.isFinite(n)) throw new TypeError(`JSON has no ${n}`);
  return String(n); // -0 gives '0'
}

// One test for strings of any length: a loop over the code units gains 8 ns at 12 of them and loses half from 64 on, and
// JSON.stringify for every string costs half as much again at either end.
const NEEDS_ESCAPE = /["\\\u0000-\u001f]/;

function quoted(text: string): string {
  return NEEDS_ESCAPE.test(text) ? escaped(text) : '"' + text + '"';
}

function escaped(text: string): string {
  // JSON.stringify escapes as RFC 8785 wants, except that it also escapes a half pair, which then nobody would see.
  if (!text.isWellFormed()) throw new TypeError(HALF_PAIR);
  return JSON.stringify(text);
}
