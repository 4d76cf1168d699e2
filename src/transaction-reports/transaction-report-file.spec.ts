import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  CANCELLATION,
  CCP,
  CONTEXT,
  FIRM,
  firm,
  SHARE,
  VALID_REPORTS,
} from '../../test/support/transaction-reports.js';
import { REPORT_FIELDS, valuesOf } from './fields.js';
import { DEFAULT_PATTERN, messageIdOf, MessageIdError } from '../config/message-id.js';
import { readReportRecords, reconciled } from '../../test/support/report-records.js';
import { findingsOf } from './rules/rts22-rules.js';
import { SchemaPack, SchemaPackError } from './schema-pack.js';
import { schemaSetOn } from './schema-sets.js';
import {
  InvalidReportFileError,
  reportFiles,
  type FileHeader,
  type FileLimits,
  type RecordPlace,
} from './transaction-report-file.js';
import { transactionXml, UnwritableReportError } from './transaction-report-xml.js';
import type { NewReport, TransactionReport } from './transaction-report.js';

const SHARED = resolve(import.meta.dirname, '../..', process.env.TRUETRAIL_SHARED ?? '../shared');
const SCHEMAS = join(SHARED, 'reference/xsd');
const HAS_SCHEMAS = existsSync(join(SCHEMAS, 'head.003.001.01.xsd'));
if (!HAS_SCHEMAS && process.env.CI !== undefined)
  throw new Error('CI must have ../shared/reference/xsd (or TRUETRAIL_SHARED)');
const withSchemas = HAS_SCHEMAS ? it : it.skip;
if (!HAS_SCHEMAS)
  console.warn('skipped: no schemas of transaction reports in ../shared/reference/xsd (or TRUETRAIL_SHARED)');

const NONE: FileLimits = { transactions: Infinity, bytes: Infinity };
const headerOf = (number: number): FileHeader => ({
  from: { id: FIRM, scheme: { proprietary: 'LEI' } },
  to: { id: 'FR', scheme: { proprietary: 'NCA' } },
  messageId: `TF_DATTRA_FR_00000${number}-0-000000_26`,
  createdAt: '2026-06-02T18:00:00Z',
});

async function written(
  reports: Iterable<TransactionReport>,
  limits = NONE,
  validate?: Parameters<typeof reportFiles>[3],
): Promise<Buffer[]> {
  const files: Buffer[] = [];
  for await (const { chunks } of reportFiles(reports, headerOf, limits, validate)) {
    const all: Buffer[] = [];
    for await (const { bytes } of chunks) all.push(bytes);
    files.push(Buffer.concat(all));
  }
  return files;
}

let pack: SchemaPack | undefined;
beforeAll(async () => {
  if (HAS_SCHEMAS) pack = await SchemaPack.load(SCHEMAS, schemaSetOn('2026-06-02')!);
});
afterAll(() => pack?.close());

const ALL: readonly TransactionReport[] = [...VALID_REPORTS, CANCELLATION];

it('has each value of each report where the table of fields says', async () => {
  const [file] = await written(ALL);
  const read = readReportRecords(file!);
  expect(read).toHaveLength(ALL.length);
  for (const [i, report] of ALL.entries()) {
    const found = read[i]!.values;
    for (const field of REPORT_FIELDS.filter(({ number }) => number > 1 && number !== 49)) {
      for (const { path, text } of valuesOf(field, report)) {
        if (text === undefined) expect([path, found.get(path)]).toEqual([path, undefined]);
        else {
          expect([path, found.get(path)]).toEqual([path, text]);
        }
      }
    }
  }
});

it('has every field in some of these reports', () => {
  const lacking = REPORT_FIELDS.filter((field) =>
    VALID_REPORTS.every((report) => valuesOf(field, report).every(({ text }) => text === undefined)),
  );
  // a debt instrument that is described is none that the file could hold alone
  expect(lacking.map(({ number }) => number)).toEqual([54]);
});

withSchemas('is valid by the strict schemas for every product, and for a cancellation', async () => {
  for (const report of ALL) {
    const [file] = await written([report]);
    expect([report.transactionReference, pack!.validate(file!)]).toEqual([report.transactionReference, []]);
  }
});

withSchemas('keeps decimals digit by digit up to the extremes of their formats', async () => {
  const cases: Partial<NewReport>[] = [
    { quantity: { is: 'units', value: '1.00000000000000001' } },
    { quantity: { is: 'units', value: '999999999999999999' } },
    { quantity: { is: 'nominal', value: '9999999999999.99999', currency: 'JPY' } },
    { price: { is: 'money', amount: '-99999.9999999999999', currency: 'EUR' } },
    { price: { is: 'yield', value: '-9.9999999999' } },
    { price: { is: 'basis-points', value: '-0.00000000000000001' } },
    { price: { is: 'not-applicable' } },
  ];
  const reports = cases.map((each) => ({ ...SHARE, ...each }));
  const [file] = await written(reports);
  expect(pack!.validate(file!)).toEqual([]);
  const text = file!.toString();
  for (const value of ['1.00000000000000001', '9999999999999.99999', '>99999.9999999999999<', '-0.00000000000000001']) {
    expect(text).toContain(value);
  }
});

withSchemas('is refused before a byte of the wrong part is handed out', async () => {
  const wrong = { ...SHARE, executingEntity: 'NOT AN LEI' };
  const check = (document: Buffer) => pack!.validate(document);
  await expect(written([SHARE], NONE, check)).resolves.toHaveLength(1);
  await expect(written([SHARE, wrong], NONE, check)).rejects.toThrow(InvalidReportFileError);
});

it('is split by the number of transactions and by bytes, and no report is lost or doubled', async () => {
  const reports = Array.from({ length: 25 }, (_, i) => ({ ...SHARE, transactionReference: `T${i}` }));
  const references = (files: Buffer[]) =>
    files.map((file) => [...file.toString().matchAll(/<TxId>(\w+)</g)].map(([, id]) => id!));
  const byNumber = references(await written(reports, { transactions: 10, bytes: Infinity }));
  expect(byNumber.map(({ length }) => length)).toEqual([10, 10, 5]);
  const byBytes = await written(reports, { transactions: Infinity, bytes: 5000 });
  expect(byBytes.every(({ byteLength }) => byteLength <= 5000)).toBe(true);
  for (const files of [byNumber, references(byBytes)]) {
    expect(files.flat()).toEqual(reports.map(({ transactionReference }) => transactionReference));
  }
  await expect(written([])).resolves.toEqual([]);
  await expect(written(reports, { transactions: 10, bytes: 900 })).rejects.toThrow('one report alone');
});

it('tells where each record stands in its file', async () => {
  const reports = Array.from({ length: 1_000 }, (_, i) => ({ ...SHARE, transactionReference: `T${i}` }));
  const limits = { transactions: 600, bytes: Infinity };
  const found: string[] = [];
  for await (const { chunks } of reportFiles(reports, headerOf, limits)) {
    const all: Buffer[] = [];
    const places: RecordPlace[] = [];
    for await (const { bytes, records } of chunks) {
      all.push(bytes);
      places.push(...records);
    }
    const file = Buffer.concat(all);
    found.push(...places.map(({ from, bytes }) => file.toString('utf8', from, from + bytes)));
  }
  expect(found).toEqual(reports.map((report) => transactionXml(report)));
});

it('lets go of the reports where no more of them is taken', async () => {
  let isOver = false;
  const endless = function* (): Generator<TransactionReport> {
    try {
      for (let i = 0; ; i++) yield { ...SHARE, transactionReference: `T${i}` };
    } finally {
      isOver = true;
    }
  };
  for await (const { chunks } of reportFiles(endless(), headerOf, NONE)) {
    for await (const { bytes } of chunks) if (bytes.byteLength > 100_000) break;
    break;
  }
  expect(isOver).toBe(true);
});

it.each<[string, Partial<NewReport>, number | undefined]>([
  ['a mandatory field', { executingEntity: undefined }, 4],
  ['an owner', { buyer: { owners: [], decisionMakers: [] } }, 7],
  ['a currency', { price: { is: 'money', amount: '1' } }, 34],
  ['a decimal without an exponent', { quantity: { is: 'units', value: '1e5' } }, 30],
  ['a decimal and no markup', { netAmount: '1</NetAmt>' }, 35],
  ['characters that XML has', { venue: 'X\u0000' }, undefined],
])('is not written without %s', async (_, change, field) => {
  const error = await written([{ ...SHARE, ...change }]).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UnwritableReportError);
  expect((error as UnwritableReportError).field).toBe(field);
});

it('is named by a pattern', () => {
  const parts = { sender: 'TF', receiver: 'FR', sequence: 1, version: 0, previous: 0, day: '2026-06-02' };
  expect(messageIdOf(DEFAULT_PATTERN, parts, 35)).toBe('TF_DATTRA_FR_000001-0-000000_26');
  expect(messageIdOf('{yyyy}{mm}{dd}-{sequence}.xml', parts)).toBe('20260602-1.xml');
  for (const pattern of ['{nothing}', '{sender:3}', '../{sender}', '', 'a b', '{constructor}']) {
    expect(() => messageIdOf(pattern, parts)).toThrow(MessageIdError);
  }
  expect(() => messageIdOf(DEFAULT_PATTERN, { ...parts, sequence: 1_000_000 })).toThrow('more digits');
  expect(() => messageIdOf(DEFAULT_PATTERN, { ...parts, sender: 'LONGSENDER' }, 35)).toThrow('may have 35');
});

it('has a schema set by the day of sending', async () => {
  expect(schemaSetOn('2019-09-22')).toBeUndefined();
  expect(schemaSetOn('2019-09-23')?.version).toBe('1.1.0');
  await expect(SchemaPack.load('/nowhere', schemaSetOn('2026-01-01')!)).rejects.toThrow(SchemaPackError);
});

withSchemas('judges files of others, and takes no document type definition', () => {
  const sample = (name: string) => readFileSync(join(SHARED, 'reference/samples', name));
  for (const name of ['mifir-new-and-cancel.xml', 'third-party-generated.xml', 'feedback-accepted.xml']) {
    expect([name, pack!.validate(sample(name))]).toEqual([name, []]);
  }
  const bomb = `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>`;
  expect(pack!.validate(Buffer.from(bomb))).toEqual([expect.objectContaining({ line: 1 })]);
});

withSchemas('reads files of others as their records stand there, and judges these by the rules', () => {
  // by hand, from the files
  const ours: NewReport = {
    ...{ ...SHARE, transactionReference: 'TRN20260602000001', tradingTime: '2026-06-02T08:15:30.123456Z' },
    buyer: {
      owners: [
        {
          id: {
            ...{ is: 'person', id: 'FR19800307CAMILTESTE', scheme: 'CONCAT', firstNames: 'CAMILLE' },
            ...{ surnames: 'TESTEUR', birthDate: '1980-03-07' },
          },
          branchCountry: 'FR',
        },
      ],
      decisionMakers: [],
    },
    ...{ seller: firm(CCP), tradingCapacity: 'AOTC', investmentDecision: undefined },
    ...{ waivers: [], shortSelling: undefined },
  };
  const taken = { ...CANCELLATION, transactionReference: 'TRN20260601000009' };
  const [member, other] = ['5493001KJTIIGC8Y1R12', '529900CL4KFEG8W2RZ19'];
  const first: NewReport = {
    ...{ ...ours, transactionReference: 'T1', venueTransactionId: undefined, executingEntity: member },
    ...{ isInvestmentFirm: false, submittingEntity: member, buyer: firm(member), seller: firm(other) },
    ...{ tradingTime: '2024-10-01T09:01:02Z', tradingCapacity: 'DEAL', quantity: { is: 'units', value: '100' } },
    ...{ price: { is: 'money', amount: '123.45', currency: 'EUR' }, branchMembershipCountry: undefined },
    execution: { is: 'client' },
  };
  const second: NewReport = {
    ...{ ...first, transactionReference: 'T2', buyer: firm(other), seller: firm(member), venue: 'XOFF' },
    ...{ tradingTime: '2024-10-01T09:05:00Z', quantity: { is: 'units', value: '250' } },
    ...{ price: { is: 'money', amount: '50.10', currency: 'GBP' } },
    instrument: { is: 'identified', isin: 'GB00B03MLX29' },
  };
  const read = (name: string) => readReportRecords(readFileSync(join(SHARED, 'reference/samples', name)));
  expect([...reconciled([ours, taken], read('mifir-new-and-cancel.xml'))].map(({ is }) => is)).toEqual([
    'same',
    'same',
  ]);
  expect([...reconciled([first, second], read('third-party-generated.xml'))].map(({ is }) => is)).toEqual([
    'same',
    'same',
  ]);
  const judged = (report: NewReport) => findingsOf(report, CONTEXT).map(({ rule }) => rule);
  expect(judged(ours)).toEqual([]);
  // schema-valid: an LEI with wrong check digits, own account without who decided, on a venue in whole seconds
  expect(judged(first)).toEqual(['TR-016-2', 'TR-028-4', 'TR-057-3']);
  // and an instrument that reference data do not have
  expect(judged(second)).toEqual(['TR-007-2', 'CON-412', 'TR-057-3']);
});
