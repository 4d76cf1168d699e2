import { Module } from '@nestjs/common';
import { ArchiveModule } from '../archive/archive.module.js';
import { ArchivedReadsModule } from '../archive/archived-reads.module.js';
import { EventsModule } from '../events/events.module.js';
import { LegalHoldsController } from './legal-holds.controller.js';
import { LegalHoldsJob } from './legal-holds.job.js';
import { LegalHolds } from './legal-holds.js';
import { ObjectHolds } from './object-holds.js';
import { RecordedHolds } from './recorded-holds.js';
import { RequestsOnRecord } from './requests-on-record.js';

@Module({
  imports: [ArchiveModule, ArchivedReadsModule, EventsModule],
  controllers: [LegalHoldsController],
  providers: [LegalHolds, LegalHoldsJob, ObjectHolds, RecordedHolds, RequestsOnRecord],
})
export class HoldsModule {}
