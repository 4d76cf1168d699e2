import pg from 'pg';
import { connectionOptions } from '../src/database/connection.js';
import { sampleEvent, startService, type TestService } from './support/app.js';
import { createTestDatabase, type TestDatabase } from './support/database.js';
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
