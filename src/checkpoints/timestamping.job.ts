import type { X509Certificate } from 'node:crypto';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type pg from 'pg';
import type { Logger } from 'pino';
import { claimStore, OBJECT_STORE, putBytes } from '../archive/archive-store.js';
import type { ObjectStore } from '../archive/object-store.js';
import { CONFIG, type Config } from '../config/config.js';
import { POOL } from '../database/tokens.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { timestampKey } from '../integrity/timestamp-reply.js';
import { JobRunner } from '../jobs/job-runner.js';
import type { Job, JobContext } from '../jobs/job.js';
import { Metrics } from '../operation/metrics.js';
import { PeerCertificates } from '../operation/peer-certificates.js';
import { readRootsFile, requestTimestamp, timestampFailure } from '../witnesses/timestamp-authority.js';
import { AnchorStore, type StoredAnchor } from './anchor-store.js';
import { AUTHORITY_URL_METADATA } from './attestation-intake.js';
import { readLastAnchor } from './anchors.sql.js';
import { retainUntil } from '../archive/lock-of-proofs.js';
import * as sql from './timestamps.sql.js';

const CONTENT_TYPE = 'application/timestamp-reply';
/** Authorities keep time to seconds; ours is within CLOCK_TOLERANCE of the database's. */
const CLOCK_TOLERANCE_MS = 60_000;
/** A run that begins a little early must not skip its turn until the next one. */
const EARLY_MS = 500;

/**
 * Has the last anchor stamped by every authority of TIMESTAMP_AUTHORITIES, at most once an interval. An anchor holds all
 * checkpoints of its round and names the anchor before, so one time stamp dates every event that was signed until then.
 * Nothing waits for it; an authority that does not answer is asked again by the next run.
 */
@Injectable()
export class Timestamping implements Job, OnModuleInit {
  readonly name = 'timestamping';
  readonly summary = 'Has the last anchor stamped by the authorities of TIMESTAMP_AUTHORITIES (RFC 3161)';
  /** After every round, too; this is for authorities that were not there then. */
  readonly schedule = '*/5 * * * *';
  private readonly urls: readonly string[];
  private readonly roots: readonly X509Certificate[];
  private readonly told = new Map<string, string>();

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(OBJECT_STORE) private readonly store: ObjectStore | null,
    private readonly runner: JobRunner,
    private readonly metrics: Metrics,
    private readonly certificates: PeerCertificates,
  ) {
    this.urls = config.TIMESTAMP_AUTHORITIES ?? [];
    this.roots = config.TIMESTAMP_CA_FILE === undefined ? [] : readRootsFile(config.TIMESTAMP_CA_FILE);
  }

  onModuleInit(): void {
    if (this.urls.length === 0) return;
    this.runner.register(this);
    for (const authority of this.urls) {
      this.metrics.countTimestampFailure(authority, 'no-answer', 0);
      this.certificates.watch('timestamp_authority', () => new URL(authority));
    }
    const gauge = (
      name: string,
      help: string,
      read: (pool: pg.Pool, urls: readonly string[]) => Promise<{ authority_url: string; age_seconds: number }[]>,
    ): void =>
      this.metrics.gauge(name, help, ['authority'], async () =>
        (await read(this.pool, this.urls)).map(({ authority_url: authority, age_seconds: value }) => ({
          labels: { authority },
          value,
        })),
      );
    gauge('truetrail_timestamp_age_seconds', 'Time since the last time stamp of the authority', sql.readLastTimestamps);
    gauge(
      'truetrail_unstamped_age_seconds',
      'Age of the oldest anchor that no time stamp of the authority covers; 0 when all are covered',
      sql.readUnstampedAges,
    );
  }

  async run({ signal, log }: JobContext): Promise<JsonObject> {
    const outcome = { anchor: null as string | null, stamped: 0, failed: 0 };
    const store = this.store?.within(signal);
    const last = store && (await readLastAnchor(this.pool));
    if (!store || !last) return outcome;
    const due = await this.dueAuthorities(last.number);
    if (due.length === 0) return outcome;
    await claimStore(store, this.pool);
    const anchors = new AnchorStore(store);
    const anchor = await anchors.read(last.number);
    if (!anchor?.sha256.equals(last.sha256)) {
      throw new Error(`anchor ${last.number} in the store is not the one that is catalogued: it is not stamped`);
    }
    outcome.anchor = String(last.number);
    await Promise.all(
      due.map(async (url) => {
        if (await this.stamp(store, anchor, url, signal, log)) outcome.stamped += 1;
        else outcome.failed += 1;
      }),
    );
    return outcome;
  }

  /** Those that have not stamped this anchor, nor any for an interval. */
  private async dueAuthorities(anchor: bigint): Promise<string[]> {
    const known = new Map(
      (await sql.readLastTimestamps(this.pool, this.urls)).map((each) => [each.authority_url, each]),
    );
    return this.urls.filter((url) => {
      const last = known.get(url);
      if (!last) return true;
      return BigInt(last.anchor) < anchor && last.age_seconds * 1000 >= this.config.TIMESTAMP_INTERVAL - EARLY_MS;
    });
  }

  /** False when there is no time stamp of this authority. What comes is in the store before it is in the database. */
  private async stamp(
    store: ObjectStore,
    { anchor, sha256 }: StoredAnchor,
    url: string,
    signal: AbortSignal,
    log: Logger,
  ): Promise<boolean> {
    const options = { roots: this.roots, clockToleranceMs: CLOCK_TOLERANCE_MS, signal };
    let stamped: Awaited<ReturnType<typeof requestTimestamp>>;
    try {
      stamped = await requestTimestamp(url, sha256, options);
    } catch (error) {
      signal.throwIfAborted();
      const failure = timestampFailure(error);
      if (failure === undefined) throw error;
      this.metrics.countTimestampFailure(url, failure);
      this.tell(url, failure, { reason: (error as Error).message, anchor: String(anchor.number) }, log);
      return false;
    }
    const { reply, timestamp } = stamped;
    const { key: objectKey, versionId } = await putBytes(store, reply, {
      key: timestampKey(anchor.number, reply),
      contentType: CONTENT_TYPE,
      metadata: { [AUTHORITY_URL_METADATA]: url },
      retainUntil: await retainUntil(this.pool, this.config),
    });
    await sql.keepTimestamp(this.pool, {
      anchor: anchor.number,
      anchorSha256: sha256,
      reply,
      authorityUrl: url,
      authority: timestamp.authority,
      stampedAt: timestamp.genTime,
      location: store.location,
      objectKey,
      versionId,
    });
    this.tell(url, '', { anchor: String(anchor.number), authority: timestamp.authority }, log);
    return true;
  }

  /** Says how it is with an authority when it is otherwise than before. */
  private tell(authority: string, failure: string, what: JsonObject, log: Logger): void {
    const before = this.told.get(authority) ?? '';
    this.told.set(authority, failure);
    if (failure === before) return;
    if (failure === '') log.info({ authority, ...what }, 'a time-stamp authority stamps again');
    else log.warn({ authority, failure, ...what }, 'there is no time stamp of an authority; every run asks it again');
  }
}
