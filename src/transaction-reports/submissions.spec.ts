import { Random } from '../../test/support/random.js';
import { CANCELLATION, SHARE } from '../../test/support/transaction-reports.js';
import type { Draft } from './draft.js';
import { decide, recordDigest, type Unsent } from './submission-plan.js';
import {
  isLive,
  stateOf,
  SubmissionError,
  withAdvice,
  withSent,
  type Submission,
  type Submissions,
} from './submissions.js';

const EVENT = { event_id: 'e', sequence: '1' };
const draftOf = (report: Draft['report'], isHeld = false): Draft => ({
  is: 'draft',
  orderId: 'o',
  eventId: 'e',
  version: 1,
  statedBy: EVENT,
  time: '2026-06-02T08:15:30Z',
  cause: EVENT,
  leg: 0,
  isFirmStated: false,
  report,
  lineage: [],
  toMend: isHeld ? [{ field: 7, rule: 'unknown', text: 'nobody knows the client' }] : [],
  findings: [],
});
const newDraft = (quantity = '250', isHeld = false) =>
  draftOf({ ...SHARE, transactionReference: 'T', quantity: { is: 'units', value: quantity } }, isHeld);
const cancelDraft = () => draftOf({ ...CANCELLATION, transactionReference: 'T' });

const NEW = newDraft();
const DIGEST = recordDigest(NEW);
const of = (...list: [Submission['status'], Submission['state']][]): Submissions =>
  list.map(([status, state], i) => ({ messageId: `M${i}`, status, digest: DIGEST, state, rules: [] }));

describe('the state of a report', () => {
  it.each([
    ['unsent', of()],
    ['sent', of(['NEWT', 'sent'])],
    ['pending', of(['NEWT', 'pending'])],
    ['accepted', of(['NEWT', 'accepted'])],
    ['rejected', of(['NEWT', 'rejected'])],
    ['cancelling', of(['NEWT', 'accepted'], ['CANC', 'sent'])],
    ['cancelling', of(['NEWT', 'accepted'], ['CANC', 'pending'])],
    ['cancelled', of(['NEWT', 'accepted'], ['CANC', 'accepted'])],
    ['accepted', of(['NEWT', 'accepted'], ['CANC', 'rejected'])],
    ['accepted', of(['NEWT', 'accepted'], ['CANC', 'rejected'], ['CANC', 'rejected'])],
    ['rejected', of(['NEWT', 'rejected'], ['CANC', 'rejected'])],
    ['sent', of(['NEWT', 'accepted'], ['CANC', 'accepted'], ['NEWT', 'sent'])],
  ] as const)('is %s', (state, submissions) => {
    expect(stateOf(submissions)).toBe(state);
    const [canReport, canCancel] = (['NEWT', 'CANC'] as const).map((status) => {
      try {
        return withSent(submissions, { messageId: 'M', status, digest: DIGEST }).length === submissions.length + 1;
      } catch (error) {
        expect(error).toBeInstanceOf(SubmissionError);
        expect((error as SubmissionError).rule).toBe(status === 'NEWT' ? 'CON-023' : 'CON-024');
        return false;
      }
    });
    expect(canReport).toBe(['unsent', 'rejected', 'cancelled'].includes(state));
    expect(canCancel).toBe(['sent', 'pending', 'accepted'].includes(state));
  });

  it('is changed by answers, which may come twice and late, and is final once it is accepted or rejected', () => {
    const rules = [{ id: 'CON-411', description: 'pending' }];
    const sent = of(['NEWT', 'sent']);
    const pending = withAdvice(sent, 'M0', { state: 'pending', rules });
    expect(pending).toEqual({ change: 'changed', submissions: [{ ...sent[0], state: 'pending', rules }] });
    expect(withAdvice(pending.submissions, 'M0', { state: 'pending', rules }).change).toBe('none');
    expect(withAdvice(pending.submissions, 'M0', { state: 'sent', rules: [] }).change).toBe('none');
    const accepted = withAdvice(pending.submissions, 'M0', { state: 'accepted', rules: [] }).submissions;
    for (const state of ['sent', 'pending', 'accepted'] as const) {
      expect(withAdvice(accepted, 'M0', { state, rules })).toEqual({ submissions: accepted, change: 'none' });
    }
    const { submissions: unsure, change } = withAdvice(accepted, 'M0', { state: 'rejected', rules });
    expect([change, unsure]).toEqual(['contradicts', [{ ...accepted[0], isContradicted: true }]]);
    for (const state of ['accepted', 'rejected'] as const) {
      const settled = [{ ...accepted[0], state, rules }];
      expect(withAdvice(unsure, 'M0', { state, rules })).toEqual({ submissions: settled, change: 'changed' });
    }
    expect(withAdvice(unsure, 'M0', { state: 'pending', rules }).change).toBe('none');
    expect(withAdvice(accepted, 'M9', { state: 'rejected', rules }).change).toBe('unknown');
  });
});

describe('what is sent', () => {
  const CORRECTED = newDraft('251');
  const HELD = newDraft('250', true);
  const CANC = cancelDraft();
  it.each<[string, [Draft, ...Draft[]], Submissions, 'send' | Unsent]>([
    ['a new report', [NEW], of(), 'send'],
    ['one that was sent', [NEW], of(['NEWT', 'sent']), 'as-sent'],
    ['one that was accepted', [NEW], of(['NEWT', 'accepted']), 'as-sent'],
    ['one that was accepted and says something else now', [CORRECTED], of(['NEWT', 'accepted']), 'differs'],
    ['one that was rejected', [NEW], of(['NEWT', 'rejected']), 'rejected'],
    ['one that was rejected and was mended', [CORRECTED], of(['NEWT', 'rejected']), 'send'],
    ['one that is to be mended', [HELD], of(), 'held'],
    ['one whose cancellation is under way', [NEW], of(['NEWT', 'accepted'], ['CANC', 'sent']), 'cancelling'],
    ['one whose number is free again', [NEW], of(['NEWT', 'accepted'], ['CANC', 'accepted']), 'send'],
    ['a cancellation', [NEW, CANC], of(['NEWT', 'accepted']), 'send'],
    ['a cancellation of what was never sent', [NEW, CANC], of(), 'not-there'],
    ['a cancellation of what was rejected', [NEW, CANC], of(['NEWT', 'rejected']), 'not-there'],
    ['a cancellation that was sent', [NEW, CANC], of(['NEWT', 'accepted'], ['CANC', 'sent']), 'as-sent'],
    ['a cancellation that was accepted', [NEW, CANC], of(['NEWT', 'accepted'], ['CANC', 'accepted']), 'as-sent'],
    ['a cancellation that was rejected', [NEW, CANC], of(['NEWT', 'accepted'], ['CANC', 'rejected']), 'send'],
  ])('%s', (_, drafts, submissions, expected) => {
    const decision = decide(drafts, submissions);
    expect(decision.is === 'send' ? 'send' : decision.why).toBe(expected);
    expect(decision.draft).toBe(drafts.at(-1));
    const repeated = decide(drafts, submissions, { isRepeatingRejected: true });
    if (expected === 'rejected') expect(repeated.is).toBe('send');
    else expect(repeated).toEqual(decision);
  });

  it.each<[string, Draft, Submissions, 'send' | Unsent]>([
    ['nobody knows who executed it', NEW, of(), 'other-entity'],
    ['an event says who executed it', { ...NEW, isFirmStated: true }, of(), 'send'],
    ['something is to be mended too', HELD, of(), 'other-entity'],
    ['both have it already', NEW, of(['NEWT', 'accepted']), 'as-sent'],
    ['the firm took it back', NEW, of(['NEWT', 'accepted'], ['CANC', 'accepted']), 'other-entity'],
    ['its own was rejected', CORRECTED, of(['NEWT', 'rejected']), 'other-entity'],
  ])('is not what is reported for another entity: %s', (_, draft, submissions, expected) => {
    const decision = decide([draft], submissions, { isReportedForOther: true });
    expect(decision.is === 'send' ? 'send' : decision.why).toBe(expected);
    const cancelled = of(['NEWT', 'accepted']);
    expect(decide([draft, CANC], cancelled, { isReportedForOther: true }).is).toBe('send');
  });

  it('neither reports nor cancels under a reference of another ledger', () => {
    for (const drafts of [[NEW], [HELD], [NEW, CANC]] as const) {
      expect(decide(drafts, of(), { isReportedElsewhere: true })).toMatchObject({
        is: 'not-sent',
        why: 'other-ledger',
      });
    }
  });

  /** The authority as CON-023 and CON-024 have it; it judges what was sent in the order of sending. */
  it('is never a second report under a number, nor a cancellation of none, whatever happens', () => {
    const seen = { sent: 0, cancelled: 0, reused: 0 };
    for (let seed = 1; seed <= 400; seed++) {
      const random = new Random(seed);
      let submissions: Submissions = [];
      let isThere = false;
      let judged = 0;
      const answers: { messageId: string; state: Submission['state'] }[] = [];
      const judge = (isMild: boolean): void => {
        const next = submissions[judged];
        if (!next) return;
        judged++;
        const broken = next.status === 'NEWT' ? isThere : !isThere;
        if (next.status === 'NEWT') expect(isThere).toBe(false);
        const isAccepted = !broken && (isMild || !random.chance(3));
        if (isAccepted) isThere = next.status === 'NEWT';
        const { messageId } = next;
        if (random.chance(3)) answers.push({ messageId, state: 'pending' });
        answers.push({ messageId, state: isAccepted ? 'accepted' : 'rejected' });
      };
      const answer = (index: number): void => {
        const told = answers[index];
        if (!told) return;
        const advised = withAdvice(submissions, told.messageId, { state: told.state, rules: [] });
        expect(['changed', 'none']).toContain(advised.change);
        submissions = advised.submissions;
      };
      const send = (drafts: [Draft, ...Draft[]], isRepeatingRejected: boolean): void => {
        const decision = decide(drafts, submissions, { isRepeatingRejected });
        if (decision.is === 'not-sent') return;
        const { status } = decision.draft.report;
        seen.sent++;
        if (status === 'CANC') seen.cancelled++;
        else if (submissions.some((each) => each.status === 'CANC')) seen.reused++;
        if (status === 'CANC') {
          // the authority may have rejected the report meanwhile, but nobody knew
          const begun = submissions.findLastIndex((each) => each.status === 'NEWT');
          expect(submissions[begun]?.state).toMatch(/sent|pending|accepted/);
          for (const each of submissions.slice(begun + 1)) expect(each.state).toBe('rejected');
        }
        // throws where the decision was wrong
        submissions = withSent(submissions, { messageId: `M${submissions.length}`, status, digest: decision.digest });
        expect(decide(drafts, submissions, { isRepeatingRejected }).is).toBe('not-sent');
      };
      const wanted = (): [Draft, ...Draft[]] => {
        const draft = newDraft(random.of(['250', '251']), random.chance(8));
        return random.chance(3) ? [draft, cancelDraft()] : [draft];
      };
      for (let step = 0; step < 40; step++) {
        const action = random.below(3);
        if (action === 0) send(wanted(), random.chance(2));
        else if (action === 1) judge(false);
        else answer(random.below(answers.length + 1));
      }
      // in the end all is judged and answered, and what is wanted comes to be there
      const settle = (): void => {
        while (judged < submissions.length) judge(true);
        answers.forEach((_, i) => answer(i));
      };
      settle();
      expect(isLive(submissions)).toBe(isThere);
      for (const isWanted of [false, true]) {
        const drafts: [Draft, ...Draft[]] = isWanted ? [NEW] : [NEW, cancelDraft()];
        send(drafts, true);
        settle();
        expect(isThere).toBe(isWanted);
        expect(stateOf(submissions) === 'accepted').toBe(isWanted);
        send(drafts, false);
        expect(judged).toBe(submissions.length);
      }
    }
    expect(Object.values(seen).every((times) => times > 100)).toBe(true);
  });
});
