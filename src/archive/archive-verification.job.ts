import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { CONFIG, type Config } from '../config/config.js';
import { ServiceLedger } from '../events/service-ledger.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { JobRunner } from '../jobs/job-runner.js';
import { SERVICE, type Job, type JobContext } from '../jobs/job.js';
import { LOGGED_FINDINGS, runVerification } from '../jobs/verification-run.js';
import { Metrics } from '../operation/metrics.js';
import { ArchiveVerifier, nothingVerified, type ArchiveVerificationOutcome } from './archive-verifier.js';

/** Of a run's findings, in its event and its outcome. */
const RECORDED_FINDINGS = 100;

/** Looks at every object in the store; reads a sample of them, or all when it is run by hand. */
@Injectable()
export class ArchiveVerification implements Job, OnModuleInit {
  readonly name = 'archive-verification';
  readonly summary =
    'Compares the object store with the catalogue, reads objects back and recomputes them (all when run by hand), keeps locks long enough';
  readonly schedule = '15 4 * * *';

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly verifier: ArchiveVerifier,
    private readonly serviceLedger: ServiceLedger,
    private readonly runner: JobRunner,
    private readonly metrics: Metrics,
  ) {}

  onModuleInit(): void {
    if (this.config.ARCHIVE_URL === 'off') return;
    this.runner.register(this);
    this.metrics.gauge(
      'truetrail_archive_findings',
      'Findings of the last verification of the archive, but for objects that could not be read',
      [],
      async () => {
        const last = await this.runner.lastOutcome(this.name);
        return last === undefined ? [] : [{ value: Number(last.findings_total) - Number(last.unreadable ?? 0) }];
      },
    );
    this.metrics.gauge(
      'truetrail_archive_unread_objects',
      'Objects that the last verification of the archive could not read',
      [],
      async () => {
        const last = await this.runner.lastOutcome(this.name);
        return last === undefined ? [] : [{ value: Number(last.unread) }];
      },
    );
  }

  run(context: JobContext): Promise<JsonObject> {
    const complete = context.requestedBy !== SERVICE;
    const found = nothingVerified();
    const told = {
      eventType: 'archive_verification',
      outcome: () => outcomeOf(found),
      log: () => this.log(found, context),
    };
    return runVerification(context, this.serviceLedger, told, () => this.verifier.run(complete, context.signal, found));
  }

  /** Whether there is anything to go on record. */
  private log({ findings }: ArchiveVerificationOutcome, { log }: JobContext): boolean {
    if (findings.length === 0) return false;
    const worst = findings.filter((each) => !isUnreadable(each));
    const first = [...worst, ...findings.filter(isUnreadable)].slice(0, LOGGED_FINDINGS);
    if (worst.length > 0) log.error({ findings: first, alarm: 'archive-invalid' }, 'the archive is damaged');
    else log.warn({ findings: first, alarm: 'archive-unread' }, 'objects of the archive cannot be read');
    return true;
  }
}

function outcomeOf({ findings, reason, ...figures }: ArchiveVerificationOutcome) {
  const unreadable = findings.filter(isUnreadable).length;
  return {
    verdict: findings.length > unreadable ? 'invalid' : figures.unread > 0 ? 'undecided' : 'valid',
    ...figures,
    reason,
    ...{ findings_total: findings.length, unreadable },
    findings: findings.slice(0, RECORDED_FINDINGS).map((each) => ({ ...each })),
  };
}

function isUnreadable({ kind }: ArchiveVerificationOutcome['findings'][number]): boolean {
  return kind === 'object-unreadable';
}
