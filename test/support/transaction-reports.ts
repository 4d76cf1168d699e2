import type {
  Cancellation,
  DescribedInstrument,
  NaturalPerson,
  NewReport,
  Party,
} from '../../src/transaction-reports/transaction-report.js';
import type { RuleContext } from '../../src/transaction-reports/rules/rule.js';

// Made codes with right check digits, and persons who do not exist.
export const FIRM = '9695TESTFIRM00000112';
export const CCP = '9695TESTCCP000000149';
export const BANK = '529900G3SW56SHYNPR95';
export const FUND = '529900D6BF99LW9R2E68';
export const CLIENT = '5493001KJTIIGC8Y1R12';

export const ANNA: NaturalPerson = {
  is: 'person',
  id: 'DE19700101ANNA#MUSTE',
  scheme: 'CONCAT',
  firstNames: 'ANNA',
  surnames: 'MUSTERMANN',
  birthDate: '1970-01-01',
};
export const TRADER = { is: 'person', id: 'ITMRARSS70A01H501U', scheme: 'NIDN', branchCountry: 'FR' } as const;

export const firm = (lei: string): Party => ({ owners: [{ id: { is: 'legal-entity', lei } }], decisionMakers: [] });

/** What reference data say in these tests. */
export const CONTEXT: RuleContext = {
  today: '2026-06-03',
  venueOn: (mic) =>
    ({
      XPAR: { kind: 'trading-venue' } as const,
      XEUR: { kind: 'trading-venue' } as const,
      SIXX: { kind: 'systematic-internaliser' } as const,
      XNYS: { kind: 'outside-eea' } as const,
    })[mic] ?? null,
  instrumentOn: (isin) =>
    ({
      FR0000131104: { classification: 'ESVUFR' },
      DE0007164600: { classification: 'DBFTFB' },
      US0378331005: { classification: 'FCEPSX' },
    })[isin] ?? null,
  isLive: (_, reference) => reference.startsWith('LIVE'),
};

/** A sale on own account of a share on a venue, its market side. */
export const SHARE: NewReport = {
  status: 'NEWT',
  transactionReference: 'TRN1',
  venueTransactionId: 'XPAR2026060200000042',
  executingEntity: FIRM,
  isInvestmentFirm: true,
  submittingEntity: FIRM,
  buyer: firm(CCP),
  seller: firm(FIRM),
  isTransmitted: false,
  tradingTime: '2026-06-02T08:15:30.123456789Z',
  tradingCapacity: 'DEAL',
  quantity: { is: 'units', value: '250' },
  price: { is: 'money', amount: '61.38', currency: 'EUR' },
  venue: 'XPAR',
  branchMembershipCountry: 'FR',
  instrument: { is: 'identified', isin: 'FR0000131104' },
  investmentDecision: { is: 'algorithm', id: 'MM7' },
  execution: { is: 'algorithm', id: 'SOR7V3' },
  waivers: ['RFPT', 'OILQ'],
  shortSelling: 'SESH',
  postTradeIndicators: [],
  isSecuritiesFinancing: false,
};

/** Off venue for a couple, one of whom somebody acts for; the firm decides for them. */
export const JOINT: NewReport = {
  ...SHARE,
  transactionReference: 'TRN2',
  venueTransactionId: undefined,
  branchMembershipCountry: undefined,
  buyer: {
    owners: [
      { id: ANNA, branchCountry: 'DE' },
      {
        id: {
          is: 'person',
          id: 'USP1234567',
          scheme: 'CCPT',
          firstNames: 'ÉLODIE,JANE',
          surnames: "O'NEILL & SONS <X>",
          birthDate: '1980-03-07',
        },
        branchCountry: 'FR',
      },
    ],
    decisionMakers: [
      { is: 'legal-entity', lei: FIRM },
      { ...ANNA, id: 'DE19800307CAMILTESTE', firstNames: 'CAMILLE', surnames: 'TESTEUR', birthDate: '1980-03-07' },
    ],
  },
  seller: firm(BANK),
  transmittingFirmForBuyer: CLIENT,
  tradingCapacity: 'AOTC',
  venue: 'XOFF',
  investmentDecision: TRADER,
  execution: { is: 'client' },
  waivers: [],
  shortSelling: undefined,
  postTradeIndicators: ['BENC', 'SDIV'],
};

/** The mirror of it: the couple sells. */
export const SALE: NewReport = {
  ...JOINT,
  transactionReference: 'TRN10',
  buyer: JOINT.seller,
  seller: JOINT.buyer,
  transmittingFirmForBuyer: undefined,
  transmittingFirmForSeller: JOINT.transmittingFirmForBuyer,
};

/** A bond with a systematic internaliser, sold by a client whose order was transmitted. */
export const BOND: NewReport = {
  ...SHARE,
  transactionReference: 'TRN3',
  venueTransactionId: undefined,
  branchMembershipCountry: undefined,
  buyer: firm(BANK),
  seller: {
    owners: [{ id: { is: 'legal-entity', lei: CLIENT }, branchCountry: 'FR' }],
    decisionMakers: [ANNA],
  },
  transmittingFirmForSeller: CCP,
  tradingCapacity: 'AOTC',
  quantity: { is: 'nominal', value: '100000', currency: 'EUR' },
  price: { is: 'percentage', value: '101.25' },
  netAmount: '101350.55',
  venue: 'SIXX',
  instrument: { is: 'identified', isin: 'DE0007164600' },
  investmentDecision: undefined,
  execution: TRADER,
  waivers: [],
  shortSelling: 'SELL',
  postTradeIndicators: ['TPAC'],
};

/** A commodity future on a venue at a negative price, as part of a combination. */
export const FUTURE: NewReport = {
  ...SHARE,
  transactionReference: 'TRN4',
  price: { is: 'money', amount: '-37.63', currency: 'USD' },
  venue: 'XEUR',
  complexTradeId: 'SPREAD1',
  instrument: { is: 'identified', isin: 'US0378331005' },
  waivers: ['SIZE'],
  shortSelling: undefined,
  reducesRisk: true,
};

const OPTION_TERMS: DescribedInstrument = {
  is: 'described',
  fullName: 'CALL ON A SHARE & MORE',
  classification: 'OCASPN',
  priceMultiplier: '100',
  underlying: { is: 'instrument', isin: 'FR0000131104' },
  optionType: 'CALL',
  strikePrice: { is: 'money', amount: '65', currency: 'EUR' },
  exerciseStyle: 'AMER',
  expiryDate: '2026-12-18',
  deliveryType: 'PHYS',
};
const OTC = {
  ...SHARE,
  venueTransactionId: undefined,
  branchMembershipCountry: undefined,
  venue: 'XXXX',
  waivers: [],
  shortSelling: undefined,
} as const;

export const OPTION: NewReport = {
  ...OTC,
  transactionReference: 'TRN5',
  price: { is: 'pending', currency: 'EUR' },
  instrument: OPTION_TERMS,
  postTradeIndicators: ['XFPH'],
};

/** An interest rate swap in two currencies, whose notional goes up. */
export const SWAP: NewReport = {
  ...OTC,
  transactionReference: 'TRN6',
  quantity: { is: 'nominal', value: '5000000', currency: 'EUR' },
  notionalChange: 'INCR',
  price: { is: 'percentage', value: '-0.1234567891' },
  upFrontPayment: { amount: '-1500.5', currency: 'EUR' },
  instrument: {
    is: 'described',
    fullName: 'SWAP',
    classification: 'SRCCSP',
    notionalCurrency: 'EUR',
    otherNotionalCurrency: { of: 'interest', currency: 'USD' },
    priceMultiplier: '1',
    underlying: {
      is: 'swap',
      received: { is: 'index', name: { code: 'EURI' }, term: { unit: 'MNTH', value: '6' } },
      paid: { is: 'index', name: { text: 'SOFR' }, term: { unit: 'DAYS', value: '1' } },
    },
    expiryDate: '2031-06-02',
    deliveryType: 'CASH',
  },
};

export const CREDIT_SWAP: NewReport = {
  ...OTC,
  transactionReference: 'TRN7',
  quantity: { is: 'nominal', value: '1000000', currency: 'EUR' },
  price: { is: 'basis-points', value: '100' },
  instrument: {
    is: 'described',
    fullName: 'CREDIT DEFAULT SWAP ON A BASKET',
    classification: 'SCBCCC',
    notionalCurrency: 'EUR',
    priceMultiplier: '1',
    underlying: {
      is: 'basket',
      instruments: [
        { is: 'index', isin: 'AU0000XVGZA3', name: { text: 'AN INDEX' } },
        { is: 'instrument', isin: 'GB0002634946' },
        { is: 'instrument', isin: 'US5949181045' },
      ],
    },
    deliveryType: 'OPTL',
  },
};

export const CURRENCY_FORWARD: NewReport = {
  ...OTC,
  transactionReference: 'TRN8',
  quantity: { is: 'monetary', value: '250000.25', currency: 'EUR' },
  price: { is: 'money', amount: '1.0850000000001', currency: 'USD' },
  instrument: {
    is: 'described',
    fullName: 'FORWARD',
    classification: 'JFTXFP',
    notionalCurrency: 'EUR',
    otherNotionalCurrency: { of: 'currencies', currency: 'USD' },
    priceMultiplier: '1',
    underlying: { is: 'basket', instruments: [] },
    expiryDate: '2026-09-02',
    deliveryType: 'PHYS',
  },
};

/** The market side of orders of several clients, against a venue that has no central counterparty. */
export const AGGREGATED: NewReport = {
  ...SHARE,
  transactionReference: 'TRN9',
  buyer: { owners: [{ id: { is: 'aggregate-account' } }], decisionMakers: [] },
  seller: { owners: [{ id: { is: 'venue', mic: 'XPAR' } }], decisionMakers: [] },
  tradingCapacity: 'AOTC',
  investmentDecision: undefined,
  shortSelling: undefined,
};

export const CANCELLATION: Cancellation = {
  status: 'CANC',
  transactionReference: 'LIVE1',
  executingEntity: FIRM,
  submittingEntity: FIRM,
};

/** Of every product, and each right. */
export const VALID_REPORTS: readonly NewReport[] = [
  ...[SHARE, JOINT, BOND, FUTURE, OPTION, SWAP, CREDIT_SWAP, CURRENCY_FORWARD, AGGREGATED, SALE],
];
