import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { CONFIG, type Config } from '../config/config.js';
import { ServiceLedger } from '../events/service-ledger.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { JobRunner } from '../jobs/job-runner.js';
import { SERVICE, type Job, type JobContext } from '../jobs/job.js';
import { Metrics } from '../operation/metrics.js';
import { ArchiveVerifier } from './archive-verifier.js';

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

  async run({ signal, log, runId, requestedBy }: JobContext): Promise<JsonObject> {
    const complete = requestedBy !== SERVICE;
    const { findings, reason, ...figures } = await this.verifier.run(complete, signal);
    const unreadable = findings.filter(({ kind }) => kind === 'object-unreadable').length;
    const listed = findings.slice(0, RECORDED_FINDINGS).map((each) => ({ ...each }));
    const outcome = {
      verdict: findings.length > unreadable ? 'invalid' : figures.unread > 0 ? 'undecided' : 'valid',
      ...figures,
      reason,
      ...{ findings_total: findings.length, unreadable },
      findings: listed,
    };
    if (findings.length > 0) {
      const isUnread = ({ kind }: (typeof findings)[number]): boolean => kind === 'object-unreadable';
      const first = [...findings.filter((each) => !isUnread(each)), ...findings.filter(isUnread)].slice(0, 10);
      if (findings.length > unreadable)
        log.error({ findings: first, alarm: 'archive-invalid' }, 'the archive is damaged');
      else log.warn({ findings: first, alarm: 'archive-unread' }, 'objects of the archive cannot be read');
      await this.serviceLedger.record({
        event_type: 'archive_verification',
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
