import { CANCELLATION, SHARE } from '../../test/support/transaction-reports.js';
import type { Draft } from '../transaction-reports/draft.js';
import { ReportingCalendar } from '../transaction-reports/reporting-calendar.js';
import { decide, recordDigest } from '../transaction-reports/submission-plan.js';
import type { Submission } from '../transaction-reports/submissions.js';
import { agedOf, type Aged } from './ageing.js';
import type { SentRecord } from './reporting-book.sql.js';

const CALENDAR = new ReportingCalendar({ timeZone: 'UTC', holidays: [] });
/** Its report is due until the end of Wednesday. */
const TUESDAY = '2026-06-02T08:00:00Z';
const [IN_TIME, LATE] = ['2026-06-03T23:59:59.999999Z', '2026-06-04T00:00:00.000000Z'];
const EVENT = { event_id: '0197f3a1-6c00-7000-8000-000000000001', sequence: '1' };

const draftOf = (report: Draft['report'], toMend: Draft['toMend'] = []): Draft => ({
  ...{ is: 'draft', orderId: 'O-1', eventId: EVENT.event_id, version: 1, statedBy: EVENT, time: TUESDAY },
  ...{ cause: EVENT, leg: 0, isFirmStated: false, report, lineage: [], toMend, findings: [] },
});
const REPORT = draftOf({ ...SHARE, tradingTime: TUESDAY });
const CANCELLED = draftOf({ ...CANCELLATION, transactionReference: SHARE.transactionReference });

const sentAs = (status: Submission['status'], state: Submission['state'], sentAt = IN_TIME): SentRecord => ({
  place: { from: 0, bytes: 1 },
  ...{
    executingEntity: 'the firm',
    transactionReference: SHARE.transactionReference,
    eventId: EVENT.event_id,
    messageId: 'M',
    maker: 'submission-1',
    act: 1,
  },
  ...{ tradingTime: TUESDAY, sentAt, status, state, digest: recordDigest(REPORT) },
  rules: state === 'rejected' ? [{ id: 'CON-411', description: 'x' }] : [],
});

function aged(
  drafts: readonly Draft[],
  sent: readonly SentRecord[],
  at = LATE,
  isReportedForOther = false,
): Aged | undefined {
  return agedOf({ decision: decide(drafts, sent, { isReportedForOther }), sent }, at, () => CALENDAR);
}
const shown = (...from: Parameters<typeof aged>): string | undefined => {
  const found = aged(...from);
  return found && `${found.standing} ${found.state} ${found.next}`;
};

describe('how a reference stands', () => {
  it('is by what was sent last, and when', () => {
    expect(shown([REPORT], [], IN_TIME)).toBe('due drafted send');
    expect(shown([REPORT], [])).toBe('overdue drafted send');
    expect(shown([REPORT], [sentAs('NEWT', 'sent')])).toBe('awaiting sent as-sent');
    expect(shown([REPORT], [sentAs('NEWT', 'sent', LATE)])).toBe('overdue sent as-sent');
    expect(shown([REPORT], [sentAs('NEWT', 'accepted')])).toBe('in-time accepted as-sent');
    const rejected = sentAs('NEWT', 'rejected');
    expect(shown([REPORT], [rejected], IN_TIME)).toBe('due rejected rejected');
    expect(aged([REPORT], [rejected, sentAs('NEWT', 'accepted', LATE)])).toMatchObject({
      ...{ standing: 'late', state: 'accepted', rules: ['CON-411'], workingDaysLate: 1, sentAt: LATE },
    });
  });

  it('has a report that was cancelled and must be there as not reported, once the cancellation is accepted', () => {
    const accepted = sentAs('NEWT', 'accepted');
    expect(shown([REPORT], [accepted, sentAs('CANC', 'sent')])).toBe('in-time cancelling cancelling');
    expect(shown([REPORT], [accepted, sentAs('CANC', 'accepted')])).toBe('overdue cancelled send');
  });

  it('says what is held, also of one that was rejected', () => {
    const held = draftOf({ ...SHARE, tradingTime: undefined }, [{ field: 28, rule: 'r', text: 'must be stated' }]);
    expect(aged([held], [], IN_TIME)).toMatchObject({ standing: 'due', state: 'held', tradingTime: TUESDAY });
    expect(shown([held], [sentAs('NEWT', 'rejected')])).toBe('overdue rejected held');
  });

  it('is due by the time of its event where the trading time is to be mended', () => {
    const wrong = { ...REPORT, report: { ...SHARE, tradingTime: '2062-06-02T08:00:00Z' } };
    const finding = { rule: 'TR-028-3', severity: 'error', fields: [28], text: 'x', value: '2062' } as const;
    expect(aged([{ ...wrong, findings: [finding] }], [])).toMatchObject({
      ...{ standing: 'overdue', state: 'held', deadline: LATE, tradingTime: wrong.report.tradingTime },
    });
    const hint = { ...finding, severity: 'hint' } as const;
    expect(aged([{ ...wrong, findings: [hint] }], [])).toMatchObject({ standing: 'due', state: 'drafted' });
  });

  it('neither is due nor late where another firm reported the execution, and nobody states whose it is', () => {
    const held = draftOf(SHARE, [{ field: 57, rule: 'r', text: 'must be stated' }]);
    for (const [draft, state] of [[REPORT, 'drafted'] as const, [held, 'held'] as const]) {
      expect(aged([draft], [], LATE, true)).toMatchObject({
        ...{ standing: 'other-entity', state, next: 'other-entity', deadline: null, workingDaysLate: null },
      });
      expect(aged([{ ...draft, isFirmStated: true }], [], LATE, true)).toMatchObject({ standing: 'overdue' });
    }
    expect(shown([REPORT], [sentAs('NEWT', 'accepted')], LATE, true)).toBe('in-time accepted as-sent');
  });

  it('has what nothing is to be reported of any more as over-reported until it was taken back', () => {
    const both = [REPORT, CANCELLED];
    expect(shown(both, [])).toBeUndefined();
    expect(shown(both, [sentAs('NEWT', 'rejected')])).toBeUndefined();
    expect(shown(both, [sentAs('NEWT', 'sent')])).toBe('over-reported sent send');
    const accepted = sentAs('NEWT', 'accepted');
    expect(shown(both, [accepted, sentAs('CANC', 'pending')])).toBe('over-reported cancelling as-sent');
    expect(shown(both, [accepted, sentAs('CANC', 'rejected')])).toBe('over-reported accepted send');
    expect(shown(both, [accepted, sentAs('CANC', 'accepted')])).toBe('cancelled cancelled as-sent');
    expect(shown([], [accepted])).toBe('over-reported accepted underived');
  });
});
