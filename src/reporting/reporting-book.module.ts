import { Module } from '@nestjs/common';
import { ArchivedReadsModule } from '../archive/archived-reads.module.js';
import { EventsModule } from '../events/events.module.js';
import { ReportingBook } from './reporting-book.js';
import { ReportingLedger } from './reporting-ledger.js';
import { ReportingStanding } from './reporting-standing.js';

/** What was sent and answered, as it can be looked up. */
@Module({
  imports: [ArchivedReadsModule, EventsModule],
  providers: [ReportingBook, ReportingLedger, ReportingStanding],
  exports: [ReportingBook, ReportingLedger, ReportingStanding],
})
export class ReportingBookModule {}
