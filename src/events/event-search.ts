import type pg from 'pg';
import type { ArchivedEvents, ArchivedSearch } from '../archive/archived-events.js';
import { readDeletedSpans, spansWithin, toldOf, type DeletedRange } from '../archive/deleted-ranges.js';
import type { Config } from '../config/config.js';
import { queryBounded, type BoundedRows, type Statement } from '../database/bounded-query.js';
import { Turnstile } from '../database/turnstile.js';
import { Problem } from '../http/problem.js';
import { canonicalString } from '../integrity/canonical-json.js';
import {
  DamagedRowError,
  eventRecordOf,
  microsOf,
  type EventRecord,
  type StoredRow,
} from '../integrity/stored-event.js';
import { formatMicros, formatTimestamp, parseTimestamp, type Timestamp } from '../integrity/timestamp.js';
import { encodeCursor } from './cursor.js';
import type { Ledgers } from './ledgers.js';
import { readInIndexOrder, readPage } from './read-transaction.js';
import {
  cursorProblem,
  DEFAULT_SEARCH_LIMIT,
  type Position,
  type SearchQuery,
  type SearchRequest,
} from './search-request.js';
import { later, lesser } from './sequences.js';
import { STORED_COLUMNS } from './stored-events.js';

/** What the rows of an answer in one piece may have over the wire, bytes; a page ends before its limit there. */
export const MAX_PAGE_BYTES = 16_777_216;
/** A page of a streamed answer: enough rows that planning does not show, little enough to hold several in memory. */
export const STREAM_PAGE_ROWS = 1_000;
export const STREAM_PAGE_BYTES = 1_048_576;

/**
 * Of the connections for reads and operation, how many searches may have at once. One that finds little reads much, and
 * health checks, keys and all that is quick must not wait for it.
 */
export const SEARCH_SHARE = 0.6;

export interface SearchPage {
  events: EventRecord[];
  /** null at the end */
  next_cursor: string | null;
  as_of: string;
  /** events up to this sequence were read from the archive, later ones from the database */
  archived_to: string;
  /** what was deleted of the ledger and might have matched, whichever page it would have been on; absent when nothing was */
  deleted?: DeletedRange[];
}

/** Finds events by what is in them. Rows that nobody may have written are errors, never left out. */
export class EventSearch {
  private readonly turnstile: Turnstile;
  private readonly timeoutMs: number;

  constructor(
    private readonly pool: pg.Pool,
    config: Pick<Config, 'DATABASE_POOL_SIZE' | 'READ_TIMEOUT'>,
    private readonly ledgers: Ledgers,
    private readonly archive: ArchivedEvents,
  ) {
    this.timeoutMs = config.READ_TIMEOUT;
    this.turnstile = new Turnstile(Math.ceil(config.DATABASE_POOL_SIZE * SEARCH_SHARE));
  }

  /** Throws ledger-not-found, event-not-found, event-deleted, DamagedRowError. */
  async find(ledger: string, eventId: string): Promise<EventRecord> {
    const origin = await this.ledgers.origin(ledger);
    const found = await findStoredRow(this.pool, ledger, eventId);
    if (!found) throw new Problem('event-not-found', 'The ledger holds no event with this id');
    const { sequence, isArchived } = found;
    const row = isArchived ? (await this.archive.at(ledger, [sequence]))[0] : found.row;
    if (!row) throw new DamagedRowError(sequence, 'sequence', 'is known by its key, and its row is not there');
    if (row.event_id !== eventId) throw new DamagedRowError(sequence, 'event_id', 'is not that of its key');
    return eventRecordOf(row, origin);
  }

  /** One page. Throws ledger-not-found, read-timeout, invalid-parameter for a cursor that cannot be, DamagedRowError. */
  async page(ledger: string, request: SearchRequest): Promise<SearchPage> {
    const { query } = request;
    const page = await this.read(ledger, request, request.limit ?? DEFAULT_SEARCH_LIMIT, MAX_PAGE_BYTES);
    return {
      events: page.events,
      next_cursor: page.next === undefined ? null : searchCursor(ledger, query, page.asOf, page.next),
      as_of: String(page.asOf),
      archived_to: String(page.archivedTo),
      ...toldOf(page.deleted),
    };
  }

  /**
   * All pages from where the request stands, the first one at once; at least one, which may be empty. Throws as `page`,
   * and at once when `gone` is aborted.
   */
  async *pages(
    ledger: string,
    request: SearchRequest,
    gone?: AbortSignal,
  ): AsyncGenerator<Omit<SearchPage, 'next_cursor'>> {
    let { walk } = request;
    for (;;) {
      const page = await this.read(ledger, { ...request, walk }, STREAM_PAGE_ROWS, STREAM_PAGE_BYTES, gone);
      const { events, deleted } = page;
      yield { events, as_of: String(page.asOf), archived_to: String(page.archivedTo), ...toldOf(deleted) };
      if (page.next === undefined) return;
      walk = { asOf: page.asOf, after: page.next };
    }
  }

  private async read(
    ledger: string,
    { query, walk }: SearchRequest,
    limit: number,
    maxBytes: number,
    gone?: AbortSignal,
  ): Promise<{
    events: EventRecord[];
    asOf: bigint;
    archivedTo: bigint;
    deleted: DeletedRange[];
    next: Position | undefined;
  }> {
    const origin = await this.ledgers.origin(ledger);
    const search = { ledger, query, after: walk?.after, maxRows: limit + 1, maxBytes };
    const isAscending = query.sort === 'sequence' && query.order === 'asc';
    const found = isAscending
      ? await this.readUpwards(search, walk?.asOf, gone)
      : await this.withArchive(search, await this.readDatabase(search, walk?.asOf, gone));
    const { asOf } = found;
    const { rows, cut, archivedTo } = found;
    const events = rows.slice(0, limit).map((row) => eventRecordOf(row, origin));
    const last = events.at(-1);
    const next = last && (cut || rows.length > limit) ? positionOf(last) : undefined;
    return { events, asOf, archivedTo, deleted: await this.deletedOf(ledger, query, archivedTo, asOf), next };
  }

  /** What was deleted of what a search is about; looked up after its rows were read, so that none is left out unsaid. */
  private async deletedOf(
    ledger: string,
    query: SearchQuery,
    archivedTo: bigint,
    asOf: bigint,
  ): Promise<DeletedRange[]> {
    if (archivedTo === 0n) return [];
    const spans = await readDeletedSpans(this.pool, ledger);
    return spansWithin(spans, query.fromSequence, lesser(query.toSequence, asOf), query);
  }

  /** In ascending sequence: what is archived comes first, and often the database need not be read at all. */
  private async readUpwards(
    search: DatabaseSearch,
    walkAsOf: bigint | undefined,
    gone: AbortSignal | undefined,
  ): Promise<FoundRows> {
    const { maxRows, maxBytes } = search;
    let { query } = search;
    let asOf = walkAsOf;
    const rows: StoredRow[] = [];
    let bytes = 0;
    for (;;) {
      const room = { query, maxRows: maxRows - rows.length, maxBytes: maxBytes - bytes };
      const found = await this.readDatabase({ ...search, ...room }, asOf, gone);
      const part = found.isArchiveFirst
        ? await this.archive.search({ ...search, ...room, upTo: lesser(found.archivedTo, found.asOf) })
        : found;
      rows.push(...part.rows);
      bytes += part.bytes;
      if (!found.isArchiveFirst || part.cut || rows.length === maxRows) return { ...found, rows, bytes, cut: part.cut };
      asOf = found.asOf;
      query = { ...query, fromSequence: found.archivedTo + 1n }; // unless more has left the database meanwhile
    }
  }

  /** The database's part of a page: of events after those that are archived. */
  private async readDatabase(
    search: DatabaseSearch,
    walkAsOf: bigint | undefined,
    gone: AbortSignal | undefined,
  ): Promise<FoundRows> {
    const { ledger, query, after, maxRows, maxBytes } = search;
    return this.turnstile.pass(() =>
      readPage(
        this.pool,
        this.timeoutMs,
        ledger,
        async (client, { size, archivedTo }) => {
          if (walkAsOf !== undefined && walkAsOf > size) {
            throw cursorProblem('is of a later time than this ledger: ask anew');
          }
          const asOf = walkAsOf ?? size;
          if (query.sort === 'sequence' && query.order === 'asc') {
            const begin = after ? later(query.fromSequence, after.sequence + 1n) : query.fromSequence;
            const isArchiveFirst = begin <= archivedTo;
            if (isArchiveFirst) return { rows: [], bytes: 0, cut: false, asOf, archivedTo, isArchiveFirst };
          }
          const online = { ...query, fromSequence: later(query.fromSequence, archivedTo + 1n) };
          if (isIndexOrder(query)) await readInIndexOrder(client);
          const statement = searchStatement(ledger, online, asOf, after, maxRows);
          const found = await queryBounded<StoredRow>(client, statement, maxRows, maxBytes);
          return { ...found, asOf, archivedTo, isArchiveFirst: false };
        },
        gone,
      ),
    );
  }

  /** Puts the archive's part to a page of the database: after it, or among it where the order is that of event time. */
  private async withArchive(search: DatabaseSearch, online: FoundRows): Promise<FoundRows> {
    const { query, maxRows, maxBytes } = search;
    const upTo = lesser(online.archivedTo, online.asOf);
    const isFull = online.cut || online.rows.length === maxRows;
    if (query.fromSequence > upTo || (query.sort === 'sequence' && isFull)) return online;
    if (query.sort === 'sequence') {
      const room = { maxRows: maxRows - online.rows.length, maxBytes: maxBytes - online.bytes };
      const archived = await this.archive.search({ ...search, ...room, upTo });
      return { ...online, rows: [...online.rows, ...archived.rows], cut: archived.cut };
    }
    const archived = await this.archive.search({ ...search, upTo });
    return { ...online, ...mergedInTime(archived, online, query.order, maxRows) };
  }
}

type DatabaseSearch = Omit<ArchivedSearch, 'upTo' | 'query' | 'after'> & {
  query: SearchQuery;
  after: Position | undefined;
};

interface FoundRows extends BoundedRows<StoredRow> {
  asOf: bigint;
  archivedTo: bigint;
  /** nothing was read: the archive has what comes first */
  isArchiveFirst: boolean;
}

/**
 * Two pages of one order as one. Where one of them was cut, nothing of the other that comes after its end may be in it:
 * what would stand between is not known.
 */
function mergedInTime(
  a: BoundedRows<StoredRow>,
  b: BoundedRows<StoredRow>,
  order: 'asc' | 'desc',
  maxRows: number,
): BoundedRows<StoredRow> {
  const sign = order === 'asc' ? 1 : -1;
  const keyed = (rows: StoredRow[]): { row: StoredRow; key: TimeKey }[] =>
    rows.map((row) => ({ row, key: timeKeyOf(row) }));
  const parts = [a, b].map((part) => ({ ...part, keyed: keyed(part.rows) }));
  const merged = parts.flatMap((part) => part.keyed).sort((x, y) => sign * compareTimeKeys(x.key, y.key));
  const ends = parts.flatMap((part) => (part.cut && part.keyed.length > 0 ? [part.keyed.at(-1)!.key] : []));
  const known = merged.filter(({ key }) => ends.every((end) => sign * compareTimeKeys(key, end) <= 0));
  return {
    rows: known.slice(0, maxRows).map(({ row }) => row),
    bytes: a.bytes + b.bytes,
    cut: a.cut || b.cut,
  };
}

interface TimeKey {
  micros: number;
  nanos: number;
  sequence: bigint;
}

function timeKeyOf({ timestamp, timestamp_nanos: nanos, sequence }: StoredRow): TimeKey {
  return { micros: microsOf(timestamp), nanos, sequence: BigInt(sequence) };
}

function compareTimeKeys(a: TimeKey, b: TimeKey): number {
  return a.micros - b.micros || a.nanos - b.nanos || Number(a.sequence - b.sequence);
}

function positionOf(event: EventRecord): Position {
  return {
    sequence: BigInt(event.sequence),
    timestamp: parseTimestamp(event.timestamp),
    recordedAt: event.recorded_at,
  };
}

function searchCursor(ledger: string, query: SearchQuery, asOf: bigint, after: Position): string {
  const { micros, nanos } = after.timestamp;
  return encodeCursor({
    kind: 'search',
    ledger,
    query: query.parameters,
    as_of: String(asOf),
    after: {
      sequence: String(after.sequence),
      timestamp: formatTimestamp(micros, nanos, 9),
      recorded_at: after.recordedAt,
    },
  });
}

/**
 * The row of an event by its id; a key without a row gives its sequence alone.
 *
 * The plan is kept, and may have been made when the tables were empty. Written with `=`, it was then a scan of the whole
 * ledger; for a range in order with a LIMIT only the index by sequence serves, whatever the statistics say.
 */
async function findStoredRow(
  pool: pg.Pool,
  ledger: string,
  eventId: string,
): Promise<{ sequence: string; isArchived: boolean; row: StoredRow | undefined } | undefined> {
  const { rows } = await pool.query<StoredRow & { key_sequence: string; is_archived: boolean }>({
    name: 'find_event',
    text: `SELECT key_sequence, key_sequence <= (SELECT archived_to FROM ledger_heads WHERE ledger = $1) AS is_archived, ${STORED_COLUMNS}
             FROM (SELECT sequence AS key_sequence FROM event_keys WHERE ledger = $1 AND event_id = $2) AS key
             LEFT JOIN LATERAL (
               SELECT * FROM audit_events
                 WHERE ledger = $1 AND sequence BETWEEN key_sequence AND key_sequence
                 ORDER BY sequence LIMIT 1
             ) AS event ON true`,
    values: [ledger, eventId],
  });
  const row = rows[0];
  if (!row) return undefined;
  const isThere = (row.sequence as string | null) !== null;
  return { sequence: row.key_sequence, isArchived: row.is_archived, row: isThere ? row : undefined };
}

/**
 * The SELECT of a page: at most `maxRows` events up to sequence `asOf` that come after `after` in the query's order.
 *
 * Only what is asked for is in it, since it is planned for its values anyway (read-transaction.ts). Months are left out
 * by bounds of recorded time: those asked for, and in the order of sequence the last event's, since recorded times never
 * fall along a ledger. Event time bounds nothing: an event may be recorded long after it happened.
 */
export function searchStatement(
  ledger: string,
  query: SearchQuery,
  asOf: bigint,
  after: Position | undefined,
  maxRows: number,
): Statement {
  const values: unknown[] = [];
  const $ = (value: unknown): string => `$${values.push(value)}`;
  const conditions = [`ledger = ${$(ledger)}`];
  const ascending = query.order === 'asc';

  for (const [column, value] of query.equal) conditions.push(`${column} = ${$(value)}`);
  conditions.push(...metadataConditions(query.metadata, $));

  let first = query.fromSequence;
  let last = query.toSequence < asOf ? query.toSequence : asOf;
  if (after && query.sort === 'sequence') {
    if (ascending) first = later(first, after.sequence + 1n);
    else last = -later(-last, -(after.sequence - 1n));
    conditions.push(`recorded_at ${ascending ? '>=' : '<='} ${$(after.recordedAt)}`);
  }
  conditions.push(`sequence BETWEEN ${$(String(first))} AND ${$(String(last))}`);

  if (query.recordedFrom) conditions.push(recordedCondition('>', query.recordedFrom, $));
  if (query.recordedTo) conditions.push(recordedCondition('<', query.recordedTo, $));

  const instant = ({ micros, nanos }: Timestamp): string =>
    `${$(formatMicros(micros))}::timestamptz, ${$(nanos)}::smallint`;
  if (query.from) conditions.push(`("timestamp", timestamp_nanos) >= (${instant(query.from)})`);
  if (query.to) conditions.push(`("timestamp", timestamp_nanos) < (${instant(query.to)})`);
  if (after && query.sort === 'timestamp') {
    const key = `${instant(after.timestamp)}, ${$(String(after.sequence))}::bigint`;
    conditions.push(`("timestamp", timestamp_nanos, sequence) ${ascending ? '>' : '<'} (${key})`);
  }

  const keys = query.sort === 'sequence' ? ['sequence'] : ['"timestamp"', 'timestamp_nanos', 'sequence'];
  const order = keys.map((key) => `${key} ${ascending ? 'ASC' : 'DESC'}`).join(', ');
  return {
    text: `SELECT ${STORED_COLUMNS} FROM audit_events
             WHERE ${conditions.join('\n               AND ')}
             ORDER BY ${order} LIMIT ${$(maxRows)}`,
    values,
  };
}

/**
 * Whether an index has what is asked for in the order in which it is: all events by sequence, and all, or those of one user
 * or type, by event time.
 */
function isIndexOrder({ sort, equal, metadata, from, to, parameters }: SearchQuery): boolean {
  if (metadata.length > 0) return false;
  if (sort === 'sequence') return equal.length === 0 && from === undefined && to === undefined;
  return (
    equal.length <= 1 &&
    equal.every(([column]) => column === 'user_id' || column === 'event_type') &&
    // a narrow range of sequences is better read by theirs
    !('from_sequence' in parameters || 'to_sequence' in parameters)
  );
}

/** recorded_at has microseconds, and the bound may lie between two of them. */
function recordedCondition(side: '>' | '<', { micros, nanos }: Timestamp, $: (value: unknown) => string): string {
  const includesEqual = (side === '>') === (nanos === 0);
  return `recorded_at ${side}${includesEqual ? '=' : ''} ${$(formatMicros(micros))}`;
}

/**
 * Conditions on `metadata`, one or more: a top-level member that is a string equal to the value, or a number, boolean or
 * null with that JSON text. `$` takes a value and gives its place in the statement.
 *
 * `@>` is exact for that: of one member with a scalar it asks for a member of that name, type and value, and looks into
 * no nested object or array. A number has one canonical text, so that a value which is none (1.0, 1e2) can only be a
 * string; and two numbers of one value have one text.
 */
export function metadataConditions(filters: SearchQuery['metadata'], $: (value: unknown) => string): string[] {
  const strings = filters.filter(([, value]) => !isOtherJson(value));
  const others = filters.filter(([, value]) => isOtherJson(value));
  const contains = (members: string): string => `metadata @> ${$(members)}::jsonb`;
  const together = strings.map(([key, value]) => member(key, canonicalString(value))).join();
  return [
    ...(strings.length > 0 ? [contains(`{${together}}`)] : []),
    ...others.map(([key, value]) => `(${memberTexts(key, value).map(contains).join(' OR ')})`),
  ];
}

/** The JSON texts of objects of which one is in what has a member with this text: as a string, or as what it is the text of. */
export function memberTexts(key: string, value: string): string[] {
  const string = `{${member(key, canonicalString(value))}}`;
  return isOtherJson(value) ? [string, `{${member(key, value)}}`] : [string];
}

function member(key: string, json: string): string {
  return `${canonicalString(key)}:${json}`;
}

/** Whether a text is also the JSON text of a value that is no string, as the service writes it. */
function isOtherJson(text: string): boolean {
  if (text === 'true' || text === 'false' || text === 'null') return true;
  return /^-?[0-9]/.test(text) && Number.isFinite(Number(text)) && JSON.stringify(Number(text)) === text;
}
