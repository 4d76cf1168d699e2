import { ArchivedReadsModule } from '../archive/archived-reads.module.js';
import { Module } from '@nestjs/common';
import { EventsModule } from '../events/events.module.js';
import { LongReadsModule } from '../long-reads/long-reads.module.js';
import { ReportsModule } from '../reports/reports.module.js';
import { FeedbackController } from './feedback.controller.js';
import { ReceivedFeedback } from './received-feedback.js';
import { ReportingBookModule } from './reporting-book.module.js';
import { ReconciliationsController } from './reconciliations.controller.js';
import { Reconciliations } from './reconciliations.js';
import { ReportingRecords } from './reporting-records.js';
import { ReportingTurn } from './reporting-turn.js';
import { SubmissionsController } from './submissions.controller.js';
import { Submissions } from './submissions.js';

/** Transaction reports on their way to the authority. */
@Module({
  imports: [ArchivedReadsModule, EventsModule, LongReadsModule, ReportingBookModule, ReportsModule],
  controllers: [FeedbackController, ReconciliationsController, SubmissionsController],
  providers: [ReceivedFeedback, Reconciliations, ReportingRecords, ReportingTurn, Submissions],
})
export class ReportingModule {}
