import { parseDecimal, type Decimal } from '../reports/decimal.js';
import { parseTimestamp } from '../integrity/timestamp.js';

/** Longer ones are no quantity or price. */
const MAX_CHARACTERS = 400;
const DECIMAL = /^([+-]?)([0-9]*)(?:\.([0-9]*))?$/;
/** Digits of a second beyond those that a time of ours has. */
const FINER = /(\.[0-9]{9})[0-9]+(?=Z|[+-])/;

/**
 * A decimal in any form that XML Schema has for it (`xs:decimal`, Part 2, section 3.2.3): `+1.50`, `01.5`, `.5`, `1.`.
 * Undefined for what is none.
 */
export function xmlDecimal(text: string): Decimal | undefined {
  const [, sign, whole = '', fraction = ''] = (text.length <= MAX_CHARACTERS && DECIMAL.exec(text)) || [];
  if (`${whole}${fraction}` === '') return undefined;
  const digits = whole.replace(/^0+(?=[0-9])/, '') || '0';
  return parseDecimal(`${sign === '-' ? '-' : ''}${digits}${fraction === '' ? '' : `.${fraction}`}`);
}

/** A truth value in any form that XML Schema has for it (`xs:boolean`); undefined for what is none. */
export function xmlBoolean(text: string): boolean | undefined {
  return { true: true, '1': true, false: false, '0': false }[text];
}

/**
 * Microseconds since 1970-01-01T00:00:00Z of a time, however many digits of a second it has: those beyond are cut. NaN for
 * what is no time of ours.
 */
export function xmlMicros(text: string): number {
  try {
    return parseTimestamp(text.replace(FINER, '$1')).micros;
  } catch {
    return NaN;
  }
}
