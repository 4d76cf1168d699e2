import { order, type SentEvent } from './made-day.js';

function client(number: number, orderId: string, clientId: string, quantity: string, group: string): SentEvent {
  return order(number, orderId, 'create', `2026-06-02T08:00:00.${String(number).padStart(3, '0')}Z`, {
    new_state: { symbol: 'SAP', side: 'buy', quantity },
    metadata: { client_id: clientId, account: `A-${clientId}`, aggregation_group: group },
  });
}

function aggregate(number: number, orderId: string, quantity: string, clients: string, group?: string): SentEvent {
  return order(number, orderId, 'create', `2026-06-02T08:01:00.${String(number).padStart(3, '0')}Z`, {
    new_state: { symbol: 'SAP', side: 'buy', quantity },
    metadata: {
      ...{ aggregated: true, aggregated_clients: clients, client_id_type: 'pending_allocation' },
      ...(group === undefined ? {} : { aggregation_group: group }),
    },
  });
}

function fill(
  number: number,
  orderId: string,
  quantity: unknown,
  price: unknown,
  more: Parameters<typeof order>[4] = {},
): SentEvent {
  const time = `2026-06-02T09:00:00.${String(number).padStart(3, '0')}Z`;
  return order(number, orderId, 'partial_fill', time, { new_state: { quantity, price }, ...more });
}

/** Parts of an execution, each `client quantity price`. */
function parts(...texts: string[]): Record<string, string>[] {
  return texts.map((text) => {
    const [clientId, quantity, price] = text.split(' ') as [string, string, string | undefined];
    return { client_id: clientId, account: `A-${clientId}`, quantity, ...(price === undefined ? {} : { price }) };
  });
}

function allocate(number: number, orderId: string, allocations: unknown, corrects?: number): SentEvent {
  const time = `2026-06-02T10:00:00.${String(number).padStart(3, '0')}Z`;
  return order(number, orderId, 'modify', time, {
    metadata: { client_id_type: 'aggregated', allocations, reason: 'allocated' },
    ...(corrects === undefined ? {} : { user_id: 'ops-1', corrects }),
  });
}

/** Aggregated orders of 2 June 2026, each group for what is said beside it. */
export const MADE_AGGREGATES: readonly SentEvent[] = [
  // adds up: a part is allocated by the execution itself, the rest later, at another price
  client(1, 'G-1', 'C-1', '30', 'AG-1'),
  client(2, 'G-2', 'C-2', '50.5', 'AG-1'),
  client(3, 'G-3', 'C-3', '20', 'AG-1'),
  aggregate(4, 'A-1', '100.5', '3', 'AG-1'),
  fill(5, 'A-1', '60', '10.00', { metadata: { allocations: parts('C-1 18 10.00', 'C-2 30 10.00', 'C-3 12 10.00') } }),
  fill(6, 'A-1', '40.5', '10.02'),
  allocate(7, 'A-1', parts('C-1 12 10.02', 'C-2 20.5 10.02', 'C-3 8 10.02')),
  // too much is allocated, some of it to a client without an order, nothing to one that has one; three clients stated
  client(8, 'G-4', 'C-4', '5', 'AG-2'),
  client(9, 'G-5', 'C-5', '5', 'AG-2'),
  aggregate(10, 'A-2', '10', '2', 'AG-2'),
  fill(11, 'A-2', '10', '7'),
  allocate(12, 'A-2', parts('C-4 6', 'C-9 5')),
  // an aggregate without a group, of which nothing is allocated yet; one of which nothing is executed
  aggregate(13, 'A-3', '5', '2'),
  fill(14, 'A-3', '5', '7'),
  aggregate(15, 'A-4', '5', '2'),
  // wrong, and corrected: the allocation; the group of an order; an execution that never was
  client(16, 'G-6', 'C-6', '4', 'AG-9'),
  order(17, 'G-6', 'create', '2026-06-02T08:00:00.016Z', {
    user_id: 'ops-1',
    new_state: { symbol: 'SAP', side: 'buy', quantity: '4' },
    metadata: { client_id: 'C-6', aggregation_group: 'AG-3' },
    corrects: 16,
  }),
  client(18, 'G-7', 'C-7', '6', 'AG-3'),
  aggregate(19, 'A-5', '10', '2', 'AG-3'),
  fill(20, 'A-5', '10', '3.335'),
  fill(21, 'A-5', '99', '3.335'),
  order(22, 'A-5', 'void', '2026-06-02T09:00:00.021Z', { corrects: 21 }),
  allocate(23, 'A-5', parts('C-6 40 3.34', 'C-7 6 3.34')),
  allocate(24, 'A-5', parts('C-6 4 3.34', 'C-7 6 3.34'), 23),
  // the quantities add up, and what they are worth does not
  client(25, 'G-8', 'C-1', '10', 'AG-4'),
  aggregate(26, 'A-6', '10', '1', 'AG-4'),
  fill(27, 'A-6', '4', '5.00'),
  fill(28, 'A-6', '6', '5.10'),
  allocate(29, 'A-6', parts('C-1 10 5.00')),
  // cannot be read: a quantity, a list that is none, an allocation of nobody
  client(30, 'G-9', 'C-2', '1O', 'AG-5'),
  aggregate(31, 'A-7', '3', '1', 'AG-5'),
  fill(32, 'A-7', '3', 1.5),
  allocate(33, 'A-7', 'later'),
  client(34, 'G-10', 'C-3', '3', 'AG-6'),
  aggregate(35, 'A-8', '3', '1', 'AG-6'),
  fill(36, 'A-8', '3', '1'),
  allocate(37, 'A-8', [{ account: 'A-1', quantity: '3' }, ...parts('C-3 0')]),
  // too little is allocated, and the client orders say that they got something else
  client(38, 'G-11', 'C-1', '2', 'AG-7'),
  client(39, 'G-12', 'C-2', '2', 'AG-7'),
  aggregate(40, 'A-9', '4', '2', 'AG-7'),
  fill(41, 'A-9', '4', '8'),
  allocate(42, 'A-9', parts('C-1 2', 'C-2 1')),
  fill(43, 'G-11', '2', '8'),
  fill(44, 'G-12', '2', '8'),
  // orders of a group without an aggregate of its own; not aggregated at all
  client(45, 'G-13', 'C-1', '2', 'AG-8'),
  fill(46, 'G-13', '2', '8'),
  fill(47, 'alone', '2', '8'),
  // a part is of the day before, and named by an event of this day; another group is of the day after alone
  order(48, 'G-14', 'create', '2026-06-01T08:00:00Z', {
    new_state: { symbol: 'BMW', side: 'sell', quantity: '7' },
    metadata: { client_id: 'C-1', aggregation_group: 'AG-10' },
  }),
  aggregate(49, 'A-10', '7', '1', 'AG-10'),
  order(50, 'G-15', 'create', '2026-06-03T08:00:00Z', {
    new_state: { symbol: 'BMW', side: 'sell', quantity: '7' },
    metadata: { client_id: 'C-1', aggregation_group: 'AG-11' },
  }),
  // sold where the aggregate buys, and of another instrument; by ISIN where both say one
  client(51, 'G-16', 'C-1', '5', 'AG-12'),
  order(52, 'G-17', 'create', '2026-06-02T08:00:00.052Z', {
    new_state: { symbol: 'SAP', side: 'sell', quantity: '5', isin: 'DE0005190003' },
    metadata: { client_id: 'C-2', aggregation_group: 'AG-12' },
  }),
  order(53, 'G-18', 'create', '2026-06-02T08:00:00.053Z', {
    new_state: { symbol: 'BMW', quantity: '5' },
    metadata: { client_id: 'C-3', aggregation_group: 'AG-12' },
  }),
  order(54, 'G-19', 'create', '2026-06-02T08:00:00.054Z', {
    new_state: { symbol: 'SAPG', quantity: '5', isin: 'DE0007164600' },
    metadata: { client_id: 'C-4', aggregation_group: 'AG-12' },
  }),
  aggregate(55, 'A-12', '20', '4', 'AG-12'),
  order(56, 'A-12', 'modify', '2026-06-02T08:02:00.056Z', { new_state: { isin: 'DE0007164600' } }),
  fill(57, 'A-12', '20', '8'),
  allocate(58, 'A-12', parts('C-1 5 8', 'C-2 5 8', 'C-3 5 8', 'C-4 5 8')),
  // went to the market in slices, one of them in turn; what a slice says of itself is no group of its own
  client(59, 'G-20', 'C-1', '60', 'AG-13'),
  client(60, 'G-21', 'C-2', '40', 'AG-13'),
  aggregate(61, 'A-13', '100', '2', 'AG-13'),
  slice(62, 'S-1', 'A-13', '50', { client_id_type: 'aggregated' }),
  slice(63, 'S-2', 'A-13', '50', { aggregation_group: 'AG-13' }),
  slice(64, 'S-3', 'S-2', '30'),
  slice(65, 'S-4', 'A-13', '10', { client_id: 'C-7' }),
  slice(66, 'S-5', 'A-13', '10', { aggregation_group: 'AG-14' }),
  fill(67, 'S-1', '50', '10.00'),
  fill(68, 'S-3', '30', '10.10'),
  fill(69, 'S-2', '19', '10.20'),
  fill(70, 'S-2', '30', '10.10', { metadata: { drop_copy: true } }),
  fill(71, 'A-13', '1', '10.20'),
  fill(72, 'S-4', '9', '1'),
  allocate(73, 'A-13', parts('C-1 60 10.072', 'C-2 40 10.067')),
  // an aggregate without a group, in slices
  aggregate(74, 'A-14', '4', '1'),
  slice(75, 'S-6', 'A-14', '4', { client_id_type: 'pending_allocation' }),
  fill(76, 'S-6', '4', '3', { metadata: { allocations: parts('C-5 4 3') } }),
];

function slice(
  number: number,
  orderId: string,
  parent: string,
  quantity: string,
  metadata: Record<string, string> = {},
): SentEvent {
  return order(number, orderId, 'create', `2026-06-02T08:03:00.${String(number).padStart(3, '0')}Z`, {
    new_state: { symbol: 'SAP', side: 'buy', quantity },
    metadata: { parent_order_id: parent, ...metadata },
  });
}
