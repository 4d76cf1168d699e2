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
import type { ArchiveThread } from './archive-thread.js';
import type { ObjectStore } from './object-store.js';
import { FOOTER_BYTES } from './parquet-file.js';

/**
 * Throws ArchiveObjectError unless the entities that an object lists are those of the events in its months' own objects:
 * the rows that it was made of may have been changed after these were.
 */
async function requireEntitiesOfObjects(
  pool: pg.Pool,
  store: ObjectStore,
  thread: ArchiveThread,
  { ranges }: EntitiesManifest,
): Promise<void> {
  for (const { ledger, from_sequence, to_sequence, entities_hash } of ranges) {
    const all = new MultisetHash();
    for (const object of await sql.listMonthObjects(pool, ledger, from_sequence, to_sequence)) {
      const manifest = await readManifest(store, thread, object);
      const range = manifest.ranges.find((each) => each.ledger === ledger);
      if (range) all.addSet(range.entities_hash);
    }
    if (all.hex() === entities_hash) continue;
    throw new ArchiveObjectError(`it lists other entities of ${ledger} than the objects of its month have`, {
      ledger,
      sequence: from_sequence,
    });
  }
}

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

/** Throws ArchiveObjectError unless an object is of the events that other objects hold, which it says more of. */
export async function requireSameAsObjects(
  pool: pg.Pool,
  store: ObjectStore,
  thread: ArchiveThread,
  manifest: AnyManifest,
): Promise<void> {
  if (manifest.kind === 'entities') await requireEntitiesOfObjects(pool, store, thread, manifest);
  if (manifest.kind === 'digests') await requireDigestsOfObject(pool, store, thread, manifest);
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
