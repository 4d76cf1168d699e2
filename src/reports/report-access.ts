import { mayUseLedger, type Principal } from '../access/principal.js';
import { REPORTING_LEDGER } from '../events/ledgers.js';
import { Problem } from '../http/problem.js';
import { REPORTING_AS_OF } from '../reporting/reporting-parameters.js';
import type { ReportRequest } from './report-parameters.js';

/**
 * A request as far as the caller may see what it asks for. Of a report that shows events of the ledger `_reporting` these
 * are left out for whoever may not use that ledger: it is asked for with `reporting_as_of` 0, and the manifest says why.
 * Throws ledger-not-found where such a caller asks for an act.
 */
export function asMayBeSeen(request: ReportRequest, caller: Principal): ReportRequest {
  const { report, parameters } = request;
  if (!report.showsReportingLedger || mayUseLedger(caller, REPORTING_LEDGER)) return request;
  const asked = parameters[REPORTING_AS_OF];
  if (asked !== undefined && asked !== '0') {
    throw new Problem(
      'ledger-not-found',
      `${REPORTING_AS_OF} asks for the ledger ${REPORTING_LEDGER}: there is no such ledger, or these credentials are not for it`,
    );
  }
  const told = {
    name: 'transaction-reporting',
    version: `left out: credentials not for the ledger ${REPORTING_LEDGER}`,
  };
  return {
    ...request,
    report: { ...report, tables: [...(report.tables ?? []), told] },
    parameters: { ...parameters, [REPORTING_AS_OF]: '0' },
  };
}
