import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { JsonObject } from '../integrity/strict-json.js';
import { JobRunner } from '../jobs/job-runner.js';
import type { Job, JobContext } from '../jobs/job.js';
import { Metrics } from '../operation/metrics.js';
import { OBJECT_STORE } from './archive-store.js';
import type { ObjectStore } from './object-store.js';

/**
 * Says what is wrong with the object store that the service was given: Object Lock, default retention, versioning,
 * encryption, clock, rights. At every start, which does not wait for it, and daily.
 */
@Injectable()
export class StoreInspection implements Job, OnModuleInit {
  readonly name = 'store-inspection';
  readonly summary =
    'Looks at the object store itself: Object Lock, default retention, versioning, encryption, clock, rights';
  readonly schedule = '10 4 * * *';
  readonly atStart = true;

  constructor(
    @Inject(OBJECT_STORE) private readonly store: ObjectStore | null,
    private readonly runner: JobRunner,
    private readonly metrics: Metrics,
  ) {}

  onModuleInit(): void {
    if (!this.store) return;
    this.runner.register(this);
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

  /** Throws StoreUnavailable: what could not be asked is not known. */
  async run({ signal, log }: JobContext): Promise<JsonObject> {
    const faults = await this.store!.within(signal).inspect();
    for (const { rule, detail } of faults)
      log.warn({ rule, detail, alarm: 'archive-store' }, 'the object store is not as it should be');
    return { location: this.store!.location, store_faults: faults.map((each) => ({ ...each })) };
  }
}
