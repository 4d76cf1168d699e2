import type pg from 'pg';
import type { BoundedRows } from '../database/bounded-query.js';
import { Problem } from '../http/problem.js';
import { canonicalContent, contentHash, eventHash, HASH_BYTES, type Content } from '../integrity/event.js';
import { contentOf, DamagedRowError, envelopeOf, type StoredRow } from '../integrity/stored-event.js';
import { storedJson } from '../integrity/stored-json.js';
import { formatMicros } from '../integrity/timestamp.js';
import { ArchiveObjectError } from './archive-format.js';
import {
  findPiece,
  listDigests,
  listPieces,
  readOrigin,
  type ArchivedPiece,
  type PieceOfEvent,
} from './archive-catalogue.sql.js';
import type { ObjectFooter } from './archive-object.js';
import { eventDeleted, readDeletedSpans, spanAt, type DeletedSpan } from './deleted-ranges.js';
import type { ArchivedEvents, ArchivedSearch, AuditedEvent, EntityLife } from './archived-events.js';
import { bytesOf, compareRows, FirstRows, matches, searchedColumns, type SearchedRow } from './archived-search.js';
import { groupsOfEntity } from './entity-index.js';
import type { ObjectFiles } from './object-files.js';
import { ObjectMissing, StoreUnavailable } from './object-store.js';
import { groupOf } from './parquet-file.js';

type Row = StoredRow<number>;

const RETRY_AFTER_SECONDS = 30;
/** An entity with more events is nearly everywhere: its search is not narrowed. */
const MOST_PLACES = 100_000;

/**
 * Reads archived events out of the objects of sealed months. Which objects, the catalogue says; which of their row
 * groups, the objects themselves (least and greatest values), and for entities the objects that list them. Holds a few
 * row groups, and what it hands out.
 */
export class ArchiveReader implements ArchivedEvents {
  private readonly origins = new Map<string, string>();
  /** deleted ranges of which nothing is kept here any more */
  private readonly forgotten = new Set<string>();

  constructor(
    private readonly pool: pg.Pool | pg.ClientBase,
    private readonly files: ObjectFiles,
    private readonly timeoutMs: number,
  ) {}

  at(ledger: string, sequences: readonly string[]): Promise<StoredRow[]> {
    return this.reading(ledger, async (deadline, deleted) => {
      for (const sequence of sequences) {
        const span = spanAt(deleted, BigInt(sequence));
        if (span) throw eventDeleted(BigInt(sequence), span);
      }
      const rows = await this.rowsAt(ledger, sequences, deadline);
      return this.handOut(ledger, rows);
    });
  }

  search(search: ArchivedSearch): Promise<BoundedRows<StoredRow>> {
    return this.reading(search.ledger, async (deadline, deleted) => {
      const { query } = search;
      const from = query.fromSequence;
      const to = query.toSequence < search.upTo ? query.toSequence : search.upTo;
      const all = from > to ? [] : await listPieces(this.pool, 'month', search.ledger, from, to);
      assertCovered(all, from, to);
      const pieces = kept(all, deleted);
      const places = await this.placesOfSearch(search, from, to, deadline, deleted);
      const wanted = pieces.filter((piece) => mayMatch(piece, search) && holdsAny(places, piece));
      const { rows, ...bounds } =
        query.sort === 'sequence'
          ? await this.inSequence(wanted, search, places, deadline)
          : await this.inTime(wanted, search, places, deadline);
      return { ...bounds, rows: await this.handOut(search.ledger, rows) };
    });
  }

  lives(ledger: string, lives: readonly EntityLife[], limit: number): Promise<StoredRow[][]> {
    return this.reading(ledger, async (deadline, deleted) => {
      const places = await this.placesOf(ledger, lives, limit, deadline, deleted);
      const all = await this.rowsAt(ledger, places.flat(), deadline);
      const rows = await this.handOut(ledger, all);
      let at = 0;
      return places.map(({ length }) => rows.slice(at, (at += length)));
    });
  }

  audit(ledger: string, sequences: readonly string[]): Promise<AuditedEvent[]> {
    return this.readingMeanwhile(ledger, async (deadline) => {
      const wanted = sequences.map(BigInt).sort((a, b) => (a < b ? -1 : 1));
      if (wanted.length === 0) return [];
      const files = this.files.fresh();
      const audited = new Map<string, AuditedEvent>();
      const find = (sequence: bigint): Promise<PieceOfEvent | undefined> =>
        findPiece(this.pool, ['month', 'early'], ledger, sequence);
      const [origin, first] = await Promise.all([this.originOf(ledger), find(wanted[0]!)]);
      let piece = first;
      for (let at = 0; at < wanted.length;) {
        deadline.check();
        const startedAt = performance.now();
        const next = wanted[at]!;
        if (at > 0 && !(piece && BigInt(piece.to_sequence) >= next)) piece = await find(next);
        const events = await this.auditGroup(files, ledger, origin, wanted.slice(at), piece);
        const ms = Math.round((performance.now() - startedAt) * 1000) / 1000;
        for (const event of events) audited.set(event.sequence, { ...event, ms });
        at += events.length;
      }
      return sequences.map((sequence) => audited.get(sequence)!);
    });
  }

  /** The first of some ascending sequences, and those that are in the same row group of an object. */
  private async auditGroup(
    files: ObjectFiles,
    ledger: string,
    origin: string,
    sequences: readonly bigint[],
    piece: PieceOfEvent | undefined,
  ): Promise<Omit<AuditedEvent, 'ms'>[]> {
    const at = sequences[0]!;
    const nowhere = { event_id: null, object_key: null, version_id: null };
    if (!piece) return [{ sequence: String(at), ...nowhere, fault: 'is in no object' }];
    const place = { object_key: piece.object_key, version_id: piece.version_id };
    let inGroup = [at];
    try {
      const footer = await files.footerFor(piece, at);
      const [group] = groupsOf(footer, ledger, at, at);
      if (group === undefined) throw new ArchiveObjectError('it has no row group for the event');
      const { from_sequence, events } = footer.manifest.row_groups[group]!;
      const first = BigInt(from_sequence);
      inGroup = sequences.filter((sequence) => sequence < first + BigInt(events));
      const places = inGroup.map((sequence) => Number(sequence - first));
      const rows = await files.rows(piece, footer, group, places);
      return rows.map((row, i) => {
        const sequence = String(inGroup[i]);
        const fault = row.sequence === sequence ? faultOf(row, origin) : 'is not in its place';
        return { sequence, event_id: row.event_id, ...place, fault };
      });
    } catch (error) {
      if (!(error instanceof ArchiveObjectError) && !(error instanceof ObjectMissing)) throw error;
      return inGroup.map((sequence) => ({ ...nowhere, ...place, sequence: String(sequence), fault: error.message }));
    }
  }

  /**
   * Rows of a ledger from one sequence to another, both included and archived, in order, a row group or less at a time;
   * but for those that were deleted.
   * Nothing is recomputed. Rejects with ArchiveObjectError for an object that cannot be read.
   */
  async *range(ledger: string, from: bigint, to: bigint): AsyncGenerator<Row[]> {
    const deleted = await readDeletedSpans(this.pool, ledger);
    const pieces = await listPieces(this.pool, 'month', ledger, from, to);
    assertCovered(pieces, from, to);
    for (const piece of kept(pieces, deleted)) {
      const footer = await this.files.footer(piece);
      for (const group of groupsOf(footer, ledger, from, to)) {
        const rows = await this.files.rows(piece, footer, group);
        yield rows.filter(({ sequence }) => BigInt(sequence) >= from && BigInt(sequence) <= to);
      }
    }
  }

  hashes(ledger: string, from: bigint, to: bigint): Promise<Buffer> {
    return this.readingMeanwhile(ledger, () => this.readHashes(ledger, from, to));
  }

  /** As `hashes` does, and rejects with what it met: StoreUnavailable, ObjectMissing, ArchiveObjectError, DamagedRowError. */
  async readHashes(ledger: string, from: bigint, to: bigint): Promise<Buffer> {
    const parts: Buffer[] = [];
    let next = from;
    for (const { from_sequence, to_sequence, offset, ...object } of await listDigests(this.pool, ledger, from, to)) {
      const first = BigInt(from_sequence);
      // archived before there were digests, until the next export
      if (first > next) parts.push(await this.hashesOfEvents(ledger, next, first - 1n));
      if (first > next) next = first;
      const last = to < BigInt(to_sequence) ? to : BigInt(to_sequence);
      const start = Number(offset) + Number(next - first) * HASH_BYTES;
      parts.push(await this.files.bytes(object, start, Number(last - next + 1n) * HASH_BYTES));
      next = last + 1n;
    }
    if (next <= to) parts.push(await this.hashesOfEvents(ledger, next, to));
    return Buffer.concat(parts);
  }

  private async hashesOfEvents(ledger: string, from: bigint, to: bigint): Promise<Buffer> {
    const hashes: Buffer[] = [];
    for await (const rows of this.range(ledger, from, to)) {
      for (const row of rows) hashes.push(Buffer.from(row.event_hash));
    }
    if (BigInt(hashes.length) !== to - from + 1n) {
      throw new DamagedRowError(String(from), 'sequence', 'was deleted, and nothing has its hash');
    }
    return Buffer.concat(hashes);
  }

  private async inSequence(pieces: ArchivedPiece[], search: ArchivedSearch, places: Places, deadline: Deadline) {
    const found: Row[] = [];
    let bytes = 0;
    const isDescending = search.query.order === 'desc';
    const ordered = <T>(list: T[]): T[] => (isDescending ? list.toReversed() : list);
    for (const piece of ordered(pieces)) {
      const footer = await this.files.footer(piece);
      const { fromSequence, toSequence } = search.query;
      const groups = groupsOf(footer, search.ledger, fromSequence, toSequence).filter((group) =>
        groupMayMatch(footer, group, search, places),
      );
      for (const group of ordered(groups)) {
        deadline.check();
        const wanted = ordered(await this.matching(piece, footer, group, search)).slice(
          0,
          search.maxRows - found.length,
        );
        for (const row of await this.files.rows(piece, footer, group, wanted)) {
          found.push(row);
          bytes += bytesOf(row);
          if (found.length === search.maxRows || bytes >= search.maxBytes) {
            return { rows: found, bytes, cut: bytes >= search.maxBytes };
          }
        }
      }
    }
    return { rows: found, bytes, cut: false };
  }

  /** The places in a row group of what a search looks for: only the columns that it looks at are decoded for that. */
  private async matching(
    piece: ArchivedPiece,
    footer: ObjectFooter,
    group: number,
    search: ArchivedSearch,
  ): Promise<number[]> {
    const names = searchedColumns(search);
    const columns = await this.files.columns(piece, footer, group, names);
    const places: number[] = [];
    for (let place = 0; place < columns.sequence!.length; place++) {
      const cells = Object.fromEntries(names.map((name) => [name, columns[name]![place]]));
      const row = { ...cells, sequence: String(cells.sequence) } as unknown as SearchedRow;
      if (matches(row, search)) places.push(place);
    }
    return places;
  }

  /** Objects and row groups by the time at which they begin, until none can hold an event before the last that is kept. */
  private async inTime(pieces: ArchivedPiece[], search: ArchivedSearch, places: Places, deadline: Deadline) {
    const sign = search.query.order === 'asc' ? 1 : -1;
    const first = new FirstRows((a, b) => sign * compareRows('timestamp', a, b), search.maxRows, search.maxBytes);
    const isPast = (begin: number): boolean => {
      const last = first.last();
      return last !== undefined && sign * (begin - last.timestamp) > 0;
    };
    const begin = (least: number, greatest: number): number => (sign > 0 ? least : greatest);
    const objects = pieces
      .map((piece) => ({ piece, begin: begin(piece.least_timestamp, piece.greatest_timestamp) }))
      .sort((a, b) => sign * (a.begin - b.begin));
    for (const object of objects) {
      if (isPast(object.begin)) break;
      const { piece } = object;
      const footer = await this.files.footer(piece);
      const { fromSequence, toSequence } = search.query;
      const groups = groupsOf(footer, search.ledger, fromSequence, toSequence)
        .filter((group) => groupMayMatch(footer, group, search, places))
        .map((group) => ({ group, begin: begin(...timesOf(footer, group, 'timestamp')) }))
        .sort((a, b) => sign * (a.begin - b.begin));
      for (const { group, begin: at } of groups) {
        if (isPast(at)) break;
        deadline.check();
        const wanted = await this.matching(piece, footer, group, search);
        if (wanted.length === 0) continue;
        for (const row of await this.files.rows(piece, footer, group, wanted)) first.add(row);
      }
    }
    return first.result();
  }

  /** Where the events of the one entity are that a search is about; undefined when it is about no single one. */
  private async placesOfSearch(
    { ledger, query, after }: ArchivedSearch,
    from: bigint,
    to: bigint,
    deadline: Deadline,
    deleted: readonly DeletedSpan[],
  ): Promise<Places> {
    const { entity_type: entityType, entity_id: entityId } = Object.fromEntries(query.equal) as Record<string, string>;
    if (entityType === undefined || entityId === undefined) return undefined;
    const { sort, order } = query;
    const begin =
      after && sort === 'sequence' && order === 'asc' && after.sequence >= from ? after.sequence : from - 1n;
    const life = { entityType, entityId, after: begin, upTo: to };
    const [places = []] = await this.placesOf(ledger, [life], MOST_PLACES + 1, deadline, deleted);
    return places.length > MOST_PLACES ? undefined : places.map(BigInt);
  }

  /** Of each life the sequences of its first events. Every row group of an index is decoded once for all of them. */
  private async placesOf(
    ledger: string,
    lives: readonly EntityLife[],
    limit: number,
    deadline: Deadline,
    deleted: readonly DeletedSpan[],
  ): Promise<string[][]> {
    const found = lives.map((): string[] => []);
    const open = lives.flatMap((life, i) => (life.after < life.upTo ? [i] : []));
    if (open.length === 0) return found;
    const from = open.map((i) => lives[i]!.after).reduce((a, b) => (a < b ? a : b)) + 1n;
    const upTo = open.map((i) => lives[i]!.upTo).reduce((a, b) => (a > b ? a : b));
    const pieces = await listPieces(this.pool, 'entities', ledger, from, upTo);
    assertCovered(pieces, from, upTo);
    for (const piece of kept(pieces, deleted)) {
      const wanted = open.filter((i) => {
        const { after, upTo: end } = lives[i]!;
        return found[i]!.length < limit && after < BigInt(piece.to_sequence) && end >= BigInt(piece.from_sequence);
      });
      if (wanted.length === 0) continue;
      const footer = await this.files.entitiesFooter(piece);
      const byGroup = new Map<number, number[]>();
      for (const i of wanted) {
        for (const group of groupsOfEntity(footer, ledger, lives[i]!)) {
          byGroup.set(group, [...(byGroup.get(group) ?? []), i]);
        }
      }
      for (const [group, inGroup] of [...byGroup].sort(([a], [b]) => a - b)) {
        deadline.check();
        const ofEntity = new Map<string, number[]>();
        for (const i of inGroup) {
          const key = entityKey(lives[i]!.entityType, lives[i]!.entityId);
          ofEntity.set(key, [...(ofEntity.get(key) ?? []), i]);
        }
        for (const entry of await this.files.entities(piece, footer, group)) {
          if (entry.ledger !== ledger) continue;
          for (const i of ofEntity.get(entityKey(entry.entity_type, entry.entity_id)) ?? []) {
            const { after, upTo: end, correctionsAlone } = lives[i]!;
            const sequence = BigInt(entry.sequence);
            if (sequence <= after || sequence > end || found[i]!.length === limit) continue;
            if (!correctionsAlone || entry.is_correction) found[i]!.push(entry.sequence);
          }
        }
      }
    }
    return found;
  }

  private async rowsAt(ledger: string, sequences: readonly string[], deadline: Deadline): Promise<Row[]> {
    const wanted = [...new Set(sequences)].map(BigInt).sort((a, b) => (a < b ? -1 : 1));
    const found = new Map<string, Row>();
    let piece: PieceOfEvent | undefined;
    for (let at = 0; at < wanted.length;) {
      const next = wanted[at]!;
      // far apart, each comes by itself: the objects between them may be many
      if (!piece || BigInt(piece.to_sequence) < next) piece = await findPiece(this.pool, ['month'], ledger, next);
      if (!piece) throw new DamagedRowError(String(next), 'sequence', 'is in no object of the archive');
      deadline.check();
      const footer = await this.files.footerFor(piece, next);
      const [group] = groupsOf(footer, ledger, next, next);
      if (group === undefined) throw new DamagedRowError(String(next), 'sequence', 'is not in its object');
      const first = BigInt(footer.manifest.row_groups[group]!.from_sequence);
      const end = first + BigInt(footer.manifest.row_groups[group]!.events);
      const inGroup: bigint[] = [];
      for (; at < wanted.length && wanted[at]! < end; at++) inGroup.push(wanted[at]!);
      const places = inGroup.map((sequence) => Number(sequence - first));
      const rows = await this.files.rows(piece, footer, group, places);
      rows.forEach((row, i) => {
        const sequence = String(inGroup[i]);
        if (row.sequence !== sequence) throw new DamagedRowError(sequence, 'sequence', 'is not in its place');
        found.set(sequence, row);
      });
    }
    return sequences.map((sequence) => found.get(sequence)!);
  }

  /** Rows as readers of PostgreSQL know them. Throws DamagedRowError for one whose hashes are not its own. */
  private async handOut(ledger: string, rows: Row[]): Promise<StoredRow[]> {
    if (rows.length === 0) return [];
    const origin = await this.originOf(ledger);
    return rows.map((row) => {
      return storedRowOf(row, recompute(row, origin));
    });
  }

  private async originOf(ledger: string): Promise<string> {
    const origin = this.origins.get(ledger) ?? (await readOrigin(this.pool, ledger));
    this.origins.set(ledger, origin);
    return origin;
  }

  private async readDeleted(ledger: string): Promise<DeletedSpan[]> {
    const deleted = await readDeletedSpans(this.pool, ledger);
    await this.forget(ledger, deleted);
    return deleted;
  }

  /** Gives up, once, what is kept of deleted events. */
  private async forget(ledger: string, deleted: readonly DeletedSpan[]): Promise<void> {
    for (const { from, to } of deleted) {
      const name = `${ledger} ${from}`;
      if (this.forgotten.has(name)) continue;
      this.forgotten.add(name);
      const kinds = ['month', 'entities'] as const;
      const pieces = await Promise.all(kinds.map((kind) => listPieces(this.pool, kind, ledger, from, to)));
      await this.files.forget(pieces.flat());
    }
  }

  /**
   * Does a read that takes what was deleted as it takes the rest: it begins without knowing what that is. What cannot be
   * read may have been deleted just before, and is read again as others are.
   */
  private async readingMeanwhile<T>(ledger: string, work: (deadline: Deadline) => Promise<T>): Promise<T> {
    try {
      const [result] = await Promise.all([work(new Deadline(this.timeoutMs)), this.readDeleted(ledger)]);
      return result;
    } catch (error) {
      if (error instanceof StoreUnavailable) throw unavailable(error);
      if (!(error instanceof ObjectMissing || error instanceof ArchiveObjectError)) throw error;
      return this.reading(ledger, work);
    }
  }

  /** Does a read, and does it again if a month was deleted meanwhile. */
  private async reading<T>(
    ledger: string,
    work: (deadline: Deadline, deleted: readonly DeletedSpan[]) => Promise<T>,
  ): Promise<T> {
    const deadline = new Deadline(this.timeoutMs);
    for (;;) {
      const deleted = await this.readDeleted(ledger);
      try {
        return await work(deadline, deleted);
      } catch (error) {
        if (error instanceof StoreUnavailable) throw unavailable(error);
        if (error instanceof ObjectMissing || error instanceof ArchiveObjectError) {
          if ((await readDeletedSpans(this.pool, ledger)).length > deleted.length) continue;
          throw new Problem(
            'archive-damaged',
            `An object of the archive is not as it was written: ${error.message}. Run the job archive-verification`,
            { cause: error },
          );
        }
        throw error;
      }
    }
  }
}

/** No text of an event has a control character. */
function entityKey(entityType: string, entityId: string): string {
  return `${entityType}\n${entityId}`;
}

function unavailable(cause: Error): Problem {
  return new Problem(
    'archive-unavailable',
    'The archive does not answer at the moment, and events asked for are there',
    {
      cause,
      retryAfterSeconds: RETRY_AFTER_SECONDS,
    },
  );
}

class Deadline {
  private readonly at: number;

  constructor(private readonly ms: number) {
    this.at = performance.now() + ms;
  }

  check(): void {
    if (performance.now() <= this.at) return;
    throw new Problem('read-timeout', `A page was not found in the archive within ${this.ms} ms (READ_TIMEOUT)`);
  }
}

/** Without those of months that were deleted. An object holds events of one month of a ledger. */
function kept(pieces: readonly ArchivedPiece[], deleted: readonly DeletedSpan[]): ArchivedPiece[] {
  return pieces.filter(({ from_sequence }) => !spanAt(deleted, BigInt(from_sequence)));
}

/** Ranges of a kind follow each other, so that a gap in what is archived shows at the ends. */
function assertCovered(pieces: readonly ArchivedPiece[], from: bigint, to: bigint): void {
  if (from > to) return;
  let next = from;
  for (const { from_sequence, to_sequence } of pieces)
    if (BigInt(from_sequence) <= next) next = BigInt(to_sequence) + 1n;
  if (next <= to)
    throw new DamagedRowError(String(next), 'sequence', 'has left the database and is in no object of the archive');
}

/** The row groups of a ledger that hold sequences from one to another. */
function groupsOf({ manifest }: ObjectFooter, ledger: string, from: bigint, to: bigint): number[] {
  return manifest.row_groups.flatMap((group, i) => {
    const first = BigInt(group.from_sequence);
    const isWanted = group.ledger === ledger && first <= to && first + BigInt(group.events) > from;
    return isWanted ? [i] : [];
  });
}

/** Ascending sequences to which a search is narrowed, if it is. */
type Places = readonly bigint[] | undefined;

function holdsAny(
  places: Places,
  { from_sequence, to_sequence }: Pick<ArchivedPiece, 'from_sequence' | 'to_sequence'>,
): boolean {
  if (!places) return true;
  const first = BigInt(from_sequence);
  let low = 0;
  for (let high = places.length; low < high;) {
    const middle = (low + high) >> 1;
    if (places[middle]! < first) low = middle + 1;
    else high = middle;
  }
  return low < places.length && places[low]! <= BigInt(to_sequence);
}

/** By the times of the object. */
function mayMatch(piece: ArchivedPiece, { query, after }: ArchivedSearch): boolean {
  return (
    timesMayMatch(
      [piece.least_timestamp, piece.greatest_timestamp],
      [piece.least_recorded_at, piece.greatest_recorded_at],
      query,
    ) && !isBehind(piece, query, after)
  );
}

/** Whether all of it lies on the side of a walk's last event that was given out already. */
function isBehind(piece: ArchivedPiece, query: ArchivedSearch['query'], after: ArchivedSearch['after']): boolean {
  if (!after) return false;
  const isAscending = query.order === 'asc';
  if (query.sort === 'sequence') {
    return isAscending ? BigInt(piece.to_sequence) <= after.sequence : BigInt(piece.from_sequence) >= after.sequence;
  }
  const { micros } = after.timestamp;
  return isAscending ? piece.greatest_timestamp < micros : piece.least_timestamp > micros;
}

function timesMayMatch(
  [least, greatest]: [number, number],
  [leastRecorded, greatestRecorded]: [number, number],
  { from, to, recordedFrom, recordedTo }: ArchivedSearch['query'],
): boolean {
  return (
    (!from || greatest >= from.micros) &&
    (!to || least <= to.micros) &&
    (!recordedFrom || greatestRecorded >= recordedFrom.micros) &&
    (!recordedTo || leastRecorded <= recordedTo.micros)
  );
}

/** By the least and greatest values of a row group. */
function groupMayMatch(footer: ObjectFooter, group: number, search: ArchivedSearch, places: Places): boolean {
  const { query, after } = search;
  const { from_sequence, events } = footer.manifest.row_groups[group]!;
  const first = BigInt(from_sequence);
  const last = first + BigInt(events) - 1n;
  if (!holdsAny(places, { from_sequence, to_sequence: String(last) })) return false;
  const timestamps = timesOf(footer, group, 'timestamp');
  if (!timesMayMatch(timestamps, timesOf(footer, group, 'recorded_at'), query)) return false;
  if (after && query.sort === 'timestamp') {
    const { micros } = after.timestamp;
    if (query.order === 'asc' ? timestamps[1] < micros : timestamps[0] > micros) return false;
  }
  if (after && query.sort === 'sequence') {
    if (query.order === 'asc' ? last <= after.sequence : first >= after.sequence) return false;
  }
  return query.equal.every(([column, value]) => {
    const [least, greatest] = statisticsOf(footer, group, column);
    if (typeof least !== 'string' || typeof greatest !== 'string') return true;
    const wanted = Buffer.from(value);
    return Buffer.compare(Buffer.from(least), wanted) <= 0 && Buffer.compare(wanted, Buffer.from(greatest)) <= 0;
  });
}

function timesOf(footer: ObjectFooter, group: number, column: string): [number, number] {
  const [least, greatest] = statisticsOf(footer, group, column);
  return [typeof least === 'number' ? least : -Infinity, typeof greatest === 'number' ? greatest : Infinity];
}

function statisticsOf({ metadata }: ObjectFooter, group: number, column: string): [least: unknown, greatest: unknown] {
  const { columns } = groupOf(metadata, group).row_groups[0]!;
  const chunk = columns.find(({ meta_data }) => meta_data?.path_in_schema[0] === column);
  const statistics = chunk?.meta_data?.statistics;
  return [statistics?.min_value, statistics?.max_value];
}

/** The content of a row. Throws DamagedRowError when its hashes are not its own. */
function recompute(row: Row, origin: string): Content {
  const content = contentOf(row);
  if (!contentHash(row.salt, canonicalContent(content).text).equals(row.content_hash)) {
    throw new DamagedRowError(row.sequence, 'content_hash', 'is not that of the archived content');
  }
  if (!eventHash(envelopeOf(row, origin)).equals(row.event_hash)) {
    throw new DamagedRowError(row.sequence, 'event_hash', 'is not that of the archived envelope');
  }
  return content;
}

/** What is wrong with a row; null when its hashes are its own. */
function faultOf(row: Row, origin: string): string | null {
  try {
    recompute(row, origin);
    return null;
  } catch (error) {
    if (error instanceof DamagedRowError) return error.message;
    throw error;
  }
}

/** A row as the database would give it. */
function storedRowOf({ jsonForm: _, ...row }: Row, { previous_state, new_state, metadata }: Content): StoredRow {
  return {
    ...row,
    recorded_at: textOf(row.recorded_at),
    timestamp: textOf(row.timestamp),
    previous_state: previous_state === null ? null : storedJson(previous_state),
    new_state: storedJson(new_state),
    metadata: storedJson(metadata),
  };
}

/** Microseconds since 1970 in the form in which PostgreSQL prints a time in UTC. */
function textOf(micros: number): string {
  return `${formatMicros(micros).replace('T', ' ').slice(0, -1)}+00`;
}
