import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import type { Logger } from 'pino';
import { CONFIG, type Config } from '../config/config.js';
import { sqlState, SqlState } from '../database/sqlstate.js';
import { DATABASE_URL, POOL } from '../database/tokens.js';
import { readStoredRows } from '../events/stored-events.js';
import {
  ARCHIVE_KINDS,
  ArchiveObjectError,
  isEventsKind,
  isManifest,
  objectKey,
  paddedNumber,
  type AnyManifest,
  type EventsKind,
} from './archive-format.js';
import * as sql from './archive-catalogue.sql.js';
import { readEventHash, type EncodedObject } from './archive-object.js';
import { earlyRetention, planEntities, planObject, type OpenLedger } from './archive-plan.js';
import { claimStore, OBJECT_STORE } from './archive-store.js';
import type { AnyEncoded, EncodingTask } from './archive-tasks.js';
import { ArchiveThread } from './archive-thread.js';
import { EntityComparison } from './entity-comparison.js';
import type { EntitiesRange } from './entity-index.js';
import { keepFormatDescription } from './kept-description.js';
import {
  ObjectConflict,
  ObjectMissing,
  StoreUnavailable,
  type ObjectStore,
  type ObjectVersion,
  type PutResult,
} from './object-store.js';
import { contentsOfRanges, DIGESTS_KEPT_YEARS, keptUntil } from './object-retention.sql.js';
import { makeWorkingFolder } from './working-folder.js';

/**
 * Of a month: within which an object's encoding and its reading back stay small, some 30 MB of order events. An early
 * object is there for months alone, and small, so that one is encoded while the one before it is stored and read back.
 * An index of entities has more events of a month together, since each is asked for an entity; docs/sizing.md has its size.
 */
export const MAX_OBJECT_EVENTS: Record<EventsKind | 'entities', bigint> = {
  early: 32_768n,
  month: 250_000n,
  entities: 4_000_000n,
};
const LOCK_TIMEOUT_MS = 10_000;
/** A ledger of which an event is damaged is tried again after this, or by hand. */
const REFUSAL_MS = 3_600_000;
/** How often the description of the format is looked for. */
const DESCRIPTION_LOOK_MS = 86_400_000;
const PARQUET_TYPE = 'application/vnd.apache.parquet';
const DIGESTS_TYPE = 'application/octet-stream';
const REGULATORY = 'regulatory';
const NONCE_BYTES = 16;
const READ_BACK = 'read-back';

export interface ExportRequest {
  /** whatever its age and however little it is */
  takeAll: boolean;
  /** who asked for it */
  requestedBy: string;
  signal: AbortSignal;
  log: Logger;
}

export interface ExportOutcome {
  objects: number;
  events: bigint;
  bytes: number;
  /** sealed months that are archived as a whole now */
  months: string[];
  /** objects that an earlier run had written and not catalogued */
  adopted: number;
  /** keys under which somebody had put what is none of ours, where the next object was to be; that has another key */
  intruders: string[];
  /** ledgers of which something is not as it was recorded: nothing after that is archived */
  refused: { ledger: string; sequence: string | null; reason: string }[];
}

/** What an export begins with. */
export function nothingExported(): ExportOutcome {
  return { objects: 0, events: 0n, bytes: 0, months: [], adopted: 0, intruders: [], refused: [] };
}

/**
 * Brings events into the object store early: what is not in the catalogue yet, of all ledgers, an object at a time.
 *
 * Each object is written, read back by its version id, recomputed as a whole, and only then catalogued. What is durable
 * when the process is killed: before the write, nothing; between write and catalogue, an object that the next run finds
 * by its number, reads back and catalogues; after it, all. The catalogue refuses what does not go on where it ends, so
 * nothing is left out or there twice whoever runs this, and however often.
 */
@Injectable()
export class Exporter {
  protected readonly maxObjectEvents = MAX_OBJECT_EVENTS;
  /** when the description of the format was last found in the store, and locked */
  private describedAt = -Infinity;
  private readonly refusals = new Map<string, { archived: string; at: number }>();

  constructor(
    @Inject(CONFIG)
    private readonly config: Pick<Config, 'ARCHIVE_EXPORT_AGE' | 'ARCHIVE_EXPORT_EVENTS' | 'ARCHIVE_RETENTION_YEARS'>,
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(DATABASE_URL) private readonly url: string,
    @Inject(OBJECT_STORE) private readonly store: ObjectStore | null,
  ) {}

  /** Throws StoreUnavailable and the database's errors; what was catalogued by then stays, and is in `outcome`. */
  async run({ takeAll, requestedBy, signal, log }: ExportRequest, outcome = nothingExported()): Promise<ExportOutcome> {
    const store = this.store?.within(signal);
    if (!store) return outcome;
    await claimStore(store, this.pool);
    const { next } = await sql.readArchiveState(this.pool);
    const folder = await makeWorkingFolder('export');
    const settings = { url: this.url, lockTimeoutMs: LOCK_TIMEOUT_MS };
    const encoder = new ArchiveThread(settings);
    const verifier = new ArchiveThread(settings);
    const work: Work = {
      store,
      encoder,
      verifier,
      comparison: new EntityComparison(this.pool, store, verifier, folder),
      folder,
      takeAll,
      requestedBy,
      signal,
      log,
      outcome,
      next,
      storing: undefined,
    };
    try {
      await this.adopt(work);
      await this.archiveEarly(work);
      await this.archiveMonths(work);
      await this.archiveDigests(work);
      return outcome;
    } finally {
      await work.storing?.catch(() => undefined); // an error that came first is the one to tell
      await Promise.all([encoder.close(), verifier.close()]);
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** What is in no object yet, of all ledgers. */
  private async archiveEarly(work: Work): Promise<void> {
    const { outcome, log, takeAll } = work;
    const all = await sql.readArchiveEnds(this.pool);
    const ends = takeAll ? all : all.filter((end) => !this.isRefused(end));
    const open = new Map(ends.map((end) => [end.ledger, openLedger(end)]));
    for (const { ledger } of outcome.refused) open.delete(ledger); // the archive knows another history of them
    this.refuseCut(open.values(), outcome, log);
    if (takeAll || this.isDue(ends)) await this.archiveOpen(work, 'early', open);
  }

  /** Sealed months, each once more and as a whole, and then where its entities are. */
  private async archiveMonths(work: Work): Promise<void> {
    const ends = new Map((await sql.readKindEnds(this.pool, 'month')).map((end) => [end.ledger, openLedger(end)]));
    for (const [month, ranges] of grouped(await sql.readOpenMonths(this.pool))) {
      const isHeldUp = ranges.some(({ ledger, to_sequence }) => this.wasRefused(ledger, BigInt(to_sequence)));
      if (isHeldUp && !work.takeAll) return;
      for (const { ledger, to_sequence } of ranges) ends.get(ledger)!.size = BigInt(to_sequence);
      const isWhole = await this.archiveOpen(work, 'month', ends);
      if (!isWhole) return; // nothing after what is damaged
      try {
        await this.listEntities(work, ranges);
      } catch (error) {
        if (!(error instanceof ArchiveObjectError) || !error.at) throw error;
        work.outcome.refused.push({ ...error.at, reason: error.message });
        work.log.error({ err: error, month, alarm: 'archive-refused' }, 'the entities of a month are not as recorded');
        return;
      }
      work.outcome.months.push(month);
    }
  }

  /** Where the entities of a month are, an object after the other; its events are in objects. */
  private async listEntities(work: Work, month: readonly EntitiesRange[]): Promise<void> {
    for (;;) {
      work.signal.throwIfAborted();
      const ranges = planEntities(await sql.readUnlisted(this.pool, month), this.maxObjectEvents.entities);
      if (ranges.length === 0) return;
      const file = join(work.folder, String(work.next));
      const { listingKey } = work.comparison;
      const task = { kind: 'encode-entities', file, number: work.next, ranges, listingKey } as const;
      const encoded = await work.encoder.run(task);
      // before it is written, and locked for years; and once more when it has been read back
      await work.comparison.requireSameAsObjects(encoded);
      work.next += 1n;
      await this.begin(work, task, encoded);
      await work.storing;
    }
  }

  /**
   * The digests of each object of a month that has none yet, made of that object as the store has it: also long after
   * its events have left the database.
   */
  private async archiveDigests(work: Work): Promise<void> {
    const { store, encoder, folder, signal, outcome, log } = work;
    for (const { number, sha256, object_key: key, version_id: versionId } of await sql.listUndigested(this.pool)) {
      signal.throwIfAborted();
      const source = join(folder, 'month');
      const file = join(folder, String(work.next));
      try {
        await pipeline(Readable.from(store.read({ key, versionId })), createWriteStream(source));
        const object = { file: source, number, sha256 };
        const task = { kind: 'encode-digests', file, number: work.next, object } as const;
        const encoded = await encoder.run(task);
        work.next += 1n;
        await this.begin(work, task, encoded);
        await work.storing;
      } catch (error) {
        if (!(error instanceof ArchiveObjectError) && !(error instanceof ObjectMissing)) throw error;
        const { ledger, from_sequence: sequence } = (await sql.listObjectRanges(this.pool, number))[0]!;
        outcome.refused.push({ ledger, sequence, reason: `${key}: ${error.message}` });
        log.error(
          { err: error, object: key, alarm: 'archive-refused' },
          'no digests are made of an object that is not as it was archived: no month of its ledgers may be deleted',
        );
        return;
      }
    }
  }

  /** Objects of what is open, one after the other; false when something was refused. While one is stored and read back, the next one is encoded. */
  private async archiveOpen(work: Work, kind: EventsKind, open: Map<string, OpenLedger>): Promise<boolean> {
    let isWhole = true;
    const { encoder, folder, signal, outcome, log } = work;
    for (;;) {
      signal.throwIfAborted();
      const ranges = planObject(open.values(), this.maxObjectEvents[kind]);
      if (ranges.length === 0) break;
      const file = join(folder, String(work.next));
      const task = { kind: 'encode', file, object: { kind, number: work.next }, ranges } as const;
      let encoded: EncodedObject;
      try {
        encoded = await encoder.run(task);
      } catch (error) {
        if (!(error instanceof ArchiveObjectError) || !error.at) throw error;
        this.refuse(error, open, outcome, log);
        isWhole = false;
        continue;
      }
      for (const range of encoded.manifest.ranges) {
        const ledger = open.get(range.ledger)!;
        ledger.archived = BigInt(range.to_sequence);
        ledger.archivedHash = Buffer.from(range.last_event_hash, 'hex');
      }
      work.next += 1n;
      await this.begin(work, task, encoded);
    }
    await work.storing;
    return isWhole;
  }

  /** Begins to store an encoded object once the one before is catalogued; whoever awaits `storing` hears how it went. */
  private async begin(work: Work, task: EncodingTask, encoded: AnyEncoded): Promise<void> {
    await work.storing;
    work.signal.throwIfAborted();
    work.storing = this.storeAndCatalogue(work, task, encoded);
    work.storing.catch(() => undefined);
  }

  private async storeAndCatalogue(work: Work, task: EncodingTask, encoded: AnyEncoded): Promise<void> {
    await this.describeFormat(work);
    if (!(await this.storeUnderOwnName(work, task.file, encoded))) {
      await this.storeUnderAnotherName(work, task, encoded);
    }
    await rm(task.file);
    const { manifest } = encoded;
    work.outcome.objects += 1;
    work.outcome.bytes += encoded.bytes;
    if (!isEventsKind(manifest.kind)) return;
    for (const range of manifest.ranges) {
      work.outcome.events += BigInt(range.to_sequence) - BigInt(range.from_sequence) + 1n;
    }
  }

  /**
   * False where something stands under the name that cannot be this object: the same events give the same bytes, and so
   * the same name, which whoever reads the database and may write into the bucket can foresee. Nobody can remove that.
   */
  private async storeUnderOwnName(work: Work, file: string, encoded: AnyEncoded): Promise<boolean> {
    let version: PutResult | undefined;
    try {
      version = await this.put(work, file, encoded);
      await this.catalogue(work, version, encoded);
      return true;
    } catch (error) {
      const isForeign = error instanceof ObjectConflict || (version?.existed === true && isUnfit(error));
      if (!isForeign) throw error;
      const object = objectKey(encoded);
      work.outcome.intruders.push(object);
      work.log.error(
        { err: error, object, alarm: 'archive-unknown-object' },
        'somebody has put an object under the name of the next one: that is written under another name. See docs/archive.md',
      );
      return false;
    }
  }

  /** The same, with a number in it that nobody can foresee. */
  private async storeUnderAnotherName(work: Work, task: EncodingTask, before: AnyEncoded): Promise<void> {
    // the other thread may be at the next object
    const encoder = new ArchiveThread({ url: this.url, lockTimeoutMs: LOCK_TIMEOUT_MS });
    try {
      const encoded = await encoder.run({ ...task, nonce: randomBytes(NONCE_BYTES).toString('hex') });
      const ends = ({ manifest: { ranges } }: AnyEncoded): string[] => ranges.map((each) => each.last_event_hash);
      if (ends(encoded).join() !== ends(before).join())
        throw new Error(`${task.file} was encoded otherwise the second time`);
      await this.catalogue(work, await this.put(work, task.file, encoded), encoded);
    } finally {
      await encoder.close();
    }
  }

  private async put({ store }: Work, file: string, encoded: AnyEncoded): Promise<PutResult> {
    const { manifest } = encoded;
    const { retainUntil, recordClass } = await this.retentionOf(encoded);
    return store.put({
      ...encoded,
      key: objectKey(encoded),
      file,
      contentType: manifest.kind === 'digests' ? DIGESTS_TYPE : PARQUET_TYPE,
      metadata: { 'record-class': recordClass, reason: REGULATORY, format: manifest.format, number: manifest.number },
      retainUntil,
    });
  }

  /** Sees to it that what describes the format is there, and locked for longer than all that names it. */
  private async describeFormat({ store, log, outcome }: Work): Promise<void> {
    if (Date.now() - this.describedAt < DESCRIPTION_LOOK_MS) return;
    const intruder = await keepFormatDescription(this.pool, store, this.config.ARCHIVE_RETENTION_YEARS);
    if (intruder !== undefined) {
      outcome.intruders.push(intruder);
      log.error(
        { object: intruder, alarm: 'archive-unknown-object' },
        'something else stands under the name of the description of the format: events are archived all the same. See docs/archive.md',
      );
    }
    this.describedAt = Date.now();
  }

  private isDue(ends: readonly sql.ArchiveEnd[]): boolean {
    const { ARCHIVE_EXPORT_AGE: ageMs, ARCHIVE_EXPORT_EVENTS: events } = this.config;
    const open = ends
      .map(({ size, archived, age_seconds }) => ({ events: BigInt(size) - BigInt(archived), age: age_seconds }))
      .filter((ledger) => ledger.events > 0n);
    const total = open.reduce((sum, ledger) => sum + ledger.events, 0n);
    // a first row that is missing has no age, and must be told of
    return total >= BigInt(events) || open.some(({ age }) => age === null || age * 1000 >= ageMs);
  }

  /** Ledgers that were refused at the same place within the hour: nothing has changed, and others need not be hurried. */
  private isRefused({ ledger, archived }: sql.ArchiveEnd): boolean {
    const refusal = this.refusals.get(ledger);
    return refusal !== undefined && refusal.archived === archived && Date.now() - refusal.at < REFUSAL_MS;
  }

  /** Whether an event up to a sequence was refused within the hour. */
  private wasRefused(ledger: string, upTo: bigint): boolean {
    const refusal = this.refusals.get(ledger);
    return refusal !== undefined && BigInt(refusal.archived) < upTo && Date.now() - refusal.at < REFUSAL_MS;
  }

  /** Objects that were written and not catalogued before a crash: read back, compared with the rows, catalogued. */
  private async adopt(work: Work): Promise<void> {
    while (await this.adoptNext(work)) work.next += 1n;
  }

  private async adoptNext(work: Work): Promise<boolean> {
    for (const kind of ARCHIVE_KINDS) {
      for await (const version of work.store.list(`${kind}/${paddedNumber(work.next)}-`)) {
        if (version.isDeleteMarker) continue;
        try {
          const found = await this.readBack(work, version);
          if (found.manifest.kind !== kind || objectKey(found) !== version.key)
            throw new ArchiveObjectError('it is no object of its name');
          // of what was digested the rows may have left
          if (kind !== 'digests') {
            await this.requireNext(found.manifest);
            await this.requireSameAsRows(work, found);
          }
          await this.catalogue(work, version, found);
        } catch (error) {
          if (!isUnfit(error) || (await sql.readArchiveState(this.pool)).next !== work.next) throw error;
          if (error instanceof ArchiveObjectError && error.at) {
            const until = `${error.at.ledger} is left out until another object has its number: see docs/runbooks.md, TruetrailArchiveBehind`;
            work.outcome.refused.push({ ...error.at, reason: `${version.key}: ${error.message}; ${until}` });
          }
          work.log.error(
            { err: error, object: version.key, alarm: 'archive-unknown-object' },
            'an object of the archive is in no catalogue and is not what it should be',
          );
          continue;
        }
        work.log.info({ object: version.key }, 'an object that was written and not catalogued is catalogued now');
        work.outcome.adopted += 1;
        return true;
      }
    }
    return false;
  }

  /** Throws ArchiveObjectError for what does not go on where the catalogue ends, also that of a backup: it is nobody's next. */
  private async requireNext({ kind, ranges }: AnyManifest): Promise<void> {
    const ends = new Map((await sql.readKindEnds(this.pool, kind)).map((end) => [end.ledger, end]));
    for (const { ledger, from_sequence, previous_event_hash } of ranges) {
      const end = ends.get(ledger);
      const isNext =
        BigInt(from_sequence) === BigInt(end?.archived ?? 0) + 1n &&
        previous_event_hash === (end?.archived_hash?.toString('hex') ?? null);
      if (!isNext) {
        throw new ArchiveObjectError(`it has events of ${ledger} from ${from_sequence} on, which do not follow`);
      }
    }
  }

  private async requireSameAsRows({ folder }: Work, { manifest }: AnyEncoded): Promise<void> {
    for (const { ledger, to_sequence, last_event_hash } of manifest.ranges) {
      const last = BigInt(to_sequence);
      const [row] = await readStoredRows(this.pool, ledger, last, last, 1);
      if (!row && (await sql.mayLack(this.pool, ledger, last))) {
        if (isManifest(manifest)) await this.requireSameHead(join(folder, READ_BACK), ledger);
        // a new object of its number would stand beside it for ever
        throw new Error(
          `the archive holds event ${last} of ${ledger}, which the database lacks: it was restored from a backup. Nothing ` +
            'is archived until it is brought back by `truetrail recover` (docs/recovery.md)',
        );
      }
      if (row?.event_hash.toString('hex') !== last_event_hash) {
        throw new ArchiveObjectError(`it ends with an event ${to_sequence} of ${ledger} that is not the database's`, {
          ledger,
          sequence: to_sequence,
        });
      }
    }
  }

  /** Throws ArchiveObjectError where an object in a file has another event at which the ledger ends: it is of no later one. */
  private async requireSameHead(file: string, ledger: string): Promise<void> {
    const end = (await sql.readArchiveEnds(this.pool)).find((each) => each.ledger === ledger);
    const head = BigInt(end?.size ?? 0);
    const [row] = head === 0n ? [] : await readStoredRows(this.pool, ledger, head, head, 1);
    const found = row && (await readEventHash(file, ledger, head));
    if (!found || found.equals(row.event_hash)) return;
    throw new ArchiveObjectError(`it has another event ${head} of ${ledger} than the database`, {
      ledger,
      sequence: String(head),
    });
  }

  /** Reads a version back as a whole, recomputes it and puts it into the catalogue. */
  private async catalogue(work: Work, version: ObjectVersion, expected: AnyEncoded): Promise<void> {
    const found = await this.readBack(work, version);
    if (!found.sha256.equals(expected.sha256)) {
      throw new ArchiveObjectError(`${version.key} was read back with other bytes than were written`);
    }
    work.comparison.learn(found);
    await work.comparison.requireSameAsObjects(found);
    // one that was written long before it is catalogued is locked for as long as a new one
    const { retainUntil: wanted } = await this.retentionOf(found);
    const retainUntil = await this.lock(work, version, wanted);
    // a folder whose volume was unmounted meanwhile takes objects too, and is another store
    await claimStore(work.store, this.pool);
    await sql.catalogueObject(this.pool, {
      manifest: found.manifest,
      contents: found.contents,
      location: work.store.location,
      key: version.key,
      versionId: version.versionId,
      sha256: found.sha256,
      bytes: found.bytes,
      reason: REGULATORY,
      createdBy: work.requestedBy,
      retainUntil,
    });
  }

  /**
   * Sees to it that a version is locked until a time at least; until when it is. Throws ArchiveObjectError for one that
   * somebody has put there with a lock that can be taken off again.
   */
  private async lock({ store }: Work, version: ObjectVersion, wanted: Date): Promise<Date> {
    let lock = await store.describe(version);
    if (lock.retainUntil && !lock.isCompliance) {
      try {
        await store.extendRetention(version, wanted < lock.retainUntil ? lock.retainUntil : wanted);
        lock = await store.describe(version);
      } catch (cause) {
        if (!(cause instanceof StoreUnavailable)) throw cause;
        throw new ArchiveObjectError('whoever may can take its lock off, and it takes no other', undefined, { cause });
      }
    }
    if (!lock.retainUntil || !lock.isCompliance) {
      throw new Error(
        `${store.location}${version.key} is not locked: Object Lock in COMPLIANCE mode must be on for its bucket`,
      );
    }
    if (lock.retainUntil >= wanted) return lock.retainUntil;
    await store.extendRetention(version, wanted);
    return wanted;
  }

  private async readBack({ store, verifier, comparison, folder }: Work, version: ObjectVersion): Promise<AnyEncoded> {
    const file = join(folder, READ_BACK);
    await pipeline(Readable.from(store.read(version)), createWriteStream(file));
    return verifier.run({ kind: 'verify', file, listingKey: comparison.listingKey });
  }

  /** The greatest over the record classes of what an object holds; an index of entities goes with its events, digests outlive them. */
  private async retentionOf({ manifest, contents }: AnyEncoded): Promise<{ retainUntil: Date; recordClass: string }> {
    const { kind, ranges } = manifest;
    const last = ranges
      .map((range) => range.greatest_recorded_at)
      .sort()
      .at(-1)!;
    if (kind === 'early') return { retainUntil: earlyRetention(last, new Date()), recordClass: kind };
    const held = kind === 'month' ? contents : await contentsOfRanges(this.pool, ranges);
    const moreYears = kind === 'digests' ? DIGESTS_KEPT_YEARS : 0;
    const kept = await keptUntil(this.pool, held, last, this.config.ARCHIVE_RETENTION_YEARS, moreYears);
    return { retainUntil: new Date(kept.retain_until), recordClass: kept.record_class };
  }

  /** A ledger may never end before what is archived of it: somebody has cut it, or put back an old backup. */
  private refuseCut(open: Iterable<OpenLedger>, outcome: ExportOutcome, log: Logger): void {
    for (const { ledger, size, archived } of open) {
      if (size >= archived) continue;
      const reason = `the ledger ends at ${size}, and is archived up to ${archived}`;
      outcome.refused.push({ ledger, sequence: String(size), reason });
      log.error(
        { ledger, size: String(size), archived: String(archived), alarm: 'archive-refused' },
        'a ledger ends before what is archived of it',
      );
    }
  }

  /** A ledger of which an event is damaged is archived up to the event before it, and then no more. */
  private refuse(error: ArchiveObjectError, open: Map<string, OpenLedger>, outcome: ExportOutcome, log: Logger): void {
    const { ledger, sequence } = error.at!;
    const entry = open.get(ledger)!;
    const before = BigInt(sequence) - 1n;
    entry.size = before > entry.archived && before < entry.size ? before : entry.archived;
    this.refusals.set(ledger, { archived: String(entry.size), at: Date.now() });
    if (outcome.refused.every((each) => each.ledger !== ledger)) {
      outcome.refused.push({ ledger, sequence, reason: error.message });
    }
    log.error(
      { err: error, ledger, sequence, alarm: 'archive-refused' },
      'an event is not as it was recorded: nothing of its ledger is archived from there on. Have the ledger verified',
    );
  }
}

interface Work {
  store: ObjectStore;
  encoder: ArchiveThread;
  verifier: ArchiveThread;
  comparison: EntityComparison;
  folder: string;
  takeAll: boolean;
  requestedBy: string;
  signal: AbortSignal;
  log: Logger;
  outcome: ExportOutcome;
  /** the number of the next object */
  next: bigint;
  /** the object that is being stored, read back and catalogued */
  storing: Promise<void> | undefined;
}

/** Whether it says that an object is none that the catalogue could have next. */
function isUnfit(error: unknown): boolean {
  return error instanceof ArchiveObjectError || sqlState(error) === SqlState.objectOutOfTurn;
}

function grouped(ranges: readonly sql.SealedRange[]): [month: string, ranges: sql.SealedRange['range'][]][] {
  const months = new Map<string, sql.SealedRange['range'][]>();
  for (const { month, range } of ranges) months.set(month, [...(months.get(month) ?? []), range]);
  return [...months];
}

/** With nothing open unless its size is given. */
function openLedger({ ledger, origin, size, archived, archived_hash }: sql.KindEnd & { size?: string }): OpenLedger {
  return { ledger, origin, size: BigInt(size ?? archived), archived: BigInt(archived), archivedHash: archived_hash };
}
