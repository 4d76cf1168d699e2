import { TERMS } from '../vocabulary/order-vocabulary.js';
import { CODE_LISTS } from './rules/code-lists.js';
import { EXCLUSIONS, RTS22_CODES, rts22Code } from './rts22-codes.js';

const codesOf = (name: keyof typeof TERMS): string[] => {
  const { type } = TERMS[name];
  return type.is === 'code' || type.is === 'codes' ? Object.keys(type.codes) : [];
};

it.each([
  ['capacity', 'trading_capacity', 29],
  ['notionalChange', 'notional_change', 32],
  ['optionType', 'option_type', 50],
  ['exerciseStyle', 'exercise_style', 53],
  ['deliveryType', 'delivery_type', 56],
  ['waivers', 'waivers', 61],
  ['shortSelling', 'short_sale', 62],
  ['otcFlags', 'otc_flags', 63],
] as const)('%s has a code of the regulation for each of the vocabulary', (list, name, field) => {
  expect(Object.keys(RTS22_CODES[list]).sort()).toEqual(codesOf(name).sort());
  expect(Object.values(RTS22_CODES[list]).sort()).toEqual(
    [...CODE_LISTS.find((each) => each.field === field)!.codes].sort(),
  );
  expect(rts22Code(list, 'constructor')).toBe('constructor');
});

it('has the fifteen exclusions that an event can state', () => {
  expect(['trade', ...EXCLUSIONS.keys()]).toEqual(codesOf('transaction_nature'));
  expect(EXCLUSIONS.size).toBe(15);
});
