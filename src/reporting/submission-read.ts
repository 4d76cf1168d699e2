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

/**
 * So much of a file is packed by itself. What cannot be made smaller grows by 31 bytes at most (deflateBound in zlib's
 * deflate.c) and by five that end it, and is one part still.
 */
export const BLOCK_BYTES = 64_000;

/** A part of the zip of the files. */
export interface ZipPart {
  /** bytes of the zip */
  packed: number;
  /** what of which file it holds, packed by itself, before its first byte so many, and how many; undefined for none */
  content: { messageId: string; from: number; bytes: number } | undefined;
}

/** What is known of a submission once its files are whole. */
export interface SubmissionTotals {
  files: readonly WrittenFile[];
  /** in the order of the zip, and all of it */
  parts: readonly ZipPart[];
  /** how many reports that are not sent something is to be recorded of */
  noted: number;
  /** how many references each decision was made about: `send`, or why not */
  decisions: Readonly<Record<string, number>>;
}
