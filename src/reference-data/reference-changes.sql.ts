import type pg from 'pg';
import { readJson } from '../integrity/strict-json.js';
import type { Change } from './change.js';
import type { Attributes } from './kinds.js';

type Database = pg.Pool | pg.ClientBase;

/** A change as it is kept: which event it is, and when and by whom it was recorded. */
export interface RecordedChange extends Change {
  /** decimal string; in the order in which changes were recorded, from 1 */
  revision: string;
  principal: string;
  recorded_at: string;
  event_id: string;
  ledger: string;
  sequence: string;
}

/** As pg gives it: jsonb is text. */
type Row = Omit<RecordedChange, 'attributes'> & { attributes: string | null };

const time = (column: string): string =>
  `to_char(c.${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS ${column}`;
const COLUMNS = `c.revision, c.entry_id, ${time('valid_from')}, ${time('valid_to')}, c.attributes, c.reason, c.principal,
  ${time('recorded_at')}, c.event_id, c.ledger, c.sequence`;

function changeOf({ attributes, ...row }: Row): RecordedChange {
  return { ...row, attributes: attributes === null ? null : (readJson(attributes) as unknown as Attributes) };
}

/**
 * Takes over what the service's ledgers say and is not there yet; the last revision. Waits for whoever is at it, and goes
 * on to the end of the caller's transaction: nobody else changes reference data until then. `isSettled` waits for appends
 * that are under way, too: whatever comes later has a later time. That is not for a transaction that appends itself.
 */
export async function takeChanges(database: Database, { isSettled = false } = {}): Promise<bigint> {
  const { rows } = await database.query<{ revision: string }>('SELECT take_reference_changes($1) AS revision', [
    isSettled,
  ]);
  return BigInt(rows[0]!.revision);
}

/** The last revision that was recorded before a time; 0 when there is none. */
export async function revisionBefore(database: Database, time: string): Promise<bigint> {
  const { rows } = await database.query<{ revision: string }>(
    'SELECT coalesce(max(revision), 0) AS revision FROM reference_changes WHERE recorded_at < $1::timestamptz',
    [time],
  );
  return BigInt(rows[0]!.revision);
}

/** Where a revision stands in the trail; undefined for 0 and for one that is yet to come. */
export async function findRevision(
  database: Database,
  revision: bigint,
): Promise<{ ledger: string; sequence: string } | undefined> {
  const { rows } = await database.query<{ ledger: string; sequence: string }>(
    'SELECT ledger, sequence FROM reference_changes WHERE revision = $1',
    [String(revision)],
  );
  return rows[0];
}

/** The changes of entries of a kind, of all where `ids` is left out, entry by entry, each in its order. */
export async function changesOf(
  database: Database,
  kind: string,
  upTo: bigint,
  ids?: readonly string[],
): Promise<RecordedChange[]> {
  const { rows } = await database.query<Row>(
    `SELECT ${COLUMNS} FROM reference_changes AS c
       WHERE c.kind = $1 AND c.revision <= $2 AND ($3::text[] IS NULL OR c.entry_id = ANY ($3))
       ORDER BY c.entry_id, c.revision`,
    [kind, String(upTo), ids ?? null],
  );
  return rows.map(changeOf);
}

/** Which entries are there at a time, by what was known up to a revision. */
export interface Wanted {
  validAt: string;
  upTo: bigint;
  /** entries of greater ids alone */
  after: string;
  limit: number;
  /** this one alone */
  id: string | undefined;
  /** those with these values alone */
  attributes: Attributes;
}

/** Entries of a kind, in the order of their ids. */
export async function entriesAt(
  database: Database,
  kind: string,
  { validAt, upTo, after, limit, id, attributes }: Wanted,
): Promise<RecordedChange[]> {
  const values: unknown[] = [];
  const $ = (value: unknown): string => `$${values.push(value)}`;
  const of = `kind = ${$(kind)} AND revision <= ${$(String(upTo))}`;
  const at = `${$(validAt)}::timestamptz`;
  const isThere = `valid_from <= ${at} AND (valid_to IS NULL OR valid_to > ${at})`;
  const conditions = [of, isThere, `entry_id > ${$(after)}`, ...(id === undefined ? [] : [`entry_id = ${$(id)}`])];
  const having: string[] = [];
  if (Object.keys(attributes).length > 0) {
    const has = `attributes @> ${$(JSON.stringify(attributes))}::jsonb`;
    // what had the values at any time, by the index; of that what has them then
    conditions.push(`entry_id IN (SELECT entry_id FROM reference_changes WHERE ${of} AND ${has})`);
    having.push(`AND c.${has}`);
  }
  const { rows } = await database.query<Row>(
    `SELECT ${COLUMNS} FROM (
         SELECT DISTINCT ON (entry_id) * FROM reference_changes
           WHERE ${conditions.join(' AND ')}
           ORDER BY entry_id, revision DESC
       ) AS c
       WHERE c.attributes IS NOT NULL ${having.join(' ')} ORDER BY c.entry_id LIMIT ${$(limit)}`,
    values,
  );
  return rows.map(changeOf);
}

/** What to look up: an entry as it was at a time. */
export interface LookedUp {
  kind: string;
  id: string;
  validAt: string;
}

/** The entries that are there, one for each that is looked up, by what was known up to a revision. */
export async function lookUp(
  database: Database,
  wanted: readonly LookedUp[],
  upTo: bigint,
): Promise<(Attributes | undefined)[]> {
  const { rows } = await database.query<{ attributes: string | null }>(
    `SELECT c.attributes FROM unnest($1::text[], $2::text[], $3::timestamptz[]) WITH ORDINALITY AS w (kind, id, valid_at, place)
       LEFT JOIN LATERAL (
         SELECT r.attributes FROM reference_changes AS r
           WHERE r.kind = w.kind AND r.entry_id = w.id AND r.revision <= $4
             AND r.valid_from <= w.valid_at AND (r.valid_to IS NULL OR r.valid_to > w.valid_at)
           ORDER BY r.revision DESC LIMIT 1
       ) AS c ON true
       ORDER BY w.place`,
    [wanted.map(({ kind }) => kind), wanted.map(({ id }) => id), wanted.map(({ validAt }) => validAt), String(upTo)],
  );
  return rows.map(({ attributes }) =>
    attributes === null ? undefined : (readJson(attributes) as unknown as Attributes),
  );
}

/** Ids of a kind that anything was said of, in their order, after one of them. */
export async function idsAfter(
  database: Database,
  kind: string,
  upTo: bigint,
  after: string,
  limit: number,
): Promise<string[]> {
  const { rows } = await database.query<{ entry_id: string }>(
    `SELECT DISTINCT entry_id FROM reference_changes
       WHERE kind = $1 AND revision <= $2 AND entry_id > $3 ORDER BY entry_id LIMIT $4`,
    [kind, String(upTo), after, limit],
  );
  return rows.map(({ entry_id: id }) => id);
}

/** Of each kind how many changes there are up to a revision. */
export async function countChanges(database: Database, upTo: bigint): Promise<Map<string, string>> {
  const { rows } = await database.query<{ kind: string; changes: string }>(
    'SELECT kind, count(*) AS changes FROM reference_changes WHERE revision <= $1 GROUP BY kind',
    [String(upTo)],
  );
  return new Map(rows.map(({ kind, changes }) => [kind, changes]));
}

/** Ids of a kind that had these values at any time, in their order. */
export async function idsHaving(
  database: Database,
  kind: string,
  upTo: bigint,
  attributes: Attributes,
): Promise<string[]> {
  const { rows } = await database.query<{ entry_id: string }>(
    `SELECT DISTINCT entry_id FROM reference_changes
       WHERE kind = $1 AND revision <= $2 AND attributes @> $3::jsonb ORDER BY entry_id`,
    [kind, String(upTo), JSON.stringify(attributes)],
  );
  return rows.map(({ entry_id: id }) => id);
}
