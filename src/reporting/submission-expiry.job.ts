import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type pg from 'pg';
import { POOL } from '../database/tokens.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { JobRunner } from '../jobs/job-runner.js';
import type { Job } from '../jobs/job.js';
import { expireRuns } from '../runs/kept-run-rows.js';
import { REPORTING_RUNS } from './submission-runs.sql.js';

/** Throws kept files of transaction reports away when their time is over: they can be made again to the letter. */
@Injectable()
export class SubmissionExpiry implements Job, OnModuleInit {
  readonly name = 'submission-expiry';
  readonly summary = 'Throws away files of transaction reports that were kept for REPORT_RUN_DAYS';
  readonly schedule = '50 * * * *';

  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    private readonly runner: JobRunner,
  ) {}

  onModuleInit(): void {
    this.runner.register(this);
  }

  async run(): Promise<JsonObject> {
    return { expired: await expireRuns(this.pool, REPORTING_RUNS) };
  }
}
