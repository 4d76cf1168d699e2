import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { CONFIG, type Config } from '../config/config.js';
import { Ledgers } from '../events/ledgers.js';
import { ServiceLedger } from '../events/service-ledger.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { JobRunner } from '../jobs/job-runner.js';
import type { Job, JobContext } from '../jobs/job.js';
import { LOGGED_FINDINGS, runVerification, type VerificationOutcome } from '../jobs/verification-run.js';
import { Metrics } from '../operation/metrics.js';
import { noSamples, SampleBundles, type LedgerSamples } from './sample-bundles.js';

/** Of a run's findings, in its event and its outcome; and of what it could not verify. */
export const RECORDED_FINDINGS = 100;
/** Verifiers of a job stop at so many: acknowledgements count no further. */
const MAX_FINDINGS = 1_000;
const OFF = 'off';

interface RunOutcome extends VerificationOutcome {
  ledgers: number;
  bundles: number;
  events: number;
  unread_total: number;
  unread: JsonObject[];
}

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

  run(context: JobContext): Promise<JsonObject> {
    const done: LedgerSamples[] = [];
    const told = {
      eventType: 'evidence_verification',
      outcome: () => outcomeOf(done),
      log: (outcome: RunOutcome) => this.log(outcome, context),
    };
    return runVerification(context, this.serviceLedger, told, () => this.verifyAll(done, context.signal));
  }

  /** Appends to `done`, for each ledger as it is begun. */
  private async verifyAll(done: LedgerSamples[], signal: AbortSignal): Promise<void> {
    const all = await this.ledgers.list();
    const samples = await this.samples.begin('leave');
    try {
      let findings = 0;
      for (const { ledger } of all) {
        if (findings >= MAX_FINDINGS) break;
        signal.throwIfAborted();
        const ofLedger = noSamples();
        done.push(ofLedger);
        await this.samples.verify(samples, ledger, ofLedger, signal).finally(() => {
          for (const { kind } of ofLedger.findings) this.metrics.countFinding(ledger, kind);
        });
        findings += ofLedger.findings.length;
      }
    } finally {
      await this.samples.end(samples);
    }
  }

  /** Whether there are findings, which go on record. */
  private log(outcome: RunOutcome, { log }: JobContext): boolean {
    const [worst, uncertain] = [outcome.findings.slice(0, LOGGED_FINDINGS), outcome.unread.slice(0, LOGGED_FINDINGS)];
    if (worst.length > 0) {
      log.error({ findings: worst, alarm: 'evidence-invalid' }, 'bundles of evidence do not verify');
    } else if (uncertain.length > 0) {
      log.warn({ unread: uncertain, alarm: 'evidence-unread' }, 'samples of evidence cannot be verified');
    }
    return worst.length > 0;
  }

  private async ofLastRun(member: string): Promise<{ value: number }[]> {
    const last = await this.runner.lastOutcome(this.name);
    return last === undefined ? [] : [{ value: Number(last[member]) }];
  }
}

/** Of the ledgers that were looked at, the last one as far as the run came. */
function outcomeOf(done: readonly LedgerSamples[]): RunOutcome {
  const bundles = done.flatMap((each) => each.bundles);
  const findings = done.flatMap((each) => each.findings);
  const unread = done.flatMap((each) => each.unread);
  const events = done.reduce((sum, each) => sum + each.events, 0);
  return {
    verdict: verdictOf({ bundles, events, findings, unread }),
    ...{ ledgers: done.length, bundles: bundles.length, events },
    findings_total: findings.length,
    findings: findings.slice(0, RECORDED_FINDINGS).map((each) => ({ ...each })),
    unread_total: unread.length,
    unread: unread.slice(0, RECORDED_FINDINGS).map((each) => ({ ...each })),
  };
}

/** Of what was verified: nothing is valid of which no bundle was made. */
export function verdictOf({ bundles, findings, unread }: LedgerSamples): 'valid' | 'invalid' | 'undecided' {
  if (findings.length > 0) return 'invalid';
  return unread.length > 0 || bundles.length === 0 ? 'undecided' : 'valid';
}
