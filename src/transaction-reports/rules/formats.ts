import { isCurrency } from '../../identifiers/currency.js';
import { parseTimestamp, TimestampError } from '../../integrity/timestamp.js';
import { isDecimal, parseDecimal } from '../../reports/decimal.js';

/** AN-52 as the schema has it: upper case, no hyphen. */
export function isReference(text: string): boolean {
  return /^[A-Z0-9]{1,52}$/.test(text);
}

/** Characters that a name may have: none of control, none that is half of one. */
export function isText(text: string, maxCharacters: number): boolean {
  return (
    text.trim() !== '' && [...text].length <= maxCharacters && !/\p{Cc}|\p{Cs}|\uFFFE|\uFFFF|\u2028|\u2029/u.test(text)
  );
}

/** `YYYY-MM-DD`, of the calendar. */
export function isDay(text: string): boolean {
  if (!/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(text)) return false;
  const time = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}

/** A time in UTC, in its canonical form. */
export function isTime(text: string): boolean {
  try {
    return parseTimestamp(text).canonical === text;
  } catch (error) {
    if (!(error instanceof TimestampError)) throw error;
    return false;
  }
}

export function isPositive(text: string): boolean {
  const value = parseDecimal(text);
  return value !== undefined && value.unscaled > 0n;
}

/** DEC-n/m without a sign and more than zero. */
export function isPositiveDecimal(text: string, digits: number, decimals: number): boolean {
  return isDecimal(text, digits, decimals) && isPositive(text);
}

/** DEC-n/m; zero without a sign. */
export function isSignedDecimal(text: string, digits: number, decimals: number): boolean {
  return isDecimal(text, digits, decimals) && !/^-[0.]+$/.test(text);
}

/** A price by the path of its element: DEC-18/13 in money, DEC-11/10 in percent and yield, DEC-18/17 in basis points. */
export function isPriceAt(path: string, text: string): boolean {
  if (path.endsWith('/Pdg')) return text === 'PNDG' || text === 'NOAP';
  if (path.endsWith('/Amt')) return isSignedDecimal(text, 18, 13);
  return path.endsWith('/BsisPts') ? isSignedDecimal(text, 18, 17) : isSignedDecimal(text, 11, 10);
}

/** The first days of which two currencies were no more: they became the euro. */
const ENDED: Readonly<Record<string, string>> = { HRK: '2023-01-01', BGN: '2026-01-01' };

/** A currency of ISO 4217, or one of its time that was withdrawn since. */
export function isCurrencyOn(text: string, day: string): boolean {
  return isCurrency(text) && !(Object.hasOwn(ENDED, text) && ENDED[text]! <= day);
}
