import type { ReferenceAt, ReferenceEntry, ReferenceTimelines } from '../reference-data/reference-timelines.js';
import { isLei } from '../identifiers/lei.js';
import type { FactName } from '../reports/regimes/regime.js';
import { tradeTimeOf } from '../reports/trade-time.js';
import { KnownInstrument } from './instrument.js';
import { OF_SEVERAL, WITHOUT_CLIENT_ID } from './client-types.js';
import { isConcat } from './persons.js';
import { placeOf, type Place } from './place.js';
import { fromEntry, fromEvent, type Source } from './trace.js';
import type { Facts, Transaction, TransactionVersion } from './transactions.js';

/** A transaction at one of its versions, and what is known beside it at the time of the execution. */
export interface Execution {
  eventId: string;
  /** from 1 */
  version: number;
  at: TransactionVersion;
  facts: Facts;
  /** itself, or the last execution before the allocation; undefined where there is none */
  fill: TransactionVersion['fill'];
  /** canonical; of an allocation that of the execution, otherwise its own */
  time: string;
  timeSource: Source;
  /** false where `execution_time` is stated and is no time: the event time stands for it */
  isTimeReadable: boolean;
  day: string;
  /** LEI of the firm whose report it is */
  firm: string;
  firmEntry: ReferenceEntry | undefined;
  /** the firm's entry when reports are submitted, which says who does that for it */
  submittingEntry: ReferenceEntry | undefined;
  reference: ReferenceAt;
  instrument: KnownInstrument;
  place: Place;
  /** what was said of a client, by which name, of whom nobody knows whether it is the one that is named now: not among `facts` */
  perhapsOfAnotherClient: readonly (readonly [name: FactName, saidOf: string])[];
}

/** One version of a transaction, seen with the reference data of its time. */
export function executionOf(
  { eventId }: Pick<Transaction, 'eventId'>,
  version: number,
  at: TransactionVersion,
  firm: string,
  timelines: Pick<ReferenceTimelines, 'at'>,
  submittedAt: string,
): Execution {
  const { fill } = at;
  const { content } = fill ?? at;
  const { time, from } = tradeTimeOf(content);
  const day = time.slice(0, 10);
  const reference = timelines.at(time);
  const client = at.facts.text('client_id') ?? '';
  const perhapsOfAnotherClient = at.facts
    .saidOfPerhapsAnother()
    .filter(([, saidOf]) => isSameClient(saidOf, client, reference) === undefined);
  const facts = at.facts.ofSameClient((saidOf) => isSameClient(saidOf, client, reference) === true);
  return {
    ...{ eventId, version, at, facts, fill, time, day, firm, reference, perhapsOfAnotherClient },
    isTimeReadable: from !== 'timestamp-as-execution_time-is-unreadable',
    timeSource: {
      event_id: content.event_id,
      sequence: (fill ?? at).row.sequence,
      name: from === 'execution_time' ? from : 'timestamp',
    },
    firmEntry: reference.find('legal-entity', firm),
    submittingEntry: timelines.at(submittedAt).find('legal-entity', firm),
    instrument: new KnownInstrument(facts, reference, day),
    place: placeOf(facts, reference, day),
  };
}

/** Whether an event says that the firm executed it; otherwise that is taken for granted. */
export function isFirmStated({ facts, firm }: Pick<Execution, 'facts' | 'firm'>): boolean {
  return facts.text('executing_entity') === firm;
}

type ForWhom = Pick<Execution, 'at' | 'facts' | 'firm' | 'reference'>;

/** Whom an order is for: the client that events name; undefined where there is none, or there are several. */
export function clientIdOf({ facts, firm, reference }: Omit<ForWhom, 'at'>): string | undefined {
  const id = facts.text('client_id');
  const isNone = WITHOUT_CLIENT_ID.includes(facts.text('client_id_type') ?? '');
  return isNone || id === undefined || leiOf(id, reference) === firm ? undefined : id;
}

/** The LEI of whom events name by it, or as a client; undefined where that is not known. */
export function leiOf(id: string, reference: ReferenceAt): string | undefined {
  return isLei(id) ? id : reference.find('client', id)?.attributes.lei;
}

/** Whether two names are of one client; undefined where one is an LEI and nothing is known of the other. */
function isSameClient(one: string, other: string, reference: ReferenceAt): boolean | undefined {
  if (one === other) return true;
  const leis = [one, other].map((id) => leiOf(id, reference));
  if (leis.every((lei) => lei !== undefined)) return leis[0] === leis[1];
  // an id of the firm's own is of one client
  if (isLei(one) === isLei(other)) return false;
  const id = isLei(one) ? other : one;
  return reference.find('client', id) !== undefined || isConcat(id) ? false : undefined;
}

/** That the order is for several clients, or for clients who are named with the allocation. */
export function isAggregate(execution: ForWhom): boolean {
  const { at, facts } = execution;
  if (at.isForSeveral) return true;
  if (OF_SEVERAL.includes(facts.text('client_id_type') ?? '') || facts.text('aggregated') === 'true') return true;
  return clientIdOf(execution) === undefined && facts.get('allocations') !== undefined;
}

export interface CountryOf {
  country: string;
  rule: string;
  sources: readonly Source[];
}

/** Who transmitted the client's order to the firm with the details of Article 4, and the entry, if it is known. */
export interface TransmittingFirm {
  lei: string;
  entry: ReferenceEntry | undefined;
}

export function transmittingFirmOf({ facts, reference }: Execution): TransmittingFirm | undefined {
  const lei = facts.text('transmitting_firm');
  return lei === undefined ? undefined : { lei, entry: reference.find('legal-entity', lei) };
}

/**
 * The country of a branch by its id, or where the firm has no such branch its home country; a text says what is missing.
 * What was decided, or received of a client, at the firm that transmitted the order was there.
 */
export function branchCountry(
  { reference, firmEntry, firm }: Pick<Execution, 'reference' | 'firmEntry' | 'firm'>,
  branchId: string | undefined,
  transmitting?: TransmittingFirm,
): CountryOf | string {
  const branch = branchId === undefined ? undefined : reference.find('branch', branchId);
  if (branchId !== undefined && !branch) return `branch ${branchId} is not in the reference data`;
  // a branch of another firm of the ledger is none of this one
  if (branch && branch.attributes.legal_entity === (transmitting?.lei ?? firm)) {
    return { country: branch.attributes.country!, rule: 'the country of the branch', sources: [fromEntry(branch)] };
  }
  const entry = transmitting ? transmitting.entry : firmEntry;
  const country = entry?.attributes.country;
  if (country === undefined)
    return `legal entity ${transmitting?.lei ?? firm} is not in the reference data, which has its home country`;
  const whose = transmitting ? 'who transmitted the order' : 'the firm';
  return { country, rule: `the home country of ${whose}: there is no branch`, sources: [fromEntry(entry!)] };
}

/** What an event states, as sources. */
export function statedIn(facts: Facts, ...names: Parameters<Facts['get']>[0][]): readonly Source[] {
  return names.flatMap((name) => {
    const stated = facts.get(name);
    return stated ? [fromEvent(stated)] : [];
  });
}
