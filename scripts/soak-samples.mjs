// What a soak samples of the service, from /proc and /metrics, and how samples become a value an interval.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { percentile } from '../bench/statistics.mjs';
import { middle } from './soak-rules.mjs';

const MB = 1e6;

/** Samples a process until it is stopped, a set of values every `everyMs`. */
export class Sampler {
  /**
   * `{ at, rss, heap, external, files, handles, threads, connections, pooled, … }`, `at` in ms of performance.now().
   * `handles` and `connections` are those without the pool's, `pooled`: a pool opens as many as are wanted at once and keeps
   * them for minutes, so there are more of them when the machine is slow, and at most DATABASE_POOL_SIZE. `handles` are those
   * without the clients' connections, too: of these the load has more when what it asks for takes longer.
   */
  samples = [];
  #isOver = false;
  #working;
  #failure;

  /** `metrics()` gives the text of /metrics, `connections()` how many sessions the service has in PostgreSQL. */
  constructor({ pid, metrics, connections, everyMs }) {
    Object.assign(this, { pid, metrics, connections, everyMs });
  }

  start() {
    // a service that is gone can no longer be sampled: stop() says so
    this.#working = this.#work().catch((error) => (this.#failure = error));
  }

  async stop() {
    this.#isOver = true;
    await this.#working;
    if (this.#failure) throw this.#failure;
  }

  async #work() {
    while (!this.#isOver) {
      const begun = performance.now();
      this.samples.push({ at: begun, ...(await this.#sample()) });
      await pause(Math.max(0, this.everyMs - (performance.now() - begun)));
    }
  }

  async #sample() {
    const [text, connections] = await Promise.all([this.metrics(), this.connections()]);
    const of = (name) => metric(text, name);
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    const pooled = pooledConnections(text);
    const kB = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? NaN);
    return {
      rss: (kB('VmRSS') * 1024) / MB,
      threads: kB('Threads'),
      files: openFiles(this.pid),
      heap: of('truetrail_nodejs_heap_size_used_bytes') / MB,
      // without a cache that is bounded by itself
      external: (of('truetrail_nodejs_external_memory_bytes') - of('truetrail_kept_tile_bytes')) / MB,
      // those of the pool that are idle keep no process alive, and are no active handles
      handles: of('truetrail_nodejs_active_handles_total') - pooled.used - of('truetrail_http_connections'),
      lag: of('truetrail_nodejs_eventloop_lag_p99_seconds') * 1000,
      waiting: of('truetrail_pool_waiting'),
      cpu: of('truetrail_process_cpu_seconds_total'),
      pooled: pooled.idle + pooled.used,
      connections: connections - pooled.idle - pooled.used,
    };
  }
}

/** Of the text of /metrics: the first value of that name, NaN without one. */
export function metric(text, name) {
  return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1] ?? NaN);
}

/** Of the text of /metrics: the connections of the pool for reads and operation, `{ idle, used }`. */
export function pooledConnections(text) {
  const of = (state) =>
    Number(new RegExp(`^truetrail_pool_connections\\{state="${state}"\\} (\\S+)$`, 'm').exec(text)?.[1] ?? NaN);
  return { idle: of('idle'), used: of('used') };
}

/**
 * Files that a process has open. Not its sockets, which are handles and sessions, nor pipes, event counters and polls, of
 * which each thread of JavaScript has seven: all of them are series of their own, and come and go with the load.
 */
function openFiles(pid) {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).filter((fd) => {
    try {
      return !/^(socket|pipe|anon_inode):/.test(readlinkSync(`${folder}/${fd}`));
    } catch (error) {
      if (error.code === 'ENOENT') return false; // closed meanwhile
      throw error;
    }
  }).length;
}

/**
 * A value an interval for each series. Memory: the least of the interval, which is what was left when garbage had been
 * collected; RSS and what is counted: the median. Latencies, `{ at, ms }`: percentiles.
 */
export function byInterval(samples, latencies, { from, intervalMs, count }) {
  const within = (list, i) => list.filter(({ at }) => at >= from + i * intervalMs && at < from + (i + 1) * intervalMs);
  const each = (reduce) => Array.from({ length: count }, (_, i) => reduce(within(samples, i)));
  const ofSamples = (name, reduce) =>
    each((some) => {
      const values = some.map((sample) => sample[name]).filter(Number.isFinite);
      return values.length === 0 ? null : reduce(values);
    });
  const least = (values) => Math.min(...values);
  const most = (values) => Math.max(...values);
  const posts = Array.from({ length: count }, (_, i) => within(latencies, i).map(({ ms }) => ms));
  const quantile = (q) => posts.map((some) => (some.length === 0 ? null : percentile(some, q)));
  return {
    rss: ofSamples('rss', middle),
    heap: ofSamples('heap', least),
    external: ofSamples('external', least),
    files: ofSamples('files', middle),
    handles: ofSamples('handles', middle),
    threads: ofSamples('threads', middle),
    connections: ofSamples('connections', middle),
    pooled: ofSamples('pooled', middle),
    lag: ofSamples('lag', most),
    waiting: ofSamples('waiting', most),
    cpu: ofSamples('cpu', (values) => values.at(-1) - values[0]),
    posts: posts.map((some) => some.length),
    postP50: quantile(0.5),
    postP99: quantile(0.99),
    postMax: quantile(1),
  };
}
