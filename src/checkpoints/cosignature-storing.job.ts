import { hash } from 'node:crypto';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type pg from 'pg';
import { claimStore, OBJECT_STORE, putBytes } from '../archive/archive-store.js';
import type { ObjectStore } from '../archive/object-store.js';
import { CONFIG, type Config } from '../config/config.js';
import { POOL } from '../database/tokens.js';
import { cosignatureObjectBytes, cosignatureObjectKey } from '../integrity/cosignature-object.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { JobRunner } from '../jobs/job-runner.js';
import type { Job, JobContext } from '../jobs/job.js';
import { Metrics } from '../operation/metrics.js';
import * as sql from './attestations.sql.js';
import { retainUntil } from '../archive/lock-of-proofs.js';

const CONTENT_TYPE = 'application/json';
/** In an object, of some 400 bytes each. */
const MAX_IN_OBJECT = 50_000;

/**
 * Writes the cosignatures that came since its last run to the object store, under lock, so that they outlive the
 * database. Once an hour, not with every round: an object a minute for each witness would cost more than it keeps, since
 * a witness's next cosignature covers what the lost ones did. Killed between the store and the database it leaves an
 * object that the next verification of attestations catalogues.
 */
@Injectable()
export class CosignatureStoring implements Job, OnModuleInit {
  readonly name = 'cosignature-storing';
  readonly summary = 'Writes the cosignatures of witnesses that are not there yet to the object store';
  readonly schedule = '35 * * * *';

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(OBJECT_STORE) private readonly store: ObjectStore | null,
    private readonly runner: JobRunner,
    private readonly metrics: Metrics,
  ) {}

  onModuleInit(): void {
    if (this.config.WITNESSES === undefined) return;
    this.runner.register(this);
    this.metrics.gauge(
      'truetrail_unstored_cosignatures',
      'Cosignatures that are not in the object store yet: what a lost database would lose',
      [],
      async () => [{ value: await sql.countWaitingCosignatures(this.pool) }],
    );
  }

  async run({ signal }: JobContext): Promise<JsonObject> {
    const outcome = { objects: 0, cosignatures: 0 };
    const store = this.store?.within(signal);
    if (!store) return outcome;
    await claimStore(store, this.pool);
    for (;;) {
      signal.throwIfAborted();
      const waiting = await sql.listWaitingCosignatures(this.pool, MAX_IN_OBJECT);
      if (waiting.length === 0) return outcome;
      const cosignatures = waiting.map(({ ledger, origin, anchor, witness_key: witnessKey, line }) => ({
        ledger,
        origin,
        anchor: BigInt(anchor),
        witnessKey,
        line,
      }));
      const bytes = cosignatureObjectBytes(cosignatures);
      const { key: objectKey, versionId } = await putBytes(store, bytes, {
        key: cosignatureObjectKey(cosignatures, bytes),
        contentType: CONTENT_TYPE,
        metadata: {},
        retainUntil: await retainUntil(this.pool, this.config),
      });
      await sql.catalogueCosignatureObject(this.pool, {
        objectKey,
        sha256: hash('sha256', bytes, 'buffer'),
        bytes: bytes.length,
        location: store.location,
        versionId,
        cosignatures,
      });
      outcome.objects += 1;
      outcome.cosignatures += waiting.length;
    }
  }
}
