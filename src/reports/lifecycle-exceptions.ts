import { deletionSentence } from '../archive/deleted-ranges.js';
import { contentOf } from '../integrity/stored-event.js';
import { parseTimestamp } from '../integrity/timestamp.js';
import {
  ALL_RULES,
  DUPLICATE_RULE,
  LIFECYCLE_RULES,
  SEVERITIES,
  type Finding,
  type LifecycleRule,
  type LifeEnd,
} from './lifecycle-rules.js';
import { isAnotherOrder, newOrder, orderAfter, stepOf } from './lifecycle-steps.js';
import { isCopy } from './order-members.js';
import { defineReport, type Instant, type ReportRun } from './report.js';
import { ORDER_LIFECYCLE, ordersInPeriod, type OrderLife } from './whole-lives.js';

/** What a rule says of an order. */
export interface LifecycleException extends Finding {
  rule: LifecycleRule;
}

export const lifecycleExceptions = defineReport({
  name: 'lifecycle-exceptions',
  version: 3,
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
  ],
  async *rows(run) {
    const isWanted = wantedRules(run);
    const end: LifeEnd = { periodEnd: nanosecondsOf(run.period.to), deleted: deletedSentence(run) };
    for await (const life of ordersInPeriod(run)) {
      for await (const { rule, events, expected, found } of exceptionsOf(life, end)) {
        if (!isWanted(rule)) continue;
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
        };
      }
    }
  },
});

/** What all rules find in a life, in its order; what they find of the life as a whole comes last. Throws DamagedRowError. */
export async function* exceptionsOf(life: OrderLife, end: LifeEnd): AsyncGenerator<LifecycleException> {
  let order = newOrder();
  for await (const event of life.events()) {
    if (event.kind === 'vain') {
      if (event.row.event_type !== ORDER_LIFECYCLE) continue;
      yield* foundBy(LIFECYCLE_RULES, (rule) => rule.atVainCorrection?.(event.vain));
      continue;
    }
    if (event.kind === 'correction' || event.stated.event_type !== ORDER_LIFECYCLE) continue;
    if (event.stated !== event.row && event.stated.action === 'void') continue;
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
      order = newOrder();
    }
    const before = order;
    yield* foundBy(LIFECYCLE_RULES, (rule) => rule.atStep?.(before, step));
    order = orderAfter(order, step);
  }
  yield* foundBy(LIFECYCLE_RULES, (rule) => rule.atEnd?.(order, end));
}

function* foundBy(
  rules: readonly LifecycleRule[],
  finding: (rule: LifecycleRule) => Finding | undefined,
): Generator<LifecycleException> {
  for (const rule of rules) {
    const found = finding(rule);
    if (found) yield { rule, ...found };
  }
}

function wantedRules({ parameters }: ReportRun): (rule: LifecycleRule) => boolean {
  const least =
    parameters.severity === undefined ? SEVERITIES.length : SEVERITIES.indexOf(parameters.severity as never);
  return ({ id, severity }) =>
    (parameters.rule === undefined || parameters.rule === id) && SEVERITIES.indexOf(severity) <= least;
}

/** Past the last day there is, PostgreSQL's infinity. */
const END_OF_TIME = parseTimestamp('2199-12-31T23:59:59.999999999Z');

function nanosecondsOf({ time, nanos }: Instant): bigint {
  if (time === 'infinity') return BigInt(END_OF_TIME.micros) * 1_000n + BigInt(END_OF_TIME.nanos) + 1n;
  return BigInt(parseTimestamp(time).micros) * 1_000n + BigInt(nanos);
}

/** That a part of what is missing may have been deleted; empty when nothing was. */
function deletedSentence({ deleted }: ReportRun): string {
  return deleted
    .map((range) => ` (events ${range.from_sequence} to ${range.to_sequence} were ${deletionSentence(range)})`)
    .join('');
}
