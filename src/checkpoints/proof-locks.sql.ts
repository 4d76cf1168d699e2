import type pg from 'pg';

/** An object of the store that proves something. */
export interface ProofObject {
  object_key: string;
  version_id: string;
}

/** The anchors after one up to another, the time stamps over them, and the cosignatures of which the last is of one of them. */
export async function listProofObjects(pool: pg.Pool, after: bigint, to: bigint): Promise<ProofObject[]> {
  const { rows } = await pool.query<ProofObject>(
    `SELECT object_key, version_id FROM anchors WHERE number > $1 AND number <= $2
     UNION ALL
     SELECT object_key, version_id FROM timestamps WHERE anchor > $1 AND anchor <= $2
     UNION ALL
     SELECT object_key, version_id FROM cosignature_objects
       WHERE object_key >= 'cosignatures/' || lpad(($1::bigint + 1)::text, 12, '0')
         AND object_key < 'cosignatures/' || lpad(($2::bigint + 1)::text, 12, '0')
     ORDER BY object_key`,
    [String(after), String(to)],
  );
  return rows;
}

/** The last anchor that was catalogued two hours before a time, or earlier; 0 for none. */
export async function findAnchorBefore(pool: pg.Pool, time: string): Promise<bigint> {
  const { rows } = await pool.query<{ number: string }>(
    `SELECT number FROM anchors WHERE catalogued_at < $1::timestamptz - interval '2 hours' ORDER BY number DESC LIMIT 1`,
    [time],
  );
  return BigInt(rows[0]?.number ?? 0);
}
