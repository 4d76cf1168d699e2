import { executionWith, type StatedValues } from '../../test/support/executions.js';
import { BANK, FIRM } from '../../test/support/transaction-reports.js';
import { executionDecision, investmentDecision } from './decisions.js';
import { Trace } from './trace.js';
import type { Party } from './transaction-report.js';

const NOBODY: Party = { owners: [], decisionMakers: [] };
const MANDATE: Party = { owners: [], decisionMakers: [{ is: 'legal-entity', lei: FIRM }] };
const TRADER = { is: 'person', id: 'ITMRARSS70A01H501U', scheme: 'NIDN', branchCountry: 'IT' };
const told = ({ toMend }: Trace): string[] => toMend.map(({ field, text }) => `${field}: ${text}`);

describe('who decided on the execution (fields 59, 60)', () => {
  const who = (maker: string, type?: string): StatedValues => ({
    ...{ execution_decision_maker: maker, execution_decision_maker_type: type },
  });
  it.each<[string, StatedValues, object | undefined, string[]]>([
    ['a trader with a branch', who('T-1'), TRADER, []],
    ['an algorithm', who('MM7'), { is: 'algorithm', id: 'MM7' }, []],
    ['an algorithm that is said to be one', who('NEW1', 'algorithm'), { is: 'algorithm', id: 'NEW1' }, []],
    ['the client', { execution_decision_maker_type: 'client' }, { is: 'client' }, []],
    [
      'a person by an id that says what it is, of no branch',
      who('DE19700101ANNA#MUSTE'),
      { is: 'person', id: 'DE19700101ANNA#MUSTE', scheme: 'CONCAT', branchCountry: 'FR' },
      [],
    ],
    ['not known', {}, undefined, ['59: execution_decision_maker must be stated']],
    [
      'a person whom nobody knows',
      who('T-404'),
      undefined,
      ['59: execution_decision_maker T-404 is neither a trader nor an algorithm of the reference data'],
    ],
    [
      'no person, where an algorithm is called so',
      who('MM7', 'natural_person'),
      undefined,
      ['59: execution_decision_maker MM7 is neither a trader nor an algorithm of the reference data'],
    ],
    [
      'a trader of a branch that nobody knows',
      who('T-9'),
      { ...TRADER, branchCountry: undefined },
      ['60: branch NO is not in the reference data'],
    ],
  ])('is %s', (_, stated, decision, toMend) => {
    const trace = new Trace();
    expect(executionDecision(executionWith(stated), trace)).toEqual(decision);
    expect(told(trace)).toEqual(toMend);
  });
});

describe('who decided to invest (fields 57, 58)', () => {
  const decided = { investment_decision_maker: 'T-1' };
  const client = { investment_decision_maker_type: 'client' };
  const own = { isOwnAccount: true, parties: [NOBODY] };
  const agency = { ...own, isOwnAccount: false };
  const OWN_PART = new Map([
    [
      'investment_decision_maker' as const,
      { text: 'T-1', name: 'allocations/0/investment_decision_maker', event_id: 'e', sequence: '1' },
    ],
  ]);
  const allocation = { ...agency, part: new Map() };
  it.each<[string, StatedValues, Parameters<typeof investmentDecision>[2], object | undefined, string[]]>([
    ['on own account', decided, own, TRADER, []],
    ['on own account, not told', {}, own, undefined, ['57: investment_decision_maker must be stated']],
    [
      'on own account, by the client',
      client,
      own,
      undefined,
      ['57: investment_decision_maker_type is client, and the firm decided'],
    ],
    ['for a client who decided', client, agency, undefined, []],
    ['for a client, not told', {}, agency, undefined, []],
    // rule TR-057-5 asks for the mandate
    ['for a client, where events say that the firm decided', decided, agency, TRADER, []],
    ['under a mandate', decided, { ...agency, parties: [NOBODY, MANDATE] }, TRADER, []],
    [
      'under a mandate, not told',
      {},
      { ...agency, parties: [NOBODY, MANDATE] },
      undefined,
      ['57: investment_decision_maker must be stated'],
    ],
    [
      'at the firm that transmitted the order, of the branch of that',
      { investment_decision_maker: 'DE19700101ANNA#MUSTE', transmitting_firm: BANK },
      { ...agency, parties: [{ owners: [], decisionMakers: [{ is: 'legal-entity', lei: BANK }] }] },
      { is: 'person', id: 'DE19700101ANNA#MUSTE', scheme: 'CONCAT', branchCountry: undefined },
      [`58: legal entity ${BANK} is not in the reference data, which has its home country`],
    ],
    [
      'at the firm that transmitted the order, not told',
      { transmitting_firm: BANK },
      { ...agency, parties: [{ owners: [], decisionMakers: [{ is: 'legal-entity', lei: BANK }] }] },
      undefined,
      ['57: investment_decision_maker must be stated'],
    ],
    [
      'by the firm under a mandate, of an order that another firm transmitted',
      { investment_decision_maker: 'DE19700101ANNA#MUSTE', transmitting_firm: BANK },
      { ...agency, parties: [MANDATE] },
      { is: 'person', id: 'DE19700101ANNA#MUSTE', scheme: 'CONCAT', branchCountry: 'FR' },
      [],
    ],
    ["of a client's allocation", decided, allocation, undefined, []],
    [
      "of a client's allocation that says it itself",
      decided,
      { ...allocation, part: OWN_PART },
      undefined,
      ['57: investment_decision_maker must not be stated of a part whose client the firm does not decide for'],
    ],
    ["of a client's allocation under a mandate", decided, { ...allocation, parties: [MANDATE, NOBODY] }, TRADER, []],
  ])('%s', (_, stated, how, decision, toMend) => {
    const trace = new Trace();
    expect(investmentDecision(executionWith(stated), trace, how)).toEqual(decision);
    expect(told(trace)).toEqual(toMend);
  });
});
