/**
 * The names that order events carry in `new_state` and `metadata`: the source of the types, of the JSON Schema, of
 * docs/vocabulary.md, and of what reports read.
 *
 * They state facts in neutral words; a regime's own codes (DAVY, GDAY) are made by its report. Rules of change: a name is
 * never renamed or given another meaning or type, a code never taken away. What is added has the version that added it.
 */

/** Of what a record of a list states. */
export type MemberType = 'text' | 'decimal' | 'boolean';

/** What a value must be; `checks.ts` says it to the letter. */
export type ValueType =
  | { readonly is: 'text' | 'boolean' | 'decimal' | 'integer' | 'timestamp' | 'date' }
  | { readonly is: 'lei' | 'isin' | 'cfi' | 'mic' | 'currency' }
  | { readonly is: 'code' | 'codes'; readonly codes: Readonly<Record<string, string>> }
  | { readonly is: 'isins' | 'texts' }
  | { readonly is: 'records'; readonly members: Readonly<Record<string, MemberType>> };

export interface Term {
  readonly in: 'new_state' | 'metadata';
  readonly type: ValueType;
  /** of the vocabulary; absent: 1 */
  readonly since?: number;
  readonly description: string;
}

export interface Action {
  readonly meaning: string;
  /** as of a term */
  readonly since?: number;
}

export const VOCABULARY_VERSION = 5;

const SHORT_SALES = {
  not_exempt: 'a short sale without an exemption',
  exempt: 'a short sale with an exemption',
  not_short: 'no short sale',
} as const;

/** The actions of an order's events that the vocabulary gives a meaning, in the order of an order's way. Others are kept as they are. */
export const ACTIONS: Readonly<Record<string, Action>> = {
  decide: { meaning: 'the decision to deal is made, or the client order received, before there is an order', since: 2 },
  create: { meaning: 'the order comes into being: received, decided, or entered' },
  route: {
    meaning: 'the order, or a change of it, is sent to a venue or broker; `order_receiver` says to which',
    since: 2,
  },
  acknowledge: { meaning: 'venue or broker say that they have what was sent', since: 2 },
  trigger: { meaning: 'a stop order becomes active' },
  modify: { meaning: 'a term of the order changes' },
  change_status: {
    meaning: 'the order becomes active or inactive, firm or indicative, with its terms as they were',
  },
  partial_fill: { meaning: 'an execution after which something is open' },
  fill: { meaning: 'the execution after which nothing is open' },
  cancel: { meaning: 'the order ends unfilled, by whom `initiated_by` says' },
  expire: { meaning: 'the order ends by its own validity' },
  reject: { meaning: 'the order is refused' },
  void: { meaning: 'with `corrects`: the event never happened' },
};

const TEXT = { is: 'text' } as const;
const BOOLEAN = { is: 'boolean' } as const;
const DECIMAL = { is: 'decimal' } as const;
const INTEGER = { is: 'integer' } as const;
const TIMESTAMP = { is: 'timestamp' } as const;
const DATE = { is: 'date' } as const;
const CURRENCY = { is: 'currency' } as const;

/** Groups in the order of the page, terms by name. */
export const ORDER_VOCABULARY = {
  Instrument: {
    symbol: { in: 'new_state', type: TEXT, description: 'the instrument as the source calls it' },
    isin: { in: 'new_state', type: { is: 'isin' }, description: 'ISO 6166' },
    cfi: { in: 'new_state', type: { is: 'cfi' }, description: 'ISO 10962, complete' },
    instrument_name: { in: 'new_state', type: TEXT, description: 'its full name' },
    financial_instrument: {
      in: 'new_state',
      type: BOOLEAN,
      since: 5,
      description:
        'whether it is a financial instrument (Directive 2014/65/EU, Annex I, Section C): currencies at spot are none, nor is a crypto-asset that is not listed there; it is one where nobody says so',
    },
    venue_traded: {
      in: 'new_state',
      type: BOOLEAN,
      since: 5,
      description:
        'whether Article 26(2) of Regulation (EU) No 600/2014 names it, as that stands on the day: it is admitted to trading or traded on a trading venue, or its admission is asked for; or what it is on is, also an index or a basket with something that is; or it is named there otherwise',
    },
    exchange: {
      in: 'new_state',
      type: TEXT,
      description: 'where it is to trade or has traded; a MIC (ISO 10383) where there is one',
    },
    segment_mic: {
      in: 'new_state',
      type: { is: 'mic' },
      description: 'MIC of the segment, where `exchange` is not that already',
    },
    order_book: { in: 'new_state', type: TEXT, description: "the venue's code of the order book" },
    underlying_isins: {
      in: 'new_state',
      type: { is: 'isins' },
      description: 'of a derivative: the underlying, or the members of the basket',
    },
    option_type: {
      in: 'new_state',
      type: { is: 'code', codes: { put: 'put', call: 'call', other: 'cannot be said when the order is made' } },
      description: 'of an option',
    },
    strike_price: { in: 'new_state', type: DECIMAL, description: 'of an option' },
    strike_price_currency: { in: 'new_state', type: CURRENCY, description: 'of `strike_price`' },
    exercise_style: {
      in: 'new_state',
      type: {
        is: 'code',
        codes: { european: 'European', american: 'American', asian: 'Asian', bermudan: 'Bermudan', other: 'any other' },
      },
      description: 'of an option',
    },
    delivery_type: {
      in: 'new_state',
      type: {
        is: 'code',
        codes: { physical: 'physically settled', cash: 'settled in cash', optional: 'a party or third party chooses' },
      },
      description: 'of a derivative',
    },
    notional_currency: {
      in: 'new_state',
      type: CURRENCY,
      since: 5,
      description: 'of a derivative: of the notional, or of its first leg; `second_leg_currency` is of its second',
    },
    price_multiplier: {
      in: 'new_state',
      type: DECIMAL,
      description: 'units of the underlying that one contract stands for',
    },
    upfront_payment: {
      in: 'new_state',
      type: DECIMAL,
      description: 'positive where the seller receives it',
    },
    upfront_payment_currency: { in: 'new_state', type: CURRENCY, since: 3, description: 'of `upfront_payment`' },
    maturity_date: { in: 'new_state', type: DATE, description: 'of a debt instrument' },
    expiry_date: { in: 'new_state', type: DATE, description: 'of a derivative' },
  },
  Terms: {
    side: {
      in: 'new_state',
      type: { is: 'code', codes: { buy: 'buy', sell: 'sell, short or not' } },
      description: 'which way',
    },
    order_type: {
      in: 'new_state',
      type: {
        is: 'code',
        codes: {
          limit: 'at the limit or better',
          market: 'at any price',
          stop: 'a market order once the stop price is reached',
          stop_limit: 'a limit order once the stop price is reached',
          pegged: 'its limit follows another price',
          quote: 'one side of a quote',
          other: 'as `venue_order_type` says',
        },
      },
      description: 'what kind of order, in neutral words',
    },
    venue_order_type: { in: 'new_state', type: TEXT, description: "the same in the venue's own terms" },
    validity: {
      in: 'new_state',
      type: {
        is: 'code',
        codes: {
          day: 'until the end of the trading day',
          good_till_cancelled: 'until it is cancelled',
          good_till_time: 'until the time of the day in `valid_until`',
          good_till_date: 'until the end of the day in `valid_until`',
          good_till_date_time: 'until `valid_until`',
          good_after_time: 'from the time of the day in `valid_from` on',
          good_after_date: 'from the day in `valid_from` on',
          good_after_date_time: 'from `valid_from` on',
          immediate_or_cancel: 'what is not executed at once is cancelled',
          fill_or_kill: 'executed whole at once, or cancelled',
          other: 'as `venue_validity` says',
        },
      },
      description: 'how long it is good',
    },
    venue_validity: { in: 'new_state', type: TEXT, description: "four characters of the venue's own" },
    valid_until: { in: 'new_state', type: TIMESTAMP, description: 'when it ends by itself' },
    valid_from: { in: 'new_state', type: TIMESTAMP, description: 'before which it is not active' },
    restrictions: {
      in: 'new_state',
      type: {
        is: 'codes',
        codes: {
          closing_price_crossing: 'good for the closing price crossing session',
          auction_only: 'valid for auctions',
          continuous_only: 'valid for continuous trading alone',
        },
      },
      description: 'when it may be executed',
    },
    venue_restrictions: {
      in: 'new_state',
      type: { is: 'texts' },
      description: "restrictions of the venue's own, four characters each",
    },
    passive_only: { in: 'new_state', type: BOOLEAN, description: 'whether it is only to be executed passively' },
    self_execution_prevention: {
      in: 'new_state',
      type: BOOLEAN,
      description: 'whether it was not to be executed against an order of the same member',
    },
    short_sale: {
      in: 'new_state',
      type: {
        is: 'code',
        codes: {
          ...SHORT_SALES,
          undisclosed: 'the client did not say',
        },
      },
      description:
        'of a sale, under Regulation (EU) No 236/2012: of the client, or on own account without one of the firm',
    },
    firm_short_sale: {
      in: 'new_state',
      since: 4,
      type: {
        is: 'code',
        codes: SHORT_SALES,
      },
      description:
        "the same of the firm's own sale, where a client sells as well: the firm deals with the client on own account",
    },
    swap_role: {
      in: 'new_state',
      type: {
        is: 'code',
        codes: {
          pays_fixed: 'pays the fixed rate',
          receives_fixed: 'receives the fixed rate',
          pays_spread: 'pays the spread of a basis swap',
          receives_spread: 'receives the spread of a basis swap',
          takes_price_risk: 'takes the risk of the price in an equity swap',
          gives_price_risk: 'gives the risk of the price away in an equity swap',
          receives_dividends: 'receives the actual dividends of a dividend swap',
          pays_dividends: 'pays the actual dividends of a dividend swap',
          buys_protection: 'buys the protection of a credit derivative',
          sells_protection: 'sells the protection of a credit derivative',
          receives_commodity: 'receives the commodity',
          delivers_commodity: 'delivers the commodity',
        },
      },
      since: 3,
      description: 'of a swap or the like: what the party of the order does, where `side` alone does not say it',
    },
    received_currency: {
      in: 'new_state',
      type: CURRENCY,
      since: 3,
      description: 'of a currency swap or forward: what the party of the order receives; of a currency swap at its end',
    },
    routing_strategy: { in: 'new_state', type: TEXT, description: "the venue's name of it" },
  },
  Prices: {
    price: {
      in: 'new_state',
      type: DECIMAL,
      description: "in fills the execution's; otherwise the order's limit",
    },
    limit_price: { in: 'new_state', type: DECIMAL, description: "the order's limit, also in fills" },
    additional_limit_price: { in: 'new_state', type: DECIMAL, description: 'any second limit' },
    stop_price: { in: 'new_state', type: DECIMAL, description: 'at which a stop order becomes active' },
    pegged_limit_price: {
      in: 'new_state',
      type: DECIMAL,
      description: 'the furthest that a pegged order follows',
    },
    price_absent: {
      in: 'new_state',
      type: {
        is: 'code',
        codes: { pending: 'not known yet', not_applicable: 'there is none' },
      },
      description: 'why there is no price',
    },
    price_notation: {
      in: 'new_state',
      type: {
        is: 'code',
        codes: {
          monetary: 'money, in the major unit',
          percentage: 'per cent',
          yield: 'yield',
          basis_points: 'basis points',
        },
      },
      description: 'of all prices of the event',
    },
    currency: {
      in: 'new_state',
      type: CURRENCY,
      description: 'of the prices, ISO 4217, the major unit (GBP and not pence)',
    },
    second_leg_currency: { in: 'new_state', type: CURRENCY, description: 'of a multi-currency or cross-currency swap' },
    indicative_auction_price: {
      in: 'new_state',
      type: DECIMAL,
      description: 'of an auction that is under way',
    },
  },
  Quantities: {
    quantity: { in: 'new_state', type: DECIMAL, description: "in fills the execution's; otherwise the order's" },
    order_quantity: { in: 'new_state', type: DECIMAL, description: "the order's, also in fills" },
    remaining_quantity: {
      in: 'new_state',
      type: DECIMAL,
      description: 'what is open after the event, hidden quantity included',
    },
    displayed_quantity: { in: 'new_state', type: DECIMAL, description: 'what the order book shows' },
    filled_quantity: { in: 'new_state', type: DECIMAL, description: 'executed so far, this event included' },
    minimum_acceptable_quantity: {
      in: 'new_state',
      type: DECIMAL,
      description: 'the least that may be filled, partial executions summed up',
    },
    minimum_executable_size: { in: 'new_state', type: DECIMAL, description: 'the least size of each execution' },
    minimum_executable_size_first_only: {
      in: 'new_state',
      type: BOOLEAN,
      description: 'whether that is for the first execution alone',
    },
    quantity_notation: {
      in: 'new_state',
      type: {
        is: 'code',
        codes: { units: 'units or contracts', nominal: 'nominal value', monetary: 'amount of money' },
      },
      description: 'of all quantities of the event',
    },
    quantity_currency: {
      in: 'new_state',
      type: CURRENCY,
      description: 'where the quantity is nominal or monetary',
    },
    indicative_auction_volume: { in: 'new_state', type: DECIMAL, description: 'executable at the indicative price' },
  },
  'State in the book': {
    status: {
      in: 'new_state',
      type: {
        is: 'code',
        codes: {
          pending: 'not accepted yet',
          open: 'accepted, nothing executed',
          partially_filled: 'partly executed',
          filled: 'wholly executed',
          cancelled: 'ended unfilled or partly filled',
          expired: 'ended by its validity',
          rejected: 'refused',
          suspended: 'not active for now',
        },
      },
      description: 'of the order after the event',
    },
    book_status: {
      in: 'new_state',
      type: {
        is: 'codes',
        codes: {
          active: 'can be executed',
          inactive: 'cannot be executed',
          firm_quote: 'a firm quote',
          indicative_quote: 'an indicative quote',
          implied: 'of a strategy, in the book by implied functionality',
          routed: 'routed to another venue',
        },
      },
      description: "the order's status at the venue",
    },
    priority_time: { in: 'new_state', type: TIMESTAMP, description: 'anew with each change of priority' },
    priority_size: { in: 'new_state', type: DECIMAL, description: 'in books ordered by size and time' },
    trading_phase: {
      in: 'new_state',
      type: TEXT,
      description: "the venue's name of it: auctions, halts, breakers, suspensions",
    },
  },
  Executions: {
    liquidity: {
      in: 'new_state',
      type: {
        is: 'code',
        codes: { passive: 'was resting in the book', aggressive: 'came to what was resting' },
      },
      description: 'which part the order took in the execution',
    },
    waivers: {
      in: 'new_state',
      type: {
        is: 'codes',
        codes: {
          reference_price: 'reference price system',
          negotiated_liquid: 'negotiated, in a liquid instrument',
          negotiated_illiquid: 'negotiated, in an illiquid instrument',
          negotiated_conditions: 'negotiated, at conditions other than the current market price',
          above_size: 'above a size specific to the instrument',
          illiquid: 'no liquid market',
        },
      },
      description: 'from pre-trade transparency, under which it was executed',
    },
    otc_flags: {
      in: 'new_state',
      type: {
        is: 'codes',
        codes: {
          benchmark: 'at a benchmark price',
          agency_cross: 'two client orders crossed by the firm',
          large_in_scale: 'large in scale, published later',
          illiquid: 'in an illiquid instrument, published later',
          above_size: 'above a size specific to the instrument, published later',
          cancellation: 'takes back what was published',
          amendment: 'changes what was published',
          special_dividend: 'with a special dividend',
          price_improvement: 'received price improvement',
          duplicative: 'reported to more than one publisher',
          not_price_forming: 'does not contribute to the price, for Article 23 of MiFIR',
          package: 'part of a package transaction',
          exchange_for_physical: 'exchange for physical',
        },
      },
      since: 3,
      description: 'of an execution off a trading venue, for what is published after it',
    },
    net_amount: {
      in: 'new_state',
      type: DECIMAL,
      since: 3,
      description: 'of a debt instrument: clean price times nominal value, and accrued interest; without fees',
    },
    accrued_interest: {
      in: 'new_state',
      type: DECIMAL,
      since: 3,
      description: 'of a debt instrument: the amount that is part of `net_amount`; 0 where there is none',
    },
    notional_change: {
      in: 'new_state',
      type: { is: 'code', codes: { increase: 'goes up', decrease: 'goes down' } },
      since: 3,
      description: 'of a derivative whose notional changes: `side` is that of the trade that is changed',
    },
    transaction_nature: {
      in: 'new_state',
      type: {
        is: 'code',
        codes: {
          trade:
            'a purchase, a sale, or a derivative entered, closed, increased or decreased; also when it is not said',
          securities_financing: 'a securities financing transaction',
          clearing_or_settlement: 'a contract for clearing or settlement alone',
          netting: 'settlement of mutual obligations, the net of which is carried forward',
          custodial: 'a result of custody alone',
          novation: 'a party of a derivative is replaced by another after the trade',
          portfolio_compression: 'portfolio compression',
          fund_units: 'units of a fund made or redeemed by its administrator',
          embedded_right: 'a right embedded in an instrument is exercised, or a bond converted',
          predetermined_terms: 'made, expired or redeemed by terms set before, without a decision of the investor',
          predetermined_notional_change: 'the notional changes by terms set before, without a decision of the investor',
          index_recomposition: 'an index or basket changes its members after the execution',
          dividend_reinvestment: 'under a plan to reinvest dividends',
          employee_plan: 'under an employee plan, or of what is left over, below the limits of the exemption',
          exchange_or_tender_offer: 'an exchange or tender offer on a bond, with terms published before',
          collateral_transfer: 'a transfer of collateral alone',
        },
      },
      since: 3,
      description: 'what it is, as Delegated Regulation (EU) 2017/590, Article 2, tells transactions from others',
    },
    sftr_exempt: {
      in: 'new_state',
      type: BOOLEAN,
      since: 3,
      description: 'of securities financing: whether Regulation (EU) 2015/2365 does not have it reported',
    },
    commodity_risk_reducing: {
      in: 'new_state',
      type: BOOLEAN,
      since: 3,
      description: 'of a commodity derivative: whether it reduces the risk of commercial activity',
    },
    complex_trade_id: {
      in: 'metadata',
      type: TEXT,
      since: 3,
      description: 'what the executions of one combination have in common',
    },
    counterparty_id: {
      in: 'metadata',
      type: TEXT,
      since: 3,
      description: 'who is on the other side: an LEI, or a `client_id`; not of anonymous executions on a venue',
    },
    central_counterparty: {
      in: 'metadata',
      type: { is: 'lei' },
      since: 3,
      description: 'that steps in between the sides',
    },
    execution_id: { in: 'metadata', type: TEXT, description: "the reporter's id of the execution (FIX 17)" },
    drop_copy: {
      in: 'metadata',
      type: BOOLEAN,
      since: 4,
      description:
        'whether the event is a copy of what another `source` (venue, broker) or another order tells of: an execution is not reported once more',
    },
    venue_transaction_id: {
      in: 'metadata',
      type: TEXT,
      description: "the venue's transaction identification code, the same for both sides",
    },
    execution_time: { in: 'metadata', type: TIMESTAMP, description: 'when it was executed, by the clock of who did' },
  },
  'Who for, who decided': {
    client_id: {
      in: 'metadata',
      type: TEXT,
      description: "LEI, national id, or the firm's own number; of a DEA user where there is one",
    },
    client_id_type: {
      in: 'metadata',
      type: {
        is: 'code',
        codes: {
          legal_entity: '`client_id` is of a legal entity',
          natural_person: '`client_id` is of a person',
          aggregated: 'several clients together: there is no `client_id`',
          pending_allocation: 'clients to be named later: there is no `client_id`',
          none: 'for own account: there is no client',
        },
      },
      description: 'whom it is for',
    },
    client_first_names: { in: 'metadata', type: TEXT, description: 'of a person, separated by commas' },
    client_surnames: { in: 'metadata', type: TEXT, description: 'of a person, separated by commas' },
    client_birth_date: { in: 'metadata', type: DATE, since: 3, description: 'of a person' },
    client_representative_birth_date: {
      in: 'metadata',
      type: DATE,
      since: 3,
      description: 'of the person who acts for the client',
    },
    client_representative_id: {
      in: 'metadata',
      type: TEXT,
      since: 2,
      description: 'LEI or national id of who acts for the client',
    },
    client_representative_ids: {
      in: 'metadata',
      type: { is: 'texts' },
      since: 4,
      description:
        'where several act for the client, instead of `client_representative_id`: of each an LEI, or what the reference data call it',
    },
    client_representative_first_names: {
      in: 'metadata',
      type: TEXT,
      description: 'of the person who acts for the client',
    },
    client_representative_surnames: {
      in: 'metadata',
      type: TEXT,
      description: 'of the person who acts for the client',
    },
    account: { in: 'metadata', type: TEXT, description: 'into which it goes' },
    investment_decision_maker: {
      in: 'metadata',
      type: TEXT,
      description: 'who within the firm decided what to trade: a person or an algorithm',
    },
    investment_decision_maker_type: {
      in: 'metadata',
      type: {
        is: 'code',
        codes: { natural_person: 'a person', algorithm: 'an algorithm', client: 'decided outside of the firm' },
      },
      description: 'which of them',
    },
    execution_decision_maker: {
      in: 'metadata',
      type: TEXT,
      description: 'who within the firm decided where and how: a person or an algorithm',
    },
    execution_decision_maker_type: {
      in: 'metadata',
      type: {
        is: 'code',
        codes: { natural_person: 'a person', algorithm: 'an algorithm', client: "by the client's instruction" },
      },
      description: 'which of them',
    },
    desk: { in: 'metadata', type: TEXT, description: 'within the firm' },
    branch: { in: 'metadata', type: TEXT, description: 'within the firm; ISO 3166-1 alpha-2 of its country' },
    executing_entity: { in: 'metadata', type: { is: 'lei' }, description: 'the firm' },
    trading_capacity: {
      in: 'metadata',
      type: {
        is: 'code',
        codes: {
          own_account: 'dealing on own account',
          matched_principal: 'matched principal',
          any_other: 'any other capacity',
        },
      },
      description: 'in which the firm acts',
    },
    liquidity_provision: {
      in: 'metadata',
      type: BOOLEAN,
      description: 'whether it is part of a market making strategy or scheme',
    },
    direct_electronic_access: { in: 'metadata', type: BOOLEAN, description: 'whether a DEA user sent it' },
    submitting_member: {
      in: 'metadata',
      type: { is: 'lei' },
      description: 'the member that sent it to the venue; the provider of DEA',
    },
    non_executing_broker: { in: 'metadata', type: { is: 'lei' }, description: 'through whom it came' },
    order_receiver: {
      in: 'metadata',
      type: TEXT,
      description: 'to whom it was sent: LEI of a firm, or MIC of a venue',
    },
    transmission: {
      in: 'metadata',
      type: {
        is: 'code',
        codes: {
          complete: 'with all details that Article 4 of 2017/590 names, and agreed: the receiving firm reports',
          incomplete: 'without them: both firms report',
          none: 'it was not, or is not any more: the firm executes itself, or a venue does',
        },
      },
      since: 3,
      description:
        'of an order that was sent to another firm (`order_receiver`): how. It ends with a cancel or its expiry, and where the order is sent to somebody else; after a refusal, and to another firm, it is stated anew',
    },
    transmitting_firm: {
      in: 'metadata',
      type: { is: 'lei' },
      since: 3,
      description: 'who sent the order to the firm, with all details and agreed',
    },
    initiated_by: {
      in: 'metadata',
      type: {
        is: 'code',
        codes: {
          member: 'the firm or its client; also when it is not said',
          venue_automatic: "the venue's systems",
          venue_human: "the venue's staff",
        },
      },
      description: 'of a modification, cancellation or change of status',
    },
  },
  'Ids and links': {
    client_order_id: { in: 'metadata', type: TEXT, description: 'as the sender calls the order (FIX 11)' },
    order_designation: {
      in: 'metadata',
      type: TEXT,
      description: 'of a client order or decision, before it is processed or sent',
    },
    venue_order_id: { in: 'metadata', type: TEXT, description: 'as venue or broker calls the order (FIX 37)' },
    parent_order_id: { in: 'metadata', type: TEXT, description: '`entity_id` of the order of which this is a part' },
    parent_client_order_id: { in: 'metadata', type: TEXT, description: '`client_order_id` of that order' },
    strategy_linked_order_id: {
      in: 'metadata',
      type: TEXT,
      description: 'what the orders of one strategy have in common',
    },
    venue_sequence_number: { in: 'metadata', type: INTEGER, description: "the venue's own number of the event" },
    aggregation_group: {
      in: 'metadata',
      type: TEXT,
      description: 'what the orders that were aggregated have in common',
    },
    aggregated: { in: 'metadata', type: BOOLEAN, description: 'whether it holds orders of several clients' },
    aggregated_clients: { in: 'metadata', type: INTEGER, description: 'of how many clients' },
    allocations: {
      in: 'metadata',
      type: {
        is: 'records',
        members: {
          ...({ client_id: 'text', account: 'text', quantity: 'decimal', price: 'decimal' } as const),
          ...({
            net_amount: 'decimal',
            accrued_interest: 'decimal',
            short_sale: 'text',
            transmitting_firm: 'text',
          } as const),
          ...({ investment_decision_maker: 'text', investment_decision_maker_type: 'text' } as const),
          ...({ upfront_payment: 'decimal', price_absent: 'text', commodity_risk_reducing: 'boolean' } as const),
        },
      },
      description:
        'what of an aggregated execution went to whom; what else a part has of its own goes before what the event says of the whole',
    },
  },
  'Why and when': {
    reason: { in: 'metadata', type: TEXT, description: 'of a modification, cancellation, refusal or correction' },
    client_instructions: { in: 'metadata', type: TEXT, description: 'what else the client said' },
    order_information: {
      in: 'metadata',
      type: TEXT,
      description: 'parameters sent to the venue, and what it answered',
    },
    order_entry_time: { in: 'metadata', type: TIMESTAMP, description: 'when the order was entered' },
    decision_time: {
      in: 'metadata',
      type: TIMESTAMP,
      description: "when the client's order was received, or the decision to deal made",
    },
    submission_time: { in: 'metadata', type: TIMESTAMP, description: 'when it was sent to venue or broker' },
    message_time: {
      in: 'metadata',
      type: TIMESTAMP,
      description: 'when the message that the event tells of was sent or received',
    },
    modification_time: { in: 'metadata', type: TIMESTAMP, description: 'when it was changed' },
  },
  Clocks: {
    clock_id: { in: 'metadata', type: TEXT, description: 'the clock that gave the `timestamp`' },
    clock_class: {
      in: 'metadata',
      type: {
        is: 'code',
        codes: {
          venue_above_1ms: 'venue (from 2 March 2026 also systematic internaliser), gateway-to-gateway above 1 ms',
          venue_up_to_1ms: 'the same, up to 1 ms',
          venue_voice: 'the same: voice, request for quote with a human response, negotiated',
          member_high_frequency: 'member or user: high-frequency algorithmic technique',
          member_voice: 'member or user: voice, request for quote with a human response, negotiated',
          member_other: 'member or user: any other activity',
          publication: 'designated publishing entity, APA, CTP',
        },
      },
      description: 'the activity, as the clock rules divide it',
    },
    clock_divergence_ns: {
      in: 'metadata',
      type: INTEGER,
      description: "the clock's divergence from UTC as last measured, in nanoseconds; minus: behind",
    },
    capture_point: {
      in: 'metadata',
      type: TEXT,
      description: 'where in the system the time is taken, for example `gateway-in`',
    },
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, Term>>>>;

type Groups = typeof ORDER_VOCABULARY;
type UnionToIntersection<U> = (U extends unknown ? (u: U) => void : never) extends (i: infer I) => void ? I : never;
type Terms = UnionToIntersection<Groups[keyof Groups]>;

/** A name of the vocabulary. */
export type TermName = keyof Terms;

/** All terms, by name. No name is in both `new_state` and `metadata`. */
export const TERMS = Object.assign({}, ...Object.values(ORDER_VOCABULARY)) as Readonly<Record<TermName, Term>>;
export const TERM_NAMES = Object.keys(TERMS) as TermName[];

type Value<T> = T extends { is: 'code'; codes: infer C }
  ? keyof C
  : T extends { is: 'codes'; codes: infer C }
    ? (keyof C)[]
    : T extends { is: 'boolean' }
      ? boolean
      : T extends { is: 'isins' | 'texts' }
        ? string[]
        : T extends { is: 'records'; members: infer M }
          ? { [K in keyof M]?: M[K] extends 'boolean' ? boolean : string }[]
          : string;

type Part<In extends Term['in']> = {
  [Name in TermName as Terms[Name] extends { in: In } ? Name : never]?: Value<
    Terms[Name] extends { type: infer T } ? T : never
  >;
};

/** `new_state` of an order's event, as far as the vocabulary knows it. Decimals and times are texts. */
export type OrderState = Part<'new_state'>;
/** `metadata` of an order's event, as far as the vocabulary knows it. */
export type OrderContext = Part<'metadata'>;
