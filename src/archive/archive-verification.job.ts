import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { CONFIG, type Config } from '../config/config.js';
import { ServiceLedger } from '../events/service-ledger.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { JobRunner } from '../jobs/job-runner.js';
import { SERVICE, type Job, type JobContext } from '../jobs/job.js';
import { Metrics } from '../operation/metrics.js';
import { OBJECT_STORE } from './archive-store.js';
import { ArchiveVerifier } from './archive-verifier.js';
import type { ObjectStore } from './object-store.js';

/** Of a run's findings, in its event and its outcome. */
const RECORDED_FINDINGS = 100;

/** Looks at the store and at every object in it; reads a sample of them, or all when it is run by hand. */
@Injectable()
export class ArchiveVerification implements Job, OnModuleInit {
  readonly name = 'archive-verification';
  readonly summary =
    'Compares the object store with the catalogue, reads objects back and recomputes them (all when run by hand), keeps locks long enough';
  readonly schedule = '15 4 * * *';

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(OBJECT_STORE) private readonly store: ObjectStore | null,
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
    this.metrics.gauge(
      'truetrail_archive_store_faults',
      'What is wrong with the object store, at the last look of any replica',
      [],
      async () => {
        const last = await this.runner.lastOutcome(this.name);
        return last === undefined ? [] : [{ value: (last.store_faults as unknown[]).length }];
      },
    );
  }

  async run({ signal, log, runId, requestedBy }: JobContext): Promise<JsonObject> {
    const faults = (await this.store?.inspect()) ?? [];
    for (const { rule, detail } of faults)
      log.warn({ rule, detail, alarm: 'archive-store' }, 'the object store is not as it should be');
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
      store_faults: faults.map((each) => ({ ...each })),
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
