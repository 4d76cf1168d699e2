import { order, type SentEvent } from './made-day.js';

/** Names of orders' events as sources may have them, right and wrong; what each event is there for stands beside it. */
export const MADE_NAMES: readonly SentEvent[] = [
  // all as it should be, of every kind of value; nothing at all; empty values, which say nothing
  order(1, 'N-1', 'create', '2026-06-02T08:00:00.000000001Z', {
    source: 'oms',
    new_state: {
      ...{ symbol: 'SAP', isin: 'DE0007164600', cfi: 'ESVUFR', exchange: 'XETR', segment_mic: 'XETS', side: 'buy' },
      ...{ quantity: '100', price: '-37.63', currency: 'EUR', passive_only: false, restrictions: ['auction_only'] },
      ...{ underlying_isins: ['DE0007164600'], venue_restrictions: ['ABCD'], maturity_date: '2028-02-29' },
    },
    metadata: {
      ...{ clock_divergence_ns: '-120', decision_time: '2026-06-02T09:59:59.5+02:00' },
      ...{ executing_entity: '529900G3SW56SHYNPR95', client_id_type: 'none' },
      allocations: [{ client_id: 'C-1', quantity: '60', price: '1.10', commodity_risk_reducing: true }],
    },
  }),
  order(2, 'N-1', 'acknowledge', '2026-06-02T08:00:01Z'),
  order(3, 'N-1', 'modify', '2026-06-02T08:00:02Z', { new_state: { side: '', price: null, isin: '' } }),
  // names that there are not, and one that stands in the other part
  order(4, 'N-2', 'create', '2026-06-02T08:01:00Z', {
    source: 'oms',
    new_state: { Side: 'buy', house_flag: { deep: true }, client_id: 'C-1' },
    metadata: { side: 'buy', constructor: 'x', maturity: '202809' },
  }),
  // numbers for texts, texts for others, codes of other regimes
  order(5, 'N-2', 'modify', '2026-06-02T08:01:01Z', {
    user_id: 'ops-1',
    new_state: { quantity: 100, price: '1e3', side: 'BUYI', validity: 'DAVY', passive_only: 'true', symbol: 7 },
    metadata: { clock_divergence_ns: '1.5', desk: ['a'], trading_capacity: 'DEAL', aggregated: 1 },
  }),
  // digits that are wrong, and what is no code of its kind
  order(6, 'N-3', 'create', '2026-06-02T08:02:00Z', {
    new_state: { isin: 'DE0007164601', cfi: 'EZVUFR', segment_mic: 'xetr', currency: 'GBX' },
    metadata: { executing_entity: '529900G3SW56SHYNPR96' },
  }),
  // days and times that there are not
  order(7, 'N-3', 'modify', '2026-06-02T08:02:01Z', {
    new_state: { maturity_date: '2027-02-29', expiry_date: '20280101', valid_until: 'noon' },
    metadata: { decision_time: '2026-06-02T24:00:00Z', order_entry_time: '2026-06-02T10:00:00.1234567891Z' },
  }),
  // lists that are none, or have one wrong member
  order(8, 'N-3', 'modify', '2026-06-02T08:02:02Z', {
    new_state: { restrictions: 'auction_only', underlying_isins: ['DE0007164600', 'x'], venue_restrictions: [1] },
    metadata: { allocations: [{ client_id: 'C-1' }, { client: 'C-2' }] },
  }),
  order(9, 'N-3', 'modify', '2026-06-02T08:02:03Z', {
    new_state: { restrictions: ['auction_only', 'always'] },
    metadata: { allocations: [{ quantity: '1,5' }] },
  }),
  order(10, 'N-3', 'modify', '2026-06-02T08:02:04Z', { metadata: { allocations: ['C-1'] } }),
  // an action that there is not; of another entity, of which no more is looked at; of another type, of which nothing is
  order(11, 'N-4', 'expired', '2026-06-02T08:03:00Z'),
  order(12, 'P-1', 'fill', '2026-06-02T08:03:01Z', { entity_type: 'position', new_state: { house: 1 } }),
  order(13, 'N-4', 'created', '2026-06-02T08:03:02Z', { event_type: 'note', new_state: { house: 1 } }),
  // corrected, once by what is wrong as well, and then by what is right; void; corrected in vain
  order(14, 'N-5', 'create', '2026-06-02T08:04:00Z', { new_state: { price: '1,10' } }),
  order(15, 'N-5', 'create', '2026-06-02T08:04:00Z', { new_state: { price: '1.1O' }, user_id: 'ops-1', corrects: 14 }),
  order(16, 'N-5', 'create', '2026-06-02T08:04:00Z', { new_state: { price: '1.10' }, user_id: 'ops-1', corrects: 15 }),
  order(17, 'N-5', 'modify', '2026-06-02T08:04:01Z', { new_state: { price: '2,10' } }),
  order(18, 'N-5', 'void', '2026-06-02T08:04:01Z', { metadata: { why: 'never was' }, corrects: 17 }),
  order(19, 'N-6', 'modify', '2026-06-02T08:04:02Z', { new_state: { price: '3,10' }, corrects: 14 }),
  // at the ends of the day, and recorded late
  order(20, 'N-7', 'create', '2026-06-01T23:59:59.999999999Z', { new_state: { house: 1 } }),
  order(21, 'N-7', 'create', '2026-06-03T00:00:00Z', { new_state: { house: 1 } }),
  order(22, 'N-7', 'modify', '2026-06-02T00:00:00Z', { new_state: { house: 1 } }),
];
