import { randomUUID } from 'node:crypto';
import { sampleEvent, startService, type TestService } from './support/app.js';
import { createKey, query, serviceEvents } from './support/keys.js';
import { connected, runJob, tamper, verify } from './support/verification.js';

const REASON = 'Changed by an administrator on 3 June: case 2026-17';

describe('findings that somebody has looked at', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
    const events = Array.from({ length: 5 }, () => sampleEvent());
    await service.http().post('/v1/ledgers/main/events/batch').send({ events }).expect(201);
  });
  afterAll(() => service.close());

  async function metric(series: string): Promise<number | undefined> {
    const { text } = await service.http().get('/metrics').expect(200);
    const line = text.split('\n').find((each) => each.startsWith(`${series} `));
    return line === undefined ? undefined : Number(line.slice(series.length + 1));
  }
  const unsettled = () => metric('truetrail_verification_unsettled{ledger="main"}');
  const ofJob = (job: string) => metric(`truetrail_job_unacknowledged_findings{job="${job}"}`);
  const acknowledge = (path: string, body: object = { reason: REASON }, key?: string) =>
    service.http(key).post(`/v1/${path}/acknowledgements`).send(body);
  const change = (sequence: number) =>
    tamper(
      service.database.adminUrl,
      `UPDATE audit_events SET user_id = 'mallory' WHERE ledger = 'main' AND sequence = ${sequence}`,
    );

  it('of a ledger raise no alarm any more, and the next finding does; nothing becomes valid by that', async () => {
    const sound = await verify(service);
    expect(await unsettled()).toBe(0);
    const { body: nothing } = await acknowledge(`ledgers/main/verifications/${sound.id}`).expect(409);
    expect(nothing.type).toBe('/docs/problems/nothing-to-acknowledge');

    await change(2);
    const found = await verify(service);
    expect(found).toMatchObject({ verdict: 'invalid', findings_total: '1' });
    expect(await unsettled()).toBe(1);

    const path = `ledgers/main/verifications/${found.id}`;
    const { body: empty } = await acknowledge(path, { reason: '' }).expect(400);
    expect(empty.errors).toMatchObject([{ pointer: '/reason', rule: 'text' }]);
    const { key: reader } = await createKey(service, ['verifications:run']);
    await acknowledge(path, undefined, reader).expect(403);
    for (const id of [randomUUID(), 'none']) {
      const { body } = await acknowledge(`ledgers/main/verifications/${id}`).expect(404);
      expect(body.type).toBe('/docs/problems/verification-not-found');
    }
    expect(await unsettled()).toBe(1);

    const { key, id } = await createKey(service, ['operations:run']);
    const { body } = await acknowledge(path, { reason: REASON }, key).expect(201);
    expect(body).toEqual({
      id: expect.any(String),
      ledger: 'main',
      job: null,
      run: found.id,
      findings: found.findings,
      findings_total: '1',
      reason: REASON,
      acknowledged_by: `key:${id}`,
      acknowledged_at: expect.stringMatching(/Z$/),
    });
    expect(await serviceEvents(service.database, 'acknowledgement')).toMatchObject([
      {
        entity_id: found.id,
        action: 'acknowledge',
        user_id: `key:${id}`,
        new_state: { id: body.id, ledger: 'main', findings: found.findings, findings_total: '1' },
      },
    ]);
    expect(await unsettled()).toBe(0);

    // the next daily run finds the same, and another one; that it does is an alarm
    expect(await verify(service)).toMatchObject({ verdict: 'invalid', findings: found.findings });
    expect(await metric('truetrail_verification_valid{ledger="main"}')).toBe(0);
    expect(await unsettled()).toBe(0);
    await change(4);
    const more = await verify(service);
    expect(more.findings_total).toBe('2');
    expect(await unsettled()).toBe(1);

    const { body: listed } = await service.http().get('/v1/acknowledgements').expect(200);
    expect(listed).toEqual({ acknowledgements: [body], next_cursor: null });
  });

  it('of a schema, too', async () => {
    const owner = (statement: string) => connected(service.database.ownerUrl, (client) => client.query(statement));
    expect((await runJob(service, 'schema-check')).outcome.verdict).toBe('valid');
    expect(await ofJob('schema-check')).toBe(0);
    await owner('CREATE INDEX of_somebody_idx ON audit_events (action)');
    await owner('CREATE TABLE of_somebody (x int)');
    await owner('ALTER TABLE ledgers DROP CONSTRAINT ledgers_state_check');
    const found = await runJob(service, 'schema-check');
    expect(found.outcome.verdict).toBe('invalid');
    const before = await ofJob('schema-check');
    expect(before).toBeGreaterThan(0);
    await acknowledge(`jobs/schema-check/runs/${found.id}`).expect(201);
    expect(await ofJob('schema-check')).toBe(0);
    await runJob(service, 'schema-check');
    expect(await ofJob('schema-check')).toBe(0);
    await owner('ALTER TABLE ledgers DROP CONSTRAINT ledgers_origin_check');
    await runJob(service, 'schema-check');
    expect(await ofJob('schema-check')).toBe(1);
    for (const [job, id] of [
      ['schema-check', randomUUID()],
      ['none', found.id],
    ]) {
      const { body } = await acknowledge(`jobs/${job}/runs/${id}`).expect(404);
      expect(body.type).toBe('/docs/problems/job-not-found');
    }
  });

  it('that are more than a run lists are acknowledged as a whole; what could not be read is none', async () => {
    const objects = (first: number, kind = 'object-changed') =>
      Array.from({ length: 100 }, (_, i) => ({ kind, object_key: `month/${first + i}`, ledger: 'main' }));
    const ran = async (outcome: object): Promise<string> => {
      const [{ id }] = (await query<{ id: string }>(
        service.database,
        `INSERT INTO job_runs (id, job, status, requested_by, created_at, started_at, finished_at, outcome)
           VALUES (gen_random_uuid(), 'schema-check', 'done', 'a test', now(), now(), now(), $1) RETURNING id`,
        [JSON.stringify({ verdict: 'invalid', ...outcome })],
      )) as [{ id: string }];
      return id;
    };
    const id = await ran({ findings: objects(0), findings_total: 250, unreadable: 0 });
    expect(await ofJob('schema-check')).toBe(250);
    await acknowledge(`jobs/schema-check/runs/${id}`).expect(201);
    expect(await ofJob('schema-check')).toBe(0);
    await ran({ findings: objects(0), findings_total: 250 });
    expect(await ofJob('schema-check')).toBe(0);
    // of those that are not listed nobody knows which they are
    await ran({ findings: objects(0), findings_total: 251 });
    expect(await ofJob('schema-check')).toBe(151);
    await ran({ findings: objects(50), findings_total: 100 });
    expect(await ofJob('schema-check')).toBe(50);
    await ran({ findings: objects(0, 'object-unreadable'), findings_total: 100, unreadable: 100 });
    expect(await ofJob('schema-check')).toBe(0);
    const unread = await ran({ findings: objects(0, 'object-unreadable'), findings_total: 100, unreadable: 100 });
    await acknowledge(`jobs/schema-check/runs/${unread}`).expect(409);
    // of a verifier that stops there nobody knows whether there are more than before
    const cut = await ran({ findings: objects(0), findings_total: 1_000 });
    await acknowledge(`jobs/schema-check/runs/${cut}`).expect(201);
    expect(await ofJob('schema-check')).toBe(900);
    await ran({ findings: [], findings_total: 0, verdict: 'valid' });
    expect(await ofJob('schema-check')).toBe(0);
  });

  it('are told of page by page', async () => {
    const all: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const asked = cursor === '' ? { limit: '2' } : { limit: '2', cursor };
      const { body } = await service.http().get('/v1/acknowledgements').query(asked).expect(200);
      all.push(...body.acknowledgements.map(({ id }: { id: string }) => id));
      cursor = body.next_cursor as string | null;
    }
    const rows = await query<{ id: string }>(
      service.database,
      'SELECT id FROM finding_acknowledgements ORDER BY id DESC',
    );
    expect(all).toEqual(rows.map(({ id }) => id));
    expect(all).toHaveLength(4);
    await service.http().get('/v1/acknowledgements?limit=0').expect(400);
    await service.http().get('/v1/acknowledgements?cursor=x').expect(400);
  });
});
