/**
 * Whether one member name comes before another as PostgreSQL keeps those of a jsonb object: the shorter first, in bytes of
 * UTF-8; of the same length, byte by byte. Look-ups in jsonb rely on it. Both names are well-formed and unescaped.
 */
export function isBeforeInJsonb(a: string, b: string): boolean {
  const difference = bytesOf(a) - bytesOf(b);
  if (difference !== 0) return difference < 0;
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x !== y) return inOrderOfBytes(x) < inOrderOfBytes(y);
  }
  return false;
}

/** As UTF-8. Buffer.byteLength is slower for names as short as these. */
function bytesOf(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) bytes += unit < 0x800 || isHalfPair(unit) ? 1 : 2;
  }
  return bytes;
}

/** Code units as numbers in the order of the bytes of their code points: those of pairs come last. */
function inOrderOfBytes(unit: number): number {
  return isHalfPair(unit) ? unit + 0x1_0000 : unit;
}

function isHalfPair(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff;
}
