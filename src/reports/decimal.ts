/** A decimal number, exactly: `unscaled` / 10^`scale`. */
export interface Decimal {
  unscaled: bigint;
  /** 0 or more */
  scale: number;
}

export const ZERO: Decimal = { unscaled: 0n, scale: 0 };

/** Digits beyond these are no quantity or price, and would take long to calculate with. */
const MAX_CHARACTERS = 400;
/** The form that events have decimals in, and that of JSON numbers by RFC 8785: 1e-7, 1e+21. */
const DECIMAL = /^(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:e([+-][0-9]+))?$/;

/** Undefined for what is no decimal, or has more than 400 characters. */
export function parseDecimal(text: string): Decimal | undefined {
  const parts = text.length <= MAX_CHARACTERS ? DECIMAL.exec(text) : null;
  if (!parts) return undefined;
  const [, sign, whole = '', fraction = '', exponent = '0'] = parts;
  const scale = fraction.length - Number(exponent);
  if (Math.abs(scale) > MAX_CHARACTERS) return undefined;
  const digits = BigInt(`${whole}${fraction}`) * (sign === '-' ? -1n : 1n);
  return scale >= 0 ? { unscaled: digits, scale } : { unscaled: digits * 10n ** BigInt(-scale), scale: 0 };
}

export function add(a: Decimal, b: Decimal): Decimal {
  const scale = Math.max(a.scale, b.scale);
  return { unscaled: unscaledAt(a, scale) + unscaledAt(b, scale), scale };
}

export function subtract(a: Decimal, b: Decimal): Decimal {
  return add(a, { unscaled: -b.unscaled, scale: b.scale });
}

export function multiply(a: Decimal, b: Decimal): Decimal {
  return { unscaled: a.unscaled * b.unscaled, scale: a.scale + b.scale };
}

/** Rounded to so many digits after the point, halves away from zero. Throws RangeError where `b` is zero. */
export function divide(a: Decimal, b: Decimal, digits: number): Decimal {
  const dividend = a.unscaled * 10n ** BigInt(b.scale + digits);
  const divisor = b.unscaled * 10n ** BigInt(a.scale);
  const half = (divisor < 0n ? -divisor : divisor) / 2n;
  const towards = dividend < 0n ? -half : half;
  return { unscaled: (dividend + towards) / divisor, scale: digits };
}

/** Less than, equal to or greater than 0, as `a` is to `b`. */
export function compare(a: Decimal, b: Decimal): number {
  const { unscaled } = subtract(a, b);
  return unscaled < 0n ? -1 : unscaled > 0n ? 1 : 0;
}

/** Without zeros at its end: 1.10 is `1.1`. */
export function formatDecimal({ unscaled, scale }: Decimal): string {
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
  const whole = digits.slice(0, digits.length - scale);
  const fraction = digits.slice(digits.length - scale).replace(/0+$/, '');
  return `${unscaled < 0n ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`;
}

function unscaledAt({ unscaled, scale }: Decimal, wanted: number): bigint {
  return unscaled * 10n ** BigInt(wanted - scale);
}

/** DEC-n/m of Delegated Regulation (EU) 2017/590, Annex I, Table 1: `digits` in all, at most `decimals` of them after the point. */
export function isDecimal(text: string, digits: number, decimals: number): boolean {
  const match = /^-?(0|[1-9][0-9]*)(?:\.([0-9]+))?$/.exec(text);
  if (!match) return false;
  const [, whole = '', fraction = ''] = match;
  return fraction.length <= decimals && (whole === '0' ? 0 : whole.length) + fraction.length <= digits;
}
