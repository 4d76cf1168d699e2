import { basename } from 'node:path';
import { EventMaker, toTheSecond, type EventContent, type OrderState } from './content.js';
import { compare, subtract } from './decimals.js';
import { lines } from './lines.js';

export interface BitstampLog {
  source: string;
  symbol: string;
  exchange: string;
}

interface OrderRow {
  id: number;
  price: string;
  amount: string;
  datetime: string;
  order_type: number;
}

/** Amounts have eight decimals. */
const NOTHING = '0.00000000';

/**
 * The lifecycle events of a recorded stream of Bitstamp's order channel, repeated and misplaced rows included.
 *
 * The feed names no people; `user_id` is the feed. An order's `quantity` is what is open: the amount of its last row,
 * nothing after a deletion, and what the row says again if one comes after that.
 *
 * `price` is always the order row's. An order that takes liquidity may have traded at a better one, which only the
 * trade line has, and no id ties that to an order. A fill of an order whose earlier life is not in the file has no
 * `quantity`: the row says that nothing is left, not how much was there.
 */
export async function* bitstampEvents(path: string, log: BitstampLog): AsyncGenerator<EventContent> {
  const maker = new EventMaker(log.source, basename(path));
  const last = new Map<number, { amount: string; price: string }>();
  let row = 0;

  for await (const line of lines(path)) {
    row += 1;
    const [, receivedMs, event, json] = /^(\d+) (\w+) (.*)$/.exec(line) ?? [];
    if (event === undefined || json === undefined) throw new Error(`${log.source}, row ${row}: not a line of the log`);
    if (event === 'trade' || event === 'order_book') continue;

    const order = JSON.parse(json) as OrderRow;
    const { amount, price } = order;
    const before = last.get(order.id);
    last.set(order.id, { amount: event === 'order_deleted' ? NOTHING : amount, price });

    const side = order.order_type === 0 ? 'buy' : 'sell';
    const state = (quantity: string, price: string): OrderState => ({
      symbol: log.symbol,
      side,
      quantity,
      price,
      exchange: log.exchange,
      remaining_quantity: quantity,
    });
    const step = {
      timestamp: fromUnixMs(receivedMs!),
      entity_id: `${log.exchange}:${order.id}`,
      user_id: `feed:${log.exchange}`,
      previous_state: event === 'order_created' || !before ? null : state(before.amount, before.price),
      metadata: { order_entry_time: `${toTheSecond(Number(order.datetime))}Z` } as Record<string, string>,
    };

    if (event === 'order_created') {
      yield maker.make(row, { ...step, action: 'create', new_state: state(amount, price) });
    } else if (event === 'order_changed') {
      const samePrice = before && compare(price, before.price) === 0;
      if (samePrice && compare(amount, before.amount) < 0) {
        const filled = subtract(before.amount, amount);
        yield maker.make(row, {
          ...step,
          action: 'partial_fill',
          new_state: { ...state(amount, price), quantity: filled },
        });
      } else {
        const what = before && !samePrice ? 'price' : 'amount';
        step.metadata['reason'] = `${what} changed (order_changed)`;
        yield maker.make(row, { ...step, action: 'modify', new_state: state(amount, price) });
      }
    } else if (event === 'order_deleted' && compare(amount, '0') > 0) {
      step.metadata['reason'] = 'order deleted with an amount open (order_deleted)';
      const withdrawn = { ...state(amount, price), remaining_quantity: NOTHING };
      yield maker.make(row, { ...step, action: 'cancel', new_state: withdrawn });
    } else if (event === 'order_deleted') {
      const { quantity: _zero, ...filled } = state(amount, price);
      const new_state = before ? { ...filled, quantity: subtract(before.amount, amount) } : filled;
      yield maker.make(row, { ...step, action: 'fill', new_state });
    } else {
      throw new Error(`${log.source}, row ${row}: no mapping for ${event}`);
    }
  }
}

function fromUnixMs(unixMs: string): string {
  return `${toTheSecond(Number(unixMs.slice(0, -3)))}.${unixMs.slice(-3)}Z`;
}
