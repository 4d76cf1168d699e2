import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type pg from 'pg';
import { POOL } from '../database/tokens.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { JobRunner } from './job-runner.js';
import { forgetRuns } from './job-runs.sql.js';
import type { Job } from './job.js';

/** Forgets what jobs did long ago: two of them run each minute, for years. */
@Injectable()
export class JobRunExpiry implements Job, OnModuleInit {
  readonly name = 'job-run-expiry';
  readonly summary = 'Forgets runs of jobs that ended 90 days ago or earlier, but of each job its last 1,000';
  readonly schedule = '25 * * * *';

  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    private readonly runner: JobRunner,
  ) {}

  onModuleInit(): void {
    this.runner.register(this);
  }

  async run(): Promise<JsonObject> {
    return {
      forgotten: await forgetRuns(
        this.pool,
        this.runner.list().map(({ job }) => job.name),
      ),
    };
  }
}
