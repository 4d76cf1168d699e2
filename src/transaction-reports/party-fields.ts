import { type FieldValue, type ReportField } from './report-field.js';
import type { AccountOwner, DecisionMaker, NaturalPerson, NewReport, Party, PartyId } from './transaction-report.js';

const PARTY_ELEMENTS = {
  'legal-entity': 'LEI',
  venue: 'MIC',
  person: 'Prsn/Othr/Id',
  'aggregate-account': 'Intl',
} as const satisfies Record<PartyId['is'], string>;

/** 7 to 15 of the buyer, 16 to 24 of the seller. */
export function partyFields(
  side: 'buyer' | 'seller',
  element: 'Buyr' | 'Sellr',
  first: number,
  partyOf: (report: NewReport) => Party,
): ReportField[] {
  const owner = `${element}/AcctOwnr`;
  const maker = `${element}/DcsnMakr`;
  const ofOwners =
    (path: (owner: AccountOwner) => string, text: (owner: AccountOwner) => string | undefined) =>
    (report: NewReport): readonly FieldValue[] =>
      partyOf(report).owners.map((each, i) => ({ path: `New/${owner}[${i + 1}]/${path(each)}`, text: text(each) }));
  const ofMakers =
    (path: (maker: DecisionMaker) => string, text: (maker: DecisionMaker) => string | undefined) =>
    (report: NewReport): readonly FieldValue[] =>
      partyOf(report).decisionMakers.map((each, i) => ({
        path: `New/${maker}[${i + 1}]/${path(each)}`,
        text: text(each),
      }));
  const ofPersons = [
    ['first_names', 'first name(s)', 'FrstNm', 'AN-140', ({ firstNames }: NaturalPerson) => firstNames],
    ['surnames', 'surname(s)', 'Nm', 'AN-140', ({ surnames }: NaturalPerson) => surnames],
    ['birth_date', 'date of birth', 'BirthDt', 'DATE', ({ birthDate }: NaturalPerson) => birthDate],
  ] as const;
  const title = side === 'buyer' ? 'Buyer' : 'Seller';
  return [
    {
      number: first,
      name: `${side}_id`,
      title: `${title} identification code`,
      paths: ['LEI', 'MIC', 'Prsn/Othr/Id', 'Intl'].map((path) => `${owner}/Id/${path}`),
      format: 'LEI, MIC, NID, INTC',
      read: ofOwners(
        ({ id }) => `Id/${PARTY_ELEMENTS[id.is]}`,
        ({ id }) => partyText(id),
      ),
    },
    {
      number: first + 1,
      name: `${side}_branch_country`,
      title: `Country of the branch for the ${side}`,
      paths: [`${owner}/CtryOfBrnch`],
      format: 'CC',
      read: ofOwners(
        () => 'CtryOfBrnch',
        ({ branchCountry }) => branchCountry,
      ),
    },
    ...ofPersons.map(([name, words, path, format, text], i) => ({
      number: first + 2 + i,
      name: `${side}_${name}`,
      title: `${title}: ${words}`,
      paths: [`${owner}/Id/Prsn/${path}`],
      format,
      read: ofOwners(
        () => `Id/Prsn/${path}`,
        ({ id }) => (id.is === 'person' ? text(id) : undefined),
      ),
    })),
    {
      number: first + 5,
      name: `${side}_decision_maker_id`,
      title: `${title} decision maker code`,
      paths: ['LEI', 'Prsn/Othr/Id'].map((path) => `${maker}/${path}`),
      format: 'LEI, NID',
      read: ofMakers((each) => PARTY_ELEMENTS[each.is], partyText),
    },
    ...ofPersons.map(([name, words, path, format, text], i) => ({
      number: first + 6 + i,
      name: `${side}_decision_maker_${name}`,
      title: `${title} decision maker: ${words}`,
      paths: [`${maker}/Prsn/${path}`],
      format,
      read: ofMakers(
        () => `Prsn/${path}`,
        (each) => (each.is === 'person' ? text(each) : undefined),
      ),
    })),
  ];
}

function partyText(id: PartyId): string {
  switch (id.is) {
    case 'legal-entity':
      return id.lei;
    case 'venue':
      return id.mic;
    case 'person':
      return id.id;
    case 'aggregate-account':
      return 'INTC';
  }
}
