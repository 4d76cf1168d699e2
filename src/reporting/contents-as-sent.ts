import type pg from 'pg';
import { ReferenceTimelines } from '../reference-data/reference-timelines.js';
import type { Draft } from '../transaction-reports/draft.js';
import { draftsOfExecution, type DraftRun } from '../transaction-reports/drafts.js';
import { recordDigest } from '../transaction-reports/submission-plan.js';
import { UnwritableReportError } from '../transaction-reports/transaction-report-xml.js';
import type { NewReport } from '../transaction-reports/transaction-report.js';
import type { OfReference } from './draft-groups.js';
import * as sql from './reporting-book.sql.js';

/** Executions that are derived anew: each is a read of its order and of reference data. */
const MOST_DERIVED = 2_000;

/**
 * The content of new reports as they were sent. What was sent is known by its digest: so it is derived anew, by the
 * reference data of its submission, until the digest is the same.
 */
export class ContentsAsSent {
  /** reports whose content could not be had, or would have been too many */
  notFound = 0;
  private derived = 0;
  private readonly timelines = new Map<string, ReferenceTimelines>();

  constructor(
    private readonly run: DraftRun,
    private readonly read: <T>(work: (client: pg.ClientBase) => Promise<T>) => Promise<T>,
  ) {}

  /** The last new report of a reference; undefined where none was sent, and where its content cannot be had. */
  async of({ drafts, sent, orderId, eventId, transactionReference }: OfReference): Promise<NewReport | undefined> {
    const lastNew = sent.findLast(({ status }) => status === 'NEWT');
    if (!lastNew) return undefined;
    const known = newReportOf(drafts, lastNew.digest);
    if (known) return known;
    if (this.derived < MOST_DERIVED) {
      this.derived += 1;
      const revision = await this.read((client) => sql.referenceRevisionOfAct(client, lastNew.act));
      const then = await draftsOfExecution(
        { ...this.run, submittedAt: lastNew.sentAt },
        orderId,
        eventId,
        this.timelinesOf(revision),
      );
      const ofReference = then.filter(
        (each): each is Draft => each.is === 'draft' && each.report.transactionReference === transactionReference,
      );
      const found = newReportOf(ofReference, lastNew.digest);
      if (found) return found;
    }
    this.notFound += 1;
    return undefined;
  }

  private timelinesOf(revision: string): ReferenceTimelines {
    const known = this.timelines.get(revision) ?? new ReferenceTimelines(this.read, BigInt(revision));
    this.timelines.clear(); // those of one revision at a time
    this.timelines.set(revision, known);
    return known;
  }
}

function newReportOf(drafts: readonly Draft[], digest: string): NewReport | undefined {
  for (const { report } of drafts) {
    if (report.status === 'NEWT' && digestOf(report) === digest) return report;
  }
  return undefined;
}

/** Undefined of what could not have been written, and so was not sent. */
function digestOf(report: NewReport): string | undefined {
  try {
    return recordDigest({ report });
  } catch (error) {
    if (error instanceof UnwritableReportError) return undefined;
    throw error;
  }
}
