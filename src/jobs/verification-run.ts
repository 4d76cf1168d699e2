import type { ServiceLedger } from '../events/service-ledger.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { withoutCredentials } from '../operation/logger.js';
import type { JobContext } from './job.js';

/** characters */
const MAX_REASON = 1_000;
/** Of a run's findings, in its log. */
export const LOGGED_FINDINGS = 10;

/** What a verification has come to, as its run keeps it: listed findings, and how many there are in all. */
export interface VerificationOutcome {
  verdict: string;
  findings_total: number;
  findings: JsonObject[];
}

/** What is told of a verification by a job. */
export interface ToldVerification<T extends VerificationOutcome> {
  /** of its event in the service's ledger */
  eventType: string;
  /** by now, also while it goes on */
  outcome: () => T;
  /** in the log; whether it goes on record as well */
  log: (outcome: T) => boolean;
}

/**
 * Runs a verification. What it found is in the log and on record when it ends, and just so when something else ends it
 * before (`action` `stopped`, the reason in `stopped_by`): what was looked at by chance the next run may not meet again.
 * A run that fails keeps in its outcome what it had found.
 */
export async function runVerification<T extends VerificationOutcome>(
  { runId, requestedBy, log, keepIfFailed }: JobContext,
  serviceLedger: ServiceLedger,
  told: ToldVerification<T>,
  verify: () => Promise<unknown>,
): Promise<JsonObject> {
  let stopped: { stopped_by?: string } = {};
  const outcome = (): JsonObject => ({ ...told.outcome(), ...stopped }) as unknown as JsonObject;
  keepIfFailed(() => (told.outcome().findings_total > 0 ? outcome() : undefined));
  const tell = async (action: 'done' | 'stopped'): Promise<void> => {
    if (!told.log(told.outcome())) return;
    await serviceLedger.record({
      event_type: told.eventType,
      entity_type: 'job_run',
      entity_id: runId,
      action,
      user_id: requestedBy.slice(0, 255),
      new_state: outcome(),
    });
  };
  try {
    await verify();
  } catch (error) {
    stopped = { stopped_by: reasonOf(error) };
    await tell('stopped').catch((failure: unknown) =>
      log.error({ err: failure }, 'findings of a run that was stopped are not on record'),
    );
    throw error;
  }
  await tell('done');
  return outcome();
}

/** What ended a verification, as it may stand on record. */
export function reasonOf(error: unknown): string {
  return withoutCredentials(error instanceof Error ? error.message : String(error)).slice(0, MAX_REASON);
}
