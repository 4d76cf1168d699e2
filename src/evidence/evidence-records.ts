import { Injectable } from '@nestjs/common';
import { ServiceLedger } from '../events/service-ledger.js';
import { Problem } from '../http/problem.js';
import type { JsonObject } from '../integrity/strict-json.js';
import type { MadeAnswer } from '../runs/kept-run-maker.js';
import type { EvidencePlan } from './evidence-plan.js';
import type { StoredRun } from './evidence-runs.sql.js';

type Named = Pick<StoredRun, 'id' | 'ledger' | 'asked' | 'contents' | 'envelopes'>;

/**
 * Who asked for which bundle as a run, what was made of it, and who fetched it, in the service's own ledger: event type
 * `evidence`. Each says what was asked for, so that it can be understood without the others. Each resolves once that is durable; throws not-recorded-as-read.
 */
@Injectable()
export class EvidenceRecords {
  constructor(private readonly serviceLedger: ServiceLedger) {}

  /** Action `run`. */
  run(id: string, plan: EvidencePlan, principal: string): Promise<void> {
    return this.record('run', { ...plan, id }, principal, { as_of: String(plan.asOf) });
  }

  /** Action `done`: `sha256` is of the whole bundle, `events` of its lines. */
  done(run: Named, principal: string, { rows, bytes, sha256 }: MadeAnswer): Promise<void> {
    const counts = { events: String(rows), bytes: String(bytes), sha256: sha256.toString('hex') };
    return this.record('done', run, principal, counts);
  }

  /** Action `fetched`. */
  fetched(run: Named, principal: string): Promise<void> {
    return this.record('fetched', run, principal, {});
  }

  /** Action `cancelled`: a run that was not over. */
  cancelled(run: Named, principal: string): Promise<void> {
    return this.record('cancelled', run, principal, {});
  }

  /** Action `discarded`: a kept bundle, thrown away before its time. */
  discarded(run: Named, principal: string): Promise<void> {
    return this.record('discarded', run, principal, {});
  }

  private async record(
    action: string,
    { id, ledger, asked, contents, envelopes }: Named,
    principal: string,
    more: JsonObject,
  ): Promise<void> {
    try {
      await this.serviceLedger.record({
        event_type: 'evidence',
        entity_type: 'ledger',
        entity_id: ledger,
        action,
        user_id: principal.slice(0, 255),
        new_state: { run: id, parameters: { asked, contents, envelopes }, ...more },
      });
    } catch (cause) {
      throw new Problem('not-recorded-as-read', 'The run could not be recorded, so nothing is handed out', { cause });
    }
  }
}
