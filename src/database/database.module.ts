import { Global, Module } from '@nestjs/common';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import { CONFIG, type Config } from '../config/config.js';
import { poolOf, serviceDataSourceOptions } from './data-source.js';

/** Nest's token for the pg.Pool below the DataSource. */
export const POOL = Symbol('pg.Pool');
/** Nest's token for the URL of the service's database, wherever it came from. */
export const DATABASE_URL = Symbol('DATABASE_URL');

@Global()
@Module({
  imports: [
    TypeOrmModule.forRootAsync({
      inject: [CONFIG, DATABASE_URL],
      useFactory: (config: Config, url: string) => ({ ...serviceDataSourceOptions(config, url), retryAttempts: 0 }),
    }),
  ],
  providers: [
    { provide: POOL, inject: [getDataSourceToken()], useFactory: (dataSource: DataSource) => poolOf(dataSource) },
  ],
  exports: [POOL],
})
export class DatabaseModule {}
