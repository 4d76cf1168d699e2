import { MessageFileError, withMessageDocument, type Element } from './message-document.js';
import { REPORT_NAMESPACE } from './schema-sets.js';
import { xmlBoolean } from './xml-values.js';

/** A record of a file of transaction reports, as it stands there. */
export interface ReportRecord {
  status: 'NEWT' | 'CANC';
  transactionReference: string;
  /** LEI */
  executingEntity: string;
  /** by path as FieldValue has it: texts of elements and attributes, amounts with their sign, the term of an index as one */
  values: ReadonlyMap<string, string>;
}

/** Elements of which there may be several; and those in a basket. */
const REPEATED: ReadonlySet<string> = new Set(['AcctOwnr', 'DcsnMakr', 'WvrInd', 'OTCPstTradInd']);
const BASKET = 'Bskt';

/**
 * Hands on the records of a file of reports (`auth.016.001.01`), in its envelope or bare, one after the other, since they
 * are larger in memory than in the file: one that was sent, or a sample that the authority gives out of what it has. What is
 * in a record is taken as it is. Returns the message id, if there is one.
 *
 * Throws MessageFileError.
 */
export function takeReportRecords(file: Uint8Array, take: (record: ReportRecord) => void): string | undefined {
  return withMessageDocument(file, REPORT_NAMESPACE, ({ document, messageId }) => {
    const [reports] = document.children({ FinInstrmRptgTxRpt: 'one' }).FinInstrmRptgTxRpt;
    for (const transaction of reports!.elements()) take(recordOf(transaction));
    return messageId;
  });
}

function recordOf(transaction: Element): ReportRecord {
  const [content, ...more] = transaction.elements();
  const isRecord = transaction.is('Tx', REPORT_NAMESPACE) && more.length === 0;
  if (!content || !isRecord || !['New', 'Cxl'].includes(content.name)) {
    throw new MessageFileError('FinInstrmRptgTxRpt must have elements Tx with one New or Cxl each', transaction.line);
  }
  const values = new Map<string, string>();
  collect(content, content.name, values);
  return {
    status: content.name === 'New' ? 'NEWT' : 'CANC',
    transactionReference: content.named('TxId').text(),
    executingEntity: content.named('ExctgPty').text(),
    values,
  };
}

function collect(element: Element, path: string, values: Map<string, string>): void {
  for (const [name, value] of element.attributes) values.set(`${path}/@${name}`, value);
  const children = element.elementsOrText();
  if (typeof children === 'string') {
    values.set(path, children);
    return;
  }
  const counts = new Map<string, number>();
  for (const child of children) {
    const count = (counts.get(child.name) ?? 0) + 1;
    counts.set(child.name, count);
    const isRepeated = REPEATED.has(child.name) || element.name === BASKET;
    collect(child, `${path}/${child.name}${isRepeated ? `[${count}]` : ''}`, values);
  }
  // field 49 is both as one
  if (element.name === 'Term') values.set(path, `${values.get(`${path}/Val`)} ${values.get(`${path}/Unit`)}`);
  const isNegative = xmlBoolean(values.get(`${path}/Sgn`) ?? 'true') === false;
  const amount = values.get(`${path}/Amt`);
  if (isNegative && amount !== undefined) values.set(`${path}/Amt`, `-${amount.replace(/^\+/, '')}`);
}
