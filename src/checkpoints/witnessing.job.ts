import { readFileSync } from 'node:fs';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type pg from 'pg';
import type { Logger } from 'pino';
import { CONFIG, type Config } from '../config/config.js';
import { POOL } from '../database/tokens.js';
import { Problem } from '../http/problem.js';
import { ServiceLedger } from '../events/service-ledger.js';
import { cosignatureTime, formatSignature, parseNote } from '../integrity/signed-note.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { consistencyProof } from '../integrity/tiles.js';
import { isQuorum, parsePolicy, type PolicyWitness, type WitnessPolicy } from '../integrity/witness-policy.js';
import { JobRunner } from '../jobs/job-runner.js';
import type { Job, JobContext } from '../jobs/job.js';
import { Metrics } from '../operation/metrics.js';
import { requestCosignature, WitnessError, type WitnessFailure } from '../witnesses/witness-client.js';
import { Checkpoints } from './checkpoints.js';
import * as sql from './cosignatures.sql.js';

/** Asked of one witness at once. */
const AT_ONCE = 8;
/** What is kept at once, and what a crash loses: the next run then gets the same cosignatures again. */
const CHUNK_LEDGERS = 200;
/** So many answers that did not come, one after the other, and it is the witness and not the ledger: the next run asks it again. */
const MAX_SILENCES = 3;
/** A slow witness is left after this; those that have waited longest come first, so the next run goes on where it was. */
const MAX_RUN_MS = 600_000;
/** Who says so is not there, or has no time: for one ledger as for the next. */
const OF_THE_WITNESS: readonly WitnessFailure[] = ['no-answer', 'busy', 'failed'];

/** How it went with one witness. */
interface WitnessFigures {
  cosigned: number;
  /** ledgers that it did not cosign, by the reason */
  failed: Partial<Record<WitnessFailure, number>>;
  /** ledgers that it was not asked about, as it did not answer */
  left: number;
}

/**
 * Offers the last checkpoint of every ledger to the witnesses of WITNESSES, and keeps their cosignatures. Nothing waits
 * for it: a witness that does not answer costs cosignatures, which show in the metrics, and is asked again by the next
 * run.
 */
@Injectable()
export class Witnessing implements Job, OnModuleInit {
  readonly name = 'witnessing';
  readonly summary = 'Has the witnesses of WITNESSES cosign the last checkpoint of every ledger';
  /** After every round, too; this is for witnesses that were not there then. */
  readonly schedule = '*/5 * * * *';
  private readonly policy: WitnessPolicy | undefined;
  /** what was said of each witness last, so that a witness that is away for days is told of once */
  private readonly told = new Map<string, string>();
  private readonly recordedConflicts = new Set<string>();

  constructor(
    @Inject(CONFIG) config: Config,
    @Inject(POOL) private readonly pool: pg.Pool,
    private readonly checkpoints: Checkpoints,
    private readonly serviceLedger: ServiceLedger,
    private readonly runner: JobRunner,
    private readonly metrics: Metrics,
  ) {
    this.policy = config.WITNESSES === undefined ? undefined : readPolicy(config.WITNESSES);
  }

  onModuleInit(): void {
    if (!this.policy) return;
    this.runner.register(this);
    for (const { name } of this.policy.witnesses) this.metrics.countWitnessFailure(name, 'no-answer', 0);
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

  async run({ signal, log }: JobContext): Promise<JsonObject> {
    const { policy } = this;
    if (!policy) return {};
    const figures = await Promise.all(
      policy.witnesses.map(async (witness) => {
        const found = await this.offerAll(policy, witness, signal, log);
        this.tell(witness, found, log);
        return [witness.name, { ...found }] as const;
      }),
    );
    return { witnesses: Object.fromEntries(figures) };
  }

  /** All that a witness has not cosigned yet, until it does not answer any more. */
  private async offerAll(
    policy: WitnessPolicy,
    witness: PolicyWitness,
    signal: AbortSignal,
    log: Logger,
  ): Promise<WitnessFigures> {
    const figures: WitnessFigures = { cosigned: 0, failed: {}, left: 0 };
    const witnessKey = witness.key.toString();
    const ledgers = await sql.listUncosignedLedgers(this.pool, witnessKey);
    const until = performance.now() + MAX_RUN_MS;
    let silences = 0;
    const isLeft = (): boolean => silences >= MAX_SILENCES || performance.now() > until;
    for (let at = 0; at < ledgers.length; at += CHUNK_LEDGERS) {
      if (isLeft()) {
        figures.left += ledgers.length - at;
        break;
      }
      const chunk = await sql.readUncosigned(this.pool, witnessKey, ledgers.slice(at, at + CHUNK_LEDGERS));
      const kept: sql.NewCosignature[] = [];
      await forEach(chunk, AT_ONCE, async (checkpoint) => {
        signal.throwIfAborted();
        if (isLeft()) {
          figures.left += 1;
          return;
        }
        try {
          kept.push(await this.offer(witness, checkpoint, signal));
          silences = 0;
        } catch (error) {
          signal.throwIfAborted();
          const failure = await this.failureOf(witness, checkpoint, error, log);
          figures.failed[failure] = (figures.failed[failure] ?? 0) + 1;
          silences = OF_THE_WITNESS.includes(failure) ? silences + 1 : 0;
        }
      });
      if (kept.length > 0) await this.keep(policy, kept);
      figures.cosigned += kept.length;
    }
    return figures;
  }

  private async offer(
    { key, url }: PolicyWitness,
    checkpoint: sql.UncosignedCheckpoint,
    signal: AbortSignal,
  ): Promise<sql.NewCosignature> {
    const { ledger, anchor, note } = checkpoint;
    const size = BigInt(checkpoint.size);
    const cosignature = await requestCosignature(
      { key, url: url! },
      {
        text: parseNote(note).text,
        note,
        size,
        sizeBefore: BigInt(checkpoint.size_before),
        prove: (from) => this.prove(ledger, from, size),
      },
      { signal },
    );
    const line = formatSignature(cosignature);
    return { ledger, anchor, witnessKey: key.toString(), line, cosignedAt: cosignatureTime(cosignature) };
  }

  /** A ledger whose tree is damaged must not keep the others from their witnesses. */
  private async prove(ledger: string, from: bigint, size: bigint): Promise<Buffer[]> {
    try {
      return await consistencyProof(from, size, this.checkpoints.tilesOf(ledger));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      throw new WitnessError('no-proof', `we have no proof from ${from} leaves: ${error.message}`, { cause: error });
    }
  }

  /** Whoever comes last of those who are enough sees the others' cosignatures, since each is kept before it looks. */
  private async keep(policy: WitnessPolicy, cosignatures: readonly sql.NewCosignature[]): Promise<void> {
    await sql.keepCosignatures(this.pool, cosignatures);
    const witnessed = (await sql.readCosigners(this.pool, cosignatures)).filter(({ witness_keys: keys }) =>
      isQuorum(policy, new Set(policy.witnesses.filter(({ key }) => keys.includes(key.toString())))),
    );
    if (witnessed.length > 0) await sql.noteWitnessed(this.pool, witnessed);
  }

  /** Counts what went wrong with a ledger; an error that is not the witness's is one of the run. */
  private async failureOf(
    { name }: PolicyWitness,
    { ledger, anchor }: sql.UncosignedCheckpoint,
    error: unknown,
    log: Logger,
  ): Promise<WitnessFailure> {
    if (!(error instanceof WitnessError)) throw error;
    const { failure, message } = error;
    this.metrics.countWitnessFailure(name, failure);
    const what = { witness: name, ledger, anchor, failure, reason: message };
    if (failure !== 'conflict') {
      log.debug(what, 'a witness has not cosigned a checkpoint');
      return failure;
    }
    log.error({ ...what, alarm: 'witness-conflict' }, 'a witness has cosigned what a checkpoint does not continue');
    const conflict = JSON.stringify([name, ledger, message]);
    if (!this.recordedConflicts.has(conflict)) {
      await this.serviceLedger.record({
        event_type: 'checkpoint',
        entity_type: 'ledger',
        entity_id: ledger,
        action: 'witness_conflict',
        user_id: 'service',
        new_state: { witness: name, anchor, reason: message },
      });
      this.recordedConflicts.add(conflict);
    }
    return failure;
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

/** Does something with each item, some at once; the first that fails ends it, once those under way have ended. */
async function forEach<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  const waiting = items.values();
  let isBroken = false;
  const lane = async (): Promise<void> => {
    for (const item of waiting) {
      if (isBroken) return;
      await work(item).catch((error: unknown) => {
        isBroken = true;
        throw error;
      });
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: atOnce }, lane));
  for (const end of ended) if (end.status === 'rejected') throw end.reason;
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
