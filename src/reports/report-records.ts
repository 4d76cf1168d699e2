import { Injectable } from '@nestjs/common';
import { ServiceLedger } from '../events/service-ledger.js';
import { Problem } from '../http/problem.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { eventsOf, type ReadRange } from './read-ranges.js';
import type { ReportRead } from './report-pieces.js';
import type { StoredRun } from './report-runs.sql.js';

type Named = Pick<StoredRun, 'id' | 'ledger' | 'report' | 'parameters'>;

/**
 * Who asked for which report, what was made of it, and who fetched it, in the service's own ledger: event type `report`.
 * Each says what was asked for, so that it can be understood without the others. Each resolves once that is durable; throws not-recorded-as-read.
 */
@Injectable()
export class ReportRecords {
  constructor(private readonly serviceLedger: ServiceLedger) {}

  /** Action `run`; `kept`: the answer is made to be fetched later. */
  run(run: ReportRead & { id: string }, principal: string, { kept }: { kept: boolean }): Promise<void> {
    const { asOf, format } = run;
    return this.record('run', run, principal, { as_of: String(asOf), format, kept });
  }

  /** Action `done`: `sha256` is of the whole answer. */
  done(
    run: Named,
    principal: string,
    {
      rows,
      bytes,
      sha256,
      readRanges,
    }: { rows: number; bytes: number; sha256: Buffer; readRanges: readonly ReadRange[] },
  ): Promise<void> {
    const counts = {
      ...{ events_read: eventsOf(readRanges), rows: String(rows) },
      ...{ bytes: String(bytes), sha256: sha256.toString('hex') },
    };
    return this.record('done', run, principal, counts);
  }

  /** Action `fetched`: a kept answer. */
  fetched(run: Named, principal: string): Promise<void> {
    return this.record('fetched', run, principal, {});
  }

  /** Action `cancelled`: a run whose answer would have been kept. */
  cancelled(run: Named, principal: string): Promise<void> {
    return this.record('cancelled', run, principal, {});
  }

  /** Action `discarded`: a kept answer, thrown away before its time. */
  discarded(run: Named, principal: string): Promise<void> {
    return this.record('discarded', run, principal, {});
  }

  private async record(
    action: string,
    { id, ledger, report, parameters }: Named,
    principal: string,
    more: JsonObject,
  ): Promise<void> {
    try {
      await this.serviceLedger.record({
        event_type: 'report',
        entity_type: 'ledger',
        entity_id: ledger,
        action,
        user_id: principal.slice(0, 255),
        new_state: { run: id, report, parameters: { ...parameters }, ...more },
      });
    } catch (cause) {
      throw new Problem('not-recorded-as-read', 'The run could not be recorded, so nothing is handed out', { cause });
    }
  }
}
