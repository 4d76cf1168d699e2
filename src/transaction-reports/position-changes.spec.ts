import {
  AGGREGATED,
  BOND,
  CURRENCY_FORWARD,
  CLIENT,
  JOINT,
  SHARE,
  VALID_REPORTS,
} from '../../test/support/transaction-reports.js';
import { formatDecimal } from '../reports/decimal.js';
import { positionChangesOf, PositionSums } from './position-changes.js';
import { recordOfReport } from './reconciliation.js';
import { readReportRecords } from '../../test/support/report-records.js';
import { REPORT_NAMESPACE } from './schema-sets.js';
import { transactionXml } from './transaction-report-xml.js';
import type { NewReport } from './transaction-report.js';

const shown = (report: NewReport): string[] =>
  positionChangesOf(recordOfReport(report).values).map(
    ({ party, instrument, quantityIn, quantity }) => `${party} ${instrument} ${formatDecimal(quantity)} ${quantityIn}`,
  );

describe('what a report says of positions', () => {
  it('is more for the buyer and less for the seller, whoever they are', () => {
    const [isin, bond] = [SHARE, BOND].map(({ instrument }) => (instrument as { isin: string }).isin);
    const [buyer, seller] = shown(SHARE);
    expect(buyer).toContain(` ${isin} 250 units`);
    expect(seller).toContain(` ${isin} -250 units`);
    expect(shown(BOND)[0]).toMatch(new RegExp(` ${bond} [0-9.]+ nominal [A-Z]{3}$`));
    expect(shown(AGGREGATED)[0]).toMatch(/^INTC /);
    expect(shown(JOINT).some((each) => each.split(' ')[0]!.includes('|'))).toBe(true);
    expect(shown(CURRENCY_FORWARD)).toHaveLength(2);
  });

  it('is the same read from the file', () => {
    const xml = VALID_REPORTS.map(transactionXml).join('');
    const document = `<Document xmlns="${REPORT_NAMESPACE}"><FinInstrmRptgTxRpt>${xml}</FinInstrmRptgTxRpt></Document>`;
    const read = readReportRecords(Buffer.from(document)).map(({ values }) => positionChangesOf(values));
    expect(read).toEqual(VALID_REPORTS.map((report) => positionChangesOf(recordOfReport(report).values)));
    expect(read.every((changes) => changes.length === 2)).toBe(true);
  });

  it('is the same however the file writes the quantity', () => {
    const quantities = ['250', '+250', '0250.', '250.000'].map((text) => {
      const xml = transactionXml(SHARE).replace('<Unit>250<', `<Unit>${text}<`);
      const document = `<Document xmlns="${REPORT_NAMESPACE}"><FinInstrmRptgTxRpt>${xml}</FinInstrmRptgTxRpt></Document>`;
      const [record] = readReportRecords(Buffer.from(document));
      return positionChangesOf(record!.values).map(({ quantity }) => formatDecimal(quantity));
    });
    expect(quantities).toEqual(quantities.map(() => ['250', '-250']));
  });

  it('is nothing where the quantity, the instrument or the party is not known', () => {
    expect(shown({ ...SHARE, quantity: undefined })).toEqual([]);
    expect(shown({ ...SHARE, instrument: undefined })).toEqual([]);
    expect(shown({ ...SHARE, buyer: { owners: [], decisionMakers: [] } })).toHaveLength(1);
  });

  it('adds up exactly, apart by party, instrument and unit', () => {
    const sums = new PositionSums<'a' | 'b'>();
    const of = (value: string): NewReport => ({
      ...SHARE,
      buyer: { owners: [{ id: { is: 'legal-entity', lei: CLIENT } }], decisionMakers: [] },
      quantity: { is: 'units', value },
    });
    for (const value of ['0.1', '0.2', '900719925474099267.3']) {
      for (const change of positionChangesOf(recordOfReport(of(value)).values)) sums.add('a', change);
    }
    const client = [...sums.all()].find(({ key }) => key.party === CLIENT)!;
    expect([client.sumOf('a'), client.sumOf('b')]).toEqual(['900719925474099267.6', undefined]);
    expect(sums.size).toBe(2);
  });
});
