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
import { RECORDED_FINDINGS, verdictOf } from './evidence-verification.job.js';
import { SampleBundles } from './sample-bundles.js';

const MAX_LISTED_FINDINGS = 1_000;

/** The verification of level 4 of one ledger, when somebody asks for it. */
@Injectable()
export class EvidenceVerifications {
  constructor(
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly samples: SampleBundles,
    private readonly serviceLedger: ServiceLedger,
    private readonly metrics: Metrics,
  ) {}

  /**
   * Of samples of the ledger, or of a range. Recorded before it is answered: event type `evidence_verification`. Throws
   * ledger-not-found, invalid-body, reads-overloaded; and when it cannot be recorded.
   */
  async run(
    ledger: string,
    asked: EvidenceVerificationRequestDto,
    caller: Principal,
    gone: AbortSignal,
  ): Promise<EvidenceVerificationDto> {
    const range = rangeOf(asked);
    const samples = await this.samples.begin();
    const found = await this.samples.verify(samples, ledger, gone, range).finally(() => this.samples.end(samples));
    const { bundles, events, findings, unread } = found;
    const verdict = verdictOf(findings, unread);
    const id = uuidv7();
    for (const { kind } of findings) this.metrics.countFinding(ledger, kind);
    if (findings.length > 0) {
      const first = findings.slice(0, 10);
      this.logger.error({ findings: first, alarm: 'evidence-invalid' }, 'bundles of evidence do not verify');
    }
    await this.serviceLedger.record({
      event_type: 'evidence_verification',
      entity_type: 'ledger',
      entity_id: ledger,
      action: 'done',
      user_id: caller.id,
      new_state: {
        verification: id,
        verdict,
        bundles: bundles.map((each) => ({ ...each })),
        events,
        findings_total: findings.length,
        findings: findings.slice(0, RECORDED_FINDINGS).map((each) => ({ ...each })),
        unread: unread.slice(0, RECORDED_FINDINGS).map((each) => ({ ...each })),
      },
    });
    return {
      ...{ id, ledger, verdict, bundles, events },
      findings: findings.slice(0, MAX_LISTED_FINDINGS),
      findings_total: findings.length,
      unread: unread.map(({ from_sequence, to_sequence, reason }) => ({ from_sequence, to_sequence, reason })),
    };
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
