import { ENTRIES, executionWith, type StatedValues } from '../../test/support/executions.js';
import { BANK, FIRM } from '../../test/support/transaction-reports.js';
import { ineligible } from './eligibility.js';
import { EXCLUSIONS } from './rts22-codes.js';

const OFF = { exchange: 'XOFF' };
const UNLISTED = { isin: 'FR0000000028' };

describe('what is not reported', () => {
  it.each([...EXCLUSIONS])('is %s', (nature, words) => {
    expect(ineligible(executionWith({ transaction_nature: nature }))).toEqual({
      ...{ reason: `It is no transaction, but ${words}`, rule: 'Delegated Regulation (EU) 2017/590, Article 2(5)' },
      isByEvents: true,
    });
  });

  it('has fifteen natures', () => {
    expect(EXCLUSIONS.size).toBe(15);
  });

  it.each<[string, StatedValues, RegExp]>([
    ['executed by another', { executing_entity: BANK }, /26\(1\)$/],
    [
      'transmitted with all details',
      { transmission: 'complete', order_receiver: BANK, trading_capacity: 'any_other', client_id: 'C-1' },
      /4\(1\)$/,
    ],
    ['a copy of what is told by another source', { drop_copy: true }, /15\(1\)$/],
    ['reported by the venue', { exchange: 'XREP' }, /26\(5\)$/],
    ['reported by the operator of the segment', { exchange: 'XREP', segment_mic: 'REPS' }, /26\(5\)$/],
    ['on what no venue has', { ...OFF, ...UNLISTED }, /26\(2\)$/],
    ['on what no venue has, with an internaliser', { exchange: 'XXSI', ...UNLISTED }, /26\(2\)$/],
    ['on what no venue of the EEA has', { exchange: 'XNYS', ...UNLISTED }, /26\(2\)$/],
    ['on a described derivative on that', { ...OFF, isin: '', underlying_isins: ['FR0000000028'] }, /26\(2\)$/],
    [
      "an allocation of one client's order",
      { action: 'modify', client_id: 'C-1', allocations: [{}] },
      /Articles 2 and 3$/,
    ],
    [
      'an allocation to the firm alone, of what it did on own account',
      {
        ...{ action: 'modify', trading_capacity: 'own_account', client_id_type: 'aggregated' },
        allocations: [{ client_id: FIRM }],
      },
      /Articles 2 and 3$/,
    ],
  ])('is %s', (_, stated, rule) => {
    expect(ineligible(executionWith(stated))).toMatchObject({ rule: expect.stringMatching(rule) });
  });

  it.each<[string, Readonly<Record<string, Readonly<Record<string, string>>>>, string | undefined]>([
    ['a firm here', { [BANK]: { investment_firm: 'yes' } }, undefined],
    ['nobody known', {}, `It was executed by ${BANK}, which is not in the reference data: no firm here reports it`],
    [
      'no firm here',
      { [BANK]: { country: 'DE' } },
      `It was executed by ${BANK}, which is no investment firm by the reference data: no firm here reports it`,
    ],
  ])('says of what another executed whether it is reported here: %s', (_, entities, reason) => {
    const entries = { ...ENTRIES, 'legal-entity': { ...ENTRIES['legal-entity'], ...entities } };
    const why = ineligible(executionWith({ executing_entity: BANK }, entries));
    expect(why).toMatchObject({
      isByEvents: true,
      reason: reason ?? expect.stringMatching(/for that firm to report$/),
    });
    expect(why?.ofNoFirm).toBe(reason === undefined ? undefined : BANK);
  });

  it('is by events alone where these name the firm, and no entry does', () => {
    const own = { action: 'modify', trading_capacity: 'own_account', client_id_type: 'aggregated' };
    const entries = { ...ENTRIES, client: { HOUSE: { lei: FIRM } } };
    const by = (id: string) => ineligible(executionWith({ ...own, allocations: [{ client_id: id }] }, entries));
    expect([by(FIRM)?.isByEvents, by('HOUSE')?.isByEvents]).toEqual([true, false]);
  });

  it.each<[string, StatedValues]>([
    [
      'transmitted in a capacity that nobody knows',
      { transmission: 'complete', trading_capacity: 'DEAL', client_id: 'C-1' },
    ],
    [
      'transmitted, for clients and the firm itself',
      {
        ...{ transmission: 'complete', trading_capacity: 'any_other', client_id_type: 'aggregated' },
        allocations: [{ client_id: 'C-1' }, { client_id: FIRM }],
      },
    ],
    ['a trade', { transaction_nature: 'trade' }],
    ['on an index that is named alone', { ...OFF, isin: 'EZ0000000099' }],
    ['by the firm', { executing_entity: FIRM }],
    ['by what is no LEI, which is held instead', { executing_entity: `${BANK}0` }],
    ['transmitted without details', { transmission: 'incomplete' }],
    [
      'on own account, whatever is said of who received it',
      { transmission: 'complete', trading_capacity: 'own_account' },
    ],
    [
      'securities financing that is reported nowhere else',
      { transaction_nature: 'securities_financing', sftr_exempt: true },
    ],
    ['executed on a venue, whatever reference data say', UNLISTED],
    ['on the reference list, off venue', OFF],
    ['on something that is on it', { ...OFF, isin: 'EZ0000000003' }],
    // held instead
    ['of a nature that nobody knows', { transaction_nature: 'give_up' }],
    ['an instrument that nobody knows', { ...OFF, isin: 'XS0000000017' }],
    ['on an underlying that nobody knows', { ...OFF, isin: 'EZ0000000011' }],
    ['at a venue that nobody knows', { exchange: 'ZZZZ', ...UNLISTED }],
  ])('is not %s', (_, stated) => {
    expect(ineligible(executionWith(stated))).toBeUndefined();
  });
});
