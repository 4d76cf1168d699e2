import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import { DATABASE_URL, POOL } from '../database/tokens.js';
import { ServiceLedger, type ServiceEvent } from '../events/service-ledger.js';
import type { Receipt } from '../integrity/event.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { JobRunner } from '../jobs/job-runner.js';
import { ArchiveObjectError } from './archive-format.js';
import { claimStore, OBJECT_STORE } from './archive-store.js';
import { ArchiveThread } from './archive-thread.js';
import type { RetentionRequest } from './object-retention.js';
import { isArchived, listObjectsOfMonth, wasCarried } from './object-retention.sql.js';
import type { ObjectStore } from './object-store.js';
import {
  CARRIED_RECORD,
  inOrder,
  readCarriedRecords,
  type ReferenceEvent,
  type RetentionEvent,
} from './retention-records.js';
import { makeWorkingFolder } from './working-folder.js';

const LOCK_TIMEOUT_MS = 10_000;
/** An append each; a record has a few kilobytes. */
const RECORDS_AT_ONCE = 200;
const EXPORT_JOB = 'archive-export';
const EXPORT_POLL_MS = 200;

/**
 * Makes the records again that go with a month: which policies there are, which months were deleted, which objects are
 * gone, every act on a legal hold and every change of reference data stands in the service's ledger, and a database that is made anew knows it from
 * nowhere else. Each record is carried on once for every month that it is deleted with, as it was made.
 */
@Injectable()
export class RetentionCarrier {
  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(DATABASE_URL) private readonly url: string,
    @Inject(OBJECT_STORE) private readonly store: ObjectStore | null,
    private readonly serviceLedger: ServiceLedger,
    private readonly runner: JobRunner,
  ) {}

  /**
   * Carries on what the objects of a month hold of such records, and waits until that is in the archive: only then may the
   * month go. Undefined when it is, otherwise why the month has to stay. Killed midway, it begins anew: a record may be
   * carried on twice. Throws StoreUnavailable, and ArchiveObjectError or
   * ObjectMissing when the month's own objects are not as they were.
   */
  async carry(month: string, deletion: string, request: RetentionRequest): Promise<string | undefined> {
    const store = this.store?.within(request.signal);
    if (!store) return undefined;
    await claimStore(store, this.pool);
    if (await wasCarried(this.pool, deletion)) return undefined;
    const records = await this.readRecords(store, month, request.signal);
    let last: Receipt | undefined;
    for (let from = 0; from < records.length; from += RECORDS_AT_ONCE) {
      request.signal.throwIfAborted();
      const some = records.slice(from, from + RECORDS_AT_ONCE);
      const receipts = await this.serviceLedger.record(
        ...some.map((record) => this.eventOf('carry', deletion, { ...record }, request.requestedBy)),
      );
      last = receipts.at(-1);
    }
    if (!last) return undefined; // nothing in it is of the kind
    const { origin, sequence } = last;
    await this.archive(request.signal);
    if (!(await isArchived(this.pool, origin, sequence))) {
      return `what it says of retention, legal holds and reference data was recorded again, up to event ${sequence} of ${origin}, and is not archived yet`;
    }
    const figures = { month, records: String(records.length) };
    await this.serviceLedger.record(this.eventOf('carried', deletion, figures, request.requestedBy));
    request.log.info(
      { deletion, ...figures },
      'records of retention, legal holds and reference data were carried on from a month that is to go',
    );
    return undefined;
  }

  private async readRecords(
    store: ObjectStore,
    month: string,
    signal: AbortSignal,
  ): Promise<(RetentionEvent | ReferenceEvent)[]> {
    const folder = await makeWorkingFolder('retention');
    const thread = new ArchiveThread({ url: this.url, lockTimeoutMs: LOCK_TIMEOUT_MS });
    const records: (RetentionEvent | ReferenceEvent)[] = [];
    try {
      for (const object of await listObjectsOfMonth(this.pool, month)) {
        const { kind, object_key: key, version_id: versionId } = object;
        if (kind === 'entities') continue;
        signal.throwIfAborted();
        const file = join(folder, 'object');
        await pipeline(Readable.from(store.read({ key, versionId })), createWriteStream(file));
        const { bytes, sha256 } = await thread.run({ kind: 'verify', file });
        if (sha256.toString('hex') !== object.sha256)
          throw new ArchiveObjectError(`${key} is not the catalogued object`);
        records.push(...(await readCarriedRecords(file, bytes)));
      }
      return inOrder(records);
    } finally {
      await thread.close();
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** A run of the export that takes all there is. */
  private async archive(signal: AbortSignal): Promise<void> {
    let run = await this.runner.request(EXPORT_JOB, 'month-deletion');
    while (run.status === 'queued' || run.status === 'running') {
      await pause(EXPORT_POLL_MS, undefined, { signal });
      run = await this.runner.find(EXPORT_JOB, run.id);
    }
  }

  private eventOf(action: 'carry' | 'carried', deletion: string, state: JsonObject, requestedBy: string): ServiceEvent {
    return {
      event_type: 'retention',
      entity_type: CARRIED_RECORD,
      entity_id: deletion,
      action,
      user_id: requestedBy.slice(0, 255),
      new_state: { ...state },
      metadata: { reason: 'the month that it was recorded in is to be deleted' },
    };
  }
}
