import { Inject, Injectable } from '@nestjs/common';
import pg from 'pg';
import type { Logger } from 'pino';
import type { Principal } from '../access/principal.js';
import { CONFIG, type Config } from '../config/config.js';
import { sqlState, SqlState } from '../database/sqlstate.js';
import { DATABASE_URL, POOL } from '../database/tokens.js';
import { uuidv7 } from '../database/uuidv7.js';
import { ServiceLedger } from '../events/service-ledger.js';
import { Problem } from '../http/problem.js';
import { SERVICE } from '../jobs/job.js';
import { LOGGER } from '../operation/logger.js';
import { inOneAct } from '../database/one-act.js';
import * as sql from './retention-policies.sql.js';
import type { PolicyTerms, RetentionPolicy } from './retention-policies.sql.js';

export type { PolicyTerms, RetentionPolicy };

/**
 * For how long records are kept, by record class. Policies are added and never changed; the longest of those that match
 * an event counts, so that no record is ever kept for a shorter time than somebody was told. An attempt to shorten is
 * refused, and recorded in the service's ledger before the answer.
 */
@Injectable()
export class RetentionPolicies {
  constructor(
    @Inject(CONFIG) private readonly config: Pick<Config, 'ARCHIVE_RETENTION_YEARS'>,
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(DATABASE_URL) private readonly url: string,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly serviceLedger: ServiceLedger,
  ) {}

  /** All policies, in the order in which they were made. */
  list(): Promise<RetentionPolicy[]> {
    return sql.listPolicies(this.pool);
  }

  /** Throws ledger-not-found, and retention-shortened once that is recorded. */
  async add(caller: Principal, terms: PolicyTerms): Promise<RetentionPolicy> {
    const id = uuidv7();
    try {
      await inOneAct(this.url, 'truetrail retention', async (client) => {
        await sql.addPolicy(client, { ...terms, id, principal: caller.id });
        await this.record('add', id, caller.id, terms);
      });
    } catch (error) {
      if (sqlState(error) === SqlState.noSuchLedger) {
        throw new Problem('ledger-not-found', 'There is no such ledger', { cause: error });
      }
      if (sqlState(error) !== SqlState.retentionShortened) throw error;
      await this.record('refuse', id, caller.id, terms, (error as Error).message);
      const detail = `Records would be kept for ${terms.years} years only: ${(error as Error).message}`;
      throw new Problem('retention-shortened', detail, { cause: error });
    }
    return sql.findPolicy(this.pool, id);
  }

  /**
   * Makes the configured years the policy `default`. Fewer than it has are without effect: that they were tried is
   * recorded. Safe on several replicas at once.
   */
  async declareDefault(): Promise<void> {
    const { ARCHIVE_RETENTION_YEARS: configured } = this.config;
    const id = uuidv7();
    const terms = { record_class: 'default', years: configured, reason: 'ARCHIVE_RETENTION_YEARS' };
    await inOneAct(this.url, 'truetrail retention', async (client) => {
      const { years, is_added: isAdded } = await sql.declareDefault(client, id, configured, SERVICE);
      if (isAdded) await this.record('add', id, SERVICE, terms);
      if (years === configured) return;
      const detail = `ARCHIVE_RETENTION_YEARS is ${configured}, and was ${years}: ${years} years hold`;
      await this.record('refuse', id, SERVICE, terms, detail);
      this.logger.error({ configured, years, alarm: 'retention-shortened' }, `${detail}, for new records too`);
    });
  }

  private async record(
    action: 'add' | 'refuse',
    id: string,
    principal: string,
    { reason, ...terms }: Partial<PolicyTerms>,
    refusal?: string,
  ): Promise<void> {
    await this.serviceLedger.record({
      event_type: 'retention',
      entity_type: 'retention_policy',
      entity_id: id,
      action,
      user_id: principal,
      new_state: { ...terms },
      metadata: { reason: reason!, ...(refusal === undefined ? {} : { refusal }) },
    });
  }
}
