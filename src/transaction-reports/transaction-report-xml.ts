import { ASSET_CLASS_ELEMENTS, inFileOrder } from './instrument-fields.js';
import { NO_PRICE_CODES, RATE_ELEMENTS } from './price-fields.js';
import { QUANTITY_ELEMENTS } from './fields.js';
import { reportedTime, unsigned } from './report-field.js';
import type {
  AccountOwner,
  Cancellation,
  DecisionMaker,
  DescribedInstrument,
  ExecutionDecision,
  IndexTerm,
  Instrument,
  Money,
  NaturalPerson,
  NewReport,
  Party,
  PersonId,
  Price,
  Quantity,
  TransactionReport,
  Underlying,
  UnderlyingBasket,
  UnderlyingInstrument,
  UnderlyingLeg,
} from './transaction-report.js';
import { element, xmlText, XmlTextError } from './xml-text.js';

/** A report that has no form in the file: something that the schema demands is not there, or cannot be written. */
export class UnwritableReportError extends Error {
  override readonly name = 'UnwritableReportError';

  constructor(
    readonly transactionReference: string,
    /** undefined where the text that cannot be written may be of any field */
    readonly field: number | undefined,
    rest: string,
  ) {
    super(`report ${transactionReference}: ${field === undefined ? 'a text' : `field ${field}`} ${rest}`);
  }
}

/** A mistake on the way, before it is known of which report. */
class Unwritable extends Error {
  constructor(
    readonly field: number,
    rest: string,
  ) {
    super(rest);
  }
}

/**
 * The element `Tx` of a report, as auth.016.001.01 has it, without blanks between elements. Decimals are written digit by
 * digit as they are, the sign of money beside it. Nothing is judged that the schema judges: see rules/, schema-pack.ts.
 *
 * Throws UnwritableReportError.
 */
export function transactionXml(report: TransactionReport): string {
  try {
    return `<Tx>${report.status === 'CANC' ? cancellationXml(report) : newXml(report)}</Tx>`;
  } catch (error) {
    if (error instanceof Unwritable) {
      throw new UnwritableReportError(report.transactionReference, error.field, error.message);
    }
    if (error instanceof XmlTextError) {
      throw new UnwritableReportError(report.transactionReference, undefined, error.message);
    }
    throw error;
  }
}

function cancellationXml({ transactionReference, executingEntity, submittingEntity }: Cancellation): string {
  return `<Cxl>${element('TxId', transactionReference)}${element('ExctgPty', must(4, executingEntity))}${element(
    'SubmitgPty',
    must(6, submittingEntity),
  )}</Cxl>`;
}

function newXml(report: NewReport): string {
  return [
    '<New>',
    element('TxId', report.transactionReference),
    element('ExctgPty', must(4, report.executingEntity)),
    element('InvstmtPtyInd', String(must(5, report.isInvestmentFirm))),
    element('SubmitgPty', must(6, report.submittingEntity)),
    `<Buyr>${partyXml(7, report.buyer)}</Buyr>`,
    `<Sellr>${partyXml(16, report.seller)}</Sellr>`,
    '<OrdrTrnsmssn>',
    element('TrnsmssnInd', String(must(25, report.isTransmitted))),
    element('TrnsmttgBuyr', report.transmittingFirmForBuyer),
    element('TrnsmttgSellr', report.transmittingFirmForSeller),
    '</OrdrTrnsmssn>',
    executedXml(report),
    `<FinInstrm>${instrumentXml(must(41, report.instrument))}</FinInstrm>`,
    report.investmentDecision === undefined
      ? ''
      : `<InvstmtDcsnPrsn>${decisionXml(58, report.investmentDecision)}</InvstmtDcsnPrsn>`,
    `<ExctgPrsn>${decisionXml(60, must(59, report.execution))}</ExctgPrsn>`,
    '<AddtlAttrbts>',
    ...report.waivers.map((code) => element('WvrInd', code)),
    element('ShrtSellgInd', report.shortSelling),
    ...report.postTradeIndicators.map((code) => element('OTCPstTradInd', code)),
    element('RskRdcgTx', report.reducesRisk === undefined ? undefined : String(report.reducesRisk)),
    element('SctiesFincgTxInd', String(must(65, report.isSecuritiesFinancing))),
    '</AddtlAttrbts></New>',
  ].join('');
}

/** The inner `Tx`: 28 to 40, and 3. */
function executedXml(report: NewReport): string {
  const { upFrontPayment } = report;
  return [
    '<Tx>',
    element('TradDt', reportedTime(must(28, report.tradingTime))),
    element('TradgCpcty', must(29, report.tradingCapacity)),
    `<Qty>${quantityXml(must(30, report.quantity))}</Qty>`,
    element('DerivNtnlChng', report.notionalChange),
    `<Pric>${priceXml(33, 34, must(33, report.price))}</Pric>`,
    report.netAmount === undefined ? '' : `<NetAmt>${decimal(35, report.netAmount)}</NetAmt>`,
    element('TradVn', must(36, report.venue)),
    element('CtryOfBrnch', report.branchMembershipCountry),
    upFrontPayment === undefined ? '' : `<UpFrntPmt>${moneyXml(38, 39, upFrontPayment)}</UpFrntPmt>`,
    element('TradPlcMtchgId', report.venueTransactionId),
    element('CmplxTradCmpntId', report.complexTradeId),
    '</Tx>',
  ].join('');
}

/** `first` is the number of the id's field. */
function partyXml(first: number, { owners, decisionMakers }: Party): string {
  if (owners.length === 0) throw missing(first);
  return [
    ...owners.map((owner) => ownerXml(first, owner)),
    ...decisionMakers.map((each) => makerXml(first, each)),
  ].join('');
}

function ownerXml(first: number, { id, branchCountry }: AccountOwner): string {
  const inner = (): string => {
    switch (id.is) {
      case 'legal-entity':
        return element('LEI', id.lei);
      case 'venue':
        return element('MIC', id.mic);
      case 'aggregate-account':
        return element('Intl', 'INTC');
      case 'person':
        return personXml(first + 2, id);
    }
  };
  return `<AcctOwnr><Id>${inner()}</Id>${element('CtryOfBrnch', branchCountry)}</AcctOwnr>`;
}

function makerXml(first: number, maker: DecisionMaker): string {
  return `<DcsnMakr>${maker.is === 'person' ? personXml(first + 6, maker) : element('LEI', maker.lei)}</DcsnMakr>`;
}

/** `names` is the number of the field of the first names; surnames and date of birth follow. */
function personXml(names: number, person: NaturalPerson): string {
  return [
    '<Prsn>',
    element('FrstNm', must(names, person.firstNames)),
    element('Nm', must(names + 1, person.surnames)),
    element('BirthDt', must(names + 2, person.birthDate)),
    personIdXml(person),
    '</Prsn>',
  ].join('');
}

function personIdXml({ id, scheme }: PersonId): string {
  const name = scheme === 'CONCAT' ? element('Prtry', scheme) : element('Cd', scheme);
  return `<Othr>${element('Id', id)}<SchmeNm>${name}</SchmeNm></Othr>`;
}

/** `branch` is the number of the field of the branch's country. */
function decisionXml(branch: number, decision: ExecutionDecision): string {
  switch (decision.is) {
    case 'algorithm':
      return element('Algo', decision.id);
    case 'client':
      return element('Clnt', 'NORE');
    case 'person':
      return `<Prsn>${element('CtryOfBrnch', must(branch, decision.branchCountry))}${personIdXml(decision)}</Prsn>`;
  }
}

function quantityXml(quantity: Quantity): string {
  const name = QUANTITY_ELEMENTS[quantity.is];
  const currency = quantity.is === 'units' ? '' : ` Ccy="${xmlText(must(31, quantity.currency))}"`;
  return `<${name}${currency}>${decimal(30, quantity.value)}</${name}>`;
}

function priceXml(field: number, currencyField: number, price: Price): string {
  switch (price.is) {
    case 'money':
      return `<Pric><MntryVal>${moneyXml(field, currencyField, price)}</MntryVal></Pric>`;
    case 'percentage':
    case 'yield':
    case 'basis-points': {
      const name = RATE_ELEMENTS[price.is];
      return `<Pric><${name}>${decimal(field, price.value)}</${name}></Pric>`;
    }
    case 'pending':
    case 'not-applicable':
      return `<NoPric>${element('Pdg', NO_PRICE_CODES[price.is])}${element('Ccy', price.currency)}</NoPric>`;
  }
}

/** The sign stands only where it is minus: without it the schema takes plus. */
function moneyXml(field: number, currencyField: number, { amount, currency }: Money): string {
  const { amount: digits, isNegative } = unsigned(decimal(field, amount));
  const sign = isNegative ? '<Sgn>false</Sgn>' : '';
  return `<Amt Ccy="${xmlText(must(currencyField, currency))}">${digits}</Amt>${sign}`;
}

function instrumentXml(instrument: Instrument): string {
  return instrument.is === 'identified' ? element('Id', instrument.isin) : describedXml(instrument);
}

function describedXml(instrument: DescribedInstrument): string {
  const { priceMultiplier, underlying, strikePrice, otherNotionalCurrency: other, maturityDate } = instrument;
  const otherName = other && ASSET_CLASS_ELEMENTS[other.of];
  return [
    '<Othr><FinInstrmGnlAttrbts>',
    element('Id', instrument.isin),
    element('FullNm', must(42, instrument.fullName)),
    element('ClssfctnTp', must(43, instrument.classification)),
    element('NtnlCcy', instrument.notionalCurrency),
    '</FinInstrmGnlAttrbts>',
    maturityDate === undefined ? '' : `<DebtInstrmAttrbts>${element('MtrtyDt', maturityDate)}</DebtInstrmAttrbts>`,
    '<DerivInstrmAttrbts>',
    element('XpryDt', instrument.expiryDate),
    `<PricMltplr>${decimal(46, must(46, priceMultiplier))}</PricMltplr>`,
    `<UndrlygInstrm>${underlyingXml(must(47, underlying))}</UndrlygInstrm>`,
    element('OptnTp', instrument.optionType),
    strikePrice === undefined ? '' : `<StrkPric>${priceXml(51, 52, strikePrice)}</StrkPric>`,
    element('OptnExrcStyle', instrument.exerciseStyle),
    element('DlvryTp', must(56, instrument.deliveryType)),
    other && otherName
      ? `<AsstClssSpcfcAttrbts><${otherName}>${element('OthrNtnlCcy', other.currency)}</${otherName}></AsstClssSpcfcAttrbts>`
      : '',
    '</DerivInstrmAttrbts></Othr>',
  ].join('');
}

function underlyingXml(underlying: Underlying): string {
  if (underlying.is !== 'swap') return `<Othr>${legXml(underlying)}</Othr>`;
  const { received, paid } = underlying;
  return `<Swp>${received ? `<SwpIn>${legXml(received)}</SwpIn>` : ''}${paid ? `<SwpOut>${legXml(paid)}</SwpOut>` : ''}</Swp>`;
}

function legXml(leg: UnderlyingLeg): string {
  return leg.is === 'basket' ? basketXml(leg) : `<Sngl>${underlyingInstrumentXml(leg)}</Sngl>`;
}

function basketXml(basket: UnderlyingBasket): string {
  return `<Bskt>${inFileOrder(basket).map(underlyingInstrumentXml).join('')}</Bskt>`;
}

function underlyingInstrumentXml(instrument: UnderlyingInstrument): string {
  if (instrument.is === 'instrument') return element('ISIN', instrument.isin);
  const { isin, name, term } = instrument;
  const reference = 'code' in name ? element('Indx', name.code) : element('Nm', name.text);
  return `<Indx>${element('ISIN', isin)}<Nm><RefRate>${reference}</RefRate>${term ? termXml(term) : ''}</Nm></Indx>`;
}

function termXml({ unit, value }: IndexTerm): string {
  return `<Term>${element('Unit', unit)}${element('Val', value)}</Term>`;
}

/** As it is, if it is a decimal without an exponent: nothing else is a number in XML Schema. */
function decimal(field: number, text: string): string {
  if (!/^-?[0-9]+(?:\.[0-9]+)?$/.test(text)) throw new Unwritable(field, 'is no decimal number without an exponent');
  return text;
}

function must<T>(field: number, value: T | undefined): T {
  if (value === undefined) throw missing(field);
  return value;
}

function missing(field: number): Unwritable {
  return new Unwritable(field, 'is missing, and the schema demands it');
}
