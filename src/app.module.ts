import { Module, type DynamicModule } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { AccessModule } from './access/access.module.js';
import { AcknowledgementsModule } from './acknowledgements/acknowledgements.module.js';
import { ArchiveModule } from './archive/archive.module.js';
import { ChainModule } from './chain/chain.module.js';
import { CheckpointsModule } from './checkpoints/checkpoints.module.js';
import { DatabaseModule } from './database/database.module.js';
import { EventsModule } from './events/events.module.js';
import { EvidenceModule } from './evidence/evidence.module.js';
import { HoldsModule } from './holds/holds.module.js';
import { ProblemsController } from './http/problems.controller.js';
import { JobsModule } from './jobs/jobs.module.js';
import { Foundation } from './operation/foundation.js';
import { DatabaseCertificate } from './operation/database-certificate.js';
import { Disks } from './operation/disks.js';
import { Gauges } from './operation/gauges.js';
import { HealthController } from './operation/health.controller.js';
import { MetricsController } from './operation/metrics.controller.js';
import { MetricsServer } from './operation/metrics-server.js';
import { OperationModule } from './operation/operation.module.js';
import { settingsModule, type AppOptions } from './operation/settings.module.js';
import { Startup } from './operation/startup.js';
import { WalArchiving } from './operation/wal-archiving.js';
import { PartitionsModule } from './partitions/partitions.module.js';
import { ReferenceDataModule } from './reference-data/reference-data.module.js';
import { ReportingModule } from './reporting/reporting.module.js';
import { ReportsModule } from './reports/reports.module.js';
import { RetentionModule } from './retention/retention.module.js';
import { VocabularyModule } from './vocabulary/vocabulary.module.js';

@Module({})
export class AppModule {
  static with(options: AppOptions): DynamicModule {
    return {
      module: AppModule,
      imports: [
        settingsModule(options),
        DatabaseModule,
        OperationModule,
        ScheduleModule.forRoot(),
        JobsModule,
        AccessModule,
        PartitionsModule,
        EventsModule,
        ReferenceDataModule,
        ReportsModule,
        ReportingModule,
        ChainModule,
        AcknowledgementsModule,
        ArchiveModule,
        CheckpointsModule,
        EvidenceModule,
        HoldsModule,
        RetentionModule,
        VocabularyModule,
      ],
      controllers: [HealthController, MetricsController, ProblemsController],
      providers: [Foundation, DatabaseCertificate, Disks, Gauges, MetricsServer, Startup, WalArchiving],
    };
  }
}
