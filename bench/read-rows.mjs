// Rows about what is recorded: histories of orders, verification, and writing while both go on.
import { readFileSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { bareHttpRow } from './bare-http.mjs';
import { copyOut } from './copy.mjs';
import { runExport } from './jobs.mjs';
import { completeOrders, OrderEvents, orderId, STEPS, timeOf } from './order-events.mjs';
import { median, percentile, summarize } from './statistics.mjs';
import { alternate, LEDGER, unexpected } from './trail.mjs';
import { rateRow } from './write-rows.mjs';

/** The route is not there yet: a later part of the service. */
export class NotThereYet extends Error {}

/** A ledger whose orders warm the code up and leave the measured ledger's pages where they are. */
const OTHER_LEDGER = 'warm-up';

/** Histories of random orders over HTTP, beside the same SELECT prepared on one connection; everything cached. */
export async function measureHistory(trail, { rounds, orders }) {
  const chosen = randomOrders(trail, orders);
  await requireRoute(trail, historyPath(LEDGER, chosen[0]));
  await selectHistories(trail, chosen); // reads all of it into the cache
  const share = Math.ceil(chosen.length / rounds);
  const part = (round) => chosen.slice(round * share, (round + 1) * share);
  await warmHistoriesUp(trail, chosen.slice(0, 200), LEDGER);
  const results = await trail.withConnections(1, ([connection]) =>
    alternate(
      rounds,
      (round) => fetchHistories(connection, part(round)),
      (round) => selectHistories(trail, part(round)),
    ),
  );
  const [ours, limit] = [results.ours.flat(), results.limit.flat()];
  const ratio = median(ours) / median(limit);
  return [
    {
      row: 'history',
      what: `order history at ${trail.recorded} events, ${chosen.length} random orders, over HTTP, warm, p50`,
      unit: 'ms',
      limitName: 'the same SELECT, prepared, on one connection',
      limit: median(limit),
      ours: median(ours),
      ratio,
      target: '≤ 2×',
      met: ratio <= 2,
      detail: { oursMs: summarize(ours), limitMs: summarize(limit) },
    },
    await trail.withConnections(1, async ([connection]) => {
      const requests = chosen.map((order) => connection.encode('GET', historyPath(LEDGER, order)));
      const { body, status } = await connection.send(requests[0]);
      return bareHttpRow('history', { requests, answer: body, status, what: 'the same requests' });
    }),
  ];
}

/** The same after a restart of everything, with the operating system's cache dropped where this may be done. */
export async function measureColdHistory(trail, { orders, dropCaches }) {
  const chosen = randomOrders(trail, orders);
  await requireRoute(trail, historyPath(LEDGER, chosen[0]));
  await fillOtherLedger(trail);
  let note;
  await trail.restartBoth(() => {
    note = dropCaches ? dropPageCache() : 'page cache of the operating system not dropped: a quick run';
  });
  const others = Array.from({ length: 200 }, (_, order) => order);
  await warmHistoriesUp(trail, others, OTHER_LEDGER);
  const latencies = await trail.withConnections(1, ([connection]) => fetchHistories(connection, chosen));
  const ours = median(latencies);
  return [
    {
      row: 'history-cold',
      what: `the same, cold: PostgreSQL and service restarted, p50`,
      unit: 'ms',
      ours,
      target: 'under 12 ms',
      met: ours < 12,
      note,
      detail: { oursMs: summarize(latencies) },
    },
  ];
}

async function fillOtherLedger(trail) {
  const path = `/v1/ledgers/${OTHER_LEDGER}`;
  const made = await trail.call('PUT', path, {});
  if (made.status >= 300) throw new Error(`PUT ${path}: ${made.status}`);
  const events = new OrderEvents(trail.events.newEventId);
  await trail.withConnections(1, async ([connection]) => {
    for (let posted = 0; posted < 8_000; posted += 1_000) {
      const body = `{"events":[${events.take(1_000).join(',')}]}`;
      const answer = await connection.send(connection.encode('POST', `${path}/events/batch`, body));
      if (answer.status !== 201) throw unexpected(answer);
    }
  });
}

function historyPath(ledger, order) {
  return `/v1/ledgers/${ledger}/orders/${orderId(order)}/history`;
}

/** Numbers of different orders whose every step is recorded; the same choice in every run of the same size. */
function randomOrders(trail, count) {
  const all = completeOrders(trail.recorded);
  const wanted = Math.min(count, all);
  const chosen = new Set();
  for (let seed = 1; chosen.size < wanted;) {
    seed = (seed * 48271) % 2147483647; // Lehmer, MINSTD
    chosen.add(seed % all);
  }
  return [...chosen];
}

async function fetchHistories(connection, orders) {
  const latencies = [];
  const answers = [];
  for (const order of orders) {
    const request = connection.encode('GET', historyPath(LEDGER, order));
    const begun = performance.now();
    const answer = await connection.send(request);
    latencies.push(performance.now() - begun);
    answers.push(answer);
  }
  for (const answer of answers) {
    if (answer.status !== 200) throw unexpected(answer);
    const { length } = JSON.parse(answer.body.toString()).events;
    if (length !== STEPS.length) throw new Error(`a history of ${length} events, not ${STEPS.length}`);
  }
  return latencies;
}

async function selectHistories(trail, orders) {
  const statement = {
    name: 'bench_history',
    text: `SELECT ${trail.storedColumns} FROM audit_events
      WHERE ledger = $1 AND entity_type = 'order' AND entity_id = $2 ORDER BY sequence LIMIT 10001`,
  };
  const latencies = [];
  for (const order of orders) {
    const begun = performance.now();
    const { rows } = await trail.owner.query({ ...statement, values: [LEDGER, orderId(order)] });
    latencies.push(performance.now() - begun);
    if (rows.length !== STEPS.length) throw new Error(`a history of ${rows.length} rows, not ${STEPS.length}`);
  }
  return latencies;
}

async function warmHistoriesUp(trail, orders, ledger) {
  await trail.withConnections(1, async ([connection]) => {
    for (const order of orders) await connection.send(connection.encode('GET', historyPath(ledger, order)));
  });
}

/** Linux, root: writes back and drops what the operating system has cached. Returns what was done, for the reader. */
function dropPageCache() {
  if (process.platform !== 'linux' || process.getuid() !== 0) {
    return 'page cache of the operating system not dropped: that takes Linux and root';
  }
  try {
    spawnSync('sync');
    writeFileSync('/proc/sys/vm/drop_caches', '3');
    return 'page cache of the operating system dropped';
  } catch (error) {
    return `page cache of the operating system not dropped: ${error.code}`;
  }
}

/** Verification of the whole ledger, beside the same work in memory on all cores, and COPY TO of the same rows. */
export async function measureVerification(trail, { verificationRounds, hashedRecords, hashMs }) {
  await requireRoute(trail, `/v1/ledgers/${LEDGER}/verifications`);
  await verify(trail, 1, Math.min(trail.recorded, 20_000)); // workers and their code are there afterwards
  const workers = await startHashWorkers(trail, Math.min(hashedRecords, trail.recorded));
  const copied = [];
  let results;
  try {
    results = await alternate(
      verificationRounds,
      async () => (trail.recorded * 1000) / (await verify(trail)).milliseconds,
      async () => {
        const rate = await hashInMemory(workers, hashMs);
        copied.push(await copyEverythingOut(trail));
        return rate;
      },
    );
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  return [
    rateRow(results, {
      row: 'verification',
      what: `verification of links and contents, ${trail.recorded} events`,
      limitName: `parse + JCS + both hashes of ${Math.min(hashedRecords, trail.recorded)} records in memory on ${workers.length} cores`,
      least: 0.6,
      note: `COPY TO of all rows: ${Math.round(median(copied))} events/s`,
      detail: { copyToByRound: copied },
    }),
  ];
}

/** Runs a verification to its end. Throws unless the verdict is "valid" for every event of the range. */
export async function verify(trail, from, to) {
  const path = `/v1/ledgers/${LEDGER}/verifications`;
  const least = from === undefined ? trail.recorded : to - from + 1;
  const range = from === undefined ? {} : { from_sequence: String(from), to_sequence: String(to) };
  return trail.withConnections(1, async ([connection]) => {
    const begun = performance.now();
    const started = await connection.call('POST', path, range);
    if (started.status === 404) throw new NotThereYet();
    if (started.status !== 202) throw new Error(`verification: ${started.status} ${JSON.stringify(started.body)}`);
    for (;;) {
      const { status, body } = await connection.call('GET', `${path}/${started.body.id}`);
      if (status !== 200) throw new Error(`verification: ${status} ${JSON.stringify(body)}`);
      if (body.status === 'done' || body.status === 'failed' || body.status === 'cancelled') {
        const checked = Number(body.checked);
        if (body.verdict !== 'valid' || checked < least) {
          throw new Error(`verification of ${least} events: ${JSON.stringify(body).slice(0, 1000)}`);
        }
        return { milliseconds: performance.now() - begun, checked };
      }
      await pause(20);
    }
  });
}

export async function startHashWorkers(trail, records) {
  const cores = availableParallelism();
  const share = Math.ceil(records / cores);
  const { origin } = (await trail.call('GET', `/v1/ledgers/${LEDGER}`)).body;
  const connection = {
    url: trail.database.ownerUrl,
    asService: false,
    applicationName: 'bench',
    lockTimeoutMs: 0,
  };
  const statement = `SELECT ${trail.storedColumns} FROM audit_events
    WHERE ledger = '${LEDGER}' AND sequence BETWEEN $1 AND $2 ORDER BY sequence`;
  const workers = Array.from({ length: cores }, (_, i) => {
    const [from, to] = [i * share + 1, Math.min((i + 1) * share, records)];
    const worker = new Worker(new URL('./hash-worker.mjs', import.meta.url), {
      workerData: { build: trail.build, connection, statement, from, to, origin },
    });
    trail.cleanup.add(() => worker.terminate());
    return worker;
  });
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  return workers;
}

export async function hashInMemory(workers, milliseconds) {
  const answers = workers.map((worker) => once(worker, 'message'));
  for (const worker of workers) worker.postMessage({ milliseconds });
  const rates = await Promise.all(answers);
  return rates.reduce((sum, [{ rate }]) => sum + rate, 0);
}

async function copyEverythingOut(trail) {
  const begun = performance.now();
  let rows = 0;
  await copyOut(
    trail.owner,
    `COPY (SELECT ${trail.storedColumns} FROM audit_events WHERE ledger = '${LEDGER}') TO STDOUT`,
    () => rows++,
  );
  if (rows !== trail.recorded) throw new Error(`COPY TO gave ${rows} rows, not ${trail.recorded}`);
  return (rows * 1000) / (performance.now() - begun);
}

/** What runs beside the writer, each over and over, over the first `events` events or all. */
const LOADS = {
  verification: (trail, events) => verify(trail, ...(events === undefined ? [] : [1, events])),
  report: (trail, events = trail.recorded) => drain(trail, reportPath(events), 'text/csv'),
  export: (trail) => runExport(trail),
};

/** POST p99 while the ledger is read as a whole, beside the same when quiet; then beside each of the loads alone. */
export async function measureBusy(trail, { busyRounds, busyMs }) {
  const loads = {};
  for (const [name, run] of Object.entries(LOADS)) if (await isThere(trail, run)) loads[name] = run;
  if (Object.keys(loads).length === 0) throw new NotThereYet();
  const missing = Object.keys(LOADS).filter((name) => !loads[name]);
  const together = await measureBeside(trail, loads, busyRounds, busyMs);
  const rows = [
    {
      ...together,
      target: '≤ 2×',
      met: together.ratio <= 2,
      ...(missing.length === 0 ? {} : { note: `not there yet: ${missing.join(', ')}` }),
    },
  ];
  for (const [name, run] of Object.entries(loads)) {
    rows.push({ ...(await measureBeside(trail, { [name]: run }, 1, busyMs)), target: 'printed', met: null });
  }
  return rows;
}

/** A row without its target: one client's POST p99 while all of `loads` run over and over, in turns with nothing. */
async function measureBeside(trail, loads, rounds, roundMs) {
  const results = await trail.withConnections(1, ([connection]) => {
    const post = () => postFor(trail, connection, roundMs);
    return alternate(
      rounds,
      async () => {
        let over = false;
        const running = Object.values(loads).map(async (run) => {
          while (!over) await run(trail);
        });
        try {
          const [latencies] = await Promise.all([post().finally(() => (over = true)), ...running]);
          return latencies;
        } finally {
          over = true;
          await Promise.allSettled(running); // the quiet round begins when nothing runs any more
        }
      },
      post,
    );
  });
  const [busy, quiet] = [results.ours.flat(), results.limit.flat()];
  const [ours, limit] = [percentile(busy, 0.99), percentile(quiet, 0.99)];
  return {
    row: 'busy',
    what: `POST p99 during ${Object.keys(loads).join(', ')}`,
    unit: 'ms',
    limitName: 'the same when quiet',
    limit,
    ours,
    ratio: ours / limit,
    detail: { oursMs: summarize(busy), limitMs: summarize(quiet) },
  };
}

/** Posts events one by one for so long. Returns milliseconds for each. */
export async function postFor(trail, connection, milliseconds) {
  const latencies = [];
  const until = performance.now() + milliseconds;
  while (performance.now() < until) {
    latencies.push(...(await trail.postSingles([connection], trail.makeSingles(connection, 50))));
  }
  return latencies;
}

/** Peak memory of a fresh service, for each long read, at a hundred thousand events and at all of them. */
export async function measureMemory(trail, { smallEvents }) {
  const small = Math.min(smallEvents, Math.floor(trail.recorded / 2));
  const reads = await peakRows(trail, { row: 'memory', of: `${trail.recorded} events`, small });
  return [...reads, await exportPeakRow(trail, small)];
}

/** Peak memory of a fresh service, for each long read: over the first `small` events, and over all. `of` says what these are. */
export async function peakRows(trail, { row, of, small }) {
  if (process.platform !== 'linux') throw new NotThereYet('peak memory is read from /proc, which only Linux has');
  const reads = {
    verification: (events) => verify(trail, 1, events),
    'NDJSON search': (events) =>
      drain(trail, `/v1/ledgers/${LEDGER}/events?to_sequence=${events}`, 'application/x-ndjson'),
    'report mifid2-trades': (events) => drain(trail, reportPath(events), 'text/csv'),
  };
  const rows = [];
  for (const [name, run] of Object.entries(reads)) {
    const what = `memory: ${name}, peak at ${of}`;
    try {
      const limit = await peakOf(trail, () => run(small));
      const ours = await peakOf(trail, () => run(trail.recorded));
      rows.push(peakRow({ row, what, small, limit, ours }));
    } catch (error) {
      if (!(error instanceof NotThereYet)) throw error;
      rows.push(notThereYet(row, what));
    }
  }
  return rows;
}

/** Settings of a service that leaves events open until it is asked to export them. */
export const NO_EXPORT_OF_ITS_OWN = { ARCHIVE_EXPORT_AGE: '24h', ARCHIVE_EXPORT_EVENTS: '10000000' };

/** The same of the export: of so many events that are open, and of four times as many. */
async function exportPeakRow(trail, small) {
  const peakOfExport = async (events) => {
    await trail.restartService(NO_EXPORT_OF_ITS_OWN);
    await runExport(trail);
    await trail.fill(trail.recorded + events);
    return peakOf(
      trail,
      async () => {
        const { events: exported } = await runExport(trail);
        if (exported < events) throw new Error(`${exported} events were exported, not ${events}`);
      },
      NO_EXPORT_OF_ITS_OWN,
    );
  };
  const limit = await peakOfExport(small);
  const ours = await peakOfExport(4 * small);
  return peakRow({ row: 'memory', what: `memory: export, peak at ${4 * small} events`, small, limit, ours });
}

function peakRow({ row, what, small, limit, ours }) {
  return {
    ...{ row, what, unit: 'MiB', limitName: `peak at ${small} events`, limit, ours, ratio: ours / limit },
    ...{ target: '≤ that + 64 MiB', met: ours <= limit + 64 },
  };
}

/** Peak resident memory, MiB, of a service that was started for this and does `work`. */
export async function peakOf(trail, work, env = {}) {
  await trail.restartService(env);
  await work();
  const status = readFileSync(`/proc/${trail.service.pid}/status`, 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)[1]) / 1024;
}

export function notThereYet(row, what, note = 'not there yet') {
  return { row, what, target: null, met: null, note };
}

async function isThere(trail, run) {
  try {
    await run(trail, 1_000);
    return true;
  } catch (error) {
    if (error instanceof NotThereYet) return false;
    throw error;
  }
}

async function requireRoute(trail, path) {
  const { status } = await trail.call('GET', path);
  if (status === 404) throw new NotThereYet();
}

/** The report over the first `events` events. */
function reportPath(events) {
  return `/v1/ledgers/${LEDGER}/reports/mifid2-trades?format=csv&from=${timeOf(0)}&to=${timeOf(events)}`;
}

/** Reads an answer of any length to its end and keeps nothing of it. Throws what the service says against it. */
export async function drain(trail, path, accept) {
  await trail.withConnections(1, async ([connection]) => {
    let bytes = 0;
    let beginning = '';
    const request = connection.encode('GET', path, undefined, accept);
    const { status } = await connection.send(request, (part) => {
      if (bytes < MOST_SHOWN_BYTES) beginning += part.toString().slice(0, MOST_SHOWN_BYTES);
      bytes += part.length;
    });
    const route = path.split('?')[0];
    if (status === 404) throw new NotThereYet();
    if (status !== 200 || bytes === 0) throw new Error(`${route}: ${status}, ${beginning || 'nothing'}`);
  });
}

/** Of an answer that should not be. */
const MOST_SHOWN_BYTES = 1_000;
