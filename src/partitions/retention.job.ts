import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { CONFIG, type Config } from '../config/config.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { JobRunner } from '../jobs/job-runner.js';
import type { Job, JobContext } from '../jobs/job.js';
import { PartitionManager } from './partition-manager.js';

/** Has months leave PostgreSQL once they are old enough, archived and verified. */
@Injectable()
export class Retention implements Job, OnModuleInit {
  readonly name = 'retention';
  readonly summary: string;
  readonly schedule = '20 * * * *';

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly partitions: PartitionManager,
    private readonly runner: JobRunner,
  ) {
    this.summary = `Retires and drops months that ended ${config.ONLINE_MONTHS} months ago, once they are archived and verified`;
  }

  onModuleInit(): void {
    if (this.config.ARCHIVE_URL !== 'off') this.runner.register(this);
  }

  async run({ signal, log }: JobContext): Promise<JsonObject> {
    const { retired, dropped, kept } = await this.partitions.retireAndDrop(this.config.ONLINE_MONTHS, signal);
    for (const { month, reason } of kept) log.warn({ month, reason }, 'a month stays in PostgreSQL for now');
    return { retired, dropped, kept: kept.map((each) => ({ ...each })) };
  }
}
