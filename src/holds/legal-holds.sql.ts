import type pg from 'pg';
import { readJson, type JsonObject } from '../integrity/strict-json.js';

type Database = pg.Pool | pg.ClientBase;

/** What acts on holds are recorded of, as entity type and event type. */
export const LEGAL_HOLD = 'legal_hold';

export const HOLD_STATES = ['requested', 'active', 'release-requested', 'rejected', 'released'] as const;
export type HoldState = (typeof HOLD_STATES)[number];

/** What somebody does about a hold that is there; approvals and rejections are of the hold or of its release. */
export type HoldAct = 'approve' | 'reject' | 'request_release';
/** The same as it is recorded. */
export type RecordedAct = 'request' | HoldAct | 'approve_release' | 'reject_release';

/** What a hold keeps. Texts select events; times are RFC 3339, of recorded time, the beginning included, the end not. */
export interface HoldSelection {
  /** slugs */
  ledgers: string[];
  entity_type: string | null;
  entity_id: string | null;
  user_id: string | null;
  event_type: string | null;
  recorded_from: string | null;
  recorded_to: string | null;
}

/** A hold without its acts. */
export type HoldFacts = Omit<LegalHold, 'acts'>;

export interface RecordedHoldAct {
  act: RecordedAct;
  /** of the hold after it */
  state: HoldState;
  principal: string;
  reason: string | null;
  acted_at: string;
}

export interface LegalHold extends HoldSelection {
  id: string;
  state: HoldState;
  reason: string;
  requested_by: string;
  requested_at: string;
  /** in their order */
  acts: RecordedHoldAct[];
}

const text = (time: string): string => `to_char(${time} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
const time = (column: string): string => `${text(`h.${column}`)} AS ${column}`;
const FACTS = `h.id, h.state, h.ledgers, h.entity_type, h.entity_id, h.user_id, h.event_type, ${time('recorded_from')},
  ${time('recorded_to')}, h.reason, h.requested_by, ${time('requested_at')}`;
const COLUMNS = `${FACTS},
  (SELECT json_agg(json_build_object('act', a.act, 'state', a.state, 'principal', a.principal, 'reason', a.reason,
                                     'acted_at', ${text('a.acted_at')}) ORDER BY a.ordinal)
     FROM legal_hold_acts AS a WHERE a.hold = h.id) AS acts`;

/** As pg gives it: JSON is text. */
type Row = Omit<LegalHold, 'acts'> & { acts: string };

function holdOf(row: Row): LegalHold {
  return { ...row, acts: readJson(row.acts) as JsonObject[] as unknown as RecordedHoldAct[] };
}

/** Makes a hold. Throws the database's TT001 for a ledger that is not there. */
export async function requestHold(
  database: Database,
  hold: HoldSelection & { id: string; reason: string; principal: string },
): Promise<void> {
  await database.query(`SELECT request_legal_hold($1, $2, $3, $4, $5, $6, $7::timestamptz, $8::timestamptz, $9, $10)`, [
    hold.id,
    hold.ledgers,
    hold.entity_type,
    hold.entity_id,
    hold.user_id,
    hold.event_type,
    hold.recorded_from,
    hold.recorded_to,
    hold.reason,
    hold.principal,
  ]);
}

/**
 * Does something about a hold; what it is recorded as. Throws the database's TT030 to TT032: no such hold, it takes
 * another principal, its state forbids it or is not `seenState`.
 */
export async function actOnHold(
  database: Database,
  id: string,
  act: HoldAct,
  principal: string,
  reason: string | null,
  seenState: HoldState | null,
): Promise<RecordedAct> {
  const { rows } = await database.query<{ act: RecordedAct }>('SELECT act_on_legal_hold($1, $2, $3, $4, $5) AS act', [
    id,
    act,
    principal,
    reason,
    seenState,
  ]);
  return rows[0]!.act;
}

export async function findHold(database: Database, id: string): Promise<LegalHold | undefined> {
  const { rows } = await database.query<Row>(`SELECT ${COLUMNS} FROM legal_holds AS h WHERE h.id = $1`, [id]);
  return rows[0] && holdOf(rows[0]);
}

/** All of them, by id. */
export async function readHolds(database: Database): Promise<HoldFacts[]> {
  const { rows } = await database.query<HoldFacts>(`SELECT ${FACTS} FROM legal_holds AS h ORDER BY h.id`);
  return rows;
}

/** How many acts on each hold are in the database, of one of the service's ledgers and after a sequence. */
export async function countRecordedActs(
  database: Database,
  ledger: string,
  after: bigint,
): Promise<{ id: string; acts: number }[]> {
  const { rows } = await database.query<{ id: string; acts: number }>(
    `SELECT entity_id AS id, count(*)::integer AS acts FROM audit_events
       WHERE ledger = $1 AND entity_type = $2 AND sequence > $3 GROUP BY entity_id`,
    [ledger, LEGAL_HOLD, String(after)],
  );
  return rows;
}

export interface HoldFilter {
  state: string | null;
  ledger: string | null;
  /** only holds all of whose ledgers are among these; null for every ledger */
  within: string[] | null;
  /** only holds that were made before this one; null for the latest */
  before: string | null;
}

/** The latest ones first: their ids grow with time. */
export async function listHolds(database: Database, filter: HoldFilter, limit: number): Promise<LegalHold[]> {
  const { rows } = await database.query<Row>(
    `SELECT ${COLUMNS} FROM legal_holds AS h
       WHERE ($1::text IS NULL OR h.state = $1) AND ($2::text IS NULL OR $2 = ANY (h.ledgers))
         AND ($3::text[] IS NULL OR h.ledgers <@ $3) AND ($4::uuid IS NULL OR h.id < $4)
       ORDER BY h.id DESC LIMIT $5`,
    [filter.state, filter.ledger, filter.within, filter.before, limit],
  );
  return rows.map(holdOf);
}

/** How many archive objects hold something that a hold keeps, and for how many of them the store has confirmed its own hold. */
export async function countObjectsOfHold(
  database: Database,
  id: string,
): Promise<{ objects: string; objects_held: string }> {
  const { rows } = await database.query<{ objects: string; objects_held: string }>(
    `SELECT count(*) AS objects, count(x.confirmed_at) AS objects_held
       FROM objects_under_hold($1) AS n (number) LEFT JOIN archive_object_holds AS x ON x.number = n.number`,
    [id],
  );
  return rows[0]!;
}

export async function countHolds(database: Database): Promise<Map<string, number>> {
  const { rows } = await database.query<{ state: string; holds: string }>(
    'SELECT state, count(*) AS holds FROM legal_holds GROUP BY state',
  );
  return new Map(rows.map(({ state, holds }) => [state, Number(holds)]));
}
