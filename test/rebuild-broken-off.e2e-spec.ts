import { cpSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { jest } from '@jest/globals';
import { verifyTrail as verifyAll } from '../src/cli/verify.js';
import { readConfig } from '../src/config/config.js';
import { startService, type TestService } from './support/app.js';
import { checkTrail } from './support/check-trail.js';
import { startTruetrail, truetrail } from './support/command-line.js';
import { createTestDatabase, type TestDatabase } from './support/database.js';
import { query } from './support/keys.js';
import { folderStore, objectOf, onFolders, type TestStore } from './support/stores.js';
import { record, runJob, runOnRequestAlone, verify } from './support/verification.js';

jest.setTimeout(120_000);

const TABLES = ['audit_events', 'event_keys', 'ledgers', 'ledger_heads', 'archive_objects', 'archive_ranges'];

const ROUNDS = 12;

let folder: string;
let test: TestStore;
let copy: TestDatabase;
let source: TestDatabase;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'truetrail-rebuild-test-'));
  test = folderStore();
  source = await createTestDatabase();
  const service = await startOn(source);
  try {
    await runOnRequestAlone(service, 'archive-export');
    await service.http().put('/v1/ledgers/desk-1').expect(201);
    // more objects than a rebuild reads ahead of those that it has taken
    for (let round = 1; round <= ROUNDS; round++) {
      for (const ledger of ['main', 'desk-1']) await record(service, 60 / ROUNDS, ledger);
      expect(await runJob(service, 'checkpoint')).toMatchObject({ status: 'done' });
      if (round === ROUNDS) await record(service, 2); // after what was signed
      expect(await runJob(service, 'archive-export')).toMatchObject({ status: 'done' });
    }
  } finally {
    await service.close();
  }
});
afterAll(async () => {
  await source.drop();
  test.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  copy = await createTestDatabase();
});
afterEach(() => copy.drop());

function startOn(database: TestDatabase, url = test.url): Promise<TestService> {
  return startService({
    env: { ARCHIVE_URL: url, SIGNING_KEY_FILE: join(folder, 'key.pem'), ARCHIVE_EXPORT_AGE: '24h' },
    database,
  });
}

const environment = (url = test.url): Record<string, string> => ({
  ...{ DATABASE_URL: copy.serviceUrl, DATABASE_OWNER_URL: copy.ownerUrl, ARCHIVE_URL: url },
  ...{ SIGNING_KEY_FILE: join(folder, 'key.pem'), DATA_DIR: folder, LOG_LEVEL: 'silent' },
});

const verifyTrail = (env: Record<string, string>): Promise<unknown> =>
  verifyAll(readConfig(env), { ledgers: [] }, () => undefined);

const sizes = (of: TestDatabase): Promise<unknown> =>
  Promise.all(TABLES.map(async (table) => [table, await query(of, `SELECT count(*) FROM ${table}`)]));

const eventsOf = (of: TestDatabase): Promise<unknown> =>
  query(of, 'SELECT * FROM audit_events ORDER BY ledger, sequence');

/** As if nothing had been there before. */
async function isRebuilt(): Promise<void> {
  const ended = await truetrail(environment(), 'rebuild');
  expect([ended.code, ended.stderr]).toEqual([0, expect.stringContaining('Everything is in the database')]);
  expect(ended.stdout).toMatch(/^main: 62 events, .*; valid; no checkpoint was signed of events 61 to 62$/m);
  expect(ended.stdout).toMatch(/^desk-1: 60 events, .*; valid$/m);
  await isWhole();
}

async function isWhole(): Promise<void> {
  expect(await sizes(copy)).toEqual(await sizes(source));
  expect(await eventsOf(copy)).toEqual(await eventsOf(source));
}

onFolders('a rebuild that is killed', () => {
  it.each([
    ['while objects are read', /is whole/, 2],
    ['after the first object', /is taken/, 1],
    ['after the second object', /is taken/, 2],
  ] as const)('%s leaves nothing, and is begun again', async (_, line, times) => {
    const running = startTruetrail(environment(), 'rebuild');
    await running.until(line, times);
    running.child.kill('SIGKILL');
    await running.ended;
    for (const refused of [startOn(copy), verifyTrail(environment())]) {
      await expect(refused).rejects.toThrow(/this database is empty.*`truetrail rebuild`/);
    }
    await isRebuilt();
  });

  it('while it verifies leaves all, says so when it is begun again, and what is next', async () => {
    const running = startTruetrail(environment(), 'rebuild');
    await running.until(/Everything is in the database/);
    running.child.kill('SIGKILL');
    await running.ended;
    await isWhole();
    const again = await truetrail(environment(), 'rebuild');
    expect([again.code, again.stderr]).toEqual([
      1,
      expect.stringMatching(
        /^The database is not empty: .*this archive already.*`truetrail recover`.*`truetrail verify`.*Nothing was changed/,
      ),
    ]);
    const recovered = await truetrail(environment(), 'recover');
    expect([recovered.code, recovered.stdout]).toEqual([0, expect.stringContaining('main: nothing was brought back')]);
    const verified = await truetrail(environment(), 'verify');
    expect([verified.code, verified.stdout]).toEqual([0, expect.stringContaining('main: valid')]);
    const own = folderStore(); // what is signed now is of this copy alone
    cpSync(fileURLToPath(test.url), fileURLToPath(own.url), { recursive: true });
    const service = await startOn(copy, own.url);
    try {
      await record(service, 3);
      expect(await runJob(service, 'checkpoint')).toMatchObject({ status: 'done', outcome: { refused: [] } });
      expect(await verify(service)).toMatchObject({ verdict: 'valid' });
    } finally {
      await service.close();
      own.close();
    }
    await checkTrail(copy.adminUrl, 'main');
  });
});

onFolders('a rebuild that is at work', () => {
  it('keeps other rebuilds and recoveries out, and the service, and says so', async () => {
    const running = startTruetrail(environment(), 'rebuild');
    try {
      await running.until(/is taken/);
      running.child.kill('SIGSTOP');
      const [rebuild, recover, checked, keys] = await Promise.all(
        [
          ['rebuild'],
          ['recover'],
          ['verify'],
          ['keys', 'create', '--name', 'x', '--scopes', 'all', '--ledgers', '*'],
        ].map((args) => truetrail(environment(), ...args)),
      );
      const told = expect.stringMatching(/`?truetrail rebuild`? is at work on this database/);
      expect([rebuild!.code, rebuild!.stderr]).toEqual([1, told]);
      expect([recover!.code, recover!.stderr]).toEqual([1, told]);
      expect([checked!.code, checked!.stderr]).toEqual([2, told]);
      expect([keys!.code, keys!.stderr]).toEqual([1, told]);
      await expect(startOn(copy)).rejects.toThrow('is at work on this database');
    } finally {
      running.child.kill('SIGCONT');
    }
    const ended = await running.ended;
    expect([ended.code, ended.stderr]).toEqual([0, expect.anything()]);
    await isWhole();
  });
});

/** A rebuild of which the store goes away as soon as it has written this line. */
async function withoutStoreFrom(line: RegExp): Promise<{ code: number | null; stderr: string }> {
  const path = fileURLToPath(test.url);
  const running = startTruetrail({ ...environment(), VERIFICATION_WORKERS: '1' }, 'rebuild');
  await running.until(line);
  running.child.kill('SIGSTOP');
  renameSync(path, `${path}.away`);
  running.child.kill('SIGCONT');
  const ended = await running.ended;
  rmSync(path, { recursive: true, force: true });
  renameSync(`${path}.away`, path);
  return ended;
}

onFolders('a rebuild that is given what it cannot do', () => {
  it('says what the store is: empty, away, or away midway; and changes nothing', async () => {
    const empty = await sizes(copy);
    const other = folderStore();
    const nothing = await truetrail(environment(other.url), 'rebuild');
    other.close();
    expect([nothing.code, nothing.stderr]).toEqual([
      1,
      expect.stringMatching(/holds no archive: it has no store.json/),
    ]);
    const gone = await truetrail(environment(other.url), 'rebuild');
    expect([gone.code, gone.stderr]).toEqual([1, expect.stringMatching(/is gone|has no store.json/)]);

    for (const line of [/is whole/, /is taken/]) {
      const ended = await withoutStoreFrom(line);
      expect([ended.code, ended.stderr]).toEqual([
        1,
        expect.stringMatching(/is taken/.source === line.source ? /Nothing was changed: .*\n.*is gone/ : /is gone/),
      ]);
      expect(await sizes(copy)).toEqual(empty);
    }
    await isRebuilt();
  });

  it('says so when the store goes away before what was signed is taken up, and what brings that in', async () => {
    const ended = await withoutStoreFrom(/Everything is in the database/);
    expect([ended.code, ended.stderr]).toEqual([1, expect.stringMatching(/no archive any more.*`truetrail recover`/)]);
    await isWhole();
    expect(await query(copy, 'SELECT FROM anchors')).toEqual([]);
    const recovered = await truetrail(environment(), 'recover');
    expect([recovered.code, recovered.stdout]).toEqual([0, expect.stringContaining('main: nothing was brought back')]);
    expect(await query(copy, 'SELECT FROM anchors')).toHaveLength(ROUNDS);
  });

  it('into the database of another archive, which is left as it is', async () => {
    const other = folderStore();
    const service = await startService({ env: { ARCHIVE_URL: other.url }, database: copy });
    await record(service, 3);
    await service.close();
    const before = await eventsOf(copy);
    const refused = await truetrail(environment(), 'rebuild');
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/The database is not empty: .*another.*Nothing was changed/),
    ]);
    expect(await eventsOf(copy)).toEqual(before);
    other.close();
  });
});

onFolders('an empty database', () => {
  it('is no beginning of another trail where the store is the archive of one, and nothing that is recovered', async () => {
    await expect(startOn(copy)).rejects.toThrow(/is the archive of another database.*this database is empty/);
    expect(await query(copy, 'SELECT FROM deployment')).toEqual([]);
    const recovered = await truetrail(environment(), 'recover');
    expect([recovered.code, recovered.stderr]).toEqual([1, expect.stringMatching(/this database is empty.*rebuild/)]);
    // nor tied to one of which nothing says whose it is
    const other = folderStore();
    const stray = Buffer.from('anything');
    await other.store.put(objectOf(folder, 'early/anything', stray, new Date(Date.now() + 3_600_000)));
    const stranger = await truetrail(environment(other.url), 'recover');
    expect([stranger.code, stranger.stderr]).toEqual([
      1,
      expect.stringContaining('No trail has begun in this database'),
    ]);
    expect(await other.store.versionsOf('store.json')).toEqual([]);
    other.close();
    const verified = await truetrail(environment('off'), 'verify');
    expect([verified.code, verified.stderr]).toEqual([2, expect.stringContaining('The database is empty')]);
  });
});
