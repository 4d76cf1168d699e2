import { Problem } from '../http/problem.js';
import { takeReportRecords, type ReportRecord } from '../transaction-reports/report-records.js';
import { bareDocument } from '../transaction-reports/transaction-report-file.js';
import type { OfReference } from './draft-groups.js';
import type { SentFiles } from './sent-files.js';

/** The content of new reports as they were sent. */
export class ContentsAsSent {
  /** reports whose content was deleted at the end of its retention */
  notFound = 0;

  constructor(private readonly files: SentFiles) {}

  /** The last new report of a reference; undefined where none was sent, and where its content is there no more. */
  async of({ sent }: Pick<OfReference, 'sent'>): Promise<ReportRecord | undefined> {
    const lastNew = sent.findLast(({ status }) => status === 'NEWT');
    if (!lastNew) return undefined;
    let xml: Buffer;
    try {
      xml = await this.files.record(lastNew, lastNew.place);
    } catch (error) {
      if (!(error instanceof Problem && error.slug === 'event-deleted')) throw error;
      this.notFound += 1;
      return undefined;
    }
    let record: ReportRecord | undefined;
    takeReportRecords(bareDocument(xml), (each) => (record = each));
    return record;
  }
}
