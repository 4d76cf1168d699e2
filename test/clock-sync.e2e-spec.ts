import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sampleSources, sources } from './real-data/sources.js';
import { order, type SentEvent } from './reports/made-day.js';
import { nanosOf, utc, type PlacedEvent } from './reports/plain-computation.js';
import { startService, type TestService } from './support/app.js';

type Row = Record<string, string | null>;
type ClockEvent = PlacedEvent & { source?: string };

const FUTURE = '2150-01-01T00:00:00Z';

/** Times, by which clock; the first digit of the class says whose. */
function at(number: number, timestamp: string, metadata: Record<string, unknown>, source = 'oms', corrects?: number) {
  const made = order(number, 'O-1', 'modify', timestamp, { metadata, ...(corrects === undefined ? {} : { corrects }) });
  return { ...made, source };
}

const HFT = { clock_id: 'ptp0', clock_class: 'member_high_frequency', capture_point: 'gateway-in' };
const EVENTS: readonly SentEvent[] = [
  // the rule changes on 2 March 2026: six decimals do until then, seven after
  at(1, '2026-03-01T23:59:59.999999Z', HFT),
  at(2, '2026-03-02T00:00:00.000000Z', HFT),
  at(3, '2026-03-02T00:00:00.0000001Z', HFT),
  at(4, '2026-03-02T00:00:00.000000001Z', HFT),
  at(5, '2026-03-01T23:59:59.99999Z', HFT),
  // divergence: at the limit, past it either way, unreadable
  at(6, '2026-03-03T08:00:00.1234567Z', { ...HFT, clock_divergence_ns: '100000' }),
  at(7, '2026-03-03T08:00:01.1234567Z', { ...HFT, clock_divergence_ns: '-100001' }),
  at(8, '2026-03-03T08:00:02.1234567Z', { ...HFT, clock_divergence_ns: '100002' }),
  at(9, '2026-03-03T08:00:03.1234567Z', { ...HFT, clock_divergence_ns: 'none' }),
  // each class, on both sides of the day; a class that only the later rule knows; none; one that no rule knows
  ...[
    'venue_above_1ms',
    'venue_up_to_1ms',
    'venue_voice',
    'member_voice',
    'member_other',
    'publication',
    'other',
  ].flatMap((clock_class, i) => [
    at(10 + 2 * i, '2026-02-27T08:00:00.123456Z', { clock_class }),
    at(11 + 2 * i, '2026-03-04T08:00:00.12Z', { clock_class }),
  ]),
  at(24, '2026-03-04T09:00:00Z', {}, 'voice'),
  at(25, '2017-12-29T09:00:00.123Z', { clock_class: 'member_other' }, 'old'),
  // from the future
  at(26, FUTURE, { clock_class: 'member_other', clock_id: 'ntp' }),
  at(27, FUTURE, {}, 'undeclared'),
  // a correction tells of an old time, and is not late for that
  at(28, '2026-03-04T08:30:00.1234567Z', HFT, 'middle-office', 8),
  { ...at(29, '2026-03-04T08:30:00Z', {}), event_type: 'note' },
  // a divergence in another unit shows that nothing is kept
  at(30, '2026-03-04T10:00:00.123Z', { clock_class: 'member_other', clock_divergence_ns: '150us' }, 'microseconds'),
];

/** Regulation (digits, nanoseconds) by class, from and to: written from the regulations, apart from the service's table. */
const TABLE: [from: string, to: string, regulation: string, limits: Record<string, [digits: number, ns: bigint]>][] = [
  [
    '2018-01-03T00:00:00Z',
    '2026-03-02T00:00:00Z',
    '2017/574',
    {
      venue_above_1ms: [3, 1_000_000n],
      venue_up_to_1ms: [6, 100_000n],
      venue_voice: [0, 1_000_000_000n],
      member_high_frequency: [6, 100_000n],
      member_voice: [0, 1_000_000_000n],
      member_other: [3, 1_000_000n],
    },
  ],
  [
    '2026-03-02T00:00:00Z',
    '2199-12-31T00:00:00Z',
    '2025/1155',
    {
      venue_above_1ms: [3, 1_000_000n],
      venue_up_to_1ms: [7, 100_000n],
      venue_voice: [0, 1_000_000_000n],
      member_high_frequency: [7, 100_000n],
      member_voice: [0, 1_000_000_000n],
      member_other: [3, 1_000_000n],
      publication: [3, 1_000_000n],
    },
  ],
];

function expectedClocks(events: readonly ClockEvent[], lateAfter: bigint): Row[] {
  const name = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);
  const own = events
    .filter(({ event_type }) => event_type === 'order_lifecycle')
    .map((event) => {
      const time = nanosOf(event.timestamp);
      const rule = TABLE.find(([from, to]) => time >= nanosOf(from) && time < nanosOf(to));
      const clockClass = name(event.metadata.clock_class);
      const key = [
        rule?.[2] ?? '',
        event.source ?? null,
        name(event.metadata.capture_point),
        name(event.metadata.clock_id),
        clockClass,
      ] as const;
      const limit = clockClass === null ? undefined : new Map(Object.entries(rule?.[3] ?? {})).get(clockClass);
      const delay = nanosOf(event.recorded_at) - time;
      const digits = /\.(\d+)/.exec(event.timestamp)?.[1]!.length ?? 0;
      const divergence = name(event.metadata.clock_divergence_ns);
      return { event, time, key, limit, delay, digits, divergence };
    })
    .sort((a, b) => (a.time !== b.time ? (a.time < b.time ? -1 : 1) : a.event.sequence - b.event.sequence));
  const keys = [...new Set(own.map(({ key }) => JSON.stringify(key)))].sort();
  const most = (values: bigint[]): string | null =>
    values.length === 0 ? null : String(values.reduce((a, b) => (b > a ? b : a)));
  return keys.map((key) => {
    const mine = own.filter((each) => JSON.stringify(each.key) === key);
    const judged = mine.filter(({ event }) => event.corrects === undefined);
    const [regulation, source, capturePoint, clockId, clockClass] = mine[0]!.key;
    const { limit } = mine[0]!;
    const tally = (prefix: string, some: typeof own): Row => ({
      [prefix]: String(some.length),
      [`${prefix}_first`]: some.length === 0 ? null : String(some[0]!.event.sequence),
      [`${prefix}_last`]: some.length === 0 ? null : String(some.at(-1)!.event.sequence),
    });
    const coarse = judged.filter(({ digits }) => limit !== undefined && digits < limit[0]);
    const stated = judged.filter(({ divergence }) => divergence !== null);
    const read = stated.filter(({ divergence }) => /^-?\d+$/.test(divergence!));
    const size = (value: bigint): bigint => (value < 0n ? -value : value);
    const diverging = read.filter(({ divergence }) => limit !== undefined && size(BigInt(divergence!)) > limit[1]);
    const ahead = judged.filter(({ delay }) => -delay > (limit?.[1] ?? 1_000_000_000n));
    const digits = [...new Set(judged.map((each) => each.digits))].sort();
    const greatest = read.map(({ divergence }) => BigInt(divergence!)).sort((a, b) => (size(a) < size(b) ? 1 : -1))[0];
    const isBreach = coarse.length + diverging.length > 0 || (limit !== undefined && ahead.length > 0);
    return {
      source,
      capture_point: capturePoint,
      clock_id: clockId,
      clock_class: clockClass,
      rule: regulation || null,
      required_digits: limit ? String(limit[0]) : null,
      max_divergence_ns: limit ? String(limit[1]) : null,
      verdict: isBreach
        ? 'breach'
        : regulation === ''
          ? 'no-rule'
          : !limit
            ? 'undeclared'
            : stated.length > read.length
              ? 'unreadable'
              : 'kept',
      ...tally('events', judged),
      first_time: judged[0] ? utc(judged[0].event.timestamp) : null,
      last_time: judged[0] ? utc(judged.at(-1)!.event.timestamp) : null,
      digits: digits.map((n) => `${n}:${judged.filter((each) => each.digits === n).length}`).join(' ') || null,
      ...tally('too_coarse', coarse),
      divergence_stated: String(stated.length),
      divergence_unreadable: String(stated.length - read.length),
      greatest_divergence_ns: greatest === undefined ? null : String(greatest),
      ...tally('diverging', diverging),
      ...tally('ahead', ahead),
      greatest_ahead_ns: most(judged.filter(({ delay }) => delay < 0n).map(({ delay }) => -delay)),
      ...tally(
        'late',
        judged.filter(({ delay }) => delay > lateAfter * 1_000_000_000n),
      ),
      greatest_delay_ns: most(judged.filter(({ delay }) => delay >= 0n).map(({ delay }) => delay)),
      corrections: String(mine.length - judged.length),
    };
  });
}

describe('the clock report', () => {
  let service: TestService;
  let events: ClockEvent[];
  beforeAll(async () => {
    service = await startService();
    events = await record('main', EVENTS);
  });
  afterAll(() => service.close());

  async function record(ledger: string, sent: readonly SentEvent[]): Promise<ClockEvent[]> {
    if (ledger !== 'main') await service.http().put(`/v1/ledgers/${ledger}`).expect(201);
    const placed: ClockEvent[] = [];
    for (let from = 0; from < sent.length; from += 500) {
      const batch = sent.slice(from, from + 500);
      const { body } = await service
        .http()
        .post(`/v1/ledgers/${ledger}/events/batch`)
        .send({ events: batch })
        .expect(201);
      for (const [i, receipt] of (body.receipts as { sequence: string; recorded_at: string }[]).entries()) {
        placed.push({ ...batch[i]!, sequence: Number(receipt.sequence), recorded_at: receipt.recorded_at });
      }
    }
    return placed;
  }

  async function rows(ledger: string, more = ''): Promise<Row[]> {
    const query = `from_date=1970-01-01&to_date=2199-12-31${more}`;
    const { body } = await service.http().get(`/v1/ledgers/${ledger}/reports/clock-sync?${query}`).expect(200);
    return body.rows as Row[];
  }

  it('is what a plain computation gives, and what the golden file has', async () => {
    const expected = expectedClocks(events, 60n);
    expect(await rows('main')).toEqual(expected);
    const path = join(import.meta.dirname, 'reports', 'clock-sync.json');
    // how long ago it was recorded is another time each run
    const lasting = expected.map((row) => ({ ...row, greatest_delay_ns: 'DELAY', greatest_ahead_ns: 'AHEAD' }));
    const text = `${JSON.stringify(lasting, null, 2)}\n`;
    if (process.env.UPDATE_GOLDEN_FILES) writeFileSync(path, text);
    expect(readFileSync(path, 'utf8')).toBe(text);
  });

  it('applies the rule of the day, and names the first and the last breach', async () => {
    const high = (await rows('main')).filter(
      (row) => row.clock_class === 'member_high_frequency' && row.source === 'oms',
    );
    expect(high).toMatchObject([
      {
        rule: '2017/574',
        required_digits: '6',
        digits: '5:1 6:1',
        too_coarse: '1',
        too_coarse_first: '5',
        verdict: 'breach',
      },
      {
        ...{ rule: '2025/1155', required_digits: '7', digits: '6:1 7:5 9:1', too_coarse: '1', too_coarse_first: '2' },
        ...{ divergence_stated: '4', divergence_unreadable: '1', greatest_divergence_ns: '100002' },
        ...{ diverging: '2', diverging_first: '7', diverging_last: '8', verdict: 'breach' },
      },
    ]);
  });

  it('does not take a divergence that it cannot read for one that is kept', async () => {
    const own = (await rows('main')).filter(({ source }) => source === 'microseconds');
    expect(own).toMatchObject([{ verdict: 'unreadable', divergence_stated: '1', divergence_unreadable: '1' }]);
  });

  it('takes late_after, and refuses what is no number of seconds', async () => {
    const never = '999999999';
    expect(await rows('main', `&late_after=${never}`)).toEqual(expectedClocks(events, BigInt(never)));
    const { body } = await service
      .http()
      .get('/v1/ledgers/main/reports/clock-sync?from_date=2026-01-01&to_date=2026-01-01&late_after=1.5')
      .expect(400);
    expect(body.errors).toMatchObject([{ pointer: '/query/late_after', rule: 'seconds' }]);
  });

  const real = [
    ...sampleSources,
    ...sources.filter(({ name }) => name.startsWith('fix-') || name.startsWith('databento')),
  ];
  it.each(real.map((source) => [source.name, source] as const))(
    'of %s is what a plain computation gives',
    async (name, source) => {
      if (source.folder() === undefined) {
        process.stderr.write(`the clock report of ${name}: skipped, its data are missing here\n`);
        return;
      }
      const sent: SentEvent[] = [];
      for await (const event of source.convert()) sent.push(event as unknown as SentEvent);
      const placed = await record(name, sent);
      const expected = expectedClocks(placed, 60n);
      expect(await rows(name)).toEqual(expected);
      expect(expected.map(({ late }) => Number(late)).reduce((a, b) => a + b, 0)).toBe(sent.length); // recorded years later
    },
  );
});
