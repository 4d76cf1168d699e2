import { madeId } from '../reports/made-day.js';
import type { PlacedEvent } from '../reports/plain-computation.js';
import { expectedExceptions } from '../reports/plain-lifecycle.js';
import type { ExpectedEvent } from './expected-histories.js';
import type { Source } from './sources.js';

type Row = Record<string, string | null>;

/** The report's rows without what is not compared: there is one text of each rule, and ids are made anew. */
export function comparableExceptions(rows: readonly Row[]): Row[] {
  return rowsByOrder(rows.map(({ text: _, ...row }) => row));
}

/** In the order of the orders' names; of one order in their own. */
function rowsByOrder(rows: readonly Row[]): Row[] {
  return rows
    .map(({ events: _, event_id: __, ...row }) => row)
    .sort((a, b) => (a.order_id! < b.order_id! ? -1 : a.order_id! > b.order_id! ? 1 : 0));
}

/**
 * The rows of the report `lifecycle-exceptions`, as they are compared, from the histories that a script reads from the files,
 * which has no line in common with the converters.
 */
export function exceptionsOfFiles(
  source: Source,
  histories: ReadonlyMap<string, readonly ExpectedEvent[]>,
  [from, to]: readonly [string, string],
): Row[] {
  const files = new Map<string, number>();
  const all: PlacedEvent[] = [];
  const stated = ['quantity', 'price', 'remaining_quantity', 'symbol', 'side', 'exchange', 'currency'];
  const counts = new Map<string, number>();
  for (const events of histories.values()) {
    for (const { source_session: file } of events) counts.set(file!, (counts.get(file!) ?? 0) + 1);
  }
  let before = 0;
  for (const file of source.files.map((path) => path.split('/').at(-1)!)) {
    files.set(file, before);
    before += counts.get(file) ?? 0;
  }
  for (const [orderId, events] of histories) {
    const placed = events.map((event, i): PlacedEvent => {
      const state = Object.fromEntries(
        Object.entries(event).filter(([name, value]) => stated.includes(name) && value !== null),
      );
      const { execution_id: id, execution_time: time } = event;
      const sequence = files.get(event.source_session!)! + Number(event.source_sequence);
      return {
        event_id: madeId(sequence),
        sequence,
        recorded_at: '',
        timestamp: event.timestamp!,
        event_type: 'order_lifecycle',
        entity_type: 'order',
        entity_id: orderId,
        action: event.action!,
        user_id: event.user_id ?? '',
        // the script tells what was open; the converters' previous price has no other reading
        previous_state: (event.open_before ?? null) === null ? null : { quantity: event.open_before },
        new_state: state,
        metadata: { place: i, ...(id ? { execution_id: id } : {}), ...(time ? { execution_time: time } : {}) },
      };
    });
    all.push(...placed);
  }
  return rowsByOrder(
    expectedExceptions(
      all.sort((a, b) => a.sequence - b.sequence),
      from,
      to,
    ),
  );
}
