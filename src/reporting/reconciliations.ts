import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Principal } from '../access/principal.js';
import { Problem } from '../http/problem.js';
import type { JsonObject } from '../integrity/strict-json.js';
import type { ReadTotals } from '../long-reads/long-read.js';
import { AnswerDigest, lastOnRecord } from '../long-reads/last-on-record.js';
import { LongReads } from '../long-reads/long-reads.js';
import type { ReportFormat } from '../reports/report-formats.js';
import type { ReportRequest } from '../reports/report-parameters.js';
import { ReportRuns, type PreparedRun } from '../reports/report-runs.js';
import type { GivenPosition } from './reconciliation-read.js';
import { positionsOf } from './reconciliation-request.js';
import { reconciledEvent } from './reporting-events.js';
import { OvertakenError, ReportingLedger } from './reporting-ledger.js';
import { ReportingRecords } from './reporting-records.js';
import { Submissions } from './submissions.js';

/**
 * Samples that are held at once: one of 64 MiB is there twice, and was read into some 400 MB on the thread for long reads,
 * which reads one at a time.
 */
const MOST_SAMPLES = 2;
const RETRY_AFTER_SECONDS = 5;

/** A reconciliation as it is asked for, before anything is recorded of it. */
export interface PreparedReconciliation extends PreparedRun {
  executingEntity: string;
  sample: Buffer | undefined;
  positions: readonly GivenPosition[];
}

/** What reports are held against, besides what was sent and answered. */
export interface ReconcileBy {
  sample?: Buffer;
  positions?: readonly GivenPosition[];
}

/**
 * Reconciliations of transaction reports: answered as they are made. That one was done is recorded in `_reporting` before
 * the last of its answer goes out, as evidence: Delegated Regulation (EU) 2017/590, Article 15(3).
 */
@Injectable()
export class Reconciliations {
  private samples = 0;

  constructor(
    private readonly longReads: LongReads,
    private readonly reports: ReportRuns,
    private readonly submissions: Submissions,
    private readonly ledger: ReportingLedger,
    private readonly records: ReportingRecords,
  ) {}

  /** Throws ledger-not-found, invalid-parameter, invalid-body. */
  async prepare(
    ledger: string,
    format: ReportFormat,
    request: ReportRequest,
    { sample, positions = [] }: ReconcileBy,
  ): Promise<PreparedReconciliation> {
    const run = await this.reports.prepare(ledger, format, request);
    const executingEntity = await this.submissions.executingEntityOf(ledger, run.parameters);
    return { ...run, executingEntity, sample, positions: positionsOf(positions, executingEntity) };
  }

  /**
   * The answer in pieces. The first comes once it is on record that it is asked for, the last once it is on record what
   * came of it. Throws invalid-body for a sample that cannot be taken, reads-overloaded, not-recorded-as-read, DamagedRowError, what
   * appending throws.
   */
  async *handOut(
    prepared: PreparedReconciliation,
    caller: Principal,
    gone: AbortSignal,
  ): AsyncGenerator<Uint8Array, void> {
    if (!prepared.sample) return yield* this.madeOf(prepared, caller, gone);
    if (this.samples >= MOST_SAMPLES) {
      throw new Problem('reads-overloaded', `This replica has ${MOST_SAMPLES} samples under way`, {
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      });
    }
    this.samples += 1;
    try {
      yield* this.madeOf(prepared, caller, gone);
    } finally {
      this.samples -= 1;
    }
  }

  private async *madeOf(
    prepared: PreparedReconciliation,
    caller: Principal,
    gone: AbortSignal,
  ): AsyncGenerator<Uint8Array, void> {
    const { id, ledger, executingEntity, parameters, asOf, sample } = prepared;
    const run = { id, ledger, executing_entity: executingEntity, parameters, as_of: String(asOf) };
    const sampleDigest = sample ? sha256(sample) : null;
    const { format, period, deleted, positions } = prepared;
    const plan = { ledger, format, asOf, period, deleted, parameters, executingEntity, sample, positions };
    const pieces = this.longReads.pieces({ kind: 'reconciliation', plan }, gone, () =>
      this.records.reconcile(run, caller.id, sampleDigest),
    );
    const digest = new AnswerDigest();
    yield* lastOnRecord(pieces, digest, (totals) => {
      const answer = { format, bytes: String(digest.bytes), sha256: digest.sha256().toString('hex') };
      return this.recordDone(prepared, caller, sampleDigest, totals, answer);
    });
  }

  private async recordDone(
    { id, ledger, executingEntity, parameters, asOf, sample, positions }: PreparedReconciliation,
    caller: Principal,
    sampleDigest: string | null,
    { rows = 0, reconciliation }: ReadTotals,
    answer: JsonObject,
  ): Promise<void> {
    const { counts, records, messageId } = reconciliation!;
    const state: JsonObject = {
      ...{ ledger, executing_entity: executingEntity, parameters: { ...parameters }, as_of: String(asOf) },
      sample: sample
        ? {
            ...{ sha256: sampleDigest, bytes: String(sample.length), records: String(records) },
            message_id: messageId ?? null,
          }
        : null,
      positions_given: String(positions.length),
      counts: Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, String(count)])),
      answer: { ...answer, rows: String(rows) },
    };
    const event = reconciledEvent(id, caller.id.slice(0, 255), new Date().toISOString(), state);
    try {
      await this.ledger.append([event]);
    } catch (error) {
      if (!(error instanceof OvertakenError)) throw error;
      await this.ledger.append([event]); // the ledger was closed meanwhile, and has a successor
    }
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
