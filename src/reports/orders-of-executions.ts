import { createHash } from 'node:crypto';
import { memberTexts } from '../events/event-search.js';
import { lesser } from '../events/sequences.js';
import { contentOf, microsOf, type StoredRow } from '../integrity/stored-event.js';
import { parseTimestamp } from '../integrity/timestamp.js';
import { cellOf } from './cell.js';
import { eventsAt } from './events-at.js';
import { recordedAt } from './recorded-at.js';
import type { ReportRun } from './report.js';
import { tradeTimeOf } from './trade-time.js';
import { ORDER, ORDER_LIFECYCLE } from './whole-lives.js';

/** What tells executions of several orders apart. */
export interface SharedExecution {
  /** of the system that gave the id; the empty text where none is named */
  source: string;
  executionId: string;
  /** on which it was executed, UTC, in the caller's form */
  day: string;
  side: string | undefined;
  /** its ISIN, or its symbol */
  instrument: string | undefined;
  venue: string | undefined;
}

/**
 * The same for two executions that may be one: of one source, venue, instrument, side and day, since each of these may give
 * an id again; a firm's orders that met each other have one id, and two sides. Undefined where that is not known.
 */
export function sharedExecutionKey(of: SharedExecution): string | undefined {
  const { source, executionId, day, side, instrument, venue } = of;
  if (side === undefined || instrument === undefined) return undefined;
  const parts = [source, executionId, day, side, instrument, venue ?? null];
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, 22);
}

/** Executions that are looked up by one statement: each costs a search in the index of `metadata` of a month or two. */
const LOOKED_UP_AT_ONCE = 500;
/** Archived events that are looked at at once. */
const ARCHIVED_ROWS = 2_000;
const ARCHIVED_BYTES = 4_000_000;
/** Archived days of which it is remembered which ids several orders have. */
const REMEMBERED_DAYS = 40;
const DAY_MS = 86_400_000;
const DAY_MICROS = 1_000 * DAY_MS;

/** An id that an event gives an execution. */
type Told = Pick<SharedExecution, 'source' | 'executionId' | 'day'>;

/**
 * Which orders tell of executions of one id, source and day: of what was handed to `lookUp` together, so that it is asked
 * for by hundreds and not one by one. Holds what it was asked for last, and the ids of one archived day.
 */
export class OrdersOfExecutions {
  private readonly known = new Map<string, readonly string[]>();
  private readonly archivedDays = new Map<string, ReadonlyMap<string, ReadonlySet<string>>>();
  /** of the day whose archived events were read last, the first order of every id: far more than several orders have */
  private lastDay: { day: string; firsts: ReadonlyMap<string, string> } | undefined;
  /** up to where these were read */
  private archivedUpTo = 0n;

  constructor(private readonly run: ReportRun) {}

  /** Nothing is remembered of what was looked up before. */
  forget(): void {
    this.known.clear();
  }

  /** For all executions that some events tell of, if that was not done yet. Throws DamagedRowError. */
  async lookUp(rows: Iterable<StoredRow>): Promise<void> {
    const wanted = new Map<string, { told: Told; row: StoredRow }>();
    for (const row of rows) {
      const told = toldBy(row);
      const key = told && keyOf(told);
      if (told && key !== undefined && !this.known.has(key) && !wanted.has(key)) wanted.set(key, { told, row });
    }
    const all = [...wanted.values()];
    for (let at = 0; at < all.length; at += LOOKED_UP_AT_ONCE) await this.look(all.slice(at, at + LOOKED_UP_AT_ONCE));
  }

  /** The orders, the own one among them, that may tell of it, sorted by name; none where it is one alone. */
  ordersOf(told: Told): readonly string[] {
    return this.known.get(keyOf(told)) ?? [];
  }

  /** The orders, their own ones among them, that may tell of what some events tell of, of those that were looked up. */
  ordersOfAll(rows: Iterable<StoredRow>): ReadonlySet<string> {
    const all = new Set<string>();
    for (const row of rows) {
      const told = toldBy(row);
      for (const orderId of told ? this.ordersOf(told) : []) all.add(orderId);
    }
    return all;
  }

  private async look(wanted: readonly { told: Told; row: StoredRow }[]): Promise<void> {
    const { run } = this;
    const { ledger, asOf } = run;
    run.readRanges?.lookUp({ ledger, asOf, of: 'orders that state metadata.execution_id', period: undefined });
    const days = wanted.map(({ told: { day } }) => day).sort();
    const asked = wanted.flatMap(({ told }, i) =>
      memberTexts('execution_id', told.executionId).map((text) => [i, text] as const),
    );
    const { rows, archivedTo } = await run.read(async (client, extent) => {
      // by the index of `metadata`: what is stated is much rarer than what has the type, or the day
      await client.query('SET LOCAL enable_seqscan = off');
      const found = await client.query<{ wanted: number; entity_id: string }>({
        text: `SELECT wanted.i AS wanted, telling.entity_id
                 FROM unnest($2::int[], $3::jsonb[], $4::text[], $5::text[], $6::text[], $10::timestamptz[])
                        AS wanted (i, stated, source, day, days, since)
                 CROSS JOIN LATERAL (
                   SELECT DISTINCT stating.entity_id FROM (
                     SELECT * FROM audit_events WHERE metadata @> wanted.stated AND recorded_at >= $7 OFFSET 0
                   ) AS stating
                   WHERE stating.ledger = $1 AND stating.sequence > $8 AND stating.sequence <= $9
                     AND stating.recorded_at >= wanted.since
                     AND stating.entity_type = '${ORDER}' AND stating.event_type = '${ORDER_LIFECYCLE}'
                     AND coalesce(stating.source, '') = wanted.source
                     AND (to_char(stating."timestamp" AT TIME ZONE 'UTC', 'YYYY-MM-DD') = wanted.day
                       OR strpos(wanted.days, left(stating.metadata->>'execution_time', 10)) > 0)
                 ) AS telling`,
        values: [
          ledger,
          asked.map(([i]) => i),
          asked.map(([, stated]) => stated),
          asked.map(([i]) => wanted[i]!.told.source),
          asked.map(([i]) => wanted[i]!.told.day),
          // a time may be stated with an offset
          asked.map(([i]) => [-1, 0, 1].map((days) => dayAfter(wanted[i]!.told.day, days)).join(' ')),
          recordedSince(days[0]!),
          String(extent.archivedTo),
          String(asOf),
          asked.map(([i]) => recordedSince(wanted[i]!.told.day)),
        ],
      });
      return { rows: found.rows, archivedTo: extent.archivedTo };
    });
    const found = wanted.map(() => new Set<string>());
    for (const { wanted: i, entity_id: orderId } of rows) found[i]!.add(orderId);
    const upTo = lesser(archivedTo, asOf);
    if (upTo !== this.archivedUpTo) {
      // a month has left meanwhile
      this.archivedDays.clear();
      this.lastDay = undefined;
      this.archivedUpTo = upTo;
    }
    // a day after the other: of one alone all ids are at hand
    const inDays = [...wanted.entries()].sort(([, a], [, b]) =>
      a.told.day < b.told.day ? -1 : Number(a.told.day > b.told.day),
    );
    for (const [i, { told, row }] of inDays) {
      const orders = found[i]!;
      if (upTo > 0n && mayBeArchived(told, row, upTo)) {
        for (const orderId of await this.archivedOrders(told, upTo, orders.size > 0)) orders.add(orderId);
      }
      this.known.set(keyOf(told), orders.size > 1 ? [...orders].sort() : []);
    }
  }

  /** The orders that tell of it in the archive; of a single one only where there are others outside of it. */
  private async archivedOrders(told: Told, upTo: bigint, areOthers: boolean): Promise<Iterable<string>> {
    const shared = (await this.archivedOn(told.day, upTo)).get(keyOf(told));
    if (shared || !areOthers) return shared ?? [];
    if (this.lastDay?.day !== told.day) await this.readArchived(told.day, upTo);
    const first = this.lastDay!.firsts.get(keyOf(told));
    return first === undefined ? [] : [first];
  }

  /** What several orders tell of that was executed on a day, as the archive has it. */
  private async archivedOn(day: string, upTo: bigint): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
    const known = this.archivedDays.get(day);
    if (known) return known;
    const shared = await this.readArchived(day, upTo);
    this.archivedDays.set(day, shared);
    if (this.archivedDays.size > REMEMBERED_DAYS) this.archivedDays.delete(this.archivedDays.keys().next().value!);
    return shared;
  }

  /** The same, read. Remembers what each order tells of, too, until another day is read. */
  private async readArchived(day: string, upTo: bigint): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
    this.lastDay = undefined;
    const firsts = new Map<string, string>();
    const shared = new Map<string, Set<string>>();
    for await (const row of this.archivedRows(day, upTo)) {
      const told = toldBy(row);
      if (told?.day !== day) continue;
      const [key, orderId] = [keyOf(told), row.entity_id];
      const first = firsts.get(key) ?? orderId;
      firsts.set(key, first);
      if (first !== orderId) shared.set(key, (shared.get(key) ?? new Set([first])).add(orderId));
    }
    this.lastDay = { day, firsts };
    return shared;
  }

  /** Archived events that may tell of what was executed on a day, others among them. */
  private async *archivedRows(day: string, upTo: bigint): AsyncGenerator<StoredRow> {
    const since = 1_000 * Date.parse(recordedSince(day));
    for await (const row of this.toldInTime(day, upTo)) if (microsOf(row.recorded_at) >= since) yield row;
    for await (const row of eventsAt(this.run, await this.toldLate(day, upTo))) {
      if (row && microsOf(row.recorded_at) >= since) yield row;
    }
  }

  /** Those with an event time on the day, or on the next one: what is copied at the end of a day. */
  private async *toldInTime(day: string, upTo: bigint): AsyncGenerator<StoredRow> {
    const { micros } = parseTimestamp(`${day}T00:00:00Z`);
    for (let fromSequence = 1n; fromSequence <= upTo;) {
      const { rows, cut } = await this.run.archive.search({
        ledger: this.run.ledger,
        query: {
          equal: [
            ['entity_type', ORDER],
            ['event_type', ORDER_LIFECYCLE],
          ],
          metadata: [],
          from: { micros, nanos: 0 },
          to: { micros: micros + 2 * DAY_MICROS, nanos: 0 },
          ...{ recordedFrom: undefined, recordedTo: undefined, fromSequence, toSequence: upTo },
          ...{ sort: 'sequence', order: 'asc' },
        },
        ...{ upTo, after: undefined, maxRows: ARCHIVED_ROWS, maxBytes: ARCHIVED_BYTES },
      });
      yield* rows;
      if (!cut && rows.length < ARCHIVED_ROWS) return;
      fromSequence = BigInt(rows.at(-1)!.sequence) + 1n;
    }
  }

  /** Where those are that were told on other days, later for the most part: sequences, as the list of late executions has them. */
  private async toldLate(day: string, upTo: bigint): Promise<readonly string[]> {
    const { ledger } = this.run;
    return this.run.read(async (client) => {
      const { rows } = await client.query<{ sequence: string }>({
        // listed by the day as it was stated, in whatever time zone that was
        text: `SELECT DISTINCT sequence FROM late_executions
                 WHERE ledger = $1 AND day = ANY ($2::text[]) AND sequence <= $3 ORDER BY sequence`,
        values: [ledger, [-1, 0, 1].map((days) => dayAfter(day, days)), String(upTo)],
      });
      return rows.map(({ sequence }) => sequence);
    });
  }
}

/** Whether what tells of the same as an event may be archived: with its month, or with one that ended since the execution. */
function mayBeArchived({ day }: Told, row: StoredRow, upTo: bigint): boolean {
  return BigInt(row.sequence) <= upTo || recordedAt(row).slice(0, 7) > recordedSince(day).slice(0, 7);
}

/** From when on what is told of a day is looked for: nothing is recorded before it happened, but for what clocks are apart. */
function recordedSince(day: string): string {
  return `${dayAfter(day, -1)}T00:00:00Z`;
}

/** What an event calls an execution; undefined where it names none. Throws DamagedRowError. */
function toldBy(row: StoredRow): Told | undefined {
  if (row.event_type !== ORDER_LIFECYCLE || !row.metadata.includes('"execution_id"')) return undefined;
  const content = contentOf(row);
  const executionId = cellOf(content.metadata.execution_id);
  if (executionId === null) return undefined;
  return { source: content.source ?? '', executionId, day: tradeTimeOf(content).time.slice(0, 10) };
}

function keyOf({ source, executionId, day }: Told): string {
  return `${day} ${JSON.stringify([source, executionId])}`;
}

/** Of any day that a time may be on, the days before the first and after the last of them too. */
function dayAfter(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * DAY_MS).toISOString().slice(0, 10);
}
