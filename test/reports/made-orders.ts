import { order, type SentEvent } from './made-day.js';

const LEI = '5493001KJTIIGC8Y1R12';
const FIRM = '529900G3SW56SHYNPR95';

/** All that RTS 24 and RTS 6 ask of an order, stated at its beginning. */
const WHOLE = {
  new_state: {
    ...{ symbol: 'SAP', isin: 'DE0007164600', exchange: 'XETR', order_book: 'SAP-XETR', cfi: 'ESVUFR' },
    ...{
      side: 'buy',
      order_type: 'limit',
      venue_order_type: 'Limit',
      validity: 'day',
      valid_until: '2026-06-02T23:59:59.999999Z',
    },
    ...{ price: '140.50', price_notation: 'monetary', currency: 'EUR', price_multiplier: '1' },
    ...{ quantity: '100', quantity_notation: 'units', displayed_quantity: '40' },
    ...{ passive_only: false, self_execution_prevention: true, book_status: ['active'] },
    ...{ priority_time: '2026-06-02T08:00:00.0000015Z', trading_phase: 'continuous' },
  },
  metadata: {
    ...{ submitting_member: FIRM, direct_electronic_access: false, client_id: LEI, client_id_type: 'legal_entity' },
    ...{ investment_decision_maker_type: 'client', execution_decision_maker: 'ALGO7', trading_capacity: 'any_other' },
    ...{ liquidity_provision: false, order_designation: 'IN-1', aggregated: false, venue_order_id: 'X-1' },
    ...{ order_entry_time: '2026-06-02T08:00:00.000001Z', submission_time: '2026-06-02T08:00:00.0000012Z' },
    ...{ decision_time: '2026-06-02T07:59:59.5Z' },
  },
};

function fill(quantity: string, remaining: string, price: string, transaction: string) {
  return {
    new_state: { quantity, price, remaining_quantity: remaining, liquidity: 'passive', trading_phase: 'continuous' },
    metadata: { venue_transaction_id: transaction, execution_time: '2026-06-02T10:00:00.000000100+02:00' },
  };
}

/** Orders of 2 June 2026, for the tables of RTS 24, RTS 6 and Annex IV of 2017/565. What each event is there for stands beside it. */
export const MADE_ORDERS: readonly SentEvent[] = [
  // states all; lives through a change, two executions, one of them corrected
  order(1, 'O-1', 'create', '2026-06-02T08:00:00.000001Z', WHOLE),
  order(2, 'O-1', 'modify', '2026-06-02T08:00:01.000001Z', {
    new_state: { price: '140.60', remaining_quantity: '100', trading_phase: 'continuous' },
    metadata: { reason: 'client', message_time: '2026-06-02T08:00:01.0000005Z' },
  }),
  order(3, 'O-1', 'partial_fill', '2026-06-02T08:00:02Z', fill('30', '70', '140.55', 'TV1')),
  order(4, 'O-1', 'fill', '2026-06-02T08:00:03Z', fill('70', '0', '140.6', 'TV2')),
  order(5, 'O-1', 'fill', '2026-06-02T08:00:03Z', {
    ...fill('70', '0', '140.59', 'TV2'),
    user_id: 'ops-1',
    corrects: 4,
  }),
  // the client is corrected: later rows have the right one
  order(6, 'O-1', 'create', '2026-06-02T08:00:00.000001Z', {
    new_state: WHOLE.new_state,
    metadata: { ...WHOLE.metadata, client_id: 'DE19810623MARTAKELLE', client_id_type: 'natural_person' },
    corrects: 1,
  }),
  // says nothing but what the interface asks; what is missing is told
  order(7, 'O-2', 'create', '2026-06-02T09:00:00Z', {
    new_state: { symbol: 'X', side: 'sell', quantity: '5', price: '1', exchange: 'Somewhere' },
  }),
  order(8, 'O-2', 'fill', '2026-06-02T09:00:01Z', { new_state: { quantity: '5', price: 1.5 } }),
  // codes and formats that do not fit; digits past what a field takes
  order(9, 'O-3', 'create', '2026-06-02T09:10:00Z', {
    new_state: {
      ...{ side: 'BUYI', isin: 'DE0007164601', order_type: 'limit', validity: 'forever', quantity: '-5' },
      ...{ price: '1.12345678901234', price_notation: 'monetary', currency: 'euro', order_book: 'x'.repeat(21) },
      ...{ restrictions: ['auction_only', 'other'], venue_restrictions: ['ABCD'], passive_only: 'no' },
    },
    metadata: { client_id: 'C-1', submitting_member: '5493001KJTIIGC8Y1R13', execution_decision_maker: 'jim b' },
  }),
  // a stop order for own account, triggered, then cancelled by the venue; ends at a time
  order(10, 'O-4', 'create', '2026-06-02T09:20:00Z', {
    new_state: {
      ...{ side: 'sell', order_type: 'stop_limit', stop_price: '9.5', limit_price: '9.4', quantity: '7' },
      ...{ validity: 'good_till_date_time', valid_until: '2026-06-05T15:30:00Z', price_notation: 'monetary' },
      ...{ restrictions: ['auction_only', 'closing_price_crossing'], minimum_executable_size: '2' },
      ...{ minimum_executable_size_first_only: true, short_sale: 'not_exempt' },
    },
    metadata: { client_id_type: 'none', trading_capacity: 'own_account', liquidity_provision: true },
  }),
  order(11, 'O-4', 'trigger', '2026-06-02T09:20:01Z', { new_state: { book_status: ['active', 'routed'] } }),
  order(12, 'O-4', 'partial_fill', '2026-06-02T09:20:02Z', {
    new_state: { quantity: '2', price: '9.4', remaining_quantity: '5', waivers: ['reference_price'] },
  }),
  order(13, 'O-4', 'modify', '2026-06-02T09:20:03Z', {
    new_state: { price: '9.3' },
    metadata: { initiated_by: 'venue_human', reason: 'tick size' },
  }),
  order(14, 'O-4', 'cancel', '2026-06-02T09:20:04Z', {
    new_state: { remaining_quantity: '0' },
    metadata: { initiated_by: 'venue_automatic', reason: 'halt', order_information: 'halt of the venue' },
  }),
  // aggregated, later allocated; fill or kill; expired; refused; an action without a code
  order(15, 'O-5', 'create', '2026-06-02T09:30:00Z', {
    new_state: { side: 'buy', order_type: 'market', validity: 'fill_or_kill', price_absent: 'not_applicable' },
    metadata: { client_id_type: 'pending_allocation', aggregated: true, aggregated_clients: '3' },
  }),
  order(16, 'O-5', 'modify', '2026-06-02T09:30:01Z', {
    metadata: { client_id_type: 'aggregated', reason: 'allocated' },
  }),
  order(17, 'O-5', 'cancel', '2026-06-02T09:30:02Z', {
    new_state: { status: 'expired', remaining_quantity: '0' },
    metadata: { reason: 'not filled at once' },
  }),
  order(18, 'O-6', 'create', '2026-06-02T09:40:00Z', {
    new_state: {
      ...{ validity: 'other', venue_validity: 'ATCL', cfi: 'OCASPS', option_type: 'call', strike_price: '100' },
      ...{ strike_price_currency: 'EUR', exercise_style: 'european', delivery_type: 'cash', quantity: '1000.5' },
      ...{
        underlying_isins: ['DE0007164600', 'US0378331005'],
        expiry_date: '2026-12-18',
        quantity_notation: 'nominal',
      },
      ...{ quantity_currency: 'EUR', price_notation: 'percentage', price: '99.5', segment_mic: 'XEUR' },
    },
    metadata: { client_instructions: '=at once', client_id: LEI },
  }),
  order(19, 'O-6', 'reject', '2026-06-02T09:40:01Z', { metadata: { reason: 'closed' } }),
  order(20, 'O-6', 'note', '2026-06-02T09:40:02Z', { metadata: { initiated_by: 'name' } }),
  order(21, 'O-6', 'constructor', '2026-06-02T09:40:03Z', {
    new_state: { validity: 'constructor', book_status: '[x' },
  }),
  // never happened; of another day
  order(22, 'O-7', 'create', '2026-06-02T09:50:00Z', WHOLE),
  order(23, 'O-7', 'void', '2026-06-02T09:50:00Z', { corrects: 22 }),
  order(24, 'O-8', 'create', '2026-06-03T00:00:00Z', WHOLE),
  order(25, 'O-1', 'fill', '2026-06-02T08:00:09Z', { entity_type: 'position' }),
  // decided by an algorithm, then an order for three clients: sent to a venue, taken by it, changed, executed
  order(26, 'O-9', 'decide', '2026-06-02T10:00:00.000000001Z', {
    new_state: { ...{ side: 'buy', isin: 'DE0005190003', quantity: '30', price: '79.9' }, price_notation: 'monetary' },
    metadata: {
      ...{ investment_decision_maker: 'PM7', investment_decision_maker_type: 'algorithm', aggregation_group: 'AG-9' },
      ...{ client_id_type: 'aggregated', aggregated: true, aggregated_clients: '3' },
    },
  }),
  order(27, 'O-9', 'create', '2026-06-02T10:00:00.0000001Z', {
    new_state: { order_type: 'limit', validity: 'day', exchange: 'XETR', currency: 'EUR', quantity_notation: 'units' },
    metadata: { execution_decision_maker: 'EX7', execution_decision_maker_type: 'algorithm' },
  }),
  order(28, 'O-9', 'route', '2026-06-02T10:00:00.0000002Z', {
    metadata: { order_receiver: 'XETR', submission_time: '2026-06-02T10:00:00.00000015Z' },
    raw: { media_type: 'application/fix', data: Buffer.from('8=FIX.4.4\u000135=D\u0001').toString('base64') },
  }),
  order(29, 'O-9', 'acknowledge', '2026-06-02T10:00:00.0000009Z', {
    metadata: { venue_order_id: 'V-9', message_time: '2026-06-02T12:00:00.0000008+02:00', order_information: '39=0' },
  }),
  order(30, 'O-9', 'modify', '2026-06-02T10:00:01Z', {
    new_state: { quantity: '40', remaining_quantity: '40' },
    metadata: { reason: 'more', aggregated_clients: 'many' },
  }),
  order(31, 'O-9', 'fill', '2026-06-02T10:00:02Z', {
    new_state: { quantity: '40', price: '79.8', remaining_quantity: '0', waivers: ['above_size'] },
    metadata: { execution_id: 'X-9', trading_capacity: 'any_other' },
  }),
  // of a person, by somebody who acts for it; passed on to another firm, which sells it short
  order(32, 'O-10', 'create', '2026-06-02T10:10:00Z', {
    new_state: { side: 'sell', isin: 'DE0007164600', order_type: 'market', price_absent: 'pending', quantity: '3' },
    metadata: {
      ...{ client_id: 'IE19810214SEAN#COOKE', client_id_type: 'natural_person', client_first_names: 'Seán' },
      ...{ client_surnames: 'Cooke', client_representative_id: 'C-0', client_representative_surnames: 'Kelly' },
      ...{ investment_decision_maker_type: 'client', execution_decision_maker: 'DE19700101ANNA#MUSTE' },
    },
  }),
  order(33, 'O-10', 'route', '2026-06-02T10:10:01Z', { metadata: { order_receiver: FIRM } }),
  order(34, 'O-10', 'acknowledge', '2026-06-02T10:10:02Z', {
    raw: { media_type: 'text/plain', data: Buffer.from('taken').toString('base64') },
  }),
  order(35, 'O-10', 'fill', '2026-06-02T10:10:03Z', {
    new_state: { quantity: '3', price_absent: 'not_applicable', short_sale: 'exempt' },
  }),
  order(36, 'O-10', 'partial_fill', '2026-06-02T10:10:04Z', { new_state: { quantity: '1', short_sale: 'not_short' } }),
  // for own account, bought by the firm itself; the decision was recorded last
  order(37, 'O-11', 'create', '2026-06-02T10:20:00Z', {
    metadata: { trading_capacity: 'own_account', executing_entity: FIRM, client_representative_id: FIRM },
  }),
  order(38, 'O-11', 'fill', '2026-06-02T10:20:01Z', {
    new_state: { side: 'buy', price: '1', quantity: '1' },
    metadata: { message_time: '2026-06-02T10:20:01.5Z' },
  }),
  order(39, 'O-11', 'decide', '2026-06-02T10:19:59Z', { new_state: { side: 'sell' } }),
  order(40, 'O-11', 'partial_fill', '2026-06-02T10:20:02Z', {
    new_state: { price: '1', quantity: '1', short_sale: 'not_exempt' },
  }),
  // the venue's id and numbers come with its answer; then the id is used for another order, of which it says nothing
  order(41, 'O-12', 'create', '2026-06-02T10:30:00Z', { new_state: { side: 'buy', quantity: '2' } }),
  order(42, 'O-12', 'modify', '2026-06-02T10:30:01Z', {
    metadata: { venue_order_id: 'V-12', venue_sequence_number: '17', reason: 'price' },
  }),
  order(43, 'O-12', 'fill', '2026-06-02T10:30:02Z', { new_state: { quantity: '2', price: '1' } }),
  order(44, 'O-12', 'create', '2026-06-02T10:30:03Z', { new_state: { side: 'buy', quantity: '3' } }),
  // two sources tell of the beginning of one order; the venue names it, which is its identification from the first row on
  order(45, 'O-13', 'create', '2026-06-02T10:40:00Z', { source: 'oms', new_state: { side: 'buy', quantity: '2' } }),
  order(46, 'O-13', 'create', '2026-06-02T10:40:00.1Z', {
    source: 'venue',
    new_state: { quantity: '2', validity: 'day' },
    metadata: { venue_order_id: 'V-13', venue_sequence_number: '18' },
  }),
  order(47, 'O-13', 'cancel', '2026-06-02T10:40:01Z', { source: 'venue' }),
  // codes of a regulation or of FIX where the vocabulary's belong, and a venue's own in another form
  order(48, 'O-14', 'create', '2026-06-02T10:50:00Z', {
    new_state: { side: 'sell', quantity: '2', validity: 'GTC', restrictions: ['VFAR'], order_type: 'STOP' },
  }),
  order(49, 'O-14', 'modify', '2026-06-02T10:50:01Z', { new_state: { validity: 'DAVY' } }),
  order(50, 'O-14', 'modify', '2026-06-02T10:50:02Z', { new_state: { validity: 'other', venue_validity: 'GTC' } }),
  order(51, 'O-14', 'CAME', '2026-06-02T10:50:03Z', { new_state: { validity: 'other', venue_validity: 'F' } }),
];
