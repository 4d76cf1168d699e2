import { BANK, CCP, CLIENT, FIRM } from '../support/transaction-reports.js';
import { order, type SentEvent } from './made-day.js';

export const ARM = '9695TESTBROKER000139';
export const FUND = '9695TESTHEDGE0000194';
export const OTHER_BANK = '9695TESTBANK00000112';
export { BANK, CCP, CLIENT, FIRM };

export const SHARE = 'FR0000131104';
export const BOND = 'DE0001102309';
export const UNLISTED = 'FR0000000028';
export const SWAP = 'EZ0000000003';
export const FUTURE = 'XS0000000017';

/** Reference data of a firm in France with a branch in Italy, as files by kind. */
export const TRANSACTION_REFERENCE: Readonly<Record<string, string>> = {
  'legal-entity': `lei,name,country,investment_firm,submitting_entity,valid_from
${FIRM},Test Firm,FR,yes,${ARM},2018-01-03
${BANK},A bank,DE,,,2018-01-03
`,
  branch: `branch_id,legal_entity,country,valid_from
MIL,${FIRM},IT,2018-01-03
`,
  trader: `trader_id,person_id,person_id_scheme,first_name,surname,branch,valid_from
T-1,ITMRARSS70A01H501U,NIDN,Maria,Rossi,MIL,2018-01-03
T-2,DE19800307CAMILTESTE,CONCAT,Camille,Testeur,,2018-01-03
`,
  algorithm: `algorithm_id,version,name,purpose,valid_from
MM7,1,Market maker,investment_decision,2018-01-03
SOR7V3,3,Router,execution,2018-01-03
`,
  representative: `representative_id,first_name,surname,nationality,birth_date,valid_from
R-1,Karl,Vertreter,AT,1961-12-24,2018-01-03
`,
  client: `client_id,name,lei,first_name,surname,nationality,birth_date,national_id,joint_holders,decision_maker,branch,valid_from
C-1,A company,${CLIENT},,,,,,,,MIL,2018-01-03
C-2,,,Anna,Mustermann,DE,1970-01-01,,,,,2018-01-03
C-3,,,,,,,,C-2 C-4,,,2018-01-03
C-4,,,Berit,Svensson,SE,1970-01-31,197001311234,,,,2018-01-03
C-5,A fund,${FUND},,,,,,,${FIRM},,2018-01-03
C-6,,,Anna,Mustermann,DE,1970-01-01,,,R-1,,2018-01-03
C-7,,,Nils,Olsen,SE,1980-01-31,,,,,2018-01-03
`,
  venue: `mic,name,operating_mic,segment,country,category,lei,kind,central_counterparty,valid_from
XPAR,With a central counterparty,XPAR,OPRT,FR,RMKT,,,${CCP},2018-01-03
XANO,Without one,XANO,OPRT,DE,MLTF,,,,2018-01-03
XREP,Reports for its members,XREP,OPRT,DE,OTFS,,,,2018-01-03
XNYS,Outside,XNYS,OPRT,US,NSPD,,,${CCP},2018-01-03
XXSI,An internaliser,XXSI,OPRT,DE,SINT,${BANK},,,2018-01-03
XOWN,The firm's own internaliser,XOWN,OPRT,FR,NSPD,${FIRM},systematic_internaliser,,2018-01-03
XNSP,Nothing is known of,XNSP,OPRT,FR,NSPD,,,,2018-01-03
`,
  membership: `member_venue,reported_by,branch,valid_from
${FIRM}/XPAR,firm,MIL,2018-01-03
${FIRM}/XANO,firm,,2018-01-03
${FIRM}/XNYS,firm,,2018-01-03
${FIRM}/XREP,venue,,2018-01-03
`,
  instrument: `isin,name,symbol,cfi,currency,listed_from,listed_to,notional_currency,price_multiplier,received_by_buyer,expiry_date,delivery_type,valid_from
${SHARE},A share,SHR,ESVUFR,EUR,2018-01-03,,,,,,,2018-01-03
${BOND},A bond,BND,DBFTFB,EUR,2018-01-03,,,,,,,2018-01-03
${UNLISTED},A share that no venue has,UNL,ESVUFR,EUR,,,,,,,,2018-01-03
${SWAP},Total return swap on a share,SWP,SESPXC,,,,EUR,1,${SHARE},2030-06-03,cash,2018-01-03
${FUTURE},A future on a commodity,FUT,FCEPSX,USD,2018-01-03,,,,,,,2018-01-03
`,
};

const DAY = '2025-06-03T';
let number = 0;
/** Numbers of events by the name that the test calls them. */
export const NUMBERS: Record<string, number> = {};

function event(
  orderId: string,
  action: string,
  time: string,
  state: object,
  metadata: object = {},
  more: { corrects?: number | undefined; named?: string } = {},
): SentEvent {
  number += 1;
  if (more.named !== undefined) NUMBERS[more.named] = number;
  return order(number, orderId, action, `${DAY}${time}Z`, {
    new_state: { ...state },
    metadata: { ...metadata },
    ...(more.corrects === undefined ? {} : { corrects: more.corrects }),
  });
}

/** Of the firm for itself, by machines. */
export const OWN = {
  ...{ trading_capacity: 'own_account', client_id_type: 'none' },
  ...{ investment_decision_maker: 'MM7', investment_decision_maker_type: 'algorithm' },
  ...{ execution_decision_maker: 'SOR7V3', execution_decision_maker_type: 'algorithm' },
};
/** Of a client, executed by a person. */
export const agency = (client: string) => ({
  ...{ trading_capacity: 'any_other', client_id: client },
  ...{ investment_decision_maker_type: 'client', execution_decision_maker: 'T-2' },
});
const onVenue = (side: string, exchange = 'XPAR') => ({ symbol: 'SHR', side, exchange, quantity: '1000' });
const fill = (quantity: string, price = '61.38') => ({ quantity, price });
const code = (id: string) => ({ venue_transaction_id: id });

/** 3 June 2025 of the firm. What each order is there for stands beside it. */
export const MADE_TRANSACTIONS: readonly SentEvent[] = [
  // own account, on a venue with a central counterparty, under a waiver; the time of the execution in another zone
  event('OWN', 'create', '08:00:00', onVenue('buy'), OWN),
  event(
    'OWN',
    'partial_fill',
    '08:00:01',
    { ...fill('250'), waivers: ['reference_price'] },
    {
      ...code('TV1'),
      execution_time: '2025-06-03T10:00:00.123456789+02:00',
    },
  ),
  // of the same order, without a waiver
  event('OWN', 'fill', '08:00:02.5', fill('750', '61.4'), code('TV2')),
  // short, on a venue without a central counterparty, by persons
  event(
    'SHORT',
    'create',
    '08:01:00',
    { ...onVenue('sell', 'XANO'), short_sale: 'not_exempt' },
    {
      ...{ trading_capacity: 'own_account', client_id_type: 'none' },
      ...{ investment_decision_maker: 'T-1', execution_decision_maker: 'T-2' },
    },
  ),
  event('SHORT', 'fill', '08:01:01', fill('10'), code('TV3')),
  // for a company that is a client of the branch
  event('AOTC', 'create', '08:02:00', onVenue('buy'), agency('C-1')),
  event('AOTC', 'fill', '08:02:01', fill('20'), code('TV4')),
  // a person sells, and fixed all of the execution
  event(
    'PERSON',
    'create',
    '08:03:00',
    { ...onVenue('sell'), short_sale: 'not_short' },
    {
      ...{ trading_capacity: 'any_other', client_id: 'C-2', client_id_type: 'natural_person' },
      ...{ investment_decision_maker_type: 'client', execution_decision_maker_type: 'client' },
    },
  ),
  event('PERSON', 'fill', '08:03:01', fill('30'), code('TV5')),
  // matched principal for a joint account, off venue
  event(
    'MTCH',
    'create',
    '08:04:00',
    { symbol: 'SHR', side: 'buy', exchange: 'XOFF', quantity: '40' },
    {
      ...{ ...agency('C-3'), trading_capacity: 'matched_principal' },
    },
  ),
  event('MTCH', 'fill', '08:04:01', { ...fill('40'), otc_flags: ['benchmark'] }, { counterparty_id: BANK }),
  // the firm decides for a fund under a mandate
  event('MANDATE', 'create', '08:05:00', onVenue('buy'), {
    ...{ trading_capacity: 'any_other', client_id: 'C-5' },
    ...{ investment_decision_maker: 'T-1', execution_decision_maker: 'SOR7V3' },
  }),
  event('MANDATE', 'fill', '08:05:01', fill('50'), code('TV6')),
  // somebody acts for a person; the counterparty is disclosed
  event('ACTED', 'create', '08:06:00', onVenue('buy'), agency('C-6')),
  event('ACTED', 'fill', '08:06:01', fill('60'), { ...code('TV7'), counterparty_id: OTHER_BANK }),
  // an aggregate of clients, filled twice and then allocated
  event('INTC', 'create', '08:07:00', onVenue('buy'), {
    ...{ trading_capacity: 'any_other', client_id_type: 'aggregated', execution_decision_maker: 'T-2' },
    ...{ investment_decision_maker_type: 'client' },
  }),
  event('INTC', 'partial_fill', '08:07:01', fill('100'), code('TV8')),
  event('INTC', 'fill', '08:07:02', fill('200', '61.5'), code('TV9')),
  event(
    'INTC',
    'modify',
    '08:30:00',
    {},
    {
      allocations: [
        { client_id: 'C-1', quantity: '120', price: '61.46' },
        { client_id: 'C-4', quantity: '180', price: '61.46' },
      ],
    },
  ),
  // a bond, off venue: accrued interest
  event(
    'BOND',
    'create',
    '08:08:00',
    { symbol: 'BND', side: 'sell', quantity: '100000', short_sale: 'not_short' },
    OWN,
  ),
  event(
    'BOND',
    'fill',
    '08:08:01',
    {
      ...{ ...fill('100000', '101.25'), price_notation: 'percentage', quantity_notation: 'nominal' },
      ...{ accrued_interest: '100.55' },
    },
    { counterparty_id: BANK },
  ),
  // own account, facing a client who buys off venue
  event(
    'FACE',
    'create',
    '08:09:00',
    { symbol: 'SHR', side: 'buy', exchange: 'XOFF', quantity: '70', short_sale: 'not_short' },
    {
      ...OWN,
      ...{ client_id: 'C-1', client_id_type: 'legal_entity' },
    },
  ),
  event('FACE', 'fill', '08:09:01', fill('70')),
  // own account for a client's order on a venue: two transactions
  event(
    'BOTH',
    'create',
    '08:10:00',
    { ...onVenue('buy'), short_sale: 'not_short' },
    {
      ...OWN,
      ...{ client_id: 'C-1', client_id_type: 'legal_entity' },
    },
  ),
  event('BOTH', 'fill', '08:10:01', fill('80'), code('TV10')),
  // the firm's own internaliser
  event(
    'OWNSI',
    'create',
    '08:11:00',
    { ...onVenue('sell', 'XOWN'), short_sale: 'undisclosed' },
    {
      ...OWN,
      ...{ client_id: 'C-1', client_id_type: 'legal_entity' },
    },
  ),
  event('OWNSI', 'fill', '08:11:01', fill('81')),
  // another's internaliser
  event('SI', 'create', '08:12:00', onVenue('buy', 'XXSI'), agency('C-1')),
  event('SI', 'fill', '08:12:01', { ...fill('82'), otc_flags: ['price_improvement'] }),
  // a platform outside of the EEA
  event('OUTSIDE', 'create', '08:13:00', onVenue('buy', 'XNYS'), agency('C-1')),
  event('OUTSIDE', 'fill', '08:13:01', fill('83')),
  // a swap on a share, not traded on any venue; the firm gives the risk away, so the bank buys
  event(
    'SWAP',
    'create',
    '08:14:00',
    { symbol: 'SWP', side: 'buy', swap_role: 'gives_price_risk', quantity: '500000' },
    OWN,
  ),
  event(
    'SWAP',
    'fill',
    '08:14:01',
    {
      ...{ quantity: '500000', price: '61.38', quantity_notation: 'monetary', currency: 'EUR' },
      ...{ upfront_payment: '-1500', upfront_payment_currency: 'EUR' },
    },
    { counterparty_id: BANK },
  ),
  // its notional goes down: the sides swap
  event(
    'LESS',
    'create',
    '08:15:00',
    { symbol: 'SWP', side: 'buy', swap_role: 'gives_price_risk', quantity: '100000' },
    OWN,
  ),
  event(
    'LESS',
    'fill',
    '08:15:01',
    {
      ...{ quantity: '100000', price_absent: 'not_applicable', quantity_notation: 'monetary', currency: 'EUR' },
      notional_change: 'decrease',
    },
    { counterparty_id: BANK },
  ),
  // an option on a share that the event describes; part of a combination
  event(
    'OPTION',
    'create',
    '08:16:00',
    {
      ...{ side: 'buy', instrument_name: 'Call on a share', cfi: 'HESAVC', currency: 'EUR', price_multiplier: '100' },
      ...{ underlying_isins: [SHARE], option_type: 'call', strike_price: '65.5', strike_price_currency: 'EUR' },
      ...{ exercise_style: 'european', delivery_type: 'cash', expiry_date: '2026-12-18', quantity_notation: 'units' },
    },
    OWN,
  ),
  event('OPTION', 'fill', '08:16:01', fill('3', '2.15'), { counterparty_id: BANK, complex_trade_id: 'COMBI1' }),
  // a commodity future at a price below zero, the other part of it
  event(
    'FUTURE',
    'create',
    '08:17:00',
    { symbol: 'FUT', side: 'buy', exchange: 'XPAR', commodity_risk_reducing: true },
    OWN,
  ),
  event('FUTURE', 'fill', '08:17:01', fill('4', '-37.63'), { ...code('TV11'), complex_trade_id: 'COMBI1' }),
  // transmitted without all details: the firm reports that it bought from the broker
  event('SENTON', 'create', '08:18:00', onVenue('buy'), {
    ...{ ...agency('C-1'), transmission: 'incomplete', order_receiver: BANK },
  }),
  event('SENTON', 'fill', '08:18:01', fill('90'), code('TV12')),
  // received with all details
  event(
    'GOT',
    'create',
    '08:19:00',
    { ...onVenue('sell'), short_sale: 'undisclosed' },
    {
      ...{ ...agency('C-1'), transmitting_firm: OTHER_BANK, branch: 'IT' },
    },
  ),
  event('GOT', 'fill', '08:19:01', fill('91'), code('TV13')),
  // securities financing that is reported nowhere else
  event('SFT', 'create', '08:20:00', { symbol: 'BND', side: 'buy', quantity_notation: 'nominal' }, OWN),
  event(
    'SFT',
    'fill',
    '08:20:01',
    {
      ...{ ...fill('1000000', '99'), price_notation: 'percentage', net_amount: '990000' },
      ...{ transaction_nature: 'securities_financing', sftr_exempt: true },
    },
    { counterparty_id: BANK },
  ),
  // corrected twice, and then it is another's
  event('FIXED', 'create', '08:21:00', onVenue('buy'), OWN),
  event('FIXED', 'fill', '08:21:01', fill('100'), code('TV14'), { named: 'FIXED' }),
  event('FIXED', 'fill', '08:21:01', fill('100', '61.39'), code('TV14'), { named: 'FIXED-2', corrects: NUMBERS.FIXED }),
  event(
    'FIXED',
    'fill',
    '08:21:01',
    fill('100', '61.39'),
    { ...code('TV14'), executing_entity: BANK },
    {
      ...{ named: 'FIXED-3', corrects: NUMBERS['FIXED-2'] },
    },
  ),
  // the client of the order is corrected after the first execution, and its desk after both
  event('CLIENT', 'create', '08:50:00', onVenue('buy'), agency('C-1'), { named: 'CLIENT' }),
  event('CLIENT', 'partial_fill', '08:50:01', fill('1'), code('TV17'), { named: 'CLIENT-1' }),
  event('CLIENT', 'create', '08:50:00', onVenue('buy'), agency('C-4'), { named: 'CLIENT-4', corrects: NUMBERS.CLIENT }),
  event('CLIENT', 'fill', '08:50:02', fill('2'), code('TV18'), { named: 'CLIENT-2' }),
  event(
    'CLIENT',
    'create',
    '08:50:00',
    onVenue('buy'),
    { ...agency('C-4'), desk: 'equities' },
    { corrects: NUMBERS['CLIENT-4'] },
  ),
  // never happened
  event('VOID', 'create', '08:22:00', onVenue('buy'), OWN),
  event('VOID', 'fill', '08:22:01', fill('101'), code('TV15'), { named: 'VOID' }),
  event('VOID', 'void', '08:40:00', {}, { reason: 'bust' }, { named: 'VOID-2', corrects: NUMBERS.VOID }),
  // an allocation that is corrected: from two clients to one
  event('PART', 'create', '08:23:00', onVenue('sell'), {
    ...{ trading_capacity: 'own_account', client_id_type: 'pending_allocation' },
    ...{ investment_decision_maker: 'T-1', execution_decision_maker: 'T-2' },
  }),
  event(
    'PART',
    'fill',
    '08:23:01',
    { ...fill('10'), short_sale: 'not_short', firm_short_sale: 'not_short' },
    {
      ...code('TV16'),
      allocations: [
        { client_id: 'C-1', quantity: '4', price: '61.38' },
        { client_id: 'C-5', quantity: '6', price: '61.38' },
      ],
    },
    { named: 'PART' },
  ),
  event(
    'PART',
    'fill',
    '08:23:01',
    { ...fill('10'), short_sale: 'not_short', firm_short_sale: 'not_short' },
    {
      ...code('TV16'),
      allocations: [{ client_id: 'C-5', quantity: '10', price: '61.38' }],
    },
    { named: 'PART-2', corrects: NUMBERS.PART },
  ),
  // what is not reported
  ...[
    ...['securities_financing', 'clearing_or_settlement', 'netting', 'custodial', 'novation', 'portfolio_compression'],
    ...['fund_units', 'embedded_right', 'predetermined_terms', 'predetermined_notional_change', 'index_recomposition'],
    ...['dividend_reinvestment', 'employee_plan', 'exchange_or_tender_offer', 'collateral_transfer'],
  ].map((nature, i) =>
    event(
      `NOT-${nature}`,
      'fill',
      `09:00:${String(i).padStart(2, '0')}`,
      {
        ...{ ...onVenue('buy'), ...fill('1'), transaction_nature: nature },
      },
      OWN,
    ),
  ),
  event(
    'NOT-transmitted',
    'fill',
    '09:01:00',
    { ...onVenue('buy'), ...fill('1') },
    {
      ...{ ...agency('C-1'), transmission: 'complete', order_receiver: BANK },
    },
  ),
  event('NOT-venue', 'fill', '09:01:01', { ...onVenue('buy', 'XREP'), ...fill('1') }, OWN),
  event('NOT-ours', 'fill', '09:01:02', { ...onVenue('buy'), ...fill('1') }, { ...OWN, executing_entity: BANK }),
  event(
    'NOT-listed',
    'fill',
    '09:01:03',
    { symbol: 'UNL', side: 'buy', ...fill('1') },
    { ...OWN, counterparty_id: BANK },
  ),
  event('NOT-allocated', 'create', '09:01:04', onVenue('buy'), agency('C-1')),
  event('NOT-allocated', 'modify', '09:01:05', {}, { allocations: [{ client_id: 'C-1', quantity: '1' }] }),
  // what is held
  event('HELD-nothing', 'fill', '09:02:00', {}, {}),
  event('HELD-venue', 'fill', '09:02:01', { ...onVenue('buy', 'ZZZZ'), ...fill('1') }, { ...OWN, ...code('TV20') }),
  event('HELD-kind', 'fill', '09:02:02', { ...onVenue('buy', 'XNSP'), ...fill('1') }, OWN),
  event('HELD-client', 'fill', '09:02:03', { ...onVenue('buy'), ...fill('1') }, { ...agency('C-99'), ...code('TV21') }),
  event('HELD-person', 'fill', '09:02:04', { ...onVenue('buy'), ...fill('1') }, { ...agency('C-7'), ...code('TV22') }),
  event(
    'HELD-decided',
    'fill',
    '09:02:05',
    { ...onVenue('buy'), ...fill('1') },
    {
      ...{ ...agency('C-1'), investment_decision_maker: 'T-1', investment_decision_maker_type: 'natural_person' },
      ...code('TV23'),
    },
  ),
  event('HELD-code', 'fill', '09:02:06', { ...onVenue('buy'), ...fill('1') }, OWN),
  event(
    'HELD-bond',
    'fill',
    '09:02:07',
    { symbol: 'BND', side: 'buy', ...fill('1') },
    { ...OWN, counterparty_id: BANK },
  ),
  event(
    'HELD-codes',
    'fill',
    '09:02:08',
    {
      ...onVenue('buy'),
      ...fill('1'),
      transaction_nature: 'give_up',
      price_notation: 'money',
      quantity_notation: 'lots',
    },
    { ...OWN, ...code('TV24'), execution_time: 'at noon' },
  ),
];
