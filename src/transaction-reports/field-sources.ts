import type { FactName } from '../reports/regimes/regime.js';

/** What a field is made of, as the lineage of its values names it, or as it decides on them. */
export interface FieldSources {
  /** of events */
  names: readonly (FactName | 'event_id' | 'timestamp')[];
  /** of reference data: kinds with the columns that count, `client: lei, branch` */
  entries: Readonly<Record<string, readonly string[]>>;
}

/** Where an entry of an instrument counts, the names by which it is found do too. */
const of = (names: FieldSources['names'] = [], entries: Readonly<Record<string, string>> = {}): FieldSources => ({
  names: [...new Set([...names, ...('instrument' in entries ? (['isin', 'symbol'] as const) : [])])],
  entries: Object.fromEntries(Object.entries(entries).map(([kind, columns]) => [kind, columns.split(' ')])),
});

const PERSON = 'person_id person_id_scheme nationality national_id passport no_national_id no_passport';
const NAMES = 'first_name surname birth_date';

const PARTY = of(
  [
    ...(['side', 'swap_role', 'received_currency', 'notional_change', 'trading_capacity', 'client_id'] as const),
    ...(['client_id_type', 'aggregated', 'allocations', 'counterparty_id', 'order_receiver', 'transmission'] as const),
    ...(['central_counterparty', 'segment_mic', 'exchange'] as const),
  ],
  { client: `lei joint_holders ${PERSON}`, venue: 'lei central_counterparty kind category country' },
);
const PARTY_BRANCH = of(['branch'], { client: 'branch', branch: 'country', 'legal-entity': 'country' });
const PARTY_NAMES = of(
  [
    ...(['client_id', 'allocations', 'counterparty_id'] as const),
    ...(['client_first_names', 'client_surnames', 'client_birth_date'] as const),
  ],
  { client: NAMES },
);
const MAKER = of(['client_representative_id', 'client_representative_ids'], {
  client: 'decision_maker',
  representative: `lei ${PERSON}`,
});
const MAKER_NAMES = of(
  [
    ...(['client_representative_id', 'client_representative_ids', 'client_representative_first_names'] as const),
    ...(['client_representative_surnames', 'client_representative_birth_date'] as const),
  ],
  { client: 'decision_maker', representative: NAMES },
);
const DECISION = { trader: 'person_id person_id_scheme', algorithm: 'algorithm_id' };
const DECISION_BRANCH = of([], { trader: 'branch', branch: 'country', 'legal-entity': 'country' });
const UNDERLYING = of(['underlying_isins'], { instrument: 'underlying received_by_buyer paid_by_buyer' });

const instrument = (column: string, ...names: FactName[]): FieldSources => of(names, { instrument: column });

const SIDE = [PARTY, PARTY_BRANCH, PARTY_NAMES, PARTY_NAMES, PARTY_NAMES, MAKER, MAKER_NAMES, MAKER_NAMES, MAKER_NAMES];

/** By the numbers of the fields, from 1. */
export const FIELD_SOURCES: readonly FieldSources[] = [
  of(['event_id']),
  of(['event_id']),
  of(['venue_transaction_id', 'segment_mic', 'exchange'], { venue: 'kind category country' }),
  of(['executing_entity'], { 'legal-entity': 'investment_firm' }),
  of([], { 'legal-entity': 'investment_firm' }),
  of([], { 'legal-entity': 'submitting_entity' }),
  ...SIDE,
  ...SIDE,
  of(['transmission', 'trading_capacity']),
  of(['transmitting_firm', 'allocations']),
  of(['transmitting_firm', 'allocations']),
  of(['execution_time', 'timestamp']),
  of(['trading_capacity', 'allocations']),
  of(['quantity', 'quantity_notation', 'allocations', 'cfi'], { instrument: 'cfi' }),
  of(['quantity_currency', 'notional_currency', 'currency'], { instrument: 'notional_currency currency' }),
  of(['notional_change']),
  of(['price', 'price_absent', 'price_notation', 'allocations']),
  of(['currency'], { instrument: 'currency' }),
  of(['net_amount', 'accrued_interest', 'price', 'quantity', 'allocations', 'cfi'], { instrument: 'cfi' }),
  of(['segment_mic', 'exchange', 'counterparty_id', 'transmission'], {
    ...{ venue: 'mic kind category country', instrument: 'listed_from listed_to' },
  }),
  of(['segment_mic', 'exchange'], {
    ...{ membership: 'member_venue branch', branch: 'country', 'legal-entity': 'country', venue: 'operating_mic' },
  }),
  of(['upfront_payment']),
  of(['upfront_payment_currency', 'notional_currency', 'currency'], { instrument: 'notional_currency' }),
  of(['complex_trade_id']),
  of(['isin', 'symbol'], { instrument: 'isin symbol listed_from listed_to' }),
  instrument('name', 'instrument_name'),
  instrument('cfi', 'cfi'),
  instrument('notional_currency', 'notional_currency', 'currency'),
  instrument('notional_currency_2', 'second_leg_currency'),
  instrument('price_multiplier', 'price_multiplier'),
  UNDERLYING,
  UNDERLYING,
  UNDERLYING,
  instrument('option_type', 'option_type'),
  instrument('strike_price strike_notation', 'strike_price'),
  instrument('strike_currency', 'strike_price_currency'),
  instrument('exercise_style', 'exercise_style'),
  instrument('maturity_date', 'maturity_date'),
  instrument('expiry_date', 'expiry_date'),
  instrument('delivery_type', 'delivery_type'),
  of(['investment_decision_maker', 'investment_decision_maker_type', 'allocations'], {
    ...{ ...DECISION, client: 'decision_maker' },
  }),
  DECISION_BRANCH,
  of(['execution_decision_maker', 'execution_decision_maker_type'], DECISION),
  DECISION_BRANCH,
  of(['waivers']),
  of(['short_sale', 'firm_short_sale', 'allocations'], { instrument: 'short_selling cfi' }),
  of(['otc_flags']),
  of(['commodity_risk_reducing', 'cfi'], { instrument: 'cfi' }),
  of(['transaction_nature', 'sftr_exempt']),
];
