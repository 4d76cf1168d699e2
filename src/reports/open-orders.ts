import { contentOf, type StoredRow } from '../integrity/stored-event.js';
import type { Content } from '../integrity/event.js';
import { VOCABULARY_VERSION } from '../vocabulary/order-vocabulary.js';
import { correctionCells, CORRECTION_COLUMNS, lastVersions, type LastVersions } from './correction-story.js';
import { formatDecimal } from './decimal.js';
import { nanosOfInstant } from './instant.js';
import { beginsAnother, BEGIN, newLife, NANOS_A_DAY, OF_A_DAY, takeSaying, type LifeSoFar } from './life-so-far.js';
import { newOrder, orderAfter, stepOf, type OrderSoFar } from './lifecycle-steps.js';
import { factsOf } from './order-facts.js';
import { CLOCKS_APART_NANOS } from './order-lives.js';
import { filtersOf, ORDER_FILTERS } from './order-filters.js';
import { isCopy } from './order-members.js';
import { endOfValidity, GOOD_TILL } from './order-terms.js';
import { moved } from './periods.js';
import { recordedAt } from './recorded-at.js';
import type { FactName } from './regimes/regime.js';
import { defineReport } from './report.js';
import { endedBy, OF_NO_NAMED_CLIENT } from './subjects.js';
import { textParameter } from './text-parameter.js';
import { ORDER_LIFECYCLE, ordersInPeriod, type OrderLife } from './whole-lives.js';

const STATES = ['live', 'lapsed'] as const;
type State = (typeof STATES)[number];

/** Venues keep an order that is good till cancelled for a year at most, and some for less. */
const DEFAULT_LOOK_BACK_DAYS = 366;
/** Ten years. */
const MOST_LOOK_BACK_DAYS = 3_660;
const MICROS_A_DAY = 86_400_000_000;

/** The client decided, and there is no order yet. */
const DECIDE = 'decide';

export const openOrders = defineReport({
  name: 'open-orders',
  version: 2,
  tables: [{ name: 'order-vocabulary', version: String(VOCABULARY_VERSION) }],
  title: 'Open orders',
  question: 'Which orders were open at the end of the period, what was left of each, and who touched it last?',
  parameters: [
    ...ORDER_FILTERS,
    textParameter('user_id', 'What this user created or touched last alone: user_id, exactly', 'trader-1'),
    {
      name: 'look_back_days',
      description: `How many days before the period an order may have had its last event: 0 to ${MOST_LOOK_BACK_DAYS}, ${DEFAULT_LOOK_BACK_DAYS} when left out`,
      example: '366',
      required: false,
      mistake: (value) =>
        /^(?:0|[1-9][0-9]{0,3})$/.test(value) && Number(value) <= MOST_LOOK_BACK_DAYS
          ? undefined
          : { rule: 'number', rest: `must be a whole number from 0 to ${MOST_LOOK_BACK_DAYS}` },
    },
    {
      name: 'state',
      description: 'live or lapsed orders alone; both when left out',
      example: 'live',
      required: false,
      mistake: (value) =>
        STATES.some((each) => each === value)
          ? undefined
          : { rule: 'one-of', rest: `must be one of ${STATES.join(', ')}` },
    },
  ],
  columns: [
    { name: 'order_id', description: 'entity_id' },
    {
      name: 'state',
      description:
        'at the end of the period: live; or lapsed, where by its validity it was over by then and nobody has recorded that',
    },
    { name: 'status', description: 'new_state.status, looked up: as it was last stated' },
    { name: 'instrument', description: 'new_state.symbol, looked up' },
    { name: 'isin', description: 'new_state.isin, looked up' },
    { name: 'venue', description: 'new_state.exchange, looked up' },
    { name: 'side', description: 'new_state.side, looked up' },
    { name: 'order_quantity', description: "the order's quantity, looked up" },
    { name: 'executed_quantity', description: 'sum of its executions; empty where one of them cannot be read' },
    {
      name: 'remaining_quantity',
      description:
        'what is open: as last stated, and calculated from there on; empty where it cannot be calculated from what is recorded',
    },
    { name: 'limit_price', description: "the order's limit, looked up" },
    { name: 'stop_price', description: 'new_state.stop_price, looked up' },
    { name: 'currency', description: 'new_state.currency, looked up' },
    { name: 'order_type', description: 'new_state.order_type, looked up' },
    { name: 'validity', description: 'new_state.validity, looked up' },
    { name: 'valid_until', description: 'new_state.valid_until, looked up, as sent: with some validities a day' },
    { name: 'client', description: 'metadata.client_id, looked up' },
    { name: 'investment_decision_maker', description: 'metadata, looked up' },
    { name: 'execution_decision_maker', description: 'metadata, looked up' },
    { name: 'desk', description: 'metadata.desk, looked up' },
    { name: 'parent_order_id', description: 'metadata.parent_order_id, looked up' },
    { name: 'venue_order_id', description: 'metadata.venue_order_id, looked up' },
    { name: 'created_at', holds: 'time', description: 'event time of its create; empty where none is recorded' },
    { name: 'created_by', description: 'user_id of its create; of a corrected one who sent the corrected one' },
    { name: 'last_time', holds: 'time', description: 'latest event time before the end of the period' },
    { name: 'last_action', description: 'what was done then' },
    { name: 'last_user_id', description: 'who; of a corrected event who sent the corrected one' },
    { name: 'source', description: 'the system that sent that event' },
    { name: 'event_id', description: 'that event; of a corrected one the correction in force' },
    { name: 'sequence', description: 'its position in the ledger' },
    { name: 'recorded_at', holds: 'time', description: 'when the service recorded it, UTC' },
    ...CORRECTION_COLUMNS,
  ],
  async *rows(run) {
    const end = nanosOfInstant(run.period.to);
    const filters = filtersOf(run.parameters);
    const { user_id: userId, state: wantedState, look_back_days: days } = run.parameters;
    const from = moved(run.period.from, -Number(days ?? DEFAULT_LOOK_BACK_DAYS) * MICROS_A_DAY);
    const lookedThrough = { ...run, period: { from, to: run.period.to } };
    for await (const life of ordersInPeriod(lookedThrough, 'open')) {
      const order = await orderAt(life, end);
      if (!order.isOpen) continue;
      const state = order.stateAt(end);
      if (wantedState !== undefined && wantedState !== state) continue;
      if (!filters.every(({ facts, value }) => facts.some((name) => order.value(name) === value))) continue;
      const { last, createdBy } = order;
      if (userId !== undefined && userId !== createdBy && userId !== last!.userId) continue;
      yield { ...rowOf(life.orderId, state, order), ...(await correctionCells(run, last!.versions)) };
    }
  },
});

/** The order that has the id at an instant, by what had happened before it. Throws DamagedRowError. */
async function orderAt(life: OrderLife, end: bigint): Promise<OrderInMaking> {
  const order = new OrderInMaking();
  for await (const event of life.events()) {
    if (event.kind !== 'event' || event.stated.event_type !== ORDER_LIFECYCLE) continue;
    if (event.stated.action === 'void') continue;
    const content = contentOf(event.stated);
    if (!isCopy(content)) order.take(event, content, end);
  }
  return order;
}

/** An event of an order that holds. */
interface Held {
  /** as first recorded */
  row: StoredRow;
  stated: StoredRow;
  versions: readonly StoredRow[];
}

/** What was done last. */
interface LastTouch {
  content: Content;
  nanos: bigint;
  userId: string;
  source: string | undefined;
  stated: StoredRow;
  versions: LastVersions;
}

/** What is known of an order along its life. */
class OrderInMaking {
  last: LastTouch | undefined;
  createdBy: string | null = null;
  private facts: LifeSoFar<FactName> = newLife();
  private quantities: OrderSoFar = newOrder();
  /** whether there was more than a decision */
  private isOrder = false;

  /** Takes the next event, by sequence, unless it happened at `end` or later, or was told of already. */
  take({ row, stated, versions }: Held, content: Content, end: bigint): void {
    const step = stepOf(content, stated.sequence);
    const { nanoseconds: nanos } = step.time;
    if (nanos >= end || this.quantities.seen.has(step.digest)) return;
    const { action } = content;
    const [{ sequence }, place] = [stated, BigInt(row.sequence)];
    const texts = factsOf(action, step.timestamp, content.new_state, content.metadata);
    const own = new Map([...texts].map(([name, text]) => [name, { text, sequence, place }]));
    if (this.isAnother(action, nanos)) {
      this.facts = newLife();
      this.quantities = newOrder();
      this.last = undefined;
    }
    takeSaying(this.facts, { action, nanos, own }, endedBy);
    this.quantities = orderAfter(this.quantities, step);
    // also by an execution after which nothing is open
    this.facts.end ??= this.quantities.end?.time.nanoseconds;
    this.isOrder ||= action !== DECIDE;
    if (action === BEGIN) this.createdBy = row.user_id;
    if (this.last && nanos < this.last.nanos) return;
    const { source } = row;
    this.last = {
      ...{ content, nanos, stated, userId: row.user_id, source: source ?? undefined },
      versions: lastVersions(versions),
    };
  }

  /** Whether another order of the same id begins; also where of the one before the create is not recorded. */
  private isAnother(action: string, nanos: bigint): boolean {
    if (beginsAnother(this.facts, { action, nanos })) return true;
    const { isBegun, end } = this.facts;
    return action === BEGIN && !isBegun && end !== undefined && nanos > end + CLOCKS_APART_NANOS;
  }

  get isOpen(): boolean {
    return this.isOrder && this.quantities.end === undefined;
  }

  /** Whether its own validity had not ended it. */
  stateAt(end: bigint): State {
    const validity = this.value('validity');
    if (OF_A_DAY.includes(validity ?? '')) {
      return (end - 1n) / NANOS_A_DAY > this.last!.nanos / NANOS_A_DAY ? 'lapsed' : 'live';
    }
    if (validity !== null && !GOOD_TILL.includes(validity)) return 'live';
    const isOfDay = validity === null || validity === 'good_till_date';
    const until = endOfValidity(this.value('valid_until') ?? undefined, isOfDay);
    return until !== undefined && until < end ? 'lapsed' : 'live';
  }

  /** Nobody where it is said that the client is none, or several. */
  value(name: FactName): string | null {
    const { values } = this.facts;
    if (name === 'client_id' && OF_NO_NAMED_CLIENT.includes(values.get('client_id_type')?.text ?? '')) return null;
    return values.get(name)?.text ?? null;
  }

  get executed(): string | null {
    const { filled } = this.quantities;
    return filled ? formatDecimal(filled) : null;
  }

  get remaining(): string | null {
    const { open } = this.quantities;
    return open ? formatDecimal(open) : null;
  }
}

function rowOf(orderId: string, state: State, order: OrderInMaking) {
  const { content, stated, userId, source } = order.last!;
  return {
    order_id: orderId,
    state,
    status: order.value('status'),
    instrument: order.value('symbol'),
    isin: order.value('isin'),
    venue: order.value('exchange'),
    side: order.value('side'),
    order_quantity: order.value('order_quantity'),
    executed_quantity: order.executed,
    remaining_quantity: order.remaining,
    limit_price: order.value('limit_price'),
    stop_price: order.value('stop_price'),
    currency: order.value('currency'),
    order_type: order.value('order_type'),
    validity: order.value('validity'),
    valid_until: order.value('valid_until'),
    client: order.value('client_id'),
    investment_decision_maker: order.value('investment_decision_maker'),
    execution_decision_maker: order.value('execution_decision_maker'),
    desk: order.value('desk'),
    parent_order_id: order.value('parent_order_id'),
    venue_order_id: order.value('venue_order_id'),
    created_at: order.value('created_at'),
    created_by: order.createdBy,
    last_time: content.timestamp,
    last_action: content.action,
    last_user_id: userId,
    source: source ?? null,
    event_id: content.event_id,
    sequence: stated.sequence,
    recorded_at: recordedAt(stated),
  };
}
