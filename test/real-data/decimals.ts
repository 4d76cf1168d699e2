/** `a - b` for plain decimals, with as many decimals as the one that has more of them. */
export function subtract(a: string, b: string): string {
  const scale = Math.max(decimalsOf(a), decimalsOf(b));
  return unscaled(scaled(a, scale) - scaled(b, scale), scale);
}

/** Negative, zero or positive as `a` is less than, equal to or greater than `b`. */
export function compare(a: string, b: string): number {
  const scale = Math.max(decimalsOf(a), decimalsOf(b));
  const difference = scaled(a, scale) - scaled(b, scale);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** An integer count of units of 10^-scale as a decimal: `5853300n` at scale 4 is `585.3300`. */
export function unscaled(units: bigint, scale: number): string {
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, '0');
  const sign = units < 0n ? '-' : '';
  return scale === 0 ? sign + digits : `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

function decimalsOf(decimal: string): number {
  if (!/^-?\d+(\.\d+)?$/.test(decimal)) throw new Error(`not a plain decimal: ${JSON.stringify(decimal)}`);
  const point = decimal.indexOf('.');
  return point === -1 ? 0 : decimal.length - point - 1;
}

function scaled(decimal: string, scale: number): bigint {
  return BigInt(decimal.replace('.', '') + '0'.repeat(scale - decimalsOf(decimal)));
}
