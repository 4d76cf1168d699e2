import { directionOf, type DirectionFacts } from './direction.js';

const NOTHING: DirectionFacts = {
  ...{ cfi: undefined, side: undefined, role: undefined, receivedCurrency: undefined, currencies: [] },
  notionalChange: undefined,
};

describe('who is the buyer (Annex I, fields 7 and 16)', () => {
  it.each<[string, Partial<DirectionFacts>, 'buy' | 'sell']>([
    ['of a share, who acquires it', { cfi: 'ESVUFR', side: 'buy' }, 'buy'],
    ['of an option, who holds the right', { cfi: 'OPASPS', side: 'sell' }, 'sell'],
    ['of a future, who buys the instrument', { cfi: 'FFICSX', side: 'buy' }, 'buy'],
    ['of a rate swap, who pays fixed', { cfi: 'SRCCSP', role: 'pays_fixed' }, 'buy'],
    [
      'of a rate swap, not who receives it, whatever side says',
      { cfi: 'SRCCSP', side: 'buy', role: 'receives_fixed' },
      'sell',
    ],
    ['of an option on a swap, who holds it', { cfi: 'HRAAVC', side: 'buy', role: 'receives_fixed' }, 'buy'],
    ['of a share, who acquires it', { cfi: 'ESVUFR', side: 'buy', role: 'gives_price_risk' }, 'buy'],
    ['of a forward rate agreement, who pays fixed', { cfi: 'JRIXFC', side: 'buy', role: 'receives_fixed' }, 'sell'],
    ['of what nobody knows, by the role', { side: 'buy', role: 'receives_fixed' }, 'sell'],
    ['of a basis swap, who pays the spread', { cfi: 'SRACSP', role: 'pays_spread' }, 'buy'],
    ['of an equity swap, who takes the risk of the price', { cfi: 'SESPXC', role: 'gives_price_risk' }, 'sell'],
    ['of a dividend swap, who receives the dividends', { cfi: 'SESDXC', role: 'receives_dividends' }, 'buy'],
    ['of a credit default swap, who buys protection', { cfi: 'SCUCCC', role: 'sells_protection' }, 'sell'],
    ['of a commodity swap, who receives it', { cfi: 'STQCXC', role: 'receives_commodity' }, 'buy'],
    [
      'of a currency swap, who receives the first currency',
      { cfi: 'SFCXXP', receivedCurrency: 'EUR', currencies: ['USD', 'EUR'] },
      'buy',
    ],
    [
      'of a currency forward, not who receives the second',
      { cfi: 'JFTXFP', side: 'buy', receivedCurrency: 'USD', currencies: ['USD', 'EUR'] },
      'sell',
    ],
    [
      'of a swap of rates in two currencies, who receives the first',
      { cfi: 'SRDCCP', role: 'pays_fixed', receivedCurrency: 'USD', currencies: ['EUR', 'USD'] },
      'sell',
    ],
    ['of an increase, who was it before', { cfi: 'SRCCSP', role: 'pays_fixed', notionalChange: 'increase' }, 'buy'],
    ['of a decrease, who was the seller', { cfi: 'SRCCSP', role: 'pays_fixed', notionalChange: 'decrease' }, 'sell'],
    [
      'of a decrease, who was the seller of an option',
      { cfi: 'OPASPS', side: 'sell', notionalChange: 'decrease' },
      'buy',
    ],
  ])('%s', (_, facts, side) => {
    expect(directionOf({ ...NOTHING, ...facts })).toMatchObject({ side });
  });

  it('is not guessed', () => {
    expect(directionOf(NOTHING)).toBe('side must be buy or sell');
    const swap = { ...NOTHING, cfi: 'SFCXXP', side: 'buy' };
    expect(directionOf({ ...swap, currencies: ['EUR', 'USD'] })).toMatch(/^received_currency must say/);
    expect(directionOf({ ...swap, receivedCurrency: 'EUR' })).toMatch(/^the two currencies/);
    expect(directionOf({ ...swap, receivedCurrency: 'EUR', currencies: ['USD', undefined] })).toMatch(/^the two curr/);
    const one = directionOf({ ...swap, receivedCurrency: 'EUR', currencies: ['USD', 'USD'] });
    expect(one).toBe(
      'the two currencies of the instrument must not both be USD: notional_currency must be stated where it is not that of the price',
    );
    for (const receivedCurrency of ['GBP', 'eur', 'both']) {
      const told = `received_currency ${receivedCurrency} must be EUR or USD`;
      expect(directionOf({ ...swap, receivedCurrency, currencies: ['USD', 'EUR'] })).toBe(told);
    }
  });
});
