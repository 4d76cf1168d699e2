import { putBytes } from '../archive/archive-store.js';
import { ObjectConflict, type ListedVersion, type ObjectStore } from '../archive/object-store.js';
import {
  ANCHOR_PREFIX,
  AnchorError,
  anchorBytes,
  anchorHash,
  anchorKey,
  parseAnchor,
  type Anchor,
} from '../integrity/anchor.js';

/** An anchor as it stands in the store: the oldest version under its key. */
export interface StoredAnchor {
  anchor: Anchor;
  bytes: Buffer;
  sha256: Buffer;
  versionId: string;
  /** of whoever wrote it, as the object's metadata says; nothing is trusted because of it */
  publicKey: Buffer | undefined;
  /** null when nothing locks it */
  retainUntil: Date | null;
  /** whether nobody at all can shorten that */
  isCompliance: boolean;
  /** later versions of other bytes, or delete markers: somebody has tried to put another history in its place */
  intruders: string[];
}

/** Of the largest anchor: 100,000 ledgers. */
const MAX_ANCHOR_BYTES = 64 * 1024 * 1024;
/** Digits of a hundred in the name of an anchor: those of one hundred begin alike. */
const HUNDRED_DIGITS = 2;
/** Anchors that are read side by side. */
export const READ_AT_ONCE = 16;
const PUBLIC_KEY_METADATA = 'public-key';
const CONTENT_TYPE = 'application/json';

/** What is written for each number is written once: who comes second sees that somebody was there. */
export class AnchorStore {
  constructor(private readonly store: ObjectStore) {}

  get location(): string {
    return this.store.location;
  }

  /** undefined when there is none of this number. Throws AnchorError for what is no anchor, StoreUnavailable. */
  async read(number: bigint): Promise<StoredAnchor | undefined> {
    const versions = fromTheOldest(await this.store.versionsOf(anchorKey(number)));
    return versions.length === 0 ? undefined : this.readOldest(versions);
  }

  /**
   * Those from a number on, without a gap: at most those of its hundred, which are listed at once and read side by side.
   * Throws as `read` does where the first cannot be read; one that cannot be is the end otherwise.
   */
  async readHundredFrom(first: bigint): Promise<StoredAnchor[]> {
    const listed = await this.versions(anchorKey(first).slice(0, -HUNDRED_DIGITS));
    const wanted: ListedVersion[][] = [];
    for (let number = first; ; number++) {
      const versions = fromTheOldest(listed.get(anchorKey(number)) ?? []);
      if (versions.length === 0) break;
      wanted.push(versions);
    }
    const found: StoredAnchor[] = [];
    for (let at = 0; at < wanted.length; at += READ_AT_ONCE) {
      const read = await Promise.allSettled(
        wanted.slice(at, at + READ_AT_ONCE).map((versions) => this.readOldest(versions)),
      );
      for (const each of read) {
        if (each.status === 'fulfilled') found.push(each.value);
        else if (found.length > 0) return found;
        else throw each.reason;
      }
    }
    return found;
  }

  private async readOldest([oldest, ...later]: readonly ListedVersion[]): Promise<StoredAnchor> {
    if (!oldest) throw new Error('an anchor has a version');
    const bytes = await this.bytesOf(oldest);
    const intruders: string[] = [];
    for (const version of later) {
      if (version.isDeleteMarker || !(await this.bytesOf(version)).equals(bytes)) intruders.push(version.versionId);
    }
    const { metadata, retainUntil, isCompliance } = await this.store.describe(oldest);
    const publicKey = metadata[PUBLIC_KEY_METADATA];
    return {
      anchor: this.parse(oldest, bytes),
      bytes,
      sha256: anchorHash(bytes),
      versionId: oldest.versionId,
      retainUntil,
      isCompliance,
      publicKey: publicKey === undefined ? undefined : Buffer.from(publicKey, 'base64'),
      intruders,
    };
  }

  private parse({ key }: ListedVersion, bytes: Buffer): Anchor {
    try {
      return parseAnchor(bytes);
    } catch (error) {
      if (!(error instanceof AnchorError)) throw error;
      throw new AnchorError(`${key} in ${this.location}: ${error.message}`, { cause: error });
    }
  }

  /**
   * Writes an anchor, unless there is one of its number already: then undefined, also where the store took both and the
   * other is the older one. Throws StoreUnavailable; then it is unknown whether it was written.
   */
  async write(anchor: Anchor, publicKey: Buffer, retainUntil: Date): Promise<StoredAnchor | undefined> {
    const bytes = anchorBytes(anchor);
    try {
      await putBytes(this.store, bytes, {
        key: anchorKey(anchor.number),
        contentType: CONTENT_TYPE,
        metadata: { [PUBLIC_KEY_METADATA]: publicKey.toString('base64') },
        retainUntil,
      });
    } catch (error) {
      if (error instanceof ObjectConflict) return undefined;
      throw error;
    }
    const stored = await this.read(anchor.number);
    return stored?.bytes.equals(bytes) ? stored : undefined;
  }

  /**
   * Whether what stands under the name of an anchor may have been put in the place of one, as in a folder where later ones
   * are. In S3 it is the oldest version, so there was never another.
   */
  async mayHideOthers(number: bigint): Promise<boolean> {
    if (!this.store.isChangeable) return false;
    return (await this.strangers(number)).some((key) => key > anchorKey(number));
  }

  /** Names below the anchors' own that are not those of anchors up to a number. */
  async strangers(upTo: bigint): Promise<string[]> {
    const strange = new Set<string>();
    for await (const { key } of this.store.list(ANCHOR_PREFIX)) {
      if (!isAnchorUpTo(key, upTo)) strange.add(key);
    }
    return [...strange];
  }

  /** By key. */
  private async versions(prefix: string): Promise<Map<string, ListedVersion[]>> {
    const found = new Map<string, ListedVersion[]>();
    for await (const version of this.store.list(prefix)) {
      const versions = found.get(version.key);
      if (versions) versions.push(version);
      else found.set(version.key, [version]);
    }
    return found;
  }

  private async bytesOf(version: ListedVersion): Promise<Buffer> {
    if (version.bytes > MAX_ANCHOR_BYTES) throw new Error(`${version.key} has ${version.bytes} bytes: it is no anchor`);
    const chunks: Buffer[] = [];
    for await (const chunk of this.store.read(version)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }
}

/** The oldest version is never a delete marker, which hides something. */
function fromTheOldest(versions: readonly ListedVersion[]): ListedVersion[] {
  const oldest = versions.findIndex(({ isDeleteMarker }) => !isDeleteMarker);
  return oldest < 0 ? [] : versions.slice(oldest);
}

/** Whether a name is that of an anchor, from 1 up to a number. */
export function isAnchorUpTo(key: string, last: bigint): boolean {
  const number = BigInt(/^anchors\/([0-9]{12,18})$/.exec(key)?.[1] ?? 0);
  return number >= 1n && number <= last && anchorKey(number) === key;
}
