import type { ServiceLedger } from '../events/service-ledger.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { LEGAL_HOLD, type LegalHold, type RecordedAct } from './legal-holds.sql.js';

/** Records the last act on a hold in the service's ledger, and the hold as it leaves it. */
export async function recordAct(
  serviceLedger: ServiceLedger,
  principal: string,
  act: RecordedAct,
  { id, state, acts, ...made }: LegalHold,
  more: JsonObject = {},
): Promise<void> {
  const { reason, acted_at } = acts.at(-1)!;
  await serviceLedger.record({
    event_type: LEGAL_HOLD,
    entity_type: LEGAL_HOLD,
    entity_id: id,
    action: act,
    user_id: principal,
    new_state: { state, ...made },
    metadata: { reason, acted_at, ...more },
  });
}
