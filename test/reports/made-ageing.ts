import { order, type SentEvent } from './made-day.js';

/** A trade of a client whose report is leg 0, by the name of its order. */
export interface MadeTrade {
  name: string;
  /** of the order's fill, the event with this number */
  number: number;
  time: string;
  client: 'C-1' | 'C-99';
  /** whether a later event says that it never happened */
  isVoid: boolean;
}

/** The authority's day off in this week. */
export const HOLIDAY = '2025-06-04';

/** In the order of time: each is recorded before the first act that comes after it. */
const TRADES: readonly [name: string, time: string, more?: Partial<MadeTrade>][] = [
  ['FRIDAY-HELD', '2025-05-30T12:00:00Z', { client: 'C-99' }],
  // the last instant of Friday in Paris, and the first of Saturday; Sunday
  ['FRIDAY', '2025-05-30T21:59:59.999999999Z'],
  ['SATURDAY', '2025-05-30T22:00:00Z'],
  ['SUNDAY', '2025-06-01T12:00:00Z'],
  // each to be answered in another way
  ...(['ACCEPTED', 'REJECTED', 'PENDING', 'SILENT', 'AGAIN', 'TWICE'] as const).map((name, i): [string, string] => [
    name,
    `2025-06-02T08:00:0${i}.5Z`,
  ]),
  ['VOID-SENT', '2025-06-02T09:00:00Z', { isVoid: true }],
  ['VOID-KEPT', '2025-06-02T09:00:02Z', { isVoid: true }],
  // before the day off, on it, and after it
  ['BEFORE', '2025-06-03T21:59:59Z'],
  ['DAY-OFF', '2025-06-04T10:00:00Z'],
  ['AFTER', '2025-06-05T10:00:00Z'],
  ['AFTER-HELD', '2025-06-05T11:00:00.000001Z', { client: 'C-99' }],
  // never sent
  ['VOID-NEVER-SENT', '2025-06-06T09:00:00Z', { isVoid: true }],
  ['UNSENT', '2025-06-06T21:59:59Z'],
];

export const MADE_TRADES: readonly MadeTrade[] = TRADES.map(([name, time, more], i) => ({
  ...{ name, time, number: 2 * i + 2, client: 'C-1', isVoid: false },
  ...more,
}));

/** An order and its fill. */
export function eventsOf({ name, number, time, client }: MadeTrade): SentEvent[] {
  const metadata = {
    ...{ trading_capacity: 'any_other', client_id: client, investment_decision_maker_type: 'client' },
    ...{ execution_decision_maker: 'T-2', venue_transaction_id: `TV${number}` },
  };
  const state = { symbol: 'SHR', side: 'buy', exchange: 'XPAR', quantity: '10' };
  return [
    order(number - 1, name, 'create', time, { new_state: state, metadata }),
    order(number, name, 'fill', time, { new_state: { quantity: '10', price: '61.38' }, metadata }),
  ];
}

/** What is recorded once all was sent and answered. */
export const MADE_VOIDS: readonly SentEvent[] = MADE_TRADES.filter(({ isVoid }) => isVoid).map(
  ({ name, number, time }) =>
    order(number + 100, name, 'void', time, { metadata: { reason: 'bust' }, corrects: number }),
);

/** What is done, in order, at times of the trail's clock; feedback on the last file of each report. */
export type MadeAct =
  | { at: string; submit: { from_date: string; to_date: string; repeat_rejected?: string } }
  | { at: string; answer: Readonly<Record<string, 'ACPT' | 'RJCT' | 'PDNG'>> }
  | { at: string; record: 'voids' };

export const MADE_ACTS: readonly MadeAct[] = [
  { at: '2025-06-02T16:00:00Z', submit: { from_date: '2025-05-30', to_date: '2025-06-01' } },
  { at: '2025-06-02T17:00:00Z', answer: { FRIDAY: 'ACPT', SATURDAY: 'PDNG' } },
  // in time for what was traded on Monday
  { at: '2025-06-03T16:00:00Z', submit: { from_date: '2025-06-02', to_date: '2025-06-02' } },
  {
    at: '2025-06-05T09:00:00Z',
    answer: {
      ...{ ACCEPTED: 'ACPT', REJECTED: 'RJCT', PENDING: 'PDNG', AGAIN: 'RJCT', TWICE: 'ACPT' },
      ...{ 'VOID-SENT': 'ACPT', 'VOID-KEPT': 'ACPT' },
    },
  },
  // another answer than before to what was final
  { at: '2025-06-05T10:00:00Z', answer: { TWICE: 'RJCT' } },
  // what was rejected once more; what was traded before the day off too late, what was traded on it in time
  { at: '2025-06-05T21:00:00Z', submit: { from_date: '2025-06-02', to_date: '2025-06-02', repeat_rejected: 'yes' } },
  { at: '2025-06-05T21:30:00Z', submit: { from_date: '2025-06-04', to_date: '2025-06-04' } },
  { at: '2025-06-06T08:00:00Z', submit: { from_date: '2025-06-03', to_date: '2025-06-03' } },
  { at: '2025-06-06T09:00:00Z', answer: { AGAIN: 'ACPT', BEFORE: 'ACPT', 'DAY-OFF': 'ACPT' } },
  { at: '2025-06-06T10:00:00Z', submit: { from_date: '2025-06-05', to_date: '2025-06-05' } },
  { at: '2025-06-09T08:00:00Z', record: 'voids' },
  { at: '2025-06-09T09:00:00Z', submit: { from_date: '2025-06-02', to_date: '2025-06-02' } },
  { at: '2025-06-09T10:00:00Z', answer: { 'VOID-SENT': 'ACPT', 'VOID-KEPT': 'RJCT' } },
];
