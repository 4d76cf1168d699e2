import { rm } from 'node:fs/promises';
import { Module, type DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import pg from 'pg';
import { archiveReadSettings, makeArchiveReader } from '../archive/archive-reading.js';
import { claimStore, findOwnStore, openStore } from '../archive/archive-store.js';
import { ArchiveThread } from '../archive/archive-thread.js';
import { ArchivedReadsModule } from '../archive/archived-reads.module.js';
import type { ObjectStore } from '../archive/object-store.js';
import { findMissingEvents, type FoundEvents } from '../archive/missing-events.js';
import { findHeldOtherwise } from '../archive/recovered-holds.js';
import { isServiceLedger } from '../archive/retention-records.js';
import { readKeptEvents } from '../checkpoints/kept-events.js';
import {
  closeLedger,
  listWithoutSuccessor,
  recordRecoveries,
  recoverLedgers,
  stateOfClosed,
  takeUpAllAnchors,
  type ClosedLedger,
  type RecoveredLedger,
  type RecoveryMeans,
} from '../checkpoints/recovery.js';
import { faultsOfOpenLedgers } from '../checkpoints/signed-events.js';
import { secretsOf, type Config } from '../config/config.js';
import { connectionOptions, keepFromCrashing } from '../database/connection.js';
import { DatabaseModule } from '../database/database.module.js';
import { plainProvider } from '../database/plain-provider.js';
import { POOL } from '../database/tokens.js';
import { uuidv7 } from '../database/uuidv7.js';
import { takeAlone } from '../database/work-alone.js';
import { AppendGate } from '../events/append-gate.js';
import { Appender } from '../events/appender.js';
import { Ledgers } from '../events/ledgers.js';
import { prepareEvent } from '../events/prepared-event.js';
import { ServiceLedger } from '../events/service-ledger.js';
import { toContent } from '../integrity/event.js';
import { hashesOf } from '../integrity/tiles.js';
import { createLogger } from '../operation/logger.js';
import { OperationModule } from '../operation/operation.module.js';
import { settingsModule, type AppOptions } from '../operation/settings.module.js';
import { PartitionManager } from '../partitions/partition-manager.js';
import { migrateDatabase, openDatabase, type OpenDatabase } from './open-database.js';
import { operatorId } from './operator.js';
import { makeWorkingFolder } from '../archive/working-folder.js';

const LOCK_TIMEOUT_MS = 10_000;
const STANDARD_ERROR = 2;

export interface RecoverOptions {
  /** a file of what submitters hold */
  receipts?: string | undefined;
  /** whether events of the archive are left for which nothing was signed */
  signedOnly: boolean;
  /** ledgers to be closed where they still lack something afterwards */
  close: readonly string[];
}

export interface RecoveryReport {
  ledgers: RecoveredLedger[];
  closed: (ClosedLedger & { successor: string })[];
  /** closed by a command that was killed before it had made their successors: `close` makes these */
  withoutSuccessor: string[];
}

/** What writes events, class by class: the modules bring jobs along, and the gate that keeps these ledgers closed. */
@Module({})
class RecordingModule {
  static with(options: AppOptions): DynamicModule {
    return {
      module: RecordingModule,
      imports: [settingsModule(options), DatabaseModule, OperationModule, ArchivedReadsModule],
      providers: [PartitionManager, plainProvider(Ledgers, [POOL]), AppendGate, Appender, ServiceLedger],
    };
  }
}

/**
 * Brings a database that was restored from a backup back to what was signed of it, as far as archive and receipts go, and
 * closes ledgers that are told. The service may run meanwhile: it appends nothing to such a ledger.
 */
export async function recover(
  config: Config,
  { receipts, signedOnly, close }: RecoverOptions,
  log: (message: string) => void,
): Promise<RecoveryReport> {
  const store = await openStore(config);
  if (!store) throw new Error('ARCHIVE_URL is off: name the store that holds the anchors of this database');
  const kept = receipts === undefined ? new Map<never, never>() : await readKeptEvents(receipts);
  const logger = createLogger('warn', { to: STANDARD_ERROR, secrets: secretsOf(config) });
  const database = await openDatabase(config, log);
  const folder = await makeWorkingFolder('recover');
  try {
    await migrateDatabase(config, database, log);
    return await withMeans(config, database, folder, async (given, thread, pool) => {
      const means = { ...given, store, signedOnly, operator: operatorId(), log };
      await takeAlone(means.owner, 'recover');
      await claimOwnStore(config, store, pool);
      await takeUpAllAnchors(means.owner, store, logger, log);
      const objects = await findMissingEvents(store, means.owner, thread, folder, log);
      const ledgers = await recoverLedgers(means, objects, kept);
      // what was brought back is recorded, whether this can be said or not
      const compared = await compareWithSigned({ url: database.url, config }, pool, ledgers, log).catch(
        (error: unknown) => ({ error }),
      );
      const told = await tellUnknownHolds(means, ledgers, objects).catch((error: unknown) => ({ error }));
      const closed: ClosedLedger[] = [];
      for (const ledger of close) closed.push(await closeLedger(means, ledger));
      const options = { config, logger, databaseUrl: database.url };
      const report = await recordAll(options, means.owner, ledgers, closed, log);
      if (compared) throw compared.error;
      if (told) throw told.error;
      return report;
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
    await database.close();
  }
}

/** Ties the two that belong together. Throws an Error for a store that nothing was ever written to: that is another one. */
async function claimOwnStore(config: Config, store: ObjectStore, pool: pg.Pool): Promise<void> {
  if ((await findOwnStore(config, pool))?.is === 'new') {
    throw new Error(
      `${store.location} is empty: there is nothing to recover from. Give this database the ARCHIVE_URL of its own archive`,
    );
  }
  await claimStore(store, pool);
}

/** A ledger that is as long as it was signed may be another: something was recorded in it after the restore. */
async function compareWithSigned(
  at: { url: string; config: Config },
  pool: pg.Pool,
  ledgers: readonly RecoveredLedger[],
  log: (message: string) => void,
): Promise<void> {
  for (const [ledger, fault] of await faultsOfOpenLedgers(at, pool)) {
    const outcome = ledgers.find((each) => each.ledger === ledger);
    if (!outcome) continue; // made meanwhile
    outcome.differs = true;
    outcome.refusal ??= `it is not what was signed: ${fault}`;
    log(`${ledger}: it is not what was signed: ${fault}. Nothing that is there is taken away: see docs/recovery.md`);
  }
}

/**
 * Says in which events of the service's own ledgers that are not there acts on legal holds may be, and what the store
 * holds and no hold that is known keeps: one that was asked for last may have been neither archived nor signed.
 */
async function tellUnknownHolds(
  { owner, store, log }: RecoveryMeans,
  ledgers: readonly RecoveredLedger[],
  objects: readonly FoundEvents[],
): Promise<void> {
  const lacking = ledgers.filter(
    ({ ledger, missing, refusal }) => isServiceLedger(ledger) && (missing !== null || refusal !== null),
  );
  for (const { ledger, missing } of lacking) {
    const which = missing ? `events ${missing.from} to ${missing.to}` : 'the events that were signed';
    log(
      `${ledger}: acts on legal holds in ${which} cannot be seen: a hold that was asked for there is NOT in force. ` +
        'Ask for it again before months or objects may be deleted: see docs/recovery.md',
    );
  }
  for (const key of await findHeldOtherwise(owner, store, objects)) {
    log(`${key} is under a legal hold in the store, which no hold that is known keeps: it stays held`);
  }
}

async function withMeans<T>(
  config: Config,
  { url, ownerUrl }: OpenDatabase,
  folder: string,
  work: (
    means: Omit<RecoveryMeans, 'store' | 'log' | 'signedOnly' | 'operator'>,
    thread: ArchiveThread,
    pool: pg.Pool,
  ) => Promise<T>,
): Promise<T> {
  const settings = { applicationName: 'truetrail recover', lockTimeoutMs: LOCK_TIMEOUT_MS };
  const owner = new pg.Client(connectionOptions({ url: ownerUrl, asService: false, ...settings }));
  owner.on('error', () => undefined); // the query that meets it fails
  const pool = new pg.Pool(connectionOptions({ url, asService: true, ...settings }));
  keepFromCrashing(pool);
  pool.on('error', () => undefined);
  const thread = new ArchiveThread({ url, lockTimeoutMs: LOCK_TIMEOUT_MS });
  try {
    const archive = await makeArchiveReader(pool, archiveReadSettings(config));
    await owner.connect();
    const archived = async (ledger: string, from: bigint, to: bigint): Promise<Buffer[]> =>
      hashesOf(await archive!.hashes(ledger, from, to));
    return await work({ owner, folder, archived }, thread, pool);
  } finally {
    await thread.close();
    await owner.end();
    await pool.end();
  }
}

/** Opens the successors, and records in the service's own ledger what was done. */
async function recordAll(
  options: AppOptions,
  owner: pg.Client,
  ledgers: RecoveredLedger[],
  closed: readonly ClosedLedger[],
  log: (message: string) => void,
): Promise<RecoveryReport> {
  const report: RecoveryReport = { ledgers, closed: [], withoutSuccessor: [] };
  const app = await NestFactory.createApplicationContext(RecordingModule.with(options), {
    logger: false,
    abortOnError: false,
  });
  try {
    await app.get(PartitionManager).ensureMonths();
    const behind = new Set(
      ledgers.filter(({ missing, differs }) => missing !== null || differs).map(({ ledger }) => ledger),
    );
    for (const each of closed) {
      const successor = each.successor ?? (await succeed(app.get(Ledgers), app.get(Appender), each, behind));
      report.closed.push({ ...each, successor });
      log(`${each.ledger} is closed at ${each.size}; ${successor} succeeds it`);
    }
    await app.get(Ledgers).noteSuccessions();
    report.withoutSuccessor = await listWithoutSuccessor(owner);
    const serviceLedger = app.get(ServiceLedger);
    // a record in one that is behind would begin a second history of it
    const own = await serviceLedger.name();
    if (behind.has(own) || report.withoutSuccessor.includes(own)) {
      log(
        `${own} is not what was signed itself: what was brought back and closed is recorded once \`recover\` is run again ` +
          `after that is mended, or with --close ${own}`,
      );
      return report;
    }
    await recordRecoveries(owner, async ({ eventId, ledger, action, operator, state, recoveredAt }) => {
      await serviceLedger.record({
        event_id: eventId,
        timestamp: recoveredAt,
        event_type: 'recovery',
        entity_type: 'ledger',
        entity_id: ledger,
        action,
        user_id: operator,
        new_state: state,
      });
    });
    return report;
  } finally {
    await app.close();
  }
}

/**
 * Makes the successor of a closed ledger; its first event says whom it succeeds. None of `behind` becomes one: one that was
 * made before a restore has no event any more, and yet some were signed of it.
 */
export async function succeed(
  ledgers: Ledgers,
  appender: Appender,
  closed: ClosedLedger,
  behind: ReadonlySet<string>,
): Promise<string> {
  const successor = await ledgers.createSuccessor(closed.ledger, closed.first, behind);
  const event = toContent({
    event_id: uuidv7(),
    timestamp: new Date().toISOString(),
    event_type: 'ledger',
    entity_type: 'ledger',
    entity_id: closed.ledger,
    action: 'succeed',
    user_id: operatorId(),
    new_state: stateOfClosed(closed),
  });
  await appender.append(successor, [prepareEvent(event, 'service')]);
  return successor;
}
