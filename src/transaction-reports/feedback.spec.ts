import { feedbackXml } from '../../test/support/feedback.js';
import { FIRM } from '../../test/support/transaction-reports.js';
import { MessageFileError } from './message-document.js';
import { readFeedback, referencesOf, type FileAdvice } from './feedback.js';
import { FILE_STATUSES, RECORD_STATUSES } from './feedback-statuses.js';
import { MAX_MESSAGE_BYTES, SCHEMA_SETS } from './schema-sets.js';
import { SchemaPack } from './schema-pack.js';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

const REFERENCE = resolve(import.meta.dirname, '../..', process.env.TRUETRAIL_SHARED ?? '../shared', 'reference');
const HAS_REFERENCE = existsSync(join(REFERENCE, 'xsd/head.003.001.01.xsd'));
if (!HAS_REFERENCE && process.env.CI !== undefined)
  throw new Error('CI must have ../shared/reference (or TRUETRAIL_SHARED)');
const withReference = HAS_REFERENCE ? it : it.skip;
if (!HAS_REFERENCE) console.warn('skipped: no sample of feedback in ../shared/reference (or TRUETRAIL_SHARED)');

const PENDING = { id: 'CON-411', description: 'Pending instrument validation' };
const PARTLY: FileAdvice = {
  answers: 'TF_DATTRA_FR_000002-0-000001_26',
  status: 'PART',
  rules: [],
  statistics: { total: 4, perStatus: { ACPT: 2, PDNG: 1, RJCT: 1 } },
  records: [
    { recordId: `${FIRM}TRN1`, status: 'PDNG', rules: [PENDING] },
    { recordId: 'TRN2', status: 'RJCT', rules: [{ id: 'CON-023', description: 'Used & <not> cancelled' }, PENDING] },
  ],
};

const read = (xml: string) => readFeedback(Buffer.from(xml));
const mistakeOf = (xml: string): string => {
  try {
    read(xml);
  } catch (error) {
    if (error instanceof MessageFileError) return error.message;
    throw error;
  }
  return 'none';
};

describe('feedback', () => {
  it.each(['FR_FDBTRA_TF_000002_26', undefined])('is read as it was written, message id %s', (messageId) => {
    expect(read(feedbackXml([PARTLY], messageId))).toEqual({
      ...{ messageId, addressedTo: messageId && 'TF', sentBy: messageId && 'FR' },
      files: [PARTLY],
    });
  });

  it('answers several files at once', () => {
    const other: FileAdvice = { ...PARTLY, answers: 'OTHER', status: 'CRPT', statistics: undefined, records: [] };
    expect(read(feedbackXml([PARTLY, other])).files).toEqual([PARTLY, other]);
  });

  it('has every status of files and of records', () => {
    for (const status of FILE_STATUSES) expect(read(feedbackXml([{ status }])).files[0]!.status).toBe(status);
    for (const status of RECORD_STATUSES) {
      const records = [{ recordId: 'A', status, rules: [] }];
      expect(read(feedbackXml([{ status: 'PART', records }])).files[0]!.records).toEqual(records);
    }
    expect(mistakeOf(feedbackXml([{}]).replace('ACPT', 'DONE'))).toContain('Sts must be one of ACPT, PART');
  });

  it('takes comments, white space and CDATA for what they are', () => {
    const xml = feedbackXml([PARTLY]).replaceAll('><', '>\n <!-- made --> <').replace('>TRN2<', '> <![CDATA[TRN2]]> <');
    expect(read(xml).files).toEqual([PARTLY]);
  });

  withReference('reads the sample, and what tests write is valid by the schemas', async () => {
    const { messageId, addressedTo, sentBy, files } = readFeedback(
      await readFile(join(REFERENCE, 'samples/feedback-accepted.xml')),
    );
    expect([messageId, addressedTo, sentBy]).toEqual(['FR_FDBTRA_TF_000002_26', FIRM, 'FR']);
    expect(files).toEqual([
      {
        answers: PARTLY.answers,
        status: 'ACPT',
        rules: [],
        statistics: { total: 2, perStatus: { ACPT: 2 } },
        records: [],
      },
    ]);
    const pack = await SchemaPack.load(join(REFERENCE, 'xsd'), SCHEMA_SETS[0]!);
    expect(pack.validate(Buffer.from(feedbackXml([PARTLY], 'FR_FDBTRA_TF_000002_26')))).toEqual([]);
    pack.close();
  });
});

describe('what is no feedback', () => {
  const xml = feedbackXml([PARTLY], 'M');

  it('has an end', () => {
    for (let length = 0; length < xml.length; length += 17) {
      expect(mistakeOf(xml.slice(0, length))).toContain('no well-formed XML');
    }
  });

  it('is told what it is', () => {
    expect(mistakeOf('<html/>')).toBe(
      'line 1: the root of the file is html of no namespace, and must be BizData of urn:iso:std:iso:20022:tech:xsd:head.003.001.01 or Document of urn:iso:std:iso:20022:tech:xsd:auth.031.001.01',
    );
    const reports = xml.replaceAll('xsd:auth.031.001.01', 'xsd:auth.016.001.01');
    expect(mistakeOf(reports)).toContain(
      'Pyld must hold one Document of urn:iso:std:iso:20022:tech:xsd:auth.031.001.01',
    );
  });

  it('has a document type definition: entities are neither expanded nor loaded', () => {
    const levels = Array.from({ length: 9 }, (_, i) => `<!ENTITY e${i + 1} "${`&e${i};`.repeat(10)}">`).join('');
    const bomb = `<!DOCTYPE Document [<!ENTITY e0 "0123456789">${levels}]>`;
    const file = `<!DOCTYPE Document [<!ENTITY e9 SYSTEM "file:///etc/passwd">]>`;
    for (const definition of [bomb, file, '<!DOCTYPE Document>']) {
      const withEntity = feedbackXml([PARTLY]).replace('TRN2', definition.includes('e9') ? '&e9;' : 'TRN2');
      expect(mistakeOf(definition + withEntity)).toMatch(/document type definition|well-formed/);
    }
  });

  it('is too large', () => {
    expect(() => readFeedback(Buffer.alloc(MAX_MESSAGE_BYTES + 1))).toThrow(MessageFileError);
  });

  it.each([
    ['<Sts>PART</Sts>', '', 'MsgSts has no Sts'],
    ['<Sts>PART</Sts>', '<Sts>PART</Sts><Sts>PART</Sts>', 'MsgSts has 2 Sts'],
    ['<Sts>PART</Sts>', '<Sts><Sts>PART</Sts></Sts>', 'Sts must hold text alone'],
    ['<MsgSts>', '<MsgSts>PART', 'MsgSts may not have text'],
    ['<Sts>PART</Sts>', '<Sts>PART<?a b?></Sts>', 'Sts may not have a processing instruction'],
    ['<MsgSts>', '<?a b?><MsgSts>', 'StsAdvc may not have a processing instruction'],
    ['<BizMsgIdr>', '<?a b?><BizMsgIdr>', 'AppHdr may not have a processing instruction'],
    ['?>', '?><?a b?>', 'none'],
    ['<MsgSts>', '<MsgSts xmlns="urn:other">', 'StsAdvc may not have a MsgSts of urn:other'],
    [
      '<OrgnlRcrdId>TRN2</OrgnlRcrdId>',
      '<OrgnlRcrdId> </OrgnlRcrdId>',
      'OrgnlRcrdId must have 1 to 140 characters, and has 0',
    ],
    ['<OrgnlRcrdId>TRN2', `<OrgnlRcrdId>${'T'.repeat(141)}`, 'and has 141'],
    ['<OrgnlRcrdId>TRN2', `<OrgnlRcrdId>${FIRM}TRN1`, 'has two statuses'],
    [
      '<OrgnlRcrdId>TRN2</OrgnlRcrdId><Sts>RJCT</Sts>',
      '<Sts>RJCT</Sts><OrgnlRcrdId>TRN2</OrgnlRcrdId>',
      'OrgnlRcrdId stands after Sts',
    ],
    ['<BizMsgIdr>M</BizMsgIdr>', '', 'AppHdr must have one BizMsgIdr'],
    ['<TtlNbOfRcrds>4', '<TtlNbOfRcrds>5', 'TtlNbOfRcrds is 5, and the numbers by status add up to 4'],
    ['<TtlNbOfRcrds>4', '<TtlNbOfRcrds>-4', 'TtlNbOfRcrds must have 1 to 15 digits'],
    ['<DtldSts>RJCT', '<DtldSts>ACPT', 'ACPT is counted twice'],
    ['<DtldSts>ACPT', '<DtldSts>RCVD', 'none'],
    [
      '<OrgnlRcrdId>TRN2</OrgnlRcrdId><Sts>RJCT',
      '<OrgnlRcrdId>TRN2</OrgnlRcrdId><Sts>PDNG',
      '2 records are PDNG, and DtldNbOfRcrds says 1',
    ],
    [
      '<OrgnlRcrdId>TRN2</OrgnlRcrdId><Sts>RJCT',
      '<OrgnlRcrdId>TRN2</OrgnlRcrdId><Sts>ACPT',
      'DtldNbOfRcrds says that 1 are RJCT, and 0 are listed',
    ],
  ])('with %s as %s', (from, to, mistake) => {
    expect(xml).toContain(from);
    expect(mistakeOf(xml.replace(from, to))).toContain(mistake);
  });

  it('need not list the records of a file that was refused whole', () => {
    const refused = { status: 'RJCT', statistics: { total: 9, perStatus: { RJCT: 9 } } } as const;
    expect(mistakeOf(feedbackXml([refused]))).toBe('none');
    expect(mistakeOf(feedbackXml([{ ...refused, status: 'PART' }]))).toContain('9 are RJCT, and 0 are listed');
  });
});

describe('ids of records', () => {
  it('begin with the executing entity, or do not', () => {
    expect(referencesOf(`${FIRM}TRN1`, FIRM)).toEqual(['TRN1', `${FIRM}TRN1`]);
    expect(referencesOf('TRN1', FIRM)).toEqual(['TRN1']);
    expect(referencesOf(FIRM, FIRM)).toEqual([FIRM]);
  });
});
