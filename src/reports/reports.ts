import { mifid2Trades } from './mifid2-trades.js';
import type { Report } from './report.js';
import { userActivity } from './user-activity.js';

/** All reports there are, in the order in which they are listed. */
export const REPORTS: readonly Report[] = [mifid2Trades, userActivity];
