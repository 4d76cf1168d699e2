/** What an order event of a trading firm weighs, as JSON in UTF-8; every one here has exactly this size. */
export const EVENT_BYTES = 590;
/** Steps of an order's life; step k of an order comes LIVE_ORDERS events after step k - 1. */
export const STEPS = [
  'create',
  'modify',
  'partial_fill',
  'partial_fill',
  'modify',
  'partial_fill',
  'partial_fill',
  'fill',
];
/** Orders that live at the same time: one order's events lie far apart, as they do on a busy desk. */
export const LIVE_ORDERS = 1000;
const CYCLE = LIVE_ORDERS * STEPS.length;

const SYMBOLS = Array.from({ length: 200 }, (_, i) => `SYM${String(i).padStart(3, '0')}`);
const VENUES = ['XNAS', 'XNYS', 'XLON', 'XPAR', 'XETR'];
/** Event times: a hundred events a second from here on. */
const FIRST_TIME_MS = Date.UTC(2026, 5, 1, 8);
const MS_BETWEEN = 10;

const digits = (value, length) => String(value).padStart(length, '0');

/** Order events with new ids, as the JSON texts of their bodies; the same sequence of contents in every run. */
export class OrderEvents {
  made = 0;

  constructor(newEventId) {
    this.newEventId = newEventId;
  }

  take(count) {
    return Array.from({ length: count }, () => this.next());
  }

  next() {
    const i = this.made++;
    const step = stepOf(i);
    const order = orderNumber(i);
    const symbol = SYMBOLS[order % SYMBOLS.length];
    const exchange = VENUES[order % VENUES.length];
    const side = order % 2 === 0 ? 'buy' : 'sell';
    const quantity = 100 * (1 + (order % 90));
    const price = `${100 + (order % 400)}.${digits((order * 7 + step) % 100, 2)}`;
    const trader = digits(order % 50, 3);
    const state = (n) => ({ exchange, price, quantity: String(n), side, symbol });
    const filled = STEPS[step].endsWith('fill');
    const event = {
      event_id: this.newEventId(),
      timestamp: microTimeOf(i),
      event_type: 'order_lifecycle',
      entity_type: 'order',
      entity_id: orderId(order),
      action: STEPS[step],
      user_id: `trader-${trader}`,
      ...(step === 0 ? {} : { previous_state: { price, quantity: String(quantity) } }),
      new_state: filled ? { ...state(quantity / 10), remaining_quantity: String(quantity) } : state(quantity),
      metadata: {
        client_id: `C-${digits(order % 500, 4)}`,
        ...(filled ? { execution_time: timeOf(i) } : { investment_decision_maker: `P-${trader}` }),
        ...(STEPS[step] === 'modify' ? { reason: 'client request' } : {}),
        cl_ord_id: '',
      },
      source: `oms-${order % 4}`,
      source_session: '2026-06-01',
      source_sequence: String(i),
    };
    // the client's own order id, as long as it takes to reach the size
    const missing = EVENT_BYTES - JSON.stringify(event).length;
    if (missing < 8) throw new Error(`an event of ${EVENT_BYTES - missing} bytes: shorten the generator's contents`);
    event.metadata.cl_ord_id = digits(order, 8).padEnd(missing, `-${symbol}`);
    const text = JSON.stringify(event);
    if (Math.abs(Buffer.byteLength(text) - EVENT_BYTES) > 5) throw new Error('an event of another size');
    return text;
  }
}

/** Event time of the i-th event, milliseconds, UTC. */
export function timeOf(i) {
  return new Date(FIRST_TIME_MS + i * MS_BETWEEN).toISOString();
}

/** The same with microseconds, as the event has it. */
export function microTimeOf(i) {
  return timeOf(i).replace('Z', `${digits((i * 37) % 1000, 3)}Z`);
}

/** How many orders have all their steps among the first `events` events; they are numbered from 0. */
export function completeOrders(events) {
  return Math.floor(events / CYCLE) * LIVE_ORDERS;
}

export function orderId(order) {
  return `O-${digits(order, 9)}`;
}

/** Of the i-th event the step in its order's life, from 0. */
export function stepOf(i) {
  return Math.floor((i % CYCLE) / LIVE_ORDERS);
}

/** Whose event the i-th is. */
export function orderNumber(i) {
  return Math.floor(i / CYCLE) * LIVE_ORDERS + (i % LIVE_ORDERS);
}
