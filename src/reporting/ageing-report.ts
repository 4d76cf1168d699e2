import { CFI_VERSION } from '../identifiers/cfi.js';
import { COUNTRIES_VERSION } from '../identifiers/country.js';
import { CURRENCIES_VERSION } from '../identifiers/currency.js';
import { invalidParameters, queryError } from '../http/parameters.js';
import { defineReport, type ReportParameter, type ReportRun } from '../reports/report.js';
import { REFERENCE_AS_OF, REFERENCE_PARAMETER } from '../reports/with-reference-data.js';
import { draftsOf } from '../transaction-reports/drafts.js';
import { RTS22 } from '../transaction-reports/rules/rts22-rules.js';
import { toldOf } from '../transaction-reports/told-of-drafts.js';
import { UNSENT } from '../transaction-reports/submission-plan.js';
import { partsOfReference } from '../transaction-reports/transaction-reference.js';
import {
  EXECUTING_ENTITY,
  EXECUTING_ENTITY_PARAMETER,
  onlyInvestmentFirm,
} from '../transaction-reports/transactions-report.js';
import { VOCABULARY_VERSION } from '../vocabulary/order-vocabulary.js';
import { agedOf, AGEING_STATES, STANDINGS, type Aged } from './ageing.js';
import { authorityCalendar } from './authority-calendar.js';
import { byReference, type OfReference } from './draft-groups.js';
import * as sql from './reporting-book.sql.js';
import { AT, REPORTING_AS_OF, STANDING_PARAMETERS, TIME_ZONE } from './reporting-parameters.js';

/** References that are held at once, to be put in their order: some 85 MB. */
const MOST_HELD = 100_000;

export const transactionAgeing = defineReport({
  name: 'transaction-ageing',
  version: 3,
  tables: [
    { name: `${RTS22.regime}-transaction-reports`, version: String(RTS22.version) },
    { name: 'order-vocabulary', version: String(VOCABULARY_VERSION) },
    { name: 'iso-4217', version: CURRENCIES_VERSION },
    { name: 'iso-3166-1', version: COUNTRIES_VERSION },
    { name: 'iso-10962', version: CFI_VERSION },
  ],
  title: 'Ageing of transaction reports',
  question: 'Which transactions of the period are reported, which are not yet, and which are overdue?',
  parameters: [
    EXECUTING_ENTITY_PARAMETER,
    listParameter('timeliness', STANDINGS, 'overdue,due'),
    listParameter('state', AGEING_STATES, 'held,rejected'),
    listParameter('next', ['send', ...UNSENT], 'send,differs'),
    ...STANDING_PARAMETERS,
    REFERENCE_PARAMETER,
  ],
  columns: [
    { name: 'kind', description: 'total in the first rows, then report' },
    {
      name: 'timeliness',
      description: `${STANDINGS.join(', ')}; of a total, of what it counts`,
    },
    { name: 'state', description: `${AGEING_STATES.join(', ')}; of a total empty where it counts all states` },
    {
      name: 'count',
      description: 'of a total: how many references of the period, whatever timeliness and state were asked for',
    },
    {
      name: 'deadline',
      holds: 'time',
      description:
        'the first instant at which the report is late, UTC; empty where nothing is to be reported (any more)',
    },
    {
      name: 'working_days_late',
      description: 'after the day on which it was due: until it was sent, where it was accepted, else until at',
    },
    { name: 'transaction_reference', description: `${RTS22.source}, field 2` },
    { name: 'next', description: 'what the next submission would do: send, or why not' },
    { name: 'to_mend', description: 'what keeps the report back, each with its field; semicolons between' },
    {
      name: 'rules',
      description:
        "ids of the authority's rules by which it was last rejected, or is pending; of several | between them",
    },
    {
      name: 'trading_time',
      holds: 'time',
      description: 'field 28, from which the deadline follows; the time of the event where it is not there',
    },
    { name: 'sent_at', holds: 'time', description: 'when the last new report was sent, UTC' },
    { name: 'message_id', description: 'of the file that the last record is in' },
    { name: 'order_id', description: 'entity_id' },
    { name: 'event_id', description: 'of the execution or allocation as first recorded' },
    { name: 'version', description: 'from 2 on: the report of what was corrected; its deadline is that of the trade' },
    { name: 'leg', description: '0 the market side, 1 a client side, from 2 on allocations' },
  ],
  async *rows(run) {
    const counts = new Map<string, number>();
    const { timeliness, state: stateWanted, next } = run.parameters;
    const [standings, states, nexts] = [timeliness, stateWanted, next].map(listed);
    const held: Listed[] = [];
    for await (const each of agedReferences(run)) {
      const { standing, state } = each.aged;
      for (const key of [standing, `${standing} ${state}`]) counts.set(key, (counts.get(key) ?? 0) + 1);
      if ((standings && !standings.has(standing)) || (states && !states.has(state))) continue;
      if (nexts && !nexts.has(each.aged.next)) continue;
      if (held.length === MOST_HELD) throw tooMany();
      held.push(each);
    }
    for (const standing of STANDINGS) {
      yield { ...NOTHING, kind: 'total', timeliness: standing, count: String(counts.get(standing) ?? 0) };
      for (const state of AGEING_STATES) {
        const count = counts.get(`${standing} ${state}`);
        if (count === undefined) continue;
        yield { ...NOTHING, kind: 'total', timeliness: standing, state, count: String(count) };
      }
    }
    for (const each of held.sort(byUrgency)) yield rowOf(each);
  },
});

/** What is kept of a reference until all are there. */
interface Listed {
  aged: Aged;
  transactionReference: string;
  orderId: string;
  eventId: string;
  toMend: string | null;
  messageId: string | null;
}

async function* agedReferences(run: ReportRun): AsyncGenerator<Listed> {
  const referenceRevision = BigInt(run.parameters[REFERENCE_AS_OF] ?? '0');
  const executingEntity = run.parameters[EXECUTING_ENTITY] ?? (await onlyInvestmentFirm(run, referenceRevision));
  const [at, upToAct] = [run.parameters[AT]!, Number(run.parameters[REPORTING_AS_OF])];
  const read: Parameters<typeof authorityCalendar>[0] = (work) => run.read((client) => work(client));
  const calendar = await authorityCalendar(read, referenceRevision, run.parameters[TIME_ZONE]!);
  const drafts = draftsOf({ ...run, executingEntity, referenceRevision, submittedAt: at });
  const sentOf = (eventIds: readonly string[]) =>
    read((client) => sql.sentOfExecutions(client, { ledger: run.ledger, executingEntity, eventIds }, upToAct));
  for await (const of of byReference(drafts, executingEntity, sentOf)) {
    const aged = agedOf(of, at, calendar);
    if (aged) yield listedOf(of, aged);
  }
}

function listedOf({ transactionReference, orderId, eventId, drafts, sent }: OfReference, aged: Aged): Listed {
  const draft = drafts.at(-1);
  const toMend = draft ? toldOf(draft).toMend : null;
  return { aged, transactionReference, orderId, eventId, toMend, messageId: sent.at(-1)?.messageId ?? null };
}

/** Those without a deadline by the time of the trade. */
function byUrgency(a: Listed, b: Listed): number {
  const of = ({ aged }: Listed): [number, string, number] => [
    STANDINGS.indexOf(aged.standing),
    aged.deadline ?? aged.tradingTime ?? '',
    AGEING_STATES.indexOf(aged.state),
  ];
  const [[standingA, timeA, stateA], [standingB, timeB, stateB]] = [of(a), of(b)];
  const order = standingA - standingB || compareTexts(timeA, timeB) || stateA - stateB;
  return order || compareTexts(a.transactionReference, b.transactionReference);
}

/** By code units, the same everywhere. */
function compareTexts(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

function rowOf({ aged, transactionReference, orderId, eventId, toMend, messageId }: Listed) {
  const { version, leg } = partsOfReference(transactionReference);
  return {
    ...{ kind: 'report', timeliness: aged.standing, state: aged.state, count: null, deadline: aged.deadline },
    working_days_late: aged.workingDaysLate === null ? null : String(aged.workingDaysLate),
    ...{ transaction_reference: transactionReference, next: aged.next, to_mend: toMend },
    rules: aged.rules.length === 0 ? null : [...new Set(aged.rules)].join('|'),
    ...{ trading_time: aged.tradingTime, sent_at: aged.sentAt, message_id: messageId },
    ...{ order_id: orderId, event_id: eventId, version: String(version), leg: String(leg) },
  };
}

const NOTHING = Object.freeze({
  ...{ state: null, deadline: null, working_days_late: null, transaction_reference: null, next: null, to_mend: null },
  ...{ rules: null, trading_time: null, sent_at: null, message_id: null, order_id: null, event_id: null },
  ...{ version: null, leg: null },
});

function tooMany(): Error {
  const rest = `leaves more than ${MOST_HELD} references to be listed: ask for a shorter period, or by timeliness, state or next`;
  return invalidParameters([queryError('timeliness', 'too-many', rest)]);
}

function listParameter(name: string, values: readonly string[], example: string): ReportParameter {
  return {
    name,
    description: `References of these alone, with commas between: ${values.join(', ')}`,
    example,
    required: false,
    mistake: (value) =>
      value.split(',').every((each) => values.includes(each))
        ? undefined
        : { rule: 'one-of', rest: `must be of ${values.join(', ')}, with commas between` },
  };
}

function listed(value: string | undefined): ReadonlySet<string> | undefined {
  return value === undefined ? undefined : new Set(value.split(','));
}
