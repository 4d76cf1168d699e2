import { lateExecutionDay } from '../src/archive/late-executions.js';
import { uuidv7 } from '../src/database/uuidv7.js';
import { parseTimestamp } from '../src/integrity/timestamp.js';
import { OWN, TRANSACTION_REFERENCE } from './reports/made-transactions.js';
import { startService, type TestService } from './support/app.js';
import { query } from './support/keys.js';
import { recordInThePast } from './support/months.js';
import { Random } from './support/random.js';
import { folderStore, onFolders, type TestStore } from './support/stores.js';
import { ANY_DIFFERENCE_MS } from './support/trail-clock.js';
import { runJob } from './support/verification.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Metadata that states times of executions in every way that there is, near an event's time and far, and what is no time. */
function statedTimes(count: number): { metadata: string; told: number }[] {
  const random = new Random(20_010_203);
  const below = (bound: number): number => random.below(bound);
  const oneOf = <T>(choices: readonly T[]): T => random.of(choices);
  const two = (value: number): string => String(value).padStart(2, '0');
  const [first, border, end] = [0, Date.UTC(2026, 2, 1), Date.UTC(2200, 0, 1)];
  return Array.from({ length: count }, () => {
    const toldMs = oneOf([first, first + below(DAY_MS), end - 1 - below(DAY_MS), below(end / 1000) * 1000, border]);
    const near = toldMs + (below(7) - 3) * DAY_MS + oneOf([0, -1, 1, below(DAY_MS)]);
    const day = oneOf([near, near, near, below(end)]);
    const date = new Date(day).toISOString();
    const clock = oneOf([
      date.slice(11, 19),
      '00:00:00',
      '23:59:59',
      `${two(below(24))}:${two(below(60))}:${two(below(60))}`,
    ]);
    const fraction = oneOf(['', '', '.5', '.999999999', '.000001', '.', '.1234567890123', ',5']);
    const offset = `${oneOf(['+', '-'])}${two(below(16))}:${oneOf(['00', '30', '45', '59'])}`;
    const zone = oneOf([
      'Z',
      'Z',
      'Z',
      offset,
      offset,
      '+00:00',
      '-00:00',
      '+14:00',
      '-14:00',
      'z',
      '',
      '+0100',
      '+99:99',
      ' Z',
    ]);
    const made = `${date.slice(0, 10)}${oneOf(['T', 'T', 'T', 'T', 'T', 'T', 't', ' '])}${clock}${fraction}${zone}`;
    const odd = oneOf<unknown>([
      ...[
        '',
        'yesterday',
        '2026-02-20',
        'what nobody can read+01:00',
        '2026-02-20Tab:cdT10:00:00+01:00',
        null,
        20260220,
      ],
      ...[
        '2026-02-20T1९:00:00+01:00',
        '😀026-02-20T10:00:00+01:00',
        '2026-02-20T10:00:00+01:00\n',
        '\n2026-02-20T10:00:00Z',
      ],
      ...['2026-02-31T10:00:00Z', '2026-13-01T25:00:00+01:00', '0000-00-00T99:99:99-99:99', '9999-99-99T00:00:00Z'],
      ...[['2026-02-20T10:00:00Z'], { at: '2026-02-20T10:00:00Z' }, true],
    ]);
    const time = below(10) === 0 ? odd : made;
    const named = below(20) === 0 ? {} : { execution_id: oneOf<unknown>(['X-1', '', null, 7]) };
    const nested = below(10) === 0 ? { a: { execution_id: 'X-2', execution_time: '2001-02-03T00:00:00Z' } } : {};
    const stated = below(50) === 0 ? {} : { execution_time: time };
    return { metadata: JSON.stringify({ ...nested, ...named, ...stated }), told: toldMs * 1000 + below(1000) };
  });
}

/** Executions that two orders tell of, the first of which has left PostgreSQL. */
onFolders('executions of which the first order has left PostgreSQL', () => {
  let test: TestStore;
  let service: TestService;
  const before = new Map<string, string>();
  /** of the month that stays, the first instant */
  const border = (() => {
    const now = new Date();
    return Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 12, 1);
  })();
  const at = (ms: number): string => new Date(border + ms).toISOString();
  const month = `${at(-DAY_MS).slice(0, 7)}-01`;

  beforeAll(async () => {
    test = folderStore();
    service = await startService({
      env: { ARCHIVE_URL: test.url, ONLINE_MONTHS: '12', REPORTING_SENDER: 'TF', REPORTING_RECEIVER: 'FR' },
      settings: { CLOCK_TOLERANCE: ANY_DIFFERENCE_MS },
    });
    for (const [kind, text] of Object.entries(TRANSACTION_REFERENCE)) {
      await service.http().post(`/v1/reference/${kind}/imports`).set('content-type', 'text/csv').send(text).expect(201);
    }
    for (const [ledger, groups] of Object.entries({ desk: atTheBorder(), late: daysLater() })) {
      await service.http().put(`/v1/ledgers/${ledger}`).expect(201);
      await recordInThePast(service.database, ledger, groups);
      before.set(ledger, await transactions(ledger));
    }
    await runJob(service, 'partition-maintenance');
    await runJob(service, 'archive-export');
    expect((await runJob(service, 'retention')).outcome).toMatchObject({ dropped: [month] });
  });
  afterAll(async () => {
    await service.close();
    test.close();
  });

  const fill = (order: string, id: string, told: number, executed: number | string = -HOUR_MS) => ({
    ...{ event_id: uuidv7(), event_type: 'order_lifecycle', entity_type: 'order', entity_id: order },
    ...{ timestamp: at(told), action: 'fill', user_id: 'T-2' },
    new_state: { quantity: '100', price: '61.38', symbol: 'SHR', side: 'buy', exchange: 'XPAR' },
    metadata: {
      ...OWN,
      execution_id: id,
      execution_time: typeof executed === 'number' ? at(executed) : executed,
      venue_transaction_id: `TV${order.replace('-', '')}`,
    },
  });

  function atTheBorder() {
    return [
      {
        at: at(-HOUR_MS / 2),
        events: [
          fill('A-1', 'X-1', -HOUR_MS),
          fill('A-2', 'X-2', -HOUR_MS),
          fill('B-2', 'X-2', -HOUR_MS + 1),
          fill('A-3', 'X-3', -HOUR_MS),
          fill('A-4', 'X-4', -HOUR_MS),
        ],
      },
      // booked once more after midnight
      {
        at: at(HOUR_MS),
        events: [fill('B-1', 'X-1', HOUR_MS / 2), fill('C-2', 'X-2', HOUR_MS / 2), fill('B-3', 'X-0', HOUR_MS / 2)],
      },
    ];
  }

  /** What was executed some twenty days before the month's end, and told on other days. */
  function daysLater() {
    const executed = -20 * DAY_MS;
    const [later, later2] = [-10 * DAY_MS, -8 * DAY_MS];
    // 23:30 UTC, which is the next day where it was stated
    const night = -19 * DAY_MS - HOUR_MS / 2;
    const stated = `${at(night + 2 * HOUR_MS).slice(0, 19)}+02:00`;
    const midnight = -18 * DAY_MS;
    const misnamed = fill('A-3', 'X-33', executed, executed);
    const unnamed = fill('A-7', 'X-7', executed, executed);
    const { execution_id: _, ...nameless } = unnamed.metadata;
    return [
      {
        at: at(executed + HOUR_MS),
        events: [misnamed, { ...unnamed, metadata: nameless }],
      },
      // by clocks that are apart: told just before the day on which it was executed
      { at: at(midnight - 2), events: [fill('A-5', 'X-5', midnight - 2, midnight + 1)] },
      {
        at: at(later),
        events: [
          fill('A-1', 'X-1', later, executed),
          fill('A-2', 'X-2', later, executed),
          { ...fill('A-3', 'X-3', later, executed), corrects: misnamed.event_id },
          fill('A-4', 'X-4', later, stated),
          // of another day, another source: no copies
          fill('A-8', 'X-8', later, executed),
          { ...fill('A-9', 'X-9', later, executed), source: 'OMS-A' },
        ],
      },
      { at: at(later2), events: [fill('B-2', 'X-2', later2, executed), fill('B-5', 'X-5', later2, midnight + 1)] },
      // just before the month that stays, executed in it
      { at: at(-2), events: [fill('A-6', 'X-6', -2, 1)] },
      {
        at: at(HOUR_MS),
        events: [
          fill('B-1', 'X-1', HOUR_MS, executed),
          fill('C-2', 'X-2', HOUR_MS, executed),
          fill('B-3', 'X-3', HOUR_MS, executed),
          fill('B-4', 'X-4', HOUR_MS, night),
          fill('B-6', 'X-6', HOUR_MS, 1),
          fill('B-7', 'X-7', HOUR_MS, executed),
          { ...fill('A-7', 'X-7', HOUR_MS, executed), corrects: unnamed.event_id },
          fill('B-8', 'X-8', HOUR_MS, executed - DAY_MS),
          { ...fill('B-9', 'X-9', HOUR_MS, executed), source: 'OMS-B' },
          // the first and the last day that there is
          fill('A-0', 'X-0', HOUR_MS, '1970-01-01T00:00:00Z'),
          fill('B-0', 'X-00', HOUR_MS, '2199-12-31T23:59:59Z'),
        ],
      },
    ];
  }

  async function transactions(ledger: string): Promise<string> {
    const asked = { from_date: at(-31 * DAY_MS).slice(0, 10), to_date: at(0).slice(0, 10), format: 'csv' };
    const { text } = await service.http().get(`/v1/ledgers/${ledger}/reports/transactions`).query(asked).expect(200);
    return text;
  }

  /** Of each that is held, the order that tells of the same before it. */
  function heldIn(csv: string): Record<string, string> {
    const found: Record<string, string> = {};
    for (const line of csv.split('\n')) {
      const first = /of order (\S+) tells of it already/.exec(line)?.[1];
      const own = /TV([ABC])(\d)/.exec(line);
      if (first && own) found[`${own[1]}-${own[2]}`] = first;
    }
    return found;
  }

  it('are held as they were before, wherever the others are', async () => {
    expect(heldIn(before.get('desk')!)).toEqual({ 'B-1': 'A-1', 'B-2': 'A-2', 'C-2': 'A-2' });
    expect(await transactions('desk')).toBe(before.get('desk'));
  });

  it('are held as well where they were told days later, by a correction, or before their day', async () => {
    expect(heldIn(before.get('late')!)).toEqual({
      ...{ 'B-1': 'A-1', 'B-2': 'A-2', 'C-2': 'A-2', 'B-3': 'A-3', 'B-4': 'A-4', 'B-5': 'A-5', 'B-6': 'A-6' },
      'B-7': 'A-7',
    });
    expect(await transactions('late')).toBe(before.get('late'));
  });

  it('are listed by the day that it was in UTC, whatever the offset that it is stated with', async () => {
    const told = '2026-03-01T00:00:00Z';
    const asked = ['Z', '+00:00', '+02:00', '-02:00', '+05:45', '-09:30', '+14:00', '-14:00'].flatMap((offset) =>
      ['2026-02-26', '2026-02-27', '2026-02-28', '2026-03-01', '2026-03-02', '2024-02-29'].flatMap((stated) =>
        ['00:00:00', '02:00:00.5', '05:44:59.999999999', '09:30:00', '14:00:00', '21:59:59', '23:59:59'].map(
          (time) => `${stated}T${time}${offset}`,
        ),
      ),
    );
    const rows = await query<{ stated: string; day: string | null }>(
      service.database,
      `SELECT stated, late_execution_day(jsonb_build_object('execution_id', 'X-1', 'execution_time', stated), $2) AS day
         FROM unnest($1::text[]) AS stated`,
      [asked, told],
    );
    expect(rows).toHaveLength(asked.length);
    const inTime = ['2026-02-28', '2026-03-01'];
    const expected = asked.map((stated) => {
      const isLate = !inTime.includes(parseTimestamp(stated).canonical.slice(0, 10));
      return { stated, day: isLate ? stated.slice(0, 10) : null };
    });
    expect(rows).toEqual(expected);
    // metadata may say anything, and none of it keeps a month from leaving
    const unread = ['yesterday', '2026-02-20', '2026-02-20T25:00', '20260220', ''];
    unread.push('what nobody can read+01:00', '2026-02-20Tab:cdT10:00:00+01:00', '2026-02-20T1९:00:00+01:00');
    const none = await query<{ day: string | null }>(
      service.database,
      `SELECT late_execution_day(jsonb_build_object('execution_id', 'X-1', 'execution_time', stated), $2) AS day
         FROM unnest($1::text[]) AS stated`,
      [unread, told],
    );
    expect(none.map(({ day: each }) => each)).toEqual(unread.map(() => null));
  });

  it('are late by the code that reads the archive exactly where they are by the database’s, whatever is stated', async () => {
    const asked = statedTimes(20_000);
    const rows = await query<{ day: string | null }>(
      service.database,
      `SELECT late_execution_day(metadata::jsonb, to_timestamp(0) + told * interval '1 microsecond') AS day
         FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS t (metadata, told, place) ORDER BY place`,
      [asked.map(({ metadata }) => metadata), asked.map(({ told }) => told)],
    );
    const ours = asked.map(({ metadata, told }) => lateExecutionDay(metadata, told) ?? null);
    const differing = asked.flatMap((each, i) =>
      ours[i] === rows[i]!.day ? [] : [{ ...each, ours: ours[i], ...rows[i] }],
    );
    expect(differing).toEqual([]);
    const late = ours.filter((day) => day !== null).length;
    expect([late > 5_000, late < 15_000]).toEqual([true, true]);
  });
});
