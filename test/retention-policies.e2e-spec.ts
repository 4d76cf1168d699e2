import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { OBJECT_STORE } from '../src/archive/archive-store.js';
import type { ObjectStore } from '../src/archive/object-store.js';
import { startService, sampleEvent, type TestService } from './support/app.js';
import { createKey, query } from './support/keys.js';
import { folderStore, STORES, type TestStore } from './support/stores.js';
import { ANY_DIFFERENCE_MS, moveTrailClock } from './support/trail-clock.js';
import { connected, runJob, tamper, verify } from './support/verification.js';

/** A day of the month that lies `back` months before the present one, noon. */
function monthsAgo(back: number, day = 15): Date {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - back, day, 12));
}

const REASON = 'Request of the authority, letter of 12 May';
const DAY_MS = 86_400_000;

function yearsAfter(time: Date, years: number): Date {
  const later = new Date(time);
  later.setUTCFullYear(later.getUTCFullYear() + years);
  return later;
}

interface RecordedAct {
  action: string;
  entity_type: string;
  user_id: string;
  new_state: Record<string, unknown>;
  metadata: Record<string, unknown>;
}

const acts = (service: TestService, entityType: string): Promise<RecordedAct[]> =>
  query<RecordedAct & pg.QueryResultRow>(
    service.database,
    `SELECT action, entity_type, user_id, new_state, metadata FROM audit_events
       WHERE ledger = '_service' AND event_type = 'retention' AND entity_type = $1 ORDER BY sequence`,
    [entityType],
  );

describe('retention policies', () => {
  let service: TestService;
  let key: string;
  beforeAll(async () => {
    service = await startService();
    key = (await createKey(service, ['operations:run'], ['*'])).key;
    await service.http().put('/v1/ledgers/desk-1').expect(201);
  });
  afterAll(() => service.close());

  const policy = (members: object) => ({
    record_class: 'client-orders',
    valid_from: '2026-01-01',
    years: 10,
    reason: REASON,
    ...members,
  });
  const add = (members: object) => service.http(key).post('/v1/retention-policies').send(policy(members));

  it('are added and listed, the default among them, and every addition is recorded', async () => {
    const { body: made } = await add({ ledger: 'main', entity_type: 'order', event_type: 'order_lifecycle' }).expect(
      201,
    );
    expect(made).toMatchObject({ record_class: 'client-orders', ledger: 'main', years: 10, reason: REASON });
    const { body } = await service.http(key).get('/v1/retention-policies').expect(200);
    expect(body.policies).toMatchObject([
      { record_class: 'default', years: 7, ledger: null, created_by: 'service' },
      { id: made.id, created_by: made.created_by },
    ]);
    const recorded = await acts(service, 'retention_policy');
    expect(recorded.map(({ action }) => action)).toEqual(['add', 'add']);
    expect(recorded[1]).toMatchObject({
      user_id: made.created_by,
      new_state: { record_class: 'client-orders', years: 10, ledger: 'main' },
      metadata: { reason: REASON },
    });
  });

  it.each([
    ['than the default', { record_class: 'short', years: 6 }],
    ['than the law', { record_class: 'short', years: 4 }],
    ['of the same class', { years: 9, ledger: 'desk-1' }],
    [
      'of some of the same records',
      { record_class: 'part', years: 8, ledger: 'main', entity_type: 'order', event_type: 'order_lifecycle' },
    ],
    ['of the same class from a later day on', { years: 9, valid_from: '2030-01-01', ledger: 'main' }],
  ])('that would keep records for a shorter time %s are refused, and that is recorded', async (_, members) => {
    const before = (await acts(service, 'retention_policy')).length;
    const { body: listed } = await service.http(key).get('/v1/retention-policies').expect(200);
    const { body } = await add(members).expect(409);
    expect(body.type).toBe('/docs/problems/retention-shortened');
    const recorded = (await acts(service, 'retention_policy')).slice(before);
    expect(recorded).toMatchObject([{ action: 'refuse', new_state: members, metadata: { reason: REASON } }]);
    expect(recorded[0]!.metadata.refusal).toContain('years already');
    expect((await service.http(key).get('/v1/retention-policies').expect(200)).body).toEqual(listed);
  });

  it('about more records, for fewer years than some of them have, leave those as they are', async () => {
    await add({ record_class: 'desk', ledger: 'main', years: 8 }).expect(201);
    await connected(service.database.serviceUrl, async (client) => {
      const years = async (...of: string[]): Promise<number> =>
        (
          await client.query<{ years: number }>(
            `SELECT years FROM retention_of_contents(ARRAY[$1], ARRAY[$2], ARRAY[$3], ARRAY[now()])`,
            of,
          )
        ).rows[0]!.years;
      expect(await years('main', 'order', 'order_lifecycle')).toBe(10);
      expect(await years('main', 'order', 'other')).toBe(8);
      expect(await years('desk-1', 'order', 'order_lifecycle')).toBe(7);
    });
  });

  it('count from their day on', async () => {
    await add({ record_class: 'coming', valid_from: '2150-01-01', entity_type: 'quote', years: 20 }).expect(201);
    await connected(service.database.serviceUrl, async (client) => {
      const { rows } = await client.query<{ years: number }>(
        `SELECT years FROM retention_of_contents(ARRAY['desk-1'], ARRAY['quote'], ARRAY['x'], ARRAY[now()])`,
      );
      expect(rows[0]!.years).toBe(7);
    });
  });

  it('are refused with a bad body, an unknown ledger, or the name of the default', async () => {
    for (const bad of [
      { years: 0 },
      { years: 41 },
      { years: '10' },
      { valid_from: '2026-02-30' },
      { valid_from: 'tomorrow' },
      { record_class: 'Client Orders' },
      { record_class: 'default' },
      { reason: '' },
      { other: 1 },
    ]) {
      const { body } = await add(bad).expect(400);
      expect(body.type).toBe('/docs/problems/invalid-body');
    }
    await add({ ledger: 'unknown', years: 12 }).expect(404);
    await service
      .http((await createKey(service, ['operations:run'])).key)
      .get('/v1/retention-policies')
      .expect(403);
  });

  it('of the configuration grow with it and never shrink, and that it was tried is recorded', async () => {
    const restarted = async (years: string) => {
      const again = await startService({ database: service.database, env: { ARCHIVE_RETENTION_YEARS: years } });
      const { body } = await again.http(key).get('/v1/retention-policies').expect(200);
      await again.close();
      return body.policies
        .filter(({ record_class }: { record_class: string }) => record_class === 'default')
        .map((each: { years: number }) => each.years);
    };
    expect(await restarted('8')).toEqual([7, 8]);
    expect(await restarted('8')).toEqual([7, 8]);
    expect(await restarted('5')).toEqual([7, 8]);
    const recorded = (await acts(service, 'retention_policy')).slice(-2);
    expect(recorded).toMatchObject([
      { action: 'add', new_state: { record_class: 'default', years: 8 } },
      { action: 'refuse', user_id: 'service', new_state: { record_class: 'default', years: 5 } },
    ]);
    expect(recorded[1]!.metadata.refusal).toContain('8 years hold');
    await expect(startService({ env: { ARCHIVE_RETENTION_YEARS: '4' } })).rejects.toThrow('ARCHIVE_RETENTION_YEARS');
  });
});

describe.each(STORES.map((make) => [make.name === 's3Store' ? 'S3' : 'a folder', make] as const))(
  'the locks of objects in %s',
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
      const { status, outcome } = await runJob(service, job);
      if (status !== 'done') throw new Error(JSON.stringify(outcome));
      return outcome as unknown as Record<string, unknown>;
    }

    async function record(ledger: string, members: object): Promise<void> {
      const events = Array.from({ length: 5 }, () => sampleEvent({ ...members }));
      await service.http().post(`/v1/ledgers/${ledger}/events/batch`).send({ events }).expect(201);
    }

    /** A month with orders of two ledgers, and the next with users alone; both sealed and archived. */
    async function archiveTwoMonths(): Promise<void> {
      await moveTrailClock(admin, monthsAgo(4));
      await run('partition-maintenance');
      await record('main', {});
      await record('desk-1', { entity_type: 'quote', event_type: 'quote' });
      await moveTrailClock(admin, monthsAgo(3));
      await run('partition-maintenance');
      await record('main', { entity_type: 'user', event_type: 'login' });
      await moveTrailClock(admin, new Date());
      await run('partition-maintenance');
      await run('archive-export');
    }

    const objects = async () =>
      (await service.http().get('/v1/ledgers/main/archive/objects').expect(200)).body.objects as Record<
        'number' | 'kind' | 'object_key' | 'version_id' | 'retain_until' | 'record_class' | 'reason',
        string
      >[];
    const lockOf = async ({ object_key: key, version_id: versionId }: { object_key: string; version_id: string }) =>
      (await test.store.describe({ key, versionId })).retainUntil!.toISOString();
    const seconds = (time: Date): number => Math.floor(time.getTime() / 1000);

    it('are those of the class that is kept the longest, and move on when a policy comes, and never back', async () => {
      const add = (members: object) =>
        service
          .http()
          .post('/v1/retention-policies')
          .send({ valid_from: '2020-01-01', reason: REASON, ...members })
          .expect(201);
      await service.http().put('/v1/ledgers/desk-1').expect(201);
      await add({ record_class: 'quotes', ledger: 'desk-1', entity_type: 'quote', years: 9 });
      await archiveTwoMonths();
      const written = await objects();
      const ofMonths = written.filter(({ kind }) => kind !== 'early');
      expect(ofMonths.map(({ kind, record_class, reason }) => [kind, record_class, reason])).toEqual([
        ['month', 'quotes', 'business'],
        ['entities', 'quotes', 'business'],
        ['month', 'default', 'regulatory'],
        ['entities', 'default', 'regulatory'],
        // which are kept for five years more than the events
        ['digests', 'quotes', 'business'],
        ['digests', 'default', 'regulatory'],
      ]);
      const expected = [
        ...[9, 9].map((years) => [4, years] as const),
        ...[7, 7].map((years) => [3, years] as const),
        ...[[4, 9 + 5] as const, [3, 7 + 5] as const],
      ];
      for (const [i, [back, years]] of expected.entries()) {
        const lock = new Date(await lockOf(ofMonths[i]!));
        const from = monthsAgo(back);
        expect(Math.abs(seconds(lock) - seconds(yearsAfter(from, years)))).toBeLessThan(300);
        if (ofMonths[i]!.kind === 'month') {
          const { object_key: key, version_id: versionId } = ofMonths[i]!;
          const { metadata } = await test.store.describe({ key, versionId });
          expect(metadata['record-class']).toBe(ofMonths[i]!.record_class);
        }
      }
      const { body: summary } = await service.http().get('/v1/ledgers/desk-1/archive/summary').expect(200);
      expect(summary.record_classes).toMatchObject([{ record_class: 'quotes', years: 9, events: '5', objects: '1' }]);
      expect(summary.record_classes[0].first_recorded_at.slice(0, 7)).toBe(monthsAgo(4).toISOString().slice(0, 7));

      // why is said of each event, of objects, and in the totals; a hold goes before all of it, and only while it lasts
      const whyOf = async (ledger: string): Promise<string[][]> => {
        const { body: page } = await service.http().get(`/v1/ledgers/${ledger}/events?limit=1`).expect(200);
        const [event] = page.events;
        const { body: entry } = await service
          .http()
          .get(`/v1/ledgers/${ledger}/events/${event.event_id}/archive`)
          .expect(200);
        expect(entry).toMatchObject({ entity_type: event.entity_type, content_hash: event.content_hash });
        const { body: of } = await service.http().get(`/v1/ledgers/${ledger}/archive/summary`).expect(200);
        const totals = of.totals.map(({ kind, reason }: { kind: string; reason: string }) => [kind, reason]);
        return [[entry.record_class, entry.reason], ...totals];
      };
      const ofQuotes = [
        ['quotes', 'business'],
        ...[
          ['digests', 'business'],
          ['early', 'regulatory'],
          ['entities', 'business'],
          ['month', 'business'],
        ],
      ];
      const ofMain = [
        ['default', 'regulatory'],
        // in the month's object are quotes as well
        ...[
          ['digests', 'business'],
          ['digests', 'regulatory'],
          ['early', 'regulatory'],
          ['entities', 'business'],
        ],
        ...[
          ['entities', 'regulatory'],
          ['month', 'business'],
          ['month', 'regulatory'],
        ],
      ];
      expect([await whyOf('desk-1'), await whyOf('main')]).toEqual([ofQuotes, ofMain]);
      const clerk = (await createKey(service, ['holds:request'], ['*'])).key;
      const during = { ledgers: ['desk-1'], recorded_to: monthsAgo(3).toISOString(), user_id: 'nobody' };
      const hold = await service
        .http(clerk)
        .post('/v1/legal-holds')
        .send({ ...during, reason: 'Inquiry' })
        .expect(201);
      expect((await whyOf('desk-1')).map(([, why]) => why)).toEqual(Array(5).fill('legal_hold'));
      expect((await whyOf('main'))[0]).toEqual(['default', 'regulatory']);
      const reasons = (await objects()).map(({ kind, reason }) => [kind, reason]);
      expect(reasons.filter(([, why]) => why === 'legal_hold').map(([kind]) => kind)).toEqual(
        expect.arrayContaining(['early', 'month', 'entities', 'digests']),
      );
      const officer = (await createKey(service, ['holds:approve'], ['*'])).key;
      await service.http(officer).post(`/v1/legal-holds/${hold.body.id}/rejections`).send({ reason: 'x' }).expect(201);
      expect([await whyOf('desk-1'), await whyOf('main')]).toEqual([ofQuotes, ofMain]);
      await run('legal-holds');

      // a policy about some of the second month's events
      const locks = await Promise.all(ofMonths.map(lockOf));
      expect(await run('retention')).toMatchObject({ extended: 0 });
      await add({ record_class: 'logins', event_type: 'login', years: 12 });
      expect(await run('retention')).toMatchObject({ extended: 3 });
      const later = await Promise.all(ofMonths.map(lockOf));
      for (const i of [0, 1, 4]) expect(later[i]).toBe(locks[i]);
      for (const [i, years] of [
        [2, 12],
        [3, 12],
        [5, 12 + 5],
      ] as const) {
        const wanted = seconds(yearsAfter(monthsAgo(3), years));
        expect(Math.abs(seconds(new Date(later[i]!)) - wanted)).toBeLessThan(300);
      }
      const recorded = await acts(service, 'archive_object');
      expect(recorded.map(({ action }) => action)).toEqual(['extend', 'extend', 'extend']);
      expect(recorded[0]!.new_state).toMatchObject({
        object_key: ofMonths[2]!.object_key,
        record_class: 'logins',
        years: 12,
      });
      expect(await run('retention')).toMatchObject({ extended: 0 });
      expect((await objects()).filter(({ kind }) => kind === 'month').map(({ record_class }) => record_class)).toEqual([
        'quotes',
        'logins',
      ]);
      expect(await run('archive-verification')).toMatchObject({ verdict: 'valid', findings: [] });

      // fewer years in the settings are without effect on what is written from then on
      const less = await startService({
        database: service.database,
        env: { ARCHIVE_URL: test.url, ARCHIVE_RETENTION_YEARS: '5' },
        settings: { CLOCK_TOLERANCE: ANY_DIFFERENCE_MS },
      });
      await moveTrailClock(admin, monthsAgo(-1, 3));
      await runJob(less, 'partition-maintenance');
      await runJob(less, 'archive-export');
      await less.close();
      const [last] = (await objects()).filter(({ kind }) => kind === 'month').slice(-1);
      const { rows } = await admin.query<{ years: number }>(
        `SELECT (s.retain_until >= (SELECT max(greatest_recorded_at) FROM archive_ranges WHERE number = $1) + interval '7 years')::integer AS years
           FROM archive_object_states AS s WHERE s.number = $1`,
        [last!.number],
      );
      expect(rows[0]!.years).toBe(1);
      // and nobody removes or shortens
      const store = service.app.get<ObjectStore>(OBJECT_STORE);
      for (const { object_key: key, version_id: versionId } of ofMonths) {
        await expect(store.remove({ key, versionId })).rejects.toMatchObject({ name: 'RetentionRefused' });
        await expect(store.extendRetention({ key, versionId }, new Date(Date.now() + DAY_MS))).rejects.toMatchObject({
          name: 'RetentionRefused',
        });
      }
    });

    it('are not shortened by what is said later of objects that were catalogued without their classes', async () => {
      await service
        .http()
        .post('/v1/retention-policies')
        .send({ record_class: 'orders', valid_from: '2020-01-01', entity_type: 'order', years: 12, reason: REASON })
        .expect(201);
      await moveTrailClock(admin, monthsAgo(4));
      await run('partition-maintenance');
      await record('main', {});
      await moveTrailClock(admin, new Date());
      await run('partition-maintenance');
      await run('archive-export');
      const { database } = service;
      await tamper(database.adminUrl, 'DELETE FROM archive_contents');
      const ranges = await query<{ number: string; ledger: string; events: string; least: string; greatest: string }>(
        database,
        `SELECT number, ledger, to_sequence - from_sequence + 1 AS events, least_recorded_at::text AS least,
                greatest_recorded_at::text AS greatest
           FROM archive_ranges
           WHERE number = (SELECT min(number) FROM archive_ranges WHERE kind = 'month' AND ledger = 'main')`,
      );
      const { number } = ranges[0]!;
      const kept = () =>
        query(database, `SELECT record_class, years FROM retention_of_objects(ARRAY[${number}]::bigint[])`);
      const say = (time: 'least' | 'greatest' | null) =>
        `SELECT catalogue_archive_contents(${number}, ARRAY[${ranges.map(({ ledger }) => `'${ledger}'`).join()}],
           ${`ARRAY[${ranges.map(() => `'x'`).join()}], `.repeat(2)} ARRAY[${ranges.map(({ events }) => events).join()}]::bigint[],
           ARRAY[${ranges.map(({ least }) => `'${time ? least : '1970-01-01Z'}'`).join()}]::timestamptz[],
           ARRAY[${ranges.map((range) => `'${time ? range[time] : '1970-01-01Z'}'`).join()}]::timestamptz[])`;
      expect(await kept()).toEqual([{ record_class: 'orders', years: 12 }]);
      for (const forged of [say(null), say('greatest')]) {
        await connected(database.serviceUrl, async (client) => {
          await client.query('SET ROLE truetrail_service');
          await expect(client.query(forged)).rejects.toMatchObject({ code: 'TT010' });
        });
      }
      // nor with the object, when the times are not its own; as it should be it is taken
      const now = (words: string) =>
        tamper(database.adminUrl, `UPDATE archive_objects SET bytes = bytes WHERE number = ${number}; ${words}`);
      await expect(now(say(null))).rejects.toMatchObject({ code: 'TT010' });
      expect(await kept()).toEqual([{ record_class: 'orders', years: 12 }]);
      await now(say('greatest'));
      expect(await kept()).toEqual([{ record_class: 'default', years: 7 }]);
    });
  },
);

describe('early objects', () => {
  let test: TestStore;
  let service: TestService;
  let admin: pg.Client;
  beforeEach(async () => {
    test = folderStore();
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
    const { status, outcome } = await runJob(service, job);
    if (status !== 'done') throw new Error(JSON.stringify(outcome));
    return outcome as unknown as Record<string, unknown>;
  }

  it('are removed once their lock is over, their months are archived, and no hold touches them', async () => {
    await moveTrailClock(admin, monthsAgo(4));
    await run('partition-maintenance');
    await service
      .http()
      .post('/v1/ledgers/main/events/batch')
      .send({ events: Array.from({ length: 20 }, () => sampleEvent()) })
      .expect(201);
    await run('archive-export');
    const listed = async () => (await service.http().get('/v1/ledgers/main/archive/objects').expect(200)).body.objects;
    const [{ object_key: key }] = await listed();
    expect(await run('retention')).toMatchObject({ superseded: { removed: 0, left: [] } }); // no month has it yet
    await moveTrailClock(admin, new Date());
    await run('partition-maintenance');
    await run('archive-export');
    expect(await run('retention')).toMatchObject({ superseded: { removed: 0, left: [] } }); // locked

    // 100 days later, for the database and for the store
    const later = new Date(Date.now() + 100 * DAY_MS);
    await moveTrailClock(admin, later);
    await run('partition-maintenance'); // what the service recorded when it started is of the present month
    await run('archive-export');
    const clerk = (await createKey(service, ['holds:request'], ['*'])).key;
    const hold = await service
      .http(clerk)
      .post('/v1/legal-holds')
      .send({ ledgers: ['main'], recorded_to: monthsAgo(3).toISOString(), reason: 'Inquiry' })
      .expect(201);
    // what is held is left out, and stands before nobody
    expect(await run('retention')).toMatchObject({ superseded: { removed: 0, held: 1, objects_read: 0, left: [] } });
    const other = (await createKey(service, ['holds:approve'], ['*'])).key;
    await service.http(other).post(`/v1/legal-holds/${hold.body.id}/rejections`).send({ reason: 'x' }).expect(201);
    await run('legal-holds');

    // what has its events is read first
    const { superseded: locked } = (await run('retention')) as {
      superseded: { objects_read: number; removed: number; left: { reason: string }[] };
    };
    expect(locked.objects_read).toBeGreaterThan(0);
    expect(locked.removed).toBe(0);
    expect(locked.left[0]!.reason).toContain('is locked until'); // the store says so by its own clock
    Object.assign(service.app.get(OBJECT_STORE), { now: () => later });
    const { superseded: done } = (await run('retention')) as { superseded: { removed: number; left: object[] } };
    expect(done.removed).toBeGreaterThan(0);
    expect(done.left).toEqual([]);
    expect((await listed()).find(({ object_key }: { object_key: string }) => object_key === key)).toMatchObject({
      removed_at: expect.any(String),
      deletion: null,
    });
    const removed = (await acts(service, 'archive_object')).filter(({ action }) => action === 'remove');
    expect(removed).toHaveLength(done.removed);
    expect(removed[0]).toMatchObject({ new_state: { object_key: key, kind: 'early', deletion: null } });

    expect(await run('archive-verification')).toMatchObject({ verdict: 'valid', findings: [], removed: done.removed });
    expect(await verify(service)).toMatchObject({ verdict: 'valid', deleted: [] });
    const { body: audit } = await service.http().post('/v1/ledgers/main/archive/audits').send({}).expect(200);
    expect(audit).toMatchObject({ verdict: 'valid', events: { length: 20 } });
    await service.http().post('/v1/ledgers/main/events').send(sampleEvent()).expect(201);
    expect(await run('archive-export')).toMatchObject({ refused: [] });
    expect(await run('archive-verification')).toMatchObject({ verdict: 'valid', findings: [] });
  });

  it('stay while the object of their month is damaged or missing, which holds up nothing else', async () => {
    for (const back of [4, 3]) {
      await moveTrailClock(admin, monthsAgo(back));
      await run('partition-maintenance');
      const events = Array.from({ length: 20 }, () => sampleEvent());
      await service.http().post('/v1/ledgers/main/events/batch').send({ events }).expect(201);
      await run('archive-export');
    }
    const later = new Date(Date.now() + 100 * DAY_MS);
    await moveTrailClock(admin, later);
    Object.assign(service.app.get(OBJECT_STORE), { now: () => later });
    await run('partition-maintenance');
    await run('archive-export');
    expect(await run('archive-verification')).toMatchObject({ verdict: 'valid' });

    const [damaged] = await query<{ number: string; object_key: string; month: string }>(
      service.database,
      `SELECT o.number, o.object_key, m.month::text FROM archive_objects AS o JOIN archive_ranges AS r USING (number)
         JOIN month_ranges AS m ON m.ledger = r.ledger AND m.to_sequence = r.to_sequence
         WHERE o.kind = 'month' AND r.ledger = 'main' ORDER BY o.number LIMIT 1`,
    );
    const file = join(fileURLToPath(test.url), damaged!.object_key);
    const bytes = readFileSync(file);
    const put = (content: Buffer | string): void => {
      rmSync(file, { force: true });
      writeFileSync(file, content);
    };
    put('rubbish');
    expect(await run('archive-verification')).toMatchObject({ verdict: 'invalid' });
    const { superseded } = (await run('retention')) as { superseded: Record<string, unknown> };
    expect(superseded).toMatchObject({ last: 1, removed: expect.any(Number), left: [] });
    expect(superseded.removed).toBeGreaterThan(0);
    const copies = () =>
      query<{ removed: boolean }>(
        service.database,
        `SELECT x.removed_at IS NOT NULL AS removed FROM archive_ranges AS e LEFT JOIN archive_removals AS x USING (number)
           WHERE e.kind = 'early' AND e.ledger = 'main' ORDER BY e.number`,
      );
    expect((await copies()).map(({ removed }) => removed)).toEqual([false, true]);
    await connected(service.database.serviceUrl, async (client) => {
      await client.query('SET ROLE truetrail_service');
      await expect(client.query('SELECT retire_month($1)', [damaged!.month])).rejects.toMatchObject({
        code: 'TT023',
        message: expect.stringContaining('was found wrong'),
      });
      const [copy] = await query<{ number: string }>(
        service.database,
        `SELECT min(number) AS number FROM archive_objects WHERE kind = 'early'`,
      );
      await expect(client.query('SELECT begin_object_removal($1, NULL)', [copy!.number])).rejects.toMatchObject({
        code: 'TT023',
        message: expect.stringContaining('was found wrong'),
      });
    });

    // a lock that cannot be moved on
    rmSync(file);
    await service
      .http()
      .post('/v1/retention-policies')
      .send({ record_class: 'all', valid_from: '2020-01-01', years: 12, reason: REASON })
      .expect(201);
    const [{ objects: others } = { objects: 0 }] = await query<{ objects: number }>(
      service.database,
      `SELECT count(*)::integer - 1 AS objects FROM archive_objects WHERE kind IN ('month', 'entities', 'digests')`,
    );
    expect(await run('retention')).toMatchObject({
      extended: others,
      short_total: 1,
      short: [{ object_key: damaged!.object_key }],
      superseded: { last: 1 },
    });

    // mended, read and found right
    put(bytes);
    await run('archive-verification');
    expect(await run('retention')).toMatchObject({ extended: 1, short_total: 0, superseded: { last: 0, removed: 1 } });
    expect((await copies()).map(({ removed }) => removed)).toEqual([true, true]);
  });
});
