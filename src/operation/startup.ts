import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import type pg from 'pg';
import type { Logger } from 'pino';
import { KeyAdministration } from '../access/key-administration.js';
import { CONFIG, configDigest, publicSettings, type Config } from '../config/config.js';
import { POOL } from '../database/tokens.js';
import { ServiceLedger } from '../events/service-ledger.js';
import { RetentionPolicies } from '../retention/retention-policies.js';
import { Foundation } from './foundation.js';
import { LOGGER } from './logger.js';
import * as sql from './startup.sql.js';

/** What must be there before the first request: the foundation and a key. Every step finds itself done at the next start. */
@Injectable()
export class Startup implements OnApplicationBootstrap {
  /** The key that this start made, to be shown once. */
  firstKey: string | undefined;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly foundation: Foundation,
    private readonly serviceLedger: ServiceLedger,
    private readonly keys: KeyAdministration,
    private readonly retention: RetentionPolicies,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.foundation.lay();
    this.firstKey = await this.keys.ensureFirstKey(this.config.BOOTSTRAP_API_KEY);
    await this.recordConfiguration();
    await this.retention.declareDefault();
  }

  private async recordConfiguration(): Promise<void> {
    const digest = configDigest(this.config);
    const before = await sql.recordedConfigDigest(this.pool);
    if (before?.equals(digest)) return;
    await this.serviceLedger.record({
      event_type: 'configuration',
      entity_type: 'deployment',
      entity_id: 'configuration',
      action: before ? 'modify' : 'create',
      user_id: 'service',
      new_state: { sha256: digest.toString('hex'), settings: publicSettings(this.config) },
    });
    await sql.recordConfigDigest(this.pool, digest);
    this.logger.info({ digest: digest.toString('hex') }, 'the configuration changed and was recorded');
  }
}
