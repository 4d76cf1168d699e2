import type pg from 'pg';

/** A signed checkpoint, without what others have said of it. */
export interface UncosignedCheckpoint {
  ledger: string;
  anchor: string;
  size: string;
  note: string;
  /** of the last checkpoint that the witness has cosigned; 0 for none */
  size_before: string;
}

/** The ledgers whose last checkpoint a witness has not cosigned, those that have waited longest first. */
export async function listUncosignedLedgers(pool: pg.Pool, witnessKey: string): Promise<string[]> {
  const { rows } = await pool.query<{ ledger: string }>(
    `SELECT l.ledger
       FROM ledgers AS l
       CROSS JOIN LATERAL (SELECT max(c.anchor) AS anchor FROM checkpoints AS c WHERE c.ledger = l.ledger) AS last
       CROSS JOIN LATERAL (
         SELECT max(s.anchor) AS anchor FROM cosignatures AS s WHERE s.ledger = l.ledger AND s.witness_key = $1) AS seen
       WHERE last.anchor IS DISTINCT FROM seen.anchor
       ORDER BY coalesce(seen.anchor, 0), l.ledger`,
    [witnessKey],
  );
  return rows.map(({ ledger }) => ledger);
}

/** The last checkpoints of some ledgers, in whatever order. */
export async function readUncosigned(
  pool: pg.Pool,
  witnessKey: string,
  ledgers: readonly string[],
): Promise<UncosignedCheckpoint[]> {
  const { rows } = await pool.query<UncosignedCheckpoint>(
    `SELECT last.ledger, last.anchor, last.size, last.note, coalesce(seen.size, 0) AS size_before
       FROM unnest($2::text[]) AS l (ledger)
       CROSS JOIN LATERAL (
         SELECT c.ledger, c.anchor, c.size, c.note FROM checkpoints AS c
           WHERE c.ledger = l.ledger ORDER BY c.anchor DESC LIMIT 1) AS last
       LEFT JOIN LATERAL (
         SELECT c.size FROM cosignatures AS s JOIN checkpoints AS c ON c.ledger = s.ledger AND c.anchor = s.anchor
           WHERE s.ledger = l.ledger AND s.witness_key = $1 ORDER BY s.anchor DESC LIMIT 1) AS seen ON true`,
    [witnessKey, ledgers],
  );
  return rows;
}

export interface NewCosignature {
  ledger: string;
  anchor: string;
  witnessKey: string;
  /** with its newline */
  line: string;
  /** POSIX seconds */
  cosignedAt: bigint;
}

export async function keepCosignatures(pool: pg.Pool, cosignatures: readonly NewCosignature[]): Promise<void> {
  await pool.query(
    `SELECT keep_cosignatures($1, $2, $3, $4, ARRAY(
       SELECT to_timestamp(s.seconds) FROM unnest($5::bigint[]) WITH ORDINALITY AS s (seconds, place) ORDER BY s.place))`,
    [
      cosignatures.map(({ ledger }) => ledger),
      cosignatures.map(({ anchor }) => anchor),
      cosignatures.map(({ witnessKey }) => witnessKey),
      cosignatures.map(({ line }) => line),
      cosignatures.map(({ cosignedAt }) => String(cosignedAt)),
    ],
  );
}

export interface CosignersOfCheckpoint {
  ledger: string;
  anchor: string;
  witness_keys: string[];
}

/** The verifier keys of those who have cosigned some checkpoints. */
export async function readCosigners(
  pool: pg.Pool,
  checkpoints: readonly { ledger: string; anchor: string }[],
): Promise<CosignersOfCheckpoint[]> {
  const { rows } = await pool.query<CosignersOfCheckpoint>(
    `SELECT s.ledger, s.anchor, array_agg(s.witness_key) AS witness_keys
       FROM unnest($1::text[], $2::bigint[]) AS g (ledger, anchor)
       JOIN cosignatures AS s ON s.ledger = g.ledger AND s.anchor = g.anchor
       GROUP BY s.ledger, s.anchor`,
    [checkpoints.map(({ ledger }) => ledger), checkpoints.map(({ anchor }) => anchor)],
  );
  return rows;
}

/** Notes that checkpoints have got their quorum. */
export async function noteWitnessed(
  pool: pg.Pool,
  checkpoints: readonly { ledger: string; anchor: string }[],
): Promise<void> {
  await pool.query('SELECT note_witnessed($1, $2)', [
    checkpoints.map(({ ledger }) => ledger),
    checkpoints.map(({ anchor }) => anchor),
  ]);
}

export interface WitnessedAge {
  ledger: string;
  /** of the last checkpoint that was witnessed, seconds; null before the first */
  witnessed_seconds: number | null;
  /** of the first checkpoint after that; null when there is none */
  waiting_seconds: number | null;
}

export async function readWitnessedAges(pool: pg.Pool): Promise<WitnessedAge[]> {
  const { rows } = await pool.query<WitnessedAge>(
    `SELECT l.ledger,
            extract(epoch FROM trail_now() - last.catalogued_at)::float8 AS witnessed_seconds,
            extract(epoch FROM trail_now() - waiting.catalogued_at)::float8 AS waiting_seconds
       FROM ledgers AS l
       LEFT JOIN LATERAL (
         SELECT a.number, a.catalogued_at FROM witnessed_checkpoints AS w JOIN anchors AS a ON a.number = w.anchor
           WHERE w.ledger = l.ledger ORDER BY w.anchor DESC LIMIT 1) AS last ON true
       LEFT JOIN LATERAL (
         SELECT a.catalogued_at FROM checkpoints AS c JOIN anchors AS a ON a.number = c.anchor
           WHERE c.ledger = l.ledger AND c.anchor > coalesce(last.number, 0) ORDER BY c.anchor LIMIT 1) AS waiting ON true`,
  );
  return rows;
}
