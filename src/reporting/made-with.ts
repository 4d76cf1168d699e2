import { COUNTRIES_VERSION } from '../identifiers/country.js';
import { BUILD } from '../operation/build.js';
import { fieldSetOn } from '../transaction-reports/field-sets.js';
import { schemaSetOn } from '../transaction-reports/schema-sets.js';
import { transactions } from '../transaction-reports/transactions-report.js';

export const SERVICE_BUILD = `truetrail/${BUILD.version}`;

/**
 * Versions of what reports are made by that are sent on a day, by name: the service's build (`service`), the report
 * `transactions` by whose rows they are, the set of fields, the schemas that they were held against (`none` where there
 * were none), rule table with its codes, vocabulary, currencies and countries. Which revision of the reference data counts
 * stands among the parameters of a submission.
 */
export function madeWith(day: string, isHeldAgainstSchemas: boolean): Record<string, string> {
  return {
    service: SERVICE_BUILD,
    transactions: String(transactions.version),
    'field-set': fieldSetOn(day).version,
    'schema-set': (isHeldAgainstSchemas ? schemaSetOn(day)?.version : undefined) ?? 'none',
    ...Object.fromEntries((transactions.tables ?? []).map(({ name, version }) => [name, version])),
    'iso-3166-1': COUNTRIES_VERSION,
  };
}
