import { branchCountry, transmittingFirmOf, type Execution, type TransmittingFirm } from './execution.js';
import type { Allocation } from './legs.js';
import { isConcat } from './persons.js';
import { fromEntry, fromEvent, type Source, type Trace } from './trace.js';
import type { ClientDecision, DecisionWithinFirm, Party } from './transaction-report.js';

/** Which of the two decisions: its names in events, its field, and that of its branch. */
const DECISIONS = {
  investment: {
    maker: 'investment_decision_maker',
    type: 'investment_decision_maker_type',
    field: 57,
    rule: 'who within the firm decided to invest',
  },
  execution: {
    maker: 'execution_decision_maker',
    type: 'execution_decision_maker_type',
    field: 59,
    rule: 'who within the firm decided on the execution',
  },
} as const;

/**
 * Fields 57 and 58. On own account, or where the firm, or who transmitted the order to it, is the decision maker of buyer or
 * seller, it must be stated; else it is what events state: a rule refuses it where nothing shows that the firm may decide.
 * Not of a client's allocation without such a mandate: of the aggregate events may state it, of the part they must not.
 */
export function investmentDecision(
  execution: Execution,
  trace: Trace,
  { isOwnAccount, part, parties }: { isOwnAccount: boolean; part?: Allocation | undefined; parties: readonly Party[] },
): DecisionWithinFirm | undefined {
  const transmitting = transmittingFirmOf(execution);
  const decides = (lei: string | undefined): boolean =>
    parties.some(({ decisionMakers }) =>
      decisionMakers.some((maker) => maker.is === 'legal-entity' && maker.lei === lei),
    );
  const isThere = transmitting !== undefined && decides(transmitting.lei);
  const isMandate = isThere || decides(execution.firm);
  if (part && !isOwnAccount && !isMandate) {
    const text = 'investment_decision_maker must not be stated of a part whose client the firm does not decide for';
    if (part.has('investment_decision_maker')) trace.mend(57, DECISIONS.investment.rule, text);
    return undefined;
  }
  const decision = decisionOf('investment', execution, trace, {
    isRequired: isOwnAccount || isMandate,
    // an aggregate names nobody whose order it is: what was received of another firm was decided there
    decidedAt: !isOwnAccount && !decides(execution.firm) ? transmitting : undefined,
  });
  return decision?.is === 'client' ? undefined : decision;
}

/** Fields 59 and 60, of every report. */
export function executionDecision(execution: Execution, trace: Trace): DecisionWithinFirm | ClientDecision | undefined {
  return decisionOf('execution', execution, trace, { isRequired: true, decidedAt: undefined });
}

function decisionOf(
  which: keyof typeof DECISIONS,
  execution: Execution,
  trace: Trace,
  {
    isRequired,
    decidedAt,
  }: { isRequired: boolean; /** the firm that transmitted the order */ decidedAt: TransmittingFirm | undefined },
): DecisionWithinFirm | ClientDecision | undefined {
  const { facts, reference } = execution;
  const { maker: name, type: typeName, field, rule } = DECISIONS[which];
  const [maker, type] = [facts.get(name), facts.get(typeName)];
  if (type?.text === 'client') {
    if (which === 'investment' && isRequired) trace.mend(field, rule, `${typeName} is client, and the firm decided`);
    if (which === 'execution') trace.say([field], 'the client fixed all of the execution', [fromEvent(type)]);
    return { is: 'client' };
  }
  if (!maker) {
    if (isRequired) trace.mend(field, rule, `${name} must be stated`);
    return undefined;
  }
  const stated: readonly Source[] = [fromEvent(maker), ...(type ? [fromEvent(type)] : [])];
  const trader = type?.text === 'algorithm' ? undefined : reference.find('trader', maker.text);
  if (trader) {
    const { person_id: id, person_id_scheme: scheme, branch } = trader.attributes;
    trace.say([field], rule, [...stated, fromEntry(trader)]);
    return { is: 'person', id: id!, scheme: scheme as 'CONCAT', branchCountry: country(branch, [fromEntry(trader)]) };
  }
  const algorithm = type?.text === 'natural_person' ? undefined : reference.find('algorithm', maker.text);
  // said of the maker that was known before, who is a trader
  if (!algorithm && type && type.event_id !== maker.event_id && reference.find('trader', maker.text)) {
    trace.mend(field, rule, `${name} must name the algorithm: ${maker.text} is a trader of the reference data`);
    return undefined;
  }
  if (algorithm || type?.text === 'algorithm') {
    trace.say([field], `${rule}: an algorithm`, [...stated, ...(algorithm ? [fromEntry(algorithm)] : [])]);
    return { is: 'algorithm', id: maker.text };
  }
  if (isConcat(maker.text)) {
    trace.say([field], rule, stated);
    return { is: 'person', id: maker.text, scheme: 'CONCAT', branchCountry: country(undefined, []) };
  }
  trace.mend(field, rule, `${name} ${maker.text} is neither a trader nor an algorithm of the reference data`);
  return undefined;

  function country(branch: string | undefined, sources: readonly Source[]): string | undefined {
    const found = branchCountry(execution, branch, decidedAt);
    const whose = 'the country of the branch that is responsible for the person';
    if (typeof found === 'string') {
      trace.mend(field + 1, whose, found);
      return undefined;
    }
    trace.say([field + 1], found.rule, [...sources, ...found.sources]);
    return found.country;
  }
}
