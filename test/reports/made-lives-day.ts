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
];

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
