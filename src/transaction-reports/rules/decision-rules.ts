import { isAlgorithmIdShaped } from '../../identifiers/algorithm-id.js';
import { isCountry } from '../../identifiers/country.js';
import type { DecisionMaker, ExecutionDecision, NewReport, PersonWithinFirm } from '../transaction-report.js';
import { isAggregated } from './facts.js';
import { isPersonId } from './party-rules.js';
import { elementRule, forbiddenRule, requiredRule, valueRule, type Rule } from './rule.js';

/** 57 to 60: who within the firm decided to invest, and on the execution. */
export const DECISION_RULES: readonly Rule[] = [
  algorithmRule('TR-057-1', 57, 'An algorithm that decided to invest must have 1 to 50 upper-case letters and digits.'),
  personRule(
    'TR-057-2',
    57,
    'InvstmtDcsnPrsn',
    'The id of a person who decided to invest',
    (report) => report.investmentDecision,
  ),
  requiredRule(
    'TR-057-3',
    [57, 29],
    'Who within the firm decided to invest must be given where the firm deals on own account.',
    ({ report }) => report.tradingCapacity === 'DEAL',
  ),
  requiredRule(
    'TR-057-4',
    [57, 12, 21],
    'Who within the firm decided to invest must be given where the firm, or who transmitted the order to it, decides for the buyer or the seller.',
    ({ report }) => decidesForClient(report),
  ),
  forbiddenRule(
    'TR-057-5',
    [57, 29, 12, 21],
    'Who within the firm decided to invest must be given only where the firm did, on own account or as the decision maker for the buyer or the seller, or where who transmitted the order is that.',
    ({ report }) =>
      (report.tradingCapacity === 'AOTC' || report.tradingCapacity === 'MTCH') &&
      !decidesForClient(report) &&
      !isAggregated(report),
  ),
  branchRule('TR-058-1', 58, 57, 'InvstmtDcsnPrsn', 'decided to invest', (report) => report.investmentDecision),
  valueRule(
    'TR-058-2',
    58,
    'The branch country of the investment decision must be one of ISO 3166-1 alpha-2.',
    isCountry,
  ),
  requiredRule('TR-059-1', [59], 'Who decided on the execution must be given: a person, an algorithm, or NORE.'),
  algorithmRule(
    'TR-059-2',
    59,
    'An algorithm that decided on the execution must have 1 to 50 upper-case letters and digits.',
  ),
  personRule(
    'TR-059-3',
    59,
    'ExctgPrsn',
    'The id of a person who decided on the execution',
    (report) => report.execution,
  ),
  branchRule('TR-060-1', 60, 59, 'ExctgPrsn', 'decided on the execution', (report) => report.execution),
  valueRule('TR-060-2', 60, 'The branch country of the execution must be one of ISO 3166-1 alpha-2.', isCountry),
];

/** The firm, or who transmitted the client's order to it and has told who decided there (2017/590, Article 4(1)). */
function decidesForClient(report: NewReport): boolean {
  const { buyer, seller, executingEntity, transmittingFirmForBuyer, transmittingFirmForSeller } = report;
  const decides = (makers: readonly DecisionMaker[], transmitting: string | undefined): boolean =>
    makers.some((maker) => maker.is === 'legal-entity' && [executingEntity, transmitting].includes(maker.lei));
  return (
    decides(buyer.decisionMakers, transmittingFirmForBuyer) || decides(seller.decisionMakers, transmittingFirmForSeller)
  );
}

function algorithmRule(id: string, field: number, text: string): Rule {
  return valueRule(id, field, text, (value, path) => !path.endsWith('/Algo') || isAlgorithmIdShaped(value));
}

type DecisionOf = (report: NewReport) => ExecutionDecision | undefined;

function personOf(report: NewReport, decisionOf: DecisionOf): PersonWithinFirm | undefined {
  const decision = decisionOf(report);
  return decision?.is === 'person' ? decision : undefined;
}

function personRule(id: string, field: number, element: string, whose: string, decisionOf: DecisionOf): Rule {
  const text = `${whose} must be the country of the nationality and an id that Annex II gives to it, in its form.`;
  return elementRule(id, [field], text, ({ report }) => {
    const person = personOf(report, decisionOf);
    return !person || isPersonId(person) ? [] : [{ path: `New/${element}/Prsn/Othr/Id`, value: person.id }];
  });
}

function branchRule(
  id: string,
  field: number,
  person: number,
  element: string,
  did: string,
  decisionOf: DecisionOf,
): Rule {
  const text = `The country of the branch must be given of a person who ${did}; no branch is the home country.`;
  return elementRule(id, [field, person], text, ({ report }) =>
    personOf(report, decisionOf)?.branchCountry === undefined && personOf(report, decisionOf)
      ? [{ path: `New/${element}/Prsn/CtryOfBrnch` }]
      : [],
  );
}
