import { INSTRUMENT_FIELDS } from './instrument-fields.js';
import { partyFields } from './party-fields.js';
import { priceCurrency, priceCurrencyPaths, pricePaths, priceValue } from './price-fields.js';
import { at, booleanText, each, reportedTime, type FieldValue, type ReportField } from './report-field.js';
import type { ExecutionDecision, TransactionReport } from './transaction-report.js';

/** The element that says what a quantity is in. */
export const QUANTITY_ELEMENTS = { units: 'Unit', nominal: 'NmnlVal', monetary: 'MntryVal' } as const;

/** Rows of the table: its first column is the number. */
export const REPORT_FIELDS: readonly ReportField[] = [
  {
    number: 1,
    name: 'report_status',
    title: 'Report status',
    paths: ['.'],
    format: 'NEWT, CANC',
    read: ({ status }) => [{ path: 'New', text: status }],
    readCancellation: ({ status }) => [{ path: 'Cxl', text: status }],
  },
  {
    number: 2,
    name: 'transaction_reference',
    title: 'Transaction reference number',
    paths: ['TxId'],
    format: 'AN-52',
    read: ({ transactionReference }) => at('TxId', transactionReference),
    readCancellation: ({ transactionReference }) => at('TxId', transactionReference, 'Cxl'),
  },
  {
    number: 3,
    name: 'venue_transaction_id',
    title: 'Trading venue transaction identification code',
    paths: ['Tx/TradPlcMtchgId'],
    format: 'AN-52',
    read: ({ venueTransactionId }) => at('Tx/TradPlcMtchgId', venueTransactionId),
  },
  {
    number: 4,
    name: 'executing_entity',
    title: 'Executing entity identification code',
    paths: ['ExctgPty'],
    format: 'LEI',
    read: ({ executingEntity }) => at('ExctgPty', executingEntity),
    readCancellation: ({ executingEntity }) => at('ExctgPty', executingEntity, 'Cxl'),
  },
  {
    number: 5,
    name: 'is_investment_firm',
    title: 'Investment firm covered by Directive 2014/65/EU',
    paths: ['InvstmtPtyInd'],
    format: 'true, false',
    read: ({ isInvestmentFirm }) => at('InvstmtPtyInd', booleanText(isInvestmentFirm)),
  },
  {
    number: 6,
    name: 'submitting_entity',
    title: 'Submitting entity identification code',
    paths: ['SubmitgPty'],
    format: 'LEI',
    read: ({ submittingEntity }) => at('SubmitgPty', submittingEntity),
    readCancellation: ({ submittingEntity }) => at('SubmitgPty', submittingEntity, 'Cxl'),
  },
  ...partyFields('buyer', 'Buyr', 7, ({ buyer }) => buyer),
  ...partyFields('seller', 'Sellr', 16, ({ seller }) => seller),
  {
    number: 25,
    name: 'is_transmitted',
    title: 'Transmission of order indicator',
    paths: ['OrdrTrnsmssn/TrnsmssnInd'],
    format: 'true, false',
    read: ({ isTransmitted }) => at('OrdrTrnsmssn/TrnsmssnInd', booleanText(isTransmitted)),
  },
  {
    number: 26,
    name: 'transmitting_firm_for_buyer',
    title: 'Transmitting firm identification code for the buyer',
    paths: ['OrdrTrnsmssn/TrnsmttgBuyr'],
    format: 'LEI',
    read: ({ transmittingFirmForBuyer }) => at('OrdrTrnsmssn/TrnsmttgBuyr', transmittingFirmForBuyer),
  },
  {
    number: 27,
    name: 'transmitting_firm_for_seller',
    title: 'Transmitting firm identification code for the seller',
    paths: ['OrdrTrnsmssn/TrnsmttgSellr'],
    format: 'LEI',
    read: ({ transmittingFirmForSeller }) => at('OrdrTrnsmssn/TrnsmttgSellr', transmittingFirmForSeller),
  },
  {
    number: 28,
    name: 'trading_time',
    title: 'Trading date time',
    paths: ['Tx/TradDt'],
    format: 'DTM',
    read: ({ tradingTime }) => at('Tx/TradDt', tradingTime === undefined ? undefined : reportedTime(tradingTime)),
  },
  {
    number: 29,
    name: 'trading_capacity',
    title: 'Trading capacity',
    paths: ['Tx/TradgCpcty'],
    format: 'DEAL, MTCH, AOTC',
    read: ({ tradingCapacity }) => at('Tx/TradgCpcty', tradingCapacity),
  },
  {
    number: 30,
    name: 'quantity',
    title: 'Quantity',
    paths: ['Tx/Qty/Unit', 'Tx/Qty/NmnlVal', 'Tx/Qty/MntryVal'],
    format: 'DEC-18/17 in units, otherwise DEC-18/5',
    read: ({ quantity }) => (quantity ? at(`Tx/Qty/${QUANTITY_ELEMENTS[quantity.is]}`, quantity.value) : []),
  },
  {
    number: 31,
    name: 'quantity_currency',
    title: 'Quantity currency',
    paths: ['Tx/Qty/NmnlVal/@Ccy', 'Tx/Qty/MntryVal/@Ccy'],
    format: 'CCY',
    read: ({ quantity }) =>
      quantity && quantity.is !== 'units' ? at(`Tx/Qty/${QUANTITY_ELEMENTS[quantity.is]}/@Ccy`, quantity.currency) : [],
  },
  {
    number: 32,
    name: 'notional_change',
    title: 'Derivative notional increase or decrease',
    paths: ['Tx/DerivNtnlChng'],
    format: 'INCR, DECR',
    read: ({ notionalChange }) => at('Tx/DerivNtnlChng', notionalChange),
  },
  {
    number: 33,
    name: 'price',
    title: 'Price',
    paths: pricePaths('Tx/Pric'),
    format: 'DEC-18/13 in money, DEC-11/10 in percent or yield, DEC-18/17 in basis points, PNDG, NOAP',
    read: ({ price }) => priceValue('Tx/Pric', price),
  },
  {
    number: 34,
    name: 'price_currency',
    title: 'Price currency',
    paths: priceCurrencyPaths('Tx/Pric'),
    format: 'CCY',
    read: ({ price }) => priceCurrency('Tx/Pric', price),
  },
  {
    number: 35,
    name: 'net_amount',
    title: 'Net amount',
    paths: ['Tx/NetAmt'],
    format: 'DEC-18/5',
    read: ({ netAmount }) => at('Tx/NetAmt', netAmount),
  },
  {
    number: 36,
    name: 'venue',
    title: 'Venue',
    paths: ['Tx/TradVn'],
    format: 'MIC',
    read: ({ venue }) => at('Tx/TradVn', venue),
  },
  {
    number: 37,
    name: 'branch_membership_country',
    title: 'Country of the branch membership',
    paths: ['Tx/CtryOfBrnch'],
    format: 'CC',
    read: ({ branchMembershipCountry }) => at('Tx/CtryOfBrnch', branchMembershipCountry),
  },
  {
    number: 38,
    name: 'up_front_payment',
    title: 'Up-front payment',
    paths: ['Tx/UpFrntPmt/Amt'],
    format: 'DEC-18/5',
    read: ({ upFrontPayment }) => at('Tx/UpFrntPmt/Amt', upFrontPayment?.amount),
  },
  {
    number: 39,
    name: 'up_front_payment_currency',
    title: 'Up-front payment currency',
    paths: ['Tx/UpFrntPmt/Amt/@Ccy'],
    format: 'CCY',
    read: ({ upFrontPayment }) => at('Tx/UpFrntPmt/Amt/@Ccy', upFrontPayment?.currency),
  },
  {
    number: 40,
    name: 'complex_trade_id',
    title: 'Complex trade component id',
    paths: ['Tx/CmplxTradCmpntId'],
    format: 'AN-35',
    read: ({ complexTradeId }) => at('Tx/CmplxTradCmpntId', complexTradeId),
  },
  ...INSTRUMENT_FIELDS,
  {
    number: 57,
    name: 'investment_decision',
    title: 'Investment decision within firm',
    paths: ['InvstmtDcsnPrsn/Prsn/Othr/Id', 'InvstmtDcsnPrsn/Algo'],
    format: 'NID of a person, AN-50 of an algorithm',
    read: ({ investmentDecision }) => decision('InvstmtDcsnPrsn', investmentDecision),
  },
  {
    number: 58,
    name: 'investment_decision_branch_country',
    title: 'Country of the branch responsible for the person making the investment decision',
    paths: ['InvstmtDcsnPrsn/Prsn/CtryOfBrnch'],
    format: 'CC',
    read: ({ investmentDecision }) => decisionBranch('InvstmtDcsnPrsn', investmentDecision),
  },
  {
    number: 59,
    name: 'execution',
    title: 'Execution within firm',
    paths: ['ExctgPrsn/Prsn/Othr/Id', 'ExctgPrsn/Algo', 'ExctgPrsn/Clnt'],
    format: 'NID of a person, AN-50 of an algorithm, NORE',
    read: ({ execution }) => decision('ExctgPrsn', execution),
  },
  {
    number: 60,
    name: 'execution_branch_country',
    title: 'Country of the branch supervising the person responsible for the execution',
    paths: ['ExctgPrsn/Prsn/CtryOfBrnch'],
    format: 'CC',
    read: ({ execution }) => decisionBranch('ExctgPrsn', execution),
  },
  {
    number: 61,
    name: 'waivers',
    title: 'Waiver indicator',
    paths: ['AddtlAttrbts/WvrInd'],
    format: 'RFPT, NLIQ, OILQ, PRIC; SIZE, ILQD',
    read: ({ waivers }) => each('AddtlAttrbts/WvrInd', waivers),
  },
  {
    number: 62,
    name: 'short_selling',
    title: 'Short selling indicator',
    paths: ['AddtlAttrbts/ShrtSellgInd'],
    format: 'SESH, SSEX, SELL, UNDI',
    read: ({ shortSelling }) => at('AddtlAttrbts/ShrtSellgInd', shortSelling),
  },
  {
    number: 63,
    name: 'post_trade_indicators',
    title: 'OTC post-trade indicator',
    paths: ['AddtlAttrbts/OTCPstTradInd'],
    format: 'BENC, ACTX, LRGS, ILQD, SIZE, CANC, AMND; SDIV, RPRI, DUPL, TNCP; TPAC, XFPH',
    read: ({ postTradeIndicators }) => each('AddtlAttrbts/OTCPstTradInd', postTradeIndicators),
  },
  {
    number: 64,
    name: 'reduces_risk',
    title: 'Commodity derivative indicator',
    paths: ['AddtlAttrbts/RskRdcgTx'],
    format: 'true, false',
    read: ({ reducesRisk }) => at('AddtlAttrbts/RskRdcgTx', booleanText(reducesRisk)),
  },
  {
    number: 65,
    name: 'is_securities_financing',
    title: 'Securities financing transaction indicator',
    paths: ['AddtlAttrbts/SctiesFincgTxInd'],
    format: 'true, false',
    read: ({ isSecuritiesFinancing }) => at('AddtlAttrbts/SctiesFincgTxInd', booleanText(isSecuritiesFinancing)),
  },
];

/** The values of a field in a report, also the missing ones of several; none where the report does not have the field. */
export function valuesOf(field: ReportField, report: TransactionReport): readonly FieldValue[] {
  return report.status === 'CANC' ? (field.readCancellation?.(report) ?? []) : field.read(report);
}

/** The values of a field as one text; several with `|` between them, and nothing where one of several has none. */
export function textOf(field: ReportField, report: TransactionReport): string | undefined {
  const values = valuesOf(field, report);
  if (values.every(({ text }) => text === undefined)) return undefined;
  return values.map(({ text }) => text ?? '').join('|');
}

function decision(path: string, decision: ExecutionDecision | undefined): readonly FieldValue[] {
  switch (decision?.is) {
    case undefined:
      return [];
    case 'person':
      return at(`${path}/Prsn/Othr/Id`, decision.id);
    case 'algorithm':
      return at(`${path}/Algo`, decision.id);
    case 'client':
      return at(`${path}/Clnt`, 'NORE');
  }
}

function decisionBranch(path: string, decision: ExecutionDecision | undefined): readonly FieldValue[] {
  return at(`${path}/Prsn/CtryOfBrnch`, decision?.is === 'person' ? decision.branchCountry : undefined);
}
