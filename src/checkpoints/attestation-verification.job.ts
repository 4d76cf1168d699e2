import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { CONFIG, type Config } from '../config/config.js';
import { ServiceLedger } from '../events/service-ledger.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { JobRunner } from '../jobs/job-runner.js';
import type { Job, JobContext } from '../jobs/job.js';
import { Metrics } from '../operation/metrics.js';
import { AttestationVerifier, noAttestations } from './attestation-verifier.js';
import { verifyAlongAnchors } from './verification-along-anchors.js';

/** Verifies time stamps and cosignatures again: those since the last run and a sample, or all when it is run by hand. */
@Injectable()
export class AttestationVerification implements Job, OnModuleInit {
  readonly name = 'attestation-verification';
  readonly summary =
    'Verifies the kept time stamps and cosignatures again, and what the object store has of them; takes up those that the database lacks (all when run by hand)';
  readonly schedule = '5 5 * * *';

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly verifier: AttestationVerifier,
    private readonly serviceLedger: ServiceLedger,
    private readonly runner: JobRunner,
    private readonly metrics: Metrics,
  ) {}

  onModuleInit(): void {
    if (this.config.ARCHIVE_URL === 'off') return;
    this.runner.register(this);
    this.metrics.gauge(
      'truetrail_attestation_findings',
      'Findings of the last verification of time stamps and cosignatures',
      [],
      async () => {
        const last = await this.runner.lastOutcome(this.name);
        return last === undefined ? [] : [{ value: Number(last.findings_total) }];
      },
    );
  }

  run(context: JobContext): Promise<JsonObject> {
    const { runner, serviceLedger } = this;
    const found = noAttestations();
    return verifyAlongAnchors(
      context,
      { runner, serviceLedger },
      {
        job: this.name,
        eventType: 'attestation_verification',
        alarm: 'attestation-invalid',
        message: 'what others have said of what was signed is not what is there',
        found,
        verify: (after) => this.verifier.run(after, context.signal, found),
      },
    );
  }
}
