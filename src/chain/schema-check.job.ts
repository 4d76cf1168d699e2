import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { JsonObject } from '../integrity/strict-json.js';
import { JobRunner } from '../jobs/job-runner.js';
import type { Job, JobContext } from '../jobs/job.js';
import { Metrics } from '../operation/metrics.js';
import { SchemaCheck, summaryOf } from './schema-check.js';

/** Whether the database still has the tables, triggers, functions and rights that the migrations gave it. */
@Injectable()
export class SchemaCheckJob implements Job, OnModuleInit {
  readonly name = 'schema-check';
  readonly summary = 'Compares tables, triggers, functions and rights with what the migrations made';
  readonly schedule = '15 3 * * *';

  constructor(
    private readonly schema: SchemaCheck,
    private readonly runner: JobRunner,
    private readonly metrics: Metrics,
  ) {}

  onModuleInit(): void {
    this.runner.register(this);
    this.metrics.gauge(
      'truetrail_schema_findings',
      'Differences between the schema and what the migrations made, at the last check; absent when it could not be checked',
      [],
      async () => {
        const last = await this.runner.lastOutcome(this.name);
        return last === undefined || last.verdict === 'undecided' ? [] : [{ value: Number(last.findings_total) }];
      },
    );
  }

  async run({ runId }: JobContext): Promise<JsonObject> {
    return summaryOf(await this.schema.check(runId));
  }
}
