import type { SentEvent } from './made-day.js';
import { isCopy, stateAt } from './plain-life.js';
import { difference, sortedJson } from './plain-reconstruction.js';

/** An event with its place; all of a ledger fit into an array here. */
export interface PlacedEvent extends SentEvent {
  sequence: number;
  recorded_at: string;
}

type Row = Record<string, string | null>;

/** Nanoseconds since the beginning of 1970. */
export function nanosOf(timestamp: string): bigint {
  const [, day, time, fraction = '', zone] = /^(.{10})T(.{8})(?:\.(\d+))?(Z|[+-].{5})$/.exec(timestamp)!;
  const seconds = BigInt(Date.parse(`${day}T${time}${zone}`) / 1000);
  return seconds * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'));
}

export function utc(timestamp: string): string {
  const fraction = /\.\d+/.exec(timestamp)?.[0] ?? '';
  const seconds = Number(nanosOf(timestamp) / 1_000_000_000n);
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}${fraction}Z`;
}

/** As FORMAT.md words it, without regard to speed. */
export class Rulings {
  private readonly ids: ReadonlyMap<string, PlacedEvent>;
  private readonly corrections = new Map<PlacedEvent, PlacedEvent[]>();
  private later: Map<PlacedEvent, PlacedEvent[]> | undefined;

  constructor(private readonly events: readonly PlacedEvent[]) {
    this.ids = new Map(events.map((event) => [event.event_id, event]));
    for (const event of events) {
      const target = this.target(event);
      if (target) this.corrections.set(target, [...(this.corrections.get(target) ?? []), event]);
    }
  }

  /** Along all corrections of corrections. */
  private first(event: PlacedEvent): PlacedEvent {
    const target = this.target(event);
    return target ? this.first(target) : event;
  }

  byId(id: string | undefined): PlacedEvent | undefined {
    return id === undefined ? undefined : this.ids.get(id);
  }

  isInCycle(event: PlacedEvent): boolean {
    const seen = new Set<PlacedEvent>();
    for (let at = this.byId(event.corrects); at && !seen.has(at); at = this.byId(at.corrects)) seen.add(at);
    return seen.has(event);
  }

  /** The event that this one corrects; none when it is unknown, later, of another entity or in a cycle. */
  target(event: PlacedEvent): PlacedEvent | undefined {
    const target = this.byId(event.corrects);
    if (!target || target.sequence >= event.sequence || this.isInCycle(target)) return undefined;
    return target.entity_type === event.entity_type && target.entity_id === event.entity_id ? target : undefined;
  }

  /** Itself, or what holds in its place. */
  final(event: PlacedEvent): PlacedEvent {
    const last = this.corrections.get(event)?.at(-1);
    return last ? this.final(last) : event;
  }

  /** What held in turn of what an event tells of: itself or what it corrects in the end, then each correction. */
  history(event: PlacedEvent): PlacedEvent[] {
    const original = this.first(event);
    if (!this.corrections.has(original)) return [original];
    if (!this.later) {
      this.later = new Map();
      for (const each of this.events) {
        const first = this.first(each);
        if (first !== each) this.later.set(first, [...(this.later.get(first) ?? []), each]);
      }
    }
    const later = this.later.get(original)!;
    const history = [original];
    for (let known = 1; known <= later.length; known++) {
      const corrections = later.slice(0, known);
      let held = original;
      for (let next: PlacedEvent | undefined = held; next;) {
        held = next;
        next = corrections.filter((each) => this.target(each) === held).at(-1);
      }
      if (held !== history.at(-1)) history.push(held);
    }
    return history;
  }

  /** What happened: each event that corrects nothing, with what holds in its place. */
  facts(): { original: PlacedEvent; final: PlacedEvent }[] {
    return this.events
      .filter((event) => !this.target(event))
      .map((original) => ({ original, final: this.final(original) }));
  }
}

export function text(value: unknown): string | null {
  if (value === undefined || value === null || value === '') return null;
  if (typeof value === 'string') return value;
  if (typeof value === 'object') {
    const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${JSON.stringify(member)}`).join()}}`;
  }
  return JSON.stringify(value);
}

/** The cells that tell of corrections, of up to twenty short ones. */
export function correctionCells(rulings: Rulings, event: PlacedEvent): Row {
  const history = rulings.history(event);
  if (history.length === 1) return { correction_user_id: null, correction_reason: null, corrections: null };
  const corrections = history.slice(1).map((correction, i) => ({
    event_id: correction.event_id,
    sequence: String(correction.sequence),
    after_event_id: history[i]!.event_id,
    after_sequence: String(history[i]!.sequence),
    user_id: correction.user_id,
    recorded_at: correction.recorded_at,
    reason: text(correction.metadata.reason),
    changes: JSON.parse(difference(history[i]!, correction)) as unknown,
  }));
  const last = history.at(-1)!;
  return {
    correction_user_id: last.user_id,
    correction_reason: text(last.metadata.reason),
    corrections: sortedJson(corrections),
  };
}

export function inPeriod<T>(all: readonly T[], eventOf: (item: T) => PlacedEvent, from: string, to: string): T[] {
  const time = (item: T): bigint => nanosOf(eventOf(item).timestamp);
  return all
    .filter((item) => time(item) >= nanosOf(from) && time(item) < nanosOf(to))
    .sort((a, b) => {
      if (time(a) !== time(b)) return time(a) < time(b) ? -1 : 1;
      return eventOf(a).sequence - eventOf(b).sequence;
    });
}

/** Columns of a trail beside which nobody keeps reference data. */
const NO_REFERENCE_DATA = (...names: string[]): Row => Object.fromEntries(names.map((name) => [name, null]));

/** The rows of mifid2-trades; `events` are all up to as_of, in sequence. */
export function expectedTrades(events: readonly PlacedEvent[], from: string, to: string): Row[] {
  const rulings = new Rulings(events);
  const facts = rulings.facts();
  const trades = facts.filter(
    ({ final }) =>
      final.event_type === 'order_lifecycle' &&
      final.entity_type === 'order' &&
      (final.action === 'fill' || final.action === 'partial_fill') &&
      !isCopy(final),
  );
  return inPeriod(trades, ({ final }) => final, from, to).map(({ original, final }) => {
    const lookedUp: string[] = [];
    const state = stateAt(facts, { original, final });
    const find = (part: 'new_state' | 'metadata', name: string, isUsed = true): string | null => {
      const own = text(final[part][name]);
      if (own !== null) return own;
      const said = state.get(name);
      if (!said || !isUsed) return null;
      lookedUp.push(`${name}@${said.sequence}`);
      return said.text;
    };
    const hasClient = text(final.metadata.client_id) !== null;
    const type =
      text(final.metadata.client_id_type) ?? (hasClient ? null : (state.get('client_id_type')?.text ?? null));
    const isOfNobody = ['none', 'aggregated', 'pending_allocation'].includes(type ?? '');
    const executionTime = text(final.metadata.execution_time);
    const isReadable = executionTime !== null && /^\d{4}-\d\d-\d\dT/.test(executionTime);
    return {
      venue: find('new_state', 'exchange'),
      instrument: find('new_state', 'symbol'),
      isin: find('new_state', 'isin'),
      side: find('new_state', 'side'),
      quantity: text(final.new_state.quantity),
      price: text(final.new_state.price),
      trade_time: utc(isReadable ? executionTime : final.timestamp),
      trade_time_from: isReadable
        ? 'execution_time'
        : executionTime === null
          ? 'timestamp'
          : 'timestamp-as-execution_time-is-unreadable',
      client: isOfNobody ? (find('metadata', 'client_id_type'), null) : find('metadata', 'client_id'),
      investment_decision_maker: find('metadata', 'investment_decision_maker'),
      execution_decision_maker: find('metadata', 'execution_decision_maker'),
      order_id: final.entity_id,
      action: final.action,
      remaining_quantity: text(final.new_state.remaining_quantity),
      timestamp: utc(final.timestamp),
      event_id: final.event_id,
      sequence: String(final.sequence),
      recorded_at: final.recorded_at,
      corrects: original === final ? (final.corrects ?? null) : original.event_id,
      corrects_sequence: original === final ? null : String(original.sequence),
      ...correctionCells(rulings, original),
      looked_up: lookedUp.join(' ') || null,
      ...NO_REFERENCE_DATA(
        ...['venue_name', 'client_name', 'client_lei', 'investment_decision_maker_name'],
        ...['execution_decision_maker_name', 'unknown_in_reference_data'],
      ),
    };
  });
}

/** The rows of user-activity. */
export function expectedActivity(events: readonly PlacedEvent[], userId: string, from: string, to: string): Row[] {
  const rulings = new Rulings(events);
  const own = events.filter((event) => event.user_id === userId);
  return inPeriod(own, (event) => event, from, to).map((event) => {
    const final = rulings.final(event);
    return {
      timestamp: utc(event.timestamp),
      recorded_at: event.recorded_at,
      sequence: String(event.sequence),
      event_id: event.event_id,
      event_type: event.event_type,
      entity_type: event.entity_type,
      entity_id: event.entity_id,
      action: event.action,
      symbol: text(event.new_state.symbol),
      side: text(event.new_state.side),
      quantity: text(event.new_state.quantity),
      price: text(event.new_state.price),
      exchange: text(event.new_state.exchange),
      reason: text(event.metadata.reason),
      corrects: event.corrects ?? null,
      corrected_by: final === event ? null : final.event_id,
      ...correctionCells(rulings, event),
      ...NO_REFERENCE_DATA('user_name', 'unknown_in_reference_data'),
    };
  });
}

/** The bytes of a JSON answer. */
export function expectedJson(report: string, parameters: object, asOf: number, rows: readonly Row[]): string {
  const head = JSON.stringify({ report, ledger: 'main', parameters, as_of: String(asOf) }).slice(0, -1);
  const lines = rows.map((row) => JSON.stringify(row)).join(',\n');
  return `${head},"rows":[${lines && `\n${lines}\n`}],"rows_total":"${rows.length}"}\n`;
}

/** A text of CSV as its cells, by the grammar of RFC 4180 and nothing more lenient. */
export function readCsv(text: string): string[][] {
  const records: string[][] = [];
  let at = 0;
  while (at < text.length) {
    const record: string[] = [];
    for (;;) {
      const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/y;
      field.lastIndex = at;
      const match = field.exec(text);
      if (!match) throw new Error(`no field of RFC 4180 at ${at}: ${text.slice(at, at + 40)}`);
      at = field.lastIndex;
      record.push(match[1]?.replaceAll('""', '"') ?? match[2]!);
      if (match[3] === '\r\n') break;
    }
    records.push(record);
  }
  return records;
}
