import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import type { StoredRow } from '../integrity/stored-event.js';
import { addMonths, monthOf } from '../partitions/months.js';
import { readArchiveState } from './archive-catalogue.sql.js';
import { ArchiveObjectError, isManifest, type ArchivedRange, type EventsKind } from './archive-format.js';
import { readFooter, readRowGroup } from './archive-object.js';
import type { ArchiveThread } from './archive-thread.js';
import { withFile } from './local-file.js';
import type { ListedVersion, ObjectStore } from './object-store.js';
import { loadCompression } from './parquet-file.js';
import * as sql from './rebuild.sql.js';

/** An object of events that was read back and recomputed, and what it holds of each ledger. */
export interface FoundEvents {
  version: ListedVersion;
  bytes: number;
  ranges: readonly ArchivedRange[];
}

const KINDS: readonly EventsKind[] = ['early', 'month'];

/**
 * The objects of events that may hold what the ledgers lack, in the order of their numbers: those that the catalogue does
 * not know, as it is older than they are, and those that reach past where a ledger ends. One that is damaged is told of
 * and left out.
 */
export async function findMissingEvents(
  store: ObjectStore,
  owner: pg.ClientBase,
  thread: ArchiveThread,
  folder: string,
  log: (message: string) => void,
): Promise<FoundEvents[]> {
  const { next } = await readArchiveState(owner);
  const wanted = new Set(await sql.objectsPastHeads(owner));
  const found: FoundEvents[] = [];
  for (const kind of KINDS) {
    let lastKey = '';
    for await (const version of store.list(`${kind}/`)) {
      if (version.isDeleteMarker || version.key === lastKey) continue; // the oldest version of a name counts
      lastKey = version.key;
      const number = BigInt(/^[a-z]+\/([0-9]{12,18})-/.exec(version.key)?.[1] ?? 0);
      if (number < next && !wanted.has(version.key)) continue;
      const file = join(folder, 'object');
      await pipeline(Readable.from(store.read(version)), createWriteStream(file));
      try {
        const { manifest, bytes } = await thread.run({ kind: 'verify', file });
        if (!isManifest(manifest)) throw new ArchiveObjectError('it is no object of its name');
        found.push({ version, bytes, ranges: manifest.ranges });
        log(`${version.key} is whole`);
      } catch (error) {
        if (!(error instanceof ArchiveObjectError)) throw error;
        log(`${version.key} is left out: ${error.message}`);
      }
    }
  }
  return found;
}

/** The rows of a ledger that an object holds from a sequence on, a row group at a time. */
export async function readMissingRows(
  store: ObjectStore,
  folder: string,
  { version, bytes }: FoundEvents,
  ledger: string,
  from: bigint,
  take: (rows: StoredRow<number>[]) => Promise<void>,
): Promise<void> {
  await loadCompression();
  const path = join(folder, 'object');
  await pipeline(Readable.from(store.read(version)), createWriteStream(path));
  await withFile(path, bytes, async (file) => {
    const footer = await readFooter(file);
    for (const [group, each] of footer.manifest.row_groups.entries()) {
      if (each.ledger !== ledger || BigInt(each.from_sequence) + BigInt(each.events) <= from) continue;
      const rows = await readRowGroup(file, footer, group);
      await take(rows.filter(({ sequence }) => BigInt(sequence) >= from));
    }
  });
}

/** Makes the months between two recorded times, both included, where they are missing. */
export async function makeMonths(owner: pg.ClientBase, from: string, to: string): Promise<void> {
  for (let month = monthOf(from); month <= monthOf(to); month = addMonths(month, 1))
    await sql.createMonth(owner, month);
}

/** Puts rows of a ledger into the database as they are, keys included. */
export async function insertRows(
  owner: pg.ClientBase,
  ledger: string,
  rows: readonly StoredRow<number>[],
): Promise<void> {
  if (rows.length === 0) return;
  await sql.insertKeys(owner, ledger, rows);
  await sql.insertEvents(owner, ledger, rows);
}
