import { VOCABULARY_VERSION } from '../vocabulary/order-vocabulary.js';
import { groupOrder, sumsOf, type GroupOrder } from './aggregate-group.js';
import { formatDecimal, type Decimal } from './decimal.js';
import { factAt, heldEvents, type HeldEvent } from './held-events.js';
import { ordersStating } from './orders-stating.js';
import { AROUND_MICROS, widened } from './periods.js';
import type { FactName } from './regimes/regime.js';
import { defineReport, type Period, type ReportRun } from './report.js';
import { textParameter } from './text-parameter.js';
import { lifeOfOrder } from './whole-lives.js';

/** Orders of one group. Of one with more nothing is added up. */
const MOST_ORDERS = 5_000;

/** A group of the report, and what makes it one. */
interface Group {
  name: string;
  by: 'aggregation_group' | 'order';
}

export const aggregationAllocation = defineReport({
  name: 'aggregation-allocation',
  version: 2,
  tables: [{ name: 'order-vocabulary', version: String(VOCABULARY_VERSION) }],
  title: 'Aggregation and allocation',
  question: 'Which orders were aggregated, who was in each aggregate, what did each get, and what does not add up?',
  parameters: [
    textParameter('group', 'This group alone: metadata.aggregation_group, or the order, exactly', 'AG-1'),
    textParameter('client', 'Groups alone in which this client ordered or got something, exactly', 'C-77'),
  ],
  columns: [
    { name: 'group', description: 'metadata.aggregation_group; of an aggregate without one the order itself' },
    { name: 'grouped_by', description: 'aggregation_group or order' },
    { name: 'kind', description: 'client-order, aggregate, allocation, client (what one ordered and got), or group' },
    { name: 'order_id', description: 'entity_id' },
    { name: 'client', description: 'client_id; of orders without one client_id_type' },
    { name: 'account', description: 'into which it goes' },
    { name: 'instrument', description: 'new_state.symbol, looked up' },
    { name: 'side', description: 'new_state.side, looked up' },
    { name: 'ordered', description: "the order's quantity at its end; of a client all its orders'" },
    { name: 'executed', description: 'sum of executions; of a group those of its aggregates, if it has any' },
    { name: 'allocated', description: 'the quantity of the allocation, exactly as sent; otherwise the sum' },
    { name: 'price', description: 'of the allocation, exactly as sent' },
    { name: 'difference', description: 'allocated less executed; none without an aggregate' },
    { name: 'verdict', description: 'of the group: adds-up, does-not-add-up, open (nothing executed) or undecided' },
    { name: 'found', description: 'what does not add up; semicolons between' },
    { name: 'event_id', description: 'of an allocation: the event that states it; corrected' },
    { name: 'sequence', description: 'its position in the ledger' },
  ],
  async *rows(run) {
    const span = widened(run.period, AROUND_MICROS);
    const seen = new Set<string>();
    for await (const page of heldEvents(run)) {
      for (const event of page) {
        const group = groupOf(event);
        if (!group || (run.parameters.group !== undefined && run.parameters.group !== group.name)) continue;
        const key = `${group.by}\n${group.name}`;
        if (seen.has(key)) continue;
        seen.add(key);
        yield* rowsOfGroup(run, group, span);
      }
    }
  },
});

/** The group that an event tells of; undefined of one that tells of none. */
function groupOf(event: HeldEvent): Group | undefined {
  const { own, content } = event;
  const tells =
    own.has('aggregation_group') ||
    own.has('allocations') ||
    own.get('aggregated') === 'true' ||
    ['aggregated', 'pending_allocation'].includes(own.get('client_id_type') ?? '');
  if (!tells) return undefined;
  const name = factAt(event, 'aggregation_group');
  return name === null ? { name: content.entity_id, by: 'order' } : { name, by: 'aggregation_group' };
}

async function* rowsOfGroup(run: ReportRun, group: Group, span: Period) {
  const { name, by } = group;
  const ids = by === 'order' ? [name] : await ordersStating(run, 'aggregation_group', name, span, MOST_ORDERS);
  if (ids.length > MOST_ORDERS) {
    const found = `more than ${MOST_ORDERS} orders`;
    yield { ...NOTHING, group: name, grouped_by: by, kind: 'group', verdict: 'undecided', found };
    return;
  }
  const orders: GroupOrder[] = [];
  for (const id of ids) {
    const life = await lifeOfOrder(run, id);
    const order = life && (await groupOrder(life));
    // one that was in the group by mistake, or moved to another, is not in it
    if (order && (order.facts.get('aggregation_group') ?? null) === (by === 'order' ? null : name)) orders.push(order);
  }
  const sums = sumsOf(orders);
  const { client } = run.parameters;
  if (orders.length === 0 || (client !== undefined && sums.clients.every((share) => share.client !== client))) return;
  const base = { ...NOTHING, group: name, grouped_by: by };
  for (const isAggregate of [false, true]) {
    for (const order of orders.filter((each) => each.isAggregate === isAggregate)) {
      const fact = (fact: FactName): string | null => order.facts.get(fact) ?? null;
      yield {
        ...base,
        kind: isAggregate ? 'aggregate' : 'client-order',
        order_id: order.orderId,
        client: fact('client_id') ?? fact('client_id_type'),
        account: fact('account'),
        instrument: fact('symbol'),
        side: fact('side'),
        ordered: fact('order_quantity'),
        executed: text(order.executed),
      };
    }
  }
  for (const allocation of orders.flatMap((order) => order.allocations).sort(bySequence)) {
    yield {
      ...base,
      kind: 'allocation',
      order_id: allocation.orderId,
      client: allocation.client,
      account: allocation.account,
      allocated: allocation.quantity,
      price: allocation.price,
      event_id: allocation.event.event_id,
      sequence: allocation.event.sequence,
    };
  }
  for (const share of sums.clients) {
    const { ordered, executed, allocated } = share;
    yield {
      ...{ ...base, kind: 'client', client: share.client },
      ordered: share.hasOrder ? text(ordered) : null,
      executed: share.hasOrder ? text(executed) : null,
      allocated: share.hasAllocation ? text(allocated) : null,
    };
  }
  yield {
    ...{ ...base, kind: 'group', executed: text(sums.executed), allocated: text(sums.allocated) },
    difference: text(sums.difference),
    verdict: sums.verdict,
    found: sums.found.join('; ') || null,
  };
}

const NOTHING = Object.freeze({
  ...{ group: null, grouped_by: null, kind: null, order_id: null, client: null, account: null, instrument: null },
  ...{ side: null, ordered: null, executed: null, allocated: null, price: null, difference: null, verdict: null },
  ...{ found: null, event_id: null, sequence: null },
});

function text(value: Decimal | undefined): string | null {
  return value ? formatDecimal(value) : null;
}

/** Allocations of one event stay as they are: the sort is a stable one. */
function bySequence(a: { event: { sequence: string } }, b: { event: { sequence: string } }): number {
  return Number(BigInt(a.event.sequence) - BigInt(b.event.sequence));
}
