import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { CONFIG, type Config } from '../config/config.js';
import { Ledgers } from '../events/ledgers.js';
import { ServiceLedger } from '../events/service-ledger.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { JobRunner } from '../jobs/job-runner.js';
import type { Job, JobContext } from '../jobs/job.js';
import { Metrics } from '../operation/metrics.js';
import { SampleBundles, type SampleFinding, type UnreadSample } from './sample-bundles.js';

/** Of a run's findings, in its event and its outcome; and of what it could not verify. */
export const RECORDED_FINDINGS = 100;
/** Verifiers of a job stop at so many: acknowledgements count no further. */
const MAX_FINDINGS = 1_000;
const OFF = 'off';

/** The daily verification of level 4: of every ledger samples, bundled and verified by public keys alone. */
@Injectable()
export class EvidenceVerification implements Job, OnModuleInit {
  readonly name = 'evidence-verification';
  readonly summary =
    'Makes evidence bundles of samples of every ledger, recent, random and archived, and verifies them offline by public keys alone';
  readonly schedule: string | undefined;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly ledgers: Ledgers,
    private readonly samples: SampleBundles,
    private readonly serviceLedger: ServiceLedger,
    private readonly runner: JobRunner,
    private readonly metrics: Metrics,
  ) {
    const { EVIDENCE_VERIFICATION_SCHEDULE: schedule } = config;
    this.schedule = schedule === OFF ? undefined : schedule;
  }

  onModuleInit(): void {
    if (this.config.ARCHIVE_URL === 'off') return;
    this.runner.register(this);
    this.metrics.gauge(
      'truetrail_evidence_findings',
      'Findings of the last verification of sample bundles, of all ledgers',
      [],
      () => this.ofLastRun('findings_total'),
    );
    this.metrics.gauge(
      'truetrail_evidence_unread_samples',
      'Samples of which the last verification could make or verify no bundle',
      [],
      () => this.ofLastRun('unread_total'),
    );
  }

  async run({ signal, log, runId, requestedBy }: JobContext): Promise<JsonObject> {
    const all = await this.ledgers.list();
    const findings: SampleFinding[] = [];
    const unread: UnreadSample[] = [];
    const counts = { ledgers: 0, bundles: 0, events: 0 };
    const samples = await this.samples.begin();
    try {
      for (const { ledger } of all) {
        if (findings.length >= MAX_FINDINGS) break;
        signal.throwIfAborted();
        const found = await this.samples.verify(samples, ledger, signal);
        for (const { kind } of found.findings) this.metrics.countFinding(ledger, kind);
        findings.push(...found.findings);
        unread.push(...found.unread);
        counts.ledgers += 1;
        counts.bundles += found.bundles.length;
        counts.events += found.events;
      }
    } finally {
      await this.samples.end(samples);
    }
    const outcome = {
      verdict: verdictOf(findings, unread),
      ...counts,
      findings_total: findings.length,
      findings: findings.slice(0, RECORDED_FINDINGS).map((each) => ({ ...each })),
      unread_total: unread.length,
      unread: unread.slice(0, RECORDED_FINDINGS).map((each) => ({ ...each })),
    };
    const [worst, uncertain] = [outcome.findings.slice(0, 10), outcome.unread.slice(0, 10)];
    if (findings.length > 0) {
      log.error({ findings: worst, alarm: 'evidence-invalid' }, 'bundles of evidence do not verify');
    } else if (unread.length > 0) {
      log.warn({ unread: uncertain, alarm: 'evidence-unread' }, 'samples of evidence cannot be verified');
    }
    if (findings.length > 0) {
      await this.serviceLedger.record({
        event_type: 'evidence_verification',
        entity_type: 'job_run',
        entity_id: runId,
        action: 'done',
        user_id: requestedBy.slice(0, 255),
        new_state: { ...outcome },
      });
    }
    return outcome;
  }

  private async ofLastRun(member: string): Promise<{ value: number }[]> {
    const last = await this.runner.lastOutcome(this.name);
    return last === undefined ? [] : [{ value: Number(last[member]) }];
  }
}

export function verdictOf(findings: readonly unknown[], unread: readonly unknown[]): string {
  return findings.length > 0 ? 'invalid' : unread.length > 0 ? 'undecided' : 'valid';
}
