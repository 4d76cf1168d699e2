import { chmodSync, cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SchedulerRegistry } from '@nestjs/schedule';
import pg from 'pg';
import { OBJECT_STORE } from '../src/archive/archive-store.js';
import { StoreUnavailable, type ObjectStore, type ObjectVersion } from '../src/archive/object-store.js';
import { rebuildFromArchive } from '../src/cli/rebuild.js';
import { readConfig } from '../src/config/config.js';
import { ServiceLedger } from '../src/events/service-ledger.js';
import { PartitionManager } from '../src/partitions/partition-manager.js';
import { MonthDeletionJob } from '../src/retention/month-deletions.job.js';
import { JobRunner } from '../src/jobs/job-runner.js';
import { sampleEvent, startService, TEST_KEY, type TestService } from './support/app.js';
import { createTestDatabase, type TestDatabase } from './support/database.js';
import { createKey, query, serviceEvents } from './support/keys.js';
import { folderStore, STORES, type TestStore } from './support/stores.js';
import { ANY_DIFFERENCE_MS, moveTrailClock } from './support/trail-clock.js';
import { connected, runJob, tamper, verify } from './support/verification.js';

/** Months before the present one in which events are recorded; with 5 years of retention all but the last are past it. */
const FIRST = 79;
const SECOND = 76;
const THIRD = 73;
const LATE = 40;

/** A day of the month that lies `back` months before the present one, noon. */
function monthsAgo(back: number, day = 15): Date {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - back, day, 12));
}

const firstOf = (back: number): string => `${monthsAgo(back).toISOString().slice(0, 7)}-01`;
const REASON = 'End of retention; list of 3 June';

describe('a month at the end of its retention', () => {
  let test: TestStore;
  let service: TestService;
  let admin: pg.Client;
  let clerk: string;
  let officer: string;
  /** Receipts by month. */
  let recorded: Map<number, { event_id: string; sequence: string; event_hash: string }[]>;
  /** The four months, made once; each test has a copy of the database, and a copy of the folder in its place. */
  let made: { database: TestDatabase; folder: string };

  async function start(database: TestDatabase): Promise<void> {
    service = await startService({
      env: { ARCHIVE_URL: test.url, ONLINE_MONTHS: '1', ARCHIVE_RETENTION_YEARS: '5' },
      settings: { CLOCK_TOLERANCE: ANY_DIFFERENCE_MS },
      database,
    });
    // jobs are run by the tests: one that is due by itself, at the start or meanwhile, would do their work, or record something
    for (const timer of service.app.get(SchedulerRegistry).getCronJobs().values()) await timer.stop();
    await service.app.get(JobRunner).atRest();
    admin = new pg.Client({ connectionString: database.adminUrl, options: '-c TimeZone=UTC' });
    await admin.connect();
  }

  async function stop(): Promise<void> {
    await admin.end();
    await service.close();
  }

  function copyFolder(from: string, to: string): void {
    rmSync(to, { recursive: true, force: true });
    cpSync(from, to, { recursive: true, preserveTimestamps: true });
  }

  beforeAll(async () => {
    test = folderStore();
    made = { database: await createTestDatabase(), folder: `${folder()}-made` };
    await start(made.database);
    clerk = (await createKey(service, ['operations:run'], ['*'])).key;
    officer = (await createKey(service, ['holds:approve', 'holds:request'], ['*'])).key;
    await archiveFourMonths();
    await stop();
    copyFolder(folder(), made.folder);
  });
  afterAll(async () => {
    await made.database.drop();
    rmSync(made.folder, { recursive: true, force: true });
    test.close();
  });
  beforeEach(async () => {
    copyFolder(made.folder, folder());
    await start(await createTestDatabase(made.database));
  });
  afterEach(async () => {
    await stop();
    await service.database.drop();
  });

  async function run(job: string): Promise<Record<string, unknown>> {
    const { status, outcome } = await runJob(service, job);
    if (status !== 'done') throw new Error(JSON.stringify(outcome));
    return outcome as unknown as Record<string, unknown>;
  }

  /** Three months that are past their retention and have left PostgreSQL, and one that is not and has. */
  async function archiveFourMonths(): Promise<void> {
    recorded = new Map();
    for (const back of [FIRST, SECOND, THIRD, LATE]) {
      await moveTrailClock(admin, monthsAgo(back));
      await run('partition-maintenance');
      const events = Array.from({ length: 30 }, (_, i) =>
        sampleEvent({ entity_id: `O-${i % 3}`, timestamp: monthsAgo(back).toISOString() }),
      );
      const { body } = await service.http().post('/v1/ledgers/main/events/batch').send({ events }).expect(201);
      recorded.set(back, body.receipts);
      // sealed, archived and dropped while it is locked, as months are
      await moveTrailClock(admin, monthsAgo(back - 1, 2));
      await run('partition-maintenance');
      await run('archive-export');
      await moveTrailClock(admin, monthsAgo(back - 2, 3));
      await run('partition-maintenance');
      await run('archive-export');
      await run('archive-verification');
      expect(await run('retention')).toMatchObject({ findings_total: 0, kept: [] });
    }
    await moveTrailClock(admin, new Date());
    await run('archive-verification'); // as daily: what was not read for years would keep a month
  }

  const ask = (back = FIRST, key = clerk) =>
    service
      .http(key)
      .post('/v1/deletions')
      .send({ month: firstOf(back), reason: REASON });
  const approve = (id: string, key = officer) => service.http(key).post(`/v1/deletions/${id}/approvals`);

  /** Asked for and approved; nobody carries it out before the test does. */
  async function approved(back = FIRST): Promise<string> {
    service.app.get(MonthDeletionJob).wake = () => Promise.resolve();
    const { body } = await ask(back).expect(201);
    await approve(body.id).expect(201);
    return body.id as string;
  }

  const deletionOf = async (id: string) => (await service.http(clerk).get(`/v1/deletions/${id}`).expect(200)).body;
  const folder = (): string => fileURLToPath(test.url);
  const filesOf = (kind: string): string[] =>
    existsSync(join(folder(), kind))
      ? readdirSync(join(folder(), kind)).filter((name) => name.endsWith('.parquet'))
      : [];

  it('is listed, deleted by two principals, and everything says so afterwards', async () => {
    const { body: listed } = await service.http(clerk).get('/v1/deletions/candidates').expect(200);
    const listedMonths = listed.months.map(({ month }: { month: string }) => month);
    expect(listedMonths).toEqual(expect.arrayContaining([FIRST, SECOND, THIRD].map(firstOf)));
    expect(listedMonths).not.toContain(firstOf(LATE));
    expect(listed.months[0]).toMatchObject({ record_class: 'default', years: 5, objects: '2', holds: [] });
    const { body: partitions } = await service.http(clerk).get('/v1/partitions').expect(200);
    const shown = partitions.partitions.find(({ month }: { month: string }) => month === firstOf(LATE));
    expect(shown).toMatchObject({ state: 'dropped', record_class: 'default', deletion: null });
    expect(Date.parse(shown.retained_until)).toBeGreaterThan(Date.now());

    // what must be kept is kept
    const { body: early } = await ask(LATE).expect(409);
    expect(early).toMatchObject({ type: '/docs/problems/month-must-be-kept' });
    expect(early.detail).toContain('is kept until');
    const { body: present } = await ask(0).expect(409);
    expect(present.detail).toContain('has not left PostgreSQL');

    const { body: asked } = await ask(SECOND).expect(201);
    expect(asked).toMatchObject({ state: 'requested', month: firstOf(SECOND), policy: null, objects: '2' });
    await ask(SECOND).expect(409);
    // nobody approves what they asked for
    const both = (await createKey(service, ['operations:run', 'holds:approve'], ['*'])).key;
    const { body: own } = await ask(THIRD, both).expect(201);
    const { body: refused } = await approve(own.id, both).expect(403);
    expect(refused.type).toBe('/docs/problems/other-principal-needed');
    // nor by way of a key that they made, or by whose key theirs was made
    const { body: byMaker } = await ask(FIRST, TEST_KEY).expect(201);
    const { body: twin } = await approve(byMaker.id, officer).expect(403);
    expect(twin.type).toBe('/docs/problems/other-principal-needed');
    await approve(asked.id, clerk).expect(403);

    const before = filesOf('month').length;
    await approve(asked.id).expect(201); // which has the job run
    await run('month-deletion');
    expect(filesOf('month')).toHaveLength(before - 1);
    const done = await deletionOf(asked.id);
    expect(done).toMatchObject({
      state: 'done',
      policy: { record_class: 'default', years: 5 },
      objects: '2',
      objects_removed: '2',
    });
    expect(done.acts.map(({ act }: { act: string }) => act)).toEqual(['request', 'approve', 'begin', 'finish']);
    const events = await query<{ entity_type: string; action: string; new_state: { ranges?: object[] } }>(
      service.database,
      `SELECT entity_type, action, new_state FROM audit_events WHERE ledger = '_service' AND event_type = 'retention'
          AND (entity_id = $1 OR new_state ->> 'deletion' = $1) ORDER BY sequence`,
      [asked.id],
    );
    expect(events.map(({ entity_type, action }) => `${entity_type} ${action}`)).toEqual([
      'month_deletion request',
      'month_deletion approve',
      'month_deletion begin',
      'archive_object remove',
      'archive_object remove',
      'month_deletion finish',
    ]);
    expect(events[2]!.new_state.ranges).toMatchObject([{ ledger: 'main', from_sequence: '31', to_sequence: '60' }]);
    await approve(asked.id).expect(409);

    // what every answer says of it
    const [first, last] = [recorded.get(SECOND)![0]!, recorded.get(SECOND)!.at(-1)!];
    const range = {
      from_sequence: first.sequence,
      to_sequence: last.sequence,
      month: firstOf(SECOND),
      deletion: asked.id,
      policy: 'default',
      years: 5,
      deleted_at: done.begun_at,
    };
    const { body: page } = await service.http().get('/v1/ledgers/main/events?limit=1000').expect(200);
    const kept = [FIRST, THIRD, LATE].flatMap((back) => recorded.get(back)!.map(({ event_id }) => event_id));
    expect(page.events.map(({ event_id }: { event_id: string }) => event_id)).toEqual(kept);
    expect(page.deleted).toEqual([range]);
    const within = async (parameters: string) =>
      (await service.http().get(`/v1/ledgers/main/events?${parameters}`).expect(200)).body.deleted ?? [];
    expect(await within(`from=${monthsAgo(FIRST, 1).toISOString()}&to=${monthsAgo(FIRST, 20).toISOString()}`)).toEqual(
      [],
    );
    expect(await within(`from_sequence=${BigInt(last.sequence) + 1n}`)).toEqual([]);
    expect(await within(`recorded_from=${monthsAgo(LATE, 1).toISOString()}`)).toEqual([]);
    expect(await within(`from=${monthsAgo(SECOND, 1).toISOString()}`)).toEqual([range]);
    expect(await within('user_id=trader-1&order=desc')).toEqual([range]);
    const { text } = await service
      .http()
      .get('/v1/ledgers/main/events')
      .set('accept', 'application/x-ndjson')
      .buffer(true)
      .parse((response, done_) => {
        let all = '';
        response.on('data', (chunk: Buffer) => (all += String(chunk)));
        response.on('end', () => done_(null, all));
      })
      .expect(200)
      .then((response) => ({ text: String(response.body) }));
    expect(JSON.parse(text.trimEnd().split('\n').at(-1)!)).toMatchObject({ end: { events: '90', deleted: [range] } });
    const { body: history } = await service.http().get('/v1/ledgers/main/orders/O-1/history').expect(200);
    expect(history.events).toHaveLength(30);
    expect(history.deleted).toEqual([range]);
    const { body: noOrder } = await service.http().get('/v1/ledgers/main/orders/none/history').expect(404);
    expect(noOrder.detail).toContain(`deletion ${asked.id}`);
    const { body: gone } = await service.http().get(`/v1/ledgers/main/events/${first.event_id}`).expect(410);
    expect(gone.type).toBe('/docs/problems/event-deleted');
    expect(gone.detail).toContain('under the policy default (5 years)');
    const { body: again } = await service
      .http()
      .post('/v1/ledgers/main/events')
      .send(sampleEvent({ event_id: first.event_id }))
      .expect(410);
    expect(again.type).toBe('/docs/problems/event-deleted');
    expect(again.errors).toMatchObject([{ pointer: '/event_id', rule: 'deleted' }]);
    // each event of a batch is told apart, and what conflicts is kept
    const known = recorded.get(LATE)![0]!.event_id;
    const sent = [sampleEvent({ event_id: last.event_id }), sampleEvent(), sampleEvent({ event_id: first.event_id })];
    const postAll = (events: object[]) => service.http().post('/v1/ledgers/main/events/batch').send({ events });
    const { body: allGone } = await postAll(sent).expect(410);
    expect(allGone.errors).toMatchObject([
      { pointer: '/events/0/event_id', rule: 'deleted', detail: expect.stringContaining(last.event_id) },
      { pointer: '/events/2/event_id', rule: 'deleted', detail: expect.stringContaining(first.event_id) },
    ]);
    expect(allGone.detail).toContain(`deletion ${asked.id}`);
    const { body: mixed } = await postAll([...sent, sampleEvent({ event_id: known, action: 'other' })]).expect(409);
    expect(mixed.errors).toMatchObject([
      { pointer: '/events/3/event_id', rule: 'conflict' },
      { pointer: '/events/0/event_id', rule: 'deleted' },
      { pointer: '/events/2/event_id', rule: 'deleted' },
    ]);
    expect((await serviceEvents(service.database, 'event_conflict')).map(({ entity_id }) => entity_id)).toEqual([
      known,
    ]);
    const { body: where } = await service.http().get(`/v1/ledgers/main/events/${first.event_id}/archive`).expect(200);
    expect(where).toMatchObject({ entity_type: null, entity_id: null, content_hash: null, reason: null });
    expect(where.objects.find(({ kind }: { kind: string }) => kind === 'month')).toMatchObject({
      deletion: asked.id,
      removed_at: expect.any(String),
    });
    const { body: summary } = await service.http().get('/v1/ledgers/main/archive/summary').expect(200);
    expect(summary.deleted).toEqual([range]);
    expect(summary.record_classes).toMatchObject([{ record_class: 'default', years: 5, events: '90', objects: '3' }]);
    expect(summary.removed).toMatchObject([
      { kind: 'entities', objects: '1' },
      { kind: 'month', objects: '1', events: '30' },
    ]);
    for (const format of ['json', 'ndjson', 'csv']) {
      const report = await service
        .http()
        .get(
          `/v1/ledgers/main/reports/user-activity?user_id=trader-1&from_date=${firstOf(FIRST)}&to_date=${firstOf(THIRD)}&format=${format}`,
        )
        .buffer(true)
        .expect(200);
      expect(report.headers['truetrail-deleted']).toBe(
        `${first.sequence}-${last.sequence}; policy=default; years=5; deletion=${asked.id}`,
      );
      if (format === 'json') expect(report.body).toMatchObject({ rows_total: '30', deleted: [range] });
    }
    const { body: audit } = await service
      .http()
      .post('/v1/ledgers/main/archive/audits')
      .send({ events: 1000 })
      .expect(200);
    expect(audit).toMatchObject({ verdict: 'valid' });
    expect(audit.events).toHaveLength(90);

    // the chain goes on over the gap, from whichever side it is looked at
    const whole = await verify(service);
    expect(whole).toMatchObject({ verdict: 'valid', checked: '90', total: '120', findings: [], deleted: [range] });
    expect(await verify(service, {}, '_service')).toMatchObject({ verdict: 'valid' });
    for (const [from, to, deleted] of [
      [BigInt(last.sequence) + 1n, 120n, []],
      [1n, BigInt(first.sequence) - 1n, []],
      [BigInt(first.sequence) + 3n, BigInt(last.sequence) + 5n, [range]],
      [BigInt(first.sequence) + 3n, BigInt(first.sequence) + 5n, [range]],
    ] as const) {
      const part = await verify(service, { from_sequence: String(from), to_sequence: String(to) });
      expect(part).toMatchObject({ verdict: 'valid', findings: [], deleted });
    }
    const byTime = await verify(service, {
      recorded_from: monthsAgo(SECOND, 1).toISOString(),
      recorded_to: monthsAgo(THIRD, 20).toISOString(),
    });
    expect(byTime).toMatchObject({ verdict: 'valid', deleted: [range] });
    expect(await run('archive-verification')).toMatchObject({ verdict: 'valid', findings: [], removed: 2 });
    // and what stays of it is held against its neighbours
    await tamper(
      service.database.adminUrl,
      `UPDATE month_ranges SET last_event_hash = sha256('x') WHERE month = '${firstOf(SECOND)}' AND ledger = 'main'`,
    );
    expect(await verify(service)).toMatchObject({
      verdict: 'invalid',
      findings: [{ kind: 'link', sequence: String(BigInt(last.sequence) + 1n) }],
    });
    await tamper(
      service.database.adminUrl,
      `UPDATE month_ranges SET previous_event_hash = sha256('x') WHERE month = '${firstOf(SECOND)}' AND ledger = 'main'`,
    );
    expect((await verify(service)).findings).toMatchObject([
      { kind: 'link', sequence: String(BigInt(first.sequence) - 1n) },
      { kind: 'link', sequence: String(BigInt(last.sequence) + 1n) },
    ]);
    // whoever makes months, or appends, does not compute the retention of all that there ever were
    const months = service.app.get(PartitionManager);
    while ((await months.ensureMonths()).length > 0); // a few at a time, since the clock has leapt
    await admin.query('ALTER FUNCTION retention_of_months(date[]) RENAME TO not_to_be_called');
    await expect(months.ensureMonths()).resolves.toEqual([]);
  });

  it('is kept by a legal hold that comes up between approval and removal, and goes once that is released', async () => {
    const id = await approved();
    const asked = await service
      .http(officer)
      .post('/v1/legal-holds')
      .send({
        ledgers: ['main'],
        recorded_from: monthsAgo(FIRST, 1).toISOString(),
        recorded_to: monthsAgo(FIRST, 2).toISOString(),
        reason: 'Inquiry',
      })
      .expect(201);
    const outcome = await run('month-deletion');
    expect(outcome).toMatchObject({ done: [], removed: 0 });
    expect((outcome.kept as { reason: string }[])[0]!.reason).toContain(asked.body.id);
    expect(await deletionOf(id)).toMatchObject({ state: 'approved', objects_removed: '0' });
    const { body: candidates } = await service.http(clerk).get('/v1/deletions/candidates').expect(200);
    expect(candidates.months.map(({ month }: { month: string }) => month)).not.toContain(firstOf(FIRST));
    const other = (await createKey(service, ['holds:approve'], ['*'])).key;
    await service.http(other).post(`/v1/legal-holds/${asked.body.id}/rejections`).send({ reason: 'x' }).expect(201);
    expect(await run('month-deletion')).toMatchObject({ done: [firstOf(FIRST)], removed: 2 });
    expect(await run('legal-holds')).toMatchObject({ held: 0 });
    expect(await verify(service)).toMatchObject({ verdict: 'valid', deleted: [{ from_sequence: '1' }] });
  });

  it('is missing where the database alone says that it was deleted, and nothing of that is recorded', async () => {
    expect(await verify(service)).toMatchObject({ verdict: 'valid' });
    await admin.query(
      `INSERT INTO month_deletions (id, month, state, policy, reason, requested_by, requested_at, begun_at, done_at)
         SELECT gen_random_uuid(), $1, 'done', id, 'x', 'service', now(), now(), now() FROM retention_policies LIMIT 1`,
      [firstOf(LATE)],
    );
    const found = await verify(service);
    const [first, last] = [recorded.get(LATE)![0]!.sequence, recorded.get(LATE)!.at(-1)!.sequence];
    expect(found).toMatchObject({ verdict: 'invalid', findings_total: '1' });
    expect(found.findings).toMatchObject([
      { kind: 'missing', sequence: first, detail: expect.stringContaining(`${first} to ${last} were deleted`) },
    ]);
  });

  it('stays where the database alone says that it was asked for and agreed to, and the run says so', async () => {
    const files = () => ['early', 'month', 'entities'].flatMap(filesOf);
    const before = files();
    service.app.get(MonthDeletionJob).wake = () => Promise.resolve();
    const refused = async (says: string): Promise<void> => {
      const { status, outcome } = await runJob(service, 'month-deletion');
      expect([status, outcome]).toMatchObject(['failed', { removed: 0, done: [], kept: [{ reason: says }] }]);
      expect((outcome as unknown as { error: string }).error).toContain(says);
      expect(files()).toEqual(before);
    };
    const { body } = await ask().expect(201);
    const state = (to: string) =>
      tamper(
        service.database.adminUrl,
        `UPDATE month_deletions SET state = '${to}' WHERE id = '${body.id}'`,
        `INSERT INTO month_deletion_acts SELECT deletion, max(ordinal) + 1, 'approve', '${to}', 'key:forged', NULL, now()
           FROM month_deletion_acts WHERE deletion = '${body.id}' GROUP BY deletion`,
      );
    await state('approved'); // as if somebody else had agreed
    await refused('nobody has agreed to it on record');
    await tamper(service.database.adminUrl, `UPDATE month_deletions SET state = 'requested' WHERE id = '${body.id}'`);
    await approve(body.id).expect(201);
    await tamper(
      service.database.adminUrl,
      `UPDATE month_deletions SET month = '${firstOf(SECOND)}' WHERE id = '${body.id}'`,
    );
    await refused(`it is of the month ${firstOf(FIRST)} on record`);
    await tamper(
      service.database.adminUrl,
      `UPDATE month_deletions SET month = '${firstOf(FIRST)}' WHERE id = '${body.id}'`,
    );
    await service.http(clerk).post(`/v1/deletions/${body.id}/rejections`).send({ reason: 'no' }).expect(201);
    await state('approved'); // as if nobody had
    await refused('it was rejected on record');
    await tamper(service.database.adminUrl, `UPDATE month_deletions SET state = 'rejected' WHERE id = '${body.id}'`);
    await tamper(
      service.database.adminUrl,
      `INSERT INTO month_deletions (id, month, state, reason, requested_by, requested_at)
         VALUES ('0197f3a1-0000-7000-8000-00000000dead', '${firstOf(FIRST)}', 'approved', 'x', 'key:forged', now())`,
      `INSERT INTO month_deletion_acts VALUES ('0197f3a1-0000-7000-8000-00000000dead', 1, 'request', 'requested', 'key:forged', 'x', now())`,
    );
    await refused('nobody has asked for it on record');
  });

  it('may be taken back until its removal has begun, and asked for again', async () => {
    const id = await approved();
    await service
      .http(clerk)
      .post(`/v1/deletions/${id}/rejections`)
      .send({ reason: 'An inquiry is announced' })
      .expect(201);
    expect(await run('month-deletion')).toMatchObject({ done: [], removed: 0 });
    const again = await approved();
    expect(again).not.toBe(id);
    expect(await run('month-deletion')).toMatchObject({ done: [firstOf(FIRST)] });
    await service.http(clerk).post(`/v1/deletions/${again}/rejections`).send({ reason: 'too late' }).expect(409);
    const { body } = await service.http(clerk).get('/v1/deletions?limit=1').expect(200);
    expect(body).toMatchObject({ deletions: [{ id: again }], next_cursor: again });
    const { body: rest } = await service.http(clerk).get(`/v1/deletions?cursor=${again}`).expect(200);
    expect(rest).toMatchObject({ deletions: [{ id, state: 'rejected' }], next_cursor: null });
  });

  it('may be taken back for a hold that comes up while the store is asked to remove something of it', async () => {
    const id = await approved();
    const store = service.app.get<ObjectStore>(OBJECT_STORE);
    const within = store.within.bind(store);
    const isAsked = new Promise<void>((resolve) => {
      // it takes the request, and never answers
      store.within = (signal) =>
        Object.assign(Object.create(store) as ObjectStore, {
          remove: () =>
            new Promise<void>((_, reject) => {
              signal.addEventListener('abort', () => reject(signal.reason as Error));
              resolve();
            }),
        });
    });
    const running = run('month-deletion');
    await isAsked;
    const held = await service
      .http(officer)
      .post('/v1/legal-holds')
      .send({
        ledgers: ['main'],
        recorded_from: monthsAgo(FIRST, 1).toISOString(),
        recorded_to: monthsAgo(FIRST, 28).toISOString(),
        reason: 'Inquiry',
      })
      .expect(201);
    const outcome = (await running) as { removed: number; left: { reason: string }[] };
    expect(outcome).toMatchObject({ done: [], removed: 0, left: [{ reason: expect.any(String) }, expect.anything()] });
    expect(outcome.left[0]!.reason).toContain('within 4 s');
    expect(outcome.left[1]!.reason).toContain(held.body.id);
    store.within = within;
    expect(await deletionOf(id)).toMatchObject({ state: 'removing', objects_removed: '0' });
    expect(await run('month-deletion')).toMatchObject({ done: [], removed: 0 });

    // what is there is still looked after: what is wrong with it is found, and policies lock it
    const [object] = await query<{ number: string; object_key: string; version_id: string }>(
      service.database,
      `SELECT number, object_key, version_id FROM archive_objects
         WHERE number IN (SELECT objects_of_month('${firstOf(FIRST)}')) AND kind = 'month'`,
    );
    const file = join(folder(), object!.object_key);
    const bytes = readFileSync(file);
    const put = (content: Buffer | string): void => {
      rmSync(file);
      writeFileSync(file, content);
    };
    put('rubbish');
    expect((await run('archive-verification')).findings).toContainEqual(
      expect.objectContaining({ kind: 'object-changed', object_key: object!.object_key }),
    );
    put(bytes);
    expect(await run('archive-verification')).toMatchObject({ verdict: 'valid', removed: 0 });
    await service
      .http(clerk)
      .post('/v1/retention-policies')
      .send({ record_class: 'all', valid_from: '2020-01-01', years: 12, reason: REASON })
      .expect(201);
    expect(await run('retention')).toMatchObject({ short_total: 0 });
    const version = { key: object!.object_key, versionId: object!.version_id };
    expect((await test.store.describe(version)).retainUntil!.getTime()).toBeGreaterThan(Date.now());

    // and readers get it back
    const reject = () => service.http(officer).post(`/v1/deletions/${id}/rejections`).send({ reason: 'Held' });
    rmSync(file); // gone, for all that the store can say
    const { body: gone } = await reject().expect(409);
    expect(gone.detail).toContain('is gone already');
    writeFileSync(file, bytes);
    const { body: rejected } = await reject().expect(201);
    expect(rejected).toMatchObject({ state: 'rejected', policy: null, begun_at: null });
    const { body: page } = await service.http().get('/v1/ledgers/main/events?limit=1000').expect(200);
    expect(page.events).toHaveLength(120);
    expect(page.deleted).toBeUndefined();
    expect(await verify(service)).toMatchObject({ verdict: 'valid', checked: '120', deleted: [] });
    expect(await query(service.database, 'SELECT FROM archive_removals WHERE deletion IS NOT NULL')).toEqual([]);
    const { body: kept } = await ask().expect(409);
    expect(kept.type).toBe('/docs/problems/month-must-be-kept');
  });

  it('is done once no early object has its events any more, and not begun while a hold keeps one', async () => {
    await run('archive-export'); // what is yet to be exported would be locked for less than 100 days
    const later = new Date(Date.now() + 100 * 86_400_000);
    await moveTrailClock(admin, later);
    Object.assign(service.app.get(OBJECT_STORE), { now: () => later });
    for (const job of ['partition-maintenance', 'archive-export', 'archive-verification']) await run(job);
    const id = await approved();
    // it touches no month but the present one: the service has recorded something that is in the same early object
    const hold = await service
      .http(officer)
      .post('/v1/legal-holds')
      .send({ ledgers: ['_service'], reason: 'Inquiry' })
      .expect(201);
    const outcome = await run('month-deletion');
    expect(outcome).toMatchObject({ done: [], removed: 0 });
    expect((outcome.kept as { reason: string }[])[0]!.reason).toContain(`is under the legal hold ${hold.body.id}`);
    expect(await deletionOf(id)).toMatchObject({ state: 'approved' });
    const other = (await createKey(service, ['holds:approve'], ['*'])).key;
    await service.http(other).post(`/v1/legal-holds/${hold.body.id}/rejections`).send({ reason: 'x' }).expect(201);
    await run('legal-holds');
    expect(await run('month-deletion')).toMatchObject({ done: [firstOf(FIRST)], left: [] });
    const copies = await query<{ removed: boolean }>(
      service.database,
      `SELECT x.removed_at IS NOT NULL AS removed FROM month_ranges AS m
         JOIN archive_ranges AS r ON r.ledger = m.ledger AND r.from_sequence <= m.to_sequence AND r.to_sequence >= m.from_sequence
         LEFT JOIN archive_removals AS x USING (number) WHERE m.month = '${firstOf(FIRST)}' AND r.kind <> 'digests'`,
    );
    expect(copies.length).toBeGreaterThan(2);
    expect(copies.filter(({ removed }) => !removed)).toEqual([]);
    expect(await run('archive-verification')).toMatchObject({ verdict: 'valid', findings: [] });
  });

  it('goes on where it was broken off, whatever the step', async () => {
    const id = await approved();
    const store = service.app.get<ObjectStore>(OBJECT_STORE);
    const ledger = service.app.get(ServiceLedger);
    const [remove, record] = [store.remove.bind(store), ledger.record.bind(ledger)];
    let left = 0;
    const fail = async <T>(work: () => Promise<T>, isAfter: boolean): Promise<T> => {
      if (!isAfter && left-- === 0) throw new StoreUnavailable('broken off before a step');
      const result = await work();
      if (isAfter && left-- === 0) throw new StoreUnavailable('broken off after a step');
      return result;
    };
    store.remove = (version: ObjectVersion) => fail(() => fail(() => remove(version), true), false);
    ledger.record = (...events) => fail(() => fail(() => record(...events), true), false);
    let broken = 0;
    for (; broken < 50; broken++) {
      left = broken;
      const { status } = await runJob(service, 'month-deletion');
      left = Infinity;
      const deletion = await deletionOf(id);
      // until it has begun everything is there, and from then on it is deleted, however much of it is gone
      const isBegun = deletion.state === 'removing' || deletion.state === 'done';
      const verified = await verify(service);
      expect([verified.verdict, verified.deleted.length]).toEqual(['valid', isBegun ? 1 : 0]);
      const { body } = await service.http().get('/v1/ledgers/main/events?limit=1000').expect(200);
      expect(body.events).toHaveLength(isBegun ? 90 : 120);
      expect(await run('archive-verification')).toMatchObject({ verdict: 'valid', findings: [] });
      if (status === 'done' && deletion.state === 'done') break;
    }
    expect(broken).toBeGreaterThan(3);
    expect(broken).toBeLessThan(50);
    expect(await deletionOf(id)).toMatchObject({ state: 'done', objects_removed: '2' });
    const removals = (await serviceEvents(service.database, 'retention')).filter(({ action }) => action === 'remove');
    const keys = new Set(removals.map(({ new_state }) => new_state.object_key));
    expect(keys.size).toBe(2);
  });

  it('is deleted in a database that is made anew from the archive, as are early objects that were superseded', async () => {
    await service
      .http(clerk)
      .post('/v1/retention-policies')
      .send({ record_class: 'quotes', valid_from: '2020-01-01', entity_type: 'quote', years: 9, reason: REASON })
      .expect(201);
    const hold = { ledgers: ['main'], recorded_to: monthsAgo(FIRST - 1, 1).toISOString(), reason: 'Inquiry' };
    const { body: held } = await service.http(officer).post('/v1/legal-holds').send(hold).expect(201);
    const id = await approved(SECOND);
    expect(await run('month-deletion')).toMatchObject({ done: [firstOf(SECOND)] });
    await run('archive-export');
    const later = new Date(Date.now() + 100 * 86_400_000);
    await moveTrailClock(admin, later);
    Object.assign(service.app.get(OBJECT_STORE), { now: () => later });
    for (const job of ['partition-maintenance', 'archive-export', 'archive-verification']) await run(job);
    const { superseded } = (await run('retention')) as { superseded: { removed: number; left: object[] } };
    expect(superseded.removed).toBeGreaterThan(0);
    expect(superseded.left).toEqual([]);
    await run('archive-export'); // what was recorded of it

    const copy = await createTestDatabase();
    const work = mkdtempSync(join(tmpdir(), 'truetrail-rebuild-test-'));
    try {
      const config = readConfig({
        DATABASE_URL: copy.serviceUrl,
        DATABASE_OWNER_URL: copy.ownerUrl,
        ARCHIVE_URL: test.url,
        ONLINE_MONTHS: '1',
        DATA_DIR: work,
        LOG_LEVEL: 'silent',
      });
      const ledgers = await rebuildFromArchive(config, () => undefined);
      expect(ledgers.map(({ ledger, verdict }) => [ledger, verdict])).toEqual([
        ['_service', 'valid'],
        ['main', 'valid'],
      ]);
      for (const text of [
        'SELECT * FROM archive_objects ORDER BY number',
        'SELECT * FROM archive_ranges ORDER BY number, ledger',
        `SELECT * FROM archive_contents WHERE number NOT IN (SELECT number FROM archive_removals)
           ORDER BY number, ledger, entity_type, event_type`,
        'SELECT number, deletion FROM archive_removals ORDER BY number',
        'SELECT id, record_class, valid_from, ledger, entity_type, event_type, years, reason, created_by FROM retention_policies ORDER BY id',
        'SELECT * FROM month_deletions ORDER BY id',
        'SELECT deletion, ordinal, act, state, principal, reason FROM month_deletion_acts ORDER BY deletion, ordinal',
        `SELECT * FROM month_ranges WHERE month = '${firstOf(SECOND)}' ORDER BY ledger`,
        `SELECT ledger, event_id, sequence FROM event_keys
           WHERE NOT (ledger = 'main' AND sequence BETWEEN 31 AND 60) ORDER BY ledger, sequence`,
      ]) {
        const [ours, theirs] = [await query(copy, text), await query(service.database, text)];
        // when an object that is there was catalogued is not written on it
        const known = (rows: Record<string, unknown>[], there: Record<string, unknown>[]): unknown[] =>
          rows.map(({ archived_at, created_by, ...row }, i) =>
            archived_at === undefined ? { ...row, created_by } : { ...row, isThere: there[i] !== undefined },
          );
        expect([text, known(ours, theirs)]).toEqual([text, known(theirs, ours)]);
      }
      await connected(copy.adminUrl, (client) => moveTrailClock(client, later));
      const rebuilt = await startService({
        env: { ARCHIVE_URL: test.url, ONLINE_MONTHS: '1', ARCHIVE_RETENTION_YEARS: '5' },
        settings: { CLOCK_TOLERANCE: ANY_DIFFERENCE_MS },
        database: copy,
      });
      try {
        const pageOf = async (of: TestService) =>
          (await of.http().get('/v1/ledgers/main/events?limit=1000').expect(200)).body;
        const [ours, theirs] = [await pageOf(rebuilt), await pageOf(service)];
        expect(ours.events).toEqual(theirs.events);
        expect(ours.deleted).toMatchObject([
          { deletion: id, policy: 'default', from_sequence: '31', to_sequence: '60' },
        ]);
        expect(await verify(rebuilt)).toMatchObject({ verdict: 'valid', checked: '90', deleted: [{ deletion: id }] });
        // what was held then is held now, and goes once somebody else has ended that
        const askFirst = () =>
          rebuilt
            .http()
            .post('/v1/deletions')
            .send({ month: firstOf(FIRST), reason: REASON });
        const { body: refused } = await askFirst().expect(409);
        expect(refused.detail).toContain(`is under the legal holds ${held.id}`);
        const other = (await createKey(rebuilt, ['holds:approve'], ['*'])).key;
        await rebuilt.http(other).post(`/v1/legal-holds/${held.id}/rejections`).send({ reason: 'over' }).expect(201);
        await runJob(rebuilt, 'archive-verification'); // its digests were read lately
        const again = await askFirst();
        expect([again.status, again.body.detail]).toEqual([201, undefined]);
        await rebuilt.http().post('/v1/ledgers/main/events').send(sampleEvent()).expect(201);
        expect((await runJob(rebuilt, 'archive-export')).outcome).toMatchObject({ refused: [], adopted: 0 });
        expect((await runJob(rebuilt, 'archive-verification')).outcome).toMatchObject({
          verdict: 'valid',
          findings: [],
        });
      } finally {
        await rebuilt.close();
      }
    } finally {
      await copy.drop();
      rmSync(work, { recursive: true, force: true });
    }
  });

  it('is not begun while the store has an object of it locked, whatever the database’s clock says', async () => {
    const [object] = await query<{ object_key: string; version_id: string }>(
      service.database,
      `SELECT object_key, version_id FROM archive_objects
         WHERE number IN (SELECT objects_of_month('${firstOf(FIRST)}')) AND kind = 'month'`,
    );
    const version = { key: object!.object_key, versionId: object!.version_id };
    await test.store.extendRetention(version, new Date(Date.now() + 86_400_000));
    const id = await approved();
    const outcome = await run('month-deletion');
    expect(outcome).toMatchObject({ done: [], removed: 0 });
    expect((outcome.kept as { reason: string }[])[0]!.reason).toContain('locked until');
    expect(await deletionOf(id)).toMatchObject({ state: 'approved' });
    expect(await verify(service)).toMatchObject({ verdict: 'valid', checked: '120', deleted: [] });
    // nor is an object removed of which the store is told to keep it
    await run('archive-verification'); // which learns of the lock
    const { body: partitions } = await service.http(clerk).get('/v1/partitions').expect(200);
    const shown = partitions.partitions.find(({ month }: { month: string }) => month === firstOf(FIRST));
    expect(shown).toMatchObject({ deletion: id, deletion_state: 'approved' });
    expect(Date.parse(shown.retained_until)).toBeGreaterThan(Date.now());
  });

  it('is begun, removed and finished by nobody out of turn', async () => {
    const { body: asked } = await ask().expect(201);
    const [object] = await query<{ number: string }>(
      service.database,
      `SELECT n AS number FROM objects_of_month('${firstOf(FIRST)}') AS n`,
    );
    const [late] = await query<{ number: string }>(
      service.database,
      `SELECT n AS number FROM objects_of_month('${firstOf(LATE)}') AS n`,
    );
    await connected(service.database.serviceUrl, async (client) => {
      await client.query('SET ROLE truetrail_service');
      const refused = async (text: string, values: unknown[], code: string) =>
        expect(client.query(text, values)).rejects.toMatchObject({ code });
      const act = 'SELECT act_on_month_deletion($1, $2, $3, NULL)';
      await refused(act, [asked.id, 'begin', 'service'], 'TT061');
      await refused(act, [asked.id, 'finish', 'service'], 'TT061');
      await refused(act, [asked.id, 'approve', asked.requested_by], 'TT031');
      await refused(act, ['0197f3a1-6c00-7000-8000-0000000000d7', 'approve', 'service'], 'TT063');
      await refused('SELECT begin_object_removal($1, $2)', [object!.number, asked.id], 'TT062');
      await refused('SELECT begin_object_removal($1, NULL)', [object!.number], 'TT062');
      await refused('SELECT finish_object_removal($1)', [object!.number], 'TT062');
      await refused(
        'SELECT request_month_deletion($1, $2, $3, $4)',
        [asked.id, firstOf(LATE), 'x', 'service'],
        'TT062',
      );
      await client.query(act, [asked.id, 'approve', 'key:other']);
      await client.query(act, [asked.id, 'begin', 'service']);
      await refused(act, [asked.id, 'finish', 'service'], 'TT061');
      await refused('SELECT begin_object_removal($1, $2)', [late!.number, asked.id], 'TT062');
      // no policy comes while the store is asked, and nothing is taken back of which something is gone
      await client.query('BEGIN');
      await client.query('SELECT begin_object_removal($1, $2)', [object!.number, asked.id]);
      await connected(service.database.serviceUrl, async (another) => {
        await another.query(`SET ROLE truetrail_service; SET lock_timeout = '100ms'`);
        await expect(
          another.query(
            `SELECT add_retention_policy($1, 'all', '2020-01-01', NULL, NULL, NULL, 12, 'x', 'key:other')`,
            [asked.id],
          ),
        ).rejects.toMatchObject({ code: '55P03' });
      });
      await client.query('SELECT finish_object_removal($1)', [object!.number]);
      await client.query('COMMIT');
      await refused(`SELECT act_on_month_deletion($1, 'reject', 'key:other', 'x')`, [asked.id], 'TT061');
      await expect(admin.query('DELETE FROM archive_removals')).rejects.toMatchObject({ code: 'TT100' });
      for (const table of [
        'retention_policies',
        'month_deletions',
        'month_deletion_acts',
        'archive_removals',
        'archive_contents',
      ]) {
        await refused(`DELETE FROM ${table}`, [], '42501');
        await refused(`INSERT INTO ${table} SELECT * FROM ${table}`, [], '42501');
      }
      await refused(`UPDATE month_deletions SET state = 'done'`, [], '42501');
      await refused(`SELECT assert_month_may_be_deleted($1)`, [firstOf(FIRST)], '42501');
    });
    // nor does the owner rewrite what was done
    for (const table of ['retention_policies', 'month_deletion_acts', 'archive_contents']) {
      await expect(admin.query(`DELETE FROM ${table}`)).rejects.toMatchObject({ code: 'TT100' });
    }
    await expect(admin.query(`UPDATE month_deletions SET reason = 'x'`)).rejects.toMatchObject({ code: 'TT100' });
  });
});

describe.each(STORES.map((make) => [make.name === 's3Store' ? 'S3' : 'a folder', make] as const))(
  'a month that %s has locked for years',
  (_, make) => {
    it('stays, also when everybody else says that its time is over', async () => {
      const test = await make();
      const service = await startService({
        env: { ARCHIVE_URL: test.url, ONLINE_MONTHS: '1' },
        settings: { CLOCK_TOLERANCE: ANY_DIFFERENCE_MS },
      });
      const run = async (job: string): Promise<Record<string, unknown>> => {
        const { status, outcome } = await runJob(service, job);
        if (status !== 'done') throw new Error(JSON.stringify(outcome));
        return outcome as unknown as Record<string, unknown>;
      };
      try {
        await connected(service.database.adminUrl, (admin) => moveTrailClock(admin, monthsAgo(4)));
        await run('partition-maintenance');
        const events = Array.from({ length: 20 }, () => sampleEvent());
        await service.http().post('/v1/ledgers/main/events/batch').send({ events }).expect(201);
        await connected(service.database.adminUrl, (admin) => moveTrailClock(admin, new Date()));
        await run('partition-maintenance');
        await run('archive-export');
        await run('retention');
        const versions = await query<{ object_key: string; version_id: string }>(
          service.database,
          `SELECT object_key, version_id FROM archive_objects WHERE number IN (SELECT objects_of_month('${firstOf(4)}'))`,
        );
        expect(versions).toHaveLength(2);
        const areThere = async (): Promise<void> => {
          for (const { object_key: key, version_id: versionId } of versions) {
            expect((await test.store.describe({ key, versionId })).retainUntil!.getTime()).toBeGreaterThan(Date.now());
          }
        };

        // whoever owns the database has its clock run ahead
        const ahead = new Date(Date.now() + 9 * 366 * 86_400_000);
        await connected(service.database.adminUrl, (admin) => moveTrailClock(admin, ahead));
        await run('archive-verification'); // of digests that were read long ago nothing would be deleted
        const clerk = (await createKey(service, ['operations:run'], ['*'])).key;
        const officer = (await createKey(service, ['holds:approve'], ['*'])).key;
        service.app.get(MonthDeletionJob).wake = () => Promise.resolve();
        const { body } = await service
          .http(clerk)
          .post('/v1/deletions')
          .send({ month: firstOf(4), reason: REASON })
          .expect(201);
        await service.http(officer).post(`/v1/deletions/${body.id}/approvals`).expect(201);
        const outcome = await run('month-deletion');
        expect((outcome.kept as { reason: string }[])[0]!.reason).toContain('locked until');
        expect(await verify(service)).toMatchObject({ verdict: 'valid', checked: '20', deleted: [] });

        // and has the deletion begin all the same
        await connected(service.database.serviceUrl, async (client) => {
          await client.query('SET ROLE truetrail_service');
          await client.query(`SELECT act_on_month_deletion($1, 'begin', 'service', NULL)`, [body.id]);
        });
        const forced = await run('month-deletion');
        expect(forced).toMatchObject({ done: [], removed: 0 });
        expect(forced.left).toHaveLength(2);
        await areThere();
        expect(await run('archive-verification')).toMatchObject({ verdict: 'valid', findings: [], removed: 0 });
        expect(await verify(service)).toMatchObject({
          // nobody has that on record
          verdict: 'invalid',
          findings: [{ kind: 'missing', detail: expect.stringContaining(body.id as string) }],
          checked: '0',
          deleted: [{ deletion: body.id }],
        });
      } finally {
        await service.close();
        test.close();
      }
    });
  },
);

describe('what the first month says of retention', () => {
  it('is recorded again before the month is deleted, so that a database that is made anew knows it', async () => {
    const test = folderStore();
    const database = await createTestDatabase();
    const environment = (years: string) => ({
      env: { ARCHIVE_URL: test.url, ONLINE_MONTHS: '1', ARCHIVE_RETENTION_YEARS: years },
      settings: { CLOCK_TOLERANCE: ANY_DIFFERENCE_MS },
    });
    // as everything does, the trail begins in its first month, with the policy `default`
    const setClock = (to: Date) => connected(database.adminUrl, (client) => moveTrailClock(client, to));
    await setClock(monthsAgo(FIRST));
    const service = await startService({ ...environment('5'), database });
    const run = async (job: string): Promise<Record<string, unknown>> => {
      const { status, outcome } = await runJob(service, job);
      if (status !== 'done') throw new Error(JSON.stringify(outcome));
      return outcome as unknown as Record<string, unknown>;
    };
    const policy = { record_class: 'client', valid_from: firstOf(FIRST), event_type: 'client_order', reason: REASON };
    const rebuildCopy = async <T>(
      work: (copy: TestDatabase) => Promise<T>,
      options?: Parameters<typeof rebuildFromArchive>[2],
    ): Promise<T> => {
      const copy = await createTestDatabase();
      const folder = mkdtempSync(join(tmpdir(), 'truetrail-rebuild-test-'));
      try {
        const config = readConfig({
          DATABASE_URL: copy.serviceUrl,
          DATABASE_OWNER_URL: copy.ownerUrl,
          ARCHIVE_URL: test.url,
          ONLINE_MONTHS: '1',
          DATA_DIR: folder,
          LOG_LEVEL: 'silent',
        });
        const ledgers = await rebuildFromArchive(config, () => undefined, options);
        expect(ledgers.map(({ verdict }) => verdict)).toEqual(ledgers.map(() => 'valid'));
        return await work(copy);
      } finally {
        await copy.drop();
        rmSync(folder, { recursive: true, force: true });
      }
    };
    try {
      await service
        .http()
        .post('/v1/retention-policies')
        .send({ ...policy, years: 10 })
        .expect(201);
      const holders = { clerk: ['holds:request'], officer: ['holds:approve'] };
      const [asking, agreeing] = [
        await createKey(service, holders.clerk, ['*']),
        await createKey(service, holders.officer, ['*']),
      ];
      // of a time in which nothing is recorded: it keeps none of the months below
      const { body: hold } = await service
        .http(asking.key)
        .post('/v1/legal-holds')
        .send({
          ledgers: ['main'],
          recorded_from: monthsAgo(LATE).toISOString(),
          recorded_to: monthsAgo(LATE - 1).toISOString(),
          reason: 'Inquiry',
        })
        .expect(201);
      await service.http(agreeing.key).post(`/v1/legal-holds/${hold.id}/approvals`).expect(201);
      for (const [back, event_type] of [
        [FIRST, 'order_lifecycle'],
        [SECOND, 'client_order'],
      ] as const) {
        await setClock(monthsAgo(back));
        await run('partition-maintenance');
        const events = Array.from({ length: 10 }, () => sampleEvent({ event_type }));
        await service.http().post('/v1/ledgers/main/events/batch').send({ events }).expect(201);
        for (const name of [`Branch ${back}`, `Renamed ${back}`]) {
          await service
            .http()
            .post('/v1/reference/legal-entity')
            .send({ lei: '529900G3SW56SHYNPR95', name, country: 'DE', valid_from: '2015-01-01' })
            .expect(201);
        }
        await setClock(monthsAgo(back - 2, 3));
        for (const job of ['partition-maintenance', 'archive-export', 'archive-verification', 'retention'])
          await run(job);
      }
      // what was recorded since is archived while it is to be kept, as it would have been
      await setClock(monthsAgo(LATE));
      for (const job of ['partition-maintenance', 'archive-export']) await run(job);
      await setClock(new Date());
      await run('archive-verification'); // the digests that are to stay were read lately
      const [clerk, officer] = [
        (await createKey(service, ['operations:run'], ['*'])).key,
        (await createKey(service, ['holds:approve'], ['*'])).key,
      ];
      service.app.get(MonthDeletionJob).wake = () => Promise.resolve();
      const { body: asked } = await service
        .http(clerk)
        .post('/v1/deletions')
        .send({ month: firstOf(FIRST), reason: REASON })
        .expect(201);
      await service.http(officer).post(`/v1/deletions/${asked.id}/approvals`).expect(201);
      // a month whose records cannot be carried on stays
      const [object] = await query<{ object_key: string }>(
        database,
        `SELECT object_key FROM archive_objects
           WHERE kind = 'month' AND number IN (SELECT objects_of_month('${firstOf(FIRST)}'))`,
      );
      const path = join(fileURLToPath(test.url), object!.object_key);
      const whole = readFileSync(path);
      chmodSync(path, 0o600);
      writeFileSync(path, whole.subarray(1));
      const refused = (await run('month-deletion')) as { kept: { reason: string }[] };
      expect(refused).toMatchObject({ done: [], removed: 0 });
      expect(refused.kept[0]!.reason).toContain(
        'what it says of retention, legal holds and reference data cannot be read',
      );
      writeFileSync(path, whole);
      expect(await run('month-deletion')).toMatchObject({ kept: [], done: [firstOf(FIRST)] });
      const records = await query<{ action: string; act: string }>(
        database,
        `SELECT action, concat_ws(' ', new_state ->> 'entity_type', new_state ->> 'action') AS act FROM audit_events
           WHERE ledger = '_service' AND entity_type = 'retention_record' AND entity_id = $1 ORDER BY sequence`,
        [asked.id],
      );
      expect(records).toEqual([
        { action: 'carry', act: 'retention_policy add' },
        { action: 'carry', act: 'retention_policy add' },
        { action: 'carry', act: 'legal_hold request' },
        { action: 'carry', act: 'legal_hold approve' },
        { action: 'carry', act: 'reference_legal-entity set' },
        { action: 'carry', act: 'reference_legal-entity set' },
        { action: 'carried', act: '' },
      ]);

      await run('archive-export');

      // early objects of the first month go as well: nothing but what was carried on tells of the policies
      // and what is removed is recorded in the ledger that succeeds the service's own
      await connected(database.adminUrl, async (client) => {
        await client.query(`UPDATE ledgers SET state = 'closed' WHERE ledger = '_service'`);
        await client.query(`SELECT create_ledger('_service-2', origin || '-2') FROM ledgers WHERE ledger = '_service'`);
      });
      const later = new Date(Date.now() + 100 * 86_400_000);
      await setClock(later);
      Object.assign(service.app.get(OBJECT_STORE), { now: () => later });
      for (const job of ['partition-maintenance', 'archive-export', 'archive-verification']) await run(job);
      const { superseded } = (await run('retention')) as { superseded: { removed: number; left: object[] } };
      expect(superseded.left).toEqual([]);
      expect(superseded.removed).toBeGreaterThan(0);
      await run('archive-export');
      const policies =
        'SELECT id, record_class, valid_from, ledger, entity_type, event_type, years, created_by FROM retention_policies ORDER BY id';
      await rebuildCopy(async (copy) => {
        expect(await query(copy, policies)).toEqual(await query(database, policies));
        const deletions = 'SELECT id, month, state, policy, begun_at FROM month_deletions ORDER BY id';
        expect(await query(copy, deletions)).toEqual(await query(database, deletions));
        for (const held of [
          'SELECT * FROM legal_holds ORDER BY id',
          'SELECT * FROM legal_hold_acts ORDER BY hold, ordinal',
        ]) {
          expect(await query(copy, held)).toEqual(await query(database, held));
        }
        expect(await query(copy, 'SELECT id, state FROM legal_holds')).toEqual([{ id: hold.id, state: 'active' }]);
        // as they were said, at their places and under their revisions
        const reference = 'SELECT * FROM reference_changes ORDER BY revision';
        expect(await query(copy, reference)).toEqual(await query(database, reference));
        expect(await query(copy, reference)).toHaveLength(4);
      });

      // an object that is locked for longer than any policy says tells of one that is lost, or was locked by hand
      const [second] = await query<{ object_key: string; version_id: string }>(
        database,
        `SELECT object_key, version_id FROM archive_objects
           WHERE kind = 'month' AND number IN (SELECT objects_of_month('${firstOf(SECOND)}'))`,
      );
      const version = { key: second!.object_key, versionId: second!.version_id };
      const { retainUntil } = await test.store.describe(version);
      await test.store.extendRetention(version, new Date(retainUntil!.getTime() + 86_400_000));
      await expect(rebuildCopy(() => Promise.resolve())).rejects.toThrow('A retention policy is lost');
      await rebuildCopy(async (copy) => expect(await query(copy, policies)).toEqual(await query(database, policies)), {
        acceptLongerLocks: true,
      });
    } finally {
      await service.close();
      await database.drop();
      test.close();
    }
  });
});
