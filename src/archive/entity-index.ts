import { parquetRead, type AsyncBuffer, type SchemaElement } from 'hyparquet';
import {
  ArchiveObjectError,
  ENTITIES_FORMAT,
  isEntitiesManifest,
  nonceOf,
  type EntitiesManifest,
  type RangeFacts,
} from './archive-format.js';
import { EntitySums, type KeyedSums } from './entity-sums.js';
import { DESCRIBED } from './format-description.js';
import {
  asObjectError,
  assertColumns,
  assertStatistics,
  DECODING,
  BOOLEAN,
  groupOf,
  INT64,
  ParquetFile,
  readParquetFooter,
  TEXT,
  type WrittenFile,
} from './parquet-file.js';
import type { ParquetMetadata } from './parquet-metadata.js';

/** Rows of a row group, which is what a look-up reads. */
const ROW_GROUP_ROWS = 8_192;

const COLUMNS = {
  ledger: TEXT,
  entity_type: TEXT,
  entity_id: TEXT,
  sequence: INT64,
  is_correction: BOOLEAN,
} as const;
type ColumnName = keyof typeof COLUMNS;
const NAMES = Object.keys(COLUMNS) as ColumnName[];
const IS_CORRECTION = NAMES.indexOf('is_correction');

const SCHEMA: SchemaElement[] = [
  { name: 'entities', num_children: NAMES.length },
  ...NAMES.map((name): SchemaElement => ({ name, ...COLUMNS[name], repetition_type: 'REQUIRED' })),
];

/** Where an event of an entity is. */
export interface EntityEntry {
  entity_type: string;
  entity_id: string;
  sequence: string;
  /** whether it means to correct another */
  is_correction: boolean;
}

/** A finished object of entities, in a file. */
export interface EncodedEntities extends WrittenFile {
  manifest: EntitiesManifest;
  /** it holds no events */
  contents: [];
  /** of what it lists, where they were asked for */
  keyedSums?: KeyedSums;
}

/** What is known of a range before its entities are listed. */
export type EntitiesRange = Omit<RangeFacts, 'entities_hash'>;

/**
 * Writes an object that says where the events of each entity are: a row an event, by ledger, entity and sequence, so that
 * one entity's events are found by the least and greatest values of a few row groups. Holds one row group in memory.
 */
export class EntityIndexWriter {
  private readonly file: ParquetFile;
  private readonly ranges: RangeFacts[] = [];
  private readonly keyedSums = new Map<string, string>();
  private check: EntityListCheck | undefined;
  private columns: Record<ColumnName, (string | bigint | boolean)[]> = emptyColumns();

  constructor(
    path: string,
    private readonly about: { number: bigint; nonce?: string | undefined },
    private readonly listingKey?: string,
  ) {
    this.file = new ParquetFile(path, SCHEMA);
  }

  begin(range: EntitiesRange): void {
    this.endRange();
    this.check = new EntityListCheck(range, this.listingKey);
  }

  /** Throws ArchiveObjectError for an entry out of order, or of no event of the range. */
  add(entry: EntityEntry): void {
    this.check!.take(entry);
    this.columns.ledger.push(this.check!.range.ledger);
    this.columns.entity_type.push(entry.entity_type);
    this.columns.entity_id.push(entry.entity_id);
    this.columns.sequence.push(BigInt(entry.sequence));
    this.columns.is_correction.push(entry.is_correction);
    if (this.columns.ledger.length === ROW_GROUP_ROWS) this.writeRowGroup();
  }

  /** The bytes are durable once it returns. Throws ArchiveObjectError when events of a range are missing. */
  finish(): EncodedEntities {
    this.endRange();
    const manifest: EntitiesManifest = {
      format: ENTITIES_FORMAT,
      kind: 'entities',
      number: String(this.about.number),
      ...nonceOf(this.about),
      ranges: this.ranges,
      ...DESCRIBED,
    };
    const keyed = this.listingKey === undefined ? {} : { keyedSums: this.keyedSums };
    return { manifest, contents: [], ...keyed, ...this.file.finish(manifest) };
  }

  abandon(): void {
    this.file.abandon();
  }

  /** A row group holds entries of one ledger. */
  private endRange(): void {
    if (!this.check) return;
    this.writeRowGroup();
    this.ranges.push(this.check.finish());
    this.check.addKeyedSum(this.keyedSums);
    this.check = undefined;
  }

  private writeRowGroup(): void {
    const rows = this.columns.ledger.length;
    if (rows === 0) return;
    const columnData = NAMES.map((name) => ({ name, data: this.columns[name], statistics: true }));
    this.file.writeRowGroup(columnData, rows);
    this.columns = emptyColumns();
  }
}

function emptyColumns(): Record<ColumnName, (string | bigint | boolean)[]> {
  return { ledger: [], entity_type: [], entity_id: [], sequence: [], is_correction: [] };
}

/** Sees that entries are in order and each event of a range is there once. */
class EntityListCheck {
  private readonly sums: EntitySums;
  private count = 0n;
  private last: EntityEntry | undefined;

  constructor(
    readonly range: EntitiesRange,
    listingKey?: string,
  ) {
    this.sums = new EntitySums(listingKey);
  }

  take(entry: EntityEntry): void {
    const { ledger, from_sequence, to_sequence } = this.range;
    const sequence = BigInt(entry.sequence);
    if (sequence < BigInt(from_sequence) || sequence > BigInt(to_sequence)) {
      throw new ArchiveObjectError(`event ${sequence} of ${ledger} is not in the range`, {
        ledger,
        sequence: entry.sequence,
      });
    }
    if (this.last && compareEntries(this.last, entry) >= 0) {
      throw new ArchiveObjectError(`event ${sequence} of ${ledger} is out of order`, {
        ledger,
        sequence: entry.sequence,
      });
    }
    this.sums.add(entry.entity_type, entry.entity_id, entry.sequence, entry.is_correction);
    this.count += 1n;
    this.last = entry;
  }

  finish(): RangeFacts {
    const { ledger, from_sequence, to_sequence } = this.range;
    const wanted = BigInt(to_sequence) - BigInt(from_sequence) + 1n;
    if (this.count !== wanted) throw new ArchiveObjectError(`it lists ${this.count} of ${wanted} events of ${ledger}`);
    return { ...this.range, entities_hash: this.sums.hash() };
  }

  addKeyedSum(to: Map<string, string>): void {
    const keyed = this.sums.keyedSum();
    if (keyed !== undefined) to.set(this.range.ledger, keyed);
  }
}

/** By entity in the order of PostgreSQL's collation "C", which is that of UTF-8, then by sequence. */
function compareEntries(a: EntityEntry, b: EntityEntry): number {
  const byEntity = compareBytes(a.entity_type, b.entity_type) || compareBytes(a.entity_id, b.entity_id);
  return byEntity || (BigInt(a.sequence) < BigInt(b.sequence) ? -1 : Number(a.sequence !== b.sequence));
}

function compareBytes(a: string, b: string): number {
  return a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b));
}

export interface EntitiesFooter {
  manifest: EntitiesManifest;
  metadata: ParquetMetadata;
}

/** Throws ArchiveObjectError for what is no object of entities of a format that is known here. */
export async function readEntitiesFooter(file: AsyncBuffer): Promise<EntitiesFooter> {
  const { metadata, manifest } = await readParquetFooter(file);
  if (!isEntitiesManifest(manifest)) {
    throw new ArchiveObjectError(`its manifest is not of the format ${ENTITIES_FORMAT}`);
  }
  assertColumns(metadata, SCHEMA);
  return { manifest, metadata };
}

/** The row groups that may hold events of an entity, by their least and greatest values. */
export function groupsOfEntity(
  { metadata }: EntitiesFooter,
  ledger: string,
  { entityType, entityId, correctionsAlone }: { entityType: string; entityId: string; correctionsAlone?: boolean },
): number[] {
  const wanted = [ledger, entityType, entityId];
  return metadata.rowCounts.flatMap((_rows, i) => {
    const group = groupOf(metadata, i).row_groups[0]!;
    if (correctionsAlone && group.columns[IS_CORRECTION]?.meta_data?.statistics?.max_value === false) return [];
    const holds = wanted.every((value, column) => {
      const statistics = group.columns[column]?.meta_data?.statistics;
      const [least, greatest] = [statistics?.min_value, statistics?.max_value];
      if (typeof least !== 'string' || typeof greatest !== 'string') return true;
      return compareBytes(least, value) <= 0 && compareBytes(value, greatest) <= 0;
    });
    return holds ? [i] : [];
  });
}

/** The entries of a row group, and their ledger. Throws ArchiveObjectError when it cannot be decoded. */
export async function readEntityGroup(
  file: AsyncBuffer,
  { metadata }: EntitiesFooter,
  group: number,
): Promise<(EntityEntry & { ledger: string })[]> {
  let decoded: Record<string, unknown>[] = [];
  try {
    await parquetRead({
      file,
      metadata: groupOf(metadata, group),
      rowFormat: 'object',
      ...DECODING,
      onComplete: (rows) => (decoded = rows),
    });
  } catch (error) {
    throw asObjectError(error, `its row group ${group} cannot be read`);
  }
  return decoded.map(({ ledger, entity_type, entity_id, sequence, is_correction }) => ({
    ledger: ledger as string,
    entity_type: entity_type as string,
    entity_id: entity_id as string,
    sequence: String(sequence),
    is_correction: is_correction === true,
  }));
}

function columnsOf(entries: readonly (EntityEntry & { ledger: string })[]): Record<ColumnName, unknown[]> {
  return {
    ledger: entries.map(({ ledger }) => ledger),
    entity_type: entries.map((entry) => entry.entity_type),
    entity_id: entries.map((entry) => entry.entity_id),
    sequence: entries.map(({ sequence }) => BigInt(sequence)),
    is_correction: entries.map((entry) => entry.is_correction),
  };
}

/**
 * Reads an object of entities as a whole: that it lists what its manifest says, and its statistics are so. Keyed sums of
 * its entries come with a key alone. Throws ArchiveObjectError.
 */
export async function verifyEntities(
  file: AsyncBuffer,
  listingKey?: string,
): Promise<{ manifest: EntitiesManifest; keyedSums?: KeyedSums }> {
  const footer = await readEntitiesFooter(file);
  const { manifest, metadata } = footer;
  let at = -1;
  let check: EntityListCheck | undefined;
  const keyedSums = new Map<string, string>();
  const end = (): void => {
    if (!check) return;
    const found = check.finish();
    check.addKeyedSum(keyedSums);
    if (found.entities_hash !== manifest.ranges[at]!.entities_hash) {
      throw new ArchiveObjectError(`it lists other entities of ${found.ledger} than its manifest says`);
    }
  };
  for (let group = 0; group < metadata.rowCounts.length; group++) {
    const entries = await readEntityGroup(file, footer, group);
    assertStatistics(metadata, group, NAMES, columnsOf(entries));
    for (const entry of entries) {
      if (check?.range.ledger !== entry.ledger) {
        end();
        at += 1;
        const range = manifest.ranges[at];
        if (range?.ledger !== entry.ledger) {
          throw new ArchiveObjectError(`it lists events of ${entry.ledger}, which its manifest does not name there`);
        }
        check = new EntityListCheck(range, listingKey);
      }
      check.take(entry);
    }
  }
  end();
  if (at + 1 !== manifest.ranges.length) throw new ArchiveObjectError('it lists fewer ledgers than its manifest says');
  return { manifest, ...(listingKey === undefined ? {} : { keyedSums }) };
}
