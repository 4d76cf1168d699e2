import { Injectable } from '@nestjs/common';
import { ServiceLedger } from '../events/service-ledger.js';
import { Problem } from '../http/problem.js';
import type { JsonObject } from '../integrity/strict-json.js';
import type { MadeAnswer } from '../runs/kept-run-maker.js';
import type { StoredRun } from './submission-runs.sql.js';

type Named = Pick<StoredRun, 'id' | 'ledger' | 'executing_entity' | 'parameters' | 'as_of'>;

/**
 * Who asked for which submission, what was made of it, and who fetched its files, in the service's own ledger: event type
 * `transaction_reports`. What was sent and answered stands in the ledger `_reporting`. Each resolves once that is durable;
 * throws not-recorded-as-read.
 */
@Injectable()
export class ReportingRecords {
  constructor(private readonly serviceLedger: ServiceLedger) {}

  /** Action `run`. */
  run(run: Named, principal: string): Promise<void> {
    return this.ofRun('run', run, principal, {});
  }

  /** Action `done`: `sha256` is of the zip of its files. */
  done(run: Named, principal: string, { rows, bytes, sha256 }: MadeAnswer): Promise<void> {
    const counts = { records: String(rows), bytes: String(bytes), sha256: sha256.toString('hex') };
    return this.ofRun('done', run, principal, counts);
  }

  /** Action `fetched`. */
  fetched(run: Named, principal: string): Promise<void> {
    return this.ofRun('fetched', run, principal, {});
  }

  /** Action `reconcile`: reports are compared with what was sent, and with a file whose SHA-256 is `sample`. */
  reconcile(run: Named, principal: string, sample: string | null): Promise<void> {
    return this.ofRun('reconcile', run, principal, { sample_sha256: sample });
  }

  private async ofRun(action: string, run: Named, principal: string, more: JsonObject): Promise<void> {
    const { id, ledger, executing_entity: entity, parameters, as_of: asOf } = run;
    const state = { run: id, executing_entity: entity, parameters: { ...parameters }, as_of: asOf, ...more };
    try {
      await this.serviceLedger.record({
        ...{ event_type: 'transaction_reports', entity_type: 'ledger', entity_id: ledger, action },
        ...{ user_id: principal.slice(0, 255), new_state: state },
      });
    } catch (cause) {
      throw new Problem('not-recorded-as-read', 'The act could not be recorded, so nothing was done', { cause });
    }
  }
}
