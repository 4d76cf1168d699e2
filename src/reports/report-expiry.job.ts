import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type pg from 'pg';
import { POOL } from '../database/tokens.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { JobRunner } from '../jobs/job-runner.js';
import type { Job } from '../jobs/job.js';
import { expireRuns } from '../runs/kept-run-rows.js';
import { SILENT_MS } from '../runs/run-loop.js';
import { endAbandoned, REPORT_RUNS } from './report-runs.sql.js';

/** Throws kept answers away when their time is over. What they were stays: their runs, and so their manifests. */
@Injectable()
export class ReportExpiry implements Job, OnModuleInit {
  readonly name = 'report-expiry';
  readonly summary =
    'Throws away answers of reports that were kept for REPORT_RUN_DAYS, and ends runs whose replica has died';
  readonly schedule = '50 * * * *';

  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    private readonly runner: JobRunner,
  ) {}

  onModuleInit(): void {
    this.runner.register(this);
  }

  async run(): Promise<JsonObject> {
    return { expired: await expireRuns(this.pool, REPORT_RUNS), abandoned: await endAbandoned(this.pool, SILENT_MS) };
  }
}
