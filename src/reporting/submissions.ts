import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type pg from 'pg';
import type { Logger } from 'pino';
import type { Principal } from '../access/principal.js';
import { ARCHIVED_EVENTS, type ArchivedEvents } from '../archive/archived-events.js';
import { CONFIG, type Config } from '../config/config.js';
import { POOL } from '../database/tokens.js';
import { uuidv7 } from '../database/uuidv7.js';
import type { PreparedEvent } from '../events/prepared-event.js';
import { readPage } from '../events/read-transaction.js';
import { invalidParameters, queryError, type Parameters } from '../http/parameters.js';
import { toProblem } from '../http/problem.filter.js';
import { Problem } from '../http/problem.js';
import { ZipWriter } from '../integrity/zip.js';
import type { ReadTotals } from '../long-reads/long-read.js';
import { LongReads } from '../long-reads/long-reads.js';
import { LOGGER } from '../operation/logger.js';
import { Metrics } from '../operation/metrics.js';
import { ReferenceTimelines } from '../reference-data/reference-timelines.js';
import { readReportRequest, type ReportRequest } from '../reports/report-parameters.js';
import { formatOf } from '../reports/report-formats.js';
import { ReportRuns } from '../reports/report-runs.js';
import { REFERENCE_AS_OF } from '../reports/with-reference-data.js';
import { readPiece } from '../runs/kept-run-rows.js';
import { KeptRunMaker, RunLost, RunOutdated, RunUnsettled, type MadeAnswer } from '../runs/kept-run-maker.js';
import { assertRoomForRun } from '../runs/open-runs.js';
import { isReference } from '../transaction-reports/rules/formats.js';
import { EXECUTING_ENTITY, onlyInvestmentFirm } from '../transaction-reports/transactions-report.js';
import { fileMakingOf, sendingOf, type Sending } from './file-making.js';
import { firmSettings, type FirmSettings } from './firm-settings.js';
import { madeWith, SERVICE_BUILD } from './made-with.js';
import { ReportingBook } from './reporting-book.js';
import type { RecordedAct, SentRecord } from './reporting-book.sql.js';
import type { Noted } from './report-notes.js';
import { filePartEvent, notedEvent, writtenEvent } from './reporting-events.js';
import type { NotedReport, SubmissionSummary, WrittenRecord } from './reporting-events.js';
import { OvertakenError, ReportingLedger } from './reporting-ledger.js';
import { ReportingRecords } from './reporting-records.js';
import { ReportingTurn, type GiveBack } from './reporting-turn.js';
import { SentFiles, type ReadOfLedger } from './sent-files.js';
import type { SubmissionTotals, ZipPart } from './submission-read.js';
import { CANCEL_UNDERIVED, CORRECT_DIFFERING, REPEAT_REJECTED, SUBMISSION } from './submission-request.js';
import * as sql from './submission-runs.sql.js';
import type { Decision, StoredRun } from './submission-runs.sql.js';

/** Records that are appended to the ledger at once. */
const RECORDS_AT_ONCE = 500;
/** Parts of files, and their bytes. */
const PARTS_AT_ONCE = 200;
const PART_BYTES_AT_ONCE = 1024 * 1024;

/** A run that was overtaken so often goes first: the others' acts wait until it is made. */
const MOST_OVERTAKINGS = 2;

/** Which run: an id counts under its own ledger alone. */
export type RunKey = Pick<StoredRun, 'ledger' | 'id'>;

/** A report as it was sent. */
export interface SentReport {
  sent: SentRecord;
  /** the element `Tx` */
  record: string;
  summary: SubmissionSummary;
}

/** One making of a run, from its first piece until it is on record. */
interface Making {
  /** what it is made of: of one that counted as sent before, what that was made of */
  parameters: Parameters;
  asOf: bigint;
  /** what was sent and answered up to here was known to it */
  upToAct: number;
  maker: string;
  /** it counted as sent before */
  act: RecordedAct | undefined;
  signal: AbortSignal;
  sending?: Sending;
  totals?: SubmissionTotals | undefined;
}

/**
 * Submissions of transaction reports: what is to be sent is decided, written into files, recorded in `_reporting` with these
 * files, and only then handed out, in this order. What decides is one event of that ledger: until it is there nothing counts
 * as sent.
 */
@Injectable()
export class Submissions implements OnModuleInit, OnModuleDestroy {
  private readonly maker: KeptRunMaker<StoredRun>;
  /** by run as it was taken up: of one whose making fails nothing is left */
  private readonly makings = new WeakMap<StoredRun, Making>();
  /** of runs that go first */
  private readonly turns = new WeakMap<StoredRun, GiveBack>();
  /** for one reading: what it keeps unpacked must not outlive its events */
  private readonly sentFiles: () => SentFiles;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(LOGGER) logger: Logger,
    private readonly longReads: LongReads,
    private readonly reports: ReportRuns,
    private readonly book: ReportingBook,
    private readonly ledger: ReportingLedger,
    private readonly records: ReportingRecords,
    private readonly turn: ReportingTurn,
    private readonly metrics: Metrics,
    @Inject(ARCHIVED_EVENTS) archive: ArchivedEvents,
  ) {
    const read: ReadOfLedger = (name, work) => readPage(pool, config.READ_TIMEOUT, name, work);
    this.sentFiles = () => new SentFiles(read, archive, pool);
    this.maker = new KeptRunMaker(pool, logger, {
      what: 'a submission of transaction reports',
      alarm: 'submission-failed',
      tables: sql.REPORTING_RUNS,
      packLevel: 0, // a zip is deflated already
      keepDays: undefined, // in the ledger
      maxMb: config.REPORT_RUNS_MAX_MB,
      full: { slug: 'reports-full', setting: 'REPORT_RUNS_MAX_MB' },
      take: (runner, silentMs) => sql.takeRun(pool, runner, silentMs),
      named: ({ ledger }) => ({ ledger }),
      pieces: (run, signal) => this.pieces(run, signal),
      recordDone: (run, made, runner) => this.recordDone(run, made, runner),
      over: async (run) => {
        await this.turns.get(run)?.();
        this.turns.delete(run);
      },
      onRecord: async (id) => {
        await this.book.catchUp();
        const act = await this.book.find('submission', id);
        return (
          act &&
          `It counts as sent all the same, by act ${act.act}: its files can be fetched, and nothing of it is sent again`
        );
      },
    });
  }

  onModuleInit(): void {
    const ofFailed =
      'Submissions of transaction reports that failed within a week, and after which the same was not done';
    const ofOpen = 'Time since the oldest submission of transaction reports that is not over was asked for; 0 for none';
    // one question for both
    let standing: Promise<sql.RunsStanding> | undefined;
    const ask = () => (standing ??= sql.standingOfRuns(this.pool).finally(() => (standing = undefined)));
    this.metrics.gauge('truetrail_submissions_failed', ofFailed, [], async () => [{ value: (await ask()).failed }]);
    this.metrics.gauge('truetrail_submission_oldest_seconds', ofOpen, [], async () => [
      { value: (await ask()).oldestSeconds },
    ]);
    this.maker.start();
  }

  /** What is under way is put back. */
  onModuleDestroy(): Promise<void> {
    return this.maker.stop();
  }

  /** Asks for a submission. Throws reporting-not-configured, invalid-parameter, too-many-runs, not-recorded-as-read. */
  async request(ledger: string, request: ReportRequest, caller: Principal): Promise<StoredRun> {
    await assertRoomForRun(this.pool, sql.REPORTING_RUNS, caller.id);
    const prepared = await this.reports.prepare(ledger, formatOf('json'), request);
    const { id, asOf, parameters } = prepared;
    const executingEntity = await this.executingEntityOf(ledger, parameters);
    await this.assertKnown(ledger, executingEntity, parameters);
    const { sender, receiver } = await this.sendingOf(ledger, executingEntity, parameters, new Date().toISOString());
    const run = { id, ledger, executing_entity: executingEntity, parameters, as_of: String(asOf) };
    await this.records.run(run, caller.id);
    const madeBy = SERVICE_BUILD;
    const stored = await sql.insertRun(this.pool, {
      ...{ id, ledger, executingEntity, sender, receiver, parameters, asOf, madeBy, requestedBy: caller.id },
    });
    this.maker.wake();
    return stored;
  }

  /** The firm that is asked for, or the only one. Throws invalid-parameter. */
  executingEntityOf(ledger: string, parameters: Readonly<Record<string, string>>): Promise<string> {
    const given = parameters[EXECUTING_ENTITY];
    if (given !== undefined) return Promise.resolve(given);
    return onlyInvestmentFirm(
      { read: (work) => readPage(this.pool, this.config.READ_TIMEOUT, ledger, work) },
      BigInt(parameters[REFERENCE_AS_OF] ?? '0'),
    );
  }

  /**
   * A firm that the reference data never had has nothing to report, and would be in every list of what is due from then on; but
   * where something was sent for it, as by other data, that may be to cancel. Throws invalid-parameter.
   */
  private async assertKnown(ledger: string, firm: string, parameters: Parameters): Promise<void> {
    const timelines = this.timelinesOf(ledger, parameters);
    timelines.wasEver('legal-entity', firm);
    await timelines.readWanted();
    if (timelines.wasEver('legal-entity', firm) || (await this.book.hasSentFor(firm))) return;
    const rest = `must be a legal entity of the reference data: ${firm} is not, and never was`;
    throw invalidParameters([queryError(EXECUTING_ENTITY, 'reference-data', rest)]);
  }

  /**
   * As the reference data of a run have it for a time, but between those two whom whoever asked for it was told. Throws
   * reporting-not-configured.
   */
  private async sendingOf(
    ledger: string,
    firm: string,
    parameters: Parameters,
    time: string,
    told: Pick<FirmSettings, 'sender' | 'receiver'> = {},
  ): Promise<Sending> {
    const timelines = this.timelinesOf(ledger, parameters);
    firmSettings(timelines, firm, time);
    await timelines.readWanted();
    return sendingOf(this.config, { ...firmSettings(timelines, firm, time), ...told });
  }

  private timelinesOf(ledger: string, parameters: Parameters): ReferenceTimelines {
    return new ReferenceTimelines(
      (work) => readPage(this.pool, this.config.READ_TIMEOUT, ledger, (client) => work(client)),
      BigInt(parameters[REFERENCE_AS_OF] ?? '0'),
    );
  }

  /** Throws submission-not-found. */
  async find(key: RunKey): Promise<StoredRun> {
    const run = await sql.findRun(this.pool, key);
    if (run) return run;
    await this.book.catchUp(); // in a database that was rebuilt, the ledger has it
    const known = await sql.findRun(this.pool, key);
    if (!known) throw submissionNotFound();
    return known;
  }

  /** The latest ones first. */
  async list(ledger: string, limit: number): Promise<StoredRun[]> {
    await this.book.catchUp();
    return sql.listRuns(this.pool, ledger, limit);
  }

  /** The act by which a run counts as sent; undefined as long as nothing of it does. */
  actOf(run: RunKey): Promise<RecordedAct | undefined> {
    return this.book.find('submission', run.id);
  }

  /** What a run decided, after a number. Throws submission-not-found; none before it decided anything. */
  async decisions(key: RunKey, page: { after: number; limit: number; decision?: string }): Promise<Decision[]> {
    const { decided_by: maker } = await this.find(key);
    return maker === null ? [] : sql.decisionsAfter(this.pool, { run: key.id, maker, ...page });
  }

  /** A run whose files can be fetched: all of them count as sent. Throws submission-not-found, submission-unfinished. */
  async findDone(key: RunKey): Promise<StoredRun> {
    const run = await this.find(key);
    if (run.status === 'done') return run;
    await this.book.catchUp();
    const act = await this.actOf(run);
    if (act) {
      const { as_of, zip } = act.summary as SubmissionSummary;
      return { ...run, as_of, bytes: zip.bytes, sha256: zip.sha256 };
    }
    const why = run.error === null ? '' : `: ${run.error}`;
    throw new Problem('submission-unfinished', `The submission is ${run.status}${why}`);
  }

  /**
   * A report as a submission sent it. Throws submission-not-found, transaction-report-not-found, not-recorded-as-read,
   * event-deleted, archive-unavailable.
   */
  async sentReport(key: RunKey, reference: string, caller: Principal): Promise<SentReport> {
    const run = await this.find(key);
    const act = isReference(reference) ? await this.actOf(run) : undefined;
    const sent = act && (await this.book.sentBy(act, run.executing_entity, reference));
    if (!sent) throw new Problem('transaction-report-not-found', 'The submission sent no report with this reference');
    await this.records.fetched(run, caller.id);
    const record = (await this.sentFiles().record(sent, sent.place)).toString('utf8');
    return { sent, record, summary: act.summary as SubmissionSummary };
  }

  /**
   * The zip of the files as they were sent, in pieces. The first comes once the fetching is on record. Throws
   * not-recorded-as-read, event-deleted, archive-unavailable.
   */
  async *content(run: StoredRun, caller: Principal, gone: AbortSignal): AsyncGenerator<Uint8Array> {
    const act = await this.actOf(run);
    await this.records.fetched(run, caller.id);
    if (act) yield* this.sentFiles().zip(act.maker, run.sha256!, gone);
    else yield new ZipWriter().end();
  }

  /**
   * The reports as they were sent, in pieces of a format that is named. The first comes once the fetching is on record. Throws
   * not-recorded-as-read, event-deleted, archive-unavailable, reads-overloaded.
   */
  async *sentReports(
    run: StoredRun,
    format: string,
    caller: Principal,
    gone: AbortSignal,
  ): AsyncGenerator<Uint8Array, ReadTotals> {
    const act = await this.actOf(run);
    const { period } = readReportRequest(SUBMISSION, run.parameters);
    const plan = {
      ...{ ledger: run.ledger, asOf: BigInt(run.as_of), period, deleted: [], format },
      ...{ parameters: { submission: run.id }, executingEntity: run.executing_entity },
      ...{ maker: act?.maker, sentOn: run.created_at.slice(0, 10) },
    };
    return yield* this.longReads.pieces({ kind: 'sent-reports', plan }, gone, () =>
      this.records.fetched(run, caller.id),
    );
  }

  private async *pieces(run: StoredRun, signal: AbortSignal): AsyncGenerator<Uint8Array, ReadTotals> {
    if (run.overtaken >= MOST_OVERTAKINGS) this.turns.set(run, await this.turn.take(signal));
    const upToAct = await this.book.catchUp();
    const act = await this.actOf(run);
    const making: Making = { ...(await this.fixed(run, act)), upToAct, maker: uuidv7(), act, signal };
    this.makings.set(run, making);
    if (act) return {}; // its files stand in the ledger
    const { period, parameters } = readReportRequest(SUBMISSION, making.parameters);
    const { sender, receiver } = run;
    const told = sender === null || receiver === null ? {} : { sender, receiver };
    const sending = await this.sendingOf(run.ledger, run.executing_entity, parameters, run.created_at, told);
    making.sending = sending;
    const firstNumber = (await this.book.lastFileNumber(sending)) + 1;
    const plan = {
      ...{ run: run.id, maker: making.maker, ledger: run.ledger, asOf: making.asOf, period, parameters, upToAct },
      executingEntity: run.executing_entity,
      referenceRevision: BigInt(parameters[REFERENCE_AS_OF] ?? '0'),
      isRepeatingRejected: parameters[REPEAT_REJECTED] === 'yes',
      isCancellingUnderived: parameters[CANCEL_UNDERIVED] === 'yes',
      isCorrectingDiffering: parameters[CORRECT_DIFFERING] === 'yes',
      files: fileMakingOf(this.config, sending, run.created_at, firstNumber),
    };
    const totals = yield* this.longReads.pieces({ kind: 'submission', plan }, signal, () => Promise.resolve());
    making.totals = totals.submission;
    return totals;
  }

  /**
   * What a run is made of. After the acts that it decides by: what one of them knew of the ledger, it knows too, so that
   * nothing is sent of what was corrected before it.
   */
  private async fixed(run: StoredRun, act: RecordedAct | undefined): Promise<Pick<Making, 'parameters' | 'asOf'>> {
    if (act) {
      const { parameters, as_of: asOf } = act.summary as SubmissionSummary;
      return { parameters, asOf: BigInt(asOf) };
    }
    const { [REFERENCE_AS_OF]: _, ...asked } = run.parameters;
    const request = readReportRequest(SUBMISSION, asked);
    const { parameters, asOf } = await this.reports.prepare(run.ledger, formatOf('json'), request);
    await sql.fixRun(this.pool, run.id, { parameters, asOf });
    return { parameters, asOf };
  }

  /**
   * Crashing before the act leaves nothing that counts; crashing after it leaves a run of which all is on record. Throws
   * RunOutdated where another act came first that is about what was decided, RunUnsettled where one's own may come yet or the end of the run may be recorded
   * later, RunLost where another replica has taken the run up.
   */
  private async recordDone(run: StoredRun, made: MadeAnswer, runner: string): Promise<MadeAnswer> {
    const making = this.makings.get(run)!;
    const act = making.act ?? (await this.recordSent(run, making, made));
    if (!(await sql.settleDecisions(this.pool, run.id, runner, act?.maker ?? making.maker))) throw new RunLost();
    const { parameters, asOf } = making;
    const done = act ? madeOf(act.summary as SubmissionSummary) : made;
    try {
      await this.records.done({ ...run, parameters, as_of: String(asOf) }, run.requested_by, done);
    } catch (error) {
      const cause = error instanceof Problem ? error.cause : error;
      if (isPassing(cause)) throw new RunUnsettled('that it is done could not be recorded', { cause });
      throw new Problem('not-recorded-as-read', 'That it is done could not be recorded', { cause });
    }
    return done;
  }

  /** Undefined where there was nothing to send, and nothing new of what is not sent. */
  private async recordSent(run: StoredRun, making: Making, made: MadeAnswer): Promise<RecordedAct | undefined> {
    const { parameters, asOf, maker, upToAct, totals, signal } = making;
    const { sender, receiver } = making.sending!;
    const { files, parts, decisions, noted } = totals!;
    if (files.length === 0 && noted === 0) return undefined;
    const { ledger, executing_entity: executingEntity, requested_by: principal } = run;
    const summary: SubmissionSummary = {
      ...{ ledger, executing_entity: executingEntity, parameters: { ...parameters }, as_of: String(asOf) },
      ...{ sender, receiver },
      ...(files.length > 0 && { first_file: String(files[0]!.number), last_file: String(files.at(-1)!.number) }),
      files: files.map((file) => ({
        ...{ message_id: file.messageId, new: String(file.newReports), cancelled: String(file.cancellations) },
        ...{ bytes: String(file.bytes), sha256: file.sha256 },
      })),
      zip: { bytes: String(made.bytes), sha256: made.sha256.toString('hex'), parts: String(parts.length) },
      made_with: madeWith(run.created_at.slice(0, 10), this.config.REPORTING_SCHEMAS !== undefined),
      decisions: Object.fromEntries(Object.entries(decisions).map(([name, count]) => [name, String(count)])),
    };
    const act = { kind: 'submission' as const, subject: run.id, maker, principal: principal.slice(0, 255), summary };
    const numberedBy = files.length > 0 ? { sender, receiver } : undefined;
    const decided = { run: run.id, maker, executingEntity, numberedBy };
    const isAbout = async (after: number): Promise<boolean> => {
      const [taken] = await this.book.sentMessages(files.map(({ messageId }) => messageId));
      if (await this.book.isAbout(decided, after)) return true; // by one of these it may be taken
      if (taken !== undefined) throw new Problem('message-id-taken', `A file ${taken} was sent before`);
      return false;
    };
    const record = () => this.book.record(act, upToAct, run.created_at, isAbout);
    try {
      // what comes second anyway is not written down first
      await this.book.catchUp();
      if (await isAbout(upToAct)) throw new OvertakenError('another act came first');
      await this.recordParts(run, maker, parts, made);
      await this.recordReports(run, maker, totals!);
      return await (this.turns.has(run) ? record() : this.turn.beside(record, { signal }));
    } catch (error) {
      if (error instanceof OvertakenError) {
        await sql.countOvertaking(this.pool, run.id);
        throw new RunOutdated('another act came first', { cause: error });
      }
      // what was given to the ledger may be recorded yet, the act among it
      const isOpen = error instanceof Problem && (error.slug === 'append-timeout' || error.slug === 'queue-full');
      throw isOpen ? new RunUnsettled('the ledger takes nothing at the moment', { cause: error }) : error;
    }
  }

  /** The zip, as it was kept. Throws Error where that is not what was made. */
  private async recordParts(run: StoredRun, maker: string, parts: readonly ZipPart[], made: MadeAnswer): Promise<void> {
    const by = { maker, principal: run.requested_by.slice(0, 255), at: run.created_at };
    const zip = this.keptPieces(run);
    const digest = createHash('sha256');
    let rest = Buffer.alloc(0);
    let waiting: PreparedEvent[] = [];
    let waitingBytes = 0;
    for (const [i, { packed, content }] of parts.entries()) {
      while (rest.length < packed) {
        const next = await zip.next();
        if (next.done) break;
        rest = Buffer.concat([rest, next.value]);
      }
      const bytes = rest.subarray(0, packed);
      rest = rest.subarray(packed);
      digest.update(bytes);
      if (waiting.length >= PARTS_AT_ONCE || waitingBytes + packed > PART_BYTES_AT_ONCE) {
        await this.ledger.append(waiting);
        [waiting, waitingBytes] = [[], 0];
      }
      waiting.push(filePartEvent(run.id, { part: i + 1, content }, bytes, by));
      waitingBytes += packed;
    }
    if (digest.digest('hex') !== made.sha256.toString('hex')) throw new Error('the files that were kept are others');
    await this.ledger.append(waiting);
  }

  private async *keptPieces({ id }: StoredRun): AsyncGenerator<Buffer> {
    for (let number = 1; ; number++) {
      const piece = await readPiece(this.pool, sql.REPORTING_RUNS, id, number);
      if (!piece) return;
      yield gunzipSync(piece);
    }
  }

  /** What was decided, as it was kept. Throws Error where that is not all of it: then there must be no act. */
  private async recordReports(run: StoredRun, maker: string, { files, noted }: SubmissionTotals): Promise<void> {
    const inFiles = files.reduce((sum, file) => sum + file.newReports + file.cancellations, 0);
    let [written, notes] = [0, 0];
    const made = { maker, principal: run.requested_by.slice(0, 255), at: run.created_at };
    for (let after = 0; ;) {
      const page = { run: run.id, maker, after, limit: RECORDS_AT_ONCE, isRecorded: true };
      const decisions = await sql.decisionsAfter(this.pool, page);
      if (decisions.length === 0) break;
      const events = decisions.flatMap((each) => [
        ...(each.noted === null ? [] : [notedEvent(notedOf(each, each.noted, run), made)]),
        ...(each.decision === 'send' ? [writtenEvent(recordOf(each, run.executing_entity), made)] : []),
      ]);
      await this.ledger.append(events);
      written += decisions.filter(({ decision }) => decision === 'send').length;
      notes += decisions.filter((each) => each.noted !== null).length;
      after = decisions.at(-1)!.number;
    }
    if (written === inFiles && notes === noted) return;
    throw new Error(
      `of ${inFiles} reports in files ${written} are among what was decided, of ${noted} that are noted ${notes}`,
    );
  }
}

function notedOf(decision: Decision, noted: Noted, run: StoredRun): NotedReport {
  const { transactionReference, orderId, eventId, toMend, valuesDigest } = decision;
  return {
    ledger: run.ledger,
    executingEntity: run.executing_entity,
    transactionReference,
    orderId,
    eventId,
    noted,
    why: decision.decision as NotedReport['why'],
    toMend,
    valuesDigest,
  };
}

function recordOf(decision: Decision, executingEntity: string): WrittenRecord {
  const { transactionReference, status, digest, messageId, eventId, version, leg, tradingTime, place } = decision;
  return {
    executingEntity,
    transactionReference,
    status,
    eventId,
    version,
    leg,
    tradingTime,
    digest: digest!,
    messageId: messageId!,
    place: place!,
  };
}

/** Whether the same may be recorded later: the queue is full, the database slow or away, or clocks differ. */
function isPassing(cause: unknown): boolean {
  return [503, 504].includes(toProblem(cause).status);
}

/** As the act has it. */
function madeOf({ files, zip }: SubmissionSummary): MadeAnswer {
  const rows = files.reduce((sum, file) => sum + Number(file.new) + Number(file.cancelled), 0);
  return { rows, bytes: Number(zip.bytes), sha256: Buffer.from(zip.sha256, 'hex'), totals: { rows } };
}

export function submissionNotFound(): Problem {
  return new Problem('submission-not-found', 'There is no such submission in this ledger');
}
