import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { jest } from '@jest/globals';
import pg from 'pg';
import { pino } from 'pino';
import { ArchiveObjectWriter } from '../src/archive/archive-object.js';
import { ArchiveVerifier } from '../src/archive/archive-verifier.js';
import { Exporter, type ExportOutcome } from '../src/archive/exporter.js';
import { objectKey } from '../src/archive/archive-format.js';
import { FORMAT_DESCRIPTION } from '../src/archive/format-description.js';
import type { NewObject, ObjectStore } from '../src/archive/object-store.js';
import { loadCompression } from '../src/archive/parquet-file.js';
import { rebuildFromArchive } from '../src/cli/rebuild.js';
import { recover } from '../src/cli/recover.js';
import { readConfig } from '../src/config/config.js';
import { losslessTypes } from '../src/database/connection.js';
import { POOL } from '../src/database/tokens.js';
import { readStoredRows } from '../src/events/stored-events.js';
import { canonicalContent, contentHash, eventHash } from '../src/integrity/event.js';
import { contentOf, envelopeOf, microsOf, type StoredRow } from '../src/integrity/stored-event.js';
import type { JobLock } from '../src/jobs/job-lock.js';
import { sampleEvent, startService, takeTurn, TEST_ORIGIN, type TestService } from './support/app.js';
import { createTestDatabase } from './support/database.js';
import { query } from './support/keys.js';
import { objectOf, STORES, storeWith, type TestStore } from './support/stores.js';
import { ANY_DIFFERENCE_MS, moveTrailClock } from './support/trail-clock.js';
import { runJob, verify as verifyLedger } from './support/verification.js';

/*
 * Whoever reads the database and may write into the bucket can tell which object comes next, and under which name, and can
 * have something locked there before the service does.
 */

jest.setTimeout(120_000);

const log = pino({ level: 'silent' });
const HOUR_MS = 3_600_000;

describe.each(STORES.map((make) => [make.name === 's3Store' ? 'S3' : 'a folder', make] as const))(
  'the archive in %s, where somebody is faster,',
  (_, make) => {
    let test: TestStore;
    let folder: string;
    let service: TestService;
    let admin: pg.Client;
    let turn: JobLock;
    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), 'truetrail-intruders-'));
      test = await make();
      service = await startService({
        env: { ARCHIVE_URL: test.url, ONLINE_MONTHS: '12' },
        settings: { CLOCK_TOLERANCE: ANY_DIFFERENCE_MS },
      });
      admin = new pg.Client({
        connectionString: service.database.adminUrl,
        options: '-c TimeZone=UTC -c DateStyle=ISO',
        types: losslessTypes,
      });
      await admin.connect();
      turn = await takeTurn(service, 'archive-export');
    });
    afterEach(async () => {
      await turn.release();
      await admin.end();
      await service.close();
      test.close();
      rmSync(folder, { recursive: true, force: true });
    });

    const run = (store: ObjectStore = test.store): Promise<ExportOutcome> => {
      const settings = { ARCHIVE_EXPORT_AGE: 1_000, ARCHIVE_EXPORT_EVENTS: 1, ARCHIVE_RETENTION_YEARS: 7 };
      const exporter = new Exporter(settings, service.app.get<pg.Pool>(POOL), service.database.serviceUrl, store);
      return exporter.run({ takeAll: true, requestedBy: 'key:test', signal: new AbortController().signal, log });
    };

    async function record(count: number): Promise<void> {
      const events = Array.from({ length: count }, () => sampleEvent());
      await service.http().post('/v1/ledgers/main/events/batch').send({ events }).expect(201);
    }

    const verify = () => service.app.get(ArchiveVerifier).run(true, new AbortController().signal);

    /** The archive's store as somebody has it who puts something under each name before the service does. */
    function raced(before: (object: NewObject) => Promise<void>): { store: ObjectStore; keys: string[] } {
      const keys: string[] = [];
      const store = storeWith(test.store, (target, name) => {
        const member = Reflect.get(target, name) as unknown;
        if (typeof member !== 'function') return member;
        if (name !== 'put') return member.bind(target) as unknown;
        return async (object: NewObject) => {
          // who foresees a name does not foresee the one that is taken instead
          const isSecond = object.key !== 'store.json' && keys.some((key) => isSameNumber(key, object.key));
          if (!isSecond && object.key !== 'store.json') {
            await before(object);
            keys.push(object.key);
          }
          return target.put(object);
        };
      });
      return { store, keys };
    }

    const isSameNumber = (a: string, b: string): boolean => a.split('-')[0] === b.split('-')[0];

    const junk = (key: string, bytes: Buffer) =>
      test.store.put(objectOf(folder, key, bytes, new Date(Date.now() + HOUR_MS)));

    /** Other bytes, of which the store says that they are ours. */
    async function lyingJunk({ key, bytes, sha256 }: NewObject): Promise<void> {
      const Body = Buffer.alloc(bytes, 'x');
      const Metadata = { sha256: sha256.toString('hex') };
      if (test.owner) {
        const at = { Bucket: test.owner.bucket, Key: `trail/${key}` };
        await test.owner.client.send(new PutObjectCommand({ ...at, Body, Metadata }));
        return;
      }
      const path = join(fileURLToPath(test.url), key);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, Body);
      const until = new Date(Date.now() + HOUR_MS).toISOString();
      writeFileSync(
        `${path}.lock.json`,
        JSON.stringify({ retain_until: until, legal_hold: false, metadata: Metadata }),
      );
    }

    /** The right bytes, with a lock that whoever put them can take off. */
    async function removable({ key, file }: NewObject): Promise<void> {
      const at = { Bucket: test.owner!.bucket, Key: `trail/${key}`, Body: readFileSync(file) };
      const ObjectLockRetainUntilDate = new Date(Date.now() + HOUR_MS);
      await test.owner!.client.send(
        new PutObjectCommand({ ...at, ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate }),
      );
    }

    /** The right bytes, locked for longer than the catalogue takes. */
    async function lockedForEver(object: NewObject): Promise<void> {
      await test.store.put({ ...object, retainUntil: new Date(Date.now() + 60 * 365 * 24 * HOUR_MS) });
    }

    /** Each event of the ledger is in each kind of object once. */
    async function expectComplete(kinds: readonly string[]): Promise<void> {
      const [head] = await query(service.database, `SELECT size FROM ledger_heads WHERE ledger = 'main'`);
      for (const kind of kinds) {
        const { rows } = await admin.query<{ from: string; to: string; events: string }>(
          `SELECT min(from_sequence)::text AS from, max(to_sequence)::text AS to,
                  sum(to_sequence - from_sequence + 1)::text AS events
             FROM archive_ranges WHERE ledger = 'main' AND kind = $1`,
          [kind],
        );
        const size = String(head!.size);
        expect([kind, rows[0]]).toEqual([kind, { from: '1', to: size, events: size }]);
      }
    }

    const WAYS = [
      ['other bytes', ({ key }: NewObject) => junk(key, Buffer.from('no object'))],
      ['other bytes that pass for ours', lyingJunk],
      ['the right bytes, locked for ever', lockedForEver],
      ...(make.name === 's3Store' ? [['the right bytes, removable', removable] as const] : []),
    ] as const;

    it.each(WAYS)('writes every object of a month all the same: %s', async (what, put) => {
      const month = new Date();
      month.setUTCDate(15);
      month.setUTCMonth(month.getUTCMonth() - 14);
      await moveTrailClock(admin, month);
      await runJob(service, 'partition-maintenance');
      await record(20);
      await moveTrailClock(admin, new Date());
      await runJob(service, 'partition-maintenance');
      const { store, keys } = raced((object) => put(object) as Promise<void>);
      const outcome = await run(store);
      const objects = keys.filter((key) => key !== FORMAT_DESCRIPTION.key);
      expect(objects.map((key) => key.split('/')[0])).toEqual(['early', 'month', 'entities', 'digests']);
      expect(outcome).toMatchObject({ refused: [], months: [`${month.toISOString().slice(0, 7)}-01`] });
      expect(outcome.intruders.filter((key) => key !== FORMAT_DESCRIPTION.key)).toEqual(objects);
      await expectComplete(['early', 'month', 'entities', 'digests']);
      expect(await run()).toMatchObject({ objects: 0, adopted: 0, refused: [], intruders: [] });

      // what somebody put there is found, and nothing else; it is no reason to keep the month
      const found = (await verify()).findings.map(({ kind, object_key: key }) => `${kind} ${key}`);
      const sound = what.startsWith('the right'); // whole objects of our events beside our own
      for (const key of objects) {
        if (!sound) expect(found).toContain(`object-unknown ${key}`);
      }
      expect(found.filter((each) => !objects.some((key) => each.endsWith(key)))).toEqual(
        found.filter((each) => each.endsWith(FORMAT_DESCRIPTION.key)),
      );
      expect((await runJob(service, 'retention')).outcome).toMatchObject({ kept: [] });
      const [state] = await query(service.database, 'SELECT state FROM months WHERE month = $1', [
        `${month.toISOString().slice(0, 7)}-01`,
      ]);
      expect(state).toEqual({ state: 'dropped' });
      const { body } = await service.http().get('/v1/ledgers/main/events?limit=100').expect(200);
      expect(body.events).toHaveLength(20);

      const copy = await createTestDatabase();
      try {
        const config = readConfig({
          DATABASE_URL: copy.serviceUrl,
          DATABASE_OWNER_URL: copy.ownerUrl,
          ARCHIVE_URL: test.url,
          DATA_DIR: folder,
          LOG_LEVEL: 'silent',
        });
        const rebuilt = await rebuildFromArchive(config, () => undefined, { acceptLongerLocks: true });
        expect(rebuilt.find(({ ledger }) => ledger === 'main')).toMatchObject({ verdict: 'valid', size: '20' });
      } finally {
        await copy.drop();
      }
    });

    /** An object of the next number, sound in itself, of given rows. */
    async function forge(rows: StoredRow[]): Promise<string> {
      await loadCompression();
      const [{ next }] = (await query(
        service.database,
        'SELECT coalesce(max(number), 0) + 1 AS next FROM archive_objects',
      )) as [{ next: string }];
      const file = join(folder, 'forged');
      const writer = new ArchiveObjectWriter(file, { kind: 'early', number: BigInt(next) });
      const [first] = rows;
      const start = { ledger: 'main', origin: `${TEST_ORIGIN}/main`, fromSequence: BigInt(first!.sequence) };
      writer.begin({ ...start, previousEventHash: first!.previous_event_hash });
      for (const row of rows) writer.add(numbered(row));
      const encoded = writer.finish();
      const key = objectKey(encoded);
      await test.store.put(objectOf(folder, key, readFileSync(file), new Date(Date.now() + HOUR_MS)));
      return key;
    }

    const numbered = (row: StoredRow): StoredRow<number> => ({
      ...row,
      recorded_at: microsOf(row.recorded_at),
      timestamp: microsOf(row.timestamp),
    });

    /** A row with the hashes that it then must have. */
    function hashed(row: StoredRow, previous: Buffer | null): StoredRow {
      const made = { ...row, previous_event_hash: previous };
      made.content_hash = contentHash(made.salt, canonicalContent(contentOf(made)).text);
      made.event_hash = eventHash(envelopeOf(made, `${TEST_ORIGIN}/main`));
      return made;
    }

    it('goes on past sound objects that are not the next: archived before, far ahead, and of another end', async () => {
      await record(10);
      await run();
      const archived = await readStoredRows(admin, 'main', 1n, 10n, 10);
      const again = await forge(archived);
      await record(1);
      expect(await run()).toMatchObject({ objects: 1, adopted: 0 });

      const [last] = await readStoredRows(admin, 'main', 11n, 11n, 1);
      const farAhead = hashed({ ...last!, sequence: '1000001' }, createHash('sha256').digest());
      const ahead = await forge([farAhead]);
      await record(1);
      expect(await run()).toMatchObject({ objects: 1, adopted: 0 });

      // goes on where the archive ends, and has other events than the ledger, and more
      const [end] = await readStoredRows(admin, 'main', 12n, 12n, 1);
      const forged: StoredRow[] = [];
      for (let at = 13, previous: Buffer = end!.event_hash; at < 20; at++) {
        forged.push(hashed({ ...end!, sequence: String(at), user_id: 'mallory' }, previous));
        previous = forged.at(-1)!.event_hash;
      }
      const other = await forge(forged);
      await record(1);
      // of two ends nothing here says which is the true one: other ledgers go on, and then this one
      await service.http().put('/v1/ledgers/desk-1').expect(201);
      await service.http().post('/v1/ledgers/desk-1/events').send(sampleEvent()).expect(201);
      const outcome = await run();
      expect(outcome).toMatchObject({ objects: 1, adopted: 0, events: 1n });
      expect(outcome.refused).toMatchObject([{ ledger: 'main', sequence: '13' }]);
      expect(await run()).toMatchObject({ objects: 1, adopted: 0, events: 1n, refused: [] });
      await expectComplete(['early']);
      const { findings } = await verify();
      expect(findings.map(({ kind, object_key: key }) => [kind, key])).toEqual(
        [ahead, other].map((key) => ['object-unknown', key]),
      );
      expect(again).not.toBe(ahead);
    });

    it('tells of one that goes on where it ends, with what to do, and that takes the number', async () => {
      await record(3);
      await run();
      const [end] = await readStoredRows(admin, 'main', 3n, 3n, 1);
      const forged = hashed({ ...end!, sequence: '4', user_id: 'mallory' }, end!.event_hash);
      const key = await forge([forged]);
      // were it event 4 that a restored database lacks
      const recovered = (signedOnly: boolean) =>
        recover(
          readConfig({
            ...{ DATABASE_URL: service.database.serviceUrl, DATABASE_OWNER_URL: service.database.ownerUrl },
            ...{ ARCHIVE_URL: test.url, DATA_DIR: folder, LOG_LEVEL: 'silent' },
          }),
          { signedOnly, close: [] },
          () => undefined,
        );
      const refusal = expect.stringMatching(/holds an event id that the ledger has already.*--signed-only/);
      for (const [signedOnly, expected] of [
        [false, refusal],
        [true, null],
      ] as const) {
        const { ledgers: outcomes } = await recovered(signedOnly);
        expect(outcomes.find(({ ledger }) => ledger === 'main')).toMatchObject({ recovered: null, refusal: expected });
      }
      await record(1);
      for (let i = 0; i < 2; i++) {
        // nothing else is recorded: nobody takes its number
        expect(await run()).toMatchObject({
          ...{ objects: 0, adopted: 0 },
          refused: [{ ledger: 'main', sequence: '4', reason: expect.stringContaining(`${key}: `) }],
        });
      }
      const { refused } = await run();
      expect(refused[0]!.reason).toMatch(/main is left out until another object has its number: see docs\/runbooks.md/);
      const rebuilt = async () => {
        const lines: string[] = [];
        const copy = await createTestDatabase();
        const config = readConfig({
          ...{ DATABASE_URL: copy.serviceUrl, DATABASE_OWNER_URL: copy.ownerUrl, ARCHIVE_URL: test.url },
          ...{ DATA_DIR: folder, LOG_LEVEL: 'silent' },
        });
        const ledgers = await rebuildFromArchive(config, (line) => lines.push(line));
        await copy.drop();
        return { main: ledgers.find(({ ledger }) => ledger === 'main'), lines };
      };
      // its event id is another event's
      const without = await rebuilt();
      expect(without.main).toMatchObject({ size: '3', verdict: 'valid' });
      expect(without.lines).toContainEqual(expect.stringMatching(`^${key} is left out: it holds an event id of main`));
      // with one of its own a rebuild at this moment has nothing better, and says of what nothing shows who made it
      const better = [forged, hashed({ ...end!, event_id: randomUUID(), sequence: '5', user_id: 'mallory' }, null)];
      better[0] = hashed({ ...forged, event_id: randomUUID() }, end!.event_hash);
      better[1] = hashed(better[1]!, better[0].event_hash);
      await forge(better);
      expect((await rebuilt()).main).toMatchObject({ size: '5', unsigned: { from_sequence: '1', to_sequence: '5' } });
      // as the runbook says: the ledger is verified, which is recorded in another one
      expect(await verifyLedger(service)).toMatchObject({ verdict: 'valid' });
      expect(await run()).toMatchObject({ objects: 1, refused: [{ ledger: 'main' }, { ledger: 'main' }] });
      expect(await run()).toMatchObject({ objects: 1, refused: [] });
      const [last] = await query<{ size: string }>(
        service.database,
        `SELECT max(to_sequence) AS size FROM archive_ranges WHERE ledger = 'main'`,
      );
      expect(last).toEqual({ size: '4' });
    });
  },
);
