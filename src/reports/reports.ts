import { Problem } from '../http/problem.js';
import { clockSync } from './clock-sync.js';
import { completeness } from './completeness.js';
import { lifecycleExceptions } from './lifecycle-exceptions.js';
import { mifid2Trades } from './mifid2-trades.js';
import { orderRecords } from './order-records.js';
import { orderReconstruction } from './order-reconstruction.js';
import { replay } from './replay.js';
import type { Report } from './report.js';
import { userActivity } from './user-activity.js';
import { vocabularyFindingsReport } from './vocabulary-findings.js';

/** All reports there are, in the order in which they are listed. */
export const REPORTS: readonly Report[] = [
  mifid2Trades,
  userActivity,
  orderReconstruction,
  replay,
  ...orderRecords,
  lifecycleExceptions,
  completeness,
  clockSync,
  vocabularyFindingsReport,
];

/** Throws report-not-found. */
export function findReport(name: string): Report {
  const report = REPORTS.find((each) => each.name === name);
  if (!report) throw new Problem('report-not-found', 'There is no such report; GET .../reports lists them');
  return report;
}
