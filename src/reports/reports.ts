import { Problem } from '../http/problem.js';
import { clockSync } from './clock-sync.js';
import { mifid2Trades } from './mifid2-trades.js';
import { orderRecords } from './order-records.js';
import type { Report } from './report.js';
import { userActivity } from './user-activity.js';
import { vocabularyFindingsReport } from './vocabulary-findings.js';

/** All reports there are, in the order in which they are listed. */
export const REPORTS: readonly Report[] = [
  mifid2Trades,
  userActivity,
  ...orderRecords,
  clockSync,
  vocabularyFindingsReport,
];

/** Throws report-not-found. */
export function findReport(name: string): Report {
  const report = REPORTS.find((each) => each.name === name);
  if (!report) throw new Problem('report-not-found', 'There is no such report; GET .../reports lists them');
  return report;
}
