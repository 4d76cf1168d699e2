import type pg from 'pg';
import { readJson, type JsonObject } from '../integrity/strict-json.js';

/** Where a ledger ends. */
export interface Head {
  size: bigint;
  /** null while empty */
  eventHash: Buffer | null;
  origin: string;
  isOpen: boolean;
}

/** The head of a ledger; with `lock`, nobody appends before the transaction ends. */
export async function readHead(owner: pg.ClientBase, ledger: string, lock = false): Promise<Head | undefined> {
  const { rows } = await owner.query<{ size: string; event_hash: Buffer | null; origin: string; state: string }>(
    `SELECT h.size, h.event_hash, l.origin, l.state FROM ledger_heads AS h JOIN ledgers AS l USING (ledger)
       WHERE h.ledger = $1 ${lock ? 'FOR UPDATE OF h' : ''}`,
    [ledger],
  );
  const [row] = rows;
  return row && { size: BigInt(row.size), eventHash: row.event_hash, origin: row.origin, isOpen: row.state === 'open' };
}

/** Moves a head on to events that were brought back; a floor that lies later stays. `recordedAt` is the last event's. */
export async function moveHead(
  owner: pg.ClientBase,
  ledger: string,
  size: bigint,
  eventHash: Buffer,
  recordedAt: string,
): Promise<void> {
  await owner.query(
    `UPDATE ledger_heads SET size = $2, event_hash = $3, recorded_at = greatest(recorded_at, $4::timestamptz),
         raised_from = CASE WHEN recorded_at > $4::timestamptz THEN $4::timestamptz ELSE raised_from END,
         raised_at_size = CASE WHEN recorded_at > $4::timestamptz THEN $2 ELSE raised_at_size END
       WHERE ledger = $1`,
    [ledger, String(size), eventHash, recordedAt],
  );
}

export async function closeLedger(owner: pg.ClientBase, ledger: string): Promise<void> {
  await owner.query(`UPDATE ledgers SET state = 'closed' WHERE ledger = $1`, [ledger]);
}

/** The ledger that another one's first event says that it succeeds; undefined when it succeeds none. */
export async function predecessorOf(owner: pg.ClientBase, ledger: string): Promise<string | undefined> {
  const { rows } = await owner.query<{ entity_id: string }>(
    `SELECT entity_id FROM audit_events
       WHERE ledger = $1 AND sequence = 1 AND event_type = 'ledger' AND action = 'succeed' AND recorded_by = 'service'`,
    [ledger],
  );
  return rows[0]?.entity_id;
}

export async function listLedgerNames(owner: pg.ClientBase): Promise<string[]> {
  const { rows } = await owner.query<{ ledger: string }>('SELECT ledger FROM ledgers ORDER BY ledger');
  return rows.map(({ ledger }) => ledger);
}

/** Closed ledgers that none succeeds, as far as it was noted: whoever closed them was killed before they had one. */
export async function listWithoutSuccessor(owner: pg.ClientBase): Promise<string[]> {
  const { rows } = await owner.query<{ ledger: string }>(
    `SELECT ledger FROM ledgers AS l WHERE state = 'closed'
         AND NOT EXISTS (SELECT FROM ledger_successions AS s WHERE s.predecessor = l.ledger) ORDER BY ledger`,
  );
  return rows.map(({ ledger }) => ledger);
}

/** What was brought back into a ledger, or that it was closed, as the event says that is to record it. */
export interface UnrecordedRecovery {
  eventId: string;
  ledger: string;
  action: 'recover' | 'close';
  operator: string;
  state: JsonObject;
  /** RFC 3339 */
  recoveredAt: string;
}

/** In the transaction in which the events come back, or the ledger is closed. */
export async function keepUnrecorded(
  owner: pg.ClientBase,
  { eventId, ledger, action, operator, state }: Omit<UnrecordedRecovery, 'recoveredAt'>,
): Promise<void> {
  await owner.query(
    `INSERT INTO unrecorded_recoveries (event_id, ledger, action, operator, state, recovered_at)
       VALUES ($1, $2, $3, $4, $5, trail_now())`,
    [eventId, ledger, action, operator, JSON.stringify(state)],
  );
}

/** Whether it waits to be recorded that a ledger was closed. */
export async function isCloseUnrecorded(owner: pg.ClientBase, ledger: string): Promise<boolean> {
  const { rows } = await owner.query(`SELECT FROM unrecorded_recoveries WHERE ledger = $1 AND action = 'close'`, [
    ledger,
  ]);
  return rows.length > 0;
}

/** In the order in which they came to be. A ledger that was closed is among them once it is noted who succeeds it. */
export async function listUnrecorded(owner: pg.ClientBase): Promise<UnrecordedRecovery[]> {
  const { rows } = await owner.query<Omit<UnrecordedRecovery, 'state'> & { state: string; successor: string | null }>(
    `SELECT event_id AS "eventId", ledger, action, operator, state,
            to_char(recovered_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "recoveredAt",
            (SELECT s.ledger FROM ledger_successions AS s WHERE s.predecessor = u.ledger ORDER BY s.noted_at LIMIT 1)
              AS successor
       FROM unrecorded_recoveries AS u ORDER BY recovered_at, event_id`,
  );
  return rows.flatMap(({ successor, state: text, ...row }) => {
    const state = readJson(text) as JsonObject;
    if (row.action === 'recover') return [{ ...row, state }];
    return successor === null ? [] : [{ ...row, state: { ...state, successor } }];
  });
}

export async function noteRecorded(owner: pg.ClientBase, eventId: string): Promise<void> {
  await owner.query('DELETE FROM unrecorded_recoveries WHERE event_id = $1', [eventId]);
}
