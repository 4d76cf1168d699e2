import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type pg from 'pg';
import { POOL } from '../database/tokens.js';
import { Metrics } from '../operation/metrics.js';
import { secondsToNextExpiry } from './api-keys.sql.js';

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
      'Time until the next API key expires, of those that are good; absent when none expires',
      [],
      async () => {
        const seconds = await secondsToNextExpiry(this.pool);
        return seconds === null ? [] : [{ value: seconds }];
      },
    );
  }
}
