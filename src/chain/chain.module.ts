import { Module } from '@nestjs/common';
import { ArchivedReadsModule } from '../archive/archived-reads.module.js';
import { EventsModule } from '../events/events.module.js';
import { ChainVerification } from './chain-verification.job.js';
import { SchemaCheckJob } from './schema-check.job.js';
import { SchemaCheck } from './schema-check.js';
import { Verifications } from './verifications.js';
import { VerificationsController } from './verifications.controller.js';

/** Whether the trail is what was recorded. */
@Module({
  imports: [ArchivedReadsModule, EventsModule],
  controllers: [VerificationsController],
  providers: [Verifications, SchemaCheck, SchemaCheckJob, ChainVerification],
  exports: [Verifications],
})
export class ChainModule {}
