import { Injectable } from '@nestjs/common';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Every figure that the service publishes, in one registry of its own (several instances may share a process in tests). */
@Injectable()
export class Metrics {
  readonly registry = new Registry();

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

  constructor() {
    collectDefaultMetrics({ register: this.registry, prefix: 'truetrail_' });
  }

  observeAppend(ledger: string, events: number, _requests: number, seconds: number): void {
    this.appendSeconds.observe({ ledger }, seconds);
    this.groupEvents.observe({ ledger }, events);
    this.appendedEvents.inc({ ledger }, events);
  }

  observeQueues(queues: () => { ledger: string; events: number }[]): void {
    this.gauge(
      'truetrail_append_queue_events',
      'Events that wait for the append function or are under way in it',
      ['ledger'],
      (gauge) => {
        for (const { ledger, events } of queues()) gauge.set({ ledger }, events);
      },
    );
  }

  /** A gauge whose values are read when somebody asks. */
  gauge(name: string, help: string, labelNames: string[], collect: (gauge: Gauge) => void | Promise<void>): void {
    new Gauge({
      name,
      help,
      labelNames,
      registers: [this.registry],
      async collect() {
        this.reset();
        await collect(this);
      },
    });
  }
}
