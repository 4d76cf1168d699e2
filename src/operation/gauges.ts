import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import { CONFIG, type Config } from '../config/config.js';
import { OperationPool } from '../database/operation-pool.js';
import { POOL } from '../database/tokens.js';
import { ClockMonitor } from './clock-monitor.js';
import { Ledgers } from '../events/ledgers.js';
import { BUILD } from './build.js';
import { snapshots, type Snapshots } from './gauges.sql.js';
import { Metrics, type Reading } from './metrics.js';
import { withTimeLimit } from './time-limit.js';

/** A scrape waits this long for the database, which is then called away; less than a gauge may take. */
const DATABASE_TIMEOUT_MS = 2_000;

/** What one scrape asks the database. */
interface DatabaseReadings {
  ledgers: { ledger: string; size: string }[];
  snapshots: Snapshots;
}

/** The gauges of a replica as a whole: its database, its clock, its connections, itself. */
@Injectable()
export class Gauges {
  private underWay: Promise<DatabaseReadings> | undefined;

  constructor(
    @Inject(POOL) pool: pg.Pool,
    @Inject(CONFIG) { TLS_CERT_FILE: certificateFile }: Config,
    private readonly connections: OperationPool,
    metrics: Metrics,
    clocks: ClockMonitor,
  ) {
    // In the constructor, so as to come before those that ask the database, for which they need connections.
    metrics.gauge('truetrail_pool_connections', 'Connections for reads and operation', ['state'], () => [
      { labels: { state: 'idle' }, value: pool.idleCount },
      { labels: { state: 'used' }, value: pool.totalCount - pool.idleCount },
    ]);
    metrics.gauge('truetrail_pool_waiting', 'Reads that wait for a connection', [], () => [
      { value: pool.waitingCount },
    ]);

    const fromDatabase = (
      name: string,
      help: string,
      labelNames: string[],
      read: (readings: DatabaseReadings) => Reading[],
    ): void =>
      metrics.gauge(name, help, labelNames, async () => {
        const readings = await this.askDatabase();
        return readings ? read(readings) : [];
      });

    metrics.gauge('truetrail_database_up', '1 if the database answered this scrape in time', [], async () => [
      { value: (await this.askDatabase()) ? 1 : 0 },
    ]);
    fromDatabase('truetrail_ledger_size', 'Events in the ledger', ['ledger'], ({ ledgers }) =>
      ledgers.map(({ ledger, size }) => ({ labels: { ledger }, value: Number(size) })),
    );
    fromDatabase(
      'truetrail_oldest_snapshot_seconds',
      'Age of the oldest snapshot held in the database by another session that the login may see: it keeps VACUUM from clearing up',
      [],
      ({ snapshots: { oldestSeconds } }) => [{ value: oldestSeconds }],
    );
    fromDatabase(
      'truetrail_hidden_snapshots',
      'Sessions that hold a snapshot whose age the login may not see: grant it pg_read_all_stats',
      [],
      ({ snapshots: { hidden } }) => [{ value: hidden }],
    );
    metrics.gauge(
      'truetrail_clock_difference_seconds',
      "The service's clock minus the database's, at the last comparison",
      [],
      () => (clocks.differenceMs === undefined ? [] : [{ value: clocks.differenceMs / 1_000 }]),
    );
    if (certificateFile !== undefined) {
      const { validTo } = new X509Certificate(readFileSync(certificateFile)); // as served: that too was read at the start
      metrics.gauge(
        'truetrail_tls_certificate_remaining_seconds',
        'Time until the certificate that this replica serves expires',
        [],
        () => [{ value: (Date.parse(validTo) - Date.now()) / 1_000 }],
      );
    }
    metrics.gauge('truetrail_uptime_seconds', 'Since the process began', [], () => [{ value: process.uptime() }]);
    metrics.gauge('truetrail_build_info', 'Always 1', ['version', 'node'], () => [
      { labels: { version: BUILD.version, node: process.version }, value: 1 },
    ]);
  }

  /** Undefined when there is no answer in time. The gauges of a scrape share one question, and so do scrapes. */
  private askDatabase(): Promise<DatabaseReadings | undefined> {
    const { pool } = this.connections;
    this.underWay ??= Promise.all([new Ledgers(pool).list(), snapshots(pool)])
      .then(([ledgers, held]) => ({ ledgers, snapshots: held }))
      .finally(() => (this.underWay = undefined));
    const late = (): Error => new Error('no answer in time');
    return withTimeLimit(DATABASE_TIMEOUT_MS, this.underWay, late).catch(() => undefined);
  }
}
