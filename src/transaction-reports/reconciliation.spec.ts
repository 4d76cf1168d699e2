import { CANCELLATION, FIRM, JOINT, OPTION, SHARE, VALID_REPORTS } from '../../test/support/transaction-reports.js';
import { readReportRecords, reconciled, type Reconciled } from '../../test/support/report-records.js';
import { MessageFileError } from './message-document.js';
import type { FieldDifference } from './reconciliation.js';
import { REPORT_NAMESPACE } from './schema-sets.js';
import { transactionXml } from './transaction-report-xml.js';
import type { NewReport, TransactionReport } from './transaction-report.js';

const ALL: readonly TransactionReport[] = [...VALID_REPORTS, CANCELLATION];

const fileOf = (reports: readonly TransactionReport[]): string =>
  `<Document xmlns="${REPORT_NAMESPACE}"><FinInstrmRptgTxRpt>${reports.map(transactionXml).join('')}</FinInstrmRptgTxRpt></Document>`;
const against = (ours: readonly TransactionReport[], xml: string): Reconciled[] => [
  ...reconciled(ours, readReportRecords(Buffer.from(xml))),
];
const differences = (ours: TransactionReport, xml: string): Pick<FieldDifference, 'field' | 'ours' | 'theirs'>[] => {
  const [only] = against([ours], xml);
  return only?.is === 'different' ? only.differences.map(({ field, ours, theirs }) => ({ field, ours, theirs })) : [];
};

describe('reports against the records of a file', () => {
  it('are the same where the file has each of them', () => {
    expect(against(ALL, fileOf(ALL)).map(({ is }) => is)).toEqual(ALL.map(() => 'same'));
  });

  it('are the same but for blanks at the ends of a text', () => {
    const named = (fullName: string): NewReport => ({
      ...OPTION,
      instrument: { ...OPTION.instrument, fullName } as NewReport['instrument'],
    });
    expect(fileOf([named(' A CALL ')])).toContain('> A CALL <');
    for (const [ours, theirs] of [[' A CALL ', ' A CALL '] as const, ['A CALL', ' A CALL'] as const]) {
      expect(against([named(ours)], fileOf([named(theirs)])).map(({ is }) => is)).toEqual(['same']);
    }
    expect(against([named('A CALL')], fileOf([named('A  CALL')])).map(({ is }) => is)).toEqual(['different']);
  });

  it('are the same in whatever order owners and waivers are, and however truth is written', () => {
    const [first, second] = JOINT.buyer.owners;
    const turned: NewReport = { ...JOINT, buyer: { ...JOINT.buyer, owners: [second!, first!] } };
    expect(first).not.toEqual(second);
    expect(differences(JOINT, fileOf([turned]))).toEqual([]);
    const one: NewReport = { ...SHARE, waivers: ['OILQ', 'RFPT'] };
    expect(differences(one, fileOf([{ ...one, waivers: ['RFPT', 'OILQ'] }]))).toEqual([]);
    expect(differences(one, fileOf([{ ...one, waivers: ['RFPT', 'LRGS'] }]))).toEqual([
      { field: 61, ours: 'OILQ', theirs: 'LRGS' },
    ]);
    const xml = fileOf([SHARE]);
    expect(xml).toContain('<InvstmtPtyInd>true<');
    expect(differences(SHARE, xml.replace('<InvstmtPtyInd>true<', '<InvstmtPtyInd>1<'))).toEqual([]);
    expect(differences(SHARE, xml.replace('<InvstmtPtyInd>true<', '<InvstmtPtyInd>0<'))).toEqual([
      { field: 5, ours: 'true', theirs: '0' },
    ]);
  });

  it('are missing or too many, of one executing entity', () => {
    expect(against([SHARE, JOINT], fileOf([JOINT, CANCELLATION]))).toEqual([
      { is: 'missing', transactionReference: 'TRN1' },
      { is: 'same', transactionReference: 'TRN2' },
      { is: 'extra', transactionReference: 'LIVE1' },
    ]);
    expect(against([SHARE], fileOf([SHARE, SHARE])).map(({ is }) => is)).toEqual(['same', 'extra']);
    expect(against([SHARE, SHARE], fileOf([SHARE])).map(({ is }) => is)).toEqual(['same', 'missing']);
    const elsewhere: NewReport = { ...SHARE, executingEntity: '529900G3SW56SHYNPR95' };
    expect(against([SHARE], fileOf([elsewhere])).map(({ is }) => is)).toEqual(['missing', 'extra']);
  });

  it('are held against what the file leaves of a reference: what is cancelled in it after it was reported is taken back', () => {
    const { transactionReference, executingEntity, submittingEntity } = SHARE;
    const cancelled: TransactionReport = { status: 'CANC', transactionReference, executingEntity, submittingEntity };
    const earlier: NewReport = { ...SHARE, quantity: { is: 'units', value: '251' } };
    expect(against([SHARE], fileOf([earlier, cancelled, SHARE])).map(({ is }) => is)).toEqual(['same']);
    expect(against([SHARE], fileOf([SHARE, cancelled, earlier])).map(({ is }) => is)).toEqual(['different']);
    expect(differences(SHARE, fileOf([SHARE, cancelled]))).toEqual([{ field: 1, ours: 'NEWT', theirs: 'CANC' }]);
    expect(against([], fileOf([SHARE, cancelled])).map(({ is }) => is)).toEqual(['extra']);
    const elsewhere: TransactionReport = { ...cancelled, executingEntity: '529900G3SW56SHYNPR95' };
    expect(against([SHARE], fileOf([SHARE, elsewhere])).map(({ is }) => is)).toEqual(['same', 'extra']);
  });

  it('differ by field, also where one side has no value', () => {
    const xml = fileOf([{ ...SHARE, quantity: { is: 'units', value: '251' }, waivers: ['RFPT'], venue: 'XEUR' }]);
    expect(differences(SHARE, xml)).toEqual([
      { field: 30, ours: '250', theirs: '251' },
      { field: 36, ours: 'XPAR', theirs: 'XEUR' },
      { field: 61, ours: 'OILQ', theirs: undefined },
    ]);
    expect(differences({ ...SHARE, shortSelling: undefined }, fileOf([SHARE]))).toEqual([
      { field: 62, ours: undefined, theirs: 'SESH' },
    ]);
    const nominal: NewReport = { ...SHARE, quantity: { is: 'nominal', value: '250', currency: 'EUR' } };
    expect(differences(SHARE, fileOf([nominal]))).toEqual([
      { field: 30, ours: '250', theirs: undefined },
      { field: 30, ours: undefined, theirs: '250' },
      { field: 31, ours: undefined, theirs: 'EUR' },
    ]);
    const cancelled = { ...CANCELLATION, transactionReference: SHARE.transactionReference };
    expect(differences(SHARE, fileOf([cancelled]))).toEqual([{ field: 1, ours: 'NEWT', theirs: 'CANC' }]);
  });

  it('find every value that is changed in the file', () => {
    let changed = 0;
    for (const report of VALID_REPORTS) {
      const xml = fileOf([report]);
      for (const { path, at } of leaves(xml)) {
        // these say which record it is, and how others are to be read
        if (/^(TxId|ExctgPty|Cd|Prtry|Sgn)$/.test(path)) continue;
        const wrong = `${xml.slice(0, at)}${xml[at] === '7' ? '8' : '7'}${xml.slice(at + 1)}`;
        expect([report.transactionReference, path, differences(report, wrong).length > 0]).toEqual([
          report.transactionReference,
          path,
          true,
        ]);
        changed++;
      }
    }
    expect(changed).toBeGreaterThan(200);
  });

  it('are the same however numbers and times are written', () => {
    const xml = fileOf([SHARE])
      .replace('>250<', '>250.000<')
      .replace('>61.38<', '>61.3800<')
      .replace('.123456Z', '.123456000Z');
    expect(xml).not.toBe(fileOf([SHARE]));
    expect(differences(SHARE, xml)).toEqual([]);
    expect(differences(SHARE, xml.replace('>250.000<', '>a lot<'))).toEqual([
      { field: 30, ours: '250', theirs: 'a lot' },
    ]);
  });

  it('are the same in every form that XML Schema has for numbers, signs and times', () => {
    const below: NewReport = { ...SHARE, price: { is: 'money', amount: '-37.63', currency: 'EUR' } };
    const xml = fileOf([below]);
    for (const [canonical, ...forms] of [
      ['>250<', '>+250<', '>0250.<', '>000250.00<'],
      ['>37.63<', '>+37.63<', '>037.630<'],
      ['<Sgn>false<', '<Sgn>0<', '<Sgn> false <'],
      ['.123456Z', '.12345600000000Z', '.1234567891Z'],
    ] as const) {
      for (const form of forms) {
        expect(xml).toContain(canonical);
        expect([form, differences(below, xml.replace(canonical, form))]).toEqual([form, []]);
      }
    }
    const half: NewReport = { ...below, quantity: { is: 'units', value: '0.5' } };
    expect(differences(half, fileOf([half]).replace('>0.5<', '>.5<'))).toEqual([]);
    for (const [wrong, theirs] of [['>250.5<', '250.5'] as const, ['>-250<', '-250'] as const, ['>.<', '.'] as const]) {
      expect(differences(below, xml.replace('>250<', wrong))).toEqual([{ field: 30, ours: '250', theirs }]);
    }
    for (const positive of ['<Sgn>true<', '<Sgn>1<']) {
      expect(differences(below, xml.replace('<Sgn>false<', positive))).toEqual([
        { field: 33, ours: '-37.63', theirs: '37.63' },
      ]);
    }
    expect(differences(below, xml.replace('.123456Z', '.1234559999Z'))).toMatchObject([{ field: 28 }]);
  });
});

describe('a file of records', () => {
  it('is refused where it is none', () => {
    const xml = fileOf([SHARE]);
    for (const wrong of [
      xml.slice(0, -9),
      xml.replaceAll('New>', 'Old>'),
      xml.replace(`<ExctgPty>${FIRM}</ExctgPty>`, ''),
      xml.replace('<Tx><New>', '<Tx>text<New>'),
      xml.replaceAll('auth.016', 'auth.017'),
      `<!DOCTYPE Document>${xml}`,
    ]) {
      expect(wrong).not.toBe(xml);
      expect(() => readReportRecords(Buffer.from(wrong))).toThrow(MessageFileError);
    }
  });
});

/** Where in the text the value of each element begins. */
function* leaves(xml: string): Generator<{ path: string; at: number }> {
  for (const match of xml.matchAll(/<([A-Za-z]+)(?: [^>]*)?>[^<>]+<\/\1>/g)) {
    yield { path: match[1]!, at: match.index + match[0].indexOf('>') + 1 };
  }
}
