import type { DeletedRange } from '../archive/deleted-ranges.js';
import type { EvidencePlan } from '../evidence/evidence-plan.js';
import type { HistoryRequest, SearchRequest } from '../events/search-request.js';
import type { Parameters } from '../http/parameters.js';
import type { ReadRange } from '../reports/read-ranges.js';
import type { Period } from '../reports/report.js';
import type { FeedbackRead, FeedbackTotals } from '../reporting/feedback-read.js';
import type { ReconciliationRead, ReconciliationTotals } from '../reporting/reconciliation-read.js';
import type { SentReportsRead } from '../reporting/sent-reports-read.js';
import type { SubmissionRead, SubmissionTotals } from '../reporting/submission-read.js';

/** A read of any length, as data: it is done on the thread for long reads. */
export type LongRead =
  | { kind: 'search'; ledger: string; request: SearchRequest }
  | { kind: 'history'; ledger: string; orderId: string; request: HistoryRequest }
  | { kind: 'evidence'; plan: EvidencePlan }
  | { kind: 'submission'; plan: SubmissionRead }
  | { kind: 'sent-reports'; plan: SentReportsRead }
  | { kind: 'feedback'; plan: FeedbackRead }
  | { kind: 'reconciliation'; plan: ReconciliationRead }
  | {
      kind: 'report';
      ledger: string;
      /** by their names */
      report: string;
      format: string;
      asOf: bigint;
      period: Period;
      /** of its events */
      deleted: readonly DeletedRange[];
      parameters: Parameters;
    };

/** A part of an answer, in the order in which it goes out. */
export type Piece = {
  /** of the whole answer, the same in each of its pieces */
  asOf: string;
} & (
  | { text: string }
  /** with memory of their own, so that they can change threads */
  | { bytes: Uint8Array }
);

/** What is known of an answer once it is whole. */
export interface ReadTotals {
  /** of a report; of a bundle, its lines of events */
  rows?: number;
  /** of a report: what it asked the trail for */
  readRanges?: readonly ReadRange[];
  /** of a bundle that is larger than it may be: no piece of it was made */
  isTooLarge?: boolean;
  /** of a bundle that is made to be verified, why hashes of its proof are not there to be had */
  unproven?: string;
  submission?: SubmissionTotals;
  feedback?: FeedbackTotals;
  reconciliation?: ReconciliationTotals;
}
