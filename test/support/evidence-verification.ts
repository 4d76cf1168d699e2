import type { TestService } from './app.js';
import { seen } from './tamper-matrix.js';

export interface ShownEvidenceVerification {
  id: string;
  verdict: string;
  bundles: { of: string; from_sequence: string; to_sequence: string; verdict: string | null }[];
  events: number;
  findings: { ledger: string; kind: string; sequence: string | null; event_id: string | null; detail: string }[];
  findings_total: number;
  unread: { from_sequence: string; to_sequence: string; reason: string }[];
}

/** Has samples of a ledger bundled and verified, or a range of it: level 4. */
export async function verifyEvidence(
  service: Pick<TestService, 'http'>,
  ledger: string,
  range: { from_sequence?: string; to_sequence?: string } = {},
): Promise<ShownEvidenceVerification> {
  const { body } = await service.http().post(`/v1/ledgers/${ledger}/evidence/verifications`).send(range).expect(200);
  const outcome = body as ShownEvidenceVerification;
  seen(
    'level 4',
    outcome.findings.map(({ kind, sequence }) => ({ kind, sequence })),
  );
  return outcome;
}
