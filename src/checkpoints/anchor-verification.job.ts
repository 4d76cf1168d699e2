import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { CONFIG, type Config } from '../config/config.js';
import { ServiceLedger } from '../events/service-ledger.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { JobRunner } from '../jobs/job-runner.js';
import { SERVICE, type Job, type JobContext } from '../jobs/job.js';
import { LOGGED_FINDINGS, runVerification } from '../jobs/verification-run.js';
import { Metrics } from '../operation/metrics.js';
import { AnchorVerifier, noAnchors, type AnchorVerificationOutcome } from './anchor-verifier.js';

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

  async run(context: JobContext): Promise<JsonObject> {
    const last = context.requestedBy === SERVICE ? await this.runner.lastOutcome(this.name) : undefined;
    const after = last?.verdict === 'valid' && typeof last.anchors === 'string' ? BigInt(last.anchors) : 0n;
    const found = noAnchors();
    const told = {
      eventType: 'anchor_verification',
      outcome: () => outcomeOf(found),
      log: ({ findings }: ReturnType<typeof outcomeOf>) => {
        const first = findings.slice(0, LOGGED_FINDINGS);
        if (first.length > 0)
          context.log.error({ findings: first, alarm: 'anchor-invalid' }, 'what was signed is not what is there');
        return first.length > 0;
      },
    };
    return runVerification(context, this.serviceLedger, told, () => this.verifier.run(after, context.signal, found));
  }
}

function outcomeOf({ anchors, findings, ...figures }: AnchorVerificationOutcome) {
  return {
    verdict: findings.length > 0 ? 'invalid' : 'valid',
    anchors: String(anchors),
    ...figures,
    findings_total: findings.length,
    findings: findings.slice(0, RECORDED_FINDINGS).map((each) => ({ ...each })),
  };
}
