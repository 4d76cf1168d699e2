import { chmodSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as pause } from 'node:timers/promises';
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import pg from 'pg';
import request from 'supertest';
import { pino } from 'pino';
import { Exporter, type ExportOutcome } from '../src/archive/exporter.js';
import { ArchiveVerifier } from '../src/archive/archive-verifier.js';
import { FORMAT_DESCRIPTION } from '../src/archive/format-description.js';
import { StoreUnavailable, type NewObject, type ObjectStore } from '../src/archive/object-store.js';
import { POOL } from '../src/database/tokens.js';
import type { JobLock } from '../src/jobs/job-lock.js';
import { sampleEvent, startService, takeTurn, TEST_KEY, type TestService } from './support/app.js';
import { createTestDatabase, type TestDatabase } from './support/database.js';
import { Replica } from './support/replica.js';
import { folderStore, S3_ENVIRONMENT, STORES, storeWith, type TestStore } from './support/stores.js';
import { ANY_DIFFERENCE_MS, moveTrailClock } from './support/trail-clock.js';
import { runJob } from './support/verification.js';

const log = pino({ level: 'silent' });

const EACH_STORE = STORES.map((make) => [make.name === 's3Store' ? 'S3' : 'a folder', make] as const);

describe.each(EACH_STORE)('the archive in %s', (_, make) => {
  let test: TestStore;
  let service: TestService;
  let admin: pg.Client;
  let turn: JobLock;
  beforeEach(async () => {
    test = await make();
    service = await startService({
      env: { ARCHIVE_URL: test.url, ARCHIVE_EXPORT_EVENTS: '500' },
      settings: { CLOCK_TOLERANCE: ANY_DIFFERENCE_MS },
    });
    admin = new pg.Client({ connectionString: service.database.adminUrl });
    await admin.connect();
    await service.http().put('/v1/ledgers/desk-1').expect(201);
    turn = await takeTurn(service, 'archive-export');
  });
  afterEach(async () => {
    await turn.release();
    await admin.end();
    await service.close();
    test.close();
  });

  async function record(count: number, ledger = 'main'): Promise<string[]> {
    const events = Array.from({ length: count }, () => sampleEvent());
    await service.http().post(`/v1/ledgers/${ledger}/events/batch`).send({ events }).expect(201);
    return events.map(({ event_id }) => event_id);
  }

  /** An exporter beside the service's own, over a store that may misbehave. */
  function exporter(store: ObjectStore = test.store): Exporter {
    const pool = service.app.get<pg.Pool>(POOL);
    const settings = { ARCHIVE_EXPORT_AGE: 300_000, ARCHIVE_EXPORT_EVENTS: 500, ARCHIVE_RETENTION_YEARS: 7 };
    return new Exporter(settings, pool, service.database.serviceUrl, store);
  }

  const run = (takeAll: boolean, store?: ObjectStore): Promise<ExportOutcome> =>
    exporter(store).run({ takeAll, requestedBy: 'key:test', signal: new AbortController().signal, log });

  const verify = (complete = true) => service.app.get(ArchiveVerifier).run(complete, new AbortController().signal);

  const keys = async (): Promise<string[]> => {
    const found: string[] = [];
    for await (const { key } of test.store.list('early/')) found.push(key);
    return found;
  };

  class Crash extends Error {}
  const crash = (): never => {
    throw new Crash();
  };
  async function* crashAtEnd(pieces: AsyncIterable<unknown>): AsyncGenerator<unknown> {
    yield* pieces;
    crash();
  }
  /** Fails at a call to the store, by its number or what it is: before it has an effect, or after. Notes all calls. */
  const crashing = (at: number | string, isAfter: boolean): { store: ObjectStore; calls: string[] } => {
    const calls: string[] = [];
    const store = storeWith(test.store, (target, name) => {
      const member = Reflect.get(target, name) as unknown;
      if (typeof member !== 'function') return member;
      return (...parameters: [string | { key: string }, ...unknown[]]): unknown => {
        const [about] = parameters;
        calls.push(`${String(name)} ${(typeof about === 'string' ? about : about.key).split('/')[0]}`);
        const isNow = calls.length === at || calls.at(-1) === at;
        if (isNow && !isAfter) crash();
        const result = (member as (...all: unknown[]) => Promise<unknown> | AsyncIterable<unknown>).apply(
          target,
          parameters,
        );
        if (!isNow || !isAfter) return result;
        return result instanceof Promise ? result.then(crash) : crashAtEnd(result);
      };
    });
    return { store, calls };
  };
  /** The call at which a run crashed; undefined if it came to its end before. */
  const crashAt = async (at: number | string, isAfter: boolean): Promise<string | undefined> => {
    const { store, calls } = crashing(at, isAfter);
    const place = (): string | undefined => (typeof at === 'string' ? at : calls[at - 1]);
    try {
      expect(await run(true, store)).toMatchObject({ refused: [], intruders: [] });
    } catch (error) {
      expect(error).toBeInstanceOf(Crash);
      return `${isAfter ? 'after' : 'before'} ${place()}`;
    }
    // of a list nobody reads more than is needed, and what comes after its end does not come
    return place() && `not after ${place()}`;
  };

  /** The store has its marker: the next `put` is that of an object. */
  async function claimed(): Promise<void> {
    await record(1);
    await run(true);
  }

  /** Every event of every ledger is in the catalogue once. */
  async function expectComplete(): Promise<void> {
    const { rows } = await admin.query<{ ledger: string; size: string; archived: string; ranges: string }>(
      `SELECT ledger, size, coalesce(max(to_sequence), 0) AS archived,
                coalesce(sum(to_sequence - from_sequence + 1), 0) AS ranges
           FROM ledger_heads LEFT JOIN (SELECT * FROM archive_ranges WHERE kind = 'early') AS early USING (ledger)
          GROUP BY ledger, size`,
    );
    for (const { size, archived, ranges } of rows) expect([archived, ranges]).toEqual([size, size]);
  }

  it('waits for age or count, and takes all when it is asked to', async () => {
    await record(40);
    expect(await run(false)).toMatchObject({ objects: 0 });
    expect(await run(true)).toMatchObject({ objects: 1, adopted: 0, refused: [] });
    await expectComplete();
    expect(await run(true)).toMatchObject({ objects: 0, events: 0n });
    await record(600, 'desk-1');
    expect(await run(false)).toMatchObject({ objects: 1, events: 600n });
    await record(3);
    await admin.query(`
        CREATE OR REPLACE FUNCTION trail_now() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE
          SET search_path = pg_catalog AS $$ SELECT clock_timestamp() + interval '301 seconds' $$`);
    expect(await run(false)).toMatchObject({ objects: 1, events: 3n });
    await expectComplete();
    expect(await verify()).toMatchObject({ objects: 3, read: 3, findings: [] });
  });

  it('is told of over the API: where an event is, since when, until when, why, by whom', async () => {
    const [first] = await record(5);
    const { body: before } = await service.http().get(`/v1/ledgers/main/events/${first}/archive`).expect(200);
    const { body: event } = await service.http().get(`/v1/ledgers/main/events/${first}`).expect(200);
    const entry = {
      ...{ ledger: 'main', event_id: first, sequence: '1', entity_type: 'order', entity_id: event.entity_id },
      ...{ content_hash: event.content_hash, record_class: 'default', reason: 'regulatory' },
    };
    expect(before).toEqual({ ...entry, objects: [] });
    await turn.release();
    const { body: asked } = await service.http().post('/v1/jobs/archive-export/runs').expect(202);
    let outcome: { status: string; outcome: Record<string, unknown> };
    do {
      await pause(100);
      outcome = (await service.http().get(`/v1/jobs/archive-export/runs/${asked.id}`).expect(200)).body;
    } while (outcome.status === 'queued' || outcome.status === 'running');
    expect(outcome).toMatchObject({ status: 'done', outcome: { objects: 1, refused: [] } });
    const { body } = await service.http().get(`/v1/ledgers/main/events/${first!.toUpperCase()}/archive`).expect(200);
    const [object] = body.objects;
    expect(body).toEqual({ ...entry, objects: [object] });
    expect(object).toMatchObject({
      number: '1',
      kind: 'early',
      location: test.store.location,
      reason: 'regulatory',
      ledger: 'main',
      from_sequence: '1',
      to_sequence: '5',
    });
    expect(object.created_by).toMatch(/^key:/);
    expect(Date.parse(object.retain_until)).toBeGreaterThan(Date.now() + 59 * 86_400_000);
    const { body: list } = await service.http().get('/v1/ledgers/main/archive/objects').expect(200);
    expect(list).toEqual({ objects: [object], next_cursor: null });
    const { body: summary } = await service.http().get('/v1/ledgers/main/archive/summary').expect(200);
    expect(summary).toMatchObject({
      size: '5',
      archived: '5',
      totals: [{ kind: 'early', objects: '1', events: '5' }],
    });
    await service.http().get('/v1/ledgers/main/archive/objects?limit=0').expect(400);
    await service.http().get('/v1/ledgers/nowhere/archive/summary').expect(404);
    const version = { key: object.object_key, versionId: object.version_id };
    expect((await test.store.describe(version)).metadata).toMatchObject({ sha256: object.sha256, number: '1' });
  });

  it('says in the store itself how to read it, locked for longer than all that says so', async () => {
    await record(5);
    await run(true);
    const { key, sha256, bytes } = FORMAT_DESCRIPTION;
    const [version, ...others] = await test.store.versionsOf(key);
    expect(others).toEqual([]);
    expect((await test.store.readRange(version!, 0, version!.bytes)).equals(bytes)).toBe(true);
    const lock = await test.store.describe(version!);
    expect(lock).toMatchObject({ isCompliance: true, metadata: { sha256 } });
    const years = (count: number): number => Date.now() + count * 365 * 86_400_000;
    expect(lock.retainUntil!.getTime()).toBeGreaterThan(years(7 + 5));
    const [early] = await keys();
    const [object] = await test.store.versionsOf(early!);
    const whole = await test.store.readRange(object!, 0, object!.bytes);
    const named = `"described_in":"${key}","description_sha256":"${sha256}"`;
    expect(whole.includes(named)).toBe(true);
    expect(await verify()).toMatchObject({ objects: 1, findings: [], duplicates: 0 });
    await run(true); // another exporter finds it
    expect(await test.store.versionsOf(key)).toHaveLength(1);

    // a lock that does not last until after what is written now is moved on
    const [until] = [lock.retainUntil!];
    await admin.query(
      `INSERT INTO retention_policies (id, record_class, valid_from, years, reason, created_by, created_at)
           VALUES (gen_random_uuid(), 'long', '2020-01-01', 20, 'x', 'key:test', now())`,
    );
    await record(1);
    await run(true);
    const moved = (await test.store.describe(version!)).retainUntil!;
    expect(moved.getTime() - until.getTime()).toBeGreaterThan(12 * 365 * 86_400_000);

    if (test.owner) {
      const { client, bucket } = test.owner;
      const at = { Bucket: bucket, Key: `trail/${key}` };
      await client.send(new PutObjectCommand({ ...at, Body: 'other' }));
      await client.send(new DeleteObjectCommand(at));
      expect((await verify()).findings).toMatchObject([
        { kind: 'object-unknown', object_key: key },
        { kind: 'object-hidden', object_key: key },
      ]);
      return;
    }
    const path = join(fileURLToPath(test.url), key);
    chmodSync(path, 0o600);
    writeFileSync(path, 'other');
    expect((await verify()).findings).toMatchObject([{ kind: 'object-changed', object_key: key }]);
    for (const name of readdirSync(dirname(path))) rmSync(join(dirname(path), name));
    expect((await verify()).findings).toMatchObject([{ kind: 'object-missing', object_key: key }]);
    await record(1);
    await run(true); // written again
    expect((await verify()).findings).toEqual([]);
  });

  it('is whole after a crash at any step, and nothing in it is there twice or unaccounted for', async () => {
    // one crash on top of the other, until a run is over before it comes to its crash
    const crashes = new Set<string>();
    for (let at = 1, isOver = false; !isOver; at++) {
      for (const isAfter of [false, true]) {
        await record(20);
        const crashed = await crashAt(at, isAfter);
        isOver = crashed === undefined;
        if (crashed !== undefined) crashes.add(crashed);
      }
    }
    const bothSides = (...calls: string[]): string[] => calls.flatMap((call) => [`before ${call}`, `after ${call}`]);
    expect([...crashes].sort()).toEqual(
      expect.arrayContaining(bothSides('versionsOf store.json', 'list early', 'put format', 'put early')),
    );
    // those about an object each alone, after a run that has put all in order, and while what a crash has left is taken up
    for (const step of ['put early', 'read early', 'describe early']) {
      for (const isAfter of [false, true]) {
        for (const isLeft of step === 'put early' ? [false] : [false, true]) {
          await run(true);
          await expectComplete();
          await record(20);
          if (isLeft) expect(await crashAt('put early', true)).toBe('after put early');
          expect(await crashAt(step, isAfter)).toBe(`${isAfter ? 'after' : 'before'} ${step}`);
          await record(20);
          const isWritten = isLeft || step !== 'put early' || isAfter;
          expect(await run(true)).toMatchObject({ adopted: isWritten ? 1 : 0, objects: 1, refused: [] });
        }
      }
    }

    await run(true);
    await expectComplete();
    const { rows } = await admin.query<{ object_key: string }>(
      'SELECT object_key FROM archive_objects ORDER BY number',
    );
    expect(await keys()).toEqual(rows.map((row) => row.object_key));
    expect(await verify()).toMatchObject({ findings: [], duplicates: 0 });
  });

  it('is whole after a crash at any step of a sealed month, of its index and of its digests', async () => {
    for (const days of [70, 35, 0]) {
      await moveTrailClock(admin, new Date(Date.now() - days * 86_400_000));
      expect((await runJob(service, 'partition-maintenance')).status).toBe('done');
      await record(40);
      if (days > 0) await run(true);
    }
    for (const kind of ['month', 'entities', 'digests']) {
      for (const step of ['put', 'read', 'describe'].map((name) => `${name} ${kind}`)) {
        expect(await crashAt(step, false)).toBe(`before ${step}`);
        expect(await crashAt(step, true)).toBe(`after ${step}`);
      }
    }
    await run(true);
    await expectComplete();
    const { rows } = await admin.query<{ object_key: string }>('SELECT object_key FROM archive_objects');
    const stored: string[] = [];
    for (const kind of ['early', 'month', 'entities', 'digests']) {
      for await (const { key } of test.store.list(`${kind}/`)) stored.push(key);
    }
    expect(stored.sort()).toEqual(rows.map((row) => row.object_key).sort());
    expect(new Set(stored.map((key) => key.split('/')[0])).size).toBe(4);
    expect(await verify()).toMatchObject({ findings: [], duplicates: 0 });
  });

  it('is written once, however many replicas write at once', async () => {
    await record(300);
    const results = await Promise.allSettled([run(true), run(true), run(true)]);
    for (const result of results) {
      if (result.status === 'rejected') expect(String(result.reason)).toMatch(/does not follow|TT010/);
    }
    await run(true);
    await expectComplete();
  });

  it('leaves what it wrote after it had lost its turn, and that is known for what it is', async () => {
    await claimed();
    await record(20);
    let isAtPut = (): void => undefined;
    const atPut = new Promise<void>((resolve) => (isAtPut = resolve));
    let goOn = (): void => undefined;
    const turnLost = new Promise<void>((resolve) => (goOn = resolve));
    const late: ObjectStore = new Proxy(test.store, {
      get(target, name) {
        if (name === 'within') return () => late;
        const member = Reflect.get(target, name) as unknown;
        if (typeof member !== 'function') return member;
        if (name !== 'put') return member.bind(target) as unknown;
        return async (object: NewObject) => {
          isAtPut();
          await turnLost;
          return target.put(object);
        };
      },
    });
    const slow = run(true, late).catch((error: unknown) => error);
    await atPut;
    await record(10);
    await run(true);
    goOn();
    expect(await slow).toMatchObject({ code: 'TT010' });
    expect(await verify()).toMatchObject({ findings: [], duplicates: 1 });
    expect(await run(true)).toMatchObject({ objects: 0, adopted: 0 });
    await expectComplete();
  });

  it('leaves out nothing but what is damaged, and says what that is', async () => {
    await record(30);
    await record(10, 'desk-1');
    const { rows } = await admin.query<{ leaf: string }>(
      `SELECT tableoid::regclass::text AS leaf FROM audit_events LIMIT 1`,
    );
    await admin.query(`ALTER TABLE ${rows[0]!.leaf} DISABLE TRIGGER ALL`);
    await admin.query(
      `UPDATE ${rows[0]!.leaf} SET new_state = jsonb_set(new_state, '{price}', '"1"') WHERE ledger = 'main' AND sequence = 21`,
    );
    await service.http().put('/v1/ledgers/desk-2').expect(201);
    await record(10, 'desk-2');
    await service.http().put('/v1/ledgers/desk-3').expect(201);
    await record(10, 'desk-3');
    await admin.query(`DELETE FROM ${rows[0]!.leaf} WHERE ledger = 'desk-2' AND sequence IN (1, 5)`);
    await admin.query(`DELETE FROM ${rows[0]!.leaf} WHERE ledger = 'desk-3' AND sequence = 10`);
    const outcome = await run(true);
    expect(outcome.refused.map(({ ledger, sequence }) => [ledger, sequence]).sort()).toEqual([
      ['desk-2', '1'],
      ['desk-3', '10'],
      ['main', '21'],
    ]);
    const archived = async (ledger: string): Promise<string> =>
      (await service.http().get(`/v1/ledgers/${ledger}/archive/summary`).expect(200)).body.archived;
    expect(await Promise.all(['main', 'desk-1', 'desk-2', 'desk-3'].map(archived))).toEqual(['20', '10', '0', '9']);
    expect(await verify()).toMatchObject({ findings: [] });
    // told again when it is asked for, and others are archived meanwhile
    await record(5, 'desk-1');
    expect((await run(true)).refused).toHaveLength(3);
    expect(await archived('desk-1')).toBe('15');
  });

  it('keeps to its store: that of another database is refused', async () => {
    await record(5);
    await run(true);
    const other = await startService({ env: { ARCHIVE_URL: 'off' } }); // it would not start in this archive
    try {
      const pool = other.app.get<pg.Pool>(POOL);
      const theirs = new Exporter(
        { ARCHIVE_EXPORT_AGE: 1_000, ARCHIVE_EXPORT_EVENTS: 1, ARCHIVE_RETENTION_YEARS: 7 },
        pool,
        other.database.serviceUrl,
        test.store,
      );
      await other.http().post('/v1/ledgers/main/events').send(sampleEvent()).expect(201);
      const request = { takeAll: true, requestedBy: 'key:test', signal: new AbortController().signal, log };
      await expect(theirs.run(request)).rejects.toThrow('the archive of another database');
      // nor does this database go on in another store, as a replica with another ARCHIVE_URL would
      const elsewhere = folderStore();
      try {
        await expect(run(true, elsewhere.store)).rejects.toThrow('not the store that this database archives to');
      } finally {
        elsewhere.close();
      }
    } finally {
      await other.close();
    }
  });

  it('does not hold up recording while the store is away', async () => {
    await record(5);
    const away = new Proxy(test.store, {
      get: (target, name) =>
        name === 'location'
          ? target.location
          : () => {
              throw new StoreUnavailable('away');
            },
    });
    await expect(run(true, away)).rejects.toThrow(StoreUnavailable);
    await record(5);
    await run(true);
    await expectComplete();
  });

  it('finds what the ledger alone cannot show: a tail cut off with its keys, and the head put back', async () => {
    await record(30);
    await run(true);
    const { rows } = await admin.query<{ leaf: string }>(
      `SELECT tableoid::regclass::text AS leaf FROM audit_events LIMIT 1`,
    );
    await admin.query(`SET session_replication_role = replica; ALTER TABLE ${rows[0]!.leaf} DISABLE TRIGGER ALL`);
    for (let i = 0; i < 8; i++) await admin.query(`ALTER TABLE event_keys_${i} DISABLE TRIGGER ALL`);
    await admin.query(`ALTER TABLE event_keys DISABLE TRIGGER ALL`);
    await admin.query(`DELETE FROM ${rows[0]!.leaf} WHERE ledger = 'main' AND sequence > 20`);
    await admin.query(`DELETE FROM event_keys WHERE ledger = 'main' AND sequence > 20`);
    await admin.query(`
        UPDATE ledger_heads AS h SET size = 20, event_hash = e.event_hash, recorded_at = e.recorded_at
          FROM audit_events AS e WHERE h.ledger = 'main' AND e.ledger = 'main' AND e.sequence = 20`);
    expect((await run(false)).refused).toMatchObject([{ ledger: 'main', sequence: '20' }]);
    const { findings } = await verify();
    expect(findings).toMatchObject([{ kind: 'catalogue', ledger: 'main', sequence: '30' }]);
    await record(15); // and what is recorded instead does not follow what is archived
    expect((await run(true)).refused).toMatchObject([{ ledger: 'main' }]);
  });

  it('is found out when it is tampered with', async () => {
    await record(50);
    await run(true);
    await record(50);
    await run(true);
    const [first, second] = (
      await admin.query<{ object_key: string; version_id: string }>('SELECT * FROM archive_objects ORDER BY number')
    ).rows;
    if (test.owner) {
      const { client, bucket } = test.owner;
      const at = (key: string) => ({ Bucket: bucket, Key: `trail/${key}` });
      await client.send(new PutObjectCommand({ ...at(first!.object_key), Body: 'other' }));
      await client.send(new DeleteObjectCommand(at(second!.object_key)));
      await client.send(new PutObjectCommand({ ...at('early/000000000001-0000000000000000.parquet'), Body: 'x' }));
      const { findings } = await verify();
      const found = findings.map(({ kind, object_key }) => [kind, object_key]);
      expect(found).toEqual(
        expect.arrayContaining([
          ['object-hidden', first!.object_key],
          ['object-unknown', first!.object_key],
          ['object-hidden', second!.object_key],
          ['object-unknown', 'early/000000000001-0000000000000000.parquet'],
        ]),
      );
      expect(found).toHaveLength(4);
    } else {
      const { chmodSync, readFileSync, writeFileSync, unlinkSync } = await import('node:fs');
      const folder = test.url.slice('file:'.length);
      const path = `${folder}/${first!.object_key}`;
      const bytes = readFileSync(path);
      bytes[bytes.length - 900]! ^= 1;
      chmodSync(path, 0o644);
      writeFileSync(path, bytes);
      unlinkSync(`${folder}/${second!.object_key}`);
      const { findings } = await verify();
      expect(findings.map(({ kind, object_key }) => [kind, object_key])).toEqual([
        ['object-changed', first!.object_key],
        ['object-missing', second!.object_key],
      ]);
      expect(readdirSync(folder)).toContain('store.json');
      writeFileSync(`${folder}/early/.DS_Store`, '');
      expect((await verify()).findings.map(({ kind }) => kind)).toEqual([
        'object-changed',
        'object-missing',
        'object-unknown',
      ]);
    }
    // and so is the catalogue
    await admin.query('SET session_replication_role = replica; ALTER TABLE archive_ranges DISABLE TRIGGER ALL');
    await admin.query(`UPDATE archive_ranges SET last_event_hash = sha256('x') WHERE number = 1 AND ledger = 'main'`);
    const { findings } = await verify();
    expect(findings.map(({ kind }) => kind)).toContain(test.owner ? 'catalogue' : 'object-changed');
  });
});

/** Enough for its reading back to take longer than it takes to notice that an object is there. */
const EVENTS_WHEN_KILLED = 2_000;
const BATCH = 500;
/** A moment that lasts some milliseconds may have passed before the signal comes. */
const MOST_ATTEMPTS = 5;
const EXPORT_LIMIT_MS = 30_000;

describe.each(EACH_STORE)('a service that is killed while it exports to %s', (_, make) => {
  let test: TestStore;
  let database: TestDatabase;
  let admin: pg.Client;
  let replica: Replica;
  let recorded = 0;
  const service = { http: () => request.agent(replica.url).set('authorization', `Bearer ${TEST_KEY}`) };

  const start = async (): Promise<void> => {
    const env = { ...S3_ENVIRONMENT, DATABASE_URL: database.serviceUrl, ARCHIVE_URL: test.url };
    replica = await Replica.start(env);
  };
  beforeAll(async () => {
    test = await make();
    database = await createTestDatabase();
    admin = new pg.Client({ connectionString: database.adminUrl });
    await admin.connect();
    await start();
  });
  afterAll(async () => {
    await replica.end('SIGKILL');
    await admin.end();
    await database.drop();
    test.close();
  });

  const stored = async (): Promise<string[]> => {
    const found: string[] = [];
    for await (const { key } of test.store.list('early/')) found.push(key);
    return found;
  };
  const catalogued = async (): Promise<string[]> => {
    const { rows } = await admin.query<{ object_key: string }>(
      'SELECT object_key FROM archive_objects ORDER BY number',
    );
    return rows.map((row) => row.object_key);
  };
  const statusOf = async (run: string): Promise<string | undefined> =>
    (await admin.query<{ status: string }>('SELECT status FROM job_runs WHERE id = $1', [run])).rows[0]?.status;

  /** Everything recorded is archived once and in turn, and in the store is what the catalogue has, and no more. */
  async function expectWhole(): Promise<void> {
    const { rows } = await admin.query<{ ledger: string; from: string; to: string }>(
      `SELECT ledger, from_sequence AS from, to_sequence AS to FROM archive_ranges
         WHERE kind = 'early' ORDER BY ledger, from_sequence`,
    );
    const ends = new Map<string, number>();
    for (const { ledger, from, to } of rows) {
      expect([ledger, Number(from)]).toEqual([ledger, (ends.get(ledger) ?? 0) + 1]);
      ends.set(ledger, Number(to));
    }
    const { body } = await service.http().get('/v1/ledgers/main').expect(200);
    expect([Number(body.size), ends.get('main')]).toEqual([recorded, recorded]);
    const keys = await stored();
    expect(keys).toEqual(await catalogued());
    expect(await runJob(service, 'archive-verification')).toMatchObject({
      status: 'done',
      outcome: { verdict: 'valid', objects: keys.length, read: keys.length, unread: 0, duplicates: 0, findings: [] },
    });
  }

  interface Moment {
    /** Whether it has come, for the run and by what there was before. */
    isThere: (run: string, before: { stored: number; catalogued: number }) => Promise<boolean>;
    /** keeps it from passing; what ends that */
    hold?: () => Promise<() => Promise<void>>;
    /** objects that a run leaves which is killed then */
    left: { stored: number; catalogued: number };
  }

  it.each<[string, Moment]>([
    [
      'as it begins',
      { isThere: async (run) => (await statusOf(run)) === 'running', left: { stored: 0, catalogued: 0 } },
    ],
    [
      'when its object has appeared',
      {
        isThere: async (_run, before) => (await stored()).length > before.stored,
        left: { stored: 1, catalogued: 0 },
      },
    ],
    [
      'when its object was read back and is put into the catalogue',
      {
        hold: async () => {
          await admin.query('BEGIN; LOCK TABLE archive_objects IN EXCLUSIVE MODE');
          return async () => void (await admin.query('ROLLBACK'));
        },
        isThere: async () => {
          const { rows } = await admin.query(
            `SELECT FROM pg_locks WHERE NOT granted AND relation = 'archive_objects'::regclass`,
          );
          return rows.length > 0;
        },
        left: { stored: 1, catalogued: 0 },
      },
    ],
    [
      'when its object has just been catalogued',
      {
        isThere: async (_run, before) => (await catalogued()).length > before.catalogued,
        left: { stored: 1, catalogued: 1 },
      },
    ],
  ])(
    'loses nothing, doubles nothing and leaves nothing unaccounted for: %s',
    async (_moment, { isThere, hold, left }) => {
      for (let attempt = 1; ; attempt++) {
        for (let i = 0; i < EVENTS_WHEN_KILLED / BATCH; i++) {
          const events = Array.from({ length: BATCH }, () => sampleEvent());
          await service.http().post('/v1/ledgers/main/events/batch').send({ events }).expect(201);
          recorded += BATCH;
        }
        const before = { stored: (await stored()).length, catalogued: (await catalogued()).length };
        const release = await hold?.();
        const { body: run } = await service.http().post('/v1/jobs/archive-export/runs').expect(202);
        for (const began = Date.now(); !(await isThere(run.id, before));) {
          if (Date.now() - began > EXPORT_LIMIT_MS) throw new Error('the moment does not come');
        }
        expect(await replica.end('SIGKILL')).toBe('SIGKILL');
        await release?.();
        const found = {
          stored: (await stored()).length - before.stored,
          catalogued: (await catalogued()).length - before.catalogued,
          status: await statusOf(run.id),
        };
        await start();
        expect((await runJob(service, 'archive-export')).status).toBe('done');
        await expectWhole();
        const wanted = { ...left, status: 'running' };
        if (attempt < MOST_ATTEMPTS && JSON.stringify(found) !== JSON.stringify(wanted)) continue;
        expect(found).toEqual(wanted);
        expect(await statusOf(run.id)).toBe('failed'); // it is told that its process has ended
        return;
      }
    },
  );
});
