import { CFI_VERSION } from '../identifiers/cfi.js';
import { COUNTRIES_VERSION } from '../identifiers/country.js';
import { CURRENCIES_VERSION } from '../identifiers/currency.js';
import { invalidParameters, queryError } from '../http/parameters.js';
import { defineReport, type ReportParameter, type ReportRun } from '../reports/report.js';
import { REFERENCE_AS_OF, REFERENCE_PARAMETER } from '../reports/with-reference-data.js';
import type { NotReportable } from '../transaction-reports/draft.js';
import { draftsOfFirms, type DraftsOfFirms } from '../transaction-reports/drafts.js';
import { RTS22 } from '../transaction-reports/rules/rts22-rules.js';
import { toldOf } from '../transaction-reports/told-of-drafts.js';
import { UNSENT } from '../transaction-reports/submission-plan.js';
import { partsOfReference } from '../transaction-reports/transaction-reference.js';
import {
  EXECUTING_ENTITY,
  EXECUTING_ENTITY_PARAMETER,
  investmentFirms,
} from '../transaction-reports/transactions-report.js';
import { VOCABULARY_VERSION } from '../vocabulary/order-vocabulary.js';
import { agedOf, AGEING_STATES, LISTED_STANDINGS, NO_FIRM, STANDINGS, type Aged } from './ageing.js';
import { AuthorityCalendars } from './authority-calendar.js';
import { byReferenceOfFirms, type OfReference } from './draft-groups.js';
import * as sql from './reporting-book.sql.js';
import { AT, REPORTING_AS_OF, STANDING_PARAMETERS } from './reporting-parameters.js';

/** References that are held at once, to be put in their order: some 85 MB. */
const MOST_HELD = 100_000;

export const transactionAgeing = defineReport({
  name: 'transaction-ageing',
  version: 6,
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
    {
      ...EXECUTING_ENTITY_PARAMETER,
      description:
        'LEI of the firm whose reports they are. Without it those of every legal entity of the reference data that is or ever was an investment firm, and of every firm for which there was a submission of the ledger',
    },
    listParameter('timeliness', LISTED_STANDINGS, 'overdue,due'),
    listParameter('state', AGEING_STATES, 'held,rejected'),
    listParameter('next', ['send', ...UNSENT], 'send,differs'),
    ...STANDING_PARAMETERS,
    REFERENCE_PARAMETER,
  ],
  columns: [
    { name: 'kind', description: 'total in the first rows, then report' },
    {
      name: 'timeliness',
      description: `${LISTED_STANDINGS.join(', ')}; of a total, of what it counts`,
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
    {
      name: 'to_mend',
      description: `what keeps the report back, each with its field; semicolons between. Of ${NO_FIRM} why no firm reports it`,
    },
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
    {
      name: 'executing_entity',
      description: `LEI of the firm whose report it is, or that the total is of; of ${NO_FIRM} who executed it, empty in the total of all`,
    },
  ],
  async *rows(run) {
    const list = new AgeingList(run.parameters);
    const by = await ageingBy(run);
    await listFirms(run, by, list);
    for (const firm of by.firms) {
      for (const standing of STANDINGS) {
        yield totalOf(standing, list.count(firm, standing), firm);
        for (const state of AGEING_STATES) {
          const count = list.count(firm, standing, state);
          if (count > 0) yield { ...totalOf(standing, count, firm), state };
        }
      }
    }
    const others = list.ofNoFirm();
    yield totalOf(
      NO_FIRM,
      others.reduce((sum, [, count]) => sum + count, 0),
      null,
    );
    for (const [lei, count] of others) yield totalOf(NO_FIRM, count, lei);
    for (const each of list.inOrder()) yield rowOf(each);
  },
});

/** What is kept of a reference until all are there. */
interface Listed {
  executingEntity: string;
  /** of an execution that no firm reports this is all */
  aged: Pick<Aged, 'tradingTime'> & Partial<Aged>;
  transactionReference: string | null;
  orderId: string;
  eventId: string;
  toMend: string | null;
  messageId: string | null;
}

/** What is asked for, as it comes in, and how many there are of all. */
class AgeingList {
  private readonly held: Listed[] = [];
  private readonly counts = new Map<string, number>();
  private readonly outsiders = new Map<string, number>();
  private readonly wanted: Readonly<Record<'timeliness' | 'state' | 'next', ReadonlySet<string> | undefined>>;

  constructor(parameters: ReportRun['parameters']) {
    const [timeliness, state, next] = [parameters.timeliness, parameters.state, parameters.next].map(listed);
    this.wanted = { timeliness, state, next };
  }

  /** Throws invalid-parameter where more are asked for than can be listed. */
  add(each: Listed): void {
    const { executingEntity } = each;
    const { standing, state, next } = each.aged;
    if (standing === undefined) countIn(this.outsiders, executingEntity);
    else
      for (const key of [`${executingEntity} ${standing}`, `${executingEntity} ${standing} ${state}`])
        countIn(this.counts, key);
    if (this.outsiders.size > MOST_HELD) throw tooMany();
    const { wanted } = this;
    if (wanted.timeliness && !wanted.timeliness.has(standing ?? NO_FIRM)) return;
    if ((wanted.state && !wanted.state.has(state ?? '')) || (wanted.next && !wanted.next.has(next ?? ''))) return;
    if (this.held.length === MOST_HELD) throw tooMany();
    this.held.push(each);
  }

  count(firm: string, standing: string, state?: string): number {
    return this.counts.get(state === undefined ? `${firm} ${standing}` : `${firm} ${standing} ${state}`) ?? 0;
  }

  /** Who executed what no firm reports, and how much. */
  ofNoFirm(): [lei: string, count: number][] {
    return [...this.outsiders].sort(([a], [b]) => compareTexts(a, b));
  }

  inOrder(): readonly Listed[] {
    return this.held.sort(byUrgency);
  }
}

function countIn(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** By what a run looks at every firm's executions. */
interface AgeingBy {
  firms: readonly string[];
  calendars: AuthorityCalendars;
  referenceRevision: bigint;
  upToAct: number;
}

async function ageingBy(run: ReportRun): Promise<AgeingBy> {
  const referenceRevision = BigInt(run.parameters[REFERENCE_AS_OF] ?? '0');
  const upToAct = Number(run.parameters[REPORTING_AS_OF]);
  const given = run.parameters[EXECUTING_ENTITY];
  const firms = given === undefined ? await allFirms(run, referenceRevision, upToAct) : [given];
  const calendars = await AuthorityCalendars.read(run, firms);
  return { firms, calendars, referenceRevision, upToAct };
}

/** Throws invalid-parameter where there is none. */
async function allFirms(run: ReportRun, referenceRevision: bigint, upToAct: number): Promise<string[]> {
  const submitted = await run.read((client) => sql.submittedFirms(client, run.ledger, upToAct));
  const firms = [...new Set([...(await investmentFirms(run, referenceRevision)), ...submitted])].sort(compareTexts);
  if (firms.length > 0) return firms;
  const rest = 'is required: of the legal entities of the reference data none are investment firms';
  throw invalidParameters([queryError(EXECUTING_ENTITY, 'required', rest)]);
}

/** Goes through the events of the period once, however many firms there are. */
async function listFirms(run: ReportRun, by: AgeingBy, list: AgeingList): Promise<void> {
  const { firms, calendars, referenceRevision, upToAct } = by;
  const at = run.parameters[AT]!;
  const drafts = draftsOfFirms({ ...run, referenceRevision, submittedAt: at }, firms);
  const sentOf = (eventIds: readonly string[]) =>
    run.read((client) => sql.sentOfExecutions(client, { ledger: run.ledger, firms, eventIds }, upToAct));
  // every firm finds the same ones: one that is listed itself has them as its own
  const addOfNoFirm = ([ofFirst]: DraftsOfFirms): void => {
    const last = ofFirst?.at(-1);
    if (last?.is !== 'not-reportable' || last.ofNoFirm === undefined || last.endedBy) return;
    if (!firms.includes(last.ofNoFirm)) list.add(listedOfNoFirm(last, last.ofNoFirm));
  };
  for await (const of of byReferenceOfFirms(eachTold(drafts, addOfNoFirm), firms, sentOf)) {
    const { executingEntity } = of;
    if (isForAnotherFirm(of, executingEntity, by)) continue;
    const aged = agedOf(of, at, (time) => calendars.of(executingEntity, time));
    if (aged) list.add(listedOf(of, executingEntity, aged));
  }
}

/**
 * Whether a report would be the firm's for want of a statement alone, while it was no investment firm, and another one of
 * those that are listed was.
 */
function isForAnotherFirm({ drafts, sent }: OfReference, firm: string, { firms, calendars }: AgeingBy): boolean {
  const draft = drafts.at(-1);
  if (firms.length === 1 || sent.length > 0 || !draft || draft.isFirmStated) return false;
  const time = (draft.report.status === 'NEWT' ? draft.report.tradingTime : undefined) ?? draft.time;
  return !calendars.isFirmAt(firm, time) && firms.some((other) => calendars.isFirmAt(other, time));
}

/** The same, each told of before it is handed on. */
async function* eachTold<T>(all: AsyncIterable<T>, tell: (each: T) => void): AsyncGenerator<T> {
  for await (const each of all) {
    tell(each);
    yield each;
  }
}

function listedOfNoFirm({ orderId, eventId, time, reason }: NotReportable, executingEntity: string): Listed {
  const aged = { tradingTime: time };
  return { executingEntity, aged, transactionReference: null, orderId, eventId, toMend: reason, messageId: null };
}

function listedOf(of: OfReference, executingEntity: string, aged: Aged): Listed {
  const { transactionReference, orderId, eventId, drafts, sent } = of;
  const draft = drafts.at(-1);
  const toMend = draft ? toldOf(draft).toMend : null;
  const messageId = sent.at(-1)?.messageId ?? null;
  return { executingEntity, aged, transactionReference, orderId, eventId, toMend, messageId };
}

/** Those without a deadline by the time of the trade. */
function byUrgency(a: Listed, b: Listed): number {
  const of = ({ aged }: Listed): [number, string, number] => [
    LISTED_STANDINGS.indexOf(aged.standing ?? NO_FIRM),
    aged.deadline ?? aged.tradingTime ?? '',
    aged.state === undefined ? 0 : AGEING_STATES.indexOf(aged.state),
  ];
  const [[standingA, timeA, stateA], [standingB, timeB, stateB]] = [of(a), of(b)];
  const order = standingA - standingB || compareTexts(timeA, timeB) || stateA - stateB;
  return order || compareTexts(nameOf(a), nameOf(b)) || compareTexts(a.executingEntity, b.executingEntity);
}

function nameOf({ transactionReference, eventId }: Listed): string {
  return transactionReference ?? eventId;
}

/** By code units, the same everywhere. */
function compareTexts(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

function rowOf({ executingEntity, aged, transactionReference, orderId, eventId, toMend, messageId }: Listed) {
  const { version, leg } = transactionReference === null ? {} : partsOfReference(transactionReference);
  const { standing = NO_FIRM, state = null, deadline = null, workingDaysLate, next = null, rules = [] } = aged;
  return {
    ...{ kind: 'report', timeliness: standing, state, count: null, deadline },
    working_days_late: textOf(workingDaysLate),
    ...{ transaction_reference: transactionReference, next, to_mend: toMend },
    rules: rules.length === 0 ? null : [...new Set(rules)].join('|'),
    ...{ trading_time: aged.tradingTime, sent_at: aged.sentAt ?? null, message_id: messageId },
    ...{ order_id: orderId, event_id: eventId, version: textOf(version), leg: textOf(leg) },
    executing_entity: executingEntity,
  };
}

function textOf(number: number | null | undefined): string | null {
  return number === null || number === undefined ? null : String(number);
}

function totalOf(standing: string, count: number, executingEntity: string | null) {
  return {
    ...{ ...NOTHING, kind: 'total', timeliness: standing, count: String(count), executing_entity: executingEntity },
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
