import { FIRM } from '../../test/support/transaction-reports.js';
import { effectsOf } from './feedback-effects.js';
import type { FeedbackStatistics, FileAdvice, RecordAdvice } from './feedback.js';

const SENT = new Set(['A', 'B', 'C']);
const RULES = [{ id: 'CON-412', description: 'not valid' }];
const REJECTED = { state: 'rejected', rules: RULES };
const ACCEPTED = { state: 'accepted', rules: [] };
const PENDING = { state: 'pending', rules: [] };

const record = (recordId: string, status: RecordAdvice['status']): RecordAdvice => ({
  recordId,
  status,
  rules: status === 'RJCT' ? RULES : [],
});
const effects = (advice: Partial<FileAdvice>) => {
  const whole: FileAdvice = { answers: 'M', status: 'PART', rules: [], statistics: undefined, records: [], ...advice };
  const { states, unknown } = effectsOf(whole, SENT, FIRM);
  return { states: Object.fromEntries(states), unknown };
};
const counted = (total: number, perStatus: FeedbackStatistics['perStatus']) => ({ total, perStatus });

describe('what an answer says of the records of a file', () => {
  it('holds for all where the file was accepted or refused as a whole', () => {
    for (const status of ['ACPT', 'WARN'] as const) {
      expect(effects({ status }).states).toEqual({ A: ACCEPTED, B: ACCEPTED, C: ACCEPTED });
    }
    for (const status of ['RJCT', 'INCF', 'CRPT'] as const) {
      expect(effects({ status, rules: RULES }).states).toEqual({ A: REJECTED, B: REJECTED, C: REJECTED });
    }
    for (const status of ['RCVD', 'RMDR', 'PART'] as const) expect(effects({ status }).states).toEqual({});
  });

  it('is the status of the record where it is listed, with the LEI or without', () => {
    const records = [record(`${FIRM}A`, 'RJCT'), record('B', 'PDNG')];
    expect(effects({ records }).states).toEqual({ A: REJECTED, B: PENDING });
    expect(effects({ records, status: 'WARN' }).states).toEqual({ A: REJECTED, B: PENDING, C: ACCEPTED });
  });

  it('is an acceptance of what is not listed only where the figures say so', () => {
    const records = [record('A', 'RJCT')];
    const perStatus = { ACPT: 2, RJCT: 1 };
    expect(effects({ records, statistics: counted(3, perStatus) }).states).toEqual({
      A: REJECTED,
      B: ACCEPTED,
      C: ACCEPTED,
    });
    // one record more than was sent, one still to be judged
    for (const statistics of [counted(4, { ACPT: 3, RJCT: 1 }), counted(3, { ACPT: 1, RJCT: 1, RCVD: 1 })]) {
      for (const status of ['PART', 'ACPT', 'WARN'] as const) {
        expect(effects({ status, records, statistics }).states).toEqual({ A: REJECTED });
      }
    }
  });

  it('names records that were not sent, and takes no acceptance from such an answer', () => {
    const records = [record('A', 'ACPT'), record('Z', 'RJCT')];
    expect(effects({ status: 'ACPT', records })).toEqual({ states: { A: ACCEPTED }, unknown: ['Z'] });
  });

  it('says of how many it says nothing, and why', () => {
    const silence = (advice: Partial<FileAdvice>) => {
      const whole: FileAdvice = { answers: 'M', status: 'PART', rules: [], statistics: undefined, records: [] };
      return effectsOf({ ...whole, ...advice }, SENT, FIRM).silence;
    };
    expect(silence({ status: 'ACPT' })).toBeUndefined();
    expect(silence({ status: 'RJCT', rules: RULES })).toBeUndefined();
    const listed = ['A', 'B', 'C'].map((id) => record(id, 'ACPT'));
    expect(silence({ status: 'RCVD', records: listed })).toBeUndefined();
    expect(silence({ status: 'RCVD' })).toEqual({ count: 3, why: 'RCVD says nothing of records that are not listed' });
    expect(silence({ records: [record('A', 'RJCT')] })).toEqual({
      ...{ count: 2, why: 'PART without statistics says nothing of records that are not listed' },
    });
    expect(silence({ status: 'ACPT', statistics: counted(2, { ACPT: 2 }) })).toEqual({
      ...{
        count: 3,
        why: 'the statistics count 2 records, of which 2 ACPT; with 3 that are not listed these must be 3 and 3',
      },
    });
    expect(silence({ status: 'ACPT', records: [record('Z', 'ACPT')] })).toEqual({
      ...{ count: 3, why: 'records are listed that the file does not have' },
    });
  });

  it('cannot be two things of one record', () => {
    const records = [record('A', 'ACPT'), record(`${FIRM}A`, 'RJCT')];
    expect(() => effects({ records })).toThrow(`the record ${FIRM}A has two statuses`);
  });
});
