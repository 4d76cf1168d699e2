import { CFI_VERSION } from '../identifiers/cfi.js';
import { COUNTRIES_VERSION } from '../identifiers/country.js';
import { CURRENCIES_VERSION } from '../identifiers/currency.js';
import type { Report, ReportParameter } from '../reports/report.js';
import { REFERENCE_PARAMETER } from '../reports/with-reference-data.js';
import { RTS22 } from '../transaction-reports/rules/rts22-rules.js';
import { EXECUTING_ENTITY_PARAMETER } from '../transaction-reports/transactions-report.js';
import { VOCABULARY_VERSION } from '../vocabulary/order-vocabulary.js';
import { AGEING_STATES, STANDINGS } from './ageing.js';
import { STANDING_PARAMETERS } from './reporting-parameters.js';

/** What comes of the reports that events give now against those that were sent. */
export const RESULTS = [
  ...(['same', 'unanswered', 'missing', 'different', 'extra', 'contradicted', 'other-entity', 'other-ledger'] as const),
];
/** The same against a file. */
export const SAMPLE_RESULTS = ['same', 'missing', 'different', 'extra', 'other-entity'] as const;

export const SAMPLE_IS = 'sample_is';
export const LIST = 'list';

/** A reconciliation is asked for as a report is, and its answer is one; its rows are made in reconciliation-rows.ts. */
export const RECONCILIATION: Omit<Report, 'rows'> = {
  name: 'transaction-reconciliation',
  version: 7,
  tables: [
    { name: `${RTS22.regime}-transaction-reports`, version: String(RTS22.version) },
    { name: 'order-vocabulary', version: String(VOCABULARY_VERSION) },
    { name: 'iso-4217', version: CURRENCIES_VERSION },
    { name: 'iso-3166-1', version: COUNTRIES_VERSION },
    { name: 'iso-10962', version: CFI_VERSION },
  ],
  title: 'Reconciliation of transaction reports',
  question: 'Does the authority have what the records of the front office give, complete, in time and field by field?',
  parameters: [
    EXECUTING_ENTITY_PARAMETER,
    choice(
      SAMPLE_IS,
      ['whole', 'part'],
      'part: the file need not have all references of the period, so that none is missing in it',
    ),
    choice(LIST, ['all', 'differences'], 'differences: only references and positions that a person should look at'),
    ...STANDING_PARAMETERS,
    REFERENCE_PARAMETER,
  ],
  columns: [
    { name: 'kind', description: 'reference, then position, then total' },
    { name: 'transaction_reference', description: `${RTS22.source}, field 2` },
    {
      name: 'result',
      description: `against what was sent and answered: ${RESULTS.join(', ')}; of a position same or different`,
    },
    { name: 'state', description: `${AGEING_STATES.join(', ')}` },
    { name: 'timeliness', description: STANDINGS.join(', ') },
    { name: 'working_days_late', description: 'as in the report transaction-ageing' },
    { name: 'differing', description: 'numbers of fields that are another in what was sent, blanks between' },
    {
      name: 'differences',
      description: 'the same with both values: ours as events give it now, theirs as it was sent; JSON',
    },
    { name: 'sample', description: `against the file: ${SAMPLE_RESULTS.join(', ')}` },
    { name: 'sample_differing', description: 'numbers of fields that are another in the file' },
    { name: 'sample_differences', description: 'the same with both values; JSON' },
    { name: 'to_mend', description: 'what keeps the report back, each with its field; semicolons between' },
    {
      name: 'trading_time',
      holds: 'time',
      description: 'field 28; of what nothing derives, as it was sent or as the file has it',
    },
    { name: 'sent_at', holds: 'time', description: 'when the last new report was sent, UTC' },
    { name: 'message_id', description: 'of the file that the last record that was sent is in' },
    { name: 'order_id', description: 'entity_id' },
    { name: 'event_id', description: 'of the execution or allocation as first recorded' },
    { name: 'party', description: 'of a position: as fields 7 and 16 have it' },
    { name: 'instrument', description: 'of a position: field 41, else field 42' },
    { name: 'quantity_in', description: 'of a position: units, or nominal or monetary with the currency' },
    { name: 'derived', description: 'of a position: bought minus sold, as events give it' },
    { name: 'accepted', description: 'the same of reports that the authority accepted, as they were sent' },
    { name: 'in_sample', description: 'the same of the file' },
    { name: 'given', description: 'the same as it was given with the request' },
    { name: 'total_of', description: 'of a total: of what' },
    { name: 'count', description: 'of a total: how many' },
  ],
};

function choice(name: string, values: readonly [string, string], description: string): ReportParameter {
  return {
    ...{ name, description: `${values.join(' (the default) or ')}. ${description}`, example: values[1] },
    required: false,
    mistake: (value) =>
      values.includes(value) ? undefined : { rule: 'one-of', rest: `must be ${values.join(' or ')}` },
  };
}
