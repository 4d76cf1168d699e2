import { Module } from '@nestjs/common';
import { CONFIG, type Config } from '../config/config.js';
import { EventsModule } from '../events/events.module.js';
import { PeerCertificates } from '../operation/peer-certificates.js';
import { PartitionsModule } from '../partitions/partitions.module.js';
import { ArchiveAudit } from './archive-audit.js';
import { ArchivedReadsModule } from './archived-reads.module.js';
import { ArchiveExport } from './archive-export.job.js';
import { openStore, OBJECT_STORE } from './archive-store.js';
import { ArchiveVerification } from './archive-verification.job.js';
import { ArchiveVerifier } from './archive-verifier.js';
import { ArchiveController } from './archive.controller.js';
import { Exporter } from './exporter.js';
import type { ObjectStore } from './object-store.js';
import { ObjectRetention } from './object-retention.js';
import { RetentionCarrier } from './retention-carrier.js';
import { Retention } from './retention.job.js';
import { StoreInspection } from './store-inspection.job.js';

async function openWatchedStore(config: Config, certificates: PeerCertificates): Promise<ObjectStore | null> {
  const store = await openStore(config);
  if (store) certificates.watch('archive', () => store.endpoint);
  return store;
}

@Module({
  imports: [ArchivedReadsModule, EventsModule, PartitionsModule],
  controllers: [ArchiveController],
  providers: [
    { provide: OBJECT_STORE, inject: [CONFIG, PeerCertificates], useFactory: openWatchedStore },
    ArchiveAudit,
    Exporter,
    ArchiveExport,
    ArchiveVerifier,
    ArchiveVerification,
    ObjectRetention,
    Retention,
    RetentionCarrier,
    StoreInspection,
  ],
  exports: [OBJECT_STORE, Exporter, ArchiveVerifier, ObjectRetention, RetentionCarrier],
})
export class ArchiveModule {}
