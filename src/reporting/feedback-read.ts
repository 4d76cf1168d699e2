import type { FileStatus } from '../transaction-reports/feedback-statuses.js';
import type { AdvisedRecord } from './reporting-events.js';

/** A file of feedback to be read, as data: it is read on the thread for long reads. */
export interface FeedbackRead {
  file: Uint8Array;
  /** what was sent and answered up to here counts */
  upToAct: number;
  /** REPORTING_SENDER and REPORTING_RECEIVER: of feedback on files that were not sent from here */
  sender: string | undefined;
  receiver: string | undefined;
  /** message ids of the files of which alone it is asked what it says; undefined for all */
  ofFiles: readonly string[] | undefined;
}

/** What feedback said of one file, and what of that was news. */
export interface JudgedFile {
  /** of the file that is answered; undefined where the authority does not say */
  messageId: string | undefined;
  status: FileStatus;
  /** undefined where no such file was sent */
  executingEntity: string | undefined;
  /** records that are in another state now */
  changed: Record<AdvisedRecord['state'], number>;
  /** records of which it says what was known, or true before */
  unchanged: number;
  /** records with another final state, which they keep */
  contradictions: number;
  /** records that the file does not have */
  unknown: number;
  /** some of them, as the authority writes them */
  unknownRecords: string[];
  /** records of the file on which it says nothing */
  unsaid: number;
  /** why; undefined where there are none */
  whyUnsaid: string | undefined;
}

/** What is known of feedback once it is read. */
export interface FeedbackTotals {
  /** its own; undefined where it came without an envelope */
  messageId: string | undefined;
  /** `To` of its header; undefined where that does not say */
  addressedTo: string | undefined;
  /** whether it says somebody else than who sends, and who executed or submits what the files have that it answers */
  isAddressedElsewhere: boolean;
  /** `Fr` of its header; undefined where that does not say */
  sentBy: string | undefined;
  /** whether it says somebody else than who got the files that it answers */
  isSentByOther: boolean;
  files: readonly JudgedFile[];
}
