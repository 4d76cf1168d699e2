import { isLei } from '../../identifiers/lei.js';
import { algorithmWhich, byAPerson, isAlgorithm, PARTIES, personWho, type Decision } from './annex4-parties.js';
import {
  ALWAYS,
  clientOf,
  CODES,
  FILLS,
  firstKnown,
  FOR_A_CLIENT,
  IN_FILLS,
  IN_MONEY,
  itemsOf,
  known,
  OF_OPTIONS,
  OF_SALES,
  priceOr,
  remainingQuantity,
  venueMic,
  WHERE_STATED,
  WITH_A_PRICE,
  type Condition,
  type Made,
  type OrderEvent,
  type Regime,
} from './regime.js';

const EXECUTION: Decision = { maker: 'execution_decision_maker', type: 'execution_decision_maker_type' };

const BY_A_PERSON = byAPerson(EXECUTION, 'unless the client or an algorithm decided on the execution');
const EXECUTED_BY_A_PERSON: Condition = {
  words: `in fills, ${BY_A_PERSON.words}`,
  holds: (event) => IN_FILLS.holds(event) && BY_A_PERSON.holds(event),
};
const EXECUTED_BY_AN_ALGORITHM: Condition = {
  words: 'where an algorithm decided on the execution',
  holds: (event) => isAlgorithm(event, EXECUTION),
};
const ONCE_TAKEN: Condition = {
  words: 'in acknowledgements and fills',
  holds: (event) => event.action === 'acknowledge' || IN_FILLS.holds(event),
};
const OF_AGGREGATES: Condition = {
  words: 'of aggregated orders',
  holds: (event) => known(event, 'aggregated') === 'true',
};
const OF_PURCHASES: Condition = {
  words: 'in fills of purchases',
  holds: (event) => IN_FILLS.holds(event) && known(event, 'side') === 'buy',
};
const OF_CHANGING_QUANTITIES: Condition = {
  words: 'of new orders, changes and fills',
  holds: (event) => ['create', 'modify'].includes(event.action) || IN_FILLS.holds(event),
};
const OF_SHORT_SALES: Condition = {
  words: 'in fills of short sales',
  holds: (event) => OF_SALES.holds(event) && ['exempt', 'not_exempt'].includes(known(event, 'short_sale') ?? ''),
};

/** By its LEI: a venue has a MIC. */
function isSentToAFirm(event: OrderEvent): boolean {
  return isLei(known(event, 'order_receiver') ?? '');
}

const UNLESS_SENT_TO_A_FIRM: Condition = {
  words: 'unless it was sent to another firm',
  holds: (event) => !isSentToAFirm(event),
};
/** Whether an event says that it tells of a message. */
function tellsOfAMessage({ action, own, raw }: OrderEvent): boolean {
  return action === 'route' || action === 'acknowledge' || own.has('message_time') || raw !== null;
}
const OF_MESSAGES_TO_VENUES: Condition = {
  words:
    'of routing, acknowledgements and what states `message_time` or has a raw message, unless sent to another firm',
  holds: (event) => tellsOfAMessage(event) && !isSentToAFirm(event),
};
const OF_MESSAGES_TO_FIRMS: Condition = {
  words: 'of the same, where it was sent to another firm',
  holds: (event) => tellsOfAMessage(event) && isSentToAFirm(event),
};

function messageTime(event: OrderEvent): Made | undefined {
  const own = event.own.get('message_time');
  if (own !== undefined) return { text: own, of: ['message_time'] };
  return tellsOfAMessage(event) ? { text: event.timestamp, of: [] } : undefined;
}

/** As it came; otherwise what is said of it. */
function message({ raw, own }: OrderEvent): Made | undefined {
  if (raw) return { text: raw.toString('base64'), of: [] };
  const information = own.get('order_information');
  return information === undefined ? undefined : { text: information, of: ['order_information'] };
}

/** Who buys or sells as far as an order says it: its client, or the firm. The other side is the market's. */
function partyOn(side: 'buy' | 'sell'): (event: OrderEvent) => Made | undefined {
  return (event) => {
    if (known(event, 'side') !== side) return undefined;
    return FOR_A_CLIENT.holds(event) ? clientOf(event) : firstKnown(event, ['executing_entity']);
  };
}

const priceOfOrder = priceOr(['limit_price', 'stop_price']);

function priceOfEvent(event: OrderEvent): Made | undefined {
  if (!FILLS.includes(event.action)) return priceOfOrder(event);
  const price = event.own.get('price');
  if (price !== undefined) return { text: price, of: ['price'] };
  return event.own.get('price_absent') === 'not_applicable' ? { text: 'NOAP', of: ['price_absent'] } : undefined;
}

function shortSale(event: OrderEvent): Made | undefined {
  return OF_SALES.holds(event) ? firstKnown(event, ['short_sale']) : undefined;
}

/** Section 2. */
export const ANNEX4_TRANSACTIONS: Regime = {
  name: 'annex4-transactions',
  title: '2017/565 Annex IV: transactions and order processing',
  source: 'Delegated Regulation (EU) 2017/565, Annex IV, section 2',
  version: 1,
  fields: [
    ...PARTIES,
    {
      number: '5',
      column: 'transaction_reference',
      title: 'Transaction reference number',
      terms: ['execution_id'],
      isOwn: true,
      format: 'text-52',
      required: IN_FILLS,
    },
    {
      number: '6',
      column: 'order_identification',
      title: 'Order identification of the firm',
      terms: [],
      make: ({ orderId }) => ({ text: orderId, of: [] }),
      format: 'text-50',
      required: ALWAYS,
    },
    {
      number: '7',
      column: 'venue_order_id',
      title: 'Order identification code assigned by the venue',
      terms: ['venue_order_id'],
      format: 'text-50',
      required: ONCE_TAKEN,
    },
    {
      number: '8',
      column: 'aggregated_orders',
      title: 'Identification of a group of aggregated client orders',
      terms: ['aggregated_clients'],
      make: (event) => {
        const clients = known(event, 'aggregated_clients');
        return clients === undefined ? undefined : { text: `aggregated_${clients}`, of: ['aggregated_clients'] };
      },
      format: 'aggregated',
      required: OF_AGGREGATES,
    },
    {
      number: '8g',
      column: 'aggregation_group',
      title: 'Identification of a group of aggregated client orders: which group',
      terms: ['aggregation_group'],
      format: 'text',
      required: OF_AGGREGATES,
    },
    {
      number: '9',
      column: 'segment_mic',
      title: 'Segment MIC of the venue to which the order was submitted',
      terms: ['segment_mic', 'exchange'],
      make: (event) => (isSentToAFirm(event) ? undefined : venueMic(event)),
      format: 'mic',
      required: UNLESS_SENT_TO_A_FIRM,
    },
    {
      number: '10',
      column: 'transmitted_to',
      title: 'Person to whom the order was transmitted',
      terms: ['order_receiver'],
      format: 'receiver',
      required: WHERE_STATED,
    },
    {
      number: '11b',
      column: 'buyer',
      title: 'Buyer',
      terms: ['client_id', 'client_id_type', 'executing_entity'],
      make: partyOn('buy'),
      format: 'buyer-or-seller',
      required: OF_PURCHASES,
    },
    {
      number: '11s',
      column: 'seller',
      title: 'Seller',
      terms: ['client_id', 'client_id_type', 'executing_entity'],
      make: partyOn('sell'),
      format: 'buyer-or-seller',
      required: OF_SALES,
    },
    {
      number: '12',
      column: 'trading_capacity',
      title: 'Trading capacity',
      terms: ['trading_capacity'],
      codes: CODES.capacity,
      format: 'code',
      required: ALWAYS,
    },
    {
      number: '13',
      column: 'execution_trader',
      title: 'Trader responsible for the execution',
      terms: ['execution_decision_maker', 'execution_decision_maker_type'],
      make: personWho(EXECUTION),
      format: 'person',
      required: EXECUTED_BY_A_PERSON,
    },
    {
      number: '14',
      column: 'execution_algorithm',
      title: 'Algorithm responsible for the execution',
      terms: ['execution_decision_maker', 'execution_decision_maker_type'],
      make: algorithmWhich(EXECUTION),
      format: 'algorithm',
      required: EXECUTED_BY_AN_ALGORITHM,
    },
    {
      number: '15',
      column: 'buy_sell',
      title: 'B/S indicator',
      terms: ['side'],
      codes: CODES.side,
      format: 'code',
      required: ALWAYS,
    },
    {
      number: '16',
      column: 'instrument',
      title: 'Instrument identification',
      terms: ['isin'],
      format: 'isin',
      required: ALWAYS,
    },
    {
      number: '17',
      column: 'ultimate_underlying',
      title: 'Ultimate underlying',
      terms: ['underlying_isins'],
      make: (event) => {
        const underlying = known(event, 'underlying_isins');
        return underlying === undefined ? undefined : { text: itemsOf(underlying).join(','), of: ['underlying_isins'] };
      },
      format: 'isins',
      required: OF_OPTIONS,
    },
    {
      number: '18',
      column: 'put_call',
      title: 'Put/call identifier',
      terms: ['option_type'],
      codes: { put: 'PUTO', call: 'CALL', other: 'OTHR' },
      format: 'code',
      required: OF_OPTIONS,
    },
    {
      number: '19',
      column: 'strike_price',
      title: 'Strike price',
      terms: ['strike_price'],
      format: 'price',
      required: OF_OPTIONS,
    },
    {
      number: '20',
      column: 'upfront_payment',
      title: 'Up-front payment',
      terms: ['upfront_payment'],
      format: 'amount',
      required: WHERE_STATED,
    },
    {
      number: '21',
      column: 'delivery_type',
      title: 'Delivery type',
      terms: ['delivery_type'],
      codes: { physical: 'PHYS', cash: 'CASH', optional: 'OPTL' },
      format: 'code',
      required: OF_OPTIONS,
    },
    {
      number: '22',
      column: 'option_style',
      title: 'Option style',
      terms: ['exercise_style'],
      codes: { european: 'EURO', american: 'AMER', asian: 'ASIA', bermudan: 'BERM', other: 'OTHR' },
      format: 'code',
      required: OF_OPTIONS,
    },
    {
      number: '23',
      column: 'maturity_date',
      title: 'Maturity date',
      terms: ['maturity_date', 'expiry_date'],
      format: 'date',
      required: OF_OPTIONS,
    },
    {
      number: '24',
      column: 'price_notation',
      title: 'Unit price and price notation: the notation',
      terms: ['price_notation'],
      codes: CODES.priceNotation,
      format: 'code',
      required: WITH_A_PRICE,
    },
    {
      number: '25',
      column: 'price',
      title: 'Price: of the execution; before that, the limit or stop',
      terms: ['price', 'limit_price', 'stop_price', 'price_absent'],
      make: priceOfEvent,
      format: 'price',
      required: ALWAYS,
    },
    {
      number: '26',
      column: 'price_multiplier',
      title: 'Price multiplier',
      terms: ['price_multiplier'],
      format: 'multiplier',
      required: ALWAYS,
    },
    {
      number: '27',
      column: 'currency_1',
      title: 'Currency 1',
      terms: ['currency'],
      format: 'currency',
      required: IN_MONEY,
    },
    {
      number: '28',
      column: 'currency_2',
      title: 'Currency 2',
      terms: ['second_leg_currency'],
      format: 'currency',
      required: WHERE_STATED,
    },
    {
      number: '29',
      column: 'remaining_quantity',
      title: 'Remaining quantity',
      terms: ['remaining_quantity', 'order_quantity'],
      make: remainingQuantity,
      format: 'quantity',
      required: OF_CHANGING_QUANTITIES,
    },
    {
      number: '30',
      column: 'modified_quantity',
      title: 'Modified quantity',
      terms: ['order_quantity'],
      make: ({ action, own }) => {
        const quantity = action === 'modify' ? own.get('order_quantity') : undefined;
        return quantity === undefined ? undefined : { text: quantity, of: ['order_quantity'] };
      },
      format: 'quantity',
      required: WHERE_STATED,
    },
    {
      number: '31',
      column: 'executed_quantity',
      title: 'Executed quantity',
      terms: ['quantity'],
      make: ({ action, own }) => {
        const quantity = FILLS.includes(action) ? own.get('quantity') : undefined;
        return quantity === undefined ? undefined : { text: quantity, of: ['quantity'] };
      },
      format: 'quantity',
      required: IN_FILLS,
    },
    {
      number: '32',
      column: 'submission_time',
      title: 'Date and exact time of submission of the order or decision to deal',
      terms: ['submission_time', 'order_entry_time', 'created_at', 'decided_at'],
      format: 'time',
      required: ALWAYS,
    },
    {
      number: '33',
      column: 'venue_message_time',
      title: 'Date and exact time of a message to or from the venue',
      terms: ['message_time'],
      make: (event) => (isSentToAFirm(event) ? undefined : messageTime(event)),
      format: 'time',
      required: OF_MESSAGES_TO_VENUES,
    },
    {
      number: '34',
      column: 'firm_message_time',
      title: 'Date and exact time of a message to or from another firm',
      terms: ['message_time'],
      make: (event) => (isSentToAFirm(event) ? messageTime(event) : undefined),
      format: 'time',
      required: OF_MESSAGES_TO_FIRMS,
    },
    {
      number: '35',
      column: 'venue_message',
      title: 'Message to or from the venue, in base64',
      terms: ['order_information'],
      make: (event) => (isSentToAFirm(event) ? undefined : message(event)),
      format: 'text',
      required: OF_MESSAGES_TO_VENUES,
    },
    {
      number: '36',
      column: 'firm_message',
      title: 'Other details and conditions to or from another firm: the message, in base64',
      terms: ['order_information'],
      make: (event) => (isSentToAFirm(event) ? message(event) : undefined),
      format: 'text',
      required: OF_MESSAGES_TO_FIRMS,
    },
    {
      number: '37',
      column: 'sequence',
      title: 'Sequence of the events of the order',
      terms: [],
      make: ({ sequence }) => ({ text: sequence, of: [] }),
      format: 'integer-50',
      required: ALWAYS,
    },
    {
      number: '38',
      column: 'short_selling',
      title: 'Short selling flag',
      terms: ['short_sale'],
      codes: { not_exempt: 'SESH', exempt: 'SSEX', not_short: 'SELL', undisclosed: 'UNDI' },
      make: shortSale,
      format: 'code',
      required: OF_SALES,
    },
    {
      number: '39',
      column: 'short_selling_exemption',
      title: 'Exemption flag of Regulation (EU) No 236/2012',
      terms: ['short_sale'],
      make: (event) => {
        const short = shortSale(event);
        if (short?.text !== 'exempt' && short?.text !== 'not_exempt') return undefined;
        return { text: String(short.text === 'exempt'), of: ['short_sale'] };
      },
      format: 'boolean',
      required: OF_SHORT_SALES,
    },
    {
      number: '40',
      column: 'waiver',
      title: 'Waiver flag',
      terms: ['waivers'],
      isOwn: true,
      codes: CODES.waivers,
      format: 'code',
      required: WHERE_STATED,
    },
  ],
};
