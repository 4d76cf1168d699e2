import { order, type SentEvent } from './made-day.js';

const SAP = { symbol: 'SAP', isin: 'DE0007164600', exchange: 'XETR' };
const BMW = { symbol: 'BMW', isin: 'DE0005190003', exchange: 'XETR' };

/** A message of FIX: fields, each ended by SOH. */
function fix(...fields: string[]): { media_type: string; data: string } {
  return { media_type: 'application/fix', data: Buffer.from(`${fields.join('\u0001')}\u0001`).toString('base64') };
}

const OMS = { source: 'oms' };

/**
 * 2 June 2026 of a desk: a parent order with its children, quotes of a strategy, aggregates and their allocations, and
 * the executions once more as the venue's drop copy tells them. What each event is there for stands beside it.
 */
export const MADE_DESK: readonly SentEvent[] = [
  // a client's order, as it came over FIX
  order(1, 'P-1', 'create', '2026-06-02T08:00:00.000000001Z', {
    ...OMS,
    new_state: { ...SAP, side: 'buy', order_type: 'limit', quantity: '100', price: '140.50' },
    metadata: {
      ...{ client_id: 'C-1', client_order_id: 'CLO-1', desk: 'equities', investment_decision_maker: 'PM-1' },
      ...{ execution_decision_maker: 'ALGO-7', decision_time: '2026-06-02T09:59:59.123456789+02:00' },
    },
    raw: fix('8=FIX.4.4', '35=D', '11=CLO-1', '55=SAP', '58=grün'),
  }),
  // two children in the same nanosecond: one names its parent, the other the parent's client_order_id
  order(2, 'CH-1', 'create', '2026-06-02T08:00:01Z', {
    ...OMS,
    new_state: { ...SAP, side: 'buy', quantity: '60', price: '140.50' },
    metadata: {
      ...{ parent_order_id: 'P-1', client_id: 'C-1', desk: 'equities', execution_decision_maker: 'ALGO-7' },
      submission_time: '2026-06-02T08:00:01.0000005Z',
    },
    raw: { media_type: 'application/octet-stream', data: Buffer.from([0, 255, 1, 128]).toString('base64') },
  }),
  order(3, 'CH-2', 'create', '2026-06-02T08:00:01.000000000Z', {
    ...OMS,
    new_state: { ...SAP, exchange: 'XPAR', side: 'buy', quantity: '40', price: '140.50' },
    metadata: {
      ...{ parent_client_order_id: 'CLO-1', client_order_id: 'CLO-1-2', client_id: 'C-1', desk: 'equities' },
      ...{ execution_decision_maker: 'ALGO-8' },
    },
  }),
  order(4, 'CH-1', 'partial_fill', '2026-06-02T08:00:02.5Z', {
    ...OMS,
    user_id: 'engine-1',
    new_state: { quantity: '20', price: '140.5', remaining_quantity: '40' },
    metadata: { execution_id: 'X-1', venue_transaction_id: 'TV-1', execution_time: '2026-06-02T08:00:02.400000001Z' },
    raw: fix('8=FIX.4.4', '35=8', '17=X-1'),
  }),
  // an execution that is corrected twice, by two people
  order(5, 'CH-1', 'fill', '2026-06-02T08:00:03Z', {
    ...OMS,
    user_id: 'engine-1',
    new_state: { quantity: '40', price: '140.49', remaining_quantity: '0' },
    metadata: { execution_id: 'X-2', venue_transaction_id: 'TV-2' },
  }),
  order(6, 'CH-1', 'fill', '2026-06-02T08:00:03Z', {
    ...OMS,
    user_id: 'ops-1',
    new_state: { quantity: '40', price: '140.48', remaining_quantity: '0' },
    metadata: { execution_id: 'X-2', venue_transaction_id: 'TV-2', reason: 'price' },
    corrects: 5,
  }),
  order(7, 'CH-1', 'fill', '2026-06-02T08:00:03Z', {
    ...OMS,
    user_id: 'ops-2',
    new_state: { quantity: '40', price: '140.47', remaining_quantity: '0' },
    metadata: { execution_id: 'X-2', venue_transaction_id: 'TV-2', reason: 'price again', account: 'A-9' },
    corrects: 6,
  }),
  order(8, 'CH-2', 'modify', '2026-06-02T08:00:04Z', {
    ...OMS,
    previous_state: { price: '140.50', quantity: '40' },
    new_state: { price: '140.60', quantity: '45' },
    metadata: { reason: 'market moved' },
  }),
  // never happened
  order(9, 'CH-2', 'partial_fill', '2026-06-02T08:00:04.5Z', {
    ...OMS,
    user_id: 'engine-1',
    new_state: { quantity: '5', price: '140.6', remaining_quantity: '40' },
    metadata: { execution_id: 'X-4' },
  }),
  order(10, 'CH-2', 'void', '2026-06-02T08:00:04.5Z', {
    ...OMS,
    user_id: 'ops-1',
    metadata: { reason: 'bust' },
    corrects: 9,
  }),
  order(11, 'CH-2', 'cancel', '2026-06-02T08:00:05Z', { ...OMS, metadata: { reason: 'client' } }),
  // two corrections of one event; one of an event that nobody knows, one of another order's
  order(12, 'P-1', 'modify', '2026-06-02T08:00:06Z', { ...OMS, new_state: { price: '141' } }),
  order(13, 'P-1', 'modify', '2026-06-02T08:00:06Z', { ...OMS, new_state: { price: '142' }, corrects: 12 }),
  order(14, 'P-1', 'modify', '2026-06-02T08:00:06.000Z', {
    ...OMS,
    user_id: 'ops-1',
    new_state: { price: '143' },
    metadata: { desk: 'block' },
    corrects: 12,
  }),
  order(15, 'P-1', 'modify', '2026-06-02T08:00:07Z', { ...OMS, new_state: { price: '144' }, corrects: 999 }),
  order(16, 'P-1', 'void', '2026-06-02T08:00:08Z', { ...OMS, corrects: 2 }),
  order(17, 'P-1', 'remark', '2026-06-02T08:00:09Z', { ...OMS, event_type: 'note', metadata: { reason: 'call' } }),
  // after the day; a grandchild after the day as well
  order(18, 'P-1', 'cancel', '2026-06-03T07:00:00.000000999Z', { ...OMS, metadata: { reason: 'client' } }),
  order(19, 'CH-1-1', 'create', '2026-06-02T23:59:59.999999999Z', {
    ...OMS,
    new_state: { ...SAP, side: 'buy', quantity: '1', price: '1' },
    metadata: { parent_order_id: 'CH-1' },
  }),
  // quotes of one strategy, for own account
  order(20, 'Q-b', 'create', '2026-06-02T09:00:00.0000001Z', {
    ...OMS,
    user_id: 'engine-2',
    new_state: { ...BMW, side: 'buy', order_type: 'quote', quantity: '10', price: '79.9' },
    metadata: {
      strategy_linked_order_id: 'S-1',
      client_id_type: 'none',
      desk: 'making',
      execution_decision_maker: 'ALGO-9',
    },
  }),
  order(21, 'Q-s', 'create', '2026-06-02T09:00:00.0000001Z', {
    ...OMS,
    user_id: 'engine-2',
    new_state: { ...BMW, side: 'sell', order_type: 'quote', quantity: '10', price: '80.1' },
    metadata: {
      strategy_linked_order_id: 'S-1',
      client_id_type: 'none',
      desk: 'making',
      execution_decision_maker: 'ALGO-9',
    },
  }),
  order(22, 'Q-b', 'modify', '2026-06-02T09:00:00.0000002Z', {
    ...OMS,
    user_id: 'engine-2',
    new_state: { price: '79.8', quantity: '12' },
  }),
  order(23, 'Q-s', 'cancel', '2026-06-02T09:00:00.0000003Z', { ...OMS, user_id: 'engine-2' }),
  order(24, 'Q-b', 'partial_fill', '2026-06-02T09:00:01Z', {
    ...OMS,
    user_id: 'engine-2',
    new_state: { quantity: '4', price: '79.8', remaining_quantity: '8' },
    metadata: { execution_id: 'X-3' },
  }),
  order(25, 'Q-b', 'cancel', '2026-06-02T09:00:02Z', { ...OMS, metadata: { initiated_by: 'venue_automatic' } }),
];
