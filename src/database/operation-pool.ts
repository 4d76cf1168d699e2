import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import pg from 'pg';
import { KEPT_CONNECTIONS, connectionOptions, keepFromCrashing } from './connection.js';
import { DATABASE_URL } from './tokens.js';

const CONNECTIONS = 2;
const LOCK_TIMEOUT_MS = 2_000;

/** Connections for probes, scrapes and the clock: reads that have all the others must not make the database look away. */
@Injectable()
export class OperationPool implements OnApplicationShutdown {
  readonly pool: pg.Pool;

  constructor(@Inject(DATABASE_URL) url: string) {
    const settings = { url, asService: true, applicationName: 'truetrail operation', lockTimeoutMs: LOCK_TIMEOUT_MS };
    this.pool = new pg.Pool({ ...connectionOptions(settings), ...KEPT_CONNECTIONS, max: CONNECTIONS });
    keepFromCrashing(this.pool);
    this.pool.on('error', () => undefined); // the next query says so
  }

  async onApplicationShutdown(): Promise<void> {
    await this.pool.end();
  }
}
