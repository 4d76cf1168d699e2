import { Module, type DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ApiKeys } from '../access/api-keys.js';
import { CreateApiKeyDto } from '../access/api-key.dto.js';
import { KeyAdministration, type ApiKey } from '../access/key-administration.js';
import { allPowerful, SCOPES, type Principal } from '../access/principal.js';
import { ArchivedReadsModule } from '../archive/archived-reads.module.js';
import { secretsOf, type Config } from '../config/config.js';
import { DatabaseModule } from '../database/database.module.js';
import { AppendGate } from '../events/append-gate.js';
import { Appender } from '../events/appender.js';
import { Ledgers } from '../events/ledgers.js';
import { ServiceLedger } from '../events/service-ledger.js';
import { BodyPipe } from '../http/dto.pipe.js';
import { Foundation } from '../operation/foundation.js';
import { createLogger } from '../operation/logger.js';
import { OperationModule } from '../operation/operation.module.js';
import { settingsModule, type AppOptions } from '../operation/settings.module.js';
import { PartitionManager } from '../partitions/partition-manager.js';
import { assertMigrated, migrateDatabase, openDatabase } from './open-database.js';
import { operatorId } from './operator.js';

/**
 * The part of the service that keys need, class by class: the modules bring jobs along, which would begin to run here.
 */
@Module({})
class KeysModule {
  static with(options: AppOptions): DynamicModule {
    return {
      module: KeysModule,
      imports: [settingsModule(options), DatabaseModule, OperationModule, ArchivedReadsModule],
      providers: [
        ...[Foundation, PartitionManager, Ledgers],
        ...[AppendGate, Appender, ServiceLedger],
        ...[ApiKeys, KeyAdministration],
      ],
    };
  }
}

const STANDARD_ERROR = 2;

/** Works on the keys of the database, with the service running or not. */
export async function withKeys<T>(
  config: Config,
  work: (keys: KeyAdministration, operator: Principal) => Promise<T>,
): Promise<T> {
  const logger = createLogger('warn', { to: STANDARD_ERROR, secrets: secretsOf(config) });
  const log = (message: string): void => logger.info(message);
  const database = await openDatabase(config, log);
  try {
    if (config.DATABASE_URL === undefined) await migrateDatabase(config, database, log);
    else await assertMigrated(database);
    const app = await NestFactory.createApplicationContext(
      KeysModule.with({ config, logger, databaseUrl: database.url }),
      { logger: false, abortOnError: false },
    );
    try {
      await app.get(Foundation).lay();
      return await work(app.get(KeyAdministration), allPowerful(operatorId()));
    } finally {
      await app.close();
    }
  } finally {
    await database.close();
  }
}

/** Checks what the options of `keys create` say, by the rules of POST /v1/api-keys. Throws a Problem. */
export function readKeyOptions(options: {
  name: string;
  scopes: string[];
  ledgers: string[];
  expires?: string | undefined;
}): CreateApiKeyDto {
  const body = {
    name: options.name,
    scopes: options.scopes.length === 1 && options.scopes[0] === 'all' ? SCOPES : options.scopes,
    ledgers: options.ledgers,
    ...(options.expires === undefined ? {} : { expires_at: options.expires }),
  };
  return new BodyPipe(CreateApiKeyDto).transform(Buffer.from(JSON.stringify(body)));
}

/** A line a key, in columns. */
export function keyTable(keys: readonly ApiKey[], now = new Date()): string {
  const rows = [
    ['ID', 'NAME', 'STATE', 'SCOPES', 'LEDGERS', 'MADE', 'BY'],
    ...keys.map((key) => [
      key.id,
      key.name,
      keyState(key, now),
      key.scopes.join(','),
      key.ledgers.join(','),
      `${key.created_at.slice(0, 19)}Z`,
      key.created_by,
    ]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function keyState({ revoked_at, expires_at }: ApiKey, now: Date): string {
  if (revoked_at !== null) return 'revoked';
  if (expires_at === null) return 'good';
  return Date.parse(expires_at) > now.getTime() ? `until ${expires_at.slice(0, 19)}Z` : 'expired';
}
