import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import type pg from 'pg';
import type { Logger } from 'pino';
import { KeyAdministration } from '../access/key-administration.js';
import { OBJECT_STORE, refuseArchiveOfOther } from '../archive/archive-store.js';
import { StoreUnavailable, type ObjectStore } from '../archive/object-store.js';
import { CONFIG, configDigest, publicSettings, type Config } from '../config/config.js';
import { POOL } from '../database/tokens.js';
import { AppendGate } from '../events/append-gate.js';
import { ServiceLedger } from '../events/service-ledger.js';
import { RetentionPolicies } from '../retention/retention-policies.js';
import { Problem, type ProblemSlug } from '../http/problem.js';
import { Foundation } from './foundation.js';
import { LOGGER } from './logger.js';
import * as sql from './startup.sql.js';
import { withTimeLimit } from './time-limit.js';

const GATE_TIMEOUT_MS = 3_000;
const STORE_TIMEOUT_MS = 3_000;
/** What `_service` answers after a restore. */
const CLOSED: ReadonlySet<ProblemSlug> = new Set(['ledger-behind-its-anchor', 'anchors-unavailable']);

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
    private readonly gate: AppendGate,
    @Inject(OBJECT_STORE) private readonly store: ObjectStore | null,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.refuseArchiveOfOther();
    await this.foundation.lay();
    await this.whereTheLedgersStand();
    await this.unlessClosed('the first key was not made', async () => {
      this.firstKey = await this.keys.ensureFirstKey(this.config.BOOTSTRAP_API_KEY);
    });
    await this.unlessClosed('the configuration was not recorded', () => this.recordConfiguration());
    await this.unlessClosed('ARCHIVE_RETENTION_YEARS was not declared', () => this.retention.declareDefault());
  }

  /** Of a database that was lost, before its rebuild; a store that does not answer keeps no new installation from its start. */
  private async refuseArchiveOfOther(): Promise<void> {
    if (!this.store) return;
    const signal = AbortSignal.timeout(STORE_TIMEOUT_MS);
    try {
      await refuseArchiveOfOther(this.store.within(signal), this.pool);
    } catch (error) {
      if (!(error instanceof StoreUnavailable) && error !== signal.reason) throw error;
      this.logger.warn({ err: error }, 'the store cannot be asked whose archive it has; what it says counts later');
    }
  }

  /** Before jobs begin and the first event comes; a store that does not answer holds up neither for long. */
  private async whereTheLedgersStand(): Promise<void> {
    const late = (): Error => new Error('the anchors do not come in time');
    try {
      await withTimeLimit(GATE_TIMEOUT_MS, this.gate.prepare(), late);
    } catch (error) {
      this.logger.warn({ err: error }, 'the ledgers are held against their anchors later: before the first append');
    }
  }

  /** What is recorded while `_service` takes nothing is left to the next start: reading goes on meanwhile. */
  private async unlessClosed(consequence: string, step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      const isClosed = error instanceof Problem && CLOSED.has(error.slug);
      if (!isClosed) throw error;
      this.logger.error({ err: error, alarm: error.slug }, `the service's own ledger takes nothing: ${consequence}`);
    }
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
