import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketPolicyCommand,
  GetBucketVersioningCommand,
  GetObjectLockConfigurationCommand,
  GetPublicAccessBlockCommand,
  HeadBucketCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketPolicyCommand,
  PutObjectLockConfigurationCommand,
  S3Client,
  type S3ServiceException,
} from '@aws-sdk/client-s3';
import { bucketPolicy } from '../src/archive/archive-bucket.js';
import { S3ObjectStore } from '../src/archive/s3-object-store.js';
import { truetrail } from './support/command-line.js';
import { HAS_S3, objectOf, S3_ENVIRONMENT } from './support/stores.js';

const describeS3 = HAS_S3 ? describe : describe.skip;

describeS3('truetrail archive create-bucket', () => {
  let client: S3Client;
  let bucket: string;
  beforeAll(() => (client = new S3Client({})));
  afterAll(() => client.destroy());
  beforeEach(() => (bucket = `truetrail-${randomBytes(6).toString('hex')}`));

  const create = (...args: string[]) =>
    truetrail(S3_ENVIRONMENT, 'archive', 'create-bucket', `s3://${bucket}/trail`, ...args);
  /** What it says of each rule, by state. */
  const states = (stdout: string): Record<string, string> =>
    Object.fromEntries(
      [...stdout.matchAll(/^(\S+(?: \S+)?) {2,}(set|right|missing|different|impossible|unknown to the store) /gm)].map(
        ([, rule, state]) => [rule, state],
      ),
    );
  const codeOf = (work: Promise<unknown>): Promise<number | undefined> =>
    work.then(
      () => undefined,
      (error: S3ServiceException) => error.$metadata.httpStatusCode,
    );

  const LEFT = { 'object lock': 'right', versioning: 'right', encryption: 'unknown to the store' };

  it('makes a bucket that serves as an archive', async () => {
    const made = await create('--days', '3');
    expect(made.code).toBe(0);
    expect(states(made.stdout)).toEqual({
      ...LEFT, // this S3 shows no encryption of buckets; a new bucket has lock and versioning from the beginning
      bucket: 'set',
      'default retention': 'set',
      'public access': 'set',
      lifecycle: 'set',
      policy: 'set',
    });
    expect(made.stdout).toMatch(/^the service finds: the bucket has no default encryption \(encryption\)$/m);
    const lock = await client.send(new GetObjectLockConfigurationCommand({ Bucket: bucket }));
    expect(lock.ObjectLockConfiguration).toEqual({
      ObjectLockEnabled: 'Enabled',
      Rule: { DefaultRetention: { Mode: 'COMPLIANCE', Days: 3 } },
    });
    expect((await client.send(new GetBucketVersioningCommand({ Bucket: bucket }))).Status).toBe('Enabled');
    const access = await client.send(new GetPublicAccessBlockCommand({ Bucket: bucket }));
    expect(access.PublicAccessBlockConfiguration).toMatchObject({
      IgnorePublicAcls: true,
      BlockPublicPolicy: true,
      RestrictPublicBuckets: true,
    });
    const { Rules } = await client.send(new GetBucketLifecycleConfigurationCommand({ Bucket: bucket }));
    expect(Rules!.map(({ ID, Status }) => [ID, Status])).toEqual(
      expect.arrayContaining([
        ['truetrail-abort-uploads', 'Enabled'],
        ['truetrail-expired-delete-markers', 'Enabled'],
      ]),
    );
  });

  it('makes one in which the service can work, and nobody hides what is there', async () => {
    expect((await create()).code).toBe(0);
    const folder = mkdtempSync(join(tmpdir(), 'truetrail-objects-'));
    try {
      const store = new S3ObjectStore({ bucket, prefix: 'trail/' });
      const until = new Date(Math.ceil(Date.now() / 1000) * 1000 + 3_000);
      const put = await store.put(objectOf(folder, 'early/1.parquet', Buffer.from('bytes'), until));
      expect((await store.describe(put)).retainUntil).toEqual(until);
      const Key = 'trail/early/1.parquet';
      expect(await codeOf(client.send(new DeleteObjectCommand({ Bucket: bucket, Key })))).toBe(403);
      const Rules = [{ ID: 'all', Status: 'Enabled' as const, Filter: { Prefix: '' }, Expiration: { Days: 1 } }];
      const expire = new PutBucketLifecycleConfigurationCommand({ Bucket: bucket, LifecycleConfiguration: { Rules } });
      expect(await codeOf(client.send(expire))).toBe(403);
      // and what is due may be removed, by its version
      await pause(4_000);
      await store.remove(put);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('finds its own bucket right, any number of times, and takes the one of ARCHIVE_URL', async () => {
    await create();
    const again = await truetrail(
      { ...S3_ENVIRONMENT, ARCHIVE_URL: `s3://${bucket}/trail` },
      ...['archive', 'create-bucket'],
    );
    expect(again.code).toBe(0);
    const { encryption, ...others } = states(again.stdout);
    expect(encryption).toBe('unknown to the store');
    expect(Object.keys(others)).toHaveLength(7);
    expect(new Set(Object.values(others))).toEqual(new Set(['right']));
  });

  it('adds what is missing, if it is told to: as after a call that was broken off', async () => {
    await client.send(new CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: true }));
    const looked = await create();
    expect(looked).toMatchObject({ code: 1, stderr: expect.stringMatching(/not as the archive wants it.*--complete/) });
    expect(states(looked.stdout)).toEqual({
      ...LEFT,
      bucket: 'right',
      'default retention': 'missing',
      'public access': 'missing',
      lifecycle: 'missing',
      policy: 'missing',
    });
    const lock = await client.send(new GetObjectLockConfigurationCommand({ Bucket: bucket }));
    expect(lock.ObjectLockConfiguration!.Rule).toBeUndefined();
    const completed = await create('--complete');
    expect(completed.code).toBe(0);
    expect(states(completed.stdout)).toMatchObject({ 'default retention': 'set', lifecycle: 'set', policy: 'set' });
  });

  it('leaves what is different, and says what that is', async () => {
    await client.send(new CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: true }));
    const policy = {
      Version: '2012-10-17',
      Statement: [
        {
          Sid: 'Mine',
          Effect: 'Deny',
          Principal: '*',
          Action: 's3:PutBucketCORS',
          Resource: [`arn:aws:s3:::${bucket}`],
        },
      ],
    };
    await client.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: JSON.stringify(policy) }));
    await client.send(
      new PutObjectLockConfigurationCommand({
        Bucket: bucket,
        ObjectLockConfiguration: {
          ObjectLockEnabled: 'Enabled',
          Rule: { DefaultRetention: { Mode: 'GOVERNANCE', Days: 90 } },
        },
      }),
    );
    const Rules = [
      {
        ID: 'all',
        Status: 'Enabled' as const,
        Filter: { Prefix: '' },
        NoncurrentVersionExpiration: { NoncurrentDays: 1 },
      },
    ];
    await client.send(
      new PutBucketLifecycleConfigurationCommand({ Bucket: bucket, LifecycleConfiguration: { Rules } }),
    );
    const { code, stdout } = await create('--complete');
    expect(code).toBe(1);
    expect(states(stdout)).toMatchObject({
      'default retention': 'different',
      lifecycle: 'different',
      policy: 'different',
    });
    expect(stdout).toMatch(/it is 90 days in GOVERNANCE mode; wanted: 60 days in COMPLIANCE mode/);
    expect(stdout).toMatch(/the rule all removes versions once their lock has run out/);
    expect(stdout).toMatch(/lacks TruetrailNoDeleteMarkers, TruetrailNoOtherLifecycle/);
    const { Policy } = await client.send(new GetBucketPolicyCommand({ Bucket: bucket }));
    expect(Policy).toContain('Mine');
  });

  it('says what it cannot change: Object Lock, in a bucket that was made without', async () => {
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
    const { code, stdout, stderr } = await create('--complete');
    expect(code).toBe(1);
    expect(states(stdout)).toMatchObject({ 'object lock': 'impossible', 'default retention': 'impossible' });
    expect(stderr).toContain('Where Object Lock is impossible, make another bucket');
    expect(stdout).toMatch(/^the service finds: .*\(object-lock\)$/m);
  });

  it('says what to do when the store is not there, or does not know us', async () => {
    const url = `s3://${bucket}`;
    const nowhere = { ...S3_ENVIRONMENT, AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9' };
    expect(await truetrail(nowhere, 'archive', 'create-bucket', url)).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/cannot be reached.*check AWS_ENDPOINT_URL_S3/),
    });
    const stranger = { ...S3_ENVIRONMENT, AWS_SECRET_ACCESS_KEY: 'not-the-secret' };
    const refused = await truetrail(stranger, 'archive', 'create-bucket', url);
    expect(refused).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/credentials/) });
    expect(refused.stderr).not.toContain('not-the-secret');
    expect(await codeOf(client.send(new HeadBucketCommand({ Bucket: bucket })))).toBe(404);
  });
});

describe("an archive bucket's policy", () => {
  it('demands TLS where there is TLS, and is written for its part of the cloud', () => {
    const { Statement } = bucketPolicy('trail', { isTls: true, region: 'us-gov-west-1' });
    expect(Statement).toContainEqual({
      Sid: 'TruetrailOnlyTls',
      Effect: 'Deny',
      Principal: '*',
      Action: 's3:*',
      Resource: ['arn:aws-us-gov:s3:::trail', 'arn:aws-us-gov:s3:::trail/*'],
      Condition: { Bool: { 'aws:SecureTransport': 'false' } },
    });
    expect(bucketPolicy('trail', { isTls: false, region: 'eu-west-1' }).Statement.map(({ Sid }) => Sid)).toEqual([
      'TruetrailNoDeleteMarkers',
      'TruetrailNoOtherLifecycle',
    ]);
  });
});
