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
      env: { ARCHIVE_URL: test.url, ONLINE_MONTHS: '12' },
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

  (isThere ? it : it.skip)(
    "leaves PostgreSQL month by month, and every order's history is still what the file says",
    async () => {
      const total = Object.values(source.expectedCounts).reduce((sum, count) => sum + count, 0);
      const aMonth = Math.ceil(total / MONTHS);
      let batch: object[] = [];
      let recorded = 0;
      let month = -1;
      const flush = async (): Promise<void> => {
        const now = Math.floor(recorded / aMonth);
        if (now !== month) {
          month = now;
          await moveTrailClock(admin, monthsAgo(MONTHS - month, 10));
          await runJob(service, 'partition-maintenance');
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
        if (batch.length === BATCH) await flush();
      }
      await flush();
      expect(recorded).toBe(total);
      const before = await lines();

      await moveTrailClock(admin, new Date());
      for (const job of ['partition-maintenance', 'archive-export', 'retention', 'archive-export']) {
        expect((await runJob(service, job)).status).toBe('done');
      }
      const { body: ledger } = await service.http().get('/v1/ledgers/main').expect(200);
      expect(Number(ledger.archived_to)).toBeGreaterThan(total / 3);
      expect(Number(ledger.archived_to)).toBeLessThan(total);
      const { rows } = await admin.query<{ online: string }>(
        `SELECT count(*) AS online FROM audit_events WHERE ledger = 'main'`,
      );
      expect(Number(rows[0]!.online)).toBe(total - Number(ledger.archived_to));

      const expected = [...(await expectedHistories(source))];
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
          else differences.push(...compareHistory(history, body.events).map((each) => `${order}: ${each}`));
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
