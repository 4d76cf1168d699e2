import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type pg from 'pg';
import type { Logger } from 'pino';
import { CONFIG, type Config } from '../config/config.js';
import { POOL } from '../database/tokens.js';
import { Problem } from '../http/problem.js';
import type { ReadTotals } from '../long-reads/long-read.js';
import { LongReads } from '../long-reads/long-reads.js';
import { LOGGER } from '../operation/logger.js';
import { KeptRunMaker } from '../runs/kept-run-maker.js';
import { TIME_ZONE_TABLE } from './display-time-zone.js';
import { readReportRequest } from './report-parameters.js';
import { ReportRecords } from './report-records.js';
import * as sql from './report-runs.sql.js';
import type { StoredRun } from './report-runs.sql.js';
import { REPORTS } from './reports.js';

/** Makes the answers of reports that are kept. A run is begun again when its replica died: the same run has the same bytes. */
@Injectable()
export class ReportRunMaker implements OnModuleInit, OnModuleDestroy {
  private readonly maker: KeptRunMaker<StoredRun>;

  constructor(
    @Inject(CONFIG) config: Config,
    @Inject(POOL) pool: pg.Pool,
    @Inject(LOGGER) logger: Logger,
    private readonly longReads: LongReads,
    records: ReportRecords,
  ) {
    this.maker = new KeptRunMaker(pool, logger, {
      what: 'a report',
      alarm: 'report-failed',
      tables: sql.REPORT_RUNS,
      packLevel: 6,
      keepDays: config.REPORT_RUN_DAYS,
      maxMb: config.REPORT_RUNS_MAX_MB,
      full: { slug: 'reports-full', setting: 'REPORT_RUNS_MAX_MB' },
      take: (runner, silentMs) => sql.takeRun(pool, runner, silentMs),
      named: ({ report, ledger }) => ({ report, ledger }),
      pieces: (run, signal) => this.pieces(run, signal),
      recordDone: async (run, made) => {
        const { readRanges = [] } = made.totals;
        await records.done(run, run.requested_by, { ...made, readRanges });
        await sql.noteRead(pool, run.id, readRanges);
      },
    });
  }

  onModuleInit(): void {
    this.maker.start();
  }

  onModuleDestroy(): Promise<void> {
    return this.maker.stop();
  }

  wake(): void {
    this.maker.wake();
  }

  private async *pieces(run: StoredRun, signal: AbortSignal): AsyncGenerator<Uint8Array, ReadTotals> {
    const report = REPORTS.find(({ name }) => name === run.report);
    if (report?.version !== run.report_version) {
      const detail = `${run.report} is not in version ${run.report_version} in this version of the service: ask again`;
      throw new Problem('report-not-found', detail);
    }
    const zones = run.tables.find(({ name }) => name === TIME_ZONE_TABLE.name);
    if (zones && zones.version !== TIME_ZONE_TABLE.version) {
      const detail = `times are shown by the time zone database ${zones.version}, which this version of the service has not: ask again`;
      throw new Problem('report-not-found', detail);
    }
    const { period, parameters } = readReportRequest(report, run.parameters);
    const { ledger, format, deleted } = run;
    const read = { ledger, report: report.name, format, asOf: BigInt(run.as_of), period, deleted, parameters };
    return yield* this.longReads.pieces({ kind: 'report', ...read }, signal, () => Promise.resolve());
  }
}
