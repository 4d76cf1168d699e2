import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MADE_DAY, type SentEvent } from './reports/made-day.js';
import { chaoticLife, MUTATIONS, SHARED_EXECUTION, validLife } from './reports/made-lives.js';
import { LIVES_DAY } from './reports/made-lives-day.js';
import { nanosOf, type PlacedEvent } from './reports/plain-computation.js';
import { expectedExceptions, RULE_IDS } from './reports/plain-lifecycle.js';
import { startService, type TestService } from './support/app.js';
import { Random } from './support/random.js';

const DAY = 'from_date=2026-06-02&to_date=2026-06-02';
const DAY_BOUNDS = ['2026-06-02T00:00:00Z', '2026-06-03T00:00:00Z'] as const;

type Row = Record<string, string | null>;

async function record(service: TestService, ledger: string, events: readonly SentEvent[]): Promise<PlacedEvent[]> {
  const placed: PlacedEvent[] = [];
  for (let from = 0; from < events.length; from += 1_000) {
    const part = events.slice(from, from + 1_000);
    const { body } = await service.http().post(`/v1/ledgers/${ledger}/events/batch`).send({ events: part }).expect(201);
    const receipts = body.receipts as { sequence: string; recorded_at: string }[];
    part.forEach((event, i) =>
      placed.push({ ...event, sequence: Number(receipts[i]!.sequence), recorded_at: receipts[i]!.recorded_at }),
    );
  }
  return placed;
}

async function exceptions(service: TestService, ledger: string, parameters: string): Promise<Row[]> {
  const { body } = await service
    .http()
    .get(`/v1/ledgers/${ledger}/reports/lifecycle-exceptions?${parameters}`)
    .expect(200);
  return (body as { rows: Row[] }).rows;
}

const byTime = (a: string, b: string): number => Number(nanosOf(a) - nanosOf(b));

/** What is computed apart has no texts: there is one of each rule. */
function withoutText(rows: readonly Row[]): Row[] {
  return rows.map(({ text: _, ...row }) => row);
}

/** A life that comes before all others, with an execution that has an id. */
function otherLife(random: Random): SentEvent[] {
  const [create, ...steps] = validLife('OTHER', random);
  const [fill] = steps.filter(({ action }) => action === 'fill' || action === 'partial_fill');
  if (!fill) return otherLife(random);
  fill.metadata = { execution_id: SHARED_EXECUTION };
  return [{ ...create!, timestamp: '2026-06-02T08:00:00Z' }, ...steps];
}

describe('lifecycle-exceptions', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.close());

  async function ledger(name: string, events: readonly SentEvent[]): Promise<PlacedEvent[]> {
    await service.http().put(`/v1/ledgers/${name}`).expect(201);
    return record(service, name, events);
  }

  it('finds on a made day what is wrong there, and nothing else', async () => {
    const events = await ledger('lives-day', LIVES_DAY);
    const rows = await exceptions(service, 'lives-day', DAY);
    expect(withoutText(rows)).toEqual(expectedExceptions(events, ...DAY_BOUNDS));
    const path = join(import.meta.dirname, 'reports', 'lifecycle-exceptions.json');
    const text = `${JSON.stringify(rows, null, 2)}\n`.replaceAll(events[0]!.recorded_at, 'RECORDED_AT');
    if (process.env.UPDATE_GOLDEN_FILES) writeFileSync(path, text);
    expect(readFileSync(path, 'utf8')).toBe(text);
    expect(new Set(rows.map(({ rule }) => rule))).toEqual(new Set(RULE_IDS));
  });

  it('finds on the made day of the trade report, with its corrections, what a plain computation finds', async () => {
    const events = await ledger('made-day', MADE_DAY);
    const rows = await exceptions(service, 'made-day', DAY);
    expect(withoutText(rows)).toEqual(expectedExceptions(events, ...DAY_BOUNDS));
    expect(rows.length).toBeGreaterThan(20);
  });

  it('finds nothing in lives in which nothing is wrong', async () => {
    const random = new Random(5);
    const lives = Array.from({ length: 600 }, (_, i) => validLife(`V-${i}`, random));
    await ledger('valid', lives.flat());
    expect(await exceptions(service, 'valid', DAY)).toEqual([]);
  });

  it.each(RULE_IDS)('finds one fault by one rule alone: %s', async (rule) => {
    const random = new Random(RULE_IDS.indexOf(rule));
    const other = otherLife(random);
    const faulty: SentEvent[][] = [];
    for (let i = 0; faulty.length < 40 && i < 4_000; i++) {
      const life = MUTATIONS[rule]!(validLife(`F-${i}`, random), random, other[0]!);
      if (life && life.length > 0) faulty.push(life);
    }
    expect(faulty).toHaveLength(40);
    const events = await ledger(`fault-${rule}`, [...other, ...faulty.flat()]);
    const rows = await exceptions(service, `fault-${rule}`, DAY);
    expect(rows.map(({ order_id }) => order_id).sort()).toEqual(faulty.map(([first]) => first!.entity_id).sort());
    expect(new Set(rows.map((row) => row.rule))).toEqual(new Set([rule]));
    expect(withoutText(rows)).toEqual(expectedExceptions(events, ...DAY_BOUNDS));
    expect(await exceptions(service, `fault-${rule}`, `${DAY}&rule=${rule}`)).toEqual(rows);
  });

  it('finds in lives of all faults what a plain computation finds, at any sequence and for any period', async () => {
    const random = new Random(11);
    const sent: SentEvent[] = [];
    for (let i = 0; i < 250; i++) {
      const others = sent.map(({ event_id }) => event_id);
      sent.push(...chaoticLife(`C-${i}`, random, i === 7 ? 45 : 1 + random.below(22), others));
    }
    // orders side by side, each in its own order
    const mixed = sent
      .map((event, place) => ({ event, place, key: place + random.below(60) }))
      .sort((a, b) => a.key - b.key || a.place - b.place)
      .map(({ event }) => event);
    const events = await ledger('chaos', mixed);
    const times = events.map(({ timestamp }) => timestamp).sort();
    const found = new Set<string | null | undefined>();
    for (let i = 0; i < 12; i++) {
      const asOf = i === 0 ? events.length : random.below(events.length + 1);
      const [from, to] = i < 2 ? DAY_BOUNDS : ([random.of(times), random.of(times)].sort(byTime) as [string, string]);
      if (byTime(from, to) === 0) continue;
      const rows = await exceptions(service, 'chaos', `from=${from}&to=${to}&as_of=${asOf}`);
      expect(withoutText(rows)).toEqual(expectedExceptions(events.slice(0, asOf), from, to));
      for (const { rule } of rows) found.add(rule);
    }
    expect(found.size).toBeGreaterThan(18);
  });

  it('reads a life of any length', async () => {
    const random = new Random(3);
    const events = await ledger('long', [
      ...chaoticLife('L-0', random, 3, []),
      ...chaoticLife('L-1', random, 1_400, []).map((event) => ({ ...event, new_state: { quantity: '1', price: '1' } })),
      ...chaoticLife('L-2', random, 17, []),
    ]);
    const period = ['2026-06-02T10:00:00Z', '2026-06-05T00:00:00Z'] as const;
    const rows = await exceptions(service, 'long', `from=${period[0]}&to=${period[1]}`);
    expect(withoutText(rows)).toEqual(expectedExceptions(events, ...period));
    expect(rows.length).toBeGreaterThan(700);
  });

  it('lists what is asked for', async () => {
    const all = await exceptions(service, 'lives-day', DAY);
    const of = (...severities: string[]): Row[] => all.filter(({ severity }) => severities.includes(severity!));
    expect(await exceptions(service, 'lives-day', `${DAY}&severity=error`)).toEqual(of('error'));
    expect(await exceptions(service, 'lives-day', `${DAY}&severity=warning`)).toEqual(of('error', 'warning'));
    expect(await exceptions(service, 'lives-day', `${DAY}&severity=info`)).toEqual(all);
    for (const [name, value] of [
      ['rule', 'underfill'],
      ['severity', 'fatal'],
    ]) {
      const path = `/v1/ledgers/main/reports/lifecycle-exceptions?${DAY}&${name}=${value}`;
      const { body } = await service.http().get(path).expect(400);
      expect(body.errors).toMatchObject([{ pointer: `/query/${name}`, rule: 'one-of' }]);
    }
  });
});
