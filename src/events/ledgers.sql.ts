import type pg from 'pg';

/** Where a ledger stands. Sequences and sizes are decimal strings, hashes hex, times RFC 3339. */
export interface LedgerState {
  ledger: string;
  origin: string;
  size: string;
  event_hash: string | null;
  state: string;
  created_at: string;
  /** events up to here have left the database, or are about to */
  archived_to: string;
  /** of the last event; null while empty */
  recorded_at: string | null;
}

const RFC_3339 = `'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'`;
const STATE = `SELECT l.ledger, l.origin, l.state, h.size, h.archived_to, encode(h.event_hash, 'hex') AS event_hash,
    to_char(l.created_at, ${RFC_3339}) AS created_at,
    CASE WHEN h.size > 0 THEN
      to_char(CASE WHEN h.size = h.raised_at_size THEN h.raised_from ELSE h.recorded_at END, ${RFC_3339}) END AS recorded_at
  FROM ledgers AS l JOIN ledger_heads AS h USING (ledger)`;

export async function nameDeployment(pool: pg.Pool, id: string, logOrigin: string): Promise<string> {
  const { rows } = await pool.query<{ log_origin: string }>('SELECT name_deployment($1, $2) AS log_origin', [
    id,
    logOrigin,
  ]);
  return rows[0]!.log_origin;
}

/** The service's own ledger and its successors, `-2` before `-10`. */
export async function listServiceLedgers(pool: pg.Pool): Promise<{ ledger: string; archived_to: string }[]> {
  const { rows } = await pool.query<{ ledger: string; archived_to: string }>(
    `SELECT ledger, archived_to FROM ledger_heads WHERE ledger ~ '^_service(-[0-9]+)?$' ORDER BY length(ledger), ledger`,
  );
  return rows;
}

/** True if it was not there before. */
export async function createLedger(pool: pg.Pool, ledger: string, origin: string): Promise<boolean> {
  const { rows } = await pool.query<{ created: boolean }>('SELECT created FROM create_ledger($1, $2)', [
    ledger,
    origin,
  ]);
  return rows[0]!.created;
}

export async function findLedger(pool: pg.Pool, ledger: string): Promise<LedgerState | undefined> {
  const { rows } = await pool.query<LedgerState>({
    name: 'find_ledger',
    text: `${STATE} WHERE l.ledger = $1`,
    values: [ledger],
  });
  return rows[0];
}

export async function listLedgers(pool: pg.Pool): Promise<LedgerState[]> {
  const { rows } = await pool.query<LedgerState>(`${STATE} ORDER BY l.ledger`);
  return rows;
}

/** The time before which nothing is recorded in a ledger, RFC 3339; null for none. */
export async function floorOf(pool: pg.Pool, ledger: string): Promise<string | null> {
  const { rows } = await pool.query<{ floor: string | null }>(
    `SELECT CASE WHEN isfinite(recorded_at) THEN to_char(recorded_at, ${RFC_3339}) END AS floor
       FROM ledger_heads WHERE ledger = $1`,
    [ledger],
  );
  return rows[0]?.floor ?? null;
}

export async function acceptClockAhead(pool: pg.Pool, ledger: string): Promise<void> {
  await pool.query('SELECT accept_clock_ahead($1)', [ledger]);
}

/** Notes which ledgers succeed which closed ones, as their first events say. */
export async function noteSuccessions(pool: pg.Pool): Promise<void> {
  await pool.query('SELECT note_ledger_successions()');
}
