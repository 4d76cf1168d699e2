import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type pg from 'pg';
import { POOL } from '../database/tokens.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { JobRunner } from '../jobs/job-runner.js';
import type { Job } from '../jobs/job.js';
import { expireRuns } from '../runs/kept-run-rows.js';
import { EVIDENCE_RUNS } from './evidence-runs.sql.js';

/** Throws kept bundles away when their time is over. What they were stays: their runs, with their digests. */
@Injectable()
export class EvidenceExpiry implements Job, OnModuleInit {
  readonly name = 'evidence-expiry';
  readonly summary = 'Throws away bundles of evidence that were kept for EVIDENCE_RUN_DAYS';
  readonly schedule = '55 * * * *';

  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    private readonly runner: JobRunner,
  ) {}

  onModuleInit(): void {
    this.runner.register(this);
  }

  async run(): Promise<JsonObject> {
    return { expired: await expireRuns(this.pool, EVIDENCE_RUNS) };
  }
}
