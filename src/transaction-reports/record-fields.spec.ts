import { readReportRecords } from '../../test/support/report-records.js';
import { CANCELLATION, OPTION, VALID_REPORTS } from '../../test/support/transaction-reports.js';
import { REPORT_FIELDS, textOf } from './fields.js';
import { RecordFields } from './record-fields.js';
import { REPORT_NAMESPACE } from './schema-sets.js';
import { transactionXml } from './transaction-report-xml.js';
import type { NewReport } from './transaction-report.js';

const MATURING = { ...OPTION, instrument: { ...OPTION.instrument, maturityDate: '2026-12-18' } } as NewReport;
const ALL = [...VALID_REPORTS, MATURING, CANCELLATION];

describe('fields of a record in a file', () => {
  it.each(ALL.map((report, i) => [i, report] as const))(
    'are those of the report that was written: report %i',
    (_, report) => {
      const xml = `<Document xmlns="${REPORT_NAMESPACE}"><FinInstrmRptgTxRpt>${transactionXml(report)}</FinInstrmRptgTxRpt></Document>`;
      const [record] = readReportRecords(Buffer.from(xml));
      const fields = new RecordFields(record!);
      const named = (of: (field: (typeof REPORT_FIELDS)[number]) => string | undefined) =>
        Object.fromEntries(REPORT_FIELDS.map((field) => [`${field.number} ${field.name}`, of(field)]));
      expect(named((field) => fields.textOf(field))).toEqual(named((field) => textOf(field, report)));
    },
  );

  it('are all there in the reports that are compared', () => {
    const missing = REPORT_FIELDS.filter((field) => ALL.every((report) => textOf(field, report) === undefined));
    expect(missing.map(({ number }) => number)).toEqual([]);
  });
});
