import { setTimeout as pause } from 'node:timers/promises';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type pg from 'pg';
import { CONFIG, type Config } from '../config/config.js';
import { POOL } from '../database/tokens.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { JobRunner } from '../jobs/job-runner.js';
import type { Job, JobContext } from '../jobs/job.js';
import { SchemaCheck, summaryOf } from './schema-check.js';
import { listLedgerNames } from './trail.sql.js';
import { Verifications } from './verifications.js';

const LOOK_MS = 250;
const OFF = 'off';

/** The daily verification of everything: each ledger as a whole, and the schema. */
@Injectable()
export class ChainVerification implements Job, OnModuleInit {
  readonly name = 'chain-verification';
  readonly summary = 'Verifies every ledger as a whole, and the schema';
  readonly schedule: string | undefined;

  constructor(
    @Inject(CONFIG) config: Config,
    @Inject(POOL) private readonly pool: pg.Pool,
    private readonly verifications: Verifications,
    private readonly schema: SchemaCheck,
    private readonly runner: JobRunner,
  ) {
    this.schedule = config.VERIFICATION_SCHEDULE === OFF ? undefined : config.VERIFICATION_SCHEDULE;
  }

  onModuleInit(): void {
    this.runner.register(this);
  }

  /**
   * Asks for a verification of each ledger, which any replica may run, and waits for them. When it was stopped and is
   * run again, it finds those that it asked for.
   */
  async run({ signal, runId, keepIfFailed }: JobContext): Promise<JsonObject> {
    const schema = await this.schema.check(runId);
    // findings of ledgers stay in their verifications, whatever becomes of this run
    keepIfFailed(() => ({ schema: summaryOf(schema) }));
    const asked = new Set((await this.verifications.listOfJob(runId)).map(({ ledger }) => ledger));
    for (const ledger of await listLedgerNames(this.pool)) {
      signal.throwIfAborted();
      if (!asked.has(ledger)) await this.verifications.request(ledger, {}, 'service', runId);
    }
    while (await this.verifications.hasOpenOfJob(runId)) {
      await pause(LOOK_MS, undefined, { signal }).catch(() => undefined);
      signal.throwIfAborted();
    }
    const runs = await this.verifications.listOfJob(runId);
    const verdicts = [...runs.map(({ verdict }) => verdict ?? 'undecided'), schema.verdict];
    return {
      verdict: verdicts.includes('invalid') ? 'invalid' : verdicts.includes('undecided') ? 'undecided' : 'valid',
      ledgers: runs.map(({ ledger, id, status, verdict, checked, findings_total }) => ({
        ledger,
        verification: id,
        status,
        verdict,
        checked,
        findings_total,
      })),
      schema: summaryOf(schema),
    };
  }
}
