import {
  CreateBucketCommand,
  GetBucketEncryptionCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketPolicyCommand,
  GetBucketVersioningCommand,
  GetObjectLockConfigurationCommand,
  GetPublicAccessBlockCommand,
  HeadBucketCommand,
  PutBucketEncryptionCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectLockConfigurationCommand,
  PutPublicAccessBlockCommand,
  S3Client,
  type BucketLocationConstraint,
  type LifecycleRule,
  type PublicAccessBlockConfiguration,
  type ServerSideEncryptionByDefault,
} from '@aws-sdk/client-s3';
import type { JsonObject } from '../integrity/canonical-json.js';
import { readJson } from '../integrity/strict-json.js';
import { explain, isOfStore, nameOf, statusOf } from './s3-errors.js';

const REQUEST_TIMEOUT_MS = 30_000;
const ABORT_UPLOADS_AFTER_DAYS = 7;
const DAYS_A_YEAR = 365;
/** S3's region that has no name in CreateBucket. */
const FIRST_REGION = 'us-east-1';
/** Storage classes from which an object must be restored before it can be read. */
const OFFLINE_CLASSES = new Set<string>(['GLACIER', 'DEEP_ARCHIVE']);

export interface BucketRequest {
  bucket: string;
  /** of the default retention: how long what comes without a date of its own is locked */
  defaultRetentionDays: number;
  /** SSE-KMS with this key by default; otherwise SSE-S3 */
  kmsKeyId?: string | undefined;
  /** whether what is missing may be added to a bucket that is there already */
  complete: boolean;
}

/** What was found of a rule, or done about it. */
export interface BucketRule {
  rule: string;
  /**
   * set: by this call; right: it was so; missing: it would be set with `complete`; different: it is otherwise, and left
   * so; impossible: it cannot be had in this bucket; unknown to the store: it has no such feature, and works without
   */
  state: 'set' | 'right' | 'missing' | 'different' | 'impossible' | 'unknown to the store';
  detail: string;
}

/** A rule of a good bucket. `read` answers what is wrong with it: null for nothing, MISSING, or UNKNOWN to the store. */
interface Rule {
  name: string;
  wanted: string;
  /** without it the bucket is no archive */
  isEssential: boolean;
  read(): Promise<string | null>;
  set(): Promise<unknown>;
}

const MISSING = 'missing';
const UNKNOWN = 'unknown';

/**
 * Makes a bucket as the archive wants it, or looks at one that is there: then what is as it should be is left, what is
 * missing is added if that is asked for, and what is different is told and left, since somebody may have meant it.
 * A call that was broken off is gone on with by another, with `complete`. Throws an Error for the operator.
 */
export async function createArchiveBucket(request: BucketRequest): Promise<BucketRule[]> {
  const { bucket } = request;
  const client = new S3Client({
    requestHandler: { requestTimeout: REQUEST_TIMEOUT_MS, throwOnRequestTimeout: true },
  });
  try {
    const region = await client.config.region();
    const endpoint = await findBucket(client, bucket);
    if (!endpoint.exists) {
      await client.send(
        new CreateBucketCommand({
          Bucket: bucket,
          ObjectLockEnabledForBucket: true,
          ...(region === FIRST_REGION
            ? {}
            : { CreateBucketConfiguration: { LocationConstraint: region as BucketLocationConstraint } }),
        }),
      );
    }
    const mayAdd = !endpoint.exists || request.complete;
    const found: BucketRule[] = [
      endpoint.exists
        ? { rule: 'bucket', state: 'right', detail: 'it is there already' }
        : { rule: 'bucket', state: 'set', detail: `made with Object Lock, in ${region}` },
    ];
    for (const rule of rulesOf(client, request, endpoint, region)) found.push(await keepRule(rule, mayAdd));
    return found;
  } catch (error) {
    if (!isOfStore(error)) throw error;
    throw new Error(`the store of s3://${bucket} ${explain(error, REQUEST_TIMEOUT_MS)}`, { cause: error });
  } finally {
    client.destroy();
  }
}

/** Whether the bucket serves as an archive. */
export function isGoodBucket(rules: readonly BucketRule[]): boolean {
  return rules.every(({ state }) => state === 'set' || state === 'right' || state === 'unknown to the store');
}

interface Endpoint {
  exists: boolean;
  isAws: boolean;
  isTls: boolean;
}

/** Whether there is such a bucket, and what answers. Throws an Error when it is somebody else's, or not ours to see. */
async function findBucket(client: S3Client, bucket: string): Promise<Endpoint> {
  const endpoint: Endpoint = { exists: true, isAws: false, isTls: false };
  client.middlewareStack.add(
    (next) => (args) => {
      const { hostname, protocol } = args.request as { hostname: string; protocol: string };
      endpoint.isAws = /\.amazonaws\.com(\.cn)?$/.test(hostname);
      endpoint.isTls = protocol === 'https:';
      return next(args);
    },
    { step: 'finalizeRequest', name: 'readEndpoint', override: true },
  );
  try {
    await client.send(new HeadBucketCommand({ Bucket: bucket }));
  } catch (error) {
    if (statusOf(error) === 403) {
      throw new Error(
        `there is a bucket ${bucket} that these credentials may not see: take another name, or the credentials of its owner`,
        { cause: error },
      );
    }
    if (statusOf(error) !== 404) throw error;
    endpoint.exists = false;
  } finally {
    client.middlewareStack.remove('readEndpoint');
  }
  return endpoint;
}

async function keepRule(rule: Rule, mayAdd: boolean): Promise<BucketRule> {
  const { name, wanted, isEssential } = rule;
  const say = (state: BucketRule['state'], detail: string): BucketRule => ({ rule: name, state, detail });
  const failed = (error: unknown, what: string): BucketRule => {
    if (!isOfStore(error) || statusOf(error) === undefined) throw error;
    const said = `${nameOf(error)} ${statusOf(error)}`;
    if (statusOf(error) === 403) return say('impossible', `${wanted}: these credentials may not ${what} it (${said})`);
    if (isEssential) return say('impossible', `${wanted}: it cannot be ${what === 'read' ? 'read' : 'set'} (${said})`);
    return say('unknown to the store', `${wanted}: the store does not do that (${said})`);
  };
  let wrong: string | null;
  try {
    wrong = await rule.read();
  } catch (error) {
    return failed(error, 'read');
  }
  if (wrong === null) return say('right', wanted);
  if (wrong === UNKNOWN) return say('unknown to the store', `${wanted}: the store says nothing of it`);
  if (wrong !== MISSING) return say('different', `${wrong}; wanted: ${wanted}`);
  if (!mayAdd) return say('missing', wanted);
  try {
    await rule.set();
    wrong = await rule.read();
  } catch (error) {
    return failed(error, 'set');
  }
  if (wrong === null) return say('set', wanted);
  // it was taken and is not there: a store that only seems to know it
  return say(isEssential ? 'impossible' : 'unknown to the store', `${wanted}: it was accepted and has no effect`);
}

function rulesOf(client: S3Client, request: BucketRequest, endpoint: Endpoint, region: string): Rule[] {
  const { bucket: Bucket, defaultRetentionDays: days, kmsKeyId } = request;
  /** What an answer says; undefined where the store says that there is nothing. */
  const read = <T>(answer: Promise<T>): Promise<T | undefined> =>
    answer.catch((error: unknown) => {
      if (statusOf(error) !== 404 || nameOf(error) === 'NoSuchBucket') throw error;
      return undefined;
    });
  const encryption: ServerSideEncryptionByDefault =
    kmsKeyId === undefined ? { SSEAlgorithm: 'AES256' } : { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: kmsKeyId };
  const access = publicAccessBlock(endpoint);
  const policy = bucketPolicy(Bucket, { isTls: endpoint.isTls, region });
  return [
    {
      name: 'versioning',
      wanted: 'on',
      isEssential: true,
      read: async () =>
        (await client.send(new GetBucketVersioningCommand({ Bucket }))).Status === 'Enabled' ? null : MISSING,
      set: () =>
        client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } })),
    },
    {
      name: 'object lock',
      wanted: 'on, and for good',
      isEssential: true,
      read: async () => {
        const lock = await read(client.send(new GetObjectLockConfigurationCommand({ Bucket })));
        return lock?.ObjectLockConfiguration?.ObjectLockEnabled === 'Enabled' ? null : MISSING;
      },
      // an existing bucket: AWS takes this nowadays, where versioning is on; others refuse
      set: () =>
        client.send(
          new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled' } }),
        ),
    },
    {
      name: 'default retention',
      wanted: `${days} days in COMPLIANCE mode, for what comes without a date of its own`,
      isEssential: true,
      read: async () => {
        const lock = await read(client.send(new GetObjectLockConfigurationCommand({ Bucket })));
        const { Mode, Days, Years } = lock?.ObjectLockConfiguration?.Rule?.DefaultRetention ?? {};
        if (Mode === undefined) return MISSING;
        const there = Days ?? (Years ?? 0) * DAYS_A_YEAR;
        return Mode === 'COMPLIANCE' && there >= days ? null : `it is ${there} days in ${Mode} mode`;
      },
      set: () =>
        client.send(
          new PutObjectLockConfigurationCommand({
            Bucket,
            ObjectLockConfiguration: {
              ObjectLockEnabled: 'Enabled',
              Rule: { DefaultRetention: { Mode: 'COMPLIANCE', Days: days } },
            },
          }),
        ),
    },
    {
      name: 'encryption',
      wanted: kmsKeyId === undefined ? 'SSE-S3 by default' : `SSE-KMS by default, with ${kmsKeyId}`,
      isEssential: false, // every object asks for its own
      read: async () => {
        const answer = await read(client.send(new GetBucketEncryptionCommand({ Bucket })));
        const { SSEAlgorithm, KMSMasterKeyID } =
          answer?.ServerSideEncryptionConfiguration?.Rules?.[0]?.ApplyServerSideEncryptionByDefault ?? {};
        if (answer && SSEAlgorithm === undefined) return UNKNOWN; // S3 would answer 404
        // a new bucket of AWS has SSE-S3 of its own accord
        if (SSEAlgorithm === undefined || (SSEAlgorithm === 'AES256' && kmsKeyId !== undefined)) return MISSING;
        if (kmsKeyId === undefined || KMSMasterKeyID === kmsKeyId) return null;
        return `it is ${SSEAlgorithm}, with ${KMSMasterKeyID ?? "the account's key"}`;
      },
      set: () =>
        client.send(
          new PutBucketEncryptionCommand({
            Bucket,
            ServerSideEncryptionConfiguration: {
              Rules: [{ ApplyServerSideEncryptionByDefault: encryption, BucketKeyEnabled: kmsKeyId !== undefined }],
            },
          }),
        ),
    },
    {
      name: 'public access',
      wanted: `blocked (${Object.keys(access).join(', ')})`,
      isEssential: false,
      read: async () => {
        const answer = await read(client.send(new GetPublicAccessBlockCommand({ Bucket })));
        const there = answer?.PublicAccessBlockConfiguration;
        const names = Object.keys(access) as (keyof PublicAccessBlockConfiguration)[];
        if (!there || Object.values(there).every((on) => !on)) return MISSING;
        const open = names.filter((name) => there[name] !== true);
        return open.length === 0 ? null : `not blocked: ${open.join(', ')}`;
      },
      set: () => client.send(new PutPublicAccessBlockCommand({ Bucket, PublicAccessBlockConfiguration: access })),
    },
    {
      name: 'lifecycle',
      wanted: `uploads that were begun and not ended are dropped after ${ABORT_UPLOADS_AFTER_DAYS} days, delete markers with nothing behind them too; no version expires`,
      isEssential: false,
      read: async () => {
        const answer = await read(client.send(new GetBucketLifecycleConfigurationCommand({ Bucket })));
        const rules = answer?.Rules ?? [];
        if (rules.length === 0) return MISSING;
        const harm = rules.flatMap(harmOf);
        if (harm.length > 0) return harm.join('; ');
        const lacking = LIFECYCLE_RULES.filter(
          ({ ID }) => !rules.some((rule) => rule.ID === ID && rule.Status === 'Enabled'),
        );
        return lacking.length === 0 ? null : `it has rules, and lacks ${lacking.map(({ ID }) => ID).join(' and ')}`;
      },
      set: () =>
        client.send(
          new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules: LIFECYCLE_RULES } }),
        ),
    },
    {
      // the last: it keeps the rules before it from being changed
      name: 'policy',
      wanted: `denies ${policy.Statement.map(({ Sid }) => SAID[Sid]).join(', ')}`,
      isEssential: false,
      read: async () => {
        const answer = await read(client.send(new GetBucketPolicyCommand({ Bucket })));
        if (answer?.Policy === undefined) return MISSING;
        const { Statement } = readJson(answer.Policy) as { Statement?: JsonObject | JsonObject[] };
        const sids = new Set([Statement ?? []].flat().map(({ Sid }) => Sid));
        const lacking = policy.Statement.filter(({ Sid }) => !sids.has(Sid));
        return lacking.length === 0 ? null : `there is one that lacks ${lacking.map(({ Sid }) => Sid).join(', ')}`;
      },
      set: () => client.send(new PutBucketPolicyCommand({ Bucket, Policy: JSON.stringify(policy) })),
    },
  ];
}

/**
 * On other stores than AWS without BlockPublicAcls: with it Ceph refuses every later write (its bug 49135), and public
 * ACLs that are ignored do no harm.
 */
function publicAccessBlock({ isAws }: Endpoint): PublicAccessBlockConfiguration {
  return {
    ...(isAws ? { BlockPublicAcls: true } : {}),
    IgnorePublicAcls: true,
    BlockPublicPolicy: true,
    RestrictPublicBuckets: true,
  };
}

/**
 * No version expires by rule. The one that counts is the oldest under its name: an expiry of noncurrent versions would
 * take just that as soon as its lock has run out, had somebody written on top of it; one of current versions would lay
 * delete markers on all.
 */
const LIFECYCLE_RULES: LifecycleRule[] = [
  {
    ID: 'truetrail-abort-uploads',
    Status: 'Enabled',
    Filter: { Prefix: '' },
    AbortIncompleteMultipartUpload: { DaysAfterInitiation: ABORT_UPLOADS_AFTER_DAYS },
  },
  {
    ID: 'truetrail-expired-delete-markers',
    Status: 'Enabled',
    Filter: { Prefix: '' },
    Expiration: { ExpiredObjectDeleteMarker: true },
  },
];

function harmOf(rule: LifecycleRule): string[] {
  if (rule.Status !== 'Enabled') return [];
  const harm: string[] = [];
  const name = `the rule ${rule.ID ?? '(without a name)'}`;
  if (rule.Expiration?.Days !== undefined || rule.Expiration?.Date !== undefined) harm.push(`${name} hides objects`);
  if (rule.NoncurrentVersionExpiration) harm.push(`${name} removes versions once their lock has run out`);
  const moves = [...(rule.Transitions ?? []), ...(rule.NoncurrentVersionTransitions ?? [])];
  if (moves.some(({ StorageClass }) => OFFLINE_CLASSES.has(StorageClass ?? ''))) {
    harm.push(`${name} moves objects to where they cannot be read at once`);
  }
  return harm;
}

interface Policy {
  Version: string;
  Statement: {
    Sid: Sid;
    Effect: 'Deny';
    Principal: '*';
    Action: string | string[];
    Resource: string[];
    Condition?: object;
  }[];
}

type Sid = 'TruetrailOnlyTls' | 'TruetrailNoDeleteMarkers' | 'TruetrailNoOtherLifecycle';

const SAID: Record<Sid, string> = {
  TruetrailOnlyTls: 'requests without TLS',
  TruetrailNoDeleteMarkers: 'delete markers',
  TruetrailNoOtherLifecycle: 'changes of the lifecycle rules',
};

/**
 * What nobody may do, the owner of the bucket included until he changes the policy: a brake, where Object Lock is the
 * wall. The service removes versions by their id, and writes no delete marker. TLS is demanded where the endpoint has it.
 */
export function bucketPolicy(bucket: string, { isTls, region }: { isTls: boolean; region: string }): Policy {
  const partition = region.startsWith('cn-') ? 'aws-cn' : region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws';
  const all = `arn:${partition}:s3:::${bucket}`;
  const deny = { Effect: 'Deny', Principal: '*' } as const;
  return {
    Version: '2012-10-17',
    Statement: [
      ...(isTls
        ? [
            {
              Sid: 'TruetrailOnlyTls' as const,
              ...deny,
              Action: 's3:*',
              Resource: [all, `${all}/*`],
              Condition: { Bool: { 'aws:SecureTransport': 'false' } },
            },
          ]
        : []),
      { Sid: 'TruetrailNoDeleteMarkers', ...deny, Action: 's3:DeleteObject', Resource: [`${all}/*`] },
      { Sid: 'TruetrailNoOtherLifecycle', ...deny, Action: 's3:PutLifecycleConfiguration', Resource: [all] },
    ],
  };
}
