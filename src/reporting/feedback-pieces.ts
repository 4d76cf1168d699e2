import type pg from 'pg';
import type { Piece, ReadTotals } from '../long-reads/long-read.js';
import { ReferenceTimelines } from '../reference-data/reference-timelines.js';
import { effectsOf } from '../transaction-reports/feedback-effects.js';
import { readFeedback, type FileAdvice } from '../transaction-reports/feedback.js';
import { MessageFileError } from '../transaction-reports/message-document.js';
import { withAdvice, type Submission, type Submissions } from '../transaction-reports/submissions.js';
import type { FeedbackRead, FeedbackTotals, JudgedFile } from './feedback-read.js';
import { isSameAuthority } from './authority-calendar.js';
import { refusedFile } from './refused-file.js';
import * as sql from './reporting-book.sql.js';
import type { AdvisedRecord } from './reporting-events.js';

/** References that are looked up, and records that are handed on, at once. */
const RECORDS_AT_ONCE = 500;
/** Of records that no file has, these many are named. */
const NAMED_RECORDS = 100;
const ALL_REVISIONS = 2n ** 63n - 1n;
/** What ever held is asked for. */
const ANY_TIME = '2018-01-03T00:00:00Z';

/**
 * What a file of feedback says that is news, by what was sent and answered up to an act: pieces of JSON, lists of
 * AdvisedRecord. Throws invalid-body where it is no feedback, or contradicts itself; the database's errors.
 */
export async function* piecesOfFeedback(
  pool: pg.Pool,
  { file, upToAct, sender, receiver, ofFiles }: FeedbackRead,
  gone: AbortSignal,
): AsyncGenerator<Piece, ReadTotals> {
  try {
    const feedback = readFeedback(file);
    const judging = new Judging(pool, upToAct);
    for (const advice of feedback.files) {
      if (ofFiles && !(advice.answers !== undefined && ofFiles.includes(advice.answers))) continue;
      for await (const news of judging.news(advice)) {
        gone.throwIfAborted();
        if (news.length > 0) yield { text: JSON.stringify(news), asOf: String(upToAct) };
      }
    }
    const { messageId, addressedTo, sentBy } = feedback;
    const { senders, receivers } = judging;
    if (senders.size === 0 && sender !== undefined && receiver !== undefined) {
      senders.add(sender);
      receivers.add(receiver);
    }
    const firms = new Set(judging.files.flatMap(({ executingEntity }) => executingEntity ?? []));
    const isAddressedElsewhere =
      addressedTo !== undefined && !senders.has(addressedTo) && !(await actFor(pool, firms)).has(addressedTo);
    const isSentByOther =
      sentBy !== undefined && receivers.size > 0 && ![...receivers].some((each) => isSameAuthority(each, sentBy));
    return {
      feedback: { ...{ messageId, addressedTo, isAddressedElsewhere, sentBy, isSentByOther }, files: judging.files },
    };
  } catch (error) {
    throw error instanceof MessageFileError ? refusedFile(error, 'feedback') : error;
  }
}

/** Firms, and whoever submits or ever submitted for them, by the reference data as they are now. */
async function actFor(pool: pg.Pool, firms: ReadonlySet<string>): Promise<ReadonlySet<string>> {
  const timelines = new ReferenceTimelines(async (work) => {
    const client = await pool.connect();
    try {
      return await work(client);
    } finally {
      client.release();
    }
  }, ALL_REVISIONS);
  const submitting = () =>
    [...firms].flatMap((firm) => timelines.at(ANY_TIME).valuesEver('legal-entity', firm, 'submitting_entity'));
  let submitters = submitting();
  while (await timelines.readWanted()) submitters = submitting();
  return new Set([...firms, ...submitters]);
}

class Judging {
  readonly files: FeedbackTotals['files'][number][] = [];
  /** who sent the files that are answered, and who got them */
  readonly senders = new Set<string>();
  readonly receivers = new Set<string>();
  /** as this very file has left them: it may answer a file twice */
  private readonly answered = new Map<string, Submissions>();
  /** records of files of which this very file said a second thing: it decides no more which one holds */
  private readonly inDoubt = new Set<string>();
  private named = 0;

  constructor(
    private readonly pool: pg.Pool,
    private readonly upToAct: number,
  ) {}

  async *news(advice: FileAdvice): AsyncGenerator<AdvisedRecord[]> {
    const { answers: messageId, status } = advice;
    const sent =
      messageId === undefined ? undefined : await sql.referencesOfMessage(this.pool, messageId, this.upToAct);
    const judged: JudgedFile = {
      ...{
        messageId,
        status,
        executingEntity: sent?.executingEntity,
        changed: { pending: 0, accepted: 0, rejected: 0 },
      },
      ...{ unchanged: 0, contradictions: 0, unknown: 0, unknownRecords: [] },
      ...{ unsaid: 0, whyUnsaid: undefined },
    };
    this.files.push(judged);
    if (messageId === undefined || !sent) {
      this.unknown(
        judged,
        advice.records.map(({ recordId }) => recordId),
      );
      return;
    }
    const sending = await sql.sendingOfMessage(this.pool, messageId, this.upToAct);
    if (sending) {
      this.senders.add(sending.sender);
      this.receivers.add(sending.receiver);
    }
    const { states, unknown, silence } = effectsOf(advice, sent.references, sent.executingEntity);
    this.unknown(judged, unknown);
    if (silence) [judged.unsaid, judged.whyUnsaid] = [silence.count, silence.why];
    const references = [...states.keys()];
    for (let at = 0; at < references.length; at += RECORDS_AT_ONCE) {
      const some = references.slice(at, at + RECORDS_AT_ONCE);
      const known = await this.submissionsOf(sent.executingEntity, some);
      const news: AdvisedRecord[] = [];
      for (const transactionReference of some) {
        const advised = states.get(transactionReference)!;
        const { submissions, change } = withAdvice(known.get(transactionReference) ?? [], messageId, advised);
        const { state, rules } = advised;
        const record = `${messageId} ${keyOf(sent.executingEntity, transactionReference)}`;
        if (change === 'none' || change === 'unknown' || state === 'sent' || this.inDoubt.has(record)) {
          judged.unchanged += 1;
          continue;
        }
        const contradicts = change === 'contradicts';
        news.push({
          executingEntity: sent.executingEntity,
          transactionReference,
          messageId,
          state,
          rules,
          contradicts,
        });
        if (contradicts) this.inDoubt.add(record);
        if (contradicts) judged.contradictions += 1;
        else judged.changed[state] += 1;
        this.answered.set(keyOf(sent.executingEntity, transactionReference), submissions);
      }
      yield news;
    }
  }

  private unknown(judged: JudgedFile, records: readonly string[]): void {
    judged.unknown = records.length;
    judged.unknownRecords = records.slice(0, NAMED_RECORDS - this.named);
    this.named += judged.unknownRecords.length;
  }

  private async submissionsOf(
    executingEntity: string,
    references: readonly string[],
  ): Promise<Map<string, Submission[]>> {
    const known = new Map<string, Submission[]>();
    for (const record of await sql.sentRecords(this.pool, { executingEntity, references }, this.upToAct)) {
      const { transactionReference } = record;
      known.set(transactionReference, [...(known.get(transactionReference) ?? []), record]);
    }
    for (const reference of references) {
      const answered = this.answered.get(keyOf(executingEntity, reference));
      if (answered) known.set(reference, [...answered]);
    }
    return known;
  }
}

/** An LEI has no blank. */
function keyOf(executingEntity: string, transactionReference: string): string {
  return `${executingEntity} ${transactionReference}`;
}
