import type { PlannedRange } from './archive-tasks.js';

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
