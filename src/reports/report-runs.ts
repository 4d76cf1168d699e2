import { randomUUID } from 'node:crypto';
import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type pg from 'pg';
import type { Logger } from 'pino';
import type { Principal } from '../access/principal.js';
import { ARCHIVED_EVENTS, type ArchivedEvents } from '../archive/archived-events.js';
import { readDeletedSpans, spanAt } from '../archive/deleted-ranges.js';
import { CONFIG, type Config } from '../config/config.js';
import { POOL } from '../database/tokens.js';
import { uuidv7 } from '../database/uuidv7.js';
import { Ledgers } from '../events/ledgers.js';
import { readPage } from '../events/read-transaction.js';
import { toProblem } from '../http/problem.filter.js';
import { Problem } from '../http/problem.js';
import { invalidParameters, queryError } from '../http/parameters.js';
import { AnswerDigest, lastOnRecord } from '../long-reads/last-on-record.js';
import { LongReads } from '../long-reads/long-reads.js';
import { BUILD } from '../operation/build.js';
import { LOGGER } from '../operation/logger.js';
import { piecesOfKept } from '../runs/kept-answer.js';
import * as kept from '../runs/kept-run-rows.js';
import { assertRoomForRun, isOpen } from '../runs/open-runs.js';
import { HEARTBEAT_MS } from '../runs/run-loop.js';
import { assertMayEnd } from '../runs/run-owner.js';
import { ReportingStanding } from '../reporting/reporting-standing.js';
import { DISPLAY_TIME_ZONE, TIME_ZONE_TABLE } from './display-time-zone.js';
import { recordedAt } from './recorded-at.js';
import { ReportRecords } from './report-records.js';
import { ReportReference } from './report-reference.js';
import { ReportRunMaker } from './report-run-maker.js';
import type { VersionedTable } from './report.js';
import type { ReportFormat } from './report-formats.js';
import { inOrder, type ReportRequest } from './report-parameters.js';
import { deletedUpTo, type ReportRead } from './report-pieces.js';
import * as sql from './report-runs.sql.js';
import type { StoredRun } from './report-runs.sql.js';

/** A run as it is asked for, before anything is recorded of it. */
export interface PreparedRun extends ReportRead {
  id: string;
  /** for the manifest */
  reportVersion: number;
  tables: readonly VersionedTable[];
  /** hex; of the event at `asOf`, which binds all before it */
  asOfEventHash: string | null;
  archivedTo: bigint;
}

/** An event of a ledger, up to which a run goes. */
interface Place {
  /** hex */
  hash: string | null;
  recordedAt: string | undefined;
  archivedTo: bigint;
}

/** Which run: an id counts under its own ledger and report alone. */
export type RunKey = Pick<StoredRun, 'ledger' | 'report' | 'id'>;

/** Where no event says when: there is none at 0, and one that was deleted takes its time along. */
const BEFORE_ALL = '1970-01-01T00:00:00Z';

/** Runs of reports: an answer handed out as it is made, or made and kept to be fetched. Of each there is a manifest. */
@Injectable()
export class ReportRuns implements OnModuleInit, OnModuleDestroy {
  /** This replica, in the rows of what it hands out. */
  private readonly runner = randomUUID();
  private underWay = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(ARCHIVED_EVENTS) private readonly archive: ArchivedEvents,
    private readonly ledgers: Ledgers,
    private readonly longReads: LongReads,
    private readonly records: ReportRecords,
    private readonly maker: ReportRunMaker,
    private readonly reference: ReportReference,
    private readonly standing: ReportingStanding,
  ) {}

  onModuleInit(): void {
    this.timer = setInterval(() => {
      if (this.underWay === 0) return;
      kept
        .keepAlive(this.pool, sql.REPORT_RUNS, this.runner)
        .catch((error: unknown) => this.logger.warn({ err: error }, 'signs of life of reports could not be written'));
    }, HEARTBEAT_MS).unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  /**
   * Fixes a run to the ledger as it is now, or as it was. Throws ledger-not-found, and invalid-parameter for an `as_of`
   * that is yet to come and a time zone in a format that shows none.
   */
  async prepare(ledger: string, format: ReportFormat, request: ReportRequest): Promise<PreparedRun> {
    const size = BigInt((await this.ledgers.state(ledger)).size);
    const { report, period, parameters, asOf = size } = request;
    const isShownInZone = parameters[DISPLAY_TIME_ZONE] !== undefined;
    if (isShownInZone && !format.isForPeople) {
      const rest = `cannot stand beside the format ${format.name}: its times are in UTC, and xlsx and html alone show them in a zone`;
      throw invalidParameters([queryError(DISPLAY_TIME_ZONE, 'format', rest)]);
    }
    if (asOf > size) {
      throw invalidParameters([queryError('as_of', 'range', `must be no more than the ledger's size, ${size}`)]);
    }
    const deleted = await deletedUpTo(this.pool, ledger, asOf);
    const place = await this.placeOf(ledger, asOf);
    const asOfTime = request.asOf === undefined ? undefined : (place.recordedAt ?? BEFORE_ALL);
    const reference = await this.reference.of(report, parameters, asOfTime);
    const standing = await this.standing.of(report, parameters, asOfTime);
    return {
      ...{ id: uuidv7(), ledger, report: report.name, format: format.name, asOf, period, deleted },
      parameters: inOrder(report, { ...parameters, ...reference.parameters, ...standing.parameters }),
      reportVersion: report.version,
      tables: [
        ...(report.tables ?? []),
        ...reference.tables,
        ...standing.tables,
        ...(isShownInZone ? [TIME_ZONE_TABLE] : []),
      ],
      ...{ asOfEventHash: place.hash, archivedTo: place.archivedTo },
    };
  }

  /**
   * The answer in pieces, as it is made. The first comes once there are rows to show and the run is on record, the last
   * once its digest is. Throws not-recorded-as-read, DamagedRowError.
   */
  async *handOut(run: PreparedRun, caller: Principal, gone: AbortSignal): AsyncGenerator<Uint8Array> {
    const digest = new AnswerDigest();
    const { id } = run;
    let isRecorded = false;
    const pieces = this.longReads.pieces({ kind: 'report', ...run }, gone, async () => {
      await this.records.run(run, caller.id, { kept: false });
      await this.insert(run, caller, this.runner);
      isRecorded = true;
    });
    this.underWay += 1;
    try {
      yield* lastOnRecord(pieces, digest, async ({ rows = 0, readRanges = [] }) => {
        const { bytes } = digest;
        const sha256 = digest.sha256();
        await this.records.done(run, caller.id, { rows, bytes, sha256, readRanges });
        await sql.noteRead(this.pool, id, readRanges);
        await kept.finishRun(this.pool, sql.REPORT_RUNS, id, this.runner, { rows, bytes, sha256, keepMs: 0 });
        isRecorded = false; // and over
      });
    } catch (error) {
      if (isRecorded && !gone.aborted) await this.endEarly(id, 'failed', toProblem(error).message, digest.bytes);
      isRecorded = isRecorded && gone.aborted;
      throw error;
    } finally {
      this.underWay -= 1;
      if (isRecorded) await this.endEarly(id, 'cancelled', 'not taken to its end', digest.bytes);
    }
  }

  /** Asks for a run whose answer is kept. Throws too-many-runs, not-recorded-as-read. */
  async request(run: PreparedRun, caller: Principal): Promise<StoredRun> {
    await assertRoomForRun(this.pool, sql.REPORT_RUNS, caller.id);
    await this.records.run(run, caller.id, { kept: true });
    const stored = await this.insert(run, caller, null);
    this.maker.wake();
    return stored;
  }

  /** Throws report-run-not-found. */
  async find(key: RunKey): Promise<StoredRun> {
    const run = await sql.findRun(this.pool, key);
    if (!run) throw new Problem('report-run-not-found', 'There is no such run of this report in this ledger');
    return run;
  }

  /** The latest ones first. */
  list(ledger: string, report: string, limit: number): Promise<StoredRun[]> {
    return sql.listRuns(this.pool, ledger, report, limit);
  }

  /**
   * Cancels a run that is not over and whose answer would be kept. Throws report-run-not-found, forbidden,
   * not-recorded-as-read.
   */
  async cancel(key: RunKey, caller: Principal): Promise<StoredRun> {
    const run = await this.find(key);
    assertMayEnd(run, caller);
    if (!run.is_kept || !isOpen(run)) return run;
    await this.records.cancelled(run, caller.id);
    await kept.cancelRun(this.pool, sql.REPORT_RUNS, key.id);
    return this.find(key);
  }

  /**
   * Throws the answer of a run away before its time, where it is kept. Throws report-run-not-found, forbidden,
   * report-run-unfinished, not-recorded-as-read.
   */
  async discard(key: RunKey, caller: Principal): Promise<StoredRun> {
    const run = await this.findWhole(key);
    assertMayEnd(run, caller);
    if (!run.is_kept || run.status !== 'done') return run;
    await this.records.discarded(run, caller.id);
    await kept.discardAnswer(this.pool, sql.REPORT_RUNS, key.id);
    return this.find(key);
  }

  /** A run that is whole. Throws report-run-not-found, report-run-unfinished. */
  async findWhole(key: RunKey): Promise<StoredRun> {
    const run = await this.find(key);
    if (run.status === 'done' || run.status === 'expired') return run;
    const why = run.error === null ? '' : `: ${run.error}`;
    throw new Problem('report-run-unfinished', `The run is ${run.status}${why}`);
  }

  /** A run whose answer can be fetched. Throws report-run-not-found, report-run-unfinished, report-run-expired. */
  async findKept(key: RunKey): Promise<StoredRun> {
    const run = await this.findWhole(key);
    if (!run.is_kept) throw new Problem('report-run-expired', 'The answer went out as it was made and was not kept');
    if (run.status === 'expired')
      throw new Problem('report-run-expired', `The answer was kept until ${run.expires_at}`);
    return run;
  }

  /**
   * A kept answer in pieces. The first comes once the fetching is on record. Throws not-recorded-as-read, and Error when
   * what was kept is not what was made.
   */
  async *content(run: StoredRun, caller: Principal, gone: AbortSignal): AsyncGenerator<Uint8Array> {
    await this.records.fetched(run, caller.id);
    yield* piecesOfKept(this.pool, sql.REPORT_RUNS, run, gone);
  }

  /** What `asOf` stands for in a ledger; no hash and no time at 0, and where that event was deleted. */
  private async placeOf(ledger: string, asOf: bigint): Promise<Place> {
    const { event, archivedTo } = await readPage(
      this.pool,
      this.config.READ_TIMEOUT,
      ledger,
      async (client, extent) => ({
        event: await sql.findEvent(client, ledger, asOf),
        archivedTo: extent.archivedTo < asOf ? extent.archivedTo : asOf,
      }),
    );
    const none = { hash: null, recordedAt: undefined, archivedTo };
    if (event) return { hash: event.event_hash, recordedAt: event.recorded_at, archivedTo };
    if (asOf === 0n || asOf > archivedTo) return none;
    if (spanAt(await readDeletedSpans(this.pool, ledger), asOf)) return none;
    const [row] = await this.archive.at(ledger, [String(asOf)]);
    return row ? { hash: row.event_hash.toString('hex'), recordedAt: recordedAt(row), archivedTo } : none;
  }

  private insert(run: PreparedRun, caller: Principal, handedOutBy: string | null): Promise<StoredRun> {
    const madeBy = `truetrail/${BUILD.version}`;
    return sql.insertRun(this.pool, { ...run, madeBy, requestedBy: caller.id, handedOutBy });
  }

  private async endEarly(id: string, status: 'failed' | 'cancelled', error: string, bytes: number): Promise<void> {
    try {
      await kept.endRun(this.pool, sql.REPORT_RUNS, id, this.runner, { status, error, bytes });
    } catch (failure) {
      this.logger.warn({ err: failure, run: id }, 'the end of a report could not be written; the next job does');
    }
  }
}
