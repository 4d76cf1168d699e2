import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { Principal } from '../access/principal.js';
import { CONFIG, type Config } from '../config/config.js';
import { uuidv7 } from '../database/uuidv7.js';
import { Problem } from '../http/problem.js';
import { MAX_RAW_BYTES } from '../integrity/event.js';
import { readJson, type JsonObject } from '../integrity/strict-json.js';
import { LongReads } from '../long-reads/long-reads.js';
import type { FeedbackTotals, JudgedFile } from './feedback-read.js';
import { ReportingBook } from './reporting-book.js';
import type { RecordedAct } from './reporting-book.sql.js';
import { advisedEvent, partEvent, type AdvisedRecord } from './reporting-events.js';
import { OvertakenError, ReportingLedger } from './reporting-ledger.js';
import { ReportingTurn, TurnTaken } from './reporting-turn.js';

/** Of a file that others overtake each time. */
const MOST_ATTEMPTS = 5;
const RETRY_AFTER_SECONDS = 1;
/** So long, at most, a file waits for a submission that goes first; then it is to be sent again. */
const PATIENCE_MS = 10_000;
const RETRY_AFTER_TURN_SECONDS = 10;
const MEDIA_TYPE = 'application/xml';
/** A megabyte of the file. */
const PARTS_AT_ONCE = 16;
/** Files that one file of feedback answers, in its event. */
const LISTED_FILES = 100;

/**
 * What authorities answered. A file of feedback is one act of `_reporting`: before it stand what it says of single records,
 * where that is news, and the file itself, as it came.
 */
@Injectable()
export class ReceivedFeedback {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly longReads: LongReads,
    private readonly book: ReportingBook,
    private readonly ledger: ReportingLedger,
    private readonly turn: ReportingTurn,
  ) {}

  /**
   * Takes a file in, once: the same file again changes nothing, but for what it says of files that were not sent then and
   * were since: that is judged by another act. Durable once resolved. Throws invalid-body, reads-overloaded, and what
   * appending throws; then nothing of it counts.
   */
  async take(file: Buffer, caller: Principal, gone: AbortSignal): Promise<{ act: RecordedAct; isNew: boolean }> {
    const sha256 = createHash('sha256').update(file).digest('hex');
    for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt++) {
      const upToAct = await this.book.catchUp();
      const known = await this.book.find('feedback', sha256);
      const again = known && { known, ofFiles: await this.sentSince(known) };
      if (again?.ofFiles.length === 0) return { act: again.known, isNew: false };
      try {
        await this.turn.free(PATIENCE_MS); // rather than write down what is not to count yet
        return { act: await this.record(file, sha256, upToAct, caller, gone, again), isNew: true };
      } catch (error) {
        if (error instanceof TurnTaken) throw goesFirst(error);
        if (!(error instanceof OvertakenError)) throw error;
      }
    }
    throw new Problem('reads-overloaded', 'Other submissions and feedback came first each time: send it again', {
      retryAfterSeconds: RETRY_AFTER_SECONDS,
    });
  }

  /** By the SHA-256 of the file, hex. Throws feedback-not-found. */
  async find(sha256: string): Promise<RecordedAct> {
    await this.book.catchUp();
    const act = /^[0-9a-f]{64}$/.test(sha256) ? await this.book.find('feedback', sha256) : undefined;
    if (!act) throw new Problem('feedback-not-found', 'No such file of feedback was handed in');
    return act;
  }

  /** The latest ones first. */
  async list(limit: number): Promise<RecordedAct[]> {
    await this.book.catchUp();
    return this.book.list('feedback', limit);
  }

  /** Files that were not sent when it was told what feedback says of them, and are now: of those that its act lists. */
  private async sentSince({ summary }: RecordedAct): Promise<string[]> {
    const unknown = listedFiles(summary).flatMap(({ executing_entity: whose, message_id: id }) =>
      whose === null && id !== null ? [id] : [],
    );
    return unknown.length === 0 ? [] : [...(await this.book.sentMessages(unknown))];
  }

  private async record(
    file: Buffer,
    sha256: string,
    upToAct: number,
    caller: Principal,
    gone: AbortSignal,
    again: JudgedAgain | undefined,
  ): Promise<RecordedAct> {
    const at = new Date().toISOString();
    const made = { maker: uuidv7(), principal: caller.id.slice(0, 255), at };
    const { REPORTING_SENDER: sender, REPORTING_RECEIVER: receiver } = this.config;
    const plan = { file, upToAct, sender, receiver, ofFiles: again?.ofFiles };
    const pieces = this.longReads.pieces({ kind: 'feedback', plan }, gone, () => Promise.resolve());
    let number = 0;
    let next = await pieces.next();
    for (; !next.done; next = await pieces.next()) {
      const records = readJson(Buffer.from(next.value)) as unknown as AdvisedRecord[];
      await this.ledger.append(records.map((record) => advisedEvent(record, (number += 1), made)));
    }
    const totals = next.value.feedback!;
    const summary = again
      ? summaryOfBoth(again.known.summary, totals)
      : summaryOf(file.length, await this.keep(file, sha256, made), totals);
    const act = { kind: 'feedback' as const, subject: sha256, maker: made.maker, principal: made.principal, summary };
    return this.turn.beside(() => this.book.record(act, upToAct, at), { patienceMs: PATIENCE_MS, signal: gone });
  }

  /** The file as it came, in how many parts. */
  private async keep(file: Buffer, sha256: string, made: Parameters<typeof partEvent>[3]): Promise<number> {
    const parts = Math.ceil(file.length / MAX_RAW_BYTES);
    for (let part = 0; part < parts; part += PARTS_AT_ONCE) {
      const some = Array.from({ length: Math.min(PARTS_AT_ONCE, parts - part) }, (_, i) => {
        const bytes = file.subarray((part + i) * MAX_RAW_BYTES, (part + i + 1) * MAX_RAW_BYTES);
        const raw = { media_type: MEDIA_TYPE, data: bytes.toString('base64') };
        return partEvent(sha256, part + i + 1, raw, made);
      });
      await this.ledger.append(some);
    }
    return parts;
  }
}

function goesFirst(cause: TurnTaken): Problem {
  return new Problem('reads-overloaded', 'A submission that was overtaken goes first: send it again', {
    cause,
    retryAfterSeconds: RETRY_AFTER_TURN_SECONDS,
  });
}

/** What was said of a file of feedback before, and the files that it answers and that were sent since. */
interface JudgedAgain {
  known: RecordedAct;
  ofFiles: readonly string[];
}

type FileSummary = JsonObject & { message_id: string | null; executing_entity: string | null };

function listedFiles(summary: JsonObject): readonly FileSummary[] {
  return summary.files as FileSummary[];
}

/** What was said before, with what is said now in the place of files that were not sent then. */
function summaryOfBoth(before: JsonObject, { isAddressedElsewhere, isSentByOther, files }: FeedbackTotals): JsonObject {
  const judged = [...files];
  return {
    ...before,
    is_addressed_elsewhere: before.is_addressed_elsewhere === true && isAddressedElsewhere,
    is_sent_by_other: before.is_sent_by_other === true && isSentByOther,
    files: listedFiles(before).map((file) => {
      const isJudged = file.executing_entity === null && file.message_id === judged[0]?.messageId;
      return isJudged ? fileSummary(judged.shift()!) : file;
    }),
  };
}

function summaryOf(bytes: number, parts: number, totals: FeedbackTotals): JsonObject {
  const { messageId, addressedTo, isAddressedElsewhere, sentBy, isSentByOther, files } = totals;
  return {
    ...{ addressed_to: addressedTo ?? null, is_addressed_elsewhere: isAddressedElsewhere },
    ...{ sent_by: sentBy ?? null, is_sent_by_other: isSentByOther },
    ...{ bytes: String(bytes), parts: String(parts), message_id: messageId ?? null },
    files_total: String(files.length),
    files: files.slice(0, LISTED_FILES).map(fileSummary),
  };
}

function fileSummary(file: JudgedFile): JsonObject {
  const { pending, accepted, rejected } = file.changed;
  return {
    ...{ message_id: file.messageId ?? null, status: file.status, executing_entity: file.executingEntity ?? null },
    ...{ pending: String(pending), accepted: String(accepted), rejected: String(rejected) },
    ...{ unchanged: String(file.unchanged), contradictions: String(file.contradictions) },
    ...{ unknown: String(file.unknown), unknown_records: file.unknownRecords },
    ...{ unsaid: String(file.unsaid), why_unsaid: file.whyUnsaid ?? null },
  };
}
