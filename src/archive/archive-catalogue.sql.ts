import type pg from 'pg';
import { HASH_BYTES } from '../integrity/event.js';
import type { AnyManifest, ArchiveKind, EventsKind, RangeFacts } from './archive-format.js';
import type { EntitiesRange, EntityEntry } from './entity-index.js';
import type { EventPlace, ObjectPlace } from './object-files.js';
import type { RecordContents } from './record-contents.js';

type Database = pg.Pool | pg.ClientBase;

/** An object as the catalogue has it. Numbers and counts in decimal, hashes in hex, times RFC 3339. */
export interface CataloguedObject {
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
  verified_at: string;
  /** when the store had said that it is gone; null while it is there */
  removed_at: string | null;
  /** somebody has begun to remove it: it may be gone, and counts as there while removed_at is null */
  removal_begun: boolean;
  /** with whose month it was removed; null for an early object, which those of months have superseded */
  deletion: string | null;
}

/** An object as its verification sees it. */
export interface VerifiedObject extends CataloguedObject {
  /** of an early one: all that it holds is in objects of months as well */
  is_superseded: boolean;
}

/** An object and what it holds of one ledger. */
export interface CataloguedRange extends CataloguedObject {
  ledger: string;
  from_sequence: string;
  /** included */
  to_sequence: string;
  /** whose policy keeps it for the longest; null for an early object */
  record_class: string | null;
}

const time = (column: string): string =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS ${column.split('.').at(-1)}`;
const OBJECT = `o.number, o.kind, o.location, o.object_key, o.version_id, o.format, encode(o.sha256, 'hex') AS sha256,
  o.bytes, o.events, o.reason, o.created_by, ${time('o.archived_at')}, ${time('s.retain_until')}, ${time('s.verified_at')},
  ${time('x.removed_at')}, x.number IS NOT NULL AS removal_begun, x.deletion`;
const STATES = `JOIN archive_object_states AS s ON s.number = o.number LEFT JOIN archive_removals AS x ON x.number = o.number`;
const FROM = `archive_objects AS o ${STATES}`;
const JOINED = `archive_objects AS o ON o.number = r.number ${STATES}`;

/** How far a ledger is archived early, and how far it goes. */
export interface ArchiveEnd {
  ledger: string;
  origin: string;
  size: string;
  /** the last archived; 0 for none */
  archived: string;
  /** of the last archived, 32 bytes; null for none */
  archived_hash: Buffer | null;
  /** seconds since the first event that is not archived was recorded; null when there is none, or its row is missing */
  age_seconds: number | null;
}

export async function readArchiveEnds(database: Database): Promise<ArchiveEnd[]> {
  const { rows } = await database.query<ArchiveEnd>(
    `SELECT l.ledger, l.origin, h.size, coalesce(done.to_sequence, 0) AS archived, done.last_event_hash AS archived_hash,
            (SELECT extract(epoch FROM trail_now() - e.recorded_at)::float8 FROM audit_events AS e
               WHERE e.ledger = l.ledger AND e.sequence BETWEEN coalesce(done.to_sequence, 0) + 1 AND coalesce(done.to_sequence, 0) + 1
               ORDER BY e.sequence LIMIT 1) AS age_seconds
       FROM ledgers AS l JOIN ledger_heads AS h ON h.ledger = l.ledger
       LEFT JOIN LATERAL (
         SELECT r.to_sequence, r.last_event_hash FROM archive_ranges AS r
           WHERE r.kind = 'early' AND r.ledger = l.ledger ORDER BY r.from_sequence DESC LIMIT 1) AS done ON true
       ORDER BY l.ledger`,
  );
  return rows;
}

/**
 * The database's id, which its store must have as well, null where no trail has begun yet; and the number that the next
 * object gets.
 */
export async function readArchiveState(database: Database): Promise<{ deployment: string | null; next: bigint }> {
  const { rows } = await database.query<{ deployment: string | null; next: string }>(
    `SELECT (SELECT id FROM deployment) AS deployment, coalesce(max(number), 0) + 1 AS next FROM archive_objects`,
  );
  return { deployment: rows[0]!.deployment, next: BigInt(rows[0]!.next) };
}

/** Whether a ledger that can still take it ends before an event; also one that is not there at all. */
export async function mayLack(database: Database, ledger: string, sequence: bigint): Promise<boolean> {
  const { rows } = await database.query<{ lacks: boolean }>(
    `SELECT l.state = 'open' AND h.size < $2 AS lacks FROM ledgers AS l JOIN ledger_heads AS h USING (ledger) WHERE ledger = $1`,
    [ledger, String(sequence)],
  );
  return rows[0]?.lacks ?? true;
}

/** How far each ledger is archived in one kind of object. */
export async function readKindEnds(database: Database, kind: ArchiveKind): Promise<KindEnd[]> {
  const { rows } = await database.query<KindEnd>(
    `SELECT l.ledger, l.origin, coalesce(done.to_sequence, 0) AS archived, done.last_event_hash AS archived_hash
       FROM ledgers AS l
       LEFT JOIN LATERAL (
         SELECT r.to_sequence, r.last_event_hash FROM archive_ranges AS r
           WHERE r.kind = $1 AND r.ledger = l.ledger ORDER BY r.from_sequence DESC LIMIT 1) AS done ON true
       ORDER BY l.ledger`,
    [kind],
  );
  return rows;
}

export type KindEnd = Pick<ArchiveEnd, 'ledger' | 'origin' | 'archived' | 'archived_hash'>;

/** What a sealed month holds of a ledger. */
export interface SealedRange {
  month: string;
  range: EntitiesRange;
}

/** What sealed months hold that is not archived as a whole, entities included; the first month first. */
export async function readOpenMonths(database: Database): Promise<SealedRange[]> {
  const columns = ['least_timestamp', 'greatest_timestamp', 'least_recorded_at', 'greatest_recorded_at'];
  const { rows } = await database.query<EntitiesRange & { month: string }>(
    `SELECT m.month, m.ledger, l.origin, m.from_sequence, m.to_sequence, ${columns.map((name) => time(`m.${name}`)).join(', ')},
            encode(m.previous_event_hash, 'hex') AS previous_event_hash, encode(m.last_event_hash, 'hex') AS last_event_hash
       FROM month_ranges AS m JOIN ledgers AS l ON l.ledger = m.ledger
       WHERE m.to_sequence > coalesce(
         (SELECT max(r.to_sequence) FROM archive_ranges AS r WHERE r.kind = 'entities' AND r.ledger = m.ledger), 0)
       ORDER BY m.month, m.ledger`,
  );
  return rows.map(({ month, ...range }) => ({ month, range }));
}

/** What an object of a month holds of a ledger, of whose entities no object says where they are. */
export interface UnlistedRange {
  number: string;
  range: EntitiesRange;
}

/** Of some ledgers up to an event each, by object in order. */
export async function readUnlisted(
  database: Database,
  ends: readonly { ledger: string; to_sequence: string }[],
): Promise<UnlistedRange[]> {
  const { rows } = await database.query<EntitiesRange & { number: string }>(
    `SELECT r.number, r.ledger, l.origin, r.from_sequence, r.to_sequence, ${RANGE_TIMES.map((name) => time(`r.${name}`)).join(', ')},
            encode(r.previous_event_hash, 'hex') AS previous_event_hash, encode(r.last_event_hash, 'hex') AS last_event_hash
       FROM unnest($1::text[], $2::bigint[]) AS e (ledger, to_sequence)
       JOIN ledgers AS l ON l.ledger = e.ledger
       JOIN archive_ranges AS r ON r.kind = 'month' AND r.ledger = e.ledger AND r.to_sequence <= e.to_sequence
       WHERE r.from_sequence > coalesce(
         (SELECT max(x.to_sequence) FROM archive_ranges AS x WHERE x.kind = 'entities' AND x.ledger = e.ledger), 0)
       ORDER BY r.number, r.ledger`,
    [ends.map(({ ledger }) => ledger), ends.map(({ to_sequence }) => to_sequence)],
  );
  return rows.map(({ number, ...range }) => ({ number, range }));
}

/** Objects that hold events of sealed months in a range of a ledger, in order. */
export async function listMonthObjects(
  database: Database,
  ledger: string,
  from: string,
  to: string,
): Promise<CataloguedObject[]> {
  const { rows } = await database.query<CataloguedObject>(
    `SELECT ${OBJECT}, r.ledger, r.from_sequence, r.to_sequence
       FROM archive_ranges AS r JOIN ${JOINED}
       WHERE r.kind = 'month' AND r.ledger = $1 AND r.from_sequence <= $3 AND r.to_sequence >= $2
       ORDER BY r.from_sequence`,
    [ledger, from, to],
  );
  return rows;
}

/** An object that holds archived events of a ledger, and between which times. Microseconds since 1970. */
export interface ArchivedPiece {
  object_key: string;
  version_id: string;
  /** hex */
  sha256: string;
  bytes: string;
  /** in the object, of all ledgers */
  events: string;
  from_sequence: string;
  /** included */
  to_sequence: string;
  least_timestamp: number;
  greatest_timestamp: number;
  least_recorded_at: number;
  greatest_recorded_at: number;
}

/** The object that an event is in. */
export type PieceOfEvent = ArchivedPiece & EventPlace;

/** Objects of a kind with something of a ledger from one sequence to another, both included, in order. */
export async function listPieces(
  database: Database,
  kind: ArchiveKind,
  ledger: string,
  from: bigint,
  to: bigint,
): Promise<ArchivedPiece[]> {
  const { rows } = await database.query<ArchivedPiece & Record<PieceTime, string>>({
    name: 'list_pieces',
    text: `SELECT ${PIECE} FROM archive_ranges AS r JOIN archive_objects AS o ON o.number = r.number
             WHERE r.kind = $1 AND r.ledger = $2 AND r.from_sequence <= $4 AND r.to_sequence >= $3
             ORDER BY r.from_sequence`,
    values: [kind, ledger, String(from), String(to)],
  });
  return rows.map(pieceOf);
}

/** The object of some kinds that an event is read from: of a month, before an early one. */
export async function findPiece(
  database: Database,
  kinds: readonly EventsKind[],
  ledger: string,
  sequence: bigint,
): Promise<PieceOfEvent | undefined> {
  const { rows } = await database.query<PieceOfEvent & Record<PieceTime, string>>({
    name: 'find_piece',
    text: `SELECT ${PIECE},
                  (SELECT coalesce(sum(b.to_sequence - b.from_sequence + 1), 0) FROM archive_ranges AS b
                     WHERE b.number = r.number AND b.ledger < r.ledger) AS events_before
             FROM archive_ranges AS r JOIN archive_objects AS o ON o.number = r.number
             WHERE r.kind = ANY ($1) AND r.ledger = $2 AND r.from_sequence <= $3 AND r.to_sequence >= $3
             ORDER BY r.kind = 'month' DESC LIMIT 1`,
    values: [kinds, ledger, String(sequence)],
  });
  return rows[0] && pieceOf(rows[0]);
}

type PieceTime = 'least_timestamp' | 'greatest_timestamp' | 'least_recorded_at' | 'greatest_recorded_at';
const PIECE_TIMES: readonly PieceTime[] = [
  'least_timestamp',
  'greatest_timestamp',
  'least_recorded_at',
  'greatest_recorded_at',
];
const PIECE = `o.object_key, o.version_id, encode(o.sha256, 'hex') AS sha256, o.bytes, o.events, r.from_sequence,
  r.to_sequence, ${PIECE_TIMES.map((name) => `(extract(epoch FROM r.${name}) * 1000000)::bigint AS ${name}`).join(', ')}`;

function pieceOf<T extends ArchivedPiece>(row: T & Record<PieceTime, string>): T {
  return { ...row, ...Object.fromEntries(PIECE_TIMES.map((name) => [name, Number(row[name])])) };
}

/** event_hash, in hex, of an event with which a range of the catalogue ends. */
export async function archivedHashAt(
  database: Database,
  ledger: string,
  sequence: string,
): Promise<string | undefined> {
  const { rows } = await database.query<{ hash: string }>(
    `SELECT encode(last_event_hash, 'hex') AS hash FROM archive_ranges WHERE ledger = $1 AND to_sequence = $2 LIMIT 1`,
    [ledger, sequence],
  );
  return rows[0]?.hash;
}

/** The last event of a ledger that is in any object; 0 for none. */
export async function lastArchived(database: Database, ledger: string): Promise<bigint> {
  const { rows } = await database.query<{ last: string }>({
    name: 'last_archived',
    text: 'SELECT coalesce(max(to_sequence), 0) AS last FROM archive_ranges WHERE ledger = $1',
    values: [ledger],
  });
  return BigInt(rows[0]!.last);
}

/** The sequence that each id stands for, of those that have a key. */
export async function sequencesOfIds(
  database: Database,
  ledger: string,
  eventIds: readonly string[],
): Promise<Map<string, string>> {
  const { rows } = await database.query<{ event_id: string; sequence: string }>({
    name: 'sequences_of_ids',
    text: 'SELECT event_id, sequence FROM event_keys WHERE ledger = $1 AND event_id = ANY ($2::uuid[])',
    values: [ledger, eventIds],
  });
  return new Map(rows.map(({ event_id, sequence }) => [event_id, sequence]));
}

/** The origin of a ledger, which every envelope holds. */
export async function readOrigin(database: Database, ledger: string): Promise<string> {
  const { rows } = await database.query<{ origin: string }>('SELECT origin FROM ledgers WHERE ledger = $1', [ledger]);
  return rows[0]!.origin;
}

/**
 * Where the events of a range are, by entity and sequence: the next after an entry, `limit` at most. In the order of the
 * index on entities, so that a page costs what it holds.
 */
export async function readEntityPlaces(
  database: Database,
  { ledger, from_sequence, to_sequence, least_recorded_at, greatest_recorded_at }: EntitiesRange,
  after: EntityEntry | undefined,
  limit: number,
): Promise<EntityEntry[]> {
  const { rows } = await database.query<EntityEntry>(
    `SELECT entity_type, entity_id, sequence, corrects IS NOT NULL AS is_correction FROM audit_events
       WHERE ledger = $1 AND recorded_at BETWEEN $2 AND $3 AND sequence BETWEEN $4 AND $5
         AND (entity_type, entity_id, sequence) > ($6, $7, $8::bigint)
       ORDER BY entity_type, entity_id, sequence LIMIT $9`,
    [
      ...[ledger, least_recorded_at, greatest_recorded_at, from_sequence, to_sequence],
      ...[after?.entity_type ?? '', after?.entity_id ?? '', after?.sequence ?? '0', limit],
    ],
  );
  return rows;
}

/** The id of the store that the catalogue is about; null before the first. */
export async function claimedStore(database: Database): Promise<string | null> {
  const { rows } = await database.query<{ id: string }>('SELECT id FROM archive_store');
  return rows[0]?.id ?? null;
}

/** Ties the catalogue to a store, unless it is tied to one; the id of that. */
export async function claimStore(database: Database, id: string, location: string): Promise<string> {
  const { rows } = await database.query<{ id: string }>('SELECT claim_archive_store($1, $2) AS id', [id, location]);
  return rows[0]!.id;
}

/**
 * Numbers of the objects that were not read as a whole for the longest time: a thirtieth of all; and of those that were
 * found wrong, as many at most: one that was mended counts again once it was read.
 */
export async function longestUnread(database: Database): Promise<Set<string>> {
  const { rows } = await database.query<{ number: string }>(
    `WITH there AS (
       SELECT s.number, s.verified_at, s.found_wrong_at FROM archive_object_states AS s
         WHERE NOT EXISTS (SELECT FROM archive_removals AS x WHERE x.number = s.number AND x.removed_at IS NOT NULL)
     ), share AS (SELECT ceil(count(*) / 30.0) AS objects FROM there)
     (SELECT number FROM there ORDER BY verified_at, number LIMIT (SELECT objects FROM share))
     UNION
     (SELECT number FROM there WHERE found_wrong_at IS NOT NULL ORDER BY found_wrong_at, number LIMIT (SELECT objects FROM share))`,
  );
  return new Set(rows.map(({ number }) => number));
}

/** Numbers of the objects that hold months and were found wrong, or not read as a whole for five days: seven is what a drop needs. */
export async function objectsToVerify(database: Database, months: readonly string[]): Promise<Set<string>> {
  const { rows } = await database.query<{ number: string }>(
    `SELECT DISTINCT r.number
       FROM month_ranges AS m
       JOIN archive_ranges AS r ON r.kind IN ('month', 'entities', 'digests') AND r.ledger = m.ledger
         AND r.from_sequence <= m.to_sequence AND r.to_sequence >= m.from_sequence
       JOIN archive_object_states AS s ON s.number = r.number
       WHERE m.month = ANY ($1::date[])
         AND (s.verified_at < trail_now() - interval '5 days' OR s.found_wrong_at IS NOT NULL)`,
    [months],
  );
  return new Set(rows.map(({ number }) => number));
}

/** Numbers of the objects that hold digests of a month and were not read as a whole for five days. */
export async function digestsToVerify(database: Database, month: string): Promise<Set<string>> {
  const { rows } = await database.query<{ number: string }>(
    `SELECT DISTINCT r.number
       FROM month_ranges AS m
       JOIN archive_ranges AS r ON r.kind = 'digests' AND r.ledger = m.ledger
         AND r.from_sequence <= m.to_sequence AND r.to_sequence >= m.from_sequence
       JOIN archive_object_states AS s ON s.number = r.number
       WHERE m.month = $1 AND s.verified_at < trail_now() - interval '5 days'`,
    [month],
  );
  return new Set(rows.map(({ number }) => number));
}

/** Catalogues an object, and of a month's what it holds. Throws the database's TT010 when it does not follow what is there. */
export async function catalogueObject(
  pool: pg.Pool,
  object: {
    manifest: AnyManifest;
    contents: readonly RecordContents[];
    location: string;
    key: string;
    versionId: string;
    sha256: Buffer;
    bytes: number;
    reason: string;
    createdBy: string;
    retainUntil: Date;
  },
): Promise<void> {
  const { manifest, contents, retainUntil } = object;
  const { ranges } = manifest;
  const column = (name: keyof RangeFacts): (string | null)[] => ranges.map((range) => range[name]);
  const hashes = (name: 'previous_event_hash' | 'last_event_hash'): (Buffer | null)[] =>
    ranges.map((range) => (range[name] === null ? null : Buffer.from(range[name], 'hex')));
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await client.query(
      `SELECT catalogue_archive_object($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
         $12::text[], $13::bigint[], $14::bigint[], $15::timestamptz[], $16::timestamptz[], $17::timestamptz[],
         $18::timestamptz[], $19::bytea[], $20::bytea[])`,
      [
        manifest.number,
        manifest.kind,
        object.location,
        object.key,
        object.versionId,
        manifest.format,
        object.sha256,
        object.bytes,
        object.reason,
        object.createdBy,
        retainUntil.toISOString(),
        column('ledger'),
        column('from_sequence'),
        column('to_sequence'),
        column('least_timestamp'),
        column('greatest_timestamp'),
        column('least_recorded_at'),
        column('greatest_recorded_at'),
        hashes('previous_event_hash'),
        hashes('last_event_hash'),
      ],
    );
    if (manifest.kind === 'month') await catalogueContents(client, manifest.number, contents);
    await client.query('COMMIT');
    client.release();
  } catch (error) {
    client.release(true); // without a commit nothing has happened
    throw error;
  }
}

async function catalogueContents(
  database: Database,
  number: string,
  contents: readonly RecordContents[],
): Promise<void> {
  const column = (name: keyof RecordContents): (string | null)[] => contents.map((each) => each[name]);
  await database.query(
    `SELECT catalogue_archive_contents($1, $2::text[], $3::text[], $4::text[], $5::bigint[], $6::timestamptz[],
       $7::timestamptz[])`,
    [
      number,
      column('ledger'),
      column('entity_type'),
      column('event_type'),
      column('events'),
      column('least_recorded_at'),
      column('greatest_recorded_at'),
    ],
  );
}

/** Notes what was found of an object in its store. */
export async function noteObject(
  database: Database,
  number: string,
  retainUntil: Date,
  verified: boolean,
): Promise<void> {
  await database.query('SELECT note_archive_object($1, $2, $3)', [number, retainUntil.toISOString(), verified]);
}

/** Notes that something is wrong with an object: it counts for no copy until it was found right. */
export async function noteFinding(database: Database, number: string): Promise<void> {
  await database.query('SELECT note_archive_finding($1)', [number]);
}

/** Objects from a number on, `limit` at most. */
export async function listObjects(database: Database, from: bigint, limit: number): Promise<VerifiedObject[]> {
  const { rows } = await database.query<VerifiedObject>(
    `SELECT ${OBJECT}, o.kind = 'early' AND NOT EXISTS (
              SELECT FROM archive_ranges AS r WHERE r.number = o.number AND r.to_sequence > coalesce(
                (SELECT max(m.to_sequence) FROM archive_ranges AS m WHERE m.kind = 'month' AND m.ledger = r.ledger), 0)
            ) AS is_superseded
       FROM ${FROM} WHERE o.number >= $1 ORDER BY o.number LIMIT $2`,
    [String(from), limit],
  );
  return rows;
}

/** An object by its number. */
export async function findObject(database: Database, number: string): Promise<CataloguedObject | undefined> {
  const { rows } = await database.query<CataloguedObject>(`SELECT ${OBJECT} FROM ${FROM} WHERE o.number = $1`, [
    number,
  ]);
  return rows[0];
}

/** Objects of months of whose events there are no digests yet, in order; those that were removed have none to be had. */
export async function listUndigested(database: Database): Promise<CataloguedObject[]> {
  const { rows } = await database.query<CataloguedObject>(
    `SELECT ${OBJECT} FROM ${FROM}
       WHERE o.kind = 'month' AND x.number IS NULL AND EXISTS (
         SELECT FROM archive_ranges AS r WHERE r.number = o.number AND NOT EXISTS (
           SELECT FROM archive_ranges AS d
             WHERE d.kind = 'digests' AND d.ledger = r.ledger AND d.from_sequence = r.from_sequence))
       ORDER BY o.number`,
  );
  return rows;
}

/** An object that holds the hashes of a range of events, and from which byte on. */
export interface DigestsPiece extends ObjectPlace {
  from_sequence: string;
  /** included */
  to_sequence: string;
  /** of the first hash of the range */
  offset: string;
}

/** Objects with digests of events of a ledger from one sequence to another, both included, in order. */
export async function listDigests(
  database: Database,
  ledger: string,
  from: bigint,
  to: bigint,
): Promise<DigestsPiece[]> {
  const { rows } = await database.query<DigestsPiece>({
    name: 'list_digests',
    // the hashes are an object's last bytes, ledger after ledger
    text: `SELECT o.object_key, o.version_id, encode(o.sha256, 'hex') AS sha256, o.bytes, r.from_sequence, r.to_sequence,
                  o.bytes - ${HASH_BYTES} * o.events + ${HASH_BYTES} * (
                    SELECT coalesce(sum(b.to_sequence - b.from_sequence + 1), 0)::bigint FROM archive_ranges AS b
                      WHERE b.number = r.number AND b.ledger < r.ledger) AS "offset"
             FROM archive_ranges AS r JOIN archive_objects AS o ON o.number = r.number
             WHERE r.kind = 'digests' AND r.ledger = $1 AND r.from_sequence <= $3 AND r.to_sequence >= $2
             ORDER BY r.from_sequence`,
    values: [ledger, String(from), String(to)],
  });
  return rows;
}

/** What objects hold of a ledger, as in their manifests. */
export async function listObjectRanges(database: Database, number: string): Promise<RangeOfObject[]> {
  const { rows } = await database.query<RangeOfObject>(
    `SELECT ledger, from_sequence, to_sequence, encode(previous_event_hash, 'hex') AS previous_event_hash,
            encode(last_event_hash, 'hex') AS last_event_hash, ${RANGE_TIMES.map(time).join(', ')}
       FROM archive_ranges WHERE number = $1 ORDER BY ledger`,
    [number],
  );
  return rows;
}

/** Up to where each ledger has left PostgreSQL, or is about to. */
export async function readArchivedEnds(database: Database): Promise<Map<string, bigint>> {
  const { rows } = await database.query<{ ledger: string; archived_to: string }>(
    'SELECT ledger, archived_to FROM ledger_heads',
  );
  return new Map(rows.map(({ ledger, archived_to }) => [ledger, BigInt(archived_to)]));
}

export type RangeOfObject = Pick<
  RangeFacts,
  'ledger' | 'from_sequence' | 'to_sequence' | 'previous_event_hash' | 'last_event_hash' | (typeof RANGE_TIMES)[number]
>;
const RANGE_TIMES = ['least_timestamp', 'greatest_timestamp', 'least_recorded_at', 'greatest_recorded_at'] as const;

/** Objects that hold some of a ledger, in order, from a number on. */
export async function listRangesOfLedger(
  database: Database,
  ledger: string,
  from: bigint,
  limit: number,
): Promise<CataloguedRange[]> {
  const { rows } = await database.query<CataloguedRange>(
    `SELECT ${OBJECT}, r.ledger, r.from_sequence, r.to_sequence
       FROM archive_ranges AS r JOIN ${JOINED}
       WHERE r.ledger = $1 AND r.number >= $2 ORDER BY r.number LIMIT $3`,
    [ledger, String(from), limit],
  );
  return withRecordClasses(database, rows);
}

/** Why something is kept: docs/archive.md defines it. */
export type ArchiveReason = 'regulatory' | 'business' | 'legal_hold';

/** Of what is kept for as many years as a column or expression says, and is under a hold or not. */
const reasonOf = (isHeld: string, years: string): string =>
  `CASE WHEN ${isHeld} THEN 'legal_hold'
        WHEN ${years} > (SELECT max(d.years) FROM retention_policies AS d WHERE d.record_class = 'default') THEN 'business'
        ELSE 'regulatory' END AS reason`;

/** Objects, the record class that each is kept under, and why it is kept now; of one that was removed, why it was. */
async function withRecordClasses(
  database: Database,
  objects: readonly Omit<CataloguedRange, 'record_class'>[],
): Promise<CataloguedRange[]> {
  const numbers = objects.map(({ number }) => number);
  const { rows } = await database.query<{ number: string; record_class: string | null; reason: ArchiveReason }>(
    `WITH held AS (SELECT objects_under_hold(NULL) AS number)
     SELECT o.number, k.record_class, ${reasonOf('o.number IN (SELECT h.number FROM held AS h)', 'k.years')}
       FROM unnest($1::bigint[]) AS o (number)
       LEFT JOIN retention_of_objects($1::bigint[]) AS k ON k.number = o.number`,
    [numbers],
  );
  const kept = new Map(rows.map(({ number, record_class, reason }) => [number, { record_class, reason }]));
  return objects.map((object) => {
    const { record_class, reason } = kept.get(object.number)!;
    return { ...object, record_class, reason: object.removed_at === null ? reason : object.reason };
  });
}

/** Why an event is kept, and under which record class; both null where no policy matches and no hold touches it. */
export async function keepingOfEvent(
  database: Database,
  event: { ledger: string; entity_type: string; event_type: string; recorded_at: string },
): Promise<{ record_class: string | null; reason: ArchiveReason }> {
  const { rows } = await database.query<{ record_class: string | null; reason: ArchiveReason }>(
    `SELECT k.record_class,
            ${reasonOf(
              `EXISTS (SELECT FROM legal_holds AS h
                         WHERE h.state NOT IN ('rejected', 'released') AND h.ledgers && ledger_line($1)
                           AND coalesce(h.recorded_from, '-infinity') <= $4::timestamptz
                           AND coalesce(h.recorded_to, 'infinity') > $4::timestamptz)`,
              'k.years',
            )}
       FROM (SELECT) AS one
       LEFT JOIN retention_of_contents(ARRAY[$1], ARRAY[$2], ARRAY[$3], ARRAY[$4::timestamptz]) AS k ON true`,
    [event.ledger, event.entity_type, event.event_type, event.recorded_at],
  );
  return rows[0]!;
}

/** Where an event is archived: once in each kind of object. */
export async function findArchivedEvent(
  database: Database,
  ledger: string,
  eventId: string,
): Promise<{ sequence: string; objects: CataloguedRange[] } | undefined> {
  const { rows: keys } = await database.query<{ sequence: string }>(
    'SELECT sequence FROM event_keys WHERE ledger = $1 AND event_id = $2',
    [ledger, eventId],
  );
  const sequence = keys[0]?.sequence;
  if (sequence === undefined) return undefined;
  const { rows } = await database.query<CataloguedRange>(
    `SELECT ${OBJECT}, r.ledger, r.from_sequence, r.to_sequence
       FROM (VALUES ('early'), ('month')) AS kinds (kind)
       CROSS JOIN LATERAL (
         SELECT * FROM archive_ranges AS x
           WHERE x.kind = kinds.kind AND x.ledger = $1 AND x.from_sequence <= $2 ORDER BY x.from_sequence DESC LIMIT 1) AS r
       JOIN ${JOINED}
       WHERE r.to_sequence >= $2 ORDER BY o.number`,
    [ledger, sequence],
  );
  return { sequence, objects: await withRecordClasses(database, rows) };
}

/** Totals of a ledger by kind and by why it is kept now, without what was removed. */
export interface ArchiveTotals {
  kind: ArchiveKind;
  reason: string;
  objects: string;
  events: string;
  bytes: string;
  first_archived_at: string;
  last_archived_at: string;
  least_retain_until: string;
  least_verified_at: string;
}

export async function totalsOfLedger(database: Database, ledger: string): Promise<ArchiveTotals[]> {
  const { rows } = await database.query<ArchiveTotals>(
    `WITH held AS (SELECT objects_under_hold(NULL) AS number),
     kept AS (
       SELECT r.number, r.kind, r.to_sequence - r.from_sequence + 1 AS events,
              ${reasonOf('r.number IN (SELECT h.number FROM held AS h)', 'k.years')}
         FROM archive_ranges AS r
         LEFT JOIN retention_of_objects(
           ARRAY(SELECT m.number FROM archive_ranges AS m WHERE m.ledger = $1 AND m.kind <> 'early')) AS k ON k.number = r.number
         WHERE r.ledger = $1)
     SELECT kind, reason, objects, events, bytes, ${time('first_archived_at')}, ${time('last_archived_at')},
            ${time('least_retain_until')}, ${time('least_verified_at')}
       FROM (SELECT r.kind, r.reason, count(*) AS objects, sum(r.events) AS events,
                    sum(o.bytes) AS bytes, min(o.archived_at) AS first_archived_at, max(o.archived_at) AS last_archived_at,
                    min(s.retain_until) AS least_retain_until, min(s.verified_at) AS least_verified_at
               FROM kept AS r JOIN ${JOINED}
               WHERE x.number IS NULL GROUP BY r.kind, r.reason) AS totals
       ORDER BY kind, reason`,
    [ledger],
  );
  return rows;
}

/** What the objects of months hold of a ledger in a record class: the one whose policy keeps an event the longest. */
export interface ClassTotals {
  record_class: string;
  years: number;
  objects: string;
  events: string;
  first_recorded_at: string;
  last_recorded_at: string;
  first_archived_at: string;
  last_archived_at: string;
}

/** Totals of a ledger by record class, without what was removed. */
export async function classesOfLedger(database: Database, ledger: string): Promise<ClassTotals[]> {
  const times = ['first_recorded_at', 'last_recorded_at', 'first_archived_at', 'last_archived_at'];
  const { rows } = await database.query<ClassTotals>(
    `SELECT record_class, years, objects, events, ${times.map(time).join(', ')}
       FROM (SELECT p.record_class, p.years, count(DISTINCT o.number) AS objects, sum(c.events) AS events,
                    min(c.least_recorded_at) AS first_recorded_at, max(c.greatest_recorded_at) AS last_recorded_at,
                    min(o.archived_at) AS first_archived_at, max(o.archived_at) AS last_archived_at
               FROM archive_contents AS c
               JOIN archive_objects AS o ON o.number = c.number
               CROSS JOIN LATERAL retention_of_contents(
                 ARRAY[c.ledger], ARRAY[c.entity_type], ARRAY[c.event_type], ARRAY[c.greatest_recorded_at]) AS p
               WHERE c.ledger = $1 AND NOT EXISTS (SELECT FROM archive_removals AS x WHERE x.number = c.number)
               GROUP BY p.record_class, p.years) AS totals
       ORDER BY record_class, years`,
    [ledger],
  );
  return rows;
}

/** What was removed of a ledger from the store: at the end of retention, or as superseded. */
export interface RemovedTotals {
  kind: ArchiveKind;
  objects: string;
  events: string;
  first_removed_at: string;
  last_removed_at: string;
}

export async function removedOfLedger(database: Database, ledger: string): Promise<RemovedTotals[]> {
  const { rows } = await database.query<RemovedTotals>(
    `SELECT kind, objects, events, ${time('first_removed_at')}, ${time('last_removed_at')}
       FROM (SELECT o.kind, count(*) AS objects, sum(r.to_sequence - r.from_sequence + 1) AS events,
                    min(x.removed_at) AS first_removed_at, max(x.removed_at) AS last_removed_at
               FROM archive_ranges AS r JOIN ${JOINED}
               WHERE r.ledger = $1 AND x.removed_at IS NOT NULL GROUP BY o.kind) AS totals
       ORDER BY kind`,
    [ledger],
  );
  return rows;
}
