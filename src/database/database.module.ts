import { Global, Module } from '@nestjs/common';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import { CONFIG, type Config } from '../config/config.js';
import { DATABASE_URL, POOL } from './tokens.js';
import { OperationPool } from './operation-pool.js';
import { poolOf, serviceDataSourceOptions } from './data-source.js';

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
    OperationPool,
  ],
  exports: [POOL, OperationPool],
})
export class DatabaseModule {}
