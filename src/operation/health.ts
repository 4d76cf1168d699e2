import { setMaxListeners } from 'node:events';
import { Injectable } from '@nestjs/common';
import { isUpToDate } from '../database/migrate.js';
import { OperationPool } from '../database/operation-pool.js';
import { DurabilityMonitor } from './durability-monitor.js';
import { withTimeLimit } from './time-limit.js';

const PROBE_TIMEOUT_MS = 2_000;

/** Whether this replica should get requests. */
@Injectable()
export class Health {
  private readonly shutdown = new AbortController();
  private migrated = false;
  private probe: Promise<string[]> | undefined;

  constructor(
    private readonly connections: OperationPool,
    private readonly durability: DurabilityMonitor,
  ) {
    setMaxListeners(0, this.shutdown.signal); // one for each answer that is under way
  }

  /** From now on not ready: load balancers send no more while requests in flight are answered. */
  stop(): void {
    this.shutdown.abort();
  }

  /** Aborted once a shutdown has begun. */
  get stopping(): AbortSignal {
    return this.shutdown.signal;
  }

  /** What is wrong, or nothing when requests can be answered. */
  async obstacles(): Promise<string[]> {
    if (this.stopping.aborted) return ['stopping'];
    try {
      // one that hangs is asked once, and does not get a connection with each probe
      this.probe ??= this.askDatabase().finally(() => (this.probe = undefined));
      return await withTimeLimit(PROBE_TIMEOUT_MS, this.probe, () => new Error('no answer in time'));
    } catch {
      return ['database'];
    }
  }

  private async askDatabase(): Promise<string[]> {
    const client = await this.connections.pool.connect();
    client.on('error', ignore); // a connection that breaks fails the query that uses it; without this it ends the process
    try {
      if (!this.migrated) this.migrated = await isUpToDate(client);
      if (!this.migrated) return ['migrations'];
      const { rows } = await client.query<{ month: boolean; writable: boolean }>({
        name: 'readiness',
        text: `SELECT NOT pg_is_in_recovery() AS writable, EXISTS (SELECT FROM months
                 WHERE month = date_trunc('month', trail_now(), 'UTC')::date AND state = 'open') AS month`,
      });
      return [
        ...(rows[0]!.writable ? [] : ['database-read-only']),
        ...(rows[0]!.month ? [] : ['month']),
        ...(this.durability.obstacles.length === 0 ? [] : ['database-not-durable']),
      ];
    } finally {
      client.off('error', ignore);
      client.release();
    }
  }
}

function ignore(): void {
  // said by the query
}
