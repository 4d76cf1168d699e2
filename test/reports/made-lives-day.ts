import type { SentEvent } from './made-day.js';
import { LifeMaker } from './made-lives.js';

const life = (orderId: string): LifeMaker => new LifeMaker(orderId);
const create = { symbol: 'AAPL', side: 'buy', quantity: '100', price: '10', exchange: 'XNAS' };
const reason = { metadata: { reason: 'asked for' } };

const circle = life('circle')
  .add('create', create)
  .add('cancel', {}, reason)
  .add('void', {}, reason)
  .add('void', {}, reason).events;
circle[2]!.corrects = circle[3]!.event_id;
circle[3]!.corrects = circle[2]!.event_id;

const later = life('corrects-a-later-event')
  .add('create', create)
  .add('void', {}, reason)
  .add('cancel', {}, reason).events;
later[1]!.corrects = later[2]!.event_id;

const outdated = life('corrects-what-is-outdated')
  .add('create', create)
  .add('cancel', {}, reason)
  .add('cancel', {}, { metadata: { reason: 'of the client' } })
  .add('cancel', {}, { metadata: { reason: 'of the firm' } })
  .add('cancel', {}, { metadata: { reason: 'of the client, by telephone' } }).events;
outdated[2]!.corrects = outdated[1]!.event_id;
outdated[3]!.corrects = outdated[1]!.event_id;
outdated[4]!.corrects = outdated[2]!.event_id;

/** One order for each rule and its neighbours, on 2 June 2026. */
export const LIVES_DAY: readonly SentEvent[] = [
  // nothing wrong: modified up, filled in three parts; what is open is said in one of them alone
  ...life('valid')
    .add('create', create)
    .add('partial_fill', { quantity: '40', price: '10' })
    .add('modify', { quantity: '120', price: '11' }, { previous_state: { quantity: '100', price: '10.00' }, ...reason })
    .add('partial_fill', { quantity: '30.000', price: '11', remaining_quantity: '50' })
    .add('fill', { quantity: '50', price: '11', remaining_quantity: '0' }).events,
  // nothing wrong: market data say what is open as the quantity of a change
  ...life('feed')
    .add('create', { ...create, remaining_quantity: '100' })
    .add('partial_fill', { quantity: '40', price: '10', remaining_quantity: '60' })
    .add('modify', { quantity: '50', remaining_quantity: '50' }, { previous_state: { quantity: '60' }, ...reason })
    .add('fill', { quantity: '50', price: '10', remaining_quantity: '0' }).events,
  // nothing wrong: what another source tells late happened before the end
  ...life('told-late')
    .add('create', create)
    .add('cancel', {}, reason)
    .add('partial_fill', { quantity: '1', price: '10' }, { source: 'drop-copy', timestamp: '2026-06-02T08:00:01.5Z' })
    .events,
  ...life('told-late-after-the-end')
    .add('create', create)
    .add('partial_fill', { quantity: '1', price: '10' }, { source: 'drop-copy', timestamp: '2026-06-02T08:00:05Z' })
    .add('cancel', {}, reason).events,
  ...life('never-created')
    .add('partial_fill', { quantity: '40', price: '10', remaining_quantity: '60' })
    .add('fill', { quantity: '60', price: '10' }).events,
  ...life('never-created-and-cancelled').add('cancel', {}, reason).events,
  ...life('created-twice')
    .add('create', create)
    .add('create', { ...create, quantity: '200' })
    .add('cancel', {}, reason).events,
  ...life('filled-after-cancel')
    .add('create', create)
    .add('cancel', {}, reason)
    .add('partial_fill', { quantity: '1', price: '10' }).events,
  ...life('filled-after-fill')
    .add('create', create)
    .add('fill', { quantity: '100', price: '10' })
    .add('fill', { quantity: '1', price: '10' }).events,
  ...life('modified-and-cancelled-after-fill')
    .add('create', create)
    .add('fill', { quantity: '100', price: '10' })
    .add('modify', { price: '12' }, reason)
    .add('cancel', {}, reason).events,
  ...life('over-filled')
    .add('create', create)
    .add('partial_fill', { quantity: '60', price: '10' })
    .add('fill', { quantity: '40.000000000000000001', price: '10' }).events,
  ...life('over-filled-before-it-was-known').add('fill', { quantity: '101', price: '10' }).add('create', create).events,
  ...life('does-not-add-up')
    .add('create', create)
    .add('partial_fill', { quantity: '60', price: '10', remaining_quantity: '41' })
    .add('fill', { quantity: '41', price: '10', remaining_quantity: '0' }).events,
  ...life('not-filled').add('create', create).add('fill', { quantity: '99', price: '10' }).add('cancel', {}, reason)
    .events,
  ...life('modified-too-far')
    .add('create', create)
    .add('partial_fill', { quantity: '60', price: '10' })
    .add('modify', { quantity: '50' }, reason)
    .add('cancel', {}, reason).events,
  ...life('modified-from-elsewhere')
    .add('create', create)
    .add('modify', { quantity: '80', price: '9' }, { previous_state: { quantity: '90', price: '10.5' }, ...reason })
    .add('cancel', {}, reason).events,
  ...life('backwards')
    .add('create', create)
    .add('cancel', {}, { timestamp: '2026-06-02T08:00:01.122999999Z', ...reason }).events,
  ...life('says-little')
    .add('create', create)
    .add('partial_fill', {})
    .add('partial_fill', { quantity: '-5', price: '1O.5' })
    .add('fill', { quantity: '100', price: '10', remaining_quantity: '0' }).events,
  ...life('duplicate')
    .add('create', create)
    .add('fill', { quantity: '100', price: '10' })
    .add('fill', { quantity: '100', price: '10' }, { timestamp: '2026-06-02T08:00:02.123Z' }).events,
  // open at the end of the day: for good, and until the day after
  ...life('open').add('create', create).events,
  ...life('open-overnight')
    .add('create', create)
    .add('cancel', {}, { timestamp: '2026-06-03T00:00:00Z', ...reason }).events,
  ...circle,
  ...later,
  ...outdated,
  ...life('corrects-nothing-known')
    .add('create', create)
    .add('cancel', {}, reason)
    .add('void', {}, { corrects: '0197f3a1-6c00-7000-8000-000000009999' }).events,
  ...life('corrects-another-order')
    .add('create', create)
    .add('cancel', {}, reason)
    .add('void', {}, { corrects: later[0]!.event_id }).events,
  // nothing wrong any more: a fill of too much is corrected, a second one is voided
  ...corrected(),
  // one execution, told twice by the same system; that another one tells of it too is nothing wrong
  ...life('executed-once')
    .add('create', create)
    .add('partial_fill', { quantity: '40', price: '10' }, { metadata: { execution_id: 'X-1' } })
    .add('partial_fill', { quantity: '40', price: '10' }, { metadata: { execution_id: 'X-1', liquidity: 'active' } })
    .add('fill', { quantity: '20', price: '10' }, { source: 'drop-copy', metadata: { execution_id: 'X-1' } }).events,
  // executions that do not fit their orders
  ...life('limit')
    .add('create', create)
    .add('partial_fill', { quantity: '1', price: '10.000' })
    .add('partial_fill', { quantity: '1', price: '10.000000000000000000000000000001' })
    .add('partial_fill', { quantity: '1', price: '9' })
    .add('fill', { quantity: '97', price: '10.5', limit_price: '11' }, at('09:00:00')).events,
  ...life('limit-of-a-sale')
    .add('create', { ...create, side: 'sell', price: '-1.5' })
    .add('fill', { quantity: '100', price: '-1.51' }).events,
  ...life('side').add('create', create).add('fill', { quantity: '100', price: '11', side: 'sell' }).events,
  ...life('instrument')
    .add('create', { ...create, isin: 'US0378331005' })
    .add('partial_fill', { quantity: '1', price: '11', symbol: 'MSFT', side: 'sell' })
    .add('fill', { quantity: '99', price: '10', symbol: 'Apple', isin: 'US5949181045' }).events,
  // nothing wrong: the limit is changed by one system, and the venue executes at the limit before for a moment; and a change
  // that is recorded after the execution at the new limit
  ...life('limit-on-its-way')
    .add('create', create, at('10:00:00'))
    .add('modify', { price: '9' }, { ...reason, ...at('10:10:00') })
    .add('partial_fill', { quantity: '10', price: '10' }, { source: 'venue', ...at('10:10:02') })
    .add('partial_fill', { quantity: '10', price: '9.5' }, { source: 'venue', ...at('10:19:58') })
    .add('modify', { price: '9.5' }, { ...reason, ...at('10:20:00') })
    .add('partial_fill', { quantity: '10', price: '9.75' }, { source: 'venue', ...at('10:40:00') })
    .add('modify', { price: '9.75' }, { ...reason, ...at('10:30:00') })
    .add('cancel', {}, { ...reason, ...at('10:50:00') }).events,
  // the same, too far apart
  ...life('limit-no-more')
    .add('create', create, at('10:00:00'))
    .add('modify', { price: '9' }, { ...reason, ...at('10:10:00') })
    .add('partial_fill', { quantity: '10', price: '10' }, { source: 'venue', ...at('10:10:02.000000001') })
    .add('partial_fill', { quantity: '10', price: '9.5' }, { source: 'venue', ...at('10:19:57.999999999') })
    .add('modify', { price: '9.5' }, { ...reason, ...at('10:20:00') })
    .add('cancel', {}, { ...reason, ...at('10:50:00') }).events,
  // nothing wrong: recorded before its order, and by the clock of who executed it after the change
  ...life('recorded-before-its-order')
    .add('partial_fill', { quantity: '10', price: '10' }, { source: 'venue', ...at('10:00:00') })
    .add('create', create, at('10:00:01'))
    .add('modify', { price: '12' }, { ...reason, ...at('10:10:00') })
    .add(
      'partial_fill',
      { quantity: '10', price: '12' },
      { source: 'late', ...at('10:05:00'), metadata: { execution_time: '2026-06-02T12:10:30+02:00' } },
    )
    .add('cancel', {}, { ...reason, ...at('10:50:00') }).events,
  ...life('beyond-and-recorded-before-its-order')
    .add('partial_fill', { quantity: '10', price: '11' }, { source: 'venue', ...at('10:00:00') })
    .add('create', create, at('10:00:01'))
    .add('cancel', {}, { ...reason, ...at('10:50:00') }).events,
  // nothing wrong, as far as anybody can tell: no limit, another kind of price, a leg, another source's symbol, a copy
  ...life('market')
    .add('create', { ...create, order_type: 'market' })
    .add('fill', { quantity: '100', price: '11' }).events,
  ...life('limit-no-more-of-a-market-order')
    .add('create', { ...create, order_type: 'limit' }, at('10:00:00'))
    .add('modify', { order_type: 'market' }, { ...reason, ...at('10:10:00') })
    .add('fill', { quantity: '100', price: '11' }, at('10:20:00')).events,
  ...life('yield')
    .add('create', { ...create, price_notation: 'yield' })
    .add('fill', { quantity: '100', price: '11' }).events,
  ...life('other-currency')
    .add('create', { ...create, currency: 'EUR' })
    .add('fill', { quantity: '100', price: '11', currency: 'USD' }).events,
  ...life('leg')
    .add('create', create, { metadata: { strategy_linked_order_id: 'S-1' } })
    .add('fill', { quantity: '100', price: '11', symbol: 'MSFT', side: 'sell' }).events,
  ...life('symbol-of-another-source')
    .add('create', create)
    .add('fill', { quantity: '100', price: '10', symbol: 'AAPL US' }, { source: 'venue' }).events,
  ...life('copied')
    .add('create', create)
    .add('partial_fill', { quantity: '1', price: '11', side: 'sell' }, { source: 'v', metadata: { drop_copy: true } })
    .add('cancel', {}, reason).events,
  // good until a time, to the end of a day, and no more so
  ...life('until')
    .add('create', { ...create, validity: 'good_till_date_time', valid_until: '2026-06-02T10:00:00+02:00' })
    .add('partial_fill', { quantity: '10', price: '10' }, at('08:00:02'))
    .add('partial_fill', { quantity: '10', price: '10' }, at('08:00:02.000000001'))
    .add('expire', {}, at('08:00:03'))
    .add('partial_fill', { quantity: '10', price: '10' }, at('08:00:04')).events,
  ...life('until-the-day-is-over')
    .add(
      'create',
      { ...create, validity: 'good_till_date', valid_until: '2026-05-31T00:00:00Z' },
      { timestamp: '2026-05-30T08:00:00Z' },
    )
    .add('partial_fill', { quantity: '10', price: '10' }, { timestamp: '2026-06-01T12:00:02Z' })
    .add('partial_fill', { quantity: '10', price: '10' }, { timestamp: '2026-06-01T12:00:02.1Z' })
    .add('cancel', {}, reason).events,
  ...life('no-more-until')
    .add('create', { ...create, validity: 'good_till_date_time', valid_until: '2026-06-02T08:00:00Z' }, at('07:00:00'))
    .add('modify', { validity: 'good_till_cancelled' }, { ...reason, ...at('07:30:00') })
    .add('fill', { quantity: '100', price: '10' }, at('09:00:00')).events,
  // one execution of two orders; not where they met each other, or where it is of another day
  ...life('first-with-the-execution')
    .add('create', create)
    .add('fill', { quantity: '100', price: '10' }, { metadata: { execution_id: 'X-7' } }).events,
  ...life('second-with-the-execution')
    .add('create', create)
    .add('partial_fill', { quantity: '50', price: '10' }, { metadata: { execution_id: 'X-7' } })
    .add('fill', { quantity: '50', price: '10' }, { source: 'v', metadata: { execution_id: 'X-7', drop_copy: true } })
    .add('cancel', {}, reason).events,
  ...life('met-the-execution')
    .add('create', { ...create, side: 'sell' })
    .add('fill', { quantity: '100', price: '10' }, { metadata: { execution_id: 'X-7' } }).events,
  // the execution is recorded before its order, by which it is known of what it is; and of an order of a later time
  ...life('execution-before-its-order')
    .add('fill', { quantity: '100', price: '10' }, { metadata: { execution_id: 'X-7' } })
    .add('create', create, at('08:00:00')).events,
  ...life('execution-long-before-its-order')
    .add('partial_fill', { quantity: '10', price: '10' }, { metadata: { execution_id: 'X-7' }, ...at('08:00:00') })
    .add('create', create, at('08:00:03')).events,
  ...life('execution-of-the-day-before')
    .add('create', create, { timestamp: '2026-06-01T08:00:00Z' })
    .add('partial_fill', { quantity: '10', price: '10' }, { timestamp: '2026-06-01T09:00:00Z', ...executed('X-7') })
    .add('cancel', {}, reason).events,
];

function at(time: string): Pick<SentEvent, 'timestamp'> {
  return { timestamp: `2026-06-02T${time}Z` };
}

function executed(id: string): Pick<SentEvent, 'metadata'> {
  return { metadata: { execution_id: id } };
}

function corrected(): SentEvent[] {
  const events = life('corrected')
    .add('create', create)
    .add('fill', { quantity: '1000', price: '10' })
    .add('fill', { quantity: '7', price: '10' }).events;
  const [, tooMuch, second] = events;
  return [
    ...events,
    ...life('corrected-by')
      .add('fill', { quantity: '100', price: '10' }, { timestamp: tooMuch!.timestamp, corrects: tooMuch!.event_id })
      .add('void', {}, { corrects: second!.event_id })
      .events.map((event) => ({ ...event, entity_id: 'corrected' })),
  ];
}
