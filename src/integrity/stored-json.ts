import { canonicalString, plainDecimal, type JsonValue } from './canonical-json.js';

/**
 * The text that PostgreSQL would print of a value had it been stored as jsonb, but for blanks: members by the length of
 * their names in UTF-8 and then by their bytes, numbers as plain decimals. So that what was read from elsewhere goes out
 * as what was read from the database does, to the byte.
 */
export function storedJson(value: JsonValue): string {
  if (typeof value === 'string') return canonicalString(value);
  if (typeof value === 'number') return plainDecimal(value);
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return `[${value.map(storedJson).join(',')}]`;
  const members = Object.keys(value).map((name) => ({ name, bytes: Buffer.from(name) }));
  members.sort((a, b) => a.bytes.length - b.bytes.length || Buffer.compare(a.bytes, b.bytes));
  return `{${members.map(({ name }) => `${canonicalString(name)}:${storedJson(value[name]!)}`).join(',')}}`;
}
