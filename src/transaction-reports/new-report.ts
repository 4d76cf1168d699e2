import { netAmountOf, priceOf, quantityOf, upFrontPaymentOf } from './amounts.js';
import { executionDecision, investmentDecision } from './decisions.js';
import { directionOf } from './direction.js';
import { clientIdOf, isAggregate, isFirmStated, leiOf, statedIn, type Execution } from './execution.js';
import {
  branchMembershipCountry,
  complexTradeId,
  isSecuritiesFinancing,
  postTradeIndicators,
  reducesRisk,
  shortSelling,
  transmissionOf,
  venueTransactionId,
  waivers,
} from './indicators.js';
import type { FactName } from '../reports/regimes/regime.js';
import { tradeTimeOf } from '../reports/trade-time.js';
import { executionOfLeg, isOnOwnAccount, othersThanClient, type Leg, type Role } from './legs.js';
import { OF_ONE_CLIENT, WITHOUT_CLIENT_ID } from './client-types.js';
import { partyOf } from './parties.js';
import { NOT_ADMITTED, OFF_VENUE } from './rules/facts.js';
import { rts22Code } from './rts22-codes.js';
import { contradictions, isSaidOutOfScope } from './scope.js';
import { mendUnknownCodes } from './stated-codes.js';
import { fromEntry, type Trace } from './trace.js';
import { contradictedByAllocation, isFill, unknownOfAllocation } from './transactions.js';
import { transactionReference } from './transaction-reference.js';
import type { Cancellation, Instrument, NewReport, Party } from './transaction-report.js';

/** The report of one transaction of an execution: its 65 fields, right or wrong; the trace says how they came about. */
export function newReport(whole: Execution, leg: Leg, trace: Trace): NewReport {
  const execution = executionOfLeg(whole, leg);
  const { facts } = execution;
  const isPart = leg.allocation !== undefined;
  mendUnknownCodes(facts, trace);
  mendWhose(execution, trace);
  mendContradictedClient(execution, trace);
  mendPerhapsOfAnotherClient(execution, trace);
  mendAggregatedOrder(execution, trace);
  mendOtherClients(whole, trace);
  const { buyer: buying, seller: selling } = sidesOf(execution, leg, trace);
  const buyer = partyOf(buying, execution, trace, 7);
  const seller = partyOf(selling, execution, trace, 16);
  if (isForSeveralWithItself(execution, leg, { buyer, seller })) {
    const text =
      'who executed it for several clients on own account must have another on the other side: where that is the firm itself, each client is to be recorded with an execution of its own';
    trace.mend(leg.own === buying ? 16 : 7, 'the other side of the market', text);
  }
  const isOwnAccount = leg.own.is === 'firm' || isOnOwnAccount(execution);
  const quantity = quantityOf(execution, trace, isPart);
  if (leg.overAllocated !== undefined) {
    const text = `allocations come to ${leg.overAllocated}, which is more than the ${whole.facts.text('quantity')} that was executed`;
    trace.mend(30, 'the quantity that was executed', text);
  }
  if (whole.at.overAllocation) {
    const { allocated, executed } = whole.at.overAllocation;
    const text = `allocations come to ${allocated}, which is more than the ${executed} that was executed and not allocated before: correct these or the executions, or void what was allocated twice`;
    trace.mend(30, 'the quantity that was executed', text);
  }
  const price = priceOf(execution, trace, isPart);
  const change = facts.get('notional_change');
  if (change) trace.say([32], 'the change of the notional', statedIn(facts, 'notional_change'), 'notionalChange');
  return {
    status: 'NEWT',
    ...identification(execution, leg.leg, trace, 'the execution is reported'),
    isInvestmentFirm: isInvestmentFirm(execution, trace),
    venueTransactionId: venueTransactionId(execution, trace, leg),
    ...{ buyer, seller },
    ...transmissionOf(execution, trace, { buyer: buying, seller: selling, isOwnAccount }),
    tradingTime: tradingTime(execution, trace),
    tradingCapacity: tradingCapacity(execution, leg, trace),
    ...{ quantity, price },
    notionalChange: change && rts22Code('notionalChange', change.text),
    netAmount: netAmountOf(execution, trace, { price, quantity, ...(isPart ? { whole } : {}) }),
    venue: venueOf(execution, leg, trace),
    branchMembershipCountry: branchMembershipCountry(execution, trace, leg),
    upFrontPayment: upFrontPaymentOf(execution, trace, isPart ? whole : undefined),
    complexTradeId: complexTradeId(execution, trace),
    instrument: instrumentOf(execution, trace),
    investmentDecision: investmentDecision(execution, trace, {
      isOwnAccount,
      part: leg.allocation,
      parties: [buyer, seller],
    }),
    execution: executionDecision(execution, trace),
    waivers: waivers(execution, trace, leg),
    shortSelling: shortSelling(execution, trace, leg, selling),
    postTradeIndicators: postTradeIndicators(execution, trace, leg),
    reducesRisk: reducesRisk(execution, trace),
    isSecuritiesFinancing: isSecuritiesFinancing(execution, trace),
  };
}

/** What is for several clients, and has the firm on both sides. */
function isForSeveralWithItself(
  execution: Execution,
  leg: Leg,
  { buyer, seller }: { buyer: Party; seller: Party },
): boolean {
  if (leg.own.is !== 'firm' || leg.other.is !== 'market' || !isAggregate(execution)) return false;
  return [buyer, seller].every(
    ({ owners: [owner] }) => owner?.id.is === 'legal-entity' && owner.id.lei === execution.firm,
  );
}

/** What would have a transaction reported by the wrong firm, or twice. */
function mendWhose({ at, eventId, facts, firm, reference }: Execution, trace: Trace): void {
  const { event_id: id, corrects } = at.row;
  if (id === eventId && corrects !== null) {
    const text = `the event corrects ${corrects}, which is no earlier event of its order: correct that one, and void this`;
    trace.mend(1, 'whether it is an execution of its own', text);
  }
  const { row, content } = at.fill ?? at;
  const ofLast = at.fill && row.action !== content.action ? [row.action] : [];
  for (const action of [...ofLast, ...(at.undecided ?? [])]) {
    const text = `${action} does not say what became of the execution that it corrects: correct it by fill or partial_fill, with all that holds now, or by void`;
    trace.mend(1, 'whether it is an execution', text);
  }
  if (at.outdated) {
    const { eventId: last, corrects, holds } = at.outdated;
    const text = `event ${last} corrects ${corrects}, whose place another correction had taken, so that what it says does not count: correct event ${holds}, with all that holds now`;
    trace.mend(1, 'which correction counts', text);
  }
  if (at.toldBefore) {
    const { eventId, orderId } = at.toldBefore;
    const [of, by] =
      orderId === undefined
        ? ['the order', `event ${eventId}`]
        : ['its source, venue, instrument, side and day', `event ${eventId} of order ${orderId}`];
    const text = `execution_id must be of no other execution of ${of}: ${by} tells of it already. Void one of both, or state drop_copy: true if this is a copy, false if it is another execution`;
    trace.mend(1, 'whether it is an execution of its own', text);
  }
  if (at.isOfFormer) {
    const text =
      'an execution must not be before its order began: another order had its id before, of which nothing is known any more';
    trace.mend(28, 'of which order it is', text);
  }
  if (at.isPerhapsOfFormer) {
    const text =
      'execution_time, isin or symbol must say of which order the allocation is: of the one that had its id before, executions are not allocated';
    trace.mend(28, 'of which order it is', text);
  }
  const instruments = namedBySymbolAlone(at, reference);
  const isin = facts.text('isin') ?? '';
  if (instruments.length > 0 && !instruments.includes(isin)) {
    const text = `isin must be as what is allocated has it, by its symbol (${instruments.join(', ')}), or not be stated`;
    trace.mend(41, 'of which executions it is', text);
  }
  const by = facts.text('executing_entity');
  const unknown = unknownOfAllocation(at, firm);
  const contradicted = contradictedByAllocation(at, firm);
  for (const name of unknown) {
    const executed = contradicted.includes(name) ? at.facts.takenText(name) : undefined;
    const text = contradicted.includes(name)
      ? `${name} must be as what is allocated has it${executed === undefined ? ', which does not say it' : ` (${executed})`}, or not be stated`
      : `${name} must be stated with the allocation, as the last execution has it, or each execution allocate itself: those before it do not say the same`;
    trace.mend(FIELDS_OF_WHOSE[name] ?? 1, 'of which executions it is', text);
  }
  if (by !== undefined && by !== firm && !unknown.has('executing_entity'))
    trace.mend(4, 'who executed it', `executing_entity ${by} must be an LEI`);
}

/** Of an allocation that states an ISIN, of what was executed by a symbol alone: the instruments that have this symbol. */
function namedBySymbolAlone(at: Execution['at'], reference: Execution['reference']): readonly string[] {
  const { facts } = at;
  if (at.fill === undefined || isFill(at) || !facts.isOwn('isin') || facts.takenText('isin') !== undefined) return [];
  const symbol = facts.takenText('symbol');
  return symbol === undefined ? [] : reference.findHaving('instrument', 'symbol', symbol).map(({ id }) => id);
}

const FIELDS_OF_WHOSE: Partial<Record<FactName, number>> = {
  ...{
    executing_entity: 4,
    aggregated: 7,
    client_id: 7,
    client_id_type: 7,
    received_currency: 7,
    side: 7,
    swap_role: 7,
  },
  ...{ transmission: 25, trading_capacity: 29, notional_change: 32, currency: 34, isin: 41, symbol: 41 },
  ...{ financial_instrument: 41, venue_traded: 41, transaction_nature: 65, sftr_exempt: 65 },
};
/**
 * What would leave a client out: where one is named, and it is said that there is none, or several; or where it is said what
 * the client is, and nobody is named.
 */
function mendContradictedClient({ facts, firm, reference }: Execution, trace: Trace): void {
  const [client, type] = [facts.get('client_id'), facts.get('client_id_type')];
  if (!client && OF_ONE_CLIENT.includes(type?.text ?? ''))
    trace.mend(7, 'whose order it is', `client_id must be stated with client_id_type ${type!.text}`);
  if (!client || leiOf(client.text, reference) === firm) return;
  const beside = WITHOUT_CLIENT_ID.includes(type?.text ?? '')
    ? `client_id_type ${type!.text}`
    : facts.text('aggregated') === 'true' && 'aggregated';
  if (beside) trace.mend(7, 'whose order it is', `client_id ${client.text} must not be stated with ${beside}`);
}

/** What would be said of a client, and perhaps was of another one. */
function mendPerhapsOfAnotherClient({ facts, perhapsOfAnotherClient }: Execution, trace: Trace): void {
  const said = perhapsOfAnotherClient.filter(([name]) => !OF_A_PERSON.has(name));
  if (said.length === 0) return;
  const names = said.map(([name]) => name).sort();
  const clients = [...new Set(said.map(([, saidOf]) => saidOf))].join(', ');
  const text = `${names.join(', ')} must be stated of client ${facts.text('client_id')}: they were said of ${clients}, who is not in the reference data and may be another one`;
  trace.mend(7, 'whose order it is', text);
}

/** What is said of a client who is named by no LEI alone; one of the two is. */
const OF_A_PERSON: ReadonlySet<FactName> = new Set<FactName>([
  ...(['client_id_type', 'client_first_names', 'client_surnames', 'client_birth_date'] as const),
]);

/** What goes to others than the client for whom it was executed: nobody knows whose it was then. */
function mendOtherClients(execution: Execution, trace: Trace): void {
  const others = othersThanClient(execution);
  if (others.length === 0) return;
  const text = `allocations name ${others.join(', ')}, and the executions are of ${clientIdOf(execution)}: aggregated must be stated of an order for several clients`;
  trace.mend(7, 'whose order it is', text);
}

/** What would be reported once more with the allocations of the order in which it was executed with others. */
function mendAggregatedOrder(execution: Execution, trace: Trace): void {
  const { at, facts } = execution;
  if (!isFill(at) || isAggregate(execution)) return;
  const group = facts.text('aggregation_group');
  if (group === undefined || facts.get('drop_copy')) return;
  const text = `drop_copy must say of an order in aggregation_group ${group} whether the aggregated one tells of the execution (true), or this one alone does (false)`;
  trace.mend(7, 'whose order it is', text);
}

/** The report that takes back the one of a version and leg. */
export function cancellation(execution: Execution, leg: number, trace: Trace): Cancellation {
  return { status: 'CANC', ...identification(execution, leg, trace, 'what was reported holds no more') };
}

/** Fields 1, 2, 4 and 6. */
function identification(
  execution: Execution,
  leg: number,
  trace: Trace,
  why: string,
): Pick<NewReport, 'transactionReference' | 'executingEntity' | 'submittingEntity'> {
  const { eventId, version, at, facts, firmEntry, submittingEntry } = execution;
  const stated = { event_id: at.content.event_id, sequence: at.row.sequence, name: 'event_id' };
  trace.say([1], why, [stated]);
  trace.say([2], 'event as first recorded, version of its content, and leg', [stated]);
  const entry = firmEntry ? [fromEntry(firmEntry)] : [];
  const whose = isFirmStated(execution)
    ? 'who executed it, as an event states'
    : 'the firm that is asked for, or the only investment firm';
  trace.say([4], whose, [...statedIn(facts, 'executing_entity'), { parameter: 'executing_entity' }, ...entry]);
  const isByItself = submittingEntry?.attributes.submitting_entity === undefined;
  const rule = isByItself ? 'the firm submits its reports itself' : "who submits the firm's reports when they are";
  const ofSubmitter = submittingEntry ? [fromEntry(submittingEntry)] : [];
  trace.say([6], rule, [{ parameter: 'executing_entity' }, ...ofSubmitter]);
  return {
    transactionReference: transactionReference(eventId, version, leg),
    ...submittedBy(execution),
  };
}

/** Whose report it is, and who submits it. */
export function submittedBy({ firm, submittingEntry }: Execution): {
  executingEntity: string;
  submittingEntity: string;
} {
  return { executingEntity: firm, submittingEntity: submittingEntry?.attributes.submitting_entity ?? firm };
}

function isInvestmentFirm({ firm, firmEntry }: Execution, trace: Trace): boolean | undefined {
  const stated = firmEntry?.attributes.investment_firm;
  const rule = 'whether the firm is an investment firm';
  if (stated === undefined) {
    const what = firmEntry ? `legal entity ${firm} has no investment_firm` : `legal entity ${firm} is not`;
    trace.mend(5, rule, `${what} in the reference data`);
    return undefined;
  }
  trace.say([5], rule, [fromEntry(firmEntry!)]);
  return stated === 'yes';
}

/** Who buys and who sells: `side` and its like are of the leg's own side. Where that is not known, as if it bought. */
function sidesOf(execution: Execution, leg: Leg, trace: Trace): { buyer: Role; seller: Role } {
  const { facts, instrument } = execution;
  const direction = directionOf({
    ...{ cfi: instrument.cfi, currencies: instrument.currencies },
    side: facts.text('side'),
    role: facts.text('swap_role'),
    receivedCurrency: facts.text('received_currency'),
    notionalChange: facts.text('notional_change'),
  });
  if (typeof direction === 'string') {
    for (const field of [7, 16]) trace.mend(field, 'who is the buyer', direction);
    return { buyer: leg.own, seller: leg.other };
  }
  const sources = statedIn(facts, 'side', 'swap_role', 'received_currency', 'notional_change');
  trace.say([7, 16], direction.rule, sources);
  return direction.side === 'buy' ? { buyer: leg.own, seller: leg.other } : { buyer: leg.other, seller: leg.own };
}

function tradingTime(
  { at, facts, fill, time, timeSource, isTimeReadable }: Execution,
  trace: Trace,
): string | undefined {
  const rule = 'the time of the execution; of an allocation that of the last one before it';
  if (!isTimeReadable) trace.mend(28, rule, 'execution_time must be a time by RFC 3339, of the years 1970 to 2199');
  if (!fill) {
    trace.mend(28, rule, nothingToAllocate(at, facts));
    return undefined;
  }
  if (at.intention === 'executed') trace.mend(28, rule, nothingToAllocate(at, facts));
  const own = isFill(at) || !facts.isOwn('execution_time') ? undefined : tradeTimeOf(at.content);
  if (own?.from === 'execution_time' && !areOneInstant(own.time, time)) {
    const text = `execution_time ${own.time} must be that of the last execution before the allocation, ${time}, or not be stated: what was executed earlier is allocated by itself, or by a correction`;
    trace.mend(28, rule, text);
  }
  trace.say([28], rule, [timeSource]);
  return time;
}

/** What is to be done about an allocation of nothing. */
function nothingToAllocate({ intention }: Execution['at'], facts: Execution['facts']): string {
  if (intention === 'executed')
    return 'allocations were stated before the executions: they must be stated again, of what was executed and with the price of each, by an event after them or by each execution';
  const parent = facts.isOwn('parent_order_id') ? facts.text('parent_order_id') : undefined;
  if (parent !== undefined)
    return `allocations of what was executed for order ${parent} must be recorded as an event of that order, with its id as entity_id: nothing was executed for the order that has parent_order_id ${parent}`;
  return 'the order has no execution before it that could be allocated: what an execution allocates itself, all of it, is allocated already';
}

/** Whether two canonical times are one, as far as the coarser of them says. */
function areOneInstant(a: string, b: string): boolean {
  const digits = Math.min(a.length, b.length) - 'Z'.length;
  return a.slice(0, digits) === b.slice(0, digits);
}

function tradingCapacity({ facts }: Execution, leg: Leg, trace: Trace): string | undefined {
  const stated = facts.get('trading_capacity');
  const rule = 'in which capacity the firm acts';
  if (leg.allocation && leg.own.is === 'firm') {
    trace.say([29], 'on own account: the part that the firm itself gets', statedIn(facts, 'allocations'), 'capacity');
    return rts22Code('capacity', 'own_account');
  }
  if (!stated) {
    trace.mend(29, rule, 'trading_capacity must be stated');
    return undefined;
  }
  trace.say([29], rule, statedIn(facts, 'trading_capacity'), 'capacity');
  return rts22Code('capacity', stated.text);
}

/** Field 36. */
function venueOf({ place, instrument }: Execution, leg: Leg, trace: Trace): string | undefined {
  if (place.toMend !== undefined && (leg.isAtPlace || !instrument.isListed())) {
    trace.mend(36, place.rule, place.toMend);
    if (place.mic !== undefined) trace.say([36], place.rule, place.sources);
    return place.mic;
  }
  if (leg.isAtPlace && place.kind !== 'off-venue') {
    trace.say([36], place.rule, place.sources);
    return place.mic;
  }
  const isTraded = instrument.isListed() || place.kind === 'trading-venue';
  const ofInstrument = instrument.entry ? [fromEntry(instrument.entry)] : [];
  const how = leg.isAtPlace ? place.rule : 'between firm and client, off venue';
  trace.say([36], `${how}: ${isTraded ? 'XOFF' : 'XXXX'} by the instrument`, [...place.sources, ...ofInstrument]);
  return isTraded ? OFF_VENUE : NOT_ADMITTED;
}

/** What is to be said of what nobody can describe so. */
const OR_OUT =
  'or venue_traded be stated as false where neither it nor what it is on is traded on one, or financial_instrument where it is none';

/** Fields 41 to 56: by ISIN where it was executed on a venue or with an internaliser, or is on the reference list. */
function instrumentOf(execution: Execution, trace: Trace): Instrument {
  const { instrument, place } = execution;
  for (const { field, text } of contradictions(execution)) trace.mend(field, 'whether it is reported', text);
  const isByIsin = ['trading-venue', 'systematic-internaliser'].includes(place.kind) || instrument.isListed();
  const rule = 'the instrument';
  const { entry, isin } = instrument;
  const isSaidOut = isSaidOutOfScope(execution);
  const { ambiguousSymbol: symbol, otherSymbol: other, unknownSymbol } = instrument;
  if (other !== undefined) {
    const text = `isin must be stated beside symbol ${other.text}, which is of ${other.isin}, and not of the ISIN that was stated before`;
    trace.mend(41, rule, text);
  }
  if (symbol !== undefined) trace.mend(41, rule, `isin must be stated: several instruments have the symbol ${symbol}`);
  else if (unknownSymbol !== undefined) {
    const text = `symbol ${unknownSymbol} is of no instrument in the reference data: isin must be stated, or an entry have that symbol`;
    trace.mend(
      41,
      rule,
      isByIsin || isSaidOut
        ? text
        : `${text}, or the instrument be described, with an underlying that is traded on a venue, ${OR_OUT}`,
    );
  } else if (isByIsin && isin === undefined)
    trace.mend(41, rule, 'isin, or a symbol that an entry has, must be stated');
  if (!entry && isin !== undefined && instrument.cfi === undefined)
    trace.mend(41, rule, `instrument ${isin} is not in the reference data, and no cfi is stated`);
  if (!isByIsin) {
    for (const each of instrument.unknownUnderlyings())
      trace.mend(47, 'whether the underlying is traded on a venue', `instrument ${each} is not in the reference data`);
    for (const each of instrument.hasListedUnderlying() ? [] : instrument.unknownIndices()) {
      const text = `the ISIN of index ${each} must be named, with an entry that says whether it is traded on a venue`;
      trace.mend(47, 'whether the underlying is traded on a venue', text);
    }
    const isTold = symbol !== undefined || unknownSymbol !== undefined;
    if (!isTold && !isSaidOut && !entry && isin === undefined && !instrument.hasListedUnderlying()) {
      const text = `an instrument without isin must be described, with an underlying that is traded on a venue, ${OR_OUT}`;
      trace.mend(41, rule, text);
    }
  }
  return instrument.report(trace, isByIsin);
}
