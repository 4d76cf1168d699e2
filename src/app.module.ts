import { Module, type DynamicModule } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import type { Logger } from 'pino';
import { AccessModule } from './access/access.module.js';
import { CONFIG, type Config } from './config/config.js';
import { DATABASE_URL, DatabaseModule } from './database/database.module.js';
import { EventsModule } from './events/events.module.js';
import { ProblemsController } from './http/problems.controller.js';
import { HealthController } from './operation/health.controller.js';
import { LOGGER } from './operation/logger.js';
import { OperationModule } from './operation/operation.module.js';
import { Startup } from './operation/startup.js';
import { PartitionsModule } from './partitions/partitions.module.js';

/** What an instance of the service is made with. */
export interface AppOptions {
  config: Config;
  logger: Logger;
  databaseUrl: string;
}

@Module({})
export class AppModule {
  static with({ config, logger, databaseUrl }: AppOptions): DynamicModule {
    const settings: DynamicModule = {
      module: class SettingsModule {},
      global: true,
      providers: [
        { provide: CONFIG, useValue: config },
        { provide: LOGGER, useValue: logger },
        { provide: DATABASE_URL, useValue: databaseUrl },
      ],
      exports: [CONFIG, LOGGER, DATABASE_URL],
    };
    return {
      module: AppModule,
      imports: [
        settings,
        DatabaseModule,
        OperationModule,
        ScheduleModule.forRoot(),
        AccessModule,
        PartitionsModule,
        EventsModule,
      ],
      controllers: [HealthController, ProblemsController],
      providers: [Startup],
    };
  }
}
