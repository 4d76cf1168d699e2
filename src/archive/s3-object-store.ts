import { setMaxListeners } from 'node:events';
import { createReadStream } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import {
  DeleteObjectCommand,
  GetBucketEncryptionCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  GetObjectLockConfigurationCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectRetentionCommand,
  S3Client,
  type PutObjectCommandInput,
} from '@aws-sdk/client-s3';
import {
  OBJECT_KEY,
  ObjectConflict,
  ObjectMissing,
  RetentionRefused,
  SHA256_METADATA,
  StoreUnavailable,
  type ListedVersion,
  type NewObject,
  type ObjectDescription,
  type ObjectStore,
  type ObjectVersion,
  type PutResult,
  type StoreFault,
} from './object-store.js';
import { explain, isMissing, isOfStore, mayPass, nameOf, statusOf } from './s3-errors.js';

export interface S3Settings {
  bucket: string;
  /** '' or ending in a slash */
  prefix: string;
  /** S3's own, where it is not the bucket's default */
  storageClass?: string | undefined;
  /** SSE-KMS with this key; otherwise SSE-S3 */
  kmsKeyId?: string | undefined;
  /** what any request may take, beside the time for its bytes */
  timeoutMs?: number | undefined;
}

const ATTEMPTS = 4;
const RETRY_PAUSES_MS = [100, 500, 2_000];
const CONNECTION_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** A line that carries less than 1 MB/s is no store. */
const TIMEOUT_MS_A_BYTE = 1 / 1_000;
/** How far the store's clock may be from ours: it decides how long a lock lasts. */
const CLOCK_TOLERANCE_MS = 60_000;
/** The SDK warns on the console, in lines of its own, of what is thrown as well. */
const SILENT = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
interface Listed {
  LastModified?: Date | undefined;
  IsLatest?: boolean | undefined;
  isDeleteMarker: boolean;
}
/** A PutObject takes 5 GiB; the exporter's objects are far smaller. */
const MAX_OBJECT_BYTES = 5 * 2 ** 30;

/**
 * S3 with Object Lock in COMPLIANCE mode, or a store that speaks it. Region, endpoint and credentials are the SDK's own
 * business (AWS_* variables, workload identity).
 *
 * One PutObject an object, whatever its size: it carries the lock, `If-None-Match`, Content-MD5 and SHA-256 in one
 * request, so there is no moment at which the object is there and not locked. (The lock of a multipart upload is set by
 * a request of its own on some stores.)
 */
export class S3ObjectStore implements ObjectStore {
  readonly location: string;
  readonly isChangeable = false;
  private readonly client: S3Client;
  private readonly timeoutMs: number;

  constructor(
    private readonly settings: S3Settings,
    client?: S3Client,
    private readonly signal?: AbortSignal,
    private readonly reached: { endpoint?: URL } = {},
  ) {
    this.location = `s3://${settings.bucket}/${settings.prefix}`;
    this.timeoutMs = settings.timeoutMs ?? REQUEST_TIMEOUT_MS;
    this.client =
      client ??
      new S3Client({
        logger: SILENT,
        maxAttempts: 1, // a stream can be sent once; `attempt` begins anew
        requestChecksumCalculation: 'WHEN_REQUIRED', // ours are computed before the request, over the file
        requestHandler: { connectionTimeout: CONNECTION_TIMEOUT_MS, socketTimeout: this.timeoutMs },
      });
    if (!client) this.rememberEndpoint();
  }

  get endpoint(): URL | undefined {
    return this.reached.endpoint;
  }

  /** Environment and profile name it, or bucket and region give it: the SDK alone knows, and tells nobody but its requests. */
  private rememberEndpoint(): void {
    this.client.middlewareStack.add(
      (next) => (args) => {
        const { protocol, hostname, port } = args.request as { protocol: string; hostname: string; port?: number };
        this.reached.endpoint = new URL(`${protocol}//${hostname}${port === undefined ? '' : `:${port}`}`);
        return next(args);
      },
      { step: 'finalizeRequest', name: 'rememberEndpoint' },
    );
  }

  within(signal: AbortSignal): S3ObjectStore {
    setMaxListeners(0, signal); // one for each request that is under way
    return new S3ObjectStore(this.settings, this.client, signal, this.reached);
  }

  async put(object: NewObject): Promise<PutResult> {
    const { key, bytes } = object;
    if (bytes > MAX_OBJECT_BYTES) throw new Error(`an object of ${bytes} bytes: S3 takes ${MAX_OBJECT_BYTES} at once`);
    const before = await this.oldestVersion(key);
    if (before) return this.existing(before, object);
    await this.repeat(async (attempt) => {
      // the attempt before may have had its effect and lost its answer, and not every store minds If-None-Match
      if (attempt > 1 && (await this.oldestVersion(key))) return;
      await this.limit(bytes, async (signal) => {
        const body = createReadStream(object.file, { highWaterMark: 1 << 18 });
        // nobody else listens: the SDK would let an error of the file end the process
        const broken = new Promise<never>((_, reject) => body.once('error', reject));
        try {
          const command = new PutObjectCommand({ ...this.putInput(object), Body: body });
          await Promise.race([this.client.send(command, { abortSignal: signal }), broken]);
        } catch (error) {
          // somebody was faster, or an earlier attempt of ours: what is there is looked at below
          if (statusOf(error) !== 412) throw error;
        } finally {
          body.destroy();
        }
      });
    });
    // Where the store ignores the condition there may be two by now: the oldest counts.
    const oldest = await this.oldestVersion(key);
    if (!oldest) throw new StoreUnavailable(`${this.location}${key} was written and is not listed`);
    const result = await this.existing(oldest, object);
    return { ...result, existed: false };
  }

  private putInput({ key, bytes, sha256, md5, contentType, metadata, retainUntil }: NewObject) {
    const { storageClass, kmsKeyId } = this.settings;
    return {
      ...this.address(key),
      ContentLength: bytes,
      ContentMD5: md5.toString('base64'),
      ChecksumSHA256: sha256.toString('base64'),
      ContentType: contentType,
      Metadata: { ...metadata, [SHA256_METADATA]: sha256.toString('hex') },
      IfNoneMatch: '*',
      ObjectLockMode: 'COMPLIANCE',
      ObjectLockRetainUntilDate: retainUntil,
      ...(kmsKeyId === undefined
        ? { ServerSideEncryption: 'AES256' }
        : { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: kmsKeyId }),
      ...(storageClass === undefined
        ? {}
        : { StorageClass: storageClass as NonNullable<PutObjectCommandInput['StorageClass']> }),
    } satisfies PutObjectCommandInput;
  }

  /** What is there under a key, if it holds the object's bytes. Throws ObjectConflict. */
  private async existing(version: ObjectVersion, { bytes, sha256 }: NewObject): Promise<PutResult> {
    const there = await this.describe(version);
    if (there.bytes === bytes && there.metadata[SHA256_METADATA] === sha256.toString('hex')) {
      return { key: version.key, versionId: version.versionId, existed: true };
    }
    throw new ObjectConflict(`${this.location}${version.key}, version ${version.versionId}, holds other bytes`);
  }

  private async oldestVersion(key: string): Promise<ObjectVersion | undefined> {
    return (await this.versionsOf(key)).find(({ isDeleteMarker }) => !isDeleteMarker);
  }

  readRange(version: ObjectVersion, offset: number, length: number): Promise<Buffer> {
    return this.attempt(length, async (signal) => {
      const { Body } = await this.client.send(
        new GetObjectCommand({ ...this.versionOf(version), Range: `bytes=${offset}-${offset + length - 1}` }),
        { abortSignal: signal },
      );
      return Buffer.from(await Body!.transformToByteArray());
    });
  }

  async *read(version: ObjectVersion): AsyncGenerator<Buffer> {
    const { bytes } = await this.describe(version);
    const part = 8 * 2 ** 20; // a part that fails is asked for again, and not the whole
    for (let offset = 0; offset < bytes; offset += part) {
      yield await this.readRange(version, offset, Math.min(part, bytes - offset));
    }
  }

  describe(version: ObjectVersion): Promise<ObjectDescription> {
    return this.attempt(0, async (signal) => {
      const head = await this.client.send(new HeadObjectCommand(this.versionOf(version)), { abortSignal: signal });
      return {
        bytes: head.ContentLength ?? 0,
        writtenAt: head.LastModified ?? new Date(), // every store says; one that does not has it locked for longer
        metadata: head.Metadata ?? {},
        retainUntil: head.ObjectLockRetainUntilDate ?? null,
        isCompliance: head.ObjectLockMode === 'COMPLIANCE',
        legalHold: head.ObjectLockLegalHoldStatus === 'ON',
      };
    });
  }

  async *list(prefix: string): AsyncGenerator<ListedVersion> {
    const { bucket, prefix: own } = this.settings;
    let marker: { KeyMarker?: string; VersionIdMarker?: string } | undefined = {};
    let ofKey: ListedVersion[] = [];
    while (marker) {
      const at: { KeyMarker?: string; VersionIdMarker?: string } = marker;
      const page = await this.attempt(0, (signal) =>
        this.client.send(new ListObjectVersionsCommand({ Bucket: bucket, Prefix: own + prefix, ...at }), {
          abortSignal: signal,
        }),
      );
      const markers = (page.DeleteMarkers ?? []).map((each) => ({ ...each, Size: 0, isDeleteMarker: true }));
      const all = [...(page.Versions ?? []).map((each) => ({ ...each, isDeleteMarker: false })), ...markers];
      all.sort((a, b) => compare(a.Key!, b.Key!) || fromTheNewest(a, b));
      for (const { Key, VersionId, Size, IsLatest, isDeleteMarker } of all) {
        const key = Key!.slice(own.length);
        if (ofKey[0] && ofKey[0].key !== key) {
          yield* ofKey.reverse();
          ofKey = [];
        }
        ofKey.push({
          key,
          versionId: VersionId ?? 'null',
          isDeleteMarker,
          isLatest: IsLatest === true,
          bytes: Size ?? 0,
        });
      }
      marker = page.IsTruncated
        ? {
            KeyMarker: page.NextKeyMarker!,
            ...(page.NextVersionIdMarker ? { VersionIdMarker: page.NextVersionIdMarker } : {}),
          }
        : undefined;
    }
    yield* ofKey.reverse();
  }

  async versionsOf(key: string): Promise<ListedVersion[]> {
    const versions: ListedVersion[] = [];
    for await (const version of this.list(key)) {
      if (version.key !== key) break; // those that begin with it come after it
      versions.push(version);
    }
    return versions;
  }

  async extendRetention(version: ObjectVersion, until: Date): Promise<void> {
    const { retainUntil } = await this.describe(version);
    if (retainUntil && until < retainUntil) {
      throw new RetentionRefused(
        `${version.key} is locked until ${retainUntil.toISOString()}, and that cannot be shortened`,
      );
    }
    await this.attempt(0, (signal) =>
      this.client.send(
        new PutObjectRetentionCommand({
          ...this.versionOf(version),
          Retention: { Mode: 'COMPLIANCE', RetainUntilDate: until },
          ChecksumAlgorithm: 'SHA256',
        }),
        { abortSignal: signal },
      ),
    );
  }

  async setLegalHold(version: ObjectVersion, on: boolean): Promise<void> {
    await this.attempt(0, (signal) =>
      this.client.send(
        new PutObjectLegalHoldCommand({
          ...this.versionOf(version),
          LegalHold: { Status: on ? 'ON' : 'OFF' },
          ChecksumAlgorithm: 'SHA256',
        }),
        { abortSignal: signal },
      ),
    );
  }

  async remove(version: ObjectVersion): Promise<void> {
    await this.attempt(0, async (signal) => {
      try {
        await this.client.send(new DeleteObjectCommand(this.versionOf(version)), { abortSignal: signal });
      } catch (error) {
        if (statusOf(error) !== 403) throw error;
        throw new RetentionRefused(`the store refuses to remove ${version.key}: it is locked, or not ours to remove`, {
          cause: error,
        });
      }
    });
  }

  async inspect(): Promise<StoreFault[]> {
    const { bucket } = this.settings;
    const faults: StoreFault[] = [];
    let answeredAt: Date | undefined;
    const ask = async <T>(rule: StoreFault['rule'], what: string, work: (signal: AbortSignal) => Promise<T>) => {
      try {
        return await this.attempt(0, work);
      } catch (error) {
        const cause = (error as Error).cause ?? error;
        if (statusOf(cause) === undefined) throw error;
        faults.push({ rule, detail: `${what} cannot be read: ${nameOf(cause)}` });
        return undefined;
      }
    };
    const versioning = await ask('versioning', 'versioning', (abortSignal) =>
      this.client.send(new GetBucketVersioningCommand({ Bucket: bucket }), { abortSignal }),
    );
    if (versioning && versioning.Status !== 'Enabled') {
      faults.push({ rule: 'versioning', detail: 'versioning is off: an object could be overwritten' });
    }
    const lock = await ask('object-lock', 'the Object Lock configuration', (abortSignal) =>
      this.client.send(new GetObjectLockConfigurationCommand({ Bucket: bucket }), { abortSignal }),
    );
    if (lock) {
      const { ObjectLockEnabled, Rule } = lock.ObjectLockConfiguration ?? {};
      if (ObjectLockEnabled !== 'Enabled') faults.push({ rule: 'object-lock', detail: 'Object Lock is off' });
      else if (Rule?.DefaultRetention?.Mode !== 'COMPLIANCE') {
        faults.push({
          rule: 'default-retention',
          detail: 'there is no default retention in COMPLIANCE mode: what others write here is not locked',
        });
      }
    }
    const encryption = await ask('encryption', 'the encryption configuration', (abortSignal) =>
      this.client.send(new GetBucketEncryptionCommand({ Bucket: bucket }), { abortSignal }),
    );
    if (encryption && !encryption.ServerSideEncryptionConfiguration?.Rules?.length) {
      faults.push({ rule: 'encryption', detail: 'the bucket has no default encryption' });
    }
    this.client.middlewareStack.add(
      (next) => async (args) => {
        const result = await next(args);
        const date = (result.response as { headers?: Record<string, string> }).headers?.date;
        if (date !== undefined) answeredAt = new Date(date);
        return result;
      },
      { step: 'deserialize', name: 'readDate', override: true },
    );
    await ask('access', 'the bucket', (abortSignal) =>
      this.client.send(new ListObjectVersionsCommand({ Bucket: bucket, Prefix: this.settings.prefix, MaxKeys: 1 }), {
        abortSignal,
      }),
    );
    this.client.middlewareStack.remove('readDate');
    const difference = answeredAt === undefined ? 0 : Math.abs(Date.now() - answeredAt.getTime());
    if (difference > CLOCK_TOLERANCE_MS) {
      faults.push({ rule: 'clock', detail: `the store's clock is ${Math.round(difference / 1000)} s from ours` });
    }
    return faults;
  }

  private address(key: string): { Bucket: string; Key: string } {
    if (!OBJECT_KEY.test(key)) throw new Error(`${key} is no key of an object`);
    return { Bucket: this.settings.bucket, Key: this.settings.prefix + key };
  }

  private versionOf({ key, versionId }: ObjectVersion): { Bucket: string; Key: string; VersionId: string } {
    return { ...this.address(key), VersionId: versionId };
  }

  private attempt<T>(bytes: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.repeat(() => this.limit(bytes, work));
  }

  /** Tries again what may pass; throws errors of the contract, and our own as they are. */
  private async repeat<T>(work: (attempt: number) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work(attempt);
      } catch (error) {
        this.signal?.throwIfAborted();
        if (!isOfStore(error)) throw error;
        if (isMissing(error)) {
          throw new ObjectMissing(`the store has no such object: ${nameOf(error)}`, { cause: error });
        }
        if (mayPass(error) && attempt < ATTEMPTS) {
          await pause(RETRY_PAUSES_MS[attempt - 1], undefined, { signal: this.signal });
          continue;
        }
        throw new StoreUnavailable(`${this.location} ${explain(error, this.timeoutMs)}`, { cause: error });
      }
    }
  }

  /** Ends the work when it takes too long, and when nobody waits for it any more. */
  private async limit<T>(bytes: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const ended = new AbortController();
    const end = (): void => ended.abort();
    const timer = setTimeout(end, this.timeoutMs + Math.ceil(bytes * TIMEOUT_MS_A_BYTE));
    this.signal?.addEventListener('abort', end, { once: true });
    try {
      this.signal?.throwIfAborted();
      return await work(ended.signal);
    } finally {
      clearTimeout(timer);
      this.signal?.removeEventListener('abort', end);
    }
  }
}

/**
 * The order in which S3 lists a key's versions, and its delete markers apart from them. A marker of the same second as a
 * version came after it, unless the version is the latest: what is there first is not a marker.
 */
function fromTheNewest(a: Listed, b: Listed): number {
  const byTime = b.LastModified!.getTime() - a.LastModified!.getTime();
  const byLatest = Number(b.IsLatest === true) - Number(a.IsLatest === true);
  return byTime || byLatest || Number(b.isDeleteMarker) - Number(a.isDeleteMarker);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
