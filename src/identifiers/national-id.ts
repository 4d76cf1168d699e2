import { isCountry } from './country.js';

/** How a natural person is identified: CONCAT, a passport, or another national id. */
export const PERSON_ID_SCHEMES = ['CONCAT', 'CCPT', 'NIDN'] as const;
export type PersonIdScheme = (typeof PERSON_ID_SCHEMES)[number];

const CONCAT = /^(?<year>[0-9]{4})(?<month>[0-9]{2})(?<day>[0-9]{2})(?<name>(?:[A-Z]{1,5}#{0,4}){2})$/;
const CONCAT_NAME = /^(?=.{5}$)[A-Z]+#*$/;

/**
 * The schemes that Annex II of Delegated Regulation (EU) 2017/590 gives to nationals of a country, where they are not
 * those of all other countries.
 */
const SCHEMES: Readonly<Record<string, readonly PersonIdScheme[]>> = {
  ...of('AT DE FR HU IE LU', 'CONCAT'),
  ...of('BE BG DK FI GB GR HR LV NO SE SI', 'NIDN', 'CONCAT'),
  ...of('CZ LT PT RO SK', 'NIDN', 'CCPT', 'CONCAT'),
  ...of('EE ES IS IT PL', 'NIDN'),
  ...of('LI NL', 'CCPT', 'NIDN', 'CONCAT'),
  ...of('MT', 'NIDN', 'CCPT'),
};
const ALL_OTHERS: readonly PersonIdScheme[] = ['CCPT', 'CONCAT'];

function of(countries: string, ...schemes: PersonIdScheme[]): Record<string, readonly PersonIdScheme[]> {
  return Object.fromEntries(countries.split(' ').map((country) => [country, schemes]));
}

/** The schemes that Annex II has for nationals of a country, the one of highest priority first. */
export function personIdSchemes(country: string): readonly PersonIdScheme[] {
  return SCHEMES[country] ?? ALL_OTHERS;
}

/**
 * The id of a natural person by Delegated Regulation (EU) 2017/590, Article 6, by its shape alone: country, then a
 * national id, or date of birth and five characters each of first name and surname (CONCAT).
 */
export function isNationalIdShaped(text: string): boolean {
  return /^[A-Z]{2}(?:[A-Z0-9+-]{1,33}|[0-9]{8}[A-Z][A-Z#]{4}[A-Z][A-Z#]{4})$/.test(text);
}

/**
 * What is wrong with an id of a scheme, as the rest of a sentence; undefined for one that is right as far as can be seen:
 * national ids have no check that all countries share.
 */
export function nationalIdMistake(text: string, scheme: PersonIdScheme): string | undefined {
  const country = text.slice(0, 2);
  if (!isCountry(country)) return 'must begin with the country of the nationality, ISO 3166-1 alpha-2';
  const allowed = personIdSchemes(country);
  if (!allowed.includes(scheme)) return `must be ${allowed.join(' or ')} for nationals of ${country}, not ${scheme}`;
  if (scheme !== 'CONCAT') {
    return isNationalIdShaped(text)
      ? undefined
      : 'must have 1 to 33 upper-case letters, digits, plus or minus after the country';
  }
  return concatMistake(text.slice(2));
}

/** The same of CONCAT without its country. */
function concatMistake(text: string): string | undefined {
  const { year, month, day } = CONCAT.exec(text)?.groups ?? {};
  const isWhole = text.length === 18 && [text.slice(8, 13), text.slice(13)].every((part) => CONCAT_NAME.test(part));
  if (year === undefined || !isWhole) {
    return 'must be CONCAT after the country: date of birth as YYYYMMDD, then five characters each of first name and surname, A to Z, filled up with # on the right';
  }
  const birth = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  const isDay = birth.getUTCMonth() === Number(month) - 1 && birth.getUTCDate() === Number(day) && Number(year) >= 1800;
  return isDay ? undefined : 'must have a date of birth that the calendar has';
}

/** Longest first, so that "van der" goes before "van"; each a word of its own before the name. */
const PREFIXES =
  `mhic giolla|von dem|von den|von der|van den|van der|van de|auf dem|aus der|de la|de le|de l'|vom|von|van|mhac|mhic|mac|mic|mc|
   del|auf|dos|nic|am|da|de|di|do|du|im|la|le|ni|ua|ui|d|o`.split(/\|\s*/);
const TITLES =
  'atty coach dame dr fr gov honorable madame madam maid master miss monsieur mr mrs ms mx ofc ph.d pres prof rev sir'.split(
    ' ',
  );
/** One letter each, as the guidelines have it: never AE, OE or SS. */
const LETTERS: Readonly<Record<string, string>> = {
  ...{ Æ: 'A', Đ: 'D', Ð: 'D', Ħ: 'H', ı: 'I', Ł: 'L', Ø: 'O', Œ: 'O', ß: 'S', ẞ: 'S', Þ: 'T', Ŧ: 'T' },
};

/**
 * The ten characters that CONCAT makes of a name: titles and prefixes taken away, the first of several first names, one
 * letter for one letter, five each. Undefined when a name has no letter that is left.
 * Delegated Regulation (EU) 2017/590, Article 6(4), and the guidelines of ESMA on it.
 */
export function concatName(firstName: string, surname: string): string | undefined {
  const [first = ''] = withoutTitles(firstName).split(/[\s,]+/);
  const parts = [first, withoutPrefix(withoutTitles(surname))].map(fiveLetters);
  return parts.includes('#####') ? undefined : parts.join('');
}

function withoutTitles(name: string): string {
  const words = name.trim().split(/\s+/);
  while (words.length > 1 && TITLES.includes(words[0]!.toLowerCase().replace(/\.$/, ''))) words.shift();
  return words.join(' ');
}

function withoutPrefix(name: string): string {
  const plain = name.normalize('NFD').replaceAll(/\p{M}/gu, '').replaceAll('’', "'").toLowerCase();
  const prefix = PREFIXES.find((each) => plain.startsWith(each.endsWith("'") ? each : `${each} `));
  return prefix === undefined
    ? name
    : [...name.normalize('NFC')]
        .slice([...prefix].length)
        .join('')
        .trim();
}

function fiveLetters(name: string): string {
  const letters = [...name.normalize('NFC')].map(
    (letter) => LETTERS[letter] ?? LETTERS[letter.toUpperCase()] ?? letter,
  );
  const plain = letters
    .join('')
    .normalize('NFD')
    .toUpperCase()
    .replaceAll(/[^A-Z]/g, '');
  return plain.slice(0, 5).padEnd(5, '#');
}
