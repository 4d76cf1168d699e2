import type { ServiceLedger } from '../events/service-ledger.js';
import type { JsonObject } from '../integrity/strict-json.js';
import type { JobRunner } from '../jobs/job-runner.js';
import { SERVICE, type JobContext } from '../jobs/job.js';
import { LOGGED_FINDINGS, runVerification } from '../jobs/verification-run.js';

/** Of a run's findings, in its event and its outcome. */
const RECORDED_FINDINGS = 100;

interface Found {
  /** up to this anchor */
  anchors: bigint;
  findings: readonly object[];
}

/** A verification of what was signed, from anchor to anchor. */
export interface VerificationAlongAnchors<T extends Found> {
  job: string;
  eventType: string;
  alarm: string;
  /** in the log, of what is found */
  message: string;
  /** filled by `verify`, and told also when that throws */
  found: T;
  /** Of the anchors after `after` and a sample of the others; 0 for all. */
  verify: (after: bigint) => Promise<unknown>;
}

/** Runs it: from the last run that was valid on, or over all anchors when somebody asked for it. Its outcome, as it is kept. */
export async function verifyAlongAnchors<T extends Found>(
  context: JobContext,
  { runner, serviceLedger }: { runner: JobRunner; serviceLedger: ServiceLedger },
  { job, eventType, alarm, message, found, verify }: VerificationAlongAnchors<T>,
): Promise<JsonObject> {
  const last = context.requestedBy === SERVICE ? await runner.lastOutcome(job) : undefined;
  const after = last?.verdict === 'valid' && typeof last.anchors === 'string' ? BigInt(last.anchors) : 0n;
  const told = {
    eventType,
    outcome: () => outcomeOf(found),
    log: ({ findings }: { findings: JsonObject[] }): boolean => {
      if (findings.length > 0) context.log.error({ findings: findings.slice(0, LOGGED_FINDINGS), alarm }, message);
      return findings.length > 0;
    },
  };
  return runVerification(context, serviceLedger, told, () => verify(after));
}

function outcomeOf<T extends Found>({ anchors, findings, ...figures }: T) {
  return {
    verdict: findings.length > 0 ? 'invalid' : 'valid',
    anchors: String(anchors),
    ...figures,
    findings_total: findings.length,
    findings: findings.slice(0, RECORDED_FINDINGS).map((each): JsonObject => ({ ...each })),
  };
}
