import { isAlgorithmIdShaped } from './algorithm-id.js';
import { isCfi } from './cfi.js';
import { isCountry } from './country.js';
import { isCurrency } from './currency.js';
import { isIsin } from './isin.js';
import { isLei } from './lei.js';
import { isMicShaped } from './mic.js';
import { concatName, isNationalIdShaped, nationalIdMistake, type PersonIdScheme } from './national-id.js';

const LEIS = ['529900G3SW56SHYNPR95', '5493001KJTIIGC8Y1R12', '506700GE1G29325QX363', '529900WC0LESEODR7A83'];
const ISINS = ['US0378331005', 'DE0007164600', 'GB0002634946', 'AU0000XVGZA3', 'US5949181045'];
const DIGITS = [...'0123456789'];
const LETTERS = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];

const replaced = (text: string, at: number, character: string): string =>
  text.slice(0, at) + character + text.slice(at + 1);
const swapped = (text: string, at: number): string =>
  text.slice(0, at) + text[at + 1]! + text[at]! + text.slice(at + 2);
const isDigit = (character: string): boolean => DIGITS.includes(character);

/** Codes with their check characters, from random bodies: what holds of one must hold of all. */
function made(count: number, body: (pick: (from: readonly string[]) => string) => string, checks: readonly string[]) {
  let seed = 20260602;
  const pick = (from: readonly string[]): string => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return from[Math.floor((seed / 2 ** 32) * from.length)]!;
  };
  return Array.from({ length: count }, () => {
    const start = body(pick);
    return (isRight: (code: string) => boolean) => checks.map((check) => start + check).filter(isRight);
  });
}
const PAIRS = Array.from({ length: 100 }, (_, i) => String(i).padStart(2, '0'));

describe('an LEI', () => {
  const some = made(50, (pick) => Array.from({ length: 18 }, () => pick([...DIGITS, ...LETTERS])).join(''), PAIRS);

  it('is one that was issued', () => {
    expect(LEIS.filter((lei) => !isLei(lei))).toEqual([]);
    expect(isLei('5493001kjtiigc8y1r12')).toBe(false);
    expect(isLei('5493001KJTIIGC8Y1R1')).toBe(false);
  });

  it('has one pair of check digits from 02 to 98', () => {
    for (const ofBody of some) {
      // of two that differ by 97 the standard gives the one from 02 to 98, and both have the remainder 1
      const inRange = ofBody(isLei).filter((lei) => lei.slice(18) >= '02' && lei.slice(18) <= '98');
      expect(inRange).toHaveLength(1);
    }
  });

  it('is none with a wrong digit, a wrong letter, or two neighbours of a kind in the wrong order', () => {
    for (const lei of [...LEIS, ...some.map((ofBody) => ofBody(isLei)[0]!)]) {
      for (let at = 0; at < 20; at++) {
        const kind = isDigit(lei[at]!) ? DIGITS : LETTERS;
        const wrong = kind.filter((each) => each !== lei[at]).map((each) => replaced(lei, at, each));
        expect(wrong.filter(isLei)).toEqual([]);
        const next = lei[at + 1];
        if (next === undefined || next === lei[at] || isDigit(next) !== isDigit(lei[at]!)) continue;
        expect(isLei(swapped(lei, at))).toBe(false);
      }
    }
  });
});

describe('an ISIN', () => {
  const some = made(
    50,
    (pick) => pick(LETTERS) + pick(LETTERS) + Array.from({ length: 9 }, () => pick([...DIGITS, ...LETTERS])).join(''),
    DIGITS,
  );

  it('is one that was issued, and has one check digit', () => {
    expect(ISINS.filter((isin) => !isIsin(isin))).toEqual([]);
    for (const isin of ISINS) expect(DIGITS.filter((digit) => isIsin(isin.slice(0, 11) + digit))).toEqual([isin[11]]);
    for (const ofBody of some) expect(ofBody(isIsin)).toHaveLength(1);
    expect(isIsin('US037833100')).toBe(false);
    expect(isIsin('us0378331005')).toBe(false);
  });

  it('is none with a wrong digit, or two neighbouring digits in the wrong order, 0 and 9 apart', () => {
    for (const isin of [...ISINS, ...some.map((ofBody) => ofBody(isIsin)[0]!)]) {
      for (let at = 2; at < 12; at++) {
        if (!isDigit(isin[at]!)) continue;
        const wrong = DIGITS.filter((each) => each !== isin[at]).map((each) => replaced(isin, at, each));
        expect(wrong.filter(isIsin)).toEqual([]);
        const next = isin[at + 1];
        if (next === undefined || !isDigit(next) || next === isin[at]) continue;
        const isBlindSpot = ['09', '90'].includes(isin[at]! + next);
        expect([isin, at, isIsin(swapped(isin, at))]).toEqual([isin, at, isBlindSpot]);
      }
    }
  });
});

it.each<[string, (text: string) => boolean, string[], string[]]>([
  ['a MIC', isMicShaped, ['XETR', '24EQ', 'XOFF'], ['XET', 'xetr', 'XETRA', 'XE R']],
  [
    'a CFI code',
    isCfi,
    ['ESVUFR', 'DBFTFB', 'OCASPS', 'FFICSX', 'SRCCSP', 'JFTXFP', 'MMXXXX', 'CEOGES'],
    ['ESVUF', 'esvufr', 'EBVUFR', 'XSVUFR', 'IZXXXX', 'ES1UFR'],
  ],
  ['a currency', isCurrency, ['EUR', 'USD', 'CHW', 'XAU', 'BGN', 'HRK', 'XXX'], ['GBX', 'EURO', 'eur', 'DEM', 'ABC']],
  ['a country', isCountry, ['DE', 'GB', 'GR', 'AX'], ['UK', 'EL', 'EU', 'de', 'ZZ', 'XK', 'DEU']],
  ['the id of an algorithm', isAlgorithmIdShaped, ['A', 'MM7', 'X'.repeat(50)], ['', 'mm7', 'MM-7', 'X'.repeat(51)]],
  ['the shape of a national id', isNationalIdShaped, ['DE19700101ANNA#MUSTE', 'IT+1'], ['D1', '1234', 'DE 1']],
])('%s is told from what is none', (_, check, right, wrong) => {
  expect(right.filter((text) => !check(text))).toEqual([]);
  expect(wrong.filter(check)).toEqual([]);
});

describe('the id of a natural person', () => {
  it.each<[string, PersonIdScheme, string | undefined]>([
    ['DE19700101ANNA#MUSTE', 'CONCAT', undefined],
    ['IE19810214SEAN#COOK#', 'CONCAT', undefined],
    ['IT' + 'MRARSS70A01H501U', 'NIDN', undefined],
    ['USP1234567', 'CCPT', undefined],
    ['US19700101ANNA#MUSTE', 'CONCAT', undefined],
    ['GBQQ123456C', 'NIDN', undefined],
    ['UK19700101ANNA#MUSTE', 'CONCAT', 'must begin with the country'],
    ['IT19700101ANNA#MUSTE', 'CONCAT', 'must be NIDN for nationals of IT, not CONCAT'],
    ['DEL01X00T47', 'CCPT', 'must be CONCAT for nationals of DE, not CCPT'],
    ['DE19700230ANNA#MUSTE', 'CONCAT', 'must have a date of birth that the calendar has'],
    ['DE19701301ANNA#MUSTE', 'CONCAT', 'must have a date of birth that the calendar has'],
    ['DE19700101ANNA MUSTE', 'CONCAT', 'must be CONCAT after the country'],
    ['DE19700101#ANNAMUSTE', 'CONCAT', 'must be CONCAT after the country'],
    ['DE19700101AN#NAMUSTE', 'CONCAT', 'must be CONCAT after the country'],
    ['DE19700101ANNAMUSTER', 'CONCAT', undefined], // ANNAM USTER: who is to say
    ['DE19700101ANNA#MUSTER', 'CONCAT', 'must be CONCAT after the country'],
    ['USP123 4567', 'CCPT', 'must have 1 to 33'],
  ])('%s by %s', (text, scheme, mistake) => {
    if (mistake === undefined) expect(nationalIdMistake(text, scheme)).toBeUndefined();
    else expect(nationalIdMistake(text, scheme)).toContain(mistake);
  });

  it.each([
    ['Anna', 'Mustermann', 'ANNA#MUSTE'],
    ['Seán', 'Cooke', 'SEAN#COOKE'],
    ['Dr. Jörg Peter', 'von der Groß', 'JORG#GROS#'],
    ['Jean-Luc', "de l'Œuvre", 'JEANLOUVRE'],
    ['Łukasz', 'Żółć', 'LUKASZOLC#'],
    ['Ian', 'McDonald', 'IAN##MCDON'],
    ['Ian', 'Mc Donald', 'IAN##DONAL'],
    ['Vincent', 'van den Berg', 'VINCEBERG#'],
    ['Sinead', "O'Neill", 'SINEAONEIL'],
    ['Ae', 'Ærøskøbing', 'AE###AROSK'],
    ['Li', 'O', 'LI###O####'],
    ['Eva,Maria', 'Muster', 'EVA##MUSTE'], // as field 9 has several names
  ])('%s %s is %s in CONCAT', (firstName, surname, name) => {
    expect(concatName(firstName, surname)).toBe(name);
  });

  it('has no CONCAT from a name without a Latin letter', () => {
    expect(concatName('Анна', 'Petrova')).toBeUndefined();
  });
});
