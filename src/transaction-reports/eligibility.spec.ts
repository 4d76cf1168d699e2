import { ENTRIES, executionWith, type StatedValues } from '../../test/support/executions.js';
import { BANK, FIRM } from '../../test/support/transaction-reports.js';
import { ineligible } from './eligibility.js';
import { EXCLUSIONS } from './rts22-codes.js';

const OFF = { exchange: 'XOFF' };
const UNLISTED = { isin: 'FR0000000028' };
const NOWHERE = { exchange: '' };
/** What has no ISIN. */
const FORWARD = { isin: '', symbol: 'EURUSD 3M', cfi: 'JFTXFP' };
const SPOT = { isin: '', symbol: 'EURUSD', cfi: 'IFXXXP' };
const COIN = { isin: '', symbol: 'BTC/EUR' };
const WITH_SPOT = {
  ...ENTRIES,
  instrument: {
    ...ENTRIES.instrument,
    EZ0000000128: { name: 'Euros', cfi: 'IFXXXP' },
    EZ0000000136: { name: 'Euros that a venue has', cfi: 'IFXXXP', listed_from: '2018-01-03' },
    EZ0000000144: { name: 'A swap on a rate', cfi: 'SRCCSP', received_by_buyer: 'index:EURI@6MNTH' },
    DE0000000001: { name: 'One', symbol: 'TWICE' },
    DE0000000002: { name: 'Another', symbol: 'TWICE' },
  },
};

describe('what is not reported', () => {
  it.each([...EXCLUSIONS])('is %s', (nature, words) => {
    expect(ineligible(executionWith({ transaction_nature: nature }))).toEqual({
      ...{ reason: `It is no transaction, but ${words}`, rule: 'Delegated Regulation (EU) 2017/590, Article 2(5)' },
      isByEvents: true,
      sources: [{ event_id: expect.stringMatching(/2$/), sequence: '2', name: 'transaction_nature' }],
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
    ['on what the firm says no venue has', { ...OFF, ...FORWARD, venue_traded: false }, /26\(2\)$/],
    ['the same on a swap', { ...OFF, isin: '', cfi: 'SRCCSP', venue_traded: false }, /26\(2\)$/],
    ['the same where nobody says so, by reference data', { ...OFF, isin: 'EZ0000000144' }, /26\(2\)$/],
    ['the same by an ISIN without an entry', { ...OFF, isin: 'EZ0000000045', venue_traded: false }, /26\(2\)$/],
    [
      'the same with another side alone',
      { ...FORWARD, ...NOWHERE, counterparty_id: BANK, venue_traded: false },
      /26\(2\)$/,
    ],
    ['the same at a place without a MIC', { ...FORWARD, exchange: 'Some platform', venue_traded: false }, /26\(2\)$/],
    ['the same at a platform outside of the EEA', { ...FORWARD, exchange: 'XNYS', venue_traded: false }, /26\(2\)$/],
    ['the same with an internaliser', { ...FORWARD, exchange: 'XXSI', venue_traded: false }, /26\(2\)$/],
    ['the same on an index that is named alone', { ...OFF, isin: 'EZ0000000099', venue_traded: false }, /26\(2\)$/],
    ['on currencies at spot', { ...OFF, ...SPOT }, /2014\/65\/EU, Annex I, Section C$/],
    ['on currencies at spot, at a place without a MIC', { ...SPOT, exchange: 'Some platform' }, /Section C$/],
    ['on currencies at spot by an entry', { ...OFF, isin: 'EZ0000000128' }, /Section C$/],
    ['on a coin', { ...COIN, exchange: 'A coin exchange', financial_instrument: false }, /Section C$/],
    ['on a forward that is a means of payment', { ...OFF, ...FORWARD, financial_instrument: false }, /Section C$/],
  ])('is %s', (_, stated, rule) => {
    const why = ineligible(executionWith(stated, WITH_SPOT));
    expect(why).toMatchObject({ rule: expect.stringMatching(rule) });
    expect(why?.sources).not.toEqual([]);
  });

  it('says by what an instrument is none of those that are reported', () => {
    const why = (stated: StatedValues) => ineligible(executionWith(stated, WITH_SPOT));
    const by = (name: string) => ({ event_id: expect.any(String), sequence: '2', name });
    expect([
      why({ ...OFF, ...FORWARD, venue_traded: false }),
      why({ ...COIN, exchange: 'A coin exchange', financial_instrument: false }),
      why({ ...OFF, ...SPOT, venue_traded: false }),
      why({ ...OFF, isin: 'EZ0000000128' }),
    ]).toEqual([
      {
        reason:
          'Neither the instrument nor what it is on is admitted to trading or traded on a trading venue, as venue_traded says',
        rule: 'Regulation (EU) No 600/2014, Article 26(2)',
        isByEvents: false,
        sources: [by('venue_traded'), by('exchange')],
      },
      {
        reason: 'It is no financial instrument, as financial_instrument says',
        rule: 'Directive 2014/65/EU, Annex I, Section C',
        isByEvents: false,
        sources: [by('financial_instrument'), by('exchange')],
      },
      {
        reason: 'It is no financial instrument: cfi IFXXXP is of currencies at spot',
        rule: 'Directive 2014/65/EU, Annex I, Section C',
        isByEvents: false,
        sources: [by('cfi'), by('exchange')],
      },
      {
        reason: 'It is no financial instrument: cfi IFXXXP is of currencies at spot',
        rule: 'Directive 2014/65/EU, Annex I, Section C',
        isByEvents: false,
        sources: [by('isin'), { kind: 'instrument', id: 'EZ0000000128', revision: '1' }, by('exchange')],
      },
    ]);
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
    ['what the firm says a venue has', { ...OFF, ...FORWARD, venue_traded: true }],
    ['what the firm says no venue has, on one', { ...FORWARD, venue_traded: false }],
    ['the same, at a venue that nobody knows', { ...FORWARD, exchange: 'ZZZZ', venue_traded: false }],
    ['the same, nobody says where', { ...FORWARD, ...NOWHERE, venue_traded: false }],
    ['the same, on the reference list', { ...OFF, venue_traded: false }],
    ['the same, on something that is on it', { ...OFF, isin: 'EZ0000000003', venue_traded: false }],
    ['the same, by a symbol that several have', { ...OFF, isin: '', symbol: 'TWICE', venue_traded: false }],
    ['what the firm says with a word that nobody knows', { ...OFF, ...FORWARD, venue_traded: 'no' }],
    ['currencies at spot, on a venue', SPOT],
    [
      'currencies at spot, which the firm says are a financial instrument',
      { ...OFF, ...SPOT, financial_instrument: true },
    ],
    ['currencies at spot, on the reference list', { ...OFF, isin: 'EZ0000000136' }],
    [
      'a share that the firm says is no financial instrument',
      { ...OFF, isin: 'XS0000000017', cfi: 'ESVUFR', financial_instrument: false },
    ],
    ['what the firm says a venue has, and reference data do not', { ...OFF, ...UNLISTED, venue_traded: true }],
    ['a rate swap that the firm says is named, and no venue has', { ...OFF, isin: 'EZ0000000144', venue_traded: true }],
    ['a commodity at spot, as emission allowances are classified', { ...OFF, isin: '', cfi: 'ITNXXX' }],
  ])('is not %s', (_, stated) => {
    expect(ineligible(executionWith(stated, WITH_SPOT))).toBeUndefined();
  });
});
