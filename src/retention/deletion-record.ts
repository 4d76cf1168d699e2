import type { ServiceLedger } from '../events/service-ledger.js';
import { MONTH_DELETION, type DeletedMonthRange, type MonthDeletion } from './month-deletions.sql.js';

/**
 * Records an act about a deletion, as it stands after it. With the beginning stands what stays of the month: a database
 * that is made anew from the archive learns from it what there was, and how the chains go on.
 */
export async function recordDeletionAct(
  serviceLedger: ServiceLedger,
  act: string,
  { id, acts, policy, ...deletion }: MonthDeletion,
  principal: string,
  ranges?: readonly DeletedMonthRange[],
): Promise<void> {
  await serviceLedger.record({
    event_type: 'retention',
    entity_type: MONTH_DELETION,
    entity_id: id,
    action: act,
    user_id: principal.slice(0, 255),
    new_state: {
      ...deletion,
      policy: policy && { ...policy },
      ...(ranges ? { ranges: ranges.map((range) => ({ ...range })) } : {}),
    },
    metadata: { reason: acts.at(-1)!.reason },
  });
}
