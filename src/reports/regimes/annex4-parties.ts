import {
  clientOf,
  firstKnown,
  FOR_A_CLIENT,
  known,
  OF_PERSONS,
  WHERE_STATED,
  type Condition,
  type FactName,
  type Made,
  type OrderEvent,
  type RegimeField,
} from './regime.js';

/*
 * Delegated Regulation (EU) 2017/565, Annex IV: what every investment firm records. The annex has no codes and formats;
 * where MiFIR, Articles 25 and 26, have an item too, their standards are to be used (Articles 74 and 75, second
 * paragraphs): those of RTS 24 and RTS 22 (short sales). Items that ask for two things have a second field with a letter.
 */

/** Who decided, by the names that say it. */
export interface Decision {
  maker: FactName;
  type: FactName;
}

const INVESTMENT: Decision = { maker: 'investment_decision_maker', type: 'investment_decision_maker_type' };

/** Who is not said to be an algorithm is taken for a person. */
export function isAlgorithm(event: OrderEvent, { type }: Decision): boolean {
  return known(event, type) === 'algorithm';
}

export function personWho(decision: Decision): (event: OrderEvent) => Made | undefined {
  return (event) => (isAlgorithm(event, decision) ? undefined : firstKnown(event, [decision.maker]));
}

export function algorithmWhich(decision: Decision): (event: OrderEvent) => Made | undefined {
  return (event) => (isAlgorithm(event, decision) ? firstKnown(event, [decision.maker]) : undefined);
}

export function byAPerson(decision: Decision, words: string): Condition {
  const holds = (event: OrderEvent) => !['client', 'algorithm'].includes(known(event, decision.type) ?? '');
  return { words, holds };
}

const DECIDED_BY_A_PERSON = byAPerson(INVESTMENT, 'unless the client or an algorithm decided');
const DECIDED_BY_AN_ALGORITHM: Condition = {
  words: 'where an algorithm decided',
  holds: (event) => isAlgorithm(event, INVESTMENT),
};

function nameBy(first: FactName, last: FactName): (event: OrderEvent) => Made | undefined {
  return (event) => {
    const stated = [first, last].filter((name) => known(event, name) !== undefined);
    if (stated.length === 0) return undefined;
    return { text: stated.map((name) => known(event, name)!).join(' '), of: stated };
  };
}

const CLIENT_NAME = nameBy('client_first_names', 'client_surnames');
const REPRESENTATIVE_NAME = nameBy('client_representative_first_names', 'client_representative_surnames');

/** Items 1 to 4 of both sections: the client, who acts for it, and who decided. */
export const PARTIES: readonly RegimeField[] = [
  {
    number: '1',
    column: 'client',
    title: 'Name and designation of the client: its code',
    terms: ['client_id', 'client_id_type'],
    make: clientOf,
    format: 'client',
    required: FOR_A_CLIENT,
  },
  {
    number: '1n',
    column: 'client_name',
    title: 'Name and designation of the client: the name of a person',
    terms: ['client_first_names', 'client_surnames'],
    make: CLIENT_NAME,
    format: 'text',
    required: OF_PERSONS,
  },
  {
    number: '2',
    column: 'representative',
    title: 'Name and designation of the person acting on behalf of the client: its code',
    terms: ['client_representative_id'],
    format: 'party',
    required: WHERE_STATED,
  },
  {
    number: '2n',
    column: 'representative_name',
    title: 'Name and designation of the person acting on behalf of the client: the name',
    terms: ['client_representative_first_names', 'client_representative_surnames'],
    make: REPRESENTATIVE_NAME,
    format: 'text',
    required: WHERE_STATED,
  },
  {
    number: '3',
    column: 'investment_trader',
    title: 'Trader responsible for the investment decision',
    terms: ['investment_decision_maker', 'investment_decision_maker_type'],
    make: personWho(INVESTMENT),
    format: 'person',
    required: DECIDED_BY_A_PERSON,
  },
  {
    number: '4',
    column: 'investment_algorithm',
    title: 'Algorithm responsible for the investment decision',
    terms: ['investment_decision_maker', 'investment_decision_maker_type'],
    make: algorithmWhich(INVESTMENT),
    format: 'algorithm',
    required: DECIDED_BY_AN_ALGORITHM,
  },
];
