import type { ReportRun } from '../reports/report.js';

/** Reports of a submission as they were sent, to be read on the thread for long reads. */
export interface SentReportsRead extends Omit<ReportRun, 'read' | 'readRanges' | 'archive'> {
  /** by its name */
  format: string;
  executingEntity: string;
  /** under which the submission wrote its files; undefined where it sent nothing */
  maker: string | undefined;
  /** the day by which its files were written, as 2026-06-02 */
  sentOn: string;
}
