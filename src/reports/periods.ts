import { microsOf, type StoredRow } from '../integrity/stored-event.js';
import { formatMicros, parseTimestamp } from '../integrity/timestamp.js';
import type { Instant, Period, ReportRun } from './report.js';

/** An instant to be compared. */
export interface TimeKey {
  /** since 1970; Infinity at the end of all time */
  micros: number;
  nanos: number;
}

const LAST_MICROS = parseTimestamp('2199-12-31T23:59:59.999999Z').micros;

/** How long before and after what was asked for orders are looked for that belong to it. */
export const AROUND_MICROS = 31 * 86_400_000_000;

/** Of a run that has no period. */
export const ALL_TIME: Period = {
  from: { time: formatMicros(0), nanos: 0 },
  to: { time: 'infinity', nanos: 0 },
};

/** Whether a run was asked for with a period. */
export function hasPeriod({ parameters }: Pick<ReportRun, 'parameters'>): boolean {
  return parameters.from_date !== undefined || parameters.from !== undefined;
}

export function keyOfInstant({ time, nanos }: Instant): TimeKey {
  return { micros: time === 'infinity' ? Infinity : microsOf(time), nanos };
}

/** Of its event time. */
export function keyOfRow({ timestamp, timestamp_nanos: nanos }: StoredRow): TimeKey {
  return { micros: microsOf(timestamp), nanos };
}

/** Less than, equal to or greater than 0, as `a` is to `b`. */
export function compareTimes(a: TimeKey, b: TimeKey): number {
  return a.micros === b.micros ? a.nanos - b.nanos : a.micros < b.micros ? -1 : 1;
}

/** Whether an event happened in a period. */
export function isWithin(row: StoredRow, { from, to }: Period): boolean {
  const at = keyOfRow(row);
  return compareTimes(at, keyOfInstant(from)) >= 0 && compareTimes(at, keyOfInstant(to)) < 0;
}

/** The instant so many microseconds later, or the first or last that there is. */
export function moved({ time, nanos }: Instant, micros: number): Instant {
  if (time === 'infinity') return { time, nanos };
  const at = microsOf(time) + micros;
  if (at < 0) return { time: formatMicros(0), nanos: 0 };
  return at > LAST_MICROS ? { time: 'infinity', nanos: 0 } : { time: formatMicros(at), nanos };
}

/** A period and so many microseconds before and after it. */
export function widened({ from, to }: Period, micros: number): Period {
  return { from: moved(from, -micros), to: moved(to, micros) };
}

/** Not of the end of all time. */
export function instantAt({ micros, nanos }: TimeKey): Instant {
  return { time: formatMicros(micros), nanos };
}

/** The nanosecond after an instant: what ends at it includes the instant. */
export function justAfter({ micros, nanos }: TimeKey): Instant {
  return nanos < 999 ? instantAt({ micros, nanos: nanos + 1 }) : moved(instantAt({ micros, nanos: 0 }), 1);
}
