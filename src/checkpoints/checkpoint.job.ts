import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type pg from 'pg';
import type { Logger } from 'pino';
import { CONFIG, type Config } from '../config/config.js';
import { POOL } from '../database/tokens.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { JobRunner } from '../jobs/job-runner.js';
import { SERVICE, type Job, type JobContext } from '../jobs/job.js';
import { Metrics } from '../operation/metrics.js';
import { readLastAnchor, readSignedLedgers } from './anchors.sql.js';
import { SigningRound } from './signing-round.js';

const OFF = 'off';

/** Signs what has moved since the last round. */
@Injectable()
export class CheckpointJob implements Job, OnModuleInit {
  readonly name = 'checkpoint';
  readonly summary = 'Signs the size and root of every ledger that has moved, and anchors them in the object store';
  readonly schedule: string | undefined;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(POOL) private readonly pool: pg.Pool,
    private readonly round: SigningRound,
    private readonly runner: JobRunner,
    private readonly metrics: Metrics,
  ) {
    this.schedule = config.CHECKPOINT_SCHEDULE === OFF ? undefined : config.CHECKPOINT_SCHEDULE;
  }

  onModuleInit(): void {
    if (this.config.ARCHIVE_URL === OFF) return;
    this.runner.register(this);
    this.metrics.gauge(
      'truetrail_unanchored_events',
      'Events of the ledger that no anchored checkpoint covers yet: what could still be cut off unseen',
      ['ledger'],
      async () => {
        const givenUp = (await this.lastRefused()).filter(({ is_open: isOpen }) => !isOpen);
        return (await readSignedLedgers(this.pool)).map(({ ledger, size, signed }) => ({
          labels: { ledger },
          value: givenUp.some((each) => each.ledger === ledger) ? 0 : Math.max(0, Number(size - (signed?.size ?? 0n))),
        }));
      },
    );
    this.metrics.gauge('truetrail_anchor_age_seconds', 'Time since the last anchor was written', [], async () => {
      const last = await readLastAnchor(this.pool);
      return last ? [{ value: last.ageSeconds }] : [];
    });
    this.metrics.gauge(
      'truetrail_checkpoint_refused_ledgers',
      'Ledgers that the last round, on whichever replica, did not sign, as they are not what was signed before; without those that were closed for it',
      [],
      async () => {
        const last = await this.runner.lastOutcome(this.name);
        if (last === undefined) return [];
        return [{ value: (await this.lastRefused()).filter(({ is_open: isOpen }) => isOpen).length }];
      },
    );
  }

  /** Of an earlier release's round nothing says whether they were open. */
  private async lastRefused(): Promise<{ ledger: string; is_open: boolean }[]> {
    const { refused = [] } = (await this.runner.lastOutcome(this.name)) ?? {};
    return (refused as { ledger: string; is_open?: boolean }[]).map((each) => ({ is_open: true, ...each }));
  }

  async run({ signal, log, requestedBy }: JobContext): Promise<JsonObject> {
    const { anchor, signed, takenUp, refused } = await this.round.run({
      signal,
      log,
      retryAll: requestedBy !== SERVICE,
    });
    if (anchor !== null || takenUp > 0) await this.showIt(log);
    return {
      anchor: anchor === null ? null : String(anchor),
      signed,
      taken_up: takenUp,
      refused: refused.map(({ isOpen, ...each }) => ({ ...each, is_open: isOpen })),
    };
  }

  /** What is signed is shown to others at once. The round is done whether that can be asked for or not: both have schedules. */
  private async showIt(log: Logger): Promise<void> {
    for (const job of ['witnessing', 'timestamping']) {
      await this.runner.requestOnce(job).catch((error: unknown) => {
        log.warn({ err: error, job }, 'a job could not be asked for after a round of signing');
      });
    }
  }
}
