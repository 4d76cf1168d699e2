import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type pg from 'pg';
import type { Logger } from 'pino';
import { CONFIG, type Config } from '../config/config.js';
import { POOL } from '../database/tokens.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { JobRunner } from '../jobs/job-runner.js';
import { SERVICE, type Job, type JobContext } from '../jobs/job.js';
import { LOGGER } from '../operation/logger.js';
import { Metrics } from '../operation/metrics.js';
import { noObjects, ObjectHolds } from './object-holds.js';
import { countObjects } from './object-holds.sql.js';

/** Brings legal holds into the object store: once an hour, and whenever a hold has changed. */
@Injectable()
export class LegalHoldsJob implements Job, OnModuleInit {
  readonly name = 'legal-holds';
  readonly summary =
    'Sets the store’s own legal hold on archive objects that a legal hold touches, clears it on those that none touches any more (asks about all of them when run by hand)';
  readonly schedule = '30 * * * *';
  private readonly isOn: boolean;

  constructor(
    @Inject(CONFIG) config: Config,
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly objects: ObjectHolds,
    private readonly runner: JobRunner,
    private readonly metrics: Metrics,
  ) {
    this.isOn = config.ARCHIVE_URL !== 'off';
  }

  onModuleInit(): void {
    if (!this.isOn) return;
    this.runner.register(this);
    this.metrics.gauge(
      'truetrail_archive_held_objects',
      'Archive objects that a legal hold of ours is on in the store, and those of which the store has yet to confirm it',
      ['state'],
      async () => {
        const { held, open } = await countObjects(this.pool);
        return [
          { labels: { state: 'held' }, value: held },
          { labels: { state: 'open' }, value: open },
        ];
      },
    );
  }

  /** Asks for a run, since a hold has changed. Never rejects: the hourly run does the same. */
  async wake(): Promise<void> {
    if (!this.isOn) return;
    try {
      await this.runner.request(this.name, SERVICE);
    } catch (error) {
      this.logger.warn({ err: error }, 'legal holds reach the object store with the next hourly run only');
    }
  }

  async run({ signal, log, requestedBy, keepIfFailed }: JobContext): Promise<JsonObject> {
    const outcome = noObjects();
    keepIfFailed(() => ({ ...outcome }));
    await this.objects.run({ recheckAll: requestedBy !== SERVICE, signal, log }, outcome);
    return { ...outcome };
  }
}
