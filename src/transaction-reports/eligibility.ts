import { isLei } from '../identifiers/lei.js';
import type { ReferenceAt } from '../reference-data/reference-timelines.js';
import type { FactName } from '../reports/regimes/regime.js';
import { clientIdOf, isAggregate, statedIn, type Execution } from './execution.js';
import { isOnOwnAccount, legsOf, namesFirmAlone, othersThanClient } from './legs.js';
import { membershipOf } from './place.js';
import { EXCLUSIONS } from './rts22-codes.js';
import { contradictions, MIFIR_SCOPE, outOfScope } from './scope.js';
import { fromEntry, type Source } from './trace.js';
import { isFill, unknownOfAllocation } from './transactions.js';

/** Why nothing is to be reported, and where that stands. */
export interface Ineligible {
  /** a sentence */
  reason: string;
  rule: string;
  /** whether events alone say so, and no reference data */
  isByEvents: boolean;
  /** what says so */
  sources: readonly Source[];
  /** LEI of who executed it, where that is no investment firm of the reference data at the time: then nobody here reports it */
  ofNoFirm?: string;
}

const RTS22 = 'Delegated Regulation (EU) 2017/590';

/**
 * Why an execution is no transaction of the firm's to report; undefined where it is one, or where that is not known: then
 * the report is held with what is to be mended. In this order:
 *
 * | What | Says so | Rule |
 * | --- | --- | --- |
 * | executed by another entity | `executing_entity` | MiFIR 26(1) |
 * | told twice: by the venue or broker as well | `drop_copy` | 2017/590, 15(1) |
 * | no transaction | `transaction_nature`; of securities financing unless `sftr_exempt` | 2017/590, 2(5) |
 * | transmitted, and the receiving firm reports | `transmission` complete to another, of an order for clients | 2017/590, 4(1) |
 * | the operator of the venue reports | membership, `reported_by` venue | MiFIR 26(5) |
 * | no financial instrument | `cfi`, `financial_instrument` | MiFID II, Annex I, Section C |
 * | neither the instrument nor an underlying is admitted or traded on a trading venue | `venue_traded`; or venue, instrument | MiFIR 26(2) |
 * | allocation of one client's order, which its executions report; or to the firm itself alone | client | 2017/590, 2 and 3 |
 * | allocation before anything was executed, of an order that ended so, or of what is allocated since | events | 2017/590, 2 and 3 |
 */
export function ineligible(execution: Execution): Ineligible | undefined {
  const { at, facts, firm, reference, place, instrument } = execution;
  // what executions that are not alike leave open decides nothing: the report is held
  const unknown = unknownOfAllocation(at, firm);
  const by = unknown.has('executing_entity') ? undefined : facts.text('executing_entity');
  // what is no LEI is nobody's: the report is held
  if (by !== undefined && by !== firm && isLei(by)) {
    const entry = reference.find('legal-entity', by);
    const sources = [...statedIn(facts, 'executing_entity'), ...(entry ? [fromEntry(entry)] : [])];
    const common = { rule: 'Regulation (EU) No 600/2014, Article 26(1)', isByEvents: true, sources };
    const why = whyNoFirm(by, reference);
    if (why === undefined) return { reason: `It was executed by ${by}, and is for that firm to report`, ...common };
    return { reason: `It was executed by ${by}, ${why}: no firm here reports it`, ...common, ofNoFirm: by };
  }
  if (facts.text('drop_copy') === 'true') {
    const reason = "It is a copy of what another source tells of: the other one's execution is reported";
    return { reason, rule: `${RTS22}, Article 15(1)`, isByEvents: true, sources: statedIn(facts, 'drop_copy') };
  }
  const isNatureKnown = !unknown.has('transaction_nature') && !unknown.has('sftr_exempt');
  const nature = isNatureKnown ? facts.text('transaction_nature') : undefined;
  const exclusion = EXCLUSIONS.get(nature ?? '');
  const isFinancing = nature === 'securities_financing';
  if (exclusion !== undefined && !(isFinancing && (facts.text('sftr_exempt') ?? 'false') !== 'false')) {
    const reason = `It is no transaction, but ${exclusion}`;
    const sources = statedIn(facts, 'transaction_nature', ...(isFinancing ? (['sftr_exempt'] as const) : []));
    return { reason, rule: `${RTS22}, Article 2(5)`, isByEvents: true, sources };
  }
  const isWhoseKnown = !unknown.has('transmission') && !unknown.has('trading_capacity');
  const receiver = facts.text('order_receiver');
  const isToFirm = receiver !== firm && (receiver === undefined || mayReport(receiver, reference));
  if (isWhoseKnown && isToFirm && facts.text('transmission') === 'complete' && isOfClientsAlone(execution)) {
    const whom = receiver === undefined ? 'the firm that received the order' : receiver;
    const reason = `The order was transmitted with all details: ${whom} reports`;
    const sources = statedIn(facts, 'transmission', 'order_receiver', 'trading_capacity');
    return { reason, rule: `${RTS22}, Article 4(1)`, isByEvents: true, sources };
  }
  const membership = membershipOf(firm, place, reference);
  if (membership?.attributes.reported_by === 'venue') {
    const reason = `The operator of ${place.mic} reports what the firm executes there`;
    const sources = [...place.sources, fromEntry(membership)];
    return { reason, rule: 'Regulation (EU) No 600/2014, Article 26(5)', isByEvents: false, sources };
  }
  const isInstrumentKnown = !OF_SCOPE.some((name) => unknown.has(name));
  const said = isInstrumentKnown ? outOfScope(execution) : undefined;
  if (said !== undefined) return { ...said, isByEvents: false };
  const isElsewhere = !['trading-venue', 'unknown'].includes(place.kind);
  const isNamed = facts.text('venue_traded') === 'true';
  const isOut = isInstrumentKnown && !isNamed && instrument.isOutOfScope() && contradictions(execution).length === 0;
  if (isElsewhere && isOut) {
    const reason = 'Neither the instrument nor what it is on is admitted to trading or traded on a trading venue';
    const sources = [...instrument.sources(), ...place.sources];
    return { reason, rule: MIFIR_SCOPE, isByEvents: false, sources };
  }
  const isClientKnown = !(['client_id', 'client_id_type', 'aggregated'] as const).some((name) => unknown.has(name));
  const isOfClient = !isAggregate(execution) && clientIdOf(execution) !== undefined;
  if (!isFill(at) && !at.isPerhapsOfFormer && isClientKnown && isOfClient && othersThanClient(execution).length === 0) {
    const reason =
      "It allocates what was executed for one client's order: the reports of the executions name the client";
    const sources = statedIn(facts, 'allocations', 'client_id', 'client_id_type');
    return { reason, rule: `${RTS22}, Articles 2 and 3`, isByEvents: true, sources };
  }
  const intended = unallocated(execution);
  if (intended !== undefined) {
    const sources = statedIn(facts, 'allocations');
    return { reason: intended, rule: `${RTS22}, Articles 2 and 3`, isByEvents: true, sources };
  }
  if (!isFill(at) && legsOf(execution).length === 0) {
    const reason = 'It allocates nothing to anybody but the firm itself, which the reports of the executions have';
    const sources = statedIn(facts, 'allocations');
    return { reason, rule: `${RTS22}, Articles 2 and 3`, isByEvents: namesFirmAlone(execution), sources };
  }
  return undefined;
}

/** What executions that are allocated together must say alike for it to be known whether their instrument is reported. */
const OF_SCOPE: readonly FactName[] = ['isin', 'symbol', 'financial_instrument', 'venue_traded'];

/** Why who executed something is no firm whose reports are made here; undefined where it is one. */
function whyNoFirm(lei: string, reference: ReferenceAt): string | undefined {
  const entry = reference.find('legal-entity', lei);
  if (entry?.attributes.investment_firm === 'yes') return undefined;
  if (reference.valuesEver('legal-entity', lei, 'investment_firm').includes('yes'))
    return 'which is an investment firm by the reference data at other times, and was none then';
  return entry ? 'which is no investment firm by the reference data' : 'which is not in the reference data';
}

/** Why what was allocated before anything was executed is not to be reported; undefined where it is asked what came of it. */
function unallocated({ at, facts }: Execution): string | undefined {
  const { intention, row } = at;
  if (intention === 'allocated')
    return 'It allocates what was not executed yet, as it was intended: what was executed is allocated since';
  // another event may tell of what was executed, and recorded of another order
  if (intention === 'over' && ['decide', 'create', 'modify'].includes(row.action))
    return 'It allocates what was not executed: the order ended without an execution';
  const isOfOrder = ['decide', 'create'].includes(row.action) && !facts.isOwn('parent_order_id');
  if (intention === 'open' && isOfOrder)
    return 'It allocates what was not executed yet, as it is intended: nothing was executed so far';
  return undefined;
}

/** Whether who received an order may be a firm that reports: by an LEI, and not one that the reference data say is none. */
export function mayReport(receiver: string, reference: ReferenceAt): boolean {
  return isLei(receiver) && reference.find('legal-entity', receiver)?.attributes.investment_firm !== 'no';
}

/** Whether all of it is for clients: of what is on own account, and of a capacity that nobody knows, nobody else reports. */
function isOfClientsAlone(execution: Execution): boolean {
  const capacity = execution.facts.text('trading_capacity');
  if (capacity === undefined ? isOnOwnAccount(execution) : !OF_CLIENTS.includes(capacity)) return false;
  return !legsOf(execution).some(({ own }) => own.is === 'firm');
}

const OF_CLIENTS = ['matched_principal', 'any_other'];
