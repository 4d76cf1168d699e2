import { Injectable } from '@nestjs/common';
import { ServiceLedger } from '../events/service-ledger.js';
import { Problem } from '../http/problem.js';
import type { JsonObject } from '../integrity/strict-json.js';
import type { MadeAnswer } from '../runs/kept-run-maker.js';
import type { EvidencePlan } from './evidence-plan.js';
import type { StoredRun } from './evidence-runs.sql.js';

type Named = Pick<StoredRun, 'id' | 'ledger'>;

/**
 * Who asked for which bundle as a run, what was made of it, and who fetched it, in the service's own ledger: event type
 * `evidence`. Each resolves once that is durable; throws not-recorded-as-read.
 */
@Injectable()
export class EvidenceRecords {
  constructor(private readonly serviceLedger: ServiceLedger) {}

  /** Action `run`. */
  run(id: string, plan: EvidencePlan, principal: string): Promise<void> {
    const { ledger, asked, contents, envelopes, asOf } = plan;
    return this.record('run', { id, ledger }, principal, {
      parameters: { asked, contents, envelopes },
      as_of: String(asOf),
    });
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

  private async record(action: string, { id, ledger }: Named, principal: string, more: JsonObject): Promise<void> {
    try {
      await this.serviceLedger.record({
        event_type: 'evidence',
        entity_type: 'ledger',
        entity_id: ledger,
        action,
        user_id: principal.slice(0, 255),
        new_state: { run: id, ...more },
      });
    } catch (cause) {
      throw new Problem('not-recorded-as-read', 'The run could not be recorded, so nothing is handed out', { cause });
    }
  }
}
