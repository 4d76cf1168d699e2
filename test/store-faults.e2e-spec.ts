import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { pino } from 'pino';
import request from 'supertest';
import { MARKER_KEY } from '../src/archive/archive-store.js';
import { isDescriptionKey } from '../src/archive/format-description.js';
import { Exporter } from '../src/archive/exporter.js';
import { FilesystemObjectStore } from '../src/archive/filesystem-object-store.js';
import type { ObjectStore } from '../src/archive/object-store.js';
import { Alarms } from './support/alarms.js';
import { sampleEvent, takeTurn, TEST_KEY } from './support/app.js';
import { createTestDatabase, type TestDatabase } from './support/database.js';
import { freePort } from './support/free-port.js';
import { Replica } from './support/replica.js';
import { HAS_S3, onFolders, S3_ENVIRONMENT, s3Store, type TestStore } from './support/stores.js';
import { StoreProxy, type StoreFault } from './support/store-proxy.js';
import { canMountTmpfs, mountTmpfs } from './support/tmpfs.js';
import { whenOver } from './support/verification.js';

/** With and without a fault: what a POST may take, but for the slowest in a hundred, on a machine that tests. */
const POST_P99_MS = 1_000;
/** On one that is slower than that without any fault: so many times what it takes then. */
const SLOWER = 3;
/** Enough for a hundred POSTs, however soon the job fails. */
const LEAST_POSTING_MS = 2_000;
/** The job runs once a minute. */
const SCHEDULE_LIMIT_MS = 120_000;
/** The least that ARCHIVE_TIMEOUT may be. */
const TIMEOUT = '1s';
const HAS_TMPFS = canMountTmpfs();
if (!HAS_TMPFS) {
  process.stderr.write(
    'skipped: a store on a file system that is full, or read-only (Linux, and root who may mount)\n',
  );
}

/** What may alarm whatever the store does. The last two: nothing is signed here, and the tests' server archives no WAL. */
const OF_TESTS = [
  'TruetrailArchiveStoreFault',
  'TruetrailEventLoopLag',
  'TruetrailNotSigning',
  'TruetrailWalArchivingOff',
];

/** A service in a process of its own that archives to a store, and what must be true of the two whatever the store does. */
class Archive {
  private constructor(
    readonly database: TestDatabase,
    private readonly service: Replica,
    private readonly admin: pg.Client,
    /** the same store by a way that has no faults */
    private readonly store: ObjectStore,
    readonly metrics: string,
  ) {}
  /** what the slowest hundredth of POSTs may take */
  private boundMs = POST_P99_MS;

  static async start(store: ObjectStore, env: Record<string, string>): Promise<Archive> {
    const database = await createTestDatabase();
    const port = String(await freePort());
    const service = await Replica.start({
      ...S3_ENVIRONMENT,
      DATABASE_URL: database.serviceUrl,
      METRICS_PORT: port,
      ...env,
    });
    const admin = new pg.Client({ connectionString: database.adminUrl });
    await admin.connect();
    const archive = new Archive(database, service, admin, store, `http://127.0.0.1:${port}/metrics`);
    const { p99 } = await archive.postingWhile(() => Promise.resolve());
    archive.boundMs = Math.max(POST_P99_MS, SLOWER * p99);
    return archive;
  }

  async close(): Promise<void> {
    await this.admin.end();
    expect(await this.service.end('SIGTERM')).toBe(0);
    await this.database.drop();
  }

  http(): ReturnType<typeof request.agent> {
    return request.agent(this.service.url).set('authorization', `Bearer ${TEST_KEY}`);
  }

  /** Posts events, two at a time, until `work` is done, and holds all of them to the bound. */
  async posting<T>(work: () => Promise<T>): Promise<T> {
    const { result, p99 } = await this.postingWhile(work);
    expect(p99).toBeLessThan(this.boundMs);
    return result;
  }

  private async postingWhile<T>(work: () => Promise<T>): Promise<{ result: T; p99: number }> {
    const took: number[] = [];
    let isOver = false;
    const post = async (): Promise<void> => {
      while (!isOver) {
        const began = performance.now();
        const { status } = await fetch(`${this.service.url}/v1/ledgers/main/events`, {
          method: 'POST',
          headers: { authorization: `Bearer ${TEST_KEY}`, 'content-type': 'application/json' },
          body: JSON.stringify(sampleEvent()),
        });
        took.push(performance.now() - began);
        expect(status).toBe(201);
        await pause(10);
      }
    };
    const clients = [post(), post()];
    let result: T;
    try {
      [result] = await Promise.all([work(), pause(LEAST_POSTING_MS)]);
    } finally {
      isOver = true;
      await Promise.all(clients);
    }
    took.sort((a, b) => a - b);
    expect(took.length).toBeGreaterThan(10);
    return { result, p99: took[Math.ceil(took.length * 0.99) - 1]! };
  }

  async record(count: number): Promise<void> {
    const events = Array.from({ length: count }, () => sampleEvent());
    await this.http().post('/v1/ledgers/main/events/batch').send({ events }).expect(201);
  }

  /** Asks for a run of the job and waits until it is over. */
  private async run(job = 'archive-export'): Promise<{ status: string; outcome: Record<string, unknown> }> {
    const { headers } = await this.http().post(`/v1/jobs/${job}/runs`).expect(202);
    return whenOver(this, headers.location!);
  }

  async expectRunFails(message: RegExp): Promise<void> {
    const { status, outcome } = await this.run();
    // beside what it had done by then
    const error: unknown = expect.stringMatching(message);
    expect({ status, outcome }).toMatchObject({ status: 'failed', outcome: { refused: [], error } });
  }

  async expectRunSucceeds(): Promise<void> {
    expect(await this.run()).toMatchObject({ status: 'done', outcome: { refused: [] } });
  }

  private async catalogued(): Promise<{ object_key: string; version_id: string; sha256: string }[]> {
    const { rows } = await this.admin.query<{ object_key: string; version_id: string; sha256: string }>(
      `SELECT object_key, version_id, encode(sha256, 'hex') AS sha256 FROM archive_objects ORDER BY number`,
    );
    return rows;
  }

  /** What the catalogue has is in the store. */
  async expectKept(): Promise<void> {
    for (const { object_key: key, version_id: versionId, sha256 } of await this.catalogued()) {
      expect((await this.store.describe({ key, versionId })).metadata).toMatchObject({ sha256 });
    }
  }

  /** Every event up to the head is in the catalogue once, and in the store is what the catalogue has, and no more. */
  async expectComplete(): Promise<void> {
    const { rows } = await this.admin.query<{ size: string; archived: string; events: string }>(
      `SELECT size, coalesce(max(to_sequence), 0) AS archived, coalesce(sum(to_sequence - from_sequence + 1), 0) AS events
         FROM ledger_heads LEFT JOIN archive_ranges USING (ledger) GROUP BY ledger, size`,
    );
    for (const { size, archived, events } of rows) expect([archived, events]).toEqual([size, size]);
    const listed: string[] = [];
    for await (const { key, versionId } of this.store.list(''))
      if (key !== MARKER_KEY && !isDescriptionKey(key)) listed.push(`${key} ${versionId}`);
    expect(listed).toEqual((await this.catalogued()).map((object) => `${object.object_key} ${object.version_id}`));
    expect(await this.run('archive-verification')).toMatchObject({
      status: 'done',
      outcome: { verdict: 'valid', objects: listed.length, read: listed.length, unread: 0, findings: [] },
    });
  }

  /**
   * Has an export fail five times within an hour of scrapes, of which the alarm tells; what is left of the archive's alarms
   * comes with age: store-away has those.
   */
  async expectAlarm(
    name: string,
    message: RegExp,
    begin: () => Promise<void>,
    end: () => Promise<void>,
  ): Promise<void> {
    const alarms = new Alarms({ 'truetrail-a': this.metrics });
    await this.expectRunSucceeds();
    await alarms.scrape(2);
    await begin();
    try {
      for (let i = 0; i < 5; i++) {
        await this.record(1);
        await this.expectRunFails(message);
        await alarms.scrape(10);
      }
    } finally {
      await end();
    }
    await this.expectRunSucceeds();
    await alarms.scrape(70); // an hour later nothing fires any more
    alarms.expectFired(name, ['TruetrailJobFailing'], { maybe: OF_TESTS });
  }

  /** Waits until nothing is left to archive, which the job does by itself, once a minute. */
  async whenArchived(): Promise<void> {
    for (const began = Date.now(); Date.now() - began < SCHEDULE_LIMIT_MS; await pause(250)) {
      const { body } = await this.http().get('/v1/ledgers/main/archive/summary').expect(200);
      if (body.size === body.archived) return;
    }
    throw new Error('nobody archives what is left');
  }
}

const describeS3 = HAS_S3 ? describe : describe.skip;
const ALL = /^/;
const OBJECTS = /^(PUT|GET) .*\.parquet/;
const READS = /^GET .*\.parquet/;
const WRITES = /^PUT .*\.parquet/;

describeS3('an S3 store that misbehaves', () => {
  let test: TestStore;
  let proxy: StoreProxy;
  let archive: Archive;
  beforeAll(async () => {
    test = await s3Store();
    proxy = await StoreProxy.start(process.env.AWS_ENDPOINT_URL_S3!);
    archive = await Archive.start(test.store, {
      AWS_ENDPOINT_URL_S3: proxy.url,
      ARCHIVE_URL: test.url,
      ARCHIVE_TIMEOUT: TIMEOUT,
      ARCHIVE_EXPORT_AGE: '1s',
    });
    await archive.record(1);
    await archive.expectRunSucceeds();
  });
  afterAll(async () => {
    await archive.close();
    await proxy.close();
    test.close();
  });
  afterEach(() => proxy.heal());

  it.each<[string, StoreFault | undefined, RegExp]>([
    ['nothing is wrong', undefined, ALL],
    ['every answer is late, within the time for it', { kind: 'slow', ms: 400 }, ALL],
    ['the answers to writes are lost', { kind: 'lose answer' }, WRITES],
  ])('is written to and read from when %s', async (_, fault, where) => {
    await archive.posting(async () => {
      if (fault) await proxy.break(fault, where);
      await archive.expectRunSucceeds();
    });
    if (fault) expect(proxy.met).toBeGreaterThan(0);
    await proxy.heal();
    await archive.expectRunSucceeds();
    await archive.expectComplete();
  });

  it.each<[string, StoreFault, RegExp, RegExp]>([
    [
      'every answer is seconds too late',
      { kind: 'slow', ms: 3_000 },
      /did not answer within 1 s .*ARCHIVE_TIMEOUT/,
      ALL,
    ],
    ['the answers about objects are seconds too late', { kind: 'slow', ms: 3_000 }, /did not answer within/, OBJECTS],
    ['it takes requests and never answers', { kind: 'hang' }, /did not answer within 1 s .*see to the store/, ALL],
    ['it takes objects and never answers', { kind: 'hang' }, /did not answer within/, WRITES],
    ['it stops in the middle of answers', { kind: 'hang in body' }, /did not answer within|cannot be reached/, ALL],
    ['it stops in the middle of objects', { kind: 'hang in body' }, /did not answer within|broke off/, READS],
    [
      'it cuts connections in the middle of answers',
      { kind: 'cut in body' },
      /broke off its answer .*the network/,
      ALL,
    ],
    ['it cuts connections in the middle of objects', { kind: 'cut in body' }, /broke off its answer/, READS],
    ['it cuts connections while it takes objects', { kind: 'cut in request' }, /broke off its answer/, WRITES],
    ['it loses every answer', { kind: 'lose answer' }, /broke off its answer/, ALL],
    ['nobody is there', { kind: 'refuse' }, /cannot be reached.* \(ECONNREFUSED\): check AWS_ENDPOINT_URL_S3/, ALL],
    [
      'it fails',
      { kind: 'answer', status: 500, code: 'InternalError' },
      /fails \(InternalError 500\): see to the store/,
      ALL,
    ],
    [
      'it is not there',
      { kind: 'answer', status: 503, code: 'ServiceUnavailable' },
      /fails \(ServiceUnavailable 503\)/,
      ALL,
    ],
    ['it is asked too often', { kind: 'answer', status: 503, code: 'SlowDown' }, /fails \(SlowDown 503\)/, OBJECTS],
    ['it is full', { kind: 'answer', status: 507, code: 'InsufficientStorage' }, /is full .*make room/, WRITES],
    [
      'its quota is used up',
      { kind: 'answer', status: 403, code: 'QuotaExceeded' },
      /is full .*raise its quota/,
      WRITES,
    ],
    ['it refuses us', { kind: 'answer', status: 403, code: 'AccessDenied' }, /refuses this service .*credentials/, ALL],
    ['its bucket is gone', { kind: 'answer', status: 404, code: 'NoSuchBucket' }, /no such bucket .*ARCHIVE_URL/, ALL],
  ])('holds up nobody, and is told of, when %s', async (_, fault, message, where) => {
    await archive.posting(async () => {
      await proxy.break(fault, where);
      await archive.expectRunFails(message);
      if (fault.kind !== 'refuse') expect(proxy.met).toBeGreaterThan(0);
      await archive.expectKept();
    });
    await proxy.heal();
    await archive.expectRunSucceeds();
    await archive.expectComplete();
  });

  it('is told of by an alarm when it fails again and again', async () => {
    await archive.expectAlarm(
      'a store that fails',
      /fails \(InternalError 500\)/,
      () => proxy.break({ kind: 'answer', status: 500, code: 'InternalError' }, OBJECTS),
      () => proxy.heal(),
    );
    await archive.expectComplete();
  });

  it('alarms nobody when it is slow, and answers in time', async () => {
    const alarms = new Alarms({ 'truetrail-a': archive.metrics });
    await archive.expectRunSucceeds();
    await alarms.scrape(2);
    await proxy.break({ kind: 'slow', ms: 400 }, ALL);
    for (let i = 0; i < 5; i++) {
      await archive.record(1);
      await archive.expectRunSucceeds();
      await alarms.scrape(5);
    }
    await proxy.heal();
    alarms.expectFired('a store that is slow', [], { maybe: OF_TESTS });
    await archive.expectComplete();
  });

  it('is tried again without being asked to', async () => {
    await archive.posting(async () => {
      await proxy.break({ kind: 'refuse' });
      await archive.expectRunFails(/cannot be reached/);
      await archive.expectRunFails(/cannot be reached/);
    });
    await proxy.heal();
    await archive.whenArchived();
    await archive.expectComplete();
  });

  it('does not keep the service from stopping', async () => {
    const other = await s3Store();
    const patient = await Archive.start(other.store, { AWS_ENDPOINT_URL_S3: proxy.url, ARCHIVE_URL: other.url });
    try {
      await patient.record(5);
      await proxy.break({ kind: 'hang' });
      await patient.http().post('/v1/jobs/archive-export/runs').expect(202);
      for (const began = Date.now(); proxy.met === 0 && Date.now() - began < 10_000;) await pause(20);
      expect(proxy.met).toBeGreaterThan(0);
    } finally {
      const began = performance.now();
      await patient.close();
      expect(performance.now() - began).toBeLessThan(5_000);
      other.close();
    }
  });
});

onFolders('a folder that misbehaves', () => {
  let place: string;
  let folder: string;
  let archive: Archive;
  let isMounted = false;
  beforeAll(async () => {
    place = mkdtempSync(join(tmpdir(), 'truetrail-faults-'));
    if (HAS_TMPFS) {
      mountTmpfs(place, 'size=4m');
      isMounted = true;
    }
    folder = join(place, 'archive');
    archive = await Archive.start(new FilesystemObjectStore(folder), { ARCHIVE_URL: `file:${folder}` });
    await archive.record(1);
    await archive.expectRunSucceeds();
  });
  afterAll(async () => {
    await archive.close();
    if (isMounted) execFileSync('umount', [place]);
    rmSync(place, { recursive: true, force: true });
  });

  async function expectFault(message: RegExp, begin: () => void, end: () => void): Promise<void> {
    await archive.record(100);
    try {
      await archive.posting(async () => {
        begin();
        await archive.expectRunFails(message);
        await archive.expectRunFails(message);
      });
    } finally {
      end();
    }
    await archive.expectKept();
    await archive.expectRunSucceeds();
    await archive.expectComplete();
    expect(readdirSync(join(folder, '.incoming'))).toEqual([]); // nor does it fill up with what failed
  }

  const onTmpfs = HAS_TMPFS ? it : it.skip;

  onTmpfs(
    'holds up nobody, and is told of, when it is full',
    async () => {
      const ballast = join(place, 'ballast');
      const fill = (): void => {
        let isFull = false;
        for (let i = 0; !isFull && i < 10_000; i++) {
          try {
            writeFileSync(ballast, Buffer.alloc(4_096), { flag: 'a' });
          } catch (error) {
            expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC');
            isFull = true;
          }
        }
        expect(isFull).toBe(true);
      };
      await expectFault(/it is full; make room there/, fill, () => rmSync(ballast));
    },
    60_000,
  );

  onTmpfs(
    'holds up nobody, and is told of, when it can only be read',
    async () => {
      const remount = (mode: string) => (): void => void execFileSync('mount', ['-o', `remount,${mode}`, place]);
      await expectFault(/can only be read; mount it for writing/, remount('ro'), remount('rw'));
    },
    60_000,
  );

  it('holds up nobody, and is told of, when it has vanished', async () => {
    const away = `${folder}-away`;
    const vanish = (): void => renameSync(folder, away);
    const come = (): void => {
      rmSync(folder, { recursive: true, force: true });
      renameSync(away, folder);
    };
    await expectFault(/is not the store that this database archives to: nothing is archived there/, vanish, come);
    // as when its volume is not mounted, and what is left of it is an empty folder
    await expectFault(/is not the store/, () => (vanish(), mkdirSync(folder)), come);
  });

  it('is told of by an alarm when it stays away', async () => {
    const away = `${folder}-away`;
    await archive.expectAlarm(
      'a folder that has vanished',
      /is not the store that this database archives to/,
      () => rename(folder, away),
      async () => {
        rmSync(folder, { recursive: true, force: true });
        await rename(away, folder);
      },
    );
    await archive.expectComplete();
  });

  it('catalogues nothing that went to an empty folder after its volume had vanished', async () => {
    const away = `${folder}-away`;
    class Vanishing extends FilesystemObjectStore {
      override put(...parameters: Parameters<FilesystemObjectStore['put']>): ReturnType<FilesystemObjectStore['put']> {
        renameSync(folder, away);
        return super.put(...parameters);
      }
    }
    await archive.record(10);
    const pool = new pg.Pool({ connectionString: archive.database.serviceUrl });
    const settings = { ARCHIVE_EXPORT_AGE: 300_000, ARCHIVE_EXPORT_EVENTS: 500, ARCHIVE_RETENTION_YEARS: 7 };
    const turn = await takeTurn(archive, 'archive-export');
    const exporter = new Exporter(settings, pool, archive.database.serviceUrl, new Vanishing(folder));
    const signal = new AbortController().signal;
    const log = pino({ level: 'silent' });
    await expect(exporter.run({ takeAll: true, requestedBy: 'key:test', signal, log })).rejects.toThrow(
      'is not the store',
    );
    await turn.release();
    await pool.end();
    rmSync(folder, { recursive: true });
    renameSync(away, folder);
    await archive.expectKept();
    await archive.expectRunSucceeds();
    await archive.expectComplete();
  });
});
