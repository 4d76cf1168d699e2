import { ENTRIES, executionWith, type StatedValues } from '../../test/support/executions.js';
import { BANK, CCP, CLIENT, FIRM, FUND } from '../../test/support/transaction-reports.js';
import { partyOf } from './parties.js';
import { Trace } from './trace.js';

const told = ({ toMend }: Trace): string[] => toMend.map(({ field, text }) => `${field}: ${text}`);
const entity = (lei: string) => ({ id: { is: 'legal-entity', lei } });
const OFF = { exchange: 'XOFF' };

describe('the other side', () => {
  it.each<[string, StatedValues, object[], string[]]>([
    ['of an anonymous execution is the central counterparty', {}, [entity(CCP)], []],
    ['is the one that the event names', { central_counterparty: BANK }, [entity(BANK)], []],
    ['is the venue where there is none', { exchange: 'XANO' }, [{ id: { is: 'venue', mic: 'XANO' } }], []],
    ['is the disclosed counterparty', { counterparty_id: BANK }, [entity(BANK)], []],
    [
      'is a client of the firm, with the country of its branch',
      { ...OFF, counterparty_id: 'C-1' },
      [{ ...entity(CLIENT), branchCountry: 'IT' }],
      [],
    ],
    [
      'must be known',
      { ...OFF, counterparty_id: 'SOMEBODY' },
      [],
      ['16: counterparty_id SOMEBODY is neither an LEI nor a client of the reference data'],
    ],
    [
      'is the central counterparty of the market that the venue is a segment of',
      { exchange: 'PARS' },
      [entity(CCP)],
      [],
    ],
    ['must be named off venue', OFF, [], ['16: counterparty_id must name the other side of what is off venue']],
    ['is the internaliser', { exchange: 'XXSI' }, [entity(BANK)], []],
    [
      'of an internaliser that nobody knows',
      { exchange: 'XNOL' },
      [],
      ['16: venue XNOL has no lei in the reference data, which says who the internaliser is'],
    ],
    [
      'is the firm that got the order',
      { transmission: 'incomplete', order_receiver: BANK, counterparty_id: CCP },
      [entity(BANK)],
      [],
    ],
    [
      'must be a firm then',
      { transmission: 'incomplete', order_receiver: 'XPAR' },
      [],
      ['16: order_receiver must be the LEI of the firm that the order was transmitted to'],
    ],
  ])('%s', (_, stated, owners, toMend) => {
    const trace = new Trace();
    expect(partyOf({ is: 'market' }, executionWith(stated), trace, 16).owners).toEqual(owners);
    expect(told(trace)).toEqual(toMend);
  });
});

describe('a client', () => {
  const client = (id: string | undefined, stated: StatedValues = {}) => {
    const trace = new Trace();
    const party = partyOf({ is: 'client', id, isOfOrder: true }, executionWith({ client_id: id, ...stated }), trace, 7);
    return { party, trace };
  };

  it.each<[string, StatedValues, string[], object]>([
    ['C-1', {}, [], { owners: [{ ...entity(CLIENT), branchCountry: 'IT' }], decisionMakers: [] }],
    ['C-5', {}, [], { decisionMakers: [{ is: 'legal-entity', lei: FIRM }] }],
    [
      'C-5',
      { client_representative_id: BANK },
      [],
      { decisionMakers: [{ is: 'legal-entity', lei: BANK }] }, // what the event says goes first
    ],
    // several, by what the reference data call them or by LEIs
    ['C-10', {}, [], { decisionMakers: [entity(BANK).id, { is: 'legal-entity', lei: FIRM }] }],
    [
      'C-5',
      { client_representative_ids: ['R-2', CCP, 'R-2'] },
      [],
      { decisionMakers: [entity(BANK).id, entity(CCP).id] },
    ],
    // one of them beside them, and one who is none of them
    [
      'C-5',
      { client_representative_ids: ['R-2', CCP], client_representative_id: 'R-2' },
      [],
      { decisionMakers: [entity(BANK).id, entity(CCP).id] },
    ],
    [
      'C-5',
      { client_representative_ids: ['R-2', CCP], client_representative_id: CLIENT },
      [`12: client_representative_ids must have ${CLIENT}, or client_representative_id not be stated with it`],
      { decisionMakers: [entity(BANK).id, entity(CCP).id] },
    ],
    // one of several ids, once
    ['C-5', { client_representative_ids: ['R-2', BANK] }, [], { decisionMakers: [entity(BANK).id] }],
    [
      'C-1',
      { client_representative_ids: ['R-2', 'R-404'] },
      ['12: representative R-404 is not in the reference data'],
      { decisionMakers: [entity(BANK).id] },
    ],
    [CCP, {}, [], { owners: [{ ...entity(CCP), branchCountry: 'FR' }] }],
    [CCP, { branch: 'ES' }, [], { owners: [{ ...entity(CCP), branchCountry: 'ES' }] }],
    // the branch of this order, whatever the client's is
    ['C-1', { branch: 'ES' }, [], { owners: [{ ...entity(CLIENT), branchCountry: 'ES' }] }],
    [CCP, { branch: 'MIL' }, [], { owners: [{ ...entity(CCP), branchCountry: 'IT' }] }],
    [
      CCP,
      { branch: 'NOWHERE' },
      ['8: branch NOWHERE must be the country of the branch, by ISO 3166-1 alpha-2, or a branch of the reference data'],
      { owners: [{ ...entity(CCP), branchCountry: undefined }] },
    ],
    // what another firm transmitted was received there, unless it is said where
    [CCP, { transmitting_firm: BANK, branch: 'DE' }, [], { owners: [{ ...entity(CCP), branchCountry: 'DE' }] }],
    // also where the firm has a branch for that client, which did not
    [
      'C-1',
      { transmitting_firm: BANK },
      [`8: legal entity ${BANK} is not in the reference data, which has its home country`],
      { owners: [{ ...entity(CLIENT), branchCountry: undefined }] },
    ],
    [
      CCP,
      { transmitting_firm: BANK },
      [`8: legal entity ${BANK} is not in the reference data, which has its home country`],
      { owners: [{ ...entity(CCP), branchCountry: undefined }] },
    ],
    [
      BANK,
      {},
      [],
      {
        owners: [{ ...entity(BANK), branchCountry: 'IT' }],
        decisionMakers: [{ is: 'legal-entity', lei: FIRM }],
      },
    ],
    [
      CLIENT,
      {},
      [
        `7: client ${CLIENT} is C-1, C-5, C-9 in the reference data, with other branches or decision makers: name one of these`,
      ],
      { owners: [] },
    ],
    [
      'DE19700101ANNA#MUSTE',
      { client_first_names: 'ANNA', client_surnames: 'MUSTERMANN', client_birth_date: '1970-01-01' },
      [],
      {
        owners: [
          {
            id: {
              ...{ is: 'person', id: 'DE19700101ANNA#MUSTE', scheme: 'CONCAT' },
              ...{ firstNames: 'ANNA', surnames: 'MUSTERMANN', birthDate: '1970-01-01' },
            },
            branchCountry: 'FR',
          },
        ],
      },
    ],
    // SE has national ids and CONCAT, so that there is no doubt; CZ has passports as well
    [
      'SE197001311234',
      { client_id_type: 'natural_person', client_surnames: 'BERG' },
      [],
      { owners: [{ id: { scheme: 'NIDN' } }] },
    ],
    [
      'SE197001311234',
      { client_surnames: 'BERG' },
      [
        "7: client SE197001311234 is not in the reference data: state client_id_type natural_person if it is the id of a person, and no number of the firm's own",
      ],
      { owners: [] },
    ],
    [
      'CZ7001311234',
      { client_id_type: 'natural_person', client_surnames: 'NOVAK' },
      ['7: client CZ7001311234 is not in the reference data'],
      { owners: [] },
    ],
    // NO has national ids, each with digits: this is a name of the firm's own that begins as one
    [
      'NOBODY',
      { client_id_type: 'natural_person', client_surnames: 'BERG' },
      ['7: client NOBODY is not in the reference data'],
      { owners: [] },
    ],
    ['C-404', {}, ['7: client C-404 is not in the reference data'], { owners: [] }],
    [
      'C-8',
      {},
      ['7: client C-404, who is one of joint_holders of C-8, is not in the reference data'],
      { owners: [{ ...entity(CLIENT), branchCountry: 'IT' }] },
    ],
    ['C-9', {}, ['12: representative R-404 is not in the reference data'], { decisionMakers: [] }],
  ])('%s that states %j', (id, stated, toMend, party) => {
    const found = client(id, stated);
    expect(found.party).toMatchObject(party);
    expect(told(found.trace)).toEqual(toMend);
  });

  it('that is another than the order’s has a branch of its own, whatever the order’s is', () => {
    const other = (id: string, stated: StatedValues) =>
      partyOf({ is: 'client', id, isOfOrder: false }, executionWith(stated), new Trace(), 7).owners;
    expect(other('C-1', { branch: 'ES' })).toMatchObject([{ branchCountry: 'IT' }]);
    expect(other(CCP, { branch: 'ES' })).toMatchObject([{ branchCountry: 'ES' }]);
    const market = executionWith({ ...OFF, branch: 'ES', client_id: CCP, counterparty_id: 'C-1' });
    expect(partyOf({ is: 'market' }, market, new Trace(), 16).owners).toMatchObject([{ branchCountry: 'IT' }]);
  });

  it('that is on the other side has nothing of what is said of the order’s, nor of who transmitted that', () => {
    const entries = { ...ENTRIES, client: { ...ENTRIES.client, 'C-2': { name: 'Another company', lei: FUND } } };
    for (const stated of [{ branch: 'ES' }, { branch: 'MIL' }, { branch: 'ES', transmitting_firm: BANK }]) {
      const trace = new Trace();
      const market = executionWith({ ...OFF, ...stated, client_id: 'C-1', counterparty_id: 'C-2' }, entries);
      expect(partyOf({ is: 'market' }, market, trace, 16).owners).toMatchObject([{ branchCountry: 'FR' }]);
      expect(told(trace)).toEqual([]);
    }
  });

  it('must be named', () => {
    const { party, trace } = client(undefined);
    expect(party.owners).toEqual([]);
    expect(told(trace)).toEqual([
      '7: client_id must be stated, or client_id_type aggregated, pending_allocation or none',
    ]);
  });

  it('of the seller is told of by the fields of the seller', () => {
    const trace = new Trace();
    partyOf({ is: 'client', id: 'C-5', isOfOrder: true }, executionWith({ client_id: 'C-5' }), trace, 16);
    expect(trace.lineage.map(({ field }) => field)).toEqual([16, 17, 21]);
  });
});
