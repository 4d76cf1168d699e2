import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { JsonValue } from '../integrity/canonical-json.js';
import { mistakeOf, vocabularyFindings } from './checks.js';
import { SCHEMAS } from './order-event-schema.js';
import { ORDER_VOCABULARY, TERM_NAMES, TERMS, type OrderContext, type OrderState } from './order-vocabulary.js';

const HTTP_NAMES = {
  new_state: ['symbol', 'side', 'quantity', 'price', 'exchange', 'remaining_quantity'],
  metadata: [
    'client_id',
    'investment_decision_maker',
    'execution_decision_maker',
    'reason',
    'order_entry_time',
    'modification_time',
    'execution_time',
  ],
} as const;

const validate = new Ajv2020({ strict: true, allErrors: true, validateFormats: false }).compile(
  SCHEMAS.find(({ name }) => name === 'order-event')!.schema,
);

function accepts(part: 'new_state' | 'metadata', members: Record<string, JsonValue>): boolean {
  return validate({ event_type: 'order_lifecycle', entity_type: 'order', new_state: {}, [part]: members });
}

const ORDER = { entity_type: 'order', action: 'create' };

describe('the vocabulary of order events', () => {
  it('has the names of the HTTP interface where they are, and each name once', () => {
    for (const part of ['new_state', 'metadata'] as const) {
      for (const name of HTTP_NAMES[part]) expect([name, TERMS[name].in]).toEqual([name, part]);
    }
    const all = Object.values(ORDER_VOCABULARY).flatMap((group) => Object.keys(group));
    expect(new Set(all).size).toBe(all.length);
    expect(all.filter((name) => !/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(name))).toEqual([]);
    expect(TERM_NAMES).toEqual(all);
  });

  it('gives the types of a state and of its context', () => {
    const state: OrderState = { side: 'buy', restrictions: ['auction_only'], passive_only: true, price: '1.10' };
    const context: OrderContext = { client_id_type: 'none', allocations: [{ client_id: 'C-1', quantity: '7' }] };
    // @ts-expect-error an unknown code
    const wrong: OrderState = { side: 'BUYI' };
    expect(vocabularyFindings({ ...ORDER, new_state: state, metadata: context })).toEqual({
      unknown: [],
      illTyped: [],
    });
    expect(vocabularyFindings({ ...ORDER, new_state: wrong, metadata: {} }).illTyped).toEqual([
      'new_state.side: must be one of buy, sell',
    ]);
  });

  it('tells an action that it does not have, and what is no order', () => {
    const filled = { action: 'filled', new_state: { other: 'x' }, metadata: {} };
    expect(vocabularyFindings({ ...filled, entity_type: 'order' })).toEqual({
      unknown: ['new_state.other'],
      illTyped: [expect.stringMatching(/^action: must be one of decide, create, .*, void$/)],
    });
    const illTyped = ['entity_type: must be order, for reports to read the event'];
    expect(vocabularyFindings({ ...filled, entity_type: 'execution' })).toEqual({ unknown: [], illTyped });
  });

  it('tells unknown names, names in the wrong part, and values of another type', () => {
    expect(
      vocabularyFindings({
        ...ORDER,
        new_state: { zeta: 1, client_id: 'C-1', price: 1.1, isin: 'US0378331006', quantity: null, symbol: '' },
        metadata: {
          'odd "name"': 'x',
          allocations: [{ quantity: 7 }],
          restrictions: [],
          execution_time: '2026-06-02 08:00:00Z',
        },
      }),
    ).toEqual({
      unknown: ['new_state.client_id', 'new_state.zeta', 'metadata.odd "name"', 'metadata.restrictions'],
      illTyped: [
        'new_state.isin: must be an ISIN with a right check digit',
        'new_state.price: must be a text',
        'metadata.allocations: each has quantity, which must be a text',
        'metadata.execution_time: must be YYYY-MM-DDThh:mm:ss, then up to nine decimals, then Z or an offset ±hh:mm',
      ],
    });
    // what every object has is no name of the vocabulary
    expect(vocabularyFindings({ ...ORDER, new_state: { constructor: 'x' }, metadata: {} }).unknown).toEqual([
      'new_state.constructor',
    ]);
  });

  const values: JsonValue[] = [
    ...['buy', 'BUYI', '1', '1.10', '-0.5', '01', '1.', '.5', '1e3', '', ' 1', '2026-06-02', '2026-06-02T08:00:00Z'],
    ...['2026-06-02T08:00:00.123456789+02:00', '2026-06-02T08:00:00', 'DE0007164600', 'US0378331005', 'ESVUFR', 'XETR'],
    ...['5493001KJTIIGC8Y1R12', 'EUR', 'eur', 'day', 'own_account', 'member', true, 0, 1.5, null, {}],
    ...[[], ['auction_only'], ['auction_only', 'X'], ['DE0007164600'], [{ client_id: 'C', quantity: '1' }]],
    ...[[{ quantity: 'x' }], [{ other: 'x' }], [1], [null]],
  ] as JsonValue[];
  it.each(TERM_NAMES)('%s: the published schema takes what the check takes, check digits apart', (name) => {
    const { type, in: part } = TERMS[name];
    for (const value of values) {
      if (value === '' || value === null) continue; // stands for what is not there
      expect([value, accepts(part, { [name]: value })]).toEqual([value, mistakeOf(value, type) === undefined]);
    }
  });

  it('lets the schema take names that it does not know, and nothing but an order event', () => {
    expect(accepts('new_state', { house_flag: { any: ['thing'] } })).toBe(true);
    expect(validate({ event_type: 'note', entity_type: 'order', new_state: {} })).toBe(false);
    expect(validate({ event_type: 'order_lifecycle', entity_type: 'order', new_state: null })).toBe(false);
  });

  it('stands in the repository as it is served', () => {
    const folder = join(import.meta.dirname, '../../docs/schemas');
    expect(readdirSync(folder).sort()).toEqual(SCHEMAS.map(({ name }) => `${name}.json`));
    for (const { name, schema } of SCHEMAS) {
      expect(JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8'))).toEqual(schema);
    }
  });
});
