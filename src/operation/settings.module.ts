import type { DynamicModule } from '@nestjs/common';
import type { Logger } from 'pino';
import { CONFIG, type Config } from '../config/config.js';
import { DATABASE_URL } from '../database/tokens.js';
import { LOGGER } from './logger.js';

/** What an instance of the service is made with. */
export interface AppOptions {
  config: Config;
  logger: Logger;
  databaseUrl: string;
}

class SettingsModule {}

/** Gives every module what the instance was made with. */
export function settingsModule({ config, logger, databaseUrl }: AppOptions): DynamicModule {
  return {
    module: SettingsModule,
    global: true,
    providers: [
      { provide: CONFIG, useValue: config },
      { provide: LOGGER, useValue: logger },
      { provide: DATABASE_URL, useValue: databaseUrl },
    ],
    exports: [CONFIG, LOGGER, DATABASE_URL],
  };
}
