import { createHash } from 'node:crypto';
import { ALGORITHMS, CLIENTS, FIRM, REASONS, TRADERS } from './firm.mjs';
import { executionReport } from './fix.mjs';
import { INSTRUMENTS, Market, MINUTE, priceText, SECOND } from './market.mjs';
import { Random } from './random.mjs';

/** Changes whenever other contents come of the same parameters: then they are other orders. */
const GENERATOR = 2;

/**
 * @typedef {import('./market.mjs').Instrument} Instrument
 * @typedef {import('./firm.mjs').Trader} Trader
 * Names of docs/vocabulary.md.
 * @typedef {Record<string, string | boolean>} State
 */

/**
 * The content of an event as it is sent.
 * @typedef {object} EventContent
 * @property {string} event_id
 * @property {string} timestamp
 * @property {string} event_type
 * @property {string} entity_type
 * @property {string} entity_id
 * @property {string} action
 * @property {string} user_id
 * @property {State | null} previous_state
 * @property {State} new_state
 * @property {State} metadata
 * @property {string} source
 * @property {string} source_session
 * @property {string} source_sequence
 * @property {string} [corrects]
 * @property {{media_type: string, data: string}} [raw]
 */

/**
 * An event before it has its number and id.
 * @typedef {object} Draft
 * @property {number} at when its source sends it; nanoseconds since midnight
 * @property {number} [happened] when what it tells happened, if that was not then
 * @property {string} source
 * @property {string} [type] order_lifecycle unless given
 * @property {string} [entity] order unless given
 * @property {string} id
 * @property {string} action
 * @property {string} user
 * @property {State | null} before
 * @property {State} after
 * @property {State} metadata
 * @property {Draft} [corrects]
 * @property {(sequence: string) => string} [fix] the message that told it
 */

/**
 * @typedef {object} TradingDay
 * @property {EventContent[]} events in the order in which their sources send them
 * @property {EventContent} example the beginning of the order to look at more closely
 * @property {string} trader who entered that order
 */

/**
 * The events of a firm's trading day. The same parameters give the same events to the byte; with any other parameter all
 * ids, order ids and source sessions are others, so that days never mix.
 * @param {{date: string, orders: number, seed: string}} parameters
 * @returns {TradingDay}
 */
export function tradingDay({ date, orders, seed }) {
  const name = JSON.stringify([GENERATOR, date, orders, seed]);
  const tag = createHash('sha256').update(name).digest('hex').slice(0, 4).toUpperCase();
  const desk = new Desk(new Market(date, `${date}/${seed}`), date, tag);
  const example = desk.workedOrder(orderId(date, tag, 1));
  for (let number = 2; number <= orders; number++) {
    desk.order(orderId(date, tag, number), new Random(`${name}/${number}`));
  }
  desk.staff(new Random(`${name}/staff`));
  const sent = finished(desk.drafts, date, `${date}.${tag}`);
  return {
    events: [...sent.values()],
    example: /** @type {EventContent} */ (sent.get(example)),
    trader: example.user,
  };
}

/** @param {string} date @param {string} tag @param {number} number */
function orderId(date, tag, number) {
  return `O-${date.replaceAll('-', '')}-${tag}-${String(number).padStart(6, '0')}`;
}

/** Writes what happens to orders, as drafts. */
class Desk {
  /** @type {Draft[]} */
  drafts = [];
  #market;
  #date;
  #tag;
  #executions = 0;

  /** @param {Market} market @param {string} date @param {string} tag */
  constructor(market, date, tag) {
    this.#market = market;
    this.#date = date;
    this.#tag = tag;
  }

  /** An order as chance will have it, from its entry to its end. @param {string} id @param {Random} random */
  order(id, random) {
    const market = this.#market;
    const instrument = random.pick(INSTRUMENTS);
    const { opens, closes } = market.session(instrument);
    const entered = momentOf(random, opens, closes);
    const { venue } = instrument;
    const actor = actorOf(random, venue.region);
    const client = actor.ownAccount ? undefined : random.pick(CLIENTS);
    const side = random.happens(0.5) ? 'buy' : 'sell';
    const towards = side === 'buy' ? 1 : -1; // a limit further in this direction is sooner met
    const marketable = random.happens(actor.ownAccount ? 0.1 : 0.5);
    const distance = marketable ? random.integer(1, 3) : -random.integer(0, 12);
    const order = new Order(this, {
      id,
      instrument,
      side,
      quantity: venue.lot * Math.max(1, Math.round(Math.exp(random.normal() * 1.1 + 2.6))),
      limit: Math.max(1, market.ticksAt(instrument, entered) + towards * distance),
      people: {
        ...clientOf(client),
        ...decisionMaker('investment', actor, client === undefined || client.mandate),
        ...decisionMaker('execution', actor),
        trading_capacity: client === undefined ? 'own_account' : 'any_other',
        liquidity_provision: client === undefined,
        desk: actor.desk,
      },
      user: actor.user,
      source: actor.source,
      entered,
    });
    order.create();
    if (random.happens(0.03)) {
      if (random.happens(0.6)) order.reject(entered + random.integer(15_000, 90_000), random.pick(REASONS.riskReject));
      else order.reject(entered + random.integer(300_000, 2_000_000), random.pick(REASONS.venueReject), true);
      return;
    }

    let now = entered + random.integer(400_000, 3_000_000);
    for (let changes = 0; ;) {
      const middle = market.ticksAt(instrument, now);
      const crosses = towards * (order.limit - middle) > 0;
      const touched = crosses ? now : market.firstTouch(instrument, side, order.limit, now);
      const patience = now + random.wait(actor.isPerson ? 25 * MINUTE : 6 * MINUTE);
      if (touched !== undefined && (touched <= patience || changes === 3)) {
        const best = crosses ? middle + towards : order.limit;
        const from = crosses ? touched : touched + random.integer(0, 4_000_000) * 1_000;
        this.#execute(order, random, from, best, { crosses, closes });
        return;
      }
      if (patience >= closes) return order.expire(closes + random.integer(1_000_000, 40_000_000));
      now = patience;
      changes += 1;
      if (random.happens(0.35)) return order.cancel(now, random.pick(REASONS.cancel));
      if (random.happens(0.2) && order.quantity > venue.lot) {
        const lots = Math.ceil((order.quantity / venue.lot) * (0.3 + 0.5 * random.next()));
        if (lots * venue.lot === order.quantity) continue;
        order.modify(now, { quantity: lots * venue.lot }, random.pick(REASONS.resize));
      } else {
        const limit = market.ticksAt(instrument, now) + towards * random.integer(-2, 2);
        if (limit === order.limit || limit < 1) continue;
        order.modify(now, { limit }, random.pick(REASONS.reprice));
      }
      now += random.integer(400_000, 3_000_000);
    }
  }

  /**
   * @param {Order} order
   * @param {Random} random
   * @param {number} from
   * @param {number} best the price of the first execution, in ticks
   * @param {{crosses: boolean, closes: number}} circumstances
   */
  #execute(order, random, from, best, { crosses, closes }) {
    const { lot } = order.instrument.venue;
    const towards = order.side === 'buy' ? 1 : -1;
    let time = from + random.integer(20_000, 400_000);
    let price = best;
    const parts = Math.min(random.integer(1, 5), order.remaining / lot);
    for (let left = parts; left > 0; left--) {
      if (time >= closes) return order.expire(closes + random.integer(1_000_000, 40_000_000));
      const lots = order.remaining / lot;
      const take = left === 1 ? lots : Math.max(1, Math.round((lots / left) * (0.4 + 1.2 * random.next())));
      order.execute(time, Math.min(take, lots - (left - 1)) * lot, price, random.integer(60_000, 900_000));
      const cancelled = time + Math.round((2 + random.wait(30)) * SECOND);
      if (left > 1 && !crosses && random.happens(0.05) && cancelled < closes) {
        return order.cancel(cancelled, random.pick(REASONS.cancel));
      }
      time += crosses ? random.integer(8_000, 6_000_000) : Math.round(random.wait(40 * SECOND)) + 2_000_000;
      if (crosses && random.happens(0.3) && towards * (order.limit - price) > 0) price += towards;
    }
  }

  /**
   * The order that the demo shows: changed once, filled in four parts, one of which was told with a wrong price and
   * later corrected, another told twice and once voided. Returns its beginning.
   * @param {string} id
   */
  workedOrder(id) {
    const market = this.#market;
    const instrument = /** @type {Instrument} */ (INSTRUMENTS.find(({ symbol }) => symbol === 'SAP'));
    const trader = /** @type {Trader} */ (TRADERS[0]);
    const entered = market.session(instrument).opens + 12 * MINUTE + 4_318_207_000;
    const order = new Order(this, {
      id,
      instrument,
      side: 'buy',
      quantity: 10_000,
      limit: market.ticksAt(instrument, entered) - 4,
      people: {
        ...clientOf(CLIENTS.find(({ mandate }) => mandate)),
        ...decisionMaker('investment', { id: trader.nationalId, isPerson: true }),
        ...decisionMaker('execution', { id: trader.nationalId, isPerson: true }),
        trading_capacity: 'any_other',
        liquidity_provision: false,
        desk: trader.desk,
      },
      user: trader.user,
      source: 'oms-eu',
      entered,
    });
    const beginning = order.create();
    let time = entered + 3 * MINUTE + 11_942_118_000;
    const lowest = Math.max(...[1, 2, 3, 4].map((part) => market.ticksAt(instrument, time + part * MINUTE)));
    order.modify(time, { limit: lowest + 2 }, 'client raised urgency');
    const fills = [2_400, 1_600, 3_000, 3_000].map((quantity, part) => {
      time += MINUTE + 1_204_331_417 * (part + 1);
      const price = Math.min(order.limit, market.ticksAt(instrument, time) + 1);
      const wrong = part === 1 ? 10 ** instrument.decimals * (10 / instrument.tick) : 0;
      return { price, draft: order.execute(time, quantity, price + wrong, 212_406) };
    });
    const [, mistold, repeated] = fills;
    if (mistold === undefined || repeated === undefined) throw new Error('the order has too few fills');
    const again = { ...repeated.draft, at: repeated.draft.at + 41 * SECOND, source: 'drop-copy-eu' };
    delete again.fix;
    this.drafts.push(again);
    const evening = market.session(instrument).closes + 22 * MINUTE + 902_117_000;
    const { draft } = mistold;
    this.#correct(draft, evening, {
      after: { ...draft.after, price: priceText(instrument, mistold.price) },
      metadata: { ...draft.metadata, reason: 'price told wrongly' },
    });
    this.#correct(again, evening + 74 * SECOND, {
      action: 'void',
      metadata: { ...again.metadata, reason: 'execution told twice' },
    });
    return beginning;
  }

  /** @param {Draft} draft @param {number} at @param {Partial<Draft>} corrected */
  #correct(draft, at, corrected) {
    const { fix: _, ...content } = draft;
    this.drafts.push({
      ...content,
      ...corrected,
      ...{ at, happened: draft.happened ?? draft.at, source: 'middle-office', corrects: draft },
    });
  }

  /** Who came and went, and which algorithms ran. @param {Random} random */
  staff(random) {
    for (const trader of TRADERS) {
      const { opens, closes } = this.#hours(trader.region);
      const [came, went] = [opens - random.integer(12, 50) * MINUTE, closes + random.integer(24, 70) * MINUTE];
      for (const [at, action, status] of /** @type {const} */ ([
        [came, 'login', 'logged_in'],
        [went, 'logout', 'logged_out'],
      ])) {
        this.drafts.push({
          at: at + random.integer(0, 59_999_999) * 1_000,
          source: `oms-${trader.region}`,
          type: 'user_session',
          entity: 'user',
          id: trader.user,
          action,
          user: trader.user,
          before: { status: action === 'login' ? 'logged_out' : 'logged_in' },
          after: { status, workstation: trader.workstation },
          metadata: { desk: trader.desk },
        });
      }
    }
    const { opens } = this.#hours('eu');
    for (const algorithm of ALGORITHMS) {
      this.drafts.push({
        at: opens - random.integer(5, 11) * MINUTE + random.integer(0, 59_999_999) * 1_000,
        source: 'algo-engine',
        type: 'algorithm_control',
        entity: 'algorithm',
        id: algorithm.id,
        action: 'start',
        user: 'l.rossi',
        before: { status: 'stopped' },
        after: { status: 'running', version: `${random.integer(2, 9)}.${random.integer(0, 12)}` },
        metadata: { desk: algorithm.desk, reason: 'start of the day' },
      });
    }
  }

  /** @param {'eu' | 'us'} region */
  #hours(region) {
    const sessions = INSTRUMENTS.filter(({ venue }) => venue.region === region).map((each) =>
      this.#market.session(each),
    );
    return {
      opens: Math.min(...sessions.map(({ opens }) => opens)),
      closes: Math.max(...sessions.map(({ closes }) => closes)),
    };
  }

  /** @param {number} time */
  timestamp(time) {
    return timestampOf(this.#date, time, 9);
  }

  /** The next execution's id at its venue. @param {string} mic */
  executionId(mic) {
    this.#executions += 1;
    return `${mic}${this.#date.replaceAll('-', '')}${this.#tag}${String(this.#executions).padStart(7, '0')}`;
  }
}

/** One order's life, kept in the state that its next event needs. */
class Order {
  #desk;
  #facts;
  /** @type {State | null} */
  #before = null;
  #filled = 0;
  #reported = 0;
  quantity;
  limit;

  /**
   * @param {Desk} desk
   * @param {{id: string, instrument: Instrument, side: 'buy' | 'sell', quantity: number, limit: number, people: State,
   *   user: string, source: string, entered: number}} facts
   */
  constructor(desk, facts) {
    this.#desk = desk;
    this.#facts = facts;
    this.quantity = facts.quantity;
    this.limit = facts.limit;
  }

  get instrument() {
    return this.#facts.instrument;
  }
  get side() {
    return this.#facts.side;
  }
  get remaining() {
    return this.quantity - this.#filled;
  }

  create() {
    const { entered, user, source } = this.#facts;
    return this.#write({ at: entered, source, user, action: 'create', after: this.#state('open'), why: {} });
  }

  /** @param {number} at @param {{quantity?: number, limit?: number}} change @param {string} reason */
  modify(at, change, reason) {
    Object.assign(this, change);
    const { user, source } = this.#facts;
    const why = { reason, modification_time: this.#desk.timestamp(microseconds(at)) };
    this.#write({ at: microseconds(at), source, user, action: 'modify', after: this.#state('open'), why });
  }

  /** @param {number} at @param {string} reason */
  cancel(at, reason) {
    const { user, source } = this.#facts;
    const after = { ...this.#state('cancelled'), remaining_quantity: '0' };
    this.#write({ at: microseconds(at), source, user, action: 'cancel', after, why: { reason } });
  }

  /** At the close. @param {number} at */
  expire(at) {
    const after = { ...this.#state('expired'), remaining_quantity: '0' };
    const why = { reason: 'day order expired at the close' };
    this.#write({ at, ...this.#gateway(), action: 'cancel', after, why });
  }

  /** By our own checks, or by the venue. @param {number} at @param {string} reason @param {boolean} [byVenue] */
  reject(at, reason, byVenue = false) {
    const after = { ...this.#state('rejected'), remaining_quantity: '0' };
    const by = byVenue ? this.#gateway() : { source: 'risk-checks', user: 'risk-checks' };
    const fix = byVenue ? this.#fix({ at, execType: '8', status: '8', text: reason }) : undefined;
    this.#write({ at, ...by, action: 'reject', after, why: { reason }, fix });
  }

  /**
   * @param {number} time when the venue matched it
   * @param {number} quantity
   * @param {number} price in ticks
   * @param {number} delay until its report was here; reports do not overtake each other
   */
  execute(time, quantity, price, delay) {
    this.#filled += quantity;
    const { venue } = this.instrument;
    const isLast = this.remaining === 0;
    const executionId = this.#desk.executionId(venue.mic);
    const last = { quantity: String(quantity), price: priceText(this.instrument, price) };
    const after = {
      ...this.#state(isLast ? 'filled' : 'partially_filled'),
      ...last,
      order_quantity: String(this.quantity),
      limit_price: priceText(this.instrument, this.limit),
    };
    const why = { execution_time: this.#desk.timestamp(time), venue_transaction_id: executionId };
    const action = isLast ? 'fill' : 'partial_fill';
    const fix = this.#fix({ at: time, execType: 'F', status: isLast ? '2' : '1', executionId, last });
    const at = Math.max(time + delay, this.#reported + 2_117);
    this.#reported = at;
    const draft = this.#write({ at, ...this.#gateway(), action, after, why, fix });
    this.#before = this.#state('partially_filled');
    return draft;
  }

  /**
   * @param {{at: number, source: string, user: string, action: string, after: State, why: State,
   *   fix?: ((sequence: string) => string) | undefined}} event
   */
  #write({ at, source, user, action, after, why, fix }) {
    const { id, people, entered } = this.#facts;
    const metadata = { ...people, order_entry_time: this.#desk.timestamp(entered), ...why, ...clockOf(source) };
    /** @type {Draft} */
    const draft = { at, source, id, action, user, before: this.#before, after, metadata };
    if (fix !== undefined) draft.fix = fix;
    this.#desk.drafts.push(draft);
    this.#before = after;
    return draft;
  }

  /** @param {string} status @returns {State} */
  #state(status) {
    const { instrument, side } = this.#facts;
    return {
      symbol: instrument.symbol,
      isin: instrument.isin,
      exchange: instrument.venue.mic,
      side,
      quantity: String(this.quantity),
      price: priceText(instrument, this.limit),
      currency: instrument.venue.currency,
      price_notation: 'monetary',
      quantity_notation: 'units',
      order_type: 'limit',
      validity: 'day',
      remaining_quantity: String(this.remaining),
      status,
    };
  }

  #gateway() {
    const { mic, region } = this.instrument.venue;
    return { source: `fix-gateway-${region}`, user: `venue:${mic}` };
  }

  /**
   * The American gateway keeps the messages as they come.
   * @param {{at: number, execType: string, status: string, executionId?: string, text?: string,
   *   last?: {quantity: string, price: string}}} report
   */
  #fix(report) {
    if (this.instrument.venue.region !== 'us') return undefined;
    const { id, side } = this.#facts;
    const facts = {
      ...report,
      time: this.#desk.timestamp(report.at),
      orderId: id,
      side,
      instrument: this.instrument,
      quantity: String(this.quantity),
      limit: priceText(this.instrument, this.limit),
      filled: String(this.#filled),
      remaining: report.execType === '8' ? '0' : String(this.remaining),
    };
    return (/** @type {string} */ sequence) => executionReport({ ...facts, sequence });
  }
}

/** Whom an order is for. @param {import('./firm.mjs').Client | undefined} client @returns {State} */
function clientOf(client) {
  if (client === undefined) return { client_id_type: 'none' };
  const isLei = /[0-9]{2}$/.test(client.id);
  return { client_id: client.id, client_id_type: isLei ? 'legal_entity' : 'natural_person' };
}

/**
 * Who within the firm decided; nobody where the client did.
 * @param {'investment' | 'execution'} what
 * @param {{id: string, isPerson: boolean}} actor
 * @returns {State}
 */
function decisionMaker(what, actor, isOurs = true) {
  if (!isOurs) return { [`${what}_decision_maker_type`]: 'client' };
  return {
    [`${what}_decision_maker`]: actor.id,
    [`${what}_decision_maker_type`]: actor.isPerson ? 'natural_person' : 'algorithm',
  };
}

/** By which clock, and where, a system takes its times. @param {string} source @returns {State} */
function clockOf(source) {
  return {
    clock_id: `${source}:ptp0`,
    clock_class: MICROSECOND_SOURCES.has(source) ? 'member_other' : 'member_high_frequency',
    capture_point: source.startsWith('fix-gateway') ? 'gateway-in' : 'application',
  };
}

/** Who enters an order. @param {Random} random @param {'eu' | 'us'} region */
function actorOf(random, region) {
  let share = random.next();
  for (const algorithm of ALGORITHMS) {
    share -= algorithm.share;
    if (share < 0) return { ...algorithm, source: 'algo-engine', isPerson: false };
  }
  const trader = random.pick(TRADERS.filter((each) => each.region === region));
  const { user, nationalId: id, desk } = trader;
  return { user, id, desk, source: `oms-${region}`, isPerson: true, ownAccount: false };
}

/** More orders come after the open and before the close. @param {Random} random @param {number} opens @param {number} closes */
function momentOf(random, opens, closes) {
  const length = closes - opens;
  const kind = random.next();
  const spike = Math.min(random.wait(0.07), 0.9);
  const part = kind < 0.28 ? spike : kind < 0.5 ? 0.995 - spike : random.next() * 0.97;
  return microseconds(opens + part * length + random.integer(40_000, 900_000_000));
}

/** @param {number} nanoseconds */
function microseconds(nanoseconds) {
  return Math.floor(nanoseconds / 1_000) * 1_000;
}

/** Systems whose clocks tell microseconds; the others tell nanoseconds. */
const MICROSECOND_SOURCES = new Set(['oms-eu', 'oms-us']);

/**
 * Numbers the drafts, each source for itself and without a gap, and gives them ids.
 * @param {Draft[]} drafts
 * @param {string} date
 * @param {string} session
 * @returns {Map<Draft, EventContent>} in the order of time
 */
function finished(drafts, date, session) {
  /** @type {Map<string, number>} */
  const counters = new Map();
  /** @type {Map<Draft, EventContent>} */
  const events = new Map();
  const inOrder = drafts.map((draft) => ({ ...draft, at: Math.round(draft.at) }));
  const original = new Map(inOrder.map((copy, index) => [copy, /** @type {Draft} */ (drafts[index])]));
  inOrder.sort((a, b) => a.at - b.at); // stable: what one order's life put at one instant stays in its order
  for (const draft of inOrder) {
    const sequence = (counters.get(draft.source) ?? 0) + 1;
    counters.set(draft.source, sequence);
    const happened = Math.round(draft.happened ?? draft.at);
    /** @type {Omit<EventContent, 'event_id'>} */
    const content = {
      timestamp: timestampOf(date, happened, MICROSECOND_SOURCES.has((draft.corrects ?? draft).source) ? 6 : 9),
      event_type: draft.type ?? 'order_lifecycle',
      entity_type: draft.entity ?? 'order',
      entity_id: draft.id,
      action: draft.action,
      user_id: draft.user,
      previous_state: draft.before,
      new_state: draft.after,
      metadata: draft.entity === undefined ? { executing_entity: FIRM, ...draft.metadata } : draft.metadata,
      source: draft.source,
      source_session: session,
      source_sequence: String(sequence),
    };
    if (draft.corrects !== undefined) content.corrects = events.get(draft.corrects)?.event_id ?? '';
    if (draft.fix !== undefined) {
      const message = Buffer.from(draft.fix(String(sequence)), 'latin1');
      content.raw = { media_type: 'application/fix', data: message.toString('base64') };
    }
    const event = { event_id: eventId(date, draft.at, JSON.stringify(content)), ...content };
    events.set(/** @type {Draft} */ (original.get(draft)), event);
  }
  return events;
}

/** @param {string} date @param {number} time @param {6 | 9} digits */
function timestampOf(date, time, digits) {
  const whole = Math.round(time);
  const second = new Date(Date.parse(`${date}T00:00:00Z`) + Math.floor(whole / SECOND) * 1_000)
    .toISOString()
    .slice(0, 19);
  return `${second}.${String(whole % SECOND)
    .padStart(9, '0')
    .slice(0, digits)}Z`;
}

/**
 * A UUIDv7 of the time, with the content's SHA-256 in place of random bits: another content never has the same id.
 * @param {string} date
 * @param {number} time
 * @param {string} content
 */
function eventId(date, time, content) {
  const bytes = Buffer.alloc(16);
  createHash('sha256').update(content).digest().copy(bytes, 6);
  bytes.writeUIntBE(Date.parse(`${date}T00:00:00Z`) + Math.floor(time / 1e6), 0, 6);
  bytes.writeUInt8(0x70 | (bytes.readUInt8(6) & 0x0f), 6);
  bytes.writeUInt8(0x80 | (bytes.readUInt8(8) & 0x3f), 8);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
