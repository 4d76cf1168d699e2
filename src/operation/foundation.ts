import { randomBytes, randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import { CONFIG, type Config } from '../config/config.js';
import { POOL } from '../database/tokens.js';
import { refuseDuringRebuild } from '../database/work-alone.js';
import { Ledgers } from '../events/ledgers.js';
import { PartitionManager } from '../partitions/partition-manager.js';
import { unsafeSettings } from './startup.sql.js';

/** What must be there before the first event: a server that keeps what it says it keeps, months, ledgers. */
@Injectable()
export class Foundation {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(POOL) private readonly pool: pg.Pool,
    private readonly partitions: PartitionManager,
    private readonly ledgers: Ledgers,
  ) {}

  /** Lays what is missing; done already, it changes nothing. Throws with a sentence for the operator. */
  async lay(): Promise<void> {
    await this.refuseUnsafeServer();
    await refuseDuringRebuild(this.pool);
    await this.partitions.ensureMonths();
    const wanted = this.config.LOG_ORIGIN ?? `localhost/${randomBytes(8).toString('hex')}`;
    const logOrigin = await this.ledgers.open(randomUUID(), wanted);
    if (this.config.LOG_ORIGIN !== undefined && logOrigin !== this.config.LOG_ORIGIN) {
      throw new Error(
        `LOG_ORIGIN is fixed: this database is ${logOrigin} since its first start. Unset it, or use another database`,
      );
    }
  }

  /** An acknowledgement would be a lie on a server that does not sync. */
  private async refuseUnsafeServer(): Promise<void> {
    const [setting] = await unsafeSettings(this.pool);
    if (setting !== undefined)
      throw new Error(`PostgreSQL runs with ${setting}: set it to on, or nothing recorded is safe`);
  }
}
