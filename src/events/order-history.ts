import type pg from 'pg';
import type { ArchivedEvents } from '../archive/archived-events.js';
import {
  deletionSentence,
  readDeletedSpans,
  spansWithin,
  toldOf,
  type DeletedRange,
} from '../archive/deleted-ranges.js';
import { queryBounded, type BoundedRows, type Statement } from '../database/bounded-query.js';
import { Problem } from '../http/problem.js';
import { eventRecordOf, microsOf, type EventRecord, type StoredRow } from '../integrity/stored-event.js';
import { formatMicros, type Timestamp } from '../integrity/timestamp.js';
import { correctionsInForce, type Correctable } from './corrections.js';
import { encodeCursor } from './cursor.js';
import { MAX_PAGE_BYTES, STREAM_PAGE_BYTES, STREAM_PAGE_ROWS } from './event-search.js';
import type { Ledgers } from './ledgers.js';
import { cursorProblem, MAX_HISTORY_LIMIT, MAX_SEQUENCE, type HistoryRequest } from './search-request.js';
import { later, lesser } from './sequences.js';
import { STORED_COLUMNS } from './stored-events.js';

/** An event of an order's life. */
export type OrderEvent = EventRecord & {
  /** its place among all events of the order, from 1, whatever part of them is shown */
  ordinal: number;
  /** event_id of the correction in force, null when there is none; seen from the whole life, not from the page */
  corrected_by: string | null;
};

export interface HistoryPage {
  order_id: string;
  events: OrderEvent[];
  /** null at the end */
  next_cursor: string | null;
  as_of: string;
  /** events up to this sequence were read from the archive, later ones from the database */
  archived_to: string;
  /** what was deleted of the ledger, in which there may have been events of the order; absent when nothing was */
  deleted?: DeletedRange[];
}

/** Most orders have fewer events, so that one small statement is all. */
const FIRST_READ_ROWS = 128;
const FURTHER_READ_ROWS = 1_000;
/** Of the archive, whose reads know no bound in bytes: events may have a quarter of a megabyte. */
const ARCHIVED_READ_ROWS = 128;

/** How far a walk along an order's life has come. */
interface Walk {
  asOf: bigint;
  after: { sequence: bigint; ordinal: number; recordedAt: string };
  /** of the whole life up to asOf; kept once it was needed */
  correctionOf?: (event: Correctable) => string | null;
}

const BEGINNING = { sequence: 0n, ordinal: 0, recordedAt: '-infinity' };

/** Where a ledger stands, and an event unless there is none. */
type HistoryRow = {
  /** among the events after the start, shown or not; absent where every one is shown */
  place?: string;
  /** of the ledger */
  size: string;
  archived_to: string;
} & (StoredRow | { sequence: null });

/** The rows of a page, and the place of each among the events after its start. */
interface LifeRows {
  rows: StoredRow[];
  places: number[];
  bytes: number;
  cut: boolean;
}

/** A page as it was read. */
interface ReadLife extends LifeRows {
  size: bigint;
  archivedTo: bigint;
}

/** The life of one order, in the order in which it was recorded. */
export class OrderHistory {
  constructor(
    private readonly pool: pg.Pool,
    private readonly ledgers: Ledgers,
    private readonly archive: ArchivedEvents,
  ) {}

  /** One page, mostly the whole life. Throws ledger-not-found, order-not-found, invalid-parameter, DamagedRowError. */
  async page(ledger: string, orderId: string, request: HistoryRequest): Promise<HistoryPage> {
    const limit = request.limit ?? MAX_HISTORY_LIMIT;
    const { events, walk, more, archivedTo, deleted } = await this.read(
      ledger,
      orderId,
      request,
      request.walk,
      limit,
      MAX_PAGE_BYTES,
    );
    return {
      order_id: orderId,
      events,
      next_cursor: more ? historyCursor(ledger, request, walk) : null,
      as_of: String(walk.asOf),
      archived_to: String(archivedTo),
      ...toldOf(deleted),
    };
  }

  /** All pages from where the request stands; at least one, which may be empty. Throws as `page`. */
  async *pages(
    ledger: string,
    orderId: string,
    request: HistoryRequest,
  ): AsyncGenerator<Omit<HistoryPage, 'order_id' | 'next_cursor'>> {
    let walk: Walk | undefined = request.walk;
    for (;;) {
      const page = await this.read(ledger, orderId, request, walk, STREAM_PAGE_ROWS, STREAM_PAGE_BYTES);
      walk = page.walk;
      const { events, deleted } = page;
      yield { events, as_of: String(walk.asOf), archived_to: String(page.archivedTo), ...toldOf(deleted) };
      if (!page.more) return;
    }
  }

  private async read(
    ledger: string,
    orderId: string,
    window: HistoryRequest,
    from: Walk | undefined,
    limit: number,
    maxBytes: number,
  ): Promise<{ events: OrderEvent[]; walk: Walk; more: boolean; archivedTo: bigint; deleted: DeletedRange[] }> {
    const origin = await this.ledgers.origin(ledger);
    const isWindow = window.from !== undefined || window.to !== undefined;
    // Without a window the first statement says by itself whether there is such an order, and as of when.
    const start = from ?? (isWindow ? { asOf: await this.findOrder(ledger, orderId), after: BEGINNING } : undefined);
    const life = await this.readRows(ledger, orderId, window, start, limit + 1, maxBytes);
    const { rows, places, cut, size, archivedTo } = life;

    const asOf = start?.asOf ?? size;
    const deleted = await this.deletedOf(ledger, window, archivedTo, asOf);
    if (!start && rows.length === 0) throw orderNotFound(deleted);
    if (asOf > size) throw cursorProblem('is of a later time than this ledger: ask anew');

    const more = cut || rows.length > limit;
    const isWhole = start === undefined && !more;
    const correctionOf =
      start?.correctionOf ?? correctionsInForce(isWhole ? rows : await this.readCorrections(ledger, orderId, asOf));
    const before = start?.after ?? BEGINNING;
    const events = rows.slice(0, limit).map((row, i) =>
      Object.assign(eventRecordOf(row, origin), {
        ordinal: before.ordinal + places[i]!,
        corrected_by: correctionOf(row),
      }),
    );
    const last = events.at(-1);
    const after = last
      ? { sequence: BigInt(last.sequence), ordinal: last.ordinal, recordedAt: last.recorded_at }
      : before;
    return { events, walk: { asOf, after, correctionOf }, more, archivedTo, deleted };
  }

  /** Looked up after the rows were read, so that none is left out unsaid. */
  private async deletedOf(
    ledger: string,
    window: Pick<HistoryRequest, 'from' | 'to'>,
    archivedTo: bigint,
    asOf: bigint,
  ): Promise<DeletedRange[]> {
    if (archivedTo === 0n) return [];
    return spansWithin(await readDeletedSpans(this.pool, ledger), 1n, asOf, window);
  }

  /** Throws order-not-found; otherwise the ledger's size. */
  private async findOrder(ledger: string, orderId: string): Promise<bigint> {
    const { rows } = await this.pool.query<{ size: string; archived_to: string; known: boolean }>({
      name: 'find_order',
      text: `SELECT size, archived_to, EXISTS (SELECT FROM audit_events
                 WHERE ledger = $1 AND entity_type = 'order' AND entity_id = $2) AS known
               FROM ledger_heads WHERE ledger = $1`,
      values: [ledger, orderId],
    });
    const { size, archived_to: archivedTo, known } = rows[0]!;
    if (known) return BigInt(size);
    for await (const _ of this.archivedLife(ledger, orderId, 0n, BigInt(archivedTo), 1)) return BigInt(size);
    throw orderNotFound(
      await this.deletedOf(ledger, { from: undefined, to: undefined }, BigInt(archivedTo), BigInt(size)),
    );
  }

  /** Up to `maxRows` rows after the start: first those that are archived, then those that are not. */
  private async readRows(
    ledger: string,
    orderId: string,
    window: HistoryRequest,
    start: Walk | undefined,
    maxRows: number,
    maxBytes: number,
  ): Promise<ReadLife> {
    let known = 0n;
    const archived: LifeRows = { rows: [], places: [], bytes: 0, cut: false };
    let archivedEvents = 0;
    for (;;) {
      const room = maxRows - archived.rows.length;
      const { archivedTo, size, ...online } = await this.readOnline(
        ledger,
        orderId,
        window,
        { asOf: start?.asOf ?? MAX_SEQUENCE, after: start?.after ?? BEGINNING },
        room,
        maxBytes - archived.bytes,
      );
      const after = later(start?.after.sequence ?? 0n, known);
      const upTo = lesser(archivedTo, start?.asOf ?? size);
      if (after >= upTo) {
        // nothing has left the database that was not read from the archive by now
        return {
          rows: [...archived.rows, ...online.rows],
          places: [...archived.places, ...online.places.map((place) => archivedEvents + place)],
          bytes: archived.bytes + online.bytes,
          cut: online.cut,
          size,
          archivedTo,
        };
      }
      for await (const page of this.archivedLife(ledger, orderId, after, upTo, ARCHIVED_READ_ROWS)) {
        for (const row of page) {
          archivedEvents += 1;
          if (!isWithin(row, window)) continue;
          archived.rows.push(row);
          archived.places.push(archivedEvents);
          archived.bytes += sizeOf(row);
          const isFull = archived.rows.length === maxRows;
          if (isFull || archived.bytes >= maxBytes) return { ...archived, cut: !isFull, size, archivedTo };
        }
      }
      known = upTo;
    }
  }

  /** All archived events of an order after a sequence, a page at a time; no page is empty. */
  private async *archivedLife(
    ledger: string,
    orderId: string,
    after: bigint,
    upTo: bigint,
    limit: number,
    correctionsAlone = false,
  ): AsyncGenerator<StoredRow[]> {
    for (let at = after; at < upTo;) {
      const life = { entityType: 'order', entityId: orderId, after: at, upTo, correctionsAlone };
      const [rows = []] = await this.archive.lives(ledger, [life], limit);
      if (rows.length > 0) yield rows;
      if (rows.length < limit) return;
      at = BigInt(rows.at(-1)!.sequence);
    }
  }

  /** The database's part. */
  private async readOnline(
    ledger: string,
    orderId: string,
    window: HistoryRequest,
    start: Walk,
    maxRows: number,
    maxBytes: number,
  ): Promise<ReadLife> {
    const life: LifeRows = { rows: [], places: [], bytes: 0, cut: false };
    let at = start;
    let head: { size: bigint; archivedTo: bigint } | undefined;
    for (let size = FIRST_READ_ROWS; ; size = FURTHER_READ_ROWS) {
      const wanted = Math.min(maxRows - life.rows.length, size);
      const part = await this.query(
        historyStatement(ledger, orderId, window, at, wanted),
        wanted,
        maxBytes - life.bytes,
      );
      const now = { size: BigInt(part.rows[0]!.size), archivedTo: BigInt(part.rows[0]!.archived_to) };
      head ??= now;
      // events have left the database since the first statement: some of them were seen by none
      if (now.archivedTo !== head.archivedTo) return this.readOnline(ledger, orderId, window, start, maxRows, maxBytes);
      const placesBefore = life.places.at(-1) ?? 0;
      const events = part.rows.filter((row) => row.sequence !== null);
      events.forEach((row, i) => {
        life.rows.push(row);
        life.places.push(placesBefore + Number(row.place ?? i + 1));
      });
      life.bytes += part.bytes;
      const last = life.rows.at(-1);
      const ended = !last || life.rows.length >= maxRows || (events.length < wanted && !part.cut);
      life.cut = !ended && life.bytes >= maxBytes;
      if (ended || life.cut) return { ...life, ...head };
      at = {
        asOf: lesser(start.asOf, head.size),
        after: { sequence: BigInt(last.sequence), ordinal: 0, recordedAt: last.recorded_at },
      };
    }
  }

  /** Every event of an order that means to correct one, up to a sequence. */
  private async readCorrections(ledger: string, orderId: string, asOf: bigint): Promise<Correctable[]> {
    // the database first: what leaves it meanwhile is in the archive by the time that is read
    const { corrections, archivedTo } = await readOnlineCorrections(this.pool, ledger, orderId, asOf);
    const upTo = lesser(archivedTo, asOf);
    for await (const page of this.archivedLife(ledger, orderId, 0n, upTo, ARCHIVED_READ_ROWS, true)) {
      for (const { sequence, event_id, corrects } of page) corrections.push({ sequence, event_id, corrects });
    }
    return corrections;
  }

  private async query(statement: Statement, maxRows: number, maxBytes: number): Promise<BoundedRows<HistoryRow>> {
    const client = await this.pool.connect();
    try {
      const rows = await queryBounded<HistoryRow>(client, statement, maxRows, maxBytes);
      client.release();
      return rows;
    } catch (error) {
      client.release(true);
      throw error;
    }
  }
}

function historyCursor(ledger: string, request: HistoryRequest, { asOf, after }: Walk): string {
  return encodeCursor({
    kind: 'history',
    ledger,
    query: request.parameters,
    as_of: String(asOf),
    after: {
      sequence: String(after.sequence),
      ordinal: String(after.ordinal),
      recorded_at: after.recordedAt,
    },
  });
}

/**
 * The next events of an order, and the ledger's size. The plan is the same for all values (each month's entity index in
 * its order, merged), so it is kept. LIMIT lets the planner see that the order of sequence comes from the indexes:
 * without it all of an order's life is sorted for each page.
 *
 * With a window every event is counted, the ones outside too: that is what the inner LIMIT, which limits nothing, and
 * `place` are for.
 */
function historyStatement(
  ledger: string,
  orderId: string,
  { from, to }: HistoryRequest,
  start: Walk,
  maxRows: number,
): Statement {
  const { sequence, recordedAt } = start.after;
  const values = [ledger, orderId, String(sequence), String(start.asOf), recordedAt, maxRows];
  const life = (columns: string, limit: string): string => `
    SELECT ${columns} FROM audit_events
      WHERE ledger = $1 AND entity_type = 'order' AND entity_id = $2
        AND sequence > greatest($3::bigint, head.archived_to) AND sequence <= $4 AND recorded_at >= $5
      ORDER BY sequence LIMIT ${limit}`;
  const head = 'SELECT size, archived_to FROM ledger_heads WHERE ledger = $1';
  if (from === undefined && to === undefined) {
    return {
      name: 'order_history',
      text: `SELECT head.*, life.* FROM (${head}) AS head LEFT JOIN LATERAL (${life(STORED_COLUMNS, '$6')}) AS life ON true`,
      values,
    };
  }
  const bound = (time: Timestamp | undefined, otherwise: string): unknown[] =>
    time === undefined ? [otherwise, 0] : [formatMicros(time.micros), time.nanos];
  return {
    name: 'order_history_window',
    text: `
      SELECT head.*, shown.* FROM (${head}) AS head LEFT JOIN LATERAL (
        SELECT place, ${STORED_COLUMNS}
          FROM (SELECT *, row_number() OVER (ORDER BY sequence) AS place FROM (${life('*', '$7')}) AS life) AS numbered
          WHERE ("timestamp", timestamp_nanos) >= ($8::timestamptz, $9::smallint)
            AND ("timestamp", timestamp_nanos) < ($10::timestamptz, $11::smallint)
          ORDER BY sequence LIMIT $6) AS shown ON true`,
    values: [...values, String(MAX_SEQUENCE), ...bound(from, '-infinity'), ...bound(to, 'infinity')],
  };
}

/** Whether there ever was such an order nobody can say once something was deleted. */
function orderNotFound(deleted: readonly DeletedRange[]): Problem {
  const ranges = deleted.map(
    (range) => `events ${range.from_sequence} to ${range.to_sequence} were ${deletionSentence(range)}`,
  );
  const rest = ranges.length === 0 ? '' : `. Those that it may have had are gone: ${ranges.join('; ')}`;
  return new Problem('order-not-found', `The ledger holds no event of this order${rest}`);
}

/** Whether an event's time lies in a window: what the statement says in SQL. */
function isWithin(row: StoredRow, { from, to }: HistoryRequest): boolean {
  if (from === undefined && to === undefined) return true;
  const micros = microsOf(row.timestamp);
  const isBefore = (time: Timestamp): boolean =>
    micros < time.micros || (micros === time.micros && row.timestamp_nanos < time.nanos);
  return !(from && isBefore(from)) && (!to || isBefore(to));
}

/** About what an archived row takes, as PostgreSQL would send it. */
function sizeOf({ new_state, metadata, previous_state, raw_data }: StoredRow): number {
  return 500 + new_state.length + metadata.length + (previous_state?.length ?? 0) + (raw_data?.length ?? 0);
}

/** Those that are in the database, and up to where its events are not. */
async function readOnlineCorrections(
  pool: pg.Pool,
  ledger: string,
  orderId: string,
  asOf: bigint,
): Promise<{ corrections: Correctable[]; archivedTo: bigint }> {
  const { rows } = await pool.query<{ archived_to: string } & (Correctable | { sequence: null })>({
    name: 'order_corrections',
    text: `SELECT head.archived_to, life.* FROM (SELECT archived_to FROM ledger_heads WHERE ledger = $1) AS head
             LEFT JOIN LATERAL (
               SELECT sequence, event_id, corrects FROM audit_events
                 WHERE ledger = $1 AND entity_type = 'order' AND entity_id = $2
                   AND corrects IS NOT NULL AND sequence > head.archived_to AND sequence <= $3) AS life ON true`,
    values: [ledger, orderId, String(asOf)],
  });
  const corrections = rows.flatMap(({ archived_to: _, ...row }) => (row.sequence === null ? [] : [row]));
  return { corrections, archivedTo: BigInt(rows[0]!.archived_to) };
}
