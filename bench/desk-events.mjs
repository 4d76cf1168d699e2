// Events that state what reports ask for: who, for whom, by which clock, told twice, aggregated and allocated.
import { INSTRUMENTS, MICS, ALGORITHMS, CLIENTS, TRADERS } from './desk-reference.mjs';
import { LIVE_ORDERS, microTimeOf, orderId, orderNumber, stepOf } from './order-events.mjs';

/** Steps of most orders; of every fourth the last ones are WITHDRAWN. A copy is what the venue's drop copy tells of an execution. */
const EXECUTED = ['create', 'acknowledge', 'modify', 'acknowledge', 'partial_fill', 'copy', 'fill', 'copy'];
const WITHDRAWN = [...EXECUTED.slice(0, 6), 'change_status', 'cancel'];
/** Of an order that is part of an aggregate: what it got is told by the allocations, and by a copy of that at its end. */
const AGGREGATED = ['create', 'acknowledge', 'modify', 'acknowledge', 'modify', 'acknowledge', 'change_status', 'copy'];

/** Of so many orders the first ones are of an aggregate, the next one is that aggregate, and the others stand alone. */
const ORDERS_A_BLOCK = 50;
const AGGREGATED_A_BLOCK = 4;
/** Of so many one is wrong or missing: a name that the vocabulary does not have, a counter, a clock, a copy. */
const EVENTS_A_HOUSE_NAME = 200;
const EVENTS_A_GAP = 20_000;
const EVENTS_A_DIVERGENCE = 10_000;
const ORDERS_A_WRONG_COPY = 1_000;
/** Which of them: one of the first source, that stands alone. */
const WRONG_COPY = 8;
const SOURCES = 4;

const digits = (value, length) => String(value).padStart(length, '0');

/** The order of the first aggregate. */
export const AN_AGGREGATE = orderId(AGGREGATED_A_BLOCK);

export function omsOf(order) {
  return `oms-${order % SOURCES}`;
}

export function dropCopyOf(order) {
  return `drop-copy-${order % SOURCES}`;
}

/** As OrderEvents, in other words: the same sequence of contents in every run, event i at the same time, no size fixed. */
export class DeskEvents {
  made = 0;
  #counters = new Map();

  constructor(newEventId) {
    this.newEventId = newEventId;
  }

  take(count) {
    return Array.from({ length: count }, () => JSON.stringify(this.next()));
  }

  next() {
    const i = this.made++;
    const order = orderNumber(i);
    const desk = deskOf(order);
    const step = desk.steps[stepOf(i)];
    const { action, state, facts, source } = this.#told(i, desk, step);
    return {
      event_id: this.newEventId(),
      timestamp: microTimeOf(i),
      event_type: 'order_lifecycle',
      entity_type: 'order',
      entity_id: orderId(order),
      action,
      user_id: desk.trader,
      new_state: state,
      metadata: {
        ...facts,
        ...clockOf(i, source),
        ...(i % EVENTS_A_HOUSE_NAME === 0 ? { house_note: `note ${i}` } : {}),
      },
      source,
      source_session: '2026-06-01',
      source_sequence: this.#counterOf(i, source),
    };
  }

  #told(i, desk, step) {
    const { order, quantity, price } = desk;
    const source = omsOf(order);
    switch (step) {
      case 'create':
        return { action: step, source, ...termsOf(i, desk) };
      case 'partial_fill':
      case 'fill':
        return { action: step, source, ...executionOf(desk, stepOf(i), i) };
      case 'copy':
        return this.#copied(i, desk);
      case 'modify':
        return {
          action: step,
          source,
          state: { quantity: String(quantity), price, remaining_quantity: String(quantity) },
          facts: { reason: 'client request', modification_time: microTimeOf(i) },
        };
      case 'cancel':
        return {
          action: step,
          source,
          state: { quantity: String(quantity), remaining_quantity: '0' },
          facts: { initiated_by: 'member', reason: 'client request' },
        };
      default:
        return { action: step, source, state: {}, facts: { venue_order_id: `V-${digits(order, 9)}` } };
    }
  }

  /** What was executed a step before, as the drop copy has it. */
  #copied(i, desk) {
    const { order, isAggregated, quantity, price } = desk;
    const source = dropCopyOf(order);
    if (isAggregated) {
      const state = { quantity: String(quantity), price, remaining_quantity: '0' };
      return { action: 'fill', source: omsOf(order), state, facts: { drop_copy: true, execution_id: `A-${order}` } };
    }
    const isWrong = order % ORDERS_A_WRONG_COPY === WRONG_COPY;
    const { state, facts } = executionOf(desk, stepOf(i) - 1, i - LIVE_ORDERS);
    const { allocations: _, ...copied } = facts;
    return {
      action: stepOf(i) === 5 ? 'partial_fill' : 'fill',
      source,
      state: { ...state, ...(isWrong ? { price: `${Number(price.split('.')[0]) + 1}.00` } : {}) },
      facts: { ...copied, drop_copy: true },
    };
  }

  #counterOf(i, source) {
    const counter = (this.#counters.get(source) ?? 0) + (i % EVENTS_A_GAP === EVENTS_A_GAP - 1 ? 2 : 1);
    this.#counters.set(source, counter);
    return String(counter);
  }
}

/** All that is fixed of an order. */
function deskOf(order) {
  const block = Math.floor(order / ORDERS_A_BLOCK);
  const place = order % ORDERS_A_BLOCK;
  const isAggregated = place < AGGREGATED_A_BLOCK;
  const isAggregate = place === AGGREGATED_A_BLOCK;
  const inGroup = isAggregated || isAggregate;
  const terms = inGroup ? block : order;
  const one = 100 * (1 + (terms % 90));
  return {
    ...{ order, block, isAggregated, isAggregate },
    group: inGroup ? `AG-${digits(block, 7)}` : undefined,
    quantity: isAggregate ? AGGREGATED_A_BLOCK * one : one,
    price: `${100 + (terms % 400)}.${digits((terms * 7) % 100, 2)}`,
    instrument: INSTRUMENTS[terms % INSTRUMENTS.length],
    exchange: MICS[terms % MICS.length],
    side: terms % 2 === 0 ? 'buy' : 'sell',
    client: CLIENTS[order % CLIENTS.length].id,
    trader: TRADERS[order % TRADERS.length].id,
    isOwnAccount: !inGroup && order % 3 === 0,
    steps: isAggregated ? AGGREGATED : isAggregate || order % 4 !== 3 ? EXECUTED : WITHDRAWN,
  };
}

/** An order as it comes into being. */
function termsOf(i, desk) {
  const { order, group, isAggregate, isOwnAccount, instrument, trader } = desk;
  const algorithm = ALGORITHMS[order % ALGORITHMS.length].id;
  const client = isAggregate
    ? { client_id_type: 'pending_allocation', aggregated: true, aggregated_clients: String(AGGREGATED_A_BLOCK) }
    : isOwnAccount
      ? { client_id_type: 'none' }
      : { client_id: desk.client, client_id_type: 'legal_entity', account: `ACC-${desk.client}` };
  const decision = isOwnAccount
    ? { investment_decision_maker: algorithm, investment_decision_maker_type: 'algorithm' }
    : { investment_decision_maker_type: 'client' };
  return {
    state: {
      ...{ symbol: instrument.symbol, isin: instrument.isin, side: desk.side, exchange: desk.exchange },
      ...{
        quantity: String(desk.quantity),
        price: desk.price,
        currency: 'EUR',
        remaining_quantity: String(desk.quantity),
      },
      ...{ order_type: 'limit', validity: 'day', ...(desk.side === 'sell' ? { short_sale: 'not_short' } : {}) },
    },
    facts: {
      ...{ ...client, ...decision, ...(group === undefined ? {} : { aggregation_group: group }) },
      execution_decision_maker: order % 2 === 0 ? algorithm : trader,
      execution_decision_maker_type: order % 2 === 0 ? 'algorithm' : 'natural_person',
      trading_capacity: isOwnAccount ? 'own_account' : 'any_other',
      ...{ desk: `desk-${order % 10}`, client_order_id: `CL-${digits(order, 9)}`, order_entry_time: microTimeOf(i) },
    },
  };
}

/** The execution of a step, three tenths of the order or the rest, at event `i`. */
function executionOf({ order, quantity, price, isAggregate, block, exchange }, step, i) {
  const isLast = step === 6;
  const first = (quantity * 3) / 10;
  const executed = isLast ? quantity - first : first;
  const id = `${exchange}${digits(order, 9)}${step}`;
  return {
    state: {
      quantity: String(executed),
      price,
      currency: 'EUR',
      remaining_quantity: isLast ? '0' : String(quantity - first),
    },
    facts: {
      ...{ execution_id: `X-${id}`, venue_transaction_id: id, execution_time: microTimeOf(i) },
      ...(isAggregate ? { client_id_type: 'aggregated', allocations: allocationsOf(block, executed, price) } : {}),
    },
  };
}

function allocationsOf(block, quantity, price) {
  return Array.from({ length: AGGREGATED_A_BLOCK }, (_, place) => {
    const { id } = CLIENTS[(block * ORDERS_A_BLOCK + place) % CLIENTS.length];
    return { client_id: id, account: `ACC-${id}`, quantity: String(quantity / AGGREGATED_A_BLOCK), price };
  });
}

function clockOf(i, source) {
  return {
    clock_id: `clock-${source}`,
    clock_class: 'member_other',
    clock_divergence_ns: String(i % EVENTS_A_DIVERGENCE === 1 ? 1_500_000 : ((i * 37) % 200_001) - 100_000),
    capture_point: 'gateway-in',
  };
}
