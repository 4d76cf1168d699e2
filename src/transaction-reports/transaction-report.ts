import type { PersonIdScheme } from '../identifiers/national-id.js';

/**
 * One transaction report of Delegated Regulation (EU) 2017/590 (RTS 22), Annex I, Table 2: its 65 fields as data, by the
 * numbers given with the members. A correction is a cancellation and a new report.
 *
 * It says what is to be reported, right or wrong: a member is absent where the field does not apply or its value is not
 * known, and codes are texts, so that a report with mistakes can be held and shown. What is wrong with it, rules/ says;
 * how it is written as text, fields.ts.
 *
 * Decimals are texts, exactly: `-?` digits, `.` digits, without exponent, the sign with the number. Days are
 * `YYYY-MM-DD`. It is plain JSON.
 */
export type TransactionReport = NewReport | Cancellation;

export interface NewReport {
  /** 1 */
  readonly status: 'NEWT';
  /** 2: up to 52 upper-case letters and digits, unique for the executing entity and report */
  readonly transactionReference: string;
  /** 3: of the market side of an execution on a trading venue, as the venue gave it to both sides */
  readonly venueTransactionId?: string | undefined;
  /** 4: LEI */
  readonly executingEntity?: string | undefined;
  /** 5: whether the executing entity is an investment firm under Directive 2014/65/EU */
  readonly isInvestmentFirm?: boolean | undefined;
  /** 6: LEI of the firm, the operator of the venue, or the ARM */
  readonly submittingEntity?: string | undefined;
  /** 7 to 15 */
  readonly buyer: Party;
  /** 16 to 24 */
  readonly seller: Party;
  /** 25: only in the report of the transmitting firm, where the conditions of Article 4 were not met */
  readonly isTransmitted?: boolean | undefined;
  /** 26: LEI, in the report of the receiving firm */
  readonly transmittingFirmForBuyer?: string | undefined;
  /** 27 */
  readonly transmittingFirmForSeller?: string | undefined;
  /** 28: canonical, as fine as it was declared (integrity/timestamp.ts); the file has six decimals at most */
  readonly tradingTime?: string | undefined;
  /** 29: DEAL, MTCH, AOTC */
  readonly tradingCapacity?: string | undefined;
  /** 30, 31 */
  readonly quantity?: Quantity | undefined;
  /** 32: INCR, DECR */
  readonly notionalChange?: string | undefined;
  /** 33, 34 */
  readonly price?: Price | undefined;
  /** 35: of debt instruments */
  readonly netAmount?: string | undefined;
  /** 36: MIC, XOFF or XXXX */
  readonly venue?: string | undefined;
  /** 37: ISO 3166-1 alpha-2 */
  readonly branchMembershipCountry?: string | undefined;
  /** 38, 39: more than zero where the seller receives it, less where the seller pays it */
  readonly upFrontPayment?: Money | undefined;
  /** 40: the same on each report of one execution of a combination */
  readonly complexTradeId?: string | undefined;
  /** 41 to 56 */
  readonly instrument?: Instrument | undefined;
  /** 57, 58: absent where nobody within the firm decided */
  readonly investmentDecision?: DecisionWithinFirm | undefined;
  /** 59, 60 */
  readonly execution?: ExecutionDecision | undefined;
  /** 61: RFPT, NLIQ, OILQ, PRIC, SIZE, ILQD */
  readonly waivers: readonly string[];
  /** 62: SESH, SSEX, SELL, UNDI */
  readonly shortSelling?: string | undefined;
  /** 63: BENC, ACTX and so on */
  readonly postTradeIndicators: readonly string[];
  /** 64: of commodity derivatives, whether the transaction reduces risk by Article 57 of Directive 2014/65/EU */
  readonly reducesRisk?: boolean | undefined;
  /** 65 */
  readonly isSecuritiesFinancing?: boolean | undefined;
}

/** It names the report that it takes back, and holds nothing else. */
export interface Cancellation {
  /** 1 */
  readonly status: 'CANC';
  /** 2: of the report that is cancelled */
  readonly transactionReference: string;
  /** 4: LEI */
  readonly executingEntity?: string | undefined;
  /** 6: LEI */
  readonly submittingEntity?: string | undefined;
}

/** The buyer's side of a transaction, or the seller's. */
export interface Party {
  /** several of a joint account; none where it is not known who it is */
  readonly owners: readonly AccountOwner[];
  /** those who decide under a power of representation */
  readonly decisionMakers: readonly DecisionMaker[];
}

/** 7 to 11, 16 to 20 */
export interface AccountOwner {
  readonly id: PartyId;
  /** 8, 17: only of clients; ISO 3166-1 alpha-2 */
  readonly branchCountry?: string | undefined;
}

export type PartyId = LegalEntity | VenueAsParty | NaturalPerson | AggregateAccount;

/** 12 to 15, 21 to 24 */
export type DecisionMaker = LegalEntity | NaturalPerson;

export interface LegalEntity {
  readonly is: 'legal-entity';
  readonly lei: string;
}

/** Where the other side of an execution on a venue is not known, and there is no central counterparty. */
export interface VenueAsParty {
  readonly is: 'venue';
  readonly mic: string;
}

/** The firm's aggregate client account: INTC. */
export interface AggregateAccount {
  readonly is: 'aggregate-account';
}

export interface NaturalPerson extends PersonId {
  readonly is: 'person';
  /** all first names, with commas between them */
  readonly firstNames?: string | undefined;
  /** all surnames, with commas between them */
  readonly surnames?: string | undefined;
  readonly birthDate?: string | undefined;
}

/** Article 6: with the country of the nationality before it. */
export interface PersonId {
  readonly id: string;
  readonly scheme: PersonIdScheme;
}

/** 57, 58 */
export type DecisionWithinFirm = PersonWithinFirm | Algorithm;

/** 59, 60 */
export type ExecutionDecision = PersonWithinFirm | Algorithm | ClientDecision;

export interface PersonWithinFirm extends PersonId {
  readonly is: 'person';
  /** 58, 60: of the branch that supervises the person */
  readonly branchCountry?: string | undefined;
}

export interface Algorithm {
  readonly is: 'algorithm';
  /** up to 50 upper-case letters and digits */
  readonly id: string;
}

/** The client, or another person outside the firm, fixed all of the execution: NORE. */
export interface ClientDecision {
  readonly is: 'client';
}

export interface Money {
  readonly amount: string;
  /** ISO 4217 */
  readonly currency?: string | undefined;
}

/** 30 with 31: units or contracts; nominal value; money. */
export type Quantity =
  | { readonly is: 'units'; readonly value: string }
  | { readonly is: 'nominal' | 'monetary'; readonly value: string; readonly currency?: string | undefined };

/** 33 with 34: money in the major unit of its currency. */
export type Price =
  | ({ readonly is: 'money' } & Money)
  | { readonly is: 'percentage' | 'yield' | 'basis-points'; readonly value: string }
  | { readonly is: 'pending' | 'not-applicable'; readonly currency?: string | undefined };

/** 41 to 56 */
export type Instrument = IdentifiedInstrument | DescribedInstrument;

/** By its ISIN alone. */
export interface IdentifiedInstrument {
  readonly is: 'identified';
  /** 41 */
  readonly isin: string;
}

/** A derivative that reference data of the authorities do not have. */
export interface DescribedInstrument {
  readonly is: 'described';
  /** 41 */
  readonly isin?: string | undefined;
  /** 42 */
  readonly fullName?: string | undefined;
  /** 43: CFI */
  readonly classification?: string | undefined;
  /** 44 */
  readonly notionalCurrency?: string | undefined;
  /** 45: of the other leg of a swap in two currencies, or of a currency derivative */
  readonly otherNotionalCurrency?: { readonly of: 'interest' | 'currencies'; readonly currency: string } | undefined;
  /** 46 */
  readonly priceMultiplier?: string | undefined;
  /** 47 to 49 */
  readonly underlying?: Underlying | undefined;
  /** 50: PUTO, CALL, OTHR */
  readonly optionType?: string | undefined;
  /** 51, 52: never not-applicable: then it is absent */
  readonly strikePrice?: Price | undefined;
  /** 53: EURO, AMER, ASIA, BERM, OTHR */
  readonly exerciseStyle?: string | undefined;
  /** 54: of debt instruments */
  readonly maturityDate?: string | undefined;
  /** 55: of derivatives */
  readonly expiryDate?: string | undefined;
  /** 56: PHYS, CASH, OPTL */
  readonly deliveryType?: string | undefined;
}

export type Underlying = UnderlyingLeg | SwapUnderlying;

/** Of a swap what the buyer receives, and what the buyer pays. */
export interface SwapUnderlying {
  readonly is: 'swap';
  readonly received?: UnderlyingLeg | undefined;
  readonly paid?: UnderlyingLeg | undefined;
}

export type UnderlyingLeg = UnderlyingInstrument | UnderlyingBasket;

export interface UnderlyingBasket {
  readonly is: 'basket';
  readonly instruments: readonly UnderlyingInstrument[];
}

export type UnderlyingInstrument = { readonly is: 'instrument'; readonly isin: string } | UnderlyingIndex;

export interface UnderlyingIndex {
  readonly is: 'index';
  /** 47, where the index has one */
  readonly isin?: string | undefined;
  /** 48: a code of four letters of the list, or the name where the list has none, with 25 characters at most */
  readonly name: { readonly code: string } | { readonly text: string };
  /** 49 */
  readonly term?: IndexTerm | undefined;
}

export interface IndexTerm {
  /** DAYS, WEEK, MNTH, YEAR */
  readonly unit: string;
  /** a whole number of three digits at most, as text */
  readonly value: string;
}
