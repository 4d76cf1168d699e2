import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import type { Principal } from '../access/principal.js';
import { POOL } from '../database/database.module.js';
import { Ledgers } from '../events/ledgers.js';
import { readPage } from '../events/read-transaction.js';
import { ServiceLedger } from '../events/service-ledger.js';
import { Problem } from '../http/problem.js';
import { invalidParameters, queryError } from '../http/query-parameters.js';
import type { Report, ReportRun } from './report.js';
import type { ReportFormat } from './report-formats.js';
import type { ReportRequest } from './report-parameters.js';

/** An answer is made in pieces of about this many characters. */
const PIECE_CHARACTERS = 65_536;

/** Runs reports. */
@Injectable()
export class ReportRuns {
  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    private readonly ledgers: Ledgers,
    private readonly serviceLedger: ServiceLedger,
  ) {}

  /**
   * Fixes a run to the ledger as it is now, or as it was. `gone` is aborted when nobody waits for it any more. Throws
   * ledger-not-found, and invalid-parameter for an `as_of` that is yet to come.
   */
  async prepare(ledger: string, request: ReportRequest, gone: AbortSignal): Promise<ReportRun> {
    const size = BigInt((await this.ledgers.state(ledger)).size);
    const { period, parameters, asOf = size } = request;
    if (asOf > size) {
      throw invalidParameters([queryError('as_of', 'range', `must be no more than the ledger's size, ${size}`)]);
    }
    return {
      ledger,
      asOf,
      period,
      parameters,
      read: (work) => {
        gone.throwIfAborted();
        return readPage(this.pool, ledger, work);
      },
    };
  }

  /**
   * The answer in pieces. The first comes once there are rows to show and the run is on record: event type `report`,
   * action `run`, of the principal who asked. Throws not-recorded-as-read, DamagedRowError.
   */
  async *pieces(report: Report, run: ReportRun, format: ReportFormat, caller: Principal): AsyncGenerator<string> {
    let text = format.head(report, run);
    let rows = 0;
    let isRecorded = false;
    for await (const row of report.rows(run)) {
      text += format.row(report, row, rows);
      rows += 1;
      if (text.length < PIECE_CHARACTERS) continue;
      if (!isRecorded) await this.record(report, run, format, caller);
      isRecorded = true;
      yield text;
      text = '';
    }
    if (!isRecorded) await this.record(report, run, format, caller);
    yield text + format.tail(run, rows);
  }

  private async record(report: Report, run: ReportRun, format: ReportFormat, caller: Principal): Promise<void> {
    const { ledger, parameters, asOf } = run;
    try {
      await this.serviceLedger.record({
        event_type: 'report',
        entity_type: 'ledger',
        entity_id: ledger,
        action: 'run',
        user_id: caller.id,
        new_state: { report: report.name, parameters: { ...parameters }, as_of: String(asOf), format: format.name },
      });
    } catch (cause) {
      throw new Problem('not-recorded-as-read', 'The run could not be recorded, so nothing is handed out', { cause });
    }
  }
}
