import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SentEvent } from './reports/made-day.js';
import { MADE_DESK } from './reports/made-desk.js';
import { chaoticLife } from './reports/made-lives.js';
import { readCsv, type PlacedEvent } from './reports/plain-computation.js';
import { expectedReconstruction, type Envelopes } from './reports/plain-reconstruction.js';
import { expectedReplay } from './reports/plain-replay.js';
import { startService, type TestService } from './support/app.js';
import { query } from './support/keys.js';
import { Random } from './support/random.js';

type Row = Record<string, string | null>;
type Bounds = readonly [from: string, to: string];
type Parameters = Record<string, string>;

const DAY: Bounds = ['2026-06-02T00:00:00Z', '2026-06-03T00:00:00Z'];
const EVER: Bounds = ['1970-01-01T00:00:00Z', '2199-01-01T00:00:00Z'];

/** A report, what it may be asked, and its rows by a computation that shares no line with the service. */
interface Case {
  report: string;
  /** the first has the golden file */
  asked: readonly Parameters[];
  rows: (events: readonly PlacedEvent[], parameters: Parameters, from: string, to: string) => Row[];
  /** of a ledger without meaning: parameters at random */
  anything: (random: Random) => Parameters;
}

const ORDERS = 16;

describe('reports on orders', () => {
  let service: TestService;
  let envelopes: Envelopes;
  const ledgers = new Map<string, PlacedEvent[]>();

  beforeAll(async () => {
    service = await startService();
    await record('main', MADE_DESK);
    await record('chaos', chaos());
    const rows = await query<{ event_id: string; recorded_by: string; event_hash: Buffer }>(
      service.database,
      `SELECT event_id, recorded_by, event_hash FROM audit_events WHERE ledger IN ('main', 'chaos')`,
    );
    envelopes = new Map(
      rows.map(({ event_id: id, recorded_by, event_hash: hash }) => [
        id,
        { recorded_by, event_hash: hash.toString('hex') },
      ]),
    );
  });
  afterAll(() => service.close());

  async function record(ledger: string, events: readonly SentEvent[]): Promise<void> {
    if (ledger !== 'main') await service.http().put(`/v1/ledgers/${ledger}`).expect(201);
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
    const asked = service
      .http()
      .get(`/v1/ledgers/${ledger}/reports/${report}`)
      .query({ ...parameters, from, to });
    const { body } = await asked.expect(200);
    return (body as { rows: Row[] }).rows;
  }

  const CASES: Case[] = [
    {
      report: 'order-reconstruction',
      asked: [
        { order_id: 'P-1' },
        { execution_id: 'X-2' },
        { execution_id: 'TV-1' },
        { order_id: 'Q-b' },
        { order_id: 'CH-1-1' },
        { order_id: 'nothing' },
        { execution_id: 'nothing' },
      ],
      rows: (events, asked, from, to) => expectedReconstruction(events, asked, from, to, envelopes),
      anything: (random) =>
        random.chance(2)
          ? { order_id: `C-${random.below(ORDERS)}` }
          : { execution_id: random.of(['X-1', 'X-2', '7', 'true']) },
    },
    {
      report: 'replay',
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
  ];

  describe.each(CASES.map((each) => [each.report, each] as const))(
    '%s',
    (report, { asked, rows: expected, anything }) => {
      it('has the rows that a plain computation gives, and the golden file', async () => {
        const events = ledgers.get('main')!;
        for (const [i, parameters] of asked.entries()) {
          const found = await rows('main', report, parameters, DAY);
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
        const events = ledgers.get('main')!;
        for (let asOf = 0; asOf <= events.length; asOf += 3) {
          const then = events.slice(0, asOf);
          for (const parameters of asked.slice(0, 2)) {
            const found = await rows('main', report, { ...parameters, as_of: String(asOf) }, EVER);
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
        expect(total).toBeGreaterThan(50);
      });

      it('comes as CSV with the same cells', async () => {
        const found = await rows('main', report, asked[0]!, DAY);
        const { text } = await service
          .http()
          .get(`/v1/ledgers/main/reports/${report}`)
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

  it('rebuilds an order with messages as they came, and corrections seen from both sides', async () => {
    const found = await rows('main', 'order-reconstruction', { execution_id: 'X-2' }, DAY);
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
    context('execution_id', 'X-1', 'X-2', 7, true, { id: 'X-1' });
    context('reason', 'because');
    if (random.chance(5)) event.user_id = 'ops-1';
    if (random.chance(9)) event.raw = { media_type: 'text/plain', data: Buffer.from('a\u0001b').toString('base64') };
  }
  return sent
    .map((event, place) => ({ event, key: place + random.below(40), place }))
    .sort((a, b) => a.key - b.key || a.place - b.place)
    .map(({ event }) => event);
}
