import type { ReportRun } from '../reports/report.js';
import type { Draft, NotReportable } from './draft.js';

/** What reports are derived from. */
export interface DraftRun extends Pick<
  ReportRun,
  'ledger' | 'asOf' | 'period' | 'deleted' | 'parameters' | 'read' | 'archive'
> {
  /** LEI of the firm whose reports they are; undefined: the only investment firm of the reference data, or as events say */
  executingEntity: string | undefined;
  /** up to which changes of reference data count */
  referenceRevision: bigint;
}

/**
 * The reports of all executions and allocations that have an event in the period: by order, along the order's life, each
 * with all versions that it had, of these by leg. The same run gives the same ones. Throws DamagedRowError.
 */
export declare function draftsOf(run: DraftRun): AsyncGenerator<Draft | NotReportable>;
