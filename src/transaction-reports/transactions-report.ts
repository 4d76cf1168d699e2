import { isLei } from '../identifiers/lei.js';
import { CFI_VERSION } from '../identifiers/cfi.js';
import { COUNTRIES_VERSION } from '../identifiers/country.js';
import { CURRENCIES_VERSION } from '../identifiers/currency.js';
import { invalidParameters, queryError } from '../http/parameters.js';
import { formatMicros } from '../integrity/timestamp.js';
import { ReferenceTimelines } from '../reference-data/reference-timelines.js';
import { CLOCK_RULES_VERSION } from '../reports/clock-rules.js';
import { recordedAtOfHead } from '../reports/recorded-at.js';
import { defineReport, type ReportParameter, type ReportRun, type Row } from '../reports/report.js';
import { REFERENCE_AS_OF, REFERENCE_PARAMETER } from '../reports/with-reference-data.js';
import { VOCABULARY_VERSION } from '../vocabulary/order-vocabulary.js';
import { isReady, type Draft, type NotReportable } from './draft.js';
import { toldOf } from './told-of-drafts.js';
import { draftsOf } from './drafts.js';
import { fieldSetOn, fieldsOfAll, nameOf, type FieldSet } from './field-sets.js';
import { textOf } from './fields.js';
import { RTS22 } from './rules/rts22-rules.js';

export const EXECUTING_ENTITY = 'executing_entity';

export const EXECUTING_ENTITY_PARAMETER: ReportParameter = {
  name: EXECUTING_ENTITY,
  description:
    'LEI of the firm whose reports they are; may be left out where one legal entity of the reference data alone is an investment firm',
  example: '529900G3SW56SHYNPR95',
  required: false,
  mistake: (value) =>
    isLei(value) ? undefined : { rule: 'lei', rest: 'must be an LEI with right check digits (ISO 17442)' },
};

export const transactions = defineReport<string>({
  name: 'transactions',
  version: 8,
  tables: [
    { name: `${RTS22.regime}-transaction-reports`, version: String(RTS22.version) },
    { name: 'order-vocabulary', version: String(VOCABULARY_VERSION) },
    { name: 'iso-4217', version: CURRENCIES_VERSION },
    { name: 'iso-3166-1', version: COUNTRIES_VERSION },
    { name: 'iso-10962', version: CFI_VERSION },
    { name: 'clock-rules', version: String(CLOCK_RULES_VERSION) },
  ],
  title: 'Transactions (RTS 22)',
  question: 'What is to be reported of the executions in the period, field by field, and what keeps a report back?',
  parameters: [
    EXECUTING_ENTITY_PARAMETER,
    {
      name: 'lineage',
      description: 'yes fills the column lineage',
      example: 'yes',
      required: false,
      mistake: (value) => (value === 'yes' ? undefined : { rule: 'one-of', rest: 'must be yes, or left out' }),
    },
    REFERENCE_PARAMETER,
  ],
  columns: [
    { name: 'status', description: 'reportable, held (something is to be mended first) or not_reportable' },
    { name: 'reason', description: 'why nothing is to be reported' },
    { name: 'reason_rule', description: 'where that stands' },
    { name: 'to_mend', description: 'what keeps the report back, each with its field; semicolons between' },
    { name: 'hints', description: 'what may be wrong, and keeps nothing back' },
    ...fieldsOfAll().map((field) => ({
      name: nameOf(field),
      description: `${field.title} (${RTS22.source}, field ${field.number}); of several | between them`,
    })),
    { name: 'order_id', description: 'entity_id' },
    { name: 'event_id', description: 'of the execution or allocation as first recorded' },
    {
      name: 'version',
      description: 'counted from 1; corrections of it, or of what it takes from earlier events, make the next ones',
    },
    { name: 'leg', description: '0 the market side, 1 a client side, from 2 on allocations' },
    { name: 'time', holds: 'time', description: 'event time of the version, UTC, as fine as declared' },
    { name: 'stated_by', description: 'the event that states the version: itself, or the correction' },
    {
      name: 'cause',
      description: 'the event after which this is so: itself, a correction of it or of an earlier event, or a void',
    },
    { name: 'cause_sequence', description: 'its position in the ledger' },
    {
      name: 'lineage',
      description:
        'with lineage=yes: of each field the rule that made it, the list of codes, and what it was made of: events, entries of the reference data with their revision, parameters, or the default where nothing is said; of what is not reported the rule of the reason and what says so; JSON',
    },
  ],
  async *rows(run) {
    const revision = BigInt(run.parameters[REFERENCE_AS_OF] ?? '0');
    const executingEntity = run.parameters[EXECUTING_ENTITY] ?? (await onlyInvestmentFirm(run, revision));
    // as if they were submitted when the last of these events was recorded
    const submittedAt = formatMicros(await recordedAtOfHead(run));
    const hasLineage = run.parameters.lineage === 'yes';
    const set = fieldSetOn(submittedAt.slice(0, 10));
    for await (const each of draftsOf({ ...run, executingEntity, referenceRevision: revision, submittedAt })) {
      yield each.is === 'draft' ? rowOfDraft(each, set, hasLineage) : rowOfNone(each, hasLineage);
    }
  },
});

/** LEIs of all legal entities of the reference data that ever were investment firms. */
export function investmentFirms(run: Pick<ReportRun, 'read'>, revision: bigint): Promise<readonly string[]> {
  const timelines = new ReferenceTimelines((work) => run.read((client) => work(client)), revision);
  return timelines.idsHaving('legal-entity', { investment_firm: 'yes' });
}

/**
 * The one legal entity of the reference data that is an investment firm. Throws invalid-parameter where there is none, or
 * several.
 */
export async function onlyInvestmentFirm(run: Pick<ReportRun, 'read'>, revision: bigint): Promise<string> {
  const [firm, ...others] = await investmentFirms(run, revision);
  if (firm !== undefined && others.length === 0) return firm;
  const rest = `is required: of the legal entities of the reference data ${firm === undefined ? 'none' : 'several'} are investment firms`;
  throw invalidParameters([queryError(EXECUTING_ENTITY, 'required', rest)]);
}

function rowOfDraft(draft: Draft, { fields }: FieldSet, hasLineage: boolean): Row {
  const { report, lineage, leg } = draft;
  const { toMend, hints } = toldOf(draft);
  return {
    ...NOTHING,
    ...placed(draft),
    status: isReady(draft) ? 'reportable' : 'held',
    to_mend: toMend,
    hints,
    ...Object.fromEntries(fields.map((field) => [nameOf(field), textOf(field, report) ?? null])),
    leg: String(leg),
    lineage: hasLineage ? JSON.stringify(lineage) : null,
  };
}

function rowOfNone(none: NotReportable, hasLineage: boolean): Row {
  const { reason, rule, sources } = none;
  const lineage = hasLineage ? JSON.stringify([{ rule, sources }]) : null;
  return { ...NOTHING, ...placed(none), status: 'not_reportable', reason, reason_rule: rule, lineage };
}

function placed({ orderId, eventId, version, time, statedBy, cause }: Draft | NotReportable): Row {
  return {
    ...{ order_id: orderId, event_id: eventId, version: String(version), time },
    ...{ stated_by: statedBy.event_id, cause: cause.event_id, cause_sequence: cause.sequence },
  };
}

const NOTHING: Row = Object.freeze({
  ...{ reason: null, reason_rule: null, to_mend: null, hints: null, leg: null },
  ...Object.fromEntries(fieldsOfAll().map((field) => [nameOf(field), null])),
  lineage: null,
});
