import type { Finding } from './rules/rts22-rules.js';
import type { LineageEntry, Source, ToMend } from './trace.js';
import type { TransactionReport } from './transaction-report.js';

/** An event of the ledger, by id and sequence. */
export interface EventReference {
  event_id: string;
  sequence: string;
}

/** Which transaction of an execution is told of: the content of the event that holds it, and from where. */
interface OfExecution {
  orderId: string;
  /** of the execution, or of the allocation, as first recorded */
  eventId: string;
  /**
   * counted from 1: the event as first recorded, then what each correction made of it, of itself or of an earlier event of
   * the order from which it takes what it does not state
   */
  version: number;
  /** the event that states this content: the execution itself, or a correction */
  statedBy: EventReference;
  /** event time of `statedBy`, canonical */
  time: string;
  /**
   * the event after which it must be reported: of a new report `statedBy`, or the correction of an earlier event; of a
   * cancellation the correction or `void` that put an end to it
   */
  cause: EventReference;
}

/**
 * A report that is to be sent, or would be if nothing were to be mended. The same event, version and leg have the same
 * transaction reference always. What else a report says is fixed by the events up to its cause, and by the reference data:
 * a correction of these changes it under the same reference.
 */
export interface Draft extends OfExecution {
  is: 'draft';
  /** 0: the market side; 1: the client side of it, or the one transaction with a client; from 2 on: allocations (legs.ts) */
  leg: number;
  /** whether an event says that the firm executed it; otherwise that is taken for granted */
  isFirmStated: boolean;
  report: TransactionReport;
  /** LEIs of all who ever submitted for the firm, by the reference data: who does now is in the report */
  submitters?: readonly string[];
  lineage: readonly LineageEntry[];
  /** values that could not be had; nothing may be sent while there are any */
  toMend: readonly ToMend[];
  /** of rules/, judged on the day on which the cause was recorded */
  findings: readonly Finding[];
}

/** An execution, or one that a correction made of it, that nothing is to be reported of. */
export interface NotReportable extends OfExecution {
  is: 'not-reportable';
  /** a sentence */
  reason: string;
  /** where it stands: `Delegated Regulation (EU) 2017/590, Article 2(5)` */
  rule: string;
  /** whether events alone say so, and no reference data */
  isByEvents: boolean;
  /** what says so */
  sources: readonly Source[];
  /** LEI of who executed it, where that is no investment firm of the reference data at the time: then nobody here reports it */
  ofNoFirm?: string;
  /** LEI of the firm that was asked for */
  executingEntity: string;
  /** LEI of who submits for it */
  submittingEntity: string;
  /** the `void` by which it never happened, or the correction after which it is no transaction; where there is one */
  endedBy?: EventReference;
}

/** That a report may be sent: every value is there, and no rule but hints found anything. */
export function isReady({ toMend, findings }: Pick<Draft, 'toMend' | 'findings'>): boolean {
  return toMend.length === 0 && findings.every(({ severity }) => severity === 'hint');
}

/** Whether a field keeps the report back: its value could not be had, or breaks a rule. */
export function isToBeMended({ toMend, findings }: Pick<Draft, 'toMend' | 'findings'>, field: number): boolean {
  const isBroken = findings.some(({ severity, fields }) => severity !== 'hint' && fields[0] === field);
  return isBroken || toMend.some((each) => each.field === field);
}
