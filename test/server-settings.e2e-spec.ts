import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import request from 'supertest';
import { connectionOptions } from '../src/database/connection.js';
import { Cluster, type Server } from '../src/database/embedded-cluster.js';
import { startEmbeddedPostgres } from '../src/database/embedded-postgres.js';
import { findPackage } from '../src/database/embedded-programs.js';
import { migrate } from '../src/database/migrate.js';
import { sampleEvent, startService, TEST_KEY, type TestService } from './support/app.js';
import { createTestDatabase, type TestDatabase } from './support/database.js';
import { Replica } from './support/replica.js';
import { connected, record, runJob, verify } from './support/verification.js';

/** What somebody has set for everybody who connects, to values that would change what the service does, or what it sees. */
const SETTINGS: [name: string, value: string][] = [
  ['gin_fuzzy_search_limit', '1'],
  ['statement_timeout', '20s'],
  ['idle_in_transaction_session_timeout', '20s'],
  ['idle_session_timeout', '20s'],
  ['quote_all_identifiers', 'on'],
  ['standard_conforming_strings', 'off'],
  ['default_transaction_isolation', 'serializable'],
  ['default_transaction_read_only', 'on'],
  ['synchronous_commit', 'off'],
  ['TimeZone', 'Asia/Kolkata'],
  ['DateStyle', 'German'],
  ['IntervalStyle', 'iso_8601'],
  ['bytea_output', 'escape'],
  ['search_path', 'pg_catalog'],
];
const EVENTS = 8_000;

it.each(['LATIN1', 'SQL_ASCII'])(
  'a database of the encoding %s is refused before anything is made in it',
  async (encoding) => {
    const name = `truetrail_test_${encoding.toLowerCase()}_${process.pid}`;
    const other = await createTestDatabase();
    await other.drop(); // it said where the server is
    const inDatabase = (url: string, database: string): string =>
      Object.assign(new URL(url), { pathname: `/${database}` }).href;
    const asAdmin = (sql: string): Promise<unknown> =>
      connected(inDatabase(other.adminUrl, 'postgres'), (admin) => admin.query(sql));
    await asAdmin(
      `CREATE DATABASE ${name} OWNER truetrail_owner TEMPLATE template0 ENCODING '${encoding}' LOCALE_PROVIDER libc LOCALE 'C'`,
    );
    try {
      await expect(migrate({ ownerUrl: inDatabase(other.ownerUrl, name) })).rejects.toThrow(
        `The database has the encoding ${encoding}: make one with UTF8`,
      );
    } finally {
      await asAdmin(`DROP DATABASE ${name}`);
    }
  },
);

describe('a server on which fsync is switched off while it runs', () => {
  let folder: string;
  let server: Server;
  let adminUrl: string;
  let replica: Replica;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'truetrail-server-settings-'));
    chmodSync(folder, 0o711);
    const dataDir = join(folder, 'data');
    const embedded = await startEmbeddedPostgres({ dataDir, log: () => undefined });
    await migrate({ ownerUrl: embedded.ownerUrl, serviceUrl: embedded.serviceUrl });
    await embedded.stop();
    // as somebody else's server: ours has these settings on its command line, where nobody changes them
    const settings = { listen_addresses: '127.0.0.1', unix_socket_directories: '' };
    const ignore = (): void => undefined;
    server = await new Cluster(dataDir, findPackage(), ignore, settings, ignore).start();
    const here = (url: string): string => Object.assign(new URL(url), { port: String(server.port) }).href;
    adminUrl = here(embedded.adminUrl);
    replica = await Replica.start({ DATABASE_URL: here(embedded.serviceUrl) });
  });
  afterAll(async () => {
    await replica?.end('SIGTERM');
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each(['fsync', 'full_page_writes'])(
    'gets no events until it is on again, and the replica is not ready: %s',
    async (name) => {
      const set = async (value: string): Promise<void> =>
        connected(adminUrl, async (admin) => {
          await admin.query(`ALTER SYSTEM SET ${name} = ${value}`);
          await admin.query('SELECT pg_reload_conf()');
        });
      const post = (): Promise<request.Response> =>
        request(replica.url)
          .post('/v1/ledgers/main/events')
          .set('Authorization', `Bearer ${TEST_KEY}`)
          .send(sampleEvent());
      const until = async (status: number): Promise<request.Response> => {
        for (let i = 0; ; i++) {
          const answer = await post();
          if (answer.status === status) return answer;
          if (i === 100) throw new Error(`still ${answer.status}`);
          await pause(100);
        }
      };
      await until(201);
      await set('off');
      const { body, headers } = await until(503);
      expect(body).toMatchObject({
        type: '/docs/problems/database-unavailable',
        detail: expect.stringContaining(`${name} = off`),
      });
      expect(headers['retry-after']).toBeDefined();
      const { body: ready } = await request(replica.url).get('/health/ready').expect(503);
      expect(ready.obstacles).toEqual(['database-not-durable']);
      await set('on');
      await until(201);
      await request(replica.url).get('/health/ready').expect(200);
    },
  );
});

describe('a database with settings of its own', () => {
  let database: TestDatabase;
  let service: TestService;
  beforeAll(async () => {
    database = await createTestDatabase();
    await connected(database.adminUrl, async (admin) => {
      for (const [name, value] of SETTINGS) {
        await admin.query(
          `ALTER DATABASE ${database.name} SET ${name} TO ${name === 'search_path' ? value : `'${value}'`}`,
        );
      }
    });
    service = await startService({ database });
  });
  afterAll(async () => {
    await service.close();
    await database.drop();
  });

  it('has none of them on connections of ours, which have no time limit by themselves', async () => {
    const client = new pg.Client(
      connectionOptions({ url: database.serviceUrl, asService: true, applicationName: 'test', lockTimeoutMs: 0 }),
    );
    await client.connect();
    try {
      const { rows } = await client.query<{ name: string; setting: string; source: string }>(
        `SELECT name, setting, source FROM pg_settings WHERE name = ANY ($1) AND source <> 'client'`,
        [SETTINGS.map(([name]) => name)],
      );
      expect(rows).toEqual([]);
      const limits = await client.query(
        `SELECT name, setting FROM pg_settings WHERE name ~ '^(statement|idle.*session)_timeout$|^gin_fuzzy' ORDER BY name`,
      );
      expect(limits.rows).toEqual(
        [
          'gin_fuzzy_search_limit',
          'idle_in_transaction_session_timeout',
          'idle_session_timeout',
          'statement_timeout',
        ].map((name) => ({ name, setting: '0' })),
      );
    } finally {
      await client.end();
    }
  });

  it('has every event found that there is, also by an index that may leave some out', async () => {
    await record(service, EVENTS, 'main', (i) => ({ metadata: { client_id: 'C-1', desk: String(i % 4) } }));
    await connected(database.adminUrl, (admin) => admin.query('VACUUM ANALYZE public.audit_events'));
    const { text } = await service
      .http()
      .get('/v1/ledgers/main/events?metadata.client_id=C-1&metadata.desk=1')
      .set('Accept', 'application/x-ndjson')
      .expect(200);
    expect(text.trimEnd().split('\n')).toHaveLength(EVENTS / 4 + 1);
  });

  it('is no finding', async () => {
    await service.http().post('/v1/ledgers/main/events').send(sampleEvent()).expect(201);
    expect(await verify(service)).toMatchObject({ verdict: 'valid' });
    const { outcome } = await runJob(service, 'schema-check');
    expect(outcome).toMatchObject({ verdict: 'valid', findings: [] });
  });
});
