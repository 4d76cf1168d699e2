import { Module } from '@nestjs/common';
import { CONFIG, type Config } from '../config/config.js';
import { EventsModule } from '../events/events.module.js';
import { ArchiveExport } from './archive-export.job.js';
import { openStore, OBJECT_STORE } from './archive-store.js';
import { ArchiveVerification } from './archive-verification.job.js';
import { ArchiveVerifier } from './archive-verifier.js';
import { ArchiveController } from './archive.controller.js';
import { Exporter } from './exporter.js';

@Module({
  imports: [EventsModule],
  controllers: [ArchiveController],
  providers: [
    { provide: OBJECT_STORE, inject: [CONFIG], useFactory: (config: Config) => openStore(config) },
    Exporter,
    ArchiveExport,
    ArchiveVerifier,
    ArchiveVerification,
  ],
  exports: [OBJECT_STORE, Exporter, ArchiveVerifier],
})
export class ArchiveModule {}
