import { join } from 'node:path';
import type pg from 'pg';
import type { Config } from '../config/config.js';
import { Problem } from '../http/problem.js';
import { ArchiveReader } from './archive-reader.js';
import { openStore } from './archive-store.js';
import type { ArchivedEvents } from './archived-events.js';
import { ObjectFiles } from './object-files.js';
import { RangeCache } from './range-cache.js';

/** What a thread that reads the archive is made with: plain data. */
const SETTINGS = [
  'ARCHIVE_URL',
  'DATA_DIR',
  'ARCHIVE_STORAGE_CLASS',
  'ARCHIVE_KMS_KEY',
  'ARCHIVE_TIMEOUT',
  'ARCHIVE_CACHE_MB',
  'READ_TIMEOUT',
] as const;
export type ArchiveReadSettings = Pick<Config, (typeof SETTINGS)[number]>;

export function archiveReadSettings(config: Config): ArchiveReadSettings {
  return Object.fromEntries(SETTINGS.map((name) => [name, config[name]])) as unknown as ArchiveReadSettings;
}

const CACHE_FOLDER = 'archive-cache';

/** The reader of the archive that the settings name; undefined when they name none. For a thread that may be busy. */
export async function makeArchiveReader(
  pool: pg.Pool,
  settings: ArchiveReadSettings,
): Promise<ArchiveReader | undefined> {
  const store = await openStore(settings);
  if (!store) return undefined;
  // a folder is as near as a cache would be
  const isCached = settings.ARCHIVE_URL?.startsWith('s3:') === true && settings.ARCHIVE_CACHE_MB > 0;
  const cache = isCached
    ? new RangeCache(join(settings.DATA_DIR!, CACHE_FOLDER), settings.ARCHIVE_CACHE_MB * 1_000_000)
    : undefined;
  return new ArchiveReader(pool, new ObjectFiles(store, cache), settings.READ_TIMEOUT);
}

/** What stands in for an archive where there is none. */
export class NoArchive implements ArchivedEvents {
  at(): Promise<never> {
    return Promise.reject(this.problem());
  }

  hashes(): Promise<never> {
    return Promise.reject(this.problem());
  }

  search(): Promise<never> {
    return Promise.reject(this.problem());
  }

  lives(): Promise<never> {
    return Promise.reject(this.problem());
  }

  audit(): Promise<never> {
    return Promise.reject(this.problem());
  }

  private problem(): Problem {
    const detail = 'Events asked for have left the database, and this replica is given no archive (ARCHIVE_URL is off)';
    return new Problem('archive-unavailable', detail);
  }
}
