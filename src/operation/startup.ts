import { randomBytes, randomUUID } from 'node:crypto';
import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import type pg from 'pg';
import type { Logger } from 'pino';
import { ApiKeys } from '../access/api-keys.js';
import { SCOPES } from '../access/principal.js';
import { CONFIG, configDigest, publicSettings, type Config } from '../config/config.js';
import { POOL } from '../database/database.module.js';
import { Ledgers } from '../events/ledgers.js';
import { ServiceLedger } from '../events/service-ledger.js';
import { PartitionManager } from '../partitions/partition-manager.js';
import { LOGGER } from './logger.js';
import * as sql from './startup.sql.js';

const EVERYTHING = { scopes: SCOPES, ledgers: ['*'] };

/** What must be there before the first request: months, ledgers, a key. Every step finds itself done at the next start. */
@Injectable()
export class Startup implements OnApplicationBootstrap {
  /** The key that this start made, to be shown once. */
  firstKey: string | undefined;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly partitions: PartitionManager,
    private readonly ledgers: Ledgers,
    private readonly serviceLedger: ServiceLedger,
    private readonly keys: ApiKeys,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.refuseUnsafeServer();
    await this.partitions.ensureMonths();
    const wanted = this.config.LOG_ORIGIN ?? `localhost/${randomBytes(8).toString('hex')}`;
    const logOrigin = await this.ledgers.open(randomUUID(), wanted);
    if (this.config.LOG_ORIGIN !== undefined && logOrigin !== this.config.LOG_ORIGIN) {
      throw new Error(
        `LOG_ORIGIN is fixed: this database is ${logOrigin} since its first start. Unset it, or use another database`,
      );
    }
    await this.makeFirstKey();
    await this.recordConfiguration();
  }

  /** An acknowledgement would be a lie on a server that does not sync. */
  private async refuseUnsafeServer(): Promise<void> {
    for (const { name, setting } of await sql.durabilitySettings(this.pool)) {
      if (setting !== 'on')
        throw new Error(`PostgreSQL runs with ${name} = ${setting}: set it to on, or nothing recorded is safe`);
    }
  }

  private async makeFirstKey(): Promise<void> {
    if (this.config.BOOTSTRAP_API_KEY !== undefined) {
      const made = await this.keys.ensure(this.config.BOOTSTRAP_API_KEY, { name: 'BOOTSTRAP_API_KEY', ...EVERYTHING });
      if (made) await this.recordKey('BOOTSTRAP_API_KEY');
    } else if (await this.keys.isEmpty()) {
      const { key } = await this.keys.create({ name: 'first key', ...EVERYTHING }, 'service');
      this.firstKey = key;
      await this.recordKey('first key');
    }
  }

  private async recordKey(name: string): Promise<void> {
    await this.serviceLedger.record({
      event_type: 'api_key',
      entity_type: 'api_key',
      entity_id: name,
      action: 'create',
      user_id: 'service',
      new_state: { name, scopes: [...SCOPES], ledgers: ['*'] },
    });
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
