import { executionWith, type StatedValues } from '../../test/support/executions.js';
import { netAmountOf, priceOf, quantityOf, upFrontPaymentOf } from './amounts.js';
import type { Execution } from './execution.js';
import { executionOfLeg, legsOf } from './legs.js';
import { Trace, type ToMend } from './trace.js';

const BOND = { isin: 'DE0001102309' };
const PERCENT = { ...BOND, price_notation: 'percentage', quantity_notation: 'nominal' };
/** That no entry is of: a notional in euros, priced in dollars. */
const FORWARD = { isin: 'XS0000000017', cfi: 'JFTXFP', notional_currency: 'EUR', currency: 'USD' };
const SWAP = { isin: 'EZ0000000003', exchange: 'XOFF' };

function told({ toMend }: Trace): string[] {
  return toMend.map(({ field, text }: ToMend) => `${field}: ${text}`);
}

/** What is known of each of the allocations. */
function partsOf(stated: StatedValues): Execution[] {
  const execution = executionWith({ client_id_type: 'aggregated', ...stated });
  return legsOf(execution).flatMap((leg) => (leg.allocation ? [executionOfLeg(execution, leg)] : []));
}

describe('fields 30 and 31', () => {
  it.each<[StatedValues, object | undefined, string[]]>([
    [{ quantity: '250' }, { is: 'units', value: '250' }, []],
    [{ quantity: '18.123456789012345678' }, { is: 'units', value: '18.123456789012345678' }, []],
    [{}, undefined, ['30: quantity must be stated']],
    [{ ...PERCENT, quantity: '1000' }, { is: 'nominal', value: '1000', currency: 'EUR' }, []],
    [{ ...PERCENT, quantity: '1000', quantity_currency: 'USD' }, { is: 'nominal', value: '1000', currency: 'USD' }, []],
    [
      { ...BOND, quantity: '1000' },
      undefined,
      ['30: quantity_notation must be stated of instruments classified DBFTFB'],
    ],
    [{ ...SWAP, quantity: '5', quantity_notation: 'monetary' }, { is: 'monetary', value: '5', currency: 'EUR' }, []],
    [{ ...FORWARD, quantity: '5', quantity_notation: 'nominal' }, { is: 'nominal', value: '5', currency: 'EUR' }, []],
    [
      { isin: 'XS0000000017', quantity: '5', quantity_notation: 'monetary' },
      { is: 'monetary', value: '5', currency: undefined },
      ['31: quantity_currency must be stated'],
    ],
  ])('of %j are %j', (stated, quantity, toMend) => {
    const trace = new Trace();
    expect(quantityOf(executionWith(stated), trace)).toEqual(quantity);
    expect(told(trace)).toEqual(toMend);
  });

  it('of an allocation are its own', () => {
    const [part, other] = partsOf({ quantity: '10', allocations: [{ quantity: '4' }, {}] });
    const trace = new Trace();
    expect(quantityOf(part!, trace, true)).toEqual({ is: 'units', value: '4' });
    expect(trace.lineage[0]!.sources).toMatchObject([{ name: 'allocations/0/quantity' }]);
    expect(quantityOf(other!, trace, true)).toBeUndefined();
    expect(told(trace)).toEqual(['30: quantity must be stated in each of allocations']);
  });
});

describe('fields 33 and 34', () => {
  it.each<[StatedValues, object | undefined, string[]]>([
    [{ price: '61.38' }, { is: 'money', amount: '61.38', currency: 'EUR' }, []],
    [{ ...FORWARD, price: '1.08' }, { is: 'money', amount: '1.08', currency: 'USD' }, []],
    [{ price: '-37.63', currency: 'USD' }, { is: 'money', amount: '-37.63', currency: 'USD' }, []],
    [{ ...PERCENT, price: '101.25' }, { is: 'percentage', value: '101.25' }, []],
    [{ price: '1.5', price_notation: 'yield' }, { is: 'yield', value: '1.5' }, []],
    [{ price: '100', price_notation: 'basis_points' }, { is: 'basis-points', value: '100' }, []],
    [{ price_absent: 'pending' }, { is: 'pending', currency: 'EUR' }, []],
    [{ price_absent: 'not_applicable', ...SWAP }, { is: 'not-applicable', currency: undefined }, []],
    [{}, undefined, ['33: price or price_absent must be stated']],
    [{ ...BOND, price: '99' }, undefined, ['33: price_notation must be stated of debt instruments']],
    // what is priced by a rate, a spread or a coupon
    ...['SRCCSP', 'SCUCCC', 'JRIXFC'].map((cfi): [StatedValues, undefined, string[]] => [
      { isin: 'XS0000000017', cfi, currency: 'EUR', price: '2.5' },
      undefined,
      ['33: price_notation must be stated of swaps and forwards on rates or credit'],
    ]),
    [
      { isin: 'XS0000000017', cfi: 'SRCCSP', price: '2.5', price_notation: 'percentage' },
      { is: 'percentage', value: '2.5' },
      [],
    ],
    [
      { ...SWAP, price: '99' },
      { is: 'money', amount: '99', currency: undefined },
      ['34: currency must be stated, or stand in the entry of the instrument'],
    ],
  ])('of %j are %j', (stated, price, toMend) => {
    const trace = new Trace();
    expect(priceOf(executionWith(stated), trace)).toEqual(price);
    expect(told(trace)).toEqual(toMend);
  });

  it('of an allocation within an execution are those of the execution, if it has none of its own', () => {
    const allocations = [{ quantity: '4' }, { quantity: '6', price: '8' }];
    const prices = partsOf({ price: '9', allocations }).map((part) => priceOf(part, new Trace(), true));
    expect(prices).toMatchObject([{ amount: '9' }, { amount: '8' }]);
    const [pending] = partsOf({ price_absent: 'pending', allocations });
    expect(priceOf(pending!, new Trace(), true)).toMatchObject({ is: 'pending' });
    const trace = new Trace();
    const [apart] = partsOf({ action: 'modify', price: '9', allocations });
    expect(priceOf(apart!, trace, true)).toBeUndefined();
    expect(told(trace)).toEqual(['33: price or price_absent must be stated in each of allocations']);
  });

  it('of an allocation may be pending, all of it or a part', () => {
    const priced = [
      { quantity: '4', price_absent: 'pending' },
      { quantity: '6', price: '8' },
    ];
    const prices = partsOf({ action: 'modify', allocations: priced }).map((part) => priceOf(part, new Trace(), true));
    expect(prices).toMatchObject([{ is: 'pending' }, { amount: '8' }]);
    const whole = partsOf({ action: 'modify', price_absent: 'pending', allocations: [{ quantity: '4' }, priced[1]!] });
    expect(whole.map((part) => priceOf(part, new Trace(), true))).toMatchObject([{ is: 'pending' }, { amount: '8' }]);
  });
});

describe('field 35', () => {
  it.each<[string, StatedValues, string | undefined, string[]]>([
    ['as stated', { ...PERCENT, quantity: '100000', price: '101.25', net_amount: '101350.55' }, '101350.55', []],
    [
      'clean price and accrued interest',
      { ...PERCENT, quantity: '100000', price: '101.25', accrued_interest: '100.55' },
      '101350.55',
      [],
    ],
    [
      'rounded to five decimals, a half up',
      { ...PERCENT, quantity: '1', price: '99.0015', accrued_interest: '0.00000' },
      '0.99002',
      [],
    ],
    [
      'of a price in money',
      {
        ...BOND,
        quantity_notation: 'units',
        price_notation: 'monetary',
        quantity: '3',
        price: '1010.5',
        accrued_interest: '1',
      },
      '3032.5',
      [],
    ],
    [
      'not known without what accrued',
      { ...PERCENT, quantity: '100000', price: '101.25' },
      undefined,
      ['35: net_amount, or accrued_interest with a price in percent or money, must be stated'],
    ],
    [
      'not known of a yield',
      { ...PERCENT, price_notation: 'yield', quantity: '100000', price: '1', accrued_interest: '1' },
      undefined,
      ['35: net_amount, or accrued_interest with a price in percent or money, must be stated'],
    ],
    ['none without a price', { ...PERCENT, quantity: '1', price_absent: 'pending', net_amount: '1' }, undefined, []],
    ['none of a share', { quantity: '1', price: '1', net_amount: '1' }, undefined, []],
  ])('is %s', (_, stated, amount, toMend) => {
    const execution = executionWith(stated);
    const [price, quantity] = [priceOf(execution, new Trace()), quantityOf(execution, new Trace())];
    const trace = new Trace();
    expect(netAmountOf(execution, trace, { price, quantity })).toBe(amount);
    expect(told(trace)).toEqual(toMend);
  });
});

describe('field 35 of an allocation', () => {
  const PART = { ...PERCENT, price: '99.5' };
  it.each<[string, StatedValues, (string | undefined)[], string[]]>([
    ['is its own', { allocations: [{ quantity: '400', net_amount: '402.5' }] }, ['402.5'], []],
    ['is made of what accrued on it', { allocations: [{ quantity: '400', accrued_interest: '5' }] }, ['403'], []],
    [
      'has of what accrued on all what is in proportion',
      {
        quantity: '1000',
        accrued_interest: '10',
        allocations: [{ quantity: '400' }, { quantity: '600', price: '100' }],
      },
      ['402', '606'],
      [],
    ],
    [
      'has of the net amount of all what it is more than the clean one, in proportion',
      { quantity: '1000', net_amount: '985', allocations: [{ quantity: '400' }, { quantity: '600' }] },
      ['394', '591'],
      [],
    ],
    [
      'is rounded once',
      {
        quantity: '3',
        accrued_interest: '1',
        allocations: [
          { quantity: '1', price: '0' },
          { quantity: '2', price: '0' },
        ],
      },
      ['0.33333', '0.66667'],
      [],
    ],
    [
      'is not that of all',
      { quantity: '1000', allocations: [{ quantity: '400' }] },
      [undefined],
      [
        '35: net_amount, or accrued_interest with a price in percent or money, must be stated in each of allocations, or of all',
      ],
    ],
    [
      'is not known of what is allocated later without it',
      { action: 'modify', net_amount: '1007.5', accrued_interest: '1', allocations: [{ quantity: '4', price: '99' }] },
      [undefined],
      ['35: net_amount, or accrued_interest with a price in percent or money, must be stated in each of allocations'],
    ],
  ])('%s', (_, stated, amounts, toMend) => {
    const whole = executionWith({ ...PART, client_id_type: 'aggregated', ...stated });
    const parts = partsOf({ ...PART, ...stated });
    const trace = new Trace();
    const found = parts.map((part) => {
      const [price, quantity] = [priceOf(part, new Trace(), true), quantityOf(part, new Trace(), true)];
      return netAmountOf(part, trace, { price, quantity, whole });
    });
    expect(found).toEqual(amounts);
    expect(told(trace)).toEqual(toMend);
  });
});

it('field 38 of an allocation is its own, and asked for where the whole has one', () => {
  const allocations = [{ quantity: '4', upfront_payment: '-200' }, { quantity: '6' }];
  const stated = { ...SWAP, quantity: '10', upfront_payment: '-500', upfront_payment_currency: 'EUR', allocations };
  const whole = executionWith({ client_id_type: 'aggregated', ...stated });
  const trace = new Trace();
  expect(partsOf(stated).map((part) => upFrontPaymentOf(part, trace, whole))).toEqual([
    { amount: '-200', currency: 'EUR' },
    undefined,
  ]);
  expect(told(trace)).toEqual(['38: upfront_payment must be stated in each of allocations, as it is of the whole']);
});

it('fields 33 and 38 are to be mended where the order alone says what is of each execution', () => {
  const execution = executionWith({ ...SWAP, price: '99', price_notation: 'yield', upfront_payment: '2500' });
  const { at } = execution;
  const ofOrder = { ...execution, at: { ...at, content: { ...at.content, event_id: 'of the fill' } }, fill: undefined };
  const trace = new Trace();
  priceOf(ofOrder, trace);
  upFrontPaymentOf(ofOrder, trace);
  expect(told(trace)).toEqual([
    '33: price_notation must be stated of the execution itself: what was stated before it is yield',
    '38: upfront_payment must be stated of each execution: what its order says is of all of them',
  ]);
});

it('fields 38 and 39 keep the sign, and take the notional currency where none is stated', () => {
  const trace = new Trace();
  expect(upFrontPaymentOf(executionWith({ ...SWAP, upfront_payment: '-1500' }), trace)).toEqual({
    ...{ amount: '-1500', currency: 'EUR' },
  });
  expect(upFrontPaymentOf(executionWith(SWAP), trace)).toBeUndefined();
  expect(upFrontPaymentOf(executionWith({ ...FORWARD, upfront_payment: '5' }), trace)?.currency).toBe('EUR');
  expect(told(trace)).toEqual([]);
});
