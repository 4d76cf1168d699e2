import { VOCABULARY_VERSION } from '../vocabulary/order-vocabulary.js';
import { STREAM_PAGE_BYTES } from '../events/event-search.js';
import { lesser } from '../events/sequences.js';
import { contentOf, microsOf, type StoredRow } from '../integrity/stored-event.js';
import { formatMicros, parseTimestamp } from '../integrity/timestamp.js';
import { cellOf } from './cell.js';
import {
  CORRECTION_COLUMNS,
  lastVersions,
  NO_CORRECTION_CELLS,
  withCorrections,
  type CorrectionCells,
} from './correction-story.js';
import { holds, readCorrections } from './corrections-of.js';
import { scanPeriod } from './event-scan.js';
import { grouped } from './grouped.js';
import { STORED_COLUMNS } from '../events/stored-events.js';
import { recordedAtOfHead } from './recorded-at.js';
import { defineReport, type Instant, type ReportParameter, type ReportRun } from './report.js';
import { SessionCounters, type CounterAt, type SeenAt } from './source-counters.js';

/** `entity_type` of events in which a source says how many events it has sent. */
const SOURCE_TOTAL = 'source_total';

const DEFAULT_LOOK_BACK_DAYS = 7;
const DEFAULT_USUAL_DAYS = 3;
/** Where fewer days can be compared than that, all of them count, but one alone is no custom. */
const LEAST_USUAL_DAYS = 2;

/** Sessions whose counters are followed, and ranges that are held of all of them: together some 20 MB at most. */
const MOST_SESSIONS = 20_000;
const MOST_RANGES = 50_000;

const MICROS_PER_HOUR = 3_600_000_000;
const MICROS_PER_DAY = 24 * MICROS_PER_HOUR;

/** What is looked at of an event. */
type CountedRow = Pick<
  StoredRow,
  | 'sequence'
  | 'timestamp'
  | 'timestamp_nanos'
  | 'entity_type'
  | 'action'
  | 'event_type'
  | 'corrects'
  | 'source'
  | 'source_session'
  | 'source_sequence'
>;
const COUNTED_COLUMNS = `sequence, "timestamp", timestamp_nanos, entity_type, action, event_type, corrects, source,
  source_session, source_sequence`;

/** Kinds of rows, in the order in which a source's day has them. */
const KINDS = ['gap', 'repeat', 'late-start', 'not-followed', 'silence', 'total', 'day'] as const;

interface CompletenessRow {
  day: string;
  source: string | null;
  source_session: string | null;
  kind: (typeof KINDS)[number];
  from: string | null;
  to: string | null;
  count: string | null;
  expected: string | null;
  found: string | null;
  after_sequence: string | null;
  before_sequence: string | null;
  verdict: string | null;
  correction_user_id: string | null;
  correction_reason: string | null;
  corrections: string | null;
}

export const completeness = defineReport({
  name: 'completeness',
  version: 4,
  tables: [{ name: 'order-vocabulary', version: String(VOCABULARY_VERSION) }],
  title: 'Completeness of the sources',
  question:
    'Has everything that our systems sent been recorded: what is missing, repeated, or silent, by source and day?',
  parameters: [
    daysParameter(
      'look_back_days',
      `Days before the period with which its hours are compared, and in which the beginnings of sessions are looked for; ${DEFAULT_LOOK_BACK_DAYS} when left out`,
      String(DEFAULT_LOOK_BACK_DAYS),
    ),
    daysParameter(
      'usual_days',
      `An hour without events is a silence when at least so many of these days had some in it, or all where there are fewer; ${DEFAULT_USUAL_DAYS} when left out`,
      String(DEFAULT_USUAL_DAYS),
    ),
  ],
  columns: [
    { name: 'day', description: 'UTC, by event time; days are looked at whole' },
    { name: 'source', description: 'as events name it; empty for those that name none' },
    { name: 'source_session', description: 'where the row is about one' },
    {
      name: 'kind',
      description:
        'gap, repeat, late-start (a session that does not begin at 0 or 1), not-followed (too many gaps or sessions to be listed), silence, total (what the source says it sent), day (the verdict)',
    },
    { name: 'from', holds: 'time', description: 'of a range of source_sequence, or of time; included' },
    { name: 'to', holds: 'time', description: 'source_sequence: included; time: not included' },
    { name: 'count', description: 'counters missing or repeated, silent hours, or events recorded' },
    { name: 'expected', description: 'what should be there' },
    { name: 'found', description: 'what is there' },
    { name: 'after_sequence', description: 'position in the ledger of the event before a gap' },
    { name: 'before_sequence', description: 'of the event after a gap, of the first that repeats, or of the total' },
    { name: 'verdict', description: 'of the day: complete, incomplete or undecided' },
    ...CORRECTION_COLUMNS,
  ],
  async *rows(run) {
    const days = daysOf(run);
    const lookBackDays = Number(run.parameters.look_back_days ?? DEFAULT_LOOK_BACK_DAYS);
    const usualDays = Number(run.parameters.usual_days ?? DEFAULT_USUAL_DAYS);
    // a day more at the end: what completes a range, and totals, may come after midnight
    const widened: ReportRun = {
      ...run,
      period: {
        from: { time: formatMicros(Math.max(0, days.from - lookBackDays * MICROS_PER_DAY)), nanos: 0 },
        to: instantAt(days.to + MICROS_PER_DAY),
      },
    };
    const totals = await statedTotals(widened, days);
    const traffic = new Traffic(totals);
    for await (const page of scanPeriod<CountedRow>(widened, {}, COUNTED_COLUMNS)) {
      for (const row of page) traffic.add(row);
    }
    traffic.addCorrections();
    // a correction has the time of what it corrects, which may be any, and a counter of the day on which it was sent
    if (traffic.isDoubtful(days)) {
      for await (const row of correctionsOfOtherTimes(widened, traffic.sequences)) traffic.addOfOtherTime(row);
      traffic.addCorrections(true);
    }
    // later hours have not been
    const knownTo = await recordedAtOfHead(run);
    const rows = [
      ...traffic.counterRows(days),
      ...traffic.silenceRows(days, lookBackDays, usualDays, knownTo),
      ...totals.map((total) => totalRow(total, traffic)),
    ];
    const all = [...rows, ...verdicts(rows, days, traffic, knownTo)];
    yield* all.sort(compareRows);
  },
});

/** Whole days in UTC, in microseconds since 1970; `to` is not included. */
interface Days {
  from: number;
  to: number;
}

function daysParameter(name: string, description: string, example: string): ReportParameter {
  return {
    name,
    description,
    example,
    required: false,
    mistake: (value) =>
      /^[1-9][0-9]?$/.test(value) && Number(value) <= 31
        ? undefined
        : { rule: 'range', rest: 'must be a number of days from 1 to 31' },
  };
}

const LAST_DAY_MICROS = parseTimestamp('2199-12-31T00:00:00Z').micros;

function daysOf({ period: { from, to } }: ReportRun): Days {
  const end = to.time === 'infinity' ? LAST_DAY_MICROS + MICROS_PER_DAY : parseTimestamp(to.time).micros;
  // a period that ends within a microsecond has some of it
  const last = to.nanos > 0 ? end + 1 : end;
  return {
    from: Math.floor(parseTimestamp(from.time).micros / MICROS_PER_DAY) * MICROS_PER_DAY,
    to: Math.ceil(last / MICROS_PER_DAY) * MICROS_PER_DAY,
  };
}

function instantAt(micros: number): { time: string; nanos: number } {
  return micros > LAST_DAY_MICROS ? { time: 'infinity', nanos: 0 } : { time: formatMicros(micros), nanos: 0 };
}

function dayOf(micros: number): string {
  return formatMicros(micros).slice(0, 10);
}

function* eachDay({ from, to }: Days): Generator<number> {
  for (let day = from; day < to; day += MICROS_PER_DAY) yield day;
}

/** What came of one source on one day. */
interface SourceDay {
  events: number;
  /** without source_sequence */
  uncounted: number;
  bySession: Map<string, number>;
  byType: Map<string, number>;
  bySessionAndType: Map<string, number>;
}

/** What came of one source. The empty text stands for no source, and for no session. */
interface SourceTraffic {
  days: Map<string, SourceDay>;
  /** events by hour since 1970 */
  hours: Map<number, number>;
  sessions: Map<string, SessionCounters>;
  /** corrections with a counter that nothing before them had, by session */
  corrections: Map<string, CounterAt[]>;
  /** first event of a session that is not followed, by day */
  notFollowed: Map<string, SeenAt>;
  /** the highest sequence of what is no correction */
  last: bigint;
}

/** All traffic of a time, source by source: by the session, the day and the gap, not by the event. */
class Traffic {
  readonly sources = new Map<string, SourceTraffic>();
  private sessions = 0;
  private ranges = 0;
  private heldBack = 0;
  private readonly totals: ReadonlyMap<string, readonly StatedTotal[]>;
  /** in the ledger, both included */
  sequences: { from: bigint; to: bigint } | undefined;

  constructor(totals: readonly StatedTotal[]) {
    this.totals = grouped(totals, ({ day, source }) => `${day}\n${source}`);
  }

  add(row: CountedRow): void {
    const sequence = BigInt(row.sequence);
    const { from, to } = this.sequences ?? { from: sequence, to: sequence };
    this.sequences = { from: sequence < from ? sequence : from, to: sequence > to ? sequence : to };
    if (row.entity_type === SOURCE_TOTAL) return;
    const micros = microsOf(row.timestamp);
    const at = { sequence: row.sequence, day: dayOf(micros) };
    const source = entry(this.sources, row.source ?? '', newSource);
    if (row.corrects === null) source.last = sequence > source.last ? sequence : source.last;
    else this.takeLateCorrection(row, at.day);
    const day = entry(source.days, at.day, newDay);
    day.events += 1;
    count(day.byType, row.event_type);
    count(source.hours, Math.floor(micros / MICROS_PER_HOUR));
    const isCounted = row.source !== null && row.source_sequence !== null;
    if (!isCounted) day.uncounted += 1;
    const session = row.source_session ?? '';
    const counters = this.countersOf(source, session);
    if (!counters) {
      if (!source.notFollowed.has(at.day)) source.notFollowed.set(at.day, at);
      return;
    }
    count(day.bySession, session);
    count(day.bySessionAndType, `${session}\n${row.event_type}`);
    if (!isCounted) return;
    if (row.corrects === null) this.follow(counters, (each) => each.add(BigInt(row.source_sequence!), at, false));
    else this.holdBack(source, session, counters, { counter: BigInt(row.source_sequence!), at });
  }

  /** A correction from outside of the time that is looked at, of which no more is told than its counter. */
  addOfOtherTime(row: CountedRow): void {
    const source = this.sources.get(row.source ?? '');
    const session = row.source_session ?? '';
    const counters = source?.sessions.get(session);
    if (!source || !counters || row.source === null || row.source_sequence === null) return;
    const at = { sequence: row.sequence, day: dayOf(microsOf(row.timestamp)) };
    this.holdBack(source, session, counters, { counter: BigInt(row.source_sequence), at }, true);
  }

  /** Takes the counters of corrections, once all others are known. */
  addCorrections(filling = false): void {
    this.addHeldBack(filling, true);
  }

  /** `isAll`: whether all that is no correction was taken. */
  private addHeldBack(filling: boolean, isAll: boolean): void {
    for (const { sessions, corrections, last } of this.sources.values()) {
      for (const [session, held] of corrections) {
        this.follow(sessions.get(session)!, (counters) =>
          counters.addCorrections(held, filling, isAll ? last : undefined),
        );
      }
      corrections.clear();
    }
    this.heldBack = 0;
  }

  /** A source did not know yet of corrections that were recorded after it said how many events it had sent. */
  private takeLateCorrection(
    { sequence, source, source_session: session, event_type: type }: CountedRow,
    day: string,
  ): void {
    for (const total of this.totals.get(`${day}\n${source ?? ''}`) ?? []) {
      const isMeant = (total.session ?? session ?? '') === (session ?? '') && (total.type ?? type) === type;
      if (isMeant && BigInt(sequence) > BigInt(total.sequence)) total.laterCorrections += 1;
    }
  }

  /** Whether a counter of the days is missing that a correction of another time may have. */
  isDoubtful(days: Days): boolean {
    const wanted = new Set([...eachDay(days)].map(dayOf));
    return [...this.sources.values()].some(({ sessions }) =>
      [...sessions.values()].some((counters) => counters.isDoubtful(wanted)),
    );
  }

  /** Of a counter that was used already a correction says nothing new: mostly it has that of what it corrects. */
  private holdBack(
    source: SourceTraffic,
    session: string,
    counters: SessionCounters,
    correction: CounterAt,
    isOfOtherTime = false,
  ): void {
    if (counters.has(correction.counter)) return;
    entry(source.corrections, session, (): CounterAt[] => []).push(correction);
    this.heldBack += 1;
    if (this.heldBack > MOST_RANGES) this.addHeldBack(isOfOtherTime, isOfOtherTime);
  }

  /** Undefined for a session that is one too many. */
  private countersOf(source: SourceTraffic, session: string): SessionCounters | undefined {
    const known = source.sessions.get(session);
    if (known || this.sessions === MOST_SESSIONS) return known;
    this.sessions += 1;
    const counters = new SessionCounters();
    source.sessions.set(session, counters);
    return counters;
  }

  private follow(counters: SessionCounters, take: (counters: SessionCounters) => void): void {
    const before = counters.size;
    take(counters);
    this.ranges += counters.size - before;
    if (this.ranges > MOST_RANGES) this.collapseLargest();
  }

  private collapseLargest(): void {
    const all = [...this.sources.values()].flatMap(({ sessions }) => [...sessions.values()]);
    const largest = all.reduce((a, b) => (b.size > a.size ? b : a));
    this.ranges -= largest.size;
    largest.collapse();
    this.ranges += largest.size;
  }

  /** Gaps, repeats and what could not be followed, of the days. */
  *counterRows(days: Days): Generator<CompletenessRow> {
    const wanted = new Set([...eachDay(days)].map(dayOf));
    for (const [source, { sessions, notFollowed }] of this.sources) {
      for (const [session, counters] of sessions) {
        const bare = { source, source_session: session };
        for (const { from, to, after, before } of counters.gaps()) {
          if (!wanted.has(before.day)) continue;
          yield rowOf('gap', before.day, {
            ...bare,
            ...counterRange(from, to),
            expected: 'every counter',
            found: 'none of them',
            after_sequence: after.sequence,
            before_sequence: before.sequence,
          });
        }
        for (const { from, to, at } of counters.repeats()) {
          if (!wanted.has(at.day)) continue;
          yield rowOf('repeat', at.day, {
            ...bare,
            ...counterRange(from, to),
            expected: 'each counter once',
            found: 'once more',
            before_sequence: at.sequence,
          });
        }
        const beginning = counters.beginning();
        if (beginning && beginning.counter > 1n && wanted.has(beginning.at.day)) {
          yield rowOf('late-start', beginning.at.day, {
            ...bare,
            from: String(beginning.counter),
            expected: 'a session that begins at 0 or 1',
            found: `begins at ${beginning.counter}`,
            before_sequence: beginning.at.sequence,
          });
        }
        if (counters.collapsed && beginning) {
          const day = [...wanted].find((each) => each >= beginning.at.day) ?? beginning.at.day;
          yield rowOf('not-followed', day, {
            ...bare,
            expected: 'a gapless counter',
            found: 'more gaps than are listed',
          });
        }
      }
      for (const [day, at] of notFollowed) {
        if (!wanted.has(day)) continue;
        yield rowOf('not-followed', day, {
          source,
          expected: `no more than ${MOST_SESSIONS} sessions`,
          found: 'more',
          before_sequence: at.sequence,
        });
      }
    }
  }

  /** Hours of the days, past by `knownTo`, in which there is nothing although there usually is something. */
  *silenceRows(days: Days, lookBackDays: number, usualDays: number, knownTo: number): Generator<CompletenessRow> {
    for (const [source, { hours }] of this.sources) {
      const active = new Set([...hours.keys()].map((hour) => Math.floor(hour / 24) * MICROS_PER_DAY));
      for (const day of eachDay(days)) {
        if (day >= knownTo) break;
        const compared = previousDays(day, lookBackDays);
        const needed = Math.min(usualDays, Math.max(compared.length, LEAST_USUAL_DAYS));
        const shiftsOf = new Map(
          compared.filter((each) => active.has(each)).map((each) => [each, sameHours(each, day)]),
        );
        // a period may be of all time, of which most days have nothing to be compared with
        if (shiftsOf.size < needed) continue;
        let silence: { from: number; to: number; had: number; of: number } | undefined;
        for (let hour = 0; hour < 24; hour++) {
          const at = day / MICROS_PER_HOUR + hour;
          const had = [...shiftsOf].filter(([each, shifts]) =>
            shifts.every((shift) => hours.has(each / MICROS_PER_HOUR + hour + shift)),
          ).length;
          const isPast = (at + 1) * MICROS_PER_HOUR <= knownTo;
          if (!isPast || hours.has(at) || had < needed) {
            if (silence) yield silenceRow(source, day, silence);
            silence = undefined;
            continue;
          }
          silence = silence
            ? { ...silence, to: at + 1, had: Math.min(silence.had, had) }
            : { from: at, to: at + 1, had, of: compared.length };
        }
        if (silence) yield silenceRow(source, day, silence);
      }
    }
  }
}

function silenceRow(
  source: string,
  day: number,
  { from, to, had, of }: { from: number; to: number; had: number; of: number },
): CompletenessRow {
  const time = (hour: number): string => `${formatMicros(hour * MICROS_PER_HOUR).slice(0, 19)}Z`;
  return rowOf('silence', dayOf(day), {
    source,
    from: time(from),
    to: time(to),
    count: String(to - from),
    expected: `events, as on at least ${had} of the ${of} days compared`,
    found: 'none',
  });
}

/** Weekdays before a weekday, days of weekends before one of these. */
function previousDays(day: number, lookBackDays: number): number[] {
  const days = Array.from({ length: lookBackDays }, (_, i) => day - (i + 1) * MICROS_PER_DAY);
  return days.filter((each) => isWeekend(each) === isWeekend(day));
}

/**
 * How far from an hour of `day` the same hour of an earlier day may be, in UTC: the hour itself, and of those who keep
 * summer time the next one where that has begun since, or the one before where it has ended. Both must have had events.
 */
function sameHours(earlier: number, day: number): number[] {
  const years = [new Date(earlier / 1_000).getUTCFullYear(), new Date(day / 1_000).getUTCFullYear()];
  const changes = [...new Set(years)].flatMap(changesOfClocks).filter(({ at }) => earlier < at && at <= day);
  return [...new Set([0, ...changes.map(({ shift }) => shift)])];
}

/** The Sundays on which summer time begins and ends in the EU (Directive 2000/84/EC), and in the United States (15 U.S.C. 260a). */
function changesOfClocks(year: number): { at: number; shift: number }[] {
  return [
    { at: sundayFrom(year, 2, 25), shift: 1 },
    { at: sundayFrom(year, 9, 25), shift: -1 },
    { at: sundayFrom(year, 2, 8), shift: 1 },
    { at: sundayFrom(year, 10, 1), shift: -1 },
  ];
}

/** The first Sunday from a day of a month on, the months from 0. */
function sundayFrom(year: number, month: number, day: number): number {
  const from = new Date(Date.UTC(year, month, day));
  return Date.UTC(year, month, day + ((7 - from.getUTCDay()) % 7)) * 1_000;
}

/** 1 January 1970 was a Thursday. */
function isWeekend(day: number): boolean {
  const weekday = (day / MICROS_PER_DAY + 4) % 7;
  return weekday === 0 || weekday === 6;
}

/** Sequences that one statement looks through for corrections. */
const SEQUENCES_AT_ONCE = 50_000n;
const ARCHIVED_ROWS_AT_ONCE = 2_000;

/** The corrections between two sequences of which the time is not in the run's period. */
async function* correctionsOfOtherTimes(
  run: ReportRun,
  sequences: { from: bigint; to: bigint } | undefined,
): AsyncGenerator<CountedRow> {
  if (!sequences) return;
  const of = 'corrections with a counter, of another time';
  run.readRanges?.lookUp({ ledger: run.ledger, asOf: run.asOf, of, period: undefined });
  let from = sequences.from;
  while (from <= sequences.to) {
    const last = lesser(from + SEQUENCES_AT_ONCE - 1n, sequences.to);
    const { rows, archivedTo } = await run.read(async (client, extent) => {
      const { rows: found } = await client.query<CountedRow>({
        text: `SELECT ${COUNTED_COLUMNS} FROM audit_events
                 WHERE ledger = $1 AND corrects IS NOT NULL AND source_sequence IS NOT NULL
                   AND sequence > $2 AND sequence BETWEEN $3 AND $4
                 ORDER BY sequence`,
        values: [run.ledger, String(extent.archivedTo), String(from), String(last)],
      });
      return { rows: found, archivedTo: extent.archivedTo };
    });
    if (from <= archivedTo) {
      for await (const row of archivedCorrections(run, from, lesser(archivedTo, last))) {
        if (!isInPeriod(run, row)) yield row;
      }
    }
    for (const row of rows) if (!isInPeriod(run, row)) yield row;
    from = last + 1n;
  }
}

async function* archivedCorrections(
  { ledger, archive }: ReportRun,
  from: bigint,
  to: bigint,
): AsyncGenerator<CountedRow> {
  for (let fromSequence = from; fromSequence <= to;) {
    const { rows, cut } = await archive.search({
      ledger,
      query: {
        ...{ equal: [], metadata: [], from: undefined, to: undefined, recordedFrom: undefined, recordedTo: undefined },
        ...{ fromSequence, toSequence: to, sort: 'sequence', order: 'asc' },
      },
      ...{ upTo: to, after: undefined, maxRows: ARCHIVED_ROWS_AT_ONCE, maxBytes: STREAM_PAGE_BYTES },
    });
    for (const row of rows) if (row.corrects !== null && row.source_sequence !== null) yield row;
    if (!cut && rows.length < ARCHIVED_ROWS_AT_ONCE) return;
    fromSequence = BigInt(rows.at(-1)!.sequence) + 1n;
  }
}

function isInPeriod({ period: { from, to } }: ReportRun, { timestamp, timestamp_nanos: nanos }: CountedRow): boolean {
  const micros = microsOf(timestamp);
  const isBefore = (end: Instant): boolean => {
    if (end.time === 'infinity') return true;
    const at = parseTimestamp(end.time).micros;
    return micros < at || (micros === at && nanos < end.nanos);
  };
  return !isBefore(from) && isBefore(to);
}

/** How many events a source says it sent on a day. */
interface StatedTotal {
  day: string;
  source: string;
  /** of one session, or of one event type */
  session: string | null;
  type: string | null;
  /** as it says; null where it says nothing */
  stated: string | null;
  /** of the event that says so */
  sequence: string;
  told: CorrectionCells;
  /** corrections of such events that were recorded after it */
  laterCorrections: number;
}

/** What sources say they sent on the days. */
async function statedTotals(run: ReportRun, days: Days): Promise<StatedTotal[]> {
  const wanted = new Set([...eachDay(days)].map(dayOf));
  const found: StatedTotal[] = [];
  const scan = { by: { column: 'event_type', value: SOURCE_TOTAL }, keep: { entityType: SOURCE_TOTAL } } as const;
  for await (const page of scanPeriod<StoredRow>(run, scan, STORED_COLUMNS)) {
    const corrections = await readCorrections(run, page);
    const totals = page.filter((row) => row.action !== 'void' && holds(row, corrections));
    const versionsOf = (row: StoredRow) => lastVersions(corrections.versions(row));
    for await (const [row, told] of withCorrections(run, totals, versionsOf)) {
      const { new_state: state, source: sender } = contentOf(row);
      const day = cellOf(state.day);
      if (day === null || !wanted.has(day)) continue;
      found.push({
        ...{ day, source: cellOf(state.source) ?? sender ?? '' },
        ...{ session: cellOf(state.source_session), type: cellOf(state.event_type) },
        ...{ stated: cellOf(state.events), sequence: row.sequence, told, laterCorrections: 0 },
      });
    }
  }
  return found;
}

/** What a source says it sent, beside what was recorded. */
function totalRow(total: StatedTotal, traffic: Traffic): CompletenessRow {
  const { day, source, session, type, stated } = total;
  const all = recordedEvents(traffic.sources.get(source)?.days.get(day), session, type);
  const recorded = String(Math.max(0, all - total.laterCorrections));
  const isReadable = stated !== null && /^(?:0|[1-9][0-9]{0,17})$/.test(stated);
  return rowOf('total', day, {
    source,
    source_session: session ?? '',
    count: recorded,
    expected: `${isReadable ? stated : 'a total that can be read'}${type === null ? '' : ` of ${type}`}`,
    found: isReadable ? recorded : (stated ?? 'no new_state.events'),
    before_sequence: total.sequence,
    ...total.told,
  });
}

function recordedEvents(day: SourceDay | undefined, session: string | null, type: string | null): number {
  if (!day) return 0;
  if (session !== null && type !== null) return day.bySessionAndType.get(`${session}\n${type}`) ?? 0;
  if (session !== null) return day.bySession.get(session) ?? 0;
  return type === null ? day.events : (day.byType.get(type) ?? 0);
}

/** One for each source and day of which there is anything to say. */
function* verdicts(
  rows: readonly CompletenessRow[],
  days: Days,
  traffic: Traffic,
  knownTo: number,
): Generator<CompletenessRow> {
  const told = new Map<string, CompletenessRow[]>();
  for (const row of rows) entry(told, `${row.day}\n${row.source ?? ''}`, (): CompletenessRow[] => []).push(row);
  const sources = new Set([...traffic.sources.keys(), ...rows.map(({ source }) => source ?? '')]);
  for (const source of sources) {
    for (const at of eachDay(days)) {
      const day = dayOf(at);
      const own = told.get(`${day}\n${source}`) ?? [];
      const counted = traffic.sources.get(source)?.days.get(day);
      if (!counted && own.length === 0) continue;
      const { verdict, why } = verdictOf(own, counted, at + MICROS_PER_DAY <= knownTo);
      yield rowOf('day', day, { source, count: String(counted?.events ?? 0), found: why, verdict });
    }
  }
}

function verdictOf(
  rows: readonly CompletenessRow[],
  day: SourceDay | undefined,
  isOver: boolean,
): { verdict: string; why: string } {
  const totals = rows.filter(({ kind }) => kind === 'total');
  const tooMany = totals.filter(({ expected, count: recorded }) => statedEvents(expected) > BigInt(recorded!));
  const differing = totals.filter(({ expected, count: recorded }) => statedEvents(expected) !== BigInt(recorded!));
  const of = (kind: CompletenessRow['kind']): number => rows.filter((row) => row.kind === kind).length;
  const missing = [
    ...(of('gap') > 0 ? [`gaps: ${of('gap')}`] : []),
    ...(tooMany.length > 0 ? ['less recorded than the source says it sent'] : []),
  ];
  if (missing.length > 0) return { verdict: 'incomplete', why: missing.join('; ') };
  const doubts = [
    ...(of('repeat') > 0 ? [`repeats: ${of('repeat')}`] : []),
    ...(of('silence') > 0 ? [`silences: ${of('silence')}`] : []),
    ...(of('late-start') > 0 ? ['a session that begins late'] : []),
    ...(of('not-followed') > 0 ? ['counters that could not be followed'] : []),
    ...(differing.length > 0 ? ['another total than the source says'] : []),
  ];
  const isTotalled = totals.some(
    ({ source_session: session, expected }) => session === null && /^[0-9]+$/.test(expected!),
  );
  if (!isTotalled && !isOver) doubts.push('the day was not over when the last event was recorded');
  if (doubts.length === 0 && !isTotalled && (day?.uncounted ?? 0) > 0)
    doubts.push('events without a counter, and no total');
  if (doubts.length > 0) return { verdict: 'undecided', why: doubts.join('; ') };
  return { verdict: 'complete', why: isTotalled ? 'the total agrees' : 'counters without a gap' };
}

/** -1 for a total that cannot be read. */
function statedEvents(expected: string | null): bigint {
  const digits = /^[0-9]+/.exec(expected ?? '')?.[0];
  return digits === undefined ? -1n : BigInt(digits);
}

function counterRange(from: bigint, to: bigint): Pick<CompletenessRow, 'from' | 'to' | 'count'> {
  return { from: String(from), to: String(to), count: String(to - from + 1n) };
}

function rowOf(
  kind: CompletenessRow['kind'],
  day: string,
  { source, source_session: session, ...rest }: Partial<CompletenessRow>,
): CompletenessRow {
  return {
    day,
    source: source || null,
    source_session: session || null,
    kind,
    ...{ from: null, to: null, count: null, expected: null, found: null },
    ...{ after_sequence: null, before_sequence: null, verdict: null },
    ...NO_CORRECTION_CELLS,
    ...rest,
  };
}

/** By day, source, kind, session, range and position: no two are alike in all. */
function compareRows(a: CompletenessRow, b: CompletenessRow): number {
  return (
    compareTexts(a.day, b.day) ||
    compareTexts(a.source ?? '', b.source ?? '') ||
    KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind) ||
    compareTexts(a.source_session ?? '', b.source_session ?? '') ||
    compareCounters(a.from, b.from) ||
    Number(BigInt(a.before_sequence ?? 0) - BigInt(b.before_sequence ?? 0))
  );
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Counters by their value, times as texts. */
function compareCounters(a: string | null, b: string | null): number {
  return (a?.length ?? 0) - (b?.length ?? 0) || compareTexts(a ?? '', b ?? '');
}

function newSource(): SourceTraffic {
  return {
    days: new Map(),
    hours: new Map(),
    sessions: new Map(),
    corrections: new Map(),
    notFollowed: new Map(),
    last: 0n,
  };
}

function newDay(): SourceDay {
  return { events: 0, uncounted: 0, bySession: new Map(), byType: new Map(), bySessionAndType: new Map() };
}

function entry<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const value = map.get(key) ?? make();
  map.set(key, value);
  return value;
}

function count<Key>(map: Map<Key, number>, key: Key): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}
