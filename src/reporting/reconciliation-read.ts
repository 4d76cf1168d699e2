import type { ReportRun } from '../reports/report.js';
import type { PositionKey } from '../transaction-reports/position-changes.js';

/** A change of a position in the period, as the firm's books have it. */
export interface GivenPosition extends PositionKey {
  /** bought minus sold, a decimal */
  quantity: string;
}

/** A reconciliation to be made, as data: it is made on the thread for long reads. */
export interface ReconciliationRead extends Omit<ReportRun, 'read' | 'archive'> {
  /** by its name */
  format: string;
  executingEntity: string;
  /** `auth.016.001.01`: what an authority gave out, or a file that was sent */
  sample: Uint8Array | undefined;
  positions: readonly GivenPosition[];
}

/** What is known of a reconciliation once it is made. */
export interface ReconciliationTotals {
  /** by what they count: `missing`, `sample different` */
  counts: Readonly<Record<string, number>>;
  /** records of the sample */
  records: number;
  /** `BizMsgIdr` of the sample, if it came in an envelope */
  messageId: string | undefined;
}
