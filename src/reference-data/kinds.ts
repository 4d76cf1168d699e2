import { mistakeOfNames, PARTY_FORM, PATTERN_FORM } from '../config/message-id.js';
import { isTimeZone } from '../config/settings.js';
import { isAlgorithmIdShaped } from '../identifiers/algorithm-id.js';
import { isCfi } from '../identifiers/cfi.js';
import { isCountry } from '../identifiers/country.js';
import { isCurrency } from '../identifiers/currency.js';
import { isIsin } from '../identifiers/isin.js';
import { isLei } from '../identifiers/lei.js';
import { isMicShaped } from '../identifiers/mic.js';
import { concatName, nationalIdMistake, PERSON_ID_SCHEMES, type PersonIdScheme } from '../identifiers/national-id.js';
import { parseUnderlyings } from './underlyings.js';
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
  /** of which other kinds its own id names entries: these must be known, where any entry of their kind is */
  idRefersTo?: (id: string) => readonly { kind: string; id: string }[];
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

const DECIMAL: Check = [
  'decimal',
  (value) => /^-?(0|[1-9][0-9]*)(\.[0-9]+)?$/.test(value),
  'must be a decimal such as 585.33',
];
const DAY: Check = ['day', isDay, 'must be a day, YYYY-MM-DD'];
const YES_OR_NO: Check = ['code', (value) => value === 'yes' || value === 'no', 'must be yes or no'];
const COUNTRIES: Check = [
  'countries',
  (value) => value.split(' ').every(isCountry),
  'must be countries of ISO 3166-1, alpha-2, with blanks between them',
];
const PLAIN_ID: Check = [
  'national-id',
  (value) => /^[A-Z0-9+-]{1,33}$/.test(value),
  'must have 1 to 33 upper-case letters, digits, plus or minus',
];
const MEMBERSHIP: Check = [
  'membership',
  (value) => {
    const [member, venue, ...more] = value.split('/');
    return more.length === 0 && isLei(member!) && venue !== undefined && isMicShaped(venue);
  },
  'must be an LEI with right check digits (ISO 17442), a slash and a MIC of four upper-case letters and digits (ISO 10383)',
];
const MARKET_CATEGORY: Check = [
  'category',
  (value) => /^[A-Z]{4}$/.test(value),
  'must be a market category code of four upper-case letters (ISO 10383)',
];
/** Ids of the firm's own have no form; what looks like an LEI is meant to be one. */
const DECISION_MAKERS: Check = [
  'lei',
  (value) => value.split(' ').every((each) => !LEI_SHAPED.test(each) || isLei(each)),
  'must name representatives or LEIs with right check digits (ISO 17442), with blanks between them',
];
const LEI_SHAPED = /^[A-Z0-9]{18}[0-9]{2}$/;
const UNDERLYINGS: Check = [
  'underlyings',
  (value) => parseUnderlyings(value) !== undefined,
  'must be ISINs and indices with blanks between them; an index as index:EURI@6MNTH, index:name_with_underscores or index:ISIN',
];

const REPORT_PARTY: Check = ['report-party', (value) => PARTY_FORM.test(value), 'must have 1 to 20 letters and digits'];
const REPORT_PARTIES: Check = [
  'report-party',
  (value) => value.split(' ').every((each) => PARTY_FORM.test(each)),
  'must be codes of 1 to 20 letters and digits, with blanks between them',
];
const TIME_ZONE: Check = ['time-zone', isTimeZone, 'must be a time zone of the IANA list, as Europe/Paris'];
/** Numbers are by sender and receiver: a name has both, so that no other series comes to the same one. */
const FILE_NAME: Check = [
  'file-name',
  (value) => PATTERN_FORM.test(value) && ['{sender}', '{receiver}'].every((part) => value.includes(part)),
  'must be a pattern with {sender}, {receiver} and {sequence}, as {sender}_{receiver}_{sequence:6}',
];

function isDay(value: string): boolean {
  if (!/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(value)) return false;
  const time = Date.parse(`${value}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(value);
}

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

/** Of whom the id is not given as a whole: what it is made of, by the priorities of Annex II. */
const PERSON_FIELDS: readonly Field[] = [
  field('nationality', COUNTRIES, 'DE', 'of the person; several with blanks between them'),
  field('birth_date', DAY, '1970-01-01', 'of the person'),
  field(
    'national_id',
    PLAIN_ID,
    'RSSMRA70A01H501S',
    'the national id of the nationality that counts, without the country',
  ),
  field('passport', PLAIN_ID, 'P1234567', 'number of the passport of that nationality'),
  field('no_national_id', YES_OR_NO, 'no', 'yes: the person has no national id'),
  field('no_passport', YES_OR_NO, 'no', 'yes: the person has no passport'),
];

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
      field('investment_firm', YES_OR_NO, 'yes', 'whether it is an investment firm under Directive 2014/65/EU'),
      field(
        'submitting_entity',
        LEI,
        '529900G3SW56SHYNPR95',
        'LEI of who submits its transaction reports, such as an ARM; left out: itself',
      ),
      field(
        'report_sender',
        REPORT_PARTY,
        'TF',
        'who sends files of its transaction reports; left out: the setting REPORTING_SENDER',
      ),
      field(
        'report_receiver',
        REPORT_PARTY,
        'FR',
        'which authority gets them, and whose days off count; left out: the setting REPORTING_RECEIVER',
      ),
      field(
        'report_file_name',
        FILE_NAME,
        '{sender}_{receiver}_{sequence:6}',
        'how these files are named; left out: REPORTING_FILE_NAME',
      ),
      field(
        'report_time_zone',
        TIME_ZONE,
        'Europe/Paris',
        'whose days and midnights count for its deadlines; left out: REPORTING_TIME_ZONE',
      ),
    ],
    together: (_, { report_file_name: pattern, report_sender: sender = 'S', report_receiver: receiver = 'R' }) => {
      const mistake = pattern === undefined ? undefined : mistakeOfNames(pattern, sender, receiver);
      return mistake === undefined
        ? []
        : [{ column: 'report_file_name', rule: 'file-name', rest: `must name the first file: ${mistake}` }];
    },
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
      field('birth_date', DAY, '1970-01-01', 'of the person'),
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
      ...PERSON_FIELDS,
      field(
        'joint_holders',
        TEXT,
        'C-78 C-79',
        'of a joint account the clients that hold it, client_ids with blanks between them',
      ),
      field(
        'decision_maker',
        DECISION_MAKERS,
        'R-1',
        'who decides for the client: representative_id, or the LEI of the firm itself under a mandate; several with blanks between them',
      ),
      field('branch', TEXT, 'PAR', 'branch_id of the branch that takes its orders', { refersTo: 'branch' }),
    ],
    together: (_, attributes) => [...personMistakes(attributes), ...clientMistakes(attributes)],
  },
  {
    name: 'representative',
    title: 'Who decides for clients under a power of representation',
    id: field('representative_id', TEXT, 'R-1', 'what the firm calls the person or entity', REQUIRED),
    fields: [
      field('name', TEXT, 'Example Asset Management', 'of the legal entity'),
      field('lei', LEI, '5493001KJTIIGC8Y1R12', 'of a legal entity'),
      PERSON_ID,
      PERSON_ID_SCHEME,
      field('first_name', TEXT, 'Anna', 'of a natural person'),
      field('surname', TEXT, 'Mustermann', 'of a natural person'),
      ...PERSON_FIELDS,
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
      field('category', MARKET_CATEGORY, 'RMKT', 'market category of ISO 10383'),
      field('lei', LEI, '529900G3SW56SHYNPR95', 'of the operator'),
      field(
        'kind',
        codes('trading_venue', 'systematic_internaliser', 'outside_eea'),
        'trading_venue',
        'what it is for transaction reports; left out: by category and country',
      ),
      field(
        'central_counterparty',
        LEI,
        '529900G3SW56SHYNPR95',
        'LEI of the central counterparty of what is executed there',
      ),
    ],
    together: (mic, { segment, operating_mic: operator }) =>
      segment === 'OPRT' && operator !== undefined && operator !== mic
        ? [{ column: 'operating_mic', rule: 'operating-mic', rest: 'must be the code itself where segment is OPRT' }]
        : [],
  },
  {
    name: 'membership',
    title: 'Memberships of venues',
    idRefersTo: (memberVenue) => {
      const [member, venue] = memberVenue.split('/') as [string, string];
      return [
        { kind: 'legal-entity', id: member },
        { kind: 'venue', id: venue },
      ];
    },
    id: field(
      'member_venue',
      MEMBERSHIP,
      '529900G3SW56SHYNPR95/XETR',
      'LEI of the member, a slash, MIC of the venue',
      REQUIRED,
    ),
    fields: [
      field('reported_by', codes('firm', 'venue'), 'firm', 'who reports transactions there', REQUIRED),
      field('branch', TEXT, 'PAR', 'branch_id of the branch whose membership it is; left out: the head office', {
        refersTo: 'branch',
      }),
    ],
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
      field(
        'listed_from',
        DAY,
        '2018-01-03',
        'first day on the reference list of the authorities; left out: not on it',
      ),
      field('listed_to', DAY, '2030-12-31', 'last day on it'),
      field('short_selling', YES_OR_NO, 'yes', 'whether Regulation (EU) No 236/2012 applies; left out: to shares'),
      field('notional_currency', CURRENCY, 'EUR', 'of a derivative: of its first leg'),
      field('notional_currency_2', CURRENCY, 'USD', 'of its second leg'),
      field('price_multiplier', DECIMAL, '100', 'units of the underlying that one contract stands for'),
      field('underlying', UNDERLYINGS, 'DE0007164600', 'of a derivative: its underlying, or members of the basket'),
      field('received_by_buyer', UNDERLYINGS, 'index:EURI@6MNTH', 'of a swap: the leg that the buyer receives'),
      field('paid_by_buyer', UNDERLYINGS, 'index:EURI@3MNTH', 'of a swap: the leg that the buyer pays'),
      field('option_type', codes('put', 'call', 'other'), 'put', 'of an option'),
      field('strike_price', DECIMAL, '140', 'of an option'),
      field(
        'strike_notation',
        codes('monetary', 'percentage', 'yield', 'basis_points', 'pending'),
        'monetary',
        'of the strike price; left out: monetary',
      ),
      field('strike_currency', CURRENCY, 'EUR', 'of the strike price'),
      field('exercise_style', codes('european', 'american', 'asian', 'bermudan', 'other'), 'european', 'of an option'),
      field('maturity_date', DAY, '2030-01-01', 'of a debt instrument'),
      field('expiry_date', DAY, '2030-01-01', 'of a derivative'),
      field('delivery_type', codes('physical', 'cash', 'optional'), 'cash', 'of a derivative'),
    ],
  },
  {
    name: 'authority-holiday',
    title: 'Days off of the authority that gets transaction reports',
    id: field('day', DAY, '2026-12-25', 'besides Saturdays and Sundays; valid on that very day', REQUIRED),
    fields: [
      field('name', TEXT, 'Christmas Day', 'what it is called', REQUIRED),
      field(
        'receivers',
        REPORT_PARTIES,
        'DE FR',
        'the authorities whose day off it is, as report_receiver of legal entities or REPORTING_RECEIVER has them, with blanks between them; left out: every one',
      ),
    ],
  },
];

function clientMistakes({ lei, person_id: person, nationality, joint_holders: joint, name, surname }: Attributes) {
  const mistakes: (Mistake & { column: string })[] = [];
  if ([lei, person ?? nationality, joint].filter((each) => each !== undefined).length !== 1) {
    const rest = 'or person_id is required, and not both; instead of these nationality, or joint_holders, may stand';
    mistakes.push({ column: 'lei', rule: 'either', rest });
  }
  if (name === undefined && surname === undefined && joint === undefined) {
    mistakes.push({ column: 'name', rule: 'either', rest: 'or first_name and surname are required' });
  }
  return mistakes;
}
