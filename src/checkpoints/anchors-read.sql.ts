import type pg from 'pg';
import { readJson } from '../integrity/strict-json.js';

const text = (column: string): string =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS ${column.replace(/^.*\./, '')}`;

/** An anchor as it is catalogued, and what it holds of some ledgers. */
export interface ListedAnchor {
  number: string;
  /** of its bytes */
  sha256: Buffer;
  /** of those of the anchor before; null for the first */
  previous: Buffer | null;
  bytes: string;
  location: string;
  object_key: string;
  version_id: string;
  catalogued_at: string;
  /** checkpoints in it of the ledgers that were asked for */
  checkpoints: number;
  timestamps: number;
}

/** Names of ledgers; null for all of them. */
export type LedgerNames = readonly string[] | null;

/**
 * Anchors from a number downwards, `limit` at most: those that hold a checkpoint of one of the ledgers. Of each ledger
 * its last ones are asked for, so that a page costs what it holds, however rare they are.
 */
export async function listAnchors(
  pool: pg.Pool,
  ledgers: LedgerNames,
  from: bigint,
  limit: number,
): Promise<ListedAnchor[]> {
  const numbers =
    ledgers === null
      ? `SELECT a.number FROM anchors AS a WHERE a.number <= $2 AND $1::text[] IS NULL ORDER BY a.number DESC LIMIT $3`
      : `SELECT DISTINCT c.anchor AS number FROM unnest($1::text[]) AS l (ledger)
           CROSS JOIN LATERAL (
             SELECT k.anchor FROM checkpoints AS k
               WHERE k.ledger = l.ledger AND k.anchor <= $2 ORDER BY k.anchor DESC LIMIT $3) AS c
           ORDER BY number DESC LIMIT $3`;
  const { rows } = await pool.query<ListedAnchor>(`${anchorsOf(numbers)} ORDER BY a.number DESC`, [
    ledgers,
    String(from),
    limit,
  ]);
  return rows;
}

/** One anchor; undefined when there is none, or none that holds a checkpoint of the ledgers. */
export async function findListedAnchor(
  pool: pg.Pool,
  ledgers: LedgerNames,
  number: bigint,
): Promise<ListedAnchor | undefined> {
  const { rows } = await pool.query<ListedAnchor>(anchorsOf('SELECT $2::bigint AS number'), [ledgers, String(number)]);
  const [row] = rows;
  return row === undefined || (ledgers !== null && row.checkpoints === 0) ? undefined : row;
}

/** `numbers`: a query of `number`; $1 are the ledgers. */
function anchorsOf(numbers: string): string {
  return `
    SELECT a.number, a.sha256, p.sha256 AS previous, a.bytes, a.location, a.object_key, a.version_id,
           ${text('a.catalogued_at')},
           (SELECT count(*)::integer FROM checkpoints AS c
              WHERE c.anchor = a.number AND ($1::text[] IS NULL OR c.ledger = ANY ($1))) AS checkpoints,
           (SELECT count(*)::integer FROM timestamps AS t WHERE t.anchor = a.number) AS timestamps
      FROM (${numbers}) AS n
      JOIN anchors AS a USING (number)
      LEFT JOIN anchors AS p ON p.number = a.number - 1`;
}

/** A checkpoint of an anchor, and what witnesses have said of it. */
export interface AnchoredRow {
  ledger: string;
  origin: string;
  size: string;
  root_hash: Buffer;
  note: string;
  /** by the key of the witness */
  cosignatures: { witness_key: string; line: string; cosigned_at: string }[];
}

/** Those of an anchor after a ledger, by ledger, `limit` at most. */
export async function listAnchoredCheckpoints(
  pool: pg.Pool,
  ledgers: LedgerNames,
  number: bigint,
  after: string,
  limit: number,
): Promise<AnchoredRow[]> {
  const { rows } = await pool.query<Omit<AnchoredRow, 'cosignatures'> & { cosignatures: string }>(
    `SELECT c.ledger, l.origin, c.size, c.root_hash, c.note, coalesce((
         SELECT jsonb_agg(jsonb_build_object('witness_key', s.witness_key, 'line', s.line, 'cosigned_at',
             to_char(s.cosigned_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) ORDER BY s.witness_key)
           FROM cosignatures AS s WHERE s.ledger = c.ledger AND s.anchor = c.anchor), '[]')::text AS cosignatures
       FROM checkpoints AS c JOIN ledgers AS l USING (ledger)
       WHERE c.anchor = $2 AND ($1::text[] IS NULL OR c.ledger = ANY ($1)) AND c.ledger > $3
       ORDER BY c.ledger LIMIT $4`,
    [ledgers, String(number), after, limit],
  );
  return rows.map(({ cosignatures, ...rest }) => ({
    ...rest,
    cosignatures: readJson(cosignatures) as unknown as AnchoredRow['cosignatures'],
  }));
}

export interface AnchorSuccession {
  ledger: string;
  note: string;
}

export async function listAnchorSuccessions(
  pool: pg.Pool,
  ledgers: LedgerNames,
  number: bigint,
): Promise<AnchorSuccession[]> {
  const { rows } = await pool.query<AnchorSuccession>(
    `SELECT ledger, note FROM key_successions
       WHERE anchor = $2 AND ($1::text[] IS NULL OR ledger = ANY ($1)) ORDER BY ledger, position`,
    [ledgers, String(number)],
  );
  return rows;
}

/** A time stamp over an anchor, as it is catalogued. */
export interface AnchorTimestampRow {
  anchor: string;
  /** of the reply */
  sha256: Buffer;
  authority_url: string;
  authority: string;
  stamped_at: string;
  bytes: number;
  location: string;
  object_key: string;
  version_id: string;
}

/** Those over an anchor itself, and of each authority that has none there its first one over a later anchor. */
export async function listTimestampsOf(pool: pg.Pool, number: bigint): Promise<AnchorTimestampRow[]> {
  const { rows } = await pool.query<AnchorTimestampRow>(
    `SELECT t.anchor, t.sha256, t.authority_url, t.authority, ${text('t.stamped_at')}, octet_length(t.reply) AS bytes,
            t.location, t.object_key, t.version_id
       FROM timestamps AS t
       JOIN (SELECT authority_url, min(anchor) AS anchor FROM timestamps WHERE anchor >= $1 GROUP BY authority_url) AS f
         USING (authority_url, anchor)
       ORDER BY t.anchor, t.authority_url, t.stamped_at, t.sha256`,
    [String(number)],
  );
  return rows;
}

/** The reply of a time stamp over an anchor; undefined when there is none. */
export async function findTimestampReply(pool: pg.Pool, number: bigint, sha256: Buffer): Promise<Buffer | undefined> {
  const { rows } = await pool.query<{ reply: Buffer }>(
    'SELECT reply FROM timestamps WHERE anchor = $1 AND sha256 = $2',
    [String(number), sha256],
  );
  return rows[0]?.reply;
}
