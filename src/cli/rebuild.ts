import pg from 'pg';
import { archiveReadSettings } from '../archive/archive-reading.js';
import { openStore } from '../archive/archive-store.js';
import { rebuild } from '../archive/rebuild.js';
import { verifyRange, type Outcome } from '../chain/range-verification.js';
import { VerificationThreads } from '../chain/verification-threads.js';
import type { Config } from '../config/config.js';
import { connectionOptions } from '../database/data-source.js';
import { migrateDatabase, openDatabase } from './open-database.js';

const LOCK_TIMEOUT_MS = 10_000;

export interface RebuiltLedgerReport {
  ledger: string;
  size: string;
  /** of the last event that the archive has */
  recorded_at: string;
  verdict: Outcome['verdict'];
}

/** Makes an empty database the one that the archive is of, and verifies every ledger of it. */
export async function rebuildFromArchive(
  config: Config,
  log: (message: string) => void,
  { acceptLongerLocks = false } = {},
): Promise<RebuiltLedgerReport[]> {
  const store = openStore(config);
  if (!store) throw new Error('ARCHIVE_URL is off: name the archive that the database is to be rebuilt from');
  const database = await openDatabase(config, log);
  try {
    await migrateDatabase(config, database, log);
    const { ledgers } = await rebuild({
      store,
      ownerUrl: database.ownerUrl,
      onlineMonths: config.ONLINE_MONTHS,
      now: new Date(),
      acceptLongerLocks,
      log,
    });
    log('Everything is in the database; verifying it');
    const reports: RebuiltLedgerReport[] = [];
    for (const { ledger, size, recorded_at } of ledgers) {
      reports.push({ ledger, size, recorded_at, verdict: await verdictOf(config, database.url, ledger, BigInt(size)) });
    }
    return reports;
  } finally {
    await database.close();
  }
}

async function verdictOf(config: Config, url: string, ledger: string, size: bigint): Promise<Outcome['verdict']> {
  const pool = new pg.Pool(
    connectionOptions({ url, asService: true, applicationName: 'truetrail rebuild', lockTimeoutMs: LOCK_TIMEOUT_MS }),
  );
  pool.on('error', () => undefined); // the query that meets it fails
  const { VERIFICATION_WORKERS: parallel } = config;
  const threads = new VerificationThreads(parallel, () => parallel, {
    url,
    lockTimeoutMs: LOCK_TIMEOUT_MS,
    archive: { ...archiveReadSettings(config), ARCHIVE_CACHE_MB: 0 }, // the store is verified, not a copy
  });
  try {
    const { verdict } = await verifyRange(
      { ledger, from: 1n, to: size, toHead: true },
      {
        pool,
        run: (subject, task) => threads.run(subject, task),
        parallel,
        signal: new AbortController().signal,
        onProgress: () => undefined,
      },
    );
    return verdict;
  } finally {
    threads.close();
    await pool.end();
  }
}
