import type { Row } from './report.js';

/** Writes one answer: each call gives what comes next of it, which may be nothing yet. */
export interface ReportWriter {
  row(row: Row): string | Uint8Array;
  /** what is left, once all rows were given */
  end(): string | Uint8Array;
}
