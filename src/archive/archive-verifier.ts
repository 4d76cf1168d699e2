import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import { isDatabaseUnavailable } from '../database/availability.js';
import { DATABASE_URL, POOL } from '../database/tokens.js';
import { readStoredRows } from '../events/stored-events.js';
import { ARCHIVE_KINDS, ArchiveObjectError, objectKey, type RangeFacts } from './archive-format.js';
import * as sql from './archive-catalogue.sql.js';
import { claimStore, MARKER_KEY, OBJECT_STORE, SIGNED_PREFIXES } from './archive-store.js';
import type { EncodedObject } from './archive-object.js';
import type { AnyEncoded } from './archive-tasks.js';
import { ArchiveThread } from './archive-thread.js';
import { EntityComparison } from './entity-comparison.js';
import { isDescriptionKey, isDescriptionOf } from './format-description.js';
import { LateExecutionList } from './late-execution-list.js';
import { ObjectMissing, type ListedVersion, type ObjectStore } from './object-store.js';
import { makeWorkingFolder } from './working-folder.js';

/** What is wrong with an object of the archive, or with the catalogue's word on it. */
export type ArchiveFindingKind =
  /** the version that counts is not there */
  | 'object-missing'
  /** its bytes are not those that were catalogued */
  | 'object-changed'
  /** it is not locked, or not for as long as it was */
  | 'object-unlocked'
  /** a later version or a delete marker stands before it */
  | 'object-hidden'
  /** it is in the store and in no catalogue */
  | 'object-unknown'
  /** it could not be looked at: nothing is known of it */
  | 'object-unreadable'
  /** the catalogue, or the list of late executions, says otherwise than the object, or than the rows that are still here */
  | 'catalogue';

export interface ArchiveFinding {
  kind: ArchiveFindingKind;
  /** null where it is about what no object holds */
  object_key: string | null;
  /** null where it is about an object that no ledger is known of */
  ledger: string | null;
  sequence: string | null;
  detail: string;
}

export interface ArchiveVerificationOutcome {
  objects: number;
  /** of them read as a whole and recomputed */
  read: number;
  /** that could not be looked at */
  unread: number;
  /** why it ended before the last object; null when it did not */
  reason: string | null;
  findings: ArchiveFinding[];
  /** objects that are whole and hold what was archived by others as well: written, and never catalogued */
  duplicates: number;
  /** early objects whose lock was moved on */
  extended: number;
  /** that were removed, at the end of retention or as superseded, and are not looked for */
  removed: number;
  /** months that had left before their late executions were listed, and are listed now */
  listed: string[];
}

const NUMBERED = new RegExp(`^(?:${ARCHIVE_KINDS.join('|')})/([0-9]{12})-`);
const LOCK_TIMEOUT_MS = 10_000;
const PAGE_OBJECTS = 500;
/** Of a run that is no complete one: the newest, and those that were not read for the longest time. */
const NEWEST_READ = 10;
/** So many in a row, and it is the store and not the objects. */
const MAX_UNREADABLE = 5;
/** Of a run that is no complete one: so many months of which all is read to list their late executions. */
const MONTHS_TO_LIST = 3;
const DAY_MS = 86_400_000;
/** An early object of which there is no month object yet is kept locked for this long at least. */
const LEAST_LOCK_DAYS = 45;
const EXTENDED_LOCK_DAYS = 60;

/** Level 3 of verification: the archive against its catalogue, against itself, and against the rows that are still here. */
@Injectable()
export class ArchiveVerifier {
  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(DATABASE_URL) private readonly url: string,
    @Inject(OBJECT_STORE) private readonly store: ObjectStore | null,
  ) {}

  /**
   * `complete`: every object is read and recomputed; otherwise a sample is. What is found goes into `outcome`, where it is
   * also when this throws: StoreUnavailable, the database's errors.
   */
  async run(complete: boolean, signal: AbortSignal, outcome = nothingVerified()): Promise<ArchiveVerificationOutcome> {
    const store = this.store?.within(signal);
    if (!store) return outcome;
    const { next } = await sql.readArchiveState(this.pool);
    await claimStore(store, this.pool);
    const unread = await sql.longestUnread(this.pool);
    const list = await LateExecutionList.toComplete(this.pool, complete ? null : MONTHS_TO_LIST);
    const isNew = (number: string): boolean => next - BigInt(number) <= NEWEST_READ;
    const isRead = (number: string): boolean =>
      complete || isNew(number) || unread.has(number) || list.wanted.has(number);
    const scope: Scope = { isAsked: () => true, isRead, list };
    await this.verify(store, scope, signal, outcome, async (versions, means) => {
      const { next: nextNow } = await sql.readArchiveState(this.pool);
      for await (const version of versions.rest()) {
        const { key, isDeleteMarker } = version;
        const number = BigInt(NUMBERED.exec(key)?.[1] ?? 0);
        // what was catalogued since, and what is being written at this moment
        if (key === MARKER_KEY || SIGNED_PREFIXES.some((prefix) => key.startsWith(prefix))) continue;
        if (number >= next && number <= nextNow) continue;
        if (isDescriptionKey(key)) {
          if (!isDeleteMarker) means.described.delete(key);
          try {
            outcome.findings.push(...(await this.findingsOfDescription(store, version)));
          } catch (error) {
            signal.throwIfAborted();
            outcome.unread += 1;
            outcome.findings.push(finding('object-unreadable', key, (error as Error).message));
          }
          continue;
        }
        const isDuplicate =
          !isDeleteMarker && number > 0n && (await this.isDuplicate(means, version).catch(() => false)); // then it is named
        if (isDuplicate) {
          outcome.duplicates += 1;
          continue;
        }
        const what = isDeleteMarker ? 'a delete marker' : 'an object';
        outcome.findings.push(finding('object-unknown', key, `${what} that no catalogue has`));
      }
      for (const key of means.described) {
        outcome.findings.push(finding('object-missing', key, 'objects name it as what describes them'));
      }
      outcome.listed = await list.finish();
      for (const { ledger, sequence, detail } of await list.strays()) {
        outcome.findings.push({ kind: 'catalogue', object_key: null, ledger, sequence, detail });
      }
    });
    return outcome;
  }

  /** What is wrong with a description of the formats, of this release or another: objects name it by its SHA-256. */
  private async findingsOfDescription(store: ObjectStore, version: ListedVersion): Promise<ArchiveFinding[]> {
    const { key, versionId, isDeleteMarker } = version;
    if (isDeleteMarker) return [finding('object-hidden', key, 'a delete marker stands before it')];
    const oldest = (await store.versionsOf(key)).find((each) => !each.isDeleteMarker);
    if (versionId !== oldest?.versionId)
      return [finding('object-unknown', key, `its version ${versionId} is a later one`)];
    const bytes = await store.readRange(version, 0, version.bytes);
    if (!isDescriptionOf(key, bytes)) return [finding('object-changed', key, 'its bytes are not those of its name')];
    const { retainUntil, isCompliance } = await store.describe(version);
    return retainUntil && isCompliance ? [] : [finding('object-unlocked', key, 'nothing locks it')];
  }

  /** Reads some objects and recomputes them. What is found is in `outcome` also when this throws, as StoreUnavailable. */
  async verifyObjects(
    numbers: ReadonlySet<string>,
    signal: AbortSignal,
    outcome = nothingVerified(),
  ): Promise<ArchiveVerificationOutcome> {
    const store = this.store?.within(signal);
    if (!store || numbers.size === 0) return outcome;
    await claimStore(store, this.pool);
    const isAsked = (number: string): boolean => numbers.has(number);
    const list = new LateExecutionList(this.pool);
    await this.verify(store, { isAsked, isRead: isAsked, list }, signal, outcome);
    return outcome;
  }

  /** Reads the digests of a month that were not read for five days, and recomputes them. Throws StoreUnavailable. */
  async verifyDigests(month: string, signal: AbortSignal): Promise<ArchiveVerificationOutcome> {
    const numbers = await sql.digestsToVerify(this.pool, month);
    return numbers.size > 0 ? this.verifyObjects(numbers, signal) : nothingVerified();
  }

  private async verify(
    store: ObjectStore,
    { isAsked, isRead, list }: Scope,
    signal: AbortSignal,
    outcome: ArchiveVerificationOutcome,
    atEnd?: (versions: Versions, means: Means) => Promise<void>,
  ): Promise<void> {
    const folder = await makeWorkingFolder('archive');
    const thread = new ArchiveThread({ url: this.url, lockTimeoutMs: LOCK_TIMEOUT_MS });
    const versions = new Versions(store);
    const left = await sql.readArchivedEnds(this.pool);
    const comparison = new EntityComparison(this.pool, store, thread, folder);
    const means: Means = { store, thread, folder, comparison, left, described: new Set(), list, signal };
    try {
      let unreadable = 0;
      for (let from = 1n; ;) {
        const objects = await sql.listObjects(this.pool, from, PAGE_OBJECTS);
        if (objects.length === 0) break;
        for (const object of objects.filter(({ number }) => isAsked(number))) {
          signal.throwIfAborted();
          if (object.removed_at !== null) {
            await this.passRemoved(object, versions, outcome);
            continue;
          }
          outcome.objects += 1;
          const isToBeRead = isRead(object.number);
          try {
            await this.verifyObject(means, object, versions, isToBeRead, outcome);
            if (isToBeRead) outcome.read += 1;
            unreadable = 0;
          } catch (error) {
            signal.throwIfAborted();
            if (isDatabaseUnavailable(error)) throw error;
            outcome.unread += 1;
            outcome.findings.push(finding('object-unreadable', object.object_key, (error as Error).message));
            if (++unreadable < MAX_UNREADABLE) continue;
            outcome.reason = `the store does not answer: ${(error as Error).message}`;
            return;
          }
        }
        from = BigInt(objects.at(-1)!.number) + 1n;
      }
      await atEnd?.(versions, means);
    } finally {
      await thread.close();
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** What is left under the name of an object that was removed. */
  private async passRemoved(
    { object_key: key, version_id: versionId, removed_at: removedAt }: sql.VerifiedObject,
    versions: Versions,
    outcome: ArchiveVerificationOutcome,
  ): Promise<void> {
    outcome.removed += 1;
    for await (const listed of versions.of(key)) {
      if (listed.isDeleteMarker) continue;
      const what = listed.versionId === versionId ? `was removed at ${removedAt}, and is there` : 'is in no catalogue';
      outcome.findings.push(finding('object-unknown', key, `its version ${listed.versionId} ${what}`));
    }
  }

  /**
   * Whether an object that no catalogue has is whole, of its name, and holds nothing but what was recorded: an exporter
   * has left it that lost its turn while it wrote, and another one has archived the same.
   */
  private async isDuplicate({ store, thread, folder, comparison }: Means, version: ListedVersion): Promise<boolean> {
    const file = join(folder, 'object');
    await pipeline(Readable.from(store.read(version)), createWriteStream(file));
    let found: AnyEncoded;
    try {
      found = await thread.run({ kind: 'verify', file, listingKey: comparison.listingKey });
      await comparison.requireSameAsObjects(found);
    } catch (error) {
      if (error instanceof ArchiveObjectError) return false;
      throw error;
    }
    if (version.key !== objectKey(found)) return false;
    for (const { ledger, to_sequence, last_event_hash } of found.manifest.ranges) {
      const last = BigInt(to_sequence);
      const [row] = await readStoredRows(this.pool, ledger, last, last, 1);
      const known = row?.event_hash.toString('hex') ?? (await sql.archivedHashAt(this.pool, ledger, to_sequence));
      if (known !== last_event_hash) return false;
    }
    return true;
  }

  private async verifyObject(
    means: Means,
    object: sql.VerifiedObject,
    versions: Versions,
    isRead: boolean,
    outcome: ArchiveVerificationOutcome,
  ): Promise<void> {
    const { store, left } = means;
    const ranges = await sql.listObjectRanges(this.pool, object.number);
    const { ledger = null, from_sequence: sequence = null } = ranges[0] ?? {};
    const { object_key: key, version_id: versionId } = object;
    const foundBefore = outcome.findings.length;
    const say = (kind: ArchiveFindingKind, detail: string, at = { ledger, sequence }): void => {
      outcome.findings.push({ ...finding(kind, key, detail), ...at });
    };
    for await (const listed of versions.of(key)) {
      if (listed.versionId === versionId) {
        if (!listed.isLatest) say('object-hidden', 'a later version or a delete marker stands before it');
      } else if (!listed.isDeleteMarker) say('object-unknown', `its version ${listed.versionId} is in no catalogue`);
    }
    for (const { ledger: of, to_sequence, last_event_hash } of ranges) {
      const last = BigInt(to_sequence);
      if (last <= (left.get(of) ?? 0n)) continue; // its row is gone, as it should be
      const [row] = await readStoredRows(this.pool, of, last, last, 1);
      if (row?.event_hash.toString('hex') === last_event_hash) continue;
      if (!row && last <= ((await sql.readArchivedEnds(this.pool)).get(of) ?? 0n)) continue; // it left just now
      const what = row ? 'in the database is not the archived one' : 'is archived and not in the database';
      say('catalogue', `event ${to_sequence} of ${of} ${what}`, { ledger: of, sequence: to_sequence });
    }
    try {
      const { bytes, retainUntil, isCompliance } = await store.describe({ key, versionId });
      if (String(bytes) !== object.bytes) say('object-changed', `it has ${bytes} bytes, and had ${object.bytes}`);
      const known = new Date(object.retain_until);
      if (!retainUntil || !isCompliance) say('object-unlocked', 'nothing locks it');
      else if (retainUntil.getTime() < known.getTime()) {
        say('object-unlocked', `it is locked until ${retainUntil.toISOString()}, and was until ${object.retain_until}`);
      }
      let isRight = false;
      if (isRead) isRight = await this.readThrough(means, object, ranges, say);
      let until = retainUntil ?? known;
      if (object.kind === 'early' && !object.is_superseded && until.getTime() < Date.now() + LEAST_LOCK_DAYS * DAY_MS) {
        until = new Date(Math.ceil(Date.now() / 1000) * 1000 + EXTENDED_LOCK_DAYS * DAY_MS);
        await store.extendRetention({ key, versionId }, until);
        outcome.extended += 1;
      }
      // nothing counts as verified of which anything was found: a drop would rely on it
      await sql.noteObject(this.pool, object.number, until, isRight && outcome.findings.length === foundBefore);
    } catch (error) {
      if (!(error instanceof ObjectMissing)) throw error;
      // a removal that has begun may have been done, by somebody who was killed before saying so
      if (!object.removal_begun) say('object-missing', `its version ${versionId} is not there`);
    } finally {
      if (outcome.findings.length > foundBefore) await sql.noteFinding(this.pool, object.number);
    }
  }

  private async readThrough(
    { store, thread, folder, comparison, described, list, signal }: Means,
    object: sql.CataloguedObject,
    ranges: readonly sql.RangeOfObject[],
    say: (kind: ArchiveFindingKind, detail: string, at?: { ledger: string; sequence: string }) => void,
  ): Promise<boolean> {
    const { object_key: key, version_id: versionId } = object;
    const file = join(folder, 'object');
    await pipeline(Readable.from(store.read({ key, versionId })), createWriteStream(file));
    let found: AnyEncoded;
    try {
      const { listingKey } = comparison;
      found = await thread.run({ kind: 'verify', file, listingKey, withLateExecutions: true });
      comparison.learn(found);
      await comparison.requireSameAsObjects(found);
    } catch (error) {
      if (!(error instanceof ArchiveObjectError)) throw error;
      say('object-changed', error.message, error.at);
      return false;
    }
    if (isDescriptionKey(found.manifest.described_in)) described.add(found.manifest.described_in);
    let isRight = true;
    const wrong: typeof say = (...what) => {
      isRight = false;
      say(...what);
    };
    if (found.sha256.toString('hex') !== object.sha256)
      wrong('object-changed', 'its SHA-256 is not the catalogued one');
    if (found.manifest.kind !== object.kind) wrong('catalogue', `it is of the kind ${found.manifest.kind}`);
    if (found.manifest.number !== object.number) wrong('catalogue', `it is object ${found.manifest.number}`);
    const said = new Map<string, RangeFacts>(found.manifest.ranges.map((range) => [range.ledger, range]));
    for (const range of ranges) {
      const at = { ledger: range.ledger, sequence: range.from_sequence };
      const own = said.get(range.ledger);
      const differs = (Object.keys(range) as (keyof typeof range)[]).find((name) => own?.[name] !== range[name]);
      if (differs !== undefined) wrong('catalogue', `${differs} of ${range.ledger} is not what the object says`, at);
    }
    if (said.size !== ranges.length) wrong('catalogue', 'it holds other ledgers than the catalogue says');
    if (isRight && isOfMonth(found)) {
      await list.enter(object.number, found.lateExecutions, signal);
      for await (const { detail, ...at } of list.differences(found.manifest.ranges, found.lateExecutions, signal)) {
        say('catalogue', detail, at);
      }
    }
    return isRight;
  }
}

/** What a verification begins with. */
export function nothingVerified(): ArchiveVerificationOutcome {
  return {
    objects: 0,
    read: 0,
    unread: 0,
    reason: null,
    findings: [],
    duplicates: 0,
    extended: 0,
    removed: 0,
    listed: [],
  };
}

function finding(kind: ArchiveFindingKind, key: string, detail: string): ArchiveFinding {
  return { kind, object_key: key, ledger: null, sequence: null, detail };
}

/** An object of a month of which its late executions were asked for. */
function isOfMonth(found: AnyEncoded): found is EncodedObject & Required<Pick<EncodedObject, 'lateExecutions'>> {
  return 'lateExecutions' in found;
}

/** Which objects a verification looks at, which of them it reads, and what it holds those of months against. */
interface Scope {
  isAsked: (number: string) => boolean;
  isRead: (number: string) => boolean;
  list: LateExecutionList;
}

interface Means {
  store: ObjectStore;
  thread: ArchiveThread;
  folder: string;
  comparison: EntityComparison;
  /** descriptions of formats that objects which were read name, and that were not seen */
  described: Set<string>;
  /** up to where ledgers have left PostgreSQL */
  left: ReadonlyMap<string, bigint>;
  list: LateExecutionList;
  signal: AbortSignal;
}

/** What is in a store, taken object by object beside the catalogue: of a kind, both come in the same order. */
class Versions {
  private readonly folders = new Map<string, ByKey>();

  constructor(private readonly store: ObjectStore) {}

  /** The versions under a key, which must not lie before the last one that was asked for in its folder. */
  of(key: string): AsyncGenerator<ListedVersion> {
    const folder = key.slice(0, key.indexOf('/') + 1);
    const listed = this.folders.get(folder) ?? new ByKey(this.store.list(folder));
    this.folders.set(folder, listed);
    return listed.of(key);
  }

  /** What no key asked for. */
  async *rest(): AsyncGenerator<ListedVersion> {
    for (const folder of this.folders.values()) yield* folder.rest();
    for await (const version of this.store.list('')) {
      if (!this.folders.has(version.key.slice(0, version.key.indexOf('/') + 1))) yield version;
    }
  }
}

/** A listing in the order of keys, taken key by key beside the catalogue, whose keys come in the same order. */
class ByKey {
  private readonly iterator: AsyncIterator<ListedVersion>;
  private ahead: ListedVersion | undefined;
  private readonly passed: ListedVersion[] = [];

  constructor(listing: AsyncIterable<ListedVersion>) {
    this.iterator = listing[Symbol.asyncIterator]();
  }

  /** The versions under a key; what lies before it belongs to nobody. */
  async *of(key: string): AsyncGenerator<ListedVersion> {
    for (;;) {
      this.ahead ??= await this.next();
      if (!this.ahead || this.ahead.key > key) return;
      if (this.ahead.key === key) yield this.ahead;
      else this.passed.push(this.ahead);
      this.ahead = undefined;
    }
  }

  /** What no key asked for. */
  async *rest(): AsyncGenerator<ListedVersion> {
    yield* this.passed;
    for (let version = this.ahead ?? (await this.next()); version; version = await this.next()) yield version;
  }

  private async next(): Promise<ListedVersion | undefined> {
    const next = await this.iterator.next();
    return next.done === true ? undefined : next.value;
  }
}
