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
