import { createHash } from 'node:crypto';
import { chmodSync, cpSync, mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import pg from 'pg';
import { Exporter } from '../src/archive/exporter.js';
import { rebuildFromArchive } from '../src/cli/rebuild.js';
import { readConfig } from '../src/config/config.js';
import { MADE_TRANSACTIONS, TRANSACTION_REFERENCE } from './reports/made-transactions.js';
import { sampleEvent, startService, type TestService } from './support/app.js';
import { truetrail } from './support/command-line.js';
import { createTestDatabase, type TestDatabase } from './support/database.js';
import { feedbackXml } from './support/feedback.js';
import { createKey, query } from './support/keys.js';
import { folderStore, objectOf, onFolders, STORES, type TestStore } from './support/stores.js';
import { filesOf, SUBMISSIONS, submitted, type ShownSubmission } from './support/submissions.js';
import { ANY_DIFFERENCE_MS, moveTrailClock } from './support/trail-clock.js';
import { FIRM } from './support/transaction-reports.js';
import { record, runJob, runOnRequestAlone } from './support/verification.js';

function monthsAgo(back: number): Date {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - back, 15, 12));
}

/** What must be the same in a rebuilt database. */
const CONTENTS: Record<string, string> = {
  events: 'SELECT * FROM audit_events ORDER BY ledger, sequence',
  keys: 'SELECT * FROM event_keys ORDER BY ledger, sequence',
  ledgers: 'SELECT ledger, origin, state FROM ledgers ORDER BY ledger',
  heads: 'SELECT ledger, size, event_hash, archived_to FROM ledger_heads ORDER BY ledger',
  months: `SELECT month, state FROM months WHERE state = 'dropped' AND month IN (SELECT month FROM month_ranges) ORDER BY month`,
  ranges: `SELECT month_ranges.* FROM month_ranges JOIN months USING (month) WHERE state = 'dropped' ORDER BY month, ledger`,
  objects:
    'SELECT number, kind, object_key, version_id, sha256, bytes, events, reason FROM archive_objects ORDER BY number',
  'objects and ranges': 'SELECT * FROM archive_ranges ORDER BY number, ledger',
  locks: 'SELECT number, retain_until FROM archive_object_states ORDER BY number',
  deployment: 'SELECT id, log_origin FROM deployment',
  'reference data': 'SELECT * FROM reference_changes ORDER BY revision',
  'late executions': 'SELECT * FROM late_executions ORDER BY ledger, sequence',
  holds: 'SELECT * FROM legal_holds ORDER BY id',
  'acts on holds': 'SELECT * FROM legal_hold_acts ORDER BY hold, ordinal',
  'held objects': 'SELECT number, confirmed_at IS NOT NULL AS confirmed FROM archive_object_holds ORDER BY number',
};

/** What follows from the ledger of what was sent and answered. */
const REPORTED: Record<string, string> = {
  acts: 'SELECT * FROM reporting_acts ORDER BY act',
  parts: 'SELECT * FROM reporting_parts ORDER BY maker, part',
  records: 'SELECT * FROM reporting_records ORDER BY maker, transaction_reference',
  advices: 'SELECT * FROM reporting_advices ORDER BY maker, number',
  notes: 'SELECT * FROM reporting_notes ORDER BY maker, transaction_reference',
  progress: 'SELECT * FROM reporting_progress ORDER BY ledger',
  submissions: `SELECT id, ledger, executing_entity, sender, receiver, parameters, as_of, requested_by, rows, bytes, sha256, status, created_at
                  FROM reporting_runs WHERE id IN (SELECT subject::uuid FROM reporting_acts WHERE kind = 'submission')
                  ORDER BY created_at`,
};

async function contents(
  database: TestDatabase,
  queries: Readonly<Record<string, string>> = CONTENTS,
): Promise<Record<string, unknown[]>> {
  const client = new pg.Client({ connectionString: database.adminUrl });
  await client.connect();
  try {
    const found: Record<string, unknown[]> = {};
    for (const [name, text] of Object.entries(queries)) {
      const { rows } = await client.query<Record<string, unknown>>(text);
      found[name] = rows;
    }
    return found;
  } finally {
    await client.end();
  }
}

/** An object of a log of the same name that is not ours, as whoever holds the bucket can put beside ours; it is sound. */
async function strangersObject(): Promise<{ key: string; bytes: Buffer }> {
  const archive = folderStore();
  const service = await startService({ env: { ARCHIVE_URL: archive.url } });
  try {
    for (const name of ['Desk', 'Forged']) {
      const branch = { branch_id: 'PAR', legal_entity: '529900G3SW56SHYNPR95', country: 'FR', name };
      for (const valid_from of ['2001-01-01', '2002-01-01', '2003-01-01', '2004-01-01']) {
        await service
          .http()
          .post('/v1/reference/branch')
          .send({ ...branch, name: `${name} ${valid_from}`, valid_from });
      }
      await runJob(service, 'archive-export');
    }
    let last: { key: string; bytes: Buffer } | undefined;
    for await (const version of archive.store.list('early/')) {
      last = { key: version.key, bytes: await archive.store.readRange(version, 0, version.bytes) };
    }
    return last!;
  } finally {
    await service.close();
    archive.close();
  }
}

describe.each(STORES.map((make) => [make.name === 's3Store' ? 'S3' : 'a folder', make] as const))(
  'a rebuild from %s',
  (_, make) => {
    let test: TestStore;
    let service: TestService;
    let copy: TestDatabase;
    let folder: string;
    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), 'truetrail-rebuild-test-'));
      test = await make();
      service = await startService({
        env: { ARCHIVE_URL: test.url, ONLINE_MONTHS: '12' },
        settings: { CLOCK_TOLERANCE: ANY_DIFFERENCE_MS },
      });
      copy = await createTestDatabase();
    });
    afterEach(async () => {
      await service.close();
      await copy.drop();
      test.close();
      rmSync(folder, { recursive: true, force: true });
    });

    const configOfCopy = () =>
      readConfig({
        DATABASE_URL: copy.serviceUrl,
        DATABASE_OWNER_URL: copy.ownerUrl,
        ARCHIVE_URL: test.url,
        ONLINE_MONTHS: '12',
        DATA_DIR: folder,
        LOG_LEVEL: 'silent',
      });

    it('gives the database that the archive is of, which goes on from there', async () => {
      // several objects a month, and several indexes of it
      Object.assign(service.app.get(Exporter), { maxObjectEvents: { early: 32_768n, month: 25n, entities: 60n } });
      const admin = new pg.Client({ connectionString: service.database.adminUrl });
      await admin.connect();
      try {
        await service.http().put('/v1/ledgers/desk-1').expect(201);
        for (const back of [15, 14, 2]) {
          await moveTrailClock(admin, monthsAgo(back));
          await runJob(service, 'partition-maintenance');
          for (const ledger of ['main', 'desk-1']) {
            const events = Array.from({ length: 60 }, (_each, i) =>
              sampleEvent({
                timestamp: monthsAgo(back).toISOString(),
                entity_id: `O-${i % 7}`,
                metadata: {
                  ...{ n: 1.5e21, small: 1e-7, text: '\u{1F600} "\\' },
                  // told days later, or at once
                  ...(i % 10 === 3 ? { execution_id: `X-${i}`, execution_time: '2001-02-03T23:30:00-01:00' } : {}),
                  ...(i % 10 === 4 ? { execution_id: `X-${i}`, execution_time: monthsAgo(back).toISOString() } : {}),
                },
                ...(i % 10 === 0
                  ? { raw: { media_type: 'text/plain', data: Buffer.from(`raw ${i}`).toString('base64') } }
                  : {}),
                ...(i % 9 === 0 ? { source: 'oms', source_session: 's', source_sequence: '9223372036854775807' } : {}),
              }),
            );
            await service.http().post(`/v1/ledgers/${ledger}/events/batch`).send({ events }).expect(201);
          }
          // who traded then, said anew in every month: the first of them have left the database by now
          await service
            .http()
            .post('/v1/reference/branch')
            .send({
              ...{ branch_id: 'PAR', legal_entity: '529900G3SW56SHYNPR95', country: 'FR', name: `Desk ${back}` },
              valid_from: monthsAgo(back).toISOString(),
            })
            .expect(201);
          await runJob(service, 'archive-export');
        }
        await moveTrailClock(admin, new Date());
      } finally {
        await admin.end();
      }
      await runJob(service, 'partition-maintenance');
      await runJob(service, 'archive-export');
      expect((await runJob(service, 'retention')).outcome).toMatchObject({ findings_total: 0, kept: [] });
      await runJob(service, 'archive-export'); // what the service recorded of that

      // an object that does not count says nothing of who traded, either
      const { key, bytes } = await strangersObject();
      await test.store.put(objectOf(folder, key, bytes, new Date(Date.now() + 3_600_000)));

      const lines: string[] = [];
      const ledgers = await rebuildFromArchive(configOfCopy(), (line) => lines.push(line));
      expect(ledgers.map(({ ledger, verdict }) => [ledger, verdict])).toEqual([
        ['_service', 'valid'],
        ['desk-1', 'valid'],
        ['main', 'valid'],
      ]);
      const [ours, theirs] = [await contents(copy), await contents(service.database)];
      for (const name of Object.keys(CONTENTS)) expect([name, ours[name]]).toEqual([name, theirs[name]]);
      expect(ours.events!.length).toBeGreaterThan(120);
      expect(ours.months!.length).toBeGreaterThan(1);
      expect(ours['reference data']).toHaveLength(3);
      expect(ours['late executions']).toHaveLength(2 * 2 * 6);
      expect(ours['late executions']).toContainEqual({ ledger: 'main', day: '2001-02-03', sequence: '4' });

      // a second one would mix two trails
      await expect(rebuildFromArchive(configOfCopy(), () => undefined)).rejects.toThrow('The database is not empty');

      const months = theirs.months!.length;
      const indexes = await query(service.database, `SELECT number FROM archive_objects WHERE kind = 'entities'`);
      expect(indexes.length).toBeGreaterThan(2 * months);
      const { body: before } = await service.http().get('/v1/ledgers/main/events?limit=1000').expect(200);
      const historyOf = async (of: TestService) =>
        (await of.http().get('/v1/ledgers/main/orders/O-3/history').expect(200)).body;
      const rebuilt = await startService({ env: { ARCHIVE_URL: test.url }, database: copy });
      try {
        const { body: after } = await rebuilt.http().get('/v1/ledgers/main/events?limit=1000').expect(200);
        expect(after).toEqual(before);
        const history = await historyOf(rebuilt);
        expect(history).toEqual(await historyOf(service));
        expect(history.events).toHaveLength(
          before.events.filter(({ entity_id: id }: { entity_id: string }) => id === 'O-3').length,
        );
        const branch = { branch_id: 'PAR', legal_entity: '529900G3SW56SHYNPR95', country: 'FR', name: 'Desk 15' };
        const { body: change } = await rebuilt
          .http()
          .post('/v1/reference/branch')
          .send({ ...branch, valid_from: '2020-01-01' })
          .expect(201);
        expect(change.revision).toBe('4');
        const { body: receipt } = await rebuilt.http().post('/v1/ledgers/main/events').send(sampleEvent()).expect(201);
        expect(receipt.previous_event_hash).toBe(before.events.at(-1).event_hash);
        expect((await runJob(rebuilt, 'archive-export')).outcome).toMatchObject({ refused: [], adopted: 0 });
        await runJob(rebuilt, 'partition-maintenance');
        expect((await runJob(rebuilt, 'archive-export')).outcome).toMatchObject({ months: [] });
        const { findings } = (await runJob(rebuilt, 'archive-verification')).outcome;
        expect(findings).toMatchObject([{ object_key: key }]); // the stranger's, and no other
        expect((await runJob(rebuilt, 'schema-check')).outcome).toMatchObject({ verdict: 'valid' });
      } finally {
        await rebuilt.close();
      }
    });

    it('is not held up, or given other objects, by whatever else lies in the bucket', async () => {
      await record(service, 5);
      await runJob(service, 'archive-export');
      await record(service, 5);
      await runJob(service, 'archive-export');
      const catalogued = `SELECT number, object_key, version_id FROM archive_objects ORDER BY number`;
      const before = await query<{ number: string; object_key: string; version_id: string }>(
        service.database,
        catalogued,
      );
      const { object_key: key, version_id: versionId } = before[0]!;
      const real = await test.store.readRange({ key, versionId }, 0, await sizeOf(key));
      const digestOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex').slice(0, 16);
      const lock = new Date(Date.now() + 3_600_000);
      const junk = Buffer.from('no object');
      const next = String(before.length + 1).padStart(12, '0');
      for (const [name, bytes] of [
        ['early/anything', junk],
        [`early/${next}-${digestOf(junk)}.parquet`, junk],
        ['early/000000000001-0000000000000000.parquet', real], // a copy under a name that comes first
        ['month/000000000002-0000000000000000.parquet', junk],
      ] as const) {
        await test.store.put(objectOf(folder, name, bytes, lock));
      }
      if (test.owner) {
        // the same rows in other bytes, whose name is right and comes first, and which its owner can remove at any time
        let same = real;
        for (let i = 0; digestOf(same) >= key.slice(-24, -8); i++) {
          same = Buffer.from(real);
          same.write(String(i).padStart(9, '0'), real.lastIndexOf('hyparquet'), 'latin1');
        }
        const Key = `trail/early/000000000001-${digestOf(same)}.parquet`;
        const Retention = { ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: lock } as const;
        const { bucket: Bucket, client } = test.owner;
        await client.send(new PutObjectCommand({ Bucket, Key, Body: same, ...Retention }));
      }
      const lines: string[] = [];
      const ledgers = await rebuildFromArchive(configOfCopy(), (line) => lines.push(line));
      expect(ledgers.map(({ ledger, verdict }) => [ledger, verdict])).toEqual([
        ['_service', 'valid'],
        ['main', 'valid'],
      ]);
      expect(await query(copy, catalogued)).toEqual(before);
      expect(lines.filter((line) => line.includes('is left out:'))).toHaveLength(test.owner ? 5 : 4);
    });

    const sizeOf = async (key: string): Promise<number> => (await test.store.versionsOf(key))[0]!.bytes;

    if (make === folderStore) {
      it('ends, and names it, where the last object is damaged', async () => {
        await record(service, 5);
        await runJob(service, 'archive-export');
        const [last] = await query<{ object_key: string }>(
          service.database,
          'SELECT object_key FROM archive_objects ORDER BY number DESC LIMIT 1',
        );
        await record(service, 5);
        await runJob(service, 'archive-export');
        const objects = await query<{ object_key: string }>(
          service.database,
          'SELECT object_key FROM archive_objects ORDER BY number',
        );
        for (const { object_key: key } of [objects.at(-1)!, last!]) {
          const file = join(test.url.slice('file:'.length), key);
          chmodSync(file, 0o600);
          truncateSync(file, 1_000);
          await expect(rebuildFromArchive(configOfCopy(), () => undefined)).rejects.toThrow(key);
        }
      });
    }

    it('has the legal holds, which keep what they kept until others end them', async () => {
      const month = (back: number): string => `${monthsAgo(back).toISOString().slice(0, 7)}-01`;
      const during = (back: number) => ({
        recorded_from: `${month(back)}T00:00:00Z`,
        recorded_to: `${month(back - 1)}T00:00:00Z`,
      });
      const person = async (at: TestService) => (await createKey(at, ['holds:request', 'holds:approve'], ['*'])).key;
      const act = (at: TestService, key: string, hold: string, what: string) =>
        at.http(key).post(`/v1/legal-holds/${hold}/${what}`).send({ reason: 'Inquiry 2026/117' }).expect(201);
      const admin = new pg.Client({ connectionString: service.database.adminUrl });
      await admin.connect();
      try {
        await service.http().put('/v1/ledgers/desk-1').expect(201);
        for (const back of [16, 15, 14, 2]) {
          await moveTrailClock(admin, monthsAgo(back));
          await runJob(service, 'partition-maintenance');
          for (const ledger of ['main', 'desk-1']) await record(service, 5, ledger);
          await runJob(service, 'archive-export');
        }
        await moveTrailClock(admin, new Date());
      } finally {
        await admin.end();
      }
      await runJob(service, 'partition-maintenance');
      await runJob(service, 'archive-export');
      const [ann, bob] = [await person(service), await person(service)];
      const ask = async (members: object): Promise<string> => {
        const hold = { ledgers: ['main'], reason: 'Inquiry 2026/117', ...members };
        return (await service.http(ann).post('/v1/legal-holds').send(hold).expect(201)).body.id;
      };
      // one that keeps the fourteenth month in PostgreSQL, and all after it
      const requested = await ask({ ...during(14), user_id: 'trader-1', entity_type: 'order', entity_id: 'O-1' });
      const left = (await runJob(service, 'retention')).outcome;
      expect(left).toMatchObject({ dropped: [month(16), month(15)], kept: [{ month: month(14) }] });
      // one of a month that has left
      const releasing = await ask(during(16));
      await act(service, bob, releasing, 'approvals');
      await act(service, ann, releasing, 'releases');
      const active = await ask({ ...during(2), ledgers: ['desk-1'] });
      await act(service, bob, active, 'approvals');
      const rejected = await ask({});
      await act(service, bob, rejected, 'rejections');
      const released = await ask({ event_type: 'order_lifecycle' });
      for (const [who, what] of [
        [bob, 'approvals'],
        [ann, 'releases'],
        [bob, 'rejections'],
        [bob, 'releases'],
        [ann, 'approvals'],
      ] as const) {
        await act(service, who, released, what);
      }
      await runJob(service, 'legal-holds');
      await runJob(service, 'archive-export');
      // held by somebody else, as far as anybody can tell
      const [foreign] = await query<{ key: string; version: string }>(
        service.database,
        `SELECT object_key AS key, version_id AS version FROM archive_objects
           WHERE number NOT IN (SELECT number FROM archive_object_holds) ORDER BY number DESC LIMIT 1`,
      );
      const foreignVersion = { key: foreign!.key, versionId: foreign!.version };
      await test.store.setLegalHold(foreignVersion, true);

      const lines: string[] = [];
      const ledgers = await rebuildFromArchive(configOfCopy(), (line) => lines.push(line));
      expect(ledgers.map(({ verdict }) => verdict)).toEqual(['valid', 'valid', 'valid']);
      expect(lines.filter((line) => line.includes('legal hold'))).toEqual([
        expect.stringContaining(`${foreign!.key} is under a legal hold in the store, which no hold on record keeps`),
      ]);
      const [ours, theirs] = [await contents(copy), await contents(service.database)];
      for (const name of Object.keys(CONTENTS)) expect([name, ours[name]]).toEqual([name, theirs[name]]);
      expect(ours.holds).toMatchObject(
        [
          [requested, 'requested'],
          [releasing, 'release-requested'],
          [active, 'active'],
          [rejected, 'rejected'],
          [released, 'released'],
        ].map(([id, state]) => ({ id, state })),
      );
      expect(ours['acts on holds']).toHaveLength(1 + 3 + 2 + 2 + 6);
      expect(ours['held objects']!.length).toBeGreaterThan(4);

      await service.close(); // two services would keep the holds of one store
      const rebuilt = await startService({
        env: { ARCHIVE_URL: test.url, ONLINE_MONTHS: '12' },
        settings: { CLOCK_TOLERANCE: ANY_DIFFERENCE_MS },
        database: copy,
      });
      try {
        await runJob(rebuilt, 'partition-maintenance');
        await runJob(rebuilt, 'archive-export');
        const { outcome } = await runJob(rebuilt, 'retention');
        expect(outcome).toMatchObject({ dropped: [], kept: [{ month: month(14) }] });
        expect((outcome as unknown as { kept: { reason: string }[] }).kept[0]!.reason).toContain(requested);
        const holdsOf = (back: number) =>
          query<{ id: string }>(copy, 'SELECT month_holds($1::timestamptz, $2::timestamptz, NULL) AS id', [
            month(back),
            month(back - 1),
          ]);
        expect(await Promise.all([16, 14, 2].map(holdsOf))).toEqual([
          [{ id: releasing }],
          [{ id: requested }],
          [{ id: active }],
        ]);
        // the acts on record agree with what is there, and the store holds what it held
        const kept = await runJob(rebuilt, 'legal-holds');
        expect(kept).toMatchObject({ status: 'done', outcome: { freed: 0, restored: 0, held: 0 } });
        const objects = await query<{ key: string; version: string }>(
          copy,
          `SELECT object_key AS key, version_id AS version FROM archive_object_holds JOIN archive_objects USING (number)`,
        );
        const areHeld = async (): Promise<boolean[]> => {
          const found = objects.map(({ key, version }) => test.store.describe({ key, versionId: version }));
          return (await Promise.all(found)).map(({ legalHold }) => legalHold);
        };
        expect(new Set(await areHeld())).toEqual(new Set([true]));

        const [carol, dave] = [await person(rebuilt), await person(rebuilt)];
        await act(rebuilt, carol, requested, 'rejections');
        await act(rebuilt, carol, releasing, 'approvals');
        await act(rebuilt, carol, active, 'releases');
        await act(rebuilt, dave, active, 'approvals');
        await runJob(rebuilt, 'legal-holds');
        expect(await query(copy, 'SELECT number FROM archive_object_holds')).toEqual([]);
        expect(new Set(await areHeld())).toEqual(new Set([false]));
        expect((await test.store.describe(foreignVersion)).legalHold).toBe(true);
        expect((await runJob(rebuilt, 'retention')).outcome).toMatchObject({ dropped: [month(14)], kept: [] });
      } finally {
        await rebuilt.close();
      }
    });
  },
);

onFolders('a rebuild of a ledger of which more was signed than exported', () => {
  it('says what is lost; and goes on in a successor, keys too', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'truetrail-rebuild-test-'));
    const archive = folderStore();
    const copy = await createTestDatabase();
    const signingKey = join(folder, 'key.pem');
    const service = await startService({
      env: { ARCHIVE_URL: archive.url, SIGNING_KEY_FILE: signingKey, ARCHIVE_EXPORT_AGE: '24h' },
    });
    try {
      await runOnRequestAlone(service, 'archive-export');
      await service.http().put('/v1/ledgers/desk-1').expect(201);
      for (const ledger of ['main', 'desk-1']) await record(service, 12, ledger);
      expect(await runJob(service, 'archive-export')).toMatchObject({ status: 'done' });
      await record(service, 3);
      await service.http().put('/v1/ledgers/desk-2').expect(201);
      await record(service, 2, 'desk-2');
      await createKey(service, ['events:read']); // on record in _service
      expect(await runJob(service, 'checkpoint')).toMatchObject({ status: 'done', outcome: { refused: [] } });
      const environment = {
        ...{ DATABASE_URL: copy.serviceUrl, DATABASE_OWNER_URL: copy.ownerUrl, ARCHIVE_URL: archive.url },
        ...{ SIGNING_KEY_FILE: signingKey, DATA_DIR: folder, LOG_LEVEL: 'silent' },
      };
      const rebuilt = await truetrail(environment, 'rebuild');
      expect([rebuilt.code, rebuilt.stdout.split('\n').filter((line) => !line.startsWith('_service'))]).toEqual([
        0,
        [
          expect.stringMatching(/^desk-1: 12 events, the last recorded at \S+; valid$/),
          expect.stringMatching(
            /^main: 12 events, .*; valid; lacks events 13 to 15, which were signed and are in no object$/,
          ),
          'desk-2: 0 events; valid; lacks events 1 to 2, which were signed and are in no object',
          '',
        ],
      ]);
      expect(rebuilt.stdout).toMatch(/^_service: \d+ events, .*; lacks events \d+ to \d+/m);
      expect(rebuilt.stderr).toMatch(/_service, main, desk-2: what is missing there .*`recover --close LEDGER`/);

      const makeKey = ['keys', 'create', '--name', 'oncall', '--scopes', 'all', '--ledgers', '*'];
      expect((await truetrail(environment, ...makeKey)).code).toBe(1);
      const closed = await truetrail(
        environment,
        ...['recover', '--close', '_service', '--close', 'main', '--close', 'desk-2'],
      );
      expect([closed.code, closed.stderr]).toEqual([0, expect.stringContaining('main-2 succeeds it')]);
      const made = await truetrail(environment, ...makeKey);
      expect([made.code, made.stderr]).toEqual([0, expect.anything()]);
    } finally {
      await service.close();
      await copy.drop();
      archive.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

onFolders('a rebuild from events that are others than those that were signed', () => {
  it('ends with 1, and says which ledger', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'truetrail-rebuild-test-'));
    const [ours, others, copy] = [folderStore(), folderStore(), await createTestDatabase()];
    const signingKey = join(folder, 'key.pem');
    const start = (url: string, database: TestDatabase) =>
      startService({ env: { ARCHIVE_URL: url, SIGNING_KEY_FILE: signingKey, ARCHIVE_EXPORT_AGE: '24h' }, database });
    const first = await createTestDatabase();
    await (await start('off', first)).close(); // names the log
    const second = await createTestDatabase(first);
    try {
      // two histories of one log: of one the events, of the other what was signed
      const archiving = await start(ours.url, first);
      try {
        await record(archiving, 5);
        expect(await runJob(archiving, 'archive-export')).toMatchObject({ status: 'done' });
      } finally {
        await archiving.close();
      }
      const signing = await start(others.url, second);
      try {
        await runOnRequestAlone(signing, 'archive-export');
        await record(signing, 5);
        expect(await runJob(signing, 'checkpoint')).toMatchObject({ status: 'done', outcome: { refused: [] } });
      } finally {
        await signing.close();
      }
      const anchors = (store: TestStore): string => join(fileURLToPath(store.url), 'anchors');
      cpSync(anchors(others), anchors(ours), { recursive: true });
      const rebuilt = await truetrail(
        {
          ...{ DATABASE_URL: copy.serviceUrl, DATABASE_OWNER_URL: copy.ownerUrl, ARCHIVE_URL: ours.url },
          ...{ SIGNING_KEY_FILE: signingKey, DATA_DIR: folder, LOG_LEVEL: 'silent' },
        },
        'rebuild',
      );
      expect([rebuilt.code, rebuilt.stderr]).toEqual([1, expect.stringMatching(/Not valid: .*main \(.*signed/)]);
    } finally {
      for (const database of [first, second, copy]) await database.drop();
      for (const store of [ours, others]) store.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('a rebuild of what was reported to authorities', () => {
  const day = { from_date: '2025-06-03', to_date: '2025-06-03' };
  let test: TestStore;
  let service: TestService;
  let copy: TestDatabase;
  let folder: string;
  const env = () => ({ ARCHIVE_URL: test.url, REPORTING_SENDER: 'TF', REPORTING_RECEIVER: 'FR' });
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'truetrail-rebuild-test-'));
    test = folderStore();
    service = await startService({ env: { ...env(), REPORTING_FILE_REPORTS: '20' } });
    copy = await createTestDatabase();
  });
  afterAll(async () => {
    await service.close();
    await copy.drop();
    test.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const handIn = (to: TestService, xml: string) =>
    to.http().post('/v1/transaction-report-feedback').set('content-type', 'application/xml').send(xml);

  it('has the same states, acts and numbers, goes on from there, and has the files as they were sent', async () => {
    for (const [kind, text] of Object.entries(TRANSACTION_REFERENCE)) {
      await service.http().post(`/v1/reference/${kind}/imports`).set('content-type', 'text/csv').send(text).expect(201);
    }
    await service.http().post('/v1/ledgers/main/events/batch').send({ events: MADE_TRANSACTIONS }).expect(201);
    const first = await submitted(service, day);
    const files = await filesOf(service, first.id);
    expect(files.size).toBe(2);
    // one is rejected; another is corrected, and taken back by the next submission
    const rejected = MADE_TRANSACTIONS.find(({ entity_id: id, action }) => id === 'BOND' && action === 'fill')!;
    const corrected = MADE_TRANSACTIONS.find(({ entity_id: id, action }) => id === 'AOTC' && action === 'fill')!;
    const { body } = await service.http().get(`${SUBMISSIONS}/${first.id}/decisions?limit=1000`).expect(200);
    const decisions = body.decisions as { event_id: string; transaction_reference: string; message_id: string }[];
    const ofBond = decisions.find(({ event_id: id }) => id === rejected.event_id)!;
    const records = [
      {
        recordId: `${FIRM}${ofBond.transaction_reference}`,
        status: 'RJCT' as const,
        rules: [{ id: 'CON-412', description: 'Field 41 is not valid' }],
      },
    ];
    const feedback = feedbackXml([{ answers: ofBond.message_id, status: 'PART', records }]);
    await handIn(service, feedback).expect(201);
    const correction = {
      ...{ ...corrected, event_id: '0197f3a1-6c00-7000-8000-00000000f002', corrects: corrected.event_id },
      new_state: { ...corrected.new_state, price: '61.37' },
    };
    await service.http().post('/v1/ledgers/main/events').send(correction).expect(201);
    const second = await submitted(service, day);
    expect([first.act, second.act, second.records]).toEqual(['1', '3', '2']);
    const secondFiles = await filesOf(service, second.id);
    // what was asked for and sent nothing is in no act
    expect((await submitted(service, day)).records).toBe('0');
    await runJob(service, 'archive-export');
    const before = await contents(service.database, REPORTED);
    expect(before.submissions).toHaveLength(2);

    const config = readConfig({
      ...{ DATABASE_URL: copy.serviceUrl, DATABASE_OWNER_URL: copy.ownerUrl, ARCHIVE_URL: test.url },
      ...{ DATA_DIR: folder, LOG_LEVEL: 'silent' },
    });
    const ledgers = await rebuildFromArchive(config, () => undefined);
    expect(ledgers.find(({ ledger }) => ledger === '_reporting')?.verdict).toBe('valid');
    // by other settings than those that files were made by
    const rebuilt = await startService({ env: { ...env(), REPORTING_FILE_REPORTS: '7' }, database: copy });
    try {
      const { submissions } = (await rebuilt.http().get(SUBMISSIONS).expect(200)).body as {
        submissions: ShownSubmission[];
      };
      const shown = submissions.map(({ id, status, act, records: count, files: of }) => [id, status, act, count, of]);
      expect(shown).toEqual([
        [second.id, 'done', second.act, second.records, second.files],
        [first.id, 'done', first.act, first.records, first.files],
      ]);
      expect(await contents(copy, REPORTED)).toEqual(before);
      for (const [{ id }, expected] of [
        [first, files],
        [second, secondFiles],
      ] as const) {
        expect(await filesOf(rebuilt, id)).toEqual(expected);
      }
      // the same feedback says nothing new, and the same day sends nothing, but for what was rejected, by request
      await handIn(rebuilt, feedback).expect(200);
      expect((await submitted(rebuilt, day)).records).toBe('0');
      const again = await submitted(rebuilt, day, { repeat_rejected: 'yes' });
      expect([again.records, again.act]).toEqual(['1', '4']);
      expect(again.files[0]!.message_id).toMatch(/^TF_DATTRA_FR_000004-0-000003_/);
    } finally {
      await rebuilt.close();
    }
  });
});
