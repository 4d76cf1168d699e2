import {
  FindingList,
  inOrderOfSequence,
  MAX_LISTED_FINDINGS,
  missingFinding,
  type RecordedFinding,
} from './findings.js';

const finding = (sequence: number | null): RecordedFinding => ({
  kind: 'content',
  sequence: sequence === null ? null : String(sequence),
  event_id: null,
  detail: 'x',
});

describe('findings', () => {
  it('are all counted, and the first ones listed', () => {
    const list = new FindingList();
    for (let i = 0; i < MAX_LISTED_FINDINGS + 5; i++) list.add(finding(i));
    expect(list.total).toBe(MAX_LISTED_FINDINGS + 5);
    expect(list.listed).toHaveLength(MAX_LISTED_FINDINGS);
    const more = new FindingList([finding(1)], 1);
    more.append(list);
    expect(more.total).toBe(MAX_LISTED_FINDINGS + 6);
    expect(more.listed).toHaveLength(MAX_LISTED_FINDINGS);
  });

  it('join the pieces of a gap', () => {
    const list = new FindingList();
    list.append({ listed: [missingFinding(5n, 10n)], total: 1 });
    list.append({ listed: [missingFinding(11n, 20n), missingFinding(30n, 30n)], total: 2 });
    list.append({ listed: [missingFinding(32n, 33n)], total: 1 });
    expect(list.listed.map(({ detail }) => detail)).toEqual([
      'there are no events from 5 to 20',
      'there is no event 30',
      'there are no events from 32 to 33',
    ]);
    expect(list.total).toBe(3);
  });

  it('are put in order of their sequences, not of their digits', () => {
    const sorted = inOrderOfSequence([finding(10), finding(9), finding(null), finding(-1)]);
    expect(sorted.map(({ sequence }) => sequence)).toEqual([null, '-1', '9', '10']);
  });
});
