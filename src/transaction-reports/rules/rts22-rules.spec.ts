import { createHash } from 'node:crypto';
import * as made from '../../../test/support/transaction-reports.js';
import { Random } from '../../../test/support/random.js';
import type { Cancellation, DescribedInstrument, NewReport, Party } from '../transaction-report.js';
import { EXCLUSIONS, RTS22_CODES } from '../rts22-codes.js';
import { findingsOf, isSendable, RTS22 } from './rts22-rules.js';

const { AGGREGATED, ANNA, BOND, CANCELLATION, CONTEXT, CREDIT_SWAP, CURRENCY_FORWARD, FIRM, FUTURE } = made;
const { JOINT, OPTION, SALE, SHARE, SWAP, TRADER, VALID_REPORTS } = made;

it.each(VALID_REPORTS.map((report) => [report.transactionReference, report] as const))(
  'nothing is found in a right report: %s',
  (_, report) => expect(findingsOf(report, CONTEXT)).toEqual([]),
);
it('nothing is found in a right cancellation', () => expect(findingsOf(CANCELLATION, CONTEXT)).toEqual([]));

const WRONG_LEI = '9695TESTFIRM00000113';
const owner = (report: NewReport, side: 'buyer' | 'seller', change: object): Partial<NewReport> => {
  const [first, ...rest] = report[side].owners;
  return { [side]: { ...report[side], owners: [{ ...first!, ...change }, ...rest] } };
};
const person = (change: object): object => ({ id: { ...ANNA, ...change }, branchCountry: 'DE' });
const client: Party = { owners: [{ id: ANNA, branchCountry: 'DE' }], decisionMakers: [] };
const maker = (report: NewReport, side: 'buyer' | 'seller', change: object): Partial<NewReport> => ({
  [side]: {
    ...report[side],
    decisionMakers: [report[side].decisionMakers[0]!, { ...report[side].decisionMakers[1]!, ...change }],
  },
});
const terms = (report: NewReport, change: Partial<DescribedInstrument>): Partial<NewReport> => ({
  instrument: { ...(report.instrument as DescribedInstrument), ...change },
});
const sides = (
  side: 'buyer' | 'seller',
  first: number,
  base: NewReport,
  other: string,
): [number, string, NewReport, Partial<NewReport>][] => {
  const id = (n: number, part: number) => `TR-${String(first + n).padStart(3, '0')}-${part}`;
  const legal = { ...BOND, [side]: made.firm(WRONG_LEI) };
  return [
    [first, id(0, 1), base, { [side]: { owners: [], decisionMakers: [] } }],
    [first, id(0, 2), legal, {}],
    [first, id(0, 3), AGGREGATED, { [side]: { owners: [{ id: { is: 'venue', mic: 'NONE' } }], decisionMakers: [] } }],
    [first, id(0, 6), base, { [side]: { ...base[side], owners: [...base[side].owners, ...base[side].owners] } }],
    [first, id(0, 7), base, owner(base, side, person({ id: 'IT19700101ANNA#MUSTE' }))],
    [first, id(0, 7), base, owner(base, side, person({ id: 'USP-1', scheme: 'CCPT' }))],
    [first, id(0, 8), base, owner(base, side, person({ id: 'DE19700102ANNA#MUSTE' }))],
    [first + 1, id(1, 1), base, owner(base, side, { branchCountry: 'UK' })],
    [first + 1, id(1, 2), base, owner(base, side, { branchCountry: undefined })],
    [
      first + 1,
      id(1, 3),
      SHARE,
      { [side]: { owners: [{ id: { is: 'legal-entity', lei: FIRM }, branchCountry: 'FR' }], decisionMakers: [] } },
    ],
    [first + 2, id(2, 1), base, owner(base, side, person({ firstNames: undefined }))],
    [first + 2, id(2, 2), base, owner(base, side, person({ firstNames: 'A'.repeat(141) }))],
    [first + 2, id(0, 8), base, owner(base, side, person({ firstNames: 'BERTA' }))],
    [first + 3, id(3, 1), base, owner(base, side, person({ surnames: undefined }))],
    [first + 3, id(3, 2), base, owner(base, side, person({ surnames: 'X\n' }))],
    [first + 4, id(4, 1), base, owner(base, side, person({ birthDate: undefined }))],
    [first + 4, id(4, 2), base, owner(base, side, person({ birthDate: '1970-02-30' }))],
    [first + 4, id(4, 2), base, owner(base, side, person({ birthDate: '2026-06-02' }))],
    [
      first + 5,
      id(5, 1),
      base,
      { [side]: { ...base[side], decisionMakers: [{ is: 'legal-entity', lei: WRONG_LEI }] } },
    ],
    [first + 5, id(5, 2), SHARE, { [side]: { ...made.firm(FIRM), decisionMakers: [ANNA] } }],
    [first + 5, id(5, 3), base, { [side]: { ...client, decisionMakers: [ANNA] } }],
    [first + 5, id(5, 7), base, maker(base, side, { id: 'DE1' })],
    [first + 5, id(5, 8), base, maker(base, side, { surnames: 'OTHER' })],
    [first + 6, id(6, 1), base, maker(base, side, { firstNames: undefined })],
    [first + 6, id(6, 2), base, maker(base, side, { firstNames: '' })],
    [first + 7, id(7, 1), base, maker(base, side, { surnames: undefined })],
    [first + 7, id(7, 2), base, maker(base, side, { surnames: ' ' })],
    [first + 8, id(8, 1), base, maker(base, side, { birthDate: undefined })],
    [first + 8, id(8, 2), base, maker(base, side, { birthDate: '1880-01-01' })],
    [first + 19 - (first === 16 ? 8 : 0), `TR-0${first === 7 ? 26 : 27}-1`, base, { [other]: 'X' }],
    [first + 19 - (first === 16 ? 8 : 0), `TR-0${first === 7 ? 26 : 27}-2`, base, { [other]: FIRM }],
    [
      first + 19 - (first === 16 ? 8 : 0),
      `TR-0${first === 7 ? 26 : 27}-3`,
      SHARE,
      { [side]: made.firm(FIRM), [other]: made.BANK },
    ],
  ];
};

/** The field that is wrong, the rule that must say so, a right report, and what is made wrong in it. */
const MUTATIONS: readonly [field: number, rule: string, base: NewReport, change: Partial<NewReport>][] = [
  [1, 'TR-001-1', SHARE, { status: 'AMND' as 'NEWT' }],
  [2, 'TR-002-1', SHARE, { transactionReference: 'trn-1' }],
  [2, 'TR-002-1', SHARE, { transactionReference: 'A'.repeat(53) }],
  [2, 'CON-023', SHARE, { transactionReference: 'LIVE1' }],
  [3, 'TR-003-1', SHARE, { venueTransactionId: 'a_b' }],
  [3, 'TR-003-2', JOINT, { venueTransactionId: 'X1' }],
  [3, 'TR-003-3', FUTURE, { venueTransactionId: undefined }],
  [3, 'TR-003-4', SHARE, { venueTransactionId: undefined }],
  [4, 'TR-004-1', JOINT, { executingEntity: undefined }],
  [4, 'TR-004-2', JOINT, { executingEntity: WRONG_LEI }],
  [4, 'TR-004-4', SHARE, { seller: made.firm(made.BANK) }],
  [5, 'TR-005-1', SHARE, { isInvestmentFirm: undefined }],
  [6, 'TR-006-1', SHARE, { submittingEntity: undefined }],
  [6, 'TR-006-2', SHARE, { submittingEntity: FIRM.toLowerCase() }],
  ...sides('buyer', 7, JOINT, 'transmittingFirmForBuyer'),
  ...sides('seller', 16, SALE, 'transmittingFirmForSeller'),
  [16, 'TR-016-9', AGGREGATED, { seller: AGGREGATED.buyer }],
  [16, 'TR-016-10', SHARE, { buyer: SHARE.seller }],
  [25, 'TR-025-1', SHARE, { isTransmitted: undefined }],
  [28, 'TR-028-1', SHARE, { tradingTime: undefined }],
  [28, 'TR-028-2', SHARE, { tradingTime: '2026-06-02T08:15:30+02:00' }],
  [28, 'TR-028-2', SHARE, { tradingTime: '2026-06-31T08:15:30Z' }],
  [28, 'TR-028-3', SHARE, { tradingTime: '2026-06-04T08:15:30Z' }],
  [28, 'TR-028-3', SHARE, { tradingTime: '2018-01-02T08:15:30Z' }],
  [28, 'TR-028-4', SHARE, { tradingTime: '2026-06-02T08:15:30Z' }],
  [29, 'TR-029-1', SHARE, { tradingCapacity: undefined }],
  [29, 'TR-029-2', SHARE, { tradingCapacity: 'PRIN' }],
  [29, 'TR-029-3', SHARE, { tradingCapacity: 'AOTC', investmentDecision: undefined }],
  [29, 'TR-029-3', SHARE, { tradingCapacity: 'MTCH', investmentDecision: undefined }],
  [30, 'TR-030-1', SHARE, { quantity: undefined }],
  [30, 'TR-030-2', SHARE, { quantity: { is: 'units', value: '0' } }],
  [30, 'TR-030-2', SHARE, { quantity: { is: 'units', value: '-1' } }],
  [30, 'TR-030-2', BOND, { quantity: { is: 'nominal', value: '1.000001', currency: 'EUR' } }],
  [30, 'TR-030-3', SHARE, { quantity: { is: 'monetary', value: '1', currency: 'EUR' } }],
  [30, 'TR-030-4', BOND, { quantity: { is: 'units', value: '1' } }],
  [30, 'TR-030-5', SWAP, { quantity: { is: 'units', value: '1' } }],
  [31, 'TR-031-1', BOND, { quantity: { is: 'nominal', value: '100000' } }],
  [31, 'TR-031-2', BOND, { quantity: { is: 'nominal', value: '100000', currency: 'BGN' } }],
  [31, 'TR-031-3', SWAP, { quantity: { is: 'nominal', value: '1', currency: 'CHF' } }],
  [32, 'TR-032-1', SWAP, { notionalChange: 'UP' }],
  [32, 'TR-032-2', SHARE, { notionalChange: 'INCR' }],
  [33, 'TR-033-1', SHARE, { price: undefined }],
  [33, 'TR-033-2', SHARE, { price: { is: 'money', amount: '1.00000000000001', currency: 'EUR' } }],
  [33, 'TR-033-2', SWAP, { price: { is: 'percentage', value: '12.1234567891' } }],
  [33, 'TR-033-2', SWAP, { price: { is: 'yield', value: '-0' } }],
  [33, 'TR-033-3', SHARE, { price: { is: 'money', amount: '-1', currency: 'EUR' } }],
  [33, 'TR-033-4', CREDIT_SWAP, { price: { is: 'percentage', value: '1' } }],
  [34, 'TR-034-1', SHARE, { price: { is: 'money', amount: '1' } }],
  [34, 'TR-034-2', SHARE, { price: { is: 'money', amount: '1', currency: 'GBX' } }],
  [34, 'TR-034-3', CURRENCY_FORWARD, { price: { is: 'money', amount: '1.08', currency: 'GBP' } }],
  [35, 'TR-035-1', BOND, { netAmount: '-101350.55' }],
  [35, 'TR-035-2', SHARE, { netAmount: '1' }],
  [35, 'TR-035-3', BOND, { netAmount: undefined }],
  [35, 'TR-035-4', BOND, { netAmount: '1013.55' }],
  [36, 'TR-036-1', SHARE, { venue: undefined }],
  [36, 'TR-036-2', SHARE, { venue: 'Paris' }],
  [36, 'CON-360', SHARE, { venue: 'XGON' }],
  [36, 'TR-036-3', AGGREGATED, { venue: 'XOFF' }],
  [37, 'TR-037-1', SHARE, { branchMembershipCountry: 'EU' }],
  [37, 'TR-037-2', JOINT, { branchMembershipCountry: 'FR' }],
  [37, 'CON-370', SHARE, { branchMembershipCountry: undefined }],
  [38, 'TR-038-1', SWAP, { upFrontPayment: { amount: '1.000001', currency: 'EUR' } }],
  [38, 'TR-038-2', SHARE, { upFrontPayment: { amount: '1', currency: 'EUR' } }],
  [39, 'TR-039-1', SWAP, { upFrontPayment: { amount: '1' } }],
  [39, 'TR-039-2', SWAP, { upFrontPayment: { amount: '1', currency: 'EURO' } }],
  [40, 'TR-040-1', FUTURE, { complexTradeId: 'A'.repeat(36) }],
  [41, 'TR-041-1', SHARE, { instrument: undefined }],
  [41, 'TR-041-2', SHARE, { instrument: { is: 'identified', isin: 'FR0000131105' } }],
  [41, 'CON-412', SHARE, { instrument: { is: 'identified', isin: 'GB0002634946' } }],
  [41, 'TR-041-3', JOINT, { venue: 'XXXX' }],
  [42, 'TR-042-1', OPTION, { venue: 'XOFF' }],
  [42, 'TR-042-2', OPTION, terms(OPTION, { fullName: undefined })],
  [42, 'TR-042-3', OPTION, terms(OPTION, { fullName: 'A'.repeat(351) })],
  [43, 'TR-043-1', OPTION, terms(OPTION, { classification: undefined })],
  [43, 'TR-043-2', OPTION, terms(OPTION, { classification: 'OZASPN' })],
  [43, 'TR-043-3', OPTION, terms(OPTION, { classification: 'ESVUFR' })],
  [44, 'TR-044-1', SWAP, terms(SWAP, { notionalCurrency: undefined })],
  [44, 'TR-044-2', SWAP, terms(SWAP, { notionalCurrency: 'eur' })],
  [45, 'TR-045-1', CURRENCY_FORWARD, terms(CURRENCY_FORWARD, { otherNotionalCurrency: undefined })],
  [45, 'TR-045-2', SWAP, terms(SWAP, { otherNotionalCurrency: { of: 'interest', currency: 'ABC' } })],
  [45, 'TR-045-3', SWAP, terms(SWAP, { otherNotionalCurrency: { of: 'interest', currency: 'EUR' } })],
  [45, 'TR-045-4', SWAP, terms(SWAP, { otherNotionalCurrency: { of: 'currencies', currency: 'USD' } })],
  [46, 'TR-046-1', OPTION, terms(OPTION, { priceMultiplier: undefined })],
  [46, 'TR-046-2', OPTION, terms(OPTION, { priceMultiplier: '0' })],
  [46, 'TR-046-3', SWAP, terms(SWAP, { priceMultiplier: '100' })],
  [47, 'TR-047-1', OPTION, terms(OPTION, { underlying: undefined })],
  [47, 'TR-047-1', CREDIT_SWAP, terms(CREDIT_SWAP, { underlying: { is: 'basket', instruments: [] } })],
  [47, 'TR-047-2', OPTION, terms(OPTION, { underlying: { is: 'instrument', isin: 'FR0000131105' } })],
  [
    47,
    'TR-047-3',
    OPTION,
    terms(OPTION, { underlying: { is: 'swap', paid: { is: 'instrument', isin: 'FR0000131104' } } }),
  ],
  [47, 'TR-047-4', OPTION, terms(OPTION, { isin: 'FR0000131104' })],
  [
    47,
    'TR-047-5',
    SWAP,
    terms(SWAP, {
      underlying: { is: 'swap', paid: { is: 'index', name: { code: 'EURI' }, term: { unit: 'MNTH', value: '6' } } },
    }),
  ],
  [
    47,
    'TR-047-6',
    SWAP,
    terms(SWAP, {
      classification: 'SESPXC',
      otherNotionalCurrency: undefined,
      underlying: { is: 'swap', paid: { is: 'instrument', isin: 'FR0000131104' } },
    }),
  ],
  [
    48,
    'TR-048-1',
    SWAP,
    terms(SWAP, {
      underlying: { is: 'swap', received: { is: 'index', name: { code: 'SOFR' }, term: { unit: 'DAYS', value: '1' } } },
    }),
  ],
  [48, 'TR-048-2', CREDIT_SWAP, terms(CREDIT_SWAP, { underlying: { is: 'index', name: { text: 'EURI' } } })],
  [
    49,
    'TR-049-1',
    SWAP,
    terms(SWAP, {
      underlying: {
        is: 'swap',
        received: { is: 'index', name: { code: 'EURI' }, term: { unit: 'MONTHS', value: '6' } },
      },
    }),
  ],
  [
    49,
    'TR-049-1',
    SWAP,
    terms(SWAP, {
      underlying: { is: 'swap', received: { is: 'index', name: { code: 'EURI' }, term: { unit: 'MNTH', value: '0' } } },
    }),
  ],
  [
    49,
    'TR-049-2',
    SWAP,
    terms(SWAP, { underlying: { is: 'swap', received: { is: 'index', name: { code: 'EURI' } } } }),
  ],
  [50, 'TR-050-1', OPTION, terms(OPTION, { optionType: undefined })],
  [50, 'TR-050-2', OPTION, terms(OPTION, { optionType: 'PUT' })],
  [50, 'TR-050-3', SWAP, terms(SWAP, { optionType: 'OTHR' })],
  [50, 'TR-050-4', OPTION, terms(OPTION, { optionType: 'PUTO' })],
  [51, 'TR-051-1', OPTION, terms(OPTION, { strikePrice: undefined })],
  [51, 'TR-051-2', OPTION, terms(OPTION, { strikePrice: { is: 'not-applicable' } })],
  [51, 'TR-051-3', SWAP, terms(SWAP, { strikePrice: { is: 'percentage', value: '1' } })],
  [52, 'TR-052-1', OPTION, terms(OPTION, { strikePrice: { is: 'money', amount: '65' } })],
  [52, 'TR-052-2', OPTION, terms(OPTION, { strikePrice: { is: 'money', amount: '65', currency: 'HRK' } })],
  [53, 'TR-053-1', OPTION, terms(OPTION, { exerciseStyle: undefined })],
  [53, 'TR-053-2', OPTION, terms(OPTION, { exerciseStyle: 'AMERICAN' })],
  [53, 'TR-053-3', SWAP, terms(SWAP, { exerciseStyle: 'EURO' })],
  [53, 'TR-053-4', OPTION, terms(OPTION, { exerciseStyle: 'EURO' })],
  [54, 'TR-054-1', OPTION, terms(OPTION, { maturityDate: '2026-06-01' })],
  [54, 'TR-054-2', SWAP, terms(SWAP, { maturityDate: '2030-01-01' })],
  [55, 'TR-055-1', OPTION, terms(OPTION, { expiryDate: undefined })],
  [55, 'TR-055-2', OPTION, terms(OPTION, { expiryDate: '2026-13-01' })],
  [55, 'TR-055-3', OPTION, terms(OPTION, { classification: 'DBFTFB' })],
  [56, 'TR-056-1', OPTION, terms(OPTION, { deliveryType: undefined })],
  [56, 'TR-056-2', OPTION, terms(OPTION, { deliveryType: 'DVP' })],
  [56, 'TR-056-3', OPTION, terms(OPTION, { deliveryType: 'CASH' })],
  [57, 'TR-057-1', SHARE, { investmentDecision: { is: 'algorithm', id: 'mm-7' } }],
  [57, 'TR-057-2', SHARE, { investmentDecision: { ...TRADER, scheme: 'CONCAT' } }],
  [57, 'TR-057-3', SHARE, { investmentDecision: undefined }],
  [57, 'TR-057-4', JOINT, { investmentDecision: undefined }],
  [57, 'TR-057-5', BOND, { investmentDecision: TRADER }],
  [58, 'TR-058-1', JOINT, { investmentDecision: { ...TRADER, branchCountry: undefined } }],
  [58, 'TR-058-2', JOINT, { investmentDecision: { ...TRADER, branchCountry: 'XX' } }],
  [59, 'TR-059-1', SHARE, { execution: undefined }],
  [59, 'TR-059-2', SHARE, { execution: { is: 'algorithm', id: '' } }],
  [59, 'TR-059-3', BOND, { execution: { ...TRADER, id: 'XX123' } }],
  [60, 'TR-060-1', BOND, { execution: { ...TRADER, branchCountry: undefined } }],
  [60, 'TR-060-2', BOND, { execution: { ...TRADER, branchCountry: 'fr' } }],
  [61, 'TR-061-1', SHARE, { waivers: ['LRGS'] }],
  [61, 'TR-061-2', SHARE, { waivers: ['RFPT', 'RFPT'] }],
  [61, 'TR-061-3', SHARE, { waivers: ['RFPT', 'SIZE'] }],
  [61, 'TR-061-4', FUTURE, { waivers: ['RFPT'] }],
  [61, 'TR-061-5', JOINT, { waivers: ['RFPT'] }],
  [62, 'TR-062-1', SHARE, { shortSelling: 'SHORT' }],
  [62, 'TR-062-2', AGGREGATED, { shortSelling: 'SELL' }],
  [62, 'TR-062-3', FUTURE, { shortSelling: 'SELL' }],
  [62, 'TR-062-4', BOND, { shortSelling: 'SSEX' }],
  [62, 'TR-062-5', SHARE, { shortSelling: 'UNDI' }],
  [63, 'TR-063-1', JOINT, { postTradeIndicators: ['NPFT'] }],
  [63, 'TR-063-2', JOINT, { postTradeIndicators: ['BENC', 'BENC'] }],
  [63, 'TR-063-3', JOINT, { postTradeIndicators: ['SDIV', 'XFPH'] }],
  [63, 'TR-063-4', BOND, { postTradeIndicators: ['SDIV'] }],
  [63, 'TR-063-5', SHARE, { postTradeIndicators: ['BENC'] }],
  [64, 'TR-064-1', SHARE, { reducesRisk: false }],
  [64, 'TR-064-2', FUTURE, { reducesRisk: undefined }],
  [65, 'TR-065-1', SHARE, { isSecuritiesFinancing: undefined }],
];

const CANCELLED: readonly [field: number, rule: string, change: Partial<Cancellation>][] = [
  [2, 'TR-002-2', { transactionReference: 'LIVE-1' }],
  [2, 'CON-024', { transactionReference: 'OTHER' }],
  [4, 'TR-004-3', { executingEntity: undefined }],
  [6, 'TR-006-3', { submittingEntity: WRONG_LEI }],
];

it.each(MUTATIONS.map(([field, rule, base, change], i) => [field, rule, i, base, change] as const))(
  'field %i made wrong is found by %s (%i)',
  (field, rule, _, base, change) => {
    const findings = findingsOf({ ...base, ...change }, CONTEXT);
    expect(findings.map((finding) => finding.rule)).toContain(rule);
    expect(findings.find((finding) => finding.rule === rule)!.fields).toContain(field);
    const { severity } = RTS22.rules.find(({ id }) => id === rule)!;
    if (severity === 'error') expect(isSendable(findings)).toBe(false);
  },
);

it.each(CANCELLED)('field %i of a cancellation made wrong is found by %s', (field, rule, change) => {
  const findings = findingsOf({ ...CANCELLATION, ...change }, CONTEXT);
  expect(findings).toEqual(expect.arrayContaining([expect.objectContaining({ rule, fields: [field] })]));
});

it('each of the 65 fields, and each rule, is in the suite', () => {
  const fields = new Set(MUTATIONS.map(([field]) => field));
  expect(Array.from({ length: 65 }, (_, i) => i + 1).filter((number) => !fields.has(number))).toEqual([]);
  const rules = new Set([...MUTATIONS.map(([, rule]) => rule), ...CANCELLED.map(([, rule]) => rule)]);
  expect(RTS22.rules.map(({ id }) => id).filter((id) => !rules.has(id) && id !== 'CON-411')).toEqual([]);
  expect(new Set(RTS22.rules.map(({ id }) => id)).size).toBe(RTS22.rules.length);
});

it('has another version with every change of its rules and codes', () => {
  const rules = RTS22.rules.map(({ id, of, fields, text, severity, from, to }) => [
    id,
    of,
    fields,
    text,
    severity,
    from,
    to,
  ]);
  const digest = createHash('sha256')
    .update(JSON.stringify([rules, RTS22_CODES, [...EXCLUSIONS]]))
    .digest('hex');
  // changed both: a report says by which version it was judged
  expect([RTS22.version, digest]).toEqual([3, '6e0f10ae336c4705ddff17890f204fa1ee268b53ae7c7fba93e8739f1140dae4']);
});

it('a time in whole seconds is a hint on a trading venue alone, and where its clock may be so coarse nowhere', () => {
  const found = (report: object, context: object = {}) =>
    findingsOf({ ...SHARE, tradingTime: '2026-06-02T08:15:30Z', ...report }, { ...CONTEXT, ...context })
      .filter(({ fields: [field] }) => field === 28)
      .map(({ rule, severity }) => [rule, severity]);
  expect(found({})).toEqual([['TR-028-4', 'hint']]);
  // declared as fine as that, also where nothing stands there
  expect(found({ tradingTime: '2026-06-02T08:15:30.000Z' })).toEqual([]);
  expect(found({ venue: 'XOFF' })).toEqual([]);
  expect(found({ venue: 'SIXX' })).toEqual([]);
  expect(found({}, { isClockBySeconds: true })).toEqual([]);
});

it('an instrument that the authorities will still take up is a hint', () => {
  const findings = findingsOf(SHARE, { ...CONTEXT, instrumentOn: () => 'pending' });
  expect(findings).toEqual([expect.objectContaining({ rule: 'CON-411', severity: 'hint', value: 'FR0000131104' })]);
});

it('what is not known beside the report is not judged', () => {
  for (const report of VALID_REPORTS) expect(findingsOf(report, { today: '2026-06-03' })).toEqual([]);
});

it('decimals of any digits and any sign that a field takes are right, and one digit more is wrong', () => {
  const random = new Random(590);
  for (let i = 0; i < 500; i++) {
    const decimals = random.below(14);
    const whole = 18 - decimals;
    const digits = (n: number) => Array.from({ length: n }, () => String(1 + random.below(9))).join('');
    const amount = `${random.chance(2) ? '-' : ''}${digits(whole)}${decimals > 0 ? `.${digits(decimals)}` : ''}`;
    const priced = (text: string) =>
      findingsOf({ ...FUTURE, price: { is: 'money', amount: text, currency: 'EUR' } }, CONTEXT);
    expect(priced(amount)).toEqual([]);
    expect(priced(`${amount}${decimals > 0 ? '1' : '.1'}`).map(({ rule }) => rule)).toEqual(['TR-033-2']);
  }
});
