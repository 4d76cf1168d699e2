import type { UnlistedRange } from './archive-catalogue.sql.js';
import type { PlannedRange } from './archive-tasks.js';
import type { EntitiesRange } from './entity-index.js';

/** What is open of a ledger: everything after what is archived. */
export interface OpenLedger {
  ledger: string;
  origin: string;
  /** the last event there is */
  size: bigint;
  /** the last event that is archived, 0 for none */
  archived: bigint;
  archivedHash: Buffer | null;
}

/** The ranges of the next object: of each ledger what is open, in their order, until `maxEvents` are reached. */
export function planObject(open: Iterable<OpenLedger>, maxEvents: bigint): PlannedRange[] {
  const ranges: PlannedRange[] = [];
  let room = maxEvents;
  for (const { ledger, origin, size, archived, archivedHash } of open) {
    if (size <= archived || room === 0n) continue;
    const to = size - archived <= room ? size : archived + room;
    ranges.push({ ledger, origin, from: archived + 1n, to, previousEventHash: archivedHash });
    room -= to - archived;
  }
  return ranges;
}

/**
 * The ranges of the next object of entities: whole objects of a month, in their order, until `maxEvents` are reached, one
 * at least. What it lists is then what these hold, and an entity is looked for in few objects. By ledger.
 */
export function planEntities(unlisted: readonly UnlistedRange[], maxEvents: bigint): EntitiesRange[] {
  const ranges = new Map<string, EntitiesRange>();
  let room = maxEvents;
  for (let at = 0; at < unlisted.length;) {
    const { number } = unlisted[at]!;
    const ofObject: EntitiesRange[] = [];
    for (; unlisted[at]?.number === number; at++) ofObject.push(unlisted[at]!.range);
    const events = ofObject.reduce(
      (sum, range) => sum + BigInt(range.to_sequence) - BigInt(range.from_sequence) + 1n,
      0n,
    );
    if (events > room && ranges.size > 0) break;
    room -= events;
    for (const range of ofObject) ranges.set(range.ledger, joined(ranges.get(range.ledger), range));
  }
  return [...ranges.values()].sort((a, b) => (a.ledger < b.ledger ? -1 : 1));
}

/** Of a range and the one that goes on where it ends. */
function joined(before: EntitiesRange | undefined, next: EntitiesRange): EntitiesRange {
  if (!before) return next;
  return {
    ...before,
    to_sequence: next.to_sequence,
    last_event_hash: next.last_event_hash,
    greatest_recorded_at: next.greatest_recorded_at,
    least_timestamp: before.least_timestamp < next.least_timestamp ? before.least_timestamp : next.least_timestamp,
    greatest_timestamp:
      before.greatest_timestamp > next.greatest_timestamp ? before.greatest_timestamp : next.greatest_timestamp,
  };
}

const DAYS_AFTER_MONTH = 60;
const DAY_MS = 86_400_000;

/**
 * Until when an early object is locked, whose last event was recorded then: 60 days after the end of that month, by when
 * the sealed month has been written as a whole, and 60 days from now at least. Whole seconds, as S3 keeps them.
 */
export function earlyRetention(lastRecordedAt: string, now: Date): Date {
  const last = new Date(lastRecordedAt);
  const monthEnd = Date.UTC(last.getUTCFullYear(), last.getUTCMonth() + 1);
  const until = Math.max(monthEnd, now.getTime()) + DAYS_AFTER_MONTH * DAY_MS;
  return new Date(Math.ceil(until / 1000) * 1000);
}
