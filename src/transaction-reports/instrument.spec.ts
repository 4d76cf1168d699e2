import type { ReferenceAt } from '../reference-data/reference-timelines.js';
import type { FactName } from '../reports/regimes/regime.js';
import { KnownInstrument } from './instrument.js';
import { Trace, type Stated } from './trace.js';
import { Facts } from './transactions.js';

const SWAP = 'EZ1234567890';
const ENTRIES: Record<string, Record<string, string>> = {
  DE0007164600: { name: 'SAP SE', cfi: 'ESVUFR', symbol: 'SAP', listed_from: '2018-01-03', listed_to: '2026-06-02' },
  DE0008469008: { name: 'DAX PERFORMANCE-INDEX OF THE DAY', listed_from: '2018-01-03' },
  DE0001102309: { name: `${'x'.repeat(24)}\u{1f600} and more` },
  DE0000000001: { name: 'One', symbol: 'TWICE' },
  DE0000000002: { name: 'Another', symbol: 'TWICE' },
  EZ0000000019: {
    ...{ name: 'An option on a currency, and on an index', cfi: 'OCECPS', notional_currency: 'EUR' },
    ...{ notional_currency_2: 'USD', strike_notation: 'pending', strike_currency: 'USD' },
    underlying: 'index:DE0001102309',
  },
  [SWAP]: {
    ...{ name: 'IRS EUR 5Y', cfi: 'SRCCSP', notional_currency: 'EUR', price_multiplier: '1' },
    ...{ received_by_buyer: 'index:EURI@6MNTH', expiry_date: '2031-06-02', delivery_type: 'cash' },
  },
};
const reference: ReferenceAt = {
  find: (kind, id) => {
    const attributes = kind === 'instrument' ? ENTRIES[id] : undefined;
    return attributes && { kind, id, revision: '7', attributes };
  },
  findHaving: (kind, attribute, value) =>
    Object.keys(ENTRIES).flatMap((id) => (ENTRIES[id]![attribute] === value ? [reference.find(kind, id)!] : [])),
  valuesEver: () => [],
};

function known(stated: Partial<Record<FactName, string>>, day = '2026-06-02') {
  const own = Object.entries(stated).map(
    ([name, text]) => [name as FactName, { name: name, text, event_id: 'e', sequence: '5' }] as [FactName, Stated],
  );
  return new KnownInstrument(new Facts(new Map(own), new Map()), reference, day);
}

describe('an instrument', () => {
  it('is named by its ISIN alone where that is enough, also when events call it otherwise', () => {
    const trace = new Trace();
    expect(known({ symbol: 'SAP' }).report(trace, true)).toEqual({ is: 'identified', isin: 'DE0007164600' });
    expect(trace.lineage).toEqual([
      {
        field: 41,
        rule: 'the ISIN of the instrument',
        sources: [
          { event_id: 'e', sequence: '5', name: 'symbol' },
          { kind: 'instrument', id: 'DE0007164600', revision: '7' },
        ],
      },
    ]);
  });

  it('is not named by a symbol that several have', () => {
    const { entry, isin, ambiguousSymbol } = known({ symbol: 'TWICE' });
    expect([entry, isin, ambiguousSymbol]).toEqual([undefined, undefined, 'TWICE']);
    expect(known({ symbol: 'TWICE', isin: 'DE0000000001' }).ambiguousSymbol).toBeUndefined();
  });

  it('is in doubt where a symbol that came later is that of another', () => {
    const stated = (name: FactName, text: string, event_id: string): [FactName, Stated] => [
      name,
      { name, text, event_id, sequence: '5' },
    ];
    const isin = stated('isin', 'DE0000000001', 'first');
    const other = (own: [FactName, Stated][], before: [FactName, Stated][]) =>
      new KnownInstrument(new Facts(new Map(own), new Map(before)), reference, '2026-06-02').otherSymbol;
    expect(other([stated('symbol', 'SAP', 'next')], [isin])).toEqual({ text: 'SAP', isin: 'DE0007164600' });
    expect(other([stated('symbol', 'TWICE', 'next')], [isin])).toBeUndefined();
    expect(other([stated('symbol', 'UNKNOWN', 'next')], [isin])).toBeUndefined();
    expect(other([isin], [stated('symbol', 'SAP', 'before')])).toBeUndefined();
    expect(other([], [isin, stated('symbol', 'SAP', 'first')])).toBeUndefined();
  });

  it('of a strike that is pending says where that stands; what is on currencies has another currency of these', () => {
    const trace = new Trace();
    expect(known({ isin: 'EZ0000000019' }).report(trace, false)).toMatchObject({
      strikePrice: { is: 'pending', currency: 'USD' },
      otherNotionalCurrency: { of: 'currencies', currency: 'USD' },
      underlying: { is: 'index', name: { text: `${'x'.repeat(24)}\u{1f600}` } },
    });
    expect(trace.lineage.map(({ field }) => field)).toEqual(expect.arrayContaining([51, 52]));
  });

  it('is on the reference list from its first to its last day there', () => {
    const days = ['2018-01-02', '2018-01-03', '2026-06-02', '2026-06-03'];
    expect(days.map((day) => known({ symbol: 'SAP' }, day).isListed())).toEqual([false, true, true, false]);
    expect(known({ isin: 'US0378331005' }).isListed()).toBe(false);
  });

  it('of a swap is described by its legs', () => {
    const trace = new Trace();
    expect(known({ isin: SWAP }).report(trace, false)).toMatchObject({
      ...{ is: 'described', isin: SWAP, fullName: 'IRS EUR 5Y', classification: 'SRCCSP', notionalCurrency: 'EUR' },
      ...{ priceMultiplier: '1', expiryDate: '2031-06-02', deliveryType: 'CASH' },
      underlying: {
        is: 'swap',
        received: { is: 'index', name: { code: 'EURI' }, term: { value: '6', unit: 'MNTH' } },
      },
    });
    expect([...new Set(trace.lineage.map(({ field }) => field))].sort()).toEqual([41, 42, 43, 44, 46, 48, 49, 55, 56]);
    expect(known({ isin: SWAP }).hasListedUnderlying()).toBe(false);
  });

  it('has a notional currency of its own; that of the prices stands for it where none is stated', () => {
    const of = (stated: Parameters<typeof known>[0]) => {
      const trace = new Trace();
      const instrument = known(stated);
      const described = instrument.report(trace, false);
      const by = (field: number) => trace.lineage.filter((each) => each.field === field);
      return { described, currencies: instrument.currencies, lineage: [...by(44), ...by(45)] };
    };
    const source = (name: string) => [{ event_id: 'e', sequence: '5', name }];
    const rule = 'as the instrument is described';
    const forward = { cfi: 'JFTXFP', currency: 'USD', second_leg_currency: 'USD' };
    expect(of({ ...forward, notional_currency: 'EUR' })).toMatchObject({
      described: { notionalCurrency: 'EUR', otherNotionalCurrency: { of: 'currencies', currency: 'USD' } },
      currencies: ['EUR', 'USD'],
      lineage: [
        { field: 44, rule, sources: source('notional_currency') },
        { field: 45, rule, sources: source('second_leg_currency') },
      ],
    });
    expect(of({ cfi: 'JFTXFP', currency: 'EUR', second_leg_currency: 'USD' })).toMatchObject({
      described: { notionalCurrency: 'EUR' },
      currencies: ['EUR', 'USD'],
      lineage: [
        {
          field: 44,
          rule: `${rule}: no notional currency, that of the prices by default`,
          sources: source('currency'),
        },
        { field: 45 },
      ],
    });
    // what an entry says goes before
    expect(of({ isin: SWAP, notional_currency: 'GBP', currency: 'USD' }).described).toMatchObject({
      notionalCurrency: 'EUR',
    });
  });

  it('that no entry is of is described by what events state', () => {
    const stated = {
      ...{ instrument_name: 'OTC call on a basket', cfi: 'HEBAVC', currency: 'EUR', price_multiplier: '100' },
      ...{ underlying_isins: '["DE0007164600","US0378331005"]', option_type: 'call', strike_price: '140.5' },
      ...{ strike_price_currency: 'EUR', exercise_style: 'european', delivery_type: 'cash', expiry_date: '2026-12-18' },
    };
    const trace = new Trace();
    expect(known(stated).report(trace, false)).toEqual({
      ...{ is: 'described', isin: undefined, fullName: 'OTC call on a basket', classification: 'HEBAVC' },
      ...{ notionalCurrency: 'EUR', otherNotionalCurrency: undefined, priceMultiplier: '100' },
      underlying: {
        is: 'basket',
        instruments: [
          { is: 'instrument', isin: 'DE0007164600' },
          { is: 'instrument', isin: 'US0378331005' },
        ],
      },
      ...{ optionType: 'CALL', strikePrice: { is: 'money', amount: '140.5', currency: 'EUR' }, exerciseStyle: 'EURO' },
      ...{ maturityDate: undefined, expiryDate: '2026-12-18', deliveryType: 'CASH' },
    });
    expect(trace.lineage.find(({ field }) => field === 50)).toEqual({
      ...{ field: 50, rule: 'as the instrument is described', codes: 'optionType' },
      sources: [{ event_id: 'e', sequence: '5', name: 'option_type' }],
    });
    expect(known(stated).hasListedUnderlying()).toBe(true);
    expect(known(stated, '2026-06-03').hasListedUnderlying()).toBe(false);
  });
});
