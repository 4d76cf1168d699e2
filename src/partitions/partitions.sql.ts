import type pg from 'pg';

/** How far a month has come. */
export type MonthState = 'open' | 'closed' | 'sealed' | 'retired' | 'dropped';

/** A month of the catalogue. Times are RFC 3339, null until they come. */
export interface CataloguedMonth {
  /** first day, YYYY-MM-DD */
  month: string;
  state: MonthState;
  partition_name: string;
  created_at: string;
  closed_at: string | null;
  sealed_at: string | null;
  retired_at: string | null;
  dropped_at: string | null;
  /** by the policies in force and the locks of its objects, whichever is later; null until it is archived as a month */
  retained_until: string | null;
  /** of the policy that keeps it for the longest */
  record_class: string | null;
  /** of its deletion, unless nobody has asked for one */
  deletion: string | null;
  /** requested, approved, removing, done */
  deletion_state: string | null;
}

const time = (column: string): string =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS ${column}`;

/** All months, the first ones first. */
export async function listMonths(pool: pg.Pool): Promise<CataloguedMonth[]> {
  const columns = ['created_at', 'closed_at', 'sealed_at', 'retired_at', 'dropped_at'].map(time).join(', ');
  const { rows } = await pool.query<CataloguedMonth>(
    `SELECT m.month, m.state, m.partition_name, ${columns}, ${time('retained_until')}, k.record_class,
            d.id AS deletion, d.state AS deletion_state
       FROM months AS m
       LEFT JOIN (
         SELECT r.month, greatest(r.retain_until, r.locked_until) AS retained_until, r.record_class
           FROM retention_of_months(ARRAY(SELECT s.month FROM months AS s WHERE s.state IN ('sealed', 'retired', 'dropped'))) AS r
       ) AS k ON k.month = m.month
       LEFT JOIN month_deletions AS d ON d.month = m.month AND d.state <> 'rejected'
       ORDER BY m.month`,
  );
  return rows;
}

/** The first days of all months that there are, whatever has become of them. */
export async function knownMonths(pool: pg.Pool): Promise<Set<string>> {
  const { rows } = await pool.query<{ month: string }>('SELECT month FROM months');
  return new Set(rows.map((row) => row.month));
}

/** Months of a state that ended `age` ago or earlier, by the database's clock, the first ones first. */
export async function monthsToMoveOn(pool: pg.Pool, state: MonthState, age: string): Promise<string[]> {
  const { rows } = await pool.query<{ month: string }>(
    `SELECT month FROM months
       WHERE state = $1 AND (month + interval '1 month') AT TIME ZONE 'UTC' + $2::interval <= trail_now() ORDER BY month`,
    [state, age],
  );
  return rows.map((row) => row.month);
}

/** True if the month was open. Throws the database's TT020. */
export async function closeMonth(pool: pg.Pool, month: string): Promise<boolean> {
  const { rows } = await pool.query<{ done: boolean }>('SELECT close_month($1::date) AS done', [month]);
  return rows[0]!.done;
}

/** True if the month was closed. Throws the database's TT020, TT021. */
export async function sealMonth(pool: pg.Pool, month: string): Promise<boolean> {
  const { rows } = await pool.query<{ done: boolean }>('SELECT seal_month($1::date) AS done', [month]);
  return rows[0]!.done;
}

/** Enters what a sealed month holds that readers look for in a list once it has left; true if that was not done before. */
export async function listLateExecutions(pool: pg.Pool, month: string): Promise<boolean> {
  const { rows } = await pool.query<{ done: boolean }>('SELECT list_late_executions($1::date) AS done', [month]);
  return rows[0]!.done;
}

/** True if the month was sealed. Throws the database's TT020, TT022, TT023. */
export async function retireMonth(pool: pg.Pool, month: string): Promise<boolean> {
  const { rows } = await pool.query<{ done: boolean }>('SELECT retire_month($1::date) AS done', [month]);
  return rows[0]!.done;
}

/** True if the month was retired. Throws the database's TT022, TT023, and 55P03 while somebody reads. */
export async function dropMonth(pool: pg.Pool, month: string): Promise<boolean> {
  const { rows } = await pool.query<{ done: boolean }>('SELECT drop_month($1::date) AS done', [month]);
  return rows[0]!.done;
}

/** What a month holds of a ledger. Sequences in decimal, hashes in hex, times RFC 3339. */
export interface MonthRange {
  month: string;
  ledger: string;
  from_sequence: string;
  /** included */
  to_sequence: string;
  least_timestamp: string;
  greatest_timestamp: string;
  least_recorded_at: string;
  greatest_recorded_at: string;
}

/** What sealed months hold, of all ledgers. */
export async function listMonthRanges(pool: pg.Pool): Promise<MonthRange[]> {
  const times = ['least_timestamp', 'greatest_timestamp', 'least_recorded_at', 'greatest_recorded_at'];
  const { rows } = await pool.query<MonthRange>(
    `SELECT month, ledger, from_sequence, to_sequence, ${times.map(time).join(', ')}
       FROM month_ranges ORDER BY month, ledger`,
  );
  return rows;
}

/** The database's clock, and every head's floor that is a time, in UTC. */
export async function clockAndFloors(pool: pg.Pool): Promise<string[]> {
  const { rows } = await pool.query<{ time: string }>(
    `SELECT to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS time
       FROM (SELECT trail_now() AS time
             UNION ALL SELECT DISTINCT date_trunc('month', recorded_at, 'UTC') FROM ledger_heads WHERE isfinite(recorded_at)) AS times`,
  );
  return rows.map((row) => row.time);
}

/** True if the month was not there before. Waits at most 2 s for a lock. */
export async function createMonth(pool: pg.Pool, month: string): Promise<boolean> {
  const { rows } = await pool.query<{ created: boolean }>('SELECT create_month($1::date) AS created', [month]);
  return rows[0]!.created;
}

/** How many months follow the clock's without a gap; -1 when not even that one is there. */
export async function monthsAhead(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ ahead: number }>(
    `SELECT count(*)::integer - 1 AS ahead
       FROM (SELECT month, row_number() OVER (ORDER BY month) AS place,
                    date_trunc('month', trail_now(), 'UTC') AT TIME ZONE 'UTC' AS present
               FROM months WHERE state = 'open' AND month >= date_trunc('month', trail_now(), 'UTC')::date) AS following
       WHERE month = (present + (place - 1) * interval '1 month')::date`,
  );
  return rows[0]!.ahead;
}
