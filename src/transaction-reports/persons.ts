import { isCountry } from '../identifiers/country.js';
import { concatName, personIdSchemes, type PersonIdScheme } from '../identifiers/national-id.js';
import type { Attributes } from '../reference-data/kinds.js';
import type { NaturalPerson } from './transaction-report.js';

const EEA: ReadonlySet<string> = new Set(
  'AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK'.split(' '),
);

/** The last day on which the United Kingdom counted as a member state. */
const GB_UNTIL = '2020-12-31';

export function isInEea(country: string, day: string): boolean {
  return EEA.has(country) || (country === 'GB' && day <= GB_UNTIL);
}

/**
 * Whose id counts, of several nationalities: of those of the EEA the first in the order of their codes, otherwise the
 * first (Article 6(2) and (3); of several outside of the EEA the text gives no order).
 */
export function countingNationality(nationalities: readonly string[], day: string): string | undefined {
  const sorted = [...nationalities].sort();
  return sorted.find((each) => isInEea(each, day)) ?? sorted[0];
}

/**
 * The person of an entry on a day: by the id that it gives, or by the one of highest priority that Annex II has for the
 * nationality and the person has. CONCAT counts only where the entry says that there is no other id: that the firm does
 * not know it is no reason. A text says what is missing.
 */
export function personOf(attributes: Attributes, day: string): NaturalPerson | string {
  const { person_id: id, person_id_scheme: scheme, first_name, surname, birth_date } = attributes;
  const known = { is: 'person', firstNames: first_name, surnames: surname, birthDate: birth_date } as const;
  if (id !== undefined) {
    return { ...known, birthDate: birth_date ?? birthDateOf(id), id, scheme: scheme as PersonIdScheme };
  }
  const country = countingNationality(attributes.nationality?.split(' ') ?? [], day);
  if (country === undefined) return 'has neither person_id nor nationality';
  for (const each of personIdSchemes(country)) {
    const found = idBy(each, attributes);
    if (found !== undefined) return { ...known, id: `${country}${found}`, scheme: each };
    if (each === 'NIDN' && attributes.no_national_id !== 'yes')
      return `has no national_id, which nationals of ${country} have, nor no_national_id`;
    if (each === 'CCPT' && attributes.no_passport !== 'yes') return 'has no passport, nor no_passport';
  }
  return `has no id that Annex II takes of nationals of ${country}`;
}

function idBy(scheme: PersonIdScheme, attributes: Attributes): string | undefined {
  if (scheme === 'NIDN') return attributes.national_id;
  if (scheme === 'CCPT') return attributes.passport;
  const { birth_date: birth, first_name: first, surname } = attributes;
  const name = first !== undefined && surname !== undefined ? concatName(first, surname) : undefined;
  return birth === undefined || name === undefined ? undefined : `${birth.replaceAll('-', '')}${name}`;
}

const CONCAT = /^([A-Z]{2})([0-9]{4})([0-9]{2})([0-9]{2})(?:[A-Z][A-Z#]{4}){2}$/;

/** Of an id that is CONCAT. */
export function isConcat(id: string): boolean {
  return isCountry(id.slice(0, 2)) && CONCAT.test(id);
}

function birthDateOf(id: string): string | undefined {
  const [, , year, month, day] = CONCAT.exec(id) ?? [];
  return year === undefined ? undefined : `${year}-${month}-${day}`;
}
