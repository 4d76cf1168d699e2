import { storedJson } from '../../test/support/stored-json.js';
import type { StoredRow } from '../integrity/stored-event.js';
import type { FactName } from '../reports/regimes/regime.js';
import type { LifeEvent } from '../reports/whole-lives.js';
import { TERMS } from '../vocabulary/order-vocabulary.js';
import {
  isFill,
  transactionsOf,
  unknownOfAllocation,
  type Facts,
  type Transaction,
  type TransactionVersion,
} from './transactions.js';

const eventId = (sequence: number): string => `0197f3a1-6c00-7000-8000-${String(sequence).padStart(12, '0')}`;

function row(sequence: number, action: string, state: object, metadata: object = {}, corrects?: number): StoredRow {
  return {
    ...{ sequence: String(sequence), recorded_at: '2026-06-02 08:00:00+00' },
    ...{
      timestamp: `2026-06-02 08:00:${String(sequence).padStart(2, '0')}+00`,
      timestamp_nanos: 0,
      timestamp_digits: 0,
    },
    ...{ event_id: eventId(sequence), corrects: corrects === undefined ? null : eventId(corrects) },
    ...{ event_type: 'order_lifecycle', entity_type: 'order', entity_id: 'O-1', action, user_id: 'trader-1' },
    ...{ previous_state: null, new_state: storedJson(state), metadata: storedJson(metadata) },
    ...{ source: null, source_session: null, source_sequence: null, raw_media_type: null, raw_data: null },
    ...{ recorded_by: 'k', salt: Buffer.alloc(16), content_hash: Buffer.alloc(32), previous_event_hash: null },
    event_hash: Buffer.alloc(32),
  };
}

async function transactions(...lives: StoredRow[][]): Promise<Transaction[]> {
  const events = async function* (): AsyncGenerator<LifeEvent> {
    for (const versions of lives) yield await Promise.resolve(event(versions));
  };
  const found: Transaction[] = [];
  for await (const each of transactionsOf({ orderId: 'O-1', targets: new Set(), events })) found.push(each);
  return found;
}

function event(versions: StoredRow[]): LifeEvent {
  return { kind: 'event', row: versions[0]!, stated: versions.at(-1)!, versions };
}

const create = row(
  1,
  'create',
  { side: 'buy', price: '10', isin: 'DE0007164600' },
  { client_id: 'C-1', counterparty_id: 'X' },
);
const texts = (
  { versions }: Transaction,
  name: 'client_id' | 'desk' | 'price' | 'counterparty_id' | 'drop_copy',
): (string | undefined)[] => versions.map((each) => (each.content ? each.facts.text(name) : 'none'));

describe('the transactions along an order', () => {
  it('are its executions, with what was said before; what holds for one execution is not that of the next', async () => {
    const [first, second, ...others] = await transactions(
      [create],
      [row(2, 'partial_fill', { quantity: '4', price: '9.5' }, { counterparty_id: 'Y' })],
      [row(3, 'modify', { price: '11' }, { client_id: 'C-2' })],
      [row(4, 'fill', { quantity: '6' })],
    );
    expect(others).toEqual([]);
    expect([first, second].map((each) => texts(each!, 'client_id'))).toEqual([['C-1'], ['C-2']]);
    expect([first, second].map((each) => texts(each!, 'counterparty_id'))).toEqual([['Y'], ['X']]);
    // the limit of the order is no price of an execution
    expect([first, second].map((each) => texts(each!, 'price'))).toEqual([['9.5'], [undefined]]);
    expect(first!.versions[0]).toMatchObject({ facts: expect.anything(), row: { sequence: '2' } });
  });

  it('have facts of their own, whatever states those of another execution or of an allocation', async () => {
    const allocations = [{ client_id: 'C-1', quantity: '4' }];
    const own = { trading_capacity: 'matched_principal', executing_entity: 'X', transmission: 'complete' };
    const found = await transactions(
      [row(1, 'create', { exchange: 'XPAR', accrued_interest: '5' }, { trading_capacity: 'own_account' })],
      [row(2, 'partial_fill', { currency: 'USD' }, own)],
      [row(3, 'modify', { exchange: 'XOFF', net_amount: '9' }, { allocations, counterparty_id: 'Y' })],
      [row(4, 'partial_fill', {})],
    );
    const names = ['trading_capacity', 'executing_entity', 'transmission', 'currency', 'exchange'] as const;
    const [first, , last] = factsIn(found).map((facts) => names.map((name) => facts.text(name)));
    expect(first).toEqual(['matched_principal', 'X', 'complete', 'USD', 'XPAR']);
    expect(last).toEqual(['own_account', undefined, undefined, undefined, 'XPAR']);
    const amounts = ['counterparty_id', 'net_amount', 'accrued_interest'] as const;
    expect(amounts.map((name) => factsIn(found).at(-1)!.text(name))).toEqual([undefined, undefined, undefined]);
  });

  it('allocate with all that the last execution says of itself, at its place', async () => {
    const allocations = [{ client_id: 'C-1', quantity: '4' }];
    const state = { notional_change: 'decrease', transaction_nature: 'netting', upfront_payment: '7', currency: 'USD' };
    const said = { complex_trade_id: 'STRATEGY', executing_entity: 'X', counterparty_id: 'Y' };
    const found = await transactions(
      [row(1, 'create', { exchange: 'XPAR' }, { trading_capacity: 'own_account' })],
      [row(2, 'partial_fill', state, { ...said, trading_capacity: 'any_other' })],
      [row(3, 'change_status', { exchange: 'XOFF', short_sale: 'exempt' }, { allocations })],
      [row(4, 'partial_fill', {}, {})],
      [row(5, 'change_status', {}, { allocations })],
    );
    const names = [...Object.keys({ ...state, ...said }), 'trading_capacity', 'exchange', 'short_sale'] as FactName[];
    const [, one, , other] = factsIn(found).map((facts) => names.map((name) => facts.text(name)));
    expect(one).toEqual([...Object.values({ ...state, ...said }), 'any_other', 'XPAR', 'exempt']);
    expect(other).toEqual([
      ...Object.values({ ...state, ...said }).map(() => undefined),
      'own_account',
      'XPAR',
      undefined,
    ]);
  });

  it('count what an allocation states as of the order as long as no execution was known before it', async () => {
    const allocations = [{ client_id: 'C-1', quantity: '4' }];
    const allocated = [row(3, 'modify', { exchange: 'XOFF' }, { allocations })];
    const life = (...later: StoredRow[]) =>
      transactions([row(1, 'create', { exchange: 'XPAR' })], [row(2, 'modify', {}), ...later], allocated, [
        row(5, 'fill', {}),
      ]);
    const placeOf = async (...later: StoredRow[]) =>
      (await life(...later)).at(-1)!.versions.map((each) => each.content && each.facts.text('exchange'));
    expect(await placeOf()).toEqual(['XOFF']);
    // what was corrected later counts from then on
    expect(await placeOf(row(6, 'partial_fill', {}, {}, 2))).toEqual(['XOFF', 'XPAR']);
  });

  it.each<[string, object, object, object, [isin: string | undefined, symbol: string | undefined]]>([
    ['a first symbol', { isin: 'A' }, {}, { symbol: 'B' }, ['A', 'B']],
    ['a first symbol, before', { isin: 'A' }, { symbol: 'B' }, {}, ['A', 'B']],
    ['another symbol alone', { isin: 'A', symbol: 'S' }, {}, { symbol: 'B' }, [undefined, 'B']],
    ['another symbol alone, before', { isin: 'A', symbol: 'S' }, { symbol: 'B' }, {}, [undefined, 'B']],
    ['another ISIN alone', { isin: 'A', symbol: 'S' }, {}, { isin: 'C' }, ['C', undefined]],
    ['another ISIN alone, before', { isin: 'A', symbol: 'S' }, { isin: 'C' }, {}, ['C', undefined]],
    ['the symbol that it had', { isin: 'A', symbol: 'B' }, {}, { symbol: 'B' }, ['A', 'B']],
    ['the symbol that it had, before', { isin: 'A', symbol: 'B' }, { symbol: 'B' }, {}, ['A', 'B']],
    ['another symbol and ISIN', { isin: 'A', symbol: 'B' }, {}, { isin: 'C', symbol: 'D' }, ['C', 'D']],
    ['the ISIN that it had', { isin: 'A' }, { symbol: 'B' }, { isin: 'A' }, ['A', 'B']],
  ])('are in the instrument that was named last: %s', async (_, first, second, third, expected) => {
    const found = await transactions([row(1, 'create', first)], [row(2, 'modify', second)], [row(3, 'fill', third)]);
    const [facts] = factsIn(found);
    expect([facts!.text('isin'), facts!.text('symbol')]).toEqual(expected);
  });

  it('take nothing over from copies of what others tell of, which say so themselves', async () => {
    const found = await transactions(
      [create],
      [row(2, 'partial_fill', { quantity: '4' })],
      [row(3, 'partial_fill', { quantity: '4' }, { client_id: 'C-3', drop_copy: true })],
      [row(4, 'modify', {}, { client_id: 'C-4', drop_copy: true })],
      [row(5, 'partial_fill', { quantity: '6' })],
      [row(6, 'partial_fill', { quantity: '6' }, { drop_copy: true })],
      [row(7, 'modify', {}, { allocations: [{ client_id: 'C-1', quantity: '4' }] })],
    );
    expect(found.map((each) => texts(each, 'client_id'))).toEqual([['C-1'], ['C-3'], ['C-1'], ['C-1'], ['C-1']]);
    expect(found.map((each) => texts(each, 'drop_copy')[0])).toEqual([undefined, 'true', undefined, 'true', undefined]);
    const allocation = found.at(-1)!.versions[0]!;
    expect(allocation.content && allocation.fill!.row.sequence).toBe('5');
  });

  it('have all versions of what was corrected, up to one that never happened', async () => {
    const fill = row(2, 'fill', { quantity: '4', price: '9.5' });
    const corrected = row(3, 'fill', { quantity: '4', price: '9.6' }, { client_id: 'C-9' }, 2);
    const voided = row(4, 'void', {}, {}, 3);
    const [one] = await transactions([create], [fill, corrected]);
    expect([one!.eventId, texts(one!, 'price'), texts(one!, 'client_id')]).toEqual([
      ...[eventId(2), ['9.5', '9.6'], ['C-1', 'C-9']],
    ]);
    const [two] = await transactions([create], [fill, corrected, voided]);
    expect(texts(two!, 'price')).toEqual(['9.5', '9.6', 'none']);
  });

  it('have a version more where an earlier event was corrected since, which says so', async () => {
    const client = { client_id: 'C-9' };
    const corrected = row(5, 'create', { side: 'buy', price: '10', isin: 'DE0007164600' }, client, 1);
    const fill = row(2, 'fill', { quantity: '4', price: '9.5' });
    const mended = row(7, 'fill', { quantity: '4', price: '9.6' }, {}, 2);
    const gone = row(8, 'void', {}, {}, 5);
    const [before, after] = await transactions(
      [create, corrected, gone],
      [fill, mended],
      [row(6, 'fill', { quantity: '1', price: '9.5' })],
    );
    expect(texts(before!, 'client_id')).toEqual(['C-1', 'C-9', 'C-9', undefined]);
    expect(texts(before!, 'price')).toEqual(['9.5', '9.5', '9.6', '9.6']);
    const rows = before!.versions.map((each) => [each.row.sequence, each.cause.sequence]);
    expect(rows).toEqual([
      ['2', '2'],
      ['2', '5'],
      ['7', '7'],
      ['7', '8'],
    ]);
    // what was corrected before counts from the beginning
    expect(texts(after!, 'client_id')).toEqual(['C-9', undefined]);
    // of the same first event as long as nothing else was recorded
    const [early] = await transactions([create], [fill]);
    expect(texts(early!, 'client_id')).toEqual(['C-1']);
  });

  it('have no version more by corrections of other executions, unless these say what they take over', async () => {
    const executions = Array.from({ length: 4 }, (_, i) => {
      const fill = row(2 + i, 'partial_fill', { quantity: '1', price: '9.5' });
      return [
        fill,
        row(20 + i, 'partial_fill', { quantity: '1', price: `9.${i}` }, i === 1 ? { desk: 'D' } : {}, 2 + i),
      ];
    });
    const found = await transactions([create], ...executions);
    expect(found.map((each) => texts(each, 'desk'))).toEqual([
      ...[
        [undefined, undefined],
        [undefined, 'D'],
        [undefined, 'D', 'D'],
        [undefined, 'D', 'D'],
      ],
    ]);
  });

  const factsIn = (found: readonly Transaction[]): Facts[] =>
    found.map(({ versions: [version] }) => (version as TransactionVersion).facts);

  it('are at the place that the event states, and of allocations at that of the execution', async () => {
    const allocations = [{ client_id: 'C-1', quantity: '4' }];
    const found = await transactions(
      [row(1, 'create', { exchange: 'XPAR', segment_mic: 'SEGM' }, { central_counterparty: 'CCP' })],
      [row(2, 'partial_fill', { quantity: '4', price: '9.5', exchange: 'XANO' })],
      [row(3, 'modify', {}, { allocations })],
      [row(4, 'partial_fill', { quantity: '4', price: '9.5' })],
      [row(5, 'fill', { quantity: '4', price: '9.5', exchange: 'XANO' }, { central_counterparty: 'OWN' })],
      [row(6, 'modify', {}, { allocations })],
    );
    const places = factsIn(found).map((facts) => [
      ...[facts.nearest('segment_mic', 'exchange')?.text, facts.text('central_counterparty')],
    ]);
    expect(places).toEqual([
      ['XANO', undefined],
      ['XANO', undefined],
      ['SEGM', 'CCP'],
      ['XANO', 'OWN'],
      ['XANO', 'OWN'],
    ]);
  });

  describe('of an order that was transmitted', () => {
    const complete = { order_receiver: 'A', transmission: 'complete' };
    type Part = [action: string, metadata: object];
    /** How it was to a fill after these events: of a life without corrections, and of one in which each was corrected. */
    async function after(...more: Part[]): Promise<(string | undefined)[]> {
      const events = more.map(([action, metadata], i) => row(3 + i, action, {}, metadata));
      const whole = await transactions([create], [row(2, 'route', {}, complete)], ...events.map((each) => [each]), [
        row(9, 'fill', {}),
      ]);
      const corrected = events.map((each) => [each, { ...each, sequence: '8', corrects: each.event_id }]);
      const late = row(7, 'create', { side: 'buy', isin: 'DE0007164600' }, { client_id: 'C-1' }, 1);
      const pieces = await transactions([create, late], [row(2, 'route', {}, complete)], ...corrected, [
        row(9, 'fill', {}),
      ]);
      return [...factsIn(whole), ...factsIn(pieces)].map((facts) => facts.text('transmission'));
    }

    it.each<[string, Part[], string]>([
      ['nothing more', [], 'complete'],
      ['a change', [['modify', {}]], 'complete'],
      ['a change that goes to the same receiver', [['route', { order_receiver: 'A' }]], 'complete'],
      ['a cancel', [['cancel', {}]], 'ended'],
      ['a refusal, of the order or of a change of it', [['reject', {}]], 'ended'],
      ['its own end', [['expire', {}]], 'ended'],
      ['another receiver', [['route', { order_receiver: 'XPAR' }]], 'none'],
      ['another firm', [['route', { order_receiver: '5493001KJTIIGC8Y1R12' }]], 'unsaid'],
      ['the same said again', [['modify', complete]], 'complete'],
      [
        'a cancel, and transmitted again',
        [
          ['cancel', {}],
          ['route', complete],
        ],
        'complete',
      ],
      ['what says so', [['modify', { transmission: 'none' }]], 'none'],
    ])('after %s', async (_, more, expected) => {
      expect(await after(...more)).toEqual([expected, expected]);
    });

    it('is over where the order is, and is then for somebody to say', async () => {
      expect(await after(['cancel', {}], ['route', { order_receiver: 'XPAR' }])).toEqual(['none', 'none']);
    });

    it('is not what an allocation says of itself', async () => {
      const allocations = [{ client_id: 'C-1', quantity: '4' }];
      const found = await transactions(
        [row(1, 'route', {}, { transmission: 'complete', order_receiver: 'A' })],
        [row(2, 'partial_fill', {})],
        [row(3, 'modify', {}, { transmission: 'none', allocations })],
        [row(4, 'fill', {})],
      );
      expect(factsIn(found).map((facts) => facts.text('transmission'))).toEqual(['complete', 'none', 'complete']);
    });

    it('ends also where nobody had said how it was sent', async () => {
      const found = await transactions(
        [row(1, 'route', {}, { order_receiver: 'A' })],
        [row(2, 'partial_fill', {})],
        [row(3, 'cancel', {})],
        [row(4, 'fill', {})],
      );
      expect(factsIn(found).map((facts) => facts.text('transmission'))).toEqual([undefined, 'none']);
    });

    it('is what it was at the time of the execution, also for what is recorded later, and for its allocations', async () => {
      const allocations = [{ client_id: 'C-1', quantity: '4' }];
      const found = await transactions(
        [create],
        [row(2, 'route', {}, complete)],
        [row(3, 'partial_fill', {})],
        [row(5, 'cancel', {})],
        [row(6, 'modify', {}, { allocations })],
        [row(7, 'partial_fill', {}, { execution_time: '2026-06-02T08:00:04Z' })],
        [row(8, 'modify', {}, { allocations })],
        [row(9, 'partial_fill', {})],
        [row(10, 'modify', {}, { allocations })],
      );
      const said = factsIn(found).map((facts) => facts.text('transmission'));
      expect(said).toEqual(['complete', 'complete', 'complete', 'complete', 'ended', 'ended']);
    });

    it('is to whom it went at the time of the execution, also where another statement or receiver came since', async () => {
      const toBank = { transmission: 'incomplete', order_receiver: 'BANK' };
      const early = { execution_time: '2026-06-02T08:00:02.5Z' };
      const said = async (change: object) => {
        const found = await transactions(
          [create],
          [row(2, 'route', {}, toBank)],
          [row(3, 'route', {}, change)],
          [row(4, 'partial_fill', {}, early)],
          [row(5, 'modify', {}, { allocations: [{ client_id: 'C-1', quantity: '4' }] })],
          [row(6, 'partial_fill', {})],
        );
        return factsIn(found).map((facts) => `${facts.text('transmission')} ${facts.text('order_receiver')}`);
      };
      const before = ['incomplete BANK', 'incomplete BANK'];
      expect(await said({ order_receiver: 'FUND' })).toEqual([...before, 'none FUND']);
      expect(await said({ ...toBank, order_receiver: 'FUND' })).toEqual([...before, 'incomplete FUND']);
      expect(await said({ transmission: 'complete', order_receiver: 'FUND' })).toEqual([...before, 'complete FUND']);
      expect(await said({ transmission: 'none' })).toEqual([...before, 'none BANK']);
      // said again
      expect(await said(toBank)).toEqual([...before, 'incomplete BANK']);
    });

    it('ends when a correction says that it did, also for what was executed before that was recorded', async () => {
      const [fill] = await transactions(
        [create],
        [row(2, 'route', {}, complete)],
        [row(5, 'cancel', {}), { ...row(9, 'cancel', {}, {}, 5), timestamp: '2026-06-02 08:00:03+00' }],
        [row(6, 'partial_fill', {}, { execution_time: '2026-06-02T08:00:04Z' })],
      );
      expect(fill!.versions.map((each) => each.content && each.facts.text('transmission'))).toEqual([
        'complete',
        'ended',
      ]);
    });

    it('ends for what was executed later where an execution turns out to have been a route to somebody else', async () => {
      const toAnother = { order_receiver: 'B' };
      const [, fill] = await transactions(
        [create],
        [row(2, 'route', {}, complete)],
        [row(3, 'partial_fill', {}, toAnother), row(5, 'route', {}, toAnother, 3)],
        [row(4, 'partial_fill', {}, { execution_time: '2026-06-02T08:00:06Z' })],
      );
      const said = fill!.versions.map((each) => each.content && [each.facts.text('transmission'), each.cause.sequence]);
      expect(said).toEqual([
        ['complete', '4'],
        ['none', '5'],
      ]);
    });
  });

  it.each<[string, object, object, object, string[]]>([
    [
      'another decision maker than that of the type',
      { execution_decision_maker: 'MM7', execution_decision_maker_type: 'algorithm' },
      { execution_decision_maker: 'T-1' },
      {},
      ['execution_decision_maker T-1', 'execution_decision_maker_type -'],
    ],
    [
      'a decision maker where the client was it',
      { execution_decision_maker_type: 'client' },
      {},
      { execution_decision_maker: 'T-1' },
      ['execution_decision_maker T-1', 'execution_decision_maker_type -'],
    ],
    [
      'the same decision maker',
      { execution_decision_maker: 'NEW1', execution_decision_maker_type: 'algorithm' },
      {},
      { execution_decision_maker: 'NEW1' },
      ['execution_decision_maker NEW1', 'execution_decision_maker_type algorithm'],
    ],
    [
      'another client',
      { client_id: 'SE197001311234', client_id_type: 'natural_person', client_surnames: 'A', transmitting_firm: 'B' },
      { client_id: 'C-2' },
      {},
      ['client_id C-2', 'client_id_type -', 'client_surnames -', 'transmitting_firm -'],
    ],
    [
      'another representative',
      { client_id: 'C-1', client_representative_id: 'R', client_representative_surnames: 'R' },
      {},
      { client_representative_id: 'Q' },
      ['client_id C-1', 'client_representative_id Q', 'client_representative_surnames -'],
    ],
    [
      'another side than that of the role',
      { side: 'buy', swap_role: 'pays_fixed' },
      { side: 'sell' },
      {},
      ['side sell', 'swap_role -'],
    ],
    [
      'the same client by its LEI, as far as can be known',
      { client_id: 'C-2', transmitting_firm: 'B' },
      { client_id: '5493001KJTIIGC8Y1R12' },
      {},
      ['client_id 5493001KJTIIGC8Y1R12', 'transmitting_firm B'],
    ],
    [
      'the same instrument as another source calls it',
      { isin: 'DE0001102309', symbol: 'BRK', price_notation: 'percentage', currency: 'USD' },
      { isin: 'DE0001102309', symbol: 'VEN' },
      { isin: 'DE0001102309', symbol: 'VENUE' },
      ['symbol VENUE', 'price_notation percentage', 'currency USD'],
    ],
    [
      'a client and a branch',
      { client_id: 'C-1', branch: 'MIL', short_sale: 'exempt', commodity_risk_reducing: true },
      { client_id: 'C-2' },
      {},
      ['client_id C-2', 'branch -', 'short_sale -', 'commodity_risk_reducing -'],
    ],
    [
      'a decision maker where it was said that there is none, by the name that was known before',
      { execution_decision_maker: 'T-2' },
      { execution_decision_maker_type: 'client' },
      { execution_decision_maker: 'T-2' },
      ['execution_decision_maker T-2', 'execution_decision_maker_type -'],
    ],
    [
      'another venue than that of the segment and of the central counterparty',
      { exchange: 'XPAR', segment_mic: 'XMLI', central_counterparty: 'CCP' },
      { exchange: 'XANO' },
      {},
      ['exchange XANO', 'segment_mic -', 'central_counterparty -'],
    ],
    [
      'an instrument that has its ISIN only now',
      { symbol: 'BRK', currency: 'USD' },
      {},
      { isin: 'DE0001102309', symbol: 'VEN' },
      ['isin DE0001102309', 'currency USD'],
    ],
    [
      'another instrument',
      { isin: 'EZ0000000011', price_notation: 'basis_points', strike_price: '5000', swap_role: 'buys_protection' },
      {},
      { isin: 'EZ0000000003' },
      ['price_notation -', 'strike_price -', 'swap_role -'],
    ],
  ])('do not take over what was said of somebody or something else: %s', async (_, first, next, own, said) => {
    const part = (stated: object, of: 'new_state' | 'metadata') =>
      Object.fromEntries(Object.entries(stated).filter(([name]) => TERMS[name as 'side'].in === of));
    const event = (sequence: number, action: string, stated: object) => [
      row(sequence, action, part(stated, 'new_state'), part(stated, 'metadata')),
    ];
    const found = await transactions(event(1, 'create', first), event(2, 'modify', next), event(3, 'fill', own));
    const [facts] = factsIn(found);
    const names = said.map((text) => text.split(' ')[0] as FactName);
    expect(names.map((name) => `${name} ${facts!.text(name) ?? '-'}`)).toEqual(said);
  });

  it('in another instrument say of that for themselves and their allocations alone', async () => {
    const allocations = [{ client_id: 'C-1', quantity: '4' }];
    const found = await transactions(
      [row(1, 'create', { isin: 'EZ0000000011', side: 'buy', price_notation: 'basis_points' })],
      [row(2, 'partial_fill', { isin: 'EZ0000000003', side: 'sell', quantity_notation: 'nominal' })],
      [row(3, 'modify', {}, { allocations })],
      [row(4, 'fill', {})],
    );
    const names = ['isin', 'side', 'price_notation', 'quantity_notation'] as const;
    expect(factsIn(found).map((facts) => names.map((name) => facts.text(name)))).toEqual([
      ['EZ0000000003', 'sell', undefined, 'nominal'],
      ['EZ0000000003', 'sell', undefined, 'nominal'],
      ['EZ0000000011', 'buy', 'basis_points', undefined],
    ]);
  });

  it('in another instrument that may only be named otherwise, or is described otherwise, say it for themselves alone', async () => {
    const names = ['isin', 'symbol', 'side', 'option_type', 'strike_price'] as const;
    const after = async (...lives: StoredRow[][]) =>
      factsIn(await transactions(...lives)).map((facts) => names.map((name) => facts.text(name) ?? '-').join(' '));
    expect(
      await after(
        [row(1, 'create', { symbol: 'SHR', side: 'sell' })],
        [row(2, 'partial_fill', { isin: 'EZ0000000003', symbol: 'TWO', side: 'buy' })],
        [row(3, 'fill', {})],
      ),
    ).toEqual(['EZ0000000003 TWO buy - -', '- SHR sell - -']);
    expect(
      await after(
        [row(1, 'create', { side: 'buy', option_type: 'call', strike_price: '100' })],
        [row(2, 'partial_fill', { side: 'sell', option_type: 'put', strike_price: '90' })],
        [row(3, 'fill', {})],
      ),
    ).toEqual(['- - sell put 90', '- - buy call 100']);
  });

  it('for another client than their order say of that client for themselves and their allocations alone', async () => {
    const after = async (order: object, ...own: object[]) => {
      const fills = own.map((each, i) => [row(2 + i, 'partial_fill', {}, each)]);
      const found = await transactions([row(1, 'create', {}, order)], ...fills, [row(9, 'fill', {})]);
      const names = ['client_id', 'client_id_type', 'aggregated', 'branch'] as const;
      return factsIn(found).map((facts) => names.map((name) => facts.text(name) ?? '-').join(' '));
    };
    const one = { client_id: 'C-1', client_id_type: 'legal_entity', branch: 'MIL' };
    const several = { client_id_type: 'aggregated' };
    expect(await after(several, one)).toEqual(['C-1 legal_entity - MIL', '- aggregated - -']);
    expect(await after({ aggregated: true }, { ...one, aggregated: false })).toEqual([
      'C-1 legal_entity false MIL',
      '- - true -',
    ]);
    expect(await after({ client_id_type: 'none' }, one, several)).toEqual([
      ...['C-1 legal_entity - MIL', '- aggregated - -', '- none - -'],
    ]);
    expect(await after({ client_id: 'C-9' }, one)).toEqual(['C-1 legal_entity - MIL', 'C-9 - - -']);
    expect(await after({ client_id: 'C-9' }, { client_id_type: 'none' })).toEqual(['C-9 none - -', 'C-9 - - -']);
    const allocations = [{ client_id: 'C-1', quantity: '4' }];
    expect(await after({ allocations }, one)).toContain('- - - -');
    // the same, and where the order does not say whose it is, it is whose the execution is
    expect(await after({ client_id: 'C-1' }, one)).toEqual(['C-1 legal_entity - MIL', 'C-1 legal_entity - MIL']);
    expect(await after({}, one)).toEqual(['C-1 legal_entity - MIL', 'C-1 legal_entity - MIL']);
    expect(await after({}, one, { client_id: 'C-9' })).toEqual(['C-1 legal_entity - MIL', 'C-9 - - -', 'C-9 - - -']);
    // only the reference data know whether it is the same
    expect(await after({ client_id: '5493001KJTIIGC8Y1R12' }, one)).toEqual([
      ...['C-1 legal_entity - MIL', '5493001KJTIIGC8Y1R12 - - -'],
    ]);
  });

  it('in another capacity than their order say for themselves alone who decided', async () => {
    const found = await transactions(
      [row(1, 'create', {}, { trading_capacity: 'any_other', investment_decision_maker: 'T-1' })],
      [row(2, 'partial_fill', {}, { trading_capacity: 'own_account', investment_decision_maker: 'MM7' })],
      [row(3, 'fill', {})],
    );
    expect(factsIn(found).map((facts) => facts.text('investment_decision_maker'))).toEqual(['MM7', 'T-1']);
  });

  it('say where they were sent for themselves alone; elsewhere than the order, nobody says how', async () => {
    const found = await transactions(
      [row(1, 'create', {}, { order_receiver: '5493001KJTIIGC8Y1R12', transmission: 'complete' })],
      [row(2, 'partial_fill', {}, { order_receiver: 'XPAR' })],
      [row(3, 'fill', {})],
    );
    const names = ['order_receiver', 'transmission'] as const;
    expect(factsIn(found).map((facts) => names.map((name) => facts.text(name)))).toEqual([
      ['XPAR', undefined],
      ['5493001KJTIIGC8Y1R12', 'complete'],
    ]);
  });

  it('are allocated as the order was when they were executed; what is said later is of the rest, or was not known', async () => {
    const allocations = [{ client_id: 'C-1', quantity: '4' }];
    const found = await transactions(
      [row(1, 'create', { side: 'buy', exchange: 'XPAR' }, { execution_decision_maker: 'T-2' })],
      [row(2, 'partial_fill', {})],
      [
        row(
          3,
          'modify',
          { side: 'sell', exchange: 'XANO', transaction_nature: 'netting' },
          { execution_decision_maker: 'SOR', executing_entity: 'X', order_receiver: 'BANK', desk: 'D' },
        ),
      ],
      [row(4, 'modify', {}, { allocations })],
      [row(5, 'fill', {})],
    );
    const names = ['side', 'exchange', 'transaction_nature', 'execution_decision_maker', 'executing_entity'] as const;
    const others = ['order_receiver', 'desk'] as const;
    expect(factsIn(found).map((facts) => [...names, ...others].map((name) => facts.text(name) ?? '-'))).toEqual([
      ['buy', 'XPAR', '-', 'T-2', '-', '-', '-'],
      ['buy', 'XPAR', '-', 'T-2', '-', '-', 'D'],
      ['sell', 'XANO', 'netting', 'SOR', 'X', 'BANK', 'D'],
    ]);
  });

  it('are not allocated once more where they allocate themselves, whether something is open before them or not', async () => {
    const allocations = [{ client_id: 'C-1', quantity: '4' }];
    const fillsOf = async (...lives: StoredRow[][]) =>
      (await transactions([create], ...lives)).map(
        ({ versions: [version] }) => version!.content && version!.fill?.row.sequence,
      );
    const itself = [row(3, 'partial_fill', {}, { allocations })];
    const later = [row(4, 'modify', {}, { allocations })];
    expect(await fillsOf([row(2, 'partial_fill', {})], itself, later)).toEqual(['2', '3', '2']);
    expect(await fillsOf(itself, later)).toEqual(['3', undefined]);
    // a list of nobody says nothing
    expect(await fillsOf([row(2, 'partial_fill', {}, { allocations: [] })], later)).toEqual(['2', '2']);
    expect(await transactions([create], [row(2, 'modify', {}, { allocations: [] })])).toEqual([]);
  });

  it('know nothing of an order of the same id that was over before it began', async () => {
    const next = (at: string, action: string, metadata: object = {}): StoredRow[] => [
      { ...row(9, action, {}, metadata), timestamp: `2026-06-03 08:00:${at}+00` },
    ];
    const first = [row(1, 'create', {}, { client_id: 'C-1', transmission: 'complete', branch: 'MIL' })];
    const clientsOf = async (...lives: StoredRow[][]) =>
      factsIn(await transactions(first, ...lives)).map((facts) =>
        ['client_id', 'transmission', 'branch'].map((name) => facts.text(name as FactName)),
      );
    const [known, nothing] = [
      ['C-1', 'complete', 'MIL'],
      ['C-2', undefined, undefined],
    ];
    const second = next('01', 'create', { client_id: 'C-2' });
    expect(await clientsOf([row(2, 'fill', {})], second, next('02', 'fill'))).toEqual([known, nothing]);
    expect(await clientsOf([row(2, 'cancel', {})], second, next('02', 'fill'))).toEqual([nothing]);
    // nor once the end of the former is taken back, of which alone that tells
    const bust = await transactions(
      first,
      [row(2, 'fill', {}), row(10, 'void', {}, {}, 2)],
      [{ ...second[0]!, sequence: '3', event_id: eventId(3) }],
      [{ ...next('02', 'fill')[0]!, sequence: '4', event_id: eventId(4) }],
    );
    expect(bust.map(({ versions }) => versions.length)).toEqual([2, 1]);
    // what was executed before it began is of the former
    const before = await transactions(first, [row(2, 'cancel', {})], second, [row(12, 'partial_fill', {})]);
    expect(before[0]!.versions[0]).toMatchObject({ isOfFormer: true });
    // an order that goes on, and one whose beginning was recorded late
    const both = ['C-2', 'complete', undefined];
    expect(await clientsOf([row(2, 'partial_fill', {})], second, next('02', 'fill'))).toEqual([known, both]);
    const late = [row(1, 'create', {}, { client_id: 'C-2' })];
    expect(await clientsOf([row(2, 'fill', {})], late, next('02', 'fill'))).toEqual([known, both]);
  });

  it('that are allocated together and do not say whose they are leave that open, unless the allocation says it', async () => {
    const allocations = [{ client_id: 'C-1', quantity: '4' }];
    const unknown = async (...own: [object, object, object][]) => {
      const lives = own.flatMap(([first, second, third], i) => [
        [row(10 * i + 2, 'partial_fill', {}, first)],
        [row(10 * i + 3, 'partial_fill', {}, second)],
        [row(10 * i + 4, 'modify', {}, { allocations, ...third })],
      ]);
      const found = await transactions([create], ...lives);
      const versions = found.map(({ versions: [version] }) => version as TransactionVersion);
      return versions.filter((each) => !isFill(each)).map((each) => [...unknownOfAllocation(each, 'FIRM')]);
    };
    const bank = { executing_entity: 'BANK' };
    expect(await unknown([{}, bank, {}])).toEqual([['executing_entity']]);
    expect(await unknown([bank, bank, {}])).toEqual([[]]);
    expect(await unknown([{}, { executing_entity: 'FIRM' }, {}])).toEqual([[]]);
    expect(await unknown([{ trading_capacity: 'own_account' }, { trading_capacity: 'any_other' }, {}])).toEqual([
      ['trading_capacity'],
    ]);
    // one that is allocated by itself changes nothing for those before it
    const own = (sequence: number) => [row(sequence, 'partial_fill', {}, { allocations })];
    const between = await transactions(
      [create],
      [row(2, 'partial_fill', { isin: 'FR0000131104', side: 'sell' }, bank)],
      own(3),
      [row(4, 'partial_fill', { sftr_exempt: false, transaction_nature: 'trade' })],
      [row(5, 'modify', {}, { allocations })],
    );
    expect(found(between)).toEqual(['executing_entity', 'isin', 'side']);
    expect(await unknown([{}, bank, bank])).toEqual([[]]);
    // its time and price are those of the last one, which is the bank's
    expect(await unknown([{}, bank, { executing_entity: 'FIRM' }])).toEqual([['executing_entity']]);
    // what was allocated before is of no account
    expect(await unknown([{}, {}, {}], [bank, bank, {}])).toEqual([[], []]);
    expect(await unknown([{ transmission: 'complete' }, {}, {}])).toEqual([['transmission']]);
    const all = found(
      await transactions(
        [create],
        [row(2, 'partial_fill', { transaction_nature: 'custodial' })],
        [row(3, 'fill', {})],
        [row(4, 'modify', {}, { allocations })],
      ),
    );
    expect(all).toEqual(['transaction_nature']);

    function found(each: readonly Transaction[]): readonly FactName[] {
      return [...unknownOfAllocation(each.at(-1)!.versions[0] as TransactionVersion, 'FIRM')];
    }
  });

  it('are allocations too, by whatever event, and know the last execution', async () => {
    const allocations = [{ client_id: 'C-1', quantity: '4', price: '9.5' }];
    const found = await transactions(
      [create],
      [row(2, 'fill', { quantity: '4', price: '9.5' })],
      [row(3, 'modify', {}, { allocations })],
      [row(4, 'modify', {}, { account: 'A' })],
    );
    const fills = found.map(({ eventId: id, versions: [version] }) => [
      ...[id, version!.content && version!.fill?.row.sequence],
    ]);
    expect(fills).toEqual([
      [eventId(2), '2'],
      [eventId(3), '2'],
    ]);
  });
});
