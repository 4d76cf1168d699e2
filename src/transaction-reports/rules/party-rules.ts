import { isCountry } from '../../identifiers/country.js';
import { isLei } from '../../identifiers/lei.js';
import { isMicShaped } from '../../identifiers/mic.js';
import { concatName, nationalIdMistake } from '../../identifiers/national-id.js';
import type { NaturalPerson, NewReport, Party, PersonId } from '../transaction-report.js';
import { isOwner } from './facts.js';
import { isDay, isText } from './formats.js';
import {
  elementRule,
  forbiddenRule,
  requiredRule,
  rule,
  valueRule,
  type Judged,
  type Offence,
  type Rule,
} from './rule.js';

/** 7 to 27: buyer and seller, who decides for them, and who transmitted their order. */
export const PARTY_RULES: readonly Rule[] = [
  ...sideRules('buyer', 7),
  ...sideRules('seller', 16),
  elementRule(
    'TR-016-9',
    [16, 7],
    'The aggregate account must not be both the buyer and the seller.',
    ({ report: { buyer, seller } }) => {
      const isIn = ({ owners }: Party) => owners.some(({ id }) => id.is === 'aggregate-account');
      return isIn(buyer) && isIn(seller) ? [{ path: 'New/Sellr/AcctOwnr[1]/Id/Intl', value: 'INTC' }] : [];
    },
  ),
  rule(
    'TR-016-10',
    [16, 7],
    'Buyer and seller are the same: only a transfer within one owner that is published after trading is reported.',
    ({ report: { buyer, seller } }) =>
      buyer.owners.length > 0 && JSON.stringify(buyer.owners) === JSON.stringify(seller.owners),
    { severity: 'hint' },
  ),
  requiredRule('TR-025-1', [25], 'Whether the order was transmitted must be given.'),
  valueRule('TR-026-1', 26, 'The transmitting firm for the buyer must be an LEI with right check digits.', isLei),
  forbiddenRule(
    'TR-026-2',
    [26, 4],
    'The transmitting firm for the buyer must be another firm than the executing entity.',
    ({ report }) => report.transmittingFirmForBuyer === report.executingEntity,
  ),
  forbiddenRule(
    'TR-026-3',
    [26, 7],
    'A transmitting firm for the buyer must not be given where the buyer is the executing entity or a venue.',
    ({ report }) => isOwner('buyer', report) || hasVenue(report.buyer),
  ),
  valueRule('TR-027-1', 27, 'The transmitting firm for the seller must be an LEI with right check digits.', isLei),
  forbiddenRule(
    'TR-027-2',
    [27, 4],
    'The transmitting firm for the seller must be another firm than the executing entity.',
    ({ report }) => report.transmittingFirmForSeller === report.executingEntity,
  ),
  forbiddenRule(
    'TR-027-3',
    [27, 16],
    'A transmitting firm for the seller must not be given where the seller is the executing entity or a venue.',
    ({ report }) => isOwner('seller', report) || hasVenue(report.seller),
  ),
];

function hasVenue({ owners }: Party): boolean {
  return owners.some(({ id }) => id.is === 'venue');
}

/** A natural person of a side, and the path of the element `Prsn`. */
interface PersonAt {
  person: NaturalPerson;
  path: string;
}

/** The same rules for both sides; `first` is 7 for the buyer, 16 for the seller. */
function sideRules(side: 'buyer' | 'seller', first: number): Rule[] {
  const element = side === 'buyer' ? 'Buyr' : 'Sellr';
  const partyOf = (report: NewReport): Party => report[side];
  const ids = (n: number, part: number): string => `TR-${String(first + n).padStart(3, '0')}-${part}`;
  const ownersOf = (report: NewReport): PersonAt[] =>
    partyOf(report).owners.flatMap(({ id }, i) =>
      id.is === 'person' ? [{ person: id, path: `New/${element}/AcctOwnr[${i + 1}]/Id/Prsn` }] : [],
    );
  const makersOf = (report: NewReport): PersonAt[] =>
    partyOf(report).decisionMakers.flatMap((each, i) =>
      each.is === 'person' ? [{ person: each, path: `New/${element}/DcsnMakr[${i + 1}]/Prsn` }] : [],
    );
  const makers = `decision maker for the ${side}`;
  return [
    requiredRule(ids(0, 1), [first], `The ${side} must be given.`),
    valueRule(
      ids(0, 2),
      first,
      `A ${side} that is a legal entity must be an LEI with right check digits.`,
      (text, path) => !path.endsWith('/LEI') || isLei(text),
    ),
    valueRule(
      ids(0, 3),
      first,
      `A ${side} that is a venue must be a MIC that is valid on the trade date.`,
      (text, path, { day, context }) =>
        !path.endsWith('/MIC') || (isMicShaped(text) && context.venueOn?.(text, day) !== null),
    ),
    elementRule(
      ids(0, 6),
      [first],
      `Of several owners of the account of the ${side} each must be a person or a legal entity, and given once.`,
      ({ report }) => {
        const { owners } = partyOf(report);
        if (owners.length < 2) return [];
        const texts = owners.map(({ id }) => (id.is === 'person' ? id.id : id.is === 'legal-entity' ? id.lei : ''));
        return texts.flatMap((value, i) =>
          value === '' || texts.indexOf(value) !== i ? [{ path: `New/${element}/AcctOwnr[${i + 1}]/Id`, value }] : [],
        );
      },
    ),
    ...personRules(first, `${side}`, ids, 0, ownersOf),
    valueRule(ids(1, 1), first + 1, `The branch country for the ${side} must be one of ISO 3166-1 alpha-2.`, isCountry),
    elementRule(
      ids(1, 2),
      [first + 1, first],
      `The branch country for the ${side} must be given for a natural person, who is a client.`,
      ({ report }) =>
        partyOf(report).owners.flatMap(({ id, branchCountry }, i) =>
          id.is === 'person' && branchCountry === undefined
            ? [{ path: `New/${element}/AcctOwnr[${i + 1}]/CtryOfBrnch` }]
            : [],
        ),
    ),
    elementRule(
      ids(1, 3),
      [first + 1, first],
      `The branch country for the ${side} must not be given where the ${side} is no client: the executing entity or a venue.`,
      ({ report }) =>
        partyOf(report).owners.flatMap(({ id, branchCountry }, i) => {
          const isNoClient = id.is === 'venue' || (id.is === 'legal-entity' && id.lei === report.executingEntity);
          return isNoClient && branchCountry !== undefined
            ? [{ path: `New/${element}/AcctOwnr[${i + 1}]/CtryOfBrnch`, value: branchCountry }]
            : [];
        }),
    ),
    valueRule(
      ids(5, 1),
      first + 5,
      `A ${makers} that is a legal entity must be an LEI with right check digits.`,
      (text, path) => !path.endsWith('/LEI') || isLei(text),
    ),
    forbiddenRule(
      ids(5, 2),
      [first + 5, first],
      `A ${makers} must not be given where the ${side} is the executing entity, which decides for itself, or a venue.`,
      ({ report }) => isOwner(side, report) || hasVenue(partyOf(report)),
    ),
    elementRule(ids(5, 3), [first + 5, first], `A ${makers} must be another than the ${side}.`, ({ report }) => {
      const { owners, decisionMakers } = partyOf(report);
      const known = new Set(
        owners.map(({ id }) => (id.is === 'person' ? id.id : id.is === 'legal-entity' ? id.lei : '')),
      );
      return decisionMakers.flatMap((each, i) => {
        const value = each.is === 'person' ? each.id : each.lei;
        return owners.length === 1 && known.has(value) ? [{ path: `New/${element}/DcsnMakr[${i + 1}]`, value }] : [];
      });
    }),
    ...personRules(first, makers, ids, 5, makersOf),
  ];
}

/** The rules on persons: owners have their id in field `first`, names and birth in those after the branch; makers none. */
function personRules(
  first: number,
  whose: string,
  ids: (n: number, part: number) => string,
  at: 0 | 5,
  personsOf: (report: NewReport) => PersonAt[],
): Rule[] {
  const id = first + at;
  const firstNames = first + (at === 0 ? 2 : 6);
  const n = firstNames - first;
  const each =
    (mistake: (person: NaturalPerson, judged: Judged) => string | true | undefined, element: string) =>
    (judged: Judged): Offence[] =>
      personsOf(judged.report).flatMap(({ person, path }) => {
        const value = mistake(person, judged);
        return value === undefined ? [] : [{ path: `${path}/${element}`, value: value === true ? undefined : value }];
      });
  const isGiven = (text: string | undefined): true | undefined => (text === undefined ? true : undefined);
  const unless = (isRight: boolean, text: string | undefined): string | undefined => (isRight ? undefined : text);
  return [
    elementRule(
      ids(at, 7),
      [id],
      `The id of a person as ${whose} must be the country of the nationality and an id that Annex II gives to it, in its form.`,
      each((person) => unless(isPersonId(person), person.id), 'Othr/Id'),
    ),
    elementRule(
      ids(at, 8),
      [id, firstNames, firstNames + 1, firstNames + 2],
      `A CONCAT id of a person as ${whose} must be made of the date of birth, first name and surname that the report gives.`,
      each((person) => unless(isConcatOf(person), person.id), 'Othr/Id'),
    ),
    elementRule(
      ids(n, 1),
      [firstNames, id],
      `The first names of a person as ${whose} must be given.`,
      each((person) => isGiven(person.firstNames), 'FrstNm'),
    ),
    elementRule(
      ids(n, 2),
      [firstNames],
      `The first names of a person as ${whose} must have 1 to 140 characters, none of control.`,
      each(({ firstNames: text }) => unless(text === undefined || isText(text, 140), text), 'FrstNm'),
    ),
    elementRule(
      ids(n + 1, 1),
      [firstNames + 1, id],
      `The surnames of a person as ${whose} must be given.`,
      each((person) => isGiven(person.surnames), 'Nm'),
    ),
    elementRule(
      ids(n + 1, 2),
      [firstNames + 1],
      `The surnames of a person as ${whose} must have 1 to 140 characters, none of control.`,
      each(({ surnames: text }) => unless(text === undefined || isText(text, 140), text), 'Nm'),
    ),
    elementRule(
      ids(n + 2, 1),
      [firstNames + 2, id],
      `The date of birth of a person as ${whose} must be given.`,
      each((person) => isGiven(person.birthDate), 'BirthDt'),
    ),
    elementRule(
      ids(n + 2, 2),
      [firstNames + 2],
      `The date of birth of a person as ${whose} must be a day of the calendar, from 1900 on and before the trade date.`,
      each(
        ({ birthDate: text }, { day }) =>
          unless(text === undefined || (isDay(text) && text >= '1900-01-01' && text < day), text),
        'BirthDt',
      ),
    ),
  ];
}

/** Plus and minus only where the schema has them: plus in ids of FI, minus in those of FI and LV. */
export function isPersonId({ id, scheme }: PersonId): boolean {
  if (nationalIdMistake(id, scheme) !== undefined) return false;
  const country = id.slice(0, 2);
  return (!id.includes('+') || country === 'FI') && (!id.includes('-') || country === 'FI' || country === 'LV');
}

/** True also where the id is no CONCAT, or has mistakes of its own. */
function isConcatOf(person: NaturalPerson): boolean {
  const { id, scheme, firstNames, surnames, birthDate } = person;
  if (scheme !== 'CONCAT' || !isPersonId(person)) return true;
  if (birthDate !== undefined && id.slice(2, 10) !== birthDate.replaceAll('-', '')) return false;
  if (firstNames === undefined || surnames === undefined) return true;
  const name = concatName(firstOf(firstNames), firstOf(surnames));
  const whole = concatName(firstOf(firstNames), surnames.replaceAll(',', ' '));
  return name === undefined || id.slice(10) === name || id.slice(10) === whole;
}

/** Several names have commas between them, and the first counts. */
function firstOf(names: string): string {
  return names.split(',')[0]!.trim();
}
