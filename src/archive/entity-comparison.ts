import type pg from 'pg';
import { MultisetHash } from '../integrity/multiset-hash.js';
import { ArchiveObjectError, type AnyManifest, type EntitiesManifest } from './archive-format.js';
import * as sql from './archive-catalogue.sql.js';
import type { ArchiveThread } from './archive-thread.js';
import type { ObjectStore } from './object-store.js';
import { FOOTER_BYTES } from './parquet-file.js';

/**
 * Throws ArchiveObjectError unless the entities that an object lists are those of the events in its months' own objects:
 * the rows that it was made of may have been changed after these were.
 */
export async function requireEntitiesOfObjects(
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
