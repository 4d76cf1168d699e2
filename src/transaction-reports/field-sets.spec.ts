import { CONTEXT, FIRM, SHARE } from '../../test/support/transaction-reports.js';
import { readReportRecords } from '../../test/support/report-records.js';
import { unzipped } from '../../test/support/unzipped.js';
import { zipOfReports, type ZipProgress } from '../reporting/report-zip.js';
import type { FileMaking } from '../reporting/submission-read.js';
import type { Draft } from './draft.js';
import { FIELD_SETS, fieldSetOn, fieldsOfAll, nameOf, type FieldSet } from './field-sets.js';
import { at } from './report-field.js';
import { differencesOf, recordOfReport } from './reconciliation.js';
import { findingsOf, RTS22 } from './rules/rts22-rules.js';
import { decide, recordDigest } from './submission-plan.js';
import { transactionXml } from './transaction-report-xml.js';

const CHANGE = '2030-01-01';
const OLD: FieldSet = { ...FIELD_SETS[0]!, to: CHANGE };
/** A regulation to come: a field 66, beside those that there are. */
const NEW: FieldSet = {
  ...{ version: 'to come', from: CHANGE },
  fields: [
    ...OLD.fields,
    {
      ...{ number: 66, name: 'more', title: 'More', paths: ['AddtlAttrbts/More'], format: 'AN-4' },
      read: () => at('AddtlAttrbts/More', 'MORE'),
    },
  ],
  xml: (report) => transactionXml(report).replace('</AddtlAttrbts>', '<More>MORE</More></AddtlAttrbts>'),
};
const SETS = [OLD, NEW];
const QUIET: ZipProgress = { placed: () => undefined, part: () => undefined, written: () => undefined };

const making = (day: string): FileMaking => ({
  ...{ pattern: '{sender}_{sequence:6}', sender: 'TF', receiver: 'FR', from: { id: 'TF' }, to: { id: 'FR' } },
  ...{ createdAt: `${day}T18:00:00Z`, firstNumber: 1, limits: { transactions: 10, bytes: Infinity } },
  schemaFolder: undefined,
});

it('are chosen by the day of sending, and have no gap', () => {
  const chosen = (day: string) => fieldSetOn(day, SETS).version;
  expect(['2029-12-31', CHANGE, '2031-05-06'].map(chosen)).toEqual(['2017/590', 'to come', 'to come']);
  for (const [i, { to }] of FIELD_SETS.entries()) expect(to).toBe(FIELD_SETS[i + 1]?.from);
});

it.each([
  ['2029-12-31', undefined],
  [CHANGE, 'MORE'],
])('files of %s have their fields', async (day, more) => {
  const pieces: Uint8Array[] = [];
  for await (const piece of zipOfReports([SHARE], making(day), QUIET, SETS)) pieces.push(piece);
  const [file] = unzipped(Buffer.concat(pieces)).values();
  const [record] = readReportRecords(file!);
  expect(record!.values.get('New/AddtlAttrbts/More')).toBe(more);
  const set = fieldSetOn(day, SETS);
  expect(differencesOf(SHARE, record!, set)).toEqual([]);
  // by the fields of another day it lacks one, or has one too many that nobody asks for
  const other = more === undefined ? NEW : OLD;
  expect(differencesOf(SHARE, record!, other).map(({ field }) => field)).toEqual(more === undefined ? [66] : []);
  expect(recordOfReport(SHARE, set).values.size).toBe(recordOfReport(SHARE, OLD).values.size + (more ? 1 : 0));
});

it('make no difference of what was sent with the fields of its day', () => {
  const draft = { is: 'draft', report: SHARE, toMend: [], findings: [] } as unknown as Draft;
  const sent = {
    messageId: 'M',
    status: 'NEWT',
    state: 'accepted',
    rules: [],
    digest: recordDigest(draft, OLD),
  } as const;
  const by = { day: CHANGE, fieldSets: SETS };
  expect(decide([draft], [sent], by)).toMatchObject({ is: 'not-sent', why: 'as-sent' });
  expect(decide([draft], [], by)).toMatchObject({ is: 'send', digest: recordDigest(draft, NEW) });
  expect(decide([draft], [], { ...by, day: '2029-12-31' })).toMatchObject({ digest: sent.digest });
  const changed = { ...draft, report: { ...SHARE, executingEntity: undefined, submittingEntity: FIRM } } as Draft;
  expect(() => recordDigest(changed, NEW)).toThrow('field 4');
});

it('give each column once', () => {
  const columns = fieldsOfAll(SETS).map(nameOf);
  expect(columns).toEqual([...OLD.fields.map(nameOf), 'f66_more']);
});

it('and a rule that has ended finds nothing of later transactions', () => {
  const wrong = (day: string) => ({ ...SHARE, executingEntity: 'NOT AN LEI', tradingTime: `${day}T10:00:00Z` });
  const [before] = findingsOf(wrong('2025-12-31'), CONTEXT);
  const rule = RTS22.rules.find(({ id }) => id === before!.rule)!;
  const table = { ...RTS22, rules: [{ ...rule, to: '2026-01-01' }] };
  const found = (day: string) => findingsOf(wrong(day), CONTEXT, table).map((each) => each.rule);
  expect(['2025-12-31', '2026-01-01'].map(found)).toEqual([[rule.id], []]);
});
