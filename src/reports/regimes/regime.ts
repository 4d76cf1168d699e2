import { isAlgorithmIdShaped } from '../../identifiers/algorithm-id.js';
import { isCurrency } from '../../identifiers/currency.js';
import { isIsin } from '../../identifiers/isin.js';
import { isLei } from '../../identifiers/lei.js';
import { isMicShaped } from '../../identifiers/mic.js';
import { isNationalIdShaped } from '../../identifiers/national-id.js';
import { parseTimestamp, TimestampError } from '../../integrity/timestamp.js';
import type { TermName } from '../../vocabulary/order-vocabulary.js';
import { isDecimal } from '../decimal.js';
import { readJson, StrictJsonError } from '../../integrity/strict-json.js';

/**
 * What is known along an order: the names of the vocabulary, and the event times of its `create` and `decide`. In fills `quantity`
 * and `price` are not the order's; elsewhere they are known as `order_quantity` and `limit_price` too.
 */
export type FactName = TermName | 'created_at' | 'decided_at';

/** A text, and the sequence of the event that states it. */
export interface Fact {
  text: string;
  sequence: string;
}

/** An event of an order as a regime's table sees it. */
export interface OrderEvent {
  orderId: string;
  action: string;
  /** canonical */
  timestamp: string;
  /** of the event as it was first recorded: it keeps its number when it is corrected */
  sequence: string;
  /** what the event itself states */
  own: ReadonlyMap<FactName, string>;
  /** the latest that is stated up to the event, itself included */
  known: ReadonlyMap<FactName, Fact>;
  /** of names that are looked for ahead: what is said first after the event, where nothing is known */
  later: ReadonlyMap<FactName, Fact>;
  /** the message as it came */
  raw: Buffer | null;
}

/** When a field that has no value is missing, and not just without application. In words, for the docs. */
export interface Condition {
  words: string;
  holds: (event: OrderEvent) => boolean;
}

/** A value in a regime's field: its text, and the names that it was made of. */
export interface Made {
  text: string;
  of: readonly FactName[];
  /** a code that the vocabulary does not have, or the venue's own in another form: shown as it is, and invalid */
  isUnknown?: boolean;
}

/** A field of a regime's table. */
export interface RegimeField {
  /** as the regulation numbers it */
  number: string;
  /** the name of the report's column */
  column: string;
  /** as the regulation words it, in short */
  title: string;
  /** of these the first that is stated counts */
  terms: readonly FactName[];
  /** only what the event itself states counts: what an earlier one said is not true of this one */
  isOwn?: true;
  /** the neutral codes as the regime's; a code that is not here is shown as it is, and invalid */
  codes?: Readonly<Record<string, string>>;
  /** where the value is not just a term's: its value instead of `terms`, which then say what it is made of */
  make?: (event: OrderEvent) => Made | undefined;
  format: Format;
  required: Condition;
}

/** A regime's table of fields, with its version: it goes up with any change of what a field holds. */
export interface Regime {
  /** as the report's parameter `regime` has it */
  name: string;
  title: string;
  /** the regulation and the table */
  source: string;
  version: number;
  /** which events have a row, of some actions alone where these are given; absent: each event of an order */
  rows?: { actions?: readonly string[]; condition: Condition };
  /** names that are looked for in the order's later events, too, where nothing was said before */
  ahead?: readonly FactName[];
  fields: readonly RegimeField[];
}

export type Format =
  | 'lei'
  | 'person'
  | 'algorithm'
  | 'isin'
  | 'mic'
  | 'currency'
  | 'boolean'
  | 'time'
  | 'date'
  | 'code'
  | 'four-characters'
  | 'validity'
  | 'text'
  | 'text-20'
  | 'text-50'
  | 'text-52'
  | 'text-140'
  | 'integer-50'
  | 'price'
  | 'quantity'
  | 'amount'
  | 'multiplier'
  | 'client'
  | 'decision-maker'
  | 'party'
  | 'buyer-or-seller'
  | 'aggregated'
  | 'receiver'
  | 'isins';

export type Verdict = 'present' | 'not_applicable' | 'missing' | 'invalid';

/** What an event has in a field. */
export interface FieldValue {
  text: string | null;
  verdict: Verdict;
  /** names that were taken from other events, with their sequences */
  lookedUp: readonly { name: FactName; sequence: string }[];
}

/** An event's value in a field, in the regime's codes. */
export function valueOf(field: RegimeField, event: OrderEvent): FieldValue {
  const made = field.make ? field.make(event) : termOf(field, event);
  if (made === undefined) {
    const verdict = field.required.holds(event) ? 'missing' : 'not_applicable';
    return { text: null, verdict, lookedUp: [] };
  }
  const lookedUp = made.of.flatMap((name) => {
    const fact = event.known.get(name) ?? event.later.get(name);
    return event.own.has(name) || !fact ? [] : [{ name, sequence: fact.sequence }];
  });
  const stated = field.format === 'time' ? inUtc(made.text) : made.text;
  const [text, isKnown] = field.codes ? coded(stated, field.codes) : [stated, true];
  const fits = isKnown && !made.isUnknown && FORMATS[field.format](text, event);
  return { text, verdict: fits ? 'present' : 'invalid', lookedUp };
}

/** A time in UTC, as fine as declared; a text that is none as it is. */
export function inUtc(text: string): string {
  try {
    return parseTimestamp(text).canonical;
  } catch (error) {
    if (!(error instanceof TimestampError)) throw error;
    return text;
  }
}

/** What an event states, or what is known by then of its order. */
export function known(event: OrderEvent, name: FactName): string | undefined {
  return event.own.get(name) ?? event.known.get(name)?.text;
}

/** The first of the names that is known, as it is. */
export function firstKnown(event: OrderEvent, names: readonly FactName[]): Made | undefined {
  const name = names.find((each) => event.own.has(each) || event.known.has(each));
  return name === undefined ? undefined : { text: known(event, name)!, of: [name] };
}

/** Of names of a place the first that the event states itself, else the first that is known: where it is said to go goes before where it went. */
export function placeOf(event: OrderEvent, names: readonly FactName[]): Made | undefined {
  const own = names.filter((each) => event.own.has(each));
  return firstKnown(event, own.length > 0 ? own : names);
}

function termOf({ terms, isOwn }: RegimeField, event: OrderEvent): Made | undefined {
  if (!isOwn) return firstKnown(event, terms);
  const name = terms.find((each) => event.own.has(each));
  return name === undefined ? undefined : { text: event.own.get(name)!, of: [name] };
}

/** A code or a list of codes in the regime's codes, and whether it has all of them. */
function coded(text: string, codes: Readonly<Record<string, string>>): [text: string, isKnown: boolean] {
  const items = itemsOf(text);
  const found = items.map((item) => codeIn(codes, item));
  return [items.map((item, i) => found[i] ?? item).join(','), found.every((code) => code !== undefined)];
}

/** The items of a list, which a fact holds as its JSON, or the one that a fact is. */
export function itemsOf(text: string): string[] {
  if (!text.startsWith('[')) return [text];
  try {
    const list = readJson(text);
    return Array.isArray(list) ? list.map((item) => (typeof item === 'string' ? item : JSON.stringify(item))) : [text];
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    return [text]; // a text that only begins like a list
  }
}

/** A code by a table; undefined for what is not in it, whatever every object has. */
function codeIn<T>(codes: Readonly<Record<string, T>>, code: string): T | undefined {
  return Object.hasOwn(codes, code) ? codes[code] : undefined;
}

const TIME = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z$/;

const FOUR_CHARACTERS = /^[A-Z0-9]{4}$/;

function isClient(text: string): boolean {
  return text === 'AGGR' || text === 'PNAL' || isParty(text);
}

function isParty(text: string): boolean {
  return isLei(text) || isNationalIdShaped(text);
}

const FORMATS: Readonly<Record<Format, (text: string, event: OrderEvent) => boolean>> = {
  lei: isLei,
  person: isNationalIdShaped,
  algorithm: isAlgorithmIdShaped,
  isin: isIsin,
  mic: isMicShaped,
  currency: isCurrency,
  boolean: (text) => text === 'true' || text === 'false',
  time: (text) => TIME.test(text),
  date: (text) => /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(text),
  code: () => true,
  'four-characters': (text) => /^[A-Z0-9]{4}(?:,[A-Z0-9]{4})*$/.test(text),
  validity: (text) => text === 'F' || FOUR_CHARACTERS.test(text),
  text: () => true,
  'text-20': (text) => hasAtMost(text, 20),
  'text-50': (text) => hasAtMost(text, 50),
  'text-52': (text) => hasAtMost(text, 52),
  'text-140': (text) => hasAtMost(text, 140),
  'integer-50': (text) => /^[1-9][0-9]{0,49}$/.test(text),
  price: (text, event) => text === 'PNDG' || text === 'NOAP' || isPrice(text, known(event, 'price_notation')),
  quantity: (text, event) => isDecimal(text, 18, isInUnits(event) ? 17 : 5) && !text.startsWith('-'),
  amount: (text) => isDecimal(text, 18, 5),
  multiplier: (text) => isDecimal(text, 18, 17),
  client: isClient,
  'buyer-or-seller': isClient,
  aggregated: (text) => /^aggregated_[1-9][0-9]*$/.test(text),
  'decision-maker': (text) => text === 'NORE' || isNationalIdShaped(text) || isAlgorithmIdShaped(text),
  party: isParty,
  receiver: (text) => isLei(text) || isMicShaped(text),
  isins: (text) => text.split(',').every(isIsin),
};

function hasAtMost(text: string, codePoints: number): boolean {
  return [...text].length <= codePoints;
}

function isPrice(text: string, notation: string | undefined): boolean {
  if (notation === 'percentage' || notation === 'yield') return isDecimal(text, 11, 10);
  return isDecimal(text, 18, notation === 'basis_points' ? 17 : 13);
}

function isInUnits(event: OrderEvent): boolean {
  const notation = known(event, 'quantity_notation');
  return notation === undefined || notation === 'units';
}

export const FILLS: readonly string[] = ['fill', 'partial_fill'];
const ENDS: readonly string[] = ['fill', 'cancel', 'expire', 'reject'];
const WITHOUT_EVENT_CODE: readonly string[] = ['decide', 'route', 'acknowledge'];
const STOPS: readonly string[] = ['stop', 'stop_limit'];

export const ALWAYS: Condition = { words: 'always', holds: () => true };
export const WHERE_STATED: Condition = { words: 'where it is stated', holds: () => false };
export const IN_FILLS: Condition = { words: 'in fills', holds: ({ action }) => FILLS.includes(action) };
export const IN_THE_BOOK: Condition = {
  words: 'while the order is open',
  holds: ({ action }) => !ENDS.includes(action),
};
export const UNLESS_A_DECISION: Condition = { words: 'but of decisions', holds: ({ action }) => action !== 'decide' };
export const WITH_AN_EVENT_CODE: Condition = {
  words: 'but of decisions, routing and acknowledgements',
  holds: ({ action }) => !WITHOUT_EVENT_CODE.includes(action),
};
/** A client order or decision to deal has one row, whether or not it was recorded apart from the order. */
export const BEGINNINGS = {
  actions: ['create', 'decide'],
  condition: {
    words: 'each `decide`, and each `create` of an order that has none before it',
    holds: ({ action, known: facts }: OrderEvent) => action !== 'create' || !facts.has('decided_at'),
  },
} as const satisfies Regime['rows'];
export const UNLESS_REJECTED: Condition = {
  words: 'unless it is rejected',
  holds: ({ action }) => action !== 'reject',
};
export const FOR_A_CLIENT: Condition = {
  words: 'unless it is for own account',
  holds: (event) => known(event, 'client_id_type') !== 'none' && known(event, 'trading_capacity') !== 'own_account',
};
export const OF_PERSONS: Condition = {
  words: 'of clients who are persons',
  holds: (event) => known(event, 'client_id_type') === 'natural_person',
};
export const DECIDED_WITHIN: Condition = {
  words: 'unless the client decided',
  holds: (event) => known(event, 'investment_decision_maker_type') !== 'client',
};
export const EXECUTED_WITHIN: Condition = {
  words: 'unless the client decided on the execution',
  holds: (event) => known(event, 'execution_decision_maker_type') !== 'client',
};
export const EXECUTED_AND_DECIDED_WITHIN: Condition = {
  words: 'in fills, unless the client decided on the execution',
  holds: (event) => IN_FILLS.holds(event) && EXECUTED_WITHIN.holds(event),
};
export const WITH_A_LIMIT: Condition = {
  words: 'of limit orders, stop limit orders and quotes',
  holds: (event) => ['limit', 'stop_limit', 'quote'].includes(known(event, 'order_type') ?? ''),
};
export const OF_STOPS: Condition = {
  words: 'of stop orders',
  holds: (event) => STOPS.includes(known(event, 'order_type') ?? ''),
};
export const WITH_A_PRICE: Condition = {
  words: 'where there is a price',
  holds: (event) =>
    (['limit_price', 'stop_price', 'pegged_limit_price', 'price'] as const).some(
      (name) => known(event, name) !== undefined,
    ),
};
export const IN_MONEY: Condition = {
  words: 'where the price is money',
  holds: (event) => known(event, 'price_notation') === 'monetary',
};
export const QUANTITY_IN_MONEY: Condition = {
  words: 'where the quantity is nominal or money',
  holds: (event) => ['nominal', 'monetary'].includes(known(event, 'quantity_notation') ?? ''),
};
export const WITH_AN_END: Condition = {
  words: 'where the validity has a time or day',
  holds: (event) => /^good_(?:till|after)_(?:time|date)/.test(known(event, 'validity') ?? ''),
};
/** Field 12 of RTS 24 has of an order that is good for the day when that ends, and of one till cancelled when it is removed in the end. */
export const UNLESS_EXECUTED_AT_ONCE: Condition = {
  words: 'of orders that are good for the day or till cancelled, and where the validity has a time or day',
  holds: (event) => ['day', 'good_till_cancelled'].includes(known(event, 'validity') ?? '') || WITH_AN_END.holds(event),
};
export const WITH_A_LEAST_SIZE: Condition = {
  words: 'where there is a minimum executable size',
  holds: (event) => known(event, 'minimum_executable_size') !== undefined,
};
export const OF_SALES: Condition = {
  words: 'in fills of sales',
  holds: (event) => FILLS.includes(event.action) && known(event, 'side') === 'sell',
};
export const OF_OPTIONS: Condition = {
  words: 'of options',
  holds: (event) => (known(event, 'cfi') ?? '').startsWith('O') || known(event, 'option_type') !== undefined,
};

/** A field that holds what a regime's table shares with others. */
export const CODES = {
  side: { buy: 'BUYI', sell: 'SELL' },
  capacity: { own_account: 'DEAL', matched_principal: 'MTCH', any_other: 'AOTC' },
  priceNotation: { monetary: 'MONE', percentage: 'PERC', yield: 'YIEL', basis_points: 'BAPO' },
  quantityNotation: { units: 'UNIT', nominal: 'NOML', monetary: 'MONE' },
  waivers: {
    reference_price: 'RFPT',
    negotiated_liquid: 'NLIQ',
    negotiated_illiquid: 'OILQ',
    negotiated_conditions: 'PRIC',
    above_size: 'SIZE',
    illiquid: 'ILQD',
  },
  restrictions: { closing_price_crossing: 'SESR', auction_only: 'VFAR', continuous_only: 'VFCR' },
} as const;

/**
 * The event codes of RTS 24, field 21, and RTS 6, Annex II, table 3, field 26. Undefined where the regulations have no
 * event for an action of the vocabulary; any other action is shown as it is.
 */
export function eventCode(event: OrderEvent): Made | undefined {
  if (WITHOUT_EVENT_CODE.includes(event.action)) return undefined;
  const by = event.own.get('initiated_by') ?? 'member';
  const code =
    event.action === 'cancel' && event.own.get('status') === 'expired'
      ? 'EXPI'
      : codeIn(codeIn(EVENTS, event.action) ?? {}, by);
  return { text: code ?? event.action, of: [], isUnknown: code === undefined };
}

const ALL = (code: string): Readonly<Record<string, string>> => ({
  member: code,
  venue_automatic: code,
  venue_human: code,
});

const EVENTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  create: ALL('NEWO'),
  trigger: ALL('TRIG'),
  modify: { member: 'REME', venue_automatic: 'REMA', venue_human: 'REMH' },
  change_status: { member: 'CHME', venue_automatic: 'CHMO', venue_human: 'CHMO' },
  cancel: { member: 'CAME', venue_automatic: 'CAMO', venue_human: 'CAMO' },
  reject: ALL('REMO'),
  expire: ALL('EXPI'),
  partial_fill: ALL('PARF'),
  fill: ALL('FILL'),
};

export const EVENT_CODES = Object.fromEntries(
  ['NEWO', 'TRIG', 'REME', 'REMA', 'REMH', 'CHME', 'CHMO', 'CAME', 'CAMO', 'REMO', 'EXPI', 'PARF', 'FILL'].map(
    (code) => [code, code],
  ),
);

/** Whom an order is for: an id, or AGGR and PNAL where there is none. */
export function clientOf(event: OrderEvent): Made | undefined {
  const type = known(event, 'client_id_type');
  if (type === 'aggregated') return { text: 'AGGR', of: ['client_id_type'] };
  if (type === 'pending_allocation') return { text: 'PNAL', of: ['client_id_type'] };
  return type === 'none' ? undefined : firstKnown(event, ['client_id']);
}

/** A price, or why there is none. */
export function priceOr(names: readonly FactName[]): (event: OrderEvent) => Made | undefined {
  return (event) => {
    const price = firstKnown(event, names);
    if (price) return price;
    const absent = known(event, 'price_absent');
    if (absent === 'pending') return { text: 'PNDG', of: ['price_absent'] };
    return absent === 'not_applicable' ? { text: 'NOAP', of: ['price_absent'] } : undefined;
  };
}

/** The validity by a regime's codes; the venue's own four characters where it is another. */
export function validityBy(codes: Readonly<Record<string, string>>): (event: OrderEvent) => Made | undefined {
  return (event) => {
    const validity = known(event, 'validity');
    if (validity === undefined || validity === 'other') {
      const own = firstKnown(event, ['venue_validity']);
      return own && { ...own, isUnknown: !FOUR_CHARACTERS.test(own.text) };
    }
    const code = codeIn(codes, validity);
    return { text: code ?? validity, of: ['validity'], isUnknown: code === undefined };
  };
}

/** When the validity ends, or for orders that are good after a time, begins. */
export function validityTime(event: OrderEvent): Made | undefined {
  const isAfter = (known(event, 'validity') ?? '').startsWith('good_after');
  return firstKnown(event, isAfter ? ['valid_from'] : ['valid_until']);
}

/** Restrictions in codes, then those of the venue's own. */
export function restrictions(event: OrderEvent): Made | undefined {
  const [own, venue] = [known(event, 'restrictions'), known(event, 'venue_restrictions')];
  const codes: Readonly<Record<string, string>> = CODES.restrictions;
  const stated = own === undefined ? [] : itemsOf(own);
  const items = [...stated.map((item) => codeIn(codes, item) ?? item), ...(venue === undefined ? [] : itemsOf(venue))];
  if (items.length === 0) return undefined;
  const isUnknown = stated.some((item) => codeIn(codes, item) === undefined);
  return { text: items.join(','), of: ['restrictions', 'venue_restrictions'], isUnknown };
}

/** What is open after the event; at the beginning, the whole quantity. */
export function remainingQuantity(event: OrderEvent): Made | undefined {
  const own = event.own.get('remaining_quantity');
  if (own !== undefined) return { text: own, of: ['remaining_quantity'] };
  return event.action === 'create' ? firstKnown(event, ['order_quantity']) : undefined;
}

/** The segment's MIC, or `exchange` where that is one. */
export function venueMic(event: OrderEvent): Made | undefined {
  return placeOf(event, ['segment_mic', 'exchange']);
}

/** The time of an execution, otherwise the event's. */
export function eventTime(event: OrderEvent): Made {
  const executed = FILLS.includes(event.action) ? event.own.get('execution_time') : undefined;
  return executed === undefined ? { text: event.timestamp, of: [] } : { text: executed, of: ['execution_time'] };
}
