import { randomUUID } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { VerificationReport } from '../src/cli/verify.js';
import { startService, type TestService } from './support/app.js';
import { truetrail, type Ended } from './support/command-line.js';
import { createTestDatabase, type TestDatabase } from './support/database.js';
import { query } from './support/keys.js';
import { rewriting } from './support/rewriting.js';
import { record, runJob } from './support/verification.js';

describe('truetrail verify', () => {
  const place = mkdtempSync(join(tmpdir(), 'truetrail-verify-'));
  const archive = join(place, 'archive');
  /** as it was before the last round of signing, to which nobody is connected */
  let earlier: TestDatabase;
  /** the same, for tests that make copies of it */
  let before: TestDatabase;
  let database: TestDatabase;

  const start = (of: TestDatabase): Promise<TestService> =>
    startService({
      database: of,
      env: {
        ARCHIVE_URL: `file:${archive}`,
        DATA_DIR: join(place, 'data'),
        SIGNING_KEY_FILE: join(place, 'signing-key.pem'),
      },
    });

  beforeAll(async () => {
    database = await createTestDatabase();
    let service = await start(database);
    await record(service, 30);
    await runJob(service, 'checkpoint');
    await service.close();
    earlier = await createTestDatabase(database);
    before = await createTestDatabase(database);
    service = await start(database);
    await record(service, 20);
    await runJob(service, 'checkpoint');
    await runJob(service, 'archive-export');
    await service.close();
  });
  afterAll(async () => {
    await database.drop();
    await earlier.drop();
    await before.drop();
    rmSync(place, { recursive: true, force: true });
  });

  const run = (of: TestDatabase, ...args: string[]): Promise<Ended> =>
    truetrail(
      { DATABASE_URL: of.serviceUrl, ARCHIVE_URL: `file:${archive}`, DATA_DIR: join(place, 'data') },
      'verify',
      ...args,
    );
  const reportOf = ({ stdout }: Ended): VerificationReport => JSON.parse(stdout) as VerificationReport;
  const ledgerOf = (report: VerificationReport, name = 'main') => report.ledgers.find(({ ledger }) => ledger === name)!;

  const owned = (of: TestDatabase) => ({ DATABASE_URL: of.serviceUrl, DATABASE_OWNER_URL: of.ownerUrl });
  const makeKey = (of: TestDatabase, folder: string): Promise<Ended> =>
    truetrail(
      { DATABASE_URL: of.serviceUrl, ARCHIVE_URL: `file:${folder}` },
      ...['keys', 'create', '--name', 'oms', '--scopes', 'events:read', '--ledgers', 'main'],
    );
  const sizeOfService = async (of: TestDatabase): Promise<string> =>
    (await query<{ size: string }>(of, `SELECT size::text FROM ledger_heads WHERE ledger = '_service'`))[0]!.size;

  /** A copy of the database, with what somebody did who may do everything there. */
  async function changed(statements: readonly string[]): Promise<TestDatabase> {
    const copy = await createTestDatabase(database);
    const admin = new pg.Client({ connectionString: copy.adminUrl });
    await admin.connect();
    const { rows } = await admin.query<{ name: string }>(
      `SELECT relid::regclass::text AS name FROM unnest('{audit_events, event_keys}'::regclass[]) AS t CROSS JOIN pg_partition_tree(t)
         UNION ALL SELECT 'ledger_heads'`,
    );
    for (const { name } of rows) await admin.query(`ALTER TABLE ${name} DISABLE TRIGGER ALL`);
    for (const statement of statements) await admin.query(statement);
    await admin.end();
    return copy;
  }

  it('reads every event and every anchor, and says that all of it is valid', async () => {
    const ended = await run(database, '--json');
    expect(ended).toMatchObject({ code: 0 });
    const report = reportOf(ended);
    expect(report).toMatchObject({ verdict: 'valid', anchors: { verdict: 'valid', anchors: '2', read: 2 } });
    expect(report.ledgers.map(({ ledger }) => ledger)).toEqual(['_service', 'main']);
    expect(ledgerOf(report)).toMatchObject({ size: '50', checked: '50', verdict: 'valid', findings_total: 0 });
    const told = await run(database, 'main');
    expect(told).toMatchObject({ code: 0 });
    expect(told.stdout).toBe('anchors: valid; 2 of 2 read\nmain: valid; 50 of 50 events read, 0 findings\n');
  });

  it('finds an event that was changed, of a backup that is as long as it was', async () => {
    const copy = await changed([`UPDATE audit_events SET user_id = 'mallory' WHERE ledger = 'main' AND sequence = 17`]);
    const ended = await run(copy);
    expect(ended).toMatchObject({ code: 1, stderr: expect.stringContaining('The trail is invalid: main') });
    expect(ended.stdout).toMatch(/^main: invalid; 50 of 50 events read, 1 findings\n {2}content at 17: /m);
    await copy.drop();
  });

  it('finds a chain that was rewritten as a whole, by what was signed of it', async () => {
    const copy = await changed(await rewriting(database, 'main', 17n));
    const report = reportOf(await run(copy, 'main', '--json'));
    expect(report.verdict).toBe('invalid');
    expect(new Set(ledgerOf(report).findings.map(({ kind }) => kind))).toEqual(new Set(['checkpoint']));
    await copy.drop();
  });

  it('finds that a database of before lacks what was signed after it, which its own rows do not say', async () => {
    expect(await query(earlier, 'SELECT count(*)::integer AS n FROM anchors')).toEqual([{ n: 1 }]);
    const ended = await run(earlier, '--json');
    expect(ended.code).toBe(1);
    const report = reportOf(ended);
    expect(report.anchors).toMatchObject({ verdict: 'valid', anchors: '2', read: 2 });
    expect(ledgerOf(report)).toMatchObject({ size: '30', checked: '30', verdict: 'invalid' });
    expect(ledgerOf(report).findings.map(({ kind }) => kind)).toContain('checkpoint');
    // and it has taken up what the store had
    expect(await query(earlier, 'SELECT count(*)::integer AS n FROM anchors')).toEqual([{ n: 2 }]);
  });

  describe('of a database that no store is claimed in', () => {
    let unclaimed: TestDatabase;
    beforeEach(async () => {
      unclaimed = await createTestDatabase(before);
      const admin = new pg.Client({ connectionString: unclaimed.adminUrl });
      await admin.connect();
      await admin.query('ALTER TABLE archive_store DISABLE TRIGGER ALL');
      await admin.query('DELETE FROM archive_store');
      await admin.end();
    });
    // whatever store it was given: one that is tied is tied for good
    afterEach(async () => {
      expect(await query(unclaimed, 'SELECT count(*)::integer AS n FROM archive_store')).toEqual([{ n: 0 }]);
      await unclaimed.drop();
    });
    const at = (url: string, of = unclaimed): Promise<Ended> =>
      truetrail({ DATABASE_URL: of.serviceUrl, ARCHIVE_URL: `file:${url}` }, 'verify', '--json');

    it('asks the store for anchors all the same, whose marker names the database', async () => {
      const ended = await run(unclaimed, '--json');
      expect(ended).toMatchObject({ code: 1, stderr: expect.stringContaining('The trail is invalid: main') });
      const report = reportOf(ended);
      expect(report).toMatchObject({ verdict: 'invalid', anchors: { verdict: 'valid', anchors: '2', read: 2 } });
      expect(ledgerOf(report).findings.map(({ kind }) => kind)).toContain('checkpoint');
    });

    it('is undecided where nothing says whose the store is', async () => {
      const unmarked = join(place, 'unmarked');
      cpSync(archive, unmarked, { recursive: true });
      rmSync(join(unmarked, 'store.json'));
      const ended = await at(unmarked);
      expect(ended).toMatchObject({ code: 2, stderr: expect.stringContaining('The trail is undecided: the anchors') });
      expect(reportOf(ended)).toMatchObject({
        verdict: 'undecided',
        anchors: { verdict: 'undecided', read: 0, not_asked: expect.stringContaining('Nothing says whose') },
      });
      // in words, without --json
      const told = await truetrail({ DATABASE_URL: unclaimed.serviceUrl, ARCHIVE_URL: `file:${unmarked}` }, 'verify');
      expect(told.stdout).toMatch(/^anchors: undecided; 0 of 0 read\n {2}not asked: Nothing says whose file:/);
    });

    it('takes the store of another database for no store of its own', async () => {
      const foreign = join(place, 'foreign');
      cpSync(archive, foreign, { recursive: true });
      const marker = readFileSync(join(foreign, 'store.json'), 'utf8');
      rmSync(join(foreign, 'store.json'));
      const another = marker.replace(/"deployment":"[^"]*"/, `"deployment":"${randomUUID()}"`);
      writeFileSync(join(foreign, 'store.json'), another);
      for (const each of [unclaimed, database]) {
        expect(await at(foreign, each)).toMatchObject({
          code: 2,
          stdout: '',
          stderr: expect.stringContaining('is the archive of another database'),
        });
      }
    });

    it('misses the anchors that it knows of in a store that is empty', async () => {
      const empty = join(place, 'empty');
      mkdirSync(empty);
      const ended = await at(empty);
      expect(ended).toMatchObject({ code: 1, stderr: expect.stringContaining('The trail is invalid: the anchors') });
      expect(reportOf(ended).anchors!.findings).toMatchObject([{ kind: 'anchor-missing' }]);
      expect(readdirSync(empty)).toEqual([]);
    });

    it('is not recovered from a store that is empty, nor tied to it', async () => {
      const empty = join(place, 'mistaken');
      mkdirSync(empty);
      const ended = await truetrail({ ...owned(unclaimed), ARCHIVE_URL: `file:${empty}` }, 'recover');
      expect(ended).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('is empty: there is nothing to recover'),
      });
      expect(readdirSync(empty)).toEqual([]);
    });

    it('is not written to by the command line where nothing says whose the anchors of the store are', async () => {
      const unmarked = join(place, 'unmarked-keys');
      cpSync(archive, unmarked, { recursive: true });
      rmSync(join(unmarked, 'store.json'));
      const ended = await makeKey(unclaimed, unmarked);
      expect(ended).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('Nothing says whose') });
      expect(await sizeOfService(unclaimed)).toBe(await sizeOfService(before));
    });

    it('is written to by the command line where the store is empty, or has nothing signed in it, which it is not tied to', async () => {
      const fresh = await createTestDatabase();
      const other = join(place, 'other');
      mkdirSync(other);
      for (const name of ['other/none', 'other']) {
        expect(await makeKey(fresh, join(place, name))).toMatchObject({
          code: 0,
          stdout: expect.stringMatching(/^tt_/),
        });
        writeFileSync(join(other, 'file-of-somebody'), '');
      }
      expect(await query(fresh, 'SELECT count(*)::integer AS n FROM archive_store')).toEqual([{ n: 0 }]);
      await fresh.drop();
    });

    it('holds a database without anchors against its own rows where the store is new', async () => {
      const fresh = await createTestDatabase();
      const service = await startService({ database: fresh, env: { ARCHIVE_URL: 'off' } });
      await record(service, 3);
      await service.close();
      const ended = await at(join(place, 'new'), fresh);
      expect(ended).toMatchObject({ code: 0, stderr: expect.stringContaining('is new and empty') });
      expect(reportOf(ended)).toMatchObject({ verdict: 'valid', anchors: null });
      expect(await query(fresh, 'SELECT count(*)::integer AS n FROM archive_store')).toEqual([{ n: 0 }]);
      await fresh.drop();
    });
  });

  it('beside it, no key is made past what was signed, of a backup of before the first meeting with the store', async () => {
    const ofLast = `ledger = '_service' AND sequence = (SELECT size FROM ledger_heads WHERE ledger = '_service')`;
    const copy = await changed([
      'ALTER TABLE archive_store DISABLE TRIGGER ALL',
      'DELETE FROM archive_store',
      `DELETE FROM audit_events WHERE ${ofLast}`,
      `DELETE FROM event_keys WHERE ${ofLast}`,
      `UPDATE ledger_heads SET size = size - 1, (event_hash, recorded_at) =
         (SELECT event_hash, recorded_at FROM audit_events e WHERE e.ledger = '_service' ORDER BY sequence DESC LIMIT 1)
       WHERE ledger = '_service'`,
    ]);
    const size = await sizeOfService(copy);
    expect(await makeKey(copy, archive)).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/ were signed: events? .* missing/),
    });
    expect(await sizeOfService(copy)).toBe(size);
    await copy.drop();
  });

  it('finds an anchor that is gone from the store', async () => {
    const kept = join(place, 'kept');
    cpSync(archive, kept, { recursive: true });
    rmSync(join(archive, 'anchors'), { recursive: true });
    try {
      const ended = await run(database);
      expect(ended).toMatchObject({ code: 1, stderr: expect.stringContaining('The trail is invalid: the anchors') });
      expect(ended.stdout).toMatch(/^anchors: invalid; 2 of 2 read\n {2}anchor-missing anchors\//m);
    } finally {
      rmSync(archive, { recursive: true });
      renameSync(kept, archive);
    }
    expect(readdirSync(archive)).toContain('anchors');
  });

  it('holds ledgers against the checkpoints of the database alone where there is no store, and says so', async () => {
    const ended = await truetrail({ DATABASE_URL: database.serviceUrl, ARCHIVE_URL: 'off' }, 'verify', '--json');
    expect(ended).toMatchObject({ code: 0, stderr: expect.stringContaining('no object store to ask for anchors') });
    expect(reportOf(ended)).toMatchObject({ verdict: 'valid', anchors: null });
  });

  it('goes on while its threads read for longer than a connection that nobody uses is kept', async () => {
    // pg closes these after ten seconds; threads keep no process from ending, nor does what it waits for
    const slow = await changed([
      'ALTER TABLE audit_events ENABLE ROW LEVEL SECURITY',
      `CREATE POLICY slow ON audit_events FOR SELECT USING (ledger <> 'main' OR pg_sleep(0.3) IS NOT NULL)`,
    ]);
    const ended = await run(slow, 'main');
    expect(ended).toMatchObject({ code: 0, stdout: expect.stringContaining('main: valid; 50 of 50 events read') });
    await slow.drop();
  });

  it('says which ledger there is not', async () => {
    const ended = await run(database, 'desk-9');
    expect(ended).toMatchObject({ code: 3, stdout: '', stderr: expect.stringContaining('There is no ledger desk-9') });
    expect(await run(database, '--deep')).toMatchObject({ code: 3, stdout: '' });
  });

  it('has found nothing, and says so by its exit code, where store or database are away', async () => {
    const away = await truetrail(
      {
        DATABASE_URL: database.serviceUrl,
        ARCHIVE_URL: 's3://bucket/prefix',
        AWS_ENDPOINT_URL: 'http://127.0.0.1:9',
        AWS_REGION: 'eu-central-1',
        AWS_ACCESS_KEY_ID: 'nobody',
        AWS_SECRET_ACCESS_KEY: 'nobody',
        ARCHIVE_TIMEOUT: '1s',
      },
      'verify',
    );
    expect(away).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(/127\.0\.0\.1:9|ECONNREFUSED/) });
    const unreachable = database.serviceUrl.replace(/:\d+\//, ':9/');
    const ended = await truetrail({ DATABASE_URL: unreachable, ARCHIVE_URL: 'off', DATABASE_WAIT: '0s' }, 'verify');
    expect(ended).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('ECONNREFUSED') });
  });
});
