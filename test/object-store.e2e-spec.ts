import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import {
  DeleteObjectCommand,
  PutObjectCommand,
  PutObjectRetentionCommand,
  type S3ServiceException,
} from '@aws-sdk/client-s3';
import {
  ObjectConflict,
  ObjectMissing,
  RetentionRefused,
  StoreUnavailable,
  type ListedVersion,
} from '../src/archive/object-store.js';
import { S3ObjectStore } from '../src/archive/s3-object-store.js';
import { FilesystemObjectStore } from '../src/archive/filesystem-object-store.js';
import { objectOf, onFolders, STORES, type TestStore } from './support/stores.js';

// one start for all: the same number of days is the same moment, also when a second ends between two of them
const began = Math.ceil(Date.now() / 1000) * 1000;
const inDays = (days: number): Date => new Date(began + days * 86_400_000);

describe.each(STORES.map((make) => [make.name === 's3Store' ? 'S3' : 'a folder', make] as const))(
  'an object store in %s',
  (_, make) => {
    let test: TestStore;
    let folder: string;
    beforeAll(async () => {
      test = await make();
      folder = mkdtempSync(join(tmpdir(), 'truetrail-objects-'));
    });
    afterAll(() => {
      test.close();
      rmSync(folder, { recursive: true, force: true });
    });

    const listed = async (prefix: string): Promise<ListedVersion[]> => {
      const versions: ListedVersion[] = [];
      for await (const version of test.store.list(prefix)) versions.push(version);
      return versions;
    };

    it('keeps bytes and what belongs to them, and gives parts of them', async () => {
      const bytes = randomBytes(20_000_000); // several parts of a read
      const until = inDays(30);
      const put = await test.store.put(objectOf(folder, 'a/large.bin', bytes, until));
      expect(put).toMatchObject({ key: 'a/large.bin', existed: false });
      const chunks: Buffer[] = [];
      for await (const chunk of test.store.read(put)) chunks.push(chunk);
      expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
      expect((await test.store.readRange(put, 19_999_990, 10)).equals(bytes.subarray(-10))).toBe(true);
      const described = await test.store.describe(put);
      expect(described).toMatchObject({
        bytes: bytes.length,
        metadata: { 'record-class': 'order' },
        retainUntil: until,
        isCompliance: true,
        legalHold: false,
      });
      expect(Math.abs(described.writtenAt.getTime() - Date.now())).toBeLessThan(60_000);
    });

    it('takes an object once: again the same is found there, others are refused', async () => {
      const object = objectOf(folder, 'b/once', Buffer.from('once'), inDays(1));
      const first = await test.store.put(object);
      expect(await test.store.put(object)).toEqual({ ...first, existed: true });
      const other = objectOf(folder, 'b/once', Buffer.from('twice'), inDays(1));
      await expect(test.store.put(other)).rejects.toThrow(ObjectConflict);
      const same = objectOf(folder, 'b/many', Buffer.from('many'), inDays(1));
      const results = await Promise.all(Array.from({ length: 4 }, () => test.store.put(same)));
      expect(new Set(results.map(({ versionId }) => versionId)).size).toBe(1);
    });

    it('lists every version below a prefix, in order', async () => {
      for (const key of ['c/2', 'c/10', 'c/1', 'cc/1']) {
        await test.store.put(objectOf(folder, key, Buffer.from(key), inDays(1)));
      }
      expect((await listed('c/')).map(({ key, bytes }) => [key, bytes])).toEqual([
        ['c/1', 3],
        ['c/10', 4],
        ['c/2', 3],
      ]);
      expect((await listed('c/1')).map(({ key }) => key)).toEqual(['c/1', 'c/10']);
      expect(await listed('nothing/')).toEqual([]);
      // of one key alone, whatever begins like it
      expect(await test.store.versionsOf('c/1')).toEqual((await listed('c/1')).slice(0, 1));
      for (const key of ['c', 'c/3', 'nothing/1']) expect(await test.store.versionsOf(key)).toEqual([]);
    });

    it('locks: no removal, no shortening, longer at will, and a hold beyond that', async () => {
      const soon = new Date(Date.now() + 4_000);
      const put = await test.store.put(objectOf(folder, 'd/locked', Buffer.from('locked'), soon));
      await expect(test.store.remove(put)).rejects.toThrow(RetentionRefused);
      await expect(test.store.extendRetention(put, new Date(Date.now() + 1_000))).rejects.toThrow(RetentionRefused);
      await test.store.setLegalHold(put, true);
      await pause(4_500);
      expect((await test.store.describe(put)).legalHold).toBe(true);
      await expect(test.store.remove(put)).rejects.toThrow(RetentionRefused);
      await test.store.setLegalHold(put, false);
      await test.store.remove(put);
      await expect(test.store.describe(put)).rejects.toThrow(ObjectMissing);

      const kept = await test.store.put(objectOf(folder, 'd/kept', Buffer.from('kept'), inDays(1)));
      await test.store.extendRetention(kept, inDays(9));
      expect((await test.store.describe(kept)).retainUntil).toEqual(inDays(9));
    });

    it('says so when there is nothing', async () => {
      const none = { key: 'nothing/here', versionId: test.owner ? 'wsuTqZDRVzKWyfN9wqtEPtPrFTqsZCE' : 'file' };
      await expect(test.store.describe(none)).rejects.toThrow(ObjectMissing);
      await expect(test.store.readRange(none, 0, 1)).rejects.toThrow(ObjectMissing);
      await expect(test.store.put(objectOf(folder, 'Not/A Key', Buffer.from(''), inDays(1)))).rejects.toThrow('no key');
      await expect(test.store.put(objectOf(folder, '../out', Buffer.from(''), inDays(1)))).rejects.toThrow('no key');
    });

    it('knows what is wrong with it', async () => {
      const rules = (await test.store.inspect()).map(({ rule }) => rule);
      // this S3 shows no encryption of buckets; a folder has no lock of its own
      expect(rules).toEqual([test.owner ? 'encryption' : 'object-lock']);
    });

    it("lets the bucket's owner overwrite, hide and shorten as little as anybody", async () => {
      if (!test.owner) return;
      const { client, bucket } = test.owner;
      const put = await test.store.put(objectOf(folder, 'e/target', Buffer.from('target'), inDays(2)));
      const at = { Bucket: bucket, Key: 'trail/e/target' };
      const refused = async (work: Promise<unknown>): Promise<number | undefined> =>
        work.then(
          () => undefined,
          (error: S3ServiceException) => error.$metadata.httpStatusCode,
        );
      const removal = new DeleteObjectCommand({ ...at, VersionId: put.versionId, BypassGovernanceRetention: true });
      expect(await refused(client.send(removal))).toBe(403);
      const shorter = { Mode: 'COMPLIANCE', RetainUntilDate: inDays(1) } as const;
      const shorten = new PutObjectRetentionCommand({ ...at, VersionId: put.versionId, Retention: shorter });
      expect(await refused(client.send(shorten))).toBe(403);
      await client
        .send(new PutObjectCommand({ ...at, Body: 'on top', ContentMD5: 'L8y9bVTJ35TXGHMR0K6u3g==' }))
        .catch(() => client.send(new PutObjectCommand({ ...at, Body: 'on top' })));
      await client.send(new DeleteObjectCommand(at));
      expect((await test.store.readRange(put, 0, 6)).toString()).toBe('target');
      const versions = await listed('e/target');
      expect(await test.store.versionsOf('e/target')).toEqual(versions);
      expect(versions.map(({ versionId, isDeleteMarker }) => [versionId === put.versionId, isDeleteMarker])).toEqual([
        [true, false],
        [false, false],
        [false, true],
      ]);
      // what is hidden is still what is there
      expect((await test.store.put(objectOf(folder, 'e/target', Buffer.from('target'), inDays(2)))).versionId).toBe(
        put.versionId,
      );
    });
  },
);

describe('an object store that does not work', () => {
  it('is unavailable, in a folder that cannot be written to', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'truetrail-objects-'));
    try {
      const store = new FilesystemObjectStore(
        objectOf(folder, 'none', Buffer.from('a file, no folder'), inDays(1)).file,
      );
      await expect(store.put(objectOf(folder, 'a', Buffer.from('a'), inDays(1)))).rejects.toThrow(StoreUnavailable);
      expect((await store.inspect()).map(({ rule }) => rule)).toEqual(['access']);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('is unavailable, at an address where nobody is', async () => {
    const { S3Client } = await import('@aws-sdk/client-s3');
    const client = new S3Client({
      endpoint: 'http://127.0.0.1:9',
      region: 'us-east-1',
      credentials: { accessKeyId: 'nobody', secretAccessKey: 'a-secret-of-nobody' },
      maxAttempts: 1,
      forcePathStyle: true,
    });
    const store = new S3ObjectStore({ bucket: 'none', prefix: '' }, client);
    const failure = await store.describe({ key: 'a', versionId: 'b' }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(StoreUnavailable);
    expect(String((failure as Error).message)).not.toContain('a-secret-of-nobody');
  });
});

onFolders('a folder that several processes change at once', () => {
  const PROCESSES = 4;
  const CHANGES = 40;
  let folder: string;
  let store: FilesystemObjectStore;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'truetrail-objects-'));
    store = new FilesystemObjectStore(join(folder, 'store'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** Runs `body` (of an async function of `store`, `key` and `number`) in processes of their own, at the same time. */
  async function inProcesses(key: string, body: string): Promise<string[]> {
    const build = process.env.TRUETRAIL_BUILD;
    if (!build) throw new Error('TRUETRAIL_BUILD is not set: run the tests by `npm test`');
    const archive = pathToFileURL(join(build, 'src/archive')).href;
    const script = `
      import { FilesystemObjectStore } from '${archive}/filesystem-object-store.js';
      import { RetentionRefused } from '${archive}/object-store.js';
      const [folder, key, number] = process.argv.slice(1);
      const store = new FilesystemObjectStore(folder);
      const version = { key, versionId: 'file' };
      process.stdout.write('ready');
      await new Promise((resolve) => process.stdin.once('data', resolve));
      ${body}
      process.exit(0);`;
    const children = Array.from({ length: PROCESSES }, (_, number) => {
      const args = ['--input-type=module', '--eval', script, '--', join(folder, 'store'), key, String(number)];
      const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] });
      let errors = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
      return { child, ended: once(child, 'close').then(() => errors) };
    });
    await Promise.all(children.map(({ child, ended }) => Promise.race([once(child.stdout, 'data'), ended])));
    for (const { child } of children) child.stdin.write('go');
    return Promise.all(children.map(({ ended }) => ended));
  }

  it('loses no hold and no later date', async () => {
    const key = 'early/1.parquet';
    const put = await store.put(objectOf(folder, key, Buffer.from('bytes'), new Date(Date.UTC(2030, 0, 1))));
    const last = Date.UTC(2030, 0, 2) + (PROCESSES * CHANGES - 1) * 60_000;
    // the first sets and lifts holds, and ends with one; the others move the date, each by dates of its own
    const errors = await inProcesses(
      key,
      `
      for (let i = 0; i < ${CHANGES}; i++) {
        if (number === '0') {
          await store.setLegalHold(version, i % 2 === 1);
          const { legalHold } = await store.describe(version);
          if (legalHold !== (i % 2 === 1)) throw new Error('the hold of change ' + i + ' is lost');
          continue;
        }
        const until = new Date(${Date.UTC(2030, 0, 2)} + (i * ${PROCESSES} + Number(number)) * 60_000);
        try {
          await store.extendRetention(version, until);
        } catch (error) {
          if (!(error instanceof RetentionRefused)) throw error;
        }
        const { retainUntil } = await store.describe(version);
        if (retainUntil < until) throw new Error(until.toISOString() + ' is lost: ' + retainUntil.toISOString());
      }`,
    );
    expect(errors).toEqual(Array(PROCESSES).fill(''));
    expect(await store.describe(put)).toMatchObject({ legalHold: true, retainUntil: new Date(last) });
    await expect(store.remove(put)).rejects.toThrow(RetentionRefused);
    expect(await listKeys(store)).toEqual([key]);
  });

  it('removes nothing whose lock was moved on at that moment', async () => {
    const late = new Date(Date.now() + 86_400_000).toISOString();
    for (let round = 0; round < 5; round++) {
      const key = `early/${round}.parquet`;
      const put = await store.put(objectOf(folder, key, Buffer.from('bytes'), new Date(Date.now() - 1_000)));
      const errors = await inProcesses(
        key,
        `await (number < '2' ? store.remove(version) : store.extendRetention(version, new Date('${late}')));`,
      );
      const [removals, extensions] = [errors.slice(0, 2), errors.slice(2)];
      const isThere = await store.describe(put).then(
        () => true,
        () => false,
      );
      if (isThere) {
        for (const error of removals) expect(error).toContain('RetentionRefused');
      } else for (const error of extensions) expect(error).toContain('ObjectMissing');
    }
  });

  it("gives a name to one of two objects, with that one's lock", async () => {
    const objects = Array.from({ length: 4 }, (_, i) => ({
      ...objectOf(folder, 'store.json', Buffer.from(`object ${i}`), inDays(i + 1)),
      metadata: { number: String(i) },
    }));
    const results = await Promise.allSettled(objects.map((object) => store.put(object)));
    const winners = objects.filter((_, i) => results[i]!.status === 'fulfilled');
    expect(winners).toHaveLength(1);
    const version = { key: 'store.json', versionId: 'file' };
    const { metadata, retainUntil } = await store.describe(version);
    expect(metadata).toEqual({ ...winners[0]!.metadata, sha256: winners[0]!.sha256.toString('hex') });
    expect(retainUntil!.getTime()).toBeGreaterThanOrEqual(winners[0]!.retainUntil.getTime());
    expect(await store.put(winners[0]!)).toMatchObject({ existed: true });
  });

  async function listKeys(of: FilesystemObjectStore): Promise<string[]> {
    const keys: string[] = [];
    for await (const { key } of of.list('')) keys.push(key);
    return keys;
  }
});
