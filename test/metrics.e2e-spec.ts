import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { sampleEvent, startService, TEST_KEY, type TestService } from './support/app.js';
import { freePort } from './support/free-port.js';
import { createKey, query } from './support/keys.js';
import { tamper } from './support/verification.js';

/** Values by name and labels, as `truetrail_ledger_size{ledger="main"}`. Throws at a line that is not of the format. */
function parse(text: string): Map<string, number> {
  const values = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (line === '' || /^# (HELP|TYPE) \w+ ./.test(line)) continue;
    // prom-client writes Nan, which Prometheus takes as well
    const match = /^(\w+(?:\{.*\})?) ([-+.\de]+|[+-]?Inf|NaN|Nan)$/.exec(line);
    if (!match) throw new Error(`not Prometheus' text format: ${line}`);
    expect(values.has(match[1]!)).toBe(false);
    values.set(match[1]!, Number(match[2]));
  }
  return values;
}

async function connected(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** Of src/database/connection.ts: how long a read waits for a connection. */
const CONNECTION_WAIT_MS = 10_000;

describe('/metrics', () => {
  let service: TestService;
  let port: number;
  beforeAll(async () => {
    port = await freePort();
    service = await startService({ env: { METRICS_PORT: String(port) } });
  });
  afterAll(() => service.close());

  const scrape = async (): Promise<Map<string, number>> => {
    const response = await fetch(`http://127.0.0.1:${port}/metrics`);
    expect(response.status).toBe(200);
    return parse(await response.text());
  };

  it('is on the port of the API with a key of operations:run that is for every ledger', async () => {
    const answer = await service.http().get('/metrics').expect(200);
    expect(answer.headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(parse(answer.text).get('truetrail_database_up')).toBe(1);
    const { key } = await createKey(service, ['operations:run'], ['main']);
    const refused = await service.http(key).get('/metrics').expect(403);
    expect(refused.body.detail).toContain('all ledgers');
    await service.http(null).get('/metrics').expect(401);
  });

  it('tells the room on the disks that it writes to', async () => {
    const root = await mkdtemp(join(tmpdir(), 'truetrail-disks-'));
    const other = await startService({ env: { DATA_DIR: root, ARCHIVE_URL: 'file:archive' } });
    const { text } = await other.http().get('/metrics').expect(200);
    await other.close();
    await rm(root, { recursive: true });
    const values = parse(text);
    for (const folder of ['data', 'tmp', 'archive']) {
      const size = values.get(`truetrail_disk_size_bytes{folder="${folder}"}`)!;
      expect(size).toBeGreaterThan(1_000_000);
      const available = values.get(`truetrail_disk_available_bytes{folder="${folder}"}`)!;
      expect(available).toBeGreaterThan(0);
      expect(available).toBeLessThanOrEqual(size);
    }
  });

  it('is on METRICS_PORT without a key, and nothing else is', async () => {
    expect((await scrape()).get('truetrail_database_up')).toBe(1);
    const at = `http://127.0.0.1:${port}`;
    for (const path of ['/', '/v1/ledgers', '/health/live', '/metrics/x']) {
      expect((await fetch(`${at}${path}`, { headers: { authorization: `Bearer ${TEST_KEY}` } })).status).toBe(404);
    }
    expect((await fetch(`${at}/metrics`, { method: 'POST', body: 'x' })).status).toBe(404);
    expect((await fetch(`${at}/metrics`, { method: 'HEAD' })).status).toBe(200);
  });

  it('shows ledgers, clocks, connections, and the build', async () => {
    const before = (await scrape()).get('truetrail_ledger_size{ledger="main"}')!;
    await service.http().post('/v1/ledgers/main/events').send(sampleEvent()).expect(201);
    const values = await scrape();
    expect(values.get('truetrail_ledger_size{ledger="main"}')).toBe(before + 1);
    expect(values.get('truetrail_ledger_size{ledger="_service"}')).toBeGreaterThan(0);
    expect(values.get('truetrail_append_events_total{ledger="main"}')).toBe(before + 1);
    expect(Math.abs(values.get('truetrail_clock_difference_seconds')!)).toBeLessThan(2);
    const used = values.get('truetrail_pool_connections{state="used"}')!;
    const idle = values.get('truetrail_pool_connections{state="idle"}')!;
    expect(used + idle).toBeGreaterThan(0);
    expect(values.get('truetrail_pool_waiting')).toBe(0);
    expect(values.get('truetrail_uptime_seconds')).toBeGreaterThan(0);
    expect(values.get(`truetrail_build_info{version="0.1.0",node="${process.version}"}`)).toBe(1);
    expect(values.get('truetrail_process_resident_memory_bytes')).toBeGreaterThan(0);
    expect(values.get('truetrail_internal_errors_total')).toBe(0); // there before the first
    // the server of the tests archives no WAL
    expect([...values.keys()].filter((name) => name.startsWith('truetrail_wal_'))).toEqual(['truetrail_wal_archiving']);
    expect(values.get('truetrail_wal_archiving')).toBe(0);
  });

  it('counts answers by operation and status, and what is no operation as one', async () => {
    const name = (method: string, route: string, status: number): string =>
      `truetrail_http_answers_total{method="${method}",route="${route}",status="${status}"}`;
    const events = '/v1/ledgers/:ledger/events';
    const before = await scrape();
    await service.http().post('/v1/ledgers/main/events').send(sampleEvent()).expect(201);
    await service.http().post('/v1/ledgers/main/events').send({}).expect(400);
    await service.http().get('/nothing/here').expect(404);
    await service.http().get('/nothing/there').expect(404);
    const after = await scrape();
    const more = (key: string): number => (after.get(key) ?? 0) - (before.get(key) ?? 0);
    expect(more(name('POST', events, 201))).toBe(1);
    expect(more(name('POST', events, 400))).toBe(1);
    expect(more(name('GET', 'none', 404))).toBe(2);
  });

  it('shows which keys expire within a month or have in the last week, until they have a successor', async () => {
    const expiries = async (): Promise<Record<string, number>> =>
      Object.fromEntries(
        [...(await scrape())].flatMap(([series, seconds]) => {
          const name = /^truetrail_api_key_remaining_seconds\{name="(.*)"\}$/.exec(series)?.[1];
          return name === undefined ? [] : [[name, Math.round(seconds / 86_400)]];
        }),
      );
    const make = async (name: string, days?: number): Promise<string> => {
      const expires_at = days === undefined ? undefined : new Date(Date.now() + days * 86_400_000).toISOString();
      const wanted = { name, scopes: ['events:write'], ledgers: ['main'], expires_at };
      return (await service.http().post('/v1/api-keys').send(wanted).expect(201)).body.id as string;
    };
    expect(await expiries()).toEqual({}); // the first key never does
    await make('of a quarter', 90);
    await make('of a day', 1); // somebody renews it daily
    const ids = { oms: await make('oms-1', 20), feed: await make('feed "a"', 25) };
    expect(await expiries()).toEqual({ 'oms-1': 20, 'feed \\"a\\"': 25 });
    await make('oms-1', 28);
    expect(await expiries()).toMatchObject({ 'oms-1': 28 });
    await make('oms-1');
    expect(Object.keys(await expiries())).not.toContain('oms-1');

    const end = (interval: string) =>
      tamper(
        service.database.adminUrl,
        `UPDATE api_keys SET created_at = created_at - interval '1 year', expires_at = trail_now() - interval '${interval}' WHERE id = '${ids.feed}'`,
      );
    await end('3 days');
    expect(await expiries()).toEqual({ 'feed \\"a\\"': -3 });
    await end('8 days');
    expect(await expiries()).toEqual({});
    await end('1 day');
    await service.http().delete(`/v1/api-keys/${ids.feed}`).expect(200);
    expect(await expiries()).toEqual({});
  });

  it('shows the age of the oldest snapshot that the login may see, and how many it may not', async () => {
    // autovacuum, whose snapshot is hidden as well, comes and goes
    const hiddenBecome = async (count: number): Promise<Map<string, number>> => {
      for (const began = Date.now(); ; await pause(100)) {
        const values = await scrape();
        if (values.get('truetrail_hidden_snapshots') === count || Date.now() - began > 10_000) return values;
      }
    };
    expect((await hiddenBecome(0)).get('truetrail_hidden_snapshots')).toBe(0);
    const own = await connected(service.database.serviceUrl);
    const foreign = await connected(service.database.adminUrl);
    try {
      for (const client of [own, foreign]) {
        await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
        await client.query('SELECT 1');
      }
      await own.query('SELECT pg_sleep(0.2)');
      const values = await hiddenBecome(1);
      expect(values.get('truetrail_oldest_snapshot_seconds')).toBeGreaterThan(0.2);
      expect(values.get('truetrail_oldest_snapshot_seconds')).toBeLessThan(30);
      expect(values.get('truetrail_hidden_snapshots')).toBe(1);
    } finally {
      await own.end();
      await foreign.end();
    }
    // the connections that asked are the service's role again
    await service.http().get('/v1/ledgers').expect(200);
    const roles = await query<{ usename: string }>(
      service.database,
      `SELECT DISTINCT usename FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'truetrail'`,
    );
    expect(roles).toEqual([{ usename: 'truetrail_app' }]);
  });

  it('answers while the database hangs, and asks it no second time', async () => {
    const blocker = await connected(service.database.adminUrl);
    try {
      await blocker.query('BEGIN; LOCK TABLE ledgers IN ACCESS EXCLUSIVE MODE');
      const waiting = async (): Promise<number> => {
        const { rows } = await blocker.query<{ waiting: number }>(
          `SELECT count(*)::integer AS waiting FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'truetrail' AND wait_event_type = 'Lock'`,
        );
        return rows[0]!.waiting;
      };
      const began = performance.now();
      const [first, second] = await Promise.all([scrape(), scrape()]);
      const asked = await waiting();
      expect(asked).toBeGreaterThan(0);
      const third = await scrape();
      expect(await waiting()).toBe(asked);
      expect(performance.now() - began).toBeLessThan(9_000);
      for (const values of [first, second, third]) {
        expect(values.get('truetrail_database_up')).toBe(0);
        expect([...values.keys()].filter((name) => /ledger_size|snapshot/.test(name))).toEqual([]);
        expect(values.get('truetrail_uptime_seconds')).toBeGreaterThan(0);
      }
    } finally {
      await blocker.end();
    }
    while ((await scrape()).get('truetrail_database_up') !== 1);
  });

  it('does not take the database for away while reads wait for connections; nor does readiness', async () => {
    const blocker = await connected(service.database.adminUrl);
    const event = sampleEvent();
    await service.http().post('/v1/ledgers/main/events').send(event).expect(201);
    const ofJobs = (values: Map<string, number>): string[] =>
      [...values.keys()].filter((each) => each.startsWith('truetrail_job_last_success_age_seconds')).sort();
    const before = ofJobs(await scrape());
    expect(before).not.toEqual([]);
    try {
      await blocker.query('BEGIN; LOCK TABLE audit_events IN ACCESS EXCLUSIVE MODE');
      const history = `/v1/ledgers/main/orders/${String(event.entity_id)}/history`;
      const askedAt = performance.now();
      const reads = Array.from({ length: 14 }, () =>
        service
          .http()
          .get(history)
          .then(({ status }) => status),
      );
      let values = await scrape();
      for (let i = 0; !(values.get('truetrail_pool_waiting')! > 0); i++) {
        if (i > 20) throw new Error('no read waits');
        await pause(100);
        values = await scrape();
      }
      expect(values.get('truetrail_database_up')).toBe(1);
      await service.http(null).get('/health/ready').expect(200);
      // what needs a connection of the reads has its last values, and the next scrape says since when
      const began = performance.now();
      expect(ofJobs(await scrape())).toEqual(before);
      expect(performance.now() - began).toBeLessThan(6_000);
      const kept = 'truetrail_metric_stale_seconds{metric="truetrail_job_last_success_age_seconds"}';
      values = await scrape();
      expect([ofJobs(values), values.get(kept)! > 1]).toEqual([before, true]);
      await blocker.query('ROLLBACK');
      const hasAllWaited = performance.now() - askedAt < CONNECTION_WAIT_MS; // none was refused meanwhile
      const statuses = new Set(await Promise.all(reads));
      expect([...statuses].filter((status) => status !== 200 && (hasAllWaited || status !== 503))).toEqual([]);
      expect(statuses).toContain(200);
    } finally {
      await blocker.end();
    }
  });

  it('answers while the database is away, and says so', async () => {
    const server = { ...service.database, adminUrl: service.database.adminUrl.replace(/\/[^/]*$/, '/postgres') };
    const { name } = service.database;
    await query(server, `ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
    try {
      await query(server, 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name]);
      const values = await scrape();
      expect(values.get('truetrail_database_up')).toBe(0);
      expect([...values.keys()].filter((each) => /ledger_size|snapshot/.test(each))).toEqual([]);
      expect(values.has('truetrail_pool_connections{state="idle"}')).toBe(true);
    } finally {
      await query(server, `ALTER DATABASE ${name} ALLOW_CONNECTIONS true`);
    }
    expect((await scrape()).get('truetrail_database_up')).toBe(1);
  });

  it('ends with the service, which does not start where the port is taken', async () => {
    const other = await freePort();
    const second = await startService({ database: service.database, env: { METRICS_PORT: String(other) } });
    const kept = await fetch(`http://127.0.0.1:${other}/metrics`);
    await kept.text();
    await second.close();
    await expect(fetch(`http://127.0.0.1:${other}/metrics`)).rejects.toThrow();
    await expect(startService({ database: service.database, env: { METRICS_PORT: String(port) } })).rejects.toThrow(
      /METRICS_PORT .*EADDRINUSE/,
    );
  });
});
