import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { sampleSources } from './real-data/sources.js';
import { madeId, order, type SentEvent } from './reports/made-day.js';
import { MADE_NAMES } from './reports/made-names.js';
import type { PlacedEvent } from './reports/plain-computation.js';
import { expectedNames, type NamesOf } from './reports/plain-vocabulary.js';
import { sampleEvent, startService, type TestService } from './support/app.js';

interface OrderEvent {
  event_id: string;
  entity_id: string;
  entity_type: string;
  event_type: string;
  new_state: Record<string, unknown>;
  metadata: Record<string, unknown>;
}
type Row = Record<string, string | null>;

const PERIOD = 'from_date=1970-01-01&to_date=2199-12-31';
const EVER = ['1970-01-01T00:00:00Z', '2199-12-31T23:59:59.999999999Z'] as const;

/** Right for some names and wrong for others. */
const VALUES: readonly unknown[] = [
  ...['a text', '1', '-0', '-1.50', '01', '1.', '.5', '1e3', '1,5', '+1', 'true', ' '],
  ...[0, 1.5, true, false, null, '', {}, [], [[]], [null], [''], [{}], ['x'], [1]],
  ...['DE0007164600', 'DE0007164601', 'de0007164600', ['DE0007164600'], ['DE0007164600', 'DE0007164601']],
  ...['529900G3SW56SHYNPR95', '529900G3SW56SHYNPR96', 'XETR', 'xetr', 'XETRA', 'EUR', 'GBX', 'eur'],
  ...['ESVUFR', 'EZVUFR', 'ESVUF', 'ESVUF1', '2026-06-02', '2026-02-29', '2028-02-29', '1969-12-31', '2026-6-2'],
  ...['2026-06-02T08:00:00Z', '2026-06-02T10:00:00.123456789+02:00', '2026-06-02T08:00:00.1234567891Z'],
  ...['2026-06-02T24:00:00Z', '2026-06-31T08:00:00Z', '2026-06-02 08:00:00Z', '2026-06-02T08:00:00'],
  ...['buy', 'limit', 'day', 'none', 'monetary', 'natural_person', ['auction_only'], ['auction_only', 'x']],
  ...[[{ client_id: 'C-1', quantity: '1.5' }], [{ quantity: '1,5' }], [{ client: 'C-1' }], [{ price: 1 }], 'toString'],
];

describe('the vocabulary of order events', () => {
  let service: TestService;
  let validate: ValidateFunction;
  let schema: Record<'new_state' | 'metadata', Record<string, unknown>>;
  beforeAll(async () => {
    service = await startService();
    const { body } = await service.http().get('/v1/schemas/order-event').expect(200);
    validate = new Ajv2020({ allErrors: true, validateFormats: false }).compile(body);
    schema = { new_state: body.properties.new_state.properties, metadata: body.properties.metadata.properties };
  });
  afterAll(() => service.close());

  async function record(ledger: string, events: readonly object[]): Promise<void> {
    await service.http().put(`/v1/ledgers/${ledger}`);
    for (let from = 0; from < events.length; from += 500) {
      const batch = { events: events.slice(from, from + 500) };
      await service.http().post(`/v1/ledgers/${ledger}/events/batch`).send(batch).expect(201);
    }
  }

  async function findings(ledger: string): Promise<Row[]> {
    const { body } = await service
      .http()
      .get(`/v1/ledgers/${ledger}/reports/vocabulary-findings?${PERIOD}`)
      .expect(200);
    return body.rows as Row[];
  }

  /** What the published schema alone says of an event: its unknown names, and the names of what it refuses. */
  function bySchema(event: OrderEvent): { unknown: string[]; illTyped: string[] } {
    const unknown = (['new_state', 'metadata'] as const).flatMap((part) =>
      Object.keys(event[part])
        .filter((name) => !(name in schema[part]))
        .map((name) => `${part}.${name}`),
    );
    validate(event);
    const illTyped = (validate.errors ?? []).map(({ instancePath }) => instancePath.split('/').slice(1, 3).join('.'));
    return { unknown: unknown.sort(), illTyped: [...new Set(illTyped)].sort() };
  }

  it('is served as JSON Schema, as the repository has it', async () => {
    const { body: list } = await service.http().get('/v1/schemas').expect(200);
    expect(list.schemas.map(({ name }: { name: string }) => name)).toEqual(['order-event']);
    for (const { name, path, version } of list.schemas as { name: string; path: string; version: number }[]) {
      const { body, headers } = await service.http().get(path).expect(200);
      expect(headers['content-type']).toBe('application/schema+json; charset=utf-8');
      const file = join(import.meta.dirname, '../docs/schemas', `${name}.json`);
      expect(body).toEqual(JSON.parse(readFileSync(file, 'utf8')));
      expect(body.$id).toBe(`urn:truetrail:schema:${name}:${version}`);
    }
  });

  it('has a 404 for other schemas, and refuses parameters', async () => {
    const { body } = await service.http().get('/v1/schemas/orders').expect(404);
    expect(body.type).toBe('/docs/problems/schema-not-found');
    await service.http().get('/v1/schemas?name=order-event').expect(400);
    await service.http(null).get('/v1/schemas').expect(401);
  });

  it('refuses nothing, keeps all, and tells of what it does not know or what is of another type', async () => {
    const events = [
      { new_state: { symbol: 'AAPL', side: 'buy', quantity: '1', price: '1.10' }, metadata: { client_id: 'C-1' } },
      { new_state: { side: 'BUYI', quantity: 1, house: { flag: true } }, metadata: { desk: 7, side: 'buy' } },
      { new_state: { restrictions: 'auction_only', price: '1e3' }, metadata: { allocations: [{ client: 'C' }] } },
      { new_state: { side: null, isin: '' }, metadata: { execution_time: 'noon', aggregated: 'true' } },
    ].map((members, i) => sampleEvent({ ...members, event_id: madeId(i + 1), entity_id: `O-${i}` }));
    const others = [
      sampleEvent({ entity_type: 'position', event_id: madeId(8), new_state: { house: 'x' } }),
      sampleEvent({ event_type: 'note', event_id: madeId(9), new_state: { house: 'x' } }),
    ];
    await record('made', [...events, ...others]);
    const { body: kept } = await service
      .http()
      .get(`/v1/ledgers/made/events/${madeId(2)}`)
      .expect(200);
    expect(kept).toMatchObject({ new_state: events[1]!.new_state, metadata: events[1]!.metadata });
    const correction = { ...events[2]!, event_id: madeId(10), corrects: madeId(3), new_state: {}, metadata: {} };
    await record('made', [correction]);
    expect(await findings('made')).toMatchObject([
      {
        order_id: 'O-1',
        unknown: 'new_state.house metadata.side',
        ill_typed:
          'new_state.quantity: must be a text; new_state.side: must be one of buy, sell; metadata.desk: must be a text',
        corrected_by: null,
      },
      {
        order_id: 'O-2',
        unknown: null,
        ill_typed:
          'new_state.price: must be a decimal such as 585.33; new_state.restrictions: must be a list; metadata.allocations: each must have no "client"',
        corrected_by: madeId(10),
      },
      {
        order_id: 'O-3',
        unknown: null,
        ill_typed:
          'metadata.aggregated: must be true or false; metadata.execution_time: must be YYYY-MM-DDThh:mm:ss, then up to nine decimals, then Z or an offset ±hh:mm',
      },
      {
        event_id: madeId(8),
        unknown: null,
        ill_typed: 'entity_type: must be order, for reports to read the event',
      },
    ]);
  });

  /** Events with their places, recorded one batch after the other. */
  async function place(ledger: string, events: readonly SentEvent[]): Promise<PlacedEvent[]> {
    await service.http().put(`/v1/ledgers/${ledger}`).expect(201);
    const { body } = await service.http().post(`/v1/ledgers/${ledger}/events/batch`).send({ events }).expect(201);
    const receipts = body.receipts as { sequence: string; recorded_at: string }[];
    return events.map((event, i) => ({
      ...event,
      sequence: Number(receipts[i]!.sequence),
      recorded_at: receipts[i]!.recorded_at,
    }));
  }

  it('finds what a plain computation finds, and what the golden file has, as of any sequence', async () => {
    const events = await place('golden', MADE_NAMES);
    const report = '/v1/ledgers/golden/reports/vocabulary-findings';
    const names = schema as unknown as NamesOf;
    const day = ['2026-06-02T00:00:00Z', '2026-06-03T00:00:00Z'] as const;
    const { body } = await service.http().get(report).query({ from: day[0], to: day[1] }).expect(200);
    expect(body.rows).toEqual(expectedNames(events, names, ...day));
    const path = join(import.meta.dirname, 'reports', 'vocabulary-findings.json');
    const text = `${JSON.stringify(body.rows, null, 2)}\n`.replaceAll(events[0]!.recorded_at, 'RECORDED_AT');
    if (process.env.UPDATE_GOLDEN_FILES) writeFileSync(path, text);
    expect(readFileSync(path, 'utf8')).toBe(text);
    for (let asOf = 0; asOf <= events.length; asOf++) {
      const then = await service.http().get(`${report}?${PERIOD}&as_of=${asOf}`).expect(200);
      const expected = expectedNames(events.slice(0, asOf), names, ...EVER);
      expect([asOf, then.body.rows]).toEqual([asOf, expected]);
    }
  });

  it('finds of every name with all sorts of values what a plain computation finds', async () => {
    const names = schema as unknown as NamesOf;
    const withValue = (part: Record<string, unknown>, value: unknown) =>
      Object.fromEntries(Object.keys(part).map((name) => [name, value]));
    const events = await place(
      'all-names',
      VALUES.map((value, i) =>
        order(i + 1, `N-${i}`, 'modify', '2026-06-02T08:00:00Z', {
          new_state: withValue(names.new_state, value),
          metadata: withValue(names.metadata, value),
        }),
      ),
    );
    const expected = expectedNames(events, names, ...EVER);
    expect(await findings('all-names')).toEqual(expected);
    // null and the empty text say nothing
    expect(expected).toHaveLength(VALUES.length - 2);
  });

  it.each(sampleSources.map((source) => [source.name, source] as const))(
    'finds in %s what the schema finds',
    async (name, source) => {
      const events: OrderEvent[] = [];
      for await (const event of source.convert()) events.push(event as unknown as OrderEvent);
      await record(name, events);
      const expected = events.map((event) => ({ id: event.event_id, ...bySchema(event) }));
      const told = expected.filter(({ unknown, illTyped }) => unknown.length > 0 || illTyped.length > 0);
      const rows = (await findings(name)).map((row) => ({
        id: row.event_id!,
        unknown: (row.unknown ?? '').split(' ').filter(Boolean).sort(),
        illTyped: (row.ill_typed ?? '')
          .split('; ')
          .filter(Boolean)
          .map((each) => each.slice(0, each.indexOf(':')))
          .sort(),
      }));
      const byId = (a: { id: string }, b: { id: string }): number => (a.id < b.id ? -1 : 1);
      expect(rows.sort(byId)).toEqual(told.sort(byId));
      const unknown = new Set(told.flatMap((each) => each.unknown));
      const illTyped = new Set(told.flatMap((each) => each.illTyped));
      // what the converters add of their own: FIX's 200=MaturityMonthYear is no day, and has another name
      const own: Record<string, string[]> = {
        'sample-lobster': ['metadata.time_as_written'],
        'sample-fix44-parties': ['new_state.maturity'],
      };
      expect([...unknown]).toEqual(own[name] ?? []);
      expect([...illTyped]).toEqual([]);
    },
  );

  it("is what the demo's day is written in", async () => {
    const path = join(import.meta.dirname, '../demo/trading-day.mjs');
    const { tradingDay } = (await import(path)) as {
      tradingDay: (day: { date: string; orders: number; seed: string }) => { events: OrderEvent[] };
    };
    const { events } = tradingDay({ date: '2026-06-01', orders: 300, seed: '1' });
    const orders = events.filter(({ event_type }) => event_type === 'order_lifecycle');
    expect(orders.length).toBeGreaterThan(800);
    for (const event of orders) expect(bySchema(event)).toEqual({ unknown: [], illTyped: [] });
    await record('demo', events);
    expect(await findings('demo')).toEqual([]);
  });
});
