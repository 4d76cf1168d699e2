import { isCountry } from '../identifiers/country.js';
import { isLei } from '../identifiers/lei.js';
import { isNationalIdShaped, personIdSchemes } from '../identifiers/national-id.js';
import type { ReferenceAt, ReferenceEntry } from '../reference-data/reference-timelines.js';
import { itemsOf, type FactName } from '../reports/regimes/regime.js';
import {
  branchCountry,
  statedIn,
  transmittingFirmOf,
  type CountryOf,
  type Execution,
  type TransmittingFirm,
} from './execution.js';
import type { Role } from './legs.js';
import { isConcat, personOf } from './persons.js';
import { isOnSameMarket, withCentralCounterparty } from './place.js';
import { fromEntry, fromEvent, type Source, type Stated, type Trace } from './trace.js';
import type { AccountOwner, DecisionMaker, LegalEntity, NaturalPerson, Party } from './transaction-report.js';

const NOBODY: Party = { owners: [], decisionMakers: [] };

/** Takes down what is said of one side: of the buyer from field 7 on, of the seller from 16 on. */
class SideTrace {
  constructor(
    private readonly trace: Trace,
    private readonly first: 7 | 16,
  ) {}

  /** `at`: 0 the id, 1 the branch, 2 to 4 names and birth, 5 the decision maker, 6 to 8 its names and birth */
  say(at: number, rule: string, sources: readonly Source[]): void {
    this.trace.say([this.first + at], rule, sources);
  }

  mend(at: number, rule: string, text: string): void {
    this.trace.mend(this.first + at, rule, text);
  }

  /** A person's names and date of birth, from the same sources as the id. */
  sayPerson(at: 2 | 6, person: NaturalPerson | LegalEntity, sources: readonly Source[]): void {
    if (person.is !== 'person') return;
    const { firstNames, surnames, birthDate } = person;
    for (const [i, text] of [firstNames, surnames, birthDate].entries()) {
      if (text !== undefined) this.say(at + i, 'of the natural person', sources);
    }
  }
}

/** Fields 7 to 15 of the buyer, or 16 to 24 of the seller, by who that is. */
export function partyOf(role: Role, execution: Execution, trace: Trace, first: 7 | 16): Party {
  const side = new SideTrace(trace, first);
  switch (role.is) {
    case 'firm':
      side.say(0, 'the firm, which deals on own account', [{ parameter: 'executing_entity' }]);
      return legalEntity(execution.firm);
    case 'aggregate': {
      const sources = statedIn(execution.facts, 'client_id_type', 'aggregated', 'allocations');
      side.say(0, "the firm's aggregate client account", sources);
      return { owners: [{ id: { is: 'aggregate-account' } }], decisionMakers: [] };
    }
    case 'client':
      return clientOf(role, execution, side, { transmitting: transmittingFirmOf(execution) });
    case 'market':
      return otherSideOf(execution, side);
  }
}

function legalEntity(lei: string): Party {
  return { owners: [{ id: { is: 'legal-entity', lei } }], decisionMakers: [] };
}

/**
 * Who is on the other side: the receiving firm of an order that was transmitted without all details; whom the event
 * names; of an internaliser its operator; of an anonymous execution on a venue the central counterparty, or where there
 * is none the venue itself.
 */
function otherSideOf({ facts, place, reference, ...rest }: Execution, side: SideTrace): Party {
  const receiver = facts.get('order_receiver');
  if (facts.text('transmission') === 'incomplete') {
    const rule = 'the firm that received the transmitted order';
    if (receiver && isLei(receiver.text)) {
      side.say(0, rule, [fromEvent(receiver)]);
      return legalEntity(receiver.text);
    }
    side.mend(0, rule, 'order_receiver must be the LEI of the firm that the order was transmitted to');
    return NOBODY;
  }
  const counterparty = facts.get('counterparty_id');
  if (counterparty) {
    const known = reference.find('client', counterparty.text);
    const role = { is: 'client', id: counterparty.text, isOfOrder: false } as const;
    const named = [fromEvent(counterparty)];
    if (known) return clientOf(role, { facts, place, reference, ...rest }, side, { named, isOnOtherSide: true });
    const rule = 'the counterparty that the event names';
    if (!isLei(counterparty.text)) {
      side.mend(0, rule, `counterparty_id ${counterparty.text} is neither an LEI nor a client of the reference data`);
      return NOBODY;
    }
    side.say(0, rule, [fromEvent(counterparty)]);
    return legalEntity(counterparty.text);
  }
  const ofVenue = place.entry ? [...place.sources] : [];
  if (place.kind === 'systematic-internaliser') {
    const lei = place.entry?.attributes.lei;
    const rule = 'the systematic internaliser';
    if (lei === undefined) {
      side.mend(0, rule, `venue ${place.mic} has no lei in the reference data, which says who the internaliser is`);
      return NOBODY;
    }
    side.say(0, rule, ofVenue);
    return legalEntity(lei);
  }
  if (place.kind === 'off-venue') {
    side.mend(
      0,
      'the counterparty that the event names',
      'counterparty_id must name the other side of what is off venue',
    );
    return NOBODY;
  }
  const elsewhere = facts.namedElsewhere('central_counterparty');
  const stated =
    facts.get('central_counterparty') ??
    (elsewhere && isOnSameMarket(elsewhere.namedAt, place, reference) ? elsewhere : undefined);
  const having = stated ? undefined : withCentralCounterparty(place, reference);
  const ccp = stated?.text ?? having?.attributes.central_counterparty;
  if (ccp !== undefined) {
    const ofEntry = having && having !== place.entry ? [...ofVenue, fromEntry(having)] : ofVenue;
    side.say(0, 'the central counterparty of an anonymous execution', stated ? [fromEvent(stated)] : ofEntry);
    return legalEntity(ccp);
  }
  if (place.kind === 'unknown' || place.mic === undefined) {
    side.mend(
      0,
      'the other side of an anonymous execution',
      'the venue must be known, which is to be mended in field 36',
    );
    return NOBODY;
  }
  side.say(0, 'the venue of an anonymous execution without a central counterparty', ofVenue);
  return { owners: [{ id: { is: 'venue', mic: place.mic } }], decisionMakers: [] };
}

/** A client, with all holders of a joint account, the country of the branch, and who decides for it. */
function clientOf(
  { id, isOfOrder }: Extract<Role, { is: 'client' }>,
  execution: Execution,
  side: SideTrace,
  {
    named = statedIn(execution.facts, isOfOrder ? 'client_id' : 'allocations'),
    transmitting,
    isOnOtherSide = false,
  }: { named?: readonly Source[]; transmitting?: TransmittingFirm | undefined; isOnOtherSide?: boolean },
): Party {
  const { reference, facts } = execution;
  const rule = 'the client';
  if (id === undefined) {
    const text = isOfOrder
      ? 'client_id must be stated, or client_id_type aggregated, pending_allocation or none'
      : 'each of allocations must have a client_id';
    side.mend(0, rule, text);
    return NOBODY;
  }
  const entry = clientEntry(id, reference);
  if (typeof entry === 'string') {
    side.mend(0, rule, entry);
    return NOBODY;
  }
  if (!entry) {
    const owner = isOfOrder || isLei(id) ? unlisted(id, execution) : `client ${id} is not in the reference data`;
    if (typeof owner === 'string') {
      side.mend(0, rule, owner);
      return NOBODY;
    }
    side.say(0, 'the client as the event names it', named);
    side.sayPerson(
      2,
      owner,
      statedIn(facts, 'client_id', 'client_first_names', 'client_surnames', 'client_birth_date'),
    );
    const branch = countryFor(undefined, execution, side, { transmitting, isOfOrder, isOnOtherSide });
    const decisionMakers = isOfOrder ? representativesOf(execution, side) : [];
    return { owners: [{ id: owner, branchCountry: branch }], decisionMakers };
  }
  const holders = entry.attributes.joint_holders?.split(' ');
  const owners: AccountOwner[] = [];
  const makers: ReferenceEntry[] = [entry];
  for (const each of holders ?? [id]) {
    const held = holders ? reference.find('client', each) : entry;
    const owner = held
      ? ownerOf(held, execution.day)
      : `client ${each}, who is one of joint_holders of ${id}, is not in the reference data`;
    if (typeof owner === 'string') {
      side.mend(0, rule, owner);
      continue;
    }
    if (holders) makers.push(held!);
    const sources = [...named, fromEntry(entry), ...(holders ? [fromEntry(held!)] : [])];
    side.say(0, holders ? 'the clients that hold the joint account' : rule, sources);
    side.sayPerson(2, owner, sources);
    owners.push({
      id: owner,
      branchCountry: countryFor(held?.attributes.branch ?? entry.attributes.branch, execution, side, {
        ...{ transmitting, isOfOrder, isOnOtherSide },
      }),
    });
  }
  const stated = isOfOrder ? representativesOf(execution, side) : [];
  return { owners, decisionMakers: stated.length > 0 ? stated : makersOf(makers, execution, side) };
}

/**
 * The entry of a client by its id, or by its LEI; of several with one LEI the first, if branch and decision maker are the
 * same. A text says what is wrong.
 */
function clientEntry(id: string, reference: ReferenceAt): ReferenceEntry | string | undefined {
  const entry = reference.find('client', id);
  if (entry || !isLei(id)) return entry;
  const [first, ...others] = reference.findHaving('client', 'lei', id);
  const says = ({ attributes: { branch, decision_maker: maker } }: ReferenceEntry): string => `${branch} ${maker}`;
  if (others.some((other) => says(other) !== says(first!))) {
    const ids = [first!, ...others].map((each) => each.id).join(', ');
    return `client ${id} is ${ids} in the reference data, with other branches or decision makers: name one of these`;
  }
  return first;
}

/** Of an entry; a text says what is missing. */
function ownerOf(entry: ReferenceEntry, day: string): LegalEntity | NaturalPerson | string {
  const { lei, joint_holders: joint } = entry.attributes;
  if (lei !== undefined) return { is: 'legal-entity', lei };
  if (joint !== undefined) return `${entry.kind} ${entry.id} is a joint account itself, and cannot hold one`;
  const person = personOf(entry.attributes, day);
  return typeof person === 'string' ? `${entry.kind} ${entry.id} ${person}` : person;
}

/** The order's client without an entry: an LEI, or the id of a person whose scheme is not in doubt. */
function unlisted(id: string, { facts }: Execution): LegalEntity | NaturalPerson | string {
  const otherwise = `client ${id} is not in the reference data`;
  const found = entityOrPerson(id, otherwise, {
    firstNames: facts.text('client_first_names'),
    surnames: facts.text('client_surnames'),
    birthDate: facts.text('client_birth_date'),
  });
  const isDoubtful = typeof found !== 'string' && found.is === 'person' && found.scheme !== 'CONCAT';
  if (isDoubtful && facts.text('client_id_type') !== 'natural_person')
    return `${otherwise}: state client_id_type natural_person if it is the id of a person, and no number of the firm's own`;
  return found;
}

function entityOrPerson(
  id: string,
  otherwise: string,
  names: Pick<NaturalPerson, 'firstNames' | 'surnames' | 'birthDate'>,
): LegalEntity | NaturalPerson | string {
  if (isLei(id)) return { is: 'legal-entity', lei: id };
  if (isConcat(id)) return { is: 'person', id, scheme: 'CONCAT', ...names };
  const country = id.slice(0, 2);
  const [scheme, ...others] = isCountry(country) ? personIdSchemes(country).filter((each) => each !== 'CONCAT') : [];
  if (scheme === undefined || others.length > 0 || !isNationalIdShaped(id) || !names.surnames) return otherwise;
  // none of the ids of Annex II is without digits
  if (!/[0-9]/.test(id)) return otherwise;
  return { is: 'person', id, scheme, ...names };
}

/**
 * Fields 8 and 17: of the branch that the event states of the order's client, of the client's own, or the home country;
 * where the order was transmitted to the firm, of who did that.
 */
function countryFor(
  branchId: string | undefined,
  execution: Execution,
  side: SideTrace,
  of: { transmitting: TransmittingFirm | undefined; isOfOrder: boolean; isOnOtherSide: boolean },
): string | undefined {
  // of a part's client it is where that client has none; of one on the other side it says nothing
  const isOfIt = of.isOfOrder || (branchId === undefined && !of.isOnOtherSide);
  const stated = isOfIt ? execution.facts.get('branch') : undefined;
  const found = stated ? countryOf(stated, execution) : branchCountry(execution, branchId, of.transmitting);
  if (typeof found === 'string') {
    side.mend(1, 'the country of the branch for the client', found);
    return undefined;
  }
  side.say(1, found.rule, found.sources);
  return found.country;
}

/** Of a branch that an event states: its country, or the id of one that is known. */
function countryOf(stated: Stated, execution: Execution): CountryOf | string {
  const { text } = stated;
  if (isCountry(text)) return { country: text, rule: 'the branch that the event states', sources: [fromEvent(stated)] };
  const found = execution.reference.find('branch', text) && branchCountry(execution, text);
  if (found === undefined || typeof found === 'string')
    return `branch ${text} must be the country of the branch, by ISO 3166-1 alpha-2, or a branch of the reference data`;
  return { ...found, sources: [fromEvent(stated), ...found.sources] };
}

/** Who acts for the client, as the event states it; none where it does not. */
function representativesOf(execution: Execution, side: SideTrace): readonly DecisionMaker[] {
  const { facts } = execution;
  const [several, one] = [facts.get('client_representative_ids'), facts.get('client_representative_id')];
  const stated = several ?? one;
  if (!stated) return [];
  const ids = several ? itemsOf(several.text) : [stated.text];
  // both by the same event: otherwise the later one ended the other
  if (one && !ids.includes(one.text)) {
    const text = `client_representative_ids must have ${one.text}, or client_representative_id not be stated with it`;
    side.mend(5, 'who acts for the client, as the event states it', text);
  }
  const found = new Map<string, DecisionMaker>();
  for (const id of ids) {
    const maker = found.has(id) ? undefined : representativeOf(id, stated, execution, side);
    if (maker) found.set(id, maker);
  }
  return eachOnce([...found.values()]);
}

/** Each once, who may have several ids in the reference data. */
function eachOnce(makers: readonly DecisionMaker[]): readonly DecisionMaker[] {
  const idOf = (maker: DecisionMaker): string =>
    maker.is === 'legal-entity' ? maker.lei : `${maker.scheme} ${maker.id}`;
  return [...new Map(makers.map((maker) => [idOf(maker), maker])).values()];
}

/** One who acts for the client; what events say of the person beside the id is said of one alone. */
function representativeOf(
  id: string,
  stated: Stated,
  execution: Execution,
  side: SideTrace,
): DecisionMaker | undefined {
  const { facts, reference, day } = execution;
  const entry = reference.find('representative', id);
  const isOne = stated.name === 'client_representative_id';
  const said = (name: FactName): string | undefined => (isOne ? facts.text(name) : undefined);
  const maker = entry
    ? ownerOf(entry, day)
    : entityOrPerson(id, `representative ${id} is not in the reference data`, {
        firstNames: said('client_representative_first_names'),
        surnames: said('client_representative_surnames'),
        birthDate: said('client_representative_birth_date'),
      });
  const rule = 'who acts for the client, as the event states it';
  if (typeof maker === 'string') {
    side.mend(5, rule, maker);
    return undefined;
  }
  const sources = [fromEvent(stated), ...(entry ? [fromEntry(entry)] : [])];
  side.say(5, rule, sources);
  const ofPerson = statedIn(facts, 'client_representative_first_names', 'client_representative_surnames');
  side.sayPerson(6, maker, entry ? sources : [...sources, ...ofPerson]);
  return maker;
}

/** Who decides for the client by its entries: the firm under a mandate, or representatives; each once. */
function makersOf(entries: readonly ReferenceEntry[], execution: Execution, side: SideTrace): readonly DecisionMaker[] {
  const { reference } = execution;
  const found = new Map<string, DecisionMaker>();
  const named = entries.flatMap((entry) => makerIdsIn(entry, reference).map((id) => ({ entry, id })));
  for (const { entry, id } of named) {
    if (found.has(id)) continue;
    const rule = 'who decides for the client under a power of representation';
    if (id === execution.firm) {
      side.say(5, 'the firm, which decides for the client under a mandate', [fromEntry(entry)]);
      found.set(id, { is: 'legal-entity', lei: id });
      continue;
    }
    const representative = reference.find('representative', id);
    const maker = representative
      ? ownerOf(representative, execution.day)
      : isLei(id)
        ? ({ is: 'legal-entity', lei: id } as const)
        : `representative ${id} is not in the reference data`;
    if (typeof maker === 'string') {
      side.mend(5, rule, maker);
      continue;
    }
    const sources = [fromEntry(entry), ...(representative ? [fromEntry(representative)] : [])];
    side.say(5, rule, sources);
    side.sayPerson(6, maker, sources);
    found.set(id, maker);
  }
  return eachOnce([...found.values()]);
}

/** Several have blanks between them; an id may have one itself. */
function makerIdsIn({ attributes }: ReferenceEntry, reference: ReferenceAt): readonly string[] {
  const text = attributes.decision_maker;
  if (text === undefined) return [];
  return text.includes(' ') && !reference.find('representative', text) ? text.split(/ +/) : [text];
}
