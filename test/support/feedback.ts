import { ENVELOPE_NAMESPACE, FEEDBACK_NAMESPACE, HEADER_NAMESPACE } from '../../src/transaction-reports/schema-sets.js';
import type { FileAdvice, FeedbackStatistics, BrokenRule } from '../../src/transaction-reports/feedback.js';
import { element } from '../../src/transaction-reports/xml-text.js';

/** Feedback as the authority of the tests writes it to their sender, so that each test states only what it is about. */
export function feedbackXml(files: readonly Partial<FileAdvice>[], messageId?: string, to = 'TF', from = 'FR'): string {
  const advices = files.map(({ answers, status = 'ACPT', rules = [], statistics, records = [] }) => {
    const ofRecords = records.map(({ recordId, status: of, rules: broken }) =>
      tag('RcrdSts', element('OrgnlRcrdId', recordId), element('Sts', of), ...broken.map(ruleXml)),
    );
    const ofFile = tag(
      'MsgSts',
      element('Sts', status),
      ...rules.map(ruleXml),
      statistics ? statisticsXml(statistics) : '',
    );
    return tag('StsAdvc', answers === undefined ? '' : element('MsgRptIdr', answers), ofFile, ...ofRecords);
  });
  const document = `<Document xmlns="${FEEDBACK_NAMESPACE}">${tag('FinInstrmRptgStsAdvc', ...advices)}</Document>`;
  if (messageId === undefined) return document;
  const organisation = (id: string): string => `<OrgId><Id><OrgId><Othr><Id>${id}</Id></Othr></OrgId></Id></OrgId>`;
  const header = [
    tag('Fr', organisation(from)) + tag('To', organisation(to)),
    element('BizMsgIdr', messageId),
    element('MsgDefIdr', 'auth.031.001.01'),
    element('CreDt', '2026-06-02T20:00:00Z'),
  ].join('');
  return [
    `<?xml version="1.0" encoding="UTF-8"?>\n<BizData xmlns="${ENVELOPE_NAMESPACE}">`,
    `<Hdr><AppHdr xmlns="${HEADER_NAMESPACE}">${header}</AppHdr></Hdr><Pyld>${document}</Pyld></BizData>`,
  ].join('');
}

function statisticsXml({ total, perStatus }: FeedbackStatistics): string {
  const each = Object.entries(perStatus).map(([status, count]) =>
    tag('NbOfRcrdsPerSts', element('DtldNbOfRcrds', String(count)), element('DtldSts', status)),
  );
  return tag('Sttstcs', element('TtlNbOfRcrds', String(total)), ...each);
}

function ruleXml({ id, description }: BrokenRule): string {
  return tag('VldtnRule', element('Id', id), element('Desc', description));
}

function tag(name: string, ...content: string[]): string {
  return `<${name}>${content.join('')}</${name}>`;
}
