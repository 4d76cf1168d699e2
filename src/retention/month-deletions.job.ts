import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import pg from 'pg';
import type { Logger } from 'pino';
import { ArchiveObjectError } from '../archive/archive-format.js';
import { ArchiveVerifier } from '../archive/archive-verifier.js';
import { ObjectRetention, type Removals } from '../archive/object-retention.js';
import { ObjectMissing } from '../archive/object-store.js';
import { RetentionCarrier } from '../archive/retention-carrier.js';
import { CONFIG, type Config } from '../config/config.js';
import { sqlState, SqlState } from '../database/sqlstate.js';
import { DATABASE_URL, POOL } from '../database/tokens.js';
import { ServiceLedger } from '../events/service-ledger.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { JobRunner } from '../jobs/job-runner.js';
import { SERVICE, type Job, type JobContext } from '../jobs/job.js';
import { LOGGER } from '../operation/logger.js';
import { recordDeletionAct } from './deletion-record.js';
import { DeletionsOnRecord } from './deletions-on-record.js';
import * as sql from './month-deletions.sql.js';
import type { DeletionAct, MonthDeletion } from './month-deletions.sql.js';
import { inOneAct } from '../database/one-act.js';

/** Of objects that stay, in a run's outcome. */
const LISTED_OBJECTS = 100;

/**
 * Carries approved deletions out: once one was approved, and every hour. Each step finds by itself how far the last run
 * has come: digests read once more, what the month says of retention recorded again, begun (from then on readers are
 * told that the month is deleted), object after object removed, early ones with events of the month last, done.
 */
@Injectable()
export class MonthDeletionJob implements Job, OnModuleInit {
  readonly name = 'month-deletion';
  readonly summary =
    'Removes the archive of months whose deletion was approved, object by object, as long as no legal hold touches them';
  readonly schedule = '40 * * * *';
  private readonly isOn: boolean;

  constructor(
    @Inject(CONFIG) config: Config,
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(DATABASE_URL) private readonly url: string,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly objects: ObjectRetention,
    private readonly verifier: ArchiveVerifier,
    private readonly records: RetentionCarrier,
    private readonly onRecord: DeletionsOnRecord,
    private readonly serviceLedger: ServiceLedger,
    private readonly runner: JobRunner,
  ) {
    this.isOn = config.ARCHIVE_URL !== 'off';
  }

  onModuleInit(): void {
    if (this.isOn) this.runner.register(this);
  }

  /** Asks for a run, since a deletion was approved. Never rejects: the hourly run does the same. */
  async wake(): Promise<void> {
    if (!this.isOn) return;
    try {
      await this.runner.request(this.name, SERVICE);
    } catch (error) {
      this.logger.warn({ err: error }, 'an approved deletion is carried out with the next hourly run only');
    }
  }

  async run(context: JobContext): Promise<JsonObject> {
    const done: string[] = [];
    const kept: { month: string; reason: string }[] = [];
    const removals: Removals = { removed: 0, left: [] };
    const soFar = (): JsonObject => {
      const left = removals.left.slice(0, LISTED_OBJECTS).map((each) => ({ ...each }));
      return { done, removed: removals.removed, kept: kept.map((each) => ({ ...each })), left };
    };
    context.keepIfFailed(soFar);
    const contradicted: string[] = [];
    for (const deletion of await sql.listOpenDeletions(this.pool)) {
      const { id, month, state } = deletion;
      context.signal.throwIfAborted();
      const how = await this.onRecord.contradiction(deletion);
      if (how !== undefined) {
        kept.push({ month, reason: how });
        contradicted.push(`${id} of ${month}: ${how}`);
        continue;
      }
      try {
        await this.requireDigests(month, context);
        if (state === 'approved') await this.begin(deletion, context);
        this.add(removals, await this.objects.removeMonth(month, id, context));
        // what else an early object holds must be somewhere
        await this.verifier.verifyObjects(await this.objects.toBeVerified(month), context.signal);
        this.add(removals, await this.objects.removeEarlyOf(month, context));
        await this.act(deletion, 'finish');
        done.push(month);
        context.log.info({ month, deletion: id }, 'a month was deleted');
      } catch (error) {
        if (!(error instanceof MonthStays) && !REASONS_TO_STAY.has(sqlState(error) ?? '')) throw error;
        const reason = (error as Error).message;
        kept.push({ month, reason });
        context.log.warn({ month, deletion: id, reason }, 'a month whose deletion was approved stays for now');
      }
    }
    if (contradicted.length > 0) throw changedPastService(contradicted, context.log);
    return soFar();
  }

  /** What is to stay of the events is read once more before they go. */
  private async requireDigests(month: string, { signal }: JobContext): Promise<void> {
    const { findings } = await this.verifier.verifyDigests(month, signal);
    if (findings.length > 0) throw new MonthStays(`its digests are not right: ${findings[0]!.detail}`);
  }

  private add(all: Removals, { removed, left }: Removals): void {
    all.removed += removed;
    all.left.push(...left);
    if (left.length > 0) throw new MonthStays(`${left.length} of its objects stay: ${left[0]!.reason}`);
  }

  private async begin(deletion: MonthDeletion, context: JobContext): Promise<void> {
    const reason = await this.objects.reasonToStay(deletion.month, context);
    if (reason !== undefined) throw new MonthStays(reason);
    const open = await this.carryRecords(deletion, context);
    if (open !== undefined) throw new MonthStays(open);
    await this.act(deletion, 'begin');
  }

  private async carryRecords({ id, month }: MonthDeletion, context: JobContext): Promise<string | undefined> {
    try {
      return await this.records.carry(month, id, context);
    } catch (error) {
      if (!(error instanceof ArchiveObjectError) && !(error instanceof ObjectMissing)) throw error;
      return `what it says of retention, legal holds and reference data cannot be read: ${error.message}`;
    }
  }

  private async act({ id, month }: MonthDeletion, act: DeletionAct): Promise<void> {
    await inOneAct(this.url, 'truetrail retention', async (client) => {
      await sql.actOnDeletion(client, id, act, SERVICE, null);
      const ranges = act === 'begin' ? await sql.listRangesOfMonth(client, month) : undefined;
      await recordDeletionAct(this.serviceLedger, act, (await sql.findDeletion(client, id))!, SERVICE, ranges);
    });
  }
}

/** Somebody has had it deleted past the service; told with an alarm. */
function changedPastService(deletions: readonly string[], log: Logger): Error {
  log.error(
    { deletions, alarm: 'month-deletion-changed' },
    'deletions were not asked for, or not agreed to, on record',
  );
  return new Error(
    `${deletions.length} deletions are not as the acts on record leave them: ${deletions.join('; ')}. Somebody has changed ` +
      'the database past the service: nothing of these months is removed. See docs/retention.md',
  );
}

class MonthStays extends Error {
  override name = 'MonthStays';
}

const REASONS_TO_STAY: ReadonlySet<string> = new Set([
  SqlState.mustBeKept,
  SqlState.deletionStateForbids,
  SqlState.lockNotAvailable,
]);
