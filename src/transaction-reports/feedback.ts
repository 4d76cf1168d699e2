import { FILE_STATUSES, RECORD_STATUSES, type FileStatus, type RecordStatus } from './feedback-statuses.js';
import { Element, MessageFileError, withMessageDocument } from './message-document.js';
import { FEEDBACK_NAMESPACE } from './schema-sets.js';

/** A rule of the authority that was not met. Ids are the authority's, and are not interpreted. */
export interface BrokenRule {
  id: string;
  description: string;
}

export interface RecordAdvice {
  /** as the authority writes it: the LEI of the executing entity and the transaction reference, or the reference alone */
  recordId: string;
  status: RecordStatus;
  rules: readonly BrokenRule[];
}

/** How many records a file had, and how many of them have each status. */
export interface FeedbackStatistics {
  total: number;
  perStatus: Readonly<Partial<Record<RecordStatus, number>>>;
}

/** What is said of one file that was sent. Records that were accepted are often not listed. */
export interface FileAdvice {
  /** the message id of the file that is answered */
  answers: string | undefined;
  status: FileStatus;
  rules: readonly BrokenRule[];
  statistics: FeedbackStatistics | undefined;
  records: readonly RecordAdvice[];
}

/** A file of feedback. */
export interface Feedback {
  /** its own; undefined where it came without an envelope */
  messageId: string | undefined;
  /** for whom it is, by its header; undefined where that does not say */
  addressedTo: string | undefined;
  /** whose it is, by the same */
  sentBy: string | undefined;
  files: readonly FileAdvice[];
}

/** With these nothing of the file was taken, so that its records need not be listed. */
const OF_THE_WHOLE: ReadonlySet<FileStatus> = new Set(['RJCT', 'INCF', 'CRPT']);

/** Whether the status says that no record of the file was taken. */
export function isRefusedWhole(status: FileStatus): boolean {
  return OF_THE_WHOLE.has(status);
}

/**
 * Reads feedback on transaction reports: `auth.031.001.01`, in its envelope or bare. It is held to its form by what is read
 * here, with or without the schemas, and to its own figures: the counts by status add up to the total, none is less than
 * what is listed, and each pending or rejected record of a file that was taken is listed, once.
 *
 * Throws MessageFileError, with the line where there is one.
 */
export function readFeedback(file: Uint8Array): Feedback {
  return withMessageDocument(file, FEEDBACK_NAMESPACE, ({ messageId, addressedTo, sentBy, document }) => {
    const [advice] = document.children({ FinInstrmRptgStsAdvc: 'one' }).FinInstrmRptgStsAdvc;
    return { messageId, addressedTo, sentBy, files: advice!.children({ StsAdvc: 'some' }).StsAdvc.map(fileAdvice) };
  });
}

/**
 * Of which report a record may be told: the rest of the id where it begins with the executing entity's LEI, and the id
 * itself. Which one it is, the references that were sent tell.
 */
export function referencesOf(recordId: string, executingEntity: string): string[] {
  const isPrefixed = recordId.startsWith(executingEntity) && recordId.length > executingEntity.length;
  return isPrefixed ? [recordId.slice(executingEntity.length), recordId] : [recordId];
}

function fileAdvice(advice: Element): FileAdvice {
  const { MsgRptIdr, MsgSts, RcrdSts } = advice.children({ MsgRptIdr: 'optional', MsgSts: 'one', RcrdSts: 'any' });
  const { Sts, VldtnRule, Sttstcs } = MsgSts[0]!.children({ Sts: 'one', VldtnRule: 'any', Sttstcs: 'optional' });
  const read: FileAdvice = {
    answers: MsgRptIdr[0] && boundedText(MsgRptIdr[0], 'MsgRptIdr', 35),
    status: oneOf(Sts[0]!, 'Sts', FILE_STATUSES),
    rules: VldtnRule.map(brokenRule),
    statistics: Sttstcs[0] && statisticsOf(Sttstcs[0]),
    records: RcrdSts.map(recordAdvice),
  };
  const mistake = contradiction(read);
  if (mistake) throw new MessageFileError(mistake, advice.line);
  return read;
}

function recordAdvice(record: Element): RecordAdvice {
  const { OrgnlRcrdId, Sts, VldtnRule } = record.children({ OrgnlRcrdId: 'one', Sts: 'one', VldtnRule: 'any' });
  return {
    recordId: boundedText(OrgnlRcrdId[0]!, 'OrgnlRcrdId', 140),
    status: oneOf(Sts[0]!, 'Sts', RECORD_STATUSES),
    rules: VldtnRule.map(brokenRule),
  };
}

function brokenRule(rule: Element): BrokenRule {
  const { Id, Desc } = rule.children({ Id: 'one', Desc: 'one', SchmeNm: 'optional', Issr: 'optional' });
  return { id: boundedText(Id[0]!, 'Id', 35), description: boundedText(Desc[0]!, 'Desc', 350) };
}

function statisticsOf(statistics: Element): FeedbackStatistics {
  const { TtlNbOfRcrds, NbOfRcrdsPerSts } = statistics.children({ TtlNbOfRcrds: 'one', NbOfRcrdsPerSts: 'some' });
  const perStatus: Partial<Record<RecordStatus, number>> = {};
  for (const each of NbOfRcrdsPerSts) {
    const { DtldNbOfRcrds, DtldSts } = each.children({ DtldNbOfRcrds: 'one', DtldSts: 'one' });
    const status = oneOf(DtldSts[0]!, 'DtldSts', RECORD_STATUSES);
    if (perStatus[status] !== undefined) throw new MessageFileError(`${status} is counted twice`, each.line);
    perStatus[status] = count(DtldNbOfRcrds[0]!, 'DtldNbOfRcrds');
  }
  return { total: count(TtlNbOfRcrds[0]!, 'TtlNbOfRcrds'), perStatus };
}

/** What in an advice cannot be, as a sentence's end. */
function contradiction({ status, statistics, records }: FileAdvice): string | undefined {
  const ids = new Set(records.map(({ recordId }) => recordId));
  if (ids.size !== records.length) {
    const twice = records.find(({ recordId }) => !ids.delete(recordId))!;
    return `the record ${twice.recordId} has two statuses`;
  }
  if (!statistics) return undefined;
  const { total, perStatus } = statistics;
  const sum = RECORD_STATUSES.reduce((all, each) => all + (perStatus[each] ?? 0), 0);
  if (sum !== total) return `TtlNbOfRcrds is ${total}, and the numbers by status add up to ${sum}`;
  for (const each of RECORD_STATUSES) {
    const stated = perStatus[each] ?? 0;
    const listed = records.filter((record) => record.status === each).length;
    if (listed > stated) return `${listed} records are ${each}, and DtldNbOfRcrds says ${stated}`;
    const mustBeListed = (each === 'PDNG' || each === 'RJCT') && !isRefusedWhole(status);
    if (mustBeListed && listed < stated)
      return `DtldNbOfRcrds says that ${stated} are ${each}, and ${listed} are listed`;
  }
  return undefined;
}

function boundedText(element: Element, name: string, most: number): string {
  const text = element.text();
  const length = [...text].length;
  if (length === 0 || length > most) {
    throw new MessageFileError(`${name} must have 1 to ${most} characters, and has ${length}`, element.line);
  }
  return text;
}

function oneOf<T extends string>(element: Element, name: string, values: readonly T[]): T {
  const text = element.text();
  const value = values.find((each) => each === text);
  if (value === undefined) throw new MessageFileError(`${name} must be one of ${values.join(', ')}`, element.line);
  return value;
}

function count(element: Element, name: string): number {
  const text = element.text();
  if (!/^[0-9]{1,15}$/.test(text)) throw new MessageFileError(`${name} must have 1 to 15 digits`, element.line);
  return Number(text);
}
