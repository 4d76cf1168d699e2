import { setImmediate as breathe } from 'node:timers/promises';
import { invalidParameters, queryError } from '../http/parameters.js';
import { microsOf } from '../integrity/stored-event.js';
import { formatTimestamp, parseTimestamp } from '../integrity/timestamp.js';
import { VOCABULARY_VERSION } from '../vocabulary/order-vocabulary.js';
import { CORRECTIONS, NO_VERSIONS, withCorrections } from './correction-story.js';
import { differencesOf, ExecutionMatching, MATCHED_BY, type Match, type ToldExecution } from './execution-matching.js';
import { factAt, heldEvents, sourceOf, type HeldEvent } from './held-events.js';
import { isWithin, widened } from './periods.js';
import { FILLS } from './regimes/regime.js';
import { defineReport, type Period, type ReportRun } from './report.js';
import { textParameter } from './text-parameter.js';
import { tradeTimeOf } from './trade-time.js';

const DEFAULT_TOLERANCE_MS = 1_000;
const MAX_TOLERANCE_MS = 86_400_000;
const DEFAULT_LATE_DAYS = 1;
const MAX_LATE_DAYS = 31;
const MICROS_PER_DAY = 86_400_000_000;
/** Executions that are held at once: some 100 MB. */
const MOST_HELD = 100_000;

export const dropCopyReconciliation = defineReport({
  name: 'drop-copy-reconciliation',
  version: 4,
  tables: [{ name: 'order-vocabulary', version: String(VOCABULARY_VERSION) }],
  title: 'Drop copy reconciliation',
  question: 'Do two sources tell of the same executions: what does only one of them have, and in what do they differ?',
  parameters: [
    {
      ...textParameter(
        'source',
        'The one source: source of the events, exactly; of corrected ones as first recorded',
        'oms',
      ),
      required: true,
    },
    { ...textParameter('other_source', 'The other one, exactly', 'drop-copy'), required: true },
    {
      name: 'tolerance_ms',
      description: `Milliseconds by which the times of one execution may differ, 0 to ${MAX_TOLERANCE_MS}; ${DEFAULT_TOLERANCE_MS} when left out`,
      example: String(DEFAULT_TOLERANCE_MS),
      required: false,
      mistake: (value) =>
        /^(?:0|[1-9][0-9]{0,7})$/.test(value) && Number(value) <= MAX_TOLERANCE_MS
          ? undefined
          : { rule: 'range', rest: `must be a whole number from 0 to ${MAX_TOLERANCE_MS}` },
    },
    {
      name: 'late_days',
      description: `Days before and after the period in which counterparts are looked for, 0 to ${MAX_LATE_DAYS}: copies may come at the end of a day, or after it; ${DEFAULT_LATE_DAYS} when left out`,
      example: String(DEFAULT_LATE_DAYS),
      required: false,
      mistake: (value) =>
        /^(?:0|[1-9][0-9]?)$/.test(value) && Number(value) <= MAX_LATE_DAYS
          ? undefined
          : { rule: 'range', rest: `must be a whole number from 0 to ${MAX_LATE_DAYS}` },
    },
  ],
  mistakeTogether: ({ source, other_source: other }) =>
    source === other ? { name: 'other_source', rule: 'other', rest: 'must be another than source' } : undefined,
  columns: [
    { name: 'kind', description: 'differs, only-in-source, only-in-other; total in the last rows' },
    { name: 'matched_by', description: 'execution_id, venue_transaction_id or order-quantity-price-time' },
    {
      name: 'differing',
      description: 'fields in which they differ: order, instrument, side, quantity, price, currency, venue, time',
    },
    { name: 'execution_id', description: 'metadata.execution_id; the other one where the source has none' },
    { name: 'order_id', description: 'entity_id, as the source has it' },
    { name: 'other_order_id', description: 'the same, as the other source has it' },
    { name: 'instrument', description: 'new_state.symbol, looked up' },
    { name: 'other_instrument', description: 'the same of the other source' },
    { name: 'side', description: 'new_state.side, looked up' },
    { name: 'other_side', description: 'the same of the other source' },
    { name: 'quantity', description: "the execution's, exactly as sent" },
    { name: 'other_quantity', description: 'the same of the other source' },
    { name: 'price', description: "the execution's, exactly as sent" },
    { name: 'other_price', description: 'the same of the other source' },
    { name: 'currency', description: 'new_state.currency, looked up' },
    { name: 'other_currency', description: 'the same of the other source' },
    { name: 'venue', description: 'new_state.exchange, looked up' },
    { name: 'other_venue', description: 'the same of the other source' },
    {
      name: 'time',
      holds: 'time',
      description: 'metadata.execution_time, otherwise the timestamp; UTC, as fine as declared',
    },
    { name: 'other_time', holds: 'time', description: 'the same of the other source' },
    { name: 'time_difference_ns', description: 'nanoseconds by which the other source has it later' },
    { name: 'event_id', description: 'of the source; of a corrected execution the correction in force' },
    { name: 'sequence', description: 'its position in the ledger' },
    { name: 'other_event_id', description: 'of the other source' },
    { name: 'other_sequence', description: 'its position in the ledger' },
    {
      name: 'corrections',
      description: `of the source's execution: ${CORRECTIONS.description}`,
    },
    { name: 'other_corrections', description: 'the same of the other source' },
    { name: 'total_of', description: 'in total rows: of what' },
    { name: 'count', description: 'in total rows: how many' },
  ],
  async *rows(run) {
    const toleranceMs = Number(run.parameters.tolerance_ms ?? DEFAULT_TOLERANCE_MS);
    const tolerance = BigInt(toleranceMs) * 1_000_000n;
    const matching = new ExecutionMatching();
    const counts = new Map<string, number>(MATCHED_BY.map((by) => [by, 0]));
    const listed: { told: Told; kind: string; by: string | null; differing: readonly string[] }[] = [];
    const take = ({ by, pair }: Match): void => {
      if (!pair.some(({ isListed }) => isListed)) return;
      counts.set(by, counts.get(by)! + 1);
      const differing = differencesOf(pair, tolerance);
      if (differing.length > 0) listed.push({ told: pair, kind: 'differs', by, differing });
    };
    const lateDays = Number(run.parameters.late_days ?? DEFAULT_LATE_DAYS);
    const around = Math.max(toleranceMs * 1_000, lateDays * MICROS_PER_DAY);
    for await (const told of toldExecutions(run, widened(run.period, around))) {
      const match = matching.add(told);
      if (match) take(match);
      if (matching.size + listed.length > MOST_HELD) throw tooMany(run);
    }
    for (const parts of [matching.matchByIds(tolerance), matching.matchByTerms(tolerance)]) {
      for (const matches of parts) {
        matches.forEach(take);
        await breathe();
      }
    }
    for (const told of matching.rest()) {
      if (!told.isListed) continue;
      const [kind, pair] =
        told.side === 0
          ? ['only-in-source', [told, undefined] as const]
          : ['only-in-other', [undefined, told] as const];
      listed.push({ told: pair, kind, by: null, differing: [] });
    }
    listed.sort((a, b) => compareTold(firstOf(a.told), firstOf(b.told)));
    const sides = listed.flatMap(({ told: pair }) => pair);
    let ours: string | null | undefined;
    let at = 0;
    for await (const [, { corrections }] of withCorrections(run, sides, (each) => each?.versions ?? NO_VERSIONS)) {
      if (at++ % 2 === 0) ours = corrections;
      else {
        const { told, kind, by, differing } = listed[at / 2 - 1]!;
        yield rowOf(told, kind, by, differing, [ours ?? null, corrections]);
      }
    }
    const kinds = ['differs', 'only-in-source', 'only-in-other'];
    for (const by of MATCHED_BY) yield totalRow(`matched by ${by}`, counts.get(by)!);
    for (const kind of kinds) yield totalRow(kind, listed.filter((each) => each.kind === kind).length);
  },
});

type Told = readonly [ToldExecution | undefined, ToldExecution | undefined];

/** The executions of both sources, in event time. */
async function* toldExecutions(run: ReportRun, period: Period): AsyncGenerator<ToldExecution> {
  const sources = [run.parameters.source!, run.parameters.other_source!];
  for await (const page of heldEvents({ ...run, period }, { actions: FILLS, withCopies: true })) {
    for (const event of page) {
      const side = sources.indexOf(sourceOf(event));
      if (side >= 0) yield toldBy(event, side as 0 | 1, isWithin(event.row, run.period));
    }
  }
}

function toldBy(event: HeldEvent, side: 0 | 1, isListed: boolean): ToldExecution {
  const { content, own, row } = event;
  const { time, from } = tradeTimeOf(content);
  const { micros, nanos } = parseTimestamp(time);
  const names = [content.entity_id, factAt(event, 'client_order_id'), factAt(event, 'venue_order_id')];
  return {
    side,
    isListed,
    orderNames: [...new Set(names.filter((name) => name !== null))],
    executionId: own.get('execution_id') ?? null,
    transactionId: own.get('venue_transaction_id') ?? null,
    instrument: factAt(event, 'symbol'),
    isin: factAt(event, 'isin'),
    orderSide: factAt(event, 'side'),
    venue: factAt(event, 'exchange'),
    currency: factAt(event, 'currency'),
    quantity: own.get('quantity') ?? null,
    price: own.get('price') ?? null,
    time,
    nanos: BigInt(micros) * 1_000n + BigInt(nanos),
    isTimeOfCopy: event.isCopy && from !== 'execution_time',
    orderId: content.entity_id,
    eventId: content.event_id,
    sequence: row.sequence,
    versions: event.versions,
  };
}

function tooMany({ period }: ReportRun): Error {
  const end = period.to.time === 'infinity' ? 'the end of time' : formatTimestamp(microsOf(period.to.time), 0, 0);
  const rest = `is followed by more than ${MOST_HELD} executions up to ${end} that have no counterpart or differ: ask for a shorter period`;
  return invalidParameters([queryError('from', 'too-many', rest)]);
}

function firstOf([a, b]: Told): ToldExecution {
  return (a ?? b)!;
}

/** By time, then by place in the ledger. */
function compareTold(a: ToldExecution, b: ToldExecution): number {
  if (a.nanos !== b.nanos) return a.nanos < b.nanos ? -1 : 1;
  return Number(BigInt(a.sequence) - BigInt(b.sequence));
}

function rowOf(
  [a, b]: Told,
  kind: string,
  by: string | null,
  differing: readonly string[],
  [corrections, otherCorrections]: readonly (string | null)[] = [],
) {
  return {
    kind,
    matched_by: by,
    differing: differing.join(' ') || null,
    execution_id: a?.executionId ?? b?.executionId ?? null,
    ...{ order_id: a?.orderId ?? null, other_order_id: b?.orderId ?? null },
    ...{ instrument: a?.instrument ?? null, other_instrument: b?.instrument ?? null },
    ...{ side: a?.orderSide ?? null, other_side: b?.orderSide ?? null },
    ...{ quantity: a?.quantity ?? null, other_quantity: b?.quantity ?? null },
    ...{ price: a?.price ?? null, other_price: b?.price ?? null },
    ...{ currency: a?.currency ?? null, other_currency: b?.currency ?? null },
    ...{ venue: a?.venue ?? null, other_venue: b?.venue ?? null },
    ...{ time: a?.time ?? null, other_time: b?.time ?? null },
    time_difference_ns: a && b ? String(b.nanos - a.nanos) : null,
    ...{ event_id: a?.eventId ?? null, sequence: a?.sequence ?? null },
    ...{ other_event_id: b?.eventId ?? null, other_sequence: b?.sequence ?? null },
    ...{ corrections: corrections ?? null, other_corrections: otherCorrections ?? null },
    ...{ total_of: null, count: null },
  };
}

function totalRow(of: string, count: number) {
  return { ...rowOf([undefined, undefined], 'total', null, []), total_of: of, count: String(count) };
}
