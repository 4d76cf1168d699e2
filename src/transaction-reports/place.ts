import type { ReferenceAt, ReferenceEntry } from '../reference-data/reference-timelines.js';
import { isMicShaped } from '../identifiers/mic.js';
import { isInEea } from './persons.js';
import { NOT_ADMITTED, OFF_VENUE } from './rules/facts.js';
import type { VenueFacts } from './rules/rule.js';
import { fromEntry, fromEvent, type Source } from './trace.js';
import type { Facts } from './transactions.js';

/** Market categories of ISO 10383 of trading venues in the EEA. */
const TRADING_VENUES: ReadonlySet<string> = new Set(['RMKT', 'MLTF', 'OTFS']);
const KINDS: Readonly<Record<string, VenueFacts['kind']>> = {
  trading_venue: 'trading-venue',
  systematic_internaliser: 'systematic-internaliser',
  outside_eea: 'outside-eea',
};

/** Where an execution took place. */
export interface Place {
  /** unknown: what is to be mended first */
  kind: VenueFacts['kind'] | 'off-venue' | 'unknown';
  /** as events have it, unless off venue */
  mic: string | undefined;
  entry: ReferenceEntry | undefined;
  rule: string;
  sources: readonly Source[];
  toMend: string | undefined;
}

/** What a venue is by its entry; undefined where that does not say it. */
export function venueKindOf({ attributes }: ReferenceEntry, day: string): VenueFacts['kind'] | undefined {
  const { kind, category = '', country = 'ZZ' } = attributes;
  if (kind !== undefined) return KINDS[kind];
  if (country === 'ZZ') return undefined;
  // the other side is the firm itself, wherever it is
  if (category === 'SINT') return 'systematic-internaliser';
  if (!isInEea(country, day)) return 'outside-eea';
  return TRADING_VENUES.has(category) ? 'trading-venue' : undefined;
}

/**
 * Where an execution took place (field 36). Off venue is what says so (`XOFF`, `XXXX`), what names another side and no
 * venue, and to the firm that transmitted the order without all details what the receiving firm executed.
 */
export function placeOf(facts: Facts, reference: ReferenceAt, day: string): Place {
  const off = { kind: 'off-venue', mic: undefined, entry: undefined, toMend: undefined } as const;
  const transmission = facts.get('transmission');
  if (transmission?.text === 'incomplete') {
    return {
      ...off,
      rule: 'the firm that transmitted deals with the receiving firm',
      sources: [fromEvent(transmission)],
    };
  }
  const stated = facts.nearest('segment_mic', 'exchange');
  const counterparty = facts.get('counterparty_id');
  if (!stated) {
    if (counterparty) {
      return { ...off, rule: 'off venue: another side is named, and no venue', sources: [fromEvent(counterparty)] };
    }
    const toMend = 'exchange must name the venue, or be XOFF';
    return { ...off, kind: 'unknown', rule: 'the venue of the execution', sources: [], toMend };
  }
  if (stated.text === OFF_VENUE || stated.text === NOT_ADMITTED) {
    return { ...off, rule: 'off venue', sources: [fromEvent(stated)] };
  }
  const entry = reference.find('venue', stated.text);
  const rule = 'the venue of the execution';
  const made = { mic: stated.text, entry, rule, sources: [fromEvent(stated), ...(entry ? [fromEntry(entry)] : [])] };
  const kind = entry && venueKindOf(entry, day);
  if (kind) return { ...made, kind, toMend: undefined };
  const toMend = !isMicShaped(stated.text)
    ? `${stated.name} ${stated.text} must be a MIC`
    : entry
      ? `venue ${stated.text}: neither kind nor category and country of its entry say what it is`
      : `venue ${stated.text} is not in the reference data`;
  return { ...made, kind: 'unknown', toMend };
}

/** The firm's membership of the venue of an execution, or of the market that this is a segment of. */
export function membershipOf(firm: string, { mic, entry }: Place, reference: ReferenceAt): ReferenceEntry | undefined {
  const operator = entry?.attributes.operating_mic;
  return (
    (mic === undefined ? undefined : reference.find('membership', `${firm}/${mic}`)) ??
    (operator === undefined ? undefined : reference.find('membership', `${firm}/${operator}`))
  );
}

/** Whether a venue and that of an execution are one market, or segments of one: as far as the reference data say. */
export function isOnSameMarket(mic: string, { mic: at, entry }: Place, reference: ReferenceAt): boolean {
  const operator = (of: ReferenceEntry | undefined, otherwise: string | undefined) =>
    of?.attributes.operating_mic ?? otherwise;
  return operator(reference.find('venue', mic), mic) === operator(entry, at);
}

/** The entry of the venue, or of the market that it is a segment of, that names a central counterparty. */
export function withCentralCounterparty({ entry }: Place, reference: ReferenceAt): ReferenceEntry | undefined {
  const operator = entry?.attributes.operating_mic;
  return [entry, operator === undefined ? undefined : reference.find('venue', operator)].find(
    (each) => each?.attributes.central_counterparty !== undefined,
  );
}
