import type { Principal, Scope } from '../access/principal.js';
import { Problem } from '../http/problem.js';

/** Of whoever keeps the service going, and may stop what others have begun. */
const OF_OPERATORS: Scope = 'operations:run';

/**
 * A run is its principal's: whoever may read reports may neither stop those of colleagues nor throw their answers away.
 * Operators may. Throws forbidden.
 */
export function assertMayEnd(run: { requested_by: string }, caller: Principal): void {
  if (run.requested_by === caller.id || caller.scopes.has(OF_OPERATORS)) return;
  throw new Problem('forbidden', `The run was asked for by another principal; to end it you need ${OF_OPERATORS}`);
}
