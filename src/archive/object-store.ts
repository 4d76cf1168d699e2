/**
 * Where archive objects live. The contract, for both implementations:
 *
 * - **Durability.** `put` resolves once the object would survive the loss of this process and of this machine's memory.
 * - **Overwriting.** An object is written once. What is there under a key counts: the oldest version of it, also where a
 *   store takes later ones or delete markers on top. To put the same bytes again finds them there; to put others throws
 *   ObjectConflict. Everything else names a version.
 * - **Retention.** From the moment it is there an object is locked until its retain-until time: nobody can remove it
 *   before, whoever holds the keys (S3: COMPLIANCE). The time may be moved later and never earlier.
 * - **Failures.** Errors of network and store are tried again a few times and then thrown as StoreUnavailable. Everything
 *   may be repeated.
 */
export interface ObjectStore {
  /** For people and catalogues: `s3://bucket/prefix/` or `file:///folder/`; a key appended to it is the object's address. */
  readonly location: string;
  /** Whether bytes of a version can be changed where they are: by whoever may write to a folder, and nobody in S3. */
  readonly isChangeable: boolean;
  /** The server to which the last request went; undefined before the first one, and of a folder. */
  readonly endpoint: URL | undefined;
  /** The same store for work that may be told to stop: what it waits for then ends, with the signal's reason. */
  within(signal: AbortSignal): ObjectStore;
  /** Throws ObjectConflict, StoreUnavailable. */
  put(object: NewObject): Promise<PutResult>;
  /** A part of a version, `length` bytes from `offset` on. Throws ObjectMissing, StoreUnavailable. */
  readRange(version: ObjectVersion, offset: number, length: number): Promise<Buffer>;
  /** All of a version, a chunk at a time. Throws ObjectMissing, StoreUnavailable. */
  read(version: ObjectVersion): AsyncIterable<Buffer>;
  /** Throws ObjectMissing, StoreUnavailable. */
  describe(version: ObjectVersion): Promise<ObjectDescription>;
  /** Every version and delete marker below a prefix, in the order of keys, those of a key from the oldest on. */
  list(prefix: string): AsyncIterable<ListedVersion>;
  /** Every version and delete marker of one key, from the oldest on; none where nothing is. Costs no more beside many others. */
  versionsOf(key: string): Promise<ListedVersion[]>;
  /** Moves the retain-until time later. Throws RetentionRefused when it would move earlier; ObjectMissing. */
  extendRetention(version: ObjectVersion, until: Date): Promise<void>;
  setLegalHold(version: ObjectVersion, on: boolean): Promise<void>;
  /** Removes a version for good. Throws RetentionRefused while it is locked or held. */
  remove(version: ObjectVersion): Promise<void>;
  /** What is wrong with the store for this purpose; nothing when it is as it should be. Throws StoreUnavailable. */
  inspect(): Promise<StoreFault[]>;
}

export interface ObjectVersion {
  /** `a-z 0-9 . _ - /`, relative to the store's location */
  key: string;
  /** as the store names it */
  versionId: string;
}

export interface NewObject {
  key: string;
  /** a file that holds the bytes; it is read, and neither changed nor removed */
  file: string;
  bytes: number;
  /** of the bytes, 32 */
  sha256: Buffer;
  /** of the bytes, 16: what S3 checks for itself while it takes them */
  md5: Buffer;
  contentType: string;
  /** kept with the object; ASCII */
  metadata: Readonly<Record<string, string>>;
  retainUntil: Date;
}

export interface PutResult extends ObjectVersion {
  /** it was there already, with the same bytes */
  existed: boolean;
}

export interface ObjectDescription {
  bytes: number;
  /** when the store took it, by its own clock */
  writtenAt: Date;
  metadata: Readonly<Record<string, string>>;
  /** null when nothing locks it */
  retainUntil: Date | null;
  /** whether nobody at all can shorten that */
  isCompliance: boolean;
  legalHold: boolean;
}

export interface ListedVersion extends ObjectVersion {
  isDeleteMarker: boolean;
  /** whether it is what a reader without a version id would get */
  isLatest: boolean;
  bytes: number;
}

export interface StoreFault {
  /** in metrics and records, for ever */
  rule: 'object-lock' | 'default-retention' | 'versioning' | 'encryption' | 'clock' | 'access';
  detail: string;
}

/** Under the key stands an object of other bytes. */
export class ObjectConflict extends Error {
  override name = 'ObjectConflict';
}

/** There is no such version. */
export class ObjectMissing extends Error {
  override name = 'ObjectMissing';
}

/** The lock of an object forbids it. */
export class RetentionRefused extends Error {
  override name = 'RetentionRefused';
}

/** The store does not answer, or not usefully; it may be asked again later. */
export class StoreUnavailable extends Error {
  override name = 'StoreUnavailable';
}

/** Names of all objects: what file systems, S3 and URLs take without escaping. */
export const OBJECT_KEY = /^[a-z0-9][a-z0-9._-]*(\/[a-z0-9][a-z0-9._-]*)*$/;

/** The names under which digests stand in an object's metadata. */
export const SHA256_METADATA = 'sha256';
