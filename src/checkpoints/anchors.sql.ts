import type pg from 'pg';

type Database = pg.Pool | pg.ClientBase;

/** The last anchor that the database knows. */
export interface LastAnchor {
  number: bigint;
  sha256: Buffer;
  /** since it was catalogued */
  ageSeconds: number;
}

export async function readLastAnchor(database: Database): Promise<LastAnchor | undefined> {
  const { rows } = await database.query<{ number: string; sha256: Buffer; age_seconds: number }>(
    `SELECT number, sha256, extract(epoch FROM trail_now() - catalogued_at)::double precision AS age_seconds
       FROM anchors ORDER BY number DESC LIMIT 1`,
  );
  const [row] = rows;
  return row && { number: BigInt(row.number), sha256: row.sha256, ageSeconds: row.age_seconds };
}

/** A ledger, and what was last signed of it. */
export interface SignedLedger {
  ledger: string;
  origin: string;
  /** events now */
  size: bigint;
  /** false once it takes no more */
  isOpen: boolean;
  /** null before the first checkpoint; keyNumber, from 1, is that of the key that signed it, among readSigningKeys */
  signed: { size: bigint; rootHash: Buffer; keyNumber: number } | null;
}

export async function readSignedLedgers(database: Database): Promise<SignedLedger[]> {
  const { rows } = await database.query<{
    ledger: string;
    origin: string;
    size: string;
    is_open: boolean;
    signed_size: string | null;
    root_hash: Buffer | null;
    key_number: number;
  }>(
    `SELECT l.ledger, l.origin, h.size, l.state = 'open' AS is_open, c.size AS signed_size, c.root_hash,
            (SELECT greatest(count(*), 1)::integer FROM signing_keys AS s WHERE s.from_anchor <= c.anchor) AS key_number
       FROM ledgers AS l JOIN ledger_heads AS h USING (ledger)
       LEFT JOIN LATERAL (
         SELECT k.anchor, k.size, k.root_hash FROM checkpoints AS k
           WHERE k.ledger = l.ledger ORDER BY k.anchor DESC LIMIT 1) AS c ON true
       ORDER BY l.origin COLLATE "C"`,
  );
  return rows.map(
    ({ ledger, origin, size, is_open: isOpen, signed_size: signedSize, root_hash: rootHash, key_number }) => ({
      ledger,
      origin,
      size: BigInt(size),
      isOpen,
      signed:
        signedSize === null || rootHash === null ? null : { size: BigInt(signedSize), rootHash, keyNumber: key_number },
    }),
  );
}

/** The first part of every ledger's origin. */
export async function readLogOrigin(database: Database): Promise<string> {
  const { rows } = await database.query<{ log_origin: string }>('SELECT log_origin FROM deployment');
  return rows[0]!.log_origin;
}

/** Makes a ledger unless it is there; its origin. */
export async function makeLedger(database: Database, ledger: string, origin: string): Promise<string> {
  const { rows } = await database.query<{ origin: string }>('SELECT origin FROM create_ledger($1, $2)', [
    ledger,
    origin,
  ]);
  return rows[0]!.origin;
}

/** The server on which all ledgers were last held against all anchors; null before the first time. */
export async function readCheckedServer(database: Database): Promise<string | null> {
  const { rows } = await database.query<{ identity: string }>('SELECT identity FROM checked_server');
  return rows[0]?.identity ?? null;
}

export async function noteCheckedServer(database: Database, identity: string): Promise<void> {
  await database.query('SELECT note_checked_server($1)', [identity]);
}

/** An anchor that is in the store, to be catalogued with all that it holds. */
export interface NewAnchor {
  number: bigint;
  previous: Buffer | null;
  sha256: Buffer;
  bytes: number;
  location: string;
  objectKey: string;
  versionId: string;
  /** raw */
  publicKey: Buffer;
  checkpoints: { ledger: string; size: bigint; rootHash: Buffer; note: string }[];
  successions: { ledger: string; note: string }[];
}

/** Fails with TT041 when it does not follow what is there. */
export async function catalogueAnchor(database: Database, anchor: NewAnchor): Promise<void> {
  const { checkpoints, successions } = anchor;
  await database.query('SELECT catalogue_anchor($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)', [
    String(anchor.number),
    anchor.previous,
    anchor.sha256,
    anchor.bytes,
    anchor.location,
    anchor.objectKey,
    anchor.versionId,
    anchor.publicKey,
    checkpoints.map(({ ledger }) => ledger),
    checkpoints.map(({ size }) => String(size)),
    checkpoints.map(({ rootHash }) => rootHash),
    checkpoints.map(({ note }) => note),
    successions.map(({ ledger }) => ledger),
    successions.map(({ note }) => note),
  ]);
}

/** The raw public keys that have signed, the first one first. */
export async function readSigningKeys(database: Database): Promise<Buffer[]> {
  const { rows } = await database.query<{ public_key: Buffer }>('SELECT public_key FROM signing_keys ORDER BY number');
  return rows.map(({ public_key: key }) => key);
}

/** A checkpoint as it was signed, and the anchor that holds it. */
export interface SignedRow {
  anchor: string;
  size: string;
  root_hash: Buffer;
  /** with the ledger's signature alone: as it was anchored */
  note: string;
}

export interface StoredCheckpoint extends SignedRow {
  /** lines to append to the note, those of witnesses; '' for none */
  cosignatures: string;
}

const CHECKPOINT = `
  SELECT c.anchor, c.size, c.root_hash, c.note, coalesce((
      SELECT string_agg(s.line, '' ORDER BY s.witness_key) FROM cosignatures AS s
        WHERE s.ledger = c.ledger AND s.anchor = c.anchor), '') AS cosignatures
    FROM checkpoints AS c`;

/** The last one of a ledger; undefined before the first. */
export async function findLatestCheckpoint(database: Database, ledger: string): Promise<StoredCheckpoint | undefined> {
  const { rows } = await database.query<StoredCheckpoint>({
    name: 'find_latest_checkpoint',
    text: `${CHECKPOINT} WHERE c.ledger = $1 ORDER BY c.anchor DESC LIMIT 1`,
    values: [ledger],
  });
  return rows[0];
}

/** Those of events that the ledger has, all of them. */
const HELD = `${CHECKPOINT} JOIN ledger_heads AS h ON h.ledger = c.ledger AND c.size <= h.size`;

/** The last one of which the ledger has all events, not the latest where a restore has lost some; undefined for none. */
export async function findHeldCheckpoint(database: Database, ledger: string): Promise<StoredCheckpoint | undefined> {
  const { rows } = await database.query<StoredCheckpoint>({
    name: 'find_held_checkpoint',
    text: `${HELD} WHERE c.ledger = $1 ORDER BY c.anchor DESC LIMIT 1`,
    values: [ledger],
  });
  return rows[0];
}

/** The first one of a ledger that is of at least `size` leaves. */
export async function findCheckpointOf(
  database: Database,
  ledger: string,
  size: bigint,
): Promise<StoredCheckpoint | undefined> {
  const { rows } = await database.query<StoredCheckpoint>({
    name: 'find_checkpoint_of',
    text: `${CHECKPOINT} WHERE c.ledger = $1 AND c.size >= $2 ORDER BY c.size, c.anchor LIMIT 1`,
    values: [ledger, String(size)],
  });
  return rows[0];
}

/** The successions of a ledger's keys, in order. */
export async function listSuccessions(database: Database, ledger: string): Promise<{ anchor: string; note: string }[]> {
  const { rows } = await database.query<{ anchor: string; note: string }>(
    'SELECT anchor, note FROM key_successions WHERE ledger = $1 ORDER BY anchor, position',
    [ledger],
  );
  return rows;
}

/** Where an event is in its ledger, and the last checkpoint that is held; undefined when there is no such event. */
export async function findEventInCheckpoint(
  database: Database,
  ledger: string,
  eventId: string,
): Promise<{ sequence: string; checkpoint: StoredCheckpoint | undefined } | undefined> {
  const { rows } = await database.query<
    { sequence: string } & { [Name in keyof StoredCheckpoint]: StoredCheckpoint[Name] | null }
  >({
    name: 'find_event_in_checkpoint',
    text: `SELECT k.sequence, c.* FROM event_keys AS k
             LEFT JOIN LATERAL (${HELD} WHERE c.ledger = k.ledger ORDER BY c.anchor DESC LIMIT 1) AS c ON true
             WHERE k.ledger = $1 AND k.event_id = $2`,
    values: [ledger, eventId],
  });
  const [row] = rows;
  if (!row) return undefined;
  const { sequence, ...checkpoint } = row;
  return { sequence, checkpoint: checkpoint.note === null ? undefined : (checkpoint as StoredCheckpoint) };
}

/** Checkpoints of a ledger of sizes from `from` to `to`, both included, by size. Those of one size and two roots are both there. */
export async function listCheckpointSizes(
  database: Database,
  ledger: string,
  from: bigint,
  to: bigint,
  limit: number,
): Promise<SignedRow[]> {
  const { rows } = await database.query<SignedRow>(
    `SELECT DISTINCT ON (size, root_hash) anchor, size, root_hash, note FROM checkpoints
       WHERE ledger = $1 AND size BETWEEN $2 AND $3 ORDER BY size, root_hash, anchor LIMIT $4`,
    [ledger, String(from), String(to), limit],
  );
  return rows;
}

/** The last one of a ledger of a size from `from` to `to`. */
export async function findLastCheckpointWithin(
  database: Database,
  ledger: string,
  from: bigint,
  to: bigint,
): Promise<StoredCheckpoint | undefined> {
  const { rows } = await database.query<StoredCheckpoint>(
    `${CHECKPOINT} WHERE c.ledger = $1 AND c.size BETWEEN $2 AND $3 ORDER BY c.size DESC, c.anchor DESC LIMIT 1`,
    [ledger, String(from), String(to)],
  );
  return rows[0];
}

/** An anchor as it is catalogued. */
export interface CataloguedAnchor {
  sha256: Buffer;
  versionId: string;
  /** by origin */
  checkpoints: Map<string, { size: bigint; rootHash: Buffer; note: string }>;
  /** the raw keys that signed before it, the last one last; none for the first */
  keysBefore: Buffer[];
}

/** undefined when there is none of this number. */
export async function findAnchor(database: Database, number: bigint): Promise<CataloguedAnchor | undefined> {
  const { rows } = await database.query<{ sha256: Buffer; version_id: string; keys_before: Buffer[] }>(
    `SELECT a.sha256, a.version_id,
            ARRAY(SELECT k.public_key FROM signing_keys AS k WHERE k.from_anchor < a.number ORDER BY k.number) AS keys_before
       FROM anchors AS a WHERE a.number = $1`,
    [String(number)],
  );
  const [row] = rows;
  if (!row) return undefined;
  const { rows: checkpoints } = await database.query<{ origin: string; size: string; root_hash: Buffer; note: string }>(
    `SELECT l.origin, c.size, c.root_hash, c.note FROM checkpoints AS c JOIN ledgers AS l USING (ledger) WHERE c.anchor = $1`,
    [String(number)],
  );
  return {
    sha256: row.sha256,
    versionId: row.version_id,
    keysBefore: row.keys_before,
    checkpoints: new Map(
      checkpoints.map(({ origin, size, root_hash: rootHash, note }) => [
        origin,
        { size: BigInt(size), rootHash, note },
      ]),
    ),
  };
}

/** How many of some notes are checkpoints that the database knows. */
export async function countKnownNotes(database: Database, notes: readonly string[]): Promise<number> {
  const { rows } = await database.query<{ known: number }>(
    'SELECT count(*)::integer AS known FROM unnest($1::text[]) AS g (note) WHERE EXISTS (SELECT FROM checkpoints AS c WHERE c.note = g.note)',
    [notes],
  );
  return rows[0]!.known;
}
