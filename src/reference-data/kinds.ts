import { isAlgorithmIdShaped } from '../identifiers/algorithm-id.js';
import { isCfi } from '../identifiers/cfi.js';
import { isCountry } from '../identifiers/country.js';
import { isCurrency } from '../identifiers/currency.js';
import { isIsin } from '../identifiers/isin.js';
import { isLei } from '../identifiers/lei.js';
import { isMicShaped } from '../identifiers/mic.js';
import { concatName, nationalIdMistake, PERSON_ID_SCHEMES, type PersonIdScheme } from '../identifiers/national-id.js';
import { isEventText } from '../integrity/event.js';

/** What is wrong with a value: the rule's name, and the rest of the sentence that the column's name begins. */
export interface Mistake {
  rule: string;
  rest: string;
}

/** A value that entries of a kind have. */
export interface Field {
  name: string;
  description: string;
  example: string;
  required: boolean;
  mistake: (value: string) => Mistake | undefined;
  /** the kind whose id it is: it must be known, where any entry of that kind is */
  refersTo?: string;
}

/** Values by the names of fields; what an entry does not have is not in it. */
export type Attributes = Readonly<Record<string, string>>;

/** A kind of reference data: what its entries are called by, and what is known of each. */
export interface Kind {
  name: string;
  title: string;
  /** by what events name an entry */
  id: Field;
  fields: readonly Field[];
  /** mistakes that one field alone does not show, by the column that is told */
  together?: (id: string, attributes: Attributes) => (Mistake & { column: string })[];
  /** once ended, an id does not come back for another thing */
  idsAreUnique?: boolean;
}

export const MAX_TEXT = 255;

const isText = (value: string): boolean => isEventText(value, MAX_TEXT) && value.trim() === value;

type Check = readonly [rule: string, isRight: (value: string) => boolean, rest: string];

const TEXT: Check = ['text', isText, `must have 1 to ${MAX_TEXT} characters, none of control, and no blank at an end`];
const LEI: Check = ['lei', isLei, 'must be an LEI with right check digits (ISO 17442)'];
const ISIN: Check = ['isin', isIsin, 'must be an ISIN with a right check digit (ISO 6166)'];
const MIC: Check = ['mic', isMicShaped, 'must be a MIC of four upper-case letters and digits (ISO 10383)'];
const CFI: Check = ['cfi', isCfi, 'must be a CFI code of six letters, of a category and group of ISO 10962'];
const CURRENCY: Check = ['currency', isCurrency, 'must be a currency code of ISO 4217'];
const COUNTRY: Check = ['country', isCountry, 'must be a country of ISO 3166-1, alpha-2'];
const ALGORITHM: Check = ['algorithm-id', isAlgorithmIdShaped, 'must have 1 to 50 upper-case letters and digits'];
/** ISO 10383 has ZZ for codes of no country. */
const VENUE_COUNTRY: Check = [
  'country',
  (value) => isCountry(value) || value === 'ZZ',
  'must be a country of ISO 3166-1, alpha-2, or ZZ for none',
];

function codes(...allowed: readonly string[]): Check {
  return ['code', (value) => allowed.includes(value), `must be one of ${allowed.join(', ')}`];
}

function field(
  name: string,
  [rule, isRight, rest]: Check,
  example: string,
  description: string,
  more: Partial<Pick<Field, 'required' | 'refersTo'>> = {},
): Field {
  // the text's own rule holds for all: it goes into an event
  const mistake = (value: string): Mistake | undefined =>
    isRight(value) ? (isText(value) ? undefined : { rule: TEXT[0], rest: TEXT[2] }) : { rule, rest };
  return { name, description, example, required: false, mistake, ...more };
}

const REQUIRED = { required: true };

const PERSON_ID = field(
  'person_id',
  TEXT,
  'DE19700101ANNA#MUSTE',
  'the natural person: country of nationality and national id, passport or CONCAT (Delegated Regulation (EU) 2017/590, Article 6)',
);
const PERSON_ID_SCHEME = field(
  'person_id_scheme',
  codes(...PERSON_ID_SCHEMES),
  'CONCAT',
  'which of them it is: CONCAT, CCPT for a passport, NIDN for another national id',
);

/** Of a person's id the scheme, what the nationality allows, and in CONCAT the name. */
function personMistakes({ person_id: id, person_id_scheme: scheme, first_name, surname }: Attributes) {
  if (id === undefined && scheme === undefined) return [];
  if (id === undefined) return [{ column: 'person_id', rule: 'required', rest: 'is required beside person_id_scheme' }];
  if (scheme === undefined) {
    return [{ column: 'person_id_scheme', rule: 'required', rest: 'is required beside person_id' }];
  }
  const rest = nationalIdMistake(id, scheme as PersonIdScheme);
  if (rest !== undefined) return [{ column: 'person_id', rule: 'person-id', rest }];
  if (scheme !== 'CONCAT' || first_name === undefined || surname === undefined) return [];
  const name = concatName(first_name, surname);
  if (name === undefined || id.endsWith(name)) return [];
  return [
    { column: 'person_id', rule: 'concat-name', rest: `must end with ${name}, as first_name and surname have it` },
  ];
}

export const KINDS: readonly Kind[] = [
  {
    name: 'legal-entity',
    title: 'Legal entities: the firm and those of its group',
    id: field('lei', LEI, '529900G3SW56SHYNPR95', 'ISO 17442', REQUIRED),
    fields: [
      field('name', TEXT, 'Example Securities AG', 'registered name', REQUIRED),
      field('country', COUNTRY, 'DE', 'of its seat', REQUIRED),
    ],
  },
  {
    name: 'branch',
    title: 'Branches of the firm',
    id: field('branch_id', TEXT, 'PAR', 'what the firm calls it', REQUIRED),
    fields: [
      field('legal_entity', LEI, '529900G3SW56SHYNPR95', 'LEI of the entity that it belongs to', {
        required: true,
        refersTo: 'legal-entity',
      }),
      field('country', COUNTRY, 'FR', 'where it is; what transaction reports call the branch', REQUIRED),
      field('name', TEXT, 'Paris branch', 'its name'),
    ],
  },
  {
    name: 'trader',
    title: 'Natural persons who trade or decide',
    id: field('trader_id', TEXT, 'trader-1', 'what events call the person: user_id, or a decision maker', REQUIRED),
    fields: [
      { ...PERSON_ID, required: true },
      { ...PERSON_ID_SCHEME, required: true },
      field('first_name', TEXT, 'Anna', 'first name', REQUIRED),
      field('surname', TEXT, 'Mustermann', 'surname', REQUIRED),
      field('branch', TEXT, 'PAR', 'branch_id of the branch that is responsible for the person', {
        refersTo: 'branch',
      }),
      field('desk', TEXT, 'equities-1', 'desk'),
    ],
    together: (_, attributes) => personMistakes(attributes),
  },
  {
    name: 'algorithm',
    title: 'Algorithms that trade or decide',
    id: field('algorithm_id', ALGORITHM, 'MM7', 'what events call it: a decision maker', REQUIRED),
    fields: [
      field('version', TEXT, '2.4.1', 'which code ran in this time', REQUIRED),
      field('name', TEXT, 'Market maker 7', 'its name', REQUIRED),
      field('purpose', codes('investment_decision', 'execution', 'both'), 'both', 'what it decides', REQUIRED),
      field('owner', TEXT, 'trader-1', 'who answers for it'),
      field('difference', TEXT, 'Quotes wider in auctions', 'what this version does differently'),
      field('changed_by', TEXT, 'dev-4', 'who made the change'),
      field('approved_by', TEXT, 'risk-2', 'who approved it'),
    ],
    idsAreUnique: true,
  },
  {
    name: 'client',
    title: 'Clients',
    id: field('client_id', TEXT, 'C-77', 'what events call the client: metadata.client_id', REQUIRED),
    fields: [
      field(
        'name',
        TEXT,
        'Example Pension Fund',
        'of the legal entity; of a person where first_name and surname are not apart',
      ),
      field('lei', LEI, '5493001KJTIIGC8Y1R12', 'of a legal entity'),
      PERSON_ID,
      PERSON_ID_SCHEME,
      field('first_name', TEXT, 'Anna', 'of a natural person'),
      field('surname', TEXT, 'Mustermann', 'of a natural person'),
      field('country', COUNTRY, 'DE', 'of its seat or residence'),
    ],
    together: (_, attributes) => [...personMistakes(attributes), ...clientMistakes(attributes)],
  },
  {
    name: 'venue',
    title: 'Venues: market identifier codes',
    id: field('mic', MIC, 'XETR', 'ISO 10383', REQUIRED),
    fields: [
      field('name', TEXT, 'XETRA', 'its name', REQUIRED),
      field('operating_mic', MIC, 'XETR', 'of the operator; of an operating MIC itself', REQUIRED),
      field('segment', codes('OPRT', 'SGMT'), 'OPRT', 'OPRT for an operating MIC, SGMT for a segment of one', REQUIRED),
      field('country', VENUE_COUNTRY, 'DE', 'where it is', REQUIRED),
      field('category', TEXT, 'RMKT', 'market category of ISO 10383'),
      field('lei', LEI, '529900G3SW56SHYNPR95', 'of the operator'),
    ],
    together: (mic, { segment, operating_mic: operator }) =>
      segment === 'OPRT' && operator !== undefined && operator !== mic
        ? [{ column: 'operating_mic', rule: 'operating-mic', rest: 'must be the code itself where segment is OPRT' }]
        : [],
  },
  {
    name: 'instrument',
    title: 'Instruments',
    id: field('isin', ISIN, 'DE0007164600', 'ISO 6166', REQUIRED),
    fields: [
      field('name', TEXT, 'SAP SE O.N.', 'full name', REQUIRED),
      field('symbol', TEXT, 'SAP', 'what events call it: new_state.symbol'),
      field('cfi', CFI, 'ESVUFR', 'classification, ISO 10962'),
      field('currency', CURRENCY, 'EUR', 'in which it is traded, ISO 4217: the major unit'),
      field('venue', MIC, 'XETR', 'where it is admitted first, ISO 10383', {
        refersTo: 'venue',
      }),
      field('issuer', LEI, '529900D6BF99LW9R2E68', 'LEI of the issuer'),
    ],
  },
];

function clientMistakes({ lei, person_id: person, name, surname }: Attributes) {
  const mistakes: (Mistake & { column: string })[] = [];
  if ((lei === undefined) === (person === undefined)) {
    mistakes.push({ column: 'lei', rule: 'either', rest: 'or person_id is required, and not both' });
  }
  if (name === undefined && surname === undefined) {
    mistakes.push({ column: 'name', rule: 'either', rest: 'or first_name and surname are required' });
  }
  return mistakes;
}
