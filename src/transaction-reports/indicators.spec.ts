import type { FactName } from '../reports/regimes/regime.js';
import { executionWith, type StatedValues } from '../../test/support/executions.js';
import { BANK, CCP, FIRM } from '../../test/support/transaction-reports.js';
import {
  branchMembershipCountry,
  complexTradeId,
  isSecuritiesFinancing,
  postTradeIndicators,
  reducesRisk,
  shortSelling,
  transmissionOf,
  venueTransactionId,
  waivers,
} from './indicators.js';
import type { Leg, Role } from './legs.js';
import { Trace, type Stated } from './trace.js';
import { Facts } from './transactions.js';

const EVENT_ID = '0197f3a1-6c00-7000-8000-000000000002';
const MARKET: Leg = { leg: 0, own: { is: 'firm' }, other: { is: 'market' }, isMarketSide: true, isAtPlace: true };
const CLIENT_SIDE: Leg = { ...MARKET, leg: 1, isMarketSide: false, isAtPlace: false };
const told = ({ toMend }: Trace): string[] => toMend.map(({ field, text }) => `${field}: ${text}`);

describe('of the market side alone are', () => {
  const stated = { venue_transaction_id: 'TV1', waivers: ['reference_price', 'odd'] };
  it.each<[string, StatedValues, Leg, [unknown, unknown, unknown], string[]]>([
    ['on a venue', stated, MARKET, ['TV1', 'IT', ['RFPT', 'odd']], []],
    ['on its client side', stated, CLIENT_SIDE, [undefined, undefined, []], []],
    ['off venue', { ...stated, exchange: 'XOFF' }, MARKET, [undefined, undefined, []], []],
    ['with an internaliser', { ...stated, exchange: 'XXSI' }, MARKET, [undefined, undefined, []], []],
    [
      'outside of the EEA',
      { ...stated, exchange: 'XNYS' },
      MARKET,
      [undefined, undefined, []],
      ['37: membership 9695TESTFIRM00000112/XNYS is not in the reference data'],
    ],
    [
      'on a venue that gave no code',
      {},
      MARKET,
      [undefined, 'IT', []],
      ['3: venue_transaction_id must be stated of executions on a trading venue'],
    ],
  ])('fields 3, 37 and 61 %s', (_, given, leg, expected, toMend) => {
    const [trace, execution] = [new Trace(), executionWith(given)];
    const found = [
      venueTransactionId(execution, trace, leg),
      branchMembershipCountry(execution, trace, leg),
      waivers(execution, trace, leg),
    ];
    expect(found).toEqual(expected);
    expect(told(trace)).toEqual(toMend);
  });
});

describe('the id of a combination (field 40)', () => {
  const of = (text: string) => complexTradeId(executionWith({ complex_trade_id: text }), new Trace());
  it('is as events have it, where that fits', () => {
    expect([of('COMBI1'), complexTradeId(executionWith(), new Trace())]).toEqual(['COMBI1', undefined]);
  });
  it('is made of it otherwise, always the same, and of another another', () => {
    expect(of('combi-1')).toMatch(/^[A-Z0-9]{35}$/);
    expect(of('combi-1')).toBe(of('combi-1'));
    expect(of('combi-1')).not.toBe(of('combi-2'));
  });
});

describe('whether it is a short sale (field 62)', () => {
  const bond = { isin: 'DE0001102309' };
  const BESIDE = { side: 'sell', trading_capacity: 'own_account', client_id: 'C-1' };
  it.each<[string, StatedValues, Role, string | undefined, string[]]>([
    ['of the firm', { short_sale: 'not_exempt' }, { is: 'firm' }, 'SESH', []],
    ['of a market maker', { short_sale: 'exempt' }, { is: 'firm' }, 'SSEX', []],
    ['of a client', { short_sale: 'undisclosed' }, { is: 'client', id: 'C-1', isOfOrder: true }, 'UNDI', []],
    [
      'of a client who is the counterparty',
      { short_sale: 'not_short', counterparty_id: 'C-1' },
      { is: 'market' },
      'SELL',
      [],
    ],
    [
      'of the firm, beside that of its client',
      { ...BESIDE, short_sale: 'undisclosed', firm_short_sale: 'exempt' },
      { is: 'firm' },
      'SSEX',
      [],
    ],
    [
      'of the firm, beside that of its client which alone is told',
      { ...BESIDE, short_sale: 'not_short' },
      { is: 'firm' },
      undefined,
      ["62: firm_short_sale must be stated of the firm's sale beside that of the client"],
    ],
    ['not told', {}, { is: 'firm' }, undefined, ['62: short_sale must be stated of sales']],
    ['not asked of others', { short_sale: 'not_exempt', counterparty_id: CCP }, { is: 'market' }, undefined, []],
    ['not asked of an aggregate', { short_sale: 'not_exempt' }, { is: 'aggregate' }, undefined, []],
    ['not asked of a bond', { ...bond, short_sale: 'not_exempt' }, { is: 'firm' }, undefined, []],
  ])('%s', (_, stated, seller, indicator, toMend) => {
    const trace = new Trace();
    expect(shortSelling(executionWith(stated), trace, { ...MARKET, own: seller }, seller)).toBe(indicator);
    expect(told(trace)).toEqual(toMend);
  });

  it('is asked of what the entry of the instrument says', () => {
    const asked = (short_selling: string) => {
      const entries = { instrument: { DE0001102309: { cfi: 'DBFTFB', short_selling } } };
      const execution = executionWith({ ...bond, short_sale: 'not_short' }, entries);
      return shortSelling(execution, new Trace(), MARKET, MARKET.own);
    };
    expect([asked('yes'), asked('no')]).toEqual(['SELL', undefined]);
  });

  it('is what the execution says, though of its order something else was said later', () => {
    const stated = (name: FactName, text: string, sequence: string): [FactName, Stated] => [
      name,
      { name, text, event_id: EVENT_ID, sequence },
    ];
    const corrected = new Map([stated('firm_short_sale', 'exempt', '9')]);
    const of = (own: [FactName, Stated][]) => {
      const execution = { ...executionWith(), facts: new Facts(new Map(own), corrected) };
      return shortSelling(execution, new Trace(), MARKET, MARKET.own);
    };
    expect(of([stated('short_sale', 'not_exempt', '2')])).toBe('SESH');
    expect(of([])).toBe('SSEX');
  });

  it('is that of the firm where it sells to a client, who buys', () => {
    const leg: Leg = { ...CLIENT_SIDE, own: { is: 'client', id: 'C-1', isOfOrder: true }, other: { is: 'firm' } };
    const execution = executionWith({ ...BESIDE, side: 'buy', short_sale: 'not_exempt' });
    expect(shortSelling(execution, new Trace(), leg, leg.other)).toBe('SESH');
  });
});

it('field 63 is of what is off a trading venue, where it was executed', () => {
  const of = (stated: StatedValues, leg: Leg) =>
    postTradeIndicators(executionWith({ otc_flags: ['benchmark', 'package'], ...stated }), new Trace(), leg);
  expect(of({ exchange: 'XOFF' }, MARKET)).toEqual(['BENC', 'TPAC']);
  expect(of({ exchange: 'XXSI' }, MARKET)).toEqual(['BENC', 'TPAC']);
  expect(of({}, MARKET)).toEqual([]);
  expect(of({ exchange: 'XOFF' }, CLIENT_SIDE)).toEqual([]);
});

it('field 64 is of commodity derivatives, of which it must be told', () => {
  const future = { isin: '', cfi: 'FCEPSX' };
  const trace = new Trace();
  expect(reducesRisk(executionWith({ ...future, commodity_risk_reducing: false }), trace)).toBe(false);
  expect(reducesRisk(executionWith({ ...future, commodity_risk_reducing: true }), trace)).toBe(true);
  expect(reducesRisk(executionWith({ commodity_risk_reducing: true }), trace)).toBeUndefined();
  expect(told(trace)).toEqual([]);
  expect(reducesRisk(executionWith(future), trace)).toBeUndefined();
  expect(told(trace)).toEqual(['64: commodity_risk_reducing must be stated of commodity derivatives']);
});

it('field 65 is of securities financing that is reported nowhere else', () => {
  const of = (stated: StatedValues) => isSecuritiesFinancing(executionWith(stated), new Trace());
  expect(of({ transaction_nature: 'securities_financing', sftr_exempt: true })).toBe(true);
  expect(of({ transaction_nature: 'trade', sftr_exempt: true })).toBe(false);
  expect(of({})).toBe(false);
});

it('fields 25 to 27: who transmitted the order of the client stands on its side', () => {
  const client = { is: 'client', id: 'C-1', isOfOrder: true } as const;
  const of = (
    stated: StatedValues,
    buyer: typeof client | { is: 'firm' },
    seller: typeof buyer,
    isOwnAccount = false,
  ) => transmissionOf(executionWith(stated), new Trace(), { buyer, seller, isOwnAccount });
  const received = { transmitting_firm: CCP };
  expect(of(received, client, { is: 'firm' })).toMatchObject({ isTransmitted: false, transmittingFirmForBuyer: CCP });
  expect(of(received, { is: 'firm' }, client)).toEqual({
    ...{ isTransmitted: false, transmittingFirmForBuyer: undefined, transmittingFirmForSeller: CCP },
  });
  expect(of({ transmission: 'incomplete' }, client, { is: 'firm' }).isTransmitted).toBe(true);
  expect(of({ transmission: 'incomplete' }, client, { is: 'firm' }, true).isTransmitted).toBe(false);
});

it("fields 26 and 27: who transmitted is asked of a client's side of what the firm received, and of no other", () => {
  const client: Role = { is: 'client', id: 'C-1', isOfOrder: true };
  const asked = (buyer: Role, seller: Role, stated: StatedValues = {}): number[] => {
    const trace = new Trace();
    const execution = executionWith({ transmission: 'complete', order_receiver: FIRM, ...stated });
    transmissionOf(execution, trace, { buyer, seller, isOwnAccount: false });
    return trace.toMend.map(({ field }) => field);
  };
  expect(asked(client, { is: 'market' })).toEqual([26]);
  expect(asked({ is: 'market' }, client)).toEqual([27]);
  expect(asked({ is: 'aggregate' }, { is: 'market' })).toEqual([]);
  expect(asked(client, { is: 'market' }, { transmitting_firm: BANK })).toEqual([]);
});

it('field 25 is to be mended where another firm received the order, and nobody says how', () => {
  const roles = { buyer: { is: 'client', id: 'C-1', isOfOrder: true }, seller: { is: 'market' } } as const;
  const told = (stated: StatedValues, isOwnAccount = false): string[] => {
    const trace = new Trace();
    transmissionOf(executionWith(stated), trace, { ...roles, isOwnAccount });
    return trace.toMend.map(({ field, text }) => `${field}: ${text}`);
  };
  const asked = [
    `25: transmission must say how the order was sent to order_receiver ${BANK}: complete, incomplete or none`,
  ];
  expect(told({ order_receiver: BANK })).toEqual(asked);
  expect(told({ order_receiver: BANK }, true)).toEqual(asked);
  expect(told({ order_receiver: BANK, transmission: 'none' })).toEqual([]);
  expect(told({ order_receiver: BANK, counterparty_id: BANK }, true)).toEqual([]);
  expect(told({ order_receiver: 'XPAR' })).toEqual([]);
  // brokers have codes of four letters too
  expect(told({ order_receiver: 'GSCO' })).toEqual([asked[0]!.replace(BANK, 'GSCO')]);
  expect(told({ order_receiver: 'XNEW', exchange: 'XNEW' })).toEqual([]);
  expect(told({ order_receiver: FIRM })).toEqual([]);
  expect(told({ order_receiver: BANK, transmission: 'ended' })).toEqual([
    expect.stringMatching(/^25: transmission must be stated of what is executed after a cancel/),
  ]);
});

it('field 25: what is on own account is for nobody else to report', () => {
  const trace = new Trace();
  const roles = { buyer: MARKET.own, seller: MARKET.other, isOwnAccount: true };
  transmissionOf(executionWith({ transmission: 'complete', trading_capacity: 'own_account' }), trace, roles);
  expect(told(trace)).toEqual([
    '25: transmission must not be complete of what is on own account, or of both that and an order of clients',
  ]);
});
