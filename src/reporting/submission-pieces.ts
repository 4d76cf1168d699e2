import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { ArchivedEvents } from '../archive/archived-events.js';
import { readPage } from '../events/read-transaction.js';
import { Problem } from '../http/problem.js';
import { ZipWriter } from '../integrity/zip.js';
import type { Piece, ReadTotals } from '../long-reads/long-read.js';
import { deletedUpTo } from '../reports/report-pieces.js';
import { draftsOf } from '../transaction-reports/drafts.js';
import { fileName, MAX_MESSAGE_ID } from '../transaction-reports/file-name.js';
import { SchemaPack, SchemaPackError } from '../transaction-reports/schema-pack.js';
import { schemaSetOn } from '../transaction-reports/schema-sets.js';
import { decide, recordDigest } from '../transaction-reports/submission-plan.js';
import { toldOf } from '../transaction-reports/told-of-drafts.js';
import {
  InvalidReportFileError,
  reportFiles,
  type FileHeader,
} from '../transaction-reports/transaction-report-file.js';
import type { TransactionReport } from '../transaction-reports/transaction-report.js';
import { partsOfReference } from '../transaction-reports/transaction-reference.js';
import { byReference, type OfReference } from './draft-groups.js';
import * as bookSql from './reporting-book.sql.js';
import type { FileMaking, SubmissionRead, WrittenFile } from './submission-read.js';
import * as sql from './submission-runs.sql.js';
import type { Decision } from './submission-runs.sql.js';

const PIECE_BYTES = 1024 * 1024;
/** Decisions that are kept at once. */
const DECISIONS_AT_ONCE = 500;

/**
 * The zip of the files of a submission, in pieces; what it decided stands in the database once it is whole. The same
 * events, reference data and acts give the same bytes. Throws invalid-report-file, schema-pack-unusable, DamagedRowError,
 * the database's errors.
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
    read: (work) => readPage(pool, timeoutMs, ledger, work, gone),
  });
  const references = byReference(drafts, (eventIds) =>
    bookSql.sentRecords(pool, read.executingEntity, { eventIds }, read.upToAct),
  );
  const making = new SubmissionMaking(pool, read);
  const schemas = await schemasOf(read.files);
  try {
    const zip = new ZipWriter();
    const validate = schemas && ((document: Buffer) => schemas.validate(document));
    const reports = read.sentBy === undefined ? making.decided(references) : making.again(references, read.sentBy);
    for await (const file of reportFiles(reports, headersOf(read.files), read.files.limits, validate)) {
      const chunks: Buffer[] = [];
      for await (const chunk of file.chunks) chunks.push(chunk);
      const content = Buffer.concat(chunks);
      const { messageId } = file.header;
      making.written({
        ...{ messageId, number: file.number - 1 + read.files.firstNumber, bytes: content.length },
        ...{ newReports: file.counts.new, cancellations: file.counts.cancelled },
        sha256: createHash('sha256').update(content).digest('hex'),
      });
      const { header, packed } = zip.add(`${messageId}.xml`, content, { isDeflated: true });
      yield* inPieces(Buffer.concat([header, packed]), String(asOf));
    }
    await making.flush();
    if ((await deletedUpTo(pool, ledger, asOf)).length !== deleted.length) {
      throw new Error('a month was deleted while the submission was made: ask again');
    }
    yield* inPieces(zip.end(), String(asOf));
    return { rows: making.records, submission: { files: making.files, decisions: making.counts } };
  } catch (error) {
    throw error instanceof InvalidReportFileError ? asProblem(error) : error;
  } finally {
    schemas?.close();
  }
}

/** What is decided, and which of it went into which file. */
class SubmissionMaking {
  readonly files: WrittenFile[] = [];
  readonly counts: Record<string, number> = {};
  /** in files so far */
  records = 0;
  private number = 0;
  /** those that go into a file lack its name until it is written */
  private waiting: Decision[] = [];

  constructor(
    private readonly pool: pg.Pool,
    private readonly read: SubmissionRead,
  ) {}

  /** The reports to be sent. */
  async *decided(references: AsyncIterable<OfReference>): AsyncGenerator<TransactionReport> {
    for await (const of of references) {
      const { drafts, sent, transactionReference, orderId, eventId } = of;
      const [first, ...rest] = drafts;
      const base = { transactionReference, orderId, eventId, toMend: null, digest: null, messageId: null };
      if (!first) {
        const parts = partsOfReference(transactionReference);
        this.note({ ...base, ...parts, status: 'NEWT', decision: 'underived', tradingTime: sent.at(-1)!.tradingTime });
        continue;
      }
      const decision = decide([first, ...rest], sent, this.read.isRepeatingRejected);
      const { report, version, leg } = decision.draft;
      const tradingTime = report.status === 'NEWT' ? (report.tradingTime ?? null) : null;
      const noted = { ...base, status: report.status, version, leg, tradingTime };
      if (decision.is === 'send') {
        this.note({ ...noted, decision: 'send', digest: decision.digest });
        yield report;
        if (this.waiting.length >= DECISIONS_AT_ONCE) await this.flush();
      } else {
        const toMend = decision.why === 'held' ? toldOf(decision.draft).toMend : null;
        this.note({ ...noted, decision: decision.why, toMend });
      }
    }
  }

  /** What was sent already, once more. Throws Error where it cannot be had to the letter. */
  async *again(references: AsyncIterable<OfReference>, sentBy: string): AsyncGenerator<TransactionReport> {
    const digests = await bookSql.digestsOfMaker(this.pool, sentBy);
    for await (const { transactionReference, drafts } of references) {
      const digest = digests.get(transactionReference);
      if (digest === undefined) continue;
      const draft = drafts.findLast((each) => recordDigest(each) === digest);
      if (!draft) throw new Error(`the report ${transactionReference} cannot be made again as it was sent`);
      digests.delete(transactionReference);
      yield draft.report;
    }
    const [missing] = digests.keys();
    if (missing !== undefined) throw new Error(`the report ${missing} cannot be made again`);
  }

  /** The next file is whole. */
  written(file: WrittenFile): void {
    this.files.push(file);
    let left = file.newReports + file.cancellations;
    this.records += left;
    for (const each of this.waiting) {
      if (each.decision !== 'send' || each.messageId !== null) continue;
      if (left === 0) return;
      each.messageId = file.messageId;
      left -= 1;
    }
  }

  /** Keeps what waits, but for what is to go into a file that is not written yet. */
  async flush(): Promise<void> {
    const isKept = ({ decision, messageId }: Decision): boolean => decision !== 'send' || messageId !== null;
    const kept = this.waiting.filter(isKept);
    this.waiting = this.waiting.filter((each) => !isKept(each));
    for (let at = 0; at < kept.length; at += DECISIONS_AT_ONCE) {
      const { run, maker } = this.read;
      await sql.insertDecisions(this.pool, run, maker, kept.slice(at, at + DECISIONS_AT_ONCE));
    }
  }

  private note(decision: Omit<Decision, 'number'>): void {
    this.number += 1;
    this.waiting.push({ ...decision, number: this.number });
    this.counts[decision.decision] = (this.counts[decision.decision] ?? 0) + 1;
  }
}

function headersOf({ pattern, sender, receiver, from, to, createdAt, firstNumber }: FileMaking) {
  return (n: number): FileHeader => {
    const sequence = firstNumber + n - 1;
    const parts = { sender, receiver, sequence, version: 0, previous: sequence - 1, day: createdAt.slice(0, 10) };
    return { from, to, messageId: fileName(pattern, parts, MAX_MESSAGE_ID), createdAt };
  };
}

async function schemasOf({ schemaFolder, createdAt }: FileMaking): Promise<SchemaPack | undefined> {
  if (schemaFolder === undefined) return undefined;
  const set = schemaSetOn(createdAt.slice(0, 10));
  if (!set) throw new Problem('schema-pack-unusable', `No schemas are known for ${createdAt.slice(0, 10)}`);
  try {
    return await SchemaPack.load(schemaFolder, set);
  } catch (cause) {
    if (!(cause instanceof SchemaPackError)) throw cause;
    throw new Problem('schema-pack-unusable', cause.message, { cause });
  }
}

function asProblem(error: InvalidReportFileError): Problem {
  const errors = error.findings.slice(0, 100).map(({ message, line }) => ({
    ...{ pointer: `/files/${error.messageId}/lines/${line}`, rule: 'schema', detail: message },
  }));
  return new Problem('invalid-report-file', error.message, { errors, cause: error });
}

/** With memory of their own, so that they can change threads. */
function* inPieces(bytes: Buffer, asOf: string): Generator<Piece> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    yield { bytes: new Uint8Array(bytes.subarray(at, at + PIECE_BYTES)), asOf };
  }
}
