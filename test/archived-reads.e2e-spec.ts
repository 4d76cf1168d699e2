import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { sampleEvent, startService, type TestService } from './support/app.js';
import { STORES, type TestStore } from './support/stores.js';
import { ANY_DIFFERENCE_MS, moveTrailClock } from './support/trail-clock.js';

const HOUR_MS = 3_600_000;

/** The middle of the month that lies `back` months before the present one. */
function monthsAgo(back: number): Date {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - back, 15, 12));
}

type Event = ReturnType<typeof sampleEvent>;

const ORDERS = 30;
const STRANGE_ID = `O/${'é'.repeat(100)}😀 %.`;

/** Events of a month: of every order some, some late, some corrections of what was recorded before. */
function eventsOf(month: number, recordedAt: Date, before: readonly Event[]): Event[] {
  const events: Event[] = [];
  for (let order = 0; order < ORDERS; order++) {
    for (let step = 0; step < 4; step++) {
      const isLate = (order + step) % 7 === 0;
      const at = new Date(recordedAt.getTime() - (isLate ? 40 * 24 * HOUR_MS : 0) + (order * 60 + step) * 1000);
      const action = month === 0 && step === 0 ? 'create' : step === 3 ? 'partial_fill' : 'modify';
      events.push(
        sampleEvent({
          timestamp: `${at.toISOString().slice(0, 19)}.${String((order * 7919 + step) % 1_000_000_000).padStart(9, '0')}Z`,
          entity_id: order === 0 ? STRANGE_ID : `O-${order}`,
          action,
          user_id: `trader-${order % 3}`,
          event_type: order % 10 === 9 ? 'risk' : 'order_lifecycle',
          source: order % 2 === 0 ? 'oms-1' : 'oms-2',
          source_session: `run-${order % 3}`,
          source_sequence: String((month * ORDERS + order) * 5 + step),
          new_state: { symbol: `S${order % 5}`, quantity: String(order + step), price: 1.5e21, side: 'buy' },
          metadata: {
            ...{ client_id: `C-${order % 4}`, n: order, flag: step === 1, nothing: null },
            ...(step === 3 ? { execution_id: `X-${month}-${order}` } : {}),
            ...(order % 6 === 5 ? { parent_order_id: `O-${order - 1}` } : {}),
            ...(order % 6 === 1 ? { aggregation_group: `AG-${month}`, aggregated: order === 1 } : {}),
          },
        }),
      );
    }
  }
  for (const [i, target] of before.filter((_, at) => at % 17 === 3).entries()) {
    events.push(
      sampleEvent({
        ...target,
        event_id: sampleEvent().event_id,
        corrects: target.event_id,
        ...(i % 3 === 0 ? { action: 'void' } : { new_state: { ...(target.new_state as object), quantity: '7' } }),
      }),
    );
  }
  return events;
}

describe.each(STORES.map((make) => [make.name === 's3Store' ? 'S3' : 'a folder', make] as const))(
  'events that have left PostgreSQL for %s',
  (_, make) => {
    let test: TestStore;
    let service: TestService;
    let admin: pg.Client;
    const all: Event[] = [];
    let receipts: Record<string, unknown>[] = [];

    beforeAll(async () => {
      test = await make();
      service = await start({ ONLINE_MONTHS: '12' });
      admin = new pg.Client({ connectionString: service.database.adminUrl });
      await admin.connect();
      for (const [month, back] of [16, 15, 14, 2].entries()) {
        await moveTrailClock(admin, monthsAgo(back));
        await run('partition-maintenance');
        const events = eventsOf(month, monthsAgo(back), all);
        all.push(...events);
        const { body } = await service.http().post('/v1/ledgers/main/events/batch').send({ events }).expect(201);
        receipts.push(...body.receipts);
      }
      await moveTrailClock(admin, new Date());
    });
    afterAll(async () => {
      await admin.end();
      await service.close();
      test.close();
      all.length = 0;
      receipts = [];
    });

    /** Another one is a replica of the first. */
    const start = (env: { ONLINE_MONTHS: string }): Promise<TestService> =>
      startService({
        env: { ARCHIVE_URL: test.url, ...env },
        settings: { CLOCK_TOLERANCE: ANY_DIFFERENCE_MS },
        ...(service && { database: service.database }),
      });

    async function run(job: string, replica = service): Promise<Record<string, unknown>> {
      const { body: asked } = await replica.http().post(`/v1/jobs/${job}/runs`).expect(202);
      for (;;) {
        const { body } = await replica.http().get(`/v1/jobs/${job}/runs/${asked.id}`).expect(200);
        if (body.status === 'done') return body.outcome;
        if (body.status === 'failed') throw new Error(JSON.stringify(body.outcome));
        await pause(50);
      }
    }

    /** All pages of a walk, and how many there were. */
    async function walk(path: string): Promise<{ events: unknown[]; pages: number }> {
      const events: unknown[] = [];
      let cursor: string | null = null;
      let pages = 0;
      do {
        const separator = path.includes('?') ? '&' : '?';
        const next: string = cursor === null ? '' : `${separator}cursor=${encodeURIComponent(cursor)}`;
        const answer = await service.http().get(`/v1/ledgers/main/${path}${next}`).expect(200);
        const body = answer.body as { events: unknown[]; next_cursor: string | null };
        events.push(...body.events);
        cursor = body.next_cursor;
        pages += 1;
      } while (cursor !== null);
      return { events, pages };
    }

    const time = (date: Date): string => encodeURIComponent(date.toISOString());
    const SEARCHES = [
      'limit=1000',
      'limit=7&order=desc',
      'limit=9',
      'sort=timestamp&limit=11',
      'sort=timestamp&order=desc&limit=13',
      `from=${time(monthsAgo(17))}&to=${time(monthsAgo(14))}&limit=20`,
      `from=${time(new Date(monthsAgo(15).getTime() + 90_000))}&limit=50&order=desc`,
      `recorded_from=${time(monthsAgo(15))}&recorded_to=${time(monthsAgo(13))}&limit=30`,
      'user_id=trader-1&limit=10&sort=timestamp',
      'event_type=risk&source=oms-2&limit=3',
      'entity_type=order&entity_id=O-3&limit=2',
      'entity_type=order&entity_id=O-3&limit=2&sort=timestamp&order=desc',
      `entity_type=order&entity_id=${encodeURIComponent(STRANGE_ID)}&limit=4&order=desc`,
      'metadata.client_id=C-2&metadata.n=6&limit=5',
      'metadata.flag=true&limit=40',
      'entity_type=order&entity_id=O-17&limit=2&sort=timestamp',
      'metadata.nothing=null&limit=1000&order=desc',
      'metadata.client_id=nobody',
      'from_sequence=100&to_sequence=260&limit=25',
      'from_sequence=100&to_sequence=460&limit=25&order=desc',
      'action=void&limit=2',
    ];
    const HISTORIES = [
      'O-3',
      'O-17?limit=3',
      `${encodeURIComponent(STRANGE_ID)}?limit=5`,
      `O-7?from=${time(monthsAgo(16))}&to=${time(new Date(monthsAgo(14).getTime() + 24 * HOUR_MS))}`,
      `O-8?from=${time(monthsAgo(14))}&limit=1`,
    ];
    const day = (date: Date): string => date.toISOString().slice(0, 10);
    const REPORTS = [
      ...['json', 'csv', 'ndjson'].flatMap((format) => [
        `mifid2-trades?from_date=${day(monthsAgo(18))}&to_date=${day(new Date())}&format=${format}`,
        `user-activity?user_id=trader-2&from_date=${day(monthsAgo(16))}&to_date=${day(monthsAgo(14))}&format=${format}`,
        `lifecycle-exceptions?from_date=${day(monthsAgo(18))}&to_date=${day(new Date())}&format=${format}`,
        `completeness?from_date=${day(monthsAgo(16))}&to_date=${day(monthsAgo(14))}&usual_days=1&format=${format}`,
        `lifecycle-exceptions?from_date=${day(monthsAgo(14))}&to_date=${day(monthsAgo(14))}&format=${format}`,
      ]),
      `order-reconstruction?order_id=O-4&from_date=${day(monthsAgo(18))}&to_date=2199-12-31&format=ndjson`,
      `order-reconstruction?execution_id=X-1-5&from_date=${day(monthsAgo(18))}&to_date=2199-12-31&format=ndjson`,
      `aggregation-allocation?from_date=${day(monthsAgo(16))}&to_date=${day(monthsAgo(14))}&format=ndjson`,
      `activity?by=user&from_date=${day(monthsAgo(18))}&to_date=2199-12-31&format=ndjson`,
      `drop-copy-reconciliation?source=oms-1&other_source=oms-2&from_date=${day(monthsAgo(18))}&to_date=${day(new Date())}&format=ndjson`,
      `transactions?executing_entity=529900G3SW56SHYNPR95&lineage=yes&from_date=${day(monthsAgo(18))}&to_date=2199-12-31&format=ndjson`,
      `replay?client=C-1&from_date=${day(monthsAgo(18))}&to_date=2199-12-31&format=ndjson`,
      `open-orders?from_date=${day(monthsAgo(18))}&to_date=${day(monthsAgo(14))}&format=ndjson`,
      `open-orders?from_date=${day(new Date())}&to_date=${day(new Date())}&look_back_days=600&format=ndjson`,
    ];

    /** Those in which a correction and what it corrects stand together, or decide what is shown. */
    const WITH_CORRECTIONS = {
      searches: ['limit=1000', 'action=void&limit=2', 'entity_type=order&entity_id=O-17&limit=2&sort=timestamp'],
      histories: HISTORIES.slice(0, 3),
      reports: REPORTS.filter((report) => !report.startsWith('completeness') && report.endsWith('ndjson')),
    };

    /** Every kind of answer, but for what must differ. */
    async function answers({ searches = SEARCHES, histories = HISTORIES, reports = REPORTS } = {}): Promise<
      Record<string, unknown>
    > {
      const found: Record<string, unknown> = {};
      for (const search of searches) found[`search ${search}`] = await walk(`events?${search}`);
      for (const search of searches.map((text) => text.replace(/&?limit=\d+/, ''))) {
        const response = await service
          .http()
          .get(`/v1/ledgers/main/events?${search}`)
          .set('accept', 'application/x-ndjson')
          .buffer(true)
          .parse(asText)
          .expect(200);
        found[`lines ${search}`] = response.body as string;
      }
      for (const history of histories) {
        const [id, query = ''] = history.split('?');
        found[`history ${history}`] = await walk(`orders/${id}/history?${query}`);
      }
      for (const report of reports) {
        const response = await service
          .http()
          .get(`/v1/ledgers/main/reports/${report}`)
          .buffer(true)
          .parse(asText)
          .expect(200);
        found[`report ${report}`] = response.body as string;
        const name = report.split('?')[0]!;
        const runId = response.headers['truetrail-report-run'] as string;
        const path = `/v1/ledgers/main/reports/${name}/runs/${runId}/manifest`;
        const { archived_to: _, ...read } = (await service.http().get(path).expect(200)).body.read as Record<
          string,
          unknown
        >;
        expect(Number(read.events)).toBeGreaterThan(0);
        found[`read for ${report}`] = read;
      }
      for (const { event_id } of all.filter((_each, i) => i % 23 === 0)) {
        found[event_id] = (await service.http().get(`/v1/ledgers/main/events/${event_id}`).expect(200)).body;
      }
      return found;
    }

    async function verify(range: object): Promise<Record<string, unknown>> {
      const { body } = await service.http().post('/v1/ledgers/main/verifications').send(range).expect(202);
      for (;;) {
        const { body: run } = await service.http().get(`/v1/ledgers/main/verifications/${body.id}`).expect(200);
        if (run.status === 'done' || run.status === 'failed') {
          const { verdict, from_sequence, to_sequence, checked, findings, unread } = run;
          return { verdict, from_sequence, to_sequence, checked, findings, unread };
        }
        await pause(50);
      }
    }

    it('are in every answer as they were', async () => {
      const first = await service.http().get('/v1/ledgers/main/events?limit=50').expect(200);
      const before = await answers();
      const ranges = [
        {},
        { from_sequence: '50', to_sequence: '400' },
        { recorded_from: monthsAgo(15).toISOString(), recorded_to: monthsAgo(13).toISOString() },
      ];
      const verified = [];
      for (const range of ranges) verified.push(await verify(range));
      expect(verified.map(({ verdict }) => verdict)).toEqual(['valid', 'valid', 'valid']);

      await run('partition-maintenance');
      await run('archive-export');
      const { retired, dropped } = (await run('retention')) as { retired: string[]; dropped: string[] };
      expect(dropped).toEqual(retired);
      const { rows } = await admin.query<{ online: string; archived_to: string }>(
        `SELECT (SELECT count(*) FROM audit_events WHERE ledger = 'main') AS online, archived_to FROM ledger_heads WHERE ledger = 'main'`,
      );
      const { online, archived_to: archivedTo } = rows[0]!;
      expect(Number(archivedTo)).toBeGreaterThan(3 * 4 * ORDERS);
      expect(Number(online)).toBe(all.length - Number(archivedTo));

      const after = await answers();
      for (const answer of Object.values(after)) expect(JSON.stringify(answer).length).toBeGreaterThan(20);
      for (const name of Object.keys(before)) expect([name, after[name]]).toEqual([name, before[name]]);
      for (const [i, range] of ranges.entries()) expect(await verify(range)).toEqual(verified[i]);

      // a walk that began before they left goes on
      const { body } = await service.http().get(`/v1/ledgers/main/events?cursor=${first.body.next_cursor}`).expect(200);
      expect(body.events[0].sequence).toBe('51');
      expect(body.archived_to).toBe(archivedTo);

      // what was corrected has left, and its last corrections have not: now they leave as well
      const isHere = (at: number): boolean => at >= Number(archivedTo);
      const across = all.filter(({ corrects }, at) => isHere(at) && all.some(({ event_id: id }) => id === corrects));
      expect(across.length).toBeGreaterThan(10);
      expect(across.every(({ corrects }) => !isHere(all.findIndex(({ event_id: id }) => id === corrects)))).toBe(true);
      const hasty = await start({ ONLINE_MONTHS: '1' });
      await run('retention', hasty);
      await hasty.close();
      const { body: ledger } = await service.http().get('/v1/ledgers/main').expect(200);
      expect(ledger.archived_to).toBe(String(all.length));
      const last = await answers(WITH_CORRECTIONS);
      for (const name of Object.keys(last)) expect([name, last[name]]).toEqual([name, before[name]]);
      expect(JSON.stringify(last)).toContain('"corrected_by":"');

      // what is sent again gets its first receipt, and other content under its id is refused
      const [event] = all;
      const again = await service.http().post('/v1/ledgers/main/events').send(event).expect(200);
      expect(again.body).toEqual(receipts[0]);
      const mixed = await service
        .http()
        .post('/v1/ledgers/main/events/batch')
        .send({ events: [all[5], sampleEvent(), all.at(-1)] });
      expect(mixed.body.receipts[0]).toEqual(receipts[5]);
      expect(mixed.body.receipts[2]).toEqual(receipts.at(-1));
      await service
        .http()
        .post('/v1/ledgers/main/events')
        .send({ ...event, action: 'other' })
        .expect(409);
      await service.http().get('/v1/ledgers/main/orders/nothing/history').expect(404);
      expect(await run('archive-verification')).toMatchObject({ verdict: 'valid', findings: [] });
      expect(await verify({})).toMatchObject({ verdict: 'valid', checked: String(all.length + 1) });
    });
  },
);

/** The body of an answer that is not read at once, without what must differ once events have left. */
function asText(answer: unknown, callback: (error: Error | null, body: string) => void): void {
  const response = answer as NodeJS.ReadableStream;
  let text = '';
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => (text += chunk));
  response.on('end', () => callback(null, text.replace(/,"archived_to":"\d+"/, '')));
}
