import type pg from 'pg';
import { invalidParameters, queryError } from '../http/parameters.js';
import { compare, parseDecimal } from '../reports/decimal.js';
import { grouped } from '../reports/grouped.js';
import type { ReportRun, Row } from '../reports/report.js';
import { REFERENCE_AS_OF } from '../reports/with-reference-data.js';
import { draftsOf } from '../transaction-reports/drafts.js';
import { fieldSetOn } from '../transaction-reports/field-sets.js';
import {
  PositionSums,
  positionChangesOf,
  positionName,
  type PositionKey,
} from '../transaction-reports/position-changes.js';
import {
  differencesOf,
  recordOfReport,
  type FieldDifference,
  type RecordsToMeet,
} from '../transaction-reports/reconciliation.js';
import type { ReportRecord } from '../transaction-reports/report-records.js';
import { stateOf } from '../transaction-reports/submissions.js';
import { toldOf } from '../transaction-reports/told-of-drafts.js';
import type { NewReport } from '../transaction-reports/transaction-report.js';
import type { ReportingCalendar } from '../transaction-reports/reporting-calendar.js';
import { agedOf, stateBeforeCancelling, type Aged } from './ageing.js';
import { AuthorityCalendars } from './authority-calendar.js';
import { ContentsAsSent } from './contents-as-sent.js';
import { byReference, type OfReference } from './draft-groups.js';
import type { GivenPosition } from './reconciliation-read.js';
import { LIST, RECONCILIATION, RESULTS, SAMPLE_IS, SAMPLE_RESULTS } from './reconciliation-report.js';
import * as sql from './reporting-book.sql.js';
import type { SentRecord } from './reporting-book.sql.js';
import { AT, REPORTING_AS_OF } from './reporting-parameters.js';
import type { SentFiles } from './sent-files.js';

/** Positions that are held at once: some 70 MB. */
const MOST_POSITIONS = 100_000;
/** References of the file that nothing derives, looked up at once. */
const LOOKED_UP_AT_ONCE = 500;
const EXECUTING_ENTITY = { field: 4, name: 'executing_entity', path: 'New/ExctgPty' } as const;
/** Of a record of the file that is of another firm. */
const OTHER_ENTITY = 'other-entity';
/** field 6 */
const SUBMITTING_ENTITY = 'New/SubmitgPty';
const LATE = ['late', 'overdue'] as const;
/** What a submission would leave to others. */
const OF_OTHERS = ['other-entity', 'other-ledger'] as const;

/** What reports are reconciled with, besides what was sent and answered. */
export interface ReconciledWith {
  executingEntity: string;
  sample: RecordsToMeet | undefined;
  positions: readonly GivenPosition[];
  files: SentFiles;
}

/** Whose sums of positions are compared. */
type PositionSide = 'derived' | 'accepted' | 'sample';
type Result = (typeof RESULTS)[number];
type SampleResult = (typeof SAMPLE_RESULTS)[number];
type Read = <T>(work: (client: pg.ClientBase) => Promise<T>) => Promise<T>;

/** What was found of a reference. */
interface Found {
  aged?: Aged | undefined;
  result?: Result | undefined;
  differences?: readonly FieldDifference[] | undefined;
  sample?: SampleResult | undefined;
  sampleDifferences?: readonly FieldDifference[] | undefined;
}

/**
 * A reconciliation, Delegated Regulation (EU) 2017/590, Article 15(3) and (5): what events give now against what was sent
 * and answered, and against a file; and by positions. Rows as RECONCILIATION has them: references as they are derived,
 * those that the file alone has, positions, totals.
 */
export class Reconciliation {
  /** by what they count, as the totals name it */
  readonly counts: Record<string, number>;
  private readonly sums = new PositionSums<PositionSide>();
  private readonly isListingAll: boolean;
  private readonly isWholeSample: boolean;
  private readonly upToAct: number;
  private readonly read: Read;

  constructor(
    private readonly run: ReportRun,
    private readonly by: ReconciledWith,
  ) {
    this.isListingAll = run.parameters[LIST] !== 'differences';
    this.isWholeSample = run.parameters[SAMPLE_IS] !== 'part';
    this.upToAct = Number(run.parameters[REPORTING_AS_OF]);
    this.read = (work) => run.read((client) => work(client));
    const named = [
      ...[...RESULTS, ...LATE, 'not compared'],
      ...(by.sample ? SAMPLE_RESULTS.map((result) => `sample ${result}`) : []),
      ...['positions same', 'positions different'],
    ];
    this.counts = Object.fromEntries(named.map((name) => [name, 0]));
  }

  async *rows(): AsyncGenerator<Row> {
    yield* this.derivedReferences();
    yield* this.referencesOfSampleAlone();
    yield* this.positions();
    for (const [of, count] of Object.entries(this.counts)) {
      yield { ...NOTHING, kind: 'total', total_of: of, count: String(count) };
    }
  }

  private async *derivedReferences(): AsyncGenerator<Row> {
    const { run, by } = this;
    const { executingEntity } = by;
    const referenceRevision = BigInt(run.parameters[REFERENCE_AS_OF] ?? '0');
    const calendars = await AuthorityCalendars.read(run, [executingEntity]);
    const calendarAt = (time: string): ReportingCalendar => calendars.of(executingEntity, time);
    const draftRun = { ...run, executingEntity, referenceRevision, submittedAt: run.parameters[AT]! };
    const asSent = new ContentsAsSent(this.by.files);
    const sentOf = (eventIds: readonly string[]) =>
      this.read((client) =>
        sql.sentOfExecutions(client, { ledger: run.ledger, firms: [executingEntity], eventIds }, this.upToAct),
      );
    for await (const of of byReference(draftsOf(draftRun), executingEntity, sentOf)) {
      const found = await this.found(of, agedOf(of, run.parameters[AT]!, calendarAt), asSent);
      if (!found) continue;
      this.count(found);
      if (this.isListed(found)) yield rowOf(of, found);
    }
    this.counts['not compared'] = asSent.notFound;
  }

  /** Undefined where neither side has anything. */
  private async found(of: OfReference, aged: Aged | undefined, asSent: ContentsAsSent): Promise<Found | undefined> {
    const derived = of.drafts.at(-1)?.report;
    const ofOther = OF_OTHERS.find((each) => each === aged?.next);
    const report = derived?.status === 'NEWT' && !ofOther ? derived : undefined;
    if (report) this.addPositions('derived', recordOfReport(report));
    const { executingEntity } = this.by;
    const record = this.by.sample?.take({ executingEntity, transactionReference: of.transactionReference });
    if (record) this.addPositions('sample', record);
    const ofSample = this.ofSample(report, record, of.drafts.at(-1)?.submitters);
    if (!aged) return ofSample.sample === undefined ? undefined : ofSample;
    if (ofOther) return { aged, result: ofOther, ...ofSample };
    const isAccepted = stateOf(of.sent) === 'accepted';
    // the authority has it until it takes the cancellation
    const isHad = stateBeforeCancelling(of.sent) === 'accepted';
    if (aged.standing === 'contradicted') {
      const content = isHad ? await asSent.of(of) : undefined;
      if (content) this.addPositions('accepted', content);
      return { aged, result: 'contradicted', ...ofSample };
    }
    if (!report) {
      const content = isHad ? await asSent.of(of) : undefined;
      if (content) this.addPositions('accepted', content);
      return { aged, result: aged.standing === 'cancelled' ? 'same' : 'extra', ...ofSample };
    }
    const isThere = ['sent', 'pending', 'accepted', 'cancelling'].includes(aged.state);
    if (!isThere) return { aged, result: 'missing', ...ofSample };
    const isAsSent = aged.next === 'as-sent';
    const content = isAsSent ? recordOfReport(report) : await asSent.of(of);
    if (content && isHad) this.addPositions('accepted', content);
    const asSubmitted = { ...report, submittingEntity: content?.values.get(SUBMITTING_ENTITY) };
    const differences = content && !isAsSent ? differencesOf(asSubmitted, content, fieldSetOn(dayOf(of))) : undefined;
    const isSame = content !== undefined && (differences ?? []).length === 0;
    const result = !isSame ? 'different' : isAccepted ? 'same' : 'unanswered';
    return { aged, result, differences, ...ofSample };
  }

  /** Who submitted for the firm is no difference: that may have changed since. */
  private ofSample(
    report: NewReport | undefined,
    record: ReportRecord | undefined,
    submitters: readonly string[] = [],
  ): Pick<Found, 'sample' | 'sampleDifferences'> {
    if (!this.by.sample) return {};
    if (!record) return report && this.isWholeSample ? { sample: 'missing' } : {};
    if (!report) return { sample: record.status === 'CANC' ? 'same' : 'extra' };
    const by = record.values.get(SUBMITTING_ENTITY) ?? '';
    const asSubmitted = submitters.includes(by) ? { ...report, submittingEntity: by } : report;
    const sampleDifferences = differencesOf(asSubmitted, record);
    return sampleDifferences.length === 0 ? { sample: 'same' } : { sample: 'different', sampleDifferences };
  }

  private async *referencesOfSampleAlone(): AsyncGenerator<Row> {
    if (!this.by.sample) return;
    let some: ReportRecord[] = [];
    for (const record of this.by.sample.rest()) {
      const isOwn = record.executingEntity === this.by.executingEntity;
      if (isOwn) this.addPositions('sample', record);
      this.count({ sample: isOwn ? 'extra' : OTHER_ENTITY });
      some.push(record);
      if (some.length < LOOKED_UP_AT_ONCE) continue;
      yield* await this.rowsOfSampleAlone(some);
      some = [];
    }
    yield* await this.rowsOfSampleAlone(some);
  }

  /**
   * With what was sent of this ledger under their references for the same firm, of whatever period. Of other firms than the
   * one that is asked for what was sent is in order.
   */
  private async rowsOfSampleAlone(records: readonly ReportRecord[]): Promise<Row[]> {
    const sent = new Map<string, SentRecord[]>();
    for (const [executingEntity, some] of grouped(records, (record) => record.executingEntity)) {
      const references = some.map(({ transactionReference }) => transactionReference);
      const ofFirm = await this.read(async (client) => {
        const all = await sql.sentRecords(client, { executingEntity, references }, this.upToAct);
        const acts = all.map(({ act }) => act);
        const own = await sql.actsOfLedger(client, acts, this.run.ledger);
        return all.filter(({ act }) => own.has(act));
      });
      for (const [name, all] of grouped(ofFirm, nameOf)) sent.set(name, all);
    }
    return records.flatMap((record) => {
      const { transactionReference, executingEntity, values } = record;
      const own = sent.get(nameOf(record)) ?? [];
      const ofOther = executingEntity === this.by.executingEntity ? undefined : executingEntity;
      if (ofOther !== undefined && own.length > 0 && !this.isListingAll) return [];
      const state = stateOf(own);
      const row: Row = {
        ...NOTHING,
        ...{ kind: 'reference', transaction_reference: transactionReference, sample: 'extra' },
        ...{ state: state === 'unsent' ? null : state, message_id: own.at(-1)?.messageId ?? null },
        ...{ trading_time: values.get('New/Tx/TradDt') ?? null, event_id: own.at(-1)?.eventId ?? null },
        sent_at: own.findLast(({ status }) => status === 'NEWT')?.sentAt ?? null,
      };
      if (ofOther === undefined) return [row];
      const whose = { ...EXECUTING_ENTITY, ours: this.by.executingEntity, theirs: ofOther };
      const ofOthers = {
        sample: OTHER_ENTITY,
        sample_differing: numbersOf([whose]),
        sample_differences: shown([whose]),
      };
      return [{ ...row, ...ofOthers }];
    });
  }

  private *positions(): Generator<Row> {
    const given = new Map(this.by.positions.map((position) => [positionName(position), position]));
    for (const { key, sumOf } of this.sums.all()) {
      const books = given.get(positionName(key));
      given.delete(positionName(key));
      yield* this.position(key, sumOf, books?.quantity);
    }
    for (const position of given.values()) yield* this.position(position, () => undefined, position.quantity);
  }

  /** What a side says nothing of has not changed there. */
  private *position(
    { party, instrument, quantityIn }: PositionKey,
    sumOf: (side: PositionSide) => string | undefined,
    given: string | undefined,
  ): Generator<Row> {
    const derived = sumOf('derived') ?? '0';
    const accepted = sumOf('accepted') ?? '0';
    const others = given === undefined ? [accepted] : [accepted, given];
    const isSame = others.every((each) => compare(parseDecimal(derived)!, parseDecimal(each)!) === 0);
    this.counts[isSame ? 'positions same' : 'positions different']! += 1;
    if (isSame && !this.isListingAll) return;
    yield {
      ...NOTHING,
      ...{ kind: 'position', result: isSame ? 'same' : 'different', party, instrument, quantity_in: quantityIn },
      ...{ derived, accepted, in_sample: this.by.sample ? (sumOf('sample') ?? '0') : null, given: given ?? null },
    };
  }

  private addPositions(side: PositionSide, { status, values }: ReportRecord): void {
    if (status === 'CANC') return;
    for (const change of positionChangesOf(values)) this.sums.add(side, change);
    if (this.sums.size <= MOST_POSITIONS) return;
    const rest = `has more than ${MOST_POSITIONS} positions: ask for a shorter period`;
    throw invalidParameters([queryError('from', 'too-many', rest)]);
  }

  private count({ aged, result, sample }: Found): void {
    const late = LATE.find((each) => each === aged?.standing);
    for (const name of [result, late, sample && `sample ${sample}`]) if (name) this.counts[name]! += 1;
  }

  private isListed({ aged, result, sample }: Found): boolean {
    const isGood =
      [undefined, 'same', 'unanswered', ...OF_OTHERS].includes(result) && [undefined, 'same'].includes(sample);
    return this.isListingAll || !isGood || LATE.some((each) => each === aged?.standing);
  }
}

/** Whose report under which reference; an LEI has no blank. */
function nameOf({ executingEntity, transactionReference }: SentRecord | ReportRecord): string {
  return `${executingEntity} ${transactionReference}`;
}

function rowOf(of: OfReference, { aged, result, differences, sample, sampleDifferences }: Found): Row {
  const draft = of.drafts.at(-1);
  return {
    ...NOTHING,
    ...{ kind: 'reference', transaction_reference: of.transactionReference, result: result ?? null },
    ...{ state: aged?.state ?? null, timeliness: aged?.standing ?? null, sample: sample ?? null },
    working_days_late: aged && aged.workingDaysLate !== null ? String(aged.workingDaysLate) : null,
    ...{ differing: numbersOf(differences), differences: shown(differences) },
    ...{ sample_differing: numbersOf(sampleDifferences), sample_differences: shown(sampleDifferences) },
    ...{ to_mend: draft ? toldOf(draft).toMend : null, trading_time: aged?.tradingTime ?? null },
    ...{ sent_at: aged?.sentAt ?? null, message_id: of.sent.at(-1)?.messageId ?? null },
    ...{ order_id: of.orderId, event_id: of.eventId },
  };
}

/** The day on which the last new report was sent. */
function dayOf({ sent }: OfReference): string {
  return sent.findLast(({ status }) => status === 'NEWT')!.sentAt.slice(0, 10);
}

function numbersOf(differences: readonly FieldDifference[] | undefined): string | null {
  return [...new Set(differences?.map(({ field }) => field))].join(' ') || null;
}

function shown(differences: readonly FieldDifference[] | undefined): string | null {
  if (!differences || differences.length === 0) return null;
  return JSON.stringify(
    differences.map(({ ours = null, theirs = null, field, name, path }) => ({ field, name, path, ours, theirs })),
  );
}

const NOTHING: Row = Object.freeze(Object.fromEntries(RECONCILIATION.columns.map(({ name }) => [name, null])));
