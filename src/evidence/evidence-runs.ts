import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type pg from 'pg';
import type { Logger } from 'pino';
import type { Principal } from '../access/principal.js';
import { CONFIG, type Config } from '../config/config.js';
import { POOL } from '../database/tokens.js';
import { uuidv7 } from '../database/uuidv7.js';
import { Problem } from '../http/problem.js';
import type { ReadTotals } from '../long-reads/long-read.js';
import { BUILD } from '../operation/build.js';
import { LOGGER } from '../operation/logger.js';
import { piecesOfKept } from '../runs/kept-answer.js';
import { KeptRunMaker } from '../runs/kept-run-maker.js';
import { cancelRun, discardAnswer } from '../runs/kept-run-rows.js';
import { assertRoomForRun, isOpen } from '../runs/open-runs.js';
import { assertMayEnd } from '../runs/run-owner.js';
import type { EvidencePlan } from './evidence-plan.js';
import { EvidenceRecords } from './evidence-records.js';
import { readEvidenceRequest } from './evidence-request.js';
import * as sql from './evidence-runs.sql.js';
import type { StoredRun } from './evidence-runs.sql.js';
import { Evidence } from './evidence.js';

/** Which run: an id counts under its own ledger alone. */
export type RunKey = Pick<StoredRun, 'ledger' | 'id'>;

/** Bundles that are made in the background and kept to be fetched: those of more events than go out at once, and others. */
@Injectable()
export class EvidenceRuns implements OnModuleInit, OnModuleDestroy {
  private readonly maker: KeptRunMaker<StoredRun>;

  constructor(
    @Inject(CONFIG) config: Config,
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(LOGGER) logger: Logger,
    private readonly evidence: Evidence,
    private readonly records: EvidenceRecords,
  ) {
    this.maker = new KeptRunMaker(pool, logger, {
      what: 'a bundle of evidence',
      alarm: 'evidence-failed',
      tables: sql.EVIDENCE_RUNS,
      packLevel: 0, // what is in a bundle is deflated already
      keepDays: config.EVIDENCE_RUN_DAYS,
      maxMb: config.EVIDENCE_RUNS_MAX_MB,
      full: { slug: 'evidence-full', setting: 'EVIDENCE_RUNS_MAX_MB' },
      take: (runner, silentMs) => sql.takeRun(pool, runner, silentMs),
      named: ({ ledger }) => ({ ledger }),
      pieces: (run, signal) => this.pieces(run, signal),
      recordDone: (run, made) => records.done(run, run.requested_by, made),
    });
  }

  onModuleInit(): void {
    this.maker.start();
  }

  /** What is under way is put back. */
  onModuleDestroy(): Promise<void> {
    return this.maker.stop();
  }

  /** Asks for a bundle to be made and kept. Throws too-many-runs, not-recorded-as-read. */
  async request(plan: EvidencePlan, caller: Principal): Promise<StoredRun> {
    await assertRoomForRun(this.pool, sql.EVIDENCE_RUNS, caller.id);
    const id = uuidv7();
    await this.records.run(id, plan, caller.id);
    const madeBy = `truetrail/${BUILD.version}`;
    const run = await sql.insertRun(this.pool, { ...plan, id, madeBy, requestedBy: caller.id });
    this.maker.wake();
    return run;
  }

  /** Throws evidence-run-not-found. */
  async find(key: RunKey): Promise<StoredRun> {
    const run = await sql.findRun(this.pool, key);
    if (!run) throw runNotFound();
    return run;
  }

  /** The latest ones first. */
  list(ledger: string, limit: number): Promise<StoredRun[]> {
    return sql.listRuns(this.pool, ledger, limit);
  }

  /** Cancels a run that is not over. Throws evidence-run-not-found, forbidden, not-recorded-as-read. */
  async cancel(key: RunKey, caller: Principal): Promise<StoredRun> {
    const run = await this.find(key);
    assertMayEnd(run, caller);
    if (!isOpen(run)) return run;
    await this.records.cancelled(run, caller.id);
    await cancelRun(this.pool, sql.EVIDENCE_RUNS, key.id);
    return this.find(key);
  }

  /**
   * Throws a kept bundle away before its time. Throws evidence-run-not-found, forbidden, evidence-run-unfinished,
   * not-recorded-as-read.
   */
  async discard(key: RunKey, caller: Principal): Promise<StoredRun> {
    const run = await this.find(key);
    assertMayEnd(run, caller);
    if (run.status === 'expired') return run;
    assertDone(run);
    await this.records.discarded(run, caller.id);
    await discardAnswer(this.pool, sql.EVIDENCE_RUNS, key.id);
    return this.find(key);
  }

  /** A run whose bundle can be fetched. Throws evidence-run-not-found, evidence-run-unfinished, evidence-run-expired. */
  async findKept(key: RunKey): Promise<StoredRun> {
    const run = await this.find(key);
    if (run.status === 'expired') {
      throw new Problem('evidence-run-expired', `The bundle was kept until ${run.expires_at}`);
    }
    assertDone(run);
    return run;
  }

  /**
   * A kept bundle in pieces. The first comes once the fetching is on record. Throws not-recorded-as-read, and Error when
   * what was kept is not what was made.
   */
  async *content(run: StoredRun, caller: Principal, gone: AbortSignal): AsyncGenerator<Uint8Array> {
    await this.records.fetched(run, caller.id);
    yield* piecesOfKept(this.pool, sql.EVIDENCE_RUNS, run, gone);
  }

  /** Made anew from what was asked for: a replica that begins again ends with the same events and proof. */
  private async *pieces(run: StoredRun, signal: AbortSignal): AsyncGenerator<Uint8Array, ReadTotals> {
    const { ledger, asked, contents, envelopes, as_of } = run;
    const question = readEvidenceRequest(ledger, { ...asked, contents, envelopes, as_of });
    return yield* this.evidence.whole(await this.evidence.prepare(ledger, question), signal);
  }
}

function assertDone({ status, error }: StoredRun): void {
  if (status === 'done') return;
  const why = error === null ? '' : `: ${error}`;
  throw new Problem('evidence-run-unfinished', `The run is ${status}${why}`);
}

export function runNotFound(): Problem {
  return new Problem('evidence-run-not-found', 'There is no such run of evidence in this ledger');
}
