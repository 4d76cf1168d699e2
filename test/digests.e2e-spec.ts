import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import pg from 'pg';
import { OBJECT_STORE } from '../src/archive/archive-store.js';
import { yearsAfter } from '../src/archive/lock-of-proofs.js';
import { readDigests } from '../src/archive/digests-object.js';
import { StoreUnavailable, type ObjectStore } from '../src/archive/object-store.js';
import { rebuildFromArchive } from '../src/cli/rebuild.js';
import { readConfig } from '../src/config/config.js';
import { parseCheckpoint } from '../src/integrity/checkpoint.js';
import { leafHash } from '../src/integrity/event.js';
import { verifyBundle } from '../src/integrity/evidence-verifier.js';
import { isIncluded } from '../src/integrity/merkle-proof.js';
import { MerkleTree } from '../src/integrity/merkle-tree.js';
import { parseNote, VerifierKey } from '../src/integrity/signed-note.js';
import { MonthDeletionJob } from '../src/retention/month-deletions.job.js';
import { verifyArchiveFolder } from '../src/verify/archive-folder.js';
import { startService, TEST_ORIGIN, type TestService } from './support/app.js';
import { createTestDatabase, type TestDatabase } from './support/database.js';
import { asBytes, inMemory, SECOND_VERIFIER } from './support/evidence.js';
import { createKey, query } from './support/keys.js';
import { HAS_PYTHON, PYTHON } from './support/python.js';
import { STORES, type TestStore } from './support/stores.js';
import { ANY_DIFFERENCE_MS, moveTrailClock } from './support/trail-clock.js';
import { connected, record, runJob, runOnRequestAlone, tamper, verify } from './support/verification.js';

const YEARS = 5;
/** Where many suites run at once, months take their time. */
const TIMEOUT_MS = 360_000;
const DAY_MS = 86_400_000;
/** Until what was recorded five years ago, less this, is not locked any more: S3 takes no lock that is over. */
const S3_LOCK_MS = 100_000;

interface Receipt {
  event_id: string;
  sequence: string;
  recorded_at: string;
  event_hash: string;
}

/** A month in which events are recorded, and how many there are of it in the ledger main. */
interface Recorded {
  at: Date;
  events: number;
}

function daysAfter(date: Date, days: number): Date {
  return new Date(date.getTime() + days * DAY_MS);
}

describe.each(STORES.map((make) => [make.name === 's3Store' ? 'S3' : 'a folder', make] as const))(
  'digests in %s',
  (where, make) => {
    let test: TestStore;
    let service: TestService;
    let admin: pg.Client;
    let clerk: string;
    let officer: string;
    let folder: string;
    /** of the ledger main, in order */
    let receipts: Receipt[];
    let idle: Receipt[];
    /** of what may be deleted; in milliseconds since 1970 */
    let lockEnds: number;
    /** the month that may be deleted, and what it holds of main */
    let doomed: { month: string; from: number; to: number };

    /** In a folder the months are made once; each test has a copy of the database, and copies of the folders in their place. */
    let made: {
      database: TestDatabase;
      copy: string;
      clerk: string;
      officer: string;
      receipts: Receipt[];
      idle: Receipt[];
    };

    async function start(database: TestDatabase): Promise<void> {
      service = await startService({
        env: {
          ARCHIVE_URL: test.url,
          ONLINE_MONTHS: '1',
          ARCHIVE_RETENTION_YEARS: String(YEARS),
          SIGNING_KEY_FILE: join(folder, 'key.pem'),
        },
        settings: { CLOCK_TOLERANCE: ANY_DIFFERENCE_MS },
        database,
      });
      admin = new pg.Client({ connectionString: database.adminUrl, options: '-c TimeZone=UTC' });
      await admin.connect();
      service.app.get(MonthDeletionJob).wake = () => Promise.resolve();
      // the export of the minute would make digests that a test means to be missing
      await runOnRequestAlone(service, 'archive-export');
    }

    async function startAnew(): Promise<void> {
      await start(await createTestDatabase());
      clerk = (await createKey(service, ['operations:run'], ['*'])).key;
      officer = (await createKey(service, ['holds:approve'], ['*'])).key;
      receipts = [];
      lockEnds = 0;
    }

    async function stop(): Promise<void> {
      await admin.end();
      await service.close();
    }

    function copyFolder(from: string, to: string): void {
      rmSync(to, { recursive: true, force: true });
      cpSync(from, to, { recursive: true, preserveTimestamps: true });
    }

    const ofArchive = (): string => fileURLToPath(test.url);

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'truetrail-digests-'));
      if (where === 'S3') return;
      test = await make();
      await startAnew();
      await archiveMonths();
      await stop();
      const copy = mkdtempSync(join(tmpdir(), 'truetrail-digests-made-'));
      copyFolder(folder, join(copy, 'own'));
      copyFolder(ofArchive(), join(copy, 'archive'));
      made = { database: service.database, copy, clerk, officer, receipts, idle };
    }, TIMEOUT_MS);
    afterAll(async () => {
      rmSync(folder, { recursive: true });
      if (where === 'S3') return;
      await made.database.drop();
      rmSync(made.copy, { recursive: true });
      test.close();
    });
    beforeEach(async () => {
      if (where === 'S3') {
        test = await make();
        await startAnew();
        await archiveMonths();
        return;
      }
      copyFolder(join(made.copy, 'own'), folder);
      copyFolder(join(made.copy, 'archive'), ofArchive());
      await start(await createTestDatabase(made.database));
      ({ clerk, officer } = made);
      receipts = [...made.receipts];
      idle = [...made.idle];
    }, TIMEOUT_MS);
    afterEach(async () => {
      await stop();
      await service.database.drop();
      if (where === 'S3') test.close();
    });

    async function run(job: string, of = service): Promise<Record<string, unknown>> {
      const { status, outcome } = await runJob(of, job);
      if (status !== 'done') throw new Error(JSON.stringify(outcome));
      return outcome as unknown as Record<string, unknown>;
    }

    /**
     * Months that have left PostgreSQL, of which one is past its retention: the first one where S3 locks it for some
     * seconds more, and otherwise one between two others. Signed after each. The ledger `idle` has events of that month
     * alone.
     */
    async function archiveMonths(runExport: () => Promise<unknown> = () => run('archive-export')): Promise<void> {
      const past = new Date();
      past.setUTCFullYear(past.getUTCFullYear() - YEARS);
      const first = new Date(past.getTime() + S3_LOCK_MS);
      const months: Recorded[] =
        where === 'S3'
          ? [
              { at: first, events: 300 },
              { at: daysAfter(first, 120), events: 100 },
            ]
          : [-730, -600, -480].map((days, i) => ({ at: daysAfter(past, days), events: [40, 300, 100][i]! }));
      const doomedAt = where === 'S3' ? 0 : 1;
      await service.http().put('/v1/ledgers/idle').expect(201);
      for (const [i, { at, events }] of months.entries()) {
        await moveTrailClock(admin, at);
        await run('partition-maintenance');
        const added = await record(service, events);
        if (i === doomedAt) {
          doomed = {
            month: `${at.toISOString().slice(0, 7)}-01`,
            from: receipts.length + 1,
            to: receipts.length + events,
          };
          idle = await record(service, 3, 'idle');
          // however long it took until then
          if (where === 'S3') lockEnds = yearsAfter(new Date(idle.at(-1)!.recorded_at), YEARS).getTime() + 1_000;
        }
        receipts.push(...added);
        expect(await run('checkpoint')).toMatchObject({ refused: [] });
        for (const days of [35, 70]) {
          await moveTrailClock(admin, daysAfter(at, days));
          await run('partition-maintenance');
          await runExport();
        }
        await run('archive-verification');
        expect(await run('retention')).toMatchObject({ findings_total: 0, kept: [] });
      }
      await moveTrailClock(admin, new Date());
      await run('archive-verification');
    }

    const ask = () =>
      service.http(clerk).post('/v1/deletions').send({ month: doomed.month, reason: 'End of retention' });

    async function untilRetained(): Promise<void> {
      await pause(Math.max(0, lockEnds + 2_000 - Date.now()));
      await moveTrailClock(admin, new Date());
    }

    async function deleteMonth(): Promise<void> {
      await untilRetained();
      const { body } = await ask().expect(201);
      await service.http(officer).post(`/v1/deletions/${body.id}/approvals`).expect(201);
      expect(await run('month-deletion')).toMatchObject({ done: [doomed.month], kept: [] });
    }

    /** The digests of the month in the catalogue. */
    async function digestsOfMonth(): Promise<
      { number: string; object_key: string; version_id: string; bytes: string; retain_until: string; of: string }[]
    > {
      return query(
        service.database,
        `SELECT o.number, o.object_key, o.version_id, o.bytes, s.retain_until::text, t.retain_until::text AS of
           FROM archive_ranges AS r JOIN archive_objects AS o USING (number) JOIN archive_object_states AS s USING (number)
           JOIN archive_ranges AS m ON m.kind = 'month' AND m.ledger = r.ledger AND m.from_sequence = r.from_sequence
           JOIN archive_object_states AS t ON t.number = m.number
           WHERE r.kind = 'digests' AND r.ledger = 'main' AND r.from_sequence = ${doomed.from}`,
      );
    }

    async function proves(receipt: Receipt, ledger = 'main', of = service): Promise<void> {
      const { body } = await of.http().get(`/v1/ledgers/${ledger}/events/${receipt.event_id}/proof`).expect(200);
      const { size, rootHash } = parseCheckpoint(parseNote(body.checkpoint).text);
      const hashes = body.hashes.map((hash: string) => Buffer.from(hash, 'base64'));
      const leaf = leafHash(Buffer.from(receipt.event_hash, 'hex'));
      expect(isIncluded(leaf, BigInt(receipt.sequence) - 1n, size, hashes, rootHash)).toBe(true);
    }

    async function bytesOf(path: string): Promise<Buffer> {
      const { body } = await service.http().get(`/v1/ledgers/main/${path}`).buffer(true).expect(200);
      return body as Buffer;
    }

    /** Bundles of what lies before and after the deleted month; what would need an event of it is refused, and says how to ask. */
    async function provenBesideTheGap(last: number): Promise<void> {
      const evidence = (body: object) => service.http().post('/v1/ledgers/main/evidence').send(body);
      const key = (await service.http().get('/v1/ledgers/main/keys').expect(200)).text.trim();
      const proven = async (question: object, events: number, deleted: object[] = []): Promise<void> => {
        const { body: bundle } = await evidence(question).buffer(true).parse(asBytes).expect(200);
        const {
          verdict,
          findings,
          bundle: claims,
        } = verifyBundle(inMemory(bundle), { keys: [VerifierKey.parse(key)] });
        expect([question, verdict, findings]).toEqual([question, 'valid', []]);
        expect([question, claims]).toMatchObject([question, { events: String(events), deleted }]);
        if (!HAS_PYTHON || events === 0) return; // it takes its time
        const file = join(folder, 'bundle.zip');
        writeFileSync(file, bundle);
        const { status, stdout } = spawnSync(PYTHON, [SECOND_VERIFIER, file, key], { encoding: 'utf8' });
        expect([question, status, stdout]).toEqual([question, 0, expect.stringContaining(': 0 findings')]);
      };
      const refused = async (question: object, ...details: string[]): Promise<void> => {
        const { body } = await evidence(question).expect(410);
        expect(body.type).toBe('/docs/problems/event-deleted');
        for (const detail of [...details, `under the policy default (${YEARS} years)`])
          expect([question, body.detail]).toEqual([question, expect.stringContaining(detail)]);
      };
      const { month, from, to } = doomed;
      const [before, after] = [from - 1, to + 1];
      await refused({ from_sequence: '1', to_sequence: String(last) }, `The events ${from} to ${to}`);
      await refused({ recorded_to: receipts[last - 1]!.recorded_at }, `The events ${from} to ${to}`);
      await refused({ recorded_from: receipts[to - 1]!.recorded_at }, `The events ${from} to ${to}`);
      await refused(
        { recorded_from: receipts[after - 1]!.recorded_at },
        `Event ${to}, the last before the range,`,
        `from_sequence ${after}, to_sequence ${last}`,
      );
      await proven({ from_sequence: String(after), to_sequence: String(last) }, last - to);
      await proven({ event_ids: [receipts[to]!.event_id] }, 1);
      // of what was found, and not as a range, the bundle says what was there before
      const range = { from_sequence: String(from), to_sequence: String(to), month, policy: 'default', years: YEARS };
      await proven({ search: { user_id: 'trader-1' } }, last - (to - before), [range]);
      const part = { search: { user_id: 'nobody', from_sequence: String(from + 1), to_sequence: String(to - 1) } };
      await proven(part, 0, [{ ...range, from_sequence: String(from + 1), to_sequence: String(to - 1) }]);
      await proven({ order_id: 'none', as_of: String(from) }, 0, [{ ...range, to_sequence: String(from) }]);
      await proven({ search: { user_id: 'trader-1', from_sequence: String(after) } }, last - to);
      if (before === 0) return;
      await refused(
        { recorded_to: new Date(Date.parse(receipts[from - 1]!.recorded_at) - 1).toISOString() },
        `Event ${from}, the first after the range,`,
        `from_sequence 1, to_sequence ${before}`,
      );
      await proven({ from_sequence: '1', to_sequence: String(before) }, before);
      await proven({ from_sequence: String(before), to_sequence: String(before), contents: false }, 1);
    }

    const hashesOf = (list: readonly Receipt[]): Buffer[] =>
      list.map(({ event_hash: hash }) => Buffer.from(hash, 'hex'));

    function rootOf(list: readonly Receipt[]): Buffer {
      const tree = new MerkleTree();
      for (const hash of hashesOf(list)) tree.append(leafHash(hash));
      return tree.root();
    }

    it(
      'stay when a month is deleted, and carry proofs, tiles, signing and verification over the gap',
      async () => {
        const [digests] = await digestsOfMonth();
        expect(Date.parse(digests!.retain_until)).toBeGreaterThan(Date.parse(digests!.of) + (YEARS * 365 - 2) * DAY_MS);
        const place = { key: digests!.object_key, versionId: digests!.version_id };
        const { retainUntil, isCompliance } = await test.store.describe(place);
        expect([retainUntil!.getTime(), isCompliance]).toEqual([Date.parse(digests!.retain_until), true]);
        await deleteMonth();

        // what an auditor reads with nothing of ours: a line, and 32 bytes an event
        const bytes = await test.store.readRange(place, 0, Number(digests!.bytes));
        const month = receipts.slice(doomed.from - 1, doomed.to);
        const { manifest, hashes } = readDigests(bytes);
        expect(manifest.ranges.map(({ ledger }) => ledger)).toEqual(['idle', 'main']);
        expect(hashes.at(-1)).toEqual(Buffer.concat(hashesOf(month)));
        expect(bytes.subarray(-32 * month.length)).toEqual(Buffer.concat(hashesOf(month)));

        const gone = month[5]!;
        await service.http().get(`/v1/ledgers/main/events/${gone.event_id}`).expect(410);
        const last = receipts.length;
        for (const at of [1, doomed.from - 1, doomed.from, doomed.to, doomed.to + 1, last]) {
          if (at > 0) await proves(receipts[at - 1]!);
        }
        await proves(gone); // whoever holds its receipt still proves that it was recorded
        const leaves = hashesOf(receipts).map(leafHash);
        expect(await bytesOf('tile/0/000')).toEqual(Buffer.concat(leaves.slice(0, 256)));
        expect(await bytesOf(`tile/0/001.p/${last - 256}`)).toEqual(Buffer.concat(leaves.slice(256)));
        const entry = Buffer.from([0, 32]);
        expect(await bytesOf('tile/entries/000')).toEqual(
          Buffer.concat(hashesOf(receipts.slice(0, 256)).flatMap((hash) => [entry, hash])),
        );

        expect(await verify(service)).toMatchObject({
          verdict: 'valid',
          findings: [],
          checked: String(last - month.length),
          deleted: [{ from_sequence: String(doomed.from), to_sequence: String(doomed.to), policy: 'default' }],
        });
        expect(await run('archive-verification')).toMatchObject({ verdict: 'valid', findings: [] });

        await provenBesideTheGap(last);

        if (!test.owner) await verifyCopy(last);

        // an idle ledger, and one that goes on beside the gap, are signed again: also by a tree that is made anew
        idle.push(...(await record(service, 2, 'idle')));
        receipts.push(...(await record(service, 5)));
        expect(await run('checkpoint')).toMatchObject({ refused: [] });
        await admin.query(`SELECT forget_tree('main'), forget_tree('idle')`);
        idle.push(...(await record(service, 1, 'idle')));
        receipts.push(...(await record(service, 1)));
        expect(await run('checkpoint')).toMatchObject({ refused: [] });
        for (const [ledger, all] of [
          ['main', receipts],
          ['idle', idle],
        ] as const) {
          const { text } = await service.http().get(`/v1/ledgers/${ledger}/checkpoint`).expect(200);
          expect(parseCheckpoint(parseNote(text).text)).toMatchObject({
            size: BigInt(all.length),
            rootHash: rootOf(all),
          });
          for (const each of [all[0]!, all.at(-1)!]) await proves(each, ledger);
          expect(await verify(service, {}, ledger)).toMatchObject({ verdict: 'valid' });
        }
        await rebuildAround();
      },
      TIMEOUT_MS,
    );

    /** A copy of the archive, without early objects: the verifier goes over the gap by the digests. */
    async function verifyCopy(last: number): Promise<void> {
      const copy = join(folder, 'copy');
      cpSync(fileURLToPath(test.url), copy, { recursive: true });
      rmSync(join(copy, 'early'), { recursive: true, force: true });
      const key = VerifierKey.parse((await service.http().get('/v1/ledgers/main/keys').expect(200)).text.trim());
      const outcome = await verifyArchiveFolder(copy, [key]);
      expect(outcome).toMatchObject({ verdict: 'undecided', findings: [] });
      const own = (text: string): boolean => text.startsWith(`${TEST_ORIGIN}/main: `);
      expect(outcome.unchecked.filter(own)).toEqual([
        expect.stringContaining(`of the events from ${doomed.from} to ${doomed.to} there are digests alone`),
      ]);
      expect(outcome.ledgers.find(({ origin }) => origin === `${TEST_ORIGIN}/main`)).toMatchObject({
        verified_to: String(last),
      });
      const [{ object_key: name }] = (await digestsOfMonth()) as [Awaited<ReturnType<typeof digestsOfMonth>>[0]];
      rmSync(join(copy, name), { force: true });
      const without = await verifyArchiveFolder(copy, [key]);
      expect(without.ledgers.find(({ origin }) => origin === `${TEST_ORIGIN}/main`)).toMatchObject({
        verified_to: String(doomed.from - 1),
      });
    }

    /** The database is lost: what is made of the archive is over the same gap, and signs on. */
    async function rebuildAround(): Promise<void> {
      await run('archive-export');
      const copy = await createTestDatabase();
      try {
        const env = { ARCHIVE_URL: test.url, ONLINE_MONTHS: '1', DATA_DIR: folder, LOG_LEVEL: 'silent' };
        const urls = { DATABASE_URL: copy.serviceUrl, DATABASE_OWNER_URL: copy.ownerUrl };
        const ledgers = await rebuildFromArchive(readConfig({ ...env, ...urls }), () => undefined);
        expect(ledgers.map(({ verdict }) => verdict)).toEqual(['valid', 'valid', 'valid']);
        const text = `SELECT number, kind, object_key, version_id, sha256 FROM archive_objects ORDER BY number`;
        expect(await query(copy, text)).toEqual(await query(service.database, text));
        const rebuilt = await startService({
          env: { ...env, ARCHIVE_RETENTION_YEARS: String(YEARS), SIGNING_KEY_FILE: join(folder, 'key.pem') },
          settings: { CLOCK_TOLERANCE: ANY_DIFFERENCE_MS },
          database: copy,
        });
        try {
          await record(rebuilt, 1);
          expect(await run('checkpoint', rebuilt)).toMatchObject({ refused: [] });
          // in a tile with deleted events; ids of those are not known any more
          await proves(receipts[doomed.to]!, 'main', rebuilt);
          expect(await verify(rebuilt)).toMatchObject({ verdict: 'valid', deleted: [{ policy: 'default' }] });
        } finally {
          await rebuilt.close();
        }
      } finally {
        await copy.drop();
      }
    }

    it(
      'are found when the owner of the store changes or hides them, and nothing false is proven',
      async () => {
        const [{ object_key: key, version_id: versionId }] = (await digestsOfMonth()) as [
          Awaited<ReturnType<typeof digestsOfMonth>>[0],
        ];
        if (test.owner) {
          const { client, bucket } = test.owner;
          const object = { Bucket: bucket, Key: `trail/${key}` };
          const removal = client.send(new DeleteObjectCommand({ ...object, VersionId: versionId }));
          await expect(removal).rejects.toMatchObject({ name: 'AccessDenied' });
          await client.send(new DeleteObjectCommand(object)); // a delete marker
          const hidden = await run('archive-verification');
          expect(hidden).toMatchObject({ verdict: 'invalid', findings: [{ kind: 'object-hidden', object_key: key }] });
          await proves(receipts[doomed.from - 1]!); // which is read by its version
          return;
        }
        const path = join(fileURLToPath(test.url), key);
        const bytes = readFileSync(path);
        const change = (changed: Buffer): void => {
          chmodSync(path, 0o644);
          writeFileSync(path, changed);
        };
        // a hash that is another: the last event of the month
        const other = Buffer.from(bytes);
        other[other.length - 1]! ^= 1;
        change(other);
        const { body: asked } = await ask().expect(201);
        await service.http(officer).post(`/v1/deletions/${asked.id}/approvals`).expect(201);
        const found = await run('archive-verification');
        expect(found).toMatchObject({ verdict: 'invalid' });
        expect(found.findings).toEqual([
          expect.objectContaining({
            kind: 'object-changed',
            object_key: key,
            ledger: 'main',
            sequence: String(doomed.from),
          }),
        ]);
        // it is not read again within five days; later it is, and the month stays
        await moveTrailClock(admin, daysAfter(new Date(), 6));
        const kept = await run('month-deletion');
        expect(kept).toMatchObject({ done: [], removed: 0 });
        expect((kept.kept as { reason: string }[])[0]!.reason).toContain('its digests are not right');
        change(bytes);
        expect(await run('month-deletion')).toMatchObject({ done: [doomed.month], kept: [] });
        expect(await verify(service)).toMatchObject({ verdict: 'valid' });

        change(other);
        const changed = await verify(service);
        expect(changed.verdict).toBe('invalid');
        expect(changed.findings).toMatchObject([{ kind: 'checkpoint' }]);
        const { body } = await service
          .http()
          .get(`/v1/ledgers/main/events/${receipts[doomed.to]!.event_id}/proof`)
          .expect(500);
        expect(body.type).toBe('/docs/problems/damaged-record');
        change(bytes.subarray(0, -32));
        const short = await verify(service);
        expect(short.findings).toMatchObject([{ kind: 'checkpoint', sequence: String(doomed.from) }]);
        expect(short.findings[0]!.detail).toContain('their digests cannot be read');
      },
      TIMEOUT_MS,
    );

    // what follows is of the catalogue, and of steps that a test breaks off by the folder's own methods
    if (where === 'S3') return;

    /** As a version before this one did, from an empty archive on: months leave, and are not digested. */
    async function archiveAsBefore(): Promise<void> {
      await stop();
      await service.database.drop();
      for (const each of [folder, ofArchive()]) {
        rmSync(each, { recursive: true });
        mkdirSync(each);
      }
      await startAnew();
      const name = 'assert_month_has_digests(date, interval, text, text)';
      const { rows } = await admin.query<{ text: string }>(
        `SELECT pg_get_functiondef('${name}'::regprocedure) AS text`,
      );
      const body = `RETURNS void LANGUAGE plpgsql AS $$ BEGIN RETURN; END $$`;
      const parameters = 'p_month date, p_verified_within interval, p_missing text, p_unverified text';
      await admin.query(`CREATE OR REPLACE FUNCTION assert_month_has_digests(${parameters}) ${body}`);
      const store = service.app.get<ObjectStore>(OBJECT_STORE);
      const put = store.put.bind(store);
      store.put = (object) =>
        object.key.startsWith('digests/') ? Promise.reject(new StoreUnavailable('not yet')) : put(object);
      try {
        await archiveMonths(() => runJob(service, 'archive-export')); // whose last step fails
      } finally {
        store.put = put;
        await admin.query(rows[0]!.text);
      }
    }

    it(
      'are made of months that left before there were digests, whatever step that is broken off at',
      async () => {
        await archiveAsBefore();
        expect(await digestsOfMonth()).toEqual([]);
        await untilRetained();
        const { body: refused } = await ask().expect(409);
        expect(refused).toMatchObject({ type: '/docs/problems/month-must-be-kept' });
        expect(refused.detail).toContain('has no digests of the events');
        await proves(receipts[doomed.from - 1]!); // by the events, which are still there

        const store = service.app.get<ObjectStore>(OBJECT_STORE);
        const steps = ['put', 'extendRetention', 'describe', 'readRange'] as const;
        const real = Object.fromEntries(steps.map((step) => [step, store[step].bind(store)]));
        let left = Infinity;
        for (const step of steps) {
          Object.assign(store, {
            [step]: async (...parameters: unknown[]) => {
              if (left-- === 0) throw new StoreUnavailable('broken off before a step');
              const result: unknown = await (real[step] as (...all: unknown[]) => unknown)(...parameters);
              if (left-- === 0) throw new StoreUnavailable('broken off after a step');
              return result;
            },
          });
        }
        let broken = 0;
        for (; broken < 100; broken++) {
          left = broken;
          const { status } = await runJob(service, 'archive-export');
          left = Infinity;
          if (status === 'done' && (await digestsOfMonth()).length > 0) break;
        }
        expect(broken).toBeGreaterThan(3);
        expect(broken).toBeLessThan(100);
        await run('archive-export');
        const [{ objects }] = (await query(
          service.database,
          `SELECT count(*) FILTER (WHERE kind = 'digests') - count(*) FILTER (WHERE kind = 'month') AS objects FROM archive_objects`,
        )) as [{ objects: string }];
        expect(objects).toBe('0'); // one for each
        expect(await run('archive-verification')).toMatchObject({ verdict: 'valid', findings: [], duplicates: 0 });
        await deleteMonth();
        await proves(receipts[doomed.to]!);
        expect(await verify(service)).toMatchObject({ verdict: 'valid' });
      },
      TIMEOUT_MS,
    );

    it(
      'were not read lately: then a month is not deleted either',
      async () => {
        await tamper(
          service.database.adminUrl,
          `UPDATE archive_object_states SET verified_at = verified_at - interval '40 days'
           WHERE number IN (SELECT number FROM archive_objects WHERE kind = 'digests')`,
        );
        const { body } = await ask().expect(409);
        expect(body.detail).toContain('were last verified at');
        await run('archive-verification');
        await deleteMonth();
        // and they are locked anew before their lock runs out
        const ahead = daysAfter(new Date(), 365 * YEARS - 100);
        await moveTrailClock(admin, ahead);
        await run('retention');
        const [{ object_key: key, version_id: versionId }] = (await digestsOfMonth()) as [
          Awaited<ReturnType<typeof digestsOfMonth>>[0],
        ];
        const { retainUntil } = await test.store.describe({ key, versionId });
        expect(retainUntil!.getTime()).toBeGreaterThan(daysAfter(ahead, 365 * YEARS - 2).getTime());
      },
      TIMEOUT_MS,
    );

    it(
      'let a verification that a deletion overtakes end undecided',
      async () => {
        const { body: asked } = await ask().expect(201);
        await service.http(officer).post(`/v1/deletions/${asked.id}/approvals`).expect(201);
        // it waits for the checkpoints while the month goes, and reads rows meanwhile or later
        const overtaken = await connected(service.database.adminUrl, async (client) => {
          await client.query('BEGIN; LOCK TABLE checkpoints IN ACCESS EXCLUSIVE MODE');
          const verification = verify(service);
          for (;;) {
            const { rows } = await client.query(
              `SELECT FROM pg_locks AS l WHERE l.relation = 'checkpoints'::regclass AND NOT l.granted`,
            );
            if (rows.length > 0) break;
            await pause(20);
          }
          expect(await run('month-deletion')).toMatchObject({ done: [doomed.month] });
          await client.query('COMMIT');
          return verification;
        });
        expect(overtaken).toMatchObject({ verdict: 'undecided', findings: [] });
        expect(overtaken.unread[0]!.reason).toContain('events were deleted while they were verified');
        expect(await verify(service)).toMatchObject({ verdict: 'valid' });
      },
      TIMEOUT_MS,
    );
  },
);
