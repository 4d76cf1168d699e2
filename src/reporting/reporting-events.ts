import { createHash } from 'node:crypto';
import { uuidv7 } from '../database/uuidv7.js';
import { prepareEvent, type PreparedEvent } from '../events/prepared-event.js';
import { toContent, type Content, type RawMessage } from '../integrity/event.js';
import type { JsonObject } from '../integrity/strict-json.js';
import type { BrokenRule } from '../transaction-reports/feedback.js';
import type { Submission } from '../transaction-reports/submissions.js';
import type { RecordPlace } from '../transaction-reports/transaction-report-file.js';
import { NOTED, type Noted, type ReportNote } from './report-notes.js';
import type { ZipPart } from './submission-read.js';

/*
 * What the ledger `_reporting` holds. An act is a submission or a file of feedback. First come the events of single
 * reports, which name their maker, then the event of the act, which names the same maker: by it, and from it on, they
 * count. Those of a maker without an act, left by a process that died or came second, count for nothing.
 *
 * The files of a submission are recorded as they go out: its zip, in the `raw` of events of parts, and of each record where
 * in its file it stands.
 *
 * Of reports that a submission does not send it is recorded what keeps them back, where that is another thing than before;
 * a submission that sends nothing is an act where there is any of these.
 *
 * Acts are numbered, and the id of an act's event follows from its number. An id counts once in a ledger: of two that
 * decided by the same acts before them only one gets its own in, and the other has to decide anew.
 *
 * That reports were reconciled is an event by itself, and no act: nothing is decided by it.
 */

/** `event_type` of all of them. */
const EVENT_TYPE = 'transaction_reporting';
const OF_REPORT = 'transaction_report';
const OF_SUBMISSION = 'transaction_report_submission';
const OF_FEEDBACK = 'transaction_report_feedback';
const OF_RECONCILIATION = 'transaction_report_reconciliation';

export type ActKind = 'submission' | 'feedback';

const ENTITY_TYPES: Readonly<Record<ActKind, string>> = { submission: OF_SUBMISSION, feedback: OF_FEEDBACK };
const ACTIONS: Readonly<Record<ActKind, string>> = { submission: 'sent', feedback: 'received' };

/** A record of a file. */
export interface WrittenRecord {
  executingEntity: string;
  transactionReference: string;
  status: Submission['status'];
  /** SHA-256 of the record as it stands in the file, hex */
  digest: string;
  messageId: string;
  /** of the execution or allocation, as first recorded */
  eventId: string;
  version: number;
  leg: number;
  /** field 28, of a new report */
  tradingTime: string | null;
  /** in its file */
  place: RecordPlace;
}

/** A part of the zip of files that were sent. */
export interface FilePart {
  /** from 1 */
  part: number;
  content: ZipPart['content'];
}

/** What feedback says of a record, where it is news. */
export interface AdvisedRecord {
  executingEntity: string;
  transactionReference: string;
  messageId: string;
  state: Exclude<Submission['state'], 'sent'>;
  rules: readonly BrokenRule[];
  /** the record has another final state already, and keeps it */
  contradicts: boolean;
}

/** What a submission found of a report that it does not send, where it is another thing than before. */
export interface NotedReport extends ReportNote {
  /** whose executions were reported */
  ledger: string;
  executingEntity: string;
  transactionReference: string;
  orderId: string;
  /** of the execution or allocation, as first recorded */
  eventId: string;
}

/** An act, as its event has it. */
export interface Act {
  /** from 1 */
  act: number;
  kind: ActKind;
  /** of a submission the id of its run, of feedback the SHA-256 of the file in hex */
  subject: string;
  maker: string;
  principal: string;
  /** `new_state` of the event */
  summary: JsonObject;
}

/** What `summary` of a submission says. Counts and sequences are decimal strings, hashes lower-case hex. */
export interface SubmissionSummary extends JsonObject {
  /** whose executions it reports */
  ledger: string;
  executing_entity: string;
  parameters: Record<string, string>;
  as_of: string;
  /** who sent its files to which authority: their numbers are of these two; acts of the first releases do not say it */
  sender?: string;
  receiver?: string;
  /** numbers of files, where there are any */
  first_file?: string;
  last_file?: string;
  files: { message_id: string; new: string; cancelled: string; bytes: string; sha256: string }[];
  /** that the files are in, which the events `part` hold */
  zip: { bytes: string; sha256: string; parts: string };
  decisions: Record<string, string>;
  /** versions of what its reports were made by, by name: see made-with.ts */
  made_with: Record<string, string>;
}

/** What an event of the ledger says, if others are decided by it. */
export type ReportingFact =
  | { is: 'written'; maker: string; record: WrittenRecord }
  | { is: 'noted'; maker: string; note: NotedReport }
  | { is: 'part'; maker: string; part: FilePart }
  | { is: 'advised'; maker: string; number: number; record: AdvisedRecord }
  | ({ is: 'act' } & Act);

/** The id of the event that is an act: a UUID of version 8 (RFC 9562, section 5.8), of its number alone. */
export function actEventId(act: number): string {
  const bytes = createHash('sha256').update(`truetrail transaction reporting, act ${act}`).digest().subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

interface Made {
  maker: string;
  principal: string;
  /** RFC 3339 */
  at: string;
}

// Very many are made of a submission: written without `...`, by which each would have a hidden class of its own (V8 11), which stays
// until a full garbage collection.

/** That a record was written into a file. */
export function writtenEvent(record: WrittenRecord, { maker, principal, at }: Made): PreparedEvent {
  const { executingEntity, transactionReference, status, digest, messageId, eventId, version, leg } = record;
  const { tradingTime, place } = record;
  return prepared({
    event_id: uuidv7(),
    timestamp: at,
    event_type: EVENT_TYPE,
    entity_type: OF_REPORT,
    entity_id: transactionReference,
    action: 'written',
    user_id: principal,
    metadata: { maker },
    new_state: {
      executing_entity: executingEntity,
      status,
      sha256: digest,
      message_id: messageId,
      event_id: eventId,
      version: String(version),
      leg: String(leg),
      trading_time: tradingTime,
      file_from: String(place.from),
      file_bytes: String(place.bytes),
    },
  });
}

/** What was found of a report that is not sent: action `held`, `drafted` or `released`. */
export function notedEvent(report: NotedReport, { maker, principal, at }: Made): PreparedEvent {
  const { ledger, executingEntity, transactionReference, orderId, eventId } = report;
  return prepared({
    event_id: uuidv7(),
    timestamp: at,
    event_type: EVENT_TYPE,
    entity_type: OF_REPORT,
    entity_id: transactionReference,
    action: report.noted,
    user_id: principal,
    metadata: { maker },
    new_state: {
      ledger,
      executing_entity: executingEntity,
      order_id: orderId,
      event_id: eventId,
      why: report.why,
      to_mend: report.toMend,
      values_sha256: report.valuesDigest,
    },
  });
}

/** What feedback says of a record: action `advised`, or `contradicted`. `number` is its place among those of its maker. */
export function advisedEvent(record: AdvisedRecord, number: number, { maker, principal, at }: Made): PreparedEvent {
  const { executingEntity, transactionReference, messageId, state, rules, contradicts } = record;
  return prepared({
    event_id: uuidv7(),
    timestamp: at,
    event_type: EVENT_TYPE,
    entity_type: OF_REPORT,
    entity_id: transactionReference,
    action: contradicts ? 'contradicted' : 'advised',
    user_id: principal,
    metadata: { maker, number: String(number) },
    new_state: {
      executing_entity: executingEntity,
      message_id: messageId,
      state,
      rules: rules.map(({ id, description }) => ({ id, description })),
    },
  });
}

/** A part of a file of feedback, as it came. */
export function partEvent(
  sha256: string,
  part: number,
  raw: RawMessage,
  { maker, principal, at }: Made,
): PreparedEvent {
  return prepared({
    ...{
      event_id: uuidv7(),
      timestamp: at,
      event_type: EVENT_TYPE,
      entity_type: OF_FEEDBACK,
      entity_id: sha256,
      action: 'part',
    },
    ...{ user_id: principal, new_state: { part: String(part) }, metadata: { maker }, raw },
  });
}

/** A part of the zip of the files of a submission, as it goes out. */
export function filePartEvent(
  run: string,
  { part, content }: FilePart,
  bytes: Buffer,
  { maker, principal, at }: Made,
): PreparedEvent {
  const { messageId, from, bytes: unpacked } = content ?? {};
  return prepared({
    ...{
      event_id: uuidv7(),
      timestamp: at,
      event_type: EVENT_TYPE,
      entity_type: OF_SUBMISSION,
      entity_id: run,
      action: 'part',
    },
    ...{ user_id: principal, metadata: { maker } },
    new_state: {
      part: String(part),
      ...(content && { message_id: messageId!, file_from: String(from), file_bytes: String(unpacked) }),
    },
    raw: { media_type: 'application/zip', data: bytes.toString('base64') },
  });
}

/** The event that is an act. */
export function actEvent({ act, kind, subject, maker, principal, summary }: Act, at: string): PreparedEvent {
  return prepared({
    ...{
      event_id: actEventId(act),
      timestamp: at,
      event_type: EVENT_TYPE,
      entity_type: ENTITY_TYPES[kind],
      entity_id: subject,
    },
    ...{ action: ACTIONS[kind], user_id: principal, new_state: summary, metadata: { maker, act: String(act) } },
  });
}

/** That reports were reconciled: what with, and what came of it. */
export function reconciledEvent(id: string, principal: string, at: string, state: JsonObject): PreparedEvent {
  return prepared({
    ...{
      event_id: uuidv7(),
      timestamp: at,
      event_type: EVENT_TYPE,
      entity_type: OF_RECONCILIATION,
      entity_id: id,
      action: 'reconciled',
    },
    ...{ user_id: principal, new_state: state, metadata: {} },
  });
}

/** What an event says. Throws Error for one that no version of the service has written. */
export function factOf(content: Content): ReportingFact | undefined {
  if (content.event_type !== EVENT_TYPE) return undefined; // the first one of a successor says whom it succeeds
  const { entity_type: type, entity_id: id, action, user_id: principal, new_state: state, metadata } = content;
  if (type === OF_RECONCILIATION) return undefined;
  const maker = textIn(metadata, 'maker');
  if (type === OF_REPORT) {
    const noted = NOTED.find((each) => each === action);
    if (noted) return { is: 'noted', maker, note: noteIn(id, noted, state) };
    const executingEntity = textIn(state, 'executing_entity');
    const messageId = textIn(state, 'message_id');
    if (action === 'written') {
      const { trading_time: tradingTime } = state;
      const record: WrittenRecord = {
        executingEntity,
        transactionReference: id,
        messageId,
        status: textIn(state, 'status') as WrittenRecord['status'],
        digest: textIn(state, 'sha256'),
        eventId: textIn(state, 'event_id'),
        version: Number(state.version),
        leg: Number(state.leg),
        tradingTime: typeof tradingTime === 'string' ? tradingTime : null,
        place: placeIn(state),
      };
      return { is: 'written', maker, record };
    }
    const record: AdvisedRecord = {
      executingEntity,
      transactionReference: id,
      messageId,
      state: textIn(state, 'state') as AdvisedRecord['state'],
      rules: state.rules as unknown as readonly BrokenRule[],
      contradicts: action === 'contradicted',
    };
    return { is: 'advised', maker, number: Number(textIn(metadata, 'number')), record };
  }
  const kind = (['submission', 'feedback'] as const).find((each) => ENTITY_TYPES[each] === type);
  if (kind === undefined) throw new Error(`${type} is nothing that is reported`);
  if (kind === 'submission' && action === 'part') {
    const hasContent = typeof state.message_id === 'string';
    const content = hasContent ? { messageId: textIn(state, 'message_id'), ...placeIn(state) } : undefined;
    return { is: 'part', maker, part: { part: Number(textIn(state, 'part')), content } };
  }
  if (action !== ACTIONS[kind]) return undefined;
  const act = Number(textIn(metadata, 'act'));
  return { is: 'act', act, kind, subject: id, maker, principal, summary: state };
}

function noteIn(transactionReference: string, noted: Noted, state: JsonObject): NotedReport {
  const { to_mend: toMend, values_sha256: valuesDigest } = state;
  return {
    ledger: textIn(state, 'ledger'),
    executingEntity: textIn(state, 'executing_entity'),
    transactionReference,
    orderId: textIn(state, 'order_id'),
    eventId: textIn(state, 'event_id'),
    noted,
    why: textIn(state, 'why') as NotedReport['why'],
    toMend: typeof toMend === 'string' ? toMend : null,
    valuesDigest: typeof valuesDigest === 'string' ? valuesDigest : null,
  };
}

function placeIn(state: JsonObject): RecordPlace {
  return { from: Number(textIn(state, 'file_from')), bytes: Number(textIn(state, 'file_bytes')) };
}

function textIn(object: JsonObject, name: string): string {
  const value = object[name];
  if (typeof value !== 'string') throw new Error(`an event of transaction reporting has no ${name}`);
  return value;
}

function prepared(event: Parameters<typeof toContent>[0]): PreparedEvent {
  return prepareEvent(toContent(event), 'service');
}
