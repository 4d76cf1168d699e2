import { request as httpRequest } from 'node:http';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { sampleEvent, startService, TEST_KEY, type TestService } from './support/app.js';
import { createTestDatabase } from './support/database.js';
import { freePort } from './support/free-port.js';
import { createKey, query, serviceEvents } from './support/keys.js';
import { Replica } from './support/replica.js';

describe('API keys', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.close());

  const create = (body: object, key = TEST_KEY) => service.http(key).post('/v1/api-keys').send(body);
  const wanted = { name: 'order gateway', scopes: ['events:write'], ledgers: ['main'] };

  it('are shown once, work at once, and are recorded by the principal that made them', async () => {
    const { body } = await create({ ...wanted, expires_at: '2099-12-31T23:59:59.1234567+01:00' }).expect(201);
    expect(body.key).toMatch(/^tt_[\w-]{43}$/);
    expect(body).toMatchObject({
      ...wanted,
      expires_at: '2099-12-31T22:59:59.123456Z',
      revoked_at: null,
      revoked_by: null,
    });
    await service.http(body.key).post('/v1/ledgers/main/events').send(sampleEvent()).expect(201);

    const { key: _, ...shown } = body;
    expect((await service.http().get(`/v1/api-keys/${body.id.toUpperCase()}`).expect(200)).body).toEqual(shown);
    const list = await service.http().get('/v1/api-keys').expect(200);
    expect(list.body.keys).toContainEqual(shown);
    expect(list.text).not.toContain(body.key);

    const recorded = await serviceEvents(service.database, 'api_key');
    expect(recorded.find((event) => event.entity_id === body.id)).toEqual({
      entity_id: body.id,
      action: 'create',
      user_id: shown.created_by,
      recorded_by: 'service',
      new_state: { ...wanted, expires_at: '2099-12-31T22:59:59.123456Z' },
    });
    expect(shown.created_by).toMatch(/^key:[0-9a-f-]{36}$/);
    const stored = await query(service.database, 'SELECT k::text FROM api_keys AS k');
    expect(JSON.stringify(stored)).not.toContain(body.key);
  });

  it('are revoked for good, at once where it is done; twice changes and records nothing', async () => {
    const { id, key } = await createKey(service, ['events:read']);
    await service.http(key).get('/v1/ledgers').expect(200);
    // requests that are under way while it happens must not bring the key back
    const underWay = Array.from({ length: 20 }, () => service.http(key).get('/v1/ledgers'));
    const [{ body: revoked }] = await Promise.all([
      service.http().delete(`/v1/api-keys/${id}`).expect(200),
      ...underWay,
    ]);
    await service.http(key).get('/v1/ledgers').expect(401);
    expect(revoked.revoked_at).toMatch(/^\d{4}-.*Z$/);
    expect(revoked.revoked_by).toBe(revoked.created_by);

    expect((await service.http().delete(`/v1/api-keys/${id}`).expect(200)).body).toEqual(revoked);
    const events = (await serviceEvents(service.database, 'api_key')).filter((event) => event.entity_id === id);
    expect(events.map(({ action }) => action)).toEqual(['create', 'revoke']);
  });

  it('are 404 when there is none of that id, whatever it looks like', async () => {
    for (const id of ['0197f3a1-6c00-7000-8000-0000000000c1', 'x', '%00', "'"]) {
      for (const method of ['get', 'delete'] as const) {
        const { body } = await service.http()[method](`/v1/api-keys/${id}`).expect(404);
        expect(body.type).toBe('/docs/problems/key-not-found');
      }
    }
  });

  it('stop working on another replica within its cache time', async () => {
    const other = await startService({ database: service.database });
    try {
      const { id, key } = await createKey(service, ['events:read']);
      await other.http(key).get('/v1/ledgers').expect(200);
      await service.http().delete(`/v1/api-keys/${id}`).expect(200);
      const revokedAt = performance.now();
      for (;;) {
        const sentAt = performance.now();
        if ((await other.http(key).get('/v1/ledgers')).status === 401) break;
        expect(sentAt - revokedAt).toBeLessThan(6_000);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    } finally {
      await other.close();
    }
  });

  it('stop working at the moment that they expire, also when they were just used', async () => {
    const expiresAt = Date.now() + 1_500;
    const { body } = await create({
      ...wanted,
      scopes: ['events:read'],
      expires_at: new Date(expiresAt).toISOString(),
    });
    await service.http(body.key).get('/v1/ledgers').expect(200);
    for (;;) {
      const sentAt = Date.now();
      if ((await service.http(body.key).get('/v1/ledgers')).status !== 200) break;
      expect(sentAt).toBeLessThan(expiresAt);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(Date.now()).toBeGreaterThan(expiresAt - 500);
  });

  it('cut off a stream that goes on after they were revoked', async () => {
    const { id, key } = await createKey(service, ['events:write']);
    const stream = httpRequest(`${service.url}/v1/ledgers/main/events/stream`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/x-ndjson' },
    });
    stream.write(`${JSON.stringify(sampleEvent())}\n`);
    const [response] = await once(stream, 'response');
    await once(response, 'data'); // the first receipt
    response.resume();
    const cut = new Promise((resolve) => stream.once('error', resolve).once('close', resolve));
    await service.http().delete(`/v1/api-keys/${id}`).expect(200);
    await cut; // within Jest's timeout
  });

  describe('grant only what their maker holds', () => {
    it('scopes: 403 names those that are lacking', async () => {
      const { key } = await createKey(service, ['keys:manage', 'events:read']);
      const { body } = await create(
        { ...wanted, scopes: ['events:read', 'events:write', 'operations:run'] },
        key,
      ).expect(403);
      expect(body.detail).toContain('the scope events:write, the scope operations:run');
      expect(body.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual(['/scopes/1', '/scopes/2']);
      await create({ ...wanted, scopes: ['events:read'] }, key).expect(201);
    });

    it('ledgers: 403 names those that are lacking, and * is more than any list', async () => {
      const { key } = await createKey(service, ['keys:manage'], ['main']);
      const scopes = ['keys:manage'];
      const other = await create({ ...wanted, scopes, ledgers: ['main', 'desk-2'] }, key).expect(403);
      expect(other.body.detail).toContain('the ledger desk-2');
      const every = await create({ ...wanted, scopes, ledgers: ['*'] }, key).expect(403);
      expect(every.body.detail).toContain('every ledger (*)');
      await create({ ...wanted, scopes }, key).expect(201);
    });

    it('and see and revoke only those of their own ledgers', async () => {
      const powerful = await createKey(service, ['events:read'], ['*']);
      const { key } = await createKey(service, ['keys:manage'], ['main']);
      const list = await service.http(key).get('/v1/api-keys').expect(200);
      expect(list.body.keys.length).toBeGreaterThan(0);
      for (const { ledgers } of list.body.keys) expect(ledgers).toEqual(['main']);
      await service.http(key).get(`/v1/api-keys/${powerful.id}`).expect(404);
      await service.http(key).delete(`/v1/api-keys/${powerful.id}`).expect(404);
      await service.http(powerful.key).get('/v1/ledgers').expect(200);
    });
  });

  it.each<[string, object, string, string]>([
    ['an unknown scope', { scopes: ['events:read', 'events:erase', 'x'] }, '/scopes', '"events:erase", "x"'],
    ['no scope', { scopes: [] }, '/scopes', '1 to 12'],
    ['a scope twice', { scopes: ['events:read', 'events:read'] }, '/scopes', 'only once'],
    ['scopes that are no list', { scopes: 'events:read' }, '/scopes', 'list'],
    ['no ledger', { ledgers: [] }, '/ledgers', '1 to 100'],
    ['a ledger that cannot be', { ledgers: ['Main'] }, '/ledgers', '"Main"'],
    ['an expiry in the past', { expires_at: '2020-01-01T00:00:00Z' }, '/expires_at', 'future'],
    ['an expiry that is no time', { expires_at: 'tomorrow' }, '/expires_at', 'expires_at'],
    ['an expiry of null', { expires_at: null }, '/expires_at', 'string'],
    ['a name that is too long', { name: 'x'.repeat(101) }, '/name', '100'],
    ['no name', { name: undefined }, '/name', '100'],
    ['an unknown member', { role: 'admin' }, '/role', 'not known'],
  ])('are refused with %s, by 400 that says so', async (_what, members, pointer, words) => {
    const { body } = await create({ ...wanted, ...members }).expect(400);
    expect(body.type).toBe('/docs/problems/invalid-body');
    expect(body.errors).toEqual([expect.objectContaining({ pointer, detail: expect.stringContaining(words) })]);
  });

  it('refuse a body that is none', async () => {
    const post = () => service.http().post('/v1/api-keys');
    expect((await post().expect(400)).body.type).toBe('/docs/problems/invalid-json');
    await post().set('content-type', 'application/json').send('[]').expect(400);
    await post().set('content-type', 'application/json').send('{"name":"a","name":"b"}').expect(400);
    await post().set('content-type', 'text/plain').send('x').expect(415);
  });
});

describe('API keys, when nothing can be recorded', () => {
  it('neither come to be nor end', async () => {
    const service = await startService();
    try {
      const { id, key } = await createKey(service, ['events:read']);
      await query(service.database, `UPDATE ledgers SET state = 'closed' WHERE ledger = '_service'`);
      const before = await query(service.database, 'SELECT * FROM api_keys ORDER BY id');
      const made = await service
        .http()
        .post('/v1/api-keys')
        .send({ name: 'x', scopes: ['events:read'], ledgers: ['main'] });
      expect(made.status).toBeGreaterThanOrEqual(400);
      const revoked = await service.http().delete(`/v1/api-keys/${id}`);
      expect(revoked.status).toBeGreaterThanOrEqual(400);
      expect(await query(service.database, 'SELECT * FROM api_keys ORDER BY id')).toEqual(before);
      await service.http(key).get('/v1/ledgers').expect(200);
    } finally {
      await service.close();
    }
  });
});

describe('the first key', () => {
  it('is made and recorded once when replicas start together', async () => {
    const first = await startService();
    const replicas = await Promise.all(
      Array.from({ length: 3 }, () =>
        startService({
          database: first.database,
          env: { BOOTSTRAP_API_KEY: 'another-bootstrap-key-0123456789abcdef' },
        }),
      ),
    );
    try {
      for (const replica of replicas) {
        await replica.http('another-bootstrap-key-0123456789abcdef').get('/v1/ledgers').expect(200);
      }
      const events = await serviceEvents(first.database, 'api_key');
      expect(events.map(({ action, user_id }) => `${action} by ${user_id}`)).toEqual([
        'create by service',
        'create by service',
      ]);
      expect(await query(first.database, 'SELECT id FROM api_keys ORDER BY id')).toEqual(
        events.map(({ entity_id: id }) => ({ id })),
      );
    } finally {
      for (const replica of replicas) await replica.close();
      await first.close();
    }
  });

  it('is shown also when the start fails after it was made: the next start makes no other', async () => {
    const database = await createTestDatabase();
    const taken = await freePort();
    const other = createServer().listen(taken, '127.0.0.1');
    const env = { DATABASE_URL: database.serviceUrl, HOST: '127.0.0.1' };
    try {
      const failure = await Replica.start({ ...env, PORT: String(taken) }, undefined, ['BOOTSTRAP_API_KEY']).catch(
        (error: Error) => error.message,
      );
      expect(failure).toContain('EADDRINUSE');
      const key = /export TRUETRAIL_KEY=(tt_\S+)/.exec(failure as string)?.[1];
      const replica = await Replica.start(env, undefined, ['BOOTSTRAP_API_KEY']);
      try {
        expect(replica.log).not.toContain('TRUETRAIL_KEY');
        const headers = { authorization: `Bearer ${key}` };
        expect((await fetch(`${replica.url}/v1/ledgers`, { headers })).status).toBe(200);
      } finally {
        await replica.end('SIGTERM');
      }
    } finally {
      other.close();
      await database.drop();
    }
  });
});
