import { hash } from 'node:crypto';
import { VOCABULARY_VERSION } from '../vocabulary/order-vocabulary.js';
import { deletionSentence } from '../archive/deleted-ranges.js';
import { contentOf } from '../integrity/stored-event.js';
import { shortened } from './cell.js';
import {
  correctionCells,
  CORRECTION_COLUMNS,
  lastVersions,
  NO_VERSIONS,
  type LastVersions,
} from './correction-story.js';
import {
  ALL_RULES,
  DUPLICATE_RULE,
  LIFECYCLE_RULES,
  SEVERITIES,
  SHARED_EXECUTION_RULE,
  type Finding,
  type LifecycleRule,
  type LifeEnd,
} from './lifecycle-rules.js';
import {
  executionKey,
  isAnotherOrder,
  newOrder,
  orderAfter,
  stepOf,
  type OrderSoFar,
  type Step,
} from './lifecycle-steps.js';
import { nanosOfInstant } from './instant.js';
import { CLOCKS_APART_NANOS } from './order-lives.js';
import { isCopy } from './order-members.js';
import { sharedExecutionKey } from './orders-of-executions.js';
import type { TermName } from './order-terms.js';
import { defineReport, type ReportRun } from './report.js';
import { ORDER_LIFECYCLE, ordersInPeriod, type OrderLife } from './whole-lives.js';

/** What a rule says of an order. */
interface LifecycleException extends Finding {
  rule: LifecycleRule;
}

export const lifecycleExceptions = defineReport({
  name: 'lifecycle-exceptions',
  version: 7,
  tables: [{ name: 'order-vocabulary', version: String(VOCABULARY_VERSION) }],
  title: 'Lifecycle exceptions',
  question: "Which orders' records contradict themselves or are unfinished?",
  parameters: [
    {
      name: 'rule',
      description: `One rule alone: ${ALL_RULES.map(({ id }) => id).join(', ')}`,
      example: 'over-fill',
      required: false,
      mistake: (value) =>
        ALL_RULES.some(({ id }) => id === value)
          ? undefined
          : { rule: 'one-of', rest: `must be one of ${ALL_RULES.map(({ id }) => id).join(', ')}` },
    },
    {
      name: 'severity',
      description: 'The least severity that is listed: error, warning or info (all, the default)',
      example: 'error',
      required: false,
      mistake: (value) =>
        SEVERITIES.some((each) => each === value)
          ? undefined
          : { rule: 'one-of', rest: `must be one of ${SEVERITIES.join(', ')}` },
    },
  ],
  columns: [
    { name: 'order_id', description: 'entity_id' },
    { name: 'rule', description: 'id of the rule that says so' },
    { name: 'severity', description: 'error, warning or info' },
    { name: 'text', description: 'what the rule means' },
    { name: 'expected', description: 'what should stand there, by what was recorded before' },
    { name: 'found', description: 'what stands there' },
    { name: 'sequence', description: 'of the event that it is about; of a corrected one the correction in force' },
    { name: 'event_id', description: 'the same event' },
    { name: 'events', description: 'all events concerned, each as event_id@sequence, that one first' },
    ...CORRECTION_COLUMNS,
  ],
  async *rows(run) {
    const isWanted = wantedRules(run);
    const end: LifeEnd = { periodEnd: nanosOfInstant(run.period.to), deleted: deletedSentence(run) };
    const executions = new ExecutionsOfOrders();
    for await (const life of ordersInPeriod(run)) {
      const corrected = new Map<string, LastVersions>();
      for await (const { rule, events, expected, found } of exceptionsOf(life, end, executions, corrected)) {
        if (!isWanted(rule)) continue;
        const told = await correctionCells(run, corrected.get(events[0]!.event_id) ?? NO_VERSIONS);
        yield {
          order_id: life.orderId,
          rule: rule.id,
          severity: rule.severity,
          text: rule.text,
          expected,
          found,
          sequence: events[0]!.sequence,
          event_id: events[0]!.event_id,
          events: events.map(({ event_id, sequence }) => `${event_id}@${sequence}`).join(' '),
          ...told,
        };
      }
    }
  },
});

/**
 * What all rules find in a life, in its order; what they find of the life as a whole comes last. `executions` are those of
 * the orders before. Puts into `corrected` the versions of what was corrected, by the event_id that findings name. Throws
 * DamagedRowError.
 */
async function* exceptionsOf(
  life: OrderLife,
  end: LifeEnd,
  executions: ExecutionsOfOrders,
  corrected: Map<string, LastVersions>,
): AsyncGenerator<LifecycleException> {
  let order = newOrder();
  // executions that were recorded before their order, and of which nothing says yet what they are of
  let early: Step[] = [];
  for await (const event of life.events()) {
    if (event.kind === 'vain') {
      if (event.row.event_type !== ORDER_LIFECYCLE) continue;
      if (event.stated !== event.row) corrected.set(event.row.event_id, lastVersions(event.versions));
      yield* foundBy(LIFECYCLE_RULES, (rule) => rule.atVainCorrection?.(event.vain));
      continue;
    }
    if (event.kind === 'correction') continue;
    for (const correction of event.outdated ?? []) {
      if (correction.event_type !== ORDER_LIFECYCLE) continue;
      corrected.set(correction.event_id, lastVersions(event.versions));
      const vain = { correction, names: correction.corrects!, why: 'outdated', target: event.stated } as const;
      yield* foundBy(LIFECYCLE_RULES, (rule) => rule.atVainCorrection?.(vain));
    }
    if (event.stated.event_type !== ORDER_LIFECYCLE) continue;
    if (event.stated !== event.row && event.stated.action === 'void') continue;
    if (event.stated !== event.row) corrected.set(event.stated.event_id, lastVersions(event.versions));
    const content = contentOf(event.stated);
    if (isCopy(content)) continue;
    const step = stepOf(content, event.stated.sequence);
    const duplicate = DUPLICATE_RULE.atStep!(order, step);
    if (duplicate) {
      yield { rule: DUPLICATE_RULE, ...duplicate };
      continue;
    }
    if (isAnotherOrder(order, step)) {
      yield* foundBy(LIFECYCLE_RULES, (rule) => rule.atEnd?.(order, end));
      [order, early] = [newOrder(), []];
    }
    const isTold = step.executionId !== undefined && order.executions.has(executionKey(step)!);
    const sharedAtOnce = executions.take(life.orderId, order, step);
    if (sharedAtOnce && !isTold) yield { rule: SHARED_EXECUTION_RULE, ...sharedAtOnce };
    if (!isTold && isUntold(order, step) && early.length < MOST_EARLY) early.push(step);
    const before = order;
    yield* foundBy(LIFECYCLE_RULES, (rule) => rule.atStep?.(before, step));
    order = orderAfter(order, step);
    if (step.action !== 'create') continue;
    for (const execution of early.splice(0)) {
      if (step.time.nanoseconds > execution.executedAt! + CLOCKS_APART_NANOS) continue; // of another order, by its id
      const shared = executions.take(life.orderId, order, execution);
      if (shared) yield { rule: SHARED_EXECUTION_RULE, ...shared };
    }
  }
  yield* foundBy(LIFECYCLE_RULES, (rule) => rule.atEnd?.(order, end));
}

function* foundBy(
  rules: readonly LifecycleRule[],
  finding: (rule: LifecycleRule) => Finding | readonly Finding[] | undefined,
): Generator<LifecycleException> {
  for (const rule of rules) {
    const found = finding(rule) ?? [];
    for (const each of Array.isArray(found) ? (found as readonly Finding[]) : [found as Finding])
      yield { rule, ...each };
  }
}

/** Executions before an order's create that are held until that comes. */
const MOST_EARLY = 10_000;

/** Whether an execution comes before its order's create, and it is not known yet of what it is. */
function isUntold(order: OrderSoFar, step: Step): boolean {
  return step.executionId !== undefined && !order.create && keyOfExecution(order, step) === undefined;
}

/** Executions that are remembered to be compared with those of other orders. */
const REMEMBERED_EXECUTIONS = 100_000;

/** The executions of the orders so far by what tells them apart, as many as are remembered. */
class ExecutionsOfOrders {
  /** by SHA-256 of the key, which is shorter than that */
  private readonly firsts = new Map<string, { orderId: string; eventId: string; sequence: number }>();

  /**
   * Takes a step of an order, by what `order` is known to be: before it, or once its create has come. What it has in common
   * with an execution of another one.
   */
  take(orderId: string, order: OrderSoFar, step: Step): Finding | undefined {
    const text = keyOfExecution(order, step);
    if (text === undefined) return undefined;
    const key = hash('sha256', text, 'binary');
    const first = this.firsts.get(key);
    if (first) {
      if (first.orderId === orderId) return undefined;
      const found = `execution_id ${shortened(step.executionId!)}, which order ${shortened(first.orderId)} has`;
      const place = { event_id: first.eventId, sequence: String(first.sequence) };
      return { events: [step, place], expected: 'an execution_id of its own', found };
    }
    this.firsts.set(key, { orderId, eventId: step.event_id, sequence: Number(step.sequence) });
    if (this.firsts.size > REMEMBERED_EXECUTIONS) {
      for (const oldest of this.firsts.keys()) {
        this.firsts.delete(oldest);
        break;
      }
    }
    return undefined;
  }
}

/** By what an execution is told apart from those of other orders; undefined where that is not known. */
function keyOfExecution({ terms }: OrderSoFar, step: Step): string | undefined {
  const { source, executionId, executedAt, terms: own } = step;
  if (executionId === undefined || executedAt === undefined) return undefined;
  const of = (name: TermName): string | undefined => own.get(name)?.text ?? terms.known(name, source);
  const [ownSymbol, symbol] = [own.get('symbol')?.text, terms.known('symbol', source)];
  const isOther = ownSymbol !== undefined && symbol !== undefined && ownSymbol !== symbol;
  const instrument = own.get('isin')?.text ?? (isOther ? ownSymbol : (of('isin') ?? of('symbol')));
  const day = String(executedAt / NANOSECONDS_A_DAY);
  return sharedExecutionKey({ source, executionId, day, side: of('side'), instrument, venue: of('exchange') });
}

const NANOSECONDS_A_DAY = 86_400_000_000_000n;

function wantedRules({ parameters }: ReportRun): (rule: LifecycleRule) => boolean {
  const least =
    parameters.severity === undefined ? SEVERITIES.length : SEVERITIES.indexOf(parameters.severity as never);
  return ({ id, severity }) =>
    (parameters.rule === undefined || parameters.rule === id) && SEVERITIES.indexOf(severity) <= least;
}

/** That a part of what is missing may have been deleted; empty when nothing was. */
function deletedSentence({ deleted }: ReportRun): string {
  return deleted
    .map((range) => ` (events ${range.from_sequence} to ${range.to_sequence} were ${deletionSentence(range)})`)
    .join('');
}
