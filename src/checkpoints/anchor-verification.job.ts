import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { CONFIG, type Config } from '../config/config.js';
import { ServiceLedger } from '../events/service-ledger.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { JobRunner } from '../jobs/job-runner.js';
import type { Job, JobContext } from '../jobs/job.js';
import { Metrics } from '../operation/metrics.js';
import { AnchorVerifier, noAnchors } from './anchor-verifier.js';
import { verifyAlongAnchors } from './verification-along-anchors.js';

/** Reads anchors back: those since the last run and a sample, or all when it is run by hand. */
@Injectable()
export class AnchorVerification implements Job, OnModuleInit {
  readonly name = 'anchor-verification';
  readonly summary =
    'Reads anchors back from the object store: bytes, locks, signatures, their chain, and what the database says of them (all when run by hand)';
  readonly schedule = '45 4 * * *';

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly verifier: AnchorVerifier,
    private readonly serviceLedger: ServiceLedger,
    private readonly runner: JobRunner,
    private readonly metrics: Metrics,
  ) {}

  onModuleInit(): void {
    if (this.config.ARCHIVE_URL === 'off') return;
    this.runner.register(this);
    this.metrics.gauge(
      'truetrail_anchor_findings',
      'Findings of the last verification of the anchors',
      [],
      async () => {
        const last = await this.runner.lastOutcome(this.name);
        return last === undefined ? [] : [{ value: Number(last.findings_total) }];
      },
    );
  }

  run(context: JobContext): Promise<JsonObject> {
    const { runner, serviceLedger } = this;
    const found = noAnchors();
    return verifyAlongAnchors(
      context,
      { runner, serviceLedger },
      {
        job: this.name,
        eventType: 'anchor_verification',
        alarm: 'anchor-invalid',
        message: 'what was signed is not what is there',
        found,
        verify: (after) => this.verifier.run(after, context.signal, found),
      },
    );
  }
}
