import pg from 'pg';
import { keyHash } from '../events/stored-events.js';
import { entriesHash, entryHash, indexedColumns, indexedValues, type TrailIndex } from '../events/trail-indexes.js';

type Database = pg.Pool | pg.ClientBase;

/** A table that an index is of. */
export interface IndexedTable {
  oid: number;
  name: string;
}

/** Months' tables, or those of keys, that are attached to their parent. */
export async function listPartitions(
  database: Database,
  parent: 'audit_events' | 'event_keys',
): Promise<IndexedTable[]> {
  const { rows } = await database.query<{ oid: string; name: string }>(
    `SELECT c.oid::bigint AS oid, c.relname AS name FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
       WHERE i.inhparent = $1::regclass ORDER BY c.relname`,
    [parent],
  );
  return rows.map(({ oid, name }) => ({ oid: Number(oid), name }));
}

/** PostgreSQL would not read by the index that was asked for, so nothing can be said of it. */
export class IndexUnused extends Error {
  override name = 'IndexUnused';
}

/**
 * Nothing but an order is left to the planner: the one scan that yields it unsorted is that of the index. In one message, so
 * that the plan that EXPLAIN shows is that of the statement after it.
 */
const BY_INDEX_ALONE = `BEGIN; SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off;
  SET LOCAL enable_indexonlyscan = on; SET LOCAL enable_indexscan = on; SET LOCAL jit = off`;

/** Runs a statement whose plan must have each of these nodes, as EXPLAIN writes them; else throws IndexUnused. */
async function byIndex<R extends object>(
  client: pg.ClientBase,
  index: string,
  nodes: readonly string[],
  statement: string,
): Promise<R[]> {
  let results: pg.QueryResult[];
  try {
    const text = `${BY_INDEX_ALONE}; EXPLAIN (COSTS OFF) ${statement}; ${statement}; COMMIT`;
    results = (await client.query(text)) as unknown as pg.QueryResult[];
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined); // the first error is the one to tell
    throw error;
  }
  const [plan, answer] = results.slice(-3) as [pg.QueryResult<{ 'QUERY PLAN': string }>, pg.QueryResult<R>];
  const lines = plan.rows.map((line) => line['QUERY PLAN'].replace(/^[ ]*(?:->[ ]*)?/, ''));
  if (!nodes.every((node) => lines.includes(node)))
    throw new IndexUnused(`PostgreSQL does not read by it as it should: is ${index} there, and valid?`);
  return answer.rows;
}

/** The events of a ledger from `from` to `to`, both included, in one month's table. */
interface EventsOfMonth {
  ledger: string;
  from: bigint;
  to: bigint;
  table: string;
}

/** Values of an index's columns after the ledger, as text: the entry behind which a page begins; null for the first page. */
export type EntryKey = string[] | null;

const literal = (text: string): string => pg.escapeLiteral(text);
const nameOf = (table: string, index: TrailIndex): string => `${table}_${index.suffix}`;
const only = (kind: string, index: string, table: string, alias: string): string =>
  `${kind} using ${index} on ${table} ${alias}`;

/** A page of the entries of an index, by itself: `SELECT` of its columns in its order. */
function entriesAfter(index: TrailIndex, { table, ledger }: EventsOfMonth, after: EntryKey, limit: number): string {
  const columns = indexedColumns(index, 'x').join(', ');
  const behind = after ? ` AND (${columns}) > (${indexedValues(index, after, literal).join(', ')})` : '';
  return `SELECT ${columns} FROM ${pg.escapeIdentifier(table)} AS x
    WHERE x.ledger = ${literal(ledger)}${index.where ? ` AND ${index.where('x')}` : ''}${behind}
    ORDER BY ${columns} LIMIT ${limit}`;
}

/**
 * The sum of the hashes of a page of entries, of those events that are asked for, and the last entry of the page when
 * there may be more. The entries are read from the index and not from the rows to which they point.
 */
export async function sumEntries(
  client: pg.ClientBase,
  events: EventsOfMonth,
  index: TrailIndex,
  page: { after: EntryKey; limit: number; seed: bigint },
): Promise<{ sum: bigint; last: EntryKey }> {
  const { from, to, table } = events;
  const last = indexedColumns(index, 'entry').map((column) => `${column}::text`);
  const [row] = await byIndex<{ sum: string; last: string[] | null }>(
    client,
    nameOf(table, index),
    [only('Index Only Scan', nameOf(table, index), table, 'x')],
    `SELECT coalesce(sum(${entryHash(index, 'entry', page.seed)}) FILTER (WHERE entry.sequence BETWEEN ${from} AND ${to}), 0)::text AS sum,
            min(ARRAY[${last.join(', ')}]) FILTER (WHERE entry.place = ${page.limit}) AS last
       FROM (SELECT page.*, row_number() OVER () AS place
               FROM (${entriesAfter(index, events, page.after, page.limit)}) AS page) AS entry`,
  );
  return { sum: BigInt(row!.sum), last: row!.last };
}

/** An event that an index lacks, or of which it has an entry that it should not have. */
export interface IndexFault {
  sequence: string;
  event_id: string | null;
  /** of all that were found, not just of those within the limit */
  total: string;
}

/** Events whose entry a search by their own values does not find in an index. Reads rows by the index on sequences. */
export async function findEventsWithoutEntry(
  client: pg.ClientBase,
  events: EventsOfMonth,
  index: TrailIndex,
  limit: number,
): Promise<IndexFault[]> {
  const { ledger, from, to, table } = events;
  const name = nameOf(table, index);
  const [own, sought] = ['e', 'x'].map((alias) => indexedColumns(index, alias).join(', ')) as [string, string];
  return byIndex<IndexFault>(
    client,
    name,
    [only('Index Only Scan', name, table, 'x')],
    `SELECT e.sequence::text AS sequence, e.event_id::text AS event_id, (count(*) OVER ())::text AS total
       FROM ${pg.escapeIdentifier(table)} AS e
       WHERE e.ledger = ${literal(ledger)} AND e.sequence BETWEEN ${from} AND ${to}
         AND ${index.where ? index.where('e') : 'true'}
         AND (SELECT (${sought}) = (${own}) FROM ${pg.escapeIdentifier(table)} AS x
                WHERE x.ledger = ${literal(ledger)} AND ${index.where ? index.where('x') : 'true'} AND (${sought}) >= (${own})
                ORDER BY ${sought} LIMIT 1) IS NOT TRUE
       ORDER BY e.sequence LIMIT ${limit}`,
  );
}

/** An entry of an index that is not what the row says that the index on sequences has. */
export interface StrayEntry extends IndexFault {
  /** false where the index on sequences has nothing */
  has_row: boolean;
}

/** Those of a page of entries, as sumEntries reads it, that are no row's, by sequence. */
export async function findEntriesWithoutEvent(
  client: pg.ClientBase,
  events: EventsOfMonth,
  index: TrailIndex,
  page: { after: EntryKey; limit: number },
  limit: number,
): Promise<StrayEntry[]> {
  const { ledger, from, to, table } = events;
  const name = nameOf(table, index);
  const [entry, own] = ['entry', 'r'].map((alias) => indexedColumns(index, alias).join(', ')) as [string, string];
  return byIndex<StrayEntry>(
    client,
    name,
    [only('Index Only Scan', name, table, 'x')],
    `SELECT entry.sequence::text AS sequence, r.event_id::text AS event_id, r.sequence IS NOT NULL AS has_row,
            (count(*) OVER ())::text AS total
       FROM (${entriesAfter(index, events, page.after, page.limit)}) AS entry
       LEFT JOIN LATERAL (
         SELECT r.* FROM ${pg.escapeIdentifier(table)} AS r
           WHERE r.ledger = ${literal(ledger)} AND r.sequence BETWEEN entry.sequence AND entry.sequence
           ORDER BY r.sequence LIMIT 1) AS r ON true
       WHERE entry.sequence BETWEEN ${from} AND ${to}
         AND ((${entry}) = (${own}) AND ${index.where ? index.where('r') : 'true'}) IS NOT TRUE
       LIMIT ${limit}`,
  );
}

/** What the rows of a range say that the indexes of their tables should have, by object id of these. */
export async function sumRows(
  client: pg.ClientBase,
  range: { ledger: string; from: bigint; to: bigint },
  seed: bigint,
): Promise<Map<number, { sum: bigint; least: bigint; greatest: bigint }>> {
  const { rows } = await client.query<{ oid: string; sum: string; least: string; greatest: string }>(
    `SELECT e.tableoid::bigint AS oid, sum(${entriesHash('e', seed)}) AS sum, min(e.sequence) AS least, max(e.sequence) AS greatest
       FROM audit_events AS e WHERE e.ledger = $1 AND e.sequence BETWEEN $2 AND $3 GROUP BY e.tableoid`,
    [range.ledger, String(range.from), String(range.to)],
  );
  return new Map(
    rows.map(({ oid, sum, least, greatest }) => [
      Number(oid),
      { sum: BigInt.asUintN(64, BigInt(sum)), least: BigInt(least), greatest: BigInt(greatest) },
    ]),
  );
}

/** Names of the months' tables that have events of a range. */
export async function listTablesOf(
  client: pg.ClientBase,
  range: { ledger: string; from: bigint; to: bigint },
): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT DISTINCT c.relname AS name FROM audit_events AS e JOIN pg_class AS c ON c.oid = e.tableoid
       WHERE e.ledger = $1 AND e.sequence BETWEEN $2 AND $3 ORDER BY 1`,
    [range.ledger, String(range.from), String(range.to)],
  );
  return rows.map(({ name }) => name);
}

/** Keys of a ledger, of events from `from` to `to`, both included and without the gaps, in one table of keys. */
export interface KeysOfTable {
  ledger: string;
  from: bigint;
  to: bigint;
  gaps: readonly { from: bigint; to: bigint }[];
  table: string;
}

const primaryKey = (table: string): string => `${table}_pkey`;

/**
 * A page of the primary key of a table of keys, of all ledgers: the sums of what its entries say, and of what the keys say to
 * which they point, which should be equal; the sum of the hashes of those keys that are asked for; and the last entry of
 * the page (event_id, ledger) when there may be more.
 */
export async function sumKeyEntries(
  client: pg.ClientBase,
  keys: KeysOfTable,
  page: { after: EntryKey; limit: number; seed: bigint },
): Promise<{ agree: boolean; sum: bigint; last: EntryKey }> {
  const { ledger, from, to, gaps, table } = keys;
  const { after, limit, seed } = page;
  const of = (alias: string, more: string): string => {
    const columns = `${alias}.event_id, ${alias}.ledger`;
    const behind = after ? `WHERE (${columns}) > (${literal(after[0]!)}::uuid, ${literal(after[1]!)})` : '';
    return `SELECT ${columns}${more} FROM ${pg.escapeIdentifier(table)} AS ${alias}
       ${behind} ORDER BY ${columns} LIMIT ${limit}`;
  };
  const asked = `k.ledger = ${literal(ledger)} AND k.sequence BETWEEN ${from} AND ${to}${gaps
    .map((gap) => ` AND k.sequence NOT BETWEEN ${gap.from} AND ${gap.to}`)
    .join('')}`;
  const entrySum = (alias: string): string =>
    `sum(hashtextextended(${alias}.ledger, uuid_hash_extended(${alias}.event_id, '${seed}'::bigint)))`;
  const index = primaryKey(table);
  const [row] = await byIndex<{ agree: boolean; sum: string; last: string[] | null }>(
    client,
    index,
    [only('Index Only Scan', index, table, 'x'), only('Index Scan', index, table, 'h')],
    `SELECT ((SELECT ${entrySum('e')} FROM (${of('x', '')}) AS e) IS NOT DISTINCT FROM ${entrySum('k')}) AS agree,
            coalesce(sum(${keyHash('k', seed)}) FILTER (WHERE ${asked}), 0)::text AS sum,
            min(ARRAY[k.event_id::text, k.ledger]) FILTER (WHERE k.place = ${limit}) AS last
       FROM (SELECT page.*, row_number() OVER () AS place FROM (${of('h', ', h.sequence')}) AS page) AS k`,
  );
  return { agree: row!.agree, sum: BigInt(row!.sum), last: row!.last };
}

/**
 * Keys in some blocks of a table that a search by its primary key does not find, or not with their sequence. The ledger is
 * compared as an expression, for which the index is of no use: the keys must come from the table.
 */
export async function findKeysWithoutEntry(
  client: pg.ClientBase,
  keys: KeysOfTable,
  blocks: { first: number; end: number },
  limit: number,
): Promise<IndexFault[]> {
  const { ledger, from, to, table } = keys;
  const index = primaryKey(table);
  return byIndex<IndexFault>(
    client,
    index,
    [`Tid Range Scan on ${table} k`, only('Index Scan', index, table, 'x')],
    `SELECT k.sequence::text AS sequence, k.event_id::text AS event_id, (count(*) OVER ())::text AS total
       FROM ${pg.escapeIdentifier(table)} AS k
       WHERE k.ledger || '' = ${literal(ledger)} AND k.sequence BETWEEN ${from} AND ${to}
         AND k.ctid >= '(${blocks.first},0)'::tid AND k.ctid < '(${blocks.end},0)'::tid
         AND (SELECT x.sequence FROM ${pg.escapeIdentifier(table)} AS x
                WHERE x.event_id = k.event_id AND x.ledger = k.ledger ORDER BY x.event_id, x.ledger LIMIT 1) IS DISTINCT FROM k.sequence
       ORDER BY k.sequence, k.event_id LIMIT ${limit}`,
  );
}
