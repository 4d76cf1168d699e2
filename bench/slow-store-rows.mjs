// Rows about an object store that is slow or hangs: what POSTs take meanwhile.
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { runJob } from './jobs.mjs';
import { newBucket } from './s3-rows.mjs';
import { percentile, summarize } from './statistics.mjs';
import { Trail } from './trail.mjs';

/** Later than which no store that works answers. */
const SLOW_MS = 1_000;
/** What waits for the store. */
const JOBS = ['archive-export', 'checkpoint', 'archive-verification'];
const STORES = { works: 'works', slow: `answers ${SLOW_MS / 1000} s late`, hangs: 'never answers' };
/** So that there is always something to be signed and to be exported. */
const EVENTS_BEFORE = 2_000;

/** POSTs of one client while jobs use an S3 that works, answers late or does not answer, beside the same when quiet. */
export async function measureSlowStore(trail, { busyRounds, busyMs }) {
  const { client, env } = await newBucket();
  const proxy = await FaultyProxy.start(env.AWS_ENDPOINT_URL_S3);
  trail.cleanup.add(() => proxy.close());
  const own = await Trail.start({
    ...trail,
    env: { ...env, AWS_ENDPOINT_URL_S3: proxy.url, CHECKPOINT_SCHEDULE: 'off', ARCHIVE_EXPORT_AGE: '24h' },
  });
  try {
    await own.warmUp(2_000);
    await posted(own, proxy, 'works', busyMs); // what the first runs make is not measured
    const latencies = { quiet: [], works: [], slow: [], hangs: [] };
    for (let round = 0; round < busyRounds; round++) {
      for (const [name, all] of Object.entries(latencies)) all.push(...(await posted(own, proxy, name, busyMs)));
    }
    const limit = percentile(latencies.quiet, 0.99);
    return Object.entries(STORES).map(([name, does]) => {
      const ours = percentile(latencies[name], 0.99);
      return {
        row: 'slow-store',
        what: `POST p99 while ${JOBS.join(', ')} run over and over with an S3 that ${does}`,
        unit: 'ms',
        limitName: 'the same when quiet',
        limit,
        ours,
        ratio: ours / limit,
        target: 'printed',
        met: null,
        detail: { oursMs: summarize(latencies[name]), limitMs: summarize(latencies.quiet) },
      };
    });
  } finally {
    client.destroy();
    await own.stop();
  }
}

/** Milliseconds of each POST of one client for so long, while the jobs run over and over, or do not: `quiet`. */
async function posted(trail, proxy, mode, milliseconds) {
  await trail.withConnections(1, ([connection]) =>
    trail.postBatches([connection], trail.makeBatches(connection, EVENTS_BEFORE)),
  );
  proxy.setMode(mode);
  let isOver = false;
  const running = (mode === 'quiet' ? [] : JOBS).map(async (job) => {
    while (!isOver) await runJob(trail, job).catch(() => pause(100)); // a store that hangs fails a run after a while
  });
  await pause(Math.min(500, milliseconds));
  try {
    return await trail.withConnections(1, async ([connection]) => {
      const latencies = [];
      const until = performance.now() + milliseconds;
      while (performance.now() < until) {
        latencies.push(...(await trail.postSingles([connection], trail.makeSingles(connection, 50))));
      }
      return latencies;
    });
  } finally {
    isOver = true;
    proxy.setMode('works'); // which lets go of whoever hangs
    await Promise.all(running);
  }
}

/** An S3 endpoint in front of the real one; requests pass through as they are, with the host that the client signed. */
class FaultyProxy {
  #mode = 'works';

  static async start(target) {
    const proxy = new FaultyProxy();
    proxy.target = new URL(target);
    proxy.server = createServer((incoming, answer) => void proxy.#pass(incoming, answer));
    proxy.server.listen(0, '127.0.0.1');
    await once(proxy.server, 'listening');
    proxy.url = `http://127.0.0.1:${proxy.server.address().port}`;
    return proxy;
  }

  /** `slow` or `hangs`, or else it works; requests that are under way are cut off. */
  setMode(mode) {
    this.#mode = mode;
    this.server.closeAllConnections();
  }

  async close() {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }

  async #pass(incoming, answer) {
    incoming.on('error', () => undefined);
    answer.on('error', () => undefined);
    if (this.#mode === 'hangs') return;
    const late = this.#mode === 'slow' ? SLOW_MS : 0;
    const { method, url, headers } = incoming;
    const passed = request({ host: this.target.hostname, port: this.target.port, method, path: url, headers });
    passed.on('error', () => answer.destroy());
    passed.on('response', async (response) => {
      await pause(late);
      answer.writeHead(response.statusCode, response.rawHeaders);
      response.pipe(answer);
    });
    incoming.pipe(passed);
  }
}
