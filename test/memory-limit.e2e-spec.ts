import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { sampleEvent, startService, TEST_KEY, type TestService } from './support/app.js';
import { Alarms } from './support/alarms.js';
import { checkTrail } from './support/check-trail.js';
import { createTestDatabase, type TestDatabase } from './support/database.js';
import { FaultProxy } from './support/fault-proxy.js';
import { freePort } from './support/free-port.js';
import { MemoryCgroup } from './support/memory-cgroup.js';
import { Replica } from './support/replica.js';
import { Submitters } from './support/submitters.js';

/** Far below what an operator would give: that it ends for want of memory, a test has to see. */
const HEAP_MB = 80;
/** What a replica may take once it has started. */
const MORE_BYTES = 64 * 2 ** 20;

const CGROUP = MemoryCgroup.make();
if (!CGROUP)
  process.stderr.write("skipped: a container's limit of memory (this machine lets nobody make a memory cgroup)\n");
const AUTHORIZED = { authorization: `Bearer ${TEST_KEY}` };

describe('batches that are larger together than what there is room for', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.close());

  const headers = { ...AUTHORIZED, 'content-type': 'application/json' };
  const batchOf = (count: number, noteLength: number): string =>
    JSON.stringify({
      events: Array.from({ length: count }, () => sampleEvent({ metadata: { note: 'x'.repeat(noteLength) } })),
    });

  async function post(
    path: string,
    body: string | Buffer | ReadableStream,
    more: Record<string, string> = {},
  ): Promise<[number, string]> {
    const url = `${service.url}/v1/ledgers/main/events${path}`;
    const answer = await fetch(url, {
      method: 'POST',
      headers: { ...headers, ...more },
      body,
      duplex: 'half',
    });
    const { type = '' } = (await answer.json()) as { type?: string };
    expect(answer.headers.has('retry-after')).toBe(answer.status === 503);
    return [answer.status, type];
  }

  /** A connection that announces a batch as large as one may be, and sends nothing of it. */
  async function announce(): Promise<Socket> {
    const socket = connect(Number(new URL(service.url).port), '127.0.0.1');
    await once(socket, 'connect');
    const lines = Object.entries({ ...headers, host: 'x', expect: '100-continue', 'content-length': '16777216' });
    socket.write(
      `POST /v1/ledgers/main/events/batch HTTP/1.1\r\n${lines.map((line) => `${line.join(': ')}\r\n`).join('')}\r\n`,
    );
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(String(answer)).toMatch(/^HTTP\/1\.1 100 /);
    return socket;
  }

  it('are refused, however they come, until one of them is over; what is small is taken all the time', async () => {
    const large = batchOf(500, 1_000);
    const sockets = await Promise.all(Array.from({ length: 8 }, announce)); // 128 MiB
    const refused = [503, '/docs/problems/bodies-overloaded'];
    expect(await post('/batch', large)).toEqual(refused);
    expect(await post('/batch', new Blob([large]).stream())).toEqual(refused);
    expect(await post('/batch', gzipSync(large), { 'content-encoding': 'gzip' })).toEqual(refused);
    expect(await post('/batch', batchOf(100, 1_000))).toEqual([201, '']);
    expect(await post('', JSON.stringify(sampleEvent()))).toEqual([201, '']);
    sockets[0]!.destroy();
    for (let tries = 0; (await post('/batch', large))[0] === 503; tries++) {
      if (tries === 50) throw new Error('what a connection held is not given back');
      await pause(20);
    }
    for (let i = 0; i < 30; i++) expect(await post('/batch', batchOf(500, 1_000))).toEqual([201, '']); // each gives back
    for (const socket of sockets) socket.destroy();
  });
});

/** How it ends, by whom, and how it is limited. */
const ENDS: [string, string, number][] = [
  ["V8's heap is full", 'SIGABRT', HEAP_MB],
  ...(CGROUP ? [['the container has no more', 'SIGKILL', 4_096] satisfies [string, string, number]] : []),
];

describe.each(ENDS)('a replica that has no memory left: %s', (_, signal, heapMb) => {
  let database: TestDatabase;
  let proxy: FaultProxy;
  let replica: Replica;
  let metricsPort: number;

  const start = (heapMb: number): Promise<Replica> =>
    Replica.start({
      DATABASE_URL: database.serviceUrl,
      METRICS_PORT: String(metricsPort),
      NODE_OPTIONS: `--max-old-space-size=${heapMb}`,
    });

  beforeAll(async () => {
    database = await createTestDatabase();
    metricsPort = await freePort();
    replica = await start(heapMb);
    proxy = await FaultProxy.start(Number(new URL(replica.url).port));
  });
  afterAll(async () => {
    await replica.end('SIGKILL');
    await proxy.close();
    await database.drop();
    if (signal === 'SIGKILL') await CGROUP!.remove();
  });

  /** Posts batches of some MiB, eight at a time, until nobody answers. */
  async function flood(): Promise<void> {
    const client = async (): Promise<void> => {
      for (let isThere = true; isThere;) {
        const events = Array.from({ length: 500 }, () => sampleEvent({ new_state: { note: 'x'.repeat(7_000) } }));
        const url = `${replica.url}/v1/ledgers/flood/events/batch`;
        const headers = { ...AUTHORIZED, 'content-type': 'application/json' };
        const answer = fetch(url, { method: 'POST', headers, body: JSON.stringify({ events }) });
        isThere = await answer.then(
          (response) => response.text().then(() => true),
          () => false,
        );
      }
    };
    await Promise.all(Array.from({ length: 8 }, client));
  }

  it('ends; what it acknowledged is there, and what it did not is taken when it is sent again', async () => {
    const alarms = new Alarms({ 'truetrail-a': `http://127.0.0.1:${metricsPort}/metrics` });
    const submitters = new Submitters(`http://127.0.0.1:${proxy.port}`);
    try {
      await submitters.progress(50);
      await alarms.scrape(3);
      await fetch(`${replica.url}/v1/ledgers/flood`, { method: 'PUT', headers: AUTHORIZED });
      submitters.answers = new Set();
      if (signal === 'SIGKILL') CGROUP!.add(replica.pid, MORE_BYTES);
      await flood();
      await alarms.scrape(2);
      expect(await replica.end('SIGTERM')).toBe(signal); // by itself, before
      if (signal === 'SIGABRT') expect(replica.log).toContain('heap out of memory');
      replica = await start(512);
      proxy.retarget(Number(new URL(replica.url).port));
      await submitters.progress(100);
      await alarms.scrape(3, () => pause(100));
    } finally {
      await submitters.end();
    }
    expect([...submitters.answers].sort()).toEqual(['201', 'no answer']);
    const { sequences, rows } = await checkTrail(database.adminUrl);
    expect(submitters.acknowledged.size).toBe(submitters.sent.size);
    for (const [id, receipt] of submitters.acknowledged) {
      expect(sequences.get(id)).toBe(BigInt(receipt.sequence));
      expect(rows.get(id)!.event_hash.toString('hex')).toBe(receipt.event_hash);
    }
    alarms.expectFired('a replica without memory', ['TruetrailRestarted']);
  });
});
