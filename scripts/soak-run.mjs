// The run of `npm run soak`, see scripts/soak.mjs.
import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { CreateBucketCommand, PutObjectLockConfigurationCommand, S3Client } from '@aws-sdk/client-s3';
import { HttpConnection } from '../bench/http-connection.mjs';
import { OrderEvents } from '../bench/order-events.mjs';
import { Cleanup, importFrom, KEY, startDatabase, startService, temporaryFolder } from '../bench/processes.mjs';
import { draw, watch } from './soak-dashboard.mjs';
import { Load } from './soak-load.mjs';
import { judgeFacts, judgeSeries } from './soak-rules.mjs';
import { byInterval, metric, pooledConnections, Sampler } from './soak-samples.mjs';
import { printTable } from './soak-table.mjs';

const SAMPLE_MS = 2_000;
const SETTLING_MS = 10_000;
/** A minute, or less so that a short soak has enough intervals to draw a line through. */
const INTERVAL_S = 60;
const LEAST_INTERVALS = 12;
const AWS_VARIABLES = ['AWS_ENDPOINT_URL_S3', 'AWS_REGION', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'];
/** What is asked of a ledger, not of `main`'s events. */
const LEFT_OUT = new Set(['access-log']);
/** Rows that are compared at once. */
const PAGE = 20_000;

/** Whether every rule holds. */
export async function soak({ build, minutes, short, rate, json, dashboard, nodeArgs }) {
  const cleanup = new Cleanup();
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ])
    process.once(signal, () => void cleanup.run().then(() => process.exit(code)));
  const say = (line) => console.error(line);
  try {
    const result = await run({ build, minutes, short, rate, dashboard, nodeArgs, cleanup, say });
    if (json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
    else printTable(result);
    return result.holds;
  } finally {
    await cleanup.run();
  }
}

async function run({ build, minutes, short, rate, dashboard, nodeArgs, cleanup, say }) {
  const folder = temporaryFolder(cleanup);
  const { uuidv7 } = await importFrom(build, 'src/database/uuidv7.js');
  const database = await startDatabase({ build, dataDir: join(folder, 'data'), cleanup });
  const archive = await archiveSettings();
  const service = await startService({
    build,
    database,
    folder,
    cleanup,
    nodeArgs,
    env: { LOG_LEVEL: 'warn', CHECKPOINT_SCHEDULE: '*/5 * * * * *', RECORD_READS_SECONDS: '5', ...archive },
  });
  const prometheus = dashboard === undefined ? undefined : await watch({ service, folder, cleanup });
  const admin = new pg.Client({
    connectionString: Object.assign(new URL(database.adminUrl), { pathname: '/truetrail' }).href,
  });
  admin.on('error', () => undefined);
  await admin.connect();
  cleanup.add(() => admin.end());
  const asking = await HttpConnection.open(service.url, KEY);
  const { body: listed } = await asking.call('GET', '/v1/ledgers/main/reports');
  asking.close();
  const reports = listed.reports.map(({ name }) => name).filter((name) => !LEFT_OUT.has(name));

  const metricsApi = await HttpConnection.open(service.url, KEY);
  cleanup.add(() => metricsApi.close());
  const sampler = new Sampler({
    pid: service.pid,
    everyMs: SAMPLE_MS,
    metrics: async () => (await metricsApi.call('GET', '/metrics')).body,
    connections: () => sessions(admin),
  });
  const load = new Load({ url: service.url, events: new OrderEvents(uuidv7), rate, reports });
  const begunAt = new Date();
  const from = performance.now();
  load.start();
  sampler.start();
  const seconds = minutes * 60;
  const intervalSeconds = Math.min(INTERVAL_S, seconds / LEAST_INTERVALS);
  await progress({ seconds, load, sampler, say });
  await load.stop();
  await sampler.stop();
  metricsApi.close();

  say('the load is over; everything is verified');
  const api = await HttpConnection.open(service.url, KEY); // the service closes those that are idle for a minute
  cleanup.add(() => api.close());
  const undrawn = () => prometheus && draw(prometheus, { file: dashboard, minutes: minutes + 1, say });
  const clients = prometheus ? 2 : 1; // `api`, and what scrapes
  const facts = await findFacts({ api, admin, load, service, clients, undrawn });
  const count = Math.floor(seconds / intervalSeconds);
  const series = byInterval(sampler.samples, load.latencies, { from, intervalMs: intervalSeconds * 1000, count });
  const rises = judgeSeries(series, intervalSeconds, { onlyCounts: short });
  const rules = judgeFacts(facts);
  return {
    command: ['npm run soak', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(' '),
    begunAt: begunAt.toISOString(),
    minutes,
    rate,
    intervalSeconds,
    machine: {
      processors: availableParallelism(),
      node: process.version,
      archive: archive.ARCHIVE_URL ? 'S3' : 'a folder',
    },
    holds: [...rises, ...rules].every(({ holds }) => holds),
    rises,
    rules,
    series,
    requests: load.requests,
    kinds: load.kinds,
  };
}

/** Waits for the end of the load, and says once a minute how far it is. */
async function progress({ seconds, load, sampler, say }) {
  let told = 0;
  for (let done = 0; done < seconds;) {
    const step = Math.min(60, seconds - done);
    await pause(step * 1000);
    done += step;
    const last = sampler.samples.at(-1);
    for (const line of load.unexpected.slice(told)) say(`unexpected: ${line}`);
    told = load.unexpected.length;
    say(
      `${(done / 60).toFixed(1)} min: ${load.acknowledged.count} events, ${load.requests} requests, RSS ${last?.rss.toFixed(0)} MB, heap ${last?.heap.toFixed(0)} MB, ${last?.files} files`,
    );
  }
}

/** Sessions of the service in PostgreSQL. */
async function sessions(admin) {
  const { rows } = await admin.query(
    `SELECT count(*)::integer AS n FROM pg_stat_activity WHERE datname = 'truetrail' AND usename = 'truetrail_app'`,
  );
  return rows[0].n;
}

/** What there is once the load is over; ends the service. */
async function findFacts({ api, admin, load, service, clients, undrawn }) {
  const verdicts = [];
  for (const ledger of ['main', '_service']) verdicts.push({ of: ledger, verdict: await verify(api, ledger) });
  await load.job(api, 'checkpoint');
  // `_service` grows by what is done to it, `main` no more
  const exported = await load.job(api, 'archive-export');
  for (const job of ['archive-verification', 'anchor-verification', 'schema-check']) {
    const done = await load.job(api, job);
    verdicts.push({ of: job, verdict: done?.outcome?.verdict ?? done?.status ?? 'not run' });
  }
  const { body: summary } = await api.call('GET', '/v1/ledgers/main/archive/summary');
  const compared = await compare(admin, load.acknowledged);
  const { rows: waiting } = await admin.query(
    `SELECT count(*)::integer AS n FROM pg_stat_activity
      WHERE datname = 'truetrail' AND usename = 'truetrail_app' AND xact_start < now() - interval '2 seconds'`,
  );
  const { used: neverGivenBack, open } = await connectionsAtRest(api);
  const neverClosed = Math.max(0, open - clients);
  const dashboardFaults = await undrawn(); // while the service is there to be scraped
  const stoppedWith = await service.stop().then(
    () => 'code 0',
    (error) => error.message.split('\n')[0],
  );
  return {
    acknowledged: load.acknowledged.count,
    ...compared,
    differing: compared.differing + load.acknowledged.differing,
    wrongRepeats: load.wrongRepeats,
    unexpected: load.unexpected,
    neverAcknowledged: load.neverAcknowledged,
    refusedShare: load.refused / load.requests,
    kinds: load.kinds,
    failedJobs: [...load.failedJobs, ...(exported?.status === 'done' ? [] : ['the last export'])],
    verdicts,
    archived: Number(summary.archived),
    waitingAtEnd: waiting[0].n,
    neverGivenBack,
    neverClosed,
    dashboardFaults,
    logFaults: faultsOf(service.log()),
    stoppedWith,
  };
}

/**
 * With nothing to be done, the fewest seen within some seconds, for what is scheduled: connections of the pool that are in
 * use, and those to the API that are open.
 */
async function connectionsAtRest(api) {
  const fewest = { used: Infinity, open: Infinity };
  for (const end = performance.now() + SETTLING_MS; performance.now() < end; await pause(200)) {
    const { body: text } = await api.call('GET', '/metrics');
    fewest.used = Math.min(fewest.used, pooledConnections(text).used);
    fewest.open = Math.min(fewest.open, metric(text, 'truetrail_http_connections'));
  }
  return fewest;
}

async function verify(api, ledger) {
  const { body } = await api.call('POST', `/v1/ledgers/${ledger}/verifications`, {});
  for (;;) {
    const run = await api.call('GET', `/v1/ledgers/${ledger}/verifications/${body.id}`);
    if (run.body.status !== 'queued' && run.body.status !== 'running') return run.body.verdict ?? run.body.status;
    await pause(200);
  }
}

/** The ledger as PostgreSQL has it, beside what was acknowledged of it. */
async function compare(admin, acknowledged) {
  let [size, missing, differing] = [0, 0, 0];
  for (let from = 1; ; from += PAGE) {
    const { rows } = await admin.query({
      text: `SELECT sequence::float8 AS sequence, event_hash FROM audit_events
              WHERE ledger = 'main' AND sequence >= $1::float8 AND sequence < $2::float8 ORDER BY sequence`,
      values: [from, from + PAGE],
    });
    size += rows.length;
    const there = new Map(rows.map(({ sequence, event_hash: hash }) => [sequence, hash]));
    for (let sequence = from; sequence < from + PAGE; sequence++) {
      const hash = acknowledged.hashOf(sequence);
      if (hash === undefined) continue;
      if (!there.has(sequence)) missing += 1;
      else if (!there.get(sequence).equals(hash)) differing += 1;
    }
    if (rows.length === 0 && from > acknowledged.last) return { size, missing, differing };
  }
}

/** Lines of errors, without their times. */
function faultsOf(log) {
  return log
    .split('\n')
    .flatMap((line) => {
      try {
        const { level, msg, err } = JSON.parse(line);
        return level >= 50 || level === 'error' || level === 'fatal' ? [`${msg}: ${err?.message ?? ''}`] : [];
      } catch {
        return /\b(Error|Warning)\b/.test(line) ? [line.slice(0, 200)] : [];
      }
    })
    .filter((line) => !/NodeVersionSupportWarning|will require node/.test(line));
}

/** A new bucket where there is an S3; else the service's own folder. */
async function archiveSettings() {
  if (!process.env.AWS_ENDPOINT_URL_S3) return {};
  const bucket = `truetrail-soak-${randomBytes(4).toString('hex')}`;
  const client = new S3Client({});
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: true }));
    const DefaultRetention = { Mode: 'COMPLIANCE', Days: 1 };
    await client.send(
      new PutObjectLockConfigurationCommand({
        Bucket: bucket,
        ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled', Rule: { DefaultRetention } },
      }),
    );
  } finally {
    client.destroy();
  }
  const aws = Object.fromEntries(
    AWS_VARIABLES.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])),
  );
  return { ...aws, ARCHIVE_URL: `s3://${bucket}/trail` };
}
