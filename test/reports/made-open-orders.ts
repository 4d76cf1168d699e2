import { order, type SentEvent } from './made-day.js';

const SAP = { symbol: 'SAP', isin: 'DE0007164600', exchange: 'XETR', side: 'buy', order_type: 'limit' };
const BMW = { symbol: 'BMW', isin: 'DE0005190003', exchange: 'XPAR', side: 'sell', order_type: 'limit' };
const OMS = { source: 'oms', user_id: 'trader-1' };
const VENUE = { source: 'venue', user_id: 'engine-1' };

/** Orders around the end of 2 June 2026, UTC. What each is there for stands beside it. */
export const MADE_OPEN_ORDERS: readonly SentEvent[] = [
  // good till cancelled: partly executed, changed, touched by another one; cancelled after the day
  order(1, 'GTC', 'create', '2026-05-20T08:00:00Z', {
    ...OMS,
    new_state: { ...SAP, quantity: '100', price: '140.50', validity: 'good_till_cancelled', status: 'open' },
    metadata: { client_id: 'C-1', desk: 'equities', investment_decision_maker: 'PM-1', venue_order_id: 'V-1' },
  }),
  order(2, 'GTC', 'partial_fill', '2026-06-02T08:00:00.000000001Z', {
    ...VENUE,
    new_state: { quantity: '30', price: '140.5', status: 'partially_filled' },
    metadata: { execution_id: 'X-1' },
  }),
  order(3, 'GTC', 'modify', '2026-06-02T09:00:00Z', {
    ...OMS,
    user_id: 'trader-2',
    new_state: { quantity: '120', price: '140.75' },
  }),
  order(4, 'GTC', 'cancel', '2026-06-03T00:00:00Z', OMS),
  // executed whole, by executions that do not say so
  order(5, 'DONE', 'create', '2026-06-02T08:00:00Z', { ...OMS, new_state: { ...BMW, quantity: '10', price: '79' } }),
  order(6, 'DONE', 'partial_fill', '2026-06-02T08:00:01Z', { ...VENUE, new_state: { quantity: '10', price: '79' } }),
  // good for a day that is over, of which nobody says so; and for the day that is
  order(7, 'LAPSED', 'create', '2026-06-01T08:00:00Z', {
    ...OMS,
    new_state: { ...BMW, quantity: '5', price: '80', validity: 'day' },
    metadata: { client_id_type: 'none' },
  }),
  order(8, 'TODAY', 'create', '2026-06-02T21:59:59Z', {
    ...OMS,
    new_state: { ...BMW, quantity: '5', price: '80', validity: 'day' },
    metadata: { client_id_type: 'none', execution_decision_maker: 'ALGO-9' },
  }),
  // good until a time of the day, and until the end of a day that is not over everywhere
  order(9, 'UNTIL', 'create', '2026-06-02T10:00:00Z', {
    ...OMS,
    new_state: { ...SAP, quantity: '7', validity: 'good_till_date_time', valid_until: '2026-06-02T15:30:00Z' },
  }),
  order(10, 'TILL', 'create', '2026-06-02T10:00:00Z', {
    ...OMS,
    new_state: { ...SAP, quantity: '7', validity: 'good_till_date', valid_until: '2026-06-02T00:00:00Z' },
  }),
  // a decision alone, a rejected one, one that was created too late, a stop order that waits
  order(11, 'DECIDED', 'decide', '2026-06-02T10:00:00Z', { ...OMS, new_state: { ...SAP, quantity: '9' } }),
  order(12, 'REFUSED', 'create', '2026-06-02T10:00:00Z', { ...OMS, new_state: { ...SAP, quantity: '9' } }),
  order(13, 'REFUSED', 'reject', '2026-06-02T10:00:01Z', VENUE),
  order(14, 'LATER', 'create', '2026-06-03T00:00:00.000000001Z', { ...OMS, new_state: { ...SAP, quantity: '9' } }),
  order(15, 'STOP', 'create', '2026-06-02T11:00:00Z', {
    ...OMS,
    new_state: { ...BMW, order_type: 'stop', stop_price: '75', quantity: '1.50' },
    metadata: { parent_order_id: 'GTC' },
  }),
  // an id that is used again on the same day
  order(16, 'AGAIN', 'create', '2026-06-02T09:00:00Z', {
    ...OMS,
    new_state: { ...SAP, quantity: '4', price: '1' },
    metadata: { client_id: 'C-1' },
  }),
  order(17, 'AGAIN', 'cancel', '2026-06-02T09:00:01Z', OMS),
  order(18, 'AGAIN', 'create', '2026-06-02T09:30:00Z', { ...OMS, new_state: { ...BMW, quantity: '6', price: '2' } }),
  // an end that never happened; an end that the day had not seen yet, corrected into it
  order(19, 'VOIDED', 'create', '2026-06-02T12:00:00Z', { ...OMS, new_state: { ...SAP, quantity: '8', price: '3' } }),
  order(20, 'VOIDED', 'cancel', '2026-06-02T12:00:01Z', OMS),
  order(21, 'VOIDED', 'void', '2026-06-02T12:00:01Z', { user_id: 'ops-1', corrects: 20, metadata: { reason: 'x' } }),
  order(22, 'MOVED', 'create', '2026-06-02T12:00:00Z', { ...OMS, new_state: { ...SAP, quantity: '8', price: '3' } }),
  order(23, 'MOVED', 'expire', '2026-06-03T12:00:00Z', VENUE),
  order(24, 'MOVED', 'expire', '2026-06-02T12:00:30Z', { user_id: 'ops-1', corrects: 23 }),
  // recorded late: the execution before its order; told twice; and a copy of an end
  order(25, 'LATE', 'partial_fill', '2026-06-02T13:00:00.5Z', {
    ...VENUE,
    new_state: { quantity: '2', price: '3', remaining_quantity: '6' },
  }),
  order(26, 'LATE', 'create', '2026-06-02T13:00:00Z', { ...OMS, new_state: { ...SAP, quantity: '8', price: '3' } }),
  order(27, 'LATE', 'partial_fill', '2026-06-02T13:00:00.5Z', {
    ...VENUE,
    new_state: { quantity: '2', price: '3', remaining_quantity: '6' },
  }),
  order(28, 'LATE', 'cancel', '2026-06-02T13:00:02Z', { ...VENUE, metadata: { drop_copy: true } }),
  // the order's beginning is not recorded; its quantity cannot be read
  order(29, 'UNBEGUN', 'modify', '2026-06-02T14:00:00Z', { ...OMS, new_state: { price: '5' } }),
  order(30, 'UNREAD', 'create', '2026-06-02T14:00:00Z', { ...OMS, new_state: { ...SAP, quantity: 'many' } }),
  // the last change of an order is corrected
  order(31, 'MENDED', 'create', '2026-06-02T15:00:00Z', { ...OMS, new_state: { ...SAP, quantity: '8', price: '3' } }),
  order(32, 'MENDED', 'modify', '2026-06-02T15:00:01Z', { ...OMS, new_state: { quantity: '80' } }),
  order(33, 'MENDED', 'modify', '2026-06-02T15:00:01Z', {
    user_id: 'ops-1',
    new_state: { quantity: '18' },
    metadata: { reason: 'typed wrong' },
    corrects: 32,
  }),
  // ended without a create, as if that were deleted, and used again
  order(34, 'FOLLOWING', 'cancel', '2026-06-02T16:00:00Z', VENUE),
  order(35, 'FOLLOWING', 'create', '2026-06-02T16:00:03Z', {
    ...OMS,
    new_state: { ...SAP, quantity: '3', price: '3' },
  }),
  // good till cancelled and not touched for weeks, and for more than a year
  order(36, 'WEEKS', 'create', '2026-03-02T08:00:00Z', {
    ...OMS,
    new_state: { ...SAP, quantity: '11', price: '99', validity: 'good_till_cancelled' },
    metadata: { client_id: 'C-2' },
  }),
  order(37, 'YEAR', 'create', '2025-05-10T08:00:00Z', {
    ...OMS,
    new_state: { ...SAP, quantity: '12', price: '98', validity: 'good_till_cancelled' },
  }),
  // entered weeks before: ended by then, and after the day; ended by an execution that says so, and by one that says another thing
  order(38, 'ENDED', 'create', '2026-03-02T08:00:00Z', { ...OMS, new_state: { ...SAP, quantity: '13', price: '97' } }),
  order(39, 'ENDED', 'cancel', '2026-03-03T08:00:00Z', OMS),
  order(40, 'ENDING', 'create', '2026-03-02T08:00:00Z', { ...OMS, new_state: { ...SAP, quantity: '14', price: '96' } }),
  order(41, 'ENDING', 'expire', '2026-06-03T08:00:00Z', OMS),
  order(42, 'FILLED', 'create', '2026-03-02T08:00:00Z', { ...OMS, new_state: { ...SAP, quantity: '15', price: '95' } }),
  order(43, 'FILLED', 'fill', '2026-03-03T08:00:00Z', {
    ...VENUE,
    new_state: { quantity: '15', price: '95', remaining_quantity: '0' },
  }),
  order(44, 'UNFILLED', 'create', '2026-03-02T08:00:00Z', {
    ...OMS,
    new_state: { ...SAP, quantity: '16', price: '94' },
  }),
  order(45, 'UNFILLED', 'fill', '2026-03-03T08:00:00Z', {
    ...VENUE,
    new_state: { quantity: '10', price: '94', remaining_quantity: '6' },
  }),
  // an end of which a later correction takes the place; one before which the correction was recorded, which corrects nothing
  order(46, 'UNENDED', 'create', '2026-03-02T08:00:00Z', {
    ...OMS,
    new_state: { ...SAP, quantity: '17', price: '93' },
  }),
  order(47, 'UNENDED', 'cancel', '2026-03-03T08:00:00Z', OMS),
  order(48, 'UNENDED', 'acknowledge', '2026-03-03T08:00:00Z', { user_id: 'ops-1', corrects: 47 }),
  order(49, 'VAIN', 'create', '2026-03-02T08:00:00Z', { ...OMS, new_state: { ...SAP, quantity: '18', price: '92' } }),
  order(50, 'VAIN', 'acknowledge', '2026-03-03T08:00:00Z', { user_id: 'ops-1', corrects: 51 }),
  order(51, 'VAIN', 'cancel', '2026-03-03T08:00:00Z', OMS),
];

/** Orders that were changed more often than a look at their last events goes back: never ended, ended before and after that. */
export const MADE_LONG_ORDERS: readonly SentEvent[] = [
  ...changes(52, 'CHANGED', ['create', ...Array.from({ length: 80 }, () => 'modify')]),
  ...changes(133, 'CHANGED-OVER', ['create', 'cancel', ...Array.from({ length: 80 }, () => 'modify')]),
  ...changes(215, 'CHANGED-OFF', ['create', ...Array.from({ length: 80 }, () => 'modify'), 'cancel']),
];

/** An order's events, a second each, weeks before the day. */
function changes(number: number, orderId: string, actions: readonly string[]): SentEvent[] {
  return actions.map((action, i) =>
    order(number + i, orderId, action, `2026-03-02T08:0${Math.floor(i / 60)}:${String(i % 60).padStart(2, '0')}Z`, {
      ...OMS,
      ...(action === 'cancel' ? {} : { new_state: { ...SAP, quantity: String(100 + i), price: '90' } }),
    }),
  );
}
