import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type pg from 'pg';
import { CONFIG, type Config } from '../config/config.js';
import { POOL } from '../database/tokens.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { JobRunner } from '../jobs/job-runner.js';
import { SERVICE, type Job, type JobContext } from '../jobs/job.js';
import { Metrics } from '../operation/metrics.js';
import { readArchiveEnds } from './archive-catalogue.sql.js';
import { Exporter, nothingExported } from './exporter.js';

/** Archives what is old enough, or more than enough; by hand, all there is. */
@Injectable()
export class ArchiveExport implements Job, OnModuleInit {
  readonly name = 'archive-export';
  readonly summary = 'Writes events that are not archived yet to the object store, reads them back and catalogues them';
  readonly schedule = '* * * * *';

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(POOL) private readonly pool: pg.Pool,
    private readonly exporter: Exporter,
    private readonly runner: JobRunner,
    private readonly metrics: Metrics,
  ) {}

  onModuleInit(): void {
    if (this.config.ARCHIVE_URL === 'off') return;
    this.runner.register(this);
    this.metrics.gauge(
      'truetrail_archive_open_events',
      'Events of the ledger that are not archived yet',
      ['ledger'],
      async () =>
        (await readArchiveEnds(this.pool)).map(({ ledger, size, archived }) => ({
          labels: { ledger },
          value: Number(BigInt(size) - BigInt(archived)),
        })),
    );
    this.metrics.gauge(
      'truetrail_archive_age_seconds',
      'Age of the oldest event that is not archived yet; 0 when all are',
      [],
      async () => [
        {
          value: (await readArchiveEnds(this.pool)).reduce((most, { age_seconds: age }) => Math.max(most, age ?? 0), 0),
        },
      ],
    );
  }

  async run({ signal, log, requestedBy, keepIfFailed }: JobContext): Promise<JsonObject> {
    const takeAll = requestedBy !== SERVICE;
    const outcome = nothingExported();
    const soFar = (): JsonObject => {
      const { events, ...figures } = outcome;
      return { ...figures, events: String(events), refused: figures.refused.map((each) => ({ ...each })) };
    };
    keepIfFailed(soFar);
    await this.exporter.run({ takeAll, requestedBy, signal, log }, outcome);
    return soFar();
  }
}
