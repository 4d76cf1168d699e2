import { Module } from '@nestjs/common';
import { EventsModule } from '../events/events.module.js';
import { LongReadsModule } from '../long-reads/long-reads.module.js';
import { ReportRuns } from './report-runs.js';
import { ReportsController } from './reports.controller.js';

@Module({ imports: [EventsModule, LongReadsModule], controllers: [ReportsController], providers: [ReportRuns] })
export class ReportsModule {}
