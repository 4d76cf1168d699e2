import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { MultisetHash } from '../integrity/multiset-hash.js';
import {
  ArchiveObjectError,
  isManifest,
  type AnyManifest,
  type ArchivedRange,
  type DigestsManifest,
  type EntitiesManifest,
} from './archive-format.js';
import * as sql from './archive-catalogue.sql.js';
import type { AnyEncoded } from './archive-tasks.js';
import type { ArchiveThread } from './archive-thread.js';
import { newListingKey, type KeyedSums } from './entity-sums.js';
import type { ObjectStore } from './object-store.js';
import { FOOTER_BYTES } from './parquet-file.js';

/**
 * Throws ArchiveObjectError unless digests are of an object that the catalogue has, with the bytes that it had, and, as
 * long as that is there, of the events that it says it holds.
 */
async function requireDigestsOfObject(
  pool: pg.Pool,
  store: ObjectStore,
  thread: ArchiveThread,
  { digests_of: of, ranges }: DigestsManifest,
): Promise<void> {
  const [{ ledger, from_sequence: sequence }] = ranges as [DigestsManifest['ranges'][0]];
  const object = await sql.findObject(pool, of.number);
  if (object?.kind !== 'month' || object.sha256 !== of.sha256) {
    throw new ArchiveObjectError(`it is of an object ${of.number} that is not the catalogued one`, {
      ledger,
      sequence,
    });
  }
  const known = await sql.listObjectRanges(pool, of.number);
  for (const range of known) requireSameFacts(range, ranges);
  if (known.length !== ranges.length) throw new ArchiveObjectError(`it has other ledgers than object ${of.number}`);
  if (object.removal_begun) return;
  const manifest = await readManifest(store, thread, object);
  if (!isManifest(manifest)) throw new ArchiveObjectError(`object ${of.number} is none of events`);
  for (const range of manifest.ranges) requireSameFacts(range, ranges);
}

function requireSameFacts(facts: Partial<ArchivedRange>, ranges: readonly ArchivedRange[]): void {
  const own = ranges.find(({ ledger }) => ledger === facts.ledger);
  const other = (Object.keys(facts) as (keyof ArchivedRange)[]).find((name) => own?.[name] !== facts[name]);
  if (other === undefined) return;
  const at = facts.from_sequence === undefined ? undefined : { ledger: facts.ledger!, sequence: facts.from_sequence };
  throw new ArchiveObjectError(`${other} of ${facts.ledger} is not what the object of these events says`, at);
}

/**
 * Whether objects are of the events that other objects hold, which they say more of. Of indexes of entities, sums over
 * their entries and those of the events are compared. They are keyed: whoever chooses an index, or rows that one is made
 * of, must not know the key, of which there is one for each of these.
 */
export class EntityComparison {
  readonly listingKey = newListingKey();
  /** by SHA-256 of an object of events, in hex: bytes that were recomputed as a whole */
  private readonly known = new Map<string, KeyedSums>();

  constructor(
    private readonly pool: pg.Pool,
    private readonly store: ObjectStore,
    private readonly thread: ArchiveThread,
    /** where objects that are read once more lie meanwhile */
    private readonly folder: string,
  ) {}

  /** Takes an object that was recomputed with this one's key, so that it need not be read for an index of it. */
  learn({ manifest, sha256, keyedSums }: AnyEncoded): void {
    if (manifest.kind === 'month' && keyedSums) this.known.set(sha256.toString('hex'), keyedSums);
  }

  /** Throws ArchiveObjectError unless an object that was recomputed with this one's key is of the events that other objects hold. */
  async requireSameAsObjects({ manifest, keyedSums }: Pick<AnyEncoded, 'manifest' | 'keyedSums'>): Promise<void> {
    if (manifest.kind === 'entities') await this.requireEntitiesOfObjects(manifest, keyedSums!);
    if (manifest.kind === 'digests') await requireDigestsOfObject(this.pool, this.store, this.thread, manifest);
  }

  /** The rows that an index was made of may have been changed after the objects of events were. */
  private async requireEntitiesOfObjects({ ranges }: EntitiesManifest, listed: KeyedSums): Promise<void> {
    for (const { ledger, from_sequence, to_sequence } of ranges) {
      const all = new MultisetHash();
      for (const object of await sql.listMonthObjects(this.pool, ledger, from_sequence, to_sequence)) {
        const sum = (await this.sumsOf(object)).get(ledger);
        if (sum !== undefined) all.addSet(sum);
      }
      if (all.hex() === listed.get(ledger)) continue;
      throw new ArchiveObjectError(`it lists other entities of ${ledger} than the objects of its month have`, {
        ledger,
        sequence: from_sequence,
      });
    }
  }

  private async sumsOf({ sha256, ...object }: sql.CataloguedObject): Promise<KeyedSums> {
    const known = this.known.get(sha256);
    if (known) return known;
    const file = join(this.folder, 'listed');
    const { object_key: key, version_id: versionId } = object;
    await pipeline(Readable.from(this.store.read({ key, versionId })), createWriteStream(file));
    const { listingKey } = this;
    const sums = await this.thread.run({ kind: 'sum-entities', file, sha256, listingKey });
    await rm(file);
    this.known.set(sha256, sums);
    return sums;
  }
}

/** What an object says of itself, read from its end. */
async function readManifest(
  store: ObjectStore,
  thread: ArchiveThread,
  { object_key: key, version_id: versionId, bytes }: sql.CataloguedObject,
): Promise<AnyManifest> {
  const byteLength = Number(bytes);
  for (const length of [FOOTER_BYTES, byteLength]) {
    const start = Math.max(0, byteLength - length);
    const end = { byteLength, bytes: await store.readRange({ key, versionId }, start, byteLength - start) };
    if (end.bytes.length !== byteLength - start) throw new ArchiveObjectError(`${key} has fewer bytes than it had`);
    const manifest = await thread.run({ kind: 'read-manifest', end });
    if (manifest) return manifest;
  }
  throw new ArchiveObjectError(`${key} has no footer`);
}
