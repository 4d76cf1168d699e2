import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { connectionOptions } from '../database/connection.js';
import { takeAlone } from '../database/work-alone.js';
import { addMonths, monthOf, type Month } from '../partitions/months.js';
import {
  ARCHIVE_KINDS,
  ArchiveObjectError,
  isEventsKind,
  isManifest,
  objectKey,
  type AnyManifest,
} from './archive-format.js';
import type { AnyEncoded } from './archive-tasks.js';
import { newListingKey } from './entity-sums.js';
import { readMarker } from './archive-store.js';
import { chooseObjects, type FoundObject, type KnownObject } from './rebuild-choice.js';
import { keeps } from './recorded-hold.js';
import {
  inOrder,
  readServiceRecords,
  RetentionRecords,
  type RecordedRange,
  type ReferenceEvent,
  type ServiceRecords,
} from './retention-records.js';
import { ArchiveThread } from './archive-thread.js';
import { loadCompression } from './parquet-file.js';
import { stepsOf, type RowsMeans } from './object-rows.js';
import type { ListedVersion, ObjectDescription, ObjectStore } from './object-store.js';
import * as sql from './rebuild.sql.js';
import type { RowsToCopy } from './rows-to-copy.js';
import { makeWorkingFolder } from './working-folder.js';

const LOCK_TIMEOUT_MS = 10_000;
const REGULATORY = 'regulatory';

export interface RebuildOptions {
  store: ObjectStore;
  /** the login that owns the schema, which is migrated and empty */
  ownerUrl: string;
  /** months that ended earlier than this many months ago, and are archived as a whole, stay in the archive */
  onlineMonths: number;
  now: Date;
  /** whether locks that no known policy gives are taken for set by hand */
  acceptLongerLocks: boolean;
  /** so many threads read objects back and recompute them at the same time */
  parallel: number;
  log: (message: string) => void;
}

export interface RebuiltTrail {
  objects: number;
  /** keys of objects that the store has a legal hold on, and that no hold on record keeps */
  heldOtherwise: string[];
  ledgers: { ledger: string; size: string; archived_to: string; recorded_at: string }[];
}

/**
 * Makes an empty database the one that an archive is of: ledgers, events, keys, months and the catalogue. Every object is
 * read back and recomputed first. What was never archived is not there: each ledger ends where its archive does.
 *
 * All of it is one transaction: killed midway, it leaves the database as empty as it was, and nobody sees a part of it.
 * Until it ends no other rebuild or recovery begins on the database, and no service starts on it.
 *
 * Throws an Error for the operator when the database is not empty, when the archive is not whole, and when an object is
 * locked for longer than the policies say that there are records of; nothing has changed then.
 */
export async function rebuild(options: RebuildOptions): Promise<RebuiltTrail> {
  const { store, ownerUrl, parallel, log } = options;
  const marker = await readMarker(store);
  if (!marker) throw new Error(`${store.location} holds no archive: it has no store.json`);
  const owner = new pg.Client(
    connectionOptions({
      url: ownerUrl,
      asService: false,
      applicationName: 'truetrail rebuild',
      lockTimeoutMs: LOCK_TIMEOUT_MS,
    }),
  );
  owner.on('error', () => undefined); // the query that meets it fails
  await owner.connect();
  const folder = await makeWorkingFolder('rebuild');
  const settings = { url: ownerUrl, lockTimeoutMs: LOCK_TIMEOUT_MS };
  const threads = Array.from({ length: parallel }, () => new ArchiveThread(settings));
  let isUndone = false;
  try {
    await takeAlone(owner, 'rebuild');
    await owner.query('BEGIN');
    requireEmpty(await sql.lockDeployment(owner), marker.deployment, store);
    await loadCompression();
    const read = await readObjects(store, threads, folder, log);
    isUndone = true;
    await owner.query('SAVEPOINT nothing');
    let trail: RebuiltTrail | undefined;
    while (!trail) {
      try {
        trail = await fill(owner, read, { ...options, threads, folder, marker });
      } catch (error) {
        if (!(error instanceof RecordedTwice)) throw error;
        await owner.query('ROLLBACK TO SAVEPOINT nothing');
        leaveOut(read, error);
        log(`${error.object.version.key} is left out: ${error.message}. What was taken is taken anew`);
      }
    }
    isUndone = false; // a connection that is lost now leaves all of it or nothing
    await owner.query('COMMIT');
    return trail;
  } catch (error) {
    if (isUndone) log('Nothing was changed: what had been taken is out of the database again');
    throw error;
  } finally {
    for (const thread of threads) await thread.close();
    await owner.end();
    await rm(folder, { recursive: true, force: true });
  }
}

/** In the caller's transaction. Throws RecordedTwice for an object without which it is to be done again. */
async function fill(
  owner: pg.Client,
  read: ReadObjects,
  {
    store,
    threads,
    folder,
    marker,
    onlineMonths,
    now,
    acceptLongerLocks,
    log,
  }: RebuildOptions & RowsMeans & { marker: { deployment: string; id: string } },
): Promise<RebuiltTrail> {
  const { objects, records, reference } = choose(read);
  const plan = planOf(objects, records, onlineMonths, now);
  const months = new Map<Month, sql.UnindexedMonth>();
  for (const month of plan.onlineMonths) months.set(month, await sql.createUnindexedMonth(owner, month));
  const keys = await sql.unindexKeys(owner);
  for (const ledger of plan.ledgers.values()) await sql.insertLedger(owner, ledger);
  for (const [month, ranges] of plan.droppedMonths) await sql.insertDroppedMonth(owner, month, ranges);
  await sql.insertSuccessions(owner, records.successions);
  await sql.insertPolicies(owner, [...records.policies.values()]);
  for (const deletion of records.deletions.values()) await sql.insertDeletion(owner, deletion);
  for (const hold of records.holds.values()) await sql.insertHold(owner, hold);
  const held = new Map<string, string>();
  for await (const step of stepsOf(objects, plan, { store, threads, folder })) {
    if ('removed' in step) await sql.insertRemovedObject(owner, step.removed);
    else if ('rows' in step) await copyRows(owner, months, await step.rows);
    else {
      const { found, described } = step;
      if (await enter(owner, store, found, await described)) held.set(found.encoded.manifest.number, found.version.key);
      log(`${found.version.key} is taken`);
    }
  }
  const [repeated] = await sql.indexKeys(owner, keys);
  if (repeated) throw new RecordedTwice(holderOf(objects, plan, repeated), repeated.ledger, repeated.cause);
  for (const month of months.values()) await sql.indexMonth(owner, month);
  await sql.analyze(owner);
  await refuseShorterRetention(owner, acceptLongerLocks);
  const otherwise = await sql.insertObjectHolds(owner, [...held.keys()]);
  await sql.insertReferenceData(owner, reference);
  const [first] = plan.ledgers.values();
  await sql.insertDeployment(owner, {
    id: marker.deployment,
    logOrigin: first!.origin.slice(0, -first!.ledger.length - 1),
    createdAt: [...plan.ledgers.values()].map(({ created_at }) => created_at).sort()[0]!,
    storeId: marker.id,
    location: store.location,
  });
  return {
    objects: objects.length,
    heldOtherwise: otherwise.map((number) => held.get(number)!),
    ledgers: [...plan.ledgers.values()],
  };
}

function leaveOut({ found, recordsIn, leftOut }: ReadObjects, { object, message }: RecordedTwice): void {
  const { number } = object.encoded.manifest;
  const others = found.get(number)!.filter((each) => each !== object);
  if (others.length > 0) found.set(number, others);
  else found.delete(number);
  recordsIn.delete(object);
  leftOut.push({ version: object.version, reason: message, mayBeDamaged: false });
}

/** Throws an Error for the operator who is to know what it is that would be mixed with the trail of the archive. */
function requireEmpty(before: sql.HeldBefore, deployment: string, store: ObjectStore): void {
  if (before.is === 'nothing') return;
  const what =
    before.is === 'part'
      ? 'it holds a part of a trail, as a rebuild of an earlier release left that was broken off. Drop it, and make a new one'
      : before.deployment === deployment
        ? `it is that of this archive already, which was rebuilt, or was never lost. \`truetrail recover\` brings back what it lacks of what was signed and archived, and \`truetrail verify\` verifies it, before the service starts: see docs/recovery.md`
        : `it is that of another installation (${before.logOrigin}) than ${store.location}. Give an empty one by DATABASE_URL, or the ARCHIVE_URL of its own archive`;
  throw new Error(`The database is not empty: ${what}. Nothing was changed`);
}

/** A version in the folder of a kind that is none of the archive's objects. */
interface LeftOut {
  version: ListedVersion;
  reason: string;
  /** it may have been one: its bytes are not those that its name tells of */
  mayBeDamaged: boolean;
}

/** Whole objects by their numbers, what those of events say that the service did, and what is none. */
interface ReadObjects {
  found: Map<string, FoundObject[]>;
  recordsIn: Map<FoundObject, ServiceRecords>;
  leftOut: LeftOut[];
}

/** An object holds an event id that its ledger has already: the service records none twice, so it did not write it. */
class RecordedTwice extends Error {
  constructor(
    readonly object: FoundObject,
    ledger: string,
    cause: unknown,
  ) {
    super(`it holds an event id of ${ledger} that is in the ledger already, as the service never records one`, {
      cause,
    });
  }
}

/** As objectKey makes them: the number, and the beginning of the SHA-256. */
const OBJECT_NAME = /^[a-z]+\/([0-9]{12,18})-([0-9a-f]{16})\.[a-z]+$/;

/**
 * Every object by its number, each read back and recomputed. Of several of one number the one that goes on from what is
 * there counts: the others were left by exporters that had lost their turn. One that was removed, at the end of retention
 * or as superseded, is known by the record of that. The bucket may hold anything beside them, which must not keep an archive
 * from being read: what is no object, is one under another name, or is not locked as all are, is left out and told of.
 */
async function readObjects(
  store: ObjectStore,
  threads: readonly ArchiveThread[],
  folder: string,
  log: (message: string) => void,
): Promise<ReadObjects> {
  const read: ReadObject[] = [];
  const listingKey = newListingKey();
  const versions = listObjects(store);
  // each takes the next one of the same listing; when one fails, the listing ends for all
  const done = await Promise.allSettled(
    threads.map(async (thread, i) => {
      const file = join(folder, `object-${i}`);
      for await (const [place, version] of versions) {
        read[place] = await readObject(store, thread, file, version, listingKey);
        log(`${version.key} is ${read[place].reason === undefined ? 'whole' : `left out: ${read[place].reason}`}`);
      }
    }),
  );
  const failed = done.find(({ status }) => status === 'rejected');
  if (failed) throw (failed as PromiseRejectedResult).reason;
  const found = new Map<string, FoundObject[]>();
  const recordsIn = new Map<FoundObject, ServiceRecords>();
  const leftOut: LeftOut[] = [];
  for (const each of read) {
    if (each.reason !== undefined) {
      leftOut.push(each);
      continue;
    }
    const { object, records } = each;
    const { number } = object.encoded.manifest;
    found.set(number, [...(found.get(number) ?? []), object]);
    if (records) recordsIn.set(object, records);
  }
  if (found.size === 0) {
    throw new Error(`${store.location} holds no object: there is nothing to rebuild from${named(leftOut)}`);
  }
  return { found, recordsIn, leftOut };
}

/** Of each name in the folders of the archive's kinds its oldest version, which counts, and its place among them. */
async function* listObjects(store: ObjectStore): AsyncGenerator<[place: number, version: ListedVersion]> {
  let place = 0;
  for (const kind of ARCHIVE_KINDS) {
    let lastKey = '';
    for await (const version of store.list(`${kind}/`)) {
      if (version.isDeleteMarker || version.key === lastKey) continue;
      lastKey = version.key;
      yield [place++, version];
    }
  }
}

type ReadObject = LeftOut | { object: FoundObject; records: ServiceRecords | undefined; reason?: undefined };

async function readObject(
  store: ObjectStore,
  thread: ArchiveThread,
  file: string,
  version: ListedVersion,
  listingKey: string,
): Promise<ReadObject> {
  await pipeline(Readable.from(store.read(version)), createWriteStream(file));
  let encoded: AnyEncoded;
  try {
    encoded = await thread.run({ kind: 'verify', file, listingKey });
    await requireOfArchive(store, version, encoded);
  } catch (error) {
    if (!(error instanceof ArchiveObjectError)) throw error;
    const [, , digest] = OBJECT_NAME.exec(version.key) ?? [];
    const mayBeDamaged = store.isChangeable && digest !== undefined && !(await sha256Of(file)).startsWith(digest);
    return { version, reason: error.message, mayBeDamaged };
  }
  const { manifest } = encoded;
  if (!isManifest(manifest)) return { object: { version, encoded }, records: undefined };
  const records = await readServiceRecords(file, encoded.bytes);
  // an archive has very many of them, and whoever copies the events reads them again
  const kept = { ...encoded, manifest: { ...manifest, row_groups: [] } } as AnyEncoded;
  return { object: { version, encoded: kept }, records };
}

/** What of all that was read the archive is. Throws when an object is missing otherwise, or the last one damaged. */
function choose({ found, recordsIn, leftOut }: ReadObjects): {
  objects: KnownObject[];
  records: RetentionRecords;
  reference: ReferenceEvent[];
} {
  let objects: KnownObject[];
  try {
    objects = chooseObjects(found, recordsOf([...recordsIn.values()]).removed);
  } catch (error) {
    throw new Error(`${(error as Error).message}${named(leftOut)}`, { cause: error });
  }
  // past the last one nothing shows that an object is missing
  const next = String(objects.length + 1).padStart(12, '0');
  const damaged = leftOut.filter(({ version: { key }, mayBeDamaged }) => {
    return mayBeDamaged && OBJECT_NAME.exec(key)![1] === next;
  });
  if (damaged.length > 0) {
    throw new Error(
      `the last object of the archive is damaged, or somebody has put a file after it: it is to be moved away if it was never one${named(damaged)}`,
    );
  }
  // what those say that do not count is of another history, or nobody's: the bucket may hold anything
  const counting = objects.flatMap(({ found: object }) => (object && recordsIn.get(object)) ?? []);
  const records = recordsOf(counting);
  for (const { removed } of objects) {
    if (!removed || records.removed.has(removed.number)) continue;
    throw new Error(
      `object ${removed.number} of the archive is not there, and only an object that does not count says that it was removed`,
    );
  }
  return { objects, records, reference: inOrder(counting.flatMap(({ reference }) => reference)) };
}

/** Throws ArchiveObjectError for a whole object that the exporter would not have written so. */
async function requireOfArchive(store: ObjectStore, version: ListedVersion, encoded: AnyEncoded): Promise<void> {
  if (version.key !== objectKey(encoded)) throw new ArchiveObjectError('it is no object of its name');
  const { retainUntil, isCompliance } = await store.describe(version);
  if (!retainUntil || !isCompliance) throw new ArchiveObjectError('it is not locked in COMPLIANCE mode');
}

function named(leftOut: readonly LeftOut[]): string {
  return leftOut.length === 0
    ? ''
    : ` (left out: ${leftOut.map(({ version, reason }) => `${version.key}: ${reason}`).join('; ')})`;
}

async function sha256Of(file: string): Promise<string> {
  const sha256 = createHash('sha256');
  await pipeline(createReadStream(file), sha256);
  return sha256.digest('hex');
}

/** Early objects, those of months and what was carried on hold the same events: each counts once. */
function recordsOf(found: readonly ServiceRecords[]): RetentionRecords {
  const records = new RetentionRecords();
  for (const event of inOrder(found.flatMap(({ retention }) => retention))) records.take(event);
  return records;
}

/** What the database will hold. */
interface Plan {
  ledgers: Map<string, sql.RebuiltLedger>;
  /** months whose events stay in the archive, and what they hold */
  droppedMonths: Map<string, RecordedRange[]>;
  /** all others that there are events of */
  onlineMonths: string[];
  /** of each ledger the last event that comes from the object of a month: early ones are taken from there on */
  monthEnds: Map<string, bigint>;
  /** of each ledger the last event whose row stays in the archive */
  archivedTo: Map<string, bigint>;
}

/** What an object is about, whether it is there or not. */
interface Held {
  kind: AnyManifest['kind'];
  ranges: readonly RecordedRange[];
}

function planOf(objects: readonly KnownObject[], records: RetentionRecords, onlineMonths: number, now: Date): Plan {
  const manifests: Held[] = objects.map(({ found, removed }) => removed ?? found.encoded.manifest);
  const monthEnds = ends(manifests, 'month');
  const oldest = addMonths(monthOf(now.toISOString()), -onlineMonths);
  const firstOnline = firstOnlineMonth(manifests, records, firstUnlistedMonth(manifests, oldest));
  const deletedMonths = new Set(records.begun().map(({ month }) => month));
  const droppedMonths = new Map<string, RecordedRange[]>();
  const online = new Set<string>();
  const archivedTo = new Map<string, bigint>();
  const ledgers = new Map<string, sql.RebuiltLedger>();
  for (const { kind, ranges } of manifests) {
    for (const range of ranges) {
      const month = monthOf(range.least_recorded_at);
      // what was deleted had left PostgreSQL before, whatever the setting is now
      const isOld = month < firstOnline || deletedMonths.has(month);
      if (kind === 'month' && isOld) {
        addRange(droppedMonths, month, range);
        archivedTo.set(range.ledger, BigInt(range.to_sequence));
      } else if (isEventsKind(kind) && BigInt(range.to_sequence) > (archivedTo.get(range.ledger) ?? 0n)) {
        for (let at = month; at <= monthOf(range.greatest_recorded_at); at = addMonths(at, 1)) online.add(at);
      }
      const before = ledgers.get(range.ledger);
      const isLast = !before || BigInt(range.to_sequence) > BigInt(before.size);
      ledgers.set(range.ledger, {
        ledger: range.ledger,
        origin: range.origin,
        size: isLast ? range.to_sequence : before.size,
        event_hash: isLast ? range.last_event_hash : before.event_hash,
        created_at: before && before.created_at < range.least_recorded_at ? before.created_at : range.least_recorded_at,
        recorded_at: isLast ? range.greatest_recorded_at : before.recorded_at,
        archived_to: '0',
      });
    }
  }
  for (const [ledger, to] of archivedTo) ledgers.get(ledger)!.archived_to = String(to);
  const dropped = [...droppedMonths.keys()];
  return {
    ledgers,
    droppedMonths,
    monthEnds,
    archivedTo,
    onlineMonths: [...online].filter((month) => !dropped.includes(month)).sort(),
  };
}

/**
 * The first month that is not in indexes of entities as a whole, or the given one if that comes before it. A month has several indexes,
 * and the archive may end between them: no part of it has left before it has all.
 */
function firstUnlistedMonth(manifests: readonly Held[], given: Month): Month {
  const listed = ends(manifests, 'entities');
  let first = given;
  for (const { ranges } of manifests.filter(({ kind }) => kind === 'month')) {
    for (const { ledger, to_sequence, least_recorded_at } of ranges) {
      const month = monthOf(least_recorded_at);
      if (month < first && BigInt(to_sequence) > (listed.get(ledger) ?? 0n)) first = month;
    }
  }
  return first;
}

/**
 * The month from which on all are in the database again. Months leave in their order, and one that a legal hold keeps there
 * keeps those after it, too; one that had left before the hold came up stays where it was.
 */
function firstOnlineMonth(manifests: readonly Held[], records: RetentionRecords, oldest: string): string {
  const holds = [...records.holds.values()];
  let first = oldest;
  for (const { ranges } of manifests.filter(({ kind }) => kind === 'month')) {
    for (const { ledger, least_recorded_at } of ranges) {
      const month = monthOf(least_recorded_at);
      if (month >= first || records.left.has(month)) continue;
      const line = new Set(records.lineOf(ledger));
      if (holds.some((hold) => keeps(hold, line, beginOf(month), beginOf(addMonths(month, 1))))) first = month;
    }
  }
  return first;
}

/** As times in records are written. */
function beginOf(month: string): string {
  return `${month}T00:00:00.000000Z`;
}

/** Of each ledger the last event in objects of a kind. */
function ends(manifests: readonly Held[], kind: Held['kind']): Map<string, bigint> {
  const found = new Map<string, bigint>();
  for (const { ranges } of manifests.filter((manifest) => manifest.kind === kind)) {
    for (const { ledger, to_sequence } of ranges) found.set(ledger, BigInt(to_sequence));
  }
  return found;
}

/** A month may be in several objects: their ranges follow each other. */
function addRange(months: Map<string, RecordedRange[]>, month: string, range: RecordedRange): void {
  const ranges = months.get(month) ?? [];
  const before = ranges.find(({ ledger }) => ledger === range.ledger);
  if (!before) ranges.push({ ...range });
  else {
    Object.assign(before, {
      to_sequence: range.to_sequence,
      greatest_recorded_at: range.greatest_recorded_at,
      last_event_hash: range.last_event_hash,
      least_timestamp: [before.least_timestamp, range.least_timestamp].sort()[0],
      greatest_timestamp: [before.greatest_timestamp, range.greatest_timestamp].sort()[1],
    });
  }
  months.set(month, ranges);
}

/**
 * Locks are set by policies. One that is longer than all that are known give was set by one that is not: records of its
 * class would be kept for a shorter time from here on.
 */
async function refuseShorterRetention(owner: pg.ClientBase, acceptLongerLocks: boolean): Promise<void> {
  if (acceptLongerLocks) return;
  const longer = await sql.listLongerLocks(owner);
  if (longer.length === 0) return;
  const [{ object_key, locked_until, retain_until }] = longer as [sql.LongerLock];
  throw new Error(
    `${longer.length} objects are locked for longer than any policy says that the archive has a record of: ${object_key} until ${locked_until}, by the policies ${retain_until === null ? 'not at all' : `until ${retain_until}`}. A retention policy is lost. If these locks were set by hand, begin again with --accept-longer-locks, and add the policies that are missing before the service records anything`,
  );
}

/** Keys, and the rows that do not stay in the archive. */
async function copyRows(
  owner: pg.Client,
  tables: ReadonlyMap<Month, sql.UnindexedMonth>,
  { keys, months, telling }: RowsToCopy,
): Promise<void> {
  await sql.copyKeys(owner, keys);
  if (telling.length > 0) await sql.insertLateExecutions(owner, telling);
  for (const { month, rows } of months) {
    const table = tables.get(month);
    if (!table) throw new Error(`there are events of ${month} that no object says that it holds`);
    await sql.copyEvents(owner, table, rows);
  }
}

/** The object of which a key was taken. */
function holderOf(
  objects: readonly KnownObject[],
  { monthEnds }: Plan,
  { ledger, sequence }: sql.RepeatedKey,
): FoundObject {
  const holder = objects.find(({ found }) => {
    if (!found || !isEventsKind(found.encoded.manifest.kind)) return false;
    const { kind, ranges } = found.encoded.manifest;
    if (kind !== 'month' && sequence <= (monthEnds.get(ledger) ?? 0n)) return false;
    return ranges.some((range) => {
      return (
        range.ledger === ledger && BigInt(range.from_sequence) <= sequence && sequence <= BigInt(range.to_sequence)
      );
    });
  });
  return holder!.found!;
}

/** Whether the store has a legal hold on it. */
async function enter(
  owner: pg.Client,
  store: ObjectStore,
  { version, encoded }: FoundObject,
  { retainUntil, metadata, legalHold }: ObjectDescription,
): Promise<boolean> {
  const { manifest, sha256, bytes } = encoded;
  if (!retainUntil) throw new Error(`${version.key} is not locked`);
  const events = manifest.ranges.reduce(
    (sum, { from_sequence, to_sequence }) => sum + BigInt(to_sequence) - BigInt(from_sequence) + 1n,
    0n,
  );
  await sql.insertObject(owner, {
    number: manifest.number,
    kind: manifest.kind,
    location: store.location,
    key: version.key,
    versionId: version.versionId,
    format: manifest.format,
    sha256,
    bytes,
    events: String(events),
    reason: metadata.reason ?? REGULATORY,
    retainUntil,
    ranges: manifest.ranges,
    contents: manifest.kind === 'month' ? encoded.contents : [],
  });
  return legalHold;
}
