import { isServiceLedger, SERVICE_LEDGER } from '../events/ledgers.js';
import { Problem } from '../http/problem.js';
import { accessLog } from './access-log.js';
import { activity } from './activity.js';
import { aggregationAllocation } from './aggregation-allocation.js';
import { clockSync } from './clock-sync.js';
import { completeness } from './completeness.js';
import { dropCopyReconciliation } from './drop-copy-reconciliation.js';
import { lifecycleExceptions } from './lifecycle-exceptions.js';
import { mifid2Trades } from './mifid2-trades.js';
import { openOrders } from './open-orders.js';
import { orderRecords } from './order-records.js';
import { orderReconstruction } from './order-reconstruction.js';
import { replay } from './replay.js';
import type { AnyReport } from './report.js';
import { userActivity } from './user-activity.js';
import { vocabularyFindingsReport } from './vocabulary-findings.js';
import { transactionAgeing } from '../reporting/ageing-report.js';
import { transactions } from '../transaction-reports/transactions-report.js';

/** All reports there are, in the order in which they are listed. */
export const REPORTS: readonly AnyReport[] = [
  mifid2Trades,
  userActivity,
  orderReconstruction,
  replay,
  openOrders,
  aggregationAllocation,
  activity,
  dropCopyReconciliation,
  orderRecords,
  transactions,
  transactionAgeing,
  lifecycleExceptions,
  completeness,
  clockSync,
  vocabularyFindingsReport,
  accessLog,
];

/** A report of a ledger, by its name. Throws report-not-found. */
export function findReport(ledger: string, name: string): AnyReport {
  const report = REPORTS.find((each) => each.name === name);
  if (!report) throw new Problem('report-not-found', 'There is no such report; GET .../reports lists them');
  if (report.isOfServiceLedger && !isServiceLedger(ledger)) {
    const detail = `${name} is a report of the ledger ${SERVICE_LEDGER}, which tells of all ledgers: ask for it there`;
    throw new Problem('report-not-found', detail);
  }
  return report;
}
