import { basename } from 'node:path';
import { EventMaker, toTheSecond, type EventContent, type OrderState } from './content.js';
import { unscaled } from './decimals.js';
import { lines } from './lines.js';

export interface LobsterDay {
  source: string;
  symbol: string;
  exchange: string;
  /** Midnight of the file's trading day at the exchange, as seconds since 1970 UTC. */
  midnight: number;
}

/**
 * The lifecycle events of a LOBSTER message file: time, type, order id, size, price, direction.
 *
 * The file names no people; `user_id` is the feed. An order's `quantity` is what is displayed as open. Orders entered
 * before the file begins have no create; what they had open then is the sum of what later rows take from them, so the
 * file is read twice. Order ids count within one exchange's day, so the entity is exchange, day and id.
 */
export async function* lobsterEvents(path: string, day: LobsterDay): AsyncGenerator<EventContent> {
  const maker = new EventMaker(day.source, basename(path));
  const date = toTheSecond(day.midnight).slice(0, 10);
  const open = await openBeforeTheFile(path);
  const prices = new Map<string, string>();

  const stateOf = (id: string, side: string): OrderState => ({
    symbol: day.symbol,
    side,
    quantity: String(open.get(id)),
    price: prices.get(id)!,
    exchange: day.exchange,
    remaining_quantity: String(open.get(id)),
  });

  for await (const { row, time, type, id, size, price, side } of rows(path)) {
    if (type === '5') continue; // a hidden order executed: it has no id

    if (!prices.has(id)) prices.set(id, price);
    const previous = type === '1' ? null : stateOf(id, side);
    const left = type === '1' ? size : (open.get(id) ?? 0) - size;
    open.set(id, left);

    const step = {
      ...at(day.midnight, time),
      entity_id: `${day.exchange}:${date}:${id}`,
      user_id: `feed:${day.exchange}`,
      previous_state: previous,
    };
    const state = { ...stateOf(id, side), price };
    const taken = { ...state, quantity: String(size) };
    switch (type) {
      case '1':
        yield maker.make(row, { ...step, action: 'create', new_state: state });
        break;
      case '2':
        step.metadata = { ...step.metadata, reason: 'part of the order withdrawn (type 2)' };
        yield maker.make(row, { ...step, action: 'modify', new_state: state });
        break;
      case '3':
        step.metadata = { ...step.metadata, reason: 'order deleted (type 3)' };
        yield maker.make(row, { ...step, action: 'cancel', new_state: taken });
        break;
      case '4':
        yield maker.make(row, { ...step, action: left > 0 ? 'partial_fill' : 'fill', new_state: taken });
        break;
      default:
        throw new Error(`${day.source}, row ${row}: no mapping for type ${type}`);
    }
  }
}

/** Shares that the orders had open before the file's first row, for those that the file does not create. */
async function openBeforeTheFile(path: string): Promise<Map<string, number>> {
  const created = new Set<string>();
  const open = new Map<string, number>();
  for await (const { type, id, size } of rows(path)) {
    if (type === '1') created.add(id);
    else if (type !== '5' && !created.has(id)) open.set(id, (open.get(id) ?? 0) + size);
  }
  return open;
}

async function* rows(path: string) {
  let row = 0;
  for await (const line of lines(path)) {
    row += 1;
    if (line === '') continue;
    const [time = '', type = '', id = '', size = '', price = '', direction = ''] = line.split(',');
    if (!/^[1-5]$/.test(type)) throw new Error(`${basename(path)}, row ${row}: no mapping for type ${type}`);
    yield {
      row,
      time,
      type,
      id,
      size: Number(size),
      price: unscaled(BigInt(price), 4),
      side: direction === '1' ? 'buy' : 'sell',
    };
  }
}

/**
 * The file's clock has nanoseconds and drops trailing zeros: they are put back. One row of the sample of 2012 has twelve
 * decimals (`35821.088778456004`), which no event may have: it is cut, and what was written is kept beside it.
 */
function at(midnight: number, time: string): { timestamp: string; metadata: Record<string, string> } {
  const [seconds = '', fraction = ''] = time.split('.');
  return {
    timestamp: `${toTheSecond(midnight + Number(seconds))}.${fraction.padEnd(9, '0').slice(0, 9)}Z`,
    metadata: fraction.length > 9 ? { time_as_written: time } : {},
  };
}
