import type pg from 'pg';
import type { ArchivedEvents } from '../archive/archived-events.js';
import {
  deletionSentence,
  eventDeleted,
  readDeletedSpans,
  spanAt,
  spansWithin,
  type DeletedRange,
} from '../archive/deleted-ranges.js';
import { listCopies } from '../archive/objects-of-range.js';
import type { Checkpoints } from '../checkpoints/checkpoints.js';
import type { EventSearch } from '../events/event-search.js';
import { readPage } from '../events/read-transaction.js';
import type { SearchQuery } from '../events/search-request.js';
import { later, lesser } from '../events/sequences.js';
import { Problem } from '../http/problem.js';
import { parseCheckpoint } from '../integrity/checkpoint.js';
import { HASH_BYTES } from '../integrity/event.js';
import { BundleError, writeBundle, type BundleEvent } from '../integrity/evidence-bundle.js';
import type { BundleClaims, DeletedEvents, SequenceRange } from '../integrity/evidence-claims.js';
import { parseNote } from '../integrity/signed-note.js';
import { DamagedRowError, eventRecordOf, type EventRecord } from '../integrity/stored-event.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { subtreeHashes } from '../integrity/tiles.js';
import type { ReadTotals } from '../long-reads/long-read.js';
import * as sql from './evidence.sql.js';
import { MAX_DIRECT_EVENTS, type EvidencePlan } from './evidence-plan.js';

/** What the pieces of an answer have at least, but for the last: headers of files are some bytes each. */
const PIECE_BYTES = 65_536;
/**
 * While it is not known whether a bundle is too large to be handed out at once, it is held in memory; one that passes
 * this is taken for too large, however few events it has.
 */
const MOST_HELD_BYTES = 16 * 1024 * 1024;
/** Events by id are read so many at a time: of the largest ones it is 16 MiB. */
const IDS_A_PAGE = 64;
/** Runs of neighbours among scattered events that are told apart, to know which objects of the archive hold them. */
const MAX_RUNS = 100_000;

export interface BundleReaders {
  pool: pg.Pool;
  timeoutMs: number;
  archive: ArchivedEvents;
  search: EventSearch;
  checkpoints: Checkpoints;
}

/**
 * A bundle in pieces; or none at all, if it is larger than it may be. Throws damaged-record for events that are not those
 * that were signed, and what the readers throw.
 */
export async function* piecesOfBundle(
  readers: BundleReaders,
  plan: EvidencePlan,
  gone: AbortSignal,
): AsyncGenerator<{ bytes: Uint8Array; asOf: string }, ReadTotals> {
  const asOf = String(plan.asOf);
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  const piece = (): { bytes: Uint8Array; asOf: string } => {
    // with memory of its own, so that it can change threads
    const bytes = new Uint8Array(waitingBytes);
    let at = 0;
    for (const chunk of waiting) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    [waiting, waitingBytes] = [[], 0];
    return { bytes, asOf };
  };
  const making = new BundleMaking(readers, plan, gone);
  try {
    for await (const chunk of making.chunks()) {
      waiting.push(chunk);
      waitingBytes += chunk.length;
      if (making.mayBeTooLarge) {
        if (waitingBytes > MOST_HELD_BYTES) throw new TooLarge();
      } else if (waitingBytes >= PIECE_BYTES) yield piece();
    }
  } catch (error) {
    if (error instanceof TooLarge) return { isTooLarge: true };
    if (!(error instanceof BundleError)) throw error;
    const detail = `The events asked for are not those that were signed (${error.message}): have the ledger verified`;
    throw new Problem('damaged-record', detail, { cause: error });
  }
  yield piece();
  return { rows: making.lines, ...(making.unproven === undefined ? {} : { unproven: making.unproven }) };
}

/** A bundle that is larger than it may be. */
class TooLarge extends Error {}

class BundleMaking {
  /** of events and envelopes, so far */
  lines = 0;
  /** of ranges the size is known before the first event */
  mayBeTooLarge: boolean;
  /** of a bundle that is made to be verified: why its proof is none */
  unproven: string | undefined;
  private readonly runs = new SequenceRuns();
  /** of what is not a range: what the bundle says was deleted */
  private told: readonly DeletedRange[] = [];

  constructor(
    private readonly readers: BundleReaders,
    private readonly plan: EvidencePlan,
    private readonly gone: AbortSignal,
  ) {
    this.mayBeTooLarge = !plan.isUnlimited;
  }

  async *chunks(): AsyncGenerator<Buffer> {
    const { ledger, checkpoint, anchors, keys, successions, timestamps, isUnchecked } = this.plan;
    const { size } = parseCheckpoint(parseNote(checkpoint).text);
    const claims = await this.claims();
    const read = this.readers.checkpoints.tilesOf(ledger);
    yield* writeBundle({
      claims,
      pages: this.tracked(this.pages(claims)),
      hashesOf: async (subtrees) => {
        try {
          return await subtreeHashes(subtrees, size, read);
        } catch (error) {
          if (!isUnchecked || !(error instanceof Problem && error.slug === 'damaged-record')) throw error;
          // the verifier still names the events that are missing, or changed
          this.unproven = error.message;
          return subtrees.map(() => Buffer.alloc(HASH_BYTES));
        }
      },
      checkpoint,
      isUnchecked,
      papers: async () => ({
        anchors: anchors.map((bytes) => Buffer.from(bytes)),
        timestamps: timestamps.map(({ anchor, reply }) => ({ anchor, reply: Buffer.from(reply) })),
        keys,
        successions,
        archive: (await listCopies(this.readers.pool, ledger, (from, to) =>
          this.runs.meet(from, to),
        )) as unknown as JsonObject[],
      }),
    });
  }

  private get isRange(): boolean {
    const { kind, envelopes } = this.plan;
    return kind === 'sequences' || kind === 'recorded' || envelopes;
  }

  private async claims(): Promise<BundleClaims> {
    const { ledger, origin, asOf, asked, kind, contents, envelopes } = this.plan;
    const isRange = kind === 'sequences' || kind === 'recorded';
    const completeness = isRange ? 'complete-range' : envelopes ? 'as-found-in-range' : 'as-found';
    const range = this.isRange ? await this.range() : null;
    if (range && !this.plan.isUnlimited) {
      if (range.to - range.from >= MAX_DIRECT_EVENTS) throw new TooLarge();
      this.mayBeTooLarge = false;
    }
    return { ledger, origin, asOf, asked, completeness, range, contents, deleted: await this.deleted() };
  }

  /** What might have been found and is not there any more. Throws event-deleted for a range. */
  private async deleted(): Promise<DeletedEvents[]> {
    const { ledger, query } = this.plan;
    const bounds = this.bounds();
    if (!query || bounds.from > bounds.to) return [];
    const spans = await readDeletedSpans(this.readers.pool, ledger);
    this.told = spansWithin(spans, bounds.from, bounds.to, query);
    if (this.isRange && this.told[0]) throw deletedOfRange(this.told[0]);
    return this.told.map(({ from_sequence: from, to_sequence: to, deleted_at: deletedAt, ...rest }) => ({
      from: later(BigInt(from), bounds.from),
      to: lesser(BigInt(to), bounds.to),
      deletedAt,
      ...rest,
    }));
  }

  /** The sequences that the question's bounds of sequence leave, up to as_of. */
  private bounds(): SequenceRange {
    const { query, asOf } = this.plan;
    if (!query) return { from: 1n, to: asOf };
    const to = lesser(query.toSequence, asOf);
    return { from: query.fromSequence <= to ? query.fromSequence : to + 1n, to };
  }

  /** Of those the ones that its bounds of recorded time leave. */
  private async range(): Promise<SequenceRange> {
    const { query } = this.plan;
    const { from, to } = this.bounds();
    if (!query) return { from, to };
    const { recordedFrom, recordedTo } = query;
    if ((!recordedFrom && !recordedTo) || from > to) return { from, to };
    const within = { ...unfiltered(query), fromSequence: from, toSequence: to };
    const first = await this.one(within, 'asc');
    if (first) {
      const last = await this.one(within, 'desc');
      return { from: BigInt(first.sequence), to: BigInt(last!.sequence) };
    }
    // nothing was recorded in that time: the range is the place between the events before and after it
    const before = recordedFrom
      ? await this.one({ ...within, recordedFrom: undefined, recordedTo: recordedFrom }, 'desc')
      : undefined;
    const place = before ? BigInt(before.sequence) + 1n : from;
    return { from: place, to: place - 1n };
  }

  private async *pages(claims: BundleClaims): AsyncGenerator<BundleEvent[]> {
    const { envelopes, query, asOf } = this.plan;
    const found = query ? this.found({ ...query, toSequence: lesser(query.toSequence, asOf) }) : this.byIds();
    const { range } = claims;
    // what was recorded before and after shows that a range of recorded time is whole
    const bounds = this.bounds();
    if (range && query?.recordedFrom && range.from > bounds.from) yield await this.beside(range.from - 1n, range);
    if (envelopes) yield* this.amongAll(found, range!);
    else {
      for await (const records of found) {
        if (records.length > 0) yield records.map((record) => ({ record, isFound: true }));
      }
    }
    if (range && query?.recordedTo && range.to < bounds.to) yield await this.beside(range.to + 1n, range);
  }

  /** All events of a range, marked by whether they are among those that were found. */
  private async *amongAll(
    found: AsyncGenerator<readonly EventRecord[]>,
    { from, to }: SequenceRange,
  ): AsyncGenerator<BundleEvent[]> {
    const sequences = oneByOne(found);
    let next = await sequences.next();
    try {
      for await (const records of this.found({ ...everything(), fromSequence: from, toSequence: to })) {
        const events: BundleEvent[] = [];
        for (const record of records) {
          const isFound = !next.done && next.value === record.sequence;
          if (isFound) next = await sequences.next();
          events.push({ record, isFound });
        }
        if (events.length > 0) yield events;
      }
    } finally {
      await sequences.return(undefined);
    }
    if (!next.done) throw new BundleError(`event ${next.value} was found, and is not in its range`);
  }

  private async *found(query: SearchQuery): AsyncGenerator<readonly EventRecord[]> {
    if (query.fromSequence > query.toSequence) return;
    const request = { query, limit: undefined, walk: undefined };
    const pages = this.readers.search.pages(this.plan.ledger, request, this.gone);
    for await (const { events, deleted } of oneAhead(pages)) {
      if (!this.isRange && (deleted?.length ?? 0) !== this.told.length) {
        throw new Problem('event-deleted', 'Events were deleted while the bundle was made: ask for it again');
      }
      // of a range nothing may be left out; what was found is what is still there to be found
      if (deleted && this.isRange) throw deletedOfRange(deleted[0]!);
      yield events;
    }
  }

  private async *byIds(): AsyncGenerator<readonly EventRecord[]> {
    const { sequences } = this.plan;
    for (let at = 0; at < sequences.length; at += IDS_A_PAGE) {
      yield await this.at(sequences.slice(at, at + IDS_A_PAGE));
    }
  }

  /** Wherever they are. Throws event-deleted, and DamagedRowError for one that is not there. */
  private async at(sequences: readonly string[]): Promise<EventRecord[]> {
    const { ledger, origin } = this.plan;
    const { pool, timeoutMs, archive } = this.readers;
    const { here, archivedTo } = await readPage(
      pool,
      timeoutMs,
      ledger,
      async (client, extent) => ({ here: await sql.readRowsAt(client, ledger, sequences), ...extent }),
      this.gone,
    );
    const archived = sequences.filter((sequence) => BigInt(sequence) <= archivedTo);
    const before = archived.length === 0 ? [] : await archive.at(ledger, archived);
    const rows = [...before, ...here.filter(({ sequence }) => BigInt(sequence) > archivedTo)];
    const lost = sequences.find((sequence, at) => rows[at]?.sequence !== sequence);
    if (lost !== undefined) {
      const span = spanAt(await readDeletedSpans(pool, ledger), BigInt(lost));
      if (span) throw eventDeleted(BigInt(lost), span);
      throw new DamagedRowError(lost, 'sequence', 'is known by its key, and its row is not there');
    }
    return rows.map((row) => eventRecordOf(row, origin));
  }

  /** The event before a range of recorded time, or after it. Throws event-deleted. */
  private async beside(sequence: bigint, { from, to }: SequenceRange): Promise<BundleEvent[]> {
    const span = spanAt(await readDeletedSpans(this.readers.pool, this.plan.ledger), sequence);
    if (span) {
      const what = `Event ${sequence}, the ${sequence < from ? 'last before' : 'first after'} the range,`;
      const why = `was ${deletionSentence(span.shown)}, and nothing else proves it`;
      const instead = from > to ? '' : `. Proven whole by their sequences: from_sequence ${from}, to_sequence ${to}`;
      throw new Problem('event-deleted', `${what} ${why}${instead}`);
    }
    return (await this.at([String(sequence)])).map((record) => ({ record, isFound: false }));
  }

  private async one(query: SearchQuery, order: 'asc' | 'desc'): Promise<EventRecord | undefined> {
    const request = { query: { ...query, order }, limit: 1, walk: undefined };
    return (await this.readers.search.page(this.plan.ledger, request)).events[0];
  }

  private async *tracked(pages: AsyncGenerator<BundleEvent[]>): AsyncGenerator<BundleEvent[]> {
    for await (const events of pages) {
      this.gone.throwIfAborted();
      this.lines += events.length;
      if (this.mayBeTooLarge && this.lines > MAX_DIRECT_EVENTS) throw new TooLarge();
      for (const { record } of events) this.runs.add(BigInt(record.sequence));
      yield events;
    }
    this.mayBeTooLarge = false;
  }
}

function deletedOfRange(deleted: DeletedRange): Problem {
  const { from_sequence: from, to_sequence: to } = deleted;
  const detail = `The events ${from} to ${to} of the range were ${deletionSentence(deleted)}`;
  return new Problem('event-deleted', `${detail}. Ask for those before and after by their sequences`);
}

/** Ascending sequences as runs of neighbours; past MAX_RUNS of them, gaps are taken for events. */
class SequenceRuns {
  private readonly runs: { from: bigint; to: bigint }[] = [];

  add(sequence: bigint): void {
    const last = this.runs.at(-1);
    if (last && (sequence === last.to + 1n || this.runs.length === MAX_RUNS)) last.to = sequence;
    else this.runs.push({ from: sequence, to: sequence });
  }

  /** Whether any of them is from `from` to `to`. */
  meet(from: bigint, to: bigint): boolean {
    let [low, high] = [0, this.runs.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.runs[middle]!.to < from) low = middle + 1;
      else high = middle;
    }
    const first = this.runs[low];
    return first !== undefined && first.from <= to;
  }
}

/**
 * The same, with the next one asked for while the last is being worked on: of the time of a bundle of 60,000 events the
 * thread had waited a third for the database.
 */
async function* oneAhead<T>(source: AsyncGenerator<T>): AsyncGenerator<T> {
  const ask = (): Promise<IteratorResult<T>> => {
    const asked = source.next();
    asked.catch(() => undefined); // whoever awaits it is told
    return asked;
  };
  let next = ask();
  try {
    for (let result = await next; !result.done; result = await next) {
      next = ask();
      yield result.value;
    }
  } finally {
    await source.return(undefined);
  }
}

async function* oneByOne(pages: AsyncGenerator<readonly EventRecord[]>): AsyncGenerator<string, undefined, undefined> {
  for await (const records of pages) for (const { sequence } of records) yield sequence;
  return undefined;
}

/** A query without all filters but the bounds of sequence and recorded time. */
function unfiltered(query: SearchQuery): SearchQuery {
  return { ...query, equal: [], metadata: [], from: undefined, to: undefined };
}

function everything(): SearchQuery {
  return {
    equal: [],
    metadata: [],
    from: undefined,
    to: undefined,
    recordedFrom: undefined,
    recordedTo: undefined,
    fromSequence: 1n,
    toSequence: 1n,
    sort: 'sequence',
    order: 'asc',
    parameters: {},
  };
}
