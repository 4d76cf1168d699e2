import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import type { Principal } from '../access/principal.js';
import { POOL } from '../database/tokens.js';
import { Ledgers } from '../events/ledgers.js';
import { ServiceLedger } from '../events/service-ledger.js';
import { Problem } from '../http/problem.js';
import { invalidParameters, queryError } from '../http/query-parameters.js';
import { LongReads } from '../long-reads/long-reads.js';
import type { Report } from './report.js';
import type { ReportFormat } from './report-formats.js';
import type { ReportRequest } from './report-parameters.js';
import { deletedInPeriod, type ReportRead } from './report-pieces.js';

/** Runs reports. */
@Injectable()
export class ReportRuns {
  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    private readonly ledgers: Ledgers,
    private readonly longReads: LongReads,
    private readonly serviceLedger: ServiceLedger,
  ) {}

  /**
   * Fixes a run to the ledger as it is now, or as it was. Throws ledger-not-found, and invalid-parameter for an `as_of`
   * that is yet to come.
   */
  async prepare(ledger: string, report: Report, format: ReportFormat, request: ReportRequest): Promise<ReportRead> {
    const size = BigInt((await this.ledgers.state(ledger)).size);
    const { period, parameters, asOf = size } = request;
    if (asOf > size) {
      throw invalidParameters([queryError('as_of', 'range', `must be no more than the ledger's size, ${size}`)]);
    }
    const deleted = await deletedInPeriod(this.pool, ledger, period, asOf);
    return { ledger, report: report.name, format: format.name, asOf, period, deleted, parameters };
  }

  /**
   * The answer in pieces. The first comes once there are rows to show and the run is on record: event type `report`,
   * action `run`, of the principal who asked. Throws not-recorded-as-read, DamagedRowError.
   */
  pieces(read: ReportRead, caller: Principal, gone: AbortSignal): AsyncGenerator<Uint8Array> {
    return this.longReads.pieces({ kind: 'report', ...read }, gone, () => this.record(read, caller));
  }

  private async record(read: ReportRead, caller: Principal): Promise<void> {
    const { ledger, report, format, parameters, asOf } = read;
    try {
      await this.serviceLedger.record({
        event_type: 'report',
        entity_type: 'ledger',
        entity_id: ledger,
        action: 'run',
        user_id: caller.id,
        new_state: { report, parameters: { ...parameters }, as_of: String(asOf), format },
      });
    } catch (cause) {
      throw new Problem('not-recorded-as-read', 'The run could not be recorded, so nothing is handed out', { cause });
    }
  }
}
