import { basename } from 'node:path';
import { EventMaker, toTheSecond, type EventContent, type OrderState } from './content.js';
import { lines } from './lines.js';

export interface DatabentoDay {
  source: string;
  exchange: string;
}

/** Flag of the rows that only repeat what is in the book when the file begins. */
const OPENING_SNAPSHOT = 32;

/**
 * The lifecycle events of a Databento market-by-order file as text, in the exchange's time (`ts_event`, nanoseconds).
 *
 * The feed names no people; `user_id` is the feed. An order's `quantity` is what is open. The opening snapshot gives no
 * events, but the orders' states. An execution (F) takes from what is open at once; the M or C of the same order and
 * instant that follows books just that and tells nothing new.
 */
export async function* databentoEvents(path: string, day: DatabentoDay): AsyncGenerator<EventContent> {
  const maker = new EventMaker(day.source, basename(path));
  const open = new Map<string, { size: number; price: string }>();
  const executed = new Set<string>();
  let columns: string[] | undefined;
  let row = 0;

  for await (const line of lines(path)) {
    row += 1;
    const fields = line.split(',');
    if (!columns) {
      columns = fields;
      continue;
    }
    const record = Object.fromEntries(columns.map((name, i) => [name, fields[i] ?? '']));
    const { ts_event = '', action = '', price = '', order_id: id = '', symbol = '' } = record;
    const size = Number(record['size']);

    if (action === 'R') {
      open.clear();
      continue;
    }
    if ((Number(record['flags']) & OPENING_SNAPSHOT) !== 0) {
      open.set(id, { size, price });
      continue;
    }
    if (action === 'T') continue; // the public print of an execution; its order_id is the aggressor's

    const instant = `${id} ${ts_event}`;
    if ((action === 'M' || action === 'C') && executed.delete(instant)) continue;
    if (action === 'F') executed.add(instant);

    const before = open.get(id);
    const state = (quantity: number, remaining: number, price: string): OrderState => ({
      symbol,
      side: record['side'] === 'B' ? 'buy' : 'sell',
      quantity: String(quantity),
      price,
      exchange: day.exchange,
      remaining_quantity: String(remaining),
    });
    const step = {
      timestamp: `${toTheSecond(Number(ts_event.slice(0, -9)))}.${ts_event.slice(-9)}Z`,
      entity_id: `${day.exchange}:${symbol}:${id}`,
      user_id: `feed:${day.exchange}`,
      previous_state: action === 'A' || !before ? null : state(before.size, before.size, before.price),
      metadata: {},
    };

    switch (action) {
      case 'A':
        open.set(id, { size, price });
        yield maker.make(row, { ...step, action: 'create', new_state: state(size, size, price) });
        break;
      case 'M': {
        open.set(id, { size, price });
        const metadata = { reason: 'order modified (action M)' };
        yield maker.make(row, { ...step, metadata, action: 'modify', new_state: state(size, size, price) });
        break;
      }
      case 'C': {
        // `size` is what is withdrawn; Globex tells a cancel of a part as a modify
        open.delete(id);
        const metadata = { reason: 'order cancelled (action C)' };
        yield maker.make(row, { ...step, metadata, action: 'cancel', new_state: state(size, 0, price) });
        break;
      }
      case 'F': {
        const left = (before?.size ?? size) - size;
        if (left > 0) open.set(id, { size: left, price: before?.price ?? price });
        else open.delete(id);
        const action = left > 0 ? 'partial_fill' : 'fill';
        yield maker.make(row, { ...step, action, new_state: state(size, left, price) });
        break;
      }
      default:
        throw new Error(`${day.source}, row ${row}: no mapping for action ${action}`);
    }
  }
}
