import pg from 'pg';
import { archiveReadSettings, makeArchiveReader, NoArchive } from '../archive/archive-reading.js';
import { findOwnStore } from '../archive/archive-store.js';
import { shownFinding, type Finding } from '../chain/findings.js';
import { ledgerNames, ledgerSize } from '../chain/ledger-extent.js';
import { verifyRange, type Unread, type Verdict } from '../chain/range-verification.js';
import { recordedDeletions } from '../chain/recorded-deletions.js';
import { VerificationThreads } from '../chain/verification-threads.js';
import { takeUpAnchors } from '../checkpoints/anchor-intake.js';
import { AnchorStore } from '../checkpoints/anchor-store.js';
import { AnchorVerifier, type AnchorFinding } from '../checkpoints/anchor-verifier.js';
import { secretsOf, type Config } from '../config/config.js';
import { connectionOptions, keepFromCrashing } from '../database/connection.js';
import { refuseDuringRebuild } from '../database/work-alone.js';
import { createLogger } from '../operation/logger.js';
import { assertMigrated, openDatabase } from './open-database.js';

const LOCK_TIMEOUT_MS = 10_000;
const STANDARD_ERROR = 2;

/** A ledger that was named does not exist. */
export class NoSuchLedger extends Error {}

/** A ledger's verdict; sequences as decimal strings. */
export interface VerifiedLedger {
  ledger: string;
  /** how many events it had when its verification began */
  size: string;
  verdict: Verdict;
  /** events that were read and recomputed */
  checked: string;
  findings_total: number;
  /** at most a thousand of them */
  findings: Finding[];
  /** ranges that could not be read, both ends included */
  unread: readonly Unread[];
}

/** What the anchors of the object store are, each read back. */
export interface VerifiedAnchors {
  verdict: Verdict;
  anchors: string;
  read: number;
  findings: AnchorFinding[];
  /** why none could be asked for, for people; then the verdict is `undecided`. null otherwise */
  not_asked: string | null;
}

export interface VerificationReport {
  /** the worst of all that was verified */
  verdict: Verdict;
  ledgers: VerifiedLedger[];
  /** null where ARCHIVE_URL is off, or names a store that is new and empty */
  anchors: VerifiedAnchors | null;
}

/**
 * Verifies ledgers, all of them where none are named, as they are in the database and the archive: every event is read and
 * recomputed with its links and its key (level 1), and held against every checkpoint that was signed of it (level 2). The
 * anchors that these come from are read back from the object store first, those too that were written after the backup of
 * a database that was restored; they are entered into it, as a replica does that starts. Nothing else is written: so it is
 * for a database that no service works on yet, and harmless beside one. Throws NoSuchLedger, and what database and store
 * throw.
 */
export async function verifyTrail(
  config: Config,
  { ledgers: named }: { ledgers: readonly string[] },
  log: (message: string) => void,
): Promise<VerificationReport> {
  const logger = createLogger('warn', { to: STANDARD_ERROR, secrets: secretsOf(config) });
  const database = await openDatabase(config, log);
  const pool = new pg.Pool(
    connectionOptions({
      url: database.url,
      asService: true,
      applicationName: 'truetrail verify',
      lockTimeoutMs: LOCK_TIMEOUT_MS,
    }),
  );
  keepFromCrashing(pool);
  pool.on('error', () => undefined); // the query that meets it fails
  try {
    await assertMigrated(database);
    await refuseDuringRebuild(pool);
    const anchors = await verifyAnchors(config, pool, logger, log);
    const there = await ledgerNames(pool);
    if (there.length === 0)
      throw new Error('The database is empty: no trail has begun in it, and nothing was verified');
    for (const ledger of named) if (!there.includes(ledger)) throw new NoSuchLedger(`There is no ledger ${ledger}`);
    const ledgers: VerifiedLedger[] = [];
    for (const ledger of named.length > 0 ? named : there) {
      ledgers.push(await verifyLedger(config, database.url, pool, ledger));
      log(`${ledger}: ${ledgers.at(-1)!.checked} events were read`);
    }
    const verdicts = [...ledgers.map(({ verdict }) => verdict), ...(anchors ? [anchors.verdict] : [])];
    const verdict = verdicts.includes('invalid') ? 'invalid' : verdicts.includes('undecided') ? 'undecided' : 'valid';
    return { verdict, ledgers, anchors };
  } finally {
    await pool.end();
    await database.close();
  }
}

async function verifyAnchors(
  config: Config,
  pool: pg.Pool,
  logger: ReturnType<typeof createLogger>,
  log: (message: string) => void,
): Promise<VerifiedAnchors | null> {
  const alone = 'ledgers are held against the checkpoints of the database alone';
  const found = await findOwnStore(config, pool);
  if (!found) {
    log(`There is no object store to ask for anchors: ${alone}`);
    return null;
  }
  const { store, is } = found;
  if (is === 'unmarked') {
    const reason = `Nothing says whose ${store.location} is, and it is not empty: no anchors are asked for there`;
    log(`${reason}; ${alone}`);
    return { verdict: 'undecided', anchors: '0', read: 0, findings: [], not_asked: reason };
  }
  if (is === 'ours') {
    const { intruders, foreign } = await takeUpAnchors(pool, new AnchorStore(store), logger);
    for (const intruder of intruders) log(intruder);
    if (foreign) log(foreign.message);
  }
  const { anchors, read, findings } = await new AnchorVerifier(pool, store).readBack(0n, new AbortController().signal);
  if (is === 'new' && anchors === 0n && findings.length === 0) {
    log(`${store.location} is new and empty, and the database knows of no anchors: ${alone}`);
    return null;
  }
  log(`${read} anchors were read back`);
  const verdict = findings.length > 0 ? 'invalid' : 'valid';
  return { verdict, anchors: String(anchors), read, findings, not_asked: null };
}

async function verifyLedger(config: Config, url: string, pool: pg.Pool, ledger: string): Promise<VerifiedLedger> {
  const size = await ledgerSize(pool, ledger);
  const { VERIFICATION_WORKERS: parallel } = config;
  const settings = { ...archiveReadSettings(config), ARCHIVE_CACHE_MB: 0 }; // the store is verified, not a copy
  const archive = (await makeArchiveReader(pool, settings)) ?? new NoArchive();
  const threads = new VerificationThreads(parallel, () => parallel, {
    url,
    lockTimeoutMs: LOCK_TIMEOUT_MS,
    archive: settings,
  });
  try {
    const { verdict, checked, findings, unread } = await verifyRange(
      { ledger, from: 1n, to: size, toHead: true },
      {
        pool,
        run: (subject, task) => threads.run(subject, task),
        parallel,
        signal: new AbortController().signal,
        recordedDeletions: (ids) => recordedDeletions(pool, archive, ids),
        onProgress: () => undefined,
      },
    );
    return {
      ...{ ledger, size: String(size), verdict, checked: String(checked), findings_total: findings.total },
      findings: findings.listed.map(shownFinding),
      unread,
    };
  } finally {
    threads.close();
  }
}
