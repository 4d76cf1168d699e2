export type TimestampRule = 'timestamp' | 'leap-second';

/** A time that FORMAT.md does not take. `message` is the rule that it breaks, without the field's name. */
export class TimestampError extends Error {
  override readonly name = 'TimestampError';

  constructor(
    readonly rule: TimestampRule,
    message: string,
  ) {
    super(message);
  }
}

/** An instant and the granularity that its source declared: FORMAT.md, "timestamp". */
export interface Timestamp {
  /** Microseconds since 1970-01-01T00:00:00Z, cut and never rounded; the last instant taken needs 53 bits. */
  micros: number;
  /** What the cut took off, 0 to 999. */
  nanos: number;
  /** How many fractional digits were sent, 0 to 9. */
  digits: number;
  /** UTC with `Z` and exactly as many fractional digits as were sent. */
  canonical: string;
}

const MICROS_PER_SECOND = 1_000_000;
const SECONDS_PER_DAY = 86_400;
/** 2200-01-01T00:00:00Z, the first instant that is not taken. */
const END_SECONDS = 7_258_118_400;
const MAX_OFFSET_MINUTES = 14 * 60;
const POWERS_OF_TEN = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

/**
 * Reads `YYYY-MM-DDThh:mm:ss[.d{1,9}](Z|±hh:mm)`, an instant from 1970-01-01T00:00:00Z up to the end of 2199.
 *
 * Throws TimestampError; its rule is `leap-second` for a second 60 in a text that is right as far as there, and
 * `timestamp` for all else.
 */
export function parseTimestamp(text: string): Timestamp {
  if (
    text.length < 20 ||
    text.charCodeAt(4) !== 0x2d ||
    text.charCodeAt(7) !== 0x2d ||
    text.charCodeAt(10) !== 0x54 ||
    text.charCodeAt(13) !== 0x3a ||
    text.charCodeAt(16) !== 0x3a
  ) {
    throw wrongForm();
  }
  const year = twoDigits(text, 0) * 100 + twoDigits(text, 2);
  const month = twoDigits(text, 5);
  const day = twoDigits(text, 8);
  const hour = twoDigits(text, 11);
  const minute = twoDigits(text, 14);
  const second = twoDigits(text, 17);

  let at = 19;
  let digits = 0;
  let fraction = 0;
  if (text.charCodeAt(at) === 0x2e) {
    at++;
    for (let digit = digitAt(text, at); digit >= 0; digit = digitAt(text, ++at)) {
      if (++digits > 9) throw new TimestampError('timestamp', 'must have at most nine fractional digits');
      fraction = fraction * 10 + digit;
    }
    if (digits === 0) throw wrongForm();
  }
  const inUtc = text.charCodeAt(at) === 0x5a;
  const offsetMinutes = inUtc ? 0 : readOffset(text, at);
  if (text.length !== at + (inUtc ? 1 : 6)) throw wrongForm();

  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) {
    throw new TimestampError('timestamp', `must be a real date; there is no ${text.slice(0, 10)}`);
  }
  if (hour > 23 || minute > 59 || second > 60) {
    throw new TimestampError(
      'timestamp',
      `must have a time from 00:00:00 to 23:59:59; there is no ${text.slice(11, 19)}`,
    );
  }
  if (second === 60) {
    throw new TimestampError(
      'leap-second',
      'must not have a second 60: a leap second has no instant of its own here; send 59 or the next 00, as the source decides',
    );
  }
  const seconds =
    daysFromCivil(year, month, day) * SECONDS_PER_DAY + hour * 3600 + (minute - offsetMinutes) * 60 + second;
  if (seconds < 0 || seconds >= END_SECONDS) {
    throw new TimestampError('timestamp', 'must be from 1970-01-01T00:00:00Z to 2199-12-31T23:59:59.999999999Z');
  }
  const billionths = fraction * POWERS_OF_TEN[9 - digits]!;
  const nanos = billionths % 1000;
  const micros = seconds * MICROS_PER_SECOND + (billionths - nanos) / 1000;
  return { micros, nanos, digits, canonical: inUtc ? text : formatTimestamp(micros, nanos, digits) };
}

/**
 * The canonical text of a stored time, the inverse of parseTimestamp. Throws TimestampError for values that no text
 * gives, above all for a micros or nanos finer than `digits` shows: cutting that off would hide an edit of the column
 * from every hash.
 */
export function formatTimestamp(micros: number, nanos: number, digits: number): string {
  const seconds = wholeSeconds(micros);
  if (!Number.isInteger(digits) || digits < 0 || digits > 9) {
    throw new TimestampError('timestamp', `must have 0 to 9 fractional digits, not ${digits}`);
  }
  if (!Number.isInteger(nanos) || nanos < 0 || nanos > 999) {
    throw new TimestampError('timestamp', `must have 0 to 999 nanoseconds past its microsecond, not ${nanos}`);
  }
  const billionths = (micros - seconds * MICROS_PER_SECOND) * 1000 + nanos;
  const unit = POWERS_OF_TEN[9 - digits]!;
  if (billionths % unit !== 0) {
    throw new TimestampError('timestamp', `must not be finer than its ${digits} fractional digits`);
  }
  return formatSeconds(seconds) + (digits === 0 ? 'Z' : '.' + String(billionths / unit).padStart(digits, '0') + 'Z');
}

/** `recorded_at`: microseconds since 1970 as UTC with always six fractional digits. Throws TimestampError past 2199. */
export function formatMicros(micros: number): string {
  return formatTimestamp(micros, 0, 6);
}

function wholeSeconds(micros: number): number {
  const seconds = Math.floor(micros / MICROS_PER_SECOND);
  if (!Number.isSafeInteger(micros) || seconds < 0 || seconds >= END_SECONDS) {
    throw new TimestampError('timestamp', 'must be from 1970-01-01T00:00:00Z to 2199-12-31T23:59:59.999999999Z');
  }
  return seconds;
}

function formatSeconds(seconds: number): string {
  const days = Math.floor(seconds / SECONDS_PER_DAY);
  const rest = seconds - days * SECONDS_PER_DAY;
  const hour = Math.floor(rest / 3600);
  const minute = Math.floor((rest % 3600) / 60);
  return `${dateOf(days)}T${two(hour)}:${two(minute)}:${two(rest % 60)}`;
}

/** `±hh:mm` at `at`, in minutes. */
function readOffset(text: string, at: number): number {
  const sign = text.charCodeAt(at);
  if ((sign !== 0x2b && sign !== 0x2d) || text.charCodeAt(at + 3) !== 0x3a) throw wrongForm();
  const hours = twoDigits(text, at + 1);
  const minutes = twoDigits(text, at + 4);
  const offset = hours * 60 + minutes;
  if (minutes > 59 || offset > MAX_OFFSET_MINUTES) {
    throw new TimestampError('timestamp', 'must have an offset from -14:00 to +14:00');
  }
  if (sign === 0x2b) return offset;
  // RFC 3339, section 4.3: it says that the local offset is unknown. Then the time should say so with Z.
  if (offset === 0) throw new TimestampError('timestamp', 'must not have the offset -00:00; UTC is Z or +00:00');
  return -offset;
}

function wrongForm(): TimestampError {
  return new TimestampError(
    'timestamp',
    'must be YYYY-MM-DDThh:mm:ss, then up to nine decimals, then Z or an offset ±hh:mm',
  );
}

function twoDigits(text: string, at: number): number {
  const tens = digitAt(text, at);
  const ones = digitAt(text, at + 1);
  if (tens < 0 || ones < 0) throw wrongForm();
  return tens * 10 + ones;
}

function digitAt(text: string, at: number): number {
  const unit = text.charCodeAt(at);
  return unit >= 0x30 && unit <= 0x39 ? unit - 0x30 : -1;
}

function two(n: number): string {
  return n < 10 ? '0' + n : String(n);
}

function daysInMonth(year: number, month: number): number {
  if (month !== 2) return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
}

/*
 * Between a day count and a date by the Gregorian rule alone. A year is counted from March, so that the leap day is its
 * last; the months from March on begin after 0, 31, 61, 92, ... days, which is floor((153 m + 2) / 5).
 */
const DAYS_TO_1970 = 719_468; // from 0000-03-01
const DAYS_PER_400_YEARS = 146_097;

function daysFromCivil(year: number, month: number, day: number): number {
  const marchYear = month > 2 ? year : year - 1;
  const monthsFromMarch = (month + 9) % 12;
  return (
    marchYear * 365 +
    Math.floor(marchYear / 4) -
    Math.floor(marchYear / 100) +
    Math.floor(marchYear / 400) +
    Math.floor((153 * monthsFromMarch + 2) / 5) +
    (day - 1) -
    DAYS_TO_1970
  );
}

function dateOf(daysFrom1970: number): string {
  const days = daysFrom1970 + DAYS_TO_1970;
  const era = Math.floor(days / DAYS_PER_400_YEARS);
  const dayOfEra = days - era * DAYS_PER_400_YEARS;
  const leapDays = Math.floor(dayOfEra / 1460) - Math.floor(dayOfEra / 36_524) + Math.floor(dayOfEra / 146_096);
  const yearOfEra = Math.floor((dayOfEra - leapDays) / 365);
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthsFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * monthsFromMarch + 2) / 5) + 1;
  const month = monthsFromMarch < 10 ? monthsFromMarch + 3 : monthsFromMarch - 9;
  const year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0);
  return `${year}-${two(month)}-${two(day)}`;
}
