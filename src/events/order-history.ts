import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import { queryBounded, type BoundedRows, type Statement } from '../database/bounded-query.js';
import { POOL } from '../database/tokens.js';
import { Problem } from '../http/problem.js';
import { eventRecordOf, type EventRecord, type StoredRow } from '../integrity/stored-event.js';
import { formatMicros, type Timestamp } from '../integrity/timestamp.js';
import { correctionsInForce, type Correctable } from './corrections.js';
import { encodeCursor } from './cursor.js';
import { MAX_PAGE_BYTES, STREAM_PAGE_BYTES, STREAM_PAGE_ROWS } from './event-search.js';
import { Ledgers } from './ledgers.js';
import { cursorProblem, MAX_HISTORY_LIMIT, MAX_SEQUENCE, type HistoryRequest } from './search-query.dto.js';
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
}

/** Most orders have fewer events, so that one small statement is all. */
const FIRST_READ_ROWS = 128;
const FURTHER_READ_ROWS = 1_000;

/** How far a walk along an order's life has come. */
interface Walk {
  asOf: bigint;
  after: { sequence: bigint; ordinal: number; recordedAt: string };
  /** of the whole life up to asOf; kept once it was needed */
  correctionOf?: (event: Correctable) => string | null;
}

const BEGINNING = { sequence: 0n, ordinal: 0, recordedAt: '-infinity' };

interface HistoryRow extends StoredRow {
  /** among the events after the start, shown or not; absent where every one is shown */
  place?: string;
  /** of the ledger */
  size: string;
}

/** The rows of a page, and the place of each among the events after its start. */
interface LifeRows {
  rows: HistoryRow[];
  places: number[];
  cut: boolean;
}

/** The life of one order, in the order in which it was recorded. */
@Injectable()
export class OrderHistory {
  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    private readonly ledgers: Ledgers,
  ) {}

  /** One page, mostly the whole life. Throws ledger-not-found, order-not-found, invalid-parameter, DamagedRowError. */
  async page(ledger: string, orderId: string, request: HistoryRequest): Promise<HistoryPage> {
    const limit = request.limit ?? MAX_HISTORY_LIMIT;
    const { events, walk, more } = await this.read(ledger, orderId, request, request.walk, limit, MAX_PAGE_BYTES);
    return {
      order_id: orderId,
      events,
      next_cursor: more ? historyCursor(ledger, request, walk) : null,
      as_of: String(walk.asOf),
    };
  }

  /** All pages from where the request stands; at least one, which may be empty. Throws as `page`. */
  async *pages(
    ledger: string,
    orderId: string,
    request: HistoryRequest,
  ): AsyncGenerator<{ events: OrderEvent[]; as_of: string }> {
    let walk: Walk | undefined = request.walk;
    for (;;) {
      const page = await this.read(ledger, orderId, request, walk, STREAM_PAGE_ROWS, STREAM_PAGE_BYTES);
      walk = page.walk;
      yield { events: page.events, as_of: String(walk.asOf) };
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
  ): Promise<{ events: OrderEvent[]; walk: Walk; more: boolean }> {
    const origin = await this.ledgers.origin(ledger);
    const isWindow = window.from !== undefined || window.to !== undefined;
    // Without a window the first statement says by itself whether there is such an order, and as of when.
    const start = from ?? (isWindow ? { asOf: await this.findOrder(ledger, orderId), after: BEGINNING } : undefined);
    const { rows, places, cut } = await this.readRows(ledger, orderId, window, start, limit + 1, maxBytes);

    const asOf = start?.asOf ?? (rows[0] && BigInt(rows[0].size));
    if (asOf === undefined) throw new Problem('order-not-found', 'The ledger holds no event of this order');
    if (rows[0] && asOf > BigInt(rows[0].size)) throw cursorProblem('is of a later time than this ledger: ask anew');

    const more = cut || rows.length > limit;
    const isWhole = start === undefined && !more;
    const correctionOf =
      start?.correctionOf ??
      correctionsInForce(isWhole ? rows : await readCorrections(this.pool, ledger, orderId, asOf));
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
    return { events, walk: { asOf, after, correctionOf }, more };
  }

  /** Throws order-not-found; otherwise the ledger's size. */
  private async findOrder(ledger: string, orderId: string): Promise<bigint> {
    const { rows } = await this.pool.query<{ size: string; known: boolean }>({
      name: 'find_order',
      text: `SELECT size, EXISTS (SELECT FROM audit_events
                 WHERE ledger = $1 AND entity_type = 'order' AND entity_id = $2) AS known
               FROM ledger_heads WHERE ledger = $1`,
      values: [ledger, orderId],
    });
    const head = rows[0];
    if (!head?.known) throw new Problem('order-not-found', 'The ledger holds no event of this order');
    return BigInt(head.size);
  }

  /** Up to `maxRows` rows after the start. */
  private async readRows(
    ledger: string,
    orderId: string,
    window: HistoryRequest,
    start: Walk | undefined,
    maxRows: number,
    maxBytes: number,
  ): Promise<LifeRows> {
    const life: LifeRows = { rows: [], places: [], cut: false };
    let bytes = 0;
    let at = start;
    for (let size = FIRST_READ_ROWS; ; size = FURTHER_READ_ROWS) {
      const wanted = Math.min(maxRows - life.rows.length, size);
      const part = await this.query(historyStatement(ledger, orderId, window, at, wanted), wanted, maxBytes - bytes);
      const placesBefore = life.places.at(-1) ?? 0;
      part.rows.forEach((row, i) => {
        life.rows.push(row);
        life.places.push(placesBefore + Number(row.place ?? i + 1));
      });
      bytes += part.bytes;
      const last = life.rows.at(-1);
      const ended = !last || life.rows.length >= maxRows || (part.rows.length < wanted && !part.cut);
      life.cut = !ended && bytes >= maxBytes;
      if (ended || life.cut) return life;
      at = {
        asOf: start?.asOf ?? BigInt(life.rows[0]!.size),
        after: { sequence: BigInt(last.sequence), ordinal: 0, recordedAt: last.recorded_at },
      };
    }
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
  start: Walk | undefined,
  maxRows: number,
): Statement {
  const { sequence, recordedAt } = start?.after ?? BEGINNING;
  const values = [ledger, orderId, String(sequence), String(start?.asOf ?? MAX_SEQUENCE), recordedAt, maxRows];
  const life = (columns: string, limit: string): string => `
    SELECT ${columns} FROM audit_events
      WHERE ledger = $1 AND entity_type = 'order' AND entity_id = $2
        AND sequence > $3 AND sequence <= $4 AND recorded_at >= $5
      ORDER BY sequence LIMIT ${limit}`;
  const size = '(SELECT size FROM ledger_heads WHERE ledger = $1) AS size';
  if (from === undefined && to === undefined) {
    return { name: 'order_history', text: life(`${size}, ${STORED_COLUMNS}`, '$6'), values };
  }
  const bound = (time: Timestamp | undefined, otherwise: string): unknown[] =>
    time === undefined ? [otherwise, 0] : [formatMicros(time.micros), time.nanos];
  return {
    name: 'order_history_window',
    text: `
      SELECT ${size}, place, ${STORED_COLUMNS}
        FROM (SELECT *, row_number() OVER (ORDER BY sequence) AS place FROM (${life('*', '$7')}) AS life) AS numbered
        WHERE ("timestamp", timestamp_nanos) >= ($8::timestamptz, $9::smallint)
          AND ("timestamp", timestamp_nanos) < ($10::timestamptz, $11::smallint)
        ORDER BY sequence LIMIT $6`,
    values: [...values, String(MAX_SEQUENCE), ...bound(from, '-infinity'), ...bound(to, 'infinity')],
  };
}

/** Every event of an order that means to correct one, up to a sequence. */
async function readCorrections(pool: pg.Pool, ledger: string, orderId: string, asOf: bigint): Promise<Correctable[]> {
  const { rows } = await pool.query<Correctable>({
    name: 'order_corrections',
    text: `SELECT sequence, event_id, corrects FROM audit_events
             WHERE ledger = $1 AND entity_type = 'order' AND entity_id = $2
               AND corrects IS NOT NULL AND sequence <= $3`,
    values: [ledger, orderId, String(asOf)],
  });
  return rows;
}
