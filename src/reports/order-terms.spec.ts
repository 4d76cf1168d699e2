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

  it('of which there are many within the seconds that clocks may be apart costs no look at each change', () => {
    const began = process.cpuUsage().user;
    const changes = 20_000;
    const order = new OrderTerms<number>();
    order.state('create', terms({ symbol: 'A', side: 'buy', order_type: 'limit', limit_price: '5' }), 0n, 'oms');
    for (let i = 1; i <= changes; i++) {
      const time = BigInt(i) * 10_000n;
      order.state('modify', terms({ limit_price: `${(i % 9_000) + 1}` }), time, 'oms');
      order.execute(i, { time, price: parseDecimal('9001'), source: 'oms', own: terms({}) });
    }
    const misfits = [...order.misfits()];
    expect(misfits).toHaveLength(changes);
    expect(process.cpuUsage().user - began).toBeLessThan(20_000_000);
    expect(misfits.at(-1)).toEqual({
      place: changes,
      misfit: 'limit',
      expected: 'a price of at most 9000',
      found: 'price 9001',
    });
  });
});
