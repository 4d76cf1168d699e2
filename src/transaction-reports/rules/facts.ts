import type { AccountOwner, DescribedInstrument, NewReport } from '../transaction-report.js';
import type { Judged, VenueFacts } from './rule.js';

/** Places outside of every venue: of instruments that are admitted or traded on one, and of others. */
export const OFF_VENUE = 'XOFF';
export const NOT_ADMITTED = 'XXXX';

/** A trading venue, a systematic internaliser, a platform outside of the EEA, none, or one of which nothing is known. */
export function venueKind({ report: { venue }, day, context }: Judged): VenueFacts['kind'] | 'none' | 'unknown' {
  if (venue === OFF_VENUE || venue === NOT_ADMITTED) return 'none';
  if (venue === undefined) return 'unknown';
  return context.venueOn?.(venue, day)?.kind ?? 'unknown';
}

export function described({ instrument }: NewReport): DescribedInstrument | undefined {
  return instrument?.is === 'described' ? instrument : undefined;
}

/** The CFI of the instrument, from the report or from reference data; undefined where it is not known. */
export function classification({ report: { instrument }, day, context }: Judged): string | undefined {
  if (instrument?.is === 'described') return instrument.classification;
  const facts = instrument && context.instrumentOn?.(instrument.isin, day);
  return typeof facts === 'object' ? facts?.classification : undefined;
}

/** By ISO 10962: shares and the like, and units of funds, as the lists of waivers and indicators take them together. */
export function isEquityLike(cfi: string): boolean {
  return cfi.startsWith('E') || cfi.startsWith('C');
}

export function isDebt(cfi: string): boolean {
  return cfi.startsWith('D');
}

/** Listed options, and others that are not listed or are complex. */
export function isOption(cfi: string): boolean {
  return cfi.startsWith('O') || cfi.startsWith('H');
}

export function isDerivative(cfi: string): boolean {
  return 'OFSHJIK'.includes(cfi.charAt(0));
}

/** Of swaps, forwards and options that are not listed: what they are on. */
export function isOn(cfi: string, group: 'rates' | 'commodities' | 'equity' | 'credit' | 'currencies'): boolean {
  const letter = { rates: 'R', commodities: 'T', equity: 'E', credit: 'C', currencies: 'F' }[group];
  return 'SHJ'.includes(cfi.charAt(0)) && cfi.charAt(1) === letter;
}

/** Also of futures, and of options by their third letter. */
export function isOnCommodities(cfi: string): boolean {
  if (isOn(cfi, 'commodities') || cfi.startsWith('FC')) return true;
  return cfi.startsWith('O') && cfi.charAt(3) === 'T';
}

/** LEIs of a side's owners. */
export function leisOf(owners: readonly AccountOwner[]): string[] {
  return owners.flatMap(({ id }) => (id.is === 'legal-entity' ? [id.lei] : []));
}

export function isOwner(side: 'buyer' | 'seller', report: NewReport): boolean {
  const { executingEntity } = report;
  return executingEntity !== undefined && leisOf(report[side].owners).includes(executingEntity);
}

/** That an aggregate account is on either side: part of what would be judged stands in other reports. */
export function isAggregated({ buyer, seller }: NewReport): boolean {
  return [...buyer.owners, ...seller.owners].some(({ id }) => id.is === 'aggregate-account');
}
