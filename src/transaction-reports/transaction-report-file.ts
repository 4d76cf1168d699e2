import { parseTimestamp } from '../integrity/timestamp.js';
import { MAX_MESSAGE_ID } from '../config/message-id.js';
import { ENVELOPE_NAMESPACE, HEADER_NAMESPACE, REPORT_MESSAGE, REPORT_NAMESPACE } from './schema-sets.js';
import type { SchemaFinding } from './schema-pack.js';
import { fieldSetOn, type FieldSet } from './field-sets.js';
import type { TransactionReport } from './transaction-report.js';
import { element } from './xml-text.js';

/** Sender or receiver, by an id and the scheme of it: a code of ISO 20022, or a name of one's own (`LEI`, `NCA`). */
export interface Organisation {
  id: string;
  scheme?: { code: string } | { proprietary: string };
}

/** The business application header of a file. */
export interface FileHeader {
  from: Organisation;
  to: Organisation;
  /** up to 35 characters, unique for the sender */
  messageId: string;
  /** canonical */
  createdAt: string;
}

/** When one file ends and the next begins. */
export interface FileLimits {
  transactions: number;
  /** of the whole file, in UTF-8 */
  bytes: number;
}

/** Of how many reports a file is. */
export interface ReportCounts {
  new: number;
  cancelled: number;
}

/** Where a record stands in its file: the element `Tx`, in bytes of the file. */
export interface RecordPlace {
  /** before its first byte */
  from: number;
  bytes: number;
}

/** A piece of a file, and the records that it holds, whole and in their order. */
export interface FileChunk {
  bytes: Buffer;
  records: readonly RecordPlace[];
}

/** A file as it is made: its chunks are taken once, and before the next file is asked for. */
export interface ReportFile {
  /** from 1 */
  number: number;
  header: FileHeader;
  chunks: AsyncIterable<FileChunk>;
  /** of what was written so far; of the whole file once its chunks are taken */
  counts: ReportCounts;
}

/** A file that its schemas do not allow: nothing of it may be sent. */
export class InvalidReportFileError extends Error {
  override readonly name = 'InvalidReportFileError';

  constructor(
    readonly messageId: string,
    readonly findings: readonly SchemaFinding[],
  ) {
    super(`file ${messageId} is not valid by its schemas: ${findings[0]?.message}`);
  }
}

/** So much is held of a file at a time, and validated in one piece. */
const CHUNK_BYTES = 256 * 1024;

/**
 * Files of reports, as many as the limits make necessary, none where there is no report. Of each file a chunk is in
 * memory at a time. `validate` gets every piece as a document of its own, before it is handed out: the schema knows no rule
 * that goes beyond one report, so that the file is valid exactly if its pieces are. `form` is how records are written: as on
 * the day of the files, when left out.
 *
 * Throws UnwritableReportError, InvalidReportFileError, and RangeError where one report alone is beyond the limits.
 */
export async function* reportFiles(
  reports: AsyncIterable<TransactionReport> | Iterable<TransactionReport>,
  headerOf: (number: number) => FileHeader,
  limits: FileLimits,
  validate?: (document: Buffer) => readonly SchemaFinding[],
  form: Pick<FieldSet, 'xml'> = fieldSetOn(headerOf(1).createdAt.slice(0, 10)),
): AsyncGenerator<ReportFile, void, undefined> {
  const source = texts(reports, form);
  try {
    yield* filesOf(source, headerOf, limits, validate);
  } finally {
    await source.return(); // also where nobody takes more of them
  }
}

async function* filesOf(
  source: ReturnType<typeof texts>,
  headerOf: (number: number) => FileHeader,
  limits: FileLimits,
  validate: ((document: Buffer) => readonly SchemaFinding[]) | undefined,
): AsyncGenerator<ReportFile, void, undefined> {
  let next = await source.next();
  for (let number = 1; !next.done; number++) {
    const header = headerOf(number);
    const head = Buffer.from(headXml(header));
    const counts: ReportCounts = { new: 0, cancelled: 0 };
    let isTaken = false;
    const chunks = async function* (): AsyncGenerator<FileChunk, void, undefined> {
      let at = head.byteLength;
      let chunk: Buffer[] = [];
      let records: RecordPlace[] = [];
      let chunkBytes = 0;
      const flush = (): FileChunk => {
        const piece = { bytes: Buffer.concat(chunk), records };
        const findings = validate?.(Buffer.concat([head, piece.bytes, TAIL])) ?? [];
        if (findings.length > 0) throw new InvalidReportFileError(header.messageId, findings);
        chunk = [];
        records = [];
        chunkBytes = 0;
        return piece;
      };
      yield { bytes: head, records: [] };
      while (!next.done) {
        const { xml, status } = next.value;
        const count = counts.new + counts.cancelled;
        if (at + xml.byteLength + TAIL.byteLength > limits.bytes || count >= limits.transactions) {
          if (count === 0) throw new RangeError('one report alone is beyond the limits of a file');
          break;
        }
        chunk.push(xml);
        records.push({ from: at, bytes: xml.byteLength });
        chunkBytes += xml.byteLength;
        at += xml.byteLength;
        if (status === 'NEWT') counts.new++;
        else counts.cancelled++;
        if (chunkBytes >= CHUNK_BYTES) yield flush();
        next = await source.next();
      }
      if (chunkBytes > 0) yield flush();
      yield { bytes: TAIL, records: [] };
      isTaken = true;
    };
    yield { number, header, chunks: chunks(), counts };
    if (!isTaken) throw new Error(`file ${header.messageId} was not taken to its end before the next was asked for`);
  }
}

async function* texts(
  reports: AsyncIterable<TransactionReport> | Iterable<TransactionReport>,
  form: Pick<FieldSet, 'xml'>,
): AsyncGenerator<{ xml: Buffer; status: TransactionReport['status'] }, void, undefined> {
  for await (const report of reports) yield { xml: Buffer.from(form.xml(report)), status: report.status };
}

function headXml({ from, to, messageId, createdAt }: FileHeader): string {
  if (messageId === '' || [...messageId].length > MAX_MESSAGE_ID) {
    throw new RangeError(`the message id ${messageId} must have 1 to ${MAX_MESSAGE_ID} characters`);
  }
  return [
    `<?xml version="1.0" encoding="UTF-8"?>\n<BizData xmlns="${ENVELOPE_NAMESPACE}"><Hdr>`,
    `<AppHdr xmlns="${HEADER_NAMESPACE}">`,
    `<Fr>${organisationXml(from)}</Fr><To>${organisationXml(to)}</To>`,
    element('BizMsgIdr', messageId),
    element('MsgDefIdr', REPORT_MESSAGE),
    element('CreDt', parseTimestamp(createdAt).canonical),
    `</AppHdr></Hdr><Pyld><Document xmlns="${REPORT_NAMESPACE}"><FinInstrmRptgTxRpt>`,
  ].join('');
}

const TAIL = Buffer.from('</FinInstrmRptgTxRpt></Document></Pyld></BizData>\n');

/** A message without an envelope, of records as they stand in files. */
export function bareDocument(records: Uint8Array): Buffer {
  return Buffer.concat([
    Buffer.from(`<Document xmlns="${REPORT_NAMESPACE}"><FinInstrmRptgTxRpt>`),
    records,
    Buffer.from('</FinInstrmRptgTxRpt></Document>'),
  ]);
}

function organisationXml({ id, scheme }: Organisation): string {
  const name =
    scheme === undefined
      ? ''
      : `<SchmeNm>${'code' in scheme ? element('Cd', scheme.code) : element('Prtry', scheme.proprietary)}</SchmeNm>`;
  return `<OrgId><Id><OrgId><Othr>${element('Id', id)}${name}</Othr></OrgId></Id></OrgId>`;
}
