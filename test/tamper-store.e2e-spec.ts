import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DeleteObjectCommand,
  PutObjectCommand,
  PutObjectRetentionCommand,
  type S3ServiceException,
} from '@aws-sdk/client-s3';
import { jest } from '@jest/globals';
import { anchorKey } from '../src/integrity/anchor.js';
import { VerifierKey } from '../src/integrity/signed-note.js';
import { watchLedger } from '../src/verify/ledger-monitor.js';
import { startService, TEST_KEY, type TestService } from './support/app.js';
import { query } from './support/keys.js';
import { rewriting } from './support/rewriting.js';
import { folderStore, HAS_S3, STORES, type TestStore } from './support/stores.js';
import { publishesItsRows, refused, seen, tampering, type Actor } from './support/tamper-matrix.js';
import { connected, record, runJob, tamper, verify } from './support/verification.js';

/*
 * What whoever holds the object store can do to it, what a superuser can do to the database's word on it, and what the
 * store says of a database that was rewritten. Each test has a ledger of its own.
 */

const EVENTS = 20;
const DAY_MS = 86_400_000;
/** The jobs that look at a store, as the matrix calls them. */
const LOOKS = { 'archive-verification': 'archive', 'anchor-verification': 'anchors' } as const;

interface StoredObject {
  number: string;
  object_key: string;
  version_id: string;
}

jest.setTimeout(120_000);
let ledgers = 0;

describe.each(STORES.map((make) => [make.name === 's3Store' ? 'S3' : 'a folder', make] as const))(
  'an object store, %s,',
  (name, make) => {
    const ofBucket = name === 'S3' ? it : it.skip;
    const ofFolder = name === 'S3' ? it.skip : it;
    const owner: Actor = name === 'S3' ? 'the bucket’s owner' : 'the folder’s owner';

    let test: TestStore;
    let keys: string;
    let service: TestService;
    let ledger: string;
    let archived: StoredObject;
    let anchored: StoredObject;
    beforeAll(async () => {
      test = await make();
      keys = mkdtempSync(join(tmpdir(), 'truetrail-keys-'));
      // the export of the minute would archive what a test is about to change
      const env = { ARCHIVE_URL: test.url, ARCHIVE_EXPORT_AGE: '24h', SIGNING_KEY_FILE: join(keys, 'key.pem') };
      service = await startService({ env });
    });
    afterAll(async () => {
      await service.close();
      test.close();
      rmSync(keys, { recursive: true });
    });
    /** A ledger of the test's own, of two archive objects and two anchors, and the last ones of these. */
    beforeEach(async () => {
      ledger = `stored-${(ledgers += 1)}`;
      await service.http().put(`/v1/ledgers/${ledger}`).expect(201);
      for (let i = 0; i < 2; i++) {
        await record(service, EVENTS, ledger);
        for (const job of ['checkpoint', 'archive-export']) {
          expect(await runJob(service, job)).toMatchObject({ status: 'done' });
        }
      }
      const last = async (table: string): Promise<StoredObject> =>
        (await query(service.database, `SELECT * FROM ${table} ORDER BY number DESC LIMIT 1`))[0] as never;
      [archived, anchored] = [await last('archive_objects'), await last('anchors')];
    });

    const TARGETS = [
      ['an archive object', () => archived, 'archive-verification'],
      ['an anchor', () => anchored, 'anchor-verification'],
    ] as const;

    /** The kinds of what a look at the whole store finds of an object; tests before have left findings of others. */
    async function kindsOf(key: string, job: keyof typeof LOOKS): Promise<string[]> {
      const { outcome } = await runJob(service, job);
      const found = outcome.findings as unknown as { kind: string; object_key: string }[];
      const kinds = found.filter(({ object_key }) => object_key === key).map(({ kind }) => kind);
      seen(LOOKS[job], kinds);
      return kinds;
    }

    /** The HTTP status with which S3 refused; undefined when it did not. */
    const refusalOf = (work: Promise<unknown>): Promise<number | undefined> =>
      work.then(
        () => undefined,
        (error: S3ServiceException) => error.$metadata.httpStatusCode,
      );
    const inBucket = (key: string) => ({ Bucket: test.owner!.bucket, Key: `trail/${key}` });
    const inFolder = (key: string): string => join(test.url.slice('file:'.length), key);
    const overwrite = (file: string, bytes: Buffer | string): void => {
      chmodSync(file, 0o644);
      writeFileSync(file, bytes);
    };

    it('is valid as it is', async () => {
      expect(await verify(service, {}, ledger)).toMatchObject({ verdict: 'valid', checked: String(2 * EVENTS) });
      for (const [, find, job] of TARGETS) expect(await kindsOf(find().object_key, job)).toEqual([]);
    });

    ofBucket.each(TARGETS)('has %s put over by its owner', async (what, find, job) => {
      const { object_key: key } = find();
      tampering('replaces an object', owner, what);
      await test.owner!.client.send(new PutObjectCommand({ ...inBucket(key), Body: 'other bytes' }));
      const kind = job === 'archive-verification' ? 'object-hidden' : 'anchor-hidden';
      expect(await kindsOf(key, job)).toContain(kind);
    });

    ofBucket('has an archive object put over with a copy of it, which is not locked', async () => {
      const { object_key: key, version_id: versionId } = archived;
      const bytes: Buffer[] = [];
      for await (const chunk of test.store.read({ key, versionId })) bytes.push(chunk);
      tampering('hides an object behind a newer version', owner, 'an archive object, behind a copy');
      await test.owner!.client.send(new PutObjectCommand({ ...inBucket(key), Body: Buffer.concat(bytes) }));
      expect(await kindsOf(key, 'archive-verification')).toEqual(['object-hidden', 'object-unknown']);
    });

    ofBucket.each(TARGETS)('has %s hidden by a delete marker', async (what, find, job) => {
      const { object_key: key } = find();
      tampering('hides an object behind a delete marker', owner, what);
      await test.owner!.client.send(new DeleteObjectCommand(inBucket(key)));
      expect(await kindsOf(key, job)).toEqual([job === 'archive-verification' ? 'object-hidden' : 'anchor-hidden']);
    });

    ofBucket.each(TARGETS)('does not have %s removed', async (what, find, job) => {
      const { object_key: key, version_id: VersionId } = find();
      tampering('removes an object', owner, `${what}, by its version`);
      const at = { ...inBucket(key), VersionId };
      const code = await refusalOf(
        test.owner!.client.send(new DeleteObjectCommand({ ...at, BypassGovernanceRetention: true })),
      );
      expect(code).toBe(403);
      refused('Object Lock', `${code}`);
      expect(await kindsOf(key, job)).toEqual([]);
    });

    ofBucket.each(TARGETS)('does not have the lock of %s shortened or softened', async (what, find, job) => {
      const { object_key: key, version_id: VersionId } = find();
      tampering('shortens retention', owner, what);
      const at = { ...inBucket(key), VersionId, BypassGovernanceRetention: true };
      const soon = new Date(Date.now() + DAY_MS);
      for (const Mode of ['COMPLIANCE', 'GOVERNANCE'] as const) {
        const shorter = new PutObjectRetentionCommand({ ...at, Retention: { Mode, RetainUntilDate: soon } });
        const code = await refusalOf(test.owner!.client.send(shorter));
        expect(code).toBe(403);
        seen('Object Lock', [`refused: ${code}`]);
      }
      expect(await kindsOf(key, job)).toEqual([]);
    });

    ofFolder.each(TARGETS)('has %s changed by its owner', async (what, find, job) => {
      const { object_key: key } = find();
      tampering('replaces an object', owner, `a byte of ${what}`);
      const bytes = readFileSync(inFolder(key));
      const at = job === 'archive-verification' ? bytes.length >> 1 : bytes.indexOf('truetrail-anchor');
      bytes[at]! ^= 1;
      overwrite(inFolder(key), bytes);
      expect(await kindsOf(key, job)).toEqual([job === 'archive-verification' ? 'object-changed' : 'anchor-invalid']);
    });

    ofFolder.each(TARGETS)('has %s removed by its owner', async (what, find, job) => {
      const { object_key: key } = find();
      tampering('removes an object', owner, what);
      unlinkSync(inFolder(key));
      expect(await kindsOf(key, job)).toEqual([job === 'archive-verification' ? 'object-missing' : 'anchor-missing']);
    });

    ofFolder.each(TARGETS)('has the lock of %s shortened by its owner', async (what, find, job) => {
      const { object_key: key } = find();
      const file = `${inFolder(key)}.lock.json`;
      expect(existsSync(file)).toBe(true);
      tampering('shortens retention', owner, `${what}, to yesterday`);
      const yesterday = new Date(Date.now() - DAY_MS).toISOString();
      const text = readFileSync(file, 'utf8');
      overwrite(file, text.replace(/"retain_until":\s*"[^"]+"/, `"retain_until":"${yesterday}"`));
      expect(readFileSync(file, 'utf8')).toContain(yesterday);
      expect(await kindsOf(key, job)).toEqual([job === 'archive-verification' ? 'object-unlocked' : 'anchor-unlocked']);
    });

    it.each([
      ['among the archive’s', 'early/000000000001-0000000000000000.parquet', 'archive-verification', 'object-unknown'],
      ['among the anchors', 'anchors/000000000000', 'anchor-verification', 'anchor-unknown'],
    ] as const)('has an object added %s by its owner', async (where, key, job, kind) => {
      tampering('adds an object', owner, where);
      if (test.owner) await test.owner.client.send(new PutObjectCommand({ ...inBucket(key), Body: 'x' }));
      else writeFileSync(inFolder(key), 'x');
      expect(await kindsOf(key, job)).toEqual([kind]);
    });

    it.each<[what: string, change: string, kind: string]>([
      [
        'the end of an object’s range',
        `UPDATE archive_ranges SET last_event_hash = sha256('x') WHERE number = $number`,
        'catalogue',
      ],
      [
        'an object’s digest',
        `UPDATE archive_objects SET sha256 = sha256('x') WHERE number = $number`,
        'object-changed',
      ],
      ['an object’s size', 'UPDATE archive_objects SET bytes = bytes + 1 WHERE number = $number', 'object-changed'],
      [
        'how long an object is locked',
        `UPDATE archive_object_states SET retain_until = retain_until + interval '1 year' WHERE number = $number`,
        'object-unlocked',
      ],
      [
        'where an object lies',
        `UPDATE archive_objects SET object_key = object_key || 'x' WHERE number = $number`,
        'object-missing',
      ],
    ])('shows that the archive’s catalogue was edited: %s', async (what, change, kind) => {
      tampering('edits the catalogue', 'a superuser', `of the archive: ${what}`);
      await tamper(
        service.database.adminUrl,
        `SET session_replication_role = replica`,
        ...['archive_ranges', 'archive_objects', 'archive_object_states'].map(
          (table) => `ALTER TABLE ${table} DISABLE TRIGGER ALL`,
        ),
        change.replaceAll('$number', archived.number),
      );
      const now = await query(service.database, 'SELECT object_key FROM archive_objects WHERE number = $1', [
        archived.number,
      ]);
      expect(await kindsOf(now[0]!.object_key as string, 'archive-verification')).toContain(kind);
    });

    it('shows a tail that was cut off with all that the database says of it', async () => {
      tampering('cuts the tail', 'a superuser', 'with keys, head, and all that was signed of it');
      await tamper(
        service.database.adminUrl,
        `DELETE FROM audit_events WHERE ledger = '${ledger}' AND sequence > ${EVENTS}`,
        `DELETE FROM event_keys WHERE ledger = '${ledger}' AND sequence > ${EVENTS}`,
        `UPDATE ledger_heads SET size = ${EVENTS}, event_hash =
           (SELECT event_hash FROM audit_events AS e WHERE e.ledger = '${ledger}' AND sequence = ${EVENTS}) WHERE ledger = '${ledger}'`,
        `DELETE FROM checkpoints WHERE ledger = '${ledger}' AND size > ${EVENTS}`,
      );
      expect(await verify(service, {}, ledger)).toMatchObject({ verdict: 'valid' });
      expect(await kindsOf(anchored.object_key, 'anchor-verification')).toEqual(['catalogue']);
      expect(await kindsOf(archived.object_key, 'archive-verification')).toEqual(['catalogue']);
    });

    it('shows a ledger that was rewritten with all that the database says of it', async () => {
      tampering(
        'rewrites all from an event on, with right hashes',
        'a superuser',
        'and forgets all that was signed of it',
      );
      await tamper(
        service.database.adminUrl,
        ...(await rewriting(service.database, ledger, 5n)),
        `DELETE FROM checkpoints WHERE ledger = '${ledger}'`,
        `SELECT forget_tree('${ledger}')`,
      );
      expect(await verify(service, {}, ledger)).toMatchObject({ verdict: 'valid' });
      expect(await kindsOf(anchored.object_key, 'anchor-verification')).toEqual(['catalogue']);
      expect(await kindsOf(archived.object_key, 'archive-verification')).toEqual(['catalogue']);
    });

    // the last two leave a trail that nothing more can be done with
    it('has the next anchor put there before the service does', async () => {
      tampering('adds an object', owner, 'the next anchor, which is none of the service’s');
      const number = BigInt(anchored.number) + 1n;
      const next = anchorKey(number);
      const bytes = `{"checkpoints":[],"format":"truetrail-anchor/1","n":"${number}","previous":"${'0'.repeat(64)}","successions":[]}`;
      if (test.owner) await test.owner.client.send(new PutObjectCommand({ ...inBucket(next), Body: bytes }));
      else {
        writeFileSync(inFolder(next), bytes);
        const lock = readFileSync(`${inFolder(anchored.object_key)}.lock.json`);
        writeFileSync(`${inFolder(next)}.lock.json`, lock);
      }
      await record(service, 1, ledger);
      const { status } = await runJob(service, 'checkpoint');
      expect(status).toBe('failed');
      seen('signing round', ['refused']);
    });

    it('has not all that a month held which is said to have left as it should', async () => {
      tampering(
        'drops a month',
        'a superuser',
        'says that it left as it should, and its last events are in no archive',
      );
      await record(service, 4, ledger);
      const [row] = await query(
        service.database,
        `SELECT DISTINCT tableoid::regclass::text AS month FROM audit_events WHERE ledger = '${ledger}'`,
      );
      await tamper(
        service.database.adminUrl,
        `UPDATE months SET state = 'dropped', closed_at = now(), sealed_at = now(), retired_at = now(), dropped_at = now()
           WHERE partition_name = '${row!.month as string}'`,
        `UPDATE ledger_heads SET archived_to = size WHERE ledger = '${ledger}'`,
      );
      await connected(service.database.ownerUrl, (owner_) => owner_.query(`DROP TABLE ${row!.month as string}`));
      expect((await verify(service, {}, ledger)).verdict).not.toBe('valid');
    });
  },
);

describe('two histories of one ledger', () => {
  let folder: string;
  let first: TestStore;
  let second: TestStore;
  let service: TestService;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'truetrail-histories-'));
    [first, second] = [folderStore(), folderStore()];
    service = await startService({ env: { ...env(), ARCHIVE_URL: first.url } });
    await record(service, EVENTS);
    expect(await runJob(service, 'checkpoint')).toMatchObject({ status: 'done' });
  });
  afterEach(async () => {
    await service.close();
    for (const store of [first, second]) store.close();
    rmSync(folder, { recursive: true });
  });
  const env = () => ({ ARCHIVE_EXPORT_AGE: '24h', SIGNING_KEY_FILE: join(folder, 'key.pem') });

  /** Rewrites the ledger with right hashes, and forgets all that was signed of it, and in which store. */
  async function rewrite(): Promise<void> {
    await tamper(
      service.database.adminUrl,
      ...(await rewriting(service.database, 'main', 4n)),
      'SET session_replication_role = replica',
      'DELETE FROM checkpoints',
      'DELETE FROM anchors',
      `SELECT forget_tree(ledger) FROM ledgers`,
    );
  }

  it('cannot both be signed over one store: what is anchored there is taken up again', async () => {
    tampering('signs two histories', 'the key’s holder', 'one after the other, over the same store');
    await rewrite();
    const { outcome } = await runJob(service, 'checkpoint');
    const refusedLedgers = (outcome as unknown as { refused: { ledger: string }[] }).refused;
    expect(refusedLedgers).toMatchObject([{ ledger: 'main' }]);
    seen('signing round', ['refused']);
    expect((await verify(service)).findings).toMatchObject([{ kind: 'checkpoint' }]);
  });

  it('are told from each other by whoever watches the ledger', async () => {
    const [key] = (await service.http().get('/v1/ledgers/main/keys').expect(200)).text.trim().split('\n');
    const look = (url: string) =>
      watchLedger({
        url: `${url}/v1/ledgers/main`,
        keys: [VerifierKey.parse(key!)],
        stateFile: join(folder, 'seen.json'),
        token: TEST_KEY,
      });
    expect(await look(service.url)).toMatchObject({ verdict: 'valid' });
    tampering('signs two histories', 'the key’s holder', 'one after the other, over another store');
    await rewrite();
    await tamper(service.database.adminUrl, 'SET session_replication_role = replica', 'DELETE FROM archive_store');
    const replica = await startService({ env: { ...env(), ARCHIVE_URL: second.url }, database: service.database });
    try {
      await record(replica, 1);
      expect(await runJob(replica, 'checkpoint')).toMatchObject({ status: 'done', outcome: { refused: [] } });
      expect(await verify(replica)).toMatchObject({ verdict: 'valid' });
      const { verdict, findings } = await look(replica.url);
      expect([verdict, findings.map(({ kind }) => kind)]).toEqual(['invalid', ['fork']]);
      seen(
        'verifier, as a monitor',
        findings.map(({ kind }) => kind),
      );
    } finally {
      await replica.close();
    }
  });
});

publishesItsRows(
  'tamper-store.e2e-spec.ts',
  ['an object store, S3,', 'an object store, a folder,'],
  [
    ...(HAS_S3 ? [] : (['the bucket’s owner'] as const)),
    ...(HAS_S3 && process.env.TEST_STORES === 's3' ? (['the folder’s owner'] as const) : []),
  ],
);
