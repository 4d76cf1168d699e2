import type pg from 'pg';
import { Problem } from '../http/problem.js';
import { listDeletedRanges } from './deleted-ranges.sql.js';

/** Events that were deleted at the end of their retention, as answers tell of them. Sequences in decimal, both included. */
export interface DeletedRange {
  from_sequence: string;
  to_sequence: string;
  /** in which they were recorded: first day, YYYY-MM-DD */
  month: string;
  /** id of the act */
  deletion: string;
  /** record class of the policy that had kept them for the longest */
  policy: string;
  /** of that policy */
  years: number;
  /** since when they are taken for deleted, RFC 3339 */
  deleted_at: string;
}

/** What stays of a range that was deleted. Times are microseconds since 1970. */
export interface DeletedSpan {
  from: bigint;
  /** included */
  to: bigint;
  timestamps: [least: number, greatest: number];
  recorded: [least: number, greatest: number];
  /** event_hash of the event before the first; null at 1 */
  previousEventHash: Buffer | null;
  lastEventHash: Buffer;
  shown: DeletedRange;
}

/** What was deleted of a ledger, in order. */
export async function readDeletedSpans(database: pg.Pool | pg.ClientBase, ledger: string): Promise<DeletedSpan[]> {
  const rows = await listDeletedRanges(database, ledger);
  return rows.map((row) => ({
    from: BigInt(row.from_sequence),
    to: BigInt(row.to_sequence),
    timestamps: [Number(row.least_timestamp), Number(row.greatest_timestamp)],
    recorded: [Number(row.least_recorded_at), Number(row.greatest_recorded_at)],
    previousEventHash: row.previous_event_hash,
    lastEventHash: row.last_event_hash,
    shown: {
      from_sequence: row.from_sequence,
      to_sequence: row.to_sequence,
      month: row.month,
      deletion: row.deletion,
      policy: row.record_class,
      years: row.years,
      deleted_at: row.deleted_at,
    },
  }));
}

/** The span that a sequence is in. */
export function spanAt(spans: readonly DeletedSpan[], sequence: bigint): DeletedSpan | undefined {
  return spans.find(({ from, to }) => from <= sequence && sequence <= to);
}

interface Bounds {
  from?: { micros: number } | undefined;
  to?: { micros: number } | undefined;
  recordedFrom?: { micros: number } | undefined;
  recordedTo?: { micros: number } | undefined;
}

/** Those of some spans in which something may have matched: by sequence, event time and recorded time. */
export function spansWithin(
  spans: readonly DeletedSpan[],
  fromSequence: bigint,
  toSequence: bigint,
  { from, to, recordedFrom, recordedTo }: Bounds = {},
): DeletedRange[] {
  const within = ([least, greatest]: [number, number], begin: Bounds['from'], end: Bounds['from']): boolean =>
    (!begin || greatest >= begin.micros) && (!end || least <= end.micros);
  return spans
    .filter(
      (span) =>
        span.from <= toSequence &&
        span.to >= fromSequence &&
        within(span.timestamps, from, to) &&
        within(span.recorded, recordedFrom, recordedTo),
    )
    .map(({ shown }) => shown);
}

/** The member of an answer: only where something was deleted. */
export function toldOf(deleted: readonly DeletedRange[]): { deleted?: DeletedRange[] } {
  return deleted.length === 0 ? {} : { deleted: [...deleted] };
}

/** What people are told of a range. */
export function deletionSentence({ month, deletion, policy, years, deleted_at }: DeletedRange): string {
  return `deleted at ${deleted_at} with the month ${month.slice(0, 7)} under the policy ${policy} (${years} years), deletion ${deletion}`;
}

export function eventDeleted(sequence: bigint, span: DeletedSpan): Problem {
  return new Problem('event-deleted', `The event, ${deletedAs(sequence, span)}`);
}

/** Which event of its ledger it was, and when and why it was deleted. */
export function deletedAs(sequence: bigint, { shown }: DeletedSpan): string {
  return `sequence ${sequence}, was ${deletionSentence(shown)}`;
}
