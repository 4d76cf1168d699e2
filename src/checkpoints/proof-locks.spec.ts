import type { ProofRetention } from '../archive/lock-of-proofs.js';
import { nextPass, type LockPass } from './proof-locks.js';

const wanted: ProofRetention = {
  years: 7,
  since: '2026-01-01T00:00:00.000000Z',
  is_new: false,
  is_held: false,
  in_a_year: '2027-06-01T00:00:00.000000Z',
  in_two_years: '2028-06-01T00:00:00.000000Z',
};
const done: LockPass = { years: 7, held_until: null, through: '500', complete: true };
const begun = { through: '0', complete: false };

describe('a pass over the locks of what proves', () => {
  it.each([
    ['is the last one when nothing has changed', done, {}, done],
    ['goes on where the last run ended', { ...done, complete: false }, {}, { ...done, complete: false }],
    ['begins when there was none', undefined, {}, { years: 7, held_until: null, ...begun }],
    ['begins anew when a policy is longer', done, { years: 10 }, { years: 10, held_until: null, ...begun }],
    [
      'begins anew when a policy becomes longer while it goes on',
      { ...done, complete: false },
      { years: 10 },
      { years: 10, held_until: null, ...begun },
    ],
    ['is the last one when the longest policy is shorter than it was said to be', done, { years: 5 }, done],
    [
      'begins anew when there is a hold',
      done,
      { is_held: true },
      { years: 7, held_until: wanted.in_two_years, ...begun },
    ],
    [
      'begins anew when what a hold locks until is less than a year away',
      { ...done, held_until: '2027-05-31T00:00:00.000000Z' },
      { is_held: true },
      { years: 7, held_until: wanted.in_two_years, ...begun },
    ],
    [
      'is the last one while that is further away',
      { ...done, held_until: '2027-06-02T00:00:00.000000Z' },
      { is_held: true },
      { ...done, held_until: '2027-06-02T00:00:00.000000Z' },
    ],
    [
      'is the last one when a hold has ended',
      { ...done, held_until: '2027-01-01T00:00:00.000000Z' },
      {},
      { ...done, held_until: '2027-01-01T00:00:00.000000Z' },
    ],
  ])('%s', (_, last, change, next) => {
    expect(nextPass(last, { ...wanted, ...change })).toEqual(next);
  });
});
