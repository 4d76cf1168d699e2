import type pg from 'pg';
import type { ArchivedEvents } from '../archive/archived-events.js';
import { readPage } from '../events/read-transaction.js';
import type { Piece, ReadTotals } from '../long-reads/long-read.js';
import { deletedUpTo } from '../reports/report-pieces.js';
import { draftsOf } from '../transaction-reports/drafts.js';
import { isLive } from '../transaction-reports/submissions.js';
import { toldOf } from '../transaction-reports/told-of-drafts.js';
import type { RecordPlace } from '../transaction-reports/transaction-report-file.js';
import type { TransactionReport } from '../transaction-reports/transaction-report.js';
import { partsOfReference } from '../transaction-reports/transaction-reference.js';
import { byReference, type OfReference } from './draft-groups.js';
import { newsOf, OVER } from './report-notes.js';
import { zipOfReports, type ZipProgress } from './report-zip.js';
import * as bookSql from './reporting-book.sql.js';
import type { SubmissionRead, WrittenFile, ZipPart } from './submission-read.js';
import * as sql from './submission-runs.sql.js';
import type { Decision } from './submission-runs.sql.js';

/** Decisions that are kept at once. */
const DECISIONS_AT_ONCE = 500;

/**
 * The zip of the files of a submission, in pieces; what it decided stands in the database once it is whole. However many
 * reports there are, some hundred of them are in memory at a time. Throws invalid-report-file, schema-pack-unusable, DamagedRowError, the database's errors.
 */
export async function* piecesOfSubmission(
  pool: pg.Pool,
  archive: ArchivedEvents,
  timeoutMs: number,
  read: SubmissionRead,
  gone: AbortSignal,
): AsyncGenerator<Piece, ReadTotals> {
  const { ledger, asOf } = read;
  const deleted = await deletedUpTo(pool, ledger, asOf);
  const drafts = draftsOf({
    ...{ ledger, asOf, period: read.period, deleted, parameters: read.parameters, archive },
    ...{ executingEntity: read.executingEntity, referenceRevision: read.referenceRevision },
    submittedAt: read.files.createdAt,
    read: (work, other = ledger) => readPage(pool, timeoutMs, other, work, gone),
  });
  const { executingEntity, upToAct } = read;
  const sentOf = (eventIds: readonly string[]) =>
    bookSql.sentOfExecutions(pool, { ledger, firms: [executingEntity], eventIds }, upToAct);
  const day = read.files.createdAt.slice(0, 10);
  const notesOf = (eventIds: readonly string[]) =>
    bookSql.lastNotes(pool, { ledger, executingEntity, eventIds }, upToAct);
  const references = byReference(drafts, executingEntity, sentOf, { ...read, day }, notesOf);
  const making = new SubmissionMaking(pool, read);
  // one behind: the last piece goes out once all holds
  let last: Uint8Array | undefined;
  for await (const bytes of zipOfReports(making.decided(references), read.files, making)) {
    if (last) yield { bytes: last, asOf: String(asOf) };
    last = bytes;
  }
  await making.flush();
  if ((await deletedUpTo(pool, ledger, asOf)).length !== deleted.length) {
    throw new Error('a month was deleted while the submission was made: ask again');
  }
  yield { bytes: last!, asOf: String(asOf) };
  return {
    rows: making.records,
    submission: { files: making.files, parts: making.parts, decisions: making.counts, noted: making.noted },
  };
}

/** What is decided, and which of it went into which file. */
class SubmissionMaking implements ZipProgress {
  readonly files: WrittenFile[] = [];
  readonly parts: ZipPart[] = [];
  readonly counts: Record<string, number> = {};
  /** in files so far */
  records = 0;
  /** reports of which something is noted */
  noted = 0;
  private number = 0;
  /** on the way into a file, in their order */
  private onTheWay: Decision[] = [];
  /** to be kept */
  private settled: Decision[] = [];

  constructor(
    private readonly pool: pg.Pool,
    private readonly read: SubmissionRead,
  ) {}

  /** The reports to be sent. */
  async *decided(references: AsyncIterable<OfReference>): AsyncGenerator<TransactionReport> {
    for await (const of of references) {
      if (this.settled.length >= DECISIONS_AT_ONCE) await this.flush();
      const { decision, sent, transactionReference, orderId, eventId } = of;
      const news = newsOf(decision, of.note);
      if (news) this.noted += 1;
      const isOver = !decision.draft && !isLive(sent);
      if (isOver && !news) continue;
      const report = decision.draft?.report;
      const status = report?.status ?? 'NEWT';
      const tradingTime =
        report?.status === 'NEWT' ? report.tradingTime : report ? undefined : sent.at(-1)?.tradingTime;
      const noted = {
        ...{ transactionReference, ...partsOfReference(transactionReference), orderId, eventId, status },
        ...{ tradingTime: tradingTime ?? null, toMend: null, digest: null, messageId: null, place: null },
        ...{ noted: news?.noted ?? null, valuesDigest: news?.valuesDigest ?? null },
      };
      if (decision.is === 'send') {
        this.onTheWay.push(this.numbered({ ...noted, decision: 'send', digest: decision.digest }));
        yield decision.draft.report;
      } else {
        const toMend = decision.draft && decision.why === 'held' ? toldOf(decision.draft).toMend : null;
        this.settled.push(this.numbered({ ...noted, decision: isOver ? OVER : decision.why, toMend }));
      }
    }
  }

  placed(messageId: string, places: readonly RecordPlace[]): void {
    this.records += places.length;
    for (const [i, each] of this.onTheWay.splice(0, places.length).entries()) {
      this.settled.push({ ...each, messageId, place: places[i]! });
    }
  }

  part(part: ZipPart): void {
    this.parts.push(part);
  }

  written(file: WrittenFile): void {
    this.files.push(file);
  }

  /** Keeps what is settled; once all files are written, that is all. */
  async flush(): Promise<void> {
    const { run, maker } = this.read;
    const settled = this.settled.splice(0);
    for (let at = 0; at < settled.length; at += DECISIONS_AT_ONCE) {
      await sql.insertDecisions(this.pool, run, maker, settled.slice(at, at + DECISIONS_AT_ONCE));
    }
  }

  private numbered(decision: Omit<Decision, 'number'>): Decision {
    this.number += 1;
    this.counts[decision.decision] = (this.counts[decision.decision] ?? 0) + 1;
    return { ...decision, number: this.number };
  }
}
