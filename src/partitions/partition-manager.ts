import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import type { Logger } from 'pino';
import { POOL } from '../database/tokens.js';
import { LOGGER } from '../operation/logger.js';
import { wantedMonths } from './months.js';
import * as sql from './partitions.sql.js';

/** Keeps the months that appends need ahead of the clock. */
@Injectable()
export class PartitionManager {
  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Makes the months that are missing; returns those that it made. Safe on several replicas at once. */
  async ensureMonths(): Promise<string[]> {
    const [times, there] = await Promise.all([sql.clockAndFloors(this.pool), sql.listMonths(this.pool)]);
    const known = new Set(there.map((month) => month.month));
    const made: string[] = [];
    for (const month of wantedMonths(times)) {
      if (known.has(month)) continue;
      if (await sql.createMonth(this.pool, month)) made.push(month);
    }
    if (made.length > 0) this.logger.info({ months: made }, 'months made');
    return made;
  }

  list(): Promise<sql.CataloguedMonth[]> {
    return sql.listMonths(this.pool);
  }
}
