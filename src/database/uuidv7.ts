import { randomFillSync } from 'node:crypto';

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const pool = Buffer.alloc(16 * 256);
let used = pool.length;
let lastMs = 0;
let counter = 0;

/**
 * A UUID of version 7 (RFC 9562, section 5.7): milliseconds first, so that neighbours in time are neighbours in an
 * index. Within a millisecond a 12-bit counter keeps the order; the other 62 bits are random.
 */
export function uuidv7(nowMs = Date.now()): string {
  if (used >= pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  if (nowMs > lastMs) {
    lastMs = nowMs;
    counter = pool.readUInt16BE(used) & 0x7ff; // leaves at least half of the range to count up in
  } else if (++counter > 0xfff) {
    lastMs += 1; // more than a millisecond's worth, or a clock set back: borrow from the next one
    counter = 0;
  }
  const high = Math.floor(lastMs / 0x10000);
  const low = lastMs % 0x10000;
  const r = used + 8;
  used += 16;
  const h = (byte: number): string => HEX[byte & 0xff]!;
  const p = (i: number): string => HEX[pool[r + i]!]!;
  return (
    h(high >>> 24) +
    h(high >>> 16) +
    h(high >>> 8) +
    h(high) +
    '-' +
    h(low >>> 8) +
    h(low) +
    '-' +
    h(0x70 | (counter >>> 8)) +
    h(counter) +
    '-' +
    h(0x80 | (pool[r]! & 0x3f)) +
    p(1) +
    '-' +
    p(2) +
    p(3) +
    p(4) +
    p(5) +
    p(6) +
    p(7)
  );
}
