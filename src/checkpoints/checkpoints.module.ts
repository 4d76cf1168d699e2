import { Module } from '@nestjs/common';
import { ArchiveModule } from '../archive/archive.module.js';
import { ArchivedReadsModule } from '../archive/archived-reads.module.js';
import { EventsModule } from '../events/events.module.js';
import { HeldAgainstAnchors } from './held-against-anchors.js';
import { AnchorVerification } from './anchor-verification.job.js';
import { AnchorVerifier } from './anchor-verifier.js';
import { CheckpointJob } from './checkpoint.job.js';
import { Checkpoints } from './checkpoints.js';
import { CheckpointsController } from './checkpoints.controller.js';
import { SigningRound } from './signing-round.js';
import { Timestamping } from './timestamping.job.js';
import { Witnessing } from './witnessing.job.js';

/** What is signed of the ledgers, and proofs against it. */
@Module({
  imports: [ArchiveModule, ArchivedReadsModule, EventsModule],
  controllers: [CheckpointsController],
  providers: [
    Checkpoints,
    SigningRound,
    CheckpointJob,
    AnchorVerifier,
    AnchorVerification,
    HeldAgainstAnchors,
    Timestamping,
    Witnessing,
  ],
  exports: [Checkpoints],
})
export class CheckpointsModule {}
