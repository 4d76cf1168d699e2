import { invalidParameters, queryError } from '../http/parameters.js';
import type { ReportRequest } from '../reports/report-parameters.js';
import { readRequest } from '../reports/report-request-body.js';
import { defineReport, type Report, type ReportParameter } from '../reports/report.js';
import { REFERENCE_AS_OF, REFERENCE_PARAMETER } from '../reports/with-reference-data.js';
import { EXECUTING_ENTITY_PARAMETER, transactions } from '../transaction-reports/transactions-report.js';

export const REPEAT_REJECTED = 'repeat_rejected';
export const CANCEL_UNDERIVED = 'cancel_underived';
export const CORRECT_DIFFERING = 'correct_differing';

/** A submission is asked for as a report is: by a period, whose executions it reports, and these parameters. */
export const SUBMISSION: Report = defineReport({
  ...transactions,
  name: 'submission',
  parameters: [
    EXECUTING_ENTITY_PARAMETER,
    yesParameter(REPEAT_REJECTED, 'yes sends again what was rejected, though it says the same'),
    yesParameter(CANCEL_UNDERIVED, 'yes cancels what is underived: nothing is to be reported of it by reference data'),
    yesParameter(
      CORRECT_DIFFERING,
      'yes cancels what differs by reference data, so that it is reported anew once that is accepted',
    ),
    REFERENCE_PARAMETER,
  ],
});

function yesParameter(name: string, description: string): ReportParameter {
  return {
    ...{ name, description, example: 'yes', required: false },
    mistake: (value) => (value === 'yes' ? undefined : { rule: 'one-of', rest: 'must be yes, or left out' }),
  };
}

/**
 * What a body asks for. A submission is of all that is known when it is made: of what was known once it would send what
 * has been corrected since. Throws invalid-json, invalid-body, invalid-parameter.
 */
export function readSubmissionRequest(body: unknown): ReportRequest {
  const request = readRequest(SUBMISSION, body);
  const given: Record<string, unknown> = { format: request.format, as_of: request.asOf };
  given[REFERENCE_AS_OF] = request.parameters[REFERENCE_AS_OF];
  const errors = Object.entries(given).flatMap(([name, value]) => {
    if (value === undefined) return [];
    const rest = name === 'format' ? 'is not known here' : 'is not known here: a submission is of all that is known';
    return [queryError(name, 'unknown', rest)];
  });
  if (errors.length > 0) throw invalidParameters(errors);
  return request;
}
