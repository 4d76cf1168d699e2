import { setTimeout as pause } from 'node:timers/promises';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import pg from 'pg';
import type { Logger } from 'pino';
import { ARCHIVED_EVENTS, type ArchivedEvents } from '../archive/archived-events.js';
import { deletedAs, readDeletedSpans, spanAt } from '../archive/deleted-ranges.js';
import { CONFIG, type Config } from '../config/config.js';
import { connectionOptions, keepFromCrashing } from '../database/connection.js';
import { DATABASE_URL } from '../database/tokens.js';
import { sqlState, SqlState } from '../database/sqlstate.js';
import { isDatabaseUnavailable } from '../database/availability.js';
import { Problem } from '../http/problem.js';
import { ClockMonitor } from '../operation/clock-monitor.js';
import { DurabilityMonitor } from '../operation/durability-monitor.js';
import { envelopeOf } from '../integrity/stored-event.js';
import { LOGGER } from '../operation/logger.js';
import { Metrics } from '../operation/metrics.js';
import { PartitionManager } from '../partitions/partition-manager.js';
import { AppendGate } from './append-gate.js';
import { AppendQueue, NotSent, type Appended, type ArchivedEnvelope, type ArchivedRepeats } from './append-queue.js';
import { appendEvents, type AppendGroup, type AppendOutcome } from './appender.sql.js';
import { Ledgers } from './ledgers.js';
import type { PreparedEvent } from './prepared-event.js';

/** Pauses between attempts, ms: a restart of PostgreSQL takes a second or two. */
const RETRY_PAUSES_MS = [20, 100, 250, 500, 1_000];
/** How long appends wait for a database that cannot be reached before their callers are told. */
const UNREACHABLE_AFTER_ATTEMPTS = 10;

/** How long after an append more are expected. */
const IN_USE_MS = 1_000;

/**
 * The way in for every event of this replica: a queue for each ledger, over connections of their own, so that no read
 * can hold up a write.
 */
@Injectable()
export class Appender implements OnApplicationShutdown {
  private readonly pool: pg.Pool;
  private readonly queues = new Map<string, AppendQueue>();
  private lastAppendAt = -Infinity;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(DATABASE_URL) url: string,
    private readonly ledgers: Ledgers,
    private readonly clocks: ClockMonitor,
    private readonly durability: DurabilityMonitor,
    private readonly partitions: PartitionManager,
    private readonly metrics: Metrics,
    @Inject(ARCHIVED_EVENTS) private readonly archive: ArchivedEvents,
    private readonly gate: AppendGate,
  ) {
    this.pool = new pg.Pool({
      // No lock_timeout: whoever holds the head's row is committing, and its turn will pass.
      ...connectionOptions({ url, asService: true, applicationName: 'truetrail appender', lockTimeoutMs: 0 }),
      max: config.APPEND_CONNECTIONS,
      idleTimeoutMillis: 0,
      verify: (client, done) => void this.gate.meet(client).then(() => done(), done),
    });
    keepFromCrashing(this.pool);
    this.pool.on('error', (error) => this.logger.warn({ err: error }, 'an idle append connection was lost'));
    this.metrics.observeQueues(() => [...this.queues].map(([ledger, queue]) => ({ ledger, events: queue.depth })));
  }

  /**
   * Appends the events of one request to a ledger, all or nothing; their ids must differ. Resolves once they are
   * durable, in order. Throws ConflictError, queue-full, clock-out-of-tolerance, ledger-not-found, ledger-closed,
   * ledger-behind-its-anchor, anchors-unavailable, database-unavailable, or append-timeout (then the outcome is open, and the append goes on).
   */
  async append(ledger: string, events: readonly PreparedEvent[]): Promise<Appended[]> {
    if (!this.clocks.agrees) {
      throw new Problem(
        'clock-out-of-tolerance',
        'The clocks of service and database differ by more than CLOCK_TOLERANCE',
        { retryAfterSeconds: 5 },
      );
    }
    const [unsafe] = this.durability.obstacles;
    if (unsafe !== undefined)
      throw new Problem('database-unavailable', `PostgreSQL runs with ${unsafe}: nothing recorded would be safe`, {
        retryAfterSeconds: 5,
      });
    const queue = this.queues.get(ledger) ?? (await this.openQueue(ledger));
    if (this.isFull(queue, events.length))
      throw new Problem('queue-full', `Too many events wait for the ledger ${ledger}`);
    this.lastAppendAt = performance.now();
    return this.withinTimeout(queue.append(events));
  }

  /** Whether one more event would be refused for want of room: a stream then reads on more slowly. */
  hasRoom(ledger: string): boolean {
    const queue = this.queues.get(ledger);
    return queue === undefined || !this.isFull(queue, 1);
  }

  /** Whether events are coming in: what can wait leaves room for them then. */
  get isInUse(): boolean {
    return performance.now() - this.lastAppendAt < IN_USE_MS;
  }

  /** Waits for every event that was taken; call once no more requests come. */
  async onApplicationShutdown(): Promise<void> {
    while ([...this.queues.values()].some((queue) => queue.depth > 0)) await pause(5);
    await this.pool.end();
  }

  private async openQueue(ledger: string): Promise<AppendQueue> {
    const origin = await this.ledgers.origin(ledger);
    const there = this.queues.get(ledger); // made by another request meanwhile
    if (there) return there;
    const queue = new AppendQueue(ledger, origin, this.config.CLOCK_TOLERANCE, {
      append: (group) => this.callFunction(group),
      onFailure: (error, attempt, unsure) => this.onFailure(ledger, error, attempt, unsure),
      readArchived: (name, sequences) => this.readArchived(name, sequences),
      observeGroup: (events, requests, seconds) => this.metrics.observeAppend(ledger, events, requests, seconds),
    });
    this.queues.set(ledger, queue);
    this.metrics.countAppendRetry(ledger, 0); // so that the series is there before the first
    return queue;
  }

  private isFull(queue: AppendQueue, events: number): boolean {
    if (queue.depth > 0 && queue.depth + events > this.config.APPEND_QUEUE_EVENTS) return true;
    let bytes = 0;
    for (const each of this.queues.values()) bytes += each.bytes;
    return bytes > this.config.APPEND_QUEUE_BYTES;
  }

  private withinTimeout<T>(appending: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(
          new Problem('append-timeout', 'The append has no durable answer yet; send the same event_id again', {
            retryAfterSeconds: 5,
          }),
        );
      }, this.config.APPEND_TIMEOUT);
      appending.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }

  private async callFunction(group: AppendGroup): Promise<AppendOutcome> {
    let client: pg.PoolClient;
    try {
      client = await this.pool.connect();
    } catch (cause) {
      throw new NotSent('no connection to the database', { cause });
    }
    await this.pass(client, group.ledger);
    try {
      const outcome = await appendEvents(client, group);
      client.release();
      return outcome;
    } catch (error) {
      client.release(sqlState(error) === undefined); // a connection that failed is not used again
      throw error;
    }
  }

  /** Throws, and gives the connection back, unless events may be appended to a ledger over it. */
  private async pass(client: pg.PoolClient, ledger: string): Promise<void> {
    try {
      await this.gate.admit(ledger); // once it is known where the connection leads
    } catch (cause) {
      client.release();
      if (cause instanceof Problem) throw cause;
      throw new NotSent('the ledgers could not be held against their anchors', { cause });
    }
    if (this.gate.isOfServer(client)) return;
    client.release(true);
    throw new NotSent('the connection leads to another server than the one that was looked at');
  }

  private async readArchived(ledger: string, sequences: readonly string[]): Promise<ArchivedRepeats> {
    const { archived_to: archivedTo } = await this.ledgers.state(ledger);
    const lost = sequences.find((sequence) => BigInt(sequence) > BigInt(archivedTo));
    if (lost !== undefined) throw new Problem('internal-error', `event ${lost} of ${ledger} has a key but no row`);
    const origin = await this.ledgers.origin(ledger);
    const spans = await readDeletedSpans(this.pool, ledger);
    const deleted = new Map<string, string>();
    for (const sequence of sequences) {
      const span = spanAt(spans, BigInt(sequence));
      if (span) deleted.set(sequence, deletedAs(BigInt(sequence), span));
    }
    const there = sequences.filter((sequence) => !deleted.has(sequence));
    const rows = there.length === 0 ? [] : await this.archive.at(ledger, there);
    const envelopes = new Map(
      rows.map((row): [string, ArchivedEnvelope] => {
        const { sequence, recorded_at, recorded_by, content_hash, previous_event_hash } = envelopeOf(row, origin);
        const [salt, event_hash] = [row.salt.toString('hex'), row.event_hash.toString('hex')];
        return [sequence, { salt, recorded_at, recorded_by, content_hash, previous_event_hash, event_hash }];
      }),
    );
    return { envelopes, deleted };
  }

  private async onFailure(ledger: string, error: unknown, attempt: number, unsure: boolean): Promise<'again' | Error> {
    if (error instanceof Problem) return error;
    const state = sqlState(error);
    const wait = (): Promise<void> => pause(RETRY_PAUSES_MS[Math.min(attempt, RETRY_PAUSES_MS.length) - 1]);
    switch (state) {
      case SqlState.noSuchLedger:
        return new Problem('ledger-not-found', 'There is no such ledger');
      case SqlState.ledgerClosed:
        return new Problem('ledger-closed', 'The ledger is closed');
      case SqlState.headAheadOfClock:
        this.logger.error({ err: error }, 'a ledger ends ahead of the database clock: appends to it are refused');
        return new Problem('clock-out-of-tolerance', 'The ledger ends ahead of the database clock', {
          cause: error,
          retryAfterSeconds: 5,
        });
      case SqlState.checkViolation:
        // no partition for the month: the manager slept, or a clock jumped
        if (attempt === 1 && /no partition of relation/.test((error as Error).message) && (await this.makeMonths()))
          return 'again';
        break;
      case SqlState.uniqueViolation:
        this.logger.error(
          { err: error, alarm: 'duplicate-key' },
          'an event id or sequence came twice under the lock of its ledger: this cannot happen',
        );
        break;
      case undefined:
      default:
    }
    const unavailable = error instanceof NotSent || state === undefined || isDatabaseUnavailable(error);
    if (unavailable && (unsure || attempt < UNREACHABLE_AFTER_ATTEMPTS)) {
      this.logger.warn({ err: error, attempt, unsure }, 'an append goes to the database again');
      this.metrics.countAppendRetry(ledger);
      await wait();
      return 'again';
    }
    if (unavailable)
      return new Problem('database-unavailable', 'The database does not answer at the moment', {
        cause: error,
        retryAfterSeconds: 2,
      });
    return new Problem('internal-error', 'The service failed; its log has the cause under this request id', {
      cause: error,
    });
  }

  private async makeMonths(): Promise<boolean> {
    try {
      await this.partitions.ensureMonths();
      return true;
    } catch (error) {
      this.logger.error({ err: error }, 'the months that appends need could not be made');
      return false;
    }
  }
}
