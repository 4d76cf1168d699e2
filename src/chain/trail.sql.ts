import type pg from 'pg';
import { keyHash } from '../events/stored-events.js';
import { parseTimestamp } from '../integrity/timestamp.js';

type Database = pg.Pool | pg.ClientBase;

/** A table of events, and when those in it were recorded: from `from` on and before `to`, microseconds since 1970. */
export interface MonthTable {
  oid: number;
  from: number;
  to: number;
}

/** Every table that is attached to the trail and bounded by two times. */
export async function readMonthTables(database: Database): Promise<MonthTable[]> {
  const { rows } = await database.query<{ oid: string; bound: string | null }>(
    `SELECT c.oid::bigint AS oid, pg_get_expr(c.relpartbound, c.oid) AS bound
       FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
       WHERE i.inhparent = 'audit_events'::regclass`,
  );
  return rows.flatMap(({ oid, bound }) => {
    const [, from, to] = /^FOR VALUES FROM \('([^']+)\+00'\) TO \('([^']+)\+00'\)$/.exec(bound ?? '') ?? [];
    if (from === undefined || to === undefined) return [];
    const micros = (time: string): number => parseTimestamp(`${time.replace(' ', 'T')}Z`).micros;
    return [{ oid: Number(oid), from: micros(from), to: micros(to) }];
  });
}

/** What a ledger's events are held against. */
export interface LedgerFacts {
  origin: string;
  /** the deployment's name and the slug: what the origin is, unless somebody changed it */
  usual_origin: string | null;
  /** null when the ledger has no head */
  size: string | null;
  /** the head's floor, microseconds since 1970; null for -infinity and without a head */
  recorded_at: string | null;
}

const MICROS = (time: string): string =>
  `CASE WHEN isfinite(${time}) THEN (extract(epoch FROM ${time}) * 1000000)::bigint END`;

/** undefined when there is no such ledger. */
export async function readLedgerFacts(database: Database, ledger: string): Promise<LedgerFacts | undefined> {
  const { rows } = await database.query<LedgerFacts>(
    `SELECT l.origin, d.log_origin || '/' || l.ledger AS usual_origin, h.size, ${MICROS('h.recorded_at')} AS recorded_at
       FROM ledgers AS l LEFT JOIN ledger_heads AS h ON h.ledger = l.ledger LEFT JOIN deployment AS d ON true
       WHERE l.ledger = $1`,
    [ledger],
  );
  return rows[0];
}

/** Slugs of all ledgers. */
export async function listLedgerNames(database: Database): Promise<string[]> {
  const { rows } = await database.query<{ ledger: string }>('SELECT ledger FROM ledgers ORDER BY ledger');
  return rows.map((row) => row.ledger);
}

/** Ledgers that have events and do not exist, each with the number of the first event. */
export async function findStrayLedgers(database: Database): Promise<{ ledger: string; sequence: string }[]> {
  // From one slug to the next by the index on (ledger, sequence): a step a ledger, however many events there are.
  const { rows } = await database.query<{ ledger: string; sequence: string }>(
    `WITH RECURSIVE present AS (
       (SELECT ledger, sequence FROM audit_events ORDER BY ledger, sequence LIMIT 1)
       UNION ALL
       SELECT following.* FROM present CROSS JOIN LATERAL (
         SELECT e.ledger, e.sequence FROM audit_events AS e
           WHERE e.ledger > present.ledger ORDER BY e.ledger, e.sequence LIMIT 1) AS following
     )
     SELECT ledger, sequence FROM present WHERE NOT EXISTS (SELECT FROM ledgers AS l WHERE l.ledger = present.ledger)`,
  );
  return rows;
}

/** Up to where a ledger's events have left the database, or are about to. */
export async function readArchivedTo(database: Database, ledger: string): Promise<bigint> {
  const { rows } = await database.query<{ archived_to: string }>(
    'SELECT archived_to FROM ledger_heads WHERE ledger = $1',
    [ledger],
  );
  return BigInt(rows[0]?.archived_to ?? 0);
}

/** The least sequence from `from` to `to`, both included, of which there is an event. */
export async function findNextSequence(
  database: Database,
  ledger: string,
  from: bigint,
  to: bigint,
): Promise<bigint | undefined> {
  const { rows } = await database.query<{ sequence: string }>(
    `SELECT sequence FROM audit_events WHERE ledger = $1 AND sequence BETWEEN $2 AND $3 ORDER BY sequence LIMIT 1`,
    [ledger, String(from), String(to)],
  );
  return rows[0] === undefined ? undefined : BigInt(rows[0].sequence);
}

/** When the first event from a sequence on was recorded, and its sequence. Times are microseconds since 1970. */
export async function findRecordedAt(
  database: Database,
  ledger: string,
  from: bigint,
): Promise<{ sequence: bigint; recordedAt: number } | undefined> {
  const { rows } = await database.query<{ sequence: string; recorded_at: string | null }>(
    `SELECT sequence, ${MICROS('recorded_at')} AS recorded_at
       FROM audit_events WHERE ledger = $1 AND sequence >= $2 ORDER BY sequence LIMIT 1`,
    [ledger, String(from)],
  );
  const row = rows[0];
  return row && { sequence: BigInt(row.sequence), recordedAt: Number(row.recorded_at ?? NaN) };
}

/** An event, or a key, where none should be. */
export interface Misplaced {
  sequence: string;
  event_id: string;
}

/** Where a ledger ends: its head and its last event, seen in one moment. */
export interface LedgerEnds {
  size: string | null;
  head_hash: Buffer | null;
  head_recorded_at: string | null;
  last_sequence: string | null;
  last_event_id: string | null;
  last_hash: Buffer | null;
  last_recorded_at: string | null;
}

export async function readLedgerEnds(
  database: Database,
  ledger: string,
): Promise<LedgerEnds & { misplaced: Misplaced[] }> {
  // two scans from an end of the index each; with OR it would be one of the whole
  const { rows } = await database.query<LedgerEnds & { misplaced_sequences: string[]; misplaced_ids: string[] }>(
    `SELECT h.size, h.event_hash AS head_hash, ${MICROS('h.recorded_at')} AS head_recorded_at,
            coalesce(last.sequence, left_last.to_sequence) AS last_sequence, last.event_id AS last_event_id,
            coalesce(last.event_hash, left_last.last_event_hash) AS last_hash,
            ${MICROS('coalesce(last.recorded_at, left_last.greatest_recorded_at)')} AS last_recorded_at,
            misplaced.sequences AS misplaced_sequences, misplaced.ids AS misplaced_ids
       FROM (VALUES ($1::text)) AS asked (ledger)
       LEFT JOIN ledger_heads AS h ON h.ledger = asked.ledger
       LEFT JOIN LATERAL (
         SELECT e.sequence, e.event_id, e.event_hash, e.recorded_at FROM audit_events AS e
           WHERE e.ledger = $1 AND e.sequence <= coalesce(h.size, 9223372036854775807)
           ORDER BY e.sequence DESC LIMIT 1) AS last ON true
       LEFT JOIN month_ranges AS left_last ON left_last.ledger = $1 AND left_last.to_sequence = h.archived_to
       LEFT JOIN LATERAL (
         SELECT coalesce(array_agg(m.sequence::text), '{}') AS sequences, coalesce(array_agg(m.event_id::text), '{}') AS ids
           FROM (
             (SELECT e.sequence, e.event_id FROM audit_events AS e
                WHERE e.ledger = $1 AND e.sequence < 1 ORDER BY e.sequence LIMIT $2)
             UNION ALL
             (SELECT e.sequence, e.event_id FROM audit_events AS e
                WHERE e.ledger = $1 AND e.sequence > h.size ORDER BY e.sequence LIMIT $2)) AS m) AS misplaced ON true`,
    [ledger, MISPLACED_LIMIT],
  );
  const { misplaced_sequences: sequences, misplaced_ids: ids, ...ends } = rows[0]!;
  return { ...ends, misplaced: sequences.map((sequence, i) => ({ sequence, event_id: ids[i]! })) };
}

const MISPLACED_LIMIT = 1_000;

/** Blocks of the longest partition of event_keys. */
export async function countKeyBlocks(database: Database): Promise<number> {
  const { rows } = await database.query<{ blocks: number }>(
    `SELECT coalesce(max(pg_relation_size(inhrelid) / current_setting('block_size')::integer), 0)::integer AS blocks
       FROM pg_inherits WHERE inhparent = 'event_keys'::regclass`,
  );
  return rows[0]!.blocks;
}

/** The keys of a ledger whose sequences lie in a range, both ends included, and that stand in some blocks of their tables. */
export interface KeyPage {
  ledger: string;
  from: bigint;
  to: bigint;
  firstBlock: number;
  /** not included */
  endBlock: number;
}

const IN_BLOCKS = `k.ctid >= format('(%s,0)', $4::bigint)::tid AND k.ctid < format('(%s,0)', $5::bigint)::tid`;

function pageValues(page: KeyPage): unknown[] {
  return [page.ledger, String(page.from), String(page.to), page.firstBlock, page.endBlock];
}

/**
 * The sum of the keys' hashes, without those of deleted events, and the least and greatest sequence of all the ledger's
 * keys in those blocks.
 */
export async function sumKeys(
  database: Database,
  page: KeyPage,
  seed: bigint,
  deleted: readonly { from: bigint; to: bigint }[],
): Promise<{ sum: bigint; least: bigint | null; greatest: bigint | null }> {
  const gaps = deleted.map(({ from, to }) => ` AND k.sequence NOT BETWEEN ${from} AND ${to}`).join('');
  const { rows } = await database.query<{ sum: string; least: string | null; greatest: string | null }>(
    `SELECT coalesce(sum(${keyHash('k', seed)}) FILTER (WHERE k.sequence BETWEEN $2 AND $3${gaps}), 0) AS sum,
            min(k.sequence) AS least, max(k.sequence) AS greatest
       FROM event_keys AS k
       WHERE k.ledger = $1 AND ${IN_BLOCKS}`,
    pageValues(page),
  );
  const { sum, least, greatest } = rows[0]!;
  return {
    sum: BigInt(sum),
    least: least === null ? null : BigInt(least),
    greatest: greatest === null ? null : BigInt(greatest),
  };
}

/** The sum of the hashes that the keys of some events have. */
export async function sumKeysOfEvents(
  database: Database,
  events: readonly { sequence: string; event_id: string }[],
  seed: bigint,
): Promise<bigint> {
  const { rows } = await database.query<{ sum: string }>(
    `SELECT coalesce(sum(${keyHash('k', seed)}), 0) AS sum FROM unnest($1::bigint[], $2::uuid[]) AS k (sequence, event_id)`,
    [events.map(({ sequence }) => sequence), events.map(({ event_id }) => event_id)],
  );
  return BigInt(rows[0]!.sum);
}

/** The keys of a page, by sequence. */
export async function listKeys(database: Database, page: KeyPage): Promise<Misplaced[]> {
  const { rows } = await database.query<Misplaced>(
    `SELECT k.sequence, k.event_id FROM event_keys AS k
       WHERE k.ledger = $1 AND ${IN_BLOCKS} AND k.sequence BETWEEN $2 AND $3 ORDER BY k.sequence, k.event_id`,
    pageValues(page),
  );
  return rows;
}

/** Those of some events that have no key. */
export async function findKeylessAmong(
  database: Database,
  ledger: string,
  events: readonly { sequence: string; event_id: string }[],
): Promise<KeylessEvent[]> {
  const { rows } = await database.query<KeylessEvent>(
    `SELECT e.sequence, e.event_id, k.sequence AS key_sequence, count(*) OVER () AS total
       FROM unnest($2::bigint[], $3::uuid[]) AS e (sequence, event_id)
       LEFT JOIN event_keys AS k ON k.ledger = $1 AND k.event_id = e.event_id
       WHERE k.sequence IS DISTINCT FROM e.sequence ORDER BY e.sequence`,
    [ledger, events.map(({ sequence }) => sequence), events.map(({ event_id }) => event_id)],
  );
  return rows;
}

/** An event without its key; `key_sequence` is where the key of its id points instead, null when there is none. */
export interface KeylessEvent extends Misplaced {
  key_sequence: string | null;
  /** of all that were found, not just of those within the limit */
  total: string;
}

export async function findKeylessEvents(
  database: Database,
  range: { ledger: string; from: bigint; to: bigint },
  limit: number,
): Promise<KeylessEvent[]> {
  const { rows } = await database.query<KeylessEvent>(
    `SELECT e.sequence, e.event_id, k.sequence AS key_sequence, count(*) OVER () AS total
       FROM audit_events AS e
       LEFT JOIN event_keys AS k ON k.ledger = e.ledger AND k.event_id = e.event_id
       WHERE e.ledger = $1 AND e.sequence BETWEEN $2 AND $3 AND k.sequence IS DISTINCT FROM e.sequence
       ORDER BY e.sequence LIMIT $4`,
    [range.ledger, String(range.from), String(range.to), limit],
  );
  return rows;
}

/** A key that is no event's; `stored_id` is the event that stands at its sequence, null when there is none. */
export interface OrphanKey extends Misplaced {
  stored_id: string | null;
  total: string;
}

/**
 * Keys whose event is not the one at their sequence, after those that are archived. Of those within the range; and, when the range ends at the head,
 * those of no sequence that the ledger has.
 */
export async function findOrphanKeys(
  database: Database,
  page: KeyPage,
  archivedTo: bigint,
  limit: number,
  size: bigint | null,
): Promise<OrphanKey[]> {
  const { rows } = await database.query<OrphanKey>(
    `SELECT k.sequence, k.event_id, count(*) OVER () AS total,
            (SELECT e.event_id FROM audit_events AS e
               WHERE e.ledger = k.ledger AND e.sequence BETWEEN k.sequence AND k.sequence
               ORDER BY e.sequence LIMIT 1) AS stored_id
       FROM event_keys AS k
       WHERE k.ledger = $1 AND ${IN_BLOCKS}
         AND (k.sequence > $8 OR k.sequence < 1)
         AND (k.sequence BETWEEN $2 AND $3 OR k.sequence > $6 OR ($6::bigint IS NOT NULL AND k.sequence < 1))
         -- a subquery with a LIMIT, which is never made a join: on tables that were not analysed yet PostgreSQL 15 joined
         -- by an index of the whole ledger for each key
         AND (SELECT true FROM audit_events AS e
                WHERE e.ledger = k.ledger AND e.sequence BETWEEN k.sequence AND k.sequence AND e.event_id = k.event_id
                ORDER BY e.sequence LIMIT 1) IS NULL
       ORDER BY k.sequence, k.event_id LIMIT $7`,
    [...pageValues(page), size === null ? null : String(size), limit, String(archivedTo)],
  );
  return rows;
}
