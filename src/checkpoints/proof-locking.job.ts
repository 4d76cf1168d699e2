import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type pg from 'pg';
import { proofRetention } from '../archive/lock-of-proofs.js';
import { CONFIG, type Config } from '../config/config.js';
import { POOL } from '../database/tokens.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { JobRunner } from '../jobs/job-runner.js';
import { SERVICE, type Job, type JobContext } from '../jobs/job.js';
import { LOGGED_FINDINGS } from '../jobs/verification-run.js';
import { beginStep, nextPass, ProofLocks, type LockPass } from './proof-locks.js';

/** Of a run, a minute or so of requests to the store; the next run begins at once. */
const ANCHORS_A_RUN = 5_000;
/** Of objects whose lock could not be moved on, in a run's outcome. */
const LISTED_OBJECTS = 100;

/** Keeps what proves locked as long as what it proves is kept. Looks at nothing in the store unless policies or holds have changed. */
@Injectable()
export class ProofLocking implements Job, OnModuleInit {
  readonly name = 'proof-locking';
  readonly summary =
    'Moves locks of anchors, time stamps and cosignatures on when a longer retention policy comes, and while there is a legal hold (looks at all of them when run by hand)';
  readonly schedule = '50 * * * *';

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(POOL) private readonly pool: pg.Pool,
    private readonly locks: ProofLocks,
    private readonly runner: JobRunner,
  ) {}

  onModuleInit(): void {
    if (this.config.ARCHIVE_URL !== 'off') this.runner.register(this);
  }

  async run({ signal, log, requestedBy, keepIfFailed }: JobContext): Promise<JsonObject> {
    const last = requestedBy === SERVICE ? await this.runner.lastOutcome(this.name) : undefined;
    const wanted = await proofRetention(this.pool, this.config);
    const pass = nextPass(last as LockPass | undefined, wanted);
    const request = { anchors: ANCHORS_A_RUN, requestedBy, signal, log };
    const step = beginStep(pass);
    const soFar = (): JsonObject => {
      const { short, is_more: _, ...done } = step;
      return { ...done, short_total: short.length, short: short.slice(0, LISTED_OBJECTS) };
    };
    keepIfFailed(soFar);
    try {
      await this.locks.step(pass, wanted, request, step);
    } finally {
      const objects = step.short.slice(0, LOGGED_FINDINGS);
      if (objects.length > 0)
        log.error({ objects, alarm: 'anchor-invalid' }, 'locks of what proves could not be moved on');
    }
    if (step.is_more) await this.runner.requestOnce(this.name);
    return soFar();
  }
}
