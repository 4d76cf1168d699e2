import { Module, type OnModuleInit } from '@nestjs/common';
import { ArchiveModule } from '../archive/archive.module.js';
import { ARCHIVED_EVENTS } from '../archive/archived-events.js';
import { ArchivedReadsModule } from '../archive/archived-reads.module.js';
import { plainProvider } from '../database/plain-provider.js';
import { POOL } from '../database/tokens.js';
import { EventsModule } from '../events/events.module.js';
import { Ledgers } from '../events/ledgers.js';
import { Metrics } from '../operation/metrics.js';
import { HeldAgainstAnchors } from './held-against-anchors.js';
import { AnchorVerification } from './anchor-verification.job.js';
import { AnchorVerifier } from './anchor-verifier.js';
import { AnchorsController } from './anchors.controller.js';
import { Anchors } from './anchors.js';
import { AttestationVerification } from './attestation-verification.job.js';
import { AttestationVerifier } from './attestation-verifier.js';
import { CheckpointJob } from './checkpoint.job.js';
import { Checkpoints } from './checkpoints.js';
import { CheckpointsController } from './checkpoints.controller.js';
import { CosignatureStoring } from './cosignature-storing.job.js';
import { ProofLocking } from './proof-locking.job.js';
import { ProofLocks } from './proof-locks.js';
import { SigningRound } from './signing-round.js';
import { Timestamping } from './timestamping.job.js';
import { Witnessing } from './witnessing.job.js';

/** What is signed of the ledgers, and proofs against it. */
@Module({
  imports: [ArchiveModule, ArchivedReadsModule, EventsModule],
  controllers: [CheckpointsController, AnchorsController],
  providers: [
    Anchors,
    plainProvider(Checkpoints, [POOL, ARCHIVED_EVENTS, Ledgers]),
    SigningRound,
    CheckpointJob,
    AnchorVerifier,
    AnchorVerification,
    AttestationVerifier,
    AttestationVerification,
    CosignatureStoring,
    HeldAgainstAnchors,
    ProofLocking,
    ProofLocks,
    Timestamping,
    Witnessing,
  ],
  exports: [Anchors, Checkpoints],
})
export class CheckpointsModule implements OnModuleInit {
  constructor(
    private readonly metrics: Metrics,
    private readonly checkpoints: Checkpoints,
  ) {}

  onModuleInit(): void {
    const help = 'Tiles of signed trees that are kept in memory for proofs, 16 MiB at most';
    this.metrics.gauge('truetrail_kept_tile_bytes', help, [], () => [{ value: this.checkpoints.keptTileBytes }]);
  }
}
