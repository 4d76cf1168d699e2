/** An index of each month's table, as far as it is there to find events by: a B-tree on (ledger, ...columns). */
export interface TrailIndex {
  /** its name after that of the month's table */
  suffix: string;
  columns: readonly (keyof typeof COLUMN_TYPES)[];
  /** of which rows it is, where it is not of all; in SQL, for a table called by the alias */
  where?: (alias: string) => string;
}

const COLUMN_TYPES = {
  sequence: 'bigint',
  entity_type: 'text',
  entity_id: 'text',
  event_type: 'text',
  user_id: 'text',
  timestamp: 'timestamptz',
  timestamp_nanos: 'smallint',
} as const;

const HASHES: Record<string, (value: string, seed: string) => string> = {
  bigint: (value, seed) => `hashint8extended(${value}, ${seed})`,
  smallint: (value, seed) => `hashint2extended(${value}, ${seed})`,
  text: (value, seed) => `hashtextextended(${value}, ${seed})`,
  // there is one of timestamptz from PostgreSQL 18 on alone
  timestamptz: (value, seed) => `timestamp_hash_extended(${value} AT TIME ZONE 'UTC', ${seed})`,
};

/** All B-trees of a month's table, in the order of their seeds. GIN cannot be read from one end to the other. */
export const TRAIL_INDEXES: readonly TrailIndex[] = [
  { suffix: 'sequence_key', columns: ['sequence'] },
  { suffix: 'entity_idx', columns: ['entity_type', 'entity_id', 'sequence'] },
  {
    suffix: 'corrects_idx',
    columns: ['entity_type', 'entity_id', 'sequence'],
    where: (alias) => `${alias}.corrects IS NOT NULL`,
  },
  { suffix: 'timestamp_idx', columns: ['timestamp', 'timestamp_nanos', 'sequence'] },
  { suffix: 'type_idx', columns: ['event_type', 'timestamp', 'timestamp_nanos', 'sequence'] },
  { suffix: 'user_idx', columns: ['user_id', 'timestamp', 'timestamp_nanos', 'sequence'] },
];

/** The columns of an index after the ledger, as SQL, for a table or a subquery called by the alias. */
export function indexedColumns({ columns }: TrailIndex, alias: string): string[] {
  return columns.map((column) => `${alias}."${column}"`);
}

/** Values of the columns of an index, which are given as text, as SQL; `quote` makes a literal of each. */
export function indexedValues(
  { columns }: TrailIndex,
  values: readonly string[],
  quote: (text: string) => string,
): string[] {
  return columns.map((column, i) => `${quote(values[i]!)}::${COLUMN_TYPES[column]}`);
}

/** So that six of them, which may be negative, are an int8. */
const SPARE_BITS = 3;
const BETWEEN_SEEDS = 0x9e3779b97f4a7c15n;

/**
 * A hash of what an index holds of a row, in SQL, 61 bits, for sums that do not depend on the order: over the rows, and
 * over the entries of the index. Each index has a seed of its own, so that what one lacks another cannot make up for.
 */
export function entryHash(index: TrailIndex, alias: string, seed: bigint): string {
  const own = BigInt.asIntN(64, seed + BigInt(TRAIL_INDEXES.indexOf(index) + 1) * BETWEEN_SEEDS);
  const hash = [...index.columns].reverse().reduce((inner, column) => {
    return HASHES[COLUMN_TYPES[column]]!(`${alias}."${column}"`, inner);
  }, `'${own}'::bigint`);
  return `coalesce(${hash} >> ${SPARE_BITS}, 0)`;
}

/** The sum, in SQL, of the hashes of all entries that the indexes of its table should have of a row. */
export function entriesHash(alias: string, seed: bigint): string {
  return TRAIL_INDEXES.map((index) => {
    const hash = entryHash(index, alias, seed);
    return index.where ? `CASE WHEN ${index.where(alias)} THEN ${hash} ELSE 0 END` : hash;
  }).join(' + ');
}
