/** The first day of a month, UTC, as `YYYY-MM-01`. */
export type Month = string;

/** Months that must be there before a month is current: appends never wait for DDL. */
export const MONTHS_AHEAD = 3;

/** The month of an RFC 3339 time in UTC. */
export function monthOf(time: string): Month {
  return `${time.slice(0, 7)}-01`;
}

/** The month that is `count` months after (or, negative, before) another. */
export function addMonths(month: Month, count: number): Month {
  const index = Number(month.slice(0, 4)) * 12 + Number(month.slice(5, 7)) - 1 + count;
  const year = Math.floor(index / 12);
  return `${String(year).padStart(4, '0')}-${String(index - year * 12 + 1).padStart(2, '0')}-01`;
}

/**
 * The months that should exist: from each time's own month (the clock's, and each head's, which may lie ahead or
 * behind) through MONTHS_AHEAD after it, in order, each once.
 */
export function wantedMonths(times: readonly string[]): Month[] {
  const months = new Set<Month>();
  for (const time of times) {
    for (let ahead = 0; ahead <= MONTHS_AHEAD; ahead++) months.add(addMonths(monthOf(time), ahead));
  }
  return [...months].sort();
}
