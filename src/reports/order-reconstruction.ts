import { canonicalize } from '../integrity/canonical-json.js';
import type { Content } from '../integrity/event.js';
import { contentOf, type StoredRow } from '../integrity/stored-event.js';
import { REPORTING_AS_OF, REPORTING_AS_OF_PARAMETER } from '../reporting/reporting-parameters.js';
import { reportingStages, type ReportingStage } from '../reporting/reporting-stages.js';
import { VOCABULARY_VERSION, type TermName } from '../vocabulary/order-vocabulary.js';
import { cellOf } from './cell.js';
import { changesBetween } from './content-changes.js';
import { eventsAt } from './events-at.js';
import { isCopy } from './order-members.js';
import { FILLS } from './regimes/regime.js';
import { ordersStating } from './orders-stating.js';
import {
  AROUND_MICROS,
  compareTimes,
  hasPeriod,
  instantAt,
  isWithin,
  justAfter,
  keyOfInstant,
  keyOfRow,
  widened,
  type TimeKey,
} from './periods.js';
import { recordedAt } from './recorded-at.js';
import { defineReport, type Period, type ReportRun } from './report.js';
import { textParameter } from './text-parameter.js';
import { lifeOfOrder, ORDER_LIFECYCLE, type LifeEvent, type OrderLife } from './whole-lives.js';

/** Orders that are rebuilt in one answer. That there are more is told in a last row. */
const MOST_ORDERS = 500;

/** What the actions of the vocabulary are of an order's way. */
const STAGES: ReadonlyMap<string, string> = new Map([
  ['decide', 'decision'],
  ['create', 'order'],
  ['route', 'routing'],
  ['acknowledge', 'acknowledgement'],
  ['trigger', 'activation'],
  ['modify', 'modification'],
  ['change_status', 'status'],
  ['partial_fill', 'execution'],
  ['fill', 'execution'],
  ['cancel', 'end'],
  ['expire', 'end'],
  ['reject', 'end'],
  ['void', 'correction'],
]);

/** An order of the answer, and how it came into it. */
interface LinkedOrder {
  orderId: string;
  relation: 'self' | 'parent' | 'child' | 'aggregated' | 'strategy';
  /** `name=value` of what links it; null for the order that was asked for */
  by: string | null;
}

/** What an order's events say of others, corrected. */
interface Links {
  parents: Set<string>;
  parentClientOrderIds: Set<string>;
  clientOrderIds: Set<string>;
  groups: Set<string>;
  strategies: Set<string>;
}

export const orderReconstruction = defineReport({
  name: 'order-reconstruction',
  version: 4,
  showsReportingLedger: true,
  tables: [{ name: 'order-vocabulary', version: String(VOCABULARY_VERSION) }],
  isPeriodOptional: true,
  title: 'Reconstruction of an order',
  question:
    'What happened to this order, or to the order of this execution, from its beginning to its end, step by step, and what was recorded of each step?',
  parameters: [
    textParameter('order_id', 'The order: entity_id, exactly. This or execution_id', 'O-1'),
    textParameter(
      'execution_id',
      'An execution, of the period if there is one: metadata.execution_id or venue_transaction_id, exactly. This or order_id',
      'X-77',
    ),
    REPORTING_AS_OF_PARAMETER,
  ],
  mistakeTogether: ({ order_id: orderId, execution_id: executionId }) =>
    (orderId === undefined) === (executionId === undefined)
      ? { name: 'order_id', rule: 'either', rest: 'or execution_id must be given, and not both' }
      : undefined,
  columns: [
    { name: 'order_id', description: 'entity_id' },
    {
      name: 'relation',
      description:
        'self, parent, child, aggregated or strategy (of the same group); not-listed in a last row: there are more orders',
    },
    { name: 'linked_by', description: 'name=value of what links it' },
    { name: 'ordinal', description: 'place among all that is recorded of the order, from 1' },
    {
      name: 'stage',
      description:
        'decision, order, routing, acknowledgement, activation, modification, status, execution, allocation, end, correction or other; after them, of each execution and allocation, report, report-cancellation, submission, feedback, feedback-file, or not-reported',
    },
    { name: 'action', description: 'as sent' },
    { name: 'event_type', description: 'as sent' },
    { name: 'timestamp', holds: 'time', description: 'event time; UTC, as fine as declared' },
    { name: 'decision_time', holds: 'time', description: 'metadata.decision_time, as sent' },
    { name: 'order_entry_time', holds: 'time', description: 'metadata.order_entry_time, as sent' },
    { name: 'submission_time', holds: 'time', description: 'metadata.submission_time, as sent' },
    { name: 'message_time', holds: 'time', description: 'metadata.message_time, as sent' },
    { name: 'execution_time', holds: 'time', description: 'metadata.execution_time, as sent' },
    { name: 'recorded_at', holds: 'time', description: 'when the service recorded it, UTC' },
    { name: 'user_id', description: 'who' },
    { name: 'recorded_by', description: 'the credentials by which it was sent' },
    { name: 'source', description: 'the system that sent it' },
    { name: 'execution', description: 'asked, where the event states the execution that was asked for' },
    {
      name: 'reported_event_id',
      description: 'in rows on reporting: the execution or allocation that it is about, as first recorded',
    },
    {
      name: 'reporting_id',
      description:
        'in rows on reporting: the transaction reference, the submission, or the SHA-256 of the file of feedback',
    },
    { name: 'previous_state', description: 'whole, as JSON' },
    { name: 'new_state', description: 'whole, as JSON' },
    { name: 'metadata', description: 'whole, as JSON' },
    { name: 'standing', description: 'in-force, corrected, voided, superseded or corrects-nothing' },
    { name: 'corrects', description: 'event_id that this event means to correct' },
    {
      name: 'correction',
      description: 'JSON of what the correction changes, each as {"from", "to"}; of one that corrects nothing, why',
    },
    { name: 'corrected_by', description: 'event_id of the correction in force' },
    { name: 'raw_media_type', description: 'of the message as it came' },
    { name: 'raw_text', description: 'the message, where all of it is text; SOH (FIX) as |' },
    { name: 'raw_base64', description: 'the message, byte for byte' },
    { name: 'ledger', description: 'in which the event is: that of the order, or _reporting' },
    { name: 'event_id', description: 'the event' },
    { name: 'sequence', description: 'its position in the ledger' },
    { name: 'event_hash', description: 'hex; what proofs of the event are about' },
  ],
  async *rows(run) {
    const orders = await askedOrders(run);
    const known = new Set(orders.map(({ orderId }) => orderId));
    const ofOrders = new LinksOfOrders(run);
    const upToAct = Number(run.parameters[REPORTING_AS_OF] ?? '0');
    const told = new Set<number>();
    const period = hasPeriod(run) ? run.period : await periodAround(run, orders);
    for (let i = 0; i < orders.length && i < MOST_ORDERS; i++) {
      const order = orders[i]!;
      const life = await lifeOfOrder(run, order.orderId);
      const links = noLinks();
      const span = new Span(period);
      // of a parent that is named alone nothing may be recorded, and others may name it too
      if (life) {
        yield* rowsOfLife(run, order, life, links, span);
        if (upToAct > 0) yield* rowsOfReporting(run, order, life, upToAct, told);
      }
      for (const linked of await linkedOrders(run, order, links, span.period, { known, ofOrders })) {
        if (!known.has(linked.orderId)) orders.push(linked);
        known.add(linked.orderId);
      }
    }
    if (orders.length > MOST_ORDERS) {
      yield { ...NOTHING, relation: 'not-listed', linked_by: orders[MOST_ORDERS]!.by };
    }
  },
});

const NOTHING = Object.freeze({
  ...{ order_id: null, relation: null, linked_by: null, ordinal: null, stage: null, action: null, event_type: null },
  ...{ timestamp: null, decision_time: null, order_entry_time: null, submission_time: null, message_time: null },
  ...{ execution_time: null, recorded_at: null, user_id: null, recorded_by: null, source: null, execution: null },
  ...{ reported_event_id: null, reporting_id: null },
  ...{ previous_state: null, new_state: null, metadata: null, standing: null, corrects: null, correction: null },
  ...{
    corrected_by: null,
    raw_media_type: null,
    raw_text: null,
    raw_base64: null,
    ledger: null,
    event_id: null,
    sequence: null,
  },
  event_hash: null,
});

/** From the first event of some orders to the last, and the days around. */
async function periodAround(run: ReportRun, orders: readonly LinkedOrder[]): Promise<Period> {
  let span: Span | undefined;
  for (const { orderId } of orders) {
    const life = await lifeOfOrder(run, orderId);
    if (!life) continue;
    for await (const { row } of life.events()) {
      const at = keyOfRow(row);
      span ??= new Span({ from: instantAt(at), to: justAfter(at) });
      span.add(at);
    }
  }
  return span ? widened(span.period, AROUND_MICROS) : run.period;
}

/** The orders that are asked for, if they have an event in the period. */
async function askedOrders(run: ReportRun): Promise<LinkedOrder[]> {
  const { order_id: orderId, execution_id: executionId } = run.parameters;
  if (orderId !== undefined) {
    const life = await lifeOfOrder(run, orderId);
    if (life) {
      for await (const { row } of life.events()) {
        if (isWithin(row, run.period)) return [{ orderId, relation: 'self', by: null }];
      }
    }
    return [];
  }
  const orders: LinkedOrder[] = [];
  for (const name of ['execution_id', 'venue_transaction_id'] as const) {
    for (const found of await ordersStating(run, name, executionId!, run.period, MOST_ORDERS)) {
      if (orders.every((order) => order.orderId !== found)) {
        orders.push({ orderId: found, relation: 'self', by: `${name}=${executionId!}` });
      }
    }
  }
  return orders;
}

/**
 * Orders that belong to an order: its parents and children, theirs in turn; and of the order that was asked for those
 * of the same aggregate or strategy. Looked for among events with a time in the span.
 */
async function linkedOrders(
  run: ReportRun,
  { orderId, relation }: LinkedOrder,
  links: Links,
  span: Period,
  { known, ofOrders }: { known: ReadonlySet<string>; ofOrders: LinksOfOrders },
): Promise<LinkedOrder[]> {
  const found = [...links.parents].sort().map((parent): LinkedOrder => {
    return { orderId: parent, relation: 'parent', by: `parent_order_id=${parent}` };
  });
  const searches: [LinkedOrder['relation'], TermName, TermName, Iterable<string>][] = [
    ['parent', 'client_order_id', 'parent_client_order_id', links.parentClientOrderIds],
    ['child', 'parent_order_id', 'parent_order_id', [orderId]],
    ['child', 'parent_client_order_id', 'parent_client_order_id', links.clientOrderIds],
  ];
  if (relation === 'self') {
    searches.push(
      ['aggregated', 'aggregation_group', 'aggregation_group', links.groups],
      ['strategy', 'strategy_linked_order_id', 'strategy_linked_order_id', links.strategies],
    );
  }
  for (const [as, member, linkedBy, values] of searches) {
    for (const value of [...values].sort()) {
      for (const each of await ordersStating(run, member, value, span, MOST_ORDERS)) {
        // what was corrected to another one links no more; of an order that is listed already it is not asked
        if (known.has(each) || !(await ofOrders.of(each))[LINKS[member]!].has(value)) continue;
        found.push({ orderId: each, relation: as, by: `${linkedBy}=${value}` });
      }
    }
  }
  return found;
}

/** What orders say of others, corrected; each read once. */
class LinksOfOrders {
  private readonly known = new Map<string, Promise<Links>>();

  constructor(private readonly run: ReportRun) {}

  of(orderId: string): Promise<Links> {
    const links = this.known.get(orderId) ?? this.read(orderId);
    this.known.set(orderId, links);
    return links;
  }

  private async read(orderId: string): Promise<Links> {
    const links = noLinks();
    const life = await lifeOfOrder(this.run, orderId);
    for await (const event of life?.events() ?? []) {
      if (event.kind === 'event' && event.stated.action !== 'void') takeLinks(links, contentOf(event.stated));
    }
    return links;
  }
}

/** The rows of a life; puts into `links` what its events say of others, and into `span` when they happened. */
async function* rowsOfLife(run: ReportRun, order: LinkedOrder, life: OrderLife, links: Links, span: Span) {
  const corrected = new Map<string, Content>();
  let ordinal = 0;
  for await (const event of life.events()) {
    ordinal += 1;
    const { row } = event;
    const content = contentOf(row);
    if (life.targets.has(row.event_id)) corrected.set(row.event_id, content);
    if (event.kind === 'event' && event.stated.action !== 'void') {
      takeLinks(links, event.stated === row ? content : contentOf(event.stated));
    }
    span.add(keyOfRow(row));
    yield {
      order_id: order.orderId,
      relation: order.relation,
      linked_by: order.by,
      ordinal: String(ordinal),
      stage: stageOf(content),
      action: content.action,
      event_type: content.event_type,
      timestamp: content.timestamp,
      decision_time: cellOf(content.metadata.decision_time),
      order_entry_time: cellOf(content.metadata.order_entry_time),
      submission_time: cellOf(content.metadata.submission_time),
      message_time: cellOf(content.metadata.message_time),
      execution_time: cellOf(content.metadata.execution_time),
      recorded_at: recordedAt(row),
      user_id: content.user_id,
      recorded_by: row.recorded_by,
      source: content.source ?? null,
      execution: statesExecution(content, run.parameters.execution_id) ? 'asked' : null,
      reported_event_id: null,
      reporting_id: null,
      previous_state: content.previous_state && canonicalize(content.previous_state),
      new_state: canonicalize(content.new_state),
      metadata: canonicalize(content.metadata),
      standing: standingOf(event),
      corrects: content.corrects ?? null,
      correction: correctionOf(event, content, corrected),
      corrected_by: correctedBy(event),
      raw_media_type: row.raw_media_type,
      raw_text: row.raw_data && textOf(row.raw_data),
      raw_base64: row.raw_data?.toString('base64') ?? null,
      ledger: run.ledger,
      event_id: content.event_id,
      sequence: row.sequence,
      event_hash: row.event_hash.toString('hex'),
    };
  }
}

/** Events of a life whose reports are looked up at once. */
const REPORTED_AT_ONCE = 500;

/** What was reported of the executions and allocations of a life, and what came back. */
async function* rowsOfReporting(
  run: ReportRun,
  order: LinkedOrder,
  life: OrderLife,
  upToAct: number,
  told: Set<number>,
) {
  let events: { eventId: string; isExecution: boolean }[] = [];
  for await (const event of life.events()) {
    if (event.kind === 'correction' || event.row.event_type !== ORDER_LIFECYCLE) continue;
    const content = contentOf(event.stated);
    const isExecution = FILLS.includes(content.action) && !isCopy(content);
    // what was reported of an execution that was voided since is shown too
    if (event.kind === 'event') events.push({ eventId: event.row.event_id, isExecution });
    if (events.length < REPORTED_AT_ONCE) continue;
    yield* rowsOfReports(run, order, events, upToAct, told);
    events = [];
  }
  yield* rowsOfReports(run, order, events, upToAct, told);
}

async function* rowsOfReports(
  run: ReportRun,
  { orderId, relation, by }: LinkedOrder,
  events: readonly { eventId: string; isExecution: boolean }[],
  upToAct: number,
  told: Set<number>,
) {
  const base = { ...NOTHING, order_id: orderId, relation, linked_by: by };
  const reported = new Set<string>();
  const ids = events.map(({ eventId }) => eventId);
  for await (const stage of reportingStages(run, ids, upToAct, told)) {
    reported.add(stage.eventId);
    const about = { ...base, reported_event_id: stage.eventId };
    if (stage.stage === 'parts-not-listed') {
      yield { ...about, relation: 'not-listed', linked_by: `feedback_file=${stage.file}` };
      continue;
    }
    for await (const row of eventsAt(inLedger(run, stage.ledger), [stage.sequence])) {
      if (row) yield { ...about, ...cellsOfReporting(stage, row) };
      else yield { ...about, stage: stage.stage, ledger: stage.ledger, sequence: stage.sequence, standing: 'deleted' };
    }
  }
  for (const { eventId, isExecution } of events) {
    if (isExecution && !reported.has(eventId)) yield { ...base, stage: 'not-reported', reported_event_id: eventId };
  }
}

/** The run with another ledger to read from. */
function inLedger(run: ReportRun, ledger: string): ReportRun {
  return { ...run, ledger, read: (work) => run.read(work, ledger) };
}

function cellsOfReporting({ stage, ledger }: ReportingStage, row: StoredRow) {
  const content = contentOf(row);
  return {
    ...{ stage, action: content.action, event_type: content.event_type, timestamp: content.timestamp },
    ...{ recorded_at: recordedAt(row), user_id: content.user_id, recorded_by: row.recorded_by },
    reporting_id: content.entity_id,
    ...{ new_state: canonicalize(content.new_state), metadata: canonicalize(content.metadata) },
    raw_media_type: row.raw_media_type,
    raw_text: row.raw_data && textOf(row.raw_data),
    raw_base64: row.raw_data?.toString('base64') ?? null,
    ...{ ledger, event_id: content.event_id, sequence: row.sequence, event_hash: row.event_hash.toString('hex') },
  };
}

function stageOf({ event_type: type, action, metadata }: Content): string {
  if (type !== ORDER_LIFECYCLE) return 'other';
  const stage = STAGES.get(action) ?? 'other';
  const allocates = Array.isArray(metadata.allocations) && metadata.allocations.length > 0;
  return allocates && (stage === 'modification' || stage === 'other') ? 'allocation' : stage;
}

function statesExecution({ metadata }: Content, executionId: string | undefined): boolean {
  if (executionId === undefined) return false;
  return [metadata.execution_id, metadata.venue_transaction_id].some((id) => cellOf(id) === executionId);
}

function standingOf(event: LifeEvent): string {
  if (event.kind === 'vain') return 'corrects-nothing';
  if (event.kind === 'event') {
    if (event.stated === event.row) return 'in-force';
    return event.stated.action === 'void' ? 'voided' : 'corrected';
  }
  if (event.correctedBy !== null) return 'corrected';
  return event.holds ? 'in-force' : 'superseded';
}

function correctedBy(event: LifeEvent): string | null {
  if (event.kind === 'correction') return event.correctedBy;
  return event.stated === event.row ? null : event.stated.event_id;
}

const WHY_VAIN = {
  unknown: 'the event is unknown',
  later: 'the event was recorded later',
  'other-entity': 'the event is of another entity',
  circle: 'the corrections lead back to themselves',
} as const;

function correctionOf(event: LifeEvent, content: Content, corrected: ReadonlyMap<string, Content>): string | null {
  if (event.kind === 'vain') return `corrects nothing: ${WHY_VAIN[event.vain.why]}`;
  const before = content.corrects === undefined ? undefined : corrected.get(content.corrects);
  return before ? canonicalize(changesBetween(before, content)) : null;
}

/** A message as text; null where a part of it is none. */
function textOf(bytes: Buffer): string | null {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes).replaceAll('\u0001', '|');
    return /\p{Cc}/u.test(text.replaceAll(/[\t\r\n]/g, '')) ? null : text;
  } catch {
    return null; // no UTF-8
  }
}

function noLinks(): Links {
  return {
    ...{ parents: new Set(), parentClientOrderIds: new Set(), clientOrderIds: new Set() },
    ...{ groups: new Set(), strategies: new Set() },
  };
}

/** By which names events say of what other orders theirs is. */
const LINKS: Readonly<Partial<Record<TermName, keyof Links>>> = {
  parent_order_id: 'parents',
  parent_client_order_id: 'parentClientOrderIds',
  client_order_id: 'clientOrderIds',
  aggregation_group: 'groups',
  strategy_linked_order_id: 'strategies',
};

function takeLinks(links: Links, { event_type: type, metadata }: Content): void {
  if (type !== ORDER_LIFECYCLE) return;
  for (const [name, into] of Object.entries(LINKS)) {
    const text = Object.hasOwn(metadata, name) ? cellOf(metadata[name]) : null;
    if (text !== null) links[into].add(text);
  }
}

/** A period, and what lies outside of it of a life. */
class Span {
  private first: TimeKey;
  /** included */
  private last: TimeKey;

  constructor(private readonly least: Period) {
    this.first = keyOfInstant(least.from);
    this.last = this.first;
  }

  add(at: TimeKey): void {
    if (compareTimes(at, this.first) < 0) this.first = at;
    if (compareTimes(at, this.last) > 0) this.last = at;
  }

  get period(): Period {
    const isLonger = compareTimes(this.last, keyOfInstant(this.least.to)) >= 0;
    return { from: instantAt(this.first), to: isLonger ? justAfter(this.last) : this.least.to };
  }
}
