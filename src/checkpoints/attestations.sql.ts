import type pg from 'pg';

/** A cosignature as it is kept. */
export interface KeptCosignature {
  ledger: string;
  origin: string;
  anchor: string;
  witness_key: string;
  line: string;
}

/** Cosignatures that are in no object of the store yet, by anchor; `limit` at most. */
export async function listWaitingCosignatures(pool: pg.Pool, limit: number): Promise<KeptCosignature[]> {
  const { rows } = await pool.query<KeptCosignature>(
    `SELECT w.ledger, l.origin, w.anchor, w.witness_key, s.line
       FROM waiting_cosignatures AS w
       JOIN cosignatures AS s USING (ledger, witness_key, anchor)
       JOIN ledgers AS l ON l.ledger = w.ledger
       ORDER BY w.anchor, w.ledger, w.witness_key LIMIT $1`,
    [limit],
  );
  return rows;
}

export async function countWaitingCosignatures(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ count: number }>('SELECT count(*)::integer AS count FROM waiting_cosignatures');
  return rows[0]!.count;
}

/** An object of cosignatures that is in the store. */
export interface CosignatureObject {
  objectKey: string;
  sha256: Buffer;
  bytes: number;
  location: string;
  versionId: string;
  cosignatures: readonly { ledger: string; witnessKey: string; anchor: bigint }[];
}

/** Catalogues it: what it holds waits no more. */
export async function catalogueCosignatureObject(pool: pg.Pool, object: CosignatureObject): Promise<void> {
  const { cosignatures } = object;
  await pool.query('SELECT catalogue_cosignature_object($1, $2, $3, $4, $5, $6, $7, $8)', [
    object.objectKey,
    object.sha256,
    object.bytes,
    object.location,
    object.versionId,
    cosignatures.map(({ ledger }) => ledger),
    cosignatures.map(({ witnessKey }) => witnessKey),
    cosignatures.map(({ anchor }) => String(anchor)),
  ]);
}

/** An object of the store as it is catalogued. */
export interface CataloguedAttestation {
  object_key: string;
  version_id: string;
}

/** Every time stamp and every object of cosignatures, by the name of its object. */
export async function listCataloguedAttestations(pool: pg.Pool): Promise<Map<string, string>> {
  const { rows } = await pool.query<CataloguedAttestation>(
    `SELECT object_key, version_id FROM timestamps UNION ALL SELECT object_key, version_id FROM cosignature_objects`,
  );
  return new Map(rows.map(({ object_key: key, version_id: versionId }) => [key, versionId]));
}

/** A time stamp with what it must be over. */
export interface KeptTimestamp {
  object_key: string;
  version_id: string;
  reply: Buffer;
  authority: string;
  stamped_at: string;
  anchor_sha256: Buffer;
}

/** The time stamps over some anchors. */
export async function readTimestampsOver(pool: pg.Pool, anchors: readonly bigint[]): Promise<KeptTimestamp[]> {
  const { rows } = await pool.query<KeptTimestamp>(
    `SELECT t.object_key, t.version_id, t.reply, t.authority, a.sha256 AS anchor_sha256,
            to_char(t.stamped_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS stamped_at
       FROM timestamps AS t JOIN anchors AS a ON a.number = t.anchor
       WHERE t.anchor = ANY ($1::bigint[]) ORDER BY t.anchor, t.object_key`,
    [anchors.map(String)],
  );
  return rows;
}

/** The cosignatures of the checkpoints of some anchors, each with the note that it is of and the time that is kept of it. */
export async function readCosignaturesOf(
  pool: pg.Pool,
  anchors: readonly bigint[],
): Promise<(KeptCosignature & { note: string; cosigned_seconds: string })[]> {
  const { rows } = await pool.query<KeptCosignature & { note: string; cosigned_seconds: string }>(
    `SELECT s.ledger, l.origin, s.anchor, s.witness_key, s.line, c.note,
            extract(epoch FROM s.cosigned_at)::bigint AS cosigned_seconds
       FROM checkpoints AS c
       JOIN cosignatures AS s ON s.ledger = c.ledger AND s.anchor = c.anchor
       JOIN ledgers AS l ON l.ledger = c.ledger
       WHERE c.anchor = ANY ($1::bigint[]) ORDER BY s.anchor, s.ledger, s.witness_key`,
    [anchors.map(String)],
  );
  return rows;
}

/** The objects of cosignatures: all, or the last ones and some others. */
export async function listCosignatureObjects(
  pool: pg.Pool,
  sampled: { last: number; others: number } | null,
): Promise<{ object_key: string; version_id: string; sha256: Buffer }[]> {
  const { rows } = await pool.query<{ object_key: string; version_id: string; sha256: Buffer }>(
    `SELECT object_key, version_id, sha256 FROM cosignature_objects WHERE $1::integer IS NULL
     UNION
     (SELECT object_key, version_id, sha256 FROM cosignature_objects ORDER BY object_key DESC LIMIT $1)
     UNION
     (SELECT object_key, version_id, sha256 FROM cosignature_objects ORDER BY random() LIMIT $2)
     ORDER BY object_key`,
    [sampled?.last ?? null, sampled?.others ?? 0],
  );
  return rows;
}

/** The lines that are kept, in the order of what is asked for; null where there is none. */
export async function findLines(
  pool: pg.Pool,
  wanted: readonly { origin: string; anchor: bigint; witnessKey: string }[],
): Promise<(string | null)[]> {
  const { rows } = await pool.query<{ line: string | null }>(
    `SELECT s.line FROM unnest($1::text[], $2::bigint[], $3::text[]) WITH ORDINALITY AS g (origin, anchor, witness_key, place)
       LEFT JOIN ledgers AS l ON l.origin = g.origin
       LEFT JOIN cosignatures AS s
         ON s.ledger = l.ledger AND s.anchor = g.anchor AND s.witness_key = g.witness_key
       ORDER BY g.place`,
    [
      wanted.map(({ origin }) => origin),
      wanted.map(({ anchor }) => String(anchor)),
      wanted.map(({ witnessKey }) => witnessKey),
    ],
  );
  return rows.map(({ line }) => line);
}

/** The checkpoints of some origins in some anchors, in the order of what is asked for; null where there is none. */
export async function findNotes(
  pool: pg.Pool,
  wanted: readonly { origin: string; anchor: bigint }[],
): Promise<{ ledger: string | null; note: string | null }[]> {
  const { rows } = await pool.query<{ ledger: string | null; note: string | null }>(
    `SELECT c.ledger, c.note FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS g (origin, anchor, place)
       LEFT JOIN ledgers AS l ON l.origin = g.origin
       LEFT JOIN checkpoints AS c ON c.ledger = l.ledger AND c.anchor = g.anchor
       ORDER BY g.place`,
    [wanted.map(({ origin }) => origin), wanted.map(({ anchor }) => String(anchor))],
  );
  return rows;
}
