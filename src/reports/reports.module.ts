import { Module } from '@nestjs/common';
import { ArchivedReadsModule } from '../archive/archived-reads.module.js';
import { CheckpointsModule } from '../checkpoints/checkpoints.module.js';
import { EventsModule } from '../events/events.module.js';
import { LongReadsModule } from '../long-reads/long-reads.module.js';
import { ReferenceDataModule } from '../reference-data/reference-data.module.js';
import { ReportingBookModule } from '../reporting/reporting-book.module.js';
import { ReportExpiry } from './report-expiry.job.js';
import { ReportRecords } from './report-records.js';
import { ReportReference } from './report-reference.js';
import { ReportRunMaker } from './report-run-maker.js';
import { ReportRunsController } from './report-runs.controller.js';
import { ReportRuns } from './report-runs.js';
import { ReportsController } from './reports.controller.js';

@Module({
  imports: [
    ...[ArchivedReadsModule, CheckpointsModule, EventsModule, LongReadsModule, ReferenceDataModule],
    ReportingBookModule,
  ],
  controllers: [ReportsController, ReportRunsController],
  providers: [ReportExpiry, ReportRecords, ReportReference, ReportRunMaker, ReportRuns],
  exports: [ReportRuns],
})
export class ReportsModule {}
