import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import pg from 'pg';
import { sampleEvent, startService, TEST_KEY } from './support/app.js';
import { createTestDatabase, type TestDatabase } from './support/database.js';
import { Replica } from './support/replica.js';
import { S3Stub } from './support/s3-stub.js';
import { StoreProxy, type StoreFault } from './support/store-proxy.js';
import { HAS_S3, S3_ENVIRONMENT, s3Store } from './support/stores.js';
import { ANY_DIFFERENCE_MS, moveTrailClock } from './support/trail-clock.js';
import { runJob } from './support/verification.js';

const online = sampleEvent({ entity_id: 'online' });
const READS = /^GET .*\.parquet/;
/** Of two months each; a row group has 2,048 rows at most, so that a bulk read asks the store many times. */
const EVENTS = 4_200;
const BATCH = 1_400;
const AUTHORIZATION = { authorization: `Bearer ${TEST_KEY}` };

function monthsAgo(back: number): Date {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - back, 15, 12));
}

/** An S3 that is there in every run, and a real one where there is one: the address of each, and its bucket. */
interface Behind {
  endpoint: string;
  url: string;
  close(): Promise<void>;
}

async function stub(): Promise<Behind> {
  const server = await S3Stub.start();
  return { endpoint: server.url, url: 's3://bucket/trail', close: () => server.close() };
}

async function realS3(): Promise<Behind> {
  const store = await s3Store();
  return { endpoint: process.env.AWS_ENDPOINT_URL_S3!, url: store.url, close: () => Promise.resolve(store.close()) };
}

describe.each<[string, () => Promise<Behind>]>([
  ['an S3', stub],
  ...(HAS_S3 ? [['a real S3', realS3] as [string, () => Promise<Behind>]] : []),
])('reads of months that are in %s alone', (_, open) => {
  const before = { ...process.env };
  let behind: Behind;
  let proxy: StoreProxy;
  let database: TestDatabase;
  /** in a process of its own: its threads have the store's address from there */
  let replica: Replica;
  let env: Record<string, string>;
  /** status and text of each of PATHS, but for the size of the ledger, while nothing is wrong */
  let right: [number, string][];
  let first: { event_id: string; timestamp: string };
  beforeAll(async () => {
    behind = await open();
    proxy = await StoreProxy.start(behind.endpoint);
    const aws = {
      ...{ AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'AKIATEST', AWS_SECRET_ACCESS_KEY: 'a-secret' },
      ...S3_ENVIRONMENT,
      AWS_ENDPOINT_URL_S3: proxy.url,
    };
    Object.assign(process.env, aws);
    database = await createTestDatabase();
    await archiveTwoMonths();
    env = {
      ...{ ...aws, DATABASE_URL: database.serviceUrl, ARCHIVE_URL: behind.url, ONLINE_MONTHS: '1' },
      ...{ ARCHIVE_CACHE_MB: '0', ARCHIVE_TIMEOUT: '1s' },
    };
    replica = await Replica.start(env);
    expect(await post(online)).toBe(201);
    right = await answers();
    expect(right.map(([status]) => status)).toEqual(right.map(() => 200));
    await replica.end('SIGTERM');
  });
  // one that has read nothing yet, and keeps nothing of it in memory
  beforeEach(async () => {
    replica = await Replica.start(env);
  });

  /** Done by a service whose clock may be anywhere. */
  async function archiveTwoMonths(): Promise<void> {
    const service = await startService({
      env: { ARCHIVE_URL: behind.url, ONLINE_MONTHS: '1' },
      settings: { CLOCK_TOLERANCE: ANY_DIFFERENCE_MS },
      database,
    });
    const admin = new pg.Client({ connectionString: service.database.adminUrl });
    await admin.connect();
    try {
      for (const back of [5, 4]) {
        await moveTrailClock(admin, monthsAgo(back));
        await runJob(service, 'partition-maintenance');
        for (let done = 0; done < EVENTS; done += BATCH) {
          const events = Array.from({ length: BATCH }, (_each, i) =>
            sampleEvent({
              event_id: randomUUID(),
              entity_id: `O-${(done + i) % 400}`,
              timestamp: monthsAgo(back).toISOString(),
            }),
          );
          first ??= events[0] as unknown as typeof first;
          await service.http().post('/v1/ledgers/main/events/batch').send({ events }).expect(201);
        }
      }
      await moveTrailClock(admin, new Date());
    } finally {
      await admin.end();
    }
    await runJob(service, 'partition-maintenance');
    await runJob(service, 'archive-export');
    const { outcome } = await runJob(service, 'retention');
    expect(outcome).toMatchObject({
      kept: [],
      dropped: expect.arrayContaining([5, 4].map((back) => `${monthsAgo(back).toISOString().slice(0, 7)}-01`)),
    });
    await service.close();
  }
  afterAll(async () => {
    await database.drop();
    await proxy.close();
    await behind.close();
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
    Object.assign(process.env, before);
  });
  afterEach(async () => {
    await proxy.heal();
    await replica.end('SIGTERM');
  });

  const day = (): string => monthsAgo(5).toISOString().slice(0, 10);
  const PATHS: Record<string, () => string> = {
    'an event': () => `events/${first.event_id}`,
    'a search': () => 'events?limit=500&entity_type=order&entity_id=O-7',
    'a search by time': () => `events?limit=50&from=${monthsAgo(5).toISOString()}`,
    'a history': () => 'orders/O-7/history',
    'a report': () => `reports/user-activity?user_id=trader-1&from_date=${day()}&to_date=${day()}`,
    'its entry in the archive': () => `events/${first.event_id}/archive`,
  };
  const get = (path: string) => fetch(`${replica.url}/v1/ledgers/main/${path}`, { headers: AUTHORIZATION });

  const answers = (): Promise<[number, string][]> =>
    Promise.all(
      Object.values(PATHS).map(async (path): Promise<[number, string]> => {
        const answer = await get(path());
        // what is recorded meanwhile moves these, and nothing else
        const text = (await answer.text()).replace(/"(as_of|next_cursor)":"[^"]*"/g, '');
        return [answer.status, text];
      }),
    );

  const post = async (event: object): Promise<number> => {
    const headers = { ...AUTHORIZATION, 'content-type': 'application/json' };
    const url = `${replica.url}/v1/ledgers/main/events`;
    return (await fetch(url, { method: 'POST', headers, body: JSON.stringify(event) })).status;
  };

  /** What came of an answer in lines before it ended or was cut; `meanwhile` happens once its first bytes are there. */
  async function lines(path: string, meanwhile?: () => Promise<void>) {
    const answer = await new Promise<http.IncomingMessage>((resolve, reject) => {
      const headers = { ...AUTHORIZATION, accept: 'application/x-ndjson' };
      http.get(`${replica.url}/v1/ledgers/main/${path}`, { headers, agent: false }, resolve).on('error', reject);
    });
    const chunks: Buffer[] = [];
    answer.on('error', () => undefined);
    if (meanwhile) {
      await once(answer, 'readable');
      await meanwhile();
    }
    const closed = new Promise((resolve) => answer.once('close', resolve)); // also when it is cut
    answer.on('data', (chunk: Buffer) => chunks.push(chunk));
    await closed;
    return { status: answer.statusCode, isWhole: answer.complete, text: Buffer.concat(chunks).toString() };
  }

  describe.each<[string, StoreFault]>([
    ['fails', { kind: 'answer', status: 500, code: 'InternalError' }],
    ['is not there', { kind: 'refuse' }],
    ['never answers', { kind: 'hang' }],
    ['cuts its answers', { kind: 'cut in body' }],
  ])('while it %s', (_fault, fault) => {
    it('are refused with an error that says so, and never answered in part', async () => {
      await proxy.break(fault, READS);
      const broken = await Promise.all(
        Object.entries(PATHS).map(async ([name, path]) => {
          const answer = await get(path());
          const { type } = (await answer.json()) as { type?: string };
          return [name, answer.status, type];
        }),
      );
      expect(broken).toEqual(Object.keys(PATHS).map((name) => [name, 503, '/docs/problems/archive-unavailable']));
      const inLines = await lines('events');
      expect([inLines.status, inLines.text.includes('archive-unavailable')]).toEqual([503, true]);
      if (fault.kind !== 'refuse') expect(proxy.met).toBeGreaterThan(0);
      // what does not need it comes as ever; a history does, since an order may have begun long ago
      expect((await get(`events/${online.event_id}`)).status).toBe(200);
      expect((await get('orders/online/history')).status).toBe(503);
      expect(await post(sampleEvent())).toBe(201);
      await proxy.heal();
      expect(await answers()).toEqual(right);
    });
  });

  it('in lines are cut, without the line that ends them, when the store goes away in their midst', async () => {
    const whole = await lines('events');
    const all = whole.text.trimEnd().split('\n');
    expect([whole.status, whole.isWhole]).toEqual([200, true]);
    expect(all.length).toBeGreaterThan(2 * EVENTS);
    expect(JSON.parse(all.at(-1)!)).toMatchObject({ end: { events: String(all.length - 1) } });

    await replica.end('SIGTERM');
    replica = await Replica.start(env); // what was read is in memory
    const cut = await lines('events', () => proxy.break({ kind: 'answer', status: 500, code: 'InternalError' }, READS));
    expect([cut.status, cut.isWhole]).toEqual([200, false]);
    const came = cut.text.split('\n').slice(0, -1);
    expect(came.length).toBeGreaterThan(0);
    expect(came.length).toBeLessThan(2 * EVENTS);
    expect(came).toEqual(all.slice(0, came.length)); // what came is right
    expect(cut.text).not.toContain('"end"');
    expect(proxy.met).toBeGreaterThan(0);
  });
});
