import { cpSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { jest } from '@jest/globals';
import { sampleEvent, startService, type TestService } from './support/app.js';
import { checkTrail } from './support/check-trail.js';
import { startTruetrail, truetrail } from './support/command-line.js';
import { createTestDatabase, type TestDatabase } from './support/database.js';
import { createKey, query } from './support/keys.js';
import { folderStore, onFolders, type TestStore } from './support/stores.js';
import { record, runJob, runOnRequestAlone, verify } from './support/verification.js';

jest.setTimeout(120_000);

const LEDGERS = ['_service', 'desk-1', 'main'];

let folder: string;
let test: TestStore;
/** as it was, and as it would be again from a backup of before */
let source: TestDatabase;
let backup: TestDatabase;
let copy: TestDatabase;
/** the store as it was when the backup was made */
let before: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'truetrail-recovery-test-'));
  before = join(folder, 'store-of-before');
  test = folderStore();
  source = await createTestDatabase();
  await withService(source, async (service) => {
    await service.http().put('/v1/ledgers/desk-1').expect(201);
    for (const ledger of ['main', 'desk-1']) await record(service, 20, ledger);
    await signAndArchive(service);
  });
  backup = await createTestDatabase(source);
  cpSync(fileURLToPath(test.url), before, { recursive: true });
  await withService(source, async (service) => {
    await record(service, 60);
    await record(service, 10, 'desk-1');
    await createKey(service, ['events:read']);
    expect(await runJob(service, 'checkpoint')).toMatchObject({ status: 'done' });
    await record(service, 5);
    expect(await runJob(service, 'archive-export')).toMatchObject({ status: 'done' });
  });
});
afterAll(async () => {
  for (const database of [source, backup]) await database.drop();
  test.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  copy = await createTestDatabase(backup);
});
afterEach(() => copy.drop());

async function withService<T>(database: TestDatabase, work: (service: TestService) => Promise<T>): Promise<T> {
  const env = { ARCHIVE_URL: test.url, SIGNING_KEY_FILE: join(folder, 'key.pem'), ARCHIVE_EXPORT_AGE: '24h' };
  const service = await startService({ env, database });
  try {
    await runOnRequestAlone(service, 'archive-export');
    return await work(service);
  } finally {
    await service.close();
  }
}

async function signAndArchive(service: TestService): Promise<void> {
  for (const job of ['checkpoint', 'archive-export']) {
    expect(await runJob(service, job)).toMatchObject({ status: 'done' });
  }
}

const environment = (url = test.url): Record<string, string> => ({
  ...{ DATABASE_URL: copy.serviceUrl, DATABASE_OWNER_URL: copy.ownerUrl, ARCHIVE_URL: url },
  ...{ SIGNING_KEY_FILE: join(folder, 'key.pem'), DATA_DIR: folder, LOG_LEVEL: 'silent' },
});

const SAME = `SELECT * FROM audit_events WHERE event_type <> 'recovery' ORDER BY ledger, sequence`;
const KEYS = `SELECT k.* FROM event_keys AS k JOIN audit_events AS e USING (ledger, sequence)
                WHERE e.event_type <> 'recovery' ORDER BY ledger, sequence`;

/** Everything is back, and it is on record once of each ledger, whoever was killed before. */
async function isRecovered(): Promise<void> {
  for (const text of [SAME, KEYS]) expect(await query(copy, text)).toEqual(await query(source, text));
  const recorded = await query<{ ledger: string; state: Record<string, unknown> }>(
    copy,
    `SELECT entity_id AS ledger, new_state AS state FROM audit_events WHERE event_type = 'recovery' ORDER BY entity_id`,
  );
  expect(recorded.map(({ ledger }) => ledger)).toEqual(LEDGERS);
  expect(recorded.at(-1)!.state).toEqual({
    ...{ from_sequence: '21', to_sequence: '85' },
    unsigned: { from_sequence: '81', to_sequence: '85' },
  });
  expect(await query(copy, 'SELECT FROM unrecorded_recoveries')).toEqual([]);
}

async function recovered(): Promise<void> {
  const ended = await truetrail(environment(), 'recover');
  expect([ended.code, ended.stdout]).toEqual([0, expect.stringContaining('main: ')]);
  await isRecovered();
}

onFolders('a recovery that is killed', () => {
  it.each([
    ['while objects are read', /is whole/],
    ['after the first ledger', /_service: events .* are back/],
    ['after the last ledger, before any of it is on record', /main: events .* are back/],
  ] as const)('%s is begun again, and all of it is on record once', async (_, line) => {
    const running = startTruetrail(environment(), 'recover');
    await running.until(line);
    running.child.kill('SIGKILL');
    await running.ended;
    await recovered();
    await withService(copy, async (service) => {
      for (const ledger of LEDGERS) {
        expect(await verify(service, {}, ledger)).toMatchObject({ verdict: 'valid' });
        await checkTrail(copy.adminUrl, ledger);
      }
    });
  });

  it('leaves what it brought back to no service that goes on in a ledger before it is whole', async () => {
    const running = startTruetrail(environment(), 'recover');
    await running.until(/_service: events .* are back/);
    running.child.kill('SIGKILL');
    await running.ended;
    await withService(copy, async (service) => {
      const { body } = await service.http().post('/v1/ledgers/main/events').send(sampleEvent()).expect(503);
      expect(body.type).toBe('/docs/problems/ledger-behind-its-anchor');
      // beside it, as a service may run meanwhile
      const ended = await truetrail(environment(), 'recover');
      expect(ended.code).toBe(0);
    });
    await isRecovered();
  });

  it('between the end of a ledger and the beginning of its successor is told of, and goes on from there', async () => {
    const empty = folderStore();
    cpSync(before, fileURLToPath(empty.url), { recursive: true });
    cpSync(join(fileURLToPath(test.url), 'anchors'), join(fileURLToPath(empty.url), 'anchors'), { recursive: true });
    try {
      const behind = await truetrail(environment(empty.url), 'recover');
      expect([behind.code, behind.stderr]).toEqual([1, expect.stringMatching(/Not recovered: .*main/)]);
      // as closeLedger commits it, before the successor
      await query(copy, `UPDATE ledgers SET state = 'closed' WHERE ledger IN ('_service', 'main', 'desk-1')`);
      const half = await truetrail(environment(empty.url), 'recover');
      expect([half.code, half.stderr]).toEqual([
        1,
        expect.stringMatching(/_service is closed, and none succeeds it: `--close _service`.*main is closed, and none/),
      ]);
      const closed = await truetrail(
        environment(empty.url),
        ...['recover', '--close', '_service', '--close', 'main', '--close', 'desk-1'],
      );
      expect([closed.code, closed.stderr]).toEqual([0, expect.stringContaining('main-2 succeeds it')]);
      const again = await truetrail(environment(empty.url), 'recover');
      expect(again.code).toBe(0);
    } finally {
      empty.close();
    }
  });
});

onFolders('a recovery that is at work', () => {
  it('keeps another one out, which says so', async () => {
    const running = startTruetrail(environment(), 'recover');
    try {
      await running.until(/_service: events .* are back/);
      running.child.kill('SIGSTOP');
      const [recover, rebuild] = await Promise.all([
        truetrail(environment(), 'recover'),
        truetrail(environment(), 'rebuild'),
      ]);
      const told = expect.stringContaining('`truetrail recover` is at work on this database');
      expect([recover.code, recover.stderr]).toEqual([1, told]);
      expect([rebuild.code, rebuild.stderr]).toEqual([1, expect.stringContaining('The database is not empty')]);
    } finally {
      running.child.kill('SIGCONT');
    }
    expect(await running.ended).toMatchObject({ code: 0 });
    await isRecovered();
  });
});

onFolders('a recovery from', () => {
  it('a store that goes away midway ends, and is begun again', async () => {
    const path = fileURLToPath(test.url);
    for (const line of [/is whole/, /_service: events .* are back/]) {
      const running = startTruetrail(environment(), 'recover');
      await running.until(line);
      renameSync(path, `${path}.away`);
      const ended = await running.ended;
      rmSync(path, { recursive: true, force: true });
      renameSync(`${path}.away`, path);
      expect([ended.code, ended.stderr]).toEqual([1, expect.stringContaining('is gone')]);
    }
    await recovered();
  });

  it('the archive of another installation is refused, and changes nothing', async () => {
    const other = folderStore();
    const theirs = await createTestDatabase();
    const service = await startService({
      env: { ARCHIVE_URL: other.url, ARCHIVE_EXPORT_AGE: '24h' },
      database: theirs,
    });
    try {
      await record(service, 3);
      await signAndArchive(service);
    } finally {
      await service.close();
      await theirs.drop();
    }
    const rows = await query(copy, 'SELECT * FROM audit_events ORDER BY ledger, sequence');
    const ended = await truetrail(environment(other.url), 'recover');
    expect([ended.code, ended.stderr]).toEqual([1, expect.stringContaining('is the archive of another database')]);
    expect(await query(copy, 'SELECT * FROM audit_events ORDER BY ledger, sequence')).toEqual(rows);
    other.close();
  });

  it('a store that is older than the database takes nothing away', async () => {
    const newer = await createTestDatabase(source);
    try {
      const env = {
        ...environment(`file:${before}`),
        DATABASE_URL: newer.serviceUrl,
        DATABASE_OWNER_URL: newer.ownerUrl,
      };
      const ended = await truetrail(env, 'recover');
      expect([ended.code, ended.stdout]).toEqual([
        0,
        expect.stringContaining('main: nothing was brought back; lacks nothing that was signed'),
      ]);
      expect(await query(newer, SAME)).toEqual(await query(source, SAME));
      const verified = await truetrail(env, 'verify');
      expect([verified.code, verified.stdout]).toEqual([1, expect.stringContaining('anchor-missing')]);
    } finally {
      await newer.drop();
    }
  });
});
