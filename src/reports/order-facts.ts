import { readJson, StrictJsonError, type JsonObject } from '../integrity/strict-json.js';
import { DamagedRowError, microsOf, type StoredRow } from '../integrity/stored-event.js';
import { formatTimestamp } from '../integrity/timestamp.js';
import { TERM_NAMES, TERMS } from '../vocabulary/order-vocabulary.js';
import { cellOf } from './cell.js';
import { nanosOfRow, type LifeMembers } from './order-members.js';
import { FILLS, type FactName } from './regimes/regime.js';
import { endedBy } from './subjects.js';

/** By the part of an event that has them, names with their places in the vocabulary. */
const PLACES = { new_state: placesIn('new_state'), metadata: placesIn('metadata') };

function placesIn(part: 'new_state' | 'metadata'): ReadonlyMap<string, number> {
  return new Map(TERM_NAMES.flatMap((name, place) => (TERMS[name].in === part ? [[name, place]] : [])));
}

const COLUMNS = ['new_state', 'metadata', 'timestamp', 'timestamp_nanos', 'timestamp_digits'] as const;

export type FactRow = Pick<StoredRow, (typeof COLUMNS)[number] | 'jsonForm'>;

/** All that the vocabulary has names for, along orders' lives. */
export const ORDER_FACTS: LifeMembers<FactName, FactRow> = {
  selected: COLUMNS.map((column) => `e."${column}"`).join(', '),
  ofWhole: ({ new_state, metadata, timestamp, timestamp_nanos, timestamp_digits, jsonForm }) => ({
    ...{ new_state, metadata, timestamp, timestamp_nanos, timestamp_digits },
    ...(jsonForm === undefined ? {} : { jsonForm }),
  }),
  stated: (row) => factsOf(row.action, timestampOf(row), objectOf(row, 'new_state'), objectOf(row, 'metadata')),
  isCopy: (_, own) => own.get('drop_copy')?.text === 'true',
  nanosOf: nanosOfRow,
  ended: endedBy,
};

/**
 * What one event states, by name. Outside of fills `price` and `quantity` are the order's limit and quantity, unless
 * `limit_price` and `order_quantity` say so themselves; in fills they are the execution's.
 */
export function factsOf(
  action: string,
  timestamp: string,
  newState: JsonObject,
  metadata: JsonObject,
): Map<FactName, string> {
  // in the order of the vocabulary, of which an event states a few names
  const stated: { place: number; text: string }[] = [];
  const take = (part: JsonObject, places: ReadonlyMap<string, number>): void => {
    for (const name of Object.keys(part)) {
      const place = places.get(name);
      const text = place === undefined ? null : cellOf(part[name]);
      if (text !== null) stated.push({ place: place!, text });
    }
  };
  take(newState, PLACES.new_state);
  take(metadata, PLACES.metadata);
  stated.sort((a, b) => a.place - b.place);
  const facts = new Map<FactName, string>();
  for (const { place, text } of stated) facts.set(TERM_NAMES[place]!, text);
  if (action === 'create') facts.set('created_at', timestamp);
  if (action === 'decide') facts.set('decided_at', timestamp);
  if (FILLS.includes(action)) return facts;
  for (const [name, ofOrder] of [
    ['price', 'limit_price'],
    ['quantity', 'order_quantity'],
  ] as const) {
    const text = facts.get(name);
    if (text !== undefined && !facts.has(ofOrder)) facts.set(ofOrder, text);
  }
  return facts;
}

function timestampOf({ timestamp, timestamp_nanos, timestamp_digits }: FactRow): string {
  return formatTimestamp(microsOf(timestamp), timestamp_nanos, timestamp_digits);
}

/** Throws DamagedRowError. */
function objectOf(row: FactRow & Pick<StoredRow, 'sequence'>, column: 'new_state' | 'metadata'): JsonObject {
  try {
    const value = readJson(row[column], row.jsonForm === 'canonical' ? {} : { form: 'stored' });
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) return value;
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    throw new DamagedRowError(row.sequence, column, error.message, { cause: error });
  }
  throw new DamagedRowError(row.sequence, column, 'is no object');
}
