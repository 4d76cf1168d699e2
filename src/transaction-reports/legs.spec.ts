import { executionWith, type StatedValues } from '../../test/support/executions.js';
import { BANK, CLIENT as CLIENT_LEI, FIRM } from '../../test/support/transaction-reports.js';
import { legsOf, type Leg, type Role } from './legs.js';

const role = (of: Role): string => (of.is === 'client' ? (of.id ?? 'nobody') : of.is);
const told = ({ leg, own, other, isMarketSide, isAtPlace }: Leg): string =>
  [leg, role(own), role(other), isMarketSide ? 'market' : 'client', isAtPlace ? 'there' : 'off'].join(' ');

const CLIENT = { client_id: 'C-1', client_id_type: 'legal_entity' };
const OWN = { trading_capacity: 'own_account' };
const OTHER = { trading_capacity: 'any_other' };
const MATCHED = { trading_capacity: 'matched_principal' };
const SEVERAL = { client_id_type: 'aggregated' };
const OFF = { exchange: 'XOFF' };
const allocations = [
  { client_id: 'C-1', quantity: '4', price: '9' },
  { client_id: 'C-2', quantity: '6' },
];

describe('the transactions of an execution', () => {
  it.each<[string, StatedValues, string[]]>([
    ['on own account', { ...OWN, client_id_type: 'none' }, ['0 firm market market there']],
    ['on own account, the firm named as its own client', { ...OWN, client_id: FIRM }, ['0 firm market market there']],
    ['on own account, off venue', { ...OWN, ...OFF, counterparty_id: BANK }, ['0 firm market market there']],
    ['on own account, facing a client', { ...OWN, ...OFF, ...CLIENT }, ['1 C-1 firm market there']],
    [
      'the same, the client named twice',
      { ...OWN, ...OFF, ...CLIENT, counterparty_id: 'C-1' },
      ['1 C-1 firm market there'],
    ],
    [
      'the same, the client named by its LEI',
      { ...OWN, ...OFF, ...CLIENT, counterparty_id: CLIENT_LEI },
      ['1 C-1 firm market there'],
    ],
    [
      'the same, the firm named, which is opposite the client',
      { ...OWN, ...OFF, ...CLIENT, counterparty_id: FIRM },
      ['1 C-1 firm market there'],
    ],
    [
      'the same on a venue, where it has what a market side has',
      { ...OWN, ...CLIENT, counterparty_id: CLIENT_LEI },
      ['1 C-1 firm market there'],
    ],
    [
      'on own account for a client, transmitted without details, whoever is named beside that',
      { ...OWN, ...CLIENT, order_receiver: BANK, transmission: 'incomplete', counterparty_id: 'C-1' },
      ['0 firm market market there', '1 C-1 firm client off'],
    ],
    [
      'on own account for a client, transmitted without details',
      { ...OWN, ...CLIENT, order_receiver: BANK, transmission: 'incomplete' },
      ['0 firm market market there', '1 C-1 firm client off'],
    ],
    [
      "on own account, on the firm's own internaliser",
      { ...OWN, ...CLIENT, exchange: 'XOWN' },
      ['1 C-1 firm market there'],
    ],
    [
      "on own account for a client, on another's internaliser",
      { ...OWN, ...CLIENT, exchange: 'XXSI' },
      ['0 firm market market there', '1 C-1 firm client off'],
    ],
    [
      'on own account for a client, on a venue',
      { ...OWN, ...CLIENT },
      ['0 firm market market there', '1 C-1 firm client off'],
    ],
    [
      'on own account for a client, with a counterparty',
      { ...OWN, ...OFF, ...CLIENT, counterparty_id: BANK },
      ['0 firm market market there', '1 C-1 firm client off'],
    ],
    ['on own account for several', { ...OWN, ...SEVERAL }, ['0 firm market market there']],
    [
      'on own account for several, who are named',
      { ...OWN, ...SEVERAL, allocations },
      ['0 firm market market there', '2 C-1 firm client off', '3 C-2 firm client off'],
    ],
    ['in another capacity', { ...OTHER, ...CLIENT }, ['0 C-1 market market there']],
    ['as matched principal', { ...MATCHED, ...CLIENT }, ['0 C-1 market market there']],
    ['in another capacity for nobody', OTHER, ['0 nobody market market there']],
    ['in another capacity for several', { ...OTHER, ...SEVERAL }, ['0 aggregate market market there']],
    [
      'for clients to be named',
      { ...OTHER, client_id_type: 'pending_allocation' },
      ['0 aggregate market market there'],
    ],
    [
      'of what says that it is aggregated',
      { ...OTHER, ...CLIENT, aggregated: true },
      ['0 aggregate market market there'],
    ],
    [
      'as matched principal for several, who are named',
      { ...MATCHED, allocations },
      ['0 aggregate market market there', '2 C-1 aggregate client off', '3 C-2 aggregate client off'],
    ],
    [
      'in another capacity for a client and the firm itself',
      {
        ...OTHER,
        ...SEVERAL,
        allocations: [
          { client_id: 'C-1', quantity: '4' },
          { client_id: FIRM, quantity: '6' },
        ],
      },
      ['0 aggregate market market there', '2 C-1 aggregate client off', '3 firm aggregate client off'],
    ],
    [
      'on own account for a client of several and the firm itself',
      {
        ...OWN,
        ...SEVERAL,
        allocations: [
          { client_id: FIRM, quantity: '6' },
          { client_id: 'C-1', quantity: '4' },
        ],
      },
      ['0 firm market market there', '3 C-1 firm client off'],
    ],
    ["of one client's order have no allocations", { ...OTHER, ...CLIENT, allocations }, ['0 C-1 market market there']],
    ['without a capacity, for a client', CLIENT, ['0 C-1 market market there']],
    ['without a capacity and a client', {}, ['0 firm market market there']],
  ])('%s', (_, stated, expected) => {
    expect(legsOf(executionWith(stated)).map(told)).toEqual(expected);
  });

  it('that is an allocation are those of the clients alone', () => {
    const stated = { ...OTHER, ...SEVERAL, action: 'modify', allocations };
    const legs = legsOf(executionWith(stated));
    expect(legs.map(told)).toEqual(['2 C-1 aggregate client off', '3 C-2 aggregate client off']);
    expect(legs.map(({ allocation }) => [...allocation!.values()].map(({ name, text }) => `${name} ${text}`))).toEqual([
      ['allocations/0/quantity 4', 'allocations/0/price 9'],
      ['allocations/1/quantity 6'],
    ]);
  });

  it.each([['to whom'], [['C-1']], [[{ quantity: '1' }]], ['[C-1: 40]'], ['[]x'], ['[{"a":1,"a":2}]']])(
    'of allocations %j have nobody, so that it is told',
    (stated) => {
      expect(legsOf(executionWith({ ...OTHER, ...SEVERAL, allocations: stated })).map(told)).toEqual([
        ...['0 aggregate market market there', '2 nobody aggregate client off'],
      ]);
    },
  );
});
