import type pg from 'pg';
import { readJson, type JsonObject } from '../integrity/strict-json.js';
import type { ArchiveKind, RangeFacts } from './archive-format.js';
import type { RecordContents } from './record-contents.js';
import { CARRIED_RECORD } from './retention-records.js';

type Database = pg.Pool | pg.ClientBase;

const text = (time: string): string => `to_char(${time} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/** Until when an object is kept, and by which policy; whole seconds. */
export interface KeptUntil {
  record_class: string;
  years: number;
  retain_until: string;
}

/** How many years digests are locked past the time for which their events are kept; also in retention_of_objects. */
export const DIGESTS_KEPT_YEARS = 5;

/**
 * Until when events are kept of which the last was recorded then: by the policy that keeps any of them for the longest,
 * and for `leastYears` in any case; and `moreYears` on top of that.
 */
export async function keptUntil(
  database: Database,
  contents: readonly RecordContents[],
  lastRecordedAt: string,
  leastYears: number,
  moreYears: number,
): Promise<KeptUntil> {
  const { rows } = await database.query<KeptUntil>(
    `SELECT record_class, years, ${text('kept_until(retain_until, $7)')} AS retain_until
       FROM (
         SELECT record_class, years, retain_until
           FROM retention_of_contents($1::text[], $2::text[], $3::text[], $4::timestamptz[])
         UNION ALL
         SELECT 'default', $6::integer, kept_until($5::timestamptz, $6)) AS kept
       ORDER BY kept.retain_until DESC, years DESC LIMIT 1`,
    [
      contents.map(({ ledger }) => ledger),
      contents.map(({ entity_type }) => entity_type),
      contents.map(({ event_type }) => event_type),
      contents.map(({ greatest_recorded_at }) => greatest_recorded_at),
      lastRecordedAt,
      leastYears,
      moreYears,
    ],
  );
  return rows[0]!;
}

/** For how many years any record is kept, by the policies that there are, also by those that begin later; `least` if more. */
export async function longestYears(database: Database, least: number): Promise<number> {
  const { rows } = await database.query<{ years: number }>(
    'SELECT greatest($1, max(years))::integer AS years FROM retention_policies',
    [least],
  );
  return rows[0]!.years;
}

/** For how long what proves events has to be locked, as it is now. Times are RFC 3339. */
export interface ProofRetention {
  /** from when it was written: as many as the longest policy has, `least` if that is more */
  years: number;
  /** when the first policy of so many years was made; null where there is none */
  since: string | null;
  /** whether that was within the hour: what was being written then may be locked for less */
  is_new: boolean;
  /** whether any legal hold is in force */
  is_held: boolean;
  /** a year from now, and two */
  in_a_year: string;
  in_two_years: string;
}

export async function readProofRetention(database: Database, least: number): Promise<ProofRetention> {
  const { rows } = await database.query<ProofRetention>(
    `SELECT greatest($1, longest.years)::integer AS years, ${text('longest.since')} AS since,
            coalesce(longest.since > trail_now() - interval '1 hour', false) AS is_new,
            EXISTS (SELECT FROM legal_holds WHERE state IN ('requested', 'active', 'release-requested')) AS is_held,
            ${text('kept_until(trail_now(), 1)')} AS in_a_year, ${text('kept_until(trail_now(), 2)')} AS in_two_years
       FROM (SELECT) AS always
       LEFT JOIN LATERAL (
         SELECT p.years, min(p.created_at) AS since FROM retention_policies AS p
           WHERE p.years >= $1 GROUP BY p.years ORDER BY p.years DESC LIMIT 1) AS longest ON true`,
    [least],
  );
  return rows[0]!;
}

/** What the objects of months hold of some ranges, by what record classes are made of. */
export async function contentsOfRanges(
  database: Database,
  ranges: readonly Pick<RangeFacts, 'ledger' | 'from_sequence' | 'to_sequence'>[],
): Promise<RecordContents[]> {
  const { rows } = await database.query<RecordContents>(
    `SELECT DISTINCT c.ledger, c.entity_type, c.event_type, c.events,
            ${text('c.least_recorded_at')} AS least_recorded_at, ${text('c.greatest_recorded_at')} AS greatest_recorded_at
       FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS wanted (ledger, from_sequence, to_sequence)
       JOIN archive_ranges AS r ON r.kind = 'month' AND r.ledger = wanted.ledger
         AND r.from_sequence <= wanted.to_sequence AND r.to_sequence >= wanted.from_sequence
       JOIN archive_contents AS c ON c.number = r.number AND c.ledger = r.ledger`,
    [
      ranges.map(({ ledger }) => ledger),
      ranges.map(({ from_sequence }) => from_sequence),
      ranges.map(({ to_sequence }) => to_sequence),
    ],
  );
  return rows;
}

/** An object of a month whose lock ends before the policies in force say. */
export interface ShortLock extends KeptUntil {
  number: string;
  object_key: string;
  version_id: string;
  /** as the catalogue knows it */
  locked_until: string;
  /** somebody has begun to remove it: it may be gone */
  removal_begun: boolean;
}

export async function listShortLocks(database: Database): Promise<ShortLock[]> {
  const { rows } = await database.query<ShortLock>(
    `SELECT o.number, o.object_key, o.version_id, ${text('s.retain_until')} AS locked_until,
            w.record_class, w.years, ${text('wanted.retain_until')} AS retain_until,
            EXISTS (SELECT FROM archive_removals AS x WHERE x.number = o.number) AS removal_begun
       FROM retention_of_objects(ARRAY(
              SELECT a.number FROM archive_objects AS a
                WHERE a.kind IN ('month', 'entities', 'digests')
                  AND NOT EXISTS (
                    SELECT FROM archive_removals AS x WHERE x.number = a.number AND x.removed_at IS NOT NULL))) AS w
       JOIN archive_objects AS o ON o.number = w.number
       JOIN archive_object_states AS s ON s.number = w.number
       -- digests stay for ever: their locks are moved on
       CROSS JOIN LATERAL (
         SELECT greatest(w.retain_until, CASE
           WHEN o.kind = 'digests' AND s.retain_until < trail_now() + interval '1 year'
             THEN kept_until(trail_now(), ${DIGESTS_KEPT_YEARS}) END) AS retain_until) AS wanted
       WHERE wanted.retain_until > greatest(s.retain_until, trail_now())
       ORDER BY o.number`,
  );
  return rows;
}

/** An object that is to be removed, with all that the catalogue says of it. */
export interface RemovableObject {
  number: string;
  kind: ArchiveKind;
  location: string;
  object_key: string;
  version_id: string;
  format: string;
  sha256: string;
  bytes: string;
  events: string;
  reason: string;
  created_by: string;
  archived_at: string;
  retain_until: string;
  ranges: Omit<RangeFacts, 'entities_hash'>[];
}

const TIMES = ['least_timestamp', 'greatest_timestamp', 'least_recorded_at', 'greatest_recorded_at'];
const REMOVABLE = `SELECT o.number, o.kind, o.location, o.object_key, o.version_id, o.format, encode(o.sha256, 'hex') AS sha256,
    o.bytes, o.events, o.reason, o.created_by, ${text('o.archived_at')} AS archived_at, ${text('s.retain_until')} AS retain_until,
    (SELECT json_agg(json_build_object(
       'ledger', r.ledger, 'origin', l.origin, 'from_sequence', r.from_sequence::text, 'to_sequence', r.to_sequence::text,
       ${TIMES.map((name) => `'${name}', ${text(`r.${name}`)}`).join(', ')},
       'previous_event_hash', encode(r.previous_event_hash, 'hex'), 'last_event_hash', encode(r.last_event_hash, 'hex'))
       ORDER BY r.ledger)
       FROM archive_ranges AS r JOIN ledgers AS l ON l.ledger = r.ledger WHERE r.number = o.number)::text AS ranges
  FROM archive_objects AS o JOIN archive_object_states AS s ON s.number = o.number`;

async function removable(database: Database, where: string, values: unknown[]): Promise<RemovableObject[]> {
  const { rows } = await database.query<Omit<RemovableObject, 'ranges'> & { ranges: string }>(
    `${REMOVABLE} WHERE ${where} ORDER BY o.kind, o.number`,
    values,
  );
  return rows.map((row) => ({
    ...row,
    ranges: readJson(row.ranges) as JsonObject[] as unknown as RemovableObject['ranges'],
  }));
}

/** Early objects that are in the store, whose lock is over and whose events are all in objects of months, as `e`. */
const SUPERSEDED = `archive_objects AS e JOIN archive_object_states AS t ON t.number = e.number
  WHERE e.kind = 'early' AND t.retain_until <= trail_now()
    AND NOT EXISTS (SELECT FROM archive_removals AS x WHERE x.number = e.number AND x.removed_at IS NOT NULL)
    AND NOT EXISTS (
      SELECT FROM archive_ranges AS r WHERE r.number = e.number AND r.to_sequence > coalesce(
        (SELECT max(m.to_sequence) FROM archive_ranges AS m WHERE m.kind = 'month' AND m.ledger = r.ledger), 0))`;
/** The objects of months, as `s`, that hold what early ones hold, as `e`. */
const COVERING = `archive_ranges AS r
  JOIN archive_ranges AS m ON m.kind = 'month' AND m.ledger = r.ledger
    AND m.from_sequence <= r.to_sequence AND m.to_sequence >= r.from_sequence
  JOIN archive_object_states AS s ON s.number = m.number
    AND NOT EXISTS (SELECT FROM archive_removals AS x WHERE x.number = m.number AND x.removed_at IS NOT NULL)
  WHERE r.number = e.number`;
const IS_HELD = 'e.number IN (SELECT objects_under_hold(NULL))';
const IS_LAST = `EXISTS (SELECT FROM ${COVERING} AND s.found_wrong_at IS NOT NULL)`;

/**
 * Early objects that are superseded, the first ones: under no legal hold, and none that may be the last good copy, since
 * an object of a month with the same events was found wrong. So none of these stands before those that may go.
 */
export function listSuperseded(database: Database, limit: number): Promise<RemovableObject[]> {
  return removable(
    database,
    `o.number IN (SELECT e.number FROM ${SUPERSEDED} AND NOT ${IS_HELD} AND NOT ${IS_LAST} ORDER BY e.number LIMIT $1)`,
    [limit],
  );
}

/** How many early objects would be superseded, and stay. */
export interface KeptObjects {
  /** under legal holds */
  held: number;
  /** since an object of a month with the same events was found wrong */
  last: number;
}

export async function countKept(database: Database): Promise<KeptObjects> {
  const { rows } = await database.query<KeptObjects>(
    `SELECT count(*) FILTER (WHERE ${IS_HELD})::integer AS held, count(*) FILTER (WHERE ${IS_LAST})::integer AS last
       FROM ${SUPERSEDED}`,
  );
  return rows[0]!;
}

/** Numbers of the objects of months that supersede early ones (null: of any month), and were not read as a whole for a day. */
export async function objectsThatSupersede(
  database: Database,
  month: string | null,
  limit: number,
): Promise<Set<string>> {
  const { rows } = await database.query<{ number: string }>(
    `SELECT DISTINCT s.number
       FROM (SELECT e.number FROM ${SUPERSEDED} AND NOT ${IS_HELD} AND NOT ${IS_LAST}
               AND ($1::date IS NULL OR e.number IN (SELECT early_objects_of_month($1::date)))
               ORDER BY e.number LIMIT $2) AS e
       CROSS JOIN LATERAL (SELECT s.number, s.verified_at FROM ${COVERING}) AS s
       WHERE s.verified_at < trail_now() - interval '1 day'`,
    [month, limit],
  );
  return new Set(rows.map(({ number }) => number));
}

/** Objects of a month that are not noted as removed: its index first, which says nothing without the events. */
export function listObjectsOfMonth(database: Database, month: string): Promise<RemovableObject[]> {
  return removable(
    database,
    `o.number IN (SELECT objects_of_month($1::date))
       AND NOT EXISTS (SELECT FROM archive_removals AS x WHERE x.number = o.number AND x.removed_at IS NOT NULL)`,
    [month],
  );
}

/** Early objects that hold events of a month, whose lock is over and which are not noted as removed. */
export function listEarlyOfMonth(database: Database, month: string): Promise<RemovableObject[]> {
  return removable(database, 'o.number IN (SELECT early_objects_of_month($1::date))', [month]);
}

/** Whether an object still has to be removed, and may be: otherwise throws the database's TT062, TT023, 55P03. */
export async function beginRemoval(database: Database, number: string, deletion: string | null): Promise<boolean> {
  const { rows } = await database.query<{ begun: boolean }>('SELECT begin_object_removal($1, $2) AS begun', [
    number,
    deletion,
  ]);
  return rows[0]!.begun;
}

/** The store has said that it is gone. */
export async function finishRemoval(database: Database, number: string): Promise<void> {
  await database.query('SELECT finish_object_removal($1)', [number]);
}

/** Whether somebody has begun to remove an object. */
export async function isRemovalBegun(database: Database, number: string): Promise<boolean> {
  const { rows } = await database.query('SELECT FROM archive_removals WHERE number = $1', [number]);
  return rows.length > 0;
}

/** Whether the records of retention that go with a deletion were recorded again, and archived, within a month. */
export async function wasCarried(database: Database, deletion: string): Promise<boolean> {
  const { rows } = await database.query(
    `SELECT FROM audit_events
       WHERE ledger IN (SELECT ledger FROM ledgers WHERE ledger ~ '^_service(-[0-9]+)?$')
         AND entity_type = $1 AND entity_id = $2 AND action = 'carried' AND recorded_at > trail_now() - interval '1 month' LIMIT 1`,
    [CARRIED_RECORD, deletion],
  );
  return rows.length > 0;
}

/** Whether an event is in any object. */
export async function isArchived(database: Database, origin: string, sequence: string): Promise<boolean> {
  const { rows } = await database.query(
    `SELECT FROM ledgers AS l JOIN archive_ranges AS r ON r.ledger = l.ledger AND r.to_sequence >= $2 WHERE l.origin = $1 LIMIT 1`,
    [origin, sequence],
  );
  return rows.length > 0;
}
