import type { Period } from '../reports/report.js';
import type { Parameters } from '../http/parameters.js';
import type { FileLimits, Organisation } from '../transaction-reports/transaction-report-file.js';

/** A submission to be made, as data: its files are written on the thread for long reads. */
export interface SubmissionRead {
  run: string;
  /** under which what is decided is kept */
  maker: string;
  ledger: string;
  asOf: bigint;
  period: Period;
  parameters: Parameters;
  executingEntity: string;
  referenceRevision: bigint;
  /** what was sent and answered up to here counts */
  upToAct: number;
  isRepeatingRejected: boolean;
  isCancellingUnderived: boolean;
  isCorrectingDiffering: boolean;
  /** of one that counts as sent already: its files are made once more, of what this maker sent, and nothing is decided */
  sentBy: string | undefined;
  files: FileMaking;
}

/** How files are named, and what is in their headers. */
export interface FileMaking {
  pattern: string;
  sender: string;
  receiver: string;
  from: Organisation;
  to: Organisation;
  /** canonical */
  createdAt: string;
  firstNumber: number;
  limits: FileLimits;
  /** the folder of the schemas that each file is held against; undefined where the operator has none */
  schemaFolder: string | undefined;
}

/** A file that was written. */
export interface WrittenFile {
  /** its `BizMsgIdr`; its name in the zip is this with .xml */
  messageId: string;
  number: number;
  newReports: number;
  cancellations: number;
  bytes: number;
  /** hex */
  sha256: string;
}

/** What is known of a submission once its files are whole. */
export interface SubmissionTotals {
  files: readonly WrittenFile[];
  /** how many references each decision was made about: `send`, or why not */
  decisions: Readonly<Record<string, number>>;
}
