import type pg from 'pg';
import { readJson, type JsonObject } from '../integrity/strict-json.js';

type Database = pg.Pool | pg.ClientBase;

export const DELETION_STATES = ['requested', 'approved', 'removing', 'done', 'rejected'] as const;
export type DeletionState = (typeof DELETION_STATES)[number];

export type DeletionAct = 'approve' | 'reject' | 'begin' | 'finish';

export interface RecordedDeletionAct {
  act: 'request' | DeletionAct;
  /** of the deletion after it */
  state: DeletionState;
  principal: string;
  reason: string | null;
  acted_at: string;
}

/** The policy that had kept a month for the longest. */
export interface DeletionPolicy {
  id: string;
  record_class: string;
  years: number;
}

/** A month that is, or is to be, deleted. Times are RFC 3339. */
export interface MonthDeletion {
  id: string;
  /** first day, YYYY-MM-DD */
  month: string;
  state: DeletionState;
  /** null until the removal has begun */
  policy: DeletionPolicy | null;
  reason: string;
  requested_by: string;
  requested_at: string;
  begun_at: string | null;
  done_at: string | null;
  /** decimal: objects that count, and of them those that are removed */
  objects: string;
  objects_removed: string;
  /** in their order */
  acts: RecordedDeletionAct[];
}

const text = (time: string): string => `to_char(${time} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
const time = (column: string): string => `${text(`d.${column}`)} AS ${column}`;
const COLUMNS = `d.id, d.month::text AS month, d.state, d.reason, d.requested_by, ${time('requested_at')}, ${time('begun_at')},
  ${time('done_at')}, removal.objects, removal.objects_removed,
  (SELECT json_build_object('id', p.id, 'record_class', p.record_class, 'years', p.years)
     FROM retention_policies AS p WHERE p.id = d.policy)::text AS policy,
  (SELECT json_agg(json_build_object('act', a.act, 'state', a.state, 'principal', a.principal, 'reason', a.reason,
                                     'acted_at', ${text('a.acted_at')}) ORDER BY a.ordinal)
     FROM month_deletion_acts AS a WHERE a.deletion = d.id)::text AS acts`;
const FROM = `month_deletions AS d CROSS JOIN LATERAL (
    SELECT count(*) AS objects, count(x.removed_at) AS objects_removed
      FROM objects_of_month(d.month) AS n (number) LEFT JOIN archive_removals AS x ON x.number = n.number) AS removal`;

type Row = Omit<MonthDeletion, 'acts' | 'policy'> & { acts: string; policy: string | null };

function deletionOf(row: Row): MonthDeletion {
  return {
    ...row,
    policy: row.policy === null ? null : (readJson(row.policy) as JsonObject as unknown as DeletionPolicy),
    acts: readJson(row.acts) as JsonObject[] as unknown as RecordedDeletionAct[],
  };
}

/** Throws the database's TT061 when it was asked for already, TT062 and why the month must be kept. */
export async function requestDeletion(
  database: Database,
  deletion: { id: string; month: string; reason: string; principal: string },
): Promise<void> {
  const { id, month, reason, principal } = deletion;
  await database.query('SELECT request_month_deletion($1, $2::date, $3, $4)', [id, month, reason, principal]);
}

/** Throws the database's TT061 to TT063, and TT031 when it takes another principal. */
export async function actOnDeletion(
  database: Database,
  id: string,
  act: DeletionAct,
  principal: string,
  reason: string | null,
): Promise<void> {
  await database.query('SELECT act_on_month_deletion($1, $2, $3, $4)', [id, act, principal, reason]);
}

export async function findDeletion(database: Database, id: string): Promise<MonthDeletion | undefined> {
  const { rows } = await database.query<Row>(`SELECT ${COLUMNS} FROM ${FROM} WHERE d.id = $1`, [id]);
  return rows[0] && deletionOf(rows[0]);
}

/** The latest ones first: their ids grow with time. */
export async function listDeletions(
  database: Database,
  filter: { state: string | null; before: string | null },
  limit: number,
): Promise<MonthDeletion[]> {
  const { rows } = await database.query<Row>(
    `SELECT ${COLUMNS} FROM ${FROM}
       WHERE ($1::text IS NULL OR d.state = $1) AND ($2::uuid IS NULL OR d.id < $2) ORDER BY d.id DESC LIMIT $3`,
    [filter.state, filter.before, limit],
  );
  return rows.map(deletionOf);
}

/** Those that are approved or begun, the first month first. */
export async function listOpenDeletions(database: Database): Promise<MonthDeletion[]> {
  const { rows } = await database.query<Row>(
    `SELECT ${COLUMNS} FROM ${FROM} WHERE d.state IN ('approved', 'removing') ORDER BY d.month`,
  );
  return rows.map(deletionOf);
}

/** What a month holds of a ledger: what stays of it. Sequences in decimal, hashes in hex, times RFC 3339. */
export interface DeletedMonthRange {
  ledger: string;
  origin: string;
  from_sequence: string;
  /** included */
  to_sequence: string;
  least_timestamp: string;
  greatest_timestamp: string;
  least_recorded_at: string;
  greatest_recorded_at: string;
  previous_event_hash: string | null;
  last_event_hash: string;
}

export async function listRangesOfMonth(database: Database, month: string): Promise<DeletedMonthRange[]> {
  const times = ['least_timestamp', 'greatest_timestamp', 'least_recorded_at', 'greatest_recorded_at'];
  const { rows } = await database.query<DeletedMonthRange>(
    `SELECT r.ledger, l.origin, r.from_sequence, r.to_sequence, ${times.map((name) => `${text(`r.${name}`)} AS ${name}`).join(', ')},
            encode(r.previous_event_hash, 'hex') AS previous_event_hash, encode(r.last_event_hash, 'hex') AS last_event_hash
       FROM month_ranges AS r JOIN ledgers AS l ON l.ledger = r.ledger WHERE r.month = $1::date ORDER BY r.ledger`,
    [month],
  );
  return rows;
}

/** A month that has left PostgreSQL, and whether it may be deleted. */
export interface DeletionCandidate {
  month: string;
  /** past it by policies and locks */
  retained_until: string;
  record_class: string;
  years: number;
  objects: string;
  bytes: string;
  events: string;
  /** ids of the legal holds that keep it all the same */
  holds: string[];
}

/** Months whose retention is over and whose deletion nobody has asked for, the first one first. */
export async function listCandidates(database: Database): Promise<DeletionCandidate[]> {
  const { rows } = await database.query<DeletionCandidate>(
    `SELECT m.month::text AS month, ${text('greatest(k.retain_until, k.locked_until)')} AS retained_until, k.record_class, k.years,
            o.objects, o.bytes, o.events,
            ARRAY(SELECT h.id::text FROM legal_holds AS h
                    WHERE h.state NOT IN ('rejected', 'released')
                      AND h.ledgers && ARRAY(SELECT unnest(ledger_line(r.ledger)) FROM month_ranges AS r WHERE r.month = m.month)
                      AND coalesce(h.recorded_from, '-infinity') < (m.month + interval '1 month') AT TIME ZONE 'UTC'
                      AND coalesce(h.recorded_to, 'infinity') > m.month::timestamp AT TIME ZONE 'UTC'
                    ORDER BY h.id) AS holds
       FROM months AS m
       JOIN retention_of_months(ARRAY(SELECT s.month FROM months AS s WHERE s.state = 'dropped')) AS k ON k.month = m.month
       CROSS JOIN LATERAL (
         SELECT count(*) AS objects, sum(a.bytes) AS bytes, sum(a.events) FILTER (WHERE a.kind = 'month') AS events
           FROM archive_objects AS a WHERE a.number IN (SELECT objects_of_month(m.month))) AS o
       WHERE m.state = 'dropped' AND greatest(k.retain_until, k.locked_until) <= trail_now()
         AND NOT EXISTS (SELECT FROM month_deletions AS d WHERE d.month = m.month AND d.state <> 'rejected')
       ORDER BY m.month`,
  );
  return rows;
}

/** Of the events in which acts about deletions are recorded. */
export const MONTH_DELETION = 'month_deletion';
