import { BANK, BOND, FIRM, SHARE } from './made-transactions.js';

/** An execution in which one thing is wrong, as it is sent. */
export interface Mistake {
  /** the field that must be told */
  field: number;
  /** others that are wrong with it */
  also: readonly number[];
  state: Record<string, unknown>;
  metadata: Record<string, unknown>;
}

const OWN = {
  ...{ trading_capacity: 'own_account', client_id_type: 'none', venue_transaction_id: 'M1' },
  ...{ investment_decision_maker: 'MM7', investment_decision_maker_type: 'algorithm' },
  ...{ execution_decision_maker: 'SOR7V3', execution_decision_maker_type: 'algorithm' },
};
const AGENCY = {
  ...{ trading_capacity: 'any_other', investment_decision_maker_type: 'client', counterparty_id: BANK },
  ...{ execution_decision_maker: 'SOR7V3', execution_decision_maker_type: 'algorithm' },
};
const IN_SHARE = { isin: SHARE, side: 'buy', quantity: '1', price: '61' };
const ON_VENUE = { ...IN_SHARE, exchange: 'XPAR' };
const OFF_VENUE = { ...IN_SHARE, exchange: 'XOFF' };
const IN_BOND = {
  ...{ isin: BOND, side: 'buy', exchange: 'XOFF', quantity: '1000', quantity_notation: 'nominal', price: '99' },
  ...{ price_notation: 'percentage', accrued_interest: '0' },
};
/** An option that the event describes. */
const OPTION = {
  ...{ side: 'buy', quantity: '3', quantity_notation: 'units', price: '2.15', currency: 'EUR', cfi: 'HESAVP' },
  ...{ instrument_name: 'A put', price_multiplier: '100', underlying_isins: [SHARE], option_type: 'put' },
  ...{ strike_price: '65.5', strike_price_currency: 'EUR', exercise_style: 'american', delivery_type: 'physical' },
  expiry_date: '2026-12-18',
};
const WITH_BANK = { ...OWN, counterparty_id: BANK };
/** Persons without an entry, by a national id. */
const PERSON = {
  ...{
    client_id: 'ES12345678Z',
    client_id_type: 'natural_person',
    client_first_names: 'Ana',
    client_surnames: 'Ejemplo',
  },
  client_birth_date: '1970-01-31',
};
const REPRESENTATIVE = {
  ...{ client_id: 'C-2', client_representative_id: 'ES12345678Z', client_representative_first_names: 'Ana' },
  ...{ client_representative_surnames: 'Ejemplo', client_representative_birth_date: '1970-01-31' },
};

const wrong = (field: number, state: object, metadata: object, also: readonly number[] = []): Mistake => ({
  ...{ field, also, state: { ...state }, metadata: { ...metadata } },
});

/** Fields about a side of the report, first those of the buyer. */
const ofSides = (['buy', 'sell'] as const).flatMap((side, i): Mistake[] => {
  const state = { ...OFF_VENUE, side, ...(side === 'sell' ? { short_sale: 'not_short' } : {}) };
  const own = (field: number, metadata: object): Mistake => wrong(field + 9 * i, state, { ...AGENCY, ...metadata });
  return [
    own(7, { client_id: 'C-99' }),
    own(8, { client_id: 'M-BRANCH' }),
    own(9, { ...PERSON, client_first_names: undefined }),
    own(10, { ...PERSON, client_surnames: 'Ejem\u0007plo' }),
    own(11, { ...PERSON, client_birth_date: '1970-02-31' }),
    own(12, { ...REPRESENTATIVE, client_representative_id: 'R-99' }),
    own(13, { ...REPRESENTATIVE, client_representative_first_names: undefined }),
    own(14, { ...REPRESENTATIVE, client_representative_surnames: 'Ejem\u0007plo' }),
    own(15, { ...REPRESENTATIVE, client_representative_birth_date: undefined }),
    wrong(26 + i, state, { ...AGENCY, client_id: 'C-1', branch: 'IT', transmitting_firm: '9695TESTFIRM00000113' }),
  ];
});

/** Each field that events can make wrong, wrong once. */
export const MISTAKES: readonly Mistake[] = [
  wrong(3, ON_VENUE, { ...OWN, venue_transaction_id: 'a_b' }),
  ...ofSides,
  wrong(25, OFF_VENUE, { ...AGENCY, client_id: 'C-1', transmission: 'perhaps' }),
  wrong(28, ON_VENUE, { ...OWN, execution_time: 'at noon' }),
  wrong(29, ON_VENUE, { ...OWN, trading_capacity: 'principal' }, [7]),
  wrong(30, { ...ON_VENUE, quantity: '0' }, OWN),
  wrong(31, { ...IN_BOND, quantity_currency: 'EUX' }, WITH_BANK),
  wrong(32, { ...ON_VENUE, notional_change: 'increase' }, OWN),
  wrong(33, { ...ON_VENUE, price: '-61' }, OWN),
  wrong(34, { ...ON_VENUE, currency: 'GBX' }, OWN),
  wrong(34, { ...OPTION, notional_currency: 'EUR', currency: 'HRK' }, WITH_BANK),
  wrong(35, { ...IN_BOND, accrued_interest: undefined }, WITH_BANK),
  wrong(36, { ...OFF_VENUE, exchange: 'ZZZZ' }, WITH_BANK),
  wrong(37, { ...IN_SHARE, exchange: 'XMIS' }, WITH_BANK),
  wrong(38, { ...ON_VENUE, upfront_payment: '5', upfront_payment_currency: 'EUR' }, OWN),
  wrong(39, { ...OPTION, upfront_payment: '5', upfront_payment_currency: 'EURO' }, WITH_BANK),
  wrong(41, { ...ON_VENUE, isin: 'FR0000131105' }, OWN, [34]),
  wrong(42, { ...OPTION, instrument_name: undefined }, WITH_BANK),
  wrong(43, { ...OPTION, cfi: 'HZSAVP' }, WITH_BANK),
  wrong(44, { ...OPTION, currency: 'HRK' }, WITH_BANK, [34]),
  wrong(44, { ...OPTION, notional_currency: 'HRK' }, WITH_BANK),
  wrong(45, { ...OPTION, second_leg_currency: 'EUR' }, WITH_BANK),
  wrong(46, { ...OPTION, price_multiplier: '0' }, WITH_BANK),
  wrong(47, { ...OPTION, underlying_isins: [SHARE, 'FR0000131105'] }, WITH_BANK),
  wrong(
    49,
    { symbol: 'M-TERM', side: 'buy', quantity: '3', quantity_notation: 'units', price: '2', currency: 'EUR' },
    WITH_BANK,
  ),
  wrong(50, { ...OPTION, option_type: 'straddle' }, WITH_BANK),
  wrong(51, { ...OPTION, strike_price: undefined }, WITH_BANK),
  wrong(52, { ...OPTION, strike_price_currency: undefined }, WITH_BANK),
  wrong(53, { ...OPTION, exercise_style: undefined }, WITH_BANK),
  wrong(54, { ...OPTION, maturity_date: '2030-01-01' }, WITH_BANK),
  wrong(55, { ...OPTION, expiry_date: '2025-06-02' }, WITH_BANK),
  wrong(56, { ...OPTION, delivery_type: undefined }, WITH_BANK),
  wrong(57, ON_VENUE, { ...OWN, investment_decision_maker: undefined }),
  wrong(58, ON_VENUE, { ...OWN, investment_decision_maker: 'M-T', investment_decision_maker_type: undefined }),
  wrong(59, ON_VENUE, { ...OWN, execution_decision_maker: undefined }),
  wrong(60, ON_VENUE, { ...OWN, execution_decision_maker: 'M-T', execution_decision_maker_type: undefined }),
  wrong(61, { ...ON_VENUE, waivers: ['reference_price', 'nonsense'] }, OWN),
  wrong(62, { ...ON_VENUE, side: 'sell' }, OWN),
  wrong(63, { ...OFF_VENUE, otc_flags: ['nonsense'] }, WITH_BANK),
  wrong(64, { symbol: 'M-POWER', side: 'buy', exchange: 'XPAR', quantity: '1', price: '1' }, OWN),
  wrong(65, { ...OFF_VENUE, transaction_nature: 'securities_financing', sftr_exempt: 'perhaps' }, WITH_BANK),
];

/** What these name: a branch that was closed, a client and a trader of it, a venue without a membership. */
export const MISTAKEN_REFERENCE: Readonly<Record<string, string>> = {
  branch: `branch_id,legal_entity,country,valid_from,valid_to
M-OLD,${FIRM},IT,2018-01-03,2020-01-01
`,
  trader: `trader_id,person_id,person_id_scheme,first_name,surname,branch,valid_from
M-T,DE19800307CAMILTESTE,CONCAT,Camille,Testeur,M-OLD,2018-01-03
`,
  client: `client_id,name,lei,branch,valid_from
M-BRANCH,A company,5493001KJTIIGC8Y1R12,M-OLD,2018-01-03
`,
  venue: `mic,name,operating_mic,segment,country,category,valid_from
XMIS,Without a membership,XMIS,OPRT,DE,RMKT,2018-01-03
`,
  instrument: `isin,name,symbol,cfi,currency,listed_from,notional_currency,price_multiplier,underlying,option_type,strike_price,strike_notation,exercise_style,expiry_date,delivery_type,valid_from
XS0000004001,An option without a term,M-TERM,HRBAVP,,,EUR,1,${BOND} index:EURI,put,2.5,percentage,european,2026-12-18,cash,2018-01-03
XS0000004019,A future on electricity,M-POWER,FCNPSX,EUR,2018-01-03,,,,,,,,,,2018-01-03
`,
};

/** What reference data cannot be made to say: a column with such a text is refused, by which rule. */
export const REFUSED: readonly { field: number; kind: string; column: string; rule: string; entry: object }[] = [
  {
    ...{ field: 6, kind: 'legal-entity', column: 'submitting_entity', rule: 'lei' },
    entry: { lei: FIRM, name: 'Test Firm', country: 'FR', submitting_entity: '9695TESTBROKER000138' },
  },
  {
    ...{ field: 48, kind: 'instrument', column: 'underlying', rule: 'underlyings' },
    entry: { isin: SHARE, name: 'An option', underlying: 'index:A_NAME_OF_AN_INDEX_THAT_IS_TOO_LONG' },
  },
];
