import pg from 'pg';
import { archiveReadSettings } from '../archive/archive-reading.js';
import { openStore, readMarker } from '../archive/archive-store.js';
import type { ObjectStore } from '../archive/object-store.js';
import { rebuild } from '../archive/rebuild.js';
import { verifyRange, type Outcome } from '../chain/range-verification.js';
import { VerificationThreads } from '../chain/verification-threads.js';
import { takeUpAnchors } from '../checkpoints/anchor-intake.js';
import { AnchorStore } from '../checkpoints/anchor-store.js';
import { takeUpAttestations } from '../checkpoints/attestation-intake.js';
import { rangeAsText } from '../checkpoints/recovery.js';
import { differencesFromSigned, type SignedDifference } from '../checkpoints/signed-events.js';
import { secretsOf, type Config } from '../config/config.js';
import { connectionOptions } from '../database/connection.js';
import { createLogger } from '../operation/logger.js';
import { readRootsFile } from '../witnesses/timestamp-authority.js';
import { migrateDatabase, openDatabase } from './open-database.js';

const LOCK_TIMEOUT_MS = 10_000;
const STANDARD_ERROR = 2;

export interface RebuiltLedgerReport {
  ledger: string;
  size: string;
  /** of the last event that the archive has; null where it has none of the ledger */
  recorded_at: string | null;
  /** of its events among themselves */
  verdict: Outcome['verdict'];
  /** sequences that were signed and that the archive does not have, both ends included; null for none */
  missing: { from_sequence: string; to_sequence: string } | null;
  /** sequences of which no checkpoint was signed: nothing but the bucket's rights shows who made them; null for none */
  unsigned: { from_sequence: string; to_sequence: string } | null;
  /** why its events are not those that were signed; null where they are, as far as they go */
  fault: string | null;
}

/** Makes an empty database the one that the archive is of, verifies every ledger of it, and holds it against what was signed. */
export async function rebuildFromArchive(
  config: Config,
  log: (message: string) => void,
  { acceptLongerLocks = false } = {},
): Promise<RebuiltLedgerReport[]> {
  const store = await openStore(config);
  if (!store) throw new Error('ARCHIVE_URL is off: name the archive that the database is to be rebuilt from');
  const database = await openDatabase(config, log);
  try {
    await migrateDatabase(config, database, log);
    const { ledgers, heldOtherwise } = await rebuild({
      store,
      ownerUrl: database.ownerUrl,
      onlineMonths: config.ONLINE_MONTHS,
      now: new Date(),
      acceptLongerLocks,
      parallel: config.VERIFICATION_WORKERS,
      log,
    });
    for (const key of heldOtherwise) {
      log(
        `${key} is under a legal hold in the store, which no hold on record keeps: it stays held. See docs/legal-holds.md`,
      );
    }
    log('Everything is in the database; verifying it');
    const reports: RebuiltLedgerReport[] = [];
    for (const { ledger, size, recorded_at } of ledgers) {
      const verdict = await verdictOf(config, database.url, ledger, BigInt(size));
      reports.push({ ledger, size, recorded_at, verdict, missing: null, unsigned: null, fault: null });
    }
    for (const { ledger, size, missing, unsigned, fault } of await takeUpWhatWasSigned(
      config,
      database.url,
      store,
      log,
    )) {
      let report = reports.find((each) => each.ledger === ledger);
      if (!report) {
        const none = { missing: null, unsigned: null, fault: null };
        report = { ledger, size: String(size), recorded_at: null, verdict: 'valid', ...none };
        reports.push(report);
      }
      report.missing = missing && rangeAsText(missing);
      report.unsigned = unsigned && rangeAsText(unsigned);
      report.fault = fault;
    }
    return reports;
  } finally {
    await database.close();
  }
}

/** Anchors, and what others have said of them: all that the store has besides events. Where ledgers differ from that. */
async function takeUpWhatWasSigned(
  config: Config,
  url: string,
  store: ObjectStore,
  log: (message: string) => void,
): Promise<SignedDifference[]> {
  const { TIMESTAMP_CA_FILE: rootsFile } = config;
  const pool = new pg.Pool(
    connectionOptions({ url, asService: true, applicationName: 'truetrail rebuild', lockTimeoutMs: LOCK_TIMEOUT_MS }),
  );
  pool.on('error', () => undefined); // the query that meets it fails
  try {
    const logger = createLogger('warn', { to: STANDARD_ERROR, secrets: secretsOf(config) });
    const { anchors, intruders, foreign } = await takeUpAnchors(pool, new AnchorStore(store), logger);
    for (const intruder of intruders) log(intruder);
    if (foreign) log(foreign.message);
    const roots = rootsFile === undefined ? [] : readRootsFile(rootsFile);
    const { timestamps, cosignatures, refused, unverifiable } = await takeUpAttestations(pool, store, roots);
    // a folder that is away is empty to whoever lists it
    if (!(await readMarker(store))) {
      throw new Error(
        `${store.location} holds no archive any more: what was signed is not taken up, or not all. All events are in the database; when the store is back, \`truetrail recover\` takes that up and compares them`,
      );
    }
    log(`${anchors} anchors, ${timestamps} time stamps and ${cosignatures} cosignatures are in the database`);
    for (const { key, reason } of refused) log(`${key} is not taken up: ${reason}`);
    if (unverifiable > 0) {
      log(`${unverifiable} time stamps are not taken up: TIMESTAMP_CA_FILE has the roots that they are verified by`);
    }
    return await differencesFromSigned({ url, config }, pool);
  } finally {
    await pool.end();
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
