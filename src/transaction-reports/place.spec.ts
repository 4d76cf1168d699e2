import { executionWith, type StatedValues } from '../../test/support/executions.js';
import { venueKindOf } from './place.js';

describe('what a venue is', () => {
  it.each([
    [{ kind: 'trading_venue', country: 'US', category: 'SINT' }, '2026-06-02', 'trading-venue'],
    [{ country: 'DE', category: 'RMKT' }, '2026-06-02', 'trading-venue'],
    [{ country: 'DE', category: 'MLTF' }, '2026-06-02', 'trading-venue'],
    [{ country: 'NO', category: 'OTFS' }, '2026-06-02', 'trading-venue'],
    [{ country: 'DE', category: 'SINT' }, '2026-06-02', 'systematic-internaliser'],
    [{ country: 'US', category: 'RMKT' }, '2026-06-02', 'outside-eea'],
    [{ country: 'GB', category: 'RMKT' }, '2020-12-31', 'trading-venue'],
    [{ country: 'GB', category: 'RMKT' }, '2021-01-01', 'outside-eea'],
    [{ country: 'DE', category: 'NSPD' }, '2026-06-02', undefined],
    [{ country: 'DE', category: 'APPA' }, '2026-06-02', undefined],
    [{ country: 'DE' }, '2026-06-02', undefined],
    [{ country: 'ZZ', category: 'RMKT' }, '2026-06-02', undefined],
  ])('of %j on %s is %s', (attributes, day, kind) => {
    expect(venueKindOf({ kind: 'venue', id: 'XXXX', revision: '1', attributes }, day)).toBe(kind);
  });
});

describe('the place of an execution', () => {
  it.each<[string, StatedValues, string, string | undefined]>([
    ['is the venue', {}, 'trading-venue', undefined],
    ['is the segment before the exchange', { segment_mic: 'XXSI' }, 'systematic-internaliser', undefined],
    ['is off venue where that is stated', { exchange: 'XOFF' }, 'off-venue', undefined],
    ['is off venue where an instrument is not admitted', { exchange: 'XXXX' }, 'off-venue', undefined],
    [
      'is off venue where there is another side and no venue',
      { exchange: '', counterparty_id: 'B' },
      'off-venue',
      undefined,
    ],
    [
      'is off venue to who transmitted the order without details',
      { transmission: 'incomplete' },
      'off-venue',
      undefined,
    ],
    ['is not off venue to who transmitted it with them', { transmission: 'complete' }, 'trading-venue', undefined],
    ['is not guessed', { exchange: '' }, 'unknown', 'exchange must name the venue, or be XOFF'],
    ['must be known', { exchange: 'ZZZZ' }, 'unknown', 'venue ZZZZ is not in the reference data'],
    ['must be a MIC', { exchange: 'Xetra' }, 'unknown', 'exchange Xetra must be a MIC'],
  ])('%s', (_, stated, kind, toMend) => {
    expect(executionWith(stated).place).toMatchObject({ kind, toMend });
  });
});
