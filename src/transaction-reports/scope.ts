import { isMicShaped } from '../identifiers/mic.js';
import { statedIn, type Execution } from './execution.js';
import type { Place } from './place.js';
import type { Source } from './trace.js';

/** That an instrument is none of those whose transactions are reported, by what is said of it. */
export interface OutOfScope {
  /** a sentence */
  reason: string;
  /** where that stands */
  rule: string;
  sources: readonly Source[];
}

/** Something else that is known, and cannot be so beside that; by the field that tells of it. */
export interface Contradiction {
  field: number;
  text: string;
}

/** What takes an instrument out of scope, and in words what is said so. */
interface Claim extends OutOfScope {
  said: string;
}

const FINANCIAL_INSTRUMENTS = 'Directive 2014/65/EU, Annex I, Section C';
export const MIFIR_SCOPE = 'Regulation (EU) No 600/2014, Article 26(2)';

/**
 * Why an instrument is out of scope by what is said of it: it is classified as currencies at spot, or events state that it is
 * no financial instrument, or none that MiFIR 26(2) names. Undefined where nothing is said so, where something else that is known
 * contradicts it, and where it is not known which instrument it is, or at which venue it was executed, so that something may.
 */
export function outOfScope(execution: Execution): OutOfScope | undefined {
  const { instrument, place } = execution;
  const claim = claimOf(execution);
  if (!claim || instrument.ambiguousSymbol !== undefined || instrument.otherSymbol !== undefined) return undefined;
  if (place.kind === 'unknown' && !isWithoutMic(place)) return undefined;
  if (contradictions(execution).length > 0) return undefined;
  const { reason, rule, sources } = claim;
  return { reason, rule, sources: [...sources, ...place.sources] };
}

/** Whether it is said that an instrument is out of scope, also where that is contradicted. */
export function isSaidOutOfScope(execution: Execution): boolean {
  return claimOf(execution) !== undefined;
}

/** What is known and said of an instrument, and not so at once. */
export function contradictions(execution: Execution): readonly Contradiction[] {
  const { facts, instrument, place } = execution;
  const claim = claimOf(execution);
  const mend = 'one of both must be corrected';
  if (!claim) {
    if (facts.text('venue_traded') !== 'true' || place.kind === 'trading-venue' || !instrument.isOutOfScope())
      return [];
    if (mayBeNamedOtherwise(instrument.cfi ?? '')) return [];
    const what = `venue_traded is true, and by the reference data neither the instrument nor what it is on is on the reference list`;
    return [{ field: 41, text: `${what}: ${mend}` }];
  }
  const { said } = claim;
  const cfi = instrument.cfi ?? '';
  const found: Contradiction[] = [];
  if (place.kind === 'trading-venue')
    found.push({ field: 36, text: `${said}, and it was executed on trading venue ${place.mic}: ${mend}` });
  if (instrument.isListed())
    found.push({ field: 41, text: `${said}, and instrument ${instrument.isin} is on the reference list: ${mend}` });
  for (const isin of instrument.listedUnderlyings())
    found.push({
      field: 47,
      text: `${said}, and it is on instrument ${isin}, which is on the reference list: ${mend}`,
    });
  if (isSpotCurrency(cfi) && facts.text('financial_instrument') === 'true')
    found.push({ field: 43, text: `${said}, and financial_instrument is true: ${mend}` });
  if (facts.text('financial_instrument') === 'false' && isSurelyFinancial(cfi))
    found.push({
      field: 43,
      text: `financial_instrument is false, and cfi ${cfi} is of a financial instrument: ${mend}`,
    });
  return found;
}

function claimOf({ facts, instrument }: Execution): Claim | undefined {
  const cfi = instrument.value('cfi', 'cfi');
  if (cfi && isSpotCurrency(cfi.text)) {
    const said = `cfi ${cfi.text} is of currencies at spot`;
    return {
      said,
      reason: `It is no financial instrument: ${said}`,
      rule: FINANCIAL_INSTRUMENTS,
      sources: cfi.sources,
    };
  }
  if (facts.text('financial_instrument') === 'false') {
    const reason = 'It is no financial instrument, as financial_instrument says';
    const sources = statedIn(facts, 'financial_instrument');
    return { said: 'financial_instrument is false', reason, rule: FINANCIAL_INSTRUMENTS, sources };
  }
  if (facts.text('venue_traded') === 'false') {
    const reason =
      'Neither the instrument nor what it is on is admitted to trading or traded on a trading venue, as venue_traded says';
    return { said: 'venue_traded is false', reason, rule: MIFIR_SCOPE, sources: statedIn(facts, 'venue_traded') };
  }
  return undefined;
}

/** Group IF of ISO 10962. Group IT, commodities at spot, has emission allowances, which are financial instruments. */
function isSpotCurrency(cfi: string): boolean {
  return cfi.startsWith('IF');
}

/** Securities, funds, listed derivatives, and others on rates, equity and credit: not what may be a means of payment, or for a delivery. */
function isSurelyFinancial(cfi: string): boolean {
  return /^(?:[ECDROF]|[SHJ][REC])/.test(cfi);
}

/** Derivatives on rates and credit, some of which MiFIR 26(2) names (by Article 8a(2)) whether or not a venue has them. */
function mayBeNamedOtherwise(cfi: string): boolean {
  return /^[SHJ][RC]/.test(cfi);
}

/** Whether events name a place by what is no MIC, as the authorities' lists have all trading venues. */
function isWithoutMic({ mic }: Place): boolean {
  return mic !== undefined && !isMicShaped(mic);
}
