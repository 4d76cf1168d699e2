import { Inject, Injectable } from '@nestjs/common';
import type { Logger } from 'pino';
import type { Principal } from '../access/principal.js';
import { uuidv7 } from '../database/uuidv7.js';
import { ServiceLedger } from '../events/service-ledger.js';
import { Problem } from '../http/problem.js';
import type { SequenceRange } from '../integrity/evidence-claims.js';
import { LOGGER } from '../operation/logger.js';
import { Metrics } from '../operation/metrics.js';
import { MAX_DIRECT_EVENTS } from './evidence-plan.js';
import type { EvidenceVerificationDto, EvidenceVerificationRequestDto } from './evidence-verification.dto.js';
import { reasonOf } from '../jobs/verification-run.js';
import { RECORDED_FINDINGS, verdictOf } from './evidence-verification.job.js';
import { noSamples, SampleBundles, type LedgerSamples } from './sample-bundles.js';

const MAX_LISTED_FINDINGS = 1_000;
/** Per replica, beside the job: each has a thread with a heap of its own, and a folder. */
const MOST_UNDER_WAY = 1;
const RETRY_AFTER_SECONDS = 5;

/** The verification of level 4 of one ledger, when somebody asks for it. */
@Injectable()
export class EvidenceVerifications {
  private underWay = 0;

  constructor(
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly samples: SampleBundles,
    private readonly serviceLedger: ServiceLedger,
    private readonly metrics: Metrics,
  ) {}

  /**
   * Of samples of the ledger, or of a range. Recorded before it is answered: event type `evidence_verification`. What was
   * found before something else ends it is on record all the same, action `stopped`. Throws ledger-not-found,
   * invalid-body, reads-overloaded, the reason of `gone`; and when it cannot be recorded.
   */
  async run(
    ledger: string,
    asked: EvidenceVerificationRequestDto,
    caller: Principal,
    gone: AbortSignal,
  ): Promise<EvidenceVerificationDto> {
    const range = rangeOf(asked);
    if (this.underWay >= MOST_UNDER_WAY) {
      throw new Problem('reads-overloaded', 'This replica has a verification of bundles under way', {
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      });
    }
    this.underWay += 1;
    try {
      return await this.verify(ledger, range, caller, gone);
    } finally {
      this.underWay -= 1;
    }
  }

  private async verify(
    ledger: string,
    range: SequenceRange | undefined,
    caller: Principal,
    gone: AbortSignal,
  ): Promise<EvidenceVerificationDto> {
    const found = noSamples();
    const id = uuidv7();
    try {
      const samples = await this.samples.begin('refuse');
      await this.samples.verify(samples, ledger, found, gone, range).finally(() => this.samples.end(samples));
    } catch (error) {
      if (found.bundles.length > 0 || found.findings.length > 0) {
        await this.tell(id, ledger, found, caller, reasonOf(error)).catch((failure: unknown) =>
          this.logger.error({ err: failure }, 'findings of a verification that was stopped are not on record'),
        );
      }
      throw error;
    }
    await this.tell(id, ledger, found, caller);
    const { bundles, events, findings, unread } = found;
    return {
      ...{ id, ledger, verdict: verdictOf(found), bundles, events },
      findings: findings.slice(0, MAX_LISTED_FINDINGS),
      findings_total: findings.length,
      unread: unread.map(({ from_sequence, to_sequence, reason }) => ({ from_sequence, to_sequence, reason })),
    };
  }

  /** In the log and in a metric where there are findings, and on record in any case. */
  private async tell(
    id: string,
    ledger: string,
    found: LedgerSamples,
    caller: Principal,
    stoppedBy?: string,
  ): Promise<void> {
    const { bundles, events, findings, unread } = found;
    for (const { kind } of findings) this.metrics.countFinding(ledger, kind);
    if (findings.length > 0) {
      const first = findings.slice(0, 10);
      this.logger.error({ findings: first, alarm: 'evidence-invalid' }, 'bundles of evidence do not verify');
    }
    const verdict = verdictOf(found);
    await this.serviceLedger.record({
      event_type: 'evidence_verification',
      entity_type: 'ledger',
      entity_id: ledger,
      action: stoppedBy === undefined ? 'done' : 'stopped',
      user_id: caller.id,
      new_state: {
        verification: id,
        verdict: stoppedBy !== undefined && verdict === 'valid' ? 'undecided' : verdict,
        bundles: bundles.map((each) => ({ ...each })),
        events,
        findings_total: findings.length,
        findings: findings.slice(0, RECORDED_FINDINGS).map((each) => ({ ...each })),
        unread: unread.slice(0, RECORDED_FINDINGS).map((each) => ({ ...each })),
        ...(stoppedBy === undefined ? {} : { stopped_by: stoppedBy }),
      },
    });
  }
}

/** Throws invalid-body for half a range, and for one that no bundle is made of at once. */
function rangeOf({ from_sequence: from, to_sequence: to }: EvidenceVerificationRequestDto): SequenceRange | undefined {
  if (from === undefined && to === undefined) return undefined;
  if (from === undefined || to === undefined) {
    throw wrong(from === undefined ? 'from_sequence' : 'to_sequence', 'is given together with the other end');
  }
  const range = { from: BigInt(from), to: BigInt(to) };
  if (range.to < range.from) throw wrong('to_sequence', `must be no less than from_sequence, ${from}`);
  if (range.to - range.from >= BigInt(MAX_DIRECT_EVENTS)) {
    throw wrong('to_sequence', `must leave ${MAX_DIRECT_EVENTS} events at most from from_sequence, ${from}, on`);
  }
  return range;
}

function wrong(member: string, rest: string): Problem {
  const detail = `${member} ${rest}`;
  return new Problem('invalid-body', detail, { errors: [{ pointer: `/${member}`, rule: 'range', detail }] });
}
