import { Module } from '@nestjs/common';
import { ArchiveModule } from '../archive/archive.module.js';
import { ArchivedReadsModule } from '../archive/archived-reads.module.js';
import { EventsModule } from '../events/events.module.js';
import { DeletionsOnRecord } from './deletions-on-record.js';
import { MonthDeletionsController } from './month-deletions.controller.js';
import { MonthDeletionJob } from './month-deletions.job.js';
import { MonthDeletions } from './month-deletions.js';
import { RetentionPoliciesController } from './retention-policies.controller.js';
import { RetentionPolicies } from './retention-policies.js';

@Module({
  imports: [ArchiveModule, ArchivedReadsModule, EventsModule],
  controllers: [MonthDeletionsController, RetentionPoliciesController],
  providers: [DeletionsOnRecord, MonthDeletionJob, MonthDeletions, RetentionPolicies],
  exports: [RetentionPolicies],
})
export class RetentionModule {}
