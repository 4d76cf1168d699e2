import { metadataConditions } from '../events/event-search.js';
import { lesser } from '../events/sequences.js';
import type { TermName } from '../vocabulary/order-vocabulary.js';
import { searchedInstant } from './event-scan.js';
import type { Period, ReportRun } from './report.js';
import { ORDER, ORDER_LIFECYCLE } from './whole-lives.js';

/** Events that are looked at at once in the archive. */
const ARCHIVED_ROWS = 1_000;
const ARCHIVED_BYTES = 4_000_000;

/**
 * The orders of which an event, corrected or not, states a value in a member of `metadata`, sorted by name: the first
 * `most` and one more. The events are those with an event time in the span, up to the run's `asOf`.
 */
export async function ordersStating(
  run: ReportRun,
  member: TermName,
  value: string,
  span: Period,
  most: number,
): Promise<string[]> {
  const { ledger, asOf } = run;
  run.readRanges?.lookUp({ ledger, asOf, of: `orders that state metadata.${member}`, period: undefined });
  const { online, archivedTo } = await readOnline(run, member, value, span, most);
  let found = online;
  const upTo = lesser(archivedTo, run.asOf);
  let fromSequence = 1n;
  while (fromSequence <= upTo) {
    const { rows, cut } = await run.archive.search({
      ledger: run.ledger,
      query: {
        equal: [
          ['entity_type', ORDER],
          ['event_type', ORDER_LIFECYCLE],
        ],
        metadata: [[member, value]],
        from: searchedInstant(span.from),
        to: searchedInstant(span.to),
        recordedFrom: undefined,
        recordedTo: undefined,
        fromSequence,
        toSequence: upTo,
        sort: 'sequence',
        order: 'asc',
      },
      upTo,
      after: undefined,
      maxRows: ARCHIVED_ROWS,
      maxBytes: ARCHIVED_BYTES,
    });
    found = [...new Set([...found, ...rows.map(({ entity_id: orderId }) => orderId)])]
      .sort(byOctets)
      .slice(0, most + 1);
    if (!cut && rows.length < ARCHIVED_ROWS) break;
    fromSequence = BigInt(rows.at(-1)!.sequence) + 1n;
  }
  return found;
}

async function readOnline(
  { ledger, asOf, read }: ReportRun,
  member: TermName,
  value: string,
  { from, to }: Period,
  most: number,
): Promise<{ online: string[]; archivedTo: bigint }> {
  return read(async (client, { archivedTo }) => {
    const values: unknown[] = [];
    const $ = (each: unknown): string => `$${values.push(each)}`;
    const conditions = [
      `ledger = ${$(ledger)}`,
      `entity_type = ${$(ORDER)}`,
      `event_type = ${$(ORDER_LIFECYCLE)}`,
      `sequence BETWEEN ${$(String(archivedTo + 1n))} AND ${$(String(asOf))}`,
      `("timestamp", timestamp_nanos) >= (${$(from.time)}::timestamptz, ${$(from.nanos)}::smallint)`,
      `("timestamp", timestamp_nanos) < (${$(to.time)}::timestamptz, ${$(to.nanos)}::smallint)`,
      ...metadataConditions([[member, value]], $),
    ];
    const text = `SELECT DISTINCT entity_id COLLATE "C" AS entity_id FROM audit_events
                    WHERE ${conditions.join(' AND ')} ORDER BY entity_id LIMIT ${$(most + 1)}`;
    const { rows } = await client.query<{ entity_id: string }>({ text, values });
    return { online: rows.map(({ entity_id: orderId }) => orderId), archivedTo };
  });
}

/** As COLLATE "C" sorts. */
function byOctets(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
