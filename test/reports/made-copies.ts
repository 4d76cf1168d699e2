import { order, type SentEvent } from './made-day.js';

function create(number: number, orderId: string, source: string, metadata: Record<string, unknown> = {}): SentEvent {
  return order(number, orderId, 'create', `2026-06-02T07:00:00.${String(number).padStart(3, '0')}Z`, {
    source,
    new_state: {
      symbol: 'SAP',
      isin: 'DE0007164600',
      side: 'buy',
      quantity: '1000',
      exchange: 'XETR',
      currency: 'EUR',
    },
    metadata,
  });
}

/** `text`: id, quantity, price; an id of - is none. */
function fill(
  number: number,
  orderId: string,
  source: string,
  time: string,
  text: string,
  more: Parameters<typeof order>[4] = {},
): SentEvent {
  const [id, quantity, price] = text.split(' ') as [string, string, string];
  return order(number, orderId, 'partial_fill', time.includes('T') ? time : `2026-06-02T${time}Z`, {
    source,
    ...more,
    new_state: { quantity, price, ...more.new_state },
    metadata: { ...(id === '-' ? {} : { execution_id: id }), ...more.metadata },
  });
}

/** Executions of 2 June 2026 as the OMS has them, and as the venue's drop copy tells of them. */
export const MADE_COPIES: readonly SentEvent[] = [
  create(1, 'O-1', 'oms', { client_order_id: 'CLO-1', venue_order_id: 'V-1' }),
  create(2, 'V-1', 'drop-copy'),
  create(3, 'CLO-2', 'drop-copy'),
  create(4, 'O-2', 'oms', { client_order_id: 'CLO-2' }),
  // the same on both sides, written otherwise; the copy comes first
  fill(5, 'V-1', 'drop-copy', '08:00:00.100', 'X-1 10.00 5'),
  fill(6, 'O-1', 'oms', '08:00:00.000000001', 'X-1 10 5.0'),
  // the price differs, and it is corrected on one side: then the quantity does
  fill(7, 'O-1', 'oms', '08:00:01', 'X-2 10 5.01'),
  fill(8, 'V-1', 'drop-copy', '08:00:01', 'X-2 10 5.02'),
  fill(9, 'O-1', 'oms', '08:00:02', 'X-3 11 5'),
  fill(10, 'O-1', 'oms', '08:00:02', 'X-3 12 5', { corrects: 9, user_id: 'ops-1' }),
  fill(11, 'V-1', 'drop-copy', '08:00:02', 'X-3 11 5'),
  // on one side alone; void on one side; of a third source
  fill(12, 'O-1', 'oms', '08:00:03', 'X-4 1 5'),
  fill(13, 'V-1', 'drop-copy', '08:00:04', 'X-5 1 5'),
  fill(14, 'O-1', 'oms', '08:00:05', 'X-6 1 5'),
  order(15, 'O-1', 'void', '2026-06-02T08:00:05Z', { source: 'oms', corrects: 14 }),
  fill(16, 'V-1', 'drop-copy', '08:00:05', 'X-6 1 5'),
  fill(17, 'O-1', 'crossing', '08:00:03', 'X-4 1 5'),
  // by the venue's transaction, under other ids; everything else differs
  fill(18, 'O-1', 'oms', '08:00:06', 'E-7 3 5', { metadata: { venue_transaction_id: 'TV-7' } }),
  fill(19, 'V-9', 'drop-copy', '08:00:07.000000001', 'F-7 3.5 6', {
    new_state: { symbol: 'BMW', isin: 'DE0005190003', side: 'sell', exchange: 'XPAR', currency: 'USD' },
    metadata: { venue_transaction_id: 'TV-7' },
  }),
  // without ids, or under others: by order, quantity, price and time; each is one of several that are alike
  fill(20, 'O-2', 'oms', '09:00:00', '- 7 2'),
  fill(21, 'O-2', 'oms', '09:00:00.5', 'E-8 7 2'),
  fill(22, 'CLO-2', 'drop-copy', '09:00:01.4', 'F-8 7.0 2.0'),
  fill(23, 'CLO-2', 'drop-copy', '09:00:00.9', '- 7 2'),
  fill(24, 'CLO-2', 'drop-copy', '09:00:03', '- 7 2'),
  // at the same order, quantity and price, and too late
  fill(25, 'O-2', 'oms', '09:10:00', '- 8 2'),
  fill(26, 'CLO-2', 'drop-copy', '09:10:01.000000001', '- 8 2'),
  // the time of the execution counts, not that of the event; one that is none
  fill(27, 'O-1', 'oms', '10:00:00', 'X-9 1 1', { metadata: { execution_time: '2026-06-02T11:59:59.5+02:00' } }),
  fill(28, 'V-1', 'drop-copy', '10:00:09', 'X-9 1 1', { metadata: { execution_time: '2026-06-02T09:59:59.4Z' } }),
  fill(29, 'O-1', 'oms', '10:01:00', 'X-10 1 1', { metadata: { execution_time: 'noon' } }),
  fill(30, 'V-1', 'drop-copy', '10:01:02', 'X-10 1 1'),
  // one id twice on one side
  fill(31, 'O-1', 'oms', '11:00:00', 'X-11 1 1'),
  fill(32, 'O-1', 'oms', '11:00:00.1', 'X-11 1 1'),
  fill(33, 'V-1', 'drop-copy', '11:00:00', 'X-11 1 1'),
  // across midnight; the day before
  fill(34, 'O-1', 'oms', '23:59:59.9', 'X-12 1 1'),
  fill(35, 'V-1', 'drop-copy', '2026-06-03T00:00:00.1Z', 'X-12 1 1'),
  fill(36, 'V-1', 'drop-copy', '2026-06-03T00:00:00.2Z', 'X-13 1 1'),
  fill(37, 'O-1', 'oms', '2026-06-01T12:00:00Z', 'X-14 1 1'),
  // nothing is said of quantity and price
  order(38, 'O-1', 'fill', '2026-06-02T12:00:00Z', { source: 'oms' }),
  order(39, 'V-1', 'fill', '2026-06-02T12:00:00Z', { source: 'drop-copy', new_state: { quantity: '1O' } }),
  // both sides of a trade are the own, with one id: each with the copy of its own order
  create(40, 'O-3', 'oms', { venue_order_id: 'V-3' }),
  fill(41, 'O-1', 'oms', '13:00:00', 'E-41 5 5', { metadata: { venue_transaction_id: 'TV-41' } }),
  fill(42, 'V-3', 'drop-copy', '13:00:00.1', 'F-42 5 5', { metadata: { venue_transaction_id: 'TV-41' } }),
  fill(43, 'V-1', 'drop-copy', '13:00:00.2', 'F-43 5 5', { metadata: { venue_transaction_id: 'TV-41' } }),
  fill(44, 'O-3', 'oms', '13:00:00.3', 'E-44 5 5', { metadata: { venue_transaction_id: 'TV-41' } }),
  // two that are alike, of which only the second has a copy
  fill(45, 'O-2', 'oms', '14:00:00', '- 9 2'),
  fill(46, 'O-2', 'oms', '14:00:00.8', '- 9 2'),
  fill(47, 'CLO-2', 'drop-copy', '14:00:00.9', '- 9 2'),
  // copies that come at the end of the day, and with the file of the next day; the time of a copy is not the execution's
  fill(48, 'O-1', 'oms', '15:00:00', 'X-48 1 1'),
  fill(49, 'V-1', 'drop-copy', '22:00:00', 'X-48 1 1', { metadata: { drop_copy: true } }),
  fill(50, 'O-1', 'oms', '15:00:01', 'X-50 1 1'),
  fill(51, 'V-1', 'drop-copy', '2026-06-03T06:00:00Z', 'X-50 1 1', {
    metadata: { drop_copy: true, execution_time: '2026-06-02T15:00:01.2Z' },
  }),
  // of the day before, and its copy of this day; a copy of what was executed later
  fill(52, 'O-1', 'oms', '2026-06-01T20:00:00Z', 'X-52 1 1'),
  fill(53, 'V-1', 'drop-copy', '01:00:00', 'X-52 1 1', { metadata: { drop_copy: true } }),
  fill(54, 'O-1', 'oms', '15:00:09', 'X-54 1 1'),
  fill(55, 'V-1', 'drop-copy', '15:00:02', 'X-54 1 1', { metadata: { drop_copy: true } }),
];
