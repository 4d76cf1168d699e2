import pg from 'pg';
import { makeArchiveReader, type ArchiveReadSettings } from '../archive/archive-reading.js';
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

/** Hashes of events that have left the database; `catalogue` is for the catalogue of the archive. */
export function archivedHashesOf(catalogue: pg.Pool, settings: ArchiveReadSettings): ReadArchivedHashes {
  const archive = makeArchiveReader(catalogue, settings);
  return async (ledger, from, to) => {
    if (!archive) throw new Error('events have left the database, and ARCHIVE_URL is off');
    return hashesOf(await archive.hashes(ledger, from, to));
  };
}
