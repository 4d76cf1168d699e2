import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { sampleEvent, startService, type TestService } from './support/app.js';
import { STORES, type TestStore } from './support/stores.js';
import { ANY_DIFFERENCE_MS, moveTrailClock } from './support/trail-clock.js';

/** The first of the month that lies `back` months before the present one, noon. */
function monthsAgo(back: number, day = 15): Date {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - back, day, 12));
}

describe.each(STORES.map((make) => [make.name === 's3Store' ? 'S3' : 'a folder', make] as const))(
  'months that are archived in %s',
  (_, make) => {
    let test: TestStore;
    let service: TestService;
    let admin: pg.Client;
    beforeEach(async () => {
      test = await make();
      service = await startService({
        env: { ARCHIVE_URL: test.url, ONLINE_MONTHS: '12' },
        settings: { CLOCK_TOLERANCE: ANY_DIFFERENCE_MS },
      });
      admin = new pg.Client({ connectionString: service.database.adminUrl });
      await admin.connect();
    });
    afterEach(async () => {
      await admin.end();
      await service.close();
      test.close();
    });

    async function run(job: string): Promise<Record<string, unknown>> {
      const { body: asked } = await service.http().post(`/v1/jobs/${job}/runs`).expect(202);
      for (;;) {
        const { body } = await service.http().get(`/v1/jobs/${job}/runs/${asked.id}`).expect(200);
        if (body.status === 'done') return body.outcome;
        if (body.status === 'failed') throw new Error(JSON.stringify(body.outcome));
        await pause(50);
      }
    }

    const states = async (): Promise<string[]> =>
      (await admin.query<{ state: string }>('SELECT state FROM months ORDER BY month')).rows.map(({ state }) => state);

    it('are closed, sealed, archived once more, retired and dropped, each when it may', async () => {
      await moveTrailClock(admin, monthsAgo(14));
      await run('partition-maintenance');
      const events = Array.from({ length: 50 }, () => sampleEvent());
      await service.http().post('/v1/ledgers/main/events/batch').send({ events }).expect(201);
      await moveTrailClock(admin, new Date());
      const { closed, sealed } = (await run('partition-maintenance')) as { closed: string[]; sealed: string[] };
      expect(closed).toHaveLength(4); // the month, and three that were made ahead of it
      expect(sealed).toEqual(closed);
      expect((await run('archive-export')).months).toEqual([closed[0]]);
      expect(await run('retention')).toEqual({ retired: closed.slice(0, 2), dropped: closed.slice(0, 2), kept: [] });
      expect((await states()).slice(0, 5)).toEqual(['dropped', 'dropped', 'sealed', 'sealed', 'open']);
      expect(await run('archive-verification')).toMatchObject({ verdict: 'valid', findings: [] });
    }, 60_000);
  },
);
