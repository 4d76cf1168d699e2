import { readJson, type JsonObject } from '../integrity/strict-json.js';
import { cellOf } from '../reports/cell.js';
import { add, parseDecimal, ZERO, type Decimal } from '../reports/decimal.js';

/** The parts that `allocations` list. What is no list of records is one record that says nothing, so that it is told. */
export function partsIn(text: string): readonly JsonObject[] {
  const value = listIn(text);
  const isObject = (item: unknown): item is JsonObject =>
    item !== null && typeof item === 'object' && !Array.isArray(item);
  return Array.isArray(value) ? value.map((item) => (isObject(item) ? item : {})) : [{}];
}

/** Undefined for a text that is no JSON by our rules, such as one with a name twice. */
function listIn(text: string): unknown {
  if (!text.startsWith('[')) return undefined;
  try {
    return readJson(text);
  } catch {
    return undefined;
  }
}

/** What parts come to. One of less than nothing is told by itself, and makes no room for others. */
export function totalOf(parts: readonly JsonObject[]): Decimal {
  return parts
    .flatMap(({ quantity }) => parseDecimal(cellOf(quantity) ?? '') ?? [])
    .filter(({ unscaled }) => unscaled > 0n)
    .reduce(add, ZERO);
}
