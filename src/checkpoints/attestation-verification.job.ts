import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { CONFIG, type Config } from '../config/config.js';
import { ServiceLedger } from '../events/service-ledger.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { JobRunner } from '../jobs/job-runner.js';
import { SERVICE, type Job, type JobContext } from '../jobs/job.js';
import { Metrics } from '../operation/metrics.js';
import { AttestationVerifier } from './attestation-verifier.js';

/** Of a run's findings, in its event and its outcome. */
const RECORDED_FINDINGS = 100;

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

  async run({ signal, log, runId, requestedBy }: JobContext): Promise<JsonObject> {
    const last = requestedBy === SERVICE ? await this.runner.lastOutcome(this.name) : undefined;
    const after = last?.verdict === 'valid' && typeof last.anchors === 'string' ? BigInt(last.anchors) : 0n;
    const { anchors, findings, ...figures } = await this.verifier.run(after, signal);
    const listed = findings.slice(0, RECORDED_FINDINGS).map((each) => ({ ...each }));
    const outcome = {
      verdict: findings.length > 0 ? 'invalid' : 'valid',
      anchors: String(anchors),
      ...figures,
      findings_total: findings.length,
      findings: listed,
    };
    if (findings.length > 0) {
      log.error(
        { findings: listed.slice(0, 10), alarm: 'attestation-invalid' },
        'what others have said of what was signed is not what is there',
      );
      await this.serviceLedger.record({
        event_type: 'attestation_verification',
        entity_type: 'job_run',
        entity_id: runId,
        action: 'done',
        user_id: requestedBy.slice(0, 255),
        new_state: { ...outcome },
      });
    }
    return outcome;
  }
}
