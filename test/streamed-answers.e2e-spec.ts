import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { LongReads } from '../src/long-reads/long-reads.js';
import { Health } from '../src/operation/health.js';
import { sampleEvent, startService, TEST_KEY, type TestService } from './support/app.js';
import { createTestDatabase } from './support/database.js';
import { Replica } from './support/replica.js';

const LINES = { accept: 'application/x-ndjson', authorization: `Bearer ${TEST_KEY}` };

/** What came of an answer before it ended or was cut. */
interface Received {
  status: number;
  text: string;
  whole: boolean;
}

function open(url: string): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    http.get(url, { headers: LINES, agent: false }, resolve).on('error', reject);
  });
}

async function receive(url: string): Promise<Received> {
  const answer = await open(url);
  let text = '';
  answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  answer.on('error', () => undefined);
  await new Promise((resolve) => answer.once('close', resolve));
  return { status: answer.statusCode!, text, whole: answer.complete };
}

async function fill(url: string, ledger: string, count: number, members: object = {}, batch = 5_000): Promise<void> {
  const headers = { authorization: `Bearer ${TEST_KEY}`, 'content-type': 'application/json' };
  await fetch(`${url}/v1/ledgers/${ledger}`, { method: 'PUT', headers: { authorization: headers.authorization } });
  for (let done = 0; done < count; done += batch) {
    const events = Array.from({ length: Math.min(batch, count - done) }, (_, i) =>
      sampleEvent({ event_id: randomUUID(), entity_id: `O-${(done + i) % 7}`, ...members }),
    );
    const body = JSON.stringify({ events });
    const answer = await fetch(`${url}/v1/ledgers/${ledger}/events/batch`, { method: 'POST', headers, body });
    if (answer.status !== 201) throw new Error(await answer.text());
    await answer.arrayBuffer();
  }
}

describe('answers in lines', () => {
  let service: TestService;
  let admin: pg.Client;
  beforeAll(async () => {
    service = await startService();
    admin = new pg.Client({ connectionString: service.database.adminUrl });
    await admin.connect();
  });
  afterAll(async () => {
    await admin.end();
    await service.close();
  });
  const at = (path: string): string => `${service.url}/v1/ledgers/${path}`;
  const reads = async (): Promise<Record<string, unknown>[]> => {
    const { body } = await service.http().get('/v1/ledgers/_service/events').query({ event_type: 'read' }).expect(200);
    return body.events;
  };

  it('are on record before their first byte: who read what, and as of when', async () => {
    await fill(service.url, 'recorded', 3);
    const search = await receive(at('recorded/events?from=2026-06-02T10:15:00%2B02:00&metadata.client_id=C-77'));
    const history = await receive(at('recorded/orders/O-1/history'));
    expect([search.text.split('\n').length, history.text.split('\n').length]).toEqual([5, 3]);
    const recorded = await reads();
    expect(recorded).toMatchObject([
      {
        entity_type: 'ledger',
        entity_id: 'recorded',
        action: 'search',
        user_id: expect.stringMatching(/^key:/),
        recorded_by: 'service',
        new_state: {
          as_of: '3',
          parameters: {
            from: '2026-06-02T08:15:00.000000000Z',
            'metadata.client_id': 'C-77',
            sort: 'timestamp',
            order: 'asc',
          },
        },
      },
      { action: 'history', entity_id: 'recorded', new_state: { as_of: '3', parameters: { order_id: 'O-1' } } },
    ]);
    await service.http().get('/v1/ledgers/recorded/events').expect(200); // a page is not
    expect(await reads()).toHaveLength(2);
  });

  it('are refused when they cannot be recorded', async () => {
    await fill(service.url, 'unrecorded', 3);
    const before = await reads();
    await admin.query(`UPDATE ledgers SET state = 'closed' WHERE ledger = '_service'`);
    try {
      for (const path of ['unrecorded/events', 'unrecorded/orders/O-1/history']) {
        const { body } = await service.http().get(`/v1/ledgers/${path}`).set('accept', LINES.accept).expect(503);
        expect(body).toMatchObject({ type: '/docs/problems/not-recorded-as-read' });
        expect(body).not.toHaveProperty('events');
      }
    } finally {
      await admin.query(`UPDATE ledgers SET state = 'open' WHERE ledger = '_service'`);
    }
    expect(await reads()).toEqual(before);
  });

  it('hold everything, so that a limit is refused; a cursor goes on from its place', async () => {
    await fill(service.url, 'limits', 7);
    for (const path of ['events', 'orders/O-1/history']) {
      const { body } = await service.http().get(`/v1/ledgers/limits/${path}?limit=5`).set(LINES).expect(400);
      expect(body.errors).toMatchObject([{ pointer: '/query/limit', rule: 'lines' }]);
    }
    const { body } = await service.http().get('/v1/ledgers/limits/events?limit=5').expect(200);
    const { text } = await receive(at(`limits/events?cursor=${body.next_cursor}`));
    expect(text.split('\n').at(-2)).toBe('{"end":{"events":"2","as_of":"7","archived_to":"0"}}');
  });

  it('are problems when they fail at once, and cut off when they fail later: a damaged row is never left out', async () => {
    await fill(service.url, 'damaged', 2_500, { entity_id: 'O-1' });
    const { rows } = await admin.query<{ leaf: string }>(
      `SELECT DISTINCT tableoid::regclass AS leaf FROM audit_events WHERE ledger = 'damaged'`,
    );
    await admin.query(`ALTER TABLE ${rows[0]!.leaf} DISABLE TRIGGER ALL`);
    await admin.query(
      `UPDATE ${rows[0]!.leaf} SET metadata = '{"n": 9007199254740993}' WHERE ledger = 'damaged' AND sequence = 2200`,
    );
    await admin.query(`ALTER TABLE ${rows[0]!.leaf} ENABLE TRIGGER ALL`);

    for (const path of ['damaged/events', 'damaged/orders/O-1/history']) {
      const { text, whole, status } = await receive(at(path));
      expect([status, whole]).toEqual([200, false]);
      expect(text).not.toContain('"end"');
      expect(text.split('\n').length).toBeGreaterThan(1_000);
      expect(text).not.toContain('"sequence":"2200"');
    }
    const { rows: ids } = await admin.query(
      `SELECT event_id AS id FROM event_keys WHERE ledger = 'damaged' AND sequence = 2200`,
    );
    for (const path of ['events?from_sequence=2200', 'orders/O-1/history', `events/${ids[0].id}`]) {
      const { body } = await service.http().get(`/v1/ledgers/damaged/${path}`).expect(500);
      expect(body.type).toBe('/docs/problems/damaged-record');
      expect(body.detail).toContain('2200');
    }
    const { status, text } = await receive(at('damaged/events?from_sequence=2200'));
    expect([status, JSON.parse(text).type]).toEqual([500, '/docs/problems/damaged-record']);
    await service.http().get('/v1/ledgers/damaged/events?to_sequence=2199').expect(200);

    await admin.query(`ALTER TABLE ${rows[0]!.leaf} DISABLE TRIGGER ALL`);
    await admin.query(`DELETE FROM ${rows[0]!.leaf} WHERE ledger = 'damaged' AND sequence = 2200`);
    await admin.query(`ALTER TABLE ${rows[0]!.leaf} ENABLE TRIGGER ALL`);
    const { body } = await service.http().get(`/v1/ledgers/damaged/events/${ids[0].id}`).expect(500);
    expect(body.type).toBe('/docs/problems/damaged-record'); // its key is there
  });

  /** When the service last asked the database for anything of a long read. */
  const lastRead = async (): Promise<number> => {
    const { rows } = await admin.query<{ at: string | null }>(
      `SELECT extract(epoch FROM max(query_start)) * 1000 AS at FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'truetrail long reads'`,
    );
    return Number(rows[0]!.at);
  };
  const openTransactions = async (): Promise<number> => {
    const { rowCount } = await admin.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'truetrail%' AND xact_start IS NOT NULL`,
    );
    return rowCount!;
  };

  it('go at the pace of the client, with no transaction open meanwhile, and end when it goes away', async () => {
    await fill(service.url, 'slow', 2_000, { new_state: { filler: 'x'.repeat(20_000) } }, 500); // 40 MB
    const answer = await open(at('slow/events'));
    answer.on('error', () => undefined);
    await once(answer, 'readable'); // and then nothing
    let before = await lastRead();
    for (let i = 0; i < 50; i++) {
      await sleep(300);
      const now = await lastRead();
      if (now === before) break;
      before = now;
    }
    expect(await lastRead()).toBe(before);
    expect(await openTransactions()).toBe(0);

    let bytes = 0;
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > 20_000_000) break; // reads on, then goes away
    }
    const afterwards = await lastRead();
    expect(afterwards).toBeGreaterThan(before); // it had been waiting
    answer.destroy();
    await sleep(300);
    before = await lastRead();
    await sleep(300);
    expect(await lastRead()).toBe(before);
    expect(await openTransactions()).toBe(0);
  });

  it('leave nothing behind when the client goes away while the read is being recorded', async () => {
    await admin.query(`BEGIN`);
    await admin.query(`SELECT FROM ledger_heads WHERE ledger = '_service' FOR UPDATE`);
    const sockets = Array.from({ length: 6 }, () => http.get(at('slow/events'), { headers: LINES, agent: false }));
    for (const socket of sockets) socket.on('error', () => undefined);
    const reads = service.app.get(LongReads);
    while (reads.underWay < 6) await sleep(20);
    await sleep(500); // their first pages are there, and wait for the record
    for (const socket of sockets) socket.destroy();
    await sleep(200);
    await admin.query('COMMIT');
    for (let i = 0; i < 100 && reads.underWay > 0; i++) await sleep(50);
    expect(reads.underWay).toBe(0);
  });

  it('are refused with 503 while there are too many of them', async () => {
    const small = await startService({ database: service.database, env: { LONG_READ_CONNECTIONS: '1' } });
    try {
      const stalled = [];
      for (let i = 0; i < 4; i++) {
        const answer = await open(`${small.url}/v1/ledgers/slow/events`);
        answer.on('error', () => undefined).pause();
        stalled.push(answer);
      }
      const { status, text } = await receive(`${small.url}/v1/ledgers/slow/events`);
      expect([status, JSON.parse(text).type]).toEqual([503, '/docs/problems/reads-overloaded']);
      stalled[0]!.destroy();
      const reads = small.app.get(LongReads);
      for (let i = 0; i < 100 && reads.underWay > 3; i++) await sleep(50);
      const again = await open(`${small.url}/v1/ledgers/slow/events?to_sequence=1`);
      expect(again.statusCode).toBe(200);
      for (const answer of [...stalled, again]) answer.destroy();
    } finally {
      await small.close();
    }
  });

  it('have a HEAD that is refused for what a GET would be, and says nothing of a length', async () => {
    const head = (path: string) => service.http().head(path).set('accept', 'application/x-ndjson');
    await head('/v1/ledgers/nowhere/events').expect(404);
    await head('/v1/ledgers/main/orders/O-none/history').expect(404);
    const { headers } = await head('/v1/ledgers/slow/events').expect(200);
    expect(headers['content-type']).toContain('application/x-ndjson');
    expect(headers).not.toHaveProperty('content-length');
  });

  it('are cut off when the service stops', async () => {
    const stopping = await startService({ database: service.database });
    try {
      const answer = await open(`${stopping.url}/v1/ledgers/slow/events`);
      answer.on('error', () => undefined);
      await once(answer, 'readable');
      stopping.app.get(Health).stop();
      answer.resume();
      await new Promise((resolve) => answer.once('close', resolve));
      expect(answer.complete).toBe(false);
    } finally {
      await stopping.close();
    }
  });
});

describe('memory of answers in lines', () => {
  it('does not grow with their length: a heap that could not hold them is enough', async () => {
    const database = await createTestDatabase();
    const env = { DATABASE_URL: database.serviceUrl, DATABASE_OWNER_URL: database.ownerUrl };
    const writer = await Replica.start(env);
    await fill(writer.url, 'many', 30_000);
    await fill(writer.url, 'large', 600, { new_state: { filler: 'x'.repeat(250_000) } }, 50);
    await writer.end('SIGTERM');
    // Resident memory says little: V8 collects when it likes to, and takes 200 MB more or less for the same answer.
    const reader = await Replica.start({ ...env, NODE_OPTIONS: '--max-old-space-size=128' });
    try {
      for (const [path, events, leastBytes] of [
        ['many/events', 30_000, 24_000_000],
        ['many/events?order=desc&sort=timestamp', 30_000, 24_000_000],
        ['many/orders/O-3/history', 4_286, 3_500_000],
        ['large/events', 600, 150_000_000],
        ['large/orders/O-3/history', 86, 21_000_000],
      ] as const) {
        const answer = await open(`${reader.url}/v1/ledgers/${path}`);
        let bytes = 0;
        let end = '';
        for await (const chunk of answer as AsyncIterable<Buffer>) {
          bytes += chunk.length;
          end = (end + chunk.toString('latin1')).slice(-100);
        }
        expect(end).toContain(`{"end":{"events":"${events}",`);
        expect(bytes).toBeGreaterThan(leastBytes);
      }
    } finally {
      await reader.end('SIGTERM');
      await database.drop();
    }
  });
});
