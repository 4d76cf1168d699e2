import { Module } from '@nestjs/common';
import { ArchivedReadsModule } from '../archive/archived-reads.module.js';
import { EventsModule } from '../events/events.module.js';
import { LongReadsModule } from '../long-reads/long-reads.module.js';
import { ReportsModule } from '../reports/reports.module.js';
import { FeedbackController } from './feedback.controller.js';
import { ReceivedFeedback } from './received-feedback.js';
import { ReportingBook } from './reporting-book.js';
import { ReportingLedger } from './reporting-ledger.js';
import { ReportingRecords } from './reporting-records.js';
import { SubmissionExpiry } from './submission-expiry.job.js';
import { SubmissionsController } from './submissions.controller.js';
import { Submissions } from './submissions.js';

/** Transaction reports on their way to the authority. */
@Module({
  imports: [ArchivedReadsModule, EventsModule, LongReadsModule, ReportsModule],
  controllers: [FeedbackController, SubmissionsController],
  providers: [ReceivedFeedback, ReportingBook, ReportingLedger, ReportingRecords, SubmissionExpiry, Submissions],
})
export class ReportingModule {}
