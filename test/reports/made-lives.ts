import { eventId } from '../real-data/content.js';
import type { Random } from '../support/random.js';
import type { SentEvent } from './made-day.js';

export type State = Record<string, unknown>;

const DAY_MS = Date.parse('2026-06-02T08:00:00Z');

/** Makes the events of an order, a second after each other. Ids follow from the order's name, and come again. */
export class LifeMaker {
  readonly events: SentEvent[] = [];
  private second = 0;

  constructor(
    readonly orderId: string,
    private readonly random?: Random,
  ) {}

  add(action: string, newState: State, more: Partial<SentEvent> = {}): this {
    this.second += 1 + (this.random?.below(90) ?? 0);
    const digits = this.random?.below(10) ?? 3;
    const fraction = digits === 0 ? '' : `.${'123456789'.slice(0, digits)}`;
    const timestamp = `${new Date(DAY_MS + this.second * 1000).toISOString().slice(0, 19)}${fraction}Z`;
    this.events.push({
      event_id: eventId('2026-06-02T08:00:00Z', `${this.orderId}#${this.events.length}`),
      timestamp,
      event_type: 'order_lifecycle',
      entity_type: 'order',
      entity_id: this.orderId,
      action,
      user_id: 'trader-1',
      source: 'oms',
      new_state: newState,
      metadata: {},
      ...more,
    });
    return this;
  }
}

/** A number with up to two decimals, of hundredths. */
export function decimal(hundredths: number): string {
  return (hundredths / 100).toFixed(2).replace(/\.?0+$/, '') || '0';
}

/** A life in which nothing is wrong and that has ended. `withRemaining` says what is open in each fill and change. */
export function validLife(orderId: string, random: Random): SentEvent[] {
  const life = new LifeMaker(orderId, random);
  let quantity = 1_000 + random.below(100_000);
  let open = quantity;
  let price = 100 + random.below(10_000);
  const withRemaining = random.chance(2);
  const remaining = (): State => (withRemaining ? { remaining_quantity: decimal(open) } : {});
  life.add('create', { symbol: 'AAPL', side: 'buy', quantity: decimal(quantity), price: decimal(price) });
  for (let steps = random.below(5); steps > 0 && open > 300; steps--) {
    if (random.chance(3)) {
      const before = { quantity: decimal(quantity), price: decimal(price) };
      const change = random.below(2_000) - 200;
      quantity += change;
      open += change;
      price += 1 + random.below(10);
      life.add(
        'modify',
        { quantity: decimal(quantity), price: decimal(price), ...remaining() },
        { previous_state: before, metadata: { reason: 'price' } },
      );
    } else {
      const taken = 1 + random.below(open - 250);
      open -= taken;
      life.add('partial_fill', { quantity: decimal(taken), price: decimal(price), ...remaining() });
    }
  }
  if (random.chance(3)) life.add(random.of(['cancel', 'expire']), {}, { metadata: { reason: 'end' } });
  else {
    const taken = open;
    open = 0;
    life.add('fill', { quantity: decimal(taken), price: decimal(price), ...remaining() });
  }
  return life.events;
}

type Mutation = (life: SentEvent[], random: Random, other: SentEvent) => SentEvent[] | undefined;

const isFill = ({ action }: SentEvent): boolean => action === 'fill' || action === 'partial_fill';

/** The same life with one event changed; none when there is no such event. */
function changed(
  life: SentEvent[],
  random: Random,
  which: (event: SentEvent, place: number) => boolean,
  change: (event: SentEvent) => SentEvent,
): SentEvent[] | undefined {
  const places = life.flatMap((event, place) => (which(event, place) ? [place] : []));
  if (places.length === 0) return undefined;
  const place = random.of(places);
  return life.map((event, i) => (i === place ? change(event) : event));
}

/** After the life's last event, a minute later. */
function appended(life: SentEvent[], event: Partial<SentEvent>): SentEvent[] {
  const last = life.at(-1)!;
  const later = new Date(Date.parse(last.timestamp) + 60_000).toISOString().replace(/Z$/, '999999Z');
  const id = eventId('2026-06-02T08:00:00Z', `${last.entity_id}#appended`);
  const bare = { ...last, event_id: id, timestamp: later, new_state: {}, metadata: { reason: 'x' } };
  delete bare.previous_state;
  return [...life, { ...bare, ...event }];
}

const states = (event: SentEvent, state: State): SentEvent => ({
  ...event,
  new_state: { ...event.new_state, ...state },
});
const without = (event: SentEvent, name: string): SentEvent => {
  const { [name]: _, ...state } = event.new_state;
  return { ...event, new_state: state };
};
const withRemaining = (event: SentEvent): boolean => event.new_state.remaining_quantity !== undefined;
const plus = (value: unknown, hundredths: number): string => decimal(Math.round(Number(value) * 100) + hundredths);

/** The id of the execution of another order, which comes before all others. */
export const SHARED_EXECUTION = 'X-OTHER';

/** One fault each, by the rule that must say so. `other` is an event of another order, recorded before. */
export const MUTATIONS: Readonly<Record<string, Mutation>> = {
  'duplicate-event': (life, random) => {
    const place = random.below(life.length);
    const again = { ...life[place]!, event_id: eventId('2026-06-02T08:00:00Z', `${life[0]!.entity_id}#again`) };
    return [...life.slice(0, place + 1), again, ...life.slice(place + 1)];
  },
  'unreadable-decimal': (life, random) =>
    changed(life, random, isFill, (event) =>
      states(event, { price: random.of(['ten', '1,5', '01', '.5', '+1', ' 1']) }),
    ),
  'fill-without-quantity': (life, random) =>
    changed(
      life,
      random,
      (event) => event.action === 'fill' && withRemaining(event),
      (event) => without(event, 'quantity'),
    ),
  'fill-without-price': (life, random) => changed(life, random, isFill, (event) => without(event, 'price')),
  'fill-quantity-not-positive': (life, random) =>
    changed(
      life,
      random,
      (event) => isFill(event) && withRemaining(event),
      (event) => states(event, { quantity: random.of(['0', '-5', '0.000']) }),
    ),
  'execution-twice': (life) => {
    const [first, second] = life.filter(isFill);
    if (!second) return undefined;
    const told = { metadata: { execution_id: `X-${first!.entity_id}` } };
    return life.map((event) => (event === first || event === second ? { ...event, ...told } : event));
  },
  // another order of the day has that id for its own execution: of that one `other` is
  'execution-of-another-order': (life) =>
    life.at(-1)!.action === 'fill'
      ? [...life.slice(0, -1), { ...life.at(-1)!, metadata: { execution_id: SHARED_EXECUTION } }]
      : undefined,
  'fill-of-another-instrument': (life, random) =>
    changed(life, random, isFill, (event) => states(event, { symbol: 'MSFT' })),
  'fill-of-another-side': (life, random) => changed(life, random, isFill, (event) => states(event, { side: 'sell' })),
  'fill-beyond-limit': (life, random) =>
    changed(life, random, isFill, (event) => states(event, { price: plus(event.new_state.price, 11) })),
  'fill-after-validity': (life) => {
    const until = { validity: 'good_till_date_time', valid_until: '2026-06-02T07:59:00Z' };
    if (life.filter(isFill).length !== 1) return undefined;
    return [states(life[0]!, until), ...life.slice(1)];
  },
  'time-backwards': (life, random) =>
    changed(
      life,
      random,
      (_, place) => place > 0,
      (event) => ({ ...event, timestamp: '2026-06-02T07:59:59Z' }),
    ),
  'created-twice': (life) => {
    const create = life[0]!;
    const again = { ...create, event_id: eventId('2026-06-02T08:00:00Z', `${create.entity_id}#again`) };
    return [create, states(again, { note: 'sent again' }), ...life.slice(1)];
  },
  'fill-after-end': (life) => appended(life, { action: 'partial_fill', new_state: { quantity: '1', price: '1' } }),
  'modify-after-end': (life) => appended(life, { action: 'modify', new_state: { price: '1' } }),
  'ended-twice': (life, random) => appended(life, { action: random.of(['cancel', 'reject', 'expire']) }),
  'over-fill': (life, random) =>
    changed(
      life,
      random,
      ({ action }) => action === 'fill',
      (event) => states(event, { quantity: plus(event.new_state.quantity, 1) }),
    ),
  'remaining-differs': (life, random) =>
    changed(
      life,
      random,
      (event) => event.action === 'partial_fill' && withRemaining(event),
      (event) =>
        states(event, {
          quantity: plus(event.new_state.quantity, -1) === '0' ? '0.001' : plus(event.new_state.quantity, -1),
        }),
    ),
  'fill-incomplete': (life, random) =>
    changed(
      life,
      random,
      ({ action }) => action === 'partial_fill',
      (event) => ({ ...event, action: 'fill' }),
    ),
  'modified-below-filled': (life) => {
    const place = life.findIndex(({ action }) => action === 'partial_fill');
    if (place < 0 || life.at(-1)!.action === 'fill') return undefined;
    const modify = {
      ...appended(life.slice(0, place + 1), { action: 'modify', new_state: { quantity: '0.001' } }).at(-1)!,
    };
    return [...life.slice(0, place + 1), { ...modify, timestamp: life[place]!.timestamp }, life.at(-1)!];
  },
  'previous-state-differs': (life, random) =>
    changed(
      life,
      random,
      ({ action }) => action === 'modify',
      (event) => ({
        ...event,
        previous_state: { ...event.previous_state, price: '0.01' },
      }),
    ),
  'fill-without-order': (life) => (life.some(isFill) ? life.slice(1) : undefined),
  'step-without-order': (life) => (life.some(isFill) ? undefined : life.slice(1)),
  'open-at-period-end': (life) => life.slice(0, -1),
  'correction-target-unknown': (life) =>
    appended(life, { action: 'void', corrects: eventId('2026-06-02T08:00:00Z', 'nobody knows') }),
  'correction-target-later': (life) => {
    const place = life.length - 1;
    const early = appended(life, { action: 'void', corrects: life.at(-1)!.event_id }).at(-1)!;
    return [...life.slice(0, place), early, life[place]!];
  },
  'correction-of-another-entity': (life, _, other) => appended(life, { action: 'void', corrects: other.event_id }),
  'correction-outdated': (life) => {
    const [first] = life as [SentEvent];
    const correction = (name: string, corrects: string): SentEvent => ({
      ...first,
      ...{ event_id: eventId('2026-06-02T08:00:00Z', `${first.entity_id}#${name}`), corrects },
    });
    const [one, other] = [correction('one', first.event_id), correction('other', first.event_id)];
    return [...life, one, other, correction('outdated', one.event_id)];
  },
  'correction-circle': (life) => {
    const own = eventId('2026-06-02T08:00:00Z', `${life[0]!.entity_id}#appended`);
    return appended(life, { action: 'void', corrects: own });
  },
};

/** Steps of one order without any regard for what is right. */
export function chaoticLife(orderId: string, random: Random, length: number, others: readonly string[]): SentEvent[] {
  const life = new LifeMaker(orderId, random);
  const numbers = ['1', '2', '3', '0', '-1', '100', '1e3', 'x', '', null, 7, 0.1, 1e-7, 1e21, '0.30', '0.3', true];
  const number = (): unknown => (random.chance(3) ? random.of(numbers) : String(1 + random.below(20)));
  for (let i = 0; i < length; i++) {
    const state: State = {};
    for (const name of ['quantity', 'price', 'remaining_quantity']) if (!random.chance(3)) state[name] = number();
    const action = random.of([
      i === 0 || random.chance(3) ? 'create' : 'modify',
      'modify',
      'modify',
      'partial_fill',
      'partial_fill',
      'fill',
      'cancel',
      'reject',
      'note',
    ]);
    const terms: Readonly<Record<string, readonly unknown[]>> = {
      side: ['buy', 'buy', 'buy', 'sell', 'SELL'],
      symbol: ['AAPL', 'AAPL', 'AAPL', 'MSFT'],
      isin: ['US0378331005', 'US0378331005', 'US5949181045'],
      order_type: ['limit', 'limit', 'market'],
      limit_price: ['10', '12', 'y'],
      additional_limit_price: ['1'],
      price_notation: ['monetary', 'monetary', 'yield'],
      currency: ['USD', 'USD', 'EUR'],
      validity: ['good_till_date', 'good_till_date_time', 'day'],
      valid_until: ['2026-06-02T08:00:09Z', '2026-06-02T10:00:09+02:00', '2026-05-29T08:00:00Z', 'then'],
    };
    for (const [name, values] of Object.entries(terms)) {
      const isRare = ['order_type', 'additional_limit_price', 'price_notation', 'currency'].includes(name);
      if (random.chance(isRare ? 30 : name === 'side' ? 2 : 5)) state[name] = random.of(values);
    }
    const more: Partial<SentEvent> = {};
    if (random.chance(3)) more.metadata = { execution_id: `X-${random.below(40)}` };
    if (random.chance(2)) more.previous_state = { quantity: number(), price: number() };
    if (random.chance(4)) delete more.source;
    else more.source = random.of(['oms', 'venue', 'oms']);
    if (random.chance(15)) more.event_type = 'note';
    const known = life.events.map(({ event_id }) => event_id);
    if (random.chance(5)) {
      const ahead = eventId('2026-06-02T08:00:00Z', `${orderId}#${i + 1 + random.below(3)}`);
      const self = eventId('2026-06-02T08:00:00Z', `${orderId}#${i}`);
      more.corrects = random.of([
        ...known.slice(-6),
        ...known.slice(-6),
        ahead,
        self,
        ...others.slice(-2),
        eventId('2026-06-02T08:00:00Z', 'no'),
      ]);
    }
    life.add(more.corrects !== undefined && random.chance(3) ? 'void' : action, state, more);
    const last = life.events.at(-1)!;
    if (random.chance(6))
      last.timestamp = random.of([
        ...life.events.map(({ timestamp }) => timestamp),
        '2026-05-30T08:00:00Z',
        '2026-06-09T23:59:59.5Z',
      ]);
    if (random.chance(9) && i > 0) {
      const { event_id } = last;
      const { corrects: _, ...earlier } = random.of(life.events);
      life.events[life.events.length - 1] = { ...earlier, event_id };
    }
  }
  return life.events;
}
