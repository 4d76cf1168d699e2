import { invalidParameters, queryError } from '../http/parameters.js';
import type { ReportRequest } from '../reports/report-parameters.js';
import { readRequest } from '../reports/report-request-body.js';
import { defineReport, type Report } from '../reports/report.js';
import { REFERENCE_PARAMETER } from '../reports/with-reference-data.js';
import { EXECUTING_ENTITY_PARAMETER, transactions } from '../transaction-reports/transactions-report.js';

export const REPEAT_REJECTED = 'repeat_rejected';

/** A submission is asked for as a report is: by a period, whose executions it reports, and these parameters. */
export const SUBMISSION: Report = defineReport({
  ...transactions,
  name: 'submission',
  parameters: [
    EXECUTING_ENTITY_PARAMETER,
    {
      name: REPEAT_REJECTED,
      description: 'yes sends again what was rejected, though it says the same',
      example: 'yes',
      required: false,
      mistake: (value) => (value === 'yes' ? undefined : { rule: 'one-of', rest: 'must be yes, or left out' }),
    },
    REFERENCE_PARAMETER,
  ],
});

/** What a body asks for. Throws invalid-json, invalid-body, invalid-parameter. */
export function readSubmissionRequest(body: unknown): ReportRequest {
  const request = readRequest(SUBMISSION, body);
  if (request.format !== undefined) throw invalidParameters([queryError('format', 'unknown', 'is not known here')]);
  return request;
}
