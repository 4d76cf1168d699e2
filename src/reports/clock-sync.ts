import { VOCABULARY_VERSION } from '../vocabulary/order-vocabulary.js';
import { contentOf, microsOf, type StoredRow } from '../integrity/stored-event.js';
import { parseTimestamp } from '../integrity/timestamp.js';
import { cellOf } from './cell.js';
import { CLOCK_RULES, CLOCK_RULES_VERSION, type ClockClass, type ClockLimit, type ClockRules } from './clock-rules.js';
import { eventsInPeriod } from './event-scan.js';
import { recordedAt } from './recorded-at.js';
import { defineReport } from './report.js';

/** Without a class there is no other: what is recorded this much before it is said to have happened is told. */
const UNDECLARED_TOLERANCE_NS = 1_000_000_000n;
const DEFAULT_LATE_AFTER_SECONDS = 60;
/** Clocks that have a row each. A sender that makes up a clock for every event shares one, so that memory stays flat. */
const MAX_CLOCKS = 10_000;

/** Events of which something is told: how many, and the first and the last in event time. */
class Tally {
  count = 0;
  first: string | null = null;
  last: string | null = null;

  add(sequence: string): void {
    this.count += 1;
    this.first ??= sequence;
    this.last = sequence;
  }

  cells<const Prefix extends string>(prefix: Prefix) {
    const cells = { [prefix]: String(this.count), [`${prefix}_first`]: this.first, [`${prefix}_last`]: this.last };
    return cells as Record<Prefix | `${Prefix}_first` | `${Prefix}_last`, string | null>;
  }
}

/** What a source, at a capture point, by a clock, of a class, under a rule, has sent. */
class ClockUse {
  readonly events = new Tally();
  readonly digits = new Map<number, number>();
  readonly coarse = new Tally();
  readonly diverging = new Tally();
  readonly ahead = new Tally();
  readonly late = new Tally();
  divergences = 0;
  unreadableDivergences = 0;
  corrections = 0;
  greatestDivergence: bigint | null = null;
  greatestAheadNs: bigint | null = null;
  greatestDelayNs: bigint | null = null;
  firstTime: string | null = null;
  lastTime: string | null = null;

  constructor(
    readonly source: string | null,
    readonly capturePoint: string | null,
    readonly clockId: string | null,
    readonly clockClass: string | null,
    readonly rules: ClockRules | undefined,
  ) {}

  get limit(): ClockLimit | undefined {
    return limitOf(this.rules, this.clockClass);
  }
}

export const clockSync = defineReport({
  name: 'clock-sync',
  version: 2,
  tables: [
    { name: 'clock-rules', version: String(CLOCK_RULES_VERSION) },
    { name: 'order-vocabulary', version: String(VOCABULARY_VERSION) },
  ],
  title: 'Clocks and time stamps',
  question: 'Did the clocks of each source keep to the rule in force on the day, as far as its events tell?',
  parameters: [
    {
      name: 'late_after',
      description: `Seconds after its event time from which an event counts as recorded late; ${DEFAULT_LATE_AFTER_SECONDS} without it`,
      example: '60',
      required: false,
      mistake: (value) =>
        /^(?:0|[1-9][0-9]{0,8})$/.test(value)
          ? undefined
          : { rule: 'seconds', rest: 'must be a whole number of seconds, up to nine digits' },
    },
  ],
  columns: [
    { name: 'source', description: 'the system that sent the events' },
    { name: 'capture_point', description: 'metadata.capture_point' },
    { name: 'clock_id', description: 'metadata.clock_id' },
    { name: 'clock_class', description: 'metadata.clock_class: the activity by which the rule is chosen' },
    { name: 'rule', description: 'Delegated Regulation in force on the day of the events' },
    { name: 'required_digits', description: 'decimals of a second that it asks for' },
    { name: 'max_divergence_ns', description: 'divergence from UTC that it allows, in nanoseconds' },
    {
      name: 'verdict',
      description:
        'breach; undeclared where there is no class that the rule knows; unreadable where a divergence is no number; kept as far as is told; no-rule',
    },
    { name: 'events', description: 'how many, corrections not counted' },
    { name: 'events_first', description: 'sequence of the first in event time' },
    { name: 'events_last', description: 'sequence of the last' },
    { name: 'first_time', holds: 'time', description: 'its event time' },
    { name: 'last_time', holds: 'time', description: 'its event time' },
    { name: 'digits', description: 'decimals that times have, each with how many events: 6:120 9:4' },
    { name: 'too_coarse', description: 'events whose time has fewer decimals than required' },
    { name: 'too_coarse_first', description: 'sequence of the first in event time' },
    { name: 'too_coarse_last', description: 'sequence of the last' },
    { name: 'divergence_stated', description: 'events that state metadata.clock_divergence_ns, readable or not' },
    {
      name: 'divergence_unreadable',
      description: 'of those, the ones that state no whole number of at most 18 digits',
    },
    { name: 'greatest_divergence_ns', description: 'the furthest from zero, either way' },
    { name: 'diverging', description: 'events that state a divergence past the one allowed' },
    { name: 'diverging_first', description: 'sequence of the first in event time' },
    { name: 'diverging_last', description: 'sequence of the last' },
    {
      name: 'ahead',
      description:
        'events recorded before they happened by more than the divergence allowed, or than a second where none is',
    },
    { name: 'ahead_first', description: 'sequence of the first in event time' },
    { name: 'ahead_last', description: 'sequence of the last' },
    { name: 'greatest_ahead_ns', description: 'by how much the event time was past the recording at most' },
    { name: 'late', description: 'events recorded more than late_after seconds after they happened' },
    { name: 'late_first', description: 'sequence of the first in event time' },
    { name: 'late_last', description: 'sequence of the last' },
    { name: 'greatest_delay_ns', description: 'how long after its event time an event was recorded at most' },
    { name: 'corrections', description: 'events that correct others: they tell of old times, and are not judged' },
  ],
  async *rows(run) {
    const lateAfterNs = BigInt(run.parameters.late_after ?? DEFAULT_LATE_AFTER_SECONDS) * 1_000_000_000n;
    const uses = new Map<string, ClockUse>();
    for await (const page of eventsInPeriod(run, { by: { column: 'event_type', value: 'order_lifecycle' } })) {
      for (const row of page) take(row, uses, lateAfterNs);
    }
    for (const [, use] of [...uses].sort(([a], [b]) => (a < b ? -1 : 1))) yield rowOf(use);
  },
});

function take(row: StoredRow, uses: Map<string, ClockUse>, lateAfterNs: bigint): void {
  const { source = null, timestamp, metadata } = contentOf(row);
  const use = useOf(
    uses,
    source,
    cellOf(metadata.capture_point),
    cellOf(metadata.clock_id),
    cellOf(metadata.clock_class),
    rulesAt(microsOf(row.timestamp)),
  );
  if (row.corrects !== null) {
    use.corrections += 1;
    return;
  }
  const { limit } = use;
  use.events.add(row.sequence);
  use.firstTime ??= timestamp;
  use.lastTime = timestamp;
  const digits = row.timestamp_digits;
  use.digits.set(digits, (use.digits.get(digits) ?? 0) + 1);
  if (limit && digits < limit.digits) use.coarse.add(row.sequence);

  const stated = cellOf(metadata.clock_divergence_ns);
  if (stated !== null) takeDivergence(use, stated, row.sequence);

  const happened = BigInt(microsOf(row.timestamp)) * 1000n + BigInt(row.timestamp_nanos);
  const delayNs = BigInt(parseTimestamp(recordedAt(row)).micros) * 1000n - happened;
  if (delayNs < 0n) use.greatestAheadNs = greater(use.greatestAheadNs, -delayNs);
  else use.greatestDelayNs = greater(use.greatestDelayNs, delayNs);
  if (-delayNs > (limit ? BigInt(limit.maxDivergenceNs) : UNDECLARED_TOLERANCE_NS)) use.ahead.add(row.sequence);
  if (delayNs > lateAfterNs) use.late.add(row.sequence);
}

function takeDivergence(use: ClockUse, stated: string, sequence: string): void {
  use.divergences += 1;
  if (!/^-?[0-9]{1,18}$/.test(stated)) {
    use.unreadableDivergences += 1;
    return;
  }
  const divergence = BigInt(stated);
  if (use.greatestDivergence === null || magnitude(divergence) > magnitude(use.greatestDivergence)) {
    use.greatestDivergence = divergence;
  }
  if (use.limit && magnitude(divergence) > BigInt(use.limit.maxDivergenceNs)) use.diverging.add(sequence);
}

function useOf(
  uses: Map<string, ClockUse>,
  source: string | null,
  capturePoint: string | null,
  clockId: string | null,
  clockClass: string | null,
  rules: ClockRules | undefined,
): ClockUse {
  const keyed = [rules?.regulation ?? '', source, capturePoint, clockId, clockClass];
  const key = JSON.stringify(keyed);
  const known = uses.get(key);
  if (known) return known;
  if (uses.size >= MAX_CLOCKS) {
    const knownClass = limitOf(rules, clockClass) ? clockClass : null;
    const rest = JSON.stringify([rules?.regulation ?? '', 'others', knownClass]);
    const others = uses.get(rest) ?? new ClockUse(null, null, '(others)', knownClass, rules);
    uses.set(rest, others);
    return others;
  }
  const use = new ClockUse(source, capturePoint, clockId, clockClass, rules);
  uses.set(key, use);
  return use;
}

function limitOf(rules: ClockRules | undefined, clockClass: string | null): ClockLimit | undefined {
  if (!rules || clockClass === null || !Object.hasOwn(rules.limits, clockClass)) return undefined;
  return rules.limits[clockClass as ClockClass];
}

const RULES_FROM = CLOCK_RULES.map((rules) => ({ rules, micros: parseTimestamp(rules.from).micros }));

/** The rules in force at a time, in microseconds since 1970; undefined before the first. */
function rulesAt(micros: number): ClockRules | undefined {
  return RULES_FROM.findLast((each) => each.micros <= micros)?.rules;
}

function rowOf(use: ClockUse) {
  const { limit } = use;
  return {
    source: use.source,
    capture_point: use.capturePoint,
    clock_id: use.clockId,
    clock_class: use.clockClass,
    rule: use.rules?.regulation ?? null,
    required_digits: limit ? String(limit.digits) : null,
    max_divergence_ns: limit ? String(limit.maxDivergenceNs) : null,
    verdict: verdictOn(use),
    ...use.events.cells('events'),
    first_time: use.firstTime,
    last_time: use.lastTime,
    digits:
      [...use.digits]
        .sort(([a], [b]) => a - b)
        .map(([digits, events]) => `${digits}:${events}`)
        .join(' ') || null,
    ...use.coarse.cells('too_coarse'),
    divergence_stated: String(use.divergences),
    divergence_unreadable: String(use.unreadableDivergences),
    greatest_divergence_ns: use.greatestDivergence === null ? null : String(use.greatestDivergence),
    ...use.diverging.cells('diverging'),
    ...use.ahead.cells('ahead'),
    greatest_ahead_ns: use.greatestAheadNs === null ? null : String(use.greatestAheadNs),
    ...use.late.cells('late'),
    greatest_delay_ns: use.greatestDelayNs === null ? null : String(use.greatestDelayNs),
    corrections: String(use.corrections),
  };
}

function verdictOn({ rules, limit, coarse, diverging, ahead, unreadableDivergences: unreadable }: ClockUse): string {
  if (coarse.count + diverging.count > 0 || (limit && ahead.count > 0)) return 'breach';
  if (!rules) return 'no-rule';
  if (!limit) return 'undeclared';
  return unreadable > 0 ? 'unreadable' : 'kept';
}

function magnitude(value: bigint): bigint {
  return value < 0n ? -value : value;
}

function greater(a: bigint | null, b: bigint): bigint {
  return a === null || b > a ? b : a;
}
