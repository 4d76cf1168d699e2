import { parseDecimal } from './decimal.js';
import { OrderTerms, type TermName } from './order-terms.js';

const terms = (stated: Partial<Record<TermName, string>>): Map<TermName, { text: string }> =>
  new Map(Object.entries(stated).map(([name, text]) => [name as TermName, { text }]));
const SECOND = 1_000_000_000n;

describe('an execution', () => {
  it('that is not comparable with what was recorded is held against what the order was at its time', () => {
    const order = new OrderTerms<string>();
    const limit = { order_type: 'limit', limit_price: '5' };
    order.state('create', terms({ symbol: 'A', side: 'buy', ...limit }), 0n, 'oms');
    order.execute('fill', { time: 20n * SECOND, price: parseDecimal('9'), source: 'oms', own: terms({ symbol: 'B' }) });
    // recorded late
    order.state('modify', terms({ symbol: 'B' }), 10n * SECOND, 'oms');
    expect([...order.misfits()]).toEqual([
      { place: 'fill', misfit: 'limit', expected: 'a price of at most 5', found: 'price 9' },
    ]);
  });
});
