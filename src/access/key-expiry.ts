import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type pg from 'pg';
import { POOL } from '../database/tokens.js';
import { Metrics } from '../operation/metrics.js';
import { soonestExpiries } from './api-keys.sql.js';

/** Lets an operator see that a key is about to expire before its source gets 401. */
@Injectable()
export class KeyExpiry implements OnModuleInit {
  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    private readonly metrics: Metrics,
  ) {}

  onModuleInit(): void {
    this.metrics.gauge(
      'truetrail_api_key_remaining_seconds',
      'Time until the last good API key of a name expires, of those that do within 30 days; less than 0 for 7 days after it',
      ['name'],
      async () => (await soonestExpiries(this.pool)).map(({ name, seconds }) => ({ labels: { name }, value: seconds })),
    );
  }
}
