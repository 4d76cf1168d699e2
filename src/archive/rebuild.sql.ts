import type pg from 'pg';
import { copyIn } from '../database/copy-in.js';
import { sqlState, SqlState } from '../database/sqlstate.js';
import type { StoredRow } from '../integrity/stored-event.js';
import { formatMicros } from '../integrity/timestamp.js';
import type { RangeFacts } from './archive-format.js';
import type { RecordContents } from './record-contents.js';
import { askedBy, type RecordedHold } from './recorded-hold.js';
import type {
  RecordedDeletion,
  RecordedPolicy,
  RecordedRange,
  ReferenceEvent,
  RemovedObject,
} from './retention-records.js';
import { EVENT_COLUMNS, KEY_COLUMNS, type TellingEvent } from './rows-to-copy.js';

/** What a database holds before a rebuild: nothing, the trail of a deployment, or some of a trail and no deployment. */
export type HeldBefore = { is: 'nothing' } | { is: 'part' } | { is: 'trail'; deployment: string; logOrigin: string };

/** Keeps everybody from beginning a trail before the transaction ends. */
export async function lockDeployment(owner: pg.ClientBase): Promise<HeldBefore> {
  await owner.query('LOCK TABLE deployment IN EXCLUSIVE MODE');
  const { rows } = await owner.query<{ deployment: string | null; log_origin: string | null; used: boolean }>(
    `SELECT (SELECT id FROM deployment) AS deployment, (SELECT log_origin FROM deployment) AS log_origin,
         EXISTS (SELECT FROM ledgers) OR EXISTS (SELECT FROM archive_objects) OR EXISTS (SELECT FROM event_keys) AS used`,
  );
  const { deployment, log_origin: logOrigin, used } = rows[0]!;
  if (deployment !== null) return { is: 'trail', deployment, logOrigin: logOrigin! };
  return { is: used ? 'part' : 'nothing' };
}

/** So that what is read next is planned by what is there now: nothing of it is seen by autovacuum before the commit. */
export async function analyze(owner: pg.ClientBase): Promise<void> {
  await owner.query(
    'ANALYZE audit_events, event_keys, month_ranges, archive_objects, archive_ranges, archive_contents, late_executions',
  );
}

/** A ledger, and where it ends. */
export interface RebuiltLedger {
  ledger: string;
  origin: string;
  size: string;
  /** hex */
  event_hash: string;
  created_at: string;
  recorded_at: string;
  archived_to: string;
}

export async function insertLedger(owner: pg.ClientBase, ledger: RebuiltLedger): Promise<void> {
  await owner.query(`INSERT INTO ledgers (ledger, origin, created_at) VALUES ($1, $2, $3)`, [
    ledger.ledger,
    ledger.origin,
    ledger.created_at,
  ]);
  await owner.query(
    `INSERT INTO ledger_heads (ledger, size, event_hash, recorded_at, archived_to)
       VALUES ($1, $2, decode($3, 'hex'), $4, $5)`,
    [ledger.ledger, ledger.size, ledger.event_hash, ledger.recorded_at, ledger.archived_to],
  );
}

/** An object as it was found in the store. */
export interface RebuiltObject {
  number: string;
  kind: string;
  location: string;
  key: string;
  versionId: string;
  format: string;
  sha256: Buffer;
  bytes: number;
  events: string;
  reason: string;
  retainUntil: Date;
  ranges: readonly RecordedRange[];
  /** of a month's, by what record classes are made of */
  contents: readonly RecordContents[];
}

export async function insertObject(owner: pg.ClientBase, object: RebuiltObject): Promise<void> {
  await owner.query(
    `INSERT INTO archive_objects
         (number, kind, location, object_key, version_id, format, sha256, bytes, events, reason, created_by, archived_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'service', trail_now())`,
    [
      ...[object.number, object.kind, object.location, object.key, object.versionId, object.format],
      ...[object.sha256, object.bytes, object.events, object.reason],
    ],
  );
  await owner.query(
    `INSERT INTO archive_object_states (number, retain_until, verified_at) VALUES ($1, $2, trail_now())`,
    [object.number, object.retainUntil.toISOString()],
  );
  await insertRanges(owner, object);
  for (const { ledger, entity_type, event_type, events, least_recorded_at, greatest_recorded_at } of object.contents) {
    await owner.query(
      `INSERT INTO archive_contents
           (number, ledger, entity_type, event_type, events, least_recorded_at, greatest_recorded_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)`,
      [object.number, ledger, entity_type, event_type, events, least_recorded_at, greatest_recorded_at],
    );
  }
}

async function insertRanges(
  owner: pg.ClientBase,
  object: { number: string; kind: string; ranges: readonly RecordedRange[] },
): Promise<void> {
  for (const range of object.ranges) {
    await owner.query(
      `INSERT INTO archive_ranges
           (number, kind, ledger, from_sequence, to_sequence, least_timestamp, greatest_timestamp,
            least_recorded_at, greatest_recorded_at, previous_event_hash, last_event_hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, decode($10, 'hex'), decode($11, 'hex'))`,
      [
        ...[object.number, object.kind, range.ledger, range.from_sequence, range.to_sequence],
        ...[range.least_timestamp, range.greatest_timestamp, range.least_recorded_at, range.greatest_recorded_at],
        ...[range.previous_event_hash, range.last_event_hash],
      ],
    );
  }
}

/** Enters an object that is not in the store any more, as its removal was recorded. */
export async function insertRemovedObject(owner: pg.ClientBase, object: RemovedObject): Promise<void> {
  await owner.query(
    `INSERT INTO archive_objects
         (number, kind, location, object_key, version_id, format, sha256, bytes, events, reason, created_by, archived_at)
       VALUES ($1, $2, $3, $4, $5, $6, decode($7, 'hex'), $8, $9, $10, $11, $12)`,
    [
      ...[object.number, object.kind, object.location, object.object_key, object.version_id, object.format],
      ...[object.sha256, object.bytes, object.events, object.reason, object.created_by, object.archived_at],
    ],
  );
  await owner.query('INSERT INTO archive_object_states (number, retain_until, verified_at) VALUES ($1, $2, $3)', [
    object.number,
    object.retain_until,
    object.archived_at,
  ]);
  await insertRanges(owner, object);
  await owner.query('INSERT INTO archive_removals (number, deletion, begun_at, removed_at) VALUES ($1, $2, $3, $3)', [
    object.number,
    object.deletion,
    object.removed_at,
  ]);
}

/** Enters by the successor which ledger each one succeeds; both are there. */
export async function insertSuccessions(
  owner: pg.ClientBase,
  predecessors: ReadonlyMap<string, string>,
): Promise<void> {
  await owner.query(
    `INSERT INTO ledger_successions (ledger, predecessor, noted_at)
       SELECT u.ledger, p.ledger, trail_now()
         FROM unnest($1::text[], $2::text[]) AS u (ledger, predecessor) JOIN ledgers AS p ON p.ledger = u.predecessor`,
    [[...predecessors.keys()], [...predecessors.values()]],
  );
}

export async function insertPolicies(owner: pg.ClientBase, policies: readonly RecordedPolicy[]): Promise<void> {
  for (const policy of policies) {
    await owner.query(
      `INSERT INTO retention_policies
           (id, record_class, valid_from, ledger, entity_type, event_type, years, reason, created_by, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
      [
        ...[policy.id, policy.record_class, policy.valid_from, policy.ledger, policy.entity_type, policy.event_type],
        ...[policy.years, policy.reason, policy.created_by, policy.created_at],
      ],
    );
  }
}

/**
 * Enters all changes of reference data, in their order, and that they are: what has left the database is found there no
 * more. The ledgers are there.
 */
export async function insertReferenceData(owner: pg.ClientBase, events: readonly ReferenceEvent[]): Promise<void> {
  for (const event of events) {
    await owner.query('SELECT enter_reference_change($1, $2, $3, $4, $5, $6, $7, $8, $9)', [
      ...[event.ledger, event.sequence, event.event_id, event.recorded_at, event.entity_type, event.entity_id],
      ...[event.user_id, JSON.stringify(event.new_state), JSON.stringify(event.metadata)],
    ]);
  }
  await owner.query(
    `INSERT INTO reference_progress (ledger, taken_to)
       SELECT h.ledger, h.size FROM ledger_heads AS h WHERE h.ledger ~ '^_service(-[1-9][0-9]*)?$'`,
  );
}

/** Enters the deletion of a month, which must be there. */
export async function insertDeletion(owner: pg.ClientBase, deletion: RecordedDeletion): Promise<void> {
  const { id, month, state, policy, reason, requested_by, requested_at, begun_at, done_at, acts } = deletion;
  await owner.query(
    `INSERT INTO month_deletions (id, month, state, policy, reason, requested_by, requested_at, begun_at, done_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [id, month, state, policy?.id ?? null, reason, requested_by, requested_at, begun_at, done_at],
  );
  for (const [i, act] of acts.entries()) {
    await owner.query(
      `INSERT INTO month_deletion_acts (deletion, ordinal, act, state, principal, reason, acted_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)`,
      [id, i + 1, act.act, act.state, act.principal, act.reason, act.acted_at],
    );
  }
}

/** Enters a legal hold as the acts on record left it, with these acts. */
export async function insertHold(owner: pg.ClientBase, hold: RecordedHold): Promise<void> {
  await owner.query(
    `INSERT INTO legal_holds
         (id, state, asked_by, ledgers, entity_type, entity_id, user_id, event_type, recorded_from, recorded_to, reason,
          requested_by, requested_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
    [
      ...[hold.id, hold.state, askedBy(hold), hold.ledgers, hold.entity_type, hold.entity_id, hold.user_id],
      ...[hold.event_type, hold.recorded_from, hold.recorded_to, hold.reason, hold.requested_by, hold.requested_at],
    ],
  );
  await insertActs(owner, hold, 0);
}

/** Enters the acts of a hold that is there from the first one on that is not, and the state in which they left it. */
export async function updateHold(owner: pg.ClientBase, hold: RecordedHold, actsThere: number): Promise<void> {
  await owner.query('UPDATE legal_holds SET state = $2, asked_by = $3 WHERE id = $1', [
    ...[hold.id, hold.state, askedBy(hold)],
  ]);
  await insertActs(owner, hold, actsThere);
}

async function insertActs(owner: pg.ClientBase, { id, acts }: RecordedHold, from: number): Promise<void> {
  for (const [i, act] of acts.entries()) {
    if (i < from) continue;
    await owner.query(
      `INSERT INTO legal_hold_acts (hold, ordinal, act, state, principal, reason, acted_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)`,
      [id, i + 1, act.act, act.state, act.principal, act.reason, act.acted_at],
    );
  }
}

/** A hold with its acts, locked until the transaction ends; undefined where there is none. */
export async function findHold(owner: pg.ClientBase, id: string): Promise<RecordedHold | undefined> {
  const time = (column: string): string =>
    `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS ${column}`;
  const { rows } = await owner.query<Omit<RecordedHold, 'acts'>>(
    `SELECT id, state, ledgers, entity_type, entity_id, user_id, event_type, ${time('recorded_from')},
            ${time('recorded_to')}, reason, requested_by, ${time('requested_at')}
       FROM legal_holds WHERE id = $1 FOR UPDATE`,
    [id],
  );
  if (!rows[0]) return undefined;
  const { rows: acts } = await owner.query<RecordedHold['acts'][number]>(
    `SELECT act, state, principal, reason, ${time('acted_at')} FROM legal_hold_acts WHERE hold = $1 ORDER BY ordinal`,
    [id],
  );
  return { ...rows[0], acts };
}

export interface UnheldObject {
  key: string;
  versionId: string;
}

/** The objects of the catalogue that no hold in force keeps, nor has kept in the store until now. */
export async function listUnheldObjects(owner: pg.ClientBase): Promise<UnheldObject[]> {
  const { rows } = await owner.query<UnheldObject>(
    `SELECT o.object_key AS key, o.version_id AS "versionId" FROM archive_objects AS o
       WHERE o.number NOT IN (SELECT objects_under_hold(NULL))
         AND NOT EXISTS (SELECT FROM archive_object_holds AS h WHERE h.number = o.number)
         AND NOT EXISTS (SELECT FROM archive_removals AS x WHERE x.number = o.number)
       ORDER BY o.number`,
  );
  return rows;
}

/** Whether a hold in force keeps something of some ranges. */
export async function isHeld(owner: pg.ClientBase, ranges: readonly RangeFacts[]): Promise<boolean> {
  const { rows } = await owner.query<{ held: boolean }>(
    `SELECT EXISTS (
       SELECT FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) AS r (ledger, least, greatest)
         CROSS JOIN LATERAL month_holds(r.least, r.greatest + interval '1 microsecond', ARRAY[r.ledger])) AS held`,
    [
      ranges.map(({ ledger }) => ledger),
      ranges.map(({ least_recorded_at: least }) => least),
      ranges.map(({ greatest_recorded_at: greatest }) => greatest),
    ],
  );
  return rows[0]!.held;
}

/**
 * Enters which of the objects that the store holds a hold in force keeps: the store is told to let go of these once none
 * does any more. The numbers of the others, which no hold on record keeps.
 */
export async function insertObjectHolds(owner: pg.ClientBase, held: readonly string[]): Promise<string[]> {
  await owner.query(
    `INSERT INTO archive_object_holds (number, begun_at, confirmed_at)
       SELECT n, trail_now(), trail_now() FROM unnest($1::bigint[]) AS n WHERE n IN (SELECT objects_under_hold(NULL))`,
    [held],
  );
  const { rows } = await owner.query<{ number: string }>(
    `SELECT n AS number FROM unnest($1::bigint[]) AS n WHERE n NOT IN (SELECT number FROM archive_object_holds) ORDER BY n`,
    [held],
  );
  return rows.map(({ number }) => number);
}

/** Enters months whose events stay in the archive, with what they hold. */
export async function insertDroppedMonth(
  owner: pg.ClientBase,
  month: string,
  ranges: readonly RecordedRange[],
): Promise<void> {
  await owner.query(
    `INSERT INTO months (month, state, partition_name, created_at, closed_at, sealed_at, retired_at, dropped_at,
                         executions_listed_at)
       SELECT $1::date, 'dropped', 'audit_events_' || to_char($1::date, 'YYYY_MM'), now, now, now, now, now, now
         FROM trail_now() AS now`,
    [month],
  );
  for (const range of ranges) {
    await owner.query(
      `INSERT INTO month_ranges
           (month, ledger, from_sequence, to_sequence, least_timestamp, greatest_timestamp,
            least_recorded_at, greatest_recorded_at, previous_event_hash, last_event_hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, decode($9, 'hex'), decode($10, 'hex'))`,
      [
        ...[month, range.ledger, range.from_sequence, range.to_sequence, range.least_timestamp],
        ...[range.greatest_timestamp, range.least_recorded_at, range.greatest_recorded_at],
        ...[range.previous_event_hash, range.last_event_hash],
      ],
    );
  }
}

/** An object of a month that is locked for longer than the policies in force say; RFC 3339, null where none matches. */
export interface LongerLock {
  object_key: string;
  locked_until: string;
  retain_until: string | null;
}

export async function listLongerLocks(owner: pg.ClientBase): Promise<LongerLock[]> {
  const time = (column: string, name: string): string =>
    `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS ${name}`;
  const { rows } = await owner.query<LongerLock>(
    `SELECT o.object_key, ${time('s.retain_until', 'locked_until')}, ${time('w.retain_until', 'retain_until')}
       FROM archive_objects AS o
       JOIN archive_object_states AS s ON s.number = o.number
       LEFT JOIN retention_of_objects(ARRAY(SELECT a.number FROM archive_objects AS a WHERE a.kind IN ('month', 'entities'))) AS w
         ON w.number = o.number
       WHERE o.kind IN ('month', 'entities') AND (w.retain_until IS NULL OR s.retain_until > w.retain_until)
         AND NOT EXISTS (SELECT FROM archive_removals AS x WHERE x.number = o.number)
       ORDER BY o.number`,
  );
  return rows;
}

/** The keys of catalogued objects that hold events past the end of their ledger: it was cut, or restored from a backup. */
export async function objectsPastHeads(owner: pg.ClientBase): Promise<string[]> {
  const { rows } = await owner.query<{ object_key: string }>(
    `SELECT DISTINCT o.object_key FROM ledger_heads AS h
       JOIN archive_ranges AS r ON r.ledger = h.ledger AND r.to_sequence > h.size
       JOIN archive_objects AS o ON o.number = r.number`,
  );
  return rows.map(({ object_key: key }) => key);
}

/** False when it is there already. */
export async function createMonth(owner: pg.ClientBase, month: string): Promise<boolean> {
  const { rows } = await owner.query<{ made: boolean }>('SELECT create_month($1::date) AS made', [month]);
  return rows[0]!.made;
}

/** The table of a month that is being filled: no partition, and without an index. */
export interface UnindexedMonth {
  /** as SQL writes it */
  table: string;
  /** whether this transaction has made it, so that nobody else can see its rows before the commit */
  isNew: boolean;
  /** FOR VALUES FROM … TO … */
  bounds: string;
  /** by which its indexes are made, in the order in which they were */
  indexes: string[];
}

/**
 * Makes a month, and takes its table out of the trail and its indexes off it, until `indexMonth`: to build an index of rows
 * that are there takes PostgreSQL a fraction of what it takes to keep it up row by row. What they are is what create_month
 * has made.
 */
export async function createUnindexedMonth(owner: pg.ClientBase, month: string): Promise<UnindexedMonth> {
  const isNew = await createMonth(owner, month);
  const { rows } = await owner.query<Omit<UnindexedMonth, 'isNew'> & { names: string[] }>(
    `SELECT quote_ident(c.relname) AS "table", pg_get_expr(c.relpartbound, c.oid) AS bounds,
            array_agg(quote_ident(i.relname) ORDER BY i.oid) AS names,
            array_agg(pg_get_indexdef(i.oid) ORDER BY i.oid) AS indexes
       FROM months AS m
       JOIN pg_class AS c ON c.relname = m.partition_name AND c.relnamespace = 'public'::regnamespace
       JOIN pg_index AS x ON x.indrelid = c.oid
       JOIN pg_class AS i ON i.oid = x.indexrelid
       WHERE m.month = $1 GROUP BY c.oid, c.relname, c.relpartbound`,
    [month],
  );
  const { table, bounds, names, indexes } = rows[0]!;
  await owner.query(`ALTER TABLE public.audit_events DETACH PARTITION public.${table}`);
  await owner.query(`DROP INDEX ${names.map((name) => `public.${name}`).join(', ')}`);
  return { table, isNew, bounds, indexes };
}

/** Fails when a row lies outside of the month, or a sequence is there twice. */
export async function indexMonth(owner: pg.ClientBase, { table, bounds, indexes }: UnindexedMonth): Promise<void> {
  for (const definition of indexes) await owner.query(definition);
  await owner.query(`ALTER TABLE public.audit_events ATTACH PARTITION public.${table} ${bounds}`);
}

/**
 * Of a month that this transaction has made rows are written as those of a month that was vacuumed are: nobody who reads
 * them has to write anything, and what is in an index alone is read from the index alone.
 */
export async function copyEvents(
  owner: pg.ClientBase,
  { table, isNew }: UnindexedMonth,
  rows: Uint8Array,
): Promise<void> {
  const columns = EVENT_COLUMNS.map((name) => `"${name}"`).join(', ');
  await copyIn(owner, `COPY public.${table} (${columns}) FROM STDIN (FORMAT binary, FREEZE ${isNew})`, rows);
}

/** The primary key of event_keys, or of one of its partitions: names as SQL writes them. */
interface PrimaryKey {
  table: string;
  name: string;
  definition: string;
}

/** The one of event_keys, which comes first, and those of its partitions. */
export type KeysOfKeys = [PrimaryKey, ...PrimaryKey[]];

/** Takes the primary keys off the keys until `indexKeys`; what they were. */
export async function unindexKeys(owner: pg.ClientBase): Promise<KeysOfKeys> {
  const { rows } = await owner.query<PrimaryKey>(
    `SELECT quote_ident(c.relname) AS "table", quote_ident(k.conname) AS name, pg_get_constraintdef(k.oid) AS definition
       FROM pg_partition_tree('public.event_keys') AS t
       JOIN pg_class AS c ON c.oid = t.relid
       JOIN pg_constraint AS k ON k.conrelid = c.oid AND k.contype = 'p'
       ORDER BY t.level, c.relname`,
  );
  const keys = rows as KeysOfKeys;
  await owner.query(`ALTER TABLE public.${keys[0].table} DROP CONSTRAINT ${keys[0].name}`);
  return keys;
}

/** Into the keys while they have no index. */
export async function copyKeys(owner: pg.ClientBase, rows: Uint8Array): Promise<void> {
  await copyIn(owner, `COPY public.event_keys (${KEY_COLUMNS.join(', ')}) FROM STDIN (FORMAT binary)`, rows);
}

/** Of an id that a ledger has twice, where it stands the second time. */
export interface RepeatedKey {
  ledger: string;
  sequence: bigint;
  cause: unknown;
}

/** Those that stand first of their ledgers; none when each id is there once in its ledger, and only then it is indexed. */
export async function indexKeys(owner: pg.ClientBase, [all, ...parts]: KeysOfKeys): Promise<RepeatedKey[]> {
  await owner.query('SAVEPOINT keys');
  try {
    // one by one, and then put together, as the migration did it
    for (const [only, { table, name, definition }] of [
      ['ONLY', all] as const,
      ...parts.map((part) => ['', part] as const),
    ])
      await owner.query(`ALTER TABLE ${only} public.${table} ADD CONSTRAINT ${name} ${definition}`);
    for (const { name } of parts) await owner.query(`ALTER INDEX public.${all.name} ATTACH PARTITION public.${name}`);
    await owner.query('RELEASE SAVEPOINT keys');
    return [];
  } catch (cause) {
    if (sqlState(cause) !== SqlState.uniqueViolation) throw cause;
    await owner.query('ROLLBACK TO SAVEPOINT keys');
    const { rows } = await owner.query<{ ledger: string; sequence: string }>(
      `SELECT ledger, min(second) AS sequence
         FROM (SELECT ledger, (array_agg(sequence ORDER BY sequence))[2] AS second
                 FROM event_keys GROUP BY ledger, event_id HAVING count(*) > 1) AS r
         GROUP BY ledger`,
    );
    return rows.map(({ ledger, sequence }) => ({ ledger, sequence: BigInt(sequence), cause }));
  }
}

export async function insertKeys(
  owner: pg.ClientBase,
  ledger: string,
  rows: readonly StoredRow<number>[],
): Promise<void> {
  await owner.query(
    `INSERT INTO event_keys (ledger, event_id, sequence) SELECT $1, * FROM unnest($2::uuid[], $3::bigint[])`,
    [ledger, rows.map(({ event_id }) => event_id), rows.map(({ sequence }) => sequence)],
  );
}

/** Enters which of some events that stay in the archive tell of executions of other days than their own. */
export async function insertLateExecutions(owner: pg.ClientBase, telling: readonly TellingEvent[]): Promise<void> {
  await owner.query(
    `INSERT INTO late_executions (ledger, day, sequence)
       SELECT e.ledger, e.day, e.sequence FROM (
         SELECT u.ledger, u.sequence, late_execution_day(u.metadata, u."timestamp") AS day
           FROM unnest($1::text[], $2::bigint[], $3::jsonb[], $4::timestamptz[])
                  AS u (ledger, sequence, metadata, "timestamp")) AS e
         WHERE e.day IS NOT NULL`,
    [
      telling.map(({ ledger }) => ledger),
      telling.map(({ sequence }) => String(sequence)),
      telling.map(({ metadata }) => metadata),
      telling.map(({ timestamp }) => formatMicros(timestamp)),
    ],
  );
}

type Cell = string | number | Buffer | null;

/** The columns of audit_events after `ledger`, the type of their array, and the value of a row. */
const COLUMNS: Readonly<Record<string, [type: string, value: (row: StoredRow<number>) => Cell]>> = {
  sequence: ['bigint', (row) => row.sequence],
  recorded_at: ['timestamptz', (row) => formatMicros(row.recorded_at)],
  timestamp: ['timestamptz', (row) => formatMicros(row.timestamp)],
  event_id: ['uuid', (row) => row.event_id],
  corrects: ['uuid', (row) => row.corrects],
  timestamp_nanos: ['smallint', (row) => row.timestamp_nanos],
  timestamp_digits: ['smallint', (row) => row.timestamp_digits],
  event_type: ['text', (row) => row.event_type],
  entity_type: ['text', (row) => row.entity_type],
  entity_id: ['text', (row) => row.entity_id],
  action: ['text', (row) => row.action],
  user_id: ['text', (row) => row.user_id],
  previous_state: ['jsonb', (row) => row.previous_state],
  new_state: ['jsonb', (row) => row.new_state],
  metadata: ['jsonb', (row) => row.metadata],
  source: ['text', (row) => row.source],
  source_session: ['text', (row) => row.source_session],
  source_sequence: ['numeric', (row) => row.source_sequence],
  raw_media_type: ['text', (row) => row.raw_media_type],
  raw_data: ['bytea', (row) => row.raw_data],
  recorded_by: ['text', (row) => row.recorded_by],
  salt: ['bytea', (row) => row.salt],
  content_hash: ['bytea', (row) => row.content_hash],
  previous_event_hash: ['bytea', (row) => row.previous_event_hash],
  event_hash: ['bytea', (row) => row.event_hash],
};
const NAMES = Object.keys(COLUMNS);
const INSERT_EVENTS = `INSERT INTO audit_events (ledger, ${NAMES.map((name) => `"${name}"`).join(', ')})
  SELECT $1, * FROM unnest(${NAMES.map((name, i) => `$${i + 2}::${COLUMNS[name]![0]}[]`).join(', ')})`;

export async function insertEvents(
  owner: pg.ClientBase,
  ledger: string,
  rows: readonly StoredRow<number>[],
): Promise<void> {
  await owner.query(INSERT_EVENTS, [ledger, ...NAMES.map((name) => rows.map(COLUMNS[name]![1]))]);
}

/** The last step: from here on the database is that of the archive. */
export async function insertDeployment(
  owner: pg.ClientBase,
  deployment: { id: string; logOrigin: string; createdAt: string; storeId: string; location: string },
): Promise<void> {
  const { id, logOrigin, createdAt, storeId, location } = deployment;
  await owner.query('INSERT INTO archive_store (id, location, claimed_at) VALUES ($1, $2, trail_now())', [
    storeId,
    location,
  ]);
  await owner.query('INSERT INTO deployment (id, log_origin, created_at) VALUES ($1, $2, $3)', [
    id,
    logOrigin,
    createdAt,
  ]);
}
