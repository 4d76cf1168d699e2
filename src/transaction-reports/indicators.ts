import { createHash } from 'node:crypto';
import { isMicShaped } from '../identifiers/mic.js';
import type { ReferenceAt } from '../reference-data/reference-timelines.js';
import { itemsOf } from '../reports/regimes/regime.js';
import { branchCountry, clientIdOf, isAggregate, type Execution } from './execution.js';
import { mayReport } from './eligibility.js';
import type { Leg, Role } from './legs.js';
import { isOnCommodities } from './rules/facts.js';
import { ENDED, UNSAID } from './transmission.js';
import { membershipOf } from './place.js';
import { rts22Code } from './rts22-codes.js';
import { byDefault, fromEntry, fromEvent, type Stated, type Trace } from './trace.js';
import type { Facts } from './transactions.js';
import type { NewReport } from './transaction-report.js';

/** Field 3: of the market side of an execution on a trading venue. */
export function venueTransactionId({ facts, place }: Execution, trace: Trace, leg: Leg): string | undefined {
  if (!leg.isMarketSide || place.kind !== 'trading-venue') return undefined;
  const stated = facts.get('venue_transaction_id');
  const rule = "the venue's code of the transaction, of its market side";
  if (stated) trace.say([3], rule, [fromEvent(stated)]);
  else trace.mend(3, rule, 'venue_transaction_id must be stated of executions on a trading venue');
  return stated?.text;
}

/** Field 37: of the market side of an execution on a trading venue, or on a platform outside of the EEA. */
export function branchMembershipCountry(execution: Execution, trace: Trace, leg: Leg): string | undefined {
  const { place, firm, reference } = execution;
  if (!leg.isMarketSide || !['trading-venue', 'outside-eea'].includes(place.kind)) return undefined;
  const membership = membershipOf(firm, place, reference);
  const rule = 'the country of the branch whose membership was used';
  if (!membership) {
    trace.mend(37, rule, `membership ${firm}/${place.mic} is not in the reference data`);
    return undefined;
  }
  const found = branchCountry(execution, membership.attributes.branch);
  if (typeof found === 'string') {
    trace.mend(37, rule, found);
    return undefined;
  }
  trace.say([37], rule, [fromEntry(membership), ...found.sources]);
  return found.country;
}

/** Field 40: as events have it where that fits, otherwise made of it, so that one text gives one id always. */
export function complexTradeId({ facts }: Execution, trace: Trace): string | undefined {
  const stated = facts.get('complex_trade_id');
  if (!stated) return undefined;
  const fits = /^[A-Z0-9]{1,35}$/.test(stated.text);
  const rule = 'the same of all executions of one combination';
  trace.say([40], fits ? rule : `${rule}: 35 characters of the SHA-256 in base 36`, [fromEvent(stated)]);
  if (fits) return stated.text;
  const digest = createHash('sha256').update(stated.text).digest('hex');
  return BigInt(`0x${digest}`).toString(36).toUpperCase().padStart(50, '0').slice(0, 35);
}

/** Field 61, of the market side of an execution on a trading venue. */
export function waivers({ facts, place }: Execution, trace: Trace, leg: Leg): readonly string[] {
  const stated = facts.get('waivers');
  if (!stated || !leg.isMarketSide || place.kind !== 'trading-venue') return [];
  trace.say([61], 'the waivers of the execution', [fromEvent(stated)], 'waivers');
  return itemsOf(stated.text).map((code) => rts22Code('waivers', code));
}

/**
 * Field 62: of instruments that Regulation (EU) No 236/2012 is on, where the seller is the firm or its client. Where both
 * sell, the client and then the firm on own account, `short_sale` is of the client.
 */
export function shortSelling(execution: Execution, trace: Trace, leg: Leg, seller: Role): string | undefined {
  const { facts, instrument, reference } = execution;
  const counterparty = facts.text('counterparty_id');
  const isClient =
    seller.is === 'client' ||
    (seller.is === 'market' && counterparty !== undefined && reference.find('client', counterparty) !== undefined);
  if (seller.is !== 'firm' && !isClient) return undefined;
  const stated = instrument.entry?.attributes.short_selling;
  const applies = stated === undefined ? (instrument.cfi?.startsWith('E') ?? false) : stated === 'yes';
  if (!applies) return undefined;
  const isForClient = clientIdOf(execution) !== undefined || isAggregate(execution);
  const isBesideClient = seller.is === 'firm' && seller === leg.own && isForClient;
  const ofFirm = seller.is === 'firm' ? facts.get('firm_short_sale') : undefined;
  const ofAny = isBesideClient ? undefined : facts.get('short_sale');
  // an execution's own goes before its order's
  const own = [ofFirm, ofAny].find((each) => each && facts.isOwn(each.name as 'short_sale'));
  const sale = leg.allocation?.get('short_sale') ?? own ?? laterOf(ofFirm, ofAny);
  const rule = 'whether it is a short sale';
  if (!sale) {
    const what = isBesideClient
      ? "firm_short_sale must be stated of the firm's sale beside that of the client"
      : 'short_sale must be stated of sales';
    trace.mend(62, rule, what);
    return undefined;
  }
  trace.say([62], rule, [fromEvent(sale)], 'shortSelling');
  return rts22Code('shortSelling', sale.text);
}

/** What was stated later; of one event the first. */
function laterOf(a: Stated | undefined, b: Stated | undefined): Stated | undefined {
  if (!a || !b) return a ?? b;
  return BigInt(b.sequence) > BigInt(a.sequence) ? b : a;
}

/** Field 63, of what is executed off a trading venue. */
export function postTradeIndicators({ facts, place }: Execution, trace: Trace, leg: Leg): readonly string[] {
  const stated = facts.get('otc_flags');
  if (!stated || !leg.isAtPlace || place.kind === 'trading-venue') return [];
  trace.say([63], 'what was said when it was published', [fromEvent(stated)], 'otcFlags');
  return itemsOf(stated.text).map((code) => rts22Code('otcFlags', code));
}

/** Field 64, of commodity derivatives. */
export function reducesRisk({ facts, instrument }: Execution, trace: Trace): boolean | undefined {
  if (!isOnCommodities(instrument.cfi ?? '')) return undefined;
  const stated = facts.get('commodity_risk_reducing');
  const rule = 'whether a commodity derivative reduces the risk of commercial activity';
  if (!stated) {
    trace.mend(64, rule, 'commodity_risk_reducing must be stated of commodity derivatives');
    return undefined;
  }
  trace.say([64], rule, [fromEvent(stated)]);
  return stated.text === 'true';
}

/** Field 65: securities financing is a transaction only where it is exempt from reports of its own. */
export function isSecuritiesFinancing({ facts }: Execution, trace: Trace): boolean {
  const nature = facts.get('transaction_nature');
  const exempt = facts.get('sftr_exempt');
  const sources = [...(nature ? [fromEvent(nature)] : []), ...(exempt ? [fromEvent(exempt)] : [])];
  if (sources.length === 0)
    trace.say([65], 'false by default: no event says that it is securities financing', [byDefault(65)]);
  else trace.say([65], 'securities financing that Regulation (EU) 2015/2365 does not have reported', sources);
  return nature?.text === 'securities_financing' && exempt?.text === 'true';
}

/**
 * Fields 25 to 27. Those who transmitted an order stand with the client whose order it is. The firm transmits orders of
 * clients, or that it made for clients under a mandate, and none on own account (2017/590, Article 4(1)(a)).
 */
export function transmissionOf(
  execution: Execution,
  trace: Trace,
  { isOwnAccount, ...roles }: { buyer: Role; seller: Role; isOwnAccount: boolean },
): Pick<NewReport, 'isTransmitted' | 'transmittingFirmForBuyer' | 'transmittingFirmForSeller'> {
  const { facts, firm, reference } = execution;
  const transmission = facts.get('transmission');
  const isReceived = facts.text('order_receiver') === firm;
  const rule = isOwnAccount
    ? 'what is on own account is not transmitted'
    : 'transmitted without the details of Article 4';
  const capacity = isOwnAccount ? facts.get('trading_capacity') : undefined;
  mendUnknownTransmission(execution, isOwnAccount, trace);
  const sources = [...(transmission ? [transmission] : []), ...(capacity ? [capacity] : [])];
  if (sources.length > 0) trace.say([25], rule, sources.map(fromEvent));
  else if (isOwnAccount) trace.say([25], `${rule}: false by default`, [byDefault(25)]);
  else {
    const none = 'no event says that the order was transmitted without the details of Article 4';
    trace.say([25], `false by default: ${none}`, [byDefault(25)]);
  }
  if (transmission?.text === 'incomplete' && isReceived) {
    const text =
      'transmission must not be incomplete of what the firm received: the firm that transmitted it is its client, in an order of its own';
    trace.mend(25, rule, text);
  }
  if (transmission?.text === 'complete' && !isReceived) {
    const receiver = facts.text('order_receiver');
    const text =
      receiver === undefined || mayReport(receiver, reference)
        ? 'transmission must not be complete of what is on own account, or of both that and an order of clients'
        : `transmission must not be complete to order_receiver ${receiver}, which is no LEI of an investment firm: nobody would report`;
    trace.mend(25, rule, text);
  }
  const transmitting = facts.get('transmitting_firm');
  const hasClient = [roles.buyer, roles.seller].some(({ is }) => is === 'client');
  if (transmission?.text === 'complete' && isReceived && hasClient && !transmitting) {
    const field = roles.seller.is === 'client' ? 27 : 26;
    trace.mend(
      field,
      'who transmitted the order',
      'transmitting_firm must be stated of an order that the firm received',
    );
  }
  const of = (role: Role, field: 26 | 27): string | undefined => {
    if (!transmitting || role.is !== 'client') return undefined;
    trace.say([field], "who transmitted the client's order with the details of Article 4", [fromEvent(transmitting)]);
    return transmitting.text;
  };
  return {
    isTransmitted: !isOwnAccount && transmission?.text === 'incomplete',
    transmittingFirmForBuyer: of(roles.buyer, 26),
    transmittingFirmForSeller: of(roles.seller, 27),
  };
}

/**
 * An order that another firm received, by its LEI or whatever somebody calls it: who executed it, and who reports, is not known
 * unless it is said how it was sent.
 */
function mendUnknownTransmission({ facts, firm, reference }: Execution, isOwnAccount: boolean, trace: Trace): void {
  if (facts.text('transmission') === ENDED) {
    const text =
      'transmission must be stated of what is executed after a cancel, expire or reject of an order that was transmitted: what it was where the other firm executed it, none where it did not';
    trace.mend(25, 'whether the order was transmitted', text);
  }
  const receiver = facts.text('order_receiver');
  if (receiver === undefined || receiver === firm || isVenue(receiver, facts, reference)) return;
  if (![undefined, UNSAID].includes(facts.text('transmission'))) return;
  // nothing is transmitted, and the other side is known
  if (isOwnAccount && facts.get('counterparty_id')) return;
  const text = `transmission must say how the order was sent to order_receiver ${receiver}: complete, incomplete or none`;
  trace.mend(25, 'whether the order was transmitted', text);
}

/** Whether an order went to a venue, by a MIC that the reference data or the execution have: brokers have codes of four letters too. */
function isVenue(receiver: string, facts: Facts, reference: ReferenceAt): boolean {
  if (!isMicShaped(receiver)) return false;
  return (
    [facts.text('exchange'), facts.text('segment_mic')].includes(receiver) ||
    reference.find('venue', receiver) !== undefined
  );
}
