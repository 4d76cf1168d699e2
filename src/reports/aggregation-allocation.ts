import { VOCABULARY_VERSION } from '../vocabulary/order-vocabulary.js';
import { decimalOf, groupOrder, mayBeSlice, partsOf, sumsOf, type GroupOrder } from './aggregate-group.js';
import { CORRECTION_COLUMNS, NO_CORRECTION_CELLS, withCorrections } from './correction-story.js';
import { compare, formatDecimal, parseDecimal, ZERO, type Decimal } from './decimal.js';
import { factAt, heldEvents, type HeldEvent } from './held-events.js';
import { ordersStating } from './orders-stating.js';
import { AROUND_MICROS, widened } from './periods.js';
import type { FactName } from './regimes/regime.js';
import { defineReport, type Period, type ReportRun } from './report.js';
import { textParameter } from './text-parameter.js';
import { lifeOfOrder } from './whole-lives.js';

/** Orders of one group. Of one with more nothing is added up. */
const MOST_ORDERS = 5_000;
/** How long before an order's first event and after its last its slices are looked for: in an archive each search reads all of that time. */
const AROUND_LIFE_MICROS = 7 * 86_400_000_000;

/** A group of the report, and what makes it one. */
interface Group {
  name: string;
  by: 'aggregation_group' | 'order';
}

export const aggregationAllocation = defineReport({
  name: 'aggregation-allocation',
  version: 4,
  tables: [{ name: 'order-vocabulary', version: String(VOCABULARY_VERSION) }],
  title: 'Aggregation and allocation',
  question: 'Which orders were aggregated, who was in each aggregate, what did each get, and what does not add up?',
  parameters: [
    textParameter('group', 'This group alone: metadata.aggregation_group, or the order, exactly', 'AG-1'),
    {
      name: 'price_tolerance',
      description:
        'How far, in units of price, the average price of a client may be from that of the executions; a decimal. Not compared when left out',
      example: '0.005',
      required: false,
      mistake: (value) => {
        const tolerance = parseDecimal(value);
        if (tolerance && compare(tolerance, ZERO) >= 0) return undefined;
        return { rule: 'decimal', rest: 'must be a decimal of 0 or more, such as 0.005' };
      },
    },
    textParameter('client', 'Groups alone in which this client ordered or got something, exactly', 'C-77'),
  ],
  columns: [
    { name: 'group', description: 'metadata.aggregation_group; of an aggregate without one the order itself' },
    { name: 'grouped_by', description: 'aggregation_group or order' },
    {
      name: 'kind',
      description: 'client-order, aggregate, slice, allocation, client (what one ordered and got), or group',
    },
    { name: 'order_id', description: 'entity_id' },
    { name: 'client', description: 'client_id; of orders without one client_id_type' },
    { name: 'account', description: 'into which it goes' },
    { name: 'instrument', description: 'new_state.symbol, looked up' },
    { name: 'side', description: 'new_state.side, looked up' },
    { name: 'ordered', description: "the order's quantity at its end; of a client all its orders'" },
    {
      name: 'executed',
      description: 'sum of executions; of a group those of its aggregates and their slices, if it has any',
    },
    { name: 'allocated', description: 'the quantity of the allocation, exactly as sent; otherwise the sum' },
    { name: 'price', description: 'of the allocation, exactly as sent' },
    { name: 'difference', description: 'allocated less executed; none without an aggregate' },
    { name: 'verdict', description: 'of the group: adds-up, does-not-add-up, open (nothing executed) or undecided' },
    { name: 'found', description: 'what does not add up; semicolons between' },
    { name: 'event_id', description: 'of an allocation: the event that states it; corrected' },
    { name: 'sequence', description: 'its position in the ledger' },
    ...CORRECTION_COLUMNS,
  ],
  async *rows(run) {
    const span = widened(run.period, AROUND_MICROS);
    const seen = new Set<string>();
    const isNew = ({ name, by }: Group): boolean => seen.size < seen.add(`${by}\n${name}`).size;
    for await (const page of heldEvents(run)) {
      for (const event of page) {
        const told = groupOf(event);
        if (!told || !isNew(told)) continue;
        const group = told.by === 'order' ? await groupOfWhole(run, told) : told;
        if ((group !== told && !isNew(group)) || (run.parameters.group ?? group.name) !== group.name) continue;
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

/** Of an aggregate without a group that is a slice of another one: the group of that. */
async function groupOfWhole(run: ReportRun, group: Group): Promise<Group> {
  const seen = new Set<string>();
  for (let id = group.name; ;) {
    if (seen.has(id)) return group;
    seen.add(id);
    const order = await readOrder(run, id);
    const name = order?.facts.get('aggregation_group');
    if (name !== undefined) return id === group.name ? group : { name, by: 'aggregation_group' };
    const parent = order && mayBeSlice(order) ? order.facts.get('parent_order_id') : undefined;
    const whole = parent === undefined ? undefined : await readOrder(run, parent);
    if (!whole?.isAggregate) return id === group.name ? group : { name: id, by: 'order' };
    id = whole.orderId;
  }
}

async function readOrder(run: ReportRun, id: string): Promise<GroupOrder | undefined> {
  const life = await lifeOfOrder(run, id);
  return life && groupOrder(life);
}

/** The orders of a group, and those in which its aggregates went to the market; undefined where they are too many. */
async function ordersOf(run: ReportRun, { name, by }: Group, span: Period): Promise<GroupOrder[] | undefined> {
  const ids = by === 'order' ? [name] : await ordersStating(run, 'aggregation_group', name, span, MOST_ORDERS);
  if (ids.length > MOST_ORDERS) return undefined;
  const groupName = (order: GroupOrder): string | null => order.facts.get('aggregation_group') ?? null;
  const orders = new Map<string, GroupOrder>();
  for (const id of ids) {
    const order = await readOrder(run, id);
    // one that was in the group by mistake, or moved to another, is not in it
    if (order && groupName(order) === (by === 'order' ? null : name)) orders.set(id, order);
  }
  const inGroup = partsOf([...orders.values()]);
  let wholes: readonly GroupOrder[] = [...inGroup.aggregates, ...inGroup.slices];
  while (wholes.length > 0) {
    const slices: GroupOrder[] = [];
    for (const { orderId: parent, life } of wholes) {
      const around = life ? widened(life, AROUND_LIFE_MICROS) : span;
      for (const id of await ordersStating(run, 'parent_order_id', parent, around, MOST_ORDERS)) {
        if (orders.has(id)) continue;
        const order = await readOrder(run, id);
        const isOfGroup = order && [null, by === 'order' ? null : name].includes(groupName(order));
        if (!isOfGroup || !mayBeSlice(order) || order.facts.get('parent_order_id') !== parent) continue;
        orders.set(id, order);
        slices.push(order);
        if (orders.size > MOST_ORDERS) return undefined;
      }
    }
    wholes = slices;
  }
  return [...orders.values()];
}

async function* rowsOfGroup(run: ReportRun, group: Group, span: Period) {
  const { name, by } = group;
  const orders = await ordersOf(run, group, span);
  if (!orders) {
    const found = `more than ${MOST_ORDERS} orders`;
    yield { ...NOTHING, group: name, grouped_by: by, kind: 'group', verdict: 'undecided', found };
    return;
  }
  const parts = partsOf(orders);
  const { client, price_tolerance: tolerance } = run.parameters;
  const sums = sumsOf(parts, decimalOf(tolerance));
  if (orders.length === 0 || (client !== undefined && sums.clients.every((share) => share.client !== client))) return;
  const base = { ...NOTHING, group: name, grouped_by: by };
  for (const [kind, ofKind] of [
    ['client-order', parts.clientOrders],
    ['aggregate', parts.aggregates],
    ['slice', parts.slices],
  ] as const) {
    for (const order of ofKind) {
      const fact = (fact: FactName): string | null => order.facts.get(fact) ?? null;
      yield {
        ...base,
        kind,
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
  const allocations = orders.flatMap((order) => order.allocations).sort(bySequence);
  for await (const [allocation, told] of withCorrections(run, allocations, ({ versions }) => versions)) {
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
      ...told,
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
  ...NO_CORRECTION_CELLS,
});

function text(value: Decimal | undefined): string | null {
  return value ? formatDecimal(value) : null;
}

/** Allocations of one event stay as they are: the sort is a stable one. */
function bySequence(a: { event: { sequence: string } }, b: { event: { sequence: string } }): number {
  return Number(BigInt(a.event.sequence) - BigInt(b.event.sequence));
}
