import type { AsyncBuffer } from 'hyparquet';
import type { StoredRow } from '../integrity/stored-event.js';
import { ArchiveObjectError } from './archive-format.js';
import { readColumns, readFooter, readRowGroup, type GroupColumns, type ObjectFooter } from './archive-object.js';
import { readEntitiesFooter, readEntityGroup, type EntitiesFooter, type EntityEntry } from './entity-index.js';
import type { ObjectStore } from './object-store.js';
import { bytesOfGroup, FOOTER_BYTES, loadCompression } from './parquet-file.js';
import type { RangeCache } from './range-cache.js';

/** An object, and where it is. */
export interface ObjectPlace {
  object_key: string;
  version_id: string;
  /** hex */
  sha256: string;
  bytes: string;
}

/** What is kept in memory; row groups as they are stored. */
const KEPT_FOOTERS = 32;
const KEPT_GROUPS = 8;

type EntityGroup = (EntityEntry & { ledger: string })[];

/** Objects as far as they were read: footers and row groups of the last ones are kept. */
export class ObjectFiles {
  private readonly footers = new Recent<Promise<ObjectFooter>>(KEPT_FOOTERS);
  private readonly entityFooters = new Recent<Promise<EntitiesFooter>>(KEPT_FOOTERS);
  private readonly groups = new Recent<Promise<AsyncBuffer>>(KEPT_GROUPS);
  private readonly entityGroups = new Recent<Promise<EntityGroup>>(KEPT_GROUPS);

  constructor(
    private readonly store: ObjectStore,
    private readonly cache: RangeCache | undefined,
  ) {}

  /** The same objects with nothing of them read yet, and past the cache. */
  fresh(): ObjectFiles {
    return new ObjectFiles(this.store, undefined);
  }

  /** Gives up what is kept of objects, on disk too: they were deleted. */
  async forget(objects: readonly ObjectPlace[]): Promise<void> {
    for (const kept of [this.footers, this.entityFooters, this.groups, this.entityGroups]) {
      for (const { object_key: key } of objects) kept.forget(key);
    }
    await this.cache?.forget(objects.map(({ sha256 }) => `${sha256}-`));
  }

  footer(object: ObjectPlace): Promise<ObjectFooter> {
    return this.footers.get(object.object_key, async () => readFooter(await this.end(object)));
  }

  entitiesFooter(object: ObjectPlace): Promise<EntitiesFooter> {
    return this.entityFooters.get(object.object_key, async () => readEntitiesFooter(await this.end(object)));
  }

  /** The rows of a row group, in order: all, or those at some places. */
  async rows(
    object: ObjectPlace,
    footer: ObjectFooter,
    group: number,
    places?: readonly number[],
  ): Promise<StoredRow<number>[]> {
    return readRowGroup(await this.groupFile(object, footer, group), footer, group, places);
  }

  /** Some columns of a row group. */
  async columns(
    object: ObjectPlace,
    footer: ObjectFooter,
    group: number,
    names: readonly string[],
  ): Promise<GroupColumns> {
    return readColumns(await this.groupFile(object, footer, group), footer, group, names);
  }

  entities(object: ObjectPlace, footer: EntitiesFooter, group: number): Promise<EntityGroup> {
    return this.entityGroups.get(`${object.object_key} ${group}`, async () =>
      readEntityGroup(await this.groupFile(object, footer, group), footer, group),
    );
  }

  /** Bytes of an object as they are. Throws ArchiveObjectError when it ends before them. */
  bytes(object: ObjectPlace, start: number, length: number): Promise<Buffer> {
    return this.range(object, start, start + length);
  }

  /** The end of an object, with the footer in it. */
  private async end(object: ObjectPlace): Promise<AsyncBuffer> {
    await loadCompression();
    const byteLength = Number(object.bytes);
    const start = Math.max(0, byteLength - FOOTER_BYTES);
    return this.windowed(object, start, await this.range(object, start, byteLength));
  }

  /** A row group in one request: its columns are read from that. */
  private groupFile(
    object: ObjectPlace,
    { metadata }: Pick<ObjectFooter, 'metadata'>,
    group: number,
  ): Promise<AsyncBuffer> {
    return this.groups.get(`${object.object_key} ${group}`, async () => {
      await loadCompression();
      const { start, end } = bytesOfGroup(metadata, group);
      return this.windowed(object, start, await this.range(object, start, end));
    });
  }

  /** An object of which a part is here; the rest is fetched when it is asked for. */
  private windowed(object: ObjectPlace, offset: number, part: Buffer): AsyncBuffer {
    const byteLength = Number(object.bytes);
    return {
      byteLength,
      slice: async (start, end = byteLength) => {
        const isHere = start >= offset && end <= offset + part.length;
        const bytes = isHere ? part.subarray(start - offset, end - offset) : await this.range(object, start, end);
        return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
      },
    };
  }

  private async range(
    { object_key: key, version_id: versionId, sha256 }: ObjectPlace,
    start: number,
    end: number,
  ): Promise<Buffer> {
    const fetch = async (): Promise<Buffer> => {
      const bytes = await this.store.readRange({ key, versionId }, start, end - start);
      if (bytes.length !== end - start) throw new ArchiveObjectError(`${key} ends before byte ${end}`);
      return bytes;
    };
    return this.cache ? this.cache.get(`${sha256}-${start}-${end}`, fetch) : fetch();
  }
}

/** The values that were asked for last. What could not be made is forgotten. */
class Recent<T extends Promise<unknown>> {
  private readonly values = new Map<string, T>();

  constructor(private readonly most: number) {}

  /** Values under a name, alone or with something after it. */
  forget(name: string): void {
    for (const key of this.values.keys()) if (key === name || key.startsWith(`${name} `)) this.values.delete(key);
  }

  get(key: string, make: () => T): T {
    const value = this.values.get(key) ?? make();
    this.values.delete(key);
    this.values.set(key, value);
    value.catch(() => this.values.delete(key));
    for (const oldest of this.values.keys()) {
      if (this.values.size <= this.most) break;
      this.values.delete(oldest);
    }
    return value;
  }
}
