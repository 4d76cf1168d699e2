/** An event as it is sent; its position in the list is its sequence, from 1. */
export interface SentEvent {
  event_id: string;
  timestamp: string;
  event_type: string;
  entity_type: string;
  entity_id: string;
  action: string;
  user_id: string;
  previous_state?: Record<string, unknown> | null;
  new_state: Record<string, unknown>;
  metadata: Record<string, unknown>;
  source?: string;
  source_session?: string;
  source_sequence?: string;
  corrects?: string;
  raw?: { media_type: string; data: string };
}

/** The id of the event of that number, whether or not there is one. */
export function madeId(number: number): string {
  return `0197f3a1-6c00-7000-8000-${String(number).padStart(12, '0')}`;
}

type Made = Partial<Omit<SentEvent, 'corrects'>> & { corrects?: number };

export function order(number: number, orderId: string, action: string, timestamp: string, made: Made = {}): SentEvent {
  const { corrects, ...members } = made;
  return {
    event_id: madeId(number),
    timestamp,
    event_type: 'order_lifecycle',
    entity_type: 'order',
    entity_id: orderId,
    action,
    user_id: 'trader-1',
    new_state: {},
    metadata: {},
    ...members,
    ...(corrects === undefined ? {} : { corrects: madeId(corrects) }),
  };
}

/**
 * 2 June 2026 on a small desk, and some of the days around it. What each event is there for stands beside it; the rows
 * that reports must make of them stand in the files beside this one.
 */
export const MADE_DAY: readonly SentEvent[] = [
  order(1, 'O-1', 'create', '2026-06-02T08:00:00Z', {
    new_state: { symbol: 'AAPL', side: 'buy', quantity: '100', price: '585.50', exchange: 'XNAS' },
    metadata: { client_id: 'C-77', investment_decision_maker: 'PM-1', execution_decision_maker: 'ALGO-7' },
  }),
  // says next to nothing itself; nanoseconds; more digits than a double has
  order(2, 'O-1', 'partial_fill', '2026-06-02T08:00:01.123456789Z', {
    user_id: 'engine-1',
    new_state: { quantity: '60.000000000000000001', price: '585.330000000000000000000001', remaining_quantity: '40' },
  }),
  // the client changes between two fills; quantity and price of the order are not the execution's
  order(3, 'O-1', 'modify', '2026-06-02T08:00:02Z', {
    new_state: { quantity: '40', price: '586' },
    metadata: { client_id: 'C-78', reason: 'allocation changed, "again"' },
  }),
  // says all itself; execution time with an offset, numbers as JSON numbers
  order(4, 'O-1', 'fill', '2026-06-02T08:00:03.5Z', {
    user_id: 'engine-1',
    new_state: { symbol: 'AAPL', side: 'buy', quantity: 40, price: 1e21, exchange: 'XLON', remaining_quantity: 0 },
    metadata: {
      client_id: 'C-79',
      investment_decision_maker: 'PM-2',
      execution_decision_maker: 'ALGO-8',
      execution_time: '2026-06-02T10:00:03.100000001+02:00',
    },
  }),
  // a fill without anything before it
  order(5, 'O-2', 'fill', '2026-06-02T23:59:59.999999999Z', {
    new_state: { symbol: 'MSFT', side: 'sell', quantity: '1', price: '-37.63', exchange: 'XNAS' },
    metadata: { execution_time: 'about noon' },
  }),
  // the day before and the day after
  order(6, 'O-3', 'fill', '2026-06-01T23:59:59.999999999Z', { new_state: { symbol: 'X', quantity: '1', price: '1' } }),
  order(7, 'O-3', 'fill', '2026-06-03T00:00:00Z', { new_state: { symbol: 'X', quantity: '1', price: '1' } }),
  // no fill of an order
  order(8, 'P-1', 'fill', '2026-06-02T09:00:00Z', { entity_type: 'position' }),
  order(9, 'O-3', 'fill', '2026-06-02T09:00:00Z', { event_type: 'note' }),
  // a fill that is corrected, then its correction is corrected
  order(10, 'O-4', 'create', '2026-06-02T10:00:00Z', {
    new_state: { symbol: 'IBM', side: 'buy', quantity: '9', price: '250', exchange: 'XNYS' },
    metadata: { client_id: 'C-wrong' },
  }),
  order(11, 'O-4', 'fill', '2026-06-02T10:00:01Z', { new_state: { quantity: '9', price: '250' } }),
  order(12, 'O-4', 'fill', '2026-06-02T10:00:01Z', {
    user_id: 'ops-1',
    new_state: { quantity: '9', price: '251' },
    metadata: { reason: 'price' },
    corrects: 11,
  }),
  order(13, 'O-4', 'fill', '2026-06-02T10:00:01.000Z', {
    user_id: 'ops-1',
    new_state: { quantity: '9', price: '252' },
    metadata: { reason: 'price again' },
    corrects: 12,
  }),
  // the order's own client is corrected after the fill
  order(14, 'O-4', 'create', '2026-06-02T10:00:00Z', {
    user_id: 'ops-1',
    new_state: { symbol: 'IBM', side: 'buy', quantity: '9', price: '250', exchange: 'XNYS' },
    metadata: { client_id: 'C-right', reason: 'client' },
    corrects: 10,
  }),
  // voided; then a fill that becomes a cancel, and a cancel that becomes a fill
  order(15, 'O-5', 'fill', '2026-06-02T11:00:00Z', { new_state: { symbol: 'A', quantity: '1', price: '1' } }),
  order(16, 'O-5', 'void', '2026-06-02T11:00:00Z', { user_id: 'ops-1', metadata: { reason: 'bust' }, corrects: 15 }),
  order(17, 'O-5', 'fill', '2026-06-02T11:00:01Z', { new_state: { symbol: 'A', quantity: '2', price: '1' } }),
  order(18, 'O-5', 'cancel', '2026-06-02T11:00:01Z', { metadata: { reason: 'not filled' }, corrects: 17 }),
  order(19, 'O-5', 'cancel', '2026-06-02T11:00:02Z', { metadata: { reason: 'not cancelled' } }),
  order(20, 'O-5', 'fill', '2026-06-02T11:00:02Z', {
    new_state: { symbol: 'A', side: 'sell', quantity: '3', price: '1' },
    corrects: 19,
  }),
  // moved out of the day, and into it
  order(21, 'O-6', 'fill', '2026-06-02T12:00:00Z', { new_state: { symbol: 'B', quantity: '1', price: '1' } }),
  order(22, 'O-6', 'fill', '2026-06-03T12:00:00Z', {
    new_state: { symbol: 'B', quantity: '1', price: '1' },
    corrects: 21,
  }),
  order(23, 'O-6', 'fill', '2026-05-29T12:00:00Z', { new_state: { symbol: 'B', quantity: '2', price: '1' } }),
  order(24, 'O-6', 'fill', '2026-06-02T12:00:01Z', {
    new_state: { symbol: 'B', quantity: '2', price: '1' },
    corrects: 23,
  }),
  // two corrections of one fill: the later counts, the earlier does not, nor does what corrects that
  order(25, 'O-7', 'fill', '2026-06-02T13:00:00Z', { new_state: { symbol: 'C', quantity: '1', price: '1' } }),
  order(26, 'O-7', 'fill', '2026-06-02T13:00:00Z', {
    new_state: { symbol: 'C', quantity: '2', price: '1' },
    corrects: 25,
  }),
  order(27, 'O-7', 'fill', '2026-06-02T13:00:00Z', {
    new_state: { symbol: 'C', quantity: '3', price: '1' },
    corrects: 25,
  }),
  order(28, 'O-7', 'fill', '2026-06-02T13:00:00Z', {
    new_state: { symbol: 'C', quantity: '4', price: '1' },
    corrects: 26,
  }),
  // correct nothing: an unknown event, a later one, one of another order, each other, itself
  order(29, 'O-8', 'fill', '2026-06-02T14:00:00Z', { new_state: { quantity: '1' }, corrects: 999 }),
  order(30, 'O-8', 'fill', '2026-06-02T14:00:01Z', { new_state: { quantity: '2' }, corrects: 31 }),
  order(31, 'O-8', 'fill', '2026-06-02T14:00:02Z', { new_state: { quantity: '3' } }),
  order(32, 'O-8', 'fill', '2026-06-02T14:00:03Z', { new_state: { quantity: '4' }, corrects: 27 }),
  order(33, 'O-8', 'fill', '2026-06-02T14:00:04Z', { new_state: { quantity: '5' }, corrects: 34 }),
  order(34, 'O-8', 'fill', '2026-06-02T14:00:05Z', { new_state: { quantity: '6' }, corrects: 33 }),
  order(35, 'O-8', 'fill', '2026-06-02T14:00:06Z', { new_state: { quantity: '7' }, corrects: 35 }),
  order(36, 'O-8', 'void', '2026-06-02T14:00:07Z', { corrects: 998 }),
  // a void that is corrected: it happened after all
  order(37, 'O-9', 'fill', '2026-06-02T15:00:00Z', { new_state: { symbol: 'D', quantity: '1', price: '1' } }),
  order(38, 'O-9', 'void', '2026-06-02T15:00:00Z', { corrects: 37 }),
  order(39, 'O-9', 'fill', '2026-06-02T15:00:00Z', {
    new_state: { symbol: 'D', quantity: '1', price: '2' },
    corrects: 38,
  }),
  // what a spreadsheet would run, and what it would split
  order(40, '=cmd|calc!A1', 'fill', '2026-06-02T16:00:00Z', {
    new_state: {
      symbol: '@SUM(1+1)',
      side: '-1+1',
      quantity: '-5',
      price: '+1',
      exchange: '\t=1',
      remaining_quantity: -1e-7,
    },
    metadata: {
      client_id: '=HYPERLINK("http://x","y")',
      investment_decision_maker: 'a,"b"\r\nc',
      execution_decision_maker: "'=1",
    },
  }),
  // recorded late, so the order of the ledger is not that of time; values that are no texts, and empty ones
  order(41, 'O-10', 'fill', '2026-06-02T07:00:00Z', {
    new_state: { symbol: { isin: 'US0378331005', mic: 'XNAS' }, side: '', quantity: null, price: 0.1, exchange: true },
  }),
  order(42, 'O-10', 'partial_fill', '2026-06-02T07:00:00.000000Z', {
    user_id: 'engine-1',
    new_state: { symbol: 'Ünïcödé 株', quantity: '1', price: '1' },
  }),
  // looked up at the place of the fill that is corrected, not of its correction; what is void states nothing
  order(43, 'O-11', 'create', '2026-06-02T17:00:00Z', {
    new_state: { symbol: 'E', side: 'buy', quantity: '9', price: '1', exchange: 'XNYS' },
    metadata: { client_id: 'C-before' },
  }),
  order(44, 'O-11', 'partial_fill', '2026-06-02T17:00:01Z', { new_state: { quantity: '1', price: '1' } }),
  order(45, 'O-11', 'modify', '2026-06-02T17:00:02Z', { metadata: { client_id: 'C-after', reason: 'allocation' } }),
  order(46, 'O-11', 'partial_fill', '2026-06-02T17:00:01Z', {
    new_state: { quantity: '2', price: '1' },
    corrects: 44,
  }),
  order(47, 'O-11', 'modify', '2026-06-02T17:00:03Z', { metadata: { client_id: 'C-undone', reason: 'allocation' } }),
  order(48, 'O-11', 'void', '2026-06-02T17:00:03Z', { metadata: { client_id: 'C-void' }, corrects: 47 }),
  order(49, 'O-11', 'fill', '2026-06-02T17:00:04Z', { new_state: { quantity: '7', price: '1' } }),
  // names a later event, which another corrects in earnest
  order(50, 'O-12', 'fill', '2026-06-02T18:00:00Z', { new_state: { quantity: '1' }, corrects: 51 }),
  order(51, 'O-12', 'fill', '2026-06-02T18:00:01Z', { new_state: { quantity: '2' } }),
  order(52, 'O-12', 'fill', '2026-06-02T18:00:02Z', { new_state: { quantity: '3' }, corrects: 51 }),
];
