import pg from 'pg';
import type { ArchiveReader } from '../archive/archive-reader.js';
import type { ArchiveReadSettings } from '../archive/archive-reading.js';
import { keepFromCrashing } from '../database/connection.js';
import { hashesOf } from '../integrity/tiles.js';
import type { ReadArchivedHashes } from './tree-tiles.js';

/** For a thread: connects when it is first asked, and outlives what ends its connections. */
export function quietPool(options: pg.ClientConfig, max: number): pg.Pool {
  const pool = new pg.Pool({ ...options, max });
  keepFromCrashing(pool);
  pool.on('error', () => undefined);
  return pool;
}

/**
 * Hashes of events that have left the database; `catalogue` is for the catalogue of the archive. What reads archives is
 * loaded when the first of them is asked for: most threads never do.
 */
export function archivedHashesOf(catalogue: pg.Pool, settings: ArchiveReadSettings): ReadArchivedHashes {
  let opening: Promise<ArchiveReader | undefined> | undefined;
  return async (ledger, from, to) => {
    opening ??= import('../archive/archive-reading.js').then(({ makeArchiveReader }) =>
      makeArchiveReader(catalogue, settings),
    );
    const archive = await opening;
    if (!archive) throw new Error('events have left the database, and ARCHIVE_URL is off');
    return hashesOf(await archive.hashes(ledger, from, to));
  };
}
