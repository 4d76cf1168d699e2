import type pg from 'pg';

/** A month of the catalogue. */
export interface CataloguedMonth {
  /** first day, YYYY-MM-DD */
  month: string;
  state: string;
  partition_name: string;
}

export async function listMonths(pool: pg.Pool): Promise<CataloguedMonth[]> {
  const { rows } = await pool.query<CataloguedMonth>(`SELECT month, state, partition_name FROM months ORDER BY month`);
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
