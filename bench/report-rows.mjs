// Rows about the reports: what each takes, and what it costs whoever writes meanwhile. Only when named.
import { AN_AGGREGATE, DeskEvents, dropCopyOf, omsOf } from './desk-events.mjs';
import { importReference } from './desk-reference.mjs';
import { timeOf } from './order-events.mjs';
import { KEY } from './processes.mjs';
import { drain, NotThereYet, peakOf, postFor } from './read-rows.mjs';
import { percentile, summarize } from './statistics.mjs';
import { rowTimeoutMs, withTimeout } from './timeouts.mjs';
import { alternate, LEDGER, Trail } from './trail.mjs';

/** Where reads are recorded. */
const SERVICE_LEDGER = '_service';
/** Asked for a state that no report has, the list of their ages counts them all, and lists none. */
const NO_SUCH_STATE = 'rejected';
/**
 * What reports are asked besides a period, where they must be asked for something: each a measurement of its own. `most`:
 * of the first so many events alone, since the report refuses more than it can hold.
 */
const ASKED = {
  'user-activity': [{ query: { user_id: 'trader-001' } }],
  'order-reconstruction': [{ query: { order_id: AN_AGGREGATE }, hasPeriod: false }],
  activity: [{ query: { by: 'client' } }],
  'drop-copy-reconciliation': [{ query: { source: omsOf(0), other_source: dropCopyOf(0) } }],
  'order-records': [{ query: { regime: 'rts24' } }, { query: { regime: 'annex4-transactions' } }],
  'transaction-ageing': [{ query: { state: NO_SUCH_STATE } }, { most: 200_000 }],
};
/** Of the service's own ledger, which tells of reads. */
const OF_SERVICE_LEDGER = ['access-log'];
/** The authority's, without which nothing is late; and no archive, since of ten million events it takes as long as filling. */
const SETTINGS = { REPORTING_TIME_ZONE: 'Europe/Paris', ARCHIVE_URL: 'off' };
/** Posted before the clock starts, by a service that was started for this. */
const WARM_UP = 200;
const READERS = 4;

/** Of each report that the service lists: seconds, peak memory, and POST p99 beside it. One that fails is a row that says so. */
export async function measureReports(trail, sizes) {
  if (process.platform !== 'linux') throw new NotThereYet('peak memory is read from /proc, which only Linux has');
  const own = await Trail.start({ ...trail, env: SETTINGS, eventsBy: (newEventId) => new DeskEvents(newEventId) });
  try {
    await importReference(own.service, KEY);
    await own.fill(sizes.events);
    const events = own.recorded;
    await readOften(own, sizes.listedReads);
    const { body } = await own.call('GET', `/v1/ledgers/${LEDGER}/reports`);
    const names = body.reports.map(({ name }) => name);
    const unknown = sizes.reports?.filter((name) => !names.includes(name)) ?? [];
    if (unknown.length > 0) throw new Error(`no report ${unknown.join(', ')}; there are ${names.join(', ')}`);
    const rows = [];
    for (const name of sizes.reports ?? names) {
      for (const asked of ASKED[name] ?? [{}]) rows.push(...(await measuredOrFailed(own, name, asked, events, sizes)));
    }
    return rows;
  } finally {
    await own.stop();
  }
}

/** Reports of next to nothing, so that there is something to tell of who read what. */
async function readOften(trail, count) {
  trail.log(`  ${count} reads that are recorded`);
  const path = (n) =>
    `/v1/ledgers/${LEDGER}/reports/mifid2-trades?${new URLSearchParams({ from: timeOf(n), to: timeOf(n + 1) })}`;
  let next = 0;
  await trail.withConnections(READERS, (connections) =>
    Promise.all(
      connections.map(async (connection) => {
        while (next < count) {
          const { status } = await connection.call('GET', path(next++));
          if (status !== 200) throw new Error(`${path(0)}: ${status}`);
        }
      }),
    ),
  );
}

async function measuredOrFailed(trail, name, asked, events, sizes) {
  const what = `report ${[name, ...Object.entries(asked.query ?? {}).map(([key, value]) => `${key}=${value}`)].join(' ')}`;
  trail.cleanup.requireNotBegun();
  try {
    return await withTimeout(measureReport(trail, { what, name, ...asked }, events, sizes), rowTimeoutMs(events));
  } catch (error) {
    trail.cleanup.requireNotBegun();
    trail.log(`  ${what} failed: ${error.stack}\n${trail.service.logTail()}`);
    await trail.replaceService();
    const failure = error instanceof NotThereYet ? 'the service lists it, and has none' : error.message;
    return [{ row: 'reports', what, target: null, met: null, failure }];
  }
}

/** `{ of, path }`: the report over the first so many events, and of what it is. */
async function askedOf(trail, { name, query = {}, hasPeriod = true, most = Infinity }, events) {
  if (OF_SERVICE_LEDGER.includes(name)) {
    const { body } = await trail.call('GET', `/v1/ledgers/${SERVICE_LEDGER}`);
    const always = { from_date: '1970-01-01', to_date: '2199-12-31' };
    return { of: (count) => `${shareOf(count)} events of ${SERVICE_LEDGER}`, path };

    function shareOf(count) {
      return Math.floor((Number(body.size) * count) / events);
    }
    function path(count) {
      const parameters = { format: 'csv', ...always, as_of: String(shareOf(count)), ...query };
      return `/v1/ledgers/${SERVICE_LEDGER}/reports/${name}?${new URLSearchParams(parameters)}`;
    }
  }
  return {
    of: (count) => (hasPeriod ? `${Math.min(count, most)} events` : 'an order'),
    path: (count) => {
      const period = hasPeriod ? { from: timeOf(0), to: timeOf(Math.min(count, most)) } : {};
      return `/v1/ledgers/${LEDGER}/reports/${name}?${new URLSearchParams({ format: 'csv', ...period, ...query })}`;
    },
  };
}

async function measureReport(trail, asked, events, sizes) {
  const { of, path } = await askedOf(trail, asked, events);
  const what = `${asked.what}, over ${of(events)}`;
  trail.log(`  ${what}`);
  const small = Math.min(sizes.smallEvents, Math.floor(events / 2));
  const limit = await peakOf(trail, () => drain(trail, path(small), 'text/csv'));
  let seconds;
  const peak = await peakOf(trail, async () => {
    const begun = performance.now();
    await drain(trail, path(events), 'text/csv');
    seconds = (performance.now() - begun) / 1000;
  });
  trail.log(`    ${seconds.toFixed(1)} s, peak ${peak.toFixed(0)} MiB, over ${of(small)} ${limit.toFixed(0)} MiB`);
  const row = { row: 'reports' };
  const beside = await postBeside(trail, path(events), sizes);
  const p99 = `${beside.ours.toFixed(1)} ms, ${beside.limit.toFixed(1)} ms when quiet, ${beside.ratio.toFixed(2)}×`;
  trail.log(`    POST p99 ${p99}; ${beside.detail.reports} times`);
  return [
    { ...row, what, unit: 's', ours: seconds, target: 'printed', met: null },
    {
      ...row,
      what: `${asked.what}: peak memory`,
      unit: 'MiB',
      ...{ limitName: `peak over ${of(small)}`, limit, ours: peak, ratio: peak / limit },
      ...{ target: '≤ that + 64 MiB', met: peak <= limit + 64 },
    },
    { ...row, what: `${asked.what}: POST p99 while it runs, over and over`, ...beside },
  ];
}

/** POST p99 while a report is made, beside the same when quiet. */
async function postBeside(trail, path, { busyRounds, busyMs }) {
  let reports = 0;
  const results = await trail.withConnections(1, async ([connection]) => {
    await trail.postSingles([connection], trail.makeSingles(connection, WARM_UP));
    const post = () => postFor(trail, connection, busyMs);
    return alternate(busyRounds, () => withReport(trail, path, post, () => (reports += 1)), post);
  });
  const [busy, quiet] = [results.ours.flat(), results.limit.flat()];
  const [ours, limit] = [percentile(busy, 0.99), percentile(quiet, 0.99)];
  return {
    unit: 'ms',
    ...{ limitName: 'the same when quiet', limit, ours, ratio: ours / limit, target: '≤ 2×', met: ours / limit <= 2 },
    detail: { reports, oursMs: summarize(busy), limitMs: summarize(quiet) },
  };
}

/** Does `work` while the report is asked for again and again; the last answer is not waited for. */
async function withReport(trail, path, work, begun) {
  let isOver = false;
  return trail.withConnections(1, async ([reader]) => {
    const reading = (async () => {
      while (!isOver) {
        begun();
        const { status } = await reader.send(reader.encode('GET', path, undefined, 'text/csv'), () => undefined);
        if (status !== 200) throw new Error(`${path}: ${status}`);
      }
    })();
    reading.catch(() => undefined); // told below
    const result = await Promise.race([work(), reading.then(() => Promise.reject(new Error('the report ended')))]);
    isOver = true;
    reader.close();
    await reading.catch(() => undefined); // it was cut off on purpose
    return result;
  });
}
