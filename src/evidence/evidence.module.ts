import { Module } from '@nestjs/common';
import { CheckpointsModule } from '../checkpoints/checkpoints.module.js';
import { EventsModule } from '../events/events.module.js';
import { LongReadsModule } from '../long-reads/long-reads.module.js';
import { EvidenceController } from './evidence.controller.js';
import { EvidenceExpiry } from './evidence-expiry.job.js';
import { EvidenceRecords } from './evidence-records.js';
import { EvidenceVerification } from './evidence-verification.job.js';
import { EvidenceVerificationsController } from './evidence-verifications.controller.js';
import { EvidenceVerifications } from './evidence-verifications.js';
import { EvidenceRunsController } from './evidence-runs.controller.js';
import { EvidenceRuns } from './evidence-runs.js';
import { Evidence } from './evidence.js';
import { SampleBundles } from './sample-bundles.js';

/** Bundles of events with all that proves them, and whether they verify. */
@Module({
  imports: [CheckpointsModule, EventsModule, LongReadsModule],
  controllers: [EvidenceController, EvidenceRunsController, EvidenceVerificationsController],
  providers: [
    Evidence,
    EvidenceExpiry,
    EvidenceRecords,
    EvidenceRuns,
    EvidenceVerification,
    EvidenceVerifications,
    SampleBundles,
  ],
})
export class EvidenceModule {}
