import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { XmlDocument, XmlElement } from 'libxml2-wasm';
import { MISTAKEN_REFERENCE, MISTAKES, REFUSED } from './reports/made-mistakes.js';
import { TRANSACTION_REFERENCE } from './reports/made-transactions.js';
import { madeId, order, type SentEvent } from './reports/made-day.js';
import { ARM, BANK, BOND, CCP, CLIENT, FIRM, FUND, OTHER_BANK, SHARE } from './reports/made-transactions.js';
import { madeIsin } from './support/made-isin.js';
import { startService, type TestService } from './support/app.js';
import { decisionsOf, filesOf, submitted, SUBMISSIONS } from './support/submissions.js';

const SCHEMAS = join(resolve(import.meta.dirname, '..', process.env.TRUETRAIL_SHARED ?? '../shared'), 'reference/xsd');
const HAS_SCHEMAS = existsSync(join(SCHEMAS, 'head.003.001.01.xsd'));
if (!HAS_SCHEMAS) process.stderr.write('skipped: the schemas of files of every product (they are missing here)\n');

const DAY = '2025-06-03';
const PERIOD = { from_date: DAY, to_date: DAY };

// Entries beside those of the made day: of each product one instrument, as an operator imports them.
const LISTED = { listed_from: '2018-01-03' };
const SWAPPED = { notional_currency: 'EUR', price_multiplier: '1', expiry_date: '2030-06-03', delivery_type: 'cash' };
const INDEX = 'DE0008469008';
const instrument = (n: number, name: string, cfi: string, more: object = {}) => ({
  isin: madeIsin(100 + n),
  name,
  cfi,
  ...more,
});
const INSTRUMENTS: Record<string, object & { isin: string }> = {
  etf: instrument(1, 'A fund', 'CEOGES', { ...LISTED, currency: 'EUR' }),
  sovereign: instrument(2, 'A sovereign bond', 'DBFTFB', { ...LISTED, currency: 'EUR', short_selling: 'yes' }),
  convertible: instrument(3, 'A convertible bond', 'DCFTFB', { ...LISTED, currency: 'EUR' }),
  warrant: instrument(4, 'A warrant', 'RWSTCA', { ...LISTED, currency: 'EUR' }),
  option: instrument(5, 'A listed call', 'OCASPS', { ...LISTED, currency: 'EUR' }),
  indexFuture: instrument(6, 'A future on an index', 'FFICSX', { ...LISTED, currency: 'EUR' }),
  power: instrument(7, 'A future on electricity', 'FCNPSX', { ...LISTED, currency: 'EUR' }),
  index: { ...instrument(0, 'DAX', 'TIEPXX', LISTED), isin: INDEX },
  put: instrument(8, 'A put', 'HESAVP', {
    ...{ underlying: SHARE, option_type: 'put', strike_price: '95.5', strike_notation: 'percentage' },
    ...{ exercise_style: 'american', price_multiplier: '100', expiry_date: '2026-12-18', delivery_type: 'physical' },
  }),
  indexOption: instrument(9, 'An option on an index', 'HEIAVC', {
    ...{ underlying: `index:${INDEX}`, option_type: 'call', strike_price: '24000', strike_currency: 'EUR' },
    ...{ exercise_style: 'bermudan', price_multiplier: '5', expiry_date: '2026-12-18', delivery_type: 'cash' },
  }),
  basketOption: instrument(10, 'An option on a basket', 'HEBAVC', {
    ...{
      underlying: `${SHARE} ${madeIsin(100 + 1)}`,
      option_type: 'other',
      exercise_style: 'asian',
      price_multiplier: '1',
    },
    ...{ expiry_date: '2026-12-18', delivery_type: 'optional' },
  }),
  receiverSwaption: instrument(11, 'A receiver swaption', 'HRCAVP', {
    ...{
      ...SWAPPED,
      underlying: madeIsin(100 + 12),
      option_type: 'put',
      strike_price: '2.5',
      strike_notation: 'percentage',
    },
    ...{ exercise_style: 'european', expiry_date: '2026-12-18' },
  }),
  rateSwap: instrument(12, 'A rate swap', 'SRCCSP', { ...LISTED, notional_currency: 'EUR' }),
  basisSwap: instrument(13, 'A basis swap', 'SRACSP', { ...LISTED, notional_currency: 'EUR' }),
  currencySwap: instrument(14, 'A swap in two currencies', 'SRCCCP', {
    ...{ ...LISTED, notional_currency: 'EUR', notional_currency_2: 'USD' },
  }),
  fxSwap: instrument(15, 'A currency swap', 'SFCXXP', {
    ...{ ...LISTED, notional_currency: 'GBP', notional_currency_2: 'CHF' },
  }),
  fxForward: instrument(16, 'A currency forward', 'JFTXFP', {
    ...{ ...LISTED, notional_currency: 'EUR', notional_currency_2: 'USD' },
  }),
  fra: instrument(17, 'A forward rate agreement', 'JRIXFC', { ...LISTED, notional_currency: 'EUR' }),
  inflationSwap: instrument(18, 'An inflation swap', 'SRGCSP', { ...LISTED, notional_currency: 'EUR' }),
  creditSwap: instrument(19, 'Credit default swap on a bond', 'SCUCCC', { ...SWAPPED, underlying: BOND }),
  equitySwap: instrument(20, 'A swap on an index', 'SEIPXC', { ...SWAPPED, received_by_buyer: `index:${INDEX}` }),
  dividendSwap: instrument(21, 'A dividend swap', 'SESDXC', {
    ...SWAPPED,
    received_by_buyer: SHARE,
    paid_by_buyer: 'index:EURI@3MNTH',
  }),
  commoditySwap: instrument(22, 'A swap on oil', 'STJPXC', { ...LISTED, notional_currency: 'USD' }),
  cfd: instrument(23, 'Contract for difference on a share', 'JESXCC', {
    ...{ underlying: SHARE, price_multiplier: '1', delivery_type: 'cash' },
  }),
  spreadBet: instrument(24, 'Spread bet on an index', 'JEIXSC', {
    ...{ underlying: `index:${INDEX}`, price_multiplier: '1', delivery_type: 'cash' },
  }),
  allowance: instrument(25, 'Emission allowance', 'ITNXXX', { ...LISTED, currency: 'EUR' }),
  unlistedSwap: instrument(26, 'A rate swap that no venue has', 'SRCCSP', {
    ...{ ...SWAPPED, received_by_buyer: 'index:EURI@6MNTH' },
  }),
};

/** A venue for bonds and derivatives, which tells the other side. */
const OTF = {
  mic: 'XOTF',
  name: 'For derivatives',
  operating_mic: 'XOTF',
  segment: 'OPRT',
  country: 'DE',
  category: 'OTFS',
};

const person = (client_id: string, first_name: string, surname: string, nationality: string, more: object = {}) => ({
  ...{ client_id, first_name, surname, nationality, birth_date: '1970-01-31', ...more },
});
const CLIENTS: object[] = [
  person('P-AT', 'Dr. Jürgen Karl', 'von der Heide-Müller', 'AT', { national_id: 'DOESNOTCOUNT' }),
  person('P-COMMA', 'Anna,Maria', 'Beispiel', 'FR'),
  person('P-IE', 'Seán', "O'Brien", 'IE'),
  person('P-ES', 'Ana', 'Ejemplo', 'ES', { national_id: '12345678Z', passport: 'AAA123456' }),
  person('P-TWO', 'Luca', 'Esempio', 'IT FR', { national_id: 'SMPLCU70A31H501X' }),
  person('P-OUT', 'Jane', 'Sample', 'US DE', { passport: 'P1234567' }),
  person('P-PL', 'Jan', 'Przyklad', 'PL', { national_id: '70013112345' }),
  person('P-CY', 'Eleni', 'Paradigma', 'CY', { passport: 'K00123456' }),
  person('P-NL', 'Jan', 'Voorbeeld', 'NL', { no_passport: 'yes', national_id: 'IRF123456' }),
  person('P-LT', 'Ona', 'Pavyzdys', 'LT', { no_national_id: 'yes', passport: '12345678' }),
  person('P-CZ', 'Petr', 'Příklad', 'CZ', { no_national_id: 'yes', no_passport: 'yes' }),
  person('P-US', 'John', 'Doe', 'US', { passport: 'P7654321' }),
  person('P-BR', 'Ana', 'Exemplo', 'BR', { no_passport: 'yes' }),
];

/** Texts by the paths below `New`; of an element that repeats the texts in their order, with a bar between. */
type Leaves = Record<string, string>;

interface Case {
  instrument?: string;
  state?: Record<string, unknown>;
  metadata?: Record<string, unknown>;
  /** all that the record holds, by an independent reading of Annex I and of the schema; but for field 2 and what `common` has */
  expected: Leaves;
}

const MACHINES = {
  ...{ investment_decision_maker: 'MM7', investment_decision_maker_type: 'algorithm' },
  ...{ execution_decision_maker: 'SOR7V3', execution_decision_maker_type: 'algorithm' },
};
const OWN = { ...MACHINES, trading_capacity: 'own_account', client_id_type: 'none' };
const CLIENT_DECIDES = {
  ...{ trading_capacity: 'any_other', investment_decision_maker_type: 'client' },
  ...{ execution_decision_maker: 'SOR7V3', execution_decision_maker_type: 'algorithm' },
};
const WITH_BANK = { ...OWN, counterparty_id: BANK };
const AT_OTF = { exchange: 'XOTF' };
const OFF = { exchange: 'XOFF' };

const BUYER = 'Buyr/AcctOwnr/Id/LEI';
const SELLER = 'Sellr/AcctOwnr/Id/LEI';
const COMMON: Leaves = {
  ExctgPty: FIRM,
  InvstmtPtyInd: 'true',
  SubmitgPty: ARM,
  'OrdrTrnsmssn/TrnsmssnInd': 'false',
  'ExctgPrsn/Algo': 'SOR7V3',
  'AddtlAttrbts/SctiesFincgTxInd': 'false',
};
const DEALT: Leaves = { 'Tx/TradgCpcty': 'DEAL', 'InvstmtDcsnPrsn/Algo': 'MM7' };
const FIRM_BUYS: Leaves = { ...DEALT, [BUYER]: FIRM, [SELLER]: BANK };
const FIRM_SELLS: Leaves = { ...DEALT, [BUYER]: BANK, [SELLER]: FIRM };
/** Of an execution there: the country of the member is that of the firm, which has no branch there. */
const ON_OTF = (code: string): Leaves => ({ 'Tx/TradVn': 'XOTF', 'Tx/CtryOfBrnch': 'FR', 'Tx/TradPlcMtchgId': code });
const ON_XPAR = (code: string): Leaves => ({ 'Tx/TradVn': 'XPAR', 'Tx/CtryOfBrnch': 'IT', 'Tx/TradPlcMtchgId': code });
const units = (value: string): Leaves => ({ 'Tx/Qty/Unit': value });
const nominal = (value: string, currency = 'EUR'): Leaves => ({
  'Tx/Qty/NmnlVal': value,
  'Tx/Qty/NmnlVal/@Ccy': currency,
});
const money = (amount: string, currency = 'EUR'): Leaves => ({
  'Tx/Pric/Pric/MntryVal/Amt': amount,
  'Tx/Pric/Pric/MntryVal/Amt/@Ccy': currency,
});
const GENERAL = 'FinInstrm/Othr/FinInstrmGnlAttrbts';
const TERMS = 'FinInstrm/Othr/DerivInstrmAttrbts';
const identified = (name: string): Leaves => ({ 'FinInstrm/Id': INSTRUMENTS[name]!.isin });
const described = (name: string, fullName: string, cfi: string, multiplier: string, delivery: string): Leaves => ({
  ...{ [`${GENERAL}/Id`]: INSTRUMENTS[name]!.isin, [`${GENERAL}/FullNm`]: fullName, [`${GENERAL}/ClssfctnTp`]: cfi },
  ...{ [`${TERMS}/PricMltplr`]: multiplier, [`${TERMS}/DlvryTp`]: delivery },
});
const ofPerson = (
  side: 'Buyr' | 'Sellr',
  id: string,
  scheme: string,
  first: string,
  last: string,
  birth = '1970-01-31',
): Leaves => ({
  ...{ [`${side}/AcctOwnr/CtryOfBrnch`]: 'FR', [`${side}/AcctOwnr/Id/Prsn/FrstNm`]: first },
  ...{ [`${side}/AcctOwnr/Id/Prsn/Nm`]: last, [`${side}/AcctOwnr/Id/Prsn/BirthDt`]: birth },
  ...{ [`${side}/AcctOwnr/Id/Prsn/Othr/Id`]: id },
  [`${side}/AcctOwnr/Id/Prsn/Othr/SchmeNm/${scheme === 'CONCAT' ? 'Prtry' : 'Cd'}`]: scheme,
});

const PRODUCTS: Record<string, Case> = {
  'a fund, on a venue, under two waivers of equities': {
    ...{ instrument: 'etf', metadata: { ...OWN, venue_transaction_id: 'V1' } },
    state: {
      ...{ side: 'buy', exchange: 'XPAR', quantity: '12.5', price: '101.125' },
      waivers: ['negotiated_liquid', 'negotiated_conditions'],
    },
    expected: {
      ...{ ...DEALT, [BUYER]: FIRM, [SELLER]: CCP, ...units('12.5'), ...money('101.125'), ...ON_XPAR('V1') },
      ...{ ...identified('etf'), 'AddtlAttrbts/WvrInd': 'NLIQ|PRIC' },
    },
  },
  'a sovereign bond in percent, sold short under an exemption, on a venue under waivers of others': {
    ...{ instrument: 'sovereign', metadata: { ...WITH_BANK, venue_transaction_id: 'V2' } },
    state: {
      ...{ side: 'sell', ...AT_OTF, quantity: '250000', quantity_notation: 'nominal', price: '98.765' },
      ...{ price_notation: 'percentage', accrued_interest: '1234.56', short_sale: 'exempt' },
      waivers: ['illiquid', 'above_size'],
    },
    expected: {
      // 250000 x 98.765 % = 246912.5
      ...{ ...FIRM_SELLS, ...nominal('250000'), 'Tx/Pric/Pric/Pctg': '98.765', 'Tx/NetAmt': '248147.06' },
      ...{ ...ON_OTF('V2'), ...identified('sovereign') },
      ...{ 'AddtlAttrbts/WvrInd': 'ILQD|SIZE', 'AddtlAttrbts/ShrtSellgInd': 'SSEX' },
    },
  },
  'a bond by its yield, below zero': {
    metadata: WITH_BANK,
    state: {
      ...{ isin: BOND, side: 'buy', ...OFF, quantity: '50000', quantity_notation: 'monetary', price: '-0.125' },
      ...{ price_notation: 'yield', net_amount: '50812.5', otc_flags: ['large_in_scale', 'illiquid'] },
    },
    expected: {
      ...{ ...FIRM_BUYS, 'Tx/Qty/MntryVal': '50000', 'Tx/Qty/MntryVal/@Ccy': 'EUR', 'Tx/Pric/Pric/Yld': '-0.125' },
      ...{ 'Tx/NetAmt': '50812.5', 'Tx/TradVn': 'XOFF', 'FinInstrm/Id': BOND },
      'AddtlAttrbts/OTCPstTradInd': 'LRGS|ILQD',
    },
  },
  'a convertible bond in money, by units': {
    ...{ instrument: 'convertible', metadata: WITH_BANK },
    state: {
      ...{ side: 'buy', ...OFF, quantity: '10', quantity_notation: 'units', price: '1010.5' },
      ...{ price_notation: 'monetary', accrued_interest: '12.255555' },
    },
    expected: {
      // 10 x 1010.5 + 12.255555, halves up
      ...{ ...FIRM_BUYS, ...units('10'), ...money('1010.5'), 'Tx/NetAmt': '10117.25556', 'Tx/TradVn': 'XOFF' },
      ...identified('convertible'),
    },
  },
  'a warrant': {
    ...{ instrument: 'warrant', metadata: WITH_BANK, state: { side: 'sell', ...OFF, quantity: '500', price: '0.073' } },
    expected: { ...FIRM_SELLS, ...units('500'), ...money('0.073'), 'Tx/TradVn': 'XOFF', ...identified('warrant') },
  },
  'a listed option': {
    ...{ instrument: 'option', metadata: { ...OWN, venue_transaction_id: 'V3' } },
    state: { side: 'sell', exchange: 'XPAR', quantity: '7', price: '3.2' },
    expected: {
      ...{ ...DEALT, [BUYER]: CCP, [SELLER]: FIRM, ...units('7'), ...money('3.2'), ...ON_XPAR('V3') },
      ...identified('option'),
    },
  },
  'a future on an index': {
    ...{ instrument: 'indexFuture', metadata: { ...OWN, venue_transaction_id: 'V4' } },
    state: { side: 'buy', exchange: 'XPAR', quantity: '2', price: '24001.5' },
    expected: {
      ...{ ...DEALT, [BUYER]: FIRM, [SELLER]: CCP, ...units('2'), ...money('24001.5'), ...ON_XPAR('V4') },
      ...identified('indexFuture'),
    },
  },
  'a future on a commodity, at a price below zero, with one leg of a combination': {
    ...{ instrument: 'power', metadata: { ...OWN, venue_transaction_id: 'V5', complex_trade_id: 'SPREAD1' } },
    state: { side: 'buy', exchange: 'XPAR', quantity: '4', price: '-37.63', commodity_risk_reducing: false },
    expected: {
      ...{ ...DEALT, [BUYER]: FIRM, [SELLER]: CCP, ...units('4'), ...money('37.63') },
      ...{ 'Tx/Pric/Pric/MntryVal/Sgn': 'false', ...ON_XPAR('V5'), 'Tx/CmplxTradCmpntId': 'SPREAD1' },
      ...{ ...identified('power'), 'AddtlAttrbts/RskRdcgTx': 'false' },
    },
  },
  'an emission allowance': {
    ...{ instrument: 'allowance', metadata: { ...OWN, venue_transaction_id: 'V6' } },
    state: { side: 'buy', exchange: 'XPAR', quantity: '1000', quantity_notation: 'units', price: '71.02' },
    expected: {
      ...{ ...DEALT, [BUYER]: FIRM, [SELLER]: CCP, ...units('1000'), ...money('71.02'), ...ON_XPAR('V6') },
      ...identified('allowance'),
    },
  },
  'a put that no venue has, with a strike in percent': {
    ...{ instrument: 'put', metadata: WITH_BANK },
    state: { side: 'buy', quantity: '3', quantity_notation: 'units', price: '2.15', currency: 'EUR' },
    expected: {
      ...{ ...FIRM_BUYS, ...units('3'), ...money('2.15'), 'Tx/TradVn': 'XXXX' },
      ...{ ...described('put', 'A put', 'HESAVP', '100', 'PHYS'), [`${GENERAL}/NtnlCcy`]: 'EUR' },
      ...{ [`${TERMS}/UndrlygInstrm/Othr/Sngl/ISIN`]: SHARE, [`${TERMS}/OptnTp`]: 'PUTO' },
      ...{ [`${TERMS}/StrkPric/Pric/Pctg`]: '95.5', [`${TERMS}/OptnExrcStyle`]: 'AMER' },
      [`${TERMS}/XpryDt`]: '2026-12-18',
    },
  },
  'a call on an index, whose price is not known yet': {
    ...{ instrument: 'indexOption', metadata: WITH_BANK },
    state: { side: 'sell', quantity: '1', quantity_notation: 'units', price_absent: 'pending', currency: 'EUR' },
    expected: {
      ...{
        ...FIRM_SELLS,
        ...units('1'),
        'Tx/Pric/NoPric/Pdg': 'PNDG',
        'Tx/Pric/NoPric/Ccy': 'EUR',
        'Tx/TradVn': 'XXXX',
      },
      ...{ ...described('indexOption', 'An option on an index', 'HEIAVC', '5', 'CASH'), [`${GENERAL}/NtnlCcy`]: 'EUR' },
      ...{ [`${TERMS}/UndrlygInstrm/Othr/Sngl/Indx/ISIN`]: INDEX },
      ...{ [`${TERMS}/UndrlygInstrm/Othr/Sngl/Indx/Nm/RefRate/Nm`]: 'DAX', [`${TERMS}/OptnTp`]: 'CALL' },
      ...{ [`${TERMS}/StrkPric/Pric/MntryVal/Amt`]: '24000', [`${TERMS}/StrkPric/Pric/MntryVal/Amt/@Ccy`]: 'EUR' },
      ...{ [`${TERMS}/OptnExrcStyle`]: 'BERM', [`${TERMS}/XpryDt`]: '2026-12-18' },
    },
  },
  'an option on a basket': {
    ...{ instrument: 'basketOption', metadata: WITH_BANK },
    state: { side: 'buy', quantity: '1', quantity_notation: 'units', price: '0.5', currency: 'EUR' },
    expected: {
      ...{ ...FIRM_BUYS, ...units('1'), ...money('0.5'), 'Tx/TradVn': 'XXXX' },
      ...{
        ...described('basketOption', 'An option on a basket', 'HEBAVC', '1', 'OPTL'),
        [`${GENERAL}/NtnlCcy`]: 'EUR',
      },
      ...{ [`${TERMS}/UndrlygInstrm/Othr/Bskt/ISIN`]: `${SHARE}|${madeIsin(100 + 1)}`, [`${TERMS}/OptnTp`]: 'OTHR' },
      ...{ [`${TERMS}/OptnExrcStyle`]: 'ASIA', [`${TERMS}/XpryDt`]: '2026-12-18' },
    },
  },
  'a receiver swaption: a put': {
    ...{ instrument: 'receiverSwaption', metadata: WITH_BANK },
    state: { side: 'buy', quantity: '5000000', quantity_notation: 'nominal', price: '12500', currency: 'EUR' },
    expected: {
      ...{ ...FIRM_BUYS, ...nominal('5000000'), ...money('12500'), 'Tx/TradVn': 'XXXX' },
      ...described('receiverSwaption', 'A receiver swaption', 'HRCAVP', '1', 'CASH'),
      ...{ [`${GENERAL}/NtnlCcy`]: 'EUR', [`${TERMS}/UndrlygInstrm/Othr/Sngl/ISIN`]: madeIsin(100 + 12) },
      ...{ [`${TERMS}/OptnTp`]: 'PUTO', [`${TERMS}/StrkPric/Pric/Pctg`]: '2.5', [`${TERMS}/OptnExrcStyle`]: 'EURO' },
      [`${TERMS}/XpryDt`]: '2026-12-18',
    },
  },
  'a rate swap: the buyer pays the fixed rate': ofSwap('rateSwap', { swap_role: 'pays_fixed' }, 'V10', 'buy'),
  'a rate swap: the seller receives it': ofSwap('rateSwap', { swap_role: 'receives_fixed' }, 'V11', 'sell'),
  'a rate swap that no venue has, and that the firm says Article 26(2) names': {
    ...{ instrument: 'unlistedSwap', metadata: WITH_BANK },
    state: {
      ...{ swap_role: 'pays_fixed', quantity: '1000000', quantity_notation: 'nominal', price: '2.5' },
      ...{ price_notation: 'percentage', venue_traded: true },
    },
    expected: {
      ...{ ...FIRM_BUYS, ...nominal('1000000'), 'Tx/Pric/Pric/Pctg': '2.5', 'Tx/TradVn': 'XXXX' },
      ...described('unlistedSwap', 'A rate swap that no venue has', 'SRCCSP', '1', 'CASH'),
      ...{ [`${GENERAL}/NtnlCcy`]: 'EUR', [`${TERMS}/UndrlygInstrm/Swp/SwpIn/Sngl/Indx/Nm/RefRate/Indx`]: 'EURI' },
      ...{ [`${TERMS}/UndrlygInstrm/Swp/SwpIn/Sngl/Indx/Nm/Term/Unit`]: 'MNTH' },
      ...{ [`${TERMS}/UndrlygInstrm/Swp/SwpIn/Sngl/Indx/Nm/Term/Val`]: '6', [`${TERMS}/XpryDt`]: '2030-06-03' },
    },
  },
  'a basis swap, in basis points: the buyer pays the spread': {
    ...ofSwap('basisSwap', { swap_role: 'pays_spread', price: '12.5', price_notation: 'basis_points' }, 'V12', 'buy', {
      'Tx/Pric/Pric/BsisPts': '12.5',
    }),
  },
  'an inflation swap: the buyer pays the fixed rate': ofSwap(
    'inflationSwap',
    { swap_role: 'receives_fixed' },
    'V13',
    'sell',
  ),
  'a forward rate agreement: the buyer pays the fixed rate': ofSwap('fra', { swap_role: 'pays_fixed' }, 'V14', 'buy'),
  'a swap in two currencies: the buyer receives the first in the alphabet': ofSwap(
    'currencySwap',
    { received_currency: 'USD' },
    'V15',
    'sell',
  ),
  'a currency swap: the buyer receives the first in the alphabet': ofSwap(
    'fxSwap',
    { received_currency: 'CHF', quantity_currency: 'CHF' },
    'V16',
    'buy',
    {
      ...{ 'Tx/Pric/Pric/Pctg': '2.3456789', 'Tx/Qty/NmnlVal/@Ccy': 'CHF' },
    },
  ),
  'a currency forward, by its rate': ofSwap(
    'fxForward',
    { received_currency: 'EUR', price: '1.0875', price_notation: 'monetary', currency: 'USD' },
    'V17',
    'buy',
    money('1.0875', 'USD'),
  ),
  'a currency forward that no entry is of: what events say of its two currencies, and of that of its price': {
    metadata: { ...WITH_BANK, venue_transaction_id: 'V19' },
    state: {
      ...{ ...AT_OTF, isin: madeIsin(150), cfi: 'JFTXFP', notional_currency: 'EUR', second_leg_currency: 'USD' },
      ...{
        received_currency: 'USD',
        quantity: '1000000',
        quantity_notation: 'nominal',
        price: '1.0875',
        currency: 'USD',
      },
    },
    expected: {
      ...{ ...FIRM_SELLS, ...nominal('1000000'), ...money('1.0875', 'USD'), ...ON_OTF('V19') },
      'FinInstrm/Id': madeIsin(150),
    },
  },
  'an option that events describe: its notional in another currency than its price': {
    metadata: WITH_BANK,
    state: {
      ...{ side: 'buy', quantity: '3', quantity_notation: 'units', price: '2.15', currency: 'USD', cfi: 'HESAVP' },
      ...{ instrument_name: 'A put', price_multiplier: '100', underlying_isins: [SHARE], option_type: 'put' },
      ...{ strike_price: '65.5', strike_price_currency: 'GBP', exercise_style: 'american', notional_currency: 'EUR' },
      ...{ delivery_type: 'physical', expiry_date: '2026-12-18' },
    },
    expected: {
      ...{ ...FIRM_BUYS, ...units('3'), ...money('2.15', 'USD'), 'Tx/TradVn': 'XXXX' },
      ...{ [`${GENERAL}/FullNm`]: 'A put', [`${GENERAL}/ClssfctnTp`]: 'HESAVP', [`${GENERAL}/NtnlCcy`]: 'EUR' },
      ...{ [`${TERMS}/PricMltplr`]: '100', [`${TERMS}/DlvryTp`]: 'PHYS' },
      ...{ [`${TERMS}/UndrlygInstrm/Othr/Sngl/ISIN`]: SHARE, [`${TERMS}/OptnTp`]: 'PUTO' },
      ...{ [`${TERMS}/StrkPric/Pric/MntryVal/Amt`]: '65.5', [`${TERMS}/StrkPric/Pric/MntryVal/Amt/@Ccy`]: 'GBP' },
      ...{ [`${TERMS}/OptnExrcStyle`]: 'AMER', [`${TERMS}/XpryDt`]: '2026-12-18' },
    },
  },
  'a swap on a commodity: the buyer receives it': ofSwap(
    'commoditySwap',
    {
      swap_role: 'receives_commodity',
      commodity_risk_reducing: true,
      price: '70.5',
      price_notation: 'monetary',
      currency: 'USD',
    },
    'V18',
    'buy',
    { ...money('70.5', 'USD'), 'Tx/Qty/NmnlVal/@Ccy': 'USD', 'AddtlAttrbts/RskRdcgTx': 'true' },
  ),
  'protection that the buyer buys: the seller receives what is paid up front': {
    ...{ instrument: 'creditSwap', metadata: WITH_BANK },
    state: {
      ...{ swap_role: 'buys_protection', quantity: '1000000', quantity_notation: 'nominal', price: '100' },
      ...{ price_notation: 'basis_points', upfront_payment: '2500.5', upfront_payment_currency: 'USD' },
    },
    expected: {
      ...{ ...FIRM_BUYS, ...nominal('1000000'), 'Tx/Pric/Pric/BsisPts': '100', 'Tx/UpFrntPmt/Amt': '2500.5' },
      ...{ 'Tx/UpFrntPmt/Amt/@Ccy': 'USD', 'Tx/TradVn': 'XXXX' },
      ...{
        ...described('creditSwap', 'Credit default swap on a bond', 'SCUCCC', '1', 'CASH'),
        [`${GENERAL}/NtnlCcy`]: 'EUR',
      },
      ...{ [`${TERMS}/UndrlygInstrm/Othr/Sngl/ISIN`]: BOND, [`${TERMS}/XpryDt`]: '2030-06-03' },
    },
  },
  'protection that is sold, of which the notional goes down: the sides swap': {
    ...{ instrument: 'creditSwap', metadata: WITH_BANK },
    state: {
      ...{
        swap_role: 'sells_protection',
        quantity: '400000',
        quantity_notation: 'nominal',
        notional_change: 'decrease',
      },
      ...{ price_absent: 'not_applicable', upfront_payment: '-7', otc_flags: ['package'] },
    },
    expected: {
      ...{ ...FIRM_BUYS, ...nominal('400000'), 'Tx/Pric/NoPric/Pdg': 'NOAP', 'Tx/DerivNtnlChng': 'DECR' },
      ...{ 'Tx/UpFrntPmt/Amt': '7', 'Tx/UpFrntPmt/Amt/@Ccy': 'EUR', 'Tx/UpFrntPmt/Sgn': 'false', 'Tx/TradVn': 'XXXX' },
      ...{
        ...described('creditSwap', 'Credit default swap on a bond', 'SCUCCC', '1', 'CASH'),
        [`${GENERAL}/NtnlCcy`]: 'EUR',
      },
      ...{ [`${TERMS}/UndrlygInstrm/Othr/Sngl/ISIN`]: BOND, [`${TERMS}/XpryDt`]: '2030-06-03' },
      'AddtlAttrbts/OTCPstTradInd': 'TPAC',
    },
  },
  'an equity swap: the buyer takes the risk of the price; the notional goes up': {
    ...{ instrument: 'equitySwap', metadata: WITH_BANK },
    state: {
      ...{ swap_role: 'takes_price_risk', quantity: '700000', quantity_notation: 'monetary', price: '24001' },
      ...{ currency: 'EUR', notional_change: 'increase' },
    },
    expected: {
      ...{ ...FIRM_BUYS, 'Tx/Qty/MntryVal': '700000', 'Tx/Qty/MntryVal/@Ccy': 'EUR', ...money('24001') },
      ...{ 'Tx/DerivNtnlChng': 'INCR', 'Tx/TradVn': 'XXXX' },
      ...{ ...described('equitySwap', 'A swap on an index', 'SEIPXC', '1', 'CASH'), [`${GENERAL}/NtnlCcy`]: 'EUR' },
      ...{ [`${TERMS}/UndrlygInstrm/Swp/SwpIn/Sngl/Indx/ISIN`]: INDEX },
      ...{ [`${TERMS}/UndrlygInstrm/Swp/SwpIn/Sngl/Indx/Nm/RefRate/Nm`]: 'DAX', [`${TERMS}/XpryDt`]: '2030-06-03' },
    },
  },
  'a dividend swap: the buyer receives the dividends': {
    ...{ instrument: 'dividendSwap', metadata: WITH_BANK },
    state: {
      ...{ swap_role: 'pays_dividends', quantity: '1000', quantity_notation: 'nominal', price: '2.5', currency: 'EUR' },
    },
    expected: {
      ...{ ...FIRM_SELLS, ...nominal('1000'), ...money('2.5'), 'Tx/TradVn': 'XXXX' },
      ...{ ...described('dividendSwap', 'A dividend swap', 'SESDXC', '1', 'CASH'), [`${GENERAL}/NtnlCcy`]: 'EUR' },
      ...{ [`${TERMS}/UndrlygInstrm/Swp/SwpIn/Sngl/ISIN`]: SHARE },
      ...{ [`${TERMS}/UndrlygInstrm/Swp/SwpOut/Sngl/Indx/Nm/RefRate/Indx`]: 'EURI' },
      ...{ [`${TERMS}/UndrlygInstrm/Swp/SwpOut/Sngl/Indx/Nm/Term/Unit`]: 'MNTH' },
      ...{ [`${TERMS}/UndrlygInstrm/Swp/SwpOut/Sngl/Indx/Nm/Term/Val`]: '3', [`${TERMS}/XpryDt`]: '2030-06-03' },
    },
  },
  'a contract for difference with a client': {
    ...{ instrument: 'cfd', metadata: { ...OWN, client_id: 'C-1', client_id_type: 'legal_entity' } },
    state: {
      side: 'buy',
      exchange: 'XXXX',
      quantity: '15',
      quantity_notation: 'units',
      price: '61.4',
      currency: 'EUR',
    },
    expected: {
      ...{ ...DEALT, [BUYER]: CLIENT, 'Buyr/AcctOwnr/CtryOfBrnch': 'IT', [SELLER]: FIRM, ...units('15') },
      ...{ ...money('61.4'), 'Tx/TradVn': 'XXXX', [`${GENERAL}/NtnlCcy`]: 'EUR' },
      ...{ ...described('cfd', 'Contract for difference on a share', 'JESXCC', '1', 'CASH') },
      [`${TERMS}/UndrlygInstrm/Othr/Sngl/ISIN`]: SHARE,
    },
  },
  'a spread bet with a person': {
    ...{ instrument: 'spreadBet', metadata: { ...OWN, client_id: 'C-2', client_id_type: 'natural_person' } },
    state: {
      side: 'sell',
      exchange: 'XXXX',
      quantity: '1',
      quantity_notation: 'monetary',
      price: '24000',
      currency: 'EUR',
    },
    expected: {
      ...{
        ...DEALT,
        [BUYER]: FIRM,
        ...ofPerson('Sellr', 'DE19700101ANNA#MUSTE', 'CONCAT', 'Anna', 'Mustermann', '1970-01-01'),
      },
      ...{ 'Tx/Qty/MntryVal': '1', 'Tx/Qty/MntryVal/@Ccy': 'EUR', ...money('24000'), 'Tx/TradVn': 'XXXX' },
      ...{ ...described('spreadBet', 'Spread bet on an index', 'JEIXSC', '1', 'CASH'), [`${GENERAL}/NtnlCcy`]: 'EUR' },
      ...{ [`${TERMS}/UndrlygInstrm/Othr/Sngl/Indx/ISIN`]: INDEX },
      ...{ [`${TERMS}/UndrlygInstrm/Othr/Sngl/Indx/Nm/RefRate/Nm`]: 'DAX' },
    },
  },
  'a joint account, for which a person acts, by a trader of a branch': {
    metadata: {
      ...{ ...CLIENT_DECIDES, trading_capacity: 'matched_principal', client_id: 'C-3', counterparty_id: OTHER_BANK },
      ...{ client_representative_id: 'R-1', execution_decision_maker: 'T-1', execution_decision_maker_type: undefined },
    },
    state: { isin: SHARE, side: 'buy', ...OFF, quantity: '2', price: '61' },
    expected: {
      ...{ 'Tx/TradgCpcty': 'MTCH', [SELLER]: OTHER_BANK, ...units('2'), ...money('61'), 'Tx/TradVn': 'XOFF' },
      ...{ 'FinInstrm/Id': SHARE, 'Buyr/AcctOwnr/CtryOfBrnch': 'FR|FR' },
      ...{ 'Buyr/AcctOwnr/Id/Prsn/FrstNm': 'Anna|Berit', 'Buyr/AcctOwnr/Id/Prsn/Nm': 'Mustermann|Svensson' },
      ...{ 'Buyr/AcctOwnr/Id/Prsn/BirthDt': '1970-01-01|1970-01-31' },
      ...{ 'Buyr/AcctOwnr/Id/Prsn/Othr/Id': 'DE19700101ANNA#MUSTE|SE197001311234' },
      ...{ 'Buyr/AcctOwnr/Id/Prsn/Othr/SchmeNm/Prtry': 'CONCAT', 'Buyr/AcctOwnr/Id/Prsn/Othr/SchmeNm/Cd': 'NIDN' },
      ...{ 'Buyr/DcsnMakr/Prsn/FrstNm': 'Karl', 'Buyr/DcsnMakr/Prsn/Nm': 'Vertreter' },
      ...{ 'Buyr/DcsnMakr/Prsn/BirthDt': '1961-12-24', 'Buyr/DcsnMakr/Prsn/Othr/Id': 'AT19611224KARL#VERTR' },
      ...{ 'Buyr/DcsnMakr/Prsn/Othr/SchmeNm/Prtry': 'CONCAT', 'ExctgPrsn/Prsn/CtryOfBrnch': 'IT' },
      ...{ 'ExctgPrsn/Prsn/Othr/Id': 'ITMRARSS70A01H501U', 'ExctgPrsn/Prsn/Othr/SchmeNm/Cd': 'NIDN' },
    },
  },
  'an order for which two act': {
    metadata: {
      ...{ ...CLIENT_DECIDES, trading_capacity: 'any_other', client_id: 'C-1', counterparty_id: BANK },
      ...{ client_representative_ids: ['R-1', OTHER_BANK] },
    },
    state: { isin: SHARE, side: 'buy', ...OFF, quantity: '2', price: '61' },
    expected: {
      ...{ 'Tx/TradgCpcty': 'AOTC', [SELLER]: BANK, ...units('2'), ...money('61'), 'Tx/TradVn': 'XOFF' },
      ...{ 'FinInstrm/Id': SHARE, 'Buyr/AcctOwnr/Id/LEI': CLIENT, 'Buyr/AcctOwnr/CtryOfBrnch': 'IT' },
      ...{ 'Buyr/DcsnMakr/Prsn/FrstNm': 'Karl', 'Buyr/DcsnMakr/Prsn/Nm': 'Vertreter' },
      ...{ 'Buyr/DcsnMakr/Prsn/BirthDt': '1961-12-24', 'Buyr/DcsnMakr/Prsn/Othr/Id': 'AT19611224KARL#VERTR' },
      ...{ 'Buyr/DcsnMakr/Prsn/Othr/SchmeNm/Prtry': 'CONCAT', 'Buyr/DcsnMakr/LEI': OTHER_BANK },
    },
  },
  'a mandate, by which the firm decides for a fund that sells': {
    metadata: { ...MACHINES, trading_capacity: 'any_other', client_id: 'C-5', counterparty_id: BANK },
    state: { isin: SHARE, side: 'sell', ...OFF, quantity: '2', price: '61', short_sale: 'not_exempt' },
    expected: {
      ...{ 'Tx/TradgCpcty': 'AOTC', [BUYER]: BANK, [SELLER]: FUND, 'Sellr/AcctOwnr/CtryOfBrnch': 'FR' },
      ...{ 'Sellr/DcsnMakr/LEI': FIRM, 'InvstmtDcsnPrsn/Algo': 'MM7', ...units('2'), ...money('61') },
      ...{ 'Tx/TradVn': 'XOFF', 'FinInstrm/Id': SHARE, 'AddtlAttrbts/ShrtSellgInd': 'SESH' },
    },
  },
  'an order of a client that another firm transmitted, of which the client fixed all': {
    metadata: {
      ...{ ...CLIENT_DECIDES, client_id: 'C-1', transmitting_firm: OTHER_BANK, branch: 'IT', counterparty_id: BANK },
      ...{ execution_decision_maker: undefined, execution_decision_maker_type: 'client' },
    },
    state: { isin: SHARE, side: 'buy', exchange: 'XXSI', quantity: '2', price: '61', otc_flags: ['special_dividend'] },
    expected: {
      ...{ 'Tx/TradgCpcty': 'AOTC', [BUYER]: CLIENT, 'Buyr/AcctOwnr/CtryOfBrnch': 'IT', [SELLER]: BANK },
      ...{ 'OrdrTrnsmssn/TrnsmttgBuyr': OTHER_BANK, ...units('2'), ...money('61'), 'Tx/TradVn': 'XXSI' },
      ...{ 'FinInstrm/Id': SHARE, 'ExctgPrsn/Clnt': 'NORE', 'AddtlAttrbts/OTCPstTradInd': 'SDIV' },
    },
  },
  'an order that was transmitted without its details': {
    metadata: { ...CLIENT_DECIDES, client_id: 'C-1', transmission: 'incomplete', order_receiver: BANK },
    state: { isin: SHARE, side: 'sell', exchange: 'XPAR', quantity: '2', price: '61', short_sale: 'undisclosed' },
    expected: {
      ...{ 'Tx/TradgCpcty': 'AOTC', [BUYER]: BANK, [SELLER]: CLIENT, 'Sellr/AcctOwnr/CtryOfBrnch': 'IT' },
      ...{ 'OrdrTrnsmssn/TrnsmssnInd': 'true', ...units('2'), ...money('61'), 'Tx/TradVn': 'XOFF' },
      ...{ 'FinInstrm/Id': SHARE, 'AddtlAttrbts/ShrtSellgInd': 'UNDI' },
    },
  },
  'an order of several clients, on a venue without a central counterparty': {
    metadata: { ...CLIENT_DECIDES, client_id_type: 'aggregated', venue_transaction_id: 'V7' },
    state: { isin: SHARE, side: 'buy', exchange: 'XANO', quantity: '2', price: '61' },
    expected: {
      ...{ 'Tx/TradgCpcty': 'AOTC', 'Buyr/AcctOwnr/Id/Intl': 'INTC', 'Sellr/AcctOwnr/Id/MIC': 'XANO' },
      ...{ ...units('2'), ...money('61'), 'Tx/TradVn': 'XANO', 'Tx/CtryOfBrnch': 'FR', 'Tx/TradPlcMtchgId': 'V7' },
      'FinInstrm/Id': SHARE,
    },
  },
  'securities financing that is a transaction': {
    ...{ instrument: 'sovereign', metadata: WITH_BANK },
    state: {
      ...{
        side: 'buy',
        ...OFF,
        quantity: '1000',
        quantity_notation: 'nominal',
        price: '99',
        price_notation: 'percentage',
      },
      ...{ accrued_interest: '0', transaction_nature: 'securities_financing', sftr_exempt: true },
    },
    expected: {
      ...{ ...FIRM_BUYS, ...nominal('1000'), 'Tx/Pric/Pric/Pctg': '99', 'Tx/NetAmt': '990', 'Tx/TradVn': 'XOFF' },
      ...{ ...identified('sovereign'), 'AddtlAttrbts/SctiesFincgTxInd': 'true' },
    },
  },
  ...Object.fromEntries(
    (
      [
        // Annex II: which id a nationality has, and by which scheme it stands in the file
        ['P-AT', 'AT19700131JURGEHEIDE', 'CONCAT', 'Dr. Jürgen Karl', 'von der Heide-Müller'],
        ['P-COMMA', 'FR19700131ANNA#BEISP', 'CONCAT', 'Anna,Maria', 'Beispiel'],
        ['P-IE', 'IE19700131SEAN#OBRIE', 'CONCAT', 'Seán', "O'Brien"],
        ['P-ES', 'ES12345678Z', 'NIDN', 'Ana', 'Ejemplo'],
        ['P-TWO', 'FR19700131LUCA#ESEMP', 'CONCAT', 'Luca', 'Esempio'],
        ['P-OUT', 'DE19700131JANE#SAMPL', 'CONCAT', 'Jane', 'Sample'],
        ['P-PL', 'PL70013112345', 'NIDN', 'Jan', 'Przyklad'],
        ['P-CY', 'CYK00123456', 'CCPT', 'Eleni', 'Paradigma'],
        ['P-NL', 'NLIRF123456', 'NIDN', 'Jan', 'Voorbeeld'],
        ['P-LT', 'LT12345678', 'CCPT', 'Ona', 'Pavyzdys'],
        ['P-CZ', 'CZ19700131PETR#PRIKL', 'CONCAT', 'Petr', 'Příklad'],
        ['P-US', 'USP7654321', 'CCPT', 'John', 'Doe'],
        ['P-BR', 'BR19700131ANA##EXEMP', 'CONCAT', 'Ana', 'Exemplo'],
      ] as const
    ).map(([client, id, scheme, first, last]): [string, Case] => [
      `the person ${client}`,
      {
        metadata: { ...CLIENT_DECIDES, client_id: client, counterparty_id: BANK },
        state: { isin: SHARE, side: 'buy', ...OFF, quantity: '1', price: '61' },
        expected: {
          ...{ 'Tx/TradgCpcty': 'AOTC', ...ofPerson('Buyr', id, scheme, first, last), [SELLER]: BANK },
          ...{ ...units('1'), ...money('61'), 'Tx/TradVn': 'XOFF', 'FinInstrm/Id': SHARE },
        },
      },
    ]),
  ),
};

/** On a venue, by its ISIN: a notional of a million at 2.3456789 per cent, unless something else is said. */
function ofSwap(
  name: string,
  state: Record<string, unknown>,
  code: string,
  firm: 'buy' | 'sell',
  more: Leaves = { 'Tx/Pric/Pric/Pctg': '2.3456789' },
): Case {
  const traded = {
    ...AT_OTF,
    quantity: '1000000',
    quantity_notation: 'nominal',
    price: '2.3456789',
    price_notation: 'percentage',
  };
  return {
    ...{ instrument: name, metadata: { ...WITH_BANK, venue_transaction_id: code }, state: { ...traded, ...state } },
    expected: {
      ...{
        ...(firm === 'buy' ? FIRM_BUYS : FIRM_SELLS),
        ...nominal('1000000'),
        ...ON_OTF(code),
        ...identified(name),
        ...more,
      },
    },
  };
}

const NAMES = Object.keys(PRODUCTS);
const timeOf = (i: number): string => `${DAY}T10:${String(i).padStart(2, '0')}:00.123456Z`;
const EVENTS: readonly SentEvent[] = NAMES.map((name, i) => {
  const { instrument: which, state = {}, metadata = {} } = PRODUCTS[name]!;
  const known = which === undefined ? {} : { isin: INSTRUMENTS[which]!.isin };
  return order(i + 1, name, 'fill', timeOf(i), {
    new_state: defined({ ...known, ...state }),
    metadata: defined(metadata),
  });
});

const mistakeName = (i: number): string => `mistake ${i}, field ${MISTAKES[i]!.field}`;
const MISTAKEN_EVENTS: readonly SentEvent[] = MISTAKES.map(({ state, metadata }, i) =>
  order(600 + i, mistakeName(i), 'fill', `${DAY}T12:00:00Z`, {
    new_state: defined(state),
    metadata: defined(metadata),
  }),
);
/** What the service gives to itself, and an id of a combination, which is made to fit. */
const RIGHT_BY_CONSTRUCTION = [1, 2, 4, 40];

function defined(members: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

/** As CSV by RFC 4180, with all columns that any of them has. */
function csvOf(entries: readonly object[]): string {
  const columns = [...new Set(entries.flatMap((each) => Object.keys(each))), 'valid_from'];
  const quoted = (text: string | undefined): string => (text === undefined ? '' : `"${text.replaceAll('"', '""')}"`);
  const lines = entries.map((each) => {
    const row: Record<string, string | undefined> = { ...each, valid_from: '2018-01-03' };
    return columns.map((column) => quoted(row[column])).join(',');
  });
  return `${[columns.join(','), ...lines].join('\n')}\n`;
}

/** Records of files by their transaction references, each with the texts of all that it holds. */
function leavesOf(files: Iterable<Buffer>): Map<string, { is: string; leaves: Leaves }> {
  const records = new Map<string, { is: string; leaves: Leaves }>();
  for (const file of files) {
    const document = XmlDocument.fromBuffer(file);
    try {
      const namespaces = { r: 'urn:iso:std:iso:20022:tech:xsd:auth.016.001.01' };
      for (const found of document.find('//r:FinInstrmRptgTxRpt/r:Tx/*', namespaces)) {
        const leaves: Leaves = {};
        collect(found as XmlElement, '', leaves);
        const { TxId: reference, ...rest } = leaves;
        records.set(reference!, { is: (found as XmlElement).name, leaves: rest });
      }
    } finally {
      document.dispose();
    }
  }
  return records;
}

function collect(element: XmlElement, path: string, into: Leaves): void {
  const add = (at: string, text: string): void => {
    into[at] = into[at] === undefined ? text : `${into[at]}|${text}`;
  };
  for (const { name, value } of element.attrs) add(`${path}/@${name}`, value);
  let hasElements = false;
  for (let node = element.firstChild; node !== null; node = node.next) {
    if (!(node instanceof XmlElement)) continue;
    hasElements = true;
    collect(node, path === '' ? node.name : `${path}/${node.name}`, into);
  }
  if (!hasElements) add(path, element.content);
}

describe('transaction reports of every product', () => {
  let service: TestService;
  let records: Map<string, { is: string; leaves: Leaves }>;
  /** transaction references by orders */
  const references = new Map<string, string>();
  let told: Record<string, string | null>[];
  /** of the submission of all of them */
  let id: string;
  beforeAll(async () => {
    const env = { REPORTING_SENDER: 'TF', REPORTING_RECEIVER: 'FR' };
    service = await startService({ env: { ...env, ...(HAS_SCHEMAS ? { REPORTING_SCHEMAS: SCHEMAS } : {}) } });
    const more = {
      venue: csvOf([OTF]),
      membership: csvOf([{ member_venue: `${FIRM}/XOTF`, reported_by: 'firm' }]),
      client: csvOf(CLIENTS),
      instrument: csvOf(Object.values(INSTRUMENTS)),
    };
    const files = [TRANSACTION_REFERENCE, more, MISTAKEN_REFERENCE].flatMap((each) => Object.entries(each));
    for (const [kind, text] of files) {
      const answer = await service
        .http()
        .post(`/v1/reference/${kind}/imports`)
        .set('content-type', 'text/csv')
        .send(text);
      expect([kind, answer.status, answer.body.errors]).toEqual([kind, 201, undefined]);
    }
    await service
      .http()
      .post('/v1/ledgers/main/events/batch')
      .send({ events: [...EVENTS, ...MISTAKEN_EVENTS] })
      .expect(201);
    const sent = await submitted(service, PERIOD);
    // with the schemas there: a file that they do not allow fails the submission
    expect([sent.status, sent.error]).toEqual(['done', null]);
    id = sent.id;
    told = await decisionsOf(service, id);
    for (const each of told) references.set(each.order_id!, each.transaction_reference!);
    records = leavesOf((await filesOf(service, sent.id)).values());
  });
  afterAll(() => service.close());

  it('are held against the schemas in CI', () => {
    expect(process.env.CI === undefined || HAS_SCHEMAS).toBe(true);
  });

  it('are all sent, one each', () => {
    const own = told.filter(({ order_id: id }) => id! in PRODUCTS);
    const held = own.filter(({ decision }) => decision !== 'send');
    expect(held.map((each) => [each.order_id, each.decision, each.to_mend])).toEqual([]);
    expect(own.map((each) => each.order_id).sort()).toEqual([...NAMES].sort());
    expect(records.size).toBe(NAMES.length);
  });

  it.each(NAMES)('%s', (name) => {
    const { is, leaves } = records.get(references.get(name)!) ?? { is: 'not sent', leaves: {} };
    const { expected } = PRODUCTS[name]!;
    // who executes stands in a choice: what is expected of one takes the place of the machine
    const { 'ExctgPrsn/Algo': machine, ...common } = COMMON;
    const isOther = Object.keys(expected).some((path) => path.startsWith('ExctgPrsn/'));
    const all = {
      ...common,
      ...(isOther ? {} : { 'ExctgPrsn/Algo': machine }),
      'Tx/TradDt': timeOf(NAMES.indexOf(name)),
    };
    expect([is, leaves]).toEqual(['New', { ...all, ...expected }]);
  });

  describe('read back from their files', () => {
    const list = (query: string, of = id) => service.http().get(`${SUBMISSIONS}/${of}/reports?${query}`);

    it('have the 65 fields that the report transactions gave them, as columns', async () => {
      const { body } = await service
        .http()
        .get('/v1/ledgers/main/reports/transactions')
        .query({ ...PERIOD, executing_entity: FIRM, format: 'json' })
        .expect(200);
      const derived = (body as { rows: Record<string, string | null>[] }).rows;
      const isField = (name: string): boolean => /^f[0-9]+_/.test(name);
      const fieldsOf = (row: Record<string, string | null>) =>
        Object.fromEntries(Object.entries(row).filter(([name]) => isField(name)));
      const { body: answer } = await list('format=json').expect(200);
      const sent = answer.rows as Record<string, string | null>[];
      expect(answer).toMatchObject({ report: 'transaction-reports-as-sent', parameters: { submission: id } });
      expect(Object.keys(sent[0]!).filter(isField)).toHaveLength(65);
      const expected = new Map(derived.map((row) => [row.f2_transaction_reference, row]));
      expect(sent.map((row) => row.f2_transaction_reference)).toEqual([...records.keys()].sort());
      for (const row of sent) {
        const other = expected.get(row.f2_transaction_reference)!;
        expect([other.order_id, fieldsOf(row)]).toEqual([other.order_id, fieldsOf(other)]);
        expect(row.event_id).toBe(other.event_id);
      }
      const { files } = (await service.http().get(`${SUBMISSIONS}/${id}`).expect(200)).body as {
        files: { message_id: string }[];
      };
      expect(new Set(sent.map((row) => row.message_id))).toEqual(new Set(files.map((file) => file.message_id)));
    });

    it('come in every format of a report, by name or by Accept, under a name of their own', async () => {
      const csv = await list('format=csv').expect(200);
      expect(csv.headers['content-type']).toContain('text/csv');
      expect(csv.headers['content-disposition']).toBe(`attachment; filename="transaction-reports-${id}.csv"`);
      const lines = csv.text.trimEnd().split('\r\n');
      expect(lines).toHaveLength(records.size + 1);
      expect(lines[0]).toMatch(/^message_id,event_id,f1_report_status,f2_transaction_reference,.*,f65_[a-z_]+$/);
      const ndjson = await list('').set('accept', 'application/x-ndjson').buffer(true).expect(200);
      expect(ndjson.text.trimEnd().split('\n')).toHaveLength(records.size + 1);
      const page = await list('format=html').expect(200);
      expect(page.text).toContain('Transaction reports as they were sent');
      const wrong = await list('format=pdf').expect(400);
      expect(wrong.body.errors).toMatchObject([{ pointer: '/query/format', rule: 'one-of' }]);
      await list('').set('accept', 'image/png').expect(406);
    });

    it('are none of a submission that sent nothing, and not there of one that is not known', async () => {
      const none = await submitted(service, { from_date: '2025-06-20', to_date: '2025-06-20' });
      expect((await list('format=json', none.id).expect(200)).body.rows).toEqual([]);
      const { body } = await list('format=csv', madeId(499)).expect(404);
      expect(body.type).toBe('/docs/problems/submission-not-found');
    });
  });

  it.each(MISTAKES.map(({ field, also }, i) => [field, also, mistakeName(i)] as const))(
    'are held where field %i is wrong, and it is named, with %j alone',
    (field, also, name) => {
      const found = told.filter(({ order_id: id }) => id === name);
      expect(found.map(({ decision }) => decision)).toEqual(['held']);
      const fields = found[0]!.to_mend!.split('; ').map((each) => Number(/^field ([0-9]+)\b/.exec(each)?.[1]));
      expect([...new Set(fields)]).toEqual([...also, field].sort((x, y) => x - y));
    },
  );

  it.each(REFUSED)('cannot have field $field wrong by reference data', async ({ kind, column, rule, entry }) => {
    const { body } = await service
      .http()
      .post(`/v1/reference/${kind}`)
      .send({ ...entry, valid_from: '2018-01-03' })
      .expect(400);
    expect(body.errors).toMatchObject([{ pointer: `/${column}`, rule }]);
  });

  it('are of a firm of which it is known whether it is an investment firm', async () => {
    const { body } = await service
      .http()
      .get(`/v1/ledgers/main/reports/transactions?from_date=${DAY}&to_date=${DAY}&executing_entity=${BANK}`)
      .expect(200);
    const rows = body.rows as Record<string, string | null>[];
    expect(rows.find(({ order_id: id }) => id === 'a warrant')!.to_mend).toMatch(/\bfield 5: legal entity/);
  });

  it('have each of the 65 fields wrong in one of these, or never', () => {
    const numbers = [...MISTAKES, ...REFUSED].map(({ field }) => field);
    const all = new Set([...numbers, ...RIGHT_BY_CONSTRUCTION, 5]);
    expect([...all].sort((a, b) => a - b)).toEqual(Array.from({ length: 65 }, (_, i) => i + 1));
  });

  it('are taken back by a cancellation that holds three fields, and reported anew', async () => {
    const name = 'a warrant';
    const first = EVENTS[NAMES.indexOf(name)]!;
    const corrected = { ...first, event_id: madeId(500), corrects: first.event_id };
    const state = { ...first.new_state, price: '0.074' };
    await service
      .http()
      .post('/v1/ledgers/main/events')
      .send({ ...corrected, new_state: state })
      .expect(201);
    const sent = await submitted(service, PERIOD);
    const found = [...leavesOf((await filesOf(service, sent.id)).values())];
    expect(found.map(([reference, { is }]) => [reference === references.get(name), is])).toEqual([
      [true, 'Cxl'],
      [false, 'New'],
    ]);
    expect(found[0]![1].leaves).toEqual({ ExctgPty: FIRM, SubmitgPty: ARM });
    const { body } = await service.http().get(`${SUBMISSIONS}/${sent.id}/reports?format=json`).expect(200);
    const cancelled = (body.rows as Record<string, string | null>[]).find((row) => row.f1_report_status === 'CANC')!;
    const filled = Object.entries(cancelled).filter(([name, value]) => /^f/.test(name) && value !== null);
    expect(Object.fromEntries(filled)).toEqual({
      f1_report_status: 'CANC',
      f2_transaction_reference: references.get(name),
      f4_executing_entity: FIRM,
      f6_submitting_entity: ARM,
    });
    expect(found[1]![1].leaves['Tx/Pric/Pric/MntryVal/Amt']).toBe('0.074');
  });
});
