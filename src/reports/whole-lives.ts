import { queryBounded, type Statement } from '../database/bounded-query.js';
import { idsOnCircles } from '../events/corrections.js';
import { STREAM_PAGE_BYTES } from '../events/event-search.js';
import { lesser } from '../events/sequences.js';
import { STORED_COLUMNS } from '../events/stored-events.js';
import { microsOf, type StoredRow } from '../integrity/stored-event.js';
import { parseTimestamp } from '../integrity/timestamp.js';
import { holds, readCorrections, type Corrections } from './corrections-of.js';
import type { EventPlace } from './event-place.js';
import { scanPeriod } from './event-scan.js';
import { grouped } from './grouped.js';
import type { VainCorrection } from './lifecycle-steps.js';
import { ordersThatMayBeOpen } from './orders-over.js';
import { readAhead } from './read-ahead.js';
import type { ReportRun } from './report.js';
import { outdatedCorrections, versionsOf } from './versions.js';

export const ORDER = 'order';
export const ORDER_LIFECYCLE = 'order_lifecycle';

/** Orders whose lives are read by one statement, and of each as many events as most orders have. */
const ORDERS_AT_ONCE = 200;
const FIRST_READ_ROWS = 16;
/** Of an order with more. */
const FURTHER_READ_ROWS = 1_000;
/** Orders that are remembered to have been looked at: 5 MB. Of one that was forgotten its life tells. */
const REMEMBERED_ORDERS = 50_000;

/** A part of an order's life: one event as it was recorded, and what came of it. */
export type LifeEvent =
  /**
   * an event that corrects nothing; `stated` is what holds in its place, itself or a correction; `versions` are the
   * contents that held, one after the other, from the event itself to `stated`; `outdated` are corrections that never
   * held, by sequence: of one that another had taken the place of
   */
  | {
      kind: 'event';
      row: StoredRow;
      stated: StoredRow;
      versions: readonly StoredRow[];
      outdated?: readonly StoredRow[];
    }
  /** a correction, told of where its original is; `holds` unless it was corrected itself or another came after it */
  | { kind: 'correction'; row: StoredRow; correctedBy: string | null; holds: boolean }
  /** a correction that corrects nothing, and stands for itself; `stated` and `versions` as of an event */
  | { kind: 'vain'; row: StoredRow; stated: StoredRow; versions: readonly StoredRow[]; vain: VainCorrection };

/** All that is recorded of an order up to a run's `asOf`, however much that is. */
export interface OrderLife {
  orderId: string;
  /** ids of the events that its corrections name, rightly or not */
  targets: ReadonlySet<string>;
  /** by sequence, events of other event types among them */
  events: () => AsyncGenerator<LifeEvent>;
  /** what was read of it and of others at once, the same of all of these: most lives are in it as a whole */
  readWith?: readonly StoredRow[];
}

/** An event as far as a scan for orders looks at it. */
type FirstEvent = Pick<
  StoredRow,
  'sequence' | 'timestamp' | 'timestamp_nanos' | 'entity_type' | 'entity_id' | 'action'
>;
const OF_FIRST_EVENTS = 'sequence, "timestamp", timestamp_nanos, entity_type, entity_id, action';

/**
 * Every order that has an event in the run's period, once, with its whole life: by the time of its first event in the
 * period, then that event's sequence. Its events are those of event type order_lifecycle. `open`: those alone that may be
 * open at the period's end, as far as a look at their last events tells; how many events these have is not counted then.
 * Holds a page of events of some orders, or of one order; of an order with corrections all of these. Throws DamagedRowError.
 */
export async function* ordersInPeriod(run: ReportRun, wanted: 'all' | 'open' = 'all'): AsyncGenerator<OrderLife> {
  const scan = { by: { column: 'event_type', value: ORDER_LIFECYCLE }, keep: { entityType: ORDER } } as const;
  const remembered = new Remembered(REMEMBERED_ORDERS);
  for await (const page of scanPeriod<FirstEvent>(run, scan, OF_FIRST_EVENTS)) {
    const firsts = page.filter((row) => remembered.isNew(row.entity_id));
    yield* livesBegunBy(run, wanted === 'open' ? await ordersThatMayBeOpen(run, firsts) : firsts, wanted);
  }
}

/** One order's life; undefined when nothing is recorded of it. */
export async function lifeOfOrder(run: ReportRun, orderId: string): Promise<OrderLife | undefined> {
  const [start] = (await readLives(run, [{ orderId, after: 0n }], FURTHER_READ_ROWS)).lives;
  return start!.rows.length === 0 ? undefined : orderLife(run, orderId, start!, 'all');
}

/**
 * The lives of some orders, each once, in their order; of those of which nothing is recorded none. They are read by sets,
 * and not order by order: what is read at once is a page at most. Throws DamagedRowError.
 */
export async function* livesOfOrders(run: ReportRun, orderIds: readonly string[]): AsyncGenerator<OrderLife> {
  for await (const { orderId, start, corrections } of startsInTurn(run, orderIds)) {
    if (start.rows.length > 0) yield await orderLife(run, orderId, start, 'all', corrections);
  }
}

/** The lives of those orders of which the event is really the first in the period. */
async function* livesBegunBy(
  run: ReportRun,
  firsts: readonly FirstEvent[],
  wanted: 'all' | 'open',
): AsyncGenerator<OrderLife> {
  const orderIds = firsts.map(({ entity_id: orderId }) => orderId);
  for await (const { at, orderId, start, corrections, readWith } of startsInTurn(run, orderIds)) {
    if (!(await isFirstInPeriod(run, firsts[at]!, start))) continue;
    yield { ...(await orderLife(run, orderId, start, wanted, corrections)), readWith };
  }
}

/** The beginning of the life of one of several orders. */
interface StartInTurn {
  /** which of them it is, from 0 */
  at: number;
  orderId: string;
  start: LifeStart;
  /** its own and others', where they were read with it */
  corrections: Corrections | undefined;
  /** as OrderLife has it */
  readWith: readonly StoredRow[];
}

/** The beginnings of the lives of some orders, in their order, read by sets. */
async function* startsInTurn(run: ReportRun, orderIds: readonly string[]): AsyncGenerator<StartInTurn> {
  for await (const { from, orders, lives } of readAhead(setsOfStarts(run, orderIds))) {
    const corrected = orders.filter((_, i) => !lives[i]!.isUnfinished && lives[i]!.rows.some(isCorrection));
    const places = corrected.map((orderId) => ({ entity_type: ORDER, entity_id: orderId }));
    const known = places.length > 0 ? await readCorrections(run, places) : undefined;
    const readWith = orders.flatMap((_, i) => lives[i]!.rows);
    for (const [i, orderId] of orders.entries()) {
      const { isUnfinished } = lives[i]!;
      const start = isUnfinished ? await further(run, orderId, lives[i]!) : lives[i]!;
      yield { at: from + i, orderId, start, corrections: isUnfinished ? undefined : known, readWith };
    }
  }
}

/** Some of the orders, `from` the first of which on, and how the life of each begins. */
async function* setsOfStarts(
  run: ReportRun,
  orderIds: readonly string[],
): AsyncGenerator<{ from: number; orders: readonly string[]; lives: readonly LifeStart[] }> {
  for (let from = 0; from < orderIds.length;) {
    const asked = orderIds.slice(from, from + ORDERS_AT_ONCE);
    const { lives, whole } = await readLives(
      run,
      asked.map((orderId) => ({ orderId, after: 0n })),
      FIRST_READ_ROWS,
    );
    // what comes after the bytes of a page is read with the next orders, and not order by order
    const orders = asked.slice(0, Math.max(1, whole));
    yield { from, orders, lives };
    from += orders.length;
  }
}

/** A life by one read more: most that are longer than others end there, and need not be read again for each look at them. */
async function further(run: ReportRun, orderId: string, { rows }: LifeStart): Promise<LifeStart> {
  const after = BigInt(rows.at(-1)?.sequence ?? '0');
  const [next] = (await readLives(run, [{ orderId, after }], FURTHER_READ_ROWS)).lives;
  return { rows: [...rows, ...next!.rows], isUnfinished: next!.isUnfinished };
}

/** The beginning of a life, and whether there is more. */
interface LifeStart {
  rows: readonly StoredRow[];
  isUnfinished: boolean;
}

async function orderLife(
  run: ReportRun,
  orderId: string,
  start: LifeStart,
  wanted: 'all' | 'open',
  known?: Corrections,
): Promise<OrderLife> {
  const own = new Map<string, StoredRow>();
  for await (const rows of lifePages(run, orderId, start)) {
    for (const row of rows) if (isCorrection(row)) own.set(row.event_id, row);
  }
  if (own.size === 0) {
    return {
      orderId,
      targets: new Set(),
      async *events() {
        for await (const rows of lifePages(run, orderId, start)) {
          count(run, rows, wanted);
          for (const row of rows) yield { kind: 'event', row, stated: row, versions: [row] };
        }
      },
    };
  }
  const corrections = known ?? (await readCorrections(run, [{ entity_type: ORDER, entity_id: orderId }]));
  const correctionsOf = grouped(own.values(), (row) => corrections.original(row)?.event_id ?? '');
  const vain = await vainCorrections(
    run,
    [...own.values()].filter((row) => !corrections.original(row)),
    own,
  );
  return {
    orderId,
    targets: new Set([...own.values()].map(({ corrects }) => corrects!)),
    async *events() {
      for await (const rows of lifePages(run, orderId, start)) {
        count(run, rows, wanted);
        for (const row of rows) {
          const vainly = vain.get(row.event_id);
          const correctedBy = corrections.inForce(row)?.event_id ?? null;
          const stated = own.get(correctedBy ?? '') ?? row;
          if (isCorrection(row) && !vainly) {
            yield { kind: 'correction', row, correctedBy, holds: holds(row, corrections) };
            continue;
          }
          const all = correctionsOf.get(row.event_id) ?? [];
          const versions = versionsOf(row, all);
          if (vainly) yield { kind: 'vain', row, stated, versions, vain: vainly };
          else yield { kind: 'event', row, stated, versions, outdated: outdatedCorrections(all, versions) };
        }
      }
    },
  };
}

/** Of lives that are gone through twice the events count twice. */
function count({ ledger, asOf, readRanges }: ReportRun, rows: readonly StoredRow[], wanted: 'all' | 'open'): void {
  const asked = { ledger, asOf, of: `whole lives of orders (entity_type ${ORDER})`, period: undefined };
  // how many may be open depends on what is archived, and a manifest does not
  if (wanted === 'open') readRanges?.lookUp(asked);
  else readRanges?.scan(asked).add(rows.map(({ sequence }) => sequence));
}

function isCorrection({ corrects }: StoredRow): boolean {
  return corrects !== null;
}

/** A life from its start on, which is not read again. */
async function* lifePages(
  run: ReportRun,
  orderId: string,
  { rows, isUnfinished }: LifeStart,
): AsyncGenerator<readonly StoredRow[]> {
  let page: LifeStart = { rows, isUnfinished };
  for (;;) {
    if (page.rows.length > 0) yield page.rows;
    if (!page.isUnfinished) return;
    const after = BigInt(page.rows.at(-1)?.sequence ?? '0');
    [page = page] = (await readLives(run, [{ orderId, after }], FURTHER_READ_ROWS)).lives;
  }
}

/** Why each of them corrects nothing. */
async function vainCorrections(
  run: ReportRun,
  rows: readonly StoredRow[],
  own: ReadonlyMap<string, StoredRow>,
): Promise<Map<string, VainCorrection>> {
  if (rows.length === 0) return new Map();
  const circular = idsOnCircles(new Map([...own.values()].map(({ event_id, corrects }) => [event_id, corrects!])));
  const targets = await run.read(async (client) => {
    const { rows: found } = await client.query<EventPlace>({
      text: `SELECT event_id, sequence FROM event_keys
               WHERE ledger = $1 AND event_id = ANY ($2::uuid[]) AND sequence <= $3`,
      values: [run.ledger, rows.map(({ corrects }) => corrects), String(run.asOf)],
    });
    return new Map(found.map((each) => [each.event_id, each]));
  });
  return new Map(
    rows.map(({ event_id, sequence, corrects }) => {
      const target = targets.get(corrects!);
      const why = (): VainCorrection['why'] => {
        if (circular.has(event_id) || circular.has(corrects!)) return 'circle';
        if (!target) return 'unknown';
        return BigInt(target.sequence) > BigInt(sequence) ? 'later' : 'other-entity';
      };
      return [event_id, { correction: { event_id, sequence }, names: corrects!, why: why(), target }];
    }),
  );
}

/** Whether no event of the life lies in the period before this one, in the order in which the period is gone through. */
async function isFirstInPeriod(run: ReportRun, first: FirstEvent, start: LifeStart): Promise<boolean> {
  const key = timeKey(first);
  const from = { ...run.period.from, micros: parseTimestamp(run.period.from.time).micros };
  for await (const rows of lifePages(run, first.entity_id, start)) {
    for (const row of rows) {
      if (row.event_type !== ORDER_LIFECYCLE) continue;
      const at = timeKey(row);
      if (at.micros < from.micros || (at.micros === from.micros && at.nanos < from.nanos)) continue;
      const isEarlier = at.micros - key.micros || at.nanos - key.nanos || Number(at.sequence - key.sequence);
      if (isEarlier < 0) return false;
    }
  }
  return true;
}

function timeKey({ timestamp, timestamp_nanos: nanos, sequence }: FirstEvent) {
  return { micros: microsOf(timestamp), nanos, sequence: BigInt(sequence) };
}

/** The next events of each order's life, `maxRows` at most, and of how many orders from the first on none is left out. */
async function readLives(
  run: ReportRun,
  asks: readonly { orderId: string; after: bigint }[],
  maxRows: number,
): Promise<{ lives: LifeStart[]; whole: number }> {
  const statement = (archivedTo: bigint): Statement => ({
    text: `SELECT wanted.i AS wanted, life.*
             FROM unnest($2::text[], $3::bigint[]) WITH ORDINALITY AS wanted (entity_id, after, i)
             CROSS JOIN LATERAL (
               SELECT ${STORED_COLUMNS} FROM audit_events
                 WHERE ledger = $1 AND entity_type = '${ORDER}' AND entity_id = wanted.entity_id
                   AND sequence > greatest(wanted.after, $4) AND sequence <= $5
                 ORDER BY sequence LIMIT $6
             ) AS life
             ORDER BY wanted.i, life.sequence`,
    values: [
      run.ledger,
      asks.map(({ orderId }) => orderId),
      asks.map(({ after }) => String(after)),
      String(archivedTo),
      String(run.asOf),
      maxRows,
    ],
  });
  const { rows, cut, archivedTo } = await run.read(async (client, extent) => ({
    ...(await queryBounded<StoredRow & { wanted: string }>(
      client,
      statement(extent.archivedTo),
      maxRows * asks.length,
      STREAM_PAGE_BYTES,
    )),
    archivedTo: extent.archivedTo,
  }));
  const upTo = lesser(archivedTo, run.asOf);
  const lives = asks.map(({ orderId: entityId, after }) => ({ entityType: ORDER, entityId, after, upTo }));
  const archived = lives.every(({ after }) => after >= upTo) ? [] : await run.archive.lives(run.ledger, lives, maxRows);
  const onlineOf = grouped(rows, ({ wanted }) => Number(wanted) - 1);
  const cutFrom = cut ? Number(rows.at(-1)!.wanted) - 1 : asks.length;
  const starts = asks.map((_, i) => {
    const before = archived[i] ?? [];
    // what is in the database comes once all that is archived was read
    const life = before.length === maxRows ? before : [...before, ...(onlineOf.get(i) ?? [])];
    return { rows: life, isUnfinished: i >= cutFrom || life.length >= maxRows };
  });
  return { lives: starts, whole: cutFrom };
}

/** Texts that came up lately. */
class Remembered {
  private readonly texts = new Set<string>();

  constructor(private readonly most: number) {}

  /** Whether it did not come up lately; from now on it did. */
  isNew(text: string): boolean {
    const isNew = !this.texts.delete(text);
    this.texts.add(text);
    if (this.texts.size > this.most) for (const oldest of this.texts) return this.texts.delete(oldest) && isNew;
    return isNew;
  }
}
