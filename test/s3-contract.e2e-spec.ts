import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, HeadObjectCommand } from '@aws-sdk/client-s3';
import { ObjectConflict, StoreUnavailable, type StoreFault } from '../src/archive/object-store.js';
import { S3ObjectStore, type S3Settings } from '../src/archive/s3-object-store.js';
import { S3Stub, type BucketConfiguration, type SeenRequest } from './support/s3-stub.js';
import { HAS_S3, objectOf, s3Store, type TestStore } from './support/stores.js';

const UNTIL = new Date(Math.ceil(Date.now() / 1000) * 1000 + 30 * 86_400_000);
const BYTES: Buffer = Buffer.from('what is archived');
const digest = (algorithm: string, encoding: 'base64' | 'hex', bytes: Buffer = BYTES): string =>
  createHash(algorithm).update(bytes).digest(encoding);

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'truetrail-s3-contract-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const object = (key = 'a/one', bytes = BYTES) => objectOf(folder, key, bytes, UNTIL);

describe('what S3 is asked for', () => {
  const before = { ...process.env };
  let stub: S3Stub;
  beforeAll(async () => {
    stub = await S3Stub.start();
    // the store makes its own client, as the service does
    Object.assign(process.env, {
      ...{ AWS_ENDPOINT_URL_S3: stub.url, AWS_REGION: 'us-east-1' },
      ...{ AWS_ACCESS_KEY_ID: 'AKIATEST', AWS_SECRET_ACCESS_KEY: 'a-secret' },
    });
  });
  afterAll(async () => {
    await stub.close();
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
    Object.assign(process.env, before);
  });
  beforeEach(() => stub.reset());

  const open = (settings: Partial<S3Settings> = {}): S3ObjectStore =>
    new S3ObjectStore({ bucket: 'bucket', prefix: 'trail/', ...settings });
  const writes = (): SeenRequest[] => stub.requests.filter(({ method }) => method === 'PUT');

  it('is one write with the lock, both digests, the condition, encryption and metadata', async () => {
    expect(await open().put(object())).toEqual({ key: 'a/one', versionId: 'v1', existed: false });
    const [write, ...others] = writes();
    expect(others).toEqual([]);
    expect(write!.path).toBe('bucket/trail/a/one');
    expect(write!.body.equals(BYTES)).toBe(true);
    expect(write!.headers).toMatchObject({
      'content-length': String(BYTES.length),
      'content-type': 'application/octet-stream',
      'content-md5': digest('md5', 'base64'),
      'x-amz-checksum-sha256': digest('sha256', 'base64'),
      'if-none-match': '*',
      'x-amz-object-lock-mode': 'COMPLIANCE',
      'x-amz-object-lock-retain-until-date': expect.stringMatching(`^${UNTIL.toISOString().slice(0, 19)}(\\.000)?Z$`),
      'x-amz-server-side-encryption': 'AES256',
      'x-amz-meta-record-class': 'order',
      'x-amz-meta-sha256': digest('sha256', 'hex'),
      authorization: expect.stringMatching(/^AWS4-HMAC-SHA256 .*SignedHeaders=[^,]*content-md5/),
    });
    for (const header of ['x-amz-storage-class', 'x-amz-server-side-encryption-aws-kms-key-id']) {
      expect(write!.headers[header]).toBeUndefined();
    }
  });

  it('names the key and the storage class where these are set', async () => {
    await open({ kmsKeyId: 'alias/audit', storageClass: 'STANDARD_IA' }).put(object());
    expect(writes()[0]!.headers).toMatchObject({
      'x-amz-server-side-encryption': 'aws:kms',
      'x-amz-server-side-encryption-aws-kms-key-id': 'alias/audit',
      'x-amz-storage-class': 'STANDARD_IA',
    });
  });

  it('of locks and holds that are changed carries their SHA-256, and the version', async () => {
    const store = open();
    const put = await store.put(object());
    await store.extendRetention(put, new Date(UNTIL.getTime() + 86_400_000));
    await store.setLegalHold(put, true);
    const [, retention, hold] = writes();
    for (const request of [retention!, hold!]) {
      expect(request.query.get('versionId')).toBe('v1');
      expect(request.headers['x-amz-checksum-sha256']).toBe(digest('sha256', 'base64', request.body));
    }
    expect(String(retention!.body)).toContain('<Mode>COMPLIANCE</Mode>');
    expect(String(hold!.body)).toContain('<Status>ON</Status>');
  });

  it('reads by version id', async () => {
    const store = open();
    const put = await store.put(object());
    expect(await store.readRange(put, 5, 2)).toEqual(BYTES.subarray(5, 7));
    const { query, headers } = stub.requests.at(-1)!;
    expect([query.get('versionId'), headers.range]).toEqual(['v1', 'bytes=5-6']);
  });

  it('lists the version before a delete marker of the same second', async () => {
    for (const path of ['bucket/trail/a/one', 'bucket/trail/a/two']) stub.place(path, BYTES);
    stub.hide('bucket/trail/a/one');
    const listed: unknown[] = [];
    for await (const { key, versionId, isLatest } of open().list('a/')) listed.push([key, versionId, isLatest]);
    expect(listed).toEqual([
      ['a/one', 'v1', false],
      ['a/one', 'marker', true],
      ['a/two', 'v1', true],
    ]);
  });

  it('finds what somebody else has written in the meantime, and refuses other bytes', async () => {
    const store = open();
    const metadata = (bytes: Buffer) => ({ 'x-amz-meta-sha256': digest('sha256', 'hex', bytes) });
    stub.beforePut = (path) => void stub.place(path, BYTES, metadata(BYTES));
    expect(await store.put(object())).toEqual({ key: 'a/one', versionId: 'v1', existed: false });
    // taken as an answer, neither tried again nor thrown
    expect([writes().length, stub.versions('bucket/trail/a/one')]).toEqual([1, 1]);

    const other = Buffer.from('something else!!');
    stub.beforePut = (path) => void stub.place(path, other, metadata(other));
    await expect(store.put(object('a/two'))).rejects.toThrow(ObjectConflict);
    expect(stub.versions('bucket/trail/a/two')).toBe(1);
  });

  it('is refused by the store when other bytes arrive than were meant', async () => {
    const changed = object('a/three');
    writeFileSync(changed.file, 'what is archivex');
    await expect(open().put(changed)).rejects.toThrow(/BadDigest 400/);
    const other = { ...changed, md5: createHash('md5').update('what is archivex').digest() };
    await expect(open().put(other)).rejects.toThrow(/XAmzContentChecksumMismatch 400/);
    expect(stub.versions('bucket/trail/a/three')).toBe(0);
  });

  it.each<[string, BucketConfiguration, number, [StoreFault['rule'], RegExp][]]>([
    ['is as it should be', { versioning: 'Enabled', objectLock: { mode: 'COMPLIANCE' }, encryption: true }, 0, []],
    [
      'keeps no versions',
      { versioning: 'Suspended', objectLock: { mode: 'COMPLIANCE' }, encryption: true },
      0,
      [['versioning', /versioning is off/]],
    ],
    [
      'never kept any, and locks nothing',
      { encryption: true },
      0,
      [
        ['versioning', /versioning is off/],
        ['object-lock', /cannot be read: ObjectLockConfigurationNotFoundError/],
      ],
    ],
    [
      'has no default retention',
      { versioning: 'Enabled', objectLock: {}, encryption: true },
      0,
      [['default-retention', /no default retention in COMPLIANCE mode/]],
    ],
    [
      'has one that an administrator may lift',
      { versioning: 'Enabled', objectLock: { mode: 'GOVERNANCE' }, encryption: true },
      0,
      [['default-retention', /no default retention in COMPLIANCE mode/]],
    ],
    [
      'does not encrypt',
      { versioning: 'Enabled', objectLock: { mode: 'COMPLIANCE' } },
      0,
      [['encryption', /cannot be read: ServerSideEncryptionConfigurationNotFoundError/]],
    ],
    [
      'has a clock that is ahead',
      { versioning: 'Enabled', objectLock: { mode: 'COMPLIANCE' }, encryption: true },
      180_000,
      [['clock', /clock is 1(79|8[0-2]) s from ours/]],
    ],
    [
      'has a clock that is behind',
      { versioning: 'Enabled', objectLock: { mode: 'COMPLIANCE' }, encryption: true },
      -90_000,
      [['clock', /clock is (89|9[0-2]) s from ours/]],
    ],
  ])('says what is wrong with a bucket that %s', async (_, configuration, clockAheadMs, faults) => {
    Object.assign(stub, { configuration, clockAheadMs });
    const found = await open().inspect();
    expect(found).toEqual(faults.map(([rule, detail]) => ({ rule, detail: expect.stringMatching(detail) })));
  });
});

(HAS_S3 ? describe : describe.skip)('a real S3', () => {
  let test: TestStore;
  beforeAll(async () => (test = await s3Store()));
  afterAll(() => test.close());

  const head = async (store: TestStore, key: string) => {
    const { client, bucket } = store.owner!;
    return client.send(new HeadObjectCommand({ Bucket: bucket, Key: `trail/${key}` }));
  };

  it('encrypts with the key that it was given, and keeps class, type and metadata', async () => {
    const { bucket } = test.owner!;
    const settings = { bucket, prefix: 'trail/', kmsKeyId: 'test-key', storageClass: 'STANDARD_IA' };
    const store = new S3ObjectStore(settings);
    const put = await store.put(object());
    expect((await store.readRange(put, 0, BYTES.length)).equals(BYTES)).toBe(true);
    expect(await head(test, 'a/one')).toMatchObject({
      ...{ ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'test-key', StorageClass: 'STANDARD_IA' },
      ...{ ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: UNTIL, ContentType: 'application/octet-stream' },
      Metadata: { 'record-class': 'order', sha256: digest('sha256', 'hex') },
    });
    const unknown = new S3ObjectStore({ ...settings, kmsKeyId: 'no-such-key' });
    await expect(unknown.put(object('a/two'))).rejects.toThrow(StoreUnavailable);
  });

  it('refuses other bytes than were meant', async () => {
    const changed = object('a/three');
    writeFileSync(changed.file, 'what is archivex');
    await expect(test.store.put(changed)).rejects.toThrow(/BadDigest/);
    expect(await test.store.versionsOf('a/three')).toEqual([]);
  });

  it('is found without lock or default retention', async () => {
    const { client, bucket } = test.owner!;
    const rulesOf = async (name: string): Promise<string[]> => {
      const faults = await new S3ObjectStore({ bucket: name, prefix: 'trail/' }).inspect();
      return faults.map(({ rule }) => rule);
    };
    await client.send(new CreateBucketCommand({ Bucket: `${bucket}-plain` }));
    expect(await rulesOf(`${bucket}-plain`)).toEqual(['versioning', 'object-lock', 'encryption']);
    await client.send(new CreateBucketCommand({ Bucket: `${bucket}-bare`, ObjectLockEnabledForBucket: true }));
    expect(await rulesOf(`${bucket}-bare`)).toEqual(['default-retention', 'encryption']);
  });
});
