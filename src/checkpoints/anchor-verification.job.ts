import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { CONFIG, type Config } from '../config/config.js';
import { ServiceLedger } from '../events/service-ledger.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { JobRunner } from '../jobs/job-runner.js';
import { SERVICE, type Job, type JobContext } from '../jobs/job.js';
import { Metrics } from '../operation/metrics.js';
import { AnchorVerifier } from './anchor-verifier.js';

/** Of a run's findings, in its event and its outcome. */
const RECORDED_FINDINGS = 100;

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

  async run({ signal, log, runId, requestedBy }: JobContext): Promise<JsonObject> {
    const last = requestedBy === SERVICE ? await this.runner.lastOutcome(this.name) : undefined;
    const after = last?.verdict === 'valid' && typeof last.anchors === 'string' ? BigInt(last.anchors) : 0n;
    const { anchors, read, findings } = await this.verifier.run(after, signal);
    const listed = findings.slice(0, RECORDED_FINDINGS).map((each) => ({ ...each }));
    const outcome = {
      verdict: findings.length > 0 ? 'invalid' : 'valid',
      anchors: String(anchors),
      read,
      findings_total: findings.length,
      findings: listed,
    };
    if (findings.length > 0) {
      log.error({ findings: listed.slice(0, 10), alarm: 'anchor-invalid' }, 'what was signed is not what is there');
      await this.serviceLedger.record({
        event_type: 'anchor_verification',
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
