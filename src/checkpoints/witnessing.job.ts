import { readFileSync } from 'node:fs';
import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type pg from 'pg';
import type { Logger } from 'pino';
import { archiveReadSettings } from '../archive/archive-reading.js';
import { CONFIG, type Config } from '../config/config.js';
import { DATABASE_URL, POOL } from '../database/tokens.js';
import { ServiceLedger } from '../events/service-ledger.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { isQuorum, parsePolicy, type PolicyWitness, type WitnessPolicy } from '../integrity/witness-policy.js';
import { JobRunner } from '../jobs/job-runner.js';
import type { Job, JobContext } from '../jobs/job.js';
import { Metrics } from '../operation/metrics.js';
import { PeerCertificates } from '../operation/peer-certificates.js';
import type { WitnessFailure } from '../witnesses/witness-client.js';
import * as sql from './cosignatures.sql.js';
import type { Offered } from './offering.js';
import { WitnessThread } from './witness-thread.js';

/** What is kept at once, and what a crash loses: the next run then gets the same cosignatures again. */
const CHUNK_LEDGERS = 200;
/** A slow witness is left after this; those that have waited longest come first, so the next run goes on where it was. */
const MAX_RUN_MS = 600_000;
const LOCK_TIMEOUT_MS = 10_000;
const IDLE_MS = 300_000;

/** How it went with one witness. */
interface WitnessFigures {
  cosigned: number;
  /** ledgers that it did not cosign, by the reason */
  failed: Partial<Record<WitnessFailure, number>>;
  /** ledgers that it was not asked about, as it did not answer */
  left: number;
  /** of those that failed, for the log and the run */
  first?: { ledger: string; reason: string };
}

/**
 * Offers the last checkpoint of every ledger to the witnesses of WITNESSES, and keeps their cosignatures. Nothing waits
 * for it: a witness that does not answer costs cosignatures, which show in the metrics, and is asked again by the next
 * run.
 */
@Injectable()
export class Witnessing implements Job, OnModuleInit, OnModuleDestroy {
  readonly name = 'witnessing';
  readonly summary = 'Has the witnesses of WITNESSES cosign the last checkpoint of every ledger';
  /** After every round, too; this is for witnesses that were not there then. */
  readonly schedule = '*/5 * * * *';
  private readonly policy: WitnessPolicy | undefined;
  /** what was said of each witness last, so that a witness that is away for days is told of once */
  private readonly told = new Map<string, string>();
  private readonly recordedConflicts = new Set<string>();
  /** kept for the next run, which mostly follows soon */
  private thread: WitnessThread | undefined;
  private idle: NodeJS.Timeout | undefined;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(DATABASE_URL) private readonly url: string,
    private readonly serviceLedger: ServiceLedger,
    private readonly runner: JobRunner,
    private readonly metrics: Metrics,
    private readonly certificates: PeerCertificates,
  ) {
    this.policy = config.WITNESSES === undefined ? undefined : readPolicy(config.WITNESSES);
  }

  onModuleInit(): void {
    if (!this.policy) return;
    this.runner.register(this);
    for (const { name, url } of this.policy.witnesses) {
      this.metrics.countWitnessFailure(name, 'no-answer', 0);
      this.certificates.watch('witness', () => (url === undefined ? url : new URL(url)));
    }
    this.metrics.gauge(
      'truetrail_witnessed_checkpoint_age_seconds',
      'Age of the last checkpoint of the ledger that the quorum of WITNESSES has cosigned',
      ['ledger'],
      async () =>
        (await sql.readWitnessedAges(this.pool)).flatMap(({ ledger, witnessed_seconds: value }) =>
          value === null ? [] : [{ labels: { ledger }, value }],
        ),
    );
    this.metrics.gauge(
      'truetrail_unwitnessed_age_seconds',
      'Age of the oldest checkpoint, of any ledger, that neither has its quorum of cosignatures nor is followed by one that has; 0 when there is none',
      [],
      async () => [
        {
          value: (await sql.readWitnessedAges(this.pool)).reduce(
            (most, { waiting_seconds: seconds }) => Math.max(most, seconds ?? 0),
            0,
          ),
        },
      ],
    );
  }

  async onModuleDestroy(): Promise<void> {
    clearTimeout(this.idle);
    await this.endThread();
  }

  async run({ signal, log }: JobContext): Promise<JsonObject> {
    const { policy } = this;
    if (!policy) return {};
    clearTimeout(this.idle);
    const stop = (): void => void this.endThread();
    signal.addEventListener('abort', stop, { once: true });
    try {
      const figures = await Promise.all(
        policy.witnesses.map(async (witness) => {
          const found = await this.offerAll(policy, witness, log);
          this.tell(witness, found, log);
          return [witness.name, { ...found }] as const;
        }),
      );
      return { witnesses: Object.fromEntries(figures) };
    } catch (error) {
      await this.endThread(); // whatever is under way on it
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener('abort', stop);
      this.idle = setTimeout(() => void this.endThread(), IDLE_MS).unref();
    }
  }

  /** All that a witness has not cosigned yet, until it does not answer any more. */
  private async offerAll(policy: WitnessPolicy, witness: PolicyWitness, log: Logger): Promise<WitnessFigures> {
    const figures: WitnessFigures = { cosigned: 0, failed: {}, left: 0 };
    const witnessKey = witness.key.toString();
    const ledgers = await sql.listUncosignedLedgers(this.pool, witnessKey);
    const until = performance.now() + MAX_RUN_MS;
    for (let at = 0; at < ledgers.length && figures.left === 0; at += CHUNK_LEDGERS) {
      const chunk = await sql.readUncosigned(this.pool, witnessKey, ledgers.slice(at, at + CHUNK_LEDGERS));
      const offered = await this.startedThread().offerAll({ key: witnessKey, url: witness.url! }, chunk);
      const kept: sql.NewCosignature[] = [];
      for (const each of offered) {
        if ('line' in each) kept.push({ ...each, witnessKey });
        else await this.countFailure(witness, each, figures, log);
      }
      if (kept.length > 0) await this.keep(policy, kept);
      figures.cosigned += kept.length;
      const isLeft = offered.length < chunk.length || performance.now() > until;
      if (isLeft) figures.left = ledgers.length - at - offered.length;
    }
    return figures;
  }

  /** Whoever comes last of those who are enough sees the others' cosignatures, since each is kept before it looks. */
  private async keep(policy: WitnessPolicy, cosignatures: readonly sql.NewCosignature[]): Promise<void> {
    await sql.keepCosignatures(this.pool, cosignatures);
    const witnessed = (await sql.readCosigners(this.pool, cosignatures)).filter(({ witness_keys: keys }) =>
      isQuorum(policy, new Set(policy.witnesses.filter(({ key }) => keys.includes(key.toString())))),
    );
    if (witnessed.length > 0) await sql.noteWitnessed(this.pool, witnessed);
  }

  private async countFailure(
    { name }: PolicyWitness,
    { ledger, anchor, failure, reason }: Extract<Offered, { failure: unknown }>,
    figures: WitnessFigures,
    log: Logger,
  ): Promise<void> {
    figures.failed[failure] = (figures.failed[failure] ?? 0) + 1;
    this.metrics.countWitnessFailure(name, failure);
    const what = { witness: name, ledger, anchor, failure, reason };
    figures.first ??= { ledger, reason };
    if (failure !== 'conflict') {
      log.debug(what, 'a witness has not cosigned a checkpoint');
      return;
    }
    log.error({ ...what, alarm: 'witness-conflict' }, 'a witness has cosigned what a checkpoint does not continue');
    const conflict = JSON.stringify([name, ledger]);
    if (this.recordedConflicts.has(conflict)) return;
    await this.serviceLedger.record({
      event_type: 'checkpoint',
      entity_type: 'ledger',
      entity_id: ledger,
      action: 'witness_conflict',
      user_id: 'service',
      new_state: { witness: name, anchor, reason },
    });
    this.recordedConflicts.add(conflict);
  }

  private startedThread(): WitnessThread {
    if (this.thread?.hasEnded !== false) {
      this.thread = new WitnessThread({
        url: this.url,
        lockTimeoutMs: LOCK_TIMEOUT_MS,
        archive: archiveReadSettings(this.config),
      });
    }
    return this.thread;
  }

  private async endThread(): Promise<void> {
    const { thread } = this;
    this.thread = undefined;
    await thread?.close();
  }

  /** Says how it is with a witness when it is otherwise than before. */
  private tell({ name, url }: PolicyWitness, figures: WitnessFigures, log: Logger): void {
    const failures = Object.keys(figures.failed).sort().join(', ');
    const before = this.told.get(name) ?? '';
    this.told.set(name, failures);
    if (failures === before) return;
    const what = { witness: name, url, ...figures };
    if (failures === '') log.info(what, 'a witness cosigns again');
    else
      log.warn(what, `a witness does not cosign all that it is offered: ${failures}. It is asked again by every run`);
  }
}

/** Throws an Error for the operator. */
function readPolicy(path: string): WitnessPolicy {
  try {
    const policy = parsePolicy(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFileSync(path)));
    const silent = policy.witnesses.find(({ url }) => url === undefined);
    if (silent) throw new Error(`the witness ${silent.name} has no URL at which it could be asked`);
    if (policy.witnesses.length === 0) throw new Error('it names no witness');
    return policy;
  } catch (cause) {
    throw new Error(`The file of WITNESSES cannot be used: ${(cause as Error).message}`, { cause });
  }
}
