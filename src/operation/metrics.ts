import { Inject, Injectable } from '@nestjs/common';
import type { Logger } from 'pino';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { LOGGER } from './logger.js';
import { withTimeLimit } from './time-limit.js';

/** Prometheus gives up a scrape after 10 s. */
const GAUGE_TIMEOUT_MS = 3_000;
/** How long the last values of a gauge stand in for ones that cannot be read. */
const GAUGE_KEPT_MS = 300_000;

/** A value of a gauge, and what distinguishes it from the gauge's others. */
export interface Reading {
  labels?: Record<string, string>;
  value: number;
}

/** Every figure that the service publishes, in one registry of its own (several instances may share a process in tests). */
@Injectable()
export class Metrics {
  private readonly registry = new Registry();

  private readonly appendSeconds = new Histogram({
    name: 'truetrail_append_seconds',
    help: 'Time of one call of the append function, its commit included, retries included',
    labelNames: ['ledger'],
    buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30],
    registers: [this.registry],
  });
  private readonly groupEvents = new Histogram({
    name: 'truetrail_append_group_events',
    help: 'Events that shared one commit',
    labelNames: ['ledger'],
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000],
    registers: [this.registry],
  });
  private readonly appendedEvents = new Counter({
    name: 'truetrail_append_events_total',
    help: 'Events handed to the append function, repeats included',
    labelNames: ['ledger'],
    registers: [this.registry],
  });
  private readonly appendRetries = new Counter({
    name: 'truetrail_append_retries_total',
    help: 'Times that an append went to the database again, as it could not be reached, refused the work for now, or was not heard of',
    labelNames: ['ledger'],
    registers: [this.registry],
  });

  private readonly httpAnswers = new Counter({
    name: 'truetrail_http_answers_total',
    help: 'Answers to requests, whole or cut off; the route is none where no operation has the path',
    labelNames: ['method', 'route', 'status'],
    registers: [this.registry],
  });
  private readonly internalErrors = new Counter({
    name: 'truetrail_internal_errors_total',
    help: 'Answers with the status 500: the log has the cause of each',
    registers: [this.registry],
  });
  private readonly refusedConnections = new Counter({
    name: 'truetrail_http_connections_refused_total',
    help: 'Connections that were not taken, since there were as many as MAX_CONNECTIONS allows',
    registers: [this.registry],
  });
  private readonly refusedCredentials = new Counter({
    name: 'truetrail_refused_credentials_total',
    help: 'Requests with a key or token that is none, has expired or was revoked',
    registers: [this.registry],
  });
  private readonly verificationFindings = new Counter({
    name: 'truetrail_verification_findings_total',
    help: 'Findings of verifications that this replica ran, of those that runs list',
    labelNames: ['ledger', 'kind'],
    registers: [this.registry],
  });
  private readonly jobFailures = new Counter({
    name: 'truetrail_job_failures_total',
    help: 'Runs of jobs that failed on this replica',
    labelNames: ['job'],
    registers: [this.registry],
  });

  private readonly witnessFailures = new Counter({
    name: 'truetrail_witness_failures_total',
    help: 'Checkpoints that the witness did not cosign when this replica asked it to',
    labelNames: ['witness', 'reason'],
    registers: [this.registry],
  });
  private readonly timestampFailures = new Counter({
    name: 'truetrail_timestamp_failures_total',
    help: 'Times that the authority gave no time stamp when this replica asked it to',
    labelNames: ['authority', 'reason'],
    registers: [this.registry],
  });

  /** of gauges that have their last values, when these were read: on the clock of performance.now() */
  private readonly unreadSince = new Map<string, number>();

  constructor(@Inject(LOGGER) private readonly logger: Logger) {
    this.gauge(
      'truetrail_metric_stale_seconds',
      'Since when a metric was not read that could not be at the scrape before this one; it has its last values for five minutes',
      ['metric'],
      () =>
        [...this.unreadSince].map(([metric, atMs]) => ({
          labels: { metric },
          value: (performance.now() - atMs) / 1_000,
        })),
    );
    collectDefaultMetrics({ register: this.registry, prefix: 'truetrail_' });
  }

  /** All of it in Prometheus' text format. */
  render(): Promise<string> {
    return this.registry.metrics();
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  observeAppend(ledger: string, events: number, _requests: number, seconds: number): void {
    this.appendSeconds.observe({ ledger }, seconds);
    this.groupEvents.observe({ ledger }, events);
    this.appendedEvents.inc({ ledger }, events);
  }

  countAppendRetry(ledger: string, retries = 1): void {
    this.appendRetries.inc({ ledger }, retries);
  }

  countAnswer(method: string, route: string | undefined, status: number): void {
    this.httpAnswers.inc({ method, route: route ?? 'none', status });
    if (status === 500) this.internalErrors.inc();
  }

  countRefusedConnection(): void {
    this.refusedConnections.inc();
  }

  countRefusedCredentials(): void {
    this.refusedCredentials.inc();
  }

  countFinding(ledger: string, kind: string): void {
    this.verificationFindings.inc({ ledger, kind });
  }

  countJobFailure(job: string, failures = 1): void {
    this.jobFailures.inc({ job }, failures);
  }

  countWitnessFailure(witness: string, reason: string, failures = 1): void {
    this.witnessFailures.inc({ witness, reason }, failures);
  }

  countTimestampFailure(authority: string, reason: string, failures = 1): void {
    this.timestampFailures.inc({ authority, reason }, failures);
  }

  observeQueues(queues: () => { ledger: string; events: number }[]): void {
    this.gauge(
      'truetrail_append_queue_events',
      'Events that wait for the append function or are under way in it',
      ['ledger'],
      () => queues().map(({ ledger, events }) => ({ labels: { ledger }, value: events })),
    );
  }

  /**
   * A gauge that is read when somebody asks. One that cannot be read in time has its last values for a few minutes, and then
   * none: reads that have every connection must not end an alarm. It is not asked again before it has answered: a database
   * that hangs must neither fail a scrape nor lose a connection to each.
   */
  gauge(name: string, help: string, labelNames: string[], read: () => Reading[] | Promise<Reading[]>): void {
    const { logger, unreadSince } = this;
    let underWay: Promise<Reading[]> | undefined;
    let failing = false;
    let last: { readings: Reading[]; atMs: number } | undefined;
    new Gauge({
      name,
      help,
      labelNames,
      registers: [this.registry],
      async collect() {
        let readings: Reading[] = [];
        try {
          underWay ??= (async () => read())().finally(() => (underWay = undefined));
          readings = await withTimeLimit(GAUGE_TIMEOUT_MS, underWay, () => new Error('no answer in time'));
          last = { readings, atMs: performance.now() };
          unreadSince.delete(name);
          failing = false;
        } catch (error) {
          const now = performance.now();
          // for as long as it fails, not only while there are values: an alarm that ended with them must not end unseen
          if (!unreadSince.has(name)) unreadSince.set(name, last?.atMs ?? now);
          if (last && now - last.atMs > GAUGE_KEPT_MS) last = undefined;
          readings = last?.readings ?? [];
          if (!failing) logger.warn({ err: error, metric: name }, 'a metric cannot be read');
          failing = true;
        }
        this.reset();
        if (labelNames.length === 0) this.remove(); // `reset` makes it 0, which is a value
        for (const { labels = {}, value } of readings) this.set(labels, value);
      },
    });
  }
}
