import type pg from 'pg';

type Database = pg.Pool | pg.ClientBase;

/** A month that has left PostgreSQL and whose late executions were never listed, and the objects that hold it. */
export interface UnlistedMonth {
  month: string;
  /** decimal */
  numbers: string[];
}

/**
 * Months that have left without their late executions being listed, `limit` at most: those whose objects are all there; the
 * last first, and those with an object that was found wrong after the others.
 */
export async function listUnlistedMonths(database: Database, limit: number | null): Promise<UnlistedMonth[]> {
  const { rows } = await database.query<UnlistedMonth>(
    `SELECT m.month, array_remove(array_agg(DISTINCT a.number::text), NULL) AS numbers
       FROM months AS m
       LEFT JOIN month_ranges AS r ON r.month = m.month
       LEFT JOIN archive_ranges AS a ON a.kind = 'month' AND a.ledger = r.ledger
         AND a.from_sequence <= r.to_sequence AND a.to_sequence >= r.from_sequence
       LEFT JOIN archive_object_states AS s ON s.number = a.number
       LEFT JOIN archive_removals AS x ON x.number = a.number
       WHERE m.state IN ('retired', 'dropped') AND m.executions_listed_at IS NULL
       GROUP BY m.month HAVING count(x.number) = 0
       ORDER BY count(s.found_wrong_at) > 0, m.month DESC LIMIT $1`,
    [limit],
  );
  return rows;
}

/** Enters late executions of a month that has left unlisted. Of other months, and of sequences that are not the month's, nothing. */
export async function enterLateExecutions(
  database: Database,
  month: string,
  ledger: string,
  { sequences, days }: ListedDays,
): Promise<void> {
  await database.query('SELECT enter_late_executions($1::date, $2, $3::bigint[], $4::text[])', [
    ...[month, ledger],
    ...[sequences, days],
  ]);
}

/** Says that all late executions of a month that has left are entered; true if that was not said before. */
export async function finishLateExecutions(database: Database, month: string): Promise<boolean> {
  const { rows } = await database.query<{ done: boolean }>('SELECT finish_late_executions($1::date) AS done', [month]);
  return rows[0]!.done;
}

/** Sequences, in decimal, and of each the day, YYYY-MM-DD. */
export interface ListedDays {
  sequences: readonly string[];
  days: readonly string[];
}

/** An event of which the list says otherwise than the event. Days YYYY-MM-DD. */
export interface ListDifference {
  sequence: string;
  /** what is to be listed and is not; null for an event that must not be there */
  told: string | null;
  /** what is listed and must not be, several with commas; null for one that is missing */
  listed: string | null;
}

/**
 * Where the list says otherwise, from one sequence of a ledger to another, both included, than what events tell that were
 * read, in order, `limit` at most. A month is listed as a whole or, while it has not left, not at all; of one that has left
 * unlisted nothing is missing, and what is there must be right.
 */
export async function compareLateExecutions(
  database: Database,
  { ledger, from, to }: { ledger: string; from: string; to: string },
  { sequences, days }: ListedDays,
  limit: number,
): Promise<ListDifference[]> {
  const { rows } = await database.query<ListDifference>({
    name: 'compare_late_executions',
    text: `WITH told AS (
             SELECT t.sequence, t.day,
                    CASE WHEN m.month IS NULL THEN t.sequence <= h.archived_to
                      ELSE m.executions_listed_at IS NOT NULL END AS is_due,
                    m.state IN ('retired', 'dropped') AS has_left
               FROM unnest($4::bigint[], $5::text[]) AS t (sequence, day)
               JOIN ledger_heads AS h ON h.ledger = $1
               LEFT JOIN month_ranges AS r ON r.ledger = $1 AND t.sequence BETWEEN r.from_sequence AND r.to_sequence
               LEFT JOIN months AS m ON m.month = r.month),
           expected AS (SELECT sequence, day, is_due FROM told WHERE is_due OR has_left),
           listed AS (SELECT sequence, day FROM late_executions WHERE ledger = $1 AND sequence BETWEEN $2 AND $3),
           differing AS (
             SELECT coalesce(e.sequence, l.sequence) AS sequence, e.day AS told, l.day AS listed
               FROM expected AS e FULL JOIN listed AS l ON l.sequence = e.sequence AND l.day = e.day
               WHERE (l.day IS NULL AND e.is_due) OR e.day IS NULL)
           SELECT sequence, min(told) AS told, string_agg(listed, ', ' ORDER BY listed) AS listed
             FROM differing GROUP BY sequence ORDER BY sequence LIMIT $6`,
    values: [ledger, from, to, sequences, days, limit],
  });
  return rows;
}

/**
 * Entries of events that no object of a month holds, `limit` at most, by ledger and sequence. Those of a month that is about
 * to leave, and may not be archived yet, are compared once it is.
 */
export async function listStrayExecutions(
  database: Database,
  limit: number,
): Promise<{ ledger: string; sequence: string; listed: string }[]> {
  const { rows } = await database.query<{ ledger: string; sequence: string; listed: string }>(
    `WITH gaps AS (
       SELECT ledger, coalesce(lag(to_sequence) OVER (PARTITION BY ledger ORDER BY from_sequence), 0) AS after,
              from_sequence AS before
         FROM archive_ranges WHERE kind = 'month'
       UNION ALL
       SELECT l.ledger, coalesce(max(r.to_sequence), 0), 9223372036854775807
         FROM ledgers AS l LEFT JOIN archive_ranges AS r ON r.kind = 'month' AND r.ledger = l.ledger GROUP BY l.ledger)
     SELECT e.ledger, e.sequence, string_agg(e.day, ', ' ORDER BY e.day) AS listed
       FROM gaps AS g
       JOIN late_executions AS e ON e.ledger = g.ledger AND e.sequence > g.after AND e.sequence < g.before
       WHERE NOT EXISTS (
         SELECT FROM month_ranges AS r JOIN months AS m ON m.month = r.month
           WHERE r.ledger = e.ledger AND e.sequence BETWEEN r.from_sequence AND r.to_sequence
             AND m.state = 'sealed' AND m.executions_listed_at IS NOT NULL)
       GROUP BY e.ledger, e.sequence ORDER BY e.ledger, e.sequence LIMIT $1`,
    [limit],
  );
  return rows;
}
