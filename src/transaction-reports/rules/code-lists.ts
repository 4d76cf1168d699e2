import { FIRST_DAY } from './rule.js';

/** A list of codes of a field, and the days for which it holds. */
export interface CodeList {
  field: number;
  codes: readonly string[];
  from: string;
  /** the first day for which it does not hold any more */
  to?: string;
}

const list = (field: number, codes: string): CodeList => ({ field, codes: codes.split(/\s+/), from: FIRST_DAY });

/**
 * The codes of Annex I, Table 2, as field 63 prints them too: the codes for publication after trading have changed since,
 * those for reports have not. Of field 48 they are those of the schema.
 */
export const CODE_LISTS: readonly CodeList[] = [
  list(29, 'DEAL MTCH AOTC'),
  list(32, 'INCR DECR'),
  list(
    48,
    `BBSW BUBO CDOR CIBO EONA EONS EUCH EURI EUUS FUSW GCFR ISDA JIBA LIBI LIBO MAAA MOSP NIBO PFAN PRBO STBO SWAP TIBO
     TLBO TREA WIBO`,
  ),
  list(49, 'DAYS WEEK MNTH YEAR'),
  list(50, 'PUTO CALL OTHR'),
  list(53, 'EURO AMER ASIA BERM OTHR'),
  list(56, 'PHYS CASH OPTL'),
  list(61, 'RFPT NLIQ OILQ PRIC SIZE ILQD'),
  list(62, 'SESH SSEX SELL UNDI'),
  list(63, 'BENC ACTX LRGS ILQD SIZE CANC AMND SDIV RPRI DUPL TNCP TPAC XFPH'),
];

/** Codes for equity and equity-like instruments alone, and for others alone. */
export const OF_EQUITY: ReadonlySet<string> = new Set('RFPT NLIQ OILQ PRIC SDIV RPRI DUPL TNCP'.split(' '));
export const OF_WAIVERS_NOT_OF_EQUITY: ReadonlySet<string> = new Set(['SIZE', 'ILQD']);
export const OF_POST_TRADE_NOT_OF_EQUITY: ReadonlySet<string> = new Set(['TPAC', 'XFPH']);

/** Whether a field has a code on a day. */
export function isCodeOn(field: number, code: string, day: string): boolean {
  return CODE_LISTS.some(
    (each) =>
      each.field === field && each.codes.includes(code) && each.from <= day && (each.to === undefined || day < each.to),
  );
}
