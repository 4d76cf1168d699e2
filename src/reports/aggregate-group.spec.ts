import { partsOf, sumsOf, type GroupOrder } from './aggregate-group.js';
import { NO_VERSIONS } from './correction-story.js';
import { parseDecimal } from './decimal.js';
import { cpuMsOf } from '../../test/support/cpu-time.js';

describe('a group', () => {
  it('is added up in a short time, however many clients its executions went to', () => {
    const clients = 30_000;
    const event = { event_id: 'A', sequence: '1' };
    const aggregate: GroupOrder = {
      ...{ orderId: 'A', facts: new Map(), isAggregate: true, life: undefined },
      executed: parseDecimal(String(clients)),
      value: parseDecimal(String(clients * 5)),
      allocations: Array.from({ length: clients }, (_, i) => ({
        ...{ orderId: 'A', client: `C-${i}`, account: null, quantity: '1', price: i === 7 ? '5.02' : '5', event },
        versions: NO_VERSIONS,
      })),
    };
    const cost = cpuMsOf(() => {
      const { found, clients: shares } = sumsOf(partsOf([aggregate]), parseDecimal('0.01'));
      expect(shares).toHaveLength(clients);
      expect(found).toEqual(['price-differs C-7']);
    });
    expect(cost).toBeLessThan(3_000);
  });
});
