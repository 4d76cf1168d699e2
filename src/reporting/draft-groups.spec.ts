import { SHARE } from '../../test/support/transaction-reports.js';
import type { Draft } from '../transaction-reports/draft.js';
import type { Submission } from '../transaction-reports/submissions.js';
import { decide } from '../transaction-reports/submission-plan.js';
import { byReference, claimsOf } from './draft-groups.js';
import type { SentRecord } from './reporting-book.sql.js';

const EVENT = { event_id: '0197f3a1-6c00-7000-8000-000000000001', sequence: '1' };
const [OWN, OTHER] = ['the firm', 'another firm'] as const;

const draftOf = (eventId: string): Draft => ({
  ...{ is: 'draft', orderId: 'O-1', eventId, version: 1, statedBy: EVENT, time: '2026-06-02T08:00:00Z', cause: EVENT },
  ...{ leg: 0, isFirmStated: false, lineage: [], toMend: [], findings: [] },
  report: { ...SHARE, transactionReference: `REF${eventId}` },
});
const sentFor = (executingEntity: string, status: Submission['status'], state: Submission['state']): SentRecord => ({
  ...{ executingEntity, status, state, eventId: 'e', transactionReference: 'REFe', messageId: 'M', maker: 'm' },
  ...{ act: 1, digest: '00', rules: [], tradingTime: null, sentAt: '2026-06-03T08:00:00Z' },
  place: { from: 0, bytes: 1 },
});

async function isReportedForOther(...sent: SentRecord[]): Promise<Record<string, boolean>> {
  async function* drafts(): AsyncGenerator<Draft> {
    yield* [draftOf('e'), draftOf('f')];
    await Promise.resolve();
  }
  const found: Record<string, boolean> = {};
  for await (const of of byReference(drafts(), OWN, () => Promise.resolve(sent))) {
    const ofEvent = of.eventId === 'e' ? sent : [];
    const own = ofEvent.filter((each) => each.executingEntity === OWN && !each.isOfOtherLedger);
    expect(of.sent).toEqual(own);
    const { isReportedForOther, isReportedElsewhere } = claimsOf(ofEvent, OWN);
    found[of.eventId] = isReportedForOther;
    expect(isReportedElsewhere).toBe(ofEvent[0]?.isOfOtherLedger === true);
    expect(of.decision).toEqual(decide(of.drafts, own, { isReportedForOther, isReportedElsewhere }));
  }
  return found;
}

describe('an execution of which nobody says who executed it', () => {
  const recordsFor = (entity: string) => ({
    live: sentFor(entity, 'NEWT', 'sent'),
    accepted: sentFor(entity, 'NEWT', 'accepted'),
    rejected: sentFor(entity, 'NEWT', 'rejected'),
    cancelling: sentFor(entity, 'CANC', 'sent'),
    cancelled: sentFor(entity, 'CANC', 'accepted'),
  });
  const [own, other] = [recordsFor(OWN), recordsFor(OTHER)];

  it.each<[string, SentRecord[], boolean]>([
    ['nothing was sent', [], false],
    ['the firm reported it', [own.live], false],
    ['another reported it', [other.live], true],
    ['another was rejected', [other.rejected], true],
    ['another cancels', [other.accepted, other.cancelling], true],
    ['another cancelled', [other.accepted, other.cancelled], true],
    ['both have it', [own.accepted, other.accepted], true],
    ['the other one, which was second, cancelled', [own.rejected, other.accepted, other.cancelled], true],
    [
      'the other one cancelled, and was then rejected',
      [own.rejected, other.accepted, other.cancelled, other.rejected],
      true,
    ],
    ['the firm was second', [other.accepted, other.cancelled, own.rejected], true],
    ['the firm was second, and alone has it', [other.accepted, other.cancelled, own.accepted], false],
    ['the other one was second, and alone has it', [own.accepted, own.cancelled, other.accepted], true],
    ['the firm was the last of both that have it', [other.accepted, own.accepted], false],
    ['in another ledger an event has the same id', [{ ...own.accepted, isOfOtherLedger: true }], false],
    ['the same, and was second', [own.accepted, { ...own.accepted, isOfOtherLedger: true }], false],
  ])(
    'is the one’s that has it, or had it last, else the first one’s that it was reported for: %s',
    async (_, sent, expected) => {
      expect(await isReportedForOther(...sent)).toEqual({ e: expected, f: false });
    },
  );
});
