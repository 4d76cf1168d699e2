import { Random } from '../../test/support/random.js';
import { BANK, FIRM, SHARE } from '../../test/support/transaction-reports.js';
import { grouped } from '../reports/grouped.js';
import type { Draft, NotReportable } from './draft.js';
import { planOf, recordDigest, type DecidedBy } from './submission-plan.js';
import { isLive, stateOf, withAdvice, withSent, type Submission, type Submissions } from './submissions.js';
import { partsOfReference, transactionReference } from './transaction-reference.js';

const EVENT_ID = '0197f3a1-6c00-7000-8000-000000000001';
const EVENT = { event_id: EVENT_ID, sequence: '1' };

/** What a version says: a quantity; nothing that is reported, by reference data or by the event itself; that it never happened. */
type Said = number | 'nothing' | 'ended' | 'void';
type Derived = (Draft | NotReportable)[];

const base = (version: number) => ({
  ...{ orderId: 'o', eventId: EVENT_ID, version, statedBy: EVENT, time: '2026-06-02T08:15:30Z', cause: EVENT },
});
const referenceOf = (version: number, leg = 0): string => transactionReference(EVENT_ID, version, leg);

/** As drafts.ts makes them of versions: one that says what the one before it said is none. */
function derivedOf(versions: readonly Said[], legsOf: (said: number) => readonly number[] = () => [0]): Derived {
  const made: Derived = [];
  let last: Said = 'void';
  let lastVersion = 0;
  versions.forEach((said, i) => {
    if (i > 0 && said === last) return;
    if (typeof last === 'number') {
      const report = { status: 'CANC' as const, executingEntity: FIRM, submittingEntity: FIRM };
      for (const leg of legsOf(last))
        made.push(draftOf(lastVersion, { ...report, transactionReference: referenceOf(lastVersion, leg) }, leg));
    } else if (said === 'void' && made.length > 0) {
      (made.at(-1) as NotReportable).endedBy = EVENT;
    }
    if (typeof said === 'number') {
      const quantity = { is: 'units' as const, value: String(said) };
      for (const leg of legsOf(said))
        made.push(draftOf(i + 1, { ...SHARE, transactionReference: referenceOf(i + 1, leg), quantity }, leg));
    } else if (said === 'nothing' || said === 'ended') {
      const firm = { executingEntity: FIRM, submittingEntity: FIRM };
      made.push({
        is: 'not-reportable',
        ...base(i + 1),
        ...firm,
        reason: said,
        rule: 'y',
        ...{ isByEvents: said === 'ended', sources: [] },
      });
    }
    [last, lastVersion] = [said, i + 1];
  });
  return made;
}

function draftOf(version: number, report: Draft['report'], leg = 0): Draft {
  const traced = { lineage: [], toMend: [], findings: [] };
  return { is: 'draft', ...base(version), leg, isFirmStated: false, report, ...traced };
}

/** Records by version, status and state. */
function sentOf(...all: [number, Submission['status'], Submission['state'], Said?][]): Map<string, Submissions> {
  const records = all.map(([version, status, state, said = 1], i) => {
    const [report] = derivedOf([...Array.from({ length: version - 1 }, (): Said => 'void'), said]);
    const digest = status === 'NEWT' ? recordDigest(report as Draft) : '00';
    return { reference: referenceOf(version), messageId: `M${i}`, status, digest, state, rules: [] };
  });
  return new Map([...grouped(records, ({ reference }) => reference)]);
}

const shown = (versions: readonly Said[], sent: Map<string, Submissions>, by: DecidedBy = {}): string[] =>
  planOf(derivedOf(versions), sent, by).map(({ transactionReference: reference, decision }) => {
    const status = decision.draft?.report.status ?? 'none';
    return `${status} v${partsOfReference(reference).version} ${decision.is === 'send' ? 'send' : decision.why}`;
  });

describe('what is to be done about an execution', () => {
  const accepted = sentOf([1, 'NEWT', 'accepted']);

  it('is to cancel what was corrected, and to report it anew, in one file', () => {
    expect(shown([1, 2], accepted)).toEqual(['CANC v1 send', 'NEWT v2 send']);
    expect(shown([1, 'void'], accepted)).toEqual(['CANC v1 send']);
    expect(shown([1, 2], sentOf())).toEqual(['CANC v1 not-there', 'NEWT v2 send']);
  });

  it('is to cancel again what was refused, with whatever is reported next', () => {
    const refused = sentOf([1, 'NEWT', 'accepted'], [1, 'CANC', 'rejected'], [2, 'NEWT', 'rejected', 2]);
    expect(shown([1, 2], refused)).toEqual(['CANC v1 send', 'NEWT v2 rejected']);
    expect(shown([1, 2, 3], refused)).toEqual(['CANC v1 send', 'CANC v2 not-there', 'NEWT v3 send']);
    expect(shown([1, 'void'], sentOf([1, 'NEWT', 'accepted'], [1, 'CANC', 'rejected']))).toEqual(['CANC v1 send']);
  });

  it('is nothing new while a report of it cannot be cancelled', () => {
    const derived = derivedOf([1, 2]);
    const held = { ...(derived[1] as Draft), toMend: [{ field: 6, rule: 'r', text: 'x' }] };
    const plans = planOf([derived[0]!, held, derived[2]!], accepted);
    expect(plans.map(({ decision }) => decision.is === 'not-sent' && decision.why)).toEqual(['held', 'uncancelled']);
  });

  it('goes by the later reference that the authority has, where reference data make it an earlier version', () => {
    const late = sentOf([2, 'NEWT', 'accepted', 2]);
    expect(shown([2, 2], late)).toEqual(['NEWT v2 as-sent']);
    expect(shown([3, 3], late)).toEqual(['NEWT v2 differs']);
    expect(shown([2, 2, 4], late)).toEqual(['CANC v2 send', 'CANC v1 not-there', 'NEWT v3 send']);
    expect(shown([2, 2, 'void'], late)).toEqual(['CANC v2 send', 'CANC v1 not-there']);
    const both = sentOf([1, 'NEWT', 'accepted'], [1, 'CANC', 'accepted'], [2, 'NEWT', 'accepted', 2]);
    expect(shown([2, 2], both)).toEqual(['NEWT v2 as-sent', 'none v1 as-sent']);
  });

  it('is for a person where nothing is to be reported by reference data alone, and what that person says', () => {
    expect(shown(['nothing'], accepted)).toEqual(['none v1 underived']);
    expect(shown(['nothing', 'nothing'], accepted)).toEqual(['none v1 underived']);
    expect(shown(['nothing'], accepted, { isCancellingUnderived: true })).toEqual(['CANC v1 send']);
    expect(shown(['nothing', 'void'], accepted)).toEqual(['CANC v1 send']);
    expect(shown(['nothing', 'ended'], accepted)).toEqual(['CANC v1 send']);
    expect(shown(['nothing', 2], accepted)).toEqual(['CANC v1 send', 'NEWT v2 send']);
  });

  it('is to cancel and to report again what reference data have changed, where a person says so', () => {
    const by = { isCorrectingDiffering: true };
    expect(shown([2], accepted)).toEqual(['NEWT v1 differs']);
    expect(shown([2], accepted, by)).toEqual(['CANC v1 send']);
    expect(shown([1], accepted, by)).toEqual(['NEWT v1 as-sent']);
    const asked: [number, Submission['status'], Submission['state']] = [1, 'NEWT', 'accepted'];
    expect(shown([2], sentOf(asked, [1, 'CANC', 'sent']), by)).toEqual(['NEWT v1 cancelling']);
    expect(shown([2], sentOf(asked, [1, 'CANC', 'accepted']))).toEqual(['NEWT v1 send']);
    expect(shown([2], sentOf(asked, [1, 'CANC', 'rejected']))).toEqual(['NEWT v1 differs']);
    expect(shown([2], sentOf(asked, [1, 'CANC', 'rejected']), by)).toEqual(['CANC v1 send']);
    // by a later reference
    const late = sentOf([2, 'NEWT', 'accepted', 2]);
    expect(shown([3, 3], late, by)).toEqual(['CANC v2 send']);
    expect(shown([3, 3], sentOf([2, 'NEWT', 'accepted', 2], [2, 'CANC', 'accepted']))).toEqual([
      'none v2 as-sent',
      'NEWT v1 send',
    ]);
    // what cannot be reported anew stays
    const held = { ...(derivedOf([2])[0] as Draft), toMend: [{ field: 6, rule: 'r', text: 'x' }] };
    expect(planOf([held], accepted, by)[0]!.decision).toMatchObject({ why: 'held' });
  });

  it('is nothing where another one submitted for the firm then, of whom reference data tell', () => {
    const [draft] = derivedOf([1]) as [Draft];
    const before = recordDigest({ report: { ...draft.report, submittingEntity: BANK } });
    const record: Submission = { messageId: 'M', status: 'NEWT', digest: before, state: 'accepted', rules: [] };
    const sent = new Map([[referenceOf(1), [record]]]);
    const why = (submitters: readonly string[]) => planOf([{ ...draft, submitters }], sent)[0]!.decision;
    expect([why([FIRM, BANK]), why([FIRM])]).toMatchObject([{ why: 'as-sent' }, { why: 'differs' }]);
    record.state = 'rejected';
    expect(why([FIRM, BANK])).toMatchObject({ is: 'send' });
  });

  it('is not to cancel what differs while another report of it is in the way of reporting that anew', () => {
    const [first] = derivedOf([2]) as [Draft];
    const [records] = accepted.values();
    const sent = new Map([...accepted, [transactionReference(EVENT_ID, 1, 1), records!]]);
    const why = (by: DecidedBy) =>
      planOf([first], sent, by).map(({ decision }) =>
        decision.is === 'send' ? decision.draft.report.status : decision.why,
      );
    expect(why({ isCorrectingDiffering: true })).toEqual(['underived', 'differs']);
    expect(why({ isCorrectingDiffering: true, isCancellingUnderived: true })).toEqual(['CANC', 'CANC']);
  });

  it('is nothing new while another leg of it is live that nothing is derived of any more', () => {
    const [first] = derivedOf([1]) as [Draft];
    const reference = transactionReference(EVENT_ID, 1, 1);
    const [records] = accepted.values();
    const of = (by: DecidedBy) =>
      planOf([first], new Map([[reference, records!]]), by).map(({ decision }) =>
        decision.is === 'send' ? decision.draft.report.status : decision.why,
      );
    expect(of({})).toEqual(['underived', 'uncancelled']);
    expect(of({ isCancellingUnderived: true })).toEqual(['CANC', 'NEWT']);
    // a leg that is reported beside it is none
    const other = { ...first, leg: 1, report: { ...first.report, transactionReference: reference } };
    const both = planOf([first, other], new Map([[reference, records!]]));
    expect(both.map(({ decision }) => decision.is)).toEqual(['send', 'not-sent']);
  });

  it('is to report a leg beside one that goes by the reference of a later version', () => {
    const [first] = derivedOf([1]) as [Draft];
    const legOf = (leg: number): Draft => {
      const reference = transactionReference(EVENT_ID, 1, leg);
      return { ...first, leg, report: { ...first.report, transactionReference: reference } };
    };
    const gone = [...sentOf([1, 'NEWT', 'accepted'], [1, 'CANC', 'accepted']).values()][0]!;
    const sent = new Map([
      ...[0, 1].map((leg): [string, Submissions] => [transactionReference(EVENT_ID, 1, leg), gone]),
      ...sentOf([2, 'NEWT', 'accepted', 1]),
    ]);
    const plans = planOf([legOf(0), legOf(1)], sent);
    expect(plans.map(({ transactionReference: reference, decision }) => [reference.slice(-7), decision.is])).toEqual([
      ['0020000', 'not-sent'],
      ['0010000', 'not-sent'],
      ['0010001', 'send'],
    ]);
    expect(plans[0]!.decision).toMatchObject({ why: 'as-sent' });
  });

  it('is to cancel the later one of two that are live of one leg', () => {
    const both = sentOf([1, 'NEWT', 'accepted'], [1, 'CANC', 'rejected'], [2, 'NEWT', 'accepted', 1]);
    expect(shown([1, 1], both)).toEqual(['CANC v2 send', 'NEWT v1 as-sent']);
  });

  it('is nothing while the authority contradicts itself', () => {
    const [records] = accepted.values();
    const unsure = new Map([[referenceOf(1), [{ ...records![0]!, isContradicted: true }]]]);
    expect(shown([1, 2], unsure)).toEqual(['CANC v1 contradicted', 'NEWT v2 contradicted']);
    expect(shown(['nothing'], unsure)).toEqual(['none v1 contradicted']);
    // of another leg it has said nothing of the kind
    const [first] = derivedOf([1]) as [Draft];
    const reference = transactionReference(EVENT_ID, 1, 1);
    const other = { ...first, leg: 1, report: { ...first.report, transactionReference: reference } };
    const sent = new Map([...unsure, [reference, [{ ...records![0]!, digest: recordDigest(other) }]]]);
    expect(planOf([first, other], sent).map(({ decision }) => decision)).toMatchObject([
      { why: 'contradicted' },
      { why: 'as-sent' },
    ]);
  });

  /** The authority as CON-023 and CON-024 have it: it judges in the order of sending, and may refuse for other reasons. */
  it('leaves one report of each leg at the authority in the end, whatever was corrected, refused and answered late', () => {
    // the firm with the market, with its client, or both
    const legsOf = (said: number) => [[0], [0, 1], [1]][said - 1]!;
    const seen = { sent: 0, rehomed: 0, refused: 0, cancelled: 0, underived: 0 };
    for (let seed = 1; seed <= 600; seed++) {
      const random = new Random(seed);
      const versions: Said[] = [1];
      // reference data: what each thing that is said comes to by them, today
      let meaning: Said[] = [1, 2, 3];
      let sent = new Map<string, Submissions>();
      const atAuthority = new Map<string, string>();
      const answers: { reference: string; messageId: string; state: Submission['state'] }[] = [];
      let files = 0;
      const derived = (): Derived =>
        derivedOf(
          versions.map((said) => (typeof said === 'number' ? meaning[said - 1]! : said)),
          legsOf,
        );
      const submit = (by: DecidedBy, isMild: boolean): number => {
        const messageId = `M${(files += 1)}`;
        let count = 0;
        for (const { transactionReference: reference, decision } of planOf(derived(), sent, by)) {
          if (decision.is === 'not-sent') {
            if (decision.why === 'underived') seen.underived++;
            const { version } = partsOfReference(reference);
            if (decision.why === 'as-sent' && !derived().some((each) => each.version === version)) seen.rehomed++;
            continue;
          }
          count++;
          seen.sent++;
          const { status } = decision.draft.report;
          // throws where it may not be
          const records = withSent(sent.get(reference) ?? [], { messageId, status, digest: decision.digest });
          sent = new Map(sent).set(reference, records);
        }
        // a submission decided again sends nothing
        const again = planOf(derived(), sent, by).filter(({ decision }) => decision.is === 'send');
        expect(again).toEqual([]);
        for (const [reference, records] of sent) {
          const record = records.find((each) => each.messageId === messageId);
          if (!record) continue;
          const isRight = (record.status === 'NEWT') === !atAuthority.has(reference);
          const isAccepted = isRight && (isMild || !random.chance(4));
          if (!isAccepted) seen.refused++;
          if (isAccepted && record.status === 'CANC') seen.cancelled++;
          if (isAccepted && record.status === 'NEWT') atAuthority.set(reference, record.digest);
          if (isAccepted && record.status === 'CANC') atAuthority.delete(reference);
          answers.push({ reference, messageId, state: isAccepted ? 'accepted' : 'rejected' });
        }
        return count;
      };
      const answer = (index: number): void => {
        const [told] = answers.splice(index, 1);
        if (!told) return;
        const { submissions, change } = withAdvice(sent.get(told.reference)!, told.messageId, { ...told, rules: [] });
        expect(change).toBe('changed');
        sent = new Map(sent).set(told.reference, submissions);
      };
      for (let step = 0; step < 25; step++) {
        const action = random.below(4);
        if (action === 0) versions.push(random.of<Said>([1, 2, 3, 'nothing', 'ended', 'void']));
        else if (action === 1) meaning = [1, 2, 3].map(() => random.of<Said>([1, 2, 3, 'nothing']));
        else if (action === 2)
          submit(
            {
              ...{ isRepeatingRejected: random.chance(2), isCorrectingDiffering: random.chance(3) },
              isCancellingUnderived: random.chance(4),
            },
            false,
          );
        else answer(random.below(answers.length + 1));
      }
      const by = { isRepeatingRejected: true, isCancellingUnderived: true, isCorrectingDiffering: true };
      let rounds = 0;
      do while (answers.length > 0) answer(0);
      while (submit(by, true) > 0 && (rounds += 1) < 10);
      expect(rounds).toBeLessThan(10);
      const last = derived().at(-1)!;
      const wanted =
        last.is === 'draft' && last.report.status === 'NEWT'
          ? derived()
              .filter(
                ({ version, ...of }) => of.is === 'draft' && of.report.status === 'NEWT' && version === last.version,
              )
              .map((of) => of.is === 'draft' && of.leg)
          : [];
      const had = [...atAuthority.keys()].map((reference) => partsOfReference(reference).leg);
      expect([seed, had.sort()]).toEqual([seed, wanted]);
      for (const plan of planOf(derived(), sent, by)) {
        const isHad = atAuthority.has(plan.transactionReference);
        expect(isLive(plan.sent)).toBe(isHad);
        if (!isHad) continue;
        expect(stateOf(plan.sent)).toBe('accepted');
        expect(plan.decision).toMatchObject({ why: 'as-sent' });
        const draft = plan.drafts.at(-1);
        if (draft) expect(atAuthority.get(plan.transactionReference)).toBe(recordDigest(draft));
      }
    }
    for (const times of Object.values(seen)) expect(times).toBeGreaterThan(50);
  });
});
