import { resolve } from 'node:path';
import { createArchiveBucket, isGoodBucket, type BucketRequest } from '../archive/archive-bucket.js';
import { copyArchive, type CopiedArchive } from '../archive/archive-copy.js';
import { openStore, readS3Url } from '../archive/archive-store.js';
import { readConfig } from '../config/config.js';

/** Of the default retention: as long as the service locks its shortest-lived objects at least. */
const DEFAULT_RETENTION_DAYS = '60';
/** What S3 takes. */
const MAX_RETENTION_DAYS = 36_500;

/** The bucket that `archive create-bucket` is about. Throws an Error that names what is wrong. */
export function readBucketOptions(options: {
  url: string;
  days?: string | undefined;
  kmsKey?: string | undefined;
  complete?: boolean | undefined;
}): BucketRequest & { url: string } {
  const { url, days: text = DEFAULT_RETENTION_DAYS, complete = false } = options;
  // the rules for ARCHIVE_URL and ARCHIVE_KMS_KEY hold here as well
  const { ARCHIVE_KMS_KEY: kmsKeyId } = readConfig({
    ...process.env,
    ARCHIVE_URL: url,
    ...(options.kmsKey === undefined ? {} : { ARCHIVE_KMS_KEY: options.kmsKey }),
  });
  if (!url.startsWith('s3://')) throw new Error(`${url} is no bucket: give s3://bucket/prefix`);
  const days = Number(text);
  if (!/^[0-9]+$/.test(text) || days < 1 || days > MAX_RETENTION_DAYS) {
    throw new Error(`--days must be a whole number from 1 to ${MAX_RETENTION_DAYS}`);
  }
  return { url, bucket: readS3Url(url).bucket, defaultRetentionDays: days, kmsKeyId, complete };
}

/** Makes or checks the bucket: a line for each rule, then what the service itself finds; whether it serves. */
export async function makeBucket(
  request: BucketRequest & { url: string },
  print: (line: string) => void,
): Promise<boolean> {
  const rules = await createArchiveBucket(request);
  const width = Math.max(...rules.map(({ rule }) => rule.length));
  const stateWidth = Math.max(...rules.map(({ state }) => state.length));
  for (const { rule, state, detail } of rules) {
    print(`${rule.padEnd(width)}  ${state.padEnd(stateWidth)}  ${detail}`);
  }
  const store = (await openStore(readConfig({ ...process.env, ARCHIVE_URL: request.url })))!;
  const faults = await store.inspect();
  for (const { rule, detail } of faults) print(`the service finds: ${detail} (${rule})`);
  if (faults.length === 0) print('the service finds nothing wrong with it');
  return isGoodBucket(rules);
}

/** Copies the archive at a URL into a folder. Throws an Error for the operator. */
export async function copyStoreTo(url: string, folder: string): Promise<CopiedArchive> {
  const store = await openStore(readConfig({ ...process.env, ARCHIVE_URL: url }));
  if (!store) throw new Error('There is no archive to copy: ARCHIVE_URL is off');
  return copyArchive(store, resolve(folder));
}
