import { countingNationality, isConcat, personOf } from './persons.js';

describe('the nationality that counts', () => {
  it.each([
    [['SE', 'DE'], 'DE'],
    [['US', 'SE'], 'SE'],
    [['AR', 'ZA'], 'AR'],
    [['US'], 'US'],
    [[], undefined],
  ])('of %j is %s', (nationalities, counting) => {
    expect(countingNationality(nationalities, '2026-06-02')).toBe(counting);
  });
});

it('of the United Kingdom counted as one of the EEA until 2020', () => {
  expect(countingNationality(['AU', 'GB'], '2020-12-31')).toBe('GB');
  expect(countingNationality(['AU', 'GB'], '2021-01-01')).toBe('AU');
});

describe('the id of a person, by the priorities of Annex II', () => {
  const anna = { first_name: 'Anna', surname: 'von Mustermann', birth_date: '1970-01-31' };
  it.each<[string, Record<string, string>, string, string]>([
    [
      'CONCAT, which is all that DE has',
      { ...anna, nationality: 'DE', passport: 'C01X00T47' },
      'DE19700131ANNA#MUSTE',
      'CONCAT',
    ],
    ['the national id of SE', { ...anna, nationality: 'SE', national_id: '197001311234' }, 'SE197001311234', 'NIDN'],
    [
      'CONCAT of SE for who has none',
      { ...anna, nationality: 'SE', no_national_id: 'yes' },
      'SE19700131ANNA#MUSTE',
      'CONCAT',
    ],
    [
      'the passport of NL before its identity card',
      { ...anna, nationality: 'NL', passport: 'NP1', national_id: 'NI2' },
      'NLNP1',
      'CCPT',
    ],
    [
      'the identity card of NL without a passport',
      { ...anna, nationality: 'NL', no_passport: 'yes', national_id: 'NI2' },
      'NLNI2',
      'NIDN',
    ],
    ['the passport of US', { ...anna, nationality: 'US', passport: 'P9' }, 'USP9', 'CCPT'],
    [
      'that of the EEA, of two nationalities',
      { ...anna, nationality: 'US IT', passport: 'P9', national_id: 'X1' },
      'ITX1',
      'NIDN',
    ],
    [
      'the one that is given as a whole',
      { person_id: 'IE19810214SEAN#COOKE', person_id_scheme: 'CONCAT' },
      'IE19810214SEAN#COOKE',
      'CONCAT',
    ],
  ])('is %s', (_, attributes, id, scheme) => {
    expect(personOf(attributes, '2026-06-02')).toMatchObject({ is: 'person', id, scheme });
  });

  it('has the date of birth that is given, or of CONCAT', () => {
    expect(personOf({ ...anna, nationality: 'DE' }, '2026-06-02')).toMatchObject({
      ...{ firstNames: 'Anna', surnames: 'von Mustermann', birthDate: '1970-01-31' },
    });
    expect(personOf({ person_id: 'IE19810214SEAN#COOKE', person_id_scheme: 'CONCAT' }, '2026-06-02')).toMatchObject({
      birthDate: '1981-02-14',
    });
  });

  it.each([
    [{ ...anna, nationality: 'SE' }, 'has no national_id, which nationals of SE have, nor no_national_id'],
    [{ ...anna, nationality: 'US' }, 'has no passport, nor no_passport'],
    [{ ...anna, nationality: 'IT', no_national_id: 'yes' }, 'has no id that Annex II takes of nationals of IT'],
    [{ first_name: 'Anna', surname: 'M', nationality: 'DE' }, 'has no id that Annex II takes of nationals of DE'],
    [{ first_name: 'Anna' }, 'has neither person_id nor nationality'],
  ])('of %j is missing: %s', (attributes, text) => {
    expect(personOf(attributes, '2026-06-02')).toBe(text);
  });

  it('is told to be CONCAT by its shape', () => {
    expect(['DE19700131ANNA#MUSTE', 'ZZ19700131ANNA#MUSTE', 'DE1970'].map(isConcat)).toEqual([true, false, false]);
  });
});
