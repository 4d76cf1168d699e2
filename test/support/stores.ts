import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, PutObjectLockConfigurationCommand, S3Client } from '@aws-sdk/client-s3';
import { FilesystemObjectStore } from '../../src/archive/filesystem-object-store.js';
import type { NewObject, ObjectStore } from '../../src/archive/object-store.js';
import { S3ObjectStore } from '../../src/archive/s3-object-store.js';
import { tellOnceIfWithoutS3 } from './without-s3.js';

/** Whether there is a real S3 to test with: its AWS_* variables, which `.ci/run` sets. */
export const HAS_S3 = process.env.AWS_ENDPOINT_URL_S3 !== undefined;
tellOnceIfWithoutS3();

/** The variables by which a service or command of its own process reaches it. */
export const S3_ENVIRONMENT = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => name.startsWith('AWS_')),
) as Record<string, string>;

/** A place for archives, the store that a service makes of `url`, and what its owner can do besides. */
export interface TestStore {
  name: string;
  url: string;
  store: ObjectStore;
  /** the bucket owner's client and bucket; undefined for a folder */
  owner: { client: S3Client; bucket: string } | undefined;
  close(): void;
}

export function folderStore(now?: () => Date): TestStore {
  const folder = mkdtempSync(join(tmpdir(), 'truetrail-archive-'));
  return {
    name: 'a folder',
    url: `file:${folder}`,
    store: new FilesystemObjectStore(folder, now),
    owner: undefined,
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** In a bucket of its own, since what is locked there stays. */
export async function s3Store(): Promise<TestStore> {
  const bucket = `truetrail-${randomBytes(6).toString('hex')}`;
  const client = new S3Client({});
  await client.send(new CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: true }));
  await client.send(
    new PutObjectLockConfigurationCommand({
      Bucket: bucket,
      ObjectLockConfiguration: {
        ObjectLockEnabled: 'Enabled',
        Rule: { DefaultRetention: { Mode: 'COMPLIANCE', Days: 1 } },
      },
    }),
  );
  return {
    name: 'S3',
    url: `s3://${bucket}/trail`,
    store: new S3ObjectStore({ bucket, prefix: 'trail/' }),
    owner: { client, bucket },
    close: () => client.destroy(),
  };
}

/** Every store that there is here. */
export const STORES: readonly (() => TestStore | Promise<TestStore>)[] = [
  // CI, whose first run was on folders, names the one that is left
  ...(HAS_S3 && process.env.TEST_STORES === 's3' ? [] : [folderStore]),
  ...(HAS_S3 ? [s3Store] : []),
];

/** A store of which some members are others, also for whoever takes it `within` a signal. */
export function storeWith(
  store: ObjectStore,
  member: (target: ObjectStore, name: string | symbol) => unknown,
): ObjectStore {
  const proxy: ObjectStore = new Proxy(store, {
    get: (target, name) => (name === 'within' ? () => proxy : member(target, name)),
  });
  return proxy;
}

/** What is of folders, or of no store: a run on S3 alone need not do it again. */
export const onFolders = STORES.includes(folderStore) ? describe : describe.skip;

/** An object of some bytes, in a file below `folder`. */
export function objectOf(folder: string, key: string, bytes: Buffer, retainUntil: Date): NewObject {
  const file = join(folder, randomBytes(6).toString('hex'));
  writeFileSync(file, bytes);
  return {
    key,
    file,
    bytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest(),
    md5: createHash('md5').update(bytes).digest(),
    contentType: 'application/octet-stream',
    metadata: { 'record-class': 'order' },
    retainUntil,
  };
}
