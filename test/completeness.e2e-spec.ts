import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SessionCounters } from '../src/reports/source-counters.js';
import { eventId } from './real-data/content.js';
import type { SentEvent } from './reports/made-day.js';
import { expectedCompleteness } from './reports/plain-completeness.js';
import { startService, type TestService } from './support/app.js';
import { cpuMsOfAll } from './support/cpu-time.js';
import { Random } from './support/random.js';

type Row = Record<string, string | null>;

/** An event of a source; what it is of plays no part. */
function sent(
  source: string | undefined,
  session: string | undefined,
  counter: number | undefined,
  timestamp: string,
  more: Partial<SentEvent> = {},
): SentEvent {
  const name = `${source}/${session}#${counter}@${timestamp}${JSON.stringify(more)}`;
  return {
    event_id: eventId('2026-06-02T08:00:00Z', name),
    timestamp,
    event_type: 'order_lifecycle',
    entity_type: 'order',
    entity_id: 'O-1',
    action: 'modify',
    user_id: 'feed',
    new_state: {},
    metadata: {},
    ...(source === undefined ? {} : { source }),
    ...(session === undefined ? {} : { source_session: session }),
    ...(counter === undefined ? {} : { source_sequence: String(counter) }),
    ...more,
  };
}

function total(
  source: string,
  state: Record<string, unknown>,
  timestamp: string,
  more: Partial<SentEvent> = {},
): SentEvent {
  return sent(source, undefined, undefined, timestamp, {
    event_type: 'source_total',
    entity_type: 'source_total',
    entity_id: `${source}/${String(state.day)}`,
    action: 'state',
    new_state: state,
    ...more,
  });
}

/** A working week from Monday, 25 May 2026, and the Tuesday after it, which is looked at. */
function madeWeek(): SentEvent[] {
  const events: SentEvent[] = [];
  const days = ['05-25', '05-26', '05-27', '05-28', '05-29', '06-01', '06-02'].map((day) => `2026-${day}`);
  for (const [d, day] of days.entries()) {
    const at = (hour: number, second = 0): string =>
      `${day}T${String(hour).padStart(2, '0')}:00:${String(second).padStart(2, '0')}.5Z`;
    // whole every day, a session a day
    for (let n = 1; n <= 10; n++) events.push(sent('whole', day, n, at(8 + (n % 5), n)));
    // one counter over all days: 3 and 4 of Tuesday are missing, 6 comes twice, 8 and 9 come in the wrong order
    const base = d * 10;
    for (const n of d < 6 ? [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] : [1, 2, 5, 6, 6, 7, 9, 8, 10]) {
      events.push(sent('gappy', undefined, base + n, at(9, n), n === 6 ? { metadata: { n: events.length } } : {}));
    }
    // silent on Tuesday from 10 to 12, where it sends on every other day
    for (const hour of d < 6 ? [9, 10, 11, 12] : [9, 12])
      events.push(sent('silent', day, hour - 8 - (d < 6 || hour < 12 ? 0 : 2), at(hour)));
    // no counters
    events.push(sent('uncounted', undefined, undefined, at(9)), sent('totalled', undefined, undefined, at(9)));
    events.push(sent('totalled', undefined, undefined, at(10)));
    events.push(sent(undefined, undefined, undefined, at(9)));
  }
  const tuesday = days[6]!;
  const monday = days[5]!;
  events.push(
    total('totalled', { day: tuesday, events: '2' }, '2026-06-03T00:10:00Z'),
    total('totalled', { day: tuesday, events: '3', event_type: 'order_lifecycle' }, '2026-06-03T00:10:00Z'),
    total('whole', { day: tuesday, events: '10', source_session: tuesday }, `${tuesday}T23:00:00Z`),
    total('whole', { day: monday, events: '11' }, `${monday}T23:00:00Z`),
    total('uncounted', { day: tuesday, events: 'many' }, `${tuesday}T23:00:00Z`),
    total('lost', { day: tuesday, events: '5' }, `${tuesday}T23:00:00Z`),
    // begins in the middle, and after midnight comes what was missing of the day
    sent('late', 's', 7, `${tuesday}T09:00:00Z`),
    sent('late', 's', 9, `${tuesday}T09:00:01Z`),
    sent('late', 's', 8, '2026-06-03T00:00:01Z'),
  );
  // stated wrongly, and corrected
  const wrong = total('corrected', { day: tuesday, events: '9' }, `${tuesday}T23:00:00Z`);
  // a correction has the counter of what it corrects, and repeats nothing
  const first = sent('corrected', 's', 1, `${tuesday}T09:00:00Z`);
  const again = { event_id: eventId('2026-06-02T08:00:00Z', 'again'), metadata: { reason: 'side' } };
  events.push(first, { ...first, ...again, corrects: first.event_id }, wrong, {
    ...total('corrected', { day: tuesday, events: '2' }, `${tuesday}T23:00:00Z`),
    corrects: wrong.event_id,
  });
  // corrections have a counter of their own: of an event of today, and, recorded among these, of one long ago
  const own = [1, 2, 3, 5, 8].map((n) => sent('corrects', 's', n, `${tuesday}T09:00:0${n}Z`));
  const longAgo = sent('corrects', 'then', 1, '2026-03-02T09:00:00Z');
  events.unshift(longAgo);
  const of = (target: SentEvent, n: number): SentEvent => ({
    ...sent('corrects', 's', n, target.timestamp, { metadata: { reason: 'price' } }),
    corrects: target.event_id,
  });
  events.push(...own.slice(0, 3), of(longAgo, 4), own[3]!, of(own[0]!, 6), own[4]!);
  // a correction of an earlier time with the counter of what it corrects; and a session of corrections
  const moved = sent('moved', 's', 1, `${tuesday}T09:00:00Z`);
  events.push(moved, { ...of(moved, 1), source: 'moved', timestamp: `${tuesday}T08:00:00Z` });
  for (const n of [1, 2]) events.push({ ...of(n === 1 ? longAgo : own[0]!, n), source_session: 'corrections' });
  events.push(sent('totalled', undefined, undefined, '2026-06-03T00:10:00Z'));
  // corrected long after the day was over, in the session that went on and in one of that time: nothing of the day is missing
  const mended = [1, 2, 3].map((n) => sent('mended', 's', n, `${tuesday}T09:00:0${n}Z`));
  events.push(...mended, total('mended', { day: tuesday, events: '3' }, `${tuesday}T23:00:00Z`));
  const later: [string, number][] = [
    ['s', 900],
    ['s', 907],
    ['next year', 57],
    ['next year', 61],
  ];
  for (const [session, n] of later)
    events.push({ ...of(mended[n % 3]!, n), source: 'mended', source_session: session });
  // one event less than the source says it sent, which a later correction does not make up for
  const short = sent('short', undefined, undefined, `${tuesday}T09:00:00Z`);
  const amended = { ...short, event_id: eventId('2026-06-02T08:00:00Z', 'amended'), metadata: { reason: 'price' } };
  events.push(short, total('short', { day: tuesday, events: '2' }, `${tuesday}T23:00:00Z`));
  events.push({ ...amended, corrects: short.event_id });
  return events;
}

/** An event of each of some hours of days. */
function hourly(source: string, days: readonly string[], hours: readonly number[]): SentEvent[] {
  return days.flatMap((day) =>
    hours.map((hour) => sent(source, undefined, undefined, `${day}T${String(hour).padStart(2, '0')}:30:00Z`)),
  );
}

const hoursFrom = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

describe('completeness', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.close());

  async function ledger(name: string, events: readonly SentEvent[]): Promise<void> {
    await service.http().put(`/v1/ledgers/${name}`).expect(201);
    for (let from = 0; from < events.length; from += 1_000) {
      const part = events.slice(from, from + 1_000);
      await service.http().post(`/v1/ledgers/${name}/events/batch`).send({ events: part }).expect(201);
    }
  }

  async function rows(name: string, parameters: string): Promise<Row[]> {
    const { body } = await service.http().get(`/v1/ledgers/${name}/reports/completeness?${parameters}`).expect(200);
    const mask = (text: string | null): string | null =>
      text && text.replaceAll(/"recorded_at":"[^"]*"/g, '"recorded_at":"RECORDED_AT"');
    return (body as { rows: Row[] }).rows.map((row) => ({ ...row, corrections: mask(row.corrections ?? null) }));
  }

  it('says of a made week what is missing, repeated and silent, and of each source and day whether it is complete', async () => {
    const week = madeWeek();
    await ledger('week', week);
    const found = await rows('week', 'from_date=2026-06-01&to_date=2026-06-02');
    expect(found).toEqual(expectedCompleteness(week, ['2026-06-01', '2026-06-02'], 7, 3));
    const path = join(import.meta.dirname, 'reports', 'completeness.json');
    if (process.env.UPDATE_GOLDEN_FILES) writeFileSync(path, `${JSON.stringify(found, null, 2)}\n`);
    expect(found).toEqual(JSON.parse(readFileSync(path, 'utf8')));
    expect(found).toContainEqual(
      expect.objectContaining({ kind: 'gap', source: 'gappy', from: '63', to: '64', count: '2' }),
    );
    expect(found).toContainEqual(expect.objectContaining({ kind: 'repeat', source: 'gappy', from: '66', to: '66' }));
    expect(found).toContainEqual(
      expect.objectContaining({
        kind: 'silence',
        from: '2026-06-02T10:00:00Z',
        to: '2026-06-02T12:00:00Z',
        count: '2',
      }),
    );
    const verdicts = new Map(
      found.filter(({ kind, day }) => kind === 'day' && day === '2026-06-02').map((row) => [row.source, row.verdict]),
    );
    expect(Object.fromEntries(verdicts)).toEqual({
      null: 'undecided',
      corrected: 'complete',
      corrects: 'incomplete',
      gappy: 'incomplete',
      late: 'undecided',
      lost: 'incomplete',
      mended: 'complete',
      moved: 'complete',
      short: 'incomplete',
      silent: 'undecided',
      totalled: 'incomplete',
      uncounted: 'undecided',
      whole: 'complete',
    });
    // by times: the days that they touch
    const byTimes = await rows('week', 'from=2026-06-02T11:00:00Z&to=2026-06-02T11:00:00.000000001Z');
    expect(byTimes).toEqual(found.filter(({ day }) => day === '2026-06-02'));
    for (const [back, usual] of [
      [1, 1],
      [4, 3],
      [20, 7],
    ] as const) {
      const asked = `from_date=2026-06-02&to_date=2026-06-02&look_back_days=${back}&usual_days=${usual}`;
      expect(await rows('week', asked)).toEqual(expectedCompleteness(week, ['2026-06-02'], back, usual));
    }
  });

  it('finds silences at weekends, and none where summer time has begun or ended', async () => {
    const weeks = ['23', '24', '25', '26', '27', '28', '29'].map((day) => `2026-05-${day}`);
    const always = [
      ...hourly('always', weeks, hoursFrom(0, 24)),
      ...hourly('always', ['2026-05-30'], [...hoursFrom(0, 10), ...hoursFrom(12, 24)]),
      // on Sundays alone
      ...hourly('sundays', ['2026-05-24'], [22, 23]),
    ];
    await ledger('weekend', always);
    const found = await rows('weekend', 'from_date=2026-05-30&to_date=2026-05-31');
    expect(found).toEqual(expectedCompleteness(always, ['2026-05-30', '2026-05-31'], 7, 3));
    expect(found.filter(({ kind, day }) => kind === 'silence' && day === '2026-05-30')).toMatchObject([
      { source: 'always', from: '2026-05-30T10:00:00Z', to: '2026-05-30T12:00:00Z' },
    ]);
    expect(found.filter(({ kind, source }) => kind === 'silence' && source === 'sundays')).toEqual([]);

    for (const [name, before, after, days, shift] of [
      ['spring', ['23', '24', '25', '26', '27'], ['30', '31'], '2026-03-', -1],
      ['autumn', ['19', '20', '21', '22', '23'], ['26', '27'], '2026-10-', 1],
    ] as const) {
      const office = [
        ...hourly(
          'office',
          before.map((day) => days + day),
          hoursFrom(7, 16),
        ),
        ...hourly(
          'office',
          after.map((day) => days + day),
          [...hoursFrom(7 + shift, 11), ...hoursFrom(12, 16 + shift)],
        ),
      ];
      await ledger(name, office);
      const [first, last] = after.map((day) => days + day) as [string, string];
      const ofOffice = await rows(name, `from_date=${first}&to_date=${last}`);
      expect(ofOffice).toEqual(expectedCompleteness(office, [first, last], 7, 3));
      expect(ofOffice.filter(({ kind }) => kind === 'silence').map(({ from, count }) => [from, count])).toEqual([
        [`${first}T11:00:00Z`, '1'],
        [`${last}T11:00:00Z`, '1'],
      ]);
    }
  });

  it('does not call a day complete that is not over, unless the source has said how much it sent', async () => {
    await service.http().put('/v1/ledgers/running').expect(201);
    const day = new Date().toISOString().slice(0, 10);
    const events = [
      sent('counted', 's', 1, `${day}T00:00:00Z`),
      sent('totalled', 's', 1, `${day}T00:00:00Z`),
      total('totalled', { day, events: '1' }, `${day}T00:00:00Z`),
    ];
    const { body } = await service.http().post('/v1/ledgers/running/events/batch').send({ events }).expect(201);
    const { recorded_at: recordedAt } = (body as { receipts: { recorded_at: string }[] }).receipts[0]!;
    const found = await rows('running', `from_date=${day}&to_date=${day}`);
    expect(found).toEqual(expectedCompleteness(events, [day], 7, 3, Date.parse(recordedAt)));
    expect(found.filter(({ kind }) => kind === 'day').map(({ source, verdict }) => [source, verdict])).toEqual([
      ['counted', 'undecided'],
      ['totalled', 'complete'],
    ]);
  });

  it('finds in random traffic what a plain computation finds, at any sequence', async () => {
    const random = new Random(4);
    const events: SentEvent[] = [];
    for (const source of ['a', 'b', 'c', undefined]) {
      for (const session of ['1', '2', undefined]) {
        let counter = random.below(3);
        for (let day = 0; day < 4; day++) {
          for (let hour = 0; hour < 24; hour += 1 + random.below(9)) {
            const time = new Date(Date.UTC(2026, 4, 26 + day, hour, random.below(60), random.below(60))).toISOString();
            if (random.chance(6)) counter += random.below(4);
            if (random.chance(9)) counter -= random.below(6);
            counter = Math.max(0, counter);
            events.push(
              sent(source, session, random.chance(12) ? undefined : counter, time, { metadata: { n: events.length } }),
            );
            // a correction, of whatever time, with whatever counter
            if (random.chance(4)) {
              const [target, last] = [random.of(events), events.at(-1)!];
              const own = random.chance(2) ? {} : { source_sequence: String((counter += 1)) };
              const { source: of, source_session: its } = random.chance(2) ? last : target;
              const [corrects, past] = [target.event_id, `2026-0${3 + random.below(4)}-28T10:00:00Z`];
              const event_id = eventId('2026-06-02T08:00:00Z', `correction ${events.length}`);
              const named = { ...(of && { source: of }), ...(its && { source_session: its }) };
              const at = random.chance(2) ? { timestamp: past } : {};
              const { source: _, source_session: __, ...content } = target;
              events.push({ ...content, ...named, ...own, ...at, event_id, corrects });
            }
            counter += 1;
          }
        }
      }
    }
    const mixed = events
      .map((event) => ({ event, key: Date.parse(event.timestamp) + random.below(20_000_000) }))
      .sort((x, y) => x.key - y.key)
      .map(({ event }) => event);
    await ledger('random', mixed);
    for (let i = 0; i < 8; i++) {
      const asOf = i === 0 ? mixed.length : random.below(mixed.length) + 1;
      const found = await rows('random', `from_date=2026-05-28&to_date=2026-05-29&as_of=${asOf}&usual_days=1`);
      expect(found).toEqual(expectedCompleteness(mixed.slice(0, asOf), ['2026-05-28', '2026-05-29'], 7, 1));
    }
  });

  it('is there at once for a period of all time, of which most days have nothing', async () => {
    const days = ['2026-05-28', '2026-05-29', '2026-06-01', '2026-06-02'];
    await ledger(
      'all-time',
      days.flatMap((day) => [
        ...(day === '2026-06-02' ? [] : [sent('feed', 'S', undefined, `${day}T08:00:00Z`)]),
        sent('feed', 'S', undefined, `${day}T09:00:00Z`),
      ]),
    );
    let found: Awaited<ReturnType<typeof rows>> = [];
    const cost = await cpuMsOfAll(async () => {
      found = await rows('all-time', 'from_date=1970-01-01&to_date=2199-12-31&look_back_days=31');
    });
    expect(cost).toBeLessThan(15_000);
    expect(found.find(({ kind }) => kind === 'silence')).toMatchObject({
      from: '2026-06-02T08:00:00Z',
      to: '2026-06-02T09:00:00Z',
      expected: 'events, as on at least 3 of the 21 days compared',
    });
  });

  it('is of no rows where nothing was recorded, and takes no other days than it may', async () => {
    expect(await rows('main', 'from_date=2026-06-02&to_date=2026-06-02')).toEqual([]);
    for (const value of ['0', '32', '-1', 'x', '07']) {
      const path = `/v1/ledgers/main/reports/completeness?from_date=2026-06-02&to_date=2026-06-02&look_back_days=${value}`;
      const { body } = await service.http().get(path).expect(400);
      expect(body.errors).toMatchObject([{ pointer: '/query/look_back_days', rule: 'range' }]);
    }
  });
});

describe('counters of a session', () => {
  const at = (sequence: number) => ({ sequence: String(sequence), day: '2026-06-02' });

  it('in any order have the gaps and repeats that a list has', () => {
    const random = new Random(9);
    for (let i = 0; i < 300; i++) {
      const counters = new SessionCounters();
      const list = Array.from({ length: 1 + random.below(60) }, () => random.below(40));
      list.forEach((counter, place) => counters.add(BigInt(counter), at(place), false));
      const known = [...new Set(list)].sort((a, b) => a - b);
      const gaps = known
        .slice(1)
        .flatMap((counter, n) => (counter - known[n]! > 1 ? [[known[n]! + 1, counter - 1]] : []));
      expect(counters.gaps().map(({ from, to }) => [Number(from), Number(to)])).toEqual(gaps);
      const repeats = counters.repeats().reduce((sum, { from, to }) => sum + Number(to - from) + 1, 0);
      expect(repeats).toBe(list.length - known.length);
      expect(counters.beginning()!.counter).toBe(BigInt(known[0]!));
    }
  });

  it('takes no more room once there are too many gaps', () => {
    const counters = new SessionCounters();
    for (let n = 1; n < 2_000; n += 2) counters.add(BigInt(n), at(n), false);
    expect(counters.size).toBe(1_000);
    counters.collapse();
    for (let n = 5_000; n > 2_000; n -= 3) counters.add(BigInt(n), at(n), false);
    expect(counters.size).toBe(1);
    expect(counters.gaps()).toEqual([]);
    expect(counters.beginning()!.counter).toBe(1n);
  });
});
