import { Module, type DynamicModule, type Provider, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { allPowerful, type Principal } from '../access/principal.js';
import { OBJECT_STORE, openOwnStore } from '../archive/archive-store.js';
import { ArchivedReadsModule } from '../archive/archived-reads.module.js';
import { CONFIG, secretsOf, type Config } from '../config/config.js';
import { HeldAgainstAnchors } from '../checkpoints/held-against-anchors.js';
import { DatabaseModule } from '../database/database.module.js';
import { plainProvider } from '../database/plain-provider.js';
import { POOL } from '../database/tokens.js';
import { AppendGate } from '../events/append-gate.js';
import { Appender } from '../events/appender.js';
import { Ledgers } from '../events/ledgers.js';
import { ServiceLedger } from '../events/service-ledger.js';
import { Foundation } from '../operation/foundation.js';
import { createLogger } from '../operation/logger.js';
import { OperationModule } from '../operation/operation.module.js';
import { settingsModule, type AppOptions } from '../operation/settings.module.js';
import { PartitionManager } from '../partitions/partition-manager.js';
import { assertMigrated, migrateDatabase, openDatabase } from './open-database.js';
import { operatorId } from './operator.js';

/**
 * The part of the service that a command needs which records what it does, class by class: the modules bring jobs along,
 * which would begin to run here.
 */
@Module({})
class CommandModule {
  static with(options: AppOptions, providers: Provider[]): DynamicModule {
    return {
      module: CommandModule,
      imports: [settingsModule(options), DatabaseModule, OperationModule, ArchivedReadsModule],
      providers: [
        Foundation,
        PartitionManager,
        plainProvider(Ledgers, [POOL]),
        AppendGate,
        { provide: OBJECT_STORE, inject: [CONFIG, POOL], useFactory: openOwnStore },
        HeldAgainstAnchors,
        Appender,
        ServiceLedger,
        ...providers,
      ],
    };
  }
}

const STANDARD_ERROR = 2;

/** Works with one class of the service on its database, with the service running or not; `others` is what it needs. */
export async function withService<S, T>(
  config: Config,
  service: Type<S>,
  others: Provider[],
  work: (service: S, operator: Principal) => Promise<T>,
): Promise<T> {
  const logger = createLogger('warn', { to: STANDARD_ERROR, secrets: secretsOf(config) });
  const log = (message: string): void => logger.info(message);
  const database = await openDatabase(config, log);
  try {
    if (config.DATABASE_URL === undefined) await migrateDatabase(config, database, log);
    else await assertMigrated(database);
    const app = await NestFactory.createApplicationContext(
      CommandModule.with({ config, logger, databaseUrl: database.url }, [...others, service]),
      { logger: false, abortOnError: false },
    );
    try {
      await app.get(Foundation).lay();
      return await work(app.get(service), allPowerful(operatorId()));
    } finally {
      await app.close();
    }
  } finally {
    await database.close();
  }
}
