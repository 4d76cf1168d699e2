import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { SentEvent } from './reports/made-day.js';
import { MADE_AGGREGATES } from './reports/made-aggregates.js';
import { MADE_COPIES } from './reports/made-copies.js';
import { MADE_DESK } from './reports/made-desk.js';
import { MADE_LONG_ORDERS, MADE_OPEN_ORDERS } from './reports/made-open-orders.js';
import { chaoticLife } from './reports/made-lives.js';
import { expectedAccessLog } from './reports/plain-access-log.js';
import { expectedActivityBy } from './reports/plain-activity.js';
import { expectedAggregation } from './reports/plain-aggregation.js';
import { readCsv, type PlacedEvent } from './reports/plain-computation.js';
import { expectedCopies } from './reports/plain-copies.js';
import { expectedOpenOrders } from './reports/plain-open-orders.js';
import { expectedReconstruction, type Envelopes } from './reports/plain-reconstruction.js';
import { expectedReplay } from './reports/plain-replay.js';
import { PageReads } from '../src/events/page-reads.js';
import { ServiceLedger } from '../src/events/service-ledger.js';
import { startService, type TestService } from './support/app.js';
import { createKey, query, type TestKey } from './support/keys.js';
import { Random } from './support/random.js';

type Row = Record<string, string | null>;
type Bounds = readonly [from: string, to: string];
type Parameters = Record<string, string>;

const DAY: Bounds = ['2026-06-02T00:00:00Z', '2026-06-03T00:00:00Z'];
const EVER: Bounds = ['1970-01-01T00:00:00Z', '2199-01-01T00:00:00Z'];

/** A report, what it may be asked, and its rows by a computation that shares no line with the service. */
interface Case {
  report: string;
  /** in which the made events are that it is tried on */
  ledger: 'desk' | 'aggregates' | 'copies' | 'open';
  /** the first has the golden file */
  asked: readonly Parameters[];
  rows: (events: readonly PlacedEvent[], parameters: Parameters, from: string, to: string) => Row[];
  /** of a ledger without meaning: parameters at random */
  anything: (random: Random) => Parameters;
  /** more rows than this are found so; 50 where nothing is said */
  rowsOfAnything?: number;
}

const ORDERS = 16;

describe('reports on orders', () => {
  let service: TestService;
  let envelopes: Envelopes;
  const ledgers = new Map<string, PlacedEvent[]>();

  beforeAll(async () => {
    service = await startService({ env: { RECORD_READS_SECONDS: '3600' } }); // in time when the test says so
    await record('desk', MADE_DESK);
    await record('aggregates', MADE_AGGREGATES);
    await record('copies', MADE_COPIES);
    await record('open', MADE_OPEN_ORDERS);
    await record('long', MADE_LONG_ORDERS);
    await record('chaos', chaos());
    await record('apart', apart());
    const rows = await query<{ ledger: string; event_id: string; recorded_by: string; event_hash: Buffer }>(
      service.database,
      `SELECT ledger, event_id, recorded_by, event_hash FROM audit_events WHERE ledger IN ('desk', 'chaos', 'apart')`,
    );
    envelopes = new Map(
      rows.map(({ ledger, event_id: id, recorded_by, event_hash: hash }) => [
        id,
        { ledger, recorded_by, event_hash: hash.toString('hex') },
      ]),
    );
  });
  afterAll(() => service.close());

  async function record(ledger: string, events: readonly SentEvent[]): Promise<void> {
    await service.http().put(`/v1/ledgers/${ledger}`).expect(201);
    const { body } = await service.http().post(`/v1/ledgers/${ledger}/events/batch`).send({ events }).expect(201);
    const receipts = body.receipts as { sequence: string; recorded_at: string }[];
    const placed = events.map((event, i) => ({
      ...event,
      sequence: Number(receipts[i]!.sequence),
      recorded_at: receipts[i]!.recorded_at,
    }));
    ledgers.set(ledger, placed);
  }

  async function rows(ledger: string, report: string, parameters: Parameters, [from, to]: Bounds): Promise<Row[]> {
    return rowsOf(ledger, report, { ...parameters, from, to });
  }

  async function rowsOf(ledger: string, report: string, parameters: Parameters): Promise<Row[]> {
    const path = `/v1/ledgers/${ledger}/reports/${report}`;
    const { body } = await service.http().get(path).query(parameters).expect(200);
    return (body as { rows: Row[] }).rows;
  }

  it('on fills know copies, ids that are used again, what ends, and orders that are recorded late', async () => {
    let second = 0;
    const event = (
      order: string,
      action: string,
      state: object,
      metadata: object = {},
      more: object = {},
    ): SentEvent => {
      second += 1;
      const id = `019e8f7a-0000-7000-8000-${String(second).padStart(12, '0')}`;
      return {
        ...{ event_id: id, timestamp: `2026-06-02T09:00:${String(second).padStart(2, '0')}Z` },
        ...{ event_type: 'order_lifecycle', entity_type: 'order', entity_id: order, action, user_id: 'trader-1' },
        ...{ new_state: { ...state }, metadata: { ...metadata }, source: 'oms', ...more },
      };
    };
    const created = { symbol: 'SAP', side: 'buy', exchange: 'XETR', quantity: '10', price: '5' };
    const done = { quantity: '10', price: '5' };
    const segment = { exchange: 'XETR', segment_mic: 'XETA', order_type: 'limit', validity: 'good_till_date' };
    const nextDay = { timestamp: '2026-06-03T08:00:00Z' };
    const fill = event('again', 'fill', done);
    await record('lives', [
      event('copied', 'create', created, { client_id: 'C-1' }),
      event('copied', 'fill', done, { execution_id: 'X1' }),
      event(
        'copied',
        'fill',
        { ...done, symbol: 'SAPG' },
        { execution_id: 'X1', drop_copy: true },
        { source: 'broker' },
      ),
      event('again', 'create', created, { client_id: 'C-2' }),
      fill,
      event('again', 'create', { ...created, symbol: 'BMW' }, { client_id_type: 'none' }, nextDay),
      event('again', 'fill', done, {}, { timestamp: '2026-06-03T08:00:01Z' }),
      event(
        'late',
        'partial_fill',
        { ...done, quantity: '4' },
        {},
        { timestamp: '2026-06-02T09:30:00.1Z', source: 'venue' },
      ),
      event('late', 'create', created, { client_id: 'C-3' }, { timestamp: '2026-06-02T09:30:00Z' }),
      event('other', 'create', { ...created, ...segment, valid_until: '2026-06-30T00:00:00Z' }, { client_id: 'C-4' }),
      event('other', 'modify', { exchange: 'XLON', order_type: 'market', validity: 'day' }),
      event('other', 'fill', { ...done, isin: 'DE0007164600' }, { client_id_type: 'pending_allocation' }),
      event('other', 'change_status', {}, { client_id: 'C-5' }),
      event(
        'again',
        'fill',
        { ...done, price: '6' },
        {},
        { corrects: fill.event_id, source: 'desk', timestamp: fill.timestamp },
      ),
    ]);
    const trades = await rows('lives', 'mifid2-trades', {}, EVER);
    expect(
      trades.map(({ order_id: id, instrument, isin, client, venue, price }) => [
        id,
        instrument,
        isin,
        client,
        venue,
        price,
      ]),
    ).toEqual([
      ['again', 'SAP', null, 'C-2', 'XETR', '6'],
      ['copied', 'SAP', null, 'C-1', 'XETR', '5'],
      ['other', 'SAP', 'DE0007164600', null, 'XLON', '5'],
      ['late', 'SAP', null, 'C-3', 'XETR', '5'],
      ['again', 'BMW', null, null, 'XETR', '5'],
    ]);
    // of the copies alone that of the broker, beside what it is a copy of
    const told = await rows('lives', 'replay', { client: 'C-1' }, EVER);
    expect(told.map(({ action, copy }) => [action, copy])).toEqual([
      ['create', null],
      ['fill', null],
      ['fill', 'true'],
    ]);
    expect((await rows('lives', 'replay', { client: 'C-3' }, EVER)).map(({ action }) => action)).toEqual([
      'create',
      'partial_fill',
    ]);
    const byClient = await rows('lives', 'activity', { by: 'client' }, EVER);
    expect(byClient.filter(({ level }) => level === 'all').map(({ group, executions }) => [group, executions])).toEqual(
      [
        [null, '2'],
        ['C-1', '1'],
        ['C-2', '1'],
        ['C-3', '1'],
        ['C-4', '0'],
        ['C-5', '0'],
      ],
    );
    const wrong = await rows('lives', 'lifecycle-exceptions', { severity: 'warning' }, EVER);
    expect(wrong.map(({ order_id: id, rule }) => [id, rule])).toEqual([]);
    const records = await rows('lives', 'order-records', { regime: 'rts24' }, EVER);
    const ofOther = records.filter(({ order_id: id }) => id === 'other');
    expect(
      ofOther.map(({ f3_client: c, f12_validity_date_time: until, f16_segment_mic: mic, f24_limit_price: limit }) => [
        c,
        until,
        mic,
        limit,
      ]),
    ).toEqual([
      ['C-4', '2026-06-30T00:00:00Z', 'XETA', '5'],
      ['C-4', null, 'XLON', null],
      ['PNAL', null, 'XLON', null],
      ['C-5', null, 'XLON', null],
    ]);
    const compared = await rows('lives', 'drop-copy-reconciliation', { source: 'oms', other_source: 'broker' }, EVER);
    expect(compared.filter(({ kind, order_id: id }) => kind === 'only-in-other' || id === 'copied')).toMatchObject([
      { kind: 'differs', differing: 'instrument' },
    ]);
    expect(compared.filter(({ order_id: id }) => id === 'again').map(({ price }) => price)).toEqual(['6', '5']);
  });

  const CASES: Case[] = [
    {
      report: 'order-reconstruction',
      ledger: 'desk',
      asked: [
        { order_id: 'P-1' },
        { execution_id: 'X-2' },
        { execution_id: 'TV-1' },
        { order_id: 'Q-b' },
        { order_id: 'CH-1-1' },
        { order_id: 'nothing' },
        { execution_id: 'nothing' },
      ],
      rows: (events, asked, from, to) => expectedReconstruction(events, asked, [from, to], envelopes),
      anything: (random) =>
        random.chance(2)
          ? { order_id: `C-${random.below(ORDERS)}` }
          : { execution_id: random.of(['X-1', 'X-2', '7', 'true']) },
    },
    {
      report: 'replay',
      ledger: 'desk',
      asked: [
        {},
        { instrument: 'DE0005190003' },
        { instrument: 'SAP', venue: 'XPAR' },
        { client: 'C-1', algorithm: 'ALGO-7' },
        { desk: 'block' },
        { user_id: 'engine-1' },
        { user_id: 'ops-2' },
      ],
      rows: expectedReplay,
      anything: (random) => ({
        ...(random.chance(2) ? { client: random.of(['C-1', 'C-2', '7']) } : {}),
        ...(random.chance(3) ? { instrument: random.of(['SAP', 'BMW']) } : {}),
        ...(random.chance(3) ? { algorithm: 'ALGO-1' } : {}),
        ...(random.chance(4) ? { user_id: random.of(['trader-1', 'ops-1']) } : {}),
      }),
    },
    {
      report: 'open-orders',
      ledger: 'open',
      asked: [
        {},
        { instrument: 'DE0005190003' },
        { instrument: 'SAP', venue: 'XETR' },
        { client: 'C-1' },
        { algorithm: 'ALGO-9' },
        { desk: 'equities' },
        { user_id: 'trader-2' },
        { state: 'lapsed' },
        { state: 'live', user_id: 'trader-1' },
        { look_back_days: '0' },
        { look_back_days: '92' },
        { look_back_days: '3660' },
      ],
      rows: expectedOpenOrders,
      anything: (random) => ({
        ...(random.chance(4) ? { client: random.of(['C-1', 'C-2', '7']) } : {}),
        ...(random.chance(4) ? { instrument: random.of(['SAP', 'BMW']) } : {}),
        ...(random.chance(4) ? { state: random.of(['live', 'lapsed']) } : {}),
        ...(random.chance(5) ? { user_id: random.of(['trader-1', 'ops-1']) } : {}),
        ...(random.chance(4) ? { look_back_days: random.of(['0', '1', '3']) } : {}),
      }),
      rowsOfAnything: 5, // most lives are over by then; below each is looked at along its way
    },
    {
      report: 'aggregation-allocation',
      ledger: 'aggregates',
      asked: [
        {},
        { group: 'AG-1' },
        { group: 'A-3' },
        { client: 'C-9' },
        { client: 'C-1', group: 'AG-4' },
        { price_tolerance: '0.0029' },
        { price_tolerance: '0.003' },
        { price_tolerance: '0.1', group: 'AG-4' },
        { price_tolerance: '0' },
      ],
      rows: expectedAggregation,
      anything: (random) => ({
        ...(random.chance(3) ? { client: random.of(['C-1', '7']) } : {}),
        ...(random.chance(2) ? { price_tolerance: random.of(['0', '0.5', '3']) } : {}),
      }),
    },
    {
      report: 'activity',
      ledger: 'desk',
      asked: ['algorithm', 'venue', 'client', 'desk', 'investment_decision_maker', 'instrument', 'user'].map((by) => ({
        by,
      })),
      rows: expectedActivityBy,
      anything: (random) => ({ by: random.of(['algorithm', 'client', 'venue', 'instrument', 'desk', 'user']) }),
    },
    {
      report: 'drop-copy-reconciliation',
      ledger: 'copies',
      asked: [
        { source: 'oms', other_source: 'drop-copy' },
        { source: 'drop-copy', other_source: 'oms', tolerance_ms: '0' },
        { source: 'oms', other_source: 'crossing', tolerance_ms: '86400000' },
        { source: 'oms', other_source: 'drop-copy', late_days: '0', tolerance_ms: '900' },
      ],
      rows: expectedCopies,
      anything: (random) => ({
        ...{ source: 'oms', other_source: 'venue' },
        ...(random.chance(2) ? { tolerance_ms: random.of(['0', '60000', '86400000']) } : {}),
        ...(random.chance(2) ? { late_days: random.of(['0', '2', '31']) } : {}),
      }),
    },
  ];

  describe.each(CASES.map((each) => [each.report, each] as const))(
    '%s',
    (report, { ledger, asked, rows: expected, anything, rowsOfAnything = 50 }) => {
      it('has the rows that a plain computation gives, and the golden file', async () => {
        const events = ledgers.get(ledger)!;
        for (const [i, parameters] of asked.entries()) {
          const found = await rows(ledger, report, parameters, DAY);
          expect([parameters, found]).toEqual([parameters, expected(events, parameters, ...DAY)]);
          if (i > 0) continue;
          expect(found.length).toBeGreaterThan(3);
          const path = join(import.meta.dirname, 'reports', `${report}.json`);
          const text = `${JSON.stringify(found, null, 2)}\n`
            .replaceAll(events[0]!.recorded_at, 'RECORDED_AT')
            .replaceAll(/"(recorded_by|event_hash)": "[^"]*"/g, '"$1": "…"');
          if (process.env.UPDATE_GOLDEN_FILES) writeFileSync(path, text);
          expect(readFileSync(path, 'utf8')).toBe(text);
        }
      });

      it('has the rows of any sequence', async () => {
        const events = ledgers.get(ledger)!;
        for (let asOf = 0; asOf <= events.length; asOf += 5) {
          const then = events.slice(0, asOf);
          for (const parameters of asked.slice(0, 2)) {
            const found = await rows(ledger, report, { ...parameters, as_of: String(asOf) }, EVER);
            expect([asOf, found]).toEqual([asOf, expected(then, parameters, ...EVER)]);
          }
        }
      });

      it('has the rows of events without meaning, at any sequence and for any period', async () => {
        const random = new Random(17);
        const events = ledgers.get('chaos')!;
        const times = events.map(({ timestamp }) => timestamp).sort();
        let total = 0;
        for (let i = 0; i < 12; i++) {
          const parameters = anything(random);
          const asOf = i % 2 === 0 ? events.length : random.below(events.length + 1);
          const [from, to] = i < 3 ? EVER : ([random.of(times), random.of(times)].sort() as [string, string]);
          if (from === to) continue;
          const found = await rows('chaos', report, { ...parameters, as_of: String(asOf) }, [from, to]);
          const wanted = expected(events.slice(0, asOf), parameters, from, to);
          expect([parameters, asOf, from, to, found]).toEqual([parameters, asOf, from, to, wanted]);
          total += found.length;
        }
        expect(total).toBeGreaterThan(rowsOfAnything);
      });

      it('comes as CSV with the same cells', async () => {
        const found = await rows(ledger, report, asked[0]!, DAY);
        const { text } = await service
          .http()
          .get(`/v1/ledgers/${ledger}/reports/${report}`)
          .query({ ...asked[0], from: DAY[0], to: DAY[1], format: 'csv' })
          .expect(200);
        const [header, ...records] = readCsv(text);
        expect(header).toEqual(Object.keys(found[0]!));
        const unguarded = (cell: string): string => cell.replace(/^'(?=[=+\-@\t\r])/, '');
        expect(records.map((record) => record.map(unguarded))).toEqual(
          found.map((row) => header!.map((name) => row[name] ?? '')),
        );
      });
    },
  );

  it.each([
    ['neither an order nor an execution', 'order-reconstruction', {}, 'order_id', 'either'],
    ['both of them', 'order-reconstruction', { order_id: 'a', execution_id: 'b' }, 'order_id', 'either'],
    ['an empty order', 'order-reconstruction', { order_id: '' }, 'order_id', 'text'],
    ['an empty venue', 'replay', { venue: '' }, 'venue', 'text'],
    ['an unknown filter', 'replay', { side: 'buy' }, 'side', 'unknown'],
    ['an empty group', 'aggregation-allocation', { group: '' }, 'group', 'text'],
    ['a tolerance below 0', 'aggregation-allocation', { price_tolerance: '-1' }, 'price_tolerance', 'decimal'],
    ['no tolerance', 'aggregation-allocation', { price_tolerance: 'much' }, 'price_tolerance', 'decimal'],
    ['activity by nothing', 'activity', {}, 'by', 'required'],
    ['one source', 'drop-copy-reconciliation', { source: 'a' }, 'other_source', 'required'],
    ['a source with itself', 'drop-copy-reconciliation', { source: 'a', other_source: 'a' }, 'other_source', 'other'],
    [
      'too many days',
      'drop-copy-reconciliation',
      { source: 'a', other_source: 'b', late_days: '32' },
      'late_days',
      'range',
    ],
    [
      'a tolerance of two days',
      'drop-copy-reconciliation',
      { source: 'a', other_source: 'b', tolerance_ms: '172800000' },
      'tolerance_ms',
      'range',
    ],
    ['an unknown state of orders', 'open-orders', { state: 'open' }, 'state', 'one-of'],
    ['an empty desk', 'open-orders', { desk: '' }, 'desk', 'text'],
    ['more than ten years back', 'open-orders', { look_back_days: '3661' }, 'look_back_days', 'number'],
    ['half a day back', 'open-orders', { look_back_days: '0.5' }, 'look_back_days', 'number'],
    ['activity by what nobody knows', 'activity', { by: 'constructor' }, 'by', 'one-of'],
  ])('refuses %s', async (_, report, parameters, name, rule) => {
    const path = `/v1/ledgers/main/reports/${report}`;
    const { body } = await service
      .http()
      .get(path)
      .query({ from_date: '2026-06-02', to_date: '2026-06-02', ...parameters })
      .expect(400);
    expect(body.errors).toMatchObject([{ pointer: `/query/${name}`, rule }]);
    const run = { from_date: '2026-06-02', to_date: '2026-06-02', ...parameters };
    await service.http().post(`${path}/runs`).send(run).expect(400);
  });

  it('of orders that are open know what had happened by an instant, to the nanosecond, and not what came then', async () => {
    const first = '2026-05-20T00:00:00Z';
    const [gtc, others] = [{ instrument: 'SAP', client: 'C-1' }, ['remaining_quantity', 'limit_price', 'last_user_id']];
    const at = async (to: string): Promise<(string | null)[][]> =>
      (await rows('open', 'open-orders', gtc, [first, to])).map((row) =>
        ['order_id', ...others].map((name) => row[name] ?? null),
      );
    expect(await at('2026-05-20T08:00:00Z')).toEqual([]);
    expect(await at('2026-05-20T08:00:00.000000001Z')).toEqual([['GTC', '100', '140.50', 'trader-1']]);
    expect(await at('2026-06-02T08:00:00.000000001Z')).toEqual([['GTC', '100', '140.50', 'trader-1']]);
    expect(await at('2026-06-02T08:00:00.000000002Z')).toEqual([['GTC', '70', '140.50', 'engine-1']]);
    expect(await at('2026-06-03T00:00:00Z')).toEqual([['GTC', '90', '140.75', 'trader-2']]);
    expect(await at('2026-06-03T00:00:00.000000001Z')).toEqual([]);
    // as it was known before the change was recorded
    const known = await rowsOf('open', 'open-orders', { ...gtc, from: first, to: '2026-06-03T00:00:00Z', as_of: '2' });
    expect(known).toMatchObject([{ remaining_quantity: '70', last_action: 'partial_fill' }]);

    // by days: at the end of the last one, UTC
    const path = '/v1/ledgers/open/reports/open-orders';
    const days = { from_date: '2026-05-20', to_date: '2026-06-02' };
    const { body } = await service.http().get(path).query(days).expect(200);
    const found = new Map((body.rows as Row[]).map((row) => [row.order_id, [row.state, row.remaining_quantity]]));
    expect(Object.fromEntries(found)).toEqual({
      ...{ GTC: ['live', '90'], LAPSED: ['lapsed', '5'], TODAY: ['live', '5'], UNTIL: ['lapsed', '7'] },
      ...{ TILL: ['live', '7'], STOP: ['live', '1.5'], AGAIN: ['live', '6'], VOIDED: ['live', '8'] },
      ...{ LATE: ['live', '6'], UNBEGUN: ['live', null], UNREAD: ['live', null], MENDED: ['live', '18'] },
      ...{ FOLLOWING: ['live', '3'], WEEKS: ['live', '11'], ENDING: ['live', '14'], UNFILLED: ['live', '6'] },
      UNENDED: ['live', '17'],
    });
    // the period of a day is enough: what was open then is there, however long before it was entered
    const open = async (parameters: Parameters): Promise<(string | null)[]> => {
      const asked = { ...days, from_date: '2026-06-02', ...parameters };
      const { body: answer } = await service.http().get(path).query(asked).expect(200);
      return (answer.rows as Row[]).map(({ order_id: id }) => id ?? null);
    };
    expect(await open({})).toEqual((body.rows as Row[]).map(({ order_id: id }) => id));
    expect(await open({ look_back_days: '400' })).toEqual(['YEAR', ...(await open({}))]);
    expect(await open({ look_back_days: '92' })).toEqual(await open({}));
    expect(await open({ look_back_days: '91' })).toEqual(
      (await open({})).filter((id) => !['WEEKS', 'ENDING'].includes(id!)),
    );
    expect(await open({ look_back_days: '0' })).not.toContain('LAPSED');
    expect(await open({ look_back_days: '0', state: 'live' })).toContain('GTC');
    expect(
      await service
        .http()
        .get(path)
        .query({ ...days, format: 'html', display_time_zone: 'Europe/Berlin' }),
    ).toMatchObject({
      status: 200,
      text: expect.stringContaining('<td>2026-06-02T11:00:00+02:00</td><td>modify</td><td>trader-2</td>'),
    });
  });

  it('of orders that are open know those that were changed often, which are read whole', async () => {
    const events = ledgers.get('long')!;
    const found = await rows('long', 'open-orders', {}, DAY);
    expect(found).toEqual(expectedOpenOrders(events, {}, ...DAY));
    expect(found.map(({ order_id: id, remaining_quantity: left }) => [id, left])).toEqual([['CHANGED', '180']]);
  });

  it('of orders that are open has the rows of events without meaning, at instants along their lives', async () => {
    const events = ledgers.get('chaos')!;
    const times = [...new Set(events.map(({ timestamp }) => timestamp))].sort();
    let total = 0;
    for (let i = 1; i < times.length; i += Math.ceil(times.length / 30)) {
      const to = times[i]!;
      const found = await rows('chaos', 'open-orders', {}, [EVER[0], to]);
      expect([to, found]).toEqual([to, expectedOpenOrders(events, {}, EVER[0], to)]);
      total += found.length;
    }
    expect(total).toBeGreaterThan(50);
  });

  it('rebuilds an order without a period: its whole life, and what belongs to it in the days around', async () => {
    const asked: [ledger: string, parameters: Parameters][] = [
      ...CASES[0]!.asked.map((parameters): [string, Parameters] => ['desk', parameters]),
      ...[0, 5, 9].map((i): [string, Parameters] => ['chaos', { order_id: `C-${i}` }]),
      ['chaos', { execution_id: 'X-1' }],
      ...['A-P', 'A-1', 'A-2', 'A-3'].map((id): [string, Parameters] => ['apart', { order_id: id }]),
    ];
    for (const [ledger, parameters] of asked) {
      const found = await rowsOf(ledger, 'order-reconstruction', parameters);
      const expected = expectedReconstruction(ledgers.get(ledger)!, parameters, undefined, envelopes);
      expect([ledger, parameters, found]).toEqual([ledger, parameters, expected]);
    }
    const ids = async (parameters: Parameters) => [
      ...new Set((await rowsOf('apart', 'order-reconstruction', parameters)).map(({ order_id: id }) => id)),
    ];
    const whole = await rowsOf('apart', 'order-reconstruction', { order_id: 'A-P' });
    expect(whole.map(({ order_id: id, stage }) => [id, stage])).toEqual([
      ['A-P', 'decision'],
      ['A-P', 'order'],
      ['A-P', 'routing'],
      ['A-P', 'acknowledgement'],
      ['A-1', 'order'],
      ['A-2', 'order'],
    ]);
    // where it is given, it bounds
    expect(await ids({ order_id: 'A-P', from_date: '2026-06-02', to_date: '2026-06-02' })).toEqual(['A-P', 'A-1']);
    expect(await ids({ order_id: 'A-P', from_date: '2026-06-03', to_date: '2026-12-31' })).toEqual([]);

    const path = '/v1/ledgers/desk/reports/order-reconstruction';
    const { headers, body } = await service.http().get(path).query({ order_id: 'P-1', as_of: '9' }).expect(200);
    expect(headers['content-disposition']).toBe('attachment; filename="desk-order-reconstruction-as-of-9.json"');
    expect(body.parameters).toEqual({ order_id: 'P-1', reporting_as_of: '0' });
    const half = await service.http().get(path).query({ order_id: 'P-1', from_date: '2026-06-02' }).expect(400);
    expect(half.body.errors).toMatchObject([{ pointer: '/query/to_date', rule: 'required' }]);
    const { body: run } = await service.http().post(`${path}/runs`).send({ order_id: 'P-1' }).expect(202);
    expect(run.parameters).toEqual({ order_id: 'P-1', reporting_as_of: '0' });
  });

  it('rebuilds an order with messages as they came, and corrections seen from both sides', async () => {
    const found = await rows('desk', 'order-reconstruction', { execution_id: 'X-2' }, DAY);
    const of = (sequence: string): Row => found.find((row) => row.sequence === sequence)!;
    expect(of('1')).toMatchObject({
      ...{ relation: 'parent', linked_by: 'parent_order_id=P-1', timestamp: '2026-06-02T08:00:00.000000001Z' },
      ...{ raw_text: '8=FIX.4.4|35=D|11=CLO-1|55=SAP|58=grün|', decision_time: '2026-06-02T09:59:59.123456789+02:00' },
    });
    expect(of('5')).toMatchObject({ standing: 'corrected', corrected_by: of('7').event_id, execution: 'asked' });
    expect(of('6')).toMatchObject({ standing: 'corrected', corrects: of('5').event_id });
    expect(JSON.parse(of('7').correction!)).toEqual({
      'metadata.account': { from: null, to: 'A-9' },
      'metadata.reason': { from: 'price', to: 'price again' },
      'new_state.price': { from: '140.48', to: '140.47' },
      user_id: { from: 'ops-1', to: 'ops-2' },
    });
    expect(of('13').standing).toBe('superseded');
    expect(of('16').correction).toBe('corrects nothing: the event is of another entity');
    expect(found.map(({ order_id: id }) => id)).toEqual(expect.arrayContaining(['CH-1', 'P-1', 'CH-1-1', 'CH-2']));
  });

  describe('access-log', () => {
    const LOG = '/v1/ledgers/_service/reports/access-log';
    const EVER_DAYS = { from_date: '2026-01-01', to_date: '2199-12-31' };
    let auditor: TestKey;

    /** All that the service has recorded of itself, as its interface shows it; and how much that was. */
    async function serviceTrail(): Promise<PlacedEvent[]> {
      const events: PlacedEvent[] = [];
      for (let cursor: string | null = ''; cursor !== null;) {
        const { body } = await service
          .http()
          .get('/v1/ledgers/_service/events')
          .query({ limit: '1000', ...(cursor === '' ? {} : { cursor }) })
          .expect(200);
        events.push(...(body.events as PlacedEvent[]));
        cursor = body.next_cursor as string | null;
      }
      return events.map((event) => ({ ...event, sequence: Number(event.sequence) }));
    }

    beforeAll(async () => {
      auditor = await createKey(service, ['reports:read', 'events:read'], ['desk', 'copies', '_service']);
      const get = (path: string) => service.http(auditor.key).get(`/v1/ledgers/${path}`);
      const lines = { accept: 'application/x-ndjson' };
      await get('desk/orders/P-1/history').set(lines).expect(200);
      await get('desk/orders/CH-1/history').set(lines).expect(200);
      await get('desk/events?entity_type=order&entity_id=P-1').set(lines).expect(200);
      await get('desk/events?entity_type=account&entity_id=P-1').set(lines).expect(200);
      // pages, single events and proofs are counted
      const { body: page } = await get('desk/events?entity_id=P-1&limit=1').expect(200);
      await get(`desk/events?cursor=${page.next_cursor}`).expect(200);
      await get('desk/events?entity_id=CH-1').expect(200);
      await get('desk/orders/P-1/history').expect(200);
      await get(`desk/events/${MADE_DESK[0]!.event_id}`).expect(200);
      await get(`desk/events/${MADE_DESK[0]!.event_id}`).expect(200);
      await get('desk/events/0197f3a1-6c00-7000-8000-ffffffffffff').expect(404);
      await get('desk/orders/nothing/history').expect(404);
      await get('_service/events?limit=3').expect(200);
      const day = 'from_date=2026-06-02&to_date=2026-06-02';
      await get(`desk/reports/order-reconstruction?${day}&order_id=P-1&format=csv`).expect(200);
      await get(`copies/reports/replay?${day}`).expect(200);
      await get(`desk/reports/activity?${day}`).expect(400); // refused: nothing was read
      await get('_service/events?event_type=report').set(lines).expect(200);
      await service.app.get(PageReads).record();
    });

    it('has the reads that a plain look at the trail of the service finds', async () => {
      const trail = await serviceTrail();
      const principal = `key:${auditor.id}`;
      for (const filters of [
        {},
        { principal },
        { of_ledger: 'chaos' },
        { order_id: 'P-1' },
        { order_id: 'C-3', of_ledger: 'chaos' },
        { principal: 'nobody' },
      ]) {
        const { body } = await service
          .http()
          .get(LOG)
          .query({ ...EVER_DAYS, ...filters, as_of: String(trail.length) })
          .expect(200);
        expect([filters, body.rows]).toEqual([filters, expectedAccessLog(trail, filters)]);
      }
    });

    it('says what one key has read, and the golden file', async () => {
      const { body } = await service
        .http(auditor.key)
        .get(LOG)
        .query({ ...EVER_DAYS, principal: `key:${auditor.id}` })
        .expect(200);
      const found = body.rows as Row[];
      expect(found.map(({ ledger, what, action }) => [ledger, what, action])).toEqual([
        ['desk', 'history', 'read'],
        ['desk', 'history', 'read'],
        ['desk', 'search', 'read'],
        ['desk', 'search', 'read'],
        ['desk', 'order-reconstruction', 'run'],
        ['desk', 'order-reconstruction', 'done'],
        ['copies', 'replay', 'run'],
        ['copies', 'replay', 'done'],
        ['_service', 'search', 'read'],
        ['desk', 'search', 'pages'],
        ['desk', 'history', 'pages'],
        ['desk', 'event', 'pages'],
        ['_service', 'search', 'pages'],
      ]);
      const path = join(import.meta.dirname, 'reports', 'access-log.json');
      const places = new Map<string, string>();
      const text = `${JSON.stringify(found, null, 2)}\n`
        .replaceAll(/[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}/g, (id) => {
          if (!places.has(id)) places.set(id, `ID-${places.size + 1}`);
          return places.get(id)!;
        })
        .replaceAll(
          /"(timestamp|first_time|last_time|recorded_at|sequence|as_of|bytes|sha256)": "[^"]*"/g,
          '"$1": "…"',
        );
      if (process.env.UPDATE_GOLDEN_FILES) writeFileSync(path, text);
      expect(readFileSync(path, 'utf8')).toBe(text);
    });

    it('finds what names an order, and what came of it', async () => {
      const { body } = await service
        .http(auditor.key)
        .get(LOG)
        .query({ ...EVER_DAYS, principal: `key:${auditor.id}`, order_id: 'P-1' })
        .expect(200);
      expect((body.rows as Row[]).map(({ what, action }) => [what, action])).toEqual([
        ['history', 'read'],
        ['search', 'read'],
        ['order-reconstruction', 'run'],
        ['order-reconstruction', 'done'],
        ['search', 'pages'],
        ['history', 'pages'],
      ]);
    });

    it('counts pages in memory, and names the first things that were asked for', async () => {
      const { key, id } = await createKey(service, ['events:read'], ['desk']);
      const reads = service.app.get(PageReads);
      const get = (path: string) => service.http(key).get(`/v1/ledgers/desk/${path}`);
      await reads.record(); // what the tests before this one have read
      for (let i = 0; i < 24; i++) await get(`events?entity_id=N-${i % 22}`).expect(200);
      await get(`events?entity_id=${'n'.repeat(255)}&user_id=${'n'.repeat(255)}&source=${'%C3%A4'.repeat(255)}`);
      const size = async (): Promise<number> =>
        Number((await service.http().get('/v1/ledgers/_service').expect(200)).body.size);
      const before = await size();
      await Promise.all([reads.record(), reads.record()]);
      await reads.record();
      expect(await size()).toBe(before + 1);
      const told = (await serviceTrail()).at(-1)!;
      expect(told).toMatchObject({ event_type: 'read', action: 'search', user_id: `key:${id}` });
      expect(told.new_state).toMatchObject({ reads: '25', asked_is_cut: true });
      const asked = Array.from({ length: 20 }, (_, i) => ({ entity_id: `N-${i}` }));
      expect(told.new_state.asked).toEqual(asked);
      expect(String(told.new_state.first) <= String(told.new_state.last)).toBe(true);
      const { body } = await service
        .http()
        .get(LOG)
        .query({ ...EVER_DAYS, principal: `key:${id}` })
        .expect(200);
      expect(body.rows).toMatchObject([{ what: 'search', action: 'pages', reads: '25' }]);
      expect(JSON.parse(body.rows[0].parameters)).toEqual([...asked, null]);
    });

    it('has pages that could not be recorded the first time', async () => {
      const { key, id } = await createKey(service, ['events:read'], ['desk']);
      const reads = service.app.get(PageReads);
      const ledger = service.app.get(ServiceLedger);
      await service.http(key).get('/v1/ledgers/desk/orders/P-1/history').expect(200);
      const record = ledger.record.bind(ledger);
      ledger.record = () => Promise.reject(new Error('the database is away'));
      await reads.record();
      ledger.record = record;
      await service.http(key).get('/v1/ledgers/desk/orders/CH-1/history').expect(200);
      await reads.record();
      const told = (await serviceTrail()).filter(({ user_id: user }) => user === `key:${id}`);
      expect(told.map(({ new_state: state }) => [state.reads, state.asked])).toEqual([
        ['2', [{ order_id: 'P-1' }, { order_id: 'CH-1' }]],
      ]);
    });

    it('has pages within RECORD_READS_SECONDS, and what was counted before a replica stopped', async () => {
      const { key, id } = await createKey(service, ['events:read'], ['desk']);
      const told = async (): Promise<unknown[]> =>
        (await serviceTrail()).filter(({ user_id: user }) => user === `key:${id}`).map(({ new_state: state }) => state);
      const reading = async (seconds: string, meanwhile: () => Promise<unknown>): Promise<void> => {
        const env = { RECORD_READS_SECONDS: seconds };
        const replica = await startService({ database: service.database, env });
        await replica.http(key).get('/v1/ledgers/desk/orders/P-1/history').expect(200);
        await meanwhile();
        await replica.close();
      };
      await reading('1', async () => {
        while ((await told()).length === 0) await pause(50);
      });
      expect(await told()).toMatchObject([{ reads: '1', asked: [{ order_id: 'P-1' }], asked_is_cut: false }]);
      await reading('3600', async () => expect(await told()).toHaveLength(1));
      expect(await told()).toMatchObject([{ reads: '1' }, { reads: '1' }]);
      await reading('0', () => Promise.resolve());
      expect(await told()).toHaveLength(2);
    });

    it('is of the ledger of the service alone, for those who may read it', async () => {
      const elsewhere = await service.http().get('/v1/ledgers/desk/reports/access-log').query(EVER_DAYS).expect(404);
      expect(elsewhere.body).toMatchObject({ type: '/docs/problems/report-not-found' });
      expect(elsewhere.body.detail).toContain('_service');
      await service.http().post('/v1/ledgers/desk/reports/access-log/runs').send(EVER_DAYS).expect(404);
      const other = await createKey(service, ['reports:read'], ['desk']);
      await service.http(other.key).get(LOG).query(EVER_DAYS).expect(404);
      const reader = await createKey(service, ['events:read'], ['_service']);
      await service.http(reader.key).get(LOG).query(EVER_DAYS).expect(403);
    });
  });

  it('tell of the last corrections of an event that was corrected again and again', async () => {
    const id = (n: number): string => `0197f3a1-6c00-7000-8000-0000000c${String(n).padStart(4, '0')}`;
    const note = (n: number): string => String(n).padEnd(3_000, 'n');
    const corrections = Array.from({ length: 31 }, (_, n): SentEvent => ({
      ...MADE_DESK[0]!,
      ...{ event_id: id(n), entity_id: 'again', user_id: `trader-${n}` },
      ...{ new_state: { price: String(n) }, metadata: { reason: `reason ${n}`, note: note(n < 27 ? 0 : n) } },
      ...(n > 0 ? { corrects: id(n % 2 ? n - 1 : n - 2) } : {}),
    }));
    await record('corrected', corrections);
    const [found, ...others] = await rows('corrected', 'replay', {}, DAY);
    expect(others).toEqual([]);
    const at = ledgers.get('corrected')![30]!.recorded_at;
    expect(found).toMatchObject({ correction_user_id: 'trader-30', correction_reason: 'reason 30', event_id: id(30) });
    const told = JSON.parse(found!.corrections!) as Record<string, unknown>[];
    expect(told).toHaveLength(21);
    expect(told[0]).toEqual({ left_out: '10' });
    // of the notes, 3,000 characters from and to each, no more than two pairs fit
    for (const n of [28, 27]) {
      expect(told[n - 10]).toMatchObject({ user_id: `trader-${n}`, changes: null });
      expect(told[n - 10]!.changes_left_out).toContain('too long for a cell: 4 members');
    }
    expect(told[1]).toMatchObject({ user_id: 'trader-11', reason: 'reason 11', changes: null });
    expect(told[20]).toEqual({
      ...{ event_id: id(30), sequence: '31', after_event_id: id(29), after_sequence: '30' },
      ...{ user_id: 'trader-30', recorded_at: at, reason: 'reason 30' },
      changes: {
        'metadata.note': { from: note(29), to: note(30) },
        'metadata.reason': { from: 'reason 29', to: 'reason 30' },
        'new_state.price': { from: '29', to: '30' },
        user_id: { from: 'trader-29', to: 'trader-30' },
      },
    });
    expect(found!.corrections!.length).toBeLessThan(32_767);
  });

  it('says that there are more orders than one answer has', async () => {
    const children = Array.from({ length: 510 }, (_, i): SentEvent => ({
      ...MADE_DESK[1]!,
      event_id: `0197f3a1-6c00-7000-8000-${String(500_000 + i)}000000`,
      entity_id: `K-${i}`,
    }));
    await record('many', [MADE_DESK[0]!, ...children]);
    const found = await rows('many', 'order-reconstruction', { order_id: 'P-1' }, DAY);
    expect(found).toHaveLength(501);
    expect(found.at(-1)).toMatchObject({ order_id: null, relation: 'not-listed', linked_by: 'parent_order_id=P-1' });
  });
});

/** A parent of one day, with all stages before the book, and children that begin on that day, within a month and long after. */
function apart(): SentEvent[] {
  const parent = { ...MADE_DESK[0]!, event_id: '0197f3a1-6c00-7000-8000-0000000a0000', entity_id: 'A-P' };
  const days = ['2026-06-02', '2026-07-01', '2026-08-01'];
  const children = days.map((day, i) => ({
    ...MADE_DESK[1]!,
    ...{ event_id: `0197f3a1-6c00-7000-8000-0000000a000${i + 1}`, entity_id: `A-${i + 1}` },
    ...{ timestamp: `${day}T08:00:01Z`, metadata: { parent_order_id: 'A-P' } },
  }));
  const stages = ['decide', 'route', 'acknowledge'].map((action, i) => ({
    ...{ ...parent, action, event_id: `0197f3a1-6c00-7000-8000-0000000a001${i}` },
    ...{ timestamp: `2026-06-02T08:00:00.00000000${2 * i}Z`, new_state: {}, metadata: {} },
  }));
  return [stages[0]!, parent, ...stages.slice(1), ...children];
}

/** Orders at random, with corrections of all kinds, that name each other. */
function chaos(): SentEvent[] {
  const random = new Random(23);
  const sent: SentEvent[] = [];
  for (let i = 0; i < ORDERS; i++) {
    const others = sent.map(({ event_id }) => event_id);
    sent.push(...chaoticLife(`C-${i}`, random, i === 5 ? 40 : 2 + random.below(18), others));
  }
  for (const event of sent) {
    const state = (name: string, ...values: unknown[]): void => {
      if (random.chance(3)) event.new_state[name] = random.of(values);
    };
    const context = (name: string, ...values: unknown[]): void => {
      if (random.chance(6)) event.metadata[name] = random.of(values);
    };
    state('symbol', 'SAP', 'BMW', '');
    state('exchange', 'XETR', 'XPAR', null);
    state('side', 'buy', 'sell');
    state('order_quantity', '50', 'x', '1e3');
    context('client_id', 'C-1', 'C-2', 7);
    context('desk', 'equities', 'making');
    context('investment_decision_maker', 'PM-1', 'ALGO-1');
    context('execution_decision_maker', 'ALGO-1', 'ALGO-2');
    context('parent_order_id', `C-${random.below(ORDERS)}`, 'C-none', '');
    context('client_order_id', `CLO-${random.below(4)}`);
    context('parent_client_order_id', `CLO-${random.below(9)}`);
    context('aggregation_group', 'AG-1', 'AG-2');
    context('strategy_linked_order_id', 'S-1', true);
    context('aggregated', true, false);
    context('aggregated_clients', '1', '2', '3');
    context('client_id_type', 'none', 'aggregated', 'pending_allocation');
    context('allocations', [], 'none', [{ client_id: 'C-1', quantity: '3', price: '1' }, 7], [{ quantity: 'x' }]);
    context('initiated_by', 'member', 'venue_automatic', 'venue_human');
    context('execution_id', 'X-1', 'X-2', 7, true, { id: 'X-1' });
    context('venue_transaction_id', 'TV-1', 'TV-2');
    context('venue_order_id', 'V-1', 'C-1');
    context('execution_time', '2026-06-02T10:00:00.5+02:00', 'noon');
    context('reason', 'because');
    context('drop_copy', true, 'true', false);
    state('isin', 'DE0007164600', 'DE0005190003');
    state('segment_mic', 'XETA', 'XETB');
    if (random.chance(5)) event.user_id = 'ops-1';
    if (random.chance(9)) event.raw = { media_type: 'text/plain', data: Buffer.from('a\u0001b').toString('base64') };
  }
  return sent
    .map((event, place) => ({ event, key: place + random.below(40), place }))
    .sort((a, b) => a.key - b.key || a.place - b.place)
    .map(({ event }) => event);
}
