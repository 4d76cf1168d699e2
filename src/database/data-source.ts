import type { DataSourceOptions } from 'typeorm';
import { DataSource } from 'typeorm';
import type pg from 'pg';
import type { Config } from '../config/config.js';
import { MIGRATIONS } from '../../migrations/index.js';
import { KEPT_CONNECTIONS, connectionOptions, keepFromCrashing } from './connection.js';

const READ_LOCK_TIMEOUT_MS = 10_000;

/** The one DataSource of the service. */
export function serviceDataSourceOptions(config: Pick<Config, 'DATABASE_POOL_SIZE'>, url: string): DataSourceOptions {
  const { connectionString, ...extra } = connectionOptions({
    url,
    asService: true,
    applicationName: 'truetrail',
    lockTimeoutMs: READ_LOCK_TIMEOUT_MS,
  });
  return {
    type: 'postgres',
    url: connectionString!,
    extra: { connectionString, ...extra, ...KEPT_CONNECTIONS, max: config.DATABASE_POOL_SIZE },
    entities: [],
  };
}

/** A DataSource of the schema's owner that knows the migrations. */
export function ownerDataSource(url: string): DataSource {
  const { connectionString, ...extra } = connectionOptions({
    url,
    asService: false,
    applicationName: 'truetrail migrations',
    lockTimeoutMs: 5_000,
  });
  return new DataSource({
    type: 'postgres',
    url: connectionString!,
    extra: { connectionString, ...extra, max: 2 },
    migrations: MIGRATIONS,
    migrationsTableName: 'schema_migrations',
    migrationsTransactionMode: 'each',
  });
}

/** The pool below the DataSource: TypeORM connects and migrates, our SQL goes to pg as it stands. */
export function poolOf(dataSource: DataSource): pg.Pool {
  const { master } = dataSource.driver as unknown as { master: pg.Pool };
  keepFromCrashing(master);
  return master;
}
