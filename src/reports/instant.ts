import { parseTimestamp } from '../integrity/timestamp.js';

/** An instant for a comparison with ("timestamp", timestamp_nanos). */
export interface Instant {
  /** what PostgreSQL reads as a timestamptz */
  time: string;
  nanos: number;
}

/** Event time. */
export interface Period {
  /** included */
  from: Instant;
  /** not included */
  to: Instant;
}

/** Past the last day there is, PostgreSQL's infinity. */
const END_OF_TIME = parseTimestamp('2199-12-31T23:59:59.999999999Z');

/** In nanoseconds since 1970. */
export function nanosOfInstant({ time, nanos }: Instant): bigint {
  if (time === 'infinity') return BigInt(END_OF_TIME.micros) * 1_000n + BigInt(END_OF_TIME.nanos) + 1n;
  return BigInt(parseTimestamp(time).micros) * 1_000n + BigInt(nanos);
}
