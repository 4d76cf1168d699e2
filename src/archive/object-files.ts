import type { AsyncBuffer } from 'hyparquet';
import type { StoredRow } from '../integrity/stored-event.js';
import { ArchiveObjectError } from './archive-format.js';
import {
  readColumns,
  readFooter,
  readRowGroup,
  ROW_GROUP_ROWS,
  type GroupColumns,
  type ObjectFooter,
} from './archive-object.js';
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

/** The object that an event is in, and what else is in it. */
export interface EventPlace extends ObjectPlace {
  /** in the object, of all ledgers */
  events: string;
  /** that stand in the object before this ledger's: it has its ledgers in the order of their names */
  events_before: string;
  from_sequence: string;
  /** included */
  to_sequence: string;
}

/** What is kept in memory; row groups as they are stored. */
const KEPT_FOOTERS = 32;
const KEPT_GROUPS = 8;
const KEPT_PARTS = 4;

/** A footer takes 1,760 to 1,790 bytes a row group of order events, real ones and made ones. */
const FOOTER_BYTES_A_GROUP = 1_780;
/** More for what is unlike these. A footer that is longer all the same costs a second request. */
const SPARE_FOOTER_BYTES = 16_384;
/**
 * By how much of its size a row group is asked for before and behind the place where it is if all are equally large. Of
 * the 75 row groups of five objects, most of them of real order flow, 66 lie within that; what lies outside costs a
 * second request.
 */
const SPARE_OF_GROUP = 1 / 8;

/** Bytes of an object from one place on. */
interface ObjectPart {
  start: number;
  bytes: Buffer;
}

type EntityGroup = (EntityEntry & { ledger: string })[];

/** Objects as far as they were read: footers and row groups of the last ones are kept. */
export class ObjectFiles {
  private readonly footers = new Recent<Promise<ObjectFooter>>(KEPT_FOOTERS);
  private readonly entityFooters = new Recent<Promise<EntitiesFooter>>(KEPT_FOOTERS);
  private readonly groups = new Recent<Promise<AsyncBuffer>>(KEPT_GROUPS);
  private readonly entityGroups = new Recent<Promise<EntityGroup>>(KEPT_GROUPS);
  /** what was read before it was known what is in it */
  private readonly parts = new Recent<Promise<ObjectPart>>(KEPT_PARTS);

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
    for (const kept of [this.footers, this.entityFooters, this.groups, this.entityGroups, this.parts]) {
      for (const { object_key: key } of objects) kept.forget(key);
    }
    await this.cache?.forget(objects.map(({ sha256 }) => `${sha256}-`));
  }

  footer(object: ObjectPlace & { events: string }): Promise<ObjectFooter> {
    return this.footers.get(object.object_key, () => this.readFooter(object));
  }

  /**
   * The footer of an object of which an event is wanted: if the footer has to be fetched, so is at the same time what is
   * likely to be the event's row group, which otherwise waits for the footer to say where it is.
   */
  footerFor(piece: EventPlace, sequence: bigint): Promise<ObjectFooter> {
    return this.footers.get(piece.object_key, () =>
      this.readFooter(piece, () => {
        const { start, end } = likelyPlaceOf(sequence, piece);
        const part = this.parts.get(piece.object_key, async () => ({
          start,
          bytes: await this.fetch(piece, start, end),
        }));
        part.catch(() => undefined); // who needs it asks again
      }),
    );
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

  /** `beside`: called when the footer is fetched from the store. */
  private async readFooter(object: ObjectPlace & { events: string }, beside?: () => void): Promise<ObjectFooter> {
    const endBytes = bytesOfEnd(object);
    return readFooter(await this.end(object, endBytes, beside), endBytes);
  }

  /** The end of an object, with the footer in it. */
  private async end(object: ObjectPlace, endBytes = FOOTER_BYTES, beside?: () => void): Promise<AsyncBuffer> {
    await loadCompression();
    const byteLength = Number(object.bytes);
    const start = Math.max(0, byteLength - endBytes);
    const bytes = await this.cached(object, start, byteLength, () => {
      const fetched = this.fetch(object, start, byteLength);
      if (start > 0) beside?.();
      return fetched;
    });
    if (start === 0) void this.parts.get(object.object_key, () => Promise.resolve({ start, bytes }));
    return this.windowed(object, start, bytes);
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
      const bytes = await this.cached(object, start, end, () => this.fetchRest(object, start, end));
      return this.windowed(object, start, bytes);
    });
  }

  /** Bytes of an object of which a part may be here or on its way. */
  private async fetchRest(object: ObjectPlace, start: number, end: number): Promise<Buffer> {
    const part = await this.parts.find(object.object_key)?.catch(() => undefined);
    const from = part ? Math.max(start, part.start) : end;
    const to = part ? Math.min(end, part.start + part.bytes.length) : end;
    if (!part || from >= to) return this.fetch(object, start, end);
    const [before, behind] = await Promise.all([
      start < from ? this.fetch(object, start, from) : Buffer.alloc(0),
      to < end ? this.fetch(object, to, end) : Buffer.alloc(0),
    ]);
    return Buffer.concat([before, part.bytes.subarray(from - part.start, to - part.start), behind]);
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

  private range(object: ObjectPlace, start: number, end: number): Promise<Buffer> {
    return this.cached(object, start, end, () => this.fetch(object, start, end));
  }

  private cached({ sha256 }: ObjectPlace, start: number, end: number, fetch: () => Promise<Buffer>): Promise<Buffer> {
    return this.cache ? this.cache.get(`${sha256}-${start}-${end}`, fetch) : fetch();
  }

  private async fetch(
    { object_key: key, version_id: versionId }: ObjectPlace,
    start: number,
    end: number,
  ): Promise<Buffer> {
    const bytes = await this.store.readRange({ key, versionId }, start, end - start);
    if (bytes.length !== end - start) throw new ArchiveObjectError(`${key} ends before byte ${end}`);
    return bytes;
  }
}

/** How much of an object's end is read for its footer. A small object is read as a whole. */
export function bytesOfEnd({ bytes, events }: { bytes: string; events: string }): number {
  if (Number(bytes) <= FOOTER_BYTES) return Number(bytes);
  return Math.min(FOOTER_BYTES, SPARE_FOOTER_BYTES + FOOTER_BYTES_A_GROUP * groupsOfRows(Number(events)));
}

function groupsOfRows(rows: number): number {
  return Math.ceil(rows / ROW_GROUP_ROWS);
}

/** Where an event's row group is likely to be. An object's end is its footer, and each ledger begins a row group. */
function likelyPlaceOf(
  sequence: bigint,
  { bytes, events, events_before, from_sequence, to_sequence }: EventPlace,
): { start: number; end: number } {
  const row = Number(sequence - BigInt(from_sequence));
  const first = row - (row % ROW_GROUP_ROWS);
  const last = Math.min(first + ROW_GROUP_ROWS, Number(BigInt(to_sequence) - BigInt(from_sequence)) + 1);
  const bytesARow = (Number(bytes) - FOOTER_BYTES_A_GROUP * groupsOfRows(Number(events))) / Number(events);
  const spare = SPARE_OF_GROUP * bytesARow * (last - first);
  const begin = (Number(events_before) + first) * bytesARow;
  return {
    start: Math.max(0, Math.floor(begin - spare)),
    end: Math.min(Number(bytes), Math.ceil(begin + (last - first) * bytesARow + spare)),
  };
}

/** The values that were asked for last. What could not be made is forgotten. */
class Recent<T extends Promise<unknown>> {
  private readonly values = new Map<string, T>();

  constructor(private readonly most: number) {}

  /** Values under a name, alone or with something after it. */
  forget(name: string): void {
    for (const key of this.values.keys()) if (key === name || key.startsWith(`${name} `)) this.values.delete(key);
  }

  /** The value of a name, if there is one. */
  find(name: string): T | undefined {
    return this.values.get(name);
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
