import { afterAct, askedBy, isInForce, keeps, type RecordedHold } from './recorded-hold.js';

const STATES: Record<string, string> = {
  ...{ request: 'requested', approve: 'active', reject: 'rejected', request_release: 'release-requested' },
  ...{ approve_release: 'released', reject_release: 'active' },
};
const SELECTION = {
  ...{ ledgers: ['main'], entity_type: null, entity_id: null, user_id: null, event_type: null },
  ...{ recorded_from: null, recorded_to: null, reason: 'Inquiry', requested_by: 'key:0' },
  requested_at: '2026-06-01T00:00:00.000000Z',
};

/** A hold after acts, each by another principal. */
function holdAfter(...acts: string[]): RecordedHold {
  const hold = acts.reduce<RecordedHold | undefined>((before, act, i) => {
    const state = STATES[act]!;
    const taken = { act, state, principal: `key:${i}`, reason: null, acted_at: `2026-06-01T00:00:0${i}.000000Z` };
    return afterAct(before, 'h', { ...SELECTION, state }, taken);
  }, undefined);
  return hold!;
}

const actsOf = ({ acts }: RecordedHold): string[] => acts.map(({ act, principal }) => `${act} ${principal}`);

describe('a hold as the acts on record leave it', () => {
  it.each([
    [['request'], 'requested', 'key:0'],
    [['request', 'approve'], 'active', null],
    [['request', 'reject'], 'rejected', null],
    [['request', 'approve', 'request_release'], 'release-requested', 'key:2'],
    [['request', 'approve', 'request_release', 'reject_release', 'request_release'], 'release-requested', 'key:4'],
    [['request', 'approve', 'request_release', 'approve_release'], 'released', null],
  ])('after %p is %s, and waits for another than %s', (acts, state, asked) => {
    const hold = holdAfter(...acts);
    expect([hold.state, askedBy(hold), isInForce(hold)]).toEqual([
      state,
      asked,
      !['rejected', 'released'].includes(state),
    ]);
    expect(actsOf(hold)).toEqual(acts.map((act, i) => `${act} key:${i}`));
    expect(hold).toMatchObject({ id: 'h', ledgers: ['main'], reason: 'Inquiry', requested_by: 'key:0' });
  });

  it.each([
    [
      ['request', 'approve', 'approve'],
      ['request key:0', 'approve key:2'],
    ],
    [
      ['request', 'approve', 'reject'],
      ['request key:0', 'reject key:2'],
    ],
    [
      ['request', 'reject', 'approve', 'request_release'],
      ['request key:0', 'approve key:2', 'request_release key:3'],
    ],
    [
      ['request', 'approve', 'request_release', 'approve_release', 'reject_release'],
      ['request key:0', 'approve key:1', 'request_release key:2', 'reject_release key:4'],
    ],
    [
      ['request', 'approve', 'request_release', 'approve_release', 'request_release'],
      ['request key:0', 'approve key:1', 'request_release key:4'],
    ],
  ])('leaves acts out of %p that the next one shows to have had no effect', (acts, taken) => {
    expect(actsOf(holdAfter(...acts))).toEqual(taken);
  });

  it('leaves out an act that was given up, and whose record landed after that of the act taken instead', () => {
    const active = holdAfter('request', 'approve', 'request_release', 'reject_release');
    const late = {
      ...{ act: 'approve_release', state: 'released', principal: 'key:9', reason: null },
      acted_at: '2026-06-01T00:00:02.999999Z', // before the rejection, after what it answers
    };
    const hold = afterAct(active, 'h', { ...SELECTION, state: 'released' }, late);
    expect([hold.state, isInForce(hold)]).toEqual(['active', true]);
    expect(actsOf(hold)).toEqual(['request key:0', 'approve key:1', 'request_release key:2', 'reject_release key:3']);
    const next = {
      ...late,
      act: 'request_release',
      state: 'release-requested',
      acted_at: '2026-06-01T00:00:05.000000Z',
    };
    expect(afterAct(hold, 'h', { ...SELECTION, state: 'release-requested' }, next).acts).toEqual([...hold.acts, next]);
  });

  const [from, to] = ['2026-06-01T00:00:00.000000Z', '2026-07-01T00:00:00.000000Z'];
  it.each<[Partial<RecordedHold>, boolean]>([
    [{}, true],
    [{ ledgers: ['desk-1', 'main'] }, true],
    [{ ledgers: ['desk-1'] }, false],
    [{ recorded_from: '2026-06-30T23:59:59.999999Z' }, true],
    [{ recorded_from: to }, false],
    [{ recorded_to: '2026-06-01T00:00:00.000001Z' }, true],
    [{ recorded_to: from }, false],
    [{ state: 'rejected' }, false],
    [{ state: 'released' }, false],
  ])('with %p keeps June of main: %p', (members, does) => {
    expect(keeps({ ...holdAfter('request'), ...members }, new Set(['main', '_service']), from, to)).toBe(does);
  });
});
