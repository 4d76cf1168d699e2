import { queryBounded } from '../database/bounded-query.js';
import type { StoredRow } from '../integrity/stored-event.js';
import type { ReportRun } from './report.js';

/** Orders that one statement looks at, and of each so many of its last events: it stays short also where lives are long. */
const ORDERS_AT_ONCE = 500;
const LAST_EVENTS = 64;

/**
 * The orders that may be open at the end of the run's period: without those whose last events say that they had ended by
 * then, whatever else is recorded. That is so where a cancel, an expiry, a rejection or an execution that states that nothing
 * remains happened before, is no copy, and neither a correction nor a create comes after it in the ledger. All others are to be
 * looked at whole: archived ones, long ones, and those whose quantities say it.
 */
export async function ordersThatMayBeOpen<Row extends Pick<StoredRow, 'entity_id'>>(
  run: ReportRun,
  orders: readonly Row[],
): Promise<Row[]> {
  const open: Row[] = [];
  for (let at = 0; at < orders.length; at += ORDERS_AT_ONCE) {
    const asked = orders.slice(at, at + ORDERS_AT_ONCE);
    const over = await ordersSurelyOver(run, asked);
    open.push(...asked.filter((_, i) => !over.has(i)));
  }
  return open;
}

/** The places of those in the list. */
async function ordersSurelyOver(
  { ledger, asOf, period, read }: ReportRun,
  orders: readonly Pick<StoredRow, 'entity_id'>[],
): Promise<Set<number>> {
  const { rows } = await read((client, { archivedTo }) =>
    queryBounded<{ i: string }>(
      client,
      {
        text: `SELECT wanted.i
                 FROM unnest($2::text[]) WITH ORDINALITY AS wanted (entity_id, i)
                 CROSS JOIN LATERAL (
                   SELECT max(sequence) FILTER (
                            WHERE event_type = 'order_lifecycle' AND corrects IS NULL
                              AND ("timestamp", timestamp_nanos) < ($5::timestamptz, $6::smallint)
                              AND (action IN ('cancel', 'expire', 'reject')
                                OR action IN ('fill', 'partial_fill') AND new_state ->> 'remaining_quantity' = '0')
                              AND metadata ->> 'drop_copy' IS DISTINCT FROM 'true'
                          ) AS ended,
                          max(sequence) FILTER (WHERE corrects IS NOT NULL OR action = 'create') AS unsettled
                     FROM (
                       SELECT event_type, action, corrects, "timestamp", timestamp_nanos, sequence, new_state, metadata
                         FROM audit_events
                         WHERE ledger = $1 AND entity_type = 'order' AND entity_id = wanted.entity_id
                           AND sequence > $3 AND sequence <= $4
                         ORDER BY sequence DESC LIMIT ${LAST_EVENTS}
                     ) AS latest
                 ) AS life
                 WHERE life.ended > coalesce(life.unsettled, 0)`,
        values: [
          ledger,
          orders.map(({ entity_id }) => entity_id),
          String(archivedTo),
          String(asOf),
          period.to.time,
          period.to.nanos,
        ],
      },
      orders.length,
      Infinity,
    ),
  );
  return new Set(rows.map(({ i }) => Number(i) - 1));
}
