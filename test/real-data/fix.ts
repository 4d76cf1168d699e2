import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { EventMaker, present, type Action, type EventContent, type OrderState } from './content.js';
import { subtract } from './decimals.js';

export interface FixLog {
  source: string;
  /**
   * Within what a client order id (tag 11) is used once. By FIX's rule that is a trading day. In a log that plays the
   * same short session again and again under the same ids it is the session, counted by its logons.
   */
  idsAreUniqueWithin: 'day' | 'logon';
}

/**
 * The lifecycle events of a FIX log: new orders, and execution reports that say that an order changed.
 *
 * Requests, acknowledgements, done for day, statuses and the session's own messages are none; nor is a refused cancel
 * request (35=9), after which the order stands as before. Corrections and busts of executions are not mapped.
 *
 * An entity is named `entering firm > other firm : day or logon : client order id`, and where the new order bears a tag
 * 41, that as well: there the same client order id comes twice, for the order as routed and as booked. A replaced order
 * keeps its first name. A report belongs to the newest order between its two firms that has the report's 11 and 41, else
 * its 41, else its 11; one without such an order is recorded all the same.
 *
 * A message without client, account or decision makers has those of its order; the client is the party with role 3, else
 * tag 109, else the firm that entered the order. `user_id` is the sender's SubID (50), else the sender.
 */
export async function* fixEvents(path: string, log: FixLog): AsyncGenerator<EventContent> {
  const maker = new EventMaker(log.source, basename(path));
  const orders = new Orders();
  const logons = new Logons();
  const bytes = await readFile(path);
  let row = 0;

  for (const message of fixMessages(path.endsWith('.gz') ? gunzipSync(bytes) : bytes)) {
    row += 1;
    const type = message.get('35');
    if (type === 'A') logons.note(message);
    if (type === 'F' || type === '9') orders.of(message)?.noteCancelRequest({ refused: type === '9' });
    const action = actionOf(message);
    if (action === undefined) continue;

    const known = action === 'create' ? undefined : orders.of(message);
    const period = log.idsAreUniqueWithin === 'logon' ? logons.current(message) : message.required('52').slice(0, 8);
    const order = known ?? new Order(message, period);
    // an order is known by the id it came with, together with its second id if it has one, and by that of each replace;
    // one that a report tells of first, by both ids of the report
    if (action === 'create') orders.add(order, message, message.get('11'), message.get('41'));
    else if (!known) orders.add(order, message, message.get('41'));
    if (!known || action === 'modify') orders.add(order, message, message.get('11'));

    const previous_state = known ? order.state() : null;
    const new_state = order.apply(action, message);
    yield maker.make(row, {
      timestamp: isoTimestamp(message.get('60') ?? message.required('52')),
      entity_id: order.entityId,
      action,
      user_id: message.get('50') ?? message.required('49'),
      previous_state,
      new_state,
      metadata: { ...order.people(message), ...references(message), ...order.circumstances(action, message) },
      raw: { media_type: 'application/x-fix', data: message.bytes.toString('base64') },
    });
  }
}

function actionOf(message: FixMessage): Action | undefined {
  if (message.get('35') === 'D') return 'create';
  if (message.get('35') !== '8') return undefined;
  // ExecTransType (4.2): 1 busts, 2 corrects an execution, 3 only answers what the status is
  if ((message.get('20') ?? '0') !== '0') return undefined;
  switch (message.get('150') ?? message.get('39')) {
    case '1':
      return 'partial_fill';
    case '2':
      return 'fill';
    case 'F': // trade, from FIX 4.3 on
      return message.get('39') === '2' ? 'fill' : 'partial_fill';
    case '4':
    case 'C': // expired
      return 'cancel';
    case '5': // replaced
      return 'modify';
    case '8':
      return 'reject';
    case undefined:
    default:
      return undefined;
  }
}

class Order {
  readonly entityId: string;
  readonly enteredBy: string;
  private readonly known: OrderState;
  private readonly knownPeople: Record<string, string>;
  private cancelRequested = false;

  /** An order as its first message tells it: a new order, or a report on an order of which the log has no more. */
  constructor(first: FixMessage, period: string) {
    const isReport = first.get('35') === '8';
    const sender = first.required('49');
    const target = first.required('56');
    this.enteredBy = isReport ? target : sender;
    const id = isReport ? (first.get('41') ?? first.required('11')) : first.required('11');
    const second = isReport ? undefined : first.get('41');
    const other = isReport ? sender : target;
    this.entityId = [`${this.enteredBy}>${other}`, period, id, ...(second === undefined ? [] : [second])].join(':');
    this.known = {
      ...instrument(first),
      ...present<OrderState>({
        quantity: first.get('38'),
        price: first.get('44'),
        exchange: first.get('207') ?? first.get('100') ?? other,
        remaining_quantity: isReport ? undefined : first.get('38'),
      }),
    };
    this.knownPeople = { client_id: this.enteredBy, ...people(first) };
  }

  state(): OrderState {
    return { ...this.known };
  }

  /** The state that `message` reports, which from now on is the order's. */
  apply(action: Action, message: FixMessage): OrderState {
    if (action === 'create') return this.state();
    Object.assign(this.known, instrument(message));

    if (action === 'partial_fill' || action === 'fill') {
      const quantity = message.required('32');
      const before = this.known.remaining_quantity;
      const left = message.get('151') ?? (before === undefined ? undefined : subtract(before, quantity));
      Object.assign(this.known, present({ remaining_quantity: left }));
      const exchange = message.get('30') ?? message.get('207') ?? this.known.exchange;
      return { ...this.known, ...present<OrderState>({ quantity, price: message.get('31'), exchange }) };
    }
    const left = message.get('151') ?? (action === 'modify' ? this.openAfterReplace(message) : '0');
    Object.assign(
      this.known,
      present({ quantity: message.get('38'), price: message.get('44'), remaining_quantity: left }),
    );
    return this.state();
  }

  /** Client, account and decision makers: the message's own, else the order's. */
  people(message: FixMessage): Record<string, string> {
    const own = people(message);
    // somebody else's type does not go over to a person that the message names without one
    const inherited = Object.entries(this.knownPeople).filter(([name]) => !(name.replace(/_type$/, '') in own));
    return { ...Object.fromEntries(inherited), ...own };
  }

  /** Why and when, as far as the message says. */
  circumstances(action: Action, message: FixMessage): Record<string, string> {
    const when = message.get('60') === undefined ? undefined : isoTimestamp(message.required('60'));
    const reason = message.get('58');
    switch (action) {
      case 'create':
        return present({ order_entry_time: when });
      case 'partial_fill':
      case 'fill':
        return present({ execution_time: when });
      case 'modify':
        return present({ modification_time: when, reason: reason ?? 'replaced (150=5)' });
      case 'cancel': {
        const silent = this.cancelRequested ? 'cancelled at the request of the firm that entered it' : 'cancelled';
        return { reason: reason ?? (message.get('150') === 'C' ? 'expired' : silent) };
      }
      case 'reject':
        return { reason: reason ?? `rejected (103=${message.get('103') ?? 'absent'})` };
    }
  }

  noteCancelRequest({ refused }: { refused: boolean }): void {
    this.cancelRequested = !refused;
  }

  private openAfterReplace(message: FixMessage): string | undefined {
    const quantity = message.get('38');
    return quantity === undefined ? undefined : subtract(quantity, message.get('14') ?? '0');
  }
}

/** Orders by the ids under which messages between two firms speak of them; of two with one id, the newer. */
class Orders {
  private readonly byIds = new Map<string, Order>();

  /** From now on `ids` together name the order, in messages between the two firms of `message`. */
  add(order: Order, message: FixMessage, ...ids: (string | undefined)[]): void {
    if (ids.some((id) => id !== undefined)) this.byIds.set(key(message, ...ids), order);
  }

  of(message: FixMessage): Order | undefined {
    const id = message.get('11');
    const original = message.get('41');
    return (
      (id === undefined || original === undefined ? undefined : this.byIds.get(key(message, id, original))) ??
      (original === undefined ? undefined : this.byIds.get(key(message, original))) ??
      (id === undefined ? undefined : this.byIds.get(key(message, id)))
    );
  }
}

function key(message: FixMessage, ...ids: (string | undefined)[]): string {
  return JSON.stringify([betweenFirms(message), ...ids.filter((id) => id !== undefined)]);
}

/** The two firms of a message, whichever of them sent it. */
function betweenFirms(message: FixMessage): string {
  return JSON.stringify([message.required('49'), message.required('56')].sort());
}

/** Counts the sessions between two firms: a new one begins when a side logs on that has logged on in the present one. */
class Logons {
  private readonly sessions = new Map<string, { number: number; loggedOn: Set<string> }>();

  note(logon: FixMessage): void {
    const sender = logon.required('49');
    const session = this.sessions.get(betweenFirms(logon));
    if (session && !session.loggedOn.has(sender)) session.loggedOn.add(sender);
    else {
      const number = (session?.number ?? 0) + 1;
      this.sessions.set(betweenFirms(logon), { number, loggedOn: new Set([sender]) });
    }
  }

  current(message: FixMessage): string {
    return `logon-${this.sessions.get(betweenFirms(message))?.number ?? 0}`;
  }
}

function instrument(message: FixMessage): OrderState {
  return {
    ...present<OrderState>({
      symbol: message.get('55'),
      currency: message.get('15'),
      maturity: message.get('200'),
    }),
    ...side(message.get('54')),
  };
}

/** Tag 54. A short sale is a sale; what makes it short stands beside it. */
function side(code: string | undefined): OrderState {
  switch (code) {
    case undefined:
      return {};
    case '1':
      return { side: 'buy' };
    case '2':
      return { side: 'sell' };
    case '5':
      return { side: 'sell', short_sale: 'not_exempt' };
    case '6':
      return { side: 'sell', short_sale: 'exempt' };
    default:
      throw new Error(`no mapping for side 54=${code}`);
  }
}

const PARTY_ROLES: Record<string, string> = {
  '3': 'client_id',
  '122': 'investment_decision_maker',
  '12': 'execution_decision_maker',
};
const PARTY_QUALIFIERS: Record<string, string> = { '22': 'algorithm', '23': 'legal_entity', '24': 'natural_person' };

function people(message: FixMessage): Record<string, string> {
  const named: Record<string, string> = present({ client_id: message.get('109'), account: message.get('1') });
  for (const party of message.group('453', '448')) {
    const role = PARTY_ROLES[party.get('452') ?? ''];
    const id = party.get('448');
    if (role === undefined || id === undefined) continue;
    named[role] = id;
    const qualifier = PARTY_QUALIFIERS[party.get('2376') ?? ''];
    if (qualifier !== undefined) named[`${role}_type`] = qualifier;
  }
  return named;
}

function references(message: FixMessage): Record<string, string> {
  return present({
    client_order_id: message.get('11'),
    parent_client_order_id: message.get('8011'),
    venue_order_id: message.get('37'),
    execution_id: message.get('17'),
  });
}

/** `20180223-19:16:24.423` as `2018-02-23T19:16:24.423Z`: UTC, with the digits that the message has, nine at most. */
export function isoTimestamp(fix: string): string {
  const match = /^(\d{4})(\d\d)(\d\d)-(\d\d:\d\d:\d\d)(?:(\.\d{1,9})\d*)?$/.exec(fix);
  if (!match) throw new Error(`not a FIX UTC timestamp: ${fix}`);
  const [, year, month, day, time, fraction = ''] = match;
  return `${year}-${month}-${day}T${time}${fraction}Z`;
}

export class FixMessage {
  private readonly fields: [tag: string, value: string][];

  /** `bytes`: from `8=` to the end of the checksum, its delimiter included if it is there. */
  constructor(
    readonly bytes: Buffer,
    delimiter: string,
  ) {
    this.fields = bytes
      .toString('latin1')
      .split(delimiter)
      .filter((field) => field !== '')
      .map((field) => {
        const equals = field.indexOf('=');
        return [field.slice(0, equals), text(Buffer.from(field.slice(equals + 1), 'latin1'))];
      });
  }

  /** The value of the first field with this tag; an empty one counts as absent. */
  get(tag: string): string | undefined {
    return this.fields.find(([name, value]) => name === tag && value !== '')?.[1];
  }

  required(tag: string): string {
    const value = this.get(tag);
    if (value === undefined) throw new Error(`tag ${tag} is missing in ${this.bytes.toString('latin1')}`);
    return value;
  }

  /**
   * The entries of a repeating group, each of which begins with the tag `first`. The last entry runs on to the end of
   * the message, so ask it only for tags of the group; of a tag that comes again later, the first counts.
   */
  group(count: string, first: string): Map<string, string>[] {
    const entries: Map<string, string>[] = [];
    const start = this.fields.findIndex(([tag]) => tag === count);
    if (start === -1) return entries;
    for (const [tag, value] of this.fields.slice(start + 1)) {
      if (tag === first) entries.push(new Map());
      const entry = entries.at(-1);
      if (entry && !entry.has(tag)) entry.set(tag, value);
    }
    return entries.slice(0, Number(this.fields[start]![1]));
  }
}

const BEGIN = /8=FIXT?\.\d\.\d([\x01|])9=\d+\1/g;

/**
 * The messages of a log in whatever text they stand. One begins with `8=FIX…`, delimiter (0x01, or `|` where the log's
 * writer put that), `9=`, and ends with the checksum: `10=` and three digits, or fewer where somebody zeroed it and a
 * delimiter follows. Body length and checksum are not relied on: logs edited by hand have them wrong. Line breaks are
 * the log's layout, also inside a message, and are not part of it. A message cut off before its checksum is none.
 */
export function* fixMessages(log: Buffer): Generator<FixMessage> {
  const text = log.toString('latin1').replace(/[\r\n]/g, '');
  const beginnings = [...text.matchAll(BEGIN)];
  for (const [i, beginning] of beginnings.entries()) {
    const delimiter = beginning[1]!;
    const untilNext = text.slice(beginning.index, beginnings[i + 1]?.index);
    const end =
      delimiter === '|' ? /\|10=(\d{1,3}\||\d{3})/.exec(untilNext) : /\x0110=(\d{1,3}\x01|\d{3})/.exec(untilNext);
    if (end) yield new FixMessage(Buffer.from(untilNext.slice(0, end.index + end[0].length), 'latin1'), delimiter);
  }
}

/** UTF-8 where it is that, else Latin-1: FIX 4.2 knows ASCII, people write what they like. */
function text(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return bytes.toString('latin1');
  }
}
