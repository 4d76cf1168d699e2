import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { compareHistory, expectedHistories } from './real-data/expected-histories.js';
import { sources } from './real-data/sources.js';
import { startService, TEST_KEY, type TestService } from './support/app.js';
import { HAS_PYTHON, PYTHON } from './support/python.js';
import { STORES, type TestStore } from './support/stores.js';
import { ANY_DIFFERENCE_MS, moveTrailClock } from './support/trail-clock.js';
import { runJob, verify } from './support/verification.js';

const BATCH = 500;
const MONTHS = 26;
const READERS = 4;
/** Histories that are compared, of the 25,000 that there are. */
const COMPARED = 1_200;
/** On S3 so many of the events are recorded, a hundred a month; in a folder it is all of them. */
const MOST_ON_S3 = 2_600;
/** What is online, in months. */
const ONLINE = 12;
/** The first one at which a run of `retention` has months to take out of PostgreSQL. */
const FIRST_TO_LEAVE = 17;

/** Reports of executions, of events one by one, and of sums over orders; over all that the file has. */
const REPORTS = ['mifid2-trades?', 'user-activity?user_id=feed:BITSTAMP&', 'activity?by=instrument&'].map(
  (report) => `${report}from_date=2015-04-01&to_date=2015-05-31&format=csv`,
);

/** A report that was asked for, and the bytes of its answer. */
interface Answer {
  path: string;
  bytes: Buffer;
}

const source = sources.find(({ name }) => name.startsWith('bitstamp'))!;
const isThere = source.folder() !== undefined && HAS_PYTHON;
if (!isThere && !process.env.CI) {
  process.stderr.write('skipped: recorded order flow over two years (its data or python3 are missing here)\n');
}

/** Noon of a day in the month that lies `back` months before the present one. */
function monthsAgo(back: number, day: number): Date {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - back, day, 12));
}

describe('recorded order flow, over two years', () => {
  let test: TestStore;
  let service: TestService;
  let admin: pg.Client;
  beforeAll(async () => {
    test = await STORES.at(-1)!();
    service = await startService({
      env: { ARCHIVE_URL: test.url, ONLINE_MONTHS: String(ONLINE) },
      settings: { CLOCK_TOLERANCE: ANY_DIFFERENCE_MS },
    });
    admin = new pg.Client({ connectionString: service.database.adminUrl });
    await admin.connect();
  });
  afterAll(async () => {
    await admin.end();
    await service.close();
    test.close();
  });

  it('has in CI all that it needs', () => {
    expect(process.env.CI ? isThere : true).toBe(true);
  });

  const lines = async (): Promise<string> => {
    const response = await fetch(`${service.url}/v1/ledgers/main/events`, {
      headers: { accept: 'application/x-ndjson', authorization: `Bearer ${TEST_KEY}` },
    });
    return response.text();
  };

  /** The path with what the answer says it depends on: asked again, it must answer the same. */
  const ask = async (path: string): Promise<Answer> => {
    const response = await fetch(`${service.url}/v1/ledgers/main/reports/${path}`, {
      headers: { authorization: `Bearer ${TEST_KEY}` },
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    expect([path, response.status]).toEqual([path, 200]);
    const reference = response.headers.get('truetrail-reference-as-of');
    const isAsked = reference === null || path.includes('&reference_as_of=');
    return { path: isAsked ? path : `${path}&reference_as_of=${reference}`, bytes };
  };
  const askAll = async (asOf: number): Promise<Answer[]> => {
    const answers: Answer[] = [];
    for (const report of REPORTS) answers.push(await ask(`${report}&as_of=${asOf}`));
    return answers;
  };
  const online = async (): Promise<number> =>
    Number((await admin.query(`SELECT count(*) FROM audit_events WHERE ledger = 'main'`)).rows[0].count);

  (isThere ? it : it.skip)(
    "leaves PostgreSQL month by month, every order's history is still what the file says, and reports are the same to the byte",
    async () => {
      const all = Object.values(source.expectedCounts).reduce((sum, count) => sum + count, 0);
      const total = test.owner ? MOST_ON_S3 : all;
      /** how many events of each order were recorded */
      const lengths = new Map<string, number>();
      const aMonth = Math.ceil(total / MONTHS);
      let batch: object[] = [];
      let recorded = 0;
      let month = -1;
      const whole: Answer[] = [];
      let wholeTo = 0;
      const flush = async (): Promise<void> => {
        const now = Math.floor(recorded / aMonth);
        if (now !== month) {
          month = now;
          await moveTrailClock(admin, monthsAgo(MONTHS - month, 10));
          await runJob(service, 'partition-maintenance');
          if (month === FIRST_TO_LEAVE) {
            wholeTo = recorded;
            expect(await online()).toBe(wholeTo);
            whole.push(...(await askAll(wholeTo)));
          }
          // early objects as they would come, and months that are archived and leave as time goes on
          if (month % 6 === 5) {
            await runJob(service, 'archive-export');
            await runJob(service, 'retention');
          }
        }
        await service.http().post('/v1/ledgers/main/events/batch').send({ events: batch }).expect(201);
        recorded += batch.length;
        batch = [];
      };
      for await (const event of source.convert()) {
        batch.push(event);
        lengths.set(event.entity_id, (lengths.get(event.entity_id) ?? 0) + 1);
        if (batch.length === (test.owner ? MOST_ON_S3 / MONTHS : BATCH)) await flush();
        if (recorded + batch.length === total) break;
      }
      if (batch.length > 0) await flush();
      expect(recorded).toBe(total);
      const before = await lines();
      const answers = [...whole, ...(await askAll(total))];

      await moveTrailClock(admin, new Date());
      for (const job of ['partition-maintenance', 'archive-export', 'retention', 'archive-export']) {
        expect((await runJob(service, job)).status).toBe('done');
      }
      const { body: ledger } = await service.http().get('/v1/ledgers/main').expect(200);
      expect(Number(ledger.archived_to)).toBeGreaterThan(total / 3);
      expect(Number(ledger.archived_to)).toBeLessThan(total);
      expect(Number(ledger.archived_to)).toBeLessThan(wholeTo);
      expect(await online()).toBe(total - Number(ledger.archived_to));

      for (const { path, bytes } of answers) {
        expect(bytes.length).toBeGreaterThan(path.startsWith('activity') ? 200 : 2_000);
        const again = await ask(path);
        expect([path, again.bytes.equals(bytes)]).toEqual([path, true]);
      }
      expect(whole.length).toBe(REPORTS.length);

      const expected = [...(await expectedHistories(source))].filter(([order]) => lengths.has(order));
      expect(expected.length).toBe(lengths.size);
      const step = Math.max(1, Math.floor(expected.length / COMPARED));
      const queue = expected.filter((_each, i) => i % step === 0);
      const differences: string[] = [];
      const reader = async (): Promise<void> => {
        for (let next = queue.pop(); next !== undefined && differences.length < 20; next = queue.pop()) {
          const [order, history] = next;
          const { status, body, text } = await service
            .http()
            .get(`/v1/ledgers/main/orders/${encodeURIComponent(order)}/history`);
          if (status !== 200) differences.push(`${order}: ${status} ${text}`);
          else
            differences.push(
              ...compareHistory(history.slice(0, lengths.get(order)), body.events).map((each) => `${order}: ${each}`),
            );
        }
      };
      await Promise.all(Array.from({ length: READERS }, reader));
      expect(differences).toEqual([]);

      const strip = (text: string): string => text.replace(/,"archived_to":"\d+"/, '');
      const after = await lines();
      expect(strip(after) === strip(before)).toBe(true);
      expect(after.split('\n').length).toBe(total + 2);
      expect(await verify(service)).toMatchObject({ verdict: 'valid', checked: String(total), findings: [] });
      expect((await runJob(service, 'archive-verification')).outcome).toMatchObject({ verdict: 'valid', findings: [] });

      const folder = mkdtempSync(join(tmpdir(), 'truetrail-ndjson-'));
      try {
        writeFileSync(join(folder, 'events.ndjson'), after);
        const second = spawnSync(PYTHON, ['test/vectors/verify.py', '--whole', join(folder, 'events.ndjson')], {
          encoding: 'utf8',
        });
        expect([second.status, second.stderr]).toEqual([0, '']);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
    600_000,
  );
});
